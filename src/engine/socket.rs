//! Reaching the control socket, however long its path is.
//!
//! A UNIX socket address holds 108 bytes. Through `/proc/self/fd/N/` of the opened directory every
//! path is short.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::host::StateDir;

/// Connects to whoever listens; `NotFound` and `ConnectionRefused` mean nobody does.
///
/// # Errors
/// What the system says.
pub fn connect(dir: &StateDir) -> io::Result<UnixStream> {
    let (_fd, path) = short(dir.run())?;
    UnixStream::connect(path)
}

/// Binds the socket, 0600. The caller holds the engine lock: a file that is there is a leftover.
///
/// # Errors
/// What the system says.
pub fn bind(dir: &StateDir) -> io::Result<UnixListener> {
    let (_fd, path) = short(dir.run())?;
    remove(dir)?;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket file, if there is one.
///
/// # Errors
/// What the system says.
pub fn remove(dir: &StateDir) -> io::Result<()> {
    match std::fs::remove_file(dir.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path is good as long as the descriptor is open.
fn short(run: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let fd = rustix::fs::open(run, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = format!("/proc/self/fd/{}/engine.sock", fd.as_raw_fd());
    Ok((fd, path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn long_paths_work_and_leftovers_do_not_hinder() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::resolve(Some(&tmp.path().join("d".repeat(200)))).unwrap();
        assert_eq!(connect(&dir).unwrap_err().kind(), io::ErrorKind::NotFound);
        dir.create().unwrap();
        assert_eq!(connect(&dir).unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(bind(&dir).unwrap());
        assert_eq!(connect(&dir).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let listener = bind(&dir).unwrap();
        let mode = std::fs::metadata(dir.socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = connect(&dir).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        let mut got = [0u8; 1];
        server.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"x");
    }
}
