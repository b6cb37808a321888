//! The requests, one by one.

use super::super::channel::Shared;
use super::wire::{Attributes, Reader, Writer, long_name};
use super::{Handle, OpenFile, Server, Status, closed};
use crate::decoy::vfs::{Kind, MAX_BYTES, Stat, VfsError, now};
use crate::event;

const FLAG_READ: u32 = 1;
const FLAG_WRITE: u32 = 2;
const FLAG_APPEND: u32 = 4;
const FLAG_CREATE: u32 = 8;
const FLAG_TRUNCATE: u32 = 16;
const FLAG_EXCLUSIVE: u32 = 32;

/// Names in one answer to READDIR.
const NAMES_MAX: usize = 100;
/// Most bytes one READ gives: a packet less 1 KiB, as OpenSSH tells in `limits@openssh.com`.
pub(super) const READ_MAX: usize = 255 * 1024;

/// What a write counts at least: each one copies the file.
const WRITE_COST: usize = 1024;

/// What a request leads to: an answer or a status.
pub(super) type Answer = Result<Writer, Status>;

impl Server {
    /// Answers one request; none when it is malformed.
    pub(super) fn request(
        &mut self,
        kind: u8,
        id: u32,
        packet: &mut Reader<'_>,
        shared: &mut Shared,
    ) -> Option<Writer> {
        let answer = match kind {
            3 => {
                let (path, flags, attributes) = (packet.path()?, packet.u32()?, packet.attributes()?);
                self.open(id, &path, flags, attributes, shared)
            }
            4 => self.close(id, packet.string()?, shared),
            5 => self.read(id, packet.string()?, packet.u64()?, packet.u32()?, shared),
            6 => self.write(id, packet.string()?, packet.u64()?, packet.string()?, shared),
            7 => shared.vfs.lstat(&self.full(&packet.path()?, shared)).map_err(Status::from).map(attrs(id)),
            17 => shared.vfs.stat(&self.full(&packet.path()?, shared)).map_err(Status::from).map(attrs(id)),
            8 => {
                let path = self.path_of(packet.string()?);
                path.and_then(|path| Ok(shared.vfs.stat(&path)?)).map(attrs(id))
            }
            9 => {
                let path = self.full(&packet.path()?, shared);
                set(id, &path, packet.attributes()?, shared)
            }
            10 => {
                let (path, attributes) = (self.path_of(packet.string()?), packet.attributes()?);
                path.and_then(|path| set(id, &path, attributes, shared))
            }
            11 => self.open_dir(id, &packet.path()?, shared),
            12 => self.read_dir(id, packet.string()?, shared),
            13 | 15 => {
                let path = self.full(&packet.path()?, shared);
                remove(id, &path, kind == 15, shared)
            }
            14 => {
                let (path, attributes) = (self.full(&packet.path()?, shared), packet.attributes()?);
                let mode = attributes.mode.unwrap_or(0o777) & 0o777 & !0o022;
                let done = shared.vfs.mkdir(&path, mode);
                named(id, "mkdir", &path, done, shared)
            }
            16 => {
                let path = self.full(&packet.path()?, shared);
                real_path(id, &path, shared)
            }
            18 => {
                let (old, new) = (self.full(&packet.path()?, shared), self.full(&packet.path()?, shared));
                rename(id, &old, &new, false, shared)
            }
            19 => {
                let path = self.full(&packet.path()?, shared);
                shared.vfs.readlink(&path).map(|target| name(id, &target)).map_err(Status::from)
            }
            20 => {
                let (target, path) = (packet.path()?, self.full(&packet.path()?, shared));
                let done = shared.vfs.symlink(&target, &path);
                named(id, "symlink", &path, done, shared)
            }
            200 => self.extended(id, packet, shared)?,
            _ => Err(Status::Unsupported),
        };
        Some(answer.unwrap_or_else(|status| status.answer(id)))
    }

    pub(super) fn full(&self, path: &str, shared: &Shared) -> String {
        shared.vfs.resolve(&self.home, path)
    }

    fn open(
        &mut self,
        id: u32,
        path: &str,
        flags: u32,
        attributes: Attributes,
        shared: &mut Shared,
    ) -> Answer {
        let path = self.full(path, shared);
        let opened = open_file(&path, flags, attributes, shared);
        if let Err(status) = opened {
            let action = if flags & FLAG_WRITE == 0 { "download" } else { "upload" };
            shared.event(event::Kind::File, action).outcome(false).bytes("file.path", path.as_bytes()).emit();
            return Err(status);
        }
        let file = OpenFile {
            path,
            read: flags & FLAG_READ != 0,
            write: flags & FLAG_WRITE != 0,
            append: flags & FLAG_APPEND != 0,
            moved: 0,
            written: flags & FLAG_WRITE != 0 && flags & (FLAG_CREATE | FLAG_TRUNCATE) != 0,
        };
        let handle = self.keep(Handle::File(file)).ok_or(Status::Failure)?;
        Ok(Writer::answer(102, id).string(&handle.to_be_bytes()))
    }

    fn close(&mut self, id: u32, handle: &[u8], shared: &Shared) -> Answer {
        match self.slot(handle).and_then(Option::take) {
            Some(Handle::File(file)) => closed(&file, shared),
            Some(Handle::Dir { .. }) => {}
            None => return Err(Status::Failure),
        }
        Ok(Status::Ok.answer(id))
    }

    fn read(&mut self, id: u32, handle: &[u8], offset: u64, length: u32, shared: &Shared) -> Answer {
        let file = self.file(handle)?;
        if !file.read {
            return Err(Status::Failure);
        }
        let whole = shared.vfs.read(&file.path)?;
        let start = usize::try_from(offset).ok().filter(|start| *start < whole.len()).ok_or(Status::Eof)?;
        let rest = whole.get(start..).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(READ_MAX).min(READ_MAX).min(rest.len());
        file.moved += length as u64;
        Ok(Writer::answer(103, id).string(rest.get(..length).unwrap_or_default()))
    }

    fn write(&mut self, id: u32, handle: &[u8], offset: u64, data: &[u8], shared: &mut Shared) -> Answer {
        let file = self.file(handle)?;
        if !file.write || !shared.hold(data.len().max(WRITE_COST)) {
            return Err(Status::Failure);
        }
        let size = shared.vfs.stat(&file.path)?.size;
        if file.append || offset == size {
            shared.vfs.append(&file.path, data)?;
        } else {
            let offset = usize::try_from(offset).map_err(|_| Status::Failure)?;
            let end =
                offset.checked_add(data.len()).filter(|end| *end <= MAX_BYTES).ok_or(Status::Failure)?;
            let mut whole = shared.vfs.read(&file.path)?.into_owned();
            if whole.len() < end {
                whole.resize(end, 0);
            }
            whole.get_mut(offset..end).ok_or(Status::Failure)?.copy_from_slice(data);
            shared.vfs.write(&file.path, &whole)?;
        }
        file.moved += data.len() as u64;
        file.written = true;
        Ok(Status::Ok.answer(id))
    }

    fn open_dir(&mut self, id: u32, path: &str, shared: &Shared) -> Answer {
        let path = self.full(path, shared);
        let listed = shared.vfs.list(&path);
        shared
            .event(event::Kind::File, "list")
            .outcome(listed.is_ok())
            .bytes("file.path", path.as_bytes())
            .emit();
        let listed = listed?;
        let here = shared.vfs.stat(&path)?;
        let above = shared.vfs.stat(&shared.vfs.resolve(&path, "..")).unwrap_or(here);
        let dots = [(".".to_owned(), here), ("..".to_owned(), above)];
        let left = dots.into_iter().chain(listed).collect();
        let handle = self.keep(Handle::Dir { path, left }).ok_or(Status::Failure)?;
        Ok(Writer::answer(102, id).string(&handle.to_be_bytes()))
    }

    fn read_dir(&mut self, id: u32, handle: &[u8], shared: &Shared) -> Answer {
        let Some(Some(Handle::Dir { left, .. })) = self.slot(handle) else { return Err(Status::Failure) };
        if left.is_empty() {
            return Err(Status::Eof);
        }
        let machine = shared.vfs.machine();
        let now = now();
        let count = left.len().min(NAMES_MAX);
        let mut answer = Writer::answer(104, id).u32(u32::try_from(count).unwrap_or(0));
        for (name, stat) in left.drain(..count) {
            let (user, group) = (machine.user_name(stat.uid), machine.group_name(stat.gid));
            let long = long_name(&name, &stat, &user, &group, now);
            answer = answer.string(name.as_bytes()).string(long.as_bytes()).stat(&stat);
        }
        Ok(answer)
    }
}

/// Checks and makes the file that an OPEN names.
fn open_file(path: &str, flags: u32, attributes: Attributes, shared: &mut Shared) -> Result<(), Status> {
    let vfs = &mut shared.vfs;
    let found = match vfs.stat(path) {
        Ok(stat) => Some(stat),
        Err(VfsError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(stat) = found {
        if flags & FLAG_CREATE != 0 && flags & FLAG_EXCLUSIVE != 0 {
            return Err(Status::Failure);
        }
        if stat.kind == Kind::Dir && flags & FLAG_WRITE != 0 {
            return Err(Status::Failure);
        }
        let wanted = if flags & FLAG_READ == 0 { 0 } else { 4 } | if flags & FLAG_WRITE == 0 { 0 } else { 2 };
        if !vfs.access(path, wanted) {
            return Err(Status::Denied);
        }
        if flags & FLAG_WRITE != 0 && flags & FLAG_TRUNCATE != 0 {
            vfs.write(path, b"")?;
        }
        return Ok(());
    }
    if flags & FLAG_CREATE == 0 || flags & FLAG_WRITE == 0 {
        return Err(Status::NoSuchFile);
    }
    vfs.write(path, b"")?;
    let _ = vfs.chmod(path, attributes.mode.unwrap_or(0o666) & 0o777 & !0o022);
    Ok(())
}

fn attrs(id: u32) -> impl Fn(Stat) -> Writer {
    move |stat| Writer::answer(105, id).stat(&stat)
}

/// A NAME answer with one name and no attributes.
pub(super) fn name(id: u32, path: &str) -> Writer {
    Writer::answer(104, id).u32(1).string(path.as_bytes()).string(path.as_bytes()).u32(0)
}

pub(super) fn real_path(id: u32, path: &str, shared: &Shared) -> Answer {
    match shared.vfs.real(path) {
        Ok(real) => Ok(name(id, &real)),
        // The last name need not exist.
        Err(VfsError::NotFound) if shared.vfs.stat(&shared.vfs.resolve(path, "..")).is_ok() => {
            Ok(name(id, path))
        }
        Err(error) => Err(error.into()),
    }
}

/// Records a change of one name and makes its answer.
fn named(id: u32, action: &str, path: &str, done: Result<(), VfsError>, shared: &Shared) -> Answer {
    shared.event(event::Kind::File, action).outcome(done.is_ok()).bytes("file.path", path.as_bytes()).emit();
    done?;
    Ok(Status::Ok.answer(id))
}

fn remove(id: u32, path: &str, directory: bool, shared: &mut Shared) -> Answer {
    let done = match shared.vfs.lstat(path) {
        Ok(stat) if (stat.kind == Kind::Dir) == directory => shared.vfs.remove(path),
        Ok(_) if directory => Err(VfsError::NotADirectory),
        Ok(_) => Err(VfsError::IsADirectory),
        Err(error) => Err(error),
    };
    named(id, if directory { "rmdir" } else { "remove" }, path, done, shared)
}

pub(super) fn rename(id: u32, old: &str, new: &str, replace: bool, shared: &mut Shared) -> Answer {
    let done = if !replace && shared.vfs.lstat(new).is_ok() {
        Err(VfsError::Exists)
    } else {
        shared.vfs.rename(old, new)
    };
    shared
        .event(event::Kind::File, "rename")
        .outcome(done.is_ok())
        .bytes("file.path", old.as_bytes())
        .bytes("file.target_path", new.as_bytes())
        .emit();
    done?;
    Ok(Status::Ok.answer(id))
}

pub(super) fn set(id: u32, path: &str, attributes: Attributes, shared: &mut Shared) -> Answer {
    let vfs = &mut shared.vfs;
    vfs.stat(path)?;
    if let Some(size) = attributes.size {
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BYTES).ok_or(Status::Failure)?;
        let mut whole = vfs.read(path)?.into_owned();
        whole.resize(size, 0);
        vfs.write(path, &whole)?;
    }
    if let Some(mode) = attributes.mode {
        vfs.chmod(path, mode & 0o7777)?;
    }
    if let Some(mtime) = attributes.mtime {
        vfs.set_mtime(path, i64::from(mtime))?;
    }
    if let Some((uid, gid)) = attributes.owner {
        vfs.chown(path, uid, gid)?;
    }
    if let Some(mode) = attributes.mode {
        shared
            .event(event::Kind::File, "chmod")
            .bytes("file.path", path.as_bytes())
            .text("file.mode", &format!("{:04o}", mode & 0o7777))
            .emit();
    }
    Ok(Status::Ok.answer(id))
}
