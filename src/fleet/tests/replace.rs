//! The file as the whole fleet.

use serde_json::json;

use super::*;
use crate::fleet::fixtures::{Case, NOW, apply, emulated, outline, pinned, spoil};
use crate::fleet::*;
use crate::model::{Operation, Seed};

#[test]
fn the_same_file_twice_changes_nothing() {
    let files = vec![
        pinned("z", "192.168.1.50"),
        archetype("w", "windows-workstation"),
        DeckySpec { services: None, ..spec("random") },
        DeckySpec { distro: Some("kali".to_owned()), hostname: Some("box".to_owned()), ..spec("k") },
    ];
    let files: Vec<_> =
        files.into_iter().map(|d| if d.archetype.is_some() { services(d, &["ssh"]) } else { d }).collect();
    let fleet = deployed(files.clone());
    let mut case = Case::new(Mode::Replace, fleet, files);
    case.seed = Seed::new([99; 32]);
    let plan = case.ok();
    assert!(plan.is_empty() && plan.intent().is_empty(), "{:#?}", plan.changes);
    assert_eq!(plan.summary(), Summary { unchanged: 4, ..Summary::default() });
    case.spec.deckies.reverse();
    assert_eq!(serde_json::to_string(&case.ok()).unwrap(), serde_json::to_string(&plan).unwrap());
}

#[test]
fn replace_names_every_kind_of_change() {
    let fleet = deployed(vec![
        spec("same"),
        spec("edit"),
        spec("move"),
        spec("mac"),
        spec("gone"),
        spec("also-gone"),
    ]);
    let mut case = Case::new(
        Mode::Replace,
        fleet,
        vec![
            spec("new"),
            DeckySpec { mac: Some("52:54:00:00:00:09".parse().unwrap()), ..spec("mac") },
            pinned("move", "192.168.1.200"),
            services(spec("edit"), &["ssh", "http"]),
            spec("same"),
        ],
    );
    let plan = case.ok();
    assert_eq!(outline(&plan), ["+ new", "-/+ mac", "-/+ move", "~ edit", "- also-gone", "- gone"]);
    assert_eq!(
        plan.summary(),
        Summary { create: 1, change: 1, replace: 2, repair: 0, remove: 2, unchanged: 1 }
    );
    assert_eq!(plan.changes[1..4].iter().map(paths).collect::<Vec<_>>(), [["mac"], ["ip"], ["services"]]);
    assert_eq!(plan.changes[3].fields[0].new, Some(json!(["ssh", "http"])));
    assert_eq!(plan.removals_count(), 4);
    let intent = plan.intent();
    assert_eq!(intent.removals, ["also-gone", "gone"]);
    let lifecycle: Vec<_> = intent.lifecycle.iter().map(|(name, op)| (name.as_str(), *op)).collect();
    let (deploy, teardown) = (Operation::Deploy, Operation::Teardown);
    assert_eq!(
        lifecycle,
        [
            ("new", deploy),
            ("mac", deploy),
            ("move", deploy),
            ("edit", deploy),
            ("also-gone", teardown),
            ("gone", teardown)
        ]
    );
    // Nothing that is not pinned moves with it.
    let (before, after) = (plan.changes[3].before.clone().unwrap(), plan.changes[3].after.clone().unwrap());
    assert_eq!((before.ip, &before.hostname, &before.distro), (after.ip, &after.hostname, &after.distro));
    assert_eq!(before.last_mutated, after.last_mutated);
    case.spec.deckies.clear();
    let refusals = case.refusals();
    assert_eq!(kinds(&refusals), [RefusalKind::Refused]);
    assert!(refusals[0].message.contains("teardown --all"), "{}", refusals[0].message);
}

#[test]
fn changed_pins_are_changes_field_by_field() {
    let fleet = deployed(vec![spec("a")]);
    let mut wanted = DeckySpec {
        distro: Some("alpine".to_owned()),
        hostname: Some("elsewhere".to_owned()),
        nmap_os: Some("bsd".to_owned()),
        mutate_interval: Some(30),
        ..spec("a")
    };
    wanted.service_config.entry("ssh".to_owned()).or_default().insert("password".to_owned(), json!("hush"));
    let mut case = Case::new(Mode::Replace, fleet, vec![wanted]);
    if case.fleet.members[0].decky.as_ref().unwrap().distro == "alpine" {
        case.spec.deckies[0].distro = Some("kali".to_owned());
    }
    let plan = case.ok();
    assert_eq!(outline(&plan), ["~ a"]);
    let change = &plan.changes[0];
    assert_eq!(
        paths(change),
        ["distro", "hostname", "nmap_os", "mutate_interval", "service_config.ssh.password"]
    );
    assert!(change.fields[4].secret && change.fields[4].new == Some(json!("hush")));
    let after = change.after.as_ref().unwrap();
    assert_eq!(after.base_image, crate::catalog::distro(&after.distro).unwrap().base_image);
    // What the file no longer says goes away again; what it never pinned stays.
    let fleet = apply(&case.fleet, &plan);
    let back = Case::new(Mode::Replace, fleet, vec![spec("a")]).ok();
    assert_eq!(paths(&back.changes[0]), ["nmap_os", "mutate_interval", "service_config.ssh.password"]);
}

#[test]
fn pins_may_be_swapped_and_taken_from_others() {
    let fleet = deployed(vec![pinned("a", "192.168.1.10"), pinned("b", "192.168.1.11")]);
    let swapped = Case::new(
        Mode::Replace,
        fleet.clone(),
        vec![pinned("a", "192.168.1.11"), pinned("b", "192.168.1.10")],
    );
    assert_eq!(swapped.outline(), ["-/+ a", "-/+ b"]);
    let plan = Case::new(Mode::Replace, fleet, vec![pinned("b", "192.168.1.10"), spec("a")]).ok();
    assert_eq!(outline(&plan), ["-/+ b", "-/+ a"]);
    assert_eq!(plan.changes[1].after.as_ref().unwrap().ip, ip("192.168.1.2"));
}

#[test]
fn rows_that_share_an_address_part_by_name_whatever_the_order() {
    let mut fleet = deployed(vec![pinned("a", "192.168.1.10"), pinned("b", "192.168.1.11")]);
    let shared = ip("192.168.1.10");
    fleet.members[1].ip = Some(shared);
    fleet.members[1].decky.as_mut().unwrap().ip = shared;
    for names in [["a", "b"], ["b", "a"]] {
        let case = Case::new(Mode::Replace, fleet.clone(), names.map(spec).to_vec());
        assert_eq!(case.outline(), ["-/+ b"]);
    }
}

#[test]
fn archetypes_and_draws_are_kept_or_followed() {
    let fleet = deployed(vec![archetype("a", "web-server"), DeckySpec { services: None, ..spec("r") }]);
    let mutated = plan_mutate(&fleet, Selection::All, &Seed::new([5; 32]), NOW + 60.0, &emulated).unwrap();
    let fleet = apply(&fleet, &mutated);
    let unpinned = vec![archetype("a", "web-server"), DeckySpec { services: None, ..spec("r") }];
    assert!(Case::new(Mode::Replace, fleet.clone(), unpinned.clone()).ok().is_empty());
    let mut other = unpinned;
    other[0].archetype = Some("deaddeck".to_owned());
    let plan = Case::new(Mode::Replace, fleet, other).ok();
    assert_eq!(outline(&plan), ["~ a"]);
    assert_eq!(paths(&plan.changes[0]), ["services", "archetype"]);
    assert_eq!(plan.changes[0].after.as_ref().unwrap().services, ["ssh"]);
}

#[test]
fn rows_recorded_with_what_cannot_run_are_carried_with_a_warning() {
    let mut fleet = deployed(vec![spec("a")]);
    fleet.members[0].decky.as_mut().unwrap().services = vec!["vnc".to_owned()];
    fleet.members[0].services = vec!["vnc".to_owned()];
    let case = Case::new(Mode::Replace, fleet, vec![services(spec("a"), &["vnc"])]);
    let plan = case.ok();
    assert!(plan.changes.is_empty());
    assert!(plan.warnings.iter().any(|w| w.contains("`vnc`")), "{:?}", plan.warnings);
    let mut more = case;
    more.spec.deckies[0] = services(spec("a"), &["vnc", "ssh"]);
    assert_eq!(kinds(&more.refusals()), [RefusalKind::Invalid]);
}

#[test]
fn unusable_rows_are_written_anew_or_removed() {
    let mut fleet = three();
    spoil(&mut fleet, "a");
    spoil(&mut fleet, "b");
    let (address, identity) = (fleet.members[0].ip, fleet.members[0].identity.clone());
    let plan = Case::new(Mode::Replace, fleet, vec![spec("c"), spec("a")]).ok();
    assert_eq!(outline(&plan), ["~ a", "- b"]);
    let change = &plan.changes[0];
    assert!(change.reason.as_ref().unwrap().contains("decky_config is no JSON"));
    assert_eq!((change.before.clone(), change.identity.clone()), (None, identity));
    assert_eq!(change.after.as_ref().map(|d| d.ip), address);
}

#[test]
fn rows_of_other_tools_have_no_identity_and_no_change() {
    let mut fleet = three();
    for member in &mut fleet.members {
        member.identity = None;
    }
    let mut case = Case::new(Mode::Replace, fleet, vec![spec("a"), spec("b"), spec("c")]);
    case.observed = None;
    let plan = case.ok();
    assert!(plan.is_empty(), "{:?}", plan.changes);
    assert!(plan.warnings[0].contains("could not be asked"));
    case.spec.deckies[0].hostname = Some("named".to_owned());
    let plan = case.ok();
    assert_eq!(paths(&plan.changes[0]), ["hostname"]);
    assert!(plan.changes[0].identity.is_some());
    let adopted = adopt(&case.fleet, &case.seed);
    assert_eq!(adopted.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let macs: std::collections::HashSet<_> = adopted.iter().map(|(_, i)| i.mac).collect();
    assert_eq!(macs.len(), 3);
}

#[test]
fn texts_of_other_tools_are_no_change() {
    let mut wanted = services(spec("a"), &["http"]);
    wanted
        .service_config
        .entry("http".to_owned())
        .or_default()
        .insert("response_code".to_owned(), json!(404));
    let mut fleet = deployed(vec![wanted.clone()]);
    let decky = fleet.members[0].decky.as_mut().unwrap();
    decky
        .service_config
        .entry("http".to_owned())
        .or_default()
        .insert("response_code".to_owned(), json!("404"));
    assert!(Case::new(Mode::Replace, fleet, vec![wanted]).ok().is_empty());
}
