//! One channel: what runs on it, and the flow of its bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::ChannelId;

use super::Site;
use super::scp::Sink;
use super::sftp::Server;
use super::terminal::{self, Lines, Terminal};
use super::tunnel::Tunnel;
use super::upload::Upload;
use super::version::Software;
use crate::decoy::cast::Cast;
use crate::decoy::session::{Draft, Recorder};
use crate::decoy::vfs::Vfs;
use crate::event::Kind;

type Wire = russh::server::Session;
type Outcome = Result<(), russh::Error>;

/// Bytes that wait in all channels of a connection: one SFTP packet and what came with it.
pub(super) const INPUT_MAX: usize = 320 * 1024;
/// Bytes of files that one connection may bring.
const CONNECTION_BYTES: usize = 2 << 20;
/// Bytes of files that all open connections of a decky may bring.
const SITE_BYTES: usize = 32 << 20;
/// Longest command.
const COMMAND_MAX: usize = 16 * 1024;
/// Variables taken from one client.
const ENV_MAX: u32 = 32;

/// What all channels of one connection share.
pub(super) struct Shared {
    pub(super) user: String,
    /// The files as this connection sees and changed them.
    pub(super) vfs: Vfs,
    site: Arc<Site>,
    record: Recorder,
    env: u32,
    held: usize,
    /// Terminals so far.
    terminals: u32,
}

impl Shared {
    pub(super) fn new(site: Arc<Site>, record: Recorder, user: &str) -> Self {
        let vfs = site.vfs.clone();
        let mut shared = Self { user: user.to_owned(), vfs, site, record, env: 0, held: 0, terminals: 0 };
        shared.become_login();
        shared
    }

    /// Goes on with the rights of the user who logged in.
    pub(super) fn become_login(&mut self) {
        let (uid, gid) = self.vfs.machine().user(&self.user).map_or((0, 0), |user| (user.uid, user.gid));
        self.vfs.become_user(uid, gid);
    }

    /// Whether there is room for so many bytes of files more. They count until the connection ends.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let all = self.site.held.fetch_add(bytes, Ordering::Relaxed);
        self.held += bytes;
        if self.held <= CONNECTION_BYTES && all + bytes <= SITE_BYTES {
            return true;
        }
        self.site.held.fetch_sub(bytes, Ordering::Relaxed);
        self.held -= bytes;
        false
    }

    /// Begins the recording of one terminal more.
    fn cast(&mut self, pty: &Pty) -> Option<Cast> {
        self.terminals = self.terminals.saturating_add(1);
        Cast::start(&self.record, self.terminals, pty.term.as_bytes(), pty.size)
    }

    /// What the server is.
    pub(super) fn software(&self) -> &Software {
        &self.site.software
    }

    /// Where the user's sessions start.
    pub(super) fn home(&self) -> String {
        self.vfs.machine().user(&self.user).map_or_else(|| "/root".to_owned(), |user| user.home.clone())
    }

    /// Starts an event of the user who is logged in.
    pub(super) fn event(&self, kind: Kind, action: &str) -> Draft<'_> {
        self.record.event(kind, action).user(self.user.as_bytes())
    }

    /// Records a command.
    pub(super) fn command(&self, action: &str, line: &[u8]) {
        self.event(Kind::Command, action).bytes("process.command_line", line).emit();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.site.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// How far a program came.
pub(super) enum Step {
    /// There may be more to do with what was received.
    More,
    /// It needs more input.
    Idle,
    /// It ended with this status.
    End(u8),
}

/// Something that runs on a channel.
pub(super) trait Program: Send {
    /// Takes some of `input`, answers into `out`. One step makes a bounded answer.
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step;

    /// The client sends no more, and all it sent was taken; returns the exit status.
    fn eof(&mut self, shared: &mut Shared, out: &mut Vec<u8>) -> u8;

    /// The channel is closed.
    fn finish(&mut self, shared: &mut Shared) {
        let _ = shared;
    }

    /// The terminal has another size.
    fn resize(&mut self, size: (u32, u32)) {
        let _ = size;
    }
}

/// A pseudo-terminal that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Pty {
    /// Columns and rows.
    pub(super) size: (u32, u32),
    /// What the client calls it.
    pub(super) term: String,
}

/// One channel.
pub(super) struct Pipe {
    tunnel: bool,
    program: Option<Box<dyn Program>>,
    input: Vec<u8>,
    pty: Option<Pty>,
    eof: bool,
    ended: bool,
}

impl Pipe {
    /// A session on which nothing runs yet.
    pub(super) fn session() -> Self {
        Self { tunnel: false, program: None, input: Vec::new(), pty: None, eof: false, ended: false }
    }

    /// A forwarded connection to `target`.
    pub(super) fn tunnel(target: String) -> Self {
        Self { tunnel: true, program: Some(Box::new(Tunnel::new(target))), ..Self::session() }
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    pub(super) fn is_session(&self) -> bool {
        !self.tunnel
    }

    /// Whether we closed it; the client's own close may not be told.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.input.len()
    }

    /// Takes what the client sent, as long as no more than `room` bytes wait here; with nothing sent there
    /// is only more room for answers.
    pub(super) fn data(
        &mut self,
        id: ChannelId,
        data: &[u8],
        room: usize,
        wire: &mut Wire,
        shared: &mut Shared,
    ) -> Outcome {
        if self.program.is_none() {
            return Ok(());
        }
        if self.input.len() + data.len() > room {
            shared
                .event(Kind::Error, "unread")
                .text("error.message", "client sends and does not read")
                .emit();
            return self.end(id, 255, wire);
        }
        self.input.extend_from_slice(data);
        self.pump(id, wire, shared)
    }

    /// The client sends no more.
    pub(super) fn eof(&mut self, id: ChannelId, wire: &mut Wire, shared: &mut Shared) -> Outcome {
        self.eof = true;
        self.pump(id, wire, shared)
    }

    /// Lets the program work as long as the client takes its answers.
    fn pump(&mut self, id: ChannelId, wire: &mut Wire, shared: &mut Shared) -> Outcome {
        while !wire.has_pending_data(id)
            && let Some(program) = &mut self.program
        {
            let mut out = Vec::new();
            let step = match program.step(&mut self.input, shared, &mut out) {
                Step::Idle if self.eof => Step::End(program.eof(shared, &mut out)),
                step => step,
            };
            if !out.is_empty() {
                wire.data(id, out)?;
            }
            match step {
                Step::More => {}
                Step::Idle => break,
                Step::End(status) => {
                    program.finish(shared);
                    return self.end(id, status, wire);
                }
            }
        }
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        Ok(())
    }

    fn end(&mut self, id: ChannelId, status: u8, wire: &mut Wire) -> Outcome {
        self.program = None;
        self.input = Vec::new();
        self.ended = true;
        if !self.tunnel {
            wire.exit_status_request(id, u32::from(status))?;
        }
        wire.eof(id)?;
        wire.close(id)
    }

    /// The channel is gone.
    pub(super) fn finish(&mut self, shared: &mut Shared) {
        if let Some(mut program) = self.program.take() {
            program.finish(shared);
        }
    }

    /// A `pty-req`.
    pub(super) fn pty(
        &mut self,
        id: ChannelId,
        term: &str,
        size: (u32, u32),
        wire: &mut Wire,
        shared: &Shared,
    ) -> Outcome {
        if self.busy() || self.pty.is_some() {
            return wire.channel_failure(id);
        }
        shared
            .event(Kind::Request, "pty")
            .text("ssh.term", term)
            .field("ssh.columns", size.0)
            .field("ssh.rows", size.1)
            .emit();
        self.pty = Some(Pty { size, term: term.to_owned() });
        wire.channel_success(id)
    }

    /// A `window-change`.
    pub(super) fn resize(&mut self, size: (u32, u32)) {
        if let Some(pty) = &mut self.pty {
            pty.size = size;
        }
        if let Some(program) = &mut self.program {
            program.resize(size);
        }
    }

    /// An `env` request: sshd takes `LANG` and `LC_*` as the distros set it up, and says no to the rest.
    pub(super) fn env(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        wire: &mut Wire,
        shared: &mut Shared,
    ) -> Outcome {
        shared.env += 1;
        if shared.env > ENV_MAX || self.busy() {
            return wire.channel_failure(id);
        }
        let taken = name == "LANG" || name.starts_with("LC_");
        shared
            .event(Kind::Request, "env")
            .outcome(taken)
            .bytes("ssh.env.name", name.as_bytes())
            .bytes("ssh.env.value", value.as_bytes())
            .emit();
        if taken { wire.channel_success(id) } else { wire.channel_failure(id) }
    }

    /// A `shell` request.
    pub(super) fn shell(&mut self, id: ChannelId, wire: &mut Wire, shared: &mut Shared) -> Outcome {
        if self.busy() {
            return wire.channel_failure(id);
        }
        let cast = self.pty.as_ref().and_then(|pty| shared.cast(pty));
        let draft = shared.event(Kind::Request, "shell").field("ssh.pty", self.pty.is_some());
        match &cast {
            Some(cast) => draft.field("recording.id", cast.id()).emit(),
            None => draft.emit(),
        }
        wire.channel_success(id)?;
        let mut out = Vec::new();
        self.program = Some(match &self.pty {
            Some(_) => Box::new(Terminal::login(shared, cast, &mut out)),
            None => Box::new(Lines::new(shared, None)),
        });
        if !out.is_empty() {
            wire.data(id, out)?;
        }
        self.pump(id, wire, shared)
    }

    /// An `exec` request.
    pub(super) fn exec(
        &mut self,
        id: ChannelId,
        command: &[u8],
        wire: &mut Wire,
        shared: &mut Shared,
    ) -> Outcome {
        if self.busy() {
            return wire.channel_failure(id);
        }
        shared.command("exec", command);
        if command.len() > COMMAND_MAX {
            return wire.channel_failure(id);
        }
        wire.channel_success(id)?;
        if let Some(sink) = Sink::of(command, shared) {
            return self.start(id, Box::new(sink), wire, shared);
        }
        if let Some(upload) = Upload::of(command, shared) {
            return self.start(id, Box::new(upload), wire, shared);
        }
        if terminal::is_shell(command) {
            let lines = Lines::new(shared, Some(command));
            return self.start(id, Box::new(lines), wire, shared);
        }
        if command.trim_ascii() == shared.software().sftp_server.as_bytes() {
            let server = Server::new(shared);
            return self.start(id, Box::new(server), wire, shared);
        }
        let done = terminal::run(command, shared);
        let out = if self.pty.is_some() { terminal::cooked(&done.output) } else { done.output };
        if !out.is_empty() {
            wire.data(id, out)?;
        }
        self.end(id, done.status, wire)
    }

    /// A `subsystem` request.
    pub(super) fn subsystem(
        &mut self,
        id: ChannelId,
        name: &str,
        wire: &mut Wire,
        shared: &mut Shared,
    ) -> Outcome {
        let ok = name == "sftp" && !self.busy();
        shared.event(Kind::Request, "subsystem").outcome(ok).text("ssh.subsystem", name).emit();
        if !ok {
            return wire.channel_failure(id);
        }
        wire.channel_success(id)?;
        let server = Server::new(shared);
        self.start(id, Box::new(server), wire, shared)
    }

    fn start(
        &mut self,
        id: ChannelId,
        program: Box<dyn Program>,
        wire: &mut Wire,
        shared: &mut Shared,
    ) -> Outcome {
        self.program = Some(program);
        self.pump(id, wire, shared)
    }

    /// Something runs or ran here already.
    fn busy(&self) -> bool {
        self.tunnel || self.program.is_some()
    }
}
