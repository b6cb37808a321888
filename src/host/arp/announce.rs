//! Says on the LAN that addresses are taken, and stands by it (RFC 5227 §2.3, §2.4).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Pace;
use super::defend::{Defender, Verdict};
use super::error::ArpError;
use super::frame::Frame;
use super::probe::on_a_lan;
use super::schedule::{Schedule, Step, Timing};
use super::socket::{ArpSocket, dice};
use crate::host::sys;
use crate::model::Mac;

/// Frames judged before other work gets its turn.
const AT_ONCE: u32 = 256;

/// Announces each of `claims` twice by interface number `parent`: 2 s apart, fast 200 ms. Blocks for that
/// long, and longer for more than 200 addresses: at most
/// [`MOST_PER_SECOND`](super::MOST_PER_SECOND) frames leave.
///
/// Only for addresses that were probed, found free, and are answered for by now. 0.0.0.0 and 127.0.0.0/8
/// are left out.
///
/// # Errors
/// As [`probe`](super::probe).
pub fn announce(parent: u32, claims: &[(Ipv4Addr, Mac)], pace: Pace) -> Result<(), ArpError> {
    let claims: Vec<(Ipv4Addr, Mac)> = claims.iter().copied().filter(|(ip, _)| on_a_lan(*ip)).collect();
    if claims.is_empty() {
        return Ok(());
    }
    let socket = ArpSocket::open(parent)?;
    let mut schedule = Schedule::new(Timing::announcing(pace), claims.len(), &mut dice);
    let start = Instant::now();
    loop {
        let now = start.elapsed();
        match schedule.next(now, &mut dice) {
            Step::Send(index) => {
                if let Some((ip, mac)) = claims.get(index) {
                    socket.send(&Frame::announcement(*mac, *ip))?;
                }
            }
            // Nothing that is received matters here.
            Step::Wait(until) => std::thread::sleep(until.saturating_sub(now)),
            Step::Done => return Ok(()),
        }
    }
}

/// An address that another machine uses and does not let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The address.
    pub ip: Ipv4Addr,
    /// The hardware address of that machine.
    pub rival: Mac,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "address conflict: {} is used by {} as well", self.ip, self.rival)
    }
}

/// Watches one interface for other machines that use addresses of ours, and defends those as
/// [`Defender`] says.
#[derive(Debug)]
pub struct Sentry {
    socket: ArpSocket,
    ready: AsyncFd<OwnedFd>,
    defender: Defender,
    start: Instant,
}

impl Sentry {
    /// Watches interface number `parent` of the calling thread's namespace, on the runtime of this thread.
    ///
    /// # Errors
    /// As [`probe`](super::probe).
    pub fn new(parent: u32) -> Result<Self, ArpError> {
        let socket = ArpSocket::open(parent)?;
        let ready = socket
            .as_fd()
            .try_clone_to_owned()
            .and_then(|fd| sys::watch(fd, Interest::READABLE))
            .map_err(|error| ArpError::from_io("cannot watch for ARP", error))?;
        let defender = Defender::new([socket.mac]);
        Ok(Self { socket, ready, defender, start: Instant::now() })
    }

    /// From now on `mac` holds `ip`; a lost address is held again.
    pub fn claim(&mut self, ip: Ipv4Addr, mac: Mac) {
        if on_a_lan(ip) {
            self.defender.claim(ip, mac);
        }
    }

    /// The address is no longer held.
    pub fn release(&mut self, ip: Ipv4Addr) {
        self.defender.release(ip);
    }

    /// Waits for packets, and judges them: the addresses that are lost now, most often none. Safe to
    /// cancel.
    ///
    /// # Errors
    /// The interface is gone or down: open another sentry when it is back.
    pub async fn attend(&mut self) -> Result<Vec<Lost>, ArpError> {
        let failed = |error: io::Error| ArpError::from_io("cannot wait for ARP", error);
        let mut ready = self.ready.readable().await.map_err(failed)?;
        let (mut lost, mut budget) = (Vec::new(), AT_ONCE);
        while let Some(frame) = self.socket.receive(&mut budget)? {
            match self.defender.judge(self.start.elapsed(), &frame.packet) {
                Verdict::Ignore => {}
                Verdict::Defend { ip, mac } => self.socket.send(&Frame::announcement(mac, ip))?,
                Verdict::Lost { ip, rival } => lost.push(Lost { ip, rival }),
            }
        }
        // With the budget used up there may be more to read.
        if budget > 0 {
            ready.clear_ready();
        }
        Ok(lost)
    }
}
