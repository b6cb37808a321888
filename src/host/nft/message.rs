//! The bytes of nf_tables messages: `struct nlmsghdr`, `struct nfgenmsg`, then nested attributes
//! (linux/netfilter/nf_tables.h, nfnetlink.h). Numbers in attributes are big-endian there.

/// Types of the messages used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Kind {
    BatchBegin = 0x10,
    BatchEnd = 0x11,
    NewTable = NFTABLES,
    NewChain = NFTABLES | 3,
    NewRule = NFTABLES | 6,
    NewSet = NFTABLES | 9,
    NewElements = NFTABLES | 12,
    DeleteElements = NFTABLES | 14,
    NewObject = NFTABLES | 18,
    GetObject = NFTABLES | 19,
}

/// NFNL_SUBSYS_NFTABLES in the upper byte of a type.
const NFTABLES: u16 = SUBSYSTEM << 8;
const SUBSYSTEM: u16 = 10;
const NLA_F_NESTED: u16 = 1 << 15;
/// Bytes of `struct nlmsghdr` and `struct nfgenmsg`.
pub(super) const HEADERS: usize = 16 + 4;

/// What a table's rules see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6 of a namespace (NFPROTO_INET).
    Inet,
    /// Frames of one link (NFPROTO_NETDEV).
    Netdev,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Netdev => 5,
        }
    }
}

/// Attributes, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        // What is built here is a few kilobytes at most; the caller cuts lists of elements.
        let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn long(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    pub(super) fn nest(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A whole message.
pub(super) fn message(
    kind: Kind,
    family: Family,
    flags: u16,
    sequence: u32,
    attributes: &Attributes,
) -> Vec<u8> {
    let envelope = matches!(kind, Kind::BatchBegin | Kind::BatchEnd);
    let length = u32::try_from(HEADERS.saturating_add(attributes.len())).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADERS.saturating_add(attributes.len()));
    bytes.extend(length.to_ne_bytes());
    bytes.extend((kind as u16).to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([if envelope { 0 } else { family.number() }, 0]);
    bytes.extend(if envelope { SUBSYSTEM } else { 0 }.to_be_bytes());
    bytes.extend(&attributes.0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_messages_out_as_the_kernel_reads_them() {
        let inner = Attributes::default().number(1, 0x0102_0304);
        let all = Attributes::default().text(1, "abc").nest(4, &inner);
        let bytes = message(Kind::NewChain, Family::Netdev, 0x0401, 7, &all);
        let mut expected = Vec::new();
        expected.extend(40u32.to_ne_bytes());
        expected.extend(0x0a03u16.to_ne_bytes());
        expected.extend(0x0401u16.to_ne_bytes());
        expected.extend(7u32.to_ne_bytes());
        expected.extend([0, 0, 0, 0, 5, 0, 0, 0]);
        expected.extend(8u16.to_ne_bytes());
        expected.extend(1u16.to_ne_bytes());
        expected.extend(b"abc\0");
        expected.extend(12u16.to_ne_bytes());
        expected.extend(0x8004u16.to_ne_bytes());
        expected.extend(8u16.to_ne_bytes());
        expected.extend(1u16.to_ne_bytes());
        expected.extend([1, 2, 3, 4]);
        assert_eq!(bytes, expected);
        let begin = message(Kind::BatchBegin, Family::Inet, 1, 0, &Attributes::default());
        assert_eq!(begin[16..], [0, 0, 0, 10]);
    }
}
