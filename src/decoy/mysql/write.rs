//! Statements that change something, which lasts as long as the session.

use super::result::{Error, Outcome};
use super::schema::{Database, LIMITS, Table};
use super::sql::{Sql, no_table};
use super::text::Token;

impl Sql<'_> {
    pub(super) fn insert(&mut self, rest: &[Token]) -> Result<Outcome, Error> {
        let mut rest = rest;
        while rest
            .first()
            .is_some_and(|t| ["into", "ignore", "low_priority", "delayed"].iter().any(|w| t.is(w)))
        {
            rest = &rest[1..];
        }
        let (database, name) = self.table_name(&mut rest)?;
        let width = self.table(&database, &name)?.columns.len();
        let Some(at) = rest.iter().position(|t| t.is("values") || t.is("value")) else {
            return Ok(Outcome::OK);
        };
        let listed = rest.get(..at).unwrap_or_default().iter().filter(|t| t.name().is_some()).count();
        let mut added = 0;
        for group in rest.get(at + 1..).unwrap_or_default().split(|t| *t == Token::Mark('(')).skip(1) {
            let values: Vec<Option<String>> = group
                .iter()
                .filter(|t| !matches!(t, Token::Mark(_)))
                .map(|t| t.value().map(|v| v.chars().take(4096).collect()))
                .take(256)
                .collect();
            if listed == 0 && values.len() != width {
                let text = format!("Column count doesn't match value count at row {}", added + 1);
                return Ok(Outcome::error(1136, "21S01", text));
            }
            let table = self.table_mut(&database, &name)?;
            if table.rows.len() < LIMITS.2 {
                let mut row = values;
                row.resize(width, None);
                table.rows.push(row);
            }
            added += 1;
        }
        let info =
            if added > 1 { format!("Records: {added}  Duplicates: 0  Warnings: 0") } else { String::new() };
        Ok(Outcome::Done { affected: added, info })
    }

    pub(super) fn change(&mut self, verb: &str, rest: &[Token]) -> Result<Outcome, Error> {
        let mut rest = rest;
        while rest
            .first()
            .is_some_and(|t| ["from", "table", "ignore", "low_priority", "quick"].iter().any(|w| t.is(w)))
        {
            rest = &rest[1..];
        }
        let (database, name) = self.table_name(&mut rest)?;
        self.table(&database, &name)?;
        let table = self.table_mut(&database, &name)?;
        let all = !rest.iter().any(|t| t.is("where"));
        let affected = if all { table.rows.len() as u64 } else { 1 };
        Ok(match verb {
            "update" => Outcome::Done {
                affected,
                info: format!("Rows matched: {affected}  Changed: {affected}  Warnings: 0"),
            },
            "truncate" => {
                table.rows.clear();
                Outcome::OK
            }
            _ => {
                if all {
                    table.rows.clear();
                } else {
                    table.rows.pop();
                }
                Outcome::Done { affected, info: String::new() }
            }
        })
    }

    pub(super) fn define(
        &mut self,
        verb: &str,
        rest: &[Token],
        from: &dyn Fn(usize) -> String,
    ) -> Result<Outcome, Error> {
        let lenient = rest.iter().any(|t| t.is("exists"));
        let skipped = |t: &&Token| {
            !["if", "not", "exists", "or", "replace", "temporary", "aggregate"].iter().any(|w| t.is(w))
        };
        let words: Vec<Token> = rest.iter().filter(skipped).cloned().collect();
        let Some((kind, mut tail)) = words.split_first().map(|(k, t)| (k.clone(), t)) else {
            return Err(self.syntax(""));
        };
        let named = tail.first().and_then(Token::name).unwrap_or_default().to_owned();
        if kind.is("database") || kind.is("schema") {
            let at = self.databases.iter().position(|d| d.name == named);
            return Ok(match (verb, at) {
                ("create", Some(_)) if !lenient => {
                    Outcome::error(1007, "HY000", format!("Can't create database '{named}'; database exists"))
                }
                ("create", None) if self.databases.len() < LIMITS.0 && named.len() <= 64 => {
                    self.databases.push(Database { name: named, tables: Vec::new() });
                    self.databases.sort_by(|a, b| a.name.cmp(&b.name));
                    Outcome::Done { affected: 1, info: String::new() }
                }
                ("drop", Some(at)) => {
                    let gone = self.databases.remove(at);
                    if self.database.as_deref() == Some(gone.name.as_str()) {
                        self.database = None;
                    }
                    Outcome::Done { affected: gone.tables.len() as u64, info: String::new() }
                }
                ("drop", None) if !lenient => Outcome::error(
                    1008,
                    "HY000",
                    format!("Can't drop database '{named}'; database doesn't exist"),
                ),
                _ => Outcome::OK,
            });
        }
        if kind.is("table") {
            let (database, name) = self.table_name(&mut tail)?;
            let exists = self.table(&database, &name).is_ok();
            return match (verb, exists) {
                ("create", true) if !lenient => {
                    Ok(Outcome::error(1050, "42S01", format!("Table '{name}' already exists")))
                }
                ("create", false) => {
                    if self.find(&database).is_none() {
                        return Ok(Outcome::error(1049, "42000", format!("Unknown database '{database}'")));
                    }
                    let columns = columns_of(tail);
                    let found = self.databases.iter_mut().find(|d| d.name == database);
                    if let Some(found) = found.filter(|d| d.tables.len() < LIMITS.1 && name.len() <= 64) {
                        found.tables.push(Table { name, columns, rows: Vec::new() });
                        found.tables.sort_by(|a, b| a.name.cmp(&b.name));
                    }
                    Ok(Outcome::OK)
                }
                ("drop", true) => {
                    if let Some(found) = self.databases.iter_mut().find(|d| d.name == database) {
                        found.tables.retain(|t| t.name != name);
                    }
                    Ok(Outcome::OK)
                }
                ("drop", false) if !lenient => {
                    Ok(Outcome::error(1051, "42S02", format!("Unknown table '{database}.{name}'")))
                }
                ("alter", false) => Err(no_table(&database, &name)),
                _ => Ok(Outcome::OK),
            };
        }
        let soname = words.iter().position(|t| t.is("soname"));
        if let Some(at) = soname.filter(|_| kind.is("function") && verb == "create") {
            let library = words.get(at + 1).and_then(Token::value).unwrap_or_default();
            let text = format!(
                "Can't open shared library '{library}' (errno: 2, cannot open shared object file: No such file or directory)"
            );
            return Ok(Outcome::error(1126, "HY000", text));
        }
        if kind.is("function") && verb == "drop" && self.database.is_none() && !lenient {
            let name = tail.first().and_then(Token::name).unwrap_or_default();
            let kind = if self.product().maria() { "FUNCTION (UDF)" } else { "FUNCTION" };
            return Ok(Outcome::error(1305, "42000", format!("{kind} {name} does not exist")));
        }
        let known = [
            "user",
            "function",
            "procedure",
            "trigger",
            "view",
            "index",
            "unique",
            "event",
            "role",
            "server",
        ];
        if known.iter().any(|w| kind.is(w)) && !tail.is_empty() {
            return Ok(Outcome::OK);
        }
        Err(self.syntax(&from(0)))
    }
}

/// Names of the columns between the parentheses of CREATE TABLE.
fn columns_of(tail: &[Token]) -> Vec<(String, &'static str)> {
    let mut depth = 0u32;
    let mut fresh = false;
    let mut columns = Vec::new();
    for token in tail {
        match token {
            Token::Mark('(') => {
                depth = depth.saturating_add(1);
                fresh = depth == 1;
            }
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Mark(',') if depth == 1 => fresh = true,
            token if fresh && depth == 1 && columns.len() < 64 => {
                fresh = false;
                let keyword = ["primary", "key", "unique", "constraint", "index", "foreign"]
                    .iter()
                    .any(|w| token.is(w));
                if let Some(name) = token.name().filter(|_| !keyword) {
                    columns.push((name.chars().take(64).collect(), "text"));
                }
            }
            _ => {}
        }
    }
    columns
}
