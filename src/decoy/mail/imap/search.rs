//! SEARCH, and what SORT goes by.

use super::parse::Token;
use super::set::Set;
use crate::decoy::mail::mailbox::{Folder, Message, body_start, flag};
use crate::decoy::mail::mime::{date, field};

/// Keys of one search, and how deep they may lie in each other.
const KEYS: usize = 64;
const DEPTH: usize = 12;
const DAY: i64 = 86_400;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    All,
    Flag(u8, bool),
    Keyword(String, bool),
    Header(String, Vec<u8>),
    Body(Vec<u8>),
    Text(Vec<u8>),
    /// Whole days: from, to (exclusive); of the date in the head when set.
    Days(i64, i64, bool),
    Larger(usize),
    Smaller(usize),
    Younger(i64, bool),
    Numbers(Set),
    Uids(Set),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    And(Vec<Key>),
}

/// A search that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Search(Key);

struct Parser<'a> {
    words: &'a [Token],
    at: usize,
    left: usize,
    highest: (u32, u32),
}

impl Search {
    /// Takes the keys; the error is Dovecot's.
    pub(super) fn parse(words: &[Token], folder: &Folder) -> Result<Self, String> {
        let count = u32::try_from(folder.messages.len()).unwrap_or(u32::MAX);
        let uid = folder.messages.last().map_or(0, |m| m.uid);
        let mut parser = Parser { words, at: 0, left: KEYS, highest: (count, uid) };
        let mut keys = Vec::new();
        if words.is_empty() {
            return Err("Missing argument".to_owned());
        }
        while parser.at < words.len() {
            keys.push(parser.key(DEPTH)?);
        }
        Ok(Self(Key::And(keys)))
    }

    /// Indices of what it finds.
    pub(super) fn run(&self, folder: &Folder, now: i64) -> Vec<usize> {
        let found = |(n, message): &(usize, &Message)| self.0.matches(*n, message, now);
        folder.messages.iter().enumerate().filter(found).map(|(n, _)| n).collect()
    }
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let token = self.words.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn string(&mut self) -> Result<Vec<u8>, String> {
        let token = self.next().and_then(Token::string);
        Ok(token.ok_or("Missing argument")?.to_ascii_lowercase())
    }

    fn number(&mut self, what: &str) -> Result<i64, String> {
        let text = self.string()?;
        let number = std::str::from_utf8(&text).ok().and_then(|t| t.parse::<u32>().ok());
        number.map(i64::from).ok_or_else(|| format!("Invalid {what} parameter"))
    }

    fn day(&mut self) -> Result<i64, String> {
        let text = self.string()?;
        day(&text).ok_or_else(|| "Invalid search date parameter".to_owned())
    }

    fn key(&mut self, depth: usize) -> Result<Key, String> {
        let depth = depth.checked_sub(1).ok_or("Too deep")?;
        self.left = self.left.checked_sub(1).ok_or("Too many arguments")?;
        let highest = self.highest;
        let token = self.next().ok_or("Missing argument")?;
        if let Some(list) = token.list() {
            let mut inner = Parser { words: list, at: 0, left: self.left, highest };
            let mut keys = Vec::new();
            while inner.at < list.len() {
                keys.push(inner.key(depth)?);
            }
            self.left = inner.left;
            return Ok(Key::And(keys));
        }
        let word =
            token.string().map(|s| String::from_utf8_lossy(s).to_ascii_uppercase()).unwrap_or_default();
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '*') {
            let set = Set::parse(word.as_bytes(), highest.0).ok_or("Invalid messageset")?;
            return Ok(Key::Numbers(set));
        }
        let flagged = |bit, set| Ok(Key::Flag(bit, set));
        match word.as_str() {
            "ALL" => Ok(Key::All),
            "RECENT" => flagged(flag::RECENT, true),
            "OLD" => flagged(flag::RECENT, false),
            "NEW" => Ok(Key::And(vec![Key::Flag(flag::RECENT, true), Key::Flag(flag::SEEN, false)])),
            "ANSWERED" => flagged(flag::ANSWERED, true),
            "DELETED" => flagged(flag::DELETED, true),
            "DRAFT" => flagged(flag::DRAFT, true),
            "FLAGGED" => flagged(flag::FLAGGED, true),
            "SEEN" => flagged(flag::SEEN, true),
            "UNANSWERED" => flagged(flag::ANSWERED, false),
            "UNDELETED" => flagged(flag::DELETED, false),
            "UNDRAFT" => flagged(flag::DRAFT, false),
            "UNFLAGGED" => flagged(flag::FLAGGED, false),
            "UNSEEN" => flagged(flag::SEEN, false),
            "KEYWORD" | "UNKEYWORD" => {
                let name = String::from_utf8_lossy(&self.string()?).into_owned();
                Ok(Key::Keyword(name, word == "KEYWORD"))
            }
            "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => {
                Ok(Key::Header(word.to_ascii_lowercase(), self.string()?))
            }
            "HEADER" => {
                let name = String::from_utf8_lossy(&self.string()?).into_owned();
                Ok(Key::Header(name, self.string()?))
            }
            "BODY" => Ok(Key::Body(self.string()?)),
            "TEXT" | "FUZZY" => Ok(Key::Text(self.string()?)),
            "BEFORE" => Ok(Key::Days(i64::MIN, self.day()?, false)),
            "SENTBEFORE" => Ok(Key::Days(i64::MIN, self.day()?, true)),
            "SINCE" => Ok(Key::Days(self.day()?, i64::MAX, false)),
            "SENTSINCE" => Ok(Key::Days(self.day()?, i64::MAX, true)),
            "ON" | "SENTON" => {
                let day = self.day()?;
                Ok(Key::Days(day, day.saturating_add(DAY), word == "SENTON"))
            }
            "LARGER" => Ok(Key::Larger(usize::try_from(self.number("search size")?).unwrap_or(0))),
            "SMALLER" => Ok(Key::Smaller(usize::try_from(self.number("search size")?).unwrap_or(0))),
            "YOUNGER" | "OLDER" => Ok(Key::Younger(self.number("search interval")?, word == "YOUNGER")),
            "MODSEQ" => self.number("search modseq").map(|_| Key::All),
            "UID" => {
                let text = self.string()?;
                Ok(Key::Uids(Set::parse(&text, highest.1).ok_or("Invalid UID messageset")?))
            }
            "NOT" => Ok(Key::Not(Box::new(self.key(depth)?))),
            "OR" => Ok(Key::Or(Box::new(self.key(depth)?), Box::new(self.key(depth)?))),
            _ => {
                let word: String = word.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(format!("Unknown argument {word}"))
            }
        }
    }
}

/// Midnight of `3-Nov-2025`.
fn day(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.splitn(3, '-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = months.iter().position(|m| month.eq_ignore_ascii_case(m))?;
    let (year, day): (u16, u8) = (year.parse().ok()?, day.trim().parse().ok()?);
    let text = format!("{year:04}-{:02}-{day:02}T00:00:00Z", month + 1);
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle))
}

impl Key {
    fn matches(&self, n: usize, message: &Message, now: i64) -> bool {
        let number = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        match self {
            Self::All => true,
            Self::Flag(bit, set) => (message.flags & bit != 0) == *set,
            Self::Keyword(name, set) => message.keywords.iter().any(|k| k.eq_ignore_ascii_case(name)) == *set,
            Self::Header(name, needle) => field(&message.bytes, name).is_some_and(|v| contains(&v, needle)),
            Self::Body(needle) => {
                contains(message.bytes.get(body_start(&message.bytes)..).unwrap_or_default(), needle)
            }
            Self::Text(needle) => contains(&message.bytes, needle),
            Self::Days(from, to, sent) => {
                let own = sent.then(|| field(&message.bytes, "date").and_then(|d| date(&d))).flatten();
                let time = own.unwrap_or(message.time);
                time >= *from && time < *to
            }
            Self::Larger(size) => message.bytes.len() > *size,
            Self::Smaller(size) => message.bytes.len() < *size,
            Self::Younger(seconds, younger) => (message.time > now.saturating_sub(*seconds)) == *younger,
            Self::Numbers(set) => set.contains(number),
            Self::Uids(set) => set.contains(message.uid),
            Self::Not(key) => !key.matches(n, message, now),
            Self::Or(one, other) => one.matches(n, message, now) || other.matches(n, message, now),
            Self::And(keys) => keys.iter().all(|key| key.matches(n, message, now)),
        }
    }
}

/// What SORT knows to go by.
pub(super) const CRITERIA: [&str; 11] = [
    "REVERSE",
    "ARRIVAL",
    "DATE",
    "SIZE",
    "SUBJECT",
    "FROM",
    "TO",
    "CC",
    "DISPLAYFROM",
    "DISPLAYTO",
    "RELEVANCY",
];

/// Puts indices into the order that SORT's criteria ask for.
pub(super) fn sort(found: &mut [usize], folder: &Folder, criteria: &[Token]) {
    let mut reverse = false;
    for word in criteria.iter().take(8) {
        let word = word.word();
        if word == "REVERSE" {
            reverse = true;
            continue;
        }
        let key = |n: &usize| -> (i64, Vec<u8>) {
            let Some(message) = folder.messages.get(*n) else { return (0, Vec::new()) };
            let text = |name: &str| (0, field(&message.bytes, name).unwrap_or_default().to_ascii_lowercase());
            match word.as_str() {
                "SIZE" => (i64::try_from(message.bytes.len()).unwrap_or(0), Vec::new()),
                "SUBJECT" => text("subject"),
                "FROM" | "DISPLAYFROM" => text("from"),
                "TO" | "DISPLAYTO" => text("to"),
                "CC" => text("cc"),
                _ => (message.time, Vec::new()),
            }
        };
        found.sort_by_cached_key(key);
        if reverse {
            found.reverse();
        }
        // The first criterion decides; ties keep their order.
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::tokens;
    use super::*;
    use proptest::prelude::*;

    fn folder() -> Folder {
        let mut folder = Folder {
            name: "INBOX".into(),
            special: None,
            validity: 1,
            next: 5,
            messages: Vec::new(),
            subscribed: true,
            keywords: Vec::new(),
        };
        for (n, subject) in ["beta", "alpha", "gamma"].iter().enumerate() {
            let text = format!("From: J <jd@x>\r\nSubject: {subject}\r\n\r\nbody {n}\r\n");
            folder.add(
                text.into_bytes().into(),
                1_762_161_120 + n as i64 * DAY,
                if n == 0 { flag::SEEN } else { 0 },
                vec![],
            );
        }
        folder
    }

    fn run(text: &str) -> Result<Vec<usize>, String> {
        let folder = folder();
        Ok(Search::parse(&tokens(text.as_bytes()).unwrap(), &folder)?.run(&folder, 1_762_400_000))
    }

    #[test]
    fn keys_find_what_they_say() {
        for (text, found) in [
            ("all", &[0, 1, 2][..]),
            ("unseen subject GAMMA", &[2]),
            ("or seen (uid 6 text body)", &[0, 1]),
            ("not 1:2", &[2]),
            ("since 4-Nov-2025 before 5-Nov-2025", &[1]),
            ("header from jd@x larger 5", &[0, 1, 2]),
            ("on 3-Nov-2025", &[0]),
            ("keyword x", &[]),
        ] {
            assert_eq!(run(text).unwrap(), found, "{text}");
        }
        assert_eq!(run("foo").unwrap_err(), "Unknown argument FOO");
        assert_eq!(run("since x").unwrap_err(), "Invalid search date parameter");
        assert_eq!(run("not").unwrap_err(), "Missing argument");
        let mut all = vec![0, 1, 2];
        sort(&mut all, &folder(), &tokens(b"reverse subject").unwrap());
        assert_eq!(all, [2, 0, 1]);
    }

    proptest! {
        #[test]
        fn any_keys_are_survived(text in "((NOT|OR|ALL|SINCE|UID|1:\\*|LARGER|TEXT|HEADER|x|[0-9]{1,12}|\"\") ){0,20}") {
            let _ = run(&text);
        }
    }
}
