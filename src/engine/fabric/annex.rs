//! The host's own way to its deckies (`host_access`).
//!
//! A parent and its children never hear each other. So the host gets a link of its own whose other end lies in a
//! namespace with one more child of the parent, and each passes on what comes to the other. That child reaches
//! deckies only in mode *bridge*, which those of such a fleet are therefore in. Nothing of it has a name but the
//! host's end, which goes with the namespace, as the routes do.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::home::Site;
use super::workshop::{no_namespace, refused};
use crate::engine::EngineError;
use crate::host::net::{Child, ChildMode, Namespace, NetlinkError, Rtnetlink, Sysctls, Traveller};
use crate::host::nft;
use crate::model::Mac;

/// Names and numbers of the links in the namespace.
const WIRE: (&str, u32) = ("wire", 2);
const HOST: (&str, u32) = ("host", 3);
/// The host's end is called so, with a number.
const NAME: &str = "decnet";
/// How many numbers are tried.
const NUMBERS: u32 = 64;

/// The namespace between. Dropping it takes the host's link and the routes through it away.
#[derive(Debug)]
pub(super) struct Annex {
    _namespace: Namespace,
    /// Number of the parent.
    pub(super) parent: u32,
    /// Hardware address of the host on it: the LAN never sees it.
    pub(super) mac: Mac,
    /// Number of the host's end.
    index: u32,
    /// The host's address on the LAN.
    source: Option<Ipv4Addr>,
}

impl Annex {
    /// Makes it, for deckies like the one at `site`.
    pub(super) fn open(
        site: &Site,
        travel: &Traveller,
        host: &mut Rtnetlink,
        sysctls: &mut Sysctls,
    ) -> Result<Self, EngineError> {
        let cannot = |error: &NetlinkError| refused(error, None);
        // Another one each time: the last one's child may not be gone yet.
        let mut random = [0; 5];
        getrandom::fill(&mut random).map_err(|error| EngineError::io("cannot draw a MAC", &error.into()))?;
        let [a, b, c, d, e] = random;
        let mac = Mac([0x02, a, b, c, d, e]);
        let own = host.addresses().map_err(|error| cannot(&error))?;
        let source = own.iter().find(|own| own.index == site.parent).map(|own| own.ip);
        let made = travel.found(|namespace| {
            let namespace = namespace.map_err(|error| no_namespace(&error))?;
            sysctls.next_namespace();
            // It has no address, and needs none; a kernel without IPv6 lacks the setting.
            let _ = sysctls.write("net.ipv6.conf.all.disable_ipv6", "1");
            let child = Child {
                name: WIRE.0,
                index: WIRE.1,
                parent: site.parent,
                mode: ChildMode::Bridge(mac),
                up: true,
            };
            host.create_child(&child, namespace.as_fd()).map_err(|error| cannot(&error))?;
            let index = host_end(host, mac, &namespace).map_err(|error| cannot(&error))?;
            let mut inside = Rtnetlink::open().map_err(|error| cannot(&error))?;
            inside.switch_on(HOST.1).and_then(|()| host.switch_on(index)).map_err(|error| cannot(&error))?;
            nft::relay(WIRE, HOST).map_err(|error| super::rules::refused(&error))?;
            Ok(Self { _namespace: namespace, parent: site.parent, mac, index, source })
        });
        made.map_err(|error| no_namespace(&error))?
    }

    /// Sends what the host has for `ip` this way.
    pub(super) fn lead(&self, host: &mut Rtnetlink, ip: Ipv4Addr) -> Result<(), EngineError> {
        host.add_host_route(self.index, ip, self.source).map_err(|error| refused(&error, None))
    }

    /// The decky is gone.
    pub(super) fn forget(&self, host: &mut Rtnetlink, ip: Ipv4Addr) {
        // Whoever took the link away took the route as well.
        let _ = host.delete_host_route(self.index, ip);
    }
}

/// Makes the host's link; its number.
fn host_end(host: &mut Rtnetlink, mac: Mac, namespace: &Namespace) -> Result<u32, NetlinkError> {
    let mut number = 0;
    loop {
        let name = format!("{NAME}{number}");
        match host.create_pair(&name, mac, HOST, namespace.as_fd()) {
            // Another fleet's.
            Err(error) if error.errno() == Some(Errno::EXIST) && number < NUMBERS => number += 1,
            Err(error) => return Err(error),
            Ok(()) => return Ok(host.link(&name)?.map_or(0, |link| link.index)),
        }
    }
}
