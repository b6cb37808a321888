//! What clients bring, as every protocol records it: size, SHA-256 and the first bytes, in one event.
//!
//! ```text
//! let mut upload = Upload::new();
//! upload.take(chunk);                                  // as it comes
//! upload.emit(record.event(Kind::File, "stor").outcome(true).bytes("file.path", path));
//! ```
//!
//! Nothing here keeps the file. The first bytes are kept within what a session and a decky may give;
//! beyond that an upload is still counted and hashed, and the event says that they were left out.

use sha2::{Digest, Sha256};

use super::session::Draft;

/// First bytes that are kept of one upload.
pub const FIRST_MAX: usize = 4 * 1024;
/// First bytes that are kept of all uploads of one session.
pub const SESSION_MAX: usize = 128 * 1024;

/// A file on its way in.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    size: u64,
    hash: Sha256,
    first: Vec<u8>,
}

impl Upload {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The whole of it at once.
    pub fn of(bytes: &[u8]) -> Self {
        let mut upload = Self::new();
        upload.take(bytes);
        upload
    }

    /// The next part came.
    pub fn take(&mut self, chunk: &[u8]) {
        self.size = self.size.saturating_add(chunk.len() as u64);
        self.hash.update(chunk);
        let room = FIRST_MAX.saturating_sub(self.first.len()).min(chunk.len());
        self.first.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 so far, in hex.
    pub fn sha256(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// The whole of it, where all of it was kept.
    pub fn whole(&self) -> Option<&[u8]> {
        (self.size == self.first.len() as u64).then_some(&self.first)
    }

    /// Records it: `draft` is the event of it, of kind `file`, with path and outcome.
    pub fn emit(&self, draft: Draft<'_>) {
        self.emit_part(draft.field("file.hash.sha256", self.sha256()), Some(self.size));
    }

    /// Records it as the beginning of something whose hash nobody knows, nor perhaps its `size`.
    pub fn emit_part(&self, mut draft: Draft<'_>, size: Option<u64>) {
        if let Some(size) = size {
            draft = draft.field("file.size", size);
        }
        if draft.may_keep(self.first.len()) {
            draft.bytes("file.content", &self.first).emit();
        } else {
            draft.field("file.content_left_out", true).emit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decoy::session::Recorder;
    use crate::decoy::testing::Kept;
    use crate::event::{Bytes, Kind};

    #[test]
    fn an_upload_is_one_event_within_the_quota() {
        let kept = Arc::new(Kept::default());
        let here = ([127, 0, 0, 1], 1).into();
        let record = Recorder::new(kept.clone(), "ftp", here, here, "00112233445566aa");
        let mut upload = Upload::new();
        for _ in 0..10 {
            upload.take(&[b'a'; 1000]);
        }
        for _ in 0..SESSION_MAX / FIRST_MAX + 1 {
            upload.emit(record.clone().event(Kind::File, "stor").outcome(true));
        }
        let events = kept.events();
        // sha256 of ten thousand times `a`, by sha256sum.
        let sum = "27dd1f61b867b6a0f6e9d8a41c43231de52107e53ae424de8f847b821db4b711";
        assert!(
            events.iter().all(|e| e.fields["file.size"] == 10_000 && e.fields["file.hash.sha256"] == sum)
        );
        assert_eq!(events[0].fields["file.content"], Bytes(vec![b'a'; FIRST_MAX]).to_value());
        let (last, rest) = events.split_last().unwrap();
        assert!(rest.iter().all(|e| e.fields.contains_key("file.content")));
        assert_eq!(
            (last.fields.get("file.content"), &last.fields["file.content_left_out"]),
            (None, &true.into())
        );
    }
}
