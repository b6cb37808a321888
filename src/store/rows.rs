//! Rows to [`Fleet`]. Another tool may have written them: a row is never dropped and never spoils the rest.

use std::net::Ipv4Addr;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row};
use serde_json::Value;

use crate::model::{
    CustomService, Decky, DeckyName, Fleet, Identity, Network, Recorded, Seed, State, StoreRef,
};

/// Sentinel of DECNET for "this host".
pub(super) const LOCAL: &str = "local";

/// The fleet of our own store.
pub(super) fn read_fleet(conn: &Connection) -> rusqlite::Result<Fleet> {
    let (store, network) = conn.query_row("SELECT id, serial, network FROM fleet_meta", [], |row| {
        let serial = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        Ok((StoreRef { id: Some(row.get(0)?), serial }, json_column::<Network>(row, 2)?))
    })?;
    let members = read_members(
        conn,
        "SELECT f.host_uuid, f.name, f.services, f.decky_config, f.decky_ip, f.state, f.last_error, f.updated_at, \
         i.mac, i.seed FROM fleet_deckies f LEFT JOIN decky_identity i ON i.name = f.name",
    )?;
    let customs = conn
        .prepare("SELECT definition FROM custom_services ORDER BY slug")?
        .query_and_then([], |row| json_column::<CustomService>(row, 0))?
        .filter_map(Result::transpose)
        .collect::<rusqlite::Result<_>>()?;
    Ok(Fleet { store, network, members, customs })
}

/// The rows of `fleet_deckies` in DECNET's own database.
pub(super) fn read_decnet_members(conn: &Connection) -> rusqlite::Result<Vec<Recorded>> {
    read_members(
        conn,
        "SELECT host_uuid, name, services, decky_config, decky_ip, state, last_error, updated_at, NULL, NULL \
         FROM fleet_deckies",
    )
}

fn read_members(conn: &Connection, query: &str) -> rusqlite::Result<Vec<Recorded>> {
    let mut statement = conn.prepare_cached(query)?;
    let mut members: Vec<_> = statement.query_map([], read_member)?.collect::<rusqlite::Result<_>>()?;
    members.sort_by(|a, b| {
        let key = |m: &Recorded| m.host_uuid != LOCAL;
        (&a.name, key(a), &a.host_uuid).cmp(&(&b.name, key(b), &b.host_uuid))
    });
    Ok(members)
}

/// One row of our own making that is not what we wrote means damage, unlike one of DECNET's tables.
fn json_column<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(index)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e))),
    }
}

fn read_member(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let name = text(row.get_ref(1)?).unwrap_or_default();
    let column_ip = text(row.get_ref(4)?).and_then(|t| t.trim().parse().ok());
    let column_services = match row.get_ref(2)? {
        ValueRef::Text(bytes) => serde_json::from_slice::<Vec<String>>(bytes).ok(),
        _ => None,
    };
    let config = match row.get_ref(3)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(bytes),
        // Not text: no JSON either, and the reason says so.
        _ => Some(&b""[..]),
    };
    let config = Config::decode(config, &name, column_ip, column_services.as_deref());
    Ok(Recorded {
        ip: column_ip.or(config.ip),
        services: column_services.or(config.services).unwrap_or_default(),
        decky: config.decky,
        identity: read_identity(row)?,
        state: text(row.get_ref(5)?).and_then(|t| t.parse().ok()).unwrap_or(State::Pending),
        last_error: text(row.get_ref(6)?),
        updated_at: text(row.get_ref(7)?).unwrap_or_default(),
        host_uuid: text(row.get_ref(0)?).unwrap_or_default(),
        name,
    })
}

fn read_identity(row: &Row<'_>) -> rusqlite::Result<Option<Identity>> {
    let Some(mac) = row.get_ref(8)?.as_str_or_null()? else { return Ok(None) };
    let damage = |index, error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error);
    let mac = mac.parse().map_err(|e| damage(8, Box::new(e)))?;
    let seed: [u8; 32] = row.get(9)?;
    Ok(Some(Identity { mac, seed: Seed::new(seed) }))
}

/// Any value as text; none for NULL. DECNET's types do not keep another tool from storing a number or a blob.
pub(super) fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// What `decky_config` says, with what only it says.
struct Config {
    decky: Result<Decky, String>,
    ip: Option<Ipv4Addr>,
    services: Option<Vec<String>>,
}

impl Config {
    /// The columns win over the JSON where both speak: the guard reads the columns, and a decky must not come up
    /// on an address that the guard does not know of.
    fn decode(text: Option<&[u8]>, name: &str, ip: Option<Ipv4Addr>, services: Option<&[String]>) -> Self {
        let Some(text) = text else { return Self::unusable("decky_config is NULL".to_owned()) };
        let mut decky = match serde_json::from_slice::<Decky>(text) {
            Ok(decky) => decky,
            Err(_) => return Self::decode_leniently(text, name, ip, services),
        };
        if decky.name.as_str() != name {
            match name.parse::<DeckyName>() {
                Ok(name) => decky.name = name,
                Err(error) => {
                    return Self {
                        decky: Err(error.to_string()),
                        ip: Some(decky.ip),
                        services: Some(decky.services),
                    };
                }
            }
        }
        let config_ip = decky.ip;
        let config_services = services.is_none().then(|| decky.services.clone());
        decky.ip = ip.unwrap_or(decky.ip);
        if decky.services.is_empty() {
            decky.services = services.unwrap_or_default().to_vec();
        }
        let decky = if decky.services.is_empty() {
            Err("decky_config has no services".to_owned())
        } else {
            Ok(decky)
        };
        Self { decky, ip: Some(config_ip), services: config_services }
    }

    /// The slow path, for rows that no program of ours wrote: what is missing is taken from the columns.
    fn decode_leniently(text: &[u8], name: &str, ip: Option<Ipv4Addr>, services: Option<&[String]>) -> Self {
        let mut map = match serde_json::from_slice(text) {
            Ok(Value::Object(map)) => map,
            Ok(Value::Null) => return Self::unusable("decky_config is null".to_owned()),
            Ok(_) => return Self::unusable("decky_config is no JSON object".to_owned()),
            Err(error) => return Self::unusable(format!("decky_config is no JSON: {error}")),
        };
        let config_ip = map.get("ip").and_then(Value::as_str).and_then(|t| t.trim().parse().ok());
        let config_services = map.get("services").and_then(|v| serde_json::from_value(v.clone()).ok());
        map.insert("name".to_owned(), name.into());
        if let Some(ip) = ip.or(config_ip) {
            map.insert("ip".to_owned(), ip.to_string().into());
        }
        if let Some(services) = config_services.as_deref().filter(|s: &&[String]| !s.is_empty()).or(services)
        {
            map.insert("services".to_owned(), services.into());
        }
        let decky = match serde_json::from_value::<Decky>(Value::Object(map)) {
            Ok(decky) if decky.services.is_empty() => Err("decky_config has no services".to_owned()),
            Ok(decky) => Ok(decky),
            Err(error) => Err(format!("decky_config cannot be used: {error}")),
        };
        Self { decky, ip: config_ip, services: config_services }
    }

    fn unusable(reason: String) -> Self {
        Self { decky: Err(reason), ip: None, services: None }
    }
}
