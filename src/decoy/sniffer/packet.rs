//! What a captured frame is about: who touched what, and how. Looks at headers only.

use std::net::Ipv4Addr;

/// How somebody touched an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    /// TCP SYN.
    Syn,
    /// TCP without any flag.
    Null,
    /// TCP FIN alone.
    Fin,
    /// TCP FIN, PSH and URG.
    Xmas,
    /// TCP with other flags, none of them ACK.
    Odd,
    /// A datagram.
    Udp,
    /// ICMP echo request.
    Echo,
    /// ICMP timestamp request.
    Timestamp,
    /// ICMP address mask request.
    Mask,
    /// A question for a hardware address.
    Arp,
}

impl How {
    /// The action of the event about it.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Syn => "tcp_syn",
            Self::Null => "tcp_null",
            Self::Fin => "tcp_fin",
            Self::Xmas => "tcp_xmas",
            Self::Odd => "tcp_odd",
            Self::Udp => "udp",
            Self::Echo => "icmp_echo",
            Self::Timestamp => "icmp_timestamp",
            Self::Mask => "icmp_mask",
            Self::Arp => "arp",
        }
    }
}

/// One touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    /// Who.
    pub(super) source: Ipv4Addr,
    /// Which address.
    pub(super) target: Ipv4Addr,
    /// Port it came from and port it went to; zeros where there are none.
    pub(super) ports: (u16, u16),
    /// How; none: it refuses an answer to an earlier SYN.
    pub(super) how: Option<How>,
}

/// Reads an Ethernet frame.
pub(super) fn parse(frame: &[u8]) -> Option<Touch> {
    match word(frame, 12)? {
        0x0800 => ip(frame.get(14..)?),
        0x0806 => arp(frame.get(14..)?),
        _ => None,
    }
}

fn arp(packet: &[u8]) -> Option<Touch> {
    // Ethernet and IPv4, a request.
    if packet.get(..8)? != [0, 1, 8, 0, 6, 4, 0, 1] {
        return None;
    }
    let (source, target) = (address(packet, 14)?, address(packet, 24)?);
    // Probes and announcements of one's own address ask for nobody (RFC 5227).
    let asks = !source.is_unspecified() && source != target;
    asks.then_some(Touch { source, target, ports: (0, 0), how: Some(How::Arp) })
}

fn ip(packet: &[u8]) -> Option<Touch> {
    let first = *packet.first()?;
    if first >> 4 != 4 || word(packet, 6)? & 0x1fff != 0 {
        return None;
    }
    let rest = packet.get(usize::from(first & 15).max(5) * 4..)?;
    let (source, target) = (address(packet, 12)?, address(packet, 16)?);
    let (ports, how) = match *packet.get(9)? {
        6 => ((word(rest, 0)?, word(rest, 2)?), tcp(*rest.get(13)?)?),
        17 => ((word(rest, 0)?, word(rest, 2)?), Some(How::Udp)),
        1 => {
            let how = match *rest.first()? {
                8 => How::Echo,
                13 => How::Timestamp,
                17 => How::Mask,
                _ => return None,
            };
            ((0, 0), Some(how))
        }
        _ => return None,
    };
    Some(Touch { source, target, ports, how })
}

/// None: it is an answer. `Some(None)`: it refuses one.
fn tcp(flags: u8) -> Option<Option<How>> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    if flags & ACK != 0 {
        return None;
    }
    Some(match flags & 0x3f {
        RST => None,
        SYN => Some(How::Syn),
        0 => Some(How::Null),
        FIN => Some(How::Fin),
        0x29 => Some(How::Xmas),
        _ => Some(How::Odd),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_scanners_send() {
        let mut frame = vec![0; 12];
        frame
            .extend([8, 0, 0x46, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 10, 0, 0, 9, 1, 1, 1, 1]);
        frame.extend([0x9c, 0x40, 0, 22]);
        frame.extend([0; 16]);
        let flags = frame.len() - 20 + 13;
        let mut how = |bits: u8| {
            frame[flags] = bits;
            parse(&frame).map(|t| {
                assert_eq!(
                    (t.source, t.target, t.ports),
                    ([192, 0, 2, 1].into(), [10, 0, 0, 9].into(), (40_000, 22))
                );
                t.how
            })
        };
        assert_eq!(how(2), Some(Some(How::Syn)));
        assert_eq!(how(0xc2), Some(Some(How::Syn)));
        assert_eq!(how(0), Some(Some(How::Null)));
        assert_eq!(how(0x29), Some(Some(How::Xmas)));
        assert_eq!(how(0x2b), Some(Some(How::Odd)));
        assert_eq!(how(4), Some(None));
        assert_eq!(how(0x10), None);
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0usize..3) {
            let mut frame = vec![0; 12];
            frame.extend([[8, 0], [8, 6], [9, 9]][kind]);
            frame.extend(bytes);
            let _ = parse(&frame);
        }
    }
}
