//! The store: one SQLite file with the recorded fleet, its intents and its lifecycle rows.
//!
//! Rows ⇄ model and nothing else: no planning, no clock but the one handed in. Knows `model` only.
//! What was acknowledged survives kill -9 and power loss (WAL with `synchronous=FULL`); every public call that
//! writes is one `BEGIN IMMEDIATE` transaction.

mod check;
mod error;
mod import;
mod intent;
mod lifecycle;
mod live;
mod outcome;
mod place;
mod reader;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod time;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::model::{Fleet, Identity, Intent, LifecycleId, LifecycleRow, Outcome};

pub use check::Problem;
pub use error::StoreError;
pub use import::import_fleet;
pub use time::{format_time, parse_time};

use live::Locked;
use reader::Reader;

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection to the store file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Read(Reader),
    Write(Locked),
}

impl Store {
    /// Opens the store for reading; `None` when there is no file.
    ///
    /// Never writes to the file, and makes no file beside it while nobody writes; works on read-only media.
    ///
    /// # Errors
    /// Whatever keeps the file from being a store of ours that this program can read.
    pub fn open_read(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(mut reader) = Reader::new(path)? else { return Ok(None) };
        let (known, path) = (schema::KNOWN, path.to_path_buf());
        let found = schema::accept(&path, reader.read(schema::inspect)?, known)?;
        if found < known {
            return Err(StoreError::Older { path, found, known });
        }
        Ok(Some(Self { path, inner: Inner::Read(reader) }))
    }

    /// Opens the store for writing: makes it and its directory when missing, migrates an older one.
    ///
    /// # Errors
    /// As [`Store::open_read`], and whatever keeps the file from being written. A refused file is untouched.
    pub fn open_write(path: &Path) -> Result<Self, StoreError> {
        let inner = Inner::Write(writer::open(path, schema::MIGRATIONS)?);
        Ok(Self { path: path.to_path_buf(), inner })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recorded fleet, as of one moment.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged; odd rows are no error, see [`crate::model::Recorded`].
    pub fn fleet(&mut self) -> Result<Fleet, StoreError> {
        self.read(rows::read_fleet)
    }

    /// Runs `work` in one write transaction: all of it is committed when it returns `Ok`, none of it when it
    /// returns `Err` or panics. Waits up to 30 seconds for other writers, who then wait for this one.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Busy`]; [`StoreError::ReadOnly`] on a store opened for reading.
    pub fn transact<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Txn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let Inner::Write(Locked { conn, .. }) = &mut self.inner else {
            return Err(StoreError::ReadOnly { path: self.path.clone() }.into());
        };
        let sql = |error| StoreError::sql(&self.path, error);
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let txn = Txn { tx, path: &self.path };
        let value = work(&txn)?;
        txn.tx.commit().map_err(sql)?;
        Ok(value)
    }

    /// Records what became of a decky: the row's state and reason, or the row's end; closes the decky's open
    /// lifecycle rows that this ends. Returns whether it was taken over: a result that is about coming up says
    /// nothing on a row that is on its way out by now, nor the other way round, and is dropped.
    ///
    /// # Errors
    /// When the transaction fails; then nothing of it was recorded.
    pub fn record(&mut self, outcome: &Outcome, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|tx| outcome::apply(tx, outcome, None, now))
    }

    /// As [`Store::record`], but drops a result that was worked out from a fleet of serial `seen` when a later
    /// intent was about the same decky: `running` of an old specification must not pass for the new one.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn record_since(&mut self, outcome: &Outcome, seen: u64, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|tx| outcome::apply(tx, outcome, Some(seen), now))
    }

    /// As [`Store::record_since`] for many at once, in one transaction: the disk is waited for once.
    ///
    /// # Errors
    /// As [`Store::record`]; then nothing of any of them was recorded.
    pub fn record_all(
        &mut self,
        outcomes: &[Outcome],
        seen: u64,
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        self.write(|tx| outcomes.iter().map(|one| outcome::apply(tx, one, Some(seen), now)).collect())
    }

    /// Turns the pending lifecycle rows of these deckies to `running`.
    ///
    /// # Errors
    /// When the transaction fails.
    pub fn mark_running(&mut self, names: &[String], now: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| lifecycle::mark_running(tx, names, now))
    }

    /// Gives rows that have none, because another tool inserted them, an identity made by `identify` from their
    /// name. A MAC address that is taken is counted up. Returns the names.
    ///
    /// # Errors
    /// When the transaction fails.
    pub fn adopt(
        &mut self,
        identify: &dyn Fn(&str) -> Identity,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|tx| outcome::adopt(tx, identify, now))
    }

    /// The lifecycle rows with these ids, in this order; unknown ids are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lifecycle(&mut self, ids: &[LifecycleId]) -> Result<Vec<LifecycleRow>, StoreError> {
        self.read(|conn| lifecycle::by_id(conn, ids))
    }

    /// The newest `limit` lifecycle rows, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recent_lifecycle(&mut self, limit: usize) -> Result<Vec<LifecycleRow>, StoreError> {
        self.read(|conn| lifecycle::recent(conn, limit))
    }

    /// What is wrong with the file and its rows, for `decnet doctor`; empty when all is well.
    ///
    /// # Errors
    /// When the file cannot be read far enough to tell.
    pub fn check(&mut self) -> Result<Vec<Problem>, StoreError> {
        self.read(check::check)
    }

    fn read<T>(&mut self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        match &mut self.inner {
            Inner::Read(reader) => reader.read(read),
            Inner::Write(Locked { conn, .. }) => {
                reader::in_transaction(conn, read).map_err(|e| StoreError::sql(&self.path, e))
            }
        }
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.transact(|txn| work(&txn.tx).map_err(|e| StoreError::sql(txn.path, e)))
    }
}

/// A write transaction that has begun. See [`Store::transact`].
#[derive(Debug)]
pub struct Txn<'a> {
    tx: Transaction<'a>,
    path: &'a Path,
}

impl Txn<'_> {
    /// The recorded fleet; nobody else can change it until the transaction ends.
    ///
    /// # Errors
    /// As [`Store::fleet`].
    pub fn fleet(&self) -> Result<Fleet, StoreError> {
        rows::read_fleet(&self.tx).map_err(|e| StoreError::sql(self.path, e))
    }

    /// Writes an intent and counts the serial up, unless the intent is empty. Returns the ids of the lifecycle
    /// rows, in the order of [`Intent::lifecycle`]. Open lifecycle rows of the same deckies end as superseded.
    ///
    /// # Errors
    /// [`StoreError::AddressTaken`] and [`StoreError::MacTaken`] when a decky that the intent does not touch has
    /// what it wants; whatever keeps the rows from being written. The caller must then return an error too.
    pub fn commit_intent(&self, intent: &Intent, now: Timestamp) -> Result<Vec<LifecycleId>, StoreError> {
        intent::commit(&self.tx, self.path, intent, now)
    }
}

/// 16 random bytes as 32 hex digits.
fn random_hex() -> rusqlite::Result<String> {
    random_bytes().map(hex::encode)
}

fn random_bytes() -> rusqlite::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        rusqlite::Error::ToSqlConversionFailure(format!("no random bytes from the system: {e}").into())
    })?;
    Ok(bytes)
}
