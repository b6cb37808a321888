//! Which network the fleet lives on: flags, then file, then what is recorded, then what was detected.

use std::net::Ipv4Addr;

use crate::model::{Driver, Fleet, GeneralSpec, Network, Probing, Subnet};

use super::refusal::{Refusal, RefusalKind};
use super::request::{Detected, Host, Mode, Overrides};

/// Where loopback fleets live when nothing is said.
pub const DEFAULT_LOOPBACK: &str = "127.77.0.0/16";

/// What was asked for in so many words, flags before file.
struct Asked<'a> {
    driver: Option<Driver>,
    interface: Option<&'a str>,
    subnet: Option<Subnet>,
    gateway: Option<Ipv4Addr>,
}

/// The network of the fleet after this call.
pub(super) struct Merged {
    pub(super) network: Network,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: Vec<String>,
    /// What deckies of this call get instead of the fleet's `mutate_interval`.
    pub(super) mutate_interval: Option<u32>,
}

/// Merges; `Err` when no network can be told at all.
pub(super) fn merge(
    general: &GeneralSpec,
    flags: &Overrides,
    fleet: &Fleet,
    host: &Host,
    mode: Mode,
) -> Result<Merged, Vec<Refusal>> {
    let asked = Asked {
        driver: flags.driver.or(general.driver),
        interface: flags.interface.as_deref().or(general.interface.as_deref()),
        subnet: flags.subnet.or(general.subnet),
        gateway: flags.gateway.or(general.gateway),
    };
    let recorded = fleet.network.as_ref();
    let driver = asked.driver.unwrap_or_else(|| implied_driver(&asked, recorded));
    // Interface and addresses of a LAN mean nothing on loopback, and the other way round.
    let recorded = recorded.filter(|r| (r.driver == Driver::Loopback) == (driver == Driver::Loopback));
    let (mut network, warnings) = match driver {
        Driver::Loopback => (loopback(&asked, recorded)?, Vec::new()),
        Driver::Macvlan | Driver::Ipvlan => lan(driver, &asked, recorded, host.detected.as_ref())?,
    };
    options(&mut network, general, fleet.network.as_ref());

    let mut refusals = Vec::new();
    let mut mutate_interval = None;
    if driver != Driver::Loopback {
        match general.port_offset {
            Some(offset) if offset > 0 => refusals.push(Refusal::invalid(format!(
                "`port_offset` is for the loopback driver only; on {driver} every decky has an address and all ports of its own"
            ))),
            _ => network.port_offset = 0,
        }
    }
    // A fleet without deckies binds nobody: its network may still be chosen anew.
    if let (Mode::Additive, Some(before), false) = (mode, &fleet.network, fleet.members.is_empty()) {
        refusals.extend(conflicts(before, &network, &asked));
        if general.mutate_interval.is_some() && network.mutate_interval != before.mutate_interval {
            // Existing deckies keep theirs; the new ones can have their own.
            mutate_interval = network.mutate_interval;
            network.mutate_interval = before.mutate_interval;
        }
    }
    Ok(Merged { network, refusals, warnings, mutate_interval })
}

fn implied_driver(asked: &Asked<'_>, recorded: Option<&Network>) -> Driver {
    if asked.interface == Some("lo") || asked.subnet.is_some_and(Subnet::is_loopback) {
        return Driver::Loopback;
    }
    recorded.map_or(Driver::Macvlan, |r| r.driver)
}

fn loopback(asked: &Asked<'_>, recorded: Option<&Network>) -> Result<Network, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let default = || DEFAULT_LOOPBACK.parse().ok();
    let subnet = asked.subnet.or(recorded.map(|r| r.subnet)).or_else(default);
    if let Some(subnet) = subnet.filter(|s| !s.is_loopback()) {
        refusals.push(Refusal::invalid(format!(
            "the loopback driver takes its addresses from 127.0.0.0/8, not from {subnet}; leave `net` out for {DEFAULT_LOOPBACK}"
        )));
    }
    if let Some(interface) = asked.interface.filter(|i| *i != "lo") {
        refusals.push(Refusal::invalid(format!(
            "the loopback driver uses the interface `lo`, not `{interface}`; leave `interface` out, or say `driver = macvlan`"
        )));
    }
    if let Some(gateway) = asked.gateway {
        refusals.push(Refusal::invalid(format!(
            "the loopback driver has no gateway; leave out {gateway}, or say `driver = macvlan`"
        )));
    }
    match subnet {
        Some(subnet) if refusals.is_empty() => Ok(blank(Driver::Loopback, "lo", subnet, None)),
        _ => Err(refusals),
    }
}

fn lan(
    driver: Driver,
    asked: &Asked<'_>,
    recorded: Option<&Network>,
    detected: Option<&Detected>,
) -> Result<(Network, Vec<String>), Vec<Refusal>> {
    let interface =
        asked.interface.or(recorded.map(|r| r.interface.as_str())).or(detected.map(|d| d.interface.as_str()));
    // What was detected is true of that interface only.
    let detected = detected.filter(|d| Some(d.interface.as_str()) == interface);
    let moved = recorded.is_some_and(|r| Some(r.interface.as_str()) != interface);
    let recorded_subnet = recorded.map(|r| r.subnet);
    let detected_subnet = detected.map(|d| d.subnet);
    let known = if moved { detected_subnet.or(recorded_subnet) } else { recorded_subnet.or(detected_subnet) };
    let (Some(interface), Some(subnet)) = (interface, asked.subnet.or(known)) else {
        return Err(vec![undetected(driver, interface)]);
    };
    if subnet.is_loopback() {
        return Err(vec![Refusal::invalid(format!(
            "{subnet} is inside 127.0.0.0/8, which {driver} cannot serve; say `driver = loopback`"
        ))]);
    }
    if let Some(gateway) = asked.gateway.filter(|g| !subnet.contains(*g)) {
        let mut refusal = Refusal::invalid(format!("the gateway {gateway} lies outside the subnet {subnet}"));
        refusal.address = Some(gateway);
        return Err(vec![refusal]);
    }
    // A recorded network without a gateway stays one.
    let same = recorded.filter(|r| r.subnet == subnet && !moved);
    let found = [recorded.and_then(|r| r.gateway), detected.and_then(|d| d.gateway)];
    let found = || found.into_iter().flatten().find(|g| subnet.contains(*g));
    let gateway = asked.gateway.or_else(|| same.map_or_else(found, |r| r.gateway));
    let mut warnings = Vec::new();
    if gateway.is_none() {
        warnings.push(format!(
            "no gateway is known for {subnet}: deckies answer their own network only; set `gw` in [general]"
        ));
    }
    Ok((blank(driver, interface, subnet, gateway), warnings))
}

fn blank(driver: Driver, interface: &str, subnet: Subnet, gateway: Option<Ipv4Addr>) -> Network {
    Network {
        driver,
        interface: interface.to_owned(),
        subnet,
        gateway,
        port_offset: 0,
        log_target: None,
        host_access: false,
        probe: Probing::default(),
        mutate_interval: None,
    }
}

/// What has a default or stays as it was recorded, whatever the driver.
fn options(network: &mut Network, general: &GeneralSpec, recorded: Option<&Network>) {
    network.port_offset = general.port_offset.or(recorded.map(|r| r.port_offset)).unwrap_or(0);
    network.log_target = general.log_target.clone().or_else(|| recorded.and_then(|r| r.log_target.clone()));
    network.host_access = general.host_access.or(recorded.map(|r| r.host_access)).unwrap_or(false);
    network.probe = general.probe.or(recorded.map(|r| r.probe)).unwrap_or_default();
    network.mutate_interval = general.mutate_interval.or(recorded.and_then(|r| r.mutate_interval));
}

fn undetected(driver: Driver, interface: Option<&str>) -> Refusal {
    let why = match interface {
        Some(interface) => {
            format!("the subnet of `{interface}` is not known: the default route does not lead through it")
        }
        None => "no default route was found, so the network cannot be told".to_owned(),
    };
    let interface = interface.unwrap_or("eth0");
    Refusal::new(
        RefusalKind::Environment,
        format!(
            "{why}; say it in the file:\n\n    [general]\n    driver = {driver}\n    interface = {interface}\n    net = 192.168.1.0/24\n    gw = 192.168.1.1\n\nor try it out on this host alone with `driver = loopback`"
        ),
    )
}

/// One refusal for each property of the network that was asked for and differs from the recorded
/// one. What merely follows from another (a gateway from its subnet) is not listed.
fn conflicts(before: &Network, after: &Network, asked: &Asked<'_>) -> Vec<Refusal> {
    let offset = |n: &Network| n.port_offset.to_string();
    let target = |n: &Network| n.log_target.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let gateway = |n: &Network| n.gateway.map_or_else(|| "none".to_owned(), |g| g.to_string());
    [
        ("driver", true, before.driver.to_string(), after.driver.to_string()),
        ("interface", asked.interface.is_some(), before.interface.clone(), after.interface.clone()),
        ("subnet", asked.subnet.is_some(), before.subnet.to_string(), after.subnet.to_string()),
        ("gateway", asked.gateway.is_some(), gateway(before), gateway(after)),
        ("port_offset", true, offset(before), offset(after)),
        ("log_target", true, target(before), target(after)),
        ("host_access", true, before.host_access.to_string(), after.host_access.to_string()),
        ("probe", true, before.probe.to_string(), after.probe.to_string()),
    ]
    .into_iter()
    .filter(|(_, asked, old, new)| *asked && old != new)
    .map(|(what, _, old, new)| {
        Refusal::conflict(format!(
            "the fleet's {what} is {old}, this deploy asks for {new}; leave it out, or move the whole fleet with --replace-fleet"
        ))
    })
    .collect()
}

/// Whether every decky has to be made again on the new network.
pub(super) fn moves(before: &Network, after: &Network) -> bool {
    before.driver != after.driver
        || before.interface != after.interface
        || before.subnet != after.subnet
        || before.gateway != after.gateway
        || after.driver == Driver::Macvlan && before.host_access != after.host_access
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures;

    fn merged(general: &GeneralSpec, fleet: &Fleet, host: &Host, mode: Mode) -> Result<Merged, Vec<Refusal>> {
        merge(general, &Overrides::default(), fleet, host, mode)
    }

    #[test]
    fn flags_win_over_file_over_recorded_over_detected() {
        let host = fixtures::host();
        let detected = merged(&GeneralSpec::default(), &Fleet::default(), &host, Mode::Additive).unwrap();
        assert_eq!(detected.network, fixtures::lan());

        let mut fleet = Fleet { network: Some(fixtures::lan()), ..Fleet::default() };
        fleet.network.as_mut().unwrap().interface = "eth7".to_owned();
        let recorded = merged(&GeneralSpec::default(), &fleet, &host, Mode::Additive).unwrap();
        assert_eq!(recorded.network.interface, "eth7");

        let general = GeneralSpec {
            interface: Some("eth8".to_owned()),
            subnet: Some("10.0.0.0/24".parse().unwrap()),
            gateway: Some("10.0.0.1".parse().unwrap()),
            ..GeneralSpec::default()
        };
        let file = merged(&general, &fleet, &host, Mode::Replace).unwrap();
        assert_eq!(
            (file.network.interface.as_str(), file.network.subnet.to_string().as_str()),
            ("eth8", "10.0.0.0/24")
        );

        let flags = Overrides { interface: Some("eth9".to_owned()), ..Overrides::default() };
        let flagged = merge(&general, &flags, &fleet, &host, Mode::Replace).unwrap();
        assert_eq!(flagged.network.interface, "eth9");
    }

    #[test]
    fn loopback_has_defaults_and_is_implied() {
        let nowhere = Host::default();
        let driver = GeneralSpec { driver: Some(Driver::Loopback), ..GeneralSpec::default() };
        let by_driver = merged(&driver, &Fleet::default(), &nowhere, Mode::Additive).unwrap().network;
        assert_eq!(by_driver, fixtures::loopback());
        let net = GeneralSpec { subnet: Some("127.5.0.0/24".parse().unwrap()), ..GeneralSpec::default() };
        let by_net = merged(&net, &Fleet::default(), &nowhere, Mode::Additive).unwrap().network;
        assert_eq!((by_net.driver, by_net.interface.as_str()), (Driver::Loopback, "lo"));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let host = fixtures::host();
        let loopback = GeneralSpec { driver: Some(Driver::Loopback), ..GeneralSpec::default() };
        let cases = [
            (GeneralSpec { subnet: Some("10.0.0.0/8".parse().unwrap()), ..loopback.clone() }, "127.0.0.0/8"),
            (GeneralSpec { interface: Some("eth0".to_owned()), ..loopback.clone() }, "`lo`"),
            (GeneralSpec { gateway: Some("127.0.0.9".parse().unwrap()), ..loopback.clone() }, "no gateway"),
            (
                GeneralSpec { gateway: Some("10.9.9.9".parse().unwrap()), ..GeneralSpec::default() },
                "outside the subnet",
            ),
            (
                GeneralSpec {
                    driver: Some(Driver::Macvlan),
                    subnet: Some("127.1.0.0/16".parse().unwrap()),
                    ..GeneralSpec::default()
                },
                "driver = loopback",
            ),
        ];
        for (general, expected) in cases {
            let refusals =
                merged(&general, &Fleet::default(), &host, Mode::Additive).map(|_| ()).unwrap_err();
            assert_eq!(refusals.len(), 1);
            assert_eq!(refusals[0].kind, RefusalKind::Invalid);
            assert!(refusals[0].message.contains(expected), "{}", refusals[0].message);
        }
        let offset = GeneralSpec { port_offset: Some(9000), ..GeneralSpec::default() };
        let merged = merged(&offset, &Fleet::default(), &host, Mode::Additive).unwrap();
        assert!(merged.refusals[0].message.contains("port_offset"), "{:?}", merged.refusals);
    }

    #[test]
    fn without_a_route_the_lines_to_write_are_shown() {
        let nowhere = Host::default();
        let refusals = merged(&GeneralSpec::default(), &Fleet::default(), &nowhere, Mode::Additive)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(refusals[0].kind, RefusalKind::Environment);
        assert!(refusals[0].message.contains("[general]") && refusals[0].message.contains("net ="));
        // Detected facts are those of another interface.
        let other = GeneralSpec { interface: Some("wlan0".to_owned()), ..GeneralSpec::default() };
        let refusals =
            merged(&other, &Fleet::default(), &fixtures::host(), Mode::Additive).map(|_| ()).unwrap_err();
        assert!(refusals[0].message.contains("`wlan0`"), "{}", refusals[0].message);
    }

    #[test]
    fn a_recorded_network_binds_additive_deploys() {
        let fleet = fixtures::deployed(vec![fixtures::spec("web-01")]);
        let host = fixtures::host();
        let general = GeneralSpec {
            subnet: Some("192.168.0.0/16".parse().unwrap()),
            log_target: Some("10.0.0.1".parse().unwrap()),
            host_access: Some(true),
            mutate_interval: Some(60),
            ..GeneralSpec::default()
        };
        let additive = merged(&general, &fleet, &host, Mode::Additive).unwrap();
        let messages: Vec<_> = additive.refusals.iter().map(|r| r.message.as_str()).collect();
        assert_eq!(messages.len(), 3, "{messages:#?}");
        assert!(messages[0].contains("192.168.1.0/24") && messages[0].contains("192.168.0.0/16"));
        assert!(additive.refusals.iter().all(|r| r.hint == Some("replace_fleet")));
        assert_eq!((additive.network.mutate_interval, additive.mutate_interval), (None, Some(60)));

        let replace = merged(&general, &fleet, &host, Mode::Replace).unwrap();
        assert!(replace.refusals.is_empty());
        assert_eq!(replace.network.mutate_interval, Some(60));

        let emptied = Fleet { members: Vec::new(), ..fleet };
        assert!(merged(&general, &emptied, &host, Mode::Additive).unwrap().refusals.is_empty());
    }
}
