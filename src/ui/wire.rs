//! The JSON that scripts rely on: versioned, complete, composed here and nowhere else.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::engine::EngineStatus;
use crate::fleet::{Plan, Refusal, masked};
use crate::fleetfile::{Diagnostic, Severity};
use crate::model::{Decky, Fleet, LifecycleId, LifecycleRow, Observed, Recorded};

/// Version of every document here.
pub const FORMAT_VERSION: u32 = 1;

/// `{"format_version":1, WHAT: items}`.
pub fn list(what: &str, items: Vec<Value>) -> Value {
    let mut map = Map::new();
    map.insert("format_version".into(), FORMAT_VERSION.into());
    map.insert(what.into(), Value::Array(items));
    Value::Object(map)
}

/// An error that has no document of its own.
pub fn error(code: u8, message: &str, hints: &[String]) -> Value {
    json!({"format_version": FORMAT_VERSION, "error": {"exit_code": code, "message": message, "hints": hints}})
}

/// How an apply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultState {
    /// Nothing was applied (a dry run, or nobody waited).
    Planned,
    /// Everything was.
    Applied,
    /// A part was.
    Partial,
    /// Nothing: the guard, a bound, or the person said no.
    Refused,
}

/// A decky that did not end as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Which.
    pub name: String,
    /// Why.
    pub error: String,
}

/// What a plan led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub state: ResultState,
    /// Ids for `decnet lifecycle`, in the plan's order.
    pub lifecycle_ids: Vec<LifecycleId>,
    /// What did not end as planned.
    pub failed: Vec<Failed>,
}

impl Outcome {
    /// Nothing was done.
    pub fn planned() -> Self {
        Self { state: ResultState::Planned, lifecycle_ids: Vec::new(), failed: Vec::new() }
    }
}

/// A plan with its outcome. Secrets are masked.
pub fn plan(plan: &Plan, outcome: &Outcome) -> Value {
    let config = |decky: &Option<Decky>| decky.as_ref().map(masked);
    let changes: Vec<Value> = plan
        .changes
        .iter()
        .map(|c| {
            json!({"action": c.action, "name": c.name, "before": config(&c.before), "after": config(&c.after), "reason": c.reason})
        })
        .collect();
    json!({
        "format_version": FORMAT_VERSION,
        "mode": plan.mode,
        "store": plan.store,
        "changes": changes,
        "summary": plan.summary(),
        "result": outcome,
    })
}

/// A plan that was refused, all problems at once.
pub fn refused(mode: crate::fleet::Mode, refusals: &[Refusal]) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "mode": mode,
        "changes": [],
        "errors": refusals,
        "result": {"state": ResultState::Refused, "lifecycle_ids": [], "failed": []},
    })
}

/// What `check` (and a refused file) says.
pub fn diagnostics(file: &str, found: &[Diagnostic]) -> Value {
    let count = |severity: Severity| found.iter().filter(|d| d.severity == severity).count();
    json!({
        "format_version": FORMAT_VERSION,
        "file": file,
        "valid": count(Severity::Error) == 0,
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "diagnostics": found,
    })
}

/// One decky of `list`.
pub fn decky(row: &Recorded, show_secrets: bool) -> Value {
    let config = row.decky.as_ref().ok();
    let shown = config.map(|d| if show_secrets { d.clone() } else { masked(d) });
    json!({
        "name": row.name,
        "ip": row.ip,
        "hostname": config.map(|d| &d.hostname),
        "mac": row.identity.as_ref().map(|i| i.mac),
        "services": row.services,
        "archetype": config.and_then(|d| d.archetype.as_ref()),
        "distro": config.map(|d| &d.distro),
        "nmap_os": config.map(|d| &d.nmap_os),
        "state": row.state,
        "last_error": row.last_error,
        "updated_at": row.updated_at,
        "decky_config": shown,
    })
}

/// One decky of `status`: what `list` has, and what is observed.
pub fn status_decky(row: &Recorded, observed: Option<&Observed>, drift: Option<&str>) -> Value {
    let seen = observed.and_then(|o| o.deckies.get(row.name.as_str()));
    let mut value = decky(row, false);
    if let Value::Object(map) = &mut value {
        map.remove("decky_config");
        map.insert("observed".into(), json!(seen.map(|s| s.state)));
        map.insert("reason".into(), json!(seen.and_then(|s| s.reason.clone())));
        map.insert("pid".into(), json!(seen.and_then(|s| s.pid)));
        map.insert("restarts".into(), json!(seen.map(|s| s.restarts)));
        map.insert("drops".into(), json!(seen.and_then(|s| s.drops)));
        map.insert("ports".into(), json!(seen.map(|s| &s.services)));
        map.insert("drift".into(), json!(drift));
    }
    value
}

/// The whole of `status`.
pub fn status(
    engine: Option<&EngineStatus>,
    fleet: &Fleet,
    deckies: &[Value],
    drifting: usize,
    down: usize,
) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "engine": engine_health(engine),
        "store": fleet.store,
        "network": fleet.network,
        "drift": drifting,
        "down": down,
        "deckies": deckies,
    })
}

/// `engine status`.
pub fn engine_health(engine: Option<&EngineStatus>) -> Value {
    match engine {
        None => json!({"running": false}),
        Some(status) => {
            let mut value = serde_json::to_value(status).unwrap_or_default();
            if let Value::Object(map) = &mut value {
                map.shift_remove("deckies");
                map.insert("running".into(), true.into());
            }
            value
        }
    }
}

/// `lifecycle`.
pub fn lifecycle(rows: &[LifecycleRow]) -> Value {
    json!({"format_version": FORMAT_VERSION, "rows": rows})
}
