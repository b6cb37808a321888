//! Remote Desktop as Windows or xrdp serves it, up to where a client has said who it is: cookies, NTLM
//! through CredSSP, and the user and password of the Client Info packet.

mod credssp;
mod info;
mod mcs;
mod replay;
#[cfg(test)]
mod tests;
mod tpkt;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::info::Info;
use self::replay::Replay;
use self::tpkt::{Request, protocol};
use super::ntlm::Host;
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session, setting};
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Packets of a session that never says who it is.
const PACKETS_MAX: u32 = 200;
/// Days that Windows makes its certificate for; it makes another one when they are over.
const CERTIFICATE_DAYS: i64 = 182;
/// How long a login seems to take.
const THINKING: Duration = Duration::from_millis(1500);

/// "Network level authentication is required".
const HYBRID_REQUIRED: u32 = 5;

/// Makes the RDP decoy. Settings: `nla` (network level authentication: insisted on, not had, or as the
/// product does), `user` and `password` (an account that it accepts).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let host = Host::new(persona);
    let tls = if host.system.windows {
        let subject = Subject {
            common_name: host.fqdn(),
            organisation: None,
            names: Vec::new(),
            days: CERTIFICATE_DAYS.unsigned_abs(),
            ca: false,
        };
        let life = CERTIFICATE_DAYS * 86_400;
        let age = jiff::Timestamp::now().as_second().saturating_sub(persona.born).max(0);
        let mut renewed = persona.clone();
        renewed.born = persona.born.saturating_add(age / life * life);
        Tls::derived(&renewed, &format!("rdp/{}", age / life), subject)
    } else {
        // The package takes that of ssl-cert.
        Tls::derived(persona, "snakeoil", Subject::host(persona))
    };
    Arc::new(Rdp {
        nla: setting::flag(settings, "nla"),
        accounts: host.accounts(persona, settings),
        host,
        tls,
    })
}

struct Rdp {
    host: Host,
    nla: Option<bool>,
    accounts: Vec<(String, String)>,
    tls: Tls,
}

impl Decoy for Rdp {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why.
            let _ = self.talk(session).await;
        })
    }
}

impl Rdp {
    /// The protocol for what a client asks for, or why there is none; none when it asks for nothing.
    fn choose(&self, asked: Option<u32>) -> Option<Result<u32, u32>> {
        let windows = self.host.system.windows;
        let hybrid = match asked.unwrap_or(0) {
            asked if asked & protocol::HYBRID_EX != 0 && windows => Some(protocol::HYBRID_EX),
            asked if asked & protocol::HYBRID != 0 => Some(protocol::HYBRID),
            _ => None,
        };
        let tls = asked.is_some_and(|asked| asked & protocol::TLS != 0);
        match (self.nla, hybrid) {
            (Some(true), None) => return Some(Err(HYBRID_REQUIRED)),
            (Some(true), Some(hybrid)) => return Some(Ok(hybrid)),
            (None, Some(hybrid)) if windows => return Some(Ok(hybrid)),
            // A client that has nothing else.
            (Some(false), Some(hybrid)) if windows && !tls => return Some(Ok(hybrid)),
            _ => {}
        }
        asked.map(|_| Ok(if tls { protocol::TLS } else { protocol::PLAIN }))
    }

    async fn talk(&self, mut session: Session) -> io::Result<()> {
        let windows = self.host.system.windows;
        let mut pending = Vec::new();
        if !tpkt::more(&mut session, &mut pending).await? {
            return Ok(());
        }
        // Windows takes TLS without being asked whether it would.
        if windows && pending.first() == Some(&0x16) {
            // What is older than TLS 1.2 gets no word, not even an alert; nor does anybody who may do without it.
            let old = pending.get(9..11).is_none_or(|version| version < &[3, 3][..]);
            if old || self.nla == Some(false) {
                return Ok(());
            }
            return self.secured(session, pending, protocol::TLS).await;
        }
        let request = tpkt::read(&mut session, &mut pending).await?;
        let Some(request) = request.as_deref().and_then(Request::parse) else {
            session.record.error("protocol", "no connection request");
            // xrdp says goodbye; Windows just leaves.
            return if windows { Ok(()) } else { session.write(&mcs::ultimatum()).await };
        };
        let chosen = self.choose(request.protocols);
        let mut draft =
            session.record.event(Kind::Request, "negotiate").outcome(!matches!(chosen, Some(Err(_))));
        if let Some(cookie) = &request.cookie {
            draft = draft.text("rdp.cookie", cookie);
        }
        if let Some(user) = request.user() {
            draft = draft.user(user.as_bytes());
        }
        if let Some(asked) = request.protocols {
            draft = draft.field("rdp.requested_protocols", asked);
        }
        if let Some(Ok(protocol)) = chosen {
            draft = draft.field("rdp.selected_protocol", protocol);
        }
        draft.emit();
        session.write(&tpkt::confirm(chosen, if windows { 0x1f } else { 1 })).await?;
        match chosen {
            Some(Err(_)) => Ok(()),
            None | Some(Ok(protocol::PLAIN)) => {
                self.desktop(&mut session, &mut pending, request.protocols.unwrap_or(0)).await
            }
            Some(Ok(protocol)) => self.secured(session, pending, protocol).await,
        }
    }

    /// Over TLS: CredSSP where it was chosen or simply begins, then the session.
    async fn secured(&self, session: Session, pending: Vec<u8>, chosen: u32) -> io::Result<()> {
        let session = session.over(async |stream| Ok(Replay::new(pending, stream))).await?;
        let (mut session, _) = self.tls.accept(session).await?;
        let mut pending = Vec::new();
        if !tpkt::more(&mut session, &mut pending).await? {
            return Ok(());
        }
        let hybrid = chosen & (protocol::HYBRID | protocol::HYBRID_EX) != 0;
        if hybrid || (self.host.system.windows && pending.first() == Some(&0x30)) {
            let key = self.tls.public_key().unwrap_or_default();
            let accounts = &self.accounts;
            if !credssp::accept(&mut session, &mut pending, &self.host, accounts, &key).await? {
                return Ok(());
            }
            if chosen == protocol::HYBRID_EX {
                // Early user authorisation: granted.
                session.write(&[0, 0, 0, 0]).await?;
            }
        }
        self.desktop(&mut session, &mut pending, chosen).await
    }

    /// The session up to the client's login data.
    async fn desktop(&self, session: &mut Session, pending: &mut Vec<u8>, chosen: u32) -> io::Result<()> {
        let mut client = mcs::Client::default();
        for _ in 0..PACKETS_MAX {
            let Some(packet) = tpkt::read(session, pending).await? else { return Ok(()) };
            let Some(bytes) = packet.strip_prefix(b"\x02\xf0\x80") else { return Ok(()) };
            match bytes {
                [0x7f, ..] => {
                    let Some(parsed) = mcs::Client::parse(bytes) else {
                        session.record.error("protocol", "malformed connect request");
                        return Ok(());
                    };
                    client = parsed;
                    session
                        .record
                        .event(Kind::Request, "connect")
                        .text("rdp.client.name", &client.name)
                        .field("rdp.client.build", client.build)
                        .text("rdp.client.version", &format!("{:08x}", client.version))
                        .text("rdp.client.keyboard", &format!("{:08x}", client.keyboard))
                        .text("rdp.client.product_id", &client.product)
                        .text("rdp.client.desktop", &format!("{}x{}", client.width, client.height))
                        .field("rdp.client.channels", client.channels.clone())
                        .emit();
                    session.write(&client.answer(self.host.system.windows, chosen)).await?;
                }
                [0x04, ..] => {}
                [0x28, ..] => {
                    let user = client.user().saturating_sub(1001).to_be_bytes();
                    session.write(&mcs::data(&[0x2e, 0, user[0], user[1]])).await?;
                }
                [0x38, a, b, c, d, ..] => {
                    session.write(&mcs::data(&[0x3e, 0, *a, *b, *c, *d, *c, *d])).await?;
                }
                [0x64, ..] => {
                    let info = mcs::sent(bytes).and_then(|(_, data)| Info::parse(data));
                    let Some(info) = info else { continue };
                    self.record(session, &info);
                    session.write(&mcs::indication(client.user(), mcs::IO_CHANNEL, &info::LICENSED)).await?;
                    tokio::time::sleep(THINKING).await;
                    return session.write(&mcs::ultimatum()).await;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn record(&self, session: &Session, info: &Info) {
        let mut draft =
            session.record.event(Kind::Login, "client_info").outcome(false).user(info.user.as_bytes());
        if !info.password.is_empty() {
            draft = draft.secret(info.password.as_bytes(), SecretKind::Plaintext);
        }
        draft
            .text("rdp.domain", &info.domain)
            .text("rdp.client.address", &info.address)
            .text("rdp.client.directory", &info.directory)
            .text("rdp.shell", &info.shell)
            .field("rdp.flags", info.flags)
            .emit();
    }
}
