//! The stream below a handshake: it begins with what was read already, and notes how it begins.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::decoy::session::Duplex;

/// The first bytes of a stream, up to a limit; shared, for a failed handshake takes its stream with it.
#[derive(Clone)]
pub(super) struct Seen {
    bytes: Arc<Mutex<Vec<u8>>>,
    max: usize,
}

impl Seen {
    pub(super) fn new(max: usize) -> Self {
        Self { bytes: Arc::default(), max }
    }

    fn note(&self, bytes: &[u8]) {
        let mut seen = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.max.saturating_sub(seen.len()).min(bytes.len());
        seen.extend_from_slice(&bytes[..room]);
    }

    /// What came.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream that begins with what was read already.
pub struct Noted<D> {
    inner: D,
    start: Vec<u8>,
    seen: Option<Seen>,
}

impl<D> Noted<D> {
    /// The stream itself; what it began with must have been read.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// The stream itself.
    pub fn get_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    pub(super) fn new(inner: D, start: Vec<u8>, seen: Seen) -> Self {
        Self { inner, start, seen: Some(seen) }
    }
}

impl<D: Duplex> AsyncRead for Noted<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.start.is_empty() {
            let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
            if !matches!(polled, Poll::Ready(Ok(()))) {
                return polled;
            }
        } else {
            let count = self.start.len().min(buf.remaining());
            buf.put_slice(&self.start[..count]);
            self.start.drain(..count);
        }
        if let Some(seen) = &self.seen {
            seen.note(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<D: Duplex> AsyncWrite for Noted<D> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A ClientHello is over when we answer.
        self.seen = None;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
