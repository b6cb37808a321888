//! The Basic Encoding Rules (X.690) as far as LDAP, SNMP, SPNEGO and CredSSP need them: definite lengths,
//! one-byte tags, no recursion of its own.

/// Universal tags.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// OCTET STRING.
    pub const OCTETS: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;
}

/// Most parts of an object identifier.
pub const OID_MAX: usize = 128;

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The tag of the next element.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes the next element: its tag and contents.
    pub fn read(&mut self) -> Option<(u8, &'a [u8])> {
        let tag = *self.0.first()?;
        // Tags of several bytes are in none of these protocols.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (head, length) = length(self.0.get(1..)?)?;
        let start = head.checked_add(1)?;
        let end = start.checked_add(length)?;
        let contents = self.0.get(start..end)?;
        self.0 = self.0.get(end..)?;
        Some((tag, contents))
    }

    /// The contents of the next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.peek()? == tag { Some(self.read()?.1) } else { None }
    }

    /// Reads the contents of the next element, which must have this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.expect(tag).map(Reader)
    }

    /// An INTEGER, or another number under `tag`, that fits.
    pub fn integer(&mut self, tag: u8) -> Option<i64> {
        integer(self.expect(tag)?)
    }
}

/// What is no element that a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no element")]
pub struct Malformed;

/// How many bytes the element at the front has in all: none when that is not known yet, an error when it
/// is none or longer than `most`.
///
/// # Errors
/// No element that a server takes.
pub fn frame(bytes: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    let Some(&tag) = bytes.first() else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    let rest = bytes.get(1..).unwrap_or_default();
    match rest.first() {
        None => return Ok(None),
        Some(&first) if first & 0x80 != 0 && rest.len() <= usize::from(first & 0x7f) => {
            let known = first != 0x80 && first & 0x7f <= 4;
            return if known { Ok(None) } else { Err(Malformed) };
        }
        Some(_) => {}
    }
    let (head, length) = length(rest).ok_or(Malformed)?;
    let whole = length.checked_add(head).and_then(|n| n.checked_add(1)).ok_or(Malformed)?;
    if whole > most { Err(Malformed) } else { Ok(Some(whole)) }
}

/// A length: how many bytes it takes itself, and what it says. Indefinite ones are refused.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first & 0x80 == 0 {
        return Some((1, first.into()));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let digits = bytes.get(1..count + 1)?;
    Some((count + 1, digits.iter().fold(0, |n, b| n << 8 | usize::from(*b))))
}

/// The number that the contents of an INTEGER are; none when empty or longer than eight bytes.
pub fn integer(contents: &[u8]) -> Option<i64> {
    if contents.is_empty() || contents.len() > 8 {
        return None;
    }
    let sign: i64 = if contents[0] & 0x80 == 0 { 0 } else { -1 };
    Some(contents.iter().fold(sign, |n, b| n.wrapping_shl(8) | i64::from(*b)))
}

/// The parts of an OBJECT IDENTIFIER; none when malformed or longer than [`OID_MAX`].
pub fn oid(contents: &[u8]) -> Option<Vec<u32>> {
    let mut parts: Vec<u32> = Vec::new();
    let mut part: u32 = 0;
    for byte in contents {
        part = part.checked_mul(128)?.checked_add(u32::from(byte & 0x7f))?;
        if byte & 0x80 != 0 {
            continue;
        }
        if parts.is_empty() {
            let first = (part / 40).min(2);
            parts.extend([first, part - first * 40]);
        } else {
            parts.push(part);
        }
        if parts.len() > OID_MAX {
            return None;
        }
        part = 0;
    }
    (contents.last()? & 0x80 == 0).then_some(parts)
}

/// An element of these contents.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = contents.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or(0x7f));
    } else {
        let bytes = (length as u64).to_be_bytes();
        let from = bytes.iter().position(|b| *b != 0).unwrap_or(7);
        out.push(0x80 | u8::try_from(bytes.len() - from).unwrap_or(8));
        out.extend_from_slice(&bytes[from..]);
    }
    out.extend_from_slice(contents);
    out
}

/// An element made of others.
pub fn group(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A number under `tag`, in as few bytes as it takes.
pub fn number(tag: u8, value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut from = 0;
    while from < 7 && matches!((bytes[from], bytes[from + 1] & 0x80), (0, 0) | (0xff, 0x80)) {
        from += 1;
    }
    element(tag, &bytes[from..])
}

/// An unsigned number under `tag` (SNMP's counters).
pub fn unsigned(tag: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let from = bytes.iter().position(|b| *b != 0).unwrap_or(7);
    let mut contents = if bytes[from] & 0x80 == 0 { Vec::new() } else { vec![0] };
    contents.extend_from_slice(&bytes[from..]);
    element(tag, &contents)
}

/// An OBJECT IDENTIFIER of at least two parts.
pub fn identifier(parts: &[u32]) -> Vec<u8> {
    let mut contents = Vec::new();
    if let [first, second, rest @ ..] = parts {
        base128(first.saturating_mul(40).saturating_add(*second), &mut contents);
        for part in rest {
            base128(*part, &mut contents);
        }
    }
    element(tag::OID, &contents)
}

fn base128(value: u32, out: &mut Vec<u8>) {
    let digits = (1..5).take_while(|n| value >> (7 * n) != 0).count();
    for n in (0..=digits).rev() {
        let digit = u8::try_from(value >> (7 * n) & 0x7f).unwrap_or(0);
        out.push(if n == 0 { digit } else { digit | 0x80 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_encodings() {
        assert_eq!(number(2, 0), [2, 1, 0]);
        assert_eq!(number(2, 127), [2, 1, 0x7f]);
        assert_eq!(number(2, 128), [2, 2, 0, 0x80]);
        assert_eq!(number(2, -129), [2, 2, 0xff, 0x7f]);
        assert_eq!(unsigned(0x41, 0x8000_0000), [0x41, 5, 0, 0x80, 0, 0, 0]);
        assert_eq!(identifier(&[1, 3, 6, 1, 4, 1, 8072]), [6, 7, 0x2b, 6, 1, 4, 1, 0xbf, 8]);
        assert_eq!(element(4, &[7; 200])[..3], [4, 0x81, 200]);
        assert_eq!(element(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn frames_are_known_as_soon_as_can_be() {
        assert_eq!(frame(&[], 9), Ok(None));
        assert_eq!(frame(&[0x30], 9), Ok(None));
        assert_eq!(frame(&[0x30, 5], 9), Ok(Some(7)));
        assert_eq!(frame(&[0x30, 8], 9), Err(Malformed));
        assert_eq!(frame(&[0x30, 0x82, 1], 900), Ok(None));
        assert_eq!(frame(&[0x30, 0x82, 1, 0], 900), Ok(Some(260)));
        assert_eq!(frame(&[0x30, 0x80], 900), Err(Malformed));
        assert_eq!(frame(&[0x30, 0x88, 1], 900), Err(Malformed));
        assert_eq!(frame(&[0x1f, 1], 900), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: i64, parts in proptest::collection::vec(0u32.., 0..20)) {
            prop_assert_eq!(Reader::new(&number(2, value)).integer(2), Some(value));
            let mut whole = vec![1, 3];
            whole.extend(parts);
            let bytes = identifier(&whole);
            prop_assert_eq!(oid(Reader::new(&bytes).expect(tag::OID).unwrap()), Some(whole));
        }

        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Some((_, contents)) = reader.read() {
                let _ = (integer(contents), oid(contents));
            }
            let _ = frame(&bytes, 32);
        }
    }
}
