//! How a client proves who it is.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{Error, Place, message};
use super::{Postgres, Startup};
use crate::decoy::buffered::{Buffered, Cursor};
use crate::decoy::scram::{self, Exchange, Hash};
use crate::event::{Kind, SecretKind};

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Scram,
    Md5,
    Password,
    Trust,
}

/// Words of the setting `auth`.
pub(super) const METHODS: [(&str, Method); 4] = [
    ("scram-sha-256", Method::Scram),
    ("md5", Method::Md5),
    ("password", Method::Password),
    ("trust", Method::Trust),
];

/// Longest message before a login.
const MESSAGE_MAX: usize = 65_535;

/// What a client's answer comes to.
enum Outcome {
    Passed,
    Failed,
    Broken(Error),
    Gone,
}

impl Postgres {
    /// Lets a client prove itself; whether it may go on.
    pub(super) async fn authenticate(&self, wire: &mut Buffered, startup: &Startup) -> io::Result<bool> {
        let outcome = match self.method {
            Method::Scram => self.scram(wire, startup).await?,
            Method::Md5 | Method::Password => self.secret(wire, startup).await?,
            Method::Trust => {
                let event = wire.session.record.event(Kind::Login, "trust").outcome(true);
                event.user(&startup.user).bytes("db.name", &startup.database).emit();
                Outcome::Passed
            }
        };
        let error = match outcome {
            Outcome::Passed => {
                wire.write(&message(b'R', &[0; 4])).await?;
                return Ok(true);
            }
            Outcome::Failed => {
                let user = String::from_utf8_lossy(&startup.user);
                let place = ("auth.c", self.product.lines.failed, "auth_failed");
                Error::fatal("28P01", format!("password authentication failed for user \"{user}\""), place)
            }
            Outcome::Broken(error) => error,
            Outcome::Gone => return Ok(false),
        };
        wire.session.record.error("protocol", &error.text);
        wire.write(&error.message(&self.product)).await?;
        Ok(false)
    }

    fn admits(&self, user: &[u8]) -> Option<&str> {
        self.account.as_ref().filter(|(name, _)| name.as_bytes() == user).map(|(_, p)| p.as_str())
    }

    /// The next `p` message; what it is instead.
    async fn answer(&self, wire: &mut Buffered, sasl: bool) -> io::Result<Result<Vec<u8>, Outcome>> {
        let Some(head) = wire.exact(5).await? else { return Ok(Err(Outcome::Gone)) };
        let mut cursor = Cursor(&head);
        let kind = cursor.u8().unwrap_or(0);
        let length = usize::try_from(cursor.be32().unwrap_or(0)).unwrap_or(usize::MAX);
        if kind != b'p' {
            let (what, file, routine) = match (sasl, self.product.major) {
                (true, 15..) => ("SASL", "auth-sasl.c", "CheckSASLAuth"),
                (true, _) => ("SASL", "auth.c", "CheckSCRAMAuth"),
                (false, _) => ("password", "auth.c", "recv_password_packet"),
            };
            let text = format!("expected {what} response, got message type {kind}");
            let place = (file, self.product.lines.expected, routine);
            return Ok(Err(Outcome::Broken(Error::fatal("08P01", text, place))));
        }
        match length.checked_sub(4) {
            Some(length) if length <= MESSAGE_MAX => Ok(wire.exact(length).await?.ok_or(Outcome::Gone)),
            _ => Ok(Err(Outcome::Failed)),
        }
    }

    /// MD5, or a password in clear.
    async fn secret(&self, wire: &mut Buffered, startup: &Startup) -> io::Result<Outcome> {
        let mut salt = [0u8; 4];
        if getrandom::fill(&mut salt).is_err() {
            return Ok(Outcome::Gone);
        }
        let md5 = self.method == Method::Md5;
        let request = if md5 { [&[0, 0, 0, 5][..], &salt].concat() } else { vec![0, 0, 0, 3] };
        wire.write(&message(b'R', &request)).await?;
        let answer = match self.answer(wire, false).await? {
            Ok(answer) => answer,
            Err(outcome) => return Ok(outcome),
        };
        let answer = answer.strip_suffix(b"\0").unwrap_or(&answer);
        let ok = self.admits(&startup.user).is_some_and(|password| {
            let inner = md5::compute([password.as_bytes(), &startup.user].concat());
            let outer = md5::compute([hex::encode(inner.0).as_bytes(), &salt].concat());
            let hashed = format!("md5{}", hex::encode(outer.0));
            !password.is_empty() && answer == if md5 { hashed.as_bytes() } else { password.as_bytes() }
        });
        let kind = if md5 { SecretKind::PostgresMd5 } else { SecretKind::Plaintext };
        let event = wire.session.record.event(Kind::Login, if md5 { "md5" } else { "password" });
        let mut event = event.outcome(ok).user(&startup.user).secret(answer, kind);
        if md5 {
            event = event.field("postgres.salt", hex::encode(salt));
        }
        event.bytes("db.name", &startup.database).emit();
        Ok(if ok { Outcome::Passed } else { Outcome::Failed })
    }

    fn malformed(&self, detail: &str, place: Place) -> Outcome {
        Outcome::Broken(Error::fatal("08P01", "malformed SCRAM message", place).detail(detail))
    }

    async fn scram(&self, wire: &mut Buffered, startup: &Startup) -> io::Result<Outcome> {
        let lines = self.product.lines;
        let mut request = vec![0, 0, 0, 10];
        // Over TLS a genuine server would offer channel binding too; this one has no certificate hash to bind to.
        request.extend_from_slice(b"SCRAM-SHA-256\0\0");
        wire.write(&message(b'R', &request)).await?;
        let answer = match self.answer(wire, true).await? {
            Ok(answer) => answer,
            Err(outcome) => return Ok(outcome),
        };
        let mut cursor = Cursor(&answer);
        let Some(mechanism) = cursor.text() else {
            let place = ("pqformat.c", lines.string, "pq_getmsgrawstring");
            return Ok(Outcome::Broken(Error::fatal("08P01", "invalid string in message", place)));
        };
        if mechanism != b"SCRAM-SHA-256" {
            if !mechanism.is_empty() {
                // A password for another method, sent unasked.
                let event = wire.session.record.event(Kind::Login, "password").outcome(false);
                event.user(&startup.user).secret(mechanism, SecretKind::Plaintext).emit();
            }
            let routine = if self.product.major >= 15 { "scram_init" } else { "pg_be_scram_init" };
            let text = "client selected an invalid SASL authentication mechanism";
            let place = ("auth-scram.c", lines.mechanism, routine);
            return Ok(Outcome::Broken(Error::fatal("08P01", text, place)));
        }
        let mut first = match cursor.be32().and_then(|n| i32::try_from(n).ok()) {
            Some(length) => {
                let length = usize::try_from(length).unwrap_or(0);
                cursor.take(length).unwrap_or_default().to_vec()
            }
            None => {
                wire.write(&message(b'R', &[0, 0, 0, 11])).await?;
                match self.answer(wire, true).await? {
                    Ok(answer) => answer,
                    Err(outcome) => return Ok(outcome),
                }
            }
        };
        first.truncate(scram::MESSAGE_MAX);
        let known = match self.first(&first) {
            Ok(known) => known,
            Err(outcome) => return Ok(outcome),
        };
        let Some(nonce) = scram::nonce(18) else { return Ok(Outcome::Gone) };
        // Unknown users have a salt of their own too, the same one each time.
        let label = format!("postgres/salt/{}", String::from_utf8_lossy(&startup.user));
        let salt = self.persona.seed.derive(&label);
        let salt = salt.get(..16).unwrap_or_default();
        let exchange = Exchange::new(Hash::Sha256, known, salt, 4096, &nonce);
        let first = [&[0, 0, 0, 11][..], exchange.server_first().as_bytes()].concat();
        wire.write(&message(b'R', &first)).await?;
        let answer = match self.answer(wire, true).await? {
            Ok(answer) => answer,
            Err(outcome) => return Ok(outcome),
        };
        self.last(wire, startup, &exchange, &answer).await
    }

    /// Reads a first message as a genuine server does, or says what that would say.
    fn first(&self, message: &[u8]) -> Result<scram::First, Outcome> {
        let lines = self.product.lines;
        let place = |line| ("auth-scram.c", line, "read_client_first_message");
        let shown = |byte: Option<&u8>| match byte {
            Some(b) if b.is_ascii_graphic() || *b == b' ' => format!("'{}'", char::from(*b)),
            byte => format!("0x{:02x}", byte.copied().unwrap_or(0)),
        };
        match message.first() {
            Some(b'n' | b'y') => {}
            Some(b'p') => {
                let text = "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.";
                return Err(self.malformed(text, place(lines.binding)));
            }
            other => {
                let text = format!("Unexpected channel-binding flag \"{}\".", shown(other));
                return Err(self.malformed(&text, place(lines.flag)));
            }
        }
        if message.get(1) != Some(&b',') {
            let text = format!("Comma expected, but found character \"{}\".", shown(message.get(1)));
            return Err(self.malformed(&text, place(lines.flag.saturating_sub(8))));
        }
        match message.get(2) {
            Some(b',') => {}
            Some(b'a') => {
                let text = "client uses authorization identity, but it is not supported";
                return Err(Outcome::Broken(Error::fatal("0A000", text, place(lines.identity))));
            }
            other => {
                let text = format!("Unexpected attribute \"{}\" in client-first-message.", shown(other));
                return Err(self.malformed(&text, place(lines.identity + 5)));
            }
        }
        let bare = message.get(3..).unwrap_or_default();
        if bare.first() == Some(&b'm') {
            let text = "client requires an unsupported SCRAM extension";
            return Err(Outcome::Broken(Error::fatal("0A000", text, place(lines.extension))));
        }
        let attribute = ("auth-scram.c", lines.attribute, "read_attr_value");
        let mut parts = bare.split(|b| *b == b',');
        for want in ['n', 'r'] {
            let part = parts.next().unwrap_or_default();
            if part.first().copied().map(char::from) != Some(want) {
                let text = format!("Expected attribute \"{want}\" but found \"{}\".", shown(part.first()));
                return Err(self.malformed(&text, attribute));
            }
        }
        scram::first(message).ok_or_else(|| {
            let text = "non-printable characters in SCRAM nonce";
            Outcome::Broken(Error::fatal("08P01", text, place(lines.nonce)))
        })
    }

    async fn last(
        &self,
        wire: &mut Buffered,
        startup: &Startup,
        exchange: &Exchange,
        answer: &[u8],
    ) -> io::Result<Outcome> {
        let lines = self.product.lines;
        if answer.first() != Some(&b'c') {
            let shown = match answer.first() {
                Some(b) if b.is_ascii_graphic() => format!("'{}'", char::from(*b)),
                byte => format!("0x{:02x}", byte.copied().unwrap_or(0)),
            };
            let text = format!("Expected attribute \"c\" but found \"{shown}\".");
            return Ok(self.malformed(&text, ("auth-scram.c", lines.attribute, "read_attr_value")));
        }
        if !answer.windows(3).any(|w| w == b",p=") {
            let text = "Attribute expected, but found end of string.";
            return Ok(self.malformed(text, ("auth-scram.c", lines.any_attribute, "read_any_attr")));
        }
        let Some(last) = exchange.last(answer) else {
            let proof = answer.windows(3).rposition(|w| w == b",p=").and_then(|at| answer.get(at + 3..));
            let whole = proof.and_then(|p| STANDARD.decode(p).ok()).is_some_and(|p| p.len() == 32);
            if whole {
                let text = "invalid SCRAM response";
                let place = ("auth-scram.c", lines.proof.saturating_sub(900), "scram_exchange");
                return Ok(Outcome::Broken(
                    Error::fatal("08P01", text, place).detail("Nonce does not match."),
                ));
            }
            let text = "Malformed proof in client-final-message.";
            return Ok(self.malformed(text, ("auth-scram.c", lines.proof, "read_client_final_message")));
        };
        let password = self.admits(&startup.user).filter(|p| !p.is_empty());
        let signature = password.and_then(|password| exchange.verify(&last, password.as_bytes()));
        let event = wire.session.record.event(Kind::Login, "scram");
        let event = event.outcome(signature.is_some()).user(&startup.user);
        exchange.record(&last, event).bytes("db.name", &startup.database).emit();
        let Some(signature) = signature else { return Ok(Outcome::Failed) };
        let end = [&[0, 0, 0, 12][..], b"v=", signature.as_bytes()].concat();
        wire.write(&message(b'R', &end)).await?;
        Ok(Outcome::Passed)
    }
}
