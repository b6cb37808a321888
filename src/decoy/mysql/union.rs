//! What makes a session more than single questions: UNION, variables of its own, settings it changed.

use super::expr;
use super::result::{Column, Error, Outcome, Rows, Type};
use super::sql::Sql;
use super::text::Token;

/// Most selects of one union, and variables of one session.
const PARTS_MAX: usize = 16;
const VARIABLES_MAX: usize = 64;

/// Where `union` stands outside brackets.
pub(super) fn position(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0u32;
    tokens.iter().position(|token| {
        match token {
            Token::Mark('(') => depth = depth.saturating_add(1),
            Token::Mark(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.is("union")
    })
}

impl Sql<'_> {
    /// Selects joined by UNION: the names of the first, the rows of all.
    pub(super) fn union(&mut self, tokens: &[Token], statement: &str) -> Result<Outcome, Error> {
        let (mut rest, mut joined, mut all) = (tokens, None::<Rows>, true);
        let mut slept = 0.0;
        for _ in 0..PARTS_MAX {
            let at = position(rest);
            let part = rest.get(..at.unwrap_or(rest.len())).unwrap_or_default();
            let rows = match self.select(part, statement)? {
                Outcome::Rows(rows) => rows,
                other => return Ok(other),
            };
            slept += self.sleep;
            match &mut joined {
                None => joined = Some(rows),
                Some(joined) if joined.columns.len() != rows.columns.len() => {
                    let text = "The used SELECT statements have a different number of columns";
                    return Err(Error { code: 1222, state: "21000", text: text.to_owned() });
                }
                Some(joined) => {
                    for (column, other) in joined.columns.iter_mut().zip(&rows.columns) {
                        if column.kind != other.kind {
                            *column = Column::new(column.name.clone(), Type::Text);
                        }
                    }
                    joined.rows.extend(rows.rows);
                }
            }
            let Some(at) = at else { break };
            rest = rest.get(at + 1..).unwrap_or_default();
            match rest.first() {
                Some(word) if word.is("all") => rest = rest.get(1..).unwrap_or_default(),
                Some(word) if word.is("distinct") => {
                    rest = rest.get(1..).unwrap_or_default();
                    all = false;
                }
                _ => all = false,
            }
            match rest.split_first() {
                Some((word, tail)) if word.is("select") => rest = tail,
                _ => return Err(self.syntax("")),
            }
        }
        self.sleep = slept;
        let mut rows = joined.unwrap_or(Rows { columns: Vec::new(), rows: Vec::new() });
        if !all {
            let mut seen = std::collections::BTreeSet::new();
            rows.rows.retain(|row| seen.insert(row.clone()));
        }
        Ok(Outcome::Rows(rows))
    }

    /// `SET @name = value, …`.
    pub(super) fn set_variables(&mut self, tokens: &[Token]) -> Result<Outcome, Error> {
        let mut rest = tokens;
        while let Some((Token::User(name), tail)) = rest.split_first() {
            let tail = match tail {
                [Token::Mark(':'), Token::Mark('='), tail @ ..] | [Token::Mark('='), tail @ ..] => tail,
                _ => return Err(self.syntax("")),
            };
            rest = tail;
            let value = expr::parse(self, &mut rest, 0)?;
            if self.variables.len() < VARIABLES_MAX || self.variables.contains_key(name) {
                self.variables.insert(name.to_lowercase(), value);
            }
            match rest.split_first() {
                Some((Token::Mark(','), tail)) => rest = tail,
                _ => break,
            }
        }
        Ok(Outcome::OK)
    }

    /// What becomes of a log's settings; none for other variables. The server writes where its user may,
    /// and that is not where web pages are.
    pub(super) fn set_log(&mut self, name: &str, value: &Token) -> Option<Outcome> {
        let text = value.value().or(value.name()).unwrap_or_default().to_owned();
        let refused = || {
            let text = format!("Variable '{name}' can't be set to the value of '{text}'");
            Some(Outcome::error(1231, "42000", text))
        };
        let value = match name {
            "general_log" | "slow_query_log" => match text.to_lowercase().as_str() {
                "on" | "1" | "true" => "ON",
                "off" | "0" | "false" => "OFF",
                _ => return refused(),
            },
            "general_log_file" | "slow_query_log_file" => {
                let own = !text.starts_with('/')
                    || text.starts_with("/var/lib/mysql/")
                    || text.starts_with("/tmp/");
                if !own || text.is_empty() || text.ends_with(".cnf") || text.ends_with(".ini") {
                    return refused();
                }
                text.as_str()
            }
            _ => return None,
        };
        self.changed.insert(name.to_owned(), value.chars().take(512).collect());
        Some(Outcome::OK)
    }
}
