//! `[custom-*]`: services of the operator's own (facts: upstream §1.6).

use super::diagnostic::{Problem, Severity, Sink};
use super::escape::show;
use super::section::Keys;
use crate::catalog;
use crate::model::CustomService;

const KEYS: &[&str] = &["binary", "exec", "ports"];

/// Keys that may be there, for `[DEFAULT]`.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Longest slug in bytes.
const MAX_SLUG: usize = 64;

/// Whether a text can name a custom service. No dots: `[decky.slug]` is split at the last one.
pub(super) fn is_slug(slug: &str) -> bool {
    !slug.is_empty()
        && slug.len() <= MAX_SLUG
        && slug.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

pub(super) fn custom(slug: &str, keys: &Keys, sink: &mut Sink) -> Option<CustomService> {
    let span = keys.section.name_span.clone();
    if catalog::service(slug).is_some() {
        let message = format!("`{slug}` is a built-in service and cannot be redefined");
        sink.add(
            Problem::error("custom-takes-builtin", span, message)
                .help(format!("call it something else, like [custom-my-{slug}]")),
        );
        return None;
    }
    if !is_slug(slug) {
        let message = format!("`{}` is no name for a custom service", show(slug));
        let help = format!("after `custom-` come 1 to {MAX_SLUG} letters, digits, `_` or `-`");
        sink.add(Problem::error("bad-custom", span, message).help(help));
        return None;
    }
    keys.warn_unknown(KEYS, "a custom service", sink);
    let text = |key: &str| keys.get(key).map(|e| e.value.trim().to_owned()).unwrap_or_default();
    Some(CustomService {
        slug: slug.to_owned(),
        binary: text("binary"),
        exec: text("exec").split_whitespace().map(str::to_owned).collect(),
        ports: ports(keys, sink),
    })
}

fn ports(keys: &Keys, sink: &mut Sink) -> Vec<u16> {
    let Some(entry) = keys.get("ports") else { return Vec::new() };
    let mut ports = Vec::new();
    let mut offset = 0;
    for item in entry.value.split(',') {
        let word = item.trim();
        match word.parse::<u16>() {
            Ok(port) if port > 0 && word.bytes().all(|b| b.is_ascii_digit()) => ports.push(port),
            _ if word.is_empty() || sink.is_full(Severity::Warning) => {}
            _ => {
                let start = offset + (item.len() - item.trim_start().len());
                let message = format!("`{}` is no port and is left out", show(word));
                let help = "a port is a whole number from 1 to 65535".to_owned();
                let problem = Problem::warning("bad-port", entry.span_of(start..start + word.len()), message);
                sink.add(problem.help(help).maybe_help(entry.inline_comment()));
            }
        }
        offset += item.len() + 1;
    }
    ports
}
