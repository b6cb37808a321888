//! Abuse: connections held and dribbled, lines without an end, lengths without a sense, floods of datagrams, all at
//! once against one decky of every service. A binary of its own, so that nothing else runs meanwhile.
//! 15 seconds of it; `DECNET_ABUSE=60` for longer. Bounded in count and time; loopback only.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed, and says so")]

#[allow(unreachable_pub, dead_code, reason = "shared with the other integration tests")]
#[path = "../it/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::World;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

/// Connections that are held open, or tried to be.
const HELD: usize = 10_000;
/// Of those, so many say a byte now and then.
const DRIBBLED: usize = 2_000;
/// Most resident memory of one worker, in kB: 256 connections of 64 KiB each, and what it is without any.
const WORKER_MAX: u64 = 48 * 1024;

/// Where something listens, as `status` tells.
#[derive(Clone)]
struct Door {
    service: String,
    udp: bool,
    address: SocketAddrV4,
}

fn slugs(world: &World) -> Vec<String> {
    let all = world.json(0, &["services"]);
    let emulated = |s: &&serde_json::Value| s["emulated"] == true && s["singleton"] == false;
    let list = all["services"].as_array().unwrap().iter().filter(emulated);
    list.map(|s| s["slug"].as_str().unwrap().to_owned()).collect()
}

fn doors(world: &World) -> Vec<Door> {
    let status = world.json(0, &["status"]);
    let mut doors = Vec::new();
    for decky in status["deckies"].as_array().unwrap() {
        assert_eq!(decky["observed"], "running", "{decky}");
        let ip: Ipv4Addr = decky["ip"].as_str().unwrap().parse().unwrap();
        for port in decky["ports"].as_array().unwrap() {
            doors.push(Door {
                service: port["service"].as_str().unwrap().to_owned(),
                udp: port["transport"] == "udp",
                address: SocketAddrV4::new(ip, u16::try_from(port["port"].as_u64().unwrap()).unwrap()),
            });
        }
    }
    doors
}

/// A source of its own for every 16 connections: no source is over its limit.
fn source(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 201, u8::try_from(n / 16 / 250).unwrap(), u8::try_from(n / 16 % 250 + 1).unwrap())
}

fn dial(from: Ipv4Addr, to: SocketAddrV4) -> std::io::Result<TcpStream> {
    let fd: OwnedFd = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&fd, &SocketAddrV4::new(from, 0))?;
    connect(&fd, &to)?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    Ok(stream)
}

/// Resident memory in kB, and the name, of every process below the engine.
fn memory(engine: i32) -> BTreeMap<i32, (String, u64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        if pid != engine && field("PPid:").and_then(|p| p.parse::<i32>().ok()) != Some(engine) {
            continue;
        }
        let rss = field("VmRSS:").and_then(|v| v.trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        found.insert(pid, (field("Name:").unwrap_or_default().to_owned(), rss));
    }
    found
}

/// Milliseconds until the bystander's ssh says its version.
fn banner(door: SocketAddrV4) -> u128 {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(door), Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut start_of = [0u8; 4];
    stream.read_exact(&mut start_of).unwrap();
    assert_eq!(&start_of, b"SSH-");
    start.elapsed().as_millis()
}

/// Lengths that no message has, in the forms in which protocols write them.
const GIANTS: &[&[u8]] = &[
    b"*2147483647\r\n$2147483647\r\n",
    b"\xff\xff\xff\x00",
    b"\x7f\xff\xff\xff\x7f\xff\xff\xff",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x03\x00\xff\xff",
    b"\x00\xff\xff\xff\xfeSMB",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
    b"\x10\xff\xff\xff\x7f",
    b"a LOGIN {4294967295}\r\n",
    b"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00",
    b"\x16\x03\x01\xff\xff\x01\xff\xff\xff",
    b"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\r\n",
];

/// Sends to `doors` until told to stop; one source for each turn.
fn rounds(stop: &AtomicBool, doors: &[Door], first: usize, mut each: impl FnMut(TcpStream, usize)) {
    let tcp: Vec<&Door> = doors.iter().filter(|d| !d.udp).collect();
    let mut n = first;
    while !stop.load(Ordering::Relaxed) {
        if let Ok(stream) = dial(source(n % 4000), tcp[n % tcp.len()].address) {
            each(stream, n);
        }
        n += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn endless(mut stream: TcpStream) {
    let line = vec![b'A'; 64 * 1024];
    for _ in 0..32 {
        if stream.write_all(&line).is_err() {
            return;
        }
    }
}

/// Floods every datagram door from sources that prove nothing; counts what is sent and what comes back.
fn flood(stop: &AtomicBool, doors: &[Door], asked: &AtomicU64, answered: &AtomicU64) {
    let seeds: BTreeMap<&str, Vec<Vec<u8>>> = doors
        .iter()
        .map(|d| {
            let dir = format!("{}/fuzz/seeds/{}", env!("CARGO_MANIFEST_DIR"), d.service);
            let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
            let read: Vec<_> = files.filter_map(|f| std::fs::read(f.path()).ok()).collect();
            (d.service.as_str(), read)
        })
        .collect();
    let udp: Vec<&Door> = doors.iter().filter(|d| d.udp).collect();
    if udp.is_empty() {
        return;
    }
    let sockets: Vec<UdpSocket> = (1..=8u8)
        .map(|n| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 202, 0, n), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let mut buffer = [0u8; 65_536];
    let mut n = 0usize;
    let mut hear = |sockets: &[UdpSocket]| {
        for socket in sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                answered.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let door = udp[n % udp.len()];
        let known = &seeds[door.service.as_str()];
        let noise = vec![u8::try_from(n % 256).unwrap(); n % 700 + 1];
        let packet = if n.is_multiple_of(2) && !known.is_empty() { &known[n / 2 % known.len()] } else { &noise };
        let packet = &packet[..packet.len().min(1400)];
        if sockets[n % sockets.len()].send_to(packet, door.address).is_ok() {
            asked.fetch_add(packet.len() as u64, Ordering::Relaxed);
        }
        n += 1;
        if n.is_multiple_of(64) {
            hear(&sockets);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    hear(&sockets);
}

#[test]
fn abuse_is_borne_and_survived() {
    let seconds = std::env::var("DECNET_ABUSE").ok().and_then(|s| s.parse().ok()).unwrap_or(15);
    raise_descriptors();
    let world = World::new();
    let mut file = String::from("[bystander]\nservices = ssh,http\n");
    for slug in slugs(&world) {
        file.push_str(&format!("[v-{slug}]\nservices = {slug}\n"));
    }
    let file = world.fleet("f.ini", &file);
    world.run(&["deploy", "-q", file.to_str().unwrap()]).ok();
    let all = doors(&world);
    let bystander = all.iter().find(|d| d.service == "ssh" && d.address.port() == world.offset + 22).unwrap();
    let first = world.json(0, &["list", "bystander"])["deckies"][0]["ip"].as_str().unwrap().to_owned();
    let bystander = SocketAddrV4::new(first.parse().unwrap(), bystander.address.port());
    let victims: Vec<Door> = all.iter().filter(|d| d.address.ip() != bystander.ip()).cloned().collect();
    let engine = world.engine_pid().unwrap();
    let before = memory(engine);

    let stop = AtomicBool::new(false);
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut lists, mut banners, mut most) = (Vec::new(), Vec::new(), 0u64);
    let held = std::thread::scope(|scope| {
        let (stop, victims, asked, answered) = (&stop, &victims, &asked, &answered);
        let holder = scope.spawn(move || hold(stop, victims));
        for n in 0..2 {
            scope.spawn(move || rounds(stop, victims, n * 7919 + 11, |stream, _| endless(stream)));
        }
        scope.spawn(move || {
            rounds(stop, victims, 5, |mut stream, n| {
                let _ = stream.write_all(GIANTS[n % GIANTS.len()]);
                let mut buffer = [0u8; 4096];
                let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
                let _ = stream.read(&mut buffer);
            });
        });
        scope.spawn(move || flood(stop, victims, asked, answered));
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let start = Instant::now();
            world.run(&["list", "-o", "name"]).ok();
            lists.push(start.elapsed().as_millis());
            banners.push(banner(bystander));
            most = most.max(memory(engine).values().map(|(_, rss)| *rss).max().unwrap_or(0));
            std::thread::sleep(Duration::from_millis(300));
        }
        stop.store(true, Ordering::Relaxed);
        holder.join().unwrap()
    });
    let calm = Instant::now();
    let mut late: Vec<Door> = victims.iter().filter(|d| !d.udp).cloned().collect();
    while !late.is_empty() {
        // A refused connection is closed at once; one that is served stays open or says something.
        late.retain(|door| !served(door.address));
        assert!(calm.elapsed() < Duration::from_secs(60), "never back: {:?}", names(&late));
        if !late.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let recovered = calm.elapsed();
    lists.sort_unstable();
    banners.sort_unstable();
    let middle = |v: &[u128]| v[v.len() / 2];
    println!(
        "{seconds} s against {} ports: {held} connections held; list {} ms (most {} ms), bystander {} ms (most {} ms), \
         largest process {most} kB, back after {} ms; datagrams: {} bytes asked, {} answered",
        victims.len(),
        middle(&lists),
        lists.last().unwrap(),
        middle(&banners),
        banners.last().unwrap(),
        recovered.as_millis(),
        asked.load(Ordering::Relaxed),
        answered.load(Ordering::Relaxed),
    );
    assert!(middle(&lists) < 200, "list took {lists:?} ms");
    assert!(*banners.last().unwrap() < 1000, "the bystander took {banners:?} ms");
    assert!(most < WORKER_MAX, "{most} kB");
    assert!(recovered < Duration::from_secs(5), "back after {recovered:?}");
    assert!(answered.load(Ordering::Relaxed) <= asked.load(Ordering::Relaxed), "an amplifier");
    // Nobody died of it.
    let after = memory(engine);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{before:?} {after:?}");
    assert!(world.json(0, &["status"])["deckies"].as_array().unwrap().iter().all(|d| d["restarts"] == 0));
}

fn names(doors: &[Door]) -> Vec<String> {
    doors.iter().map(|d| format!("{} {}", d.service, d.address)).collect()
}

fn served(door: SocketAddrV4) -> bool {
    let Ok(mut stream) = dial(Ipv4Addr::new(127, 203, 0, 1), door) else { return false };
    stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    match stream.read(&mut [0u8; 16]) {
        Ok(got) => got > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Holds connections, some of them dribbling, until told to stop; says how many at the most.
fn hold(stop: &AtomicBool, doors: &[Door]) -> usize {
    let tcp: Vec<&Door> = doors.iter().filter(|d| !d.udp).collect();
    let mut held = Vec::new();
    for n in 0..HELD {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        held.extend(dial(source(n), tcp[n % tcp.len()].address));
    }
    let most = held.len();
    while !stop.load(Ordering::Relaxed) {
        for stream in held.iter_mut().take(DRIBBLED) {
            let _ = stream.write(b"a");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    most
}

/// This process holds both the attackers' ends and more.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let room = most.unwrap_or(u64::MAX);
    assert!(room >= 12_000, "this machine lets a process have {room} descriptors; the test needs 12,000");
}
