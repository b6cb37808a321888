//! `engine run | status | stop | restart`.

use super::args::{EngineCommand, Output, ReconcileArgs};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::status::engine_line;
use crate::apply::EngineOptions;
use crate::engine::{Client, EngineStatus};
use crate::ui::wire;

pub(super) fn run(cx: &mut Context, command: &EngineCommand) -> CliResult {
    match command {
        EngineCommand::Run { background } => {
            let dir = cx.make_state_dir()?;
            Ok(crate::apply::run_engine(&dir, EngineOptions { background: *background })?)
        }
        EngineCommand::Status => status(cx),
        EngineCommand::Stop => stop(cx),
        EngineCommand::Restart { wait } => {
            stop(cx)?;
            super::reconcile::run(cx, &ReconcileArgs { dry_run: false, exit_code: false, wait: *wait })
        }
    }
}

fn status(cx: &mut Context) -> CliResult {
    cx.fits("engine status", &[Output::Table, Output::Json])?;
    let status = match Client::connect(&cx.state_dir()?)? {
        Some(client) => Some(client.status()?),
        None => None,
    };
    if cx.output == Output::Json {
        let mut value = wire::engine_health(status.as_ref());
        value["format_version"] = wire::FORMAT_VERSION.into();
        cx.json(&value);
    } else {
        let mut text = format!("{}\n", engine_line(status.as_ref()));
        if let Some(status) = &status {
            text.push_str(&details(status));
        }
        cx.ui.data(&text);
    }
    if status.is_none() { Err(CliError::silent(Kind::Failure)) } else { Ok(()) }
}

/// What is worth knowing beyond "it runs".
fn details(status: &EngineStatus) -> String {
    let writer = &status.event_writer;
    let mut lines = vec![
        format!("deckies: {}", status.deckies.deckies.len()),
        format!("events: {} written, {} lost, {} forwarded", writer.written, writer.lost, writer.forwarded),
    ];
    lines.extend(writer.error.as_ref().map(|e| format!("event writer: {e}")));
    lines.extend(status.store_error.as_ref().map(|e| format!("store: {e}")));
    lines.iter().map(|line| format!("{}\n", crate::event::escape::text(line))).collect()
}

fn stop(cx: &mut Context) -> CliResult {
    match Client::connect(&cx.state_dir()?)? {
        None => cx.ui.note("No engine runs."),
        Some(client) => {
            client.stop()?;
            cx.ui.note("The engine and every decky ended; the recorded fleet stays.");
        }
    }
    Ok(())
}
