//! The store on a thread of its own: a busy or slow disk must not keep the engine from its deckies.
//!
//! Jobs are done in order, so a load that was asked for after a record sees it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::catalog;
use crate::fleet::{self, Selection};
use crate::model::{Fleet, Identity, Outcome, Seed};
use crate::store::{Store, StoreError};

use super::timers;

/// What the thread is asked to do.
#[derive(Debug)]
enum Job {
    Load { number: u64 },
    Record { number: u64, seen: u64, outcomes: Vec<Outcome> },
    Began { names: Vec<String> },
    Mutate { names: Vec<String> },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// The fleet; every row with an identity.
    Loaded { number: u64, fleet: Result<Box<Fleet>, StoreError> },
    /// Names whose outcome was written, or dropped since a later intent is about them.
    Recorded { number: u64, names: Vec<String>, error: Option<StoreError> },
    /// Names that got new services; or why none did.
    Mutated { names: Vec<String>, error: Option<String> },
    /// A side job failed.
    Failed(StoreError),
}

/// The engine's end of the thread.
pub(super) struct Ledger {
    jobs: Option<mpsc::Sender<Job>>,
    answers: UnboundedReceiver<Answer>,
    thread: Option<JoinHandle<()>>,
    number: u64,
}

impl Ledger {
    /// Opens the store, making or migrating it, and starts the thread.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let book = Book::open(path)?;
        let (jobs, work) = mpsc::channel();
        let (tell, answers) = unbounded_channel();
        let thread = std::thread::spawn(move || book.keep(&work, &tell));
        Ok(Self { jobs: Some(jobs), answers, thread: Some(thread), number: 0 })
    }

    /// Reads the fleet; the number comes back with it.
    pub(super) fn load(&mut self) -> u64 {
        let number = self.count();
        self.send(Job::Load { number });
        number
    }

    /// Records outcomes that were worked out from the fleet of serial `seen`.
    pub(super) fn record(&mut self, seen: u64, outcomes: Vec<Outcome>) -> u64 {
        let number = self.count();
        self.send(Job::Record { number, seen, outcomes });
        number
    }

    /// The lifecycle rows of these deckies are under way.
    pub(super) fn began(&mut self, names: Vec<String>) {
        self.send(Job::Began { names });
    }

    /// Draws new services for those of `names` that are due.
    pub(super) fn mutate(&mut self, names: Vec<String>) {
        self.send(Job::Mutate { names });
    }

    /// The next answer. Safe to cancel; pending for ever when the thread died.
    pub(super) async fn next(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Finishes what was asked and closes the store.
    pub(super) fn close(mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed; there is nothing left to save.
            let _ = thread.join();
        }
    }

    /// The number of the newest load or record.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn count(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread only ends with this sender.
            let _ = jobs.send(job);
        }
    }
}

/// The store and what is needed to open it again.
struct Book {
    path: PathBuf,
    store: Option<Store>,
    file: Option<(u64, u64)>,
}

impl Book {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let store = Store::open_write(&path)?;
        let file = inode(&path);
        Ok(Self { path, store: Some(store), file })
    }

    fn keep(mut self, work: &mpsc::Receiver<Job>, tell: &UnboundedSender<Answer>) {
        while let Ok(job) = work.recv() {
            let answer = match job {
                Job::Load { number } => {
                    Some(Answer::Loaded { number, fleet: self.checked(Self::load).map(Box::new) })
                }
                Job::Record { number, seen, outcomes } => Some(self.record(number, seen, &outcomes)),
                Job::Began { names } => {
                    let marked = self.checked(|book| book.store()?.mark_running(&names, Timestamp::now()));
                    marked.err().map(Answer::Failed)
                }
                Job::Mutate { names } => Some(match self.checked(|book| Ok(book.mutate(&names))) {
                    Ok(Ok(names)) => Answer::Mutated { names, error: None },
                    Ok(Err(error)) => Answer::Mutated { names, error: Some(error) },
                    Err(error) => Answer::Mutated { names, error: Some(error.to_string()) },
                }),
            };
            if let Some(answer) = answer
                && tell.send(answer).is_err()
            {
                return;
            }
        }
    }

    /// The open store. A file that was moved away or replaced is not ours any more.
    fn store(&mut self) -> Result<&mut Store, StoreError> {
        if self.file != inode(&self.path) {
            self.store = None;
        }
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open_write(&self.path)?,
        };
        self.file = inode(&self.path);
        Ok(self.store.insert(store))
    }

    /// After an error the store is opened anew next time.
    fn checked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = work(self);
        if done.is_err() {
            self.store = None;
        }
        done
    }

    fn load(&mut self) -> Result<Fleet, StoreError> {
        let store = self.store()?;
        let fleet = store.fleet()?;
        if fleet.members.iter().all(|m| m.identity.is_some() || m.name.is_empty()) {
            return Ok(fleet);
        }
        let seed = fresh_seed();
        let made: BTreeMap<String, Identity> = fleet::adopt(&fleet, &seed).into_iter().collect();
        let identify = |name: &str| {
            made.get(name).cloned().unwrap_or_else(|| {
                // It came in just now: like the others, from the same randomness.
                let seed = seed.child(&format!("decky/{name}"));
                let [a, b, c, ..] = seed.derive("mac");
                Identity { mac: crate::model::Mac([0x52, 0x54, 0x00, a, b, c]), seed }
            })
        };
        store.adopt(&identify, Timestamp::now())?;
        store.fleet()
    }

    fn record(&mut self, number: u64, seen: u64, outcomes: &[Outcome]) -> Answer {
        match self.checked(|book| book.store()?.record_all(outcomes, seen, Timestamp::now())) {
            Ok(_) => {
                let names = outcomes.iter().map(|outcome| outcome.name.clone()).collect();
                Answer::Recorded { number, names, error: None }
            }
            Err(error) => Answer::Recorded { number, names: Vec::new(), error: Some(error) },
        }
    }

    /// Plans and commits in one transaction: what is due may just have been changed by hand.
    fn mutate(&mut self, names: &[String]) -> Result<Vec<String>, String> {
        let now = Timestamp::now();
        let seconds = timers::seconds(now);
        let emulated = |slug: &str| catalog::service(slug).is_some_and(|s| s.emulated);
        let store = self.store().map_err(|error| error.to_string())?;
        let done: Result<Vec<String>, Refused> = store.transact(|txn| {
            let fleet = txn.fleet()?;
            let due: Vec<String> =
                timers::due(&fleet, seconds).into_iter().filter(|name| names.contains(name)).collect();
            if due.is_empty() {
                return Ok(due);
            }
            let plan = fleet::plan_mutate(&fleet, Selection::Names(&due), &fresh_seed(), seconds, &emulated)
                .map_err(|refusals| {
                    let texts: Vec<String> = refusals.into_iter().map(|r| r.message).collect();
                    Refused(texts.join("; "))
                })?;
            txn.commit_intent(&plan.intent(), now)?;
            Ok(due)
        });
        done.map_err(|Refused(why)| why)
    }
}

/// Why nothing was drawn.
struct Refused(String);

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

fn fresh_seed() -> Seed {
    let mut bytes = [0u8; 32];
    if getrandom::fill(&mut bytes).is_err() {
        // The kernel always has randomness once it runs; if ever not, the addresses of this process
        // and the clock are better than a constant.
        let mix = format!("{:?}{:p}{}", Timestamp::now(), &raw const bytes, std::process::id());
        return Seed::new(bytes).child(&mix);
    }
    Seed::new(bytes)
}
