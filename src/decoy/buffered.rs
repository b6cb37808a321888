//! A session read in pieces of known length.

use std::io;

use super::Session;

/// A session and what came in ahead of its turn.
pub(crate) struct Buffered {
    /// The session.
    pub(crate) session: Session,
    pending: Vec<u8>,
}

impl Buffered {
    /// Nothing read yet.
    pub(crate) fn new(session: Session) -> Self {
        Self { session, pending: Vec::new() }
    }

    /// Exactly `length` bytes; none when the peer ends before. The caller bounds `length`: as much is kept.
    pub(crate) async fn exact(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        while self.pending.len() < length {
            if !self.more().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.pending.drain(..length).collect()))
    }

    /// One byte; none at the end.
    pub(crate) async fn byte(&mut self) -> io::Result<Option<u8>> {
        Ok(self.exact(1).await?.and_then(|bytes| bytes.first().copied()))
    }

    /// Reads over `length` bytes without keeping them; false when the peer ends before.
    pub(crate) async fn skip(&mut self, mut length: usize) -> io::Result<bool> {
        loop {
            let have = self.pending.len().min(length);
            self.pending.drain(..have);
            length -= have;
            if length == 0 {
                return Ok(true);
            }
            if !self.more().await? {
                return Ok(false);
            }
        }
    }

    /// What came in and was not taken yet.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Reads once more; false at the end.
    pub(crate) async fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0u8; 4096];
        let got = self.session.read(&mut chunk).await?;
        self.pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
        Ok(got > 0)
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.write(bytes).await
    }
}

/// Numbers off the front of a slice; each is none when the slice is too short.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, the high one first.
    pub(crate) fn be16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, the high one first.
    pub(crate) fn be32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, the low one first.
    pub(crate) fn le32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Bytes up to a NUL, which is taken too.
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let at = self.0.iter().position(|b| *b == 0)?;
        let text = self.take(at)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_never_passes_the_end() {
        let mut cursor = Cursor(b"\x01\0\x02\0\0\0\x03ab\0c");
        assert_eq!((cursor.u8(), cursor.be16(), cursor.be32()), (Some(1), Some(2), Some(3)));
        assert_eq!((cursor.text(), cursor.text(), cursor.le32()), (Some(&b"ab"[..]), None, None));
        assert_eq!((cursor.take(2), cursor.take(1)), (None, Some(&b"c"[..])));
    }
}
