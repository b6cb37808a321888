//! Keeps an eye on the interfaces that deckies hang on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Embedded;
use crate::engine::fabric::{Fabrics, Home, Wire};
use crate::engine::{Engine, Notice, Phase};
use crate::host::net::LinkWatch;
use crate::model::{DeckyName, Driver, Network};

/// Each link that is made on an interface counts as a change of it: a fleet on its way up makes thousands.
const GATHER: Duration = Duration::from_millis(50);

/// Tells when an interface changed; idle until a decky hangs on one.
#[derive(Debug, Default)]
pub(super) struct Wires {
    watch: Option<LinkWatch>,
    /// When a change that was heard of is to be looked at.
    due: Option<Instant>,
}

impl Wires {
    /// What is wrong with the wire of a decky that was just prepared.
    pub(super) fn of(
        &mut self,
        fabrics: &mut Fabrics,
        network: &Network,
        home: Option<&Home>,
    ) -> Option<String> {
        if network.driver == Driver::Loopback {
            return None;
        }
        if self.watch.is_none() {
            // Without it a pulled cable goes unnoticed, and nothing else is worse.
            self.watch = LinkWatch::new().ok();
        }
        match fabrics.wire_lately(network, home) {
            Ok(Wire::Broken(why)) => Some(why),
            _ => None,
        }
    }

    /// Waits for a change of any interface. Safe to cancel.
    pub(super) async fn changed(&mut self) {
        loop {
            match (self.due, &self.watch) {
                (Some(due), _) => {
                    tokio::time::sleep_until(due).await;
                    self.due = None;
                    return;
                }
                (None, Some(watch)) => {
                    if watch.changed().await.is_err() {
                        self.watch = None;
                    }
                    self.due = Some(Instant::now() + GATHER);
                }
                (None, None) => std::future::pending().await,
            }
        }
    }
}

impl Embedded {
    /// Looks at the interfaces again, after one of them changed.
    pub(super) fn rewire(&mut self) {
        let mut lost: Vec<DeckyName> = Vec::new();
        let mut waiting: Vec<DeckyName> = Vec::new();
        // Most share one interface: each is looked at once.
        let mut seen = BTreeMap::new();
        for (name, slot) in &mut self.slots {
            let network = &slot.order.network;
            if network.driver == Driver::Loopback {
                continue;
            }
            let key = (network.interface.clone(), slot.home.as_ref().map(|home| home.site().parent));
            let wire = seen.entry(key).or_insert_with(|| self.fabrics.wire(network, slot.home.as_ref()));
            let why = match wire.clone() {
                Ok(Wire::Replaced) => {
                    lost.push(name.clone());
                    continue;
                }
                Ok(Wire::Broken(why)) => Some(why),
                Ok(Wire::Fine) => None,
                Err(_) => continue,
            };
            if why.is_none() && slot.phase == Phase::Waiting {
                waiting.push(name.clone());
            }
            if slot.wire != why {
                slot.wire = why;
                if slot.phase == Phase::Up {
                    self.notices.push_back(Notice::Settled(name.clone()));
                }
            }
        }
        for name in waiting {
            self.relaunch(&name);
        }
        // What hung on the old interface went with it: made again on the new one.
        for name in lost {
            if let Some(order) = self.slots.get(&name).map(|slot| slot.order.clone()) {
                self.start(order);
            }
        }
    }
}
