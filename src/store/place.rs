//! Where the store file lies: its directory, its file system, its modes. Never opens the file itself:
//! closing any descriptor of it would drop SQLite's locks (sqlite.org/howtocorrupt.html §2.2).

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::StoreError;
use super::live::FileId;

/// `f_type` of file systems where SQLite's locks or shared memory cannot be trusted (statfs(2)).
const NETWORK_FILE_SYSTEMS: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x786f_4256, "vboxsf"),
];

/// Two writes within one tick of the kernel's coarse clock may carry the same time (HZ=100: 10 ms).
const CLOCK_TICK: Duration = Duration::from_millis(12);

/// The directory of `path`; the current one for a bare file name.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where `path` leads to: SQLite puts its side files beside that, not beside a symbolic link.
pub(super) fn resolve(path: &Path) -> PathBuf {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
        _ => path.to_path_buf(),
    }
}

/// `path` with `suffix` appended to its last part.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Refuses network and user-space file systems.
pub(super) fn refuse_network(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    let stat = rustix::fs::statfs(directory).map_err(|e| StoreError::io(directory, e.into()))?;
    match network_kind(i128::from(stat.f_type)) {
        Some(kind) => Err(StoreError::NetworkFs { path: path.to_path_buf(), kind }),
        None => Ok(()),
    }
}

/// The name of a file system that is refused. The type's width and sign differ between machines.
fn network_kind(f_type: i128) -> Option<&'static str> {
    let word = (f_type & 0xffff_ffff) as u32;
    NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == word).map(|(_, kind)| *kind)
}

/// Makes the store's directory, and what is missing above it, with mode 0700.
pub(super) fn make_directory(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|e| StoreError::io(directory, e))
}

/// Takes group and others out of the mode of a store file that we own.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let meta = fs::metadata(path).map_err(|e| StoreError::io(path, e))?;
    if meta.mode() & 0o077 != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|e| StoreError::io(path, e))?;
    }
    Ok(())
}

/// What tells whether a database file was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which file.
    pub(super) file: FileId,
    /// Bytes.
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of `path` now; none when there is no such file.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, StoreError> {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) => return Err(StoreError::io(path, e)),
        };
        if !meta.is_file() {
            return Err(StoreError::NotADatabase { path: path.to_path_buf() });
        }
        Ok(Some(Self {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }))
    }

    /// Waits until a later write must change the stamp. False when the clocks disagree and none can.
    pub(super) fn settle(&self) -> bool {
        let (Ok(secs), Ok(nanos)) = (u64::try_from(self.modified.0), u64::try_from(self.modified.1)) else {
            return false;
        };
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(secs) + Duration::from_nanos(nanos);
        match SystemTime::now().duration_since(written) {
            Err(_) => false,
            Ok(age) => {
                std::thread::sleep(CLOCK_TICK.saturating_sub(age));
                true
            }
        }
    }
}

/// Whether the main file alone is the whole database: no write-ahead log or rollback journal with content.
pub(super) fn is_quiet(path: &Path) -> bool {
    ["-wal", "-journal"].iter().all(|suffix| match fs::metadata(beside(path, suffix)) {
        Ok(meta) => meta.len() == 0,
        Err(e) => is_absent(&e),
    })
}

/// Refuses to take a store for absent whose log is still there: committed intents may be in it, and SQLite would
/// play it into a new file of that name.
pub(super) fn refuse_orphaned_log(path: &Path) -> Result<(), StoreError> {
    if is_quiet(path) {
        return Ok(());
    }
    let detail = "the file is missing, but its log is there".to_owned();
    Err(StoreError::Corrupt { path: path.to_path_buf(), detail })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// An SQLite URI that opens `path` without locks and without side files (sqlite.org/uri.html).
pub(super) fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_whatever_the_sign() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(i128::from(0xff53_4d42_u32 as i32)), Some("CIFS"));
        assert_eq!(network_kind(0xff53_4d42), Some("CIFS"));
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x794c_7630] {
            assert_eq!(network_kind(local), None);
        }
    }

    #[test]
    fn uri_escapes_what_means_something() {
        assert_eq!(immutable_uri(Path::new("/a b/c?d#e%.db")), "file:///a%20b/c%3Fd%23e%25.db?immutable=1");
        assert_eq!(immutable_uri(Path::new("x/ü.db")), "file:x/%C3%BC.db?immutable=1");
    }

    #[test]
    fn directories() {
        assert_eq!(directory_of(Path::new("fleet.db")), Path::new("."));
        assert_eq!(directory_of(Path::new("/a/fleet.db")), Path::new("/a"));
        assert_eq!(beside(Path::new("/a/f.db"), "-wal"), Path::new("/a/f.db-wal"));
    }
}
