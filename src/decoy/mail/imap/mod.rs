//! IMAP: Dovecot on ports 143 and 993.
//!
//! A visitor who gets in works on a copy of the mailbox: what is flagged, moved, appended or expunged stays so
//! until the connection ends.

mod envelope;
mod fetch;
mod folders;
mod login;
mod parse;
mod reader;
mod search;
mod section;
mod set;
mod store;
#[cfg(test)]
mod tests;
mod user;

use std::io;
use std::sync::Arc;

use self::login::Login;
use self::reader::Reader;
use super::Accounts;
use super::mailbox::Mailbox;
use super::product::{Packages, certificate};
use crate::decoy::setting::flag;
use crate::decoy::tls::Tls;
use crate::decoy::{Decoy, Served, Session};
use crate::model::{Persona, Settings};

/// Port with TLS from the start.
const IMAPS: u16 = 993;

struct Imap {
    packages: &'static Packages,
    accounts: Accounts,
    /// Whether logins without TLS are taken.
    clear: bool,
    mailbox: Mailbox,
    tls: Tls,
}

/// Makes the imap service.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Imap {
        packages: Packages::of(&persona.distro),
        accounts: Accounts::new(persona, settings),
        clear: flag(settings, "plaintext_auth").unwrap_or(true),
        mailbox: Mailbox::new(persona, settings),
        tls: certificate(persona, true),
    })
}

impl Decoy for Imap {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let _ = self.talk(session).await;
        })
    }
}

impl Imap {
    async fn talk(&self, session: Session) -> io::Result<()> {
        let mut tls = session.number == IMAPS;
        let session = if tls { self.tls.accept(session).await?.0 } else { session };
        let mut reader = Reader::new(session);
        let greeting =
            format!("* OK [CAPABILITY {}] {}\r\n", self.capability(tls), self.packages.dovecot_ready());
        reader.send(greeting.as_bytes()).await?;
        loop {
            match self.login(&mut reader, tls).await? {
                Login::In => return user::User::new(self, &mut reader).run().await,
                Login::Out => return Ok(()),
                Login::Tls => {
                    // Clear text that came along with STARTTLS is dropped.
                    reader = Reader::new(self.tls.accept(reader.session).await?.0);
                    tls = true;
                }
            }
        }
    }

    fn open(&self, tls: bool) -> bool {
        self.clear || tls
    }

    /// What it can do before a login.
    fn capability(&self, tls: bool) -> String {
        let base = if self.packages.dovecot < (2, 3, 0) {
            "IMAP4rev1 LITERAL+ SASL-IR LOGIN-REFERRALS ID ENABLE IDLE"
        } else {
            "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+"
        };
        let start = if tls { "" } else { " STARTTLS" };
        let auth = if self.open(tls) { " AUTH=PLAIN AUTH=LOGIN" } else { " LOGINDISABLED" };
        format!("{base}{start}{auth}")
    }

    /// What it can do after one.
    fn capability_inside(&self) -> String {
        let version = self.packages.dovecot;
        let first = if version < (2, 3, 0) { " LITERAL+" } else { "" };
        let last = if version < (2, 3, 0) {
            " SPECIAL-USE"
        } else if version < (2, 3, 11) {
            " PREVIEW=FUZZY STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE"
        } else if version < (2, 4, 0) {
            " PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE"
        } else {
            " PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE INPROGRESS LITERAL+ NOTIFY SPECIAL-USE"
        };
        format!(
            "IMAP4rev1{first} SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS \
             THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED \
             I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE \
             SNIPPET=FUZZY{last}"
        )
    }
}
