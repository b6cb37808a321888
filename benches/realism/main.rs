//! Realism, measured: `cargo bench --bench realism` (as root, for the ports to be the real ones; anybody else gets
//! them shifted by 20,000). Deploys one decky per service on loopback, asks `nmap -sV --version-all` what each is,
//! and has the real client of each protocol take its first steps. Prints a table; fails below the marks
//! that README names. `sh tests/run` installs the clients.
//!
//! `cargo bench --bench realism -- smb ldap` for some services only.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod cases;
#[path = "../common.rs"]
mod common;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::CASES;
use common::World;

/// What a service claims to be and how its client is used.
struct Case {
    service: &'static str,
    /// Further services of its decky.
    beside: &'static str,
    /// What nmap is to say of one of the ports, one of these; empty: it knows no such thing.
    product: &'static str,
    /// The client, for `sh -c`: `{ip}` and `{22}` (the port of the service) stand for where it is.
    client: &'static str,
    /// What the client says when its first steps worked.
    worked: &'static str,
}

fn shell(script: &str) -> String {
    let run = Command::new("timeout")
        .args(["300", "sh", "-c", script])
        .env("DECNET", env!("CARGO_BIN_EXE_decnet"))
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(output) => {
            let both = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&both).into_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// `{22}` becomes the port on the wire, `{ip}` the address, `{hostname}` what the decky calls itself.
fn fill(template: &str, ip: Ipv4Addr, hostname: &str, offset: u16, dir: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find('}').unwrap_or(rest.len());
        match &rest[..end] {
            "ip" => out.push_str(&ip.to_string()),
            "dir" => out.push_str(dir),
            "hostname" => out.push_str(hostname),
            number => match number.parse::<u16>() {
                Ok(port) => drop(write!(out, "{}", port + offset)),
                Err(_) => drop(write!(out, "{{{number}}}")),
            },
        }
        rest = rest.get(end + 1..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// What nmap says of the ports of a service, one line each.
fn nmap(ip: Ipv4Addr, ports: &[(String, u16)]) -> Vec<String> {
    let list = |transport: &str| {
        let of = ports.iter().filter(|(t, _)| t == transport).map(|(_, p)| p.to_string());
        of.collect::<Vec<_>>().join(",")
    };
    let (tcp, udp) = (list("tcp"), list("udp"));
    let mut said = Vec::new();
    for (list, scan) in [(tcp, "-sT"), (udp, "-sU")] {
        if list.is_empty() {
            continue;
        }
        let out = shell(&format!("nmap -n -Pn {scan} -sV --version-all -p {list} {ip}"));
        let lines = out.lines().filter(|l| l.split_once('/').is_some_and(|(n, _)| n.parse::<u16>().is_ok()));
        said.extend(lines.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    said
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let cases: Vec<&Case> =
        CASES.iter().filter(|c| wanted.is_empty() || wanted.iter().any(|w| w == c.service)).collect();
    let root = shell("id -u").trim() == "0";
    let offset = if root { 0 } else { 20_000 };
    let world = World::new();
    let mut text = format!("[general]\ndriver=loopback\nnet=127.93.0.0/24\nport_offset={offset}\n");
    for (n, case) in (1u8..).zip(&cases) {
        let (slug, beside) = (case.service, case.beside);
        let _ = write!(text, "[r-{slug}]\nip=127.93.0.{n}\nservices={slug}{beside}\ndistro=debian\n");
        text.push('\n');
    }
    let file = world.path("f.ini");
    std::fs::write(&file, text).expect("write");
    world.run(&["deploy", "-q", &file.display().to_string()]);
    let status: serde_json::Value =
        serde_json::from_slice(&world.run(&["status", "-o", "json"]).stdout).expect("json");
    let dir = world.dir.path().display().to_string();
    // nmap waits most of the time.
    let next = AtomicUsize::new(0);
    let one = |at: usize| {
        let case = cases[at];
        let ip = Ipv4Addr::new(127, 93, 0, u8::try_from(at + 1).unwrap_or(u8::MAX));
        let decky = decky(&status, ip);
        let ports = ports(decky);
        let hostname = decky["hostname"].as_str().unwrap_or_default();
        let answer = shell(&fill(case.client, ip, hostname, offset, &dir));
        (at, Found { said: nmap(ip, &ports), answer })
    };
    let work = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= cases.len() {
                return mine;
            }
            mine.push(one(at));
        }
    };
    let mut found: Vec<(usize, Found)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().expect("a case")).collect()
    });
    found.sort_by_key(|(at, _)| *at);
    let (mut named, mut served, mut failures) = (0, 0, Vec::new());
    println!("{:<14} {:<6} {:<6} nmap -sV --version-all says", "service", "nmap", "client");
    for (at, Found { said, answer }) in &found {
        let case = cases[*at];
        let is_named = case.product.split('|').any(|p| !p.is_empty() && said.iter().any(|l| l.contains(p)));
        let is_served = answer.contains(case.worked);
        named += usize::from(is_named);
        served += usize::from(is_served);
        let word = |ok| if ok { "yes" } else { "NO" };
        let nmapped = if case.product.is_empty() { "-" } else { word(is_named) };
        let first = said.first().map_or("(no port)", String::as_str);
        println!("{:<14} {nmapped:<6} {:<6} {first}", case.service, word(is_served));
        for line in said.iter().skip(1) {
            println!("{:<28} {line}", "");
        }
        if !is_served {
            failures.push(format!("--- {}\n{answer}", case.service));
        }
    }
    println!(
        "\nnmap names the claimed product of {named} of {}; the client gets on with {served}",
        cases.len()
    );
    for failure in &failures {
        println!("{}", failure.chars().take(2000).collect::<String>());
    }
    if wanted.is_empty() {
        assert!(named >= 26, "fewer than 26 are named");
        assert_eq!(served, cases.len(), "not every client gets on");
    }
}

/// What became of a case.
struct Found {
    /// nmap's lines.
    said: Vec<String>,
    /// All that the client said.
    answer: String,
}

fn decky(status: &serde_json::Value, ip: Ipv4Addr) -> &serde_json::Value {
    let mut all = status["deckies"].as_array().into_iter().flatten();
    all.find(|d| d["ip"] == ip.to_string()).expect("the decky of a case")
}

/// Where a decky listens.
fn ports(decky: &serde_json::Value) -> Vec<(String, u16)> {
    let one = |p: &serde_json::Value| {
        Some((p["transport"].as_str()?.to_owned(), u16::try_from(p["port"].as_u64()?).ok()?))
    };
    decky["ports"].as_array().into_iter().flatten().filter_map(one).collect()
}
