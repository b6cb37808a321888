//! The `services` of a decky: a list with commas.

use std::collections::HashSet;
use std::ops::Range;

use super::decky::Context;
use super::diagnostic::{Problem, Severity, Sink};
use super::entry::Entry;
use super::escape::show;
use super::section::LOOKED_AT;
use crate::catalog;

/// The listed services, each once, in the file's order.
pub(super) fn services(entry: &Entry, cx: &Context, sink: &mut Sink) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut offset = 0;
    for item in entry.value.split(',') {
        let slug = item.trim();
        let start = offset + (item.len() - item.trim_start().len());
        offset += item.len() + 1;
        let span = entry.span_of(start..start + slug.len());
        if slug.is_empty() {
            let message = "nothing stands between two commas, or after the last".to_owned();
            sink.add(Problem::warning("empty-service", span, message).help("delete the comma"));
        } else if catalog::service(slug).is_none() && !(cx.is_custom)(slug) {
            unknown_service(entry, slug, span, cx, sink);
        } else if seen.insert(slug) {
            listed.push(slug.to_owned());
        } else {
            let message = format!("`{}` is listed twice", show(slug));
            sink.add(
                Problem::warning("service-twice", span, message).help("it runs once; delete one of the two"),
            );
        }
    }
    listed
}

fn unknown_service(entry: &Entry, slug: &str, span: Range<usize>, cx: &Context, sink: &mut Sink) {
    if sink.is_full(Severity::Error) {
        return;
    }
    let known =
        || catalog::services().iter().map(|s| s.slug).chain(cx.customs.iter().copied().take(LOOKED_AT));
    let help = if catalog::archetype(slug).is_some() {
        Some(format!("`{slug}` is an archetype: write `archetype = {slug}`"))
    } else if slug.split_whitespace().count() > 1
        && slug.split_whitespace().all(|s| catalog::service(s).is_some() || (cx.is_custom)(s))
    {
        Some("put commas between services".to_owned())
    } else {
        sink.did_you_mean(slug, known())
    };
    let problem = Problem::error("unknown-service", span, format!("there is no service `{}`", show(slug)));
    // Without a near word the whole list, short of a fleet's own thousands.
    let all = || format!("there are {}", known().take(40).collect::<Vec<_>>().join(", "));
    sink.add(problem.help(help.unwrap_or_else(all)).maybe_help(entry.inline_comment()));
}
