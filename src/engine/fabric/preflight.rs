//! Whether a driver can work here, found out before anything is recorded.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::{CapabilitySet, capabilities};

use super::home::Site;
use super::workshop::{no_namespace, refused};
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::{Child, ChildMode, Link, Namespace, Rtnetlink};
use crate::model::{Driver, Mac, Network};

/// What helps against missing privileges.
pub(super) const NEED_ROOT: &str = "run decnet as root, or say `driver = loopback`";

/// A locally administered address that no decky gets; the link that has it is never switched on.
const TRIAL: Mac = Mac([0x0a, 0, 0, 0, 0, 0x01]);

/// Says why `network` cannot carry deckies on this host. Changes nothing that outlives the call.
///
/// # Errors
/// [`ErrorKind::Environment`], with the remedy.
pub fn preflight(network: &Network) -> Result<(), EngineError> {
    if network.driver == Driver::Loopback {
        return Ok(());
    }
    let environment = |error: EngineError| EngineError { kind: ErrorKind::Environment, ..error };
    let mut netlink = Rtnetlink::open().map_err(|error| environment(refused(&error, None)))?;
    let parent = parent(&mut netlink, network).map_err(environment)?;
    privileged(network.driver)?;
    trial(&mut netlink, network, &parent).map_err(environment)
}

/// The parent of `network`'s deckies, if it can be one. A cable that is not plugged in is no hindrance.
pub(super) fn parent(netlink: &mut Rtnetlink, network: &Network) -> Result<Link, EngineError> {
    let name = &network.interface;
    let refuse = |what: &str| EngineError::new(ErrorKind::Environment, what.to_owned());
    let Some(link) = netlink.link(name).map_err(|error| refused(&error, None))? else {
        let found = netlink.links().map_err(|error| refused(&error, None))?;
        let others: Vec<String> =
            found.into_iter().filter(|link| !link.loopback).map(|link| link.name).collect();
        let error = refuse(&format!("there is no interface `{name}` on this host"));
        return Err(match others.as_slice() {
            [] => error.remedy("say `driver = loopback`: this host has no network interface"),
            _ => error.remedy(format!("set `interface` in [general] to one of: {}", others.join(", "))),
        });
    };
    if link.loopback {
        return Err(refuse(&format!("{} cannot work on the loopback interface `{name}`", network.driver))
            .remedy("say `driver = loopback`, or name the interface of your LAN"));
    }
    if !link.up {
        return Err(refuse(&format!("the interface `{name}` is down"))
            .remedy(format!("switch it on: ip link set {name} up")));
    }
    if network.driver == Driver::Macvlan && wireless(name) {
        return Err(refuse(&format!(
            "`{name}` is a Wi-Fi interface: access points drop frames of any MAC but its own, so macvlan cannot work"
        ))
        .remedy("deploy with `--ipvlan` (`driver = ipvlan`), or name a wired interface"));
    }
    Ok(link)
}

fn wireless(name: &str) -> bool {
    let class = Path::new("/sys/class/net").join(name);
    class.join("wireless").exists() || class.join("phy80211").exists()
}

fn privileged(driver: Driver) -> Result<(), EngineError> {
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let missing: Vec<&str> = [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
        (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"),
    ]
    .into_iter()
    .filter(|(set, _)| !has.contains(*set))
    .map(|(_, name)| name)
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(EngineError::new(
        ErrorKind::Environment,
        format!("the {driver} driver needs {}, which this process does not have", missing.join(" and ")),
    )
    .remedy(NEED_ROOT))
}

/// Makes a link in a namespace of its own, never switched on, and lets go of both.
fn trial(netlink: &mut Rtnetlink, network: &Network, parent: &Link) -> Result<(), EngineError> {
    let site = Site {
        driver: network.driver,
        interface: network.interface.clone(),
        parent: parent.index,
        mac: TRIAL,
        ip: network.subnet.network(),
        prefix: network.subnet.prefix(),
        gateway: None,
        reachable: false,
        family: String::new(),
        udp: Vec::new(),
    };
    let namespace = Namespace::new().map_err(|error| no_namespace(&error))?;
    let mode = match network.driver {
        Driver::Ipvlan => ChildMode::Shared,
        _ => ChildMode::Private(TRIAL),
    };
    let child = Child { name: "trial", index: 0, parent: parent.index, mode, up: false };
    netlink.create_child(&child, namespace.as_fd()).map_err(|error| refused(&error, Some(&site)))
}
