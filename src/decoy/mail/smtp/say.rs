//! Everything the server can answer, before it has a product's words.

use super::{Mta, Smtp, exim, postfix, sendmail};

/// An answer. Addresses and words in it are fit to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say<'a> {
    Unknown(&'a str),
    Empty,
    HeloSyntax(&'a str),
    Noop,
    Reset,
    ResetSyntax,
    Bye,
    NeedHelo,
    MailSyntax,
    RcptSyntax,
    BadSender(&'a str),
    BadRecipient(&'a str),
    Nested,
    MailAfterBdat,
    Option(&'a str, &'a str),
    BadSize,
    TooBig,
    MailOk(&'a str),
    NeedMail,
    RcptOk(&'a str),
    UnknownUser(&'a str),
    RelayDenied(&'a str),
    NoDomain(&'a str),
    SubmitDenied(&'a str),
    TooManyRecipients,
    NeedRcpt,
    NoValidRcpt,
    DataAfterBdat,
    DataGo,
    Queued(&'a str),
    DataTooBig,
    BdatSyntax,
    BdatOk(u64),
    BdatQueued(u64, u64, &'a str),
    BdatDiscarded(u64),
    AuthSyntax,
    AuthOff,
    AuthUnknown(&'a str),
    AuthFailed(&'a str),
    AuthOk,
    AuthAgain,
    AuthAborted,
    AuthBadInitial,
    AuthBadBase64,
    AuthNested,
    NeedTls,
    TlsSyntax,
    TlsGo,
    TlsAgain,
    VrfySyntax,
    VrfyOk(&'a str),
    VrfyUnknown(&'a str),
    Expn(&'a str),
    EtrnSyntax,
    Etrn(&'a str),
    Help,
    TooManyErrors,
    Timeout,
    Proxy,
    TooEarly,
}

/// The answer in the words of the server, with its line ends.
pub(super) fn say(smtp: &Smtp, client: &str, what: Say<'_>) -> String {
    let text = match smtp.mta {
        Mta::Postfix => postfix::text(smtp, what),
        Mta::Exim => exim::text(smtp, what),
        Mta::Sendmail => sendmail::text(smtp, client, what),
    };
    text + "\r\n"
}
