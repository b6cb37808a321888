//! The command line: one file per command, thin over the library.

mod apply;
pub mod args;
mod catalog;
mod check;
mod complete;
mod context;
mod deploy;
mod doctor;
mod engine;
pub mod error;
mod events;
mod export;
mod hashes;
mod import;
mod interrupt;
mod lifecycle;
mod list;
pub mod man;
mod mutate;
pub mod parse;
mod probe;
mod reconcile;
mod replay;
mod saved;
mod show;
mod source;
mod status;
mod teardown;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, Output};
use context::Context;
use error::{CliError, CliResult, Kind};

/// The clap definition: the one source of help, man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program: parses, dispatches, reports, and turns the end into an exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Processes of our own come first: they must not depend on anything a command line can upset.
    if let Some(code) = internal(&args) {
        return code;
    }
    clap_complete::CompleteEnv::with_factory(command).complete();
    let cli = match command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Help into a closed pipe is no failure.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut context = Context::new(&cli.global);
    let ended = dispatch(&mut context, cli.command);
    finish(&mut context, ended)
}

fn internal(args: &[OsString]) -> Option<ExitCode> {
    let word = args.get(1)?.to_str()?;
    let fd = || args.get(2)?.to_str()?.parse::<i32>().ok();
    let ended = match word {
        "__workers" => crate::decoy::worker::nursery(fd()?).map_err(|e| e.to_string()),
        "__events" => crate::event::writer::run(fd()?).map_err(|e| e.to_string()),
        "__sniffer" => crate::decoy::sniffer::run(fd()?).map_err(|e| e.to_string()),
        "__drill" => return Some(drill()),
        "__estate" => {
            let mut ui = crate::ui::Ui::new(crate::ui::Loudness::Normal, crate::ui::Colors::default(), true);
            ui.data(&crate::apply::form());
            return Some(ExitCode::SUCCESS);
        }
        _ => return None,
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let mut ui = crate::ui::Ui::new(crate::ui::Loudness::Normal, crate::ui::Colors::default(), true);
            ui.error(&message);
            ExitCode::FAILURE
        }
    })
}

/// Runs the escape drill and prints what became of each action; fails when one was not denied.
fn drill() -> ExitCode {
    let mut ui = crate::ui::Ui::new(crate::ui::Loudness::Normal, crate::ui::Colors::default(), true);
    let verdicts = crate::host::sandbox::drill();
    for verdict in &verdicts {
        let word = if verdict.denied { "denied" } else { "ESCAPED" };
        ui.data(&format!("{word}  {}: {}\n", verdict.what, verdict.how));
    }
    ExitCode::from(u8::from(verdicts.iter().any(|v| !v.denied)))
}

fn dispatch(cx: &mut Context, command: Command) -> CliResult {
    match command {
        Command::Deploy(args) => deploy::deploy(cx, &args),
        Command::Plan(args) => deploy::plan(cx, &args),
        Command::Teardown(args) => teardown::run(cx, &args),
        Command::List(args) => list::run(cx, &args),
        Command::Status(args) => status::run(cx, &args),
        Command::Show(args) => show::run(cx, &args),
        Command::Events(args) => events::run(cx, &args),
        Command::Lifecycle(args) => lifecycle::run(cx, &args),
        Command::Reconcile(args) => reconcile::run(cx, &args),
        Command::Mutate(args) => mutate::run(cx, &args),
        Command::Check(args) => check::run(cx, &args),
        Command::Export => export::run(cx),
        Command::Import(args) => import::run(cx, &args),
        Command::Services => catalog::services(cx),
        Command::Archetypes => catalog::archetypes(cx),
        Command::Distros => catalog::distros(cx),
        Command::Engine(command) => engine::run(cx, &command),
        Command::Doctor => doctor::run(cx),
        Command::Completions { shell } => complete::script(cx, shell),
        Command::Man { page, dir } => man::run(cx, &page, dir.as_deref()),
        // Reached only with odd arguments; the real ones are caught before clap.
        Command::Workers { .. } | Command::EventWriter { .. } | Command::Drill => {
            Err(error::usage("this is an internal command"))
        }
    }
}

/// Says what is left to say and maps the end to its code: the only place that does.
fn finish(cx: &mut Context, ended: CliResult) -> ExitCode {
    let mut code = 0;
    if let Err(error) = ended {
        code = error.kind.code();
        report(cx, &error);
    }
    if let Some(error) = cx.ui.finish() {
        cx.ui.error(&format!("cannot write to standard output: {error}"));
        if code == 0 {
            code = Kind::Failure.code();
        }
    }
    ExitCode::from(code)
}

fn report(cx: &mut Context, error: &CliError) {
    if error.message.is_empty() {
        return;
    }
    if cx.output == Output::Json && !cx.json_written {
        cx.json(&crate::ui::wire::error(error.kind.code(), &error.message, &error.hints));
    }
    cx.ui.error(&error.message);
    for hint in &error.hints {
        cx.ui.hint(hint);
    }
}
