//! Packets: the four-byte header, and the integers and strings inside (protocol documentation,
//! "Protocol Basics").

/// Most bytes of one packet that are taken in.
pub(super) const PACKET_MAX: usize = 1 << 20;

/// What the reader found.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// Not yet a whole packet.
    More,
    /// A packet: its sequence number was the expected one.
    Packet(Vec<u8>),
    /// Another sequence number than expected.
    OutOfOrder,
    /// More bytes than are taken in.
    TooLarge,
}

/// Takes packets out of a byte stream. Memory is bound by what arrived, never by a declared length.
#[derive(Default)]
pub(super) struct Reader {
    pending: Vec<u8>,
}

impl Reader {
    /// Adds what was read.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next packet, which must carry `sequence`.
    pub(super) fn next(&mut self, sequence: u8) -> Read {
        let [a, b, c, got] = match self.pending.first_chunk::<4>() {
            Some(header) => *header,
            None => return Read::More,
        };
        if got != sequence {
            return Read::OutOfOrder;
        }
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if self.pending.len() < length + 4 {
            return if self.pending.len() > PACKET_MAX { Read::TooLarge } else { Read::More };
        }
        if length > PACKET_MAX {
            return Read::TooLarge;
        }
        let rest = self.pending.split_off(length + 4);
        let mut packet = std::mem::replace(&mut self.pending, rest);
        packet.drain(..4);
        Read::Packet(packet)
    }
}

/// Wraps a payload below 16 MiB into a packet.
pub(super) fn frame(sequence: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    out.extend_from_slice(&length[..3]);
    out.push(sequence);
    out.extend_from_slice(payload);
}

/// Appends a length-encoded integer.
pub(super) fn put_lenenc(out: &mut Vec<u8>, number: u64) {
    let bytes = number.to_le_bytes();
    let (mark, length) = match number {
        0..=250 => return out.push(bytes[0]),
        251..=0xffff => (0xfc, 2),
        0x1_0000..=0xff_ffff => (0xfd, 3),
        _ => (0xfe, 8),
    };
    out.push(mark);
    out.extend_from_slice(&bytes[..length]);
}

/// Appends a length-encoded string.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_lenenc(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Reads the parts of a packet; every reader answers none past the end.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Up to a NUL, which goes too; to the end when there is none.
    pub(super) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let head = self.0.get(..end).unwrap_or_default();
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        head
    }

    /// A NUL-terminated string whose NUL must be there.
    pub(super) fn nul(&mut self) -> Option<&'a [u8]> {
        self.0.contains(&0).then(|| self.until_nul())
    }

    pub(super) fn lenenc(&mut self) -> Option<u64> {
        let count = match self.byte()? {
            small @ 0..=250 => return Some(u64::from(small)),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            _ => return None,
        };
        let mut word = [0u8; 8];
        word.get_mut(..count)?.copy_from_slice(self.take(count)?);
        Some(u64::from_le_bytes(word))
    }

    /// A length-encoded string.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.lenenc()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_declared_length_reserves_nothing() {
        let mut reader = Reader::default();
        reader.feed(b"\xff\xff\xff\x01abc");
        assert_eq!(reader.next(1), Read::More);
        assert!(reader.pending.capacity() < 1024);
        reader.feed(&vec![0; PACKET_MAX]);
        assert_eq!(reader.next(1), Read::TooLarge);
        let mut reader = Reader::default();
        reader.feed(b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(reader.next(1), Read::OutOfOrder);
    }

    proptest! {
        #[test]
        fn numbers_come_back(number: u64) {
            let mut out = Vec::new();
            put_lenenc(&mut out, number);
            prop_assert_eq!(Cursor(&out).lenenc(), Some(number));
        }

        #[test]
        fn any_bytes_read(bytes: Vec<u8>) {
            let mut reader = Reader::default();
            reader.feed(&bytes);
            while let Read::Packet(packet) = reader.next(bytes.get(3).copied().unwrap_or(0)) {
                let mut cursor = Cursor(&packet);
                cursor.text();
                cursor.nul();
                cursor.u32();
            }
        }
    }
}
