//! `doctor`: what this host can do; each problem with its remedy.

use serde::Serialize;

use super::args::Output;
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use crate::engine::client::Client;
use crate::host::probe;
use crate::model::{Driver, Fleet};
use crate::store::Store;
use crate::ui::wire;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Note,
    Problem,
}

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    found: String,
    remedy: Option<String>,
    #[serde(skip)]
    kind: Kind,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), remedy: None, kind: Kind::Environment }
    }

    fn note(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Note, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    fn problem(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Problem, ..Self::note(check, found, remedy) }
    }
}

pub(super) fn run(cx: &mut Context) -> CliResult {
    cx.fits("doctor", &[Output::Table, Output::Wide, Output::Json])?;
    let mut found = vec![Finding::ok("program", format!("decnet {}", env!("CARGO_PKG_VERSION")))];
    let fleet = state(cx, &mut found);
    host(&mut found, fleet.as_ref());
    if cx.output == Output::Json {
        let items = found.iter().filter_map(|f| serde_json::to_value(f).ok()).collect();
        cx.json(&wire::list("checks", items));
    } else {
        let mut text = String::new();
        for finding in &found {
            let (word, style) = match finding.level {
                Level::Ok => ("ok     ", crate::ui::GOOD),
                Level::Note => ("note   ", crate::ui::MIDDLING),
                Level::Problem => ("problem", crate::ui::BAD),
            };
            let word = crate::ui::paint(cx.ui.color_out(), style, word);
            text.push_str(&format!(
                "{word}  {:<16} {}\n",
                finding.check,
                crate::event::escape::text(&finding.found)
            ));
            if let Some(remedy) = &finding.remedy {
                text.push_str(&format!("{:26} → {}\n", "", crate::event::escape::text(remedy)));
            }
        }
        cx.ui.data(&text);
    }
    match found.iter().filter(|f| f.level == Level::Problem).map(|f| f.kind).next() {
        Some(kind) => Err(CliError::silent(kind)),
        None => Ok(()),
    }
}

/// The state directory, the store, the engine.
fn state(cx: &Context, found: &mut Vec<Finding>) -> Option<Fleet> {
    let dir = match cx.state_dir() {
        Ok(dir) => dir,
        Err(error) => {
            found.push(Finding::problem("state directory", error.message, "name one with --state-dir"));
            return None;
        }
    };
    found.push(Finding::ok("state directory", dir.root().display().to_string()));
    let fleet = store(&dir.db(), found);
    match Client::connect(&dir) {
        Ok(None) if fleet.as_ref().is_some_and(|f| !f.members.is_empty()) => {
            found.push(Finding::note(
                "engine",
                "not running, so no decky answers",
                "`decnet reconcile` starts it",
            ));
        }
        Ok(None) => found.push(Finding::ok("engine", "not running; the first deploy starts it")),
        Ok(Some(client)) => match client.status() {
            Ok(status) if status.version == env!("CARGO_PKG_VERSION") => {
                found.push(Finding::ok("engine", format!("running, pid {}", status.pid)));
            }
            Ok(status) => found.push(Finding::note(
                "engine",
                format!("running, pid {}, of version {}", status.pid, status.version),
                "`decnet engine stop && decnet reconcile` starts this version",
            )),
            Err(error) => found.push(Finding::problem(
                "engine",
                error.to_string(),
                "`decnet engine stop`, then `decnet reconcile`",
            )),
        },
        Err(error) => found.push(Finding::problem(
            "engine",
            error.to_string(),
            "end it by its pid, then `decnet reconcile`",
        )),
    }
    fleet
}

fn store(path: &std::path::Path, found: &mut Vec<Finding>) -> Option<Fleet> {
    let damaged = |text: String| Finding {
        kind: Kind::Failure,
        ..Finding::problem(
            "store",
            text,
            "restore a copy, or move the file away and deploy the fleet file again",
        )
    };
    let mut store = match Store::open_read(path) {
        Ok(Some(store)) => store,
        Ok(None) => {
            found.push(Finding::ok("store", "none yet; the first deploy makes it"));
            return None;
        }
        Err(error) => {
            let kind = CliError::from(error);
            found.push(Finding { kind: kind.kind, ..damaged(kind.message) });
            return None;
        }
    };
    match store.check() {
        Ok(problems) if problems.is_empty() => {
            found.push(Finding::ok("store", format!("{} is sound", path.display())));
        }
        Ok(problems) => found.extend(
            problems
                .into_iter()
                .map(|p| Finding { kind: Kind::Failure, ..Finding::problem("store", p.message, p.remedy) }),
        ),
        Err(error) => found.push(damaged(error.to_string())),
    }
    store.fleet().ok()
}

/// Privileges, ports, kernel features.
fn host(found: &mut Vec<Finding>, fleet: Option<&Fleet>) {
    let root = rustix::process::geteuid().is_root();
    found.push(if root {
        Finding::ok("privileges", "root")
    } else {
        Finding::ok(
            "privileges",
            format!("user {}; enough for the loopback driver", rustix::process::geteuid().as_raw()),
        )
    });
    let lowest = probe::lowest_free_port();
    let offset = fleet.and_then(|f| f.network.as_ref()).map_or(0, |n| n.port_offset);
    if root || lowest <= 21 || u32::from(offset) + 21 >= u32::from(lowest) {
        found.push(Finding::ok(
            "ports",
            format!("ports from {} on can be opened", if root { 1 } else { lowest }),
        ));
    } else {
        found.push(Finding::note(
            "ports",
            format!("ports below {lowest} need root"),
            "add `port_offset = 20000` to [general]: ssh 22 answers on 20022",
        ));
    }
    match probe::landlock_abi() {
        Some(abi) => found.push(Finding::ok("landlock", format!("ABI {abi}"))),
        None => found.push(Finding::note(
            "landlock",
            "this kernel has none",
            "boot with landlock in lsm=; workers are still held by seccomp",
        )),
    }
    found.push(if probe::seccomp() {
        Finding::ok("seccomp", "filters work")
    } else {
        Finding::problem(
            "seccomp",
            "this kernel has no seccomp filters",
            "workers refuse to serve without; use a kernel with CONFIG_SECCOMP_FILTER",
        )
    });
    network(found, fleet);
}

/// The network of this host, and whether the fleet's driver can work on it.
fn network(found: &mut Vec<Finding>, fleet: Option<&Fleet>) {
    found.push(match crate::host::net::detect() {
        Ok((_, Some(s))) => {
            let gateway = s.gateway.map_or_else(|| "no gateway".to_owned(), |g| format!("gateway {g}"));
            Finding::ok("network", format!("{} on {}, {gateway}", s.subnet, s.interface))
        }
        Ok((_, None)) => Finding::note(
            "network",
            "no default route, so no network for macvlan was detected",
            "name `interface`, `net` and `gw` in [general], or use `driver = loopback`",
        ),
        Err(error) => {
            Finding::note("network", error.to_string(), "name `interface`, `net` and `gw` in [general]")
        }
    });
    let network = fleet.and_then(|f| f.network.as_ref());
    let Some(network) = network.filter(|n| n.driver != Driver::Loopback) else {
        let text = "loopback: addresses inside 127.0.0.0/8, no privilege needed";
        return found.push(Finding::ok("driver", text));
    };
    found.push(match crate::engine::fabric::preflight(network) {
        Ok(()) => Finding::ok("driver", format!("{} works on {}", network.driver, network.interface)),
        Err(error) => {
            Finding::problem("driver", error.message, error.remedy.unwrap_or_else(|| "see above".to_owned()))
        }
    });
}
