//! Decoys on a LAN, seen from another host on the same wire.
//!
//! Each test makes both hosts itself: two network namespaces and a cable (veth) between them. As root the
//! namespaces are plain ones; anybody else gets a user namespace around them. Nothing leaves them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::common::{Ran, World, eventually, tool, within};

/// The attacker's address, and that of the host the deckies run on.
const ATTACKER: &str = "10.77.0.1";
const HOST: &str = "10.77.0.2";

/// A process that holds a namespace until its input ends.
pub(crate) struct Holder(Child);

impl Holder {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["sh", "-c", "echo in; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a holder");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("read");
        assert_eq!(line, "in\n", "this machine lets nobody make namespaces: run as root");
        Self(child)
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Two hosts and the cable between them. The engine ends before the hosts do.
pub(crate) struct Lan {
    pub(crate) world: World,
    attacker: Holder,
    pub(crate) host: Holder,
    user: bool,
}

impl Lan {
    pub(crate) fn new() -> Self {
        Self::with(!geteuid().is_root())
    }

    /// `user`: a user namespace around it.
    fn with(user: bool) -> Self {
        let mut host = tool("unshare");
        host.arg(if user { "-Urn" } else { "-n" });
        let host = Holder::start(host);
        let mut attacker = enter(&host, user);
        attacker.args(["unshare", "-n"]);
        let attacker = Holder::start(attacker);
        let lan = Self { world: World::new(), attacker, host, user };
        lan.on_host(&["ip", "link", "set", "lo", "up"]).ok();
        lan.cable();
        lan
    }

    /// Puts the cable in: `par0` here, `att0` there.
    fn cable(&self) {
        let peer = self.attacker.pid();
        self.on_host(&["ip", "link", "add", "par0", "type", "veth", "peer", "name", "att0", "netns", &peer])
            .ok();
        self.on_host(&["ip", "addr", "add", &format!("{HOST}/16"), "dev", "par0"]).ok();
        self.on_host(&["ip", "link", "set", "par0", "up"]).ok();
        self.on_host(&["ip", "route", "add", "default", "via", ATTACKER]).ok();
        self.on_attacker(&["ip", "addr", "add", &format!("{ATTACKER}/16"), "dev", "att0"]).ok();
        self.on_attacker(&["ip", "link", "set", "att0", "up"]).ok();
    }

    pub(crate) fn on_host(&self, words: &[&str]) -> Ran {
        Ran::from(enter(&self.host, self.user).args(words).output().expect("run on the host"))
    }

    pub(crate) fn on_attacker(&self, words: &[&str]) -> Ran {
        Ran::from(enter(&self.attacker, self.user).args(words).output().expect("run on the attacker"))
    }

    /// The program, on the host. `before`: what it is started by.
    fn decnet_by(&self, before: &[&str], args: &[&str]) -> Ran {
        Ran::from(self.command(before, args).output().expect("run decnet"))
    }

    /// The program, ready to run on the host.
    pub(crate) fn command(&self, before: &[&str], args: &[&str]) -> Command {
        let plain = self.world.command(args);
        let mut command = enter(&self.host, self.user);
        command.args(before).arg(plain.get_program()).args(plain.get_args()).env_clear();
        for (key, value) in plain.get_envs() {
            command.env(key, value.expect("a value"));
        }
        command.current_dir(self.world.path("")).stdin(Stdio::null());
        command
    }

    pub(crate) fn decnet(&self, args: &[&str]) -> Ran {
        self.decnet_by(&[], args)
    }

    pub(crate) fn deploy(&self, body: &str) -> Ran {
        let file = self.world.write("fleet.ini", format!("[general]\ndriver = macvlan\n{body}"));
        self.decnet(&["deploy", file.to_str().unwrap(), "--yes"])
    }

    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.decnet(&[args, &["-o", "json"]].concat()).out).expect("JSON")
    }

    /// What nmap finds: address to MAC, without the host itself and the attacker.
    pub(crate) fn found(&self, range: &str) -> BTreeMap<String, String> {
        let out = self.on_attacker(&["nmap", "-n", "-sn", range]).ok();
        let mut found = BTreeMap::new();
        let mut ip = "";
        for line in out.lines() {
            if let Some(address) = line.strip_prefix("Nmap scan report for ") {
                ip = address;
            } else if let Some(rest) = line.strip_prefix("MAC Address: ") {
                found.insert(ip.to_owned(), rest[..17].to_lowercase());
            }
        }
        found.remove(HOST);
        found
    }

    /// Address to MAC as recorded.
    pub(crate) fn recorded(&self) -> BTreeMap<String, String> {
        let list = self.json(&["list"]);
        let text = |row: &serde_json::Value, key| row[key].as_str().expect(key).to_owned();
        list["deckies"].as_array().unwrap().iter().map(|row| (text(row, "ip"), text(row, "mac"))).collect()
    }

    /// Whether links hang on the parent, which has to listen to their MACs: 0 when there is none.
    pub(crate) fn children(&self) -> usize {
        let text = self.on_host(&["ip", "-d", "link", "show", "par0"]);
        let at = text.out.find("promiscuity ").map(|at| &text.out[at + 12..]).unwrap_or("0 ");
        at.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// An open connection of the attacker's to something that greets; it says nothing, and stays.
    pub(crate) fn hold(&self, ip: &str, port: u16) -> Holder {
        let hold = format!("exec 3<>/dev/tcp/{ip}/{port}; read -r line <&3; echo $line; exec cat");
        let mut command = enter(&self.attacker, self.user);
        command.args(["bash", "-c", &hold]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holding = command.spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(holding.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("SSH-2.0-"), "{greeting}");
        Holder(holding)
    }

    /// Links that hang on the parent, in words.
    fn left(&self) -> Option<String> {
        let links = self.children();
        (links > 0).then(|| format!("{links} links"))
    }

    pub(crate) fn kill_engine(&self) {
        let pid = self.world.engine_pid().and_then(Pid::from_raw).expect("an engine");
        kill_process(pid, Signal::KILL).unwrap();
    }

    /// State and reason of the one decky.
    fn state(&self) -> (String, String) {
        let row = self.json(&["status"])["deckies"][0].clone();
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        (text("observed"), text("reason"))
    }

    fn becomes(&self, state: &str, reason: &str) {
        eventually(&format!("{state} {reason}"), || {
            let (now, why) = self.state();
            (now == state && why.contains(reason)).then_some(())
        });
    }
}

/// A command that will run in the namespaces of `holder`.
fn enter(holder: &Holder, user: bool) -> Command {
    let mut command = tool("nsenter");
    command.args(["-t", &holder.pid(), "-n"]);
    if user {
        command.args(["-U", "--preserve-credentials"]);
    }
    command
}

const FAMILIES: &str = "
[lin]
ip = 10.77.0.10
services = ssh, http
[win]
ip = 10.77.0.11
services = http
nmap_os = windows
[cis]
ip = 10.77.0.12
services = ssh
nmap_os = cisco
";

fn looks_like_three_machines(lan: &Lan) {
    lan.deploy(FAMILIES).ok();
    let found = lan.found("10.77.0.1-40");
    assert_eq!(found, lan.recorded());
    let macs: std::collections::BTreeSet<_> = found.values().collect();
    assert_eq!(macs.len(), 3, "{found:?}");
    let ports = ["nmap", "-n", "-sS", "--reason", "-p", "22,80,9999"];
    for (ip, ttl, open) in [("10.77.0.10", 64, "22 80"), ("10.77.0.11", 128, "80"), ("10.77.0.12", 255, "22")]
    {
        let ping =
            lan.on_attacker(&["nmap", "-n", "-sn", "-PE", "--send-ip", "--disable-arp-ping", "--reason", ip]);
        assert!(ping.ok().contains(&format!("echo-reply ttl {ttl} ")), "{ip}");
        let scan = lan.on_attacker(&[ports.as_slice(), &[ip]].concat()).ok();
        for port in ["22", "80", "9999"] {
            let line = scan.lines().find(|l| l.starts_with(&format!("{port}/tcp"))).expect(port);
            let answer = if open.split(' ').any(|p| p == port) { "syn-ack" } else { "reset" };
            assert!(line.ends_with(&format!("{answer} ttl {ttl}")), "{ip}: {line}");
        }
    }
    let page = lan.on_attacker(&[
        "curl",
        "-sS",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "http://10.77.0.11/",
    ]);
    assert_eq!(page.ok(), "200");
    let key = lan.on_attacker(&["ssh-keyscan", "-T", "5", "10.77.0.12"]).ok();
    assert!(key.contains("10.77.0.12 ssh-ed25519 "), "{key}");
    // What they were not let say is counted.
    let status = lan.json(&["status"]);
    assert!(status["deckies"].as_array().unwrap().iter().all(|decky| decky["drops"].is_u64()), "{status}");
    assert!(lan.decnet(&["status", "-o", "wide"]).ok().contains("DROPS"));
    // The host behind them shows nothing of it.
    let host = lan.on_attacker(&[ports.as_slice(), &[HOST]].concat()).ok();
    assert_eq!(host.matches("closed").count(), 3, "{host}");
}

#[test]
fn a_second_host_sees_three_machines() {
    let lan = Lan::new();
    looks_like_three_machines(&lan);
    lan.decnet(&["teardown", "--all", "--yes"]).ok();
    eventually("every link is gone", || (lan.children() == 0).then_some(()));
    assert!(lan.found("10.77.0.1-40").is_empty());
}

#[test]
fn a_user_namespace_is_enough() {
    looks_like_three_machines(&Lan::with(true));
}

#[test]
fn a_killed_engine_leaves_nothing_and_comes_back_the_same() {
    let lan = Lan::new();
    lan.deploy("[d]\namount = 20\nservices = ssh, http\n").ok();
    let before = lan.found("10.77.0.1-40");
    assert_eq!(before.len(), 20);
    assert_eq!(before, lan.recorded());
    for _ in 0..3 {
        lan.kill_engine();
        within(Duration::from_secs(1), "links", || lan.left());
        assert!(lan.found("10.77.0.1-40").is_empty());
        lan.decnet(&["reconcile"]).ok();
        assert_eq!(lan.found("10.77.0.1-40"), before);
        // Straight on: the new engine meets what the killed one left.
        lan.kill_engine();
        lan.decnet(&["reconcile"]).ok();
        assert_eq!(lan.found("10.77.0.1-40"), before);
    }
}

#[test]
fn moving_keeps_the_mac_and_changing_keeps_the_link() {
    let lan = Lan::new();
    lan.deploy("[a]\nip = 10.77.0.10\nservices = ssh\n").ok();
    let mac = lan.recorded()["10.77.0.10"].clone();
    let replace = |body: &str| {
        let file = lan.world.write("fleet.ini", format!("[general]\ndriver = macvlan\n{body}"));
        lan.decnet(&["deploy", file.to_str().unwrap(), "--yes", "--replace-fleet"]).ok();
    };
    // The MAC is still held by the link that goes.
    replace("[a]\nip = 10.77.0.20\nservices = ssh\n");
    assert_eq!(lan.found("10.77.0.1-40"), BTreeMap::from([("10.77.0.20".to_owned(), mac.clone())]));
    replace("[a]\nip = 10.77.0.20\nservices = ssh, http\n");
    let page = lan.on_attacker(&[
        "curl",
        "-sS",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "http://10.77.0.20/",
    ]);
    assert_eq!(page.ok(), "200");
    assert_eq!(lan.found("10.77.0.1-40"), BTreeMap::from([("10.77.0.20".to_owned(), mac)]));
}

#[test]
fn a_mac_that_is_just_being_given_up_is_waited_for() {
    let lan = Lan::new();
    let squat = "link add link par0 name squat address 52:54:00:00:00:07 type macvlan mode private";
    lan.on_host(&[&["ip"], squat.split(' ').collect::<Vec<_>>().as_slice()].concat()).ok();
    lan.on_host(&["ip", "link", "set", "squat", "up"]).ok();
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| {
            lan.deploy("[a]\nip = 10.77.0.10\nmac = 52:54:00:00:00:07\nservices = ssh\n[b]\nservices = ssh\n")
        });
        eventually("the other decky runs meanwhile", || {
            let rows = lan.json(&["status"])["deckies"].clone();
            (rows[0]["observed"] == "pending" && rows[1]["observed"] == "running").then_some(())
        });
        lan.on_host(&["ip", "link", "delete", "squat"]).ok();
        deploy.join().unwrap().ok();
    });
    assert_eq!(lan.found("10.77.0.10")["10.77.0.10"], "52:54:00:00:00:07");
}

#[test]
fn a_silent_attacker_does_not_keep_a_dead_decky_on_the_wire() {
    let lan = Lan::new();
    lan.deploy("[a]\nip = 10.77.0.10\nservices = ssh\n").ok();
    let holding = lan.hold("10.77.0.10", 22);
    // From here on nothing it is sent is acknowledged.
    lan.on_attacker(&["ip", "addr", "flush", "dev", "att0"]).ok();
    lan.kill_engine();
    within(Duration::from_secs(1), "the link of a connection that nobody acknowledges", || lan.left());
    drop(holding);
}

#[test]
fn a_broken_wire_is_told_and_heals() {
    let lan = Lan::new();
    lan.deploy("[a]\nip = 10.77.0.10\nservices = ssh\n").ok();
    lan.becomes("running", "");
    let ip = |words: &[&str]| drop(lan.on_host(&[&["ip", "link"], words].concat()).ok());

    ip(&["set", "par0", "down"]);
    lan.becomes("degraded", "parent par0 is down");
    ip(&["set", "par0", "up"]);
    lan.becomes("running", "");

    lan.on_attacker(&["ip", "link", "set", "att0", "down"]).ok();
    lan.becomes("degraded", "par0 has no carrier");
    lan.on_attacker(&["ip", "link", "set", "att0", "up"]).ok();
    lan.becomes("running", "");

    ip(&["set", "par0", "down"]);
    ip(&["set", "par0", "name", "lan9"]);
    ip(&["set", "lan9", "up"]);
    lan.becomes("degraded", "par0 is now called lan9");
    assert_eq!(lan.found("10.77.0.10").len(), 1, "it works all the same");
    ip(&["set", "lan9", "down"]);
    ip(&["set", "lan9", "name", "par0"]);
    ip(&["set", "par0", "up"]);
    lan.becomes("running", "");

    let before = lan.found("10.77.0.10");
    ip(&["delete", "par0"]);
    lan.becomes("degraded", "parent par0 is gone");
    lan.cable();
    lan.becomes("running", "");
    assert_eq!(lan.found("10.77.0.10"), before);
}

#[test]
fn a_parent_lost_on_the_way_is_a_partial_deploy_that_mends() {
    let lan = Lan::new();
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| lan.deploy("[d]\namount = 100\nservices = ssh\n"));
        eventually("the first runs", || lan.json(&["list"]).to_string().contains("running").then_some(()));
        lan.on_host(&["ip", "link", "delete", "par0"]).ok();
        let ran = deploy.join().unwrap().code(4);
        // Those that were there before hang on nothing, the others could not come.
        let said = ["there is no interface `par0`", "parent par0 is gone"];
        assert!(said.iter().any(|why| ran.err.contains(why)), "{}", ran.err);
    });
    eventually("all are down", || (lan.json(&["status"])["down"] == 100).then_some(()));
    lan.cable();
    // It heals by itself once the cable carries; a person may ask for it as well.
    let _ = lan.decnet(&["reconcile"]);
    eventually("all run", || (lan.json(&["status"])["down"] == 0).then_some(()));
    assert!(lan.decnet(&["reconcile"]).ok().contains("No changes."));
    assert_eq!(lan.found("10.77.0.1-140"), lan.recorded());
}

#[test]
fn one_that_cannot_come_does_not_keep_the_others() {
    let lan = Lan::new();
    lan.on_host(&[
        "ip",
        "link",
        "add",
        "link",
        "par0",
        "name",
        "squat",
        "address",
        "52:54:00:00:00:07",
        "type",
        "macvlan",
    ])
    .ok();
    lan.on_host(&["ip", "link", "set", "squat", "up"]).ok();
    let ran = lan
        .deploy("[a]\nmac = 52:54:00:00:00:07\nservices = ssh\n[d]\namount = 49\nservices = ssh\n")
        .code(4);
    assert!(ran.err.contains("a: another link on par0 has the MAC 52:54:00:00:00:07"), "{}", ran.err);
    assert_eq!(lan.json(&["status"])["down"], 1);
    lan.on_host(&["ip", "link", "delete", "squat"]).ok();
    lan.decnet(&["reconcile"]).ok();
    assert_eq!(lan.found("10.77.0.1-60"), lan.recorded());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_recorded() {
    let lan = Lan::new();
    let net = "net = 10.77.0.0/16\n";
    let refused = |ran: Ran, words: &[&str]| {
        let ran = ran.code(12);
        for word in words {
            assert!(ran.err.contains(word), "{word}: {}", ran.err);
        }
        assert!(!lan.world.db().exists(), "something was recorded");
    };
    let decky = "[a]\nservices = ssh\n";
    refused(
        lan.deploy(&format!("{net}interface = lo\n{decky}")),
        &["loopback interface", "driver = loopback"],
    );
    refused(lan.deploy(&format!("{net}interface = eth7\n{decky}")), &["no interface `eth7`", "par0"]);
    let file = lan.world.write("fleet.ini", format!("[general]\ndriver = macvlan\n{decky}"));
    let bare = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
    refused(
        lan.decnet_by(&bare, &["deploy", file.to_str().unwrap(), "--yes"]),
        &["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "as root"],
    );
    let bridged = format!("{net}interface = par0\n{decky}");
    if lan.on_host(&["ip", "link", "add", "br0", "type", "bridge"]).code == 0 {
        lan.on_host(&["ip", "link", "set", "par0", "master", "br0"]).ok();
        refused(lan.deploy(&bridged), &["par0 cannot carry macvlan", "bridge"]);
        lan.on_host(&["ip", "link", "delete", "br0"]).ok();
    }
    lan.on_host(&["ip", "link", "set", "par0", "down"]).ok();
    refused(lan.deploy(&bridged), &["`par0` is down", "ip link set par0 up"]);
}

#[test]
fn ipvlan_works_or_says_that_the_kernel_has_none() {
    let lan = Lan::new();
    let file = lan.world.write("f.ini", "[a]\nip = 10.77.0.10\nservices = ssh\n");
    let ran = lan.decnet(&["deploy", file.to_str().unwrap(), "--yes", "--ipvlan"]);
    if ran.code == 12 {
        assert!(ran.err.contains("this kernel has no ipvlan; use `driver = macvlan`"), "{}", ran.err);
        assert!(!lan.world.db().exists());
    } else {
        ran.ok();
        let host = lan.on_host(&["cat", "/sys/class/net/par0/address"]).out;
        assert_eq!(lan.found("10.77.0.10").into_values().next().as_deref(), Some(host.trim()));
    }
}

#[test]
fn doctor_says_what_it_found() {
    let lan = Lan::new();
    let said = lan.decnet(&["doctor"]).ok();
    assert!(said.contains("10.77.0.0/16 on par0, gateway 10.77.0.1"), "{said}");
    let file = lan.world.write("f.ini", "[general]\ndriver = macvlan\n[a]\nservices = ssh\n");
    let said = lan.decnet(&["plan", file.to_str().unwrap()]).ok();
    assert!(said.contains("macvlan 10.77.0.0/16 on par0, gateway 10.77.0.1"), "{said}");
    lan.deploy("[a]\nservices = ssh\n").ok();
    assert!(lan.decnet(&["doctor"]).ok().contains("macvlan works on par0"));
    lan.on_host(&["ip", "link", "set", "par0", "down"]).ok();
    let said = lan.decnet(&["doctor"]).code(12);
    assert!(said.out.contains("`par0` is down"), "{}", said.out);
}

#[test]
fn an_engine_that_starts_again_is_the_same_machines() {
    let lan = Lan::new();
    lan.deploy("[d]\namount = 5\nservices = ssh\n").ok();
    let seen = || {
        let ips: Vec<String> = lan.recorded().into_keys().collect();
        let words: Vec<&str> =
            ["ssh-keyscan", "-T", "5"].into_iter().chain(ips.iter().map(String::as_str)).collect();
        let keys = lan.on_attacker(&words).ok();
        let mut keys: Vec<String> = keys.lines().map(str::to_owned).collect();
        keys.sort();
        (lan.found("10.77.0.1-40"), keys)
    };
    let before = seen();
    assert!(before.0.len() == 5 && before.1.len() >= 10, "{before:?}");
    lan.decnet(&["engine", "restart"]).ok();
    assert_eq!(seen(), before);
    lan.decnet(&["engine", "stop"]).ok();
    lan.decnet(&["reconcile"]).ok();
    assert_eq!(seen(), before);
}

#[test]
fn a_restart_takes_nothing_off_the_wire() {
    let lan = Lan::new();
    // Nor does it put anything there: of IPv6 nothing ever leaves a decky.
    let own = lan.on_host(&["ip", "-o", "link", "show", "par0"]).ok();
    let own = &own.split("link/ether ").nth(1).expect("a MAC")[..17];
    let watch = format!(
        "table netdev six {{ chain seen {{ type filter hook ingress device att0 priority 0; \
         ether saddr {own} accept; ether type ip6 counter; }}; }}"
    );
    lan.on_attacker(&["nft", &watch]).ok();
    lan.deploy("[d]\namount = 10\nservices = ssh\n").ok();
    let (links, ips) = (lan.children(), lan.recorded());
    let knock = ips.keys().map(|ip| format!("read -t 9 -n 4 -r said < /dev/tcp/{ip}/22; echo $said; "));
    let knock =
        format!("while read -t 0.01 -r stop || [ $? -gt 128 ]; do {} done", knock.collect::<String>());
    let mut knocking = enter(&lan.attacker, lan.user)
        .args(["bash", "-c", &knock])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Each of them is asked once a round, and not again.
    let first: Vec<&str> = ips.keys().map(String::as_str).collect();
    let ping = format!("nmap -n -sn -PE --send-ip --disable-arp-ping --max-retries 0 {}", first.join(" "));
    let ping = format!("for i in 1 2 3 4 5 6 7 8 9 10; do {ping} | grep -c 'Host is up'; done");
    let (restarts, pinged) = std::thread::scope(|scope| {
        let pinging = scope.spawn(|| lan.on_attacker(&["sh", "-c", &ping]));
        let mut restarts = 0;
        while !pinging.is_finished() {
            lan.decnet(&["engine", "restart"]).ok();
            restarts += 1;
            assert_eq!(lan.children(), links);
        }
        (restarts, pinging.join().unwrap().out)
    });
    drop(knocking.stdin.take());
    let knocked = Ran::from(knocking.wait_with_output().unwrap());
    let (greeted, all) = (knocked.out.matches("SSH-").count(), knocked.out.lines().count());
    assert!(greeted > 50, "{} {}", knocked.out, knocked.err);
    assert!(!knocked.err.contains("refused") && !knocked.err.contains("No route"), "{}", knocked.err);
    // A worker that is just greeting when it is replaced takes that connection with it.
    assert!(all - greeted <= restarts * ips.len(), "{greeted} of {all} greeted, {restarts} restarts");
    assert_eq!(pinged.lines().filter(|up| *up == "10").count(), 10, "{pinged}");
    assert_eq!(lan.found("10.77.0.1-40"), ips);
    let six = lan.on_attacker(&["nft", "list", "table", "netdev", "six"]).ok();
    assert!(six.contains("counter packets 0 "), "{six}");
    lan.kill_engine();
    eventually("every link is gone", || (lan.children() == 0).then_some(()));
}

#[test]
fn the_capabilities_of_the_unit_are_enough() {
    let lan = Lan::new();
    let set = crate::systemd::capabilities();
    let bounding = format!("-all,+{}", set.join(",+"));
    let engine = |words: &[&str]| {
        let before = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set", &bounding];
        lan.decnet_by(&before, words)
    };
    let file = lan
        .world
        .write("fleet.ini", "[general]\ndriver = macvlan\n[a]\nip = 10.77.0.10\nservices = ssh, ftp\n");
    engine(&["deploy", file.to_str().unwrap(), "--yes"]).ok();
    assert_eq!(lan.found("10.77.0.1-40"), lan.recorded());
    let pid = lan.json(&["status"])["deckies"][0]["pid"].to_string();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(limits.contains("CapBnd:\t0000000000000000"), "{limits}");
    assert!(limits.contains("CapEff:\t0000000000000000"), "{limits}");
    assert!(!limits.contains("\nUid:\t0\t"), "{limits}");
    assert_eq!(lan.json(&["engine", "status"])["event_writer"]["error"], serde_json::Value::Null);
    engine(&["teardown", "--all", "--yes"]).ok();
    eventually("every link is gone", || (lan.children() == 0).then_some(()));
}

#[test]
fn the_host_reaches_its_deckies_where_it_is_to() {
    let lan = Lan::new();
    let body = "[a]\nip = 10.77.0.10\nservices = ssh, http\n[b]\nip = 10.77.0.11\nservices = ssh\n";
    lan.deploy(body).ok();
    let keys = || lan.on_host(&["ssh-keyscan", "-T", "2", "10.77.0.10", "10.77.0.11"]).out;
    assert_eq!(keys(), "", "without being asked to");
    let file =
        lan.world.write("fleet.ini", format!("[general]\ndriver = macvlan\nhost_access = yes\n{body}"));
    lan.decnet(&["deploy", file.to_str().unwrap(), "--yes", "--replace-fleet"]).ok();
    let reached = || {
        let said = keys();
        ["10.77.0.10 ssh-ed25519", "10.77.0.11 ssh-ed25519"].iter().all(|key| said.contains(key))
    };
    eventually("the host reaches them", || reached().then_some(()));
    // To everybody else nothing has changed, and of the host's way there is nothing to be seen.
    assert_eq!(lan.found("10.77.0.1-40"), lan.recorded());
    let links = lan.on_host(&["ip", "-o", "link"]).ok();
    let mac = |name: &str| {
        let line = links.lines().find(|line| line.contains(name)).expect(name);
        line.split("link/ether ").nth(1).expect("a MAC")[..17].to_owned()
    };
    let (own, way) = (mac(": par0@"), mac(": decnet"));
    assert_ne!(own, way);
    let watch = "table netdev watch { chain seen { type filter hook ingress device att0 priority 0; \
                 ether saddr MAC counter; ether saddr OWN counter; }; }";
    let watch = watch.replace("MAC", &way).replace("OWN", &own);
    lan.on_attacker(&["nft", &watch]).ok();
    lan.on_host(&["ip", "neigh", "flush", "all"]).ok();
    assert!(reached());
    let seen = lan.on_attacker(&["nft", "list", "table", "netdev", "watch"]).ok();
    assert!(seen.contains("packets 0"), "{seen}");

    // A successor makes it anew, and a killed engine leaves none of it.
    lan.decnet(&["engine", "restart"]).ok();
    eventually("the host reaches them", || reached().then_some(()));
    lan.decnet(&["teardown", "b", "--yes"]).ok();
    let routes = lan.on_host(&["ip", "route"]).ok();
    assert!(routes.contains("10.77.0.10 dev decnet") && !routes.contains("10.77.0.11"), "{routes}");
    lan.kill_engine();
    eventually("all of it is gone", || {
        let text = lan.on_host(&["sh", "-c", "ip link; ip route; nft list tables"]).ok();
        (!text.contains("decnet") && lan.children() == 0).then_some(())
    });
    lan.decnet(&["reconcile"]).ok();
    eventually("the host reaches it", || keys().contains("10.77.0.10 ssh-ed25519").then_some(()));
    lan.decnet(&["teardown", "--all", "--yes"]).ok();
    eventually("the way is gone", || (!lan.on_host(&["ip", "link"]).ok().contains("decnet")).then_some(()));
}
