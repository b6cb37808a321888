//! The second opinion: rust-ini must see the same sections, keys and values.
//!
//! rust-ini alone would not do: it glues a line without `=` to the next key, whole sections included, and has no
//! places. As a check it catches what our own scanner might get wrong. It differs from Python's grammar in
//! layout, not in substance, so it gets the file with the layout evened out line by line: ends of lines,
//! indentation, comments inside a value. Every header, key and value passes through as it was written.

use std::borrow::Cow;

use ini::{Ini, ParseOption};

use super::diagnostic::{Problem, Sink};
use super::entry::Section;
use super::escape::show;
use super::scan::{LineKind, Scan};
use super::text::{Text, strip};

/// Stands in for the backslash: before the end of a line rust-ini takes it for a continuation even with escapes off.
const BACKSLASH: &str = "\u{f8f5}";

/// Reports a disagreement as an error. To be called on a file without errors only.
pub(super) fn check(text: &Text, scan: &Scan, sink: &mut Sink) {
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: true,
        enabled_preserve_key_leading_whitespace: false,
    };
    let theirs = match Ini::load_from_str_opt(&evened(text, &scan.kinds), options) {
        Ok(ini) => ini,
        Err(error) => {
            let span = text.lines().get(error.line.saturating_sub(1)).cloned().unwrap_or(0..0);
            sink.add(disagreement(span, &format!("it says: {}", show(&error.msg))));
            return;
        }
    };
    let mut others = theirs.iter().filter_map(|(name, properties)| name.map(|name| (name, properties)));
    // [DEFAULT] may be there several times; rust-ini lists sections of one name at their own places too.
    for section in &scan.sections {
        let Some((name, properties)) = others.next() else {
            sink.add(disagreement(section.name_span.clone(), "it does not see this section"));
            return;
        };
        if name != plain(section.name) {
            sink.add(disagreement(section.name_span.clone(), &format!("it sees [{}] here", show(name))));
            return;
        }
        if !same_keys(section, properties.iter(), sink) {
            return;
        }
    }
    if let Some((name, _)) = others.next() {
        let end = text.source.len();
        sink.add(disagreement(end..end, &format!("it sees a section [{}] more", show(name))));
    }
}

fn same_keys<'i>(
    section: &Section,
    mut properties: impl Iterator<Item = (&'i str, &'i str)>,
    sink: &mut Sink,
) -> bool {
    for entry in &section.entries {
        let same = properties.next().is_some_and(|(key, value)| {
            let (key, own) = (strip(key), plain(&entry.key));
            (key == own || strip(&key.to_lowercase()) == own) && strip(value) == strip(&plain(&entry.value))
        });
        if !same {
            sink.add(disagreement(entry.key_span.clone(), "it sees another key or value here"));
            return false;
        }
    }
    if properties.next().is_some() {
        sink.add(disagreement(section.name_span.clone(), "it sees more keys in this section"));
        return false;
    }
    true
}

fn disagreement(span: std::ops::Range<usize>, how: &str) -> Problem {
    Problem::error(
        "parsers-disagree",
        span,
        format!("a second INI parser reads this file differently: {how}"),
    )
    .help("write this part in a plainer way: one `key = value` on each line, at the margin")
}

/// What becomes of a text on its way through [`evened`].
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\\') { Cow::Owned(text.replace('\\', BACKSLASH)) } else { Cow::Borrowed(text) }
}

/// The file with every line at the margin, continuation lines one blank in, comments and what follows a header
/// left out.
fn evened(text: &Text, kinds: &[LineKind]) -> String {
    let mut out = String::with_capacity(text.source.len() + text.lines().len());
    for (line, kind) in text.lines().iter().zip(kinds) {
        let content = strip(text.slice(line.clone()));
        match kind {
            LineKind::Comment => continue,
            LineKind::Blank | LineKind::Bad => {}
            LineKind::Header => {
                let end = content.rfind(']').map_or(content.len(), |at| at + 1);
                out.push_str(&plain(content.get(..end).unwrap_or_default()));
            }
            LineKind::Key => {
                // A blank that only Python knows would stay at the border of key or value.
                match content.find(['=', ':']).and_then(|at| content.split_at_checked(at)) {
                    Some((key, value)) => {
                        out.push_str(&plain(strip(key)));
                        out.push_str(value.get(..1).unwrap_or_default());
                        out.push_str(&plain(strip(value.get(1..).unwrap_or_default())));
                    }
                    None => out.push_str(&plain(content)),
                }
            }
            LineKind::Continuation => {
                out.push(' ');
                out.push_str(&plain(content));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleetfile::scan::scan;

    /// Whether rust-ini, given `theirs`, contradicts our reading of `ours`.
    fn disagrees(ours: &str, theirs: &str) -> bool {
        let (ours, theirs) = (Text::new(ours), Text::new(theirs));
        let mut sink = Sink::new(&theirs, "");
        let seen = scan(&ours, &mut sink);
        assert!(!sink.has_errors());
        check(&theirs, &seen, &mut sink);
        sink.finish().iter().any(|d| d.code == "parsers-disagree")
    }

    #[test]
    fn a_different_reading_is_an_error() {
        let file = "[a]\nk=v\n[b]\nl=w\n x\n";
        assert!(!disagrees(file, file));
        for other in [
            "[a]\nk=u\n[b]\nl=w\n x\n",
            "[a]\nj=v\n[b]\nl=w\n x\n",
            "[a]\nk=v\n[c]\nl=w\n x\n",
            "[a]\nk=v\n[b]\nl=w\n y\n",
            "[a]\nstray\n[b]\nl=w\n x\n",
            "[a]\nk=v\n",
        ] {
            assert!(disagrees(file, other), "{other:?}");
        }
    }

    #[test]
    fn layout_is_no_difference() {
        for file in [
            "[DEFAULT]\nx=1\n[a]\ny=2\n[DEFAULT]\nz=3\n",
            "  [a] ; c\n  k :v\\\n  l = \n     m\n\n   # n\n     o\n",
            "\u{feff}[a]\r\nk=\"q\" 'r'\rl=\x1c1\x1c\r\n",
        ] {
            assert!(!disagrees(file, file), "{file:?}");
        }
    }
}
