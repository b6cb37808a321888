//! What a worker is told: who it plays, which sockets it has, how far an attacker may go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{CustomService, Mac, Seed, Settings};

/// The machine a decky plays. The operator's name for it is not in here: it must not reach the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Persona {
    /// What the machine calls itself.
    pub hostname: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its hardware address, as neighbours see it.
    pub mac: Mac,
    /// Its default gateway, where its network has one.
    pub gateway: Option<Ipv4Addr>,
    /// Distro slug; versions of services and files agree with it.
    pub distro: String,
    /// OS family slug.
    pub nmap_os: String,
    /// Archetype slug.
    pub archetype: Option<String>,
    /// Root of the appearance.
    pub seed: Seed,
    /// Services of this machine with their settings, by slug: one service may show another's traces.
    pub services: BTreeMap<String, Settings>,
    /// When the machine "was set up", seconds since 1970: the oldest time its files may carry.
    pub born: i64,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerRole {
    /// Clients come here first.
    Main,
    /// Spare socket for second connections (passive FTP) or transfers (TFTP): a worker cannot open any itself.
    Spare,
    /// Datagrams to a multicast group that the service joined; answers leave by the main socket.
    Group,
}

/// One listening socket handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSpec {
    /// Inherited descriptor.
    pub fd: i32,
    /// Service slug.
    pub service: String,
    /// tcp or udp.
    pub transport: Transport,
    /// The port on the wire, `port_offset` included.
    pub port: u16,
    /// The port of the service that it plays: what the catalogue calls it; 0 for a spare.
    pub number: u16,
    /// What it is for.
    pub role: ListenerRole,
}

/// How far an attacker may go (facts: reliability §2d).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// Open connections of one decky.
    pub connections: usize,
    /// Open connections of one source address.
    pub per_source: usize,
    /// Longest session in seconds.
    pub session_secs: u64,
    /// Longest silence in seconds.
    pub idle_secs: u64,
    /// Most bytes read from one connection.
    pub bytes_in: u64,
    /// Datagrams that one source is sent in a second; all sources together get twenty times as many.
    pub answers_per_second: u32,
    /// Events one source may cause in a minute before they are summed up.
    pub events_per_minute: u32,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_source: 32,
            session_secs: 900,
            idle_secs: 180,
            bytes_in: 16 << 20,
            answers_per_second: 50,
            events_per_minute: 6000,
        }
    }
}

/// Everything a worker gets, as JSON over an inherited descriptor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// The operator's name, for events only.
    pub decky: String,
    /// Who it plays.
    pub persona: Persona,
    /// The custom services among its own.
    #[serde(default)]
    pub customs: Vec<CustomService>,
    /// Its sockets.
    pub listeners: Vec<ListenerSpec>,
    /// Socket that events go to, one datagram each.
    pub events_fd: i32,
    /// Pipe or socket to the supervisor: readiness goes out, end of file means "stop".
    pub control_fd: i32,
    /// How far an attacker may go.
    pub limits: WorkerLimits,
}

/// What the observer of a fleet's wire is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The fleet, by address.
    pub deckies: BTreeMap<Ipv4Addr, WatchedDecky>,
}

/// One decky of a watched fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedDecky {
    /// The operator's name for it.
    pub name: String,
    /// Ports that something listens on, `port_offset` included.
    pub ports: BTreeSet<(Transport, u16)>,
}
