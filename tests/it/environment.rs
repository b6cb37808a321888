//! Pipes, terminals, full disks, odd stores: what the contract says of a hostile environment.

use std::process::Stdio;

use crate::common::{Ran, World, tool};

const TWO: &str = "[a]\nservices = redis\n[b]\nservices = redis\n";

fn deployed() -> World {
    let world = World::new();
    let file = world.fleet("f.ini", TWO);
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

#[test]
fn a_closed_pipe_ends_a_reading_command_quietly() {
    let world = deployed();
    for args in [&["list"][..], &["list", "-o", "json"], &["status"], &["services"], &["export"], &["events"]]
    {
        let mut child = world.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap()).code(0);
        assert!(!ran.err.contains("panic") && !ran.err.contains("Broken pipe"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_closed_pipe_never_interrupts_an_apply() {
    let world = World::new();
    let file = world.fleet("f.ini", TWO);
    let mut child = world
        .command(["deploy", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    Ran::from(child.wait_with_output().unwrap()).code(0).err.clear();
    assert_eq!(world.names(), ["a", "b"]);
    world.run(&["status", "--exit-code"]).ok();
}

#[test]
fn a_full_output_is_an_error_in_one_line() {
    let world = deployed();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::from(world.command(["list"]).stdout(full).output().unwrap()).code(1);
    assert!(ran.err.contains("cannot write to standard output"), "{}", ran.err);
}

#[test]
fn colour_follows_the_flag_then_the_environment_then_the_terminal() {
    let world = deployed();
    assert!(!world.run(&["list"]).ok().contains('\u{1b}'));
    assert!(world.run(&["list", "--color", "always"]).ok().contains('\u{1b}'));
    // A terminal of our own: `script` gives the program one.
    let on_terminal = |env: &[(&str, &str)]| {
        let mut command = tool("script");
        let shell = format!("'{}' list", env!("CARGO_BIN_EXE_decnet"));
        command
            .args(["-qec", &shell, "/dev/null"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm");
        command.env("DECNET_STATE_DIR", world.state()).envs(env.iter().copied()).stdin(Stdio::null());
        Ran::from(command.output().unwrap()).ok()
    };
    assert!(on_terminal(&[]).contains('\u{1b}'));
    assert!(!on_terminal(&[("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!on_terminal(&[("TERM", "dumb")]).contains('\u{1b}'));
}

/// Runs the program on a terminal of its own and types `answer` at its prompt.
fn at_a_terminal(world: &World, args: &str, answer: &str) -> Ran {
    let mut command = tool("script");
    let shell = format!("'{}' {args}", env!("CARGO_BIN_EXE_decnet"));
    command.args(["-qec", &shell, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "dumb");
    command.env("DECNET_STATE_DIR", world.state()).current_dir(world.path(""));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_person_is_asked_once_and_may_decline() {
    let world = World::new();
    world.fleet("fleet.ini", TWO);
    let ran = at_a_terminal(&world, "deploy", "n\n").code(8);
    assert!(ran.out.contains("Plan: 2 to add") && ran.out.contains("[y/N]"), "{}", ran.out);
    assert_eq!(world.names(), Vec::<String>::new());
    at_a_terminal(&world, "deploy", "y\n").code(0).err.clear();
    assert_eq!(world.names(), ["a", "b"]);
    at_a_terminal(&world, "teardown a", "maybe\n").code(8).err.clear();
    at_a_terminal(&world, "teardown a --no-input", "").code(0).err.clear();
    at_a_terminal(&world, "teardown b --yes", "").code(0).err.clear();
    assert_eq!(world.names(), Vec::<String>::new());
}

#[test]
fn the_default_file_is_the_working_directory_s() {
    let world = World::new();
    world.fleet("fleet.ini", TWO);
    let ran = world.run(&["plan"]).code(0);
    assert!(ran.err.contains("./fleet.ini"), "{}", ran.err);
    let empty = World::new();
    let ran = empty.run(&["plan"]).code(3);
    assert!(ran.err.contains("fleet.ini"), "{}", ran.err);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let world = deployed();
    world.run(&["engine", "stop"]).ok();
    let db = rusqlite::Connection::open(world.db()).unwrap();
    db.pragma_update(None, "user_version", 4711).unwrap();
    db.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(db);
    let before = std::fs::read(world.db()).unwrap();
    let file = world.fleet("g.ini", "[c]\nservices = redis\n");
    for args in [&["list"][..], &["deploy", file.to_str().unwrap()], &["teardown", "--all"], &["status"]] {
        let ran = world.run(args).code(12);
        assert!(ran.err.contains("4711"), "{args:?}: {}", ran.err);
    }
    assert_eq!(before, std::fs::read(world.db()).unwrap());
}

#[test]
fn a_corrupt_store_is_an_error_never_a_panic() {
    let world = deployed();
    world.run(&["engine", "stop"]).ok();
    let whole = std::fs::read(world.db()).unwrap();
    for (what, bytes) in [
        ("text", b"this is no database, whatever its name says".repeat(100)),
        ("half", whole[..whole.len() / 2 - 7].to_vec()),
        ("zeroed", {
            let mut zeroed = whole.clone();
            zeroed[4096..].fill(0);
            zeroed
        }),
    ] {
        for side in ["decnet.db-wal", "decnet.db-shm"] {
            let _ = std::fs::remove_file(world.state().join(side));
        }
        std::fs::write(world.db(), &bytes).unwrap();
        for args in [&["list"][..], &["doctor"]] {
            let ran = world.run(args);
            assert_ne!(ran.code, 0, "{what} {args:?}: {}", ran.out);
            assert!(!ran.err.contains("panicked"), "{what} {args:?}: {}", ran.err);
        }
    }
}

#[test]
fn a_decnet_database_is_not_opened_in_place() {
    let world = World::new();
    std::fs::create_dir_all(world.state()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(world.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let db = rusqlite::Connection::open(world.db()).unwrap();
    db.execute_batch(include_str!("fixtures/decnet.sql")).unwrap();
    drop(db);
    let ran = world.run(&["list"]).code(7);
    assert!(ran.err.contains("decnet import"), "{}", ran.err);
}

#[test]
fn a_full_disk_fails_clearly_and_the_next_run_converges() {
    let world = World::new();
    let file = world.fleet("f.ini", TWO);
    // A file system of our own, too small: needs a user namespace, which the tests may make.
    let script = format!(
        "mkdir -p small && mount -t tmpfs -o size=48k,mode=700 none small && \
         '{bin}' --state-dir small deploy -q '{file}'; echo first=$?; \
         mount -o remount,size=64m small && '{bin}' --state-dir small deploy -q --replace-fleet '{file}'; echo second=$?; \
         '{bin}' --state-dir small list -o name; '{bin}' --state-dir small engine stop",
        bin = env!("CARGO_BIN_EXE_decnet"),
        file = file.display(),
    );
    let mut command = tool("unshare");
    command.args(["-Urm", "sh", "-c", &script]).current_dir(world.path("")).env_remove("DECNET_STATE_DIR");
    let ran = Ran::from(command.output().unwrap()).code(0);
    assert!(!ran.out.contains("first=0"), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("second=0"), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("\na\nb\n"), "{}\n{}", ran.out, ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn a_read_only_state_directory_can_still_be_read() {
    let world = deployed();
    world.run(&["engine", "stop"]).ok();
    let script = format!(
        "mount --bind '{state}' '{state}' && mount -o remount,ro,bind '{state}' && \
         '{bin}' list -o name; echo list=$?; '{bin}' plan '{file}' >/dev/null; echo plan=$?; '{bin}' deploy '{file}'; echo deploy=$?",
        state = world.state().display(),
        bin = env!("CARGO_BIN_EXE_decnet"),
        file = world.fleet("g.ini", "[c]\nservices = redis\n").display(),
    );
    let mut command = tool("unshare");
    command.args(["-Urm", "sh", "-c", &script]).env("DECNET_STATE_DIR", world.state());
    let ran = Ran::from(command.output().unwrap()).code(0);
    assert!(ran.out.contains("a\nb\nlist=0\n"), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("plan=0"), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("deploy=12"), "{}\n{}", ran.out, ran.err);
    assert!(ran.err.contains("read-only"), "{}", ran.err);
}

#[test]
fn nothing_needs_an_environment() {
    let world = deployed();
    let mut command = world.command(["list", "-o", "name"]);
    command.env_clear().arg("--state-dir").arg(world.state());
    assert_eq!(Ran::from(command.output().unwrap()).ok(), "a\nb\n");
    let mut command = world.command(["list", "-o", "name"]);
    command.env("LANG", "xx_YY.nonsense").env("COLUMNS", "0").env("TERM", "");
    assert_eq!(Ran::from(command.output().unwrap()).ok(), "a\nb\n");
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe.ini");
    let ran = Ran::from(world.command([std::ffi::OsStr::new("check"), odd]).output().unwrap()).code(3);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn files_are_private() {
    let world = deployed();
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.state()), 0o700);
    assert_eq!(mode(world.db()), 0o600);
    assert_eq!(mode(world.state().join("events")), 0o700);
    for entry in std::fs::read_dir(world.state().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), wanted);
    }
}

#[test]
fn outputs_that_do_not_fit_are_usage_errors() {
    let world = World::new();
    for args in
        [&["export", "-o", "json"][..], &["check", "-o", "csv"], &["show", "x", "-o", "name"], &["nonsense"]]
    {
        world.run(args).code(2).err.clear();
    }
    let ran = world.run(&["deply"]).code(2);
    assert!(ran.err.contains("deploy"), "{}", ran.err);
}

#[test]
fn another_user_without_root_gets_a_working_fleet() {
    let world = World::new();
    let file = world.fleet("f.ini", "[a]\nservices = ssh,http,ftp\n");
    let ran = if rustix::process::geteuid().is_root() {
        // As nobody, with a copy of the program where nobody may read it.
        use std::os::unix::fs::PermissionsExt;
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let program = world.path("decnet");
        // By a process of its own: a copy that this one writes could be held open by what other tests
        // fork at the same moment, and a file open for writing cannot be run.
        let copied = tool("install").args(["-m", "755", env!("CARGO_BIN_EXE_decnet")]).arg(&program).status();
        assert!(copied.unwrap().success());
        open(&world.path(""), 0o755);
        open(&file, 0o644);
        let home = world.path("home");
        std::fs::create_dir(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).unwrap();
        let script = format!(
            "'{0}' deploy '{1}' && '{0}' status --exit-code && '{0}' events -o json && '{0}' engine stop",
            program.display(),
            file.display()
        );
        let mut command = tool("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", &script]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &home).current_dir(&home);
        Ran::from(command.stdin(Stdio::null()).output().unwrap())
    } else {
        world.run(&["deploy", file.to_str().unwrap()])
    };
    let ran = ran.code(0);
    assert!(ran.out.contains("Plan: 1 to add"), "{}", ran.out);
}
