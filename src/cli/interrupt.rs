//! SIGINT and SIGTERM while an apply is watched: the first ends the watching, the second the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::error::Kind;

/// Listens from now on, for the rest of the program.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    which: Arc<AtomicU8>,
}

impl Watch {
    /// Starts listening. Where that fails, signals keep their default effect.
    pub(super) fn start() -> Self {
        let watch = Self { stop: Arc::default(), which: Arc::default() };
        let (stop, which) = (watch.stop.clone(), watch.which.clone());
        let _ = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else {
                return;
            };
            runtime.block_on(async {
                let (Ok(mut int), Ok(mut term)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                loop {
                    let kind = tokio::select! {
                        _ = int.recv() => Kind::Interrupted,
                        _ = term.recv() => Kind::Terminated,
                    };
                    if stop.swap(true, Ordering::SeqCst) {
                        end_now(kind);
                    }
                    which.store(kind.code(), Ordering::SeqCst);
                }
            });
        });
        watch
    }

    /// Whether a signal came.
    pub(super) fn came(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Which signal came first, if any.
    pub(super) fn kind(&self) -> Option<Kind> {
        [Kind::Interrupted, Kind::Terminated]
            .into_iter()
            .find(|k| k.code() == self.which.load(Ordering::SeqCst))
    }
}

#[expect(clippy::exit, reason = "a second signal means now; everything that matters is committed")]
fn end_now(kind: Kind) -> ! {
    std::process::exit(i32::from(kind.code()))
}
