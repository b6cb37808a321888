//! HTTP/2 (RFC 9113), the server's side, for any [`Web`].
//!
//! Own and small: what a server says first, how it writes its header fields and what it does with wrong
//! frames is how it is told from others. One task serves a connection and answers a request when all of it
//! is there. Everything a client can make us keep or do is bounded: streams at once, bytes of header
//! fields and bodies held, bytes not yet sent, and frames that lead to nothing (resets, pings, settings,
//! empty ones): who sends too many of those is told to calm down.

mod frame;
mod hpack;
mod huffman;
mod message;
mod state;

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use self::frame::{Code, DATA_MAX, FRAME_MAX, HEAD, Head};
use self::state::{Connection, End};
use super::engine::Web;
use super::server::Family;
use crate::decoy::Session;

/// What a client says first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest that one frame may take to come.
const FRAME_TIME: Duration = Duration::from_secs(30);

/// Serves a connection of which `start` was read already.
pub(super) async fn talk<W: Web + ?Sized>(web: &W, mut session: Session, start: Vec<u8>, secure: bool) {
    let mut connection = Connection::new(web, &session, secure);
    let mut input = start;
    connection.greet();
    let end = loop {
        if !connection.out.is_empty() {
            let bytes = std::mem::take(&mut connection.out);
            if session.write(&bytes).await.is_err() {
                return;
            }
        }
        match connection.step(&mut input) {
            Ok(true) => {}
            Ok(false) => match fill(&mut session, &mut input).await {
                Some(()) => {}
                None => return,
            },
            Err(end) => break end,
        }
    };
    connection.leave(&end);
    let bytes = std::mem::take(&mut connection.out);
    if session.write(&bytes).await.is_ok() {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut session.stream).await;
    }
}

/// Reads more; none when the client left or fell silent.
async fn fill(session: &mut Session, input: &mut Vec<u8>) -> Option<()> {
    let wait = if input.is_empty() { session.idle } else { session.idle.min(FRAME_TIME) };
    let mut chunk = [0u8; 4096];
    let got =
        tokio::time::timeout_at(Instant::now() + wait, session.stream.read(&mut chunk)).await.ok()?.ok()?;
    input.extend_from_slice(&chunk[..got]);
    (got > 0).then_some(())
}

impl<W: Web + ?Sized> Connection<'_, W> {
    /// Takes one thing off the input; false when there is none yet.
    fn step(&mut self, input: &mut Vec<u8>) -> Result<bool, End> {
        if !self.opened {
            let known = input.len().min(PREFACE.len());
            // nginx looks at the first line as a whole.
            if self.server.family == Family::Nginx && known < 16 {
                return Ok(false);
            }
            if !input.starts_with(&PREFACE[..known]) {
                return Err(match self.server.family {
                    Family::Apache => End::new(Code::Magic, "Received bad client magic byte string"),
                    _ => End::new(Code::Protocol, ""),
                });
            }
            if known < PREFACE.len() {
                return Ok(false);
            }
            input.drain(..known);
            self.opened = true;
            return Ok(true);
        }
        let Some(head) = Head::parse(input) else { return Ok(false) };
        let most = if head.kind == frame::DATA { DATA_MAX } else { FRAME_MAX };
        if head.length > most {
            return Err(End::new(Code::FrameSize, ""));
        }
        let end = HEAD.saturating_add(head.length);
        if input.len() < end {
            return Ok(false);
        }
        let payload: Vec<u8> = input.drain(..end).skip(HEAD).collect();
        self.frame(head, &payload)?;
        self.send();
        Ok(true)
    }

    /// Says how it ends.
    fn leave(&mut self, end: &End) {
        let last = if self.server.family == Family::Apache { 0 } else { self.last };
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&(end.code as u32).to_be_bytes());
        if self.server.family == Family::Apache {
            payload.extend_from_slice(end.why.as_bytes());
        }
        frame::put(&mut self.out, frame::GOAWAY, 0, 0, &payload);
        self.record.error("http2", if end.why.is_empty() { "connection ended" } else { end.why });
    }
}

#[cfg(test)]
mod tests;
