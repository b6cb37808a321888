//! The fleet's observer: scans are seen though nobody completed a handshake.

use std::net::UdpSocket;

use rustix::process::geteuid;
use serde_json::Value;

use crate::common::{World, eventually, tool};
use crate::lan::Lan;

/// Probe events, of one action.
fn probes(lines: &str, action: &str) -> Vec<Value> {
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    all.filter(|e| e["kind"] == "probe" && e["action"] == action).collect()
}

#[test]
fn a_syn_scan_of_a_lan_is_seen_and_summed_up() {
    let lan = Lan::new();
    lan.deploy(
        "[eye]\nip = 10.77.1.1\nservices = ssh,sniffer\n[web]\nip = 10.77.1.2\nservices = http\namount = 1\n",
    )
    .ok();
    let states = lan.json(&["status"]);
    assert!(states["deckies"].as_array().unwrap().iter().all(|d| d["observed"] == "running"), "{states}");
    let events = || lan.decnet(&["events", "--kind", "probe", "-o", "json"]).ok();
    eventually("an event about a ping", || {
        lan.on_attacker(&["nmap", "-n", "-sn", "-PE", "--send-ip", "10.77.1.2"]).ok();
        probes(&events(), "icmp_echo").pop()
    });
    // Ports 1 to 100 of both, raw SYNs: 22 and 80 are open and get a RST back.
    lan.on_attacker(&["nmap", "-n", "-Pn", "-sS", "-p1-100", "10.77.1.1-2"]).ok();
    lan.on_attacker(&["nmap", "-n", "-Pn", "-sX", "-p81-90", "--max-retries", "0", "10.77.1.2"]).ok();
    lan.on_attacker(&["nmap", "-n", "-Pn", "-sU", "-p1000-1010", "--max-retries", "0", "10.77.1.2"]).ok();
    // An ARP sweep, mostly of addresses that nobody has.
    lan.on_attacker(&["nmap", "-n", "-sn", "-PR", "10.77.1.0/27"]).ok();
    let scan = eventually("an event about the SYN scan", || {
        probes(&events(), "tcp_syn").into_iter().find(|e| e["probe"]["targets"] == 2)
    });
    let probe = &scan["probe"];
    assert_eq!((&probe["ports"], &probe["goes_on"]), (&100.into(), &false.into()), "{scan}");
    assert!(probe["half_open"].as_u64().unwrap() >= 2 && probe["closed"].as_u64().unwrap() >= 198, "{scan}");
    assert_eq!(probe["deckies"], serde_json::json!(["eye", "web"]));
    assert_eq!(scan["source"]["ip"], "10.77.0.1");
    for (action, key, least) in [("tcp_xmas", "ports", 10), ("udp", "ports", 11), ("arp", "targets", 20)] {
        let event = eventually(action, || probes(&events(), action).into_iter().next());
        assert!(event["probe"][key].as_u64().unwrap() >= least, "{event}");
        assert_ne!(event["decky"], "", "{event}");
    }
    // 200 and more packets came to a handful of events.
    assert!(events().lines().count() < 20);
}

#[test]
fn it_watches_a_loopback_fleet_for_as_long_as_a_decky_asks_for_it() {
    let world = World::new();
    let (one, two) = (world.ip(1), world.ip(2));
    let file = world.fleet(
        "f.ini",
        &format!("[one]\nip = {one}\nservices = ssh,sniffer\n[two]\nip = {two}\nservices = redis,sniffer\n"),
    );
    if !geteuid().is_root() {
        // Says so instead of pretending: exit 4, and the reason.
        let ran = world.run(&["deploy", file.to_str().unwrap()]).code(4);
        assert!(ran.err.contains("CAP_NET_RAW"), "{}", ran.err);
        return;
    }
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let touched = || {
        for port in 30_000..30_010u16 {
            client.send_to(b"x", (two, port)).ok();
        }
        let lines = world.run(&["events", "-o", "json"]).ok();
        probes(&lines, "udp").into_iter().next()
    };
    let event = eventually("an event about the datagrams", touched);
    assert_eq!((&event["decky"], &event["probe"]["closed"]), (&"two".into(), &event["probe"]["packets"]));
    let sniffers = || {
        let me = world.engine_pid().unwrap().to_string();
        let out = tool("ps").args(["--ppid", &me, "-o", "args="]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().lines().filter(|l| l.contains("__sniffer")).count()
    };
    assert_eq!(sniffers(), 1, "one for the fleet, however many ask for it");
    world.run(&["teardown", "one"]).ok();
    assert_eq!(sniffers(), 1);
    let without = world.fleet("g.ini", &format!("[two]\nip = {two}\nservices = redis\n"));
    world.run(&["deploy", "--replace-fleet", without.to_str().unwrap()]).ok();
    eventually("its end", || (sniffers() == 0).then_some(()));
}
