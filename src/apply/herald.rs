//! Tells the service manager that the engine answers, and goes on telling for as long as its loop turns.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::control::Ask;
use super::log;
use crate::host::notify::Notifier;

/// How often the line for people is renewed without a watchdog.
const PAUSE: Duration = Duration::from_secs(30);

/// The service manager, where the engine was started by one.
pub(super) fn manager() -> Option<Notifier> {
    Notifier::from_env().unwrap_or_else(|error| {
        log::line(&format!("cannot reach the service manager at NOTIFY_SOCKET: {error}"));
        None
    })
}

/// Asks the loop how it is, again and again. It says nothing on behalf of a loop that gives no answer.
pub(super) async fn run(manager: &Notifier, ask: mpsc::UnboundedSender<Ask>) {
    manager.ready();
    loop {
        let (tell, told) = oneshot::channel();
        let Ok(()) = ask.send(Ask::Pulse(tell)) else { return };
        let Ok(line) = told.await else { return };
        manager.alive();
        manager.status(&line);
        tokio::time::sleep(manager.interval().unwrap_or(PAUSE)).await;
    }
}
