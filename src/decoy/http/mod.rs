//! HTTP: web servers that behave like the products they claim to be, on good input and on bad.
//!
//! Own reader and writer, because what a library does with a malformed request is what gives a decoy away.
//! The path of a request: [`front`] tells TLS, HTTP/1 and HTTP/2 apart; [`engine`] and [`conn`] read a head,
//! [`head`] and [`request`] judge it as the family does, a [`engine::Web`] decides (here: [`answer`]), [`wire`]
//! writes it down, [`record`] tells what happened. [`h2`] is the same for HTTP/2, spoken where `http_versions`
//! says so. Elasticsearch, Docker and Kubernetes are further `Web`s on this engine.

mod answer;
mod apps;
mod chunks;
pub(super) mod conn;
pub(super) mod credentials;
pub(super) mod engine;
mod files;
pub(super) mod front;
mod h2;
pub(super) mod head;
mod pages;
pub(super) mod record;
pub(super) mod request;
pub(super) mod response;
pub(super) mod server;
mod settings;
mod site;
pub(super) mod target;
mod welcome;
mod wire;

use std::path::Path;
use std::sync::Arc;

pub(super) use self::answer::encode;
use self::apps::App;
use self::engine::Web;
use self::request::Request;
use self::response::Response;
use self::server::{Family, Server};
use self::settings::Config;
use self::site::{Resource, Site};
use super::session::Recorder;
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::model::{Persona, Settings};

/// The http or https service of one decky.
pub(super) struct Http {
    /// Every port of it speaks TLS.
    secure: bool,
    tls: Tls,
    server: Server,
    config: Config,
    site: Site,
    app: Option<App>,
}

/// Makes the http service. The `files` directory is read here, once, within limits.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Http::new(persona, settings, false))
}

/// Makes the https service: the same behind TLS.
pub fn build_secure(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Http::new(persona, settings, true))
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let config = Config::new(settings);
    let server = Server::new(persona, config.server_header.as_deref(), &config.app);
    let program = match server.family {
        Family::Apache => "apache",
        Family::Tomcat => "tomcat",
        Family::Jetty => "jetty",
        _ => "nginx",
    };
    let version =
        server.token.as_deref().and_then(|token| token.split_once('/')).map_or("", |(_, rest)| rest);
    Software::new(program, version)
}

impl Http {
    fn new(persona: &Persona, settings: &Settings, secure: bool) -> Self {
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
        let tls = tls(persona, &config);
        Self { secure, tls, server, config, site, app }
    }
}

/// The operator's certificate, or one as the package that web servers take it from makes for the host.
fn tls(persona: &Persona, config: &Config) -> Tls {
    let tls = match &config.pair {
        Some((chain, key)) => Tls::given(chain, key),
        None => {
            let subject = Subject::host(persona);
            let subject = match &config.common_name {
                Some(name) => Subject { common_name: name.clone(), names: vec![name.clone()], ..subject },
                None => subject,
            };
            Tls::derived(persona, "web", subject)
        }
    };
    if config.http2 { tls.protocols(&["h2", "http/1.1"]) } else { tls.protocols(&["http/1.1"]) }
}

impl Web for Http {
    fn server(&self) -> &Server {
        &self.server
    }

    fn answer(&self, request: &Request, body: &[u8], _: &Recorder) -> Response {
        self.decide(request, body)
    }

    fn early(&self) -> bool {
        // nginx answers for a static file before it looks at the body, everyone else after.
        self.server.family == Family::Nginx && self.app.is_none()
    }

    fn requests_max(&self) -> u32 {
        match self.server.family {
            Family::Nginx if !self.server.label().contains("1.18.") => 1000,
            _ => 100,
        }
    }
}

impl Decoy for Http {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            if self.secure || session.number == 443 {
                front::secure(&*self, &self.tls, self.config.http2, session).await;
            } else {
                front::clear(&*self, self.config.http2, session).await;
            }
        })
    }
}

#[cfg(test)]
mod tests;
