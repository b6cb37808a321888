//! SMTP: Postfix, Exim or Sendmail on ports 25 and 587.
//!
//! `smtp` takes mail for its own users and relays for nobody but the account that a setting names and, where
//! there are mailboxes, their owners;
//! `smtp_relay` is an open relay that believes every password. Either keeps the digest of a message and what
//! stands out in it, and delivers nothing: there is no code here that could dial.

mod address;
mod auth;
mod data;
mod envelope;
mod exim;
mod id;
mod postfix;
mod say;
mod sendmail;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::Accounts;
use super::product::{Packages, certificate};
use crate::decoy::setting::text;
use crate::decoy::software::Software;
use crate::decoy::tls::Tls;
use crate::decoy::vfs::Machine;
use crate::decoy::{Decoy, Served, Session};
use crate::model::{Persona, Settings};

/// Port of mail submission (RFC 6409).
const SUBMISSION: u16 = 587;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mta {
    Postfix,
    Exim,
    Sendmail,
}

/// Where port 25 offers AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthPolicy {
    Clear,
    Tls,
    Never,
}

/// The smtp or smtp_relay service of one decky.
struct Smtp {
    mta: Mta,
    packages: &'static Packages,
    hostname: String,
    address: IpAddr,
    banner: Option<String>,
    relay: bool,
    auth: AuthPolicy,
    account: Option<(String, String)>,
    /// Whose mailboxes are here; they may send as well.
    mailboxes: Option<Accounts>,
    tls: Tls,
    persona: Persona,
    users: OnceLock<BTreeSet<String>>,
}

/// Makes the smtp service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Smtp::new(persona, settings, false))
}

/// Makes the smtp_relay service.
pub fn build_relay(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Smtp::new(persona, settings, true))
}

impl Mta {
    /// The one that the settings name, or whose banner they have.
    fn of(settings: &Settings) -> Self {
        match text(settings, "mta").or(text(settings, "banner").and_then(claimed)) {
            Some("exim") => Self::Exim,
            Some("sendmail") => Self::Sendmail,
            _ => Self::Postfix,
        }
    }
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let packages = Packages::of(&persona.distro);
    match Mta::of(settings) {
        Mta::Exim => Software::new("exim", packages.exim),
        Mta::Sendmail => Software::new("sendmail", packages.sendmail.split('/').next().unwrap_or_default()),
        Mta::Postfix => Software::new("postfix", &format!("{}.{}", packages.postfix.0, packages.postfix.1)),
    }
}

impl Smtp {
    fn new(persona: &Persona, settings: &Settings, relay: bool) -> Self {
        let banner = text(settings, "banner");
        let mta = Mta::of(settings);
        let auth = match text(settings, "auth") {
            Some("tls") => AuthPolicy::Tls,
            Some("never") => AuthPolicy::Never,
            _ => AuthPolicy::Clear,
        };
        let account = text(settings, "user").zip(text(settings, "password"));
        Self {
            mta,
            packages: Packages::of(&persona.distro),
            hostname: persona.hostname.clone(),
            address: persona.ip.into(),
            banner: banner.map(str::to_owned),
            relay,
            auth,
            account: account.map(|(u, p)| (u.to_owned(), p.to_owned())),
            mailboxes: ["imap", "pop3"]
                .iter()
                .any(|slug| persona.services.contains_key(*slug))
                .then(|| Accounts::new(persona, &Settings::new())),
            tls: certificate(persona, false),
            persona: persona.clone(),
            users: OnceLock::new(),
        }
    }

    /// Whether mail for this local part is taken.
    fn knows(&self, local: &[u8]) -> bool {
        let users = self.users.get_or_init(|| {
            let aliases = [
                "root",
                "postmaster",
                "mailer-daemon",
                "admin",
                "mail",
                "user",
                "nobody",
                "webmaster",
                "abuse",
            ];
            let mut users: BTreeSet<String> = aliases.map(str::to_owned).into_iter().collect();
            users.extend(Machine::new(&self.persona).users.into_iter().map(|u| u.name));
            users.extend(self.account.iter().map(|(user, _)| user.to_ascii_lowercase()));
            for slug in ["imap", "pop3"] {
                let settings = self.persona.services.get(slug);
                users.extend(settings.and_then(|s| text(s, "user")).map(str::to_ascii_lowercase));
            }
            users
        });
        // `user+detail` is `user`.
        let name = local.split(|b| *b == b'+').next().unwrap_or_default();
        std::str::from_utf8(name).is_ok_and(|name| users.contains(&name.to_ascii_lowercase()))
    }

    /// Whether a domain is the machine's own.
    fn owns(&self, domain: &[u8]) -> bool {
        let domain = String::from_utf8_lossy(domain).to_ascii_lowercase();
        let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
        domain == self.hostname.to_ascii_lowercase()
            || ["localhost", "localhost.localdomain"].contains(&domain.as_str())
            || literal.is_some_and(|l| l.parse() == Ok(self.address))
    }
}

/// What a banner of the operator's says it is.
fn claimed(banner: &str) -> Option<&'static str> {
    let banner = banner.to_ascii_lowercase();
    ["postfix", "exim", "sendmail"].into_iter().find(|name| banner.contains(name))
}

impl Decoy for Smtp {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move { talk::serve(&self, session).await })
    }
}
