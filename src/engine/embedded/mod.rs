//! The embedded engine: a supervisor that holds every socket and runs one worker process per decky.
//!
//! It never reads a byte of an attacker. Lives on one thread: workers die with the thread that
//! spawned them, so the runtime that drives [`Engine::next`] must be that of the main thread.

mod claims;
mod estate;
mod nursery;
mod process;
mod sentinel;
mod slot;
mod sniffer;
mod wire;
mod worker;
mod writer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::AsFd;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::fabric::{self, Claim, Fabrics, Kept, Prepared};
use super::{Engine, EngineError, ErrorKind, Held, Notice, Observer, Order, Phase, WriterStatus};
use crate::model::{DeckyName, Driver, LogTarget, Observed, State, Watched};
use claims::Claims;
use nursery::Nursery;
use slot::{Place, Slot, Then};
use sniffer::Sniffer;
use wire::Wires;
use worker::{Note, What};
use writer::{Channel, Writer};

pub use estate::{Estate, FORMAT, leave};
pub use writer::WriterOptions;

/// So many workers start at the same time; more would only fight for the processors.
const AT_ONCE: usize = 8;
/// Places that are made ahead of the workers: the set-up thread is never to wait for the main one.
const AHEAD: usize = 16;
/// Number of the interface `lo` in every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Runs deckies as child processes of this one.
pub struct Embedded {
    fabrics: Fabrics,
    wires: Wires,
    claims: Claims,
    slots: BTreeMap<DeckyName, Slot>,
    /// Whose place is to be made.
    queue: VecDeque<DeckyName>,
    /// Whose place is made; a worker is to be started.
    ready: VecDeque<DeckyName>,
    /// Lives whose place the fabric is at, and those whose worker is on its way up.
    preparing: BTreeSet<u64>,
    launching: BTreeSet<u64>,
    /// Whether a decky may wait for its next attempt.
    waiting: bool,
    /// Whose worker is of the program before this one, and who of them is just getting another.
    renewals: VecDeque<DeckyName>,
    renewing: BTreeSet<DeckyName>,
    /// Begins nothing any more.
    resting: bool,
    notices: VecDeque<Notice>,
    tell: mpsc::UnboundedSender<Note>,
    notes: mpsc::UnboundedReceiver<Note>,
    writer: Writer,
    nursery: Nursery,
    sniffer: Sniffer,
    lives: u64,
}

impl Embedded {
    /// Starts the event writer. Must be called inside the runtime of the main thread.
    ///
    /// # Errors
    /// When the event writer cannot be started.
    pub fn new(options: WriterOptions) -> Result<Self, EngineError> {
        Self::with(options, BTreeMap::new())
    }

    fn with(
        options: WriterOptions,
        channels: BTreeMap<Option<DeckyName>, Channel>,
    ) -> Result<Self, EngineError> {
        let (tell, notes) = mpsc::unbounded_channel();
        let writer = Writer::start(options, channels)
            .map_err(|error| EngineError::io("cannot start the event writer", &error))?;
        Ok(Self {
            fabrics: Fabrics::default(),
            wires: Wires::default(),
            claims: Claims::default(),
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            preparing: BTreeSet::new(),
            launching: BTreeSet::new(),
            waiting: false,
            renewals: VecDeque::new(),
            renewing: BTreeSet::new(),
            resting: false,
            notices: VecDeque::new(),
            tell,
            notes,
            writer,
            nursery: Nursery::default(),
            sniffer: Sniffer::default(),
            lives: 0,
        })
    }

    /// Ends the nursery, and the event writer after it wrote what it has. The deckies are to be stopped before.
    pub async fn close(self) {
        self.nursery.close().await;
        self.sniffer.close().await;
        self.writer.close().await;
    }

    /// Launches what waits, as many as may start at once, and has places made for those that follow.
    fn pump(&mut self) {
        if self.resting {
            return;
        }
        self.renew_some(AT_ONCE);
        while self.launching.len() < AT_ONCE
            && let Some(name) = self.ready.pop_front()
        {
            if self.waits(&name, Place::Made)
                && let Err(error) = self.launch(&name)
            {
                self.refused(&name, &error);
            }
        }
        while self.preparing.len() + self.ready.len() < AHEAD
            && let Some(name) = self.queue.pop_front()
        {
            if self.waits(&name, Place::Unsettled)
                && let Err(error) = self.settle(&name)
            {
                self.refused(&name, &error);
            }
        }
    }

    /// Whether a decky is on its way up, and has come so far.
    fn waits(&self, name: &DeckyName, place: Place) -> bool {
        let slot = self.slots.get(name);
        slot.is_some_and(|s| s.phase == Phase::Starting && s.stop.is_none() && s.place == place)
    }

    fn refused(&mut self, name: &DeckyName, error: &EngineError) {
        if !(error.kind == ErrorKind::Again && self.wait_for_others(name)) {
            self.down(name, false, std::time::Duration::ZERO, &error.to_string());
        }
    }

    /// Has the place of a decky made; a note says what came of it.
    fn settle(&mut self, name: &DeckyName) -> Result<(), EngineError> {
        let Some(slot) = self.slots.get_mut(name) else { return Ok(()) };
        let fabric = self.fabrics.of(slot.order.network.driver)?;
        let kept = Kept { listeners: std::mem::take(&mut slot.listeners), home: slot.home.take() };
        let Order { decky, mac, network, customs, .. } = &slot.order;
        let claim = Claim { decky, mac: *mac, network, customs };
        self.lives += 1;
        let (life, name, notes) = (self.lives, name.clone(), self.tell.clone());
        slot.life = life;
        slot.place = Place::Underway;
        self.preparing.insert(life);
        let tell = move |made| {
            // Nobody listens only when the engine ends.
            let _ = notes.send(Note { name, life, what: What::Prepared(Box::new(made)) });
        };
        fabric.begin(&claim, kept, Box::new(tell));
        Ok(())
    }

    /// The fabric is done with the place of a decky. `then`: what it was told meanwhile.
    fn settled(&mut self, name: DeckyName, made: Result<Prepared, EngineError>, then: Then) {
        let Some(slot) = self.slots.get_mut(&name) else { return };
        slot.place = Place::Unsettled;
        let error = match made {
            Ok(made) => {
                slot.settle(made);
                None
            }
            Err(error) => Some(error),
        };
        match (then, error) {
            (Then::Nothing, None) => {
                slot.place = Place::Made;
                self.ready.push_back(name);
            }
            (Then::Nothing, Some(error)) => self.refused(&name, &error),
            // A place that could not be made holds nothing.
            (then, _) => self.ended(&name, then),
        }
    }

    fn launch(&mut self, name: &DeckyName) -> Result<(), EngineError> {
        let Some(slot) = self.slots.get_mut(name) else { return Ok(()) };
        let claimed = slot.claim.take();
        slot.claim_as(self.claims.of(&slot.order.network, slot.home.as_ref(), claimed));
        slot.wire = self.wires.of(&mut self.fabrics, &slot.order.network, slot.home.as_ref());
        let failed = |error: io::Error| EngineError::io("cannot start its worker", &error);
        let events = self.writer.channel(Some(name)).map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let tell = self.tell.clone();
        let (nursery, events) = (&mut self.nursery, events.as_fd());
        let started = worker::start(nursery, &slot.order, &slot.listeners, events, slot.life, stopped, tell);
        let (pid, control) = started.map_err(failed)?;
        slot.pid = Some(pid);
        slot.control = Some(control);
        slot.stop = Some(stop);
        self.launching.insert(slot.life);
        slot.launches = slot.launches.saturating_add(1);
        Ok(())
    }

    fn wait_for_others(&mut self, name: &DeckyName) -> bool {
        self.waiting = true;
        self.slots.get_mut(name).is_some_and(Slot::wait_for_others)
    }

    fn down(&mut self, name: &DeckyName, served: bool, lived: std::time::Duration, why: &str) {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.down(served, lived, why);
            self.waiting = true;
            self.notices.push_back(Notice::Settled(name.clone()));
        }
    }

    /// To be launched as soon as there is room.
    fn enqueue(&mut self, name: &DeckyName) {
        if !self.queue.contains(name) {
            self.queue.push_back(name.clone());
        }
    }

    fn take(&mut self, note: Note) {
        let Note { name, life, what } = note;
        // The fabric and a worker's attendant each have one last word about a beginning.
        if matches!(what, What::Prepared(_)) {
            self.preparing.remove(&life);
        } else {
            self.launching.remove(&life);
        }
        let Some(slot) = self.slots.get_mut(&name).filter(|s| s.life == life) else { return };
        let then = std::mem::replace(&mut slot.then, Then::Nothing);
        let stopping = !matches!(then, Then::Nothing);
        match what {
            What::Prepared(made) => self.settled(name, *made, then),
            // Told to stop at the same moment: the end of it follows.
            What::Ready if stopping => slot.then = then,
            What::Ready => {
                slot.up();
                self.notices.push_back(Notice::Settled(name));
            }
            What::Ended { served, lived, how } if !stopping => {
                if served {
                    // Whoever made it end may have been guessing addresses: those that follow have others.
                    self.nursery.renew();
                }
                self.down(&name, served, lived, &how);
            }
            What::Ended { .. } | What::Stopped(Ok(())) => self.ended(&name, then),
            What::Stopped(Err(why)) => {
                // The process is beyond reach; a later stop finds no worker and lets go of the rest.
                slot.phase = Phase::Stuck;
                slot.state = State::Failed;
                slot.reason = Some(why.clone());
                slot.stop = None;
                slot.control = None;
                self.notices.push_back(Notice::Stuck(name, why));
            }
        }
    }

    /// Its worker is gone, as it was told to.
    fn ended(&mut self, name: &DeckyName, then: Then) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.stop = None;
        slot.control = None;
        slot.pid = None;
        match then {
            Then::Replace(order) => {
                slot.renew(*order);
                self.enqueue(name);
            }
            Then::Nothing | Then::Forget => self.forget(name),
        }
    }

    fn forget(&mut self, name: &DeckyName) {
        self.slots.remove(name);
        self.queue.retain(|queued| queued != name);
        self.ready.retain(|queued| queued != name);
        self.writer.forget(name);
        self.notices.push_back(Notice::Gone(name.clone()));
    }

    /// Has the wire watched, when a decky lists the sniffer, for all of them.
    fn observe_wire(&mut self) {
        let lists = self.slots.values().find(|slot| slot.observes());
        let Some(slot) = lists else {
            return self.sniffer.watch(None, Watched::default(), || Err(io::ErrorKind::NotFound.into()));
        };
        let network = &slot.order.network;
        let interface = match slot.home.as_ref() {
            Some(home) => Some(home.site().parent),
            None if network.driver == Driver::Loopback => Some(LOOPBACK_INDEX),
            // Its place on the LAN is not made yet, or was lost.
            None => None,
        };
        let Some(interface) = interface else { return };
        let wire = sniffer::Wire { interface, subnet: network.subnet };
        let fleet = Watched { deckies: self.slots.values().map(sniffer::watched).collect() };
        let writer = &mut self.writer;
        let before = self.sniffer.trouble().map(str::to_owned);
        self.sniffer.watch(Some(wire), fleet, || writer.channel(None));
        if before.as_deref() != self.sniffer.trouble() {
            let lists = self.slots.iter().filter(|(_, slot)| slot.observes());
            self.notices.extend(lists.map(|(name, _)| Notice::Settled(name.clone())));
        }
    }

    fn next_retry(&mut self) -> Option<Instant> {
        if !self.waiting {
            return None;
        }
        let next = self.slots.values().filter_map(|s| s.retry_at).min();
        self.waiting = next.is_some();
        next
    }

    fn wake_due(&mut self) {
        let now = Instant::now();
        let due: Vec<DeckyName> = self
            .slots
            .iter()
            .filter(|(_, s)| s.retry_at.is_some_and(|at| at <= now))
            .map(|(n, _)| n.clone())
            .collect();
        for name in due {
            self.relaunch(&name);
        }
    }

    /// Its state stays what it was until this attempt says otherwise.
    fn relaunch(&mut self, name: &DeckyName) {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.retry_at = None;
            slot.phase = Phase::Starting;
            self.enqueue(name);
        }
    }
}

impl Observer for Embedded {
    fn observe(&self) -> Result<Observed, EngineError> {
        let mut deckies: BTreeMap<_, _> =
            self.slots.iter().map(|(name, slot)| (name.clone(), slot.observed())).collect();
        let homes = self.slots.iter().filter_map(|(name, slot)| Some((name, slot.home.as_ref()?)));
        if let Some(why) = self.sniffer.trouble() {
            for (name, seen) in &mut deckies {
                if self.slots.get(name).is_some_and(Slot::observes) && seen.state == State::Running {
                    seen.state = State::Degraded;
                    seen.reason = Some(format!("sniffer: {why}"));
                }
            }
        }
        for (name, drops) in fabric::all_drops(homes.collect()) {
            if let Some(seen) = deckies.get_mut(name) {
                seen.drops = drops;
            }
        }
        Ok(Observed { deckies })
    }
}

impl Engine for Embedded {
    fn start(&mut self, order: Order) {
        let name = order.decky.name.clone();
        let Some(slot) = self.slots.get_mut(&name) else {
            self.slots.insert(name.clone(), Slot::new(order));
            return self.enqueue(&name);
        };
        if let Some(Then::Replace(order)) = slot.end(Then::Replace(Box::new(order))) {
            slot.renew(*order);
            self.enqueue(&name);
        }
    }

    fn retry(&mut self, name: &DeckyName) {
        if let Some(slot) = self.slots.get_mut(name).filter(|s| s.phase == Phase::Waiting) {
            slot.again();
            self.enqueue(name);
        }
    }

    fn stop(&mut self, name: &DeckyName) {
        let Some(slot) = self.slots.get_mut(name) else {
            return self.notices.push_back(Notice::Gone(name.clone()));
        };
        if slot.end(Then::Forget).is_some() {
            self.forget(name);
        }
    }

    fn forward(&mut self, target: Option<LogTarget>) {
        self.writer.forward(target);
    }

    async fn next(&mut self) -> Notice {
        loop {
            self.pump();
            if let Some(notice) = self.notices.pop_front() {
                self.sniffer.changed();
                return notice;
            }
            let retry = self.next_retry();
            tokio::select! {
                note = self.notes.recv() => if let Some(note) = note { self.take(note) },
                () = until(retry) => self.wake_due(),
                () = self.writer.tend() => {}
                wish = self.sniffer.tend() => if wish == sniffer::Wish::Refresh { self.observe_wire() },
                () = self.wires.changed() => self.rewire(),
                heard = self.claims.heard() => self.contested(&heard),
            }
        }
    }

    fn held(&self, name: &DeckyName) -> Option<Held> {
        let slot = self.slots.get(name)?;
        let mut held = slot.held();
        if held.state == State::Running
            && slot.observes()
            && let Some(why) = self.sniffer.trouble()
        {
            held.state = State::Degraded;
            held.reason = Some(format!("sniffer: {why}"));
        }
        Some(held)
    }

    fn names(&self) -> Vec<DeckyName> {
        self.slots.keys().cloned().collect()
    }

    fn writer(&self) -> WriterStatus {
        self.writer.status()
    }
}

/// Waits for a moment, for ever when there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
