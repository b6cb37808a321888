//! From sections to a specification: sorts them, reads each, expands groups, attaches subsections.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::Options;
use super::decky::{self, Context, Deckies};
use super::diagnostic::{Problem, Sink};
use super::escape::show;
use super::general::{GeneralPlaces, general};
use super::scan::{DEFAULT, Scan};
use super::section::{Defaults, GENERAL_KEYS, Keys, Kind, classify};
use super::subsection::{Sub, attach};
use super::text::Text;
use super::{custom, unique};
use crate::catalog;
use crate::model::{FleetSpec, GeneralSpec};

pub(super) fn resolve(text: &Text, scan: &Scan, options: &Options, sink: &mut Sink) -> FleetSpec {
    let own = scan.sections.iter().filter_map(|s| s.name.strip_prefix("custom-"));
    let known = options.known_customs.iter().map(|c| c.slug.as_str());
    let customs: Vec<&str> = own.filter(|slug| custom::is_slug(slug)).chain(known).collect();
    let custom_set: HashSet<&str> = customs.iter().copied().collect();
    let is_custom = |slug: &str| custom_set.contains(slug);
    let line_of = |offset: usize| text.line(offset);
    let cx = Context {
        file: options.name,
        customs: &customs,
        is_custom: &is_custom,
        default_services: OnceCell::new(),
        line_of: &line_of,
    };

    let defaults = Defaults::of(scan);
    let mut spec = FleetSpec::default();
    let mut places = GeneralPlaces::default();
    let mut deckies = Deckies::default();
    let mut sections: HashMap<&str, Range<usize>> = HashMap::new();
    let mut subs = Vec::new();
    for section in &scan.sections {
        let keys = Keys { section, defaults: &defaults };
        match classify(section, &is_custom, &customs, sink) {
            Kind::Default => warn_defaults(&keys, sink),
            Kind::General => (spec.general, places) = general(&keys, sink),
            Kind::Custom(slug) => spec.customs.extend(custom::custom(slug, &keys, sink)),
            Kind::Sub { prefix, service } => subs.push(Sub { section, prefix, service }),
            Kind::Decky => {
                let made = decky::decky(&keys, &cx, &mut deckies, sink);
                sections.insert(section.name, made);
            }
            Kind::Unusable => {
                // Known, so that its subsections are not called orphans too.
                sections.entry(section.name).or_insert(0..0);
            }
        }
    }
    unique::names(&mut deckies, &mut sections, sink);
    attach(&subs, &sections, &defaults, &mut deckies, sink);
    unique::values(&deckies, sink);
    unique::network(&deckies, &spec.general, &places, sink);
    if deckies.specs.is_empty() && !sink.has_errors() {
        no_decky(&spec.general, sink);
    }
    spec.deckies = deckies.specs;
    spec
}

fn no_decky(general: &GeneralSpec, sink: &mut Sink) {
    let message = if *general == GeneralSpec::default() {
        "the file has no decky".to_owned()
    } else {
        "the file has network settings but no decky".to_owned()
    };
    sink.add(Problem::of_file("no-decky", message).help("add a section with a decky's name: [web-01]"));
}

/// Keys of `[DEFAULT]` that no section could use.
fn warn_defaults(keys: &Keys, sink: &mut Sink) {
    for entry in &keys.section.entries {
        let key = entry.key.as_ref();
        let of_service = catalog::services().iter().any(|s| s.setting(key).is_some());
        if !(decky::is_key(key) || GENERAL_KEYS.contains(&key) || custom::is_key(key) || of_service) {
            let message = format!("no section has a key `{}`; it is ignored", show(key));
            sink.add(
                Problem::warning("unknown-key", entry.key_span.clone(), message)
                    .help(format!("[{DEFAULT}] gives its keys to every other section")),
            );
        }
    }
}
