//! Postfix' words, compared with 3.7.11 of Debian 12.

use super::Smtp;
use super::say::Say;

/// `message_size_limit` as it comes.
pub(super) const SIZE_MAX: u64 = 10_240_000;
/// Errors from which on each one costs a second, and after which it hangs up.
pub(super) const SOFT_ERRORS: u32 = 10;
pub(super) const HARD_ERRORS: u32 = 20;

pub(super) fn greeting(smtp: &Smtp) -> String {
    let tag = smtp.packages.postfix_tag.map(|tag| format!(" ({tag})")).unwrap_or_default();
    format!("220 {} ESMTP Postfix{tag}", smtp.hostname)
}

/// What EHLO lists after the name.
pub(super) fn extensions(smtp: &Smtp, tls: bool, auth: bool) -> Vec<String> {
    let mut out: Vec<String> = ["PIPELINING", "SIZE 10240000", "VRFY", "ETRN"].map(str::to_owned).into();
    out.extend((!tls).then(|| "STARTTLS".to_owned()));
    out.extend(auth.then(|| "AUTH PLAIN LOGIN".to_owned()));
    out.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "DSN"].map(str::to_owned));
    out.extend((smtp.packages.postfix >= (3, 0)).then(|| "SMTPUTF8".to_owned()));
    out.extend(chunking(smtp).then(|| "CHUNKING".to_owned()));
    out
}

/// Whether it knows BDAT.
pub(super) fn chunking(smtp: &Smtp) -> bool {
    smtp.packages.postfix >= (3, 4)
}

pub(super) fn text(smtp: &Smtp, what: Say<'_>) -> String {
    let recent = smtp.packages.postfix >= (3, 7);
    let text = match what {
        Say::Unknown(_) | Say::Expn(_) | Say::Help if recent => "500 5.5.2 Error: command not recognized",
        Say::Unknown(_) | Say::Expn(_) | Say::Help => "502 5.5.2 Error: command not recognized",
        Say::Empty => "500 5.5.2 Error: bad syntax",
        Say::HeloSyntax(verb) => return format!("501 Syntax: {verb} hostname"),
        Say::Noop | Say::Reset => "250 2.0.0 Ok",
        Say::ResetSyntax => "501 5.5.4 Syntax: RSET",
        Say::Bye => "221 2.0.0 Bye",
        Say::NeedHelo => "503 5.5.1 Error: send HELO/EHLO first",
        Say::MailSyntax => "501 5.5.4 Syntax: MAIL FROM:<address>",
        Say::RcptSyntax => "501 5.5.4 Syntax: RCPT TO:<address>",
        Say::BadSender(_) => "501 5.1.7 Bad sender address syntax",
        Say::BadRecipient(_) => "501 5.1.3 Bad recipient address syntax",
        Say::Nested => "503 5.5.1 Error: nested MAIL command",
        Say::MailAfterBdat => "503 5.5.1 Error: MAIL after BDAT",
        Say::Option(option, _) => return format!("555 5.5.4 Unsupported option: {option}"),
        Say::BadSize => "501 5.5.4 Bad message size syntax",
        Say::TooBig => "552 5.3.4 Message size exceeds fixed limit",
        Say::MailOk(_) => "250 2.1.0 Ok",
        Say::NeedMail => "503 5.5.1 Error: need MAIL command",
        Say::RcptOk(_) => "250 2.1.5 Ok",
        Say::UnknownUser(address) => {
            return format!(
                "550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table"
            );
        }
        Say::VrfyUnknown(address) => {
            return format!(
                "550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table"
            );
        }
        Say::RelayDenied(address) => return format!("554 5.7.1 <{address}>: Relay access denied"),
        Say::NoDomain(address) => {
            return format!("450 4.1.2 <{address}>: Recipient address rejected: Domain not found");
        }
        Say::SubmitDenied(address) => {
            return format!("554 5.7.1 <{address}>: Recipient address rejected: Access denied");
        }
        Say::TooManyRecipients => "452 4.5.3 Error: too many recipients",
        Say::NeedRcpt => "503 5.5.1 Error: need RCPT command",
        Say::NoValidRcpt => "554 5.5.1 Error: no valid recipients",
        Say::DataAfterBdat => "503 5.5.1 Error: DATA after BDAT",
        Say::DataGo => "354 End data with <CR><LF>.<CR><LF>",
        Say::Queued(id) => return format!("250 2.0.0 Ok: queued as {id}"),
        Say::DataTooBig => "552 5.3.4 Error: message file too big",
        Say::BdatSyntax => "521 5.5.4 Syntax: BDAT count [LAST]",
        Say::BdatOk(chunk) => return format!("250 2.0.0 Ok: {chunk} bytes"),
        Say::BdatQueued(_, total, id) => return format!("250 2.0.0 Ok: {total} bytes queued as {id}"),
        Say::BdatDiscarded(chunk) => return format!("551 5.0.0 Discarded {chunk} bytes after earlier error"),
        Say::AuthSyntax => "501 5.5.4 Syntax: AUTH mechanism",
        Say::AuthOff => "503 5.5.1 Error: authentication not enabled",
        Say::AuthUnknown(_) => "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
        Say::AuthFailed(_) if recent => "535 5.7.8 Error: authentication failed: (reason unavailable)",
        // What was last said to the client stands for the reason.
        Say::AuthFailed("LOGIN") => "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
        Say::AuthFailed(_) => "535 5.7.8 Error: authentication failed: ",
        Say::AuthOk => "235 2.7.0 Authentication successful",
        Say::AuthAgain => "503 5.5.1 Error: already authenticated",
        Say::AuthNested => "503 5.5.1 Error: MAIL transaction in progress",
        Say::AuthAborted => "501 5.7.0 Authentication aborted",
        Say::AuthBadInitial => {
            "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response"
        }
        Say::AuthBadBase64 => {
            "535 5.7.8 Error: authentication failed: Invalid base64 data in continued response"
        }
        Say::NeedTls => "530 5.7.0 Must issue a STARTTLS command first",
        Say::TlsSyntax => "501 5.5.4 Syntax: STARTTLS",
        Say::TlsGo => "220 2.0.0 Ready to start TLS",
        Say::TlsAgain => "554 5.5.1 Error: TLS already active",
        Say::VrfySyntax => "501 5.5.4 Syntax: VRFY address [SMTPUTF8]",
        Say::VrfyOk(user) => return format!("252 2.0.0 {user}"),
        Say::EtrnSyntax => "500 Syntax: ETRN domain",
        Say::Etrn(domain) => return format!("459 <{domain}>: service unavailable"),
        Say::TooManyErrors => return format!("421 4.7.0 {} Error: too many errors", smtp.hostname),
        Say::Timeout => return format!("421 4.4.2 {} Error: timeout exceeded", smtp.hostname),
        Say::Proxy => "221 2.7.0 Error: I can break rules, too. Goodbye.",
        Say::TooEarly => "503 5.5.0 Improper command pipelining",
    };
    text.to_owned()
}
