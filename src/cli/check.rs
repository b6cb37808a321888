//! `check`: is this file a fleet? Touches neither store nor host.

use super::args::{CheckArgs, Output};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::source;
use crate::fleetfile::Severity;
use crate::ui::{count, wire};

pub(super) fn run(cx: &mut Context, args: &CheckArgs) -> CliResult {
    cx.fits("check", &[Output::Table, Output::Json])?;
    let text = source::read_file(args.file.as_deref())?;
    let loaded = text.load(args.strict, &[]);
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = loaded.diagnostics.len() - errors;
    if cx.output == Output::Json {
        cx.json(&wire::diagnostics(&text.name, &loaded.diagnostics));
    } else {
        source::show_diagnostics(cx, &text, &loaded.diagnostics);
        let deckies = count(loaded.spec.deckies.len(), "decky", "deckies");
        let warnings = count(warnings, "warning", "warnings");
        if errors == 0 {
            cx.ui.note(&format!("{}: valid, {deckies}, {warnings}.", text.shown()));
        } else {
            cx.ui.note(&format!("{}: {}, {warnings}.", text.shown(), count(errors, "error", "errors")));
        }
    }
    if errors > 0 { Err(CliError::silent(Kind::Invalid)) } else { Ok(()) }
}
