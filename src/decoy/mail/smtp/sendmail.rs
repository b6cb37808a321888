//! Sendmail's words, compared with 8.17.1.9 of Debian 12.

use super::Smtp;
use super::say::Say;

/// Bad commands that it takes.
pub(super) const ERRORS: u32 = 25;

fn modern(smtp: &Smtp) -> bool {
    smtp.packages.sendmail.starts_with("8.17") || smtp.packages.sendmail.starts_with("8.18")
}

pub(super) fn greeting(smtp: &Smtp, client: &str) -> String {
    let now = jiff::Timestamp::now().strftime("%a, %-d %b %Y %H:%M:%S GMT");
    let debian = smtp.packages.postfix_tag.is_some();
    let tail = if debian {
        format!("; (No UCE/UBE) logging access from: [{client}](FAIL)-[{client}]")
    } else {
        String::new()
    };
    format!("220 {} ESMTP Sendmail {}; {now}{tail}", smtp.hostname, smtp.packages.sendmail)
}

/// What EHLO lists after the name.
pub(super) fn extensions(tls: bool, auth: bool) -> Vec<String> {
    let mut out: Vec<String> =
        ["ENHANCEDSTATUSCODES", "PIPELINING", "EXPN", "VERB", "8BITMIME", "SIZE", "DSN", "ETRN"]
            .map(str::to_owned)
            .into();
    out.extend(auth.then(|| "AUTH CRAM-MD5 LOGIN PLAIN".to_owned()));
    out.extend((!tls).then(|| "STARTTLS".to_owned()));
    out.extend(["DELIVERBY", "HELP"].map(str::to_owned));
    out
}

/// An account as VRFY shows it, with its full name where it has one.
fn person(user: &str, host: &str) -> String {
    let name = if user == "root" { "root " } else { "" };
    if user.contains('@') { format!("<{user}>") } else { format!("{name}<{user}@{host}>") }
}

pub(super) fn text(smtp: &Smtp, client: &str, what: Say<'_>) -> String {
    let host = &smtp.hostname;
    let text = match what {
        Say::Unknown(line) => return format!("500 5.5.1 Command unrecognized: \"{line}\""),
        Say::Empty => "500 5.5.1 Command unrecognized: \"\"",
        Say::HeloSyntax(verb) => return format!("501 5.0.0 {verb} requires domain address"),
        Say::Noop => "250 2.0.0 OK",
        Say::Reset | Say::ResetSyntax => "250 2.0.0 Reset state",
        Say::Bye => return format!("221 2.0.0 {host} closing connection"),
        Say::NeedHelo => "503 5.0.0 Polite people say HELO first",
        Say::MailSyntax => "501 5.5.2 Syntax error in parameters scanning \"FROM\"",
        Say::RcptSyntax => "501 5.5.2 Syntax error in parameters scanning \"TO\"",
        Say::BadSender(address) => {
            let joined = address.replace(' ', ".");
            return format!("553 5.5.4 <{address}>... Domain name required for sender address {joined}");
        }
        Say::BadRecipient(_) => "553 5.0.0 <>... User address required",
        Say::Nested | Say::MailAfterBdat => "503 5.5.0 Sender already specified",
        Say::Option(option, _) => {
            let name = option.split('=').next().unwrap_or_default();
            return format!("555 5.5.4 {name} parameter unrecognized");
        }
        Say::BadSize => "501 5.5.2 SIZE requires a value",
        Say::TooBig | Say::DataTooBig => "552 5.2.3 Message size exceeds maximum value",
        Say::MailOk(address) => return format!("250 2.1.0 <{address}>... Sender ok"),
        Say::NeedMail => "503 5.0.0 Need MAIL before RCPT",
        Say::RcptOk(address) => return format!("250 2.1.5 <{address}>... Recipient ok"),
        Say::UnknownUser(address) => return format!("550 5.1.1 <{address}>... User unknown"),
        Say::VrfyUnknown(address) => return format!("550 5.1.1 {address}... User unknown"),
        Say::RelayDenied(address) | Say::SubmitDenied(address) => {
            return format!("550 5.7.1 <{address}>... Relaying denied");
        }
        Say::NoDomain(address) => {
            return format!("550 5.1.2 <{address}>... Host unknown (Name server: host not found)");
        }
        Say::TooManyRecipients => "452 4.5.3 Too many recipients",
        Say::NeedRcpt => "503 5.0.0 Need MAIL command",
        Say::NoValidRcpt | Say::DataAfterBdat => "503 5.0.0 Need RCPT (recipient)",
        Say::DataGo if modern(smtp) => "354 End data with <CR><LF>.<CR><LF>",
        Say::DataGo => "354 Enter mail, end with \".\" on a line by itself",
        Say::Queued(id) | Say::BdatQueued(_, _, id) => {
            return format!("250 2.0.0 {id} Message accepted for delivery");
        }
        Say::BdatSyntax | Say::BdatOk(_) | Say::BdatDiscarded(_) => {
            "500 5.5.1 Command unrecognized: \"BDAT\""
        }
        Say::AuthSyntax => "501 5.5.2 AUTH mechanism must be specified",
        Say::AuthOff => "503 5.3.3 AUTH not available",
        Say::AuthUnknown(name) => return format!("504 5.3.3 AUTH mechanism {name} not available"),
        Say::AuthFailed(_) => "535 5.7.0 authentication failed",
        Say::AuthOk => "235 2.0.0 OK Authenticated",
        Say::AuthAgain => "503 5.5.0 Already Authenticated",
        Say::AuthNested => "503 5.5.0 AUTH not permitted during a mail transaction",
        Say::AuthAborted => "501 5.0.0 AUTH aborted",
        Say::AuthBadInitial | Say::AuthBadBase64 => "501 5.5.4 cannot decode AUTH parameter",
        Say::NeedTls => "530 5.7.0 Must issue a STARTTLS command first",
        Say::TlsSyntax => "501 5.5.2 Syntax error (no parameters allowed)",
        Say::TlsGo => "220 2.0.0 Ready to start TLS",
        Say::TlsAgain => "503 5.5.0 TLS already active",
        Say::VrfySyntax => "501 5.5.2 Argument required",
        Say::VrfyOk(user) => return format!("250 2.1.5 {}", person(user, host)),
        Say::Expn(user) => return format!("250 2.1.5 {}", person(user, host)),
        Say::EtrnSyntax => "500 5.5.2 Parameter required",
        Say::Etrn(domain) => return format!("250 2.0.0 Queuing for node {domain} started"),
        Say::Help => {
            let version = smtp.packages.sendmail.split('/').next().unwrap_or_default();
            return format!(
                "214-2.0.0 This is sendmail version {version}\r\n214-2.0.0 Topics:\r\n214-2.0.0 \tHELO\tEHLO\tMAIL\tRCPT\tDATA\r\n\
                 214-2.0.0 \tRSET\tNOOP\tQUIT\tHELP\tVRFY\r\n214-2.0.0 \tEXPN\tVERB\tETRN\tDSN\tAUTH\r\n214-2.0.0 \tSTARTTLS\r\n\
                 214-2.0.0 For more info use \"HELP <topic>\".\r\n214 2.0.0 End of HELP info"
            );
        }
        Say::TooManyErrors => return format!("421 4.7.0 {host} Too many bad commands; closing connection"),
        Say::Timeout => return format!("421 4.4.1 {host} timeout waiting for input from [{client}]"),
        Say::Proxy => return format!("421 4.7.0 {host} Rejecting open proxy [{client}]"),
        Say::TooEarly => return format!("554 {host} ESMTP not accepting messages"),
    };
    text.to_owned()
}
