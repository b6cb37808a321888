//! What to do next: a pure function of the recorded rows and of what the engine holds.
//!
//! Level-triggered: it knows no history but the news that are not recorded yet, so it may be asked at
//! any time, after any crash, any number of times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::protocol::Ending;
use crate::engine::{Held, Order, Phase};
use crate::model::{DeckyName, Fleet, Outcome, OutcomeKind, Recorded, State};

/// Longest reason in characters.
const MAX_REASON: usize = 1000;
/// `host_uuid` of rows that this host runs.
const LOCAL: &str = "local";

/// What a row asks for.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// Run this.
    Run(Arc<Order>),
    /// It cannot be run, for this reason.
    Broken(String),
    /// Take it away.
    Remove,
    /// Leave it alone: nothing of it runs here.
    Nothing,
}

/// What a row says, and what it asks for.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) last_error: Option<String>,
    pub(super) wish: Wish,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Run it, in place of what runs under its name.
    Start(Arc<Order>),
    /// Try again at once.
    Retry(DeckyName),
    /// End it.
    Stop(DeckyName),
    /// Write this down.
    Report(Outcome),
}

/// The rows of this host. `known`: those of the fleet `before`; an order is worked out anew only where what
/// it is made from has changed.
pub(super) fn rows(fleet: &Fleet, before: &Fleet, known: &[Row]) -> Vec<Row> {
    let kept = |member: &Recorded| {
        let old = before.get(&member.name).filter(|old| old.host_uuid == LOCAL)?;
        let row = find(known, &member.name)?;
        let same = old.decky == member.decky && old.identity == member.identity;
        // One that cannot be run is cheap to judge again, and its state may have changed what it asks for.
        (same && coming(member.state) && matches!(row.wish, Wish::Run(_))).then(|| row.wish.clone())
    };
    let same_network = fleet.network == before.network && fleet.customs == before.customs;
    let mut rows: Vec<Row> = Vec::with_capacity(fleet.members.len());
    for member in fleet.members.iter().filter(|m| m.host_uuid == LOCAL) {
        // The store keeps names apart; a damaged one must not make two workers of one name.
        if rows.last().is_some_and(|row| row.name == member.name) {
            continue;
        }
        rows.push(Row {
            name: member.name.clone(),
            state: member.state,
            last_error: member.last_error.clone(),
            wish: same_network.then(|| kept(member)).flatten().unwrap_or_else(|| wish(member, fleet)),
        });
    }
    rows
}

/// The row called `name` of rows sorted by name.
pub(super) fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok().and_then(|at| rows.get(at))
}

fn coming(state: State) -> bool {
    matches!(state, State::Pending | State::Running | State::Degraded | State::Failed)
}

fn wish(member: &Recorded, fleet: &Fleet) -> Wish {
    match member.state {
        State::TearingDown | State::TeardownFailed => return Wish::Remove,
        State::TornDown => return Wish::Nothing,
        State::Pending | State::Running | State::Degraded | State::Failed => {}
    }
    let broken = |why: &str| Wish::Broken(why.chars().take(MAX_REASON).collect());
    let decky = match &member.decky {
        Ok(decky) if decky.name.as_str() == member.name => decky,
        Ok(decky) => {
            return broken(&format!(
                "its row is called `{}`, its decky_config `{}`",
                member.name, decky.name
            ));
        }
        Err(why) => return broken(why),
    };
    let Some(network) = &fleet.network else {
        return broken("the fleet has no network yet; the first `decnet deploy` records one");
    };
    let Some(identity) = &member.identity else { return broken("it has no identity") };
    Wish::Run(Arc::new(Order {
        persona: crate::fleet::persona(decky, identity, network),
        hash: crate::fleet::spec_hash(decky, identity, network, &fleet.customs),
        customs: crate::fleet::run_by(decky, &fleet.customs).cloned().collect(),
        decky: decky.clone(),
        mac: identity.mac,
        network: network.clone(),
    }))
}

/// The steps from what is held to what the rows ask for. `news`: deckies with an end that is not
/// recorded yet.
pub(super) fn decide(rows: &[Row], held: &BTreeMap<DeckyName, Held>, news: &BTreeSet<String>) -> Vec<Step> {
    let mut steps = Vec::new();
    for row in rows {
        let key = row.name.parse::<DeckyName>().ok();
        let held = key.as_ref().and_then(|key| held.get(key));
        steps.extend(step(row, held, news.contains(&row.name)));
    }
    let known: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let strays = held.iter().filter(|(name, held)| !known.contains(name.as_str()) && may_stop(held));
    steps.extend(strays.map(|(name, _)| Step::Stop(name.clone())));
    steps
}

fn step(row: &Row, held: Option<&Held>, news: bool) -> Option<Step> {
    let report = |kind| Some(Step::Report(Outcome { name: row.name.clone(), kind }));
    let stop = || row.name.parse().ok().map(Step::Stop);
    match (&row.wish, held) {
        (Wish::Run(order), None) => Some(Step::Start(order.clone())),
        (Wish::Run(order), Some(held)) if held.hash != order.hash || leaving(held) => {
            Some(Step::Start(order.clone()))
        }
        (Wish::Run(order), Some(held)) => {
            if held.state == State::Pending || settled(row, held) {
                None
            } else if row.state == State::Pending && held.phase == Phase::Waiting && !news {
                // Somebody asked for a repair.
                Some(Step::Retry(order.decky.name.clone()))
            } else {
                report(OutcomeKind::State(held.state, held.reason.clone()))
            }
        }
        (Wish::Broken(_) | Wish::Nothing, Some(held)) => may_stop(held).then(stop).flatten(),
        (Wish::Broken(why), None) => {
            if says(row, State::Failed, Some(why)) {
                None
            } else {
                report(OutcomeKind::State(State::Failed, Some(why.clone())))
            }
        }
        (Wish::Remove, Some(held)) if held.phase == Phase::Stuck => {
            let why = held.reason.clone();
            if row.state == State::TearingDown && !news {
                stop()
            } else if says(row, State::TeardownFailed, why.as_deref()) {
                None
            } else {
                report(OutcomeKind::State(State::TeardownFailed, why))
            }
        }
        (Wish::Remove, Some(held)) => may_stop(held).then(stop).flatten(),
        (Wish::Remove, None) => report(OutcomeKind::Gone),
        (Wish::Nothing, None) => None,
    }
}

fn says(row: &Row, state: State, reason: Option<&str>) -> bool {
    row.state == state && row.last_error.as_deref() == reason
}

/// Whether what is held came to an end and the row says so.
pub(super) fn settled(row: &Row, held: &Held) -> bool {
    let state = if held.phase == Phase::Stuck { State::TeardownFailed } else { held.state };
    state != State::Pending && says(row, state, held.reason.as_deref())
}

fn leaving(held: &Held) -> bool {
    matches!(held.phase, Phase::Stopping | Phase::Stuck)
}

fn may_stop(held: &Held) -> bool {
    !leaving(held)
}

/// The end a decky came to, once the row says what the engine sees; none while it is on its way.
pub(super) fn ending(row: Option<&Row>, held: Option<&Held>) -> Option<(Ending, Option<String>)> {
    let Some(row) = row else {
        return held.is_none().then_some((Ending::Gone, None));
    };
    let recorded = || Ending::of(row.state).map(|ending| (ending, row.last_error.clone()));
    match (&row.wish, held) {
        (Wish::Run(order), Some(held)) => {
            let current = held.hash == order.hash && !leaving(held);
            if current && settled(row, held) { recorded() } else { None }
        }
        (Wish::Broken(why), None) => {
            if says(row, State::Failed, Some(why)) {
                recorded()
            } else {
                None
            }
        }
        (Wish::Remove, Some(held)) if held.phase == Phase::Stuck && row.state == State::TeardownFailed => {
            recorded()
        }
        (Wish::Nothing, None) => Some((Ending::Gone, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
