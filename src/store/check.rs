//! What is wrong with a store, beyond what keeps it from being opened.

use std::collections::HashMap;

use rusqlite::Connection;

use super::rows;
use crate::model::{Decky, DeckyName, LifecycleStatus, Operation, State};

/// One thing wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, and with which row.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

const RESTORE: &str = "stop the engine and restore the store from a backup, or move it away and deploy again";
const REWRITE: &str = "deploy it again with --replace-fleet, or remove it with `decnet teardown`";

/// Most problems of one kind that are told apart.
const MOST: i64 = 100;

pub(super) fn check(conn: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    conn.pragma(None, "integrity_check", MOST, |row| {
        let message: String = row.get(0)?;
        if message != "ok" {
            problems.push(Problem { message: format!("the file is damaged: {message}"), remedy: RESTORE });
        }
        Ok(())
    })?;
    if !problems.is_empty() {
        return Ok(problems);
    }
    check_columns(conn, &mut problems)?;
    check_rows(conn, &mut problems)?;
    check_words(conn, &mut problems)?;
    Ok(problems)
}

/// Tables may have been altered by hand; the columns must be there for the rows to be read.
fn check_columns(conn: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    for index in ["decnet_fleet_deckies_local_ip", "ix_fleet_deckies_state", "ix_decky_lifecycle_decky_name"]
    {
        let there: bool = conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1)",
            [index],
            |row| row.get(0),
        )?;
        if !there {
            problems.push(Problem { message: format!("the index `{index}` is missing"), remedy: RESTORE });
        }
    }
    Ok(())
}

fn check_rows(conn: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let fleet = rows::read_fleet(conn)?;
    let mut holders: HashMap<_, &str> = HashMap::new();
    let mut report = |message, remedy| problems.push(Problem { message, remedy });
    for pair in fleet.members.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            report(
                format!("decky `{}` has rows of two hosts, {} and {}", a.name, a.host_uuid, b.host_uuid),
                REWRITE,
            );
        }
    }
    for member in &fleet.members {
        let name = &member.name;
        if let Err(error) = name.parse::<DeckyName>() {
            report(format!("row `{name}`: {error}"), "remove it with `decnet teardown`");
        } else if let Err(reason) = &member.decky {
            report(format!("decky `{name}` cannot run: {reason}"), REWRITE);
        }
        // A row on its way out may have handed its address on already.
        if matches!(member.state, State::TearingDown | State::TeardownFailed) {
            continue;
        }
        let Some(ip) = member.ip else {
            report(format!("decky `{name}` has no address"), REWRITE);
            continue;
        };
        if let Some(other) = holders.insert(ip, name) {
            report(format!("deckies `{other}` and `{name}` have the same address {ip}"), REWRITE);
        }
    }
    Ok(())
}

/// Words that neither DECNET nor we write, and columns that contradict `decky_config`.
fn check_words(conn: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(
        "SELECT name, CAST(state AS TEXT), CAST(decky_ip AS TEXT), decky_config FROM fleet_deckies",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (Ok(name), Ok(state)) = (row.get::<_, String>(0), row.get::<_, String>(1)) else { continue };
        if state.parse::<State>().is_err() {
            problems.push(Problem {
                message: format!("decky `{name}` has the unknown state `{state}`"),
                remedy: "run `decnet reconcile`",
            });
        }
        let config: Option<Decky> =
            row.get_ref(3)?.as_bytes_or_null().ok().flatten().and_then(|t| serde_json::from_slice(t).ok());
        if let (Some(config), Ok(Some(ip))) = (config, row.get::<_, Option<String>>(2))
            && ip.trim().parse() != Ok(config.ip)
        {
            problems.push(Problem {
                message: format!("decky `{name}` has the address {ip}, its decky_config says {}", config.ip),
                remedy: REWRITE,
            });
        }
    }
    let mut statement = conn.prepare(
        "SELECT id, decky_name, operation, status FROM decky_lifecycle \
         WHERE operation NOT IN (?1, ?2, ?3) OR status NOT IN (?4, ?5, ?6, ?7) LIMIT ?8",
    )?;
    let [deploy, mutate, teardown] =
        [Operation::Deploy, Operation::Mutate, Operation::Teardown].map(Operation::as_str);
    let [pending, running, succeeded, failed] = [
        LifecycleStatus::Pending,
        LifecycleStatus::Running,
        LifecycleStatus::Succeeded,
        LifecycleStatus::Failed,
    ]
    .map(LifecycleStatus::as_str);
    let words = rusqlite::params![deploy, mutate, teardown, pending, running, succeeded, failed, MOST];
    let mut rows = statement.query(words)?;
    while let Some(row) = rows.next()? {
        let [id, name, operation, status]: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        problems.push(Problem {
            message: format!("lifecycle row {id} of `{name}` has an unknown word: `{operation}`, `{status}`"),
            remedy: "another program wrote it; it is left out of `decnet lifecycle`",
        });
    }
    Ok(())
}
