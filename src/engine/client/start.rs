//! Starting an engine in the background: one, however many ask for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};

use super::Client;
use crate::engine::{EngineError, ErrorKind};
use crate::host::StateDir;
use crate::host::state_dir::open_private;

/// How long an engine may take until it answers.
const START: Duration = Duration::from_secs(10);
/// How long a caller waits for another one that is starting the engine.
const TURN: Duration = Duration::from_secs(30);
/// Longest line an engine says about its start.
const MAX_LINE: usize = 64 * 1024;

pub(super) fn connect_or_start(dir: &StateDir, exe: &Path) -> Result<Client, EngineError> {
    dir.create()?;
    let file = lock_file(&dir.start_lock())?;
    let turn = Instant::now() + TURN;
    loop {
        if let Some(client) = Client::connect(dir)? {
            return Ok(client);
        }
        if try_lock(&file)? {
            break;
        }
        pause(turn, || "another command is starting the engine and does not come to an end".to_owned())?;
    }
    // Whoever held the lock before us may have started it.
    if let Some(client) = Client::connect(dir)? {
        return Ok(client);
    }
    let until = Instant::now() + START;
    let mut child = spawn(dir, exe)?;
    match first_words(&mut child, until, dir) {
        Ok(()) => {}
        // Not ours: one that is started by hand is on its way.
        Err(error) if error.kind == ErrorKind::Busy => {}
        Err(error) => return Err(error),
    }
    loop {
        if let Some(client) = Client::connect(dir)? {
            return Ok(client);
        }
        pause(until, || format!("the engine does not answer; see {}", dir.engine_log().display()))?;
    }
}

/// Waits until nobody holds the engine lock.
pub(super) fn wait_until_gone(dir: &StateDir, limit: Duration) -> Result<(), EngineError> {
    let until = Instant::now() + limit;
    loop {
        let file = match File::open(dir.engine_lock()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(EngineError::io("cannot read the engine's lock", &error)),
        };
        if try_lock_shared(&file)? {
            return Ok(());
        }
        pause(until, || "the engine does not end".to_owned())?;
    }
}

fn pause(until: Instant, message: impl FnOnce() -> String) -> Result<(), EngineError> {
    if Instant::now() >= until {
        return Err(EngineError::new(ErrorKind::Timeout, message()));
    }
    std::thread::sleep(Duration::from_millis(25));
    Ok(())
}

fn lock_file(path: &Path) -> Result<File, EngineError> {
    open_private(path, false)
        .map_err(|error| EngineError::io(&format!("cannot open `{}`", path.display()), &error))
}

fn try_lock(file: &File) -> Result<bool, EngineError> {
    locked(flock(file, FlockOperation::NonBlockingLockExclusive))
}

fn try_lock_shared(file: &File) -> Result<bool, EngineError> {
    locked(flock(file, FlockOperation::NonBlockingLockShared))
}

fn locked(result: rustix::io::Result<()>) -> Result<bool, EngineError> {
    match result {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(EngineError::io("cannot lock", &error.into())),
    }
}

fn spawn(dir: &StateDir, exe: &Path) -> Result<Child, EngineError> {
    let log = open_private(&dir.engine_log(), true).map_err(|error| {
        EngineError::io(&format!("cannot write the engine's log `{}`", dir.engine_log().display()), &error)
    })?;
    let mut command = Command::new(exe);
    command.args(["engine", "run", "--background"]);
    if dir.root() == dir.run() {
        command.arg("--state-dir").arg(dir.root());
    }
    command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().map_err(|error| EngineError::io("cannot start the engine", &error))
}

/// The engine says one line on its standard output: that it answers, or why it cannot.
fn first_words(child: &mut Child, until: Instant, dir: &StateDir) -> Result<(), EngineError> {
    let mut line = Vec::new();
    if let Some(mut out) = child.stdout.take() {
        while !line.ends_with(b"\n") && line.len() < MAX_LINE {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = rustix::event::Timespec::try_from(left).ok();
            let mut fds = [PollFd::new(&out, PollFlags::IN)];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => break,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(EngineError::io("cannot wait for the engine", &error.into())),
            }
            let mut chunk = [0u8; 1024];
            match out.read(&mut chunk) {
                Ok(0) => break,
                Ok(got) => line.extend_from_slice(&chunk[..got]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(EngineError::io("cannot wait for the engine", &error)),
            }
        }
    }
    if line == b"ready\n" {
        return Ok(());
    }
    if let Ok(error) = serde_json::from_slice::<EngineError>(&line) {
        let _ = child.wait();
        return Err(error);
    }
    let log = dir.engine_log();
    match child.try_wait() {
        Ok(Some(status)) => {
            Err(EngineError::new(ErrorKind::Other, format!("the engine ended as it started ({status})"))
                .remedy(format!("see `{}`", log.display())))
        }
        _ => Err(EngineError::new(ErrorKind::Timeout, "the engine is not ready after ten seconds")
            .remedy(format!("see `{}`", log.display()))),
    }
}
