//! Modbus/TCP (MODBUS Application Protocol V1.1b3, Messaging on TCP/IP V1.0b).

use std::io;

use super::Ics;
use super::plant::{BITS, WORDS, now};
use super::variable::word;
use crate::decoy::Session;
use crate::event::Kind;

/// Longest frame.
const FRAME_MAX: usize = 260;
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;
/// Where what was written is kept: words, bits.
const REGISTERS: u32 = 0x1_0000;
const COILS: u32 = 0x2_0000;

/// The first frame of a stream: its length; none while it is not all there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let (protocol, length) = (word(bytes, 2)?, word(bytes, 4)?);
    let whole = usize::from(length).saturating_add(6);
    if protocol != 0 || !(8..=FRAME_MAX).contains(&whole) {
        // No frame: the controller looks at where the function would stand, and takes all that came.
        return (bytes.len() >= 8).then_some(bytes.len());
    }
    (bytes.len() >= whole).then_some(whole)
}

pub(super) async fn serve(ics: &Ics, session: &mut Session) -> io::Result<()> {
    let mut pending = Vec::new();
    let mut chunk = [0u8; 512];
    loop {
        while let Some(length) = frame(&pending) {
            let request: Vec<u8> = pending.drain(..length.min(pending.len())).collect();
            let answer = answer(ics, session, &request);
            session.write(&answer).await?;
        }
        let got = session.read(&mut chunk).await?;
        if got == 0 {
            return Ok(());
        }
        pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
    }
}

fn answer(ics: &Ics, session: &Session, request: &[u8]) -> Vec<u8> {
    let (unit, function) = (request.get(6).copied().unwrap_or(0), request.get(7).copied().unwrap_or(0));
    let broken = word(request, 2) != Some(0);
    let body = request.get(8..).unwrap_or_default();
    let done = if broken { Err(ILLEGAL_FUNCTION) } else { call(ics, function, body) };
    let action = match function {
        _ if broken => "malformed",
        1..=4 => "read",
        5 | 6 | 15 | 16 => "write",
        17 => "report_server_id",
        43 => "read_device_identification",
        _ => "function",
    };
    let mut draft = session
        .record
        .event(if action == "malformed" { Kind::Error } else { Kind::Command }, action)
        .outcome(done.is_ok())
        .field("modbus.unit", unit)
        .field("modbus.function", function)
        .bytes("modbus.data", body);
    if let (1..=6 | 15 | 16, Some(address)) = (function, word(body, 0)) {
        draft = draft.field("modbus.address", address);
    }
    let pdu = match done {
        Ok(data) => [&[function], data.as_slice()].concat(),
        Err(code) => {
            draft = draft.field("modbus.exception", code);
            vec![function | 0x80, code]
        }
    };
    draft.emit();
    let length = u16::try_from(pdu.len().saturating_add(1)).unwrap_or(0);
    let mut out = request.get(..2).unwrap_or_default().to_vec();
    out.extend([0, 0]);
    out.extend(length.to_be_bytes());
    out.push(unit);
    out.extend(pdu);
    out
}

/// What follows the function in the answer, or the exception.
fn call(ics: &Ics, function: u8, body: &[u8]) -> Result<Vec<u8>, u8> {
    let at = |n| word(body, n).ok_or(ILLEGAL_VALUE);
    let exactly = |n| if body.len() == n { Ok(()) } else { Err(ILLEGAL_VALUE) };
    match function {
        1 | 2 => {
            exactly(4)?;
            let (first, count) = range(at(0)?, at(2)?, 2000, BITS)?;
            let mut bytes = vec![0u8; usize::from(count.div_ceil(8))];
            for n in 0..count {
                if let Some(byte) =
                    bytes.get_mut(usize::from(n / 8)).filter(|_| coil(ics, first + n, function))
                {
                    *byte |= 1 << (n % 8);
                }
            }
            Ok(counted(bytes))
        }
        3 | 4 => {
            exactly(4)?;
            let (first, count) = range(at(0)?, at(2)?, 125, WORDS)?;
            Ok(counted(
                (first..first + count).flat_map(|n| register(ics, n, function).to_be_bytes()).collect(),
            ))
        }
        5 => {
            exactly(4)?;
            let (first, _) = range(at(0)?, 1, 1, BITS)?;
            match at(2)? {
                value @ (0 | 0xff00) => ics.plant.write(COILS, first.into(), u8::from(value != 0)),
                _ => return Err(ILLEGAL_VALUE),
            }
            Ok(body.to_vec())
        }
        6 => {
            exactly(4)?;
            let (first, _) = range(at(0)?, 1, 1, WORDS)?;
            set(ics, first, at(2)?);
            Ok(body.to_vec())
        }
        15 => {
            let (first, count) = range(at(0)?, at(2)?, 1968, BITS)?;
            let data = data(body, usize::from(count.div_ceil(8)))?;
            for n in 0..count {
                let byte = data.get(usize::from(n / 8)).copied().unwrap_or(0);
                ics.plant.write(COILS, (first + n).into(), byte >> (n % 8) & 1);
            }
            Ok(body.get(..4).unwrap_or_default().to_vec())
        }
        16 => {
            let (first, count) = range(at(0)?, at(2)?, 123, WORDS)?;
            let data = data(body, usize::from(count) * 2)?;
            for (n, pair) in (first..first + count).zip(data.chunks_exact(2)) {
                set(ics, n, word(pair, 0).unwrap_or(0));
            }
            Ok(body.get(..4).unwrap_or_default().to_vec())
        }
        17 => {
            exactly(0)?;
            let name = format!("Siemens {} {}", ics.plc.module, ics.plc.version());
            Ok(counted([&[0xff, 0xff], name.as_bytes()].concat()))
        }
        43 => identification(ics, body),
        _ => Err(ILLEGAL_FUNCTION),
    }
}

/// A range of registers or bits that there is: first and count.
fn range(first: u16, count: u16, most: u16, end: u16) -> Result<(u16, u16), u8> {
    if count == 0 || count > most {
        return Err(ILLEGAL_VALUE);
    }
    match first.checked_add(count) {
        Some(last) if last <= end => Ok((first, count)),
        _ => Err(ILLEGAL_ADDRESS),
    }
}

fn counted(bytes: Vec<u8>) -> Vec<u8> {
    let mut out = vec![u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
    out.extend(bytes);
    out
}

/// The data of a write of several: `length` bytes behind their count.
fn data(body: &[u8], length: usize) -> Result<&[u8], u8> {
    let data = body.get(5..).unwrap_or_default();
    let told = body.get(4).copied().map(usize::from);
    if told == Some(length) && data.len() == length { Ok(data) } else { Err(ILLEGAL_VALUE) }
}

fn coil(ics: &Ics, number: u16, function: u8) -> bool {
    // Inputs are what the process says, whatever is written.
    let fresh = ics.plant.bit(number, now());
    if function == 2 { fresh } else { ics.plant.read(COILS, number.into(), || fresh.into()) != 0 }
}

fn register(ics: &Ics, number: u16, function: u8) -> u16 {
    let fresh = ics.plant.measured(number, now()).to_be_bytes();
    if function == 4 {
        return u16::from_be_bytes(fresh);
    }
    let at = u32::from(number) * 2;
    let [high, low] = fresh;
    u16::from_be_bytes([ics.plant.read(REGISTERS, at, || high), ics.plant.read(REGISTERS, at + 1, || low)])
}

fn set(ics: &Ics, number: u16, value: u16) {
    let [high, low] = value.to_be_bytes();
    let at = u32::from(number) * 2;
    ics.plant.write(REGISTERS, at, high);
    ics.plant.write(REGISTERS, at + 1, low);
}

/// Read Device Identification (6.21 of the specification).
fn identification(ics: &Ics, body: &[u8]) -> Result<Vec<u8>, u8> {
    let [14, access, first] = *body else {
        return Err(if body.first() == Some(&14) { ILLEGAL_VALUE } else { ILLEGAL_FUNCTION });
    };
    let version = ics.plc.version();
    let family = "SIMATIC S7-300".to_owned();
    let objects = [
        (0u8, "Siemens".to_owned()),
        (1, ics.plc.order.to_owned()),
        (2, version),
        (3, "http://www.siemens.com".to_owned()),
        (4, family),
        (5, ics.plc.module.to_owned()),
    ];
    let last = match access {
        1 => 2,
        2 | 3 => 5,
        4 => first,
        _ => return Err(ILLEGAL_VALUE),
    };
    // One that is not there starts from the beginning, but for a single object.
    let known = objects.iter().any(|(id, _)| *id == first && first <= last);
    let start = match (known, access) {
        (true, _) => first,
        (false, 4) => return Err(ILLEGAL_ADDRESS),
        (false, _) => 0,
    };
    let chosen: Vec<_> = objects.iter().filter(|(id, _)| (start..=last).contains(id)).collect();
    let mut out = vec![14, access, 0x82, 0, 0, u8::try_from(chosen.len()).unwrap_or(0)];
    for (id, text) in chosen {
        out.push(*id);
        out.extend(counted(text.as_bytes().to_vec()));
    }
    Ok(out)
}
