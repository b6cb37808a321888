//! System status lists of an S7-300, as far as tools ask for them.

use super::Ics;

/// One list: length of a record, and the records.
pub(super) struct List {
    pub(super) length: u16,
    pub(super) records: Vec<Vec<u8>>,
}

/// The list `id`; `index` picks one record where that is asked for. None: there is no such list.
pub(super) fn list(ics: &Ics, id: u16, index: u16) -> Option<List> {
    let all = match id & 0xff {
        0x00 => [0x0011u16, 0x0111, 0x001c, 0x011c, 0x0131, 0x0132, 0x0232, 0x0424]
            .iter()
            .map(|id| id.to_be_bytes().to_vec())
            .collect(),
        0x11 => module(ics),
        0x1c => component(ics),
        0x31 => vec![communication(index)],
        0x32 => vec![protection(index)],
        0x24 => vec![mode(ics)],
        _ => return None,
    };
    // A sublist of 01 is a single record.
    let single = id >> 8 == 1 && matches!(id & 0xff, 0x11 | 0x1c);
    let records: Vec<Vec<u8>> =
        all.into_iter().filter(|r| !single || r.starts_with(&index.to_be_bytes())).collect();
    let length = u16::try_from(records.first()?.len()).ok()?;
    Some(List { length, records })
}

fn text(index: u16, text: &str, length: usize, fill: u8) -> Vec<u8> {
    let mut record = index.to_be_bytes().to_vec();
    record.extend(text.bytes().chain(std::iter::repeat(fill)).take(length));
    record
}

/// Module identification: order number, and the versions of hardware, firmware and loader.
fn module(ics: &Ics) -> Vec<Vec<u8>> {
    let plc = &ics.plc;
    let record = |index, name: &str, version: [u8; 4]| {
        let mut record = text(index, name, 20, b' ');
        record.extend([0, 0xc0]);
        record.extend(version);
        record
    };
    let [a, b, c] = plc.firmware;
    vec![
        record(1, plc.order, [0, plc.edition, 0, 1]),
        record(6, plc.order, [0, plc.edition, 0, 1]),
        record(7, " ", [b'V', a, b, c]),
        record(0x81, "Boot Loader", [b'A', 0x12, 0x09, 0x09]),
    ]
}

/// Component identification: the names that were given, and serial numbers.
fn component(ics: &Ics) -> Vec<Vec<u8>> {
    let plc = &ics.plc;
    let mut manufacturer = text(9, "", 32, 0);
    // Siemens, and the profile of a CPU.
    if let Some(known) = manufacturer.get_mut(2..8) {
        known.copy_from_slice(&[0, 0x2a, 0xf6, 0, 0, 1]);
    }
    vec![
        text(1, &plc.station, 32, 0),
        text(2, plc.module, 32, 0),
        text(3, &plc.plant, 32, 0),
        text(4, "Original Siemens Equipment", 32, 0),
        text(5, &plc.serial, 32, 0),
        text(7, plc.module, 32, 0),
        text(8, &plc.card, 32, 0),
        manufacturer,
        text(10, "", 32, 0),
        text(11, "", 32, 0),
    ]
}

fn communication(index: u16) -> Vec<u8> {
    let mut record = index.to_be_bytes().to_vec();
    // PDU of 240 bytes, 16 connections, and the speeds of the two interfaces.
    record.extend([0, 0xf0, 0, 0x10, 0, 0xb7, 0x1b, 0, 0, 2, 0xdc, 0x6c]);
    record.resize(40, 0);
    record
}

/// No password, mode switch at RUN, level 1.
fn protection(index: u16) -> Vec<u8> {
    let mut record = index.to_be_bytes().to_vec();
    record.extend([0, 1, 0, 0, 0, 1, 0, 2, 0, 0]);
    record.resize(40, 0);
    record
}

fn mode(ics: &Ics) -> Vec<u8> {
    let mut record = vec![0x51, 0x44, 0xff, if ics.runs() { 8 } else { 4 }];
    record.resize(20, 0);
    record
}
