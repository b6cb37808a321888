//! What a name server answers: header rules, its zones, CHAOS names, transfers. Order and codes are those
//! of BIND 9.18, compared with a genuine one; Microsoft's differ where `windows` says so.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::cookie::Cookies;
use super::product::Product;
use super::recursion;
use super::wire::{Data, Message, Name, Question, Record, Writer, class, kind};
use super::zone::{Zone, zones};
use crate::decoy::setting;
use crate::model::{Persona, Settings};

/// Response codes.
pub(super) mod rcode {
    pub(in crate::decoy::dns) const NOERROR: u16 = 0;
    pub(in crate::decoy::dns) const FORMERR: u16 = 1;
    pub(in crate::decoy::dns) const SERVFAIL: u16 = 2;
    pub(in crate::decoy::dns) const NXDOMAIN: u16 = 3;
    pub(in crate::decoy::dns) const NOTIMP: u16 = 4;
    pub(in crate::decoy::dns) const REFUSED: u16 = 5;
    pub(in crate::decoy::dns) const NOTAUTH: u16 = 9;
    pub(in crate::decoy::dns) const BADVERS: u16 = 16;
}

const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSE: u16 = 0x0100;
const CAN_RECURSE: u16 = 0x0080;
const CHECKING_OFF: u16 = 0x0010;
/// Records of a transfer that go into one message, in bytes.
const TRANSFER_CHUNK: usize = 16_000;
/// Aliases followed.
const ALIASES_MAX: usize = 8;

/// Whose questions about the rest of the world it takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recursion {
    Nobody,
    Neighbours,
    Everybody,
}

/// What BIND says of its authors.
const AUTHORS: &[&str] = &[
    "JINMEI Tatuya",
    "David Lawrence",
    "Mark Andrews",
    "Michael Sawyer",
    "Danny Mayer",
    "James Brister",
    "Bob Halley",
    "Witold Krecicki",
    "Francis Dupont",
    "Andreas Gustafsson",
    "Michael Graff",
    "Brian Wellington",
    "John H. DuBois III",
    "Damien Neil",
    "Matt Nelson",
    "Scott Mann",
    "Ben Cottrell",
    "Evan Hunt",
    "Curtis Blackburn",
    "Jeremy C. Reed",
];

/// One name server.
pub(super) struct Server {
    persona: Persona,
    settings: Settings,
    pub(super) product: Product,
    recursion: Recursion,
    identity: String,
    transfers: bool,
    pub(super) cookies: Cookies,
    zones: OnceLock<Vec<Zone>>,
}

/// How a question came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) source: IpAddr,
    pub(super) tcp: bool,
    /// Bytes that an answer may have; of no effect over TCP.
    pub(super) room: usize,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// What is said, before it is put into bytes.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) code: u16,
    authoritative: bool,
    /// Whether the question is repeated, and an OPT record follows.
    question: bool,
    opt: bool,
    explanation: Option<u16>,
    pub(super) sections: [Vec<Record>; 3],
    /// Whether it is a whole zone.
    pub(super) transfer: bool,
}

impl Answer {
    fn code(code: u16) -> Self {
        Self { code, question: true, opt: true, ..Self::default() }
    }

    fn bare(code: u16) -> Self {
        Self { code, ..Self::default() }
    }
}

impl Server {
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let product = Product::new(persona, settings);
        let recursion = match setting::text(settings, "zone_mode") {
            Some("recursive") => Recursion::Neighbours,
            Some("open") => Recursion::Everybody,
            _ => Recursion::Nobody,
        };
        let identity = setting::text(settings, "nsid").unwrap_or(&persona.hostname).to_owned();
        // BIND gave its zones to anybody until 9.20; Microsoft's never did.
        let transfers = setting::flag(settings, "transfers").unwrap_or(!product.windows);
        Self {
            persona: persona.clone(),
            settings: settings.clone(),
            product,
            recursion,
            identity,
            transfers,
            cookies: Cookies::new(persona.seed.derive("dns/cookies")),
            zones: OnceLock::new(),
        }
    }

    fn zones(&self) -> &[Zone] {
        self.zones.get_or_init(|| zones(&self.persona, &self.settings, self.product.windows))
    }

    /// The innermost zone that has this name.
    pub(super) fn zone(&self, name: &Name) -> Option<&Zone> {
        let having = self.zones().iter().filter(|z| name.within(&z.apex));
        having.max_by_key(|z| z.apex.wire().len())
    }

    /// What to say to `message`; none when nothing.
    pub(super) fn answer(&self, message: &Message, asked: Asked) -> Option<Answer> {
        if message.flags & RESPONSE != 0 {
            return None;
        }
        let opcode = message.opcode();
        if opcode != 0 && opcode != 4 && opcode != 5 {
            return Some(Answer::bare(rcode::NOTIMP));
        }
        if message.asked == 0 && self.cookies.of(message).is_some() && !self.product.windows {
            return Some(Answer { opt: true, ..Answer::bare(rcode::NOERROR) });
        }
        let [question] = message.questions.as_slice() else {
            return Some(Answer::bare(rcode::FORMERR));
        };
        if message.unreadable {
            return Some(Answer::bare(rcode::FORMERR));
        }
        if message.broken {
            return Some(Answer { opt: false, ..Answer::code(rcode::FORMERR) });
        }
        if message.edns.as_ref().is_some_and(|e| e.version != 0) {
            return Some(Answer::code(rcode::BADVERS));
        }
        if self.cookies.malformed(message) && !self.product.windows {
            return Some(Answer::code(rcode::FORMERR));
        }
        if opcode != 0 {
            return Some(self.change(opcode, question));
        }
        Some(self.query(message, question, asked))
    }

    /// NOTIFY and UPDATE.
    fn change(&self, opcode: u8, question: &Question) -> Answer {
        let own = self.zones().iter().any(|z| z.apex.same(&question.name));
        match (own, opcode) {
            (false, _) => Answer::code(rcode::NOTAUTH),
            (true, 4) if self.product.windows => Answer::code(rcode::REFUSED),
            (true, 4) => Answer { authoritative: true, ..Answer::code(rcode::NOERROR) },
            (true, _) => Answer::code(rcode::REFUSED),
        }
    }

    fn query(&self, message: &Message, question: &Question, asked: Asked) -> Answer {
        let signed = message.records.last().is_some_and(|r| r.kind == kind::TSIG);
        match question.class {
            0 | class::NONE | class::ANY => {
                return Answer { opt: false, ..Answer::code(rcode::FORMERR) };
            }
            _ if signed && !self.product.windows => return Answer::code(rcode::NOTAUTH),
            class::IN => {}
            class::CHAOS if !self.product.windows => return self.chaos(message, question),
            class::CHAOS => return self.version_of_microsoft(question),
            _ if self.product.windows => return Answer::code(rcode::NOTIMP),
            _ => {
                let explanation = self.product.explains.then_some(18);
                return Answer { explanation, ..Answer::code(rcode::REFUSED) };
            }
        }
        match question.kind {
            kind::AXFR | kind::IXFR => return self.transfer(message, question, asked),
            kind::OPT | kind::TKEY | kind::TSIG => return Answer::code(rcode::FORMERR),
            kind::MAILA | kind::MAILB => return Answer::code(rcode::NOTIMP),
            _ => {}
        }
        match self.zone(&question.name) {
            Some(zone) => self.own(zone, message, question, asked),
            None if self.recurses(asked.source) && message.flags & RECURSE != 0 => {
                let (code, records) = recursion::resolve(question, asked.now);
                let mut answer = Answer::code(code);
                answer.sections[0] = records;
                answer
            }
            None => Answer::code(rcode::REFUSED),
        }
    }

    fn recurses(&self, source: IpAddr) -> bool {
        match (self.recursion, source) {
            (Recursion::Nobody, _) => false,
            (Recursion::Everybody, _) => true,
            (Recursion::Neighbours, IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback(),
            (Recursion::Neighbours, IpAddr::V6(_)) => false,
        }
    }

    /// A name of one of its zones.
    fn own(&self, zone: &Zone, message: &Message, question: &Question, asked: Asked) -> Answer {
        let mut answer = Answer { authoritative: true, ..Answer::code(rcode::NOERROR) };
        let mut name = question.name.clone();
        for _ in 0..ALIASES_MAX {
            let all: Vec<&Record> = zone.at(&name).collect();
            let any = question.kind == kind::ANY;
            // Over UDP one set of records is enough of an answer (RFC 8482 §4.1).
            let first = if any && !asked.tcp { all.first().map(|r| r.kind) } else { None };
            let fits = |r: &&&Record| {
                if any { first.is_none_or(|k| r.kind == k) } else { r.kind == question.kind }
            };
            let found: Vec<Record> = all.iter().filter(fits).map(|r| (*r).clone()).collect();
            if !found.is_empty() {
                answer.sections[0].extend(turned(found, message.id));
                break;
            }
            let alias = all.iter().find(|r| r.kind == kind::CNAME);
            let Some(alias) = alias else {
                if all.is_empty() && !zone.has(&name) {
                    answer.code = rcode::NXDOMAIN;
                }
                break;
            };
            answer.sections[0].push((*alias).clone());
            match &alias.data {
                Data::Name(target) if target.within(&zone.apex) => name = target.clone(),
                _ => break,
            }
        }
        let positive =
            answer.sections[0].iter().any(|r| r.kind != kind::CNAME) || question.kind == kind::CNAME;
        if !positive && let Some(soa) = zone.soa() {
            let least = if let Data::Soa(_, _, [.., minimum]) = &soa.data { *minimum } else { soa.ttl };
            answer.sections[1].push(Record { ttl: soa.ttl.min(least), ..soa.clone() });
        } else {
            self.companions(zone, message, question, &mut answer);
        }
        answer
    }

    /// Who serves the zone, and the addresses of names that the answer mentions.
    fn companions(&self, zone: &Zone, message: &Message, question: &Question, answer: &mut Answer) {
        let windows = self.product.windows;
        // `minimal-responses no-auth-recursive`, the default since BIND 9.12.
        if message.flags & RECURSE != 0 && !windows || question.kind == kind::ANY {
            return;
        }
        let whole = question.kind == kind::NS && question.name.same(&zone.apex);
        if !whole && !windows {
            let servers: Vec<Record> = zone.at(&zone.apex).filter(|r| r.kind == kind::NS).cloned().collect();
            answer.sections[1] = turned(servers, message.id);
        }
        let mut extra: Vec<Record> = Vec::new();
        for record in answer.sections[0].iter().chain(&answer.sections[1]) {
            let (Data::Name(to) | Data::Mx(_, to) | Data::Srv(_, _, _, to)) = &record.data else { continue };
            for address in zone.at(to).filter(|r| matches!(r.kind, kind::A | kind::AAAA)) {
                let known = |r: &&Record| *r == address;
                if record.kind != kind::CNAME
                    && record.kind != kind::PTR
                    && !extra.iter().any(|r| known(&r))
                    && !answer.sections[0].iter().any(|r| known(&r))
                {
                    extra.push(address.clone());
                }
            }
        }
        answer.sections[2] = extra;
    }

    /// A whole zone: over TCP only.
    fn transfer(&self, message: &Message, question: &Question, asked: Asked) -> Answer {
        let whole = question.kind == kind::AXFR;
        let asks = message.records.iter().find(|r| r.section == 2 && r.kind == kind::SOA);
        if !asked.tcp && whole || !whole && asks.is_none() {
            return Answer::code(rcode::FORMERR);
        }
        let Some(zone) = self.zones().iter().find(|z| z.apex.same(&question.name)) else {
            return Answer::code(rcode::NOTAUTH);
        };
        if !self.transfers {
            return Answer::code(rcode::REFUSED);
        }
        let Some(soa) = zone.soa() else { return Answer::code(rcode::SERVFAIL) };
        let mut answer = Answer { authoritative: true, ..Answer::code(rcode::NOERROR) };
        // Their serial is the first of the five numbers that an SOA ends with.
        let theirs = asks.and_then(|r| r.data.len().checked_sub(20).and_then(|at| r.data.get(at..at + 4)));
        let ours = if let Data::Soa(_, _, [serial, ..]) = &soa.data { serial.to_be_bytes() } else { [0; 4] };
        if !whole && (!asked.tcp || theirs == Some(&ours)) {
            answer.sections[0].push(soa.clone());
            return answer;
        }
        answer.transfer = true;
        answer.sections[0].extend_from_slice(&zone.records);
        answer.sections[0].push(soa.clone());
        answer
    }

    /// Names that tell about the server itself.
    fn chaos(&self, message: &Message, question: &Question) -> Answer {
        let names = ["version.bind", "hostname.bind", "id.server", "authors.bind"];
        let place = |n: &&&str| Name::new(n).is_some_and(|apex| question.name.within(&apex));
        let Some(which) = names.iter().find(place) else { return Answer::code(rcode::REFUSED) };
        let Some(apex) = Name::new(which) else { return Answer::code(rcode::REFUSED) };
        let hostname = vec![self.persona.hostname.as_str()];
        let texts: Vec<&str> = match *which {
            "version.bind" => self.product.version.as_deref().into_iter().collect(),
            "hostname.bind" => hostname,
            "id.server" => vec![self.identity.as_str()],
            _ => AUTHORS.to_vec(),
        };
        let record = |kind, ttl, data| Record { name: apex.clone(), kind, class: class::CHAOS, ttl, data };
        let numbers = [0, 28_800, 7200, 604_800, 86_400];
        let mailbox = Name::new(&format!("hostmaster.{which}")).unwrap_or_else(|| apex.clone());
        let soa = record(kind::SOA, 86_400, Data::Soa(apex.clone(), mailbox, numbers));
        let server = record(kind::NS, 0, Data::Name(apex.clone()));
        let says = texts.iter().map(|t| record(kind::TXT, 0, Data::Text(vec![t.as_bytes().to_vec()])));
        let mut answer = Answer { authoritative: true, ..Answer::code(rcode::NOERROR) };
        let at_apex = question.name.same(&apex);
        match question.kind {
            _ if !at_apex => {
                answer.code = rcode::NXDOMAIN;
                answer.sections[1].push(soa);
            }
            kind::TXT => {
                answer.sections[0].extend(says);
                if message.flags & RECURSE == 0 {
                    answer.sections[1].push(server);
                }
            }
            kind::ANY => answer.sections[0].extend(says.chain([soa, server])),
            kind::SOA => answer.sections[0].push(soa),
            kind::NS => answer.sections[0].push(server),
            _ => answer.sections[1].push(soa),
        }
        answer
    }

    /// Microsoft's tells its version, of class IN, when it was told to.
    fn version_of_microsoft(&self, question: &Question) -> Answer {
        let asked = Name::new("version.bind").is_some_and(|n| n.same(&question.name));
        let Some(version) = self.product.version.as_ref().filter(|_| asked && question.kind == kind::TXT)
        else {
            return Answer::code(rcode::NOTIMP);
        };
        let mut answer = Answer::code(rcode::NOERROR);
        let data = Data::Text(vec![version.as_bytes().to_vec()]);
        let name = question.name.clone();
        answer.sections[0].push(Record { name, kind: kind::TXT, class: class::IN, ttl: 1500, data });
        answer
    }

    /// The bytes of an answer: one message over UDP, one or more over TCP; none when no answer fits.
    pub(super) fn render(&self, message: &Message, answer: &Answer, asked: Asked) -> Vec<Vec<u8>> {
        if answer.transfer {
            return self.render_transfer(message, answer, asked);
        }
        let full = self.render_one(message, answer, asked, false);
        if asked.tcp {
            return if full.len() <= usize::from(u16::MAX) { vec![full] } else { Vec::new() };
        }
        let theirs = message.edns.as_ref().map_or(512, |e| e.size.clamp(512, self.product.payload).into());
        let limit = asked.room.min(theirs);
        if full.len() <= limit {
            return vec![full];
        }
        // Addresses that were not asked for are left out first, without a word (RFC 2181 §9).
        if !answer.sections[2].is_empty() {
            let [a, b, _] = answer.sections.clone();
            let less = Answer { sections: [a, b, Vec::new()], ..*answer };
            let shorter = self.render_one(message, &less, asked, false);
            if shorter.len() <= limit {
                return vec![shorter];
            }
        }
        let cut = Answer { sections: Default::default(), ..*answer };
        let cut = self.render_one(message, &cut, asked, true);
        if cut.len() <= limit { vec![cut] } else { Vec::new() }
    }

    fn render_one(&self, message: &Message, answer: &Answer, asked: Asked, cut: bool) -> Vec<u8> {
        let mut writer = Writer::new(message.id, self.flags(message, answer, asked, cut));
        if answer.question
            && let Some(question) = message.questions.first()
        {
            writer.question(question);
        }
        for (section, records) in (1..).zip(&answer.sections) {
            records.iter().for_each(|r| writer.record(section, r));
        }
        self.opt(message, answer, asked, cut, &mut writer);
        writer.finish()
    }

    fn flags(&self, message: &Message, answer: &Answer, asked: Asked, cut: bool) -> u16 {
        let mut flags = RESPONSE | message.flags & 0x7800 | message.flags & RECURSE | answer.code & 0xf;
        if answer.authoritative {
            flags |= AUTHORITATIVE;
        }
        if cut {
            flags |= TRUNCATED;
        }
        if answer.question && message.opcode() == 0 {
            flags |= message.flags & CHECKING_OFF;
            let chaos = message.questions.first().is_some_and(|q| q.class != class::IN);
            if self.recurses(asked.source) && !chaos {
                flags |= CAN_RECURSE;
            }
        }
        flags
    }

    fn opt(&self, message: &Message, answer: &Answer, asked: Asked, cut: bool, writer: &mut Writer) {
        let Some(edns) = message.edns.as_ref().filter(|_| answer.opt) else { return };
        let mut options = Vec::new();
        if !self.product.windows && !cut && edns.version == 0 {
            if edns.option(3).is_some() {
                options.push((3, self.identity.as_bytes().to_vec()));
            }
            if let Some(theirs) = self.cookies.of(message) {
                let data = [theirs.as_slice(), &self.cookies.make(&theirs, asked.source, asked.now)].concat();
                options.push((10, data));
            }
            if let Some(code) = answer.explanation {
                options.push((15, code.to_be_bytes().to_vec()));
            }
        }
        let high = u8::try_from(answer.code >> 4).unwrap_or(0);
        writer.opt(self.product.payload, high, edns.dnssec, &options);
    }

    fn render_transfer(&self, message: &Message, answer: &Answer, asked: Asked) -> Vec<Vec<u8>> {
        let flags = self.flags(message, answer, asked, false);
        let mut all = Vec::new();
        let mut writer = Writer::new(message.id, flags);
        if let Some(question) = message.questions.first() {
            writer.question(question);
        }
        for record in &answer.sections[0] {
            if writer.len() > TRANSFER_CHUNK {
                if all.is_empty() {
                    self.opt(message, answer, asked, false, &mut writer);
                }
                all.push(std::mem::replace(&mut writer, Writer::new(message.id, flags)).finish());
            }
            writer.record(1, record);
        }
        if all.is_empty() {
            self.opt(message, answer, asked, false, &mut writer);
        }
        all.push(writer.finish());
        all
    }
}

/// Sets of several records start with another one each time.
fn turned(mut records: Vec<Record>, id: u16) -> Vec<Record> {
    if records.len() > 1 && records.windows(2).all(|w| w[0].kind == w[1].kind) {
        let by = usize::from(id) % records.len();
        records.rotate_left(by);
    }
    records
}
