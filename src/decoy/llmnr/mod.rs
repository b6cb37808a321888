//! LLMNR (RFC 4795) on 5355 and multicast DNS (RFC 6762) on 5353: the machine answers to its own name, and
//! what others look for is recorded. It never claims a name that is not its own.

mod names;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use self::names::{Names, Way};
use super::dns::wire::{HEADER, Message, kind_name};
use super::dns::{answer, framed};
use super::session::Recorder;
use super::{Answers, Decoy, Packet, Served, Session};
use crate::event::Kind;
use crate::model::{Persona, Settings};

/// Port of multicast DNS.
const MDNS: u16 = 5353;
/// Questions of one message that are recorded and answered.
const QUESTIONS_MAX: usize = 8;
/// Records of an announcement that are recorded.
const SHOWN: usize = 8;

/// Makes the LLMNR and mDNS decoy. It has no settings.
pub fn build(persona: &Persona, _: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Llmnr(Names::new(persona)))
}

struct Llmnr(Names);

impl Decoy for Llmnr {
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
        let mdns = packet.number == MDNS;
        let way = match (mdns, packet.source.port() == MDNS) {
            (false, _) => Way::Llmnr,
            (true, true) => Way::Mdns,
            (true, false) => Way::Legacy,
        };
        let reply = self.0.reply(&message, way);
        let whole = reply.as_ref().is_some_and(|r| r.len() <= answers.room());
        note(packet.record, &message, way, Some(packet.multicast), reply.is_some());
        match reply {
            Some(reply) if whole => drop(answers.send(reply)),
            // Those who want it come back over TCP (RFC 4795 §2.5); multicast DNS has no such way.
            Some(_) if !mdns => drop(answers.send(self.0.truncated(&message))),
            _ => {}
        }
    }
}

impl Llmnr {
    async fn talk(&self, session: &mut Session) -> io::Result<()> {
        let mut pending = Vec::new();
        while let Some(bytes) = framed(session, &mut pending).await? {
            let Some(message) = Message::read(&bytes).filter(|_| bytes.len() >= HEADER) else {
                session.record.error("protocol", "message too short for a header");
                return Ok(());
            };
            let reply = self.0.reply(&message, Way::Llmnr);
            note(&session.record, &message, Way::Llmnr, None, reply.is_some());
            if let Some(reply) = reply {
                answer(session, &reply).await?;
            }
        }
        Ok(())
    }
}

/// Records what is asked or, where somebody else answers, what is claimed.
fn note(record: &Recorder, message: &Message, way: Way, multicast: Option<bool>, own: bool) {
    let protocol = if way == Way::Llmnr { "llmnr" } else { "mdns" };
    let draft = |action: &str| {
        let draft = record.event(Kind::Query, action).field("network.protocol", protocol);
        let draft = draft.field("network.transport", if multicast.is_some() { "udp" } else { "tcp" });
        match multicast {
            Some(multicast) => draft.field("llmnr.multicast", multicast),
            None => draft,
        }
    };
    if message.flags & 0x8000 != 0 {
        let shown = message.records.iter().take(SHOWN);
        let list: Vec<serde_json::Value> = shown
            .map(|r| serde_json::Value::from(format!("{} {}", r.name.text(), kind_name(r.kind))))
            .collect();
        return draft("announcement").field("dns.records", list).emit();
    }
    if message.unreadable || message.questions.is_empty() {
        return draft("no_question").emit();
    }
    for question in message.questions.iter().take(QUESTIONS_MAX) {
        draft("query")
            .text("dns.question.name", &question.name.text())
            .field("dns.question.type", kind_name(question.kind))
            .field("dns.op_code", message.opcode())
            .field("llmnr.own_name", own)
            .emit();
    }
}
