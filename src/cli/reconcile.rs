//! `reconcile`: makes observed equal recorded again.

use super::apply::{self, Job, Sight};
use super::args::ReconcileArgs;
use super::context::Context;
use super::error::CliResult;
use crate::fleet::{self, Mode};
use crate::model::Fleet;

pub(super) fn run(cx: &mut Context, args: &ReconcileArgs) -> CliResult {
    let planner = |fleet: &Fleet, sight: &Sight| {
        Ok(fleet::plan_reconcile(fleet, sight.observed.as_ref(), sight.engine_running))
    };
    let job = Job {
        // Repairing what is recorded takes nothing away from anybody.
        yes: true,
        dry_run: args.dry_run,
        exit_code: args.exit_code,
        ..Job::new(Mode::Reconcile, &planner, args.wait, "Repair these deckies?")
    };
    apply::run(cx, &job)
}
