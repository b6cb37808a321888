//! Asks the LAN whether addresses are free (RFC 5227 §2.1).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Instant;

use super::Pace;
use super::error::ArpError;
use super::frame::{Frame, Packet};
use super::schedule::{Schedule, Step, Timing};
use super::socket::{ArpSocket, dice};
use crate::model::Mac;

/// Frames looked at between two looks at the clock: a flood cannot hold up the end.
const AT_ONCE: u32 = 256;

/// An address that another machine has, or is about to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The address.
    pub ip: Ipv4Addr,
    /// The hardware address of that machine.
    pub mac: Mac,
}

/// Asks on interface number `parent` for each of `addresses`, all at once, in the name of the hardware
/// address beside it. Gives the taken ones, ascending. Blocks until the time for answers is over: fast
/// 0.45 s (200 addresses 2.15 s, 1,000 addresses 14.15 s), full 4 to 7 s (1,000 addresses 17 s).
///
/// Taken is what anyone says is theirs while it is asked for, or asks for at the same time, with a sender
/// hardware address that is neither in `own` nor in `addresses` nor the parent's. Sent are probes only, at
/// most [`MOST_PER_SECOND`](super::MOST_PER_SECOND), and no more for an address that turned out to be
/// taken. 0.0.0.0 and 127.0.0.0/8 are not asked for.
///
/// # Errors
/// The host cannot speak ARP there: no CAP_NET_RAW, no such interface, down, loopback, not Ethernet.
pub fn probe(
    parent: u32,
    own: &[Mac],
    addresses: &[(Ipv4Addr, Mac)],
    pace: Pace,
) -> Result<Vec<Conflict>, ArpError> {
    let addresses: Vec<(Ipv4Addr, Mac)> = addresses.iter().copied().filter(|(ip, _)| on_a_lan(*ip)).collect();
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let socket = ArpSocket::open(parent)?;
    let mut watch = Watch::new(&addresses, own, socket.mac);
    let macs: HashSet<Mac> = addresses.iter().map(|(_, mac)| *mac).collect();
    for mac in macs {
        socket.listen_for(mac)?;
    }
    let mut schedule = Schedule::new(Timing::probing(pace), addresses.len(), &mut dice);
    let start = Instant::now();
    loop {
        let mut budget = AT_ONCE;
        while let Some(frame) = socket.receive(&mut budget)? {
            for index in watch.see(&frame.packet) {
                schedule.drop_address(*index);
            }
        }
        let now = start.elapsed();
        match schedule.next(now, &mut dice) {
            Step::Send(index) => {
                if let Some((ip, mac)) = addresses.get(index) {
                    socket.send(&Frame::probe(*mac, *ip))?;
                }
            }
            Step::Wait(until) => socket.wait(until.saturating_sub(now))?,
            Step::Done => break,
        }
    }
    Ok(watch.found.into_iter().map(|(ip, mac)| Conflict { ip, mac }).collect())
}

/// Whether an address can be anyone's on a LAN.
pub(super) fn on_a_lan(ip: Ipv4Addr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast()
}

/// What was heard about the addresses that are asked for.
struct Watch {
    /// Where each address stands in the list.
    wanted: HashMap<Ipv4Addr, Vec<usize>>,
    own: HashSet<Mac>,
    found: BTreeMap<Ipv4Addr, Mac>,
}

impl Watch {
    fn new(addresses: &[(Ipv4Addr, Mac)], own: &[Mac], parent: Mac) -> Self {
        let mut wanted: HashMap<Ipv4Addr, Vec<usize>> = HashMap::with_capacity(addresses.len());
        for (index, (ip, _)) in addresses.iter().enumerate() {
            wanted.entry(*ip).or_default().push(index);
        }
        let own = addresses.iter().map(|(_, mac)| *mac).chain(own.iter().copied()).chain([parent]).collect();
        Self { wanted, own, found: BTreeMap::new() }
    }

    /// Places of the address that this packet shows to be taken; none for all other packets.
    fn see(&mut self, packet: &Packet) -> &[usize] {
        let asked = Some(packet.target_ip).filter(|_| packet.is_probe());
        let Some(ip) = packet.claimed().or(asked) else { return &[] };
        let Some(places) = self.wanted.get(&ip) else { return &[] };
        if self.own.contains(&packet.sender_mac) {
            return &[];
        }
        self.found.entry(ip).or_insert(packet.sender_mac);
        places
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Operation;
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const SIBLING: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const PARENT: Mac = Mac([2, 0, 0, 0, 0, 3]);
    const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);

    fn packet(operation: Operation, mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Packet {
        Packet { operation, sender_mac: mac, sender_ip: sender, target_mac: OURS, target_ip: target }
    }

    #[test]
    fn tells_a_conflict_from_talk() {
        const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        use Operation::{Reply, Request};
        let cases = [
            ("answer to our probe", packet(Reply, RIVAL, IP, NONE), true),
            ("broadcast answer", packet(Reply, RIVAL, IP, IP), true),
            ("announcement", packet(Request, RIVAL, IP, IP), true),
            ("the owner asks for another", packet(Request, RIVAL, IP, OTHER), true),
            ("another probes for it", packet(Request, RIVAL, NONE, IP), true),
            ("another probes for something else", packet(Request, RIVAL, NONE, OTHER), false),
            ("someone asks who has it", packet(Request, RIVAL, OTHER, IP), false),
            ("someone answers about another", packet(Reply, RIVAL, OTHER, IP), false),
            ("an answer without a sender", packet(Reply, RIVAL, NONE, IP), false),
            ("our own probe comes back", packet(Request, OURS, NONE, IP), false),
            ("a sibling's probe", packet(Request, SIBLING, NONE, IP), false),
            ("a decky that is about to move away", packet(Reply, SIBLING, IP, NONE), false),
            ("the host itself", packet(Reply, PARENT, IP, NONE), false),
        ];
        for (what, packet, conflict) in cases {
            let mut watch = Watch::new(&[(IP, OURS)], &[SIBLING], PARENT);
            let expected: &[usize] = if conflict { &[0] } else { &[] };
            assert_eq!(watch.see(&packet), expected, "{what}");
            assert_eq!(watch.found.get(&IP), conflict.then_some(&RIVAL), "{what}");
        }
    }

    #[test]
    fn nothing_is_asked_about_addresses_that_are_on_no_lan() {
        let none =
            ["127.0.0.5", "0.0.0.0", "224.0.0.1", "255.255.255.255"].map(|ip| (ip.parse().unwrap(), OURS));
        // No interface has number 0: this would fail if a socket were opened.
        assert_eq!(probe(0, &[], &none, Pace::Full).unwrap(), []);
    }
}
