//! What an operator asks for, before anything is allocated: the common form of files and flags.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{CustomService, DeckyName, Driver, LogTarget, Mac, Probing, ServiceConfig, Subnet};

/// A fleet as a file or the quick-fleet flags ask for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetSpec {
    /// `[general]`.
    pub general: GeneralSpec,
    /// Deckies in file order, `amount` expanded, subsections attached. Names are unique.
    pub deckies: Vec<DeckySpec>,
    /// `[custom-*]` services.
    pub customs: Vec<CustomService>,
}

/// The `[general]` section; what is absent is taken from the fleet's recorded network, else detected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneralSpec {
    /// `driver`.
    pub driver: Option<Driver>,
    /// `interface`.
    pub interface: Option<String>,
    /// `net`.
    pub subnet: Option<Subnet>,
    /// `gw`.
    pub gateway: Option<Ipv4Addr>,
    /// `port_offset`: added to every port on the loopback driver.
    pub port_offset: Option<u16>,
    /// `log_target`.
    pub log_target: Option<LogTarget>,
    /// `host_access`: whether the host itself can reach its deckies.
    pub host_access: Option<bool>,
    /// `probe`: how addresses are probed before they are claimed.
    pub probe: Option<Probing>,
    /// `mutate_interval` in minutes, for deckies that say none.
    pub mutate_interval: Option<u32>,
}

/// One decky as asked for. `None` means "not pinned".
#[derive(Clone, Debug, PartialEq)]
pub struct DeckySpec {
    /// Its name, after `amount` expansion.
    pub name: DeckyName,
    /// `ip`.
    pub ip: Option<Ipv4Addr>,
    /// `services`, checked against the catalogue and the custom services.
    pub services: Option<Vec<String>>,
    /// `archetype`, checked.
    pub archetype: Option<String>,
    /// `nmap_os`, checked.
    pub nmap_os: Option<String>,
    /// `distro`, checked.
    pub distro: Option<String>,
    /// `hostname`.
    pub hostname: Option<String>,
    /// `mac`.
    pub mac: Option<Mac>,
    /// `mutate_interval` in minutes.
    pub mutate_interval: Option<u32>,
    /// Settings per service, already in their schema's types.
    pub service_config: ServiceConfig,
    /// Where it was written.
    pub origin: Origin,
}

/// A place in the input, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the file, `-` for standard input, empty for flags.
    pub file: String,
    /// Line from 1; 0 when there is none.
    pub line: usize,
    /// Line of the `ip` key from 1; 0 when there is none.
    pub ip_line: usize,
}
