//! Room in the kernel's table of neighbours, which all namespaces of a host share.

use std::io;

/// Where the limits are; only the first network namespace of a host has them.
const HARD: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";
const SOFT: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh2";
/// Machines on the LAN that talk to one decky at the same time.
const EACH: u64 = 16;
/// The most that is asked for: an entry takes about half a kilobyte.
const MOST: u64 = 1 << 20;

/// Raises the limit of the table to what `deckies` need, and never lowers it. With the 1,024 entries of most
/// hosts, a thousand deckies and one attacker make the kernel drop packets: "neighbor table overflow".
///
/// # Errors
/// [`io::ErrorKind::NotFound`] outside the host's first network namespace; no privilege.
pub fn room_for_neighbours(deckies: usize) -> io::Result<()> {
    if let Some(limit) = raised(read(HARD)?, deckies) {
        std::fs::write(HARD, limit.to_string())?;
        // Over the soft one the kernel begins to search for entries to drop, again and again.
        if read(SOFT)? < limit / 2 {
            std::fs::write(SOFT, (limit / 2).to_string())?;
        }
    }
    Ok(())
}

fn read(path: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The limit to set in place of `now`; none when that is enough.
fn raised(now: u64, deckies: usize) -> Option<u64> {
    let needed = u64::try_from(deckies).unwrap_or(u64::MAX).saturating_mul(EACH).min(MOST);
    (now < needed).then(|| needed.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_raised_in_powers_of_two_and_never_lowered() {
        for (now, deckies, expected) in [
            (1024, 0, None),
            (1024, 64, None),
            (1024, 65, Some(2048)),
            (1024, 1000, Some(16_384)),
            (16_384, 1000, None),
            (1 << 20, usize::MAX, None),
            (1024, usize::MAX, Some(1 << 20)),
        ] {
            assert_eq!(raised(now, deckies), expected, "{now} {deckies}");
        }
    }
}
