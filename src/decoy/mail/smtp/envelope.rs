//! HELO, MAIL, RCPT and VRFY: who talks, and from whom to whom.

use super::address::{self, Path, shown};
use super::say::Say;
use super::talk::Talk;
use super::{Mta, SUBMISSION, exim, postfix, sendmail};

/// Recipients of one message.
const RECIPIENTS_MAX: usize = 1000;

impl Talk<'_> {
    pub(super) fn helo(&mut self, verb: &str, argument: &[u8]) -> String {
        let odd = |b: &u8| !b.is_ascii_alphanumeric() && !b".-:".contains(b);
        let literal = argument.starts_with(b"[") && argument.ends_with(b"]");
        let strict = self.smtp.mta == Mta::Exim && !literal && argument.iter().any(odd);
        if argument.is_empty() || strict {
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
        self.refusal = None;
    }

    pub(super) fn mail(&mut self, argument: &[u8]) -> String {
        if self.chunks.is_some() {
            return self.say(Say::MailAfterBdat);
        }
        if self.sender.is_some() {
            return self.say(Say::Nested);
        }
        if argument.is_empty() && self.smtp.mta == Mta::Sendmail {
            return "501 5.5.2 Syntax error in parameters scanning \"\"\r\n".to_owned();
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
                    _ if self.smtp.mta == Mta::Sendmail => {
                        return Some(format!("501 5.5.4 Unknown BODY type {value}\r\n"));
                    }
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

    pub(super) fn rcpt(&mut self, argument: &[u8]) -> String {
        if self.sender.is_none() {
            return self.say(Say::NeedMail);
        }
        if argument.is_empty() && self.smtp.mta == Mta::Sendmail {
            return "501 5.5.2 Syntax error in parameters scanning \"\"\r\n".to_owned();
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

    pub(super) fn vrfy(&self, argument: &[u8], word: &str) -> String {
        if argument.is_empty() {
            return self.say(Say::VrfySyntax);
        }
        let bare = argument.strip_prefix(b"<").and_then(|a| a.strip_suffix(b">")).unwrap_or(argument);
        let (local, domain) = address::split(bare);
        if self.smtp.mta == Mta::Exim && domain.is_none() {
            return format!("501 {word}: recipient address must contain a domain\r\n");
        }
        let own = domain.is_none_or(|d| self.smtp.owns(d));
        let name = word.trim_matches(['<', '>']);
        if !own && !self.smtp.relay && self.smtp.mta != Mta::Exim {
            return self.say(Say::RelayDenied(name));
        }
        self.say(if !own || self.smtp.knows(local) { Say::VrfyOk(name) } else { Say::VrfyUnknown(name) })
    }
}
