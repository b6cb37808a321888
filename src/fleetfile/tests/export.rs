//! Export and back.

use serde_json::{Value, json};

use super::clean;
use crate::fleetfile::{Options, WriteError, load, write};
use crate::model::{
    CustomService, Decky, Fleet, Identity, Network, Probing, Recorded, Seed, Settings, State, Talk,
};

fn settings(value: &Value) -> Settings {
    value.as_object().unwrap().clone()
}

fn member(name: &str, ip: &str) -> Recorded {
    let decky = Decky {
        name: name.parse().unwrap(),
        ip: ip.parse().unwrap(),
        services: vec!["ssh".to_owned()],
        distro: "debian".to_owned(),
        base_image: String::new(),
        build_base: String::new(),
        hostname: "SRV-ALPHA-12".to_owned(),
        archetype: None,
        service_config: Default::default(),
        nmap_os: "linux".to_owned(),
        mutate_interval: None,
        last_mutated: 0.0,
        last_login_attempt: 0.0,
        host_uuid: None,
    };
    Recorded {
        name: name.to_owned(),
        ip: Some(decky.ip),
        services: decky.services.clone(),
        decky: Ok(decky),
        identity: Some(Identity { mac: "52:54:00:00:00:01".parse().unwrap(), seed: Seed::new([0; 32]) }),
        state: State::Running,
        last_error: None,
        updated_at: String::new(),
        host_uuid: "local".to_owned(),
    }
}

fn with(change: impl FnOnce(&mut Decky)) -> Fleet {
    let mut member = member("a", "10.0.0.5");
    change(member.decky.as_mut().unwrap());
    Fleet { members: vec![member], ..Fleet::default() }
}

#[test]
fn a_whole_fleet_comes_back() {
    let mut web = member("web.lan", "10.0.0.9");
    let decky = web.decky.as_mut().unwrap();
    decky.archetype = Some("web-server".to_owned());
    decky.nmap_os = "bsd".to_owned();
    decky.hostname = "web".to_owned();
    decky.mutate_interval = Some(7);
    decky.services = vec!["http".to_owned(), "ssh".to_owned(), "app".to_owned()];
    web.identity.as_mut().unwrap().mac = "52:54:00:00:00:02".parse().unwrap();
    decky.service_config.insert(
        "http".to_owned(),
        settings(&json!({
            "response_code": 404,
            "custom_body": "<p>\n  indented [x]\n# no comment\n",
            "http_versions": ["http/2"],
            "extra_headers": "{\"a\": \"b\",\n\"c\": \"d\"}",
            "server_header": "%41 # not a comment",
            "odd_key": "x = y",
        })),
    );
    decky.service_config.insert("ssh".to_owned(), settings(&json!({"user": "", "password": "p%a[ss]"})));
    decky.service_config.insert("app".to_owned(), settings(&json!({"free": "one\ntwo"})));
    let fleet = Fleet {
        network: Some(Network {
            driver: "loopback".parse().unwrap(),
            interface: "lo".to_owned(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            gateway: Some("10.0.0.1".parse().unwrap()),
            port_offset: 10_000,
            log_target: Some("tcp://log.lan:601".parse().unwrap()),
            host_access: true,
            probe: Probing::Full,
            mutate_interval: Some(30),
        }),
        members: vec![member("a-01", "10.0.0.5"), web],
        customs: vec![CustomService {
            slug: "app".to_owned(),
            binary: "r/app:1".to_owned(),
            exec: vec!["/app".to_owned(), "-v".to_owned()],
            ports: vec![1, 2],
            udp_ports: vec![3],
            talk: Talk {
                banner: "220 {hostname}\\r\\n".to_owned(),
                answers: vec!["USER {user} => 331 = # no comment".to_owned(), "[x] => [y]".to_owned()],
                default: "*%".to_owned(),
                close: true,
                timeout: Some(9),
                tls: true,
            },
        }],
        ..Fleet::default()
    };
    // A loopback network outside 127/8 is refused; everything else of it is kept.
    assert!(matches!(write(&fleet), Err(WriteError::Differs(_))));
    let mut fleet = fleet;
    fleet.network.as_mut().unwrap().driver = "macvlan".parse().unwrap();
    fleet.network.as_mut().unwrap().interface = "eth0".to_owned();

    let text = write(&fleet).unwrap();
    let loaded = load(text.as_bytes(), &Options::default());
    assert!(loaded.diagnostics.iter().all(|d| d.code == "unknown-key"), "{:#?}", loaded.diagnostics);
    let spec = loaded.spec;
    let network = fleet.network.unwrap();
    assert_eq!(spec.general.driver, Some(network.driver));
    assert_eq!(spec.general.interface, Some(network.interface));
    assert_eq!(spec.general.subnet, Some(network.subnet));
    assert_eq!(spec.general.gateway, network.gateway);
    assert_eq!(spec.general.port_offset, Some(10_000));
    assert_eq!(spec.general.log_target, network.log_target);
    assert_eq!(spec.general.host_access, Some(true));
    assert_eq!(spec.general.probe, Some(Probing::Full));
    assert_eq!(spec.general.mutate_interval, Some(30));
    assert_eq!(spec.customs, fleet.customs);
    for (back, member) in spec.deckies.iter().zip(&fleet.members) {
        let decky = member.decky.as_ref().unwrap();
        assert_eq!(back.name, decky.name);
        assert_eq!(back.ip, Some(decky.ip));
        assert_eq!(back.services.as_ref(), Some(&decky.services));
        assert_eq!(back.archetype, decky.archetype);
        assert_eq!(back.nmap_os.as_ref(), Some(&decky.nmap_os));
        assert_eq!(back.distro.as_ref(), Some(&decky.distro));
        assert_eq!(back.hostname.as_ref(), Some(&decky.hostname));
        assert_eq!(back.mutate_interval, decky.mutate_interval);
        assert_eq!(back.mac, member.identity.as_ref().map(|i| i.mac));
        assert_eq!(back.service_config, decky.service_config);
    }
    assert!(text.starts_with("# A decnet fleet"));
}

#[test]
fn what_the_catalogue_does_not_know_is_left_out_aloud() {
    let fleet = with(|d| {
        d.nmap_os = "Windows\x1b".to_owned();
        d.distro = "slackware".to_owned();
        d.hostname = "a b".to_owned();
        d.services.push("gopher".to_owned());
    });
    let text = write(&fleet).unwrap();
    let decky = load(text.as_bytes(), &Options::default()).spec.deckies.remove(0);
    assert_eq!((decky.nmap_os, decky.distro, decky.hostname, decky.services), (None, None, None, None));
    assert_eq!(text.matches("is left out: ").count(), 4);
    assert!(!text.contains('\x1b'));
}

#[test]
fn names_and_values_without_a_form_are_refused() {
    for name in ["general", "General", "DEFAULT", "custom-a", "a.ssh"] {
        let fleet = Fleet { members: vec![member(name, "10.0.0.5")], ..Fleet::default() };
        assert_eq!(write(&fleet), Err(WriteError::Name(name.to_owned())));
    }
    let mut odd = member("a", "10.0.0.5");
    odd.name = "a b".to_owned();
    assert_eq!(
        write(&Fleet { members: vec![odd], ..Fleet::default() }),
        Err(WriteError::Name("a b".to_owned()))
    );
    for value in [" x", "a\nb", "x\u{a0}"] {
        let fleet = with(|d| {
            d.service_config.insert("ssh".to_owned(), settings(&json!({ "password": value })));
        });
        assert!(matches!(write(&fleet), Err(WriteError::Value { .. })), "{value:?}");
    }
}

#[test]
fn rows_that_cannot_be_used_keep_their_place_and_leaving_ones_go() {
    let mut broken = member("b", "10.0.0.6");
    broken.decky = Err("no configuration\n[x]".to_owned());
    let mut leaving = member("c", "10.0.0.7");
    leaving.state = State::TeardownFailed;
    let fleet = Fleet { members: vec![broken, leaving], ..Fleet::default() };
    let loaded = clean(&write(&fleet).unwrap());
    let decky = &loaded.spec.deckies[0];
    assert_eq!((decky.name.as_str(), decky.ip), ("b", Some("10.0.0.6".parse().unwrap())));
    assert_eq!(loaded.spec.deckies.len(), 1);
}

#[test]
fn texts_of_decnet_are_the_same_as_typed_values() {
    let fleet = with(|d| {
        d.services = vec!["http".to_owned()];
        d.service_config.insert("http".to_owned(), settings(&json!({"response_code": "404", "files": null})));
    });
    let loaded = clean(&write(&fleet).unwrap());
    assert_eq!(loaded.spec.deckies[0].service_config["http"]["response_code"], 404);
}

#[test]
fn no_fleet_is_no_error() {
    assert!(write(&Fleet::default()).unwrap().starts_with('#'));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_comes_back_or_is_refused(body in "\\PC{0,20}(\n\\PC{0,10}){0,3}", password in "\\PC{0,12}") {
        let fleet = with(|d| {
            d.services = vec!["http".to_owned(), "ssh".to_owned()];
            d.service_config.insert("http".to_owned(), settings(&json!({ "custom_body": body })));
            d.service_config.insert("ssh".to_owned(), settings(&json!({ "password": password })));
        });
        match write(&fleet) {
            Ok(text) => {
                let spec = load(text.as_bytes(), &Options::default()).spec;
                proptest::prop_assert_eq!(&spec.deckies[0].service_config["http"]["custom_body"], &json!(body));
                proptest::prop_assert_eq!(&spec.deckies[0].service_config["ssh"]["password"], &json!(password));
            }
            Err(error) => {
                let refused = matches!(error, WriteError::Value { .. });
                proptest::prop_assert!(refused && password.trim() != password, "{}", error);
            }
        }
    }
}
