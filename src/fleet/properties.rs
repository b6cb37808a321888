//! Properties of guard, allocation and plan over random fleets.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::fixtures::{Case, apply, emulated, spec};
use super::*;
use crate::model::{DeckySpec, Driver, Fleet, Network, Seed};

const ARCHETYPES: [&str; 2] = ["web-server", "deaddeck"];
const SERVICES: [&str; 6] = ["ssh", "telnet", "http", "ftp", "mysql", "redis"];

/// A decky of a small world, so that collisions happen: 12 names, 24 addresses.
fn decky() -> impl Strategy<Value = DeckySpec> {
    let ip = prop::option::weighted(0.4, 0u8..24);
    let services = prop::option::of(prop::sample::subsequence(SERVICES.to_vec(), 1..=3));
    let archetype = prop::option::weighted(0.4, prop::sample::select(ARCHETYPES.to_vec()));
    let nmap_os =
        prop::option::weighted(0.2, prop::sample::select(vec!["windows", "windows_server", "embedded"]));
    let distro = prop::option::weighted(0.3, prop::sample::select(vec!["debian", "kali", "alpine"]));
    (0u8..12, ip, services, archetype, nmap_os, distro).prop_map(
        |(n, ip, services, archetype, nmap_os, distro)| DeckySpec {
            ip: ip.map(|last| Ipv4Addr::new(192, 168, 1, last)),
            services: services.map(|list| list.into_iter().map(str::to_owned).collect()),
            archetype: archetype.map(str::to_owned),
            nmap_os: nmap_os.map(str::to_owned),
            distro: distro.map(str::to_owned),
            ..spec(&format!("n-{n:02}"))
        },
    )
}

/// A file: names are its own, as the file's reader sees to.
fn deckies() -> impl Strategy<Value = Vec<DeckySpec>> {
    prop::collection::vec(decky(), 1..12).prop_map(|mut list| {
        let mut seen = HashSet::new();
        list.retain(|d| seen.insert(d.name.clone()));
        list
    })
}

/// The same with addresses that no two deckies share and that are fit for a decky.
fn fit_deckies() -> impl Strategy<Value = Vec<DeckySpec>> {
    deckies().prop_map(|mut list| {
        let mut seen = HashSet::new();
        for decky in &mut list {
            decky.ip = decky.ip.filter(|ip| !matches!(ip.octets()[3], 0 | 1 | 5) && seen.insert(*ip));
        }
        list
    })
}

fn case(mode: Mode, fleet: &Fleet, deckies: &[DeckySpec], seed: u8) -> Case {
    let mut case = Case::new(mode, fleet.clone(), deckies.to_vec());
    case.seed = Seed::new([seed; 32]);
    case
}

/// What a deploy of the first file and, where it can be, an additive one of the second leave behind.
fn grown(first: &[DeckySpec], second: &[DeckySpec]) -> Fleet {
    let empty = Fleet::default();
    let fleet = apply(&empty, &case(Mode::Additive, &empty, first, 1).ok());
    match case(Mode::Additive, &fleet, second, 2).plan() {
        Ok(plan) => apply(&fleet, &plan),
        Err(_) => fleet,
    }
}

fn addresses(fleet: &Fleet) -> Vec<Ipv4Addr> {
    fleet.members.iter().map(|m| m.decky.as_ref().unwrap().ip).collect()
}

fn reserved(network: &Network, host: &Host) -> HashSet<Ipv4Addr> {
    let mut reserved = HashSet::from([network.subnet.network(), network.subnet.broadcast()]);
    reserved.extend(network.gateway);
    reserved.extend(&host.addresses);
    reserved
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_handed_out_twice(first in fit_deckies(), second in deckies()) {
        let fleet = grown(&first, &second);
        let reserved = reserved(fleet.network.as_ref().unwrap(), &fixtures::host());
        let all = addresses(&fleet);
        prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        prop_assert!(all.iter().all(|ip| !reserved.contains(ip)), "{:?}", all);
        let macs: HashSet<_> = fleet.members.iter().map(|m| m.identity.as_ref().unwrap().mac).collect();
        prop_assert_eq!(macs.len(), fleet.members.len());
        let hostname = |m: &crate::model::Recorded| m.decky.as_ref().unwrap().hostname.to_lowercase();
        prop_assert_eq!(fleet.members.iter().map(hostname).collect::<HashSet<_>>().len(), fleet.members.len());
        for member in &fleet.members {
            let decky = member.decky.as_ref().unwrap();
            prop_assert!(!decky.services.is_empty() && decky.services.iter().all(|s| emulated(s)));
        }
    }

    #[test]
    fn additive_leaves_every_member_alone(first in fit_deckies(), second in deckies()) {
        let empty = Fleet::default();
        let fleet = apply(&empty, &case(Mode::Additive, &empty, &first, 1).ok());
        let submitted: HashSet<_> = second.iter().map(|d| d.name.to_string()).collect();
        match case(Mode::Additive, &fleet, &second, 2).plan() {
            Ok(plan) => {
                prop_assert!(plan.changes.iter().all(|c| c.action == Action::Create));
                prop_assert_eq!(plan.changes.len(), second.len());
                prop_assert_eq!(plan.unchanged.len(), first.len());
                let lifecycle: HashSet<_> = plan.intent().lifecycle.into_iter().map(|(name, _)| name).collect();
                prop_assert_eq!(&lifecycle, &submitted);
                let after = apply(&fleet, &plan);
                for member in &fleet.members {
                    prop_assert_eq!(after.get(&member.name), Some(member));
                }
                let file_order: Vec<_> = plan.changes.iter().map(|c| c.name.clone()).collect();
                prop_assert_eq!(file_order, second.iter().map(|d| d.name.to_string()).collect::<Vec<_>>());
            }
            Err(refusals) => {
                let held: HashSet<_> = addresses(&fleet).into_iter().collect();
                let collides = |d: &&DeckySpec| {
                    fleet.get(d.name.as_str()).is_some() || d.ip.is_some_and(|ip| held.contains(&ip))
                };
                let conflicts: HashSet<_> = refusals
                    .iter()
                    .filter(|r| r.kind == RefusalKind::Conflict)
                    .map(|r| r.decky.clone().unwrap())
                    .collect();
                let expected: HashSet<_> = second.iter().filter(collides).map(|d| d.name.to_string()).collect();
                prop_assert_eq!(conflicts, expected);
            }
        }
    }

    #[test]
    fn replacing_comes_to_the_file_and_then_to_nothing(
        first in fit_deckies(), second in deckies(), third in fit_deckies(), shift in 0usize..12,
    ) {
        let fleet = grown(&first, &second);
        let plan = case(Mode::Replace, &fleet, &third, 3).ok();
        let replaced = apply(&fleet, &plan);
        let names: HashSet<_> = replaced.members.iter().map(|m| m.name.clone()).collect();
        prop_assert_eq!(names, third.iter().map(|d| d.name.to_string()).collect::<HashSet<_>>());
        for wanted in &third {
            let got = replaced.get(wanted.name.as_str()).unwrap().decky.clone().unwrap();
            prop_assert!(wanted.ip.is_none_or(|ip| ip == got.ip));
            prop_assert!(wanted.distro.as_ref().is_none_or(|distro| *distro == got.distro));
            prop_assert_eq!(&wanted.archetype, &got.archetype);
            if let Some(before) = fleet.get(wanted.name.as_str()) {
                let identity = &replaced.get(wanted.name.as_str()).unwrap().identity;
                prop_assert_eq!(&before.identity, identity);
                let old = before.decky.clone().unwrap();
                prop_assert_eq!(&old.hostname, &got.hostname);
                prop_assert!(wanted.distro.is_some() || old.distro == got.distro);
            }
        }
        let all = addresses(&replaced);
        prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());

        let mut shuffled = third.clone();
        shuffled.rotate_left(shift % third.len());
        for file in [&third, &shuffled] {
            let again = case(Mode::Replace, &replaced, file, 4).ok();
            prop_assert!(again.is_empty(), "{:?}", again.changes);
            prop_assert!(again.intent().is_empty());
            prop_assert_eq!(again.unchanged.len(), third.len());
        }
    }

    #[test]
    fn plans_are_deterministic_and_survive_json(first in fit_deckies(), second in fit_deckies(), replace: bool) {
        let fleet = grown(&first, &[]);
        let mode = if replace { Mode::Replace } else { Mode::Additive };
        let (a, b) = (case(mode, &fleet, &second, 7).plan(), case(mode, &fleet, &second, 7).plan());
        prop_assert_eq!(&a, &b);
        if let Ok(plan) = a {
            let json = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&b.unwrap()).unwrap());
            let read: Plan = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, plan);
        }
    }

    #[test]
    fn pinned_addresses_that_cannot_be_are_refused(list in deckies()) {
        let empty = Fleet::default();
        let mut seen = HashSet::new();
        let pinned: Vec<_> = list.iter().filter_map(|d| d.ip).collect();
        let bad = pinned.iter().any(|ip| matches!(ip.octets()[3], 0 | 1 | 5) || !seen.insert(*ip));
        prop_assert_eq!(case(Mode::Additive, &empty, &list, 1).plan().is_err(), bad);
    }

    #[test]
    fn mutations_draw_what_runs(first in fit_deckies(), seed: u8) {
        let fleet = grown(&first, &[]);
        let plan = plan_mutate(&fleet, Selection::All, &Seed::new([seed; 32]), 1.8e9, &emulated).unwrap();
        prop_assert_eq!(plan.changes.len() + plan.unchanged.len(), fleet.members.len());
        for change in &plan.changes {
            let (before, after) = (change.before.clone().unwrap(), change.after.clone().unwrap());
            prop_assert!(after.services.len() <= 3 && after.services.iter().all(|s| emulated(s)));
            let set = |list: &[String]| list.iter().cloned().collect::<HashSet<_>>();
            prop_assert_ne!(set(&before.services), set(&after.services));
            prop_assert_eq!(after.last_mutated, 1.8e9);
            prop_assert_eq!(change.fields.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), vec!["services"]);
            prop_assert_eq!((before.ip, before.hostname), (after.ip, after.hostname));
        }
    }
}

#[test]
fn a_small_subnet_is_used_up_exactly() {
    let mut flags = Overrides { driver: Some(Driver::Loopback), ..Overrides::default() };
    flags.subnet = Some("127.9.0.0/29".parse().unwrap());
    let list = |count: u8| (0..count).map(|n| spec(&format!("d-{n}"))).collect::<Vec<_>>();
    let mut fits = Case::new(Mode::Additive, Fleet::default(), list(6));
    fits.flags = flags.clone();
    let fleet = apply(&Fleet::default(), &fits.ok());
    assert_eq!(addresses(&fleet).last().unwrap().to_string(), "127.9.0.6");
    let mut over = Case::new(Mode::Additive, Fleet::default(), list(8));
    over.flags = flags;
    let refusals = over.refusals();
    assert_eq!(refusals.len(), 1);
    let message = &refusals[0].message;
    assert!(message.contains("127.9.0.0/29") && message.contains("`d-6` and 1 more"), "{message}");
    // Replacing all of them under new names takes over the addresses that come free.
    let renamed = (0..6).map(|n| spec(&format!("e-{n}"))).collect();
    let plan = Case::new(Mode::Replace, fleet.clone(), renamed).ok();
    assert_eq!(plan.summary(), Summary { create: 6, remove: 6, ..Summary::default() });
    assert_eq!(addresses(&apply(&fleet, &plan)).len(), 6);
}
