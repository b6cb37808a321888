//! The fleet file through the front door: every error and warning, with its place and exit code.

use crate::common::World;

/// Severity, code, line.
type Found = (&'static str, &'static str, usize);

/// What it is, the text after the `[general]` below, what must be found in it.
const CASES: &[(&str, &str, &[Found])] = &[
    ("a line that is nothing", "[a]\nservices=http\nstray words\n", &[("error", "not-ini", 7)]),
    ("a section twice", "[a]\nservices=http\n[a]\nservices=ssh\n", &[("error", "duplicate-section", 7)]),
    ("a key twice", "[a]\nservices=http\nservices=ssh\n", &[("error", "duplicate-key", 7)]),
    ("an unknown service", "[a]\nservices=htpp\n", &[("error", "unknown-service", 6)]),
    ("an unknown archetype", "[a]\narchetype=linux-sever\n", &[("error", "unknown-archetype", 6)]),
    ("an unknown OS family", "[a]\nservices=http\nnmap_os=windoze\n", &[("error", "unknown-os", 7)]),
    ("an unknown distro", "[a]\nservices=http\ndistro=debain\n", &[("error", "unknown-distro", 7)]),
    ("a bad address", "[a]\nservices=http\nip=127.88.0.300\n", &[("error", "bad-address", 7)]),
    ("an address outside", "[a]\nservices=http\nip=10.1.2.3\n", &[("error", "off-subnet", 7)]),
    ("a reserved address", "[a]\nservices=http\nip=127.88.0.255\n", &[("error", "reserved-address", 7)]),
    (
        "an address twice",
        "[a]\nservices=http\nip=127.88.0.9\n[b]\nservices=http\nip=127.88.0.9\n",
        &[("error", "duplicate-address", 10)],
    ),
    ("a bad amount", "[a]\nservices=http\namount=many\n", &[("error", "bad-amount", 7)]),
    ("too large an amount", "[a]\nservices=http\namount=101\n", &[("error", "bad-amount", 7)]),
    (
        "an address for many",
        "[a]\nservices=http\namount=2\nip=127.88.0.9\n",
        &[("error", "ip-with-amount", 8)],
    ),
    ("a bad interval", "[a]\nservices=http\nmutate_interval=0\n", &[("error", "bad-interval", 7)]),
    ("a bad name", "[a b]\nservices=http\n", &[("error", "bad-name", 5)]),
    ("a bad setting", "[a]\nservices=http\n[a.http]\nresponse_code=lots\n", &[("error", "bad-setting", 8)]),
    ("[General]", "[General]\nnet=10.0.0.0/8\n[a]\nservices=http\n", &[("error", "general-name", 5)]),
    (
        "nearly a service",
        "[a]\nservices=http\n[a.htpp]\nresponse_code=200\n",
        &[("error", "near-service", 7)],
    ),
    ("no decky", "", &[("error", "no-decky", 0)]),
    (
        "two with one name",
        "[a]\nservices=http\namount=2\n[a-01]\nservices=http\n",
        &[("error", "duplicate-name", 8)],
    ),
    (
        "a custom one with a built-in's name",
        "[custom-ssh]\nbinary=x\n[a]\nservices=http\n",
        &[("error", "custom-takes-builtin", 5)],
    ),
    ("an unknown key", "[a]\nservices=http\nservice=ssh\n", &[("warning", "unknown-key", 7)]),
    (
        "a subsection of nobody",
        "[a]\nservices=http\n[b.http]\nresponse_code=200\n",
        &[("warning", "orphan-subsection", 7)],
    ),
    (
        "a subsection of a service not run",
        "[a]\nservices=http\n[a.ssh]\npassword=x\n",
        &[("warning", "unused-subsection", 7)],
    ),
    ("a service twice", "[a]\nservices=http,http\n", &[("warning", "service-twice", 6)]),
    ("random services", "[a]\nip=127.88.0.7\n", &[("warning", "random-services", 5)]),
];

const GENERAL: &str = "[general]\ndriver=loopback\nnet=127.88.0.0/24\nport_offset=20000\n";

#[test]
fn every_error_and_warning_has_its_place_and_exit_code() {
    let world = World::new();
    let mut problems = Vec::new();
    for (what, body, expected) in CASES {
        let file = world.write("f.ini", format!("{GENERAL}{body}"));
        let path = file.to_str().unwrap();
        let ran = world.run(&["check", "-o", "json", path]);
        let doc: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let error = expected.iter().any(|(severity, ..)| *severity == "error");
        if ran.code != if error { 3 } else { 0 } {
            problems.push(format!("{what}: exit {}", ran.code));
        }
        let found: Vec<(&str, &str, u64)> = doc["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| {
                (d["severity"].as_str().unwrap(), d["code"].as_str().unwrap(), d["line"].as_u64().unwrap())
            })
            .collect();
        for (severity, code, line) in *expected {
            if !found.contains(&(severity, code, *line as u64)) {
                problems.push(format!("{what}: no {severity} {code} at line {line}, but {found:?}"));
            }
        }
        // Text says the same with a caret, and --strict makes a warning an error.
        let text = world.run(&["check", path]);
        if !text.err.contains(&format!("[{}]", expected[0].1)) {
            problems.push(format!("{what}: the text does not name it: {}", text.err));
        }
        if world.run(&["check", "--strict", path]).code != 3 {
            problems.push(format!("{what}: not strict"));
        }
        // And nothing of it deploys.
        if error && world.run(&["deploy", path]).code != 3 {
            problems.push(format!("{what}: deployed"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(!world.db().exists(), "a refused file made a store");
}

#[test]
fn what_decnet_deploys_is_read() {
    let world = World::new();
    let text = "\u{feff}# comment\r\n; another\r\n[DEFAULT]\r\nnmap-os: linux\r\n[general]\r\nDriver = loopback\r\nnet: 127.88.0.77/24\r\n\
                [web]\r\nservices=ssh,\r\n   http\r\namount=+2\r\n[web.ssh]\r\npassword = 100%sure\r\n[web-02.ssh]\r\npassword=other\r\n";
    let file = world.write("f.ini", text);
    let doc = world.json(0, &["plan", file.to_str().unwrap()]);
    let after: Vec<_> = doc["changes"].as_array().unwrap().iter().map(|c| c["after"].clone()).collect();
    assert_eq!(after.len(), 2);
    assert_eq!(after[0]["name"], "web-01");
    assert_eq!(after[0]["services"], serde_json::json!(["ssh", "http"]));
    assert_eq!(after[0]["ip"], "127.88.0.1");
    assert_eq!(after[0]["service_config"]["ssh"]["password"], "********");
}

#[test]
fn a_deleted_byte_never_plans_a_removal_in_silence() {
    let world = World::new();
    let text = format!(
        "{}# the front\n[web]\nservices = http\namount = 12\n\n[web.http]\nresponse_code = 404\n\n; data\n[db-01]\nservices = redis\nip = {}\n[edge]\narchetype = linux-server\n",
        world.general(),
        world.ip(200)
    );
    let file = world.write("f.ini", &text);
    // Recorded without being started: this is about plans.
    world.run(&["deploy", "--no-wait", "-q", file.to_str().unwrap()]).ok();
    world.run(&["engine", "stop"]).ok();
    let mut silent = Vec::new();
    // Every byte is checked by a unit test; here every seventh goes through the whole program.
    for at in (0..text.len()).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes.remove(at);
        let cut = world.write("cut.ini", &bytes);
        let ran = world.run(&["plan", "--replace-fleet", "-o", "json", cut.to_str().unwrap()]);
        let Ok(doc) = serde_json::from_str::<serde_json::Value>(&ran.out) else { continue };
        let removes =
            doc["summary"]["remove"].as_u64().unwrap_or(0) + doc["summary"]["replace"].as_u64().unwrap_or(0);
        let told = ran.code != 0 || ran.err.contains("warning") || ran.err.contains("error");
        if removes > 0 && !told {
            silent.push(format!(
                "byte {at}: {:?}",
                String::from_utf8_lossy(&bytes[at.saturating_sub(8)..bytes.len().min(at + 8)])
            ));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn files_that_are_too_large_or_no_text_are_refused() {
    let world = World::new();
    let big = world.write("big.ini", "# x\n".repeat(200_000));
    assert!(world.run(&["check", big.to_str().unwrap()]).code(3).err.contains("512"));
    let latin = world.write("latin.ini", b"[a]\nservices=http\nhostname=caf\xe9\n");
    assert!(world.run(&["check", latin.to_str().unwrap()]).code(3).err.contains("UTF-8"));
    let hostile = world.write("esc.ini", "[a]\nservices = \u{1b}[31mhttp\u{7}\n");
    let ran = world.run(&["check", hostile.to_str().unwrap()]).code(3);
    assert!(!ran.err.contains('\u{1b}') && !ran.err.contains('\u{7}'), "{:?}", ran.err);
}

#[test]
fn a_service_without_an_emulation_is_refused_by_name() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = sniffer\n");
    let ran = world.run(&["deploy", file.to_str().unwrap()]).code(3);
    assert!(ran.err.contains("sniffer") && ran.err.contains("redis"), "{}", ran.err);
    let services = world.json(0, &["services"]);
    let list = services["services"].as_array().unwrap();
    assert_eq!(list.len(), 29);
    assert_eq!(list.iter().filter(|s| s["emulated"] == true).count(), 9);
    assert_eq!(world.json(0, &["archetypes"])["archetypes"].as_array().unwrap().len(), 15);
    assert_eq!(world.json(0, &["distros"])["distros"].as_array().unwrap().len(), 9);
}

#[test]
fn custom_services_stay_known_to_the_fleet() {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        "[custom-sensor]\nbinary = x/y:1\nexec = /run --port 9\nports = 9000\n[a]\nservices = http\n",
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    // Known, but nothing runs it: a refusal that says so, not "unknown service".
    let later = world.fleet("g.ini", "[b]\nservices = sensor\n");
    let ran = world.run(&["deploy", later.to_str().unwrap()]).code(3);
    assert!(!ran.err.contains("unknown-service"), "{}", ran.err);
    assert!(world.run(&["export"]).ok().contains("[custom-sensor]"));
}
