//! The line scanner: Python's `configparser` grammar with places, and strict where that one is lenient.

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};
use std::ops::Range;

use super::diagnostic::{Problem, Sink};
use super::entry::{Entry, Section};
use super::escape::show;
use super::hidden::{Hidden, glued_header, glued_key, headers};
use super::text::{Text, strip_end, strip_span};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Blank,
    Comment,
    Header,
    Key,
    Continuation,
    /// None of these; reported.
    Bad,
}

/// What the scanner saw.
pub(super) struct Scan<'t> {
    /// In file order, `[DEFAULT]` among them.
    pub(super) sections: Vec<Section<'t>>,
    /// One a line.
    pub(super) kinds: Vec<LineKind>,
    pub(super) hidden: Vec<Hidden>,
}

/// The section whose keys every other section gets.
pub(super) const DEFAULT: &str = "DEFAULT";

pub(super) fn scan<'t>(text: &'t Text<'t>, sink: &mut Sink) -> Scan<'t> {
    let mut scanner = Scanner {
        text,
        out: Scan { sections: Vec::new(), kinds: Vec::with_capacity(text.lines().len()), hidden: Vec::new() },
        seen_sections: HashMap::new(),
        seen_keys: SeenKeys::default(),
        open: None,
        indent: 0,
        told_no_section: false,
    };
    for (index, line) in text.lines().iter().enumerate() {
        let kind = scanner.line(index + 1, line.clone(), sink);
        scanner.out.kinds.push(kind);
    }
    scanner.close(sink);
    scanner.out
}

/// Sections up to this many keys are searched one by one.
const FEW: usize = 16;

/// Which keys there are already.
#[derive(Default)]
struct SeenKeys<'t> {
    /// Of the section at hand, once it has more than a few.
    many: HashMap<Cow<'t, str>, Range<usize>>,
    /// Of every `[DEFAULT]` so far: it may be there several times.
    of_default: HashMap<Cow<'t, str>, Range<usize>>,
}

impl<'t> SeenKeys<'t> {
    fn begin(&mut self) {
        if !self.many.is_empty() {
            self.many = HashMap::new();
        }
    }

    /// Where the key of `entry`, which is about to join `section`, was seen first; else remembers it.
    fn find(&mut self, section: &Section<'t>, entry: &Entry<'t>) -> Option<Range<usize>> {
        let map = if section.name == DEFAULT {
            &mut self.of_default
        } else if section.entries.len() < FEW {
            return section.entries.iter().find(|e| e.key == entry.key).map(|e| e.key_span.clone());
        } else {
            if self.many.is_empty() {
                self.many = section.entries.iter().map(|e| (e.key.clone(), e.key_span.clone())).collect();
            }
            &mut self.many
        };
        match map.entry(entry.key.clone()) {
            hash_map::Entry::Occupied(first) => Some(first.get().clone()),
            hash_map::Entry::Vacant(slot) => {
                slot.insert(entry.key_span.clone());
                None
            }
        }
    }
}

struct Scanner<'t> {
    text: &'t Text<'t>,
    out: Scan<'t>,
    seen_sections: HashMap<&'t str, Range<usize>>,
    seen_keys: SeenKeys<'t>,
    /// The key whose value may go on.
    open: Option<Entry<'t>>,
    /// Indentation of the last key or header, in characters.
    indent: usize,
    told_no_section: bool,
}

impl<'t> Scanner<'t> {
    fn line(&mut self, number: usize, line: Range<usize>, sink: &mut Sink) -> LineKind {
        let span = strip_span(self.text.source, line.clone());
        let content = self.text.slice(span.clone());
        if content.is_empty() {
            if let Some(entry) = &mut self.open {
                entry.push(span);
            }
            return LineKind::Blank;
        }
        if content.starts_with(['#', ';']) {
            self.comment(span, sink);
            return LineKind::Comment;
        }
        let indent = self.text.slice(line.start..span.start).chars().count();
        if indent > self.indent
            && let Some(entry) = &mut self.open
        {
            if headers(content).first() == Some(&(0..content.len())) {
                let message = format!(
                    "`{}` is indented under `{}`, so it is part of that value and begins no section",
                    show(content),
                    show(&entry.key)
                );
                sink.add(
                    Problem::warning("header-in-value", span.clone(), message)
                        .help("begin the line at the margin"),
                );
            }
            entry.push(span);
            return LineKind::Continuation;
        }
        self.close(sink);
        self.indent = indent;
        if content.starts_with('[') { self.header(number, span, sink) } else { self.key(span, sink) }
    }

    fn header(&mut self, number: usize, span: Range<usize>, sink: &mut Sink) -> LineKind {
        let content = self.text.slice(span.clone());
        let end = content.rfind(']').unwrap_or(0);
        let name = content.get(1..end).unwrap_or_default();
        let name_span = span.start + 1..span.start + 1 + name.len();
        let mut unusable = true;
        if name.is_empty() || name.contains([']', '[']) {
            let problem = if end == 0 {
                Problem::error("bad-header", span, format!("`{}` is not closed", show(content)))
                    .help("a section header is a name in brackets: [web-01]")
            } else if name.is_empty() {
                Problem::error("bad-header", span, "the section has no name".to_owned())
                    .help("write a decky's name between the brackets: [web-01]")
            } else {
                Problem::error("bad-header", span, format!("`{}` is no section header", show(content)))
                    .help("the name goes up to the last `]` of the line; one header on each line, and comments on lines of their own")
            };
            sink.add(problem);
        } else if name != DEFAULT
            && let Some(first) = self.seen_sections.get(name)
        {
            let message = format!("section [{}] is there twice", show(name));
            sink.add(
                Problem::error("duplicate-section", name_span.clone(), message)
                    .label("second one")
                    .related(first.clone(), "first one")
                    .help("give one of them another name, or put their keys together"),
            );
        } else {
            unusable = false;
            self.seen_sections.insert(name, name_span.clone());
            self.after_header(name_span.end + 1..span.end, sink);
        }
        self.seen_keys.begin();
        self.out.sections.push(Section { name, name_span, line: number, entries: Vec::new(), unusable });
        if unusable && name.is_empty() { LineKind::Bad } else { LineKind::Header }
    }

    /// `configparser` ignores what follows a header; a comment there is fine, anything else is a slip.
    fn after_header(&mut self, rest: Range<usize>, sink: &mut Sink) {
        let rest = strip_span(self.text.source, rest);
        if rest.is_empty() {
            return;
        }
        let content = self.text.slice(rest.clone());
        if content.starts_with(['#', ';']) {
            self.comment(rest, sink);
        } else {
            let message = format!("`{}` after the header is ignored", show(content));
            sink.add(
                Problem::warning("text-after-header", rest, message).help("put it on a line of its own"),
            );
        }
    }

    fn key(&mut self, span: Range<usize>, sink: &mut Sink) -> LineKind {
        let content = self.text.slice(span.clone());
        let Some(delimiter) = content.find(['=', ':']) else {
            let message = format!("`{}` is neither a section, nor a key, nor a comment", show(content));
            sink.add(
                Problem::error("not-ini", span, message).help("write `[name]`, `key = value` or `# comment`"),
            );
            return LineKind::Bad;
        };
        let key = strip_end(content.get(..delimiter).unwrap_or_default());
        if key.is_empty() {
            let message = format!("nothing stands before `{}`", content.get(..1).unwrap_or("="));
            sink.add(Problem::error("empty-key", span, message).help("write `key = value`"));
            return LineKind::Bad;
        }
        if self.out.sections.is_empty() {
            if !self.told_no_section {
                self.told_no_section = true;
                let message = format!("`{}` stands before the first section", show(key));
                sink.add(
                    Problem::error("no-section", span, message)
                        .help("begin with a section, like [general] or [web-01]"),
                );
            }
            return LineKind::Bad;
        }
        let key_span = span.start..span.start + key.len();
        let piece = strip_span(self.text.source, span.start + delimiter + 1..span.end);
        self.open = Some(Entry {
            key: lower(key),
            key_span,
            value: Cow::Borrowed(""),
            first: piece,
            rest: Vec::new(),
        });
        LineKind::Key
    }

    /// The value of the open key is complete.
    fn close(&mut self, sink: &mut Sink) {
        let Some(mut entry) = self.open.take() else { return };
        let Some(section) = self.out.sections.last_mut() else { return };
        entry.value = if entry.rest.is_empty() {
            Cow::Borrowed(self.text.slice(entry.first.clone()))
        } else {
            let lines: Vec<&str> = entry.pieces().map(|p| self.text.slice(p.clone())).collect();
            let joined = lines.join("\n");
            Cow::Owned(strip_end(&joined).to_owned())
        };
        if let Some(first) = self.seen_keys.find(section, &entry) {
            if !section.unusable {
                let message = format!("`{}` is there twice in [{}]", show(&entry.key), show(section.name));
                sink.add(
                    Problem::error("duplicate-key", entry.key_span.clone(), message)
                        .label("second one")
                        .related(first, "first one")
                        .help("keep one of the two"),
                );
            }
            return;
        }
        if let Some(piece) = entry.pieces().rfind(|p| !p.is_empty()).cloned() {
            let line = self.text.slice(piece.clone());
            // A password may end in anything.
            if let Some(glued) = glued_header(line).filter(|_| !entry.key.contains("pass")) {
                sink.add(joined(&piece, &glued, line, "value"));
            }
        }
        for piece in entry.pieces() {
            found(self.text, piece, &mut self.out.hidden);
        }
        section.entries.push(entry);
    }

    fn comment(&mut self, span: Range<usize>, sink: &mut Sink) {
        let content = self.text.slice(span.clone());
        if let Some(glued) = glued_header(content) {
            sink.add(joined(&span, &glued, content, "comment"));
        } else if let Some(glued) = glued_key(content) {
            let at = span.start + glued.start..span.start + glued.end;
            let message =
                format!("`{}...` is inside a comment", show(content.get(glued).unwrap_or_default()));
            sink.add(
                Problem::warning("joined-key", at, message)
                    .help("put it on a line of its own if it is to count"),
            );
        }
        found(self.text, &span, &mut self.out.hidden);
    }
}

/// `text` in lower case; as it is when it is so already, which nearly every key is.
fn lower(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
    if plain { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Adds the hidden headers of one line.
fn found(text: &Text, span: &Range<usize>, hidden: &mut Vec<Hidden>) {
    let content = text.slice(span.clone());
    let mut place: Option<(usize, usize)> = None;
    let mut from = 0;
    for range in headers(content) {
        // From one to the next, as a line may have very many.
        let (line, column) = match place {
            Some((line, column)) => {
                (line, column + content.get(from..range.start).unwrap_or_default().chars().count())
            }
            None => text.position(span.start + range.start),
        };
        place = Some((line, column));
        from = range.start;
        let name = content.get(range.start + 1..range.end - 1).unwrap_or_default().to_owned();
        hidden.push(Hidden { name, line, column, span: span.start + range.start..span.start + range.end });
    }
}

fn joined(line: &Range<usize>, glued: &Range<usize>, content: &str, what: &str) -> Problem {
    let span = line.start + glued.start..line.start + glued.end;
    let header = show(content.get(glued.clone()).unwrap_or_default());
    Problem::warning(
        "joined-header",
        span,
        format!("`{header}` is part of this {what} and begins no section"),
    )
    .help("put it on a line of its own if it is to be a section")
}
