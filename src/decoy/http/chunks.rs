//! Chunked bodies (RFC 9112 §7.1), byte by byte, with bounded lines.

use super::conn::Content;

/// Longest chunk extension and longest trailer.
const LINE_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    Trailer,
    Done,
}

/// A decoder.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    size: u64,
    digits: usize,
    line: usize,
    /// The trailer line so far is empty.
    blank: bool,
}

impl Chunks {
    /// Whether the last chunk and the trailer were read.
    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes bytes; says how many belong to the body. `Err` when they are no chunks.
    pub(super) fn feed(&mut self, input: &[u8], content: &mut Content) -> Result<usize, ()> {
        let mut at = 0;
        while let Some(byte) = input.get(at) {
            match self.state {
                State::Done => break,
                State::Data => {
                    let rest = input.get(at..).unwrap_or_default();
                    let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                    content.add(&rest[..count]);
                    self.size = self.size.saturating_sub(count as u64);
                    at += count;
                    if self.size == 0 {
                        self.state = State::DataEnd;
                    }
                    continue;
                }
                State::Size => self.size_digit(*byte)?,
                State::Extension => {
                    self.bounded()?;
                    if *byte == b'\n' {
                        self.size_ends();
                    }
                }
                State::DataEnd => match byte {
                    b'\r' if self.line == 0 => self.line = 1,
                    b'\n' => (self.state, self.digits, self.line) = (State::Size, 0, 0),
                    _ => return Err(()),
                },
                State::Trailer => {
                    self.bounded()?;
                    match byte {
                        b'\n' if self.blank => self.state = State::Done,
                        b'\n' => self.blank = true,
                        b'\r' => {}
                        _ => self.blank = false,
                    }
                }
            }
            at += 1;
        }
        Ok(at)
    }

    fn size_digit(&mut self, byte: u8) -> Result<(), ()> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.digits += 1;
            if self.digits > 15 {
                return Err(());
            }
            self.size = self.size * 16 + u64::from(digit);
            return Ok(());
        }
        if self.digits == 0 {
            return Err(());
        }
        match byte {
            b'\n' => self.size_ends(),
            b'\r' | b';' | b' ' | b'\t' => self.state = State::Extension,
            _ => return Err(()),
        }
        Ok(())
    }

    fn size_ends(&mut self) {
        self.line = 0;
        self.blank = true;
        self.state = if self.size == 0 { State::Trailer } else { State::Data };
    }

    fn bounded(&mut self) -> Result<(), ()> {
        self.line += 1;
        if self.line > LINE_MAX { Err(()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELD_MAX;

    fn decode(text: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), ()> {
        let (mut chunks, mut content, mut used) = (Chunks::default(), Content::with_room(FIELD_MAX), 0);
        for part in text.chunks(step) {
            used += chunks.feed(part, &mut content)?;
        }
        Ok((content.start, used, chunks.done()))
    }

    #[test]
    fn decodes_in_any_step() {
        let text = b"2;x=y\r\nhi\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET";
        for step in [1, 2, 7, 100] {
            let (body, used, done) = decode(text, step).unwrap();
            assert_eq!((body.as_slice(), used, done), (b"hi0123456789".as_slice(), text.len() - 3, true));
        }
        assert!(!decode(b"2\r\nhi\r\n0\r\n", 1).unwrap().2);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["zz\r\n", "\r\n", "1\r\nab", "ffffffffffffffff\r\n"] {
            assert!(decode(text.as_bytes(), 1).is_err(), "{text:?}");
        }
        assert!(decode(&[b"1;".as_slice(), &[b'x'; 5000]].concat(), 64).is_err());
    }
}
