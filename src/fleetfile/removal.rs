//! Slips that only show against the recorded fleet: a file that is whole INI, but would remove deckies because one
//! byte of it is wrong. For replace mode; each finding is a warning that goes with the plan.

use std::collections::{HashMap, HashSet};

use super::hidden::Hidden;
use super::{Diagnostic, Loaded, Severity};
use crate::model::{FleetSpec, Origin};

/// All checks of this module, in the order of the file. `recorded` are the names of the recorded fleet.
///
/// With these, deleting any one byte of a file never plans the removal of a decky without a diagnostic.
pub fn removal_warnings(loaded: &Loaded, recorded: &[String]) -> Vec<Diagnostic> {
    let mut found = near_renames(&loaded.spec, recorded);
    found.extend(shrunk_groups(&loaded.spec, recorded));
    found.extend(commented_out(&loaded.spec, &loaded.hidden, recorded));
    found.sort_by_key(|d| (d.line, d.column));
    found
}

/// Warns where a name of `spec` that is not recorded differs by one edit, or by letter case alone, from a recorded
/// name that `spec` does not have: probably a typo, that would remove one decky and create another.
///
/// One warning for each section of the file; groups renamed as a whole get one.
pub fn near_renames(spec: &FleetSpec, recorded: &[String]) -> Vec<Diagnostic> {
    let Sides { new, vanished } = sides(spec, recorded);
    if new.is_empty() || vanished.is_empty() {
        return Vec::new();
    }
    // Names one edit apart share a form with at most one character deleted: no need to compare all with all.
    let mut index: Vec<(u64, &str)> =
        vanished.iter().flat_map(|name| forms(name).into_iter().map(|form| (form, name.as_str()))).collect();
    index.sort_unstable();
    let mut told = HashSet::new();
    let mut found = Vec::new();
    for (name, origin) in new {
        if told.contains(&(origin.line, origin.file.as_str())) {
            continue;
        }
        let same = |form: u64| {
            let from = index.partition_point(|(other, _)| *other < form);
            index.iter().skip(from).take_while(move |(other, _)| *other == form)
        };
        let close =
            forms(name).into_iter().flat_map(same).map(|(_, old)| *old).find(|old| is_one_edit(name, old));
        if let Some(old) = close {
            told.insert((origin.line, origin.file.as_str()));
            found.push(warning(
                "near-rename",
                origin,
                &format!("{name} is new and {old} would be removed; the names are nearly the same"),
                &format!("if it is a typo, write {old}"),
            ));
        }
    }
    found
}

/// Warns where recorded members of a group vanish although the file still has the group or its name: an `amount`
/// that lost a digit, or that came or went.
///
/// A group is what one section with `amount` makes; deckies that have a section each are none.
pub fn shrunk_groups(spec: &FleetSpec, recorded: &[String]) -> Vec<Diagnostic> {
    let Sides { new, vanished } = sides(spec, recorded);
    let new: HashMap<&str, &Origin> = new.into_iter().collect();
    let mut members: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut found = Vec::new();
    for name in &vanished {
        if let Some(base) = group_of(name) {
            members.entry(base).or_default().push(name);
        }
        if let Some(origin) = new.get(format!("{name}-01").as_str()) {
            found.push(warning(
                "regrouped-decky",
                origin,
                &format!("{name} would be removed, as its section now makes {name}-01 and so on"),
                "an `amount` above 1 makes a group; without it the decky keeps its name",
            ));
        }
    }
    let groups = groups(spec);
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_unstable();
    for (base, gone) in members {
        let list = || {
            let more = gone.len().saturating_sub(3);
            let first = gone.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            if more > 0 { format!("{first} and {more} more") } else { first }
        };
        if let Some((origin, size)) = groups.get(base) {
            found.push(warning(
                "shrunk-group",
                origin,
                &format!("[{base}] now makes {size} deckies; {} would be removed", list()),
                "check its `amount`",
            ));
        } else if let Some(origin) = new.get(base) {
            found.push(warning(
                "regrouped-decky",
                origin,
                &format!("[{base}] now is one decky; {} would be removed", list()),
                "check its `amount`",
            ));
        }
    }
    found
}

/// Warns where a recorded decky would be removed and the header of its section, or of its group's, stands inside a
/// comment or a value of the file.
pub fn commented_out(spec: &FleetSpec, hidden: &[Hidden], recorded: &[String]) -> Vec<Diagnostic> {
    let Sides { vanished, .. } = sides(spec, recorded);
    let mut places: HashMap<&str, &Hidden> = HashMap::new();
    for header in hidden {
        places.entry(header.name.as_str()).or_insert(header);
    }
    let mut told = HashSet::new();
    let mut found = Vec::new();
    for name in &vanished {
        let header = places.get(name.as_str()).or_else(|| group_of(name).and_then(|base| places.get(base)));
        let Some(header) = header.filter(|h| told.insert(h.span.start)) else { continue };
        let file = spec.deckies.first().map(|d| d.origin.file.clone()).unwrap_or_default();
        let origin = Origin { file, line: header.line, ip_line: 0 };
        let message =
            format!("{name} would be removed, as [{}] is inside a comment or a value here", header.name);
        let help = "put the header on a line of its own to keep it";
        let plain = warning("commented-out-decky", &origin, &message, help);
        found.push(Diagnostic { column: header.column, span: header.span.clone(), ..plain });
    }
    found
}

/// What differs between file and fleet.
struct Sides<'s> {
    /// In the file only, in its order.
    new: Vec<(&'s str, &'s Origin)>,
    /// Recorded only.
    vanished: Vec<&'s String>,
}

fn sides<'s>(spec: &'s FleetSpec, recorded: &'s [String]) -> Sides<'s> {
    let old: HashSet<&str> = recorded.iter().map(String::as_str).collect();
    let kept: HashSet<&str> = spec.deckies.iter().map(|d| d.name.as_str()).collect();
    let new = spec.deckies.iter().map(|d| (d.name.as_str(), &d.origin)).filter(|(n, _)| !old.contains(n));
    let mut vanished: Vec<&String> = recorded.iter().filter(|n| !kept.contains(n.as_str())).collect();
    vanished.sort_unstable();
    vanished.dedup();
    Sides { new: new.collect(), vanished }
}

/// Sections that make several deckies, by the name before the number, with how many.
fn groups(spec: &FleetSpec) -> HashMap<&str, (&Origin, usize)> {
    let mut groups: HashMap<&str, (&Origin, usize)> = HashMap::new();
    // Members of a group follow each other and share the line of their section.
    for (one, next) in spec.deckies.iter().zip(spec.deckies.iter().skip(1)) {
        let same = one.origin.line == next.origin.line && one.origin.file == next.origin.file;
        if let (true, Some(base)) = (same, group_of(one.name.as_str())) {
            groups.entry(base).or_insert((&one.origin, 1)).1 += 1;
        }
    }
    groups
}

/// `web` of `web-07`.
fn group_of(name: &str) -> Option<&str> {
    let (base, number) = name.rsplit_once('-')?;
    ((2..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())).then_some(base)
}

/// Hashes of the lower-case name and of it with each one byte deleted. Polynomial, so that each costs one step.
fn forms(name: &str) -> Vec<u64> {
    const BASE: u64 = 0x0100_0000_01b3;
    let name = name.to_lowercase();
    let mut prefixes = vec![0u64];
    for b in name.bytes() {
        let last = prefixes.last().copied().unwrap_or_default();
        prefixes.push(last.wrapping_mul(BASE).wrapping_add(u64::from(b) + 1));
    }
    let whole = prefixes.last().copied().unwrap_or_default();
    let mut forms = vec![whole];
    let mut power = 1u64;
    // From the end: what follows the deleted byte keeps its value, what stands before moves down one power.
    for (before, after) in prefixes.iter().zip(prefixes.iter().skip(1)).rev() {
        forms.push(whole.wrapping_add(before.wrapping_sub(*after).wrapping_mul(power)));
        power = power.wrapping_mul(BASE);
    }
    forms
}

fn is_one_edit(one: &str, other: &str) -> bool {
    one.len().abs_diff(other.len()) <= 1
        && strsim::osa_distance(&one.to_lowercase(), &other.to_lowercase()) <= 1
}

fn warning(code: &'static str, origin: &Origin, message: &str, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code,
        message: super::escape::escape(message),
        file: origin.file.clone(),
        line: origin.line,
        column: usize::from(origin.line > 0),
        span: 0..0,
        label: None,
        related: Vec::new(),
        help: Some(super::escape::escape(help)),
    }
}
