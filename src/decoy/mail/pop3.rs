//! POP3: Dovecot on ports 110 and 995, with the mailbox that IMAP shows.

use std::io;
use std::sync::Arc;

use super::Accounts;
use super::mailbox::{Folder, Mailbox, body_start};
use super::product::{Packages, certificate};
use super::sasl::{self, Attempt, Mechanism};
use crate::decoy::session::timeout;
use crate::decoy::setting::flag;
use crate::decoy::tls::Tls;
use crate::decoy::{Decoy, Served, Session};
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Port with TLS from the start.
const POP3S: u16 = 995;
/// Longest line before it hangs up.
const LINE_MAX: usize = 4096;
/// Bad commands in a row that end it before and after the login.
const BAD_LOGIN: u32 = 3;
const BAD: u32 = 21;
const COMMANDS_MAX: u32 = 5000;
/// How long a wrong password takes, in milliseconds.
const PENALTY: u64 = 2000;

const DISALLOWED: &str =
    "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n";

struct Pop3 {
    ready: String,
    accounts: Accounts,
    clear: bool,
    mailbox: Mailbox,
    tls: Tls,
}

/// Makes the pop3 service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Pop3 {
        ready: Packages::of(&persona.distro).dovecot_ready(),
        accounts: Accounts::new(persona, settings),
        clear: flag(settings, "plaintext_auth").unwrap_or(true),
        mailbox: Mailbox::new(persona, settings),
        tls: certificate(persona, true),
    })
}

impl Decoy for Pop3 {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let _ = self.talk(session).await;
        })
    }
}

/// How the login part of a connection ends.
enum Login {
    In,
    Tls,
    Out,
}

struct Talk {
    session: Session,
    pending: Vec<u8>,
    tls: bool,
}

impl Talk {
    async fn send(&mut self, text: &str) -> io::Result<()> {
        self.session.write(text.as_bytes()).await
    }

    /// A line without its end; none when the connection is over, or the line too long.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let read = self.session.line(&mut self.pending, LINE_MAX).await;
        let mut line = match read {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(error) => {
                if error.kind() == io::ErrorKind::TimedOut {
                    self.send("-ERR Disconnected for inactivity.\r\n").await?;
                }
                return Err(error);
            }
        };
        if line.len() >= LINE_MAX && !line.ends_with(b"\n") {
            self.session.record.error("long_line", "a command line was longer than 4096 bytes");
            self.send("-ERR Input buffer full, aborting\r\n").await?;
            return Ok(None);
        }
        while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            line.pop();
        }
        Ok(Some(line))
    }

    fn note(&self, verb: &str, line: &[u8]) {
        let known = verb.len() <= 8 && !verb.is_empty() && verb.bytes().all(|b| b.is_ascii_alphanumeric());
        let action = if known { verb.to_ascii_lowercase() } else { "unknown".to_owned() };
        self.session.record.event(Kind::Command, &action).bytes("process.command_line", line).emit();
    }
}

fn split(line: &[u8]) -> (String, &[u8]) {
    let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    (String::from_utf8_lossy(verb).to_ascii_uppercase(), rest.get(1..).unwrap_or_default())
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).take(512).collect()
}

impl Pop3 {
    async fn talk(&self, session: Session) -> io::Result<()> {
        let implicit = session.number == POP3S;
        let session = if implicit { self.tls.accept(session).await?.0 } else { session };
        let mut talk = Talk { session, pending: Vec::new(), tls: implicit };
        talk.send(&format!("+OK {}\r\n", self.ready)).await?;
        loop {
            match self.login(&mut talk).await? {
                Login::In => return self.box_open(&mut talk).await,
                Login::Out => return Ok(()),
                Login::Tls => {
                    // Clear text that came along with STLS is dropped.
                    let session = self.tls.accept(talk.session).await?.0;
                    talk = Talk { session, pending: Vec::new(), tls: true };
                }
            }
        }
    }

    fn open(&self, talk: &Talk) -> bool {
        self.clear || talk.tls
    }

    async fn login(&self, talk: &mut Talk) -> io::Result<Login> {
        let mut user: Option<Vec<u8>> = None;
        let mut bad = 0u32;
        for _ in 0..COMMANDS_MAX {
            let Some(line) = talk.line().await? else { return Ok(Login::Out) };
            let (verb, argument) = split(&line);
            if !matches!(verb.as_str(), "PASS" | "AUTH") {
                talk.note(&verb, &line);
            }
            let mut answer = String::new();
            let before = bad;
            match verb.as_str() {
                "CAPA" => {
                    let stls = if talk.tls { "" } else { "STLS\r\n" };
                    let sasl = if self.open(talk) { "USER\r\nSASL PLAIN LOGIN" } else { "SASL" };
                    answer = format!(
                        "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n{stls}{sasl}\r\n.\r\n"
                    );
                }
                "USER" if !self.open(talk) => DISALLOWED.clone_into(&mut answer),
                "USER" => {
                    user = Some(argument.to_vec());
                    "+OK\r\n".clone_into(&mut answer);
                }
                "PASS" => match user.take() {
                    _ if !self.open(talk) => {
                        let secret = Some((argument, SecretKind::Plaintext));
                        talk.session.record.login("password", b"", secret, false);
                        DISALLOWED.clone_into(&mut answer);
                    }
                    None => {
                        let secret = Some((argument, SecretKind::Plaintext));
                        talk.session.record.login("password", b"", secret, false);
                        "-ERR No username given.\r\n".clone_into(&mut answer);
                    }
                    Some(user) => {
                        let attempt = Attempt { user, secret: argument.to_vec() };
                        let ok = self.accounts.admits(&attempt.user, &attempt.secret);
                        let secret = Some((attempt.secret.as_slice(), SecretKind::Plaintext));
                        talk.session.record.login("password", &attempt.user, secret, ok);
                        if Self::decided(talk, ok).await? {
                            return Ok(Login::In);
                        }
                    }
                },
                "AUTH" => {
                    if let Some(end) = self.auth(talk, argument).await? {
                        return Ok(end);
                    }
                }
                "APOP" => "-ERR APOP not enabled.\r\n".clone_into(&mut answer),
                "STLS" if talk.tls => "-ERR TLS is already active.\r\n".clone_into(&mut answer),
                "STLS" => {
                    talk.send("+OK Begin TLS negotiation now.\r\n").await?;
                    return Ok(Login::Tls);
                }
                "QUIT" => {
                    talk.send("+OK Logging out\r\n").await?;
                    return Ok(Login::Out);
                }
                _ => {
                    bad += 1;
                    "-ERR Unknown command.\r\n".clone_into(&mut answer);
                    if bad >= BAD_LOGIN {
                        answer.push_str("-ERR Too many invalid bad commands.\r\n");
                    }
                }
            }
            bad = if bad == before { 0 } else { bad };
            talk.send(&answer).await?;
            if bad >= BAD_LOGIN {
                return Ok(Login::Out);
            }
        }
        Ok(Login::Out)
    }

    /// Tells the outcome of an attempt.
    async fn decided(talk: &mut Talk, ok: bool) -> io::Result<bool> {
        if ok {
            talk.send("+OK Logged in.\r\n").await?;
            return Ok(true);
        }
        super::penalty(PENALTY).await;
        talk.send("-ERR [AUTH] Authentication failed.\r\n").await?;
        Ok(false)
    }

    async fn auth(&self, talk: &mut Talk, argument: &[u8]) -> io::Result<Option<Login>> {
        if argument.trim_ascii().is_empty() {
            let list = if self.open(talk) { "PLAIN\r\nLOGIN\r\n" } else { "" };
            talk.send(&format!("+OK\r\n{list}.\r\n")).await?;
            return Ok(None);
        }
        let mut words = argument.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let name = words.next().unwrap_or_default();
        let initial = words.next();
        let mechanism = Mechanism::named(name).filter(|m| *m != Mechanism::CramMd5);
        let Some(mechanism) = mechanism.filter(|_| self.open(talk)) else {
            if let Some(message) = initial {
                sasl::record_garbage(&talk.session.record, name, message);
            }
            let text = if mechanism.is_some() {
                DISALLOWED
            } else {
                "-ERR [AUTH] Unsupported authentication mechanism.\r\n"
            };
            talk.send(text).await?;
            return Ok(None);
        };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let prompts: &[&[u8]] =
            if mechanism == Mechanism::Plain { &[b""] } else { &[b"Username:", b"Password:"] };
        for (n, prompt) in prompts.iter().enumerate() {
            let line = match initial.filter(|_| n == 0) {
                Some(message) => message.to_vec(),
                None => {
                    talk.send(&format!("+ {}\r\n", sasl::encode(prompt))).await?;
                    let Some(line) = talk.line().await? else { return Ok(Some(Login::Out)) };
                    line
                }
            };
            if line == b"*" {
                talk.send("-ERR Authentication aborted by client.\r\n").await?;
                return Ok(None);
            }
            let Some(message) = sasl::decode(&line) else {
                sasl::record_garbage(&talk.session.record, name, &line);
                let which = if initial.is_some() && n == 0 { "initial" } else { "continued" };
                talk.send(&format!("-ERR [AUTH] Invalid base64 data in {which} response\r\n")).await?;
                return Ok(None);
            };
            parts.push(message);
        }
        let first = parts.first().cloned().unwrap_or_default();
        let attempt = match mechanism {
            Mechanism::Plain => sasl::plain(&first),
            _ => Some(Attempt { user: first.clone(), secret: parts.get(1).cloned().unwrap_or_default() }),
        };
        let Some(attempt) = attempt else {
            sasl::record_garbage(&talk.session.record, name, &first);
            Self::decided(talk, false).await?;
            return Ok(None);
        };
        let ok = self.accounts.admits(&attempt.user, &attempt.secret);
        sasl::record(&talk.session.record, mechanism, &attempt, None, ok);
        Ok(Self::decided(talk, ok).await?.then_some(Login::In))
    }

    async fn box_open(&self, talk: &mut Talk) -> io::Result<()> {
        let Some(inbox) = self.mailbox.folders().into_iter().next() else { return Ok(()) };
        let mut open = Open { deleted: vec![false; inbox.messages.len()], inbox };
        let mut bad = 0u32;
        for _ in 0..COMMANDS_MAX {
            let Some(line) = talk.line().await? else { return Ok(()) };
            let (verb, argument) = split(&line);
            talk.note(&verb, &line);
            if verb == "QUIT" {
                let text = if open.deleted.contains(&true) {
                    "+OK Logging out, messages deleted.\r\n"
                } else {
                    "+OK Logging out.\r\n"
                };
                return talk.send(text).await;
            }
            let answer = match open.command(&verb, argument) {
                Some(answer) => {
                    bad = 0;
                    answer
                }
                None => {
                    bad += 1;
                    let word = shown(verb.as_bytes());
                    let mut text = if word.is_empty() {
                        "-ERR Unknown command.\r\n".to_owned()
                    } else {
                        format!("-ERR Unknown command: {word}\r\n")
                    };
                    if bad >= BAD {
                        text.push_str("-ERR Too many bad commands.\r\n");
                    }
                    text.into_bytes()
                }
            };
            let idle = talk.session.idle;
            timeout(idle, talk.session.write(&answer)).await?;
            if bad >= BAD {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The mailbox of a session.
struct Open {
    inbox: Folder,
    deleted: Vec<bool>,
}

impl Open {
    /// The number of a message: its index, else the answer that tells why not.
    fn number(&self, text: &[u8]) -> Result<usize, String> {
        let wrong = || format!("-ERR Invalid message number: {}\r\n", shown(text));
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return Err(wrong());
        }
        let number =
            std::str::from_utf8(text).ok().and_then(|t| t.parse::<usize>().ok()).ok_or_else(wrong)?;
        let index = number.checked_sub(1).filter(|i| *i < self.deleted.len());
        let index = index.ok_or_else(|| format!("-ERR There's no message {number}.\r\n"))?;
        match self.deleted.get(index) {
            Some(false) => Ok(index),
            _ => Err("-ERR Message is deleted.\r\n".to_owned()),
        }
    }

    /// The one number that is the whole argument.
    fn alone(&self, text: &[u8]) -> Result<usize, String> {
        match text.iter().position(|b| *b == b' ') {
            Some(at) => {
                let (number, rest) = text.split_at(at);
                self.number(number)?;
                Err(format!("-ERR Noise after message number: {}\r\n", shown(rest)))
            }
            None => self.number(text),
        }
    }

    fn bytes(&self, index: usize) -> &[u8] {
        self.inbox.messages.get(index).map_or(&[], |m| &m.bytes)
    }

    fn uidl(&self, index: usize) -> String {
        let uid = self.inbox.messages.get(index).map_or(0, |m| m.uid);
        format!("{uid:08x}{:08x}", self.inbox.validity)
    }

    /// Indices of what is not deleted.
    fn left(&self) -> impl Iterator<Item = usize> + '_ {
        self.deleted.iter().enumerate().filter(|(_, gone)| !**gone).map(|(n, _)| n)
    }

    /// The answer; none to an unknown command.
    fn command(&mut self, verb: &str, argument: &[u8]) -> Option<Vec<u8>> {
        let argument = argument.trim_ascii_start();
        let answer = match verb {
            "CAPA" => Ok("+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n.\r\n"
                .to_owned()),
            "STAT" => {
                let size: usize = self.left().map(|n| self.bytes(n).len()).sum();
                Ok(format!("+OK {} {size}\r\n", self.left().count()))
            }
            "LIST" if argument.is_empty() => {
                let lines: String =
                    self.left().map(|n| format!("{} {}\r\n", n + 1, self.bytes(n).len())).collect();
                Ok(format!("+OK {} messages:\r\n{lines}.\r\n", self.left().count()))
            }
            "LIST" => self.alone(argument).map(|n| format!("+OK {} {}\r\n", n + 1, self.bytes(n).len())),
            "UIDL" if argument.is_empty() => {
                let lines: String = self.left().map(|n| format!("{} {}\r\n", n + 1, self.uidl(n))).collect();
                Ok(format!("+OK\r\n{lines}.\r\n"))
            }
            "UIDL" => self.alone(argument).map(|n| format!("+OK {} {}\r\n", n + 1, self.uidl(n))),
            "RETR" => match self.alone(argument) {
                Ok(n) => {
                    let bytes = self.bytes(n);
                    return Some(dotted(format!("+OK {} octets\r\n", bytes.len()), bytes));
                }
                Err(text) => Err(text),
            },
            "TOP" => match self.top(argument) {
                Ok((n, lines)) => {
                    let bytes = self.bytes(n);
                    let body = body_start(bytes);
                    let rest = bytes.get(body..).unwrap_or_default();
                    let end: usize = rest.split_inclusive(|b| *b == b'\n').take(lines).map(<[u8]>::len).sum();
                    let cut = bytes.get(..body.saturating_add(end)).unwrap_or_default();
                    return Some(dotted("+OK\r\n".to_owned(), cut));
                }
                Err(text) => Err(text),
            },
            "DELE" => self.alone(argument).map(|n| {
                if let Some(gone) = self.deleted.get_mut(n) {
                    *gone = true;
                }
                "+OK Marked to be deleted.\r\n".to_owned()
            }),
            "RSET" => {
                self.deleted.fill(false);
                Ok("+OK\r\n".to_owned())
            }
            "NOOP" => Ok("+OK\r\n".to_owned()),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|text| text).into_bytes())
    }

    fn top(&self, argument: &[u8]) -> Result<(usize, usize), String> {
        let at = argument.iter().position(|b| *b == b' ').unwrap_or(argument.len());
        let (number, rest) = argument.split_at(at);
        let index = self.number(number)?;
        let Some(lines) = rest.strip_prefix(b" ") else {
            return Err(format!("-ERR Noise after message number: {}\r\n", shown(rest)));
        };
        let end = lines.iter().position(|b| *b == b' ').unwrap_or(lines.len());
        let (lines, noise) = lines.split_at(end);
        let count = std::str::from_utf8(lines).ok().and_then(|t| t.parse::<u32>().ok());
        let count = count.ok_or_else(|| format!("-ERR Invalid size: {}\r\n", shown(lines)))?;
        if !noise.is_empty() {
            return Err(format!("-ERR Noise after size: {}\r\n", shown(noise)));
        }
        Ok((index, usize::try_from(count).unwrap_or(usize::MAX)))
    }
}

/// A text of many lines: dots at the beginning of a line are doubled, one alone ends it.
fn dotted(first: String, bytes: &[u8]) -> Vec<u8> {
    let mut out = first.into_bytes();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !bytes.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::{Client, persona, serve_on};
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    async fn client(settings: &Settings) -> Client {
        let mut client = serve_on(build(&persona(&["pop3"]), settings), 110);
        assert_eq!(client.until(b"\r\n").await, b"+OK Dovecot (Debian) ready.\r\n");
        client
    }

    async fn plays(client: &mut Client, dialogue: &[(&str, &str)]) {
        for (command, reply) in dialogue {
            client.send(format!("{command}\r\n").as_bytes()).await;
            let got = client.until(format!("{reply}\r\n").as_bytes()).await;
            assert_eq!(String::from_utf8_lossy(&got), format!("{reply}\r\n"), "{command}");
        }
    }

    #[tokio::test]
    async fn dialogue_as_measured() {
        let mut c = client(&Settings::new()).await;
        let before = [
            (
                "CAPA",
                "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n.",
            ),
            ("STAT", "-ERR Unknown command."),
            ("APOP a b", "-ERR APOP not enabled."),
            ("PASS x", "-ERR No username given."),
            ("USER a", "+OK"),
            ("PASS b", "-ERR [AUTH] Authentication failed."),
            ("AUTH", "+OK\r\nPLAIN\r\nLOGIN\r\n."),
            ("AUTH FOO", "-ERR [AUTH] Unsupported authentication mechanism."),
            ("AUTH PLAIN", "+ "),
            ("*", "-ERR Authentication aborted by client."),
            ("USER admin", "+OK"),
            ("PASS admin123", "+OK Logged in."),
            ("LIST 99", "-ERR There's no message 99."),
            ("LIST x", "-ERR Invalid message number: x"),
            ("LIST 1 2", "-ERR Noise after message number:  2"),
            ("RETR", "-ERR Invalid message number: "),
            ("TOP 1", "-ERR Noise after message number: "),
            ("TOP 1 x", "-ERR Invalid size: x"),
            ("TOP 1 0 1", "-ERR Noise after size:  1"),
            ("DELE 1", "+OK Marked to be deleted."),
            ("DELE 1", "-ERR Message is deleted."),
            ("RSET", "+OK"),
            ("LAST", "-ERR Unknown command: LAST"),
            ("", "-ERR Unknown command."),
            ("DELE 2", "+OK Marked to be deleted."),
            ("QUIT", "+OK Logging out, messages deleted."),
        ];
        plays(&mut c, &before).await;
        let logins: Vec<_> = c.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
        assert_eq!(logins.len(), 3);
        assert_eq!(logins[2].secret.as_ref().unwrap().0, b"admin123");
    }

    #[tokio::test]
    async fn clear_text_can_be_refused() {
        let settings = [("plaintext_auth".to_owned(), false.into())].into_iter().collect();
        let mut c = client(&settings).await;
        let refused = DISALLOWED.trim_end();
        plays(
            &mut c,
            &[("USER a", refused), ("PASS b", refused), ("STLS", "+OK Begin TLS negotiation now.")],
        )
        .await;
        assert!(c.kept.events().iter().any(|e| e.kind == Kind::Login));
    }

    #[test]
    fn dots_are_doubled() {
        assert_eq!(dotted(String::new(), b"a\r\n.b\r\n"), b"a\r\n..b\r\n.\r\n");
        assert_eq!(dotted(String::new(), b"x"), b"x\r\n.\r\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_survived(
            lines in prop::collection::vec(("(LIST|UIDL|RETR|TOP|DELE|STAT|AUTH|USER|PASS|)", ".{0,30}"), 0..20),
            junk: Vec<u8>,
            inside: bool,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut c = client(&Settings::new()).await;
                let mut text = if inside { b"USER root\r\nPASS toor\r\n".to_vec() } else { Vec::new() };
                for (verb, argument) in &lines {
                    text.extend_from_slice(format!("{verb} {argument}\r\n").as_bytes());
                }
                text.extend_from_slice(&junk);
                text.extend_from_slice(b"\r\nQUIT\r\n");
                let _ = c.stream.write_all(&text).await;
                let _ = c.stream.shutdown().await;
                c.until(b"\0never\0").await;
            });
        }
    }
}
