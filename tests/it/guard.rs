//! The five scenarios of the guard, and what belongs to them.

use crate::common::World;

/// Inserts a row the way DECNET's own tools do: its columns alone, straight into the table.
fn insert_foreign(world: &World, name: &str, ip: &str) {
    let config = serde_json::json!({
        "name": name, "ip": ip, "services": ["ssh"], "distro": "debian",
        "base_image": "debian:bookworm-slim", "build_base": "debian:bookworm-slim", "hostname": "SRV-ALPHA-11",
        "archetype": null, "service_config": {}, "nmap_os": "linux", "mutate_interval": null,
        "last_mutated": 0.0, "last_login_attempt": 0.0, "host_uuid": null
    });
    let db = rusqlite::Connection::open(world.db()).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    db.execute(
        "INSERT INTO fleet_deckies (host_uuid, name, services, decky_config, decky_ip, state, last_error, compose_hash, last_seen, updated_at)
         VALUES ('local', ?1, '[\"ssh\"]', ?2, ?3, 'running', NULL, NULL, NULL, '2026-01-02 03:04:05.000006')",
        (name, config.to_string(), ip),
    )
    .unwrap();
}

#[test]
fn additive_onto_a_fleet_of_another_program_appends_and_wipes_nothing() {
    let world = World::new();
    let first = world.fleet("first.ini", "[seed-01]\nservices = redis\n");
    world.run(&["deploy", first.to_str().unwrap()]).ok();
    for n in 1..=3u8 {
        insert_foreign(&world, &format!("decky-0{n}"), &world.ip(100 + n).to_string());
    }
    let more = world.fleet("more.ini", "[more-01]\nservices = redis\n");
    let doc = world.json(0, &["deploy", more.to_str().unwrap()]);
    assert_eq!(doc["mode"], "additive");
    assert_eq!(doc["summary"]["create"], 1);
    assert_eq!(doc["summary"]["remove"], 0);
    assert_eq!(world.names(), ["decky-01", "decky-02", "decky-03", "more-01", "seed-01"]);
    // The foreign rows are full members: their addresses are taken …
    let clash = world.fleet("clash.ini", &format!("[x]\nservices = redis\nip = {}\n", world.ip(102)));
    let ran = world.run(&["deploy", clash.to_str().unwrap()]).code(5);
    assert!(ran.err.contains(&world.ip(102).to_string()) && ran.err.contains("decky-02"), "{}", ran.err);
    // … and they are brought up like all others.
    let state = |name: &str| world.json(0, &["list", name])["deckies"][0]["state"].clone();
    crate::common::eventually("decky-01 runs", || (state("decky-01") == "running").then_some(()));
}

#[test]
fn a_name_collision_names_the_decky_and_the_flag() {
    let world = World::new();
    let file = world.fleet("f.ini", "[decky-01]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let before = world.run(&["export"]).ok();
    let again = world.fleet("g.ini", "[decky-01]\nservices = mysql\n[decky-02]\nservices = redis\n");
    let ran = world.run(&["deploy", again.to_str().unwrap()]).code(5);
    assert!(ran.err.contains("decky-01") && ran.err.contains("--replace-fleet"), "{}", ran.err);
    assert!(!ran.err.contains("decky-02"), "{}", ran.err);
    let doc = world.json(5, &["deploy", again.to_str().unwrap()]);
    assert_eq!(doc["result"]["state"], "refused");
    assert_eq!(doc["errors"][0]["hint"], "replace_fleet");
    assert_eq!(doc["errors"][0]["decky"], "decky-01");
    assert_eq!(world.run(&["export"]).ok(), before);
}

#[test]
fn an_address_collision_names_the_address_and_who_has_it() {
    let world = World::new();
    let file = world.fleet("f.ini", &format!("[decky-01]\nservices = redis\nip = {}\n", world.ip(9)));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let clash = format!("[a]\nservices = redis\nip = {}\n", world.ip(9));
    let again = world.fleet("g.ini", &clash);
    let ran = world.run(&["deploy", again.to_str().unwrap()]).code(5);
    assert!(ran.err.contains(&world.ip(9).to_string()) && ran.err.contains("decky-01"), "{}", ran.err);
    assert_eq!(world.names(), ["decky-01"]);
}

#[test]
fn all_collisions_are_reported_at_once() {
    let world = World::new();
    let ip = world.ip(7);
    let file = world
        .fleet("f.ini", &format!("[a]\nservices=redis\n[b]\nservices=redis\n[c]\nservices=redis\nip={ip}\n"));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let again = world
        .fleet("g.ini", &format!("[a]\nservices=redis\n[b]\nservices=redis\n[d]\nservices=redis\nip={ip}\n"));
    let doc = world.json(5, &["deploy", again.to_str().unwrap()]);
    assert_eq!(doc["errors"].as_array().unwrap().len(), 3, "{doc}");
}

#[test]
fn replace_leaves_exactly_the_file_and_keeps_what_it_does_not_pin() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices=redis\n[b]\nservices=redis\n[c]\nservices=redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let old = world.json(0, &["list", "b"])["deckies"][0].clone();
    let next = world.fleet("g.ini", "[d]\nservices=redis\n[b]\nservices=redis,mysql\n");
    let doc = world.json(0, &["deploy", "--replace-fleet", next.to_str().unwrap()]);
    assert_eq!(
        doc["summary"],
        serde_json::json!({"create":1,"change":1,"replace":0,"repair":0,"remove":2,"unchanged":0})
    );
    assert_eq!(world.names(), ["b", "d"]);
    let new = world.json(0, &["list", "b"])["deckies"][0].clone();
    for kept in ["ip", "mac", "hostname", "distro"] {
        assert_eq!(old[kept], new[kept], "{kept}");
    }
    assert_eq!(new["services"], serde_json::json!(["redis", "mysql"]));
}

#[test]
fn lifecycle_ids_cover_only_what_was_submitted() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices=redis\n[b]\nservices=redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let more = world.fleet("g.ini", "[c]\nservices=redis\n[d]\nservices=redis\n");
    let doc = world.json(0, &["deploy", more.to_str().unwrap()]);
    let ids: Vec<String> = doc["result"]["lifecycle_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    let mut args = vec!["lifecycle"];
    args.extend(ids.iter().map(String::as_str));
    let rows = world.json(0, &args)["rows"].clone();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|r| r["decky_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c", "d"]);
    assert!(rows.as_array().unwrap().iter().all(|r| r["status"] == "succeeded"), "{rows}");
}

#[test]
fn an_empty_file_never_wipes_a_fleet() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices=redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let empty = world.fleet("empty.ini", "");
    let ran = world.run(&["deploy", "--replace-fleet", "--yes", empty.to_str().unwrap()]).code(7);
    assert!(ran.err.contains("teardown --all"), "{}", ran.err);
    world.run(&["deploy", empty.to_str().unwrap()]).code(3).err.contains("no decky");
    assert_eq!(world.names(), ["a"]);
}

#[test]
fn bounds_refuse_before_anything_changes() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices=redis\n[b]\nservices=redis\n[c]\nservices=redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let next = world.fleet("g.ini", "[a]\nservices=redis\n");
    let path = next.to_str().unwrap();
    let ran = world.run(&["deploy", "--replace-fleet", "--max-removals", "1", path]).code(7);
    assert!(ran.err.contains('2') && ran.err.contains("--max-removals"), "{}", ran.err);
    world.run(&["teardown", "a", "b", "--max-removals", "1"]).code(7).err.clear();
    let more = world.fleet("h.ini", "[d]\nservices=redis\n");
    world.run(&["deploy", "--limit", "3", more.to_str().unwrap()]).code(7).err.clear();
    assert_eq!(world.names(), ["a", "b", "c"]);
    world.run(&["deploy", "--replace-fleet", "--max-removals", "2", path]).ok();
    assert_eq!(world.names(), ["a"]);
}

#[test]
fn sixty_four_parallel_deploys_lose_nothing_and_share_nothing() {
    let world = World::new();
    let children: Vec<_> = (0..64)
        .map(|n| {
            let file = world.fleet(&format!("p{n}.ini"), &format!("[par-{n:02}]\nservices = redis\n"));
            let mut command = world.command(["deploy", "-q", file.to_str().unwrap()]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let _ = crate::common::Ran::from(child.wait_with_output().unwrap()).ok();
    }
    let list = world.json(0, &["list"]);
    let deckies = list["deckies"].as_array().unwrap();
    assert_eq!(deckies.len(), 64);
    let addresses: std::collections::BTreeSet<_> =
        deckies.iter().map(|d| d["ip"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 64);
    assert!(deckies.iter().all(|d| d["state"] == "running"), "{list}");
}
