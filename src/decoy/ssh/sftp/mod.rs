//! The SFTP subsystem: files of the made-up machine, and what clients bring.

mod extensions;
mod requests;
mod wire;

use std::collections::VecDeque;

use self::wire::{PACKET_MAX, Reader, Writer};
use super::channel::{Program, Shared, Step};
use crate::decoy::upload::Upload;
use crate::decoy::vfs::{Stat, VfsError};
use crate::event::Kind;

/// Open files and directories of one session.
const HANDLES_MAX: usize = 64;
/// Status that OpenSSH's server ends with on a bad packet.
const BAD_MESSAGE_EXIT: u8 = 11;

/// An open file or directory.
enum Handle {
    File(OpenFile),
    Dir { path: String, left: VecDeque<(String, Stat)> },
}

/// An open file.
struct OpenFile {
    path: String,
    read: bool,
    write: bool,
    append: bool,
    /// Bytes taken or given.
    moved: u64,
    written: bool,
}

/// One SFTP session.
pub(super) struct Server {
    handles: Vec<Option<Handle>>,
    home: String,
    greeted: bool,
}

impl Server {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { handles: Vec::new(), home: shared.home(), greeted: false }
    }

    /// Takes one packet off `input`.
    fn packet(input: &mut Vec<u8>) -> Result<Option<Vec<u8>>, ()> {
        let Some((length, _)) = input.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| ())?;
        if length == 0 || length > PACKET_MAX {
            return Err(());
        }
        let end = length + 4;
        if input.len() < end {
            return Ok(None);
        }
        let rest = input.split_off(end);
        let mut packet = std::mem::replace(input, rest);
        packet.drain(..4);
        Ok(Some(packet))
    }

    /// Answers one packet; none when it is malformed.
    fn handle(&mut self, packet: &[u8], shared: &mut Shared, out: &mut Vec<u8>) -> Option<()> {
        let mut packet = Reader(packet);
        let kind = packet.u8()?;
        let id = packet.u32()?;
        if kind == 1 {
            // For INIT the word is the client's version.
            if self.greeted {
                return None;
            }
            self.greeted = true;
            extensions::version(shared.software().sftp_extensions).send(out);
            return Some(());
        }
        if !self.greeted {
            return None;
        }
        self.request(kind, id, &mut packet, shared)?.send(out);
        Some(())
    }

    fn keep(&mut self, handle: Handle) -> Option<u32> {
        let free = self.handles.iter().position(Option::is_none);
        let at = match free {
            Some(at) => at,
            None if self.handles.len() < HANDLES_MAX => {
                self.handles.push(None);
                self.handles.len() - 1
            }
            None => return None,
        };
        *self.handles.get_mut(at)? = Some(handle);
        u32::try_from(at).ok()
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Handle>> {
        let name: [u8; 4] = name.try_into().ok()?;
        self.handles.get_mut(usize::try_from(u32::from_be_bytes(name)).ok()?)
    }

    fn file(&mut self, name: &[u8]) -> Result<&mut OpenFile, Status> {
        match self.slot(name) {
            Some(Some(Handle::File(file))) => Ok(file),
            _ => Err(Status::Failure),
        }
    }

    /// The path behind a handle of either kind.
    fn path_of(&mut self, name: &[u8]) -> Result<String, Status> {
        match self.slot(name) {
            Some(Some(Handle::File(OpenFile { path, .. }) | Handle::Dir { path, .. })) => Ok(path.clone()),
            _ => Err(Status::Failure),
        }
    }
}

/// Records what became of a file that was open.
fn closed(file: &OpenFile, shared: &Shared) {
    if file.written {
        let stored = shared.vfs.read(&file.path).unwrap_or_default();
        let draft = shared.event(Kind::File, "upload").outcome(true);
        Upload::of(&stored).emit(draft.bytes("file.path", file.path.as_bytes()));
    } else if file.read {
        shared
            .event(Kind::File, "download")
            .outcome(true)
            .bytes("file.path", file.path.as_bytes())
            .field("file.bytes_read", file.moved)
            .emit();
    }
}

impl Program for Server {
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        match Self::packet(input) {
            Ok(None) => Step::Idle,
            Ok(Some(packet)) if self.handle(&packet, shared, out).is_some() => Step::More,
            Ok(Some(_)) | Err(()) => {
                shared.event(Kind::Error, "sftp").text("error.message", "bad packet").emit();
                Step::End(BAD_MESSAGE_EXIT)
            }
        }
    }

    fn eof(&mut self, _: &mut Shared, _: &mut Vec<u8>) -> u8 {
        0
    }

    fn finish(&mut self, shared: &mut Shared) {
        for handle in std::mem::take(&mut self.handles).into_iter().flatten() {
            if let Handle::File(file) = handle {
                closed(&file, shared);
            }
        }
    }
}

/// Status codes (draft §7) with OpenSSH's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    Eof,
    NoSuchFile,
    Denied,
    Failure,
    BadMessage,
    Unsupported,
}

impl Status {
    fn answer(self, id: u32) -> Writer {
        let (code, text) = match self {
            Self::Ok => (0, "Success"),
            Self::Eof => (1, "End of file"),
            Self::NoSuchFile => (2, "No such file"),
            Self::Denied => (3, "Permission denied"),
            Self::Failure => (4, "Failure"),
            Self::BadMessage => (5, "Bad message"),
            Self::Unsupported => (8, "Operation unsupported"),
        };
        Writer::answer(101, id).u32(code).string(text.as_bytes()).string(b"")
    }
}

/// `errno_to_portable` of OpenSSH.
impl From<VfsError> for Status {
    fn from(error: VfsError) -> Self {
        match error {
            VfsError::NotFound | VfsError::NotADirectory | VfsError::Loop => Self::NoSuchFile,
            VfsError::Denied | VfsError::NotPermitted => Self::Denied,
            VfsError::NameTooLong => Self::BadMessage,
            _ => Self::Failure,
        }
    }
}
