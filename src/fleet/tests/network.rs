//! Networks that are new, other, or unknown.

use super::*;
use crate::fleet::fixtures::{Case, apply, loopback, outline, pinned};
use crate::fleet::*;
use crate::model::{Driver, GeneralSpec};

#[test]
fn a_new_network_replaces_every_decky() {
    let mut case = Case::new(Mode::Replace, three(), vec![spec("a"), spec("b"), pinned("c", "10.0.0.7")]);
    case.spec.general.subnet = Some("10.0.0.0/24".parse().unwrap());
    case.spec.general.gateway = Some(ip("10.0.0.1"));
    let plan = case.ok();
    assert_eq!(outline(&plan), ["-/+ a", "-/+ b", "-/+ c"]);
    assert_eq!(paths(&plan.changes[0]), ["ip", "network.subnet", "network.gateway"]);
    let given: Vec<_> = plan.changes.iter().map(|c| c.after.as_ref().unwrap().ip.to_string()).collect();
    assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.7"]);
    let fleet = apply(&case.fleet, &plan);
    // From now on it need not be said.
    assert!(Case::new(Mode::Replace, fleet, vec![spec("a"), spec("b"), spec("c")]).ok().is_empty());
}

#[test]
fn a_subnet_that_still_holds_the_addresses_keeps_them() {
    let mut case = Case::new(Mode::Replace, three(), vec![spec("a"), spec("b"), spec("c")]);
    case.flags.subnet = Some("192.168.0.0/16".parse().unwrap());
    let plan = case.ok();
    assert_eq!(paths(&plan.changes[0]), ["network.subnet"]);
    assert_eq!(plan.changes[2].before.as_ref().unwrap().ip, plan.changes[2].after.as_ref().unwrap().ip);
}

#[test]
fn ports_move_in_place_and_targets_touch_no_decky() {
    let general =
        GeneralSpec { driver: Some(Driver::Loopback), port_offset: Some(20_000), ..GeneralSpec::default() };
    let mut first = Case::new(Mode::Additive, Fleet::default(), vec![spec("a")]);
    first.spec.general = general;
    let fleet = apply(&Fleet::default(), &first.ok());
    assert_eq!(fleet.network.as_ref().unwrap().port_offset, 20_000);
    assert_eq!(fleet.network.as_ref().unwrap().subnet, loopback().subnet);

    let mut case = Case::new(Mode::Replace, fleet.clone(), vec![spec("a")]);
    assert!(case.ok().is_empty(), "an offset that is not said stays");
    case.spec.general.port_offset = Some(30_000);
    let plan = case.ok();
    assert_eq!(outline(&plan), ["~ a"]);
    assert_eq!(paths(&plan.changes[0]), ["network.port_offset"]);
    case.mode = Mode::Additive;
    case.spec.deckies = vec![spec("b")];
    assert_eq!(kinds(&case.refusals()), [RefusalKind::Conflict]);

    let mut target = Case::new(Mode::Replace, fleet, vec![spec("a")]);
    target.spec.general.log_target = Some("udp://10.0.0.9:514".parse().unwrap());
    let plan = target.ok();
    assert!(plan.changes.is_empty() && !plan.is_empty());
    assert!(plan.intent().network.is_some());
}

#[test]
fn a_fleet_interval_given_later_reaches_the_new_deckies_only() {
    let mut case = Case::new(
        Mode::Additive,
        three(),
        vec![spec("d"), DeckySpec { mutate_interval: Some(5), ..spec("e") }],
    );
    case.spec.general.mutate_interval = Some(60);
    let plan = case.ok();
    let intervals: Vec<_> = plan.changes.iter().map(|c| c.after.as_ref().unwrap().mutate_interval).collect();
    assert_eq!(intervals, [Some(60), Some(5)]);
    assert_eq!(plan.network, plan.network_before);
}

#[test]
fn an_unknown_network_still_lets_name_conflicts_show() {
    let mut fleet = three();
    fleet.network = None;
    let mut case = Case::new(Mode::Additive, fleet, vec![spec("a")]);
    case.host = Host::default();
    assert_eq!(kinds(&case.refusals()), [RefusalKind::Conflict, RefusalKind::Environment]);
}
