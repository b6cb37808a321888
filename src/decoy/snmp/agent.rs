//! An agent: communities, requests, responses that fit; version 3 as far as who asks. Codes are those of
//! Net-SNMP 5.9, compared with a genuine one.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value as Json;

use super::message::{Classic, Message, Pdu, Secured, Variable, classic, pdu, response, secured, variable};
use super::mib::{Mib, Oid, Value};
use crate::decoy::ber::tag;
use crate::decoy::session::Recorder;
use crate::decoy::{Answers, Packet, setting};
use crate::event::{Kind, SecretKind};
use crate::model::Settings;

/// Longest text that a SET stores.
const TEXT_MAX: usize = 255;
/// Identifiers that an event lists.
const SHOWN: usize = 16;
/// Peers of whom it is remembered that they know a community.
const KNOWN_MAX: usize = 64;
/// Repetitions that are looked at.
const REPETITIONS_MAX: i64 = 256;
/// Largest message as version 3 says it.
const SIZE: i64 = 65_507;

/// Error codes.
mod status {
    pub(super) const OK: i64 = 0;
    pub(super) const TOO_BIG: i64 = 1;
    pub(super) const NO_SUCH_NAME: i64 = 2;
    pub(super) const BAD_VALUE: i64 = 3;
    pub(super) const NO_ACCESS: i64 = 6;
    pub(super) const WRONG_TYPE: i64 = 7;
    pub(super) const WRONG_LENGTH: i64 = 8;
    pub(super) const NOT_WRITABLE: i64 = 17;
}

/// What an agent is known by to version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    /// Its identifier (RFC 3411 §5).
    pub(crate) id: Vec<u8>,
    /// How often it was started.
    pub(crate) boots: i64,
    /// Since when it runs, seconds since 1970.
    pub(crate) since: i64,
}

type Make = dyn Fn() -> Mib + Send + Sync;

/// One agent. Its table is made at the first request.
pub(crate) struct Agent {
    read: Vec<u8>,
    write: Vec<u8>,
    user: Option<Vec<u8>>,
    engine: Option<Engine>,
    make: Box<Make>,
    mib: OnceLock<Mib>,
    set: Mutex<BTreeMap<Oid, Vec<u8>>>,
    known: Mutex<VecDeque<(IpAddr, Vec<u8>)>>,
}

impl Agent {
    /// An agent with the communities and the user of `settings` and the table that `make` makes. Without an
    /// engine it does not speak version 3.
    pub(crate) fn new(
        settings: &Settings,
        engine: Option<Engine>,
        make: impl Fn() -> Mib + Send + Sync + 'static,
    ) -> Self {
        let community =
            |key, default: &str| setting::text(settings, key).unwrap_or(default).as_bytes().to_vec();
        Self {
            read: community("community", "public"),
            write: community("write_community", "private"),
            user: setting::text(settings, "user").map(|u| u.as_bytes().to_vec()),
            engine,
            make: Box::new(make),
            mib: OnceLock::new(),
            set: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Answers one datagram.
    pub(crate) fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let now = jiff::Timestamp::now().as_millisecond();
        match Message::read(packet.bytes) {
            Some(Message::Classic(message)) => self.classic(packet, &message, answers, now),
            Some(Message::Secured(message)) => self.secured(packet, &message, answers, now),
            None => packet.record.error("protocol", "not an SNMP message"),
        }
    }

    fn mib(&self) -> &Mib {
        self.mib.get_or_init(|| (self.make)())
    }

    fn classic(&self, packet: &Packet<'_>, message: &Classic, answers: &mut Answers, now: i64) {
        let writes = message.community == self.write;
        let ok = writes || message.community == self.read;
        if !ok || !self.knows(packet.source.ip(), &message.community) {
            let secret = Some((message.community.as_slice(), SecretKind::Plaintext));
            packet.record.login("community", b"", secret, ok);
        }
        note(packet.record, &message.pdu, if message.version == 0 { "1" } else { "2c" }, ok);
        if !ok {
            return;
        }
        let room = answers.room();
        if let Some(bytes) = self.respond(message, writes, room, now) {
            answers.send(bytes);
        }
    }

    /// Whether this peer's knowledge of a community was recorded; it counts as recorded from now on.
    fn knows(&self, source: IpAddr, community: &[u8]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(ip, text)| *ip == source && text == community) {
            return true;
        }
        if known.len() >= KNOWN_MAX {
            known.pop_front();
        }
        known.push_back((source, community.to_vec()));
        false
    }

    /// A response of at most `room` bytes; none when there is none.
    fn respond(&self, message: &Classic, writes: bool, room: usize, now: i64) -> Option<Vec<u8>> {
        let Classic { version, community, pdu } = message;
        let one = *version == 0;
        let wrap = |status: i64, index: i64, variables: &[Vec<u8>]| {
            classic(*version, community, response(pdu::RESPONSE, pdu.id, status, index, variables))
        };
        let echo = || pdu.variables.iter().map(echo).collect::<Vec<_>>();
        let outcome = match pdu.tag {
            pdu::GET => self.get(pdu, one, now),
            pdu::NEXT => self.next(pdu, one, now),
            pdu::SET => self.set(pdu, one, writes),
            pdu::BULK => {
                // As many as fit (RFC 3416 §4.2.3).
                let spare = room.saturating_sub(wrap(0, 0, &[]).len() + 8);
                let list = self.bulk(pdu, one, now, spare);
                if list.is_empty() && !pdu.variables.is_empty() && pdu.second != 0 {
                    Err((status::TOO_BIG, 0))
                } else {
                    Ok(list)
                }
            }
            _ => return None,
        };
        let whole = match outcome {
            Ok(list) => wrap(status::OK, 0, &list),
            Err((status::TOO_BIG, _)) => Vec::new(),
            Err((status, index)) => wrap(status, index, &echo()),
        };
        if !whole.is_empty() && whole.len() <= room {
            return Some(whole);
        }
        // Version 1 repeats what was asked (RFC 1157 §4.1.2), 2c nothing.
        let less = wrap(status::TOO_BIG, 0, &if one { echo() } else { Vec::new() });
        (less.len() <= room).then_some(less)
    }

    fn value(&self, oid: &[u32], value: &Value, now: i64) -> Vec<u8> {
        if self.mib().is_writable(oid) {
            let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(text) = set.get(oid) {
                return Value::Text(text.clone()).encode(now);
            }
        }
        value.encode(now)
    }

    fn get(&self, pdu: &Pdu, one: bool, now: i64) -> Result<Vec<Vec<u8>>, (i64, i64)> {
        let mut list = Vec::new();
        for (index, asked) in (1i64..).zip(&pdu.variables) {
            match self.mib().get(&asked.oid).filter(|(_, v)| !(one && v.is_wide())) {
                Some((oid, value)) => list.push(variable(oid, &self.value(oid, value, now))),
                None if one => return Err((status::NO_SUCH_NAME, index)),
                None => {
                    let exception = if self.mib().has_object(&asked.oid) { 0x81 } else { 0x80 };
                    list.push(variable(&asked.oid, &[exception, 0]));
                }
            }
        }
        Ok(list)
    }

    fn next(&self, pdu: &Pdu, one: bool, now: i64) -> Result<Vec<Vec<u8>>, (i64, i64)> {
        let mut list = Vec::new();
        for (index, asked) in (1i64..).zip(&pdu.variables) {
            match self.mib().next(&asked.oid, !one) {
                Some((oid, value)) => list.push(variable(oid, &self.value(oid, value, now))),
                None if one => return Err((status::NO_SUCH_NAME, index)),
                None => list.push(variable(&asked.oid, &[0x82, 0])),
            }
        }
        Ok(list)
    }

    fn bulk(&self, pdu: &Pdu, one: bool, now: i64, room: usize) -> Vec<Vec<u8>> {
        let plain = usize::try_from(pdu.first).unwrap_or(0).min(pdu.variables.len());
        let (mut list, mut used) = (Vec::new(), 0usize);
        let mut at: Vec<Oid> = pdu.variables.iter().map(|v| v.oid.clone()).collect();
        let mut add = |oid: &mut Oid, list: &mut Vec<Vec<u8>>| {
            let (entry, more) = match self.mib().next(oid, !one) {
                Some((next, value)) => {
                    oid.clone_from(next);
                    (variable(next, &self.value(next, value, now)), true)
                }
                None => (variable(oid, &[0x82, 0]), false),
            };
            used = used.saturating_add(entry.len());
            let fits = used <= room;
            if fits {
                list.push(entry);
            }
            (fits, more)
        };
        for oid in at.iter_mut().take(plain) {
            if !add(oid, &mut list).0 {
                return list;
            }
        }
        for _ in 0..pdu.second.clamp(0, REPETITIONS_MAX) {
            let mut any = false;
            for oid in at.iter_mut().skip(plain) {
                let (fits, more) = add(oid, &mut list);
                if !fits {
                    return list;
                }
                any |= more;
            }
            if !any {
                break;
            }
        }
        list
    }

    fn set(&self, pdu: &Pdu, one: bool, writes: bool) -> Result<Vec<Vec<u8>>, (i64, i64)> {
        for (index, asked) in (1i64..).zip(&pdu.variables) {
            let fault = if !writes {
                Some(status::NO_ACCESS)
            } else if !self.mib().is_writable(&asked.oid) {
                Some(status::NOT_WRITABLE)
            } else if asked.tag != tag::OCTETS {
                Some(status::WRONG_TYPE)
            } else {
                (asked.contents.len() > TEXT_MAX).then_some(status::WRONG_LENGTH)
            };
            if let Some(fault) = fault {
                // Version 1 has fewer words for it (RFC 3584 §4.4).
                let fault = match fault {
                    status::WRONG_TYPE | status::WRONG_LENGTH if one => status::BAD_VALUE,
                    _ if one => status::NO_SUCH_NAME,
                    other => other,
                };
                return Err((fault, index));
            }
        }
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        for asked in &pdu.variables {
            set.insert(asked.oid.clone(), asked.contents.clone());
        }
        Ok(pdu.variables.iter().map(echo).collect())
    }

    /// Version 3: tells who it is, and that it does not know who asks.
    fn secured(&self, packet: &Packet<'_>, message: &Secured, answers: &mut Answers, now: i64) {
        let record = packet.record;
        if !message.user.is_empty() || !message.auth.is_empty() {
            let draft = record
                .event(Kind::Login, "usm")
                .outcome(false)
                .user(&message.user)
                .field("snmp.engine_id", hex::encode(&message.engine))
                .field("snmp.auth_params", hex::encode(&message.auth))
                .field("snmp.engine_boots", message.boots)
                .field("snmp.engine_time", message.time)
                .field("snmp.encrypted", message.flags & 2 != 0)
                .field("snmp.priv_params", hex::encode(&message.privacy));
            if message.auth.is_empty() {
                draft.emit();
            } else {
                let whole = hex::encode(unsigned(packet.bytes, &message.auth));
                draft
                    .secret(hex::encode(&message.auth).as_bytes(), SecretKind::Snmpv3)
                    .text("snmp.message", &whole)
                    .emit();
            }
        }
        match &message.pdu {
            Some(pdu) => note(record, pdu, "3", false),
            None => record.event(Kind::Query, "encrypted").field("snmp.version", "3").emit(),
        }
        let Some(engine) = &self.engine else { return };
        let bad_flags = message.flags & 3 == 2;
        if message.model != 3 || message.flags & 4 == 0 || bad_flags || message.max_size < 484 {
            return;
        }
        // Counters of RFC 3414 §5, in the order of its checks.
        let reason = if message.engine != engine.id {
            4
        } else if self.user.as_deref() != Some(message.user.as_slice()) {
            3
        } else if message.flags & 1 == 0 {
            1
        } else {
            5
        };
        let id = message.pdu.as_ref().map_or(0, |p| p.id);
        let counter = Value::Counter(1).encode(now);
        let list = [variable(&[1, 3, 6, 1, 6, 3, 15, 1, 1, reason, 0], &counter)];
        let time = (now / 1000).saturating_sub(engine.since).clamp(0, i64::from(i32::MAX));
        let report = response(pdu::REPORT, id, 0, 0, &list);
        answers.send(secured(message, SIZE, &engine.id, (engine.boots, time), report));
    }
}

fn echo(asked: &Variable) -> Vec<u8> {
    variable(&asked.oid, &crate::decoy::ber::element(asked.tag, &asked.contents))
}

/// Records a request.
fn note(record: &Recorder, pdu: &Pdu, version: &str, ok: bool) {
    let action = match pdu.tag {
        pdu::GET => "get",
        pdu::NEXT => "getnext",
        pdu::SET => "set",
        pdu::BULK => "getbulk",
        pdu::RESPONSE => "response",
        0xa4 | 0xa7 => "trap",
        0xa6 => "inform",
        _ => "report",
    };
    let dotted = |oid: &Oid| oid.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    let list: Vec<Json> = pdu.variables.iter().take(SHOWN).map(|v| Json::from(dotted(&v.oid))).collect();
    let mut draft = record
        .event(Kind::Query, action)
        .outcome(ok)
        .field("snmp.version", version)
        .field("snmp.request_id", pdu.id)
        .field("snmp.oids", list);
    if pdu.variables.len() > SHOWN {
        draft = draft.field("snmp.oids_count", pdu.variables.len());
    }
    if pdu.tag == pdu::BULK {
        draft = draft.field("snmp.max_repetitions", pdu.second);
    }
    if pdu.tag == pdu::SET
        && let Some(first) = pdu.variables.first()
    {
        draft = draft.bytes("snmp.value", &first.contents);
    }
    draft.emit();
}

/// A message without its digest, as it was when the digest was made of it (RFC 3414 §6.3.1).
fn unsigned(bytes: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at = bytes.windows(digest.len().max(1)).position(|window| window == digest);
    if let Some(place) = at.and_then(|at| out.get_mut(at..at.checked_add(digest.len())?)) {
        place.fill(0);
    }
    out
}
