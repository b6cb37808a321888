//! FTP: vsftpd, ProFTPD or Pure-FTPd, with the machine's own file system behind it.
//!
//! Anonymous visitors see a small read-only tree; the account an operator sets sees the machine, and what
//! it uploads stays in memory until it leaves. Data connections come to spare listening sockets the worker
//! was given; nothing is ever dialled, so an active transfer fails the way it does behind a firewall.

mod control;
mod data;
mod files;
mod listing;
mod product;
mod replies;
mod tree;

use std::sync::Arc;

use serde_json::Value;

use self::product::Server;
use super::vfs::Vfs;
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::model::{Persona, Settings};

/// The ftp service of one decky.
pub(super) struct Ftp {
    server: Server,
    /// User and password that are let in.
    account: Option<(String, String)>,
    anonymous: bool,
    vfs: Vfs,
}

/// Makes the ftp service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Ftp::new(persona, settings))
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let server =
        Server::new(persona, settings.get("banner").and_then(Value::as_str).filter(|t| !t.is_empty()));
    match server.product {
        product::Product::Vsftpd => Software::new("vsftpd", &server.version),
        product::Product::Proftpd => Software::new("proftpd", ""),
        product::Product::Pureftpd => Software::new("pure-ftpd", ""),
    }
}

impl Ftp {
    fn new(persona: &Persona, settings: &Settings) -> Self {
        let text = |key: &str| settings.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let anonymous = match settings.get("anonymous") {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(word)) => !matches!(word.trim(), "false" | "no" | "off" | "0"),
            _ => true,
        };
        let account = text("user").zip(text("password")).map(|(u, p)| (u.to_owned(), p.to_owned()));
        let mut vfs = Vfs::new(persona);
        tree::plant(&mut vfs, persona, account.as_ref().map(|a| a.0.as_str()));
        Self { server: Server::new(persona, text("banner")), account, anonymous, vfs }
    }
}

impl Decoy for Ftp {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let pool = session.spare.clone();
            control::Control::new(&self, session, &pool).run().await;
        })
    }
}

#[cfg(test)]
mod tests;
