//! Kernel settings of the namespace a thread is in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// Namespaces after which the private procfs is made anew. All namespaces put their settings under the same
/// names, so look-ups in one procfs take longer with each: 3 ms a decky at 3,000, 0.08 ms with this.
const RENEW: u32 = 32;
/// How long what the host has is taken to be so.
const KNOWN: Duration = Duration::from_secs(1);
/// Longest value read.
const LONGEST: u64 = 4096;

/// Writes kernel settings, each for the namespace its thread is in at that moment.
#[derive(Debug, Default)]
pub struct Sysctls {
    /// None: `/proc/sys` is used.
    private: Option<OwnedFd>,
    used: u32,
    /// Values that a fresh namespace starts with, of settings the kernel does not inherit.
    fresh: BTreeMap<&'static str, String>,
    /// What namespaces inherit of the host just now, and since when that is known.
    inherited: BTreeMap<&'static str, String>,
    since: Option<Instant>,
}

impl Sysctls {
    /// To be called once for each new namespace.
    pub fn next_namespace(&mut self) {
        if self.used == 0 || self.private.is_some() && self.used >= RENEW {
            // In a user namespace without a process namespace of its own this is refused.
            self.private = mount().ok();
            self.used = 0;
        }
        self.used = self.used.saturating_add(1);
        if self.since.is_none_or(|since| since.elapsed() > KNOWN) {
            self.inherited.clear();
            self.since = Some(Instant::now());
        }
    }

    /// Writes a setting of a namespace that has just been made, unless it inherited that value. In each
    /// namespace the same settings must be written in the same order: one may change another.
    ///
    /// # Errors
    /// As [`Sysctls::write`].
    pub fn write_inherited(&mut self, name: &'static str, value: &str) -> io::Result<()> {
        if !self.inherited.contains_key(name) {
            let found = self.read(name)?;
            self.inherited.insert(name, found);
        }
        if self.inherited.get(name).is_some_and(|found| found == value) {
            Ok(())
        } else {
            self.write(name, value)
        }
    }

    /// Writes a setting, named as `sysctl` names it.
    ///
    /// # Errors
    /// What the kernel says, with the name of the setting.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let written = self.open(name, OFlags::WRONLY).and_then(|mut file| file.write_all(value.as_bytes()));
        written.map_err(|error| io::Error::new(error.kind(), format!("{name} = {value}: {error}")))
    }

    /// Writes a setting of a namespace that has just been made, unless it has that value already. Only for
    /// settings that start with the same value in each namespace, whatever the host is set to.
    ///
    /// # Errors
    /// As [`Sysctls::write`].
    pub fn write_fresh(&mut self, name: &'static str, value: &str) -> io::Result<()> {
        if !self.fresh.contains_key(name) {
            let found = self.read(name)?;
            self.fresh.insert(name, found);
        }
        if self.fresh.get(name).is_some_and(|fresh| fresh == value) {
            Ok(())
        } else {
            self.write(name, value)
        }
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        self.open(name, OFlags::RDONLY)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        Ok(text.trim().to_owned())
    }

    fn open(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let path = name.replace('.', "/");
        let flags = flags.union(OFlags::CLOEXEC);
        let fd = match &self.private {
            Some(root) => openat(root, format!("sys/{path}"), flags, Mode::empty())?,
            None => rustix::fs::open(format!("/proc/sys/{path}"), flags, Mode::empty())?,
        };
        Ok(fd.into())
    }
}

/// A procfs that is mounted nowhere.
fn mount() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
