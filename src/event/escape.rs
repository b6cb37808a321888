//! One unambiguous way to write any bytes as printable ASCII.
//!
//! `0x20..=0x7e` stand for themselves, but the backslash is doubled; every other byte is `\xNN` with
//! two lower-case hex digits. So no terminal, log or line reader can be made to do anything, the form
//! can be read back exactly, and it does not depend on a version of Unicode. Text in other scripts is
//! written byte by byte; its readable form is beside it, as base64.

use std::borrow::Cow;
use std::fmt::Write as _;

fn plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'\\'
}

/// Bytes as printable ASCII.
pub fn bytes(raw: &[u8]) -> Cow<'_, str> {
    if raw.iter().copied().all(plain) {
        return String::from_utf8_lossy(raw);
    }
    let mut out = String::with_capacity(raw.len() + 16);
    for byte in raw.iter().copied() {
        if plain(byte) {
            out.push(char::from(byte));
        } else if byte == b'\\' {
            out.push_str("\\\\");
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Text as printable ASCII; the same as [`bytes`] of its UTF-8.
pub fn text(raw: &str) -> Cow<'_, str> {
    bytes(raw.as_bytes())
}

/// A message of our own that may have several lines: line feeds stay, the rest is escaped. What such a
/// message quotes must have been escaped before.
pub fn lines(raw: &str) -> String {
    raw.split('\n').map(text).collect::<Vec<_>>().join("\n")
}

/// The bytes that [`bytes`] made `escaped` of; none when it made no such text.
pub fn undo(escaped: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if plain(byte) {
            out.push(byte);
            continue;
        }
        if byte != b'\\' {
            return None;
        }
        match rest.next()? {
            b'\\' => out.push(b'\\'),
            b'x' => {
                let value = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
                if plain(value) || value == b'\\' {
                    return None;
                }
                out.push(value);
            }
            _ => return None,
        }
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_bytes() {
        for (raw, escaped) in [
            (b"plain text ~".as_slice(), "plain text ~"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"a\r\nb\0", "a\\x0d\\x0ab\\x00"),
            (b"\x7f\x9b0m\xff", "\\x7f\\x9b0m\\xff"),
            (b"C:\\x41", "C:\\\\x41"),
            ("\u{85}\u{2028}\u{202e}".as_bytes(), "\\xc2\\x85\\xe2\\x80\\xa8\\xe2\\x80\\xae"),
            (b"", ""),
        ] {
            assert_eq!(bytes(raw), escaped);
        }
    }

    #[test]
    fn only_its_own_form_is_read_back() {
        for bad in ["\\", "\\x1", "\\x1G", "\\xAB", "\\n", "\\x41", "\\x5c", "é", "a\nb", "\u{7f}"] {
            assert_eq!(undo(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(raw: Vec<u8>) {
            let escaped = bytes(&raw);
            prop_assert!(escaped.bytes().all(|b| matches!(b, 0x20..=0x7e)));
            prop_assert_eq!(undo(&escaped), Some(raw));
        }

        #[test]
        fn what_is_read_back_is_written_the_same(text in "[\\\\x0-9a-fA -~]{0,12}") {
            if let Some(raw) = undo(&text) {
                prop_assert_eq!(bytes(&raw), text);
            }
        }
    }
}
