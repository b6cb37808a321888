//! Variables of the controller as S7 communication names them, and what lies there.

use super::Ics;
use super::plant::now;

/// Data blocks that there are, and how long each is.
pub(super) const BLOCKS: u16 = 8;
const BLOCK_LENGTH: u32 = 512;

/// A number of two bytes.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|w| u16::from_be_bytes(*w))
}

/// One variable (S7ANY).
pub(super) struct Item {
    transport: u8,
    count: u16,
    block: u16,
    area: u8,
    /// First bit.
    bit: u32,
}

impl Item {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [0x12, 10, 0x10, transport, ..] = *bytes else { return None };
        let address = bytes.get(9..12)?;
        let bit = address.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        Some(Self { transport, count: word(bytes, 4)?, block: word(bytes, 6)?, area: *bytes.get(8)?, bit })
    }

    /// As an engineer would write it.
    pub(super) fn name(&self) -> String {
        let (byte, bit) = (self.bit >> 3, self.bit & 7);
        let area = match self.area {
            0x81 => "I".to_owned(),
            0x82 => "Q".to_owned(),
            0x83 => "M".to_owned(),
            0x84 => format!("DB{}.", self.block),
            0x1c => "C".to_owned(),
            0x1d => "T".to_owned(),
            other => format!("{other:02x}:"),
        };
        format!("{area}{byte}.{bit}x{}", self.count)
    }

    /// Bytes of it; bits have one each.
    fn length(&self) -> u32 {
        let each = match self.transport {
            1..=3 => 1,
            4 | 5 | 0x1c | 0x1d => 2,
            _ => 4,
        };
        u32::from(self.count).saturating_mul(each)
    }

    /// Where it lies: a space of the plant, and the first byte there. The error otherwise.
    fn place(&self) -> Result<(u32, u32), u8> {
        let first = if matches!(self.area, 0x1c | 0x1d) { self.bit.saturating_mul(2) } else { self.bit >> 3 };
        let (space, end) = match self.area {
            0x81..=0x83 => (u32::from(self.area), 256),
            0x84 if (1..=BLOCKS).contains(&self.block) => (0x100 + u32::from(self.block), BLOCK_LENGTH),
            0x84 => return Err(0x0a),
            0x1c | 0x1d => (u32::from(self.area), 512),
            _ => return Err(0x03),
        };
        match first.checked_add(self.length()) {
            Some(last) if last <= end && self.count > 0 => Ok((space, first)),
            _ => Err(0x05),
        }
    }
}

/// What the process itself says of a byte.
fn fresh(ics: &Ics, space: u32, at: u32) -> u8 {
    let number = u16::try_from(at / 2).unwrap_or(u16::MAX);
    match space {
        // Inputs and outputs are bits.
        0x81 | 0x82 => {
            let first = u16::try_from(at.saturating_mul(8)).unwrap_or(u16::MAX);
            (0..8).fold(0, |byte, n| byte | u8::from(ics.plant.bit(first.saturating_add(n), now())) << n)
        }
        0x101 => {
            let [high, low] = ics.plant.measured(number, now()).to_be_bytes();
            if at.is_multiple_of(2) { high } else { low }
        }
        _ => 0,
    }
}

/// An item as the answer to a read has it, if `room` is enough.
pub(super) fn load(ics: &Ics, item: Option<&Item>, room: usize) -> Vec<u8> {
    let Some(item) = item else { return vec![0x0a, 0, 0, 0] };
    let (space, first) = match item.place() {
        Ok(place) => place,
        Err(code) => return vec![code, 0, 0, 0],
    };
    let length = item.length();
    if usize::try_from(length).unwrap_or(usize::MAX).saturating_add(4) > room {
        return vec![0x05, 0, 0, 0];
    }
    let byte = |at| ics.plant.read(space, at, || fresh(ics, space, at));
    let bytes: Vec<u8> = (first..first.saturating_add(length)).map(byte).collect();
    let (transport, told, bytes) = match item.transport {
        1 => {
            let one = bytes.first().map(|byte| byte >> (item.bit & 7) & 1);
            (3, 1, one.into_iter().collect())
        }
        // Octets, counted as such.
        0x1c | 0x1d => (9, length, bytes),
        _ => (4, length.saturating_mul(8), bytes),
    };
    let mut out = vec![0xff, transport];
    out.extend(u16::try_from(told).unwrap_or(0).to_be_bytes());
    out.extend(bytes);
    out
}

/// Stores an item from the data of a write: its return code, and the data of those that follow.
pub(super) fn store<'d>(ics: &Ics, item: Option<&Item>, data: &'d [u8]) -> (u8, &'d [u8]) {
    let (Some(transport), Some(told)) = (data.get(1), word(data, 2)) else { return (0x07, &[]) };
    let length = usize::from(if matches!(transport, 3 | 7 | 9) { told } else { told.div_ceil(8) });
    let bytes = data.get(4..).unwrap_or_default();
    let value = bytes.get(..length.min(bytes.len())).unwrap_or_default();
    // Items lie at even places.
    let rest = bytes.get(length.saturating_add(length % 2)..).unwrap_or_default();
    let code = match item.map(|item| (item, item.place())) {
        None => 0x0a,
        Some((_, Err(code))) => code,
        Some((item, Ok(_))) if usize::try_from(item.length()) != Ok(value.len()) => 0x07,
        Some((item, Ok((space, first)))) => {
            for (at, byte) in (first..).zip(value) {
                let byte = if item.transport == 1 {
                    let old = ics.plant.read(space, at, || fresh(ics, space, at));
                    let mask = 1u8 << (item.bit & 7);
                    if byte & 1 == 1 { old | mask } else { old & !mask }
                } else {
                    *byte
                };
                ics.plant.write(space, at, byte);
            }
            0xff
        }
    };
    (code, rest)
}
