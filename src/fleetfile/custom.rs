//! `[custom-*]`: services of the operator's own (facts: upstream §1.6).

use super::diagnostic::{Problem, Severity, Sink};
use super::entry::Entry;
use super::escape::show;
use super::section::Keys;
use super::text::strip;
use crate::catalog;
use crate::model::{Conversation, CustomService, Talk};

const KEYS: &[&str] =
    &["binary", "exec", "ports", "udp_ports", "banner", "answers", "default", "close", "timeout", "tls"];

/// Keys of a conversation: those of `[DEFAULT]` are a decky's, or a word of somebody else's.
const TALK: &[&str] = &["banner", "answers", "default", "close", "timeout", "tls"];

/// Longest silence that a conversation may wait for, in seconds: no worker waits longer.
const TIMEOUT_MAX: i64 = 180;

/// Keys that may be there, for `[DEFAULT]`.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key) && !TALK.contains(&key)
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
    let service = CustomService {
        slug: slug.to_owned(),
        binary: text("binary"),
        exec: text("exec").split_whitespace().map(str::to_owned).collect(),
        ports: ports(keys, "ports", sink),
        udp_ports: ports(keys, "udp_ports", sink),
        talk: talk(keys, sink),
    };
    if let Err(bad) = Conversation::of(&service) {
        let entry = keys.own(bad.key);
        let place = entry.map_or(span, |entry| place(entry, bad.answer));
        let message = format!(
            "{} of a custom service: {}",
            if bad.key == "answers" { "an answer" } else { bad.key },
            bad.why
        );
        let help =
            "like `USER {user} => 331 Password, please.\\r\\n`; a `*` fits anything, `{secret}` is recorded";
        sink.add(Problem::error("bad-talk", place, message).help(help.to_owned()));
    }
    Some(service)
}

/// Where an answer stands: answers are the lines of the value that are not empty.
fn place(entry: &Entry<'_>, answer: Option<usize>) -> std::ops::Range<usize> {
    let mut lines = entry.pieces().filter(|piece| !piece.is_empty());
    answer.and_then(|at| lines.nth(at)).cloned().unwrap_or_else(|| entry.value_span())
}

fn talk(keys: &Keys, sink: &mut Sink) -> Talk {
    let text = |key: &str| keys.own(key).map(|e| strip(&e.value).to_owned()).unwrap_or_default();
    let answers = text("answers");
    // One that is too long for a line goes on in the next.
    let joined = |key: &str| text(key).lines().map(strip).collect::<String>();
    let timeout = keys.own("timeout").and_then(|entry| {
        let number = catalog::parse_int(&entry.value).filter(|n| (1..=TIMEOUT_MAX).contains(n));
        if number.is_none() {
            let message = format!("`{}` is no number of seconds from 1 to {TIMEOUT_MAX}", show(&entry.value));
            let problem = Problem::error("bad-talk", entry.value_span(), message);
            sink.add(
                problem.help("write it like `timeout = 30`".to_owned()).maybe_help(entry.inline_comment()),
            );
        }
        number.and_then(|n| u16::try_from(n).ok())
    });
    Talk {
        banner: joined("banner"),
        answers: answers.lines().map(strip).filter(|l| !l.is_empty()).map(str::to_owned).collect(),
        default: joined("default"),
        close: flag(keys, "close", sink),
        timeout,
        tls: flag(keys, "tls", sink),
    }
}

fn flag(keys: &Keys, key: &str, sink: &mut Sink) -> bool {
    let Some(entry) = keys.own(key) else { return false };
    let value = catalog::parse_bool(&entry.value);
    if value.is_none() {
        let message = format!("`{key}` is `{}`, which is neither yes nor no", show(&entry.value));
        let problem = Problem::error("bad-talk", entry.value_span(), message);
        sink.add(
            problem.help(format!("write `{key} = yes` or leave it out")).maybe_help(entry.inline_comment()),
        );
    }
    value.unwrap_or_default()
}

fn ports(keys: &Keys, key: &str, sink: &mut Sink) -> Vec<u16> {
    let Some(entry) = keys.get(key) else { return Vec::new() };
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
