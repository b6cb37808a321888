//! The fleet as the store records it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{CustomService, Decky, DeckyName, Driver, LogTarget, Mac, Probing, Seed, State, Subnet};

/// Which store a plan was computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRef {
    /// Random id made with the store; none while there is no store.
    pub id: Option<String>,
    /// Goes up by one with every committed intent.
    pub serial: u64,
}

/// The network a fleet lives on, recorded by its first deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// How addresses are made.
    pub driver: Driver,
    /// Parent interface; `lo` for loopback.
    pub interface: String,
    /// Where addresses come from.
    pub subnet: Subnet,
    /// Never given to a decky; none on loopback.
    pub gateway: Option<Ipv4Addr>,
    /// Added to every port (loopback).
    #[serde(default)]
    pub port_offset: u16,
    /// Where events are forwarded to.
    #[serde(default)]
    pub log_target: Option<LogTarget>,
    /// Whether the host itself can reach its deckies.
    #[serde(default)]
    pub host_access: bool,
    /// How addresses are probed before they are claimed (LAN drivers).
    #[serde(default)]
    pub probe: Probing,
    /// Minutes between two draws for deckies that say none.
    #[serde(default)]
    pub mutate_interval: Option<u32>,
}

/// What DECNET has no column for: made once, kept for the life of the decky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Hardware address.
    pub mac: Mac,
    /// Root of the appearance.
    pub seed: Seed,
}

/// One row of `fleet_deckies`, with what our own tables add.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The row's name as text: another tool may have written one that is no [`DeckyName`].
    pub name: String,
    /// `decky_ip`, else the address in `decky_config`.
    pub ip: Option<Ipv4Addr>,
    /// `services` of the row.
    pub services: Vec<String>,
    /// `decky_config`, or why it cannot be used. Unusable rows still hold their name and address.
    pub decky: Result<Decky, String>,
    /// None until the row was first recorded or adopted by us.
    pub identity: Option<Identity>,
    /// State of the row.
    pub state: State,
    /// Why it is not running.
    pub last_error: Option<String>,
    /// Last write, UTC, as stored.
    pub updated_at: String,
    /// `local` or a swarm host of DECNET.
    pub host_uuid: String,
}

/// The whole recorded fleet: what the guard and the planner read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Which store, which version.
    pub store: StoreRef,
    /// None before the first deploy.
    pub network: Option<Network>,
    /// Every row, sorted by name; of one name, this host's row first.
    pub members: Vec<Recorded>,
    /// Custom services known to the fleet, sorted by slug.
    pub customs: Vec<CustomService>,
}

impl Fleet {
    /// The member called `name`; this host's, where a swarm host of DECNET has one of that name too.
    pub fn get(&self, name: &str) -> Option<&Recorded> {
        let first = self.members.partition_point(|m| m.name.as_str() < name);
        self.members.get(first).filter(|m| m.name == name)
    }

    /// Names that are valid, in order.
    pub fn names(&self) -> impl Iterator<Item = DeckyName> + '_ {
        self.members.iter().filter_map(|m| m.name.parse().ok())
    }
}
