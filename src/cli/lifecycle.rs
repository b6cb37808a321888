//! `lifecycle`: what became of operations.

use super::args::{LifecycleArgs, Output};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use crate::model::LifecycleId;
use crate::store::Store;
use crate::ui::table::Grid;
use crate::ui::wire;

pub(super) fn run(cx: &mut Context, args: &LifecycleArgs) -> CliResult {
    cx.fits(
        "lifecycle",
        &[Output::Table, Output::Wide, Output::Json, Output::Jsonl, Output::Csv, Output::Name],
    )?;
    let ids: Vec<LifecycleId> = args.ids.iter().cloned().map(LifecycleId).collect();
    let rows = match Store::open_read(&cx.state_dir()?.db())? {
        None => Vec::new(),
        Some(mut store) if ids.is_empty() => store.recent_lifecycle(args.tail)?,
        Some(mut store) => store.lifecycle(&ids)?,
    };
    if let Some(missing) = ids.iter().find(|id| !rows.iter().any(|r| r.id == **id)) {
        let shown = crate::event::escape::text(&missing.0);
        return Err(CliError::new(Kind::NotFound, format!("no operation `{shown}`"))
            .hint("`decnet lifecycle` shows the latest"));
    }
    let mut grid = Grid::new(&["ID", "DECKY", "OPERATION", "STATE", "STARTED", "COMPLETED", "REASON"]);
    for row in &rows {
        grid.row(&[
            row.id.0.clone(),
            row.decky_name.clone(),
            row.operation.to_string(),
            row.status.to_string(),
            row.started_at.clone(),
            row.completed_at.clone().unwrap_or_else(|| "-".into()),
            row.error.clone().unwrap_or_default(),
        ]);
    }
    match cx.output {
        Output::Json => cx.json(&wire::lifecycle(&rows)),
        Output::Jsonl => rows.iter().for_each(|r| cx.json(r)),
        Output::Csv => cx.ui.data(&grid.csv()),
        Output::Name => cx.ui.data(&rows.iter().map(|r| format!("{}\n", r.id.0)).collect::<String>()),
        _ if rows.is_empty() => cx.ui.note("No operation was recorded yet."),
        _ => {
            let text = grid.text(cx.ui.color_out(), cx.ui.width());
            cx.ui.data(&text);
        }
    }
    Ok(())
}
