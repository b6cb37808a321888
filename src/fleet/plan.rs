//! What a plan is: the changes, their count, and the intent they come to.

use serde::{Deserialize, Serialize};

use crate::model::{CustomService, Decky, DeckyName, Identity, Intent, Network, Operation, StoreRef};

use super::diff::FieldDiff;
use super::request::Mode;

/// Version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// What is done to one decky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// Its settings change, its place on the network stays.
    Change,
    /// It leaves the network and comes back elsewhere or as another machine.
    Replace,
    /// It goes.
    Remove,
    /// Its record stays as it is; it is started again because it does not run as recorded.
    Repair,
}

impl Action {
    /// The symbol shown before its name.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Change => "~",
            Self::Replace => "-/+",
            Self::Remove => "-",
            Self::Repair => "!",
        }
    }
}

/// One decky's part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// The row's name; text, since a row of another tool may have an odd one.
    pub name: String,
    /// What is recorded; none when there is nothing, or nothing readable.
    pub before: Option<Decky>,
    /// What will be recorded; none for a removal.
    pub after: Option<Decky>,
    /// MAC and seed that go with `after`.
    pub identity: Option<Identity>,
    /// What differs between the two, in a fixed order.
    pub fields: Vec<FieldDiff>,
    /// Why, where the fields do not say it.
    pub reason: Option<String>,
}

/// How many deckies meet which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `+`
    pub create: usize,
    /// `~`
    pub change: usize,
    /// `-/+`
    pub replace: usize,
    /// `!`
    pub repair: usize,
    /// `-`
    pub remove: usize,
    /// Left alone.
    pub unchanged: usize,
}

/// Everything a call will do, computed from what was asked, recorded and observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What kind of call it is.
    pub mode: Mode,
    /// The store it was computed from.
    pub store: StoreRef,
    /// [`fleet_digest`](super::fleet_digest) of the fleet it was computed from: it is applied to that one or not at all.
    pub fleet_digest: String,
    /// The fleet's network afterwards; none while nothing was ever recorded and nothing is deployed.
    pub network: Option<Network>,
    /// The fleet's network before.
    pub network_before: Option<Network>,
    /// In file order, then by name.
    pub changes: Vec<Change>,
    /// Deckies that nothing happens to, by name.
    pub unchanged: Vec<DeckyName>,
    /// Custom services to add or overwrite.
    pub customs: Vec<CustomService>,
    /// Custom services to forget.
    pub forget_customs: Vec<String>,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
}

impl Plan {
    /// The counts.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { unchanged: self.unchanged.len(), ..Summary::default() };
        for change in &self.changes {
            *match change.action {
                Action::Create => &mut summary.create,
                Action::Change => &mut summary.change,
                Action::Replace => &mut summary.replace,
                Action::Remove => &mut summary.remove,
                Action::Repair => &mut summary.repair,
            } += 1;
        }
        summary
    }

    /// Whether applying it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.network == self.network_before
            && self.customs.is_empty()
            && self.forget_customs.is_empty()
    }

    /// Deckies that it takes off the network, for good or to make them anew.
    pub fn removals_count(&self) -> usize {
        self.changes.iter().filter(|c| matches!(c.action, Action::Remove | Action::Replace)).count()
    }

    /// What the store has to write before anything is started.
    pub fn intent(&self) -> Intent {
        let mut intent = Intent {
            network: self.network.clone().filter(|n| Some(n) != self.network_before.as_ref()),
            customs: self.customs.clone(),
            forget_customs: self.forget_customs.clone(),
            ..Intent::default()
        };
        for change in &self.changes {
            match (change.action, &change.after, &change.identity) {
                (Action::Remove, ..) => intent.removals.push(change.name.clone()),
                (Action::Repair, Some(after), _) => intent.repairs.push(after.name.clone()),
                (_, Some(after), Some(identity)) => intent.upserts.push((after.clone(), identity.clone())),
                // The planner makes no change without what it leads to.
                _ => continue,
            }
            if let Some(operation) = self.operation(change.action) {
                intent.lifecycle.push((change.name.clone(), operation));
            }
        }
        intent
    }

    /// The lifecycle operation of a change that this call submitted; none for one it merely came upon.
    fn operation(&self, action: Action) -> Option<Operation> {
        match (self.mode, action) {
            (Mode::Additive, Action::Create) | (Mode::Replace, Action::Create) => Some(Operation::Deploy),
            (Mode::Replace, Action::Change | Action::Replace | Action::Repair) => Some(Operation::Deploy),
            (Mode::Replace | Mode::Teardown, Action::Remove) => Some(Operation::Teardown),
            (Mode::Mutate, Action::Change) => Some(Operation::Mutate),
            _ => None,
        }
    }
}
