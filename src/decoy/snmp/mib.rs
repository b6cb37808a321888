//! The management information of one machine: a sorted table of objects, some of which move with time.

use std::net::Ipv4Addr;

use crate::decoy::ber;

/// An object identifier.
pub(crate) type Oid = Vec<u32>;

/// What an object is worth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// INTEGER.
    Integer(i64),
    /// OCTET STRING.
    Text(Vec<u8>),
    /// OBJECT IDENTIFIER.
    Oid(Oid),
    /// IpAddress.
    Ip(Ipv4Addr),
    /// Counter32.
    Counter(u32),
    /// Gauge32.
    Gauge(u32),
    /// TimeTicks.
    Ticks(u32),
    /// Counter64, which SNMPv1 does not know.
    Counter64(u64),
    /// Opaque, with a float in it, as Net-SNMP has it.
    Float(f32),
    /// TimeTicks since a moment, seconds since 1970.
    Since(i64),
    /// Counter32 or, when wide, Counter64 that grows since a moment by so much in a thousand seconds.
    Grows {
        /// Since when.
        since: i64,
        /// In a thousand seconds.
        rate: u64,
        /// Whether it is a Counter64.
        wide: bool,
    },
    /// DateAndTime, now.
    Now,
}

impl Value {
    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// Whether SNMPv1 has no such type.
    pub(super) fn is_wide(&self) -> bool {
        matches!(self, Self::Counter64(_) | Self::Grows { wide: true, .. })
    }

    /// The element that carries it, as of `now`, in milliseconds since 1970.
    pub(super) fn encode(&self, now: i64) -> Vec<u8> {
        let since = |at: i64| u64::try_from(now.saturating_sub(at.saturating_mul(1000))).unwrap_or(0);
        // Numbers of 32 bits start over, as counters do.
        let low = |n: u64| n & 0xffff_ffff;
        match self {
            Self::Integer(n) => ber::number(ber::tag::INTEGER, *n),
            Self::Text(bytes) => ber::element(ber::tag::OCTETS, bytes),
            Self::Oid(parts) => ber::identifier(parts),
            Self::Ip(ip) => ber::element(0x40, &ip.octets()),
            Self::Counter(n) => ber::unsigned(0x41, (*n).into()),
            Self::Gauge(n) => ber::unsigned(0x42, (*n).into()),
            Self::Ticks(n) => ber::unsigned(0x43, (*n).into()),
            Self::Counter64(n) => ber::unsigned(0x46, *n),
            Self::Float(n) => {
                let bits = [&[0x9f, 0x78, 4][..], &n.to_be_bytes()].concat();
                ber::element(0x44, &bits)
            }
            Self::Since(at) => ber::unsigned(0x43, low(since(*at) / 10)),
            Self::Grows { since: at, rate, wide } => {
                let total = since(*at).saturating_mul(*rate) / 1_000_000;
                if *wide { ber::unsigned(0x46, total) } else { ber::unsigned(0x41, low(total)) }
            }
            Self::Now => ber::element(ber::tag::OCTETS, &date(now)),
        }
    }
}

/// DateAndTime of SNMPv2-TC, in UTC.
fn date(now: i64) -> Vec<u8> {
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default().to_string();
    let part = |from: usize, to: usize| at.get(from..to).and_then(|t| t.parse::<u16>().ok()).unwrap_or(0);
    let byte = |from: usize| u8::try_from(part(from, from + 2)).unwrap_or(0);
    let mut out = part(0, 4).to_be_bytes().to_vec();
    out.extend([byte(5), byte(8), byte(11), byte(14), byte(17), 0, b'+', 0, 0]);
    out
}

/// A table of objects.
#[derive(Debug, Default)]
pub(crate) struct Mib {
    entries: Vec<(Oid, Value)>,
    /// Those that a SET may change.
    writable: Vec<Oid>,
}

impl Mib {
    /// From objects in any order; of two with one identifier the later one stays. Texts of `writable`
    /// objects may be set.
    pub(crate) fn new(mut entries: Vec<(Oid, Value)>, writable: Vec<Oid>) -> Self {
        entries.reverse();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        entries.shrink_to_fit();
        Self { entries, writable }
    }

    /// The object of exactly this identifier.
    pub(super) fn get(&self, oid: &[u32]) -> Option<&(Oid, Value)> {
        let at = self.entries.binary_search_by(|(o, _)| o.as_slice().cmp(oid)).ok()?;
        self.entries.get(at)
    }

    /// The first object behind this identifier that `version` can carry.
    pub(super) fn next(&self, oid: &[u32], wide: bool) -> Option<&(Oid, Value)> {
        let at = self.entries.partition_point(|(o, _)| o.as_slice() <= oid);
        self.entries.get(at..)?.iter().find(|(_, value)| wide || !value.is_wide())
    }

    /// Whether there is such an object, but not this instance of it.
    pub(super) fn has_object(&self, oid: &[u32]) -> bool {
        let Some((_, object)) = oid.split_last() else { return false };
        let at = self.entries.partition_point(|(o, _)| o.as_slice() < object);
        let near = self.entries.get(at).is_some_and(|(o, _)| o.starts_with(object));
        near && object.len() > 7 && !self.entries.get(at).is_some_and(|(o, _)| o.starts_with(oid))
    }

    /// Whether a SET may change it.
    pub(super) fn is_writable(&self, oid: &[u32]) -> bool {
        self.writable.iter().any(|o| o == oid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_their_types() {
        assert_eq!(Value::Since(1000).encode(1_005_500), [0x43, 2, 2, 0x26]);
        assert_eq!(Value::Since(0).encode(4_294_967_296 * 10 + 10), [0x43, 1, 1], "starts over");
        let grows = Value::Grows { since: 0, rate: 2_000, wide: true };
        assert_eq!(grows.encode(3_000), [0x46, 1, 6]);
        assert_eq!(Value::Now.encode(1_750_000_000_000), [4, 11, 7, 0xe9, 6, 15, 15, 6, 40, 0, b'+', 0, 0]);
        assert_eq!(Value::Float(1.5).encode(0), [0x44, 7, 0x9f, 0x78, 4, 0x3f, 0xc0, 0, 0]);
    }

    #[test]
    fn tables_are_walked_in_order() {
        let system = |last: &[u32]| [&[1, 3, 6, 1, 2, 1, 1][..], last].concat();
        let mib = Mib::new(
            vec![
                (system(&[5, 0]), Value::text("x")),
                (system(&[1, 0]), Value::text("old")),
                (system(&[3, 0]), Value::Counter64(1)),
                (system(&[1, 0]), Value::text("new")),
            ],
            vec![system(&[5, 0])],
        );
        assert_eq!(mib.get(&system(&[1, 0])).unwrap().1, Value::text("new"));
        assert_eq!(mib.next(&[1, 3], true).unwrap().0, system(&[1, 0]));
        assert_eq!(mib.next(&system(&[1, 0]), true).unwrap().0, system(&[3, 0]));
        assert_eq!(mib.next(&system(&[1, 0]), false).unwrap().0, system(&[5, 0]));
        assert!(mib.next(&system(&[5, 0]), true).is_none());
        assert!(mib.has_object(&system(&[1, 7])) && !mib.has_object(&system(&[9, 0])));
        assert!(mib.is_writable(&system(&[5, 0])) && !mib.is_writable(&system(&[1, 0])));
    }
}
