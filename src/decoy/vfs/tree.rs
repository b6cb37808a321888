//! The tree all sessions of a machine share. Contents are made when they are read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::machine::Machine;
use super::path::{parent, split};
use super::{Kind, Stat, binaries, contents, etc, now, proc};

/// Makes a file's text.
pub(super) type Make = fn(&Machine) -> String;

/// What is behind a name.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// A directory, an empty file or a device.
    Nothing,
    /// Text that is the same everywhere.
    Text(&'static str),
    /// Text of this machine.
    Made(Make),
    /// Text of this machine that was short enough to keep.
    Kept(String),
    /// Where a link points.
    Link(Cow<'static, str>),
    /// A program, or opaque data that starts like one.
    Binary,
    /// Opaque data of this many bytes.
    Opaque(u32),
}

/// When a file was last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// By the distribution.
    Built,
    /// When the machine was set up.
    Born,
    /// At boot.
    Boot,
    /// This many seconds ago.
    Ago(u32),
}

/// One name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) when: When,
    pub(super) body: Body,
}

/// Puts a tree together.
pub(super) struct Builder {
    entries: BTreeMap<Cow<'static, str>, Entry>,
}

impl Builder {
    /// Adds a name and the directories above it.
    pub(super) fn add(&mut self, path: impl Into<Cow<'static, str>>, entry: Entry) {
        let path = path.into();
        let above = parent(&path);
        if !self.entries.contains_key(above) {
            let when = if entry.when == When::Built { When::Built } else { When::Born };
            let above = above.to_owned();
            self.add(
                above,
                Entry { kind: Kind::Dir, mode: 0o755, uid: 0, gid: 0, when, body: Body::Nothing },
            );
        }
        self.entries.insert(path, entry);
    }

    /// A directory.
    pub(super) fn dir(
        &mut self,
        path: impl Into<Cow<'static, str>>,
        mode: u16,
        uid: u32,
        gid: u32,
        when: When,
    ) {
        self.add(path, Entry { kind: Kind::Dir, mode, uid, gid, when, body: Body::Nothing });
    }

    /// A file of root's.
    pub(super) fn file(&mut self, path: impl Into<Cow<'static, str>>, mode: u16, when: When, body: Body) {
        self.owned(path, mode, 0, 0, when, body);
    }

    /// A file of somebody's.
    pub(super) fn owned(
        &mut self,
        path: impl Into<Cow<'static, str>>,
        mode: u16,
        uid: u32,
        gid: u32,
        when: When,
        body: Body,
    ) {
        self.add(path, Entry { kind: Kind::File, mode, uid, gid, when, body });
    }

    /// A link.
    pub(super) fn link(&mut self, path: impl Into<Cow<'static, str>>, target: impl Into<Cow<'static, str>>) {
        let body = Body::Link(target.into());
        self.add(path, Entry { kind: Kind::Link, mode: 0o777, uid: 0, gid: 0, when: When::Built, body });
    }

    /// A device.
    pub(super) fn device(&mut self, path: &'static str, mode: u16, gid: u32) {
        let when = When::Boot;
        self.add(path, Entry { kind: Kind::Device, mode, uid: 0, gid, when, body: Body::Nothing });
    }
}

/// One machine's files before anybody changed them.
pub(super) struct Tree {
    machine: Arc<Machine>,
    /// Made when somebody looks: most clients never get as far, and it is half a worker's memory.
    entries: OnceLock<BTreeMap<Cow<'static, str>, Entry>>,
}

impl Tree {
    /// The files of a machine.
    pub(super) fn new(machine: Arc<Machine>) -> Self {
        Self { machine, entries: OnceLock::new() }
    }

    fn entries(&self) -> &BTreeMap<Cow<'static, str>, Entry> {
        self.entries.get_or_init(|| {
            let root =
                Entry { kind: Kind::Dir, mode: 0o755, uid: 0, gid: 0, when: When::Born, body: Body::Nothing };
            let mut builder = Builder { entries: BTreeMap::from([(Cow::Borrowed("/"), root)]) };
            contents::add(&mut builder, &self.machine);
            etc::add(&mut builder, &self.machine);
            proc::add(&mut builder, &self.machine);
            builder.entries
        })
    }

    /// Whose files they are.
    pub(super) fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// The entry of an absolute path without links in it.
    pub(super) fn get(&self, path: &str) -> Option<Entry> {
        if let Some(entry) = self.entries().get(path) {
            return Some(entry.clone());
        }
        let name = split(path).next_back()?;
        let body = binaries::find(self.machine.distro.family, parent(path), name)?;
        let kind = if matches!(body, Body::Link(_)) { Kind::Link } else { Kind::File };
        let mode = match (kind, name) {
            (Kind::Link, _) => 0o777,
            (_, "su" | "sudo" | "passwd" | "mount" | "umount" | "chsh" | "chfn" | "newgrp" | "gpasswd") => {
                0o4755
            }
            _ => 0o755,
        };
        Some(Entry { kind, mode, uid: 0, gid: 0, when: When::Built, body })
    }

    /// See [`super::Vfs::stat`].
    pub(super) fn stat(&self, path: &str) -> Option<Stat> {
        let entry = self.get(path)?;
        let size = match (&entry.kind, &entry.body) {
            (Kind::Dir, _) if path.starts_with("/proc") => 0,
            (Kind::Dir, _) => 4096,
            (Kind::Device, _) => 0,
            _ if path.starts_with("/proc/") => 0,
            (_, Body::Nothing) => 0,
            (_, Body::Text(text)) => text.len() as u64,
            (_, Body::Made(make)) => make(&self.machine).len() as u64,
            (_, Body::Kept(text)) => text.len() as u64,
            (_, Body::Link(target)) => target.len() as u64,
            (_, Body::Binary) => binaries::size(self.machine.distro.slug, path),
            (_, Body::Opaque(size)) => u64::from(*size),
        };
        let mtime = self.mtime(path, entry.when);
        Some(Stat { kind: entry.kind, size, mode: entry.mode.into(), uid: entry.uid, gid: entry.gid, mtime })
    }

    /// What a file holds; nothing for what is no file.
    pub(super) fn read(&self, path: &str) -> Cow<'_, [u8]> {
        match self.get(path).map(|e| e.body) {
            Some(Body::Text(text)) => Cow::Borrowed(text.as_bytes()),
            Some(Body::Made(make)) => Cow::Owned(make(&self.machine).into_bytes()),
            Some(Body::Kept(text)) => Cow::Owned(text.into_bytes()),
            Some(Body::Binary) => Cow::Owned(binaries::read(self.machine.distro.slug, path)),
            Some(Body::Opaque(size)) => Cow::Owned(binaries::noise(path, u64::from(size))),
            _ => Cow::Borrowed(&[]),
        }
    }

    /// The names in a directory.
    pub(super) fn names(&self, dir: &str) -> BTreeSet<String> {
        let prefix = if dir == "/" { String::from("/") } else { format!("{dir}/") };
        let mut names: BTreeSet<String> =
            binaries::names(self.machine.distro.family, dir).map(str::to_owned).collect();
        let after = self
            .entries()
            .range::<str, _>((std::ops::Bound::Excluded(prefix.as_str()), std::ops::Bound::Unbounded));
        for (path, _) in after {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            if !rest.contains('/') {
                names.insert(rest.to_owned());
            }
        }
        names
    }

    fn mtime(&self, path: &str, when: When) -> i64 {
        let spread = i64::try_from(binaries::hash(path) % 2_400).unwrap_or(0);
        let now = now();
        let time = match when {
            When::Built => self.machine.distro.built,
            When::Born => self.machine.born + spread,
            When::Boot => self.machine.boot(now) + spread % 20,
            When::Ago(seconds) => now - i64::from(seconds),
        };
        time.min(now)
    }
}
