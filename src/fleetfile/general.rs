//! `[general]`: the network of the fleet (facts: upstream §1.2, and keys of our own).

use std::net::Ipv4Addr;
use std::ops::Range;

use super::diagnostic::{Problem, Sink};
use super::entry::Entry;
use super::escape::show;
use super::section::{GENERAL_KEYS, Keys, said};
use crate::catalog::{self, parse_bool, parse_int};
use crate::model::{Driver, GeneralSpec, Probing};

/// Where the network settings stand, for problems of deckies with them.
#[derive(Default)]
pub(super) struct GeneralPlaces {
    pub(super) net: Option<Range<usize>>,
    pub(super) gw: Option<Range<usize>>,
}

pub(super) fn general(keys: &Keys, sink: &mut Sink) -> (GeneralSpec, GeneralPlaces) {
    keys.warn_unknown(GENERAL_KEYS, "[general]", sink);
    let mut spec = GeneralSpec::default();
    let mut places = GeneralPlaces::default();
    if let Some(entry) = said(keys.get("net"), sink) {
        places.net = Some(entry.value_span());
        spec.subnet = parsed(entry, "bad-net", "write it like 192.168.1.0/24", sink);
    }
    if let Some(entry) = said(keys.get("gw"), sink) {
        places.gw = Some(entry.value_span());
        spec.gateway = parsed::<Ipv4Addr>(entry, "bad-gateway", "write it like 192.168.1.1", sink);
    }
    if let Some(entry) = said(keys.get("driver"), sink) {
        spec.driver = driver(entry, sink);
    }
    spec.interface = said(keys.get("interface"), sink).and_then(|entry| interface(entry, sink));
    if let Some(entry) = said(keys.get("port_offset"), sink) {
        spec.port_offset = parse_int(&entry.value).and_then(|n| u16::try_from(n).ok());
        if spec.port_offset.is_none() {
            wrong(entry, "bad-port-offset", "write a whole number from 0 to 65535", sink);
        }
    }
    if let Some(entry) = said(keys.get("log_target"), sink) {
        spec.log_target = parsed(
            entry,
            "bad-log-target",
            "write it like udp://192.0.2.10:514 or tcp://log.example:601",
            sink,
        );
    }
    if let Some(entry) = said(keys.get("host_access"), sink) {
        spec.host_access = parse_bool(&entry.value);
        if spec.host_access.is_none() {
            wrong(entry, "bad-host-access", "write true or false", sink);
        }
    }
    if let Some(entry) = said(keys.get("probe"), sink) {
        spec.probe = Probing::ALL.into_iter().find(|p| p.as_str() == entry.value.trim());
        if spec.probe.is_none() {
            wrong(entry, "bad-probe", "write fast, full or off", sink);
        }
    }
    spec.mutate_interval =
        keys.either("mutate_interval", "mutate-interval", sink).and_then(|entry| interval(entry, sink));
    fit(&spec, &places, sink);
    (spec, places)
}

/// Whether net, gateway and driver go together.
fn fit(spec: &GeneralSpec, places: &GeneralPlaces, sink: &mut Sink) {
    let (Some(net), Some(at)) = (spec.subnet, places.net.clone()) else { return };
    match spec.driver {
        Some(Driver::Loopback) if !net.is_loopback() => {
            let message = format!("{net} is outside 127.0.0.0/8, where the loopback driver works");
            sink.add(
                Problem::error("bad-net", at.clone(), message).help("take 127.77.0.0/16, or leave `net` out"),
            );
        }
        Some(driver @ (Driver::Macvlan | Driver::Ipvlan)) if net.is_loopback() => {
            let message = format!("{net} is the host's own loopback; the {driver} driver cannot use it");
            sink.add(
                Problem::error("bad-net", at.clone(), message)
                    .help("take the network of the interface, or `driver = loopback`"),
            );
        }
        _ => {}
    }
    let (Some(gateway), Some(gw_at)) = (spec.gateway, places.gw.clone()) else { return };
    let why = if !net.contains(gateway) {
        "is outside"
    } else if gateway == net.network() && net.prefix() < 31 {
        "is the network address of"
    } else if gateway == net.broadcast() && net.prefix() < 31 {
        "is the broadcast address of"
    } else {
        return;
    };
    let message = format!("the gateway {gateway} {why} {net}");
    sink.add(
        Problem::error("bad-gateway", gw_at, message)
            .related(at, "the network")
            .help("the gateway is an address of the network that a router has"),
    );
}

fn driver(entry: &Entry, sink: &mut Sink) -> Option<Driver> {
    let word = entry.value.trim();
    let driver = word.parse().ok();
    if driver.is_none() {
        let known = ["loopback", "macvlan", "ipvlan"];
        let near = catalog::nearest(word, known.into_iter()).map(|near| format!("did you mean `{near}`?"));
        let message = format!("there is no driver `{}`", show(word));
        sink.add(
            Problem::error("unknown-driver", entry.value_span(), message)
                .help("there are loopback, macvlan and ipvlan")
                .maybe_help(near)
                .maybe_help(entry.inline_comment()),
        );
    }
    driver
}

/// Whether the kernel could call an interface that, and people do: at most 15 bytes.
pub(super) fn is_interface(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b':');
    (1..=15).contains(&name.len()) && name.bytes().all(plain) && name != "." && name != ".."
}

fn interface(entry: &Entry, sink: &mut Sink) -> Option<String> {
    let name = entry.value.trim();
    if is_interface(name) {
        return Some(name.to_owned());
    }
    wrong(
        entry,
        "bad-interface",
        "write the name of a network interface, like eth0, of at most 15 characters",
        sink,
    );
    None
}

/// `mutate_interval`, of `[general]` or of a decky.
pub(super) fn interval(entry: &Entry, sink: &mut Sink) -> Option<u32> {
    let minutes = parse_int(&entry.value).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    if minutes.is_none() {
        let message =
            format!("`{}` must be an integer of at least 1, not `{}`", entry.key, show(&entry.value));
        sink.add(
            Problem::error("bad-interval", entry.value_span(), message)
                .help("write whole minutes; leave the key out for never")
                .maybe_help(entry.inline_comment()),
        );
    }
    minutes
}

fn parsed<T: std::str::FromStr>(entry: &Entry, code: &'static str, help: &str, sink: &mut Sink) -> Option<T> {
    let value = entry.value.trim().parse().ok();
    if value.is_none() {
        wrong(entry, code, help, sink);
    }
    value
}

fn wrong(entry: &Entry, code: &'static str, help: &str, sink: &mut Sink) {
    let message = format!("`{}` cannot be `{}`", entry.key, show(&entry.value));
    sink.add(Problem::error(code, entry.value_span(), message).help(help).maybe_help(entry.inline_comment()));
}
