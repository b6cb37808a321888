//! One decky, as `decky_config` in the store holds it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::DeckyName;

/// The settings of one service on one decky: key to value, in file order.
pub type Settings = Map<String, Value>;

/// Service slug to its settings.
pub type ServiceConfig = std::collections::BTreeMap<String, Settings>;

/// A decky: exactly the 14 keys of DECNET's `decky_config`, in its order (facts: upstream §6.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decky {
    /// The operator's handle.
    pub name: DeckyName,
    /// The address it answers on.
    pub ip: Ipv4Addr,
    /// Service slugs, in the file's order, at least one.
    pub services: Vec<String>,
    /// Distro slug.
    pub distro: String,
    /// Image reference DECNET would run; kept so that rows can go back.
    pub base_image: String,
    /// Build image reference of DECNET.
    #[serde(default = "default_build_base")]
    pub build_base: String,
    /// What the machine calls itself; may appear on the wire.
    pub hostname: String,
    /// Archetype slug.
    #[serde(default)]
    pub archetype: Option<String>,
    /// Settings per service.
    #[serde(default)]
    pub service_config: ServiceConfig,
    /// OS family slug.
    #[serde(default = "default_nmap_os")]
    pub nmap_os: String,
    /// Minutes between two draws of services; none: never.
    #[serde(default)]
    pub mutate_interval: Option<u32>,
    /// Time of the last draw, in seconds since 1970.
    #[serde(default)]
    pub last_mutated: f64,
    /// Kept for DECNET; never used by it or by us.
    #[serde(default)]
    pub last_login_attempt: f64,
    /// Swarm host of DECNET; null means this host.
    #[serde(default)]
    pub host_uuid: Option<String>,
}

fn default_build_base() -> String {
    // DECNET's own default (facts: upstream §3.1, distro debian).
    "debian:bookworm-slim@sha256:f9c6a2fd2ddbc23e336b6257a5245e31f996953ef06cd13a59fa0a1df2d5c252".to_owned()
}

fn default_nmap_os() -> String {
    "linux".to_owned()
}
