//! Logins: SCRAM, and what is left of the older ways.

use super::bson::{Doc, Value, get, object};
use super::{Mongo, error};
use crate::decoy::buffered::Buffered;
use crate::decoy::scram::{self, Exchange, Hash};
use crate::event::{Kind, SecretKind};

/// How far a connection's login is.
#[derive(Default)]
pub(super) struct Login {
    exchange: Option<Exchange>,
    database: String,
    /// A client that wants no empty turn at the end.
    short: bool,
    /// The proof was right, and the empty turn is still to come.
    proved: bool,
    /// Who is logged in: user and database.
    pub(super) user: Option<(String, String)>,
}

fn failed() -> Doc {
    error(18, "AuthenticationFailed", "Authentication failed.")
}

fn payload(command: &Doc) -> Option<&[u8]> {
    match get(command, "payload")? {
        Value::Binary(_, bytes) => Some(bytes),
        Value::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

fn turn(done: bool, payload: &[u8]) -> Doc {
    object! { "conversationId" => 1, "done" => done, "payload" => Value::Binary(0, payload.to_vec()) }
}

impl Mongo {
    /// `saslStart`. Names that are unknown get a salt as well, so that their proof can be recorded.
    pub(super) fn sasl_start(
        &self,
        wire: &Buffered,
        login: &mut Login,
        database: &str,
        command: &Doc,
    ) -> Doc {
        let mechanism = get(command, "mechanism").and_then(Value::text).unwrap_or_default();
        let Some(message) = payload(command).filter(|p| p.len() <= scram::MESSAGE_MAX) else {
            return error(2, "BadValue", "Missing payload");
        };
        let (hash, iterations, length) = match mechanism {
            "SCRAM-SHA-1" => (Hash::Sha1, 10_000, 16),
            "SCRAM-SHA-256" => (Hash::Sha256, 15_000, 28),
            _ => {
                let mut parts = message.split(|b| *b == 0).skip(1);
                let (user, secret) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(message));
                let kind = if mechanism == "PLAIN" { SecretKind::Plaintext } else { SecretKind::Other };
                wire.session
                    .record
                    .event(Kind::Login, "sasl")
                    .outcome(false)
                    .user(user)
                    .secret(secret, kind)
                    .text("mongodb.mechanism", mechanism)
                    .text("db.name", database)
                    .emit();
                let text = format!("Received authentication for mechanism {mechanism} which is not enabled");
                return error(334, "MechanismUnavailable", text);
            }
        };
        let (Some(first), Some(nonce)) = (scram::first(message), scram::nonce(24)) else {
            wire.session.record.event(Kind::Error, "protocol").bytes("mongodb.payload", message).emit();
            return failed();
        };
        let label = format!("mongodb/salt/{length}/{database}/{}", String::from_utf8_lossy(&first.user));
        let salt = self.server.persona.seed.derive(&label);
        let salt = salt.get(..length).unwrap_or_default();
        let exchange = Exchange::new(hash, first, salt, iterations, &nonce);
        let answer = turn(false, exchange.server_first().as_bytes());
        login.short = get(command, "options")
            .and_then(Value::doc)
            .and_then(|o| get(o, "skipEmptyExchange"))
            .is_some_and(Value::truth);
        login.exchange = Some(exchange);
        database.clone_into(&mut login.database);
        answer
    }

    /// `saslContinue`.
    pub(super) fn sasl_continue(&self, wire: &Buffered, login: &mut Login, command: &Doc) -> Doc {
        if std::mem::take(&mut login.proved) {
            return turn(true, b"");
        }
        let Some(exchange) = login.exchange.take() else {
            return error(17, "ProtocolError", "No SASL session state found");
        };
        let message = payload(command).filter(|p| p.len() <= scram::MESSAGE_MAX).unwrap_or_default();
        let record = &wire.session.record;
        let Some(last) = exchange.last(message) else {
            record.event(Kind::Error, "protocol").bytes("mongodb.payload", message).emit();
            return failed();
        };
        let user = String::from_utf8_lossy(exchange.user()).into_owned();
        let known = self.account.as_ref().filter(|(name, _)| *name == user);
        let signature = known.and_then(|(name, password)| {
            let secret = match exchange.hash() {
                Hash::Sha1 => hex::encode(md5::compute(format!("{name}:mongo:{password}")).0),
                Hash::Sha256 => password.clone(),
            };
            exchange.verify(&last, secret.as_bytes())
        });
        let draft = record.event(Kind::Login, "sasl").outcome(signature.is_some()).user(exchange.user());
        let draft = exchange.record(&last, draft);
        draft.text("db.name", &login.database).emit();
        let Some(signature) = signature else { return failed() };
        login.user = Some((user, login.database.clone()));
        login.proved = !login.short;
        turn(login.short, format!("v={signature}").as_bytes())
    }

    /// `authenticate`, from before 4.0.
    pub(super) fn authenticate(&self, wire: &Buffered, database: &str, command: &Doc) -> Doc {
        let field = |name: &str| get(command, name).and_then(Value::text).unwrap_or_default();
        wire.session
            .record
            .event(Kind::Login, "authenticate")
            .outcome(false)
            .user(field("user").as_bytes())
            .secret(field("key").as_bytes(), SecretKind::Other)
            .text("mongodb.nonce", field("nonce"))
            .text("mongodb.mechanism", field("mechanism"))
            .text("db.name", database)
            .emit();
        failed()
    }
}
