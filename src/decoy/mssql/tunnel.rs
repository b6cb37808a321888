//! TLS inside packets: a handshake travels as prelogin packets, what follows it does not (MS-TDS §3.2.5.1).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tds::{self, HEADER, kind};
use crate::decoy::session::Counted;

/// Most bytes of a handshake that wait to be sent.
const FLIGHT_MAX: usize = 64 * 1024;

/// A stream that wraps and unwraps until it is told that the handshake is over.
pub(super) struct Tunnel {
    inner: Counted,
    wrapping: bool,
    /// Header of the packet that comes in, and how much of it is there.
    header: [u8; HEADER],
    have: usize,
    /// Bytes of that packet that are still to come.
    left: usize,
    /// What waits for the end of its flight: the server sends each as one message.
    flight: Vec<u8>,
    /// What goes out next.
    out: Vec<u8>,
}

impl Tunnel {
    /// Around a stream.
    pub(super) fn new(inner: Counted) -> Self {
        Self {
            inner,
            wrapping: true,
            header: [0; HEADER],
            have: 0,
            left: 0,
            flight: Vec::new(),
            out: Vec::new(),
        }
    }

    /// The handshake is over.
    pub(super) fn open(&mut self) {
        self.wrapping = false;
    }

    /// The stream itself.
    pub(super) fn into_inner(self) -> Counted {
        self.inner
    }

    /// Sends what is waiting.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => drop(self.out.drain(..sent)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.wrapping {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let this = &mut *self;
        while this.left == 0 {
            let mut part = ReadBuf::new(&mut this.header[this.have..]);
            match Pin::new(&mut this.inner).poll_read(cx, &mut part) {
                Poll::Ready(Ok(())) if part.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => this.have += part.filled().len(),
                other => return other,
            }
            if this.have == HEADER {
                this.have = 0;
                let length = usize::from(u16::from_be_bytes([this.header[2], this.header[3]]));
                if this.header[0] != kind::PRELOGIN || length < HEADER {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                this.left = length - HEADER;
            }
        }
        let mut chunk = [0u8; 2048];
        let most = this.left.min(buf.remaining()).min(chunk.len());
        let mut part = ReadBuf::new(&mut chunk[..most]);
        let polled = Pin::new(&mut this.inner).poll_read(cx, &mut part);
        if let Poll::Ready(Ok(())) = polled {
            this.left -= part.filled().len();
            buf.put_slice(part.filled());
        }
        polled
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.wrapping {
            if self.flight.len() + bytes.len() > FLIGHT_MAX {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            self.flight.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        match self.drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_write(cx, bytes),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.flight.is_empty() {
            let flight = std::mem::take(&mut self.flight);
            self.out.extend(tds::packets(kind::PRELOGIN, 0, &flight));
        }
        match self.drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_flush(cx),
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
