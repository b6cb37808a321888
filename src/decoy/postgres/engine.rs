//! A session's SQL: statements that are no query.
//!
//! Changes stay in the session: what one intruder drops, the next one still finds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sha2::Digest as _;

use super::ast::Parser;
use super::eval::Column;
use super::lex::{Spanned, Token};
use super::product::Product;
use super::select::{Rows, no_relation};
use super::value::{Type, Value};
use super::wire::Error;
use super::{bait, catalog, select};
use crate::decoy::session::Recorder;
use crate::decoy::shell::Shell;
use crate::decoy::vfs::Vfs;
use crate::event::Kind;
use crate::model::Persona;

/// Steps that one statement may take.
const STEPS: u32 = 250_000;
/// Most tables of a session, columns of one, rows of one, and bytes of all values.
const LIMITS: (usize, usize, usize, usize) = (64, 64, 2000, 1 << 20);
/// Longest text that an expression makes.
const TEXT_MAX: usize = 512 * 1024;

/// What a session knows when it starts.
pub(super) struct Context<'a> {
    pub(super) product: &'a Product,
    pub(super) persona: &'a Persona,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) pid: u32,
    pub(super) peer: SocketAddr,
    pub(super) application: String,
    pub(super) files: Vfs,
    pub(super) record: Recorder,
    pub(super) account: Option<(&'a str, &'a str)>,
}

/// A role.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) oid: i64,
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) secret: Option<String>,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) columns: Vec<(String, Type)>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// What a statement comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Rows, and the word that their count follows (`SELECT`), or the whole tag (`SHOW`).
    Rows(Rows, &'static str),
    /// A tag.
    Done(String),
    /// Rows of text to the client, and how many.
    CopyOut(Vec<u8>, usize),
    /// Rows are wanted from the client, for this table with so many columns.
    CopyIn(String, usize),
}

/// A session.
pub(super) struct Engine<'a> {
    pub(super) context: Context<'a>,
    pub(super) tables: Vec<Table>,
    pub(super) roles: Vec<Role>,
    pub(super) databases: Vec<String>,
    pub(super) extensions: Vec<String>,
    pub(super) objects: BTreeMap<i64, Vec<u8>>,
    pub(super) opened: i64,
    pub(super) settings: BTreeMap<String, String>,
    /// `I`, `T` or `E`.
    pub(super) transaction: u8,
    pub(super) notices: Vec<Error>,
    pub(super) params: Vec<Value>,
    pub(super) with: Vec<(String, Rows)>,
    pub(super) statement: String,
    /// Seconds the last statement asked to sleep.
    pub(super) sleep: f64,
    pub(super) shell: Option<Shell>,
    steps: u32,
    kept: usize,
    oid: i64,
}

impl<'a> Engine<'a> {
    pub(super) fn new(mut context: Context<'a>) -> Self {
        let seed = &context.persona.seed;
        let machine = context.files.machine().clone();
        let owner = machine.user("postgres").map_or((109, 115), |u| (u.uid, u.gid));
        context.files.become_user(owner.0, owner.1);
        let scram = context.product.scram();
        Self {
            tables: bait::tables(seed, &context.database, context.persona.born),
            roles: bait::roles(seed, context.account, scram),
            databases: bait::databases(seed),
            extensions: vec!["plpgsql".into()],
            objects: BTreeMap::new(),
            opened: 0,
            settings: BTreeMap::new(),
            transaction: b'I',
            notices: Vec::new(),
            params: Vec::new(),
            with: Vec::new(),
            statement: String::new(),
            sleep: 0.0,
            shell: None,
            steps: STEPS,
            kept: 0,
            oid: 16_420 + i64::try_from(seed.number("postgres/oid", 9000)).unwrap_or(0),
            context,
        }
    }

    /// One step of work; an error when a statement took too many.
    pub(super) fn step(&mut self) -> Result<(), Error> {
        self.burn(1)
    }

    /// Work of about so many bytes.
    pub(super) fn burn(&mut self, bytes: usize) -> Result<(), Error> {
        let cost = u32::try_from(bytes / 64).unwrap_or(u32::MAX).saturating_add(1);
        self.steps = self.steps.saturating_sub(cost);
        if self.steps == 0 || bytes > TEXT_MAX {
            let text = "canceling statement due to statement timeout";
            return Err(Error::new("57014", text, ("postgres.c", 3406, "ProcessInterrupts")));
        }
        Ok(())
    }

    /// Work of copying a row.
    pub(super) fn touch(&mut self, row: &[Value]) -> Result<(), Error> {
        let size = |v: &Value| if let Value::Text(text) = v { text.len() } else { 0 };
        for bytes in row.iter().map(size) {
            self.burn(bytes.min(TEXT_MAX))?;
        }
        self.step()
    }

    /// A text that an expression made, if it is not too long.
    pub(super) fn bounded(&mut self, text: String) -> Result<String, Error> {
        self.burn(text.len())?;
        Ok(text)
    }

    pub(super) fn next_oid(&mut self) -> i64 {
        self.oid = self.oid.saturating_add(1);
        self.oid
    }

    pub(super) fn transaction_id(&self) -> i64 {
        731 + self.oid - 16_384
    }

    /// Records that a file was named, and what would have been written to it.
    pub(super) fn file_seen(&self, action: &str, path: &str, data: Option<&[u8]>) {
        let mut event = self.context.record.event(Kind::File, action).text("file.path", path);
        if let Some(data) = data {
            event = event
                .field("file.size", data.len())
                .field("file.hash.sha256", hex::encode(sha2::Sha256::digest(data)))
                .bytes("file.head", data.get(..data.len().min(1024)).unwrap_or_default());
        }
        event.emit();
    }

    /// A table's rows, or a system table's.
    pub(super) fn relation(&self, schema: Option<&str>, name: &str) -> Option<Rows> {
        let own = || {
            let table = self.tables.iter().find(|t| t.name == name)?;
            let column = |(at, (name, kind)): (usize, &(String, Type))| Column {
                alias: String::new(),
                name: name.clone(),
                kind: *kind,
                origin: (table.oid, i16::try_from(at + 1).unwrap_or(0)),
            };
            Some(Rows {
                columns: table.columns.iter().enumerate().map(column).collect(),
                rows: table.rows.clone(),
            })
        };
        let inside = matches!(name, "tables" | "columns" | "schemata");
        match schema {
            Some("pg_catalog") => catalog::system(self, name).filter(|_| !inside),
            Some("information_schema") => catalog::system(self, name).filter(|_| inside),
            Some("public") => own(),
            Some(_) => None,
            None => catalog::system(self, name).filter(|_| !inside).or_else(own),
        }
    }

    pub(super) fn table(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|t| t.name == name)
    }

    /// Adds a row, as long as there is room.
    pub(super) fn keep(&mut self, name: &str, row: Vec<Value>) {
        let size: usize = row.iter().map(|v| if let Value::Text(t) = v { t.len() + 24 } else { 24 }).sum();
        if self.kept.saturating_add(size) > LIMITS.3 {
            return;
        }
        if let Some(table) = self.table(name).filter(|t| t.rows.len() < LIMITS.2) {
            table.rows.push(row);
            self.kept = self.kept.saturating_add(size);
        }
    }

    /// Runs one statement of `source`.
    pub(super) fn run(&mut self, source: &str, tokens: &[Spanned]) -> Result<Outcome, Error> {
        self.steps = STEPS;
        self.sleep = 0.0;
        self.with.clear();
        let from = tokens.first().map_or(0, |t| t.1);
        let to = tokens.last().map_or(0, |t| t.2);
        self.statement = source.get(from..to).unwrap_or_default().chars().take(1024).collect();
        let mut parser = Parser::new(source, tokens);
        let verb = parser.peek().and_then(Token::name).unwrap_or_default().to_owned();
        let ends = matches!(verb.as_str(), "rollback" | "commit" | "end" | "abort");
        if self.transaction == b'E' && !ends {
            let text = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Error::new("25P02", text, ("postgres.c", 1081, "exec_simple_query")));
        }
        self.statement(&verb, &mut parser)
    }

    fn statement(&mut self, verb: &str, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        match verb {
            "select" | "values" | "table" | "with" => self.query(parser),
            "" if matches!(parser.peek(), Some(Token::Mark('('))) => self.query(parser),
            "copy" => self.copy(parser),
            "insert" => self.insert(parser),
            "update" => self.update(parser),
            "delete" => self.delete(parser),
            "create" => self.create(parser),
            "drop" => self.drop(parser),
            "show" => self.show(parser),
            "set" => self.set_statement(parser),
            "explain" => self.explain(parser),
            _ => self.other(verb, parser),
        }
    }

    fn query(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        let select = parser.select()?;
        if parser.word("into") {
            return Err(parser.wrong());
        }
        parser.end()?;
        Ok(Outcome::Rows(select::run(self, &select, None)?, "SELECT"))
    }

    fn other(&mut self, verb: &str, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let second = parser.peek().and_then(Token::name).unwrap_or_default().to_owned();
        let warn = |code: &'static str, text: &str, line: u32, routine: &'static str| {
            Error::new(code, text, ("xact.c", line, routine)).severity("WARNING")
        };
        let tag = match verb {
            "begin" | "start" => {
                if self.transaction == b'T' {
                    let text = "there is already a transaction in progress";
                    self.notices.push(warn("25001", text, 3737, "BeginTransactionBlock"));
                }
                self.transaction = b'T';
                if verb == "start" { "START TRANSACTION" } else { "BEGIN" }
            }
            "commit" | "end" | "rollback" | "abort" => {
                let failed = self.transaction == b'E';
                if second == "to" {
                    self.transaction = b'T';
                    return Ok(Outcome::Done("ROLLBACK".into()));
                }
                if self.transaction == b'I' {
                    let line = if matches!(verb, "commit" | "end") {
                        (3990, "EndTransactionBlock")
                    } else {
                        (4101, "UserAbortTransactionBlock")
                    };
                    self.notices.push(warn("25P01", "there is no transaction in progress", line.0, line.1));
                }
                self.transaction = b'I';
                if failed || matches!(verb, "rollback" | "abort") { "ROLLBACK" } else { "COMMIT" }
            }
            "alter" => match second.as_str() {
                "user" | "role" => return self.role(parser, "ALTER ROLE"),
                "system" => {
                    parser.at += 1;
                    if parser.word("set") {
                        let name = parser.name()?;
                        if self.parameter(&name).is_none() {
                            return Err(Self::no_parameter(&name));
                        }
                    }
                    "ALTER SYSTEM"
                }
                "table" => return self.alter_table(parser),
                "database" => "ALTER DATABASE",
                "" => return Err(parser.wrong()),
                word => return Ok(Outcome::Done(format!("ALTER {}", word.to_uppercase()))),
            },
            "truncate" => {
                parser.word("table");
                let (_, name, at) = parser.qualified()?;
                match self.table(&name) {
                    Some(table) => table.rows.clear(),
                    None => return Err(no_relation(None, &name, at)),
                }
                "TRUNCATE TABLE"
            }
            "do" => "DO",
            "vacuum" | "analyze" | "checkpoint" | "listen" | "notify" | "unlisten" | "grant" | "revoke"
            | "comment" | "reindex" | "cluster" | "savepoint" | "release" | "call" | "refresh"
            | "security" | "reassign" | "import" | "move" => return Ok(Outcome::Done(verb.to_uppercase())),
            "prepare" | "deallocate" => return Ok(Outcome::Done(verb.to_uppercase())),
            "reset" => {
                self.settings.clear();
                "RESET"
            }
            "discard" => return Ok(Outcome::Done(format!("DISCARD {}", second.to_uppercase()))),
            "declare" => "DECLARE CURSOR",
            "close" => "CLOSE CURSOR",
            "load" => {
                let Some(Token::Text(path)) = parser.peek() else { return Err(parser.wrong()) };
                return Err(self.library(path));
            }
            "lock" => {
                if self.transaction == b'I' {
                    let text = "LOCK TABLE can only be used in transaction blocks";
                    return Err(Error::new("25P01", text, ("xact.c", 3590, "CheckTransactionBlock")));
                }
                "LOCK TABLE"
            }
            "execute" => {
                let text = format!("prepared statement \"{second}\" does not exist");
                return Err(Error::new("26000", text, ("prepare.c", 451, "FetchPreparedStatement")));
            }
            "fetch" => {
                let text = "cursor does not exist";
                return Err(Error::new("34000", text, ("portalcmds.c", 193, "PerformPortalFetch")));
            }
            _ => {
                parser.at -= 1;
                return Err(parser.wrong());
            }
        };
        Ok(Outcome::Done(tag.to_owned()))
    }

    /// What comes of loading a library: there is none, or it is not one of PostgreSQL's.
    pub(super) fn library(&self, path: &str) -> Error {
        self.file_seen("load", path, None);
        // The C library is everywhere, though the decoy's file system does without.
        let known = path.contains("/libc.so") || self.context.files.stat(&self.path(path)).is_ok();
        if !known {
            let text = format!("could not access file \"{path}\": No such file or directory");
            return Error::new("58P01", text, ("dfmgr.c", 208, "internal_load_library"));
        }
        let text = format!("incompatible library \"{path}\": missing magic block");
        let hint = "Extension libraries are required to use the PG_MODULE_MAGIC macro.";
        Error::new("XX000", text, ("dfmgr.c", 279, "internal_load_library")).hint(hint)
    }

    fn show(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let column = |name: &str| Column {
            alias: String::new(),
            name: name.to_owned(),
            kind: Type::Text,
            origin: (0, 0),
        };
        if parser.word("all") {
            let columns = ["name", "setting", "description"].map(column).to_vec();
            let rows = self
                .parameters()
                .into_iter()
                .map(|(n, v)| vec![Value::Text(n), Value::Text(v), Value::text("")]);
            return Ok(Outcome::Rows(Rows { columns, rows: rows.collect() }, "SHOW"));
        }
        let mut name = parser.name()?;
        while parser.mark('.') {
            name = format!("{name}.{}", parser.name()?);
        }
        let name = match name.as_str() {
            "time" => "timezone".to_owned(),
            "transaction" => "transaction_isolation".to_owned(),
            _ => name,
        };
        let found = self.parameters().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
        let Some((name, value)) = found else { return Err(Self::no_parameter(&name)) };
        Ok(Outcome::Rows(Rows { columns: vec![column(&name)], rows: vec![vec![Value::Text(value)]] }, "SHOW"))
    }

    fn set_statement(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let _ = parser.word("session") || parser.word("local");
        let mut name = parser.name()?;
        while parser.mark('.') {
            name = format!("{name}.{}", parser.name()?);
        }
        if matches!(
            name.as_str(),
            "role" | "transaction" | "characteristics" | "authorization" | "constraints" | "names" | "time"
        ) {
            return Ok(Outcome::Done("SET".into()));
        }
        let equals = matches!(parser.peek(), Some(Token::Op(op)) if op == "=");
        if !equals && !parser.peek().is_some_and(|t| t.is("to")) {
            return Err(parser.wrong());
        }
        parser.at += 1;
        let value = match parser.peek() {
            Some(Token::Text(text) | Token::Word(text) | Token::Name(text) | Token::Number(text)) => {
                text.clone()
            }
            Some(Token::Op(_)) => String::new(),
            _ => return Err(parser.wrong()),
        };
        self.set(&name, &value)?;
        Ok(Outcome::Done("SET".into()))
    }

    fn explain(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let _ = parser.word("analyze");
        let _ = parser.word("verbose");
        if parser.peek().is_some_and(|t| t.is("select")) {
            parser.select()?;
        }
        let column =
            Column { alias: String::new(), name: "QUERY PLAN".into(), kind: Type::Text, origin: (0, 0) };
        let row = vec![Value::text("Result  (cost=0.00..0.01 rows=1 width=4)")];
        Ok(Outcome::Rows(Rows { columns: vec![column], rows: vec![row] }, "EXPLAIN"))
    }

    /// Makes a table.
    pub(super) fn add_table(&mut self, name: &str, mut columns: Vec<(String, Type)>, rows: Vec<Vec<Value>>) {
        columns.truncate(LIMITS.1);
        if self.tables.len() < LIMITS.0 && name.len() <= 63 {
            let oid = u32::try_from(self.next_oid()).unwrap_or(0);
            self.tables.push(Table { oid, name: name.to_owned(), columns, rows: Vec::new() });
            for row in rows {
                self.keep(name, row);
            }
        }
    }

    /// A role made or changed.
    pub(super) fn role(&mut self, parser: &mut Parser<'_>, tag: &str) -> Result<Outcome, Error> {
        parser.at += 1;
        let name = parser.name()?;
        let exists = self.roles.iter().any(|r| r.name == name);
        if tag == "CREATE ROLE" && exists {
            return Err(Error::new(
                "42710",
                format!("role \"{name}\" already exists"),
                ("user.c", 308, "CreateRole"),
            ));
        }
        if tag == "ALTER ROLE" && !exists {
            return Err(Error::new(
                "42704",
                format!("role \"{name}\" does not exist"),
                ("user.c", 576, "AlterRole"),
            ));
        }
        let rest = parser.tokens.get(parser.at..).unwrap_or_default();
        let superuser = rest.iter().any(|t| t.0.is("superuser"));
        let password =
            rest.iter().find_map(|t| if let Token::Text(text) = &t.0 { Some(text.clone()) } else { None });
        let event = self
            .context
            .record
            .event(Kind::Command, "role")
            .user(name.as_bytes())
            .field("postgres.superuser", superuser);
        let event = match &password {
            Some(password) => event.secret(password.as_bytes(), crate::event::SecretKind::Plaintext),
            None => event,
        };
        event.emit();
        if !exists && self.roles.len() < 64 {
            let oid = self.next_oid();
            self.roles.push(Role { oid, name, superuser, secret: password });
        }
        Ok(Outcome::Done(tag.to_owned()))
    }
}
