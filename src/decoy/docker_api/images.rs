//! Images: listed, "pulled", taken away.

use serde_json::{Value, json};

use super::state::tagged;
use super::{Ask, Docker, Outcome, views};
use crate::decoy::http::credentials::decode64;
use crate::decoy::http::response::Response;
use crate::decoy::session::Recorder;
use crate::decoy::vfs::now;
use crate::event::{Kind, SecretKind};

/// Longest name of an image.
const NAME_MAX: usize = 255;

/// Megabytes of images that everybody knows.
const SIZES: &[(&str, u64)] =
    &[("alpine", 8), ("busybox", 4), ("ubuntu", 78), ("debian", 117), ("centos", 204), ("hello-world", 1)];

impl Docker {
    pub(super) fn images(&self, ask: &Ask<'_>, parts: &[&str]) -> Option<Outcome> {
        let method = ask.request.method();
        // Names of images have slashes in them.
        let named = |end: usize| parts.get(1..parts.len().saturating_sub(end)).unwrap_or_default().join("/");
        Some(match (method.as_str(), parts) {
            ("GET", ["images", "json"]) => {
                let list: Vec<Value> = self.state().images.iter().map(views::image).collect();
                Ok(self.json(200, &Value::Array(list)))
            }
            ("POST", ["images", "create"]) => self.pull(ask),
            ("GET", ["images", "search"]) => Ok(self.json(200, &json!([]))),
            ("POST", ["images", "prune"]) => {
                Ok(self.json(200, &json!({"ImagesDeleted": null, "SpaceReclaimed": 0})))
            }
            ("POST", ["images", "load"]) => Ok(self.json(200, &json!({"stream": ""}))),
            ("GET", ["images", .., "json"]) => {
                let name = named(1);
                let state = self.state();
                let found = state.image(&name).map(|i| self.json(200, &views::image_details(i)));
                let old = format!("no such image: {name}: No such image: {}", tagged(&name));
                let why =
                    if self.profile.modern() { format!("No such image: {}", tagged(&name)) } else { old };
                found.ok_or((404, why))
            }
            ("GET", ["images", .., "history"]) => {
                let name = named(1);
                let state = self.state();
                let Some(image) = state.image(&name) else {
                    return Some(Err((404, format!("No such image: {}", tagged(&name)))));
                };
                let layer = json!({"Comment": "", "Created": image.created, "CreatedBy": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]",
                    "Id": format!("sha256:{}", image.id), "Size": image.size, "Tags": [image.name]});
                Ok(self.json(200, &json!([layer])))
            }
            ("POST", ["images", .., "tag"]) => {
                let name = named(1);
                let to = ask.request.query("repo").unwrap_or_default();
                let tag =
                    ask.request.query("tag").filter(|t| !t.is_empty()).unwrap_or_else(|| "latest".to_owned());
                let mut state = self.state();
                let Some(mut image) = state.image(&name).cloned() else {
                    return Some(Err((404, format!("No such image: {}", tagged(&name)))));
                };
                image.name = format!("{to}:{tag}");
                if state.images.len() < 64 && image.name.len() <= NAME_MAX {
                    state.images.push_front(image);
                }
                Ok(self.empty(201))
            }
            ("POST", ["images", .., "push"]) => {
                self.registry_login(ask);
                let line = json!({"errorDetail": {"message": "denied: requested access to the resource is denied"},
                    "error": "denied: requested access to the resource is denied"});
                Ok(Response { streamed: true, ..self.json(200, &line) })
            }
            ("DELETE", ["images", _, ..]) => {
                let name = named(0);
                let mut state = self.state();
                let Some(image) = state.image(&name).cloned() else {
                    return Some(Err((404, format!("No such image: {}", tagged(&name)))));
                };
                if let Some(user) = state.containers.iter().find(|c| c.image_id == image.id) {
                    let short = |id: &str| id.get(..12).unwrap_or_default().to_owned();
                    let why = format!(
                        "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is using its referenced image {}",
                        short(&user.id),
                        short(&image.id)
                    );
                    return Some(Err((409, why)));
                }
                state.images.retain(|i| i.name != image.name);
                Ok(self.json(
                    200,
                    &json!([{"Untagged": image.name}, {"Deleted": format!("sha256:{}", image.id)}]),
                ))
            }
            _ => return None,
        })
    }

    /// A pull: told line by line as a genuine one, with nothing fetched.
    fn pull(&self, ask: &Ask<'_>) -> Outcome {
        self.registry_login(ask);
        let from = ask.request.query("fromImage").unwrap_or_default();
        if from.is_empty() {
            let source = ask.request.query("fromSrc").unwrap_or_default();
            let id = super::state::hex_of(&self.seed, &format!("import/{}", self.state().next()));
            ask.record.event(Kind::Request, "image_import").text("container.image.source", &source).emit();
            return Ok(Response {
                streamed: true,
                ..self.json(200, &json!({"status": format!("sha256:{id}")}))
            });
        }
        let tag = ask.request.query("tag").filter(|t| !t.is_empty());
        let full = match &tag {
            Some(digest) if digest.starts_with("sha256:") => format!("{from}@{digest}"),
            Some(tag) => format!("{from}:{tag}"),
            None => tagged(&from),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
        if full.len() > NAME_MAX
            || !full.chars().all(plain)
            || full.chars().any(|c| c.is_ascii_uppercase() && !full.contains('@'))
        {
            return Err((400, "invalid reference format".to_owned()));
        }
        ask.record.event(Kind::Request, "image_pull").text("container.image.name", &full).emit();
        let short =
            full.strip_prefix("docker.io/library/").or(full.strip_prefix("docker.io/")).unwrap_or(&full);
        let shown_tag = short.rsplit([':', '@']).next().unwrap_or("latest").to_owned();
        let repository = short.split(['@']).next().unwrap_or(short);
        let repository = repository.rsplit_once(':').map_or(repository, |(r, _)| r);
        let place =
            if repository.contains('/') { repository.to_owned() } else { format!("library/{repository}") };
        let mut state = self.state();
        let known = state.image(short).is_some();
        let built = now()
            .saturating_sub(86_400 * 9)
            .saturating_sub(i64::try_from(self.seed.number(short, 86_400 * 60)).unwrap_or(0));
        let usual = SIZES.iter().find(|(name, _)| *name == repository).map(|(_, size)| *size);
        let size = usual.unwrap_or_else(|| 20 + self.seed.number(&format!("megabytes/{short}"), 180));
        let image = state.pull(&self.seed, short, built, size);
        drop(state);
        let mut lines = vec![json!({"status": format!("Pulling from {place}"), "id": shown_tag})];
        if !known {
            let layers =
                if usual.is_some() { 1 } else { 2 + self.seed.number(&format!("layers/{short}"), 4) };
            for n in 0..layers {
                let id = super::state::hex_of(&self.seed, &format!("layer/{short}/{n}"));
                let id = id.get(..12).unwrap_or_default().to_owned();
                // What comes over the wire is packed.
                let all = image.size / 5 * 2 / layers;
                lines.push(json!({"status": "Pulling fs layer", "progressDetail": {}, "id": id}));
                lines.push(json!({"status": "Downloading", "progressDetail": {"current": all, "total": all}, "progress": progress(all), "id": id}));
                lines.push(json!({"status": "Verifying Checksum", "progressDetail": {}, "id": id}));
                lines.push(json!({"status": "Download complete", "progressDetail": {}, "id": id}));
                lines.push(json!({"status": "Extracting", "progressDetail": {"current": all, "total": all}, "progress": progress(all), "id": id}));
                lines.push(json!({"status": "Pull complete", "progressDetail": {}, "id": id}));
            }
        }
        lines.push(json!({"status": format!("Digest: sha256:{}", image.digest)}));
        let end = if known { "Image is up to date for" } else { "Downloaded newer image for" };
        lines.push(json!({"status": format!("Status: {end} {short}")}));
        let text: String = lines.iter().map(|l| format!("{l}\r\n")).collect();
        Ok(Response { streamed: true, ..self.told(Response::app(200, "application/json", text)) })
    }

    /// What a client sends along for a registry: JSON in Base64, of either alphabet.
    fn registry_login(&self, ask: &Ask<'_>) {
        let Some(given) = ask.request.header("x-registry-auth") else { return };
        let usual: Vec<u8> = given
            .iter()
            .map(|c| match c {
                b'-' => b'+',
                b'_' => b'/',
                c => *c,
            })
            .collect();
        let Some(Value::Object(given)) = decode64(&usual).and_then(|d| serde_json::from_slice(&d).ok())
        else {
            return;
        };
        let of = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
        let secret =
            ["password", "identitytoken", "registrytoken"].into_iter().map(of).find(|s| !s.is_empty());
        if !of("username").is_empty() || secret.is_some() {
            credentials(ask.record, of("username"), secret.unwrap_or_default(), of("serveraddress"));
        }
    }
}

/// Records an account at a registry.
pub(super) fn credentials(record: &Recorder, user: &str, secret: &str, server: &str) {
    record
        .event(Kind::Login, "registry")
        .outcome(false)
        .user(user.as_bytes())
        .secret(secret.as_bytes(), SecretKind::Plaintext)
        .text("destination.domain", server)
        .emit();
}

fn progress(bytes: u64) -> String {
    let text = match bytes {
        0..1_000_000 => format!("{:.4}kB", bytes as f64 / 1e3),
        _ => format!("{:.4}MB", bytes as f64 / 1e6),
    };
    format!("[{}>]  {text}/{text}", "=".repeat(50))
}
