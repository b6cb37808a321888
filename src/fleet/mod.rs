//! The guard and the planner: from what is asked for, recorded and observed to what has to be done.
//!
//! Pure: data in, data out. No I/O, no clock, no randomness but the seeds handed in; the same input
//! gives the same bytes. Everything that can refuse a deploy for what it says refuses here, before
//! anything is written, and says all it has to say at once.

mod alloc;
mod build;
mod diff;
mod digest;
mod drift;
mod gate;
mod guard;
mod identity;
mod import;
mod index;
mod mutate;
mod network;
mod persona;
mod plan;
mod planner;
mod quick;
mod refusal;
mod request;
mod services;
mod vendors;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use diff::{FieldDiff, masked};
pub use digest::fleet_digest;
pub use drift::Sight;
pub use gate::gate;
pub use identity::adopt;
pub use import::plan_import;
pub use mutate::{due, due_names, plan_mutate};
pub use network::DEFAULT_LOOPBACK;
pub use persona::{persona, run_by, spec_hash};
pub use plan::{Action, Change, FORMAT_VERSION, Plan, Summary};
pub use planner::{plan, plan_reconcile, plan_teardown};
pub use quick::{Quick, quick};
pub use refusal::{Refusal, RefusalKind};
pub use request::{Detected, Host, Mode, Overrides, Request, Selection};
