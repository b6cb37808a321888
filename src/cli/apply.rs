//! What every changing command shares: plan, show, ask, commit the intent, watch the engine, report.

use std::collections::HashSet;
use std::time::Duration;

use super::args::{Output, WaitArgs};
use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::probe::{Policy, Probe};
use crate::engine::Progress as Step;
use crate::engine::protocol::Ending;
use crate::fleet::{self, Action, Mode, Plan, Refusal, RefusalKind};
use crate::model::{Driver, Fleet, LifecycleId, Observed, Recorded, State};
use crate::store::{Store, StoreError};
use crate::ui::plan_text;
use crate::ui::progress::{Mark, Progress};
use crate::ui::wire::{self, Failed, Outcome, ResultState};

/// Longest wait for the engine when nothing else is said.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(600);

/// How often a plan may come out with addresses that nobody asked about, for other deploys took its own.
const MOST_PROBED: usize = 20;

/// What runs, as far as it could be found out.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// None: there is an engine, but it could not be asked.
    pub(super) observed: Option<Observed>,
    pub(super) engine_running: bool,
}

/// Makes the plan from what is recorded and observed. Called again inside the write transaction.
pub(super) type Planner<'a> = dyn Fn(&Fleet, &Sight) -> Result<Plan, Vec<Refusal>> + 'a;

/// How a plan is carried out.
pub(super) struct Job<'a> {
    pub(super) mode: Mode,
    pub(super) planner: &'a Planner<'a>,
    pub(super) max_removals: Option<usize>,
    pub(super) all: bool,
    pub(super) yes: bool,
    pub(super) dry_run: bool,
    pub(super) exit_code: bool,
    pub(super) wait: WaitArgs,
    /// Whether the LAN is asked if the plan's new addresses are free.
    pub(super) probe: Policy,
    /// Called with the plan of a dry run (`plan --out`).
    pub(super) keep: Option<&'a dyn Fn(&Plan) -> CliResult>,
    /// The question at the prompt.
    pub(super) question: &'a str,
}

impl<'a> Job<'a> {
    /// A job that asks before it applies, bounds nothing, and takes no new address.
    pub(super) fn new(mode: Mode, planner: &'a Planner<'a>, wait: WaitArgs, question: &'a str) -> Self {
        Self {
            mode,
            planner,
            max_removals: None,
            all: false,
            yes: false,
            dry_run: false,
            exit_code: false,
            wait,
            probe: Policy::Skip,
            keep: None,
            question,
        }
    }
}

/// Plans, shows, asks, applies, reports.
pub(super) fn run(cx: &mut Context, job: &Job<'_>) -> CliResult {
    cx.fits("this command", &[Output::Table, Output::Wide, Output::Json, Output::Name])?;
    let fleet = cx.fleet()?;
    let sight = look(cx)?;
    let mut plan = checked(cx, job, &fleet, &sight)?;
    if !job.dry_run {
        preflight(cx, &plan)?;
    }
    let mut probe = Probe::new(job.probe);
    probed(cx, job, &mut probe, &fleet, &mut plan)?;
    for warning in &plan.warnings {
        cx.ui.warn(&crate::event::escape::text(warning));
    }
    if let Some(keep) = job.keep {
        keep(&plan)?;
    }
    // A reconcile also waits for what an earlier command began and nobody saw end.
    let in_flight =
        if job.mode == Mode::Reconcile && !job.dry_run { unfinished(&fleet, &plan) } else { Vec::new() };
    if job.dry_run || plan.is_empty() && in_flight.is_empty() {
        show(cx, job, &plan);
        report(cx, &plan, &if job.dry_run { Outcome::planned() } else { applied(Vec::new()) });
        return if job.exit_code && !plan.is_empty() { Err(CliError::silent(Kind::Pending)) } else { Ok(()) };
    }
    let asked = !job.yes && cx.ui.may_ask();
    if asked {
        show(cx, job, &plan);
        let yes = cx
            .ui
            .confirm(job.question)
            .map_err(|e| CliError::new(Kind::Failure, format!("cannot read the answer: {e}")))?;
        if !yes {
            return Err(CliError::new(Kind::Declined, "declined; nothing was changed"));
        }
        // A person may have thought for long.
        probe.forget();
        probed(cx, job, &mut probe, &fleet, &mut plan)?;
    }
    let shown = asked.then_some(&plan);
    let (plan, ids) = commit(cx, job, &sight, shown, &mut probe)?;
    if !asked {
        show(cx, job, &plan);
    }
    let mut names: Vec<String> = plan.changes.iter().map(|c| c.name.clone()).collect();
    names.extend(in_flight);
    let outcome = if job.wait.no_wait { poke(cx, ids)? } else { watch(cx, &names, ids, job.wait)? };
    conclude(cx, &plan, &outcome, job, names.len())
}

/// Refuses what this host cannot do before anything is written.
fn preflight(cx: &mut Context, plan: &Plan) -> CliResult {
    let starts = plan.changes.iter().any(|change| change.action != Action::Remove);
    if let Some(network) = plan.network.as_ref().filter(|_| starts) {
        crate::engine::fabric::preflight(network)?;
        if network.host_access && network.driver == Driver::Ipvlan {
            cx.ui.warn(
                "`host_access` has no effect with ipvlan: this host cannot reach its own deckies; try them from another machine",
            );
        }
    }
    Ok(())
}

/// Rows on their way somewhere that the plan does not mention.
fn unfinished(fleet: &Fleet, plan: &Plan) -> Vec<String> {
    let moving = |row: &&Recorded| matches!(row.state, State::Pending | State::TearingDown);
    let planned: HashSet<&str> = plan.changes.iter().map(|c| c.name.as_str()).collect();
    let rows = fleet.members.iter().filter(moving).filter(|row| row.host_uuid == "local");
    rows.filter(|row| !planned.contains(row.name.as_str())).map(|row| row.name.clone()).collect()
}

/// What the engine sees.
pub(super) fn look(cx: &mut Context) -> CliResult<Sight> {
    Ok(match crate::engine::observe(&cx.state_dir()?) {
        Ok(Some(observed)) => Sight { observed: Some(observed), engine_running: true },
        // No engine: its workers end with it, so nothing runs.
        Ok(None) => Sight { observed: Some(Observed::default()), engine_running: false },
        Err(error) => {
            cx.ui.warn(&format!("the engine cannot be asked what runs: {error}"));
            Sight { observed: None, engine_running: true }
        }
    })
}

fn checked(cx: &mut Context, job: &Job<'_>, fleet: &Fleet, sight: &Sight) -> CliResult<Plan> {
    let planned = (job.planner)(fleet, sight).and_then(|plan| {
        fleet::gate(&plan, job.max_removals).map_err(|refusal| vec![refusal])?;
        Ok(plan)
    });
    planned.map_err(|refusals| refuse(cx, job.mode, &refusals))
}

/// Asks the LAN about addresses that were not asked about yet.
fn probed(cx: &mut Context, job: &Job<'_>, probe: &mut Probe, fleet: &Fleet, plan: &mut Plan) -> CliResult {
    let refusals = probe.ask(cx, fleet, plan)?;
    if refusals.is_empty() { Ok(()) } else { Err(refuse(cx, job.mode, &refusals)) }
}

enum Stop {
    Store(StoreError),
    Refused(Vec<Refusal>),
    Changed,
    /// It came out with other addresses, about which the LAN was not asked.
    Unprobed(Box<(Plan, Fleet)>),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Plans once more inside the write transaction and commits the intent. A plan that a person said
/// yes to must come out the same; otherwise nothing is written.
fn commit(
    cx: &mut Context,
    job: &Job<'_>,
    sight: &Sight,
    shown: Option<&Plan>,
    probe: &mut Probe,
) -> CliResult<(Plan, Vec<LifecycleId>)> {
    let mut store = Store::open_write(&cx.make_state_dir()?.db())?;
    for _ in 0..MOST_PROBED {
        match try_commit(cx, job, sight, shown, probe, &mut store) {
            Ok(done) => return Ok(done),
            // The LAN is not asked while the store is locked.
            Err(Stop::Unprobed(other)) => {
                let (mut plan, fleet) = *other;
                probed(cx, job, probe, &fleet, &mut plan)?;
            }
            Err(Stop::Store(error)) => return Err(error.into()),
            Err(Stop::Refused(refusals)) => return Err(refuse(cx, job.mode, &refusals)),
            Err(Stop::Changed) => return Err(changed()),
        }
    }
    Err(CliError::new(Kind::Busy, "other deploys took the addresses of this one again and again")
        .hint("nothing was changed; run the command again"))
}

fn changed() -> CliError {
    CliError::new(
        Kind::Conflict,
        "the fleet changed between the plan that was shown and now; nothing was changed",
    )
    .hint("run the command again to see the new plan")
}

fn try_commit(
    cx: &Context,
    job: &Job<'_>,
    sight: &Sight,
    shown: Option<&Plan>,
    probe: &Probe,
    store: &mut Store,
) -> Result<(Plan, Vec<LifecycleId>), Stop> {
    let now = cx.now();
    store.transact(|txn| {
        let fleet = txn.fleet()?;
        let plan = (job.planner)(&fleet, sight).map_err(Stop::Refused)?;
        fleet::gate(&plan, job.max_removals).map_err(|r| Stop::Refused(vec![r]))?;
        if shown.is_some_and(|shown| !same(shown, &plan)) {
            return Err(Stop::Changed);
        }
        if !probe.covers(&plan) {
            return Err(Stop::Unprobed(Box::new((plan, fleet))));
        }
        let ids = txn.commit_intent(&plan.intent(), now)?;
        Ok((plan, ids))
    })
}

/// Equal but for the store: making an empty one gives it an id.
fn same(shown: &Plan, now: &Plan) -> bool {
    shown.changes == now.changes && shown.network == now.network && shown.store.serial == now.store.serial
}

/// Shows refusals, all at once, and gives the error that carries the exit code.
fn refuse(cx: &mut Context, mode: Mode, refusals: &[Refusal]) -> CliError {
    if cx.output == Output::Json {
        cx.json(&wire::refused(mode, refusals));
    }
    for refusal in refusals {
        let place = match (&refusal.file, refusal.line) {
            (Some(file), Some(line)) => format!("{}:{line}: ", crate::event::escape::text(file)),
            _ => String::new(),
        };
        cx.ui.error(&format!("{place}{}", crate::event::escape::lines(&refusal.message)));
    }
    cx.ui.note("Nothing was changed.");
    CliError::silent(exit_kind(refusals))
}

/// The exit code of refusals: what the person must mend first wins.
pub(super) fn exit_kind(refusals: &[Refusal]) -> Kind {
    let has = |kind: RefusalKind| refusals.iter().any(|r| r.kind == kind);
    if has(RefusalKind::Invalid) {
        Kind::Invalid
    } else if has(RefusalKind::NotFound) {
        Kind::NotFound
    } else if has(RefusalKind::Conflict) {
        Kind::Conflict
    } else if has(RefusalKind::Environment) {
        Kind::Environment
    } else {
        Kind::Refused
    }
}

fn show(cx: &mut Context, job: &Job<'_>, plan: &Plan) {
    if matches!(cx.output, Output::Table | Output::Wide) {
        let text = plan_text::render(plan, cx.ui.color_out(), job.all || cx.output == Output::Wide);
        cx.ui.data(&text);
    }
}

fn report(cx: &mut Context, plan: &Plan, outcome: &Outcome) {
    match cx.output {
        Output::Json => cx.json(&wire::plan(plan, outcome)),
        Output::Name => {
            let names: String = plan.changes.iter().map(|c| format!("{}\n", c.name)).collect();
            cx.ui.data(&names);
        }
        _ => {}
    }
}

fn applied(ids: Vec<LifecycleId>) -> Outcome {
    Outcome { state: ResultState::Applied, lifecycle_ids: ids, failed: Vec::new() }
}

/// Makes sure an engine runs and knows that there is work.
fn poke(cx: &mut Context, ids: Vec<LifecycleId>) -> CliResult<Outcome> {
    // Asking about no decky at all is answered at once, and has it look at the store.
    cx.engine()?.sync(Some(&[]), Some(DEFAULT_WAIT), &mut |_| {})?;
    cx.ui.note("The intent is recorded; the engine works on it. `decnet lifecycle` shows how far it is.");
    Ok(Outcome { state: ResultState::Planned, lifecycle_ids: ids, failed: Vec::new() })
}

/// Watches the engine until each of these deckies has ended, one way or the other.
fn watch(cx: &mut Context, names: &[String], ids: Vec<LifecycleId>, wait: WaitArgs) -> CliResult<Outcome> {
    let mut open: std::collections::BTreeSet<String> = names.iter().cloned().collect();
    let mut failed = Vec::new();
    let mut progress = Progress::new(&cx.ui, names.len());
    let interrupt = super::interrupt::Watch::start();
    let client = cx.engine();
    let ended = {
        let ui = &mut cx.ui;
        let mut seen = |p: Step| {
            if !open.remove(&p.name) {
                return;
            }
            let mark = match p.state {
                Ending::Running | Ending::Gone => Mark::Good,
                Ending::Degraded => Mark::Partly,
                Ending::Failed | Ending::TeardownFailed => Mark::Bad,
            };
            progress.ended(ui, &p.name, p.state.as_str(), mark, p.error.as_deref());
            if mark != Mark::Good {
                let error = p.error.clone().unwrap_or_else(|| format!("ended as {}", p.state.as_str()));
                failed.push(Failed { name: p.name.clone(), error });
            }
        };
        let limit = Some(wait.timeout.unwrap_or(DEFAULT_WAIT));
        client
            .and_then(|client| Ok(client.sync_until(Some(names), limit, &|| interrupt.came(), &mut seen)?))
    };
    progress.finish();
    let why = match &ended {
        Ok(()) => "not reached".to_owned(),
        Err(error) => error.to_string(),
    };
    if let Some(kind) = interrupt.kind() {
        let left: Vec<String> = open.into_iter().collect();
        return Err(interrupted(kind, names.len(), &failed, &left));
    }
    if let Err(error) = &ended {
        cx.ui.error(&crate::event::escape::text(&error.to_string()));
    }
    failed.extend(open.into_iter().map(|name| Failed { name, error: format!("not finished: {why}") }));
    failed.sort_by(|a, b| a.name.cmp(&b.name));
    let state = if failed.is_empty() { ResultState::Applied } else { ResultState::Partial };
    Ok(Outcome { state, lifecycle_ids: ids, failed })
}

fn interrupted(kind: Kind, total: usize, failed: &[Failed], left: &[String]) -> CliError {
    let done = total - failed.len() - left.len();
    let message = format!(
        "interrupted: {done} done, {} failed, {} not finished; everything is recorded and the engine goes on",
        failed.len(),
        left.len()
    );
    CliError::new(kind, message)
        .hint("`decnet status` shows where it stands, `decnet lifecycle` the operations")
}

fn conclude(cx: &mut Context, plan: &Plan, outcome: &Outcome, job: &Job<'_>, total: usize) -> CliResult {
    report(cx, plan, outcome);
    let failed = outcome.failed.len();
    let done = total - failed;
    match outcome.state {
        ResultState::Applied => cx.ui.note(&format!("Applied: {done} done.")),
        ResultState::Planned | ResultState::Refused => {}
        ResultState::Partial => {
            cx.ui.error(&format!("applied in part: {done} done, {failed} failed or not finished"));
            for one in &outcome.failed {
                let line = format!("  {}: {}", one.name, one.error);
                cx.ui.error(&crate::event::escape::text(&line));
            }
            cx.ui.hint("`decnet status` shows the reasons; `decnet reconcile` tries again");
            return Err(CliError::silent(Kind::Partial));
        }
    }
    if job.exit_code && outcome.state == ResultState::Planned {
        return Err(CliError::silent(Kind::Pending));
    }
    Ok(())
}
