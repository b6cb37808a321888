//! How long a plan takes over 10,000 recorded deckies, and how much memory: `cargo bench --bench plan`.
//!
//! Each figure is a whole run of the program, beside a bare read of the same rows in the same run:
//! the ratio is what a busy machine does not change.

#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

mod common;

use std::time::Duration;

use common::{World, ms, time};
use nix::sys::resource::{UsageWho, getrusage};

const DECKIES: usize = 10_000;
const RUNS: usize = 9;

/// A store with 10,000 rows, made as another program would: an INSERT a row.
fn filled() -> World {
    let world = World::new();
    let first = world.path("first.ini");
    std::fs::write(
        &first,
        "[general]\ndriver=loopback\nnet=127.90.0.0/16\nport_offset=30000\n[first]\nservices=redis\n",
    )
    .expect("write");
    world.run(&["deploy", "-q", &first.display().to_string()]);
    world.run(&["engine", "stop"]);
    let mut db = rusqlite::Connection::open(world.path("state/decnet.db")).expect("open the store");
    let txn = db.transaction().expect("transaction");
    for n in 0..DECKIES - 1 {
        let ip = format!("127.90.{}.{}", 1 + n / 250, 1 + n % 250);
        let config = format!(
            "{{\"name\":\"d{n:05}\",\"ip\":\"{ip}\",\"services\":[\"ssh\",\"http\"],\"distro\":\"debian\",\"base_image\":\"debian:bookworm-slim@sha256:f9c6a2fd2ddbc23e336b6257a5245e31f996953ef06cd13a59fa0a1df2d5c252\",\"build_base\":\"debian:bookworm-slim@sha256:f9c6a2fd2ddbc23e336b6257a5245e31f996953ef06cd13a59fa0a1df2d5c252\",\"hostname\":\"SRV-H{n:05}\",\"archetype\":null,\"service_config\":{{}},\"nmap_os\":\"linux\",\"mutate_interval\":null,\"last_mutated\":0.0,\"last_login_attempt\":0.0,\"host_uuid\":null}}"
        );
        txn.execute(
            "INSERT INTO fleet_deckies (host_uuid,name,services,decky_config,decky_ip,state,updated_at)
             VALUES ('local',?1,'[\"ssh\",\"http\"]',?2,?3,'running','2026-11-23 15:00:00.000000')",
            (format!("d{n:05}"), config, ip),
        )
        .expect("insert");
    }
    txn.commit().expect("commit");
    world
}

fn bare_read(world: &World) {
    let db = rusqlite::Connection::open(world.path("state/decnet.db")).expect("open");
    let mut query =
        db.prepare("SELECT name, decky_ip, decky_config FROM fleet_deckies ORDER BY name").expect("prepare");
    let rows = query
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .expect("query");
    assert_eq!(rows.filter(Result::is_ok).count(), DECKIES);
}

fn show(what: &str, took: [Duration; 3], bare: [Duration; 3]) {
    let ratio = took[1].as_secs_f64() / bare[1].as_secs_f64();
    println!(
        "{what:<44} min {:>9}  median {:>9}  max {:>9}  {ratio:.1} x bare read",
        ms(took[0]),
        ms(took[1]),
        ms(took[2])
    );
}

fn main() {
    let world = filled();
    let one = world.path("one.ini");
    std::fs::write(&one, "[one-more]\nservices = redis\n").expect("write");
    let bare = time(RUNS, || bare_read(&world));
    println!("{DECKIES} recorded deckies, {RUNS} runs each; a bare read of the rows takes {}", ms(bare[1]));
    let one = one.display().to_string();
    show("one-decky additive plan", time(RUNS, || drop(world.run(&["plan", &one]))), bare);
    let mut groups = String::from("[general]\ndriver=loopback\nnet=127.90.0.0/16\nport_offset=30000\n");
    for n in 0..100 {
        groups.push_str(&format!("[g{n:02}]\nservices=redis\namount=100\n"));
    }
    let file = world.path("groups.ini");
    std::fs::write(&file, groups).expect("write");
    let file = file.display().to_string();
    show(
        "10,000-decky replace, everything new",
        time(3, || drop(world.run(&["plan", "--replace-fleet", "-q", "-o", "name", &file]))),
        bare,
    );
    world_of_groups(&file, bare);
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage").max_rss();
    println!("peak memory of the largest run: {:.1} MB", peak as f64 / 1024.0);
}

/// The recorded fleet is exactly the file, and no engine runs: nothing changes, all of it is to be repaired.
fn world_of_groups(file: &str, bare: [Duration; 3]) {
    let world = World::new();
    world.run(&["deploy", "--no-wait", "-q", file]);
    world.run(&["engine", "stop"]);
    show(
        "10,000-decky replace, all of it drifting",
        time(RUNS, || drop(world.run(&["plan", "--replace-fleet", "-q", file]))),
        bare,
    );
}
