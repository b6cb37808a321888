//! The programs of the machine's own services, asked for their version; started again they find their port taken.

use super::Shell;
use super::commands::Command;
use crate::decoy::vfs::process::{Listener, listeners};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    const KNOWN: &[&str] = &[
        "apache2",
        "asterisk",
        "dockerd",
        "dovecot",
        "exim",
        "exim4",
        "httpd",
        "mariadbd",
        "mongod",
        "mosquitto",
        "mysqld",
        "named",
        "nginx",
        "postgres",
        "redis-server",
        "smbd",
        "valkey-server",
        "vsftpd",
    ];
    KNOWN.contains(&name).then_some(daemon as Command)
}

fn daemon(sh: &mut Shell, args: &[String]) -> u8 {
    let name = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let asked = args.get(1).is_some_and(|a| matches!(a.as_str(), "-v" | "-V" | "-bV" | "--version"));
    // The dovecot that listens is called by another name than its helpers.
    let serves = |l: &&Listener| l.program == name || name == "dovecot" && l.slug == "imap";
    let Some(listener) = listeners(sh.machine()).iter().find(serves).copied() else { return 0 };
    if !asked {
        return sh.fail(&format!("{name}: bind to 0.0.0.0:{} failed: Address already in use", listener.port));
    }
    let software = sh.machine().software(listener.slug).cloned();
    let (version, number) =
        software.map_or_else(Default::default, |s| (s.version.clone(), s.number().to_owned()));
    let text = match name.as_str() {
        "nginx" => {
            sh.fail(&format!("nginx version: nginx/{version}"));
            return 0;
        }
        "vsftpd" => {
            sh.fail(&format!("vsftpd: version {number}"));
            return 0;
        }
        "apache2" | "httpd" => format!("Server version: Apache/{version}"),
        "asterisk" => format!("Asterisk {version}"),
        "dockerd" => format!("Docker version {version}"),
        "exim" | "exim4" => format!("Exim version {version}"),
        "mariadbd" | "mysqld" => format!("{name}  Ver {version} for Linux on x86_64"),
        "mongod" => format!("db version v{version}"),
        "mosquitto" => format!("mosquitto version {version}"),
        "named" => format!("BIND {version}"),
        "postgres" => format!("postgres (PostgreSQL) {version}"),
        "redis-server" => format!("Redis server v={version} sha=00000000:0 bits=64"),
        "valkey-server" => format!("Valkey server v={version} sha=00000000:0 bits=64"),
        "smbd" => format!("Version {version}"),
        _ => version,
    };
    sh.say(&text);
    0
}
