//! Telnet: the server programs distributions ship, a login, and a shell behind it.
//!
//! Two servers are played: the one most Linux distributions package (its option requests are compared
//! with the packaged program's), and BusyBox's on Alpine.

mod login;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::accounts::Policy;
use super::cast::Cast;
use super::shell::{Shell, Tty, TtyEvent};
use super::vfs::Vfs;
use super::vfs::distro::Family;
use super::{Decoy, Served, Session};
use crate::event::{Bytes, Kind, SecretKind};
use crate::model::{Persona, Settings};
use wire::{
    Client, DO, ECHO, IAC, LFLOW, NAWS, NEW_ENVIRON, SGA, STATUS, TSPEED, TTYPE, WILL, Wire, XDISPLOC, encode,
};

/// A telnet service of one decky.
pub(super) struct Telnet {
    policy: Policy,
    vfs: Vfs,
    busybox: bool,
    /// Time a wrong password costs, and how long a silent client's options are waited for.
    delay: Duration,
    patience: Duration,
}

/// How long a login may take in all.
const LOGIN_TIME: Duration = Duration::from_secs(60);
/// Longest user name that is passed on.
const MAX_NAME: usize = 256;
/// Most bytes kept of a client that never logs in.
const MAX_FIRST: usize = 512;
/// Most commands of a session that are recorded one by one.
const MAX_COMMANDS: usize = 2_000;

/// Makes the decoy. Settings: `accept`, `password`, `user`, `user_password`.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Telnet::new(persona, settings, Duration::from_millis(2_400), Duration::from_millis(2_500)))
}

impl Telnet {
    fn new(persona: &Persona, settings: &Settings, delay: Duration, patience: Duration) -> Self {
        let vfs = Vfs::new(persona);
        let busybox = vfs.machine().distro.family == Family::Alpine;
        let jitter = Duration::from_millis(vfs.machine().number("telnet/delay", 900));
        let delay = if delay.is_zero() { delay } else { delay + jitter };
        Self { policy: Policy::new(settings), vfs, busybox, delay, patience }
    }
}

impl Decoy for Telnet {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let asked: &'static [u8] = if self.busybox {
                &[ECHO, NAWS, SGA]
            } else {
                &[ECHO, NAWS, SGA, TTYPE, TSPEED, XDISPLOC, NEW_ENVIRON, STATUS, LFLOW]
            };
            let mut line = Line {
                session,
                wire: Wire::new(asked),
                inbox: VecDeque::new(),
                tty: Tty::new(),
                patience: self.patience,
                first: Vec::new(),
                tried: false,
                cast: None,
            };
            // Any failure is the end of the connection, which the worker records.
            let _ = self.talk(&mut line).await;
            if !line.tried && !line.first.is_empty() {
                // Somebody spoke another protocol, or left before the password.
                line.session.record.event(Kind::Request, "data").bytes("telnet.data", &line.first).emit();
            }
        })
    }
}

/// Why a conversation ended.
enum End {
    Closed,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

/// One connection with its protocol state.
struct Line {
    session: Session,
    wire: Wire,
    /// Data that was sent ahead.
    inbox: VecDeque<u8>,
    tty: Tty,
    patience: Duration,
    /// The first bytes that came, kept until a login was tried.
    first: Vec<u8>,
    tried: bool,
    /// From the login on.
    cast: Option<Cast>,
}

impl Line {
    /// Sends text.
    async fn say(&mut self, text: &[u8]) -> Result<(), End> {
        self.shown(text);
        Ok(self.session.write(&encode(text)).await?)
    }

    fn shown(&mut self, text: &[u8]) {
        if let Some(cast) = &mut self.cast {
            cast.output(&crate::decoy::render::crlf(text));
        }
    }

    /// Reads once from the wire.
    async fn fill(&mut self) -> Result<(), End> {
        let mut buffer = [0u8; 2048];
        let got = self.session.read(&mut buffer).await?;
        if got == 0 {
            return Err(End::Closed);
        }
        let room = MAX_FIRST.saturating_sub(self.first.len());
        self.first.extend(buffer.iter().take(got.min(room)));
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        self.wire.feed(buffer.get(..got).unwrap_or_default(), &mut data, &mut reply);
        self.inbox.extend(data);
        if !reply.is_empty() {
            self.session.write(&reply).await?;
        }
        Ok(())
    }

    /// Waits until the client has answered, sent data ahead, or been silent for too long.
    async fn settle(&mut self, patience: Duration, answered: impl Fn(&Client) -> bool) -> Result<(), End> {
        let until = Instant::now() + patience;
        while !answered(&self.wire.client) && self.inbox.is_empty() {
            match tokio::time::timeout_at(until, self.fill()).await {
                Ok(done) => done?,
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next finished line, interrupt or end; echoes on the way. One byte after the other: what was
    /// sent ahead must meet the terminal in the state it has by then.
    async fn event(&mut self) -> Result<TtyEvent, End> {
        loop {
            let mut shown = Vec::new();
            let mut event = None;
            while let Some(byte) = self.inbox.pop_front() {
                event = self.tty.feed(&[byte], &mut shown).into_iter().next();
                if event.is_some() {
                    break;
                }
            }
            if !shown.is_empty() {
                self.shown(&shown);
                self.session.write(&encode(&shown)).await?;
            }
            match event {
                Some(event) => return Ok(event),
                None => self.fill().await?,
            }
        }
    }
}

impl Telnet {
    async fn talk(&self, line: &mut Line) -> Result<(), End> {
        self.negotiate(line).await?;
        let user = match tokio::time::timeout(LOGIN_TIME, self.login(line)).await {
            Ok(user) => user?,
            Err(_) => {
                if !self.busybox {
                    line.say(b"\r\nLogin timed out after 60 seconds.\r\n").await?;
                }
                return Ok(());
            }
        };
        if let Some(user) = user {
            self.shell(line, &user).await?;
        }
        Ok(())
    }

    /// Options, in the order and with the pauses of the server that is played.
    async fn negotiate(&self, line: &mut Line) -> Result<(), End> {
        if self.busybox {
            line.session.write(&[IAC, DO, ECHO, IAC, DO, NAWS, IAC, WILL, ECHO, IAC, WILL, SGA]).await?;
            return Ok(());
        }
        const WANTED: [u8; 4] = [TTYPE, TSPEED, XDISPLOC, NEW_ENVIRON];
        line.session.write(&WANTED.map(|option| [IAC, DO, option]).concat()).await?;
        let settled =
            |client: &Client| WANTED.iter().all(|o| client.wills.contains(o) || client.wonts.contains(o));
        line.settle(line.patience, settled).await?;
        let willing: Vec<u8> = [TSPEED, XDISPLOC, NEW_ENVIRON, TTYPE]
            .into_iter()
            .filter(|option| line.wire.client.wills.contains(option))
            .collect();
        if !willing.is_empty() {
            let send: Vec<u8> = willing.iter().flat_map(|option| [IAC, 250, *option, 1, IAC, 240]).collect();
            line.session.write(&send).await?;
            let told = |client: &Client| willing.iter().all(|option| client.told.contains(option));
            line.settle(line.patience / 2, told).await?;
        }
        let rest = [IAC, WILL, SGA, IAC, DO, ECHO, IAC, DO, NAWS, IAC, WILL, STATUS, IAC, DO, LFLOW];
        line.session.write(&rest).await?;
        let echo = |client: &Client| client.wills.contains(&ECHO) || client.wonts.contains(&ECHO);
        line.settle(line.patience / 2, echo).await?;
        line.session.write(&[IAC, WILL, ECHO]).await?;
        Ok(())
    }

    /// Records what the client told about itself, once.
    fn note(line: &Line) {
        let client = &line.wire.client;
        if client.terminal.is_none() && client.window.is_none() && client.environ.is_empty() {
            return;
        }
        let mut draft = line.session.record.event(Kind::Connection, "options");
        if let Some(terminal) = &client.terminal {
            draft = draft.bytes("telnet.terminal", terminal);
        }
        if let Some((columns, rows)) = client.window {
            draft = draft.field("telnet.columns", columns).field("telnet.rows", rows);
        }
        if !client.environ.is_empty() {
            let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
                Bytes::new(&[name, &b"="[..], value].concat()).to_value()
            };
            draft = draft.field("telnet.environ", client.environ.iter().map(pair).collect::<Vec<Value>>());
        }
        draft.emit();
    }

    /// Asks for names and passwords; the name that got in, none when the server gave up.
    async fn login(&self, line: &mut Line) -> Result<Option<Vec<u8>>, End> {
        let machine = self.vfs.machine().clone();
        line.say(login::greeting(&machine).as_bytes()).await?;
        let prompt = format!("{} login: ", login::host(&machine));
        // A name that came with the options stands in for the first answer.
        let environ = line.wire.client.environ.iter();
        let mut given = environ.filter(|(name, _)| name == b"USER").map(|(_, value)| value.clone()).next();
        for attempt in 1..=login::tries(&machine) {
            let user = match given.take().filter(|name| !name.is_empty() && !name.starts_with(b"-")) {
                Some(name) => name,
                None => {
                    let Some(name) = self.name(line, &prompt).await? else { return Ok(None) };
                    name
                }
            };
            line.tty.set_echo(false);
            line.say(b"Password: ").await?;
            let event = line.event().await?;
            line.tty.set_echo(true);
            let TtyEvent::Line(password) = event else { return Ok(None) };
            if attempt == 1 {
                line.tried = true;
                Self::note(line);
            }
            let ok = self.policy.admits(&user, &password);
            line.session.record.login("password", &user, Some((&password, SecretKind::Plaintext)), ok);
            if ok {
                return Ok(Some(user));
            }
            // As long as the real one takes, and not the same time twice.
            let jitter =
                Duration::from_millis(u64::from(line.session.source.port()) * u64::from(attempt) % 400);
            tokio::time::sleep(if self.delay.is_zero() { self.delay } else { self.delay + jitter }).await;
            line.say(login::refusal(&machine, attempt).as_bytes()).await?;
        }
        Ok(None)
    }

    async fn name(&self, line: &mut Line, prompt: &str) -> Result<Option<Vec<u8>>, End> {
        // Empty names are asked again, ten times at most.
        for _ in 0..10 {
            line.say(prompt.as_bytes()).await?;
            match line.event().await? {
                TtyEvent::Line(mut name) => {
                    name.truncate(MAX_NAME);
                    if name.iter().any(|b| *b != b' ') {
                        return Ok(Some(name));
                    }
                }
                TtyEvent::Interrupt | TtyEvent::Eof => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn shell(&self, line: &mut Line, user: &[u8]) -> Result<(), End> {
        let mut shell = Shell::on(self.vfs.clone(), &String::from_utf8_lossy(user));
        shell.set_origin("telnet", line.session.source, line.session.destination);
        line.tty = Tty::new();
        let client = &line.wire.client;
        let size = client.window.map_or((0, 0), |(columns, rows)| (u32::from(columns), u32::from(rows)));
        line.cast =
            Cast::start(&line.session.record, 1, client.terminal.as_deref().unwrap_or_default(), size);
        let draft = line.session.record.event(Kind::Request, "shell").user(user);
        match &line.cast {
            Some(cast) => draft.field("recording.id", cast.id()).emit(),
            None => draft.emit(),
        }
        line.say(&shell.console_banner()).await?;
        let mut commands = 0;
        loop {
            let prompt = shell.prompt();
            line.tty.set_prompt(&prompt);
            line.tty.set_echo(!shell.is_secret());
            line.say(&prompt).await?;
            let (typed, ended) = match line.event().await? {
                TtyEvent::Line(typed) => (typed, false),
                TtyEvent::Interrupt => {
                    shell.interrupt();
                    continue;
                }
                TtyEvent::Eof => (Vec::new(), true),
            };
            if typed.iter().any(|b| !b.is_ascii_whitespace()) {
                commands += 1;
                if commands <= MAX_COMMANDS {
                    let record = &line.session.record;
                    record
                        .event(Kind::Command, if shell.is_secret() { "answer" } else { "input" })
                        .user(user)
                        .bytes("process.command_line", &typed)
                        .emit();
                }
            }
            let exec = if ended { shell.eof() } else { shell.exec(&typed) };
            for fetch in &exec.fetched {
                let draft = line.session.record.event(Kind::File, "fetch").outcome(false).user(user);
                draft
                    .bytes("url.original", fetch.url.as_bytes())
                    .bytes("process.name", fetch.tool.as_bytes())
                    .emit();
            }
            line.say(&exec.output).await?;
            if exec.exit {
                return Ok(());
            }
            // Lines sent ahead must not keep other connections waiting.
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests;
