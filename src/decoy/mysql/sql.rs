//! A SQL session: enough of the language for the questions intruders ask, syntax errors for the rest.
//!
//! Changes stay in the session: what one intruder drops, the next one still finds.

use std::collections::BTreeMap;

use super::expr;
use super::product::Product;
use super::result::{Column, Error, Outcome, Rows, Type};
use super::schema::{Database, Table};
use super::show;
use super::text::{Token, tokens};
use super::variables::{Host, Status};

/// What a session knows when it starts.
pub(super) struct Context<'a> {
    pub(super) product: &'a Product,
    pub(super) hostname: &'a str,
    /// User name, and the address it came from.
    pub(super) user: String,
    pub(super) peer: String,
    /// What the server keeps of the account's password.
    pub(super) hash: String,
    pub(super) connection: u32,
    pub(super) status: &'a (dyn Fn() -> Status + Send + Sync),
}

/// A session.
pub(super) struct Sql<'a> {
    pub(super) context: Context<'a>,
    pub(super) databases: Vec<Database>,
    pub(super) database: Option<String>,
    /// Inside a transaction.
    pub(super) transaction: bool,
    /// The last error, for SHOW WARNINGS.
    pub(super) last: Option<Error>,
    /// Seconds the last statement asked to sleep.
    pub(super) sleep: f64,
    /// `@name`.
    pub(super) variables: BTreeMap<String, expr::Value>,
    /// Settings of the server that the session changed, as it sees them.
    pub(super) changed: BTreeMap<String, String>,
}

/// Most of a statement that is looked at.
const STATEMENT_MAX: usize = 64 * 1024;

impl<'a> Sql<'a> {
    pub(super) fn new(context: Context<'a>, databases: Vec<Database>) -> Self {
        Self {
            context,
            databases,
            database: None,
            transaction: false,
            last: None,
            sleep: 0.0,
            variables: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    pub(super) fn product(&self) -> &Product {
        self.context.product
    }

    pub(super) fn host(&self) -> Host<'_> {
        Host { product: self.context.product, hostname: self.context.hostname }
    }

    pub(super) fn account(&self) -> String {
        format!("{}@{}", self.context.user, self.context.peer)
    }

    pub(super) fn granted(&self) -> String {
        format!("{}@%", self.context.user)
    }

    pub(super) fn connection(&self) -> u32 {
        self.context.connection
    }

    pub(super) fn current(&self) -> Option<String> {
        self.database.clone()
    }

    pub(super) fn now(&self) -> String {
        let now = jiff::Timestamp::now().to_string();
        now.get(..19).unwrap_or_default().replace('T', " ")
    }

    pub(super) fn syntax(&self, near: &str) -> Error {
        let near: String = near.chars().take(80).collect();
        let brand = self.product().brand;
        let text = format!(
            "You have an error in your SQL syntax; check the manual that corresponds to your {brand} server version \
             for the right syntax to use near '{near}' at line 1"
        );
        Error { code: 1064, state: "42000", text }
    }

    pub(super) fn unknown_column(&self, name: &str) -> Error {
        let place = if self.product().maria() { "SELECT" } else { "field list" };
        Error { code: 1054, state: "42S22", text: format!("Unknown column '{name}' in '{place}'") }
    }

    pub(super) fn file_refused(&self) -> Outcome {
        let brand = self.product().brand;
        let what = "server is running with the --secure-file-priv option so it cannot execute this statement";
        Outcome::error(1290, "HY000", format!("The {brand} {what}"))
    }

    /// Makes a database the current one.
    pub(super) fn select_database(&mut self, name: &str) -> Outcome {
        match self.find(name) {
            Some(database) => {
                self.database = Some(database.name.clone());
                Outcome::OK
            }
            None => Outcome::error(1049, "42000", format!("Unknown database '{name}'")),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Database> {
        self.databases
            .iter()
            .find(|d| d.name == name || (d.name.ends_with("_schema") && d.name.eq_ignore_ascii_case(name)))
    }

    /// Splits `db.table` or `table` off the tokens.
    pub(super) fn table_name(&self, tokens: &mut &[Token]) -> Result<(String, String), Error> {
        let Some(first) = tokens.first().and_then(Token::name) else { return Err(self.syntax("")) };
        if let (Some(Token::Mark('.')), Some(second)) = (tokens.get(1), tokens.get(2).and_then(Token::name)) {
            *tokens = tokens.get(3..).unwrap_or_default();
            return Ok((first.to_owned(), second.to_owned()));
        }
        *tokens = tokens.get(1..).unwrap_or_default();
        let database = self.current().ok_or_else(no_database)?;
        Ok((database, first.to_owned()))
    }

    pub(super) fn table(&self, database: &str, name: &str) -> Result<Table, Error> {
        if let Some(table) = show::virtual_table(self, database, name) {
            return Ok(table);
        }
        let found = self.find(database).and_then(|d| d.tables.iter().find(|t| t.name == name));
        found.cloned().ok_or_else(|| no_table(database, name))
    }

    pub(super) fn table_mut(&mut self, database: &str, name: &str) -> Result<&mut Table, Error> {
        let found = self.databases.iter_mut().find(|d| d.name == database);
        found
            .and_then(|d| d.tables.iter_mut().find(|t| t.name == name))
            .ok_or_else(|| no_table(database, name))
    }

    /// Runs one statement.
    pub(super) fn run(&mut self, statement: &str) -> Outcome {
        self.sleep = 0.0;
        let mut end = statement.len().min(STATEMENT_MAX);
        while !statement.is_char_boundary(end) {
            end -= 1;
        }
        let statement = statement.get(..end).unwrap_or_default();
        let spanned = tokens(statement);
        let words: Vec<Token> = spanned.iter().map(|(t, ..)| t.clone()).collect();
        let Some((first, rest)) = words.split_first() else {
            return Outcome::error(1065, "42000", "Query was empty");
        };
        let verb = match first {
            Token::Word(word) => word.to_lowercase(),
            Token::Mark('(') => "select".into(),
            _ => String::new(),
        };
        let from = |at: usize| {
            spanned.get(at).and_then(|(_, from, _)| statement.get(*from..)).unwrap_or_default().trim_end()
        };
        let outcome = self.verb(&verb, rest, statement, &|at| from(at + 1).to_owned(), from(0));
        let shows = verb == "show";
        match &outcome {
            Outcome::Error(error) => self.last = Some(error.clone()),
            _ if shows => {}
            _ => self.last = None,
        }
        outcome
    }

    fn verb(
        &mut self,
        verb: &str,
        rest: &[Token],
        statement: &str,
        from: &dyn Fn(usize) -> String,
        whole: &str,
    ) -> Outcome {
        match verb {
            "select" => self.union(rest, statement).unwrap_or_else(Outcome::from),
            "explain" if rest.first().is_some_and(|t| t.is("select")) => {
                let names = [
                    "id",
                    "select_type",
                    "table",
                    "type",
                    "possible_keys",
                    "key",
                    "key_len",
                    "ref",
                    "rows",
                    "Extra",
                ];
                let cells = ["1", "SIMPLE"].map(|t| Some(t.to_owned())).into_iter();
                let rest = std::iter::repeat_n(None, 7).chain([Some("No tables used".to_owned())]);
                Outcome::table(&names, vec![cells.chain(rest).collect()])
            }
            "show" => show::run(self, rest, from).unwrap_or_else(Outcome::from),
            "describe" | "desc" | "explain"
                if rest.first().is_some_and(|t| t.name().is_some() && !t.is("select")) =>
            {
                show::columns(self, rest, false).unwrap_or_else(Outcome::from)
            }
            "use" => match rest.first().and_then(Token::name) {
                Some(name) => self.select_database(name),
                None => self.syntax("").into(),
            },
            "set" => self.set(rest),
            "begin" | "start" => {
                self.transaction = true;
                Outcome::OK
            }
            "commit" | "rollback" => {
                self.transaction = false;
                Outcome::OK
            }
            "insert" | "replace" => self.insert(rest).unwrap_or_else(Outcome::from),
            "update" | "delete" | "truncate" => self.change(verb, rest).unwrap_or_else(Outcome::from),
            "create" | "drop" | "alter" => self.define(verb, rest, from).unwrap_or_else(Outcome::from),
            "load" if rest.iter().any(|t| t.is("local")) => {
                if self.product().maria() {
                    let text = "The used command is not allowed because the MariaDB server or client has disabled the \
                                local infile capability";
                    Outcome::error(4166, "HY000", text)
                } else {
                    let text = "Loading local data is disabled; this must be enabled on both the client and server sides";
                    Outcome::error(3948, "42000", text)
                }
            }
            "load" => self.file_refused(),
            "call" => {
                let name = rest.first().and_then(Token::name).unwrap_or_default();
                let shown = self.current().map_or_else(|| name.to_owned(), |db| format!("{db}.{name}"));
                Outcome::error(1305, "42000", format!("PROCEDURE {shown} does not exist"))
            }
            "kill" => match rest.last() {
                Some(Token::Number(id)) => Outcome::error(1094, "HY000", format!("Unknown thread id: {id}")),
                _ => self.syntax("").into(),
            },
            "install" if rest.iter().any(|t| t.is("soname")) => {
                let library = rest.last().and_then(Token::value).unwrap_or_default();
                let library = library.rsplit('/').next().unwrap_or_default();
                let text = format!(
                    "Can't open shared library '/usr/lib/mysql/plugin/{library}' (errno: 2, cannot open shared object file: No such file or directory)"
                );
                Outcome::error(1126, "HY000", text)
            }
            "grant" | "revoke" | "flush" | "lock" | "unlock" | "analyze" | "optimize" | "do" | "reset"
            | "purge" | "savepoint" | "release" | "rename" | "install" | "uninstall" | "shutdown"
                if !rest.is_empty() || matches!(verb, "shutdown" | "unlock") =>
            {
                Outcome::OK
            }
            _ => self.syntax(whole).into(),
        }
    }

    fn set(&mut self, rest: &[Token]) -> Outcome {
        let Some(mut first) = rest.first() else { return self.syntax("").into() };
        if matches!(first, Token::User(_)) {
            return self.set_variables(rest).unwrap_or_else(Outcome::from);
        }
        if ["names", "character", "charset", "password", "transaction", "role", "default"]
            .iter()
            .any(|w| first.is(w))
        {
            return Outcome::OK;
        }
        if ["global", "session", "local", "persist"].iter().any(|w| first.is(w)) {
            first = rest.get(1).unwrap_or(first);
        }
        let name = match first {
            Token::System(name) => name.to_lowercase(),
            other => other.name().unwrap_or_default().to_lowercase(),
        };
        let value = rest.iter().position(|t| *t == Token::Mark('=')).and_then(|at| rest.get(at + 1));
        if let Some(outcome) = value.and_then(|value| self.set_log(&name, value)) {
            return outcome;
        }
        // More variables exist than are shown; those that sessions set are taken.
        let known = super::variables::get(&self.host(), &name).is_some()
            || [
                "sql_",
                "character_set_",
                "collation_",
                "net_",
                "innodb_",
                "max_",
                "log_",
                "unique_",
                "old_",
                "timestamp",
                "profiling",
                "optimizer_",
                "transaction_",
                "group_concat",
                "lc_",
                "lock_",
                "query_cache",
                "insert_id",
                "big_tables",
                "updatable",
            ]
            .iter()
            .any(|p| name.starts_with(p));
        if known {
            Outcome::OK
        } else {
            Outcome::error(1193, "HY000", format!("Unknown system variable '{name}'"))
        }
    }

    pub(super) fn select(&mut self, rest: &[Token], statement: &str) -> Result<Outcome, Error> {
        let into = rest.iter().position(|t| t.is("into")).and_then(|at| rest.get(at + 1));
        if into.is_some_and(|t| t.is("outfile") || t.is("dumpfile")) {
            return Ok(self.file_refused());
        }
        let mut depth = 0u32;
        let at = rest.iter().position(|t| {
            match t {
                Token::Mark('(') => depth = depth.saturating_add(1),
                Token::Mark(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && t.is("from")
        });
        let list = rest.get(..at.unwrap_or(rest.len())).unwrap_or_default();
        let hints = ["distinct", "all", "sql_no_cache", "sql_cache", "sql_calc_found_rows", "high_priority"];
        let skipped = list.iter().take_while(|t| hints.iter().any(|h| t.is(h))).count();
        let list = list.get(skipped..).unwrap_or_default();
        match at.map(|at| rest.get(at + 1..).unwrap_or_default()) {
            Some([only, ..]) if only.is("dual") => self.select_values(list, statement),
            Some(source) => self.select_rows(list, source),
            None => self.select_values(list, statement),
        }
    }

    /// A select list without a table.
    fn select_values(&mut self, list: &[Token], statement: &str) -> Result<Outcome, Error> {
        let names = labels(statement);
        let mut tokens = list;
        let mut rows = Rows { columns: Vec::new(), rows: vec![Vec::new()] };
        let mut sleep = 0.0;
        loop {
            let value = expr::parse(self, &mut tokens, 0)?;
            sleep += value.sleep;
            let mut name = names.get(rows.columns.len()).cloned().unwrap_or_default();
            if tokens.first().is_some_and(|t| t.is("as")) {
                tokens = tokens.get(1..).unwrap_or_default();
            }
            if let Some((alias, rest)) = tokens.split_first() {
                let text = alias.name().or(alias.value());
                if let Some(text) =
                    text.filter(|_| !alias.is("limit") && !alias.is("union") && !alias.is("where"))
                {
                    text.clone_into(&mut name);
                    tokens = rest;
                }
            }
            rows.columns.push(Column::new(name, value.kind));
            if let Some(row) = rows.rows.first_mut() {
                row.push(value.text);
            }
            match tokens.split_first() {
                Some((Token::Mark(','), rest)) if rows.columns.len() < 256 => tokens = rest,
                Some((word, _)) if word.is("limit") || word.is("where") || word.is("order") => break,
                Some((Token::Word(word), _)) => return Err(self.syntax(word)),
                Some((Token::Mark(mark), _)) => return Err(self.syntax(&mark.to_string())),
                Some(_) => return Err(self.syntax("")),
                None => break,
            }
        }
        self.sleep = sleep;
        Ok(Outcome::Rows(rows))
    }

    /// A select list from one table: columns, `*` or `count(*)`, one equality, LIMIT.
    fn select_rows(&self, list: &[Token], source: &[Token]) -> Result<Outcome, Error> {
        let mut tail = source;
        let (database, name) = self.table_name(&mut tail)?;
        let table = self.table(&database, &name)?;
        let all = table.shown(&database);
        let mut rows = table.rows.clone();
        let place = |name: &str| all.iter().position(|c| c.name.eq_ignore_ascii_case(name));
        for at in 0..tail.len() {
            let Some([column, Token::Mark('='), value]) = tail.get(at..at + 3) else { continue };
            if let (Some(column), Some(value)) = (column.name().and_then(place), value.value()) {
                rows.retain(|row| {
                    row.get(column).and_then(Option::as_deref).is_some_and(|v| v.eq_ignore_ascii_case(value))
                });
            }
        }
        let counting = list.first().is_some_and(|t| t.is("count")) && list.get(1) == Some(&Token::Mark('('));
        if counting {
            let column = Column::new("count(*)", Type::Int);
            return Ok(Outcome::Rows(Rows {
                columns: vec![column],
                rows: vec![vec![Some(rows.len().to_string())]],
            }));
        }
        if let Some(at) = tail.iter().position(|t| t.is("limit")) {
            let numbers: Vec<usize> =
                tail.iter().skip(at + 1).filter_map(|t| t.value()?.parse().ok()).take(2).collect();
            match numbers.as_slice() {
                [limit] => rows.truncate(*limit),
                [offset, limit] => rows = rows.into_iter().skip(*offset).take(*limit).collect(),
                _ => {}
            }
        }
        let mut picked: Vec<usize> = Vec::new();
        let mut missing = Vec::new();
        for part in list.split(|t| *t == Token::Mark(',')).take(64) {
            match part {
                [Token::Mark('*')] | [_, Token::Mark('.'), Token::Mark('*')] => picked.extend(0..all.len()),
                [] => return Err(self.syntax("")),
                [_, Token::Mark('.'), column, ..] | [column, ..] => {
                    let name = column.name().or(column.value()).unwrap_or_default();
                    match place(name) {
                        Some(at) => picked.push(at),
                        None if all.is_empty() => missing.push(Column::new(name, Type::Text)),
                        None => return Err(self.unknown_column(name)),
                    }
                }
            }
        }
        picked.truncate(256);
        let columns = picked.iter().filter_map(|at| all.get(*at).cloned()).chain(missing).collect();
        let cut =
            |row: &Vec<Option<String>>| picked.iter().map(|at| row.get(*at).cloned().flatten()).collect();
        Ok(Outcome::Rows(Rows { columns, rows: rows.iter().map(cut).collect() }))
    }
}

pub(super) fn no_database() -> Error {
    Error { code: 1046, state: "3D000", text: "No database selected".into() }
}

pub(super) fn no_table(database: &str, name: &str) -> Error {
    Error { code: 1146, state: "42S02", text: format!("Table '{database}.{name}' doesn't exist") }
}

/// The text of each item of a select list, which is its column's name.
fn labels(statement: &str) -> Vec<String> {
    let mut depth = 0u32;
    let mut out = Vec::new();
    let mut from: Option<usize> = None;
    let mut until = 0;
    let mut first = true;
    let push = |from: Option<usize>, until: usize, out: &mut Vec<String>| {
        let text = from.and_then(|from| statement.get(from..until)).unwrap_or_default();
        let quoted = text.len() > 1 && text.starts_with(['\'', '"']) && text.ends_with(['\'', '"']);
        let bare = if quoted { &text[1..text.len() - 1] } else { text };
        out.push(if text.eq_ignore_ascii_case("null") { "NULL".to_owned() } else { bare.to_owned() });
    };
    for (token, start, end) in tokens(statement) {
        if std::mem::take(&mut first) {
            continue;
        }
        match &token {
            Token::Mark('(') => depth = depth.saturating_add(1),
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Mark(',') if depth == 0 => {
                push(from, until, &mut out);
                from = None;
                continue;
            }
            word if depth == 0 && ["from", "limit", "where", "union", "into"].iter().any(|w| word.is(w)) => {
                break;
            }
            _ => {}
        }
        from.get_or_insert(start);
        until = end;
    }
    push(from, until, &mut out);
    out
}
