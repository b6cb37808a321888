//! The walls around what talks to attackers.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::common::World;

#[test]
fn the_escape_drill_is_denied_throughout() {
    let world = World::new();
    let out = world.run(&["__drill"]).ok();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() >= 40, "only {} actions", lines.len());
    assert!(lines.iter().all(|l| l.starts_with("denied")), "{out}");
}

#[test]
fn a_worker_holds_nothing_it_does_not_need() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = ssh,http\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let pid = world.json(0, &["status"])["deckies"][0]["pid"].as_i64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        status.lines().find_map(|l| l.strip_prefix(&format!("{name}:"))).unwrap_or_default().trim().to_owned()
    };
    for none in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        // A user without privileges cannot empty the bounding set, and has nothing in it to use.
        if none != "CapBnd" || rustix::process::geteuid().is_root() {
            assert_eq!(field(none), "0000000000000000", "{none}");
        }
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    assert_eq!(field("Threads"), "1");
    // Its environment and command line carry no secret.
    assert!(std::fs::read(format!("/proc/{pid}/cmdline")).unwrap().starts_with(b"/proc/self/exe\0__workers"));
}

/// The 16 random bytes of the key exchange that an ssh server opens with (RFC 4253 §7.1).
fn cookie(address: (std::net::Ipv4Addr, u16)) -> [u8; 16] {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    reader.read_until(b'\n', &mut Vec::new()).unwrap();
    let mut packet = [0u8; 22];
    reader.read_exact(&mut packet).unwrap();
    assert_eq!(packet[5], 20, "no SSH_MSG_KEXINIT");
    packet[6..].try_into().unwrap()
}

/// They are forks of one process: nothing random may have been drawn before.
#[test]
fn workers_share_no_random_numbers() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = ssh\namount = 4\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let listeners = world.listeners();
    assert_eq!(listeners.len(), 4);
    let cookies: BTreeSet<[u8; 16]> = listeners.into_iter().map(cookie).collect();
    assert_eq!(cookies.len(), 4);
}
