//! How far one source may go: open connections and events, with bounded memory.
//!
//! Pure: the clock is handed in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::WorkerLimits;

/// Sources whose events are counted one by one; further ones share a budget.
const SOURCES_MAX: usize = 4096;
/// Sources that are known to receive what is sent to them.
const PROVED_MAX: usize = 4096;
/// How long that is believed: the address may be another's by then.
const PROVED_FOR: Duration = Duration::from_secs(600);
/// Answers to all sources together, as a multiple of those to one.
const ALL_SOURCES: u32 = 20;
/// What "a minute" is in `events_per_minute`.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts what sources do.
pub(super) struct Governor {
    limits: WorkerLimits,
    state: Mutex<State>,
    pending: tokio::sync::Notify,
}

#[derive(Default)]
struct State {
    /// Open connections in all.
    open: usize,
    /// Open connections by source; no more entries than connections.
    by_source: HashMap<IpAddr, usize>,
    /// Events by source; at most [`SOURCES_MAX`].
    budgets: HashMap<IpAddr, Budget>,
    /// Events of the sources that found no room.
    shared: Option<Budget>,
    /// When a source last proved that it receives; at most [`PROVED_MAX`].
    proved: HashMap<IpAddr, Instant>,
    /// Datagrams sent within the second that began then; no more entries than datagrams.
    answers: Option<(Instant, u32, HashMap<IpAddr, u32>)>,
}

#[derive(Clone, Copy)]
struct Budget {
    since: Instant,
    events: u32,
    suppressed: u64,
    refused: u64,
}

impl Budget {
    fn new(since: Instant) -> Self {
        Self { since, events: 0, suppressed: 0, refused: 0 }
    }

    fn over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }

    fn quiet(&self) -> bool {
        self.suppressed == 0 && self.refused == 0
    }
}

/// Which limit a connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Of the decky.
    Decky,
    /// Of the source.
    Source,
}

/// What was left out of the record of one source (none: of all that share a budget).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// Who.
    pub(super) source: Option<IpAddr>,
    /// Events that were not recorded.
    pub(super) suppressed: u64,
    /// Connections that were refused beyond the first, which has an event of its own.
    pub(super) refused: u64,
}

/// An open connection; gives its place back when dropped.
pub(super) struct Permit {
    governor: Arc<Governor>,
    source: IpAddr,
}

impl Governor {
    /// A governor with nothing counted.
    pub(super) fn new(limits: WorkerLimits) -> Self {
        Self { limits, state: Mutex::default(), pending: tokio::sync::Notify::new() }
    }

    /// A place for a connection from `source`, or which limit it met.
    pub(super) fn admit(self: &Arc<Self>, source: IpAddr) -> Result<Permit, Limit> {
        let mut state = self.lock();
        if state.by_source.get(&source).is_some_and(|n| *n >= self.limits.per_source) {
            return Err(Limit::Source);
        }
        if state.open >= self.limits.connections {
            return Err(Limit::Decky);
        }
        state.open += 1;
        *state.by_source.entry(source).or_default() += 1;
        drop(state);
        Ok(Permit { governor: self.clone(), source })
    }

    /// Whether an event that `source` caused may be recorded; counts it either way.
    pub(super) fn allow_event(&self, source: IpAddr, now: Instant) -> bool {
        let most = self.limits.events_per_minute;
        let mut state = self.lock();
        let budget = state.budget(source, now);
        if budget.events < most {
            budget.events += 1;
            return true;
        }
        budget.suppressed += 1;
        drop(state);
        self.pending.notify_one();
        false
    }

    /// Notes that `source` receives what is sent to it.
    pub(super) fn prove(&self, source: IpAddr, now: Instant) {
        let mut state = self.lock();
        if state.proved.len() >= PROVED_MAX && !state.proved.contains_key(&source) {
            let fresh = |at: &Instant| now.saturating_duration_since(*at) < PROVED_FOR;
            state.proved.retain(|_, at| fresh(at));
            if state.proved.len() >= PROVED_MAX {
                return;
            }
        }
        state.proved.insert(source, now);
    }

    /// Whether `source` proved lately that it receives what is sent to it.
    pub(super) fn is_proved(&self, source: IpAddr, now: Instant) -> bool {
        let at = self.lock().proved.get(&source).copied();
        at.is_some_and(|at| now.saturating_duration_since(at) < PROVED_FOR)
    }

    /// Whether a datagram may be sent to `source`; counts it.
    pub(super) fn allow_answer(&self, source: IpAddr, now: Instant) -> bool {
        let most = self.limits.answers_per_second;
        let mut state = self.lock();
        let over = |since: &Instant| now.saturating_duration_since(*since) >= Duration::from_secs(1);
        if state.answers.as_ref().is_none_or(|(since, ..)| over(since)) {
            state.answers = Some((now, 0, HashMap::new()));
        }
        let Some((_, all, by_source)) = &mut state.answers else { return false };
        if *all >= most.saturating_mul(ALL_SOURCES) {
            return false;
        }
        let count = by_source.entry(source).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        *all += 1;
        true
    }

    /// Whether this is the first refused connection of `source` for a while; counts the others.
    pub(super) fn first_refusal(&self, source: IpAddr, now: Instant) -> bool {
        let mut state = self.lock();
        let budget = state.budget(source, now);
        budget.refused += 1;
        let first = budget.refused == 1;
        drop(state);
        self.pending.notify_one();
        first
    }

    /// What was left out and not yet told, of windows that are over.
    pub(super) fn due(&self, now: Instant) -> Vec<Summary> {
        let mut state = self.lock();
        let mut told = Vec::new();
        state.budgets.retain(|source, budget| {
            if !budget.over(now) {
                return true;
            }
            told.extend(summary(Some(*source), budget));
            false
        });
        if state.shared.is_some_and(|b| b.over(now)) {
            told.extend(state.shared.take().and_then(|b| summary(None, &b)));
        }
        let left = state.budgets.values().chain(&state.shared).any(|b| !b.quiet());
        drop(state);
        if left {
            self.pending.notify_one();
        }
        told
    }

    /// Says that there is something to report.
    pub(super) fn wake(&self) {
        self.pending.notify_one();
    }

    /// Waits until there is something to report.
    pub(super) async fn pending(&self) {
        self.pending.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn summary(source: Option<IpAddr>, budget: &Budget) -> Option<Summary> {
    let refused = budget.refused.saturating_sub(1);
    (budget.suppressed > 0 || refused > 0).then_some(Summary {
        source,
        suppressed: budget.suppressed,
        refused,
    })
}

impl State {
    /// The budget of this minute. One that ended with something untold is kept by adding to it: the
    /// count is told late rather than lost.
    fn budget(&mut self, source: IpAddr, now: Instant) -> &mut Budget {
        if !self.budgets.contains_key(&source) && self.budgets.len() >= SOURCES_MAX {
            self.budgets.retain(|_, b| !(b.over(now) && b.quiet()));
        }
        let budget = if self.budgets.contains_key(&source) || self.budgets.len() < SOURCES_MAX {
            self.budgets.entry(source).or_insert_with(|| Budget::new(now))
        } else {
            self.shared.get_or_insert_with(|| Budget::new(now))
        };
        if budget.over(now) && budget.quiet() {
            *budget = Budget::new(now);
        }
        budget
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.governor.lock();
        state.open = state.open.saturating_sub(1);
        if let Some(count) = state.by_source.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn governor() -> Arc<Governor> {
        let limits =
            WorkerLimits { connections: 3, per_source: 2, events_per_minute: 2, ..WorkerLimits::default() };
        Arc::new(Governor::new(limits))
    }

    #[test]
    fn connections_are_bounded_and_given_back() {
        let governor = governor();
        let first = governor.admit(A).ok().unwrap();
        let _second = governor.admit(A).ok().unwrap();
        assert_eq!(governor.admit(A).err(), Some(Limit::Source));
        let _third = governor.admit(B).ok().unwrap();
        assert_eq!(governor.admit(B).err(), Some(Limit::Decky));
        drop(first);
        assert!(governor.admit(B).is_ok());
        drop((_second, _third));
        assert!(governor.lock().by_source.is_empty());
    }

    #[test]
    fn events_are_bounded_and_what_is_left_out_is_told_once() {
        let governor = governor();
        let start = Instant::now();
        let allowed = (0..10).filter(|_| governor.allow_event(A, start)).count();
        assert_eq!(allowed, 2);
        assert!(governor.allow_event(B, start));
        assert_eq!(governor.due(start), []);
        let later = start + WINDOW;
        assert_eq!(governor.due(later), [Summary { source: Some(A), suppressed: 8, refused: 0 }]);
        assert_eq!(governor.due(later), []);
        assert!(governor.allow_event(A, later));
    }

    #[test]
    fn refusals_have_one_event_and_one_summary() {
        let governor = governor();
        let start = Instant::now();
        let first: Vec<_> = (0..5).map(|_| governor.first_refusal(A, start)).collect();
        assert_eq!(first, [true, false, false, false, false]);
        let told = governor.due(start + WINDOW);
        assert_eq!(told, [Summary { source: Some(A), suppressed: 0, refused: 4 }]);
    }

    #[test]
    fn proof_is_believed_for_a_while_and_bounded() {
        let governor = governor();
        let now = Instant::now();
        governor.prove(A, now);
        assert!(governor.is_proved(A, now) && !governor.is_proved(B, now));
        assert!(!governor.is_proved(A, now + PROVED_FOR));
        for n in 0..10_000u32 {
            governor.prove(IpAddr::V4(n.into()), now);
        }
        assert_eq!(governor.lock().proved.len(), PROVED_MAX);
        governor.prove(B, now + PROVED_FOR);
        assert_eq!(governor.lock().proved.len(), 1);
    }

    #[test]
    fn answers_are_bounded_by_the_second() {
        let limits = WorkerLimits { answers_per_second: 3, ..WorkerLimits::default() };
        let governor = Governor::new(limits);
        let now = Instant::now();
        assert_eq!((0..9).filter(|_| governor.allow_answer(A, now)).count(), 3);
        let all = (0..999u32).filter(|n| governor.allow_answer(IpAddr::V4((*n).into()), now)).count();
        assert_eq!(all, 57);
        assert!(governor.allow_answer(A, now + Duration::from_secs(1)));
    }

    #[test]
    fn the_table_of_sources_is_bounded() {
        let governor = governor();
        let now = Instant::now();
        let mut allowed = 0;
        for n in 0..20_000u32 {
            allowed += u32::from(governor.allow_event(IpAddr::V4(n.into()), now));
        }
        assert_eq!(governor.lock().budgets.len(), SOURCES_MAX);
        assert_eq!(allowed as usize, SOURCES_MAX + 2);
        let told = governor.due(now + WINDOW);
        assert_eq!(told, [Summary { source: None, suppressed: 20_000 - u64::from(allowed), refused: 0 }]);
        assert!(governor.lock().budgets.is_empty());
    }
}
