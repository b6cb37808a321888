//! Date-times the way DECNET stores them: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC, no zone (facts: upstream §6.1).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `time` as a column holds it.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// A column's text as a time: fraction, `T`, `Z` and offsets are optional; without an offset it is UTC.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let civil: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_six_digits_and_reads_leniently() {
        let time = Timestamp::from_microsecond(1_700_000_000_000_042).unwrap();
        assert_eq!(format_time(time), "2023-11-14 22:13:20.000042");
        for same in [
            "2023-11-14 22:13:20.000042",
            "2023-11-14T22:13:20.000042Z",
            " 2023-11-14T22:13:20.000042+00:00",
            "2023-11-15 00:13:20.000042+02:00",
        ] {
            assert_eq!(parse_time(same), Some(time), "{same}");
        }
        assert_eq!(format_time(parse_time("2023-11-14 22:13:20").unwrap()), "2023-11-14 22:13:20.000000");
        assert_eq!(format_time(parse_time("2023-11-14").unwrap()), "2023-11-14 00:00:00.000000");
        for bad in ["", "yesterday", "1700000000", "2023-13-01"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
