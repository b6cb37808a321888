//! DNS: BIND as the distro ships it, or Microsoft's server, with a domain of its own.
//!
//! Nothing is resolved, forwarded, transferred in or updated: what a question gets is known beforehand.
//! Over UDP an answer that is longer than its question goes out only to peers that proved themselves, by a
//! server cookie or a TCP connection; others get a truncated one and come back over TCP.

mod cookie;
mod product;
mod recursion;
mod server;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
pub(crate) mod zone;

use std::io;
use std::sync::Arc;

use serde_json::Value;

use self::server::{Asked, Server};
use self::wire::{Message, Name, class, kind, kind_name};
use super::session::Recorder;
use super::{Answers, Decoy, Packet, Served, Session};
use crate::decoy::software::Software;
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Records of an update or a notification that an event lists.
const SHOWN: usize = 16;

/// Makes the DNS decoy. Settings: `zone_mode`, `domain`, `bind_version`, `nsid`, `extra_records`,
/// `transfers`; those of a real upstream have no effect, for it asks nobody.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Dns(Server::new(persona, settings)))
}

struct Dns(Server);

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("named", product::Product::new(persona, settings).version.as_deref().unwrap_or_default())
}

impl Decoy for Dns {
    fn serve(self: Arc<Self>, mut session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(&mut session).await;
        })
    }

    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let Some(message) = Message::read(packet.bytes) else {
            return packet.record.error("protocol", "datagram too short for a header");
        };
        let now = jiff::Timestamp::now().as_second();
        if self.0.cookies.proves(&message, packet.source.ip(), now) {
            answers.prove();
        }
        let asked = Asked { source: packet.source.ip(), tcp: false, room: answers.room(), now };
        for reply in self.reply(packet.record, &message, asked) {
            answers.send(reply);
        }
    }
}

impl Dns {
    async fn talk(&self, session: &mut Session) -> io::Result<()> {
        let mut pending = Vec::new();
        while let Some(bytes) = framed(session, &mut pending).await? {
            let Some(message) = Message::read(&bytes) else {
                session.record.error("protocol", "message too short for a header");
                return Ok(());
            };
            let now = jiff::Timestamp::now().as_second();
            let asked = Asked { source: session.source.ip(), tcp: true, room: usize::MAX, now };
            for reply in self.reply(&session.record, &message, asked) {
                answer(session, &reply).await?;
            }
        }
        Ok(())
    }

    fn reply(&self, record: &Recorder, message: &Message, asked: Asked) -> Vec<Vec<u8>> {
        let answer = self.0.answer(message, asked);
        let replies = answer.as_ref().map(|a| self.0.render(message, a, asked)).unwrap_or_default();
        let code = answer.as_ref().map(|a| a.code);
        note(record, message, asked, code, answer.is_some_and(|a| a.transfer));
        replies
    }
}

/// The next message of a stream, each behind its length; none at the end.
pub(crate) async fn framed(session: &mut Session, pending: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut chunk = [0u8; 2048];
    loop {
        if let Some(length) = pending.first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*length));
            if let Some(bytes) = pending.get(2..end) {
                let bytes = bytes.to_vec();
                pending.drain(..end);
                return Ok(Some(bytes));
            }
        }
        let got = session.read(&mut chunk).await?;
        if got == 0 {
            return Ok(None);
        }
        pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
    }
}

/// Sends a message of a stream.
pub(crate) async fn answer(session: &mut Session, bytes: &[u8]) -> io::Result<()> {
    let Ok(length) = u16::try_from(bytes.len()) else { return Ok(()) };
    session.write(&[&length.to_be_bytes()[..], bytes].concat()).await
}

/// Records a message.
fn note(record: &Recorder, message: &Message, asked: Asked, code: Option<u16>, transferred: bool) {
    let question = message.questions.first();
    let action = match (message.opcode(), question) {
        (4, _) => "notify",
        (5, _) => "update",
        (1..=15, _) => "other_opcode",
        (_, None) => "no_question",
        (_, Some(q)) if matches!(q.kind, kind::AXFR | kind::IXFR) => "zone_transfer",
        (_, Some(q)) if q.class == class::CHAOS => "fingerprint_probe",
        (_, Some(q)) if q.kind == kind::ANY && !asked.tcp => "amp_probe",
        (_, Some(q)) if tunnelling(&q.name) => "tunneling_suspect",
        _ => "query",
    };
    let flags =
        [(0x0400, "AA"), (0x0200, "TC"), (0x0100, "RD"), (0x0080, "RA"), (0x0020, "AD"), (0x0010, "CD")];
    let flags: Vec<Value> = flags
        .iter()
        .filter(|(bit, _)| message.flags & bit != 0)
        .map(|(_, name)| Value::from(*name))
        .collect();
    let mut draft = record
        .event(Kind::Query, action)
        .field("network.transport", if asked.tcp { "tcp" } else { "udp" })
        .field("dns.id", message.id)
        .field("dns.op_code", message.opcode())
        .field("dns.header_flags", flags);
    if let Some(question) = question {
        draft = draft
            .text("dns.question.name", &question.name.text())
            .field("dns.question.type", kind_name(question.kind))
            .field("dns.question.class", class_name(question.class));
    }
    if message.questions.len() > 1 {
        draft = draft.field("dns.questions", message.asked);
    }
    if let Some(edns) = &message.edns {
        draft = draft.field("dns.edns.size", edns.size).field("dns.edns.dnssec", edns.dnssec);
        if let Some(subnet) = edns.option(8) {
            draft = draft.text("dns.edns.client_subnet", &hex::encode(subnet));
        }
    }
    if message.opcode() != 0 && !message.records.is_empty() {
        let shown = message.records.iter().take(SHOWN);
        let list: Vec<Value> =
            shown.map(|r| Value::from(format!("{} {}", r.name.text(), kind_name(r.kind)))).collect();
        draft = draft.field("dns.records", list);
    }
    if let Some(key) = message.records.last().filter(|r| r.kind == kind::TSIG) {
        draft = draft.text("dns.tsig.key", &key.name.text());
    }
    match code {
        Some(code) => {
            let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
            let name = match code {
                9 => "NOTAUTH",
                16 => "BADVERS",
                n => names.get(usize::from(n)).copied().unwrap_or("OTHER"),
            };
            draft
                .field("dns.response_code", name)
                .outcome(code == 0 && (action != "zone_transfer" || transferred))
        }
        None => draft,
    }
    .emit();
}

fn class_name(class: u16) -> String {
    match class {
        1 => "IN".to_owned(),
        3 => "CH".to_owned(),
        4 => "HS".to_owned(),
        254 => "NONE".to_owned(),
        255 => "ANY".to_owned(),
        n => format!("CLASS{n}"),
    }
}

/// Whether a name looks like data: a long label, or many, that are near to random.
fn tunnelling(name: &Name) -> bool {
    let labels: Vec<&[u8]> = name.labels().collect();
    if labels.iter().any(|label| label.len() >= 30 && entropy(label) > 4.0) {
        return true;
    }
    let below = labels.len().saturating_sub(2);
    let joined = labels.get(..below).unwrap_or_default().concat();
    joined.len() >= 50 && entropy(&joined) >= 3.5
}

/// Bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte.to_ascii_lowercase())] += 1;
    }
    let total = bytes.len().max(1) as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}
