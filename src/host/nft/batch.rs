//! A transaction: tables, chains, sets and rules that come to be all at once or not at all.

use std::fmt::Display;

use super::expr::{Expr, Verdict, value, verdict};
use super::message::{Attributes, Family, Kind, message};

/// NFT_OBJECT_COUNTER.
pub(super) const COUNTER: u32 = 1;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_APPEND: u16 = 0x800;
/// Elements of one message: an attribute ends at 64 KiB, and an element takes 60 bytes.
const ELEMENTS: usize = 512;

/// Where a chain hooks in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hook<'a> {
    /// What this namespace's own sockets send.
    Output,
    /// What comes in by a link, before anything else sees it.
    Ingress(&'a str),
    /// What is about to leave by a link.
    Egress(&'a str),
}

/// What becomes of a packet that no rule decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Drop = 0,
    Accept = 1,
}

/// What a map gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// Nothing: it is a set.
    Nothing,
    /// A MAC address.
    Mac,
    /// A verdict.
    Verdict,
}

/// Types of keys and data, for people who list them (nft's datatype.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Ipv4 = 7,
    Port = 13,
}

impl KeyType {
    fn length(self) -> u32 {
        match self {
            Self::Ipv4 => 4,
            Self::Port => 2,
        }
    }
}

/// An element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) key: Vec<u8>,
    pub(super) data: Data,
}

/// What belongs to an [`Element`]'s key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    None,
    Bytes(Vec<u8>),
    Verdict(Verdict),
}

/// A request of the batch, and what it does, for people.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) doing: String,
    kind: Kind,
    family: Family,
    flags: u16,
    attributes: Attributes,
}

/// Requests in one table.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    requests: Vec<Request>,
    family: Family,
    table: String,
}

impl Batch {
    pub(super) fn new(family: Family, table: impl Into<String>) -> Self {
        Self { requests: Vec::new(), family, table: table.into() }
    }

    /// What follows is about another table.
    pub(super) fn switch(&mut self, family: Family, table: &str) {
        self.family = family;
        table.clone_into(&mut self.table);
    }

    fn push(&mut self, doing: impl Display, kind: Kind, flags: u16, attributes: Attributes) {
        let doing = format!("{doing} of the packet rules");
        self.requests.push(Request { doing, kind, family: self.family, flags, attributes });
    }

    fn named(&self) -> Attributes {
        Attributes::default().text(1, &self.table)
    }

    /// Makes the table. `owned`: it goes when the socket goes, and nobody else may change it.
    pub(super) fn table(&mut self, owned: bool) {
        const OWNER: u32 = 2;
        let attributes = self.named().number(2, if owned { OWNER } else { 0 });
        self.push("make the table", Kind::NewTable, NLM_F_CREATE | NLM_F_EXCL, attributes);
    }

    /// Makes a chain that other chains lead into.
    pub(super) fn chain(&mut self, name: &str) {
        let attributes = self.named().text(3, name);
        self.push(format_args!("make the chain {name}"), Kind::NewChain, NLM_F_CREATE, attributes);
    }

    /// Makes a chain that the kernel leads packets into.
    pub(super) fn hook(&mut self, name: &str, hook: Hook<'_>, priority: i32, policy: Policy) {
        let (number, link) = match hook {
            Hook::Output => (3, None),
            Hook::Ingress(link) => (0, Some(link)),
            Hook::Egress(link) => (1, Some(link)),
        };
        let mut place = Attributes::default().number(1, number).bytes(2, &priority.to_be_bytes());
        if let Some(link) = link {
            place = place.text(3, link);
        }
        let attributes =
            self.named().text(3, name).nest(4, &place).number(5, policy as u32).text(7, "filter");
        self.push(format_args!("hook the chain {name}"), Kind::NewChain, NLM_F_CREATE, attributes);
    }

    /// Appends a rule to a chain.
    pub(super) fn rule(&mut self, chain: &str, expressions: impl IntoIterator<Item = Expr>) {
        let list = expressions
            .into_iter()
            .fold(Attributes::default(), |list, expression| list.nest(1, &expression.attributes()));
        let attributes = self.named().text(2, chain).nest(4, &list);
        let at = self.requests.len();
        self.push(
            format_args!("add rule {at} (chain {chain})"),
            Kind::NewRule,
            NLM_F_CREATE | NLM_F_APPEND,
            attributes,
        );
    }

    /// Makes a named counter.
    pub(super) fn counter(&mut self, name: &str) {
        let zero = Attributes::default().long(1, 0).long(2, 0);
        let attributes = self.named().text(2, name).number(3, COUNTER).nest(4, &zero);
        self.push(format_args!("make the counter {name}"), Kind::NewObject, NLM_F_CREATE, attributes);
    }

    /// Makes a set or map.
    pub(super) fn set(&mut self, name: &str, key: KeyType, gives: Gives) {
        const MAP: u32 = 8;
        const VERDICT: u32 = 0xffff_ff00;
        const MAC_TYPE: u32 = 9;
        let flags = if gives == Gives::Nothing { 0 } else { MAP };
        // The number by which rules of the same batch may refer to it; they use the name instead.
        let number = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        let attributes =
            self.named().text(2, name).number(3, flags).number(4, key as u32).number(5, key.length());
        let attributes = match gives {
            Gives::Nothing => attributes,
            Gives::Mac => attributes.number(6, MAC_TYPE).number(7, 6),
            Gives::Verdict => attributes.number(6, VERDICT).number(7, 0),
        };
        let attributes = attributes.number(10, number);
        self.push(format_args!("make the set {name}"), Kind::NewSet, NLM_F_CREATE, attributes);
    }

    /// Adds elements to a set.
    pub(super) fn insert(&mut self, set: &str, elements: &[Element]) {
        self.elements(format_args!("fill the set {set}"), Kind::NewElements, NLM_F_CREATE, set, elements);
    }

    /// Takes elements out of a set.
    pub(super) fn delete(&mut self, set: &str, elements: &[Element]) {
        self.elements(format_args!("empty the set {set}"), Kind::DeleteElements, 0, set, elements);
    }

    fn elements(&mut self, doing: impl Display, kind: Kind, flags: u16, set: &str, elements: &[Element]) {
        for part in elements.chunks(ELEMENTS) {
            let list = part.iter().fold(Attributes::default(), |list, element| {
                let inner = Attributes::default().nest(1, &value(&element.key));
                let inner = match &element.data {
                    Data::None => inner,
                    Data::Bytes(bytes) => inner.nest(2, &value(bytes)),
                    Data::Verdict(decision) => inner.nest(2, &verdict(decision)),
                };
                list.nest(1, &inner)
            });
            let attributes = self.named().text(2, set).nest(3, &list);
            self.push(&doing, kind, flags, attributes);
        }
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The bytes of the transaction: its begin has the number `first`, the requests those behind it.
    /// Only the last is acknowledged; the kernel reports failures of the others anyway.
    pub(super) fn bytes(&self, first: u32) -> Vec<u8> {
        let none = Attributes::default();
        let mut bytes = message(Kind::BatchBegin, Family::Inet, NLM_F_REQUEST, first, &none);
        let last = self.requests.len().saturating_sub(1);
        let mut number = first;
        for (at, request) in self.requests.iter().enumerate() {
            number = number.wrapping_add(1);
            let flags = NLM_F_REQUEST | request.flags | if at == last { NLM_F_ACK } else { 0 };
            bytes.extend(message(request.kind, request.family, flags, number, &request.attributes));
        }
        number = number.wrapping_add(1);
        bytes.extend(message(Kind::BatchEnd, Family::Inet, NLM_F_REQUEST, number, &none));
        bytes
    }
}

/// Asks for a named counter.
pub(super) fn get_counter(family: Family, table: &str, name: &str, sequence: u32) -> Vec<u8> {
    let attributes = Attributes::default().text(1, table).text(2, name).number(3, COUNTER);
    message(Kind::GetObject, family, NLM_F_REQUEST | NLM_F_ACK, sequence, &attributes)
}
