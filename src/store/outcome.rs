//! Writing what became of an intent, and taking rows of other tools in.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::format_time;
use super::lifecycle::{self, cut};
use crate::model::{Identity, Operation, Outcome, OutcomeKind, State};

/// What brings a decky up.
const COMING: &[Operation] = &[Operation::Deploy, Operation::Mutate];
/// What takes it away.
const LEAVING: &[Operation] = &[Operation::Teardown];

/// Whether a row with this state is on its way out. `torn_down` is not: DECNET writes it for a decky that is part
/// of the fleet and has nothing running.
fn is_leaving(state: State) -> bool {
    matches!(state, State::TearingDown | State::TeardownFailed)
}

pub(super) fn apply(
    conn: &Connection,
    outcome: &Outcome,
    seen: Option<u64>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let name = outcome.name.as_str();
    if let Some(seen) = seen {
        let latest: Option<i64> = conn
            .prepare_cached("SELECT serial FROM decky_intent WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if latest.and_then(|serial| u64::try_from(serial).ok()).is_some_and(|serial| serial > seen) {
            return Ok(false);
        }
    }
    let now = format_time(now);
    match &outcome.kind {
        OutcomeKind::Gone | OutcomeKind::State(State::TornDown, _) => end(conn, name, &now),
        OutcomeKind::State(state, reason) => {
            let reason = reason.as_deref().map(cut);
            Ok(set_state(conn, name, *state, reason, &now)? && {
                close_lifecycle(conn, name, *state, reason, &now)?;
                true
            })
        }
    }
}

/// Deletes a row that was on its way out, with everything of its own. One that a later intent wants back stays.
fn end(conn: &Connection, name: &str, now: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "DELETE FROM fleet_deckies WHERE name = ?1 AND state IN ('tearing_down', 'teardown_failed')",
    )?
    .execute([name])?;
    let wanted: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM fleet_deckies WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))?;
    if wanted {
        return Ok(false);
    }
    conn.prepare_cached("DELETE FROM decky_identity WHERE name = ?1")?.execute([name])?;
    conn.prepare_cached("DELETE FROM decky_intent WHERE name = ?1")?.execute([name])?;
    lifecycle::close(conn, name, LEAVING, None, now)?;
    Ok(true)
}

fn set_state(
    conn: &Connection,
    name: &str,
    state: State,
    reason: Option<&str>,
    now: &str,
) -> rusqlite::Result<bool> {
    type Current = (i64, String, Option<String>);
    let current: Option<Current> = conn
        .prepare_cached(
            "SELECT rowid, CAST(state AS TEXT), CAST(last_error AS TEXT) FROM fleet_deckies WHERE name = ?1 \
             ORDER BY host_uuid <> 'local', host_uuid LIMIT 1",
        )?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((rowid, old_state, old_reason)) = current else { return Ok(false) };
    if old_state.parse().is_ok_and(is_leaving) != is_leaving(state) {
        return Ok(false);
    }
    // Saying again what the row says already would cost two syncs of the disk.
    if old_state != state.as_str() || old_reason.as_deref() != reason {
        conn.prepare_cached(
            "UPDATE fleet_deckies SET state = ?2, last_error = ?3, last_seen = ?4, updated_at = ?4 WHERE rowid = ?1",
        )?
        .execute(params![rowid, state.as_str(), reason, now])?;
    }
    Ok(true)
}

fn close_lifecycle(
    conn: &Connection,
    name: &str,
    state: State,
    reason: Option<&str>,
    now: &str,
) -> rusqlite::Result<()> {
    let failure = Some(reason.unwrap_or(state.as_str()));
    match state {
        State::Running => lifecycle::close(conn, name, COMING, None, now),
        State::Failed | State::Degraded => lifecycle::close(conn, name, COMING, failure, now),
        State::TeardownFailed => lifecycle::close(conn, name, LEAVING, failure, now),
        State::Pending | State::TearingDown | State::TornDown => Ok(()),
    }
}

pub(super) fn adopt(
    conn: &Connection,
    identify: &dyn Fn(&str) -> Identity,
    now: Timestamp,
) -> rusqlite::Result<Vec<String>> {
    let mut names: Vec<String> = conn
        .prepare_cached(
            "SELECT DISTINCT f.name FROM fleet_deckies f LEFT JOIN decky_identity i ON i.name = f.name \
             WHERE i.name IS NULL ORDER BY f.name",
        )?
        .query_map([], |row| Ok(row.get_ref(0)?.as_str().unwrap_or_default().to_owned()))?
        .collect::<rusqlite::Result<_>>()?;
    // A name that is no text at all cannot be asked for either.
    names.retain(|name| !name.is_empty());
    let mut insert = conn.prepare_cached(
        "INSERT INTO decky_identity (name, mac, seed, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (mac) DO NOTHING",
    )?;
    let now = format_time(now);
    for name in &names {
        let Identity { mut mac, seed } = identify(name);
        while insert.execute(params![name, mac.to_string(), seed.as_bytes(), now])? == 0 {
            mac = next(mac);
        }
    }
    Ok(names)
}

/// The address after `mac` with the same vendor prefix.
fn next(mac: crate::model::Mac) -> crate::model::Mac {
    let [a, b, c, d, e, f] = mac.0;
    let [_, d, e, f] = (u32::from_be_bytes([0, d, e, f]).wrapping_add(1)).to_be_bytes();
    crate::model::Mac([a, b, c, d, e, f])
}
