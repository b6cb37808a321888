//! ARP for IPv4 over Ethernet, as bytes (RFC 826; the words of RFC 5227 §1.1 and §2.3). Pure.

use std::net::Ipv4Addr;

use crate::model::Mac;

/// Ethernet's number for ARP.
pub const ETHERTYPE: u16 = 0x0806;
/// Bytes of a frame as it is made here; network cards pad it to 60.
pub const LENGTH: usize = 42;
/// Where a question to everyone goes.
pub const BROADCAST: Mac = Mac([0xff; 6]);

const NO_MAC: Mac = Mac([0; 6]);
/// Hardware type Ethernet.
const ETHERNET: u16 = 1;
/// Protocol type IPv4.
const IPV4: u16 = 0x0800;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Asks who has an address.
    Request,
    /// Says who has it.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Question or answer.
    pub operation: Operation,
    /// Who sent it.
    pub sender_mac: Mac,
    /// The address the sender uses; 0.0.0.0 while it only asks whether it may.
    pub sender_ip: Ipv4Addr,
    /// Whom it is for; zero in a question.
    pub target_mac: Mac,
    /// The address it is about.
    pub target_ip: Ipv4Addr,
}

/// An ARP packet in an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Ethernet destination.
    pub destination: Mac,
    /// Ethernet source.
    pub source: Mac,
    /// What it carries.
    pub packet: Packet,
}

/// Why bytes are no ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than a frame has.
    #[error("{0} bytes are no ARP frame, which has {LENGTH}")]
    Short(usize),
    /// Another protocol.
    #[error("EtherType {0:#06x} is not ARP")]
    EtherType(u16),
    /// Not about Ethernet.
    #[error("hardware type {0} is not Ethernet")]
    Hardware(u16),
    /// Not about IPv4.
    #[error("protocol type {0:#06x} is not IPv4")]
    Protocol(u16),
    /// Addresses of other lengths than Ethernet's and IPv4's.
    #[error("addresses of {0} and {1} bytes instead of 6 and 4")]
    Lengths(u8, u8),
    /// Neither question nor answer (RARP, InARP and others share the form).
    #[error("operation {0} is neither request nor reply")]
    Operation(u16),
}

impl Packet {
    /// Whether the sender only asks if the address is free (RFC 5227 §1.1: an ARP Probe).
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }

    /// Whether it tells everyone who the sender is: question or answer about its own address ("gratuitous").
    pub fn is_gratuitous(&self) -> bool {
        !self.sender_ip.is_unspecified() && self.sender_ip == self.target_ip
    }

    /// The address that the sender says is its own; none in a probe.
    pub fn claimed(&self) -> Option<Ipv4Addr> {
        Some(self.sender_ip).filter(|ip| !ip.is_unspecified())
    }
}

impl Frame {
    /// "Has anyone `ip`?", by one that would like to take it (RFC 5227 §2.1): its sender address is
    /// 0.0.0.0, so nobody's table learns anything from it.
    pub fn probe(mac: Mac, ip: Ipv4Addr) -> Self {
        Self::question(mac, Ipv4Addr::UNSPECIFIED, ip)
    }

    /// "I have `ip`" (RFC 5227 §2.3).
    pub fn announcement(mac: Mac, ip: Ipv4Addr) -> Self {
        Self::question(mac, ip, ip)
    }

    fn question(mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Self {
        let packet = Packet {
            operation: Operation::Request,
            sender_mac: mac,
            sender_ip,
            target_mac: NO_MAC,
            target_ip,
        };
        Self { destination: BROADCAST, source: mac, packet }
    }

    /// As it goes onto the wire.
    pub fn encode(&self) -> [u8; LENGTH] {
        let packet = &self.packet;
        let operation: u16 = match packet.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        let mut bytes = [0u8; LENGTH];
        let parts: [&[u8]; 12] = [
            &self.destination.0,
            &self.source.0,
            &ETHERTYPE.to_be_bytes(),
            &ETHERNET.to_be_bytes(),
            &IPV4.to_be_bytes(),
            &[6],
            &[4],
            &operation.to_be_bytes(),
            &packet.sender_mac.0,
            &packet.sender_ip.octets(),
            &packet.target_mac.0,
            &packet.target_ip.octets(),
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            // The parts add up to LENGTH.
            let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else { break };
            place.copy_from_slice(part);
            rest = behind;
        }
        bytes
    }

    /// From the wire. Bytes behind the packet are padding.
    ///
    /// # Errors
    /// Which field is not what ARP for IPv4 over Ethernet has there. Addresses are not judged.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut read = Reader { rest: bytes, length: bytes.len() };
        let destination = Mac(read.take()?);
        let source = Mac(read.take()?);
        expect(read.number()?, ETHERTYPE, FrameError::EtherType)?;
        expect(read.number()?, ETHERNET, FrameError::Hardware)?;
        expect(read.number()?, IPV4, FrameError::Protocol)?;
        let [hardware, protocol] = read.take()?;
        if (hardware, protocol) != (6, 4) {
            return Err(FrameError::Lengths(hardware, protocol));
        }
        let operation = match read.number()? {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => return Err(FrameError::Operation(other)),
        };
        let packet = Packet {
            operation,
            sender_mac: Mac(read.take()?),
            sender_ip: read.take::<4>()?.into(),
            target_mac: Mac(read.take()?),
            target_ip: read.take::<4>()?.into(),
        };
        Ok(Self { destination, source, packet })
    }
}

fn expect(found: u16, wanted: u16, error: fn(u16) -> FrameError) -> Result<(), FrameError> {
    if found == wanted { Ok(()) } else { Err(error(found)) }
}

struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (part, rest) = self.rest.split_first_chunk().ok_or(FrameError::Short(self.length))?;
        self.rest = rest;
        Ok(*part)
    }

    fn number(&mut self) -> Result<u16, FrameError> {
        Ok(u16::from_be_bytes(self.take()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WEB: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    #[test]
    fn a_probe_byte_by_byte() {
        let expected = "ffffffffffff525400123456\
                        0806\
                        0001080006040001\
                        52540012345600000000\
                        000000000000c0000207";
        assert_eq!(hex::encode(Frame::probe(WEB, IP).encode()), expected);
    }

    #[test]
    fn an_announcement_byte_by_byte() {
        let expected = "ffffffffffff525400123456\
                        0806\
                        0001080006040001\
                        525400123456c0000207\
                        000000000000c0000207";
        assert_eq!(hex::encode(Frame::announcement(WEB, IP).encode()), expected);
    }

    #[test]
    fn knows_what_a_packet_is() {
        let probe = Frame::probe(WEB, IP).packet;
        let announcement = Frame::announcement(WEB, IP).packet;
        let reply = Packet { operation: Operation::Reply, ..announcement };
        let question = Packet { target_ip: Ipv4Addr::new(192, 0, 2, 1), ..announcement };
        // A reply without a sender is nonsense, and claims nothing.
        let senderless = Packet { operation: Operation::Reply, ..probe };
        let cases = [
            ("probe", probe, true, false, None),
            ("announcement", announcement, false, true, Some(IP)),
            ("gratuitous reply", reply, false, true, Some(IP)),
            ("question", question, false, false, Some(IP)),
            ("senderless reply", senderless, false, false, None),
        ];
        for (what, packet, is_probe, gratuitous, claimed) in cases {
            let found = (packet.is_probe(), packet.is_gratuitous(), packet.claimed());
            assert_eq!(found, (is_probe, gratuitous, claimed), "{what}");
        }
    }

    #[test]
    fn refuses_what_is_no_arp_for_ipv4_over_ethernet() {
        let good = Frame::announcement(WEB, IP).encode();
        let cases: [(usize, &[u8], FrameError); 7] = [
            (12, &[0x08, 0x00], FrameError::EtherType(0x0800)),
            (12, &[0x81, 0x00], FrameError::EtherType(0x8100)),
            (14, &[0, 6], FrameError::Hardware(6)),
            (16, &[0x86, 0xdd], FrameError::Protocol(0x86dd)),
            (18, &[8, 4], FrameError::Lengths(8, 4)),
            (19, &[16], FrameError::Lengths(6, 16)),
            (20, &[0, 3], FrameError::Operation(3)),
        ];
        for (at, bytes, error) in cases {
            let mut bad = good;
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Frame::parse(&bad), Err(error));
        }
        for length in 0..LENGTH {
            assert_eq!(Frame::parse(&good[..length]), Err(FrameError::Short(length)), "{length}");
        }
        let mut padded = good.to_vec();
        padded.resize(60, 0xaa);
        assert_eq!(Frame::parse(&padded), Ok(Frame::announcement(WEB, IP)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            macs in any::<[[u8; 6]; 4]>(), ips in any::<[[u8; 4]; 2]>(), reply in any::<bool>(),
        ) {
            let packet = Packet {
                operation: if reply { Operation::Reply } else { Operation::Request },
                sender_mac: Mac(macs[0]),
                sender_ip: ips[0].into(),
                target_mac: Mac(macs[1]),
                target_ip: ips[1].into(),
            };
            let frame = Frame { destination: Mac(macs[2]), source: Mac(macs[3]), packet };
            prop_assert_eq!(Frame::parse(&frame.encode()), Ok(frame));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(frame) = Frame::parse(&bytes) {
                prop_assert_eq!(&frame.encode()[..], &bytes[..LENGTH]);
            }
        }
    }
}
