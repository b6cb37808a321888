//! A plan for people: what would happen to each decky, field by field, and the line that counts.

use std::fmt::Write as _;

use serde_json::Value;

use super::{BAD, DIM, GOOD, MIDDLING, paint};
use crate::event::escape;
use crate::fleet::{Action, Change, FieldDiff, Mode, Plan};
use crate::model::Network;

/// Repairs beyond this many with the same reason are summed up in one line.
const REPAIRS_SHOWN: usize = 10;

/// Renders a plan. `all` adds the unchanged deckies.
pub fn render(plan: &Plan, color: bool, all: bool) -> String {
    let mut out = String::new();
    network(&mut out, plan, color);
    let columns = Columns::of(plan);
    let mut summed: Vec<(&str, usize)> = Vec::new();
    let mut repairs = 0;
    for change in &plan.changes {
        if change.action == Action::Repair && !all {
            repairs += 1;
            if repairs > REPAIRS_SHOWN {
                let reason = change.reason.as_deref().unwrap_or("drift");
                match summed.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, count)) => *count += 1,
                    None => summed.push((reason, 1)),
                }
                continue;
            }
        }
        one(&mut out, change, columns, color);
    }
    for (reason, count) in summed {
        let line = format!("  !  and {count} more to repair: {} (--all shows them)\n", escape::text(reason));
        out.push_str(&paint(color, MIDDLING, &line));
    }
    if all {
        for name in &plan.unchanged {
            let _ = writeln!(out, "     {}", paint(color, DIM, name.as_str()));
        }
    }
    if !plan.changes.is_empty() || all {
        out.push('\n');
    }
    out.push_str(&summary(plan));
    out
}

/// `Plan: 2 to add, 1 to change, …`, or that there is nothing to do.
pub fn summary(plan: &Plan) -> String {
    let s = plan.summary();
    let head = if plan.is_empty() { "No changes. " } else { "" };
    format!(
        "{head}Plan: {} to add, {} to change, {} to replace, {} to repair, {} to remove, {} unchanged.\n",
        s.create, s.change, s.replace, s.repair, s.remove, s.unchanged
    )
}

fn network(out: &mut String, plan: &Plan, color: bool) {
    let describe = |n: &Network| {
        let mut text = format!("{} {} on {}", n.driver, n.subnet, escape::text(&n.interface));
        if let Some(gateway) = n.gateway {
            let _ = write!(text, ", gateway {gateway}");
        }
        if n.port_offset > 0 {
            let _ = write!(text, ", ports +{}", n.port_offset);
        }
        text
    };
    let mode = match plan.mode {
        Mode::Additive => "additive",
        Mode::Replace => "replace the fleet",
        Mode::Teardown => "teardown",
        Mode::Reconcile => "reconcile",
        Mode::Mutate => "mutate",
    };
    let Some(network) = &plan.network else { return };
    let now = describe(network);
    match &plan.network_before {
        Some(before) if before != network => {
            let was = describe(before);
            let line = if was == now {
                format!("Network: {now} (settings change)")
            } else {
                format!("Network: {was} → {now}")
            };
            let _ = writeln!(out, "{}", paint(color, MIDDLING, &line));
        }
        _ => {
            let _ = writeln!(out, "Network: {now}");
        }
    }
    let _ = writeln!(out, "Mode: {mode}, store serial {}\n", plan.store.serial);
}

/// Widths of the columns that vary, bounded so that one odd row does not push all others away.
#[derive(Clone, Copy)]
struct Columns {
    names: usize,
    services: usize,
}

impl Columns {
    fn of(plan: &Plan) -> Self {
        let names = plan.changes.iter().map(|c| c.name.len()).max().unwrap_or(0).min(40);
        let sides = plan.changes.iter().filter_map(|c| c.after.as_ref().or(c.before.as_ref()));
        let services =
            sides.map(|d| d.services.iter().map(|s| s.len() + 1).sum::<usize>()).max().unwrap_or(0);
        Self { names, services: services.saturating_sub(1).min(32) }
    }
}

fn one(out: &mut String, change: &Change, columns: Columns, color: bool) {
    let style = match change.action {
        Action::Create => GOOD,
        Action::Change | Action::Replace | Action::Repair => MIDDLING,
        Action::Remove => BAD,
    };
    let name = escape::text(&change.name);
    let Columns { names, services } = columns;
    let mut line = format!("{:>3}  {name:<names$}", change.action.symbol());
    let side = change.after.as_ref().or(change.before.as_ref());
    if let Some(decky) = side {
        let runs = decky.services.join(",");
        let _ = write!(line, "  {:<15}  {:<services$}", decky.ip.to_string(), escape::text(&runs));
        if change.action == Action::Create {
            let _ = write!(line, "  {} ({})", escape::text(&decky.hostname), decky.distro);
        }
    }
    let _ = writeln!(out, "{}", paint(color, style, line.trim_end()));
    if let Some(reason) = &change.reason {
        let _ = writeln!(out, "       {}", paint(color, DIM, &escape::text(reason)));
    }
    if matches!(change.action, Action::Change | Action::Replace) {
        for field in &change.fields {
            let _ = writeln!(out, "       {}", diff(field));
        }
    }
}

fn diff(field: &FieldDiff) -> String {
    let shown = |value: &Option<Value>| match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(_) if field.secret => "********".to_owned(),
        Some(Value::String(text)) => escape::text(text).into_owned(),
        Some(Value::Array(items)) => {
            let words: Vec<String> = items
                .iter()
                .map(|i| i.as_str().map_or_else(|| i.to_string(), |t| escape::text(t).into_owned()))
                .collect();
            words.join(",")
        }
        Some(other) => escape::text(&other.to_string()).into_owned(),
    };
    format!("{}: {} → {}", escape::text(&field.path), shown(&field.old), shown(&field.new))
}
