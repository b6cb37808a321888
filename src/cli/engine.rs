//! `engine run | status | stop | restart`.

use super::apply::DEFAULT_WAIT;
use super::args::{EngineCommand, Output, ReconcileArgs, WaitArgs};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::status::engine_line;
use crate::apply::EngineOptions;
use crate::engine::{Client, EngineStatus};
use crate::ui::wire;

pub(super) fn run(cx: &mut Context, command: &EngineCommand) -> CliResult {
    match command {
        EngineCommand::Run { background, estate } => {
            let dir = cx.make_state_dir()?;
            let options = EngineOptions { background: *background, estate: *estate };
            Ok(crate::apply::run_engine(&dir, options)?)
        }
        EngineCommand::Status => status(cx),
        EngineCommand::Stop => stop(cx),
        EngineCommand::Restart { wait } => {
            replace(cx, *wait)?;
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

/// Has this program take the engine's place; where that cannot be, ends it, and another is started.
fn replace(cx: &mut Context, wait: WaitArgs) -> CliResult {
    let Some(client) = Client::connect(&cx.state_dir()?)? else {
        cx.ui.note("No engine runs.");
        return Ok(());
    };
    match client.replace(&Context::program()?) {
        Ok(()) => {
            cx.ui.note("This program took the engine's place.");
            // Every decky gets a worker of it. What goes wrong with that shows below.
            if !wait.no_wait {
                let _ = client.sync(None, Some(wait.timeout.unwrap_or(DEFAULT_WAIT)), &mut |_| {});
            }
        }
        Err(error) => {
            cx.ui.warn(&format!("{error}; it is ended, and another one is started"));
            stop(cx)?;
        }
    }
    Ok(())
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
