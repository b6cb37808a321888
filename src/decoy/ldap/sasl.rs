//! SASL binds: each mechanism is played as far as it takes to be given its secret, and then fails.

use super::ad;
use super::message::{Outcome, code};
use crate::decoy::domain::Domain;
use crate::decoy::ntlm::{Authenticate, Exchange, Host, Layer, Step};
use crate::decoy::session::Recorder;
use crate::event::{Kind, SecretKind};

/// Tag of a server's answer.
const SERVER: u8 = 0x87;

/// A bind that is under way on a connection.
#[derive(Default)]
pub(super) enum Started {
    #[default]
    Nothing,
    Ntlm(Exchange),
    Cram(String),
    Digest,
}

/// What a mechanism is told of the server.
pub(super) struct Server<'a> {
    pub(super) domain: &'a Domain,
    pub(super) host: &'a Host,
    /// Who gets in by NTLM.
    pub(super) accounts: &'a [(String, String)],
    pub(super) windows: bool,
    pub(super) tls: bool,
}

/// Who is in after a step, and how what follows is protected.
pub(super) struct Admitted {
    pub(super) message: Box<Authenticate>,
    pub(super) layer: Option<Layer>,
}

fn go_on(token: Vec<u8>) -> Outcome {
    let mut outcome = Outcome::new(code::SASL_IN_PROGRESS, "");
    outcome.extra.push((SERVER, token));
    outcome
}

fn refused(windows: bool) -> Outcome {
    if windows {
        let comment = "AcceptSecurityContext error";
        return Outcome::new(code::INVALID_CREDENTIALS, ad::error("8009030C", "0C0906B5", comment, "52e"));
    }
    Outcome::new(code::INVALID_CREDENTIALS, "SASL(-13): user not found: no secret in database")
}

/// Random bytes; zeros would be a tell, so none is a refusal.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

/// One step of a SASL bind.
pub(super) fn step(
    record: &Recorder,
    server: &Server<'_>,
    started: &mut Started,
    mechanism: &[u8],
    token: Option<&[u8]>,
) -> (Outcome, Option<Admitted>) {
    let name = String::from_utf8_lossy(mechanism).to_ascii_uppercase();
    let before = std::mem::take(started);
    let token = token.unwrap_or_default();
    let outcome = match (name.as_str(), server.windows) {
        ("GSS-SPNEGO" | "NTLM", true) | ("NTLM", false) => {
            return negotiate(record, server, started, before, token);
        }
        ("GSSAPI", true) => {
            record.event(Kind::Login, "gssapi").outcome(false).bytes("ldap.sasl.token", token).emit();
            refused(true)
        }
        ("CRAM-MD5", false) => cram(record, server, started, &before, token),
        ("DIGEST-MD5", _) => digest(record, server, started, &before, token),
        ("PLAIN", windows) => {
            let mut parts = token.split(|b| *b == 0);
            let (_, user, password) = (parts.next(), parts.next(), parts.next());
            let secret = password.map(|p| (p, SecretKind::Plaintext));
            record.login("plain", user.unwrap_or_default(), secret, false);
            match (windows, server.tls) {
                (true, _) => unknown(&name, true),
                (false, true) => refused(false),
                (false, false) => Outcome::new(
                    code::INAPPROPRIATE_AUTH,
                    "SASL(-16): encryption needed to use mechanism: security flags do not match required",
                ),
            }
        }
        (_, windows) => {
            record
                .event(Kind::Login, "sasl")
                .outcome(false)
                .bytes("ldap.sasl.mechanism", mechanism)
                .bytes("ldap.sasl.token", token)
                .emit();
            unknown(&name, windows)
        }
    };
    (outcome, None)
}

fn unknown(name: &str, windows: bool) -> Outcome {
    if windows {
        let comment = "The server does not support the requested SASL mechanism";
        return Outcome::new(code::AUTH_METHOD, ad::error("00002027", "0C0905F4", comment, "0"));
    }
    let tail = if name == "EXTERNAL" { String::new() } else { format!("Couldn't find mech {name}") };
    Outcome::new(code::AUTH_METHOD, format!("SASL(-4): no mechanism available: {tail}"))
}

/// NTLM, bare or within SPNEGO.
fn negotiate(
    record: &Recorder,
    server: &Server<'_>,
    started: &mut Started,
    before: Started,
    token: &[u8],
) -> (Outcome, Option<Admitted>) {
    let (exchange, asked) = match before {
        Started::Ntlm(exchange) => (Some(exchange), true),
        _ => (Exchange::new(), false),
    };
    let Some(mut exchange) = exchange else { return (refused(server.windows), None) };
    match exchange.step(server.host, token) {
        Step::Continue(reply) => {
            if token.first() == Some(&0x60) && !token.windows(8).any(|w| w == b"NTLMSSP\0") {
                // Kerberos was offered first: it is kept, and NTLM asked for.
                record.event(Kind::Login, "kerberos").outcome(false).bytes("ldap.sasl.token", token).emit();
            }
            *started = Started::Ntlm(exchange);
            (go_on(reply), None)
        }
        // An answer to a challenge that nobody was given proves nothing.
        Step::Done(_) if !asked => (refused(server.windows), None),
        Step::Done(message) => {
            let key = message.admitted(&exchange.challenge, server.accounts);
            message.record(record, &exchange.challenge, key.is_some());
            let Some(key) = key else { return (refused(server.windows), None) };
            let mut outcome = Outcome::default();
            let last = exchange.accepted(&message, Some(&key));
            if !last.is_empty() {
                outcome.extra.push((SERVER, last));
            }
            let layer = message.layer(&key);
            (outcome, Some(Admitted { message, layer }))
        }
        Step::Bad => (refused(server.windows), None),
    }
}

fn cram(
    record: &Recorder,
    server: &Server<'_>,
    started: &mut Started,
    before: &Started,
    token: &[u8],
) -> Outcome {
    if let Started::Cram(challenge) = before {
        let at = token.iter().rposition(|b| *b == b' ').unwrap_or(0);
        let (user, digest) = token.split_at(at);
        record
            .event(Kind::Login, "cram_md5")
            .outcome(false)
            .user(user)
            .secret(digest.get(1..).unwrap_or_default(), SecretKind::CramMd5)
            .text("cram.challenge", challenge)
            .emit();
        return refused(false);
    }
    let Some(bytes) = random::<8>() else { return refused(false) };
    let now = jiff::Timestamp::now().as_second();
    let challenge = format!("<{}.{now}@{}>", u64::from_be_bytes(bytes), server.domain.fqdn());
    *started = Started::Cram(challenge.clone());
    go_on(challenge.into_bytes())
}

fn digest(
    record: &Recorder,
    server: &Server<'_>,
    started: &mut Started,
    before: &Started,
    token: &[u8],
) -> Outcome {
    if matches!(before, Started::Digest) {
        let text = String::from_utf8_lossy(token);
        let part =
            |key: &str| text.split_once(key).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
        record
            .event(Kind::Login, "digest_md5")
            .outcome(false)
            .user(part("username=\"").as_bytes())
            .secret(token, SecretKind::Other)
            .emit();
        return refused(server.windows);
    }
    let Some(nonce) = random::<24>() else { return refused(server.windows) };
    use base64::Engine as _;
    let nonce = base64::engine::general_purpose::STANDARD.encode(nonce);
    let fqdn = server.domain.fqdn();
    let realm = if server.windows { &server.domain.dns } else { &fqdn };
    *started = Started::Digest;
    let list = if server.windows {
        format!(
            "qop=\"auth,auth-int,auth-conf\",cipher=\"3des,rc4\",algorithm=md5-sess,nonce=\"{nonce}\",charset=utf-8,realm=\"{realm}\""
        )
    } else {
        format!(
            "nonce=\"{nonce}\",realm=\"{realm}\",qop=\"auth,auth-int,auth-conf\",cipher=\"rc4-40,rc4-56,rc4,des,3des\",maxbuf=65536,charset=utf-8,algorithm=md5-sess"
        )
    };
    go_on(list.into_bytes())
}
