//! Flags that several commands share: where a fleet comes from, its network, how long to wait.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::EngineKind;
use crate::cli::{complete, parse};
use crate::model::{Driver, Subnet};

/// Where a fleet comes from, and how it is planned.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceArgs {
    /// The fleet file, `-` for standard input [default: ./fleet.ini]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Make the file the whole desired fleet: what it does not name is removed
    #[arg(long)]
    pub replace_fleet: bool,
    /// Treat the file's warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Refuse (7) when the plan removes or replaces more than N deckies
    #[arg(long, value_name = "N")]
    pub max_removals: Option<usize>,
    /// Refuse (7) when the fleet would have more than N deckies
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Do not probe addresses for conflicts before claiming them (LAN drivers)
    #[arg(long)]
    pub no_probe: bool,
    /// Show unchanged deckies as well
    #[arg(long)]
    pub all: bool,
    /// Exit 10 when there are changes
    #[arg(long)]
    pub exit_code: bool,
    /// The network: each flag wins over the file
    #[command(flatten)]
    pub network: NetworkArgs,
    /// A fleet without a file
    #[command(flatten)]
    pub quick: QuickArgs,
}

/// Flags that win over `[general]`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Parent interface
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Where addresses come from, like 192.168.1.0/24
    #[arg(long, value_name = "CIDR")]
    pub subnet: Option<Subnet>,
    /// The subnet's gateway
    #[arg(long, value_name = "IP")]
    pub gateway: Option<Ipv4Addr>,
    /// How addresses are made: loopback, macvlan or ipvlan
    #[arg(long, value_name = "DRIVER")]
    pub driver: Option<Driver>,
    /// Short for --driver ipvlan
    #[arg(long, conflicts_with = "driver")]
    pub ipvlan: bool,
    /// What runs the deckies
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineKind,
}

/// A fleet without a file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Quick fleet, without a file")]
pub struct QuickArgs {
    /// How many deckies; names continue after the highest `decky-NN`
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "file",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub deckies: Option<u32>,
    /// Their services
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "deckies",
          conflicts_with_all = ["archetype", "randomize_services"],
          add = ArgValueCandidates::new(complete::services))]
    pub services: Option<Vec<String>>,
    /// Their archetype
    #[arg(long, value_name = "SLUG", requires = "deckies", conflicts_with = "randomize_services",
          add = ArgValueCandidates::new(complete::archetypes))]
    pub archetype: Option<String>,
    /// Draw one to three services for each
    #[arg(long, requires = "deckies")]
    pub randomize_services: bool,
    /// Their distro
    #[arg(long, value_name = "SLUG", requires = "deckies", add = ArgValueCandidates::new(complete::distros))]
    pub distro: Option<String>,
    /// First address to give
    #[arg(long, value_name = "IP", requires = "deckies")]
    pub ip_start: Option<Ipv4Addr>,
}

/// How long to wait for the engine.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct WaitArgs {
    /// Return once the intent is recorded; the engine goes on
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for the engine, like 90s or 5m [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = parse::duration, conflicts_with = "no_wait")]
    pub timeout: Option<std::time::Duration>,
}
