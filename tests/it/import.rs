//! Taking over the fleet of a DECNET database.

use crate::common::World;

/// A database as DECNET makes it, with a fleet.
fn database(world: &World) -> std::path::PathBuf {
    let path = world.path("their.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(include_str!("fixtures/decnet.sql")).unwrap();
    for (name, last) in [("decky-01", 31u8), ("decky-02", 32)] {
        let config = serde_json::json!({
            "name": name, "ip": world.ip(last).to_string(), "services": ["ssh", "http"], "distro": "rocky9",
            "base_image": "rockylinux:9-minimal", "build_base": "debian:bookworm-slim", "hostname": format!("mike{last}.localdomain"),
            "archetype": "linux-server", "service_config": {"ssh": {"password": "letmein"}}, "nmap_os": "linux",
            "mutate_interval": null, "last_mutated": 1_760_000_000.5, "last_login_attempt": 0.0, "host_uuid": null
        });
        db.execute(
            "INSERT INTO fleet_deckies (host_uuid,name,services,decky_config,decky_ip,state,updated_at)
             VALUES ('local',?1,'[\"ssh\",\"http\"]',?2,?3,'running','2026-06-20 10:00:00.000000')",
            (name, config.to_string(), world.ip(last).to_string()),
        )
        .unwrap();
    }
    path
}

#[test]
fn a_decnet_fleet_comes_over_without_loss() {
    let world = World::new();
    let theirs = database(&world);
    let before = std::fs::read(&theirs).unwrap();
    let seed = world.fleet("seed.ini", "[own]\nservices = redis\n");
    world.run(&["deploy", seed.to_str().unwrap()]).ok();
    let path = theirs.to_str().unwrap();
    let dry = world.json(0, &["import", "--dry-run", path]);
    assert_eq!((&dry["summary"]["create"], &dry["summary"]["remove"]), (&2.into(), &0.into()));
    assert_eq!(world.names(), ["own"]);
    world.run(&["import", path]).ok();
    assert_eq!(world.names(), ["decky-01", "decky-02", "own"]);
    let row = world.json(0, &["show", "decky-01", "--show-secrets"]);
    assert_eq!(row["hostname"], "mike31.localdomain");
    assert_eq!(row["distro"], "rocky9");
    assert_eq!(row["decky_config"]["service_config"]["ssh"]["password"], "letmein");
    assert_eq!(row["decky_config"]["last_mutated"], 1_760_000_000.5);
    assert_eq!(row["decky_config"].as_object().unwrap().len(), 14);
    assert_eq!(row["state"], "running");
    assert_eq!(before, std::fs::read(&theirs).unwrap(), "the other database changed");
    // Again: the guard.
    let ran = world.run(&["import", path]).code(5);
    assert!(ran.err.contains("decky-01"), "{}", ran.err);
}

#[test]
fn what_is_no_decnet_database_is_refused() {
    let world = World::new();
    let junk = world.write("junk.db", "no database at all");
    for path in [junk.to_str().unwrap(), "/nonexistent/decnet.db"] {
        let ran = world.run(&["import", path]);
        assert!(ran.code == 3 || ran.code == 1, "{path}: {}", ran.code);
        assert!(ran.err.contains("error:") && !ran.err.contains("panicked"), "{}", ran.err);
    }
    assert_eq!(world.names(), Vec::<String>::new());
}
