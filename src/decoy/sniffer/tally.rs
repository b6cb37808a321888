//! Sums up touches, so that a scan is a few events however fast it is. Pure: the clock is handed in.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::packet::{How, Touch};
use crate::model::{Transport, Watched};

/// Sources that are told apart; further ones are summed up together.
const SOURCES_MAX: usize = 4096;
/// Targets and ports of one source that are told apart.
const SET_MAX: usize = 1024;
/// From the first touch to the first event: a scan of a small network is over by then.
const FIRST: Duration = Duration::from_secs(2);
/// Between two events about a scan that goes on.
const AGAIN: Duration = Duration::from_secs(30);
/// Silence that ends a scan.
const IDLE: Duration = Duration::from_secs(10);
/// Machines of a network that ask for each other's hardware addresses ask for a few; a sweep asks for all.
const ARP_SWEEP: usize = 8;
/// So many open doors are not somebody's work.
const SYN_SWEEP: usize = 4;

/// What one source did within a while, in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// Who; unspecified: all those that found no room.
    pub(super) source: Ipv4Addr,
    /// How.
    pub(super) how: How,
    /// The first address and port.
    pub(super) first: (Ipv4Addr, u16),
    /// Packets.
    pub(super) packets: u64,
    /// Of those, to ports that nothing listens on.
    pub(super) closed: u64,
    /// Connections that it refused when they were accepted: a SYN scan of open ports.
    pub(super) half_open: u64,
    /// Addresses, in order.
    pub(super) targets: BTreeSet<Ipv4Addr>,
    /// Ports, in order.
    pub(super) ports: BTreeSet<u16>,
    /// From the first to the last packet.
    pub(super) lasted: Duration,
    /// Whether an event told of it before.
    pub(super) goes_on: bool,
}

struct Entry {
    report: Report,
    start: Instant,
    last: Instant,
    due: Instant,
}

/// All sources.
#[derive(Default)]
pub(super) struct Tally {
    entries: HashMap<(Ipv4Addr, How), Entry>,
}

impl Tally {
    /// Takes a touch in; `fleet` says what is a decky, and what is open on it.
    pub(super) fn take(&mut self, touch: Touch, fleet: &Watched, now: Instant) {
        let target = fleet.deckies.get(&touch.target);
        let (_, port) = touch.ports;
        let open = |transport| target.is_some_and(|d| d.ports.contains(&(transport, port)));
        let Some(how) = touch.how else {
            // Of a scan that is known, to a port that is open: the answer was not wanted.
            if open(Transport::Tcp)
                && let Some(entry) = self.entries.get_mut(&(touch.source, How::Syn))
            {
                entry.report.half_open = entry.report.half_open.saturating_add(1);
                entry.last = now;
            }
            return;
        };
        // Machines that are no deckies are none of our business; who asks for an address that nobody has may
        // be counting all of them.
        if target.is_none() && how != How::Arp || fleet.deckies.contains_key(&touch.source) {
            return;
        }
        let closed = match how {
            // The service's worker tells of it.
            How::Udp if open(Transport::Udp) => return,
            How::Udp => true,
            How::Syn => !open(Transport::Tcp),
            _ => false,
        };
        let mut key = (touch.source, how);
        if self.entries.len() >= SOURCES_MAX && !self.entries.contains_key(&key) {
            key.0 = Ipv4Addr::UNSPECIFIED;
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            report: Report {
                source: key.0,
                how,
                first: (touch.target, port),
                packets: 0,
                closed: 0,
                half_open: 0,
                targets: BTreeSet::new(),
                ports: BTreeSet::new(),
                lasted: Duration::ZERO,
                goes_on: false,
            },
            start: now,
            last: now,
            due: now + FIRST,
        });
        let report = &mut entry.report;
        if report.packets == 0 {
            report.first = (touch.target, port);
            entry.start = now;
        }
        entry.last = now;
        report.packets = report.packets.saturating_add(1);
        report.closed = report.closed.saturating_add(u64::from(closed));
        if report.targets.len() < SET_MAX {
            report.targets.insert(touch.target);
        }
        if port != 0 && report.ports.len() < SET_MAX {
            report.ports.insert(port);
        }
    }

    /// When [`Tally::due`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.values().map(|e| e.due).min()
    }

    /// What is to be told by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Report> {
        let mut told = Vec::new();
        self.entries.retain(|_, entry| {
            if entry.due > now {
                return true;
            }
            let quiet = now.saturating_duration_since(entry.last) >= IDLE;
            if !entry.report.worth_telling() {
                entry.due = now + FIRST;
                return !quiet;
            }
            entry.report.lasted = entry.last.saturating_duration_since(entry.start);
            let next = Report {
                packets: 0,
                closed: 0,
                half_open: 0,
                targets: BTreeSet::new(),
                ports: BTreeSet::new(),
                goes_on: true,
                ..entry.report.clone()
            };
            told.push(std::mem::replace(&mut entry.report, next));
            entry.due = now + AGAIN;
            !quiet
        });
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
        told
    }
}

impl Report {
    /// Whether it is more than somebody who uses an open port; that one's events come from the service.
    fn worth_telling(&self) -> bool {
        let doors = self.targets.len().max(self.ports.len());
        match self.how {
            How::Syn => self.closed > 0 || self.half_open > 0 || doors >= SYN_SWEEP,
            How::Arp => self.targets.len() >= ARP_SWEEP,
            _ => self.packets > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WatchedDecky;

    fn fleet() -> Watched {
        let one = |n: u8| {
            let ports = [(Transport::Tcp, 22), (Transport::Udp, 161)].into();
            (Ipv4Addr::new(10, 0, 0, n), WatchedDecky { name: format!("d{n}"), ports })
        };
        Watched { deckies: (1..=20).map(one).collect() }
    }

    fn touch(how: Option<How>, target: u8, port: u16) -> Touch {
        Touch {
            source: [192, 0, 2, 1].into(),
            target: Ipv4Addr::new(10, 0, 0, target),
            ports: (40_000, port),
            how,
        }
    }

    #[test]
    fn a_scan_is_one_event_and_then_one_each_half_minute() {
        let (mut tally, fleet, start) = (Tally::default(), fleet(), Instant::now());
        for target in 1..=20 {
            for port in [21, 22, 80] {
                tally.take(touch(Some(How::Syn), target, port), &fleet, start);
            }
            tally.take(touch(None, target, 22), &fleet, start);
        }
        assert!(tally.due(start).is_empty());
        let told = tally.due(start + FIRST);
        assert_eq!(told.len(), 1);
        let report = &told[0];
        assert_eq!((report.packets, report.closed, report.half_open), (60, 40, 20));
        assert_eq!((report.targets.len(), report.ports.len(), report.goes_on), (20, 3, false));
        tally.take(touch(Some(How::Syn), 1, 443), &fleet, start + FIRST);
        assert!(tally.due(start + FIRST + IDLE).is_empty());
        let more = tally.due(start + FIRST + AGAIN);
        assert_eq!((more.len(), more[0].packets, more[0].goes_on), (1, 1, true));
        assert_eq!(tally.next(), None);
    }

    #[test]
    fn who_uses_a_service_is_not_told_of() {
        let (mut tally, fleet, start) = (Tally::default(), fleet(), Instant::now());
        for _ in 0..100 {
            tally.take(touch(Some(How::Syn), 3, 22), &fleet, start);
            tally.take(touch(Some(How::Udp), 3, 161), &fleet, start);
            tally.take(touch(Some(How::Arp), 3, 0), &fleet, start);
            // Not ours.
            tally.take(touch(Some(How::Syn), 99, 22), &fleet, start);
        }
        assert!(tally.due(start + FIRST).is_empty());
        assert!(tally.due(start + FIRST + IDLE).is_empty());
        assert_eq!(tally.next(), None);
    }

    #[test]
    fn a_half_open_connection_is() {
        let (mut tally, fleet, start) = (Tally::default(), fleet(), Instant::now());
        tally.take(touch(Some(How::Syn), 3, 22), &fleet, start);
        tally.take(touch(None, 3, 22), &fleet, start);
        assert_eq!(tally.due(start + FIRST)[0].half_open, 1);
    }

    #[test]
    fn sweeps_count_addresses_that_nobody_has() {
        let (mut tally, fleet, start) = (Tally::default(), fleet(), Instant::now());
        for target in 0..=255 {
            tally.take(touch(Some(How::Arp), target, 0), &fleet, start);
        }
        let told = tally.due(start + FIRST);
        assert_eq!((told[0].how, told[0].targets.len()), (How::Arp, 256));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut tally, fleet, start) = (Tally::default(), fleet(), Instant::now());
        for n in 0..20_000u32 {
            let source = Ipv4Addr::from(0xc000_0000 + n);
            tally.take(Touch { source, ..touch(Some(How::Syn), 1, n as u16) }, &fleet, start);
        }
        assert_eq!(tally.entries.len(), SOURCES_MAX + 1);
        let shared = &tally.entries[&(Ipv4Addr::UNSPECIFIED, How::Syn)].report;
        assert_eq!((shared.packets as usize, shared.ports.len()), (20_000 - SOURCES_MAX, SET_MAX));
    }
}
