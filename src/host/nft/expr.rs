//! Expressions of rules: what the kernel's packet machine does, one after the other.
//!
//! A rule stops at the first expression that does not match. Values pass through registers of four
//! bytes; here the first one is used for nearly everything.

use super::message::Attributes;

/// A register of the packet machine (NFT_REG32_00 and those behind it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register(pub(super) u8);

/// The register of most rules; a MAC address needs it and the next.
pub(super) const R0: Register = Register(0);

impl Register {
    fn number(self) -> u32 {
        const NFT_REG32_00: u32 = 8;
        NFT_REG32_00.saturating_add(self.0.into())
    }
}

/// Where a packet's bytes are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The Ethernet header.
    Link = 0,
    /// The IP or ARP header.
    Network = 1,
    /// The TCP, UDP or ICMP header; nothing in later fragments.
    Transport = 2,
}

/// Some bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) base: Base,
    pub(super) offset: u32,
    pub(super) length: u32,
    /// Where the checksum that covers them is, from the same base.
    pub(super) checksum: Option<u32>,
}

/// What is known of a packet besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    /// EtherType, big-endian.
    Protocol = 1,
    /// The mark of the socket that it comes from.
    Mark = 3,
    /// Number of the interface it leaves by.
    OutInterface = 5,
    /// The owner of the socket that it comes from; a packet without such a socket does not match.
    Owner = 10,
    /// Protocol number of the transport header.
    Transport = 16,
    /// Whether it is for this host, for all, or for another.
    PacketType = 19,
}

/// How a rule or a map's entry decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop,
    Accept,
    /// Into a chain, and back at its end.
    Jump(&'static str),
    /// Into a chain; at its end the calling chain is over too.
    Goto(&'static str),
}

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Meta(Meta, Register),
    /// Sets [`Meta::PacketType`].
    SetPacketType(Register),
    /// Sets [`Meta::Mark`].
    SetMark(Register),
    Load(Field, Register),
    Store(Register, Field),
    /// Copies a value into registers.
    Value(Register, Vec<u8>),
    Equal(Register, Vec<u8>),
    Differs(Register, Vec<u8>),
    /// Keeps the bits of the first, then turns those of the second over.
    Bits(Register, Vec<u8>, Vec<u8>),
    /// Shifts 32 bits, in the host's order, to the left.
    Shift(Register, u32),
    /// 32 bits from the host's order to big-endian.
    BigEndian(Register),
    /// The number after the last one below the modulus.
    Count {
        to: Register,
        modulus: u32,
        offset: u32,
    },
    /// A random number below the modulus.
    Random {
        to: Register,
        modulus: u32,
        offset: u32,
    },
    /// In the set.
    Member(&'static str, Register),
    /// The map's value for what is in the first register, into the second.
    Map(&'static str, Register, Register),
    /// The map's verdict.
    VerdictMap(&'static str, Register),
    /// Matches what is above so many packets a second.
    Above {
        rate: u64,
        burst: u32,
    },
    /// Makes no-operations of a TCP option.
    ResetOption(u8),
    /// Sends it out by the link whose number is in the register, instead of going on with it.
    Forward(Register),
    /// Answers with a TCP reset and drops.
    Reset,
    /// Counts in the named counter.
    Counter(&'static str),
    Verdict(Verdict),
}

/// What the attribute `kind` of type NFTA_DATA_* holds: plain bytes.
pub(super) fn value(bytes: &[u8]) -> Attributes {
    Attributes::default().bytes(1, bytes)
}

/// The same with a verdict inside.
pub(super) fn verdict(verdict: &Verdict) -> Attributes {
    let (code, chain) = match verdict {
        Verdict::Drop => (0i32, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
    };
    let mut inner = Attributes::default().bytes(1, &code.to_be_bytes());
    if let Some(chain) = chain {
        inner = inner.text(2, chain);
    }
    Attributes::default().nest(2, &inner)
}

impl Expr {
    /// Its name and attributes (NFTA_EXPR_NAME, NFTA_EXPR_DATA).
    pub(super) fn attributes(&self) -> Attributes {
        let (name, data) = self.parts();
        Attributes::default().text(1, name).nest(2, &data)
    }

    fn parts(&self) -> (&'static str, Attributes) {
        let new = Attributes::default;
        match self {
            Self::Meta(key, to) => ("meta", new().number(1, to.number()).number(2, *key as u32)),
            Self::SetPacketType(from) => {
                ("meta", new().number(2, Meta::PacketType as u32).number(3, from.number()))
            }
            Self::SetMark(from) => ("meta", new().number(2, Meta::Mark as u32).number(3, from.number())),
            Self::Load(field, to) => ("payload", place(new().number(1, to.number()), field)),
            Self::Store(from, field) => {
                const CSUM_INET: u32 = 1;
                let data = place(new().number(5, from.number()), field);
                let data = match field.checksum {
                    Some(offset) => data.number(6, CSUM_INET).number(7, offset),
                    None => data.number(6, 0),
                };
                ("payload", data)
            }
            Self::Value(to, bytes) => ("immediate", new().number(1, to.number()).nest(2, &value(bytes))),
            Self::Equal(of, bytes) => ("cmp", compare(*of, 0, bytes)),
            Self::Differs(of, bytes) => ("cmp", compare(*of, 1, bytes)),
            Self::Bits(of, mask, flip) => {
                ("bitwise", both(*of, mask.len()).nest(4, &value(mask)).nest(5, &value(flip)))
            }
            Self::Shift(of, bits) => {
                const LSHIFT: u32 = 1;
                ("bitwise", both(*of, 4).number(6, LSHIFT).nest(7, &value(&bits.to_ne_bytes())))
            }
            Self::BigEndian(of) => {
                const HTON: u32 = 1;
                let data = new().number(1, of.number()).number(2, of.number());
                ("byteorder", data.number(3, HTON).number(4, 4).number(5, 4))
            }
            Self::Count { to, modulus, offset } => ("numgen", numbers(*to, *modulus, 0, *offset)),
            Self::Random { to, modulus, offset } => ("numgen", numbers(*to, *modulus, 1, *offset)),
            Self::Member(set, of) => ("lookup", new().text(1, set).number(2, of.number())),
            Self::Map(set, of, to) => {
                ("lookup", new().text(1, set).number(2, of.number()).number(3, to.number()))
            }
            Self::VerdictMap(set, of) => ("lookup", new().text(1, set).number(2, of.number()).number(3, 0)),
            Self::Above { rate, burst } => {
                const INVERT: u32 = 1;
                let data = new().long(1, *rate).long(2, 1).number(3, *burst).number(4, 0);
                ("limit", data.number(5, INVERT))
            }
            Self::ResetOption(option) => {
                const TCPOPT: u32 = 1;
                ("exthdr", new().bytes(2, &[*option]).number(6, TCPOPT))
            }
            Self::Forward(from) => ("fwd", new().number(1, from.number())),
            Self::Reset => ("reject", new().number(1, 1).bytes(2, &[0])),
            Self::Counter(name) => ("objref", new().number(1, super::batch::COUNTER).text(2, name)),
            Self::Verdict(decision) => ("immediate", new().number(1, 0).nest(2, &verdict(decision))),
        }
    }
}

fn place(data: Attributes, field: &Field) -> Attributes {
    data.number(2, field.base as u32).number(3, field.offset).number(4, field.length)
}

fn compare(of: Register, operation: u32, bytes: &[u8]) -> Attributes {
    Attributes::default().number(1, of.number()).number(2, operation).nest(3, &value(bytes))
}

fn both(register: Register, length: usize) -> Attributes {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    Attributes::default().number(1, register.number()).number(2, register.number()).number(3, length)
}

fn numbers(to: Register, modulus: u32, kind: u32, offset: u32) -> Attributes {
    Attributes::default().number(1, to.number()).number(2, modulus).number(3, kind).number(4, offset)
}
