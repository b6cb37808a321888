//! PostgreSQL: protocol 3 with its exact errors, SCRAM, MD5 and clear passwords, and a small SQL session behind
//! an account that is easily guessed.
//!
//! Bytes were compared with a genuine PostgreSQL 15.20 of Debian 12; numbers in errors before a login also with
//! 12.22, 13.23, 14.23, 16.9 and 18.1. Programs that a client wants run are imitated by the decoy shell.

mod about;
mod ast;
mod auth;
mod bait;
mod call;
mod catalog;
mod change;
mod copy;
mod engine;
mod eval;
mod expr;
mod extended;
mod files;
mod func;
mod lex;
mod portal;
mod product;
mod reply;
mod select;
mod value;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use self::auth::{METHODS, Method};
use self::engine::{Context, Engine};
use self::product::Product;
use self::wire::{Error, message, parameter, ready};
use super::buffered::{Buffered, Cursor};
use super::setting::text;
use super::tls::{Subject, Tls};
use super::vfs::Vfs;
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Longest first packet, as the genuine server has it.
const STARTUP_MAX: usize = 10_000;
/// Longest token of GSSAPI that is waited for.
const TOKEN_MAX: usize = 16_384;
/// Longest message after the login; a genuine server takes a gigabyte.
const MESSAGE_MAX: usize = 1 << 20;
/// Messages after which a session ends.
const MESSAGES_MAX: u32 = 50_000;

/// Makes the PostgreSQL decoy. Settings: `version`, `auth`, `user` and `password` (an account that gets in; a blank
/// password: nobody does).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let product = Product::new(persona, settings);
    let word = text(settings, "auth");
    let method = METHODS.iter().find(|m| Some(m.0) == word).map(|m| m.1);
    let usual = if product.scram() { Method::Scram } else { Method::Md5 };
    let user = text(settings, "user").unwrap_or("postgres").to_owned();
    let password = match settings.get("password").and_then(|p| p.as_str()) {
        Some(password) => password.to_owned(),
        None => "postgres".to_owned(),
    };
    Arc::new(Postgres {
        method: method.unwrap_or(usual),
        account: (!password.is_empty()).then_some((user, password)),
        tls: product.tls.then(|| Tls::derived(persona, "snakeoil", Subject::host(persona))),
        product,
        persona: persona.clone(),
        next: AtomicU32::new(0),
        files: OnceLock::new(),
    })
}

struct Postgres {
    product: Product,
    method: Method,
    account: Option<(String, String)>,
    tls: Option<Tls>,
    persona: Persona,
    next: AtomicU32,
    files: OnceLock<Vfs>,
}

/// What a client says at first.
struct Startup {
    user: Vec<u8>,
    database: Vec<u8>,
    application: String,
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("postgres", &Product::new(persona, settings).shown)
}

impl Decoy for Postgres {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(session).await;
        })
    }
}

impl Postgres {
    async fn talk(&self, session: Session) -> io::Result<()> {
        let mut wire = Buffered::new(session);
        let (mut asked_tls, mut asked_gss) = (false, false);
        loop {
            let Some(packet) = Self::packet(&mut wire).await? else { return Ok(()) };
            let version = Cursor(&packet).be32().unwrap_or(0);
            match version {
                // SSLRequest.
                80_877_103 if !asked_tls => {
                    asked_tls = true;
                    let Some(tls) = &self.tls else {
                        wire.write(b"N").await?;
                        continue;
                    };
                    wire.write(b"S").await?;
                    // Whatever came in clear text before the handshake is dropped: it is no part of it.
                    let (session, _) = tls.accept(wire.session).await?;
                    wire = Buffered::new(session);
                }
                // GSSENCRequest.
                80_877_104 if !asked_gss && self.product.major >= 12 => {
                    asked_gss = true;
                    wire.session.record.event(Kind::Request, "gssenc").emit();
                    if !self.product.gss {
                        wire.write(b"N").await?;
                        continue;
                    }
                    wire.write(b"G").await?;
                    // Without a key table the first token ends it.
                    if let Some(head) = wire.exact(4).await? {
                        let length = Cursor(&head).be32().and_then(|n| usize::try_from(n).ok());
                        wire.skip(length.unwrap_or(0).min(TOKEN_MAX)).await?;
                    }
                    return Ok(());
                }
                // CancelRequest: never answered.
                80_877_102 => {
                    wire.session.record.event(Kind::Request, "cancel").emit();
                    return Ok(());
                }
                _ => return self.startup(wire, &packet, version).await,
            }
        }
    }

    /// The next packet without a type, as long as it can be one.
    async fn packet(wire: &mut Buffered) -> io::Result<Option<Vec<u8>>> {
        let Some(head) = wire.exact(4).await? else { return Ok(None) };
        let length = usize::try_from(Cursor(&head).be32().unwrap_or(0)).unwrap_or(usize::MAX);
        match length.checked_sub(4) {
            Some(length @ 4..=STARTUP_MAX) => wire.exact(length).await,
            _ => {
                let rest = wire.pending();
                let shown = [&head, rest.get(..rest.len().min(256)).unwrap_or_default()].concat();
                let event = wire.session.record.event(Kind::Error, "protocol");
                event
                    .text("error.message", "invalid length of startup packet")
                    .bytes("postgres.packet", &shown)
                    .emit();
                Ok(None)
            }
        }
    }

    async fn refuse(&self, wire: &mut Buffered, error: Error) -> io::Result<()> {
        wire.session.record.error("startup", &error.text);
        wire.write(&error.message(&self.product)).await
    }

    async fn startup(&self, mut wire: Buffered, packet: &[u8], version: u32) -> io::Result<()> {
        let lines = self.product.lines;
        let place = |line| (self.product.startup_file(), line, "ProcessStartupPacket");
        let (major, minor) = (version >> 16, version & 0xffff);
        if major != 3 {
            let range = self.product.range();
            let text = format!("unsupported frontend protocol {major}.{minor}: server supports {range}");
            if major < 3 {
                // Clients of protocol 2 get a text.
                wire.session.record.error("startup", &text);
                return wire.write(format!("EFATAL:  {text}\n\0").as_bytes()).await;
            }
            return self.refuse(&mut wire, Error::fatal("0A000", text, place(lines.protocol))).await;
        }
        let mut cursor = Cursor(packet.get(4..).unwrap_or_default());
        let mut pairs = Vec::new();
        let mut unknown = Vec::new();
        let whole = loop {
            match cursor.text() {
                Some(b"") => break cursor.0.is_empty(),
                Some(name) => {
                    let Some(value) = cursor.text() else { break false };
                    if name.starts_with(b"_pq_.") {
                        unknown.push(name);
                    }
                    pairs.push((name, value));
                }
                None => break false,
            }
        };
        if !whole {
            let text = "invalid startup packet layout: expected terminator as last byte";
            return self.refuse(&mut wire, Error::fatal("08P01", text, place(lines.layout))).await;
        }
        let value = |name: &[u8]| pairs.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| *v);
        if let Some(replication) = value(b"replication") {
            let known: &[&[u8]] = &[b"database", b"true", b"false", b"on", b"off", b"1", b"0", b"yes", b"no"];
            if !known.contains(&replication) {
                let shown = String::from_utf8_lossy(replication);
                let text = format!("invalid value for parameter \"replication\": \"{shown}\"");
                let hint = "Valid values are: \"false\", 0, \"true\", 1, \"database\".";
                let error = Error::fatal("22023", text, place(lines.replication)).hint(hint);
                return self.refuse(&mut wire, error).await;
            }
        }
        let Some(user) = value(b"user").filter(|user| !user.is_empty()) else {
            let text = "no PostgreSQL user name specified in startup packet";
            return self.refuse(&mut wire, Error::fatal("28000", text, place(lines.user))).await;
        };
        // Names are cut to what a name may have.
        let cut = |name: &[u8]| name.get(..name.len().min(63)).unwrap_or_default().to_vec();
        let startup = Startup {
            user: cut(user),
            database: cut(value(b"database").filter(|d| !d.is_empty()).unwrap_or(user)),
            application: String::from_utf8_lossy(value(b"application_name").unwrap_or_default()).into_owned(),
        };
        let event = wire.session.record.event(Kind::Connection, "startup").user(&startup.user);
        let event =
            event.bytes("db.name", &startup.database).text("postgres.application", &startup.application);
        event.field("postgres.protocol", format!("{major}.{minor}")).emit();
        let newest = if self.product.major >= 18 { 2 } else { 0 };
        if self.product.major >= 10 && (minor > newest || !unknown.is_empty()) {
            let mut body = (3u32 << 16 | minor.min(newest)).to_be_bytes().to_vec();
            body.extend_from_slice(&u32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
            for name in unknown {
                body.extend_from_slice(name);
                body.push(0);
            }
            wire.write(&message(b'v', &body)).await?;
        }
        if !self.authenticate(&mut wire, &startup).await? {
            return Ok(());
        }
        self.session(wire, &startup).await
    }

    /// Whether there is a role of this name.
    fn knows(&self, user: &str) -> bool {
        let own = self.account.as_ref().is_some_and(|(name, _)| name == user);
        own || user == "postgres" || bait::databases(&self.persona.seed).last().is_some_and(|app| app == user)
    }

    async fn session(&self, mut wire: Buffered, startup: &Startup) -> io::Result<()> {
        let user = String::from_utf8_lossy(&startup.user).into_owned();
        let database = String::from_utf8_lossy(&startup.database).into_owned();
        let databases = bait::databases(&self.persona.seed);
        if self.method == Method::Trust && !self.knows(&user) {
            let text = format!("role \"{user}\" does not exist");
            let error = Error::fatal("28000", text, ("miscinit.c", 775, "InitializeSessionUserId"));
            return self.refuse(&mut wire, error).await;
        }
        if !databases.contains(&database) {
            let text = format!("database \"{database}\" does not exist");
            let error = Error::fatal("3D000", text, ("postinit.c", 948, "InitPostgres"));
            return self.refuse(&mut wire, error).await;
        }
        // Other connections of a busy machine come in between.
        let step = 1 + self.next.fetch_add(1, Ordering::Relaxed) * 3;
        let pid = 20_000 + u32::try_from(self.persona.seed.number("postgres/pid", 400_000)).unwrap_or(0);
        let mut key = [0u8; 4];
        if getrandom::fill(&mut key).is_err() {
            return Ok(());
        }
        let source = wire.session.source;
        let context = Context {
            product: &self.product,
            persona: &self.persona,
            user,
            database,
            pid: pid.wrapping_add(step),
            peer: source,
            application: startup.application.clone(),
            files: self.files.get_or_init(|| Vfs::new(&self.persona)).clone(),
            record: wire.session.record.clone(),
            account: self.account.as_ref().map(|(user, password)| (user.as_str(), password.as_str())),
        };
        let mut engine = Engine::new(context);
        let mut out = Vec::new();
        for name in self.product.parameters() {
            out.extend_from_slice(&parameter(name, &engine.parameter(name).unwrap_or_default()));
        }
        let pid = engine.context.pid.to_be_bytes();
        out.extend_from_slice(&message(b'K', &[pid, key].concat()));
        out.extend_from_slice(&ready(b'I'));
        wire.write(&out).await?;
        extended::serve(&mut wire, &mut engine).await
    }
}

#[cfg(test)]
mod tests;
