//! Queue identifiers as each server forms them.

use super::{Mta, Smtp};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn base62(mut number: u64, width: usize) -> String {
    let mut out = vec![b'0'; width];
    for place in out.iter_mut().rev() {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        *place = BASE62.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A new identifier.
pub(super) fn new(smtp: &Smtp) -> String {
    let now = jiff::Timestamp::now();
    let mut random = [0u8; 8];
    let _ = getrandom::fill(&mut random);
    let random = u64::from_le_bytes(random);
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let micros = u64::try_from(now.subsec_microsecond()).unwrap_or(0);
    let base = smtp.persona.seed.number("smtp/inode", 9_000_000);
    match smtp.mta {
        // Microseconds, and the number of the file.
        Mta::Postfix => format!("{micros:05X}{:X}", 1_000_000 + base + random % 4096),
        Mta::Exim if super::exim::long_ids(smtp.packages.exim) => {
            format!(
                "{}-{}-{}",
                base62(seconds, 6),
                base62(1000 + random % 900_000, 11),
                base62(micros / 2, 4)
            )
        }
        Mta::Exim => {
            let pid = base62(1000 + random % 60_000, 6);
            format!("{}-{pid}-{}", base62(seconds, 6), base62(micros / 2000, 2))
        }
        Mta::Sendmail => {
            // Year, month from 0, day, hour, minute and second, a digit each.
            let time = now.strftime("%Y %m %d %H %M %S").to_string();
            let numbers = time.split(' ').map(|n| n.parse::<u64>().unwrap_or(0));
            let digits: String = numbers
                .zip([1900, 1, 0, 0, 0, 0])
                .map(|(n, base)| base62(n.saturating_sub(base) % 60, 1))
                .collect();
            format!("{digits}{}{:06}", base62(random % 3600, 2), 1000 + random % 60_000)
        }
    }
}
