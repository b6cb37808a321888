//! One connection: its stream, its ends, its two events.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::super::Served;
use super::super::session::{Counted, Counters, Recorder, Session};
use super::accept::Service;
use super::governor::Permit;
use crate::event::Kind;

thread_local! {
    /// Where the last panic of this thread happened, `file:line`.
    pub(super) static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How much longer than the decoy's own idle limit a connection may be silent: the decoy has the
/// first word (a real server says goodbye), this is for one that forgot.
const GRACE: Duration = Duration::from_secs(5);

/// 16 random hex digits.
pub(super) fn session_id() -> String {
    let mut bytes = [0u8; 8];
    // Without randomness the sessions of this worker share a name; better than no service.
    let _ = getrandom::fill(&mut bytes);
    hex::encode(bytes)
}

/// Serves one client to the end, whatever the decoy does.
pub(super) async fn serve(
    stream: TcpStream,
    permit: Permit,
    record: Recorder,
    source: SocketAddr,
    destination: SocketAddr,
    service: Service,
) {
    // Answers of real servers are not delayed by the kernel either.
    let _ = stream.set_nodelay(true);
    // A connection whose process was killed would keep its namespace, and the decky's address, until a peer that
    // fell silent is given up. This resets it instead; `Socket` takes it back before an orderly end.
    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    let counters = Arc::new(Counters::default());
    let cord = Arc::new(Cord::default());
    let idle = Duration::from_secs(service.limits.idle_secs);
    let longest = Duration::from_secs(service.limits.session_secs);
    let mut end = SessionEnd {
        record: record.clone(),
        counters: counters.clone(),
        cord: cord.clone(),
        start: Instant::now(),
        reason: "stopped",
    };
    let stream = Socket { stream, cord: cord.clone(), _permit: permit };
    let session = Session {
        stream: Counted::new(Box::new(stream), counters.clone(), service.limits.bytes_in),
        record: record.clone(),
        source,
        destination,
        number: service.number,
        idle,
        spare: service.spare.clone(),
    };
    LAST_PANIC.set(None);
    let made = catch_unwind(AssertUnwindSafe(|| service.decoy.clone().serve(session)));
    let ended = match made {
        Err(_) => Ended::Panic,
        Ok(served) => {
            tokio::select! {
                biased;
                panicked = guarded(served) => if panicked { Ended::Panic } else { Ended::Done },
                () = silence(&counters, idle + GRACE) => Ended::Idle,
                () = tokio::time::sleep(longest) => Ended::TooLong,
            }
        }
    };
    end.reason = match ended {
        Ended::Panic => {
            let place = LAST_PANIC.take().unwrap_or_else(|| "an unknown place".to_owned());
            record.error("panic", &format!("the decoy failed at {place}"));
            "error"
        }
        Ended::Done if counters.read.load(Ordering::Relaxed) >= service.limits.bytes_in => "byte_limit",
        Ended::Done => "closed",
        Ended::Idle => "idle",
        Ended::TooLong => "session_limit",
    };
}

enum Ended {
    Done,
    Panic,
    Idle,
    TooLong,
}

/// Runs the decoy's future; true when it panicked.
async fn guarded(mut served: Served) -> bool {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| served.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => Poll::Ready(false),
        Err(_) => Poll::Ready(true),
    })
    .await
}

/// Returns once nothing went through for `limit`.
async fn silence(counters: &Counters, limit: Duration) {
    let through = || (counters.read.load(Ordering::Relaxed), counters.written.load(Ordering::Relaxed));
    loop {
        let before = through();
        tokio::time::sleep(limit).await;
        if through() == before {
            return;
        }
    }
}

/// Says that the session ended, however it ended: dropped with the runtime too.
struct SessionEnd {
    record: Recorder,
    counters: Arc<Counters>,
    cord: Arc<Cord>,
    start: Instant,
    reason: &'static str,
}

impl Drop for SessionEnd {
    fn drop(&mut self) {
        self.cord.cut();
        let lasted = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record
            .event(Kind::Session, "end")
            .field("duration_ms", lasted)
            .field("source.bytes", self.counters.read.load(Ordering::Relaxed))
            .field("destination.bytes", self.counters.written.load(Ordering::Relaxed))
            .field("event.reason", self.reason)
            .emit();
    }
}

/// Ends a stream from outside. A decoy may have given its stream to a task of its own; when the
/// session is over, that task must find the stream at its end.
#[derive(Default)]
struct Cord {
    is_cut: AtomicBool,
    waiting: Mutex<[Option<Waker>; 2]>,
}

const READER: usize = 0;
const WRITER: usize = 1;

impl Cord {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    fn remember<T>(&self, side: usize, cx: &Context<'_>, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut waiting[side] {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                slot => *slot = Some(cx.waker().clone()),
            }
        }
        polled
    }
}

/// The client's socket with its place among the open connections.
struct Socket {
    stream: TcpStream,
    cord: Arc<Cord>,
    _permit: Permit,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The peer gets what was written, and a proper end.
        let _ = sockopt::set_socket_linger(&self.stream, None);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cord.is_cut() {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.cord.remember(READER, cx, polled)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.cord.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.cord.remember(WRITER, cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::governor::Governor;
    use super::*;
    use crate::decoy::Decoy;
    use crate::decoy::session::SparePool;
    use crate::decoy::testing::Kept;
    use crate::event::Event;
    use crate::model::WorkerLimits;

    /// Does what its first byte says.
    struct Odd;

    impl Decoy for Odd {
        fn serve(self: Arc<Self>, mut session: Session) -> Served {
            Box::pin(async move {
                let mut byte = [0u8; 1];
                let _ = session.stream.read(&mut byte).await;
                match &byte {
                    b"p" => panic!("a bug"),
                    b"h" => std::future::pending().await,
                    b"s" => {
                        tokio::spawn(async move {
                            let mut rest = Vec::new();
                            let _ = session.stream.read_to_end(&mut rest).await;
                        });
                    }
                    _ => {
                        let mut rest = Vec::new();
                        let _ = session.stream.read_to_end(&mut rest).await;
                        let _ = session.write(b"bye").await;
                    }
                }
            })
        }
    }

    /// Sends `bytes`, reads to the end, and gives what came, what was recorded, and the governor.
    async fn talk(limits: WorkerLimits, bytes: &[u8]) -> (Vec<u8>, Vec<Event>, Arc<Governor>) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let destination = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(destination).await.unwrap();
        let (stream, source) = listener.accept().await.unwrap();
        let kept = Arc::new(Kept::default());
        let governor = Arc::new(Governor::new(limits));
        let record = Recorder::new(kept.clone(), "odd", source, destination, &session_id());
        let (socket, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let service = Service {
            slug: "odd".into(),
            number: 1,
            decoy: Arc::new(Odd),
            spare: Arc::new(SparePool::default()),
            sink: Arc::new(super::super::sink::Channel::new(socket.into(), governor.clone())),
            governor: governor.clone(),
            limits,
        };
        let permit = governor.admit(source.ip()).ok().unwrap();
        let task = tokio::spawn(serve(stream, permit, record, source, destination, service));
        client.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        if bytes.first() != Some(&b'h') {
            client.shutdown().await.unwrap();
        }
        let _ = client.read_to_end(&mut answer).await;
        task.await.unwrap();
        (answer, kept.events(), governor)
    }

    fn ended(events: &[Event]) -> &Event {
        let last = events.last().unwrap();
        assert_eq!(last.kind, Kind::Session);
        last
    }

    #[tokio::test]
    async fn counts_what_went_through() {
        let (answer, events, _) = talk(WorkerLimits::default(), b"hello".map(|b| b | 0x80).as_slice()).await;
        assert_eq!(answer, b"bye");
        let end = ended(&events);
        assert_eq!(end.fields["source.bytes"], 5);
        assert_eq!(end.fields["destination.bytes"], 3);
        assert_eq!(end.fields["event.reason"], "closed");
    }

    #[tokio::test]
    async fn a_panic_costs_one_connection_and_is_told() {
        let (_, events, governor) =
            talk(WorkerLimits { connections: 1, ..WorkerLimits::default() }, b"p").await;
        assert_eq!(events[0].action, "panic");
        assert_eq!(ended(&events).fields["event.reason"], "error");
        assert!(governor.admit([127, 0, 0, 1].into()).is_ok());
    }

    #[tokio::test]
    async fn a_session_that_never_ends_is_ended() {
        let limits = WorkerLimits { session_secs: 0, ..WorkerLimits::default() };
        let (_, events, _) = talk(limits, b"h").await;
        assert_eq!(ended(&events).fields["event.reason"], "session_limit");
    }

    #[tokio::test]
    async fn a_stream_that_was_given_away_ends_with_its_session() {
        let limits = WorkerLimits { connections: 1, ..WorkerLimits::default() };
        let (answer, _, governor) = talk(limits, b"s").await;
        assert_eq!(answer, b"");
        tokio::task::yield_now().await;
        assert!(governor.admit([127, 0, 0, 1].into()).is_ok());
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let limits = WorkerLimits { bytes_in: 10, ..WorkerLimits::default() };
        let (_, events, _) = talk(limits, &[b'x'; 4096]).await;
        assert_eq!(ended(&events).fields["event.reason"], "byte_limit");
    }
}
