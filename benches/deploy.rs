//! How long until 100 loopback deckies with ssh and http answer, and what each costs in memory:
//! `cargo bench --bench deploy`. Beside it, in the same run: the bare cost of as many processes.

#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{World, ms};

const DECKIES: usize = 100;

/// Kilobytes of one field of /proc/PID/smaps_rollup, summed over `names`.
fn smaps(pid: i64, names: &[&str]) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let one = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        names.contains(&name).then(|| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(one).sum()
}

/// Whether a port says what its service says first: ssh its version line, http a status line.
fn answers(address: SocketAddr, http: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    if http {
        use std::io::Write;
        if stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_err() {
            return false;
        }
    }
    let mut start = [0u8; 4];
    stream.read_exact(&mut start).is_ok() && start == *(if http { b"HTTP" } else { b"SSH-" })
}

fn main() {
    let world = World::new();
    let file = world.path("f.ini");
    let text = format!(
        "[general]\ndriver=loopback\nnet=127.91.0.0/16\nport_offset=31000\n[d]\nservices=ssh,http\ndistro=debian\namount={DECKIES}\n"
    );
    std::fs::write(&file, text).expect("write");
    let start = Instant::now();
    world.run(&["deploy", "-q", &file.display().to_string()]);
    let deployed = start.elapsed();
    let list: serde_json::Value =
        serde_json::from_slice(&world.run(&["status", "-o", "json"]).stdout).expect("json");
    let deckies = list["deckies"].as_array().expect("deckies");
    assert_eq!(deckies.len(), DECKIES);
    for decky in deckies {
        let ip: std::net::IpAddr = decky["ip"].as_str().expect("ip").parse().expect("an address");
        assert!(answers((ip, 31_022).into(), false), "{ip} ssh");
        assert!(answers((ip, 31_080).into(), true), "{ip} http");
    }
    let answered = start.elapsed();

    let bare_start = Instant::now();
    let mut bare: Vec<_> = (0..DECKIES)
        .map(|_| Command::new("/bin/sleep").arg("30").stdin(Stdio::null()).spawn().expect("sleep"))
        .collect();
    let bare_took = bare_start.elapsed();
    for child in &mut bare {
        let _ = child.kill();
        let _ = child.wait();
    }

    let pids: Vec<i64> = deckies.iter().filter_map(|d| d["pid"].as_i64()).collect();
    let per = |names: &[&str]| pids.iter().map(|p| smaps(*p, names)).sum::<u64>() / DECKIES as u64;
    println!("{DECKIES} deckies, ssh + http, loopback");
    println!("deploy returned after            {}", ms(deployed));
    println!(
        "every one of {} ports answered  {}  ({:.1} x starting {DECKIES} bare processes: {})",
        2 * DECKIES,
        ms(answered),
        answered.as_secs_f64() / bare_took.as_secs_f64(),
        ms(bare_took)
    );
    println!(
        "memory per decky                 PSS {} kB, private {} kB",
        per(&["Pss"]),
        per(&["Private_Clean", "Private_Dirty"])
    );
    let engine: serde_json::Value =
        serde_json::from_slice(&world.run(&["engine", "status", "-o", "json"]).stdout).expect("json");
    if let Some(pid) = engine["pid"].as_i64() {
        println!("engine                           PSS {} kB", smaps(pid, &["Pss"]));
    }
}
