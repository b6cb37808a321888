//! TPKT (RFC 1006) and the connection request of X.224 with what RDP puts into it (MS-RDPBCGR §2.2.1.1).

use std::io;

use crate::decoy::Session;
use crate::decoy::le::{self, Put as _, Reader};

/// Longest packet.
const PACKET_MAX: usize = 32 * 1024;
/// Longest cookie that is looked at.
const COOKIE_MAX: usize = 256;

/// Protocols a client may ask for.
pub(super) mod protocol {
    pub(in super::super) const PLAIN: u32 = 0;
    pub(in super::super) const TLS: u32 = 1;
    pub(in super::super) const HYBRID: u32 = 2;
    pub(in super::super) const HYBRID_EX: u32 = 8;
}

/// Reads the next packet, without its header; none at the end, or when it is no packet. Clients of RDP wrap
/// everything before the session in these.
pub(super) async fn read(session: &mut Session, pending: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        match header(pending) {
            Err(()) => return Ok(None),
            Ok(Some(length)) if pending.len() >= length => {
                let rest = pending.split_off(length);
                let packet = std::mem::replace(pending, rest);
                return Ok((packet[0] == 3).then(|| packet.get(4..).unwrap_or_default().to_vec()));
            }
            Ok(_) => {}
        }
        if !more(session, pending).await? {
            return Ok(None);
        }
    }
}

/// Reads some bytes; false at the end.
pub(super) async fn more(session: &mut Session, pending: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0u8; 4096];
    let got = session.read(&mut chunk).await?;
    pending.extend_from_slice(&chunk[..got]);
    Ok(got > 0)
}

/// Length of the packet that begins here, as far as that is known. What does not begin with TPKT's version
/// is taken for fast path, as the genuine servers do.
fn header(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let [first, second, third, fourth, ..] = bytes else { return Ok(None) };
    let length = match (first, second) {
        (3, _) => usize::from(u16::from_be_bytes([*third, *fourth])),
        (_, 0x80..) => usize::from(u16::from_be_bytes([second & 0x7f, *third])),
        _ => usize::from(*second),
    };
    if (5..=PACKET_MAX).contains(&length) { Ok(Some(length)) } else { Err(()) }
}

/// A packet around these bytes.
pub(super) fn packet(body: &[u8]) -> Vec<u8> {
    let mut out = vec![3, 0];
    out.put(&le::short(body.len() + 4).to_be_bytes()).put(body);
    out
}

/// What a client asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// `mstshash` or another cookie.
    pub(super) cookie: Option<String>,
    /// Protocols, when it says so at all.
    pub(super) protocols: Option<u32>,
}

impl Request {
    /// Reads a connection request.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (length, kind) = (*body.first()?, *body.get(1)?);
        if kind & 0xf0 != 0xe0 || usize::from(length) > body.len().checked_sub(1)? || length < 6 {
            return None;
        }
        let mut rest = body.get(7..usize::from(length) + 1)?;
        let mut out = Self::default();
        if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let line = rest.get(..end.min(COOKIE_MAX))?;
            out.cookie = Some(String::from_utf8_lossy(line).trim_start_matches("Cookie: ").to_owned());
            rest = rest.get(end + 2..)?;
        }
        let mut reader = Reader::new(rest);
        if reader.u8() == Some(1) {
            reader.take(3)?;
            out.protocols = Some(reader.u32()?);
        }
        Some(out)
    }

    /// The user that the cookie names.
    pub(super) fn user(&self) -> Option<&str> {
        self.cookie.as_deref()?.strip_prefix("mstshash=")
    }
}

/// Confirms a connection: the protocol that was chosen, or why there is none, with its flags.
pub(super) fn confirm(answer: Option<Result<u32, u32>>, flags: u8) -> Vec<u8> {
    let mut rest = Vec::new();
    match answer {
        Some(Ok(protocol)) => {
            rest.u8(2).u8(flags).u16(8).u32(protocol);
        }
        Some(Err(reason)) => {
            rest.u8(3).u8(0).u16(8).u32(reason);
        }
        None => {}
    }
    let mut body = vec![u8::try_from(6 + rest.len()).unwrap_or(6), 0xd0, 0, 0, 0x12, 0x34, 0];
    body.put(&rest);
    packet(&body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_confirmations() {
        let nmap = b"\x25\xe0\0\0\0\0\0Cookie: mstshash=nmap\r\n\x01\0\x08\0\x03\0\0\0";
        let request = Request::parse(nmap).unwrap();
        assert_eq!((request.user(), request.protocols), (Some("nmap"), Some(3)));
        assert_eq!(Request::parse(b"\x06\xe0\0\0\0\0\0"), Some(Request::default()));
        assert_eq!(Request::parse(b"\x02\xf0\x80"), None);
        assert_eq!(Request::parse(b""), None);
        // Captured from xrdp 0.9.21.1.
        assert_eq!(hex::encode(confirm(None, 1)), "0300000b06d00000123400");
        assert_eq!(hex::encode(confirm(Some(Ok(1)), 1)), "030000130ed000001234000201080001000000");
        assert_eq!((header(b"\x16\x03\x01\x00"), header(b"GET ")), (Err(()), Ok(Some(0x45))));
    }
}
