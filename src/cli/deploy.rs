//! `deploy` and `plan`: one path, of which `plan` and `--dry-run` walk the read-only half.

use std::path::Path;

use super::apply::{self, Job, Sight};
use super::args::{DeployArgs, PlanArgs, SourceArgs, WaitArgs};
use super::context::Context;
use super::error::{CliResult, usage};
use super::probe::Policy;
use super::saved::SavedPlan;
use super::source;
use crate::fleet::{self, Detected, Host, Mode, Plan, Refusal, Request};
use crate::model::Fleet;

/// `decnet deploy`.
pub(super) fn deploy(cx: &mut Context, args: &DeployArgs) -> CliResult {
    match &args.plan {
        Some(path) => saved(cx, args, path),
        None => {
            run(cx, &args.source, &How { dry_run: args.dry_run, yes: args.yes, wait: args.wait, out: None })
        }
    }
}

/// `decnet plan`.
pub(super) fn plan(cx: &mut Context, args: &PlanArgs) -> CliResult {
    let how = How { dry_run: true, yes: false, wait: WaitArgs::default(), out: args.out.as_deref() };
    run(cx, &args.source, &how)
}

struct How<'a> {
    dry_run: bool,
    yes: bool,
    wait: WaitArgs,
    out: Option<&'a Path>,
}

fn run(cx: &mut Context, args: &SourceArgs, how: &How<'_>) -> CliResult {
    let flags = source::overrides(&args.network)?;
    let seed = cx.seed()?;
    let recorded = cx.fleet()?;
    let input = source::load(cx, args, &recorded)?;
    let host = host();
    let now = unix_seconds(cx);
    let mode = if args.replace_fleet { Mode::Replace } else { Mode::Additive };
    let emulated = crate::decoy::emulates;
    let planner = |fleet: &Fleet, sight: &Sight| {
        let spec = input.spec(mode, fleet, &host, &flags)?;
        fleet::plan(&Request {
            spec: &spec,
            mode,
            fleet,
            observed: sight.observed.as_ref(),
            engine_running: sight.engine_running,
            host: &host,
            seed: &seed,
            now,
            flags: &flags,
            limit: args.limit,
            emulated: &emulated,
        })
    };
    let keep = |plan: &Plan| match how.out {
        Some(path) => SavedPlan::new(plan, &input).write(path),
        None => Ok(()),
    };
    let job = Job {
        max_removals: args.max_removals,
        all: args.all,
        yes: how.yes,
        dry_run: how.dry_run,
        exit_code: args.exit_code,
        probe: policy(args, how.dry_run),
        keep: Some(&keep),
        ..Job::new(mode, &planner, how.wait, "Apply this plan?")
    };
    apply::run(cx, &job)?;
    if let Some(path) = how.out {
        cx.ui.note(&format!("Saved to {0}. To apply exactly this: decnet deploy --plan {0}", path.display()));
    }
    Ok(())
}

fn policy(args: &SourceArgs, dry_run: bool) -> Policy {
    match (args.no_probe, dry_run) {
        (true, _) => Policy::Skip,
        (false, true) => Policy::Try,
        (false, false) => Policy::Must,
    }
}

fn saved(cx: &mut Context, args: &DeployArgs, path: &Path) -> CliResult {
    if args.source.strict {
        return Err(usage("`--plan` takes the plan as it was saved; leave out --strict"));
    }
    let saved = SavedPlan::read(path)?;
    saved.still_from_same_file()?;
    let planner = |fleet: &Fleet, _: &Sight| saved.valid_for(fleet).map_err(|r: Refusal| vec![r]);
    let job = Job {
        max_removals: args.source.max_removals,
        all: args.source.all,
        yes: args.yes,
        exit_code: args.source.exit_code,
        probe: policy(&args.source, false),
        ..Job::new(saved.plan.mode, &planner, args.wait, "Apply this saved plan?")
    };
    apply::run(cx, &job)
}

/// What this host is to a plan. A host that cannot be asked plans for loopback all the same.
pub(super) fn host() -> Host {
    let Ok((mut addresses, surroundings)) = crate::host::net::detect() else {
        return Host { addresses: vec![std::net::Ipv4Addr::LOCALHOST], detected: None };
    };
    if !addresses.contains(&std::net::Ipv4Addr::LOCALHOST) {
        addresses.push(std::net::Ipv4Addr::LOCALHOST);
    }
    let detected =
        surroundings.map(|s| Detected { interface: s.interface, subnet: s.subnet, gateway: s.gateway });
    Host { addresses, detected }
}

/// The clock as DECNET's rows keep it.
#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
pub(super) fn unix_seconds(cx: &Context) -> f64 {
    cx.now().as_microsecond() as f64 / 1_000_000.0
}
