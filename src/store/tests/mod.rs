//! What the rest of the program relies on, each on a store in a directory of its own.

mod foreign;
mod intents;
mod outcomes;
mod parallel;
mod refusals;

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::model::{
    CustomService, Decky, Driver, LifecycleStatus, Mac, Network, Operation, OutcomeKind, Recorded, Seed,
    State,
};

/// The schema of DECNET's own database.
const DECNET: &str = include_str!("../../../tests/it/fixtures/decnet.sql");
/// A fleet for it.
const DECNET_FLEET: &str = include_str!("../../../tests/it/fixtures/decnet-fleet.sql");

struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("fleet.db")
    }

    fn store(&self) -> Store {
        Store::open_write(&self.db()).unwrap()
    }

    fn reader(&self) -> Store {
        Store::open_read(&self.db()).unwrap().unwrap()
    }

    /// What another tool would do to the file.
    fn raw(&self) -> Connection {
        Connection::open(self.db()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap()
}

fn decky(name: &str, ip: &str) -> Decky {
    Decky {
        name: name.parse().unwrap(),
        ip: ip.parse().unwrap(),
        services: vec!["http".to_owned(), "ssh".to_owned()],
        distro: "debian".to_owned(),
        base_image: "debian:bookworm-slim".to_owned(),
        build_base: "debian:bookworm-slim".to_owned(),
        hostname: format!("SRV-{name}"),
        archetype: Some("web-server".to_owned()),
        service_config: serde_json::from_str(r#"{"http":{"z":"last","a":[1,null]},"ssh":{}}"#).unwrap(),
        nmap_os: "linux".to_owned(),
        mutate_interval: Some(30),
        last_mutated: 1_700_000_000.25,
        last_login_attempt: 0.0,
        host_uuid: None,
    }
}

/// An identity that belongs to `name` alone.
fn identity(name: &str) -> Identity {
    let seed = Seed::new([name.len() as u8; 32]).child(name);
    let [a, b, c, d, e, ..] = *seed.as_bytes();
    Identity { mac: Mac([0x52, a, b, c, d, e]), seed }
}

/// Deploys deckies given as (name, address).
fn deploy(wanted: &[(&str, &str)]) -> Intent {
    Intent {
        upserts: wanted.iter().map(|(name, ip)| (decky(name, ip), identity(name))).collect(),
        lifecycle: wanted.iter().map(|(name, _)| ((*name).to_owned(), Operation::Deploy)).collect(),
        ..Intent::default()
    }
}

fn teardown(names: &[&str]) -> Intent {
    Intent {
        removals: names.iter().map(|n| (*n).to_owned()).collect(),
        lifecycle: names.iter().map(|n| ((*n).to_owned(), Operation::Teardown)).collect(),
        ..Intent::default()
    }
}

fn commit(store: &mut Store, intent: &Intent, now: Timestamp) -> Result<Vec<LifecycleId>, StoreError> {
    store.transact(|txn| txn.commit_intent(intent, now))
}

fn outcome(name: &str, kind: OutcomeKind) -> Outcome {
    Outcome { name: name.to_owned(), kind }
}

fn state(name: &str, state: State, reason: Option<&str>) -> Outcome {
    outcome(name, OutcomeKind::State(state, reason.map(str::to_owned)))
}

fn gone(name: &str) -> Outcome {
    outcome(name, OutcomeKind::Gone)
}

fn member(store: &mut Store, name: &str) -> Option<Recorded> {
    store.fleet().unwrap().get(name).cloned()
}

fn network() -> Network {
    Network {
        driver: Driver::Loopback,
        interface: "lo".to_owned(),
        subnet: "127.77.0.0/16".parse().unwrap(),
        gateway: None,
        port_offset: 10_000,
        log_target: Some("udp://192.0.2.10:514".parse().unwrap()),
        host_access: true,
        probe: crate::model::Probing::Full,
        mutate_interval: Some(60),
    }
}
