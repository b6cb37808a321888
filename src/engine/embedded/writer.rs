//! The event writer: the one process that writes event files. Started again when it dies; it then
//! gets the receiving end of every decky's event socket anew, so that nothing under way is lost.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::process::Process;
use crate::engine::WriterStatus;
use crate::engine::backoff::Backoff;
use crate::event::control::{self, Message, QUOTA, Received, SEGMENT, Stats, resolve};
use crate::host::sys;
use crate::model::{DeckyName, LogTarget};

/// How long it may take to write what it has when it is told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is asked what it counted.
const ASK: Duration = Duration::from_secs(1);
/// Pause before a log target that was not found is looked up again.
const LOOKUP_PAUSE: Duration = Duration::from_secs(30);

/// What the event writer is told once.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Where event files go.
    pub directory: PathBuf,
}

/// Both ends of one decky's event socket. The sending end goes to its workers.
pub(super) struct Channel {
    send: Arc<OwnedFd>,
    receive: Arc<OwnedFd>,
}

impl Channel {
    pub(super) fn new(send: OwnedFd, receive: OwnedFd) -> Self {
        Self { send: Arc::new(send), receive: Arc::new(receive) }
    }
}

/// A message on its way to the writer.
struct Letter {
    message: Message,
    fd: Option<Arc<OwnedFd>>,
}

/// A running writer.
struct Live {
    process: Process,
    control: AsyncFd<OwnedFd>,
    unsent: VecDeque<Letter>,
    ask_at: Instant,
}

/// What [`Writer::tend`] waits for.
enum Happened {
    Found(io::Result<Vec<SocketAddr>>),
    Due,
    Heard(Box<Stats>),
    Ended { lived: Duration, how: String },
}

impl Live {
    /// Sends what is to be sent until something happens. Safe to cancel.
    async fn next(&mut self) -> Happened {
        loop {
            let idle = self.unsent.is_empty();
            let wish = if idle { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            tokio::select! {
                ended = self.process.ended() => {
                    let how = ended.unwrap_or_else(|error| error.to_string());
                    return Happened::Ended { lived: self.process.lived(), how };
                }
                ready = self.control.ready(wish) => {
                    let Ok(mut ready) = ready else { std::future::pending().await };
                    if ready.ready().is_writable() && !idle && flush(ready.get_inner(), &mut self.unsent).is_err() {
                        ready.clear_ready_matching(Ready::WRITABLE);
                    }
                    if ready.ready().is_readable() {
                        match hear(ready.get_inner()) {
                            Some(stats) => return Happened::Heard(Box::new(stats)),
                            // That the other side closed is never cleared: it would be ready for ever.
                            None if ready.ready().is_read_closed() => break,
                            None => ready.clear_ready_matching(Ready::READABLE),
                        }
                    }
                }
                () = tokio::time::sleep_until(self.ask_at) => {
                    self.ask_at = Instant::now() + ASK;
                    if idle {
                        self.unsent.push_back(Letter { message: Message::Stats, fd: None });
                    }
                }
            }
        }
        // It ends, or it is of no use any more.
        self.process.kill();
        let how = match tokio::time::timeout(GRACE, self.process.ended()).await {
            Ok(ended) => ended.unwrap_or_else(|error| error.to_string()),
            Err(_) => "it closed its socket and does not end".to_owned(),
        };
        Happened::Ended { lived: self.process.lived(), how }
    }
}

/// The result of a look-up; waits for ever when there is none under way.
async fn answer(lookup: &mut Option<JoinHandle<io::Result<Vec<SocketAddr>>>>) -> io::Result<Vec<SocketAddr>> {
    match lookup {
        Some(lookup) => lookup.await.unwrap_or_else(|error| Err(io::Error::other(error))),
        None => std::future::pending().await,
    }
}

pub(super) struct Writer {
    options: WriterOptions,
    target: Option<LogTarget>,
    addresses: Vec<SocketAddr>,
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    lookup_error: Option<String>,
    /// By decky; none is the observer's.
    channels: BTreeMap<Option<DeckyName>, Channel>,
    live: Option<Live>,
    backoff: Backoff,
    restart_at: Instant,
    status: WriterStatus,
    /// Its counters when the last writer ended.
    earlier: WriterStatus,
}

impl Writer {
    /// `channels`: those that are there already.
    pub(super) fn start(
        options: WriterOptions,
        channels: BTreeMap<Option<DeckyName>, Channel>,
    ) -> io::Result<Self> {
        let mut writer = Self {
            options,
            target: None,
            addresses: Vec::new(),
            lookup: None,
            lookup_error: None,
            channels,
            live: None,
            backoff: Backoff::default(),
            restart_at: Instant::now(),
            status: WriterStatus::default(),
            earlier: WriterStatus::default(),
        };
        writer.launch()?;
        Ok(writer)
    }

    pub(super) fn status(&self) -> WriterStatus {
        let mut status = self.status.clone();
        status.error = status.error.or_else(|| self.lookup_error.clone());
        status
    }

    /// The sending end of a decky's event socket, or the observer's.
    pub(super) fn channel(&mut self, name: Option<&DeckyName>) -> io::Result<Arc<OwnedFd>> {
        let name = name.cloned();
        if let Some(channel) = self.channels.get(&name) {
            return Ok(channel.send.clone());
        }
        let (send, receive) = pair()?;
        let channel = Channel::new(send, receive);
        let send = channel.send.clone();
        self.post(attach(&name, &channel));
        self.channels.insert(name, channel);
        Ok(send)
    }

    /// Both ends of a decky's event socket, the sending one first.
    pub(super) fn ends(&self, name: &DeckyName) -> Option<(BorrowedFd<'_>, BorrowedFd<'_>)> {
        self.channels.get(&Some(name.clone())).map(|channel| (channel.send.as_fd(), channel.receive.as_fd()))
    }

    /// Lets go of a decky's event socket; the writer sees its end once the worker is gone too.
    pub(super) fn forget(&mut self, name: &DeckyName) {
        self.channels.remove(&Some(name.clone()));
    }

    /// Looks the target up and tells the writer.
    pub(super) fn forward(&mut self, target: Option<LogTarget>) {
        if self.target != target {
            self.target = target;
            self.addresses.clear();
            match self.target.clone() {
                None => self.retarget(),
                // A name service may take its time; the deckies do not wait for it.
                Some(target) => self.lookup = Some(tokio::task::spawn_blocking(move || resolve(&target))),
            }
        }
    }

    fn retarget(&mut self) {
        let (log_target, addresses) = (self.target.clone(), self.addresses.clone());
        self.post(Letter { message: Message::LogTarget { log_target, addresses }, fd: None });
    }

    fn looked_up(&mut self, found: io::Result<Vec<SocketAddr>>) {
        self.lookup = None;
        match (found, self.target.clone()) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                self.addresses = addresses;
                self.retarget();
            }
            (found, Some(target)) => {
                let why =
                    found.err().map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
                self.lookup_error = Some(format!("cannot find the log target {target}: {why}"));
                self.lookup = Some(tokio::task::spawn_blocking(move || {
                    std::thread::sleep(LOOKUP_PAUSE);
                    resolve(&target)
                }));
                return;
            }
            (_, None) => {}
        }
        self.lookup_error = None;
    }

    fn post(&mut self, letter: Letter) {
        if let Some(live) = &mut self.live {
            live.unsent.push_back(letter);
        }
    }

    fn launch(&mut self) -> io::Result<()> {
        let (ours, theirs) = pair()?;
        let process = Process::spawn("__events", &[theirs.as_fd()])?;
        let control = sys::watch(ours, Interest::READABLE | Interest::WRITABLE)?;
        let config = Message::Config {
            dir: self.options.directory.clone(),
            quota: QUOTA,
            segment: SEGMENT,
            log_target: self.target.clone().filter(|_| !self.addresses.is_empty()),
            addresses: self.addresses.clone(),
        };
        let mut unsent = VecDeque::from([Letter { message: config, fd: None }]);
        unsent.extend(self.channels.iter().map(|(name, channel)| attach(name, channel)));
        self.status.pid = Some(process.pid());
        self.status.error = None;
        self.live = Some(Live { process, control, unsent, ask_at: Instant::now() + ASK });
        Ok(())
    }

    /// Does what the writer needs next; returns after each thing. Safe to cancel.
    pub(super) async fn tend(&mut self) {
        let happened = match &mut self.live {
            None => {
                tokio::select! {
                    found = answer(&mut self.lookup) => Happened::Found(found),
                    () = tokio::time::sleep_until(self.restart_at) => Happened::Due,
                }
            }
            Some(live) => {
                tokio::select! {
                    found = answer(&mut self.lookup) => Happened::Found(found),
                    happened = live.next() => happened,
                }
            }
        };
        match happened {
            Happened::Found(found) => self.looked_up(found),
            Happened::Due => match self.launch() {
                Ok(()) => self.status.restarts = self.status.restarts.saturating_add(1),
                Err(error) => self.down(Duration::ZERO, &format!("cannot start the event writer: {error}")),
            },
            Happened::Heard(stats) => take_in(&mut self.status, &self.earlier, *stats),
            Happened::Ended { lived, how } => self.down(lived, &format!("the event writer ended ({how})")),
        }
    }

    fn down(&mut self, lived: Duration, why: &str) {
        self.live = None;
        self.earlier = self.status.clone();
        self.status.pid = None;
        self.status.error = Some(why.to_owned());
        self.restart_at = Instant::now() + self.backoff.failed(lived);
    }

    /// Ends it after it wrote what it has.
    pub(super) async fn close(mut self) {
        self.channels.clear();
        if let Some(Live { process, control, .. }) = self.live.take() {
            drop(control);
            // It was killed then; there is nobody left to tell.
            let _ = process.end(GRACE).await;
        }
    }
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

fn attach(name: &Option<DeckyName>, channel: &Channel) -> Letter {
    Letter { message: Message::Add { decky: name.clone() }, fd: Some(channel.receive.clone()) }
}

/// Sends until nothing is left or no room is.
fn flush(socket: &OwnedFd, unsent: &mut VecDeque<Letter>) -> io::Result<()> {
    while let Some(letter) = unsent.front() {
        control::send(socket, &letter.message, letter.fd.as_ref().map(|fd| fd.as_fd()))?;
        unsent.pop_front();
    }
    Ok(())
}

/// The next answer; none when there is none yet.
fn hear(socket: &OwnedFd) -> Option<Stats> {
    match control::receive(socket) {
        Ok(Received::Message(stats, _)) => Some(stats),
        // Its end shows on its pidfd.
        Ok(Received::Invalid(_) | Received::End) | Err(_) => None,
    }
}

/// The writer counts from its own start; what those before it counted is `earlier`.
fn take_in(status: &mut WriterStatus, earlier: &WriterStatus, stats: Stats) {
    status.written = earlier.written.saturating_add(stats.written);
    status.lost = earlier.lost.saturating_add(stats.lost).saturating_add(stats.invalid);
    status.forwarded = earlier.forwarded.saturating_add(stats.forwarded);
    status.forward_lost = earlier.forward_lost.saturating_add(stats.forward_lost);
    status.error = stats.disk_error.or(stats.forward_error);
}
