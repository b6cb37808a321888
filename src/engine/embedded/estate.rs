//! What an engine leaves to the program that takes its place.
//!
//! The process stays the same one, and executes another program: workers and nursery remain its children, and
//! end with it as before. Namespaces and sockets stay open across that; this says which number is what.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::process::Process;
use super::slot::Slot;
use super::writer::Channel;
use super::{Embedded, WriterOptions, worker};
use crate::engine::fabric::{Listener, Site};
use crate::engine::{EngineError, Order, Phase};
use crate::host::sys;
use crate::model::{ListenerRole, Transport};

/// Grows with every change of this form, and of the packet rules inside a decky's namespace: nobody takes over
/// what an engine with another number left.
pub const FORMAT: u32 = 1;
/// How long those who serve no more may take to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// All of it. Descriptors by number; each is there once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Estate {
    deckies: Vec<Bequest>,
    /// Children that end by themselves: their sockets are closed.
    leaving: Vec<i32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bequest {
    order: Order,
    listeners: Vec<Left>,
    missing: Vec<(String, String)>,
    home: Option<(RawFd, Site)>,
    /// Process id and control socket.
    worker: Option<(i32, RawFd)>,
    events: Option<(RawFd, RawFd)>,
    launches: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Left {
    fd: RawFd,
    service: String,
    number: u16,
    transport: Transport,
    address: SocketAddrV4,
    role: ListenerRole,
}

/// Leaves a descriptor open for the next program.
///
/// # Errors
/// It is none.
pub fn leave(fd: BorrowedFd<'_>) -> io::Result<RawFd> {
    fcntl_setfd(fd, FdFlags::empty())?;
    Ok(fd.as_raw_fd())
}

impl Embedded {
    /// Waits until no place is being made and no worker is on its way up, so that all there is has a holder;
    /// begins nothing meanwhile. Safe to cancel: what is under way then is made anew.
    pub async fn rest(&mut self) {
        self.resting = true;
        while !(self.preparing.is_empty() && self.launching.is_empty()) {
            let Some(note) = self.notes.recv().await else { return };
            self.take(note);
        }
    }

    /// Opens what the next program needs. To be called when it is executed next, and not otherwise.
    ///
    /// # Errors
    /// What the system says.
    pub fn bequeath(&self) -> io::Result<Estate> {
        let number = |pid: u32| i32::try_from(pid).ok();
        let mut estate = Estate { deckies: Vec::new(), leaving: Vec::new() };
        let helpers = [self.nursery.pid(), self.writer.status().pid, self.sniffer.pid()];
        estate.leaving.extend(helpers.into_iter().flatten().filter_map(number));
        for (name, slot) in &self.slots {
            let serves = slot.phase == Phase::Up && slot.stop.is_some();
            let control = slot.control.as_ref().filter(|_| serves);
            let pid = slot.pid.and_then(number);
            if matches!(slot.phase, Phase::Stopping | Phase::Stuck) || control.is_none() {
                estate.leaving.extend(pid);
            }
            if matches!(slot.phase, Phase::Stopping | Phase::Stuck) {
                continue;
            }
            let left = |l: &Listener| -> io::Result<Left> {
                let Listener { service, number, transport, address, role, .. } = l.clone();
                Ok(Left { fd: leave(l.fd.as_fd())?, service, number, transport, address, role })
            };
            let home = slot.home.as_ref();
            let home =
                home.map(|home| io::Result::Ok((leave(home.namespace().as_fd())?, home.site().clone())));
            let worker =
                pid.zip(control).map(|(pid, control)| io::Result::Ok((pid, leave(control.as_fd())?)));
            let events =
                self.writer.ends(name).map(|(send, receive)| io::Result::Ok((leave(send)?, leave(receive)?)));
            estate.deckies.push(Bequest {
                order: slot.order.clone(),
                listeners: slot.listeners.iter().map(left).collect::<io::Result<_>>()?,
                missing: slot.missing.clone(),
                home: home.transpose()?,
                worker: worker.transpose()?,
                events: events.transpose()?,
                launches: slot.launches,
            });
        }
        Ok(estate)
    }

    /// As [`Embedded::new`], with what the program before this one left. Every decky gets a worker of this
    /// program, a few at a time; until then the one it had serves.
    ///
    /// # Errors
    /// What cannot be taken over; nothing of it may be used then, and this process should end.
    pub fn resume(options: WriterOptions, estate: Estate) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::io("cannot take over from the engine before", &error);
        let mut heirs =
            estate.deckies.into_iter().map(Heir::claim).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        let channels = heirs
            .iter_mut()
            .filter_map(|heir| Some((Some(heir.slot.order.decky.name.clone()), heir.channel.take()?)));
        let mut engine = Self::with(options, channels.collect())?;
        for pid in estate.leaving.into_iter().filter_map(Pid::from_raw) {
            // It may have been waited for; there is nobody to tell.
            if let Ok(process) = Process::adopt(pid) {
                tokio::spawn(process.end(GRACE));
            }
        }
        engine.sniffer.changed();
        let homes = heirs.iter_mut().filter_map(|heir| heir.home.take()).collect();
        let mut homes = engine.fabrics.adopt(homes)?;
        for Heir { mut slot, worker, .. } in heirs {
            let name = slot.order.decky.name.clone();
            let site = homes.iter().position(|home| home.site().ip == slot.order.decky.ip);
            slot.home = site.map(|at| homes.swap_remove(at));
            if let Some((pid, control)) = worker {
                engine.lives += 1;
                slot.life = engine.lives;
                let tell = engine.tell.clone();
                worker::resume(&mut slot, pid, control, tell).map_err(failed)?;
                engine.renewals.push_back(name.clone());
            } else {
                engine.queue.push_back(name.clone());
            }
            engine.slots.insert(name, slot);
        }
        Ok(engine)
    }

    /// Has the deckies that were taken over get workers of this program, a few at a time: their sockets stay,
    /// and clients wait for a few thousandths of a second.
    pub(super) fn renew_some(&mut self, most: usize) {
        let slots = &self.slots;
        let busy =
            |name: &_| slots.get(name).is_some_and(|s| matches!(s.phase, Phase::Starting | Phase::Stopping));
        self.renewing.retain(busy);
        while self.renewing.len() < most
            && let Some(name) = self.renewals.pop_front()
        {
            let order = self.slots.get(&name).filter(|slot| slot.stale).map(|slot| slot.order.clone());
            if let Some(order) = order {
                self.renewing.insert(name);
                crate::engine::Engine::start(self, order);
            }
        }
    }
}

/// A decky that was taken over, in parts.
struct Heir {
    slot: Slot,
    home: Option<(OwnedFd, Site)>,
    worker: Option<(Pid, OwnedFd)>,
    channel: Option<Channel>,
}

impl Heir {
    fn claim(left: Bequest) -> io::Result<Self> {
        let Bequest { order, listeners, missing, home, worker, events, launches } = left;
        let mut slot = Slot::new(order);
        slot.missing = missing;
        slot.launches = launches;
        for Left { fd, service, number, transport, address, role } in listeners {
            let fd = Arc::new(sys::inherit(fd)?);
            slot.listeners.push(Listener { fd, service, number, transport, address, role });
        }
        let home = home.map(|(fd, site)| io::Result::Ok((sys::inherit(fd)?, site))).transpose()?;
        let pid = |pid| Pid::from_raw(pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        let worker =
            worker.map(|(number, fd)| io::Result::Ok((pid(number)?, sys::inherit(fd)?))).transpose()?;
        let channel = events
            .map(|(send, receive)| io::Result::Ok(Channel::new(sys::inherit(send)?, sys::inherit(receive)?)));
        Ok(Self { slot, home, worker, channel: channel.transpose()? })
    }
}
