//! The process that serves all services of one decky, on one thread.
//!
//! It is forked from the nursery with everything it will ever have: a specification on an inherited
//! descriptor, listening sockets, a socket for its events, and a control socket. It builds its decoys,
//! enters the sandbox, proves that it is inside, says `ready`, and serves until the control socket ends.

mod accept;
mod connection;
mod datagrams;
mod governor;
mod nursery;
mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::net::{TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::SocketType;
use tokio::io::Interest;
use tokio::net::{TcpListener, UdpSocket, UnixStream};

use super::session::SparePool;
use super::{Decoy, custom, registry};
use crate::host::sandbox::{self, SandboxError};
use crate::host::sys;
use crate::model::{ListenerRole, Transport, WorkerSpec};
pub use nursery::run as nursery;

use accept::Service;
use datagrams::Endpoint;
use governor::Governor;
use sink::Channel;

/// Longest specification in bytes.
const SPEC_MAX: u64 = 1 << 20;
/// Connections that may wait to be accepted; the kernel's own bound is below it. The 128 of the
/// standard library overflow in a burst, and each client that finds no room waits a second.
const BACKLOG: i32 = 65_535;
/// First of the uids that workers take when started as root: above every range that distributions
/// hand out to people, services or containers.
const UID_BASE: u32 = 0x7000_0000;

/// Why a worker ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The specification cannot be read or is no specification.
    #[error("the worker's specification cannot be used: {0}")]
    Spec(String),
    /// A descriptor is missing or of the wrong kind.
    #[error("descriptor {fd} ({what}) cannot be used: {source}")]
    Descriptor {
        /// Its number.
        fd: RawFd,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        source: io::Error,
    },
    /// There is no emulation of this service, or not over this transport.
    #[error("there is no emulation of {0} here")]
    Service(String),
    /// It cannot be shut in, so it does not serve.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The runtime failed.
    #[error("the worker failed: {0}")]
    Io(#[from] io::Error),
}

/// Serves one decky until the control socket ends. `spec_fd` holds a [`WorkerSpec`] as JSON.
///
/// Must be called in a process of its own, from its only thread, before that owns descriptors: it
/// closes every one it was not told of.
///
/// # Errors
/// See [`WorkerError`]; nothing was served when the specification, a descriptor or the sandbox is at fault.
fn run(spec_fd: RawFd) -> Result<(), WorkerError> {
    quiet_panics();
    let spec = read_spec(spec_fd)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let inherited = take_descriptors(&spec)?;
    runtime.block_on(serve(&spec, inherited))
}

fn read_spec(fd: RawFd) -> Result<WorkerSpec, WorkerError> {
    let source = inherit(fd, "the specification")?;
    let mut json = Vec::new();
    let read = std::fs::File::from(source).take(SPEC_MAX + 1).read_to_end(&mut json);
    read.map_err(|source| WorkerError::Descriptor { fd, what: "the specification", source })?;
    if json.len() as u64 > SPEC_MAX {
        return Err(WorkerError::Spec(format!("it is longer than {SPEC_MAX} bytes")));
    }
    let spec: WorkerSpec = serde_json::from_slice(&json).map_err(|e| WorkerError::Spec(e.to_string()))?;
    let mut seen = BTreeSet::new();
    let numbers = spec.listeners.iter().map(|l| l.fd).chain([spec.events_fd, spec.control_fd]);
    for number in numbers.clone() {
        if !seen.insert(number) {
            return Err(WorkerError::Spec(format!("descriptor {number} is named twice")));
        }
    }
    sys::close_others(&numbers.collect::<Vec<_>>());
    Ok(spec)
}

/// A socket that it was given.
enum Socket {
    Tcp(StdListener),
    Udp(StdUdpSocket),
}

/// Everything inherited, as typed descriptors; same order as in the specification.
struct Inherited {
    sockets: Vec<Socket>,
    events: OwnedFd,
    control: OwnedFd,
}

fn take_descriptors(spec: &WorkerSpec) -> Result<Inherited, WorkerError> {
    let events = inherit(spec.events_fd, "the event socket")?;
    let control = inherit(spec.control_fd, "the control socket")?;
    let mut sockets = Vec::with_capacity(spec.listeners.len());
    for listener in &spec.listeners {
        let bad = |source: io::Error| WorkerError::Descriptor {
            fd: listener.fd,
            what: "a listening socket",
            source,
        };
        let fd = inherit(listener.fd, "a listening socket")?;
        if listener.transport == Transport::Udp {
            if rustix::net::sockopt::socket_type(&fd).map_err(|e| bad(e.into()))? != SocketType::DGRAM {
                return Err(bad(io::Error::other("it takes no datagrams")));
            }
            let socket = StdUdpSocket::from(fd);
            socket.set_nonblocking(true).map_err(bad)?;
            sockets.push(Socket::Udp(socket));
            continue;
        }
        if !rustix::net::sockopt::socket_acceptconn(&fd).map_err(|e| bad(e.into()))? {
            return Err(bad(io::Error::other("it does not listen")));
        }
        // Adjusts the queue of a socket that listens already.
        rustix::net::listen(&fd, BACKLOG).map_err(|e| bad(e.into()))?;
        let socket = StdListener::from(fd);
        socket.set_nonblocking(true).map_err(bad)?;
        sockets.push(Socket::Tcp(socket));
    }
    Ok(Inherited { sockets, events, control })
}

fn inherit(fd: RawFd, what: &'static str) -> Result<OwnedFd, WorkerError> {
    sys::inherit(fd).map_err(|source| WorkerError::Descriptor { fd, what, source })
}

async fn serve(spec: &WorkerSpec, inherited: Inherited) -> Result<(), WorkerError> {
    let Inherited { sockets, events, control } = inherited;
    let governor = Arc::new(Governor::new(spec.limits));
    let sink = Arc::new(Channel::new(events, governor.clone()));
    let services = build(spec)?;
    let mut sorted = sort(spec, sockets)?;
    let datagrams: Vec<RawFd> =
        spec.listeners.iter().filter(|l| l.transport == Transport::Udp).map(|l| l.fd).collect();
    // Only readiness and plain reads are used of it, so a pipe would do as well.
    let control = StdUnixStream::from(control);
    control.set_nonblocking(true)?;
    let control = UnixStream::from_std(control)?;

    let descriptors = spec.limits.connections.saturating_add(spec.listeners.len()).saturating_add(32);
    sandbox::enter(&sandbox::Plan {
        role: sandbox::Role::Worker { datagrams: &datagrams },
        descriptors: descriptors as u64,
        uid: own_uid(&spec.decky),
    })?;
    sandbox::self_test()?;

    for told in spec.listeners.iter().filter(|l| l.role == ListenerRole::Main) {
        let Some(decoy) = services.get(told.service.as_str()) else { continue };
        let slug = told.service.as_str();
        let service = Service {
            slug: slug.into(),
            number: told.number,
            decoy: decoy.clone(),
            spare: sorted.pools.entry(slug).or_default().clone(),
            sink: sink.clone(),
            governor: governor.clone(),
            limits: spec.limits,
        };
        match sorted.main.remove(&told.fd) {
            Some(Main::Tcp(socket)) => drop(tokio::spawn(accept::run(socket, service))),
            Some(Main::Udp(main)) => datagrams::spawn(Endpoint {
                number: told.number,
                main,
                groups: sorted.groups.remove(&(slug, told.number)).unwrap_or_default(),
                // A service with two UDP ports would have its transfers at the first.
                spare: sorted.transfers.remove(slug).unwrap_or_default(),
                service,
                flows: Default::default(),
            }),
            None => {}
        }
    }
    tokio::spawn(summaries(sink.clone(), governor));
    tokio::spawn(async move { sink.retry().await });
    // What setting up took and needs no more, the sandbox's filters above all.
    sys::trim_heap();
    ready(&control)?;
    until_end(&control).await;
    Ok(())
}

/// The sockets of a worker by what they are for.
#[derive(Default)]
struct Sorted<'a> {
    /// By descriptor.
    main: BTreeMap<RawFd, Main>,
    /// By service and its port.
    groups: BTreeMap<(&'a str, u16), Vec<UdpSocket>>,
    /// Spare datagram sockets, by service.
    transfers: BTreeMap<&'a str, Vec<UdpSocket>>,
    /// Spare listening sockets, by service.
    pools: BTreeMap<&'a str, Arc<SparePool>>,
}

enum Main {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

fn sort(spec: &WorkerSpec, sockets: Vec<Socket>) -> io::Result<Sorted<'_>> {
    let mut sorted = Sorted::default();
    let mut spare: BTreeMap<&str, Vec<tokio::sync::Mutex<TcpListener>>> = BTreeMap::new();
    for (told, socket) in spec.listeners.iter().zip(sockets) {
        let slug = told.service.as_str();
        match (socket, told.role) {
            (Socket::Tcp(socket), ListenerRole::Main) => {
                sorted.main.insert(told.fd, Main::Tcp(TcpListener::from_std(socket)?));
            }
            (Socket::Tcp(socket), _) => {
                spare.entry(slug).or_default().push(TcpListener::from_std(socket)?.into());
            }
            (Socket::Udp(socket), role) => {
                let socket = UdpSocket::from_std(socket)?;
                match role {
                    ListenerRole::Main => drop(sorted.main.insert(told.fd, Main::Udp(socket))),
                    ListenerRole::Spare => sorted.transfers.entry(slug).or_default().push(socket),
                    ListenerRole::Group => {
                        sorted.groups.entry((slug, told.number)).or_default().push(socket);
                    }
                }
            }
        }
    }
    let pool = |(slug, listeners)| (slug, Arc::new(SparePool { listeners }));
    sorted.pools = spare.into_iter().map(pool).collect();
    Ok(sorted)
}

fn build(spec: &WorkerSpec) -> Result<BTreeMap<&str, Arc<dyn Decoy>>, WorkerError> {
    let mut services = BTreeMap::new();
    for slug in spec.listeners.iter().filter(|l| l.role == ListenerRole::Main).map(|l| l.service.as_str()) {
        if services.contains_key(slug) {
            continue;
        }
        if let Some(own) = spec.customs.iter().find(|c| c.slug == slug) {
            services.insert(slug, custom::build(&spec.persona, own));
            continue;
        }
        let make = registry(slug).ok_or_else(|| WorkerError::Service(slug.to_owned()))?;
        let none = crate::model::Settings::new();
        let settings = spec.persona.services.get(slug).unwrap_or(&none);
        services.insert(slug, make(&spec.persona, settings));
    }
    Ok(services)
}

/// A uid that no other decky's worker has, but by a chance of one in sixteen million.
fn own_uid(decky: &str) -> u32 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(decky.as_bytes());
    UID_BASE + (u32::from_be_bytes([0, digest[0], digest[1], digest[2]]))
}

fn ready(control: impl AsFd) -> io::Result<()> {
    let line = b"ready\n";
    let sent = rustix::io::write(control, line)?;
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Returns when the supervisor closed its end, or died.
async fn until_end(control: &UnixStream) {
    let mut buffer = [0u8; 64];
    loop {
        if control.ready(Interest::READABLE | Interest::ERROR).await.is_err() {
            return;
        }
        match control.try_read(&mut buffer) {
            Ok(0) => return,
            // Nothing is said on it yet; a newer supervisor may.
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}

/// Says from time to time what was left out; sleeps for good while nothing is.
async fn summaries(sink: Arc<Channel>, governor: Arc<Governor>) {
    const PAUSE: Duration = Duration::from_secs(5);
    loop {
        governor.pending().await;
        tokio::time::sleep(PAUSE).await;
        sink.report();
    }
}

/// A decoy that panics loses one connection. Its place is kept for the event, and the first few go to
/// the log; its message may hold bytes of an attacker and goes nowhere.
fn quiet_panics() {
    const MOST: usize = 16;
    let told = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string);
        if told.fetch_add(1, Ordering::Relaxed) < MOST {
            let place = place.as_deref().unwrap_or("an unknown place");
            crate::host::stdio::log("worker", &format!("a decoy failed at {place}"));
        }
        connection::LAST_PANIC.set(place);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_high_and_apart() {
        assert!(own_uid("a") >= UID_BASE && own_uid("a") < UID_BASE + (1 << 24));
        assert_ne!(own_uid("web-01"), own_uid("web-02"));
    }
}
