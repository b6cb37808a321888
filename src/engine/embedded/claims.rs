//! Says on the LAN which addresses deckies have, and hears who else uses them (RFC 5227 §2.3, §2.4).
//!
//! Sending waits for the LAN's sake, so none of it is done on the thread of the engine or on the one that sets
//! deckies up: one thread announces, and one for each parent interface listens for as long as a decky hangs on
//! it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::mpsc as queue;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Embedded;
use super::sentinel::{self, Word};
use crate::engine::fabric::{Home, Site};
use crate::engine::{Notice, Phase};
use crate::host::arp::{self, MOST_PER_SECOND, Pace};
use crate::model::{Driver, Mac, Network, Probing};

/// Addresses announced together. Each takes two frames.
const BATCH: usize = MOST_PER_SECOND / 4;
/// Shortest time for a full batch, so that one after the other keeps within the rate as well.
const BATCH_TIME: Duration = Duration::from_millis(500);
/// How long a batch waits for more: deckies come up one shortly after the other.
const GATHER: Duration = Duration::from_millis(20);

/// What a thread that listens has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Another machine uses the address and does not give in.
    Lost(arp::Lost),
    /// That machine is gone.
    Regained(Ipv4Addr),
}

/// An address that a decky has, for as long as it has it.
#[derive(Debug)]
pub(super) struct Claim {
    site: Site,
    pace: Pace,
    id: Arc<u64>,
    words: mpsc::UnboundedSender<Word>,
}

impl Claim {
    /// No two claims have the same.
    pub(super) fn id(&self) -> u64 {
        *self.id
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Whoever listened may have ended.
        let _ = self.words.send(Word::Release { ip: self.site.ip, id: *self.id });
    }
}

/// To be announced, unless it was given up meanwhile.
#[derive(Debug)]
struct Said {
    ip: Ipv4Addr,
    /// None: the parent's.
    mac: Option<Mac>,
    parent: u32,
    pace: Pace,
    alive: Weak<u64>,
}

/// The threads that speak and listen; none before a decky hangs on an interface.
#[derive(Debug)]
pub(super) struct Claims {
    announcer: Option<queue::Sender<Said>>,
    sentinels: HashMap<u32, mpsc::WeakUnboundedSender<Word>>,
    tell: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
    last: u64,
}

impl Default for Claims {
    fn default() -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        Self { announcer: None, sentinels: HashMap::new(), tell, heard, last: 0 }
    }
}

impl Claims {
    /// The claim of a decky that was just prepared: `kept` where nothing changed, else a new one, which is
    /// announced. None on loopback, and where the fleet is not to speak ARP.
    pub(super) fn of(
        &mut self,
        network: &Network,
        home: Option<&Home>,
        kept: Option<Claim>,
    ) -> Option<Claim> {
        let pace = match network.probe {
            Probing::Fast => Pace::Fast,
            Probing::Full => Pace::Full,
            Probing::Off => return None,
        };
        let site = home?.site().clone();
        if let Some(kept) = kept.filter(|kept| kept.site == site && kept.pace == pace) {
            return Some(kept);
        }
        let mac = (site.driver != Driver::Ipvlan).then_some(site.mac);
        let words = self.sentinel(site.parent, pace)?;
        self.last = self.last.wrapping_add(1);
        let id = Arc::new(self.last);
        // A thread that ended is replaced for the next one; this address goes unwatched until then.
        let _ = words.send(Word::Claim { ip: site.ip, mac, id: self.last });
        let said = Said { ip: site.ip, mac, parent: site.parent, pace, alive: Arc::downgrade(&id) };
        self.announce(said);
        Some(Claim { site, pace, id, words })
    }

    fn announce(&mut self, said: Said) {
        let unsaid = match &self.announcer {
            Some(announcer) => announcer.send(said).err().map(|error| error.0),
            None => Some(said),
        };
        let Some(said) = unsaid else { return };
        let (tell, told) = queue::channel();
        let started = std::thread::Builder::new().name("announce".into()).spawn(move || announce_all(&told));
        // The address is used all the same; its neighbours learn of it when they ask.
        self.announcer = started.ok().map(|_| tell);
        if let Some(announcer) = &self.announcer {
            let _ = announcer.send(said);
        }
    }

    /// Whoever listens on this interface.
    fn sentinel(&mut self, parent: u32, pace: Pace) -> Option<mpsc::UnboundedSender<Word>> {
        let there = self.sentinels.get(&parent).and_then(mpsc::WeakUnboundedSender::upgrade);
        if let Some(words) = there.filter(|words| !words.is_closed()) {
            return Some(words);
        }
        let (words, told) = mpsc::unbounded_channel();
        let tell = self.tell.clone();
        let listen = move || sentinel::run(parent, pace, told, &tell);
        std::thread::Builder::new().name("sentinel".into()).spawn(listen).ok()?;
        self.sentinels.insert(parent, words.downgrade());
        Some(words)
    }

    /// The next that is heard. Safe to cancel.
    pub(super) async fn heard(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}

/// Announces what comes, in batches; ends with the engine.
fn announce_all(told: &queue::Receiver<Said>) {
    while let Ok(first) = told.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = told.recv_timeout(GATHER)
        {
            batch.push(next);
        }
        let start = Instant::now();
        let full = batch.len() >= BATCH;
        batch.retain(|said| said.alive.strong_count() > 0);
        // Most often there is one interface.
        while let Some(one) = batch.first() {
            let (parent, pace) = (one.parent, one.pace);
            let (these, others) =
                batch.into_iter().partition(|s: &Said| (s.parent, s.pace) == (parent, pace));
            batch = others;
            // An interface that is down or gone has nobody to hear it; what hangs on it is said to be degraded.
            let _ = speak(parent, pace, these);
        }
        if full {
            std::thread::sleep(BATCH_TIME.saturating_sub(start.elapsed()));
        }
    }
}

fn speak(parent: u32, pace: Pace, these: Vec<Said>) -> Result<(), arp::ArpError> {
    let shared = arp::hardware_address(parent)?;
    let claims: Vec<(Ipv4Addr, Mac)> =
        these.into_iter().map(|said| (said.ip, said.mac.unwrap_or(shared))).collect();
    arp::announce(parent, &claims, pace)
}

impl Embedded {
    /// Notes what became of an address.
    pub(super) fn contested(&mut self, heard: &Heard) {
        let (ip, why) = match heard {
            Heard::Lost(lost) => (lost.ip, Some(lost.to_string())),
            Heard::Regained(ip) => (*ip, None),
        };
        for (name, slot) in &mut self.slots {
            if slot.claim.as_ref().is_some_and(|claim| claim.site.ip == ip) && slot.contested != why {
                slot.contested.clone_from(&why);
                if slot.phase == Phase::Up {
                    self.notices.push_back(Notice::Settled(name.clone()));
                }
            }
        }
    }
}
