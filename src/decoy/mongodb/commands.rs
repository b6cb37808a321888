//! Which command is answered how.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bson::{Doc, Value, get, object, show};
use super::{AWAIT_MAX, Answer, Conn, Mongo, SHOWN, error};
use crate::decoy::buffered::Buffered;
use crate::event::Kind;

/// Commands that need no login.
const FREE: &[&str] = &[
    "hello",
    "ismaster",
    "isMaster",
    "buildInfo",
    "buildinfo",
    "ping",
    "whatsmyuri",
    "saslStart",
    "saslContinue",
    "authenticate",
    "getnonce",
    "logout",
    "connectionStatus",
    "endSessions",
];

/// Commands that go to `admin` alone.
const ADMIN: &[&str] = &[
    "listDatabases",
    "shutdown",
    "replSetGetStatus",
    "getCmdLineOpts",
    "getLog",
    "getParameter",
    "setParameter",
    "renameCollection",
    "fsync",
    "replSetInitiate",
    "replSetGetConfig",
    "currentOp",
    "killOp",
    "top",
];

/// Records a command.
pub(super) fn record(wire: &Buffered, database: &str, command: &Doc, ok: bool) {
    let name = command.first().map(|(n, _)| n.as_str()).unwrap_or_default();
    let plain = !name.is_empty() && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric());
    let quiet = ["lsid", "$clusterTime", "$readPreference", "$db", "payload", "topologyVersion"];
    let shown: Doc = command.iter().filter(|(n, _)| !quiet.contains(&n.as_str())).take(64).cloned().collect();
    let kind = match name {
        "find" | "insert" | "update" | "delete" | "aggregate" | "count" | "distinct" | "drop"
        | "dropDatabase" | "create" | "findAndModify" | "findandmodify" => Kind::Query,
        _ => Kind::Command,
    };
    let mut draft = wire
        .session
        .record
        .event(kind, if plain { name } else { "unknown" })
        .outcome(ok)
        .text("db.name", database)
        .text("db.statement", &show(&shown, SHOWN));
    if let Some(collection) = command.first().and_then(|(_, v)| v.text()) {
        draft = draft.text("db.collection", collection);
    }
    draft.emit();
}

impl Mongo {
    /// Answers a command.
    pub(super) fn command(&self, wire: &Buffered, conn: &mut Conn, database: &str, command: &Doc) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let name = command.first().map(|(n, _)| n.as_str()).unwrap_or_default();
        let mut answer = self.answer(wire, conn, database, name, command);
        let ok = get(&answer.doc, "errmsg").is_none();
        if ok && get(&answer.doc, "ok").is_none() {
            answer.doc.push(("ok".into(), Value::Double(1.0)));
        }
        // Logins record themselves.
        if !matches!(name, "saslStart" | "saslContinue" | "authenticate") {
            record(wire, database, command, ok);
        }
        answer
    }

    fn answer(&self, wire: &Buffered, conn: &mut Conn, database: &str, name: &str, command: &Doc) -> Answer {
        if name.is_empty() {
            return error(59, "CommandNotFound", "no such command: ''").into();
        }
        if database.is_empty() {
            return error(73, "InvalidNamespace", "Invalid database name: ''").into();
        }
        let known = self.known(name);
        if known && self.auth && conn.login.user.is_none() && !FREE.contains(&name) {
            let text = format!("command {name} requires authentication");
            return error(13, "Unauthorized", text).into();
        }
        if ADMIN.contains(&name) && database != "admin" {
            let text = format!("{name} may only be run against the admin database.");
            return error(13, "Unauthorized", text).into();
        }
        let now = jiff::Timestamp::now();
        let source = wire.session.source;
        match name {
            "hello" | "isMaster" | "ismaster" => return self.hello(wire, conn, name, command, now),
            "buildInfo" | "buildinfo" => self.server.build(),
            "serverStatus" => {
                let created = i64::from(self.next.load(Ordering::Relaxed).saturating_sub(self.first));
                let open = 3 + self.open.load(Ordering::Relaxed);
                self.server.status(open, created, self.asked.load(Ordering::Relaxed), now)
            }
            "hostInfo" => self.server.host(now),
            "getCmdLineOpts" => self.server.options(self.auth),
            "ping" | "endSessions" | "logout" | "refreshSessions" | "killAllSessions" | "profile" => Doc::new(),
            "whatsmyuri" => object! { "you" => source.to_string() },
            "saslStart" => self.sasl_start(wire, &mut conn.login, database, command),
            "saslContinue" => self.sasl_continue(wire, &mut conn.login, command),
            "authenticate" => self.authenticate(wire, database, command),
            "getnonce" => {
                let mut nonce = [0u8; 8];
                let _ = getrandom::fill(&mut nonce);
                object! { "nonce" => hex::encode(nonce) }
            }
            "connectionStatus" => connection_status(conn),
            "getLog" => self.log(command, now.as_second()),
            "getParameter" => match get(command, "featureCompatibilityVersion") {
                Some(_) => {
                    let (major, minor) = self.server.series;
                    object! { "featureCompatibilityVersion" => object! { "version" => format!("{major}.{minor}") } }
                }
                None => error(72, "InvalidOptions", "no option found to get"),
            },
            "setParameter" => error(72, "InvalidOptions", "no option found to set, use help:true to see options "),
            "replSetGetStatus" | "replSetGetConfig" => {
                error(76, "NoReplicationEnabled", "not running with --replSet")
            }
            "replSetInitiate" => {
                error(76, "NoReplicationEnabled", "This node was not started with the replSet option")
            }
            "getFreeMonitoringStatus" => object! { "state" => "undecided" },
            "usersInfo" => object! { "users" => self.users() },
            "rolesInfo" => object! { "roles" => Vec::<Value>::new() },
            "startSession" => {
                let id = super::store::uuid(&self.server.persona.seed, &format!("session/{}", conn.id));
                object! { "id" => object! { "id" => Value::Binary(4, id.to_vec()) }, "timeoutMinutes" => 30 }
            }
            "createUser" | "updateUser" | "dropUser" | "grantRolesToUser" | "fsync" | "killOp"
            | "setFeatureCompatibilityVersion" => Doc::new(),
            "currentOp" => object! { "inprog" => Vec::<Value>::new() },
            "top" => object! { "totals" => object! { "note" => "all times in microseconds" } },
            "killCursors" => {
                let asked = get(command, "cursors").cloned().unwrap_or(Value::Array(Vec::new()));
                let none = || Value::Array(Vec::new());
                object! { "cursorsKilled" => none(), "cursorsNotFound" => asked, "cursorsAlive" => none(), "cursorsUnknown" => none() }
            }
            "shutdown" => {
                // The connection breaks, as it does when a server goes.
                return Answer { doc: Doc::new(), wait: Duration::ZERO, close: true };
            }
            _ if known => self.query(source.ip(), database, name, command),
            _ => error(59, "CommandNotFound", unknown(name, command, self.server.series)),
        }
        .into()
    }

    fn known(&self, name: &str) -> bool {
        const MORE: &[&str] = &[
            "serverStatus",
            "hostInfo",
            "refreshSessions",
            "killAllSessions",
            "profile",
            "getFreeMonitoringStatus",
            "usersInfo",
            "rolesInfo",
            "startSession",
            "createUser",
            "updateUser",
            "dropUser",
            "grantRolesToUser",
            "killCursors",
            "setFeatureCompatibilityVersion",
        ];
        FREE.contains(&name)
            || ADMIN.contains(&name)
            || MORE.contains(&name)
            || super::query::NAMES.contains(&name)
    }

    fn hello(
        &self,
        wire: &Buffered,
        conn: &mut Conn,
        name: &str,
        command: &Doc,
        now: jiff::Timestamp,
    ) -> Answer {
        let mut out = self.server.hello(name, conn.id, now);
        if let Some(user) = get(command, "saslSupportedMechs").and_then(Value::text) {
            let mechanisms: Vec<Value> = vec!["SCRAM-SHA-1".into(), "SCRAM-SHA-256".into()];
            if user.contains('.') {
                out.push(("saslSupportedMechs".into(), mechanisms.into()));
            }
        }
        if let Some(start) = get(command, "speculativeAuthenticate").and_then(Value::doc) {
            let database = get(start, "db").and_then(Value::text).unwrap_or("admin").to_owned();
            let answer = self.sasl_start(wire, &mut conn.login, &database, start);
            if get(&answer, "errmsg").is_none() {
                out.push(("speculativeAuthenticate".into(), answer.into()));
            }
        }
        let asked = get(command, "maxAwaitTimeMS").and_then(Value::whole);
        let wait = match (asked, get(command, "topologyVersion")) {
            (Some(wait), Some(Value::Doc(_))) => {
                Duration::from_millis(u64::try_from(wait).unwrap_or(0)).min(AWAIT_MAX)
            }
            _ => Duration::ZERO,
        };
        Answer { doc: out, wait, close: false }
    }

    fn log(&self, command: &Doc, now: i64) -> Doc {
        match command.first().and_then(|(_, v)| v.text()).unwrap_or_default() {
            "*" => object! { "names" => vec![Value::from("global"), "startupWarnings".into()] },
            "startupWarnings" | "global" => {
                let lines = self.server.warnings(self.auth, now);
                let count = i32::try_from(lines.len()).unwrap_or(0);
                object! { "totalLinesWritten" => count, "log" => lines }
            }
            other => {
                let text = format!("No log named '{other}'");
                error(96, "OperationFailed", text)
            }
        }
    }

    fn users(&self) -> Vec<Value> {
        let account = self.account.iter().map(|(user, _)| {
            Value::Doc(object! {
                "_id" => format!("admin.{user}"), "user" => user.clone(), "db" => "admin",
                "roles" => vec![Value::Doc(object! { "role" => "root", "db" => "admin" })],
                "mechanisms" => vec![Value::from("SCRAM-SHA-1"), "SCRAM-SHA-256".into()],
            })
        });
        account.collect()
    }
}

fn connection_status(conn: &Conn) -> Doc {
    let (mut users, mut roles) = (Vec::<Value>::new(), Vec::<Value>::new());
    if let Some((user, database)) = &conn.login.user {
        users.push(Value::Doc(object! { "user" => user.clone(), "db" => database.clone() }));
        roles.push(Value::Doc(object! { "role" => "root", "db" => "admin" }));
    }
    object! { "authInfo" => object! { "authenticatedUsers" => users, "authenticatedUserRoles" => roles } }
}

/// The text for a command that does not exist; releases before 4.2 repeat the command.
fn unknown(name: &str, command: &Doc, series: (i32, i32)) -> String {
    let name: String = name.chars().take(1024).collect();
    if series >= (4, 2) {
        return format!("no such command: '{name}'");
    }
    format!("no such command: '{name}', bad cmd: '{}'", show(command, 1024))
}
