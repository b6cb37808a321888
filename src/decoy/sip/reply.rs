//! Answers as pjsip prints them, and shorter where there is no room.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::message::{Request, param};

/// One answer being put together.
pub(super) struct Reply<'r> {
    request: &'r Request<'r>,
    peer: SocketAddr,
    status: &'static str,
    /// Headers that belong to it.
    needed: Vec<(&'static str, String)>,
    /// The same, where room is short.
    tight: Option<(&'static str, String)>,
    /// Headers that say more than is asked.
    more: Vec<(&'static str, String)>,
    tag: Option<String>,
    cseq: Option<String>,
    server: &'r str,
}

impl<'r> Reply<'r> {
    pub(super) fn new(
        request: &'r Request<'r>,
        peer: SocketAddr,
        status: &'static str,
        server: &'r str,
    ) -> Self {
        let (needed, more, tight, tag, cseq) = (Vec::new(), Vec::new(), None, None, None);
        Self { request, peer, status, needed, tight, more, tag, cseq, server }
    }

    pub(super) fn needs(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.needed.push((name, value.into()));
        self
    }

    /// Instead of what it needs, where room is short.
    pub(super) fn at_least(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.tight = Some((name, value.into()));
        self
    }

    pub(super) fn says(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// A tag of our own; without one it is the branch, as pjsip has it.
    pub(super) fn tagged(mut self, tag: String) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Of another request of the same transaction.
    pub(super) fn of_method(mut self, method: &str) -> Self {
        let number = self.request.cseq.split(' ').next().unwrap_or("1");
        self.cseq = Some(format!("{number} {method}"));
        self
    }

    /// The bytes, if `room` is enough: as they should be, else without what need not be said, else with
    /// short names too, else without our name, and where it came from.
    pub(super) fn within(&self, room: usize) -> Option<Vec<u8>> {
        (0..=4).map(|thrift| self.bytes(thrift)).find(|bytes| bytes.len() <= room)
    }

    fn bytes(&self, thrift: u8) -> Vec<u8> {
        let (all, short) = (thrift == 0, thrift >= 2);
        let mut out = format!("SIP/2.0 {}\r\n", self.status);
        let name = |long: &'static str| match (short, long) {
            (true, "Via") => "v",
            (true, "From") => "f",
            (true, "To") => "t",
            (true, "Content-Length") => "l",
            _ => long,
        };
        let mut line = |key: &'static str, value: &str| {
            // Simple clients know these two in one form only.
            let gap = if short && !matches!(key, "Call-ID" | "WWW-Authenticate") { ":" } else { ": " };
            // Writing to a string cannot fail.
            let _ = write!(out, "{}{gap}{value}\r\n", name(key));
        };
        for (number, via) in self.request.vias.iter().enumerate() {
            if number == 0 && thrift < 4 { line("Via", &self.received(via)) } else { line("Via", via) }
        }
        line("Call-ID", &self.request.call_id);
        line("From", &self.request.from);
        let to = &self.request.to;
        let untagged = param(to, "tag").is_none() && !self.status.starts_with("100");
        let tag = self.tag.as_deref().unwrap_or_else(|| self.request.branch());
        line("To", &if untagged { format!("{to};tag={tag}") } else { to.clone() });
        line("CSeq", self.cseq.as_deref().unwrap_or(&self.request.cseq));
        let more = self.more.iter().filter(|_| all);
        let needed = match &self.tight {
            Some(tight) if short => std::slice::from_ref(tight),
            _ => self.needed.as_slice(),
        };
        needed.iter().chain(more).for_each(|(key, value)| line(key, value));
        if thrift < 3 {
            line("Server", self.server);
        }
        // pjsip writes it so.
        line("Content-Length", if short { "0" } else { " 0" });
        out.push_str("\r\n");
        out.into_bytes()
    }

    /// The outermost `Via` with where it really came from.
    fn received(&self, via: &str) -> String {
        let mut parts = via.split(';');
        let mut out = parts.next().unwrap_or_default().trim().to_owned();
        let _ = write!(out, ";rport={};received={}", self.peer.port(), self.peer.ip());
        for part in parts {
            let key = part.split('=').next().unwrap_or_default().trim();
            if !["rport", "received"].iter().any(|known| key.eq_ignore_ascii_case(known)) {
                out.push(';');
                out.push_str(part.trim());
            }
        }
        out
    }
}
