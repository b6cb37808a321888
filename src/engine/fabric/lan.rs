//! Deckies on a real LAN: a namespace each, with a macvlan or ipvlan child of the parent interface.
//!
//! Nothing here has a name outside: descriptors hold all of it, so the end of the engine and its workers is
//! the end of every link.

use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::home::{Home, Site};
use super::workshop::{Job, Rules, Workshop, refused};
use super::{Claim, Fabric, Kept, Prepared, Tell, Wire, preflight, wanted, wire};
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::{Link, Rtnetlink};
use crate::model::{Driver, Network};

/// How long what was seen of a parent is taken to be so. Each question waits for the links that the set-up
/// thread makes, and a fleet on its way up would ask twice for each decky.
const FRESH: Duration = Duration::from_millis(50);

/// The macvlan and ipvlan drivers.
pub struct Lan {
    jobs: mpsc::Sender<Job>,
    netlink: Rtnetlink,
    /// The parent that was looked at last, for which driver, and when.
    seen: Option<(Link, Driver, Instant)>,
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
        Ok(Self { jobs: Workshop::start(rules)?, netlink, seen: None })
    }

    /// Takes places over that the program before this one made: what holds each one's namespace.
    pub(super) fn adopt(&mut self, places: Vec<(OwnedFd, Site)>) -> Result<Vec<Home>, EngineError> {
        let (tell, told) = mpsc::channel();
        let jobs = self.jobs.clone();
        // Nobody listens only when this call ended.
        let job: Job = Box::new(move |shop| drop(tell.send(shop.adopt(places, &jobs))));
        let _ = self.jobs.send(job);
        told.recv().map_err(|_| ended())?
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
        self.seen = None;
        let index = home.map(|home| home.site.parent);
        wire::look(&mut self.netlink, &network.interface, index).map_err(|error| refused(&error, None))
    }
}

impl Lan {
    /// As [`Lan::wire`], of a decky that was made just now.
    pub(super) fn wire_lately(
        &mut self,
        network: &Network,
        home: Option<&Home>,
    ) -> Result<Wire, EngineError> {
        let index = home.map(|home| home.site.parent);
        match self.lately(network) {
            Some(link) if Some(link.index) == index && link.up && link.carrier => Ok(Wire::Fine),
            _ => self.wire(network, home),
        }
    }

    fn lately(&self, network: &Network) -> Option<&Link> {
        let (link, driver, at) = self.seen.as_ref()?;
        let same = link.name == network.interface && *driver == network.driver;
        (same && at.elapsed() < FRESH).then_some(link)
    }

    /// The parent for a decky of `network`.
    fn parent(&mut self, network: &Network) -> Result<u32, EngineError> {
        if let Some(link) = self.lately(network) {
            return Ok(link.index);
        }
        self.seen = None;
        let link = preflight::parent(&mut self.netlink, network)?;
        Ok(self.seen.insert((link, network.driver, Instant::now())).0.index)
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
        let known = self
            .parent(claim.network)
            .and_then(|parent| Site::new(claim, parent))
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
