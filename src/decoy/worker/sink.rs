//! Events out of the worker: one datagram each, never waiting.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SendFlags;
use serde_json::Value;
use tokio::sync::Notify;

use super::super::session::Sink;
use super::governor::Governor;
use crate::event::cast::{Chunk, Throttle};
use crate::event::{Bytes, DATAGRAM_MAX, Event, Kind};

/// Most bytes that wait in the worker while the writer is busy.
const BACKLOG_MAX: usize = 512 * 1024;

/// The worker's end of its event socket.
pub(super) struct Channel {
    socket: OwnedFd,
    governor: Arc<Governor>,
    lost: AtomicU64,
    backlog: Mutex<Backlog>,
    waiting: Notify,
    /// Told when the backlog got short again.
    eased: Notify,
    recordings: Mutex<Throttle>,
    uploads: Mutex<Throttle>,
    /// Where the next report says it happened: address of the decky, as last seen.
    here: Mutex<Option<SocketAddr>>,
}

/// Datagrams that the socket had no room for yet, in order.
#[derive(Default)]
struct Backlog {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Channel {
    /// Sends over `socket`, a datagram or sequenced-packet socket.
    pub(super) fn new(socket: OwnedFd, governor: Arc<Governor>) -> Self {
        let (lost, backlog, waiting, eased, here) = Default::default();
        let (recordings, uploads) = Default::default();
        Self { socket, governor, lost, backlog, waiting, eased, recordings, uploads, here }
    }

    /// Sends what had to wait, until the process ends. Sleeps while nothing waits.
    pub(super) async fn retry(&self) {
        const PAUSE: Duration = Duration::from_millis(10);
        loop {
            self.waiting.notified().await;
            while !self.flush(&mut lock(&self.backlog)) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Waits while the writer is behind, within reason: new clients queue in the kernel meanwhile, and
    /// none goes unrecorded. A writer that is being started anew takes no longer than this.
    pub(super) async fn room(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        if lock(&self.backlog).bytes > BACKLOG_MAX / 2 {
            let _ = tokio::time::timeout(PATIENCE, self.eased.notified()).await;
        }
    }

    /// Tells what was left out: events over a source's budget, refused connections, datagrams that
    /// found no room.
    pub(super) fn report(&self) {
        for summary in self.governor.due(Instant::now()) {
            let mut event = self.about(summary.source);
            event.action = "suppressed".to_owned();
            event.fields.insert("decnet.suppressed".into(), summary.suppressed.into());
            event.fields.insert("decnet.refused".into(), summary.refused.into());
            event.fields.insert(
                "error.message".into(),
                format!("suppressed {} events, refused {} connections", summary.suppressed, summary.refused)
                    .into(),
            );
            self.send(event);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let mut event = self.about(None);
            event.action = "lost".to_owned();
            event.fields.insert("decnet.lost".into(), lost.into());
            event.fields.insert("error.message".into(), format!("lost {lost} events: no room").into());
            if !self.send(event) {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    fn about(&self, source: Option<IpAddr>) -> Event {
        const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let here = lock(&self.here).unwrap_or(SocketAddr::new(NOBODY, 0));
        Event {
            time: jiff::Timestamp::now(),
            sequence: 0,
            decky: String::new(),
            service: "worker".to_owned(),
            kind: Kind::Error,
            action: String::new(),
            outcome: None,
            source: SocketAddr::new(source.unwrap_or(NOBODY), 0),
            destination: SocketAddr::new(here.ip(), 0),
            session: "0".repeat(16),
            user: None,
            secret: None,
            secret_kind: None,
            fields: serde_json::Map::new(),
        }
    }

    /// Whether it went out, or waits to.
    fn send(&self, event: Event) -> bool {
        let taken = encode(event).is_some_and(|datagram| {
            let mut backlog = lock(&self.backlog);
            if backlog.bytes + datagram.len() > BACKLOG_MAX {
                return false;
            }
            backlog.bytes += datagram.len();
            backlog.queue.push_back(datagram);
            if !self.flush(&mut backlog) {
                self.waiting.notify_one();
            }
            true
        });
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.governor.wake();
        }
        taken
    }

    /// Sends what waits; false when something still does.
    fn flush(&self, backlog: &mut Backlog) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while let Some(datagram) = backlog.queue.front() {
            match rustix::net::send(&self.socket, datagram, flags) {
                // No room: the writer is behind, or is being started anew.
                Err(Errno::AGAIN | Errno::NOBUFS) => return false,
                Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            backlog.bytes -= datagram.len();
            backlog.queue.pop_front();
        }
        // Memory that a flood needed is not kept.
        backlog.queue.shrink_to(64);
        self.eased.notify_waiters();
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Channel {
    fn emit(&self, event: Event) {
        *lock(&self.here) = Some(event.destination);
        if self.governor.allow_event(event.source.ip(), Instant::now()) {
            self.send(event);
        }
    }

    fn cast(&self, chunk: &Chunk) -> bool {
        let Some(datagram) = chunk.encode() else { return false };
        let mut backlog = lock(&self.backlog);
        // Events go first: nothing is put behind those that wait.
        if backlog.bytes > 0 || !lock(&self.recordings).take(datagram.len(), Instant::now()) {
            return false;
        }
        backlog.bytes += datagram.len();
        backlog.queue.push_back(datagram);
        if !self.flush(&mut backlog) {
            self.waiting.notify_one();
        }
        true
    }

    fn may_keep(&self, bytes: usize) -> bool {
        lock(&self.uploads).take(bytes, Instant::now())
    }
}

/// The event as JSON of at most [`DATAGRAM_MAX`] bytes: the longest values are halved until it fits.
fn encode(mut event: Event) -> Option<Vec<u8>> {
    const ROUNDS: usize = 64;
    for round in 0..ROUNDS {
        let json = serde_json::to_vec(&event).ok()?;
        if json.len() <= DATAGRAM_MAX {
            return Some(json);
        }
        if round == 0 {
            event.fields.insert("decnet.truncated".into(), true.into());
        }
        shrink(&mut event);
    }
    event.fields.clear();
    serde_json::to_vec(&event).ok().filter(|json| json.len() <= DATAGRAM_MAX)
}

fn shrink(event: &mut Event) {
    let halve = |bytes: &mut Bytes| bytes.0.truncate(bytes.0.len() / 2);
    let longest = event.fields.iter().map(|(name, value)| (size(value), name.clone())).max();
    let user = event.user.as_ref().map_or(0, |b| b.0.len());
    let secret = event.secret.as_ref().map_or(0, |b| b.0.len());
    match longest {
        Some((field, name)) if field >= user && field >= secret => {
            let value = event.fields.get_mut(&name);
            let emptied = value.is_some_and(|value| !cut(value));
            if emptied {
                event.fields.remove(&name);
            }
        }
        _ if user >= secret => event.user.iter_mut().for_each(halve),
        _ => event.secret.iter_mut().for_each(halve),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|v| size(v) + 1).sum(),
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + size(v) + 1).sum(),
        _ => 8,
    }
}

/// Halves a value; false when it cannot get any shorter.
fn cut(value: &mut Value) -> bool {
    match value {
        Value::String(text) if text.len() > 1 => {
            let mut end = text.len() / 2;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            true
        }
        Value::Array(items) if items.len() > 1 => {
            items.truncate(items.len() / 2);
            true
        }
        Value::Object(map) => {
            let Some(Value::String(text)) = map.get("b64") else { return false };
            let Ok(mut bytes) = Bytes::try_from(text.clone()) else { return false };
            if bytes.0.len() < 2 {
                return false;
            }
            bytes.0.truncate(bytes.0.len() / 2);
            *value = bytes.to_value();
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

    use super::*;
    use crate::model::WorkerLimits;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    fn receive(socket: &OwnedFd) -> Option<Event> {
        let mut buffer = vec![0u8; DATAGRAM_MAX + 1];
        let (_, got) = recv(socket, &mut buffer[..], RecvFlags::DONTWAIT).ok()?;
        Some(serde_json::from_slice(&buffer[..got]).unwrap())
    }

    fn channel(limits: WorkerLimits) -> (Channel, OwnedFd) {
        let (ours, theirs) = pair();
        (Channel::new(ours, Arc::new(Governor::new(limits))), theirs)
    }

    #[test]
    fn an_event_is_one_datagram() {
        let (channel, theirs) = channel(WorkerLimits::default());
        let event = channel.about(Some([192, 0, 2, 1].into()));
        channel.emit(event.clone());
        assert_eq!(receive(&theirs), Some(event));
        assert_eq!(receive(&theirs), None);
    }

    #[test]
    fn long_events_are_cut_not_lost() {
        let (channel, _theirs) = channel(WorkerLimits::default());
        let mut event = channel.about(None);
        event.user = Some(Bytes(vec![1; 60_000]));
        event.secret = Some(Bytes(vec![2; 60_000]));
        event.fields.insert("a".into(), Bytes(vec![3; 60_000]).to_value());
        event.fields.insert("b".into(), "ä".repeat(60_000).into());
        event.fields.insert("c".into(), vec!["x"; 60_000].into());
        event.fields.insert("d".into(), serde_json::json!({ "k".repeat(90_000): 1 }));
        let json = encode(event).unwrap();
        assert!(json.len() <= DATAGRAM_MAX && json.len() > DATAGRAM_MAX / 8);
        let back: Event = serde_json::from_slice(&json).unwrap();
        assert_eq!(back.fields["decnet.truncated"], true);
        assert!(!back.user.unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_then_counts() {
        let (channel, theirs) =
            channel(WorkerLimits { events_per_minute: u32::MAX, ..WorkerLimits::default() });
        let channel = Arc::new(channel);
        let event = channel.about(None);
        for _ in 0..20_000 {
            channel.emit(event.clone());
        }
        let lost = channel.lost.load(Ordering::Relaxed);
        assert!(lost > 0 && lock(&channel.backlog).bytes > BACKLOG_MAX / 2);
        let sender = channel.clone();
        tokio::spawn(async move { sender.retry().await });
        let mut got = 0;
        while got + lost < 20_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            while receive(&theirs).is_some() {
                got += 1;
            }
        }
        assert_eq!(lock(&channel.backlog).bytes, 0);
        channel.report();
        assert_eq!(receive(&theirs).unwrap().fields["decnet.lost"], lost);
    }

    #[test]
    fn recordings_give_way_to_events() {
        let (channel, theirs) =
            channel(WorkerLimits { events_per_minute: u32::MAX, ..WorkerLimits::default() });
        let bytes = Bytes(vec![b'x'; crate::event::cast::CHUNK_MAX]);
        let chunk = Chunk {
            session: "0".repeat(16),
            terminal: 1,
            number: 0,
            start: None,
            frames: vec![crate::event::cast::Frame::Output(0, bytes)],
            end: false,
        };
        let event = channel.about(None);
        for _ in 0..500 {
            channel.cast(&chunk);
            channel.emit(event.clone());
        }
        assert_eq!(channel.lost.load(Ordering::Relaxed), 0);
        let (mut events, mut chunks) = (0, 0);
        loop {
            let mut datagram = vec![0; DATAGRAM_MAX];
            match recv(&theirs, &mut datagram[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) if Chunk::parse(&datagram[..length]).is_some() => chunks += 1,
                Ok(_) => events += 1,
                Err(_) if lock(&channel.backlog).bytes == 0 => break,
                Err(_) => drop(channel.flush(&mut lock(&channel.backlog))),
            }
        }
        assert_eq!(events, 500);
        assert!((1..250).contains(&chunks), "{chunks}");
    }

    #[test]
    fn a_writer_that_is_gone_costs_events_only() {
        let (channel, theirs) = channel(WorkerLimits::default());
        drop(theirs);
        channel.emit(channel.about(None));
        assert_eq!((channel.lost.load(Ordering::Relaxed), lock(&channel.backlog).bytes), (1, 0));
    }
}
