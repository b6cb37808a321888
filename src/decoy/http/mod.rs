//! HTTP/1: a web server that behaves like the product it claims to be, on good input and on bad.
//!
//! Own reader and writer, because what a library does with a malformed request is what gives a decoy away.
//! The path of a request: [`conn`] reads a head, [`head`] and [`request`] judge it as the family does,
//! [`answer`] decides, [`wire`] writes it down, [`record`] tells what happened. HTTP/2 is not spoken: over
//! clear text neither nginx nor Apache does unless told to, and `http_versions` does not change that.

mod answer;
mod apps;
mod chunks;
mod conn;
mod credentials;
mod files;
mod head;
mod pages;
mod record;
mod request;
mod response;
mod server;
mod settings;
mod site;
mod target;
mod tls;
mod welcome;
mod wire;

use std::path::Path;
use std::sync::Arc;

use self::apps::App;
use self::conn::{BodyError, Conn, Content, Outcome};
use self::head::{Header, Reject, RequestLine};
use self::request::{Framing, Request};
use self::response::Response;
use self::server::{Family, Server};
use self::settings::Config;
use self::site::{Resource, Site};
use super::{Decoy, Served, Session};
use crate::model::{Persona, Settings};

/// The http service of one decky.
pub(super) struct Http {
    server: Server,
    config: Config,
    site: Site,
    app: Option<App>,
}

/// Makes the http service. The `files` directory is read here, once, within limits.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Http::new(persona, settings))
}

impl Http {
    fn new(persona: &Persona, settings: &Settings) -> Self {
        let config = Config::new(settings);
        let server = Server::new(persona, config.server_header.as_deref(), &config.app);
        let app = App::new(&config.app, persona);
        let mut site = Site::default();
        if app.is_none() {
            let welcome = welcome::page(&server);
            let since = i64::try_from(persona.seed.number("http/installed", 7200)).unwrap_or(0);
            let fraction = i64::try_from(persona.seed.number("http/micros", 1_000_000)).unwrap_or(0);
            let resource = Resource {
                kind: site::kind_of(welcome.file).to_owned(),
                bytes: Arc::from(welcome.html.into_bytes()),
                micros: persona.born.saturating_add(since).saturating_mul(1_000_000).saturating_add(fraction),
                status: welcome.status,
            };
            site.add("/", resource.clone());
            site.add(welcome.file, Resource { status: 200, ..resource });
        }
        if let Some(dir) = &config.files {
            let mut own = Site::default();
            files::load(Path::new(dir), &mut own);
            own.cover(&mut site);
        }
        Self { server, config, site, app }
    }

    /// Requests one connection may make.
    fn requests_max(&self) -> u32 {
        match self.server.family {
            Family::Nginx if !self.server.label().contains("1.18.") => 1000,
            _ => 100,
        }
    }

    async fn talk(&self, session: Session) {
        let mut conn = Conn::new(session, self.server.family);
        let mut left = self.requests_max();
        let mut again = false;
        loop {
            let goes_on = match conn.head(again).await {
                Outcome::Head(line, headers) => self.request(&mut conn, line, headers, left).await,
                Outcome::Refused(reject, line, headers, bare) => {
                    self.refuse(&mut conn, reject, &line, &headers, bare).await;
                    false
                }
                Outcome::Gone(line) => {
                    self.left(&mut conn, &line, 400).await;
                    false
                }
                Outcome::Late(line) => {
                    self.left(&mut conn, &line, 408).await;
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

    /// Handles a request whose head was read; says whether the connection goes on.
    async fn request(&self, conn: &mut Conn, line: RequestLine, headers: Vec<Header>, left: u32) -> bool {
        let family = self.server.family;
        let (kept_line, kept_headers) = (line.clone(), headers.clone());
        let request = match Request::judge(line, headers, family) {
            Ok(request) => Request { local_port: conn.session.destination.port(), ..request },
            Err(reject) => {
                let bare = kept_line.version == (0, 9);
                self.refuse(conn, reject, &kept_line, &kept_headers, bare).await;
                return false;
            }
        };
        // nginx answers for a static file before it looks at the body, everyone else after.
        let early = family == Family::Nginx && self.app.is_none();
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
            Ok(content) => self.answer(&request, &content.start),
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
        let closes = wire::closes(&self.server, &response, Some(&request), left);
        let bare = request.line.version == (0, 9);
        let bytes = wire::render(&self.server, &response, Some(&request), bare, &context);
        let sent = conn.session.write(&bytes).await;
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
        let bytes = wire::render(&self.server, &response, Some(&shown), bare, &context);
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
            let bytes = wire::render(&self.server, &response, None, false, &context);
            if conn.session.write(&bytes).await.is_ok() {
                conn.linger(false).await;
            }
        }
    }
}

impl Decoy for Http {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move { self.talk(session).await })
    }
}

#[cfg(test)]
mod tests;
