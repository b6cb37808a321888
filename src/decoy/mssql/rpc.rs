//! Procedures that are called rather than written: how libraries run statements with parameters.

use super::record_query;
use super::sql::Sql;
use super::token::Tokens;
use crate::decoy::le::{self, Reader};

/// Most parameters of a call.
const PARAMETERS_MAX: usize = 64;

/// Numbers that stand for names.
const NAMES: &[(u16, &str)] = &[
    (1, "sp_cursor"),
    (2, "sp_cursoropen"),
    (10, "sp_executesql"),
    (11, "sp_prepare"),
    (12, "sp_execute"),
    (13, "sp_prepexec"),
    (15, "sp_unprepare"),
];

/// What follows the headers that version 7.2 put before a batch.
pub(super) fn after_headers(bytes: &[u8], version: u32) -> &[u8] {
    if version < 0x7200_0000 {
        return bytes;
    }
    let length = Reader::new(bytes).u32().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    bytes.get(length..).filter(|_| length >= 4).unwrap_or(bytes)
}

/// Runs a call.
pub(super) fn run(sql: &mut Sql<'_>, bytes: &[u8], tokens: &mut Tokens<'_>) {
    let Some((name, parameters)) = parse(bytes) else {
        tokens.error(8009, (16, 1), "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect.");
        return tokens.done(false, 0xe0, None, true);
    };
    // The statement of a prepared one comes third.
    let statement = match name.as_str() {
        "sp_executesql" => parameters.first(),
        "sp_prepexec" | "sp_prepare" => parameters.get(2),
        "sp_cursoropen" => parameters.get(1),
        _ => None,
    };
    if let Some(text) = statement {
        let text = text.clone();
        record_query(sql.record, &name, &text);
        return sql.batch(&text, tokens);
    }
    record_query(sql.record, "rpc", &format!("{name} {}", parameters.join(", ")));
    if matches!(name.as_str(), "sp_execute" | "sp_unprepare" | "sp_cursor") {
        return tokens.returned(0, false);
    }
    if let Err((number, class, text)) = sql.procedure(&name, &parameters, false, tokens) {
        tokens.error(number, class, &text);
        tokens.done(false, 0xe0, None, true);
    }
}

/// The name and the parameters as texts; a type that is not known ends the list.
fn parse(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    let mut reader = Reader::new(bytes);
    let name = match reader.u16()? {
        0xffff => {
            let number = reader.u16()?;
            NAMES.iter().find(|(n, _)| *n == number)?.1.to_owned()
        }
        length => le::text(reader.take(usize::from(length) * 2)?),
    };
    reader.u16()?;
    let mut out = Vec::new();
    while out.len() < PARAMETERS_MAX && !reader.rest().is_empty() {
        let Some(value) = parameter(&mut reader) else { break };
        out.push(value);
    }
    let name = name.rsplit('.').next().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Some((name, out))
}

fn parameter(reader: &mut Reader<'_>) -> Option<String> {
    let length = reader.u8()?;
    reader.take(usize::from(length) * 2)?;
    reader.u8()?;
    let kind = reader.u8()?;
    let number = |bytes: &[u8]| {
        let value = bytes.iter().take(8).rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        value.to_string()
    };
    Some(match kind {
        // Texts of up to 8,000 bytes, in UTF-16 or not, or in chunks of any length.
        0xe7 | 0xef | 0xa7 | 0xaf => {
            let most = reader.u16()?;
            reader.take(5)?;
            let bytes = if most == 0xffff { chunks(reader)? } else { counted(reader)?.to_vec() };
            if matches!(kind, 0xe7 | 0xef) {
                le::text(&bytes)
            } else {
                String::from_utf8_lossy(&bytes).into_owned()
            }
        }
        0xa5 | 0xad => {
            let most = reader.u16()?;
            hex::encode(if most == 0xffff { chunks(reader)? } else { counted(reader)?.to_vec() })
        }
        // Long texts of old.
        0x63 | 0x23 => {
            reader.u32()?;
            reader.take(5)?;
            let length = reader.u32()?;
            let length = if length == u32::MAX { 0 } else { usize::try_from(length).ok()? };
            let bytes = reader.take(length)?;
            if kind == 0x63 { le::text(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
        }
        // Numbers and bits with their length before them.
        0x26 | 0x68 | 0x6d | 0x6e | 0x6f => {
            reader.u8()?;
            let length = reader.u8()?;
            number(reader.take(length.into())?)
        }
        0x30 | 0x32 => number(reader.take(1)?),
        0x34 => number(reader.take(2)?),
        0x38 => number(reader.take(4)?),
        0x7f => number(reader.take(8)?),
        _ => return None,
    })
}

fn counted<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    match reader.u16()? {
        0xffff => Some(&[]),
        length => reader.take(length.into()),
    }
}

fn chunks(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    if reader.u64()? == u64::MAX {
        return Some(Vec::new());
    }
    let mut out = Vec::new();
    loop {
        match reader.u32()? {
            0 => return Some(out),
            length => out.extend_from_slice(reader.take(usize::try_from(length).ok()?)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::le::Put as _;

    #[test]
    fn a_statement_with_parameters() {
        let mut bytes = vec![0xff, 0xff, 10, 0, 0, 0];
        bytes.put(&[0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34]).u16(16).wide("select 1");
        bytes.put(&[0, 0, 0x26, 4, 4, 7, 0, 0, 0]);
        assert_eq!(parse(&bytes), Some(("sp_executesql".into(), vec!["select 1".into(), "7".into()])));
        assert_eq!(parse(&bytes[..20]), Some(("sp_executesql".into(), vec![])));
        assert_eq!(parse(b"\xff\xff\x63\0\0\0"), None);
        assert_eq!(after_headers(&[8, 0, 0, 0, 1, 1, 1, 1, 9], 0x7400_0004), [9]);
        assert_eq!(after_headers(&[8, 0], 0x7400_0004), [8, 0]);
    }
}
