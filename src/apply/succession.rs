//! One program takes the place of another: the engine's process executes it, and nothing that serves is closed.
//!
//! What the other needs is in a memory file whose number it gets as an argument. Whatever goes wrong on the way
//! ends the process, and with it every decky, as `kill -9` would: who asked for it starts a new engine then.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::lock::EngineLock;
use crate::engine::embedded::{Estate, FORMAT, leave};
use crate::engine::{EngineError, ErrorKind};
use crate::host::sys;

/// The argument that names the memory file.
const ARGUMENT: &str = "--estate";
/// How long a program may take to say which form it knows.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest memory file in bytes: tens of thousands of deckies.
const MOST: u64 = 256 << 20;

/// What is handed over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Succession {
    lock: RawFd,
    socket: RawFd,
    pub(super) estate: Estate,
}

/// What this program says to `__estate`.
pub(crate) fn form() -> String {
    format!("decnet estate {FORMAT}\n")
}

/// Whether `program` can take this one's place.
///
/// # Errors
/// Why not.
pub(super) async fn fits(program: &Path) -> Result<(), EngineError> {
    let refuse = |why: String| {
        Err(EngineError::new(
            ErrorKind::Environment,
            format!("`{}` cannot take the engine's place: {why}", program.display()),
        ))
    };
    let mut command = Command::new(program);
    command.arg("__estate").env_clear().current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    let asked = tokio::task::spawn_blocking(move || command.output());
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(Ok(said))) if said.stdout == form().as_bytes() => Ok(()),
        Ok(Ok(Ok(_))) => refuse("it hands deckies over in another form".to_owned()),
        Ok(Ok(Err(error))) => refuse(error.to_string()),
        Ok(Err(error)) => refuse(error.to_string()),
        Err(_) => refuse("it does not answer".to_owned()),
    }
}

/// Executes `program` in this one's place. Returns only when that failed.
pub(super) fn execute(program: &Path, lock: &EngineLock, socket: impl AsFd, estate: Estate) -> io::Error {
    let prepared = (|| -> io::Result<(OwnedFd, RawFd)> {
        let succession = Succession { lock: leave(lock.as_fd())?, socket: leave(socket.as_fd())?, estate };
        let mut file = File::from(memfd_create("decnet-estate", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(&succession)?)?;
        file.rewind()?;
        let number = leave(file.as_fd())?;
        Ok((file.into(), number))
    })();
    match prepared {
        Ok((_file, number)) => Command::new(program).args(arguments(std::env::args_os(), number)).exec(),
        Err(error) => error,
    }
}

/// This program's arguments for the next one.
fn arguments(own: impl Iterator<Item = OsString>, number: RawFd) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut own = own.skip(1);
    while let Some(word) = own.next() {
        if word == ARGUMENT {
            own.next();
        } else {
            left.push(word);
        }
    }
    left.extend([ARGUMENT.into(), number.to_string().into()]);
    left
}

impl Succession {
    /// Reads what the program before this one left.
    pub(super) fn read(number: RawFd) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::io("cannot take over from the engine before", &error);
        let mut text = Vec::new();
        let file = File::from(sys::inherit(number).map_err(failed)?);
        file.take(MOST).read_to_end(&mut text).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|error| failed(error.into()))
    }

    /// The lock, and the control socket.
    pub(super) fn take(&self) -> Result<(EngineLock, std::os::unix::net::UnixListener), EngineError> {
        let failed = |error: io::Error| EngineError::io("cannot take over from the engine before", &error);
        let lock = EngineLock::inherited(sys::inherit(self.lock).map_err(failed)?)?;
        Ok((lock, sys::inherit(self.socket).map_err(failed)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_who_knows_the_form_takes_the_place() {
        for (program, why) in
            [("/bin/true", "another form"), ("/nonexistent", "No such file"), ("/", "denied")]
        {
            let error = fits(Path::new(program)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Environment);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(form().ends_with(&format!("{FORMAT}\n")));
    }

    #[test]
    fn the_next_program_gets_the_same_arguments() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let first = words("decnet engine run --background --state-dir /x");
        let second = words("engine run --background --state-dir /x --estate 9");
        assert_eq!(arguments(first.into_iter(), 9), second);
        let again = [vec![OsString::from("decnet")], second].concat();
        assert_eq!(
            arguments(again.into_iter(), 12),
            words("engine run --background --state-dir /x --estate 12")
        );
    }
}
