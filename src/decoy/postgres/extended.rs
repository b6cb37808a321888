//! The conversation after the login: simple queries, and those in steps.

use std::io;
use std::time::Duration;

use super::engine::{Engine, Outcome};
use super::lex::{Spanned, Token, statements, tokens};
use super::portal::{Portal, Prepared, bind, no_portal, no_statement, parameters};
use super::reply::{copying, data, description};
use super::select::{Rows, kinds};
use super::value::Value;
use super::wire::{Error, message, ready, text};
use super::{MESSAGE_MAX, MESSAGES_MAX};
use crate::decoy::buffered::{Buffered, Cursor};
use crate::event::Kind;

/// Longest PG_SLEEP() that is waited for.
const SLEEP_MAX: f64 = 30.0;
/// Most prepared statements and portals of a session.
const PREPARED_MAX: usize = 64;
/// Most of a query that an event shows.
const SHOWN: usize = 8 * 1024;
/// Most bytes that a client copies in.
const COPY_MAX: usize = 1 << 20;

/// A session's conversation.
struct Talk<'a, 'e> {
    wire: &'a mut Buffered,
    engine: &'a mut Engine<'e>,
    out: Vec<u8>,
    prepared: Vec<Prepared>,
    portals: Vec<Portal>,
    /// An error came; what follows is skipped up to the next Sync.
    skipping: bool,
}

/// Serves a client that is logged in.
pub(super) async fn serve(wire: &mut Buffered, engine: &mut Engine<'_>) -> io::Result<()> {
    let mut talk =
        Talk { wire, engine, out: Vec::new(), prepared: Vec::new(), portals: Vec::new(), skipping: false };
    for _ in 0..MESSAGES_MAX {
        let Some((kind, body)) = talk.next().await? else { return Ok(()) };
        if !talk.message(kind, &body).await? {
            return talk.flush().await;
        }
    }
    Ok(())
}

impl Talk<'_, '_> {
    /// The next message; none at the end, or when it is too long.
    async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Some(head) = self.wire.exact(5).await? else { return Ok(None) };
        let mut cursor = Cursor(&head);
        let kind = cursor.u8().unwrap_or(0);
        let length = usize::try_from(cursor.be32().unwrap_or(0)).unwrap_or(usize::MAX);
        if !b"QPBEDCSHXFdcfp".contains(&kind) {
            let error = Error::fatal(
                "08P01",
                format!("invalid frontend message type {kind}"),
                ("postgres.c", 446, "SocketBackend"),
            );
            self.fail(&error);
            self.flush().await?;
            return Ok(None);
        }
        match length.checked_sub(4) {
            Some(length) if length <= MESSAGE_MAX => {
                Ok(self.wire.exact(length).await?.map(|body| (kind, body)))
            }
            _ => {
                self.wire.session.record.error("limit", "message larger than this decoy takes in");
                Ok(None)
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() { Ok(()) } else { self.wire.write(&out).await }
    }

    fn fail(&mut self, error: &Error) {
        self.out.extend_from_slice(&error.message(self.engine.context.product));
        if self.engine.transaction == b'T' {
            self.engine.transaction = b'E';
        }
    }

    fn ready(&mut self) {
        self.out.extend_from_slice(&ready(self.engine.transaction));
    }

    /// Takes one message; false ends the connection.
    async fn message(&mut self, kind: u8, body: &[u8]) -> io::Result<bool> {
        if self.skipping && !matches!(kind, b'S' | b'X') {
            return Ok(true);
        }
        match kind {
            b'X' => return Ok(false),
            b'Q' => {
                let end = body.iter().position(|b| *b == 0).unwrap_or(body.len());
                let sql = String::from_utf8_lossy(body.get(..end).unwrap_or_default()).into_owned();
                self.query(&sql).await?;
                self.ready();
                self.flush().await?;
            }
            b'S' => {
                self.skipping = false;
                self.ready();
                self.flush().await?;
            }
            b'H' => self.flush().await?,
            b'F' => {
                let number = Cursor(body).be32().unwrap_or(0);
                let text = format!("function with OID {number} does not exist");
                self.fail(&Error::new("42883", text, ("fastpath.c", 139, "fetch_fp_info")));
                self.ready();
                self.flush().await?;
            }
            // Rows that nobody waits for.
            b'd' | b'c' | b'f' | b'p' => {}
            _ => {
                if let Err(error) = self.step(kind, body).await? {
                    self.fail(&error);
                    self.skipping = true;
                }
            }
        }
        Ok(true)
    }

    fn note(&self, sql: &str, ok: bool, error: Option<&Error>) {
        let cut: String = sql.chars().take(SHOWN).collect();
        let event =
            self.wire.session.record.event(Kind::Query, "query").outcome(ok).text("db.statement", &cut);
        let event = event.text("db.name", &self.engine.context.database);
        match error {
            Some(error) => event.text("error.code", error.code).text("error.message", &error.text),
            None => event,
        }
        .emit();
    }

    /// A simple query: statements until one fails.
    async fn query(&mut self, sql: &str) -> io::Result<()> {
        let pieces = match tokens(sql) {
            Ok(pieces) => pieces,
            Err(error) => {
                self.note(sql, false, Some(&error));
                self.fail(&error);
                return Ok(());
            }
        };
        let list = statements(&pieces);
        if list.is_empty() {
            self.note(sql, true, None);
            self.out.extend_from_slice(&message(b'I', &[]));
            return Ok(());
        }
        for statement in list {
            self.engine.params.clear();
            let done = self.engine.run(sql, statement);
            let part =
                statement.first().zip(statement.last()).and_then(|(a, b)| sql.get(a.1..b.2)).unwrap_or(sql);
            self.note(part, done.is_ok(), done.as_ref().err());
            match done {
                Ok(outcome) => self.outcome(outcome, true, &[]).await?,
                Err(error) => {
                    // A query's columns are described before its rows fail.
                    if matches!(error.code, "42501" | "58P01" | "42704") {
                        self.described(sql, statement);
                    }
                    self.notices();
                    self.fail(&error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The description of a query that fails only when it runs.
    fn described(&mut self, sql: &str, statement: &[Spanned]) {
        let select = statement.first().is_some_and(|t| t.0.is("select"));
        let mut parser = super::ast::Parser::new(sql, statement);
        if let Some(columns) =
            select.then(|| parser.select().ok()).flatten().and_then(|s| kinds(self.engine, &s, None).ok())
        {
            self.out.extend_from_slice(&description(&Rows { columns, rows: Vec::new() }, &[]));
        }
    }

    fn notices(&mut self) {
        let least = self.engine.parameter("client_min_messages").unwrap_or_default().to_lowercase();
        let quiet = |severity: &str| match least.as_str() {
            "warning" => severity == "NOTICE",
            "error" | "fatal" | "panic" => true,
            _ => false,
        };
        for notice in std::mem::take(&mut self.engine.notices) {
            if quiet(notice.severity) {
                continue;
            }
            self.out.extend_from_slice(&notice.message(self.engine.context.product));
        }
    }

    /// Answers a statement that went well.
    async fn outcome(&mut self, outcome: Outcome, describe: bool, formats: &[u16]) -> io::Result<()> {
        self.notices();
        let sleep = self.engine.sleep.clamp(0.0, SLEEP_MAX);
        if sleep > 0.0 {
            self.flush().await?;
            tokio::time::sleep(Duration::from_secs_f64(sleep)).await;
        }
        match outcome {
            Outcome::Rows(rows, tag) => {
                if describe {
                    self.out.extend_from_slice(&description(&rows, formats));
                }
                data(&rows, formats, &mut self.out);
                let tag = match tag {
                    "SHOW" | "EXPLAIN" => tag.to_owned(),
                    tag => format!("{tag} {}", rows.rows.len()),
                };
                self.out.extend_from_slice(&text(b'C', &tag));
            }
            Outcome::Done(tag) => self.out.extend_from_slice(&text(b'C', &tag)),
            Outcome::CopyOut(data, columns) => {
                self.out.extend_from_slice(&copying(b'H', columns));
                let lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
                for line in &lines {
                    self.out.extend_from_slice(&message(b'd', line));
                }
                self.out.extend_from_slice(&message(b'c', &[]));
                self.out.extend_from_slice(&text(b'C', &format!("COPY {}", lines.len())));
            }
            Outcome::CopyIn(name, columns) => {
                self.out.extend_from_slice(&copying(b'G', columns));
                self.flush().await?;
                self.copied(&name, columns).await?;
            }
        }
        Ok(())
    }

    /// Takes the client's rows for a table.
    async fn copied(&mut self, name: &str, columns: usize) -> io::Result<()> {
        let mut data = Vec::new();
        loop {
            let Some((kind, body)) = self.next().await? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            match kind {
                b'd' if data.len() + body.len() <= COPY_MAX => data.extend_from_slice(&body),
                b'd' | b'H' | b'S' => {}
                b'c' => break,
                b'f' => {
                    let why = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(&body)).into_owned();
                    let error = Error::new(
                        "57014",
                        format!("COPY from stdin failed: {why}"),
                        ("copyfromparse.c", 315, "CopyGetData"),
                    );
                    self.fail(&error.context(format!("COPY {name}, line 1")));
                    return Ok(());
                }
                other => {
                    let text = format!("unexpected message type 0x{other:02X} during COPY from stdin");
                    self.fail(&Error::new("08P01", text, ("copyfromparse.c", 323, "CopyGetData")));
                    return Ok(());
                }
            }
        }
        let shown = data.get(..data.len().min(SHOWN)).unwrap_or_default();
        self.wire
            .session
            .record
            .event(Kind::Query, "copy_in")
            .text("db.collection", name)
            .bytes("db.rows", shown)
            .emit();
        if let Outcome::Done(tag) = self.engine.fill(name, &data, columns) {
            self.out.extend_from_slice(&text(b'C', &tag));
        }
        Ok(())
    }

    /// A message of a query in steps.
    async fn step(&mut self, kind: u8, body: &[u8]) -> io::Result<Result<(), Error>> {
        let broken = || Error::new("08P01", "invalid message format", ("pqformat.c", 636, "pq_getmsgend"));
        let mut cursor = Cursor(body);
        let string = |cursor: &mut Cursor<'_>| cursor.text().map(|t| String::from_utf8_lossy(t).into_owned());
        Ok(match kind {
            b'P' => match (string(&mut cursor), string(&mut cursor), cursor.be16()) {
                (Some(name), Some(sql), Some(count)) => {
                    let types = (0..count.min(256)).filter_map(|_| cursor.be32()).collect();
                    self.parse(Prepared { name, sql, types })
                }
                _ => Err(broken()),
            },
            b'B' => match bind(&mut cursor, &self.prepared) {
                Some(bound) => bound.map(|portal| {
                    self.portals.retain(|p| p.name != portal.name);
                    if self.portals.len() < PREPARED_MAX {
                        self.portals.push(portal);
                    }
                    self.out.extend_from_slice(&message(b'2', &[]));
                }),
                None => Err(broken()),
            },
            b'D' => match (cursor.u8(), string(&mut cursor)) {
                (Some(what), Some(name)) => self.describe(what == b'S', &name),
                _ => Err(broken()),
            },
            b'C' => match (cursor.u8(), string(&mut cursor)) {
                (Some(what), Some(name)) => {
                    if what == b'S' {
                        self.prepared.retain(|p| p.name != name);
                    } else {
                        self.portals.retain(|p| p.name != name);
                    }
                    self.out.extend_from_slice(&message(b'3', &[]));
                    Ok(())
                }
                _ => Err(broken()),
            },
            _ => match string(&mut cursor) {
                Some(name) => return self.execute(&name).await,
                None => Err(broken()),
            },
        })
    }

    fn parse(&mut self, prepared: Prepared) -> Result<(), Error> {
        let pieces = tokens(&prepared.sql).inspect_err(|e| self.note(&prepared.sql, false, Some(e)))?;
        let list = statements(&pieces);
        if list.len() > 1 {
            let text = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new("42601", text, ("postgres.c", 1419, "exec_parse_message")));
        }
        // Syntax is looked at here, so that errors come when they do.
        if let Some(statement) = list.first() {
            let mut parser = super::ast::Parser::new(&prepared.sql, statement);
            let verb = parser.peek().and_then(Token::name).unwrap_or_default();
            if verb == "select" {
                let read = parser.select().and_then(|_| parser.end());
                read.inspect_err(|e| self.note(&prepared.sql, false, Some(e)))?;
            } else if !VERBS.contains(&verb) {
                let error = parser.wrong();
                self.note(&prepared.sql, false, Some(&error));
                return Err(error);
            }
        }
        self.prepared.retain(|p| p.name != prepared.name);
        if self.prepared.len() < PREPARED_MAX {
            self.prepared.push(prepared);
        }
        self.out.extend_from_slice(&message(b'1', &[]));
        Ok(())
    }

    fn describe(&mut self, statement: bool, name: &str) -> Result<(), Error> {
        let (sql, formats, params) = if statement {
            let found = self.prepared.iter().find(|p| p.name == name).ok_or_else(|| no_statement(name))?;
            let count = parameters(&found.sql);
            let mut body = u16::try_from(count).unwrap_or(0).to_be_bytes().to_vec();
            for at in 0..count {
                let kind = found.types.get(at).copied().filter(|t| *t != 0).unwrap_or(25);
                body.extend_from_slice(&kind.to_be_bytes());
            }
            let sql = found.sql.clone();
            self.out.extend_from_slice(&message(b't', &body));
            (sql, Vec::new(), vec![Value::Null; count])
        } else {
            let found = self.portals.iter().find(|p| p.name == name).ok_or_else(|| no_portal(name))?;
            (found.sql.clone(), found.formats.clone(), found.params.clone())
        };
        self.engine.params = params;
        let pieces = tokens(&sql)?;
        let Some(statement) = statements(&pieces).first().copied() else {
            self.out.extend_from_slice(&message(b'n', &[]));
            return Ok(());
        };
        let verb = statement.first().and_then(|t| t.0.name()).unwrap_or_default();
        let columns = match verb {
            "select" | "values" | "table" | "with" => {
                let select = super::ast::Parser::new(&sql, statement).select()?;
                Some(kinds(self.engine, &select, None)?)
            }
            "show" => match self.engine.run(&sql, statement)? {
                Outcome::Rows(rows, _) => Some(rows.columns),
                _ => None,
            },
            _ => None,
        };
        match columns {
            Some(columns) => {
                self.out.extend_from_slice(&description(&Rows { columns, rows: Vec::new() }, &formats));
            }
            None => self.out.extend_from_slice(&message(b'n', &[])),
        }
        Ok(())
    }

    async fn execute(&mut self, name: &str) -> io::Result<Result<(), Error>> {
        let Some(portal) = self.portals.iter().find(|p| p.name == name) else {
            return Ok(Err(no_portal(name)));
        };
        let (sql, formats) = (portal.sql.clone(), portal.formats.clone());
        self.engine.params.clone_from(&portal.params);
        let pieces = match tokens(&sql) {
            Ok(pieces) => pieces,
            Err(error) => return Ok(Err(error)),
        };
        let Some(statement) = statements(&pieces).first().copied() else {
            self.out.extend_from_slice(&message(b'I', &[]));
            return Ok(Ok(()));
        };
        let done = self.engine.run(&sql, statement);
        self.note(&sql, done.is_ok(), done.as_ref().err());
        match done {
            Ok(outcome) => {
                self.outcome(outcome, false, &formats).await?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Words that statements begin with.
const VERBS: &[&str] = &[
    "select",
    "values",
    "table",
    "with",
    "copy",
    "insert",
    "update",
    "delete",
    "create",
    "drop",
    "show",
    "set",
    "explain",
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "alter",
    "truncate",
    "do",
    "vacuum",
    "analyze",
    "checkpoint",
    "listen",
    "notify",
    "unlisten",
    "grant",
    "revoke",
    "comment",
    "reindex",
    "cluster",
    "savepoint",
    "release",
    "call",
    "refresh",
    "security",
    "reassign",
    "import",
    "move",
    "prepare",
    "deallocate",
    "reset",
    "discard",
    "declare",
    "close",
    "load",
    "lock",
    "execute",
    "fetch",
];
