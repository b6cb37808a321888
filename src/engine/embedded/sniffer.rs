//! The fleet's passive observer: runs for as long as a decky lists the service, however many do.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::process::Process;
use crate::engine::backoff::Backoff;
use crate::host::capture;
use crate::model::{Subnet, Watched};

/// How long changes of the fleet are gathered before the observer hears of them.
const GATHER: Duration = Duration::from_millis(300);
/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    /// Number of the interface.
    pub(super) interface: u32,
    /// The fleet's network.
    pub(super) subnet: Subnet,
}

#[derive(Default)]
pub(super) struct Sniffer {
    wire: Option<Wire>,
    live: Option<Live>,
    backoff: Backoff,
    restart_at: Option<Instant>,
    /// When the fleet is to be looked at again.
    refresh_at: Option<Instant>,
    trouble: Option<String>,
}

struct Live {
    process: Process,
    fleet: watch::Sender<Arc<Watched>>,
}

/// What [`Sniffer::tend`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Look at the fleet, and tell with [`Sniffer::watch`].
    Refresh,
    /// Nothing more.
    Nothing,
}

impl Sniffer {
    /// Something of the fleet has changed.
    pub(super) fn changed(&mut self) {
        self.refresh_at.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// Its process, while there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.live.as_ref().map(|live| live.process.pid())
    }

    /// Why nobody watches although somebody should.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Watches `fleet` on `wire` from now on; with none, nothing. `events` is asked for when a process is
    /// started.
    pub(super) fn watch(
        &mut self,
        wire: Option<Wire>,
        fleet: Watched,
        events: impl FnOnce() -> io::Result<Arc<OwnedFd>>,
    ) {
        if wire != self.wire {
            // Dropped, it is killed: it holds nothing that could be lost but a few seconds of counting.
            self.live = None;
            self.restart_at = None;
            self.trouble = None;
            self.backoff = Backoff::default();
            self.wire = wire;
        }
        let Some(wire) = &self.wire else { return };
        let fleet = Arc::new(fleet);
        match &self.live {
            Some(live) => drop(live.fleet.send_replace(fleet)),
            None if self.restart_at.is_none_or(|at| at <= Instant::now()) => {
                self.restart_at = None;
                match start(wire, fleet, events) {
                    Ok(live) => {
                        self.live = Some(live);
                        self.trouble = None;
                    }
                    Err(error) => {
                        let why = match error.raw_os_error() {
                            Some(libc::EPERM | libc::EACCES) => {
                                "it needs CAP_NET_RAW: run the engine as root".to_owned()
                            }
                            _ => error.to_string(),
                        };
                        self.down(Duration::ZERO, &why);
                    }
                }
            }
            None => {}
        }
    }

    /// Waits until there is something to do. Safe to cancel.
    pub(super) async fn tend(&mut self) -> Wish {
        let due = [self.refresh_at, self.restart_at].into_iter().flatten().min();
        let ended = async {
            match &mut self.live {
                Some(live) => {
                    let how = live.process.ended().await.unwrap_or_else(|error| error.to_string());
                    (live.process.lived(), how)
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = super::until(due) => {
                self.refresh_at = None;
                Wish::Refresh
            }
            (lived, how) = ended => {
                self.live = None;
                self.down(lived, &format!("it ended ({how})"));
                Wish::Nothing
            }
        }
    }

    fn down(&mut self, lived: Duration, why: &str) {
        self.trouble = Some(format!("nobody watches the wire: {why}"));
        self.restart_at = Some(Instant::now() + self.backoff.failed(lived));
    }

    /// Ends it.
    pub(super) async fn close(mut self) {
        if let Some(Live { process, fleet }) = self.live.take() {
            drop(fleet);
            // It was killed then; there is nobody left to tell.
            let _ = process.end(GRACE).await;
        }
    }
}

fn start(
    wire: &Wire,
    fleet: Arc<Watched>,
    events: impl FnOnce() -> io::Result<Arc<OwnedFd>>,
) -> io::Result<Live> {
    let packets = capture::open(wire.interface, wire.subnet)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let events = events()?;
    let process = Process::spawn("__sniffer", &[theirs.as_fd(), events.as_fd(), packets.as_fd()])?;
    let stream = tokio::net::UnixStream::from_std(ours.into())?;
    let (fleet, news) = watch::channel(fleet);
    tokio::spawn(narrate(stream, news));
    Ok(Live { process, fleet })
}

/// Tells it of the fleet, and of every change; the stream ends with the sender of the news.
async fn narrate(mut stream: tokio::net::UnixStream, mut news: watch::Receiver<Arc<Watched>>) {
    loop {
        let fleet = news.borrow_and_update().clone();
        // Names and numbers always serialize.
        let json = serde_json::to_vec(fleet.as_ref()).unwrap_or_default();
        let length = u32::try_from(json.len()).unwrap_or(0).to_be_bytes();
        let told = async {
            stream.write_all(&length).await?;
            stream.write_all(&json).await
        };
        if told.await.is_err() || news.changed().await.is_err() {
            return;
        }
    }
}

/// The address a decky has, and what is open on it.
pub(super) fn watched(slot: &super::slot::Slot) -> (Ipv4Addr, crate::model::WatchedDecky) {
    let ports = slot
        .listeners
        .iter()
        .filter(|l| l.role == crate::model::ListenerRole::Main)
        .map(|l| (l.transport, l.address.port()))
        .collect();
    let name = slot.order.decky.name.as_str().to_owned();
    (slot.order.decky.ip, crate::model::WatchedDecky { name, ports })
}
