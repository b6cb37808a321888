//! Version 1: what old scanners and worms speak. Pipes work; files are not shown to it.

use std::collections::BTreeMap;

use super::open::Open;
use super::{Conn, rpc, status};
use crate::decoy::le::{self, Put as _, Reader};
use crate::event::Kind;

/// Length of a header.
const HEADER: usize = 32;
/// Most dialects that are looked at.
const DIALECTS_MAX: usize = 64;
/// Pipes open at once.
const PIPES_MAX: usize = 16;

/// What version 1 keeps of a connection.
#[derive(Default)]
pub(super) struct State {
    /// Whether the negotiation is over.
    pub(super) negotiated: bool,
    /// The challenge of clients without extended security.
    pub(super) challenge: [u8; 8],
    fids: BTreeMap<u16, u64>,
    next: u16,
    named: Vec<&'static str>,
}

/// One request taken apart.
pub(super) struct Request<'a> {
    pub(super) command: u8,
    pub(super) flags: u16,
    pub(super) tree: u16,
    pub(super) user: u16,
    head: &'a [u8],
    /// Parameters.
    pub(super) words: &'a [u8],
    /// Data.
    pub(super) data: &'a [u8],
    /// The whole.
    pub(super) message: &'a [u8],
    /// Flags of the answer: Samba always says the same.
    reply: u8,
}

impl<'a> Request<'a> {
    fn parse(message: &'a [u8], windows: bool) -> Option<Self> {
        let head = message.get(..HEADER)?;
        let mut ids = Reader::new(head.get(24..)?);
        let (tree, _, user) = (ids.u16()?, ids.u16()?, ids.u16()?);
        let count = usize::from(*message.get(HEADER)?);
        let words = le::part(message, HEADER + 1, count * 2)?;
        let rest = message.get(HEADER + 1 + count * 2..)?;
        let data = rest.get(2..).unwrap_or_default();
        let flags = u16::from_le_bytes([head[10], head[11]]);
        let reply = if windows { head[9] | 0x80 } else { 0x88 };
        Some(Self { command: head[4], flags, tree, user, head, words, data, message, reply })
    }

    /// Parameter number `at`.
    pub(super) fn word(&self, at: usize) -> Option<u16> {
        self.words.get(at * 2..).and_then(|b| Reader::new(b).u16())
    }

    /// The answer.
    pub(super) fn reply(&self, status: u32, words: &[u8], data: &[u8]) -> Vec<u8> {
        let mut out = b"\xffSMB".to_vec();
        out.u8(self.command).u32(status).u8(self.reply).u16(self.flags & !0x1004);
        out.put(&[0; 12]).put(&self.head[24..32]);
        out.u8(u8::try_from(words.len() / 2).unwrap_or(0)).put(words);
        out.u16(le::short(data.len())).put(data);
        out
    }

    /// An answer with nothing but a status.
    pub(super) fn error(&self, status: u32) -> Vec<u8> {
        self.reply(status, &[], &[])
    }

    /// Appends a text in the form that the client understands.
    pub(super) fn text(&self, out: &mut Vec<u8>, text: &str) {
        if self.wide() {
            out.wide(text).u16(0);
        } else {
            out.put(text.as_bytes()).u8(0);
        }
    }

    /// Whether texts are in UTF-16.
    pub(super) fn wide(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

impl Conn {
    /// Answers a message of version 1; none ends the connection.
    pub(super) fn old(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let Some(request) = Request::parse(message, self.smb.host.system.windows) else {
            self.record.error("protocol", "malformed SMB 1 message");
            return None;
        };
        if request.command == 0x72 && self.dialect == 0 && !self.old.negotiated {
            return self.old_negotiate(&request);
        }
        if !self.old.negotiated {
            return None;
        }
        Some(match request.command {
            0x73 => self.old_setup(&request),
            0x2b => self.old_echo(&request)?,
            _ if self.sessions.get(&request.user.into()).is_none_or(|login| login.who.is_none()) => {
                request.error(status::BAD_UID)
            }
            0x74 => {
                self.sessions.remove(&request.user.into());
                request.reply(status::OK, &[0xff, 0, 0, 0], &[])
            }
            0x75 => self.old_connect(&request),
            _ => self.old_command(&request)?,
        })
    }

    fn old_negotiate(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        let dialects: Vec<&[u8]> = request
            .data
            .split(|byte| *byte == 0)
            .filter_map(|part| part.strip_prefix(b"\x02"))
            .take(DIALECTS_MAX)
            .collect();
        let names: Vec<_> = dialects.iter().map(|d| String::from_utf8_lossy(d).into_owned()).collect();
        self.record.event(Kind::Request, "negotiate").field("smb.client_dialects", names).emit();
        let at = |name: &[u8]| dialects.iter().position(|d| *d == name);
        if at(b"SMB 2.???").is_some() {
            return Some(self.greeting(0x02ff));
        }
        if at(b"SMB 2.002").is_some() {
            return Some(self.greeting(0x0202));
        }
        let windows = self.smb.host.system.windows;
        // Samba counts both names of the dialect, and takes the first.
        let first = if windows { None } else { at(b"NT LANMAN 1.0") };
        let Some(index) = first.or(at(b"NT LM 0.12")).filter(|_| self.smb.speaks_old) else {
            let none = Request { flags: 0xc003, ..*request };
            return Some(none.reply(status::OK, &[0xff, 0xff], &[]));
        };
        getrandom::fill(&mut self.old.challenge).ok()?;
        self.old.negotiated = true;
        let extended = request.flags & 0x0800 != 0;
        let workstation = windows && !self.smb.host.system.name.contains("Server");
        let (multiplex, buffer, capabilities) = match (windows, workstation) {
            (true, true) => (10, 4356, 0x0001_e3fc),
            (true, false) => (50, 16_644, 0x0001_f3fc),
            (false, _) => (50, 16_644, 0x0080_f3fd),
        };
        let mut words = Vec::new();
        words.u16(le::short(index)).u8(3).u16(multiplex).u16(1).u32(buffer).u32(0x1_0000).u32(0);
        words.u32(capabilities | if extended { 0x8000_0000 } else { 0 });
        words.u64(le::now()).u16(0).u8(if extended { 0 } else { 8 });
        let mut data = Vec::new();
        if extended {
            data.put(&self.smb.guid).put(&crate::decoy::ntlm::hello(windows));
        } else {
            data.put(&self.old.challenge);
            data.wide(&self.smb.host.workgroup).u16(0).wide(&self.smb.host.computer).u16(0);
        }
        Some(request.reply(status::OK, &words, &data))
    }

    fn old_echo(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let count = request.word(0)?;
        Some(if count == 0 { Vec::new() } else { request.reply(status::OK, &[1, 0], request.data) })
    }

    /// Records the name of a known attack, once a connection.
    fn attack(&mut self, action: &'static str, id: &str) {
        if !self.old.named.contains(&action) {
            self.old.named.push(action);
            self.record.event(Kind::Request, action).outcome(false).text("vulnerability.id", id).emit();
        }
    }

    fn old_command(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        const MS17: &str = "CVE-2017-0144";
        let user = u64::from(request.user);
        let entered = self.sessions.get(&user).is_some_and(|l| l.trees.contains_key(&request.tree.into()));
        match request.command {
            // What a patched host answers to DoublePulsar's ping, whatever the tree.
            0x32 if request.word(14) == Some(0x0e) => {
                self.attack("doublepulsar_ping", MS17);
                return Some(request.error(status::NOT_IMPLEMENTED));
            }
            // Data of more than 64 KiB in all: nobody but the exploit sends that.
            0xa0 if request.words.get(9..11).is_some_and(|high| high != [0, 0]) => {
                self.attack("eternalblue", MS17);
            }
            0x33 | 0xa1 => {
                self.attack("eternalblue", MS17);
                return Some(Vec::new());
            }
            _ => {}
        }
        if !entered {
            return Some(request.error(status::BAD_TID));
        }
        Some(match request.command {
            0x71 => {
                if let Some(login) = self.sessions.get_mut(&user) {
                    login.trees.remove(&request.tree.into());
                }
                self.close_all(user, Some(request.tree.into()));
                request.reply(status::OK, &[], &[])
            }
            0x25 if request.word(14) == Some(0x23) => {
                self.attack("ms17_010_probe", "CVE-2017-0143");
                request.error(status::INVALID_HANDLE)
            }
            0x25 if request.word(14) == Some(0x26) => self.old_transact(request),
            0x04 => {
                let id = request.word(0).and_then(|fid| self.old.fids.remove(&fid));
                let open = id.and_then(|id| self.opens.remove(&id));
                request.error(if open.is_some() { status::OK } else { status::INVALID_HANDLE })
            }
            0xa2 => self.old_open(request),
            0x2f => self.old_write(request),
            0x2e => self.old_read(request),
            0x25 => request.error(status::NOT_SUPPORTED),
            0xa0 => request.error(status::INVALID_PARAMETER),
            0x32 => request.error(status::ACCESS_DENIED),
            _ => request.error(status::BAD_COMMAND),
        })
    }

    fn old_open(&mut self, request: &Request<'_>) -> Vec<u8> {
        let pipes = self
            .sessions
            .get(&request.user.into())
            .and_then(|login| login.trees.get(&request.tree.into()))
            .is_some_and(|tree| tree.share.is_pipes());
        let text = if request.wide() {
            // Texts lie on even offsets of the message.
            let odd = (request.message.len() - request.data.len()) % 2;
            le::text(request.data.get(odd..).unwrap_or_default())
        } else {
            String::from_utf8_lossy(request.data).into_owned()
        };
        let name = text.split('\0').next().unwrap_or_default().trim_matches('\\').to_lowercase();
        let name = name.strip_prefix("pipe\\").unwrap_or(&name).to_owned();
        if !pipes {
            self.record.event(Kind::File, "open").outcome(false).bytes("file.path", name.as_bytes()).emit();
            return request.error(status::ACCESS_DENIED);
        }
        let known = rpc::exists(&name, self.smb.host.system.windows);
        self.record.event(Kind::Request, "pipe_open").outcome(known).text("smb.pipe", &name).emit();
        if !known || self.old.fids.len() >= PIPES_MAX {
            return request.error(status::NAME_NOT_FOUND);
        }
        let open = Open::pipe(request.user.into(), request.tree.into(), &name);
        let Ok(id) = self.opened(open) else { return request.error(status::INSUFFICIENT_RESOURCES) };
        self.old.next = self.old.next.wrapping_add(1);
        let fid = 0x4000 | self.old.next & 0x3fff;
        self.old.fids.insert(fid, id);
        let mut words = vec![0xff, 0, 0, 0, 0];
        words.u16(fid).u32(1).put(&[0; 32]).u32(0x80).u64(4096).u64(0).u16(2).u16(0x05ff).u8(0);
        request.reply(status::OK, &words, &[])
    }

    fn old_file(&self, fid: Option<u16>) -> Option<u64> {
        self.old.fids.get(&fid?).copied()
    }

    fn old_write(&mut self, request: &Request<'_>) -> Vec<u8> {
        let Some(id) = self.old_file(request.word(2)) else { return request.error(status::INVALID_HANDLE) };
        let (length, at) = (request.word(10).unwrap_or(0), request.word(11).unwrap_or(0));
        let Some(bytes) = le::part(request.message, at.into(), length.into()) else {
            return request.error(status::INVALID_PARAMETER);
        };
        if let Err(status) = self.put(id, 0, bytes) {
            return request.error(status);
        }
        let mut words = vec![0xff, 0, 0, 0];
        words.u16(length).u16(0xffff).u32(0);
        request.reply(status::OK, &words, &[])
    }

    fn old_read(&mut self, request: &Request<'_>) -> Vec<u8> {
        let id = self.old_file(request.word(2));
        let most = request.word(5).unwrap_or(0);
        let Some(pipe) = id.and_then(|id| self.opens.get_mut(&id)).and_then(|open| open.pipe.as_mut()) else {
            return request.error(status::INVALID_HANDLE);
        };
        if pipe.out.is_empty() {
            return request.error(status::PIPE_EMPTY);
        }
        let (bytes, more) = pipe.read(most.into());
        let mut words = vec![0xff, 0, 0, 0];
        // Data begins after 24 bytes of parameters, the count of data and one byte of padding.
        words.u16(0xffff).u16(0).u16(0).u16(le::short(bytes.len())).u16(60).u32(0).put(&[0; 6]);
        let data = [&[0][..], &bytes].concat();
        request.reply(if more { status::BUFFER_OVERFLOW } else { status::OK }, &words, &data)
    }

    fn old_transact(&mut self, request: &Request<'_>) -> Vec<u8> {
        let Some(id) = self.old_file(request.word(15)) else { return request.error(status::INVALID_HANDLE) };
        let (length, at) = (request.word(11).unwrap_or(0), request.word(12).unwrap_or(0));
        let most = request.word(3).unwrap_or(0);
        let Some(bytes) = le::part(request.message, at.into(), length.into()) else {
            return request.error(status::INVALID_PARAMETER);
        };
        if let Err(status) = self.put(id, 0, bytes) {
            return request.error(status);
        }
        let Some(pipe) = self.opens.get_mut(&id).and_then(|open| open.pipe.as_mut()) else {
            return request.error(status::INVALID_HANDLE);
        };
        let (bytes, more) = pipe.read(most.into());
        let count = le::short(bytes.len());
        let mut words = Vec::new();
        words.u16(0).u16(count).u16(0).u16(0).u16(56).u16(0).u16(count).u16(56).u16(0).u16(0);
        let data = [&[0][..], &bytes].concat();
        request.reply(if more { status::BUFFER_OVERFLOW } else { status::OK }, &words, &data)
    }
}
