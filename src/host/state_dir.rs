//! Where the store, the events and the engine's socket live, and whether that place can be trusted.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Neither a home directory nor an explicit directory.
    #[error("no home directory to keep state in; give one with --state-dir or DECNET_STATE_DIR")]
    NoHome,
    /// A file or something else is in the way.
    #[error("`{}` is not a directory; move it away or give another --state-dir", .0.display())]
    NotADirectory(PathBuf),
    /// Somebody else owns it and could swap what is inside.
    #[error("`{}` belongs to user {owner}, not to user {ours}; run as that user, change the owner, or give another --state-dir", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
    /// Others can write into it.
    #[error("others can write to `{}` (mode {mode:03o}); run `chmod go-w` on it or give another --state-dir", path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system refused.
    #[error("cannot use the state directory `{}`: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The places of one installation: `root` outlives reboots, `run` need not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
    run: PathBuf,
}

impl StateDir {
    /// The directory an operator chose, else `/var/lib/decnet` with `/run/decnet` for root, else the
    /// XDG state directory. Touches nothing.
    ///
    /// # Errors
    /// When there is no home directory, or the working directory of a relative path is gone.
    pub fn resolve(explicit: Option<&Path>) -> Result<Self, StateDirError> {
        if let Some(path) = explicit.filter(|p| !p.as_os_str().is_empty()) {
            let root = std::path::absolute(path)
                .map_err(|source| StateDirError::Io { path: path.to_owned(), source })?;
            return Ok(Self { run: root.clone(), root });
        }
        if rustix::process::geteuid().is_root() {
            return Ok(Self { root: "/var/lib/decnet".into(), run: "/run/decnet".into() });
        }
        let dirs = directories::ProjectDirs::from("", "", "decnet").ok_or(StateDirError::NoHome)?;
        let root = dirs.state_dir().ok_or(StateDirError::NoHome)?.to_owned();
        Ok(Self { run: root.clone(), root })
    }

    /// Makes both directories (0700) where they are missing and checks them where they are not.
    ///
    /// # Errors
    /// When one is no directory, belongs to somebody else, is writable for others, or cannot be made.
    pub fn create(&self) -> Result<(), StateDirError> {
        for path in [&self.root, &self.run] {
            make(path).map_err(|source| StateDirError::Io { path: path.clone(), source })?;
            inspect(path)?;
        }
        Ok(())
    }

    /// Checks what exists without making anything. True when both directories are there.
    ///
    /// # Errors
    /// As [`StateDir::create`].
    pub fn check(&self) -> Result<bool, StateDirError> {
        Ok(inspect(&self.root)? & inspect(&self.run)?)
    }

    /// What outlives a reboot: store, events, log.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What need not: sockets and locks.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The SQLite store.
    pub fn db(&self) -> PathBuf {
        self.root.join("decnet.db")
    }

    /// Event files.
    pub fn events_dir(&self) -> PathBuf {
        self.root.join("events")
    }

    /// What a background engine has to say.
    pub fn engine_log(&self) -> PathBuf {
        self.root.join("engine.log")
    }

    /// The engine's control socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join("engine.sock")
    }

    /// Held by the engine for its whole life.
    pub fn engine_lock(&self) -> PathBuf {
        self.run.join("engine.lock")
    }

    /// Held by whoever starts an engine, until it answers.
    pub fn start_lock(&self) -> PathBuf {
        self.run.join("start.lock")
    }
}

/// Opens a file of ours for reading and writing (`append`: at its end), made 0600 whatever the umask
/// says. A symbolic link in its place is refused.
///
/// # Errors
/// What the system says.
pub fn open_private(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    if append {
        options.append(true)
    } else {
        options.write(true)
    };
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create(true).open(path),
        Err(error) => Err(error),
    }
}

/// Makes `path` and its missing parents, 0700 whatever the umask says.
fn make(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(0o700)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(parent) if !parent.exists() => {
                make(parent)?;
                make(path)
            }
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// False when nothing is there.
fn inspect(path: &Path) -> Result<bool, StateDirError> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StateDirError::NotADirectory(path.to_owned()));
        }
        Err(source) => return Err(StateDirError::Io { path: path.to_owned(), source }),
    };
    if !meta.is_dir() {
        return Err(StateDirError::NotADirectory(path.to_owned()));
    }
    let ours = rustix::process::geteuid().as_raw();
    if meta.uid() != ours {
        return Err(StateDirError::Owner { path: path.to_owned(), owner: meta.uid(), ours });
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StateDirError::Writable { path: path.to_owned(), mode });
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explicit_directory_is_both_and_absolute() {
        let dir = StateDir::resolve(Some(Path::new("here"))).unwrap();
        assert!(dir.root().is_absolute() && dir.root().ends_with("here"));
        assert_eq!(dir.root(), dir.run());
        assert_eq!(dir.socket(), dir.root().join("engine.sock"));
    }

    #[test]
    fn made_private_with_parents() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::resolve(Some(&tmp.path().join("a/b"))).unwrap();
        assert!(!dir.check().unwrap());
        dir.create().unwrap();
        assert!(dir.check().unwrap());
        for path in [tmp.path().join("a"), tmp.path().join("a/b")] {
            assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn private_files_are_private_and_no_links() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("file");
        for append in [false, true] {
            let file = open_private(&path, append).unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
        }
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open_private(&link, false).is_err());
    }

    #[test]
    fn refuses_what_others_can_write_and_what_is_no_directory() {
        let tmp = tempfile::tempdir().unwrap();
        let open = tmp.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o770)).unwrap();
        let error = StateDir::resolve(Some(&open)).unwrap().create().unwrap_err();
        assert!(matches!(error, StateDirError::Writable { mode: 0o770, .. }), "{error}");

        let file = tmp.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let dir = StateDir::resolve(Some(&path)).unwrap();
            assert!(matches!(dir.check().unwrap_err(), StateDirError::NotADirectory(_)));
        }
    }
}
