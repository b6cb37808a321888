//! Deckies on a real LAN: a namespace each, with a macvlan or ipvlan child of the parent interface.
//!
//! Nothing here has a name outside: descriptors hold all of it, so the end of the engine and its workers is
//! the end of every link.

use std::sync::mpsc;

use super::home::{Home, Site};
use super::workshop::{Job, Rules, Workshop, refused};
use super::{Claim, Fabric, Kept, Prepared, Tell, Wire, preflight, wanted, wire};
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::Rtnetlink;
use crate::model::Network;

/// The macvlan and ipvlan drivers.
pub struct Lan {
    jobs: mpsc::Sender<Job>,
    netlink: Rtnetlink,
}

impl std::fmt::Debug for Lan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lan").finish_non_exhaustive()
    }
}

impl Lan {
    /// Starts the set-up thread in the namespace of the calling one.
    ///
    /// # Errors
    /// No thread, no netlink, or no descriptors.
    pub fn start(rules: Box<dyn Rules>) -> Result<Self, EngineError> {
        let netlink = Rtnetlink::open().map_err(|error| refused(&error, None))?;
        Ok(Self { jobs: Workshop::start(rules)?, netlink })
    }

    /// Whether the set-up thread is gone: it failed.
    pub(super) fn ended(&self) -> bool {
        self.jobs.send(Box::new(|_| {})).is_err()
    }

    /// What is wrong with the wire of a decky on `network`.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub(super) fn wire(&mut self, network: &Network, home: Option<&Home>) -> Result<Wire, EngineError> {
        let index = home.map(|home| home.site.parent);
        wire::look(&mut self.netlink, &network.interface, index).map_err(|error| refused(&error, None))
    }
}

/// Somebody waits for an answer: a set-up thread that fails gives one too.
struct Promise(Option<Tell>);

impl Promise {
    fn keep(mut self, answer: Result<Prepared, EngineError>) {
        if let Some(tell) = self.0.take() {
            tell(answer);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(ended()));
        }
    }
}

fn ended() -> EngineError {
    EngineError::new(ErrorKind::Other, "the set-up thread failed; see the engine's log")
}

impl Fabric for Lan {
    fn prepare(&mut self, claim: &Claim<'_>, kept: Kept) -> Result<Prepared, EngineError> {
        let (tell, told) = mpsc::channel();
        self.begin(claim, kept, Box::new(move |answer| drop(tell.send(answer))));
        told.recv().map_err(|_| ended())?
    }

    fn begin(&mut self, claim: &Claim<'_>, kept: Kept, tell: Tell) {
        let promise = Promise(Some(tell));
        let known = preflight::parent(&mut self.netlink, claim.network)
            .and_then(|parent| Site::new(claim, parent.index))
            .and_then(|site| Ok((site, wanted(claim)?)));
        let (site, (wanted, missing)) = match known {
            Ok(known) => known,
            Err(error) => return promise.keep(Err(error)),
        };
        let jobs = self.jobs.clone();
        let job = move |shop: &mut Workshop| {
            let made = shop.settle(site, wanted, kept, jobs);
            promise.keep(made.map(|(listeners, home)| Prepared { listeners, missing, home: Some(home) }));
        };
        // A job that nobody takes is dropped, and its promise with it.
        let _ = self.jobs.send(Box::new(job));
    }
}
