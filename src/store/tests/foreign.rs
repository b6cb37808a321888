//! Rows and databases that other programs wrote.

use super::*;

const INSERT: &str = "INSERT INTO fleet_deckies \
    (host_uuid, name, services, decky_config, decky_ip, state, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

fn insert(home: &Home, row: [Option<&str>; 7]) {
    home.raw().execute(INSERT, row).unwrap();
}

/// A row of this host with these services, config and address.
fn insert_local(home: &Home, name: &str, services: &str, config: Option<&str>, ip: Option<&str>) {
    let rest = [Some("running"), Some("2026-06-20 08:00:00.000001")];
    insert(home, [Some("local"), Some(name), Some(services), config, ip, rest[0], rest[1]]);
}

fn config(name: &str, ip: &str) -> String {
    serde_json::to_string(&decky(name, ip)).unwrap()
}

#[test]
fn every_row_is_a_member_whatever_it_holds() {
    let home = Home::new();
    commit(&mut home.store(), &deploy(&[("ours", "127.77.0.1")]), at(0)).unwrap();
    let ip = |n: u8| format!("127.77.1.{n}");
    let unknown = config("unknown", &ip(2)).replacen('{', r#"{"extra":{"deep":[1]},"#, 1);
    let partial =
        format!(r#"{{"distro":"alpine","base_image":"alpine:3.19","hostname":"h-3","ip":"{}"}}"#, ip(3));
    insert_local(&home, "full", r#"["http","ssh"]"#, Some(&config("full", &ip(1))), Some(&ip(1)));
    insert_local(&home, "unknown", r#"["http"]"#, Some(&unknown), Some(&ip(2)));
    insert_local(&home, "partial", r#"["smtp"]"#, Some(&partial), None);
    insert_local(&home, "null", r#"["ftp"]"#, None, Some(&ip(4)));
    insert_local(&home, "json-null", r#"["ftp"]"#, Some("null"), Some(&ip(5)));
    insert_local(&home, "bad-json", "oops", Some("{\"ip\":"), None);
    insert_local(&home, "array", "[]", Some("[1,2]"), Some("not an address"));
    insert_local(&home, "no-column-ip", r#"["http"]"#, Some(&config("no-column-ip", &ip(6))), None);
    insert_local(&home, "other-ip", r#"["http"]"#, Some(&config("other-ip", &ip(7))), Some(&ip(8)));
    insert_local(&home, "other-name", r#"["http"]"#, Some(&config("renamed", &ip(9))), Some(&ip(9)));
    insert_local(&home, "odd name; é", r#"["http"]"#, Some(&config("x", &ip(10))), None);
    insert_local(
        &home,
        "no-services",
        "[]",
        Some(&config("no-services", &ip(11)).replace(r#"["http","ssh"]"#, "[]")),
        None,
    );
    insert_local(&home, "floats", "[]", Some(&config("floats", &ip(12)).replace(":30,", ":30.5,")), None);
    let elsewhere = config("full", &ip(1));
    insert(
        &home,
        [Some("b9"), Some("full"), Some("[]"), Some(&elsewhere), Some(&ip(1)), Some("weird"), Some("2026")],
    );

    let mut store = home.reader();
    let fleet = store.fleet().unwrap();
    assert_eq!(fleet.members.len(), 15);
    let get = |name: &str| fleet.get(name).unwrap();
    let address = |n: u8| Some(ip(n).parse().unwrap());

    assert_eq!(get("full").decky, Ok(decky("full", &ip(1))));
    assert_eq!((get("full").host_uuid.as_str(), get("full").state), ("local", State::Running));
    assert_eq!(get("full").identity, None);
    let other_host = fleet.members.iter().find(|m| m.host_uuid == "b9").unwrap();
    assert_eq!((other_host.state, other_host.updated_at.as_str()), (State::Pending, "2026"));
    assert_eq!(get("unknown").decky, Ok(decky("unknown", &ip(2))));
    let partial = get("partial").decky.as_ref().unwrap();
    assert_eq!((partial.services.as_slice(), partial.nmap_os.as_str()), (&["smtp".to_owned()][..], "linux"));
    assert_eq!(get("partial").ip, address(3));
    assert_eq!(get("null").decky, Err("decky_config is NULL".to_owned()));
    assert_eq!((get("null").ip, get("null").services.as_slice()), (address(4), &["ftp".to_owned()][..]));
    assert_eq!(get("json-null").ip, address(5));
    assert!(get("bad-json").decky.as_ref().unwrap_err().starts_with("decky_config is no JSON: "));
    assert_eq!(get("array").decky, Err("decky_config is no JSON object".to_owned()));
    assert_eq!((get("array").ip, get("bad-json").services.len()), (None, 0));
    assert_eq!(get("no-column-ip").ip, address(6));
    // The column is what the guard sees, so the decky runs there.
    assert_eq!(
        (get("other-ip").ip, get("other-ip").decky.as_ref().unwrap().ip),
        (address(8), address(8).unwrap())
    );
    assert_eq!(get("other-name").decky.as_ref().unwrap().name.as_str(), "other-name");
    assert!(get("odd name; é").decky.is_err());
    assert_eq!(get("odd name; é").ip, address(10));
    assert_eq!(get("no-services").decky, Err("decky_config has no services".to_owned()));
    assert!(get("floats").decky.as_ref().unwrap_err().contains("30.5"));
    assert_eq!(get("floats").ip, address(12));
    assert_eq!(get("ours").identity, Some(identity("ours")));
    assert_eq!(store.fleet().unwrap(), fleet);
}

#[test]
fn an_odd_row_can_be_adopted_taken_over_and_removed() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("ours", "127.77.0.1")]), at(0)).unwrap();
    insert_local(&home, "theirs", r#"["http"]"#, Some(&config("theirs", "127.77.0.2")), Some("127.77.0.2"));
    insert_local(&home, "odd name", "[]", None, None);
    let row = [Some("b9"), Some("swarm"), Some("[]"), None, Some("127.77.0.3"), Some("running"), Some("x")];
    insert(&home, row);

    // The generator gives an address that is taken.
    let identify = |name: &str| Identity { mac: identity("ours").mac, ..identity(name) };
    assert_eq!(store.adopt(&identify, at(1)).unwrap(), ["odd name", "swarm", "theirs"]);
    assert_eq!(store.adopt(&identify, at(1)).unwrap(), Vec::<String>::new());
    let fleet = store.fleet().unwrap();
    let mut macs: Vec<_> = fleet.members.iter().map(|m| m.identity.as_ref().unwrap().mac).collect();
    macs.sort();
    macs.dedup();
    assert_eq!(macs.len(), 4);
    assert_eq!(fleet.store.serial, 1);

    commit(&mut store, &deploy(&[("swarm", "127.77.0.3")]), at(2)).unwrap();
    let fleet = store.fleet().unwrap();
    assert_eq!(fleet.members.iter().filter(|m| m.name == "swarm").count(), 1);
    assert_eq!(fleet.get("swarm").unwrap().host_uuid, "local");

    commit(&mut store, &teardown(&["odd name"]), at(3)).unwrap();
    assert!(store.record(&gone("odd name"), at(4)).unwrap());
    assert!(member(&mut store, "odd name").is_none());
}

#[test]
fn the_index_keeps_another_tool_from_doubling_an_address() {
    let home = Home::new();
    commit(&mut home.store(), &deploy(&[("ours", "127.77.0.1")]), at(0)).unwrap();
    let row = ["local", "theirs", "[]", "null", "127.77.0.1", "running", "x"];
    let error = home.raw().execute(INSERT, row).unwrap_err().to_string();
    assert!(error.contains("UNIQUE constraint failed: fleet_deckies.decky_ip"), "{error}");
    home.raw().execute(INSERT, ["b9", "theirs", "[]", "null", "127.77.0.1", "running", "x"]).unwrap();
}

#[test]
fn identities_of_rows_deleted_behind_our_back_hold_nothing() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    home.raw().execute("DELETE FROM fleet_deckies", []).unwrap();
    let mut next = deploy(&[("b", "127.77.0.1")]);
    next.upserts[0].1.mac = identity("a").mac;
    commit(&mut store, &next, at(1)).unwrap();
    assert_eq!(store.fleet().unwrap().members.len(), 1);
}

#[test]
fn check_tells_what_is_odd() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("ours", "127.77.0.1")]), at(0)).unwrap();
    assert_eq!(store.check().unwrap(), []);
    insert_local(&home, "null", "[]", None, Some("127.77.0.4"));
    insert_local(&home, "odd name", "[]", None, Some("127.77.0.5"));
    insert_local(&home, "twin", "[]", Some(&config("twin", "127.77.0.1")), None);
    insert_local(&home, "torn", "[]", Some(&config("torn", "127.77.0.8")), Some("127.77.0.9"));
    insert(&home, [Some("b9"), Some("ours"), Some("[]"), None, Some("127.77.0.6"), Some("weird"), Some("x")]);
    home.raw()
        .execute_batch("UPDATE decky_lifecycle SET status = 'odd'; DROP INDEX ix_fleet_deckies_state")
        .unwrap();
    let messages: Vec<_> = store.check().unwrap().into_iter().map(|p| p.message).collect();
    for needle in [
        "decky `null` cannot run: decky_config is NULL",
        "row `odd name`: a decky name is made of",
        "deckies `ours` and `twin` have the same address 127.77.0.1",
        "decky `torn` has the address 127.77.0.9, its decky_config says 127.77.0.8",
        "decky `ours` has rows of two hosts, local and b9",
        "decky `ours` has the unknown state `weird`",
        "unknown word: `deploy`, `odd`",
        "the index `ix_fleet_deckies_state` is missing",
    ] {
        assert_eq!(messages.iter().filter(|m| m.contains(needle)).count(), 1, "{needle}: {messages:#?}");
    }
    assert_eq!(store.recent_lifecycle(9).unwrap(), []);
}

#[test]
fn a_decnet_database_is_imported_and_left_alone() {
    let home = Home::new();
    let raw = home.raw();
    raw.execute_batch(DECNET).unwrap();
    raw.execute_batch(DECNET_FLEET).unwrap();
    // Once with a write-ahead log in use, once cleanly closed.
    assert_eq!(home.files(), ["fleet.db", "fleet.db-shm", "fleet.db-wal"]);
    let live = import_fleet(&home.db()).unwrap();
    drop(raw);
    let bytes = std::fs::read(home.db()).unwrap();
    let fleet = import_fleet(&home.db()).unwrap();
    assert_eq!(live, fleet);
    assert_eq!(home.files(), ["fleet.db"]);
    assert_eq!(std::fs::read(home.db()).unwrap(), bytes);

    assert_eq!((fleet.store.id.as_deref(), fleet.store.serial), (None, 0));
    let net = fleet.network.unwrap();
    assert_eq!((net.driver, net.interface.as_str()), (Driver::Ipvlan, "eth0"));
    assert_eq!(
        (net.subnet.to_string().as_str(), net.gateway),
        ("192.168.7.0/24", "192.168.7.1".parse().ok())
    );
    let names: Vec<_> = fleet.members.iter().map(|m| (m.name.as_str(), m.state, m.decky.is_ok())).collect();
    assert_eq!(
        names,
        [
            ("db-01", State::Degraded, true),
            ("old-01", State::TornDown, false),
            ("web-01", State::Running, true)
        ]
    );
    let web = fleet.members[2].decky.as_ref().unwrap();
    assert_eq!((web.hostname.as_str(), web.last_mutated), ("SRV-ALPHA-42", 1_700_000_000.25));
}

#[test]
fn import_refuses_what_it_does_not_know() {
    let import = |sql: &str| {
        let home = Home::new();
        home.raw().execute_batch(sql).unwrap();
        import_fleet(&home.db())
    };
    let changed = |sql: &str| import(&format!("{DECNET} {sql}"));
    let error = changed("UPDATE alembic_version SET version_num = 'feedbeef0000'").unwrap_err();
    assert!(matches!(&error, StoreError::Revision { found, .. } if found == "feedbeef0000"), "{error}");
    assert!(error.to_string().contains("4a914b1d62a0"), "{error}");
    let error = changed("DELETE FROM alembic_version").unwrap_err();
    assert!(matches!(&error, StoreError::Revision { found, .. } if found == "none"), "{error}");
    let error = changed("ALTER TABLE fleet_deckies DROP COLUMN decky_ip").unwrap_err();
    assert!(error.to_string().contains("no column `decky_ip`"), "{error}");
    for (sql, why) in [
        ("DROP TABLE fleet_deckies", "no table `fleet_deckies`"),
        ("DROP TABLE fleet_deckies; DROP TABLE alembic_version", "no table `fleet_deckies`"),
    ] {
        let error = changed(sql).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    // No version table: DECNET's testing mode. No deployment: its command line.
    let fleet = changed("DROP TABLE alembic_version; DROP TABLE state").unwrap();
    assert_eq!((fleet.members.len(), fleet.network), (0, None));
    for value in ["null", "{}", r#"{"config":{"interface":"eth0","subnet":"nonsense"}}"#, "no json"] {
        let fleet = changed(&format!("INSERT INTO state VALUES ('deployment', '{value}')")).unwrap();
        assert_eq!(fleet.network, None, "{value}");
    }

    let home = Home::new();
    assert!(matches!(import_fleet(&home.db()), Err(StoreError::Missing { .. })));
    drop(home.store());
    let error = import_fleet(&home.db()).unwrap_err().to_string();
    assert!(error.contains("a store of decnet itself"), "{error}");
}
