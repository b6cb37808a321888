//! Applications on the web server: what a visitor sees of them before a login, and logins that fail the
//! way they do there. Layouts, titles, headers and field names are the products'; texts are our own.

mod jenkins;
mod phpmyadmin;
pub(super) mod tomcat;
mod wordpress;

use std::sync::atomic::{AtomicU64, Ordering};

use super::request::Request;
use super::response::Response;
use crate::model::{Persona, Seed};

/// One application.
pub(super) enum App {
    Wordpress(wordpress::Wordpress),
    Phpmyadmin(phpmyadmin::Phpmyadmin),
    Tomcat(tomcat::Tomcat),
    Jenkins(jenkins::Jenkins),
}

impl App {
    /// The application of this name; none for `none`.
    pub(super) fn new(name: &str, persona: &Persona) -> Option<Self> {
        Some(match name {
            "wordpress" => Self::Wordpress(wordpress::Wordpress::new(persona)),
            "phpmyadmin" => Self::Phpmyadmin(phpmyadmin::Phpmyadmin::new(persona)),
            "tomcat" => Self::Tomcat(tomcat::Tomcat),
            "jenkins" => Self::Jenkins(jenkins::Jenkins::new(persona)),
            _ => return None,
        })
    }

    /// Its answer; none where the web server answers itself.
    pub(super) fn respond(&self, request: &Request, body: &[u8]) -> Option<Response> {
        match self {
            Self::Wordpress(app) => app.respond(request, body),
            Self::Phpmyadmin(app) => app.respond(request, body),
            Self::Tomcat(app) => app.respond(request),
            Self::Jenkins(app) => app.respond(request),
        }
    }
}

/// Session identifiers: never the same twice, and nobody without the seed can tell the next.
struct Tokens {
    seed: Seed,
    next: AtomicU64,
}

impl Tokens {
    fn new(seed: &Seed) -> Self {
        Self { seed: seed.child("http/tokens"), next: AtomicU64::new(0) }
    }

    /// Fresh bytes.
    fn bytes(&self) -> [u8; 32] {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let now = jiff::Timestamp::now().as_nanosecond();
        self.seed.derive(&format!("{count}/{now}"))
    }

    /// Lower-case letters and digits, at most 32.
    fn word(&self, length: usize) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        self.bytes().iter().map(|b| char::from(LETTERS[usize::from(b & 31)])).take(length).collect()
    }

    /// Hex digits, at most 64.
    fn hex(&self, length: usize) -> String {
        hex::encode(self.bytes()).chars().take(length).collect()
    }
}

/// Host and port a page's addresses name.
fn origin(request: &Request) -> String {
    let host = request.host.as_deref().unwrap_or("localhost");
    let (scheme, usual) = request.scheme();
    let port = request.port.filter(|p| *p != usual).map(|p| format!(":{p}")).unwrap_or_default();
    format!("{scheme}://{}{port}", super::response::escape(host))
}

/// A path for a log-in redirect, percent-encoded like PHP and Java do in a query.
fn query_encode(path: &[u8]) -> String {
    super::answer::encode(path).replace('/', "%2F").replace(':', "%3A").replace('&', "%26")
}
