//! `[decky.service]`: settings of one service, of one decky or of all deckies of a group (facts: upstream §1.5).

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::decky::Deckies;
use super::diagnostic::{Problem, Sink};
use super::entry::{Entry, Section};
use super::escape::show;
use super::section::{Defaults, Keys, LOOKED_AT};
use crate::catalog::{self, Setting, SettingKind};
use crate::model::Settings;

/// A subsection found by its name.
pub(super) struct Sub<'s, 't> {
    pub(super) section: &'s Section<'t>,
    pub(super) prefix: &'t str,
    pub(super) service: &'t str,
}

/// Hands every subsection to its deckies. `sections` tells which deckies each section made.
///
/// A member's own subsection takes the place of its group's, whichever stands first in the file.
pub(super) fn attach(
    subs: &[Sub],
    sections: &HashMap<&str, Range<usize>>,
    defaults: &Defaults,
    deckies: &mut Deckies,
    sink: &mut Sink,
) {
    // First who gets what, then the handing out: the names are borrowed from the deckies.
    let mut of_groups = Vec::new();
    let mut of_members = Vec::new();
    {
        let members: HashMap<&str, usize> = match subs {
            [] => HashMap::new(),
            _ => deckies.specs.iter().enumerate().map(|(at, d)| (d.name.as_str(), at)).collect(),
        };
        let mut names: Option<BTreeSet<&str>> = None;
        for sub in subs {
            let settings = settings(sub, defaults, sink);
            let target = match (members.get(sub.prefix), sections.get(sub.prefix)) {
                (Some(&at), _) => at..at + 1,
                (None, Some(group)) => group.clone(),
                (None, None) => {
                    let names = names.get_or_insert_with(|| members.keys().copied().collect());
                    orphan(sub, names, sink);
                    continue;
                }
            };
            warn_unused(sub, deckies, target.clone(), sink);
            let list = if members.contains_key(sub.prefix) { &mut of_members } else { &mut of_groups };
            list.push((target, sub.service, settings));
        }
    }
    for (target, service, settings) in of_groups.into_iter().chain(of_members) {
        let Some((last, others)) = deckies.specs.get_mut(target).and_then(<[_]>::split_last_mut) else {
            continue;
        };
        for spec in others {
            spec.service_config.insert(service.to_owned(), settings.clone());
        }
        last.service_config.insert(service.to_owned(), settings);
    }
}

fn orphan(sub: &Sub, names: &BTreeSet<&str>, sink: &mut Sink) {
    let prefix = format!("{}-", sub.prefix);
    let alike: Vec<&str> =
        names.range(prefix.as_str()..).copied().take_while(|n| n.starts_with(&prefix)).take(3).collect();
    // Not in hash order: the same file gets the same help.
    let known = names.iter().copied().take(LOOKED_AT);
    let help = if alike.is_empty() {
        sink.did_you_mean(sub.prefix, known)
    } else {
        // DECNET hands it to everything with that prefix, related or not.
        Some(format!(
            "only a section with `amount` makes a group; give {} a subsection each, or make them one group",
            alike.join(", ")
        ))
    };
    let message = format!("there is no decky `{}`, so these settings reach nobody", show(sub.prefix));
    let problem = Problem::warning("orphan-subsection", sub.section.name_span.clone(), message);
    sink.add(
        problem.help(
            help.unwrap_or_else(|| format!("add a section [{}], or delete this one", show(sub.prefix))),
        ),
    );
}

fn warn_unused(sub: &Sub, deckies: &Deckies, target: Range<usize>, sink: &mut Sink) {
    let Some(spec) = deckies.specs.get(target.start).filter(|_| !target.is_empty()) else { return };
    let runs = match (&spec.services, spec.archetype.as_deref().and_then(catalog::archetype)) {
        (Some(services), _) => services.iter().any(|s| s == sub.service),
        (None, Some(archetype)) => archetype.services.contains(&sub.service),
        // Drawn later.
        (None, None) => true,
    };
    if !runs {
        let (prefix, service) = (show(sub.prefix), sub.service);
        let message = format!("`{prefix}` does not run {service}, so these settings do nothing");
        sink.add(
            Problem::warning("unused-subsection", sub.section.name_span.clone(), message)
                .help(format!("add {service} to the services of [{prefix}], or delete this section")),
        );
    }
}

/// The subsection's values in their schema's types. Keys the schema does not know are kept as text, as DECNET does.
fn settings(sub: &Sub, defaults: &Defaults, sink: &mut Sink) -> Settings {
    let mut settings = Settings::new();
    let Some(service) = catalog::service(sub.service) else {
        // A custom service has no schema: anything goes.
        let entries = sub.section.entries.iter();
        return entries.map(|e| (e.key.to_string(), e.value.as_ref().into())).collect();
    };
    for entry in &sub.section.entries {
        match service.setting(&entry.key) {
            Some(setting) => set(&mut settings, service.slug, setting, entry, sink),
            None => {
                let known = || service.settings.iter().map(|s| s.key);
                let message = format!("{} has no setting `{}`", service.slug, show(&entry.key));
                let help = sink.did_you_mean(&entry.key, known()).unwrap_or_else(|| {
                    let known: Vec<&str> = known().collect();
                    if known.is_empty() {
                        "it has no settings at all".to_owned()
                    } else {
                        format!("it has {}", known.join(", "))
                    }
                });
                sink.add(Problem::warning("unknown-key", entry.key_span.clone(), message).help(help));
                settings.insert(entry.key.to_string(), entry.value.as_ref().into());
            }
        }
    }
    let keys = Keys { section: sub.section, defaults };
    for setting in service.settings {
        if keys.own(setting.key).is_none()
            && let Some(entry) = defaults.get(setting.key)
        {
            set(&mut settings, service.slug, setting, entry, sink);
        }
    }
    for remark in catalog::remarks(service.slug, &settings) {
        let own = sub.section.entries.iter().find(|e| e.key == remark.key);
        let span = own.map_or_else(|| sub.section.name_span.clone(), Entry::value_span);
        let problem = match remark.fatal {
            true => Problem::error("bad-setting", span, remark.message.to_owned()),
            false => Problem::warning("idle-setting", span, remark.message.to_owned()),
        };
        sink.add(problem.help(remark.help.to_owned()));
    }
    settings
}

fn set(settings: &mut Settings, service: &str, setting: &Setting, entry: &Entry, sink: &mut Sink) {
    let takes_blank = matches!(
        setting.kind,
        SettingKind::Text | SettingKind::Password | SettingKind::Path | SettingKind::TextArea
    );
    if entry.is_empty() && !takes_blank {
        let message = format!("`{}` has no value and is left out", entry.key);
        sink.add(
            Problem::warning("empty-value", entry.key_span.clone(), message)
                .help("give it a value or delete the line"),
        );
        return;
    }
    match setting.parse(&entry.value) {
        Ok(value) => {
            settings.insert(setting.key.to_owned(), value);
        }
        Err(why) => {
            let given =
                if setting.secret { String::new() } else { format!(", not `{}`", show(&entry.value)) };
            let message = format!("`{}` of {service} {}{given}", setting.key, show_long(&why));
            sink.add(
                Problem::error("bad-setting", entry.value_span(), message)
                    .help(format!("{}: {}", setting.key, setting.help))
                    .maybe_help(entry.inline_comment()),
            );
        }
    }
}

/// The reason may repeat text of the file.
fn show_long(why: &str) -> String {
    super::escape::escape(why)
}
