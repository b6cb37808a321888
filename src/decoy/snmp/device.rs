//! What switches, printers and small devices say.

use super::mib::Value;
use super::table::{Interface, System, Table, oid};

/// Makers of printers by MAC prefix: description, object, enterprise number, model, toner.
pub(super) struct Printer {
    prefix: [u8; 3],
    pub(super) description: &'static str,
    pub(super) object: &'static str,
    pub(super) enterprise: u32,
    model: &'static str,
    supply: &'static str,
}

const PRINTERS: &[Printer] = &[
    Printer {
        prefix: [0x94, 0x57, 0xa5],
        description: "HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD153,EEPROM JSI24090012,CIDATE 10/14/2021",
        object: "1.3.6.1.4.1.11.2.3.9.1",
        enterprise: 11,
        model: "HP LaserJet Pro M404dn",
        supply: "Black Cartridge HP CF259X",
    },
    Printer {
        prefix: [0x30, 0x05, 0x5c],
        description: "Brother NC-8900h, Firmware Ver.1.19  (19.09.26),MID 8CE-420,FID 2",
        object: "1.3.6.1.4.1.2435.2.3.9.1",
        enterprise: 2435,
        model: "Brother HL-L5200DW series",
        supply: "Black Toner Cartridge",
    },
    Printer {
        prefix: [0x00, 0x80, 0x77],
        description: "Brother NC-6800h, Firmware Ver.1.09  (11.06.24),MID 84E-807,FID 2",
        object: "1.3.6.1.4.1.2435.2.3.9.1",
        enterprise: 2435,
        model: "Brother HL-5450DN series",
        supply: "Black Toner Cartridge",
    },
    Printer {
        prefix: [0x18, 0x0c, 0xac],
        description: "Canon MF440 Series /P",
        object: "1.3.6.1.4.1.1602.4.7",
        enterprise: 1602,
        model: "Canon MF440 Series",
        supply: "Canon Cartridge 057 Black Toner",
    },
    Printer {
        prefix: [0x64, 0xeb, 0x8c],
        description: "EPSON Built-in 11b/g/n Print Server",
        object: "1.3.6.1.4.1.1248.1.1.2.2.100.98.95.3",
        enterprise: 1248,
        model: "EPSON WF-C5710 Series",
        supply: "Black Ink Cartridge T9441",
    },
    Printer {
        prefix: [0x00, 0x21, 0xb7],
        description: "Lexmark MS610dn version LW63.PR2.P694 kernel 3.0.0 All-N-1",
        object: "1.3.6.1.4.1.641.2.71238849",
        enterprise: 641,
        model: "Lexmark MS610dn",
        supply: "Black Toner",
    },
    Printer {
        prefix: [0x9c, 0x93, 0x4e],
        description: "Xerox Phaser 6510; System 64.59.11, Controller 201802211153, IOT 36.02.00, Boot 201703131152",
        object: "1.3.6.1.4.1.253.8.62.1.38.3.3.1",
        enterprise: 253,
        model: "Xerox Phaser 6510",
        supply: "Black Toner Cartridge",
    },
];

/// The printer that a MAC address belongs to.
pub(super) fn printer(mac: [u8; 6]) -> &'static Printer {
    PRINTERS.iter().find(|p| mac.starts_with(&p.prefix)).unwrap_or(&PRINTERS[0])
}

fn one_card(table: &mut Table<'_>, name: &str, speed: u32) {
    let mac = table.persona.mac.0;
    let busy = 200 + table.number("traffic", 4_000);
    let traffic = (busy, busy / 6);
    let card =
        Interface { index: 1, description: name, kind: 6, mtu: 1500, speed, mac: &mac, up: true, traffic };
    table.interfaces(&[card], false);
    table.ip(64, 1, None);
    table.transport();
}

/// A printer: the system, its card, and Printer-MIB (RFC 3805) as far as it is looked at.
pub(super) fn fill_printer(table: &mut Table<'_>, system: &System<'_>) {
    let printer = printer(table.persona.mac.0);
    table.system(system);
    one_card(table, printer.description, 100_000_000);
    table.put("1.3.6.1.2.1.25.1.1.0", Value::Since(table.booted));
    let cells = vec![
        (1, Value::Integer(1)),
        (2, Value::Oid(oid("1.3.6.1.2.1.25.3.1.5"))),
        (3, Value::text(printer.model)),
        (4, Value::Oid(vec![0, 0])),
        (5, Value::Integer(2)),
        (6, Value::Counter(0)),
    ];
    table.row("1.3.6.1.2.1.25.3.2.1", "1", cells);
    table.row("1.3.6.1.2.1.25.3.5.1", "1", vec![(1, Value::Integer(3)), (2, Value::Text(vec![0]))]);
    let serial = hex::encode_upper(&table.persona.seed.derive("printer/serial")[..5]);
    let pages = 4_000 + table.number("printer/pages", 180_000);
    table.put("1.3.6.1.2.1.43.5.1.1.16.1", Value::text(printer.model));
    table.put("1.3.6.1.2.1.43.5.1.1.17.1", Value::text(&serial));
    table.put("1.3.6.1.2.1.43.10.2.1.4.1.1", Value::Counter(u32::try_from(pages).unwrap_or(0)));
    let left = 5 + i64::try_from(table.number("printer/toner", 90)).unwrap_or(50);
    let cells = vec![
        (2, Value::Integer(1)),
        (3, Value::Integer(1)),
        (4, Value::Integer(3)),
        (5, Value::Integer(3)),
        (6, Value::text(printer.supply)),
        (7, Value::Integer(19)),
        (8, Value::Integer(100)),
        (9, Value::Integer(left)),
    ];
    table.row("1.3.6.1.2.1.43.11.1.1", "1.1", cells);
    table.put("1.3.6.1.2.1.43.16.5.1.2.1.1", Value::text("Ready"));
}

/// Text of Cisco's IOS on an integrated services router.
pub(super) const IOS: &str = "Cisco IOS Software, C2900 Software (C2900-UNIVERSALK9-M), Version 15.7(3)M8, RELEASE SOFTWARE (fc1)\r\nTechnical Support: http://www.cisco.com/techsupport\r\nCopyright (c) 1986-2021 by Cisco Systems, Inc.\r\nCompiled Thu 11-Mar-21 05:13 by prod_rel_team";

/// A router of Cisco's.
pub(super) fn fill_cisco(table: &mut Table<'_>, system: &System<'_>) {
    table.system(system);
    table.put("1.3.6.1.2.1.1.8.0", Value::Ticks(0));
    let mac = table.persona.mac.0;
    let busy = 9_000 + table.number("traffic", 300_000);
    let mut all = vec![Interface {
        index: 1,
        description: "Embedded-Service-Engine0/0",
        kind: 6,
        mtu: 1500,
        speed: 10_000_000,
        mac: &[0; 6],
        up: false,
        traffic: (0, 0),
    }];
    let cards: Vec<(u32, String, [u8; 6])> = (0..3u8)
        .map(|n| {
            let [a, b, c, d, e, f] = mac;
            (u32::from(n) + 2, format!("GigabitEthernet0/{n}"), [a, b, c, d, e, f.wrapping_add(n)])
        })
        .collect();
    for (index, name, mac) in &cards {
        all.push(Interface {
            index: *index,
            description: name,
            kind: 6,
            mtu: 1500,
            speed: 1_000_000_000,
            mac,
            up: *index < 4,
            traffic: if *index < 4 { (busy, busy / 2) } else { (0, 0) },
        });
    }
    table.interfaces(&all, true);
    table.ip(255, 2, None);
    table.put("1.3.6.1.2.1.4.1.0", Value::Integer(1));
    table.transport();
    let serial = hex::encode_upper(&table.persona.seed.derive("cisco/serial")[..4]);
    let cells = vec![
        (2, Value::text("CISCO2911/K9 chassis")),
        (7, Value::text("CISCO2911/K9 chassis")),
        (11, Value::text(&format!("FTX{serial}"))),
        (13, Value::text("CISCO2911/K9")),
    ];
    table.row("1.3.6.1.2.1.47.1.1.1.1", "1", cells);
    // avgBusy: what a router spends its time on.
    for (at, most) in [(56, 9), (57, 8), (58, 8)] {
        let busy = i64::try_from(1 + table.number(&format!("busy/{at}"), most)).unwrap_or(1);
        table.put(&format!("1.3.6.1.4.1.9.2.1.{at}.0"), Value::Integer(busy));
    }
}

/// A small device: the system and its card.
pub(super) fn fill_small(table: &mut Table<'_>, system: &System<'_>, card: &str) {
    table.system(system);
    one_card(table, card, 100_000_000);
}
