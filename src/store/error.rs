//! What can go wrong with the store, each with what, where and what to do.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

/// Why the store could not do it. Nothing was changed, unless the text says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Written by a later program.
    #[error(
        "{}: the store has schema {found}, this program knows up to {known}; use the newer decnet that wrote it, \
         nothing was changed", path.display()
    )]
    Newer {
        /// The store file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The last one this program knows.
        known: i64,
    },
    /// Written by an earlier program, opened for reading.
    #[error(
        "{}: the store has the older schema {found}, this program reads {known}; `decnet reconcile` brings it up to date",
        path.display()
    )]
    Older {
        /// The store file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The one this program reads.
        known: i64,
    },
    /// A DECNET database where our store should be.
    #[error(
        "{}: this is a DECNET database, not a decnet store; keep it elsewhere and take its fleet over with \
         `decnet import FILE.db`", path.display()
    )]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// An SQLite database of some other program.
    #[error(
        "{}: this SQLite database belongs to another program; choose another directory with --state-dir or move \
         the file away", path.display()
    )]
    NotOurs {
        /// The database file.
        path: PathBuf,
    },
    /// No SQLite file at all.
    #[error(
        "{}: this is not an SQLite database; restore it from a backup, or move it away to start with an empty fleet",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Damaged.
    #[error(
        "{}: the store is damaged: {detail}; restore it from a backup, or move it away (with its -wal and -shm \
         files) and deploy again", path.display()
    )]
    Corrupt {
        /// The store file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file or its file system cannot be written, or the store was opened for reading.
    #[error("{}: the store cannot be written, it is read-only; remount it writable or choose another --state-dir", path.display())]
    ReadOnly {
        /// The store file.
        path: PathBuf,
    },
    /// The last writer was killed on what is now read-only: its log cannot be played back.
    #[error(
        "{}: the last writer was killed and the store needs write access once to recover; make its directory writable \
         and run `decnet list`, nothing is lost", path.display()
    )]
    NeedsRecovery {
        /// The store file.
        path: PathBuf,
    },
    /// File permissions.
    #[error("{}: permission denied; run as the user who owns the store, or choose another --state-dir", path.display())]
    Denied {
        /// The file or directory.
        path: PathBuf,
    },
    /// No space left.
    #[error("{}: no space left on its file system; free some and run the command again", path.display())]
    Full {
        /// The store file.
        path: PathBuf,
    },
    /// Another process held the write lock for too long.
    #[error("{}: another decnet command is writing to the store; wait until it is done and try again", path.display())]
    Busy {
        /// The store file.
        path: PathBuf,
    },
    /// SQLite's locks and shared memory do not work there.
    #[error(
        "{}: it lies on a network or user-space file system ({kind}), where SQLite cannot lock safely; choose a local \
         directory with --state-dir", path.display()
    )]
    NetworkFs {
        /// The store file.
        path: PathBuf,
        /// Kind of file system.
        kind: &'static str,
    },
    /// An address that the intent wants belongs to a decky that it does not touch.
    #[error(
        "{ip} is in use by decky `{holder}` and cannot be given to `{wanted_by}`; nothing was changed, plan again"
    )]
    AddressTaken {
        /// The address.
        ip: Ipv4Addr,
        /// Who has it.
        holder: String,
        /// Who should have got it.
        wanted_by: String,
    },
    /// A hardware address that the intent wants belongs to a decky that it does not touch.
    #[error(
        "{mac} is in use by decky `{holder}` and cannot be given to `{wanted_by}`; nothing was changed, plan again"
    )]
    MacTaken {
        /// The hardware address.
        mac: String,
        /// Who has it.
        holder: String,
        /// Who should have got it.
        wanted_by: String,
    },
    /// Nothing to import there.
    #[error("{}: no such file; give the path of a DECNET database, usually `decnet.db`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// An SQLite database that import cannot read a fleet from.
    #[error("{}: this is no DECNET database: {detail}; give the path of a DECNET 1.2 `decnet.db`", path.display())]
    NotDecnet {
        /// The database file.
        path: PathBuf,
        /// What is missing.
        detail: String,
    },
    /// A DECNET schema that import was not made for.
    #[error(
        "{}: DECNET schema revision `{found}` is unknown, only `{known}` (DECNET 1.2) can be imported; bring the \
         database to that revision with DECNET, nothing was changed", path.display()
    )]
    Revision {
        /// The database file.
        path: PathBuf,
        /// Its revision.
        found: String,
        /// The one that can be read.
        known: &'static str,
    },
    /// The system refused something else.
    #[error("{}: {source}; check the file and its directory", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused something else.
    #[error("{}: SQLite: {detail}; `decnet doctor` checks the store", path.display())]
    Sql {
        /// The store file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

impl StoreError {
    /// Sorts an SQLite error that concerns the file at `path`.
    pub(super) fn sql(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match error {
            rusqlite::Error::SqliteFailure(cause, text) => Self::failure(path, cause, text),
            rusqlite::Error::FromSqlConversionFailure(_, _, cause) => {
                Self::Corrupt { path, detail: cause.to_string() }
            }
            rusqlite::Error::InvalidColumnType(_, column, found) => {
                Self::Corrupt { path, detail: format!("column `{column}` holds {found}") }
            }
            rusqlite::Error::QueryReturnedNoRows => {
                Self::Corrupt { path, detail: "`fleet_meta` is empty".to_owned() }
            }
            other => Self::Sql { path, detail: other.to_string() },
        }
    }

    fn failure(path: PathBuf, cause: ffi::Error, text: Option<String>) -> Self {
        let detail = text.unwrap_or_else(|| cause.to_string());
        match (cause.code, cause.extended_code) {
            (ErrorCode::NotADatabase, _) => Self::NotADatabase { path },
            (ErrorCode::DatabaseCorrupt, _) => Self::Corrupt { path, detail },
            (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS) => Self::Corrupt { path, detail },
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full { path },
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy { path },
            (ErrorCode::ReadOnly, _) => Self::ReadOnly { path },
            (ErrorCode::PermissionDenied, _) => Self::Denied { path },
            (ErrorCode::CannotOpen, _) => Self::cannot_open(&path, detail),
            _ => Self::Sql { path, detail },
        }
    }

    /// SQLite says no more than "unable to open": the file system knows why.
    fn cannot_open(file: &Path, detail: String) -> Self {
        use rustix::fs::{Access, access};
        use rustix::io::Errno;
        let path = file.to_path_buf();
        let directory = super::place::directory_of(file);
        if rustix::fs::statvfs(directory)
            .is_ok_and(|fs| fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0))
        {
            return Self::Full { path };
        }
        let both = Access::WRITE_OK | Access::EXEC_OK;
        let refused = [(file, Access::READ_OK), (directory, both), (file, Access::WRITE_OK)]
            .into_iter()
            .find_map(|(target, wanted)| access(target, wanted).err());
        match refused {
            Some(Errno::ROFS) => Self::ReadOnly { path },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { path },
            _ => Self::Sql { path, detail },
        }
    }

    /// Sorts an error of the system that concerns the file at `path`.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}
