//! Writing an intent: what should be, before anything is done about it.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::LOCAL;
use super::{StoreError, format_time, lifecycle};
use crate::model::{Decky, Identity, Intent, LifecycleId, Mac};

/// What an open lifecycle row ends with when a later intent is about the same decky.
const SUPERSEDED: &str = "superseded by a later operation";

pub(super) fn commit(
    conn: &Connection,
    path: &Path,
    intent: &Intent,
    now: Timestamp,
) -> Result<Vec<LifecycleId>, StoreError> {
    if intent.is_empty() {
        return Ok(Vec::new());
    }
    let sql = |error| StoreError::sql(path, error);
    let now = format_time(now);
    count_up(conn, intent, &now).map_err(sql)?;
    write_fleet_wide(conn, intent).map_err(sql)?;
    write_states(conn, intent, &now).map_err(sql)?;
    let claims = Claims::of(intent)?;
    for (decky, identity) in &intent.upserts {
        claims.release_address(conn, path, decky)?;
        claims.release_mac(conn, path, decky, identity)?;
    }
    for (decky, identity) in &intent.upserts {
        upsert(conn, decky, identity, &now).map_err(sql)?;
    }
    let begin = |(name, operation): &(String, _)| lifecycle::begin(conn, name, *operation, &now);
    let ids = intent.lifecycle.iter().map(begin).collect::<rusqlite::Result<_>>().map_err(sql)?;
    lifecycle::prune(conn).map_err(sql)?;
    Ok(ids)
}

/// Counts the serial up, notes it with every decky that the intent is about, ends their older operations.
fn count_up(conn: &Connection, intent: &Intent, now: &str) -> rusqlite::Result<()> {
    let serial: i64 =
        conn.query_row("UPDATE fleet_meta SET serial = serial + 1 RETURNING serial", [], |row| row.get(0))?;
    let mut note = conn.prepare_cached(
        "INSERT INTO decky_intent (name, serial) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET serial = excluded.serial",
    )?;
    let touched: BTreeSet<&str> = changing(intent)
        .chain(intent.repairs.iter().map(AsRef::as_ref))
        .chain(intent.lifecycle.iter().map(|(name, _)| name.as_str()))
        .collect();
    for name in touched {
        note.execute(params![name, serial])?;
        lifecycle::close(conn, name, &[], Some(SUPERSEDED), now)?;
    }
    Ok(())
}

/// Names of the deckies whose address the intent may move.
fn changing(intent: &Intent) -> impl Iterator<Item = &str> {
    intent
        .upserts
        .iter()
        .map(|(decky, _)| decky.name.as_str())
        .chain(intent.removals.iter().map(String::as_str))
}

fn write_fleet_wide(conn: &Connection, intent: &Intent) -> rusqlite::Result<()> {
    if let Some(network) = &intent.network {
        conn.execute("UPDATE fleet_meta SET network = ?1", [json(network)?])?;
    }
    for custom in &intent.customs {
        conn.execute(
            "INSERT INTO custom_services (slug, definition) VALUES (?1, ?2) \
             ON CONFLICT (slug) DO UPDATE SET definition = excluded.definition",
            params![custom.slug, json(custom)?],
        )?;
    }
    for slug in &intent.forget_customs {
        conn.execute("DELETE FROM custom_services WHERE slug = ?1", [slug])?;
    }
    Ok(())
}

fn write_states(conn: &Connection, intent: &Intent, now: &str) -> rusqlite::Result<()> {
    let mut leave = conn.prepare_cached(
        "UPDATE fleet_deckies SET state = 'tearing_down', last_error = NULL, updated_at = ?2 WHERE name = ?1",
    )?;
    for name in &intent.removals {
        leave.execute(params![name, now])?;
    }
    // A row on its way out comes back by an upsert only: its address may be another decky's by now.
    let mut repair = conn.prepare_cached(
        "UPDATE fleet_deckies SET state = 'pending', last_error = NULL, updated_at = ?2 \
         WHERE name = ?1 AND state NOT IN ('tearing_down', 'teardown_failed')",
    )?;
    for name in &intent.repairs {
        repair.execute(params![name.as_str(), now])?;
    }
    Ok(())
}

fn upsert(conn: &Connection, decky: &Decky, identity: &Identity, now: &str) -> rusqlite::Result<()> {
    let name = decky.name.as_str();
    // From here on it runs on this host, wherever DECNET had it.
    conn.prepare_cached("DELETE FROM fleet_deckies WHERE name = ?1 AND host_uuid <> ?2")?
        .execute([name, LOCAL])?;
    conn.prepare_cached(
        "INSERT INTO fleet_deckies (host_uuid, name, services, decky_config, decky_ip, state, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6) \
         ON CONFLICT (host_uuid, name) DO UPDATE SET services = excluded.services, \
         decky_config = excluded.decky_config, decky_ip = excluded.decky_ip, state = excluded.state, \
         last_error = NULL, updated_at = excluded.updated_at",
    )?
    .execute(params![LOCAL, name, json(&decky.services)?, json(decky)?, decky.ip.to_string(), now])?;
    conn.prepare_cached(
        "INSERT INTO decky_identity (name, mac, seed, created_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET mac = excluded.mac, seed = excluded.seed",
    )?
    .execute(params![name, identity.mac.to_string(), identity.seed.as_bytes(), now])?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}

/// Who may give an address up to whom: only deckies that the same intent changes or removes.
struct Claims<'a> {
    changing: BTreeSet<&'a str>,
}

impl<'a> Claims<'a> {
    fn of(intent: &'a Intent) -> Result<Self, StoreError> {
        let mut addresses: HashMap<Ipv4Addr, &str> = HashMap::new();
        let mut macs: HashMap<Mac, &str> = HashMap::new();
        for (decky, identity) in &intent.upserts {
            let name = decky.name.as_str();
            let wanted_by = name.to_owned();
            if let Some(holder) = addresses.insert(decky.ip, name).filter(|holder| *holder != name) {
                return Err(StoreError::AddressTaken { ip: decky.ip, holder: holder.to_owned(), wanted_by });
            }
            if let Some(holder) = macs.insert(identity.mac, name).filter(|holder| *holder != name) {
                return Err(StoreError::MacTaken {
                    mac: identity.mac.to_string(),
                    holder: holder.to_owned(),
                    wanted_by,
                });
            }
        }
        Ok(Self { changing: changing(intent).collect() })
    }

    /// Clears `decky`'s address where another row of the intent has it. That row is written next, or is on its
    /// way out and keeps the address in its `decky_config`, where readers find it.
    fn release_address(&self, conn: &Connection, path: &Path, decky: &Decky) -> Result<(), StoreError> {
        let sql = |error| StoreError::sql(path, error);
        let ip = decky.ip.to_string();
        let holder = conn
            .prepare_cached(
                "SELECT name FROM fleet_deckies \
                 WHERE host_uuid = 'local' AND decky_ip = ?1 AND decky_ip IS NOT NULL AND name <> ?2",
            )
            .and_then(|mut s| {
                s.query_row([&ip, decky.name.as_str()], |row| row.get::<_, String>(0)).optional()
            })
            .map_err(sql)?;
        let Some(holder) = holder else { return Ok(()) };
        if !self.changing.contains(holder.as_str()) {
            let wanted_by = decky.name.to_string();
            return Err(StoreError::AddressTaken { ip: decky.ip, holder, wanted_by });
        }
        conn.prepare_cached(
            "UPDATE fleet_deckies SET decky_ip = NULL WHERE host_uuid = 'local' AND name = ?1",
        )
        .and_then(|mut s| s.execute([&holder]))
        .map_err(sql)?;
        Ok(())
    }

    /// The same for the hardware address. An identity whose row another tool deleted holds nothing back.
    fn release_mac(
        &self,
        conn: &Connection,
        path: &Path,
        decky: &Decky,
        identity: &Identity,
    ) -> Result<(), StoreError> {
        let sql = |error| StoreError::sql(path, error);
        let mac = identity.mac.to_string();
        let holder = conn
            .prepare_cached(
                "SELECT i.name, EXISTS (SELECT 1 FROM fleet_deckies f WHERE f.name = i.name) \
                 FROM decky_identity i WHERE i.mac = ?1 AND i.name <> ?2",
            )
            .and_then(|mut s| {
                s.query_row([&mac, decky.name.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
                    .optional()
            })
            .map_err(sql)?;
        let Some((holder, recorded)) = holder else { return Ok(()) };
        if recorded && !self.changing.contains(holder.as_str()) {
            return Err(StoreError::MacTaken { mac, holder, wanted_by: decky.name.to_string() });
        }
        conn.execute("DELETE FROM decky_identity WHERE name = ?1", [&holder]).map_err(sql)?;
        Ok(())
    }
}
