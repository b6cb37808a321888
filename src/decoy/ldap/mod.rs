//! LDAP: Active Directory on Windows personas, OpenLDAP's slapd elsewhere, in clear, with StartTLS and over TLS.
//!
//! The directory is made up and cannot be changed. Active Directory tells anybody about itself and nobody
//! else anything; slapd lets everybody read, as Debian sets it up. A secret of whatever kind is captured.

mod ad;
mod answers;
mod directory;
mod filter;
mod message;
mod sasl;
mod slapd;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, OnceLock};

use self::directory::Directory;
use self::message::{Credentials, Message, Outcome, Request, Style, code};
use self::sasl::{Admitted, Started};
use super::domain::Domain;
use super::ntlm::{Host, Layer};
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session, ber};
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Port of implicit TLS.
const LDAPS: u16 = 636;
/// Longest message: OpenLDAP's limit for those who are not known.
const MESSAGE_MAX: usize = 262_143;
/// Answers that wait are sent together up to this many bytes.
const BATCH: usize = 32 * 1024;
/// Bytes that are protected at once.
const PART: usize = 16 * 1024;
/// Paged results (RFC 2696).
const PAGED: &[u8] = b"1.2.840.113556.1.4.319";
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const WHO_AM_I: &[u8] = b"1.3.6.1.4.1.4203.1.11.3";

/// Makes the LDAP decoy. Settings: `domain`, `user`, `password`.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let domain = Domain::new(persona);
    let windows = persona.nmap_os.starts_with("windows");
    let tls = if windows {
        let fqdn = domain.fqdn();
        let subject = Subject {
            common_name: fqdn.clone(),
            organisation: None,
            names: vec![fqdn],
            days: 365,
            ca: false,
        };
        // The domain's own authority has its name from the domain and the machine that it is on.
        let first = domain.dns.split('.').next().unwrap_or_default();
        let name = format!("{first}-{}-CA", domain.computer);
        let issuer =
            Subject { common_name: name, organisation: None, names: Vec::new(), days: 1826, ca: true };
        Tls::issued(persona, "ldap", subject, issuer)
    } else {
        Tls::derived(persona, "host", Subject::host(persona))
    };
    let host = Host::new(persona);
    Arc::new(Ldap {
        windows,
        accounts: host.accounts(persona, settings),
        tls,
        persona: persona.clone(),
        domain,
        host,
        directory: OnceLock::new(),
    })
}

struct Ldap {
    persona: Persona,
    domain: Domain,
    host: Host,
    windows: bool,
    /// Who gets in; the first has an entry.
    accounts: Vec<(String, String)>,
    tls: Tls,
    directory: OnceLock<Directory>,
}

/// What a connection came to.
#[derive(Default)]
struct State {
    /// Who is logged in, as "who am I?" says it.
    who: Option<String>,
    tls: bool,
    started: Started,
    /// What protects all messages after a login that asked for it.
    layer: Option<Layer>,
}

/// What follows an answer.
enum Next {
    Go,
    Stop,
    StartTls,
}

impl Decoy for Ldap {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(session).await;
        })
    }
}

impl Ldap {
    async fn talk(&self, mut session: Session) -> io::Result<()> {
        let mut state = State::default();
        if session.number == LDAPS {
            session = self.tls.accept(session).await?.0;
            state.tls = true;
        }
        let (mut pending, mut out) = (Vec::new(), Vec::new());
        let mut chunk = [0u8; 4096];
        loop {
            let framed = match &state.layer {
                Some(_) => wrapped(&pending),
                None => ber::frame(&pending, MESSAGE_MAX),
            };
            match framed {
                Ok(Some(length)) if length <= pending.len() => {
                    let bytes: Vec<u8> = pending.drain(..length).collect();
                    let next = self.turn(&session, &mut state, &bytes, &mut out);
                    if out.len() >= BATCH || !matches!(next, Next::Go) {
                        session.write(&std::mem::take(&mut out)).await?;
                    }
                    match next {
                        Next::Go => {}
                        Next::Stop => return Ok(()),
                        Next::StartTls => {
                            // Whatever was sent ahead in clear is none of the protected conversation's.
                            pending.clear();
                            session = self.tls.accept(session).await?.0;
                            state = State { tls: true, ..State::default() };
                        }
                    }
                    continue;
                }
                Ok(_) => {}
                Err(ber::Malformed) => {
                    session.record.error("protocol", "not an LDAP message, or one too long");
                    if self.windows && state.layer.is_none() {
                        out.extend(self.style().disconnection(&malformed()));
                    }
                    return session.write(&out).await;
                }
            }
            if !out.is_empty() {
                session.write(&std::mem::take(&mut out)).await?;
            }
            let got = session.read(&mut chunk).await?;
            if got == 0 {
                return Ok(());
            }
            pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
        }
    }

    /// Answers a message as it came, protected or not.
    fn turn(&self, session: &Session, state: &mut State, bytes: &[u8], out: &mut Vec<u8>) -> Next {
        let Some(mut layer) = state.layer.take() else {
            return self.answer(session, state, bytes, out);
        };
        let Some(clear) = layer.open(bytes.get(4..).unwrap_or_default()) else {
            session.record.error("protocol", "wrong signature");
            return Next::Stop;
        };
        let mut said = Vec::new();
        let next = self.answer(session, state, &clear, &mut said);
        for part in said.chunks(PART) {
            let part = layer.wrap(part);
            out.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
            out.extend(part);
        }
        // Another login begins its own.
        if state.layer.is_none() {
            state.layer = Some(layer);
        }
        next
    }

    fn style(&self) -> Style {
        Style { long: self.windows }
    }

    fn directory(&self) -> &Directory {
        self.directory.get_or_init(|| {
            let account = self.accounts.first().map(|(user, _)| user.as_str());
            Directory::new(if self.windows {
                ad::entries(&self.persona, &self.domain, account)
            } else {
                slapd::entries(&self.persona, &self.domain, account)
            })
        })
    }

    fn answer(&self, session: &Session, state: &mut State, bytes: &[u8], out: &mut Vec<u8>) -> Next {
        let style = self.style();
        let Some(message) = Message::read(bytes) else {
            session.record.error("protocol", "malformed message");
            if self.windows {
                out.extend(style.disconnection(&malformed()));
            }
            return Next::Stop;
        };
        let id = message.id;
        let mut result = |answer: u8, outcome: &Outcome| out.extend(style.result(id, answer, outcome, false));
        match &message.request {
            Request::Unbind => return Next::Stop,
            Request::Abandon => {}
            Request::Unknown => {
                session.record.error("protocol", "unknown operation");
                let text = if self.windows { malformed() } else { "unknown LDAP request".to_owned() };
                out.extend(style.disconnection(&text));
                return Next::Stop;
            }
            Request::Bind { version, name, credentials } => {
                let outcome = self.bind(session, state, *version, name, credentials);
                result(0x61, &outcome);
            }
            Request::Search(search) => self.search(session, state, &message, search, out),
            Request::Change { answer, name, attributes } => {
                let action = match answer {
                    0x67 => "modify",
                    0x69 => "add",
                    0x6b => "delete",
                    _ => "rename",
                };
                let outcome = self.change(state, *answer, *attributes);
                session.record.event(Kind::Query, action).outcome(false).bytes("ldap.dn", name).emit();
                result(*answer, &outcome);
            }
            Request::Compare { name, attribute, value } => {
                session
                    .record
                    .event(Kind::Query, "compare")
                    .bytes("ldap.dn", name)
                    .bytes("ldap.attribute", attribute)
                    .bytes("ldap.value", value)
                    .emit();
                result(0x6f, &self.compare(state, name, attribute, value));
            }
            Request::Extended { oid } => {
                let draft = session.record.event(Kind::Query, "extended").bytes("ldap.oid", oid);
                let (outcome, next) = self.extended(state, oid);
                draft.outcome(outcome.code == 0).emit();
                result(0x78, &outcome);
                return next;
            }
        }
        Next::Go
    }

    fn bind(
        &self,
        session: &Session,
        state: &mut State,
        version: i64,
        name: &[u8],
        credentials: &Credentials,
    ) -> Outcome {
        state.who = None;
        let record = &session.record;
        if !self.windows && version != 3 {
            record.event(Kind::Login, "bind").outcome(false).user(name).field("ldap.version", version).emit();
            let text = match version {
                2 => "historical protocol version requested, use LDAPv3 instead",
                _ => "requested protocol version not supported",
            };
            return Outcome::new(code::PROTOCOL_ERROR, text);
        }
        match credentials {
            Credentials::Simple(password) if name.is_empty() && password.is_empty() => {
                record.login("anonymous", b"", None, true);
                Outcome::default()
            }
            Credentials::Simple(password) => {
                let (outcome, who) = self.simple(name, password);
                let secret =
                    Some((password.as_slice(), SecretKind::Plaintext)).filter(|_| !password.is_empty());
                record.login("simple", name, secret, who.is_some());
                state.who = who;
                outcome
            }
            Credentials::Sasl(mechanism, token) => self.sasl(session, state, mechanism, token.as_deref()),
            Credentials::Sicily(step, token) if self.windows => self.sicily(session, state, *step, token),
            Credentials::Sicily(..) | Credentials::Other => {
                record.event(Kind::Login, "bind").outcome(false).user(name).emit();
                if self.windows {
                    let comment = "Error in attribute conversion operation";
                    return Outcome::new(code::AUTH_METHOD, ad::error("00002027", "0C090613", comment, "0"));
                }
                Outcome::new(code::AUTH_METHOD, "unknown authentication method")
            }
        }
    }

    fn sasl(&self, session: &Session, state: &mut State, mechanism: &[u8], token: Option<&[u8]>) -> Outcome {
        let server = sasl::Server {
            domain: &self.domain,
            host: &self.host,
            accounts: &self.accounts,
            windows: self.windows,
            tls: state.tls,
        };
        let (outcome, admitted) = sasl::step(&session.record, &server, &mut state.started, mechanism, token);
        if let Some(Admitted { message, layer }) = admitted {
            state.who = Some(if self.windows {
                format!("u:{}\\{}", self.domain.netbios, message.user)
            } else {
                format!("dn:uid={},cn=ntlm,cn=auth", message.user)
            });
            state.layer = layer;
        }
        outcome
    }

    /// Microsoft's way for NTLM: which packages, an offer, an answer.
    fn sicily(&self, session: &Session, state: &mut State, step: u8, token: &[u8]) -> Outcome {
        if step == 0x89 {
            return Outcome { matched: b"NTLM".to_vec(), ..Outcome::default() };
        }
        let mut outcome = self.sasl(session, state, b"NTLM", Some(token));
        if let Some((_, token)) = outcome.extra.pop() {
            return Outcome { matched: token, ..Outcome::default() };
        }
        outcome
    }
}

/// The length of a protected message, its length's own four bytes included; none when those did not come yet.
fn wrapped(pending: &[u8]) -> Result<Option<usize>, ber::Malformed> {
    let Some(length) = pending.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| ber::Malformed)?;
    if length <= MESSAGE_MAX { Ok(Some(length.saturating_add(4))) } else { Err(ber::Malformed) }
}

fn malformed() -> String {
    ad::error("00000057", "0C0C0066", "Error decoding ldap message", "0")
}
