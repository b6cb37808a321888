//! Events: recorded, filtered, followed, rotated, forwarded, and never a way into a terminal or a log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::common::{World, eventually};

fn deployed(general: &str) -> World {
    let world = World::new();
    let text = format!(
        "{}{general}\n[a]\nservices = redis,http\n[b]\nservices = redis\n",
        world.general().trim_end()
    );
    let file = world.write("f.ini", text.replace("\n\n", "\n"));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn decky_ip(world: &World, name: &str) -> String {
    world.json(0, &["list", name])["deckies"][0]["ip"].as_str().unwrap().to_owned()
}

fn talk(world: &World, name: &str, port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((decky_ip(world, name), world.offset + port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0u8; 4096];
    let got = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(got);
    answer
}

fn events(world: &World, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["events", "-o", "json"];
    all.extend(args);
    world.run(&all).ok().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_touch_is_an_event_with_the_promised_fields() {
    let world = deployed("");
    drop(TcpStream::connect((decky_ip(&world, "b"), world.offset + 6379)).unwrap());
    let touch =
        eventually("the bare connection", || events(&world, &["--decky", "b", "--kind", "connection"]).pop());
    for field in
        ["@timestamp", "sequence", "decky", "service", "kind", "action", "source", "destination", "session"]
    {
        assert!(touch.get(field).is_some(), "{field}: {touch}");
    }
    assert_eq!((&touch["decky"], &touch["service"]), (&"b".into(), &"redis".into()));
    assert_eq!(touch["source"]["ip"], "127.0.0.1");
    assert_eq!(touch["destination"]["port"], u64::from(world.offset + 6379));
    let time = touch["@timestamp"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == "2026-11-23T15:00:00.000000Z".len(), "{time}");
    eventually("the end of the session", || events(&world, &["--decky", "b", "--kind", "session"]).pop());
    // The operator's name of a decky never reaches the wire.
    let answer = String::from_utf8_lossy(&talk(&world, "a", 80, b"GET / HTTP/1.0\r\n\r\n")).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn filters_narrow_and_follow_follows() {
    let world = deployed("");
    let mut follower = world
        .command(["events", "-f", "-o", "json", "--kind", "command", "--decky", "a"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    talk(&world, "b", 6379, b"PING\r\n");
    talk(&world, "a", 6379, b"SET follow me\r\n");
    let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!((&line["decky"], &line["action"]), (&"a".into(), &"set".into()));
    let kinds = |args: &[&str]| events(&world, args).len();
    assert!(kinds(&["--service", "redis"]) > 0);
    assert_eq!(kinds(&["--service", "ssh"]), 0);
    assert!(kinds(&["--src", "127.0.0.0/8"]) > 0);
    assert_eq!(kinds(&["--src", "10.0.0.0/8"]), 0);
    assert!(kinds(&["--since", "10m"]) > 0);
    assert_eq!(kinds(&["--since", "2999-01-01T00:00:00Z"]), 0);
    assert_eq!(kinds(&["-n", "1"]), 1);
    world.run(&["events", "--kind", "nonsense"]).code(2).err.clear();
    let table = world.run(&["events", "--decky", "a"]).ok();
    assert!(table.contains("SET follow me") || table.contains("follow"), "{table}");
}

#[test]
fn hostile_bytes_reach_neither_terminal_nor_line() {
    let world = deployed("");
    let hostile =
        b"\x1b]52;c;aGk=\x07 \x1b[2J \r\n{\"decky\":\"forged\"} \xff\xfe \xc2\x9b31m \xe2\x80\xae \\x41";
    let mut request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", hostile.len()).into_bytes();
    request.extend_from_slice(hostile);
    request.extend_from_slice(b"\r\n");
    talk(&world, "b", 6379, &request);
    talk(&world, "a", 80, b"GET /\x1b[31mred\r\nHost: a\r\nX: \x00\x9b\r\n\r\n");
    eventually("the command", || events(&world, &["--kind", "command"]).pop());
    let clean = |text: &str| {
        text.chars().all(|c| {
            c == '\n'
                || !(c.is_control()
                    || ('\u{80}'..'\u{a0}').contains(&c)
                    || ('\u{202a}'..'\u{202e}').contains(&c))
        })
    };
    let mut stored = String::new();
    for entry in std::fs::read_dir(world.state().join("events")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            stored.push_str(&String::from_utf8(std::fs::read(path).unwrap()).unwrap());
        }
    }
    assert!(clean(&stored), "{stored:?}");
    for line in stored.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_ne!(value["decky"], "forged");
    }
    for form in ["table", "wide"] {
        assert!(clean(&world.run(&["events", "-o", form]).ok()));
    }
}

#[test]
fn events_are_forwarded_as_rfc_5424_by_udp() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let world =
        deployed(&format!("\nlog_target = udp://127.0.0.1:{}", receiver.local_addr().unwrap().port()));
    talk(&world, "b", 6379, b"AUTH hunter2\r\n");
    let mut buffer = [0u8; 65_536];
    loop {
        let got = receiver.recv(&mut buffer).expect("a syslog message");
        let text = String::from_utf8(buffer[..got].to_vec()).unwrap();
        let message = syslog_loose::parse_message(&text, syslog_loose::Variant::RFC5424);
        assert_eq!(message.hostname, Some("b"), "{text}");
        assert_eq!(message.appname, Some("redis"), "{text}");
        if text.contains("hunter2") {
            assert!(text.contains("src_ip=\"127.0.0.1\""), "{text}");
            break;
        }
    }
}

#[test]
fn events_are_forwarded_as_rfc_5424_by_tcp() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let world =
        deployed(&format!("\nlog_target = tcp://127.0.0.1:{}", receiver.local_addr().unwrap().port()));
    talk(&world, "b", 6379, b"PING\r\n");
    let (stream, _) = receiver.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut reader = BufReader::new(stream);
    // Octet counting: a length, a blank, so many bytes.
    let mut length = Vec::new();
    reader.read_until(b' ', &mut length).unwrap();
    let length: usize = String::from_utf8(length).unwrap().trim().parse().unwrap();
    let mut message = vec![0u8; length];
    reader.read_exact(&mut message).unwrap();
    assert!(String::from_utf8(message).unwrap().starts_with("<134>1 "));
}

#[test]
fn events_survive_the_engine() {
    let world = deployed("");
    talk(&world, "b", 6379, b"PING\r\n");
    let before = eventually("an event", || events(&world, &["--kind", "command"]).pop());
    world.run(&["engine", "stop"]).ok();
    world.run(&["reconcile"]).ok();
    talk(&world, "b", 6379, b"ECHO again\r\n");
    let after = eventually("another event", || {
        events(&world, &["--kind", "command"]).into_iter().find(|e| e["action"] == "echo")
    });
    assert!(after["sequence"].as_u64() > before["sequence"].as_u64(), "{before}\n{after}");
}
