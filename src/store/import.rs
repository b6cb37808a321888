//! Reading the fleet out of a DECNET database, which stays untouched.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use super::reader::Reader;
use super::schema::{self, Verdict};
use super::{StoreError, rows};
use crate::model::{Driver, Fleet, Network};

/// The schema revision of DECNET 1.2 (facts: upstream §6.1).
const REVISION: &str = "4a914b1d62a0";

/// Columns of `fleet_deckies` that a fleet is read from.
const NEEDED: &[&str] =
    &["host_uuid", "name", "services", "decky_config", "decky_ip", "state", "last_error", "updated_at"];

/// What a look at the file found.
enum Found {
    Fleet(Fleet),
    NotDecnet(String),
    Revision(String),
}

/// The fleet that DECNET recorded in the database at `path`: every row of `fleet_deckies`, without identities, and
/// the network of its last deployment where it says one. DECNET may run meanwhile.
///
/// # Errors
/// [`StoreError::Missing`], [`StoreError::NotDecnet`], [`StoreError::Revision`], or whatever keeps the file from
/// being read.
pub fn import_fleet(path: &Path) -> Result<Fleet, StoreError> {
    let owned = || path.to_path_buf();
    let Some(mut reader) = Reader::new(path)? else { return Err(StoreError::Missing { path: owned() }) };
    match reader.read(look)? {
        Found::Fleet(fleet) => Ok(fleet),
        Found::NotDecnet(detail) => Err(StoreError::NotDecnet { path: owned(), detail }),
        Found::Revision(found) => Err(StoreError::Revision { path: owned(), found, known: REVISION }),
    }
}

fn look(conn: &Connection) -> rusqlite::Result<Found> {
    match schema::inspect(conn)? {
        Verdict::Decnet => {}
        Verdict::Ours(_) => return Ok(Found::NotDecnet("it is a store of decnet itself".to_owned())),
        Verdict::Empty => return Ok(Found::NotDecnet("there is nothing in it".to_owned())),
        Verdict::Other => return Ok(Found::NotDecnet("it has no table `fleet_deckies`".to_owned())),
    }
    // DECNET makes no version table in its testing mode; the columns then have to do.
    if has_table(conn, "alembic_version")? {
        let mut statement = conn.prepare("SELECT version_num FROM alembic_version")?;
        let revisions: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        if revisions != [REVISION] {
            let found = if revisions.is_empty() { "none".to_owned() } else { revisions.join(", ") };
            return Ok(Found::Revision(found));
        }
    }
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info('fleet_deckies')")?;
    let columns: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    if columns.is_empty() {
        return Ok(Found::NotDecnet("it has no table `fleet_deckies`".to_owned()));
    }
    if let Some(missing) = NEEDED.iter().find(|needed| !columns.iter().any(|c| c == *needed)) {
        return Ok(Found::NotDecnet(format!("its table `fleet_deckies` has no column `{missing}`")));
    }
    let members = rows::read_decnet_members(conn)?;
    Ok(Found::Fleet(Fleet { network: read_network(conn)?, members, ..Fleet::default() }))
}

fn has_table(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        [name],
        |row| row.get(0),
    )
}

/// The network of key `deployment` in table `state`; none when it is not there or says nothing usable, since a fleet
/// that DECNET's command line deployed has no such key.
fn read_network(conn: &Connection) -> rusqlite::Result<Option<Network>> {
    if !has_table(conn, "state")? {
        return Ok(None);
    }
    let text: Option<String> = conn
        .query_row("SELECT value FROM state WHERE key = 'deployment'", [], |row| row.get(0))
        .optional()?;
    let deployment: Value = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    Ok(network_of(&deployment["config"]))
}

fn network_of(config: &Value) -> Option<Network> {
    let ipvlan = config["ipvlan"].as_bool().unwrap_or(false);
    Some(Network {
        driver: if ipvlan { Driver::Ipvlan } else { Driver::Macvlan },
        interface: config["interface"].as_str().filter(|i| !i.is_empty())?.to_owned(),
        subnet: config["subnet"].as_str()?.parse().ok()?,
        gateway: config["gateway"].as_str().and_then(|g| g.trim().parse().ok()),
        port_offset: 0,
        log_target: None,
        host_access: false,
        probe: crate::model::Probing::default(),
        mutate_interval: None,
    })
}
