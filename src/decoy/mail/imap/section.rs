//! `BODY[…]`: which bytes of a message are asked for.

use crate::decoy::mail::mailbox::body_start;
use crate::decoy::mail::mime::{Part, fields};

/// Part numbers in one section, header names, and what a name may have.
const PATH: usize = 16;
const NAMES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    All,
    Header,
    Text,
    Mime,
    Fields,
    NotFields,
}

/// A section with its partial range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    path: Vec<usize>,
    kind: Kind,
    names: Vec<Vec<u8>>,
    partial: Option<(usize, usize)>,
    /// Whether it marks the message as seen.
    pub(super) seen: bool,
    label: String,
}

impl Section {
    /// `RFC822`, `RFC822.HEADER`, `RFC822.TEXT`.
    pub(super) fn rfc822(word: &str) -> Option<Self> {
        let kind = match word {
            "RFC822" => Kind::All,
            "RFC822.HEADER" => Kind::Header,
            "RFC822.TEXT" => Kind::Text,
            _ => return None,
        };
        let seen = kind != Kind::Header;
        Some(Self { path: Vec::new(), kind, names: Vec::new(), partial: None, seen, label: word.to_owned() })
    }

    /// What comes after `BODY` or `BODY.PEEK`, in upper case; the error is Dovecot's.
    pub(super) fn parse(text: &str, seen: bool) -> Result<Self, &'static str> {
        let inner = text.strip_prefix('[').ok_or("Missing '['")?;
        let (inner, rest) = inner.split_once(']').ok_or("Missing ']'")?;
        let mut path = Vec::new();
        let mut word = inner;
        while let Some(number) = word.split(['.', ' ']).next().and_then(|n| n.parse::<usize>().ok()) {
            if number == 0 || path.len() >= PATH {
                return Err("Unknown section");
            }
            path.push(number);
            word = word.split_once('.').map_or("", |(_, rest)| rest);
        }
        let (name, list) = word.split_once(' ').unwrap_or((word, ""));
        let kind = match name {
            "" => Kind::All,
            "HEADER" => Kind::Header,
            "TEXT" => Kind::Text,
            "MIME" if !path.is_empty() => Kind::Mime,
            "HEADER.FIELDS" => Kind::Fields,
            "HEADER.FIELDS.NOT" => Kind::NotFields,
            _ => return Err("Unknown section"),
        };
        let mut names = Vec::new();
        if matches!(kind, Kind::Fields | Kind::NotFields) {
            let list = list.trim().strip_prefix('(').and_then(|l| l.strip_suffix(')'));
            let list = list.ok_or("Missing header fields")?;
            names = list
                .split(' ')
                .filter(|n| !n.is_empty())
                .take(NAMES)
                .map(|n| n.trim_matches('"').into())
                .collect();
        }
        let partial = if rest.is_empty() { None } else { Some(partial(rest).ok_or("Invalid partial")?) };
        let start = partial.map(|(from, _)| format!("<{from}>")).unwrap_or_default();
        Ok(Self { path, kind, names, partial, seen, label: format!("BODY[{inner}]{start}") })
    }

    /// The item and its literal.
    pub(super) fn write(&self, out: &mut Vec<u8>, message: &[u8], root: &Part) {
        let bytes = self.find(message, root);
        let bytes = match self.partial {
            Some((from, length)) => {
                let end = from.saturating_add(length).min(bytes.len());
                bytes.get(from.min(end)..end).unwrap_or_default().to_vec()
            }
            None => bytes,
        };
        out.extend_from_slice(format!("{} {{{}}}\r\n", self.label, bytes.len()).as_bytes());
        out.extend_from_slice(&bytes);
    }

    fn find(&self, message: &[u8], root: &Part) -> Vec<u8> {
        let slice = |range: &std::ops::Range<usize>| message.get(range.clone()).unwrap_or_default();
        let Some(part) = self.part(root) else { return Vec::new() };
        // The header and the text of a part are those of the message in it.
        let whole = if self.path.is_empty() {
            message
        } else if self.kind == Kind::All {
            return slice(&part.body).to_vec();
        } else if self.kind == Kind::Mime {
            return slice(&part.head).to_vec();
        } else if part.is_message() {
            slice(&part.body)
        } else {
            return Vec::new();
        };
        let (head, body) = whole.split_at_checked(body_start(whole)).unwrap_or((whole, &[]));
        match self.kind {
            Kind::All | Kind::Mime => whole.to_vec(),
            Kind::Header => head.to_vec(),
            Kind::Text => body.to_vec(),
            Kind::Fields | Kind::NotFields => {
                let wanted = self.kind == Kind::Fields;
                let mut out: Vec<u8> = fields(head)
                    .into_iter()
                    .filter(|(name, _)| self.names.iter().any(|n| n.eq_ignore_ascii_case(name)) == wanted)
                    .flat_map(|(_, text)| text.to_vec())
                    .collect();
                out.extend_from_slice(b"\r\n");
                out
            }
        }
    }

    fn part<'p>(&self, root: &'p Part) -> Option<&'p Part> {
        let mut part = root;
        for (depth, number) in self.path.iter().enumerate() {
            let outer = match part.children.first() {
                Some(inner) if part.is_message() && depth > 0 => inner,
                _ => part,
            };
            part = if outer.kind == b"multipart" {
                outer.children.get(number.checked_sub(1)?)?
            } else if *number == 1 && (depth == 0 || !std::ptr::eq(outer, part)) {
                outer
            } else {
                return None;
            };
        }
        Some(part)
    }
}

fn partial(text: &str) -> Option<(usize, usize)> {
    let (from, length) = text.strip_prefix('<')?.strip_suffix('>')?.split_once('.')?;
    Some((from.parse::<u32>().ok()? as usize, length.parse::<u32>().ok()? as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAIL: &[u8] = b"From: a@b\r\nSubject: multi\r\nContent-Type: multipart/mixed; boundary=\"BB\"\r\n\r\npre\r\n--BB\r\n\
        Content-Type: text/plain\r\n\r\npart one\r\n--BB\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--BB--\r\n";

    fn get(text: &str) -> String {
        let mut out = Vec::new();
        Section::parse(text, true).unwrap().write(&mut out, MAIL, &Part::of(MAIL));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sections_are_found() {
        assert_eq!(get("[1]"), "BODY[1] {8}\r\npart one");
        assert_eq!(get("[1.MIME]"), "BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n");
        assert_eq!(get("[3]"), "BODY[3] {0}\r\n");
        assert_eq!(get("[2.HEADER]"), "BODY[2.HEADER] {15}\r\nSubject: in\r\n\r\n");
        assert_eq!(get("[2.1]"), "BODY[2.1] {1}\r\nx");
        assert_eq!(get("[TEXT]<0.4>"), "BODY[TEXT]<0> {4}\r\npre\r");
        assert_eq!(
            get("[HEADER.FIELDS (SUBJECT FROM)]"),
            "BODY[HEADER.FIELDS (SUBJECT FROM)] {29}\r\nFrom: a@b\r\nSubject: multi\r\n\r\n"
        );
        assert_eq!(get("[]<9999.4294967295>"), "BODY[]<9999> {0}\r\n");
        for bad in ["[", "[X]", "[MIME]", "[1]<x>", "[0]"] {
            assert!(Section::parse(bad, true).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\[[0-9.A-Z ()]{0,20}\\]?(<[0-9.]{0,12}>)?") {
            if let Ok(section) = Section::parse(&text, true) {
                section.write(&mut Vec::new(), MAIL, &Part::of(MAIL));
            }
        }
    }
}
