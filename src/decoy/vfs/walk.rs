//! The steps behind the operations: walking paths, checking rights, keeping changes.

use std::borrow::Cow;
use std::sync::Arc;

use super::path::{self, MAX_LINKS, join, parent, split};
use super::tree::{Body, Entry};
use super::{Changed, Kind, MAX_BYTES, MAX_CHANGES, MAX_FILES, Stat, Vfs, VfsError, now};

impl Vfs {
    pub(super) fn store(&mut self, path: &str, data: &[u8], append: bool) -> Result<(), VfsError> {
        let spot = match self.real(path) {
            Ok(real) => real,
            Err(VfsError::NotFound) => self.end_of_links(path)?,
            Err(e) => return Err(e),
        };
        let old = self.entry_stat(&spot);
        let mut stat = match old {
            Some(stat) if stat.kind == Kind::Dir => return Err(VfsError::IsADirectory),
            Some(stat) if !self.may(&stat, 2) => return Err(VfsError::Denied),
            Some(stat) if stat.kind == Kind::Device => return Ok(()),
            Some(stat) => {
                check_writable(&spot)?;
                stat
            }
            None => {
                self.check_parent(&spot)?;
                self.fresh(Kind::File, 0o644)
            }
        };
        let before = if append && old.is_some() { self.read_raw(&spot).into_owned() } else { Vec::new() };
        let total = before.len().checked_add(data.len()).ok_or(VfsError::NoSpace)?;
        let held = match self.changes.get(&spot) {
            Some(Some(changed)) => changed.data.len(),
            _ => 0,
        };
        let files = self.changes.values().flatten().filter(|c| c.stat.kind == Kind::File).count();
        let is_new = !matches!(self.changes.get(&spot), Some(Some(_)));
        if self.used() - held + total > MAX_BYTES || (is_new && files >= MAX_FILES) {
            return Err(VfsError::NoSpace);
        }
        let mut whole = before;
        whole.extend_from_slice(data);
        stat.size = whole.len() as u64;
        stat.mtime = now();
        self.put(spot, Some(Changed { stat, data: Arc::new(whole) }))
    }

    fn read_raw(&self, real: &str) -> Cow<'_, [u8]> {
        match self.changes.get(real) {
            Some(Some(changed)) => Cow::Borrowed(changed.data.as_slice()),
            Some(None) => Cow::Borrowed(&[]),
            None => self.tree.read(real),
        }
    }

    pub(super) fn touch(&mut self, path: &str, change: impl FnOnce(&mut Stat)) -> Result<(), VfsError> {
        let real = self.real(path)?;
        let mut stat = self.entry_stat(&real).ok_or(VfsError::NotFound)?;
        if self.uid != 0 && self.uid != stat.uid {
            return Err(VfsError::NotPermitted);
        }
        check_writable(&real)?;
        if stat.kind == Kind::Device {
            return Ok(());
        }
        change(&mut stat);
        if let Some(Some(changed)) = self.changes.get_mut(&real) {
            changed.stat = stat;
            return Ok(());
        }
        let data = if stat.kind == Kind::File { self.tree.read(&real).into_owned() } else { Vec::new() };
        if self.used() + data.len() > MAX_BYTES {
            return Err(VfsError::NoSpace);
        }
        self.put(real, Some(Changed { stat, data: Arc::new(data) }))
    }

    pub(super) fn put(&mut self, path: String, change: Option<Changed>) -> Result<(), VfsError> {
        if self.changes.len() >= MAX_CHANGES && !self.changes.contains_key(&path) {
            return Err(VfsError::NoSpace);
        }
        self.changes.insert(path, change);
        Ok(())
    }

    pub(super) fn fresh(&self, kind: Kind, mode: u32) -> Stat {
        let size = if kind == Kind::Dir { 4096 } else { 0 };
        Stat { kind, size, mode, uid: self.uid, gid: self.gid, mtime: now() }
    }

    /// Follows links in all names but the last.
    pub(super) fn spot(&self, path: &str) -> Result<String, VfsError> {
        self.walk(path, false)
    }

    /// Where writing to `path` would make a file: follows dangling links.
    fn end_of_links(&self, path: &str) -> Result<String, VfsError> {
        let mut spot = self.spot(path)?;
        for _ in 0..MAX_LINKS {
            let Some(target) = self.target(&spot) else { return Ok(spot) };
            let next = path::resolve(parent(&spot), &target);
            spot = self.spot(&next)?;
        }
        Err(VfsError::Loop)
    }

    pub(super) fn walk(&self, path: &str, follow_last: bool) -> Result<String, VfsError> {
        if path.len() > path::MAX_PATH {
            return Err(VfsError::NameTooLong);
        }
        let mut todo: Vec<String> = split(path).rev().map(str::to_owned).collect();
        let mut at = String::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name.len() > path::MAX_NAME {
                return Err(VfsError::NameTooLong);
            }
            match name.as_str() {
                "." => continue,
                ".." => {
                    parent(&at).to_owned().clone_into(&mut at);
                    continue;
                }
                _ => {}
            }
            let here = self.entry_stat(&at).ok_or(VfsError::NotFound)?;
            if here.kind != Kind::Dir {
                return Err(VfsError::NotADirectory);
            }
            if !self.may(&here, 1) {
                return Err(VfsError::Denied);
            }
            let next = join(&at, &name);
            let last = todo.is_empty();
            let target = if last && !follow_last { None } else { self.target(&next) };
            let Some(target) = target else {
                if !last && self.entry_stat(&next).is_none() {
                    return Err(VfsError::NotFound);
                }
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS || todo.len() > path::MAX_DEPTH {
                return Err(VfsError::Loop);
            }
            if target.starts_with('/') {
                at = String::from("/");
            }
            todo.extend(split(&target).rev().map(str::to_owned));
        }
        if follow_last && self.entry_stat(&at).is_none() {
            return Err(VfsError::NotFound);
        }
        Ok(at)
    }

    pub(super) fn entry_stat(&self, spot: &str) -> Option<Stat> {
        match self.changes.get(spot) {
            Some(change) => change.as_ref().map(|c| c.stat),
            None => self.tree.stat(spot),
        }
    }

    pub(super) fn target(&self, spot: &str) -> Option<String> {
        match self.changes.get(spot) {
            Some(change) => {
                let changed = change.as_ref().filter(|c| c.stat.kind == Kind::Link)?;
                Some(String::from_utf8_lossy(&changed.data).into_owned())
            }
            None => match self.tree.get(spot)? {
                Entry { body: Body::Link(target), .. } => Some(target.into_owned()),
                _ => None,
            },
        }
    }

    pub(super) fn may(&self, stat: &Stat, bits: u32) -> bool {
        if self.uid == 0 {
            return bits & 1 == 0 || stat.kind == Kind::Dir || stat.mode & 0o111 != 0;
        }
        let shift = if stat.uid == self.uid {
            6
        } else if stat.gid == self.gid {
            3
        } else {
            0
        };
        (stat.mode >> shift) & bits == bits
    }

    pub(super) fn check_parent(&self, spot: &str) -> Result<(), VfsError> {
        let stat = self.entry_stat(parent(spot)).ok_or(VfsError::NotFound)?;
        if stat.kind != Kind::Dir {
            return Err(VfsError::NotADirectory);
        }
        if !self.may(&stat, 3) {
            return Err(VfsError::Denied);
        }
        check_writable(spot)
    }

    pub(super) fn check_sticky(&self, spot: &str, stat: &Stat) -> Result<(), VfsError> {
        let above = self.entry_stat(parent(spot)).ok_or(VfsError::NotFound)?;
        if self.uid != 0 && above.mode & 0o1000 != 0 && stat.uid != self.uid && above.uid != self.uid {
            return Err(VfsError::NotPermitted);
        }
        Ok(())
    }
}

fn check_writable(spot: &str) -> Result<(), VfsError> {
    if ["/proc/", "/sys/"].iter().any(|p| spot.starts_with(p)) { Err(VfsError::NotPermitted) } else { Ok(()) }
}
