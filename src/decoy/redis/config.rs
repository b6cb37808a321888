//! CONFIG GET and SET: recorded, answered, without effect on the host.

use std::collections::BTreeMap;

use super::keyspace::glob;
use super::profile::Profile;
use super::proto::Reply;
use super::server::{Shared, wrong_count};

/// Parameters that a running server refuses to change.
const IMMUTABLE: &[&str] = &[
    "databases",
    "daemonize",
    "pidfile",
    "unixsocket",
    "cluster-enabled",
    "supervised",
    "io-threads",
    "tcp-backlog",
    "logfile",
    "aclfile",
    "appendfilename",
    "appenddirname",
    "enable-protected-configs",
    "enable-debug-command",
    "enable-module-command",
    "syslog-enabled",
    "syslog-ident",
    "rdbchecksum",
    "always-show-logo",
    "cluster-config-file",
    "disable-thp",
    "set-proc-title",
];
/// Directories that an ordinary Linux host has; writing there is what attackers are after.
const DIRECTORIES: &[&str] = &[
    "/",
    "/bin",
    "/dev/shm",
    "/etc",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/init.d",
    "/etc/profile.d",
    "/etc/redis",
    "/home",
    "/opt",
    "/root",
    "/root/.ssh",
    "/run",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lib/redis",
    "/var/lib/redis/.ssh",
    "/var/log",
    "/var/log/redis",
    "/var/run",
    "/var/spool",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
    "/var/spool/cron/root",
    "/var/tmp",
    "/var/www",
    "/var/www/html",
];
/// Most bytes of one changed value.
const VALUE_MAX: usize = 1024;

/// The parameters of a fresh server of this release.
pub(super) fn defaults(profile: &Profile) -> BTreeMap<String, String> {
    let mut config: BTreeMap<String, String> = include_str!("config.txt")
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .filter(|(name, _)| since(name) <= profile.series)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut put = |name: &str, value: &str| {
        if let Some(slot) = config.get_mut(name) {
            value.clone_into(slot);
        }
    };
    if profile.valkey.is_some() {
        put("dir", "/var/lib/valkey");
        put("logfile", "");
        put("pidfile", "/run/valkey/valkey.pid");
    } else if !profile.config_file.ends_with("redis/redis.conf") || profile.os.contains(".el") {
        put("logfile", "/var/log/redis/redis.log");
        put("pidfile", "/var/run/redis_6379.pid");
        put("daemonize", "no");
    }
    config
}

/// The release that brought a parameter, as far as it is not older than 5.0.
fn since(name: &str) -> (u32, u32) {
    const SEVEN: &[&str] = &[
        "enable-",
        "latency-tracking",
        "appenddirname",
        "aof-timestamp",
        "propagation-error",
        "busy-reply",
        "maxmemory-clients",
        "shutdown-",
        "cluster-link",
        "cluster-preferred",
        "cluster-announce-hostname",
        "cluster-announce-tls",
        "cluster-allow-pubsub",
        "replica-ignore-disk",
        "repl-diskless-sync-max",
        "socket-mark",
        "bind-source",
        "cluster-port",
        "aof-disable",
    ];
    const SIX: &[&str] = &[
        "tls-",
        "io-threads",
        "server_cpulist",
        "bio_cpulist",
        "aof_rewrite_cpulist",
        "bgsave_cpulist",
        "acl",
        "oom-score",
        "lazyfree-lazy-user",
        "crash-",
        "set-proc-title",
        "proc-title",
        "disable-thp",
        "ignore-warnings",
        "repl-diskless-load",
        "tracking-",
        "rdb-del-sync",
        "jemalloc-bg",
        "masteruser",
        "maxmemory-eviction",
        "sanitize-",
        "replica-announced",
        "cluster-allow",
        "client-query",
    ];
    if name.contains("listpack") || SEVEN.iter().any(|p| name.starts_with(p)) {
        (7, 0)
    } else if SIX.iter().any(|p| name.starts_with(p)) {
        (6, 0)
    } else {
        (0, 0)
    }
}

/// CONFIG GET of one or more patterns.
pub(super) fn get(shared: &Shared, patterns: &[Vec<u8>]) -> Reply {
    let patterns: Vec<Vec<u8>> = patterns.iter().take(64).map(|p| p.to_ascii_lowercase()).collect();
    let found = shared.config.iter().filter(|(name, _)| patterns.iter().any(|p| glob(p, name.as_bytes())));
    Reply::Map(found.map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect())
}

/// CONFIG SET of one or more pairs: all or nothing.
pub(super) fn set(profile: &Profile, shared: &mut Shared, pairs: &[Vec<u8>]) -> Reply {
    if !pairs.len().is_multiple_of(2) || pairs.is_empty() {
        return wrong_count(if profile.since(7, 0) { "config|set" } else { "config" });
    }
    let mut changes = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let [name, value] = pair else { continue };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value =
            String::from_utf8_lossy(value.get(..value.len().min(VALUE_MAX)).unwrap_or_default()).into_owned();
        let Some(old) = shared.config.get(&name) else {
            return Reply::Error(if profile.since(7, 0) {
                format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            } else {
                format!("ERR Unsupported CONFIG parameter: {name}")
            });
        };
        match check(&name, old, &value) {
            Ok(value) => changes.push((name, value)),
            Err(why) => return refused(profile, &name, &value, &why),
        }
    }
    for (name, value) in changes {
        if let Some(twin) = twin(&name).filter(|twin| shared.config.contains_key(twin)) {
            shared.config.insert(twin, value.clone());
        }
        shared.config.insert(name, value);
    }
    Reply::OK
}

fn refused(profile: &Profile, name: &str, value: &str, why: &str) -> Reply {
    Reply::Error(if profile.since(7, 0) {
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
    } else if name == "dir" {
        format!("ERR Changing directory: {why}")
    } else if why.starts_with("can't set") {
        format!("ERR Unsupported CONFIG parameter: {name}")
    } else {
        format!("ERR Invalid argument '{value}' for CONFIG SET '{name}' - {why}")
    })
}

/// The other name of a parameter that has two.
fn twin(name: &str) -> Option<String> {
    if name.contains("slave") {
        return Some(name.replacen("slave", "replica", 1));
    }
    if name.contains("replica") {
        return Some(name.replacen("replica", "slave", 1));
    }
    if name.contains("ziplist") {
        return Some(name.replacen("ziplist", "listpack", 1));
    }
    name.contains("listpack").then(|| name.replacen("listpack", "ziplist", 1))
}

/// The value as it will be kept, or why not.
fn check(name: &str, old: &str, value: &str) -> Result<String, String> {
    const POLICIES: &str = "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, \
                            allkeys-random, noeviction";
    if IMMUTABLE.contains(&name) {
        return Err("can't set immutable config".into());
    }
    let keep = Ok(value.to_owned());
    match name {
        "dir" => {
            let trimmed = value.trim_end_matches('/');
            let home = trimmed.strip_prefix("/home/").is_some_and(|u| {
                let user = u.strip_suffix("/.ssh").unwrap_or(u);
                matches!(user, "ubuntu" | "debian" | "admin" | "redis" | "user")
            });
            if DIRECTORIES.contains(&if trimmed.is_empty() { "/" } else { trimmed }) || home || value == old {
                Ok(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
            } else if matches!(trimmed, "/etc/passwd" | "/etc/shadow" | "/etc/crontab" | "/etc/hosts") {
                Err("Not a directory".into())
            } else {
                Err("No such file or directory".into())
            }
        }
        "dbfilename" if value.contains('/') => Err("dbfilename can't be a path, just a filename".into()),
        "maxmemory-policy" if !POLICIES.split(", ").any(|p| p.eq_ignore_ascii_case(value)) => {
            Err(format!("argument(s) must be one of the following: {POLICIES}"))
        }
        "maxmemory" | "repl-backlog-size" | "proto-max-bulk-len" | "client-query-buffer-limit" => {
            memory(value).map(|n| n.to_string()).ok_or_else(|| "argument must be a memory value".into())
        }
        "port" | "tls-port" if !value.parse::<i64>().is_ok_and(|p| (0..=65_535).contains(&p)) => {
            Err("argument must be between 0 and 65535 inclusive".into())
        }
        _ if matches!(old, "yes" | "no") => match value.to_ascii_lowercase().as_str() {
            word @ ("yes" | "no") => Ok(word.to_owned()),
            _ => Err("argument must be 'yes' or 'no'".into()),
        },
        _ if old.parse::<i64>().is_ok() && value.parse::<i64>().is_err() => {
            Err("argument couldn't be parsed into an integer".into())
        }
        _ => keep,
    }
}

/// A size such as `100mb`, in bytes.
fn memory(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::redis::server::Server;
    use crate::decoy::testing;
    use crate::model::Settings;

    fn ask(distro: &str, words: &[&str]) -> String {
        let mut persona = testing::persona(&["redis"]);
        persona.distro = distro.into();
        let server = Server::new(&persona, &Settings::new());
        let args: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
        let mut shared = server.shared();
        let mut out = Vec::new();
        set(&server.profile, &mut shared, &args).encode(2, &mut out);
        get(&shared, &args[..1]).encode(2, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_exploitation_chain_proceeds_and_nonsense_does_not() {
        let dir = ask("debian", &["dir", "/var/spool/cron/"]);
        assert_eq!(dir, "+OK\r\n*2\r\n$3\r\ndir\r\n$15\r\n/var/spool/cron\r\n");
        assert!(ask("debian", &["dir", "/nonexistent"]).starts_with(
            "-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory\r\n"
        ));
        assert!(ask("ubuntu22", &["dir", "/x"]).starts_with("-ERR Changing directory: No such file"));
        assert!(ask("debian", &["dbfilename", "x.so"]).contains("x.so"));
        assert!(ask("debian", &["dbfilename", "x/y"]).contains("just a filename"));
        assert!(ask("debian", &["foo", "bar"]).starts_with("-ERR Unknown option or number of arguments"));
        assert!(ask("debian", &["maxmemory", "100mb"]).contains("104857600"));
        assert!(ask("debian", &["maxmemory", "foo"]).contains("argument must be a memory value"));
        assert!(ask("debian", &["databases", "3"]).contains("can't set immutable config"));
        assert!(ask("debian", &["slave-read-only", "no"]).contains("$2\r\nno\r\n"));
    }

    #[test]
    fn old_releases_lack_new_parameters() {
        let mut persona = testing::persona(&[]);
        persona.distro = "ubuntu20".into();
        let old = defaults(&Profile::new(&persona, &Settings::new()));
        assert!(!old.contains_key("tls-port") && !old.contains_key("enable-module-command"));
        assert!(old.contains_key("requirepass") && old.contains_key("slaveof"));
    }
}
