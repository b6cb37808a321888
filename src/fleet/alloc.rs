//! Addresses: which ones a decky may have, and handing out free ones.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::model::{DeckySpec, Driver, Network, Recorded};

use super::index::Index;
use super::refusal::Refusal;
use super::request::{Host, Mode};

/// Why no decky may have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Outside,
    NetworkAddress,
    Broadcast,
    Gateway,
    Host,
}

impl Unfit {
    /// Ends the sentence "10.0.0.1 ...".
    pub(super) fn describe(self, network: &Network) -> String {
        let subnet = network.subnet;
        match self {
            Self::Outside => format!("lies outside the fleet's subnet {subnet}"),
            Self::NetworkAddress => format!("is the network address of {subnet}"),
            Self::Broadcast => format!("is the broadcast address of {subnet}"),
            Self::Gateway => "is the gateway's address".to_owned(),
            Self::Host => "is an address of this host".to_owned(),
        }
    }
}

/// The addresses that deckies of a network may have.
pub(super) struct Range<'a> {
    network: &'a Network,
    own: HashSet<Ipv4Addr>,
}

impl<'a> Range<'a> {
    pub(super) fn new(network: &'a Network, host: &Host) -> Self {
        // On loopback every other address of 127.0.0.0/8 is free to take.
        let own = match network.driver {
            Driver::Loopback => HashSet::from([Ipv4Addr::LOCALHOST]),
            Driver::Macvlan | Driver::Ipvlan => host.addresses.iter().copied().collect(),
        };
        Self { network, own }
    }

    pub(super) fn network(&self) -> &'a Network {
        self.network
    }

    /// Whether a decky may have `ip`, other deckies aside.
    pub(super) fn check(&self, ip: Ipv4Addr) -> Result<(), Unfit> {
        let subnet = self.network.subnet;
        let loopback = self.network.driver == Driver::Loopback;
        if !subnet.contains(ip) {
            Err(Unfit::Outside)
        } else if ip == subnet.network() || (loopback && ip == Ipv4Addr::new(127, 0, 0, 0)) {
            Err(Unfit::NetworkAddress)
        } else if ip == subnet.broadcast() || (loopback && ip == Ipv4Addr::new(127, 255, 255, 255)) {
            Err(Unfit::Broadcast)
        } else if Some(ip) == self.network.gateway {
            Err(Unfit::Gateway)
        } else if self.own.contains(&ip) {
            Err(Unfit::Host)
        } else {
            Ok(())
        }
    }

    /// Free addresses from `start` on, ascending, that `taken` does not have.
    pub(super) fn free<'b>(
        &'b self,
        start: Option<Ipv4Addr>,
        taken: impl Fn(Ipv4Addr) -> bool + 'b,
    ) -> impl Iterator<Item = Ipv4Addr> + 'b {
        let subnet = self.network.subnet;
        let from = start.map_or(0, u32::from).max(u32::from(subnet.network()).saturating_add(1));
        // A /31 or /32 has no addresses beside its network and broadcast address.
        let end = if subnet.prefix() >= 31 { from } else { u32::from(subnet.broadcast()) };
        (from..end).map(Ipv4Addr::from).filter(move |ip| self.check(*ip).is_ok() && !taken(*ip))
    }
}

/// An address for each decky, in the spec's order: pinned, else kept, else the next free one.
/// None, with a refusal, where none is left.
pub(super) fn assign(
    deckies: &[DeckySpec],
    rows: &[Option<&Recorded>],
    range: &Range<'_>,
    index: &Index<'_>,
    mode: Mode,
) -> (Vec<Option<Ipv4Addr>>, Option<Refusal>) {
    let pinned: HashSet<Ipv4Addr> = deckies.iter().filter_map(|d| d.ip).collect();
    let mut given: Vec<Option<Ipv4Addr>> = deckies.iter().map(|d| d.ip).collect();
    let mut kept: HashMap<Ipv4Addr, usize> = HashMap::with_capacity(deckies.len());
    for (at, decky) in deckies.iter().enumerate() {
        let row = rows.get(at).copied().flatten().filter(|_| decky.ip.is_none());
        let before = row.and_then(|row| row.decky.as_ref().map_or(row.ip, |d| Some(d.ip)));
        let Some(ip) = before.filter(|ip| range.check(*ip).is_ok() && !pinned.contains(ip)) else { continue };
        // Two rows of another tool may hold one address: the first by name keeps it, whatever the order of the file.
        match kept.entry(ip) {
            Entry::Vacant(free) => drop(free.insert(at)),
            Entry::Occupied(mut holder) => {
                let first = deckies.get(*holder.get()).is_some_and(|d| d.name < decky.name);
                if !first {
                    holder.insert(at);
                }
            }
        }
    }
    for (ip, at) in &kept {
        if let Some(slot) = given.get_mut(*at) {
            *slot = Some(*ip);
        }
    }
    let refusal = fill(deckies, &mut given, range, |ip| {
        pinned.contains(&ip) || kept.contains_key(&ip) || index.by_ip.contains_key(&ip)
    });
    if refusal.is_none() || mode != Mode::Replace {
        return (given, refusal);
    }
    // Replacing: what the removed deckies hold is better left alone for a while, but better than nothing.
    let taken: HashSet<Ipv4Addr> = given.iter().copied().flatten().collect();
    let refusal = fill(deckies, &mut given, range, |ip| taken.contains(&ip));
    (given, refusal)
}

/// Gives the next free address to each decky that has none yet.
fn fill(
    deckies: &[DeckySpec],
    given: &mut [Option<Ipv4Addr>],
    range: &Range<'_>,
    taken: impl Fn(Ipv4Addr) -> bool,
) -> Option<Refusal> {
    let mut free = range.free(None, taken);
    let mut without = Vec::new();
    for (decky, slot) in deckies.iter().zip(given) {
        if slot.is_none() {
            *slot = free.next();
        }
        if slot.is_none() {
            without.push(decky);
        }
    }
    let first = without.first()?;
    let others = match without.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "no free address is left in {} for decky `{}`{others}; give the fleet a larger subnet",
        range.network.subnet, first.name
    );
    Some(Refusal::invalid(message).about(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn reserved_addresses_are_unfit() {
        let network = fixtures::lan();
        let host = fixtures::host();
        let range = Range::new(&network, &host);
        for (address, expected) in [
            ("192.168.1.0", Err(Unfit::NetworkAddress)),
            ("192.168.1.255", Err(Unfit::Broadcast)),
            ("192.168.1.1", Err(Unfit::Gateway)),
            ("192.168.1.5", Err(Unfit::Host)),
            ("192.168.2.9", Err(Unfit::Outside)),
            ("192.168.1.2", Ok(())),
        ] {
            assert_eq!(range.check(ip(address)), expected, "{address}");
        }
    }

    #[test]
    fn loopback_keeps_to_itself() {
        let mut network = fixtures::loopback();
        network.subnet = "127.0.0.0/8".parse().unwrap();
        let host = Host { addresses: vec![ip("127.0.0.7")], detected: None };
        let range = Range::new(&network, &host);
        assert_eq!(range.check(ip("127.0.0.1")), Err(Unfit::Host));
        assert_eq!(range.check(ip("127.0.0.7")), Ok(()));
        assert_eq!(range.check(ip("127.255.255.255")), Err(Unfit::Broadcast));
        assert_eq!(range.check(ip("127.0.0.0")), Err(Unfit::NetworkAddress));
        assert_eq!(range.free(None, |_| false).next(), Some(ip("127.0.0.2")));
    }

    #[test]
    fn free_addresses_ascend_and_skip() {
        let mut network = fixtures::lan();
        network.subnet = "192.168.1.0/29".parse().unwrap();
        let host = fixtures::host();
        let range = Range::new(&network, &host);
        let all: Vec<_> = range.free(None, |a| a == ip("192.168.1.3")).map(|a| a.to_string()).collect();
        assert_eq!(all, ["192.168.1.2", "192.168.1.4", "192.168.1.6"]);
        assert_eq!(range.free(Some(ip("192.168.1.4")), |_| false).next(), Some(ip("192.168.1.4")));
        assert_eq!(range.free(Some(ip("192.168.9.4")), |_| false).next(), None);
    }
}
