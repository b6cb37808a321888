//! What connections share: who is subscribed, and what visitors left behind.
//!
//! What one visitor publishes reaches connections from the same address only: the broker must not become a
//! channel between strangers.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;

use super::packet::matches;

/// Most connections that are known, messages that are retained, and bytes of one of those.
const LIMITS: (usize, usize, usize) = (256, 200, 4096);

/// A message on its way to a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// What a connection hears from the others.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// A message for one of its subscriptions.
    Message(Delivery),
    /// Another connection took its client identifier.
    TakenOver,
}

/// A connection with its subscriptions.
struct Member {
    id: u64,
    source: IpAddr,
    client: String,
    filters: Vec<(String, u8)>,
    notes: Sender<Note>,
}

/// A message that is kept for those who come later.
struct Kept {
    source: IpAddr,
    message: Delivery,
}

#[derive(Default)]
struct State {
    next: u64,
    members: Vec<Member>,
    retained: Vec<Kept>,
}

/// The shared part of a broker.
#[derive(Default)]
pub(super) struct Broker(Mutex<State>);

/// Most subscriptions of one connection.
const FILTERS_MAX: usize = 100;

impl Broker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection and gives its number. One of the same visitor with the same identifier has to go.
    pub(super) fn join(&self, source: IpAddr, client: &str, notes: Sender<Note>) -> Option<u64> {
        let mut state = self.state();
        if state.members.len() >= LIMITS.0 {
            return None;
        }
        if let Some(at) = state.members.iter().position(|m| m.source == source && m.client == client) {
            let old = state.members.swap_remove(at);
            // A connection whose queue is full learns it when it ends.
            let _ = old.notes.try_send(Note::TakenOver);
        }
        state.next += 1;
        let id = state.next;
        state.members.push(Member { id, source, client: client.to_owned(), filters: Vec::new(), notes });
        Some(id)
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, id: u64) {
        self.state().members.retain(|m| m.id != id);
    }

    /// Adds a subscription and gives what is retained for it.
    pub(super) fn subscribe(&self, id: u64, filter: &str, qos: u8) -> Vec<Delivery> {
        let mut state = self.state();
        let Some(member) = state.members.iter_mut().find(|m| m.id == id) else { return Vec::new() };
        let source = member.source;
        member.filters.retain(|(f, _)| f != filter);
        if member.filters.len() < FILTERS_MAX {
            member.filters.push((filter.to_owned(), qos));
        }
        let kept = state.retained.iter().filter(|k| k.source == source && matches(filter, &k.message.topic));
        kept.map(|k| k.message.clone()).collect()
    }

    /// Drops a subscription; whether there was one.
    pub(super) fn unsubscribe(&self, id: u64, filter: &str) -> bool {
        let mut state = self.state();
        let Some(member) = state.members.iter_mut().find(|m| m.id == id) else { return false };
        let before = member.filters.len();
        member.filters.retain(|(f, _)| f != filter);
        member.filters.len() < before
    }

    /// The quality of service that a connection wants a topic with, if it wants it.
    pub(super) fn wanted(&self, id: u64, topic: &str) -> Option<u8> {
        let state = self.state();
        let member = state.members.iter().find(|m| m.id == id)?;
        member.filters.iter().filter(|(f, _)| matches(f, topic)).map(|(_, qos)| *qos).max()
    }

    /// Whether `source` overwrote what is on a topic.
    pub(super) fn overwritten(&self, source: IpAddr, topic: &str) -> bool {
        self.state().retained.iter().any(|k| k.source == source && k.message.topic == topic)
    }

    /// Passes a message on to all but the connection `from`; whether anybody wanted it.
    pub(super) fn publish(&self, source: IpAddr, from: u64, message: &Delivery) -> bool {
        let mut state = self.state();
        if message.retain {
            state.retained.retain(|k| k.source != source || k.message.topic != message.topic);
            let fits = state.retained.len() < LIMITS.1 && message.payload.len() <= LIMITS.2;
            if fits && !message.payload.is_empty() {
                state.retained.push(Kept { source, message: message.clone() });
            }
        }
        let mut heard = false;
        for member in state.members.iter().filter(|m| m.source == source && m.id != from) {
            let wanted = member.filters.iter().filter(|(f, _)| matches(f, &message.topic));
            // A filter each: overlapping subscriptions get a message once.
            if let Some(qos) = wanted.map(|(_, qos)| *qos).max() {
                heard = true;
                let copy = Delivery { qos: message.qos.min(qos), retain: false, ..message.clone() };
                // Whoever does not read loses messages, as with a full queue of a genuine broker.
                let _ = member.notes.try_send(Note::Message(copy));
            }
        }
        heard
    }

    /// Connections, retained messages, subscriptions.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.members.len(), state.retained.len(), state.members.iter().map(|m| m.filters.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &[u8], retain: bool) -> Delivery {
        Delivery { topic: topic.into(), payload: payload.to_vec(), qos: 1, retain }
    }

    #[test]
    fn strangers_hear_nothing_of_each_other() {
        let broker = Broker::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (notes, mut heard) = tokio::sync::mpsc::channel(4);
        let id = broker.join(one, "a", notes).unwrap();
        assert!(broker.subscribe(id, "#", 2).is_empty());
        assert!(!broker.publish(other, 0, &message("x", b"1", true)));
        assert!(broker.publish(one, 0, &message("x", b"2", true)));
        assert!(matches!(heard.try_recv(), Ok(Note::Message(m)) if m.payload == b"2" && !m.retain));
        assert_eq!(broker.subscribe(id, "#", 2).len(), 1);
        broker.publish(one, 0, &message("x", b"", true));
        assert!(broker.subscribe(id, "#", 2).is_empty() && !broker.overwritten(one, "x"));
    }

    #[test]
    fn a_client_identifier_is_taken_over() {
        let broker = Broker::default();
        let source = [10, 0, 0, 1].into();
        let (notes, mut heard) = tokio::sync::mpsc::channel(4);
        broker.join(source, "a", notes.clone()).unwrap();
        broker.join(source, "a", notes).unwrap();
        assert!(matches!(heard.try_recv(), Ok(Note::TakenOver)));
        assert_eq!(broker.counts(), (1, 0, 0));
    }
}
