//! TFTP as tftp-hpa serves it with `--secure --create`: a few texts to read, and whatever somebody brings.
//!
//! A transfer goes by one of the spare sockets, drawn at random; who answers to it has received what was sent
//! from it. Eight sockets can be guessed, so an address that answered to a wrong one while it had a transfer
//! proves nothing here for a while. Until it is proved a peer gets a first block no longer than its request.

mod files;
mod packet;
mod table;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use self::files::Files;
use self::packet::{ACK, DATA, ERROR, RRQ, Request, WRQ, packet as build_packet, word};
use self::table::{Reading, Table, Transfer, Work, Writing};
use super::Decoy;
use super::datagram::{Answers, Packet, Port};
use super::session::Recorder;
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Most bytes of one upload; a disk is full after them.
const UPLOAD_MAX: u64 = 32 << 20;

/// Makes the TFTP decoy.
pub fn build(persona: &Persona, _: &Settings) -> Arc<dyn Decoy> {
    let illegal = match persona.nmap_os.as_str() {
        "windows" | "windows_server" => Some("Illegal operation error."),
        "cisco" => Some("Illegal operation"),
        // tftp-hpa has no word for what is no request.
        _ => None,
    };
    Arc::new(Tftp { files: Files::new(persona), illegal, table: Mutex::default() })
}

struct Tftp {
    files: Files,
    /// What other servers say to an opcode that is no request.
    illegal: Option<&'static str>,
    table: Mutex<Table>,
}

impl Decoy for Tftp {
    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.sweep(now);
        match packet.port {
            Port::Main => self.request(packet, answers, &mut table, now),
            Port::Spare(spare) => go_on(spare, packet, answers, &mut table, now),
        }
    }
}

impl Tftp {
    fn request(&self, packet: &Packet<'_>, answers: &mut Answers, table: &mut Table, now: Instant) {
        let opcode = word(packet.bytes, 0);
        let write = match opcode {
            Some(WRQ) => true,
            Some(RRQ) => false,
            _ => {
                packet.record.error("opcode", "no request to read or write");
                if let Some(words) = self.illegal.filter(|_| opcode.is_some()) {
                    let full = packet::error(4, words, usize::MAX);
                    // Too long for an unproved peer: nothing, as from tftp-hpa.
                    answers.send(full);
                }
                return;
            }
        };
        let asked = Request::parse(write, packet.bytes.get(2..).unwrap_or_default());
        let action = if write { "write_request" } else { "read_request" };
        let (name, request) = match &asked {
            Ok(request) => (request.name, Some(request)),
            Err((_, name)) => (*name, None),
        };
        let found = match request {
            Some(_) if write => Some(Vec::new()),
            Some(_) => table.stored(name).or_else(|| self.files.get(name)),
            None => None,
        };
        let mut draft =
            packet.record.event(Kind::File, action).outcome(found.is_some()).bytes("file.path", name);
        if let Some(request) = request {
            draft = draft.bytes("tftp.mode", request.mode);
        }
        draft.emit();
        let spare = Port::Spare(draw(packet.spares));
        let refuse = |answers: &mut Answers, code, words| {
            let error = packet::error(code, words, answers.room());
            answers.send_from(spare, error);
        };
        let (request, file) = match (asked, found) {
            (Err((words, _)), _) => return refuse(answers, 4, words),
            (Ok(_), None) => return refuse(answers, 1, "File not found"),
            (Ok(request), Some(file)) => (request, file),
        };
        let file = if request.ascii { network_lines(&file) } else { file };
        let Some(agreed) = request.agree(file.len()) else {
            return refuse(answers, 8, "Unsupported option(s) requested");
        };
        let told = agreed.packet();
        let work = if write {
            Work::Write(Writing::new(request.name, agreed.block))
        } else {
            let file = match &told {
                Some(_) => file,
                // What there is room for is all that a peer without proof gets of it: the end of the file.
                None if !answers.proved() => {
                    let most = answers.room().saturating_sub(4).min(agreed.block.saturating_sub(1));
                    file.get(..most.min(file.len())).unwrap_or_default().to_vec()
                }
                None => file,
            };
            Work::Read(Reading::new(file, agreed.block))
        };
        let first = match (&told, &work) {
            (Some(told), _) => told.clone(),
            (None, Work::Write(_)) => build_packet(ACK, 0, b""),
            (None, Work::Read(reading)) => reading.packet(1),
        };
        let begun = u16::from(told.is_none() && !write);
        if answers.send_from(spare, first) {
            let peer = packet.source;
            table.begin(Transfer {
                peer,
                spare,
                block: begun,
                work,
                last: now,
                record: packet.record.clone(),
            });
        }
    }
}

/// A packet to a spare socket.
fn go_on(spare: usize, packet: &Packet<'_>, answers: &mut Answers, table: &mut Table, now: Instant) {
    let port = Port::Spare(spare);
    let Some((mut transfer, suspect)) = table.take(packet.source, port, now) else { return };
    if !suspect {
        answers.prove();
    }
    transfer.last = now;
    let (opcode, number) = (word(packet.bytes, 0), word(packet.bytes, 2));
    let rest = packet.bytes.get(4..).unwrap_or_default();
    let stays = match (&mut transfer.work, opcode, number) {
        (_, Some(ERROR), _) => {
            packet.record.event(Kind::Error, "aborted").bytes("error.message", rest).emit();
            false
        }
        (Work::Read(reading), Some(ACK), Some(acked)) => {
            // The one before, again: what followed it was lost.
            let again = acked == transfer.block.wrapping_sub(1);
            if acked == transfer.block && reading.is_last(acked) {
                false
            } else {
                if acked == transfer.block {
                    transfer.block = transfer.block.wrapping_add(1);
                    reading.advance();
                }
                if acked == transfer.block.wrapping_sub(1) || again {
                    answers.send_from(port, reading.packet(transfer.block));
                }
                true
            }
        }
        (Work::Write(writing), Some(DATA), Some(number)) => {
            let next = transfer.block.wrapping_add(1);
            if number == next {
                transfer.block = next;
                writing.came.take(rest);
            }
            if writing.came.size() > UPLOAD_MAX {
                answers.send_from(port, packet::error(3, "Disk full or allocation exceeded", answers.room()));
                false
            } else {
                answers.send_from(port, build_packet(ACK, transfer.block, b""));
                // The last block is shorter than the others.
                !(number == transfer.block && rest.len() < writing.block())
            }
        }
        _ => true,
    };
    if stays {
        table.begin(transfer);
    } else {
        let whole = opcode != Some(ERROR);
        table.end(transfer, whole);
    }
}

/// Which of `spares` sockets.
fn draw(spares: usize) -> usize {
    let word = getrandom::u32().unwrap_or(0);
    usize::try_from(word).unwrap_or(0).checked_rem(spares).unwrap_or(0)
}

/// Line ends as they go over the wire in netascii.
fn network_lines(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len());
    for byte in file {
        match byte {
            b'\n' => out.extend_from_slice(b"\r\n"),
            b'\r' => out.extend_from_slice(b"\r\0"),
            other => out.push(*other),
        }
    }
    out
}

/// Records what came of an upload.
fn record(record: &Recorder, writing: &Writing, whole: bool) {
    let draft = record.event(Kind::File, "upload").outcome(whole);
    writing.came.emit(draft.bytes("file.path", &writing.name));
}

#[cfg(test)]
mod tests;
