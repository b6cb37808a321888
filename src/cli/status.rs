//! `status`: recorded against observed.

use super::args::{Output, StatusArgs};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::list;
use crate::engine::EngineStatus;
use crate::engine::client::Client;
use crate::model::{Observed, Recorded, State};
use crate::ui::table::Grid;
use crate::ui::{count, wire};

pub(super) fn run(cx: &mut Context, args: &StatusArgs) -> CliResult {
    cx.fits("status", &[Output::Table, Output::Wide, Output::Json, Output::Csv])?;
    let fleet = cx.fleet()?;
    let rows = list::select(&fleet, &args.names)?;
    let engine = match Client::connect(&cx.state_dir()?)? {
        Some(client) => Some(client.status()?),
        None => None,
    };
    let observed = engine.as_ref().map(|e| &e.deckies);
    let nothing = Observed::default();
    let sight = crate::fleet::Sight::new(observed.or(Some(&nothing)), engine.is_some(), &fleet);
    let found: Vec<(&Recorded, Option<String>, bool)> =
        rows.into_iter().map(|row| (row, sight.row(row), is_down(row, observed))).collect();
    let drifting = found.iter().filter(|(_, drift, _)| drift.is_some()).count();
    let down = found.iter().filter(|(_, _, down)| *down).count();
    match cx.output {
        Output::Json => {
            let deckies: Vec<_> =
                found.iter().map(|(r, drift, _)| wire::status_decky(r, observed, drift.as_deref())).collect();
            cx.json(&wire::status(engine.as_ref(), &fleet, &deckies, drifting, down));
        }
        Output::Csv => cx.ui.data(&grid(&found, observed, false).csv()),
        _ => {
            cx.ui.note(&engine_line(engine.as_ref()));
            let grid = grid(&found, observed, cx.output == Output::Wide);
            if !grid.is_empty() {
                let text = grid.text(cx.ui.color_out(), cx.ui.width());
                cx.ui.data(&text);
            }
            let up = found.len() - down;
            cx.ui.note(&format!("{} up, {down} down, {drifting} drifting.", count(up, "decky", "deckies")));
            if drifting > 0 {
                cx.ui.hint("`decnet reconcile` makes observed equal recorded");
            }
        }
    }
    if args.exit_code {
        if down > 0 {
            return Err(CliError::silent(Kind::Down));
        }
        if drifting > 0 {
            return Err(CliError::silent(Kind::Pending));
        }
    }
    Ok(())
}

/// Whether a decky does not serve everything it should right now.
fn is_down(row: &Recorded, observed: Option<&Observed>) -> bool {
    let seen = observed.and_then(|o| o.deckies.get(row.name.as_str()));
    seen.is_none_or(|s| s.state != State::Running)
}

/// One line about the engine.
pub(super) fn engine_line(engine: Option<&EngineStatus>) -> String {
    match engine {
        None => "engine: not running".to_owned(),
        Some(e) => format!("engine: running, pid {}, version {}, since {}", e.pid, e.version, e.started_at),
    }
}

/// `wide`: with the packets that were not let out.
fn grid(found: &[(&Recorded, Option<String>, bool)], observed: Option<&Observed>, wide: bool) -> Grid {
    let mut head = vec!["NAME", "IP", "RECORDED", "STATE", "PORTS", "RESTARTS", "REASON"];
    if wide {
        head.insert(6, "DROPS");
    }
    let mut grid = Grid::new(&head);
    for (row, drift, _) in found {
        let seen = observed.and_then(|o| o.deckies.get(row.name.as_str()));
        let ports = seen.map_or_else(String::new, |s| {
            let one = |p: &crate::model::ServiceHealth| {
                format!("{}:{}{}", p.service, p.port, if p.up { "" } else { "(down)" })
            };
            s.services.iter().map(one).collect::<Vec<_>>().join(",")
        });
        let reason =
            seen.and_then(|s| s.reason.clone()).or_else(|| drift.clone()).or_else(|| row.last_error.clone());
        let mut cells = vec![
            row.name.clone(),
            row.ip.map_or_else(|| "-".into(), |ip| ip.to_string()),
            row.state.to_string(),
            seen.map_or_else(|| "down".into(), |s| s.state.to_string()),
            ports,
            seen.map_or_else(|| "-".into(), |s| s.restarts.to_string()),
            reason.unwrap_or_default(),
        ];
        if wide {
            cells.insert(6, seen.and_then(|s| s.drops).map_or_else(|| "-".into(), |n| n.to_string()));
        }
        grid.row(&cells);
    }
    grid
}
