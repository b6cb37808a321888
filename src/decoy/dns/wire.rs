//! DNS messages (RFC 1035, 6891): read without trust, written with name compression. LLMNR and mDNS speak
//! the same format.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of a header.
pub(crate) const HEADER: usize = 12;
/// Records of a message that are looked at.
const RECORDS_MAX: usize = 64;
/// Compression pointers followed in one name.
const JUMPS_MAX: usize = 16;

/// Types.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const TKEY: u16 = 249;
    pub(crate) const TSIG: u16 = 250;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const MAILB: u16 = 253;
    pub(crate) const MAILA: u16 = 254;
    pub(crate) const ANY: u16 = 255;
}

/// Classes.
pub(crate) mod class {
    pub(crate) const IN: u16 = 1;
    pub(crate) const CHAOS: u16 = 3;
    pub(crate) const NONE: u16 = 254;
    pub(crate) const ANY: u16 = 255;
}

/// Names of types that are asked for.
const KINDS: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (39, "DNAME"),
    (41, "OPT"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
];

/// What a type is called.
pub(crate) fn kind_name(kind: u16) -> String {
    KINDS.iter().find(|(n, _)| *n == kind).map_or_else(|| format!("TYPE{kind}"), |(_, s)| (*s).to_owned())
}

/// The type called so.
pub(crate) fn kind_called(name: &str) -> Option<u16> {
    KINDS.iter().find(|(_, s)| s.eq_ignore_ascii_case(name)).map(|(n, _)| *n)
}

/// A domain name in wire form, uncompressed, its root label included; at most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    /// The root.
    pub(crate) fn root() -> Self {
        Self(vec![0])
    }

    /// From text with dots, without escapes; none when a label or the whole is too long.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut out = Vec::with_capacity(text.len() + 2);
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_empty() {
            for label in text.split('.') {
                let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
                out.push(length);
                out.extend_from_slice(label.as_bytes());
            }
        }
        out.push(0);
        (out.len() <= 255).then_some(Self(out))
    }

    /// Reads the name at `at`, and says where what follows it begins.
    pub(crate) fn read(message: &[u8], at: usize) -> Option<(Self, usize)> {
        let (mut out, mut at, mut next, mut jumps) = (Vec::new(), at, None, 0);
        loop {
            let length = usize::from(*message.get(at)?);
            match length {
                0 => {
                    out.push(0);
                    return (out.len() <= 255).then(|| (Self(out), next.unwrap_or(at + 1)));
                }
                1..=63 => {
                    out.extend_from_slice(message.get(at..at + 1 + length)?);
                    at += 1 + length;
                    if out.len() > 254 {
                        return None;
                    }
                }
                0xc0.. => {
                    let to = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                    next = next.or(Some(at + 2));
                    jumps += 1;
                    // Only backwards, so that no loop is possible; and not through hundreds of them.
                    if to >= at || jumps > JUMPS_MAX {
                        return None;
                    }
                    at = to;
                }
                _ => return None,
            }
        }
    }

    /// The wire form.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels, without the root.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let length = usize::from(*rest.first()?);
            let label = rest.get(1..=length).filter(|l| !l.is_empty())?;
            rest = rest.get(length + 1..)?;
            Some(label)
        })
    }

    /// Whether it is the same name, whatever the case.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Whether it is `zone` or below it.
    pub(crate) fn within(&self, zone: &Self) -> bool {
        let at = self.0.len().checked_sub(zone.0.len());
        at.is_some_and(|at| self.starts().any(|start| start == at) && self.tail(at).same(zone))
    }

    /// The name from byte `at` on.
    fn tail(&self, at: usize) -> Self {
        Self(self.0.get(at..).unwrap_or(&[0]).to_vec())
    }

    /// Where labels start, the root's included.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let mut at = Some(0usize);
        std::iter::from_fn(move || {
            let here = at?;
            let length = usize::from(*self.0.get(here)?);
            at = (length != 0).then_some(here + 1 + length);
            Some(here)
        })
    }

    /// Order of a zone (RFC 4034 §6.1).
    pub(crate) fn order(&self) -> Vec<Vec<u8>> {
        let mut labels: Vec<_> = self.labels().map(<[u8]>::to_ascii_lowercase).collect();
        labels.reverse();
        labels
    }

    /// As text, what is not printable or special escaped as in a zone file. The root is `.`.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        out.push('\\');
                        out.push(char::from(byte));
                    }
                    0x21..=0x7e => out.push(char::from(byte)),
                    _ => out.push_str(&format!("\\{byte:03}")),
                }
            }
            out.push('.');
        }
        if out.is_empty() { ".".to_owned() } else { out }
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) class: u16,
}

/// The OPT record of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) size: u16,
    pub(crate) version: u8,
    pub(crate) dnssec: bool,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Edns {
    /// The first option of this code.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().find(|(c, _)| *c == code).map(|(_, data)| data.as_slice())
    }
}

/// A record of a message that was read: enough to tell what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    /// Which section: 1 answer, 2 authority, 3 additional.
    pub(crate) section: u8,
    pub(crate) data: Vec<u8>,
    /// Where its data is in the message: names in it may point back.
    pub(crate) at: usize,
}

/// A message as far as it could be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// What the header says of the number of questions.
    pub(crate) asked: u16,
    pub(crate) questions: Vec<Question>,
    pub(crate) records: Vec<Seen>,
    pub(crate) edns: Option<Edns>,
    /// Whether the questions could not be read.
    pub(crate) unreadable: bool,
    /// Whether something after the questions was wrong.
    pub(crate) broken: bool,
}

impl Message {
    /// Reads a message; none when there is not even a header.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let mut message = Self { id: word(0)?, flags: word(2)?, asked: word(4)?, ..Self::default() };
        let counts = [word(6)?, word(8)?, word(10)?];
        let mut at = HEADER;
        for _ in 0..usize::from(message.asked).min(RECORDS_MAX) {
            let Some((name, next)) = Name::read(bytes, at) else {
                message.unreadable = true;
                return Some(message);
            };
            let (Some(kind), Some(class)) = (word(next), word(next + 2)) else {
                message.unreadable = true;
                return Some(message);
            };
            message.questions.push(Question { name, kind, class });
            at = next + 4;
        }
        for (section, count) in (1u8..).zip(counts) {
            for _ in 0..count {
                if message.records.len() >= RECORDS_MAX {
                    return Some(message);
                }
                match record(bytes, at, section) {
                    Some((seen, ttl, next)) => {
                        at = next;
                        message.take(seen, ttl);
                    }
                    None => {
                        message.broken = true;
                        return Some(message);
                    }
                }
            }
        }
        Some(message)
    }

    fn take(&mut self, seen: Seen, ttl: u32) {
        if seen.kind != kind::OPT || seen.section != 3 {
            return self.records.push(seen);
        }
        let mut options = Vec::new();
        let mut rest = seen.data.as_slice();
        while let [a, b, c, d, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*c, *d]));
            let Some(data) = tail.get(..length) else { break };
            options.push((u16::from_be_bytes([*a, *b]), data.to_vec()));
            rest = tail.get(length..).unwrap_or_default();
        }
        self.broken |= !rest.is_empty() || self.edns.is_some() || seen.name != Name::root();
        let [_, version, high, _] = ttl.to_be_bytes();
        self.edns = Some(Edns { size: seen.class, version, dnssec: high & 0x80 != 0, options });
    }

    /// What is asked to be done: 0 for a query.
    pub(crate) fn opcode(&self) -> u8 {
        u8::try_from(self.flags >> 11 & 0xf).unwrap_or(0)
    }
}

fn record(bytes: &[u8], at: usize, section: u8) -> Option<(Seen, u32, usize)> {
    let (name, at) = Name::read(bytes, at)?;
    let head: [u8; 10] = bytes.get(at..at.checked_add(10)?)?.try_into().ok()?;
    let [k1, k2, c1, c2, t1, t2, t3, t4, l1, l2] = head;
    let start = at + 10;
    let end = start.checked_add(usize::from(u16::from_be_bytes([l1, l2])))?;
    let data = bytes.get(start..end)?.to_vec();
    let (kind, class) = (u16::from_be_bytes([k1, k2]), u16::from_be_bytes([c1, c2]));
    Some((Seen { name, kind, class, section, data, at: start }, u32::from_be_bytes([t1, t2, t3, t4]), end))
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// NS, CNAME, PTR.
    Name(Name),
    Mx(u16, Name),
    /// Server, mailbox, then serial, refresh, retry, expire, minimum.
    Soa(Name, Name, [u32; 5]),
    Srv(u16, u16, u16, Name),
    /// Also HINFO.
    Text(Vec<Vec<u8>>),
    Raw(Vec<u8>),
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

/// Puts a message together.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    names: Vec<(Name, u16)>,
    fold: bool,
}

impl Writer {
    /// A message with this header and no records.
    pub(crate) fn new(id: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0; 8]);
        Self { bytes, names: Vec::new(), fold: false }
    }

    /// Lets names that differ in case only point to each other.
    #[must_use]
    pub(crate) fn folding(self) -> Self {
        Self { fold: true, ..self }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn count(&mut self, section: usize) {
        let at = 4 + 2 * section;
        if let Some([high, low]) = self.bytes.get_mut(at..at + 2) {
            let next = u16::from_be_bytes([*high, *low]).saturating_add(1);
            [*high, *low] = next.to_be_bytes();
        }
    }

    fn word(&mut self, word: u16) {
        self.bytes.extend(word.to_be_bytes());
    }

    fn name(&mut self, name: &Name, compress: bool) {
        for start in name.starts() {
            let tail = name.tail(start);
            if tail.0 == [0] {
                return self.bytes.push(0);
            }
            let same = |(n, _): &&(Name, u16)| if self.fold { n.same(&tail) } else { *n == tail };
            if compress && let Some((_, at)) = self.names.iter().find(same) {
                let pointer = 0xc000 | at;
                return self.word(pointer);
            }
            if let Ok(at) = u16::try_from(self.bytes.len())
                && at < 0x4000
            {
                self.names.push((tail.clone(), at));
            }
            let length = usize::from(tail.0.first().copied().unwrap_or(0));
            self.bytes.extend_from_slice(tail.0.get(..=length).unwrap_or_default());
        }
    }

    /// Repeats a question.
    pub(crate) fn question(&mut self, question: &Question) {
        self.name(&question.name, true);
        self.word(question.kind);
        self.word(question.class);
        self.count(0);
    }

    /// Writes a record into a section: 1 answer, 2 authority, 3 additional.
    pub(crate) fn record(&mut self, section: usize, record: &Record) {
        self.name(&record.name, true);
        self.word(record.kind);
        self.word(record.class);
        self.bytes.extend(record.ttl.to_be_bytes());
        self.count(section);
        let at = self.bytes.len();
        self.word(0);
        match &record.data {
            Data::A(ip) => self.bytes.extend(ip.octets()),
            Data::Aaaa(ip) => self.bytes.extend(ip.octets()),
            Data::Name(name) => self.name(name, true),
            Data::Mx(preference, name) => {
                self.word(*preference);
                self.name(name, true);
            }
            Data::Soa(server, mailbox, numbers) => {
                self.name(server, true);
                self.name(mailbox, true);
                numbers.iter().for_each(|n| self.bytes.extend(n.to_be_bytes()));
            }
            Data::Srv(priority, weight, port, target) => {
                [*priority, *weight, *port].into_iter().for_each(|n| self.word(n));
                // RFC 2782 forbids it here; mDNS allows it.
                self.name(target, self.fold);
            }
            Data::Text(strings) => {
                for text in strings {
                    let cut = text.get(..text.len().min(255)).unwrap_or_default();
                    self.bytes.push(u8::try_from(cut.len()).unwrap_or(255));
                    self.bytes.extend_from_slice(cut);
                }
            }
            Data::Raw(bytes) => self.bytes.extend_from_slice(bytes),
        }
        let length = u16::try_from(self.bytes.len().saturating_sub(at + 2)).unwrap_or(u16::MAX);
        if let Some(place) = self.bytes.get_mut(at..at + 2) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The OPT record: payload size, the high bits of the response code, the DNSSEC bit, options.
    pub(crate) fn opt(&mut self, size: u16, extended: u8, dnssec: bool, options: &[(u16, Vec<u8>)]) {
        let mut data = Vec::new();
        for (code, value) in options {
            data.extend(code.to_be_bytes());
            data.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
            data.extend_from_slice(value);
        }
        let ttl = u32::from_be_bytes([extended, 0, if dnssec { 0x80 } else { 0 }, 0]);
        let data = Data::Raw(data);
        self.record(3, &Record { name: Name::root(), kind: kind::OPT, class: size, ttl, data });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn names_are_read_written_and_shown() {
        let www = name("www.Corp.lan");
        assert!(www.within(&name("corp.LAN")) && www.within(&Name::root()) && !www.within(&name("p.lan")));
        assert_eq!(www.text(), "www.Corp.lan.");
        assert_eq!(Name::root().text(), ".");
        assert_eq!(Name(vec![3, b'a', b'.', 7, 0]).text(), "a\\.\\007.");
        assert!(Name::new("a..b").is_none() && Name::new(&"a".repeat(64)).is_none());
        assert!(Name::new(&"a.".repeat(128)).is_none());
    }

    #[test]
    fn pointers_go_back_only() {
        for bytes in [&[0xc0u8, 0][..], &[0xc0, 2, 0xc0, 0], &[1, b'a', 0xc0, 0], &[0x40, 0], &[3, b'a']] {
            assert_eq!(Name::read(bytes, 0), None, "{bytes:?}");
        }
        assert_eq!(Name::read(&[1, b'a', 0, 0xc0, 0], 3), Some((name("a"), 5)));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new(7, 0x8500);
        let question = Question { name: name("corp.lan"), kind: kind::MX, class: 1 };
        writer.question(&question);
        let data = Data::Mx(10, name("mail.corp.lan"));
        writer.record(1, &Record { name: name("corp.lan"), kind: kind::MX, class: 1, ttl: 60, data });
        writer.opt(1232, 1, true, &[(3, b"x".to_vec())]);
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 12 + 14 + 12 + 9 + 11 + 5, "names are compressed");
        let read = Message::read(&bytes).unwrap();
        assert_eq!((read.id, read.questions, read.broken), (7, vec![question], false));
        assert_eq!(read.records[0].data, b"\0\x0a\x04mail\xc0\x0c");
        let edns = read.edns.unwrap();
        assert_eq!((edns.size, edns.dnssec, edns.option(3)), (1232, true, Some(&b"x"[..])));
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(message) = Message::read(&bytes) {
                for question in message.questions {
                    prop_assert!(question.name.wire().len() <= 255);
                    let _ = (question.name.text(), question.name.order());
                }
            }
        }
    }
}
