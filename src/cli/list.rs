//! `list`: the recorded fleet.

use super::args::{NamesArgs, Output};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use crate::model::{Fleet, Recorded};
use crate::ui::table::Grid;
use crate::ui::wire;

pub(super) fn run(cx: &mut Context, args: &NamesArgs) -> CliResult {
    cx.fits("list", &[Output::Table, Output::Wide, Output::Json, Output::Jsonl, Output::Csv, Output::Name])?;
    let fleet = cx.fleet()?;
    let rows = select(&fleet, &args.names)?;
    match cx.output {
        Output::Json => {
            let items = rows.iter().map(|r| wire::decky(r, false)).collect();
            cx.json(&wire::list("deckies", items));
        }
        Output::Jsonl => {
            for row in rows {
                cx.json(&wire::decky(row, false));
                if cx.ui.closed() {
                    break;
                }
            }
        }
        Output::Name => cx.ui.data(&rows.iter().map(|r| format!("{}\n", r.name)).collect::<String>()),
        Output::Csv => cx.ui.data(&grid(&rows, true).csv()),
        form => {
            let text = grid(&rows, form == Output::Wide).text(cx.ui.color_out(), cx.ui.width());
            if rows.is_empty() {
                cx.ui.note("The fleet is empty. `decnet deploy FILE` makes one.");
            } else {
                cx.ui.data(&text);
            }
        }
    }
    Ok(())
}

/// The rows called `names`, or all of them; unknown names are all reported at once.
pub(super) fn select<'a>(fleet: &'a Fleet, names: &[String]) -> CliResult<Vec<&'a Recorded>> {
    if names.is_empty() {
        return Ok(fleet.members.iter().collect());
    }
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|n| fleet.get(n).is_none()).collect();
    if !missing.is_empty() {
        return Err(unknown(fleet, &missing));
    }
    let mut rows: Vec<&Recorded> = names.iter().filter_map(|n| fleet.get(n)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows.dedup_by(|a, b| a.name == b.name);
    Ok(rows)
}

/// The error for names that the fleet does not have.
pub(super) fn unknown(fleet: &Fleet, missing: &[&str]) -> CliError {
    let shown: Vec<String> = missing.iter().map(|n| format!("`{}`", crate::event::escape::text(n))).collect();
    let word = if missing.len() == 1 { "decky" } else { "deckies" };
    let error = CliError::new(Kind::NotFound, format!("no such {word} in the fleet: {}", shown.join(", ")));
    let near = missing
        .first()
        .and_then(|n| crate::catalog::nearest(n, fleet.members.iter().map(|m| m.name.as_str())));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`? `decnet list` shows all")),
        None => error.hint("`decnet list` shows all"),
    }
}

fn grid(rows: &[&Recorded], wide: bool) -> Grid {
    let mut headers = vec!["NAME", "IP", "STATE", "SERVICES"];
    if wide {
        headers.extend(["HOSTNAME", "MAC", "ARCHETYPE", "DISTRO", "OS", "UPDATED", "REASON"]);
    }
    let mut grid = Grid::new(&headers);
    for row in rows {
        let config = row.decky.as_ref().ok();
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let mut cells = vec![
            row.name.clone(),
            or_dash(row.ip.map(|ip| ip.to_string())),
            row.state.to_string(),
            row.services.join(","),
        ];
        if wide {
            cells.extend([
                or_dash(config.map(|d| d.hostname.clone())),
                or_dash(row.identity.as_ref().map(|i| i.mac.to_string())),
                or_dash(config.and_then(|d| d.archetype.clone())),
                or_dash(config.map(|d| d.distro.clone())),
                or_dash(config.map(|d| d.nmap_os.clone())),
                row.updated_at.clone(),
                or_dash(row.last_error.clone()),
            ]);
        }
        grid.row(&cells);
    }
    grid
}
