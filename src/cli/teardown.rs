//! `teardown`: removes deckies, after showing which.

use super::apply::{self, Job, Sight};
use super::args::TeardownArgs;
use super::context::Context;
use super::error::{CliError, CliResult, Kind, usage};
use crate::fleet::{self, Mode, Selection};
use crate::model::Fleet;

pub(super) fn run(cx: &mut Context, args: &TeardownArgs) -> CliResult {
    if args.names.is_empty() && !args.all {
        return Err(usage("name the deckies to remove, or say --all").hint("`decnet list` shows them"));
    }
    if args.names.iter().any(String::is_empty) {
        return Err(usage("a decky name cannot be empty: did a shell variable expand to nothing?"));
    }
    if args.now {
        kill(cx)?;
    }
    let selection = if args.all { Selection::All } else { Selection::Names(&args.names) };
    let planner = |fleet: &Fleet, _: &Sight| fleet::plan_teardown(fleet, selection);
    let job = Job {
        max_removals: args.max_removals,
        yes: args.yes || args.now,
        ..Job::new(Mode::Teardown, &planner, args.wait, "Remove these deckies?")
    };
    apply::run(cx, &job)
}

/// Ends every worker at once, without the store: the engine goes, and its workers go with it.
fn kill(cx: &mut Context) -> CliResult {
    let killed = crate::apply::kill_engine(&cx.state_dir()?)?;
    if killed {
        cx.ui.note("Every decky was ended.");
    } else {
        cx.ui.note("No engine runs, so no decky does.");
    }
    if cx.fleet().is_err() {
        return Err(CliError::new(
            Kind::Partial,
            "every decky was ended, but the store cannot be read, so its rows stay",
        )
        .hint("`decnet doctor` says what is wrong with the store"));
    }
    Ok(())
}
