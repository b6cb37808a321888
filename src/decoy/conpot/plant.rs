//! The process behind the controller: values that move as those of a plant do, and what somebody wrote over them.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::{Mutex, PoisonError};

use crate::model::Seed;

/// Words that mean something; those behind them are zero.
const LIVE: u16 = 48;
/// Words that there are.
pub(super) const WORDS: u16 = 512;
/// Bits that there are.
pub(super) const BITS: u16 = 128;
/// Writes that are remembered; further ones are taken and forgotten.
const WRITES_MAX: usize = 2048;

/// A piece of memory: `space` tells areas apart, `at` is the byte in it.
type Place = (u32, u32);

/// The process of one machine.
pub(super) struct Plant {
    seed: Seed,
    written: Mutex<HashMap<Place, u8>>,
}

impl Plant {
    pub(super) fn new(seed: &Seed) -> Self {
        Self { seed: seed.child("plant"), written: Mutex::default() }
    }

    /// Word `number` of the process at `now`, seconds since 1970: every third a setpoint that stays, the
    /// others measurements that swing around one.
    pub(super) fn measured(&self, number: u16, now: f64) -> u16 {
        if number >= LIVE {
            return 0;
        }
        let draw = |what: &str, bound| self.seed.number(&format!("{what}/{}", number / 3), bound);
        // Engineers choose round numbers.
        let setpoint = draw("setpoint", 180).saturating_add(20).saturating_mul(10);
        if number.is_multiple_of(3) {
            return u16::try_from(setpoint).unwrap_or(0);
        }
        let own = |what: &str, bound| self.seed.number(&format!("{what}/{number}"), bound);
        let period = own("period", 1500).saturating_add(240);
        let swing = own("swing", 60).saturating_add(4);
        let phase = own("phase", 1000);
        let wave = |period: u64, phase: u64| (TAU * (now / period as f64 + phase as f64 / 1000.0)).sin();
        // A slow swing, a faster one on top of it, and the last digit of a converter.
        let noise = self.seed.number(&format!("noise/{number}/{now:.0}"), 3) as f64 - 1.0;
        let value = setpoint as f64
            + swing as f64 * 0.8 * wave(period, phase)
            + swing as f64 * 0.2 * wave(period / 7 + 1, phase)
            + noise;
        // Between zero and a converter's range, so nothing is lost but the fraction.
        value.clamp(0.0, 27_648.0) as u16
    }

    /// Bit `number`: drives that run, valves that open now and then.
    pub(super) fn bit(&self, number: u16, now: f64) -> bool {
        if number >= BITS {
            return false;
        }
        let period = self.seed.number(&format!("bit/{number}"), 1800).saturating_add(60);
        let share = self.seed.number(&format!("share/{number}"), 5);
        let phase = (now / period as f64).fract() * 5.0;
        phase < share as f64
    }

    /// Byte `at` of `space`, if somebody wrote it, else what `fresh` says.
    pub(super) fn read(&self, space: u32, at: u32, fresh: impl FnOnce() -> u8) -> u8 {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(&(space, at)).copied().unwrap_or_else(fresh)
    }

    pub(super) fn write(&self, space: u32, at: u32, value: u8) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() < WRITES_MAX || written.contains_key(&(space, at)) {
            written.insert((space, at), value);
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_move_slowly_and_setpoints_stay() {
        let plant = Plant::new(&Seed::new([5; 32]));
        let at = 1_790_000_000.0;
        let mut moved = 0;
        for number in 0..LIVE {
            let (a, b, c) = (
                plant.measured(number, at),
                plant.measured(number, at + 1.0),
                plant.measured(number, at + 300.0),
            );
            assert!(a.abs_diff(b) <= 8, "{number}: {a} {b}");
            if number.is_multiple_of(3) {
                assert_eq!(a, c);
            } else {
                moved += usize::from(a.abs_diff(c) > 3);
            }
        }
        assert!(moved > 10, "{moved}");
        assert_eq!(plant.measured(WORDS, at), 0);
        assert!((0..BITS).any(|n| plant.bit(n, at)) && (0..BITS).any(|n| !plant.bit(n, at)));
        assert_ne!(
            (0..9).map(|n| plant.measured(n, at)).collect::<Vec<_>>(),
            (0..9).map(|n| Plant::new(&Seed::new([6; 32])).measured(n, at)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn writes_are_remembered_within_bounds() {
        let plant = Plant::new(&Seed::new([5; 32]));
        for at in 0..5000 {
            plant.write(1, at, 7);
        }
        assert_eq!((plant.read(1, 0, || 1), plant.read(1, 4999, || 1), plant.read(2, 0, || 1)), (7, 1, 1));
    }
}
