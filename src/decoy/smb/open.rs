//! Files, folders and pipes of versions 2 and 3: opened, listed, read, written, asked about.

use super::rpc::{self, Pipe};
use super::share::Node;
use super::smb2::Answer;
use super::{Conn, info, status};
use crate::decoy::le::{self, Put as _, Reader};
use crate::decoy::upload::Upload;
use crate::event::Kind;

/// Files open at once.
const OPENS_MAX: usize = 64;
/// Longest path in UTF-16 units.
const PATH_MAX: usize = 1024;

/// The right to write or append.
pub(super) const WRITE: u32 = 0x6;
/// The right to delete.
pub(super) const DELETE: u32 = 0x1_0000;

const DIRECTORY: u32 = 0x1;
const NO_DIRECTORY: u32 = 0x40;
const DELETE_ON_CLOSE: u32 = 0x1000;

/// Something open.
pub(super) struct Open {
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) share: String,
    pub(super) path: String,
    pub(super) access: u32,
    pub(super) folder: bool,
    pub(super) delete: bool,
    pub(super) pipe: Option<Pipe>,
    /// Entries a listing has given.
    pub(super) listed: usize,
    pub(super) pattern: Option<String>,
    /// What was written, as long as it came in order.
    pub(super) came: Option<Upload>,
    pub(super) touched: bool,
    pub(super) read: bool,
}

impl Open {
    /// A named pipe.
    pub(super) fn pipe(session: u64, tree: u32, name: &str) -> Self {
        Self { pipe: Some(Pipe::new(name)), ..Self::new(session, tree, "IPC$", name) }
    }

    fn new(session: u64, tree: u32, share: &str, path: &str) -> Self {
        Self {
            session,
            tree,
            share: share.to_owned(),
            path: path.to_owned(),
            access: 0x001f_01ff,
            folder: false,
            delete: false,
            pipe: None,
            listed: 0,
            pattern: None,
            came: Some(Upload::new()),
            touched: false,
            read: false,
        }
    }
}

/// A path of the client as ours: no leading or trailing separators, nothing that leads upwards.
pub(super) fn clean(path: &str) -> Result<String, u32> {
    if path.len() > PATH_MAX * 3 || path.encode_utf16().count() > PATH_MAX {
        return Err(status::NAME_INVALID);
    }
    let path = path.trim_end_matches('\0').replace('/', "\\");
    let path = path.trim_matches('\\');
    if path.is_empty() {
        return Ok(String::new());
    }
    if path.split('\\').any(|part| matches!(part, "." | ".." | "")) {
        return Err(status::PATH_SYNTAX_BAD);
    }
    if path.contains(|c: char| c.is_control() || "*?<>|\":".contains(c)) {
        return Err(status::NAME_INVALID);
    }
    Ok(path.to_owned())
}

impl Conn {
    /// Answers a command about a file.
    pub(super) fn file(
        &mut self,
        command: u16,
        session: u64,
        tree: u32,
        message: &[u8],
        body: &[u8],
    ) -> Answer {
        let done = match command {
            5 => self.create(session, tree, message, body),
            6 => self.close(session, body),
            7 => self.flush(session, body),
            8 => self.read(session, body),
            9 => self.write(session, message, body),
            10 => self.with_id(session, body, 8).map(|_| Answer::ok(vec![4, 0, 0, 0])),
            11 => self.control(session, message, body),
            14 => self.list(session, message, body),
            16 => self.query(session, body),
            17 => self.set(session, message, body),
            _ => Err(status::INVALID_PARAMETER),
        };
        done.unwrap_or_else(Answer::error)
    }

    /// The identifier that lies `at` bytes into a body.
    pub(super) fn with_id(&self, session: u64, body: &[u8], at: usize) -> Result<u64, u32> {
        let mut reader = Reader::new(body.get(at..).ok_or(status::INVALID_PARAMETER)?);
        let (fixed, id) = (|| Some((reader.u64()?, reader.u64()?)))().ok_or(status::INVALID_PARAMETER)?;
        // All ones mean the file of the message before in a chain: the newest.
        let id = if fixed == u64::MAX && id == u64::MAX {
            self.opens.keys().copied().filter(|id| self.opens[id].session == session).max()
        } else {
            Some(id)
        };
        id.filter(|id| self.opens.get(id).is_some_and(|open| open.session == session))
            .ok_or(status::FILE_CLOSED)
    }

    /// Keeps something open under a number of its own.
    pub(super) fn opened(&mut self, open: Open) -> Result<u64, u32> {
        let mut random = [0; 4];
        if self.opens.len() >= OPENS_MAX || getrandom::fill(&mut random).is_err() {
            return Err(status::INSUFFICIENT_RESOURCES);
        }
        let newest = self.opens.keys().next_back().copied().unwrap_or(0);
        let id = newest.wrapping_add(1 + u64::from(u16::from_le_bytes([random[0], random[1]])));
        self.opens.insert(id, open);
        Ok(id)
    }

    fn create(&mut self, session: u64, tree: u32, message: &[u8], body: &[u8]) -> Result<Answer, u32> {
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.take(24)?;
            let (access, _, _) = (reader.u32()?, reader.u32()?, reader.u32()?);
            let (disposition, options) = (reader.u32()?, reader.u32()?);
            let (offset, length) = (reader.u16()?, reader.u16()?);
            let name = if length == 0 { &[][..] } else { le::part(message, offset.into(), length.into())? };
            Some((access, disposition, options, le::text(name)))
        })();
        let (access, disposition, options, name) = fields.ok_or(status::INVALID_PARAMETER)?;
        let windows = self.smb.host.system.windows;
        let place = self.sessions.get_mut(&session).and_then(|login| login.trees.get_mut(&tree));
        let place = place.ok_or(status::NETWORK_NAME_DELETED)?;
        if place.share.is_pipes() {
            let name = name.trim_matches(['\\', '\0']).to_lowercase();
            let name = name.strip_prefix("pipe\\").unwrap_or(&name).to_owned();
            let known = rpc::exists(&name, windows);
            self.record.event(Kind::Request, "pipe_open").outcome(known).text("smb.pipe", &name).emit();
            if !known {
                return Err(status::NAME_NOT_FOUND);
            }
            let id = self.opened(Open::pipe(session, tree, &name))?;
            let node = Node { path: name, folder: false, time: 0, size: 0, bytes: Vec::new() };
            return Ok(Answer::ok(created(id, 1, &node, 0x80)));
        }
        let path = clean(&name)?;
        let share = place.share.name.clone();
        let found = place.files.get(&path).map(|node| node.folder);
        if let Some((parent, _)) = path.rsplit_once('\\') {
            match place.files.get(parent).map(|node| node.folder) {
                Some(true) => {}
                Some(false) | None => return Err(status::PATH_NOT_FOUND),
            }
        }
        let folder = options & DIRECTORY != 0;
        let action = match (found, disposition) {
            (Some(true), _) if options & NO_DIRECTORY != 0 => return Err(status::FILE_IS_A_DIRECTORY),
            (Some(false), _) if folder => return Err(status::NOT_A_DIRECTORY),
            (Some(_), 2) => return Err(status::NAME_COLLISION),
            (Some(_), 1 | 3) => 1,
            (Some(true), _) => return Err(status::INVALID_PARAMETER),
            (Some(false), 0) => 0,
            (Some(false), 4 | 5) => 3,
            (None, 1 | 4) => return Err(status::NAME_NOT_FOUND),
            (None, 0 | 2 | 3 | 5) => 2,
            _ => return Err(status::INVALID_PARAMETER),
        };
        if action != 1 {
            place.files.make(&path, folder).ok_or(status::DISK_FULL)?;
        }
        if options & DELETE_ON_CLOSE != 0 && !place.files.is_own(&path) {
            return Err(status::ACCESS_DENIED);
        }
        let node = place.files.get(&path).cloned().ok_or(status::NAME_NOT_FOUND)?;
        let mut open = Open::new(session, tree, &share, &node.path);
        open.folder = node.folder;
        open.delete = options & DELETE_ON_CLOSE != 0;
        open.access = rights(access);
        // A file that was made empty is one that was left, even if nothing is written.
        open.touched = action != 1 && !folder;
        let id = self.opened(open)?;
        if action == 2 && folder {
            self.note("mkdir", &share, &node.path, true);
        }
        let attributes = node.attributes(windows);
        Ok(Answer::ok(created(id, action, &node, attributes)))
    }

    fn close(&mut self, session: u64, body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 8)?;
        let wanted = body.get(2).is_some_and(|flags| flags & 1 != 0);
        let open = self.opens.remove(&id).ok_or(status::FILE_CLOSED)?;
        let node = self.node(&open);
        self.finish(&open);
        if open.delete
            && let Some(tree) = self.sessions.get_mut(&session).and_then(|l| l.trees.get_mut(&open.tree))
        {
            tree.files.remove(&open.path);
        }
        let mut out = Vec::new();
        out.u16(60);
        match node.filter(|_| wanted) {
            Some(node) => {
                out.u16(1).u32(0).put(&info::times(&node)).u64(node.allocated()).u64(node.size);
                out.u32(node.attributes(self.smb.host.system.windows));
            }
            None => {
                out.put(&[0; 58]);
            }
        }
        Ok(Answer::ok(out))
    }

    /// Closes what a login, or a tree of it, has open.
    pub(super) fn close_all(&mut self, session: u64, tree: Option<u32>) {
        let of = |open: &Open| open.session == session && tree.is_none_or(|tree| open.tree == tree);
        let ids: Vec<u64> = self.opens.iter().filter(|(_, open)| of(open)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(open) = self.opens.remove(&id) {
                self.finish(&open);
            }
        }
    }

    pub(super) fn node(&self, open: &Open) -> Option<Node> {
        self.sessions.get(&open.session)?.trees.get(&open.tree)?.files.get(&open.path).cloned()
    }

    pub(super) fn note(&self, action: &str, share: &str, path: &str, ok: bool) {
        let path = format!("{share}\\{path}");
        self.record.event(Kind::File, action).outcome(ok).bytes("file.path", path.as_bytes()).emit();
    }

    /// Records what was done with a file that is closed.
    pub(super) fn finish(&self, open: &Open) {
        let path = format!("{}\\{}", open.share, open.path);
        if open.touched {
            let draft = self.record.event(Kind::File, "upload").outcome(true);
            let draft = draft.bytes("file.path", path.as_bytes());
            let (came, node) = (open.came.as_ref(), self.node(open));
            match (came, node) {
                (Some(came), None) => came.emit(draft),
                (Some(came), Some(node)) if came.size() == node.size => came.emit(draft),
                (_, Some(node)) if node.bytes.len() as u64 == node.size => {
                    Upload::of(&node.bytes).emit(draft);
                }
                // It came in another order than it lies, and is longer than what is kept.
                (_, Some(node)) => Upload::of(&node.bytes).emit_part(draft, Some(node.size)),
                (None, None) => draft.emit(),
            }
        } else if open.read && open.pipe.is_none() {
            self.note("download", &open.share, &open.path, true);
        }
    }

    fn read(&mut self, session: u64, body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 16)?;
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.u32()?;
            Some((reader.u32()?, reader.u64()?))
        })();
        let (length, offset) = fields.ok_or(status::INVALID_PARAMETER)?;
        let length = usize::try_from(length).unwrap_or(0).min(super::FRAME_MAX);
        let open = self.opens.get_mut(&id).ok_or(status::FILE_CLOSED)?;
        open.read = true;
        let (bytes, more) = match &mut open.pipe {
            Some(pipe) if pipe.out.is_empty() => return Err(status::PIPE_EMPTY),
            Some(pipe) => pipe.read(length),
            None if open.folder => return Err(status::INVALID_DEVICE_REQUEST),
            None => {
                let open = self.opens.get(&id).ok_or(status::FILE_CLOSED)?;
                let node = self.node(open).ok_or(status::FILE_CLOSED)?;
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = node.bytes.get(start..).unwrap_or_default();
                if rest.is_empty() && length > 0 {
                    return Err(status::END_OF_FILE);
                }
                (rest[..rest.len().min(length)].to_vec(), false)
            }
        };
        let mut out = Vec::new();
        out.u16(17).u8(80).u8(0).u32(le::long(bytes.len())).u32(0).u32(0).put(&bytes);
        Ok(Answer::new(if more { status::BUFFER_OVERFLOW } else { status::OK }, out))
    }

    fn write(&mut self, session: u64, message: &[u8], body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 16)?;
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.u16()?;
            let (at, length, offset) = (reader.u16()?, reader.u32()?, reader.u64()?);
            Some((le::part(message, at.into(), usize::try_from(length).ok()?)?, offset))
        })();
        let (bytes, offset) = fields.ok_or(status::INVALID_PARAMETER)?;
        self.put(id, offset, bytes)?;
        let mut out = Vec::new();
        out.u16(17).u16(0).u32(le::long(bytes.len())).u64(0);
        Ok(Answer::ok(out))
    }

    fn flush(&self, session: u64, body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 8)?;
        let writes = |open: &Open| open.pipe.is_some() || open.access & WRITE != 0;
        if self.opens.get(&id).is_some_and(writes) {
            Ok(Answer::ok(vec![4, 0, 0, 0]))
        } else {
            Err(status::ACCESS_DENIED)
        }
    }

    /// Writes to a pipe or a file.
    pub(super) fn put(&mut self, id: u64, offset: u64, bytes: &[u8]) -> Result<(), u32> {
        let smb = self.smb.clone();
        let open = self.opens.get_mut(&id).ok_or(status::FILE_CLOSED)?;
        if let Some(pipe) = &mut open.pipe {
            pipe.write(&rpc::Server { host: &smb.host, shares: &smb.shares, record: &self.record }, bytes);
            return Ok(());
        }
        if open.folder {
            return Err(status::INVALID_DEVICE_REQUEST);
        }
        if open.access & WRITE == 0 {
            return Err(status::ACCESS_DENIED);
        }
        let tree = self.sessions.get_mut(&open.session).and_then(|login| login.trees.get_mut(&open.tree));
        let tree = tree.ok_or(status::NETWORK_NAME_DELETED)?;
        if !tree.files.is_own(&open.path) {
            // The first write to a file of the machine makes it the client's own.
            let node = tree.files.get(&open.path).cloned().ok_or(status::FILE_CLOSED)?;
            tree.files.make(&open.path, false).ok_or(status::DISK_FULL)?;
            tree.files.write(&open.path, 0, &node.bytes);
        }
        tree.files.write(&open.path, offset, bytes);
        open.touched = true;
        open.came = open.came.take().filter(|came| came.size() == offset).map(|mut came| {
            came.take(bytes);
            came
        });
        Ok(())
    }
}

/// What a client asks for in generic terms, in those of files.
fn rights(access: u32) -> u32 {
    // All, or as much as there is.
    if access & 0x1200_0000 != 0 {
        return 0x001f_01ff;
    }
    let part = |bit: u32, rights: u32| if access & bit != 0 { rights } else { 0 };
    access & 0x00ff_ffff
        | part(0x8000_0000, 0x0012_0089)
        | part(0x4000_0000, 0x0012_0116)
        | part(0x2000_0000, 0x0012_00a0)
}

/// Body of the answer to an opened file.
fn created(id: u64, action: u32, node: &Node, attributes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(89).u16(0).u32(action).put(&info::times(node)).u64(node.allocated()).u64(node.size);
    out.u32(attributes).u32(0).u64(id ^ 0x5f3c).u64(id).u64(0);
    out
}
