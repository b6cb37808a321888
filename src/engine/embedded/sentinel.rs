//! Listens on one parent interface for machines that use an address of a decky as well.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::claims::Heard;
use crate::host::arp::{self, ArpError, Conflict, DEFEND_INTERVAL, Lost, Pace, Sentry};
use crate::model::Mac;

/// Pause before an interface that is gone or down is listened to again.
const REOPEN: Duration = Duration::from_secs(1);
/// A lost address is asked for again after [`DEFEND_INTERVAL`], then twice as long after, up to this.
const LONGEST: Duration = Duration::from_secs(300);

/// What the engine tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// A decky has the address; without a `mac` it is the parent's.
    Claim { ip: Ipv4Addr, mac: Option<Mac>, id: u64 },
    /// That decky gave it up.
    Release { ip: Ipv4Addr, id: u64 },
}

#[derive(Debug)]
struct Held {
    id: u64,
    mac: Option<Mac>,
    lost: bool,
}

/// What was asked for, and who answered.
type Answer = (Vec<Ipv4Addr>, Vec<Conflict>);
type Asked = JoinHandle<Result<Answer, ArpError>>;

struct Sentinel {
    parent: u32,
    pace: Pace,
    held: HashMap<Ipv4Addr, Held>,
    sentry: Option<Sentry>,
    reopen: Instant,
    /// When lost addresses are asked for, and how long it is to the time after.
    ask: Instant,
    pause: Duration,
    asked: Option<Asked>,
}

/// Listens until nobody can claim an address any more.
pub(super) fn run(
    parent: u32,
    pace: Pace,
    words: mpsc::UnboundedReceiver<Word>,
    tell: &mpsc::UnboundedSender<Heard>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        Sentinel::new(parent, pace).listen(words, tell).await;
    });
    runtime.shutdown_background();
}

impl Sentinel {
    fn new(parent: u32, pace: Pace) -> Self {
        let now = Instant::now();
        Self {
            parent,
            pace,
            held: HashMap::new(),
            sentry: None,
            reopen: now,
            ask: now,
            pause: DEFEND_INTERVAL,
            asked: None,
        }
    }

    async fn listen(
        &mut self,
        mut words: mpsc::UnboundedReceiver<Word>,
        tell: &mpsc::UnboundedSender<Heard>,
    ) {
        loop {
            let waiting = self.asked.is_none() && self.held.values().any(|held| held.lost);
            tokio::select! {
                word = words.recv() => match word {
                    Some(word) => self.take(word),
                    None => return,
                },
                heard = attend(self.sentry.as_mut()) => match heard {
                    Ok(lost) => self.lose(&lost, tell),
                    Err(_) => {
                        self.sentry = None;
                        self.reopen = Instant::now() + REOPEN;
                    }
                },
                () = sleep_until(self.reopen), if self.sentry.is_none() => self.open(),
                () = sleep_until(self.ask), if waiting => self.ask(),
                answer = answer(self.asked.as_mut()) => {
                    self.asked = None;
                    if let Some(answer) = answer {
                        self.regain(&answer, tell);
                    }
                }
            }
        }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Claim { ip, mac, id } => {
                self.held.insert(ip, Held { id, mac, lost: false });
                self.claim(ip, mac);
            }
            // Of two that follow each other on an address the older may go last.
            Word::Release { ip, id } if self.held.get(&ip).is_some_and(|held| held.id == id) => {
                self.held.remove(&ip);
                if let Some(sentry) = &mut self.sentry {
                    sentry.release(ip);
                }
            }
            Word::Release { .. } => {}
        }
    }

    fn claim(&mut self, ip: Ipv4Addr, mac: Option<Mac>) {
        if let (Some(sentry), Some(mac)) = (&mut self.sentry, mac.or_else(|| shared(self.parent))) {
            sentry.claim(ip, mac);
        }
    }

    fn open(&mut self) {
        self.sentry = Sentry::new(self.parent).ok();
        self.reopen = Instant::now() + REOPEN;
        // What was given up is not fought for again because of a cable.
        let again: Vec<_> = self.held.iter().filter(|(_, h)| !h.lost).map(|(ip, h)| (*ip, h.mac)).collect();
        for (ip, mac) in again {
            self.claim(ip, mac);
        }
    }

    fn lose(&mut self, lost: &[Lost], tell: &mpsc::UnboundedSender<Heard>) {
        if !lost.is_empty() && !self.held.values().any(|held| held.lost) {
            self.pause = DEFEND_INTERVAL;
            self.ask = Instant::now() + DEFEND_INTERVAL;
        }
        for lost in lost {
            if let Some(held) = self.held.get_mut(&lost.ip) {
                held.lost = true;
                let _ = tell.send(Heard::Lost(*lost));
            }
        }
    }

    /// Whether the machines that use lost addresses are still there.
    fn ask(&mut self) {
        self.ask = Instant::now() + self.pause;
        self.pause = self.pause.saturating_mul(2).min(LONGEST);
        let Some(own) = shared(self.parent) else { return };
        let mac = |held: &Held| held.mac.unwrap_or(own);
        let macs: Vec<Mac> = self.held.values().map(mac).collect();
        let addresses: Vec<(Ipv4Addr, Mac)> =
            self.held.iter().filter(|(_, held)| held.lost).map(|(ip, held)| (*ip, mac(held))).collect();
        let (parent, pace) = (self.parent, self.pace);
        let ask = move || {
            let conflicts = arp::probe(parent, &macs, &addresses, pace)?;
            Ok((addresses.into_iter().map(|(ip, _)| ip).collect(), conflicts))
        };
        self.asked = Some(tokio::task::spawn_blocking(ask));
    }

    fn regain(&mut self, (asked, conflicts): &Answer, tell: &mpsc::UnboundedSender<Heard>) {
        let taken = |ip: &Ipv4Addr| conflicts.iter().any(|conflict| conflict.ip == *ip);
        let free: Vec<_> = self
            .held
            .iter_mut()
            .filter(|(ip, held)| held.lost && asked.contains(ip) && !taken(ip))
            .map(|(ip, held)| {
                held.lost = false;
                (*ip, held.mac)
            })
            .collect();
        for (ip, mac) in free {
            self.claim(ip, mac);
            let _ = tell.send(Heard::Regained(ip));
        }
    }
}

/// The hardware address of the interface, which deckies share with ipvlan.
fn shared(parent: u32) -> Option<Mac> {
    arp::hardware_address(parent).ok()
}

async fn attend(sentry: Option<&mut Sentry>) -> Result<Vec<Lost>, ArpError> {
    match sentry {
        Some(sentry) => sentry.attend().await,
        None => std::future::pending().await,
    }
}

/// None: nothing could be asked.
async fn answer(asked: Option<&mut Asked>) -> Option<Answer> {
    match asked {
        Some(asked) => asked.await.ok().and_then(Result::ok),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    /// Holds three addresses; no interface has number 0, so it never listens.
    fn sentinel() -> Sentinel {
        let mut sentinel = Sentinel::new(0, Pace::Fast);
        for last in 1..4 {
            sentinel.take(Word::Claim { ip: ip(last), mac: Some(MAC), id: last.into() });
        }
        sentinel
    }

    #[test]
    fn an_address_that_went_on_to_another_is_kept() {
        let mut sentinel = sentinel();
        sentinel.take(Word::Claim { ip: ip(1), mac: None, id: 7 });
        sentinel.take(Word::Release { ip: ip(1), id: 1 });
        assert_eq!(sentinel.held[&ip(1)].id, 7);
        sentinel.take(Word::Release { ip: ip(1), id: 7 });
        assert!(!sentinel.held.contains_key(&ip(1)));
    }

    #[test]
    fn only_what_nobody_has_any_more_is_regained() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut sentinel = sentinel();
        let lost = |last| Lost { ip: ip(last), rival: RIVAL };
        sentinel.lose(&[lost(1), lost(2), lost(77)], &tell);
        assert_eq!(told.try_recv(), Ok(Heard::Lost(lost(1))));
        assert_eq!(told.try_recv(), Ok(Heard::Lost(lost(2))));
        // The third was lost after the others were asked for.
        sentinel.lose(&[lost(3)], &tell);
        assert_eq!(told.try_recv(), Ok(Heard::Lost(lost(3))));
        sentinel.regain(&(vec![ip(1), ip(2)], vec![Conflict { ip: ip(2), mac: RIVAL }]), &tell);
        assert_eq!(told.try_recv(), Ok(Heard::Regained(ip(1))));
        assert!(told.try_recv().is_err());
        let lost: Vec<bool> = (1..4).map(|last| sentinel.held[&ip(last)].lost).collect();
        assert_eq!(lost, [false, true, true]);
    }
}
