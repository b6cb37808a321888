//! What Net-SNMP says of a Linux machine: the one that the shell shows.

use super::mib::Value;
use super::table::{Interface, System, Table, oid};
use crate::decoy::vfs::Machine;
use crate::decoy::vfs::process::processes;

/// The MIBs that it says it serves.
const SERVED: &[(&str, &str)] = &[
    ("1.3.6.1.6.3.10.3.1.1", "The SNMP Management Architecture MIB."),
    ("1.3.6.1.6.3.11.3.1.1", "The MIB for Message Processing and Dispatching."),
    (
        "1.3.6.1.6.3.15.2.1.1",
        "The management information definitions for the SNMP User-based Security Model.",
    ),
    ("1.3.6.1.6.3.1", "The MIB module for SNMPv2 entities"),
    ("1.3.6.1.6.3.16.2.2.1", "View-based Access Control Model for SNMP."),
    ("1.3.6.1.2.1.49", "The MIB module for managing TCP implementations"),
    ("1.3.6.1.2.1.50", "The MIB module for managing UDP implementations"),
    ("1.3.6.1.2.1.4", "The MIB module for managing IP and ICMP implementations"),
    ("1.3.6.1.6.3.13.3.1.3", "The MIB modules for managing SNMP Notification, plus filtering."),
    ("1.3.6.1.2.1.92", "The MIB module for logging SNMP Notifications."),
];

/// Fills the table.
pub(super) fn fill(table: &mut Table<'_>, system: &System<'_>, engine: Option<&super::agent::Engine>) {
    let machine = Machine::new(table.persona);
    table.system(system);
    table.put("1.3.6.1.2.1.1.8.0", Value::Ticks(1));
    for (n, (id, text)) in (1u32..).zip(SERVED) {
        let cells = vec![(2, Value::Oid(oid(id))), (3, Value::text(text)), (4, Value::Ticks(1))];
        table.row("1.3.6.1.2.1.1.9.1", &n.to_string(), cells);
    }
    let busy = 2_000 + table.number("traffic", 60_000);
    table.interfaces(
        &[
            Interface {
                index: 1,
                description: "lo",
                kind: 24,
                mtu: 65_536,
                speed: 10_000_000,
                mac: &[],
                up: true,
                traffic: (busy / 9, busy / 9),
            },
            Interface {
                index: 2,
                description: machine.distro.interface,
                kind: 6,
                mtu: 1500,
                speed: 1_000_000_000,
                mac: &machine.mac,
                up: true,
                traffic: (busy, busy / 2),
            },
        ],
        true,
    );
    table.ip(64, 2, Some(1));
    table.transport();
    counters(table);
    hardware(table, &machine);
    software(table, &machine);
    memory(table, &machine);
    if let Some(engine) = engine {
        table.put("1.3.6.1.6.3.10.2.1.1.0", Value::Text(engine.id.clone()));
        table.put("1.3.6.1.6.3.10.2.1.2.0", Value::Integer(engine.boots));
        table.put("1.3.6.1.6.3.10.2.1.4.0", Value::Integer(1500));
    }
}

/// The agent's own group.
fn counters(table: &mut Table<'_>) {
    for at in (1..=6).chain(8..=22).chain([24, 25, 26, 27, 28, 29, 31, 32]) {
        let value = if [1, 2, 13, 28].contains(&at) { table.grows(40) } else { Value::Counter(0) };
        table.put(&format!("1.3.6.1.2.1.11.{at}.0"), value);
    }
    table.put("1.3.6.1.2.1.11.30.0", Value::Integer(2));
}

/// Storage and devices.
fn hardware(table: &mut Table<'_>, m: &Machine) {
    let memory = m.memory_kib;
    table.put("1.3.6.1.2.1.25.1.1.0", Value::Since(table.booted));
    table.put("1.3.6.1.2.1.25.1.2.0", Value::Now);
    table.put("1.3.6.1.2.1.25.1.3.0", Value::Integer(393_216));
    let line = format!("BOOT_IMAGE=/boot/vmlinuz-{} root=/dev/sda1 ro quiet\n", m.distro.kernel);
    table.put("1.3.6.1.2.1.25.1.4.0", Value::text(&line));
    table.put("1.3.6.1.2.1.25.1.5.0", Value::Gauge(0));
    table.put("1.3.6.1.2.1.25.1.7.0", Value::Integer(0));
    table.put("1.3.6.1.2.1.25.2.2.0", Value::Integer(i64::try_from(memory).unwrap_or(0)));
    let used = memory / 10 * (6 + table.number("memory/used", 3));
    let (buffers, cached) = (memory / 60, memory / 100 * (22 + table.number("memory/cached", 20)));
    table.storage(1, 2, "Physical memory", 1024, memory, used);
    table.storage(3, 3, "Virtual memory", 1024, memory + 998_396, used);
    table.storage(6, 1, "Memory buffers", 1024, memory, buffers);
    table.storage(7, 1, "Cached memory", 1024, cached, cached);
    table.storage(8, 1, "Shared memory", 1024, 1_180, 1_180);
    table.storage(10, 3, "Swap space", 1024, 998_396, 0);
    let disk = m.disk_kib / 4;
    table.storage(31, 4, "/dev/shm", 4096, memory / 8, 0);
    table.storage(36, 4, "/", 4096, disk, disk / 100 * (9 + table.number("disk/used", 55)));
    for cpu in 0..m.cpus {
        let index = (196_608 + cpu).to_string();
        let vendor = if m.cpu.0.starts_with("AMD") { "AuthenticAMD" } else { "GenuineIntel" };
        let cells = vec![
            (1, Value::Integer(i64::from(196_608 + cpu))),
            (2, Value::Oid(oid("1.3.6.1.2.1.25.3.1.3"))),
            (3, Value::text(&format!("{vendor}: {}", m.cpu.0))),
            (4, Value::Oid(vec![0, 0])),
            (5, Value::Integer(2)),
        ];
        table.row("1.3.6.1.2.1.25.3.2.1", &index, cells);
        let load = i64::try_from(1 + table.number(&format!("cpu/{cpu}"), 9)).unwrap_or(1);
        let cells = vec![(1, Value::Oid(vec![0, 0])), (2, Value::Integer(load))];
        table.row("1.3.6.1.2.1.25.3.3.1", &index, cells);
    }
    for (index, name) in [(262_145u32, "lo"), (262_146, m.distro.interface)] {
        let cells = vec![
            (1, Value::Integer(index.into())),
            (2, Value::Oid(oid("1.3.6.1.2.1.25.3.1.4"))),
            (3, Value::text(&format!("network interface {name}"))),
            (4, Value::Oid(vec![0, 0])),
            (5, Value::Integer(2)),
            (6, Value::Counter(0)),
        ];
        table.row("1.3.6.1.2.1.25.3.2.1", &index.to_string(), cells);
    }
}

/// What runs.
fn software(table: &mut Table<'_>, m: &Machine) {
    let all = processes(m);
    let count = u32::try_from(all.len()).unwrap_or(0);
    for process in &all {
        let kernel = process.command.starts_with('[');
        let (path, rest) = process.command.split_once(' ').unwrap_or((&process.command, ""));
        let cpu = u64::from(process.per_day).saturating_mul(700);
        let path = if kernel { "" } else { path };
        let rest = if kernel { "" } else { rest };
        table.process(process.pid, process.name(), path, rest, cpu, process.rss);
    }
    table.put("1.3.6.1.2.1.25.1.6.0", Value::Gauge(count));
}

/// UCD-SNMP: memory, load, ticks.
fn memory(table: &mut Table<'_>, m: &Machine) {
    let base = "1.3.6.1.4.1.2021";
    let kib = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(0));
    let total = m.memory_kib;
    let free = total / 10 * (4 - table.number("memory/used", 3).min(3));
    let rows = [
        (1, Value::Integer(0)),
        (2, Value::text("swap")),
        (3, kib(998_396)),
        (4, kib(998_396)),
        (5, kib(total)),
        (6, kib(free)),
        (11, kib(free + 998_396)),
        (12, kib(16_000)),
        (13, kib(1_180)),
        (14, kib(total / 60)),
        (15, kib(total / 100 * (22 + table.number("memory/cached", 20)))),
        (100, Value::Integer(0)),
        (101, Value::text("")),
    ];
    for (at, value) in rows {
        table.put(&format!("{base}.4.{at}.0"), value);
    }
    for (n, minutes) in [(1u32, 1), (2, 5), (3, 15)] {
        let load = table.number(&format!("load/{minutes}"), 35);
        let hundredths = i64::try_from(load).unwrap_or(0);
        let cells = vec![
            (1, Value::Integer(n.into())),
            (2, Value::text(&format!("Load-{minutes}"))),
            (3, Value::text(&format!("0.{load:02}"))),
            (4, Value::text("12.00")),
            (5, Value::Integer(hundredths)),
            (6, Value::Float(f32::from(u16::try_from(load).unwrap_or(0)) / 100.0)),
            (100, Value::Integer(0)),
            (101, Value::text("")),
        ];
        table.row(&format!("{base}.10.1"), &n.to_string(), cells);
    }
    table.put(&format!("{base}.11.1.0"), Value::Integer(1));
    table.put(&format!("{base}.11.2.0"), Value::text("systemStats"));
    for (at, rate) in [(50u32, 700), (51, 4), (52, 500), (53, 97_000), (54, 60), (57, 2_000), (58, 9_000)] {
        let value = table.grows(rate * u64::from(m.cpus));
        table.put(&format!("{base}.11.{at}.0"), value);
    }
    table.put(&format!("{base}.100.1.0"), Value::Integer(1));
    table.put(&format!("{base}.100.2.0"), Value::text("5.9.3"));
}
