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
mod timers;
mod waiters;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::embedded::{Embedded, WriterOptions};
use crate::engine::{EngineError, ErrorKind, protocol, socket};
use crate::host::StateDir;
use crate::store::StoreError;

use ledger::Ledger;
use lock::EngineLock;
use reconcile::{End, Ends, Loop};

pub use lock::kill_engine;

/// How the engine runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineOptions {
    /// Started by a command that waits for one line on standard output: `ready`, or an
    /// [`EngineError`] as JSON. Leaves the terminal's session.
    pub background: bool,
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
    let lock = EngineLock::take(dir)?;
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| EngineError::io("cannot start the engine", &error))?;
    let done = runtime.block_on(serve(dir, &lock, options));
    // A look-up of a log target may still hang in the name service.
    runtime.shutdown_background();
    done
}

async fn serve(dir: &StateDir, lock: &EngineLock, options: EngineOptions) -> Result<(), EngineError> {
    let listen = |kind| signal(kind).map_err(|error| EngineError::io("cannot wait for signals", &error));
    let mut ends =
        Ends { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? };
    // The terminal it was started from may go.
    let _hangup = listen(SignalKind::hangup())?;
    let ledger = Ledger::open(dir.db()).map_err(|error| store_error(&error))?;
    let engine = Embedded::new(WriterOptions { directory: dir.events_dir() })?;
    let bound = socket::bind(dir).and_then(tokio::net::UnixListener::from_std);
    let listener = bound.map_err(|error| {
        EngineError::io(&format!("cannot listen on the control socket `{}`", dir.socket().display()), &error)
    })?;
    let (ask, asks) = mpsc::unbounded_channel();
    let server = tokio::spawn(control::serve(listener, ask.clone()));
    if options.background {
        crate::host::stdio::answer(b"ready\n");
    }
    log::line(&format!("version {} runs as process {}", env!("CARGO_PKG_VERSION"), std::process::id()));

    let mut work = Loop::new(engine, ledger, asks);
    let in_place = || {
        if options.background {
            log::trim(dir);
        }
        lock.in_place(dir)
    };
    let manager = herald::manager();
    let pulse = async {
        match &manager {
            Some(manager) => herald::run(manager, ask).await,
            None => drop(ask),
        }
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = work.run(&mut ends, in_place) => end,
        () = pulse => End::Asked,
    };
    server.abort();
    if let Some(manager) = &manager {
        manager.stopping();
    }
    if end == End::Asked {
        // A leftover file would only cost the next client one refused connection.
        let _ = socket::remove(dir);
        log::line("ends: it was asked to");
    } else {
        log::line("ends: its state directory was removed or replaced");
    }
    work.finish(&mut ends, end).await.close().await;
    Ok(())
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
