//! Containers and images of one engine: what was there before, and what visitors made, within limits.

use std::collections::VecDeque;

use serde_json::Value;

use crate::model::{Persona, Seed};

/// Most containers, images and exec instances kept; the oldest that visitors made give way.
const KEPT_MAX: usize = 64;

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// `repository:tag`.
    pub(super) name: String,
    /// 64 hex digits.
    pub(super) id: String,
    /// Digest of its manifest, 64 hex digits.
    pub(super) digest: String,
    /// Built, seconds since 1970.
    pub(super) created: i64,
    /// Bytes.
    pub(super) size: u64,
}

/// One container.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// 64 hex digits.
    pub(super) id: String,
    /// Without the slash.
    pub(super) name: String,
    /// As the client named it.
    pub(super) image: String,
    /// Of its image.
    pub(super) image_id: String,
    /// What it runs.
    pub(super) command: Vec<String>,
    /// A terminal was asked for.
    pub(super) tty: bool,
    /// Input is attached.
    pub(super) stdin: bool,
    /// It goes when it ends.
    pub(super) auto_remove: bool,
    /// What the client said of the host's side: mounts, privileges.
    pub(super) host: Value,
    /// Environment.
    pub(super) env: Value,
    /// Labels.
    pub(super) labels: Value,
    /// Created, nanoseconds since 1970.
    pub(super) created: i64,
    /// Started, nanoseconds since 1970; zero before.
    pub(super) started: i64,
    /// Ended, nanoseconds since 1970; zero before.
    pub(super) finished: i64,
    /// Exit status.
    pub(super) status: i32,
    /// What it printed.
    pub(super) output: Vec<u8>,
    /// Ports that it publishes: host, container.
    pub(super) ports: Vec<(u16, u16)>,
    /// Last byte of its address on the bridge.
    pub(super) address: u8,
}

/// A command to run in a container.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    pub(super) id: String,
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) tty: bool,
    pub(super) stdin: bool,
    pub(super) status: Option<i32>,
}

/// Everything that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) images: VecDeque<Image>,
    pub(super) containers: VecDeque<Container>,
    pub(super) execs: VecDeque<Exec>,
    pub(super) volumes: Vec<String>,
    made: u64,
}

/// Image, command, port, days since it was built, megabytes.
const USUAL: &[(&str, &[&str], u16, i64, u64)] = &[
    ("nginx:1.27-alpine", &["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"], 80, 120, 47),
    ("redis:7", &["docker-entrypoint.sh", "redis-server"], 6379, 95, 117),
    ("postgres:16", &["docker-entrypoint.sh", "postgres"], 5432, 88, 432),
    ("registry:2", &["/entrypoint.sh", "/etc/docker/registry/config.yml"], 5000, 700, 25),
    ("grafana/grafana:11.2.0", &["/run.sh"], 3000, 240, 453),
    ("mariadb:11.4", &["docker-entrypoint.sh", "mariadbd"], 3306, 110, 404),
    ("rabbitmq:3-management", &["docker-entrypoint.sh", "rabbitmq-server"], 5672, 130, 253),
    ("gitea/gitea:1.22", &["/usr/bin/entrypoint", "/usr/bin/s6-svscan", "/etc/s6"], 3000, 210, 172),
];

const NAMES: &[&str] = &["web", "cache", "db", "app", "proxy", "api", "queue", "metrics"];

/// Words that Docker's made-up names are of.
const LEFT: &[&str] = &[
    "admiring", "bold", "brave", "clever", "eager", "festive", "gallant", "happy", "jolly", "keen", "lucid",
    "nifty", "quirky", "serene", "trusting", "upbeat", "vibrant", "zen",
];
const RIGHT: &[&str] = &[
    "albattani",
    "bell",
    "bohr",
    "curie",
    "darwin",
    "einstein",
    "euler",
    "fermi",
    "galileo",
    "hopper",
    "kepler",
    "lamarr",
    "mendel",
    "newton",
    "pasteur",
    "ride",
    "tesla",
    "wozniak",
];

/// Hex digits for a thing of this name.
pub(super) fn hex_of(seed: &Seed, label: &str) -> String {
    hex::encode(seed.derive(label))
}

impl State {
    /// What the machine ran before anybody came.
    pub(super) fn new(persona: &Persona, booted: i64) -> Self {
        let seed = persona.seed.child("docker");
        let mut state = Self::default();
        let count = 1 + seed.number("count", 3);
        let first = usize::try_from(seed.number("first", USUAL.len() as u64)).unwrap_or(0);
        for n in 0..count {
            let at = first.saturating_add(usize::try_from(n).unwrap_or(0).saturating_mul(3)) % USUAL.len();
            let Some((image, command, port, days, size)) = USUAL.get(at) else { continue };
            let since = i64::try_from(seed.number(&format!("created/{n}"), 30 * 86_400)).unwrap_or(0);
            let created = persona.born.saturating_add(since);
            let image = state.pull(&seed, image, persona.born.saturating_sub(days * 86_400), *size);
            let later = i64::try_from(seed.number(&format!("start/{n}"), 1_000_000_000)).unwrap_or(0);
            let start = booted.max(created).saturating_add(20).saturating_mul(1_000_000_000);
            state.containers.push_back(Container {
                id: hex_of(&seed, &format!("container/{n}")),
                name: (*NAMES.get(at).unwrap_or(&"app")).to_owned(),
                image: image.name.clone(),
                image_id: image.id,
                command: command.iter().map(|c| (*c).to_owned()).collect(),
                tty: false,
                stdin: false,
                auto_remove: false,
                host: serde_json::json!({"NetworkMode": "bridge", "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}}),
                env: serde_json::json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]),
                labels: serde_json::json!({}),
                created: created.saturating_mul(1_000_000_000).saturating_add(later),
                started: start.saturating_add(later),
                finished: 0,
                status: 0,
                output: Vec::new(),
                ports: vec![(*port, *port)],
                address: u8::try_from(n.saturating_add(2)).unwrap_or(2),
            });
        }
        for (name, days, size) in [("alpine:3.20", 150, 8), ("busybox:latest", 400, 4)] {
            if seed.number(name, 2) == 1 {
                state.pull(&seed, name, persona.born.saturating_sub(days * 86_400), size);
            }
        }
        state
    }

    /// A number that was not used yet.
    pub(super) fn next(&mut self) -> u64 {
        self.made = self.made.wrapping_add(1);
        self.made
    }

    /// The image of this name, made up when it is not there.
    pub(super) fn pull(&mut self, seed: &Seed, name: &str, created: i64, megabytes: u64) -> Image {
        if let Some(image) = self.images.iter().find(|i| i.name == name) {
            return image.clone();
        }
        let extra = seed.number(&format!("size/{name}"), 900_000);
        let image = Image {
            name: name.to_owned(),
            id: hex_of(seed, &format!("image/{name}")),
            digest: hex_of(seed, &format!("digest/{name}")),
            created,
            size: megabytes.saturating_mul(1_000_000).saturating_add(extra),
        };
        if self.images.len() >= KEPT_MAX {
            self.images.pop_back();
        }
        self.images.push_front(image.clone());
        image
    }

    /// An image by name, with or without tag, or by the beginning of its id.
    pub(super) fn image(&self, name: &str) -> Option<&Image> {
        let full = tagged(name);
        let short =
            full.strip_prefix("docker.io/library/").or(full.strip_prefix("docker.io/")).unwrap_or(&full);
        let id = name.strip_prefix("sha256:").unwrap_or(name);
        let by_id = |i: &&Image| id.len() >= 4 && i.id.starts_with(id);
        self.images.iter().find(|i| i.name == short).or_else(|| self.images.iter().find(by_id))
    }

    /// A container by name or by the beginning of its id.
    pub(super) fn container(&mut self, name: &str) -> Option<&mut Container> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let at =
            self.containers.iter().position(|c| c.name == name).or_else(|| {
                self.containers.iter().position(|c| !name.is_empty() && c.id.starts_with(name))
            })?;
        self.containers.get_mut(at)
    }

    /// Adds a container; the oldest goes when there are too many.
    pub(super) fn add(&mut self, container: Container) {
        if self.containers.len() >= KEPT_MAX {
            self.containers.pop_back();
        }
        self.containers.push_front(container);
    }

    /// Adds an exec instance.
    pub(super) fn add_exec(&mut self, exec: Exec) {
        if self.execs.len() >= KEPT_MAX {
            self.execs.pop_front();
        }
        self.execs.push_back(exec);
    }

    /// A made-up name that is free.
    pub(super) fn free_name(&mut self, seed: &Seed) -> String {
        for _ in 0..8 {
            let n = self.next();
            let left = seed.pick(&format!("left/{n}"), LEFT).copied().unwrap_or("bold");
            let right = seed.pick(&format!("right/{n}"), RIGHT).copied().unwrap_or("bohr");
            let name = format!("{left}_{right}");
            if self.containers.iter().all(|c| c.name != name) {
                return name;
            }
        }
        format!("bold_bohr{}", self.made)
    }
}

impl Container {
    /// `created`, `running` or `exited`.
    pub(super) fn status_word(&self) -> &'static str {
        match (self.started, self.finished) {
            (0, _) => "created",
            (_, 0) => "running",
            _ => "exited",
        }
    }

    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        self.status_word() == "running"
    }
}

/// A name with its tag.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn machines_run_different_things_and_limits_hold() {
        let mut persona = persona(&["docker_api"]);
        let one = State::new(&persona, persona.born);
        assert!(!one.containers.is_empty() && one.images.len() >= one.containers.len());
        persona.seed = Seed::new([9; 32]);
        let mut two = State::new(&persona, persona.born);
        assert_ne!(one.containers[0].id, two.containers[0].id);
        for n in 0..500 {
            two.pull(&persona.seed, &format!("x:{n}"), 0, 1);
        }
        assert_eq!(two.images.len(), KEPT_MAX);
        assert!(two.image("x:499").is_some() && two.image("docker.io/library/x:499").is_some());
        assert_eq!(
            (tagged("a"), tagged("h:5000/a"), tagged("a:1")),
            ("a:latest".into(), "h:5000/a:latest".into(), "a:1".into())
        );
    }
}
