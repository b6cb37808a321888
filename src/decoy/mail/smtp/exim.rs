//! Exim's words, compared with 4.96 of Debian 12.

use super::Smtp;
use super::say::Say;

/// `message_size_limit` as it comes.
pub(super) const SIZE_MAX: u64 = 52_428_800;
/// Syntax errors, and commands that have nothing to do with mail, that it takes.
pub(super) const ERRORS: u32 = 3;
pub(super) const NONMAIL: u32 = 10;

/// Whether message identifiers have the long form of 4.97.
pub(super) fn long_ids(version: &str) -> bool {
    let minor = version.split('.').nth(1).and_then(|m| m.parse::<u32>().ok());
    minor.is_some_and(|m| m >= 97)
}

pub(super) fn greeting(smtp: &Smtp) -> String {
    let now = super::super::bait::date(jiff::Timestamp::now().as_second());
    format!("220 {} ESMTP Exim {} {now}", smtp.hostname, smtp.packages.exim)
}

/// What EHLO lists after the name.
pub(super) fn extensions(smtp: &Smtp, tls: bool, auth: bool) -> Vec<String> {
    let mut out: Vec<String> = ["SIZE 52428800", "8BITMIME", "PIPELINING"].map(str::to_owned).into();
    out.extend((smtp.packages.exim >= "4.94").then(|| "PIPECONNECT".to_owned()));
    out.extend(auth.then(|| "AUTH PLAIN LOGIN".to_owned()));
    out.push("CHUNKING".to_owned());
    out.extend((!tls).then(|| "STARTTLS".to_owned()));
    out.extend(["PRDR", "SMTPUTF8", "HELP"].map(str::to_owned));
    out
}

pub(super) fn text(smtp: &Smtp, what: Say<'_>) -> String {
    let text = match what {
        Say::Unknown(_) | Say::Empty => "500 unrecognized command",
        Say::HeloSyntax(verb) => return format!("501 Syntactically invalid {verb} argument(s)"),
        Say::Noop => "250 OK",
        Say::Reset => "250 Reset OK",
        Say::ResetSyntax => "501 unexpected argument data",
        Say::Bye => return format!("221 {} closing connection", smtp.hostname),
        Say::NeedHelo => "503 HELO or EHLO required",
        Say::MailSyntax => "501 MAIL must have an address operand",
        Say::RcptSyntax => "501 RCPT must have an address operand",
        Say::BadSender("") | Say::BadRecipient("") => "501 <>: missing or malformed local part",
        Say::BadSender(address) | Say::BadRecipient(address) => {
            return match address.split_once(' ') {
                Some((word, _)) => format!("501 <{address}>: \"@\" or \".\" expected after \"{word}\""),
                None => format!("501 <{address}: '>' missing at end of address"),
            };
        }
        Say::Nested | Say::MailAfterBdat => "503 sender already given",
        Say::Option(option, address) => {
            return format!(
                "501 <{address}> {option}: malformed address: {option} may not follow <{address}> "
            );
        }
        Say::BadSize | Say::MailOk(_) => "250 OK",
        Say::TooBig => "552 Message size exceeds maximum permitted",
        Say::NeedMail => "503 sender not yet given",
        Say::RcptOk(_) => "250 Accepted",
        Say::UnknownUser(_) => "550 Unrouteable address",
        Say::RelayDenied(_) | Say::SubmitDenied(_) => "550 relay not permitted",
        Say::NoDomain(_) => "550 Unrouteable address",
        Say::TooManyRecipients => "452 too many recipients",
        Say::NeedRcpt | Say::NoValidRcpt | Say::DataAfterBdat => "503 valid RCPT command must precede DATA",
        Say::DataGo => "354 Enter message, ending with \".\" on a line by itself",
        Say::Queued(id) => return format!("250 OK id={id}"),
        Say::DataTooBig => "552 Message size exceeds maximum permitted",
        Say::BdatSyntax => "501 missing size for BDAT command",
        Say::BdatOk(chunk) => return format!("250 {chunk} byte chunk received"),
        Say::BdatQueued(chunk, total, id) => {
            return format!("250- {chunk} byte chunk, total {total}\r\n250 OK id={id}");
        }
        Say::BdatDiscarded(_) => "503 only RCPT commands may be followed by BDAT",
        Say::AuthSyntax => "501 missing authentication mechanism",
        Say::AuthOff | Say::NeedTls => "503 AUTH command used when not advertised",
        Say::AuthUnknown(name) => return format!("504 {name} authentication mechanism not supported"),
        Say::AuthFailed(_) => "535 Incorrect authentication data",
        Say::AuthOk => "235 Authentication succeeded",
        Say::AuthAgain => "503 already authenticated",
        Say::AuthNested => "503 not permitted in mail transaction",
        Say::AuthAborted => "501 Authentication cancelled",
        Say::AuthBadInitial | Say::AuthBadBase64 => "501 Invalid base64 data",
        Say::TlsSyntax => "501 unexpected argument data",
        Say::TlsGo => "220 TLS go ahead",
        Say::TlsAgain => "503 STARTTLS command used when not advertised",
        Say::VrfySyntax => "501 empty address",
        Say::VrfyOk(_) | Say::VrfyUnknown(_) => "252 Administrative prohibition",
        Say::Expn(_) => "550 Administrative prohibition",
        Say::EtrnSyntax | Say::Etrn(_) => "458 Administrative prohibition",
        Say::Help => {
            "214-Commands supported:\r\n214 AUTH STARTTLS HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP"
        }
        Say::TooManyErrors => "554 Too many nonmail commands",
        Say::Timeout => {
            return format!("421 {}: SMTP command timeout - closing connection", smtp.hostname);
        }
        Say::Proxy => "554 SMTP synchronization error",
        Say::TooEarly => "554 SMTP synchronization error",
    };
    text.to_owned()
}
