//! Search filters (RFC 4511 §4.5.1.7), bounded in depth and number.

use super::directory::Entry;
use crate::decoy::ber::{Reader, tag};

/// Nesting and parts of one filter.
const DEPTH_MAX: usize = 12;
const PARTS_MAX: usize = 200;
/// Bytes of a filter that an event shows.
const SHOWN: usize = 2048;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(Vec<u8>),
    Equal(Vec<u8>, Vec<u8>),
    /// Attribute, and the parts: beginning, middles, end.
    Parts(Vec<u8>, Option<Vec<u8>>, Vec<Vec<u8>>, Option<Vec<u8>>),
    /// At least, or at most.
    Order(Vec<u8>, Vec<u8>, bool),
    Approximate(Vec<u8>, Vec<u8>),
    /// A rule, an attribute, a value.
    Extensible(Vec<u8>, Vec<u8>, Vec<u8>),
}

/// The rules "all of these bits", "any of these bits" of Microsoft's.
const ALL_BITS: &[u8] = b"1.2.840.113556.1.4.803";
const ANY_BITS: &[u8] = b"1.2.840.113556.1.4.804";

impl Filter {
    /// Reads a filter from its element's tag and contents.
    pub(super) fn read(kind: u8, contents: &[u8]) -> Option<Self> {
        let mut left = PARTS_MAX;
        read(kind, contents, DEPTH_MAX, &mut left)
    }

    /// Whether an entry fits.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        match self {
            Self::And(all) => all.iter().all(|f| f.fits(entry)),
            Self::Or(any) => any.iter().any(|f| f.fits(entry)),
            Self::Not(inner) => !inner.fits(entry),
            Self::Present(name) => entry.values(name).is_some(),
            Self::Equal(name, value) | Self::Approximate(name, value) => entry.holds(name, value),
            Self::Parts(name, first, middle, last) => {
                entry.values(name).is_some_and(|v| v.iter().any(|v| in_parts(v, first, middle, last)))
            }
            Self::Order(name, value, least) => entry.values(name).is_some_and(|all| {
                all.iter().any(|v| {
                    let order = match (number(v), number(value)) {
                        (Some(a), Some(b)) => a.cmp(&b),
                        _ => v.to_ascii_lowercase().cmp(&value.to_ascii_lowercase()),
                    };
                    if *least { order.is_ge() } else { order.is_le() }
                })
            }),
            Self::Extensible(rule, name, value) => {
                let bits = |v: &[u8]| number(v).zip(number(value));
                let holds = |test: fn(i64, i64) -> bool| {
                    entry.values(name).is_some_and(|all| {
                        all.iter().any(|v| bits(v).is_some_and(|(have, want)| test(have, want)))
                    })
                };
                match rule.as_slice() {
                    ALL_BITS => holds(|have, want| have & want == want),
                    ANY_BITS => holds(|have, want| have & want != 0),
                    _ => entry.holds(name, value),
                }
            }
        }
    }

    /// As text (RFC 4515), cut where it is long; values as they came.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out.truncate(SHOWN);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        if out.len() > SHOWN {
            return;
        }
        out.push(b'(');
        match self {
            Self::And(list) | Self::Or(list) => {
                out.push(if matches!(self, Self::And(_)) { b'&' } else { b'|' });
                list.iter().for_each(|f| f.write(out));
            }
            Self::Not(inner) => {
                out.push(b'!');
                inner.write(out);
            }
            Self::Present(name) => out.extend([name.as_slice(), b"=*"].concat()),
            Self::Equal(name, value) => out.extend([name.as_slice(), b"=", value].concat()),
            Self::Approximate(name, value) => out.extend([name.as_slice(), b"~=", value].concat()),
            Self::Order(name, value, least) => {
                let sign: &[u8] = if *least { b">=" } else { b"<=" };
                out.extend([name.as_slice(), sign, value].concat());
            }
            Self::Parts(name, first, middle, last) => {
                out.extend_from_slice(name);
                out.push(b'=');
                out.extend_from_slice(first.as_deref().unwrap_or_default());
                for part in middle {
                    out.push(b'*');
                    out.extend_from_slice(part);
                }
                out.push(b'*');
                out.extend_from_slice(last.as_deref().unwrap_or_default());
            }
            Self::Extensible(rule, name, value) => {
                out.extend([name.as_slice(), b":", rule, b":=", value].concat());
            }
        }
        out.push(b')');
    }
}

fn read(kind: u8, contents: &[u8], depth: usize, left: &mut usize) -> Option<Filter> {
    let depth = depth.checked_sub(1)?;
    *left = left.checked_sub(1)?;
    let mut r = Reader::new(contents);
    let pair = |mut r: Reader<'_>| Some((r.expect(tag::OCTETS)?.to_vec(), r.expect(tag::OCTETS)?.to_vec()));
    Some(match kind {
        0xa0 | 0xa1 => {
            let mut list = Vec::new();
            while !r.is_empty() {
                let (kind, contents) = r.read()?;
                list.push(read(kind, contents, depth, left)?);
            }
            if kind == 0xa0 { Filter::And(list) } else { Filter::Or(list) }
        }
        0xa2 => {
            let (kind, contents) = r.read()?;
            Filter::Not(Box::new(read(kind, contents, depth, left)?))
        }
        0xa3 => pair(r).map(|(n, v)| Filter::Equal(n, v))?,
        0xa5 => pair(r).map(|(n, v)| Filter::Order(n, v, true))?,
        0xa6 => pair(r).map(|(n, v)| Filter::Order(n, v, false))?,
        0xa8 => pair(r).map(|(n, v)| Filter::Approximate(n, v))?,
        0x87 => Filter::Present(contents.to_vec()),
        0xa4 => {
            let name = r.expect(tag::OCTETS)?.to_vec();
            let mut parts = r.enter(tag::SEQUENCE)?;
            let (mut first, mut middle, mut last) = (None, Vec::new(), None);
            while !parts.is_empty() {
                *left = left.checked_sub(1)?;
                match parts.read()? {
                    (0x80, text) => first = Some(text.to_vec()),
                    (0x81, text) => middle.push(text.to_vec()),
                    (0x82, text) => last = Some(text.to_vec()),
                    _ => return None,
                }
            }
            Filter::Parts(name, first, middle, last)
        }
        0xa9 => {
            let rule = r.expect(0x81).unwrap_or_default().to_vec();
            let name = r.expect(0x82).unwrap_or_default().to_vec();
            Filter::Extensible(rule, name, r.expect(0x83)?.to_vec())
        }
        _ => return None,
    })
}

fn in_parts(value: &[u8], first: &Option<Vec<u8>>, middle: &[Vec<u8>], last: &Option<Vec<u8>>) -> bool {
    let value = value.to_ascii_lowercase();
    let low = |part: &Vec<u8>| part.to_ascii_lowercase();
    let first = first.as_ref().map(low).unwrap_or_default();
    let last = last.as_ref().map(low).unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first.as_slice()) else { return false };
    for part in middle.iter().map(low).filter(|p| !p.is_empty()) {
        match rest.windows(part.len()).position(|w| w == part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(&last)
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::ber;
    use proptest::prelude::*;

    fn entry() -> Entry {
        let mut entry = Entry::new("cn=x");
        entry.add("objectClass", &["top", "user"]);
        entry.add("sAMAccountName", &["JMiller"]);
        entry.add("userAccountControl", &["514"]);
        entry
    }

    #[test]
    fn filters_fit_or_do_not() {
        let b = |t: &str| t.as_bytes().to_vec();
        let equal = |n: &str, v: &str| Filter::Equal(b(n), b(v));
        let e = entry();
        assert!(equal("OBJECTCLASS", "User").fits(&e) && !equal("objectClass", "group").fits(&e));
        assert!(Filter::And(vec![]).fits(&e) && !Filter::Or(vec![]).fits(&e));
        assert!(Filter::Not(Box::new(Filter::Present(b("mail")))).fits(&e));
        assert!(Filter::Parts(b("samaccountname"), Some(b("jm")), vec![b("ll")], Some(b("er"))).fits(&e));
        assert!(!Filter::Parts(b("samaccountname"), Some(b("jmiller")), vec![], Some(b("er"))).fits(&e));
        assert!(Filter::Order(b("userAccountControl"), b("9"), true).fits(&e), "as numbers");
        let bits = |v: &str| Filter::Extensible(ALL_BITS.to_vec(), b("userAccountControl"), b(v));
        assert!(bits("2").fits(&e) && !bits("8192").fits(&e));
        assert_eq!(
            Filter::And(vec![equal("a", "b"), bits("2")]).text(),
            b"(&(a=b)(userAccountControl:1.2.840.113556.1.4.803:=2))"
        );
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let mut nested = ber::element(0x87, b"cn");
        for _ in 0..40 {
            nested = ber::element(0xa2, &nested);
        }
        assert_eq!(Filter::read(nested[0], &nested[2..]), None);
        let many = ber::element(0x87, b"cn").repeat(300);
        assert_eq!(Filter::read(0xa0, &many), None);
    }

    proptest! {
        #[test]
        fn anything_may_come(kind: u8, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(filter) = Filter::read(kind, &bytes) {
                let _ = (filter.fits(&entry()), filter.text());
            }
        }
    }
}
