//! The rules inside a decky's namespace: it answers, it never speaks first.
//!
//! Without connection tracking, whose table a flood could fill: what cannot be an answer is dropped.
//! A TCP segment without ACK and RST opens a connection, so it does not leave; datagrams leave only from
//! ports that the decky serves; of ICMP, replies and errors. Two hooks: one on the namespace's sockets,
//! so that their owners see an error, and one on the link, which also stops packet sockets, frames with
//! a foreign source, and whatever else root in the namespace may build.
//!
//! An answer is more than its form: the decky's own sockets are marked, and what comes from another one is
//! dropped, be it a bare acknowledgement of a raw socket. What the kernel itself answers has no owner.

use std::net::Ipv4Addr;

use super::batch::{Batch, Data, Element, Gives, Hook, KeyType, Policy};
use super::expr::{Expr, Meta, R0, Verdict};
use super::message::Family;
use super::phrases::{
    ACK, ARP, ARP_SENDER, ETHER_SOURCE_AND_TYPE, ETHER_TYPE, ICMP, ICMP_TYPE, IP_FRAGMENT, IP_ID, IP_SOURCE,
    IPV4, RST, TCP, TCP_FLAGS, UDP, UDP_SOURCE_PORT, accept, any_bit, is, masked, rule, store_number,
    transport,
};
use super::socket::{Nfnetlink, NftError};
use crate::model::Mac;

const TABLE: &str = "decnet";
const DROPS: &str = "drops";
const PORTS: &str = "ports";
const ANSWERS: &str = "answers";
/// What may leave of ICMP (RFC 792), as mask and value of the type: echo reply; unreachable and time exceeded;
/// parameter problem and timestamp reply. A rule each would take the kernel twice as long.
const ICMP_ANSWERS: [(u8, u8); 3] = [(0xff, 0), (0xf7, 3), (0xfd, 12)];
/// More fragments, and the offset of this one.
const FRAGMENTED: [u8; 2] = [0x3f, 0xff];
const LATER_FRAGMENT: [u8; 2] = [0x1f, 0xff];
const LOOPBACK_INDEX: u32 = 1;
/// Marks the sockets that a decky was given. Any number will do; it does not leave the namespace.
pub const MARK: u32 = 0x6465_636b;

/// How the packets of a decky are numbered (IPv4 identification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Each packet the next number.
    Counted,
    /// Any number.
    Random,
    /// As Linux does, but resets count.
    CountedResets,
    /// As Linux does, but ICMP has any number.
    RandomIcmp,
}

/// The rules of one decky.
#[derive(Clone, Copy, Debug)]
pub struct Fence<'a> {
    /// Its link.
    pub link: &'a str,
    /// Its address: it may use no other.
    pub ip: Ipv4Addr,
    /// Its hardware address, likewise; none where it shares its parent's.
    pub mac: Option<Mac>,
    /// UDP ports that it serves.
    pub udp: &'a [u16],
    /// How its packets are numbered.
    pub numbering: Numbering,
}

impl Fence<'_> {
    /// Puts the rules up in the namespace of the calling thread, all in one transaction. They stay until
    /// the namespace goes.
    ///
    /// # Errors
    /// What the kernel says; `OPNOTSUPP`: it has no egress hook (before Linux 5.16, or without
    /// CONFIG_NETFILTER_EGRESS).
    pub fn raise(&self) -> Result<(), NftError> {
        let mut batch = Batch::new(Family::Inet, TABLE);
        self.sockets(&mut batch);
        batch.switch(Family::Netdev, TABLE);
        self.frames(&mut batch);
        Nfnetlink::open()?.commit(&batch)
    }

    /// The hook on the namespace's sockets.
    fn sockets(&self, batch: &mut Batch) {
        let chain = "output";
        batch.table(false);
        batch.counter(DROPS);
        batch.hook(chain, Hook::Output, 0, Policy::Drop);
        // Inside the namespace anything goes.
        let inside =
            [Expr::Meta(Meta::OutInterface, R0), Expr::Equal(R0, LOOPBACK_INDEX.to_ne_bytes().to_vec())];
        batch.rule(chain, rule![inside, accept()]);
        let foreign = [Expr::Meta(Meta::Protocol, R0), Expr::Differs(R0, IPV4.to_vec())];
        batch.rule(chain, rule![foreign, dropped()]);
        self.answers(batch, chain);
        batch.rule(chain, dropped());
    }

    /// The hook on its link. The frame itself says what it is: what a packet socket says of it may be
    /// a lie.
    fn frames(&self, batch: &mut Batch) {
        let chain = "egress";
        batch.table(false);
        batch.counter(DROPS);
        batch.chain(ANSWERS);
        batch.hook(chain, Hook::Egress(self.link), 0, Policy::Drop);
        let own = |ethertype: [u8; 2]| match self.mac {
            Some(Mac(bytes)) => is(ETHER_SOURCE_AND_TYPE, [bytes.as_slice(), &ethertype].concat()),
            None => is(ETHER_TYPE, ethertype),
        };
        batch.rule(chain, rule![own(ARP), is(ARP_SENDER, self.ip.octets()), accept()]);
        let foreign = [
            Expr::Meta(Meta::Owner, R0),
            Expr::Meta(Meta::Mark, R0),
            Expr::Differs(R0, MARK.to_ne_bytes().to_vec()),
        ];
        batch.rule(chain, rule![own(IPV4), foreign, dropped()]);
        let goto = [Expr::Value(R0, vec![0; 4]), Expr::SetMark(R0), Expr::Verdict(Verdict::Goto(ANSWERS))];
        batch.rule(chain, rule![own(IPV4), is(IP_SOURCE, self.ip.octets()), goto]);
        batch.rule(chain, dropped());
        self.number(batch);
        self.answers(batch, ANSWERS);
        batch.rule(ANSWERS, dropped());
    }

    /// Accepts what may be an answer.
    fn answers(&self, batch: &mut Batch, chain: &str) {
        let whole = || masked(IP_FRAGMENT, FRAGMENTED, [0, 0]);
        batch.rule(chain, rule![transport(TCP), whole(), any_bit(TCP_FLAGS, [ACK | RST]), accept()]);
        for (mask, kind) in ICMP_ANSWERS {
            batch.rule(chain, rule![transport(ICMP), masked(ICMP_TYPE, [mask], [kind]), accept()]);
        }
        // The rest of an answer to a long ping; its beginning has passed one of the rules above.
        batch.rule(chain, rule![transport(ICMP), any_bit(IP_FRAGMENT, LATER_FRAGMENT), accept()]);
        if !self.udp.is_empty() {
            batch.set(PORTS, KeyType::Port, Gives::Nothing);
            let one = |port: &u16| Element { key: port.to_be_bytes().to_vec(), data: Data::None };
            let ports: Vec<Element> = self.udp.iter().map(one).collect();
            batch.insert(PORTS, &ports);
            let served = [Expr::Load(UDP_SOURCE_PORT, R0), Expr::Member(PORTS, R0)];
            batch.rule(chain, rule![transport(UDP), whole(), served, accept()]);
        }
    }

    /// Numbers whole packets; fragments must keep what they have in common.
    fn number(&self, batch: &mut Batch) {
        const ALL: u32 = 1 << 16;
        // Only the lower 16 bits are used. Where a count starts must differ from decky to decky.
        let [.., high, low] = self.ip.octets();
        let start = self.mac.map_or([high, low], |Mac([.., high, low])| [high, low]);
        let count = Expr::Count { to: R0, modulus: ALL, offset: u16::from_be_bytes(start).into() };
        let random = Expr::Random { to: R0, modulus: ALL, offset: 0 };
        let (which, next) = match self.numbering {
            Numbering::Counted => (Vec::new(), count),
            Numbering::Random => (Vec::new(), random),
            Numbering::CountedResets => (rule![transport(TCP), any_bit(TCP_FLAGS, [RST])], count),
            Numbering::RandomIcmp => (rule![transport(ICMP)], random),
        };
        let whole = masked(IP_FRAGMENT, FRAGMENTED, [0, 0]);
        batch.rule(ANSWERS, rule![which, whole, [next], store_number(IP_ID, R0)]);
    }
}

fn dropped() -> [Expr; 2] {
    [Expr::Counter(DROPS), Expr::Verdict(Verdict::Drop)]
}

/// Packets that the decky whose namespace the calling thread is in tried to send and was not allowed to,
/// since its rules were put up; none when there are no rules.
///
/// # Errors
/// What the kernel says.
pub fn read_drops() -> Result<Option<u64>, NftError> {
    let mut socket = Nfnetlink::open()?;
    let mut sum = None;
    for family in [Family::Inet, Family::Netdev] {
        if let Some(packets) = socket.packets(family, TABLE, DROPS)? {
            sum = Some(packets.saturating_add(sum.unwrap_or(0)));
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::ICMP_ANSWERS;

    #[test]
    fn of_icmp_only_answers_leave() {
        let leaves = |kind: &u8| ICMP_ANSWERS.iter().any(|(mask, value)| kind & mask == *value);
        assert_eq!((0..=u8::MAX).filter(leaves).collect::<Vec<_>>(), [0, 3, 11, 12, 14]);
    }
}
