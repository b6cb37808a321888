//! OpenSSH's extensions (its PROTOCOL file, section 4).

use super::super::channel::Shared;
use super::requests::{Answer, READ_MAX, name, real_path, rename, set};
use super::wire::{PACKET_MAX, Reader, Writer};
use super::{Server, Status};
use crate::decoy::vfs::disk_used;

/// Name and version, in the order the server tells them, which is the order they came.
const EXTENSIONS: [(&str, &str); 11] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
];

/// Most handles a server tells it can have open: Debian's limit of open files less five.
const HANDLES_TOLD: u64 = 1019;
/// Names looked up in one request.
const NAMES_MAX: usize = 256;

/// The server's VERSION packet with the first `count` extensions.
pub(super) fn version(count: usize) -> Writer {
    EXTENSIONS.into_iter().take(count).fold(Writer::packet(2).u32(3), |packet, (name, version)| {
        packet.string(name.as_bytes()).string(version.as_bytes())
    })
}

impl Server {
    /// Answers an EXTENDED request; none when it is malformed.
    pub(super) fn extended(
        &mut self,
        id: u32,
        packet: &mut Reader<'_>,
        shared: &mut Shared,
    ) -> Option<Answer> {
        Some(match packet.string()? {
            b"posix-rename@openssh.com" => {
                let (old, new) = (self.full(&packet.path()?, shared), self.full(&packet.path()?, shared));
                rename(id, &old, &new, true, shared)
            }
            b"statvfs@openssh.com" => {
                let path = self.full(&packet.path()?, shared);
                shared.vfs.stat(&path).map(|_| disk(id, shared)).map_err(Status::from)
            }
            b"fstatvfs@openssh.com" => self.path_of(packet.string()?).map(|_| disk(id, shared)),
            b"hardlink@openssh.com" => {
                let _old = packet.path()?;
                let _new = packet.path()?;
                Err(Status::Failure)
            }
            b"fsync@openssh.com" => self.file(packet.string()?).map(|_| Status::Ok.answer(id)),
            b"lsetstat@openssh.com" => {
                let path = self.full(&packet.path()?, shared);
                set(id, &path, packet.attributes()?, shared)
            }
            b"limits@openssh.com" => {
                let most = READ_MAX as u64;
                Ok(Writer::answer(201, id).u64(PACKET_MAX as u64).u64(most).u64(most).u64(HANDLES_TOLD))
            }
            b"expand-path@openssh.com" => {
                let path = packet.path()?;
                let rest = path.strip_prefix("~/").or(if path == "~" { Some("") } else { None });
                let path = self.full(rest.unwrap_or(&path), shared);
                real_path(id, &path, shared)
            }
            b"copy-data" => {
                let from = packet.string()?;
                let (start, length) = (packet.u64()?, packet.u64()?);
                let to = packet.string()?;
                let whole = (start, length, packet.u64()?) == (0, 0, 0);
                self.copy(id, from, to, whole, shared)
            }
            b"home-directory" => {
                let user = packet.path()?;
                match shared.vfs.machine().user(&user) {
                    Some(user) => Ok(name(id, &user.home)),
                    None if user.is_empty() => Ok(name(id, &shared.home())),
                    None => Err(Status::Failure),
                }
            }
            b"users-groups-by-id@openssh.com" => {
                let (users, groups) = (packet.string()?, packet.string()?);
                let machine = shared.vfs.machine();
                let users = names(users, |uid| machine.user_name(uid));
                let groups = names(groups, |gid| machine.group_name(gid));
                Ok(Writer::answer(201, id).string(&users).string(&groups))
            }
            _ => Err(Status::Unsupported),
        })
    }

    /// Copies one open file over another, as the client's `cp` asks for: all of it or nothing.
    fn copy(&mut self, id: u32, from: &[u8], to: &[u8], whole: bool, shared: &mut Shared) -> Answer {
        let source = self.file(from)?;
        if !whole || !source.read {
            return Err(Status::Failure);
        }
        let data = shared.vfs.read(&source.path)?.into_owned();
        let target = self.file(to)?;
        if !target.write {
            return Err(Status::Failure);
        }
        shared.vfs.write(&target.path, &data)?;
        target.written = true;
        Ok(Status::Ok.answer(id))
    }
}

/// The names of a list of numbers, as a list of strings; an empty one where there is no name.
fn names(ids: &[u8], name: impl Fn(u32) -> String) -> Vec<u8> {
    let mut names = Vec::new();
    for id in ids.as_chunks::<4>().0.iter().take(NAMES_MAX) {
        let id = u32::from_be_bytes(*id);
        let name = Some(name(id)).filter(|name| *name != id.to_string()).unwrap_or_default();
        names.extend(u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
        names.extend(name.as_bytes());
    }
    names
}

/// STATVFS: the machine's disk, as its `df` shows it.
fn disk(id: u32, shared: &Shared) -> Writer {
    let machine = shared.vfs.machine();
    let blocks = machine.disk_kib / 4;
    let free = blocks.saturating_sub(disk_used(machine) / 4);
    let nodes = blocks / 4;
    let answer = Writer::answer(201, id)
        .u64(4096)
        .u64(4096)
        .u64(blocks)
        .u64(free)
        .u64(free.saturating_sub(blocks / 20));
    answer.u64(nodes).u64(nodes - nodes / 10).u64(nodes - nodes / 10).u64(0x0801).u64(0).u64(255)
}
