//! Elasticsearch without security, as too many are: the REST API on 9200.
//!
//! Answers have the product's JSON, headers and errors. There is no search engine: queries get the documents
//! of an index page by page, deletions and notes of extortionists are taken and told.

mod cat;
mod cluster;
mod documents;
mod indices;
mod json;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use self::store::Store;
use super::http::engine::Web;
use super::http::front;
use super::http::request::Request;
use super::http::response::Response;
use super::http::server::{Family, Server};
use super::session::Recorder;
use super::setting::text;
use super::vfs::Machine;
use super::{Decoy, Served, Session, uptime};
use crate::decoy::software::Software;
use crate::model::{Persona, Seed, Settings};

/// Bytes of a request's body that are looked at.
const BODY_ROOM: usize = 256 * 1024;

/// Number, build hash, build date, Lucene, oldest node and index that go with it.
struct Build(&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

/// The last of the seventh series, which came without security; then what somebody turned it off in.
static BUILDS: [Build; 3] = [
    Build(
        "7.17.29",
        "580aff1a0064ce4c93293aaab6fcc55e22c10d1c",
        "2025-06-19T01:37:57.847711500Z",
        "8.11.3",
        "6.8.0",
        "6.0.0-beta1",
    ),
    Build(
        "8.19.14",
        "f9adf4c29021dbda28cae7d9c11924471798723d",
        "2026-04-02T15:09:12.561504739Z",
        "9.12.2",
        "7.17.0",
        "7.0.0",
    ),
    Build(
        "8.19.12",
        "840cd2a58b052d1632219ee0b8dcc0f364226287",
        "2026-02-23T23:08:40.713020893Z",
        "9.12.2",
        "7.17.0",
        "7.0.0",
    ),
];

const CLUSTERS: &[&str] =
    &["elasticsearch", "elasticsearch", "logging", "es-prod", "search-cluster", "docker-cluster"];

/// The node of one decky.
struct Node {
    server: Server,
    persona: Persona,
    seed: Seed,
    build: &'static Build,
    /// Number it gives; the operator's, or the build's.
    number: String,
    cluster: String,
    machine: OnceLock<Machine>,
    store: OnceLock<Mutex<Store>>,
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("elasticsearch", text(settings, "version").unwrap_or(chosen(persona, settings).0))
}

/// The build that is played, whatever number it gives.
fn chosen(persona: &Persona, settings: &Settings) -> &'static Build {
    // Hosts that are out of support have the older series.
    let old = matches!(persona.distro.as_str(), "centos7" | "ubuntu20");
    let drawn = persona.seed.child("elasticsearch").number("build", 3);
    let drawn = if old { 0 } else { usize::try_from(drawn).unwrap_or(0) };
    let series = text(settings, "version").map(|n| usize::from(!n.starts_with(['5', '6', '7'])));
    BUILDS.get(series.unwrap_or(drawn)).unwrap_or(&BUILDS[0])
}

/// Makes the Elasticsearch service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let seed = persona.seed.child("elasticsearch");
    let build = chosen(persona, settings);
    let number = text(settings, "version").map(str::to_owned);
    let cluster = text(settings, "cluster_name").or_else(|| seed.pick("cluster", CLUSTERS).copied());
    Arc::new(Node {
        server: Server::inside(persona, Family::Netty),
        persona: persona.clone(),
        number: number.unwrap_or_else(|| build.0.to_owned()),
        cluster: cluster.unwrap_or("elasticsearch").to_owned(),
        build,
        seed,
        machine: OnceLock::new(),
        store: OnceLock::new(),
    })
}

/// What a handler makes of a request.
enum Reply {
    /// JSON.
    Json(u16, Value),
    /// Text of `_cat`.
    Text(String),
}

/// An error in the product's form.
fn error(status: u16, kind: &str, reason: &str, more: &[(&str, &str)]) -> Reply {
    let mut cause = json!({"type": kind, "reason": reason});
    for (name, value) in more {
        cause[*name] = (*value).into();
    }
    let mut body = json!({"root_cause": [cause.clone()]});
    if let (Some(body), Value::Object(cause)) = (body.as_object_mut(), cause) {
        body.extend(cause);
    }
    Reply::Json(status, json!({"error": body, "status": status}))
}

fn no_index(name: &str) -> Reply {
    let reason = format!("no such index [{name}]");
    let more =
        [("resource.type", "index_or_alias"), ("resource.id", name), ("index_uuid", "_na_"), ("index", name)];
    error(404, "index_not_found_exception", &reason, &more)
}

/// A request as the handlers see it.
struct Ask<'a> {
    request: &'a Request,
    body: &'a [u8],
    record: &'a Recorder,
}

impl Ask<'_> {
    /// The body as JSON; null when there is none, an error when it is none.
    fn json(&self) -> Result<Value, Reply> {
        if self.body.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(self.body).map_err(|_| {
            let shown: String = String::from_utf8_lossy(self.body).chars().take(32).collect();
            let reason = format!("Unrecognized token '{shown}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')");
            error(400, "parse_exception", &reason, &[])
        })
    }
}

impl Node {
    fn modern(&self) -> bool {
        self.build.0.starts_with('8')
    }

    fn machine(&self) -> &Machine {
        self.machine.get_or_init(|| Machine::new(&self.persona))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        let made = self.store.get_or_init(|| Mutex::new(Store::new(&self.persona)));
        made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the package was built.
    fn package(&self) -> &'static str {
        match self.persona.distro.as_str() {
            "debian" | "ubuntu22" | "ubuntu20" | "kali" => "deb",
            "rocky9" | "centos7" | "fedora" => "rpm",
            _ => "tar",
        }
    }

    fn started(&self) -> i64 {
        uptime::booted(&self.persona, super::vfs::now()).saturating_add(45)
    }

    fn node_id(&self) -> String {
        store::uuid(&self.seed, "node")
    }

    fn root(&self) -> Value {
        let Build(_, hash, date, lucene, wire, index) = self.build;
        json!({"name": self.persona.hostname, "cluster_name": self.cluster, "cluster_uuid": store::uuid(&self.seed, "cluster"),
            "version": {"number": self.number, "build_flavor": "default", "build_type": self.package(), "build_hash": hash,
                "build_date": date, "build_snapshot": false, "lucene_version": lucene,
                "minimum_wire_compatibility_version": wire, "minimum_index_compatibility_version": index},
            "tagline": "You Know, for Search"})
    }

    fn route(&self, ask: &Ask<'_>, method: &str, parts: &[&str]) -> Option<Reply> {
        match (method, parts) {
            ("GET" | "HEAD", []) => Some(Reply::Json(200, self.root())),
            ("GET", ["_cat", ..]) => self.cat(ask, parts),
            (
                _,
                [
                    "_cluster" | "_nodes" | "_license" | "_xpack" | "_security" | "_snapshot" | "_ilm"
                    | "_ingest" | "_tasks" | "_remote",
                    ..,
                ],
            ) => self.cluster(ask, method, parts),
            _ => self.documents(ask, method, parts).or_else(|| self.indices(ask, method, parts)),
        }
    }

    /// Methods of a path that has handlers, when this one is not among them.
    fn allowed(parts: &[&str]) -> &'static [&'static str] {
        match parts {
            [] => &["GET", "HEAD"],
            ["_cat", ..] => &["GET"],
            ["_cluster", "health" | "state" | "stats", ..] | ["_nodes", ..] => &["GET"],
            ["_search" | "_count", ..] | [_, "_search" | "_count"] => &["GET", "POST"],
            ["_bulk"] | [_, "_bulk"] => &["POST", "PUT"],
            [_, "_doc"] => &["POST"],
            [_, "_doc", _] => &["GET", "DELETE", "HEAD", "POST", "PUT"],
            [_, "_create", _] => &["POST", "PUT"],
            [name] if !name.starts_with('_') => &["GET", "DELETE", "HEAD", "PUT"],
            _ => &[],
        }
    }

    fn finish(&self, request: &Request, reply: Reply, root: bool) -> Response {
        let json_kind = if self.modern() { "application/json" } else { "application/json; charset=UTF-8" };
        let response = match reply {
            Reply::Json(status, value) => {
                let asked = request.query("pretty");
                let pretty = match asked.as_deref() {
                    Some(word) => word != "false",
                    None => root,
                };
                let body = if pretty { json::pretty(&value) } else { value.to_string() };
                Response::app(status, json_kind, body)
            }
            Reply::Text(text) => Response::app(200, "text/plain; charset=UTF-8", text),
        };
        let response = response.with("X-elastic-product", "Elasticsearch");
        if self.modern() {
            return response;
        }
        response.with(
            "Warning",
            format!(
                "299 Elasticsearch-{}-{} \"Elasticsearch built-in security features are not enabled. Without authentication, your \
                 cluster could be accessible to anyone. See https://www.elastic.co/guide/en/elasticsearch/reference/7.17/security-minimal-setup.html \
                 to enable security.\"",
                self.number, self.build.1
            ),
        )
    }
}

impl Web for Node {
    fn server(&self) -> &Server {
        &self.server
    }

    fn answer(&self, request: &Request, body: &[u8], record: &Recorder) -> Response {
        let method = request.method();
        let path = request.path();
        let uri = String::from_utf8_lossy(&request.line.target).into_owned();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).take(8).collect();
        let ask = Ask { request, body, record };
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].contains(&method.as_str());
        if method == "OPTIONS" {
            let allow = Self::allowed(&parts).join(",");
            let nothing = Response::app(200, "text/plain; charset=UTF-8", "");
            let nothing = if allow.is_empty() { nothing } else { nothing.with("Allow", allow) };
            return nothing.with("X-elastic-product", "Elasticsearch");
        }
        let json_body = request.text("content-type").is_none_or(|k| {
            k.contains("json") || k.contains("yaml") || k.contains("cbor") || k.contains("smile")
        });
        if known && !body.is_empty() && !json_body {
            let kind = request.text("content-type").unwrap_or_default();
            let reply = Reply::Json(
                406,
                json!({"error": format!("Content-Type header [{kind}] is not supported"), "status": 406}),
            );
            return self.finish(request, reply, false);
        }
        let asked = if method == "HEAD" && !parts.is_empty() { "GET" } else { method.as_str() };
        let reply = if known { self.route(&ask, asked, &parts) } else { None };
        let reply = reply.unwrap_or_else(|| {
            let allowed = Self::allowed(&parts);
            if !allowed.is_empty() {
                let what = if known {
                    format!("Incorrect HTTP method for uri [{uri}] and method [{method}]")
                } else {
                    format!("Unexpected HTTP method {method}")
                };
                let why = format!("{what}, allowed: [{}]", allowed.join(", "));
                return Reply::Json(405, json!({"error": why, "status": 405}));
            }
            Reply::Json(
                400,
                json!({"error": format!("no handler found for uri [{uri}] and method [{method}]")}),
            )
        });
        let status = if let Reply::Json(status, _) = &reply { *status } else { 200 };
        let response = self.finish(request, reply, parts.is_empty() && status == 200);
        if status == 405 { response.with("Allow", Self::allowed(&parts).join(",")) } else { response }
    }

    fn body_room(&self) -> usize {
        BODY_ROOM
    }
}

impl Decoy for Node {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move { front::clear(&*self, false, session).await })
    }
}

#[cfg(test)]
mod tests;
