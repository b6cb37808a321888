//! Reading without writing: no side file is made, and a store on read-only media can be read.
//!
//! Opening a cleanly closed WAL database read-only still makes `-wal` and `-shm` beside it, or fails where it
//! cannot. So while the main file alone is the whole database it is read as immutable, and what was read counts
//! only if the file was not written to meanwhile; else it is opened with SQLite's locks.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::live::{self, Locked};
use super::place::{self, Stamp};
use super::{BUSY_TIMEOUT, StoreError};

/// Reads as immutable that a writer may spoil before locks are used.
const QUIET_TRIES: usize = 3;

/// A read-only view of a database file.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    /// Kept from the first read that needed locks on.
    locked: Option<Locked>,
}

impl Reader {
    /// None when there is no file.
    pub(super) fn new(path: &Path) -> Result<Option<Self>, StoreError> {
        let path = &place::resolve(path);
        let Some(stamp) = Stamp::of(path)? else {
            place::refuse_orphaned_log(path)?;
            return Ok(None);
        };
        place::refuse_network(path)?;
        if stamp.size == 0 {
            return Err(StoreError::Corrupt {
                path: path.to_path_buf(),
                detail: "the file is empty".to_owned(),
            });
        }
        Ok(Some(Self { path: path.to_path_buf(), locked: None }))
    }

    /// Runs `read` in one read transaction. It may run more than once: only the last run counts.
    pub(super) fn read<T>(
        &mut self,
        read: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let sql = |error| StoreError::sql(&self.path, error);
        for _ in 0..QUIET_TRIES {
            if self.locked.is_none()
                && let Some(result) = self.read_immutable(&read)?
            {
                return result.map_err(sql);
            }
        }
        let locked = match self.locked.take() {
            Some(locked) => locked,
            None => self.connect()?,
        };
        let result = in_transaction(&locked.conn, &read).map_err(|error| match sql(error) {
            StoreError::ReadOnly { path } => StoreError::NeedsRecovery { path },
            other => other,
        });
        self.locked = Some(locked);
        result
    }

    /// None when a write-ahead log has to be looked at too, or a writer came in between.
    fn read_immutable<T>(
        &self,
        read: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<rusqlite::Result<T>>, StoreError> {
        // Stamp first: a log that is emptied into the file between the two looks then shows as a change.
        let stamp = self.stamp()?;
        if !place::is_quiet(&self.path) || !stamp.settle() {
            return Ok(None);
        }
        let result = live::without_locks(stamp.file, || {
            let flags = flags() | OpenFlags::SQLITE_OPEN_URI;
            let conn = Connection::open_with_flags(place::immutable_uri(&self.path), flags)?;
            harden(&conn)?;
            in_transaction(&conn, read)
        });
        Ok(if self.stamp()? == stamp { result } else { None })
    }

    fn connect(&self) -> Result<Locked, StoreError> {
        let open = || {
            let conn = Connection::open_with_flags(&self.path, flags())?;
            conn.busy_timeout(BUSY_TIMEOUT)?;
            harden(&conn)?;
            Ok(conn)
        };
        Locked::open(self.stamp()?.file, open).map_err(|e| StoreError::sql(&self.path, e))
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        Stamp::of(&self.path)?.ok_or_else(|| StoreError::io(&self.path, std::io::ErrorKind::NotFound.into()))
    }
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// One consistent snapshot for everything that `read` asks.
pub(super) fn in_transaction<T>(
    conn: &Connection,
    read: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let tx = conn.unchecked_transaction()?;
    let value = read(&tx)?;
    tx.commit()?;
    Ok(value)
}

/// A database file is input: nothing in its schema may run code, no damaged page may be trusted.
pub(super) fn harden(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.pragma_update(None, "cell_size_check", true)
}
