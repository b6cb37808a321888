//! Frames (RFC 9113 §4 and §6).

use super::super::server::Family;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Also the acknowledgement of settings and pings.
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITISED: u8 = 0x20;

/// Longest frame of data that is taken; what no server announces less than.
pub(super) const DATA_MAX: usize = 256 * 1024;
/// Longest frame of any other kind, and of what we send.
pub(super) const FRAME_MAX: usize = 16 * 1024;

/// Error codes (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    None = 0,
    Protocol = 1,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    Refused = 7,
    Compression = 9,
    Calm = 11,
    /// What Apache's library says of a wrong preface: a number of its own that slipped out.
    Magic = 0xffff_fc79,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

/// Bytes of a head.
pub(super) const HEAD: usize = 9;

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes.first_chunk::<HEAD>()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let stream = u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff;
        Some(Self { length, kind, flags, stream })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload without padding and priority; none when they do not fit.
    pub(super) fn content<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = payload;
        if self.has(PADDED) {
            let (pad, after) = rest.split_first()?;
            rest = after.get(..after.len().checked_sub(usize::from(*pad))?)?;
        }
        if self.kind == HEADERS && self.has(PRIORITISED) {
            rest = rest.get(5..)?;
        }
        Some(rest)
    }
}

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A number of four bytes at the front.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

/// What a server says of itself: settings in its order, and how far it opens the window of the connection.
pub(super) fn greeting(family: Family) -> (&'static [(u16, u32)], u32) {
    match family {
        // nginx and Apache as measured.
        Family::Nginx => (&[(3, 128), (4, 65_536), (5, 16_777_215)], 2_147_418_112),
        Family::Apache => (&[(3, 100)], 2_147_418_112),
        // The API server of Kubernetes: 256 KiB for each of 100 streams.
        Family::Go => (&[(5, 262_144), (3, 100), (6, 1_048_896), (1, 4096), (4, 262_144)], 26_148_865),
        Family::Jetty => (&[(3, 128), (4, 524_288)], 983_041),
        _ => (&[(3, 100), (4, 65_535)], 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip() {
        let mut out = Vec::new();
        put(&mut out, PING, 1, 0x8000_0003 & 0x7fff_ffff, b"12345678");
        let head = Head::parse(&out).unwrap();
        assert_eq!(head, Head { length: 8, kind: PING, flags: 1, stream: 3 });
        assert_eq!(&out[HEAD..], b"12345678");
        assert_eq!(Head::parse(&out[..8]), None);
    }

    #[test]
    fn padding_must_fit() {
        let head = Head { length: 4, kind: DATA, flags: PADDED, stream: 1 };
        assert_eq!(head.content(&[2, b'a', 0, 0]), Some(&b"a"[..]));
        assert_eq!(head.content(&[4, b'a', 0, 0]), None);
        assert_eq!(head.content(&[]), None);
        let head = Head { kind: HEADERS, flags: PRIORITISED, ..head };
        assert_eq!(head.content(&[0, 0, 0, 0, 1, 7]), Some(&[7][..]));
        assert_eq!(head.content(&[0, 0, 0]), None);
    }
}
