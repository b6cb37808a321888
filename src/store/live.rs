//! Which database files this process has open with SQLite's locks.
//!
//! Closing any descriptor of a file drops all POSIX locks that the process has on it. SQLite minds that for its
//! locked connections, not for immutable ones: so an immutable one may exist only while there is no locked one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Device and inode of a file.
pub(super) type FileId = (u64, u64);

static LIVE: Mutex<BTreeMap<FileId, usize>> = Mutex::new(BTreeMap::new());

fn table() -> MutexGuard<'static, BTreeMap<FileId, usize>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection with locks; the table knows of it from before it is opened until after it is closed.
#[derive(Debug)]
pub(super) struct Locked {
    /// Declared, so dropped, first.
    pub(super) conn: Connection,
    _live: Live,
}

impl Locked {
    /// Opens `file` with `open`, once no immutable connection is left.
    pub(super) fn open<E>(file: FileId, open: impl FnOnce() -> Result<Connection, E>) -> Result<Self, E> {
        let live = Live::enter(file);
        Ok(Self { conn: open()?, _live: live })
    }
}

/// One entry of the table.
#[derive(Debug)]
struct Live(FileId);

impl Live {
    fn enter(file: FileId) -> Self {
        *table().entry(file).or_default() += 1;
        Self(file)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(count) = table.get_mut(&self.0) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.remove(&self.0);
            }
        }
    }
}

/// Runs `work`, which may open and close `file` without locks; `None` when this process has it open with locks.
pub(super) fn without_locks<T>(file: FileId, work: impl FnOnce() -> T) -> Option<T> {
    let table = table();
    (!table.contains_key(&file)).then(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excludes_only_the_same_file() {
        let file = (u64::MAX, 1);
        let (one, two) = (Live::enter(file), Live::enter(file));
        assert_eq!(without_locks(file, || 1), None);
        assert_eq!(without_locks((u64::MAX, 2), || 1), Some(1));
        drop(one);
        assert_eq!(without_locks(file, || 1), None);
        drop(two);
        assert_eq!(without_locks(file, || 1), Some(1));
    }
}
