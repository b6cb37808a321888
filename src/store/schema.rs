//! The schema and its migrations: forward only, each in one transaction, the version in `user_version`.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::place::{beside, directory_of};
use super::{StoreError, format_time, random_hex};

/// `application_id` of our files: "DCNT".
pub(super) const APPLICATION_ID: i64 = 0x4443_4e54;

/// Brings a store from the version before it to its own. It must not fail on any store of that version.
pub(super) type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// All migrations, oldest first: number N of the list makes `user_version` N+1.
pub(super) const MIGRATIONS: &[Migration] = &[first];

/// The version this program writes.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// `fleet_deckies` and `decky_lifecycle` are DECNET's, column by column (facts: upstream §6.2, §6.3); the two
/// `decnet_` indexes on them and all other tables are ours.
const FIRST: &str = "
CREATE TABLE fleet_deckies (
    host_uuid VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    services TEXT NOT NULL,
    decky_config TEXT,
    decky_ip VARCHAR,
    state VARCHAR NOT NULL,
    last_error TEXT,
    compose_hash VARCHAR,
    last_seen DATETIME,
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (host_uuid, name)
);
CREATE INDEX ix_fleet_deckies_host_uuid ON fleet_deckies (host_uuid);
CREATE INDEX ix_fleet_deckies_state ON fleet_deckies (state);
CREATE INDEX decnet_fleet_deckies_name ON fleet_deckies (name);
CREATE UNIQUE INDEX decnet_fleet_deckies_local_ip ON fleet_deckies (decky_ip)
    WHERE host_uuid = 'local' AND decky_ip IS NOT NULL;

CREATE TABLE decky_lifecycle (
    id VARCHAR NOT NULL,
    decky_name VARCHAR NOT NULL,
    host_uuid VARCHAR,
    operation VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    error TEXT,
    started_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    completed_at DATETIME,
    PRIMARY KEY (id)
);
CREATE INDEX ix_decky_lifecycle_decky_name ON decky_lifecycle (decky_name);
CREATE INDEX ix_decky_lifecycle_host_uuid ON decky_lifecycle (host_uuid);
CREATE INDEX ix_decky_lifecycle_operation ON decky_lifecycle (operation);
CREATE INDEX ix_decky_lifecycle_status ON decky_lifecycle (status);

-- One row: which store this is, how often an intent was committed to it, the fleet's network as JSON.
CREATE TABLE fleet_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    serial INTEGER NOT NULL CHECK (serial >= 0),
    network TEXT,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE decky_identity (
    name TEXT PRIMARY KEY,
    mac TEXT NOT NULL UNIQUE,
    seed BLOB NOT NULL CHECK (length(seed) = 32),
    created_at TEXT NOT NULL
) STRICT;

-- Serial of the last intent that was about a decky: results of older ones are out of date.
CREATE TABLE decky_intent (
    name TEXT PRIMARY KEY,
    serial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE custom_services (
    slug TEXT PRIMARY KEY,
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

fn first(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(FIRST)?;
    tx.execute(
        "INSERT INTO fleet_meta (one, id, serial, created_at) VALUES (1, ?1, 0, ?2)",
        params![random_hex()?, format_time(Timestamp::now())],
    )?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)
}

/// What kind of database a connection sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Our store, with its version.
    Ours(i64),
    /// A DECNET database.
    Decnet,
    /// Nothing in it.
    Empty,
    /// Some other program's.
    Other,
}

/// Looks without writing.
pub(super) fn inspect(conn: &Connection) -> rusqlite::Result<Verdict> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application == APPLICATION_ID {
        return Ok(Verdict::Ours(version));
    }
    let decnet = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('alembic_version', 'fleet_deckies')";
    if conn.query_row(decnet, [], |row| row.get::<_, i64>(0))? > 0 {
        return Ok(Verdict::Decnet);
    }
    let objects: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if objects == 0 && application == 0 && version == 0 { Verdict::Empty } else { Verdict::Other })
}

/// Refuses what is not a store of ours that this program can use, for the file at `path`.
pub(super) fn accept(path: &Path, verdict: Verdict, known: i64) -> Result<i64, StoreError> {
    let path = path.to_path_buf();
    match verdict {
        Verdict::Ours(found) if found > known => Err(StoreError::Newer { path, found, known }),
        Verdict::Ours(found) if found >= 0 => Ok(found),
        Verdict::Ours(found) => {
            Err(StoreError::Corrupt { path, detail: format!("its schema version is {found}") })
        }
        Verdict::Decnet => Err(StoreError::Foreign { path }),
        Verdict::Empty => Err(StoreError::Corrupt { path, detail: "there is nothing in it".to_owned() }),
        Verdict::Other => Err(StoreError::NotOurs { path }),
    }
}

/// Brings the store up to the last of `migrations`. A store that already holds data is copied first, to
/// `<path>.v<version>`, so that an older program can go back to it.
pub(super) fn migrate(
    conn: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let sql = |error| StoreError::sql(path, error);
    let mut backed_up = false;
    loop {
        let version = version(conn).map_err(sql)?;
        let Some(index) = usize::try_from(version).ok().filter(|&i| i < migrations.len()) else {
            return Ok(());
        };
        if version > 0 && !backed_up {
            back_up(conn, path, version)?;
            backed_up = true;
        }
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        // Another process may have done it while this one waited for the lock.
        if self::version(&tx).map_err(sql)? == version {
            migrations[index](&tx).map_err(sql)?;
            tx.pragma_update(None, "user_version", version + 1).map_err(sql)?;
            tx.commit().map_err(sql)?;
        }
    }
}

fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Copies the store to `<path>.v<version>`; that name appears only once the copy is complete.
fn back_up(conn: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let target = beside(path, &format!(".v{version}"));
    let draft = beside(path, &format!(".v{version}.{}", random_hex().map_err(|e| StoreError::sql(path, e))?));
    super::writer::make_file(&draft, &target)?;
    let copied = conn
        .execute("VACUUM INTO ?1", [draft.to_string_lossy()])
        .map_err(|e| StoreError::sql(path, e))
        .and_then(|_| fs::rename(&draft, &target).map_err(|e| StoreError::io(&target, e)));
    if copied.is_err() {
        let _ = fs::remove_file(&draft);
    }
    copied?;
    super::writer::sync_directory(directory_of(path))
}
