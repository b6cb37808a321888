//! The process that writes event files and forwards events: the only one that can.
//!
//! One thread, one epoll loop. Workers send it datagrams that it trusts no more than their
//! attackers; the supervisor sends it their sockets. It ends when the supervisor closes the control
//! socket, killed or not, after writing what is queued; a successor waits for it.
//!
//! Its sandbox: files below the events directory and no others, TCP and UDP out (for the log target)
//! but no listening. It looks up no names: the supervisor sends addresses along.

pub(super) mod casts;
mod files;
mod forward;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::net::RecvFlags;

use super::cast::{self, Chunk};
use super::control::{Message, Received, Stats, receive, send};
use super::{DATAGRAM_MAX, Event, line, syslog};
use crate::host::sandbox::{self, SandboxError};
use crate::host::sys;
use crate::model::{DeckyName, LogTarget};
use casts::Casts;
use files::Files;
use forward::Forward;

/// The uid of the writer when started as root; the events directory becomes its own.
const UID: u32 = 0x6fff_fff0;
/// Datagrams taken from one worker before the next has its turn.
const TURN: usize = 64;
/// Bytes of lines gathered before they are written.
const BATCH: usize = 256 * 1024;
/// How long the end of the process may be put off to hand over log messages.
const GOODBYE: Duration = Duration::from_secs(1);
/// How far a worker's clock may be from ours before ours is taken: they are the same clock.
const SKEW: i64 = 600;

const CONTROL: u64 = 0;
const FORWARD: u64 = 1;
const FIRST_WORKER: u64 = 2;

/// Why the writer ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The supervisor said something else first, or nothing.
    #[error("the event writer was not configured: {0}")]
    Config(String),
    /// The events directory cannot be used.
    #[error("cannot use the events directory {dir}: {source}; check who owns it")]
    Directory {
        /// Which.
        dir: String,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be shut in.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The loop failed.
    #[error("the event writer failed: {0}")]
    Io(#[from] io::Error),
}

/// Writes events until the supervisor closes `control_fd` (a `SOCK_SEQPACKET` socket; see
/// [`super::control`]). To be called first thing in a process of its own, from its only thread.
///
/// # Errors
/// See [`WriterError`]. A full disk or a log receiver that is away are no errors: they are counted.
pub fn run(control_fd: RawFd) -> Result<(), WriterError> {
    // It ends with its control socket, not by a signal that a service manager sends to all: what is
    // queued then is still to be written.
    sys::ignore_signals(sys::Terminate::Ignored);
    crate::host::name_process("decnet-events");
    let control = sys::inherit(control_fd)?;
    sys::close_others(&[control_fd]);
    rustix::io::ioctl_fionbio(&control, false).map_err(io::Error::from)?;
    let (dir, quota, segment, target) = match receive(&control)? {
        Received::Message(Message::Config { dir, quota, segment, log_target, addresses }, _) => {
            (dir, quota, segment, log_target.map(|t| (t, addresses)))
        }
        Received::Message(..) => return Err(WriterError::Config("the first message was another".into())),
        Received::Invalid(why) => return Err(WriterError::Config(why)),
        Received::End => return Ok(()),
    };
    // A supervisor that asks and does not listen must not stop the writing.
    rustix::io::ioctl_fionbio(&control, true).map_err(io::Error::from)?;
    let named = |source| WriterError::Directory { dir: dir.display().to_string(), source };
    let owner = rustix::process::geteuid().is_root().then_some(UID);
    let files = Files::open(&dir, quota, segment, owner).map_err(named)?;
    // Events are worth more than recordings: without a place for these it goes on.
    let casts = Casts::open(files.directory(), casts::QUOTA.min(quota), files.owner());
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
    // Files that could not be given away are still root's: it stays root then, without its powers.
    let uid = files.owner().unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let role = sandbox::Role::Writer { directory: files.directory() };
    let report = sandbox::enter(&sandbox::Plan { role, descriptors: 65_536, uid })?;
    let mut writer = Writer {
        epoll,
        control,
        files,
        casts,
        forward: Forward::default(),
        workers: BTreeMap::new(),
        next: FIRST_WORKER,
        batch: Batch::default(),
        stats: Stats { sandbox: Some(report.to_string()), ..Stats::default() },
    };
    writer.retarget(target);
    writer.serve()?;
    Ok(())
}

/// Lines waiting to be written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

struct Worker {
    /// Whose; none: its events say so.
    decky: Option<DeckyName>,
    socket: OwnedFd,
}

struct Writer {
    epoll: OwnedFd,
    control: OwnedFd,
    files: Files,
    casts: io::Result<Casts>,
    forward: Forward,
    workers: BTreeMap<u64, Worker>,
    next: u64,
    batch: Batch,
    stats: Stats,
}

impl Writer {
    fn serve(&mut self) -> io::Result<()> {
        epoll::add(&self.epoll, &self.control, epoll::EventData::new_u64(CONTROL), epoll::EventFlags::IN)?;
        let mut events = Vec::with_capacity(64);
        let mut datagram = vec![0u8; DATAGRAM_MAX];
        loop {
            let wait = self.forward.due(Instant::now()).map(to_timespec);
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            let mut ended = false;
            for event in &events {
                match event.data.u64() {
                    CONTROL => ended = !self.told(),
                    FORWARD => {}
                    worker => self.heard(worker, &mut datagram, TURN),
                }
            }
            self.flush();
            self.forward.pump(Instant::now(), &self.epoll, FORWARD);
            if ended {
                self.goodbye(&mut datagram);
                return Ok(());
            }
        }
    }

    /// Takes one message of the supervisor; false at its end.
    fn told(&mut self) -> bool {
        match receive(&self.control) {
            Ok(Received::Message(message, along)) => {
                match message {
                    Message::Add { decky } => {
                        if let Some(socket) = along {
                            // Out of descriptors or memory: the worker's events count as lost there.
                            let _ = self.add(decky, socket);
                        }
                    }
                    Message::LogTarget { log_target, addresses } => {
                        self.retarget(log_target.map(|t| (t, addresses)));
                    }
                    Message::Stats => {
                        self.flush();
                        // Whoever does not take the answer gets none.
                        let _ = send(&self.control, &self.stats(), None);
                    }
                    // The directory is fixed: the sandbox knows no other.
                    Message::Config { .. } => {}
                }
                true
            }
            Ok(Received::Invalid(_)) => true,
            Ok(Received::End) => false,
            Err(e) => e.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn add(&mut self, decky: Option<DeckyName>, socket: OwnedFd) -> io::Result<()> {
        let token = self.next;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?;
        self.next += 1;
        self.workers.insert(token, Worker { decky, socket });
        Ok(())
    }

    fn retarget(&mut self, target: Option<(LogTarget, Vec<std::net::SocketAddr>)>) {
        let target = target.map(|(target, mut addresses)| {
            if addresses.is_empty()
                && let Ok(ip) = target.host.parse::<std::net::IpAddr>()
            {
                addresses.push((ip, target.port).into());
            }
            (target.transport, addresses)
        });
        self.forward.retarget(target);
    }

    /// Takes up to `most` datagrams of a worker; forgets it at its end.
    fn heard(&mut self, token: u64, buffer: &mut [u8], most: usize) {
        for _ in 0..most {
            let Some(worker) = self.workers.get(&token) else { return };
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let got = match rustix::net::recv(&worker.socket, &mut *buffer, flags) {
                Ok((_, 0)) => None,
                Ok((_, length)) => Some(length),
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => None,
            };
            let Some(length) = got else {
                self.workers.remove(&token);
                if let Ok(casts) = &mut self.casts {
                    casts.forget(token);
                }
                return;
            };
            if buffer.first() == Some(&cast::MARK) {
                let Some(chunk) = buffer.get(..length).and_then(Chunk::parse) else {
                    self.stats.invalid += 1;
                    continue;
                };
                // The observer records nothing.
                let Some(decky) = worker.decky.as_ref().map(DeckyName::as_str) else { continue };
                let taken = match &mut self.casts {
                    Ok(casts) => casts.take(token, decky, &chunk).map_err(|e| e.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(error) = taken {
                    self.stats.disk_error = Some(format!("cannot record a session: {error}"));
                }
                continue;
            }
            match buffer.get(..length).and_then(|bytes| parse(bytes, worker.decky.as_ref())) {
                Some(event) => self.take(event),
                None => self.stats.invalid += 1,
            }
        }
    }

    fn take(&mut self, mut event: Event) {
        self.stats.sequence = self.files.next_sequence();
        event.sequence = self.stats.sequence;
        self.batch.bytes.extend_from_slice(&line::format(&event));
        self.batch.lines += 1;
        if self.forward.wanted() {
            self.forward.queue(syslog::format(&event));
        }
        if self.batch.bytes.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.batch.lines == 0 {
            return;
        }
        match self.files.append(&self.batch.bytes) {
            Ok(()) => {
                self.stats.written += self.batch.lines;
                self.stats.disk_error = None;
            }
            Err(error) => {
                self.stats.lost += self.batch.lines;
                self.stats.disk_error = Some(error.to_string());
            }
        }
        self.batch.bytes.clear();
        self.batch.lines = 0;
    }

    fn stats(&self) -> Stats {
        Stats {
            workers: self.workers.len() as u64,
            bytes: self.files.bytes(),
            forwarded: self.forward.sent,
            forward_lost: self.forward.lost,
            forward_error: self.forward.error.clone(),
            ..self.stats.clone()
        }
    }

    /// Writes and sends what is queued.
    fn goodbye(&mut self, buffer: &mut [u8]) {
        const MOST: usize = 4096;
        let tokens: Vec<_> = self.workers.keys().copied().collect();
        for token in tokens {
            self.heard(token, buffer, MOST);
        }
        self.flush();
        self.files.sync();
        let deadline = Instant::now() + GOODBYE;
        let mut events = Vec::with_capacity(1);
        while self.forward.busy() && Instant::now() < deadline {
            self.forward.pump(Instant::now(), &self.epoll, FORWARD);
            if self.forward.busy() {
                events.clear();
                let pause = to_timespec(Duration::from_millis(20));
                // A failed wait only makes the loop turn faster, until the deadline.
                let _ = epoll::wait(self.epoll.as_fd(), spare_capacity(&mut events), Some(&pause));
            }
        }
    }
}

fn to_timespec(duration: Duration) -> rustix::event::Timespec {
    rustix::event::Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// A worker's datagram as an event of `decky`; none when it is none. What a worker may not say is
/// overwritten.
fn parse(datagram: &[u8], decky: Option<&DeckyName>) -> Option<Event> {
    const WORD_MAX: usize = 64;
    let mut event: Event = serde_json::from_slice(datagram).ok()?;
    let words = [&event.service, &event.action, &event.session];
    if words.iter().any(|word| word.len() > WORD_MAX)
        || event.outcome.as_ref().is_some_and(|o| o.len() > WORD_MAX)
    {
        return None;
    }
    match decky {
        Some(decky) => decky.as_str().clone_into(&mut event.decky),
        None => drop(event.decky.parse::<DeckyName>().ok()?),
    }
    let now = jiff::Timestamp::now();
    if (now.as_second() - event.time.as_second()).abs() > SKEW {
        event.time = now;
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::line::tests::sample;

    #[test]
    fn a_worker_cannot_speak_for_others() {
        let mut event = sample();
        event.decky = "other".into();
        let parsed = parse(&serde_json::to_vec(&event).unwrap(), Some(&"web-01".parse().unwrap())).unwrap();
        assert_eq!(parsed.decky, "web-01");
    }

    #[test]
    fn a_worker_cannot_choose_the_time() {
        let mut event = sample();
        event.time = "1999-01-01T00:00:00Z".parse().unwrap();
        let parsed = parse(&serde_json::to_vec(&event).unwrap(), Some(&"web-01".parse().unwrap())).unwrap();
        assert!((jiff::Timestamp::now().as_second() - parsed.time.as_second()).abs() < 10);
    }

    #[test]
    fn nonsense_is_no_event() {
        let mut long = sample();
        long.service = "x".repeat(65);
        let long = serde_json::to_vec(&long).unwrap();
        let deep = "[".repeat(60_000);
        for bad in [b"".as_slice(), b"{}", b"\xff\xfe", deep.as_bytes(), &long] {
            assert!(parse(bad, Some(&"web-01".parse().unwrap())).is_none());
        }
    }

    proptest! {
        #[test]
        fn whatever_a_worker_sends_makes_one_clean_line(at in 0usize..400, put: Vec<u8>, fields: Vec<(String, String)>) {
            let mut event = sample();
            event.fields.extend(fields.into_iter().map(|(name, text)| (name, text.into())));
            let mut datagram = serde_json::to_vec(&event).unwrap();
            let at = at.min(datagram.len());
            datagram.splice(at..(at + put.len()).min(datagram.len()), put);
            if let Some(event) = parse(&datagram, Some(&"web-01".parse().unwrap())) {
                let line = line::format(&event);
                let (last, rest) = line.split_last().unwrap();
                prop_assert!(*last == b'\n' && rest.iter().all(|b| matches!(b, 0x20..=0x7e)));
                let value: serde_json::Value = serde_json::from_slice(rest).unwrap();
                prop_assert_eq!(&value["decky"], "web-01");
                syslog::format(&event);
            }
        }
    }
}
