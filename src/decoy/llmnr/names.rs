//! The names a machine has on its link, and the answers that tell of them.

use std::net::Ipv4Addr;

use super::super::dns::wire::{Data, Message, Name, Question, Record, Writer, class, kind};
use super::QUESTIONS_MAX;
use crate::model::Persona;

/// How a question came, and so how its answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Llmnr,
    /// From one who speaks multicast DNS itself.
    Mdns,
    /// From a plain resolver (RFC 6762 §6.7).
    Legacy,
}

/// Seconds that an LLMNR answer may be kept (RFC 4795 §2.8).
const LLMNR_TTL: u32 = 30;
/// Those of names and of services in multicast DNS (RFC 6762 §10), and most for a plain resolver.
const MDNS_TTL: (u32, u32, u32) = (120, 4500, 10);
/// "Forget what you knew of this name."
const FLUSH: u16 = 0x8000;

/// Services that are announced, by slug: their types and ports.
const ANNOUNCED: &[(&str, &str, u16)] = &[
    ("ftp", "_ftp._tcp", 21),
    ("http", "_http._tcp", 80),
    ("smb", "_smb._tcp", 445),
    ("ssh", "_sftp-ssh._tcp", 22),
    ("ssh", "_ssh._tcp", 22),
    ("vnc", "_rfb._tcp", 5900),
];

/// What a printer announces.
const PRINTER: &[(&str, u16)] = &[("_ipp._tcp", 631), ("_pdl-datastream._tcp", 9100), ("_printer._tcp", 515)];

/// The names of one machine.
pub(super) struct Names {
    plain: Option<Name>,
    local: Option<Name>,
    reverse: Option<Name>,
    ip: Ipv4Addr,
    records: Vec<Record>,
}

impl Names {
    pub(super) fn new(persona: &Persona) -> Self {
        let host = persona.hostname.split('.').next().unwrap_or_default();
        let windows = persona.nmap_os.starts_with("windows");
        let [a, b, c, d] = persona.ip.octets();
        let mut names = Self {
            plain: Name::new(host).filter(|_| !host.is_empty()),
            local: Name::new(&format!("{host}.local")),
            reverse: Name::new(&format!("{d}.{c}.{b}.{a}.in-addr.arpa")),
            ip: persona.ip,
            records: Vec::new(),
        };
        // Windows announces no services of its own; the others run Avahi.
        if !windows {
            let printer = persona.archetype.as_deref() == Some("printer");
            let runs = ANNOUNCED.iter().filter(|(slug, ..)| persona.services.contains_key(*slug));
            let own = runs.map(|(_, kind, port)| (*kind, *port));
            let more = PRINTER.iter().copied().filter(|_| printer);
            for (service, port) in own.chain(more) {
                names.announce(host, service, port);
            }
        }
        names
    }

    fn announce(&mut self, host: &str, service: &str, port: u16) {
        let all = Name::new("_services._dns-sd._udp.local");
        let kind_of = Name::new(&format!("{service}.local"));
        let instance = Name::new(&format!("{host}.{service}.local"));
        let (Some(all), Some(kind_of), Some(instance), Some(local)) = (all, kind_of, instance, &self.local)
        else {
            return;
        };
        let local = local.clone();
        let mut add = |name: &Name, kind, class, ttl, data| {
            self.records.push(Record { name: name.clone(), kind, class, ttl, data });
        };
        let (short, long, _) = MDNS_TTL;
        add(&all, kind::PTR, class::IN, long, Data::Name(kind_of.clone()));
        add(&kind_of, kind::PTR, class::IN, long, Data::Name(instance.clone()));
        add(&instance, kind::SRV, class::IN | FLUSH, short, Data::Srv(0, 0, port, local));
        add(&instance, kind::TXT, class::IN | FLUSH, long, Data::Text(vec![Vec::new()]));
    }

    /// The answer to a message; none when nothing in it concerns this machine.
    pub(super) fn reply(&self, message: &Message, way: Way) -> Option<Vec<u8>> {
        // Answers, other operations, and LLMNR's "conflict" are nobody's questions.
        let conflict = way == Way::Llmnr && message.flags & 0x0400 != 0;
        if message.flags & 0x8000 != 0 || message.opcode() != 0 || message.unreadable || conflict {
            return None;
        }
        if way == Way::Mdns { self.announced(message) } else { self.single(message, way) }
    }

    /// An LLMNR answer that says: too long, ask over TCP.
    pub(super) fn truncated(&self, message: &Message) -> Vec<u8> {
        let mut writer = Writer::new(message.id, 0x8200);
        message.questions.iter().take(1).for_each(|q| writer.question(q));
        writer.finish()
    }

    fn single(&self, message: &Message, way: Way) -> Option<Vec<u8>> {
        let [question] = message.questions.as_slice() else { return None };
        let found = match way {
            Way::Llmnr => self.llmnr(question)?,
            _ => self.mdns(question).filter(|f| !f.is_empty())?,
        };
        let mut writer = Writer::new(message.id, if way == Way::Llmnr { 0x8000 } else { 0x8400 }).folding();
        writer.question(question);
        for mut record in found {
            if way == Way::Legacy {
                record.class &= !FLUSH;
                record.ttl = record.ttl.min(MDNS_TTL.2);
            }
            writer.record(1, &record);
        }
        Some(writer.finish())
    }

    /// Records for an LLMNR question: none at all when the name is not the machine's.
    fn llmnr(&self, question: &Question) -> Option<Vec<Record>> {
        if question.class != class::IN && question.class != class::ANY {
            return None;
        }
        let own = |name: &Option<Name>| name.as_ref().is_some_and(|n| n.same(&question.name));
        let record =
            |kind, data| Record { name: question.name.clone(), kind, class: class::IN, ttl: LLMNR_TTL, data };
        if own(&self.plain) {
            // Other types of an own name get an answer without records.
            let fits = matches!(question.kind, kind::A | kind::ANY);
            return Some(fits.then(|| record(kind::A, Data::A(self.ip))).into_iter().collect());
        }
        let plain = self.plain.clone().filter(|_| own(&self.reverse) && question.kind == kind::PTR)?;
        Some(vec![record(kind::PTR, Data::Name(plain))])
    }

    /// Records for a question of multicast DNS.
    fn mdns(&self, question: &Question) -> Option<Vec<Record>> {
        if !matches!(question.class & !FLUSH, class::IN | 255) {
            return None;
        }
        let own = |name: &Option<Name>| name.as_ref().is_some_and(|n| n.same(&question.name));
        let unique = |kind, data| Record {
            name: question.name.clone(),
            kind,
            class: class::IN | FLUSH,
            ttl: MDNS_TTL.0,
            data,
        };
        let any = question.kind == kind::ANY;
        if own(&self.local) {
            let asked = any || question.kind == kind::A;
            return asked.then(|| vec![unique(kind::A, Data::A(self.ip))]);
        }
        if own(&self.reverse) && (any || question.kind == kind::PTR) {
            return Some(vec![unique(kind::PTR, Data::Name(self.local.clone()?))]);
        }
        let fits = |r: &&Record| r.name.same(&question.name) && (any || r.kind == question.kind);
        Some(self.records.iter().filter(fits).cloned().collect())
    }

    /// All answers to the questions of a message, in one without the questions.
    fn announced(&self, message: &Message) -> Option<Vec<u8>> {
        let mut found: Vec<Record> = Vec::new();
        for question in message.questions.iter().take(QUESTIONS_MAX) {
            for record in self.mdns(question).unwrap_or_default() {
                // What the asker knows already is left out (RFC 6762 §7.1).
                let known = message
                    .records
                    .iter()
                    .any(|r| r.section == 1 && r.kind == record.kind && r.name.same(&record.name));
                if !known && !found.contains(&record) {
                    found.push(record);
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        let mut writer = Writer::new(0, 0x8400).folding();
        found.iter().for_each(|r| writer.record(1, r));
        Some(writer.finish())
    }
}
