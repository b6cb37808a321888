//! Reading event files back: in order, filtered, and on while they grow.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Kind, segment};

/// How often a followed file is looked at.
const POLL: Duration = Duration::from_millis(200);
/// Longest line in bytes; a longer one is no line of ours and is skipped.
const LINE_MAX: usize = 4 << 20;

/// Which events are wanted. An empty list stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of deckies.
    pub deckies: Vec<String>,
    /// Service slugs.
    pub services: Vec<String>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Sources: addresses or networks.
    pub sources: Vec<IpNetwork>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// One event as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The line, without its line feed.
    pub line: String,
    /// What is in it.
    pub view: View,
}

/// What is in a line. Texts are escaped as stored ([`super::escape`]): safe for a terminal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct View {
    /// When.
    #[serde(rename = "@timestamp")]
    pub time: Timestamp,
    /// Its number; a gap means that the disk did not take some.
    pub sequence: u64,
    /// The decky.
    pub decky: String,
    /// Service slug.
    pub service: String,
    /// What kind of thing.
    pub kind: Kind,
    /// What exactly.
    pub action: String,
    /// `success`, `failure`, or nothing.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Who.
    pub source: End,
    /// Where.
    pub destination: End,
    /// Which connection.
    pub session: String,
    /// User name of a login.
    #[serde(default)]
    pub user: Option<String>,
    /// Secret of a login.
    #[serde(default)]
    pub secret: Option<String>,
    /// Everything else, nested as stored.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct End {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

impl Filter {
    /// The entry of a stored line, when it is wanted. `None` for other lines and for what is no event.
    pub fn pick(&self, line: &str) -> Option<Entry> {
        if !self.may_match(line) {
            return None;
        }
        let view: View = serde_json::from_str(line).ok()?;
        let wanted = among(&self.deckies, |d| *d == view.decky)
            && among(&self.services, |s| *s == view.service)
            && among(&self.kinds, |k| *k == view.kind)
            && among(&self.sources, |net| net.contains(view.source.ip))
            && self.since.is_none_or(|since| view.time >= since);
        wanted.then(|| Entry { line: line.to_owned(), view })
    }

    /// Cheap look at a line as [`super::line`] writes it: most unwanted ones are never parsed.
    fn may_match(&self, line: &str) -> bool {
        let has = |key: &str, value: &str| line.contains(&format!("\"{key}\":\"{value}\""));
        among(&self.deckies, |d| has("decky", d))
            && among(&self.services, |s| has("service", s))
            && among(&self.kinds, |k| has("kind", &k.to_string()))
            && among(&self.sources, |net| !is_host(net) || has("ip", &net.ip().to_string()))
    }
}

fn among<T>(list: &[T], test: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(test)
}

fn is_host(net: &IpNetwork) -> bool {
    net.prefix() == if net.is_ipv4() { 32 } else { 128 }
}

/// Reads the event files of one directory.
pub struct Reader {
    directory: PathBuf,
    filter: Filter,
    current: Option<(u64, BufReader<File>)>,
    /// Number of the newest segment that was read to its end and left.
    left: u64,
    /// A line that is not complete yet.
    partial: Vec<u8>,
    overlong: bool,
}

impl Reader {
    /// Starts at the oldest event. A directory that is not there yet is an empty one.
    pub fn new(directory: &Path, filter: Filter) -> Self {
        Self {
            directory: directory.to_owned(),
            filter,
            current: None,
            left: 0,
            partial: Vec::new(),
            overlong: false,
        }
    }

    /// Goes to the end: only what comes from now on will be read.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn skip_to_end(&mut self) -> io::Result<()> {
        if let Some(newest) = self.segments()?.last().copied() {
            self.enter(newest)?;
            if let Some((_, file)) = &mut self.current {
                file.seek(SeekFrom::End(0))?;
            }
        }
        Ok(())
    }

    /// The next wanted event; none when there is no further one for now. May be called again then.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if self.current.is_none() && !self.advance()? {
                return Ok(None);
            }
            match self.read_line()? {
                Some(line) => {
                    if let Some(entry) = self.filter.pick(&line) {
                        return Ok(Some(entry));
                    }
                }
                None if self.advance()? => {}
                None => return Ok(None),
            }
        }
    }

    /// Gives `each` every wanted event, those to come too, until it breaks.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn follow(&mut self, mut each: impl FnMut(Entry) -> ControlFlow<()>) -> io::Result<()> {
        loop {
            while let Some(entry) = self.next_entry()? {
                if each(entry).is_break() {
                    return Ok(());
                }
            }
            std::thread::sleep(POLL);
        }
    }

    fn segments(&self) -> io::Result<Vec<u64>> {
        match File::open(&self.directory) {
            Ok(directory) => segment::list(directory.as_fd()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    /// Goes on to the next segment; false when there is none. The writer begins a segment only after
    /// the last byte of the one before, but may have written both since we looked: so what is left
    /// of the old one is read first.
    fn advance(&mut self) -> io::Result<bool> {
        let from = self.current.as_ref().map_or(self.left, |(number, _)| *number);
        let later: Vec<_> = self.segments()?.into_iter().filter(|n| *n > from).collect();
        if later.is_empty() {
            return Ok(false);
        }
        if let Some((_, file)) = &mut self.current
            && !file.fill_buf()?.is_empty()
        {
            return Ok(true);
        }
        self.partial.clear();
        self.overlong = false;
        for number in later {
            if self.enter(number)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens a segment; false when it is gone or too old to hold anything wanted.
    fn enter(&mut self, number: u64) -> io::Result<bool> {
        self.current = None;
        self.left = number;
        let file = match File::open(self.directory.join(segment::name(number))) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        let written = file.metadata()?.modified().ok().and_then(|t| Timestamp::try_from(t).ok());
        let newest = self.segments()?.last() == Some(&number);
        if !newest && matches!((self.filter.since, written), (Some(since), Some(written)) if written < since)
        {
            return Ok(false);
        }
        self.current = Some((number, BufReader::with_capacity(64 * 1024, file)));
        Ok(true)
    }

    /// The next complete line of the current segment; none at its end for now.
    fn read_line(&mut self) -> io::Result<Option<String>> {
        let Some((_, file)) = &mut self.current else { return Ok(None) };
        loop {
            let chunk = file.fill_buf()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|b| *b == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            if self.partial.len() + part.len() > LINE_MAX {
                self.overlong = true;
                self.partial.clear();
            }
            if !self.overlong {
                self.partial.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            file.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.partial);
                if !std::mem::take(&mut self.overlong) {
                    return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::line;
    use super::super::line::tests::sample;
    use super::*;
    use crate::event::Event;

    fn write(dir: &Path, number: u64, events: &[Event]) {
        let mut file =
            fs::OpenOptions::new().append(true).create(true).open(dir.join(segment::name(number))).unwrap();
        for event in events {
            file.write_all(&line::format(event)).unwrap();
        }
    }

    fn event(sequence: u64, decky: &str, source: &str) -> Event {
        Event { sequence, decky: decky.into(), source: format!("{source}:1").parse().unwrap(), ..sample() }
    }

    fn all(reader: &mut Reader) -> Vec<u64> {
        std::iter::from_fn(|| reader.next_entry().unwrap()).map(|e| e.view.sequence).collect()
    }

    #[test]
    fn reads_in_order_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut reader = Reader::new(dir.path(), Filter::default());
        assert!(all(&mut reader).is_empty());
        write(dir.path(), 9, &[event(1, "a", "192.0.2.1"), event(2, "b", "192.0.2.2")]);
        write(dir.path(), 10, &[event(3, "a", "192.0.2.3")]);
        assert_eq!(all(&mut reader), [1, 2, 3]);
        write(dir.path(), 10, &[event(4, "a", "192.0.2.3")]);
        write(dir.path(), 1_000_000, &[event(5, "a", "192.0.2.3")]);
        assert_eq!(all(&mut reader), [4, 5]);
        let mut late = Reader::new(dir.path(), Filter::default());
        late.skip_to_end().unwrap();
        assert!(all(&mut late).is_empty());
        write(dir.path(), 1_000_000, &[event(6, "a", "192.0.2.3")]);
        assert_eq!((all(&mut late), all(&mut reader)), (vec![6], vec![6]));
    }

    #[test]
    fn a_line_that_is_being_written_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = line::format(&event(1, "a", "192.0.2.1"));
        let (head, tail) = bytes.split_at(40);
        let path = dir.path().join(segment::name(1));
        fs::write(&path, head).unwrap();
        let mut reader = Reader::new(dir.path(), Filter::default());
        assert!(all(&mut reader).is_empty());
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(tail).unwrap();
        let entry = reader.next_entry().unwrap().unwrap();
        assert_eq!(entry.line.as_bytes(), &bytes[..bytes.len() - 1]);
    }

    #[test]
    fn a_segment_that_goes_away_and_a_bad_line_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(segment::name(1)), b"\xff\xfe nonsense\n{}\n\n").unwrap();
        write(dir.path(), 1, &[event(1, "a", "192.0.2.1"), event(2, "a", "192.0.2.1")]);
        write(dir.path(), 2, &[event(3, "a", "192.0.2.1")]);
        let mut reader = Reader::new(dir.path(), Filter::default());
        assert_eq!(reader.next_entry().unwrap().unwrap().view.sequence, 1);
        fs::remove_file(dir.path().join(segment::name(1))).unwrap();
        assert_eq!(all(&mut reader), [2, 3]);
    }

    #[test]
    fn filters() {
        let dir = tempfile::tempdir().unwrap();
        let mut other = event(4, "b", "198.51.100.7");
        (other.service, other.kind) = ("http".into(), Kind::Request);
        other.time = "2026-11-24T00:00:00Z".parse().unwrap();
        // The attacker writes what looks like another decky's line.
        let mut sly = event(3, "b", "192.0.2.9");
        sly.fields.insert("x".into(), "\"decky\":\"a\",\"ip\":\"192.0.2.1\"".into());
        write(dir.path(), 1, &[event(1, "a", "192.0.2.1"), event(2, "a", "192.0.2.200"), sly, other]);
        let read = |filter| all(&mut Reader::new(dir.path(), filter));
        let net = |text: &str| text.parse::<IpNetwork>().unwrap();
        let base = Filter::default();
        for (filter, expected) in [
            (base.clone(), vec![1, 2, 3, 4]),
            (Filter { deckies: vec!["a".into()], ..base.clone() }, vec![1, 2]),
            (Filter { deckies: vec!["a".into(), "b".into()], ..base.clone() }, vec![1, 2, 3, 4]),
            (Filter { services: vec!["http".into()], ..base.clone() }, vec![4]),
            (Filter { kinds: vec![Kind::Login], ..base.clone() }, vec![1, 2, 3]),
            (Filter { sources: vec![net("192.0.2.1")], ..base.clone() }, vec![1]),
            (
                Filter { sources: vec![net("192.0.2.0/25"), net("198.51.100.7")], ..base.clone() },
                vec![1, 3, 4],
            ),
            (Filter { since: Some("2026-11-23T20:00:00Z".parse().unwrap()), ..base.clone() }, vec![4]),
        ] {
            assert_eq!(read(filter.clone()), expected, "{filter:?}");
        }
    }
}
