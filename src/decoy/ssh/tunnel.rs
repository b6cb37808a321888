//! A forwarded connection that goes nowhere.

use super::channel::{Program, Shared, Step};
use crate::event::Kind;

/// Bytes kept of what a client sends through.
const KEEP: usize = 4096;

/// Keeps the first bytes and ends: the far side hung up.
pub(super) struct Tunnel {
    target: String,
    kept: Vec<u8>,
}

impl Tunnel {
    /// A connection to `target`, as `host:port`.
    pub(super) fn new(target: String) -> Self {
        Self { target, kept: Vec::new() }
    }
}

impl Program for Tunnel {
    fn step(&mut self, input: &mut Vec<u8>, _: &mut Shared, _: &mut Vec<u8>) -> Step {
        if input.is_empty() {
            return Step::Idle;
        }
        let room = KEEP.saturating_sub(self.kept.len()).min(input.len());
        self.kept.extend(input.drain(..room));
        input.clear();
        Step::End(0)
    }

    fn eof(&mut self, _: &mut Shared, _: &mut Vec<u8>) -> u8 {
        0
    }

    fn finish(&mut self, shared: &mut Shared) {
        if !self.kept.is_empty() {
            shared
                .event(Kind::Request, "direct_tcpip_data")
                .text("ssh.forward.target", &self.target)
                .bytes("ssh.forward.data", &std::mem::take(&mut self.kept))
                .emit();
        }
    }
}
