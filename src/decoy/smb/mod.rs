//! SMB: versions 1, 2 and 3 of Microsoft's file sharing, as Windows or Samba speaks it.
//!
//! A login is taken with NTLM and recorded; guests and accounts of the settings get a session in which they
//! list shares, read what lies there and leave files, which are hashed and forgotten. Samba's bytes are
//! those of smbd 4.17.12 where it could be asked. Sessions of a known account are signed, and enciphered for
//! clients that begin with it.

mod ask;
mod info;
mod name;
mod old;
mod old_login;
mod open;
mod product;
mod rpc;
mod seal;
mod share;
mod sign;
mod smb2;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};

use self::share::{Files, Node, Share, Shares};
use super::ntlm::{Authenticate, Exchange, Host};
use super::session::Recorder;
use super::{Decoy, Served, Session, setting};
use crate::decoy::software::Software;
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Credits a client gets: each is worth 64 KiB of one message.
const CREDITS: u16 = 17;
/// Longest message.
const FRAME_MAX: usize = CREDITS as usize * 0x1_0000 + 1024;
/// Messages after which a connection ends.
const FRAMES_MAX: u32 = 50_000;
/// Logins of one connection.
const SESSIONS_MAX: usize = 8;

/// Makes the SMB decoy. Settings: `workgroup`, `domain`, `user` and `password` (an account that gets in),
/// `guest` (whether sessions without a password are had), `share` (name of the share with files; blank: none).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let host = Host::new(persona);
    let mut guid = [0; 16];
    if host.system.windows {
        guid.copy_from_slice(&persona.seed.derive("smb/guid")[..16]);
    } else {
        // Samba's is its name.
        let name = host.computer.to_ascii_lowercase();
        guid[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
    }
    Arc::new(Smb {
        shares: Shares::new(persona, settings, &host),
        accounts: host.accounts(persona, settings),
        guest: setting::flag(settings, "guest").unwrap_or(true),
        speaks_old: host.system.windows || product::speaks_old(&persona.distro),
        guid,
        base: OnceLock::new(),
        host,
        persona: persona.clone(),
    })
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, _: &Settings) -> Software {
    Software::new("smbd", product::samba(&persona.distro))
}

struct Smb {
    host: Host,
    persona: Persona,
    shares: Shares,
    accounts: Vec<(String, String)>,
    guest: bool,
    speaks_old: bool,
    guid: [u8; 16],
    base: OnceLock<Arc<Vec<Node>>>,
}

/// Whom a login makes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nobody: a session without a name.
    Anonymous,
    /// A name that is not known.
    Guest,
    /// An account of the settings.
    Account,
}

impl Smb {
    /// Who may come in with this answer: whom it makes of the client and the session's key, or a status.
    fn admit(&self, message: &Authenticate, challenge: &[u8; 8]) -> Result<(Who, Option<[u8; 16]>), u32> {
        if message.anonymous() {
            return if self.guest { Ok((Who::Anonymous, None)) } else { Err(status::ACCESS_DENIED) };
        }
        if let Some(key) = message.admitted(challenge, &self.accounts) {
            return Ok((Who::Account, Some(key)));
        }
        let user = message.user.to_lowercase();
        if self.host.system.windows {
            let disabled = user == "guest" && !self.guest;
            return Err(if disabled { status::ACCOUNT_DISABLED } else { status::LOGON_FAILURE });
        }
        // "map to guest = bad user": names without an account come in, those with one need its password.
        let known = self.accounts.iter().any(|(name, _)| name.eq_ignore_ascii_case(&user));
        let known = known || matches!(&*user, "root" | "administrator" | "admin");
        if self.guest && !known { Ok((Who::Guest, None)) } else { Err(status::LOGON_FAILURE) }
    }

    /// The files of a share.
    fn files(&self, share: &Share) -> Files {
        if !share.is_own() {
            return Files::new(Arc::new(share::empty(self.persona.born)));
        }
        let base = self.base.get_or_init(|| Arc::new(share::files(&self.persona, &self.host)));
        Files::new(base.clone())
    }
}

/// One connection.
struct Conn {
    smb: Arc<Smb>,
    record: Recorder,
    /// 0 before negotiation.
    dialect: u16,
    /// Cipher that was agreed on; 0: none.
    cipher: u16,
    /// Hash over the messages of the negotiation.
    preauth: [u8; 64],
    /// Capabilities and GUID that the client named.
    client: smb2::Client,
    sessions: BTreeMap<u64, Login>,
    opens: BTreeMap<u64, open::Open>,
    old: old::State,
}

/// One login of a connection.
struct Login {
    /// While it lasts.
    exchange: Option<Exchange>,
    /// Once it came out well.
    who: Option<Who>,
    key: Option<sign::Key>,
    crypt: Option<seal::Crypt>,
    preauth: [u8; 64],
    trees: BTreeMap<u32, Tree>,
}

/// A share that a client is in.
struct Tree {
    share: Share,
    files: Files,
}

impl Decoy for Smb {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why.
            let _ = self.talk(session).await;
        })
    }
}

impl Smb {
    async fn talk(self: Arc<Self>, mut session: Session) -> io::Result<()> {
        let mut conn = Conn {
            smb: self.clone(),
            record: session.record.clone(),
            dialect: 0,
            cipher: 0,
            preauth: [0; 64],
            client: smb2::Client::default(),
            sessions: BTreeMap::new(),
            opens: BTreeMap::new(),
            old: old::State::default(),
        };
        let mut pending = Vec::new();
        for _ in 0..FRAMES_MAX {
            let Some((kind, message)) = frame(&mut session, &mut pending).await? else { break };
            let reply = match kind {
                0 => conn.take(&message),
                0x81 => Some(name::answer(&self.host, &message, &session.record)),
                // Keep-alive.
                0x85 => Some(Vec::new()),
                _ => None,
            };
            let Some(reply) = reply else { break };
            if !reply.is_empty() {
                session.write(&reply).await?;
            }
        }
        conn.end();
        Ok(())
    }
}

/// The next message and its kind; none at the end, or when it is too long.
async fn frame(session: &mut Session, pending: &mut Vec<u8>) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut chunk = [0u8; 8192];
    loop {
        if let [kind, high, middle, low, ..] = pending[..] {
            let length = u32::from_be_bytes([0, high, middle, low]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > FRAME_MAX {
                session.record.error("protocol", "message too long");
                return Ok(None);
            }
            if pending.len() >= length + 4 {
                let rest = pending.split_off(length + 4);
                let message = std::mem::replace(pending, rest).split_off(4);
                return Ok(Some((kind, message)));
            }
        }
        let got = session.read(&mut chunk).await?;
        if got == 0 {
            return Ok(None);
        }
        pending.extend_from_slice(&chunk[..got]);
    }
}

impl Conn {
    /// Answers a message; none ends the connection.
    fn take(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let reply = match message {
            [0xfe, b'S', b'M', b'B', ..] => self.smb2(message),
            [0xff, b'S', b'M', b'B', ..] => self.old(message),
            [0xfd, b'S', b'M', b'B', ..] => self.sealed(message),
            _ => {
                self.record.error("protocol", "no SMB message");
                None
            }
        }?;
        Some(if reply.is_empty() { reply } else { framed(&reply) })
    }

    /// Answers an enciphered message in kind.
    fn sealed(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let session = seal::session(message)?;
        let clear = self.sessions.get(&session)?.crypt.as_ref()?.open(message)?;
        if !clear.starts_with(b"\xfeSMB") {
            return None;
        }
        // The session may be gone after a logoff; its answer is enciphered all the same.
        let mut crypt = self.sessions.get(&session)?.crypt.clone()?;
        let reply = self.smb2(&clear)?;
        if reply.is_empty() {
            return Some(reply);
        }
        let out = crypt.seal(session, &reply)?;
        if let Some(login) = self.sessions.get_mut(&session) {
            login.crypt = Some(crypt);
        }
        Some(out)
    }

    /// Records what was left open: a client that breaks off left its files all the same.
    fn end(&mut self) {
        for (_, open) in std::mem::take(&mut self.opens) {
            self.finish(&open);
        }
    }

    /// What every login of this connection comes to is recorded here.
    fn login(&self, message: &Authenticate, challenge: &[u8; 8]) -> Result<(Who, Option<[u8; 16]>), u32> {
        let admitted = self.smb.admit(message, challenge);
        if message.anonymous() {
            self.record
                .event(Kind::Login, "anonymous")
                .outcome(admitted.is_ok())
                .user(b"")
                .text("ntlm.workstation", &message.workstation)
                .emit();
        } else {
            message.record(&self.record, challenge, admitted.is_ok());
        }
        admitted
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(0) & 0x00ff_ffff;
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}
