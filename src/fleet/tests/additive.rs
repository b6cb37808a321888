//! Additive deploys.

use super::*;
use crate::fleet::fixtures::{self, Case, NOW, at, outline, pinned, set_state, spoil};
use crate::fleet::*;
use crate::model::{Mac, Operation, State};

#[test]
fn a_first_deploy_creates_everything() {
    let case = Case::new(
        Mode::Additive,
        Fleet::default(),
        vec![pinned("z", "192.168.1.2"), spec("a"), archetype("m", "web-server")],
    );
    let plan = case.ok();
    assert_eq!(outline(&plan), ["+ z", "+ a", "+ m"]);
    assert_eq!((plan.network_before.clone(), plan.network.clone()), (None, Some(fixtures::lan())));
    let after: Vec<_> = plan.changes.iter().map(|c| c.after.clone().unwrap()).collect();
    // .0 network, .1 gateway, .2 pinned, .5 the host.
    assert_eq!(after.iter().map(|d| d.ip.octets()[3]).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(after[2].services, ["http", "ftp"]);
    assert_eq!(after[2].nmap_os, "linux");
    for decky in &after {
        assert_eq!(decky.last_mutated, NOW);
        assert_eq!((decky.host_uuid.as_ref(), decky.last_login_attempt), (None, 0.0));
        let distro = crate::catalog::distro(&decky.distro).unwrap();
        assert_eq!(
            (decky.base_image.as_str(), decky.build_base.as_str()),
            (distro.base_image, distro.build_base)
        );
    }
    assert!(["debian", "ubuntu22", "ubuntu20"].contains(&after[2].distro.as_str()), "{}", after[2].distro);
    let intent = plan.intent();
    assert_eq!(intent.network, Some(fixtures::lan()));
    assert_eq!(intent.upserts.len(), 3);
    let submitted: Vec<_> = intent.lifecycle.iter().map(|(name, op)| (name.as_str(), *op)).collect();
    assert_eq!(submitted, [("z", Operation::Deploy), ("a", Operation::Deploy), ("m", Operation::Deploy)]);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
}

#[test]
fn allocation_skips_the_fleet_and_later_pins() {
    let fleet = deployed(vec![pinned("old", "192.168.1.3")]);
    let plan = Case::new(Mode::Additive, fleet, vec![spec("x"), spec("y"), pinned("z", "192.168.1.2")]).ok();
    let given: Vec<_> = plan.changes.iter().map(|c| c.after.as_ref().unwrap().ip.octets()[3]).collect();
    assert_eq!(given, [4, 6, 2]);
    assert_eq!(plan.summary(), Summary { create: 3, unchanged: 1, ..Summary::default() });
    assert_eq!(plan.intent().network, None);
}

#[test]
fn addresses_of_unusable_and_leaving_rows_stay_reserved() {
    let mut fleet = deployed(vec![pinned("bad", "192.168.1.2"), pinned("going", "192.168.1.3")]);
    spoil(&mut fleet, "bad");
    set_state(&mut fleet, "going", State::TeardownFailed);
    let case = Case::new(Mode::Additive, fleet, vec![spec("x")]);
    let plan = case.ok();
    assert_eq!(plan.changes[0].after.as_ref().unwrap().ip, ip("192.168.1.4"));
    assert_eq!(outline(&plan), ["+ x"]);
    assert!(plan.warnings[0].contains("`bad`") && plan.warnings[0].contains("decky_config is no JSON"));
}

#[test]
fn duplicates_in_the_file_name_both_lines() {
    let case = Case::new(
        Mode::Additive,
        Fleet::default(),
        vec![at(3, pinned("a", "192.168.1.9")), at(8, pinned("b", "192.168.1.9")), at(12, spec("a"))],
    );
    let refusals = case.refusals();
    assert_eq!(kinds(&refusals), [RefusalKind::Invalid, RefusalKind::Invalid]);
    assert_eq!((refusals[0].line, refusals[0].related_line), (Some(12), Some(3)));
    assert!(refusals[0].message.contains("lines 3 and 12"), "{}", refusals[0].message);
    assert_eq!((refusals[1].line, refusals[1].related_line), (Some(9), Some(4)));
    assert!(refusals[1].message.contains("`a` and `b`"), "{}", refusals[1].message);
}

#[test]
fn pins_that_cannot_be_say_why() {
    for (address, why) in [
        ("192.168.1.0", "network address"),
        ("192.168.1.255", "broadcast"),
        ("192.168.1.1", "gateway"),
        ("192.168.1.5", "this host"),
        ("10.0.0.9", "outside the fleet's subnet 192.168.1.0/24"),
    ] {
        let refusals =
            Case::new(Mode::Additive, Fleet::default(), vec![at(2, pinned("a", address))]).refusals();
        assert_eq!(kinds(&refusals), [RefusalKind::Invalid]);
        let refusal = &refusals[0];
        assert!(refusal.message.contains(address) && refusal.message.contains(why), "{}", refusal.message);
        assert_eq!((refusal.line, refusal.address), (Some(3), Some(ip(address))));
    }
}

#[test]
fn macs_are_guarded_like_addresses() {
    let mac: Mac = "52:54:00:00:00:07".parse().unwrap();
    let with = |name: &str, mac: Mac| DeckySpec { mac: Some(mac), ..spec(name) };
    let fleet = deployed(vec![with("old", mac)]);
    assert_eq!(fleet.members[0].identity.as_ref().unwrap().mac, mac);
    let taken = Case::new(Mode::Additive, fleet.clone(), vec![with("new", mac)]).refusals();
    assert_eq!(kinds(&taken), [RefusalKind::Conflict]);
    assert!(taken[0].message.contains("`old`"));
    let twice = Case::new(Mode::Additive, Fleet::default(), vec![with("x", mac), with("y", mac)]).refusals();
    assert_eq!(kinds(&twice), [RefusalKind::Invalid]);
    let group =
        Case::new(Mode::Additive, Fleet::default(), vec![with("x", Mac([1, 0, 0, 0, 0, 0]))]).refusals();
    assert_eq!(kinds(&group), [RefusalKind::Invalid]);
    // In replace mode the owner may go.
    let moved = Case::new(Mode::Replace, fleet.clone(), vec![with("new", mac)]);
    assert_eq!(moved.outline(), ["+ new", "- old"]);
    let stays = Case::new(Mode::Replace, fleet, vec![with("new", mac), spec("old")]).refusals();
    assert_eq!(kinds(&stays), [RefusalKind::Conflict]);
}

#[test]
fn what_cannot_run_is_refused_with_what_can() {
    let case = Case::new(
        Mode::Additive,
        Fleet::default(),
        vec![
            services(spec("a"), &["ssh", "vnc"]),
            archetype("b", "windows-server"),
            services(spec("c"), &["custom"]),
        ],
    );
    let refusals = case.refusals();
    assert_eq!(kinds(&refusals), [RefusalKind::Invalid; 3]);
    assert!(refusals[0].message.contains("`a`") && refusals[0].message.contains("`vnc`"));
    assert!(refusals[0].message.ends_with("ftp, http, mysql, redis, ssh, telnet"), "{}", refusals[0].message);
    assert!(refusals[1].message.contains("(of archetype `windows-server`)"), "{}", refusals[1].message);
}

#[test]
fn the_limit_counts_the_fleet_that_would_be() {
    let mut case = Case::new(Mode::Additive, three(), vec![spec("d"), spec("e")]);
    case.limit = Some(5);
    assert_eq!(case.ok().summary().create, 2);
    case.limit = Some(4);
    let refusals = case.refusals();
    assert_eq!(kinds(&refusals), [RefusalKind::Refused]);
    assert!(refusals[0].message.contains("5 deckies") && refusals[0].message.contains("allows 4"));
    case.mode = Mode::Replace;
    case.limit = Some(2);
    assert_eq!(case.ok().summary().create, 2);
}

#[test]
fn custom_services_may_be_repeated_not_redefined() {
    let mut fleet = three();
    fleet.customs = vec![custom("shop", "shop:1")];
    let mut case = Case::new(Mode::Additive, fleet, vec![spec("d")]);
    case.spec.customs = vec![custom("shop", "shop:1"), custom("till", "till:1")];
    assert_eq!(case.ok().intent().customs, [custom("till", "till:1")]);
    case.spec.customs = vec![custom("shop", "shop:2")];
    assert_eq!(kinds(&case.refusals()), [RefusalKind::Conflict]);
    case.mode = Mode::Replace;
    let plan = case.ok();
    assert_eq!((plan.customs, plan.forget_customs), (vec![custom("shop", "shop:2")], vec![]));
    case.spec.customs.clear();
    assert_eq!(case.ok().forget_customs, ["shop"]);
}

#[test]
fn a_custom_service_runs_by_its_conversation() {
    let mut case = Case::new(Mode::Additive, Fleet::default(), vec![services(spec("a"), &["shop"])]);
    case.spec.customs = vec![custom("shop", "shop:1")];
    let refusals = case.plan().unwrap_err();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].message.contains("docker engine") && refusals[0].message.contains("[custom-shop]"));
    case.spec.customs[0].talk.banner = "hi".to_owned();
    let fleet = fixtures::apply(&case.fleet, &case.ok());
    // Another conversation is a change of who runs it, and of nobody else.
    let deckies = vec![services(spec("a"), &["shop"]), services(spec("b"), &["ssh"])];
    let mut case = Case::new(Mode::Additive, fleet, vec![services(spec("b"), &["ssh"])]);
    let fleet = fixtures::apply(&case.fleet, &case.ok());
    case = Case::new(Mode::Replace, fleet, deckies);
    case.spec.customs = vec![custom("shop", "shop:1")];
    case.spec.customs[0].talk.banner = "ho".to_owned();
    case.spec.customs[0].talk.answers = vec!["PASS {secret=x} => y".to_owned()];
    let plan = case.ok();
    assert_eq!((plan.changes.len(), plan.changes[0].name.as_str()), (1, "a"));
    let fields: Vec<_> = plan.changes[0].fields.iter().map(|f| (f.path.as_str(), f.secret)).collect();
    assert_eq!(fields, [("custom-shop.answers", true), ("custom-shop.banner", false)]);
    // Nothing said of it keeps what was said.
    case.spec.customs.clear();
    assert!(case.ok().changes.is_empty());
}
