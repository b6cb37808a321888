//! T.125 and T.124 as RDP has them: what a client says of itself, and the channels it joins.

use crate::decoy::ber;
use crate::decoy::le::{self, Put as _, Reader};

/// Most virtual channels.
const CHANNELS_MAX: usize = 31;
/// First channel of a session.
pub(super) const IO_CHANNEL: u16 = 1003;

/// What a client says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) version: u32,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) keyboard: u32,
    pub(super) build: u32,
    pub(super) name: String,
    pub(super) product: String,
    pub(super) channels: Vec<String>,
}

impl Client {
    /// Reads a Connect-Initial, without the header of its data packet.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        // The tag takes two bytes; its second one is read as one.
        let contents = ber::Reader::new(bytes.strip_prefix(b"\x7f")?).expect(0x65)?;
        let mut fields = ber::Reader::new(contents);
        for _ in 0..6 {
            fields.next()?;
        }
        let data = fields.expect(ber::tag::OCTETS)?;
        let key = data.windows(4).position(|w| w == b"Duca")?;
        let mut reader = Reader::new(data.get(key + 4..)?);
        let length = reader.u8()?;
        if length & 0x80 != 0 {
            reader.u8()?;
        }
        let mut out = Self::default();
        while let (Some(kind), Some(length)) = (reader.u16(), reader.u16()) {
            let Some(block) = usize::from(length).checked_sub(4).and_then(|n| reader.take(n)) else { break };
            match kind {
                0xc001 => out.core(block)?,
                0xc003 => {
                    let mut names = Reader::new(block);
                    let count = usize::try_from(names.u32()?).ok()?.min(CHANNELS_MAX);
                    for _ in 0..count {
                        let Some(entry) = names.take(12) else { break };
                        let name = entry[..8].split(|b| *b == 0).next().unwrap_or_default();
                        out.channels.push(String::from_utf8_lossy(name).into_owned());
                    }
                }
                _ => {}
            }
        }
        Some(out)
    }

    fn core(&mut self, block: &[u8]) -> Option<()> {
        let mut reader = Reader::new(block);
        self.version = reader.u32()?;
        (self.width, self.height) = (reader.u16()?, reader.u16()?);
        reader.u32()?;
        self.keyboard = reader.u32()?;
        self.build = reader.u32()?;
        let text = |bytes: &[u8]| le::text(bytes).split('\0').next().unwrap_or_default().to_owned();
        self.name = text(reader.take(32)?);
        // What older clients do not send.
        if let Some(product) = block.get(142..206) {
            self.product = text(product);
        }
        Some(())
    }

    /// The channel of the client itself, after those of its devices.
    pub(super) fn user(&self) -> u16 {
        IO_CHANNEL + le::short(self.channels.len()) + 1
    }

    /// The answer: no enciphering besides what is below.
    pub(super) fn answer(&self, windows: bool, requested: u32) -> Vec<u8> {
        let mut core = Vec::new();
        if windows {
            core.u16(0x0c01).u16(16).u32(0x0008_000b).u32(requested).u32(1);
        } else {
            core.u16(0x0c01).u16(8).u32(0x0008_0004);
        }
        let mut security = Vec::new();
        security.u16(0x0c02).u16(12).u32(0).u32(0);
        let mut net = Vec::new();
        let count = le::short(self.channels.len());
        net.u16(IO_CHANNEL).u16(count);
        for n in 0..count {
            net.u16(IO_CHANNEL + 1 + n);
        }
        net.pad(4);
        let mut head = Vec::new();
        head.u16(0x0c03).u16(le::short(net.len() + 4));
        let net = [head, net].concat();
        let blocks = if windows { [core, security, net].concat() } else { [core, net, security].concat() };
        let mut gcc = vec![0, 5, 0, 0x14, 0x7c, 0, 1, 0x2a, 0x14, 0x76, 0x0a, 1, 1, 0, 1, 0xc0, 0];
        gcc.put(b"McDn").put(&per(blocks.len())).put(&blocks);
        let domain = [0x16, 3, 0, 1, 0, 1, 0xfff8, 2].map(|n| ber::number(ber::tag::INTEGER, n));
        let contents = [
            ber::number(ber::tag::ENUMERATED, 0),
            ber::number(ber::tag::INTEGER, 0),
            ber::group(ber::tag::SEQUENCE, &domain),
            ber::element(ber::tag::OCTETS, &gcc),
        ];
        let mut out = vec![0x7f];
        out.extend(ber::group(0x66, &contents));
        data(&out)
    }
}

/// A length in PER.
fn per(length: usize) -> Vec<u8> {
    if length < 0x80 {
        vec![u8::try_from(length).unwrap_or(0)]
    } else {
        (le::short(length) | 0x8000).to_be_bytes().to_vec()
    }
}

/// A data packet.
pub(super) fn data(bytes: &[u8]) -> Vec<u8> {
    super::tpkt::packet(&[&[2, 0xf0, 0x80], bytes].concat())
}

/// A message to the client on a channel.
pub(super) fn indication(user: u16, channel: u16, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x68];
    out.put(&user.saturating_sub(1001).to_be_bytes()).put(&channel.to_be_bytes()).u8(0x70);
    out.put(&per(bytes.len())).put(bytes);
    data(&out)
}

/// The end of a session.
pub(super) fn ultimatum() -> Vec<u8> {
    data(&[0x21, 0x80])
}

/// What a client sends on a channel: the channel, and the bytes.
pub(super) fn sent(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let [0x64, _, _, high, low, _, length, rest @ ..] = bytes else { return None };
    let rest = if length & 0x80 == 0 { rest } else { rest.get(1..)? };
    Some((u16::from_be_bytes([*high, *low]), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_counted() {
        let client = Client { channels: vec!["rdpdr".into(), "cliprdr".into()], ..Client::default() };
        assert_eq!(client.user(), 1006);
        let answer = client.answer(false, 0);
        assert_eq!(&answer[4..9], &[2, 0xf0, 0x80, 0x7f, 0x66]);
        assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len());
        assert_eq!(per(300), [0x81, 0x2c]);
        assert_eq!(sent(b"\x64\0\x07\x03\xeb\x70\x81\x10ab"), Some((1003, &b"ab"[..])));
        assert_eq!((sent(b"\x64\0"), Client::parse(b"\x7f\x65\x02\x30\x00")), (None, None));
    }
}
