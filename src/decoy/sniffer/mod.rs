//! The passive observer of a fleet: scans that touch closed ports, half-open ones, pings and ARP sweeps become
//! `probe` events. One process for the whole fleet. It is given a packet socket on the wire, from which it can
//! read and, by its sandbox, not write; what it reads are the headers that a kernel filter lets through.

mod packet;
mod tally;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde_json::{Map, Value};

use self::tally::{Report, Tally};
use crate::event::{Event, Kind};
use crate::host::sandbox::{self, SandboxError};
use crate::host::sys;
use crate::model::Watched;

/// Its uid when started as root.
const UID: u32 = 0x6fff_fff1;
/// Longest description of a fleet in bytes.
const FLEET_MAX: usize = 8 << 20;
/// Packets that are looked at before the supervisor has its turn.
const TURN: usize = 1024;
/// Addresses, names and ports that an event lists.
const LISTED: usize = 32;

/// Why it ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum SnifferError {
    /// It cannot be shut in.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The loop failed.
    #[error("the sniffer failed: {0}")]
    Io(#[from] io::Error),
}

/// Watches until the supervisor closes `control`, a stream that brings a [`Watched`] as JSON after its length
/// (four bytes, big endian) whenever the fleet has changed. `control + 1` takes events, `control + 2` is the
/// packet socket. To be called first thing in a process of its own, from its only thread.
///
/// # Errors
/// See [`SnifferError`].
pub fn run(control: RawFd) -> Result<(), SnifferError> {
    sys::ignore_signals(sys::Terminate::Ends);
    sandbox::die_with_parent()?;
    crate::host::name_process("decnet-sniffer");
    let (events_fd, packets_fd) = (control.saturating_add(1), control.saturating_add(2));
    let events = sys::inherit(events_fd)?;
    let packets = sys::inherit(packets_fd)?;
    let control_fd = control;
    let control = sys::inherit(control_fd)?;
    sys::close_others(&[control_fd, events_fd, packets_fd]);
    rustix::io::ioctl_fionbio(&control, true).map_err(io::Error::from)?;
    let role = sandbox::Role::Observer { events: events_fd };
    sandbox::enter(&sandbox::Plan { role, descriptors: 16, uid: UID })?;
    sandbox::self_test()?;
    let mut sniffer = Sniffer {
        control,
        events,
        packets,
        heard: Vec::new(),
        fleet: Watched::default(),
        tally: Tally::default(),
        lost: 0,
    };
    sniffer.watch()?;
    Ok(())
}

struct Sniffer {
    control: OwnedFd,
    events: OwnedFd,
    packets: OwnedFd,
    /// What the supervisor said and is not whole yet.
    heard: Vec<u8>,
    fleet: Watched,
    tally: Tally,
    lost: u64,
}

impl Sniffer {
    fn watch(&mut self) -> io::Result<()> {
        loop {
            let now = Instant::now();
            let wait = self.tally.next().map(|at| at.saturating_duration_since(now));
            // Not more often than ten times a second, however many sources there are.
            let wait = wait.map(|w| w.max(Duration::from_millis(100)));
            let wait = wait.and_then(|w| Timespec::try_from(w).ok());
            let mut fds =
                [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.packets, PollFlags::IN)];
            match poll(&mut fds, wait.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let (told, seen) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if told && !self.listen()? {
                return Ok(());
            }
            if seen {
                self.look()?;
            }
            let now = Instant::now();
            for report in self.tally.due(now) {
                self.tell(&report);
            }
        }
    }

    /// Hears what the supervisor says; false at its end.
    fn listen(&mut self) -> io::Result<bool> {
        let mut chunk = [0u8; 16 * 1024];
        match rustix::io::read(&self.control, &mut chunk) {
            Ok(0) => return Ok(false),
            Ok(got) => self.heard.extend_from_slice(chunk.get(..got).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        while let Some(length) = self.heard.first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > FLEET_MAX {
                return Err(io::Error::other("the supervisor says too much"));
            }
            let Some(json) = self.heard.get(4..length.saturating_add(4)) else { break };
            self.fleet = serde_json::from_slice(json)?;
            self.heard.drain(..length.saturating_add(4));
        }
        Ok(true)
    }

    fn look(&mut self) -> io::Result<()> {
        let mut frame = [0u8; 256];
        let now = Instant::now();
        for _ in 0..TURN {
            match rustix::net::recv(&self.packets, &mut frame[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    if let Some(touch) = frame.get(..length).and_then(packet::parse) {
                        self.tally.take(touch, &self.fleet, now);
                    }
                }
                Err(Errno::AGAIN) => break,
                // The interface went down; it may come up again.
                Err(Errno::INTR | Errno::NETDOWN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn tell(&mut self, report: &Report) {
        let event = describe(report, &self.fleet, self.lost);
        let sent = serde_json::to_vec(&event).is_ok_and(|json| {
            rustix::net::send(self.events.as_fd(), &json, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_ok()
        });
        self.lost = if sent { 0 } else { self.lost.saturating_add(1) };
    }
}

/// What one decky's observer tells of these frames in the end, for the unit tests and the fuzz targets.
#[cfg(any(test, fuzzing))]
pub fn told(frames: &[&[u8]]) -> Vec<Event> {
    let ports = [(crate::model::Transport::Tcp, 22), (crate::model::Transport::Udp, 161)].into();
    let decky = crate::model::WatchedDecky { name: "d1".to_owned(), ports };
    let fleet = Watched { deckies: [(Ipv4Addr::new(10, 0, 0, 9), decky)].into() };
    let mut tally = Tally::default();
    let now = Instant::now();
    for touch in frames.iter().filter_map(|frame| packet::parse(frame)) {
        tally.take(touch, &fleet, now);
    }
    tally.due(now + Duration::from_secs(60)).iter().map(|report| describe(report, &fleet, 0)).collect()
}

/// The event about a report. `lost`: reports before it that could not be told.
fn describe(report: &Report, fleet: &Watched, lost: u64) -> Event {
    let name = |ip: &Ipv4Addr| fleet.deckies.get(ip).map(|d| d.name.as_str());
    let listed = |ports: &std::collections::BTreeSet<u16>| {
        ports.iter().take(LISTED).map(|p| Value::from(*p)).collect::<Vec<_>>()
    };
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    put("probe.packets", report.packets.into());
    put("probe.targets", report.targets.len().into());
    let addresses = report.targets.iter().take(LISTED).map(|ip| Value::from(ip.to_string()));
    put("probe.target_list", addresses.collect::<Vec<_>>().into());
    let deckies: Vec<Value> = report.targets.iter().filter_map(name).take(LISTED).map(Value::from).collect();
    put("probe.deckies", deckies.into());
    if !report.ports.is_empty() {
        put("probe.ports", report.ports.len().into());
        put("probe.port_list", listed(&report.ports).into());
        put("probe.closed", report.closed.into());
    }
    if report.half_open > 0 {
        put("probe.half_open", report.half_open.into());
    }
    put("probe.goes_on", report.goes_on.into());
    put("duration_ms", u64::try_from(report.lasted.as_millis()).unwrap_or(u64::MAX).into());
    let seconds = report.lasted.as_secs_f64().max(1.0);
    // Packets a second, to a tenth.
    put("probe.rate", ((report.packets as f64 / seconds * 10.0).round() / 10.0).into());
    if lost > 0 {
        put("decnet.lost", lost.into());
    }
    let (ip, port) = report.first;
    let mut session = [0u8; 8];
    // Without randomness such events share a name.
    let _ = getrandom::fill(&mut session);
    // Who asked for addresses that nobody has may have touched no decky: the next one in order stands for all.
    let decky = report.targets.iter().find_map(name).or_else(|| {
        let at = fleet.deckies.range(ip..).next().or_else(|| fleet.deckies.iter().next());
        at.map(|(_, decky)| decky.name.as_str())
    });
    Event {
        time: jiff::Timestamp::now(),
        sequence: 0,
        decky: decky.unwrap_or_default().to_owned(),
        service: "sniffer".to_owned(),
        kind: Kind::Probe,
        action: report.how.action().to_owned(),
        outcome: None,
        source: SocketAddr::new(report.source.into(), 0),
        destination: SocketAddr::new(ip.into(), port),
        session: hex::encode(session),
        user: None,
        secret: None,
        secret_kind: None,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_a_closed_port_is_told() {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 10, 0, 0, 9]);
        frame.extend([0x9c, 0x40, 0, 23, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 4, 0]);
        let told = told(&[&frame, &frame]);
        assert_eq!((told.len(), told[0].action.as_str(), told[0].decky.as_str()), (1, "tcp_syn", "d1"));
        assert_eq!(
            (&told[0].fields["probe.packets"], &told[0].fields["probe.closed"]),
            (&2.into(), &2.into())
        );
    }
}
