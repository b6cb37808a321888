//! The decoys: one file or folder per protocol, and the worker that serves all services of one decky.
//!
//! Attackers talk to this code. Every length, count, depth and time is bounded; nothing here panics,
//! dials out, executes, decompresses or trusts a byte. A worker has no sockets but those it was given.

mod accounts;
pub mod ber;
mod buffered;
pub mod cast;
pub mod conpot;
pub mod custom;
pub mod datagram;
pub mod dns;
pub mod docker_api;
pub(crate) mod domain;
pub mod elasticsearch;
pub mod ftp;
pub mod http;
pub mod k8s;
pub mod ldap;
pub(crate) mod le;
pub mod llmnr;
pub mod mail;
pub mod mongodb;
pub mod mqtt;
pub mod mssql;
pub mod mysql;
pub(crate) mod ntlm;
pub mod postgres;
pub mod rdp;
pub mod redis;
mod render;
mod scram;
pub mod session;
pub(crate) mod setting;
pub mod shell;
pub mod sip;
pub mod smb;
pub mod sniffer;
pub mod snmp;
pub mod software;
pub mod ssh;
pub mod telnet;
#[cfg(any(test, fuzzing))]
pub mod testing;
pub mod tftp;
pub mod tls;
pub mod upload;
mod uptime;
pub mod vfs;
pub mod vnc;
pub mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::model::{Persona, Settings};

pub use datagram::{Answers, Packet};
pub use session::Session;

/// The future of one served connection.
pub type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One emulated service of one decky.
///
/// Built once per worker, before the sandbox closes: cheaply, for a thousand of them start at once; what
/// takes time is made when it is first needed. `serve` runs once per connection, on a current-thread
/// runtime, inside the worker's limits: it may simply return when the peer is done, misbehaves, or a read fails.
pub trait Decoy: Send + Sync {
    /// Talks to one client until it is done. A service without TCP ports closes at once.
    fn serve(self: Arc<Self>, session: Session) -> Served {
        drop(session);
        Box::pin(std::future::ready(()))
    }

    /// Answers one datagram, at once. A service without UDP ports says nothing.
    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let _ = (packet, answers);
    }
}

/// Makes a decoy from who it plays and the service's settings.
///
/// Settings were checked against the catalogue when the fleet was planned; a value that still does
/// not fit (a row of another tool) falls back to its default.
pub type Build = fn(&Persona, &Settings) -> Arc<dyn Decoy>;

/// The decoy for a service slug; none when there is no emulation yet.
pub fn registry(slug: &str) -> Option<Build> {
    Some(match slug {
        "conpot" => conpot::build,
        "dns" => dns::build,
        "docker_api" => docker_api::build,
        "elasticsearch" => elasticsearch::build,
        "ftp" => ftp::build,
        "http" => http::build,
        "https" => http::build_secure,
        "imap" => mail::imap::build,
        "k8s" => k8s::build,
        "ldap" => ldap::build,
        "llmnr" => llmnr::build,
        "mongodb" => mongodb::build,
        "mqtt" => mqtt::build,
        "mssql" => mssql::build,
        "mysql" => mysql::build,
        "pop3" => mail::pop3::build,
        "postgres" => postgres::build,
        "rdp" => rdp::build,
        "redis" => redis::build,
        "sip" => sip::build,
        "smb" => smb::build,
        "smtp" => mail::smtp::build,
        "smtp_relay" => mail::smtp::build_relay,
        "snmp" => snmp::build,
        "ssh" => ssh::build,
        "telnet" => telnet::build,
        "tftp" => tftp::build,
        "vnc" => vnc::build,
        _ => return None,
    })
}

/// Whether the embedded engine can run the service: as a decoy, or as the fleet's one observer.
pub fn emulates(slug: &str) -> bool {
    registry(slug).is_some() || slug == "sniffer"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_and_the_registry_agree() {
        for service in crate::catalog::services() {
            assert_eq!(service.emulated, emulates(service.slug), "{}", service.slug);
        }
    }

    #[test]
    fn every_decoy_is_built_from_odd_settings_too() {
        let odd: Settings = [("port", 7.into()), ("version", serde_json::Value::Null), ("user", true.into())]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
        for service in crate::catalog::services() {
            if let Some(build) = registry(service.slug) {
                let mut persona = testing::persona(&[service.slug]);
                for distro in crate::catalog::distros().iter().map(|d| d.slug).chain(["", "beos"]) {
                    persona.distro = distro.to_owned();
                    drop(build(&persona, &odd));
                }
            }
        }
    }
}
