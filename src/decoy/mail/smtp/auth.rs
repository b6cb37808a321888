//! AUTH: what clients prove themselves with, all of it recorded.

use std::io;

use super::Mta;
use super::address::shown;
use super::say::Say;
use super::talk::{Flow, Talk};
use crate::decoy::mail::sasl::{self, Attempt, Mechanism};

/// What a client sent in answer to a prompt.
enum Answer {
    Message(Vec<u8>),
    Aborted,
    /// No base64.
    Garbage(Vec<u8>),
    Gone,
}

impl Talk<'_> {
    pub(super) async fn auth(&mut self, argument: &[u8]) -> io::Result<Flow> {
        let mut words = argument.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let name = words.next().unwrap_or_default();
        let initial = words.next();
        let more = words.next().is_some();
        let refused = if !self.offers_auth() || (self.smtp.mta != Mta::Postfix && !self.is_extended()) {
            Some(Say::AuthOff)
        } else if self.authenticated {
            Some(Say::AuthAgain)
        } else if self.sender.is_some() {
            Some(Say::AuthNested)
        } else if name.is_empty() || more {
            Some(Say::AuthSyntax)
        } else {
            None
        };
        let word = shown(name).to_ascii_uppercase();
        let refused = refused.map(|what| self.say(what));
        if let Some(text) = refused {
            // What it would have sent is worth as much.
            if let Some(message) = initial {
                self.keep(name, message);
            }
            return self.reply(text).await;
        }
        let known =
            Mechanism::named(name).filter(|m| *m != Mechanism::CramMd5 || self.smtp.mta == Mta::Sendmail);
        let Some(mechanism) = known else {
            self.keep(name, initial.unwrap_or_default());
            let text = self.say(Say::AuthUnknown(&word));
            return self.reply(text).await;
        };
        let challenge = (mechanism == Mechanism::CramMd5).then(|| sasl::challenge(&self.smtp.hostname));
        let attempt = match self.exchange(mechanism, initial, challenge.as_deref()).await? {
            Ok(attempt) => attempt,
            Err(None) => return Ok(Flow::Close),
            Err(Some((what, raw))) => {
                if !raw.is_empty() {
                    sasl::record_garbage(&self.session.record, name, &raw);
                }
                let text = self.say(what);
                return self.reply(text).await;
            }
        };
        let ok = self.admits(mechanism, &attempt);
        sasl::record(&self.session.record, mechanism, &attempt, challenge.as_deref(), ok);
        self.authenticated = ok;
        if ok {
            let text = self.say(Say::AuthOk);
            return self.reply(text).await;
        }
        crate::decoy::mail::penalty(2000).await;
        let text = self.say(Say::AuthFailed(&word));
        self.reply(text).await
    }

    /// Records a message that came unasked.
    fn keep(&self, name: &[u8], message: &[u8]) {
        let decoded = sasl::decode(message).unwrap_or_default();
        match (Mechanism::named(name), sasl::plain(&decoded)) {
            (Some(Mechanism::Plain), Some(attempt)) => {
                sasl::record(&self.session.record, Mechanism::Plain, &attempt, None, false);
            }
            _ => sasl::record_garbage(&self.session.record, name, message),
        }
    }

    fn admits(&self, mechanism: Mechanism, attempt: &Attempt) -> bool {
        if self.smtp.relay {
            return !attempt.user.is_empty();
        }
        // The digest of CRAM-MD5 is kept for others to crack; here nobody is known by it.
        let named = self.smtp.account.as_ref();
        let named =
            named.is_some_and(|(u, p)| u.as_bytes() == attempt.user && p.as_bytes() == attempt.secret);
        let owner = self.smtp.mailboxes.as_ref().is_some_and(|a| a.admits(&attempt.user, &attempt.secret));
        mechanism != Mechanism::CramMd5 && (named || owner)
    }

    /// The attempt; else the answer to what is none, with what came; nothing when the client is gone.
    async fn exchange(
        &mut self,
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        challenge: Option<&str>,
    ) -> io::Result<Result<Attempt, Option<(Say<'static>, Vec<u8>)>>> {
        let first = match (mechanism, initial) {
            // `=` stands for nothing (RFC 4954 §4); for LOGIN that is no user.
            (Mechanism::Plain, Some(b"=")) => Some(Vec::new()),
            (Mechanism::Login, Some(b"=")) => None,
            (Mechanism::Plain | Mechanism::Login, Some(text)) => match sasl::decode(text) {
                Some(message) => Some(message),
                None => return Ok(Err(Some((Say::AuthBadInitial, text.to_vec())))),
            },
            _ => None,
        };
        let first = match (first, mechanism) {
            (Some(message), _) => message,
            (None, Mechanism::Plain) => match self.ask(b"").await? {
                Answer::Message(message) => message,
                other => return Ok(Err(other.refused())),
            },
            (None, Mechanism::Login) => match self.ask(b"Username:").await? {
                Answer::Message(message) => message,
                other => return Ok(Err(other.refused())),
            },
            (None, Mechanism::CramMd5) => match self.ask(challenge.unwrap_or_default().as_bytes()).await? {
                Answer::Message(message) => message,
                other => return Ok(Err(other.refused())),
            },
        };
        let attempt = match mechanism {
            Mechanism::Plain => sasl::plain(&first),
            Mechanism::CramMd5 => sasl::cram(&first),
            Mechanism::Login => match self.ask(b"Password:").await? {
                Answer::Message(secret) => Some(Attempt { user: first.clone(), secret }),
                Answer::Aborted => return Ok(Err(Some((Say::AuthAborted, first)))),
                other => return Ok(Err(other.refused())),
            },
        };
        Ok(attempt.ok_or(Some((Say::AuthFailed("PLAIN"), first))))
    }

    async fn ask(&mut self, prompt: &[u8]) -> io::Result<Answer> {
        self.send(&format!("334 {}\r\n", sasl::encode(prompt))).await?;
        let Some(line) = self.line().await? else { return Ok(Answer::Gone) };
        if line == b"*" {
            return Ok(Answer::Aborted);
        }
        Ok(sasl::decode(&line).map_or(Answer::Garbage(line), Answer::Message))
    }
}

impl Answer {
    fn refused(self) -> Option<(Say<'static>, Vec<u8>)> {
        match self {
            Self::Garbage(raw) => Some((Say::AuthBadBase64, raw)),
            Self::Aborted | Self::Message(_) => Some((Say::AuthAborted, Vec::new())),
            Self::Gone => None,
        }
    }
}
