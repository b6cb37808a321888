//! `mutate`: a new draw of services.

use super::apply::{self, Job, Sight};
use super::args::MutateArgs;
use super::context::Context;
use super::deploy::unix_seconds;
use super::error::{CliResult, usage};
use crate::fleet::{self, Mode, Selection};
use crate::model::Fleet;

pub(super) fn run(cx: &mut Context, args: &MutateArgs) -> CliResult {
    if args.names.is_empty() && !args.all {
        return Err(usage("name the deckies to mutate, or say --all").hint("`decnet list` shows them"));
    }
    let seed = cx.seed()?;
    let now = unix_seconds(cx);
    let emulated = crate::decoy::emulates;
    let selection = if args.all { Selection::All } else { Selection::Names(&args.names) };
    let planner = |fleet: &Fleet, _: &Sight| fleet::plan_mutate(fleet, selection, &seed, now, &emulated);
    let job = Job {
        yes: args.yes,
        dry_run: args.dry_run,
        ..Job::new(Mode::Mutate, &planner, args.wait, "Apply this draw?")
    };
    apply::run(cx, &job)
}
