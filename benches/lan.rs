//! What a fleet on a LAN costs: `cargo bench --bench lan`, as root; `DECNET_DECKIES=200` for another size than
//! 1,000, `DECNET_HOST_ACCESS=1` for one that the host itself reaches. Host and attacker are two network namespaces with a cable between them.
//!
//! Beside the whole, in the same run: the limit (namespaces with a macvlan link and nothing else), and what
//! the engine's set-up thread adds to it (settings, address, route, rules excepted, sockets).
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{World, ms};
use decnet::engine::fabric::{Claim, Fabric, Kept, Lan, NoRules, Prepared};
use decnet::host::net::{Child, ChildMode, Namespace, Rtnetlink, Traveller, room_for_neighbours};
use decnet::model::{Decky, Mac, Network};

/// Pause between two looks at what is still there.
const TICK: Duration = Duration::from_millis(2);

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().expect("run ip");
    assert!(done.success(), "ip {words}");
}

fn mac(number: u32) -> Mac {
    let [_, b, c, d] = number.to_be_bytes();
    Mac([0x02, 0x1b, 0x21, b, c, d])
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 1, 0)) + number)
}

/// Memory of the kernel that namespaces, links and sockets are made of, in kB.
fn kernel() -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("meminfo");
    let wanted = ["SReclaimable:", "SUnreclaim:", "Percpu:"];
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        wanted.contains(&words.next()?).then(|| words.next()?.parse::<i64>().ok()).flatten()
    };
    text.lines().filter_map(one).sum()
}

/// The same once it stands still: the kernel frees namespaces long after they are gone.
fn settled() -> i64 {
    let mut last = kernel();
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = kernel();
        if (now - last).abs() < 1000 {
            return now;
        }
        last = now;
    }
}

/// Private memory of a process, in kB.
fn private(pid: i64) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<i64>().ok()).sum()
}

/// Whether a service says what it says first.
fn answers(ip: Ipv4Addr, port: u16) -> bool {
    let (question, start): (&[u8], &[u8]) = match port {
        22 => (b"", b"SSH-"),
        80 => (b"GET / HTTP/1.0\r\n\r\n", b"HTTP"),
        // A password may be wanted.
        _ => (b"PING\r\n", b""),
    };
    let talk = || {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from((ip, port)), Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(question).ok()?;
        let mut said = [0; 4];
        stream.read_exact(&mut said).ok()?;
        Some(said.starts_with(start))
    };
    talk().unwrap_or(false)
}

/// Does `work` for all of `0..count`, by sixteen of the attacker's threads; how many times it was true.
fn attack(attacker: &Namespace, count: usize, work: impl Fn(usize) -> bool + Sync) -> usize {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = || {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                // A thread is in the namespace of the one that started it.
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        done.fetch_add(usize::from(work(number)), Ordering::Relaxed);
                    }
                });
            }
        });
    };
    attacker.enter(run).expect("enter");
    done.into_inner()
}

/// Connections a second to every decky's ssh, and how many came to nothing.
fn rate(attacker: &Namespace, ips: &[Ipv4Addr]) -> (f64, usize) {
    let count = ips.len() * 3;
    let start = Instant::now();
    let connect = |n: usize| {
        let to = SocketAddr::from((ips[n % ips.len()], 22));
        TcpStream::connect_timeout(&to, Duration::from_secs(5)).is_ok()
    };
    let good = attack(attacker, count, connect);
    (good as f64 / start.elapsed().as_secs_f64(), count - good)
}

/// Waits until nothing hangs on the parent.
fn until_bare() -> Duration {
    let since = Instant::now();
    loop {
        let text = Command::new("ip").args(["-d", "link", "show", "par0"]).output().expect("run ip");
        if String::from_utf8_lossy(&text.stdout).contains("promiscuity 0 ") {
            return since.elapsed();
        }
        std::thread::sleep(TICK);
    }
}

/// How long it takes to make so many, and to take them away, and kernel memory of one in kB.
fn bare(count: u32, parent: u32) -> (Duration, Duration, i64) {
    let before = settled();
    let travel = Traveller::new().expect("travel");
    let mut netlink = Rtnetlink::open().expect("netlink");
    let start = Instant::now();
    let made: Vec<Namespace> = (0..count)
        .map(|n| {
            let made = travel.found(|namespace| {
                let namespace = namespace.expect("a namespace");
                let mode = ChildMode::Private(mac(n));
                let child = Child { name: "eth0", index: 2, parent, mode, up: true };
                netlink.create_child(&child, namespace.as_fd()).expect("a link");
                namespace
            });
            made.expect("a namespace")
        })
        .collect();
    let took = start.elapsed();
    let memory = (settled() - before) / i64::from(count);
    let start = Instant::now();
    drop(made);
    until_bare();
    (took, start.elapsed(), memory)
}

fn prepared(count: u32, network: &Network) -> Duration {
    let mut lan = Lan::start(Box::new(NoRules)).expect("a set-up thread");
    let start = Instant::now();
    let made: Vec<Prepared> = (0..count)
        .map(|n| {
            let decky: Decky = serde_json::from_value(serde_json::json!({
                "name": format!("d{n}"), "ip": address(n), "services": ["ssh", "http", "redis"], "distro": "debian",
                "base_image": "x", "hostname": "h",
            }))
            .expect("a decky");
            lan.prepare(&Claim { decky: &decky, mac: mac(n), network, customs: &[] }, Kept::default()).expect("a place")
        })
        .collect();
    let took = start.elapsed();
    drop(made);
    until_bare();
    took
}

fn main() {
    let count: u32 = std::env::var("DECNET_DECKIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let limits = ["gc_thresh3", "gc_thresh2"].map(|name| format!("/proc/sys/net/ipv4/neigh/default/{name}"));
    let limits_before = limits.clone().map(|path| std::fs::read_to_string(path).unwrap_or_default());
    // Host and attacker share the kernel's table of neighbours here, and from inside neither can raise its limit.
    if let Err(error) = room_for_neighbours(count as usize * 2) {
        println!(
            "the table of neighbours stays as it is ({error}): over 500 deckies its overflow is measured"
        );
    }
    let host = Namespace::new().expect("a namespace: run as root");
    let attacker = Namespace::new().expect("a namespace");
    let world = World::new();
    let keeper = attacker.enter(|| Command::new("sleep").arg("1000").spawn().expect("sleep"));
    let mut keeper = keeper.expect("enter");
    host.enter(|| {
        ip(&format!("link add par0 type veth peer name att0 netns {}", keeper.id()));
        ip("addr add 10.77.0.2/16 dev par0");
        ip("link set par0 up");
        ip("route add default via 10.77.0.2");
    })
    .expect("enter");
    attacker
        .enter(|| {
            ip("addr add 10.77.0.1/16 dev att0");
            ip("link set att0 up");
        })
        .expect("enter");
    let network: Network = serde_json::from_value(serde_json::json!({
        "driver": "macvlan", "interface": "par0", "subnet": "10.77.0.0/16", "gateway": "10.77.0.1",
    }))
    .expect("a network");

    println!("{count} deckies, ssh + http + redis, macvlan, --no-probe");
    let each = |took: Duration| {
        format!("{} ({:.2} ms each)", ms(took), took.as_secs_f64() * 1000.0 / f64::from(count))
    };
    let limit = host.enter(|| {
        let parent = Rtnetlink::open().expect("netlink").link("par0").expect("link").expect("par0").index;
        bare(count, parent)
    });
    let (limit, limit_gone, limit_memory) = limit.expect("enter");
    println!("bare namespaces with a link       {}", each(limit));
    println!(
        "places made by the set-up thread  {}",
        each(host.enter(|| prepared(count, &network)).expect("enter"))
    );

    let file = world.path("f.ini");
    let mut text =
        "[general]\ndriver = macvlan\ninterface = par0\nnet = 10.77.0.0/16\ngw = 10.77.0.1\n".to_owned();
    if std::env::var_os("DECNET_HOST_ACCESS").is_some() {
        text += "host_access = yes\n";
    }
    for (number, start) in (0..count).step_by(100).enumerate() {
        text += &format!("[d{number}]\namount = {}\nservices = ssh, http, redis\n", (count - start).min(100));
    }
    std::fs::write(&file, text).expect("write");
    let before = settled();
    let start = Instant::now();
    let file = file.display().to_string();
    host.enter(|| world.run(&["deploy", "-q", "--yes", "--no-probe", "--limit", "10000", &file]))
        .expect("enter");
    let deployed = start.elapsed();
    let deckies = |command: &str| -> Vec<serde_json::Value> {
        let out = world.run(&[command, "-o", "json"]).stdout;
        let value: serde_json::Value = serde_json::from_slice(&out).expect("json");
        value["deckies"].as_array().expect("deckies").clone()
    };
    // Not `status`, which goes through all namespaces and counts packets.
    let rows = deckies("list");
    let ips: Vec<Ipv4Addr> =
        rows.iter().map(|row| row["ip"].as_str().expect("ip").parse().expect("ip")).collect();
    let ports = [22, 80, 6379];
    let good = attack(&attacker, ips.len() * 3, |n| answers(ips[n % ips.len()], ports[n / ips.len()]));
    let answered = start.elapsed();
    assert_eq!(good, ips.len() * 3, "all answer");
    println!("deploy returned after             {}", each(deployed));
    println!(
        "all {good} ports answered after    {}: {:.1} x bare",
        each(answered),
        answered.as_secs_f64() / limit.as_secs_f64()
    );
    let grown = (settled() - before) / i64::from(count);
    let rows = deckies("status");
    let own = rows.iter().filter_map(|row| row["pid"].as_i64()).map(private).sum::<i64>() / i64::from(count);
    println!(
        "memory of a decky                 {own} kB private, {grown} kB of the kernel ({limit_memory} kB bare)"
    );
    let engine: serde_json::Value =
        serde_json::from_slice(&world.run(&["engine", "status", "-o", "json"]).stdout).expect("json");
    if let Some(pid) = engine["pid"].as_i64() {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        println!("engine                            {} kB private, {open} descriptors", private(pid));
    }
    let (first, lost) = rate(&attacker, &ips);
    println!("connections                       {first:.0} a second, {lost} lost");
    world.run(&["engine", "stop"]);
    host.enter(until_bare).expect("enter");
    let start = Instant::now();
    host.enter(|| world.run(&["reconcile", "-q"])).expect("enter");
    println!("started again after               {}", each(start.elapsed()));
    // The attacker knows all MACs from before; no decky knows the attacker's.
    let (again, lost) = rate(&attacker, &ips);
    println!(
        "connections after the restart     {again:.0} a second, {lost} lost: {:.2} x those before",
        again / first
    );
    let start = Instant::now();
    host.enter(|| world.run(&["teardown", "-q", "--all", "--yes"])).expect("enter");
    host.enter(until_bare).expect("enter");
    println!(
        "all gone after                    {}: {:.1} x bare",
        each(start.elapsed()),
        start.elapsed().as_secs_f64() / limit_gone.as_secs_f64()
    );
    let _ = keeper.kill();
    let _ = keeper.wait();
    for (path, text) in limits.into_iter().zip(limits_before) {
        // What could not be read was not changed.
        let _ = std::fs::write(path, text);
    }
}
