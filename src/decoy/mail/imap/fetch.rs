//! FETCH: which items, and what they are.

use super::envelope::{envelope, string, structure};
use super::parse::Token;
use super::section::Section;
use crate::decoy::mail::mailbox::{Message, body_start, flag};
use crate::decoy::mail::mime::Part;

/// Items of one command.
const ITEMS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    Size,
    Date,
    Saved,
    Modseq,
    Envelope,
    Body(bool),
    Preview(&'static str),
    Section(Section),
}

/// What a FETCH asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Items {
    items: Vec<Item>,
    /// Whether flags are told only when reading changes them.
    implied: bool,
}

impl Items {
    /// The items of an argument; the error is Dovecot's.
    pub(super) fn parse(arguments: &[Token], uid: bool) -> Result<Self, String> {
        let one = arguments.first().ok_or("Invalid arguments")?;
        let words: &[Token] = one.list().unwrap_or(std::slice::from_ref(one));
        let mut items = Vec::new();
        if uid {
            items.push(Item::Uid);
        }
        for word in words {
            if word.list().is_some() && matches!(items.last(), Some(Item::Preview(_))) {
                // Its algorithm: there is one only.
                continue;
            }
            let word = word.word();
            if items.len() >= ITEMS {
                return Err("Too many items".to_owned());
            }
            match word.as_str() {
                "ALL" | "FAST" | "FULL" if one.list().is_none() => {
                    items.extend([Item::Flags, Item::Date, Item::Size]);
                    items.extend((word != "FAST").then_some(Item::Envelope));
                    items.extend((word == "FULL").then_some(Item::Body(false)));
                }
                "FLAGS" => items.push(Item::Flags),
                "UID" => items.extend((!items.contains(&Item::Uid)).then_some(Item::Uid)),
                "RFC822.SIZE" => items.push(Item::Size),
                "INTERNALDATE" => items.push(Item::Date),
                "SAVEDATE" => items.push(Item::Saved),
                "MODSEQ" => items.push(Item::Modseq),
                "ENVELOPE" => items.push(Item::Envelope),
                "BODY" => items.push(Item::Body(false)),
                "BODYSTRUCTURE" => items.push(Item::Body(true)),
                "PREVIEW" => items.push(Item::Preview("PREVIEW")),
                "SNIPPET" => items.push(Item::Preview("SNIPPET (FUZZY")),
                _ => items.push(Item::Section(section(&word)?)),
            }
        }
        if words.is_empty() {
            return Err("FETCH list is empty".to_owned());
        }
        // Texts come last.
        items.sort_by_key(|item| matches!(item, Item::Section(_)));
        let implied = items.iter().any(Item::sees) && !items.contains(&Item::Flags);
        if implied {
            let at = items.iter().position(|item| matches!(item, Item::Section(_))).unwrap_or(0);
            items.insert(at, Item::Flags);
        }
        Ok(Self { items, implied })
    }

    /// Whether messages are marked as seen by it.
    pub(super) fn sees(&self) -> bool {
        self.items.iter().any(Item::sees)
    }

    /// The answer for one message; `flagged` says whether its flags were changed by it.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: usize, message: &Message, flagged: bool) {
        let part = Part::of(&message.bytes);
        out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
        let mut first = true;
        for item in &self.items {
            if *item == Item::Flags && self.implied && !flagged {
                continue;
            }
            if !first {
                out.push(b' ');
            }
            first = false;
            item.write(out, message, &part);
        }
        out.extend_from_slice(b")\r\n");
    }
}

fn section(word: &str) -> Result<Section, String> {
    if let Some(section) = Section::rfc822(word) {
        return Ok(section);
    }
    let (rest, seen) = match (word.strip_prefix("BODY.PEEK"), word.strip_prefix("BODY")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        _ => ("", true),
    };
    if !rest.starts_with('[') {
        let word: String = word.chars().filter(|c| !c.is_control()).take(64).collect();
        return Err(format!("Unknown parameter: {word}"));
    }
    Section::parse(rest, seen).map_err(|why| format!("Invalid BODY[..] parameter: {why}"))
}

impl Item {
    fn sees(&self) -> bool {
        matches!(self, Self::Section(section) if section.seen)
    }

    fn write(&self, out: &mut Vec<u8>, message: &Message, part: &Part) {
        let text = match self {
            Self::Flags => format!("FLAGS ({})", flags(message)),
            Self::Uid => format!("UID {}", message.uid),
            Self::Size => format!("RFC822.SIZE {}", message.bytes.len()),
            Self::Date => format!("INTERNALDATE \"{}\"", date(message.time)),
            Self::Saved => format!("SAVEDATE \"{}\"", date(message.time)),
            Self::Modseq => "MODSEQ (1)".to_owned(),
            Self::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                return envelope(out, &message.bytes);
            }
            Self::Body(extended) => {
                out.extend_from_slice(if *extended { b"BODYSTRUCTURE " } else { b"BODY " });
                return structure(out, &message.bytes, part, *extended);
            }
            Self::Preview(name) => {
                out.extend_from_slice(name.as_bytes());
                out.push(b' ');
                string(out, Some(&preview(&message.bytes, part)));
                return out.extend_from_slice(if name.contains('(') { b")" } else { b"" });
            }
            Self::Section(section) => return section.write(out, &message.bytes, part),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// The first words of the text.
fn preview(message: &[u8], part: &Part) -> Vec<u8> {
    let text = part.children.first().map_or_else(
        || message.get(body_start(message)..).unwrap_or_default(),
        |child| message.get(child.body.clone()).unwrap_or_default(),
    );
    let words = text.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let mut out = Vec::new();
    for word in words.take(64) {
        if out.len().saturating_add(word.len()) > 190 {
            break;
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

/// The internal date.
pub(super) fn date(time: i64) -> String {
    jiff::Timestamp::from_second(time).unwrap_or_default().strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}

/// System flags in Dovecot's order, with their bits.
pub(super) const FLAGS: [(&str, u8); 6] = [
    ("\\Answered", flag::ANSWERED),
    ("\\Flagged", flag::FLAGGED),
    ("\\Deleted", flag::DELETED),
    ("\\Seen", flag::SEEN),
    ("\\Draft", flag::DRAFT),
    ("\\Recent", flag::RECENT),
];

/// The flags of a message.
pub(super) fn flags(message: &Message) -> String {
    let system = FLAGS.iter().filter(|(_, bit)| message.flags & bit != 0).map(|(name, _)| *name);
    system.chain(message.keywords.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::parse::tokens;
    use super::*;

    fn message() -> Message {
        let bytes: &[u8] = b"From: a@b\r\n\r\nhi there\r\n";
        Message { uid: 7, bytes: bytes.into(), time: 1_762_164_000, flags: 0, keywords: Vec::new() }
    }

    fn fetch(text: &str, flagged: bool) -> Result<String, String> {
        let items = Items::parse(&tokens(text.as_bytes()).unwrap(), false)?;
        let mut out = Vec::new();
        items.write(&mut out, 1, &message(), flagged);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn items_are_told_in_order() {
        assert_eq!(
            fetch("fast", false).unwrap(),
            "* 1 FETCH (FLAGS () INTERNALDATE \"03-Nov-2025 10:00:00 +0000\" RFC822.SIZE 23)\r\n"
        );
        assert_eq!(
            fetch("(uid body[1.2.3])", true).unwrap(),
            "* 1 FETCH (UID 7 FLAGS () BODY[1.2.3] {0}\r\n)\r\n"
        );
        assert_eq!(fetch("body[text]", false).unwrap(), "* 1 FETCH (BODY[TEXT] {10}\r\nhi there\r\n)\r\n");
        assert_eq!(
            fetch("(flags body.peek[text]<0.2> uid)", false).unwrap(),
            "* 1 FETCH (FLAGS () UID 7 BODY[TEXT]<0> {2}\r\nhi)\r\n"
        );
        assert_eq!(fetch("()", false).unwrap_err(), "FETCH list is empty");
        assert_eq!(fetch("preview", false).unwrap(), "* 1 FETCH (PREVIEW \"hi there\")\r\n");
        assert_eq!(fetch("foo", false).unwrap_err(), "Unknown parameter: FOO");
        assert_eq!(fetch("body[", false).unwrap_err(), "Invalid BODY[..] parameter: Missing ']'");
        assert_eq!(fetch("", false).unwrap_err(), "Invalid arguments");
    }
}
