//! SASL as mail servers offer it: PLAIN, LOGIN and CRAM-MD5, and how attempts are recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::decoy::session::Recorder;
use crate::event::{Kind, SecretKind};

/// A mechanism that we can take to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
    CramMd5,
}

impl Mechanism {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_slice() {
            b"PLAIN" => Self::Plain,
            b"LOGIN" => Self::Login,
            b"CRAM-MD5" => Self::CramMd5,
            _ => return None,
        })
    }

    fn action(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Login => "login",
            Self::CramMd5 => "cram_md5",
        }
    }
}

/// What a client proved itself with, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) user: Vec<u8>,
    pub(super) secret: Vec<u8>,
}

/// base64 as clients send it.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim_ascii()).ok()
}

/// base64 of a prompt.
pub(super) fn encode(text: &[u8]) -> String {
    STANDARD.encode(text)
}

/// `authorisation NUL user NUL password` (RFC 4616); without the second NUL it is no message.
pub(super) fn plain(message: &[u8]) -> Option<Attempt> {
    let mut parts = message.splitn(3, |b| *b == 0);
    let _authorisation = parts.next()?;
    let user = parts.next()?.to_vec();
    let secret = parts.next()?;
    // Dovecot takes what comes up to a further NUL.
    Some(Attempt { user, secret: secret.split(|b| *b == 0).next().unwrap_or_default().to_vec() })
}

/// `user SP digest` of CRAM-MD5 (RFC 2195).
pub(super) fn cram(message: &[u8]) -> Option<Attempt> {
    let at = message.iter().rposition(|b| *b == b' ')?;
    Some(Attempt { user: message.get(..at)?.to_vec(), secret: message.get(at + 1..)?.to_vec() })
}

/// A challenge of CRAM-MD5, new for every attempt.
pub(super) fn challenge(hostname: &str) -> String {
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    let number = u64::from_le_bytes(random) % 10_000_000_000_000;
    format!("<{number}.{}@{hostname}>", jiff::Timestamp::now().as_second())
}

/// Records an attempt; `challenge` goes with CRAM-MD5.
pub(super) fn record(
    record: &Recorder,
    mechanism: Mechanism,
    attempt: &Attempt,
    challenge: Option<&str>,
    ok: bool,
) {
    let kind = if mechanism == Mechanism::CramMd5 { SecretKind::CramMd5 } else { SecretKind::Plaintext };
    let mut draft = record
        .event(Kind::Login, mechanism.action())
        .outcome(ok)
        .user(&attempt.user)
        .secret(&attempt.secret, kind);
    if let Some(challenge) = challenge {
        draft = draft.text("cram.challenge", challenge);
    }
    draft.emit();
}

/// Records a message that is none of its mechanism, as it came.
pub(super) fn record_garbage(record: &Recorder, name: &[u8], message: &[u8]) {
    record
        .event(Kind::Login, "sasl")
        .outcome(false)
        .user(b"")
        .secret(message, SecretKind::Other)
        .bytes("sasl.mechanism", name)
        .emit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_taken_apart() {
        let attempt = |user: &[u8], secret: &[u8]| Attempt { user: user.to_vec(), secret: secret.to_vec() };
        assert_eq!(plain(b"\0joe\0pw"), Some(attempt(b"joe", b"pw")));
        assert_eq!(plain(b"x\0joe\0pw\0"), Some(attempt(b"joe", b"pw")));
        assert_eq!(plain(b"joe"), None);
        assert_eq!(cram(b"a b 0123"), Some(attempt(b"a b", b"0123")));
        assert_eq!(decode(b"AGEAYg==\r\n").as_deref(), Some(&b"\0a\0b"[..]));
        assert_eq!((decode(b""), decode(b"="), decode(b"!!!")), (Some(Vec::new()), None, None));
        assert_ne!(challenge("h"), challenge("h"));
    }

    proptest! {
        #[test]
        fn any_message_is_survived(bytes: Vec<u8>) {
            let _ = (plain(&bytes), cram(&bytes), decode(&bytes));
        }
    }
}
