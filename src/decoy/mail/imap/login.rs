//! What is taken before a login, as Dovecot's imap-login takes it.

use std::io;

use super::Imap;
use super::parse::{Token, tokens};
use super::reader::{Input, Reader};
use crate::decoy::mail::penalty;
use crate::decoy::mail::sasl::{self, Attempt, Mechanism};
use crate::event::{Kind, SecretKind};

/// Bad commands until it hangs up.
const BAD: u32 = 3;
const COMMANDS_MAX: u32 = 200;
/// How long a wrong password takes, in milliseconds.
const PENALTY: u64 = 2000;

/// How it ends.
pub(super) enum Login {
    In,
    Tls,
    Out,
}

/// The tag of a command and the rest; no tag when it is none.
pub(super) fn tag(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let (tag, rest) = line.split_at(end);
    let plain = |b: &u8| (0x21..0x7f).contains(b) && !b"(){%*\"\\+".contains(b);
    (!tag.is_empty() && tag.len() <= 256 && tag.iter().all(plain))
        .then(|| (tag, rest.get(1..).unwrap_or_default()))
}

impl Imap {
    pub(super) async fn login(&self, reader: &mut Reader, tls: bool) -> io::Result<Login> {
        let mut bad = 0u32;
        for _ in 0..COMMANDS_MAX {
            let command = match reader.command(0).await {
                Ok(Input::Command(command)) => command,
                Ok(Input::Full | Input::TooBig(_)) => {
                    reader.send(b"* BYE Input buffer full, aborting\r\n").await?;
                    return Ok(Login::Out);
                }
                Ok(Input::End) => return Ok(Login::Out),
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        reader.send(b"* BYE Disconnected for inactivity.\r\n").await?;
                    }
                    return Err(error);
                }
            };
            let answer = match tag(&command) {
                Some((tag, rest)) => self.stranger(reader, tls, tag, rest).await?,
                None => {
                    note(reader, "unknown", &command);
                    Err(received("*"))
                }
            };
            match answer {
                Ok(None) => bad = 0,
                Ok(Some(end)) => return Ok(end),
                Err(text) => {
                    bad += 1;
                    if bad >= BAD {
                        reader.send(b"* BYE Too many invalid IMAP commands.\r\n").await?;
                        return Ok(Login::Out);
                    }
                    reader.send(text.as_bytes()).await?;
                }
            }
        }
        Ok(Login::Out)
    }

    /// One command; the error is the answer to one that is bad.
    async fn stranger(
        &self,
        reader: &mut Reader,
        tls: bool,
        tag: &[u8],
        rest: &[u8],
    ) -> io::Result<Result<Option<Login>, String>> {
        let tag = String::from_utf8_lossy(tag).into_owned();
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let (verb, arguments) = rest.split_at(end);
        let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
        let arguments = match tokens(arguments) {
            Ok(arguments) => arguments,
            Err(why) => {
                note(reader, "unknown", rest);
                reader.send(format!("{tag} BAD {why}\r\n").as_bytes()).await?;
                return Ok(Ok(None));
            }
        };
        let action = verb.to_ascii_lowercase();
        let text = match verb.as_str() {
            "CAPABILITY" => {
                note(reader, &action, rest);
                format!(
                    "* CAPABILITY {}\r\n{tag} OK Pre-login capabilities listed, post-login capabilities have more.\r\n",
                    self.capability(tls)
                )
            }
            "NOOP" => {
                note(reader, &action, rest);
                format!("{tag} OK NOOP completed.\r\n")
            }
            "ID" if arguments.first().is_some_and(|t| t.list().is_none() && t.word() != "NIL") => {
                note(reader, &action, rest);
                return Ok(Err(format!("{tag} BAD Invalid ID parameters\r\n")));
            }
            "ID" => {
                note(reader, &action, rest);
                format!("* ID (\"name\" \"Dovecot\")\r\n{tag} OK ID completed.\r\n")
            }
            "LOGOUT" => {
                note(reader, &action, rest);
                reader
                    .send(format!("* BYE Logging out\r\n{tag} OK Logout completed.\r\n").as_bytes())
                    .await?;
                return Ok(Ok(Some(Login::Out)));
            }
            "STARTTLS" if tls => format!("{tag} BAD TLS is already active.\r\n"),
            "STARTTLS" => {
                note(reader, &action, rest);
                reader.send(format!("{tag} OK Begin TLS negotiation now.\r\n").as_bytes()).await?;
                return Ok(Ok(Some(Login::Tls)));
            }
            "LOGIN" => {
                let [user, secret] = arguments.as_slice() else {
                    note(reader, &action, rest);
                    return Ok(Err(received(&tag)));
                };
                let Some((user, secret)) = user.string().zip(secret.string()) else {
                    return Ok(Err(received(&tag)));
                };
                let ok = self.open(tls) && self.accounts.admits(user, secret);
                reader.session.record.login("login", user, Some((secret, SecretKind::Plaintext)), ok);
                return self.decide(reader, tls, &tag, ok).await.map(Ok);
            }
            "AUTHENTICATE" => {
                return self.authenticate(reader, tls, tag, &arguments).await;
            }
            _ => {
                let known = !action.is_empty()
                    && action.bytes().all(|b| b.is_ascii_alphabetic())
                    && action.len() < 16;
                note(reader, if known { &action } else { "unknown" }, rest);
                return Ok(Err(received(&tag)));
            }
        };
        reader.send(text.as_bytes()).await?;
        Ok(Ok(None))
    }

    async fn decide(&self, reader: &mut Reader, tls: bool, tag: &str, ok: bool) -> io::Result<Option<Login>> {
        if !self.open(tls) {
            let text = format!(
                "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If anyone \
                 was listening, the password was exposed.\r\n{tag} NO [PRIVACYREQUIRED] Plaintext authentication disallowed \
                 on non-secure (SSL/TLS) connections.\r\n"
            );
            reader.send(text.as_bytes()).await?;
            return Ok(None);
        }
        if ok {
            let text = format!("{tag} OK [CAPABILITY {}] Logged in\r\n", self.capability_inside());
            reader.send(text.as_bytes()).await?;
            return Ok(Some(Login::In));
        }
        penalty(PENALTY).await;
        let text = format!("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n");
        reader.send(text.as_bytes()).await?;
        Ok(None)
    }

    async fn authenticate(
        &self,
        reader: &mut Reader,
        tls: bool,
        tag: String,
        words: &[Token],
    ) -> io::Result<Result<Option<Login>, String>> {
        let Some(name) = words.first().and_then(Token::string) else { return Ok(Err(received(&tag))) };
        let initial = words.get(1).and_then(Token::string);
        let mechanism = Mechanism::named(name).filter(|m| *m != Mechanism::CramMd5);
        let Some(mechanism) = mechanism else {
            if let Some(message) = initial {
                sasl::record_garbage(&reader.session.record, name, message);
            }
            let text = format!("{tag} NO [ALERT] Unsupported authentication mechanism.\r\n");
            reader.send(text.as_bytes()).await?;
            return Ok(Ok(None));
        };
        let prompts: &[&[u8]] =
            if mechanism == Mechanism::Plain { &[b""] } else { &[b"Username:", b"Password:"] };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (n, prompt) in prompts.iter().enumerate() {
            let line = match initial.filter(|_| n == 0) {
                Some(message) => message.to_vec(),
                None => {
                    reader.send(format!("+ {}\r\n", sasl::encode(prompt)).as_bytes()).await?;
                    let Input::Command(line) = reader.line().await? else { return Ok(Ok(Some(Login::Out))) };
                    line
                }
            };
            if line == b"*" {
                reader.send(format!("{tag} BAD Authentication aborted by client.\r\n").as_bytes()).await?;
                return Ok(Ok(None));
            }
            let Some(message) = sasl::decode(&line) else {
                sasl::record_garbage(&reader.session.record, name, &line);
                let which = if initial.is_some() && n == 0 { "initial" } else { "continued" };
                reader
                    .send(format!("{tag} BAD Invalid base64 data in {which} response\r\n").as_bytes())
                    .await?;
                return Ok(Ok(None));
            };
            parts.push(message);
        }
        let first = parts.first().cloned().unwrap_or_default();
        let attempt = match mechanism {
            Mechanism::Plain => sasl::plain(&first),
            _ => Some(Attempt { user: first.clone(), secret: parts.get(1).cloned().unwrap_or_default() }),
        };
        let ok = attempt.as_ref().is_some_and(|a| self.open(tls) && self.accounts.admits(&a.user, &a.secret));
        match &attempt {
            Some(attempt) => sasl::record(&reader.session.record, mechanism, attempt, None, ok),
            None => sasl::record_garbage(&reader.session.record, name, &first),
        }
        self.decide(reader, tls, &tag, ok).await.map(Ok)
    }
}

fn received(tag: &str) -> String {
    format!("{tag} BAD Error in IMAP command received by server.\r\n")
}

/// Records a command.
pub(super) fn note(reader: &Reader, action: &str, line: &[u8]) {
    reader.session.record.event(Kind::Command, action).bytes("process.command_line", line).emit();
}
