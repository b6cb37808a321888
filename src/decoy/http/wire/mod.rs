//! Answers as bytes: which headers, in which order and case, per family.

mod inside;

use std::sync::Arc;

use super::pages::{self, About};
use super::request::Request;
use super::response::{Body, Response, http_date};
use super::server::{Family, Server};

/// What a family needs to know beside request and response.
pub(in crate::decoy) struct Context {
    /// Our port.
    pub(in crate::decoy) port: u16,
    /// Now, seconds since 1970.
    pub(in crate::decoy) now: i64,
    /// Requests this connection may still make.
    pub(in crate::decoy) left: u32,
}

/// Header lines, safe against anything that would end a line early.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn put(&mut self, name: &str, value: &str) {
        let clean = |text: &str| text.chars().filter(|c| !c.is_ascii_control()).collect();
        self.0.push((clean(name), clean(value)));
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

/// A response with everything decided, ready to be written down.
struct Shaped<'a> {
    server: &'a Server,
    response: &'a Response,
    request: Option<&'a Request>,
    context: &'a Context,
    kind: Option<String>,
    body: Arc<[u8]>,
    length: Length,
    close: bool,
    date: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Known,
    Chunks,
    Unsaid,
}

/// Writes an answer down. `request` is absent when the head itself was refused; `bare` leaves the head
/// of the answer out (HTTP/0.9).
pub(in crate::decoy) fn render(
    server: &Server,
    response: &Response,
    request: Option<&Request>,
    bare: bool,
    context: &Context,
) -> Vec<u8> {
    let shaped = Shaped::new(server, response, request, context);
    if bare {
        return shaped.body.to_vec();
    }
    if let Some(bytes) = shaped.without_head() {
        return bytes;
    }
    let old = matches!(server.family, Family::Go | Family::Netty) && !shaped.modern() && request.is_some();
    let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
    let reason = match response.hijack {
        Some(_) => "UPGRADED",
        None => pages::reason(server.family, response.status),
    };
    let mut out = Vec::with_capacity(512 + shaped.body.len());
    out.extend_from_slice(format!("{version} {} {reason}\r\n", response.status).as_bytes());
    for (name, value) in shaped.lines().0 {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if request.is_some_and(Request::is_head) || matches!(response.status, 101 | 204 | 304) {
        return out;
    }
    if shaped.length == Length::Chunks {
        if !shaped.body.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", shaped.body.len()).as_bytes());
            out.extend_from_slice(&shaped.body);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
    } else {
        out.extend_from_slice(&shaped.body);
    }
    out
}

/// The header fields and the body of an answer on a protocol that does its own framing (HTTP/2).
pub(in crate::decoy) fn fields(
    server: &Server,
    response: &Response,
    request: &Request,
    context: &Context,
) -> (Vec<(String, String)>, Arc<[u8]>) {
    let shaped = Shaped::new(server, response, Some(request), context);
    let mut fields = shaped.lines().0;
    fields.retain(|(name, _)| !matches!(name.as_str(), "Connection" | "Keep-Alive" | "Transfer-Encoding"));
    if server.family == Family::Apache {
        // These two are put in last there.
        fields.sort_by_key(|(name, _)| match name.as_str() {
            "Date" => 1,
            "Server" => 2,
            _ => 0,
        });
    }
    for (name, _) in &mut fields {
        name.make_ascii_lowercase();
    }
    let empty = request.is_head() || matches!(response.status, 204 | 304);
    (fields, if empty { Arc::from([]) } else { shaped.body })
}

/// Whether the connection ends after this answer.
pub(in crate::decoy) fn closes(
    server: &Server,
    response: &Response,
    request: Option<&Request>,
    left: u32,
) -> bool {
    let drops = match server.family {
        Family::Nginx => matches!(response.status, 400 | 413 | 414 | 500 | 501 | 505),
        Family::Apache => matches!(response.status, 400 | 408 | 411 | 413 | 414 | 500 | 501 | 503),
        _ => matches!(response.status, 400 | 408 | 413 | 414 | 431 | 500 | 501 | 503 | 505),
    };
    let page = matches!(response.body, Body::Page) && drops;
    page || response.close || left == 0 || request.is_none_or(|r| !r.connection.keep)
}

impl<'a> Shaped<'a> {
    fn new(
        server: &'a Server,
        response: &'a Response,
        request: Option<&'a Request>,
        context: &'a Context,
    ) -> Self {
        let mut kind = response.kind.clone();
        let body = match &response.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Page if response.status == 304 => Arc::from([]),
            Body::Page => {
                let method = request.map(Request::method).unwrap_or_default();
                let path = request.map(Request::path).unwrap_or_default();
                let agent = request.and_then(|r| r.text("user-agent")).unwrap_or_default();
                let about = About {
                    method: &method,
                    path: &path,
                    host: request.and_then(|r| r.host.as_deref()).unwrap_or(&server.name),
                    port: request.and_then(|r| r.port).unwrap_or(context.port),
                    location: response.location.as_deref().unwrap_or_default(),
                    detail: response.detail.as_deref().unwrap_or_default(),
                    padded: agent.contains("Chrome/")
                        || (agent.contains("MSIE ") && !agent.contains("Opera")),
                };
                let (text, page_kind) = pages::error(server, response.status, &about);
                kind = Some(page_kind.to_owned());
                Arc::from(text.into_bytes())
            }
        };
        let modern = request.is_some_and(|r| r.line.version >= (1, 1));
        let head = request.is_some_and(Request::is_head);
        let streams = match server.family {
            Family::Apache => {
                (response.dynamic && body.len() > 8000)
                    || (response.status == 416 && response.range.is_none())
            }
            Family::Nginx | Family::Tomcat | Family::Jetty => response.dynamic,
            Family::Go => response.streamed || body.len() > 2048,
            _ => false,
        };
        let length = match (streams, modern) {
            _ if response.uncounted && server.family == Family::Apache => Length::Unsaid,
            (true, true) => Length::Chunks,
            (true, false) => Length::Unsaid,
            // Apache counts a page only when it sends it.
            _ if head && server.family == Family::Apache && response.body == Body::Page => Length::Unsaid,
            _ => Length::Known,
        };
        let unsized_end = length == Length::Unsaid && !head;
        let close = closes(server, response, request, context.left) || unsized_end;
        Self { server, response, request, context, kind, body, length, close, date: http_date(context.now) }
    }

    fn modern(&self) -> bool {
        self.request.is_some_and(|r| r.line.version >= (1, 1))
    }

    fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        match self.server.family {
            Family::Nginx => self.nginx(&mut lines),
            Family::Apache => self.apache(&mut lines),
            Family::Iis => self.iis(&mut lines),
            Family::Tomcat => self.tomcat(&mut lines),
            Family::Jetty => self.jetty(&mut lines),
            Family::Go => self.go(&mut lines),
            Family::Netty => self.netty(&mut lines),
            Family::Other => self.other(&mut lines),
        }
        lines
    }

    fn size(&self, lines: &mut Lines) {
        match self.length {
            Length::Known => lines.put("Content-Length", &self.body.len().to_string()),
            Length::Chunks => lines.put("Transfer-Encoding", "chunked"),
            Length::Unsaid => {}
        }
    }

    fn extras(&self, lines: &mut Lines) {
        for (name, value) in &self.response.headers {
            lines.put(name, value);
        }
    }

    fn modified(&self) -> Option<String> {
        self.response.stamp.as_ref().map(|s| http_date(s.modified))
    }

    fn etag(&self) -> Option<&str> {
        self.response.stamp.as_ref().map(|s| s.etag.as_str())
    }

    /// Whether a whole file is sent.
    fn whole(&self) -> bool {
        self.response.stamp.is_some() && matches!(self.response.status, 200 | 403)
    }

    fn asked(&self) -> bool {
        self.request.is_some_and(|r| r.connection.asked)
    }

    fn nginx(&self, lines: &mut Lines) {
        let r = self.response;
        lines.put("Server", self.server.label());
        lines.put("Date", &self.date);
        if r.status != 304 {
            lines.maybe("Content-Type", self.kind.as_deref());
            if self.length == Length::Known {
                self.size(lines);
            }
        }
        lines.maybe("Last-Modified", self.modified().as_deref());
        if !r.dynamic {
            lines.maybe("Location", r.location.as_deref());
        }
        if self.length == Length::Chunks {
            self.size(lines);
        }
        lines.put("Connection", if self.close { "close" } else { "keep-alive" });
        lines.maybe("ETag", self.etag());
        if self.whole() {
            lines.put("Accept-Ranges", "bytes");
        }
        lines.maybe("Content-Range", r.range.as_deref());
        self.extras(lines);
        if r.dynamic {
            lines.maybe("Location", r.location.as_deref());
        }
    }

    fn apache(&self, lines: &mut Lines) {
        let r = self.response;
        lines.put("Date", &self.date);
        lines.put("Server", self.server.label());
        lines.maybe("Last-Modified", self.modified().as_deref());
        if let Some(etag) = self.etag() {
            lines.put("ETag", etag);
            lines.put("Accept-Ranges", "bytes");
        }
        self.extras(lines);
        lines.maybe("Location", r.location.as_deref());
        lines.maybe("Allow", r.allow.as_deref());
        let deflates = self.vary();
        if r.dynamic && deflates {
            lines.put("Vary", "Accept-Encoding");
        }
        if r.status != 304 && self.length == Length::Known {
            self.size(lines);
        }
        lines.maybe("Content-Range", r.range.as_deref());
        if !r.dynamic && deflates {
            lines.put("Vary", "Accept-Encoding");
        }
        if self.close {
            lines.put("Connection", "close");
        } else if self.asked() {
            lines.put("Keep-Alive", &format!("timeout=5, max={}", self.context.left));
            lines.put("Connection", "Keep-Alive");
        }
        if self.length == Length::Chunks {
            self.size(lines);
        }
        if r.status != 304 {
            lines.maybe("Content-Type", self.kind.as_deref());
        }
    }

    /// Debian and its kin turn on mod_deflate for texts.
    fn vary(&self) -> bool {
        let debian = matches!(self.server.distro.as_str(), "debian" | "ubuntu22" | "ubuntu20" | "kali");
        let text = self.kind.as_deref().is_some_and(|k| k.starts_with("text/") || k.contains("javascript"));
        debian
            && text
            && self.response.body != Body::Page
            && self.response.status == 200
            && self.body.len() > 64
    }

    fn iis(&self, lines: &mut Lines) {
        let r = self.response;
        let http_sys = matches!(r.body, Body::Page) && r.detail.is_some();
        if r.status != 304 {
            lines.maybe("Content-Type", self.kind.as_deref());
        }
        lines.maybe("Last-Modified", self.modified().as_deref());
        if let Some(etag) = self.etag() {
            lines.put("Accept-Ranges", "bytes");
            lines.put("ETag", etag);
        }
        lines.maybe("Content-Range", r.range.as_deref());
        lines.maybe("Location", r.location.as_deref());
        lines.maybe("Allow", r.allow.as_deref());
        self.extras(lines);
        lines.put("Server", if http_sys { "Microsoft-HTTPAPI/2.0" } else { self.server.label() });
        lines.put("Date", &self.date);
        if self.close {
            lines.put("Connection", "close");
        } else if self.asked() && self.request.is_some_and(|r| r.line.version < (1, 1)) {
            lines.put("Connection", "keep-alive");
        }
        if r.status != 304 {
            self.size(lines);
        }
    }

    fn tomcat(&self, lines: &mut Lines) {
        let r = self.response;
        lines.maybe("Server", self.server.token.as_deref());
        lines.maybe("Allow", r.allow.as_deref());
        self.extras(lines);
        lines.maybe("Location", r.location.as_deref());
        if let Some(etag) = self.etag() {
            lines.put("Accept-Ranges", "bytes");
            lines.put("ETag", etag);
        }
        lines.maybe("Last-Modified", self.modified().as_deref());
        lines.maybe("Content-Range", r.range.as_deref());
        if r.status != 304 {
            lines.maybe("Content-Type", self.kind.as_deref());
            if r.body == Body::Page {
                lines.put("Content-Language", "en");
            }
            self.size(lines);
        }
        lines.put("Date", &self.date);
        if self.close {
            lines.put("Connection", "close");
        } else if self.asked() {
            lines.put("Keep-Alive", "timeout=20");
            lines.put("Connection", "keep-alive");
        }
    }

    fn jetty(&self, lines: &mut Lines) {
        let r = self.response;
        if r.detail.is_none() {
            lines.put("Date", &self.date);
        }
        self.extras(lines);
        lines.maybe("Last-Modified", self.modified().as_deref());
        lines.maybe("Location", r.location.as_deref());
        lines.maybe("Content-Type", self.kind.as_deref());
        self.size(lines);
        if self.close {
            lines.put("Connection", "close");
        }
        lines.put("Server", self.server.label());
    }

    fn other(&self, lines: &mut Lines) {
        let r = self.response;
        if r.status != 304 {
            lines.maybe("Content-Type", self.kind.as_deref());
        }
        if let Some(etag) = self.etag() {
            lines.put("Accept-Ranges", "bytes");
            lines.put("ETag", etag);
        }
        lines.maybe("Last-Modified", self.modified().as_deref());
        lines.maybe("Content-Range", r.range.as_deref());
        lines.maybe("Location", r.location.as_deref());
        lines.maybe("Allow", r.allow.as_deref());
        self.extras(lines);
        if r.status != 304 {
            self.size(lines);
        }
        if self.close {
            lines.put("Connection", "close");
        }
        lines.put("Date", &self.date);
        lines.put("Server", self.server.label());
    }
}
