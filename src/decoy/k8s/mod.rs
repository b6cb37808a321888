//! The API server of a Kubernetes cluster: TLS on 6443 with anonymous visitors turned away, and clear text
//! on 8080 where somebody left `kubectl proxy` (or, on old clusters, the insecure port) open to all.
//!
//! On 6443 the answers are those of an API server to nobody (401, 403); any bearer token and any client
//! certificate is recorded and refused. On 8080 everybody is the administrator of a small made-up cluster:
//! what is created is taken, recorded and forgotten.

mod cluster;
mod discovery;
mod objects;
mod profile;

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use self::cluster::Cluster;
use self::profile::Profile;
use super::http::engine::Web;
use super::http::front;
use super::http::request::Request;
use super::http::response::Response;
use super::http::server::{Family, Server};
use super::session::Recorder;
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::Kind;
use crate::model::{Persona, Seed, Settings};

/// Bytes of a request's body that are looked at.
const BODY_ROOM: usize = 64 * 1024;
/// The port that speaks clear text.
const OPEN_PORT: u16 = 8080;

/// The API server of one decky.
struct Api {
    server: Server,
    profile: Profile,
    persona: Persona,
    seed: Seed,
    tls: Tls,
    cluster: OnceLock<Cluster>,
}

/// What one port answers.
struct Door<'a> {
    api: &'a Api,
    /// Whoever comes is let in.
    open: bool,
}

/// Makes the Kubernetes API service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Api {
        server: Server::inside(persona, Family::Go),
        profile: Profile::new(persona, settings),
        persona: persona.clone(),
        seed: persona.seed.child("k8s"),
        tls: tls(persona),
        cluster: OnceLock::new(),
    })
}

/// The certificate that kubeadm makes.
fn tls(persona: &Persona) -> Tls {
    let service = "kubernetes.default.svc.cluster.local";
    let short = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", service];
    let mut names = vec![persona.hostname.to_lowercase()];
    names.extend(short.map(str::to_owned));
    names.extend(["10.96.0.1".to_owned(), persona.ip.to_string()]);
    let subject =
        Subject { common_name: "kube-apiserver".into(), organisation: None, names, days: 365, ca: false };
    let authority = |name: &str| Subject {
        common_name: name.into(),
        organisation: None,
        names: vec![name.into()],
        days: 3650,
        ca: true,
    };
    let asked = vec![authority("kubernetes"), authority("front-proxy-ca")];
    Tls::issued(persona, "k8s", subject, authority("kubernetes")).asking(asked).protocols(&["h2", "http/1.1"])
}

/// An answer with a status object.
struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    fn value(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason});
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        } else if self.code == 403 || self.code == 404 {
            status["details"] = json!({});
        }
        status["code"] = self.code.into();
        status
    }
}

/// The verb of a request, as authorisation has it.
fn verb(request: &Request, named: bool) -> &'static str {
    match (request.method().as_str(), named) {
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) if request.flag("watch") => "watch",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "",
    }
}

/// A path under `/api/v1` or `/apis/GROUP/VERSION`, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place<'a> {
    group: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    sub: &'a str,
}

fn place<'a>(parts: &[&'a str]) -> Option<Place<'a>> {
    let (group, rest) = match parts {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            (*namespace, rest)
        }
        rest => ("", rest),
    };
    let mut rest = rest.iter().copied();
    let resource = rest.next()?;
    let name = rest.next().unwrap_or_default();
    let sub = rest.next().unwrap_or_default();
    let namespace = if resource == "namespaces" && !name.is_empty() { name } else { namespace };
    Some(Place { group, namespace, resource, name, sub })
}

impl Api {
    fn cluster(&self) -> &Cluster {
        self.cluster.get_or_init(|| Cluster::new(&self.persona, &self.profile))
    }

    /// JSON as an API server writes it: compact for objects, with line ends for what people read.
    fn json(&self, code: u16, value: &Value, request: &Request) -> Response {
        // A browser, curl and a query that asks for it get line ends.
        let agent = request.text("user-agent").unwrap_or_default();
        let pretty = match request.query("pretty").as_deref() {
            Some("1" | "true") => true,
            Some(_) => false,
            None => ["curl", "Wget", "Mozilla/5.0"].iter().any(|a| agent.starts_with(a)),
        };
        let mut text = if pretty { objects::pretty(value) } else { value.to_string() };
        if !pretty {
            text.push('\n');
        }
        self.dressed(Response::app(code, "application/json", text))
    }

    /// What every answer carries.
    fn dressed(&self, response: Response) -> Response {
        let mut random = [0u8; 16];
        let _ = getrandom::fill(&mut random);
        let hex = hex::encode(random);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let audit =
            format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        response
            .with("Audit-Id", audit)
            .with("Cache-Control", "no-cache, private")
            .with("X-Kubernetes-Pf-Flowschema-Uid", objects::uid(&self.seed, "flowschema"))
            .with("X-Kubernetes-Pf-Prioritylevel-Uid", objects::uid(&self.seed, "prioritylevel"))
    }

    fn refuse(&self, refusal: &Refusal, request: &Request) -> Response {
        let response = self.json(refusal.code, &refusal.value(), request);
        if refusal.code == 403 { response.with("X-Content-Type-Options", "nosniff") } else { response }
    }

    /// What an API server says to somebody it does not know.
    fn closed(&self, request: &Request) -> Response {
        let path = request.path();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).take(12).collect();
        if request.header("authorization").is_some() {
            return self.refuse(&Refusal::new(401, "Unauthorized", "Unauthorized"), request);
        }
        match parts.as_slice() {
            ["version"] => return self.json(200, &self.profile.version(), request),
            ["healthz" | "livez" | "readyz"] => return self.health(request),
            // A bare request of HTTP/1.0 comes from scanners only, and what they know the product by is older than
            // the release that is played. Every other client gets the status object.
            [] if request.line.version == (1, 0) && request.headers.is_empty() => {
                return Response::app(401, "text/plain; charset=utf-8", "Unauthorized\n")
                    .with("Www-Authenticate", "Basic realm=\"kubernetes-master\"")
                    .with("X-Content-Type-Options", "nosniff");
            }
            _ => {}
        }
        let who = "User \"system:anonymous\" cannot";
        let refusal = match place(&parts).filter(|p| !p.resource.is_empty()) {
            Some(place) => {
                let verb = verb(request, !place.name.is_empty());
                let scope = if place.namespace.is_empty()
                    || place.resource == "namespaces" && place.name.is_empty()
                {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace \"{}\"", place.namespace)
                };
                let full = if place.group.is_empty() {
                    place.resource.to_owned()
                } else {
                    format!("{}.{}", place.resource, place.group)
                };
                let subject = if place.name.is_empty() { full } else { format!("{full} \"{}\"", place.name) };
                let resource = if place.sub.is_empty() {
                    place.resource.to_owned()
                } else {
                    format!("{}/{}", place.resource, place.sub)
                };
                let message = format!(
                    "{subject} is forbidden: {who} {verb} resource \"{resource}\" in API group \"{}\" {scope}",
                    place.group
                );
                let mut details = serde_json::Map::new();
                for (key, value) in [("name", place.name), ("group", place.group), ("kind", place.resource)] {
                    if !value.is_empty() {
                        details.insert(key.to_owned(), value.into());
                    }
                }
                Refusal { details: Value::Object(details), ..Refusal::new(403, "Forbidden", message) }
            }
            None => {
                let verb = request.method().to_ascii_lowercase();
                Refusal::new(403, "Forbidden", format!("forbidden: {who} {verb} path \"{path}\""))
            }
        };
        self.refuse(&refusal, request)
    }

    fn health(&self, request: &Request) -> Response {
        let text = if request.query("verbose").is_some() {
            let path = request.path();
            let checks = [
                "ping",
                "log",
                "etcd",
                "informer-sync",
                "poststarthook/start-apiserver-admission-initializer",
                "poststarthook/rbac/bootstrap-roles",
                "poststarthook/bootstrap-controller",
                "autoregister-completion",
            ];
            let list: String = checks.iter().map(|c| format!("[+]{c} ok\n")).collect();
            format!("{list}{} check passed\n", path.trim_start_matches('/'))
        } else {
            "ok".to_owned()
        };
        let response = self.dressed(Response::app(200, "text/plain; charset=utf-8", text));
        response.with("X-Content-Type-Options", "nosniff")
    }

    /// What an administrator gets.
    fn open(&self, request: &Request, body: &[u8], record: &Recorder) -> Response {
        let path = request.path();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).take(12).collect();
        match parts.as_slice() {
            ["version"] => return self.json(200, &self.profile.version(), request),
            ["healthz" | "livez" | "readyz", ..] => return self.health(request),
            ["metrics" | "logs" | "debug", ..] | ["openapi", ..] => {
                return self.dressed(
                    Response::app(404, "text/plain; charset=utf-8", "404 page not found\n")
                        .with("X-Content-Type-Options", "nosniff"),
                );
            }
            _ => {}
        }
        if let Some(value) = discovery::answer(&parts, &self.persona) {
            return self.json(200, &value, request);
        }
        let Some(place) = place(&parts) else {
            let all: Vec<Value> = discovery::PATHS.iter().map(|p| (*p).into()).collect();
            return match parts.as_slice() {
                [] => self.json(200, &json!({"paths": all}), request),
                _ => self.missing(request),
            };
        };
        if !matches!(verb(request, !place.name.is_empty()), "get" | "list" | "watch") {
            return self.change(request, body, record, &place);
        }
        match self.cluster().find(&place, &self.seed) {
            Some(Ok(value)) => {
                let value = if request.text("accept").is_some_and(|a| a.contains("as=Table")) {
                    objects::table(&value)
                } else {
                    value
                };
                self.json(200, &value, request)
            }
            Some(Err(refusal)) => self.refuse(&refusal, request),
            None => self.missing(request),
        }
    }

    fn missing(&self, request: &Request) -> Response {
        self.refuse(
            &Refusal::new(404, "NotFound", "the server could not find the requested resource"),
            request,
        )
    }

    /// Takes what an administrator sends: recorded, confirmed, forgotten.
    fn change(&self, request: &Request, body: &[u8], record: &Recorder, place: &Place<'_>) -> Response {
        let verb = verb(request, !place.name.is_empty());
        let given: Option<Value> = serde_json::from_slice(body).ok();
        let draft = record
            .event(Kind::Command, verb)
            .text("kubernetes.resource", place.resource)
            .text("kubernetes.namespace", place.namespace)
            .text("kubernetes.name", place.name)
            .text("kubernetes.subresource", place.sub)
            .bytes("kubernetes.object", body);
        let draft = match given.as_ref().map(objects::images).filter(|i| !i.is_empty()) {
            Some(images) => draft.field("container.image.name", images),
            None => draft,
        };
        draft.emit();
        if matches!(place.sub, "exec" | "attach" | "portforward") {
            return self.refuse(&Refusal::new(400, "BadRequest", "Upgrade request required"), request);
        }
        match (verb, given) {
            ("create", Some(mut object)) if object.is_object() => {
                objects::stamp(&mut object, place.namespace, &self.seed);
                self.json(201, &object, request)
            }
            ("delete" | "deletecollection", _) => {
                let mut status =
                    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
                status["details"] = json!({"name": place.name, "kind": place.resource, "uid": objects::uid(&self.seed, place.name)});
                self.json(200, &status, request)
            }
            ("update", Some(object)) => self.json(200, &object, request),
            ("patch", _) => match self.cluster().find(place, &self.seed) {
                Some(Ok(value)) => self.json(200, &value, request),
                Some(Err(refusal)) => self.refuse(&refusal, request),
                None => self.missing(request),
            },
            _ => {
                let why = "the object provided is unrecognized (must be of type json, yaml or protobuf)";
                self.refuse(&Refusal::new(400, "BadRequest", why), request)
            }
        }
    }
}

impl Web for Door<'_> {
    fn server(&self) -> &Server {
        &self.api.server
    }

    fn answer(&self, request: &Request, body: &[u8], record: &Recorder) -> Response {
        if self.open { self.api.open(request, body, record) } else { self.api.closed(request) }
    }

    fn body_room(&self) -> usize {
        BODY_ROOM
    }
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("kube-apiserver", Profile::new(persona, settings).version.trim_start_matches('v'))
}

impl Decoy for Api {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            if session.number == OPEN_PORT {
                front::clear(&Door { api: &self, open: true }, false, session).await;
            } else {
                front::secure(&Door { api: &self, open: false }, &self.tls, true, session).await;
            }
        })
    }
}

#[cfg(test)]
mod tests;
