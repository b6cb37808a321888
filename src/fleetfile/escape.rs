//! Makes text of a file harmless for a terminal.

use std::fmt::Write as _;

/// Longest fragment of a file that a message repeats, in characters.
const SHOWN: usize = 60;

/// Whether a terminal might act on it, or a reader not see it: controls, bidirectional marks, invisible characters.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Appends `c`, escaped when it must be. Tabs become one blank.
pub(super) fn push(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        c if is_hostile(c) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// The whole text, escaped.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c));
    out
}

/// A fragment of a file for use inside a message: escaped, cut when it is long.
pub(super) fn show(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            out.push_str("...");
            break;
        }
        push(&mut out, c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_raw_gets_through() {
        assert_eq!(escape("a\x1b[31m\u{9b}\u{202e}\r\n\tb"), "a\\u{1b}[31m\\u{9b}\\u{202e}\\r\\n b");
        assert_eq!(show(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
        assert_eq!(show("plain # text"), "plain # text");
    }
}
