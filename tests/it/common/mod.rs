//! A hermetic environment: own state directory, own loopback network, cleared variables, fixed seed.

pub mod forms;
pub mod hostile;
pub mod tls;

use std::ffi::OsStr;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One test's world. Dropping it stops the engine it started.
pub struct World {
    dir: tempfile::TempDir,
    second: u8,
    third: u8,
    /// Port offset of fleets in this world.
    pub offset: u16,
}

/// What a run of the program gave.
#[must_use]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    /// A fresh world.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let pid = std::process::id();
        // Two test processes on one machine must not meet: the second and third octet come from the pid
        // and a counter, away from 127.0.x.y.
        let mix = pid.wrapping_mul(251).wrapping_add(number);
        let dir = tempfile::Builder::new().prefix("decnet-it-").tempdir().expect("temporary directory");
        Self { dir, second: 16 + (mix / 250 % 200) as u8, third: (mix % 250) as u8, offset: 20_000 }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the test's folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("write a test file");
        path
    }

    /// The world's /24.
    pub fn subnet(&self) -> String {
        format!("127.{}.{}.0/24", self.second, self.third)
    }

    /// An address of the world's /24.
    pub fn ip(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, self.third, last)
    }

    /// `[general]` for this world.
    pub fn general(&self) -> String {
        format!("[general]\ndriver = loopback\nnet = {}\nport_offset = {}\n\n", self.subnet(), self.offset)
    }

    /// Writes `fleet.ini`: `[general]` of this world, then `body`.
    pub fn fleet(&self, name: &str, body: &str) -> PathBuf {
        self.write(name, format!("{}{body}", self.general()))
    }

    /// The program with a cleared environment, ready to run.
    pub fn command<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decnet"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.dir.path())
            .env("TZ", "UTC")
            .env("DECNET_STATE_DIR", self.state())
            .env("DECNET_SEED", "07".repeat(32))
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().expect("run decnet"))
    }

    /// Runs the program with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run decnet");
        child.stdin.take().expect("stdin").write_all(input).ok();
        Ran::from(child.wait_with_output().expect("wait for decnet"))
    }

    /// Runs `decnet … -o json` and reads the document; the exit code must be `code`.
    pub fn json(&self, code: i32, args: &[&str]) -> serde_json::Value {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        let ran = self.run(&all);
        assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", ran.out))
    }

    /// Names of the recorded fleet.
    pub fn names(&self) -> Vec<String> {
        self.run(&["list", "-o", "name"]).ok().lines().map(str::to_owned).collect()
    }

    /// The store file.
    pub fn db(&self) -> PathBuf {
        self.state().join("decnet.db")
    }

    /// Listening TCP sockets on addresses of this world.
    pub fn listeners(&self) -> Vec<(Ipv4Addr, u16)> {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
        let one = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, state) = (words.next()?, words.next()?, words.next()?);
            let (ip, port) = local.split_once(':')?;
            let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.swap_bytes());
            let port = u16::from_str_radix(port, 16).ok()?;
            (state == "0A" && ip.octets()[..3] == self.ip(0).octets()[..3]).then_some((ip, port))
        };
        table.lines().skip(1).filter_map(one).collect()
    }

    /// Pid of the running engine, if any.
    pub fn engine_pid(&self) -> Option<i32> {
        let ran = self.run(&["engine", "status", "-o", "json"]);
        let value: serde_json::Value = serde_json::from_str(&ran.out).ok()?;
        i32::try_from(value["pid"].as_i64()?).ok()
    }
}

impl World {
    /// Every stored event, after checking that its line is clean JSON of ours and nobody's forgery, that
    /// every form of `events` is clean, and that so are the recordings.
    pub fn clean_events(&self) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(self.state().join("events")).expect("the events") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|e| e != "jsonl") {
                continue;
            }
            let stored = std::fs::read(&path).expect("an event file");
            assert!(hostile::is_clean(&stored), "{}", path.display());
            for line in stored.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                let value: serde_json::Value = serde_json::from_slice(line)
                    .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(line)));
                assert_eq!(value["format_version"], 1);
                assert_ne!(value["decky"], "forged");
                all.push(value);
            }
        }
        for form in ["table", "wide", "json", "jsonl", "hashcat", "john"] {
            let shown = self.run(&["events", "--color", "never", "-o", form]).ok();
            assert!(hostile::is_clean(shown.as_bytes()), "{form}");
        }
        let csv = self.run(&["events", "-o", "csv"]).ok().replace("\r\n", "\n");
        assert!(hostile::is_clean(csv.as_bytes()));
        for entry in std::fs::read_dir(self.state().join("events/sessions")).expect("the recordings") {
            let path = entry.expect("an entry").path();
            assert!(hostile::is_clean(&std::fs::read(&path).expect("a recording")), "{}", path.display());
        }
        all
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.command(["engine", "stop"]).output();
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The data, after checking for exit code 0.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    /// Checks the exit code; gives both streams.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// Waits until `check` gives something, at most twenty seconds.
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many times longer than on an idle machine work takes just now: the time by the clock for a little of the
/// processor's.
fn slowdown() -> f64 {
    let used = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let (began, since) = (used(), Instant::now());
    while used() - began < Duration::from_millis(20) {
        std::hint::spin_loop();
    }
    (since.elapsed().as_secs_f64() / 0.02).max(1.0)
}

/// Waits until `left` says that nothing is left; how long that took. It may take `limit` on an idle machine, and
/// on a busy one as much longer as everything else takes there.
pub fn within(limit: Duration, context: &str, mut left: impl FnMut() -> Option<String>) -> Duration {
    let since = Instant::now();
    let mut allowed = limit;
    while let Some(what) = left() {
        let took = since.elapsed();
        if took > allowed {
            allowed = limit.mul_f64(slowdown());
            assert!(took < allowed, "{context}: after {took:.2?}, of {allowed:.2?} allowed: {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    since.elapsed()
}

/// Runs a program to its end, with nothing to read.
pub fn run(command: &mut Command) -> Ran {
    Ran::from(command.stdin(Stdio::null()).output().unwrap())
}

/// Events of the fleet as JSON, those that `args` ask for.
pub fn events(world: &World, args: &[&str]) -> Vec<serde_json::Value> {
    let mut all = vec!["events", "-o", "json"];
    all.extend(args);
    world.run(&all).ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for the first event that passes `check`.
pub fn event(world: &World, args: &[&str], check: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    eventually(&format!("an event for {args:?}"), || events(world, args).into_iter().find(&check))
}

/// A client program that the tests need: fails the test, loudly, where it is missing.
pub fn tool(name: &str) -> Command {
    let found = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists());
    let path = found
        .unwrap_or_else(|| panic!("`{name}` is not installed: `sh tests/run` installs what the tests need"));
    Command::new(path)
}
