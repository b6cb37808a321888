//! AUTH, HELLO and ACL.

use sha2::{Digest, Sha256};

use super::profile::Profile;
use super::proto::{Reply, integer};
use super::server::{Answer, Conn, Shared, lower, now_usec};

/// Most users made with ACL SETUSER.
const USERS_MAX: usize = 16;

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn digest(password: &[u8]) -> String {
    hex::encode(Sha256::digest(password))
}

/// Whether the pair is right, as the genuine server decides: without `requirepass` any password is.
fn matches(shared: &Shared, user: &[u8], password: &[u8]) -> bool {
    if user == b"default" {
        let wanted = shared.config.get("requirepass").map(String::as_str).unwrap_or_default();
        return wanted.is_empty() || wanted.as_bytes() == password;
    }
    std::str::from_utf8(user)
        .ok()
        .and_then(|u| shared.users.get(u))
        .is_some_and(|d| d.is_empty() || *d == digest(password))
}

/// AUTH with one or two arguments.
pub(super) fn auth(
    profile: &Profile,
    shared: &Shared,
    conn: &mut Conn,
    rest: &[Vec<u8>],
    answer: &mut Answer,
) -> Reply {
    let (user, password) = match rest {
        [password] => (b"default".to_vec(), password),
        [user, password] if profile.since(6, 0) => (user.clone(), password),
        _ => return Reply::error("ERR syntax error"),
    };
    let open = shared.config.get("requirepass").is_none_or(String::is_empty);
    let ok = matches(shared, &user, password) && !(open && rest.len() == 1);
    answer.login = Some((user.clone(), password.clone(), ok));
    if ok {
        conn.authed = true;
        conn.user = String::from_utf8_lossy(&user).into_owned();
        return Reply::OK;
    }
    match (open && rest.len() == 1, profile.since(6, 0)) {
        (true, true) => Reply::error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ),
        (true, false) => Reply::error("ERR Client sent AUTH, but no password is set"),
        (false, true) => Reply::error(WRONG),
        (false, false) => Reply::error("ERR invalid password"),
    }
}

/// HELLO with its options.
pub(super) fn hello(
    profile: &Profile,
    shared: &Shared,
    conn: &mut Conn,
    rest: &[Vec<u8>],
    answer: &mut Answer,
) -> Reply {
    let mut proto = conn.proto;
    if let Some(version) = rest.first() {
        match integer(version) {
            None => return Reply::error("ERR Protocol version is not an integer or out of range"),
            Some(2) => proto = 2,
            Some(3) => proto = 3,
            Some(_) => return Reply::error("NOPROTO unsupported protocol version"),
        }
    }
    let mut options = rest.get(1..).unwrap_or_default().iter();
    while let Some(option) = options.next() {
        match lower(Some(option)).as_str() {
            "auth" => {
                let (Some(user), Some(password)) = (options.next(), options.next()) else {
                    return Reply::error("ERR Syntax error in HELLO option 'AUTH'");
                };
                let ok = matches(shared, user, password);
                answer.login = Some((user.clone(), password.clone(), ok));
                if !ok {
                    return Reply::error(WRONG);
                }
                conn.authed = true;
                conn.user = String::from_utf8_lossy(user).into_owned();
            }
            "setname" => match options.next() {
                Some(name) if name.iter().all(|b| (b'!'..=b'~').contains(b)) => {
                    conn.name = name.get(..name.len().min(256)).unwrap_or_default().to_vec();
                }
                Some(_) => {
                    return Reply::error(
                        "ERR Client names cannot contain spaces, newlines or special characters.",
                    );
                }
                None => return Reply::error("ERR Syntax error in HELLO option 'SETNAME'"),
            },
            _ => {
                let shown: String = String::from_utf8_lossy(option).chars().take(128).collect();
                return Reply::Error(format!("ERR Syntax error in HELLO option '{shown}'"));
            }
        }
    }
    if !conn.authed {
        return Reply::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same \
             time",
        );
    }
    conn.proto = proto;
    let pair = |key: &str, value: Reply| (Reply::bulk(key), value);
    Reply::Map(vec![
        pair("server", Reply::bulk("redis")),
        pair("version", Reply::bulk(&profile.version)),
        pair("proto", Reply::Int(i64::from(proto))),
        pair("id", Reply::Int(i64::try_from(conn.id).unwrap_or(1))),
        pair("mode", Reply::bulk("standalone")),
        pair("role", Reply::bulk(if shared.master.is_some() { "replica" } else { "master" })),
        pair("modules", Reply::Array(vec![])),
    ])
}

/// ACL and its subcommands.
pub(super) fn acl(shared: &mut Shared, conn: &Conn, sub: &str, rest: &[Vec<u8>]) -> Reply {
    let name = String::from_utf8_lossy(rest.get(1).map(Vec::as_slice).unwrap_or_default()).into_owned();
    match sub {
        "whoami" => Reply::bulk(&conn.user),
        "users" => Reply::bulks(std::iter::once("default").chain(shared.users.keys().map(String::as_str))),
        "list" => {
            let password = shared.config.get("requirepass").map(String::as_str).unwrap_or_default();
            let secret =
                |digest: &str| if digest.is_empty() { "nopass".to_owned() } else { format!("#{digest}") };
            let own = if password.is_empty() { String::new() } else { digest(password.as_bytes()) };
            let mut lines = vec![format!("user default on {} ~* &* +@all", secret(&own))];
            let others = shared.users.iter();
            lines.extend(others.map(|(n, d)| format!("user {n} on {} ~* resetchannels +@all", secret(d))));
            Reply::bulks(lines)
        }
        "setuser" => {
            if name.is_empty() || name.len() > 64 || name.contains(|c: char| c.is_control() || c == ' ') {
                return Reply::error("ERR Usernames can't contain spaces or null characters");
            }
            let rules = rest.get(2..).unwrap_or_default();
            let secret = rules.iter().find_map(|r| r.strip_prefix(b">")).map(digest);
            if name == "default" {
                if let Some(password) = rules.iter().find_map(|r| r.strip_prefix(b">")) {
                    let password = password.get(..password.len().min(512)).unwrap_or_default();
                    let password = String::from_utf8_lossy(password).into_owned();
                    shared.config.insert("requirepass".into(), password);
                }
            } else if shared.users.len() < USERS_MAX || shared.users.contains_key(&name) {
                shared.users.insert(name, secret.unwrap_or_default());
            }
            Reply::OK
        }
        "deluser" => {
            let gone = rest
                .iter()
                .skip(1)
                .filter(|u| shared.users.remove(String::from_utf8_lossy(u).as_ref()).is_some());
            Reply::Int(i64::try_from(gone.count()).unwrap_or(0))
        }
        "getuser" if name == "default" || shared.users.contains_key(&name) => {
            let pair = |key: &str, value: Reply| (Reply::bulk(key), value);
            let open = shared.config.get("requirepass").is_none_or(String::is_empty);
            let flags =
                if open { vec![Reply::bulk("on"), Reply::bulk("nopass")] } else { vec![Reply::bulk("on")] };
            Reply::Map(vec![
                pair("flags", Reply::Set(flags)),
                pair("passwords", Reply::Array(vec![])),
                pair("commands", Reply::bulk("+@all")),
                pair("keys", Reply::bulk("~*")),
                pair("channels", Reply::bulk("&*")),
                pair("selectors", Reply::Array(vec![])),
            ])
        }
        "getuser" => Reply::Nil,
        "genpass" => Reply::bulk(digest(&now_usec().to_le_bytes())),
        "cat" => Reply::bulks([
            "keyspace",
            "read",
            "write",
            "set",
            "sortedset",
            "list",
            "hash",
            "string",
            "bitmap",
            "hyperloglog",
            "geo",
            "stream",
            "pubsub",
            "admin",
            "fast",
            "slow",
            "blocking",
            "dangerous",
            "connection",
            "transaction",
            "scripting",
        ]),
        "save" | "load" => Reply::error(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
             SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
             order to store users in the Redis configuration.",
        ),
        "log" | "dryrun" => Reply::Array(vec![]),
        _ => {
            let shown: String = String::from_utf8_lossy(rest.first().map(Vec::as_slice).unwrap_or_default())
                .chars()
                .take(128)
                .collect();
            Reply::Error(format!(
                "ERR Unknown subcommand or wrong number of arguments for '{shown}'. Try ACL HELP."
            ))
        }
    }
}
