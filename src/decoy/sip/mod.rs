//! SIP as Asterisk's chan_pjsip speaks it: everybody but a lister of options is asked for a password.
//!
//! Nonces are made as Asterisk makes them, from the time, the address and a secret, so a peer that repeats one
//! has received it. An answer that has no room in a datagram loses first what need not be said, then its long
//! names; where even that is too long nothing is said. Calls ring and are never connected to anything.

mod digest;
mod message;
mod product;
mod reply;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use self::digest::{Challenger, Credentials, Nonce};
use self::message::{Framed, Request, frame, param, user_of};
use self::product::Product;
use self::reply::Reply;
use super::datagram::{Answers, Packet};
use super::session::Recorder;
use super::setting::text;
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

const ALLOW: &str = "OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, \
    MESSAGE, REFER";
const SUPPORTED: &str = "100rel, timer, replaces, norefersub";
/// Calls that ring at a time; the oldest stops.
const CALLS_MAX: usize = 64;
/// Longest number that is remembered as one.
const NUMBER_MAX: usize = 64;

/// Makes the SIP decoy. Settings: `version`, `user` and `password` (an account that gets in).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let account = text(settings, "user").zip(text(settings, "password"));
    Arc::new(Sip {
        product: Product::new(persona, settings),
        account: account.map(|(user, password)| (user.to_owned(), password.to_owned())),
        challenger: Challenger::default(),
        opaque: hex::encode(persona.seed.derive("sip/opaque").get(..8).unwrap_or_default()),
        calls: Mutex::default(),
    })
}

struct Sip {
    product: Product,
    account: Option<(String, String)>,
    challenger: Challenger,
    opaque: String,
    /// Call-IDs of what rings.
    calls: Mutex<VecDeque<String>>,
}

/// Who asks, and over what.
struct Peer<'p> {
    address: SocketAddr,
    ours: SocketAddr,
    record: &'p Recorder,
    transport: &'static str,
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let product = Product::new(persona, settings);
    Software::new("asterisk", product.server.trim_start_matches("Asterisk PBX "))
}

impl Decoy for Sip {
    fn serve(self: Arc<Self>, mut session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(&mut session).await;
        })
    }

    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let peer = Peer {
            address: packet.source,
            ours: packet.destination,
            record: packet.record,
            transport: "udp",
        };
        let Some(request) = self.hear(packet.bytes, &peer) else { return };
        let (replies, proved) = self.answer(&request, &peer);
        if proved {
            answers.prove();
        }
        for reply in replies {
            match reply.within(answers.room()) {
                Some(bytes) => drop(answers.send(bytes)),
                // What follows would make no sense without it.
                None => return,
            }
        }
    }
}

impl Sip {
    async fn talk(&self, session: &mut Session) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut seen = 0;
        let mut chunk = [0u8; 2048];
        loop {
            match frame(&pending, seen) {
                Framed::Whole(length) => {
                    let message: Vec<u8> = pending.drain(..length).collect();
                    seen = 0;
                    let blank = message.iter().all(|b| matches!(b, b'\r' | b'\n'));
                    let mut out = Vec::new();
                    if !blank {
                        let peer = Peer {
                            address: session.source,
                            ours: session.destination,
                            record: &session.record,
                            transport: "tcp",
                        };
                        if let Some(request) = self.hear(&message, &peer) {
                            for reply in self.answer(&request, &peer).0 {
                                out.extend(reply.within(usize::MAX).unwrap_or_default());
                            }
                        }
                    }
                    if !out.is_empty() {
                        session.write(&out).await?;
                    }
                }
                more @ (Framed::More | Framed::Until(_)) => {
                    let wanted = if let Framed::Until(whole) = more { whole } else { 0 };
                    if wanted == 0 {
                        seen = pending.len();
                    }
                    // What is known to lack its body is not looked at again before that is there.
                    loop {
                        let got = session.read(&mut chunk).await?;
                        if got == 0 {
                            return Ok(());
                        }
                        pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
                        if pending.len() >= wanted {
                            break;
                        }
                    }
                }
                Framed::TooLong => {
                    session.record.error("limit", "message longer than pjsip takes");
                    return Ok(());
                }
            }
        }
    }

    /// Reads and records a message; none when it is not answered at all.
    fn hear<'m>(&self, bytes: &'m [u8], peer: &Peer<'_>) -> Option<Request<'m>> {
        let Some(request) = Request::parse(bytes) else {
            let answer = bytes.starts_with(b"SIP/2.0 ");
            if !bytes.iter().all(|b| matches!(b, 0 | b'\r' | b'\n')) {
                let action = if answer { "response" } else { "malformed" };
                peer.record.event(Kind::Error, action).bytes("event.original", bytes).emit();
            }
            return None;
        };
        let Request { method, uri, from, to, .. } = &request;
        let short = method.len() <= 16 && method.bytes().all(|b| b.is_ascii_alphabetic());
        let mut draft = peer
            .record
            .event(Kind::Request, if short { method } else { "unknown" })
            .bytes("url.original", uri.as_bytes())
            .bytes("sip.from", from.as_bytes())
            .bytes("sip.to", to.as_bytes())
            .bytes("sip.call_id", request.call_id.as_bytes());
        for (name, value) in [("user_agent.original", &request.user_agent), ("sip.contact", &request.contact)]
        {
            if let Some(value) = value {
                draft = draft.bytes(name, value.as_bytes());
            }
        }
        if !request.body.is_empty() {
            draft = draft.bytes("sip.body", request.body);
        }
        if *method == "INVITE" {
            draft = draft.bytes("sip.dialled", number(uri).as_bytes());
        }
        draft.emit();
        Some(request)
    }

    /// What is said to a request, and whether it proves that its sender receives what it is sent.
    fn answer<'r>(&'r self, request: &'r Request<'r>, peer: &Peer<'_>) -> (Vec<Reply<'r>>, bool) {
        let reply = |status| Reply::new(request, peer.address, status, &self.product.server);
        let in_dialog = param(&request.to, "tag").is_some();
        match request.method {
            "ACK" => return (Vec::new(), false),
            "CANCEL" => {
                let replies = if self.hang_up(&request.call_id) {
                    let ended = reply("487 Request Terminated").of_method("INVITE").tagged(self.tag(request));
                    vec![reply("200 OK").tagged(self.tag(request)), ended]
                } else {
                    vec![reply("481 Call/Transaction Does Not Exist")]
                };
                return (replies, false);
            }
            "BYE" if self.hang_up(&request.call_id) => return (vec![reply("200 OK")], false),
            "BYE" | "PRACK" | "UPDATE" | "INFO" | "REFER" | "INVITE" if in_dialog => {
                return (vec![reply("481 Call/Transaction Does Not Exist")], false);
            }
            "OPTIONS" => {
                let accept = "application/dialog-info+xml, application/sdp, application/simple-message-summary, \
                    application/pidf+xml, application/cpim-pidf+xml, application/xpidf+xml, message/sipfrag;version=2.0";
                let full = reply("200 OK")
                    .says("Accept", accept)
                    .says("Allow", ALLOW)
                    .says("Supported", SUPPORTED)
                    .says("Accept-Encoding", "identity")
                    .says("Accept-Language", "en");
                return (vec![full], false);
            }
            _ => {}
        }
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
        let mut stale = false;
        let mut proved = false;
        if let Some(credentials) = request.authorization.as_deref().and_then(Credentials::parse) {
            let nonce = self.challenger.check(&credentials.nonce, peer.address.ip(), now);
            proved = nonce != Nonce::Foreign;
            stale = nonce == Nonce::Stale;
            let right = self.account.as_ref().is_some_and(|(user, password)| {
                nonce == Nonce::Ours && credentials.is_of(request.method, user, password)
            });
            record(&credentials, request, peer.record, right);
            if right {
                return (self.admitted(request, peer), proved);
            }
        }
        let nonce = self.challenger.nonce(peer.address.ip(), now);
        let (opaque, algorithm) = (&self.opaque, self.product.algorithm);
        let stale = if stale { ",stale=true" } else { "" };
        let challenge = format!(
            "Digest realm=\"asterisk\",nonce=\"{nonce}\",opaque=\"{opaque}\"{stale},algorithm={algorithm},qop=\"auth\""
        );
        let least = format!("Digest realm=\"asterisk\",nonce=\"{nonce}\"{stale}");
        let challenged = reply("401 Unauthorized");
        let challenged = challenged.needs("WWW-Authenticate", challenge).at_least("WWW-Authenticate", least);
        (vec![challenged], proved)
    }

    /// What is said to whoever gave the right password.
    fn admitted<'r>(&'r self, request: &'r Request<'r>, peer: &Peer<'_>) -> Vec<Reply<'r>> {
        let reply = |status| Reply::new(request, peer.address, status, &self.product.server);
        match request.method {
            "REGISTER" => {
                let asked = request.expires.as_deref().and_then(|e| e.parse::<u32>().ok());
                let inside =
                    request.contact.as_deref().and_then(|c| param(c, "expires")?.parse::<u32>().ok());
                let expires = inside.or(asked).unwrap_or(3600).clamp(0, 7200);
                let registered = reply("200 OK");
                let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                let contact = request.contact.as_deref().filter(|_| expires > 0);
                let uri = contact.map(|c| c.rsplit_once('>').map_or(c, |(uri, _)| uri));
                let uri = uri.map(|uri| uri.split_once('<').map_or(uri, |(_, uri)| uri));
                let registered = registered.says("Date", date);
                vec![match uri {
                    Some(uri) => registered.needs("Contact", format!("<{uri}>;expires={expires}")),
                    None => registered,
                }]
            }
            "INVITE" => {
                let dialled = number(request.uri);
                let digits = dialled.trim_start_matches('+');
                let known = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                if !known {
                    return vec![reply("100 Trying"), reply("404 Not Found")];
                }
                self.ring(&request.call_id);
                let contact =
                    format!("<sip:{}:{};transport={}>", peer.ours.ip(), peer.ours.port(), peer.transport);
                let contact =
                    if peer.transport == "udp" { contact.replace(";transport=udp", "") } else { contact };
                let ringing = reply("180 Ringing")
                    .tagged(self.tag(request))
                    .needs("Contact", contact)
                    .says("Allow", ALLOW);
                vec![reply("100 Trying"), ringing]
            }
            "SUBSCRIBE" | "PUBLISH" => vec![reply("489 Bad Event")],
            "MESSAGE" => vec![reply("202 Accepted")],
            "NOTIFY" => vec![reply("200 OK")],
            "BYE" => vec![reply("481 Call/Transaction Does Not Exist")],
            _ => vec![reply("405 Method Not Allowed").needs("Allow", ALLOW)],
        }
    }

    /// Our tag of a call: the same for all requests of it.
    fn tag(&self, request: &Request<'_>) -> String {
        let hash = md5::compute(format!("{}:{}", self.opaque, request.call_id));
        let text = format!("{hash:x}");
        // As pjsip writes a GUID.
        let part = |range| text.get(range).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }

    fn ring(&self, call: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if !calls.iter().any(|known| known == call) {
            if calls.len() >= CALLS_MAX {
                calls.pop_front();
            }
            calls.push_back(call.to_owned());
        }
    }

    /// Ends a call; false when there is none of that name.
    fn hang_up(&self, call: &str) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let at = calls.iter().position(|known| known == call);
        at.and_then(|at| calls.remove(at)).is_some()
    }
}

/// What was dialled.
fn number(uri: &str) -> &str {
    let user = user_of(uri);
    user.get(..user.floor_char_boundary(NUMBER_MAX)).unwrap_or_default()
}

fn record(credentials: &Credentials, request: &Request<'_>, record: &Recorder, right: bool) {
    let Credentials { username, realm, nonce, uri, response, algorithm, qop, nc, cnonce } = credentials;
    let algorithm = if algorithm.is_empty() { "MD5" } else { algorithm };
    let mut draft = record
        .event(Kind::Login, "digest")
        .outcome(right)
        .user(username.as_bytes())
        .secret(response.as_bytes(), SecretKind::SipDigest)
        .text("sip.method", request.method);
    for (name, value) in [
        ("sip.uri", uri.as_str()),
        ("sip.realm", realm),
        ("sip.nonce", nonce),
        ("sip.algorithm", algorithm),
        ("sip.qop", qop),
        ("sip.nc", nc),
        ("sip.cnonce", cnonce),
    ] {
        if !value.is_empty() {
            draft = draft.text(name, value);
        }
    }
    draft.emit();
}

#[cfg(test)]
mod tests;
