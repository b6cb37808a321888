//! DCE/RPC over named pipes: enough of srvsvc and wkssvc that shares are listed, and the names of what
//! else is asked for.

use super::share::Shares;
use crate::decoy::le::{self, Put as _, Reader};
use crate::decoy::ntlm::Host;
use crate::decoy::session::Recorder;
use crate::event::Kind;

/// Longest message of the pipe, in both directions.
const FRAGMENT: u16 = 4280;
/// Most bytes of a request in several fragments.
const REQUEST_MAX: usize = 64 * 1024;
/// Most interfaces bound on one pipe.
const BINDINGS_MAX: usize = 16;

/// NDR, version 2.
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0,
    0,
];

const DENIED: u32 = 5;
const INVALID_LEVEL: u32 = 124;
const NO_SUCH_SHARE: u32 = 2310;
const UNKNOWN_INTERFACE: u32 = 0x1c01_0003;
const UNKNOWN_OPERATION: u32 = 0x1c01_0002;

/// Pipe, first word of the interface on it, and one past its last operation.
const INTERFACES: [(&str, u32, u16); 13] = [
    ("srvsvc", 0x4b32_4fc8, 58),
    ("wkssvc", 0x6bff_d098, 31),
    ("lsarpc", 0x1234_5778, 135),
    ("samr", 0x1234_5778, 74),
    ("netlogon", 0x1234_5678, 60),
    ("spoolss", 0x1234_5678, 112),
    ("svcctl", 0x367a_bb81, 65),
    ("winreg", 0x338c_d001, 36),
    ("atsvc", 0x1ff7_0682, 32),
    ("browser", 0x6bff_d098, 12),
    ("efsrpc", 0xdf19_41c5, 45),
    ("lsarpc", 0xc681_d488, 45),
    ("netdfs", 0x4fc7_42e0, 24),
];

/// Whether there is a pipe of this name.
pub(super) fn exists(pipe: &str, windows: bool) -> bool {
    let common = [
        "srvsvc",
        "wkssvc",
        "lsarpc",
        "samr",
        "spoolss",
        "svcctl",
        "winreg",
        "netdfs",
        "epmapper",
        "eventlog",
        "lsass",
        "initshutdown",
    ];
    let more = ["netlogon", "atsvc", "browser", "efsrpc"];
    common.contains(&pipe) || (windows && more.contains(&pipe))
}

/// One open pipe.
pub(super) struct Pipe {
    name: String,
    bound: Vec<(u16, &'static str, u16)>,
    request: Vec<u8>,
    /// What the client has not read yet.
    pub(super) out: Vec<u8>,
}

/// Who is asked.
pub(super) struct Server<'a> {
    pub(super) host: &'a Host,
    pub(super) shares: &'a Shares,
    pub(super) record: &'a Recorder,
}

impl Pipe {
    /// Opens one.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), bound: Vec::new(), request: Vec::new(), out: Vec::new() }
    }

    /// Takes what the client writes, one message or several.
    pub(super) fn write(&mut self, server: &Server<'_>, mut bytes: &[u8]) {
        // A client that never reads is not answered any more.
        while bytes.len() >= 16 && self.out.len() < REQUEST_MAX {
            let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            let Some((message, rest)) = bytes.split_at_checked(length.max(16)) else { return };
            self.message(server, message);
            bytes = rest;
        }
    }

    /// The next bytes for a client that reads at most `most`, and whether there are more.
    pub(super) fn read(&mut self, most: usize) -> (Vec<u8>, bool) {
        let front: Vec<u8> = self.out.drain(..most.min(self.out.len())).collect();
        (front, !self.out.is_empty())
    }

    fn message(&mut self, server: &Server<'_>, message: &[u8]) {
        let call = message.get(12..16).and_then(|b| Reader::new(b).u32()).unwrap_or(0);
        let body = message.get(16..).unwrap_or_default();
        match message {
            [5, _, 11 | 14, ..] => {
                let kind = if message[2] == 11 { 12 } else { 15 };
                let answer = self.bind(server, body);
                self.reply(kind, call, &answer.unwrap_or_default());
            }
            [5, _, 0, flags, ..] => {
                let stub = body.get(8..).unwrap_or_default();
                if flags & 1 != 0 {
                    self.request.clear();
                }
                if self.request.len() + stub.len() > REQUEST_MAX {
                    return self.fault(call, DENIED);
                }
                self.request.extend_from_slice(stub);
                if flags & 2 != 0 {
                    let mut head = Reader::new(body);
                    let ids = (|| Some((head.u32()?, head.u16()?, head.u16()?)))();
                    let Some((_, context, operation)) = ids else { return self.fault(call, DENIED) };
                    let stub = std::mem::take(&mut self.request);
                    self.call(server, call, context, operation, &stub);
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, server: &Server<'_>, body: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::new(body);
        let (send, receive) = (reader.u16()?, reader.u16()?);
        let _association = reader.u32()?;
        let count = reader.u32()? & 0xff;
        let mut results = Vec::new();
        for _ in 0..count {
            let Some(context) = reader.u16() else { break };
            let Some(transfers) = reader.u16().map(|n| n & 0xff) else { break };
            let Some(interface) = reader.take(20) else { break };
            let offered = reader.take(usize::from(transfers) * 20).unwrap_or_default();
            let ndr = offered.chunks_exact(20).any(|syntax| syntax == NDR);
            let first = Reader::new(interface).u32().unwrap_or(0);
            let known = INTERFACES
                .iter()
                .find(|(pipe, word, _)| *word == first && *pipe == self.name)
                .or_else(|| INTERFACES.iter().find(|(_, word, _)| *word == first));
            server
                .record
                .event(Kind::Request, "rpc_bind")
                .text("smb.pipe", &self.name)
                .text("rpc.interface", known.map_or("unknown", |(name, ..)| name))
                .text("rpc.uuid", &uuid(interface))
                .emit();
            match known {
                Some((name, _, operations)) if ndr && self.bound.len() < BINDINGS_MAX => {
                    self.bound.push((context, name, *operations));
                    results.u32(0).put(&NDR);
                }
                // Negotiation of features, and 64-bit syntax, are refused as older servers do.
                Some(_) => {
                    results.u16(2).u16(2).put(&[0; 20]);
                }
                None => {
                    results.u16(2).u16(1).put(&[0; 20]);
                }
            }
        }
        let prefix = if server.host.system.windows { "PIPE" } else { "pipe" };
        let path = format!("\\{prefix}\\{}", self.name);
        let mut out = Vec::new();
        out.u16(receive.min(FRAGMENT)).u16(send.min(FRAGMENT)).u32(0x53f0);
        out.u16(le::short(path.len() + 1)).put(path.as_bytes()).u8(0).pad(4);
        out.u32(le::long(results.len() / 24)).put(&results);
        Some(out)
    }

    fn call(&mut self, server: &Server<'_>, call: u32, context: u16, operation: u16, stub: &[u8]) {
        let bound = self.bound.iter().find(|(id, ..)| *id == context).copied();
        server
            .record
            .event(Kind::Request, "rpc_call")
            .text("smb.pipe", &self.name)
            .text("rpc.interface", bound.map_or("unknown", |(_, name, _)| name))
            .field("rpc.operation", operation)
            .emit();
        let Some((_, interface, operations)) = bound else { return self.fault(call, UNKNOWN_INTERFACE) };
        let answer = match (interface, operation) {
            ("srvsvc", 15 | 36) => share_enum(server, stub),
            ("srvsvc", 16) => share_info(server, stub),
            ("srvsvc", 21) => server_info(server, stub),
            ("wkssvc", 0) => workstation_info(server, stub),
            _ if operation >= operations => return self.fault(call, UNKNOWN_OPERATION),
            // Opening a manager, a registry or a policy: a handle of zeros and "denied".
            ("svcctl", 15 | 27) | ("winreg", 0..=4) => Some([&[0; 20][..], &DENIED.to_le_bytes()].concat()),
            ("samr", 0 | 57 | 62 | 64) | ("lsarpc", 6 | 44) => {
                Some([&[0; 20][..], &super::status::ACCESS_DENIED.to_le_bytes()].concat())
            }
            _ => None,
        };
        match answer {
            Some(stub) => {
                let mut out = Vec::new();
                out.u32(le::long(stub.len())).u16(context).u16(0).put(&stub);
                self.reply(2, call, &out);
            }
            None => self.fault(call, DENIED),
        }
    }

    fn fault(&mut self, call: u32, status: u32) {
        let mut out = Vec::new();
        out.u32(32).u32(0).u32(status).u32(0);
        self.reply(3, call, &out);
    }

    fn reply(&mut self, kind: u8, call: u32, body: &[u8]) {
        self.out.put(&[5, 0, kind, 3, 0x10, 0, 0, 0]);
        self.out.u16(le::short(body.len() + 16)).u16(0).u32(call).put(body);
    }
}

fn uuid(bytes: &[u8]) -> String {
    let mut reader = Reader::new(bytes);
    let parts =
        (|| Some((reader.u32()?, reader.u16()?, reader.u16()?, reader.array::<2>()?, reader.array::<6>()?)))(
        );
    let Some((a, b, c, d, e)) = parts else { return String::new() };
    format!("{a:08x}-{b:04x}-{c:04x}-{}-{}", hex::encode(d), hex::encode(e))
}

/// Reads a pointer to a text.
fn pointed(reader: &mut Reader<'_>) -> Option<String> {
    if reader.u32()? == 0 { Some(String::new()) } else { text(reader) }
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    let (_, _, count) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let bytes = usize::try_from(count).ok()?.checked_mul(2)?;
    let text = le::text(reader.take(bytes)?);
    if bytes % 4 != 0 {
        reader.u16()?;
    }
    Some(text.trim_end_matches('\0').to_owned())
}

/// Pointers first, the texts they point to afterwards.
#[derive(Default)]
struct Ndr {
    out: Vec<u8>,
    texts: Vec<u8>,
    next: u32,
}

impl Ndr {
    fn pointer(&mut self) -> &mut Self {
        self.next = self.next.wrapping_add(4);
        self.out.u32(0x2_0008 + self.next);
        self
    }

    fn number(&mut self, value: u32) -> &mut Self {
        self.out.u32(value);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.pointer();
        let units = le::wide(text);
        let count = le::long(units.len() / 2 + 1);
        self.texts.u32(count).u32(0).u32(count).put(&units).u16(0).pad(4);
        self
    }

    fn end(mut self, tail: &[u32]) -> Vec<u8> {
        self.out.extend(std::mem::take(&mut self.texts));
        for word in tail {
            self.out.u32(*word);
        }
        self.out
    }
}

fn share_enum(server: &Server<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(stub);
    pointed(&mut reader)?;
    let level = reader.u32()?;
    let mut ndr = Ndr::default();
    ndr.number(level).number(level).pointer();
    let status = match level {
        0 | 1 => 0,
        2 | 501 | 502 | 503 => DENIED,
        _ => INVALID_LEVEL,
    };
    if status != 0 {
        ndr.number(0).number(0);
        return Some(ndr.end(&[0, 0, status]));
    }
    let all = server.shares.all();
    let count = le::long(all.len());
    ndr.number(count).pointer().number(count);
    for share in all {
        ndr.text(&share.name);
        if level == 1 {
            ndr.number(share.kind).text(&share.comment);
        }
    }
    Some(ndr.end(&[count, 0, 0]))
}

fn share_info(server: &Server<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(stub);
    pointed(&mut reader)?;
    let name = text(&mut reader)?;
    let level = reader.u32()?;
    let mut ndr = Ndr::default();
    ndr.number(level);
    let Some(share) = server.shares.find(&name) else {
        ndr.number(0);
        return Some(ndr.end(&[NO_SUCH_SHARE]));
    };
    if level != 1 {
        ndr.number(0);
        return Some(ndr.end(&[if matches!(level, 2 | 502) { DENIED } else { INVALID_LEVEL }]));
    }
    ndr.pointer().text(&share.name).number(share.kind).text(&share.comment);
    Some(ndr.end(&[0]))
}

fn server_info(server: &Server<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(stub);
    pointed(&mut reader)?;
    let level = reader.u32()?;
    let windows = server.host.system.windows;
    let (major, minor) = if windows { (10, 0) } else { (6, 1) };
    let mut ndr = Ndr::default();
    ndr.number(level);
    if !matches!(level, 100 | 101) {
        ndr.number(0);
        return Some(ndr.end(&[if level == 102 { DENIED } else { INVALID_LEVEL }]));
    }
    ndr.pointer().number(500).text(&server.host.computer);
    if level == 101 {
        let kind = if windows { 0x9003 } else { 0x0080_9a03 };
        ndr.number(major).number(minor).number(kind).text(&server.shares.server);
    }
    Some(ndr.end(&[0]))
}

fn workstation_info(server: &Server<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(stub);
    pointed(&mut reader)?;
    let level = reader.u32()?;
    let mut ndr = Ndr::default();
    ndr.number(level);
    if level != 100 {
        ndr.number(0);
        return Some(ndr.end(&[DENIED]));
    }
    let (major, minor) = if server.host.system.windows { (10, 0) } else { (6, 1) };
    ndr.pointer().number(500).text(&server.host.computer).text(&server.host.workgroup);
    ndr.number(major).number(minor);
    Some(ndr.end(&[0]))
}
