//! The guard: what a deploy collides with, all of it at once.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::model::{CustomService, DeckySpec, Fleet, FleetSpec, Mac};

use super::alloc::Range;
use super::index::Index;
use super::refusal::{Refusal, RefusalKind, ip_line};
use super::request::Mode;

/// Names: additive deploys may not name what exists, whatever state it is in.
pub(super) fn names(spec: &FleetSpec, fleet: &Fleet, mode: Mode) -> Vec<Refusal> {
    let mut seen: HashMap<&str, &DeckySpec> = HashMap::with_capacity(spec.deckies.len());
    let mut refusals = Vec::new();
    for decky in &spec.deckies {
        let name = decky.name.as_str();
        if let Some(first) = seen.insert(name, decky) {
            let message = format!(
                "two deckies come out with the name `{name}`{}",
                lines(first.origin.line, decky.origin.line)
            );
            refusals.push(Refusal::invalid(message).about(decky).related(first.origin.line));
        }
        if mode == Mode::Additive && fleet.get(name).is_some() {
            refusals.push(
                Refusal::conflict(format!(
                    "decky `{name}` is already in the fleet; give this one another name, or make the file the whole fleet with --replace-fleet"
                ))
                .about(decky),
            );
        }
    }
    refusals
}

/// Pinned addresses: fit for a decky, once in the file, not taken by one that stays.
pub(super) fn addresses(spec: &FleetSpec, range: &Range<'_>, index: &Index<'_>, mode: Mode) -> Vec<Refusal> {
    let mut seen: HashMap<Ipv4Addr, &DeckySpec> = HashMap::new();
    let mut refusals = Vec::new();
    for decky in &spec.deckies {
        let (Some(ip), name) = (decky.ip, &decky.name) else { continue };
        if let Err(unfit) = range.check(ip) {
            let why = unfit.describe(range.network());
            refusals.push(
                Refusal::invalid(format!("decky `{name}` cannot have {ip}: it {why}")).about_ip(decky, ip),
            );
        }
        if let Some(first) = seen.insert(ip, decky) {
            let both = lines(ip_line(first), ip_line(decky));
            let message = format!("deckies `{}` and `{name}` have the same address {ip}{both}", first.name);
            refusals.push(Refusal::invalid(message).about_ip(decky, ip).related(ip_line(first)));
        }
        if mode != Mode::Additive {
            continue;
        }
        // A decky refused for its name need not be told that its own address is taken too.
        if let Some(owner) = index.by_ip.get(&ip).filter(|owner| **owner != name.as_str()) {
            refusals.push(
                Refusal::taken(format!(
                    "address {ip} of decky `{name}` is in use by decky `{owner}` of the fleet; give it another one"
                ))
                .about_ip(decky, ip),
            );
        }
    }
    refusals
}

/// Pinned MAC addresses: of one machine, once in the file, not taken by a decky that stays.
pub(super) fn macs(spec: &FleetSpec, index: &Index<'_>, mode: Mode) -> Vec<Refusal> {
    let mut seen: HashMap<Mac, &DeckySpec> = HashMap::new();
    if spec.deckies.iter().all(|d| d.mac.is_none()) {
        return Vec::new();
    }
    let pins: HashMap<&str, Option<Mac>> = spec.deckies.iter().map(|d| (d.name.as_str(), d.mac)).collect();
    let mut refusals = Vec::new();
    for decky in &spec.deckies {
        let (Some(mac), name) = (decky.mac, &decky.name) else { continue };
        if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
            refusals.push(
                Refusal::invalid(format!(
                    "decky `{name}` cannot have the MAC address {mac}: it is no address of one machine"
                ))
                .about(decky),
            );
        }
        if let Some(first) = seen.insert(mac, decky) {
            let both = lines(first.origin.line, decky.origin.line);
            let message =
                format!("deckies `{}` and `{name}` have the same MAC address {mac}{both}", first.name);
            refusals.push(Refusal::invalid(message).about(decky).related(first.origin.line));
        }
        let Some(owner) = index.by_mac.get(&mac).filter(|owner| **owner != name.as_str()) else { continue };
        // In replace mode the owner may be going, or be given another one by the file.
        let stays = mode == Mode::Additive || pins.get(owner) == Some(&None);
        if stays {
            refusals.push(
                Refusal::taken(format!(
                    "MAC address {mac} of decky `{name}` is in use by decky `{owner}` of the fleet; give it another one"
                ))
                .about(decky),
            );
        }
    }
    refusals
}

/// Custom services: additive deploys may repeat but not redefine one.
pub(super) fn customs(spec: &FleetSpec, fleet: &Fleet, mode: Mode) -> Vec<Refusal> {
    if mode != Mode::Additive {
        return Vec::new();
    }
    let differs = |new: &&CustomService| fleet.customs.iter().any(|old| old.slug == new.slug && old != *new);
    spec.customs
        .iter()
        .filter(differs)
        .map(|custom| {
            Refusal::conflict(format!(
                "custom service `{}` is already in the fleet with another definition; rename it, or change it for the whole fleet with --replace-fleet",
                custom.slug
            ))
        })
        .collect()
}

/// The size of the fleet afterwards.
pub(super) fn limit(spec: &FleetSpec, fleet: &Fleet, mode: Mode, limit: Option<usize>) -> Option<Refusal> {
    let most = limit?;
    let carried = if mode == Mode::Additive { fleet.members.len() } else { 0 };
    let count = carried.saturating_add(spec.deckies.len());
    (count > most).then(|| {
        Refusal::new(
            RefusalKind::Refused,
            format!("the fleet would have {count} deckies and --limit allows {most}; nothing was changed"),
        )
    })
}

/// A file without a decky never empties a fleet: that has a command of its own.
pub(super) fn empty_file(spec: &FleetSpec, fleet: &Fleet, mode: Mode) -> Option<Refusal> {
    let wipes = mode == Mode::Replace && spec.deckies.is_empty() && !fleet.members.is_empty();
    wipes.then(|| {
        Refusal::new(
            RefusalKind::Refused,
            format!(
                "the file has no decky and would remove all {} of the fleet; to mean that, run `decnet teardown --all`",
                fleet.members.len()
            ),
        )
    })
}

fn lines(first: usize, second: usize) -> String {
    if first == 0 || second == 0 { String::new() } else { format!(" (lines {first} and {second})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::{Case, at, deployed, emulated, pinned, set_state, spec, spoil};
    use crate::model::State;

    fn messages(refusals: &[Refusal]) -> Vec<&str> {
        refusals.iter().map(|r| r.message.as_str()).collect()
    }

    #[test]
    fn all_collisions_come_at_once() {
        assert!(emulated("ssh"));
        let fleet = deployed(vec![pinned("web-01", "192.168.1.20"), pinned("web-02", "192.168.1.21")]);
        let case = Case::new(
            Mode::Additive,
            fleet,
            vec![
                at(3, spec("web-01")),
                at(5, pinned("new-01", "192.168.1.20")),
                at(9, pinned("new-02", "192.168.1.21")),
                at(12, spec("web-02")),
                at(15, pinned("new-03", "192.168.1.1")),
            ],
        );
        let refusals = case.refusals();
        let found: Vec<_> =
            refusals.iter().map(|r| (r.kind, r.decky.as_deref().unwrap(), r.line.unwrap())).collect();
        assert_eq!(
            found,
            [
                (RefusalKind::Conflict, "web-01", 3),
                (RefusalKind::Conflict, "web-02", 12),
                (RefusalKind::Conflict, "new-01", 6),
                (RefusalKind::Conflict, "new-02", 10),
                (RefusalKind::Invalid, "new-03", 16),
            ]
        );
        assert!(refusals[0].message.contains("`web-01`") && refusals[0].message.contains("--replace-fleet"));
        assert_eq!(refusals[0].hint, Some("replace_fleet"));
        assert!(refusals[2].message.contains("192.168.1.20") && refusals[2].message.contains("`web-01`"));
        assert_eq!(refusals[2].address, Some("192.168.1.20".parse().unwrap()));
        assert_eq!(refusals[2].file.as_deref(), Some("fleet.ini"));
    }

    #[test]
    fn rows_that_are_unusable_or_leaving_still_count() {
        let prepare: [&dyn Fn(&mut Fleet); 2] =
            [&|f| spoil(f, "old"), &|f| set_state(f, "old", State::TearingDown)];
        for prepare in prepare {
            let mut fleet = deployed(vec![pinned("old", "192.168.1.20")]);
            prepare(&mut fleet);
            let refusals =
                Case::new(Mode::Additive, fleet, vec![spec("old"), pinned("new", "192.168.1.20")]).refusals();
            assert_eq!(messages(&refusals).len(), 2, "{refusals:?}");
            assert!(refusals.iter().all(|r| r.kind == RefusalKind::Conflict));
        }
    }
}
