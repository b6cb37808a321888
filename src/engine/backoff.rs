//! When to start a worker again.

use std::time::Duration;

/// First wait.
const FIRST: Duration = Duration::from_millis(200);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A worker that lived this long starts with a clean slate.
const STABLE: Duration = Duration::from_secs(60);
/// So many quick failures in a row make a decky `failed`.
const QUICK: u32 = 5;

/// Counts quick failures in a row: 0.2 s, doubled each time, at most 30 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Takes note of a failure after `lived`; says how long to wait.
    pub(super) fn failed(&mut self, lived: Duration) -> Duration {
        if lived >= STABLE {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let doubled = FIRST.saturating_mul(1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
        doubled.min(LONGEST)
    }

    /// Failures in a row.
    pub(super) fn attempts(self) -> u32 {
        self.failures
    }

    /// Whether it failed too often to be called merely degraded.
    pub(super) fn hopeless(self) -> bool {
        self.failures >= QUICK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_wait() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.failed(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        for _ in 0..100 {
            assert_eq!(backoff.failed(Duration::ZERO), LONGEST);
        }
    }

    #[test]
    fn hopeless_after_five_and_forgiven_after_a_stable_minute() {
        let mut backoff = Backoff::default();
        for n in 1..=5 {
            assert!(!backoff.hopeless());
            backoff.failed(Duration::from_secs(59));
            assert_eq!(backoff.attempts(), n);
        }
        assert!(backoff.hopeless());
        assert_eq!(backoff.failed(STABLE), FIRST);
        assert!(!backoff.hopeless());
    }
}
