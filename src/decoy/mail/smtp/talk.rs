//! One SMTP connection: its lines, its state, its limits.

use std::io;
use std::time::Duration;

use super::address::{self, Path, shown};
use super::say::{Say, say};
use super::{AuthPolicy, Mta, SUBMISSION, Smtp, exim, postfix, sendmail};
use crate::decoy::Session;
use crate::decoy::mail::intake::Intake;
use crate::event::Kind;

/// Longest command line that is looked at.
const LINE_MAX: usize = 2048;
/// Commands of one connection.
const COMMANDS_MAX: u32 = 2000;
/// Recipients of one message.
const RECIPIENTS_MAX: usize = 1000;
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
    greeted: bool,
    extended: bool,
    pub(super) sender: Option<Vec<u8>>,
    pub(super) recipients: Vec<Vec<u8>>,
    /// Chunks so far, and whether one of them was refused.
    pub(super) chunks: Option<Option<Intake>>,
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
        matches!(verb, "GET" | "POST" | "CONNECT")
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
                if plain || self.smtp.mta != Mta::Postfix {
                    self.clear();
                }
                ("rset", self.say(if plain { Say::Reset } else { Say::ResetSyntax }))
            }
            "MAIL" if needs_helo => ("mail", self.say(Say::NeedHelo)),
            "MAIL" => ("mail", self.mail(argument)),
            "RCPT" => ("rcpt", self.rcpt(argument)),
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

    fn helo(&mut self, verb: &str, argument: &[u8]) -> String {
        if argument.is_empty() {
            return self.say(Say::HeloSyntax(verb));
        }
        self.clear();
        (self.greeted, self.extended) = (true, verb == "EHLO");
        let host = &self.smtp.hostname;
        let name = shown(argument.split(|b| *b == b' ').next().unwrap_or_default());
        let first = match self.smtp.mta {
            Mta::Postfix => host.clone(),
            Mta::Exim => format!("{host} Hello {name} [{}]", self.client),
            Mta::Sendmail => format!("{host} Hello [{}], pleased to meet you", self.client),
        };
        if !self.extended {
            return format!("250 {first}\r\n");
        }
        let auth = self.offers_auth();
        let mut lines = vec![first];
        lines.extend(match self.smtp.mta {
            Mta::Postfix => postfix::extensions(self.smtp, self.tls, auth),
            Mta::Exim => exim::extensions(self.smtp, self.tls, auth),
            Mta::Sendmail => sendmail::extensions(self.tls, auth),
        });
        let last = lines.len().saturating_sub(1);
        let mark = |n: usize| if n == last { ' ' } else { '-' };
        lines.iter().enumerate().map(|(n, line)| format!("250{}{line}\r\n", mark(n))).collect()
    }

    /// Forgets the message that was begun.
    pub(super) fn clear(&mut self) {
        self.sender = None;
        self.recipients.clear();
        self.chunks = None;
    }

    fn mail(&mut self, argument: &[u8]) -> String {
        if self.chunks.is_some() {
            return self.say(Say::MailAfterBdat);
        }
        if self.sender.is_some() {
            return self.say(Say::Nested);
        }
        let Some(path) = address::parse(argument, "FROM") else { return self.say(Say::MailSyntax) };
        let address = shown(path.address);
        if !path.well_formed {
            return self.say(Say::BadSender(&address));
        }
        if let Some(refused) = self.parameters(&path, &address, true) {
            return refused;
        }
        self.sender = Some(path.address.to_vec());
        self.say(Say::MailOk(&address))
    }

    /// The answer to the first parameter that does not fit; none when all do.
    fn parameters(&self, path: &Path<'_>, address: &str, mail: bool) -> Option<String> {
        let size_max = if self.smtp.mta == Mta::Exim { exim::SIZE_MAX } else { postfix::SIZE_MAX };
        for parameter in &path.parameters {
            let text = shown(parameter);
            let (name, value) = text.split_once('=').unwrap_or((&text, ""));
            let name = name.to_ascii_uppercase();
            let dsn = self.smtp.mta != Mta::Exim;
            let upper = value.to_ascii_uppercase();
            let fits = match (name.as_str(), mail) {
                ("SIZE", true) => match value.parse::<u64>() {
                    Ok(size) if size > size_max && self.smtp.mta != Mta::Sendmail => {
                        return Some(self.say(Say::TooBig));
                    }
                    Ok(_) => true,
                    Err(_) if self.smtp.mta == Mta::Exim => true,
                    Err(_) => return Some(self.say(Say::BadSize)),
                },
                ("BODY", true) => match upper.as_str() {
                    "7BIT" | "8BITMIME" => true,
                    _ if self.smtp.mta == Mta::Exim => {
                        return Some("501 invalid data for BODY\r\n".to_owned());
                    }
                    _ => false,
                },
                ("AUTH", true) => self.offers_auth(),
                ("SMTPUTF8", true) => self.smtp.mta != Mta::Sendmail && value.is_empty(),
                ("RET", true)
                    if dsn && self.smtp.mta == Mta::Postfix && !matches!(upper.as_str(), "FULL" | "HDRS") =>
                {
                    return Some("501 5.5.4 Bad RET parameter syntax\r\n".to_owned());
                }
                ("RET" | "ENVID", true) | ("NOTIFY" | "ORCPT", false) => dsn,
                _ => false,
            };
            if !fits {
                return Some(self.say(Say::Option(&text, address)));
            }
        }
        None
    }

    fn rcpt(&mut self, argument: &[u8]) -> String {
        if self.sender.is_none() {
            return self.say(Say::NeedMail);
        }
        let Some(path) = address::parse(argument, "TO") else { return self.say(Say::RcptSyntax) };
        let address = shown(path.address);
        if !path.well_formed || path.address.is_empty() {
            return self.say(Say::BadRecipient(&address));
        }
        if let Some(refused) = self.parameters(&path, &address, false) {
            return refused;
        }
        if self.recipients.len() >= RECIPIENTS_MAX {
            return self.say(Say::TooManyRecipients);
        }
        let (local, domain) = address::split(path.address);
        if self.smtp.mta == Mta::Exim && domain.is_none() && !local.eq_ignore_ascii_case(b"postmaster") {
            return format!("501 <{address}>: recipient address must contain a domain\r\n");
        }
        let own = domain.is_none_or(|d| self.smtp.owns(d));
        let submission = self.session.number == SUBMISSION && self.smtp.mta == Mta::Postfix;
        if submission && !self.authenticated {
            return self.say(Say::SubmitDenied(&address));
        }
        if own && !self.smtp.knows(local) {
            return self.say(Say::UnknownUser(&address));
        }
        if !own && !self.smtp.relay && !self.authenticated {
            return self.say(Say::RelayDenied(&address));
        }
        if !own && domain.is_some_and(address::reserved) {
            return self.say(Say::NoDomain(&address));
        }
        self.recipients.push(path.address.get(..path.address.len().min(320)).unwrap_or_default().to_vec());
        self.say(Say::RcptOk(&address))
    }

    fn vrfy(&self, argument: &[u8], word: &str) -> String {
        if argument.is_empty() {
            return self.say(Say::VrfySyntax);
        }
        let bare = argument.strip_prefix(b"<").and_then(|a| a.strip_suffix(b">")).unwrap_or(argument);
        let (local, domain) = address::split(bare);
        let own = domain.is_none_or(|d| self.smtp.owns(d));
        let name = word.trim_matches(['<', '>']);
        if !own && !self.smtp.relay {
            return self.say(Say::RelayDenied(name));
        }
        self.say(if !own || self.smtp.knows(local) { Say::VrfyOk(name) } else { Say::VrfyUnknown(name) })
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
