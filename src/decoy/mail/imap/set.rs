//! Sets of message numbers.

use std::ops::RangeInclusive;

/// Ranges of one set.
const RANGES: usize = 256;

/// Ranges of numbers; `*` is the highest there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set(Vec<RangeInclusive<u32>>);

impl Set {
    /// Takes a set apart; none when it is none, or when it is too long.
    pub(super) fn parse(text: &[u8], highest: u32) -> Option<Self> {
        let mut out = Vec::new();
        for piece in text.split(|b| *b == b',') {
            let mut ends = piece.splitn(2, |b| *b == b':');
            let one = number(ends.next()?, highest)?;
            let other = match ends.next() {
                Some(end) => number(end, highest)?,
                None => one,
            };
            if out.len() >= RANGES {
                return None;
            }
            out.push(one.min(other)..=one.max(other));
        }
        Some(Self(out))
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// Whether it asks for nothing beyond `highest`.
    pub(super) fn within(&self, highest: u32) -> bool {
        self.0.iter().all(|range| *range.start() >= 1 && *range.end() <= highest)
    }
}

fn number(text: &[u8], highest: u32) -> Option<u32> {
    if text == b"*" {
        return Some(highest);
    }
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|n| *n > 0)
}

/// Numbers as a set: runs become ranges.
pub(super) fn compact(numbers: &[u32]) -> String {
    let mut runs: Vec<RangeInclusive<u32>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(*number) => *run = *run.start()..=*number,
            _ => runs.push(*number..=*number),
        }
    }
    let one = |run: &RangeInclusive<u32>| {
        if run.start() == run.end() {
            run.start().to_string()
        } else {
            format!("{}:{}", run.start(), run.end())
        }
    };
    runs.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_taken_apart() {
        let set = Set::parse(b"1,4:3,*", 9).unwrap();
        assert!(set.contains(3) && set.contains(9) && !set.contains(2) && set.within(9) && !set.within(8));
        for bad in [&b""[..], b"x", b"1:", b"0", b"4294967296", b"1,,2"] {
            assert_eq!(Set::parse(bad, 9), None);
        }
        assert_eq!(compact(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(Set::parse("1,".repeat(999).trim_end_matches(',').as_bytes(), 9), None);
    }
}
