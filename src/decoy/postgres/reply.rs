//! Rows on their way to a client.

use super::select::Rows;
use super::wire::message;

/// Columns as a client is told them.
pub(super) fn description(rows: &Rows, formats: &[u16]) -> Vec<u8> {
    let mut body = u16::try_from(rows.columns.len()).unwrap_or(0).to_be_bytes().to_vec();
    for (at, column) in rows.columns.iter().enumerate() {
        let (oid, size) = column.kind.wire();
        body.extend(column.name.bytes().filter(|b| *b != 0).take(63));
        body.push(0);
        body.extend_from_slice(&column.origin.0.to_be_bytes());
        body.extend_from_slice(&column.origin.1.to_be_bytes());
        body.extend_from_slice(&oid.to_be_bytes());
        body.extend_from_slice(&size.to_be_bytes());
        body.extend_from_slice(&(-1i32).to_be_bytes());
        body.extend_from_slice(&format(formats, at).to_be_bytes());
    }
    message(b'T', &body)
}

/// The format of a column: one for all, or one each.
pub(super) fn format(formats: &[u16], at: usize) -> u16 {
    match formats {
        [one] => *one,
        all => all.get(at).copied().unwrap_or(0),
    }
}

/// Rows as a client is sent them.
pub(super) fn data(rows: &Rows, formats: &[u16], out: &mut Vec<u8>) {
    for row in &rows.rows {
        let mut body = u16::try_from(row.len()).unwrap_or(0).to_be_bytes().to_vec();
        for (at, (value, column)) in row.iter().zip(&rows.columns).enumerate() {
            let bytes = if format(formats, at) == 1 {
                value.binary(column.kind)
            } else {
                value.shown().map(String::into_bytes)
            };
            match bytes {
                None => body.extend_from_slice(&(-1i32).to_be_bytes()),
                Some(bytes) => {
                    body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
                    body.extend_from_slice(&bytes);
                }
            }
        }
        out.extend_from_slice(&message(b'D', &body));
    }
}

/// The start of rows that are copied.
pub(super) fn copying(kind: u8, columns: usize) -> Vec<u8> {
    let mut body = vec![0];
    body.extend_from_slice(&u16::try_from(columns).unwrap_or(0).to_be_bytes());
    body.extend(std::iter::repeat_n(0, columns.min(64) * 2));
    message(kind, &body)
}
