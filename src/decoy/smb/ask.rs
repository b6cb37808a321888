//! What versions 2 and 3 ask about files, folders and pipes, and what they set.

use super::open::{DELETE, WRITE, clean};
use super::share::Node;
use super::smb2::Answer;
use super::{Conn, info, status};
use crate::decoy::le::{self, Put as _, Reader};
use crate::event::Kind;

/// Longest pattern in bytes.
const PATTERN_MAX: usize = 512;

impl Conn {
    pub(super) fn control(&mut self, session: u64, message: &[u8], body: &[u8]) -> Result<Answer, u32> {
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.u32()?;
            let code = reader.u32()?;
            let id = reader.take(16)?;
            let (at, length) = (reader.u32()?, reader.u32()?);
            reader.take(12)?;
            let most = reader.u32()?;
            let input = if length == 0 {
                &[][..]
            } else {
                le::part(message, usize::try_from(at).ok()?, usize::try_from(length).ok()?)?
            };
            Some((code, id, input, most))
        })();
        let (code, id, input, most) = fields.ok_or(status::INVALID_PARAMETER)?;
        let windows = self.smb.host.system.windows;
        let (output, more) = match code {
            // Negotiation, again.
            0x0014_0204 => (self.confirm(), false),
            // Referrals of a distributed file system.
            0x0006_0194 if windows => return Err(status::FS_DRIVER_REQUIRED),
            0x0006_0194 => return Err(status::NOT_FOUND),
            // Write and read.
            0x0011_c017 => {
                let number = self.with_id(session, body, 8)?;
                if self.opens.get(&number).is_none_or(|open| open.pipe.is_none()) {
                    return Err(if windows { status::INVALID_DEVICE_REQUEST } else { status::NOT_SUPPORTED });
                }
                self.put(number, 0, input)?;
                let most = usize::try_from(most).unwrap_or(0).min(0x1_0000);
                let pipe = self.opens.get_mut(&number).and_then(|open| open.pipe.as_mut());
                pipe.ok_or(status::FILE_CLOSED)?.read(most)
            }
            // Wait for a pipe.
            0x0011_0018 => (Vec::new(), false),
            // Network interfaces; a reparse point; an identifier; a file with holes.
            0x0014_01fc => return Err(status::INVALID_PARAMETER),
            0x0009_00a8 => return Err(status::NOT_A_REPARSE_POINT),
            0x0009_00c0 => {
                let number = self.with_id(session, body, 8)?;
                let mut object = self.smb.persona.seed.derive("smb/object")[..16].to_vec();
                object[..8].copy_from_slice(&number.to_le_bytes());
                object.resize(64, 0);
                (object, false)
            }
            0x0009_00c4 => {
                let number = self.with_id(session, body, 8)?;
                if self.opens.get(&number).is_none_or(|open| open.access & WRITE == 0) {
                    return Err(status::ACCESS_DENIED);
                }
                (Vec::new(), false)
            }
            _ => return Err(status::INVALID_DEVICE_REQUEST),
        };
        let mut out = Vec::new();
        out.u16(49).u16(0).u32(code).put(id).u32(112).u32(0).u32(112).u32(le::long(output.len())).u64(0);
        out.put(&output);
        Ok(Answer::new(if more { status::BUFFER_OVERFLOW } else { status::OK }, out))
    }

    pub(super) fn list(&mut self, session: u64, message: &[u8], body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 8)?;
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.u16()?;
            let (class, flags) = (reader.u8()?, reader.u8()?);
            reader.take(20)?;
            let (at, length, most) = (reader.u16()?, reader.u16()?, reader.u32()?);
            let pattern = le::text(le::part(message, at.into(), length.into()).unwrap_or_default());
            Some((class, flags, pattern, usize::try_from(most).ok()?.min(0x1_0000)))
        })();
        let (class, flags, pattern, most) = fields.ok_or(status::INVALID_PARAMETER)?;
        if pattern.len() > PATTERN_MAX {
            return Err(status::NAME_INVALID);
        }
        let windows = self.smb.host.system.windows;
        let open = self.opens.get_mut(&id).ok_or(status::FILE_CLOSED)?;
        if !matches!(class, 1 | 2 | 3 | 12 | 37 | 38) {
            return Err(status::INVALID_INFO_CLASS);
        }
        if !open.folder {
            return Err(if windows { status::INVALID_PARAMETER } else { status::NOT_SUPPORTED });
        }
        if flags & 0x11 != 0 {
            (open.listed, open.pattern) = (0, None);
        }
        let fresh = open.pattern.is_none();
        let pattern = open.pattern.get_or_insert(pattern).clone();
        let (path, share, done) = (open.path.clone(), open.share.clone(), open.listed);
        let tree = self.sessions.get(&session).and_then(|login| login.trees.get(&open.tree));
        let files = &tree.ok_or(status::NETWORK_NAME_DELETED)?.files;
        let here = files.get(&path).cloned().ok_or(status::FILE_CLOSED)?;
        let parent = path.rsplit_once('\\').map_or("", |(parent, _)| parent);
        let above = files.get(parent).cloned().unwrap_or_else(|| here.clone());
        let mut entries = vec![(".".to_owned(), here), ("..".to_owned(), above)];
        entries.extend(files.list(&path).into_iter().map(|node| (node.name().to_owned(), node)));
        let mut out: Vec<u8> = Vec::new();
        let (mut last, mut seen) = (None, done);
        for (name, node) in entries.iter().skip(done) {
            let entry = info::entry(class, node, name, windows).ok_or(status::INVALID_INFO_CLASS)?;
            let start = out.len().next_multiple_of(8);
            if start + entry.len() > most {
                break;
            }
            seen += 1;
            if !info::fits(&pattern, name) {
                continue;
            }
            if let Some(last) = last {
                let step = le::long(start - last);
                out.pad(8);
                out[last..last + 4].copy_from_slice(&step.to_le_bytes());
            }
            last = Some(start);
            out.put(&entry);
            if flags & 2 != 0 {
                break;
            }
        }
        if let Some(open) = self.opens.get_mut(&id) {
            open.listed = seen;
        }
        if fresh {
            self.note("list", &share, &path, last.is_some());
        }
        if last.is_none() {
            let more = entries.len() > seen;
            return Err(match (fresh, more) {
                (_, true) => status::INFO_LENGTH_MISMATCH,
                (true, _) => status::NO_SUCH_FILE,
                (false, _) => status::NO_MORE_FILES,
            });
        }
        let mut body = Vec::new();
        body.u16(9).u16(72).u32(le::long(out.len())).put(&out);
        Ok(Answer::ok(body))
    }

    pub(super) fn query(&mut self, session: u64, body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 24)?;
        let (kind, class) = match body {
            [_, _, kind, class, ..] => (*kind, *class),
            _ => return Err(status::INVALID_PARAMETER),
        };
        let most = body.get(4..8).and_then(|b| Reader::new(b).u32()).unwrap_or(0);
        let most = usize::try_from(most).unwrap_or(0);
        let open = self.opens.get(&id).ok_or(status::FILE_CLOSED)?;
        let pipe = Node { path: open.path.clone(), folder: false, time: 0, size: 0, bytes: Vec::new() };
        let node = if open.pipe.is_some() { pipe } else { self.node(open).ok_or(status::FILE_CLOSED)? };
        let smb = &self.smb;
        let output = match kind {
            1 => info::file(class, &node, smb.host.system.windows, open.access, node.name()),
            2 => info::volume(class, &smb.host, &smb.persona.seed, &open.share, smb.persona.born),
            3 => Some(info::security()),
            4 => return Err(status::NOT_SUPPORTED),
            _ => return Err(status::INVALID_PARAMETER),
        };
        let mut output = output.ok_or(status::INVALID_INFO_CLASS)?;
        let cut = output.len() > most;
        if cut && most < 4 {
            return Err(status::INFO_LENGTH_MISMATCH);
        }
        output.truncate(most);
        let mut out = Vec::new();
        out.u16(9).u16(72).u32(le::long(output.len())).put(&output);
        Ok(Answer::new(if cut { status::BUFFER_OVERFLOW } else { status::OK }, out))
    }

    pub(super) fn set(&mut self, session: u64, message: &[u8], body: &[u8]) -> Result<Answer, u32> {
        let id = self.with_id(session, body, 16)?;
        let mut reader = Reader::new(body);
        let fields = (|| {
            reader.u16()?;
            let (kind, class, length, at) = (reader.u8()?, reader.u8()?, reader.u32()?, reader.u16()?);
            Some((kind, class, le::part(message, at.into(), usize::try_from(length).ok()?)?))
        })();
        let (kind, class, input) = fields.ok_or(status::INVALID_PARAMETER)?;
        let open = self.opens.get_mut(&id).ok_or(status::FILE_CLOSED)?;
        let tree = self.sessions.get_mut(&session).and_then(|login| login.trees.get_mut(&open.tree));
        let files = &mut tree.ok_or(status::NETWORK_NAME_DELETED)?.files;
        let own = files.is_own(&open.path);
        let number = || Reader::new(input).u64().ok_or(status::INFO_LENGTH_MISMATCH);
        let mut noted = None;
        match (kind, class) {
            // Times and attributes; space set aside.
            (1, 4 | 19) => {}
            (1, 20) if own => files.resize(&open.path, number()?.min(1 << 40)),
            (1, 13) if own && open.access & DELETE != 0 => {
                open.delete = input.first().is_some_and(|flag| *flag != 0);
            }
            (1, 13) => return Err(status::ACCESS_DENIED),
            (1, 10) => {
                let length = input.get(16..20).and_then(|b| Reader::new(b).u32());
                let length =
                    length.and_then(|n| usize::try_from(n).ok()).ok_or(status::INFO_LENGTH_MISMATCH)?;
                let target = le::part(input, 20, length).ok_or(status::INFO_LENGTH_MISMATCH)?;
                let target = clean(&le::text(target))?;
                if !own || target.is_empty() {
                    return Err(status::ACCESS_DENIED);
                }
                if files.get(&target).is_some() {
                    return Err(status::NAME_COLLISION);
                }
                files.rename(&open.path, &target);
                noted = Some((open.share.clone(), std::mem::replace(&mut open.path, target.clone()), target));
            }
            (1 | 3, _) => return Err(status::ACCESS_DENIED),
            _ => return Err(status::NOT_SUPPORTED),
        }
        if let Some((share, from, to)) = noted {
            self.record
                .event(Kind::File, "rename")
                .outcome(true)
                .bytes("file.path", format!("{share}\\{from}").as_bytes())
                .bytes("file.target_path", format!("{share}\\{to}").as_bytes())
                .emit();
        }
        Ok(Answer::ok(vec![2, 0]))
    }
}
