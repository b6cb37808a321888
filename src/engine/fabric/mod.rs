//! Where listening sockets come from: one implementation per driver.

mod annex;
mod home;
mod lan;
mod loopback;
mod preflight;
mod rules;
mod settings;
mod wire;
mod workshop;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, getrlimit};

use super::{EngineError, ErrorKind};
use crate::catalog;
use crate::host::{nft, sys};
use crate::model::{CustomService, Decky, Driver, ListenerRole, Mac, Network, Transport};

pub use home::{Home, Site};
pub use lan::Lan;
pub use loopback::Loopback;
pub use preflight::preflight;
pub use rules::{LanRules, all_drops, drops};
pub use workshop::{NoRules, Rules};

/// Connections the kernel keeps for a worker that is busy or just being replaced.
const BACKLOG: i32 = 128;
/// Descriptors that no decky's sockets get: 24 deckies between their sockets and their worker take five more each.
const RESERVED: u64 = 160;

/// A socket that listens for one service of one decky.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The socket; shared so that it outlives the worker that serves it.
    pub fd: Arc<OwnedFd>,
    /// Service slug.
    pub service: String,
    /// Port of the service that it plays, as the catalogue has it; 0 for a spare.
    pub number: u16,
    /// tcp or udp.
    pub transport: Transport,
    /// Where it really listens; with [`ListenerRole::Group`] the group's address.
    pub address: SocketAddrV4,
    /// What it is for.
    pub role: ListenerRole,
}

impl Listener {
    /// Whether the kernel says that it listens (a datagram socket: that it is bound).
    ///
    /// # Errors
    /// What the system says.
    pub fn listens(&self) -> io::Result<bool> {
        match self.transport {
            Transport::Tcp => Ok(sockopt::socket_acceptconn(&self.fd)?),
            Transport::Udp => Ok(bound(&self.fd)?.port() == self.address.port()),
        }
    }
}

/// Service slugs, each with the reason why nothing serves it.
pub type Missing = Vec<(String, String)>;

/// What a decky asks of a driver.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its address, services and OS family.
    pub decky: &'a Decky,
    /// Its hardware address.
    pub mac: Mac,
    /// The fleet's network.
    pub network: &'a Network,
    /// The custom services that it runs.
    pub customs: &'a [CustomService],
}

/// What is left of an earlier run of a decky.
#[derive(Debug, Default)]
pub struct Kept {
    /// Its sockets.
    pub listeners: Vec<Listener>,
    /// Its place on the LAN.
    pub home: Option<Home>,
}

/// What a driver made of a decky.
#[derive(Debug)]
pub struct Prepared {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Services of the decky that nothing here emulates, with the reason.
    pub missing: Missing,
    /// Its place on the LAN, for as long as it is held; none with the loopback driver.
    pub home: Option<Home>,
}

/// Hears what came of a claim, on whatever thread that is known.
pub type Tell = Box<dyn FnOnce(Result<Prepared, EngineError>) + Send>;

/// Makes a decky's address reachable and its sockets listen.
pub trait Fabric {
    /// Sockets for every emulated service of the claim. Those of `kept` that still fit are used again, so
    /// that clients queue instead of being refused; the others are closed.
    ///
    /// # Errors
    /// When the address or a port cannot be had; with what to do about it. [`ErrorKind::Again`]: it is
    /// still held by something that is just ending.
    fn prepare(&mut self, claim: &Claim<'_>, kept: Kept) -> Result<Prepared, EngineError>;

    /// As [`Fabric::prepare`], without waiting for what takes long. `tell` is called exactly once.
    fn begin(&mut self, claim: &Claim<'_>, kept: Kept, tell: Tell) {
        tell(self.prepare(claim, kept));
    }
}

/// The fabrics of this host, by driver.
#[derive(Debug, Default)]
pub struct Fabrics {
    loopback: Loopback,
    lan: Option<Lan>,
}

impl Fabrics {
    /// The fabric of `driver`.
    ///
    /// # Errors
    /// When this process cannot have it.
    pub fn of(&mut self, driver: Driver) -> Result<&mut dyn Fabric, EngineError> {
        match driver {
            Driver::Loopback => Ok(&mut self.loopback),
            Driver::Macvlan | Driver::Ipvlan => Ok(self.lan()?),
        }
    }

    /// What is wrong with the wire that a decky hangs on.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn wire(&mut self, network: &Network, home: Option<&Home>) -> Result<Wire, EngineError> {
        match network.driver {
            Driver::Loopback => Ok(Wire::Fine),
            Driver::Macvlan | Driver::Ipvlan => self.lan()?.wire(network, home),
        }
    }

    /// Takes over places on the LAN that the program before this one made.
    ///
    /// # Errors
    /// When this process cannot have them.
    pub fn adopt(&mut self, places: Vec<(OwnedFd, Site)>) -> Result<Vec<Home>, EngineError> {
        if places.is_empty() { Ok(Vec::new()) } else { self.lan()?.adopt(places) }
    }

    /// As [`Fabrics::wire`], of a decky that was made just now: what was seen of the interface then will do.
    ///
    /// # Errors
    /// As [`Fabrics::wire`].
    pub fn wire_lately(&mut self, network: &Network, home: Option<&Home>) -> Result<Wire, EngineError> {
        match network.driver {
            Driver::Loopback => Ok(Wire::Fine),
            Driver::Macvlan | Driver::Ipvlan => self.lan()?.wire_lately(network, home),
        }
    }

    fn lan(&mut self) -> Result<&mut Lan, EngineError> {
        if self.lan.as_ref().is_none_or(Lan::ended) {
            let rules = LanRules::new()
                .map_err(|error| EngineError::io("cannot find this process's network namespace", &error))?;
            self.lan = Some(Lan::start(Box::new(rules))?);
        }
        self.lan.as_mut().ok_or_else(|| EngineError::new(ErrorKind::Other, "the set-up thread did not start"))
    }
}

/// The state of the interface that a decky hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// It carries.
    Fine,
    /// It does not carry, for this reason; all comes back with it.
    Broken(String),
    /// It is another one than before: what hung on the old one is gone.
    Replaced,
}

/// Adopts the sockets of `kept` that are wanted, makes the others.
fn listeners(wanted: Vec<Want>, ip: Ipv4Addr, mut kept: Vec<Listener>) -> Result<Vec<Listener>, EngineError> {
    let one = |want: Want| {
        let address = SocketAddrV4::new(want.group.unwrap_or(ip), want.port);
        let fits = |l: &Listener| {
            l.role == want.role
                && l.transport == want.transport
                && l.address.ip() == address.ip()
                && (want.port == 0 || l.address.port() == want.port)
        };
        match kept.iter().position(fits) {
            Some(at) => Ok(Listener { service: want.service, number: want.number, ..kept.swap_remove(at) }),
            None => listen(want, address, ip),
        }
    };
    wanted.into_iter().map(one).collect()
}

/// One socket to make; port 0: any.
struct Want {
    service: String,
    number: u16,
    transport: Transport,
    port: u16,
    role: ListenerRole,
    group: Option<Ipv4Addr>,
}

impl Want {
    /// Whether it is a datagram socket whose port nobody knows beforehand.
    fn transfers(&self) -> bool {
        self.role == ListenerRole::Spare && self.transport == Transport::Udp
    }
}

/// The sockets a decky needs, and the services nothing emulates.
fn wanted(claim: &Claim<'_>) -> Result<(Vec<Want>, Missing), EngineError> {
    let Claim { decky, network, customs, .. } = *claim;
    let (mut wants, mut missing) = (Vec::new(), Vec::new());
    let slugs = decky.services.iter().map(String::as_str);
    let emulated: Vec<&str> = slugs.filter(|s| catalog::service(s).is_some_and(|s| s.emulated)).collect();
    let mut seen = BTreeSet::new();
    for slug in decky.services.iter().filter(|slug| seen.insert(slug.as_str())) {
        let want = |number: u16, transport, role, group| -> Result<Want, EngineError> {
            let port = shifted(slug, number, network.port_offset)?;
            Ok(Want { service: slug.clone(), number, transport, port, role, group })
        };
        let Some(service) = catalog::service(slug).filter(|s| s.emulated) else {
            match customs.iter().find(|c| c.slug == *slug).map(|c| (c, c.unplayable())) {
                Some((custom, None)) => {
                    let tcp = custom.ports.iter().map(|port| (*port, Transport::Tcp));
                    let udp = custom.udp_ports.iter().map(|port| (*port, Transport::Udp));
                    for (port, transport) in tcp.chain(udp).collect::<BTreeSet<_>>() {
                        wants.push(want(port, transport, ListenerRole::Main, None)?);
                    }
                }
                Some((_, Some(why))) => missing.push((slug.clone(), format!("`{slug}` {why}"))),
                None => missing.push((slug.clone(), format!("`{slug}` has no emulation in this engine"))),
            }
            continue;
        };
        for (_, port) in catalog::ports_of(&emulated).filter(|(owner, _)| owner == slug) {
            wants.push(want(port.number, port.transport, ListenerRole::Main, None)?);
            if port.group.is_some() {
                wants.push(want(port.number, port.transport, ListenerRole::Group, port.group)?);
            }
        }
        if let Some((transport, count)) = service.spare {
            let spare = || Want {
                service: slug.clone(),
                number: 0,
                transport,
                port: 0,
                role: ListenerRole::Spare,
                group: None,
            };
            wants.extend(std::iter::repeat_with(spare).take(count));
        }
    }
    let observes = decky.services.iter().any(|s| catalog::service(s).is_some_and(|s| s.singleton));
    if wants.is_empty() && !observes {
        let names: Vec<&str> = missing.iter().map(|(slug, _)| slug.as_str()).collect();
        return Err(EngineError::new(
            ErrorKind::Environment,
            format!("none of its services ({}) has an emulation in this engine", names.join(", ")),
        )
        .remedy("`decnet services` lists those that have one"));
    }
    Ok((wants, missing))
}

/// Where a port of a service is on the wire.
fn shifted(slug: &str, number: u16, offset: u16) -> Result<u16, EngineError> {
    number.checked_add(offset).ok_or_else(|| {
        let message = format!("port {number} of {slug} with a port_offset of {offset} is over 65535");
        EngineError::new(ErrorKind::Environment, message)
            .remedy("choose a smaller `port_offset` in [general]")
    })
}

/// Makes the socket of `want` at `address`, for the decky at `ip`.
fn listen(want: Want, address: SocketAddrV4, ip: Ipv4Addr) -> Result<Listener, EngineError> {
    let Want { service, number, transport, role, group, .. } = want;
    let made = (|| -> rustix::io::Result<(OwnedFd, SocketAddrV4)> {
        let kind = match transport {
            Transport::Tcp => SocketType::STREAM,
            Transport::Udp => SocketType::DGRAM,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?;
        leave_room(&fd)?;
        if !ip.is_loopback() {
            // The rules of its namespace let nothing pass that comes from another socket.
            sys::mark(fd.as_fd(), nft::MARK)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::PERM))?;
        }
        // The deckies of one loopback share a group, and each hears all of it.
        if transport == Transport::Tcp || group.is_some() {
            sockopt::set_socket_reuseaddr(&fd, true)?;
        }
        rustix::net::bind(&fd, &address)?;
        if let Some(group) = group {
            let joined = sockopt::set_ip_add_membership(&fd, &group, &ip);
            // Nothing is lost on a loopback without multicast: who is there asks the address itself.
            if !ip.is_loopback() {
                joined?;
            }
        }
        if transport == Transport::Tcp {
            rustix::net::listen(&fd, BACKLOG)?;
        }
        let real = bound(&fd)?;
        Ok((fd, real))
    })();
    match made {
        Ok((fd, address)) => Ok(Listener { fd: Arc::new(fd), service, number, transport, address, role }),
        Err(error) => Err(refused(&service, transport, address, error)),
    }
}

/// The engine must stay reachable however many deckies it is told to run: the last descriptors are for
/// its clients, its store and the workers it starts.
fn leave_room(fd: &OwnedFd) -> rustix::io::Result<()> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // The kernel gives the lowest number that is free.
    let number = u64::try_from(fd.as_raw_fd()).unwrap_or(u64::MAX);
    if number.saturating_add(RESERVED) < limit { Ok(()) } else { Err(Errno::MFILE) }
}

fn bound(fd: &OwnedFd) -> rustix::io::Result<SocketAddrV4> {
    match SocketAddr::try_from(rustix::net::getsockname(fd)?) {
        Ok(SocketAddr::V4(address)) => Ok(address),
        _ => Err(Errno::AFNOSUPPORT),
    }
}

/// Says which port of which address, and what helps.
fn refused(service: &str, transport: Transport, address: SocketAddrV4, error: Errno) -> EngineError {
    let (ip, port) = (address.ip(), address.port());
    let what = format!("{service} cannot listen on {transport} port {port} of {ip}");
    match error {
        Errno::ADDRINUSE => EngineError::new(ErrorKind::Busy, format!("{what}: another program has it")).remedy(
            format!("`ss -ltnp sport = :{port}` shows which; end it, or shift all ports with `port_offset` in [general]"),
        ),
        Errno::ACCESS | Errno::PERM => {
            EngineError::new(ErrorKind::Denied, format!("{what}: ports below 1024 need privilege"))
                .remedy("run as root, or shift all ports with `port_offset = 10000` in [general]")
        }
        Errno::ADDRNOTAVAIL => EngineError::new(ErrorKind::Environment, format!("{what}: the host does not have that address"))
            .remedy("see that its interface is up"),
        Errno::MFILE | Errno::NFILE => EngineError::new(ErrorKind::Environment, format!("{what}: no file descriptors are left"))
            .remedy("raise the limit (`ulimit -n`, or LimitNOFILE= of the systemd unit)"),
        other => EngineError::new(ErrorKind::Other, format!("{what}: {other}")),
    }
}
