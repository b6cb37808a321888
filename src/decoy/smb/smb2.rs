//! Versions 2 and 3: headers, negotiation, sessions, shares.

use std::collections::BTreeMap;

use super::seal::{CCM, Crypt, GCM};
use super::share::Access;
use super::sign::{self, Key};
use super::{CREDITS, Conn, Login, SESSIONS_MAX, Tree, Who, status};
use crate::decoy::le::{self, Put as _, Reader};
use crate::decoy::ntlm::{self, Exchange, Step};
use crate::event::Kind;

/// Messages in one frame.
const CHAIN_MAX: usize = 32;
/// Shares one login may be in.
const TREES_MAX: usize = 8;
/// Length of a header.
pub(super) const HEADER: usize = 64;

/// Commands.
mod command {
    pub(super) const NEGOTIATE: u16 = 0;
    pub(super) const SESSION_SETUP: u16 = 1;
    pub(super) const LOGOFF: u16 = 2;
    pub(super) const TREE_CONNECT: u16 = 3;
    pub(super) const TREE_DISCONNECT: u16 = 4;
    pub(super) const CANCEL: u16 = 12;
    pub(super) const ECHO: u16 = 13;
    pub(super) const CHANGE_NOTIFY: u16 = 15;
}

const FLAG_REPLY: u32 = 1;
const FLAG_ASYNC: u32 = 2;
const FLAG_RELATED: u32 = 4;
const FLAG_SIGNED: u32 = 8;
const FLAG_PRIORITY: u32 = 0x70;

/// What a client said of itself, to be confirmed later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Client {
    pub(super) capabilities: u32,
    pub(super) guid: [u8; 16],
}

/// A header as far as it matters.
#[derive(Clone, Copy, Debug)]
struct Header {
    charge: u16,
    command: u16,
    credits: u16,
    flags: u32,
    next: usize,
    message: u64,
    process: u32,
    tree: u32,
    session: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(4..HEADER)?);
        if reader.u16()? != 64 {
            return None;
        }
        let charge = reader.u16()?;
        reader.u32()?;
        Some(Self {
            charge,
            command: reader.u16()?,
            credits: reader.u16()?,
            flags: reader.u32()?,
            next: usize::try_from(reader.u32()?).ok()?,
            message: reader.u64()?,
            process: reader.u32()?,
            tree: reader.u32()?,
            session: reader.u64()?,
        })
    }

    /// The header of the answer; its process and tree are the asynchronous number when it is pending.
    fn reply(&self, status: u32, next: u32, pending: Option<u64>) -> Vec<u8> {
        let mut flags = FLAG_REPLY | self.flags & (FLAG_RELATED | FLAG_PRIORITY);
        let credits = match (self.command, status) {
            (command::NEGOTIATE, _) => 1,
            (_, status::MORE_PROCESSING) => 1,
            _ => self.credits.clamp(1, CREDITS),
        };
        if pending.is_some() {
            flags |= FLAG_ASYNC;
        }
        let mut out = b"\xfeSMB".to_vec();
        out.u16(64).u16(self.charge).u32(status).u16(self.command).u16(credits).u32(flags).u32(next);
        out.u64(self.message);
        match pending {
            Some(number) => out.u64(number),
            None => out.u32(self.process).u32(self.tree),
        };
        out.u64(self.session).put(&[0; 16]);
        out
    }
}

/// The answer to one message.
pub(super) struct Answer {
    pub(super) status: u32,
    pub(super) body: Vec<u8>,
    /// Number under which the rest would follow.
    pending: Option<u64>,
    /// Key to sign with although the request was not signed.
    key: Option<Key>,
}

impl Answer {
    /// A body with a status.
    pub(super) fn new(status: u32, body: Vec<u8>) -> Self {
        Self { status, body, pending: None, key: None }
    }

    /// All went well.
    pub(super) fn ok(body: Vec<u8>) -> Self {
        Self::new(status::OK, body)
    }

    /// Nothing but a status.
    pub(super) fn error(status: u32) -> Self {
        Self::new(status, vec![9, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

impl Conn {
    /// Answers a frame of one or several messages; none ends the connection.
    pub(super) fn smb2(&mut self, mut message: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut related = None;
        for _ in 0..CHAIN_MAX {
            let mut header = Header::parse(message)?;
            let (one, rest) = match header.next {
                0 => (message, &[][..]),
                next if next < HEADER => return None,
                next => message.split_at_checked(next)?,
            };
            if let (true, Some((session, tree))) = (header.flags & FLAG_RELATED != 0, related) {
                (header.session, header.tree) = (session, tree);
            }
            if header.command == command::CANCEL {
                return Some(Vec::new());
            }
            let mut answer = self.answer(&mut header, one)?;
            related = Some((header.session, header.tree));
            let start = out.len();
            let mut reply = header.reply(answer.status, 0, answer.pending);
            reply.append(&mut answer.body);
            if !rest.is_empty() {
                reply.pad(8);
                let next = le::long(reply.len());
                reply[20..24].copy_from_slice(&next.to_le_bytes());
            }
            let signed = header.flags & FLAG_SIGNED != 0;
            let key = self.sessions.get(&header.session).and_then(|login| login.key.clone());
            if let Some(key) = answer.key.or(key.filter(|_| signed)) {
                reply[16] |= 8;
                key.sign(&mut reply);
            }
            out.append(&mut reply);
            self.chained(&header, answer.status, one, &out[start..]);
            if rest.is_empty() {
                return Some(out);
            }
            message = rest;
        }
        None
    }

    /// Keeps the hash over the dialogue up to the end of a login.
    fn chained(&mut self, header: &Header, status: u32, request: &[u8], reply: &[u8]) {
        if self.dialect != 0x0311 {
            return;
        }
        match (header.command, status) {
            (command::NEGOTIATE, status::OK) => {
                self.preauth = sign::chain(&sign::chain(&[0; 64], request), reply);
            }
            (command::SESSION_SETUP, status::MORE_PROCESSING) => {
                if let Some(login) = self.sessions.get_mut(&header.session) {
                    login.preauth = sign::chain(&login.preauth, reply);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, header: &mut Header, message: &[u8]) -> Option<Answer> {
        let body = message.get(HEADER..)?;
        if self.dialect == 0 && header.command != command::NEGOTIATE {
            return None;
        }
        match header.command {
            command::NEGOTIATE => return self.negotiate(message, body),
            command::SESSION_SETUP => return Some(self.setup(header, message, body)),
            command::ECHO => return Some(Answer::ok(vec![4, 0, 0, 0])),
            20.. => return Some(Answer::error(status::INVALID_PARAMETER)),
            _ => {}
        }
        if self.sessions.get(&header.session).is_none_or(|login| login.who.is_none()) {
            return Some(Answer::error(status::USER_SESSION_DELETED));
        }
        Some(match header.command {
            command::LOGOFF => {
                self.sessions.remove(&header.session);
                self.close_all(header.session, None);
                Answer::ok(vec![4, 0, 0, 0])
            }
            command::TREE_CONNECT => self.connect(header, message, body),
            _ => {
                let login = self.sessions.get_mut(&header.session)?;
                if !login.trees.contains_key(&header.tree) {
                    return Some(Answer::error(status::NETWORK_NAME_DELETED));
                }
                match header.command {
                    command::TREE_DISCONNECT => {
                        login.trees.remove(&header.tree);
                        self.close_all(header.session, Some(header.tree));
                        Answer::ok(vec![4, 0, 0, 0])
                    }
                    command::CHANGE_NOTIFY => {
                        Answer { pending: Some(header.message | 1), ..Answer::error(status::PENDING) }
                    }
                    other => self.file(other, header.session, header.tree, message, body),
                }
            }
        })
    }

    /// The dialect that both sides have.
    fn negotiate(&mut self, message: &[u8], body: &[u8]) -> Option<Answer> {
        if self.dialect != 0 {
            return None;
        }
        let mut reader = Reader::new(body);
        let mut parse = || {
            let (_, count) = (reader.u16()?, reader.u16()?);
            reader.u32()?;
            let (capabilities, guid) = (reader.u32()?, reader.array()?);
            let (contexts, number) = (reader.u32()?, reader.u16()?);
            reader.u16()?;
            let dialects: Option<Vec<u16>> = (0..count.min(64)).map(|_| reader.u16()).collect();
            Some((dialects?, Client { capabilities, guid }, contexts, number))
        };
        let Some((dialects, client, at, count)) = parse() else {
            return Some(Answer::error(status::INVALID_PARAMETER));
        };
        if dialects.is_empty() {
            return Some(Answer::error(status::INVALID_PARAMETER));
        }
        let known = [0x0311, 0x0302, 0x0300, 0x0210, 0x0202];
        let Some(dialect) = known.into_iter().find(|d| dialects.contains(d)) else {
            return Some(Answer::error(status::NOT_SUPPORTED));
        };
        let mut contexts = Vec::new();
        if dialect == 0x0311 {
            let offered = usize::try_from(at).ok().and_then(|at| message.get(at..)).filter(|_| at >= 100);
            let Some(answer) =
                offered.and_then(|bytes| contexts_for(bytes, count, self.smb.host.system.windows))
            else {
                return Some(Answer::error(status::INVALID_PARAMETER));
            };
            (contexts, self.cipher) = answer;
        }
        if matches!(dialect, 0x0300 | 0x0302) && client.capabilities & 0x40 != 0 {
            self.cipher = CCM;
        }
        self.client = client;
        self.dialect = dialect;
        let dialects: Vec<_> = dialects.iter().map(|d| format!("{d:04x}")).collect();
        self.record
            .event(Kind::Request, "negotiate")
            .text("smb.dialect", &format!("{dialect:04x}"))
            .field("smb.client_dialects", dialects)
            .text("smb.client_guid", &hex::encode(client.guid))
            .emit();
        Some(Answer::ok(self.hello(dialect, &contexts)))
    }

    /// The answer to a client that came with version 1 and knows this one too.
    pub(super) fn greeting(&mut self, dialect: u16) -> Vec<u8> {
        if dialect == 0x0202 {
            self.dialect = dialect;
        }
        let header = Header {
            charge: 0,
            command: command::NEGOTIATE,
            credits: 1,
            flags: 0,
            next: 0,
            message: 0,
            process: 0,
            tree: 0,
            session: 0,
        };
        let mut out = header.reply(status::OK, 0, None);
        out.append(&mut self.hello(dialect, &[]));
        out
    }

    /// Body of the answer to a negotiation; `contexts` as [`contexts_for`] makes them.
    pub(super) fn hello(&self, dialect: u16, contexts: &[Vec<u8>]) -> Vec<u8> {
        let most: u32 = if dialect == 0x0202 { 0x1_0000 } else { 0x80_0000 };
        let blob = ntlm::hello(self.smb.host.system.windows);
        let mut out = Vec::new();
        out.u16(65).u16(1).u16(dialect).u16(le::short(contexts.len()));
        out.put(&self.smb.guid).u32(self.capabilities(dialect)).u32(most).u32(most).u32(most);
        out.u64(le::now()).u64(0).u16(128).u16(le::short(blob.len()));
        let end = (128 + blob.len()).next_multiple_of(8);
        out.u32(if contexts.is_empty() { 0 } else { le::long(end) }).put(&blob);
        for context in contexts {
            out.pad(8).put(context);
        }
        out
    }

    /// Several channels, leases of folders and (before 3.1.1) enciphering are had when both sides have them.
    fn capabilities(&self, dialect: u16) -> u32 {
        let both = match (dialect, self.smb.host.system.windows) {
            (0x0202, _) => return 1,
            (0x0300 | 0x0302, true) => 0x68,
            (0x0300 | 0x0302, false) => 0x48,
            (0x0311, true) => 0x28,
            (0x0311, false) => 0x08,
            _ => 0,
        };
        7 | self.client.capabilities & both
    }

    /// Answers the check that nobody tampered with the negotiation.
    pub(super) fn confirm(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.u32(self.capabilities(self.dialect)).put(&self.smb.guid).u16(1).u16(self.dialect);
        out
    }

    fn setup(&mut self, header: &mut Header, message: &[u8], body: &[u8]) -> Answer {
        let mut reader = Reader::new(body);
        let mut parse = || {
            reader.u32()?;
            reader.u64()?;
            let (offset, length) = (reader.u16()?, reader.u16()?);
            le::part(message, offset.into(), length.into()).filter(|token| !token.is_empty())
        };
        let Some(token) = parse() else { return Answer::error(status::INVALID_PARAMETER) };
        let new = header.session == 0;
        if new {
            let mut number = [0; 8];
            if self.sessions.len() >= SESSIONS_MAX || getrandom::fill(&mut number[..4]).is_err() {
                return Answer::error(status::REQUEST_NOT_ACCEPTED);
            }
            header.session = u64::from_le_bytes(number) | 1;
            self.sessions.insert(header.session, Login::new(self.preauth));
        }
        let (dialect, cipher) = (self.dialect, self.cipher);
        let Some(login) = self.sessions.get_mut(&header.session) else {
            return Answer::error(status::USER_SESSION_DELETED);
        };
        login.preauth = sign::chain(&login.preauth, message);
        let Some(mut exchange) = login.exchange.take().or_else(Exchange::new) else {
            return Answer::error(status::INSUFFICIENT_RESOURCES);
        };
        match exchange.step(&self.smb.host, token) {
            Step::Continue(token) => {
                login.exchange = Some(exchange);
                Answer::new(status::MORE_PROCESSING, session_body(0, &token))
            }
            Step::Bad => {
                self.sessions.remove(&header.session);
                if new {
                    header.session = 0;
                }
                Answer::error(status::INVALID_PARAMETER)
            }
            Step::Done(message) => match self.login(&message, &exchange.challenge) {
                Ok((who, key)) => {
                    let windows = self.smb.host.system.windows;
                    let token = exchange.accepted(&message, key.as_ref());
                    let Some(login) = self.sessions.get_mut(&header.session) else {
                        return Answer::error(status::USER_SESSION_DELETED);
                    };
                    login.who = Some(who);
                    login.crypt =
                        key.as_ref().and_then(|key| Crypt::new(dialect, cipher, key, &login.preauth));
                    login.key = key.map(|key| Key::new(dialect, &key, &login.preauth));
                    let flags = match who {
                        Who::Guest => 1,
                        // Samba does not say so.
                        Who::Anonymous if windows => 2,
                        Who::Anonymous | Who::Account => 0,
                    };
                    Answer { key: login.key.clone(), ..Answer::ok(session_body(flags, &token)) }
                }
                Err(status) => {
                    self.sessions.remove(&header.session);
                    Answer::error(status)
                }
            },
        }
    }

    fn connect(&mut self, header: &mut Header, message: &[u8], body: &[u8]) -> Answer {
        let mut reader = Reader::new(body);
        let mut parse = || {
            reader.u32()?;
            let (offset, length) = (reader.u16()?, reader.u16()?);
            le::part(message, offset.into(), length.into())
        };
        let Some(path) = parse().map(le::text) else { return Answer::error(status::INVALID_PARAMETER) };
        match self.enter(header.session, &path) {
            Ok(number) => {
                header.tree = number;
                let tree = self.sessions.get(&header.session).and_then(|login| login.trees.get(&number));
                let pipes = tree.is_some_and(|tree| tree.share.is_pipes());
                let mut out = Vec::new();
                out.u16(16).u16(if pipes { 2 } else { 1 });
                out.u32(if pipes && self.smb.host.system.windows { 0x30 } else { 0 }).u32(0);
                out.u32(if pipes { 0x001f_00a9 } else { 0x001f_01ff });
                Answer::ok(out)
            }
            Err(status) => Answer::error(status),
        }
    }

    /// Enters the share that a path names; gives the number of the tree.
    pub(super) fn enter(&mut self, session: u64, path: &str) -> Result<u32, u32> {
        let name = path.trim_end_matches('\0').rsplit('\\').next().unwrap_or_default();
        let found = self.smb.shares.find(name).cloned();
        let smb = self.smb.clone();
        let login = self.sessions.get_mut(&session);
        let who = login.as_ref().and_then(|login| login.who);
        let entered = match (login, found) {
            (Some(_), None) => Err(status::BAD_NETWORK_NAME),
            (Some(_), Some(share)) if share.access == Access::Accounts && who != Some(Who::Account) => {
                Err(status::ACCESS_DENIED)
            }
            (Some(login), Some(_)) if login.trees.len() >= TREES_MAX => Err(status::INSUFFICIENT_RESOURCES),
            (Some(login), Some(share)) => {
                let number = (1..).find(|n| !login.trees.contains_key(n)).unwrap_or(1);
                login.trees.insert(number, Tree { files: smb.files(&share), share });
                Ok(number)
            }
            (None, _) => Err(status::USER_SESSION_DELETED),
        };
        self.record
            .event(Kind::Request, "tree_connect")
            .outcome(entered.is_ok())
            .text("smb.share", path.trim_end_matches('\0'))
            .emit();
        entered
    }
}

impl Login {
    /// One that has begun.
    pub(super) fn new(preauth: [u8; 64]) -> Self {
        Self { exchange: None, who: None, key: None, crypt: None, preauth, trees: BTreeMap::new() }
    }
}

fn session_body(flags: u16, token: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(9).u16(flags).u16(72).u16(le::short(token.len())).put(token);
    out
}

/// Our contexts for those that a client offers, and the cipher chosen; none when it offers no hash that we have.
fn contexts_for(mut bytes: &[u8], count: u16, windows: bool) -> Option<(Vec<Vec<u8>>, u16)> {
    let mut hash = None;
    let mut cipher = 0;
    let mut others = Vec::new();
    for _ in 0..count.min(16) {
        let mut reader = Reader::new(bytes);
        let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
        reader.u32()?;
        let mut data = Reader::new(reader.take(length)?);
        match kind {
            1 => {
                let (algorithms, _) = (data.u16()?, data.u16()?);
                (0..algorithms.min(16)).find(|_| data.u16() == Some(1))?;
                let mut salt = [0; 32];
                getrandom::fill(&mut salt).ok()?;
                let mut body = vec![1, 0, 32, 0, 1, 0];
                body.put(&salt);
                hash = Some(context(1, &body));
            }
            2 => {
                let ciphers: Vec<u16> = (0..data.u16()?.min(16)).map_while(|_| data.u16()).collect();
                if let Some(found) = [GCM, CCM].into_iter().find(|c| ciphers.contains(c)) {
                    cipher = found;
                    let mut body = vec![1, 0];
                    body.u16(found);
                    others.push(context(2, &body));
                }
            }
            // Of the ways to sign there is only the one; those releases of Windows know of no others.
            8 if !windows => {
                let ways: Vec<u16> = (0..data.u16()?.min(16)).map_while(|_| data.u16()).collect();
                if ways.contains(&1) {
                    others.push(context(8, &[1, 0, 1, 0]));
                }
            }
            _ => {}
        }
        let step = (8 + length).next_multiple_of(8);
        bytes = bytes.get(step..).unwrap_or_default();
    }
    let mut all = vec![hash?];
    all.extend(others);
    Some((all, cipher))
}

fn context(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(kind).u16(le::short(data.len())).u32(0).put(data);
    out
}
