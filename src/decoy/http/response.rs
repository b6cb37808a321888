//! An answer before a family of servers gives it its shape.

use std::sync::{Arc, Mutex, PoisonError};

use crate::decoy::session::Recorder;

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decoy) enum Body {
    /// The server's own page for the status.
    Page,
    /// These bytes.
    Bytes(Arc<[u8]>),
}

/// Validators of a static file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decoy) struct Stamp {
    /// Modified, seconds since 1970.
    pub(in crate::decoy) modified: i64,
    /// Entity tag with its quotes.
    pub(in crate::decoy) etag: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(in crate::decoy) struct Response {
    /// Status code.
    pub(in crate::decoy) status: u16,
    /// `Content-Type`.
    pub(in crate::decoy) kind: Option<String>,
    /// Body.
    pub(in crate::decoy) body: Body,
    /// Validators of a static file.
    pub(in crate::decoy) stamp: Option<Stamp>,
    /// `Content-Range`.
    pub(in crate::decoy) range: Option<String>,
    /// `Allow`.
    pub(in crate::decoy) allow: Option<String>,
    /// `Location`.
    pub(in crate::decoy) location: Option<String>,
    /// Further headers in order.
    pub(in crate::decoy) headers: Vec<(String, String)>,
    /// Made by an application: no validators, chunks where the server would send chunks.
    pub(in crate::decoy) dynamic: bool,
    /// One line a server's page adds for this case.
    pub(in crate::decoy) detail: Option<String>,
    /// The connection ends after it, and the answer says so.
    pub(in crate::decoy) close: bool,
    /// Apache has begun to read the body and no longer counts its page.
    pub(in crate::decoy) uncounted: bool,
    /// The connection ends after it without a word.
    pub(in crate::decoy) hang_up: bool,
    /// It was sent before its end was known.
    pub(in crate::decoy) streamed: bool,
    /// The connection becomes a plain stream after it.
    pub(in crate::decoy) hijack: Option<Hijack>,
}

/// What talks on a connection that is no HTTP any more.
pub(in crate::decoy) trait Dialogue: Send {
    /// What it says first, and to each input; and whether it is done then.
    fn hear(&mut self, input: &[u8], record: &Recorder) -> (Vec<u8>, bool);
}

/// A connection that is no HTTP any more.
#[derive(Clone)]
pub(in crate::decoy) struct Hijack(pub(in crate::decoy) Arc<Mutex<dyn Dialogue>>);

impl Hijack {
    /// Hands the connection to `dialogue`.
    pub(in crate::decoy) fn to(dialogue: impl Dialogue + 'static) -> Self {
        Self(Arc::new(Mutex::new(dialogue)))
    }

    /// See [`Dialogue::hear`].
    pub(in crate::decoy) fn hear(&self, input: &[u8], record: &Recorder) -> (Vec<u8>, bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hear(input, record)
    }
}

impl std::fmt::Debug for Hijack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hijack")
    }
}

impl Response {
    /// The server's own page for `status`.
    pub(in crate::decoy) fn page(status: u16) -> Self {
        Self {
            status,
            kind: None,
            body: Body::Page,
            stamp: None,
            range: None,
            allow: None,
            location: None,
            headers: Vec::new(),
            dynamic: false,
            detail: None,
            close: false,
            uncounted: false,
            hang_up: false,
            streamed: false,
            hijack: None,
        }
    }

    /// An answer of an application.
    pub(in crate::decoy) fn app(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let bytes: Vec<u8> = body.into();
        Self {
            kind: Some(kind.to_owned()),
            body: Body::Bytes(bytes.into()),
            dynamic: true,
            ..Self::page(status)
        }
    }

    /// A redirect by an application, with an empty body.
    pub(in crate::decoy) fn redirect(status: u16, location: impl Into<String>, kind: &str) -> Self {
        Self { location: Some(location.into()), ..Self::app(status, kind, Vec::new()) }
    }

    /// Adds a header.
    pub(in crate::decoy) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Says that the connection ends.
    pub(in crate::decoy) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Adds the line that explains the case.
    pub(in crate::decoy) fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    /// Names what is allowed.
    pub(in crate::decoy) fn allowing(mut self, methods: &str) -> Self {
        self.allow = Some(methods.to_owned());
        self
    }
}

/// Text that may stand between tags.
pub(in crate::decoy) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// An IMF-fixdate (RFC 9110 §5.6.7).
pub(in crate::decoy) fn http_date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads an IMF-fixdate.
pub(in crate::decoy) fn parse_date(text: &str) -> Option<i64> {
    let text = text.strip_suffix(" GMT")?;
    let time = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S", text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        let text = "Mon, 23 Nov 2026 16:14:27 GMT";
        assert_eq!(http_date(parse_date(text).unwrap()), text);
        assert_eq!(parse_date("Mon, 23 Nov 2026"), None);
        assert_eq!(parse_date(""), None);
    }

    #[test]
    fn escapes() {
        assert_eq!(escape("<a href=\"&\">"), "&lt;a href=&quot;&amp;&quot;&gt;");
    }
}
