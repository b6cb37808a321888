//! Plans: the same twice, saved, stale, drifting, and never written by a dry run.

use crate::common::{World, eventually};

const THREE: &str = "[a]\nservices = redis\n[b]\narchetype = linux-server\n[c]\nservices = mysql\n";

fn bytes(world: &World) -> Vec<u8> {
    std::fs::read(world.db()).unwrap()
}

#[test]
fn deploy_twice_is_a_conflict_additively_and_nothing_with_replace() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    let path = file.to_str().unwrap();
    world.run(&["deploy", path]).ok();
    world.run(&["deploy", path]).code(5).err.clear();
    let before = bytes(&world);
    let ran = world.run(&["deploy", "--replace-fleet", path]).code(0);
    assert!(ran.out.contains("No changes.") && ran.out.contains("3 unchanged."), "{}", ran.out);
    assert_eq!(before, bytes(&world), "the store changed");
    world.run(&["plan", "--replace-fleet", "--exit-code", path]).ok();
}

#[test]
fn reordering_changes_nothing() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let turned =
        world.fleet("g.ini", "[c]\nservices = mysql\n[b]\narchetype = linux-server\n[a]\nservices = redis\n");
    let ran = world.run(&["plan", "--replace-fleet", "--exit-code", turned.to_str().unwrap()]);
    assert!(ran.ok().contains("No changes."));
}

#[test]
fn export_deploys_to_no_change() {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        &format!("{THREE}[b.ssh]\nuser_password = p%a # s\n[d]\nservices=ftp\nmutate_interval=60\n"),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let exported = world.run(&["export"]).ok();
    let ran = world.run_with_input(&["deploy", "--replace-fleet", "-"], exported.as_bytes()).code(0);
    assert!(ran.out.contains("No changes."), "{exported}\n{}\n{}", ran.out, ran.err);
}

#[test]
fn a_plan_is_the_same_bytes_twice_and_writes_nothing() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let next = world.fleet("g.ini", "[a]\nservices = redis,ssh\n[x]\nservices = http\n");
    let args = ["plan", "--replace-fleet", "-o", "json", next.to_str().unwrap()];
    let before = bytes(&world);
    let run = || {
        let mut command = world.command(args);
        command.env("DECNET_NOW", "2026-11-23T15:00:00Z");
        crate::common::Ran::from(command.output().unwrap()).ok()
    };
    let first = run();
    assert_eq!(first, run());
    let dry = world.run(&["deploy", "--dry-run", "--replace-fleet", next.to_str().unwrap()]).ok();
    assert!(
        dry.contains("Plan: 1 to add, 1 to change, 0 to replace, 0 to repair, 2 to remove, 0 unchanged."),
        "{dry}"
    );
    assert_eq!(before, bytes(&world));
    world.run(&["plan", "--replace-fleet", "--exit-code", next.to_str().unwrap()]).code(10).err.clear();
}

#[test]
fn a_plan_without_a_store_makes_none() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    let out = world.run(&["plan", file.to_str().unwrap()]).ok();
    assert!(out.contains("Plan: 3 to add, 0 to change"), "{out}");
    assert!(!world.db().exists());
}

#[test]
fn a_saved_plan_applies_exactly_once() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    let plan = world.path("f.plan");
    let (file, plan) = (file.to_str().unwrap(), plan.to_str().unwrap());
    world.run(&["plan", "--out", plan, file]).ok();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(plan).unwrap().permissions().mode() & 0o777, 0o600);
    world.run(&["deploy", "--plan", plan]).ok();
    assert_eq!(world.names(), ["a", "b", "c"]);
    let ran = world.run(&["deploy", "--plan", plan]).code(5);
    assert!(ran.err.contains("no longer valid"), "{}", ran.err);
}

#[test]
fn a_saved_plan_is_refused_when_file_or_fleet_changed() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = redis\n");
    let plan = world.path("f.plan");
    world.run(&["plan", "--out", plan.to_str().unwrap(), file.to_str().unwrap()]).ok();
    world.fleet("f.ini", "[a]\nservices = mysql\n");
    let ran = world.run(&["deploy", "--plan", plan.to_str().unwrap()]).code(5);
    assert!(ran.err.contains("f.ini"), "{}", ran.err);
    world.fleet("f.ini", "[a]\nservices = redis\n");
    let other = world.fleet("g.ini", "[z]\nservices = redis\n");
    world.run(&["deploy", other.to_str().unwrap()]).ok();
    world.run(&["deploy", "--plan", plan.to_str().unwrap()]).code(5).err.clear();
    assert_eq!(world.names(), ["z"]);
    let junk = world.write("junk.plan", "{}");
    world.run(&["deploy", "--plan", junk.to_str().unwrap()]).code(3).err.clear();
}

#[test]
fn drift_shows_as_repair_and_reconcile_mends_it() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    let path = file.to_str().unwrap();
    world.run(&["deploy", path]).ok();
    world.run(&["engine", "stop"]).ok();
    let out = world.run(&["plan", "--replace-fleet", path]).ok();
    assert!(out.contains("3 to repair"), "{out}");
    world.run(&["status", "--exit-code"]).code(11).err.clear();
    world.run(&["reconcile"]).ok();
    world.run(&["status", "--exit-code"]).ok();
    let status = world.json(0, &["status"]);
    assert_eq!(status["drift"], 0);
    assert_eq!(status["engine"]["running"], true);
}

#[test]
fn a_killed_worker_comes_back() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let pid = world.json(0, &["status"])["deckies"][0]["pid"].as_i64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the worker is replaced", || {
        let now = world.json(0, &["status"])["deckies"][0].clone();
        (now["observed"] == "running"
            && now["pid"].as_i64() != Some(i64::from(pid.as_raw_nonzero().get()))
            && now["restarts"] == 1)
            .then_some(())
    });
}

#[test]
fn quick_fleets_continue_the_numbers() {
    let world = World::new();
    let net = world.subnet();
    // Port offsets come from files only, so a file makes the network first.
    let file = world.fleet("f.ini", "[decky-07]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world.run(&["deploy", "-n", "2", "--archetype", "linux-server", "--subnet", &net]).ok();
    assert_eq!(world.names(), ["decky-07", "decky-08", "decky-09"]);
    world.run(&["deploy", "-n", "2"]).code(2).err.clear();
    world.run(&["deploy", "-n", "2", "--services", "nonsense"]).code(3).err.clear();
    world.run(&["deploy", "-n", "2", "--archetype", "mail-sever"]).code(3).err.clear();
}

#[test]
fn mutate_draws_another_set_and_replace_keeps_it() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\narchetype = linux-server\n");
    let path = file.to_str().unwrap();
    world.run(&["deploy", path]).ok();
    let before = world.json(0, &["list"])["deckies"][0]["services"].clone();
    let doc = world.json(0, &["mutate", "a"]);
    assert_eq!(doc["mode"], "mutate");
    let after = world.json(0, &["list"])["deckies"][0]["services"].clone();
    assert_ne!(before, after);
    assert!(world.run(&["deploy", "--replace-fleet", path]).ok().contains("No changes."));
    world.run(&["mutate", "nobody"]).code(9).err.clear();
}

#[test]
fn teardown_removes_what_it_names() {
    let world = World::new();
    let file = world.fleet("f.ini", THREE);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world.run(&["teardown"]).code(2).err.clear();
    world.run(&["teardown", "nobody", "a"]).code(9).err.clear();
    assert_eq!(world.names().len(), 3);
    let doc = world.json(0, &["teardown", "a"]);
    assert_eq!(doc["summary"]["remove"], 1);
    assert_eq!(doc["result"]["state"], "applied");
    assert_eq!(world.names(), ["b", "c"]);
    world.run(&["teardown", "--all", "--now"]).ok();
    assert_eq!(world.names(), Vec::<String>::new());
}
