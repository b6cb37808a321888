//! What the SNMP service of Windows says.

use super::mib::Value;
use super::table::{Interface, System, Table, oid};
use crate::decoy::domain::people;
use crate::decoy::vfs::Machine;

/// What runs everywhere: path and image, command line, KiB.
const RUNS: &[(&str, &str, &str, u32)] = &[
    ("", "Registry", "", 48_000),
    ("", "smss.exe", "", 1_100),
    ("", "csrss.exe", "", 5_300),
    ("", "wininit.exe", "", 6_500),
    ("", "services.exe", "", 9_800),
    ("C:\\Windows\\system32\\", "lsass.exe", "", 21_000),
    ("C:\\Windows\\system32\\", "svchost.exe", "-k DcomLaunch -p", 19_000),
    ("C:\\Windows\\system32\\", "svchost.exe", "-k RPCSS -p", 12_000),
    ("C:\\Windows\\System32\\", "svchost.exe", "-k termsvcs", 14_000),
    ("C:\\Windows\\System32\\", "svchost.exe", "-k LocalServiceNetworkRestricted -p", 26_000),
    ("C:\\Windows\\system32\\", "svchost.exe", "-k netsvcs -p", 61_000),
    ("C:\\Windows\\system32\\", "svchost.exe", "-k LocalService -p", 17_000),
    ("C:\\Windows\\system32\\", "svchost.exe", "-k NetworkService -p", 15_000),
    ("C:\\Windows\\System32\\", "spoolsv.exe", "", 13_000),
    ("C:\\Program Files\\Windows Defender\\", "MsMpEng.exe", "", 160_000),
    ("C:\\Program Files\\VMware\\VMware Tools\\", "vmtoolsd.exe", "", 22_000),
    ("C:\\Windows\\System32\\", "snmp.exe", "", 11_000),
    ("", "winlogon.exe", "", 9_000),
    ("", "dwm.exe", "", 38_000),
    ("C:\\Windows\\system32\\", "LogonUI.exe", "/flags:0x2 /state0:0xa3b92855 /state1:0x41c64e6d", 44_000),
];

/// What services bring.
const DAEMONS: &[(&str, &str, &str)] = &[
    ("dns", "C:\\Windows\\system32\\", "dns.exe"),
    ("http", "C:\\Windows\\system32\\inetsrv\\", "w3wp.exe"),
    ("ldap", "C:\\Windows\\System32\\", "dfsrs.exe"),
    ("ldap", "C:\\Windows\\System32\\", "ismserv.exe"),
    ("ldap", "C:\\Windows\\ADWS\\", "Microsoft.ActiveDirectory.WebServices.exe"),
    ("mssql", "C:\\Program Files\\Microsoft SQL Server\\MSSQL15.MSSQLSERVER\\MSSQL\\Binn\\", "sqlservr.exe"),
];

/// Fills the table.
pub(super) fn fill(table: &mut Table<'_>, system: &System<'_>) {
    let machine = Machine::new(table.persona);
    table.system(system);
    let busy = 3_000 + table.number("traffic", 80_000);
    let card = if table.persona.mac.0.starts_with(&[0, 0x15, 0x5d]) {
        "Microsoft Hyper-V Network Adapter"
    } else {
        "Intel(R) 82574L Gigabit Network Connection"
    };
    let mac = table.persona.mac.0;
    // Windows ends its texts here with a zero byte.
    let texts = ["Software Loopback Interface 1\0".to_owned(), format!("{card}\0")];
    table.interfaces(
        &[
            Interface {
                index: 1,
                description: &texts[0],
                kind: 24,
                mtu: 1500,
                speed: 1_073_741_824,
                mac: &[],
                up: true,
                traffic: (0, 0),
            },
            Interface {
                index: 12,
                description: &texts[1],
                kind: 6,
                mtu: 1500,
                speed: 1_000_000_000,
                mac: &mac,
                up: true,
                traffic: (busy, busy / 3),
            },
        ],
        true,
    );
    table.ip(128, 12, Some(1));
    table.transport();
    table.put("1.3.6.1.2.1.25.1.1.0", Value::Since(table.booted));
    table.put("1.3.6.1.2.1.25.1.2.0", Value::Now);
    table.put("1.3.6.1.2.1.25.1.5.0", Value::Gauge(2));
    let memory = machine.memory_kib;
    table.put("1.3.6.1.2.1.25.2.2.0", Value::Integer(i64::try_from(memory).unwrap_or(0)));
    let serial = hex::encode(&table.persona.seed.derive("snmp/volume")[..4]);
    let disk = machine.disk_kib / 4;
    let used = disk / 100 * (30 + table.number("disk/used", 45));
    table.storage(1, 4, &format!("C:\\ Label:  Serial Number {serial}"), 4096, disk, used);
    table.storage(2, 3, "Virtual Memory", 65_536, memory / 50, memory / 110);
    table.storage(3, 2, "Physical Memory", 65_536, memory / 64, memory / 120);
    software(table);
    accounts(table);
}

fn software(table: &mut Table<'_>) {
    let mut pid = 4;
    table.process(1, "System Idle Process", "", "", 90_000_000, 8);
    table.process(4, "System", "", "", 600_000, 140);
    let mut count = 2u32;
    let persona = table.persona;
    let daemons = DAEMONS.iter().filter(|(slug, ..)| persona.services.contains_key(*slug));
    let all = RUNS.iter().copied().chain(daemons.map(|(_, path, name)| (*path, *name, "", 54_000)));
    for (path, name, arguments, kib) in all {
        // Numbers are multiples of four.
        pid += 4 * (1 + u32::try_from(table.number(&format!("pid/{name}/{arguments}"), 60)).unwrap_or(1));
        count += 1;
        let cpu = 200 + table.number(&format!("cpu/{name}"), 90_000);
        table.process(pid, name, path, arguments, cpu, kib);
    }
    table.put("1.3.6.1.2.1.25.1.6.0", Value::Gauge(count));
}

/// LAN Manager's table of accounts, which enumerators look for first.
fn accounts(table: &mut Table<'_>) {
    let mut names = vec!["Administrator".to_owned(), "Guest".to_owned(), "DefaultAccount".to_owned()];
    if table.persona.services.contains_key("ldap") {
        names.push("krbtgt".to_owned());
        names.extend(people(table.persona).into_iter().map(|p| p.account));
    }
    table.put("1.3.6.1.4.1.77.1.2.24.0", Value::Integer(i64::try_from(names.len()).unwrap_or(0)));
    for name in names {
        let index: Vec<String> = name.bytes().map(|b| b.to_string()).collect();
        let at = format!("1.3.6.1.4.1.77.1.2.25.1.1.{}.{}", name.len(), index.join("."));
        table.put(&at, Value::text(&name));
    }
    let domain = crate::decoy::domain::Domain::new(table.persona).netbios;
    table.put("1.3.6.1.4.1.77.1.4.1.0", Value::text(&domain));
    table.put("1.3.6.1.2.1.1.8.0", Value::Ticks(0));
    table.put("1.3.6.1.2.1.1.9.1.2.1", Value::Oid(oid("1.3.6.1.4.1.77.1")));
}
