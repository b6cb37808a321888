//! Section headers that stand where none counts: inside comments and values.
//!
//! A newline lost after a comment hides the header below it (`# web servers[web-01]`). Where the text alone
//! makes that likely there is a warning at once; the rest is remembered, and matters when a decky of that name
//! would be removed.

use std::ops::Range;

/// A header inside a comment or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// What stands between the brackets, a possible decky name.
    pub name: String,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// Bytes of the decoded text, brackets included.
    pub span: Range<usize>,
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')
}

/// Every `[name]` of `text`, as ranges of it, brackets included.
pub(super) fn headers(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = None;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, open) {
            (b'[', _) => open = Some(at),
            (b']', Some(start)) => {
                if at > start + 1 {
                    found.push(start..at + 1);
                }
                open = None;
            }
            (b, Some(_)) if !is_name_byte(b) => open = None,
            _ => {}
        }
    }
    found
}

/// The header that `text` ends with, glued to what stands before it. A name without a letter does not count.
pub(super) fn glued_header(text: &str) -> Option<Range<usize>> {
    let open = text.strip_suffix(']')?.rfind('[')?;
    let name = text.get(open + 1..text.len() - 1)?;
    let plausible = name.bytes().all(is_name_byte) && name.bytes().any(|b| b.is_ascii_alphabetic());
    let before = text.get(..open)?.chars().next_back()?;
    let glued = !before.is_whitespace()
        && !matches!(before, '#' | ';' | '(' | '{' | '"' | '\'' | '`' | '<' | '[' | ',' | '=' | ':');
    (plausible && glued).then_some(open..text.len())
}

/// Keys long and odd enough that `...amount=3` in a comment is no ordinary text.
const KEYS: [&str; 8] =
    ["services", "archetype", "amount", "nmap_os", "nmap-os", "mutate_interval", "mutate-interval", "distro"];

/// The key that the comment `text` seems to have swallowed: `# three of themamount=3`.
pub(super) fn glued_key(text: &str) -> Option<Range<usize>> {
    KEYS.iter().find_map(|key| {
        text.match_indices(key).find_map(|(at, _)| {
            let before = text.get(..at)?.chars().next_back()?;
            let after = text.get(at + key.len()..)?.trim_start();
            let glued = !before.is_whitespace() && !matches!(before, '#' | ';' | '-' | '_');
            (glued && after.starts_with('=')).then_some(at..text.len() - after.len() + 1)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_anywhere() {
        let names = |text: &'static str| headers(text).into_iter().map(|r| &text[r]).collect::<Vec<_>>();
        assert_eq!(names("# see [a] and [b.ssh], not [c d] or []"), ["[a]", "[b.ssh]"]);
        assert_eq!(names("[[x]]"), ["[x]"]);
        assert!(names("[\"http/1.1\"]").is_empty());
    }

    #[test]
    fn only_glued_ends_count() {
        for (text, found) in [
            ("# web servers[web-01]", Some(13..21)),
            ("# ----[web-01]", Some(6..14)),
            ("# web servers [web-01]", None),
            ("#[web-01]", None),
            ("# a list[1]", None),
            ("# (see[web-01])", None),
            ("[a]", None),
        ] {
            assert_eq!(glued_header(text), found, "{text}");
        }
        assert_eq!(glued_key("# three of themamount=3"), Some(15..22));
        assert_eq!(glued_key("# commentservices = ssh"), Some(9..19));
        for text in ["#amount=3", "# amount=3", "# my-amount=3", "# a=b", "# zip=3"] {
            assert_eq!(glued_key(text), None, "{text}");
        }
    }
}
