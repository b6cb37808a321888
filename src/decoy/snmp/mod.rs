//! SNMP: Net-SNMP, the service of Windows, Cisco's IOS, a printer's card, as the persona has it.
//!
//! Versions 1 and 2c are answered in full to who knows a community; version 3 tells its engine and knows no
//! user, so that what a user sends is captured. An answer that is longer than its question is `tooBig`
//! until the peer proved itself.

mod agent;
mod device;
mod host;
mod message;
mod mib;
mod table;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;

pub(crate) use self::agent::{Agent, Engine};
pub(crate) use self::mib::{Mib, Oid, Value};
pub(crate) use self::table::{System, Table, oid};
use super::conpot::Told;
use super::setting;
use super::uptime::booted;
use super::vfs::distro::distro;
use super::{Answers, Decoy, Packet};
use crate::model::{Persona, Settings};

/// Makes the SNMP decoy. Settings: `community`, `write_community`, `user`, `sys_descr`, `sys_contact`,
/// `sys_name`, `sys_location`.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let (owner, said) = (persona.clone(), settings.clone());
    let engine = engine(persona, enterprise(persona));
    let shown = engine.clone();
    Arc::new(Snmp(agent(settings, engine, move || table(&owner, &said, shown.as_ref()))))
}

/// An agent, of this decoy or another: the communities of `settings`, and a table of its own. `sysName`, `sysContact`
/// and `sysLocation` of it may be set.
pub(crate) fn agent(
    settings: &Settings,
    engine: Option<Engine>,
    table: impl Fn() -> Vec<(Oid, Value)> + Send + Sync + 'static,
) -> Agent {
    Agent::new(settings, engine, move || Mib::new(table(), writable()))
}

struct Snmp(Agent);

impl Decoy for Snmp {
    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        self.0.datagram(packet, answers);
    }
}

/// What kind of machine it is, to its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NetSnmp,
    Windows,
    Cisco,
    Printer,
    Controller,
    Small,
}

impl Kind {
    fn of(persona: &Persona) -> Self {
        match (persona.archetype.as_deref(), persona.nmap_os.as_str()) {
            (Some("printer"), _) => Self::Printer,
            (Some("industrial-control"), _) => Self::Controller,
            _ if persona.services.contains_key("conpot") => Self::Controller,
            (_, "windows" | "windows_server") => Self::Windows,
            (_, "cisco") => Self::Cisco,
            (_, "embedded") => Self::Small,
            _ => Self::NetSnmp,
        }
    }
}

/// The enterprise number of the agent's maker.
fn enterprise(persona: &Persona) -> u32 {
    match Kind::of(persona) {
        Kind::Cisco => 9,
        Kind::Controller => 4329,
        Kind::Printer => device::printer(persona.mac.0).enterprise,
        _ => 8072,
    }
}

/// The engine of a maker's agent; Windows has none.
pub(crate) fn engine(persona: &Persona, enterprise: u32) -> Option<Engine> {
    if Kind::of(persona) == Kind::Windows {
        return None;
    }
    let seed = &persona.seed;
    let mut id = (0x8000_0000 | enterprise).to_be_bytes().to_vec();
    if enterprise == 8072 {
        // Net-SNMP's own format: random bytes, and when they were drawn.
        id.push(0x80);
        id.extend_from_slice(&seed.derive("snmp/engine")[..4]);
        id.extend(persona.born.saturating_add(600).to_le_bytes());
    } else {
        id.push(3);
        id.extend(persona.mac.0);
    }
    let boots = 1 + i64::try_from(seed.number("snmp/boots", 40)).unwrap_or(0);
    let now = jiff::Timestamp::now().as_second();
    Some(Engine { id, boots, since: booted(persona, now).saturating_add(21) })
}

fn writable() -> Vec<Oid> {
    [4, 5, 6].map(|n| oid(&format!("1.3.6.1.2.1.1.{n}.0"))).to_vec()
}

/// Places and people that administrators name.
const LOCATIONS: &[&str] =
    &["Server Room", "DC1 Rack 12", "HQ, 2nd floor", "Rack B4", "Building 3, comms room", "Branch office"];

fn table(persona: &Persona, settings: &Settings, engine: Option<&Engine>) -> Vec<(Oid, Value)> {
    let kind = Kind::of(persona);
    let now = jiff::Timestamp::now().as_second();
    let booted = booted(persona, now);
    let description =
        setting::area(settings, "sys_descr").map_or_else(|| describe(persona, kind), str::to_owned);
    let domain = super::domain::Domain::new(persona).dns;
    let contact = setting::text(settings, "sys_contact").map_or_else(
        || match kind {
            Kind::Printer | Kind::Windows | Kind::Controller | Kind::Small => String::new(),
            _ => format!("admin@{domain}"),
        },
        str::to_owned,
    );
    let controller = (kind == Kind::Controller).then(|| Told::new(persona));
    let made_up = persona.seed.pick("snmp/location", LOCATIONS).copied().unwrap_or_default();
    let printer = device::printer(persona.mac.0);
    let system = System {
        description: &description,
        kind: match kind {
            Kind::NetSnmp if persona.nmap_os == "bsd" => "1.3.6.1.4.1.8072.3.2.8",
            Kind::NetSnmp | Kind::Small => "1.3.6.1.4.1.8072.3.2.10",
            Kind::Windows if persona.services.contains_key("ldap") => "1.3.6.1.4.1.311.1.1.3.1.3",
            Kind::Windows if persona.nmap_os == "windows_server" => "1.3.6.1.4.1.311.1.1.3.1.2",
            Kind::Windows => "1.3.6.1.4.1.311.1.1.3.1.1",
            Kind::Cisco => "1.3.6.1.4.1.9.1.1045",
            Kind::Printer => printer.object,
            Kind::Controller => "1.3.6.1.4.1.4329.6.3",
        },
        contact: &contact,
        name: setting::text(settings, "sys_name")
            .unwrap_or_else(|| controller.as_ref().map_or(&persona.hostname, |told| &told.name)),
        location: setting::text(settings, "sys_location").unwrap_or(match (kind, &controller) {
            (Kind::Printer | Kind::Windows, _) => "",
            (_, Some(told)) => &told.location,
            _ => made_up,
        }),
        services: match kind {
            Kind::Cisco => 78,
            Kind::Windows => 76,
            _ => 72,
        },
        since: booted.saturating_add(21),
    };
    let mut table = Table::new(persona, booted);
    match kind {
        Kind::NetSnmp => host::fill(&mut table, &system, engine),
        Kind::Windows => windows::fill(&mut table, &system),
        Kind::Cisco => device::fill_cisco(&mut table, &system),
        Kind::Printer => device::fill_printer(&mut table, &system),
        Kind::Controller => {
            device::fill_small(&mut table, &system, "Siemens, SIMATIC NET, Ethernet Port, X2 P1");
        }
        Kind::Small => device::fill_small(&mut table, &system, "eth0"),
    }
    table.finish()
}

fn describe(persona: &Persona, kind: Kind) -> String {
    let host = &persona.hostname;
    match kind {
        Kind::NetSnmp if persona.nmap_os == "bsd" => format!(
            "FreeBSD {host} 14.1-RELEASE-p6 FreeBSD 14.1-RELEASE-p6 releng/14.1-n267718 GENERIC amd64"
        ),
        Kind::NetSnmp => {
            let distro = distro(&persona.distro);
            format!("Linux {host} {} {} x86_64", distro.kernel, distro.kernel_build)
        }
        Kind::Windows => {
            let build = super::ntlm::Host::new(persona).system.build;
            format!(
                "Hardware: Intel64 Family 6 Model 85 Stepping 7 AT/AT COMPATIBLE - Software: Windows Version 6.3 \
                 (Build {build} Multiprocessor Free)"
            )
        }
        Kind::Cisco => device::IOS.to_owned(),
        Kind::Printer => device::printer(persona.mac.0).description.to_owned(),
        Kind::Controller => Told::new(persona).description,
        Kind::Small => format!("Linux {host} 4.14.221 #0 Mon Feb 15 15:22:37 2021 mips"),
    }
}
