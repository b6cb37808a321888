//! One connection as a decoy sees it: a counted, bounded stream and the recorder of what happens on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::event::cast::Chunk;
use crate::event::{Bytes, Event, Kind, SecretKind};

/// A duplex byte stream; `TcpStream` in a worker, an in-memory pipe in unit tests.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where a worker's events go.
pub trait Sink: Send + Sync {
    /// Takes one event; never blocks and never fails (a full channel counts the loss).
    fn emit(&self, event: Event);

    /// Takes a part of a recording, which gives way to events; false when there was no room for it.
    fn cast(&self, chunk: &Chunk) -> bool {
        let _ = chunk;
        false
    }

    /// Whether so many bytes of what clients brought may be kept, of all that the decky may keep.
    fn may_keep(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }
}

/// Records events of one connection. Cheap to clone; safe to use after the stream is gone.
#[derive(Clone)]
pub struct Recorder {
    sink: Arc<dyn Sink>,
    service: Arc<str>,
    source: SocketAddr,
    destination: SocketAddr,
    session: Arc<str>,
    /// Bytes kept of what the client brought.
    kept: Arc<AtomicUsize>,
}

impl Recorder {
    /// A recorder for one connection of `service`.
    pub fn new(
        sink: Arc<dyn Sink>,
        service: &str,
        source: SocketAddr,
        destination: SocketAddr,
        session: &str,
    ) -> Self {
        Self {
            sink,
            service: service.into(),
            source,
            destination,
            session: session.into(),
            kept: Arc::default(),
        }
    }

    /// Where recordings go, and the names of the connection and the service.
    pub(super) fn parts(&self) -> (Arc<dyn Sink>, Arc<str>, &str) {
        (self.sink.clone(), self.session.clone(), &self.service)
    }

    /// Starts an event; nothing is recorded until [`Draft::emit`].
    pub fn event(&self, kind: Kind, action: &str) -> Draft<'_> {
        Draft {
            recorder: self,
            event: Event {
                time: jiff::Timestamp::now(),
                sequence: 0,
                decky: String::new(),
                service: self.service.to_string(),
                kind,
                action: action.to_owned(),
                outcome: None,
                source: self.source,
                destination: self.destination,
                session: self.session.to_string(),
                user: None,
                secret: None,
                secret_kind: None,
                fields: Map::new(),
            },
        }
    }

    /// Records a login attempt: `action` says how (`password`, `publickey`, `basic`).
    pub fn login(&self, action: &str, user: &[u8], secret: Option<(&[u8], SecretKind)>, ok: bool) {
        let mut draft = self.event(Kind::Login, action).outcome(ok);
        draft.event.user = Some(Bytes::new(user));
        if let Some((bytes, kind)) = secret {
            draft.event.secret = Some(Bytes::new(bytes));
            draft.event.secret_kind = Some(kind);
        }
        draft.emit();
    }

    /// Records that the peer broke the protocol or a limit.
    pub fn error(&self, action: &str, message: &str) {
        self.event(Kind::Error, action).text("error.message", message).emit();
    }
}

/// An event being put together.
#[must_use = "nothing is recorded until `emit`"]
pub struct Draft<'a> {
    recorder: &'a Recorder,
    event: Event,
}

impl Draft<'_> {
    /// Whether it succeeded.
    pub fn outcome(mut self, ok: bool) -> Self {
        self.event.outcome = Some(if ok { "success" } else { "failure" }.to_owned());
        self
    }

    /// The user it concerns.
    pub fn user(mut self, user: &[u8]) -> Self {
        self.event.user = Some(Bytes::new(user));
        self
    }

    /// A secret that came along with it.
    pub fn secret(mut self, secret: &[u8], kind: SecretKind) -> Self {
        self.event.secret = Some(Bytes::new(secret));
        self.event.secret_kind = Some(kind);
        self
    }

    /// A field of our own making (text we wrote, a number, a list).
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.event.fields.insert(name.to_owned(), value.into());
        self
    }

    /// A text field, cut to [`crate::event::FIELD_MAX`] bytes.
    pub fn text(self, name: &str, text: &str) -> Self {
        let mut end = text.len().min(crate::event::FIELD_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let value = Value::String(text[..end].to_owned());
        self.field(name, value)
    }

    /// Bytes from the wire, cut to [`crate::event::FIELD_MAX`].
    pub fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        let value = Bytes::new(bytes).to_value();
        self.field(name, value)
    }

    /// Whether so many bytes more of an upload may be kept ([`super::upload`]); they are counted then.
    pub(super) fn may_keep(&self, bytes: usize) -> bool {
        let add = |kept: usize| kept.checked_add(bytes).filter(|sum| *sum <= super::upload::SESSION_MAX);
        self.recorder.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
            && self.recorder.sink.may_keep(bytes)
    }

    /// Records it.
    pub fn emit(self) {
        self.recorder.sink.emit(self.event);
    }
}

/// Bytes that went through a connection.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the peer.
    pub read: AtomicU64,
    /// To the peer.
    pub written: AtomicU64,
}

/// One connection.
pub struct Session {
    /// The stream: counted, and at its end after the limit of bytes.
    pub stream: Counted,
    /// Records events of this connection.
    pub record: Recorder,
    /// The peer.
    pub source: SocketAddr,
    /// Our end.
    pub destination: SocketAddr,
    /// Port of the service it came to, as the catalogue has it: `port_offset` taken out.
    pub number: u16,
    /// Longest silence; wrap reads with [`Session::read`] or [`timeout`].
    pub idle: Duration,
    /// Spare listening sockets of this service (passive FTP); empty for most.
    pub spare: Arc<SparePool>,
}

/// Spare listening sockets a decoy may use for second connections, one at a time each.
#[derive(Default)]
pub struct SparePool {
    /// Each is locked while a transfer uses it.
    pub listeners: Vec<tokio::sync::Mutex<tokio::net::TcpListener>>,
}

impl Session {
    /// This session over another stream that goes through its own, such as TLS. What comes out of it is
    /// bounded and counted anew; the socket below stays counted as it was.
    ///
    /// # Errors
    /// What `wrap` fails with.
    pub async fn over<D: Duplex + 'static, F: Future<Output = io::Result<D>>>(
        self,
        wrap: impl FnOnce(Counted) -> F,
    ) -> io::Result<Self> {
        let budget = self.stream.budget;
        let inner = wrap(self.stream).await?;
        Ok(Self { stream: Counted::new(Box::new(inner), Arc::default(), budget), ..self })
    }

    /// Reads some bytes within the idle time; 0 means the end (or the byte limit).
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        timeout(self.idle, self.stream.read(buffer)).await
    }

    /// Writes all of `bytes` and flushes, within the idle time.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let idle = self.idle;
        timeout(idle, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Reads one line up to and including `\n`, at most `max` bytes, within the idle time. `None` at
    /// the end. A longer line comes back cut at `max` without its `\n`; the rest follows.
    pub async fn line(&mut self, pending: &mut Vec<u8>, max: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            let window = pending.len().min(max);
            if let Some(at) = pending[..window].iter().position(|b| *b == b'\n') {
                return Ok(Some(pending.drain(..=at).collect()));
            }
            if pending.len() >= max {
                return Ok(Some(pending.drain(..max).collect()));
            }
            let mut chunk = [0u8; 1024];
            let got = self.read(&mut chunk).await?;
            if got == 0 {
                let rest = std::mem::take(pending);
                return Ok(if rest.is_empty() { None } else { Some(rest) });
            }
            pending.extend_from_slice(&chunk[..got]);
        }
    }
}

/// Runs an I/O future within `limit`; too long is [`io::ErrorKind::TimedOut`].
pub async fn timeout<T>(limit: Duration, io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, io).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A stream that counts, and reads as ended once `budget` bytes were read.
pub struct Counted {
    inner: Box<dyn Duplex>,
    counters: Arc<Counters>,
    budget: u64,
}

impl Counted {
    /// Wraps a stream that may deliver `budget` bytes.
    pub fn new(inner: Box<dyn Duplex>, counters: Arc<Counters>, budget: u64) -> Self {
        Self { inner, counters, budget }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.counters.read.load(Ordering::Relaxed) >= self.budget {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let got = (buf.filled().len() - before) as u64;
        self.counters.read.fetch_add(got, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(sent)) = &polled {
            self.counters.written.fetch_add(*sent as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
