//! One worker process: what it is given, and its life from spawn to end.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Pid;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::nursery::Nursery;
use super::process::Process;
use super::slot::{Place, Slot};
use crate::engine::fabric::{Listener, Prepared};
use crate::engine::{EngineError, Order};
use crate::host::sys::FIRST_FD;
use crate::model::{DeckyName, ListenerSpec, WorkerLimits, WorkerSpec};

/// How long a worker may take until it serves.
const START: Duration = Duration::from_secs(10);
/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// Longest thing a worker says.
const MAX_WORDS: usize = 64;

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

/// Has `nursery` start a worker for `order`; returns its process id and its control socket. Dropping or using
/// `stop` and letting go of the control socket ends it.
pub(super) fn start(
    nursery: &mut Nursery,
    order: &Order,
    listeners: &[Listener],
    events: BorrowedFd<'_>,
    life: u64,
    stop: oneshot::Receiver<()>,
    notes: mpsc::UnboundedSender<Note>,
) -> io::Result<(u32, Arc<UnixStream>)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let control = Arc::new(UnixStream::from_std(ours)?);
    let spec = write_spec(order, listeners)?;
    let mut fds = vec![spec.as_fd(), theirs.as_fd(), events];
    fds.extend(listeners.iter().map(|l| l.fd.as_fd()));
    let process = nursery.fork(&fds)?;
    let pid = process.pid();
    watch(
        order.decky.name.clone(),
        life,
        Attended { process, control: control.clone(), stop, serves: false },
        notes,
    );
    Ok((pid, control))
}

/// Goes on with a worker that the program before this one started, and that serves.
pub(super) fn resume(
    slot: &mut Slot,
    pid: Pid,
    control: OwnedFd,
    notes: mpsc::UnboundedSender<Note>,
) -> io::Result<()> {
    let control = StdUnixStream::from(control);
    control.set_nonblocking(true)?;
    let control = Arc::new(UnixStream::from_std(control)?);
    let process = Process::adopt(pid)?;
    let (stop, stopped) = oneshot::channel();
    slot.pid = Some(process.pid());
    slot.stop = Some(stop);
    slot.control = Some(control.clone());
    slot.place = Place::Made;
    slot.up();
    slot.stale = true;
    let attended = Attended { process, control, stop: stopped, serves: true };
    watch(slot.order.decky.name.clone(), slot.life, attended, notes);
    Ok(())
}

/// A worker, and what its attendant needs.
struct Attended {
    process: Process,
    control: Arc<UnixStream>,
    stop: oneshot::Receiver<()>,
    serves: bool,
}

fn watch(name: DeckyName, life: u64, attended: Attended, notes: mpsc::UnboundedSender<Note>) {
    tokio::spawn(async move {
        let what = |what| Note { name: name.clone(), life, what };
        attend(attended, |w| {
            // The supervisor outlives its attendants but for the end of the program.
            let _ = notes.send(what(w));
        })
        .await;
    });
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

async fn attend(attended: Attended, tell: impl Fn(What)) {
    let Attended { mut process, control, mut stop, serves } = attended;
    let started = tokio::select! {
        biased;
        _ = &mut stop => None,
        () = std::future::ready(()), if serves => Some(Ok(())),
        words = tokio::time::timeout(START, first_words(&control)) => Some(
            words.unwrap_or_else(|_| Err(format!("its worker was not ready within {} s", START.as_secs()))),
        ),
    };
    match started {
        Some(Ok(())) if serves => {}
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
async fn first_words(control: &UnixStream) -> Result<(), String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < MAX_WORDS {
        let mut words = [0; MAX_WORDS];
        let heard = match control.readable().await {
            Ok(()) => control.try_read(&mut words),
            Err(error) => Err(error),
        };
        match heard {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(words.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
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
