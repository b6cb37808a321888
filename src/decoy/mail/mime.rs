//! Messages taken apart: header fields, addresses, dates and the tree of parts, all of it bounded.

use std::ops::Range;

use super::mailbox::body_start;

/// Parts of one message, and how deep they may lie in each other.
const PARTS: usize = 64;
const DEPTH: usize = 8;
/// Header fields looked at, and addresses of one.
const FIELDS: usize = 256;
const ADDRESSES: usize = 64;

/// Header fields with their whole text, folded as they are, the end of line included.
pub(super) fn fields(head: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut out: Vec<(&[u8], Range<usize>)> = Vec::new();
    let mut at = 0usize;
    for line in head.split_inclusive(|b| *b == b'\n') {
        let range = at..at.saturating_add(line.len());
        at = range.end;
        if line.trim_ascii().is_empty() || out.len() >= FIELDS {
            break;
        }
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            if let Some((_, known)) = out.last_mut() {
                known.end = range.end;
            }
        } else if let Some(colon) = line.iter().position(|b| *b == b':') {
            out.push((line.get(..colon).unwrap_or_default().trim_ascii(), range));
        }
    }
    out.into_iter().map(|(name, range)| (name, head.get(range).unwrap_or_default())).collect()
}

/// The value of the first field of that name, on one line.
pub(super) fn field(message: &[u8], name: &str) -> Option<Vec<u8>> {
    let head = message.get(..body_start(message)).unwrap_or_default();
    let (name, text) = fields(head).into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
    let value = text.get(name.len()..).unwrap_or_default();
    let value = value.get(value.iter().position(|b| *b == b':')?.saturating_add(1)..).unwrap_or_default();
    Some(value.trim_ascii().iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect())
}

/// Seconds since 1970 of an RFC 5322 date.
pub(super) fn date(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text.get(..text.len().min(64))?).ok()?;
    jiff::fmt::rfc2822::parse(text.split('(').next()?.trim()).ok().map(|z| z.timestamp().as_second())
}

/// One address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) name: Option<Vec<u8>>,
    pub(super) mailbox: Vec<u8>,
    pub(super) host: Vec<u8>,
}

/// The addresses of a field. Groups are taken as their members.
pub(super) fn addresses(value: &[u8]) -> Vec<Address> {
    let mut out = Vec::new();
    for piece in split_outside(value, b',').into_iter().take(ADDRESSES) {
        let piece = piece.trim_ascii();
        let mut comment = None;
        let (name, spec) = match piece.iter().rposition(|b| *b == b'<') {
            Some(at) => {
                let (name, rest) = piece.split_at(at);
                let spec = rest.get(1..).unwrap_or_default().split(|b| *b == b'>').next().unwrap_or_default();
                (name.trim_ascii(), spec)
            }
            None => {
                let mut parts = piece.splitn(2, |b| *b == b'(');
                let spec = parts.next().unwrap_or_default().trim_ascii();
                comment = parts.next().map(|c| c.strip_suffix(b")").unwrap_or(c).to_vec());
                (&b""[..], spec)
            }
        };
        if spec.is_empty() {
            continue;
        }
        let at = spec.iter().rposition(|b| *b == b'@').unwrap_or(spec.len());
        let mailbox = spec.get(..at).unwrap_or_default().to_vec();
        let host = spec.get(at.saturating_add(1)..).unwrap_or_default().to_vec();
        let name = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\"")).unwrap_or(name);
        let name = (!name.is_empty()).then(|| name.to_vec()).or(comment);
        out.push(Address { name, mailbox, host });
    }
    out
}

/// Splits where `at` stands outside quotes.
fn split_outside(text: &[u8], at: u8) -> Vec<&[u8]> {
    let mut quoted = false;
    text.split(move |b| {
        if *b == b'"' {
            quoted = !quoted;
        }
        *b == at && !quoted
    })
    .collect()
}

/// A media type with its parameters, or a disposition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) word: Vec<u8>,
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

fn typed(value: &[u8]) -> Typed {
    let mut pieces = split_outside(value, b';').into_iter();
    let word = pieces.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let mut parameters = Vec::new();
    for piece in pieces.take(16) {
        let Some(equals) = piece.iter().position(|b| *b == b'=') else { continue };
        let (name, rest) = piece.split_at(equals);
        let value = rest.get(1..).unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        parameters.push((name.trim_ascii().to_ascii_lowercase(), value.to_vec()));
    }
    Typed { word, parameters }
}

/// A part of a message, or the whole.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its head with the empty line, and its body, within the message.
    pub(super) head: Range<usize>,
    pub(super) body: Range<usize>,
    /// `text`, `plain` and parameters.
    pub(super) kind: Vec<u8>,
    pub(super) subtype: Vec<u8>,
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) disposition: Option<Typed>,
    pub(super) encoding: Vec<u8>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) description: Option<Vec<u8>>,
    /// Parts of a multipart; the one message of a message/rfc822.
    pub(super) children: Vec<Part>,
}

impl Part {
    /// The tree of a message.
    pub(super) fn of(message: &[u8]) -> Self {
        let mut left = PARTS;
        Self::parse(message, 0..message.len(), DEPTH, &mut left)
    }

    fn parse(message: &[u8], range: Range<usize>, depth: usize, left: &mut usize) -> Self {
        let bytes = message.get(range.clone()).unwrap_or_default();
        let start = range.start.saturating_add(body_start(bytes));
        let get = |name: &str| field(bytes, name);
        let kind = typed(&get("content-type").unwrap_or_default());
        let mut words = kind.word.splitn(2, |b| *b == b'/');
        let (mut main, mut sub) =
            (words.next().unwrap_or_default().to_vec(), words.next().unwrap_or_default().to_vec());
        let mut parameters = kind.parameters;
        if main.is_empty() || sub.is_empty() {
            (main, sub) = (b"text".to_vec(), b"plain".to_vec());
        }
        if main == b"text" && !parameters.iter().any(|(n, _)| n == b"charset") {
            parameters.push((b"charset".to_vec(), b"us-ascii".to_vec()));
        }
        let mut part = Self {
            head: range.start..start,
            body: start..range.end,
            kind: main,
            subtype: sub,
            parameters,
            disposition: get("content-disposition").map(|v| typed(&v)),
            encoding: get("content-transfer-encoding")
                .unwrap_or_else(|| b"7bit".to_vec())
                .to_ascii_lowercase(),
            id: get("content-id"),
            description: get("content-description"),
            children: Vec::new(),
        };
        if let Some(depth) = depth.checked_sub(1) {
            part.descend(message, depth, left);
        }
        part
    }

    fn descend(&mut self, message: &[u8], depth: usize, left: &mut usize) {
        if self.is_message() {
            if let Some(rest) = left.checked_sub(1) {
                *left = rest;
                self.children.push(Self::parse(message, self.body.clone(), depth, left));
            }
            return;
        }
        if self.kind != b"multipart" {
            return;
        }
        let Some((_, boundary)) = self.parameters.iter().find(|(n, _)| n == b"boundary") else { return };
        for range in pieces(message, self.body.clone(), boundary) {
            let Some(rest) = left.checked_sub(1) else { return };
            *left = rest;
            self.children.push(Self::parse(message, range, depth, left));
        }
    }

    pub(super) fn is_message(&self) -> bool {
        self.kind == b"message" && self.subtype == b"rfc822"
    }
}

/// The ranges between the delimiters of a multipart body.
fn pieces(message: &[u8], body: Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = body.start;
    for line in message.get(body.clone()).unwrap_or_default().split_inclusive(|b| *b == b'\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let rest = line.strip_prefix(b"--").and_then(|l| l.strip_prefix(boundary));
        let Some(rest) = rest.map(<[u8]>::trim_ascii) else { continue };
        if !rest.is_empty() && rest != b"--" {
            continue;
        }
        if let Some(from) = open.take() {
            // The line end before a delimiter belongs to it.
            out.push(from..start.saturating_sub(2).max(from));
        }
        if rest == b"--" || out.len() >= PARTS {
            return out;
        }
        open = Some(at);
    }
    if let Some(from) = open {
        out.push(from..body.end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MULTI: &[u8] = b"From: a@b\r\nContent-Type: multipart/mixed;\r\n boundary=\"BB\"\r\n\r\npre\r\n--BB\r\n\
        Content-Type: text/plain\r\n\r\npart one\r\n--BB\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--BB--\r\n";

    #[test]
    fn a_tree_is_found() {
        let part = Part::of(MULTI);
        assert_eq!((part.kind.as_slice(), part.children.len()), (&b"multipart"[..], 2));
        assert_eq!(&MULTI[part.children[0].body.clone()], b"part one");
        assert_eq!(&MULTI[part.children[1].children[0].body.clone()], b"x");
    }

    #[test]
    fn fields_addresses_and_dates() {
        let mail = b"To: \"Doe, J\" <jd@x.org>, root\r\nX: a\r\n b\r\n\r\nTo: no\r\n";
        assert_eq!(field(mail, "x").unwrap(), b"a b");
        let all = addresses(&field(mail, "TO").unwrap());
        assert_eq!(all[0].name.as_deref(), Some(&b"Doe, J"[..]));
        assert_eq!((all[0].host.as_slice(), all[1].mailbox.as_slice()), (&b"x.org"[..], &b"root"[..]));
        assert_eq!(addresses(b"root@h (Cron Daemon)")[0].name.as_deref(), Some(&b"Cron Daemon"[..]));
        assert_eq!(date(b"Mon, 3 Nov 2025 09:12:00 +0000"), Some(1_762_161_120));
        assert_eq!(date(b"nope"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut in 0..MULTI.len()) {
            let _ = Part::of(&bytes);
            let mut mixed = MULTI[..cut].to_vec();
            mixed.extend_from_slice(&bytes);
            let _ = Part::of(&mixed);
            let _ = (addresses(&bytes), date(&bytes), fields(&bytes).len());
        }
    }
}
