//! All services at once: each one deploys, answers on every port, records the touch, and says nothing that only
//! the operator knows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::common::{World, eventually};

/// In every decky's name; must never come over the wire.
const NAME: &str = "qzx-operator-only";

/// A port of a decky.
#[derive(Clone)]
struct Door {
    service: String,
    udp: bool,
    at: SocketAddrV4,
    hostname: String,
}

/// A question for an address, as LLMNR and mDNS have it.
fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// What real clients send to a service; the fuzz targets start from the same.
fn seeds(door: &Door) -> Vec<Vec<u8>> {
    // It answers to its own name and to no other.
    if door.service == "llmnr" {
        let short = door.hostname.split('.').next().unwrap();
        let packet = question(short);
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        let stream = [length.as_slice(), &packet].concat();
        return vec![packet, stream, question(&format!("{short}.local"))];
    }
    // The PLC's management is the snmp service's.
    let service = if door.service == "conpot" && door.udp { "snmp" } else { &door.service };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(service);
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|_| panic!("{} has no seeds", dir.display()))
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|f| std::fs::read(f).unwrap()).collect()
}

/// Everything that comes back from a TCP port: its greeting, or the answers to what clients send.
fn hear(door: &Door) -> Vec<u8> {
    let mut heard = Vec::new();
    for seed in std::iter::once(Vec::new()).chain(seeds(door)) {
        let mut stream = TcpStream::connect(door.at).unwrap_or_else(|e| panic!("{door}: {e}"));
        let wait = if seed.is_empty() { 300 } else { 1000 };
        stream.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
        let _ = stream.write_all(&seed);
        let mut buffer = [0u8; 8192];
        while let Ok(got @ 1..) = stream.read(&mut buffer) {
            heard.extend_from_slice(&buffer[..got]);
            if heard.len() > 1 << 20 {
                break;
            }
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        }
    }
    heard
}

impl std::fmt::Display for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}{}", self.service, self.at, if self.udp { "/udp" } else { "" })
    }
}

/// As [`hear`], from a UDP port. To a peer that proved nothing no answer may be longer than its question.
fn ask(door: &Door, proved: bool) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut heard = Vec::new();
    for seed in seeds(door) {
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send_to(&seed, door.at).unwrap();
        let (mut buffer, mut got) = ([0u8; 4096], 0);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            assert_eq!(from.ip(), *door.at.ip());
            got += length;
            heard.extend_from_slice(&buffer[..length]);
        }
        assert!(proved || got <= seed.len(), "{door} answers {got} bytes to {}", seed.len());
    }
    heard
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

#[test]
fn every_service_answers_on_every_port_and_keeps_the_operators_secrets() {
    let world = World::new();
    let all = world.json(0, &["services"]);
    let mut file = String::new();
    let mut expected = 0;
    for service in all["services"].as_array().unwrap() {
        let slug = service["slug"].as_str().unwrap();
        assert_eq!(service["emulated"], true, "{slug}");
        if service["singleton"] == true && !rustix::process::geteuid().is_root() {
            continue;
        }
        let with = if service["singleton"] == true { "ssh,sniffer" } else { slug };
        file.push_str(&format!("[{NAME}-{slug}]\nservices = {with}\n"));
        expected += service["ports"].as_array().unwrap().len() + usize::from(with != slug);
    }
    let ran = world.run(&["deploy", world.fleet("f.ini", &file).to_str().unwrap()]).code(0);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let status = world.json(0, &["status"]);
    let mut doors: Vec<Door> = Vec::new();
    for decky in status["deckies"].as_array().unwrap() {
        assert_eq!((&decky["observed"], &decky["drift"]), (&"running".into(), &Value::Null), "{decky}");
        let ip: Ipv4Addr = decky["ip"].as_str().unwrap().parse().unwrap();
        for port in decky["ports"].as_array().unwrap() {
            assert_eq!(port["up"], true, "{decky}");
            let number = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
            let service = port["service"].as_str().unwrap().to_owned();
            let hostname = decky["hostname"].as_str().unwrap().to_owned();
            doors.push(Door {
                service,
                udp: port["transport"] == "udp",
                at: SocketAddrV4::new(ip, number),
                hostname,
            });
        }
    }
    assert_eq!(doors.len(), expected);
    let (datagrams, streams): (Vec<_>, Vec<_>) = doors.iter().partition(|d| d.udp);
    let silent = |door: &Door, heard: &[u8]| {
        assert!(!contains(heard, NAME.as_bytes()), "{door} says its decky's name");
        heard.is_empty().then(|| door.to_string())
    };
    // Datagrams first, by a peer that proved nothing.
    let mut shy: Vec<&Door> = datagrams;
    shy.retain(|door| silent(door, &ask(door, false)).is_some());
    let mut mute: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = streams.iter().map(|d| scope.spawn(move || silent(d, &hear(d)))).collect();
        threads.into_iter().filter_map(|t| t.join().unwrap()).collect()
    });
    // What had nothing that short to say has now seen its peer connect.
    mute.extend(shy.into_iter().filter_map(|door| silent(door, &ask(door, true))));
    assert!(mute.is_empty(), "no word from {mute:#?}");
    // The bare connection is an event, whatever was said on it.
    for door in &doors {
        let kind = if door.udp { "datagram" } else { "accept" };
        eventually(&format!("the touch of {door}"), || {
            let args = ["events", "-o", "json", "--service", &door.service, "--kind", "connection"];
            let events = world.run(&args).ok();
            let mut all = events.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
            all.find(|e| e["action"] == kind && e["destination"]["port"] == door.at.port())
        });
    }
}
