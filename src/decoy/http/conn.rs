//! Reading one connection: lines, heads and bodies within limits of size and time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::chunks::Chunks;
use super::head::{self, Header, LINE_MAX, Reject, RequestLine, Why, reject};
use super::request::Framing;
use super::response::Hijack;
use super::server::Family;
use super::target;
use crate::decoy::Session;
use crate::event::FIELD_MAX;

/// Most bytes read of one body.
pub(in crate::decoy) const BODY_MAX: u64 = 1 << 20;

/// Empty lines skipped before a request.
const BLANKS_MAX: usize = 64;

/// How long a family waits.
struct Waits {
    first: u64,
    head: u64,
    keep: u64,
    body: u64,
}

/// Seconds; nginx and Apache measured as Debian configures them.
fn waits(family: Family) -> Waits {
    match family {
        Family::Nginx => Waits { first: 60, head: 60, keep: 65, body: 60 },
        Family::Apache => Waits { first: 50, head: 20, keep: 5, body: 20 },
        Family::Iis => Waits { first: 120, head: 120, keep: 120, body: 120 },
        Family::Tomcat => Waits { first: 20, head: 20, keep: 20, body: 20 },
        Family::Go => Waits { first: 32, head: 32, keep: 90, body: 60 },
        Family::Netty => Waits { first: 120, head: 120, keep: 120, body: 120 },
        Family::Jetty | Family::Other => Waits { first: 30, head: 30, keep: 30, body: 30 },
    }
}

/// What became of reading a head.
pub(in crate::decoy) enum Outcome {
    /// A line and headers that read well.
    Head(RequestLine, Vec<Header>),
    /// To be refused; without headers for HTTP/0.9.
    Refused(Reject, RequestLine, Vec<Header>, bool),
    /// The client left, in the middle of a head when it had begun one.
    Gone(RequestLine),
    /// Time ran out; the line is there when it had come.
    Late(RequestLine),
}

/// A body that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoy) enum BodyError {
    /// Broken chunks.
    Broken,
    /// Longer than a server of this configuration takes.
    TooLarge,
    /// The client left.
    Gone,
    /// Time ran out.
    Late,
}

/// A body: its size, and how it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decoy) struct Content {
    /// At most so many bytes as there is room for.
    pub(in crate::decoy) start: Vec<u8>,
    /// All bytes, decoded.
    pub(in crate::decoy) size: u64,
    room: usize,
}

enum Line {
    Full(Vec<u8>, bool),
    Refused(Reject),
    Long,
    Gone,
    Late,
}

/// One connection and what was read ahead.
pub(in crate::decoy) struct Conn {
    /// The session.
    pub(in crate::decoy) session: Session,
    /// Read but not used.
    pending: Vec<u8>,
    /// Where the search for a line end goes on.
    scanned: usize,
    /// How the current request began, as it came.
    pub(in crate::decoy) raw: Vec<u8>,
    family: Family,
    /// Bytes of a body that are kept.
    room: usize,
}

impl Conn {
    /// A connection of which `pending` was read already.
    pub(in crate::decoy) fn new(session: Session, family: Family, pending: Vec<u8>, room: usize) -> Self {
        Self { session, pending, scanned: 0, raw: Vec::new(), family, room }
    }

    /// Whether what was read ahead begins with one of these.
    pub(in crate::decoy) fn starts(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.pending.starts_with(word.as_bytes()))
    }

    /// Leaves the connection to `hijack` until it is done or the client is.
    pub(in crate::decoy) async fn hijacked(&mut self, hijack: &Hijack) {
        let mut input = std::mem::take(&mut self.pending);
        let mut heard = 0u64;
        loop {
            let (output, done) = hijack.hear(&input, &self.session.record);
            if !output.is_empty() && self.session.write(&output).await.is_err() {
                return;
            }
            if done || heard > BODY_MAX {
                return self.linger(false).await;
            }
            let mut chunk = [0u8; 4096];
            match self.session.read(&mut chunk).await {
                Ok(got) if got > 0 => {
                    input.clear();
                    input.extend_from_slice(&chunk[..got]);
                    heard = heard.saturating_add(got as u64);
                }
                _ => return,
            }
        }
    }

    fn deadline(&self, seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds).min(self.session.idle)
    }

    /// Reads more; false at the end, an error when time ran out or the stream broke.
    async fn fill(&mut self, deadline: Instant) -> Result<bool, Line> {
        let mut chunk = [0u8; 4096];
        match tokio::time::timeout_at(deadline, self.session.stream.read(&mut chunk)).await {
            Err(_) => Err(Line::Late),
            Ok(Ok(got)) if got > 0 => {
                self.pending.extend_from_slice(&chunk[..got]);
                Ok(true)
            }
            Ok(_) => Err(Line::Gone),
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.pending.len());
        self.scanned = 0;
        self.pending.drain(..count).collect()
    }

    fn note(&mut self, bytes: &[u8]) {
        let room = FIELD_MAX.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Reads a line, without its end.
    async fn line(&mut self, first: bool, deadline: Instant) -> Line {
        loop {
            let window = self.pending.len().min(LINE_MAX + 2);
            let fresh = self.pending.get(self.scanned..window).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|c| *c == b'\n') {
                let count = self.scanned + at + 1;
                let mut line = self.take(count);
                self.note(&line);
                line.pop();
                let crlf = line.last() == Some(&b'\r');
                if crlf {
                    line.pop();
                }
                if first && let Some(reject) = head::early(&line, self.family) {
                    return Line::Refused(reject);
                }
                return Line::Full(line, crlf);
            }
            self.scanned = window;
            if first && let Some(reject) = head::early(&self.pending[..window], self.family) {
                return Line::Refused(reject);
            }
            if window > LINE_MAX {
                return Line::Long;
            }
            if let Err(end) = self.fill(deadline).await {
                return end;
            }
        }
    }

    /// Reads the head of the next request.
    pub(in crate::decoy) async fn head(&mut self, again: bool) -> Outcome {
        let waits = waits(self.family);
        self.raw.clear();
        let none = RequestLine::default;
        let mut blanks = 0;
        let mut deadline = self.deadline(if again { waits.keep } else { waits.first });
        loop {
            let ends = self.pending.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
            blanks += ends;
            self.take(ends);
            if blanks > BLANKS_MAX {
                return Outcome::Refused(reject(400, Why::Line), none(), Vec::new(), false);
            }
            if !self.pending.is_empty() {
                break;
            }
            match self.fill(deadline).await {
                Ok(_) => {}
                Err(Line::Late) => return Outcome::Late(none()),
                Err(_) => return Outcome::Gone(none()),
            }
        }
        deadline = self.deadline(waits.head);
        let (text, crlf) = match self.line(true, deadline).await {
            Line::Full(text, crlf) => (text, crlf),
            Line::Refused(reject) => {
                self.note_pending();
                return Outcome::Refused(reject, none(), Vec::new(), false);
            }
            Line::Long => {
                self.note_pending();
                return Outcome::Refused(head::too_long(self.family), none(), Vec::new(), false);
            }
            Line::Gone => {
                self.note_pending();
                return Outcome::Gone(none());
            }
            Line::Late => {
                self.note_pending();
                return Outcome::Late(none());
            }
        };
        let line = match head::request_line(&text, crlf, self.family) {
            Ok(line) => line,
            Err(reject) => {
                // nginx drops its own head on a request line without a version.
                let words = text.split(|c| *c == b' ').filter(|w| !w.is_empty()).count();
                let target = text.contains(&b'/') && words == 2;
                let bare = self.family == Family::Nginx && target && reject.why == Why::Line;
                return Outcome::Refused(reject, none(), Vec::new(), bare);
            }
        };
        if self.family == Family::Nginx
            && let Err(reject) = target::parse(&line.method, &line.target, self.family)
        {
            let bare = line.version == (0, 9);
            return Outcome::Refused(reject, line, Vec::new(), bare);
        }
        if line.version == (0, 9) {
            return Outcome::Head(line, Vec::new());
        }
        self.headers(line, deadline).await
    }

    async fn headers(&mut self, line: RequestLine, deadline: Instant) -> Outcome {
        let (count_max, total_max) = match self.family {
            Family::Nginx => (usize::MAX, 32 * 1024),
            Family::Apache => (100, 64 * 1024),
            Family::Go | Family::Netty => (1000, 64 * 1024),
            _ => (100, 32 * 1024),
        };
        let mut headers = Vec::new();
        let mut total = 0usize;
        let family = self.family;
        let refuse = |why, line, headers| {
            let status = if matches!(family, Family::Jetty | Family::Other | Family::Go) { 431 } else { 400 };
            Outcome::Refused(reject(status, why), line, headers, false)
        };
        loop {
            match self.line(false, deadline).await {
                Line::Full(text, _) if text.is_empty() => return Outcome::Head(line, headers),
                Line::Full(text, crlf) => {
                    total = total.saturating_add(text.len() + 2);
                    if total > total_max {
                        return refuse(Why::HeaderSize, line, headers);
                    }
                    if headers.len() >= count_max {
                        return refuse(Why::HeaderCount, line, headers);
                    }
                    if let Err(reject) = head::header_line(&text, crlf, self.family, &mut headers) {
                        return Outcome::Refused(reject, line, headers, false);
                    }
                }
                Line::Long => return refuse(Why::HeaderSize, line, headers),
                Line::Refused(reject) => return Outcome::Refused(reject, line, headers, false),
                Line::Gone => return Outcome::Gone(line),
                Line::Late => return Outcome::Late(line),
            }
        }
    }

    /// Notes what was read ahead as part of the request.
    pub(in crate::decoy) fn note_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.note(&pending);
        self.pending = pending;
    }

    /// Whether what was already read begins with something that is no chunk.
    pub(in crate::decoy) fn chunk_is_broken(&self) -> bool {
        self.pending.first().is_some_and(|c| !c.is_ascii_hexdigit())
    }

    /// Reads and forgets a body but for its beginning.
    pub(in crate::decoy) async fn body(&mut self, framing: Framing) -> Result<Content, BodyError> {
        let mut content = Content::with_room(self.room);
        let deadline = self.deadline(waits(self.family).body);
        match framing {
            Framing::Empty => Ok(content),
            Framing::Length(size) if size > BODY_MAX => Err(BodyError::TooLarge),
            Framing::Length(size) => {
                while content.size < size {
                    if self.pending.is_empty() {
                        self.more(deadline).await?;
                    }
                    let rest = usize::try_from(size - content.size).unwrap_or(usize::MAX);
                    let part = self.take(rest);
                    content.add(&part);
                }
                Ok(content)
            }
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                loop {
                    if self.pending.is_empty() {
                        self.more(deadline).await?;
                    }
                    let input = std::mem::take(&mut self.pending);
                    let used = chunks.feed(&input, &mut content).map_err(|()| BodyError::Broken)?;
                    self.pending = input.get(used..).unwrap_or_default().to_vec();
                    self.scanned = 0;
                    if chunks.done() {
                        return Ok(content);
                    }
                    if content.size > BODY_MAX {
                        return Err(BodyError::TooLarge);
                    }
                }
            }
        }
    }

    async fn more(&mut self, deadline: Instant) -> Result<(), BodyError> {
        match self.fill(deadline).await {
            Ok(_) => Ok(()),
            Err(Line::Late) => Err(BodyError::Late),
            Err(_) => Err(BodyError::Gone),
        }
    }

    /// Ends the answer, then reads for a moment so that a reset does not swallow it. nginx does not end
    /// its answer first when a body it refused is still coming.
    pub(in crate::decoy) async fn linger(&mut self, body_comes: bool) {
        let waits = body_comes && self.family == Family::Nginx;
        if !waits && self.session.stream.shutdown().await.is_err() {
            return;
        }
        let deadline = self.deadline(if self.family == Family::Nginx { 5 } else { 2 });
        let mut left = 256 * 1024usize;
        let mut chunk = [0u8; 4096];
        while left > 0 {
            match tokio::time::timeout_at(deadline, self.session.stream.read(&mut chunk)).await {
                Ok(Ok(got)) if got > 0 => left = left.saturating_sub(got),
                _ => return,
            }
        }
    }
}

impl Content {
    /// An empty one that keeps so many bytes.
    pub(in crate::decoy) fn with_room(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// Counts a part and keeps it when it is among the first bytes.
    pub(in crate::decoy) fn add(&mut self, part: &[u8]) {
        self.size = self.size.saturating_add(part.len() as u64);
        let room = self.room.saturating_sub(self.start.len());
        self.start.extend_from_slice(&part[..part.len().min(room)]);
    }
}
