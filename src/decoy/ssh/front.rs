//! The clear-text part of a connection, in front of the library: it answers bad packets as sshd does,
//! where the library stays silent or closes, and reads the client's fingerprint on the way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;

use super::ident::{self, LINE_MAX};
use super::kexinit::{self, Fingerprint};
use crate::decoy::session::Counted;

/// Longest clear-text packet (`PACKET_MAX_SIZE` of OpenSSH).
const PACKET_MAX: usize = 256 * 1024;

/// Reads the client's identification line byte by byte: what sshd leaves unread decides between a
/// clean end and a reset. An error is the line to close with.
pub(super) async fn identification(stream: &mut Counted) -> io::Result<Result<Vec<u8>, &'static str>> {
    let mut line = Vec::new();
    while line.len() < LINE_MAX {
        let byte = stream.read_u8().await?;
        match byte {
            b'\n' => {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(ident::judge(&line).map(|()| line));
            }
            0 => break,
            _ => line.push(byte),
        }
    }
    Ok(Err("Invalid SSH identification string."))
}

/// Reads what still comes for a moment, so that the close is a clean end and not a reset.
pub(super) async fn drain(stream: &mut Counted) {
    let mut scratch = [0; 1024];
    let rest = async { while stream.read(&mut scratch).await.is_ok_and(|got| got > 0) {} };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(50), rest).await;
    let _ = stream.shutdown().await;
}

/// Called once with the client's fingerprint.
pub(super) type OnHello = Box<dyn FnOnce(Fingerprint) + Send>;

/// What is known while packets are in clear.
struct Clear {
    /// Received, not judged yet.
    pending: Vec<u8>,
    /// Judged, for the library.
    ready: Vec<u8>,
    /// To the client: the library's bytes and our own answers, in order.
    out: Vec<u8>,
    /// Bytes of the library's own identification line still to swallow: it was sent before.
    swallow: usize,
    /// Packets seen.
    sequence: u32,
    stage: Stage,
    strict: bool,
    on_hello: Option<OnHello>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the client's KEXINIT.
    Hello,
    /// Between KEXINIT and the key exchange's last message.
    Exchange,
    /// NEWKEYS is next: nothing after it can be read.
    Opaque,
    /// The client broke the protocol.
    Closing,
}

impl Clear {
    /// Judges what was received.
    fn advance(&mut self) {
        while matches!(self.stage, Stage::Hello | Stage::Exchange) {
            let Some((head, _)) = self.pending.split_first_chunk::<6>() else { return };
            let [a, b, c, d, padding, kind] = *head;
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            // "Packet corrupt" and bad padding: sshd closes without a word.
            let fits = (5..=PACKET_MAX).contains(&length) && (length + 4).is_multiple_of(8);
            if !fits || padding < 4 || usize::from(padding) + 2 > length {
                self.stage = Stage::Closing;
                return;
            }
            if self.pending.len() < length + 4 {
                return;
            }
            let rest = self.pending.split_off(length + 4);
            let whole = std::mem::replace(&mut self.pending, rest);
            let sequence = self.sequence;
            self.sequence = self.sequence.wrapping_add(1);
            self.judge(kind, sequence, usize::from(padding), &whole);
        }
        if self.stage == Stage::Opaque {
            self.ready.append(&mut self.pending);
        }
    }

    fn judge(&mut self, kind: u8, sequence: u32, padding: usize, whole: &[u8]) {
        match (kind, self.stage) {
            (1, _) => self.ready.extend_from_slice(whole),
            (2..=4, _) if !self.strict => self.ready.extend_from_slice(whole),
            (20, Stage::Hello) => {
                self.stage = Stage::Exchange;
                let end = whole.len().saturating_sub(padding);
                if let Some(found) = whole.get(5..end).and_then(kexinit::fingerprint) {
                    self.strict = found.strict;
                    if let Some(on_hello) = self.on_hello.take() {
                        on_hello(found);
                    }
                }
                self.ready.extend_from_slice(whole);
            }
            (30..=34, Stage::Exchange) => {
                self.ready.extend_from_slice(whole);
                if kind == 30 || kind == 32 {
                    self.stage = Stage::Opaque;
                }
            }
            (0 | 192.., _) => self.part(&format!("Invalid ssh2 packet type: {kind}")),
            // No dispatch entry for these during key exchange.
            (50..=79, _) => self.stage = Stage::Closing,
            _ if self.strict => {
                self.part(&format!("strict KEX violation: unexpected packet type {kind} (seqnr {sequence})"));
            }
            _ => {
                let mut payload = vec![3];
                payload.extend(sequence.to_be_bytes());
                self.out.extend(ident::packet(&payload));
            }
        }
    }

    fn part(&mut self, text: &str) {
        self.out.extend(ident::disconnect(text));
        self.stage = Stage::Closing;
    }
}

/// The stream that the library reads and writes.
pub(super) struct Front {
    stream: Option<Counted>,
    /// Until both sides speak encrypted.
    clear: Option<Box<Clear>>,
    /// Ends when the connection's owner is gone.
    owner: oneshot::Receiver<()>,
    abandoned: bool,
    /// The library said its last word.
    ended: bool,
    /// Where the stream goes when the library is done with it.
    back: Option<oneshot::Sender<Counted>>,
}

impl Front {
    /// Wraps a stream on which both identification lines were exchanged: `id` is what the library
    /// will write as its own, `line` what it reads as the client's.
    pub(super) fn new(
        stream: Counted,
        id: &str,
        line: &[u8],
        on_hello: OnHello,
        owner: oneshot::Receiver<()>,
        back: oneshot::Sender<Counted>,
    ) -> Self {
        let mut ready = line.to_vec();
        ready.extend(b"\r\n");
        let clear = Clear {
            pending: Vec::new(),
            ready,
            out: Vec::new(),
            swallow: id.len() + 2,
            sequence: 0,
            stage: Stage::Hello,
            strict: false,
            on_hello: Some(on_hello),
        };
        Self {
            stream: Some(stream),
            clear: Some(Box::new(clear)),
            owner,
            abandoned: false,
            ended: false,
            back: Some(back),
        }
    }

    fn poll_owner(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.abandoned || Pin::new(&mut self.owner).poll(cx).is_ready() {
            self.abandoned = true;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Writes what is queued for the client.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (Some(stream), Some(clear)) = (&mut self.stream, &mut self.clear) else {
            return Poll::Ready(Ok(()));
        };
        while !clear.out.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(cx, &clear.out))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            clear.out.drain(..sent.min(clear.out.len()));
        }
        if clear.stage == Stage::Opaque && clear.ready.is_empty() && clear.swallow == 0 {
            self.clear = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Front {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.poll_owner(cx)?;
        if this.ended {
            // sshd does not wait for the client to close.
            return Poll::Ready(Ok(()));
        }
        loop {
            let flushed = this.poll_out(cx)?;
            let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
            let Some(clear) = &mut this.clear else { return Pin::new(stream).poll_read(cx, buf) };
            if !clear.ready.is_empty() {
                let take = clear.ready.len().min(buf.remaining());
                buf.put_slice(clear.ready.get(..take).unwrap_or_default());
                clear.ready.drain(..take);
                return Poll::Ready(Ok(()));
            }
            if clear.stage == Stage::Closing {
                return flushed.map(Ok);
            }
            let mut chunk = [0; 4096];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            clear.pending.extend_from_slice(chunk.filled());
            clear.advance();
        }
    }
}

impl AsyncWrite for Front {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.poll_owner(cx)?;
        if let Some(clear) = &mut this.clear {
            if clear.out.len() > PACKET_MAX {
                ready!(this.poll_out(cx))?;
            } else {
                let skip = clear.swallow.min(bytes.len());
                clear.swallow -= skip;
                clear.out.extend_from_slice(bytes.get(skip..).unwrap_or_default());
                let _ = this.poll_out(cx)?;
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        match &mut this.stream {
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_out(cx))?;
        match &mut this.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_out(cx))?;
        this.ended = true;
        match &mut this.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Hands the stream back, so that its owner can end it in peace.
impl Drop for Front {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            let _ = back.send(stream);
        }
    }
}
