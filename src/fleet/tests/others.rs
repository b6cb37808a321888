//! Drift, teardown, mutation, and the form of a plan.

use serde_json::json;

use super::*;
use crate::fleet::fixtures::{self, Case, NOW, emulated, outline, set_state, spoil};
use crate::fleet::*;
use crate::model::{Observed, ObservedDecky, Operation, Seed, State};

#[test]
fn drift_is_repaired_with_the_reason() {
    let fleet = deployed(vec![spec("a"), spec("b"), spec("c"), spec("d"), spec("e")]);
    let mut case = Case::new(Mode::Replace, fleet, ["a", "b", "c", "d", "e"].map(spec).to_vec());
    let seen = case.observed.as_mut().unwrap();
    let mut edit =
        |name: &str, change: &dyn Fn(&mut ObservedDecky)| change(seen.deckies.get_mut(name).unwrap());
    edit("b", &|d| d.spec_hash = "other".to_owned());
    edit("c", &|d| {
        d.state = State::Failed;
        d.reason = Some("port 22 is taken".to_owned());
    });
    edit("e", &|d| d.state = State::Pending);
    seen.deckies.remove("d");
    let stray = seen.deckies["a"].clone();
    seen.deckies.insert("stray".parse().unwrap(), stray);
    let plan = case.ok();
    assert_eq!(outline(&plan), ["! b", "! c", "! d"]);
    let expected =
        ["it runs an older specification", "it does not run: port 22 is taken", "the engine does not run it"];
    assert_eq!(reasons(&plan), expected);
    assert!(plan.warnings.iter().any(|w| w.contains("`stray`")));
    assert_eq!(plan.intent().repairs.len(), 3);
    assert_eq!(plan.intent().lifecycle.len(), 3);
    assert!(plan.changes.iter().all(|c| c.before == c.after));

    case.mode = Mode::Additive;
    case.spec.deckies = vec![spec("z")];
    let plan = case.ok();
    assert_eq!(outline(&plan), ["+ z", "! b", "! c", "! d"]);
    assert_eq!(plan.intent().lifecycle, [("z".to_owned(), Operation::Deploy)]);

    let plan = plan_reconcile(&case.fleet, case.observed.as_ref(), true);
    assert_eq!(outline(&plan), ["! b", "! c", "! d"]);
    assert_eq!(plan.summary().unchanged, 2);
    assert!(plan.intent().lifecycle.is_empty());
}

#[test]
fn an_engine_that_is_down_is_one_reason_for_all() {
    let fleet = three();
    let plan = plan_reconcile(&fleet, Some(&Observed::default()), false);
    assert_eq!(reasons(&plan), ["the engine is not running"; 3]);
    let blind = plan_reconcile(&fleet, None, false);
    assert!(blind.is_empty());
    assert_eq!(blind.warnings.len(), 1);
    assert!(plan_reconcile(&Fleet::default(), None, false).warnings.is_empty());
}

#[test]
fn removals_that_did_not_finish() {
    let mut fleet = three();
    set_state(&mut fleet, "b", State::TearingDown);
    set_state(&mut fleet, "c", State::TeardownFailed);
    let observed = fixtures::all_running(&fleet);
    let plan = plan_reconcile(&fleet, Some(&observed), true);
    assert_eq!(outline(&plan), ["- b", "- c"]);
    assert_eq!(reasons(&plan), ["an earlier removal did not finish"; 2]);
    assert_eq!(plan.summary().unchanged, 1);
    // Replace: wanted again, or removed again. Additive: left to the engine.
    let replace = Case::new(Mode::Replace, fleet.clone(), vec![spec("b"), spec("a")]);
    assert_eq!(replace.outline(), ["! b", "- c"]);
    let additive = Case::new(Mode::Additive, fleet, vec![spec("d")]);
    assert_eq!(additive.outline(), ["+ d"]);
}

#[test]
fn teardown_takes_names_once_and_all_of_them() {
    let mut fleet = three();
    spoil(&mut fleet, "c");
    let names = |list: &[&str]| list.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
    let plan = plan_teardown(&fleet, Selection::Names(&names(&["c", "a", "c"]))).unwrap();
    assert_eq!(outline(&plan), ["- a", "- c"]);
    assert_eq!(plan.unchanged.iter().map(crate::model::DeckyName::as_str).collect::<Vec<_>>(), ["b"]);
    let intent = plan.intent();
    assert_eq!(intent.removals, ["a", "c"]);
    assert!(intent.lifecycle.iter().all(|(_, op)| *op == Operation::Teardown) && intent.lifecycle.len() == 2);
    assert_eq!(intent.network, None);
    assert_eq!(plan_teardown(&fleet, Selection::All).unwrap().summary().remove, 3);
    assert!(plan_teardown(&Fleet::default(), Selection::All).unwrap().is_empty());

    let fleet = deployed(vec![spec("web-01"), spec("db-01")]);
    let refusals =
        plan_teardown(&fleet, Selection::Names(&names(&["web-1", "db-01", "nonsense"]))).unwrap_err();
    assert_eq!(kinds(&refusals), [RefusalKind::NotFound; 2]);
    assert!(refusals[0].message.contains("`web-01`") && refusals[1].message.contains("decnet list"));
}

#[test]
fn mutations_say_what_cannot_be() {
    let mut fleet = deployed(vec![archetype("one", "deaddeck"), spec("bad"), spec("going"), spec("ok")]);
    spoil(&mut fleet, "bad");
    set_state(&mut fleet, "going", State::TearingDown);
    let seed = Seed::new([3; 32]);
    let all = plan_mutate(&fleet, Selection::All, &seed, NOW, &emulated).unwrap();
    assert_eq!(outline(&all), ["~ ok"]);
    assert!(all.warnings[0].contains("`one`"), "{:?}", all.warnings);
    assert_eq!(all.intent().lifecycle, [("ok".to_owned(), Operation::Mutate)]);
    let names = ["bad", "going", "ok"].map(str::to_owned);
    let refusals = plan_mutate(&fleet, Selection::Names(&names), &seed, NOW, &emulated).unwrap_err();
    assert_eq!(kinds(&refusals), [RefusalKind::Invalid, RefusalKind::Conflict]);
    let unknown = ["nobody".to_owned()];
    let refusals = plan_mutate(&fleet, Selection::Names(&unknown), &seed, NOW, &emulated).unwrap_err();
    assert_eq!(kinds(&refusals), [RefusalKind::NotFound]);
}

#[test]
fn an_archetype_bounds_the_draw() {
    let fleet = deployed(vec![archetype("a", "web-server")]);
    for byte in 0..20 {
        let plan = plan_mutate(&fleet, Selection::All, &Seed::new([byte; 32]), NOW, &emulated).unwrap();
        let after = plan.changes[0].after.as_ref().unwrap();
        assert_eq!(after.services.len(), 1);
        assert!(["http", "ftp"].contains(&after.services[0].as_str()));
    }
}

#[test]
fn timers_use_the_deckys_interval_or_the_fleets() {
    let mut fleet = deployed(vec![DeckySpec { mutate_interval: Some(10), ..spec("own") }, spec("fleet")]);
    let at = |fleet: &Fleet, minutes: f64| due_names(fleet, NOW + minutes * 60.0);
    assert!(at(&fleet, 9.9).is_empty());
    assert_eq!(at(&fleet, 10.0), ["own"]);
    fleet.network.as_mut().unwrap().mutate_interval = Some(30);
    assert_eq!(at(&fleet, 31.0), ["fleet", "own"]);
    assert_eq!(at(&fleet, -20.0), ["own"]);
    set_state(&mut fleet, "own", State::TearingDown);
    assert_eq!(at(&fleet, 31.0), ["fleet"]);
}

#[test]
fn a_request_may_be_for_the_other_modes() {
    let fleet = three();
    let outline_of = |mode| Case::new(mode, fleet.clone(), vec![spec("b")]).outline();
    assert_eq!(outline_of(Mode::Teardown), ["- b"]);
    assert_eq!(outline_of(Mode::Mutate), ["~ b"]);
    assert!(outline_of(Mode::Reconcile).is_empty());
}

#[test]
fn the_json_form_has_the_words_of_the_contract() {
    let plan = Case::new(Mode::Additive, Fleet::default(), vec![spec("a")]).ok();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["mode"], "additive");
    assert_eq!(json["changes"][0]["action"], "create");
    assert_eq!(json["changes"][0]["after"].as_object().unwrap().len(), 14);
    let refusal =
        serde_json::to_value(&Case::new(Mode::Additive, three(), vec![spec("a")]).refusals()[0]).unwrap();
    assert_eq!((&refusal["kind"], &refusal["hint"]), (&json!("conflict"), &json!("replace_fleet")));
    let summary = serde_json::to_value(plan.summary()).unwrap();
    assert_eq!(
        summary.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["create", "change", "replace", "repair", "remove", "unchanged"]
    );
}

#[test]
fn mutations_leave_custom_services_alone() {
    let mut mine = custom("mine", "");
    mine.ports = vec![22, 80];
    let mut case = Case::new(Mode::Additive, Fleet::default(), vec![services(spec("a"), &["mine", "ftp"])]);
    case.spec.customs = vec![mine];
    let fleet = fixtures::apply(&case.fleet, &case.ok());
    for byte in 0..20 {
        let plan = plan_mutate(&fleet, Selection::All, &Seed::new([byte; 32]), NOW, &emulated).unwrap();
        let drawn = &plan.changes[0].after.as_ref().unwrap().services;
        assert_eq!(drawn.iter().filter(|s| *s == "mine").count(), 1, "{drawn:?}");
        assert!(drawn.len() > 1 && !drawn.iter().any(|s| s == "ssh" || s == "http"), "{drawn:?}");
    }
}
