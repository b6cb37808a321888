//! What a plan asks the store to write, and what became of it.

use serde::{Deserialize, Serialize};

use super::state::words;
use super::{CustomService, Decky, DeckyName, Identity, LifecycleStatus, Network, State};

/// A text that is no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseOperationError(pub String);

words! {
    /// What a lifecycle row is about. DECNET knows the first two.
    Operation, ParseOperationError, "operation" {
        /// Create, change, replace or repair.
        Deploy = "deploy",
        /// A new draw of services.
        Mutate = "mutate",
        /// Removal.
        Teardown = "teardown",
    }
}

/// Random id of a lifecycle row: a UUID as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LifecycleId(pub String);

/// Everything one call wants written, in one transaction, before anything is started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The fleet's network from now on; none keeps what is there.
    pub network: Option<Network>,
    /// Custom services to add or overwrite.
    pub customs: Vec<CustomService>,
    /// Custom services to forget.
    pub forget_customs: Vec<String>,
    /// Rows to insert or overwrite, as `pending`.
    pub upserts: Vec<(Decky, Identity)>,
    /// Rows to start again as they are: back to `pending`, nothing else changes.
    pub repairs: Vec<DeckyName>,
    /// Rows on their way out: `tearing_down`. Text, since a row of another tool may have an odd name.
    pub removals: Vec<String>,
    /// The deckies this call submitted: one lifecycle row each.
    pub lifecycle: Vec<(String, Operation)>,
}

impl Intent {
    /// Whether committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.network.is_none()
            && self.customs.is_empty()
            && self.forget_customs.is_empty()
            && self.upserts.is_empty()
            && self.repairs.is_empty()
            && self.removals.is_empty()
            && self.lifecycle.is_empty()
    }
}

/// What became of one decky, as the engine saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which row.
    pub name: String,
    /// What happened.
    pub kind: OutcomeKind,
}

/// The ways an operation on a decky ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// The row's new state, with the reason where it is not `running`.
    State(State, Option<String>),
    /// The row is deleted.
    Gone,
}

/// One row of `decky_lifecycle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRow {
    /// Its id.
    pub id: LifecycleId,
    /// Which decky.
    pub decky_name: String,
    /// What was done to it.
    pub operation: Operation,
    /// Where it stands.
    pub status: LifecycleStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// UTC, as stored.
    pub started_at: String,
    /// UTC, as stored.
    pub updated_at: String,
    /// UTC, as stored; none while it is open.
    pub completed_at: Option<String>,
}
