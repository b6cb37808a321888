//! Tokens of an answer (MS-TDS §2.2.7).

use super::product::Product;
use crate::decoy::le::{self, Put as _};

/// SQL_Latin1_General_CP1_CI_AS.
const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];
/// Longest text of a column, in UTF-16 units.
const TEXT_MAX: usize = 4000;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// NULL.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// A set of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// An answer being written.
pub(super) struct Tokens<'a> {
    product: &'a Product,
    /// Whether the client speaks 7.2 or later: some fields are wider.
    wide: bool,
    pub(super) out: Vec<u8>,
}

impl<'a> Tokens<'a> {
    /// An empty answer for a client of this version.
    pub(super) fn new(product: &'a Product, version: u32) -> Self {
        Self { product, wide: (0x7200_0000..0x8000_0000).contains(&version), out: Vec::new() }
    }

    fn counted(out: &mut Vec<u8>, text: &str) {
        let units: Vec<u8> = le::wide(text).into_iter().take(510).collect();
        out.u8(u8::try_from(units.len() / 2).unwrap_or(0)).put(&units);
    }

    fn block(&mut self, token: u8, body: &[u8]) {
        self.out.u8(token).u16(le::short(body.len())).put(body);
    }

    fn say(&mut self, token: u8, number: u32, (class, state): (u8, u8), text: &str, line: u32) {
        let units: Vec<u8> = le::wide(text).into_iter().take(2 * TEXT_MAX).collect();
        let mut body = Vec::new();
        body.u32(number).u8(state).u8(class).u16(le::short(units.len() / 2)).put(&units);
        Self::counted(&mut body, &self.product.server);
        body.u8(0);
        if self.wide {
            body.u32(line);
        } else {
            body.u16(u16::try_from(line).unwrap_or(1));
        }
        self.block(token, &body);
    }

    /// An error of a class (severity) and state.
    pub(super) fn error(&mut self, number: u32, class_and_state: (u8, u8), text: &str) {
        self.say(0xaa, number, class_and_state, text, 1);
    }

    /// A message that is none.
    pub(super) fn info(&mut self, number: u32, state: u8, text: &str) {
        self.say(0xab, number, (0, state), text, 1);
    }

    /// A change of the environment from one text to another.
    pub(super) fn change(&mut self, what: u8, new: &str, old: &str) {
        let mut body = vec![what];
        Self::counted(&mut body, new);
        Self::counted(&mut body, old);
        self.block(0xe3, &body);
    }

    /// The token of integrated security.
    pub(super) fn sspi(&mut self, token: &[u8]) {
        self.block(0xed, token);
    }

    /// The end of a statement: `more` follow, rows were counted, or it failed.
    pub(super) fn done(&mut self, more: bool, command: u16, count: Option<u64>, failed: bool) {
        let status = u16::from(more) | u16::from(failed) << 1 | u16::from(count.is_some()) << 4;
        self.end(0xfd, status, command, count.unwrap_or(0));
    }

    /// The end of a statement inside a procedure: rows were counted, and more follows.
    pub(super) fn done_in_procedure(&mut self, count: u64) {
        self.end(0xff, 0x11, 0xc1, count);
    }

    /// The end of a procedure, and what it returned.
    pub(super) fn returned(&mut self, value: u32, more: bool) {
        self.out.u8(0x79).u32(value);
        self.end(0xfe, u16::from(more), 0xe0, 0);
    }

    /// The answer to an attention.
    pub(super) fn attention(&mut self) {
        self.end(0xfd, 0x20, 0, 0);
    }

    fn end(&mut self, token: u8, status: u16, command: u16, count: u64) {
        self.out.u8(token).u16(status).u16(command);
        if self.wide {
            self.out.u64(count);
        } else {
            self.out.u32(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// What follows a login that came out well.
    pub(super) fn welcome(&mut self, version: u32, database: &str, language: &str) {
        self.change(1, database, "master");
        self.info(5701, 2, &format!("Changed database context to '{database}'."));
        self.block(0xe3, &[&[7, 5][..], &COLLATION, &[0]].concat());
        self.change(2, language, "");
        self.info(5703, 1, &format!("Changed language setting to {language}."));
        let mut body = vec![1];
        body.put(&version.to_be_bytes());
        Self::counted(&mut body, "Microsoft SQL Server\0\0");
        let [major, minor, build, _] = self.product.version;
        let byte = |n: u16| u8::try_from(n).unwrap_or(0);
        body.u8(byte(major)).u8(byte(minor)).put(&build.to_be_bytes());
        self.block(0xad, &body);
        self.change(4, "4096", "4096");
        self.done(false, 0, None, false);
    }

    /// A set of rows, without its end.
    pub(super) fn rows(&mut self, set: &Rows) {
        self.out.u8(0x81).u16(le::short(set.columns.len()));
        let numbers: Vec<bool> = (0..set.columns.len())
            .map(|n| {
                !set.rows.is_empty() && set.rows.iter().all(|row| !matches!(row.get(n), Some(Value::Text(_))))
            })
            .collect();
        for (name, number) in set.columns.iter().zip(&numbers) {
            if self.wide {
                self.out.u32(0);
            } else {
                self.out.u16(0);
            }
            // May be null.
            self.out.u16(0x0009);
            if *number {
                self.out.u8(0x26).u8(4);
            } else {
                self.out.u8(0xe7).u16(8000).put(&COLLATION);
            }
            Self::counted(&mut self.out, name);
        }
        for row in &set.rows {
            self.out.u8(0xd1);
            for (n, number) in numbers.iter().enumerate() {
                match (row.get(n).unwrap_or(&Value::Null), number) {
                    (Value::Int(value), true) => {
                        let value = i32::try_from(*value).unwrap_or(i32::MAX);
                        self.out.u8(4).put(&value.to_le_bytes());
                    }
                    (_, true) => {
                        self.out.u8(0);
                    }
                    (Value::Null, false) => {
                        self.out.u16(0xffff);
                    }
                    (Value::Int(value), false) => self.cell(&value.to_string()),
                    (Value::Text(text), false) => self.cell(text),
                }
            }
        }
    }

    fn cell(&mut self, text: &str) {
        let units: Vec<u8> = le::wide(text).into_iter().take(2 * TEXT_MAX).collect();
        self.out.u16(le::short(units.len())).put(&units);
    }
}
