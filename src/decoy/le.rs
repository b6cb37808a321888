//! Numbers with their low byte first and texts in UTF-16, as Microsoft's protocols have them.

/// Reads a message from its front; nothing is there past its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    /// The next bytes, as many as fit.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// One byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Two bytes.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The part of `bytes` that a message says is `length` bytes at `offset`.
pub(crate) fn part(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(length)?)
}

/// Writes a message.
pub(crate) trait Put {
    /// One byte.
    fn u8(&mut self, value: u8) -> &mut Self;
    /// Two bytes.
    fn u16(&mut self, value: u16) -> &mut Self;
    /// Four bytes.
    fn u32(&mut self, value: u32) -> &mut Self;
    /// Eight bytes.
    fn u64(&mut self, value: u64) -> &mut Self;
    /// These bytes.
    fn put(&mut self, bytes: &[u8]) -> &mut Self;
    /// A text in UTF-16.
    fn wide(&mut self, text: &str) -> &mut Self;
    /// Zeros up to a multiple of `step`.
    fn pad(&mut self, step: usize) -> &mut Self;
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) -> &mut Self {
        self.push(value);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }

    fn wide(&mut self, text: &str) -> &mut Self {
        self.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        self
    }

    fn pad(&mut self, step: usize) -> &mut Self {
        self.resize(self.len().next_multiple_of(step.max(1)), 0);
        self
    }
}

/// `text` in UTF-16.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.wide(text);
    out
}

/// The text that these bytes are in UTF-16; what is none becomes U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A length that is ours to choose and fits sixteen bits.
pub(crate) fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// A length that is ours to choose and fits 32 bits.
pub(crate) fn long(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A time in Windows' count: tenths of microseconds since 1601.
pub(crate) fn filetime(seconds: i64, nanoseconds: u32) -> u64 {
    let since = u64::try_from(seconds.saturating_add(11_644_473_600)).unwrap_or(0);
    since.saturating_mul(10_000_000).saturating_add(u64::from(nanoseconds / 100))
}

/// This moment in Windows' count.
pub(crate) fn now() -> u64 {
    let now = jiff::Timestamp::now();
    filetime(now.as_second(), u32::try_from(now.subsec_nanosecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        out.u8(1).u16(2).u32(3).u64(4).wide("ä").pad(4);
        assert_eq!(out.len(), 20);
        let mut reader = Reader::new(&out);
        assert_eq!(
            (reader.u8(), reader.u16(), reader.u32(), reader.u64()),
            (Some(1), Some(2), Some(3), Some(4))
        );
        assert_eq!(text(reader.take(2).unwrap()), "ä");
        assert_eq!((reader.u32(), reader.rest().len()), (None, 3));
        assert_eq!((part(&out, usize::MAX, 2), part(&out, 19, 1)), (None, Some(&[0][..])));
        assert_eq!(text(&[0x00, 0xd8, 0x41, 0x00, 0x41]), "\u{fffd}A");
        assert_eq!(filetime(0, 100), 116_444_736_000_000_001);
    }
}
