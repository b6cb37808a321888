//! The server behind the connections: what they share, and how a request becomes a reply.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::admin;
use super::bait;
use super::data::Keys;
use super::keyspace::Keyspace;
use super::profile::Profile;
use super::proto::Reply;
use super::script::{self, Script};
use super::table::{self, Command};
use crate::decoy::setting::text;
use crate::decoy::uptime;
use crate::model::{Persona, Settings};

/// Most bytes of one reply; a genuine server would go on, a decoy hangs up.
const REPLY_MAX: usize = 4 << 20;
/// Most requests and bytes waiting for EXEC.
const QUEUE_MAX: (usize, usize) = (256, 256 * 1024);

/// What all connections share.
pub(super) struct Shared {
    pub(super) keys: Keyspace,
    pub(super) config: BTreeMap<String, String>,
    pub(super) master: Option<(String, u16)>,
    pub(super) last_save: i64,
    /// Connections, commands and errors.
    pub(super) seen: [u64; 3],
    pub(super) errors: BTreeMap<String, u64>,
    /// Users made with ACL SETUSER: name, hex SHA-256 of the password.
    pub(super) users: BTreeMap<String, String>,
    /// Scripts by SHA-1.
    pub(super) scripts: BTreeMap<String, Vec<u8>>,
    /// Open connections: the line CLIENT LIST shows of each.
    pub(super) clients: BTreeMap<u64, String>,
    next_id: u64,
}

/// One Redis server.
pub(super) struct Server {
    pub(super) persona: Persona,
    pub(super) profile: Profile,
    shared: Mutex<Shared>,
}

/// What the server knows of one connection.
pub(super) struct Conn {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Seconds since 1970.
    pub(super) since: i64,
    pub(super) name: Vec<u8>,
    pub(super) user: String,
    pub(super) db: usize,
    pub(super) proto: u8,
    pub(super) authed: bool,
    pub(super) last: String,
    /// Subscribed channels; true: a pattern.
    pub(super) channels: Vec<(Vec<u8>, bool)>,
    queue: Option<Vec<Vec<Vec<u8>>>>,
    queue_bad: bool,
}

/// What goes back for one request.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    /// Hang up after it.
    pub(super) close: bool,
    /// Hang up at once and lose what was not sent yet, as the genuine one does to HTTP.
    pub(super) drop: bool,
    /// The user, password and outcome of a login.
    pub(super) login: Option<(Vec<u8>, Vec<u8>, bool)>,
    /// The command was refused or unknown.
    pub(super) failed: bool,
}

/// Microseconds since 1970.
pub(super) fn now_usec() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

impl Server {
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let profile = Profile::new(persona, settings);
        let mut keys = Keyspace::default();
        let now = now_usec();
        bait::fill(&mut keys, &persona.seed, now / 1000);
        keys.dirty = persona.seed.number("redis/dirty", 90);
        let mut config = super::config::defaults(&profile);
        if let Some(password) = text(settings, "password") {
            config.insert("requirepass".into(), password.to_owned());
        }
        let age = i64::try_from(persona.seed.number("redis/save", 3000)).unwrap_or(0);
        let shared = Shared {
            keys,
            config,
            master: None,
            last_save: now / 1_000_000 - age,
            seen: [0; 3],
            errors: BTreeMap::new(),
            users: BTreeMap::new(),
            scripts: BTreeMap::new(),
            clients: BTreeMap::new(),
            next_id: 1 + persona.seed.number("redis/client", 4000),
        };
        Self { persona: persona.clone(), profile, shared: Mutex::new(shared) }
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the server started, in seconds since 1970.
    pub(super) fn started(&self) -> i64 {
        let wait = i64::try_from(self.persona.seed.number("redis/start", 20)).unwrap_or(0);
        uptime::booted(&self.persona, now_usec() / 1_000_000).saturating_add(4 + wait)
    }

    /// A new connection.
    pub(super) fn open(&self, peer: SocketAddr, local: SocketAddr) -> Conn {
        let mut shared = self.shared();
        let id = shared.next_id;
        shared.next_id = id.saturating_add(1);
        shared.seen[0] = shared.seen[0].saturating_add(1);
        let authed = shared.config.get("requirepass").is_none_or(String::is_empty);
        let conn = Conn {
            id,
            peer,
            local,
            since: now_usec() / 1_000_000,
            name: Vec::new(),
            user: "default".into(),
            db: 0,
            proto: 2,
            authed,
            last: "NULL".into(),
            channels: Vec::new(),
            queue: None,
            queue_bad: false,
        };
        shared.clients.insert(id, admin::client_line(&self.profile, &conn));
        conn
    }

    /// A connection is gone.
    pub(super) fn closed(&self, conn: &Conn) {
        self.shared().clients.remove(&conn.id);
    }

    /// Answers one request; `args` is never empty.
    pub(super) fn answer(&self, conn: &mut Conn, args: &[Vec<u8>]) -> Answer {
        let mut answer = Answer::default();
        let name = lower(args.first());
        if name == "post" || name == "host:" {
            answer.drop = true;
            return answer;
        }
        let mut shared = self.shared();
        shared.seen[1] = shared.seen[1].saturating_add(1);
        shared.keys.expire(now_usec() / 1000);
        let reply = match self.admit(&shared, conn, &name, args) {
            Err(error) => {
                conn.queue_bad |= conn.queue.is_some();
                error
            }
            Ok(command) => self.perform(&mut shared, conn, command, args, &mut answer),
        };
        if let Reply::Error(text) = &reply {
            answer.failed = true;
            shared.seen[2] = shared.seen[2].saturating_add(1);
            let code = text.split(' ').next().unwrap_or("ERR").to_owned();
            if let Some(count) = shared.errors.get_mut(&code) {
                *count = count.saturating_add(1);
            } else if shared.errors.len() < 64 {
                shared.errors.insert(code, 1);
            }
        }
        shared.clients.insert(conn.id, admin::client_line(&self.profile, conn));
        reply.encode(conn.proto, &mut answer.bytes);
        answer.close |= answer.bytes.len() > REPLY_MAX;
        answer
    }

    /// The checks before a command runs, in the order of the genuine server.
    fn admit(
        &self,
        shared: &Shared,
        conn: &Conn,
        name: &str,
        args: &[Vec<u8>],
    ) -> Result<&'static Command, Reply> {
        let command = table::find(&self.profile, name).ok_or_else(|| self.unknown(args))?;
        let sub = lower(args.get(1));
        if !command.takes(args.len()) {
            return Err(wrong_count(name));
        }
        if self.profile.since(7, 0) && command.is_group() && args.len() > 1 {
            admin::check_subcommand(&self.profile, name, &sub, args)?;
        }
        let open = ["auth", "hello", "quit", "reset"].contains(&name);
        if !conn.authed && !open {
            return Err(Reply::error("NOAUTH Authentication required."));
        }
        if shared.master.is_some() && command.is("write") {
            return Err(Reply::error("READONLY You can't write against a read only replica."));
        }
        let listening =
            ["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"];
        if !conn.channels.is_empty()
            && conn.proto < 3
            && !listening.contains(&name)
            && !["ping", "quit", "reset"].contains(&name)
        {
            return Err(Reply::Error(if self.profile.since(7, 0) {
                format!(
                    "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
                     are allowed in this context"
                )
            } else {
                "ERR only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT allowed in this context".to_owned()
            }));
        }
        Ok(command)
    }

    fn perform(
        &self,
        shared: &mut Shared,
        conn: &mut Conn,
        command: &Command,
        args: &[Vec<u8>],
        answer: &mut Answer,
    ) -> Reply {
        match command.name {
            "multi" if conn.queue.is_some() => return Reply::error("ERR MULTI calls can not be nested"),
            "multi" => {
                conn.queue = Some(Vec::new());
                conn.queue_bad = false;
                return Reply::OK;
            }
            "discard" | "exec" => {
                let Some(queue) = conn.queue.take() else {
                    return Reply::Error(format!("ERR {} without MULTI", command.name.to_uppercase()));
                };
                if command.name == "discard" {
                    return Reply::OK;
                }
                if std::mem::take(&mut conn.queue_bad) {
                    return Reply::error("EXECABORT Transaction discarded because of previous errors.");
                }
                let mut size = 0;
                let mut replies = Vec::new();
                for request in queue {
                    let reply = match table::find(&self.profile, &lower(request.first())) {
                        Some(command) => self.run(shared, conn, command, &request, answer),
                        None => self.unknown(&request),
                    };
                    let mut bytes = Vec::new();
                    reply.encode(conn.proto, &mut bytes);
                    size += bytes.len();
                    replies.push(reply);
                    if size > REPLY_MAX {
                        answer.close = true;
                        break;
                    }
                }
                return Reply::Array(replies);
            }
            "watch" | "unwatch" => return Reply::OK,
            "quit" | "reset" => {}
            _ => {
                if let Some(queue) = &mut conn.queue {
                    let size: usize = queue.iter().flatten().chain(args).map(Vec::len).sum();
                    answer.close = queue.len() >= QUEUE_MAX.0 || size > QUEUE_MAX.1;
                    queue.push(args.to_vec());
                    return Reply::Simple("QUEUED");
                }
            }
        }
        self.run(shared, conn, command, args, answer)
    }

    /// Runs one command whose arguments were counted.
    fn run(
        &self,
        shared: &mut Shared,
        conn: &mut Conn,
        command: &Command,
        args: &[Vec<u8>],
        answer: &mut Answer,
    ) -> Reply {
        conn.last = command.name.to_owned();
        if self.profile.since(7, 0) && command.is_group() && args.len() > 1 {
            conn.last = format!("{}|{}", command.name, lower(args.get(1)));
        }
        if command.name == "reset" {
            conn.queue = None;
        }
        let now = now_usec() / 1000;
        if let Some(reply) = (Keys { space: &mut shared.keys, db: conn.db, now }).run(command.name, args) {
            return reply;
        }
        match command.name {
            "eval" | "eval_ro" => self.script(shared, conn, args, answer),
            "evalsha" | "evalsha_ro" => {
                let found = shared.scripts.get(&lower(args.get(1))).cloned();
                match found {
                    None => Reply::error("NOSCRIPT No matching script. Please use EVAL."),
                    Some(script) => {
                        let mut args = args.to_vec();
                        if let Some(slot) = args.get_mut(1) {
                            *slot = script;
                        }
                        self.script(shared, conn, &args, answer)
                    }
                }
            }
            _ => admin::run(self, shared, conn, command, args, answer),
        }
    }

    fn script(&self, shared: &mut Shared, conn: &mut Conn, args: &[Vec<u8>], answer: &mut Answer) -> Reply {
        let body = args.get(1).map(Vec::as_slice).unwrap_or_default();
        let (keys, argv) = match script::keys_and_args(args.get(2..).unwrap_or_default()) {
            Ok(split) => split,
            Err(error) => return error,
        };
        if shared.scripts.len() < 32 && body.len() <= 4096 {
            shared.scripts.insert(script::sha1_hex(body), body.to_vec());
        }
        match script::eval(&self.profile, body, keys, argv) {
            Script::Done(reply) => reply,
            Script::Call(words) => {
                let name = lower(words.first());
                match table::find(&self.profile, &name) {
                    // Scripts cannot call scripts, and what needs a connection is not for them either.
                    Some(command) if command.takes(words.len()) && !command.is("noscript") => {
                        self.run(shared, conn, command, &words, answer)
                    }
                    Some(_) => Reply::error("ERR Wrong number of args calling Redis command from script"),
                    None => Reply::error("ERR Unknown Redis command called from script"),
                }
            }
        }
    }

    /// The error for a command this release does not have.
    fn unknown(&self, args: &[Vec<u8>]) -> Reply {
        let (open, close, between) =
            if self.profile.since(7, 0) { ("'", "'", " ") } else { ("`", "`", ", ") };
        let cut = |arg: &[u8], most: usize| {
            let end = arg.iter().position(|b| *b == 0).unwrap_or(arg.len()).min(most);
            String::from_utf8_lossy(arg.get(..end).unwrap_or_default()).into_owned()
        };
        let name = args.first().map(|a| cut(a, 128)).unwrap_or_default();
        if !self.profile.since(5, 0) {
            return Reply::Error(format!("ERR unknown command '{name}'"));
        }
        let mut shown = String::new();
        for arg in args.iter().skip(1) {
            if shown.len() >= 128 {
                break;
            }
            shown.push_str(&format!("{open}{}{close}{between}", cut(arg, 128 - shown.len())));
        }
        Reply::Error(format!("ERR unknown command {open}{name}{close}, with args beginning with: {shown}"))
    }
}

/// The error for a wrong number of arguments.
pub(super) fn wrong_count(name: &str) -> Reply {
    Reply::Error(format!("ERR wrong number of arguments for '{name}' command"))
}

/// An argument in lower case, as text; empty when there is none.
pub(super) fn lower(arg: Option<&Vec<u8>>) -> String {
    let arg = arg.map(Vec::as_slice).unwrap_or_default();
    String::from_utf8_lossy(arg.get(..arg.len().min(256)).unwrap_or_default()).to_ascii_lowercase()
}
