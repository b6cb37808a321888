//! The words of the program: names, addresses, deckies, fleets. Types that cannot hold a bad value.
//!
//! Pure data. Imports nothing of ours, does no I/O, knows no clock and no environment.

mod conversation;
mod custom;
mod decky;
mod fleet;
mod intent;
mod name;
mod net;
mod persona;
mod seed;
mod spec;
mod state;

pub(crate) use state::words;

pub use conversation::{BadRule, Conversation, Heard, Part, Reply};
pub use custom::{CustomService, Talk};
pub use decky::{Decky, ServiceConfig, Settings};
pub use fleet::{Fleet, Identity, Network, Recorded, StoreRef};
pub use intent::{Intent, LifecycleId, LifecycleRow, Operation, Outcome, OutcomeKind, ParseOperationError};
pub use name::{DeckyName, NameError};
pub use net::{Driver, LogTarget, LogTransport, Mac, NetError, Probing, Subnet};
pub use persona::{
    ListenerRole, ListenerSpec, Persona, Transport, Watched, WatchedDecky, WorkerLimits, WorkerSpec,
};
pub use seed::{Seed, SeedRng};
pub use spec::{DeckySpec, FleetSpec, GeneralSpec, Origin};
pub use state::{LifecycleStatus, Observed, ObservedDecky, ParseStateError, ServiceHealth, State};
