//! Rows of `decky_lifecycle`: pending → running → succeeded or failed, never reused.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{format_time, random_bytes, rows};
use crate::model::{LifecycleId, LifecycleRow, LifecycleStatus, Operation};

/// DECNET cuts error texts off here (facts: upstream §6.3), in characters.
pub(super) const MAX_ERROR: usize = 2000;

/// Closed rows older than this many operations are forgotten, so that mutation timers cannot fill the disk.
const KEPT: i64 = 50_000;

const COLUMNS: &str = "SELECT id, decky_name, operation, status, error, started_at, updated_at, completed_at FROM decky_lifecycle";

/// Adds a pending row; a random UUID (RFC 9562 §5.4) is its id.
pub(super) fn begin(
    conn: &Connection,
    name: &str,
    operation: Operation,
    now: &str,
) -> rusqlite::Result<LifecycleId> {
    let mut bytes = random_bytes()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = hex::encode(bytes);
    for dash in [20, 16, 12, 8] {
        id.insert(dash, '-');
    }
    conn.prepare_cached(
        "INSERT INTO decky_lifecycle (id, decky_name, operation, status, started_at, updated_at) \
         VALUES (?1, ?2, ?3, 'pending', ?4, ?4)",
    )?
    .execute(params![id, name, operation.as_str(), now])?;
    Ok(LifecycleId(id))
}

/// Ends the open rows of `name` that are about `operations`; all of them when there are none given.
pub(super) fn close(
    conn: &Connection,
    name: &str,
    operations: &[Operation],
    failure: Option<&str>,
    now: &str,
) -> rusqlite::Result<()> {
    let status = if failure.is_some() { LifecycleStatus::Failed } else { LifecycleStatus::Succeeded };
    let mut statement = conn.prepare_cached(
        "UPDATE decky_lifecycle SET status = ?2, error = ?3, updated_at = ?4, completed_at = ?4 \
         WHERE decky_name = ?1 AND status IN ('pending', 'running') AND (?5 IS NULL OR operation = ?5)",
    )?;
    let failure = failure.map(cut);
    let mut end =
        |operation: Option<&str>| statement.execute(params![name, status.as_str(), failure, now, operation]);
    if operations.is_empty() {
        end(None)?;
    }
    for operation in operations {
        end(Some(operation.as_str()))?;
    }
    Ok(())
}

/// Forgets closed rows beyond the newest [`KEPT`].
pub(super) fn prune(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "DELETE FROM decky_lifecycle WHERE rowid <= (SELECT max(rowid) FROM decky_lifecycle) - ?1 \
         AND status NOT IN ('pending', 'running')",
    )?
    .execute([KEPT])?;
    Ok(())
}

pub(super) fn mark_running(conn: &Connection, names: &[String], now: Timestamp) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "UPDATE decky_lifecycle SET status = 'running', updated_at = ?2 WHERE decky_name = ?1 AND status = 'pending'",
    )?;
    let now = format_time(now);
    for name in names {
        statement.execute(params![name, now])?;
    }
    Ok(())
}

pub(super) fn by_id(conn: &Connection, ids: &[LifecycleId]) -> rusqlite::Result<Vec<LifecycleRow>> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(statement.query_row([&id.0], decode).optional()?.flatten());
    }
    Ok(found)
}

pub(super) fn recent(conn: &Connection, limit: usize) -> rusqlite::Result<Vec<LifecycleRow>> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} ORDER BY rowid DESC LIMIT ?1"))?;
    let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], decode)?;
    rows.filter_map(Result::transpose).collect()
}

/// None for a row with a word that neither DECNET nor we write; [`super::check`] reports it.
fn decode(row: &Row<'_>) -> rusqlite::Result<Option<LifecycleRow>> {
    let text = |index| row.get_ref(index).map(rows::text);
    let word = |index| text(index).map(Option::unwrap_or_default);
    let (Ok(operation), Ok(status)) = (word(2)?.parse(), word(3)?.parse()) else { return Ok(None) };
    Ok(Some(LifecycleRow {
        id: LifecycleId(word(0)?),
        decky_name: word(1)?,
        operation,
        status,
        error: text(4)?,
        started_at: word(5)?,
        updated_at: word(6)?,
        completed_at: text(7)?,
    }))
}

/// At most [`MAX_ERROR`] characters of `text`.
pub(super) fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_ERROR).map_or(text, |(end, _)| &text[..end])
}
