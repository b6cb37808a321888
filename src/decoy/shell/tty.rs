//! A terminal's line discipline and line editor, for clients on a raw pseudo terminal: what comes from
//! the keyboard goes in, echo and finished lines come out. No state grows beyond its bound.

use std::collections::VecDeque;

/// Longest line.
pub const MAX_LINE: usize = 4096;
/// Most lines of history.
const MAX_HISTORY: usize = 100;
/// Most events one `feed` returns; the rest of the bytes is dropped.
const MAX_EVENTS: usize = 256;
/// Longest escape sequence looked at.
const MAX_ESCAPE: usize = 16;

/// What the keyboard asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TtyEvent {
    /// A line was finished.
    Line(Vec<u8>),
    /// Control-C.
    Interrupt,
    /// Control-D on an empty line.
    Eof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    AfterReturn,
    Escape,
    Sequence,
}

/// The terminal.
#[derive(Debug)]
pub struct Tty {
    line: Vec<u8>,
    cursor: usize,
    echo: bool,
    state: State,
    escape: Vec<u8>,
    history: VecDeque<Vec<u8>>,
    /// Which line of history shows; `history.len()` is the line being typed.
    at: usize,
    typed: Vec<u8>,
    prompt: Vec<u8>,
}

impl Default for Tty {
    fn default() -> Self {
        Self::new()
    }
}

impl Tty {
    /// A terminal with echo.
    pub fn new() -> Self {
        Self {
            line: Vec::new(),
            cursor: 0,
            echo: true,
            state: State::Plain,
            escape: Vec::new(),
            history: VecDeque::new(),
            at: 0,
            typed: Vec::new(),
            prompt: Vec::new(),
        }
    }

    /// Turns echo, editing keys and history on, or off for a password.
    pub fn set_echo(&mut self, on: bool) {
        self.echo = on;
    }

    /// What stands before the line: Control-L and a new history line draw it again.
    pub fn set_prompt(&mut self, prompt: &[u8]) {
        let last = prompt.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        prompt.get(last..).unwrap_or_default().clone_into(&mut self.prompt);
        self.prompt.truncate(256);
    }

    /// Takes bytes from the keyboard, appends what the screen shows to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Vec<TtyEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            if events.len() >= MAX_EVENTS {
                break;
            }
            if let Some(event) = self.key(*byte, out) {
                events.push(event);
            }
        }
        events
    }

    fn key(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<TtyEvent> {
        match self.state {
            State::AfterReturn => {
                self.state = State::Plain;
                if byte == b'\n' || byte == 0 {
                    return None;
                }
            }
            State::Escape => {
                self.state = if byte == b'[' || byte == b'O' { State::Sequence } else { State::Plain };
                self.escape.clear();
                return None;
            }
            State::Sequence => {
                if (0x40..=0x7e).contains(&byte) {
                    self.state = State::Plain;
                    self.sequence(byte, out);
                } else if self.escape.len() < MAX_ESCAPE {
                    self.escape.push(byte);
                } else {
                    self.state = State::Plain;
                }
                return None;
            }
            State::Plain => {}
        }
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    self.state = State::AfterReturn;
                }
                return Some(TtyEvent::Line(self.finish(out)));
            }
            0x03 => {
                self.show(out, b"^C\r\n");
                self.clear();
                return Some(TtyEvent::Interrupt);
            }
            0x04 if self.line.is_empty() => return Some(TtyEvent::Eof),
            0x04 => self.delete(out),
            0x08 | 0x7f => self.backspace(1, out),
            0x15 => self.backspace(self.cursor, out),
            0x17 => self.backspace(self.word_before(), out),
            0x0b => {
                let gone = self.line.len() - self.cursor;
                self.line.truncate(self.cursor);
                if self.echo && gone > 0 {
                    out.extend(b"\x1b[K");
                }
            }
            0x01 => self.go(0, out),
            0x05 => self.go(self.line.len(), out),
            0x02 => self.go(self.cursor.saturating_sub(1), out),
            0x06 => self.go(self.cursor + 1, out),
            0x10 => self.recall(self.at.checked_sub(1), out),
            0x0e => self.recall(Some(self.at + 1), out),
            0x0c if self.echo => {
                out.extend(b"\x1b[H\x1b[J");
                out.extend(&self.prompt);
                out.extend(&self.line);
                self.back(self.line.len() - self.cursor, out);
            }
            0x1b => self.state = State::Escape,
            0x09 | 0x20.. => self.insert(byte, out),
            _ => {}
        }
        None
    }

    fn sequence(&mut self, last: u8, out: &mut Vec<u8>) {
        match (last, self.escape.as_slice()) {
            (b'A', _) => self.recall(self.at.checked_sub(1), out),
            (b'B', _) => self.recall(Some(self.at + 1), out),
            (b'C', _) => self.go(self.cursor + 1, out),
            (b'D', _) => self.go(self.cursor.saturating_sub(1), out),
            (b'H', _) | (b'~', b"1" | b"7") => self.go(0, out),
            (b'F', _) | (b'~', b"4" | b"8") => self.go(self.line.len(), out),
            (b'~', b"3") => self.delete(out),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<u8> {
        out.extend(b"\r\n");
        let line = std::mem::take(&mut self.line);
        if self.echo && !line.is_empty() && self.history.back() != Some(&line) {
            if self.history.len() >= MAX_HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(line.clone());
        }
        self.clear();
        line
    }

    fn clear(&mut self) {
        self.line.clear();
        self.cursor = 0;
        self.at = self.history.len();
        self.typed.clear();
    }

    fn show(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        if self.echo {
            out.extend(bytes);
        }
    }

    fn back(&self, steps: usize, out: &mut Vec<u8>) {
        self.show(out, &b"\x08".repeat(steps.min(MAX_LINE)));
    }

    fn insert(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.line.len() >= MAX_LINE {
            self.show(out, b"\x07");
            return;
        }
        let byte = if byte == b'\t' && self.echo { return } else { byte };
        self.line.insert(self.cursor.min(self.line.len()), byte);
        self.cursor += 1;
        let tail = self.line.get(self.cursor..).unwrap_or_default();
        if self.echo {
            out.push(byte);
            if !tail.is_empty() {
                // Redrawing the tail for every byte of a long paste in the middle of a line would cost
                // the square of its length; the terminal's own insert mode does the same.
                out.splice(out.len() - 1..out.len() - 1, *b"\x1b[@");
            }
        }
    }

    fn backspace(&mut self, count: usize, out: &mut Vec<u8>) {
        let count = count.min(self.cursor);
        if count == 0 {
            return;
        }
        self.line.drain(self.cursor - count..self.cursor);
        self.cursor -= count;
        if self.cursor == self.line.len() && count == 1 {
            self.show(out, b"\x08 \x08");
            return;
        }
        self.back(count, out);
        self.show(out, format!("\x1b[{count}P").as_bytes());
    }

    fn delete(&mut self, out: &mut Vec<u8>) {
        if self.cursor < self.line.len() {
            self.line.remove(self.cursor);
            self.show(out, b"\x1b[P");
        }
    }

    fn word_before(&self) -> usize {
        let before = self.line.get(..self.cursor).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|b| **b == b' ').count();
        let word = before.iter().rev().skip(blanks).take_while(|b| **b != b' ').count();
        blanks + word
    }

    fn go(&mut self, to: usize, out: &mut Vec<u8>) {
        let to = to.min(self.line.len());
        if to < self.cursor {
            self.back(self.cursor - to, out);
        } else if let Some(passed) = self.line.get(self.cursor..to) {
            self.show(out, passed);
        }
        self.cursor = to;
    }

    fn recall(&mut self, to: Option<usize>, out: &mut Vec<u8>) {
        let Some(to) = to.filter(|to| self.echo && *to <= self.history.len() && *to != self.at) else {
            return;
        };
        if self.at == self.history.len() {
            self.typed.clone_from(&self.line);
        }
        let line = self.history.get(to).cloned().unwrap_or_else(|| std::mem::take(&mut self.typed));
        self.back(self.cursor, out);
        out.extend(b"\x1b[K");
        out.extend(&line);
        self.cursor = line.len();
        self.line = line;
        self.at = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn type_in(tty: &mut Tty, bytes: &[u8]) -> (Vec<TtyEvent>, String) {
        let mut out = Vec::new();
        let events = tty.feed(bytes, &mut out);
        (events, String::from_utf8_lossy(&out).into_owned())
    }

    fn line(text: &str) -> TtyEvent {
        TtyEvent::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn every_kind_of_line_end_ends_one_line() {
        for end in ["\r", "\n", "\r\n", "\r\0"] {
            let (events, shown) = type_in(&mut Tty::new(), format!("ls{end}id{end}").as_bytes());
            assert_eq!(events, [line("ls"), line("id")], "{end:?}");
            assert_eq!(shown, "ls\r\nid\r\n");
        }
    }

    #[test]
    fn editing_keys_change_the_line() {
        for (keys, expected) in [
            ("lss\x7f\r", "ls"),
            ("rm -rf /\x15id\r", "id"),
            ("cat a b\x17c\r", "cat a c"),
            ("ac\x1b[Db\r", "abc"),
            ("bc\x01a\x05d\r", "abcd"),
            ("ab\x1b[D\x1b[3~c\r", "ac"),
        ] {
            assert_eq!(type_in(&mut Tty::new(), keys.as_bytes()).0, [line(expected)], "{keys:?}");
        }
    }

    #[test]
    fn arrows_walk_the_history() {
        let mut tty = Tty::new();
        type_in(&mut tty, b"one\rtwo\r");
        assert_eq!(type_in(&mut tty, b"\x1b[A\r").0, [line("two")]);
        assert_eq!(type_in(&mut tty, b"\x1b[A\x1b[A\r").0, [line("one")]);
        assert_eq!(type_in(&mut tty, b"new\x1b[A\x1b[B\r").0, [line("new")]);
    }

    #[test]
    fn a_password_is_neither_shown_nor_remembered() {
        let mut tty = Tty::new();
        tty.set_echo(false);
        assert_eq!(type_in(&mut tty, b"secret\r"), (vec![line("secret")], "\r\n".to_owned()));
        tty.set_echo(true);
        assert_eq!(type_in(&mut tty, b"\x1b[A\r").0, [line("")]);
    }

    #[test]
    fn control_keys_are_events() {
        let mut tty = Tty::new();
        assert_eq!(type_in(&mut tty, b"abc\x03"), (vec![TtyEvent::Interrupt], "abc^C\r\n".to_owned()));
        assert_eq!(type_in(&mut tty, b"\x04").0, [TtyEvent::Eof]);
        assert_eq!(type_in(&mut tty, b"a\x04").0, []);
    }

    #[test]
    fn a_line_is_bounded() {
        let mut tty = Tty::new();
        let (events, _) = type_in(&mut tty, &[&[b'x'; 3 * MAX_LINE][..], b"\r"].concat());
        assert_eq!(events, [TtyEvent::Line(vec![b'x'; MAX_LINE])]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_bytes_keep_it_sound(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let mut tty = Tty::new();
            let mut out = Vec::new();
            for chunk in &chunks {
                for event in tty.feed(chunk, &mut out) {
                    if let TtyEvent::Line(line) = event {
                        prop_assert!(line.len() <= MAX_LINE);
                    }
                }
                prop_assert!(tty.cursor <= tty.line.len());
            }
            prop_assert!(out.len() <= 1200 * (MAX_LINE + 16));
        }
    }
}
