//! Header compression (RFC 7541): reading with a bounded table, and writing as each server does.

use std::collections::VecDeque;

use super::huffman;
use crate::decoy::http::server::Family;

/// Bytes of a dynamic table, ours and the client's: the default, which nobody is told to exceed.
pub(super) const TABLE_MAX: usize = 4096;
/// Bytes of one header list, counted as RFC 9113 §10.5.1 does.
pub(super) const LIST_MAX: usize = 32 * 1024;
/// What a field costs beside its bytes.
const OVERHEAD: usize = 32;

const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// A header field.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// Entries that one side told the other.
#[derive(Default)]
struct Table {
    entries: VecDeque<Field>,
    size: usize,
    max: usize,
}

impl Table {
    fn cost((name, value): &Field) -> usize {
        name.len().saturating_add(value.len()).saturating_add(OVERHEAD)
    }

    fn resize(&mut self, max: usize) {
        self.max = max;
        self.evict(0);
    }

    fn evict(&mut self, room: usize) {
        while self.size.saturating_add(room) > self.max {
            let Some(old) = self.entries.pop_back() else { break };
            self.size = self.size.saturating_sub(Self::cost(&old));
        }
    }

    fn add(&mut self, field: Field) {
        let cost = Self::cost(&field);
        self.evict(cost);
        if cost <= self.max {
            self.size = self.size.saturating_add(cost);
            self.entries.push_front(field);
        }
    }

    /// The field of an index that counts on from the static table.
    fn get(&self, index: usize) -> Option<Field> {
        let own = index.checked_sub(1)?;
        match STATIC.get(own) {
            Some((name, value)) => Some((name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            None => self.entries.get(own.checked_sub(STATIC.len())?).cloned(),
        }
    }

    /// Index of a field, and of its name.
    fn find(&self, name: &[u8], value: &[u8]) -> (Option<usize>, Option<usize>) {
        let fixed = STATIC.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let all = fixed.chain(self.entries.iter().map(|(n, v)| (n.as_slice(), v.as_slice())));
        let (mut whole, mut named) = (None, None);
        for (at, (_, v)) in all.enumerate().filter(|(_, (n, _))| *n == name) {
            named = named.or(Some(at.saturating_add(1)));
            if v == value {
                whole = whole.or(Some(at.saturating_add(1)));
            }
        }
        (whole, named)
    }
}

/// Why a header block cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is no such thing.
    Broken,
    /// It says more than we listen to.
    TooMuch,
}

/// Reads header blocks.
pub(super) struct Decoder(Table);

impl Default for Decoder {
    fn default() -> Self {
        Self(Table { max: TABLE_MAX, ..Table::default() })
    }
}

impl Decoder {
    /// The fields of one block.
    pub(super) fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, Bad> {
        let mut rest = block;
        let (mut fields, mut size, mut updates) = (Vec::new(), 0usize, 0);
        while let Some(first) = rest.first().copied() {
            let field = if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                self.0.get(index).ok_or(Bad::Broken)?
            } else if first & 0xe0 == 0x20 {
                // A new size of the table: only in front, and never over what we keep.
                let max = integer(&mut rest, 5)?;
                updates += 1;
                if max > TABLE_MAX || !fields.is_empty() || updates > 2 {
                    return Err(Bad::Broken);
                }
                self.0.resize(max);
                continue;
            } else {
                let indexed = first & 0x40 != 0;
                let field = self.literal(&mut rest, if indexed { 6 } else { 4 })?;
                if indexed {
                    self.0.add(field.clone());
                }
                field
            };
            size = size.saturating_add(Table::cost(&field));
            if size > LIST_MAX {
                return Err(Bad::TooMuch);
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn literal(&self, rest: &mut &[u8], prefix: u32) -> Result<Field, Bad> {
        let name = match integer(rest, prefix)? {
            0 => string(rest)?,
            index => self.0.get(index).ok_or(Bad::Broken)?.0,
        };
        Ok((name, string(rest)?))
    }
}

/// An integer with a prefix of so many bits (RFC 7541 §5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Bad> {
    let (first, mut bytes) = rest.split_first().ok_or(Bad::Broken)?;
    let mask = (1usize << prefix) - 1;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        // Four further bytes are more than any limit of ours.
        for step in 0..5u32 {
            let (next, after) = bytes.split_first().ok_or(Bad::Broken)?;
            bytes = after;
            if step == 4 {
                return Err(Bad::Broken);
            }
            value = value.saturating_add(usize::from(next & 0x7f) << (7 * step));
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = bytes;
    Ok(value)
}

fn string(rest: &mut &[u8]) -> Result<Vec<u8>, Bad> {
    let coded = rest.first().ok_or(Bad::Broken)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(Bad::Broken)?;
    *rest = after;
    if coded { huffman::decode(bytes, LIST_MAX).ok_or(Bad::Broken) } else { Ok(bytes.to_vec()) }
}

/// How a server writes its fields down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// nginx: tells of a few by static names, and never refers to what it told.
    Nginx,
    /// nghttp2: refers to all but what changes with every answer.
    Nghttp2,
    /// Go: refers to everything.
    All,
}

/// Writes header blocks.
pub(super) struct Encoder {
    table: Table,
    habit: Habit,
    /// The client wants a table of another size.
    resized: Option<usize>,
}

impl Encoder {
    pub(super) fn new(family: Family) -> Self {
        let habit = match family {
            Family::Nginx => Habit::Nginx,
            Family::Apache => Habit::Nghttp2,
            _ => Habit::All,
        };
        Self { table: Table { max: TABLE_MAX, ..Table::default() }, habit, resized: None }
    }

    /// The client's limit for the table.
    pub(super) fn limit(&mut self, max: usize) {
        let max = max.min(TABLE_MAX);
        if max != self.table.max && self.habit != Habit::Nginx {
            self.table.resize(max);
            self.resized = Some(max);
        }
    }

    /// The block of an answer.
    pub(super) fn encode(&mut self, status: u16, fields: &[(String, String)]) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(max) = self.resized.take() {
            put_integer(&mut out, 0x20, 5, max);
        }
        let status = status.to_string();
        self.field(&mut out, b":status", status.as_bytes());
        for (name, value) in fields {
            self.field(&mut out, name.as_bytes(), value.as_bytes());
        }
        out
    }

    fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let (whole, named) = self.table.find(name, value);
        if let Some(index) = whole {
            return put_integer(out, 0x80, 7, index);
        }
        let indexed = match self.habit {
            Habit::Nginx => {
                const NAMES: [&[u8]; 8] = [
                    b":status",
                    b"server",
                    b"date",
                    b"content-type",
                    b"content-length",
                    b"last-modified",
                    b"location",
                    b"vary",
                ];
                let known = NAMES.contains(&name);
                match named.filter(|_| known) {
                    Some(index) => put_integer(out, 0x40, 6, index),
                    None => {
                        out.push(0);
                        put_string(out, name);
                    }
                }
                return put_string(out, value);
            }
            Habit::Nghttp2 => {
                !matches!(name, b"content-length" | b"etag" | b"location" | b"set-cookie" | b"age")
            }
            Habit::All => true,
        };
        let indexed = indexed && name.len() + value.len() + OVERHEAD <= self.table.max;
        let (mark, prefix) = if indexed { (0x40, 6) } else { (0, 4) };
        put_integer(out, mark, prefix, named.unwrap_or(0));
        if named.is_none() {
            put_string(out, name);
        }
        put_string(out, value);
        if indexed {
            self.table.add((name.to_vec(), value.to_vec()));
        }
    }
}

fn put_integer(out: &mut Vec<u8>, mark: u8, prefix: u32, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        out.push(mark | u8::try_from(value).unwrap_or(0));
        return;
    }
    out.push(mark | u8::try_from(mask).unwrap_or(0));
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

/// Coded when that is shorter, as everybody does.
fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::encode(text);
    if coded.len() < text.len() {
        put_integer(out, 0x80, 7, coded.len());
        out.extend_from_slice(&coded);
    } else {
        put_integer(out, 0, 7, text.len());
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn reads_the_examples_of_the_specification() {
        let mut decoder = Decoder::default();
        for (block, authority, more) in [
            ("828684418cf1e3c2e5f23a6ba0ab90f4ff", "www.example.com", None),
            ("828684be5886a8eb10649cbf", "www.example.com", Some(("cache-control", "no-cache"))),
            (
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
                "www.example.com",
                Some(("custom-key", "custom-value")),
            ),
        ] {
            let got = decoder.decode(&hex::decode(block).unwrap()).unwrap();
            assert_eq!(got[0], (b":method".to_vec(), b"GET".to_vec()));
            assert_eq!(got[3], (b":authority".to_vec(), authority.as_bytes().to_vec()));
            let last = more.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
            assert_eq!(got.get(4).cloned(), last);
        }
    }

    #[test]
    fn writes_as_nginx_and_apache_do() {
        // Answers of nginx 1.22.1 and Apache 2.4.71 to a path that names nothing.
        let list = [
            ("server", "nginx/1.22.1"),
            ("date", "Fri, 27 Nov 2026 22:55:36 GMT"),
            ("content-type", "text/html"),
            ("content-length", "153"),
        ];
        let mut nginx = Encoder::new(Family::Nginx);
        for _ in 0..2 {
            assert_eq!(
                hex::encode(nginx.encode(404, &fields(&list))),
                "8d7689aa6355e580ae212e1f6196c361be9413aa693f75040138a08571b6ee32e298b46f5f87497ca589d34d1f5c03313533"
            );
        }
        let list = [
            ("content-length", "304"),
            ("content-type", "text/html; charset=iso-8859-1"),
            ("date", "Fri, 27 Nov 2026 22:55:45 GMT"),
            ("server", "Apache/2.4.71 (Debian)"),
        ];
        let mut apache = Encoder::new(Family::Apache);
        assert_eq!(
            hex::encode(apache.encode(404, &fields(&list))),
            "8d0f0d033330345f95497ca589d34d1f6a1271d882a60320eb3cf36fac1f6196c361be9413aa693f75040138a08571b6ee34da98b4\
             6f769186b19272b025da5dd0a9fd5f2c661d5fdf"
        );
        assert_eq!(hex::encode(apache.encode(404, &fields(&list))), "8d0f0d03333034c0bfbe");
    }

    #[test]
    fn bombs_are_refused() {
        // One large entry, then a thousand references to it.
        let mut block = vec![0x40, 1, b'a'];
        put_integer(&mut block, 0, 7, 4000);
        block.extend_from_slice(&[b'x'; 4000]);
        block.extend_from_slice(&[0xbe; 1000]);
        assert_eq!(Decoder::default().decode(&block), Err(Bad::TooMuch));
        for broken in
            [&[0xffu8, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0xbe], &[0x80], &[0x3f, 0xff, 0x7f], &[0x40]]
        {
            assert_eq!(Decoder::default().decode(broken), Err(Bad::Broken), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_blocks_are_survived(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = decoder.decode(&block);
                prop_assert!(decoder.0.size <= TABLE_MAX);
            }
        }

        #[test]
        fn what_is_written_is_read(pairs in prop::collection::vec(("[a-z-]{1,12}", "[ -~]{0,40}"), 0..12), which in 0usize..3, max in 0usize..200) {
            let family = [Family::Nginx, Family::Apache, Family::Go][which];
            let (mut encoder, mut decoder) = (Encoder::new(family), Decoder::default());
            encoder.limit(max);
            for _ in 0..3 {
                let got = decoder.decode(&encoder.encode(418, &pairs)).unwrap();
                prop_assert_eq!(got.len(), pairs.len() + 1);
                for (field, (name, value)) in got.iter().skip(1).zip(&pairs) {
                    prop_assert_eq!((&field.0, &field.1), (&name.as_bytes().to_vec(), &value.as_bytes().to_vec()));
                }
            }
        }
    }
}
