//! What is left of a fleet on a LAN after `kill -9`, and what its deckies may send after a crash.
//!
//! `DECNET_LAN_KILLS` says how many kills (default 12); a failure prints the seed, and
//! `DECNET_LAN_KILL_SEED` replays it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Ran, eventually, within};
use crate::kill::{Dice, kill, number};
use crate::lan::Lan;

const SIX: &str = "[d0]\nip = 10.77.0.10\nservices = ssh\n[d1]\nip = 10.77.0.11\nservices = ssh, http\n\
                   [d2]\nip = 10.77.0.12\nservices = redis\n[d3]\nip = 10.77.0.13\nservices = http\n\
                   [d4]\nip = 10.77.0.14\nservices = ssh\n[d5]\nip = 10.77.0.15\nservices = redis\n";
const RANGE: &str = "10.77.0.10-15";

/// State and parent of a process that is there.
fn process(pid: i64) -> Option<(char, i64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Runs, or is still being ended.
fn lives(pid: i64) -> bool {
    process(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn children(of: i64) -> Vec<i64> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| process(*pid).is_some_and(|(_, parent)| parent == of)).collect()
}

/// Links, tables and processes that are still there, in words.
fn left(lan: &Lan, pids: &[i64]) -> Option<String> {
    let alive: Vec<i64> = pids.iter().copied().filter(|pid| lives(*pid)).collect();
    let tables = lan.on_host(&["nft", "list", "tables"]).ok();
    let links = lan.children();
    (links > 0 || !tables.is_empty() || !alive.is_empty())
        .then(|| format!("{links} links, tables {tables:?}, processes {alive:?}"))
}

#[test]
fn nothing_is_left_of_what_was_killed_at_any_moment() {
    let lan = Lan::new();
    let file = lan.world.write("fleet.ini", format!("[general]\ndriver = macvlan\n{SIX}"));
    let (total, seed) = (number("DECNET_LAN_KILLS", 12), number("DECNET_LAN_KILL_SEED", 20_261_123));
    let mut dice = Dice(seed);
    let started = Instant::now();
    let (mut longest, mut engines) = (Duration::ZERO, 0);
    let mut kills = 0;
    for round in 0..total {
        // On a machine that is busy with other things the rest is left to who asks for a number.
        if kills >= 6 && total <= 12 && started.elapsed() > Duration::from_secs(14) {
            break;
        }
        kills += 1;
        let (args, moment): (&[&str], u64) = match round % 2 {
            0 => (&["deploy", file.to_str().unwrap(), "--yes", "--no-probe"], 500),
            _ => (&["teardown", "d1", "d3", "d5", "--yes"], 250),
        };
        let mut command = lan.command(&[], args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.roll(moment)));
        let target = dice.roll(3);
        let context = format!("seed {seed}, round {round}, {} target {target}", args[0]);
        let engine = lan.world.engine_pid().map(i64::from);
        let workers = engine.map(children).unwrap_or_default();
        if target != 1 {
            engines += u64::from(engine.is_some());
            // The command would start another engine.
            let _ = child.kill();
            kill(engine.unwrap_or(0));
        }
        if target != 0 {
            workers.iter().for_each(|worker| kill(*worker));
        }
        if target != 1 {
            let pids: Vec<i64> = workers.into_iter().chain(engine).collect();
            longest = longest.max(within(Duration::from_secs(1), &context, || left(&lan, &pids)));
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(!ran.err.contains("panicked"), "{context}: {}", ran.err);

        let converged = || {
            let ran = lan.decnet(&["reconcile"]);
            let status = lan.decnet(&["status", "--exit-code", "-q"]).code;
            (ran.code == 0 && status == 0).then_some(()).ok_or((status, ran.out, ran.err))
        };
        // A new engine makes it so at once; one that lives may only now notice that its workers died.
        match converged() {
            Err(_) if target == 1 => eventually(&context, || converged().ok()),
            other => assert_eq!(other, Ok(()), "{context}"),
        }
        // A scan waits for those that are not there.
        if round % 3 == 0 {
            assert_eq!(lan.found(RANGE), lan.recorded(), "{context}");
        }
    }
    lan.decnet(&["teardown", "--all", "--yes"]).ok();
    eventually("every link and table is gone", || left(&lan, &[]).is_none().then_some(()));
    assert!(engines > 0 || kills < 6, "no engine was met");
    println!(
        "{total} kills, {engines} of an engine, in {:.0?}, seed {seed}; gone after at most {longest:.0?}",
        started.elapsed()
    );
}

/// The namespaces that the engine holds and that are not the host's.
fn namespaces(lan: &Lan) -> Vec<String> {
    let host = std::fs::read_link(format!("/proc/{}/ns/net", lan.host.pid())).unwrap();
    let engine = lan.world.engine_pid().expect("an engine");
    let fds = std::fs::read_dir(format!("/proc/{engine}/fd")).unwrap().flatten();
    fds.filter(|fd| {
        std::fs::read_link(fd.path())
            .is_ok_and(|to| to != host && to.to_str().is_some_and(|to| to.starts_with("net:[")))
    })
    .map(|fd| fd.path().display().to_string())
    .collect()
}

/// Packets from the decky that the attacker's host got.
fn counted(lan: &Lan) -> u64 {
    let rules = lan.on_attacker(&["nft", "list", "table", "ip", "watch"]).ok();
    let after = rules.split("packets ").nth(1).expect("a counter");
    after.split_whitespace().next().unwrap().parse().unwrap()
}

/// What leaves the one decky of this fleet on its own account: nothing, as root in its own namespace.
fn drill(lan: &Lan) {
    let rules = [
        "table ip watch",
        "delete table ip watch",
        "table ip watch { chain seen { type filter hook prerouting priority 0; ip saddr 10.77.0.10 counter; }; }",
    ];
    lan.on_attacker(&["nft", &rules.join("; ")]).ok();
    let held = namespaces(lan);
    assert_eq!(held.len(), 1, "{held:?}");
    let inside = format!("--net={}", held[0]);
    let run = |words: &[&str]| lan.on_host(&[&["nsenter", &inside], words].concat());
    assert!(run(&["ip", "-4", "addr"]).ok().contains("10.77.0.10"), "another namespace");
    for open in ["exec 3<>/dev/tcp/10.77.0.1/9", "echo x > /dev/udp/10.77.0.1/53"] {
        assert_ne!(run(&["timeout", "0.3", "bash", "-c", open]).code, 0, "{open}");
    }
    // By raw sockets.
    assert_eq!(counted(lan), 0, "a socket of its own");
    for scan in [
        &["-Pn", "-sS", "-p80"][..],
        &["-Pn", "-sF", "-p80"],
        &["-Pn", "-sU", "-p53"],
        &["-sn", "-PE"],
        &["-Pn", "-sA", "-p80"],
    ] {
        let nmap = ["nmap", "-n", "-e", "eth0", "--send-ip", "--disable-arp-ping", "--max-retries", "0"];
        let _ = run(&[&nmap, scan, &["--host-timeout", "1s", "10.77.0.1"]].concat());
        assert_eq!(counted(lan), 0, "{scan:?}");
    }
    // The counter counts: a question is answered.
    let page = lan.on_attacker(&["curl", "-sS", "-m", "5", "-o", "/dev/null", "http://10.77.0.10/"]);
    assert_eq!(page.code, 0, "{}", page.err);
    assert!(counted(lan) > 0);
}

/// What the kernel says of a worker: nothing of root, no way to get it, a filter on its calls.
fn is_shut_in(pid: i64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        assert_eq!(value(set), Some("0000000000000000"), "{set} {status}");
    }
    assert_eq!((value("NoNewPrivs"), value("Seccomp")), (Some("1"), Some("2")), "{status}");
    let uids: Vec<&str> = value("Uid").unwrap().split('\t').collect();
    assert!(uids.iter().all(|uid| *uid == uids[0] && *uid != "0"), "{status}");
}

#[test]
fn nothing_leaves_a_decky_that_came_back_after_a_crash() {
    let lan = Lan::new();
    lan.deploy("[a]\nip = 10.77.0.10\nservices = ssh, http\n").ok();
    let pid = || lan.json(&["status"])["deckies"][0]["pid"].as_i64();
    let first = pid().expect("a worker");
    is_shut_in(first);
    kill(first);
    eventually("another worker serves", || {
        let row = lan.json(&["status"])["deckies"][0].clone();
        (row["observed"] == "running" && row["pid"].as_i64().is_some_and(|pid| pid != first)).then_some(())
    });
    is_shut_in(pid().unwrap());
    let open = lan.hold("10.77.0.10", 22);
    drill(&lan);
    drop(open);
    lan.decnet(&["engine", "restart"]).ok();
    is_shut_in(pid().unwrap());
    drill(&lan);
    lan.kill_engine();
    lan.decnet(&["reconcile"]).ok();
    is_shut_in(pid().unwrap());
    let open = lan.hold("10.77.0.10", 22);
    drill(&lan);
    drop(open);
}

#[test]
fn a_network_that_is_full_is_named() {
    let lan = Lan::new();
    let ran = lan.deploy("net = 10.77.0.0/29\n[d]\namount = 9\nservices = ssh\n").code(3);
    assert!(ran.err.contains("10.77.0.0/29"), "{}", ran.err);
    assert!(!lan.world.db().exists(), "something was recorded");
}
