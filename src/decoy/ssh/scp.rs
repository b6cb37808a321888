//! The receiving end of the old copy protocol (`scp -t`), which bots still speak.
//!
//! The client sends `C<mode> <size> <name>`, the bytes and a zero byte; `D…` and `E` go in and out of
//! a directory, `T…` sets times; each is answered with a zero byte, or with `\x01` and a message.

use super::channel::{Program, Shared, Step};
use crate::decoy::upload::Upload;
use crate::decoy::vfs::{Kind, MAX_BYTES};
use crate::event;

/// Longest control line.
const LINE_MAX: usize = 2048;
/// Directories inside each other.
const DEPTH_MAX: usize = 16;

/// A file on its way in.
struct Incoming {
    path: String,
    mode: u32,
    size: u64,
    came: Upload,
    /// What is kept of it; nothing once it is too much.
    data: Option<Vec<u8>>,
}

/// The sink.
pub(super) struct Sink {
    /// Where files go, and the directories entered below it.
    target: String,
    entered: Vec<String>,
    incoming: Option<Incoming>,
    ready: bool,
    failed: bool,
}

impl Sink {
    /// The sink that a command line asks for; none when it is no `scp -t`.
    pub(super) fn of(command: &[u8], shared: &Shared) -> Option<Self> {
        let text = std::str::from_utf8(command).ok()?;
        let mut words = text.split_ascii_whitespace();
        let program = words.next()?;
        if program.rsplit('/').next() != Some("scp") {
            return None;
        }
        let mut to = false;
        let mut target = None;
        for word in words {
            match word.strip_prefix('-') {
                Some(flags) if target.is_none() && flags != "-" => to |= flags.contains('t'),
                _ => target = Some(word),
            }
        }
        let target = target.filter(|_| to)?.trim_matches(['\'', '"']);
        let target = target.strip_prefix("~/").unwrap_or(target);
        let target = shared.vfs.resolve(&shared.home(), target);
        Some(Self { target, entered: Vec::new(), incoming: None, ready: false, failed: false })
    }

    /// The path that a name sent by the client stands for.
    fn path(&self, name: &str, shared: &Shared) -> String {
        let base = self.entered.last().unwrap_or(&self.target);
        let is_dir = shared.vfs.stat(base).is_ok_and(|stat| stat.kind == Kind::Dir);
        // Names with a slash are refused before.
        if is_dir { shared.vfs.resolve(base, name) } else { base.clone() }
    }

    /// Answers one control line.
    fn control(&mut self, line: &str, shared: &mut Shared) -> Result<(), String> {
        let (kind, rest) = line.split_at_checked(1).ok_or("scp: protocol error: expected control record")?;
        match kind {
            "T" => Ok(()),
            "E" => {
                self.entered.pop();
                Ok(())
            }
            "C" | "D" => {
                let mut parts = rest.splitn(3, ' ');
                let mode = parts.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
                let size = parts.next().and_then(|size| size.parse::<u64>().ok());
                let mode = mode.ok_or("scp: protocol error: bad mode")?;
                let size = size.ok_or("scp: protocol error: size not delimited")?;
                let name = parts.next().unwrap_or_default();
                if name.is_empty() || name.contains('/') || name == ".." || name == "." {
                    return Err(format!("scp: error: unexpected filename: {name}"));
                }
                let path = self.path(name, shared);
                if kind == "D" {
                    return self.enter(path, mode, shared);
                }
                if let Err(error) = shared.vfs.write(&path, b"") {
                    return Err(format!("scp: {path}: {error}"));
                }
                let (came, data) = (Upload::new(), Some(Vec::new()));
                self.incoming = Some(Incoming { path, mode, size, came, data });
                Ok(())
            }
            _ => Err("scp: protocol error: expected control record".to_owned()),
        }
    }

    fn enter(&mut self, path: String, mode: u32, shared: &mut Shared) -> Result<(), String> {
        if self.entered.len() >= DEPTH_MAX {
            return Err(format!("scp: {path}: File name too long"));
        }
        if shared.vfs.stat(&path).is_err() {
            shared.vfs.mkdir(&path, mode & 0o777).map_err(|error| format!("scp: {path}: {error}"))?;
        }
        self.entered.push(path);
        Ok(())
    }

    /// Takes bytes of a file; the zero byte after it ends it.
    fn body(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        let Some(file) = &mut self.incoming else { return Step::Idle };
        let left = usize::try_from(file.size.saturating_sub(file.came.size())).unwrap_or(usize::MAX);
        if left > 0 {
            let chunk: Vec<u8> = input.drain(..left.min(input.len())).collect();
            file.take(&chunk, shared);
            return Step::More;
        }
        input.drain(..1);
        if let Some(file) = self.incoming.take() {
            self.failed |= !file.keep(shared, out);
        }
        Step::More
    }
}

impl Incoming {
    fn take(&mut self, chunk: &[u8], shared: &mut Shared) {
        self.came.take(chunk);
        match &mut self.data {
            Some(data) if data.len() + chunk.len() <= MAX_BYTES && shared.hold(chunk.len()) => {
                data.extend_from_slice(chunk);
            }
            _ => self.data = None,
        }
    }

    /// Stores and records it; whether it was stored.
    fn keep(self, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        let stored = match &self.data {
            Some(data) => shared.vfs.write(&self.path, data).map_err(|error| error.to_string()),
            None => Err("No space left on device".to_owned()),
        };
        let _ = shared.vfs.chmod(&self.path, self.mode & 0o777);
        match &stored {
            Ok(()) => out.push(0),
            Err(error) => complain(&format!("scp: {}: {error}", self.path), out),
        }
        self.record(stored.is_ok(), shared);
        stored.is_ok()
    }

    fn record(self, ok: bool, shared: &Shared) {
        let draft = shared.event(event::Kind::File, "upload").outcome(ok);
        self.came.emit(draft.bytes("file.path", self.path.as_bytes()));
    }
}

fn complain(text: &str, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

impl Program for Sink {
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        if !self.ready {
            self.ready = true;
            out.push(0);
            return Step::More;
        }
        if input.is_empty() {
            return Step::Idle;
        }
        if self.incoming.is_some() {
            return self.body(input, shared, out);
        }
        let Some(end) = input.iter().position(|b| *b == b'\n') else {
            return if input.len() > LINE_MAX { Step::End(1) } else { Step::Idle };
        };
        let line: Vec<u8> = input.drain(..=end).collect();
        let line = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
        match self.control(&line, shared) {
            Ok(()) => out.push(0),
            Err(text) => {
                self.failed = true;
                complain(&text, out);
            }
        }
        Step::More
    }

    fn eof(&mut self, _: &mut Shared, _: &mut Vec<u8>) -> u8 {
        u8::from(self.failed)
    }

    /// A client that left in the middle still brought something.
    fn finish(&mut self, shared: &mut Shared) {
        if let Some(file) = self.incoming.take() {
            file.record(false, shared);
        }
    }
}
