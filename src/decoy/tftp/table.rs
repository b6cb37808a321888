//! The transfers under way, what was brought, and who answered to a socket that it was not answered from.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::datagram::Port;
use super::super::session::Recorder;
use super::super::upload::Upload;
use super::packet::{DATA, packet};

/// Transfers at a time; the oldest gives way.
const TRANSFERS_MAX: usize = 32;
/// Silence after which a transfer is over.
const TRANSFER_IDLE: Duration = Duration::from_secs(30);
/// Addresses that are remembered for a wrong answer, and for how long.
const SUSPECTS_MAX: usize = 256;
const SUSPECT_FOR: Duration = Duration::from_secs(600);
/// Uploads that can be read back, if they are no longer than what is kept of them.
const STORED_MAX: usize = 16;
/// Longest name that is kept.
const NAME_MAX: usize = 255;

/// One transfer.
pub(super) struct Transfer {
    pub(super) peer: SocketAddr,
    pub(super) spare: Port,
    /// Number of the last block that was sent or taken.
    pub(super) block: u16,
    pub(super) work: Work,
    pub(super) last: Instant,
    pub(super) record: Recorder,
}

pub(super) enum Work {
    Read(Reading),
    Write(Writing),
}

/// A file on its way out.
pub(super) struct Reading {
    file: Vec<u8>,
    block: usize,
    /// Bytes before the block that is under way, counted apart: block numbers wrap.
    at: usize,
    /// Whether a block was sent at all.
    begun: bool,
}

impl Reading {
    pub(super) fn new(file: Vec<u8>, block: usize) -> Self {
        Self { file, block, at: 0, begun: false }
    }

    fn part(&self) -> &[u8] {
        let rest = self.file.get(self.at..).unwrap_or_default();
        rest.get(..rest.len().min(self.block)).unwrap_or_default()
    }

    /// The block under way.
    pub(super) fn packet(&self, number: u16) -> Vec<u8> {
        packet(DATA, number, self.part())
    }

    /// Whether `acked`, the block under way, ends the file. Block 0 is the options.
    pub(super) fn is_last(&self, acked: u16) -> bool {
        (self.begun || acked != 0) && self.part().len() < self.block
    }

    /// On to the next block; the first one follows the options.
    pub(super) fn advance(&mut self) {
        if self.begun {
            self.at = self.at.saturating_add(self.block);
        }
        self.begun = true;
    }

    /// The first block went out with the answer to the request.
    fn started(&mut self) {
        self.begun = true;
    }
}

/// A file on its way in.
pub(super) struct Writing {
    pub(super) name: Vec<u8>,
    block: usize,
    pub(super) came: Upload,
}

impl Writing {
    pub(super) fn new(name: &[u8], block: usize) -> Self {
        let name = name.get(..name.len().min(NAME_MAX)).unwrap_or_default().to_vec();
        Self { name, block, came: Upload::new() }
    }

    pub(super) fn block(&self) -> usize {
        self.block
    }
}

/// Everything that is remembered.
#[derive(Default)]
pub(super) struct Table {
    transfers: VecDeque<Transfer>,
    suspects: VecDeque<(IpAddr, Instant)>,
    stored: VecDeque<(Vec<u8>, Vec<u8>)>,
}

impl Table {
    /// Puts a transfer in, in place of another one of that peer.
    pub(super) fn begin(&mut self, mut transfer: Transfer) {
        if let (Work::Read(reading), 1..) = (&mut transfer.work, transfer.block) {
            reading.started();
        }
        let same = |other: &Transfer| other.peer == transfer.peer;
        if let Some(old) = self.transfers.iter().position(same).and_then(|at| self.transfers.remove(at)) {
            self.end(old, false);
        }
        if self.transfers.len() >= TRANSFERS_MAX
            && let Some(old) = self.transfers.pop_front()
        {
            self.end(old, false);
        }
        self.transfers.push_back(transfer);
    }

    /// Takes the transfer of `peer` at `spare` out, and says whether its address may have guessed. A peer that
    /// has one elsewhere did guess.
    pub(super) fn take(&mut self, peer: SocketAddr, spare: Port, now: Instant) -> Option<(Transfer, bool)> {
        let ip = peer.ip();
        if let Some(at) = self.transfers.iter().position(|t| t.peer == peer && t.spare == spare) {
            let suspect = self.suspects.iter().any(|(other, _)| *other == ip);
            return self.transfers.remove(at).map(|transfer| (transfer, suspect));
        }
        if self.transfers.iter().any(|t| t.peer.ip() == ip) {
            self.suspects.retain(|(other, _)| *other != ip);
            if self.suspects.len() >= SUSPECTS_MAX {
                self.suspects.pop_front();
            }
            self.suspects.push_back((ip, now));
        }
        None
    }

    /// Ends what nobody goes on with.
    pub(super) fn sweep(&mut self, now: Instant) {
        while let Some(at) =
            self.transfers.iter().position(|t| now.saturating_duration_since(t.last) > TRANSFER_IDLE)
        {
            if let Some(old) = self.transfers.remove(at) {
                self.end(old, false);
            }
        }
        self.suspects.retain(|(_, since)| now.saturating_duration_since(*since) < SUSPECT_FOR);
    }

    /// A transfer is over; `whole`: it came to its end.
    pub(super) fn end(&mut self, transfer: Transfer, whole: bool) {
        let Work::Write(writing) = transfer.work else { return };
        if let Some(file) = writing.came.whole().filter(|_| whole) {
            self.stored.retain(|(name, _)| *name != writing.name);
            if self.stored.len() >= STORED_MAX {
                self.stored.pop_front();
            }
            self.stored.push_back((writing.name.clone(), file.to_vec()));
        }
        super::record(&transfer.record, &writing, whole);
    }

    /// An upload that is still there.
    pub(super) fn stored(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.stored.iter().find(|(known, _)| known == name).map(|(_, file)| file.clone())
    }
}
