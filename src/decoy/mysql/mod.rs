//! MySQL and MariaDB: protocol 10, both default authentication plugins, and a small SQL session behind
//! an optional account.
//!
//! Bytes were taken from a genuine MariaDB 10.11.19 where it could be asked; MySQL's differ where its
//! documentation and sources do. No TLS is offered, no clear text is asked for, no file is touched.

mod auth;
mod expr;
mod packet;
mod product;
mod result;
mod schema;
mod show;
mod sql;
mod text;
mod union;
mod variables;
mod write;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use self::auth::{Login, Refused, cap};
use self::packet::{Read, Reader, frame};
use self::product::Product;
use self::result::{Error, Outcome, Style};
use self::sql::{Context, Sql};
use self::variables::Status;
use super::{Decoy, Served, Session, uptime};
use crate::decoy::software::Software;
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Longest a SLEEP() is waited for, in seconds.
const SLEEP_MAX: f64 = 30.0;
/// Commands after which a session ends.
const COMMANDS_MAX: u32 = 10_000;

/// Makes the MySQL decoy. Settings: `version`, `user` and `password` (an account that is let in; none:
/// every login fails).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let setting = |key: &str| {
        settings.get(key).and_then(|v| v.as_str()).filter(|v| !v.is_empty()).map(ToOwned::to_owned)
    };
    let account = match (setting("user"), setting("password")) {
        (user, Some(password)) => Some((user.unwrap_or_else(|| "root".into()), password)),
        _ => None,
    };
    let first = 40 + u32::try_from(persona.seed.number("mysql/connection", 9000)).unwrap_or(0);
    Arc::new(Mysql {
        product: Product::new(persona, settings),
        persona: persona.clone(),
        account,
        next: AtomicU32::new(first),
        open: AtomicU64::new(0),
        asked: AtomicU64::new(0),
    })
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let product = Product::new(persona, settings);
    Software::new(if product.brand == "MariaDB" { "mariadbd" } else { "mysqld" }, &product.version)
}

struct Mysql {
    product: Product,
    persona: Persona,
    account: Option<(String, String)>,
    next: AtomicU32,
    open: AtomicU64,
    asked: AtomicU64,
}

/// Counts a connection as long as it lives.
struct Open<'a>(&'a AtomicU64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Decoy for Mysql {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            self.open.fetch_add(1, Ordering::Relaxed);
            let _open = Open(&self.open);
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(Wire { session, reader: Reader::default() }).await;
        })
    }
}

/// The stream in packets.
struct Wire {
    session: Session,
    reader: Reader,
}

impl Wire {
    /// The next packet; none after the end, or after a break of the protocol that was answered.
    async fn packet(&mut self, sequence: u8) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = [0u8; 4096];
        loop {
            let (code, text) = match self.reader.next(sequence) {
                Read::Packet(packet) => return Ok(Some(packet)),
                Read::More => {
                    let got = self.session.read(&mut chunk).await?;
                    if got == 0 {
                        return Ok(None);
                    }
                    self.reader.feed(chunk.get(..got).unwrap_or_default());
                    continue;
                }
                Read::OutOfOrder => (1156, "Got packets out of order"),
                Read::TooLarge => (1153, "Got a packet bigger than 'max_allowed_packet' bytes"),
            };
            self.session.record.error("protocol", text);
            self.error(sequence, code, "08S01", text).await?;
            return Ok(None);
        }
    }

    async fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        frame(sequence, payload, &mut out);
        self.session.write(&out).await
    }

    async fn error(&mut self, sequence: u8, code: u16, state: &'static str, text: &str) -> io::Result<()> {
        let error = Error { code, state, text: text.to_owned() };
        self.send(sequence, &error.payload(true)).await
    }
}

/// Makes a scramble of random bytes: MariaDB draws visible characters, MySQL seven bits but NUL and `$`.
fn challenge(product: &Product, entropy: &mut [u8; 20]) {
    for byte in entropy {
        *byte = match (product.maria(), *byte & 0x7f) {
            (true, _) => b'!' + *byte % 94,
            (false, bits @ (0 | b'$')) => bits + 1,
            (false, bits) => bits,
        };
    }
}

impl Mysql {
    fn status(&self) -> Status {
        let now = jiff::Timestamp::now().as_second();
        let up = now.saturating_sub(uptime::booted(&self.persona, now)).saturating_sub(11).max(1);
        let up = u64::try_from(up).unwrap_or(1);
        Status {
            uptime: up,
            questions: up.saturating_mul(3) / 4 + self.asked.load(Ordering::Relaxed),
            threads: self.open.load(Ordering::Relaxed).max(1),
        }
    }

    async fn talk(&self, mut wire: Wire) -> io::Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut salt = [0u8; 20];
        if getrandom::fill(&mut salt).is_err() {
            return Ok(());
        }
        challenge(&self.product, &mut salt);
        wire.send(0, &auth::greeting(&self.product, id, &salt)).await?;
        let Some(packet) = wire.packet(1).await? else { return Ok(()) };
        let login = match auth::parse(&self.product, &packet) {
            Ok(login) => login,
            Err(Refused::BadHandshake) => {
                wire.session.record.error("protocol", "bad handshake");
                return wire.error(2, 1043, "08S01", "Bad handshake").await;
            }
            Err(Refused::Ancient(user, password)) => return self.ancient(&mut wire, &user, password).await,
        };
        let (login, sequence) = match self.switched(&mut wire, login, &salt).await? {
            Some(done) => done,
            None => return Ok(()),
        };
        let ok = self.admits(&login.user, &login.response, &salt);
        self.record(&wire, "login", &login, &salt, ok);
        if !ok {
            return self.denied(&mut wire, sequence, &login.user, &login.response).await;
        }
        self.session(wire, login, id, salt, sequence).await
    }

    /// Asks a client that came with another plugin to use ours, as a genuine server does.
    async fn switched(
        &self,
        wire: &mut Wire,
        mut login: Login,
        salt: &[u8; 20],
    ) -> io::Result<Option<(Login, u8)>> {
        let ours = self.product.plugin();
        match &login.plugin {
            Some(theirs) if theirs == ours.as_bytes() => return Ok(Some((login, 2))),
            None if !self.product.sha2 => return Ok(Some((login, 2))),
            None => {
                self.record(wire, "login", &login, salt, false);
                let text = "Client does not support authentication protocol requested by server; consider upgrading MySQL client";
                wire.error(2, 1251, "08004", text).await?;
                return Ok(None);
            }
            Some(_) => {}
        }
        wire.send(2, &auth::switch(&self.product, salt)).await?;
        let Some(response) = wire.packet(3).await? else {
            // It left, but told who it is.
            self.record(wire, "login", &login, salt, false);
            return Ok(None);
        };
        login.response = response.get(..response.len().min(256)).unwrap_or_default().to_vec();
        // An empty password travels as a single NUL here.
        if login.response == [0] {
            login.response.clear();
        }
        Ok(Some((login, 4)))
    }

    fn admits(&self, user: &[u8], response: &[u8], salt: &[u8; 20]) -> bool {
        self.account.as_ref().is_some_and(|(name, password)| {
            name.as_bytes() == user && auth::proves(&self.product, salt, response, password.as_bytes())
        })
    }

    fn record(&self, wire: &Wire, action: &str, login: &Login, salt: &[u8; 20], ok: bool) {
        let kind = if self.product.sha2 { SecretKind::MysqlCachingSha2 } else { SecretKind::MysqlNative };
        let record = &wire.session.record;
        let mut draft = record.event(Kind::Login, action).outcome(ok).user(&login.user);
        if !login.response.is_empty() {
            let response = hex::encode(&login.response);
            draft = draft.secret(response.as_bytes(), kind).field("mysql.salt", hex::encode(salt));
        }
        if let Some(database) = &login.database {
            draft = draft.bytes("db.name", database);
        }
        if let Some(plugin) = &login.plugin {
            draft = draft.bytes("mysql.client_plugin", plugin);
        }
        if !login.attributes.is_empty() {
            draft = draft.bytes("mysql.client_attributes", &auth::attributes_bytes(&login.attributes));
        }
        draft
            .field("mysql.auth_plugin", self.product.plugin())
            .field("mysql.capabilities", login.capabilities)
            .emit();
    }

    async fn denied(&self, wire: &mut Wire, sequence: u8, user: &[u8], response: &[u8]) -> io::Result<()> {
        let text = access_denied(user, &peer(&wire.session), !response.is_empty());
        wire.error(sequence, 1045, "28000", &text).await
    }

    /// A client from before 4.1, which knows no SQLSTATE.
    async fn ancient(&self, wire: &mut Wire, user: &[u8], password: bool) -> io::Result<()> {
        wire.session.record.event(Kind::Login, "login").outcome(false).user(user).emit();
        let (code, text) = if password {
            let text = "Client does not support authentication protocol requested by server; consider upgrading MariaDB client";
            (1251, text.to_owned())
        } else {
            (1045, access_denied(user, &peer(&wire.session), false))
        };
        let error = Error { code, state: "28000", text };
        wire.send(2, &error.payload(false)).await
    }

    async fn session(
        &self,
        mut wire: Wire,
        login: Login,
        id: u32,
        salt: [u8; 20],
        sequence: u8,
    ) -> io::Result<()> {
        let status = || self.status();
        let context = Context {
            product: &self.product,
            hostname: &self.persona.hostname,
            user: String::from_utf8_lossy(&login.user).into_owned(),
            peer: peer(&wire.session),
            hash: self
                .account
                .as_ref()
                .map_or_else(String::new, |(_, password)| auth::stored(&self.product, password)),
            connection: id,
            status: &status,
        };
        let mut sql = Sql::new(context, schema::build(&self.persona.seed, self.persona.born));
        let mut style = Style {
            capabilities: login.capabilities,
            extended: login.extended,
            charset: if login.charset == 0 { self.product.charset } else { login.charset },
            status: 2,
        };
        let mut sequence = sequence;
        if self.product.sha2 {
            // "Fast authentication succeeded".
            wire.send(sequence, &[1, 3]).await?;
            sequence = sequence.wrapping_add(1);
        }
        let chosen =
            login.database.as_deref().map(|name| sql.select_database(&String::from_utf8_lossy(name)));
        match chosen {
            Some(Outcome::Error(error)) => return wire.send(sequence, &error.payload(true)).await,
            _ => wire.send(sequence, &style.ok(0, "")).await?,
        }
        for _ in 0..COMMANDS_MAX {
            let Some(packet) = wire.packet(0).await? else { return Ok(()) };
            self.asked.fetch_add(1, Ordering::Relaxed);
            let (command, body) = packet.split_first().map_or((0xff, &[][..]), |(c, b)| (*c, b));
            let text = String::from_utf8_lossy(body);
            let mut out = Vec::new();
            let mut next = 1;
            match command {
                0x01 => return Ok(()),
                0x02 => {
                    note(&wire, "init_db", body);
                    style.put(&sql.select_database(&text), &mut next, &mut out);
                }
                0x03 => {
                    if self.query(&mut wire, &mut sql, &mut style, body, &mut out).await? {
                        wire.session.write(&out).await?;
                        return Ok(());
                    }
                }
                0x04 => {
                    note(&wire, "field_list", body);
                    let name = text.split('\0').next().unwrap_or_default();
                    match show::field_list(&sql, name) {
                        Ok(columns) => {
                            for column in &columns {
                                let default = if column.primary { Some("0") } else { None };
                                frame(next, &style.definition(column, 0, Some(default)), &mut out);
                                next = next.wrapping_add(1);
                            }
                            frame(next, &style.eof(), &mut out);
                        }
                        Err(error) => frame(next, &error.payload(true), &mut out),
                    }
                }
                0x09 => frame(1, self.status().line().as_bytes(), &mut out),
                0x0d | 0x0e | 0x1f => frame(1, &style.ok(0, ""), &mut out),
                0x11 => {
                    self.change_user(&mut wire, body, &salt).await?;
                    return Ok(());
                }
                0x16 => {
                    note(&wire, "prepare", body);
                    let text = "This command is not supported in the prepared statement protocol yet";
                    frame(
                        1,
                        &Error { code: 1295, state: "HY000", text: text.into() }.payload(true),
                        &mut out,
                    );
                }
                0x1b => {
                    let on = body.first() == Some(&0);
                    style.capabilities =
                        if on { style.capabilities | cap::MULTI } else { style.capabilities & !cap::MULTI };
                    frame(1, &style.eof(), &mut out);
                }
                // Statements that were never made are closed without an answer.
                0x18 | 0x19 => {}
                _ => {
                    wire.session
                        .record
                        .event(Kind::Command, "unknown")
                        .field("mysql.command", command)
                        .emit();
                    let error = Error { code: 1047, state: "08S01", text: "Unknown command".into() };
                    frame(1, &error.payload(true), &mut out);
                }
            }
            wire.session.write(&out).await?;
        }
        Ok(())
    }

    /// COM_QUERY: one statement, or several when the client may. True: the session ends.
    async fn query(
        &self,
        wire: &mut Wire,
        sql: &mut Sql<'_>,
        style: &mut Style,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let body =
            if style.capabilities & cap::QUERY_ATTRIBUTES != 0 { after_attributes(body) } else { body };
        let text = String::from_utf8_lossy(body);
        let word: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).take(24).collect();
        let word = word.to_ascii_lowercase();
        let statements = text::statements(&text);
        let mut outcomes = Vec::new();
        if statements.len() > 1 && style.capabilities & cap::MULTI == 0 {
            let second = statements.get(1).copied().unwrap_or_default().trim_start();
            let at = text.len() - text.find(second).map_or(0, |at| text.len() - at);
            outcomes.push(Outcome::from(sql.syntax(text.get(at..).unwrap_or_default())));
        } else {
            for statement in statements {
                let outcome = sql.run(statement);
                let failed = matches!(outcome, Outcome::Error(_));
                outcomes.push(outcome);
                if sql.sleep > 0.0 {
                    tokio::time::sleep(Duration::from_secs_f64(sql.sleep.min(SLEEP_MAX))).await;
                }
                if failed {
                    break;
                }
            }
        }
        let ok = !matches!(outcomes.last(), Some(Outcome::Error(_)));
        let action = if word.is_empty() { "query" } else { word.as_str() };
        wire.session.record.event(Kind::Query, action).outcome(ok).bytes("db.statement", body).emit();
        style.status = if sql.transaction { 3 } else { 2 };
        let mut sequence = 1;
        let count = outcomes.len();
        for (at, outcome) in outcomes.iter().enumerate() {
            // SERVER_MORE_RESULTS_EXISTS
            let more = if at + 1 < count { 8 } else { 0 };
            Style { status: style.status | more, ..*style }.put(outcome, &mut sequence, out);
            if out.len() > packet::PACKET_MAX {
                wire.session.write(&std::mem::take(out)).await?;
            }
        }
        Ok(word == "shutdown" && ok)
    }

    /// COM_CHANGE_USER: another login on the same connection, which ends it.
    async fn change_user(&self, wire: &mut Wire, body: &[u8], salt: &[u8; 20]) -> io::Result<()> {
        let mut cursor = packet::Cursor(body);
        let user = cursor.until_nul().to_vec();
        let length = cursor.byte().unwrap_or(0);
        let response = cursor.take(usize::from(length)).unwrap_or_default().to_vec();
        let database = Some(cursor.until_nul().to_vec()).filter(|d| !d.is_empty());
        let login = Login { user, response, database, ..Login::default() };
        self.record(wire, "change_user", &login, salt, false);
        self.denied(wire, 1, &login.user, &login.response).await
    }
}

/// The peer as the server names it.
fn peer(session: &Session) -> String {
    session.source.ip().to_canonical().to_string()
}

/// What follows the query attributes of a MySQL 8 client; it sends none of them but their count.
fn after_attributes(body: &[u8]) -> &[u8] {
    let mut cursor = packet::Cursor(body);
    match (cursor.lenenc(), cursor.lenenc()) {
        (Some(0), Some(1)) => cursor.0,
        _ => body,
    }
}

fn note(wire: &Wire, action: &str, body: &[u8]) {
    wire.session.record.event(Kind::Query, action).bytes("db.statement", body).emit();
}

fn access_denied(user: &[u8], peer: &str, password: bool) -> String {
    let user: String = String::from_utf8_lossy(user).chars().take(128).collect();
    let used = if password { "YES" } else { "NO" };
    format!("Access denied for user '{user}'@'{peer}' (using password: {used})")
}

#[cfg(test)]
mod tests;
