//! Custom services, TFTP, SIP and the ICS persona, spoken to by real clients.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Ran, World, event, tool};

/// Talks to a TCP service until it closes, or is silent for a second.
fn tcp(world: &World, last: u8, port: u16, say: &[u8]) -> String {
    let mut stream = TcpStream::connect((world.ip(last), world.offset + port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(say).unwrap();
    let (mut got, mut chunk) = (Vec::new(), [0u8; 1024]);
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        got.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8_lossy(&got).into_owned()
}

fn custom(banner: &str) -> String {
    format!(
        "[custom-till]\nports = 9100\nudp_ports = 9101\nbanner = {banner}\nanswers =\n  USER {{user}} => 331 {{user}}?\\r\\n\n  \
         PASS {{secret=4711}} => 230 in\\r\\n\n  PASS {{secret}} => 530 no\\r\\n\n  hex:00 ff => \\x01\\r\\n\n  PING* => PONG\n\
         QUIT => 221\\r\\n{{close}}\ndefault = 500 {{hostname}}\\r\\n\ntimeout = 20\n"
    )
    .replace("\nQUIT", "\n  QUIT")
}

#[test]
fn a_custom_service_plays_its_conversation() {
    let world = World::new();
    let decky = format!("[one]\nip = {}\nhostname = pos7\nservices = till, ssh\n", world.ip(10));
    let file = world.fleet("f.ini", &(custom("220 till\\r\\n") + &decky));
    world.run(&["check", file.to_str().unwrap()]).ok();
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let said = tcp(&world, 10, 9100, b"user bob\r\nPASS 1234\r\nPASS 4711\r\nhm\r\nquit\r\n");
    assert_eq!(said, "220 till\r\n331 bob?\r\n530 no\r\n230 in\r\n500 pos7\r\n221\r\n");
    let failed = event(&world, &["--kind", "login", "--service", "till"], |e| e["outcome"] == "failure");
    assert_eq!((&failed["user"], &failed["secret"]), (&"bob".into(), &"1234".into()));
    event(&world, &["--kind", "login"], |e| e["outcome"] == "success" && e["secret"] == "4711");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    udp.send_to(b"ping!\n", (world.ip(10), world.offset + 9101)).unwrap();
    let mut answer = [0u8; 64];
    let (length, _) = udp.recv_from(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"PONG");

    // The fleet as a file is the fleet, and a later file may run what it knows.
    let exported = world.run(&["export"]).ok();
    let ran = world.run_with_input(&["plan", "--replace-fleet", "--exit-code", "-"], exported.as_bytes());
    assert_eq!(ran.code, 0, "{exported}\n{}{}", ran.out, ran.err);
    let more = world.write("more.ini", format!("[two]\nip = {}\nservices = till\n", world.ip(11)));
    world.run(&["deploy", more.to_str().unwrap()]).ok();
    assert!(tcp(&world, 11, 9100, b"QUIT\n").ends_with("221\r\n"));

    // Another definition changes who runs it.
    let both = format!("{decky}[two]\nip = {}\nservices = till\n", world.ip(11));
    let file = world.fleet("g.ini", &(custom("220 cash desk\\r\\n") + &both));
    let plan = world.run(&["plan", "--replace-fleet", file.to_str().unwrap()]).ok();
    assert!(plan.contains("custom-till.banner") && plan.contains("2 to change"), "{plan}");
    world.run(&["deploy", "--replace-fleet", file.to_str().unwrap()]).ok();
    assert!(tcp(&world, 11, 9100, b"QUIT\n").starts_with("220 cash desk"));
    let status = world.json(0, &["status"]);
    assert!(!status.to_string().contains("degraded"), "{status}");
}

#[test]
fn a_custom_service_without_a_conversation_is_read_and_refused() {
    let world = World::new();
    let custom = "[custom-shop]\nbinary = r.example/shop:1\nexec = /shop --all\nports = 8081\n";
    let decky = format!("[one]\nip = {}\nservices = shop\n", world.ip(10));
    let file = world.fleet("f.ini", &format!("{custom}{decky}"));
    world.run(&["check", file.to_str().unwrap()]).ok();
    let ran = world.run(&["deploy", file.to_str().unwrap()]).code(3);
    assert!(ran.err.contains("[custom-shop]") && ran.err.contains("docker engine"), "{}", ran.err);
    // Defined and run by nobody, it stands in nobody's way.
    let file = world.fleet("g.ini", &format!("{custom}[one]\nip = {}\nservices = ssh\n", world.ip(10)));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let bad = world.fleet("h.ini", &format!("[custom-x]\nports = 1\nanswers =\n  a => b\n  c\n{decky}"));
    let ran = world.run(&["check", bad.to_str().unwrap()]).code(3);
    assert!(ran.out.contains("bad-talk") || ran.err.contains("bad-talk"), "{}{}", ran.out, ran.err);
}

/// One decky with `services`, and what else its file says of it.
fn one(services: &str, more: &str) -> World {
    let world = World::new();
    let text = format!("[one]\nip = {}\ndistro = debian\nservices = {services}\n{more}", world.ip(10));
    let file = world.fleet("f.ini", &text);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

/// Runs a client; it has two minutes.
fn client(program: &str, args: &[&str]) -> Ran {
    let mut command = tool("timeout");
    Ran::from(command.arg("120").arg(program).args(args).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn tftp_clients_put_and_get() {
    let world = one("tftp", "");
    let (ip, port) = (world.ip(10).to_string(), (world.offset + 69).to_string());
    let payload: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
    let up = world.write("drop.bin", &payload);
    let back = world.path("back.bin");
    tool("tftp");
    let (up, back) = (up.to_str().unwrap(), back.to_str().unwrap());
    client("tftp", &["-m", "binary", &ip, &port, "-c", "put", up, "drop.bin"]).ok();
    client("tftp", &["-m", "binary", &ip, &port, "-c", "get", "drop.bin", back]).ok();
    assert_eq!(std::fs::read(back).unwrap(), payload);
    let stored = event(&world, &["--kind", "file"], |e| e["action"] == "upload");
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&payload));
    assert!(stored.to_string().contains(&hash), "{stored}");
    let url = format!("tftp://{ip}:{port}/running-config");
    let config = client("curl", &["-sS", &url]).code(0).out;
    assert!(config.contains("enable secret 5") && config.ends_with("end\n"), "{config}");
    let missing = client("curl", &["-sS", &format!("tftp://{ip}:{port}/nothing")]);
    assert!(missing.err.contains("File Not Found") || missing.code == 68, "{}", missing.err);
}

#[test]
fn sip_clients_are_challenged_and_let_in() {
    let world = one("sip", "[one.sip]\nuser = 100\npassword = s3cret\n");
    let (ip, port) = (world.ip(10).to_string(), (world.offset + 5060).to_string());
    tool("sipsak");
    let uri = format!("sip:100@{ip}:{port}");
    let options = client("sipsak", &["-vv", "-s", &uri]);
    assert!(options.out.contains("Server: Asterisk PBX 20."), "{}{}", options.out, options.err);
    // Over TCP there is room for everything, and the address is proved.
    let register = |password: &str| {
        client(
            "sipsak",
            &[
                "-U",
                "-E",
                "tcp",
                "-C",
                "sip:100@127.0.0.1:5099",
                "-x",
                "60",
                "-u",
                "100",
                "-a",
                password,
                "-s",
                &uri,
            ],
        )
    };
    assert_ne!(register("1234").code, 0);
    let failed = event(&world, &["--kind", "login", "--service", "sip"], |e| e["outcome"] == "failure");
    assert_eq!((&failed["user"], &failed["secret_kind"]), (&"100".into(), &"sip_digest_md5".into()));
    register("s3cret").ok();
    event(&world, &["--kind", "login", "--service", "sip"], |e| e["outcome"] == "success");
    let udp = client(
        "sipsak",
        &["-U", "-C", "sip:100@127.0.0.1:5099", "-x", "60", "-u", "100", "-a", "s3cret", "-s", &uri],
    );
    udp.ok();
}

#[test]
fn an_ics_is_read_written_and_named() {
    let world = one("conpot", "");
    let ip = world.ip(10).to_string();
    let port = |number: u16| (world.offset + number).to_string();
    let poll = |args: &[&str]| {
        let modbus = port(502);
        let mut all = vec!["-0", "-1", "-t", "4", "-p", &modbus];
        all.extend(args);
        client("mbpoll", &all).code(0).out
    };
    assert!(poll(&["-r", "0", "-c", "4", &ip]).contains("[3]:"));
    poll(&["-r", "7", &ip, "4711"]);
    assert!(poll(&["-r", "7", "-c", "1", &ip]).contains("4711"));
    let write = event(&world, &["--service", "conpot"], |e| e["action"] == "write");
    assert_eq!(write["modbus"]["address"], 7, "{write}");
    let scripts = client(
        "nmap",
        &["-Pn", "-p", &format!("{},{}", port(102), port(502)), "--script", "+s7-info,+modbus-discover", &ip],
    );
    let out = scripts.code(0).out;
    for told in ["Module: 6ES7 3", "Serial Number: S C-", "Original Siemens Equipment", "Siemens CPU 31"] {
        assert!(out.contains(told), "{told}: {out}");
    }
    for tell in ["88111222", "Mouser", "Technodrome", "S7-200", "IM151"] {
        assert!(!out.contains(tell), "{tell}: {out}");
    }
    // Whoever spoke TCP to it is told over UDP what it is, by its own agent.
    let told =
        client("snmpget", &["-v2c", "-cpublic", "-Ovq", &format!("{ip}:{}", port(161)), "1.3.6.1.2.1.1.1.0"]);
    let told = told.code(0).out;
    let (serial, module) = (told.find("S C-"), told.find("CPU 31"));
    let serial = serial.and_then(|at| told.get(at..at + 16)).unwrap_or_default();
    assert!(module.is_some() && out.contains(serial) && serial.len() == 16, "{told}{out}");
    let page = client("curl", &["-sSL", &format!("http://{ip}:{}/Portal0000.htm", port(80))]).code(0).out;
    assert!(page.contains("SIMATIC S7-300"), "{page}");
    let named = client("nmap", &["-Pn", "-sV", "--version-light", "-p", &port(80), &ip]).code(0).out;
    assert!(named.contains("Siemens Simatic S7-300 PLC httpd"), "{named}");
}

#[test]
fn nmap_names_asterisk() {
    let world = World::new();
    // nmap asks for SIP first on 8081 too: elsewhere it waits long for answers to what is not SIP.
    let general = world.general().replace(&format!("{}", world.offset), &format!("{}", 8081 - 5060));
    let text = format!("{general}[one]\nip = {}\ndistro = ubuntu22\nservices = sip\n", world.ip(10));
    let file = world.write("f.ini", text);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let named = client("nmap", &["-Pn", "-sV", "-p", "8081", &world.ip(10).to_string()]).code(0).out;
    assert!(named.contains("Asterisk PBX 18.10.0"), "{named}");
}
