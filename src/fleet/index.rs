//! The recorded fleet by address, MAC and hostname, built once a plan.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::model::{Fleet, Mac, Recorded, State};

/// Look-ups over the recorded rows. Where two rows hold one thing, the first by name is found.
pub(super) struct Index<'a> {
    pub(super) by_name: HashMap<&'a str, &'a Recorded>,
    pub(super) by_ip: HashMap<Ipv4Addr, &'a str>,
    pub(super) by_mac: HashMap<Mac, &'a str>,
    /// Hostnames in lower case: they are compared without case on the wire.
    pub(super) by_hostname: HashMap<String, &'a str>,
}

impl<'a> Index<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let rows = fleet.members.len();
        let mut index = Self {
            by_name: HashMap::with_capacity(rows),
            by_ip: HashMap::with_capacity(rows),
            by_mac: HashMap::with_capacity(rows),
            by_hostname: HashMap::with_capacity(rows),
        };
        for row in &fleet.members {
            index.by_name.insert(&row.name, row);
            for ip in addresses(row) {
                index.by_ip.entry(ip).or_insert(&row.name);
            }
            if let Some(identity) = &row.identity {
                index.by_mac.entry(identity.mac).or_insert(&row.name);
            }
            if let Ok(decky) = &row.decky {
                index.by_hostname.entry(decky.hostname.to_ascii_lowercase()).or_insert(&row.name);
            }
        }
        index
    }
}

/// Every address a row holds: its column and its configuration may disagree, and both count.
pub(super) fn addresses(row: &Recorded) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let column = row.ip;
    let config = row.decky.as_ref().ok().map(|d| d.ip).filter(|ip| Some(*ip) != column);
    column.into_iter().chain(config)
}

/// Whether the row is on its way out.
pub(super) fn leaving(row: &Recorded) -> bool {
    matches!(row.state, State::TearingDown | State::TeardownFailed)
}
