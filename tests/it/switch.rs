//! The kill switch, and an engine that starts again.

use std::path::Path;
use std::time::Duration;

use crate::common::World;

/// A fleet of `amount`, and the processes it runs in.
fn many(world: &World, amount: usize) -> Vec<i64> {
    let file = world.fleet("f.ini", &format!("[d]\namount = {amount}\nservices = redis\n"));
    world.run(&["deploy", "-q", file.to_str().unwrap()]).ok();
    let status = world.json(0, &["status"]);
    let pids: Vec<i64> =
        status["deckies"].as_array().unwrap().iter().map(|decky| decky["pid"].as_i64().unwrap()).collect();
    assert_eq!((pids.len(), world.listeners().len()), (amount, amount));
    pids
}

#[test]
fn the_kill_switch_needs_no_store() {
    let world = World::new();
    for ruin in [true, false] {
        let pids = many(&world, 100);
        let engine = world.engine_pid().unwrap();
        let alive = |pid: i64| Path::new(&format!("/proc/{pid}")).exists();
        if ruin {
            for side in ["decnet.db-wal", "decnet.db-shm"] {
                let _ = std::fs::remove_file(world.state().join(side));
            }
            std::fs::write(world.db(), b"this was a database once").unwrap();
        }
        let mut child = world.command(["teardown", "--all", "--now"]);
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = child.spawn().unwrap();
        crate::common::within(Duration::from_secs(2), "the kill switch", || {
            let alive = pids.iter().chain([&i64::from(engine)]).filter(|pid| alive(**pid)).count();
            let open = world.listeners().len();
            (alive > 0 || open > 0).then(|| format!("{alive} processes, {open} sockets"))
        });
        let ran = crate::common::Ran::from(child.wait_with_output().unwrap());
        if ruin {
            let ran = ran.code(4);
            assert!(ran.err.contains("its rows stay"), "{}", ran.err);
            std::fs::remove_file(world.db()).unwrap();
        } else {
            ran.ok();
            assert_eq!(world.names(), Vec::<String>::new());
        }
    }
}

#[test]
fn an_engine_that_starts_again_runs_the_same_fleet() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = ssh\n[b]\nservices = ssh,http\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let port = (22 + world.offset).to_string();
    let keys = || {
        let ip = |decky: &serde_json::Value| decky["ip"].as_str().unwrap().to_owned();
        let ips: Vec<String> =
            world.json(0, &["list"])["deckies"].as_array().unwrap().iter().map(ip).collect();
        let mut scan = crate::common::tool("ssh-keyscan");
        let out = scan.args(["-T", "5", "-p", &port]).args(ips).output().unwrap().stdout;
        let text = String::from_utf8(out).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = (keys(), world.listeners().len());
    assert!(before.0.len() >= 4, "{before:?}");
    let first = world.engine_pid();
    world.run(&["engine", "restart"]).ok();
    // One program takes the place of another in the same process.
    assert!(first.is_some() && first == world.engine_pid());
    assert_eq!(before, (keys(), world.listeners().len()));
    // None runs: it is started.
    world.run(&["engine", "stop"]).ok();
    world.run(&["engine", "restart"]).ok();
    assert_eq!(before, (keys(), world.listeners().len()));
}

/// Workers by decky, and what has the engine's place.
fn workers(world: &World) -> (Vec<i64>, std::path::PathBuf) {
    let status = world.json(0, &["status"]);
    let mut pids: Vec<i64> =
        status["deckies"].as_array().unwrap().iter().map(|decky| decky["pid"].as_i64().unwrap()).collect();
    pids.sort_unstable();
    let engine = world.engine_pid().unwrap();
    (pids, std::fs::read_link(format!("/proc/{engine}/exe")).unwrap())
}

#[test]
fn an_upgrade_refuses_nobody() {
    let world = World::new();
    let file = world.fleet("f.ini", "[d]\namount = 6\nservices = ssh\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let ips: Vec<std::net::SocketAddr> =
        world.listeners().into_iter().map(|(ip, port)| (ip, port).into()).collect();
    let (before, old) = workers(&world);
    // The new version is another file.
    let new = world.path("decnet-next");
    std::fs::copy(&old, &new).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let touch = |ip: &std::net::SocketAddr| -> std::io::Result<bool> {
        let wait = Duration::from_secs(10);
        let mut stream = std::net::TcpStream::connect_timeout(ip, wait)?;
        stream.set_read_timeout(Some(wait))?;
        let mut said = [0; 4];
        std::io::Read::read_exact(&mut stream, &mut said)?;
        Ok(&said == b"SSH-")
    };
    let (touched, kept_out) = std::thread::scope(|scope| {
        let clients: Vec<_> = ips
            .iter()
            .map(|ip| {
                let (done, touch) = (&done, &touch);
                scope.spawn(move || {
                    let (mut touched, mut kept_out) = (0, Vec::new());
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        touched += 1;
                        match touch(ip) {
                            Ok(true) => {}
                            other => kept_out.push(format!("{ip}: {other:?}")),
                        }
                        std::thread::sleep(Duration::from_millis(3));
                    }
                    (touched, kept_out)
                })
            })
            .collect();
        for _ in 0..2 {
            let mut restart = world.command(["engine", "restart"]);
            let mut command = std::process::Command::new(&new);
            command.args(restart.get_args()).env_clear();
            command.envs(restart.get_envs().filter_map(|(key, value)| Some((key, value?))));
            restart = command;
            let ran = crate::common::Ran::from(restart.output().unwrap());
            ran.ok();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).fold(
            (0, Vec::new()),
            |(n, mut all), (m, more)| {
                all.extend(more);
                (n + m, all)
            },
        )
    });
    // One who is being served when its worker ends loses the connection, as the README says; nobody is refused.
    let refused: Vec<&String> = kept_out.iter().filter(|how| how.contains("Refused")).collect();
    assert!(refused.is_empty() && kept_out.len() <= ips.len() * 2, "{touched} touched: {kept_out:?}");
    let (after, program) = workers(&world);
    assert_eq!(program, new);
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
    assert!(world.run(&["reconcile"]).ok().contains("No changes."));
    // What took over is killed like any other.
    let alive = |pid: &i64| Path::new(&format!("/proc/{pid}")).exists();
    crate::kill::kill(i64::from(world.engine_pid().unwrap()));
    crate::common::eventually("all of it is gone", || {
        (world.listeners().is_empty() && !after.iter().any(alive)).then_some(())
    });
    world.run(&["reconcile"]).ok();
    assert_eq!(world.listeners().len(), 6);
}
