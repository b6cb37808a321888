//! Puts tables together: the groups that all agents have.

use std::net::Ipv4Addr;

use super::mib::{Oid, Value};
use crate::catalog;
use crate::model::{Persona, Transport};

/// A table in the making.
pub(crate) struct Table<'a> {
    pub(crate) persona: &'a Persona,
    /// Since when the machine runs, seconds since 1970.
    pub(crate) booted: i64,
    entries: Vec<(Oid, Value)>,
}

/// What an agent says of its machine.
pub(crate) struct System<'a> {
    pub(crate) description: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) contact: &'a str,
    pub(crate) name: &'a str,
    pub(crate) location: &'a str,
    pub(crate) services: i64,
    /// Since when the agent itself runs.
    pub(crate) since: i64,
}

/// One network interface.
pub(crate) struct Interface<'a> {
    pub(crate) index: u32,
    pub(crate) description: &'a str,
    /// IANA's number: 6 for Ethernet, 24 for loopback.
    pub(crate) kind: i64,
    pub(crate) mtu: i64,
    pub(crate) speed: u32,
    pub(crate) mac: &'a [u8],
    pub(crate) up: bool,
    /// Bytes in and out in a second.
    pub(crate) traffic: (u64, u64),
}

/// An identifier written with dots; parts that are no numbers are left out.
pub(crate) fn oid(text: &str) -> Oid {
    text.split('.').filter_map(|part| part.parse().ok()).collect()
}

impl<'a> Table<'a> {
    pub(crate) fn new(persona: &'a Persona, booted: i64) -> Self {
        Self { persona, booted, entries: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<(Oid, Value)> {
        self.entries
    }

    /// Puts an object.
    pub(crate) fn put(&mut self, at: &str, value: Value) {
        self.entries.push((oid(at), value));
    }

    /// Puts cells of one row: a table's entry, the columns, the row's index.
    pub(crate) fn row(&mut self, entry: &str, index: &str, cells: Vec<(u32, Value)>) {
        for (column, value) in cells {
            self.put(&format!("{entry}.{column}.{index}"), value);
        }
    }

    /// A counter that grows since boot, by so much in a thousand seconds.
    pub(crate) fn grows(&self, rate: u64) -> Value {
        Value::Grows { since: self.booted, rate, wide: false }
    }

    /// The same in 64 bits.
    pub(crate) fn grows_wide(&self, rate: u64) -> Value {
        Value::Grows { since: self.booted, rate, wide: true }
    }

    /// A number in `0..bound` that belongs to the machine and `label`.
    pub(crate) fn number(&self, label: &str, bound: u64) -> u64 {
        self.persona.seed.number(&format!("snmp/{label}"), bound)
    }

    /// The group that is asked for first.
    pub(crate) fn system(&mut self, system: &System<'_>) {
        let base = "1.3.6.1.2.1.1";
        self.put(&format!("{base}.1.0"), Value::text(system.description));
        self.put(&format!("{base}.2.0"), Value::Oid(oid(system.kind)));
        self.put(&format!("{base}.3.0"), Value::Since(system.since));
        self.put(&format!("{base}.4.0"), Value::text(system.contact));
        self.put(&format!("{base}.5.0"), Value::text(system.name));
        self.put(&format!("{base}.6.0"), Value::text(system.location));
        self.put(&format!("{base}.7.0"), Value::Integer(system.services));
    }

    /// ifTable and, for agents that have it, ifXTable.
    pub(crate) fn interfaces(&mut self, all: &[Interface<'_>], extended: bool) {
        self.put("1.3.6.1.2.1.2.1.0", Value::Integer(i64::try_from(all.len()).unwrap_or(0)));
        for one in all {
            let index = one.index.to_string();
            let state = if one.up { 1 } else { 2 };
            let (input, output) = one.traffic;
            let packets = |bytes: u64| bytes.saturating_mul(1000) / 610;
            let none = || Value::Counter(0);
            let cells = vec![
                (1, Value::Integer(one.index.into())),
                (2, Value::text(one.description)),
                (3, Value::Integer(one.kind)),
                (4, Value::Integer(one.mtu)),
                (5, Value::Gauge(one.speed)),
                (6, Value::Text(one.mac.to_vec())),
                (7, Value::Integer(state)),
                (8, Value::Integer(state)),
                (9, Value::Ticks(0)),
                (10, self.grows(input.saturating_mul(1000))),
                (11, self.grows(packets(input))),
                (12, self.grows(packets(input) / 40)),
                (13, none()),
                (14, none()),
                (15, none()),
                (16, self.grows(output.saturating_mul(1000))),
                (17, self.grows(packets(output))),
                (18, none()),
                (19, none()),
                (20, none()),
                (21, Value::Gauge(0)),
                (22, Value::Oid(vec![0, 0])),
            ];
            self.row("1.3.6.1.2.1.2.2.1", &index, cells);
            if extended {
                let cells = vec![
                    (1, Value::text(one.description)),
                    (2, self.grows(packets(input) / 40)),
                    (3, none()),
                    (4, none()),
                    (5, none()),
                    (6, self.grows_wide(input.saturating_mul(1000))),
                    (7, self.grows_wide(packets(input))),
                    (8, self.grows_wide(packets(input) / 40)),
                    (9, Value::Counter64(0)),
                    (10, self.grows_wide(output.saturating_mul(1000))),
                    (11, self.grows_wide(packets(output))),
                    (12, Value::Counter64(0)),
                    (13, Value::Counter64(0)),
                    (15, Value::Gauge(one.speed / 1_000_000)),
                    (16, Value::Integer(2)),
                    (17, Value::Integer(1)),
                    (18, Value::text("")),
                    (19, Value::Ticks(0)),
                ];
                self.row("1.3.6.1.2.1.31.1.1.1", &index, cells);
            }
        }
    }

    /// The ip group: counters, the machine's addresses by interface, its routes.
    pub(crate) fn ip(&mut self, ttl: i64, outer: u32, loopback: Option<u32>) {
        let base = "1.3.6.1.2.1.4";
        let rate = 900 + self.number("ip/rate", 40_000);
        self.put(&format!("{base}.1.0"), Value::Integer(2));
        self.put(&format!("{base}.2.0"), Value::Integer(ttl));
        for (at, rate) in [(3, rate), (9, rate - rate / 90), (10, rate - rate / 7)] {
            let value = self.grows(rate);
            self.put(&format!("{base}.{at}.0"), value);
        }
        for at in [4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 23] {
            self.put(&format!("{base}.{at}.0"), Value::Counter(0));
        }
        self.put(&format!("{base}.13.0"), Value::Integer(0));
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        let own = self.persona.ip;
        let [a, b, c, _] = own.octets();
        let mut addresses = vec![(own, outer, mask)];
        if let Some(index) = loopback {
            addresses.push((Ipv4Addr::LOCALHOST, index, Ipv4Addr::new(255, 0, 0, 0)));
        }
        for (ip, index, mask) in addresses {
            let cells = vec![
                (1, Value::Ip(ip)),
                (2, Value::Integer(index.into())),
                (3, Value::Ip(mask)),
                (4, Value::Integer(i64::from(!ip.is_loopback()))),
            ];
            self.row(&format!("{base}.20.1"), &ip.to_string(), cells);
        }
        let mut routes = vec![(Ipv4Addr::new(a, b, c, 0), Ipv4Addr::UNSPECIFIED, mask, 3)];
        if let Some(gateway) = self.persona.gateway {
            routes.push((Ipv4Addr::UNSPECIFIED, gateway, Ipv4Addr::UNSPECIFIED, 4));
        }
        for (to, by, mask, kind) in routes {
            let cells = vec![
                (1, Value::Ip(to)),
                (2, Value::Integer(outer.into())),
                (3, Value::Integer(i64::from(kind == 4))),
                (7, Value::Ip(by)),
                (8, Value::Integer(kind)),
                (9, Value::Integer(2)),
                (11, Value::Ip(mask)),
                (13, Value::Oid(vec![0, 0])),
            ];
            self.row(&format!("{base}.21.1"), &to.to_string(), cells);
        }
    }

    /// The tcp and udp groups: counters, and what listens.
    pub(crate) fn transport(&mut self) {
        let scalars = [
            (1, Value::Integer(1)),
            (2, Value::Integer(200)),
            (3, Value::Integer(120_000)),
            (4, Value::Integer(-1)),
        ];
        for (at, value) in scalars {
            self.put(&format!("1.3.6.1.2.1.6.{at}.0"), value);
        }
        let rate = 20 + self.number("tcp/rate", 900);
        for (at, part) in
            [(5, 9), (6, 3), (7, 20), (8, 11), (10, 1), (11, 1), (12, 400), (14, 4000), (15, 30)]
        {
            let value = self.grows(rate * 20 / part);
            self.put(&format!("1.3.6.1.2.1.6.{at}.0"), value);
        }
        self.put("1.3.6.1.2.1.6.9.0", Value::Gauge(1));
        for (at, part) in [(1, 4), (2, 90), (3, 5000), (4, 4)] {
            let value = self.grows(rate / part);
            self.put(&format!("1.3.6.1.2.1.7.{at}.0"), value);
        }
        let services: Vec<&str> = self.persona.services.keys().map(String::as_str).collect();
        for (_, port) in catalog::ports_of(&services) {
            let number = port.number;
            match port.transport {
                Transport::Tcp => {
                    self.put(&format!("1.3.6.1.2.1.6.13.1.1.0.0.0.0.{number}.0.0.0.0.0"), Value::Integer(2));
                }
                Transport::Udp => {
                    let cells =
                        vec![(1, Value::Ip(Ipv4Addr::UNSPECIFIED)), (2, Value::Integer(number.into()))];
                    self.row("1.3.6.1.2.1.7.5.1", &format!("0.0.0.0.{number}"), cells);
                }
            }
        }
    }

    /// One row of hrStorageTable: index, type, name, bytes of a unit, size and use in units.
    pub(crate) fn storage(&mut self, index: u32, kind: u32, name: &str, unit: i64, size: u64, used: u64) {
        let int = |n: u64| Value::Integer(i64::try_from(n.min(0x7fff_ffff)).unwrap_or(0));
        let cells = vec![
            (1, Value::Integer(index.into())),
            (2, Value::Oid(oid(&format!("1.3.6.1.2.1.25.2.1.{kind}")))),
            (3, Value::text(name)),
            (4, Value::Integer(unit)),
            (5, int(size)),
            (6, int(used)),
            (7, Value::Counter(0)),
        ];
        self.row("1.3.6.1.2.1.25.2.3.1", &index.to_string(), cells);
    }

    /// One row of hrSWRunTable and hrSWRunPerfTable.
    pub(crate) fn process(&mut self, pid: u32, name: &str, path: &str, arguments: &str, cpu: u64, kib: u32) {
        let cut = |text: &str| Value::Text(text.bytes().take(128).collect());
        let index = pid.to_string();
        let system = path.is_empty();
        let cells = vec![
            (1, Value::Integer(pid.into())),
            (2, Value::Text(name.bytes().take(64).collect())),
            (3, Value::Oid(vec![0, 0])),
            (4, cut(path)),
            (5, cut(arguments)),
            (6, Value::Integer(if system { 2 } else { 4 })),
            (7, Value::Integer(2)),
        ];
        self.row("1.3.6.1.2.1.25.4.2.1", &index, cells);
        let cpu = i64::try_from(cpu.min(0x7fff_ffff)).unwrap_or(0);
        let cells = vec![(1, Value::Integer(cpu)), (2, Value::Integer(kib.into()))];
        self.row("1.3.6.1.2.1.25.5.1.1", &index, cells);
    }
}
