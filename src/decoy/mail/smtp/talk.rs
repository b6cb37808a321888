//! One SMTP connection: its lines, its state, its limits.

use std::io;
use std::time::Duration;

use super::address::shown;
use super::say::{Say, say};
use super::{AuthPolicy, Mta, SUBMISSION, Smtp, exim, postfix, sendmail};
use crate::decoy::Session;
use crate::decoy::mail::intake::Intake;
use crate::event::Kind;

/// Longest command line that is looked at.
const LINE_MAX: usize = 2048;
/// Commands of one connection.
const COMMANDS_MAX: u32 = 2000;
/// How long a client may be silent before the greeting to count as polite.
const PATIENCE: Duration = Duration::from_millis(20);

/// How a connection goes on.
pub(super) enum Flow {
    Go,
    Close,
    Tls,
}

/// Serves a connection, through STARTTLS too.
pub(super) async fn serve(smtp: &Smtp, session: Session) {
    let mut talk = Talk::new(smtp, session, false);
    if !talk.greet().await.unwrap_or(false) {
        return;
    }
    while let Ok(Flow::Tls) = talk.run().await {
        // Whatever came in clear text behind STARTTLS goes with the old state.
        match smtp.tls.accept(talk.session).await {
            Ok((session, _)) => talk = Talk::new(smtp, session, true),
            Err(_) => return,
        }
    }
}

/// State of one connection.
pub(super) struct Talk<'a> {
    pub(super) smtp: &'a Smtp,
    pub(super) session: Session,
    pub(super) client: String,
    pub(super) pending: Vec<u8>,
    pub(super) tls: bool,
    pub(super) authenticated: bool,
    pub(super) greeted: bool,
    pub(super) extended: bool,
    pub(super) sender: Option<Vec<u8>>,
    pub(super) recipients: Vec<Vec<u8>>,
    /// Chunks so far, and whether one of them was refused.
    pub(super) chunks: Option<Option<Intake>>,
    /// Why the last recipient was refused.
    pub(super) refusal: Option<String>,
    errors: u32,
    nonmail: u32,
}

impl<'a> Talk<'a> {
    fn new(smtp: &'a Smtp, session: Session, tls: bool) -> Self {
        let client = session.source.ip().to_canonical().to_string();
        Self {
            smtp,
            session,
            client,
            pending: Vec::new(),
            tls,
            authenticated: false,
            greeted: false,
            extended: false,
            sender: None,
            recipients: Vec::new(),
            chunks: None,
            refusal: None,
            errors: 0,
            nonmail: 0,
        }
    }

    pub(super) fn say(&self, what: Say<'_>) -> String {
        say(self.smtp, &self.client, what)
    }

    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.session.write(text.as_bytes()).await
    }

    /// Says who we are; false when the client spoke first and the server does not take that.
    async fn greet(&mut self) -> io::Result<bool> {
        let mut early = [0u8; 512];
        if let Ok(Ok(got)) = tokio::time::timeout(PATIENCE, self.session.read(&mut early)).await {
            let early = early.get(..got).unwrap_or_default();
            if got == 0 {
                return Ok(false);
            }
            self.session.record.event(Kind::Error, "pregreet").bytes("process.command_line", early).emit();
            self.pending.extend_from_slice(early);
            if self.smtp.mta == Mta::Exim {
                let text = self.say(Say::TooEarly);
                self.send(&text).await?;
                return Ok(false);
            }
        }
        let greeting = match (&self.smtp.banner, self.smtp.mta) {
            (Some(banner), _) => banner.clone(),
            (None, Mta::Postfix) => postfix::greeting(self.smtp),
            (None, Mta::Exim) => exim::greeting(self.smtp),
            (None, Mta::Sendmail) => sendmail::greeting(self.smtp, &self.client),
        };
        self.send(&(greeting + "\r\n")).await?;
        Ok(true)
    }

    async fn run(&mut self) -> io::Result<Flow> {
        for _ in 0..COMMANDS_MAX {
            let line = match self.line().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Flow::Close),
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        let text = self.say(Say::Timeout);
                        self.send(&text).await?;
                    }
                    return Err(error);
                }
            };
            match self.command(&line).await? {
                Flow::Go => {}
                end => return Ok(end),
            }
        }
        Ok(Flow::Close)
    }

    /// A line without its end; what is too long is cut, and the rest of it skipped.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut line) = self.session.line(&mut self.pending, LINE_MAX).await? else { return Ok(None) };
        let mut whole = line.ends_with(b"\n");
        if !whole && line.len() >= LINE_MAX {
            self.session.record.error("long_line", "a command line was longer than 2048 bytes");
        }
        while !whole {
            match self.session.line(&mut self.pending, LINE_MAX).await? {
                Some(more) => whole = more.ends_with(b"\n"),
                None => break,
            }
        }
        line.truncate(line.trim_ascii_end().len());
        Ok(Some(line))
    }

    async fn command(&mut self, raw: &[u8]) -> io::Result<Flow> {
        let line = raw.trim_ascii_start();
        let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let verb = String::from_utf8_lossy(word).to_ascii_uppercase();
        let argument = rest.trim_ascii();
        match verb.as_str() {
            "AUTH" if !self.wants_tls(&verb) => return self.auth(argument).await,
            "DATA" if !self.wants_tls(&verb) => return self.data(raw).await,
            "BDAT" if self.chunking() && !self.wants_tls(&verb) => return self.bdat(raw, argument).await,
            "STARTTLS" => return self.starttls(raw, argument).await,
            "QUIT" => {
                self.note("quit", raw, "221");
                let text = self.say(Say::Bye);
                self.send(&text).await?;
                return Ok(Flow::Close);
            }
            _ => {}
        }
        if self.smtp.mta != Mta::Exim && self.is_foreign(&verb, line) {
            self.note("unknown", raw, "221");
            let text = self.say(Say::Proxy);
            self.send(&text).await?;
            return Ok(Flow::Close);
        }
        let (action, text) = self.plain(&verb, argument, line);
        self.note(action, raw, &text);
        self.reply(text).await
    }

    /// Whether it is no mail client that talks: a web client, or, for a recent Postfix, anything that does not
    /// begin with a letter.
    fn is_foreign(&self, verb: &str, line: &[u8]) -> bool {
        let letter = line.first().is_none_or(u8::is_ascii_alphabetic);
        (matches!(verb, "GET" | "POST" | "CONNECT") && (self.smtp.mta == Mta::Postfix || !self.greeted))
            || (self.smtp.mta == Mta::Postfix && self.smtp.packages.postfix >= (3, 7) && !letter)
    }

    fn chunking(&self) -> bool {
        match self.smtp.mta {
            Mta::Postfix => postfix::chunking(self.smtp),
            Mta::Exim => true,
            Mta::Sendmail => false,
        }
    }

    /// Whether this command has to wait for STARTTLS: submission of Postfix asks for it.
    fn wants_tls(&self, verb: &str) -> bool {
        self.smtp.mta == Mta::Postfix
            && self.session.number == SUBMISSION
            && !self.tls
            && !matches!(verb, "EHLO" | "HELO" | "NOOP" | "QUIT" | "STARTTLS")
    }

    /// Whether AUTH is offered now.
    pub(super) fn offers_auth(&self) -> bool {
        match self.smtp.auth {
            _ if self.session.number == SUBMISSION => self.tls,
            AuthPolicy::Clear => true,
            AuthPolicy::Tls => self.tls,
            AuthPolicy::Never => false,
        }
    }

    pub(super) fn is_extended(&self) -> bool {
        self.extended
    }

    pub(super) fn note(&self, action: &str, raw: &[u8], reply: &str) {
        let ok = matches!(reply.as_bytes().first(), Some(b'2' | b'3'));
        self.session
            .record
            .event(Kind::Command, action)
            .outcome(ok)
            .bytes("process.command_line", raw)
            .emit();
    }

    /// Sends an answer; too many errors end the connection, each server in its way.
    pub(super) async fn reply(&mut self, text: String) -> io::Result<Flow> {
        let code = text.get(..3).unwrap_or_default().to_owned();
        match self.smtp.mta {
            Mta::Postfix => {
                self.errors += u32::from(code.starts_with(['4', '5']));
                if self.errors > postfix::SOFT_ERRORS && code.starts_with(['4', '5']) {
                    crate::decoy::mail::penalty(1000).await;
                }
                self.send(&text).await?;
                if self.errors >= postfix::HARD_ERRORS || code == "521" {
                    if code != "521" {
                        let text = self.say(Say::TooManyErrors);
                        self.send(&text).await?;
                    }
                    return Ok(Flow::Close);
                }
            }
            Mta::Exim => {
                self.errors += u32::from(matches!(code.as_str(), "500" | "501" | "503" | "504"));
                if self.nonmail > exim::NONMAIL {
                    let text = self.say(Say::TooManyErrors);
                    self.send(&text).await?;
                    return Ok(Flow::Close);
                }
                if self.errors > exim::ERRORS && code.starts_with("50") {
                    let rest = text.get(4..).unwrap_or_default();
                    let text = format!("{code}-{rest}{code} Too many syntax or protocol errors\r\n");
                    self.send(&text).await?;
                    return Ok(Flow::Close);
                }
                self.send(&text).await?;
            }
            Mta::Sendmail => {
                self.errors += u32::from(code == "500");
                let text = if self.errors > sendmail::ERRORS { self.say(Say::TooManyErrors) } else { text };
                self.send(&text).await?;
                if self.errors > sendmail::ERRORS {
                    return Ok(Flow::Close);
                }
            }
        }
        Ok(Flow::Go)
    }

    /// The commands that are answered at once: what they are called in events, and the answer.
    fn plain(&mut self, verb: &str, argument: &[u8], line: &[u8]) -> (&'static str, String) {
        let wait = self.wants_tls(verb);
        let word = shown(argument.split(|b| *b == b' ').next().unwrap_or_default());
        let shown_line = shown(line);
        let needs_helo = !self.greeted && self.smtp.mta != Mta::Postfix;
        self.nonmail += u32::from(match verb {
            "NOOP" | "HELP" | "VRFY" | "EXPN" | "ETRN" | "RSET" => true,
            "HELO" | "EHLO" => self.greeted,
            _ => false,
        });
        match verb {
            "" => ("empty", self.say(Say::Empty)),
            "HELO" | "EHLO" => {
                let action = if verb == "EHLO" { "ehlo" } else { "helo" };
                (action, self.helo(verb, argument))
            }
            "NOOP" => ("noop", self.say(Say::Noop)),
            "MAIL" | "RCPT" | "RSET" | "VRFY" | "EXPN" | "ETRN" | "DATA" | "BDAT" | "AUTH" if wait => {
                ("refused", self.say(Say::NeedTls))
            }
            "RSET" => {
                let plain = argument.is_empty();
                if plain || self.smtp.mta == Mta::Sendmail {
                    self.clear();
                }
                ("rset", self.say(if plain { Say::Reset } else { Say::ResetSyntax }))
            }
            "VRFY" | "EXPN" if needs_helo && self.smtp.mta == Mta::Sendmail => {
                ("refused", "503 5.0.0 I demand that you introduce yourself first\r\n".to_owned())
            }
            "VERB" if self.smtp.mta == Mta::Sendmail => ("verb", "250 2.0.0 Verbose mode\r\n".to_owned()),
            "MAIL" if needs_helo => ("mail", self.say(Say::NeedHelo)),
            "MAIL" | "RCPT" if self.smtp.mta == Mta::Exim && !argument.contains(&b':') => {
                ("unknown", self.say(Say::Unknown(&shown_line)))
            }
            "MAIL" => ("mail", self.mail(argument)),
            "RCPT" => {
                let text = self.rcpt(argument);
                self.refusal = text.starts_with('5').then(|| text.get(4..).unwrap_or_default().to_owned());
                ("rcpt", text)
            }
            "VRFY" => ("vrfy", self.vrfy(argument, &word)),
            "EXPN" if argument.is_empty() && self.smtp.mta == Mta::Sendmail => {
                ("expn", self.say(Say::VrfySyntax))
            }
            "EXPN" if self.smtp.mta == Mta::Sendmail && !self.smtp.knows(argument) => {
                ("expn", self.say(Say::VrfyUnknown(&word)))
            }
            "EXPN" => ("expn", self.say(Say::Expn(&word))),
            "ETRN" if argument.is_empty() => ("etrn", self.say(Say::EtrnSyntax)),
            "ETRN" => ("etrn", self.say(Say::Etrn(&word))),
            "HELP" => ("help", self.say(Say::Help)),
            _ => ("unknown", self.say(Say::Unknown(&shown_line))),
        }
    }

    async fn starttls(&mut self, raw: &[u8], argument: &[u8]) -> io::Result<Flow> {
        let what = if self.tls {
            Say::TlsAgain
        } else if argument.is_empty() {
            Say::TlsGo
        } else {
            Say::TlsSyntax
        };
        let text = self.say(what);
        self.note("starttls", raw, &text);
        if matches!(what, Say::TlsGo) {
            self.send(&text).await?;
            return Ok(Flow::Tls);
        }
        self.reply(text).await
    }
}
