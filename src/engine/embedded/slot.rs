//! What the embedded engine holds of one decky.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::claims::Claim;
use crate::engine::backoff::Backoff;
use crate::engine::fabric::{Home, Listener, Prepared};
use crate::engine::{Held, Order, Phase};
use crate::model::{ListenerRole, ObservedDecky, ServiceHealth, State};

/// Longest reason in characters; the store keeps no more than twice that.
const MAX_REASON: usize = 1000;

/// How long the end of something that holds its address is waited for, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What follows when the worker has ended.
#[derive(Debug)]
pub(super) enum Then {
    /// Nothing was asked.
    Nothing,
    /// Run this instead.
    Replace(Box<Order>),
    /// Nothing more of it.
    Forget,
}

/// How far the set-up of a decky's place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To be made, or to be made fit for a new order.
    Unsettled,
    /// The fabric is at it, and has what the slot had of it.
    Underway,
    /// A worker can be started.
    Made,
}

/// One held decky.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) order: Order,
    /// Number of its current worker.
    pub(super) life: u64,
    pub(super) phase: Phase,
    pub(super) state: State,
    pub(super) reason: Option<String>,
    pub(super) listeners: Vec<Listener>,
    pub(super) missing: Vec<(String, String)>,
    /// Its place on the LAN. Behind the listeners: what is in it is closed first.
    pub(super) home: Option<Home>,
    /// What is wrong with the interface it hangs on.
    pub(super) wire: Option<String>,
    /// Its address, as long as it is watched over.
    pub(super) claim: Option<Claim>,
    /// Number of the claim that `contested` is about.
    claim_id: Option<u64>,
    /// Who else uses its address.
    pub(super) contested: Option<String>,
    /// Since when something that is ending keeps it from starting.
    pub(super) blocked: Option<Instant>,
    /// Where its place and its sockets are.
    pub(super) place: Place,
    /// Ends its worker; none while there is no worker.
    pub(super) stop: Option<oneshot::Sender<()>>,
    /// Its end is the worker's end.
    pub(super) control: Option<Arc<UnixStream>>,
    pub(super) pid: Option<u32>,
    /// Its worker is of the program before this one, and is to be replaced.
    pub(super) stale: bool,
    pub(super) launches: u32,
    pub(super) backoff: Backoff,
    pub(super) retry_at: Option<Instant>,
    pub(super) then: Then,
}

impl Slot {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            life: 0,
            phase: Phase::Starting,
            state: State::Pending,
            reason: None,
            listeners: Vec::new(),
            missing: Vec::new(),
            home: None,
            wire: None,
            claim: None,
            claim_id: None,
            contested: None,
            blocked: None,
            place: Place::Unsettled,
            stop: None,
            control: None,
            pid: None,
            stale: false,
            launches: 0,
            backoff: Backoff::default(),
            retry_at: None,
            then: Then::Nothing,
        }
    }

    /// To be launched, with this order.
    pub(super) fn renew(&mut self, order: Order) {
        if order.hash != self.order.hash {
            self.backoff = Backoff::default();
            self.launches = 0;
        }
        self.order = order;
        self.again();
    }

    /// To be launched again.
    pub(super) fn again(&mut self) {
        self.phase = Phase::Starting;
        self.state = State::Pending;
        self.reason = None;
        self.retry_at = None;
        self.then = Then::Nothing;
        self.place = Place::Unsettled;
        self.stale = false;
    }

    /// Takes in what the fabric made.
    pub(super) fn settle(&mut self, Prepared { listeners, missing, home }: Prepared) {
        self.listeners = listeners;
        self.missing = missing;
        self.home = home;
        self.blocked = None;
    }

    /// Ends its worker, if there is one; what follows when it has ended is `then`. Hands `then` back
    /// when there is nothing to wait for: neither a worker nor the fabric.
    pub(super) fn end(&mut self, then: Then) -> Option<Then> {
        if let Some(stop) = self.stop.take() {
            self.control = None;
            // A receiver that is gone has just reported the end of the worker.
            let _ = stop.send(());
            self.phase = Phase::Stopping;
        } else if self.place == Place::Underway {
            self.phase = Phase::Stopping;
        } else if self.phase != Phase::Stopping {
            return Some(then);
        }
        (self.state, self.reason) = match then {
            Then::Replace(_) => (State::Pending, None),
            Then::Nothing | Then::Forget => (State::TearingDown, None),
        };
        self.then = then;
        None
    }

    /// Its worker said that it serves.
    pub(super) fn up(&mut self) {
        self.phase = Phase::Up;
        let silent = self.health().into_iter().find(|h| !h.up);
        let reasons: Vec<String> = self
            .missing
            .iter()
            .map(|(_, why)| why.clone())
            .chain(silent.map(|h| format!("{} does not listen on port {}", h.service, h.port)))
            .collect();
        self.state = if reasons.is_empty() { State::Running } else { State::Degraded };
        self.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    }

    /// Something that is ending keeps it from starting: tries again soon. False when that took too long.
    pub(super) fn wait_for_others(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(*self.blocked.get_or_insert(now)) > PATIENCE {
            self.blocked = None;
            return false;
        }
        self.phase = Phase::Waiting;
        self.place = Place::Unsettled;
        self.retry_at = Some(now + PAUSE);
        true
    }

    /// It came to nothing, or its worker ended after it had `served`.
    pub(super) fn down(&mut self, served: bool, lived: Duration, why: &str) {
        let wait = self.backoff.failed(lived);
        self.phase = Phase::Waiting;
        self.place = Place::Unsettled;
        self.retry_at = Some(Instant::now() + wait);
        self.stop = None;
        self.control = None;
        self.pid = None;
        self.stale = false;
        let attempt = self.backoff.attempts();
        if served {
            self.state = if self.backoff.hopeless() { State::Failed } else { State::Degraded };
            self.reason = Some(format!("its worker ended ({why}); restart {attempt} follows"));
        } else {
            self.state = State::Failed;
            self.reason = Some(why.chars().take(MAX_REASON).collect());
        }
    }

    pub(super) fn held(&self) -> Held {
        if let Then::Replace(order) = &self.then {
            // Nothing of the new order was seen yet, whatever the old one did.
            let hash = order.hash.clone();
            return Held { hash, phase: Phase::Starting, state: State::Pending, reason: None };
        }
        if self.stale {
            return Held {
                hash: self.order.hash.clone(),
                phase: Phase::Starting,
                state: State::Pending,
                reason: None,
            };
        }
        let (state, reason) = self.standing();
        Held { hash: self.order.hash.clone(), phase: self.phase, state, reason }
    }

    /// Has its address now by `claim`.
    pub(super) fn claim_as(&mut self, claim: Option<Claim>) {
        let same = claim.as_ref().is_some_and(|claim| self.claim_id == Some(claim.id()));
        if !same {
            self.contested = None;
        }
        self.claim_id = claim.as_ref().map(Claim::id);
        self.claim = claim;
    }

    /// State and reason, its wire and address taken into account.
    fn standing(&self) -> (State, Option<String>) {
        let outside = self.wire.is_some() || self.contested.is_some();
        if !outside || !matches!(self.state, State::Running | State::Degraded) {
            return (self.state, self.reason.clone());
        }
        let reasons = [&self.wire, &self.contested, &self.reason];
        let reasons: Vec<&str> = reasons.into_iter().filter_map(|reason| reason.as_deref()).collect();
        (State::Degraded, Some(reasons.join("; ")))
    }

    pub(super) fn observed(&self) -> ObservedDecky {
        let (state, reason) = self.standing();
        ObservedDecky {
            state,
            reason,
            spec_hash: self.order.hash.clone(),
            pid: self.pid,
            restarts: self.launches.saturating_sub(1),
            drops: None,
            services: self.health(),
        }
    }

    /// Whether it asks for the fleet's observer.
    pub(super) fn observes(&self) -> bool {
        self.order.decky.services.iter().any(|slug| slug == "sniffer")
    }

    fn health(&self) -> Vec<ServiceHealth> {
        let serving = self.phase == Phase::Up;
        let main = self.listeners.iter().filter(|l| l.role == ListenerRole::Main).map(|l| {
            let reason = match l.listens() {
                _ if !serving => Some("no worker serves it".to_owned()),
                Ok(true) => None,
                Ok(false) => Some("the socket does not listen".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            ServiceHealth {
                service: l.service.clone(),
                transport: l.transport,
                port: l.address.port(),
                up: reason.is_none(),
                reason,
            }
        });
        main.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Decky, Network, Seed};

    fn order(hash: &str) -> Order {
        let decky: Decky = serde_json::from_value(serde_json::json!({
            "name": "a", "ip": "127.77.0.9", "services": ["ssh"], "distro": "debian",
            "base_image": "x", "hostname": "h",
        }))
        .unwrap();
        let network: Network = serde_json::from_value(serde_json::json!({
            "driver": "loopback", "interface": "lo", "subnet": "127.77.0.0/16", "gateway": null,
        }))
        .unwrap();
        let persona = crate::model::Persona {
            hostname: "h".into(),
            ip: decky.ip,
            mac: crate::model::Mac([2, 0, 0, 0, 0, 1]),
            gateway: None,
            distro: "debian".into(),
            nmap_os: "linux".into(),
            archetype: None,
            seed: Seed::new([1; 32]),
            services: std::collections::BTreeMap::new(),
            born: 0,
        };
        Order { decky, mac: persona.mac, network, customs: vec![], persona, hash: hash.into() }
    }

    /// A slot whose worker serves, and the worker's end of its stop signal.
    fn serving() -> (Slot, oneshot::Receiver<()>) {
        let mut slot = Slot::new(order("old"));
        let (stop, stopped) = oneshot::channel();
        slot.stop = Some(stop);
        slot.up();
        assert_eq!(slot.held().state, State::Running);
        (slot, stopped)
    }

    #[test]
    fn what_replaces_a_running_one_does_not_run_yet() {
        let (mut slot, mut stopped) = serving();
        assert!(slot.end(Then::Replace(Box::new(order("new")))).is_none());
        assert!(stopped.try_recv().is_ok());
        let starting =
            Held { hash: "new".into(), phase: Phase::Starting, state: State::Pending, reason: None };
        assert_eq!(slot.held(), starting);
        assert_eq!(slot.observed().state, State::Pending);
        // The last word counts while the old one ends.
        assert!(slot.end(Then::Forget).is_none());
        assert_eq!(slot.held().phase, Phase::Stopping);
        assert!(slot.end(Then::Replace(Box::new(order("newer")))).is_none());
        assert_eq!(slot.held().hash, "newer");
    }

    #[test]
    fn what_the_fabric_is_at_is_waited_for() {
        let mut slot = Slot::new(order("old"));
        slot.place = Place::Underway;
        assert!(slot.end(Then::Replace(Box::new(order("new")))).is_none());
        assert_eq!((slot.phase, slot.held().hash.as_str()), (Phase::Stopping, "new"));
        assert!(slot.end(Then::Forget).is_none());
        assert!(matches!(slot.then, Then::Forget));
        // Made and not used yet: nothing to wait for, and to be made fit for the new order.
        slot = Slot::new(order("old"));
        slot.place = Place::Made;
        assert!(matches!(slot.end(Then::Replace(Box::new(order("new")))), Some(Then::Replace(_))));
        slot.renew(order("new"));
        assert_eq!(slot.place, Place::Unsettled);
    }

    #[test]
    fn a_slot_without_a_worker_ends_at_once() {
        let mut slot = Slot::new(order("old"));
        assert!(matches!(slot.end(Then::Forget), Some(Then::Forget)));
        slot.down(false, Duration::ZERO, "port taken");
        assert_eq!((slot.state, slot.reason.as_deref()), (State::Failed, Some("port taken")));
        assert!(slot.end(Then::Forget).is_some());
    }

    #[test]
    fn an_address_that_is_contested_degrades_what_runs_and_nothing_else() {
        let (mut slot, _stopped) = serving();
        slot.contested = Some("address conflict".into());
        let standing = |slot: &Slot| (slot.held().state, slot.held().reason);
        assert_eq!(standing(&slot), (State::Degraded, Some("address conflict".into())));
        slot.wire = Some("parent eth0 is down".into());
        assert_eq!(standing(&slot).1, Some("parent eth0 is down; address conflict".into()));
        slot.wire = None;
        slot.claim_as(None);
        assert_eq!(standing(&slot), (State::Running, None));
    }

    #[test]
    fn crashes_degrade_and_many_fail() {
        let (mut slot, _stopped) = serving();
        for attempt in 1..=5 {
            slot.down(true, Duration::ZERO, "signal 9");
            let expected = if attempt < 5 { State::Degraded } else { State::Failed };
            assert_eq!(slot.state, expected);
            let reason = format!("its worker ended (signal 9); restart {attempt} follows");
            assert_eq!(slot.reason, Some(reason));
        }
        slot.up();
        assert_eq!(
            slot.held(),
            Held { hash: "old".into(), phase: Phase::Up, state: State::Running, reason: None }
        );
        slot.missing.push(("smb".into(), "`smb` has no emulation in this engine".into()));
        slot.up();
        assert_eq!(slot.state, State::Degraded);
    }
}
