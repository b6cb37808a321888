//! The mailbox: folders and messages, made at the first look; every session works on a copy of the list.

use std::sync::{Arc, OnceLock};

use super::bait;
use super::seed::Seeded;
use crate::model::{Persona, Settings};

/// Flags of a message.
pub(super) mod flag {
    pub(in super::super) const ANSWERED: u8 = 1;
    pub(in super::super) const FLAGGED: u8 = 2;
    pub(in super::super) const DELETED: u8 = 4;
    pub(in super::super) const SEEN: u8 = 8;
    pub(in super::super) const DRAFT: u8 = 16;
    /// New since the folder was last opened.
    pub(in super::super) const RECENT: u8 = 32;
    /// Came while the folder was closed: recent once it is opened.
    pub(in super::super) const ARRIVED: u8 = 64;
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) uid: u32,
    /// With CRLF.
    pub(super) bytes: Arc<[u8]>,
    /// When it came, seconds since 1970.
    pub(super) time: i64,
    /// Of [`flag`].
    pub(super) flags: u8,
    /// Further flags, as clients set them.
    pub(super) keywords: Vec<String>,
}

/// One folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) special: Option<&'static str>,
    pub(super) validity: u32,
    pub(super) next: u32,
    pub(super) messages: Vec<Message>,
    pub(super) subscribed: bool,
    /// Every further flag that was ever set in it.
    pub(super) keywords: Vec<String>,
}

impl Folder {
    /// Puts a message in and gives its number.
    pub(super) fn add(&mut self, bytes: Arc<[u8]>, time: i64, flags: u8, keywords: Vec<String>) -> u32 {
        let uid = self.next;
        self.next = self.next.saturating_add(1);
        self.messages.push(Message { uid, bytes, time, flags, keywords });
        uid
    }
}

/// The mailbox of a machine; one for all who get in, and the same over IMAP and POP3.
pub(super) struct Mailbox {
    persona: Persona,
    seeded: Vec<Seeded>,
    made: OnceLock<Vec<Folder>>,
}

const FOLDERS: [(&str, Option<&str>); 5] = [
    ("INBOX", None),
    ("Archive", None),
    ("Drafts", Some("\\Drafts")),
    ("Sent", Some("\\Sent")),
    ("Trash", Some("\\Trash")),
];

impl Mailbox {
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let seeded = super::seed::load(&super::shared(persona, settings));
        // Only what the baits need; the services' settings may be large.
        let persona = Persona { services: std::collections::BTreeMap::new(), ..persona.clone() };
        Self { persona, seeded, made: OnceLock::new() }
    }

    /// Its folders, as a session finds them.
    pub(super) fn folders(&self) -> Vec<Folder> {
        self.made.get_or_init(|| self.make(jiff::Timestamp::now().as_second())).clone()
    }

    fn make(&self, now: i64) -> Vec<Folder> {
        let born = u32::try_from(self.persona.born).unwrap_or(1_700_000_000);
        let offset = u32::try_from(self.persona.seed.number("mail/validity", 3600)).unwrap_or(0);
        let validity = born.saturating_add(offset);
        let mut folders: Vec<Folder> = FOLDERS
            .iter()
            .zip(0u32..)
            .map(|((name, special), n)| Folder {
                name: (*name).to_owned(),
                special: *special,
                validity: validity.saturating_add(n),
                next: 1,
                messages: Vec::new(),
                subscribed: name != &"INBOX",
                keywords: Vec::new(),
            })
            .collect();
        let mut letters = bait::letters(&self.persona, now);
        for (n, seeded) in self.seeded.iter().enumerate() {
            let n = i64::try_from(n).unwrap_or(0);
            letters.push(bait::Letter {
                folder: "INBOX",
                time: seeded.time.unwrap_or(self.persona.born.saturating_add(20 * 86_400 + n * 3600)),
                seen: false,
                flagged: false,
                bytes: seeded.bytes.clone(),
            });
        }
        letters.sort_by_key(|letter| letter.time);
        for letter in letters {
            let Some(folder) = folders.iter_mut().find(|f| f.name == letter.folder) else { continue };
            let mut flags = if letter.seen { flag::SEEN } else { 0 };
            flags |= if letter.flagged { flag::FLAGGED } else { 0 };
            flags |= if letter.folder == "Drafts" { flag::DRAFT } else { 0 };
            folder.add(letter.bytes.into(), letter.time, flags, Vec::new());
        }
        folders
    }
}

/// Where the body of a message begins: after the first empty line.
pub(super) fn body_start(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") {
        return 2;
    }
    super::intake::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at.saturating_add(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn folders_are_filled_and_stable() {
        let mailbox = Mailbox::new(&persona(&["imap"]), &Settings::new());
        let folders = mailbox.make(1_770_000_000);
        assert_eq!(folders[0].name, "INBOX");
        assert!(folders[0].messages.len() > 15 && !folders[3].messages.is_empty());
        let uids: Vec<u32> = folders[0].messages.iter().map(|m| m.uid).collect();
        assert_eq!(uids, (1..folders[0].next).collect::<Vec<_>>());
        assert!(folders[0].messages.windows(2).all(|w| w[0].time <= w[1].time));
        assert_eq!((body_start(b"a: b\r\n\r\nx"), body_start(b"a")), (8, 1));
    }
}
