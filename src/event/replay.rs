//! A recording played back: what it may do to the terminal that shows it is a short list.
//!
//! A recording holds what somebody hostile made a made-up machine print. Kept are printable characters,
//! line ends, colours and styles, cursor movement, erasing, inserting and deleting. Everything else goes:
//! titles, clipboard, hyperlinks and other strings (OSC, DCS, APC, PM, SOS), requests that the terminal
//! would answer as if it was typed, modes, scroll regions, character sets, 8-bit controls, concealed text, and
//! characters that change the direction of writing or cannot be seen.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::cast;
use super::writer::casts::DIRECTORY;

/// Longest line of a recording.
const LINE_MAX: u64 = 1 << 20;
/// Most parameters of a sequence, and the largest.
const PARAMETERS_MAX: usize = 32;
const PARAMETER_MAX: u32 = 9999;
/// A string longer than this was never one: what follows is shown.
const STRING_MAX: usize = 4096;

/// Where the recordings of these event files are.
pub fn directory(events: &Path) -> PathBuf {
    events.join(DIRECTORY)
}

/// The file of a recording: of that name, or of the only one whose name begins so.
///
/// # Errors
/// There is none, or there are several, or the directory cannot be read.
pub fn find(events: &Path, id: &str) -> io::Result<PathBuf> {
    let directory = directory(events);
    if let Some(path) = cast::file_name(id).map(|name| directory.join(name)).filter(|path| path.exists()) {
        return Ok(path);
    }
    let none = || io::Error::new(io::ErrorKind::NotFound, "there is no such recording");
    let plain = !id.is_empty() && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    let mut found = None;
    for entry in std::fs::read_dir(&directory).map_err(|_| none())? {
        let name = entry?.file_name();
        let Some(name) =
            name.to_str().filter(|name| plain && name.starts_with(id) && cast::id_of(name).is_some())
        else {
            continue;
        };
        if found.replace(directory.join(name)).is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "several recordings begin like that"));
        }
    }
    found.ok_or_else(none)
}

/// Names of all recordings.
pub fn list(events: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory(events)).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| Some(cast::id_of(e.file_name().to_str()?)?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A recording, read frame by frame.
pub struct Recording {
    lines: io::Take<BufReader<File>>,
}

impl Recording {
    /// Opens it and skips its header.
    ///
    /// # Errors
    /// It cannot be read, or is no asciicast v2.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut recording = Self { lines: BufReader::new(File::open(path)?).take(LINE_MAX) };
        let header = recording.line()?.unwrap_or_default();
        let header: Value = serde_json::from_slice(&header).unwrap_or_default();
        if header["version"] != 2 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no asciicast v2"));
        }
        Ok(recording)
    }

    /// The next output, and when it came; none at the end. Lines that are none are skipped.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next_output(&mut self) -> io::Result<Option<(Duration, String)>> {
        while let Some(line) = self.line()? {
            let Ok(Value::Array(frame)) = serde_json::from_slice(&line) else { continue };
            let [at, code, data] = frame.as_slice() else { continue };
            if let (Some(at), Some("o"), Some(text)) = (at.as_f64(), code.as_str(), data.as_str()) {
                let at = Duration::try_from_secs_f64(at).unwrap_or_default();
                return Ok(Some((at, text.to_owned())));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.lines.set_limit(LINE_MAX);
        let mut line = Vec::new();
        let got = self.lines.read_until(b'\n', &mut line)?;
        Ok((got > 0).then_some(line))
    }
}

/// Where in a sequence a text stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// After `ESC` and an intermediate: one more character belongs to it.
    Short,
    Control(String),
    /// In a string; so many characters of it went by, the last an escape or not.
    Text7(usize, bool),
}

/// Lets through what is harmless, over any cuts.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    state: State,
}

impl Filter {
    /// The harmless part of a text.
    pub fn pass(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.one(c, &mut out);
        }
        out
    }

    fn one(&mut self, c: char, out: &mut String) {
        // Cancel and substitute end anything, as on a real terminal; an escape begins anew, but in strings.
        if matches!(c, '\u{18}' | '\u{1a}') {
            self.state = State::Text;
            return;
        }
        self.state = match std::mem::take(&mut self.state) {
            State::Text => match c {
                '\u{1b}' => State::Escape,
                '\u{9b}' => State::Control(String::new()),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => State::Text7(0, false),
                c => {
                    out.extend(shown(c));
                    State::Text
                }
            },
            State::Escape => match c {
                '[' => State::Control(String::new()),
                ']' | 'P' | 'X' | '^' | '_' => State::Text7(0, false),
                ' '..='/' => State::Short,
                '\u{1b}' => State::Escape,
                _ => State::Text,
            },
            State::Short => match c {
                ' '..='/' => State::Short,
                '\u{1b}' => State::Escape,
                _ => State::Text,
            },
            State::Control(mut inside) => match c {
                '\u{1b}' => State::Escape,
                '@'..='~' => {
                    out.extend(control(&inside, c));
                    State::Text
                }
                ' '..='?' if inside.len() < PARAMETERS_MAX * 5 => {
                    inside.push(c);
                    State::Control(inside)
                }
                _ => State::Text,
            },
            State::Text7(length, escape) => match c {
                '\u{7}' | '\u{9c}' => State::Text,
                '\\' if escape => State::Text,
                _ if length >= STRING_MAX => State::Text,
                c => State::Text7(length + 1, c == '\u{1b}'),
            },
        };
    }
}

/// A character that may be shown as it is.
fn shown(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' | '\u{8}' => Some(c),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => None,
        // Direction, invisible, tags, variation selectors, private use.
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' => None,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{10ffff}' => None,
        c => Some(c),
    }
}

/// A control sequence, made anew of its numbers, where it is one of those that only draw.
fn control(inside: &str, last: char) -> Option<String> {
    let numbers = || -> Option<Vec<u32>> {
        if inside.is_empty() {
            return Some(Vec::new());
        }
        let parts: Vec<&str> = inside.split(';').collect();
        let one = |part: &&str| {
            if part.is_empty() { Some(0) } else { part.parse().ok().filter(|n| *n <= PARAMETER_MAX) }
        };
        if parts.len() <= PARAMETERS_MAX { parts.iter().map(one).collect() } else { None }
    };
    let written = |numbers: &[u32]| {
        let texts: Vec<_> = numbers.iter().map(u32::to_string).collect();
        format!("\u{1b}[{}{last}", texts.join(";"))
    };
    match last {
        'A'..='H' | 'J' | 'K' | 'L' | 'M' | 'P' | 'X' | '@' | '`' | 'a' | 'd' | 'e' | 'f' => {
            let numbers = numbers()?;
            // `CSI 3 J` would wipe what the terminal keeps above the screen.
            let wipes = last == 'J' && numbers.iter().any(|n| *n > 2);
            (numbers.len() <= 2 && !wipes)
                .then(|| if numbers.is_empty() { format!("\u{1b}[{last}") } else { written(&numbers) })
        }
        'm' => Some(written(&style(&numbers()?))),
        _ => None,
    }
}

/// Colours and styles, without concealed text.
fn style(numbers: &[u32]) -> Vec<u32> {
    let mut kept = Vec::new();
    let mut rest = numbers.iter().copied();
    while let Some(number) = rest.next() {
        match number {
            8 => {}
            38 | 48 | 58 => {
                let form = rest.next();
                let more = match form {
                    Some(5) => 1,
                    Some(2) => 3,
                    _ => return kept,
                };
                let values: Vec<u32> = rest.by_ref().take(more).collect();
                if values.len() == more {
                    kept.push(number);
                    kept.extend(form);
                    kept.extend(values);
                }
            }
            number => kept.push(number),
        }
    }
    // An empty list would be a reset that nobody asked for.
    if kept.is_empty() && !numbers.is_empty() { vec![28] } else { kept }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass(text: &str) -> String {
        Filter::default().pass(text)
    }

    #[test]
    fn what_draws_stays() {
        for same in [
            "plain \u{e4}\u{20ac} text\r\n\t\u{8}",
            "\u{1b}[1;31mred\u{1b}[0m",
            "\u{1b}[38;5;8mgrey\u{1b}[48;2;1;8;3m",
            "\u{1b}[H\u{1b}[J\u{1b}[K\u{1b}[2J\u{1b}[10;20H\u{1b}[3A\u{1b}[@\u{1b}[2P",
        ] {
            assert_eq!(pass(same), same);
        }
        assert_eq!(pass("\u{1b}[mx"), "\u{1b}[mx");
    }

    #[test]
    fn what_does_more_goes() {
        for (hostile, left) in [
            ("\u{1b}]0;owned\u{7}x", "x"),
            ("\u{1b}]52;c;aGk=\u{1b}\\x", "x"),
            ("\u{1b}]8;;http://evil\u{1b}\\link", "link"),
            ("\u{1b}P+q544e\u{1b}\\x", "x"),
            ("\u{1b}_Gx\u{9c}x", "x"),
            ("\u{9d}0;t\u{9c}x", "x"),
            ("\u{9b}31mx", "\u{1b}[31mx"),
            ("\u{9b}6nx", "x"),
            ("\u{1b}[6nx\u{1b}[cx\u{1b}[>cx\u{1b}[0c", "xxx"),
            ("\u{5}\u{7}\u{e}\u{f}x", "x"),
            ("\u{1b}[21tx\u{1b}[?1049hx\u{1b}[?25lx\u{1b}[1;3rx", "xxxx"),
            ("\u{1b}cx\u{1b}Zx\u{1b}#8x\u{1b}(0x", "xxxx"),
            ("\u{1b}[3Jx", "x"),
            ("\u{1b}[8mhidden", "\u{1b}[28mhidden"),
            ("\u{1b}[1;8mhidden", "\u{1b}[1mhidden"),
            ("\u{1b}[99999999999Ax", "x"),
            ("\u{1b}[1:2mx", "x"),
            ("\u{1b}[\u{1b}]0;t\u{7}x", "x"),
            ("\u{1b}]0;t\u{18}x", "x"),
            ("a\u{202e}b\u{200b}c\u{feff}\u{e0041}", "abc"),
        ] {
            assert_eq!(pass(hostile), left, "{hostile:?}");
        }
        // A string without an end does not swallow the session.
        let long = format!("\u{1b}]0;{}shown", "x".repeat(2 * STRING_MAX));
        assert!(pass(&long).ends_with("shown"));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing_and_nothing_bad_passes(
            text in "([ -~]|[\u{1b}\u{7}\u{9b}\u{9c}\u{9d}\\[\\];?0-9mHJKncthlP\\\\]|.){0,120}", at in 0usize..120
        ) {
            let whole = pass(&text);
            let cut = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
            let mut filter = Filter::default();
            prop_assert_eq!(filter.pass(&text[..cut]) + &filter.pass(&text[cut..]), whole.clone());
            // Every escape left begins a sequence of numbers with a harmless end; the filter keeps what it made.
            let mut rest = whole.as_str();
            while let Some(at) = rest.find('\u{1b}') {
                rest = rest[at + 1..].strip_prefix('[').unwrap();
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap();
                prop_assert!("ABCDEFGHJKLMPX@`adefm".contains(&rest[end..=end]), "{:?}", whole);
            }
            const LEFT: [char; 5] = ['\n', '\r', '\t', '\u{8}', '\u{1b}'];
            prop_assert!(!whole.chars().any(|c| c.is_control() && !LEFT.contains(&c)));
        }
    }
}
