//! Log messages to a receiver elsewhere, never waiting for it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::event::syslog;
use crate::model::LogTransport;

/// Most messages, and most bytes, that wait for the receiver.
const QUEUE_MAX: usize = 8192;
const BYTES_MAX: usize = 4 << 20;
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The receiver, and what waits for it.
#[derive(Default)]
pub(super) struct Forward {
    target: Option<(LogTransport, Vec<SocketAddr>)>,
    state: State,
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How much of the first message is out already (tcp).
    offset: usize,
    /// Which address is tried next.
    turn: usize,
    failures: u32,
    /// Messages that went out.
    pub(super) sent: u64,
    /// Messages that were given up.
    pub(super) lost: u64,
    /// What went wrong last; none while all is well.
    pub(super) error: Option<String>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Connecting(OwnedFd, Instant),
    Connected(OwnedFd),
    Waiting(Instant),
}

impl Forward {
    /// Forwards to one of these addresses from now on, or to nobody.
    pub(super) fn retarget(&mut self, target: Option<(LogTransport, Vec<SocketAddr>)>) {
        if self.target == target {
            return;
        }
        self.target = target;
        (self.state, self.offset, self.turn, self.failures, self.error) = (State::Idle, 0, 0, 0, None);
        if self.target.is_none() {
            self.lost += self.queue.len() as u64;
            self.queue.clear();
            self.bytes = 0;
        }
    }

    /// Whether anybody wants messages.
    pub(super) fn wanted(&self) -> bool {
        self.target.is_some()
    }

    /// Whether messages wait.
    pub(super) fn busy(&self) -> bool {
        self.wanted() && !self.queue.is_empty()
    }

    /// Queues a message; the newest is given up when there is no room.
    pub(super) fn queue(&mut self, message: Vec<u8>) {
        let message = match self.target {
            Some((LogTransport::Tcp, _)) => syslog::frame(&message),
            _ => message,
        };
        if self.queue.len() >= QUEUE_MAX || self.bytes + message.len() > BYTES_MAX {
            self.lost += 1;
            return;
        }
        self.bytes += message.len();
        self.queue.push_back(message);
    }

    /// How long until something is to be done without the receiver's doing.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            State::Waiting(until) | State::Connecting(_, until) => Some(until.saturating_duration_since(now)),
            State::Idle if self.busy() => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// Does what can be done now. The socket is put into `epoll` under `token`, edge-triggered.
    pub(super) fn pump(&mut self, now: Instant, epoll: &OwnedFd, token: u64) {
        match std::mem::take(&mut self.state) {
            State::Waiting(until) if now < until => self.state = State::Waiting(until),
            State::Idle | State::Waiting(_) if !self.busy() => {}
            State::Idle | State::Waiting(_) => self.connect(now, epoll, token),
            State::Connecting(socket, until) => match connected(&socket) {
                Ok(true) => self.drain(socket, now),
                Ok(false) if now < until => self.state = State::Connecting(socket, until),
                Ok(false) => self.failed(&Errno::TIMEDOUT.into(), now),
                Err(error) => self.failed(&error, now),
            },
            State::Connected(socket) => self.drain(socket, now),
        }
    }

    fn connect(&mut self, now: Instant, epoll: &OwnedFd, token: u64) {
        let Some((transport, addresses)) = &self.target else { return };
        let Some(address) = addresses.get(self.turn % addresses.len().max(1)).copied() else {
            self.failed(&io::Error::other("the log target's name has no address"), now);
            return;
        };
        self.turn += 1;
        let kind = match transport {
            LogTransport::Udp => SocketType::DGRAM,
            LogTransport::Tcp => SocketType::STREAM,
        };
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let opened =
            rustix::net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
                .and_then(|socket| {
                    let flags = epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
                    epoll::add(epoll, &socket, epoll::EventData::new_u64(token), flags)?;
                    match rustix::net::connect(&socket, &address) {
                        Ok(()) => Ok((socket, true)),
                        Err(Errno::INPROGRESS) => Ok((socket, false)),
                        Err(error) => Err(error),
                    }
                });
        match opened {
            Ok((socket, true)) => self.drain(socket, now),
            Ok((socket, false)) => self.state = State::Connecting(socket, now + CONNECT),
            Err(error) => self.failed(&error.into(), now),
        }
    }

    /// Sends until the queue is empty or the receiver has no room.
    fn drain(&mut self, socket: OwnedFd, now: Instant) {
        let udp = matches!(self.target, Some((LogTransport::Udp, _)));
        while let Some(message) = self.queue.front() {
            let rest = message.get(self.offset..).unwrap_or_default();
            match rustix::net::send(&socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) if !udp && n < rest.len() => self.offset += n,
                Ok(_) => {
                    self.done();
                    self.sent += 1;
                    (self.error, self.failures) = (None, 0);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // A datagram that nobody took, or that does not fit: the next one may.
                Err(error) if udp => {
                    self.done();
                    self.lost += 1;
                    self.error = Some(io::Error::from(error).to_string());
                }
                Err(error) => {
                    self.failed(&error.into(), now);
                    return;
                }
            }
        }
        if !udp && closed(&socket) {
            self.failed(&io::Error::other("the log receiver closed the connection"), now);
            return;
        }
        self.state = State::Connected(socket);
    }

    fn done(&mut self) {
        self.offset = 0;
        if let Some(message) = self.queue.pop_front() {
            self.bytes = self.bytes.saturating_sub(message.len());
        }
    }

    /// Waits a while; a message that was partly sent starts over on the next connection.
    fn failed(&mut self, error: &io::Error, now: Instant) {
        self.error = Some(error.to_string());
        self.offset = 0;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(7)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting(now + pause);
    }
}

/// Whether a connect that was begun is through.
fn connected(socket: &OwnedFd) -> io::Result<bool> {
    rustix::net::sockopt::socket_error(socket)??;
    match rustix::net::getpeername(socket) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the receiver closed its side; what it says is thrown away.
fn closed(socket: &OwnedFd) -> bool {
    const MOST: usize = 64;
    let mut buffer = [0u8; 1024];
    for _ in 0..MOST {
        match rustix::net::recv(socket, &mut buffer, rustix::net::RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return true,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn epoll() -> OwnedFd {
        epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()
    }

    /// Pumps until nothing waits, with a clock that runs faster; false when that never happens.
    fn pump(forward: &mut Forward) -> bool {
        let epoll = epoll();
        let mut now = Instant::now();
        for _ in 0..200 {
            forward.pump(now, &epoll, 1);
            if !forward.busy() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
            now += Duration::from_millis(100);
        }
        false
    }

    #[test]
    fn datagrams_go_out_as_they_are() {
        let receiver = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let mut forward = Forward::default();
        forward.retarget(Some((LogTransport::Udp, vec![receiver.local_addr().unwrap()])));
        forward.queue(b"one".to_vec());
        forward.queue(b"two".to_vec());
        assert!(pump(&mut forward));
        let mut buffer = [0u8; 16];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 3);
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"two");
        assert_eq!((forward.sent, forward.lost), (2, 0));
    }

    #[test]
    fn a_stream_counts_octets_and_comes_back() {
        let receiver = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = receiver.local_addr().unwrap();
        let mut forward = Forward::default();
        forward.retarget(Some((LogTransport::Tcp, vec![address])));
        forward.queue(b"one".to_vec());
        assert!(pump(&mut forward));
        let (mut first, _) = receiver.accept().unwrap();
        let mut got = [0u8; 5];
        first.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"3 one");
        drop(first);
        std::thread::sleep(Duration::from_millis(20));
        let epoll = epoll();
        forward.pump(Instant::now(), &epoll, 1);
        assert!(forward.error.is_some());
        forward.queue(b"four".to_vec());
        assert!(pump(&mut forward));
        let (mut second, _) = receiver.accept().unwrap();
        let mut got = [0u8; 6];
        second.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"4 four");
        assert_eq!((forward.sent, forward.lost, forward.error.as_deref()), (2, 0, None));
    }

    #[test]
    fn nobody_there_costs_a_bounded_queue() {
        let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let mut forward = Forward::default();
        forward.retarget(Some((LogTransport::Tcp, vec![gone])));
        for _ in 0..QUEUE_MAX + 5 {
            forward.queue(vec![b'x'; 100]);
        }
        assert!(!pump(&mut forward));
        assert_eq!((forward.sent, forward.lost), (0, 5));
        assert!(forward.error.is_some());
        assert!(forward.due(Instant::now()).is_some());
        forward.retarget(None);
        assert_eq!(forward.lost as usize, QUEUE_MAX + 5);
    }
}
