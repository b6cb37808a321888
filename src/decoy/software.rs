//! Which programs the services of a machine are, and their versions: each decoy says, and the shell shows it.

use super::{
    dns, docker_api, elasticsearch, ftp, http, k8s, mail, mongodb, mqtt, mssql, mysql, postgres, redis, sip,
    smb, ssh, vnc,
};
use crate::model::{Persona, Settings};

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// Our word for it, as the table in `vfs/daemons.rs` has it.
    pub program: &'static str,
    /// Its version as its decoy gives it; empty where that says none.
    pub version: String,
}

impl Software {
    /// One.
    pub(crate) fn new(program: &'static str, version: &str) -> Self {
        Self { program, version: version.to_owned() }
    }

    /// What runs as a service; none where there is no choice and no version is told.
    pub(crate) fn of(persona: &Persona, slug: &str, settings: &Settings) -> Option<Self> {
        let say = match slug {
            "dns" => dns::software,
            "docker_api" => docker_api::software,
            "elasticsearch" => elasticsearch::software,
            "ftp" => ftp::software,
            "http" | "https" => http::software,
            "imap" | "pop3" => mail::software,
            "k8s" => k8s::software,
            "mongodb" => mongodb::software,
            "mqtt" => mqtt::software,
            "mssql" => mssql::software,
            "mysql" => mysql::software,
            "postgres" => postgres::software,
            "redis" => redis::software,
            "sip" => sip::software,
            "smb" => smb::software,
            "smtp" | "smtp_relay" => mail::smtp::software,
            "ssh" => |persona: &Persona, _: &Settings| {
                let version = ssh::version::version(&persona.distro);
                Software::new("sshd", version.trim_start_matches("OpenSSH_"))
            },
            "vnc" => vnc::software,
            _ => return None,
        };
        Some(say(persona, settings))
    }

    /// The number that the version begins with.
    pub fn number(&self) -> &str {
        let end = self.version.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | 'p'));
        self.version.get(..end.unwrap_or(self.version.len())).unwrap_or_default().trim_end_matches(['.', 'p'])
    }
}
