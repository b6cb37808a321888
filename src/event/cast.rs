//! Recordings of terminal sessions on their way from a worker to the writer, and as asciicast v2.
//!
//! A recording travels in chunks beside the events, over the same socket. It is the first to give way: a
//! worker may send so much a second and no more, and nothing while events wait.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Bytes;

/// First byte of a chunk's datagram; an event's is `{`.
pub const MARK: u8 = b'C';
/// Most bytes of a terminal's output in one chunk.
pub const CHUNK_MAX: usize = 8 * 1024;
/// Most bytes of output kept of one session.
pub const SESSION_MAX: usize = 1 << 20;
/// Most frames in one chunk.
pub const FRAMES_MAX: usize = 512;
/// What one worker may send: bytes at once, and bytes a second.
const BURST: f64 = 1_048_576.0;
const RATE: f64 = 131_072.0;
/// Largest terminal in columns and rows; what clients say is theirs.
const SIDE_MAX: u32 = 1000;
const TERM_MAX: usize = 64;

/// A part of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The connection: 16 hex digits.
    pub session: String,
    /// Which terminal of it, from 1.
    pub terminal: u32,
    /// Which chunk, from 0: a gap shows.
    pub number: u64,
    /// Comes with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// What happened.
    pub frames: Vec<Frame>,
    /// Whether it is the last.
    #[serde(default)]
    pub end: bool,
}

/// How a recording begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Columns and rows.
    pub size: (u32, u32),
    /// What the client calls its terminal.
    pub term: Bytes,
    /// Service slug.
    pub service: String,
    /// Seconds since 1970.
    pub time: i64,
}

/// Something on the terminal, and when: microseconds since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// It showed this.
    #[serde(rename = "o")]
    Output(u64, Bytes),
    /// It has this size now.
    #[serde(rename = "r")]
    Size(u64, u32, u32),
    /// Something to know about the recording itself.
    #[serde(rename = "m")]
    Note(u64, String),
}

impl Frame {
    /// When it happened.
    pub fn at(&self) -> u64 {
        match self {
            Self::Output(at, _) | Self::Size(at, ..) | Self::Note(at, _) => *at,
        }
    }
}

impl Chunk {
    /// As a datagram; none when it cannot be one.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![MARK];
        serde_json::to_writer(&mut out, self).ok()?;
        (out.len() <= super::DATAGRAM_MAX).then_some(out)
    }

    /// What a worker sent; none when it is no chunk or breaks a bound.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let chunk: Self = serde_json::from_slice(datagram.strip_prefix(&[MARK])?).ok()?;
        let words = chunk.start.as_ref().is_none_or(|s| s.service.len() <= TERM_MAX);
        let fits = is_session(&chunk.session)
            && (1..=999).contains(&chunk.terminal)
            && chunk.frames.len() <= FRAMES_MAX
            && words;
        fits.then_some(chunk)
    }

    /// The name that people type for it.
    pub fn id(&self) -> String {
        id(&self.session, self.terminal)
    }
}

/// The name of a terminal's recording.
pub fn id(session: &str, terminal: u32) -> String {
    if terminal == 1 { session.to_owned() } else { format!("{session}-{terminal}") }
}

fn is_session(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The file of that recording; none when it is no name of one.
pub fn file_name(id: &str) -> Option<String> {
    let (session, terminal) = id.split_once('-').map_or((id, None), |(s, n)| (s, Some(n)));
    let plain = |n: &str| n.parse::<u16>().is_ok_and(|v| (2..=999).contains(&v) && v.to_string() == n);
    (is_session(session) && terminal.is_none_or(plain)).then(|| format!("{id}.cast"))
}

/// The recording that a file of that name is.
pub fn id_of(file: &str) -> Option<&str> {
    file.strip_suffix(".cast").filter(|id| file_name(id).is_some())
}

/// The first line of an asciicast v2 file, in ASCII.
pub fn header(start: &Start, decky: &str, id: &str) -> Vec<u8> {
    let side = |n: u32, default: u32| if n == 0 { default } else { n.min(SIDE_MAX) };
    let term: String = start
        .term
        .0
        .iter()
        .take(TERM_MAX)
        .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' })
        .collect();
    line(&json!({
        "version": 2,
        "width": side(start.size.0, 80),
        "height": side(start.size.1, 24),
        "timestamp": start.time,
        "title": format!("{} on {decky}, session {id}", super::escape::text(&start.service)),
        "env": { "TERM": term },
        "decnet": { "decky": decky, "session": id },
    }))
}

/// Turns the frames of one recording into lines: what was cut inside a character is put together again.
#[derive(Debug, Default)]
pub struct Lines {
    cut: Vec<u8>,
    /// Times never run backwards.
    last: u64,
}

impl Lines {
    /// One frame as a line of asciicast v2, in ASCII; none when there is nothing to show yet.
    pub fn frame(&mut self, frame: &Frame) -> Option<Vec<u8>> {
        let (at, code, data) = match frame {
            Frame::Output(at, Bytes(raw)) => (*at, "o", self.text(raw)),
            Frame::Size(at, columns, rows) => {
                (*at, "r", format!("{}x{}", (*columns).clamp(1, SIDE_MAX), (*rows).clamp(1, SIDE_MAX)))
            }
            Frame::Note(at, text) => (*at, "m", text.chars().take(TERM_MAX).collect()),
        };
        if data.is_empty() {
            return None;
        }
        self.last = at.max(self.last);
        let seconds = Duration::from_micros(self.last).as_secs_f64();
        Some(line(&json!([seconds, code, data])))
    }

    fn text(&mut self, raw: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.cut);
        bytes.extend_from_slice(raw);
        let mut out = String::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    out.push_str(&String::from_utf8_lossy(good));
                    match error.error_len() {
                        Some(length) => {
                            out.push(char::REPLACEMENT_CHARACTER);
                            rest = bad.get(length..).unwrap_or_default();
                        }
                        None => {
                            self.cut = bad.to_vec();
                            break;
                        }
                    }
                }
            }
        }
        out
    }
}

/// JSON in ASCII, so that no file of ours can do anything to the terminal it is shown on.
fn line(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut units = [0u16; 2];
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c as u8);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }
    out.push(b'\n');
    out
}

/// Whose recording a file is, by its first line.
pub fn decky_of(first_line: &[u8]) -> Option<String> {
    let header: Map<String, Value> = serde_json::from_slice(first_line).ok()?;
    Some(header.get("decnet")?.get("decky")?.as_str()?.to_owned())
}

/// What a worker may still send.
#[derive(Debug)]
pub struct Throttle {
    left: f64,
    at: Option<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { left: BURST, at: None }
    }
}

impl Throttle {
    /// Whether so many bytes may be sent now; they are counted then.
    pub fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.left = (self.left + passed.as_secs_f64() * RATE).min(BURST);
        let cost = bytes as f64;
        if cost > self.left {
            return false;
        }
        self.left -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn output(at: u64, bytes: &[u8]) -> Frame {
        Frame::Output(at, Bytes(bytes.to_vec()))
    }

    fn start() -> Start {
        Start {
            size: (0, 5000),
            term: Bytes(b"xterm\x1b[".to_vec()),
            service: "ssh".into(),
            time: 1_700_000_000,
        }
    }

    #[test]
    fn a_recording_is_asciicast_v2() {
        let mut lines = Lines::default();
        let header: Value = serde_json::from_slice(&header(&start(), "web-01", "00112233445566aa")).unwrap();
        assert_eq!(
            (&header["version"], &header["width"], &header["height"], &header["timestamp"]),
            (&json!(2), &json!(80), &json!(1000), &json!(1_700_000_000))
        );
        assert_eq!(header["env"]["TERM"], "xterm?[");
        assert_eq!(
            lines.frame(&output(1_500_000, b"$ \x1b[1mls\r\n")).unwrap(),
            b"[1.5,\"o\",\"$ \\u001b[1mls\\r\\n\"]\n"
        );
        // A character cut in two, and a clock that ran backwards.
        assert_eq!(lines.frame(&output(2_000_000, b"\xe2\x82")), None);
        assert_eq!(
            lines.frame(&output(1_000_000, b"\xac\xff")).unwrap(),
            b"[1.5,\"o\",\"\\u20ac\\ufffd\"]\n"
        );
        assert_eq!(lines.frame(&Frame::Size(3_000_000, 0, 9_999)).unwrap(), b"[3.0,\"r\",\"1x1000\"]\n");
    }

    #[test]
    fn names_of_recordings() {
        for (id, file) in [
            ("00112233445566aa", Some("00112233445566aa.cast")),
            ("00112233445566aa-2", Some("00112233445566aa-2.cast")),
            ("00112233445566aa-1", None),
            ("00112233445566aa-02", None),
            ("00112233445566AA", None),
            ("../../etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(file_name(id).as_deref(), file, "{id}");
            assert_eq!(id_of(&format!("{id}.cast")), file.map(|_| id), "{id}");
        }
    }

    #[test]
    fn a_worker_sends_so_much_and_no_more() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let sent = (0..10_000).filter(|_| throttle.take(1000, now)).count();
        assert_eq!(sent, 1048);
        assert!(!throttle.take(2000, now + Duration::from_millis(10)));
        assert!(throttle.take(100_000, now + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn any_output_makes_clean_lines_that_hold_it(parts: Vec<Vec<u8>>) {
            let mut lines = Lines::default();
            let mut shown = String::new();
            for part in &parts {
                if let Some(line) = lines.frame(&output(0, part)) {
                    let (last, rest) = line.split_last().unwrap();
                    prop_assert!(*last == b'\n' && rest.iter().all(|b| matches!(b, 0x20..=0x7e)));
                    let value: Value = serde_json::from_slice(rest).unwrap();
                    shown.push_str(value[2].as_str().unwrap());
                }
            }
            let all = parts.concat();
            let whole = String::from_utf8_lossy(&all[..all.len() - lines.cut.len()]).into_owned();
            prop_assert_eq!(shown, whole);
        }

        #[test]
        fn whatever_a_worker_sends_is_a_bounded_chunk_or_none(at in 0usize..300, put: Vec<u8>) {
            let chunk = Chunk {
                session: "00112233445566aa".into(), terminal: 1, number: 0, start: Some(start()),
                frames: vec![output(1, b"x"), Frame::Size(2, 3, 4)], end: true,
            };
            let mut datagram = chunk.encode().unwrap();
            prop_assert_eq!(Chunk::parse(&datagram), Some(chunk));
            let at = at.min(datagram.len());
            datagram.splice(at..(at + put.len()).min(datagram.len()), put);
            if let Some(chunk) = Chunk::parse(&datagram) {
                prop_assert!(file_name(&chunk.id()).is_some());
            }
        }
    }
}
