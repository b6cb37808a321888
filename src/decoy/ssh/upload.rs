//! Commands that read what the client sends: `cat > file`, `tee file`, `dd of=file`.

use super::channel::{Program, Shared, Step};
use super::terminal;
use crate::decoy::upload;
use crate::decoy::vfs::MAX_BYTES;
use crate::event::Kind;

/// Takes everything up to the end, then runs its command.
pub(super) struct Upload {
    command: Vec<u8>,
    /// The command without what writes the file: it is not run with what came.
    rest: String,
    path: String,
    append: bool,
    came: upload::Upload,
    /// What is kept of it, up to what a session may store.
    data: Vec<u8>,
    done: bool,
}

impl Upload {
    /// The file that a command writes its input to; none when it does no such thing.
    pub(super) fn of(command: &[u8], shared: &Shared) -> Option<Self> {
        let text = std::str::from_utf8(command).ok()?;
        let mut parts = text.split([';', '&', '|', '\n']);
        let (part, (path, append)) = parts.find_map(|part| Some((part, target(part)?)))?;
        let path = path.strip_prefix("~/").unwrap_or(path);
        let path = shared.vfs.resolve(&shared.home(), path);
        Some(Self {
            command: command.to_vec(),
            rest: text.replacen(part, " : ", 1),
            path,
            append,
            came: upload::Upload::new(),
            data: Vec::new(),
            done: false,
        })
    }

    fn record(&mut self, ok: bool, shared: &Shared) {
        self.done = true;
        let draft = shared.event(Kind::File, "upload").outcome(ok);
        self.came.emit(draft.bytes("file.path", self.path.as_bytes()));
    }
}

/// Path and whether it is added to, of one simple command.
fn target(command: &str) -> Option<(&str, bool)> {
    let mut words = command.split_ascii_whitespace();
    let found = match words.next()? {
        "tee" => {
            let words: Vec<&str> = words.collect();
            let path = words.iter().find(|word| !word.starts_with(['-', '>']))?;
            (*path, words.contains(&"-a"))
        }
        "dd" => (words.find_map(|word| word.strip_prefix("of="))?, false),
        _ => {
            let rest = command.trim_start().strip_prefix("cat")?.trim_start().strip_prefix('>')?;
            let append = rest.starts_with('>');
            (rest.trim_start_matches('>').split_ascii_whitespace().next()?, append)
        }
    };
    let path = found.0.trim_matches(['\'', '"']);
    (!path.is_empty()).then_some((path, found.1))
}

impl Program for Upload {
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, _: &mut Vec<u8>) -> Step {
        self.came.take(input);
        let room = MAX_BYTES.saturating_sub(self.data.len()).min(input.len());
        if shared.hold(room) {
            self.data.extend(input.drain(..room));
        }
        input.clear();
        Step::Idle
    }

    fn eof(&mut self, shared: &mut Shared, out: &mut Vec<u8>) -> u8 {
        let stored = if self.append {
            shared.vfs.append(&self.path, &self.data)
        } else {
            shared.vfs.write(&self.path, &self.data)
        };
        // Where it cannot be stored, the command itself says so best.
        let command = if stored.is_ok() { self.rest.as_bytes() } else { &self.command };
        let done = terminal::run(command, shared);
        out.extend(done.output);
        self.record(stored.is_ok(), shared);
        done.status
    }

    /// A client that left in the middle still brought something.
    fn finish(&mut self, shared: &mut Shared) {
        if !self.done && self.came.size() > 0 {
            self.record(false, shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found() {
        for (command, path, append) in [
            ("cat > /tmp/x", "/tmp/x", false),
            ("cat >'/tmp/x'", "/tmp/x", false),
            ("cat >> y", "y", true),
            ("tee -a z >/dev/null", "z", true),
            ("dd of=/tmp/q bs=1", "/tmp/q", false),
        ] {
            assert_eq!(target(command), Some((path, append)), "{command}");
        }
        for command in ["cat /etc/passwd", "catalog > x", "cat >", "tee", "dd if=/dev/zero", "", "id > x"] {
            assert_eq!(target(command), None, "{command}");
        }
    }
}
