//! What a ClientHello says of the client that sent it: names, versions, and the JA3 and JA4 fingerprints.
//!
//! Read from the bytes as they came, beside the library that takes the handshake, and bounded: of a
//! greeting that is longer, broken or cut there is simply less to tell.

use sha2::{Digest as _, Sha256};

use crate::decoy::session::Draft;

/// Most bytes of a greeting that are looked at.
pub const HELLO_MAX: usize = 16 * 1024;
/// Most entries of one list that are kept.
const LIST_MAX: usize = 256;

/// What a client offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Version in the old place.
    pub version: u16,
    /// Cipher suites, in order.
    pub ciphers: Vec<u16>,
    /// Extensions, in order.
    pub extensions: Vec<u16>,
    /// Groups, once called curves.
    pub groups: Vec<u16>,
    /// Forms of points.
    pub points: Vec<u8>,
    /// Signature schemes.
    pub schemes: Vec<u16>,
    /// Versions in the new place (RFC 8446 §4.2.1).
    pub versions: Vec<u16>,
    /// Application protocols.
    pub protocols: Vec<Vec<u8>>,
    /// Server name (RFC 6066 §3).
    pub name: Option<String>,
}

/// Whether bytes begin like a TLS handshake record.
pub fn is_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, 0..=4, ..])
}

/// Takes things off the front of a greeting.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.take(width)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn short(&mut self) -> Option<u16> {
        self.number(2).and_then(|n| u16::try_from(n).ok())
    }

    /// A vector with a length of `width` bytes before it.
    fn vector(&mut self, width: usize) -> Option<Reader<'a>> {
        let length = self.number(width)?;
        self.take(length).map(Reader)
    }

    fn shorts(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.short()).take(LIST_MAX).collect()
    }
}

/// The handshake bytes inside the records of `bytes`.
fn unwrap_records(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader(bytes);
    let mut out = Vec::new();
    while let Some([0x16, 3, _]) = reader.take(3) {
        let Some(length) = reader.number(2) else { break };
        let part = reader.take(length.min(reader.0.len())).unwrap_or_default();
        out.extend_from_slice(part);
        if part.len() < length {
            break;
        }
    }
    out
}

impl Hello {
    /// Reads a greeting in its records.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let message = unwrap_records(bytes.get(..HELLO_MAX).unwrap_or(bytes));
        let mut reader = Reader(&message);
        if reader.number(1)? != 1 {
            return None;
        }
        let mut body = reader.vector(3)?;
        let mut hello = Self { version: body.short()?, ..Self::default() };
        body.take(32)?;
        body.vector(1)?;
        hello.ciphers = body.vector(2)?.shorts();
        body.vector(1)?;
        // A client of the last century has none.
        let mut extensions = body.vector(2).unwrap_or(Reader(&[]));
        while let (Some(kind), true) = (extensions.short(), hello.extensions.len() < LIST_MAX) {
            let Some(content) = extensions.vector(2) else { break };
            hello.extensions.push(kind);
            hello.extension(kind, content);
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, mut content: Reader<'_>) -> Option<()> {
        match kind {
            0 => {
                let mut list = content.vector(2)?;
                list.take(1)?;
                let name = list.vector(2)?.0;
                let plain = !name.is_empty() && name.len() <= 255 && name.iter().all(u8::is_ascii_graphic);
                self.name = plain.then(|| String::from_utf8_lossy(name).into_owned());
            }
            10 => self.groups = content.vector(2)?.shorts(),
            11 => self.points = content.vector(1)?.0.to_vec(),
            13 => self.schemes = content.vector(2)?.shorts(),
            16 => {
                let mut list = content.vector(2)?;
                self.protocols =
                    std::iter::from_fn(|| list.vector(1)).take(16).map(|p| p.0.to_vec()).collect();
            }
            43 => self.versions = content.vector(1)?.shorts(),
            _ => {}
        }
        Some(())
    }

    /// The text whose MD5 is the JA3 fingerprint.
    fn ja3_text(&self) -> String {
        let points: Vec<u16> = self.points.iter().map(|p| u16::from(*p)).collect();
        let lists = [&self.ciphers, &self.extensions, &self.groups, &points];
        let lists = lists.map(|list| join(list, '-', |n| n.to_string()));
        format!("{},{}", self.version, lists.join(","))
    }

    /// JA3: MD5 of what was offered, in the order of the client.
    pub fn ja3(&self) -> String {
        hex::encode(md5::compute(self.ja3_text()).0)
    }

    /// JA4: counts and versions, then hashes of sorted lists.
    pub fn ja4(&self) -> String {
        let best = self.versions.iter().copied().filter(|v| !grease(*v)).max().unwrap_or(self.version);
        let version = match best {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            _ => "00",
        };
        let count = |list: &[u16]| list.iter().filter(|n| !grease(**n)).count().min(99);
        let sorted = |list: &[u16], skip: &[u16]| {
            let mut list: Vec<u16> = list.iter().copied().filter(|n| !skip.contains(n)).collect();
            list.sort_unstable();
            join(&list, ',', |n| format!("{n:04x}"))
        };
        let mut extensions = sorted(&self.extensions, &[0, 16]);
        if !self.schemes.is_empty() {
            extensions.push('_');
            extensions.push_str(&join(&self.schemes, ',', |n| format!("{n:04x}")));
        }
        format!(
            "t{version}{}{:02}{:02}{}_{}_{}",
            if self.extensions.contains(&0) { 'd' } else { 'i' },
            count(&self.ciphers),
            count(&self.extensions),
            self.protocol_letters(),
            short_hash(&sorted(&self.ciphers, &[])),
            short_hash(if self.extensions.is_empty() { "" } else { &extensions }),
        )
    }

    /// First and last letter of the first application protocol.
    fn protocol_letters(&self) -> String {
        let Some((first, last)) = self.protocols.first().and_then(|p| Some((*p.first()?, *p.last()?))) else {
            return "00".to_owned();
        };
        if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
            return [char::from(first), char::from(last)].iter().collect();
        }
        let (first, last) = (hex::encode([first]), hex::encode([last]));
        format!("{}{}", first.get(..1).unwrap_or("0"), last.get(1..).unwrap_or("0"))
    }

    /// Puts all of it into an event.
    pub fn tell<'a>(&self, draft: Draft<'a>) -> Draft<'a> {
        let mut draft = draft.field("tls.client.ja3", self.ja3()).field("tls.client.ja4", self.ja4());
        if let Some(name) = &self.name {
            draft = draft.text("tls.client.server_name", name);
        }
        if !self.protocols.is_empty() {
            let list: Vec<String> =
                self.protocols.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            draft = draft.field("tls.client.alpn", list);
        }
        let versions = if self.versions.is_empty() { vec![self.version] } else { self.versions.clone() };
        let versions: Vec<String> =
            versions.into_iter().filter(|v| !grease(*v)).take(16).map(version_name).collect();
        draft.field("tls.client.versions", versions)
    }
}

fn version_name(version: u16) -> String {
    match version {
        0x0304 => "1.3".to_owned(),
        0x0303 => "1.2".to_owned(),
        0x0302 => "1.1".to_owned(),
        0x0301 => "1.0".to_owned(),
        0x0300 => "ssl3".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// Values that stand for nothing (RFC 8701).
fn grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn join(list: &[u16], between: char, write: impl Fn(u16) -> String) -> String {
    let mut out = String::new();
    for value in list.iter().filter(|v| !grease(**v)) {
        if !out.is_empty() {
            out.push(between);
        }
        out.push_str(&write(*value));
    }
    out
}

fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let mut hash = hex::encode(Sha256::digest(text));
    hash.truncate(12);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A greeting made of these extensions, cut into records of `size` bytes.
    fn greeting(extensions: &[(u16, Vec<u8>)], size: usize) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, body) in extensions {
            list.extend_from_slice(&kind.to_be_bytes());
            list.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            list.extend_from_slice(body);
        }
        let mut body = vec![3, 3];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0, 6, 0x1a, 0x1a, 0x13, 1, 0xc0, 0x2b, 1, 0]);
        body.extend_from_slice(&u16::try_from(list.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&list);
        let mut message = vec![1, 0];
        message.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend_from_slice(&body);
        let mut out = Vec::new();
        for part in message.chunks(size) {
            out.extend_from_slice(&[0x16, 3, 1]);
            out.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }

    fn sample(size: usize) -> Vec<u8> {
        let mut name = vec![0, 14, 0, 0, 11];
        name.extend_from_slice(b"example.org");
        greeting(
            &[
                (0x2a2a, vec![]),
                (0, name),
                (10, vec![0, 4, 0x0a, 0x0a, 0, 29]),
                (11, vec![1, 0]),
                (13, vec![0, 4, 4, 3, 8, 4]),
                (16, vec![0, 3, 2, b'h', b'2']),
                (43, vec![4, 3, 4, 3, 3]),
            ],
            size,
        )
    }

    #[test]
    fn reads_what_was_offered_in_any_records() {
        for size in [1, 7, 4000] {
            let hello = Hello::parse(&sample(size)).unwrap();
            assert_eq!(hello.name.as_deref(), Some("example.org"));
            assert_eq!(hello.protocols, [b"h2".to_vec()]);
            assert_eq!(hello.ja3_text(), "771,4865-49195,0-10-11-13-16-43,29,0");
            assert_eq!(hello.ja3(), hex::encode(md5::compute(hello.ja3_text()).0));
            let ja4 = hello.ja4();
            assert!(ja4.starts_with("t13d0206h2_"), "{ja4}");
            assert!(ja4.ends_with(&short_hash("000a,000b,000d,002b_0403,0804")), "{ja4}");
            assert!(ja4.contains(&format!("_{}_", short_hash("1301,c02b"))), "{ja4}");
        }
    }

    #[test]
    fn survives_any_cut() {
        let bytes = sample(4000);
        for end in 0..bytes.len() {
            assert_eq!(Hello::parse(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(Hello::parse(b"GET / HTTP/1.0\r\n\r\n"), None);
    }

    #[test]
    fn names_that_are_no_names_are_left_out() {
        let hello = Hello::parse(&greeting(&[(0, vec![0, 6, 0, 0, 3, b'a', b'\n', b'b'])], 4000)).unwrap();
        assert_eq!(hello.name, None);
        assert_eq!(hello.ja4().get(..4), Some("t12d"));
    }
}
