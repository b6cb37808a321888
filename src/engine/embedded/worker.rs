//! One worker process: what it is given, and its life from spawn to end.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};

use super::nursery::Nursery;
use super::process::Process;
use crate::engine::fabric::{Listener, Prepared};
use crate::engine::{EngineError, Order};
use crate::host::sys::FIRST_FD;
use crate::model::{DeckyName, ListenerSpec, WorkerLimits, WorkerSpec};

/// How long a worker may take until it serves.
const START: Duration = Duration::from_secs(10);
/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// Longest thing a worker says.
const MAX_WORDS: u64 = 64;

/// What a worker's attendant reports.
#[derive(Debug)]
pub(super) struct Note {
    /// Which decky.
    pub(super) name: DeckyName,
    /// Which of its workers; older ones are out of date.
    pub(super) life: u64,
    /// What happened.
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The fabric made its place, or did not.
    Prepared(Box<Result<Prepared, EngineError>>),
    /// It serves.
    Ready,
    /// It ended by itself; `served`: after it had been ready.
    Ended { served: bool, lived: Duration, how: String },
    /// It was told to end, and did or did not.
    Stopped(Result<(), String>),
}

/// Has `nursery` start a worker for `order`; returns its process id. Dropping or using `stop` ends it.
pub(super) fn start(
    nursery: &mut Nursery,
    order: &Order,
    listeners: &[Listener],
    events: BorrowedFd<'_>,
    life: u64,
    stop: oneshot::Receiver<()>,
    notes: mpsc::UnboundedSender<Note>,
) -> io::Result<u32> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let control = tokio::net::UnixStream::from_std(ours)?;
    let spec = write_spec(order, listeners)?;
    let mut fds = vec![spec.as_fd(), theirs.as_fd(), events];
    fds.extend(listeners.iter().map(|l| l.fd.as_fd()));
    let process = nursery.fork(&fds)?;
    let pid = process.pid();
    let name = order.decky.name.clone();
    tokio::spawn(async move {
        let what = |what| Note { name: name.clone(), life, what };
        attend(process, control, stop, |w| {
            // The supervisor outlives its attendants but for the end of the program.
            let _ = notes.send(what(w));
        })
        .await;
    });
    Ok(pid)
}

/// The order in which descriptors are handed over: specification, control, events, then listeners.
fn write_spec(order: &Order, listeners: &[Listener]) -> io::Result<OwnedFd> {
    let (control_fd, events_fd) = (FIRST_FD + 1, FIRST_FD + 2);
    let spec = WorkerSpec {
        decky: order.decky.name.as_str().to_owned(),
        persona: order.persona.clone(),
        customs: order.customs.clone(),
        listeners: (events_fd + 1..)
            .zip(listeners)
            .map(|(fd, l)| ListenerSpec {
                fd,
                service: l.service.clone(),
                transport: l.transport,
                port: l.address.port(),
                number: l.number,
                role: l.role,
            })
            .collect(),
        events_fd,
        control_fd,
        limits: WorkerLimits::default(),
    };
    let fd = memfd_create("decnet-worker", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(&serde_json::to_vec(&spec)?)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

async fn attend(
    mut process: Process,
    mut control: tokio::net::UnixStream,
    mut stop: oneshot::Receiver<()>,
    tell: impl Fn(What),
) {
    let started = tokio::select! {
        biased;
        _ = &mut stop => None,
        words = tokio::time::timeout(START, first_words(&mut control)) => Some(
            words.unwrap_or_else(|_| Err(format!("its worker was not ready within {} s", START.as_secs()))),
        ),
    };
    match started {
        Some(Ok(())) => tell(What::Ready),
        Some(Err(why)) => {
            let lived = process.lived();
            // It either ended already or is of no use.
            let ended = process.end(Duration::from_millis(200)).await;
            let how = match ended {
                Ok(how) if why.is_empty() => {
                    format!("its worker ended while starting ({how}); see the engine's log")
                }
                _ => why,
            };
            return tell(What::Ended { served: false, lived, how });
        }
        None => {}
    }
    if started.is_some() {
        tokio::select! {
            biased;
            _ = &mut stop => {}
            ended = process.ended() => {
                let how = ended.unwrap_or_else(|error| error.to_string());
                return tell(What::Ended { served: true, lived: process.lived(), how });
            }
        }
    }
    drop(control);
    tell(What::Stopped(process.end(GRACE).await.map(drop)));
}

/// An empty error: it said nothing.
async fn first_words(control: &mut tokio::net::UnixStream) -> Result<(), String> {
    let mut line = Vec::new();
    let mut limited = control.take(MAX_WORDS);
    while !line.ends_with(b"\n") {
        match limited.read_buf(&mut line).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(format!("cannot hear its worker: {error}")),
        }
    }
    if line.is_empty() {
        return Err(String::new());
    }
    match line.as_slice() {
        b"ready\n" => Ok(()),
        _ => Err("its worker said something else than that it is ready".to_owned()),
    }
}
