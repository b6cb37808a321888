//! What runs deckies: the seam between the plan and the machine, and the embedded engine behind it.
//!
//! [`Observer`] only looks; [`Engine`] also acts. "Cannot observe" is an error, never an empty answer.
//! Nothing here knows the store or decides what should run: that is `apply`.

mod backoff;
pub mod client;
pub mod embedded;
mod error;
pub mod fabric;
pub mod protocol;
pub mod socket;

use serde::{Deserialize, Serialize};

use crate::host::StateDir;
use crate::model::{CustomService, Decky, DeckyName, LogTarget, Mac, Network, Observed, Persona, State};

pub use client::Client;
pub use error::{EngineError, ErrorKind};
pub use protocol::{EngineStatus, Progress, WriterStatus};

/// Looks at what runs, and changes nothing.
pub trait Observer {
    /// Every decky the engine holds right now.
    ///
    /// # Errors
    /// When the engine cannot be asked: nothing is known then.
    fn observe(&self) -> Result<Observed, EngineError>;
}

/// Runs deckies. Every call only begins the work; what became of it comes out of [`Engine::next`].
pub trait Engine: Observer {
    /// Runs a decky as ordered; one that already runs otherwise is replaced, keeping the listening
    /// sockets both have in common.
    fn start(&mut self, order: Order);

    /// Tries again now instead of when the back-off ends; nothing for a decky that does not wait.
    fn retry(&mut self, name: &DeckyName);

    /// Ends a decky and everything it holds.
    fn stop(&mut self, name: &DeckyName);

    /// Where events are forwarded to from now on.
    fn forward(&mut self, target: Option<LogTarget>);

    /// The next thing that happened. Safe to cancel.
    fn next(&mut self) -> impl Future<Output = Notice>;

    /// What the engine holds of a decky.
    fn held(&self, name: &DeckyName) -> Option<Held>;

    /// Names of everything it holds.
    fn names(&self) -> Vec<DeckyName>;

    /// Health of the event writer.
    fn writer(&self) -> WriterStatus;
}

/// Everything needed to run one decky.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its configuration; `decky.name` is the key.
    pub decky: Decky,
    /// Its hardware address, where the driver gives it one of its own.
    pub mac: Mac,
    /// The fleet's network.
    pub network: Network,
    /// The custom services that it runs.
    pub customs: Vec<CustomService>,
    /// Who its worker plays.
    pub persona: Persona,
    /// Fingerprint of all of this.
    pub hash: String,
}

/// Where a held decky is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On its way up.
    Starting,
    /// Its worker said it serves, and its sockets were seen listening.
    Up,
    /// Between two attempts.
    Waiting,
    /// On its way down.
    Stopping,
    /// Told to end, and killed, and still there.
    Stuck,
}

/// One held decky in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Fingerprint of the order it runs or will run.
    pub hash: String,
    /// Where it is.
    pub phase: Phase,
    /// `pending` while starting, else `running`, `degraded` or `failed`.
    pub state: State,
    /// Why it is not `running`.
    pub reason: Option<String>,
}

/// Something that happened to a decky.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It settled in the state that [`Engine::held`] shows.
    Settled(DeckyName),
    /// It is gone, with everything it held.
    Gone(DeckyName),
    /// It could not be ended.
    Stuck(DeckyName, String),
}

/// Asks the running engine what it sees; `None` when no engine runs.
///
/// # Errors
/// When an engine is there but cannot be asked.
pub fn observe(dir: &StateDir) -> Result<Option<Observed>, EngineError> {
    let Some(client) = Client::connect(dir)? else { return Ok(None) };
    match client.observe() {
        Ok(observed) => Ok(Some(observed)),
        Err(error) if error.kind == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}
