//! What an attacker may put wherever text goes, said to every service that takes text: the record stays clean.
//!
//! redis, http, ftp and telnet have theirs in `events`; Modbus, S7 and VNC have no text of the client's.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::common::forms::*;
use crate::common::hostile::HOSTILE;
use crate::common::{World, eventually, tls};

/// How many of the texts that no terminal may see as they are each service must have recorded. Those whose
/// protocol ends a field at a line end, a NUL or a blank lose a few.
const LEAST: usize = 60;

/// One way to say a text to a service.
enum Way {
    /// On a connection of its own.
    Stream(fn(&[u8]) -> Vec<u8>),
    /// The same inside TLS.
    Tls(fn(&[u8]) -> Vec<u8>),
    Datagram(fn(&[u8]) -> Vec<u8>),
    /// Taking turns.
    Turns(fn(TcpStream, &[u8]) -> Option<()>),
}

/// Every service, the port it is asked on, and how.
const WAYS: &[(&str, u16, Way)] = &[
    ("conpot", 80, Way::Stream(web)),
    ("dns", 53, Way::Datagram(question)),
    ("dns", 53, Way::Stream(question_on_a_stream)),
    ("docker_api", 2375, Way::Stream(docker)),
    ("docker_api", 2375, Way::Stream(web)),
    ("elasticsearch", 9200, Way::Stream(elasticsearch)),
    ("elasticsearch", 9200, Way::Stream(web)),
    ("https", 443, Way::Tls(web)),
    ("imap", 143, Way::Stream(imap)),
    ("k8s", 6443, Way::Tls(k8s)),
    ("k8s", 8080, Way::Stream(k8s)),
    ("ldap", 389, Way::Stream(ldap)),
    ("llmnr", 5355, Way::Stream(question_on_a_stream)),
    ("llmnr", 5355, Way::Datagram(question)),
    ("mongodb", 27_017, Way::Stream(mongodb)),
    ("mqtt", 1883, Way::Stream(mqtt)),
    ("mqtt", 1883, Way::Stream(mqtt_as_it_is)),
    ("mssql", 1433, Way::Stream(mssql)),
    ("mysql", 3306, Way::Stream(mysql)),
    ("pop3", 110, Way::Stream(pop3)),
    ("postgres", 5432, Way::Stream(postgres)),
    ("rdp", 3389, Way::Stream(rdp)),
    ("sip", 5060, Way::Datagram(sip)),
    ("sip", 5060, Way::Stream(sip)),
    ("smb", 445, Way::Turns(smb)),
    ("smtp", 25, Way::Stream(smtp)),
    ("smtp_relay", 25, Way::Stream(smtp)),
    ("snmp", 161, Way::Datagram(snmp)),
    ("snmp", 161, Way::Datagram(snmp_user)),
    ("ssh", 22, Way::Stream(ssh)),
    ("tftp", 69, Way::Datagram(tftp)),
    ("till", 9100, Way::Stream(lines)),
    ("till", 9101, Way::Datagram(lines)),
];

const SETTINGS: &str = "[ssh.ssh]\naccept = all\n[postgres.postgres]\nauth = password\n[mssql.mssql]\npassword = x\n\
     [imap.imap]\naccept = all\nplaintext_auth = true\n[pop3.pop3]\naccept = all\nplaintext_auth = true\n\
     [rdp.rdp]\nnla = false\n[custom-till]\nports = 9100\nudp_ports = 9101\nanswers =\n\
     \x20   USER {user} => ok\\r\\n\n    PASS {secret} => no\\r\\n\ndefault = ?\\r\\n\n";

struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Logs in with the first as user and password, then runs each.
async fn inside_ssh(at: SocketAddrV4, part: &[&[u8]]) -> Result<(), russh::Error> {
    let mut session = russh::client::connect(Arc::default(), at, Trusting).await?;
    let name = text(part[0]);
    assert!(session.authenticate_password(name.clone(), name.clone()).await?.success(), "{name:?}");
    for of in part {
        let mut channel = session.channel_open_session().await?;
        channel.set_env(false, text(of), text(of)).await?;
        channel.exec(true, *of).await?;
        channel.eof().await?;
        while channel.wait().await.is_some() {}
    }
    Ok(())
}

/// Sends all of it, then hears to the end, or as long as anything comes.
fn say(mut stream: impl Read + Write, close: impl FnOnce(), bytes: &[u8]) {
    if stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {
        close();
        let mut buffer = [0; 8192];
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    }
}

fn tell(way: &Way, at: SocketAddrV4, of: &[u8]) {
    let connect = || {
        let stream = TcpStream::connect(at).unwrap_or_else(|e| panic!("{at}: {e}"));
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream
    };
    match way {
        Way::Stream(form) => {
            let stream = connect();
            say(&stream, || drop(stream.shutdown(Shutdown::Write)), &form(of));
        }
        Way::Tls(form) => say(tls::connect(connect()), || (), &form(of)),
        Way::Datagram(form) => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(&form(of), at).unwrap();
            // One that gets no answer waits no longer than this; there may be none.
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let _ = socket.recv(&mut [0; 2048]);
        }
        Way::Turns(turns) => drop(turns(connect(), of)),
    }
}

/// Every text of an event as it came: what was escaped is beside itself as base64.
fn texts(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name.ends_with("_b64") => found.extend(STANDARD.decode(text)),
                    Value::Array(list) if name.ends_with("_b64") => {
                        found.extend(list.iter().filter_map(|v| STANDARD.decode(v.as_str()?).ok()));
                    }
                    value => texts(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Bytes as text that the standard library can search quickly, one character each.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// A label as master files have it, which is how a name is recorded.
fn master(of: &[u8]) -> Vec<u8> {
    let one = |b: &u8| match b {
        b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => vec![b'\\', *b],
        b'!'..=b'~' => vec![*b],
        b => format!("\\{b:03}").into_bytes(),
    };
    of.iter().take(63).flat_map(one).collect()
}

#[test]
fn hostile_strings_in_every_protocol_leave_a_clean_record() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let world = World::new();
    let target = receiver.local_addr().unwrap().port();
    let mut slugs: Vec<&str> = WAYS.iter().map(|(slug, ..)| *slug).collect();
    slugs.dedup();
    let mut body = format!("log_target = udp://127.0.0.1:{target}\n\n");
    for (last, slug) in (10..).zip(&slugs) {
        body.push_str(&format!("[{slug}]\nip = {}\nservices = {slug}\n", world.ip(last)));
    }
    let head = world.general();
    let file = world.write("f.ini", format!("{}\n{body}{SETTINGS}", head.trim_end()));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let over = Arc::new(AtomicBool::new(false));
    let messages = std::thread::spawn({
        let over = over.clone();
        move || {
            let (mut buffer, mut messages) = (vec![0; 65_536], 0);
            while !over.load(Ordering::SeqCst) {
                let Ok(got) = receiver.recv(&mut buffer) else { continue };
                let message = String::from_utf8_lossy(&buffer[..got]).into_owned();
                assert!(message.bytes().all(|b| matches!(b, b' '..=b'~')), "{message:?}");
                let parsed = syslog_loose::parse_message(&message, syslog_loose::Variant::RFC5424);
                assert_ne!(parsed.hostname, Some("forged"), "{message}");
                assert_eq!(parsed.structured_data.len(), 1, "{message}");
                messages += 1;
            }
            messages
        }
    });
    let ip = |slug: &str| -> Ipv4Addr {
        world.ip(10 + u8::try_from(slugs.iter().position(|s| *s == slug).unwrap()).unwrap())
    };
    let jobs: Vec<_> = HOSTILE.iter().flat_map(|of| WAYS.iter().map(move |way| (of, way))).collect();
    let next = AtomicUsize::new(0);
    let ssh_at = SocketAddrV4::new(ip("ssh"), world.offset + 22);
    // Key exchanges are slow without optimisation.
    let parts: Vec<&[&[u8]]> = HOSTILE.chunks(12).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for part in &parts {
                let limit = Duration::from_secs(60);
                let all =
                    runtime.block_on(async { tokio::time::timeout(limit, inside_ssh(ssh_at, part)).await });
                all.expect("in time").expect("a session");
            }
        });
        // Some wait for an answer that does not come; no source may have more than 32 connections.
        for _ in 0..24 {
            scope.spawn(|| {
                while let Some((of, (slug, port, way))) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    tell(way, SocketAddrV4::new(ip(slug), world.offset + port), of);
                }
            });
        }
    });
    let odd: Vec<&&[u8]> = HOSTILE.iter().filter(|of| of.iter().any(|b| !matches!(b, b' '..=b'~'))).collect();
    let counts = |all: &[Value]| -> Vec<(&str, usize)> {
        let count = |slug: &str| {
            let mut found = Vec::new();
            all.iter().filter(|e| e["service"] == slug).for_each(|e| texts(e, &mut found));
            found.sort_unstable();
            found.dedup();
            let found: Vec<String> = found.iter().map(|text| latin(text)).collect();
            let has = |of: &[u8]| found.iter().any(|text| text.contains(&latin(of)));
            let label = matches!(slug, "dns" | "llmnr");
            odd.iter()
                .filter(|of| if label { has(&master(of)) } else { has(of) || has(text(of).as_bytes()) })
                .count()
        };
        slugs.iter().map(|slug| (*slug, count(slug))).collect()
    };
    // A line that is being written is no whole line yet.
    let size = || -> u64 {
        let files = std::fs::read_dir(world.state().join("events")).unwrap();
        files.map(|f| f.unwrap().metadata().map_or(0, |m| m.len())).sum()
    };
    let mut before = 0;
    eventually("silence", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = size();
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    let all = eventually("hostile text of every service", || {
        let all = world.clean_events();
        let counts = counts(&all);
        println!("{counts:?} of {}", odd.len());
        counts.iter().all(|(_, count)| *count >= LEAST).then_some(all)
    });
    for part in &parts {
        let of = text(part[0]);
        let login = |e: &&Value| e["service"] == "ssh" && e["kind"] == "login";
        let known = all.iter().filter(login).any(|e| {
            let raw = e["user_b64"].as_str().map(|b| STANDARD.decode(b).unwrap());
            raw.as_deref().or(e["user"].as_str().map(str::as_bytes)) == Some(of.as_bytes())
        });
        assert!(known, "{of:?}");
    }
    over.store(true, Ordering::SeqCst);
    let messages = messages.join().unwrap();
    println!("{messages} messages, {} events", all.len());
    assert!(messages > all.len() / 4, "{messages} messages of {} events", all.len());
}
