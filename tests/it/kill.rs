//! `kill -9` at seeded random moments: of the deploy, of the engine, of a worker, of all of them.
//!
//! After each: nothing acknowledged is lost, nothing is doubled, nothing is left running that nobody
//! wants, and the next run converges. `DECNET_KILLS` says how many kills in all (default 100, the full
//! programme is 1000); a failure prints the seed, and `DECNET_KILL_SEED` replays it.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Ran, World, eventually, within};

/// A small generator of our own so that a seed means the same on every machine (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Sends SIGKILL; a process that is already gone is fine.
pub(crate) fn kill(pid: i64) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn rows(world: &World) -> Vec<serde_json::Value> {
    world.json(0, &["list"])["deckies"].as_array().unwrap().clone()
}

fn names_in(rows: &[serde_json::Value]) -> BTreeSet<String> {
    rows.iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
}

/// What must hold after every kill and one more run.
fn check(world: &World, acknowledged: &BTreeSet<String>, seed: u64, round: u64) {
    let context = format!("seed {seed}, round {round}");
    // A worker that is just being restarted can be told as `degraded` once; the next call sees it up.
    let converged = (0..3).any(|_| world.run(&["reconcile", "-q"]).code == 0);
    assert!(converged, "{context}: three reconciles and no end");
    // The death of a worker is noticed a moment after it: what counts is where it settles.
    eventually(&format!("{context}: all is well"), || {
        (world.run(&["status", "--exit-code", "-q"]).code == 0).then_some(())
    });
    let all = rows(world);
    let names = names_in(&all);
    assert!(acknowledged.is_subset(&names), "{context}: lost {:?}", acknowledged.difference(&names));
    let addresses: BTreeSet<_> = all.iter().map(|r| r["ip"].to_string()).collect();
    assert_eq!(addresses.len(), all.len(), "{context}: an address is shared: {all:?}");
    assert!(all.iter().all(|r| r["state"] == "running"), "{context}: {all:?}");
    let again = world.run(&["reconcile", "--exit-code"]).code(0);
    assert!(again.out.contains("No changes."), "{context}: {}", again.out);
    // Exactly the sockets that the rows want, and no others.
    let wanted: BTreeSet<String> = all.iter().map(|r| r["ip"].as_str().unwrap().to_owned()).collect();
    let listening: BTreeSet<String> = world.listeners().into_iter().map(|(ip, _)| ip.to_string()).collect();
    assert_eq!(listening, wanted, "{context}");
}

#[test]
fn nothing_acknowledged_is_lost_at_any_moment() {
    let total = number("DECNET_KILLS", 100);
    let seed = number("DECNET_KILL_SEED", 20_261_123);
    let mut dice = Dice(seed);
    let started = Instant::now();
    let mut round = 0;
    while round < total {
        // A world for some rounds: fleets grow, shrink and are replaced in it.
        let world = World::new();
        let mut acknowledged = BTreeSet::new();
        for _ in 0..12 {
            if round == total || started.elapsed() > Duration::from_secs(600) {
                break;
            }
            round += 1;
            one(&world, &mut acknowledged, &mut dice, seed, round);
        }
        world.run(&["teardown", "--all", "-q"]).ok();
        eventually("every socket is closed", || world.listeners().is_empty().then_some(()));
        if started.elapsed() > Duration::from_secs(600) {
            break;
        }
    }
    assert!(round >= total.min(40), "only {round} of {total} kills in ten minutes");
    // Libtest shows this with --nocapture: the figure belongs into reports.
    println!("{round} kills in {:.0?}, seed {seed}", started.elapsed());
}

fn one(world: &World, acknowledged: &mut BTreeSet<String>, dice: &mut Dice, seed: u64, round: u64) {
    let name = format!("k{round:04}");
    let file =
        world.fleet("k.ini", &format!("[{name}]\nservices = redis\n[{name}-b]\nservices = redis,http\n"));
    let removing = !acknowledged.is_empty() && dice.roll(4) == 0;
    let victim = acknowledged.iter().nth(dice.roll(acknowledged.len().max(1) as u64) as usize).cloned();
    let mut command = match (&victim, removing) {
        (Some(victim), true) => world.command(["teardown", victim]),
        _ => world.command(["deploy", file.to_str().unwrap()]),
    };
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let target = dice.roll(4);
    std::thread::sleep(Duration::from_micros(dice.roll(250_000)));
    match target {
        0 => kill(i64::from(child.id())),
        1 => kill(world.engine_pid().map_or(0, i64::from)),
        2 => {
            let status = world.json(0, &["status"]);
            let pids: Vec<i64> =
                status["deckies"].as_array().unwrap().iter().filter_map(|d| d["pid"].as_i64()).collect();
            if !pids.is_empty() {
                kill(pids[dice.roll(pids.len() as u64) as usize]);
            }
        }
        _ => {
            kill(i64::from(child.id()));
            kill(world.engine_pid().map_or(0, i64::from));
        }
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(!ran.err.contains("panicked"), "seed {seed}, round {round}: {}", ran.err);
    if removing && let Some(victim) = victim {
        // Killed or not, the removal may have been recorded: then it must end as one.
        acknowledged.remove(&victim);
    } else if ran.code == 0 || ran.code == 4 {
        acknowledged.insert(name.clone());
        acknowledged.insert(format!("{name}-b"));
    }
    check(world, acknowledged, seed, round);
}

#[test]
fn workers_end_with_their_engine() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = redis,http\n[b]\nservices = ssh\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    assert!(world.listeners().len() >= 3);
    kill(world.engine_pid().map(i64::from).unwrap());
    within(Duration::from_secs(1), "orphans", || {
        let left = world.listeners();
        (!left.is_empty()).then(|| format!("{left:?}"))
    });
    let status = world.json(0, &["status"]);
    assert_eq!(status["engine"]["running"], false);
    assert_eq!(status["down"], 2);
}

#[test]
fn an_interrupted_deploy_says_where_it_stands() {
    let world = World::new();
    let body: String = (0..60).map(|n| format!("[d{n:02}]\nservices = redis\n")).collect();
    let file = world.fleet("f.ini", &body);
    let child = world
        .command(["deploy", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Interrupt once the intent is committed, which the first row shows.
    eventually("the intent is recorded", || (world.names().len() == 60).then_some(()));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = kill_process(pid, Signal::INT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    // It may have been done before the signal came.
    assert!(ran.code == 130 || ran.code == 0, "{} {}", ran.code, ran.err);
    if ran.code == 130 {
        assert!(ran.err.contains("interrupted") && ran.err.contains("done"), "{}", ran.err);
    }
    world.run(&["reconcile", "-q"]).ok();
    world.run(&["status", "--exit-code", "-q"]).ok();
}

/// The process that workers are forked from.
fn nursery(engine: i64) -> Option<i64> {
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: i64 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = stat.strip_prefix(&format!("{pid} (decnet-nursery) "))?;
        let mut fields = rest.split(' ');
        let alive = fields.next()? != "Z";
        (alive && fields.next()? == engine.to_string()).then_some(pid)
    })
}

#[test]
fn a_killed_nursery_costs_no_worker_and_is_started_again() {
    let world = World::new();
    let pid = |name: &str| {
        let status = world.json(0, &["status"]);
        status["deckies"].as_array().unwrap().iter().find(|d| d["name"] == name)?["pid"].as_i64()
    };
    let file = world.fleet("a.ini", "[a]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let engine = world.engine_pid().map(i64::from).unwrap();
    let before = (nursery(engine).unwrap(), pid("a").unwrap());
    kill(before.0);
    eventually("the nursery is gone", || nursery(engine).is_none().then_some(()));
    let file = world.fleet("b.ini", "[b]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    assert_eq!(world.run(&["status", "--exit-code", "-q"]).code, 0);
    assert_eq!(pid("a"), Some(before.1));
    // A worker that ends unasked takes the addresses it knew out of use.
    let second = nursery(engine).unwrap();
    kill(before.1);
    eventually("another nursery and another worker", || {
        let renewed = nursery(engine).is_some_and(|pid| pid != second);
        (renewed && pid("a").is_some_and(|pid| pid != before.1)).then_some(())
    });
    assert_eq!(world.listeners().len(), 2);
}
