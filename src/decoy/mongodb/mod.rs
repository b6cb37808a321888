//! MongoDB: OP_MSG and OP_QUERY, the commands that drivers, scanners and extortionists send, and a small store.
//!
//! Without an account everybody is let in, as most servers that are found this way do; what a visitor drops
//! or writes is changed for that visitor's address alone. No code in a query is run.

mod bson;
mod commands;
mod info;
mod login;
mod query;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use self::bson::{Doc, Value, get, object};
use self::info::Server;
use self::login::Login;
use self::store::Store;
use super::buffered::{Buffered, Cursor};
use super::setting::{flag, text};
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Longest message that is taken in; a genuine server takes 48,000,000 bytes.
const MESSAGE_MAX: usize = 1 << 20;
/// Most visitors with a copy of the store.
const COPIES_MAX: usize = 16;
/// Most of a command that an event shows.
const SHOWN: usize = 4096;
/// Longest wait for a change of the topology, which never comes.
const AWAIT_MAX: Duration = Duration::from_secs(10);
/// Most commands of a session.
const COMMANDS_MAX: u32 = 20_000;

/// Makes the MongoDB decoy. Settings: `version`, `user` and `password` (an account; with it everybody has to
/// log in), `auth` (asks for a login without any account).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let account = text(settings, "user")
        .map(|user| (user.to_owned(), text(settings, "password").unwrap_or_default().to_owned()));
    let first = 8 + i32::try_from(persona.seed.number("mongodb/connection", 3000)).unwrap_or(0);
    Arc::new(Mongo {
        server: Server::new(persona, settings),
        auth: flag(settings, "auth").unwrap_or(account.is_some()),
        account,
        bait: OnceLock::new(),
        copies: Mutex::default(),
        next: AtomicI32::new(first),
        first,
        open: AtomicI32::new(0),
        asked: AtomicI64::new(0),
    })
}

struct Mongo {
    server: Server,
    auth: bool,
    account: Option<(String, String)>,
    bait: OnceLock<Store>,
    copies: Mutex<BTreeMap<IpAddr, Store>>,
    next: AtomicI32,
    first: i32,
    open: AtomicI32,
    asked: AtomicI64,
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("mongod", &Server::new(persona, settings).version)
}

impl Decoy for Mongo {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            self.open.fetch_add(1, Ordering::Relaxed);
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(Buffered::new(session)).await;
            self.open.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

/// A connection.
struct Conn {
    id: i32,
    login: Login,
}

/// What a command comes to.
struct Answer {
    doc: Doc,
    /// Answered only after this time.
    wait: Duration,
    /// The connection ends after it.
    close: bool,
}

impl From<Doc> for Answer {
    fn from(doc: Doc) -> Self {
        Self { doc, wait: Duration::ZERO, close: false }
    }
}

/// A refusal.
fn error(code: i32, name: &str, text: impl Into<String>) -> Doc {
    object! { "ok" => 0.0, "errmsg" => text.into(), "code" => code, "codeName" => name }
}

/// A message as it came.
struct Message {
    id: i32,
    opcode: u32,
    body: Vec<u8>,
}

impl Mongo {
    /// The next message; none at the end, or when it is broken or too long.
    async fn next(wire: &mut Buffered) -> io::Result<Option<Message>> {
        let Some(head) = wire.exact(16).await? else { return Ok(None) };
        let mut cursor = Cursor(&head);
        let length = usize::try_from(cursor.le32().unwrap_or(0)).unwrap_or(usize::MAX);
        let id = cursor.le32().unwrap_or(0).cast_signed();
        let opcode = Cursor(head.get(12..).unwrap_or_default()).le32().unwrap_or(0);
        match length.checked_sub(16) {
            Some(length) if length <= MESSAGE_MAX => {
                Ok(wire.exact(length).await?.map(|body| Message { id, opcode, body }))
            }
            Some(_) if length <= 48_000_000 => {
                wire.session.record.error("limit", "message larger than this decoy takes in");
                Ok(None)
            }
            _ => {
                wire.session.record.event(Kind::Error, "protocol").bytes("mongodb.header", &head).emit();
                Ok(None)
            }
        }
    }

    async fn talk(&self, mut wire: Buffered) -> io::Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut conn = Conn { id, login: Login::default() };
        for _ in 0..COMMANDS_MAX {
            let Some(message) = Self::next(&mut wire).await? else { return Ok(()) };
            let Some(answer) = self.message(&mut wire, &mut conn, &message) else { return Ok(()) };
            let Some((reply, wait, close)) = answer else { continue };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            wire.write(&reply).await?;
            if close {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers a message: none ends the connection; there may be nothing to say.
    fn message(
        &self,
        wire: &mut Buffered,
        conn: &mut Conn,
        message: &Message,
    ) -> Option<Option<(Vec<u8>, Duration, bool)>> {
        let broken = |what: &str| {
            wire.session.record.event(Kind::Error, "protocol").text("error.message", what).emit();
        };
        match message.opcode {
            2013 => {
                let Some((flags, command)) = op_msg(&message.body) else {
                    broken("malformed OP_MSG");
                    return None;
                };
                let database = get(&command, "$db").and_then(Value::text).unwrap_or_default().to_owned();
                let answer = self.command(wire, conn, &database, &command);
                if flags & 2 != 0 {
                    return Some(None);
                }
                let body = [&[0; 5][..], &bson::bytes(&answer.doc)].concat();
                Some(Some((frame(message.id, 2013, &body), answer.wait, answer.close)))
            }
            2004 => {
                let Some((collection, query)) = op_query(&message.body) else {
                    broken("malformed OP_QUERY");
                    return None;
                };
                let (database, rest) = collection.split_once('.').unwrap_or((&collection, ""));
                let answer = if rest == "$cmd" {
                    self.old_command(wire, conn, database, &query)
                } else {
                    self.old_find(wire, conn, database, rest, &query)
                };
                let mut body = Vec::new();
                let failed = answer.first().is_some_and(|d| get(d, "$err").is_some());
                body.extend_from_slice(&if failed { 2u32 } else { 8 }.to_le_bytes());
                body.extend_from_slice(&[0; 12]);
                body.extend_from_slice(&u32::try_from(answer.len()).unwrap_or(0).to_le_bytes());
                for doc in &answer {
                    body.extend_from_slice(&bson::bytes(doc));
                }
                Some(Some((frame(message.id, 1, &body), Duration::ZERO, false)))
            }
            // Writes of the old protocol are not answered; newer servers hang up on them.
            2001 | 2002 | 2006 | 2007 => {
                let shown = message.body.get(..message.body.len().min(SHOWN)).unwrap_or_default();
                let event = wire.session.record.event(Kind::Query, "legacy_write");
                event.field("mongodb.opcode", message.opcode).bytes("mongodb.body", shown).emit();
                if self.server.modern() { None } else { Some(None) }
            }
            opcode => {
                wire.session.record.event(Kind::Error, "protocol").field("mongodb.opcode", opcode).emit();
                None
            }
        }
    }

    /// A command by OP_QUERY.
    fn old_command(&self, wire: &mut Buffered, conn: &mut Conn, database: &str, query: &Doc) -> Vec<Doc> {
        let query = get(query, "$query").and_then(Value::doc).unwrap_or(query);
        let name = query.first().map(|(n, _)| n.as_str()).unwrap_or_default();
        let greeting = ["ismaster", "hello"].iter().any(|g| name.eq_ignore_ascii_case(g));
        if self.server.modern() && !greeting {
            commands::record(wire, database, query, false);
            let text = format!(
                "Unsupported OP_QUERY command: {name}. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal"
            );
            return vec![error(352, "UnsupportedOpQueryCommand", text)];
        }
        vec![self.command(wire, conn, database, query).doc]
    }

    /// A query by OP_QUERY.
    fn old_find(
        &self,
        wire: &mut Buffered,
        conn: &mut Conn,
        database: &str,
        collection: &str,
        query: &Doc,
    ) -> Vec<Doc> {
        let filter = get(query, "$query").and_then(Value::doc).unwrap_or(query);
        let find = object! { "find" => collection, "filter" => filter.clone() };
        if self.server.modern() {
            commands::record(wire, database, &find, false);
            let text = "OP_QUERY is no longer supported. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal";
            return vec![object! { "$err" => text, "code" => 5_739_101, "ok" => 0.0 }];
        }
        let answer = self.command(wire, conn, database, &find).doc;
        if let Some(text) = get(&answer, "errmsg").and_then(Value::text) {
            let code = get(&answer, "code").cloned().unwrap_or(Value::Null);
            return vec![object! { "$err" => text, "code" => code }];
        }
        let batch = get(&answer, "cursor").and_then(Value::doc).and_then(|c| get(c, "firstBatch"));
        batch.and_then(Value::array).unwrap_or_default().iter().filter_map(|v| v.doc().cloned()).collect()
    }

    /// Looks at what a visitor sees.
    fn look<T>(&self, source: IpAddr, look: impl FnOnce(&Store) -> T) -> T {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        match copies.get(&source) {
            Some(store) => look(store),
            None => look(self.bait()),
        }
    }

    /// Changes what a visitor sees.
    fn change<T>(&self, source: IpAddr, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if !copies.contains_key(&source) && copies.len() >= COPIES_MAX {
            copies.pop_first();
        }
        change(copies.entry(source).or_insert_with(|| self.bait().clone()))
    }

    fn bait(&self) -> &Store {
        self.bait.get_or_init(|| Store::bait(&self.server.persona.seed, self.server.persona.born))
    }
}

/// Reads the body of an OP_MSG: its flags, and the command with its document sequences put into it.
fn op_msg(body: &[u8]) -> Option<(u32, Doc)> {
    let mut cursor = Cursor(body);
    let flags = cursor.le32()?;
    // Bits that must be understood.
    if flags & 0xfffc != 0 {
        return None;
    }
    if flags & 1 != 0 {
        let end = cursor.0.len().checked_sub(4)?;
        cursor.0 = cursor.0.get(..end)?;
    }
    let mut command = None;
    let mut sequences = Vec::new();
    while !cursor.0.is_empty() {
        match cursor.u8()? {
            0 if command.is_none() => command = Some(bson::take(&mut cursor)?),
            1 if sequences.len() < 8 => {
                let size = usize::try_from(cursor.le32()?).ok()?;
                let mut inner = Cursor(cursor.take(size.checked_sub(4)?)?);
                let name = std::str::from_utf8(inner.text()?).ok()?.to_owned();
                let mut list = Vec::new();
                while !inner.0.is_empty() {
                    if list.len() >= 10_000 {
                        return None;
                    }
                    list.push(Value::Doc(bson::take(&mut inner)?));
                }
                sequences.push((name, Value::Array(list)));
            }
            _ => return None,
        }
    }
    let mut command = command?;
    command.extend(sequences);
    Some((flags, command))
}

/// Reads the body of an OP_QUERY: the collection, and the query.
fn op_query(body: &[u8]) -> Option<(String, Doc)> {
    let mut cursor = Cursor(body);
    cursor.le32()?;
    let collection = std::str::from_utf8(cursor.text()?).ok()?.to_owned();
    cursor.take(8)?;
    Some((collection, bson::take(&mut cursor)?))
}

/// A message of the server.
fn frame(to: i32, opcode: u32, body: &[u8]) -> Vec<u8> {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    let length = u32::try_from(body.len().saturating_add(16)).unwrap_or(u32::MAX);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let head = [length.to_le_bytes(), id.to_le_bytes(), to.to_le_bytes(), opcode.to_le_bytes()];
    [&head.concat()[..], body].concat()
}

#[cfg(test)]
mod tests;
