//! Statements that are prepared first and run later.

use super::lex::{Spanned, Token, tokens};
use super::reply::format;
use super::value::Value;
use super::wire::Error;
use crate::decoy::buffered::Cursor;

/// A prepared statement.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) types: Vec<u32>,
}

/// A statement with its parameters.
pub(super) struct Portal {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    pub(super) formats: Vec<u16>,
}

/// The error for a statement that was never prepared.
pub(super) fn no_statement(name: &str) -> Error {
    let text = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    Error::new("26000", text, ("prepare.c", 451, "FetchPreparedStatement"))
}

/// The error for a portal that was never made.
pub(super) fn no_portal(name: &str) -> Error {
    Error::new(
        "34000",
        format!("portal \"{name}\" does not exist"),
        ("postgres.c", 2071, "exec_execute_message"),
    )
}

/// The highest parameter of a statement.
pub(super) fn parameters(sql: &str) -> usize {
    let pieces = tokens(sql).unwrap_or_default();
    let number = |t: &Spanned| if let Token::Param(number) = t.0 { number } else { 0 };
    pieces.iter().map(number).max().unwrap_or(0).min(256)
}

/// Reads a Bind; none when it is malformed.
pub(super) fn bind(cursor: &mut Cursor<'_>, prepared: &[Prepared]) -> Option<Result<Portal, Error>> {
    let name = String::from_utf8_lossy(cursor.text()?).into_owned();
    let statement = String::from_utf8_lossy(cursor.text()?).into_owned();
    let Some(found) = prepared.iter().find(|p| p.name == statement) else {
        return Some(Err(no_statement(&statement)));
    };
    let mut kinds = Vec::new();
    for _ in 0..cursor.be16()?.min(1024) {
        kinds.push(cursor.be16()?);
    }
    let mut params = Vec::new();
    for at in 0..usize::from(cursor.be16()?.min(1024)) {
        let length = cursor.be32()?.cast_signed();
        let Ok(length) = usize::try_from(length) else {
            params.push(Value::Null);
            continue;
        };
        let bytes = cursor.take(length)?;
        let whole = match bytes.len() {
            _ if format(&kinds, at) == 0 => None,
            2 => bytes.try_into().ok().map(|b| i64::from(i16::from_be_bytes(b))),
            4 => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
            8 => bytes.try_into().ok().map(i64::from_be_bytes),
            _ => None,
        };
        let number = found.types.get(at).is_some_and(|t| matches!(t, 20 | 21 | 23 | 26));
        params.push(match whole.filter(|_| number) {
            Some(number) => Value::Int(number),
            None => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        });
    }
    let mut formats = Vec::new();
    for _ in 0..cursor.be16()?.min(1024) {
        formats.push(cursor.be16()?);
    }
    Some(Ok(Portal { name, sql: found.sql.clone(), params, formats }))
}
