//! The datagram sockets of one service: who asks, what goes back, and how much of it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::super::datagram::{Answers, PACKET_MAX, Packet, Port};
use super::super::session::Recorder;
use super::accept::Service;
use super::connection::{LAST_PANIC, session_id};
use crate::event::Kind;

/// Peers that are told apart; the datagrams of further ones each stand alone.
const FLOWS_MAX: usize = 1024;
/// Silence after which a peer that comes again is new.
const FLOW_IDLE: Duration = Duration::from_secs(30);
/// Pause after a receive that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// Datagrams that one socket serves before others have their turn.
const TURN: usize = 32;

/// The sockets of one service.
pub(super) struct Endpoint {
    /// The port of the service, `port_offset` taken out.
    pub(super) number: u16,
    /// Where clients send to; answers leave from it.
    pub(super) main: UdpSocket,
    /// The same port of the groups that it joined.
    pub(super) groups: Vec<UdpSocket>,
    /// For transfers.
    pub(super) spare: Vec<UdpSocket>,
    /// What serves them.
    pub(super) service: Service,
    /// Who is there.
    pub(super) flows: Mutex<Flows>,
}

/// What went back and forth with one peer.
struct Flow {
    record: Recorder,
    start: Instant,
    last: Instant,
    packets: u64,
    received: u64,
    sent: u64,
}

#[derive(Default)]
pub(super) struct Flows {
    by_peer: HashMap<SocketAddr, Flow>,
    swept: Option<Instant>,
}

/// Serves every socket of `endpoint` until the process ends.
pub(super) fn spawn(endpoint: Endpoint) {
    let endpoint = Arc::new(endpoint);
    tokio::spawn(run(endpoint.clone(), Place::Main));
    for at in 0..endpoint.groups.len() {
        tokio::spawn(run(endpoint.clone(), Place::Group(at)));
    }
    for at in 0..endpoint.spare.len() {
        tokio::spawn(run(endpoint.clone(), Place::Spare(at)));
    }
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(FLOW_IDLE).await;
            endpoint.sweep(Instant::now());
        }
    });
}

#[derive(Clone, Copy)]
enum Place {
    Main,
    Group(usize),
    Spare(usize),
}

async fn run(endpoint: Arc<Endpoint>, place: Place) {
    let socket = match place {
        Place::Main => Some(&endpoint.main),
        Place::Group(at) => endpoint.groups.get(at),
        Place::Spare(at) => endpoint.spare.get(at),
    };
    let Some(socket) = socket else { return };
    loop {
        let ready = socket.readable().await;
        if ready.is_err() || endpoint.drain(socket, place).is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
}

impl Endpoint {
    /// Serves what has come, up to a turn's worth. The buffer lives on the stack only meanwhile.
    fn drain(&self, socket: &UdpSocket, place: Place) -> io::Result<()> {
        let mut buffer = [0u8; PACKET_MAX];
        for _ in 0..TURN {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, source)) => {
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    self.one(buffer.get(..length).unwrap_or_default(), source, place);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn one(&self, bytes: &[u8], source: SocketAddr, place: Place) {
        let now = Instant::now();
        let port = match place {
            Place::Main | Place::Group(_) => Port::Main,
            Place::Spare(at) => Port::Spare(at),
        };
        let destination = self.socket(port).local_addr().unwrap_or(SocketAddr::new([0, 0, 0, 0].into(), 0));
        let record = self.meet(source, destination, bytes.len(), now);
        // Nobody sends from there, but a forger whose victim is a broadcast address or a chargen service.
        if source.port() == 0 || unanswerable(source.ip()) {
            return;
        }
        let governor = &self.service.governor;
        let mut answers = Answers::new(bytes.len(), governor.is_proved(source.ip(), now));
        let packet = Packet {
            bytes,
            source,
            destination,
            number: self.number,
            port,
            multicast: matches!(place, Place::Group(_)),
            spares: self.spare.len(),
            record: &record,
        };
        LAST_PANIC.set(None);
        let served = catch_unwind(AssertUnwindSafe(|| self.service.decoy.datagram(&packet, &mut answers)));
        if served.is_err() {
            let place = LAST_PANIC.take().unwrap_or_else(|| "an unknown place".to_owned());
            return record.error("panic", &format!("the decoy failed at {place}"));
        }
        if answers.newly_proved() {
            governor.prove(source.ip(), now);
        }
        let mut sent = 0u64;
        for (port, answer) in answers.take() {
            if !governor.allow_answer(source.ip(), now) {
                break;
            }
            // A full buffer loses a datagram, as any network may.
            if self.socket(port).try_send_to(&answer, source).is_ok() {
                sent = sent.saturating_add(answer.len() as u64);
            }
        }
        if let Some(flow) = self.lock().by_peer.get_mut(&source) {
            flow.sent = flow.sent.saturating_add(sent);
        }
    }

    fn socket(&self, port: Port) -> &UdpSocket {
        match port {
            Port::Main => &self.main,
            Port::Spare(at) => self.spare.get(at).unwrap_or(&self.main),
        }
    }

    /// The recorder of a peer; one that is new has a connection event first.
    fn meet(&self, source: SocketAddr, destination: SocketAddr, length: usize, now: Instant) -> Recorder {
        let length = length as u64;
        let mut flows = self.lock();
        if let Some(flow) = flows.by_peer.get_mut(&source)
            && now.saturating_duration_since(flow.last) < FLOW_IDLE
        {
            flow.last = now;
            flow.packets = flow.packets.saturating_add(1);
            flow.received = flow.received.saturating_add(length);
            return flow.record.clone();
        }
        if flows.by_peer.len() >= FLOWS_MAX
            && flows.swept.is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(1))
        {
            flows.sweep(now);
        }
        let sink = self.service.sink.clone();
        let record = Recorder::new(sink, &self.service.slug, source, destination, &session_id());
        record.event(Kind::Connection, "datagram").field("network.transport", "udp").emit();
        if flows.by_peer.len() < FLOWS_MAX || flows.by_peer.contains_key(&source) {
            let flow =
                Flow { record: record.clone(), start: now, last: now, packets: 1, received: length, sent: 0 };
            if let Some(old) = flows.by_peer.insert(source, flow) {
                old.end();
            }
        }
        record
    }

    fn sweep(&self, now: Instant) {
        self.lock().sweep(now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flows {
    fn sweep(&mut self, now: Instant) {
        self.swept = Some(now);
        self.by_peer.retain(|_, flow| {
            let stays = now.saturating_duration_since(flow.last) < FLOW_IDLE;
            if !stays {
                flow.end();
            }
            stays
        });
        if self.by_peer.is_empty() {
            self.by_peer.shrink_to_fit();
        }
    }
}

impl Flow {
    fn end(&self) {
        let lasted = self.last.saturating_duration_since(self.start).as_millis();
        self.record
            .event(Kind::Session, "end")
            .field("duration_ms", u64::try_from(lasted).unwrap_or(u64::MAX))
            .field("source.bytes", self.received)
            .field("source.packets", self.packets)
            .field("destination.bytes", self.sent)
            .field("event.reason", "idle")
            .emit();
    }
}

/// Addresses that no single machine has.
fn unanswerable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::governor::Governor;
    use super::super::sink::Channel;
    use super::*;
    use crate::decoy::Decoy;
    use crate::model::WorkerLimits;

    /// Says everything twice; `p` is its password, `!` its bug.
    struct Echo;

    impl Decoy for Echo {
        fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
            match packet.bytes {
                b"!" => panic!("a bug"),
                b"p" => answers.prove(),
                b"s" => drop(answers.send_from(Port::Spare(0), b"x".to_vec())),
                bytes => {
                    if !answers.send([bytes, bytes].concat()) {
                        answers.send(bytes.to_vec());
                    }
                }
            }
        }
    }

    async fn endpoint(limits: WorkerLimits) -> (SocketAddr, SocketAddr, std::os::fd::OwnedFd) {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let governor = Arc::new(Governor::new(limits));
        let main = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let spare = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (at, other) = (main.local_addr().unwrap(), spare.local_addr().unwrap());
        let service = Service {
            slug: "echo".into(),
            number: 7,
            decoy: Arc::new(Echo),
            spare: Arc::default(),
            sink: Arc::new(Channel::new(ours, governor.clone())),
            governor,
            limits,
        };
        spawn(Endpoint {
            number: 7,
            main,
            groups: vec![],
            spare: vec![spare],
            service,
            flows: Mutex::default(),
        });
        (at, other, theirs)
    }

    async fn ask(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> Option<(Vec<u8>, SocketAddr)> {
        socket.send_to(bytes, to).await.unwrap();
        let mut buffer = [0u8; 64];
        let got = tokio::time::timeout(Duration::from_millis(300), socket.recv_from(&mut buffer)).await;
        got.ok().map(|r| r.unwrap()).map(|(n, from)| (buffer[..n].to_vec(), from))
    }

    #[tokio::test]
    async fn answers_are_short_until_the_peer_is_proved() {
        let (at, spare, theirs) = endpoint(WorkerLimits::default()).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(ask(&client, at, b"ab").await, Some((b"ab".to_vec(), at)));
        assert_eq!(ask(&client, at, b"p").await, None);
        assert_eq!(ask(&client, at, b"ab").await, Some((b"abab".to_vec(), at)));
        assert_eq!(ask(&client, at, b"!").await, None);
        assert_eq!(ask(&client, at, b"s").await, Some((b"x".to_vec(), spare)));
        let mut buffer = vec![0u8; 8192];
        let mut events = Vec::new();
        while let Ok((_, n)) = rustix::net::recv(&theirs, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT) {
            events.push(serde_json::from_slice::<crate::event::Event>(&buffer[..n]).unwrap());
        }
        let actions: Vec<_> = events.iter().map(|e| e.action.as_str()).collect();
        assert_eq!(actions, ["datagram", "panic"]);
    }

    #[tokio::test]
    async fn answers_are_bounded_in_number() {
        let (at, _, _theirs) =
            endpoint(WorkerLimits { answers_per_second: 5, ..WorkerLimits::default() }).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..50 {
            client.send_to(b"ab", at).await.unwrap();
        }
        let mut answered = 0;
        let mut buffer = [0u8; 8];
        while tokio::time::timeout(Duration::from_millis(200), client.recv_from(&mut buffer)).await.is_ok() {
            answered += 1;
        }
        assert!((5..=10).contains(&answered), "{answered}");
    }
}
