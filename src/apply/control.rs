//! The control socket's side of the engine: reads requests, asks the loop, writes answers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::engine::protocol::{self, MAX_REQUEST, Reply, Request};
use crate::engine::{EngineError, EngineStatus, ErrorKind};

/// Requests that are read and answered at a time; further clients wait to be accepted.
const CLIENTS: usize = 16;
/// Clients that wait for a `sync` or a `stop` to end.
const WAITING: usize = 512;
/// How long a client may take to say what it wants, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the loop is asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// How it is.
    Status(oneshot::Sender<EngineStatus>),
    /// Whether it still turns; answered by one line for people.
    Pulse(oneshot::Sender<String>),
    /// To read the store again, and to tell how each ends.
    Sync { names: Option<Vec<String>>, tell: mpsc::UnboundedSender<Reply> },
    /// To give its place to another program.
    Replace { program: PathBuf, tell: mpsc::UnboundedSender<Reply> },
    /// To end.
    Stop(mpsc::UnboundedSender<Reply>),
}

/// Serves clients until the task is dropped.
pub(super) async fn serve(listener: UnixListener, ask: mpsc::UnboundedSender<Ask>) {
    let clients = Arc::new(Semaphore::new(CLIENTS));
    let waiting = Arc::new(Semaphore::new(WAITING));
    loop {
        let Ok(permit) = clients.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (ask, waiting) = (ask.clone(), waiting.clone());
                tokio::spawn(async move {
                    // Whatever broke, the client sees its connection end.
                    let _ = client(stream, permit, &waiting, &ask).await;
                });
            }
            // Out of descriptors: it gets better when somebody leaves.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn client(
    stream: UnixStream,
    permit: tokio::sync::OwnedSemaphorePermit,
    waiting: &Arc<Semaphore>,
    ask: &mpsc::UnboundedSender<Ask>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let peer = writer.as_ref().peer_cred()?.uid();
    let ours = rustix::process::geteuid().as_raw();
    if peer != ours && peer != 0 {
        let refusal = EngineError::new(ErrorKind::Denied, format!("this engine belongs to user {ours}"));
        return say(&mut writer, &Reply::Error(refusal)).await;
    }
    let mut reader = BufReader::new(reader.take(MAX_REQUEST as u64 + 1));
    let mut line = Vec::new();
    within(reader.read_until(b'\n', &mut line)).await?;
    if !line.ends_with(b"\n") {
        let why = if line.len() > MAX_REQUEST { "the request is too long" } else { "the request is cut off" };
        return say(&mut writer, &Reply::Error(EngineError::new(ErrorKind::Protocol, why))).await;
    }
    let request = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => request,
        Err(error) => {
            let error = EngineError::new(ErrorKind::Protocol, format!("the request makes no sense: {error}"))
                .remedy("client and engine may be of different versions; restart the engine");
            return say(&mut writer, &Reply::Error(error)).await;
        }
    };
    let (tell, mut replies) = mpsc::unbounded_channel();
    let asked = match request {
        Request::Ping => {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            return say(&mut writer, &Reply::Pong { pid: std::process::id(), version }).await;
        }
        Request::Status => {
            let (tell, status) = oneshot::channel();
            if ask.send(Ask::Status(tell)).is_ok()
                && let Ok(status) = status.await
            {
                return say(&mut writer, &Reply::Status(Box::new(status))).await;
            }
            return Ok(());
        }
        Request::Sync { names } => Ask::Sync { names, tell },
        Request::Replace { program } => Ask::Replace { program, tell },
        Request::Stop => Ask::Stop(tell),
    };
    let Ok(_wait) = waiting.clone().try_acquire_owned() else {
        let busy =
            EngineError::new(ErrorKind::Busy, "too many commands wait for this engine").remedy("try again");
        return say(&mut writer, &Reply::Error(busy)).await;
    };
    drop(permit);
    if ask.send(asked).is_err() {
        return Ok(());
    }
    let mut reader = reader.into_inner().into_inner();
    let mut byte = [0u8; 1];
    loop {
        tokio::select! {
            reply = replies.recv() => match reply {
                Some(reply) => say(&mut writer, &reply).await?,
                None => return Ok(()),
            },
            // Nothing more is to be said: whatever comes, or its end, means that the client left.
            _ = reader.read(&mut byte) => return Ok(()),
        }
    }
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), reply: &Reply) -> io::Result<()> {
    let line = protocol::line(reply)?;
    within(writer.write_all(&line)).await
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
