//! Diagnostics for people: rustc's layout, by annotate-snippets.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::escape::{escape, push};
use super::text::Text;
use super::{Diagnostic, Severity};

/// Characters of a line that are shown before and after the place in question.
const BEFORE: usize = 60;
const AFTER: usize = 90;

/// Everything as text, one block for each diagnostic. `source` is what [`super::decode`] makes of the file's bytes.
///
/// Nothing of the file reaches the output raw: controls and invisible characters are escaped, long lines are cut.
pub fn render(source: &str, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let text = Text::new(source);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&show(&renderer, &text, diagnostic));
        out.push_str("\n\n");
    }
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn show(renderer: &Renderer, text: &Text, d: &Diagnostic) -> String {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(escape(&d.message)).id(d.code));
    let file = escape(&d.file);
    let mut moved = Vec::new();
    if d.line == 0 {
        group = group.element(Origin::path(file.clone()));
    } else {
        let here = (d.line, d.column, &d.span, AnnotationKind::Primary, d.label.as_deref());
        let others = d
            .related
            .iter()
            .map(|r| (r.line, r.column, &r.span, AnnotationKind::Context, Some(r.label.as_str())));
        for (line, column, span, kind, label) in std::iter::once(here).chain(others) {
            let place = place(text, line, span);
            moved.push((line, place.column, column));
            let annotation = kind.span(place.span).label(label.map(escape));
            let snippet = Snippet::source(place.text).line_start(line).path(file.clone());
            group = group.element(snippet.annotation(annotation));
        }
    }
    if let Some(help) = &d.help {
        group = group.element(Level::HELP.message(escape(help)));
    }
    let mut shown = renderer.render(&[group]);
    // The renderer counts columns in the text it was given: wrong where that was cut or escaped.
    for (line, given, column) in moved.into_iter().filter(|(_, given, column)| given != column) {
        shown = shown.replacen(&format!("{file}:{line}:{given}"), &format!("{file}:{line}:{column}"), 1);
    }
    shown
}

/// A line ready to be shown.
struct Place {
    text: String,
    /// Bytes of `text`.
    span: Range<usize>,
    /// Column of the span in `text`, from 1.
    column: usize,
}

/// The line around `span`, escaped and cut; an empty span at 0 stands for the whole line.
fn place(text: &Text, number: usize, span: &Range<usize>) -> Place {
    let whole = *span == (0..0);
    let end = text.source.len();
    let line = text.lines().get(number.saturating_sub(1)).cloned().unwrap_or(end..end);
    let content = text.slice(line.clone());
    let (from, to) = if whole {
        (content.len() - content.trim_start().len(), content.trim_end().len())
    } else {
        (span.start.saturating_sub(line.start), span.end.saturating_sub(line.start))
    };
    let from = content.floor_char_boundary(from);
    let to = content.ceil_char_boundary(to).max(from);
    let mut shown = String::new();
    let before = content.get(..from).unwrap_or_default();
    let kept = before.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    if kept > 0 {
        shown.push_str("...");
    }
    shown.push_str(&escape(before.get(kept..).unwrap_or_default()));
    let start = shown.len();
    push_cut(&mut shown, content.get(from..to).unwrap_or_default());
    let end = shown.len();
    push_cut(&mut shown, content.get(to..).unwrap_or_default());
    let column = shown.get(..start).unwrap_or_default().chars().count() + 1;
    Place { text: shown, span: start..end, column }
}

/// Appends `text`, escaped and without the rest when it is long.
fn push_cut(out: &mut String, text: &str) {
    let mut chars = text.chars();
    chars.by_ref().take(AFTER).for_each(|c| push(out, c));
    if chars.next().is_some() {
        out.push_str("...");
    }
}
