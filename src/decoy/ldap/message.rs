//! LDAP messages (RFC 4511): requests are read without trust, answers written the way the product does.

use super::filter::Filter;
use crate::decoy::ber::{self, Reader, tag};

/// Attributes of a search that are looked at.
const ATTRIBUTES_MAX: usize = 64;
/// Controls of a message that are looked at.
const CONTROLS_MAX: usize = 16;

/// Result codes.
pub(super) mod code {
    pub(in crate::decoy::ldap) const SUCCESS: u8 = 0;
    pub(in crate::decoy::ldap) const OPERATIONS_ERROR: u8 = 1;
    pub(in crate::decoy::ldap) const PROTOCOL_ERROR: u8 = 2;
    pub(in crate::decoy::ldap) const SIZE_LIMIT: u8 = 4;
    pub(in crate::decoy::ldap) const COMPARE_FALSE: u8 = 5;
    pub(in crate::decoy::ldap) const COMPARE_TRUE: u8 = 6;
    pub(in crate::decoy::ldap) const AUTH_METHOD: u8 = 7;
    pub(in crate::decoy::ldap) const STRONGER_AUTH: u8 = 8;
    pub(in crate::decoy::ldap) const REFERRAL: u8 = 10;
    pub(in crate::decoy::ldap) const CRITICAL_EXTENSION: u8 = 12;
    pub(in crate::decoy::ldap) const SASL_IN_PROGRESS: u8 = 14;
    pub(in crate::decoy::ldap) const NO_SUCH_OBJECT: u8 = 32;
    pub(in crate::decoy::ldap) const INVALID_DN: u8 = 34;
    pub(in crate::decoy::ldap) const INAPPROPRIATE_AUTH: u8 = 48;
    pub(in crate::decoy::ldap) const INVALID_CREDENTIALS: u8 = 49;
    pub(in crate::decoy::ldap) const ACCESS: u8 = 50;
    pub(in crate::decoy::ldap) const UNWILLING: u8 = 53;
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) oid: Vec<u8>,
    pub(super) critical: bool,
}

/// A search.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) base: Vec<u8>,
    pub(super) scope: i64,
    pub(super) limit: usize,
    pub(super) types_only: bool,
    /// None when it is malformed or nested too deep.
    pub(super) filter: Option<Filter>,
    pub(super) attributes: Vec<Vec<u8>>,
}

/// How somebody wants to be known.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Simple(Vec<u8>),
    Sasl(Vec<u8>, Option<Vec<u8>>),
    /// Microsoft's way for NTLM, by its tag.
    Sicily(u8, Vec<u8>),
    Other,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Bind {
        version: i64,
        name: Vec<u8>,
        credentials: Credentials,
    },
    Unbind,
    Search(Search),
    /// Modify, add, delete, rename: the tag of the answer, the entry, and how many attributes came along.
    Change {
        answer: u8,
        name: Vec<u8>,
        attributes: usize,
    },
    Compare {
        name: Vec<u8>,
        attribute: Vec<u8>,
        value: Vec<u8>,
    },
    Abandon,
    Extended {
        oid: Vec<u8>,
    },
    /// An operation that nobody knows.
    Unknown,
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: i64,
    pub(super) request: Request,
    pub(super) controls: Vec<Control>,
}

impl Message {
    /// Reads a whole message; none when it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes).enter(tag::SEQUENCE)?;
        let id = reader.integer(tag::INTEGER).filter(|id| (0..=i64::from(i32::MAX)).contains(id))?;
        let (operation, body) = reader.read()?;
        let request = request(operation, body)?;
        let mut controls = Vec::new();
        if let Some(mut list) = reader.enter(0xa0) {
            while controls.len() < CONTROLS_MAX && !list.is_empty() {
                let mut one = list.enter(tag::SEQUENCE)?;
                let oid = one.expect(tag::OCTETS)?.to_vec();
                let critical = one.expect(tag::BOOLEAN).is_some_and(|b| b != [0]);
                controls.push(Control { oid, critical });
            }
        }
        Some(Self { id, request, controls })
    }
}

fn request(operation: u8, body: &[u8]) -> Option<Request> {
    let mut body_reader = Reader::new(body);
    let r = &mut body_reader;
    Some(match operation {
        0x60 => {
            let version = r.integer(tag::INTEGER)?;
            let name = r.expect(tag::OCTETS)?.to_vec();
            let credentials = match r.read()? {
                (0x80, password) => Credentials::Simple(password.to_vec()),
                (0xa3, sasl) => {
                    let mut sasl = Reader::new(sasl);
                    let mechanism = sasl.expect(tag::OCTETS)?.to_vec();
                    Credentials::Sasl(mechanism, sasl.expect(tag::OCTETS).map(<[u8]>::to_vec))
                }
                (step @ 0x89..=0x8b, token) => Credentials::Sicily(step, token.to_vec()),
                _ => Credentials::Other,
            };
            Request::Bind { version, name, credentials }
        }
        0x42 => Request::Unbind,
        0x50 => Request::Abandon,
        0x63 => Request::Search(search(r)?),
        0x66 | 0x68 | 0x6c => {
            let name = r.expect(tag::OCTETS)?.to_vec();
            let attributes = usize::from(operation == 0x6c || !r.enter(tag::SEQUENCE)?.is_empty());
            Request::Change { answer: operation + 1, name, attributes }
        }
        0x4a => Request::Change { answer: 0x6b, name: body.to_vec(), attributes: 1 },
        0x6e => {
            let name = r.expect(tag::OCTETS)?.to_vec();
            let mut pair = r.enter(tag::SEQUENCE)?;
            let attribute = pair.expect(tag::OCTETS)?.to_vec();
            Request::Compare { name, attribute, value: pair.expect(tag::OCTETS)?.to_vec() }
        }
        0x77 => Request::Extended { oid: r.expect(0x80)?.to_vec() },
        _ => Request::Unknown,
    })
}

fn search(r: &mut Reader<'_>) -> Option<Search> {
    let base = r.expect(tag::OCTETS)?.to_vec();
    let scope = r.integer(tag::ENUMERATED)?;
    r.integer(tag::ENUMERATED)?;
    let limit = usize::try_from(r.integer(tag::INTEGER)?).ok()?;
    r.integer(tag::INTEGER)?;
    let types_only = r.expect(tag::BOOLEAN)? != [0];
    let (kind, contents) = r.read()?;
    let filter = Filter::read(kind, contents);
    let mut attributes = Vec::new();
    let mut list = r.enter(tag::SEQUENCE)?;
    while attributes.len() < ATTRIBUTES_MAX && !list.is_empty() {
        attributes.push(list.expect(tag::OCTETS)?.to_vec());
    }
    Some(Search { base, scope, limit, types_only, filter, attributes })
}

/// How a product writes lengths: as short as can be, or Microsoft's five bytes for whatever holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) long: bool,
}

/// The outcome of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u8,
    pub(super) matched: Vec<u8>,
    pub(super) text: String,
    pub(super) referral: Option<String>,
    /// SASL's answer, or an extended operation's, with its tag.
    pub(super) extra: Vec<(u8, Vec<u8>)>,
}

impl Outcome {
    pub(super) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), ..Self::default() }
    }
}

impl Style {
    /// An element that holds others.
    pub(super) fn group(self, kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let contents = parts.concat();
        if !self.long {
            return ber::element(kind, &contents);
        }
        let length = u32::try_from(contents.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&[kind, 0x84], &length[..], &contents].concat()
    }

    /// Text or bytes.
    pub(super) fn text(self, bytes: &[u8]) -> Vec<u8> {
        if self.long && bytes.len() > 127 {
            return self.group(tag::OCTETS, &[bytes.to_vec()]);
        }
        ber::element(tag::OCTETS, bytes)
    }

    fn message(self, id: i64, operation: Vec<u8>, controls: Vec<u8>) -> Vec<u8> {
        self.group(tag::SEQUENCE, &[ber::number(tag::INTEGER, id), operation, controls])
    }

    /// The end of an operation.
    pub(super) fn result(self, id: i64, answer: u8, outcome: &Outcome, paged: bool) -> Vec<u8> {
        let mut parts = vec![
            vec![tag::ENUMERATED, 1, outcome.code],
            self.text(&outcome.matched),
            self.text(outcome.text.as_bytes()),
        ];
        if let Some(referral) = &outcome.referral {
            parts.push(self.group(0xa3, &[self.text(referral.as_bytes())]));
        }
        for (kind, bytes) in &outcome.extra {
            parts.push(ber::element(*kind, bytes));
        }
        let controls = if paged {
            // No estimate, and no more pages.
            let cookie = self.group(tag::SEQUENCE, &[ber::number(tag::INTEGER, 0), self.text(&[])]);
            let control = [self.text(super::PAGED), self.text(&cookie)];
            self.group(0xa0, &[self.group(tag::SEQUENCE, &control)])
        } else {
            Vec::new()
        };
        self.message(id, self.group(answer, &parts), controls)
    }

    /// One entry that was found.
    pub(super) fn entry(self, id: i64, dn: &str, attributes: &[(&str, &[Vec<u8>])]) -> Vec<u8> {
        let list: Vec<Vec<u8>> = attributes
            .iter()
            .map(|(name, values)| {
                let values: Vec<Vec<u8>> = values.iter().map(|v| self.text(v)).collect();
                self.group(tag::SEQUENCE, &[self.text(name.as_bytes()), self.group(tag::SET, &values)])
            })
            .collect();
        let parts = [self.text(dn.as_bytes()), self.group(tag::SEQUENCE, &list)];
        self.message(id, self.group(0x64, &parts), Vec::new())
    }

    /// Where more is.
    pub(super) fn reference(self, id: i64, to: &str) -> Vec<u8> {
        self.message(id, self.group(0x73, &[self.text(to.as_bytes())]), Vec::new())
    }

    /// What is said before hanging up (RFC 4511 §4.4.1).
    pub(super) fn disconnection(self, text: &str) -> Vec<u8> {
        let mut outcome = Outcome::new(code::PROTOCOL_ERROR, text);
        outcome.extra.push((0x8a, b"1.3.6.1.4.1.1466.20036".to_vec()));
        self.result(0, 0x78, &outcome, false)
    }
}
