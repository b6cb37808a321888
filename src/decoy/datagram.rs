//! One datagram as a decoy sees it, and what it may answer.
//!
//! A source address of a datagram proves nothing: whoever wrote it there may want the answer to hit
//! somebody else. So until a peer proved that it receives what is sent to it, the answers to a datagram are
//! together no longer than the datagram itself. A TCP connection to any service of the decky is proof, and so is
//! a datagram that repeats something unpredictable from an answer ([`Answers::prove`]).

use std::net::SocketAddr;

use super::session::Recorder;

/// Longest answer: what goes through any network in one packet.
pub const ANSWER_MAX: usize = 1472;
/// Most answers to one datagram.
const ANSWERS_MAX: usize = 16;

/// Which socket of the service a datagram came to, or an answer leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The one that clients know.
    Main,
    /// A spare one, by number.
    Spare(usize),
}

/// One datagram.
pub struct Packet<'a> {
    /// What it says; cut at [`PACKET_MAX`].
    pub bytes: &'a [u8],
    /// Who says so.
    pub source: SocketAddr,
    /// Our end.
    pub destination: SocketAddr,
    /// Port of the service it came to, `port_offset` taken out; that of the service for a spare socket too.
    pub number: u16,
    /// The socket it came to.
    pub port: Port,
    /// Whether it was sent to a multicast group.
    pub multicast: bool,
    /// How many spare sockets the service has.
    pub spares: usize,
    /// Records events of this peer.
    pub record: &'a Recorder,
}

/// Most bytes of a datagram that a decoy sees.
pub const PACKET_MAX: usize = 4096;

/// What is sent back. Answers leave after the decoy returned.
#[derive(Debug)]
pub struct Answers {
    proved: bool,
    newly_proved: bool,
    room: usize,
    list: Vec<(Port, Vec<u8>)>,
}

impl Answers {
    /// No answers yet, to a datagram of `length` bytes of a peer that proved itself or did not.
    pub fn new(length: usize, proved: bool) -> Self {
        Self { proved, newly_proved: false, room: length, list: Vec::new() }
    }

    /// Bytes that an answer may still have.
    pub fn room(&self) -> usize {
        if self.list.len() >= ANSWERS_MAX {
            0
        } else if self.proved {
            ANSWER_MAX
        } else {
            self.room.min(ANSWER_MAX)
        }
    }

    /// Whether the peer proved that it receives our answers.
    pub fn proved(&self) -> bool {
        self.proved
    }

    /// The peer repeated something that only a receiver of an earlier answer can know.
    pub fn prove(&mut self) {
        self.newly_proved |= !self.proved;
        self.proved = true;
    }

    /// Answers from the service's port; false, and nothing is sent, when there is no room for it.
    pub fn send(&mut self, bytes: Vec<u8>) -> bool {
        self.send_from(Port::Main, bytes)
    }

    /// Answers from another socket of the service.
    pub fn send_from(&mut self, port: Port, bytes: Vec<u8>) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        self.room = self.room.saturating_sub(bytes.len());
        self.list.push((port, bytes));
        true
    }

    /// Whether the peer proved itself with this datagram.
    pub(super) fn newly_proved(&self) -> bool {
        self.newly_proved
    }

    /// What is to be sent, in order.
    pub(super) fn take(&mut self) -> Vec<(Port, Vec<u8>)> {
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unproved_peer_gets_no_more_than_it_sent() {
        let mut answers = Answers::new(10, false);
        assert!(!answers.send(vec![0; 11]));
        assert!(answers.send(vec![0; 6]) && answers.room() == 4);
        assert!(!answers.send(vec![0; 5]) && answers.send(vec![0; 4]));
        assert_eq!(answers.take().iter().map(|(_, b)| b.len()).sum::<usize>(), 10);
        assert!(!answers.newly_proved());
    }

    #[test]
    fn a_proved_peer_gets_packets_of_any_size_but_not_of_any_number() {
        let mut answers = Answers::new(1, false);
        answers.prove();
        assert!(answers.newly_proved() && answers.room() == ANSWER_MAX);
        assert!(!answers.send(vec![0; ANSWER_MAX + 1]));
        let sent = (0..40).filter(|_| answers.send(vec![0; ANSWER_MAX])).count();
        assert_eq!(sent, ANSWERS_MAX);
        assert!(!Answers::new(1, true).newly_proved());
    }
}
