//! Parts of rules under the names that people use.

use super::expr::{Base, Expr, Field, Meta, R0, Register, Verdict};

pub(super) const IPV4: [u8; 2] = [0x08, 0x00];
pub(super) const ARP: [u8; 2] = [0x08, 0x06];
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

const fn field(base: Base, offset: u32, length: u32, checksum: Option<u32>) -> Field {
    Field { base, offset, length, checksum }
}

const IP_CHECKSUM: Option<u32> = Some(10);
const TCP_CHECKSUM: Option<u32> = Some(16);

pub(super) const ETHER_DESTINATION: Field = field(Base::Link, 0, 6, None);
pub(super) const ETHER_SOURCE: Field = field(Base::Link, 6, 6, None);
pub(super) const ETHER_SOURCE_AND_TYPE: Field = field(Base::Link, 6, 8, None);
pub(super) const ETHER_TYPE: Field = field(Base::Link, 12, 2, None);
pub(super) const ARP_OPERATION: Field = field(Base::Network, 6, 2, None);
pub(super) const ARP_SENDER: Field = field(Base::Network, 14, 4, None);
pub(super) const ARP_TARGET: Field = field(Base::Network, 24, 4, None);
pub(super) const IP_ID: Field = field(Base::Network, 4, 2, IP_CHECKSUM);
pub(super) const IP_FRAGMENT: Field = field(Base::Network, 6, 2, IP_CHECKSUM);
pub(super) const IP_SOURCE: Field = field(Base::Network, 12, 4, IP_CHECKSUM);
pub(super) const IP_DESTINATION: Field = field(Base::Network, 16, 4, IP_CHECKSUM);
pub(super) const TCP_FLAGS: Field = field(Base::Transport, 13, 1, None);
pub(super) const UDP_SOURCE_PORT: Field = field(Base::Transport, 0, 2, None);
pub(super) const ICMP_TYPE: Field = field(Base::Transport, 0, 1, None);

/// Bytes of the TCP header.
pub(super) const fn tcp(offset: u32, length: u32) -> Field {
    field(Base::Transport, offset, length, TCP_CHECKSUM)
}

pub(super) fn protocol(ethertype: [u8; 2]) -> [Expr; 2] {
    [Expr::Meta(Meta::Protocol, R0), Expr::Equal(R0, ethertype.to_vec())]
}

pub(super) fn transport(number: u8) -> [Expr; 2] {
    [Expr::Meta(Meta::Transport, R0), Expr::Equal(R0, vec![number])]
}

/// The field has this value.
pub(super) fn is(field: Field, value: impl Into<Vec<u8>>) -> [Expr; 2] {
    [Expr::Load(field, R0), Expr::Equal(R0, value.into())]
}

/// The field, under the mask, has this value.
pub(super) fn masked(field: Field, mask: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> [Expr; 3] {
    let mask = mask.into();
    let none = vec![0; mask.len()];
    [Expr::Load(field, R0), Expr::Bits(R0, mask, none), Expr::Equal(R0, value.into())]
}

/// The field, under the mask, is not zero.
pub(super) fn any_bit(field: Field, mask: impl Into<Vec<u8>>) -> [Expr; 3] {
    let mask = mask.into();
    let none = vec![0; mask.len()];
    [Expr::Load(field, R0), Expr::Bits(R0, mask, none.clone()), Expr::Differs(R0, none)]
}

/// The TCP flags of `mask` that are set are those of `value`.
pub(super) fn flags(mask: u8, value: u8) -> [Expr; 3] {
    masked(TCP_FLAGS, [mask], [value])
}

/// Gives the field this value.
pub(super) fn set(field: Field, value: impl Into<Vec<u8>>) -> [Expr; 2] {
    [Expr::Value(R0, value.into()), Expr::Store(R0, field)]
}

/// Keeps the bits `keep` of the field and sets those of `add`; no bit may be in both.
pub(super) fn bits(field: Field, keep: impl Into<Vec<u8>>, add: impl Into<Vec<u8>>) -> [Expr; 3] {
    [Expr::Load(field, R0), Expr::Bits(R0, keep.into(), add.into()), Expr::Store(R0, field)]
}

/// Copies one field over another of the same length.
pub(super) fn copy(from: Field, to: Field) -> [Expr; 2] {
    [Expr::Load(from, R0), Expr::Store(R0, to)]
}

/// Puts a number of 16 bits, in the host's order in the register, into a field.
pub(super) fn store_number(field: Field, from: Register) -> [Expr; 3] {
    [Expr::Shift(from, 16), Expr::BigEndian(from), Expr::Store(from, field)]
}

pub(super) fn accept() -> [Expr; 1] {
    [Expr::Verdict(Verdict::Accept)]
}

/// A rule from its parts.
#[macro_export]
#[doc(hidden)]
macro_rules! nft_rule {
    ($($part:expr),+ $(,)?) => {{
        let mut rule = Vec::new();
        $(rule.extend($part);)+
        rule
    }};
}
pub(super) use nft_rule as rule;
