//! The file system a decoy shows: one tree per machine, shared by all sessions, and a small layer of
//! each session's own changes on top. Nothing here touches a real file.

mod binaries;
mod contents;
pub mod daemons;
pub mod distro;
mod etc;
mod machine;
mod path;
mod proc;
pub mod process;
mod tree;
mod walk;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Persona;

pub(crate) use etc::{motd, uuid};
pub use machine::{Machine, User};
use path::join;
pub(crate) use proc::{CPU_FLAGS, load, mac, memory, root_type, traffic, vendor};
use tree::Tree;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A device, shown as a character device.
    Device,
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Bytes; 4096 for a directory.
    pub size: u64,
    /// Permission bits, without the type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// Why a file operation failed; displays as the C library says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VfsError {
    /// ENOENT.
    #[error("No such file or directory")]
    NotFound,
    /// ENOTDIR.
    #[error("Not a directory")]
    NotADirectory,
    /// EISDIR.
    #[error("Is a directory")]
    IsADirectory,
    /// EACCES.
    #[error("Permission denied")]
    Denied,
    /// EPERM.
    #[error("Operation not permitted")]
    NotPermitted,
    /// EEXIST.
    #[error("File exists")]
    Exists,
    /// ENOTEMPTY.
    #[error("Directory not empty")]
    NotEmpty,
    /// ENOSPC: the session's share is used up.
    #[error("No space left on device")]
    NoSpace,
    /// ENAMETOOLONG.
    #[error("File name too long")]
    NameTooLong,
    /// ELOOP.
    #[error("Too many levels of symbolic links")]
    Loop,
    /// EROFS: `/proc` and `/sys`.
    #[error("Read-only file system")]
    ReadOnly,
}

/// Most files a session may write.
pub const MAX_FILES: usize = 20;
/// Most bytes a session may write.
pub const MAX_BYTES: usize = 1 << 20;
/// Most names a session may change in any way.
const MAX_CHANGES: usize = 256;

/// A changed name: its new self, or nothing where it was removed.
#[derive(Clone, Debug)]
struct Changed {
    stat: Stat,
    data: Arc<Vec<u8>>,
}

/// One session's view.
#[derive(Clone)]
pub struct Vfs {
    tree: Arc<Tree>,
    changes: BTreeMap<String, Option<Changed>>,
    uid: u32,
    gid: u32,
}

impl Vfs {
    /// The file system of a machine, as root sees it. Make it once and clone it: a clone shares the tree
    /// and starts with the changes made so far.
    pub fn new(persona: &Persona) -> Self {
        Self::on(Arc::new(Machine::new(persona)))
    }

    /// The same of a machine already worked out.
    pub fn on(machine: Arc<Machine>) -> Self {
        Self { tree: Arc::new(Tree::new(machine)), changes: BTreeMap::new(), uid: 0, gid: 0 }
    }

    /// The machine it belongs to.
    pub fn machine(&self) -> &Arc<Machine> {
        self.tree.machine()
    }

    /// Goes on as this user.
    pub fn become_user(&mut self, uid: u32, gid: u32) {
        self.uid = uid;
        self.gid = gid;
    }

    /// The user whose rights count.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Turns a path as typed in directory `cwd` into an absolute one without `.`, `..` and doubled
    /// slashes. Purely textual; at most 4096 bytes and 64 names, the rest is dropped.
    pub fn resolve(&self, cwd: &str, path: &str) -> String {
        path::resolve(cwd, path)
    }

    /// What a path stands for, following links.
    pub fn stat(&self, path: &str) -> Result<Stat, VfsError> {
        let real = self.real(path)?;
        self.entry_stat(&real).ok_or(VfsError::NotFound)
    }

    /// What a path stands for, not following a link at its end.
    pub fn lstat(&self, path: &str) -> Result<Stat, VfsError> {
        let spot = self.spot(path)?;
        self.entry_stat(&spot).ok_or(VfsError::NotFound)
    }

    /// Where a link points.
    pub fn readlink(&self, path: &str) -> Result<String, VfsError> {
        let spot = self.spot(path)?;
        self.target(&spot).ok_or(VfsError::NotFound)
    }

    /// The path with all links followed; the last name must exist.
    pub fn real(&self, path: &str) -> Result<String, VfsError> {
        self.walk(path, true)
    }

    /// The names in a directory with what they stand for (links not followed), sorted by byte.
    pub fn list(&self, path: &str) -> Result<Vec<(String, Stat)>, VfsError> {
        let real = self.real(path)?;
        let stat = self.entry_stat(&real).ok_or(VfsError::NotFound)?;
        if stat.kind != Kind::Dir {
            return Err(VfsError::NotADirectory);
        }
        if !self.may(&stat, 4) {
            return Err(VfsError::Denied);
        }
        let mut names = self.tree.names(&real);
        let prefix = if real == "/" { String::from("/") } else { format!("{real}/") };
        for (path, change) in self.changes.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else { break };
            if name.is_empty() || name.contains('/') {
                continue;
            }
            if change.is_some() {
                names.insert(name.to_owned());
            } else {
                names.remove(name);
            }
        }
        let found = |name: String| {
            let stat = self.entry_stat(&join(&real, &name))?;
            Some((name, stat))
        };
        Ok(names.into_iter().filter_map(found).collect())
    }

    /// What a file holds.
    pub fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, VfsError> {
        let real = self.real(path)?;
        let stat = self.entry_stat(&real).ok_or(VfsError::NotFound)?;
        if stat.kind == Kind::Dir {
            return Err(VfsError::IsADirectory);
        }
        if !self.may(&stat, 4) {
            return Err(VfsError::Denied);
        }
        match self.changes.get(&real) {
            Some(Some(changed)) => Ok(Cow::Borrowed(changed.data.as_slice())),
            Some(None) => Err(VfsError::NotFound),
            None => Ok(self.tree.read(&real)),
        }
    }

    /// Makes or replaces a file.
    pub fn write(&mut self, path: &str, data: &[u8]) -> Result<(), VfsError> {
        self.store(path, data, false)
    }

    /// Makes a file or adds to its end.
    pub fn append(&mut self, path: &str, data: &[u8]) -> Result<(), VfsError> {
        self.store(path, data, true)
    }

    /// Makes a directory.
    pub fn mkdir(&mut self, path: &str, mode: u32) -> Result<(), VfsError> {
        let spot = self.spot(path)?;
        if self.entry_stat(&spot).is_some() {
            return Err(VfsError::Exists);
        }
        self.check_parent(&spot)?;
        let stat = self.fresh(Kind::Dir, mode);
        self.put(spot, Some(Changed { stat, data: Arc::default() }))
    }

    /// Makes a symbolic link at `path` that points to `target`.
    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), VfsError> {
        let spot = self.spot(path)?;
        if self.entry_stat(&spot).is_some() {
            return Err(VfsError::Exists);
        }
        self.check_parent(&spot)?;
        let mut stat = self.fresh(Kind::Link, 0o777);
        let data: Vec<u8> = target.bytes().take(path::MAX_PATH).collect();
        stat.size = data.len() as u64;
        self.put(spot, Some(Changed { stat, data: Arc::new(data) }))
    }

    /// Removes a file, link or empty directory.
    pub fn remove(&mut self, path: &str) -> Result<(), VfsError> {
        let spot = self.spot(path)?;
        let stat = self.entry_stat(&spot).ok_or(VfsError::NotFound)?;
        self.check_parent(&spot)?;
        if stat.kind == Kind::Dir && (spot == "/" || !self.list(&spot)?.is_empty()) {
            return Err(VfsError::NotEmpty);
        }
        self.check_sticky(&spot, &stat)?;
        if self.tree.get(&spot).is_some() {
            self.put(spot, None)
        } else {
            self.changes.remove(&spot);
            Ok(())
        }
    }

    /// Gives a file, link or empty directory another name, replacing a file of that name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), VfsError> {
        let old = self.spot(from)?;
        let new = self.spot(to)?;
        let stat = self.entry_stat(&old).ok_or(VfsError::NotFound)?;
        if old == new {
            return Ok(());
        }
        if stat.kind == Kind::Dir && (!self.list(&old)?.is_empty() || new.starts_with(&format!("{old}/"))) {
            return Err(VfsError::NotPermitted);
        }
        self.check_parent(&old)?;
        self.check_sticky(&old, &stat)?;
        self.check_parent(&new)?;
        if self.entry_stat(&new).is_some_and(|s| s.kind == Kind::Dir) {
            return Err(VfsError::IsADirectory);
        }
        let data = match self.changes.get(&old) {
            Some(Some(changed)) => changed.data.clone(),
            _ if stat.kind == Kind::Link => Arc::new(self.target(&old).unwrap_or_default().into_bytes()),
            _ => Arc::new(self.tree.read(&old).into_owned()),
        };
        if data.len() > MAX_BYTES {
            return Err(VfsError::NoSpace);
        }
        if self.tree.get(&old).is_some() {
            self.put(old, None)?;
        } else {
            self.changes.remove(&old);
        }
        self.put(new, Some(Changed { stat, data }))
    }

    /// Sets the permission bits.
    pub fn chmod(&mut self, path: &str, mode: u32) -> Result<(), VfsError> {
        self.touch(path, |stat| stat.mode = mode & 0o7777)
    }

    /// Sets owner and group; root only.
    pub fn chown(&mut self, path: &str, uid: u32, gid: u32) -> Result<(), VfsError> {
        if self.uid != 0 {
            return Err(VfsError::NotPermitted);
        }
        self.touch(path, |stat| (stat.uid, stat.gid) = (uid, gid))
    }

    /// Sets the time of the last change.
    pub fn set_mtime(&mut self, path: &str, mtime: i64) -> Result<(), VfsError> {
        self.touch(path, |stat| stat.mtime = mtime)
    }

    /// Whether the user may read (4), write (2) or execute (1) it.
    pub fn access(&self, path: &str, bits: u32) -> bool {
        self.stat(path).is_ok_and(|stat| self.may(&stat, bits))
    }

    /// Whether this session made or changed the file.
    pub fn is_own(&self, path: &str) -> bool {
        self.changes.get(path).is_some_and(|c| c.as_ref().is_some_and(|c| c.stat.kind == Kind::File))
    }

    /// Bytes this session has written and still has.
    pub fn used(&self) -> usize {
        self.changes.values().flatten().map(|c| c.data.len()).sum()
    }
}

/// KiB in use on the root disk.
pub(crate) fn disk_used(machine: &Machine) -> u64 {
    2_400_000 + machine.number("disk/used", machine.disk_kib / 4)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
