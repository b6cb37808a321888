//! One engine per state directory: a lock the kernel frees when its holder dies.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::engine::{Client, EngineError, ErrorKind};
use crate::host::StateDir;
use crate::host::state_dir::open_private;

/// How long an engine that is on its way out may still hold the lock.
const LEAVING: Duration = Duration::from_secs(5);
/// Longest lock file that is read, in bytes.
const MAX_CONTENT: u64 = 4096;

/// The lock; given back when dropped or when the process ends.
#[derive(Debug)]
pub(super) struct EngineLock {
    file: File,
}

impl AsFd for EngineLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Who holds it, for those it keeps out.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    version: String,
    started_at: String,
}

impl EngineLock {
    /// Takes the lock, waiting for a holder that is ending.
    pub(super) fn take(dir: &StateDir) -> Result<Self, EngineError> {
        let path = dir.engine_lock();
        let doing = format!("cannot take the engine's lock `{}`", path.display());
        let mut file = open_private(&path, false).map_err(|error| EngineError::io(&doing, &error))?;
        let until = Instant::now() + LEAVING;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(EngineError::io(&doing, &error.into())),
            }
            // One that answers stays; one that does not is starting or ending.
            if Instant::now() >= until || Client::connect(dir).is_ok_and(|client| client.is_some()) {
                return Err(taken(&mut file));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        describe(&mut file).map_err(|error| EngineError::io(&doing, &error))?;
        Ok(Self { file })
    }

    /// The lock that the program before this one took: it is the same process.
    pub(super) fn inherited(fd: OwnedFd) -> Result<Self, EngineError> {
        let mut file = File::from(fd);
        describe(&mut file).map_err(|error| EngineError::io("cannot write the engine's lock", &error))?;
        Ok(Self { file })
    }

    /// Whether the lock file is still where others look for it. If not, the state directory was
    /// removed or replaced, and this engine is nobody's.
    pub(super) fn in_place(&self, dir: &StateDir) -> bool {
        let here = std::fs::symlink_metadata(dir.engine_lock());
        match (here, self.file.metadata()) {
            (Ok(here), Ok(ours)) => (here.dev(), here.ino()) == (ours.dev(), ours.ino()),
            _ => false,
        }
    }
}

/// Kills the engine of a state directory, and with it every worker; needs neither its socket nor the
/// store. False when none runs.
///
/// # Errors
/// When the lock cannot be read, the engine belongs to somebody else, or it survives.
pub fn kill_engine(dir: &StateDir) -> Result<bool, EngineError> {
    if !dir.check()? {
        return Ok(false);
    }
    let doing = "cannot kill the engine";
    let mut file = match File::open(dir.engine_lock()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(EngineError::io(doing, &error)),
    };
    let until = Instant::now() + LEAVING;
    let mut killed = false;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(killed),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(EngineError::io(doing, &error.into())),
        }
        if !killed
            && let Some(pid) =
                holder(&mut file).and_then(|h| i32::try_from(h.pid).ok()).and_then(Pid::from_raw)
        {
            killed = kill(&file, pid).map_err(|error| EngineError::io(doing, &error.into()))?;
        }
        if Instant::now() >= until {
            return Err(EngineError::new(
                ErrorKind::Timeout,
                "the engine holds its lock although it was killed",
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills `pid` if the lock is still held once the process is pinned: then it is the holder, not
/// another process that got its number.
fn kill(file: &File, pid: Pid) -> rustix::io::Result<bool> {
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        other => other?,
    };
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Ok(()) => return Ok(false),
        Err(error) => return Err(error),
    }
    match pidfd_send_signal(process, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => Ok(true),
        other => other.map(|()| true),
    }
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.take(MAX_CONTENT).read_to_end(&mut text)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn describe(file: &mut File) -> io::Result<()> {
    let holder = Holder {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: jiff::Timestamp::now().to_string(),
    };
    let mut text = serde_json::to_vec(&holder)?;
    text.push(b'\n');
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

fn taken(file: &mut File) -> EngineError {
    let who = match holder(file) {
        Some(holder) => format!("pid {}, since {}", holder.pid, holder.started_at),
        None => "its pid is not known".to_owned(),
    };
    EngineError::new(ErrorKind::Busy, format!("an engine already runs for this state directory ({who})"))
        .remedy("`decnet engine status` asks it, `decnet engine stop` ends it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_and_a_clear_word_to_the_second() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::resolve(Some(&tmp.path().join("s"))).unwrap();
        dir.create().unwrap();
        let lock = EngineLock::take(&dir).unwrap();
        assert!(lock.in_place(&dir));
        let mut second = File::open(dir.engine_lock()).unwrap();
        let error = taken(&mut second);
        assert_eq!(error.kind, ErrorKind::Busy);
        assert!(error.message.contains(&format!("pid {}", std::process::id())), "{error}");
        std::fs::remove_file(dir.engine_lock()).unwrap();
        assert!(!lock.in_place(&dir));
        let fresh = EngineLock::take(&dir).unwrap();
        assert!(fresh.in_place(&dir) && !lock.in_place(&dir));
    }
}
