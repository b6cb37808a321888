//! The kill switch, and an engine that starts again.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::World;

/// A fleet of `amount`, and the processes it runs in.
fn many(world: &World, amount: usize) -> Vec<i64> {
    let file = world.fleet("f.ini", &format!("[d]\namount = {amount}\nservices = redis\n"));
    world.run(&["deploy", "-q", file.to_str().unwrap()]).ok();
    let status = world.json(0, &["status"]);
    let pids: Vec<i64> =
        status["deckies"].as_array().unwrap().iter().map(|decky| decky["pid"].as_i64().unwrap()).collect();
    assert_eq!((pids.len(), world.listeners().len()), (amount, amount));
    pids
}

#[test]
fn the_kill_switch_needs_no_store() {
    let world = World::new();
    for ruin in [true, false] {
        let pids = many(&world, 100);
        let engine = world.engine_pid().unwrap();
        let alive = |pid: i64| Path::new(&format!("/proc/{pid}")).exists();
        if ruin {
            for side in ["decnet.db-wal", "decnet.db-shm"] {
                let _ = std::fs::remove_file(world.state().join(side));
            }
            std::fs::write(world.db(), b"this was a database once").unwrap();
        }
        let mut child = world.command(["teardown", "--all", "--now"]);
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = child.spawn().unwrap();
        crate::common::eventually("the engine is killed", || (!alive(i64::from(engine))).then_some(()));
        let since = Instant::now();
        while pids.iter().any(|pid| alive(*pid)) || !world.listeners().is_empty() {
            assert!(since.elapsed() < Duration::from_secs(4), "some still live");
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = crate::common::Ran::from(child.wait_with_output().unwrap());
        if ruin {
            let ran = ran.code(4);
            assert!(ran.err.contains("its rows stay"), "{}", ran.err);
            std::fs::remove_file(world.db()).unwrap();
        } else {
            ran.ok();
            assert_eq!(world.names(), Vec::<String>::new());
        }
    }
}

#[test]
fn an_engine_that_starts_again_runs_the_same_fleet() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = ssh\n[b]\nservices = ssh,http\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let port = (22 + world.offset).to_string();
    let keys = || {
        let ip = |decky: &serde_json::Value| decky["ip"].as_str().unwrap().to_owned();
        let ips: Vec<String> =
            world.json(0, &["list"])["deckies"].as_array().unwrap().iter().map(ip).collect();
        let mut scan = crate::common::tool("ssh-keyscan");
        let out = scan.args(["-T", "5", "-p", &port]).args(ips).output().unwrap().stdout;
        let text = String::from_utf8(out).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = (keys(), world.listeners().len());
    assert!(before.0.len() >= 4, "{before:?}");
    let first = world.engine_pid();
    world.run(&["engine", "restart"]).ok();
    let second = world.engine_pid();
    assert!(second.is_some() && first != second);
    assert_eq!(before, (keys(), world.listeners().len()));
    // None runs: it is started.
    world.run(&["engine", "stop"]).ok();
    world.run(&["engine", "restart"]).ok();
    assert_eq!(before, (keys(), world.listeners().len()));
}
