//! What deckies of one file may not share, and addresses against the file's own network.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::hash::Hash;
use std::ops::Range;

use super::decky::{Deckies, Places};
use super::diagnostic::{Problem, Sink};
use super::general::GeneralPlaces;
use crate::model::{DeckyName, DeckySpec, GeneralSpec};

/// Drops deckies whose name is taken, with an error that shows both lines.
pub(super) fn names(deckies: &mut Deckies, sections: &mut HashMap<&str, Range<usize>>, sink: &mut Sink) {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(deckies.specs.len());
    let mut taken = vec![false; deckies.specs.len()];
    for (at, (spec, here)) in deckies.specs.iter().zip(&deckies.places).enumerate() {
        match seen.entry(spec.name.as_str()) {
            Entry::Vacant(slot) => {
                slot.insert(at);
            }
            Entry::Occupied(first) => {
                if let Some(slot) = taken.get_mut(at) {
                    *slot = true;
                }
                let Some(there) = deckies.places.get(*first.get()) else { continue };
                let message = format!("two deckies are called {}", spec.name);
                sink.add(
                    Problem::error("duplicate-name", here.name.clone(), message)
                        .label("second one")
                        .related(there.name.clone(), "first one")
                        .help("an `amount` makes the names `<section>-01` and so on; rename one of the sections"),
                );
            }
        }
    }
    if taken.contains(&true) {
        // The specification is unusable anyway; only its promise of unique names is kept.
        let mut kept = taken.iter().map(|taken| !taken);
        deckies.specs.retain(|_| kept.next().unwrap_or(true));
        let mut kept = taken.iter().map(|taken| !taken);
        deckies.places.retain(|_| kept.next().unwrap_or(true));
        for range in sections.values_mut() {
            *range = 0..0;
        }
    }
}

/// One value shared by two deckies.
fn shared<'d, K: Hash + Eq + Display>(
    deckies: &'d Deckies,
    part: impl Fn(&'d DeckySpec, &'d Places) -> Option<(K, &'d Range<usize>)>,
    what: &str,
    problem: impl Fn(Range<usize>, String) -> Problem,
    sink: &mut Sink,
) {
    let mut seen: HashMap<K, (&Range<usize>, &DeckyName)> = HashMap::new();
    for (spec, places) in deckies.specs.iter().zip(&deckies.places) {
        let Some((key, span)) = part(spec, places) else { continue };
        let name = &spec.name;
        if let Some((first, other)) = seen.get(&key) {
            let message = format!("{other} and {name} have one {what}, {key}");
            sink.add(
                problem(span.clone(), message)
                    .label(format!("of {name}"))
                    .related((*first).clone(), format!("of {other}")),
            );
        } else {
            seen.insert(key, (span, name));
        }
    }
}

/// Addresses, hardware addresses and host names, each against each.
pub(super) fn values(deckies: &Deckies, sink: &mut Sink) {
    let address = |span, message| {
        Problem::error("duplicate-address", span, message)
            .help("give one of them another address, or leave `ip` out to get the next free one")
    };
    shared(deckies, |d, p| d.ip.zip(p.ip.as_ref()), "address", address, sink);
    let mac = |span, message| {
        Problem::error("duplicate-mac", span, message).help("leave `mac` out to get one of its own")
    };
    shared(deckies, |d, p| d.mac.zip(p.mac.as_ref()), "hardware address", mac, sink);
    let hostname = |span, message| {
        Problem::warning("duplicate-hostname", span, message)
            .help("leave `hostname` out to get one of its own")
    };
    shared(deckies, |d, p| d.hostname.as_deref().zip(p.hostname.as_ref()), "host name", hostname, sink);
}

/// Pinned addresses against `net` and `gw` of the same file. What a recorded network says is not known here.
pub(super) fn network(deckies: &Deckies, general: &GeneralSpec, at: &GeneralPlaces, sink: &mut Sink) {
    for (spec, places) in deckies.specs.iter().zip(&deckies.places) {
        let (Some(ip), Some(span)) = (spec.ip, places.ip.clone()) else { continue };
        if let (Some(net), Some(net_at)) = (general.subnet, at.net.clone()) {
            let problem = if !net.contains(ip) {
                let message = format!("{ip} of {} is outside the network {net}", spec.name);
                Problem::error("off-subnet", span, message)
                    .help(format!("take a free address of {net}, or leave `ip` out to get one"))
            } else if ip == net.network() || ip == net.broadcast() {
                let which = if ip == net.network() { "network" } else { "broadcast" };
                let message = format!("{ip} of {} is the {which} address of {net}", spec.name);
                Problem::error("reserved-address", span, message).help("take another address of the network")
            } else {
                gateway(spec.name.as_str(), ip, span, general, at, sink);
                continue;
            };
            sink.add(problem.related(net_at, "the network"));
        } else {
            gateway(spec.name.as_str(), ip, span, general, at, sink);
        }
    }
}

fn gateway(
    name: &str,
    ip: std::net::Ipv4Addr,
    span: Range<usize>,
    general: &GeneralSpec,
    at: &GeneralPlaces,
    sink: &mut Sink,
) {
    if let (Some(gateway), Some(gw_at)) = (general.gateway, at.gw.clone())
        && gateway == ip
    {
        let message = format!("{ip} of {name} is the gateway's address");
        sink.add(
            Problem::error("reserved-address", span, message)
                .related(gw_at, "the gateway")
                .help("take another address of the network"),
        );
    }
}
