//! Addresses of a LAN are probed before they are taken: in network namespaces of the test's own, with a
//! second machine on the wire that has some of them.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use decnet::host::arp::frame::{ETHERTYPE, Frame, Operation};
use decnet::host::arp::{self, Conflict, Lost, MOST_PER_SECOND, Pace, Sentry};
use decnet::model::Mac;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, eth, recv, socket_with, sockopt};

use crate::common::{World, eventually, tool};

const INSIDE: &str = "DECNET_TEST_NAMESPACE";
const RIVAL: &str = "02:00:5e:10:00:01";
const TAKEN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 20);
const FREE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 21);

/// Whether this is the run in a network namespace of its own. In the other one the test is run there,
/// and must pass.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = rustix::process::geteuid().is_root();
    let ran = tool("unshare")
        .arg(if root { "-n" } else { "-Urn" })
        .arg(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", &format!("probe::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("run unshare");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("1 passed"), "{out}\n{err}");
    false
}

/// A wire: `lan0` here, `wire0` in the namespace of another machine.
struct Lan {
    rival: Child,
}

impl Lan {
    fn new() -> Self {
        let rival = tool("unshare")
            .args(["-n", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("start a machine");
        let lan = Self { rival };
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        eventually("a namespace for the rival", || {
            (namespace(&lan.rival.id().to_string())? != namespace("self")?).then_some(())
        });
        let pid = lan.rival.id().to_string();
        run(tool("ip").args(["link", "add", "lan0", "type", "veth", "peer", "wire0", "netns", &pid]));
        run(tool("ip").args(["link", "set", "lan0", "up"]));
        lan.there(&["ip", "link", "set", "wire0", "address", RIVAL]);
        lan.there(&["ip", "link", "set", "wire0", "up"]);
        lan.there(&["ip", "address", "add", &format!("{TAKEN}/24"), "dev", "wire0"]);
        eventually("a wire that carries", || {
            run(tool("ip").args(["link", "show", "lan0"])).contains("state UP").then_some(())
        });
        lan
    }

    /// Runs a program on the other machine.
    fn there(&self, command: &[&str]) {
        let pid = self.rival.id().to_string();
        run(tool("nsenter").args(["-t", &pid, "-n"]).args(command));
    }

    fn parent() -> u32 {
        arp::interface_index("lan0").expect("lan0")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = self.rival.kill();
        let _ = self.rival.wait();
    }
}

fn run(command: &mut Command) -> String {
    let ran = command.output().expect("run a program");
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// All ARP that passes `lan0`, in both directions.
struct Capture {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<(Instant, Frame)>>>,
    thread: JoinHandle<()>,
}

impl Capture {
    fn start() -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket: OwnedFd =
            socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(eth::ALL)).expect("capture");
        sockopt::set_socket_recv_buffer_size(&socket, 1 << 20).expect("a buffer");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0u8; 128];
            loop {
                match recv(&socket, &mut buffer, RecvFlags::empty()) {
                    Ok((length, _)) if buffer[12..14] == ETHERTYPE.to_be_bytes() => {
                        let frame = Frame::parse(&buffer[..length]).expect("good ARP");
                        notes.lock().expect("notes").push((Instant::now(), frame));
                    }
                    Ok(_) => {}
                    Err(_) if stopped.load(Ordering::SeqCst) => return,
                    Err(_) => {
                        let limit = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
                        poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&limit)).expect("poll");
                    }
                }
            }
        });
        Self { stop, seen, thread }
    }

    /// What passed until now.
    fn so_far(&self) -> Vec<(Instant, Frame)> {
        self.seen.lock().expect("notes").clone()
    }

    /// What passed, without what the rival said.
    fn ours(self) -> Vec<(Instant, Frame)> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("capture");
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("notes"));
        seen.retain(|(_, frame)| frame.source != mac(RIVAL));
        seen
    }
}

fn mac(text: &str) -> Mac {
    text.parse().expect("a MAC address")
}

fn decky(number: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, number])
}

#[test]
fn an_address_that_another_machine_has_is_a_conflict_and_stays_undisturbed() {
    if !inside("an_address_that_another_machine_has_is_a_conflict_and_stays_undisturbed") {
        return;
    }
    let _lan = Lan::new();
    let capture = Capture::start();
    let asked = [(FREE, decky(1)), (TAKEN, decky(2))];
    let found = arp::probe(Lan::parent(), &[], &asked, Pace::Fast).unwrap();
    assert_eq!(found, [Conflict { ip: TAKEN, mac: mac(RIVAL) }]);
    let ours = capture.ours();
    for (_, frame) in &ours {
        assert!(frame.packet.is_probe(), "{frame:?}");
        assert_eq!(frame.packet.sender_ip, Ipv4Addr::UNSPECIFIED);
    }
    let about = |ip| ours.iter().filter(|(_, frame)| frame.packet.target_ip == ip).count();
    assert_eq!((about(FREE), about(TAKEN)), (3, 1), "it answered: it is not asked again");
    // The same machine, known to be ours, is none.
    assert_eq!(arp::probe(Lan::parent(), &[mac(RIVAL)], &asked, Pace::Fast).unwrap(), []);
}

#[test]
fn deckies_on_the_parent_neither_hide_a_conflict_nor_are_one() {
    if !inside("deckies_on_the_parent_neither_hide_a_conflict_nor_are_one") {
        return;
    }
    let _lan = Lan::new();
    let moving = decky(3).to_string();
    let child = ["link", "add", "link", "lan0", "name", "child", "address", &moving, "type", "macvlan"];
    run(tool("ip").args(child).args(["mode", "private"]));
    run(tool("ip").args(["address", "add", &format!("{FREE}/24"), "dev", "child"]));
    run(tool("ip").args(["link", "set", "child", "up"]));
    // It keeps its hardware address, to which the answer comes; its address goes to another decky.
    let asked = [(TAKEN, decky(3)), (FREE, decky(4))];
    let found = arp::probe(Lan::parent(), &[decky(3)], &asked, Pace::Fast).unwrap();
    assert_eq!(found, [Conflict { ip: TAKEN, mac: mac(RIVAL) }]);
}

#[test]
fn two_hundred_free_addresses_are_probed_within_the_rate() {
    if !inside("two_hundred_free_addresses_are_probed_within_the_rate") {
        return;
    }
    let _lan = Lan::new();
    let capture = Capture::start();
    let asked: Vec<(Ipv4Addr, Mac)> =
        (30..230).map(|last| (Ipv4Addr::new(10, 77, 0, last), decky(last))).collect();
    let start = Instant::now();
    assert_eq!(arp::probe(Lan::parent(), &[], &asked, Pace::Fast).unwrap(), []);
    let took = start.elapsed();
    println!("200 addresses: {took:?}");
    assert!(took < Duration::from_millis(2500), "{took:?}");
    let ours = capture.ours();
    assert_eq!(ours.len(), 600);
    for (ip, mac) in asked {
        assert_eq!(ours.iter().filter(|(_, frame)| *frame == Frame::probe(mac, ip)).count(), 3, "{ip}");
    }
    // The capture looks at its clock a little late, now and then.
    for window in ours.windows(MOST_PER_SECOND + 1) {
        let between = window[MOST_PER_SECOND].0 - window[0].0;
        assert!(between > Duration::from_millis(800), "{between:?}");
    }
}

#[test]
fn a_claimed_address_is_announced_defended_and_given_up() {
    if !inside("a_claimed_address_is_announced_defended_and_given_up") {
        return;
    }
    let lan = Lan::new();
    let capture = Capture::start();
    let start = Instant::now();
    arp::announce(Lan::parent(), &[(FREE, decky(1))], Pace::Fast).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    let expected = Frame::announcement(decky(1), FREE);
    assert_eq!(capture.ours().iter().map(|(_, frame)| *frame).collect::<Vec<_>>(), [expected; 2]);

    // The rival says who it is whenever its hardware address changes.
    lan.there(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/wire0/arp_notify"]);
    lan.there(&["ip", "address", "add", &format!("{FREE}/24"), "dev", "wire0"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sentry = Sentry::new(Lan::parent()).unwrap();
        sentry.claim(FREE, decky(1));
        let capture = Capture::start();
        let first = "02:00:5e:10:00:02";
        lan.there(&["ip", "link", "set", "wire0", "address", first]);
        let rest = Duration::from_millis(300);
        while let Ok(lost) = tokio::time::timeout(rest, sentry.attend()).await {
            assert_eq!(lost.unwrap(), []);
        }
        let second = mac("02:00:5e:10:00:03");
        lan.there(&["ip", "link", "set", "wire0", "address", &second.to_string()]);
        let lost = loop {
            let wait = tokio::time::timeout(Duration::from_secs(5), sentry.attend());
            let lost = wait.await.expect("the rival was heard").unwrap();
            if !lost.is_empty() {
                break lost;
            }
        };
        assert_eq!(lost, [Lost { ip: FREE, rival: second }]);
        let defences = capture.ours().iter().filter(|(_, frame)| *frame == expected).count();
        assert_eq!(defences, 1, "defended once, then given up");
    });
}

/// A fleet of two on the wire, the second one with this address.
fn fleet(world: &World, address: Ipv4Addr, more: &str) -> String {
    let text = format!(
        "[general]\ndriver = macvlan\ninterface = lan0\nnet = 10.77.0.0/24\ngw = 10.77.0.1\n{more}\n\
         [web-01]\nip = 10.77.0.40\nservices = ssh\n[db-01]\nip = {address}\nservices = http\n"
    );
    world.write("fleet.ini", text).display().to_string()
}

#[test]
fn a_deploy_stops_at_a_taken_address() {
    if !inside("a_deploy_stops_at_a_taken_address") {
        return;
    }
    let _lan = Lan::new();
    let world = World::new();
    let file = fleet(&world, TAKEN, "");
    let capture = Capture::start();
    for command in ["deploy", "plan"] {
        let refused = world.json(5, &[command, &file]);
        let refusal = &refused["errors"][0];
        assert_eq!(refusal["kind"], "conflict", "{refused}");
        assert_eq!(refusal["decky"], "db-01");
        assert_eq!(refusal["address"], "10.77.0.20");
        assert!(refusal["message"].as_str().unwrap().contains(RIVAL), "{refused}");
        assert_eq!(refused["errors"].as_array().unwrap().len(), 1);
    }
    for (_, frame) in capture.ours() {
        assert_eq!(frame.packet.operation, Operation::Request);
        assert_eq!(frame.packet.sender_ip, Ipv4Addr::UNSPECIFIED, "{frame:?}");
    }
    assert_eq!(world.names(), Vec::<String>::new());
    // Whoever says that nothing is to be probed gets a plan, and so does one whose addresses are free.
    assert_eq!(world.json(0, &["plan", &file, "--no-probe"])["summary"]["create"], 2);
    let off = fleet(&world, TAKEN, "probe = off");
    assert_eq!(world.json(0, &["plan", &off])["summary"]["create"], 2);
    let free = fleet(&world, FREE, "");
    let planned = world.run(&["plan", &free]).code(0);
    assert!(!planned.err.contains("probed"), "{}", planned.err);
}

#[test]
fn a_deploy_is_announced_and_defends_its_addresses() {
    if !inside("a_deploy_is_announced_and_defends_its_addresses") {
        return;
    }
    let lan = Lan::new();
    let world = World::new();
    let file = fleet(&world, FREE, "");
    let capture = Capture::start();
    world.run(&["deploy", &file]).ok();
    let rows = world.json(0, &["list"])["deckies"].clone();
    let claims: Vec<Frame> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            Frame::announcement(mac(text("mac")), text("ip").parse().unwrap())
        })
        .collect();
    assert_eq!(claims.len(), 2);
    eventually("both are announced twice", || {
        let seen = capture.so_far();
        let times = |claim| seen.iter().filter(|(_, frame)| frame == claim).count();
        claims.iter().all(|claim| times(claim) == 2).then_some(())
    });
    let ours = capture.ours();
    let said = ours.iter().filter(|(_, frame)| frame.packet.sender_ip != Ipv4Addr::UNSPECIFIED);
    assert_eq!(said.count(), 4, "{ours:?}");

    // The rival takes one of the addresses, and says who it is whenever its hardware address changes.
    let claim = *claims.iter().find(|claim| claim.packet.sender_ip == FREE).unwrap();
    let capture = Capture::start();
    let defences = || capture.so_far().iter().filter(|(_, frame)| *frame == claim).count();
    let standing = || {
        let row = world.json(0, &["status"])["deckies"][0].clone();
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        (text("observed"), text("reason"))
    };
    lan.there(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/wire0/arp_notify"]);
    lan.there(&["ip", "address", "add", &format!("{FREE}/24"), "dev", "wire0"]);
    lan.there(&["ip", "link", "set", "wire0", "address", "02:00:5e:10:00:02"]);
    eventually("it is defended", || (defences() == 1).then_some(()));
    assert_eq!(standing(), ("running".to_owned(), String::new()));
    lan.there(&["ip", "link", "set", "wire0", "address", "02:00:5e:10:00:03"]);
    eventually("it is given up", || {
        let (state, reason) = standing();
        let told = "address conflict: 10.77.0.21 is used by 02:00:5e:10:00:03";
        (state == "degraded" && reason.contains(told)).then_some(())
    });
    lan.there(&["ip", "link", "set", "wire0", "address", "02:00:5e:10:00:04"]);
    // The other machine goes: once that is seen, all is well again.
    lan.there(&["ip", "address", "flush", "dev", "wire0"]);
    let end = Instant::now() + Duration::from_secs(16);
    while standing().0 != "running" {
        assert!(Instant::now() < end, "never: it is regained; {:?}", standing());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(defences(), 1, "defended once, then given up");
}

#[test]
fn without_the_privilege_a_deploy_stops_and_a_plan_says_so() {
    if !inside("without_the_privilege_a_deploy_stops_and_a_plan_says_so") {
        return;
    }
    let _lan = Lan::new();
    let world = World::new();
    let file = fleet(&world, FREE, "");
    let weakly = |command: &str| {
        let program = world.command([command, &file]);
        let mut weak = tool("setpriv");
        weak.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]);
        weak.arg(program.get_program()).args(program.get_args()).env_clear();
        weak.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = weak.output().expect("run setpriv");
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, said) = weakly("deploy");
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("CAP_NET_RAW") && said.contains("--no-probe"), "{said}");
    let (code, said) = weakly("plan");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not probed") && said.contains("CAP_NET_RAW"), "{said}");
    // A parent that cannot be probed at all.
    run(tool("ip").args(["link", "set", "lan0", "down"]));
    let down = world.run(&["deploy", &file]).code(12);
    assert!(down.err.contains("down") && down.err.contains("ip link set lan0 up"), "{}", down.err);
    let loopback = world.write(
        "lo.ini",
        "[general]\ndriver = macvlan\ninterface = lo\nnet = 10.77.0.0/24\n[web-01]\nservices = ssh\n",
    );
    let refused = world.run(&["deploy", &loopback.display().to_string()]).code(12);
    assert!(refused.err.contains("loopback"), "{}", refused.err);
}
