//! Containers: made, started, attached to, waited for, taken away.

use serde_json::{Value, json};

use super::console::{self, Console, Printed};
use super::state::{Container, Exec, hex_of};
use super::{Ask, Docker, Outcome, views};
use crate::decoy::http::response::{Hijack, Response};
use crate::decoy::session::Draft;
use crate::decoy::upload::Upload;
use crate::decoy::vfs::now;
use crate::event::Kind;

/// Most words of a command, and most of any list kept of a container.
const LIST_MAX: usize = 64;
/// Bytes of JSON kept of one part of a container's configuration.
const PART_MAX: usize = 8 * 1024;
/// Bytes of output kept of a container.
const OUTPUT_MAX: usize = 16 * 1024;

fn nanos() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0)
}

/// A list of words, or one.
fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => {
            list.iter().take(LIST_MAX).filter_map(|v| v.as_str().map(str::to_owned)).collect()
        }
        Some(Value::String(word)) => vec![word.clone()],
        _ => Vec::new(),
    }
}

/// A part of a configuration, when it is not too much.
fn part(value: Option<&Value>) -> Value {
    value.filter(|v| v.to_string().len() <= PART_MAX).cloned().unwrap_or_else(|| json!({}))
}

/// Tells the parts of a configuration that say what it is for.
fn tell<'a>(mut draft: Draft<'a>, given: &Value) -> Draft<'a> {
    let host = given.get("HostConfig");
    let texts = [
        ("container.image.name", given.get("Image")),
        ("docker.cmd", given.get("Cmd")),
        ("docker.entrypoint", given.get("Entrypoint")),
        ("docker.env", given.get("Env")),
        ("docker.binds", host.and_then(|h| h.get("Binds"))),
        ("docker.mounts", host.and_then(|h| h.get("Mounts"))),
        ("docker.network_mode", host.and_then(|h| h.get("NetworkMode"))),
        ("docker.pid_mode", host.and_then(|h| h.get("PidMode"))),
        ("docker.cap_add", host.and_then(|h| h.get("CapAdd"))),
        ("docker.devices", host.and_then(|h| h.get("Devices"))),
    ];
    for (name, value) in texts {
        draft = match value {
            None | Some(Value::Null) => draft,
            Some(Value::String(text)) if text.is_empty() => draft,
            Some(Value::String(text)) => draft.text(name, text),
            Some(Value::Array(list)) if list.is_empty() => draft,
            Some(other) => draft.text(name, &other.to_string()),
        };
    }
    let privileged = host.and_then(|h| h.get("Privileged")).and_then(Value::as_bool).unwrap_or(false);
    draft.field("docker.privileged", privileged)
}

impl Docker {
    pub(super) fn containers(&self, ask: &Ask<'_>, parts: &[&str]) -> Option<Outcome> {
        let method = ask.request.method();
        let request = ask.request;
        let missing = |name: &str| (404, format!("No such container: {name}"));
        Some(match (method.as_str(), parts) {
            ("GET", ["containers", "json"]) => {
                let all =
                    request.flag("all") || request.query("limit").is_some_and(|l| l != "0" && !l.is_empty());
                let state = self.state();
                let shown = state.containers.iter().filter(|c| all || c.runs());
                let list: Vec<Value> = shown.map(|c| views::summary(c, &self.seed, now())).collect();
                Ok(self.json(200, &Value::Array(list)))
            }
            ("POST", ["containers", "create"]) => self.create(ask),
            ("POST", ["containers", "prune"]) => {
                let mut state = self.state();
                let gone: Vec<String> =
                    state.containers.iter().filter(|c| !c.runs()).map(|c| c.id.clone()).collect();
                state.containers.retain(Container::runs);
                Ok(self.json(200, &json!({"ContainersDeleted": gone, "SpaceReclaimed": 0})))
            }
            (_, ["containers", name, rest @ ..]) => {
                let found = self.state().container(name).cloned();
                let Some(container) = found else { return Some(Err(missing(name))) };
                return self.container(ask, &container, rest);
            }
            _ => return None,
        })
    }

    fn create(&self, ask: &Ask<'_>) -> Outcome {
        let given = ask.json()?;
        let image = given.get("Image").and_then(Value::as_str).unwrap_or_default();
        tell(ask.record.event(Kind::Command, "container_create"), &given).emit();
        if given.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err((400, "Config cannot be empty in order to create a container".to_owned()));
        }
        if image.is_empty() {
            return Err((400, "no image specified".to_owned()));
        }
        let mut state = self.state();
        let Some(found) = state.image(image).cloned() else {
            return Err((404, format!("No such image: {}", super::state::tagged(image))));
        };
        let wanted = ask.request.query("name").filter(|n| !n.is_empty());
        if let Some(name) = &wanted {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            if name.len() > 128 || name.len() < 2 || !name.trim_start_matches('/').chars().all(plain) {
                let why =
                    format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
                return Err((400, why));
            }
            if let Some(other) = state.containers.iter().find(|c| c.name == *name) {
                let why = format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
                    other.id
                );
                return Err((409, why));
            }
        }
        let name = wanted.unwrap_or_else(|| state.free_name(&self.seed));
        let made = state.next();
        let mut command = words(given.get("Entrypoint"));
        command.extend(words(given.get("Cmd")));
        if command.is_empty() {
            command.push("/bin/sh".to_owned());
        }
        let flag = |key: &str| given.get(key).and_then(Value::as_bool).unwrap_or(false);
        let host = given.get("HostConfig");
        let container = Container {
            id: hex_of(&self.seed, &format!("made/{made}/{}", nanos())),
            name,
            image: image.to_owned(),
            image_id: found.id,
            command,
            tty: flag("Tty"),
            stdin: flag("OpenStdin") || flag("AttachStdin"),
            auto_remove: host.and_then(|h| h.get("AutoRemove")).and_then(Value::as_bool).unwrap_or(false),
            host: part(host),
            env: part(given.get("Env")),
            labels: part(given.get("Labels")),
            created: nanos(),
            started: 0,
            finished: 0,
            status: 0,
            output: Vec::new(),
            ports: Vec::new(),
            address: u8::try_from(made % 200).unwrap_or(0).saturating_add(10),
        };
        let id = container.id.clone();
        state.add(container);
        Ok(self.json(201, &json!({"Id": id, "Warnings": []})))
    }

    fn container(&self, ask: &Ask<'_>, container: &Container, rest: &[&str]) -> Option<Outcome> {
        let method = ask.request.method();
        let id = container.id.as_str();
        let gone = |c: &Container| (409, format!("Container {} is not running", c.id));
        Some(match (method.as_str(), rest) {
            ("GET", ["json"]) => Ok(self.json(200, &views::details(container, &self.seed))),
            ("GET", ["logs"]) => Ok(self.logs(ask, container)),
            ("GET", ["top"]) if !container.runs() => Err(gone(container)),
            ("GET", ["top"]) => {
                let pid = 1000 + self.seed.number(id, 30_000);
                let command = container.command.join(" ");
                let row = ["root", &pid.to_string(), "1", "0", "09:12", "?", "00:00:03", &command]
                    .map(str::to_owned);
                let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
                Ok(self.json(200, &json!({"Processes": [row], "Titles": titles})))
            }
            ("GET", ["stats"]) => Ok(self.json(
                200,
                &json!({"read": views::time(nanos()), "name": format!("/{}", container.name), "id": id}),
            )),
            ("GET", ["changes"]) => Ok(self.json(200, &Value::Null)),
            ("GET" | "HEAD" | "PUT", ["archive"]) => {
                let path = ask.request.query("path").unwrap_or_default();
                if method == "PUT" {
                    let draft = ask.record.event(Kind::File, "archive").bytes("file.path", path.as_bytes());
                    let (draft, came) = (draft.text("container.id", id), Upload::of(ask.body));
                    if ask.body.len() < super::BODY_ROOM {
                        came.emit(draft);
                    } else {
                        let size = ask.request.text("content-length").and_then(|n| n.parse().ok());
                        came.emit_part(draft, size);
                    }
                    Ok(self.empty(200))
                } else {
                    Err((404, format!("Could not find the file {path} in container {id}")))
                }
            }
            ("POST", ["start"]) => Ok(self.start(container)),
            ("POST", ["stop" | "kill"]) => {
                if !container.runs() {
                    let why =
                        format!("Cannot kill container: {}: Container {id} is not running", container.name);
                    return Some(if rest == ["stop"] { Ok(self.empty(304)) } else { Err((409, why)) });
                }
                self.change(id, |c| {
                    c.finished = nanos();
                    c.status = 137;
                });
                Ok(self.empty(204))
            }
            ("POST", ["restart"]) => {
                self.change(id, |c| {
                    c.started = nanos();
                    c.finished = 0;
                });
                Ok(self.empty(204))
            }
            ("POST", ["rename"]) => {
                let name = ask.request.query("name").unwrap_or_default();
                if name.is_empty() || name.len() > 128 {
                    return Some(Err((400, "Neither old nor new names may be empty".to_owned())));
                }
                self.change(id, |c| c.name.clone_from(&name));
                Ok(self.empty(204))
            }
            ("POST", ["pause" | "unpause"]) => Ok(self.empty(204)),
            ("POST", ["update"]) => Ok(self.json(200, &json!({"Warnings": null}))),
            ("POST", ["resize"]) => Ok(self.empty(200)),
            ("POST", ["wait"]) => Ok(self.wait(container)),
            ("POST", ["attach"]) => Ok(self.attach(ask, container)),
            ("POST", ["exec"]) if !container.runs() => Err(gone(container)),
            ("POST", ["exec"]) => self.exec(ask, container),
            ("DELETE", []) => {
                if container.runs() && !ask.request.flag("force") {
                    let why = format!(
                        "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                    );
                    return Some(Err((409, why)));
                }
                self.state().containers.retain(|c| c.id != id);
                Ok(self.empty(204))
            }
            _ => return None,
        })
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.state().container(id) {
            change(container);
        }
    }

    /// Whether it ends by itself: a visitor's command does, what was there before and a dialogue do not.
    fn ends(container: &Container) -> bool {
        let line = console::line(&container.command);
        let stays = ["sleep", "tail -f", "while ", "xmrig", "nginx", "redis-server", "postgres", "/dev/null"];
        let talks = container.stdin && console::is_dialogue(container, &container.command);
        !talks && !stays.iter().any(|w| line.contains(w))
    }

    /// What the command prints; made once.
    fn output(&self, container: &Container) -> (Vec<u8>, i32) {
        if !container.output.is_empty() || container.finished != 0 || !Self::ends(container) {
            return (container.output.clone(), container.status);
        }
        let (mut output, status) = console::run(&self.persona, container, &container.command);
        output.truncate(OUTPUT_MAX);
        self.change(&container.id, |c| {
            c.output.clone_from(&output);
            c.status = status;
        });
        (output, status)
    }

    fn start(&self, container: &Container) -> Response {
        if container.runs() {
            return self.empty(304);
        }
        let (output, status) = self.output(container);
        let ends = Self::ends(container);
        self.change(&container.id, |c| {
            c.started = nanos();
            c.finished = if ends { nanos() } else { 0 };
            c.output = output;
            c.status = status;
        });
        if container.auto_remove && ends {
            self.state().containers.retain(|c| c.id != container.id);
        }
        self.empty(204)
    }

    /// Waits for nothing: what ends has ended when it was started.
    fn wait(&self, container: &Container) -> Response {
        let status = if Self::ends(container) { self.output(container).1 } else { container.status };
        let error = if self.profile.modern() {
            json!({"StatusCode": status})
        } else {
            json!({"Error": null, "StatusCode": status})
        };
        Response { streamed: true, ..self.json(200, &error) }
    }

    fn logs(&self, ask: &Ask<'_>, container: &Container) -> Response {
        let text = if container.tty {
            console::crlf(&container.output)
        } else {
            console::stream(&container.output, true)
        };
        let kind = self.stream_kind(ask, container.tty);
        Response { streamed: true, ..self.told(Response::app(200, kind, text)) }
    }

    fn stream_kind(&self, ask: &Ask<'_>, tty: bool) -> &'static str {
        if self.profile.names_streams() && ask.api >= 42 && !tty {
            "application/vnd.docker.multiplexed-stream"
        } else {
            "application/vnd.docker.raw-stream"
        }
    }

    /// Turns the connection over, in the words of one that asked for it or of one that did not.
    fn upgraded(&self, ask: &Ask<'_>, tty: bool, hijack: Hijack) -> Response {
        let asked = ask.request.header("upgrade").is_some();
        let kind = self.stream_kind(ask, tty);
        let response = Response {
            kind: None,
            hijack: Some(hijack),
            ..Response::app(if asked { 101 } else { 200 }, "", "")
        };
        let response = response.with("Content-Type", kind);
        if asked { response.with("Connection", "Upgrade").with("Upgrade", "tcp") } else { response }
    }

    fn attach(&self, ask: &Ask<'_>, container: &Container) -> Response {
        let framed = !container.tty;
        let hijack = if container.stdin && console::is_dialogue(container, &container.command) {
            Hijack::to(Console::new(&self.persona, container, &container.command, container.tty))
        } else {
            let (output, _) = self.output(container);
            let output = if container.tty { console::crlf(&output) } else { output };
            let listens = container.stdin || !Self::ends(container);
            Hijack::to(Printed { output: console::stream(&output, framed), listens, heard: 0 })
        };
        self.upgraded(ask, container.tty, hijack)
    }

    fn exec(&self, ask: &Ask<'_>, container: &Container) -> Outcome {
        let given = ask.json()?;
        let command = words(given.get("Cmd"));
        if command.is_empty() {
            return Err((400, "No exec command specified".to_owned()));
        }
        let line = console::line(&command);
        let shown = if line.is_empty() { command.join(" ") } else { line };
        ask.record
            .event(Kind::Command, "exec_create")
            .text("process.command_line", &shown)
            .text("container.id", &container.id)
            .text("container.name", &container.name)
            .emit();
        let flag = |key: &str| given.get(key).and_then(Value::as_bool).unwrap_or(false);
        let mut state = self.state();
        let made = state.next();
        let id = hex_of(&self.seed, &format!("exec/{made}/{}", nanos()));
        let (tty, stdin) = (flag("Tty"), flag("AttachStdin"));
        state.add_exec(Exec {
            id: id.clone(),
            container: container.id.clone(),
            command,
            tty,
            stdin,
            status: None,
        });
        Ok(self.json(201, &json!({"Id": id})))
    }

    pub(super) fn execs(&self, ask: &Ask<'_>, parts: &[&str]) -> Option<Outcome> {
        let ["exec", id, what] = parts else { return None };
        let found = {
            let mut state = self.state();
            let exec = state.execs.iter().find(|e| e.id == *id).cloned();
            exec.and_then(|e| state.container(&e.container).cloned().map(|c| (e, c)))
        };
        let method = ask.request.method();
        if !matches!((method.as_str(), *what), ("POST", "start" | "resize") | ("GET", "json")) {
            return None;
        }
        let Some((exec, container)) = found else {
            return Some(Err((404, format!("No such exec instance: {id}"))));
        };
        Some(match *what {
            "resize" => Ok(self.empty(200)),
            "json" => Ok(self.json(200, &json!({"ID": exec.id, "Running": false, "ExitCode": exec.status,
                "ProcessConfig": {"tty": exec.tty, "entrypoint": exec.command.first(), "arguments": exec.command.get(1..), "privileged": false},
                "OpenStdin": exec.stdin, "OpenStderr": true, "OpenStdout": true, "CanRemove": exec.status.is_some(),
                "ContainerID": exec.container, "DetachKeys": "", "Pid": 0}))),
            _ => self.run_exec(ask, &exec, &container),
        })
    }

    fn run_exec(&self, ask: &Ask<'_>, exec: &Exec, container: &Container) -> Outcome {
        let given = ask.json()?;
        let note = |status: i32| {
            if let Some(kept) = self.state().execs.iter_mut().find(|e| e.id == exec.id) {
                kept.status = Some(status);
            }
        };
        if exec.stdin && console::is_dialogue(container, &exec.command) {
            note(0);
            let console = Console::new(&self.persona, container, &exec.command, exec.tty);
            return Ok(self.upgraded(ask, exec.tty, Hijack::to(console)));
        }
        let (output, status) = console::run(&self.persona, container, &exec.command);
        note(status);
        if given.get("Detach").and_then(Value::as_bool).unwrap_or(false) {
            return Ok(self.empty(200));
        }
        let output = if exec.tty { console::crlf(&output) } else { output };
        let printed = Printed { output: console::stream(&output, !exec.tty), listens: false, heard: 0 };
        Ok(self.upgraded(ask, exec.tty, Hijack::to(printed)))
    }
}
