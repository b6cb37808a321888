use super::*;

#[test]
fn an_intent_comes_back_whole_and_survives_reopening() {
    let home = Home::new();
    let custom = CustomService {
        slug: "plc".to_owned(),
        binary: "vendor/plc:1".to_owned(),
        exec: vec!["run".to_owned(), "--all".to_owned()],
        ports: vec![502],
        talk: crate::model::Talk { banner: "\\x00".to_owned(), ..Default::default() },
        ..CustomService::default()
    };
    let mut store = home.store();
    let empty = store.fleet().unwrap();
    assert_eq!((empty.store.serial, empty.network, empty.members.len()), (0, None, 0));
    let id = empty.store.id.unwrap();
    assert_eq!(id.len(), 32);

    let intent = Intent {
        network: Some(network()),
        customs: vec![custom.clone()],
        ..deploy(&[("web-02", "127.77.0.2"), ("web-01", "127.77.0.1")])
    };
    let ids = commit(&mut store, &intent, at(42)).unwrap();
    assert_eq!(ids.len(), 2);
    drop(store);

    for mut store in [home.reader(), home.store()] {
        let fleet = store.fleet().unwrap();
        assert_eq!((fleet.store.id.as_deref(), fleet.store.serial), (Some(id.as_str()), 1));
        assert_eq!(fleet.network, Some(network()));
        assert_eq!(fleet.customs, std::slice::from_ref(&custom));
        let names: Vec<_> = fleet.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["web-01", "web-02"]);
        let web = fleet.get("web-01").unwrap();
        assert_eq!(web.decky, Ok(decky("web-01", "127.77.0.1")));
        assert_eq!(web.identity, Some(identity("web-01")));
        assert_eq!(web.ip, Some("127.77.0.1".parse().unwrap()));
        assert_eq!(web.services, ["http", "ssh"]);
        assert_eq!((web.state, &web.last_error), (State::Pending, &None));
        assert_eq!(
            (web.updated_at.as_str(), web.host_uuid.as_str()),
            ("2023-11-14 22:13:20.000042", "local")
        );
        // The order asked for, not the order of names.
        let rows = store.lifecycle(&ids).unwrap();
        let names: Vec<_> = rows.iter().map(|r| r.decky_name.as_str()).collect();
        assert_eq!(names, ["web-02", "web-01"]);
    }

    let mut store = home.store();
    let forget = Intent { forget_customs: vec!["plc".to_owned()], ..Intent::default() };
    commit(&mut store, &forget, at(43)).unwrap();
    let fleet = store.fleet().unwrap();
    assert_eq!((fleet.customs, fleet.store.serial, fleet.network), (vec![], 2, Some(network())));
}

#[test]
fn the_row_is_what_decnet_would_have_written() {
    let home = Home::new();
    commit(&mut home.store(), &deploy(&[("web-01", "127.77.0.1")]), at(0)).unwrap();
    let (services, config): (String, String) = home
        .raw()
        .query_row("SELECT services, decky_config FROM fleet_deckies", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(services, r#"["http","ssh"]"#);
    assert_eq!(
        config,
        concat!(
            r#"{"name":"web-01","ip":"127.77.0.1","services":["http","ssh"],"distro":"debian","#,
            r#""base_image":"debian:bookworm-slim","build_base":"debian:bookworm-slim","hostname":"SRV-web-01","#,
            r#""archetype":"web-server","service_config":{"http":{"z":"last","a":[1,null]},"ssh":{}},"#,
            r#""nmap_os":"linux","mutate_interval":30,"last_mutated":1700000000.25,"last_login_attempt":0.0,"#,
            r#""host_uuid":null}"#
        )
    );
}

#[test]
fn decnets_tables_have_its_columns_and_indexes() {
    let home = Home::new();
    drop(home.store());
    let decnet = Connection::open_in_memory().unwrap();
    decnet.execute_batch(DECNET).unwrap();
    let columns = |conn: &Connection, table: &str| -> Vec<(String, String, bool, Option<String>, i64)> {
        let mut statement = conn
            .prepare("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)")
            .unwrap();
        let rows = statement
            .query_map([table], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let indexes = |conn: &Connection, table: &str| -> Vec<String> {
        let mut statement = conn.prepare("SELECT name FROM pragma_index_list(?1) ORDER BY name").unwrap();
        statement.query_map([table], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for table in ["fleet_deckies", "decky_lifecycle"] {
        assert_eq!(columns(&home.raw(), table), columns(&decnet, table));
        let ours: Vec<_> =
            indexes(&home.raw(), table).into_iter().filter(|i| !i.starts_with("decnet_")).collect();
        assert_eq!(ours, indexes(&decnet, table));
    }
}

#[test]
fn an_empty_intent_changes_nothing() {
    let home = Home::new();
    let mut store = home.store();
    assert_eq!(commit(&mut store, &Intent::default(), at(0)).unwrap(), []);
    assert_eq!(store.fleet().unwrap().store.serial, 0);
}

#[test]
fn an_upsert_overwrites_and_clears_the_reason() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    store.record(&state("a", State::Failed, Some("no such port")), at(1)).unwrap();
    assert_eq!(member(&mut store, "a").unwrap().last_error.as_deref(), Some("no such port"));
    commit(&mut store, &deploy(&[("a", "127.77.0.9")]), at(2)).unwrap();
    let a = member(&mut store, "a").unwrap();
    assert_eq!((a.state, a.last_error, a.ip), (State::Pending, None, Some("127.77.0.9".parse().unwrap())));
    assert_eq!(store.fleet().unwrap().members.len(), 1);
}

#[test]
fn a_removed_row_stays_until_it_is_gone_and_can_be_wanted_again() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    commit(&mut store, &teardown(&["a"]), at(1)).unwrap();
    let a = member(&mut store, "a").unwrap();
    assert_eq!((a.state, a.ip), (State::TearingDown, Some("127.77.0.1".parse().unwrap())));
    // A repair does not bring it back, an upsert does.
    let repair = Intent { repairs: vec!["a".parse().unwrap()], ..Intent::default() };
    commit(&mut store, &repair, at(2)).unwrap();
    assert_eq!(member(&mut store, "a").unwrap().state, State::TearingDown);
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(3)).unwrap();
    assert_eq!(member(&mut store, "a").unwrap().state, State::Pending);
}

#[test]
fn a_repair_starts_again_and_changes_nothing_else() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    store.record(&state("a", State::Failed, Some("worker died")), at(1)).unwrap();
    let before = member(&mut store, "a").unwrap();
    let repair = Intent { repairs: vec!["a".parse().unwrap()], ..Intent::default() };
    commit(&mut store, &repair, at(2)).unwrap();
    let after = member(&mut store, "a").unwrap();
    assert_eq!((after.state, &after.last_error), (State::Pending, &None));
    assert_eq!((after.decky, after.identity, after.ip), (before.decky, before.identity, before.ip));
}

#[test]
fn addresses_and_macs_move_within_one_intent() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2"), ("c", "127.77.0.3")]), at(0))
        .unwrap();
    // a and b swap, d takes everything from c, which leaves.
    let swap = Intent {
        upserts: vec![
            (decky("a", "127.77.0.2"), Identity { mac: identity("b").mac, ..identity("a") }),
            (decky("b", "127.77.0.1"), Identity { mac: identity("a").mac, ..identity("b") }),
            (decky("d", "127.77.0.3"), Identity { mac: identity("c").mac, ..identity("d") }),
        ],
        removals: vec!["c".to_owned()],
        ..Intent::default()
    };
    commit(&mut store, &swap, at(1)).unwrap();
    let fleet = store.fleet().unwrap();
    for (name, ip) in [("a", "127.77.0.2"), ("b", "127.77.0.1"), ("c", "127.77.0.3"), ("d", "127.77.0.3")] {
        assert_eq!(fleet.get(name).unwrap().ip, Some(ip.parse().unwrap()), "{name}");
    }
    assert_eq!(fleet.get("a").unwrap().identity.as_ref().unwrap().mac, identity("b").mac);
    assert_eq!(fleet.get("d").unwrap().identity.as_ref().unwrap().mac, identity("c").mac);
    assert_eq!(fleet.get("c").unwrap().state, State::TearingDown);
    assert_eq!(store.check().unwrap(), []);
    // c cannot come back to the address that d has now.
    let error = commit(&mut store, &deploy(&[("c", "127.77.0.3")]), at(2)).unwrap_err();
    assert!(matches!(&error, StoreError::AddressTaken { holder, .. } if holder == "d"), "{error}");
    store.record(&gone("c"), at(3)).unwrap();
    assert!(member(&mut store, "c").is_none());
}

#[test]
fn a_taken_address_or_mac_undoes_the_whole_intent() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    let before = store.fleet().unwrap();
    let error = commit(&mut store, &deploy(&[("x", "127.77.0.7"), ("y", "127.77.0.1")]), at(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "127.77.0.1 is in use by decky `a` and cannot be given to `y`; nothing was changed, plan again"
    );
    let error = commit(&mut store, &deploy(&[("x", "127.77.0.7"), ("y", "127.77.0.7")]), at(1)).unwrap_err();
    assert!(matches!(error, StoreError::AddressTaken { .. }), "{error}");
    let mut same_mac = deploy(&[("x", "127.77.0.7")]);
    same_mac.upserts[0].1.mac = identity("a").mac;
    let error = commit(&mut store, &same_mac, at(1)).unwrap_err();
    assert!(matches!(&error, StoreError::MacTaken { holder, .. } if holder == "a"), "{error}");
    assert_eq!(store.fleet().unwrap(), before);
    assert_eq!(store.recent_lifecycle(10).unwrap().len(), 1);
}

#[test]
fn an_error_or_a_panic_in_the_closure_undoes_everything() {
    let home = Home::new();
    let mut store = home.store();
    let wanted = deploy(&[("a", "127.77.0.1")]);
    let refused: Result<(), StoreError> = store.transact(|txn| {
        txn.commit_intent(&wanted, at(0))?;
        assert_eq!(txn.fleet()?.members.len(), 1);
        Err(StoreError::Missing { path: PathBuf::new() })
    });
    assert!(matches!(refused, Err(StoreError::Missing { .. })));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.transact(|txn| -> Result<(), StoreError> {
            txn.commit_intent(&wanted, at(0))?;
            std::panic::panic_any("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.fleet().unwrap().members, []);
    commit(&mut store, &wanted, at(1)).unwrap();
}

#[test]
fn a_later_operation_supersedes_the_open_one() {
    let home = Home::new();
    let mut store = home.store();
    let first = commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(0)).unwrap();
    commit(&mut store, &teardown(&["a"]), at(1)).unwrap();
    let rows = store.lifecycle(&first).unwrap();
    assert_eq!(rows[0].status, LifecycleStatus::Failed);
    assert_eq!(rows[0].error.as_deref(), Some("superseded by a later operation"));
    assert_eq!(rows[0].completed_at.as_deref(), Some("2023-11-14 22:13:20.000001"));
    assert_eq!((rows[1].status, &rows[1].completed_at), (LifecycleStatus::Pending, &None));
}
