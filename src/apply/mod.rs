//! Makes what runs equal what is recorded: the engine process.
//!
//! One process per state directory holds the lock, the control socket, every listening socket and every
//! worker. It may be killed and started at any time; what it knows is in the store.

mod control;
mod decide;
mod herald;
mod ledger;
mod lock;
mod log;
mod reconcile;
mod succession;
mod timers;
mod waiters;

use std::os::fd::RawFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::embedded::{Embedded, Estate, WriterOptions};
use crate::engine::protocol::Reply;
use crate::engine::{EngineError, ErrorKind, protocol, socket};
use crate::host::StateDir;
use crate::store::StoreError;

use ledger::Ledger;
use lock::EngineLock;
use reconcile::{End, Ends, Loop};
use succession::Succession;

pub use lock::kill_engine;
pub(crate) use succession::form;

/// How long what is on its way may take before another program takes this one's place.
const REST: Duration = Duration::from_secs(2);
/// How long who asked for that may take to hear of it.
const GOODBYE: Duration = Duration::from_millis(200);

/// How the engine runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineOptions {
    /// Started by a command that waits for one line on standard output: `ready`, or an
    /// [`EngineError`] as JSON. Leaves the terminal's session.
    pub background: bool,
    /// The descriptor with what the program before this one, in the same process, left.
    pub estate: Option<RawFd>,
}

/// Runs the engine until it is told to end (SIGTERM, SIGINT, or over the socket). To be called on the
/// main thread, which workers die with.
///
/// # Errors
/// When another engine runs, or the state directory, the store or the socket cannot be used.
pub fn run_engine(dir: &StateDir, options: EngineOptions) -> Result<(), EngineError> {
    let done = run(dir, options);
    // In the foreground the caller says it.
    if options.background
        && let Err(error) = &done
    {
        log::line(&error.to_string());
        if let Ok(line) = protocol::line(error) {
            crate::host::stdio::answer(&line);
        }
    }
    done
}

fn run(dir: &StateDir, options: EngineOptions) -> Result<(), EngineError> {
    if options.background {
        // Fails only for a process that has a session of its own already.
        let _ = rustix::process::setsid();
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    dir.create()?;
    let left = options.estate.map(Succession::read).transpose()?;
    let (lock, socket) = match &left {
        Some(left) => left.take().map(|(lock, socket)| (lock, Some(socket)))?,
        None => (EngineLock::take(dir)?, None),
    };
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| EngineError::io("cannot start the engine", &error))?;
    let estate = left.map(|left| left.estate);
    let done = runtime.block_on(serve(dir, &lock, socket, estate, options));
    // A look-up of a log target may still hang in the name service.
    runtime.shutdown_background();
    done
}

async fn serve(
    dir: &StateDir,
    lock: &EngineLock,
    socket: Option<StdUnixListener>,
    estate: Option<Estate>,
    options: EngineOptions,
) -> Result<(), EngineError> {
    let listen = |kind| signal(kind).map_err(|error| EngineError::io("cannot wait for signals", &error));
    let mut ends =
        Ends { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? };
    // The terminal it was started from may go.
    let _hangup = listen(SignalKind::hangup())?;
    let ledger = Ledger::open(dir.db()).map_err(|error| store_error(&error))?;
    let writer = WriterOptions { directory: dir.events_dir() };
    let follows = estate.is_some();
    let engine = match estate {
        Some(estate) => Embedded::resume(writer, estate)?,
        None => Embedded::new(writer)?,
    };
    let bound = socket.map_or_else(|| socket::bind(dir), Ok);
    let listeners = bound.and_then(|socket| Ok((socket.try_clone()?, UnixListener::from_std(socket)?)));
    let (socket, listener) = listeners.map_err(|error| {
        EngineError::io(&format!("cannot listen on the control socket `{}`", dir.socket().display()), &error)
    })?;
    let (ask, asks) = mpsc::unbounded_channel();
    let server = tokio::spawn(control::serve(listener, ask.clone()));
    if options.background && !follows {
        crate::host::stdio::answer(b"ready\n");
    }
    let how = if follows { "took over as" } else { "runs as" };
    log::line(&format!("version {} {how} process {}", env!("CARGO_PKG_VERSION"), std::process::id()));

    let mut work = Loop::new(engine, ledger, asks);
    let in_place = || {
        if options.background {
            log::trim(dir);
        }
        lock.in_place(dir)
    };
    let manager = herald::manager();
    let mut pulse = std::pin::pin!(async {
        match &manager {
            Some(manager) => herald::run(manager, ask).await,
            None => drop(ask),
        }
        std::future::pending::<()>().await;
    });
    let end = loop {
        let end = tokio::select! {
            end = work.run(&mut ends, in_place) => end,
            () = &mut pulse => End::Asked,
        };
        let End::Replaced(program, tell) = end else { break end };
        match succession::fits(&program).await {
            Ok(()) => {
                server.abort();
                return Err(replaced(work, &program, &tell, lock, &socket).await);
            }
            // Who asked may be gone.
            Err(error) => drop(tell.send(Reply::Error(error))),
        }
    };
    server.abort();
    if let Some(manager) = &manager {
        manager.stopping();
    }
    let asked = matches!(end, End::Asked);
    if asked {
        // A leftover file would only cost the next client one refused connection.
        let _ = socket::remove(dir);
        log::line("ends: it was asked to");
    } else {
        log::line("ends: its state directory was removed or replaced");
    }
    work.finish(&mut ends, asked).await.close().await;
    Ok(())
}

/// Executes `program` in this one's place; returns when that failed.
async fn replaced(
    mut work: Loop<Embedded>,
    program: &Path,
    tell: &mpsc::UnboundedSender<Reply>,
    lock: &EngineLock,
    socket: &StdUnixListener,
) -> EngineError {
    log::line(&format!("gives its place to `{}`", program.display()));
    // What is not done by then is made anew.
    let _ = tokio::time::timeout(REST, work.engine.rest()).await;
    let engine = work.leave();
    // Who asked leaves when it heard.
    let _ = tell.send(Reply::Done);
    let _ = tokio::time::timeout(GOODBYE, tell.closed()).await;
    let failed = match engine.bequeath() {
        Ok(estate) => succession::execute(program, lock, socket, estate),
        Err(error) => error,
    };
    EngineError::io(&format!("cannot give its place to `{}`", program.display()), &failed)
}

/// A decky takes about ten descriptors; the usual soft limit of 1024 is for programs that use `select`.
fn raise_descriptors() {
    let now = getrlimit(Resource::Nofile);
    // What cannot be raised shows as a decky that cannot listen, with its remedy.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}

/// A store that cannot be used, as a client of the engine hears it.
fn store_error(error: &StoreError) -> EngineError {
    let kind = match error {
        StoreError::Busy { .. } => ErrorKind::Busy,
        StoreError::Denied { .. } => ErrorKind::Denied,
        StoreError::Newer { .. }
        | StoreError::Foreign { .. }
        | StoreError::NotOurs { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::NetworkFs { .. } => ErrorKind::Environment,
        _ => ErrorKind::Other,
    };
    EngineError::new(kind, error.to_string())
}
