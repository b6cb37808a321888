//! Since when the services of a machine run, told from the machine alone.

use crate::model::Persona;

const DAY: i64 = 86_400;

/// When the machine last booted, in seconds since 1970, as of `now`.
///
/// It boots every three to ten weeks, counted from its birth, so the answer outlives a restart of the
/// worker and the uptime grows with the real clock. Services start within a minute of it.
pub(crate) fn booted(persona: &Persona, now: i64) -> i64 {
    let span = i64::try_from(persona.seed.number("boot/period", 49)).unwrap_or(0);
    let period = (21 + span) * DAY + i64::try_from(persona.seed.number("boot/offset", 86_400)).unwrap_or(0);
    let age = now.saturating_sub(persona.born);
    if age < 600 {
        return now.saturating_sub(3600);
    }
    now.saturating_sub(age % period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn boots_are_stable_and_lie_behind() {
        let persona = testing::persona(&[]);
        let at = persona.born + 10 * DAY;
        assert_eq!(booted(&persona, at), persona.born);
        assert_eq!(booted(&persona, at), booted(&persona, at + 3600));
        let late = persona.born + 400 * DAY;
        assert!(booted(&persona, late) > late - 71 * DAY && booted(&persona, late) <= late);
        assert!(booted(&persona, 0) < 0);
    }
}
