//! The decoded text and its lines.

use std::ops::Range;

/// The text of a file with its line table. Lines end as Python's text mode ends them: LF, CRLF, or CR alone.
pub(super) struct Text<'t> {
    /// Everything, a byte order mark included, so that offsets are those of the file.
    pub(super) source: &'t str,
    /// Each line without its end.
    lines: Vec<Range<usize>>,
}

impl<'t> Text<'t> {
    pub(super) fn new(source: &'t str) -> Self {
        let mut lines = Vec::new();
        let bytes = source.as_bytes();
        let mut start = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            if byte == b'\n' || byte == b'\r' {
                lines.push(start..at - 1);
                if byte == b'\r' && bytes.get(at) == Some(&b'\n') {
                    at += 1;
                }
                start = at;
            }
        }
        if start < bytes.len() {
            lines.push(start..bytes.len());
        }
        Self { source, lines }
    }

    pub(super) fn lines(&self) -> &[Range<usize>] {
        &self.lines
    }

    /// The text of a span; empty when the span is none of this text.
    pub(super) fn slice(&self, span: Range<usize>) -> &'t str {
        self.source.get(span).unwrap_or_default()
    }

    /// Line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|l| l.start <= offset).max(1)
    }

    /// Line and column of an offset, both from 1, columns in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.lines.get(line - 1).map_or(0, |l| l.start);
        let before = self.source.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// Whether Python's `str.strip` would take it away.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// `text` without blanks at both ends, by Python's idea of a blank.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// `text` without blanks at its end.
pub(super) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_blank)
}

/// `span` of `source` without blanks at both ends.
pub(super) fn strip_span(source: &str, span: Range<usize>) -> Range<usize> {
    let text = source.get(span.clone()).unwrap_or_default();
    let kept = strip(text);
    let start = span.start + (text.len() - text.trim_start_matches(is_blank).len()).min(text.len());
    if kept.is_empty() { span.start..span.start } else { start..start + kept.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_like_pythons() {
        let text = Text::new("\u{feff}a\nb\r\nc\rd\n\ne");
        let lines: Vec<_> = text.lines().iter().map(|l| text.slice(l.clone())).collect();
        assert_eq!(lines, ["a", "b", "c", "d", "", "e"]);
        assert_eq!(text.position(3), (1, 1));
        assert_eq!(text.position(5), (2, 1));
        assert_eq!(Text::new("é=x").position(3), (1, 3));
        assert_eq!(Text::new("").position(0), (1, 1));
    }

    #[test]
    fn blanks_are_pythons() {
        assert_eq!(strip("\x1c a \u{a0}"), "a");
        assert_eq!(strip_span("x  ab y", 1..5), 3..5);
        assert_eq!(strip_span("x   y", 1..4), 1..1);
    }
}
