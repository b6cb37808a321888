//! Mail: SMTP (Postfix, Exim or Sendmail), IMAP and POP3 (Dovecot), as the machine's distro ships them.
//!
//! What is sent here is hashed, looked through line by line and forgotten; nothing is ever delivered. The
//! mailbox that IMAP and POP3 show is one: ten baits, what cron wrote since, and the operator's own mails.
//! What a visitor changes in it lasts as long as the connection.

mod bait;
pub mod imap;
mod intake;
mod mailbox;
mod mime;
pub mod pop3;
mod product;
mod sasl;
mod seed;
pub mod smtp;

use std::time::Duration;

use super::setting::text;
use crate::decoy::software::Software;
use crate::model::{Persona, Settings};

/// Waits as a server does that was given a wrong password.
async fn penalty(real: u64) {
    tokio::time::sleep(Duration::from_millis(if cfg!(test) { 5 } else { real })).await;
}

/// The settings of a machine's mailbox: those of `settings`, and what only the other of imap and pop3 says, for
/// both show the same.
fn shared(persona: &Persona, settings: &Settings) -> Settings {
    let mut all = settings.clone();
    for slug in ["imap", "pop3"] {
        let other = persona.services.get(slug).into_iter().flatten();
        let other =
            other.filter(|(key, _)| matches!(key.as_str(), "user" | "password" | "email_seed" | "accept"));
        for (key, value) in other {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    all
}

/// Who gets into the mailbox.
#[derive(Clone, Debug)]
struct Accounts {
    all: bool,
    known: Vec<(String, String)>,
}

/// Accounts that are there unless `accept` says otherwise.
const ACCOUNTS: [(&str, &str); 4] =
    [("admin", "admin123"), ("root", "toor"), ("mail", "mail"), ("user", "user")];

impl Accounts {
    fn new(persona: &Persona, settings: &Settings) -> Self {
        let settings = &shared(persona, settings);
        let mut known: Vec<_> = ACCOUNTS.iter().map(|(u, p)| ((*u).to_owned(), (*p).to_owned())).collect();
        let accept = text(settings, "accept").unwrap_or("accounts");
        if let Some((user, password)) = text(settings, "user").zip(text(settings, "password")) {
            let user = user.to_ascii_lowercase();
            known.retain(|(name, _)| *name != user);
            known.push((user, password.to_owned()));
        }
        if accept == "none" {
            known.clear();
        }
        Self { all: accept == "all", known }
    }

    /// Dovecot looks users up in lower case.
    fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        if user.is_empty() || password.is_empty() {
            return false;
        }
        let user = user.to_ascii_lowercase();
        self.all || self.known.iter().any(|(u, p)| u.as_bytes() == user && p.as_bytes() == password)
    }
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, _: &Settings) -> Software {
    let (a, b, c) = product::Packages::of(&persona.distro).dovecot;
    Software::new("dovecot", &format!("{a}.{b}.{c}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_from_the_settings() {
        let of = |pairs: &[(&str, &str)]| {
            let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
            Accounts::new(&crate::decoy::testing::persona(&["imap"]), &settings)
        };
        let plain = of(&[]);
        assert!(plain.admits(b"Admin", b"admin123") && plain.admits(b"root", b"toor"));
        assert!(!plain.admits(b"admin", b"Admin123") && !plain.admits(b"", b""));
        let own = of(&[("user", "Root"), ("password", "pw")]);
        assert!(own.admits(b"root", b"pw") && !own.admits(b"root", b"toor") && own.admits(b"mail", b"mail"));
        assert!(!of(&[("accept", "none")]).admits(b"mail", b"mail"));
        assert!(of(&[("accept", "all")]).admits(b"x", b"y"));
    }

    #[test]
    fn imap_and_pop3_share_what_one_of_them_says() {
        let mut persona = crate::decoy::testing::persona(&["imap", "pop3"]);
        let imap: Settings = [("user", "dave"), ("password", "pw"), ("plaintext_auth", "x")]
            .map(|(k, v)| (k.to_owned(), v.into()))
            .into_iter()
            .collect();
        persona.services.insert("imap".to_owned(), imap);
        assert!(Accounts::new(&persona, &Settings::new()).admits(b"dave", b"pw"));
        assert!(!shared(&persona, &Settings::new()).contains_key("plaintext_auth"));
    }
}
