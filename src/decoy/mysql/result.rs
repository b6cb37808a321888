//! Replies: OK, errors and result sets of the text protocol.

use super::auth::cap;
use super::packet::{frame, put_lenenc, put_text};

/// What a statement comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Done.
    Done {
        /// Rows affected.
        affected: u64,
        /// Text such as `Rows matched: 0`.
        info: String,
    },
    /// Refused.
    Error(Error),
    /// Rows.
    Rows(Rows),
}

/// An error with its code and SQLSTATE.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Error {
    pub(super) code: u16,
    pub(super) state: &'static str,
    pub(super) text: String,
}

/// A result set.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Type {
    /// A string.
    #[default]
    Text,
    /// A whole number.
    Int,
    /// A decimal number.
    Decimal,
    /// Date and time.
    Datetime,
    /// Only NULL.
    Null,
}

/// A column of a result set.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Column {
    pub(super) name: String,
    /// Database and table it comes from; empty for an expression.
    pub(super) from: (String, String),
    pub(super) kind: Type,
    /// Its values' identify a row.
    pub(super) primary: bool,
}

impl Column {
    /// A column of an expression.
    pub(super) fn new(name: impl Into<String>, kind: Type) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }
}

impl Outcome {
    pub(super) const OK: Self = Self::Done { affected: 0, info: String::new() };

    pub(super) fn error(code: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self::Error(Error { code, state, text: text.into() })
    }

    /// A result set of text columns.
    pub(super) fn table(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let columns = names.iter().map(|n| Column::new(*n, Type::Text)).collect();
        Self::Rows(Rows { columns, rows })
    }
}

/// How replies are put for one client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    pub(super) capabilities: u32,
    pub(super) extended: u32,
    /// Collation of the connection.
    pub(super) charset: u8,
    /// `SERVER_STATUS_*`.
    pub(super) status: u16,
}

impl Error {
    /// The payload; without SQLSTATE for a client from before 4.1.
    pub(super) fn payload(&self, with_state: bool) -> Vec<u8> {
        let mut out = vec![0xff];
        out.extend_from_slice(&self.code.to_le_bytes());
        if with_state {
            out.push(b'#');
            out.extend_from_slice(self.state.as_bytes());
        }
        // The genuine buffer holds 512 bytes.
        let mut end = self.text.len().min(511);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        out.extend_from_slice(self.text.get(..end).unwrap_or_default().as_bytes());
        out
    }
}

impl Style {
    /// An OK payload.
    pub(super) fn ok(&self, affected: u64, info: &str) -> Vec<u8> {
        let mut out = vec![0];
        put_lenenc(&mut out, affected);
        put_lenenc(&mut out, 0);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        if !info.is_empty() {
            put_text(&mut out, info.as_bytes());
        }
        out
    }

    /// What ends a list of columns or rows.
    pub(super) fn eof(&self) -> Vec<u8> {
        let [a, b] = self.status.to_le_bytes();
        if self.capabilities & cap::NO_EOF != 0 {
            vec![0xfe, 0, 0, a, b, 0, 0]
        } else {
            vec![0xfe, 0, 0, a, b]
        }
    }

    /// Appends the packets of an outcome; `sequence` is the number of the next one.
    pub(super) fn put(&self, outcome: &Outcome, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut send = |payload: &[u8]| {
            frame(*sequence, payload, out);
            *sequence = sequence.wrapping_add(1);
        };
        match outcome {
            Outcome::Done { affected, info } => send(&self.ok(*affected, info)),
            Outcome::Error(error) => send(&error.payload(true)),
            Outcome::Rows(rows) => {
                let mut count = Vec::new();
                if self.capabilities & cap::OPTIONAL_METADATA != 0 {
                    count.push(1);
                }
                put_lenenc(&mut count, rows.columns.len() as u64);
                if self.extended & cap::EXT_CACHE != 0 {
                    // Definitions follow.
                    count.push(1);
                }
                send(&count);
                for (at, column) in rows.columns.iter().enumerate() {
                    send(&self.definition(column, widest(rows, at), None));
                }
                if self.capabilities & cap::NO_EOF == 0 {
                    send(&self.eof());
                }
                for row in &rows.rows {
                    let mut payload = Vec::new();
                    for value in row {
                        match value {
                            Some(text) => put_text(&mut payload, text.as_bytes()),
                            None => payload.push(0xfb),
                        }
                    }
                    send(&payload);
                }
                send(&self.eof());
            }
        }
    }

    /// A column definition; `default` for COM_FIELD_LIST.
    pub(super) fn definition(
        &self,
        column: &Column,
        widest: usize,
        default: Option<Option<&str>>,
    ) -> Vec<u8> {
        let (database, table) = &column.from;
        let mut out = Vec::new();
        put_text(&mut out, b"def");
        put_text(&mut out, database.as_bytes());
        put_text(&mut out, table.as_bytes());
        put_text(&mut out, table.as_bytes());
        put_text(&mut out, column.name.as_bytes());
        let original = if table.is_empty() { "" } else { column.name.as_str() };
        put_text(&mut out, original.as_bytes());
        if self.extended & cap::EXT_TYPES != 0 {
            out.push(0);
        }
        let stored = !table.is_empty();
        let width = u32::try_from(widest).unwrap_or(u32::MAX);
        // Character set, length, type, flags, decimals as a genuine MariaDB 10.11 gives them.
        let (charset, length, kind, flags, decimals) = match column.kind {
            Type::Text if stored => (self.charset, 1020, 0xfd, 0, 0),
            Type::Text => (self.charset, width.saturating_mul(4), 0xfd, 1, 39),
            Type::Int if column.primary => (63, 11, 0x03, 0x4203, 0),
            Type::Int if stored => (63, 11, 0x03, 0x1001, 0),
            Type::Int => (63, width.max(1), if widest > 9 { 8 } else { 3 }, 0x81, 0),
            Type::Decimal => (63, width.saturating_add(1), 0xf6, 0x81, 2),
            Type::Datetime => (63, 19, 0x0c, 0x80, 0),
            Type::Null => (63, 0, 0x06, 0x80, 0),
        };
        out.push(12);
        out.extend_from_slice(&u16::from(charset).to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.push(kind);
        out.extend_from_slice(&u16::to_le_bytes(flags));
        out.extend_from_slice(&[decimals, 0, 0]);
        match default {
            Some(Some(text)) => put_text(&mut out, text.as_bytes()),
            Some(None) => out.push(0xfb),
            None => {}
        }
        out
    }
}

fn widest(rows: &Rows, column: usize) -> usize {
    rows.rows.iter().filter_map(|row| row.get(column)?.as_ref()).map(String::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of a genuine MariaDB 10.11.19.
    #[test]
    fn a_result_set_is_byte_true() {
        let style = Style { capabilities: 0x000f_a685, charset: 45, status: 2, ..Style::default() };
        let rows = Rows { columns: vec![Column::new("1", Type::Int)], rows: vec![vec![Some("1".into())]] };
        let (mut out, mut sequence) = (Vec::new(), 1);
        style.put(&Outcome::Rows(rows), &mut sequence, &mut out);
        let mut want = Vec::new();
        frame(1, b"\x01", &mut want);
        frame(2, b"\x03def\x00\x00\x00\x011\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00", &mut want);
        frame(3, b"\xfe\x00\x00\x02\x00", &mut want);
        frame(4, b"\x011", &mut want);
        frame(5, b"\xfe\x00\x00\x02\x00", &mut want);
        assert_eq!((out, sequence), (want, 6));
        assert_eq!(style.ok(0, ""), b"\x00\x00\x00\x02\x00\x00\x00");
        let Outcome::Error(error) = Outcome::error(1049, "42000", "Unknown database 'nodb'") else {
            unreachable!()
        };
        assert_eq!(error.payload(true), b"\xff\x19\x04#42000Unknown database 'nodb'");
    }
}
