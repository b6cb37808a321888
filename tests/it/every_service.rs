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

/// What real clients send to a service; the fuzz targets start from the same.
fn seeds(service: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(service);
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|_| panic!("{} has no seeds", dir.display()))
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|f| std::fs::read(f).unwrap()).collect()
}

/// Everything that comes back from a TCP port: its greeting, or the answers to what clients send.
fn hear(door: SocketAddrV4, service: &str) -> Vec<u8> {
    let mut heard = Vec::new();
    for seed in std::iter::once(Vec::new()).chain(seeds(service)) {
        let mut stream = TcpStream::connect(door).unwrap_or_else(|e| panic!("{service} at {door}: {e}"));
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

/// As [`hear`], from a UDP port. The peer proved nothing, so no answer may be longer than its question.
fn ask(door: SocketAddrV4, service: &str) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut heard = Vec::new();
    for seed in seeds(service) {
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send_to(&seed, door).unwrap();
        let (mut buffer, mut got) = ([0u8; 4096], 0);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            assert_eq!(from.ip(), *door.ip());
            got += length;
            heard.extend_from_slice(&buffer[..length]);
        }
        assert!(got <= seed.len(), "{service} at {door} answers {got} bytes to {}", seed.len());
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
    let mut doors: Vec<(String, bool, SocketAddrV4)> = Vec::new();
    for decky in status["deckies"].as_array().unwrap() {
        assert_eq!((&decky["observed"], &decky["drift"]), (&"running".into(), &Value::Null), "{decky}");
        let ip: Ipv4Addr = decky["ip"].as_str().unwrap().parse().unwrap();
        for port in decky["ports"].as_array().unwrap() {
            assert_eq!(port["up"], true, "{decky}");
            let number = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
            let service = port["service"].as_str().unwrap().to_owned();
            doors.push((service, port["transport"] == "udp", SocketAddrV4::new(ip, number)));
        }
    }
    assert_eq!(doors.len(), expected);
    // Datagrams first: a TCP connection proves the peer.
    doors.sort_by_key(|(_, udp, _)| !udp);
    let silent: Vec<_> = std::thread::scope(|scope| {
        let one = |(service, udp, door): &(String, bool, SocketAddrV4)| {
            let heard = if *udp { ask(*door, service) } else { hear(*door, service) };
            assert!(!contains(&heard, NAME.as_bytes()), "{service} at {door} says its decky's name");
            heard.is_empty().then(|| format!("{service} at {door}"))
        };
        let (datagrams, streams): (Vec<_>, Vec<_>) = doors.iter().partition(|d| d.1);
        let mut silent: Vec<String> = datagrams.into_iter().filter_map(one).collect();
        let threads: Vec<_> = streams.into_iter().map(|d| scope.spawn(move || one(d))).collect();
        silent.extend(threads.into_iter().filter_map(|t| t.join().unwrap()));
        silent
    });
    assert!(silent.is_empty(), "no word from {silent:#?}");
    // The bare connection is an event, whatever was said on it.
    for (service, udp, door) in &doors {
        let kind = if *udp { "datagram" } else { "accept" };
        eventually(&format!("the touch of {service} at {door}"), || {
            let events =
                world.run(&["events", "-o", "json", "--service", service, "--kind", "connection"]).ok();
            let mut all = events.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
            all.find(|e| e["action"] == kind && e["destination"]["port"] == door.port())
        });
    }
}
