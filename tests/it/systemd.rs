//! The shipped unit, and what the engine tells a service manager.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Ran, World, tool};

fn unit() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("systemd/decnet.service")
}

/// The capabilities that the unit leaves the engine, as `setpriv` names them.
pub(crate) fn capabilities() -> Vec<String> {
    let text = std::fs::read_to_string(unit()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    line.split(' ').map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect()
}

#[test]
fn the_unit_is_understood_and_little_exposed() {
    let world = World::new();
    let text = std::fs::read_to_string(unit()).unwrap();
    let here = text
        .replace("/usr/local/bin/decnet", env!("CARGO_BIN_EXE_decnet"))
        .replace("Documentation=man:decnet(1)\n", "");
    assert_ne!(here, text);
    let path = world.write("decnet.service", here);
    let ran = Ran::from(tool("systemd-analyze").arg("verify").arg(&path).output().unwrap());
    assert!(!ran.err.contains("decnet.service"), "{}", ran.err);
    let mut judge = tool("systemd-analyze");
    judge.args(["security", "--offline=true", "--no-pager", "--threshold=31"]).arg(&path);
    let said = Ran::from(judge.output().unwrap()).ok();
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_engine_tells_a_service_manager_how_it_goes() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world.run(&["engine", "stop"]).ok();
    let path = world.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut engine = world.command(["engine", "run"]);
    engine.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut engine = engine.spawn().unwrap();
    let heard = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert_eq!(heard(), "READY=1");
    // Ready means that it answers.
    assert_eq!(world.engine_pid(), Some(engine.id() as i32));
    while heard() != "STATUS=1 of 1 deckies run" {}
    assert_eq!(heard(), "WATCHDOG=1");
    kill_process(Pid::from_child(&engine), Signal::TERM).unwrap();
    while heard() != "STOPPING=1" {}
    assert!(engine.wait().unwrap().success());
}
