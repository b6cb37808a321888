//! SNMP messages (RFC 1157, 3416, 3412) as far as an agent reads and writes them.

use super::mib::Oid;
use crate::decoy::ber::{self, Reader, tag};

/// Most variables of one request.
const VARIABLES_MAX: usize = 128;

/// PDU tags.
pub(super) mod pdu {
    pub(in crate::decoy::snmp) const GET: u8 = 0xa0;
    pub(in crate::decoy::snmp) const NEXT: u8 = 0xa1;
    pub(in crate::decoy::snmp) const RESPONSE: u8 = 0xa2;
    pub(in crate::decoy::snmp) const SET: u8 = 0xa3;
    pub(in crate::decoy::snmp) const BULK: u8 = 0xa5;
    pub(in crate::decoy::snmp) const REPORT: u8 = 0xa8;
}

/// One variable of a request: its identifier, and the element that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) oid: Oid,
    pub(super) tag: u8,
    pub(super) contents: Vec<u8>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pdu {
    pub(super) tag: u8,
    pub(super) id: i64,
    /// Error status, or the number of variables that are not repeated.
    pub(super) first: i64,
    /// Error index, or the number of repetitions.
    pub(super) second: i64,
    pub(super) variables: Vec<Variable>,
}

/// A message of versions 1 and 2c.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Classic {
    pub(super) version: i64,
    pub(super) community: Vec<u8>,
    pub(super) pdu: Pdu,
}

/// A message of version 3, its contents unread when they are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secured {
    pub(super) id: i64,
    pub(super) max_size: i64,
    pub(super) flags: u8,
    pub(super) model: i64,
    pub(super) engine: Vec<u8>,
    pub(super) boots: i64,
    pub(super) time: i64,
    pub(super) user: Vec<u8>,
    pub(super) auth: Vec<u8>,
    pub(super) privacy: Vec<u8>,
    pub(super) pdu: Option<Pdu>,
}

/// Any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Classic(Classic),
    Secured(Secured),
}

impl Message {
    /// Reads a message; none when it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes).enter(tag::SEQUENCE)?;
        let version = reader.integer(tag::INTEGER)?;
        match version {
            0 | 1 => {
                let community = reader.expect(tag::OCTETS)?.to_vec();
                Some(Self::Classic(Classic { version, community, pdu: Pdu::read(&mut reader)? }))
            }
            3 => Secured::read(reader).map(Self::Secured),
            _ => None,
        }
    }
}

impl Secured {
    fn read(mut reader: Reader<'_>) -> Option<Self> {
        let mut head = reader.enter(tag::SEQUENCE)?;
        let (id, max_size) = (head.integer(tag::INTEGER)?, head.integer(tag::INTEGER)?);
        let [flags] = head.expect(tag::OCTETS)? else { return None };
        let model = head.integer(tag::INTEGER)?;
        let mut user = Reader::new(reader.expect(tag::OCTETS)?).enter(tag::SEQUENCE)?;
        let engine = user.expect(tag::OCTETS)?.to_vec();
        let (boots, time) = (user.integer(tag::INTEGER)?, user.integer(tag::INTEGER)?);
        let mut text = || user.expect(tag::OCTETS).map(<[u8]>::to_vec);
        let (name, auth, privacy) = (text()?, text()?, text()?);
        let pdu = reader.enter(tag::SEQUENCE).and_then(|mut scoped| {
            scoped.expect(tag::OCTETS)?;
            scoped.expect(tag::OCTETS)?;
            Pdu::read(&mut scoped)
        });
        Some(Self { id, max_size, flags: *flags, model, engine, boots, time, user: name, auth, privacy, pdu })
    }
}

impl Pdu {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let tag = reader.peek().filter(|t| (0xa0..=0xa8).contains(t))?;
        let mut body = reader.enter(tag)?;
        // The trap of version 1 is built otherwise; no agent answers to one.
        let mut number = || body.integer(tag::INTEGER);
        let (id, first, second) = (number()?, number()?, number()?);
        let mut list = body.enter(tag::SEQUENCE)?;
        let mut variables = Vec::new();
        while !list.is_empty() {
            if variables.len() >= VARIABLES_MAX {
                return None;
            }
            let mut one = list.enter(tag::SEQUENCE)?;
            let oid = ber::oid(one.expect(tag::OID)?)?;
            let (tag, contents) = one.read()?;
            variables.push(Variable { oid, tag, contents: contents.to_vec() });
        }
        Some(Self { tag, id, first, second, variables })
    }
}

/// A response: its PDU.
pub(super) fn response(kind: u8, id: i64, status: i64, index: i64, variables: &[Vec<u8>]) -> Vec<u8> {
    let number = |n| ber::number(tag::INTEGER, n);
    ber::group(kind, &[number(id), number(status), number(index), ber::group(tag::SEQUENCE, variables)])
}

/// One variable: an identifier, and an element.
pub(super) fn variable(oid: &[u32], value: &[u8]) -> Vec<u8> {
    ber::element(tag::SEQUENCE, &[&ber::identifier(oid), value].concat())
}

/// A message of versions 1 and 2c around a PDU.
pub(super) fn classic(version: i64, community: &[u8], pdu: Vec<u8>) -> Vec<u8> {
    let parts = [ber::number(tag::INTEGER, version), ber::element(tag::OCTETS, community), pdu];
    ber::group(tag::SEQUENCE, &parts)
}

/// A message of version 3, neither authenticated nor encrypted, around a PDU.
pub(super) fn secured(
    asked: &Secured,
    max_size: i64,
    engine: &[u8],
    (boots, time): (i64, i64),
    pdu: Vec<u8>,
) -> Vec<u8> {
    let number = |n| ber::number(tag::INTEGER, n);
    let text = |bytes: &[u8]| ber::element(tag::OCTETS, bytes);
    let head = [number(asked.id), number(max_size), text(&[0]), number(3)];
    let user = [text(engine), number(boots), number(time), text(&asked.user), text(&[]), text(&[])];
    let scoped = [text(engine), text(&[]), pdu];
    let parts = [
        number(3),
        ber::group(tag::SEQUENCE, &head),
        text(&ber::group(tag::SEQUENCE, &user)),
        ber::group(tag::SEQUENCE, &scoped),
    ];
    ber::group(tag::SEQUENCE, &parts)
}
