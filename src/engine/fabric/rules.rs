//! Packet rules of deckies on a LAN: in each one's namespace, and on the interface they share.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;

use super::home::{Home, Site};
use super::workshop::{LINK, Rules, no_namespace};
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::Namespace;
use crate::host::nft::{self, Entry, Fence, NftError, Os, ParentTable};
use crate::model::{Driver, Mac};

/// The rules that deckies on a LAN live under.
#[derive(Debug)]
pub struct LanRules {
    /// Where the parents are.
    host: Namespace,
    /// By number: an interface that comes back under the same name is another one.
    parents: BTreeMap<u32, Parent>,
}

#[derive(Debug)]
struct Parent {
    table: ParentTable,
    /// How many homes there are at an address: a decky that moves into another home has two for a moment.
    homes: BTreeMap<Ipv4Addr, usize>,
}

impl LanRules {
    /// For interfaces of the namespace that the calling thread is in.
    ///
    /// # Errors
    /// No descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self { host: Namespace::current()?, parents: BTreeMap::new() })
    }

    fn parent(&mut self, site: &Site) -> Result<&mut Parent, EngineError> {
        use std::collections::btree_map::Entry as Place;
        match self.parents.entry(site.parent) {
            Place::Occupied(place) => Ok(place.into_mut()),
            Place::Vacant(place) => {
                let open = || ParentTable::open(&site.interface);
                let opened = self.host.enter(open).map_err(|error| no_namespace(&error))?;
                let table = opened.map_err(|error| refused(&error))?;
                Ok(place.insert(Parent { table, homes: BTreeMap::new() }))
            }
        }
    }
}

impl Rules for LanRules {
    fn admit(&mut self, site: &Site, transfers: &[u16]) -> Result<(), EngineError> {
        let os = Os::from_slug(&site.family);
        let mac = (site.driver == Driver::Macvlan).then_some(site.mac);
        let udp = [site.udp.as_slice(), transfers].concat();
        let fence = Fence { link: LINK, ip: site.ip, mac, udp: &udp, numbering: os.numbering() };
        let parent = self.parent(site)?;
        // First of all: whatever fails below, the home that failed is dismissed.
        let homes = parent.homes.entry(site.ip).or_default();
        *homes = homes.saturating_add(1);
        fence.raise().map_err(|error| refused(&error))?;
        parent.table.add(&[entry(site)]).map_err(|error| refused(&error))
    }

    fn readmit(&mut self, sites: &[&Site]) -> Result<(), EngineError> {
        let mut entries: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
        for site in sites {
            let homes = self.parent(site)?.homes.entry(site.ip).or_default();
            *homes = homes.saturating_add(1);
            entries.entry(site.parent).or_default().push(entry(site));
        }
        for (parent, entries) in entries {
            if let Some(parent) = self.parents.get_mut(&parent) {
                parent.table.add(&entries).map_err(|error| refused(&error))?;
            }
        }
        Ok(())
    }

    fn hide(&mut self, site: &Site, mac: Mac) -> Result<(), EngineError> {
        self.parent(site)?.table.hide(mac).map_err(|error| refused(&error))
    }

    fn dismiss(&mut self, site: &Site) {
        let Some(parent) = self.parents.get_mut(&site.parent) else { return };
        let Some(homes) = parent.homes.get_mut(&site.ip) else { return };
        *homes = homes.saturating_sub(1);
        if *homes > 0 {
            return;
        }
        parent.homes.remove(&site.ip);
        // An entry too many harms nobody: nothing answers at its MAC. The next of this address replaces it.
        let _ = parent.table.remove(&[site.ip]);
        if parent.homes.is_empty() {
            self.parents.remove(&site.parent);
        }
    }
}

fn entry(site: &Site) -> Entry {
    let mac = (site.driver == Driver::Macvlan).then_some(site.mac);
    Entry { ip: site.ip, mac, os: Some(Os::from_slug(&site.family)) }
}

/// Packets that a decky tried to send on its own account and was not allowed to.
///
/// # Errors
/// When its namespace or the kernel's counters cannot be had.
pub fn drops(home: &Home) -> Result<u64, EngineError> {
    let read = home.namespace().enter(nft::read_drops).map_err(|error| no_namespace(&error))?;
    Ok(read.map_err(|error| refused(&error))?.unwrap_or(0))
}

/// As [`drops`], for many: one thread goes through all of them, a tenth of a millisecond each. None where it
/// cannot be had.
pub fn all_drops<'a, K: Send>(homes: Vec<(K, &'a Home)>) -> Vec<(K, Option<u64>)> {
    if homes.is_empty() {
        return Vec::new();
    }
    let tour = || {
        let one = |(key, home): (K, &'a Home)| {
            let read = home.namespace().join().ok().and_then(|()| nft::read_drops().ok());
            (key, read.map(|counted| counted.unwrap_or(0)))
        };
        homes.into_iter().map(one).collect()
    };
    crate::host::net::apart(tour).unwrap_or_default()
}

/// Why the kernel did not take rules, and what helps.
pub(super) fn refused(error: &NftError) -> EngineError {
    let made = EngineError::new(ErrorKind::Environment, error.to_string());
    match error.errno() {
        Some(Errno::PERM) => made.remedy(super::preflight::NEED_ROOT),
        Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT) => {
            made.remedy("use Linux 5.16 or newer with CONFIG_NF_TABLES and CONFIG_NETFILTER_EGRESS")
        }
        Some(Errno::NOENT) => made.remedy(
            "the kernel lacks a part of nf_tables: load or build nf_tables, nft_numgen, nft_reject_netdev, nft_limit",
        ),
        _ => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn every_family_has_a_disguise_of_its_own() {
        let families = catalog::os_families().iter().map(|family| Os::from_slug(family.slug));
        let found: Vec<Os> = families.collect();
        let expected = [Os::Linux, Os::Windows, Os::WindowsServer, Os::Bsd, Os::Embedded, Os::Cisco];
        assert_eq!(found, expected);
        assert_eq!(Os::from_slug("Windows"), Os::Linux);
    }

    #[test]
    fn a_refusal_says_what_helps() {
        for (errno, word) in [(Errno::OPNOTSUPP, "5.16"), (Errno::PERM, "root"), (Errno::NOENT, "nf_tables")]
        {
            let error = NftError { doing: "make the table".to_owned(), source: errno.into(), reason: None };
            let text = refused(&error).to_string();
            assert!(text.contains("cannot make the table") && text.contains(word), "{text}");
        }
    }
}
