//! Keys and sections as they were written, with their places.

use std::borrow::Cow;
use std::ops::Range;

use super::escape::show;
use super::text::strip;

/// Bytes of a value that are searched for what looks like a comment.
const SEARCHED: usize = 4096;

/// A key and its value.
pub(super) struct Entry<'t> {
    /// Lower case.
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Range<usize>,
    /// The lines of the value joined by newlines, blanks at its end taken away.
    pub(super) value: Cow<'t, str>,
    /// Where the first line of the value stands.
    pub(super) first: Range<usize>,
    /// Where the lines after it stand, each with its offset in the value.
    pub(super) rest: Vec<(usize, Range<usize>)>,
}

impl Entry<'_> {
    /// Where the lines of the value stand.
    pub(super) fn pieces(&self) -> impl DoubleEndedIterator<Item = &Range<usize>> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, piece)| piece))
    }

    pub(super) fn push(&mut self, piece: Range<usize>) {
        let (offset, last) = self.rest.last().map_or((0, &self.first), |(offset, last)| (*offset, last));
        self.rest.push((offset + last.len() + 1, piece));
    }

    /// Where the value stands: its first line that is not empty, else the key.
    pub(super) fn value_span(&self) -> Range<usize> {
        self.pieces().find(|p| !p.is_empty()).unwrap_or(&self.key_span).clone()
    }

    /// Where a range of the value stands, cut to the line it begins on.
    pub(super) fn span_of(&self, part: Range<usize>) -> Range<usize> {
        let at = self.rest.partition_point(|(offset, _)| *offset <= part.start);
        let (offset, piece) = match at.checked_sub(1).and_then(|at| self.rest.get(at)) {
            Some((offset, piece)) => (*offset, piece),
            None => (0, &self.first),
        };
        let start = (piece.start + part.start.saturating_sub(offset)).min(piece.end);
        start..(start + part.len()).min(piece.end)
    }

    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        strip(&self.value).is_empty()
    }

    /// What to say when the value is wrong and holds what looks like a comment.
    pub(super) fn inline_comment(&self) -> Option<String> {
        let value = self.value.get(..self.value.floor_char_boundary(SEARCHED)).unwrap_or_default();
        let at = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min()?;
        let comment = value.get(at..).map(strip)?.lines().next()?;
        Some(format!("`{}` is part of the value: a comment needs a line of its own", show(comment)))
    }
}

/// A section.
pub(super) struct Section<'t> {
    /// As written between the brackets.
    pub(super) name: &'t str,
    pub(super) name_span: Range<usize>,
    /// Line of the header from 1.
    pub(super) line: usize,
    pub(super) entries: Vec<Entry<'t>>,
    /// Whether it is a second one of that name, or its header is broken: reported, not to be used.
    pub(super) unusable: bool,
}
