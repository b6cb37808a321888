//! The loop: compares what is recorded with what runs, acts on the difference, records what came of it.
//!
//! Level-triggered. Requests, crashes, timers and a poll only say *when* to look; what to do comes from
//! [`decide`](super::decide) alone. Nothing in here is lost when the process is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::engine::protocol::Reply;
use crate::engine::{Engine, EngineError, EngineStatus, ErrorKind, Held, Notice, Order};
use crate::model::{DeckyName, Fleet, Outcome, OutcomeKind, State};
use crate::store::StoreError;

use super::control::Ask;
use super::decide::{self, Row, Step, decide};
use super::ledger::{Answer, Ledger};
use super::waiters::Waiters;
use super::{log, timers};

/// So many times as long as the last look took, the next one waits: a large fleet's must not take all the time.
const SHARE: u32 = 16;
/// How often the store is read although nobody asked: rows that another tool wrote.
const POLL: Duration = Duration::from_secs(5);
/// Pause before a store that failed is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Clients are told after the store failed for so long.
const STORE_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a draw of services that did not work.
const DRAW_PAUSE: Duration = Duration::from_secs(60);
/// How long all workers together may take to end.
const ENDING: Duration = Duration::from_secs(15);
/// How long the last records may take.
const LAST_WORDS: Duration = Duration::from_secs(35);
/// What rows say after the engine was stopped.
const STOPPED: &str = "the engine was stopped";

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was told to: clients that wait for it.
    Asked,
    /// It is to give its place to this program; who asked is told what came of it.
    Replaced(PathBuf, mpsc::UnboundedSender<Reply>),
    /// Its state directory is gone: there is nothing left to work for.
    Orphaned,
}

/// A store that fails: since when, and why.
type Trouble = Option<(Instant, String)>;

/// The loop and all it knows.
pub(super) struct Loop<E> {
    pub(super) engine: E,
    ledger: Ledger,
    asks: mpsc::UnboundedReceiver<Ask>,
    started_at: Timestamp,
    started: Instant,
    fleet: Fleet,
    rows: Vec<Row>,
    /// When the next decky of `fleet` is due for other services, in seconds since 1970.
    due: Option<f64>,
    /// Deckies at work, or at an end that is not recorded, with the number it came after.
    news: BTreeMap<String, u64>,
    /// What was handed to the ledger since the last load, with its number.
    reported: BTreeMap<String, (u64, Outcome)>,
    loaded: bool,
    loading: bool,
    reload: bool,
    recording: bool,
    drawing: bool,
    draw_not_before: Instant,
    poll_at: Instant,
    /// When what was heard of is to be acted on.
    act_at: Option<Instant>,
    /// How long the last [`Loop::act`] took.
    act_cost: Duration,
    /// When the load under way was asked for, and how long the last one took.
    load_began: Instant,
    load_cost: Duration,
    unreadable: Trouble,
    unwritable: Trouble,
    waiters: Waiters,
    leavers: Vec<mpsc::UnboundedSender<Reply>>,
}

impl<E: Engine> Loop<E> {
    pub(super) fn new(engine: E, ledger: Ledger, asks: mpsc::UnboundedReceiver<Ask>) -> Self {
        let now = Instant::now();
        Self {
            engine,
            ledger,
            asks,
            started_at: Timestamp::now(),
            started: now,
            fleet: Fleet::default(),
            rows: Vec::new(),
            due: None,
            news: BTreeMap::new(),
            reported: BTreeMap::new(),
            loaded: false,
            loading: false,
            reload: false,
            recording: false,
            drawing: false,
            draw_not_before: now,
            poll_at: now,
            act_at: None,
            act_cost: Duration::ZERO,
            load_began: now,
            load_cost: Duration::ZERO,
            unreadable: None,
            unwritable: None,
            waiters: Waiters::default(),
            leavers: Vec::new(),
        }
    }

    /// Runs until it is told to end. `in_place`: whether the state directory is still ours.
    pub(super) async fn run(&mut self, ends: &mut Ends, in_place: impl Fn() -> bool) -> End {
        loop {
            let draw_at = self.draw_at();
            let act_at = self.act_at.unwrap_or(draw_at);
            tokio::select! {
                notice = self.engine.next() => self.noticed(notice),
                answer = self.ledger.next() => self.answered(answer),
                Some(ask) = self.asks.recv() => {
                    if let Some(end) = self.asked(ask) {
                        return end;
                    }
                }
                () = ends.wait() => return End::Asked,
                () = tokio::time::sleep_until(self.poll_at) => {
                    if !in_place() {
                        return End::Orphaned;
                    }
                    self.poll_at = Instant::now() + POLL;
                    self.load();
                }
                () = tokio::time::sleep_until(act_at), if self.act_at.is_some() => {
                    // Nothing to record, so no look follows by itself: who waits is told after one all the same.
                    if !self.act() && !self.waiters.is_empty() {
                        self.load();
                    }
                }
                () = tokio::time::sleep_until(draw_at) => self.draw(),
            }
        }
    }

    fn load(&mut self) {
        if self.loading {
            self.reload = true;
        } else {
            self.loading = true;
            self.load_began = Instant::now();
            self.ledger.load();
        }
    }

    fn noticed(&mut self, notice: Notice) {
        let name = match notice {
            Notice::Settled(name) => {
                if let Some(held) = self.engine.held(&name).filter(|h| h.state != State::Running) {
                    let why = held.reason.unwrap_or_default();
                    log::line(&format!("{name} is {}: {why}", held.state));
                }
                name
            }
            Notice::Gone(name) => name,
            Notice::Stuck(name, why) => {
                log::line(&format!("{name} cannot be ended: {why}"));
                name
            }
        };
        self.news.insert(name.as_str().to_owned(), self.ledger.number());
        // To look at a large fleet takes a while: what comes in meanwhile is looked at together.
        self.act_at.get_or_insert(Instant::now() + self.act_cost * SHARE);
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Loaded { number, fleet } => {
                self.loading = false;
                match fleet {
                    Ok(fleet) => {
                        self.look(number, *fleet);
                        self.load_cost = self.load_began.elapsed();
                    }
                    Err(error) => self.trouble(&error, true),
                }
                if std::mem::take(&mut self.reload) {
                    self.load();
                }
            }
            Answer::Recorded { number, names, error } => {
                self.recording = false;
                for name in names {
                    if self.news.get(&name).is_some_and(|since| *since < number) {
                        self.news.remove(&name);
                    }
                }
                match error {
                    None => {
                        self.unwritable = None;
                        if self.news.is_empty() {
                            self.load();
                        } else {
                            // More is to come: neither thread is to be busy with loads alone.
                            self.poll_at = self.poll_at.min(Instant::now() + self.load_cost * SHARE);
                        }
                    }
                    Some(error) => self.trouble(&error, false),
                }
            }
            Answer::Mutated { names, error } => {
                self.drawing = false;
                if let Some(error) = error {
                    log::line(&format!("no new services for {}: {error}", names.join(", ")));
                } else if !names.is_empty() {
                    log::line(&format!("drew new services for {}", names.join(", ")));
                }
                self.load();
            }
            Answer::Failed(error) => self.trouble(&error, false),
        }
    }

    /// The store failed: it is tried again soon, and clients do not wait for ever.
    fn trouble(&mut self, error: &StoreError, reading: bool) {
        let now = Instant::now();
        let (kept, text) =
            (if reading { &mut self.unreadable } else { &mut self.unwritable }, error.to_string());
        if kept.as_ref().is_none_or(|(_, old)| *old != text) {
            log::line(&text);
        }
        let since = kept.as_ref().map_or(now, |(since, _)| *since);
        *kept = Some((since, text.clone()));
        if now.duration_since(since) >= STORE_PATIENCE {
            self.waiters.fail(&super::store_error(error));
        }
        self.poll_at = self.poll_at.min(now + STORE_PAUSE);
    }

    /// A fresh look at the fleet.
    fn look(&mut self, number: u64, fleet: Fleet) {
        self.unreadable = None;
        self.loaded = true;
        self.engine.forward(fleet.network.as_ref().and_then(|n| n.log_target.clone()));
        self.rows = decide::rows(&fleet, &self.fleet, &self.rows);
        self.due = timers::next(&fleet);
        self.fleet = fleet;
        self.reported.retain(|_, (reported, _)| *reported > number);
        // Old news: the row says it already.
        let (rows, held) = (&self.rows, self.held());
        self.news.retain(|name, _| {
            let held = name.parse::<DeckyName>().ok().and_then(|key| held.get(&key));
            decide::find(rows, name).is_some_and(|row| held.is_none_or(|held| !decide::settled(row, held)))
        });
        self.act();
        let held = self.held();
        self.waiters.tell(number, &self.rows, &held);
    }

    fn held(&self) -> BTreeMap<DeckyName, Held> {
        let names = self.engine.names().into_iter();
        names.filter_map(|name| self.engine.held(&name).map(|held| (name, held))).collect()
    }

    /// Takes the steps from what runs to what is recorded. Whether there is something to record, or was.
    fn act(&mut self) -> bool {
        self.act_at = None;
        if !self.loaded {
            return false;
        }
        let began_at = Instant::now();
        // A row that was written since the last load still reads as it was before.
        let news = self.news.keys().chain(self.reported.keys()).cloned().collect();
        let (mut began, mut outcomes) = (Vec::new(), Vec::new());
        for step in decide(&self.rows, &self.held(), &news) {
            match step {
                Step::Start(order) => {
                    began.push(order.decky.name.as_str().to_owned());
                    self.engine.start(Order::clone(&order));
                }
                Step::Retry(name) => {
                    began.push(name.as_str().to_owned());
                    self.engine.retry(&name);
                }
                Step::Stop(name) => {
                    began.push(name.as_str().to_owned());
                    self.engine.stop(&name);
                }
                Step::Report(outcome) => {
                    if self.reported.get(&outcome.name).is_none_or(|(_, sent)| *sent != outcome) {
                        outcomes.push(outcome);
                    }
                }
            }
        }
        if !began.is_empty() {
            // What comes of it is news even before it is heard of.
            let number = self.ledger.number();
            self.news.extend(began.iter().map(|name| (name.clone(), number)));
            self.ledger.began(began);
        }
        // One batch at a time: what settles meanwhile goes into the next.
        if !outcomes.is_empty() && !self.recording {
            self.recording = true;
            let number = self.ledger.record(self.fleet.store.serial, outcomes.clone());
            self.reported.extend(outcomes.into_iter().map(|o| (o.name.clone(), (number, o))));
        }
        self.act_cost = began_at.elapsed();
        self.recording || !self.reported.is_empty()
    }

    /// How it is to end, when it is told to.
    fn asked(&mut self, ask: Ask) -> Option<End> {
        match ask {
            Ask::Status(tell) => {
                // A client that left does not want to know any more.
                let _ = tell.send(self.status());
            }
            Ask::Pulse(tell) => {
                let _ = tell.send(self.pulse());
            }
            Ask::Sync { names, tell } => {
                self.waiters.add(self.ledger.number(), names, tell);
                self.load();
            }
            Ask::Stop(tell) => {
                self.leavers.push(tell);
                return Some(End::Asked);
            }
            Ask::Replace { program, tell } => return Some(End::Replaced(program, tell)),
        }
        None
    }

    /// Leaves everything as it is for another program; what is under way is left to it too.
    pub(super) fn leave(self) -> E {
        self.ledger.close();
        self.engine
    }

    fn status(&self) -> EngineStatus {
        let trouble = self.unreadable.as_ref().or(self.unwritable.as_ref());
        EngineStatus {
            format_version: 1,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            uptime_secs: self.started.elapsed().as_secs(),
            serial: self.fleet.store.serial,
            store_error: trouble.map(|(_, text)| text.clone()),
            event_writer: self.engine.writer(),
            // It observes itself: nothing to be asked that could fail.
            deckies: self.engine.observe().unwrap_or_default(),
        }
    }

    /// One line about all of it.
    fn pulse(&self) -> String {
        let held = self.held();
        let up = held.values().filter(|held| held.state == State::Running).count();
        let trouble = self.unreadable.as_ref().or(self.unwritable.as_ref());
        let store = trouble.map_or("", |_| "; the store fails, see the log");
        format!("{up} of {} deckies run{store}", held.len())
    }

    fn draw_at(&self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(86_400);
        if self.drawing || !self.loaded {
            return far;
        }
        let left = self.due.map(|at| at - timers::seconds(Timestamp::now()));
        let wait = left.and_then(|left| Duration::try_from_secs_f64(left.max(0.0)).ok());
        wait.and_then(|wait| now.checked_add(wait)).map_or(far, |at| at.max(self.draw_not_before).min(far))
    }

    fn draw(&mut self) {
        let due = timers::due(&self.fleet, timers::seconds(Timestamp::now()));
        self.draw_not_before = Instant::now() + DRAW_PAUSE;
        if !due.is_empty() {
            self.drawing = true;
            self.ledger.mutate(due);
        }
    }

    /// Ends every decky and says so in the rows of those that ran. A second wish to end cuts it short.
    pub(super) async fn finish(mut self, ends: &mut Ends, asked: bool) -> E {
        let gone = EngineError::new(ErrorKind::Missing, "the engine was stopped while it was at work")
            .remedy("`decnet reconcile` starts it again and finishes what was left");
        self.waiters.fail(&gone);
        let ran: Vec<Outcome> = self
            .held()
            .into_iter()
            .filter(|(_, held)| held.state != State::Failed)
            .map(|(name, _)| Outcome {
                name: name.as_str().to_owned(),
                kind: OutcomeKind::State(State::Pending, Some(STOPPED.to_owned())),
            })
            .collect();
        for name in self.engine.names() {
            self.engine.stop(&name);
        }
        let deadline = Instant::now() + ENDING;
        let mut stuck = BTreeSet::new();
        while self.engine.names().iter().any(|name| !stuck.contains(name)) {
            tokio::select! {
                notice = self.engine.next() => if let Notice::Stuck(name, why) = notice {
                    log::line(&format!("{name} cannot be ended: {why}"));
                    stuck.insert(name);
                },
                () = ends.wait() => break,
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        if asked && !ran.is_empty() {
            let last = self.ledger.record(self.fleet.store.serial, ran);
            let deadline = Instant::now() + LAST_WORDS;
            loop {
                tokio::select! {
                    answer = self.ledger.next() => if let Answer::Recorded { number, error, .. } = answer {
                        if let Some(error) = error {
                            log::line(&error.to_string());
                        }
                        if number == last {
                            break;
                        }
                    },
                    () = ends.wait() => break,
                    () = tokio::time::sleep_until(deadline) => break,
                }
            }
        }
        self.ledger.close();
        for leaver in self.leavers {
            let _ = leaver.send(Reply::Done);
        }
        self.engine
    }
}

/// The signals that end the engine.
pub(super) struct Ends {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
}

impl Ends {
    /// Waits for one of them. Safe to cancel.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests;
