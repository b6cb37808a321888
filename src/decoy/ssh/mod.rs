//! SSH: a hardened OpenSSH of the distro in front, a made-up machine behind.
//!
//! The transport is russh's. In front of it stands [`front`], which judges identification lines and
//! clear-text packets as sshd does; behind it [`handler`] answers logins and channels. Nothing is
//! executed, forwarded or stored outside memory.

mod channel;
mod config;
#[cfg(any(test, fuzzing))]
pub mod door;
mod front;
mod handler;
mod ident;
mod kexinit;
mod scp;
mod sftp;
mod terminal;
#[cfg(test)]
mod tests;
mod tunnel;
mod upload;
pub(in crate::decoy) mod version;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::server::Config;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use self::front::Front;
use self::handler::Connection;
use self::kexinit::Fingerprint;
use self::version::Software;
use super::accounts::Policy;
use super::session::{Draft, Recorder, timeout};
use super::vfs::Vfs;
use super::{Decoy, Served, Session};
use crate::event::Kind;
use crate::model::{Persona, Seed, Settings};

/// `LoginGraceTime` of a stock `sshd_config`.
const LOGIN_GRACE: Duration = Duration::from_secs(120);

/// How long a wrong password takes: `pam_unix` asks for two seconds, PAM varies them.
const FAIL_DELAY: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_millis(2000));

/// The SSH service of one decky.
struct Ssh {
    site: Arc<Site>,
    seed: Seed,
    config: OnceLock<Arc<Config>>,
}

/// What all connections of one decky share.
struct Site {
    policy: Policy,
    vfs: Vfs,
    software: Software,
    fail_delay: (Duration, Duration),
    /// Bytes of files that open connections brought.
    held: AtomicUsize,
}

impl Site {
    fn new(persona: &Persona, settings: &Settings, fail_delay: (Duration, Duration)) -> Self {
        Self {
            policy: Policy::new(settings),
            vfs: Vfs::new(persona),
            software: version::software(&persona.distro),
            fail_delay,
            held: AtomicUsize::new(0),
        }
    }
}

/// Who is on the other side.
#[derive(Default)]
struct Peer {
    version: Vec<u8>,
    fingerprint: OnceLock<Fingerprint>,
}

/// What a handler shares with the task that owns its connection.
#[derive(Default)]
struct Control {
    authenticated: AtomicBool,
}

/// Makes the decoy. Settings: `accept`, `password`, `user`, `user_password`.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    with_delay(persona, settings, FAIL_DELAY)
}

fn with_delay(persona: &Persona, settings: &Settings, fail_delay: (Duration, Duration)) -> Arc<dyn Decoy> {
    let site = Site::new(persona, settings, fail_delay);
    Arc::new(Ssh { site: Arc::new(site), seed: persona.seed.clone(), config: OnceLock::new() })
}

impl Decoy for Ssh {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // A peer that goes away or errs is no fault of ours.
            let _ = self.talk(session).await;
        })
    }
}

impl Ssh {
    async fn talk(&self, session: Session) -> io::Result<()> {
        let Session { mut stream, record, idle, .. } = session;
        let id = self.site.software.id;
        timeout(idle, stream.write_all(format!("{id}\r\n").as_bytes())).await?;
        let line = match timeout(idle.min(LOGIN_GRACE), front::identification(&mut stream)).await? {
            Ok(line) => line,
            Err(text) => {
                record.error("identification", text);
                // Two writes, as sshd's: where a reset follows, the second may be lost.
                timeout(idle, stream.write_all(text.as_bytes())).await?;
                return timeout(idle, stream.write_all(b"\r\n")).await;
            }
        };
        let peer = Arc::new(Peer { version: line, ..Peer::default() });
        let control = Arc::new(Control::default());
        let (owner, owned) = oneshot::channel();
        let (back, returned) = oneshot::channel();
        let hello = hello(record.clone(), peer.clone());
        let front = Front::new(stream, id, readable(&peer.version), hello, owned, back);
        let config =
            self.config.get_or_init(|| Arc::new(config::config(self.site.software, &self.seed, idle)));
        let connection = Connection::new(self.site.clone(), record.clone(), peer.clone(), control.clone());
        let running = russh::server::run_stream(config.clone(), front, connection);
        let running = running.await.map_err(io::Error::other)?;
        let grace = async {
            tokio::time::sleep(LOGIN_GRACE).await;
            if control.authenticated.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = running => {}
            () = grace => {}
        }
        drop(owner);
        if peer.fingerprint.get().is_none() {
            greet(&record, &peer).emit();
        }
        if let Ok(mut stream) = returned.await {
            front::drain(&mut stream).await;
        }
        Ok(())
    }
}

/// The client's line as the library can read it. Where sshd takes a line that the library refuses
/// the exchange goes on with another one, and fails at the signature instead of at once.
fn readable(line: &[u8]) -> &[u8] {
    let known = line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-");
    if known && line.len() <= 253 && std::str::from_utf8(line).is_ok() { line } else { b"SSH-2.0-x" }
}

/// Records who connected, once its KEXINIT is here.
fn hello(record: Recorder, peer: Arc<Peer>) -> front::OnHello {
    Box::new(move |found| {
        greet(&record, &peer)
            .text("ssh.hassh", &found.hassh)
            .text("ssh.hassh_algorithms", &found.algorithms)
            .emit();
        let _ = peer.fingerprint.set(found);
    })
}

/// Starts the event of a client that said who it is.
fn greet<'a>(record: &'a Recorder, peer: &Peer) -> Draft<'a> {
    record.event(Kind::Connection, "hello").bytes("ssh.client_version", &peer.version)
}
