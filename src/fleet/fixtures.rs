//! Fleets for tests.

use std::net::Ipv4Addr;

use crate::model::{
    Decky, DeckySpec, Driver, Fleet, FleetSpec, GeneralSpec, Identity, Network, Observed, ObservedDecky,
    Origin, Recorded, Seed, State, StoreRef,
};

use super::*;

pub(super) const NOW: f64 = 1_760_000_000.25;

pub(super) fn lan() -> Network {
    Network {
        driver: Driver::Macvlan,
        interface: "eth0".to_owned(),
        subnet: "192.168.1.0/24".parse().unwrap(),
        gateway: Some(Ipv4Addr::new(192, 168, 1, 1)),
        port_offset: 0,
        log_target: None,
        host_access: false,
        probe: crate::model::Probing::Fast,
        mutate_interval: None,
    }
}

pub(super) fn loopback() -> Network {
    Network {
        driver: Driver::Loopback,
        interface: "lo".to_owned(),
        subnet: DEFAULT_LOOPBACK.parse().unwrap(),
        gateway: None,
        ..lan()
    }
}

pub(super) fn host() -> Host {
    Host {
        addresses: vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 168, 1, 5)],
        detected: Some(Detected {
            interface: "eth0".to_owned(),
            subnet: "192.168.1.0/24".parse().unwrap(),
            gateway: Some(Ipv4Addr::new(192, 168, 1, 1)),
        }),
    }
}

/// The six services that are emulated.
pub(super) fn emulated(slug: &str) -> bool {
    ["ssh", "telnet", "http", "ftp", "mysql", "redis"].contains(&slug)
}

pub(super) fn spec(name: &str) -> DeckySpec {
    DeckySpec {
        name: name.parse().unwrap(),
        ip: None,
        services: Some(vec!["ssh".to_owned()]),
        archetype: None,
        nmap_os: None,
        distro: None,
        hostname: None,
        mac: None,
        mutate_interval: None,
        service_config: Default::default(),
        origin: Origin::default(),
    }
}

/// A decky at a line of `fleet.ini`, its `ip` on the next.
pub(super) fn at(line: usize, mut decky: DeckySpec) -> DeckySpec {
    decky.origin =
        Origin { file: "fleet.ini".to_owned(), line, ip_line: if decky.ip.is_some() { line + 1 } else { 0 } };
    decky
}

pub(super) fn pinned(name: &str, ip: &str) -> DeckySpec {
    DeckySpec { ip: Some(ip.parse().unwrap()), ..spec(name) }
}

pub(super) fn file(deckies: Vec<DeckySpec>) -> FleetSpec {
    FleetSpec { general: GeneralSpec::default(), deckies, customs: Vec::new() }
}

/// One call's input; tests change what they are about.
pub(super) struct Case {
    pub(super) spec: FleetSpec,
    pub(super) mode: Mode,
    pub(super) fleet: Fleet,
    pub(super) observed: Option<Observed>,
    pub(super) engine_running: bool,
    pub(super) host: Host,
    pub(super) seed: Seed,
    pub(super) flags: Overrides,
    pub(super) limit: Option<usize>,
}

impl Case {
    pub(super) fn new(mode: Mode, fleet: Fleet, deckies: Vec<DeckySpec>) -> Self {
        let observed = Some(all_running(&fleet));
        Self {
            spec: file(deckies),
            mode,
            fleet,
            observed,
            engine_running: true,
            host: host(),
            seed: Seed::new([1; 32]),
            flags: Overrides::default(),
            limit: None,
        }
    }

    pub(super) fn plan(&self) -> Result<Plan, Vec<Refusal>> {
        self.with(plan)
    }

    pub(super) fn with<T>(&self, planner: impl FnOnce(&Request<'_>) -> T) -> T {
        planner(&Request {
            spec: &self.spec,
            mode: self.mode,
            fleet: &self.fleet,
            observed: self.observed.as_ref(),
            engine_running: self.engine_running,
            host: &self.host,
            seed: &self.seed,
            now: NOW,
            flags: &self.flags,
            limit: self.limit,
            emulated: &emulated,
        })
    }

    pub(super) fn ok(&self) -> Plan {
        self.plan().unwrap_or_else(|refusals| panic!("refused: {refusals:#?}"))
    }

    pub(super) fn refusals(&self) -> Vec<Refusal> {
        self.plan().expect_err("should be refused")
    }

    /// `symbol name` per change, for whole-list comparisons.
    pub(super) fn outline(&self) -> Vec<String> {
        outline(&self.ok())
    }
}

pub(super) fn outline(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|c| format!("{} {}", c.action.symbol(), c.name)).collect()
}

/// An observer that sees everything as recorded.
pub(super) fn all_running(fleet: &Fleet) -> Observed {
    let mut observed = Observed::default();
    let Some(network) = &fleet.network else { return observed };
    for row in &fleet.members {
        let (Ok(decky), Some(identity)) = (&row.decky, &row.identity) else { continue };
        observed.deckies.insert(
            decky.name.clone(),
            ObservedDecky {
                state: State::Running,
                reason: None,
                spec_hash: spec_hash(decky, identity, network, &fleet.customs),
                pid: None,
                restarts: 0,
                drops: None,
                services: Vec::new(),
            },
        );
    }
    observed
}

/// What the store and a flawless engine make of an intent.
pub(super) fn apply(fleet: &Fleet, plan: &Plan) -> Fleet {
    let mut fleet = fleet.clone();
    let intent = plan.intent();
    fleet.store = StoreRef { id: Some("test".to_owned()), serial: fleet.store.serial + 1 };
    fleet.network = intent.network.or(fleet.network);
    fleet.customs.retain(|c| {
        !intent.forget_customs.contains(&c.slug) && !intent.customs.iter().any(|new| new.slug == c.slug)
    });
    fleet.customs.extend(intent.customs);
    fleet.customs.sort_by(|a, b| a.slug.cmp(&b.slug));
    fleet.members.retain(|m| {
        !intent.removals.contains(&m.name) && !intent.upserts.iter().any(|(d, _)| d.name.as_str() == m.name)
    });
    for member in &mut fleet.members {
        if intent.repairs.iter().any(|name| name.as_str() == member.name) {
            member.state = State::Running;
        }
    }
    fleet.members.extend(intent.upserts.into_iter().map(|(decky, identity)| row(decky, Some(identity))));
    fleet.members.sort_by(|a, b| a.name.cmp(&b.name));
    fleet
}

pub(super) fn row(decky: Decky, identity: Option<Identity>) -> Recorded {
    Recorded {
        name: decky.name.to_string(),
        ip: Some(decky.ip),
        services: decky.services.clone(),
        decky: Ok(decky),
        identity,
        state: State::Running,
        last_error: None,
        updated_at: "2026-01-01 00:00:00.000000".to_owned(),
        host_uuid: "local".to_owned(),
    }
}

/// The fleet that a first additive deploy of `deckies` on the LAN leaves behind.
pub(super) fn deployed(deckies: Vec<DeckySpec>) -> Fleet {
    let empty = Fleet::default();
    let case = Case::new(Mode::Additive, empty.clone(), deckies);
    apply(&empty, &case.ok())
}

/// Makes the row of `name` one that cannot be rehydrated.
pub(super) fn spoil(fleet: &mut Fleet, name: &str) {
    let row = fleet.members.iter_mut().find(|m| m.name == name).unwrap();
    row.decky = Err("decky_config is no JSON".to_owned());
}

pub(super) fn set_state(fleet: &mut Fleet, name: &str, state: State) {
    fleet.members.iter_mut().find(|m| m.name == name).unwrap().state = state;
}
