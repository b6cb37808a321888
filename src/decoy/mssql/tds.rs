//! TDS packets (MS-TDS §2.2.3) and what they carry before a session: prelogin and login.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::decoy::le::{self, Put as _, Reader};
use crate::decoy::session::timeout;

/// Length of a packet's header.
pub(super) const HEADER: usize = 8;
/// Longest message in all its packets.
const MESSAGE_MAX: usize = 256 * 1024;
/// Longest packet we send.
pub(super) const PACKET: usize = 4096;

/// Kinds of packets.
pub(super) mod kind {
    pub(in super::super) const BATCH: u8 = 1;
    pub(in super::super) const OLD_LOGIN: u8 = 2;
    pub(in super::super) const RPC: u8 = 3;
    pub(in super::super) const ANSWER: u8 = 4;
    pub(in super::super) const ATTENTION: u8 = 6;
    pub(in super::super) const TRANSACTION: u8 = 14;
    pub(in super::super) const LOGIN: u8 = 16;
    pub(in super::super) const SSPI: u8 = 17;
    pub(in super::super) const PRELOGIN: u8 = 18;
}

/// Reads a whole message: its kind and what its packets carry. None at the end, or when it is no message.
pub(super) async fn message<S: AsyncRead + Unpin>(
    stream: &mut S,
    idle: Duration,
) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut out = Vec::new();
    loop {
        let mut header = [0; HEADER];
        match timeout(idle, stream.read_exact(&mut header)).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        let [kind, status, high, low, ..] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let known = matches!(kind, 1..=3 | 6 | 7 | 14 | 16..=18);
        if !known || length < HEADER || out.len() + length > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let start = out.len();
        out.resize(start + length - HEADER, 0);
        timeout(idle, stream.read_exact(&mut out[start..])).await?;
        if status & 1 != 0 {
            return Ok(Some((kind, out)));
        }
    }
}

/// A message in packets.
pub(super) fn packets(kind: u8, process: u16, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + HEADER);
    let mut rest = bytes;
    let mut number = 1u8;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PACKET - HEADER));
        let last = after.is_empty();
        out.u8(kind).u8(u8::from(last));
        out.put(&le::short(part.len() + HEADER).to_be_bytes()).put(&process.to_be_bytes());
        out.u8(number).u8(0).put(part);
        if last {
            return out;
        }
        number = number.wrapping_add(1);
        rest = after;
    }
}

/// What a client wants of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// For the login alone.
    Login,
    /// For all.
    All,
    /// Not at all.
    None,
}

/// What a client says first.
#[derive(Debug)]
pub(super) struct Prelogin {
    pub(super) encryption: Encryption,
    /// Version of the client library.
    pub(super) version: Option<[u8; 6]>,
    /// Whether it asks for several result sets at once.
    mars: bool,
}

impl Prelogin {
    /// Reads it; an option that points outside is as if it were absent.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut out = Self { encryption: Encryption::None, version: None, mars: false };
        for option in bytes.chunks_exact(5).take(16) {
            let [token, a, b, c, d] = option else { break };
            if *token == 0xff {
                return Some(out);
            }
            let offset = usize::from(u16::from_be_bytes([*a, *b]));
            let Some(value) = le::part(bytes, offset, u16::from_be_bytes([*c, *d]).into()) else { continue };
            match (token, value) {
                (0, [..]) => out.version = value.try_into().ok(),
                (1, [byte, ..]) => {
                    out.encryption = match byte & 0x7f {
                        0 => Encryption::Login,
                        2 => Encryption::None,
                        _ => Encryption::All,
                    }
                }
                (4, _) => out.mars = true,
                _ => {}
            }
        }
        bytes.contains(&0xff).then_some(out)
    }

    /// The answer of a server of this version.
    pub(super) fn answer(&self, version: [u16; 4]) -> Vec<u8> {
        let [major, minor, build, _] = version;
        let mut first = Vec::new();
        let byte = |n: u16| u8::try_from(n).unwrap_or(0);
        first.u8(byte(major)).u8(byte(minor)).put(&build.to_be_bytes()).u16(0);
        let encryption = match self.encryption {
            Encryption::Login => 0,
            Encryption::All => 1,
            Encryption::None => 2,
        };
        let mut options = vec![(0, first), (1, vec![encryption]), (2, vec![0]), (3, vec![])];
        if self.mars {
            options.push((4, vec![0]));
        }
        let mut offset = options.len() * 5 + 1;
        let mut out = Vec::new();
        for (token, value) in &options {
            out.u8(*token).put(&le::short(offset).to_be_bytes()).put(&le::short(value.len()).to_be_bytes());
            offset += value.len();
        }
        out.u8(0xff);
        out.extend(options.into_iter().flat_map(|(_, value)| value));
        out
    }
}

/// A login.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// Version of the protocol.
    pub(super) version: u32,
    pub(super) host: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) application: String,
    pub(super) server: String,
    pub(super) library: String,
    pub(super) language: String,
    pub(super) database: String,
    /// Hardware address of the client, or what it gives for one.
    pub(super) client: [u8; 6],
    /// A token of integrated security.
    pub(super) sspi: Option<Vec<u8>>,
}

impl Login {
    /// Reads a login of version 7.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.u32()?;
        let version = reader.u32()?;
        reader.take(16)?;
        let [_, second, ..] = reader.array::<4>()?;
        reader.take(8)?;
        let raw = |offset: u16, count: u16, width: usize| {
            le::part(bytes, offset.into(), usize::from(count) * width).unwrap_or_default()
        };
        let mut field = || Some((reader.u16()?, reader.u16()?));
        let [host, user, password, application, server, _, library, language, database] =
            [field()?, field()?, field()?, field()?, field()?, field()?, field()?, field()?, field()?];
        let client = reader.array()?;
        let (offset, length) = (reader.u16()?, reader.u16()?);
        let sspi = raw(offset, length, 1);
        let text = |(offset, count)| le::text(raw(offset, count, 2));
        let clear: Vec<u8> =
            raw(password.0, password.1, 2).iter().map(|b| (b ^ 0xa5).rotate_left(4)).collect();
        Some(Self {
            version,
            host: text(host),
            user: text(user),
            password: le::text(&clear),
            application: text(application),
            server: text(server),
            library: text(library),
            language: text(language),
            database: text(database),
            client,
            sspi: (second & 0x80 != 0 && !sspi.is_empty()).then(|| sspi.to_vec()),
        })
    }

    /// Reads a login from before version 7: fields of thirty bytes, each with its length after it.
    pub(super) fn parse_old(bytes: &[u8]) -> Option<Self> {
        let field = |at: usize| {
            let length = usize::from(*bytes.get(at + 30)?).min(30);
            Some(String::from_utf8_lossy(le::part(bytes, at, length)?).into_owned())
        };
        Some(Self { host: field(0)?, user: field(31)?, password: field(62)?, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prelogin_of_nmap() {
        let probe = hex::decode(
            "00001500060100 1b000102001c000c0300280004ff080001550000004d5353514c53657276657200480f0000"
                .replace(' ', ""),
        )
        .unwrap();
        let prelogin = Prelogin::parse(&probe).unwrap();
        assert_eq!((prelogin.encryption, prelogin.version), (Encryption::Login, Some([8, 0, 1, 0x55, 0, 0])));
        let answer = packets(kind::ANSWER, 0, &prelogin.answer([15, 0, 4430, 1]));
        assert_eq!(
            hex::encode(answer),
            "0401002500000100000015000601001b000102001c000103001d0000ff0f00114e00000000"
        );
        assert!(Prelogin::parse(b"").is_none() && Prelogin::parse(&[0; 20]).is_none());
    }

    #[test]
    fn messages_are_cut_into_packets() {
        let out = packets(4, 51, &[7; 5000]);
        assert_eq!(out.len(), 5016);
        assert_eq!(
            (&out[..8], &out[4096..4104]),
            (&[4, 0, 16, 0, 0, 51, 1, 0][..], &[4, 1, 3, 152, 0, 51, 2, 0][..])
        );
    }
}
