//! The rules on the interface that all deckies hang on, one table for all of them.
//!
//! - A question by ARP for a decky's address goes to that decky alone. As a broadcast each of a thousand
//!   children would get a copy: a sweep of a network took 14 s that takes 0.2 s this way, and the copies
//!   pushed real traffic out of the queue.
//! - What an OS says that no kernel setting reaches is written into the packets ([`super::disguise`]).
//! - What cannot be an answer does not leave, even if a decky's own rules were circumvented.
//!
//! The kernel takes the table away with the socket that made it, so nothing is left of a killed engine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::batch::{Batch, Data, Element, Gives, Hook, KeyType, Policy};
use super::disguise::{self, Os};
use super::expr::{Expr, R0, Register, Verdict};
use super::message::Family;
use super::phrases::{
    ACK, ARP, ARP_OPERATION, ARP_SENDER, ARP_TARGET, ETHER_DESTINATION, ETHER_SOURCE, ICMP, ICMP_TYPE,
    IP_DESTINATION, IP_FRAGMENT, IP_SOURCE, IPV4, RST, TCP, accept, flags, is, masked, protocol, rule, set,
    transport,
};
use super::socket::{Nfnetlink, NftError};
use crate::model::Mac;

/// Map from address to MAC.
const OWNERS: &str = "owners";
/// Maps from address to the chain for what comes in, and for what leaves.
const INBOUND: &str = "inbound";
const OUTBOUND: &str = "outbound";
const INGRESS: &str = "ingress";
const EGRESS: &str = "egress";
/// Where every decky's packets end up.
const FENCE: &str = "fence";
const DROPS: &str = "drops";
const BROADCAST: [u8; 6] = [0xff; 6];
/// Locally administered.
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 0];
const ARP_REQUEST: [u8; 2] = [0, 1];
/// Entries changed in one transaction: it must fit into the socket's buffer, whose usual size is 208 KiB.
const STEP: usize = 512;
/// Questions for addresses that are no decky's, a second, that everything on the interface gets to hear,
/// and how many may come at once. Others' virtual machines and containers may hang on it too, and ask
/// again; a sweep must not cost a copy for each decky and address.
const HEARD: u64 = 20;
const HEARD_AT_ONCE: u32 = 40;

/// A decky, as far as the interface is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its address.
    pub ip: Ipv4Addr,
    /// The hardware address that answers for it; none: its parent's.
    pub mac: Option<Mac>,
    /// What it pretends to be; none: its packets are left alone altogether.
    pub os: Option<Os>,
}

/// The table on one interface. Dropping it takes it away.
#[derive(Debug)]
pub struct ParentTable {
    socket: Nfnetlink,
    name: String,
    entries: BTreeMap<Ipv4Addr, Entry>,
}

impl ParentTable {
    /// Makes the table on `interface`, in the namespace of the calling thread. It works for the link that
    /// has this name; a kernel from 6.16 on lets go of it when it is renamed and takes it up when it is
    /// called so again.
    ///
    /// # Errors
    /// What the kernel says; `OPNOTSUPP`: it has no egress hook (before Linux 5.16, or without
    /// CONFIG_NETFILTER_EGRESS); `PERM`: no CAP_NET_ADMIN.
    pub fn open(interface: &str) -> Result<Self, NftError> {
        // Fleets may share an interface, and a table that was just let go may still be there.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("decnet_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut batch = Batch::new(Family::Netdev, name.clone());
        batch.table(true);
        batch.counter(DROPS);
        batch.set(OWNERS, KeyType::Ipv4, Gives::Mac);
        batch.set(INBOUND, KeyType::Ipv4, Gives::Verdict);
        batch.set(OUTBOUND, KeyType::Ipv4, Gives::Verdict);
        fence(&mut batch);
        disguise::chains(&mut batch, FENCE);
        batch.hook(INGRESS, Hook::Ingress(interface), 0, Policy::Accept);
        arp(&mut batch);
        let inbound = [Expr::Load(IP_DESTINATION, R0), Expr::VerdictMap(INBOUND, R0)];
        batch.rule(INGRESS, rule![protocol(IPV4), inbound]);
        batch.hook(EGRESS, Hook::Egress(interface), 0, Policy::Accept);
        let outbound = [Expr::Load(IP_SOURCE, R0), Expr::VerdictMap(OUTBOUND, R0)];
        batch.rule(EGRESS, rule![protocol(IPV4), outbound]);
        let mut socket = Nfnetlink::open()?;
        socket.commit(&batch)?;
        Ok(Self { socket, name, entries: BTreeMap::new() })
    }

    /// Adds deckies; of one whose address is known already, the entry is replaced.
    ///
    /// # Errors
    /// What the kernel says. Entries are added in steps; those before the failed one are in force.
    pub fn add(&mut self, entries: &[Entry]) -> Result<(), NftError> {
        for step in entries.chunks(STEP) {
            let mut wanted: BTreeMap<Ipv4Addr, Entry> = step.iter().map(|entry| (entry.ip, *entry)).collect();
            wanted.retain(|ip, entry| self.entries.get(ip) != Some(entry));
            let replaced: Vec<Entry> = wanted.keys().filter_map(|ip| self.entries.get(ip)).copied().collect();
            let mut batch = Batch::new(Family::Netdev, self.name.clone());
            elements(&replaced, |set, elements| batch.delete(set, elements));
            // Deleted and inserted in one transaction: never absent.
            let added: Vec<Entry> = wanted.values().copied().collect();
            elements(&added, |set, elements| batch.insert(set, elements));
            self.socket.commit(&batch)?;
            self.entries.extend(wanted);
        }
        Ok(())
    }

    /// Removes the deckies with these addresses; those that are not there are fine.
    ///
    /// # Errors
    /// What the kernel says. Entries are removed in steps; those before the failed one are gone.
    pub fn remove(&mut self, ips: &[Ipv4Addr]) -> Result<(), NftError> {
        for step in ips.chunks(STEP) {
            let there: BTreeMap<Ipv4Addr, Entry> =
                step.iter().filter_map(|ip| Some((*ip, *self.entries.get(ip)?))).collect();
            let gone: Vec<Entry> = there.values().copied().collect();
            let mut batch = Batch::new(Family::Netdev, self.name.clone());
            elements(&gone, |set, elements| batch.delete(set, elements));
            self.socket.commit(&batch)?;
            self.entries.retain(|ip, _| !there.contains_key(ip));
        }
        Ok(())
    }

    /// Lets nothing that has this hardware address as its source leave by the interface.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hide(&mut self, mac: Mac) -> Result<(), NftError> {
        let mut batch = Batch::new(Family::Netdev, self.name.clone());
        // Last of its chain: no decky has the address, so no rule before it decides.
        batch.rule(EGRESS, rule![is(ETHER_SOURCE, mac.0), [Expr::Verdict(Verdict::Drop)]]);
        self.socket.commit(&batch)
    }

    /// Makes the entries these and no others.
    ///
    /// # Errors
    /// As [`ParentTable::add`] and [`ParentTable::remove`].
    pub fn replace_all(&mut self, entries: &[Entry]) -> Result<(), NftError> {
        let wanted: std::collections::BTreeSet<Ipv4Addr> = entries.iter().map(|entry| entry.ip).collect();
        let gone: Vec<Ipv4Addr> = self.entries.keys().filter(|ip| !wanted.contains(ip)).copied().collect();
        self.remove(&gone)?;
        self.add(entries)
    }

    /// Packets that this table kept from leaving.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn drops(&mut self) -> Result<u64, NftError> {
        Ok(self.socket.packets(Family::Netdev, &self.name, DROPS)?.unwrap_or(0))
    }

    /// The name of the table, for who lists the rules.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Calls `each` with every map's share of the entries.
fn elements(entries: &[Entry], mut each: impl FnMut(&str, &[Element])) {
    let key = |entry: &Entry| entry.ip.octets().to_vec();
    let owner = |entry: &Entry| Some(Element { key: key(entry), data: Data::Bytes(entry.mac?.0.to_vec()) });
    each(OWNERS, &entries.iter().filter_map(owner).collect::<Vec<_>>());
    let chains = |pick: fn(Os) -> Option<&'static str>| {
        let one = |entry: &Entry| {
            let chain = pick(entry.os?)?;
            Some(Element { key: key(entry), data: Data::Verdict(Verdict::Goto(chain)) })
        };
        entries.iter().filter_map(one).collect::<Vec<_>>()
    };
    each(INBOUND, &chains(Os::inbound));
    each(OUTBOUND, &chains(|os| Some(os.outbound())));
}

/// Sends questions by ARP to whom they concern.
fn arp(batch: &mut Batch) {
    const R1: Register = Register(1);
    let request = || rule![protocol(ARP), is(ARP_OPERATION, ARP_REQUEST)];
    // The host answers for its own addresses, whatever the frame's was; no child has this one.
    let only_host = || set(ETHER_DESTINATION, NOBODY);
    // Another machine that says it has a decky's address: for the engine, which listens on the parent.
    let rival = [Expr::Load(ARP_SENDER, R0), Expr::Map(OWNERS, R0, R1)];
    batch.rule(INGRESS, rule![request(), rival, only_host(), for_this_host(), accept()]);
    let found = [Expr::Load(ARP_TARGET, R0), Expr::Map(OWNERS, R0, R1), Expr::Store(R1, ETHER_DESTINATION)];
    batch.rule(INGRESS, rule![request(), found, for_this_host(), accept()]);
    let many = [Expr::Above { rate: HEARD, burst: HEARD_AT_ONCE }];
    let everybody = is(ETHER_DESTINATION, BROADCAST);
    batch.rule(INGRESS, rule![request(), everybody, many, only_host(), for_this_host(), accept()]);
}

/// Marks a packet as one for this host: what the link said of it was said before its address changed.
fn for_this_host() -> [Expr; 2] {
    const PACKET_HOST: u8 = 0;
    [Expr::Value(R0, vec![PACKET_HOST]), Expr::SetPacketType(R0)]
}

/// Drops what opens a connection and what asks by ICMP.
fn fence(batch: &mut Batch) {
    const FRAGMENT: [u8; 2] = [0x1f, 0xff];
    const ECHO: u8 = 8;
    const TIMESTAMP: u8 = 13;
    let dropped = || [Expr::Counter(DROPS), Expr::Verdict(Verdict::Drop)];
    batch.chain(FENCE);
    let first = || masked(IP_FRAGMENT, FRAGMENT, [0, 0]);
    batch.rule(FENCE, rule![transport(TCP), first(), flags(ACK | RST, 0), dropped()]);
    for kind in [ECHO, TIMESTAMP] {
        batch.rule(FENCE, rule![transport(ICMP), is(ICMP_TYPE, [kind]), dropped()]);
    }
}
