//! What is known of a connection, and what each frame does to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::conn::{BODY_MAX, Content};
use super::super::engine::Web;
use super::super::request::Request;
use super::super::response::Response;
use super::super::server::{Family, Server};
use super::super::{credentials, pages, record, wire};
use super::frame::{self, Code, END_HEADERS, END_STREAM, FRAME_MAX, Head};
use super::hpack::{Bad, Decoder, Encoder, LIST_MAX};
use super::message::{self, Message};
use crate::decoy::Session;
use crate::decoy::session::Recorder;
use crate::event::Kind;

/// Bytes of requests that wait for their end, all streams together.
const HELD_MAX: usize = 512 * 1024;
/// Bytes of answers that wait for a window, all streams together.
const UNSENT_MAX: usize = 2 * 1024 * 1024;
/// Frames that lead to nothing, before a client is told to calm down; each request earns some more.
const PATIENCE: u32 = 400;
const EARNED: u32 = 16;
/// Frames that one header list may come in.
const CONTINUATIONS_MAX: u32 = 16;
/// Largest window (RFC 9113 §6.9.1).
const WINDOW_MAX: i64 = 0x7fff_ffff;

/// How a connection ends.
pub(super) struct End {
    pub(super) code: Code,
    /// What Apache says with it.
    pub(super) why: &'static str,
}

impl End {
    pub(super) fn new(code: Code, why: &'static str) -> Self {
        Self { code, why }
    }
}

/// A stream that is not over.
enum Stream {
    /// The rest of its body is still to come.
    Coming(Box<Request>, Content),
    /// Its answer was cut short: the rest of the body is thrown away.
    Ignored,
    /// The rest of its answer is still to go.
    Going { body: Arc<[u8]>, sent: usize },
}

/// A header list that comes in parts.
struct Block {
    stream: u32,
    bytes: Vec<u8>,
    ends: bool,
    parts: u32,
}

/// One connection.
pub(super) struct Connection<'a, W: Web + ?Sized> {
    web: &'a W,
    pub(super) server: &'a Server,
    pub(super) record: Recorder,
    secure: bool,
    port: u16,
    /// To be written.
    pub(super) out: Vec<u8>,
    /// The preface came.
    pub(super) opened: bool,
    /// The client's settings came.
    settled: bool,
    /// Highest stream of the client.
    pub(super) last: u32,
    left: u32,
    patience: u32,
    decoder: Decoder,
    encoder: Encoder,
    block: Option<Block>,
    streams: BTreeMap<u32, (Stream, i64)>,
    /// What the client lets us send: on the connection, on a new stream, in a frame.
    window: i64,
    first_window: i64,
    frame_max: usize,
    /// What clients differ in, until it is told.
    habits: Option<Habits>,
}

/// How a client begins.
#[derive(Default)]
struct Habits {
    settings: Vec<String>,
    window: u32,
    priorities: u32,
    frames: Vec<u8>,
}

impl<'a, W: Web + ?Sized> Connection<'a, W> {
    pub(super) fn new(web: &'a W, session: &Session, secure: bool) -> Self {
        let server = web.server();
        Self {
            web,
            server,
            record: session.record.clone(),
            secure,
            port: session.destination.port(),
            out: Vec::new(),
            opened: false,
            settled: false,
            last: 0,
            left: web.requests_max().max(1000),
            patience: PATIENCE,
            decoder: Decoder::default(),
            encoder: Encoder::new(server.family),
            block: None,
            streams: BTreeMap::new(),
            window: 65_535,
            first_window: 65_535,
            frame_max: FRAME_MAX,
            habits: Some(Habits::default()),
        }
    }

    /// Says what the server says first.
    pub(super) fn greet(&mut self) {
        let (settings, window) = frame::greeting(self.server.family);
        let mut payload = Vec::new();
        for (key, value) in settings {
            payload.extend_from_slice(&key.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        frame::put(&mut self.out, frame::SETTINGS, 0, 0, &payload);
        if window > 0 {
            frame::put(&mut self.out, frame::WINDOW, 0, 0, &window.to_be_bytes());
        }
    }

    fn tire(&mut self) -> Result<(), End> {
        self.patience = self.patience.checked_sub(1).ok_or(End::new(Code::Calm, "too many frames"))?;
        Ok(())
    }

    fn reset(&mut self, stream: u32, code: Code) {
        self.streams.remove(&stream);
        frame::put(&mut self.out, frame::RESET, 0, stream, &(code as u32).to_be_bytes());
    }

    pub(super) fn frame(&mut self, head: Head, payload: &[u8]) -> Result<(), End> {
        let wrong = |why| Err(End::new(Code::Protocol, why));
        if let Some(habits) = self.habits.as_mut().filter(|h| h.frames.len() < 16) {
            habits.frames.push(head.kind);
        }
        if self.block.is_some() && head.kind != frame::CONTINUATION {
            return wrong("CONTINUATION: expected");
        }
        if !self.settled && head.kind != frame::SETTINGS && self.server.family != Family::Nginx {
            return wrong("SETTINGS expected");
        }
        match head.kind {
            frame::DATA => self.data(head, payload),
            frame::HEADERS => {
                let Some(content) = head.content(payload) else { return wrong("HEADERS: invalid padding") };
                if head.stream.is_multiple_of(2) {
                    return wrong("request HEADERS: invalid stream_id");
                }
                let ends = head.has(END_STREAM);
                self.block = Some(Block { stream: head.stream, bytes: content.to_vec(), ends, parts: 1 });
                self.block_part(head)
            }
            frame::CONTINUATION => {
                let Some(block) = self.block.as_mut().filter(|b| b.stream == head.stream) else {
                    return wrong("CONTINUATION: unexpected");
                };
                block.parts += 1;
                block.bytes.extend_from_slice(payload);
                if block.parts > CONTINUATIONS_MAX || block.bytes.len() > LIST_MAX {
                    return Err(End::new(Code::Calm, "too many CONTINUATIONs"));
                }
                self.block_part(head)
            }
            frame::PRIORITY => {
                if let Some(habits) = &mut self.habits {
                    habits.priorities = habits.priorities.saturating_add(1);
                }
                if head.stream == 0 || payload.len() != 5 {
                    return wrong("PRIORITY: invalid");
                }
                self.tire()
            }
            frame::RESET => {
                let idle = head.stream > self.last && self.server.family != Family::Nginx;
                if head.stream == 0 || idle || payload.len() != 4 {
                    return wrong("RST_STREAM: stream in idle");
                }
                self.streams.remove(&head.stream);
                self.tire()
            }
            frame::SETTINGS => self.settings(head, payload),
            frame::PUSH => wrong("PUSH_PROMISE: invalid direction"),
            frame::PING => {
                if head.stream != 0 {
                    return wrong("PING: stream_id != 0");
                }
                if payload.len() != 8 {
                    return Err(End::new(Code::FrameSize, ""));
                }
                if !head.has(END_STREAM) {
                    frame::put(&mut self.out, frame::PING, END_STREAM, 0, payload);
                }
                self.tire()
            }
            frame::GOAWAY => Err(End::new(Code::None, "")),
            frame::WINDOW => self.widen(head, payload),
            _ => self.tire(),
        }
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), End> {
        if head.stream != 0 {
            return Err(End::new(Code::Protocol, "SETTINGS: stream_id != 0"));
        }
        if head.has(END_STREAM) {
            return self.tire();
        }
        if !payload.len().is_multiple_of(6) || payload.len() > 6 * 64 {
            return Err(End::new(Code::FrameSize, ""));
        }
        self.settled = true;
        for entry in payload.chunks_exact(6) {
            let [a, b, c, d, e, f] = *entry else { continue };
            let (key, value) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
            if let Some(habits) = &mut self.habits {
                habits.settings.push(format!("{key}:{value}"));
                habits.settings.truncate(32);
            }
            let size = usize::try_from(value).unwrap_or(usize::MAX);
            match key {
                1 => self.encoder.limit(size),
                2 if value > 1 => {
                    return Err(End::new(Code::Protocol, "SETTINGS: invalid SETTINGS_ENBLE_PUSH"));
                }
                4 => {
                    let value = i64::from(value);
                    if value > WINDOW_MAX {
                        return Err(End::new(Code::FlowControl, ""));
                    }
                    let change = value - self.first_window;
                    self.first_window = value;
                    for (_, window) in self.streams.values_mut() {
                        *window = window.saturating_add(change);
                        if *window > WINDOW_MAX {
                            return Err(End::new(Code::FlowControl, ""));
                        }
                    }
                }
                5 if !(16_384..=16_777_215).contains(&value) => {
                    return Err(End::new(Code::Protocol, "SETTINGS: invalid SETTINGS_MAX_FRAME_SIZE"));
                }
                5 => self.frame_max = size.min(FRAME_MAX),
                _ => {}
            }
        }
        frame::put(&mut self.out, frame::SETTINGS, END_STREAM, 0, &[]);
        self.tire()
    }

    fn widen(&mut self, head: Head, payload: &[u8]) -> Result<(), End> {
        let (Some(step), 4) = (frame::number(payload), payload.len()) else {
            return Err(End::new(Code::FrameSize, ""));
        };
        let step = step & 0x7fff_ffff;
        self.tire()?;
        if head.stream == 0 {
            if let Some(habits) = self.habits.as_mut().filter(|h| h.window == 0) {
                habits.window = step;
            }
            self.window = self.window.saturating_add(i64::from(step));
            if step == 0 || self.window > WINDOW_MAX {
                let code = if step == 0 { Code::Protocol } else { Code::FlowControl };
                return Err(End::new(code, ""));
            }
            return Ok(());
        }
        if head.stream > self.last {
            return Err(End::new(Code::Protocol, "WINDOW_UPDATE to idle stream"));
        }
        let Some((_, window)) = self.streams.get_mut(&head.stream) else { return Ok(()) };
        *window = window.saturating_add(i64::from(step));
        if step == 0 || *window > WINDOW_MAX {
            self.reset(head.stream, if step == 0 { Code::Protocol } else { Code::FlowControl });
        }
        Ok(())
    }

    fn data(&mut self, head: Head, payload: &[u8]) -> Result<(), End> {
        let Some(content) = head.content(payload) else {
            return Err(End::new(Code::Protocol, "DATA: insufficient padding space"));
        };
        if head.stream == 0 {
            return Err(End::new(Code::Protocol, "DATA: stream_id == 0"));
        }
        if head.stream > self.last {
            return Err(End::new(Code::Protocol, "DATA: stream in idle"));
        }
        if content.is_empty() {
            self.tire()?;
        }
        let held = self.held();
        let ends = head.has(END_STREAM);
        match self.streams.get_mut(&head.stream) {
            Some((Stream::Coming(_, body), _)) => {
                body.add(content);
                if body.size > BODY_MAX || held.saturating_add(content.len()) > HELD_MAX {
                    return self.too_large(head.stream);
                }
                if ends {
                    return self.complete(head.stream);
                }
            }
            Some((Stream::Ignored, _)) if ends => {
                self.streams.remove(&head.stream);
            }
            Some((Stream::Ignored, _)) => {}
            Some((Stream::Going { .. }, _)) | None => {
                self.tire()?;
                self.reset(head.stream, Code::StreamClosed);
                return Ok(());
            }
        }
        if head.length > 0 {
            // The window of the connection was opened wider than a connection may send.
            let step = u32::try_from(head.length).unwrap_or(0).to_be_bytes();
            frame::put(&mut self.out, frame::WINDOW, 0, head.stream, &step);
            if frame::greeting(self.server.family).1 == 0 {
                frame::put(&mut self.out, frame::WINDOW, 0, 0, &step);
            }
        }
        Ok(())
    }

    fn held(&self) -> usize {
        let each = |stream: &Stream| match stream {
            Stream::Coming(request, body) => {
                let fields = request.headers.iter().map(|h| h.name.len() + h.value.len() + 64);
                fields.fold(body.start.len(), usize::saturating_add)
            }
            _ => 0,
        };
        self.streams.values().map(|(stream, _)| each(stream)).fold(0, usize::saturating_add)
    }

    fn unsent(&self) -> usize {
        let each = |stream: &Stream| match stream {
            Stream::Going { body, sent } => body.len().saturating_sub(*sent),
            _ => 0,
        };
        self.streams.values().map(|(stream, _)| each(stream)).fold(0, usize::saturating_add)
    }

    /// A frame of a header list is there: perhaps the list is.
    fn block_part(&mut self, head: Head) -> Result<(), End> {
        if !head.has(END_HEADERS) {
            return self.tire();
        }
        let Some(block) = self.block.take() else { return Ok(()) };
        let fields = self.decoder.decode(&block.bytes).map_err(|bad| match bad {
            Bad::Broken => End::new(Code::Compression, ""),
            Bad::TooMuch => End::new(Code::Calm, ""),
        })?;
        if block.stream <= self.last {
            // Trailers; on a stream that is over they come too late.
            if !self.streams.contains_key(&block.stream) {
                return Err(End::new(Code::StreamClosed, ""));
            }
            if !block.ends {
                self.reset(block.stream, Code::Protocol);
                return Ok(());
            }
            return self.complete(block.stream);
        }
        self.last = block.stream;
        self.left = self.left.checked_sub(1).ok_or(End::new(Code::None, ""))?;
        self.patience = self.patience.saturating_add(EARNED).min(PATIENCE);
        if let Some(habits) = self.habits.take() {
            self.tell(&habits, &message::order(&fields));
        }
        let streams_max = 100;
        if self.streams.len() >= streams_max || self.held() > HELD_MAX || self.unsent() > UNSENT_MAX {
            self.tire()?;
            self.reset(block.stream, Code::Refused);
            return Ok(());
        }
        match message::judge(fields, self.server.family, self.secure, self.port) {
            Message::Malformed => {
                self.tire()?;
                self.reset(block.stream, Code::Protocol);
            }
            Message::Refused(reject, request) => {
                let page = Response::page(reject.status);
                let detail = pages::reject_detail(self.server.family, reject.status, reject.why);
                let page = if detail.is_empty() { page } else { page.detail(detail) };
                self.answer(block.stream, &request, &Content::default(), &page, !block.ends);
            }
            Message::Request(request) => {
                let body = Content::with_room(self.web.body_room());
                self.streams.insert(block.stream, (Stream::Coming(request, body), self.first_window));
                if block.ends {
                    return self.complete(block.stream);
                }
            }
        }
        Ok(())
    }

    /// What clients of different kinds do differently, told once.
    fn tell(&self, habits: &Habits, order: &str) {
        let settings = habits.settings.join(";");
        self.record
            .event(Kind::Connection, "http2")
            .text("http2.fingerprint", &format!("{settings}|{}|{}|{order}", habits.window, habits.priorities))
            .field("http2.settings", habits.settings.clone())
            .field("http2.frames", habits.frames.clone())
            .emit();
    }

    fn too_large(&mut self, stream: u32) -> Result<(), End> {
        if let Some((Stream::Coming(request, body), _)) = self.streams.remove(&stream) {
            self.answer(stream, &request, &body, &Response::page(413), true);
        }
        self.tire()
    }

    /// A request is there as a whole.
    fn complete(&mut self, stream: u32) -> Result<(), End> {
        match self.streams.remove(&stream) {
            Some((Stream::Coming(request, body), window)) => {
                let response = self.web.answer(&request, &body.start, &self.record);
                self.streams.insert(stream, (Stream::Ignored, window));
                self.answer(stream, &request, &body, &response, false);
                Ok(())
            }
            _ => self.tire(),
        }
    }

    fn answer(&mut self, stream: u32, request: &Request, body: &Content, response: &Response, more: bool) {
        let now = jiff::Timestamp::now().as_second();
        let context = wire::Context { port: self.port, now, left: 1 };
        let (fields, bytes) = wire::fields(self.server, response, request, &context);
        let logins = credentials::logins(request, &body.start);
        record::request(&self.record, request, body, response.status, &logins);
        let window = self.streams.remove(&stream).map_or(self.first_window, |(_, window)| window);
        let block = self.encoder.encode(response.status, &fields);
        let ends = if bytes.is_empty() { END_STREAM } else { 0 };
        let mut parts = block.chunks(self.frame_max).peekable();
        let mut kind = frame::HEADERS;
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
            let flags = last | if kind == frame::HEADERS { ends } else { 0 };
            frame::put(&mut self.out, kind, flags, stream, part);
            kind = frame::CONTINUATION;
        }
        if !bytes.is_empty() {
            self.streams.insert(stream, (Stream::Going { body: bytes, sent: 0 }, window));
        } else if more {
            self.streams.insert(stream, (Stream::Ignored, window));
        }
    }

    /// Sends what the windows let through.
    pub(super) fn send(&mut self) {
        let most = if self.server.family == Family::Nginx { 8192 } else { self.frame_max };
        let mut over = Vec::new();
        for (id, (stream, window)) in &mut self.streams {
            let Stream::Going { body, sent } = stream else { continue };
            while *sent < body.len() {
                let room = usize::try_from((*window).min(self.window)).unwrap_or(0).min(most);
                let part = body.get(*sent..).unwrap_or_default();
                let part = part.get(..room).unwrap_or(part);
                if part.is_empty() {
                    break;
                }
                *sent = sent.saturating_add(part.len());
                let cost = i64::try_from(part.len()).unwrap_or(0);
                *window = window.saturating_sub(cost);
                self.window = self.window.saturating_sub(cost);
                let flags = if *sent == body.len() { END_STREAM } else { 0 };
                frame::put(&mut self.out, frame::DATA, flags, *id, part);
            }
            if *sent >= body.len() {
                over.push(*id);
            }
        }
        for id in over {
            self.streams.remove(&id);
        }
    }
}
