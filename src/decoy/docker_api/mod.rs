//! The API of a Docker Engine that somebody left open, on 2375 and behind TLS on 2376.
//!
//! Answers are those of a genuine 20.10 (Debian 12, measured), and of its successors where they differ. Nothing
//! is pulled, run or mounted: images are taken down by name, containers are entries of a bounded list,
//! and what seems to run in them is the shell that the other decoys play. Every request with its body is
//! recorded; a container that somebody made is told once more in its parts.

mod console;
mod containers;
mod images;
mod profile;
mod state;
mod views;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use self::profile::Profile;
use self::state::State;
use super::http::engine::Web;
use super::http::front;
use super::http::request::Request;
use super::http::response::Response;
use super::http::server::{Family, Server};
use super::session::Recorder;
use super::tls::{Subject, Tls};
use super::vfs::{Machine, now};
use super::{Decoy, Served, Session, uptime};
use crate::decoy::software::Software;
use crate::model::{Persona, Seed, Settings};

/// Bytes of a request's body that are looked at.
const BODY_ROOM: usize = 64 * 1024;
/// The port that speaks TLS.
const TLS_PORT: u16 = 2376;

/// The engine of one decky.
struct Docker {
    server: Server,
    profile: Profile,
    persona: Arc<Persona>,
    seed: Seed,
    tls: Tls,
    machine: OnceLock<Machine>,
    state: OnceLock<Mutex<State>>,
}

/// Makes the Docker Engine API.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let host = Subject::host(persona);
    let names = vec![persona.hostname.clone(), persona.ip.to_string(), "127.0.0.1".to_owned()];
    let subject = Subject { names, days: 365, ..host.clone() };
    let authority = Subject { common_name: "docker-ca".into(), names: Vec::new(), ca: true, ..host };
    Arc::new(Docker {
        server: Server::inside(persona, Family::Go),
        profile: Profile::new(persona, settings),
        persona: Arc::new(persona.clone()),
        seed: persona.seed.child("docker"),
        tls: Tls::issued(persona, "docker", subject, authority).protocols(&["http/1.1"]),
        machine: OnceLock::new(),
        state: OnceLock::new(),
    })
}

/// A request as the handlers see it.
struct Ask<'a> {
    request: &'a Request,
    body: &'a [u8],
    record: &'a Recorder,
    /// Minor version of the API that the client speaks.
    api: u32,
}

impl Ask<'_> {
    /// The body as JSON; the answer to one that is none.
    fn json(&self) -> Result<Value, (u16, String)> {
        let kind = self.request.text("content-type").unwrap_or_default();
        if !self.body.is_empty() && kind.split(';').next().map(str::trim) != Some("application/json") {
            let why = if kind.is_empty() {
                "malformed Content-Type header (): mime: no media type".to_owned()
            } else {
                format!("Content-Type specified ({kind}) must be 'application/json'")
            };
            return Err((400, why));
        }
        serde_json::from_slice(self.body).map_err(|_| {
            let first = String::from_utf8_lossy(self.body).trim_start().chars().next();
            match first {
                None => (400, "EOF".to_owned()),
                Some('{' | '[') => (400, "unexpected EOF".to_owned()),
                Some(c) => (400, format!("invalid character '{c}' looking for beginning of value")),
            }
        })
    }
}

/// A handler's answer: JSON, or the status and message of an error.
type Outcome = Result<Response, (u16, String)>;

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("dockerd", &Profile::new(persona, settings).version)
}

impl Docker {
    fn machine(&self) -> &Machine {
        self.machine.get_or_init(|| Machine::new(&self.persona))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let made = self
            .state
            .get_or_init(|| Mutex::new(State::new(&self.persona, uptime::booted(&self.persona, now()))));
        made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A JSON answer.
    fn json(&self, status: u16, value: &Value) -> Response {
        let mut text = value.to_string();
        text.push('\n');
        self.told(Response::app(status, "application/json", text))
    }

    fn empty(&self, status: u16) -> Response {
        let nothing = Response { kind: None, ..Response::app(status, "", "") };
        self.told(nothing)
    }

    /// With what the engine tells of itself in every answer.
    fn told(&self, response: Response) -> Response {
        response
            .with("Api-Version", format!("1.{}", self.profile.api.0))
            .with("Docker-Experimental", "false")
            .with("Ostype", "linux")
            .with("Server", self.profile.server())
    }

    fn ping(&self, head: bool) -> Response {
        let body = if head { "" } else { "OK" };
        let response = Response {
            kind: head.then(|| "text/plain; charset=utf-8".to_owned()),
            ..Response::app(200, "", body)
        };
        let response = if head { response.with("Content-Length", "0") } else { response };
        let response = if self.profile.api.0 >= 42 { response.with("Swarm", "inactive") } else { response };
        let response = if self.profile.modern() { response.with("Builder-Version", "2") } else { response };
        self.told(
            response.with("Cache-Control", "no-cache, no-store, must-revalidate").with("Pragma", "no-cache"),
        )
    }

    /// The version in front of a path, judged; the rest of the path.
    fn version<'a>(&self, path: &'a str) -> Result<(u32, &'a str), Box<Response>> {
        let (newest, oldest) = self.profile.api;
        let Some((version, rest)) = path.strip_prefix("/v").and_then(|p| p.split_once('/')) else {
            return Ok((newest, path));
        };
        if version.is_empty() || !version.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
            return Ok((newest, path));
        }
        let minor = match version.split_once('.') {
            Some(("1", minor)) => minor.parse().unwrap_or(u32::MAX),
            Some(("0", _)) | None => 0,
            Some(_) => u32::MAX,
        };
        let rest = path.get(path.len().saturating_sub(rest.len().saturating_add(1))..).unwrap_or("/");
        let mine = |response: Response| {
            let response = response
                .with("Api-Version", format!("1.{newest}"))
                .with("Ostype", "linux")
                .with("Server", self.profile.server());
            Box::new(response)
        };
        if minor < oldest {
            let text = format!(
                "client version {version} is too old. Minimum supported API version is 1.{oldest}, please upgrade your client to a newer version"
            );
            if !self.profile.modern() {
                let plain = Response::app(400, "text/plain; charset=utf-8", format!("{text}\n"));
                return Err(mine(plain.with("X-Content-Type-Options", "nosniff")));
            }
            return Err(mine(Response::app(
                400,
                "application/json",
                format!("{}\n", json!({"message": text})),
            )));
        }
        if minor > newest {
            let text =
                format!("client version {version} is too new. Maximum supported API version is 1.{newest}");
            return Err(mine(Response::app(
                400,
                "application/json",
                format!("{}\n", json!({"message": text})),
            )));
        }
        Ok((minor, rest))
    }

    fn route(&self, ask: &Ask<'_>, path: &str) -> Option<Outcome> {
        let method = ask.request.method();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let swarm = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
        Some(match (method.as_str(), parts.as_slice()) {
            ("GET", ["_ping"]) => Ok(self.ping(false)),
            ("HEAD", ["_ping"]) => Ok(self.ping(true)),
            ("GET", ["version"]) => Ok(self.json(200, &self.profile.version_json(self.machine()))),
            ("GET", ["info"]) => Ok(self.info(ask)),
            ("GET" | "POST" | "PUT" | "HEAD" | "DELETE", ["containers", ..]) => {
                return self.containers(ask, &parts);
            }
            ("POST" | "GET", ["exec", ..]) => return self.execs(ask, &parts),
            ("GET" | "POST" | "DELETE", ["images", ..]) => return self.images(ask, &parts),
            ("POST", ["build"]) => Err((400, "Cannot locate specified Dockerfile: Dockerfile".to_owned())),
            ("POST", ["auth"]) => self.auth(ask),
            ("GET", ["networks"]) => Ok(self.json(200, &self.networks())),
            ("GET", ["networks", name]) => self.network(name),
            ("POST", ["networks", "create"]) => {
                let id = state::hex_of(&self.seed, &format!("network/{}", self.state().next()));
                Ok(self.json(201, &json!({"Id": id, "Warning": ""})))
            }
            ("GET", ["volumes"]) => {
                let list: Vec<Value> = self.state().volumes.iter().map(|v| views::volume(v)).collect();
                Ok(self.json(200, &json!({"Volumes": list, "Warnings": null})))
            }
            ("POST", ["volumes", "create"]) => self.make_volume(ask),
            ("GET", ["swarm" | "nodes" | "services" | "secrets" | "configs" | "tasks", ..]) => {
                Err((503, swarm.to_owned()))
            }
            ("GET", ["plugins"]) => Ok(self.json(200, &json!([]))),
            ("GET", ["system", "df"]) => Ok(self.json(200, &views::usage(&self.state()))),
            ("GET", ["events"]) => {
                Ok(Response { streamed: true, ..self.told(Response::app(200, "application/json", "")) })
            }
            ("OPTIONS", _) => Ok(self.empty(200)),
            _ => return None,
        })
    }

    fn info(&self, ask: &Ask<'_>) -> Response {
        let state = self.state();
        let running = state.containers.iter().filter(|c| c.runs()).count();
        let stopped = state.containers.len().saturating_sub(running);
        let counts = [running, stopped, state.images.len()];
        let words: Vec<String> =
            (0..12).map(|n| views::word(&self.seed.derive(&format!("id/{n}")))).collect();
        let id = if self.profile.modern() { views::uuid(&self.seed.derive("id")) } else { words.join(":") };
        self.json(200, &self.profile.info_json(self.machine(), &id, counts, ask.request.secure))
    }

    /// A login at a registry: what was given is worth more than an answer.
    fn auth(&self, ask: &Ask<'_>) -> Outcome {
        let given = ask.json()?;
        let of = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
        images::credentials(ask.record, of("username"), of("password"), of("serveraddress"));
        Err((
            500,
            "Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password"
                .to_owned(),
        ))
    }

    fn networks(&self) -> Value {
        let born = views::time(self.persona.born.saturating_mul(1_000_000_000));
        Value::Array(
            ["bridge", "host", "none"].iter().map(|name| views::network(&self.seed, name, &born)).collect(),
        )
    }

    fn network(&self, name: &str) -> Outcome {
        let list = self.networks();
        let same = |n: &&Value| {
            n["Name"] == *name || n["Id"].as_str().is_some_and(|id| name.len() >= 4 && id.starts_with(name))
        };
        let found = list.as_array().and_then(|list| list.iter().find(same));
        found.map(|n| self.json(200, n)).ok_or((404, format!("network {name} not found")))
    }

    fn make_volume(&self, ask: &Ask<'_>) -> Outcome {
        let given = ask.json()?;
        let mut state = self.state();
        let name = match given.get("Name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() && name.len() <= 128 => name.to_owned(),
            _ => state::hex_of(&self.seed, &format!("volume/{}", state.next())),
        };
        if state.volumes.len() < 64 && !state.volumes.contains(&name) {
            state.volumes.push(name.clone());
        }
        Ok(self.json(201, &views::volume(&name)))
    }
}

/// The path without `//`, `.` and `..`, as the router cleans it.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

impl Web for Docker {
    fn server(&self) -> &Server {
        &self.server
    }

    fn answer(&self, request: &Request, body: &[u8], record: &Recorder) -> Response {
        if request.is("OPTIONS") && request.target.star {
            return Response { kind: None, ..Response::app(200, "", "") };
        }
        if request.text("expect").is_some_and(|e| !e.is_empty()) && !request.expects_continue {
            return Response {
                kind: None,
                ..Response::app(417, "", "").closing().with("Connection", "close")
            };
        }
        let path = request.path();
        let cleaned = clean(&path);
        if cleaned != path {
            let there = super::http::encode(cleaned.as_bytes()).replace('*', "%2A");
            let gone = Response { kind: None, location: Some(there), ..Response::app(301, "", "") };
            return if request.is("PRI") { gone.closing() } else { gone };
        }
        let missing = || Response::app(404, "application/json", "{\"message\":\"page not found\"}\n");
        let (api, rest) = match self.version(&path) {
            Ok(found) => found,
            Err(refusal) => return *refusal,
        };
        let ask = Ask { request, body, record, api };
        match self.route(&ask, rest) {
            None => missing(),
            Some(Ok(response)) => response,
            // The old ones blame themselves for what they cannot read.
            Some(Err((status, why))) => {
                let unread = why.ends_with("EOF") || why.starts_with("invalid character");
                let status = if unread && !self.profile.modern() { 500 } else { status };
                self.json(status, &json!({"message": why}))
            }
        }
    }

    fn body_room(&self) -> usize {
        BODY_ROOM
    }
}

impl Decoy for Docker {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            if session.number == TLS_PORT {
                front::secure(&*self, &self.tls, false, session).await;
            } else {
                front::clear(&*self, false, session).await;
            }
        })
    }
}

#[cfg(test)]
mod tests;
