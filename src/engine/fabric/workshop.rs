//! The set-up thread: the only one that goes into namespaces.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak, mpsc};

use rustix::io::Errno;

use super::annex::Annex;
use super::home::{Home, Site};
use super::{Kept, Listener, Want, listeners, settings};
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::{
    Child, ChildMode, Namespace, NetlinkError, Rtnetlink, Sysctls, Traveller, room_for_neighbours,
};
use crate::model::{Driver, Mac};

/// Name and number of the one link of a decky: what a machine's first card is called.
pub(super) const LINK: &str = "eth0";
const LINK_INDEX: u32 = 2;

/// So many deckies and one peer of each fill half of what most hosts have room for.
const TIGHT: usize = 256;

/// Something to be done on the set-up thread.
pub(super) type Job = Box<dyn FnOnce(&mut Workshop) + Send>;

/// Packet rules of deckies.
pub trait Rules: Send {
    /// Called on a thread inside the namespace of the decky, when its link has its address and before
    /// anything listens. Sockets opened here work on that namespace; one that was opened when these rules
    /// were made works on the host's. It may send from the UDP ports of `site` and from `transfers`.
    ///
    /// # Errors
    /// The decky does not start then.
    fn admit(&mut self, site: &Site, transfers: &[u16]) -> Result<(), EngineError>;

    /// These deckies were there before this program: what is inside their namespaces stands, the rest is made.
    ///
    /// # Errors
    /// What the kernel says.
    fn readmit(&mut self, sites: &[&Site]) -> Result<(), EngineError>;

    /// Nothing with this hardware address is to leave by the parent of `site`.
    ///
    /// # Errors
    /// What the kernel says.
    fn hide(&mut self, site: &Site, mac: Mac) -> Result<(), EngineError>;

    /// The decky is gone, or has just failed to come.
    fn dismiss(&mut self, site: &Site);
}

/// No rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl Rules for NoRules {
    fn admit(&mut self, _: &Site, _: &[u16]) -> Result<(), EngineError> {
        Ok(())
    }

    fn readmit(&mut self, _: &[&Site]) -> Result<(), EngineError> {
        Ok(())
    }

    fn hide(&mut self, _: &Site, _: Mac) -> Result<(), EngineError> {
        Ok(())
    }

    fn dismiss(&mut self, _: &Site) {}
}

/// What the set-up thread has.
pub(super) struct Workshop {
    travel: Traveller,
    host: Rtnetlink,
    sysctls: Sysctls,
    /// Shared with each home, and how many homes the host has room for.
    homes: Arc<()>,
    room: usize,
    /// The host's way to its deckies, while there are any that it is to reach.
    annex: Weak<Annex>,
    pub(super) rules: Box<dyn Rules>,
}

impl Workshop {
    /// Starts the thread. It ends when nobody can send it a job any more.
    pub(super) fn start(rules: Box<dyn Rules>) -> Result<mpsc::Sender<Job>, EngineError> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("fabric".into()).spawn(move || {
            let made = Self::new(rules);
            match made {
                Ok(mut shop) => {
                    let _ = tell.send(Ok(()));
                    for job in inbox {
                        job(&mut shop);
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
        let cannot = |error| EngineError::io("cannot start the set-up thread", &error);
        thread.map_err(cannot)?;
        told.recv().map_err(|_| cannot(std::io::ErrorKind::BrokenPipe.into()))??;
        Ok(jobs)
    }

    fn new(rules: Box<dyn Rules>) -> Result<Self, EngineError> {
        let travel = Traveller::new()
            .map_err(|error| EngineError::io("cannot find this process's network namespace", &error))?;
        let host = Rtnetlink::open().map_err(|error| refused(&error, None))?;
        Ok(Self {
            travel,
            host,
            sysctls: Sysctls::default(),
            homes: Arc::new(()),
            room: 0,
            annex: Weak::new(),
            rules,
        })
    }

    /// Makes a place for `site`, or goes into the one it has, and listens there.
    pub(super) fn settle(
        &mut self,
        site: Site,
        wanted: Vec<Want>,
        kept: Kept,
        jobs: mpsc::Sender<Job>,
    ) -> Result<(Vec<Listener>, Home), EngineError> {
        match kept.home.filter(|home| home.site == site) {
            Some(home) => {
                let made = self.travel.visit(&home.namespace, || listeners(wanted, site.ip, kept.listeners));
                Ok((made.map_err(|error| no_namespace(&error))??, home))
            }
            None => {
                // What kept the address must go first; the closure below must not own it.
                drop(kept.listeners);
                self.make_room();
                let annex = self.annex(&site)?;
                let Self { travel, host, sysctls, homes, rules, .. } = self;
                let made = travel.found(|namespace| {
                    let namespace = namespace.map_err(|error| no_namespace(&error))?;
                    furnish(&namespace, &site, host, sysctls)?;
                    let home = Home { namespace, site, annex, jobs, _one: homes.clone() };
                    let (transfers, others) = wanted.into_iter().partition(Want::transfers);
                    let mut made = listeners(transfers, home.site.ip, Vec::new())?;
                    rules.admit(&home.site, &made.iter().map(|l| l.address.port()).collect::<Vec<_>>())?;
                    made.extend(listeners(others, home.site.ip, Vec::new())?);
                    if let Some(annex) = &home.annex {
                        annex.lead(host, home.site.ip)?;
                    }
                    Ok((made, home))
                });
                made.map_err(|error| no_namespace(&error))?
            }
        }
    }
}

impl Workshop {
    /// Takes places over that the program before this one made.
    pub(super) fn adopt(
        &mut self,
        places: Vec<(OwnedFd, Site)>,
        jobs: &mpsc::Sender<Job>,
    ) -> Result<Vec<Home>, EngineError> {
        self.rules.readmit(&places.iter().map(|(_, site)| site).collect::<Vec<_>>())?;
        let mut homes = Vec::with_capacity(places.len());
        for (fd, site) in places {
            let annex = self.annex(&site)?;
            if let Some(annex) = &annex {
                annex.lead(&mut self.host, site.ip)?;
            }
            let (namespace, jobs) = (Namespace::inherited(fd), jobs.clone());
            homes.push(Home { namespace, site, annex, jobs, _one: self.homes.clone() });
        }
        Ok(homes)
    }

    /// The host's way to a decky at `site`; none when it is to have none.
    fn annex(&mut self, site: &Site) -> Result<Option<Arc<Annex>>, EngineError> {
        if !site.reachable {
            return Ok(None);
        }
        if let Some(annex) = self.annex.upgrade().filter(|annex| annex.parent == site.parent) {
            return Ok(Some(annex));
        }
        let annex = Arc::new(Annex::open(site, &self.travel, &mut self.host, &mut self.sysctls)?);
        self.rules.hide(site, annex.mac)?;
        self.annex = Arc::downgrade(&annex);
        Ok(Some(annex))
    }

    /// A decky is gone.
    pub(super) fn dismiss(&mut self, site: &Site, annex: Option<&Annex>) {
        if let Some(annex) = annex {
            annex.forget(&mut self.host, site.ip);
        }
        self.rules.dismiss(site);
    }

    /// Raises the limits of the host that all deckies share, for twice as many as there are.
    fn make_room(&mut self) {
        let homes = Arc::strong_count(&self.homes);
        if homes > self.room {
            self.room = homes.saturating_mul(2).max(64);
            // Not the host's first namespace, or no privilege there: deckies run, and at a thousand of them
            // some first packets get lost.
            if let Err(error) = room_for_neighbours(self.room)
                && (TIGHT..TIGHT * 2).contains(&homes)
            {
                crate::host::stdio::log(
                    "engine",
                    &format!(
                        "cannot make room for so many deckies in the kernel's table of neighbours ({error}); \
                         on the host: sysctl net.ipv4.neigh.default.gc_thresh3=32768"
                    ),
                );
            }
        }
    }
}

/// Gives the namespace that the calling thread is in its settings, link, address and route.
fn furnish(
    namespace: &Namespace,
    site: &Site,
    host: &mut Rtnetlink,
    sysctls: &mut Sysctls,
) -> Result<(), EngineError> {
    sysctls.next_namespace();
    settings::apply(sysctls, &site.family).map_err(|error| {
        EngineError::new(ErrorKind::Environment, format!("cannot set the kernel up for it: {error}"))
            .remedy("see that /proc/sys is writable (a container may need to be privileged)")
    })?;
    let child = Child {
        name: LINK,
        index: LINK_INDEX,
        parent: site.parent,
        mode: match site.driver {
            Driver::Ipvlan => ChildMode::Shared,
            _ if site.reachable => ChildMode::Bridge(site.mac),
            _ => ChildMode::Private(site.mac),
        },
        up: true,
    };
    host.create_child(&child, std::os::fd::AsFd::as_fd(namespace)).map_err(|e| refused(&e, Some(site)))?;
    let mut inside = Rtnetlink::open().map_err(|e| refused(&e, Some(site)))?;
    inside.configure(LINK_INDEX, site.ip, site.prefix, site.gateway).map_err(|e| refused(&e, Some(site)))
}

/// Why there is no namespace, and what helps.
pub(super) fn no_namespace(error: &std::io::Error) -> EngineError {
    let made = EngineError::new(ErrorKind::Environment, format!("cannot make a network namespace: {error}"));
    match Errno::from_io_error(error) {
        Some(Errno::PERM) => made.remedy(super::preflight::NEED_ROOT),
        Some(Errno::NOSPC) => made.remedy("raise the limit: sysctl user.max_net_namespaces=65536"),
        Some(Errno::MFILE | Errno::NFILE) => {
            made.remedy("raise the limit (`ulimit -n`, or LimitNOFILE= of the systemd unit)")
        }
        Some(Errno::INVAL | Errno::NOSYS) => made.remedy("use a kernel with CONFIG_NET_NS"),
        _ => made,
    }
}

/// Why the kernel did not make or configure a link, and what helps.
pub(super) fn refused(error: &NetlinkError, site: Option<&Site>) -> EngineError {
    let plain = EngineError::new(ErrorKind::Other, error.to_string());
    let Some(site) = site else { return plain };
    let (driver, parent) = (site.driver, &site.interface);
    let environment = |text: String| EngineError::new(ErrorKind::Environment, text);
    match error.errno() {
        Some(Errno::ADDRINUSE) if driver == Driver::Ipvlan => {
            EngineError::new(ErrorKind::Again, format!("another link on {parent} has the address {}", site.ip))
                .remedy("end what holds it: a second fleet, or a container; then `decnet reconcile`")
        }
        Some(Errno::ADDRINUSE) => {
            EngineError::new(ErrorKind::Again, format!("another link on {parent} has the MAC {}", site.mac))
                .remedy("end what holds it: a second fleet, or a virtual machine; then `decnet reconcile`")
        }
        Some(Errno::OPNOTSUPP) => environment(format!("this kernel has no {driver}")).remedy(match driver {
            Driver::Ipvlan => "use `driver = macvlan`, or a kernel with CONFIG_IPVLAN",
            _ => "use a kernel with CONFIG_MACVLAN, or `driver = loopback`",
        }),
        Some(Errno::BUSY) => {
            environment(format!("{parent} cannot carry {driver} links: something else uses it ({error})"))
                .remedy("name the bridge or bond that it is a port of as `interface`, and do not mix macvlan and ipvlan on one interface")
        }
        Some(Errno::NODEV) => environment(format!("its parent {parent} is gone"))
            .remedy("plug it in again, or name another `interface` in [general]"),
        Some(Errno::PERM) => environment(error.to_string()).remedy(super::preflight::NEED_ROOT),
        Some(Errno::NETUNREACH) => environment(error.to_string())
            .remedy("set a `gw` in [general] that lies inside `net`"),
        _ => plain,
    }
}
