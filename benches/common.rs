//! What the benches share: a world of their own, and times of whole runs of the program.
#![allow(dead_code, reason = "each bench uses a part")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A state directory of its own; the engine is stopped with it.
pub(crate) struct World {
    /// The folder.
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("temporary directory") }
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with this world's state.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decnet"));
        command.args(args).env("DECNET_STATE_DIR", self.path("state")).stdin(Stdio::null());
        command
    }

    /// Runs it; the exit code must be 0.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().expect("run decnet");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.command(&["engine", "stop"]).output();
    }
}

/// Minimum, median and maximum of `runs` runs.
pub(crate) fn time(runs: usize, mut work: impl FnMut()) -> [Duration; 3] {
    let mut took: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    took.sort();
    [took[0], took[runs / 2], took[runs - 1]]
}

/// `12.3 ms`.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
