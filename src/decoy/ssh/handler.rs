//! Logins and channels of one connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russh::keys::HashAlg;
use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Response};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodSet, Pty};

use super::channel::{INPUT_MAX, Pipe, Shared};
use super::config::METHODS;
use super::{Control, Peer, Site};
use crate::decoy::session::{Draft, Recorder};
use crate::event::{Kind, SecretKind};

type Wire = russh::server::Session;
type Outcome<T = ()> = Result<T, russh::Error>;

/// Open session channels of one connection (`MaxSessions`).
const MAX_SESSIONS: usize = 10;
/// Open forwarded connections.
const MAX_TUNNELS: usize = 16;
/// Forwarded connections of one connection, over its whole life.
const MAX_TUNNELS_EVER: usize = 256;
/// Ports asked to be forwarded back.
const MAX_FORWARDS: u32 = 32;
/// How long a forwarded connection stays open without an answer.
const TUNNEL_TIME: Duration = Duration::from_secs(20);

/// One connection's handler.
pub(super) struct Connection {
    site: Arc<Site>,
    record: Recorder,
    peer: Arc<Peer>,
    control: Arc<Control>,
    user: String,
    shared: Option<Shared>,
    channels: HashMap<ChannelId, Pipe>,
    tunnels_ever: usize,
    forwards: u32,
}

impl Connection {
    pub(super) fn new(site: Arc<Site>, record: Recorder, peer: Arc<Peer>, control: Arc<Control>) -> Self {
        Self {
            site,
            record,
            peer,
            control,
            user: String::new(),
            shared: None,
            channels: HashMap::new(),
            tunnels_ever: 0,
            forwards: 0,
        }
    }

    /// Starts the event of one try.
    fn attempt(&self, method: &str, user: &str, ok: bool) -> Draft<'_> {
        let draft = self.record.event(Kind::Login, method).outcome(ok).user(user.as_bytes());
        let draft = draft.bytes("ssh.client_version", &self.peer.version);
        match self.peer.fingerprint.get() {
            Some(found) => draft.text("ssh.hassh", &found.hassh),
            None => draft,
        }
    }

    /// Checks a password, however it came.
    async fn password(&mut self, method: &str, user: &str, password: &[u8]) -> Auth {
        let ok = self.site.policy.admits(user.as_bytes(), password);
        self.attempt(method, user, ok).secret(password, SecretKind::Plaintext).emit();
        if ok {
            user.clone_into(&mut self.user);
            self.control.authenticated.store(true, Ordering::Relaxed);
            return Auth::Accept;
        }
        tokio::time::sleep(jitter(self.site.fail_delay)).await;
        refuse()
    }

    fn count(&self, wanted: impl Fn(&Pipe) -> bool) -> usize {
        self.channels.values().filter(|pipe| wanted(pipe)).count()
    }

    /// Runs `work` on a channel we know, with what channels share.
    fn on(&mut self, id: ChannelId, work: impl FnOnce(&mut Pipe, &mut Shared) -> Outcome) -> Outcome {
        let Some(pipe) = self.channels.get_mut(&id) else { return Ok(()) };
        let shared = self
            .shared
            .get_or_insert_with(|| Shared::new(self.site.clone(), self.record.clone(), &self.user));
        work(pipe, shared)
    }

    /// Opens a forwarded connection that leads nowhere and ends on its own.
    async fn tunnel(&mut self, id: ChannelId, reply: ChannelOpenHandle, handle: Handle, target: String) {
        self.tunnels_ever += 1;
        if self.count(Pipe::is_tunnel) >= MAX_TUNNELS || self.tunnels_ever > MAX_TUNNELS_EVER {
            reply.reject(open_failed()).await;
            return;
        }
        self.channels.insert(id, Pipe::tunnel(target));
        reply.accept().await;
        tokio::spawn(async move {
            tokio::time::sleep(TUNNEL_TIME).await;
            let _ = handle.close(id).await;
        });
    }
}

/// A refused try; the library counts them, and ends the connection after the last it allows.
fn refuse() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::from(METHODS)), partial_success: false }
}

/// How sshd refuses one channel more.
fn open_failed() -> ChannelOpenFailure {
    ChannelOpenFailure::Other { code: 2, reason: "open failed".to_owned() }
}

/// A time between the two, drawn anew each time.
fn jitter((low, high): (Duration, Duration)) -> Duration {
    let draw = getrandom::u32().unwrap_or(0);
    low + high.saturating_sub(low).mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Outcome<Auth> {
        self.attempt("none", user, false).emit();
        Ok(refuse())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Outcome<Auth> {
        Ok(self.password("password", user, password.as_bytes()).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Outcome<Auth> {
        let line = offer.public_key.to_openssh().unwrap_or_default();
        self.attempt("publickey", user, false)
            .secret(line.trim_end().as_bytes(), SecretKind::PublicKey)
            .text("ssh.key_type", offer.algorithm.as_str())
            .text("ssh.key_fingerprint", &offer.public_key.fingerprint(HashAlg::Sha256).to_string())
            .emit();
        Ok(refuse())
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        _response: Option<Response<'a>>,
    ) -> Outcome<Auth> {
        self.attempt("keyboard-interactive", user, false).emit();
        Ok(refuse())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Outcome {
        self.channels.retain(|_, pipe| !pipe.has_ended());
        if self.count(Pipe::is_session) >= MAX_SESSIONS {
            reply.reject(open_failed()).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), Pipe::session());
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        wire: &mut Wire,
    ) -> Outcome {
        self.record
            .event(Kind::Request, "direct_tcpip")
            .user(self.user.as_bytes())
            .text("ssh.forward.host", host)
            .field("ssh.forward.port", port)
            .text("ssh.forward.origin", from)
            .field("ssh.forward.origin_port", from_port)
            .emit();
        self.tunnel(channel.id(), reply, wire.handle(), format!("{host}:{port}")).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Outcome {
        self.record.event(Kind::Request, "direct_streamlocal").bytes("file.path", path.as_bytes()).emit();
        reply.reject(open_failed()).await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| {
            pipe.finish(shared);
            Ok(())
        })?;
        self.channels.remove(&id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.eof(id, wire, shared))
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], wire: &mut Wire) -> Outcome {
        let others = self.channels.iter().filter(|(other, _)| **other != id);
        let room = INPUT_MAX.saturating_sub(others.map(|(_, pipe)| pipe.waiting()).sum());
        self.on(id, |pipe, shared| pipe.data(id, data, room, wire, shared))
    }

    async fn window_adjusted(&mut self, id: ChannelId, _: u32, wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.data(id, b"", INPUT_MAX, wire, shared))
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        wire: &mut Wire,
    ) -> Outcome {
        self.on(id, |pipe, shared| pipe.pty(id, term, (columns, rows), wire, shared))
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &mut Wire,
    ) -> Outcome {
        self.on(id, |pipe, _| {
            pipe.resize((columns, rows));
            Ok(())
        })
    }

    async fn env_request(&mut self, id: ChannelId, name: &str, value: &str, wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.env(id, name, value, wire, shared))
    }

    async fn shell_request(&mut self, id: ChannelId, wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.shell(id, wire, shared))
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.exec(id, command, wire, shared))
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, wire: &mut Wire) -> Outcome {
        self.on(id, |pipe, shared| pipe.subsystem(id, name, wire, shared))
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        wire: &mut Wire,
    ) -> Outcome {
        self.record.event(Kind::Request, "x11").outcome(false).emit();
        wire.channel_failure(id)
    }

    async fn agent_request(&mut self, id: ChannelId, wire: &mut Wire) -> Outcome<bool> {
        self.record.event(Kind::Request, "agent").outcome(false).emit();
        wire.channel_failure(id)?;
        Ok(false)
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Wire) -> Outcome<bool> {
        let asked = *port;
        self.forwards += 1;
        let ok = self.forwards <= MAX_FORWARDS && asked <= 65_535;
        if ok && asked == 0 {
            *port = 32_768 + getrandom::u32().unwrap_or(0) % 28_000;
        }
        self.record
            .event(Kind::Request, "tcpip_forward")
            .outcome(ok)
            .user(self.user.as_bytes())
            .text("ssh.forward.host", address)
            .field("ssh.forward.port", asked)
            .emit();
        Ok(ok)
    }

    async fn cancel_tcpip_forward(&mut self, _: &str, _: u32, _: &mut Wire) -> Outcome<bool> {
        let known = self.forwards > 0;
        self.forwards = self.forwards.saturating_sub(1);
        Ok(known)
    }
}
