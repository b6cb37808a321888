//! The recordings' files: one a terminal, within a quota, the oldest going first.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::event::cast::{self, Chunk, Frame, Lines, SESSION_MAX};

/// The directory, below that of the events.
pub(crate) const DIRECTORY: &str = "sessions";
/// Bytes of all recordings.
pub(super) const QUOTA: u64 = 64 << 20;
/// Files of all recordings.
const FILES_MAX: usize = 4096;
/// Recordings written to at a time; of further ones the one that was silent the longest is closed.
const OPEN_MAX: usize = 512;
/// Bytes of one file; escaping makes more of the output it holds.
const FILE_MAX: u64 = 4 * SESSION_MAX as u64;

/// A recording that goes on.
struct Open {
    file: OwnedFd,
    size: u64,
    lines: Lines,
    /// Number of the chunk that comes next.
    next: u64,
    /// When it was last written to, in chunks.
    used: u64,
}

/// All recordings.
pub(super) struct Casts {
    directory: OwnedFd,
    quota: u64,
    /// Sizes by age and name.
    stored: BTreeMap<(u64, String), u64>,
    ages: BTreeMap<String, u64>,
    bytes: u64,
    /// By worker and name.
    open: BTreeMap<(u64, String), Open>,
    clock: u64,
}

impl Casts {
    /// Opens the directory in `events`, made if need be, before the sandbox closes.
    pub(super) fn open(events: impl AsFd, quota: u64, owner: Option<u32>) -> io::Result<Self> {
        match rustix::fs::mkdirat(&events, DIRECTORY, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&events, DIRECTORY, flags, Mode::empty())?;
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
        if let Some(uid) = owner {
            super::files::give(&directory, uid)?;
        }
        let mut found = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().filter(|n| cast::id_of(n).is_some()) else {
                continue;
            };
            let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                continue;
            }
            if let Some(uid) = owner {
                let file = rustix::fs::openat(
                    &directory,
                    name,
                    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?;
                super::files::give(&file, uid)?;
            }
            found.push((stat.st_mtime, name.to_owned(), u64::try_from(stat.st_size).unwrap_or(0)));
        }
        found.sort();
        let mut casts = Self {
            directory,
            quota,
            stored: BTreeMap::new(),
            ages: BTreeMap::new(),
            bytes: 0,
            open: BTreeMap::new(),
            clock: 0,
        };
        for (_, name, size) in found {
            casts.keep(name, size);
        }
        Ok(casts)
    }

    fn keep(&mut self, name: String, size: u64) {
        self.clock += 1;
        self.ages.insert(name.clone(), self.clock);
        self.stored.insert((self.clock, name), size);
        self.bytes += size;
    }

    /// Takes one chunk of a worker. What does not fit, and what is another decky's, is dropped.
    pub(super) fn take(&mut self, worker: u64, decky: &str, chunk: &Chunk) -> io::Result<()> {
        let id = chunk.id();
        let Some(name) = cast::file_name(&id) else { return Ok(()) };
        let key = (worker, name);
        if !self.open.contains_key(&key) {
            let Some(open) = self.begin(&key.1, decky, chunk)? else { return Ok(()) };
            self.make_room();
            self.open.insert(key.clone(), open);
        }
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        self.clock += 1;
        open.used = self.clock;
        let mut text = Vec::new();
        if let Some(start) = chunk.start.as_ref().filter(|_| open.size == 0) {
            text.extend(cast::header(start, decky, &id));
        }
        if chunk.number != open.next {
            let at = chunk.frames.first().map_or(0, Frame::at);
            text.extend(open.lines.frame(&Frame::Note(at, "part missing".to_owned())).unwrap_or_default());
        }
        open.next = chunk.number.saturating_add(1);
        text.extend(chunk.frames.iter().filter_map(|frame| open.lines.frame(frame)).flatten());
        let room = open.size + text.len() as u64 <= FILE_MAX;
        let written = if room { super::files::write_all(&open.file, &text) } else { Ok(()) };
        let grown = if room && written.is_ok() { text.len() as u64 } else { 0 };
        open.size += grown;
        if written.is_err() {
            // No line is left torn.
            let _ = rustix::fs::ftruncate(&open.file, open.size);
        }
        if chunk.end || written.is_err() {
            self.open.remove(&key);
        }
        self.grow(&key.1, grown);
        self.within_quota();
        written
    }

    /// The file of a recording that begins, or goes on after it was closed here; none when it may not.
    fn begin(&self, name: &str, decky: &str, chunk: &Chunk) -> io::Result<Option<Open>> {
        let flags = OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = |file, size, next| Open { file, size, lines: Lines::default(), next, used: 0 };
        if chunk.start.is_some() {
            let flags = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            return match rustix::fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => Ok(Some(made(file, 0, 0))),
                Err(rustix::io::Errno::EXIST) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        let file = match rustix::fs::openat(&self.directory, name, flags | OFlags::RDWR, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut head = [0u8; 1024];
        let got = rustix::io::pread(&file, &mut head[..], 0)?;
        let line = head.get(..got).unwrap_or_default().split(|b| *b == b'\n').next().unwrap_or_default();
        if cast::decky_of(line).as_deref() != Some(decky) {
            return Ok(None);
        }
        let size = u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        Ok(Some(made(file, size, chunk.number)))
    }

    fn make_room(&mut self) {
        while self.open.len() >= OPEN_MAX {
            let Some(silent) = self.open.iter().min_by_key(|(_, open)| open.used).map(|(key, _)| key.clone())
            else {
                return;
            };
            self.open.remove(&silent);
        }
    }

    fn grow(&mut self, name: &str, bytes: u64) {
        match self.ages.get(name) {
            Some(age) => {
                if let Some(size) = self.stored.get_mut(&(*age, name.to_owned())) {
                    *size += bytes;
                    self.bytes += bytes;
                }
            }
            None => self.keep(name.to_owned(), bytes),
        }
    }

    fn within_quota(&mut self) {
        while self.bytes > self.quota || self.stored.len() > FILES_MAX {
            let Some(((_, name), size)) = self.stored.pop_first() else { return };
            self.bytes = self.bytes.saturating_sub(size);
            self.ages.remove(&name);
            self.open.retain(|(_, open), _| *open != name);
            // One that is gone already needs no removing.
            let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
        }
    }

    /// The worker is gone, and what it recorded is complete.
    pub(super) fn forget(&mut self, worker: u64) {
        self.open.retain(|(of, _), _| *of != worker);
    }

    #[cfg(test)]
    fn names(&self) -> Vec<String> {
        self.stored.keys().map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Bytes;
    use crate::event::cast::Start;

    fn chunk(session: u64, number: u64, bytes: &[u8]) -> Chunk {
        let start = Start { size: (80, 24), term: Bytes(b"xterm".to_vec()), service: "ssh".into(), time: 1 };
        Chunk {
            session: format!("{session:016x}"),
            terminal: 1,
            number,
            start: (number == 0).then_some(start),
            frames: vec![Frame::Output(number, Bytes(bytes.to_vec()))],
            end: false,
        }
    }

    fn opened(dir: &tempfile::TempDir, quota: u64) -> Casts {
        Casts::open(std::fs::File::open(dir.path()).unwrap(), quota, None).unwrap()
    }

    fn read(dir: &tempfile::TempDir, session: u64) -> String {
        std::fs::read_to_string(dir.path().join(DIRECTORY).join(format!("{session:016x}.cast"))).unwrap()
    }

    #[test]
    fn a_recording_grows_and_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut casts = opened(&dir, QUOTA);
        casts.take(2, "web", &chunk(1, 0, b"one")).unwrap();
        casts.take(2, "web", &chunk(1, 1, b"two")).unwrap();
        drop(casts);
        let mut casts = opened(&dir, QUOTA);
        casts.take(7, "web", &chunk(1, 2, b"three")).unwrap();
        casts.take(7, "web", &chunk(1, 4, b"five")).unwrap();
        let text = read(&dir, 1);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(text.lines().next().unwrap().contains("\"version\":2"), "{text}");
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[2].contains("three") && lines[3].contains("part missing"), "{text}");
    }

    #[test]
    fn a_worker_cannot_write_into_the_recording_of_another_decky() {
        let dir = tempfile::tempdir().unwrap();
        let mut casts = opened(&dir, QUOTA);
        casts.take(2, "web", &chunk(1, 0, b"mine")).unwrap();
        casts.take(3, "db", &chunk(1, 0, b"forged")).unwrap();
        casts.take(3, "db", &chunk(1, 1, b"forged")).unwrap();
        assert!(!read(&dir, 1).contains("forged"));
    }

    #[test]
    fn the_oldest_go_first_and_the_quota_holds() {
        let dir = tempfile::tempdir().unwrap();
        let mut casts = opened(&dir, 20_000);
        for session in 0..20 {
            casts.take(2, "web", &chunk(session, 0, &[b'x'; 4000])).unwrap();
            casts.forget(2);
        }
        assert_eq!(casts.names(), [16, 17, 18, 19].map(|n| format!("{n:016x}.cast")));
        assert_eq!(std::fs::read_dir(dir.path().join(DIRECTORY)).unwrap().count(), 4);
        // One that goes on for ever ends at its bound.
        let mut casts = opened(&dir, u64::MAX);
        for number in 0..2000 {
            casts.take(2, "web", &chunk(77, number, &[b'\x1b'; 8000])).unwrap();
        }
        let size = read(&dir, 77).len() as u64;
        assert!(size <= FILE_MAX && size > FILE_MAX / 2, "{size}");
    }

    #[test]
    fn open_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut casts = opened(&dir, QUOTA);
        for session in 0..OPEN_MAX as u64 + 50 {
            casts.take(2, "web", &chunk(session, 0, b"a")).unwrap();
        }
        assert_eq!(casts.open.len(), OPEN_MAX);
        casts.take(2, "web", &chunk(0, 1, b"later")).unwrap();
        assert!(read(&dir, 0).contains("later"));
    }
}
