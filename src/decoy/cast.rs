//! Records what a terminal shows, for [`crate::event::cast`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::session::{Recorder, Sink};
use crate::event::Bytes;
use crate::event::cast::{CHUNK_MAX, Chunk, FRAMES_MAX, Frame, SESSION_MAX, Start, id};

/// How long output waits for more of it.
const GATHER: Duration = Duration::from_secs(1);
/// Terminals of one connection that are recorded.
const TERMINALS_MAX: u32 = 32;

/// The recording of one terminal. Ends when it is dropped.
pub struct Cast {
    sink: Arc<dyn Sink>,
    session: Arc<str>,
    terminal: u32,
    began: Instant,
    start: Option<Start>,
    frames: Vec<Frame>,
    bytes: usize,
    /// When the first of what waits came.
    waiting: Instant,
    number: u64,
    left: usize,
}

impl Cast {
    /// Begins a recording of the `terminal`-th terminal of a connection, from 1; none for too many of them.
    pub fn start(record: &Recorder, terminal: u32, term: &[u8], size: (u32, u32)) -> Option<Self> {
        if terminal == 0 || terminal > TERMINALS_MAX {
            return None;
        }
        let (sink, session, service) = record.parts();
        let start = Start {
            size,
            term: Bytes::new(term.get(..term.len().min(64)).unwrap_or_default()),
            service: service.to_owned(),
            time: jiff::Timestamp::now().as_second(),
        };
        let now = Instant::now();
        Some(Self {
            sink,
            session,
            terminal,
            began: now,
            start: Some(start),
            frames: Vec::new(),
            bytes: 0,
            waiting: now,
            number: 0,
            left: SESSION_MAX,
        })
    }

    /// Its name.
    pub fn id(&self) -> String {
        id(&self.session, self.terminal)
    }

    /// The terminal showed this.
    pub fn output(&mut self, shown: &[u8]) {
        for part in shown.chunks(CHUNK_MAX) {
            if self.left == 0 {
                return;
            }
            let part = part.get(..part.len().min(self.left)).unwrap_or_default();
            self.left -= part.len();
            self.put(part.len(), |at| Frame::Output(at, Bytes(part.to_vec())));
            if self.left == 0 {
                self.put(0, |at| Frame::Note(at, "recording ends at its limit".to_owned()));
            }
            if part.contains(&b'\n') || self.waiting.elapsed() >= GATHER {
                self.flush(false);
            }
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, (columns, rows): (u32, u32)) {
        /// What a change of size costs of the limit.
        const COST: usize = 64;
        if self.left > COST {
            self.left -= COST;
            self.put(COST, |at| Frame::Size(at, columns, rows));
        }
    }

    fn put(&mut self, bytes: usize, frame: impl FnOnce(u64) -> Frame) {
        if self.bytes + bytes > CHUNK_MAX || self.frames.len() + 1 >= FRAMES_MAX {
            self.flush(false);
        }
        if self.frames.is_empty() {
            self.waiting = Instant::now();
        }
        let at = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.frames.push(frame(at));
        self.bytes += bytes;
    }

    fn flush(&mut self, end: bool) {
        let chunk = Chunk {
            session: self.session.to_string(),
            terminal: self.terminal,
            number: self.number,
            start: self.start.take(),
            frames: std::mem::take(&mut self.frames),
            end,
        };
        self.bytes = 0;
        self.number += 1;
        if !self.sink.cast(&chunk) {
            // What is without its beginning is no recording: it comes with the next part.
            self.start = chunk.start;
        }
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        self.flush(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::Kept;

    fn recorder(kept: &Arc<Kept>) -> Recorder {
        let here = ([127, 0, 0, 1], 1).into();
        Recorder::new(kept.clone(), "ssh", here, here, "00112233445566aa")
    }

    fn text(chunks: &[Chunk]) -> Vec<u8> {
        let frames = chunks.iter().flat_map(|chunk| &chunk.frames);
        frames
            .filter_map(|f| if let Frame::Output(_, Bytes(b)) = f { Some(b.clone()) } else { None })
            .flatten()
            .collect()
    }

    #[test]
    fn keys_are_gathered_and_lines_are_sent() {
        let kept = Arc::new(Kept::default());
        let mut cast = Cast::start(&recorder(&kept), 1, b"xterm", (80, 24)).unwrap();
        for key in b"ls -la" {
            cast.output(&[*key]);
        }
        assert!(kept.casts().is_empty());
        cast.output(b"\r\n");
        cast.output(b"$ ");
        cast.resize((100, 30));
        drop(cast);
        let chunks = kept.casts();
        assert_eq!(chunks.len(), 2);
        assert_eq!(
            (chunks[0].start.is_some(), chunks[1].start.is_some(), chunks[1].end),
            (true, false, true)
        );
        assert_eq!(text(&chunks), b"ls -la\r\n$ ");
        assert!(matches!(chunks[1].frames.last(), Some(Frame::Size(_, 100, 30))));
    }

    #[test]
    fn a_session_is_bounded_and_so_is_each_chunk() {
        let kept = Arc::new(Kept::default());
        let mut cast = Cast::start(&recorder(&kept), 2, b"", (0, 0)).unwrap();
        for _ in 0..100 {
            cast.output(&[b'x'; 50_000]);
        }
        drop(cast);
        let chunks = kept.casts();
        assert_eq!(text(&chunks).len(), SESSION_MAX);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.encode().is_some_and(|d| Chunk::parse(&d).as_ref() == Some(chunk)))
        );
        assert!(chunks.iter().enumerate().all(|(n, chunk)| chunk.number == n as u64));
        assert!(matches!(chunks[chunks.len() - 1].frames.last(), Some(Frame::Note(..))));
    }
}
