//! Capture without loss: `cargo bench --bench capture`. A bounded load on ssh (to the banner), ftp (a user name), http (a
//! request) and redis (a command), beside a bare server on the same machine that accepts, says a banner and
//! closes, under the very same load. Every connection must have its event afterwards.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::World;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Connections to each service.
const CONNECTIONS: usize = 5_000;
/// Open at once.
const AT_ONCE: usize = 16;
/// Addresses they come from: no single one is over its budget of events.
const SOURCES: usize = 250;
/// Rounds, of which the median counts: the machine is shared.
const ROUNDS: usize = 3;

struct Load {
    service: &'static str,
    port: u16,
    /// What the client says after the server's first word, and whether it waits for that word.
    says: &'static [u8],
    greeted: bool,
}

const LOADS: [Load; 4] = [
    Load { service: "ssh", port: 22, says: b"", greeted: true },
    Load { service: "ftp", port: 21, says: b"USER root\r\n", greeted: true },
    Load { service: "http", port: 80, says: b"GET / HTTP/1.0\r\n\r\n", greeted: false },
    Load { service: "redis", port: 6379, says: b"PING\r\n", greeted: false },
];

/// One conversation from `source`; true when the server said something.
fn talk(source: Ipv4Addr, to: SocketAddrV4, load: &Load) -> std::io::Result<bool> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&fd, &SocketAddrV4::new(source, 0))?;
    connect(&fd, &to)?;
    let mut stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [0u8; 512];
    let mut heard = 0;
    if load.greeted {
        heard += stream.read(&mut buffer)?;
    }
    if !load.says.is_empty() {
        stream.write_all(load.says)?;
        heard += stream.read(&mut buffer)?;
    }
    Ok(heard > 0)
}

/// Seconds for all connections of a round, and how many were answered.
fn round(to: SocketAddrV4, load: &Load) -> (f64, usize) {
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= CONNECTIONS {
                        return;
                    }
                    let last = u8::try_from(n % SOURCES + 1).unwrap_or(1);
                    if talk(Ipv4Addr::new(127, 99, 0, last), to, load).unwrap_or(false) {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (start.elapsed().as_secs_f64(), answered.into_inner())
}

/// Accepts, says a line at once and after whatever it is told, and closes: the least a server can do.
async fn bare(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let mut buffer = [0u8; 512];
            let _ = stream.write_all(b"220 ready\r\n").await;
            while let Ok(1..) = stream.read(&mut buffer).await {
                if stream.write_all(b"+PONG\r\n").await.is_err() {
                    break;
                }
            }
        });
    }
}

fn start_bare() -> SocketAddrV4 {
    let listener = std::net::TcpListener::bind("127.98.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("non-blocking");
    let SocketAddr::V4(address) = listener.local_addr().expect("address") else { unreachable!() };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        runtime.block_on(async { bare(tokio::net::TcpListener::from_std(listener).expect("listen")).await });
    });
    address
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn recorded(world: &World, service: &str) -> usize {
    let out = world.run(&["events", "--kind", "connection", "--service", service, "-o", "json"]).stdout;
    out.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count()
}

fn main() {
    let world = World::new();
    let file = world.path("f.ini");
    let text = "[general]\ndriver=loopback\nnet=127.92.0.0/16\nport_offset=31000\n\
                [d]\nip=127.92.0.9\ndistro=debian\nservices=ssh,ftp,http,redis\n";
    std::fs::write(&file, text).expect("write");
    world.run(&["deploy", "-q", &file.display().to_string()]);
    let floor = start_bare();
    println!("{CONNECTIONS} connections, {AT_ONCE} at once, median of {ROUNDS} rounds");
    println!("service   connections/s   of the bare server's   answered   events   lost");
    let mut all_lost = 0;
    for load in &LOADS {
        let to = SocketAddrV4::new(Ipv4Addr::new(127, 92, 0, 9), 31_000 + load.port);
        let (mut ours, mut theirs, mut answered) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (seconds, heard) = round(to, load);
            ours.push(CONNECTIONS as f64 / seconds);
            answered += heard;
            theirs.push(CONNECTIONS as f64 / round(floor, load).0);
        }
        // Pair by pair: the machine's speed drifts.
        let ratios = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
        let made = CONNECTIONS * ROUNDS;
        let end = Instant::now() + Duration::from_secs(10);
        let mut events = recorded(&world, load.service);
        while events < made && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            events = recorded(&world, load.service);
        }
        let lost = made.saturating_sub(events);
        all_lost += lost;
        println!(
            "{:<9} {:>13.0} {:>20.0} % {answered:>10} {events:>8} {lost:>6}",
            load.service,
            median(ours),
            100.0 * median(ratios),
        );
    }
    assert_eq!(all_lost, 0, "connections without an event");
}
