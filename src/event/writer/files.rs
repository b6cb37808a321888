//! The event files: numbered segments within a quota, and a sequence that survives restarts.
//!
//! Everything goes through one directory descriptor and names of our own making.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, SeekFrom, Uid};

use crate::event::segment;

/// Smallest and largest size of a segment, in bytes.
const SEGMENT_MIN: u64 = 4 * 1024;
const SEGMENT_MAX: u64 = 1 << 30;
/// How far back a last line is looked for; longer than any line.
const TAIL: u64 = 1 << 20;

/// The open event files.
pub(super) struct Files {
    directory: OwnedFd,
    /// Sizes by number, without the open one.
    closed: BTreeMap<u64, u64>,
    number: u64,
    current: Option<OwnedFd>,
    size: u64,
    segment: u64,
    quota: u64,
    sequence: u64,
    /// Who everything was given to.
    owner: Option<u32>,
}

impl Files {
    /// Opens the directory, made if need be, and the newest segment, mended if need be. With `owner`
    /// (as root) everything is given to that uid, unless the file system or a user namespace does not
    /// know it; [`Files::owner`] tells.
    pub(super) fn open(path: &Path, quota: u64, segment: u64, owner: Option<u32>) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;

        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        // A writer that was just told to end may still be writing.
        rustix::io::retry_on_intr(|| rustix::fs::flock(&directory, FlockOperation::LockExclusive))?;
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
        let segment = segment.clamp(SEGMENT_MIN, SEGMENT_MAX);
        let mut files = Self {
            closed: BTreeMap::new(),
            number: 1,
            current: None,
            size: 0,
            segment,
            // Room for the segment in use and the one before it.
            quota: quota.max(2 * segment),
            sequence: 0,
            owner: owner.filter(|uid| give(&directory, *uid).is_ok()),
            directory,
        };
        for number in segment::list(files.directory.as_fd())? {
            let file = files.reopen(number)?;
            files.closed.insert(number, length(&file)?);
        }
        files.resume()?;
        Ok(files)
    }

    /// Who everything was given to.
    pub(super) fn owner(&self) -> Option<u32> {
        self.owner
    }

    fn reopen(&self, number: u64) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, segment::name(number), flags, Mode::empty())?;
        if let Some(uid) = self.owner {
            give(&file, uid)?;
        }
        Ok(file)
    }

    /// Continues the newest segment: takes the sequence from its last line, puts a torn line aside.
    fn resume(&mut self) -> io::Result<()> {
        for (number, size) in self.closed.clone().into_iter().rev() {
            let file = self.reopen(number)?;
            let from = size.saturating_sub(TAIL);
            let mut tail = vec![0u8; usize::try_from(size - from).unwrap_or(0)];
            let got = rustix::io::pread(&file, &mut tail[..], from)?;
            tail.truncate(got);
            let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let (whole, torn) = tail.split_at(whole);
            if self.current.is_none() {
                let mut end = size;
                if !torn.is_empty() {
                    self.put_aside(number, torn)?;
                    end = from + whole.len() as u64;
                    rustix::fs::ftruncate(&file, end)?;
                }
                rustix::fs::seek(&file, SeekFrom::End(0))?;
                (self.number, self.size, self.current) = (number, end, Some(file));
                self.closed.remove(&number);
            }
            if let Some(sequence) = last_sequence(whole) {
                self.sequence = sequence;
                break;
            }
        }
        Ok(())
    }

    /// Keeps what a crash left of a line, beside its segment, for a person to look at.
    fn put_aside(&self, number: u64, torn: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let aside =
            rustix::fs::openat(&self.directory, segment::torn_name(number), flags, Mode::RUSR | Mode::WUSR)?;
        rustix::io::write(&aside, torn)?;
        Ok(())
    }

    /// The directory.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The next event's number. A number whose event could not be written stays missing.
    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.closed.values().sum::<u64>() + self.size
    }

    /// Appends whole lines. On an error nothing of them is left behind.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.current.is_some() && self.size > 0 && self.size + length > self.segment {
            self.sync();
            self.closed.insert(self.number, self.size);
            self.current = None;
            self.number += 1;
        }
        // Somebody removed the file under us: what is written into it would be gone.
        if self.current.as_ref().is_some_and(|f| rustix::fs::fstat(f).is_ok_and(|s| s.st_nlink == 0)) {
            self.current = None;
            self.number += 1;
        }
        let file = match self.current.take() {
            Some(file) => file,
            None => self.begin()?,
        };
        let written = write_all(&file, lines);
        match written {
            Ok(()) => self.size += length,
            Err(_) => {
                // Cuts off what did get in, so that no line is torn.
                let cut = rustix::fs::ftruncate(&file, self.size);
                let back = rustix::fs::seek(&file, SeekFrom::Start(self.size));
                if cut.is_err() || back.is_err() {
                    self.closed.insert(self.number, self.size);
                    self.number += 1;
                    return written;
                }
            }
        }
        self.current = Some(file);
        self.within_quota();
        written
    }

    fn begin(&mut self) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = loop {
            match rustix::fs::openat(&self.directory, segment::name(self.number), flags, mode) {
                Err(rustix::io::Errno::EXIST) => self.number += 1,
                other => break other?,
            }
        };
        self.size = 0;
        Ok(file)
    }

    /// Removes the oldest segments until the rest fits.
    fn within_quota(&mut self) {
        while self.bytes() > self.quota {
            let Some((number, _)) = self.closed.pop_first() else { return };
            // One that is gone already needs no removing; one that cannot be removed is not counted.
            let _ = rustix::fs::unlinkat(&self.directory, segment::name(number), AtFlags::empty());
            let _ = rustix::fs::unlinkat(&self.directory, segment::torn_name(number), AtFlags::empty());
        }
    }

    /// Makes what was written survive a power cut.
    pub(super) fn sync(&self) {
        if let Some(file) = &self.current {
            // The lines are in the file either way; there is nobody to tell.
            let _ = rustix::fs::fdatasync(file);
        }
    }
}

pub(super) fn give(file: &OwnedFd, uid: u32) -> rustix::io::Result<()> {
    rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)))
}

fn length(file: &OwnedFd) -> io::Result<u64> {
    Ok(u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0))
}

pub(super) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// The sequence of the last line that has one.
fn last_sequence(lines: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        sequence: u64,
    }
    let lines = lines.rsplit(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.take(64).find_map(|l| serde_json::from_slice::<Numbered>(l).ok()).map(|n| n.sequence)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn numbered(n: u64) -> Vec<u8> {
        format!("{{\"sequence\":{n},\"pad\":\"{}\"}}\n", "x".repeat(1000)).into_bytes()
    }

    fn fill(files: &mut Files, lines: u64) {
        for _ in 0..lines {
            let line = numbered(files.next_sequence());
            files.append(&line).unwrap();
        }
    }

    fn open(dir: &tempfile::TempDir, quota: u64) -> Files {
        Files::open(&dir.path().join("events"), quota, SEGMENT_MIN, None).unwrap()
    }

    fn stored(dir: &tempfile::TempDir) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(dir.path().join("events"))
            .unwrap()
            .map(|e| e.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn segments_stay_within_their_size_and_the_quota() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = open(&dir, 3 * SEGMENT_MIN);
        fill(&mut files, 100);
        let all = stored(&dir);
        assert!(all.iter().all(|(_, bytes)| bytes.len() as u64 <= SEGMENT_MIN));
        let total: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(total as u64 <= 3 * SEGMENT_MIN && total as u64 == files.bytes());
        assert_eq!(all.last().unwrap().0, "events-000033.jsonl");
        assert!(all.last().unwrap().1.ends_with(&numbered(100)));
    }

    #[test]
    fn modes_keep_others_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        fill(&mut open(&dir, 0), 1);
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("events"), mode("events/events-000001.jsonl")), (0o700, 0o600));
    }

    #[test]
    fn the_sequence_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        fill(&mut open(&dir, 1 << 20), 5);
        let mut files = open(&dir, 1 << 20);
        assert_eq!(files.next_sequence(), 6);
        files.append(&numbered(6)).unwrap();
        drop(files);
        let before = stored(&dir);
        assert_eq!(before.len(), 2);
        // A segment that was begun but never written into does not hide the one before.
        fs::write(dir.path().join("events/events-000003.jsonl"), b"").unwrap();
        assert_eq!(open(&dir, 1 << 20).next_sequence(), 7);
    }

    #[test]
    fn a_torn_line_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        fill(&mut open(&dir, 1 << 20), 2);
        let path = dir.path().join("events/events-000001.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"sequence\":3,\"pa");
        fs::write(&path, &bytes).unwrap();
        let mut files = open(&dir, 1 << 20);
        fill(&mut files, 1);
        let all = stored(&dir);
        assert_eq!(all[0].1, [numbered(1), numbered(2), numbered(3)].concat());
        assert_eq!(all[1], ("events-000001.torn".to_owned(), b"{\"sequence\":3,\"pa".to_vec()));
    }

    #[test]
    fn a_removed_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = open(&dir, 1 << 20);
        fill(&mut files, 1);
        fs::remove_file(dir.path().join("events/events-000001.jsonl")).unwrap();
        fill(&mut files, 1);
        assert_eq!(stored(&dir), [("events-000002.jsonl".to_owned(), numbered(2))]);
    }

    #[test]
    fn a_full_disk_loses_lines_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = open(&dir, 1 << 20);
        fill(&mut files, 1);
        files.current = Some(rustix::fs::open("/dev/full", OFlags::WRONLY, Mode::empty()).unwrap());
        let line = numbered(files.next_sequence());
        assert_eq!(files.append(&line).unwrap_err().kind(), io::ErrorKind::StorageFull);
        fill(&mut files, 1);
        let all: Vec<u8> = stored(&dir).into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert_eq!(all, [numbered(1), numbered(3)].concat());
    }

    #[test]
    fn two_writers_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = open(&dir, 1 << 20);
        fill(&mut first, 1);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| open(&dir, 1 << 20).next_sequence());
            std::thread::sleep(std::time::Duration::from_millis(50));
            fill(&mut first, 1);
            drop(first);
            assert_eq!(second.join().unwrap(), 3);
        });
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("events")).unwrap();
        assert!(Files::open(&dir.path().join("events"), 0, 0, None).is_err());
    }
}
