//! Commands on the server and the connection.

use super::config;
use super::info;
use super::keyspace::DATABASES;
use super::profile::Profile;
use super::proto::{Reply, integer};
use super::script;
use super::server::{Answer, Conn, Server, Shared, lower, now_usec, wrong_count};
use super::table::{self, Command};
use super::users;

/// Most channels one connection subscribes to.
const CHANNELS_MAX: usize = 256;

fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

/// In release 7.0 an unknown subcommand, or a wrong number of arguments for it, is refused before the
/// connection's rights are looked at.
pub(super) fn check_subcommand(
    profile: &Profile,
    name: &str,
    sub: &str,
    args: &[Vec<u8>],
) -> Result<(), Reply> {
    let line = include_str!("subcommands.txt").lines().find(|l| l.split(' ').next() == Some(name));
    let Some(line) = line else { return Ok(()) };
    let new = matches!(sub, "setinfo" | "no-touch") && !profile.since(7, 2);
    let arity: Option<i64> = line
        .split(' ')
        .skip(1)
        .filter_map(|pair| pair.split_once(':'))
        .find(|(known, _)| *known == sub && !new)
        .and_then(|(_, arity)| arity.parse().ok());
    let count = i64::try_from(args.len()).unwrap_or(i64::MAX);
    match arity {
        None => {
            let shown = String::from_utf8_lossy(args.get(1).map(Vec::as_slice).unwrap_or_default());
            let shown: String = shown.chars().take(128).collect();
            Err(Reply::Error(format!("ERR unknown subcommand '{shown}'. Try {} HELP.", name.to_uppercase())))
        }
        Some(arity) if (arity < 0 && count < -arity) || (arity > 0 && count != arity) => {
            Err(wrong_count(&format!("{name}|{sub}")))
        }
        Some(_) => Ok(()),
    }
}

/// The line CLIENT LIST shows of a connection.
pub(super) fn client_line(profile: &Profile, conn: &Conn) -> String {
    let age = (now_usec() / 1_000_000).saturating_sub(conn.since).max(0);
    let name = String::from_utf8_lossy(&conn.name);
    let patterns = conn.channels.iter().filter(|(_, pattern)| *pattern).count();
    let (id, peer, db, last) = (conn.id, conn.peer, conn.db, &conn.last);
    let subs = conn.channels.len() - patterns;
    let flags = if conn.channels.is_empty() { "N" } else { "P" };
    let laddr = if profile.since(6, 2) { format!(" laddr={}", conn.local) } else { String::new() };
    let mut line = format!(
        "id={id} addr={peer}{laddr} fd=8 name={name} age={age} idle=0 flags={flags} db={db} sub={subs} psub={patterns}"
    );
    line.push_str(&if profile.since(7, 0) {
        let (user, proto) = (&conn.user, conn.proto);
        format!(
            " ssub=0 multi=-1 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 \
             tot-mem=22298 events=r cmd={last} user={user} redir=-1 resp={proto}"
        )
    } else if profile.since(6, 0) {
        let user = &conn.user;
        format!(" multi=-1 qbuf=26 qbuf-free=32742 argv-mem=10 obl=0 oll=0 omem=0 tot-mem=61466 events=r cmd={last} user={user}")
    } else {
        format!(" multi=-1 qbuf=26 qbuf-free=32742 obl=0 oll=0 omem=0 events=r cmd={last}")
    });
    line.push('\n');
    line
}

/// Runs a command that is not about keys.
pub(super) fn run(
    server: &Server,
    shared: &mut Shared,
    conn: &mut Conn,
    command: &Command,
    args: &[Vec<u8>],
    answer: &mut Answer,
) -> Reply {
    let profile = &server.profile;
    let rest = args.get(1..).unwrap_or_default();
    let first = rest.first().map(Vec::as_slice).unwrap_or_default();
    let sub = lower(rest.first());
    match command.name {
        _ if sub == "help" && command.is_group() => help(command.name),
        "ping" if rest.len() > 1 => wrong_count("ping"),
        "ping" if !conn.channels.is_empty() && conn.proto < 3 => {
            Reply::Array(vec![Reply::bulk("pong"), Reply::bulk(first)])
        }
        "ping" if rest.is_empty() => Reply::Simple("PONG"),
        "ping" | "echo" => Reply::bulk(first),
        "quit" => {
            answer.close = true;
            Reply::OK
        }
        "reset" => {
            conn.channels.clear();
            (conn.db, conn.proto, conn.name, conn.user) = (0, 2, Vec::new(), "default".into());
            conn.authed = shared.config.get("requirepass").is_none_or(String::is_empty);
            Reply::Simple("RESET")
        }
        "auth" => users::auth(profile, shared, conn, rest, answer),
        "hello" => users::hello(profile, shared, conn, rest, answer),
        "acl" => users::acl(shared, conn, &sub, rest),
        "select" => match integer(first) {
            None if profile.since(6, 2) => Reply::error("ERR value is not an integer or out of range"),
            None => Reply::error("ERR invalid DB index"),
            Some(db) => match usize::try_from(db).ok().filter(|db| *db < DATABASES) {
                Some(db) => {
                    conn.db = db;
                    Reply::OK
                }
                None => Reply::error("ERR DB index is out of range"),
            },
        },
        "swapdb" => match (integer(first), rest.get(1).and_then(|n| integer(n))) {
            (Some(a), Some(b)) => {
                let (a, b) = (usize::try_from(a), usize::try_from(b));
                if let (Ok(a), Ok(b)) = (a, b) {
                    shared.keys.swap(a, b);
                }
                Reply::OK
            }
            (None, _) => Reply::error("ERR invalid first DB index"),
            _ => Reply::error("ERR invalid second DB index"),
        },
        "flushall" | "flushdb" => match (rest.len(), sub.as_str()) {
            (0, _) | (1, "async" | "sync") => {
                shared.keys.flush((command.name == "flushdb").then_some(conn.db));
                Reply::OK
            }
            _ => syntax(),
        },
        "info" => {
            if !profile.since(7, 0) && rest.len() > 1 {
                return syntax();
            }
            Reply::Verbatim(render_info(server, shared, rest))
        }
        "client" => client(server, shared, conn, &sub, rest),
        "config" => match sub.as_str() {
            "get" => config::get(shared, rest.get(1..).unwrap_or_default()),
            "set" => config::set(profile, shared, rest.get(1..).unwrap_or_default()),
            "resetstat" | "rewrite" => Reply::OK,
            _ => unknown_subcommand("CONFIG", first),
        },
        "command" => commands(profile, &sub, rest),
        "save" => {
            shared.last_save = now_usec() / 1_000_000;
            shared.keys.dirty = 0;
            Reply::OK
        }
        "bgsave" if !rest.is_empty() && sub != "schedule" => syntax(),
        "bgsave" => {
            shared.last_save = now_usec() / 1_000_000;
            shared.keys.dirty = 0;
            Reply::Simple("Background saving started")
        }
        "bgrewriteaof" => Reply::Simple("Background append only file rewriting started"),
        "lastsave" => Reply::Int(shared.last_save),
        "time" => {
            let now = now_usec();
            Reply::bulks([(now / 1_000_000).to_string(), (now % 1_000_000).to_string()])
        }
        "slaveof" | "replicaof" => follow(shared, rest),
        "role" => match &shared.master {
            None => Reply::Array(vec![Reply::bulk("master"), Reply::Int(0), Reply::Array(vec![])]),
            Some((host, port)) => Reply::Array(vec![
                Reply::bulk("slave"),
                Reply::bulk(host),
                Reply::Int(i64::from(*port)),
                Reply::bulk("connecting"),
                Reply::Int(-1),
            ]),
        },
        "module" => match sub.as_str() {
            "load" | "loadex" => Reply::error("ERR Error loading the extension. Please check the server logs."),
            "unload" => Reply::error("ERR Error unloading module: no such module with that name"),
            "list" => Reply::Array(vec![]),
            _ => unknown_subcommand("MODULE", first),
        },
        "script" => match sub.as_str() {
            "load" => {
                let body = rest.get(1).map(Vec::as_slice).unwrap_or_default();
                let sha = script::sha1_hex(body);
                if shared.scripts.len() < 32 && body.len() <= 4096 {
                    shared.scripts.insert(sha.clone(), body.to_vec());
                }
                Reply::bulk(sha)
            }
            "exists" => {
                let known = |s: &Vec<u8>| shared.scripts.contains_key(&lower(Some(s)));
                let asked = rest.get(1..).unwrap_or_default();
                Reply::Array(asked.iter().map(|s| Reply::Int(i64::from(known(s)))).collect())
            }
            "kill" => Reply::error("NOTBUSY No scripts in execution right now."),
            _ => {
                shared.scripts.clear();
                Reply::OK
            }
        },
        "function" => match sub.as_str() {
            "load" => Reply::error("ERR Missing library metadata"),
            "flush" => Reply::OK,
            _ => Reply::Array(vec![]),
        },
        "fcall" | "fcall_ro" => Reply::error("ERR Function not found"),
        "debug" if profile.since(7, 0) => Reply::error(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run \
             it from a local connection, otherwise you need to set this option in the configuration file, and \
             then restart the server.",
        ),
        "debug" => match sub.as_str() {
            "sleep" | "jmap" | "set-active-expire" | "change-repl-id" => Reply::OK,
            "object" => Reply::error("ERR no such key"),
            "segfault" | "panic" | "restart" | "crash-and-recover" => {
                answer.drop = true;
                Reply::OK
            }
            _ => unknown_subcommand("DEBUG", first),
        },
        "object" => object(shared, conn, &sub, rest),
        "memory" => match sub.as_str() {
            "usage" => {
                let key = rest.get(1).map(Vec::as_slice).unwrap_or_default();
                let size = shared.keys.get(conn.db, key).map(|e| e.value.bytes() + key.len() + 56);
                size.map_or(Reply::Nil, |n| Reply::Int(i64::try_from(n.next_multiple_of(8)).unwrap_or(0)))
            }
            "doctor" => Reply::Verbatim(
                "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used \
                 in these conditions. Please, leave for your mission on Earth and fill it with some data. The new \
                 Sam and I will be back to our programming as soon as I finished rebooting.\n"
                    .into(),
            ),
            "purge" => Reply::OK,
            _ => Reply::Array(vec![]),
        },
        "slowlog" => match sub.as_str() {
            "len" => Reply::Int(0),
            "reset" => Reply::OK,
            _ => Reply::Array(vec![]),
        },
        "latency" => match sub.as_str() {
            "reset" => Reply::Int(0),
            "doctor" => Reply::Verbatim(
                "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may \
                 use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't \
                 in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n"
                    .into(),
            ),
            _ => Reply::Array(vec![]),
        },
        "cluster" => Reply::error("ERR This instance has cluster support disabled"),
        "subscribe" | "psubscribe" | "ssubscribe" | "unsubscribe" | "punsubscribe" | "sunsubscribe" => {
            subscribe(conn, command.name, rest)
        }
        "publish" | "spublish" => Reply::Int(0),
        "pubsub" => match sub.as_str() {
            "numpat" => Reply::Int(0),
            "numsub" | "shardnumsub" => {
                let names = rest.get(1..).unwrap_or_default().iter();
                Reply::Array(names.flat_map(|n| [Reply::bulk(n), Reply::Int(0)]).collect())
            }
            _ => Reply::Array(vec![]),
        },
        "shutdown" => match sub.as_str() {
            "" | "save" | "nosave" | "now" | "force" | "abort" => {
                answer.drop = true;
                Reply::OK
            }
            _ => syntax(),
        },
        "lolwut" => Reply::Verbatim(format!("Redis ver. {}\n", profile.version)),
        "wait" => Reply::Int(0),
        "replconf" if rest.len() % 2 == 1 => syntax(),
        "psync" | "sync" => snapshot(server, command.name, answer),
        "dump" => Reply::Nil,
        "restore" | "restore-asking" => Reply::error("ERR DUMP payload version or checksum are wrong"),
        // Nothing is dialled; a host that cannot be reached answers no faster than it likes.
        "migrate" if shared.keys.get(conn.db, rest.get(2).map(Vec::as_slice).unwrap_or_default()).is_none() => {
            Reply::Simple("NOKEY")
        }
        "migrate" => Reply::error("IOERR error or timeout connecting to the client"),
        "xadd" => {
            let time = jiff::Timestamp::now().as_millisecond();
            let id = rest.iter().skip(1).find(|word| !word.eq_ignore_ascii_case(b"nomkstream"));
            match id.map(Vec::as_slice) {
                Some(b"*") | None => Reply::bulk(format!("{time}-0")),
                Some(id) if id.contains(&b'-') => Reply::bulk(id),
                Some(id) if !id.is_empty() && id.iter().all(u8::is_ascii_digit) => Reply::bulk([id, b"-0"].concat()),
                Some(_) => Reply::error("ERR Invalid stream ID specified as stream command argument"),
            }
        }
        "failover" => Reply::error("ERR FAILOVER requires connected replicas."),
        // What is left is answered as on an empty key.
        _ if command.is("blocking") => Reply::NilArray,
        _ if command.is("write") => Reply::Int(0),
        _ if command.is("readonly") && command.is("fast") => Reply::Int(0),
        _ if command.is("readonly") => Reply::Array(vec![]),
        _ => Reply::OK,
    }
}

/// What HELP says of a group, without the prose.
fn help(name: &str) -> Reply {
    let line = include_str!("subcommands.txt")
        .lines()
        .find(|l| l.split(' ').next() == Some(name))
        .unwrap_or_default();
    let subs = line.split(' ').skip(1).filter_map(|pair| pair.split_once(':')).map(|(sub, _)| sub);
    let mut lines =
        vec![format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name.to_uppercase())];
    lines.extend(subs.filter(|sub| *sub != "help").map(str::to_uppercase));
    lines.extend(["HELP".to_owned(), "    Prints this help.".to_owned()]);
    Reply::Array(lines.into_iter().map(Reply::Status).collect())
}

fn unknown_subcommand(group: &str, sub: &[u8]) -> Reply {
    let sub: String = String::from_utf8_lossy(sub).chars().take(128).collect();
    Reply::Error(format!(
        "ERR Unknown subcommand or wrong number of arguments for '{sub}'. Try {group} HELP."
    ))
}

fn render_info(server: &Server, shared: &Shared, sections: &[Vec<u8>]) -> String {
    let setting = |name: &str| shared.config.get(name).map(String::as_str).unwrap_or_default();
    let errors = shared.errors.iter().map(|(code, count)| format!("errorstat_{code}:count={count}\r\n"));
    info::render(
        &info::Facts {
            profile: &server.profile,
            seed: &server.persona.seed,
            keys: &shared.keys,
            now_usec: now_usec(),
            started: server.started(),
            last_save: shared.last_save,
            clients: shared.clients.len() as u64,
            seen: shared.seen,
            master: shared.master.as_ref(),
            maxmemory: setting("maxmemory").parse().unwrap_or(0),
            maxmemory_policy: setting("maxmemory-policy"),
            errorstats: errors.collect(),
        },
        sections,
    )
}

fn client(server: &Server, shared: &mut Shared, conn: &mut Conn, sub: &str, rest: &[Vec<u8>]) -> Reply {
    let value = rest.get(1).map(Vec::as_slice).unwrap_or_default();
    match sub {
        "setname" if value.iter().all(|b| (b'!'..=b'~').contains(b)) => {
            conn.name = value.get(..value.len().min(256)).unwrap_or_default().to_vec();
            Reply::OK
        }
        "setname" => Reply::error("ERR Client names cannot contain spaces, newlines or special characters."),
        "getname" if conn.name.is_empty() => Reply::Nil,
        "getname" => Reply::bulk(&conn.name),
        "id" => Reply::Int(i64::try_from(conn.id).unwrap_or(1)),
        "info" => Reply::Verbatim(client_line(&server.profile, conn)),
        "list" => {
            let others =
                shared.clients.iter().filter(|(id, _)| **id != conn.id).map(|(_, line)| line.as_str());
            let mut text: String = others.take(256).collect();
            text.push_str(&client_line(&server.profile, conn));
            Reply::Verbatim(text)
        }
        "kill" if rest.len() == 2 => Reply::error("ERR No such client"),
        "kill" | "unblock" => Reply::Int(0),
        "getredir" => Reply::Int(-1),
        "setinfo" | "no-evict" | "no-touch" | "reply" | "pause" | "unpause" | "tracking" | "caching" => {
            Reply::OK
        }
        _ => unknown_subcommand("CLIENT", rest.first().map(Vec::as_slice).unwrap_or_default()),
    }
}

fn commands(profile: &Profile, sub: &str, rest: &[Vec<u8>]) -> Reply {
    let asked = rest.get(1..).unwrap_or_default();
    let known = |name: &Vec<u8>| table::find(profile, &lower(Some(name)));
    match sub {
        "count" => Reply::Int(i64::try_from(table::count(profile)).unwrap_or(0)),
        "docs" => Reply::Map(vec![]),
        "info" if !asked.is_empty() => Reply::Array(
            asked.iter().map(|n| known(n).map_or(Reply::NilArray, |c| c.info(profile))).collect(),
        ),
        "list" => Reply::bulks(table::all(profile).map(|c| c.name)),
        "" | "info" => Reply::Array(table::all(profile).map(|c| c.info(profile)).collect()),
        _ => Reply::error("ERR Invalid command specified"),
    }
}

fn object(shared: &mut Shared, conn: &Conn, sub: &str, rest: &[Vec<u8>]) -> Reply {
    let key = rest.get(1).map(Vec::as_slice).unwrap_or_default();
    let Some(entry) = shared.keys.get(conn.db, key) else { return Reply::Nil };
    match sub {
        "encoding" => Reply::bulk(entry.value.encoding()),
        "refcount" => Reply::Int(1),
        "idletime" => Reply::Int(0),
        _ => Reply::error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ),
    }
}

/// SLAVEOF and REPLICAOF: noted, never dialled.
fn follow(shared: &mut Shared, rest: &[Vec<u8>]) -> Reply {
    let host = String::from_utf8_lossy(rest.first().map(Vec::as_slice).unwrap_or_default()).into_owned();
    if host.eq_ignore_ascii_case("no") && lower(rest.get(1)) == "one" {
        shared.master = None;
        return Reply::OK;
    }
    let port = rest.get(1).and_then(|p| integer(p)).and_then(|p| u16::try_from(p).ok());
    let Some(port) = port else { return Reply::error("ERR Invalid master port") };
    let host: String = host.chars().take(255).filter(|c| !c.is_control()).collect();
    let master = Some((host, port));
    if shared.master == master {
        return Reply::Simple("OK Already connected to specified master");
    }
    shared.master = master;
    Reply::OK
}

fn subscribe(conn: &mut Conn, name: &'static str, rest: &[Vec<u8>]) -> Reply {
    let pattern = name.starts_with('p');
    let adding = !name.contains("unsub");
    let channels: Vec<Vec<u8>> = if rest.is_empty() {
        conn.channels.iter().filter(|(_, p)| *p == pattern).map(|(c, _)| c.clone()).collect()
    } else {
        rest.to_vec()
    };
    if channels.is_empty() {
        let left = i64::try_from(conn.channels.len()).unwrap_or(0);
        return Reply::Push(vec![Reply::bulk(name), Reply::Nil, Reply::Int(left)]);
    }
    let mut replies = Vec::new();
    for channel in channels {
        conn.channels.retain(|(c, p)| *c != channel || *p != pattern);
        if adding && conn.channels.len() < CHANNELS_MAX && channel.len() <= 1024 {
            conn.channels.push((channel.clone(), pattern));
        }
        let left = i64::try_from(conn.channels.len()).unwrap_or(0);
        replies.push(Reply::Push(vec![Reply::bulk(name), Reply::Bulk(channel), Reply::Int(left)]));
    }
    Reply::Many(replies)
}

/// An empty snapshot: what a replica gets that asks an attacker's tool to copy everything.
fn snapshot(server: &Server, name: &str, answer: &mut Answer) -> Reply {
    let format = match server.profile.series {
        (0..=3, _) => "0007",
        (4, _) => "0008",
        (5 | 6, _) => "0009",
        (7, 0) => "0010",
        _ => "0011",
    };
    let mut file = format!("REDIS{format}").into_bytes();
    let version = server.profile.version.as_bytes();
    file.extend_from_slice(b"\xfa\x09redis-ver");
    file.push(u8::try_from(version.len().min(63)).unwrap_or(0));
    file.extend_from_slice(version.get(..version.len().min(63)).unwrap_or_default());
    file.extend_from_slice(b"\xfa\x0aredis-bits\xc0\x40\xff");
    // A checksum of zero means "not computed" (`rdbchecksum no`).
    file.extend_from_slice(&[0; 8]);
    if name == "psync" {
        let id = hex::encode(server.persona.seed.derive(&format!("redis/replid/{}", server.started())));
        let id = id.get(..40).unwrap_or_default();
        answer.bytes.extend_from_slice(format!("+FULLRESYNC {id} 0\r\n").as_bytes());
    }
    answer.bytes.extend_from_slice(format!("${}\r\n", file.len()).as_bytes());
    answer.bytes.extend_from_slice(&file);
    Reply::Many(vec![])
}
