//! S7 communication over ISO-on-TCP (RFC 1006, ISO 8073 class 0).

use std::io;

use super::variable::{BLOCKS, Item, load, store, word};
use super::{Ics, szl};
use crate::decoy::Session;
use crate::event::{Kind, SecretKind};

/// Longest TPKT that is looked at: the largest PDU with what is around it.
const TPKT_MAX: usize = 1024;
/// Largest PDU of an S7-300.
const PDU_MAX: u16 = 240;
/// Most items of one read or write.
const ITEMS_MAX: u8 = 20;
/// What one connection agreed on.
struct Conn {
    connected: bool,
    pdu: u16,
    /// The rest of a list that did not fit.
    rest: Vec<u8>,
}

pub(super) async fn serve(ics: &Ics, session: &mut Session) -> io::Result<()> {
    let mut conn = Conn { connected: false, pdu: PDU_MAX, rest: Vec::new() };
    let mut pending: Vec<u8> = Vec::new();
    let mut message = Vec::new();
    let mut chunk = [0u8; 1024];
    loop {
        while pending.len() >= 4 {
            let length = word(&pending, 2).map_or(0, usize::from);
            if pending.first() != Some(&3) || !(7..=TPKT_MAX).contains(&length) {
                session.record.event(Kind::Error, "malformed").bytes("event.original", &pending).emit();
                return Ok(());
            }
            if pending.len() < length {
                break;
            }
            let packet: Vec<u8> = pending.drain(..length).collect();
            let cotp = packet.get(4..).unwrap_or_default();
            let header = usize::from(cotp.first().copied().unwrap_or(0)).saturating_add(1);
            let Some(answer) = (match cotp.get(1).map(|code| code & 0xf0) {
                Some(0xe0) if !conn.connected => connect(session, &mut conn, cotp),
                Some(0xf0) if conn.connected => {
                    message.extend_from_slice(cotp.get(header..).unwrap_or_default());
                    let last = cotp.get(2).is_some_and(|n| n & 0x80 != 0);
                    if !last && message.len() <= TPKT_MAX {
                        continue;
                    }
                    let whole = std::mem::take(&mut message);
                    pdu(ics, session, &mut conn, &whole)
                        .map(|pdu| [&[2, 0xf0, 0x80], pdu.as_slice()].concat())
                }
                _ => {
                    session.record.event(Kind::Error, "malformed").bytes("event.original", &packet).emit();
                    None
                }
            }) else {
                return Ok(());
            };
            let length = u16::try_from(answer.len().saturating_add(4)).unwrap_or(0).to_be_bytes();
            session.write(&[&[3, 0], length.as_slice(), &answer].concat()).await?;
        }
        let got = session.read(&mut chunk).await?;
        if got == 0 {
            return Ok(());
        }
        pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
    }
}

/// Takes a connection to the slot of the CPU: rack 0, slot 2. Others have nobody who listens.
fn connect(session: &Session, conn: &mut Conn, cotp: &[u8]) -> Option<Vec<u8>> {
    let source = cotp.get(4..6)?;
    let (mut params, mut tsaps) = (cotp.get(7..)?, Vec::new());
    let mut size = 10;
    while let [code, length, rest @ ..] = params {
        let value = rest.get(..usize::from(*length))?;
        match (code, value) {
            (0xc0, [n]) => size = (*n).clamp(7, 10),
            (0xc1 | 0xc2, value) => tsaps.push((*code, value.to_vec())),
            _ => {}
        }
        params = rest.get(usize::from(*length)..)?;
    }
    let tsap = |code| tsaps.iter().find(|(c, _)| *c == code).map(|(_, v)| v.as_slice()).unwrap_or_default();
    let called = tsap(0xc2);
    let reached = matches!(called, [1..=3, 2]);
    session
        .record
        .event(Kind::Command, "connect")
        .outcome(reached)
        .text("s7.called_tsap", &hex::encode(called))
        .text("s7.calling_tsap", &hex::encode(tsap(0xc1)))
        .emit();
    conn.connected = reached;
    if !reached {
        return None;
    }
    let mut out = vec![0xd0];
    out.extend_from_slice(source);
    out.extend([0x44, 0x31, 0, 0xc0, 1, size]);
    for code in [0xc1, 0xc2] {
        let value = tsap(code);
        out.extend([code, u8::try_from(value.len()).ok()?]);
        out.extend_from_slice(value);
    }
    out.insert(0, u8::try_from(out.len()).ok()?);
    Some(out)
}

/// Answers a PDU; none ends the connection.
fn pdu(ics: &Ics, session: &Session, conn: &mut Conn, pdu: &[u8]) -> Option<Vec<u8>> {
    let [0x32, kind, ..] = *pdu else {
        session.record.event(Kind::Error, "malformed").bytes("event.original", pdu).emit();
        return None;
    };
    let (length, data_length) = (usize::from(word(pdu, 6)?), usize::from(word(pdu, 8)?));
    let reference = pdu.get(4..6)?;
    let end = 10usize.checked_add(length)?;
    let params = pdu.get(10..end)?;
    let data = pdu.get(end..end.checked_add(data_length)?)?;
    let (params, data) = match kind {
        1 => {
            let (error, params, data) = job(ics, session, conn, params, data);
            return Some(build(3, reference, &params, &data, Some(error)));
        }
        7 => user_data(ics, session, conn, params, data)?,
        _ => {
            session.record.event(Kind::Error, "malformed").bytes("event.original", pdu).emit();
            return None;
        }
    };
    Some(build(7, reference, &params, &data, None))
}

fn build(kind: u8, reference: &[u8], params: &[u8], data: &[u8], error: Option<[u8; 2]>) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    let mut out = vec![0x32, kind, 0, 0];
    out.extend_from_slice(reference);
    out.extend(length(params));
    out.extend(length(data));
    out.extend(error.into_iter().flatten());
    out.extend_from_slice(params);
    out.extend_from_slice(data);
    out
}

const FINE: [u8; 2] = [0, 0];
const WRONG_PASSWORD: [u8; 2] = [0xd6, 0x02];
/// "Function not implemented or error in the telegram".
const NOT_IMPLEMENTED: [u8; 2] = [0x81, 0x04];

/// A request to do something: error, parameters and data of what is said to it.
fn job(
    ics: &Ics,
    session: &Session,
    conn: &mut Conn,
    params: &[u8],
    data: &[u8],
) -> ([u8; 2], Vec<u8>, Vec<u8>) {
    let function = params.first().copied().unwrap_or(0);
    let command = |action| session.record.event(Kind::Command, action).bytes("s7.parameter", params);
    match function {
        0xf0 => {
            let asked = word(params, 6).unwrap_or(PDU_MAX);
            conn.pdu = asked.clamp(64, PDU_MAX);
            command("setup_communication").field("s7.pdu", asked).emit();
            let mut out = vec![0xf0, 0, 0, 1, 0, 1];
            out.extend(conn.pdu.to_be_bytes());
            (FINE, out, Vec::new())
        }
        4 | 5 => {
            let write = function == 5;
            let count = params.get(1).copied().unwrap_or(0).min(ITEMS_MAX);
            let items = params.get(2..).unwrap_or_default().chunks_exact(12).take(count.into());
            let room = usize::from(conn.pdu).saturating_sub(14);
            let (mut out, mut source) = (Vec::new(), data);
            let mut places = Vec::new();
            for item in items {
                let item = Item::parse(item);
                places.push(item.as_ref().map_or_else(|| "?".to_owned(), Item::name));
                if write {
                    let (code, rest) = store(ics, item.as_ref(), source);
                    out.push(code);
                    source = rest;
                } else if out.len() < room {
                    if out.len() % 2 == 1 {
                        out.push(0);
                    }
                    out.extend(load(ics, item.as_ref(), room.saturating_sub(out.len())));
                }
            }
            let mut draft = command(if write { "write" } else { "read" }).field("s7.places", places);
            if write {
                draft = draft.bytes("s7.data", data);
            }
            draft.emit();
            (FINE, vec![function, count], out)
        }
        0x28 | 0x29 => {
            let stop = function == 0x29;
            // Starting names the program, and may do something else to it.
            let starts = params.windows(9).any(|w| w == b"P_PROGRAM");
            if stop || starts {
                ics.switch(!stop);
            }
            command(if stop { "plc_stop" } else { "plc_control" }).emit();
            (FINE, vec![function], Vec::new())
        }
        0x1a..=0x1f => {
            let action = if function >= 0x1d { "upload" } else { "download" };
            command(action).bytes("s7.data", data).emit();
            // Protected, says the CPU.
            ([0xd2, 0x41], Vec::new(), Vec::new())
        }
        _ => {
            command("function").emit();
            (NOT_IMPLEMENTED, Vec::new(), Vec::new())
        }
    }
}

/// Functions around the program: lists, clock, passwords.
fn user_data(
    ics: &Ics,
    session: &Session,
    conn: &mut Conn,
    params: &[u8],
    data: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let (group, function) = (params.get(5)? & 0x0f, *params.get(6)?);
    let sequence = params.get(7).copied().unwrap_or(0);
    let command = |action| session.record.event(Kind::Command, action);
    let payload = data.get(4..).unwrap_or_default();
    let mut refused = [0xd4, 0x01];
    let mut found = match (group, function) {
        // The next part of a list.
        (4, 1) if params.get(4) == Some(&0x12) => Some(std::mem::take(&mut conn.rest)),
        (4, 1) => {
            let (id, index) = (word(payload, 0)?, word(payload, 2)?);
            let list = szl::list(ics, id, index);
            command("read_szl")
                .outcome(list.is_some())
                .text("s7.szl", &format!("{id:04x}"))
                .text("s7.szl_index", &format!("{index:04x}"))
                .emit();
            list.map(|list| {
                let mut out = payload.get(..4).unwrap_or_default().to_vec();
                out.extend(list.length.to_be_bytes());
                out.extend(u16::try_from(list.records.len()).unwrap_or(0).to_be_bytes());
                list.records.iter().for_each(|record| out.extend_from_slice(record));
                out
            })
        }
        (3, 1) => {
            command("list_blocks").emit();
            let counts =
                [(b'8', 1u16), (b'A', BLOCKS), (b'B', 12), (b'C', 9), (b'D', 24), (b'E', 7), (b'F', 4)];
            let one = |(kind, count): (u8, u16)| [&[b'0', kind], count.to_be_bytes().as_slice()].concat();
            Some(counts.into_iter().flat_map(one).collect())
        }
        (7, 1) => {
            command("read_clock").emit();
            Some(clock())
        }
        (5, 1) => {
            let password = password(payload);
            session.record.login("s7_password", b"", Some((&password, SecretKind::Plaintext)), false);
            refused = WRONG_PASSWORD;
            None
        }
        _ => {
            command("function")
                .field("s7.group", group)
                .field("s7.function", function)
                .bytes("s7.data", data)
                .emit();
            None
        }
    };
    let room = usize::from(conn.pdu).saturating_sub(26);
    if let Some(bytes) = found.as_mut().filter(|bytes| bytes.len() > room) {
        conn.rest = bytes.split_off(room);
    }
    let more = u8::from(!conn.rest.is_empty());
    let error: [u8; 2] = if found.is_some() { FINE } else { refused };
    let mut answer = vec![0, 1, 0x12, 8, 0x12, 0x80 | group, function, sequence, more, more];
    answer.extend(error);
    let data = match found {
        Some(bytes) => {
            let length = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
            [&[0xff, 9], length.as_slice(), &bytes].concat()
        }
        None => vec![0x0a, 0, 0, 0],
    };
    Some((answer, data))
}

/// The password that a client sends, taken out of its disguise.
fn password(sent: &[u8]) -> Vec<u8> {
    let sent = sent.get(..sent.len().min(8)).unwrap_or_default();
    let plain = sent.iter().enumerate().map(|(at, byte)| {
        let before = at.checked_sub(2).and_then(|at| sent.get(at)).copied().unwrap_or(0);
        byte ^ before ^ 0x55
    });
    let mut plain: Vec<u8> = plain.collect();
    while plain.last() == Some(&b' ') {
        plain.pop();
    }
    plain
}

/// The clock, in packed decimals; days of the week count from Sunday, 1.
fn clock() -> Vec<u8> {
    let time = jiff::Timestamp::now();
    let day = time.strftime("%w").to_string().parse::<u8>().unwrap_or(0).saturating_add(1);
    hex::decode(format!("{}{day}", time.strftime("00%Y%m%d%H%M%S%3f"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_come_out_of_their_disguise() {
        // As Step 7 sends "SECRET  ".
        let plain = b"SECRET  ";
        let mut sent = [0u8; 8];
        for at in 0..8 {
            let before = if at < 2 { 0 } else { sent[at - 2] };
            sent[at] = plain[at] ^ before ^ 0x55;
        }
        assert_eq!(super::password(&sent), b"SECRET");
        assert!(super::password(b"").is_empty());
    }
}
