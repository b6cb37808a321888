//! Clients that wait for deckies to come to an end.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc::UnboundedSender;

use super::decide::{Row, ending};
use crate::engine::protocol::{Progress, Reply};
use crate::engine::{EngineError, Held};
use crate::model::DeckyName;

struct Waiter {
    /// Loads with a higher number saw what the client committed.
    after: u64,
    /// None until the first such load: the whole fleet.
    names: Option<BTreeSet<String>>,
    tell: UnboundedSender<Reply>,
}

/// All of them. A send to one that left fails, which is all the same.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waiter>);

impl Waiters {
    /// `after`: the number of the newest load or record when the client came.
    pub(super) fn add(&mut self, after: u64, names: Option<Vec<String>>, tell: UnboundedSender<Reply>) {
        let names = names.map(|names| names.into_iter().collect());
        self.0.push(Waiter { after, names, tell });
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells everybody that it will not come to an end.
    pub(super) fn fail(&mut self, error: &EngineError) {
        for waiter in self.0.drain(..) {
            let _ = waiter.tell.send(Reply::Error(error.clone()));
        }
    }

    /// Tells who waits what the load of this `number` shows; lets go of those who heard all.
    pub(super) fn tell(&mut self, number: u64, rows: &[Row], held: &BTreeMap<DeckyName, Held>) {
        let rows: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
        self.0.retain_mut(|waiter| {
            if waiter.tell.is_closed() {
                return false;
            }
            if number <= waiter.after {
                return true;
            }
            let names = waiter.names.get_or_insert_with(|| {
                let running = held.keys().map(|name| name.as_str().to_owned());
                rows.keys().map(|name| (*name).to_owned()).chain(running).collect()
            });
            names.retain(|name| {
                let held = name.parse::<DeckyName>().ok().and_then(|key| held.get(&key));
                let Some((state, error)) = ending(rows.get(name.as_str()).copied(), held) else {
                    return true;
                };
                let _ = waiter.tell.send(Reply::Progress(Progress { name: name.clone(), state, error }));
                false
            });
            if names.is_empty() {
                let _ = waiter.tell.send(Reply::Done);
            }
            !names.is_empty()
        });
    }
}
