//! What to do when another machine uses an address of ours (RFC 5227 §2.4, policy b). Pure: the clock is
//! handed in.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::frame::Packet;
use super::schedule::Limiter;
use crate::model::Mac;

/// An address is defended at most once in this time; a second conflict within it loses the address.
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// What a packet means for the addresses that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Ignore,
    /// Another machine uses the address: announce it once.
    Defend {
        /// The address.
        ip: Ipv4Addr,
        /// The hardware address that holds it here.
        mac: Mac,
    },
    /// The other machine does not give in: the address is no longer ours to answer for.
    Lost {
        /// The address.
        ip: Ipv4Addr,
        /// The hardware address of the machine that uses it.
        rival: Mac,
    },
}

#[derive(Debug)]
struct Held {
    mac: Mac,
    /// The last conflict.
    contested: Option<Duration>,
    lost: bool,
}

/// Decides which addresses are defended and which are given up.
#[derive(Debug, Default)]
pub struct Defender {
    held: HashMap<Ipv4Addr, Held>,
    own: HashSet<Mac>,
    limiter: Limiter,
}

impl Defender {
    /// Holds nothing yet. What `own` sends is no conflict; nor is what holders of addresses send.
    pub fn new(own: impl IntoIterator<Item = Mac>) -> Self {
        Self { own: own.into_iter().collect(), ..Self::default() }
    }

    /// From now on `mac` holds `ip`; a lost address is held again.
    pub fn claim(&mut self, ip: Ipv4Addr, mac: Mac) {
        self.held.insert(ip, Held { mac, contested: None, lost: false });
    }

    /// The address is no longer held.
    pub fn release(&mut self, ip: Ipv4Addr) {
        self.held.remove(&ip);
    }

    /// Judges a packet that came at `now`. Losing an address is said once.
    pub fn judge(&mut self, now: Duration, packet: &Packet) -> Verdict {
        let Some(ip) = packet.claimed() else { return Verdict::Ignore };
        if self.held.get(&ip).is_none_or(|held| held.lost) || self.is_own(packet.sender_mac) {
            return Verdict::Ignore;
        }
        let Some(held) = self.held.get_mut(&ip) else { return Verdict::Ignore };
        let again = held.contested.is_some_and(|last| now.saturating_sub(last) < DEFEND_INTERVAL);
        held.contested = Some(now);
        if again {
            held.lost = true;
            return Verdict::Lost { ip, rival: packet.sender_mac };
        }
        // Who contests hundreds of addresses at once does not get us to flood the LAN.
        if self.limiter.admit(now) { Verdict::Defend { ip, mac: held.mac } } else { Verdict::Ignore }
    }

    fn is_own(&self, mac: Mac) -> bool {
        self.own.contains(&mac) || self.held.values().any(|held| held.mac == mac)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, Operation};
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const SIBLING: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const PARENT: Mac = Mac([2, 0, 0, 0, 0, 3]);
    const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const DEFEND: Verdict = Verdict::Defend { ip: IP, mac: OURS };
    const LOST: Verdict = Verdict::Lost { ip: IP, rival: RIVAL };

    fn defender() -> Defender {
        let mut defender = Defender::new([PARENT]);
        defender.claim(IP, OURS);
        defender.claim(Ipv4Addr::new(10, 0, 0, 6), SIBLING);
        defender
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn defends_once_in_ten_seconds_then_gives_up() {
        use Verdict::Ignore;
        let announcement = Frame::announcement(RIVAL, IP).packet;
        let cases: [(&str, &[(u64, Verdict)]); 5] = [
            ("a single conflict", &[(5, DEFEND)]),
            ("two at once", &[(5, DEFEND), (5, LOST)]),
            (
                "a second within ten seconds",
                &[(0, DEFEND), (9_999, LOST), (10_500, Ignore), (60_000, Ignore)],
            ),
            (
                "a second after ten seconds",
                &[(0, DEFEND), (10_000, DEFEND), (20_000, DEFEND), (20_001, LOST)],
            ),
            ("a clock that stands still", &[(7, DEFEND), (7, LOST), (7, Ignore)]),
        ];
        for (what, steps) in cases {
            let mut defender = defender();
            for (millis, verdict) in steps {
                assert_eq!(defender.judge(at(*millis), &announcement), *verdict, "{what} at {millis}");
            }
        }
    }

    #[test]
    fn tells_a_conflict_from_talk() {
        let other = Ipv4Addr::new(10, 0, 0, 77);
        let announcement = Frame::announcement(RIVAL, IP).packet;
        let cases = [
            ("announcement", announcement, DEFEND),
            ("answer", Packet { operation: Operation::Reply, ..announcement }, DEFEND),
            ("question from it", Packet { target_ip: other, ..announcement }, DEFEND),
            ("probe for it: our stack answers", Frame::probe(RIVAL, IP).packet, Verdict::Ignore),
            ("question about it", Packet { sender_ip: other, ..announcement }, Verdict::Ignore),
            ("an address we do not hold", Frame::announcement(RIVAL, other).packet, Verdict::Ignore),
            ("our own announcement", Frame::announcement(OURS, IP).packet, Verdict::Ignore),
            ("a sibling", Frame::announcement(SIBLING, IP).packet, Verdict::Ignore),
            ("the host", Frame::announcement(PARENT, IP).packet, Verdict::Ignore),
        ];
        for (what, packet, verdict) in cases {
            assert_eq!(defender().judge(at(1), &packet), verdict, "{what}");
        }
    }

    #[test]
    fn what_is_released_is_not_defended_and_what_is_claimed_again_is() {
        let announcement = Frame::announcement(RIVAL, IP).packet;
        let mut defender = defender();
        defender.judge(at(0), &announcement);
        assert_eq!(defender.judge(at(1), &announcement), LOST);
        defender.claim(IP, OURS);
        assert_eq!(defender.judge(at(2), &announcement), DEFEND);
        defender.release(IP);
        assert_eq!(defender.judge(at(3), &announcement), Verdict::Ignore);
        // The hardware address is a stranger's now.
        let theirs = Ipv4Addr::new(10, 0, 0, 6);
        let expected = Verdict::Defend { ip: theirs, mac: SIBLING };
        assert_eq!(defender.judge(at(4), &Frame::announcement(OURS, theirs).packet), expected);
    }

    #[test]
    fn a_rival_of_everyone_starts_no_flood() {
        let mut defender = Defender::default();
        let all: Vec<Ipv4Addr> = (0..300u32).map(|n| Ipv4Addr::from(0x0a00_0000 + n)).collect();
        all.iter().for_each(|ip| defender.claim(*ip, OURS));
        let mut count = |now| {
            all.iter()
                .filter(|ip| {
                    let packet = Frame::announcement(RIVAL, **ip).packet;
                    matches!(defender.judge(now, &packet), Verdict::Defend { .. })
                })
                .count()
        };
        assert_eq!(count(at(0)), super::super::MOST_PER_SECOND);
    }
}
