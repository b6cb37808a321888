//! Reads commands, literals included, within limits.

use std::io;

use super::parse::literal;
use crate::decoy::Session;

/// Longest line before and after a login, and bytes of one command with its literals.
const STRANGER_MAX: usize = 4096;
const LINE_MAX: usize = 8192;
const COMMAND_MAX: usize = 64 * 1024;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A command: lines without their last CRLF, literals behind their announcement.
    Command(Vec<u8>),
    /// APPEND with a literal that is too long to be kept; of one that came unasked, all was skipped.
    TooBig(Vec<u8>),
    /// The line was too long.
    Full,
    End,
}

pub(super) struct Reader {
    pub(super) session: Session,
    pending: Vec<u8>,
    /// Bytes of one line.
    pub(super) line_max: usize,
}

impl Reader {
    pub(super) fn new(session: Session) -> Self {
        Self { session, pending: Vec::new(), line_max: STRANGER_MAX }
    }

    /// Takes longer lines from now on.
    pub(super) fn widen(&mut self) {
        self.line_max = LINE_MAX;
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.write(bytes).await
    }

    /// A line without its end; none at the end, or when it is too long.
    pub(super) async fn line(&mut self) -> io::Result<Input> {
        let Some(mut line) = self.session.line(&mut self.pending, self.line_max).await? else {
            return Ok(Input::End);
        };
        if line.len() >= self.line_max && !line.ends_with(b"\n") {
            self.session.record.error("long_line", "a command line was too long");
            return Ok(Input::Full);
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        Ok(Input::Command(line))
    }

    /// A whole command; literals of up to `room` bytes are kept.
    pub(super) async fn command(&mut self, room: usize) -> io::Result<Input> {
        let mut all = Vec::new();
        loop {
            let line = match self.line().await? {
                Input::Command(line) => line,
                other => return Ok(other),
            };
            all.extend_from_slice(&line);
            if all.len() > COMMAND_MAX.saturating_add(room) {
                return Ok(Input::Full);
            }
            let Some((length, waits)) = literal(&line) else { return Ok(Input::Command(all)) };
            let fits = usize::try_from(length).ok().filter(|n| *n <= room.max(self.line_max));
            let fits = fits.filter(|n| n.saturating_add(all.len()) <= COMMAND_MAX.saturating_add(room));
            let Some(length) = fits else {
                if !waits {
                    self.skip(length).await?;
                    // The rest of the command.
                    self.line().await?;
                }
                return Ok(Input::TooBig(all));
            };
            if waits {
                self.send(b"+ OK\r\n").await?;
            }
            all.extend_from_slice(b"\r\n");
            if !self.take(length, &mut all).await? {
                return Ok(Input::End);
            }
        }
    }

    async fn take(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<bool> {
        let early = self.pending.len().min(length);
        into.extend(self.pending.drain(..early));
        let mut left = length.saturating_sub(early);
        let mut buffer = [0u8; 4096];
        while left > 0 {
            let Some(window) = buffer.get_mut(..left.min(4096)) else { return Ok(false) };
            let got = self.session.read(window).await?;
            if got == 0 {
                return Ok(false);
            }
            into.extend_from_slice(window.get(..got).unwrap_or_default());
            left = left.saturating_sub(got);
        }
        Ok(true)
    }

    async fn skip(&mut self, length: u64) -> io::Result<()> {
        let mut left = length;
        let mut nothing = Vec::new();
        while left > 0 {
            let piece = usize::try_from(left.min(4096)).unwrap_or(4096);
            nothing.clear();
            if !self.take(piece, &mut nothing).await? {
                return Ok(());
            }
            left = left.saturating_sub(piece as u64);
        }
        Ok(())
    }
}
