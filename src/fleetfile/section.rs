//! What a section is, by its name (facts: upstream §1.1), and its keys with those of `[DEFAULT]` behind them.

use std::collections::HashMap;

use super::diagnostic::{Problem, Severity, Sink};
use super::entry::{Entry, Section};
use super::escape::show;
use super::scan::{DEFAULT, Scan};
use crate::catalog;

/// What a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    Default,
    General,
    /// `[custom-<slug>]`.
    Custom(&'t str),
    /// `[<prefix>.<service>]`.
    Sub {
        prefix: &'t str,
        service: &'t str,
    },
    Decky,
    /// Reported; nothing can be made of it.
    Unusable,
}

/// Keys of `[general]` that no decky has.
const GENERAL_ONLY: [&str; 8] =
    ["net", "gw", "interface", "driver", "port_offset", "log_target", "host_access", "probe"];

/// Keys that show that a section is a decky and no subsection.
const DECKY_ONLY: [&str; 9] = [
    "ip",
    "services",
    "archetype",
    "amount",
    "nmap_os",
    "nmap-os",
    "mutate_interval",
    "mutate-interval",
    "distro",
];

/// Sorts sections into kinds. `is_custom` tells the slugs of custom services, of the file and of the fleet.
pub(super) fn classify<'t>(
    section: &Section<'t>,
    is_custom: &dyn Fn(&str) -> bool,
    customs: &[&str],
    sink: &mut Sink,
) -> Kind<'t> {
    let name = section.name;
    if section.unusable {
        return Kind::Unusable;
    }
    if name == DEFAULT {
        return Kind::Default;
    }
    if name == "general" {
        return Kind::General;
    }
    let dotted = name.rsplit_once('.');
    if let Some((prefix, service)) = dotted
        && (catalog::service(service).is_some() || is_custom(service))
    {
        return Kind::Sub { prefix, service };
    }
    if let Some(slug) = name.strip_prefix("custom-") {
        return Kind::Custom(slug);
    }
    let has = |keys: &[&str]| section.entries.iter().any(|e| keys.contains(&e.key.as_ref()));
    if name.eq_ignore_ascii_case("general")
        || (has(&GENERAL_ONLY) && !has(&DECKY_ONLY) && is_near(name, "general"))
    {
        let message = format!("[{}] would be a decky of that name, not the network settings", show(name));
        sink.add(Problem::error("general-name", section.name_span.clone(), message).help("write [general]"));
        return Kind::Unusable;
    }
    if name.eq_ignore_ascii_case(DEFAULT)
        || ((6..=8).contains(&name.len()) && strsim::osa_distance(name, DEFAULT) == 1)
    {
        let message = format!("[{}] is a decky of that name; its keys are no defaults", show(name));
        sink.add(
            Problem::warning("default-name", section.name_span.clone(), message).help("write [DEFAULT]"),
        );
    }
    if let Some((prefix, last)) = dotted
        && let Some(near) = near_service(last, customs)
    {
        let help = format!("write [{}.{near}], or give the decky another name", show(prefix));
        let at = section.name_span.end - last.len()..section.name_span.end;
        if has(&DECKY_ONLY) {
            let message = format!(
                "[{}] is a decky of that name, though `{}` nearly is a service",
                show(name),
                show(last)
            );
            sink.add(Problem::warning("subsection-or-decky", at, message).help(help));
        } else {
            let message = format!("`{}` is no service, but nearly one", show(last));
            sink.add(Problem::error("near-service", at, message).help(help));
            return Kind::Unusable;
        }
    }
    Kind::Decky
}

fn is_near(name: &str, word: &str) -> bool {
    name.len() <= word.len() + 2 && strsim::osa_distance(&name.to_lowercase(), word) <= 2
}

/// The service that `word` is a slip of: other letter case or one edit, two in a long one. Stricter than
/// [`catalog::nearest`], since a dotted decky name must not be taken for one.
fn near_service<'a>(word: &str, customs: &[&'a str]) -> Option<&'a str> {
    if word.len() < 3 || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = if lower.len() >= 6 { 2 } else { 1 };
    let letters = letters(&lower);
    // The set of letters comes first: ten thousand dotted names must not cost ten thousand times all distances.
    let close = |slug: &'a str| {
        let may_be = slug.len().abs_diff(lower.len()) <= allowed
            && (letters ^ self::letters(slug)).count_ones() as usize <= 2 * allowed;
        let distance = may_be.then(|| strsim::osa_distance(&lower, &slug.to_lowercase()))?;
        (distance <= allowed).then_some((distance, slug))
    };
    let customs = customs.iter().copied().take(LOOKED_AT);
    catalog::services()
        .iter()
        .map(|s| s.slug)
        .chain(customs)
        .filter_map(close)
        .min_by_key(|(d, _)| *d)
        .map(|(_, slug)| slug)
}

/// Which letters and digits a word has; one edit changes at most two bits.
fn letters(word: &str) -> u64 {
    word.bytes().fold(0, |set, b| set | 1u64.checked_shl(u32::from(b.to_ascii_lowercase()) % 64).unwrap_or(0))
}

/// Most words of a file that a misspelt one is compared with.
pub(super) const LOOKED_AT: usize = 200;

/// The keys of `[DEFAULT]` by name.
#[derive(Default)]
pub(super) struct Defaults<'s, 't>(HashMap<&'s str, &'s Entry<'t>>);

impl<'s, 't> Defaults<'s, 't> {
    pub(super) fn of(scan: &'s Scan<'t>) -> Self {
        let entries = scan.sections.iter().filter(|s| s.name == DEFAULT).flat_map(|s| &s.entries);
        Self(entries.map(|e| (e.key.as_ref(), e)).collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&'s Entry<'t>> {
        self.0.get(key).copied()
    }
}

/// A section's keys.
pub(super) struct Keys<'s, 't> {
    pub(super) section: &'s Section<'t>,
    pub(super) defaults: &'s Defaults<'s, 't>,
}

impl<'s, 't> Keys<'s, 't> {
    /// The entry of `key`, of this section only.
    pub(super) fn own(&self, key: &str) -> Option<&'s Entry<'t>> {
        self.section.entries.iter().find(|e| e.key == key)
    }

    /// The entry of `key`, else of `[DEFAULT]`.
    pub(super) fn get(&self, key: &str) -> Option<&'s Entry<'t>> {
        self.own(key).or_else(|| self.defaults.get(key))
    }

    /// The entry of a key that may be written in two ways; both at once are one key twice.
    pub(super) fn either(&self, key: &str, alias: &str, sink: &mut Sink) -> Option<&'s Entry<'t>> {
        match (self.own(key), self.own(alias)) {
            (Some(one), Some(two)) => {
                let (first, second) =
                    if one.key_span.start < two.key_span.start { (one, two) } else { (two, one) };
                let message = format!("`{}` is the same key as `{}`", second.key, first.key);
                sink.add(
                    Problem::error("duplicate-key", second.key_span.clone(), message)
                        .label("second one")
                        .related(first.key_span.clone(), "first one")
                        .help("keep one of the two"),
                );
                Some(one)
            }
            (Some(entry), None) | (None, Some(entry)) => Some(entry),
            (None, None) => self.defaults.get(key).or_else(|| self.defaults.get(alias)),
        }
    }

    /// Warns of keys that mean nothing here.
    pub(super) fn warn_unknown(&self, known: &[&str], what: &str, sink: &mut Sink) {
        for entry in &self.section.entries {
            if known.contains(&entry.key.as_ref()) || sink.is_full(Severity::Warning) {
                continue;
            }
            let message = format!("{what} has no key `{}`; it is ignored", show(&entry.key));
            let help = if known != GENERAL_KEYS && GENERAL_ONLY.contains(&entry.key.as_ref()) {
                Some(format!("`{}` belongs into [general]", entry.key))
            } else {
                sink.did_you_mean(&entry.key, known.iter().copied())
            };
            let help = help.unwrap_or_else(|| format!("known keys: {}", known.join(", ")));
            sink.add(Problem::warning("unknown-key", entry.key_span.clone(), message).help(help));
        }
    }
}

/// Every key of `[general]`.
pub(super) const GENERAL_KEYS: &[&str] = &[
    "net",
    "gw",
    "interface",
    "driver",
    "port_offset",
    "log_target",
    "host_access",
    "probe",
    "mutate_interval",
    "mutate-interval",
];

/// An entry with something in it; an empty one is reported and counts as absent.
pub(super) fn said<'s, 't>(entry: Option<&'s Entry<'t>>, sink: &mut Sink) -> Option<&'s Entry<'t>> {
    let entry = entry?;
    if entry.is_empty() {
        let message = format!("`{}` has no value and is left out", entry.key);
        sink.add(
            Problem::warning("empty-value", entry.key_span.clone(), message)
                .help("give it a value or delete the line"),
        );
        return None;
    }
    Some(entry)
}
