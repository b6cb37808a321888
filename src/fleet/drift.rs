//! Where the engine does not do what is recorded.

use std::collections::{HashMap, HashSet};

use crate::model::{Decky, Fleet, Observed, ObservedDecky, Recorded, State};

use super::persona::spec_hash;

/// What an observer saw, as far as a plan cares.
pub struct Sight<'a> {
    /// By name: none when nobody could be asked.
    seen: Option<HashMap<&'a str, &'a ObservedDecky>>,
    engine_running: bool,
    /// What is recorded, which the fingerprints were made with.
    fleet: &'a Fleet,
}

impl<'a> Sight<'a> {
    /// From what an observer said; none when there is an engine that could not be asked.
    pub fn new(observed: Option<&'a Observed>, engine_running: bool, fleet: &'a Fleet) -> Self {
        let by_name =
            |o: &'a Observed| o.deckies.iter().map(|(name, decky)| (name.as_str(), decky)).collect();
        Self { seen: observed.map(by_name), engine_running, fleet }
    }

    /// Why a row does not run as recorded; none when it does, or when nobody can say. A row on its way
    /// out is no drift, one that cannot be used always is.
    pub fn row(&self, row: &Recorded) -> Option<String> {
        match &row.decky {
            _ if matches!(row.state, State::TearingDown | State::TeardownFailed) => None,
            Ok(decky) => self.drift(row, decky),
            Err(why) => Some(format!("its row cannot be used: {why}")),
        }
    }

    /// Why the decky has to be started again; none when it runs as recorded, or nobody can say.
    pub(super) fn drift(&self, row: &Recorded, decky: &Decky) -> Option<String> {
        let observed = self.seen.as_ref()?;
        if !self.engine_running {
            return Some("the engine is not running".to_owned());
        }
        let Some(seen) = observed.get(decky.name.as_str()) else {
            return Some("the engine does not run it".to_owned());
        };
        let reason = seen.reason.as_deref().unwrap_or("no reason was given");
        match seen.state {
            State::Running | State::Pending => {}
            State::Degraded => return Some(format!("it runs only in part: {reason}")),
            State::Failed | State::TearingDown | State::TeardownFailed | State::TornDown => {
                return Some(format!("it does not run: {reason}"));
            }
        }
        // Without an identity or a network of ours there is nothing to compare with.
        let (identity, network) = (row.identity.as_ref()?, self.fleet.network.as_ref()?);
        (seen.spec_hash != spec_hash(decky, identity, network, &self.fleet.customs))
            .then(|| "it runs an older specification".to_owned())
    }

    /// What cannot be seen, and what is seen that nobody recorded.
    pub(super) fn warnings(&self, fleet: &Fleet, wanted: &HashSet<&str>) -> Vec<String> {
        let Some(observed) = &self.seen else {
            let blind = "the engine could not be asked: the plan does not know what really runs";
            return if fleet.members.is_empty() { Vec::new() } else { vec![blind.to_owned()] };
        };
        let recorded: HashSet<&str> = fleet.members.iter().map(|row| row.name.as_str()).collect();
        let mut strays: Vec<_> =
            observed.keys().filter(|name| !recorded.contains(*name) && !wanted.contains(*name)).collect();
        strays.sort_unstable();
        strays
            .iter()
            .map(|name| format!("the engine runs `{name}`, which is not recorded; it will stop it"))
            .collect()
    }
}
