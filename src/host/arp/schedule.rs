//! When which frame goes out: several rounds for each address, all addresses at once, and never more than
//! [`MOST_PER_SECOND`] frames in any one second. Pure: the clock and the dice are handed in.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::Pace;

/// Frames that may leave within any one second, whatever the number of addresses: a burst of broadcasts
/// must not look like a storm to a switch.
pub const MOST_PER_SECOND: usize = 200;
const SECOND: Duration = Duration::from_secs(1);

/// The times between the frames of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// Longest random wait before the first frame.
    pub(super) start: Duration,
    /// How many frames.
    pub(super) rounds: u8,
    /// Shortest wait between two.
    pub(super) least: Duration,
    /// Longest wait between two.
    pub(super) most: Duration,
    /// Wait for an answer to the last one.
    pub(super) settle: Duration,
}

impl Timing {
    /// Of probes: `PROBE_WAIT`, `PROBE_NUM`, `PROBE_MIN`, `PROBE_MAX` and `ANNOUNCE_WAIT` of RFC 5227 §1.1,
    /// or three probes 150 ms apart, as Solaris has it on wired links.
    pub(super) fn probing(pace: Pace) -> Self {
        match pace {
            Pace::Fast => {
                let gap = Duration::from_millis(150);
                Self { start: Duration::ZERO, rounds: 3, least: gap, most: gap, settle: gap }
            }
            Pace::Full => {
                Self { start: SECOND, rounds: 3, least: SECOND, most: 2 * SECOND, settle: 2 * SECOND }
            }
        }
    }

    /// Of announcements: `ANNOUNCE_NUM` and `ANNOUNCE_INTERVAL` of RFC 5227 §1.1, or 200 ms apart.
    pub(super) fn announcing(pace: Pace) -> Self {
        let gap = match pace {
            Pace::Fast => Duration::from_millis(200),
            Pace::Full => 2 * SECOND,
        };
        Self { start: Duration::ZERO, rounds: 2, least: gap, most: gap, settle: Duration::ZERO }
    }
}

/// Lets [`MOST_PER_SECOND`] frames through in any one second.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    sent: VecDeque<Duration>,
}

impl Limiter {
    /// When the next frame may go; now, where that lies in the past.
    fn free_at(&self) -> Duration {
        match self.sent.front() {
            Some(first) if self.sent.len() >= MOST_PER_SECOND => first.saturating_add(SECOND),
            _ => Duration::ZERO,
        }
    }

    /// Counts a frame; false when it must not go.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        if self.free_at() > now {
            return false;
        }
        if self.sent.len() >= MOST_PER_SECOND {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        true
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send the frame of this address.
    Send(usize),
    /// Nothing until then.
    Wait(Duration),
    /// All is said, and the time for answers is over.
    Done,
}

/// The frames that are still to be sent.
#[derive(Debug)]
pub(super) struct Schedule {
    timing: Timing,
    /// When, which address, how many frames of it were sent.
    queue: BinaryHeap<Reverse<(Duration, usize, u8)>>,
    dropped: Vec<bool>,
    limiter: Limiter,
    end: Duration,
}

impl Schedule {
    /// For `count` addresses from moment zero. `dice` gives a random time up to its argument.
    pub(super) fn new(timing: Timing, count: usize, dice: &mut dyn FnMut(Duration) -> Duration) -> Self {
        let queue = (0..count).map(|index| Reverse((dice(timing.start), index, 0))).collect();
        let dropped = vec![false; count];
        Self { timing, queue, dropped, limiter: Limiter::default(), end: Duration::ZERO }
    }

    /// Sends nothing more for this address.
    pub(super) fn drop_address(&mut self, index: usize) {
        if let Some(dropped) = self.dropped.get_mut(index) {
            *dropped = true;
        }
    }

    /// What to do at `now`. A [`Step::Send`] counts as done.
    pub(super) fn next(&mut self, now: Duration, dice: &mut dyn FnMut(Duration) -> Duration) -> Step {
        while let Some(Reverse((due, index, sent))) = self.queue.peek().copied() {
            if self.dropped.get(index).is_none_or(|dropped| *dropped) {
                self.queue.pop();
                continue;
            }
            let due = due.max(self.limiter.free_at());
            if due > now || !self.limiter.admit(now) {
                return Step::Wait(due);
            }
            self.queue.pop();
            let sent = sent.saturating_add(1);
            if sent < self.timing.rounds {
                let spread = self.timing.most.saturating_sub(self.timing.least);
                let gap = self.timing.least.saturating_add(dice(spread));
                self.queue.push(Reverse((now.saturating_add(gap), index, sent)));
            } else {
                self.end = self.end.max(now.saturating_add(self.timing.settle));
            }
            return Step::Send(index);
        }
        if self.end > now { Step::Wait(self.end) } else { Step::Done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes out when, on a clock that jumps, and when it is over.
    fn run(mut schedule: Schedule, mut dice: impl FnMut(Duration) -> Duration) -> (Vec<(u128, usize)>, u128) {
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        loop {
            match schedule.next(now, &mut dice) {
                Step::Send(index) => sent.push((now.as_millis(), index)),
                Step::Wait(until) => {
                    assert!(until > now);
                    now = until;
                }
                Step::Done => return (sent, now.as_millis()),
            }
        }
    }

    fn most(limit: Duration) -> Duration {
        limit
    }

    fn all(timing: Timing, count: usize) -> (Vec<(u128, usize)>, u128) {
        run(Schedule::new(timing, count, &mut most), most)
    }

    #[test]
    fn each_pace_has_its_times() {
        let cases = [
            (Timing::probing(Pace::Fast), vec![0, 150, 300], 450),
            (Timing::probing(Pace::Full), vec![1000, 3000, 5000], 7000),
            (Timing::announcing(Pace::Fast), vec![0, 200], 200),
            (Timing::announcing(Pace::Full), vec![0, 2000], 2000),
        ];
        for (timing, times, end) in cases {
            let (sent, over) = all(timing, 1);
            assert_eq!(sent, times.into_iter().map(|at| (at, 0)).collect::<Vec<_>>());
            assert_eq!(over, end);
        }
        let shortest =
            run(Schedule::new(Timing::probing(Pace::Full), 1, &mut |_| Duration::ZERO), |_| Duration::ZERO);
        assert_eq!(shortest, (vec![(0, 0), (1000, 0), (2000, 0)], 4000));
    }

    #[test]
    fn no_second_has_more_frames_than_it_may() {
        for (count, pace, over) in [
            (66, Pace::Fast, 450),
            (200, Pace::Fast, 2150),
            (1000, Pace::Fast, 14_150),
            (500, Pace::Full, 10_000),
        ] {
            let (sent, end) = all(Timing::probing(pace), count);
            assert_eq!(sent.len(), 3 * count);
            assert_eq!(end, over, "{count}");
            for window in sent.windows(MOST_PER_SECOND + 1) {
                assert!(window[MOST_PER_SECOND].0 - window[0].0 >= 1000, "{:?}", window[0]);
            }
            for index in 0..count {
                assert_eq!(sent.iter().filter(|(_, i)| *i == index).count(), 3);
            }
        }
    }

    #[test]
    fn a_dropped_address_is_left_alone() {
        let mut schedule = Schedule::new(Timing::probing(Pace::Fast), 2, &mut most);
        assert_eq!(schedule.next(Duration::ZERO, &mut most), Step::Send(0));
        schedule.drop_address(0);
        let (sent, end) = run(schedule, most);
        assert_eq!(sent, [(0, 1), (150, 1), (300, 1)]);
        assert_eq!(end, 450);
    }

    #[test]
    fn nothing_to_say_takes_no_time() {
        assert_eq!(all(Timing::probing(Pace::Full), 0), (Vec::new(), 0));
    }
}
