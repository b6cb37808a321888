//! One HTTP/1 connection from its first byte to its last, for any web server that we play.

use super::conn::{BodyError, Conn, Content, Outcome};
use super::head::{Header, Reject, RequestLine};
use super::request::{Framing, Request};
use super::response::Response;
use super::server::{Family, Server};
use super::{conn, credentials, pages, record, target, wire};
use crate::decoy::Session;
use crate::decoy::session::Recorder;

/// What answers the requests of a connection.
pub(in crate::decoy) trait Web: Send + Sync {
    /// Which server it is.
    fn server(&self) -> &Server;

    /// Its answer; `body` is the beginning of the request's body. The request itself is recorded without it.
    fn answer(&self, request: &Request, body: &[u8], record: &Recorder) -> Response;

    /// Whether it answers before it looks at the body.
    fn early(&self) -> bool {
        false
    }

    /// Bytes of a body that `answer` gets to see.
    fn body_room(&self) -> usize {
        crate::event::FIELD_MAX
    }

    /// Requests one connection may make.
    fn requests_max(&self) -> u32 {
        1000
    }
}

/// A web server on one connection.
struct Engine<'a, W: Web + ?Sized> {
    web: &'a W,
    server: &'a Server,
    /// TLS lies below.
    secure: bool,
}

/// Serves a connection of which `start` was read already.
pub(in crate::decoy) async fn talk<W: Web + ?Sized>(web: &W, session: Session, start: Vec<u8>, secure: bool) {
    let engine = Engine { web, server: web.server(), secure };
    let mut conn = Conn::new(session, engine.server.family, start, web.body_room());
    let mut left = web.requests_max();
    let mut again = false;
    loop {
        let goes_on = match conn.head(again).await {
            Outcome::Head(line, headers) => engine.request(&mut conn, line, headers, left).await,
            Outcome::Refused(reject, line, headers, bare) => {
                engine.refuse(&mut conn, reject, &line, &headers, bare).await;
                false
            }
            Outcome::Gone(line) => {
                engine.left(&mut conn, &line, 400).await;
                false
            }
            Outcome::Late(line) => {
                engine.left(&mut conn, &line, 408).await;
                false
            }
        };
        if !goes_on {
            return;
        }
        again = true;
        left = left.saturating_sub(1);
    }
}

/// Answers clear text that came to a port that speaks TLS.
pub(in crate::decoy) async fn misdirected<W: Web + ?Sized>(web: &W, session: Session, start: Vec<u8>) {
    let engine = Engine { web, server: web.server(), secure: true };
    let mut conn = Conn::new(session, engine.server.family, start, web.body_room());
    engine.misdirected(&mut conn).await;
}

impl<W: Web + ?Sized> Engine<'_, W> {
    /// Handles a request whose head was read; says whether the connection goes on.
    async fn request(&self, conn: &mut Conn, line: RequestLine, headers: Vec<Header>, left: u32) -> bool {
        let family = self.server.family;
        let (kept_line, kept_headers) = (line.clone(), headers.clone());
        let request = match Request::judge(line, headers, family) {
            Ok(request) => {
                Request { local_port: conn.session.destination.port(), secure: self.secure, ..request }
            }
            Err(reject) => {
                let bare = kept_line.version == (0, 9);
                self.refuse(conn, reject, &kept_line, &kept_headers, bare).await;
                return false;
            }
        };
        // nginx answers for a static file before it looks at the body, everyone else after.
        let early = self.web.early();
        let mut body = Ok(Content::default());
        if !early {
            if request.expects_continue && request.framing != Framing::Empty {
                let go = conn.session.write(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                if go.is_err() {
                    return false;
                }
            }
            body = conn.body(request.framing).await;
        }
        let mut response = match &body {
            Ok(content) => self.web.answer(&request, &content.start, &conn.session.record),
            Err(BodyError::Broken) => Response { uncounted: true, ..Response::page(400).closing() },
            Err(BodyError::TooLarge) => Response::page(413).closing(),
            Err(BodyError::Late) => Response::page(408).closing(),
            Err(BodyError::Gone) => {
                record::request(&conn.session.record, &request, &Content::default(), 400, &[]);
                return false;
            }
        };
        if early && request.framing != Framing::Empty {
            response = self.before_body(conn, &request, response);
        }
        let now = jiff::Timestamp::now().as_second();
        let context = wire::Context { port: conn.session.destination.port(), now, left };
        let closes = wire::closes(self.server, &response, Some(&request), left);
        let bare = request.line.version == (0, 9);
        let bytes = wire::render(self.server, &response, Some(&request), bare, &context);
        let sent = conn.session.write(&bytes).await;
        if let (Some(hijack), true) = (&response.hijack, sent.is_ok()) {
            record::request(&conn.session.record, &request, &body.unwrap_or_default(), response.status, &[]);
            conn.hijacked(hijack).await;
            return false;
        }
        if early && sent.is_ok() && response.status != 413 {
            body = conn.body(request.framing).await;
        }
        let failed = sent.is_err() || body.is_err();
        let content = body.unwrap_or_default();
        let logins = credentials::logins(&request, &content.start);
        record::request(&conn.session.record, &request, &content, response.status, &logins);
        if closes || response.hang_up || failed || bare {
            conn.linger(response.status == 413).await;
            return false;
        }
        true
    }

    /// What nginx says when the body it has not read yet is known to be too much or broken.
    fn before_body(&self, conn: &Conn, request: &Request, response: Response) -> Response {
        match request.framing {
            Framing::Length(size) if size > conn::BODY_MAX => Response::page(413).closing(),
            Framing::Chunked if conn.chunk_is_broken() => {
                if matches!(request.line.method.as_slice(), b"GET" | b"HEAD") {
                    Response::page(400).closing()
                } else {
                    response.closing()
                }
            }
            _ => response,
        }
    }

    /// Answers a request that was refused.
    async fn refuse(
        &self,
        conn: &mut Conn,
        reject: Reject,
        line: &RequestLine,
        headers: &[Header],
        bare: bool,
    ) {
        let mut response = Response::page(reject.status).closing();
        let detail = pages::reject_detail(self.server.family, reject.status, reject.why);
        if !detail.is_empty() {
            response = response.detail(detail);
        }
        // Only what the page may show of the request: whether it was HEAD, and the host.
        let mut shown = Request { line: line.clone(), ..Request::default() };
        if reject.host_known {
            let host = headers.iter().find(|h| h.name.eq_ignore_ascii_case(b"host"));
            let (name, port) = target::split_port(host.map(|h| h.value.as_slice()).unwrap_or_default());
            let named = line.target.split(|c| *c == b'/').nth(2).filter(|_| name.is_empty()).unwrap_or(name);
            shown.host = Some(String::from_utf8_lossy(named).to_ascii_lowercase());
            shown.port = port.and_then(|p| p.parse().ok());
        } else if self.server.family == Family::Apache && conn.raw.starts_with(b"HEAD ") {
            shown.line.method = b"HEAD".to_vec();
        }
        let now = jiff::Timestamp::now().as_second();
        let context = wire::Context { port: conn.session.destination.port(), now, left: 1 };
        let bytes = wire::render(self.server, &response, Some(&shown), bare, &context);
        record::refused(&conn.session.record, &conn.raw, line, headers, reject.status);
        if conn.session.write(&bytes).await.is_ok() {
            conn.linger(false).await;
        }
    }

    /// The client left or fell silent in the middle of a head, or between two requests.
    async fn left(&self, conn: &mut Conn, line: &RequestLine, status: u16) {
        if conn.raw.is_empty() {
            return;
        }
        let apache = self.server.family == Family::Apache && !line.method.is_empty();
        record::refused(&conn.session.record, &conn.raw, line, &[], status);
        if apache {
            let now = jiff::Timestamp::now().as_second();
            let context = wire::Context { port: conn.session.destination.port(), now, left: 1 };
            let response = Response::page(status).closing();
            let bytes = wire::render(self.server, &response, None, false, &context);
            if conn.session.write(&bytes).await.is_ok() {
                conn.linger(false).await;
            }
        }
    }

    /// What each family says to clear text where it expects TLS.
    async fn misdirected(&self, conn: &mut Conn) {
        let (page, line, headers, shown) = match self.server.family {
            Family::Nginx => match conn.head(false).await {
                Outcome::Head(line, headers) => {
                    let judged = Request::judge(line.clone(), headers.clone(), Family::Nginx);
                    let why = "400 The plain HTTP request was sent to HTTPS port";
                    let page = Response::page(400).closing();
                    let page = if judged.is_ok() { page.detail(why) } else { page };
                    (page, line, headers, judged.unwrap_or_default())
                }
                Outcome::Refused(reject, line, headers, bare) => {
                    return self.refuse(conn, reject, &line, &headers, bare).await;
                }
                Outcome::Gone(line) | Outcome::Late(line) => return self.left(conn, &line, 400).await,
            },
            Family::Apache if conn.starts(&["GET ", "POST ", "HEAD ", "PUT "]) => {
                let why = "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the \
                           HTTPS scheme to access this URL, please.<br />\n";
                let page = Response::page(400).closing().detail(why);
                (page, RequestLine::default(), Vec::new(), Request::default())
            }
            Family::Tomcat if conn.starts(&["GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE "]) => {
                let text = "Bad Request\r\nThis combination of host and port requires TLS.\r\n";
                let page = Response::app(400, "text/plain;charset=UTF-8", text).closing();
                (page, RequestLine::default(), Vec::new(), Request::default())
            }
            Family::Go if conn.starts(&["GET /", "HEAD ", "POST ", "PUT /", "OPTIO"]) => {
                conn.note_pending();
                record::refused(&conn.session.record, &conn.raw, &RequestLine::default(), &[], 400);
                let text =
                    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
                if conn.session.write(text).await.is_ok() {
                    conn.linger(false).await;
                }
                return;
            }
            // The others just hang up.
            _ => {
                conn.note_pending();
                record::refused(&conn.session.record, &conn.raw, &RequestLine::default(), &[], 400);
                return;
            }
        };
        conn.note_pending();
        record::refused(&conn.session.record, &conn.raw, &line, &headers, page.status);
        let now = jiff::Timestamp::now().as_second();
        let context = wire::Context { port: conn.session.destination.port(), now, left: 1 };
        let bytes = wire::render(self.server, &page, Some(&shown), false, &context);
        if conn.session.write(&bytes).await.is_ok() {
            conn.linger(false).await;
        }
    }
}
