//! What a plan is computed from.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::model::{Driver, Fleet, FleetSpec, Observed, Seed, Subnet};

/// Facts about this host that a caller at the edge looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its own addresses: never given to a decky.
    pub addresses: Vec<Ipv4Addr>,
    /// The network behind the default route, where there is one.
    pub detected: Option<Detected>,
}

/// The network that the host's default route leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Name of the interface.
    pub interface: String,
    /// Network of its first address.
    pub subnet: Subnet,
    /// Next hop of the default route; none on a point-to-point link.
    pub gateway: Option<Ipv4Addr>,
}

/// Network settings given as flags: they win over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--driver`.
    pub driver: Option<Driver>,
    /// `--interface`.
    pub interface: Option<String>,
    /// `--subnet`.
    pub subnet: Option<Subnet>,
    /// `--gateway`.
    pub gateway: Option<Ipv4Addr>,
}

/// What a plan does with the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The file is appended to the fleet.
    Additive,
    /// The file is the whole desired fleet.
    Replace,
    /// Named deckies, or all, are removed.
    Teardown,
    /// Observed is made equal to recorded.
    Reconcile,
    /// New services are drawn.
    Mutate,
}

/// The deckies that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// `--all`.
    All,
    /// Those that were named.
    Names(&'a [String]),
}

/// Everything [`plan`](super::plan) looks at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What is asked for.
    pub spec: &'a FleetSpec,
    /// [`Mode::Additive`] or [`Mode::Replace`]; the others have functions of their own.
    pub mode: Mode,
    /// What is recorded.
    pub fleet: &'a Fleet,
    /// What the engine sees; none when it could not be asked.
    pub observed: Option<&'a Observed>,
    /// Whether an engine runs.
    pub engine_running: bool,
    /// Facts about the host.
    pub host: &'a Host,
    /// Fresh randomness of this call.
    pub seed: &'a Seed,
    /// Seconds since 1970.
    pub now: f64,
    /// Network settings given as flags.
    pub flags: &'a Overrides,
    /// Most deckies the fleet may have afterwards.
    pub limit: Option<usize>,
    /// Whether the engine in use can run a service.
    pub emulated: &'a dyn Fn(&str) -> bool,
}
