//! A decky section, or a group of them (facts: upstream §1.3, §1.4).

use std::cell::OnceCell;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::diagnostic::{Problem, Sink};
use super::entry::Entry;
use super::escape::show;
use super::general::interval;
use super::section::{Keys, said};
use super::services::services;
use super::{MAX_AMOUNT, MAX_DECKIES};
use crate::catalog::{self, parse_int};
use crate::model::{DeckyName, DeckySpec, Mac, NameError, Origin};

const KEYS: &[&str] = &[
    "ip",
    "services",
    "archetype",
    "amount",
    "nmap_os",
    "nmap-os",
    "mutate_interval",
    "mutate-interval",
    "distro",
    "hostname",
    "mac",
];

/// Keys that may be there, for `[DEFAULT]`.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Where the parts of a decky stand, for problems between deckies.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) name: Range<usize>,
    pub(super) ip: Option<Range<usize>>,
    pub(super) hostname: Option<Range<usize>>,
    pub(super) mac: Option<Range<usize>>,
}

/// What decky sections are read against.
pub(super) struct Context<'c> {
    pub(super) file: &'c str,
    /// Slugs of custom services, of the file and of the fleet.
    pub(super) customs: &'c [&'c str],
    pub(super) is_custom: &'c dyn Fn(&str) -> bool,
    /// The services of `[DEFAULT]`, once they are read.
    pub(super) default_services: OnceCell<Vec<String>>,
    /// Line of an offset.
    pub(super) line_of: &'c dyn Fn(usize) -> usize,
}

/// Deckies and their places, in file order.
#[derive(Default)]
pub(super) struct Deckies {
    pub(super) specs: Vec<DeckySpec>,
    pub(super) places: Vec<Places>,
    full: bool,
}

impl Deckies {
    fn has_room(&mut self, keys: &Keys, sink: &mut Sink) -> bool {
        let room = self.specs.len() < MAX_DECKIES;
        if !room && !self.full {
            self.full = true;
            let message = format!("the file has more than {MAX_DECKIES} deckies");
            sink.add(
                Problem::error("too-many-deckies", keys.section.name_span.clone(), message)
                    .help("lower `amount`, or split the file"),
            );
        }
        room
    }
}

/// Reads one section and appends the deckies it stands for; returns where they are.
pub(super) fn decky(keys: &Keys, cx: &Context, out: &mut Deckies, sink: &mut Sink) -> Range<usize> {
    let start = out.specs.len();
    keys.warn_unknown(KEYS, "a decky", sink);
    let amount = keys.get("amount").map_or(1, |entry| amount(entry, sink));
    let (spec, places) = shared(keys, cx, amount, sink);
    let mut names = names(keys, amount, sink);
    // The last one takes the original, so that a section of one decky copies nothing.
    let last = names.pop();
    for name in names {
        if !out.has_room(keys, sink) {
            return start..out.specs.len();
        }
        out.specs.push(DeckySpec { name, ..spec.clone() });
        out.places.push(places.clone());
    }
    if let Some(name) = last
        && out.has_room(keys, sink)
    {
        out.specs.push(DeckySpec { name, ..spec });
        out.places.push(places);
    }
    start..out.specs.len()
}

/// What all deckies of the section have; the name is a placeholder.
fn shared(keys: &Keys, cx: &Context, amount: i64, sink: &mut Sink) -> (DeckySpec, Places) {
    let section = keys.section;
    let mut places = Places { name: section.name_span.clone(), ip: None, hostname: None, mac: None };
    let mut ip = None;
    let mut ip_line = 0;
    if let Some(entry) = keys.get("ip").filter(|e| !e.is_empty())
        && single(entry, "ip-with-amount", amount, sink)
    {
        ip = address(entry, sink);
        ip_line = (cx.line_of)(entry.value_span().start);
        places.ip = Some(entry.value_span());
    }
    // Not from [DEFAULT]: there `hostname` is meant for service subsections, DECNET has no such decky key.
    let hostname = said(keys.own("hostname"), sink)
        .filter(|entry| single(entry, "hostname-with-amount", amount, sink))
        .and_then(|entry| {
            places.hostname = Some(entry.value_span());
            hostname(entry, sink)
        });
    let mac = said(keys.own("mac"), sink)
        .filter(|entry| single(entry, "mac-with-amount", amount, sink))
        .and_then(|entry| {
            places.mac = Some(entry.value_span());
            mac(entry, sink)
        });
    let archetype = word(keys.get("archetype"), "unknown-archetype", "archetype", cx, sink);
    let nmap_os = keys.either("nmap_os", "nmap-os", sink);
    let nmap_os = word(nmap_os, "unknown-os", "OS family", cx, sink);
    let distro = word(keys.get("distro"), "unknown-distro", "distro", cx, sink);
    let listed = keys.get("services").filter(|e| !e.is_empty());
    let services = match listed {
        // One reading of the defaults is enough for all sections.
        Some(entry) if keys.own("services").is_none() => {
            Some(cx.default_services.get_or_init(|| services(entry, cx, sink)).clone())
        }
        Some(entry) => Some(services(entry, cx, sink)),
        None => None,
    };
    let services = services.filter(|s| !s.is_empty());
    if listed.is_none() && keys.get("archetype").is_none_or(Entry::is_empty) {
        let message = format!("[{}] gets services at random, as nothing says which", show(section.name));
        sink.add(
            Problem::warning("random-services", section.name_span.clone(), message)
                .help("add `services = ssh, http` or `archetype = linux-server`"),
        );
    }
    let mutate_interval =
        keys.either("mutate_interval", "mutate-interval", sink).and_then(|entry| interval(entry, sink));
    let spec = DeckySpec {
        name: DeckyName::placeholder(),
        ip,
        services,
        archetype,
        nmap_os,
        distro,
        hostname,
        mac,
        mutate_interval,
        service_config: Default::default(),
        origin: Origin { file: cx.file.to_owned(), line: section.line, ip_line },
    };
    (spec, places)
}

/// The section's name, or with an amount above one `<name>-01` and so on.
fn names(keys: &Keys, amount: i64, sink: &mut Sink) -> Vec<DeckyName> {
    let base = keys.section.name;
    let names: Result<Vec<DeckyName>, NameError> = if amount == 1 {
        base.parse().map(|name| vec![name])
    } else {
        // The base by itself first, so that its own fault is named and not the longer name's.
        let whole: Result<DeckyName, _> = base.parse();
        whole.and_then(|_| (1..=amount).map(|n| format!("{base}-{n:02}").parse()).collect())
    };
    names.unwrap_or_else(|error| {
        let help = if base.trim() != base {
            "write the name without blanks inside the brackets".to_owned()
        } else if matches!(error, NameError::TooLong(_)) && amount > 1 {
            format!("shorten it: `amount` adds `-{amount:02}`")
        } else {
            "rename the section".to_owned()
        };
        let message = format!("`{}` is no decky name: {error}", show(base));
        sink.add(Problem::error("bad-name", keys.section.name_span.clone(), message).help(help));
        Vec::new()
    })
}

/// The number of deckies; 1 when it is none.
fn amount(entry: &Entry, sink: &mut Sink) -> i64 {
    let number = parse_int(&entry.value);
    let message = match number {
        Some(number) if (1..=MAX_AMOUNT).contains(&number) => return number,
        Some(number) if number > MAX_AMOUNT => {
            format!("`amount` {number} exceeds maximum allowed {MAX_AMOUNT}")
        }
        _ => format!("`amount` must be a positive integer, not `{}`", show(&entry.value)),
    };
    sink.add(
        Problem::error("bad-amount", entry.value_span(), message)
            .help(format!("write a whole number from 1 to {MAX_AMOUNT}"))
            .maybe_help(entry.inline_comment()),
    );
    1
}

/// Refuses what only one decky can have when there are several.
fn single(entry: &Entry, code: &'static str, amount: i64, sink: &mut Sink) -> bool {
    if amount > 1 {
        let key = &entry.key;
        let message =
            format!("Cannot combine {key}= with amount={amount}: {amount} deckies cannot share one {key}");
        let help = format!("leave `{key}` out, or write a section for each decky");
        sink.add(Problem::error(code, entry.key_span.clone(), message).help(help));
    }
    amount <= 1
}

fn address(entry: &Entry, sink: &mut Sink) -> Option<Ipv4Addr> {
    let text = entry.value.trim();
    let Ok(ip) = text.parse::<Ipv4Addr>() else {
        let message = format!("`{}` is no IPv4 address", show(text));
        let help = if text.parse::<std::net::Ipv6Addr>().is_ok() {
            "deckies have IPv4 addresses only"
        } else {
            "write it like 192.168.1.20; leave `ip` out to get the next free one"
        };
        sink.add(
            Problem::error("bad-address", entry.value_span(), message)
                .help(help)
                .maybe_help(entry.inline_comment()),
        );
        return None;
    };
    let why = if ip.is_unspecified() || ip.octets()[0] == 0 {
        "stands for no host"
    } else if ip.is_multicast() {
        "is a multicast address"
    } else if ip.octets()[0] >= 240 {
        "is reserved or broadcast"
    } else if ip == Ipv4Addr::LOCALHOST {
        "is the host itself"
    } else {
        return Some(ip);
    };
    let message = format!("{ip} {why}; no decky can have it");
    sink.add(
        Problem::error("reserved-address", entry.value_span(), message)
            .help("take a free address of the network"),
    );
    None
}

/// Whether it can be a host name: letters, digits, `-`, `_` and dots between, at most 253 bytes (RFC 1035 §2.3.4).
pub(super) fn is_hostname(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

fn hostname(entry: &Entry, sink: &mut Sink) -> Option<String> {
    let name = entry.value.trim();
    if is_hostname(name) {
        return Some(name.to_owned());
    }
    let message = format!("`{}` is no host name", show(name));
    sink.add(
        Problem::error("bad-hostname", entry.value_span(), message)
            .help("a host name has letters, digits, `-` and dots")
            .maybe_help(entry.inline_comment()),
    );
    None
}

fn mac(entry: &Entry, sink: &mut Sink) -> Option<Mac> {
    let text = entry.value.trim();
    let mac = text.parse::<Mac>().ok().filter(|mac| is_station(*mac));
    if mac.is_none() {
        let message = format!("`{}` is no hardware address of a single host", show(text));
        sink.add(
            Problem::error("bad-mac", entry.value_span(), message)
                .help("write it like 52:54:00:12:34:56; the first byte is even")
                .maybe_help(entry.inline_comment()),
        );
    }
    mac
}

/// Neither all zero nor a group address (IEEE 802: lowest bit of the first byte).
pub(super) fn is_station(mac: Mac) -> bool {
    mac.0[0] & 1 == 0 && mac.0 != [0; 6]
}

/// A value that must be a slug of the catalogue.
fn word(
    entry: Option<&Entry>,
    code: &'static str,
    what: &str,
    cx: &Context,
    sink: &mut Sink,
) -> Option<String> {
    let entry = said(entry, sink)?;
    let text = entry.value.trim();
    let known: Vec<&str> = match code {
        "unknown-archetype" => catalog::archetypes().iter().map(|a| a.slug).collect(),
        "unknown-os" => catalog::os_families().iter().map(|o| o.slug).collect(),
        _ => catalog::distros().iter().map(|d| d.slug).collect(),
    };
    if known.contains(&text) {
        return Some(text.to_owned());
    }
    let help = if code == "unknown-archetype" && (catalog::service(text).is_some() || (cx.is_custom)(text)) {
        Some(format!("`{text}` is a service: write `services = {text}`"))
    } else {
        sink.did_you_mean(text, known.iter().copied())
    };
    let message = format!("there is no {what} `{}`", show(text));
    sink.add(
        Problem::error(code, entry.value_span(), message)
            .help(format!("there are {}", known.join(", ")))
            .maybe_help(help)
            .maybe_help(entry.inline_comment()),
    );
    None
}
