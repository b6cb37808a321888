//! Values of flags that are neither numbers nor names.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A length of time: `90s`, `5m`, `1h 30m`, or bare seconds.
///
/// # Errors
/// A text that is no length of time, or a negative one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no length of time; write it like 90s, 5m or 2h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: SignedDuration = days(text).or_else(|| text.parse().ok()).ok_or_else(bad)?;
    Duration::try_from(parsed).map_err(|_| bad())
}

/// Days are no fixed length to a calendar, but everybody who types `2d` means 48 hours.
fn days(text: &str) -> Option<SignedDuration> {
    let number: i64 = text.trim().strip_suffix('d')?.trim().parse().ok()?;
    Some(SignedDuration::from_hours(number.checked_mul(24)?))
}

/// A factor of speed.
///
/// # Errors
/// A text that is no number above zero.
pub fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|n| (0.01..=1_000_000.0).contains(n))
        .ok_or_else(|| format!("`{text}` is no speed; 1 is as it was, 4 is four times as fast"))
}

/// The start of a time range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// This moment.
    At(Timestamp),
}

impl Since {
    /// The moment it means at `now`.
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(ago) => SignedDuration::try_from(ago)
                .ok()
                .and_then(|ago| now.checked_sub(ago).ok())
                .unwrap_or(Timestamp::MIN),
        }
    }
}

/// A moment (RFC 3339) or a length of time before now.
///
/// # Errors
/// A text that is neither.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(Since::At(moment));
    }
    duration(text)
        .map(Since::Ago)
        .map_err(|_| format!("`{text}` is no time; write it like 90s, 1h, 2d or 2026-11-23T15:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1h 30m", 5400), ("2d", 172_800)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "x", "-5m", "5 lightyears"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments() {
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        assert_eq!(since("1h").unwrap().moment(now).to_string(), "2026-11-23T14:00:00Z");
        assert_eq!(since("2026-01-01T00:00:00Z").unwrap().moment(now).to_string(), "2026-01-01T00:00:00Z");
        assert!(since("yesterday-ish").is_err());
    }
}
