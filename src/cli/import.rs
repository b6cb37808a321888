//! `import`: takes over the fleet of a DECNET database, through the same guard and plan.

use super::apply::{self, Job, Sight};
use super::args::ImportArgs;
use super::context::Context;
use super::deploy::{host, unix_seconds};
use super::error::CliResult;
use super::probe::Policy;
use super::source;
use crate::fleet::{self, Mode, Request};
use crate::model::{Fleet, FleetSpec};

pub(super) fn run(cx: &mut Context, args: &ImportArgs) -> CliResult {
    let flags = source::overrides(&args.network)?;
    let imported = crate::store::import_fleet(&args.file)?;
    let spec = FleetSpec::default();
    let seed = cx.seed()?;
    let host = host();
    let now = unix_seconds(cx);
    let emulated = crate::decoy::emulates;
    let planner = |fleet: &Fleet, sight: &Sight| {
        let request = Request {
            spec: &spec,
            mode: Mode::Additive,
            fleet,
            observed: sight.observed.as_ref(),
            engine_running: sight.engine_running,
            host: &host,
            seed: &seed,
            now,
            flags: &flags,
            limit: None,
            emulated: &emulated,
        };
        fleet::plan_import(&request, &imported)
    };
    let job = Job {
        yes: args.yes,
        dry_run: args.dry_run,
        probe: if args.dry_run { Policy::Try } else { Policy::Must },
        ..Job::new(Mode::Additive, &planner, args.wait, "Take over these deckies?")
    };
    apply::run(cx, &job)
}
