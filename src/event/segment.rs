//! Names of event files, oldest first.

use std::io;
use std::os::fd::BorrowedFd;

/// Name of segment `number`.
pub(super) fn name(number: u64) -> String {
    format!("events-{number:06}.jsonl")
}

/// Name of what a crash left of a line of segment `number`.
pub(super) fn torn_name(number: u64) -> String {
    format!("events-{number:06}.torn")
}

/// Number of the segment of that name; none for other files.
pub(super) fn number(file: &str) -> Option<u64> {
    let digits = file.strip_prefix("events-")?.strip_suffix(".jsonl")?;
    let plain = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Numbers of the segments in a directory, ascending.
pub(super) fn list(directory: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        numbers.extend(entry?.file_name().to_str().ok().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for n in [1, 999_999, 1_000_000] {
            assert_eq!(number(&name(n)), Some(n));
        }
        for other in
            ["events-1.jsonl", "events-00000x.jsonl", "events-000001.torn", "events-+00001.jsonl", "x"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
