//! What somebody who is logged in can do: one command after the other, on a copy of the mailbox.

use std::io;
use std::time::Duration;

use super::Imap;
use super::fetch::Items;
use super::login::{note, tag};
use super::parse::{Token, tokens};
use super::reader::{Input, Reader};
use super::search::{CRITERIA, Search, sort};
use super::set::{Set, compact};
use crate::decoy::mail::mailbox::{Folder, flag};

/// Bad commands in a row until it hangs up.
const BAD: u32 = 20;
const COMMANDS_MAX: u32 = 5000;
/// Bytes of appended messages that one session keeps.
pub(super) const APPENDED_MAX: usize = 256 * 1024;
/// How often IDLE shows that it is there, and how many times.
const STILL: Duration = Duration::from_secs(120);
const STILL_MAX: u32 = 14;

/// The folder that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) folder: usize,
    pub(super) writable: bool,
}

/// The tagged end of an answer.
pub(super) enum Done {
    /// After the word the time that it took, with a third figure when folders were touched.
    Ok(String),
    OkStored(String),
    No(String),
    Bad(String),
}

pub(super) type Outcome = Result<Done, Done>;

/// One session.
pub(super) struct User<'a> {
    pub(super) imap: &'a Imap,
    pub(super) reader: &'a mut Reader,
    pub(super) folders: Vec<Folder>,
    pub(super) selected: Option<Selected>,
    pub(super) appended: usize,
    pub(super) condstore: bool,
    /// Untagged answers to the command at hand.
    pub(super) out: Vec<u8>,
}

/// `BAD` with Dovecot's words.
pub(super) fn bad(verb: &str, why: &str) -> Done {
    Done::Bad(format!("Error in IMAP command {verb}: {why}"))
}

pub(super) fn missing(name: &str) -> Done {
    Done::No(format!("Mailbox doesn't exist: {name}"))
}

impl<'a> User<'a> {
    pub(super) fn new(imap: &'a Imap, reader: &'a mut Reader) -> Self {
        let folders = imap.mailbox.folders();
        reader.widen();
        Self { imap, reader, folders, selected: None, appended: 0, condstore: false, out: Vec::new() }
    }

    pub(super) async fn run(&mut self) -> io::Result<()> {
        let mut failures = 0u32;
        for _ in 0..COMMANDS_MAX {
            let room = APPENDED_MAX.saturating_sub(self.appended);
            let (command, whole) = match self.reader.command(room).await {
                Ok(Input::Command(command)) => (command, true),
                Ok(Input::TooBig(command)) => (command, false),
                Ok(Input::Full) => {
                    self.reader.send(b"* BYE Input buffer full, aborting\r\n").await?;
                    return Ok(());
                }
                Ok(Input::End) => return Ok(()),
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.reader.send(b"* BYE Disconnected for inactivity.\r\n").await?;
                    }
                    return Err(error);
                }
            };
            let Some((tag, rest)) = tag(&command) else {
                note(self.reader, "unknown", &command);
                self.reader.send(b"* BAD Error in IMAP tag: Invalid tag (0.001 + 0.000 secs).\r\n").await?;
                failures += 1;
                if failures >= BAD {
                    return self.reader.send(b"* BYE Too many invalid IMAP commands.\r\n").await;
                }
                continue;
            };
            let tag = String::from_utf8_lossy(tag).into_owned();
            let (verb, arguments) = verb(rest);
            self.record(&verb, rest);
            if verb == "LOGOUT" {
                let text =
                    format!("* BYE Logging out\r\n{tag} OK Logout completed (0.001 + 0.000 secs).\r\n");
                return self.reader.send(text.as_bytes()).await;
            }
            self.out.clear();
            let outcome = if verb == "IDLE" {
                self.idle().await?
            } else if whole {
                match tokens(arguments) {
                    Ok(arguments) => self.command(&verb, &arguments, &tag).unwrap_or_else(|failed| failed),
                    Err(why) => bad(&verb, why),
                }
            } else {
                Done::No("[OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned())
            };
            failures = if matches!(outcome, Done::Bad(_)) { failures + 1 } else { 0 };
            let line = match &outcome {
                Done::Ok(text) => format!("{tag} OK {text} (0.001 + 0.000 secs).\r\n"),
                Done::OkStored(text) => format!("{tag} OK {text} (0.002 + 0.000 + 0.001 secs).\r\n"),
                Done::No(text) => format!("{tag} NO {text} (0.001 + 0.000 secs).\r\n"),
                Done::Bad(text) => format!("{tag} BAD {text} (0.001 + 0.000 secs).\r\n"),
            };
            let mut out = std::mem::take(&mut self.out);
            out.extend_from_slice(line.as_bytes());
            self.reader.send(&out).await?;
            if failures >= BAD {
                return self.reader.send(b"* BYE Too many invalid IMAP commands.\r\n").await;
            }
        }
        Ok(())
    }

    fn record(&self, verb: &str, rest: &[u8]) {
        let action = verb.to_ascii_lowercase().replace(' ', "_");
        let known = !action.is_empty()
            && action.len() < 24
            && action.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let line = rest.split(|b| *b == b'\r').next().unwrap_or_default();
        note(self.reader, if known { &action } else { "unknown" }, line);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn command(&mut self, verb: &str, arguments: &[Token], tag: &str) -> Outcome {
        let (name, uid) = verb.strip_prefix("UID ").map_or((verb, false), |name| (name, true));
        match name {
            "" if uid => Err(Done::Bad("Error in IMAP command: Invalid command name".to_owned())),
            "" => Err(Done::Bad("Error in IMAP command: Invalid command name".to_owned())),
            "FETCH" => self.fetch(verb, arguments, uid),
            "STORE" => self.store(verb, arguments, uid),
            "COPY" => self.copy(verb, arguments, uid, false),
            "MOVE" => self.copy(verb, arguments, uid, true),
            "SEARCH" => self.search(verb, arguments, uid, tag),
            "SORT" => self.sorted(verb, arguments, uid, false),
            "THREAD" => self.sorted(verb, arguments, uid, true),
            "EXPUNGE" => self.expunge(arguments, uid),
            _ if uid => Err(bad(verb, "Unknown command")),
            "NOOP" => Ok(Done::Ok("NOOP completed".to_owned())),
            "CHECK" => self.selected().map(|_| Done::Ok("Check completed".to_owned())),
            "CAPABILITY" => {
                let text = format!("* CAPABILITY {}", self.imap.capability_inside());
                self.say(&text);
                Ok(Done::Ok("Capability completed".to_owned()))
            }
            "ID" => {
                self.say("* ID (\"name\" \"Dovecot\")");
                Ok(Done::Ok("ID completed".to_owned()))
            }
            "ENABLE" => self.enable(arguments),
            "NAMESPACE" => {
                self.say("* NAMESPACE ((\"\" \".\")) NIL NIL");
                Ok(Done::Ok("Namespace completed".to_owned()))
            }
            "NOTIFY" => Ok(Done::Ok("NOTIFY completed".to_owned())),
            "SELECT" | "EXAMINE" => self.select(verb, arguments),
            "CLOSE" | "UNSELECT" => {
                let selected = self.selected()?;
                self.selected = None;
                if verb == "CLOSE" && selected.writable {
                    self.drop_deleted(selected.folder, |_| true);
                }
                Ok(Done::Ok(format!("{} completed", if verb == "CLOSE" { "Close" } else { "Unselect" })))
            }
            "STATUS" => self.status(arguments),
            "LIST" | "LSUB" | "XLIST" => self.list(verb, arguments),
            "CREATE" => self.create(arguments),
            "DELETE" => self.delete(arguments),
            "RENAME" => self.rename(arguments),
            "SUBSCRIBE" | "UNSUBSCRIBE" => self.subscribe(verb, arguments),
            "APPEND" => self.append(arguments),
            _ => {
                let shown: String = verb.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(bad(&shown, "Unknown command"))
            }
        }
    }

    pub(super) fn selected(&self) -> Result<Selected, Done> {
        self.selected.ok_or_else(|| Done::Bad("No mailbox selected".to_owned()))
    }

    /// The open folder.
    pub(super) fn folder(&self, selected: Selected) -> Result<&Folder, Done> {
        self.folders.get(selected.folder).ok_or_else(|| Done::Bad("No mailbox selected".to_owned()))
    }

    fn enable(&mut self, arguments: &[Token]) -> Outcome {
        let mut enabled = Vec::new();
        for word in arguments.iter().take(8).map(Token::word) {
            if ["CONDSTORE", "QRESYNC"].contains(&word.as_str()) && !enabled.contains(&word) {
                enabled.push(word);
            }
        }
        if !enabled.is_empty() {
            self.condstore = true;
            if self.selected.is_some() {
                self.say("* OK [HIGHESTMODSEQ 1] Highest");
            }
            let text = format!("* ENABLED {}", enabled.join(" "));
            self.say(&text);
        }
        Ok(Done::Ok("Enabled".to_owned()))
    }

    /// Indices of the messages in a set; numbers beyond the last are an error, UIDs are not.
    pub(super) fn messages(&self, verb: &str, token: Option<&Token>, uid: bool) -> Result<Vec<usize>, Done> {
        let selected = self.selected()?;
        let folder = self.folder(selected)?;
        let count = u32::try_from(folder.messages.len()).unwrap_or(u32::MAX);
        let wrong = || bad(verb, if uid { "Invalid uidset" } else { "Invalid messageset" });
        let text = token.and_then(Token::atom).ok_or_else(|| bad(verb, "Invalid arguments"))?;
        let highest = if uid { folder.messages.last().map_or(1, |m| m.uid) } else { count };
        if count == 0 && !uid && text != b"1:*" {
            return Err(wrong());
        }
        let set = Set::parse(text, highest.max(1)).ok_or_else(wrong)?;
        if !uid && count > 0 && !set.within(count) {
            return Err(wrong());
        }
        let wanted = |n: usize| {
            let number = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
            folder.messages.get(n).is_some_and(|m| set.contains(if uid { m.uid } else { number }))
        };
        Ok((0..folder.messages.len()).filter(|n| wanted(*n)).collect())
    }

    fn fetch(&mut self, verb: &str, arguments: &[Token], uid: bool) -> Outcome {
        let selected = self.selected()?;
        if arguments.len() < 2 {
            return Err(bad(verb, "Invalid arguments"));
        }
        let found = self.messages(verb, arguments.first(), uid)?;
        let items =
            Items::parse(arguments.get(1..).unwrap_or_default(), uid).map_err(|why| bad(verb, &why))?;
        let marks = items.sees() && selected.writable;
        let mut out = std::mem::take(&mut self.out);
        if let Some(folder) = self.folders.get_mut(selected.folder) {
            for n in found {
                let Some(message) = folder.messages.get_mut(n) else { continue };
                let flagged = marks && message.flags & flag::SEEN == 0;
                message.flags |= if flagged { flag::SEEN } else { 0 };
                items.write(&mut out, n.saturating_add(1), message, flagged);
                if out.len() > FETCH_MAX {
                    break;
                }
            }
        }
        self.out = out;
        Ok(Done::Ok("Fetch completed".to_owned()))
    }

    fn search(&mut self, verb: &str, arguments: &[Token], uid: bool, tag: &str) -> Outcome {
        let selected = self.selected()?;
        let mut rest = arguments;
        let mut wanted = None;
        if rest.first().is_some_and(|t| t.word() == "RETURN")
            && let Some(options) = rest.get(1).and_then(Token::list)
        {
            wanted = Some(options.iter().map(Token::word).take(8).collect::<Vec<_>>());
            rest = rest.get(2..).unwrap_or_default();
        }
        if rest.first().is_some_and(|t| t.word() == "CHARSET") {
            charset(rest.get(1))?;
            rest = rest.get(2..).unwrap_or_default();
        }
        let folder = self.folder(selected)?;
        let search = Search::parse(rest, folder).map_err(|why| bad(verb, &why))?;
        let found = search.run(folder, jiff::Timestamp::now().as_second());
        let numbers = numbers(folder, &found, uid);
        let text = match wanted {
            None => {
                let list: String = numbers.iter().map(|n| format!(" {n}")).collect();
                format!("* SEARCH{list}")
            }
            Some(options) => {
                let mut text = format!("* ESEARCH (TAG \"{tag}\"){}", if uid { " UID" } else { "" });
                let has = |name: &str| options.iter().any(|o| o == name);
                if let (Some(min), Some(max)) = (numbers.first(), numbers.last()) {
                    text.push_str(&if has("MIN") { format!(" MIN {min}") } else { String::new() });
                    text.push_str(&if has("MAX") { format!(" MAX {max}") } else { String::new() });
                    if has("ALL") || options.is_empty() {
                        text.push_str(&format!(" ALL {}", compact(&numbers)));
                    }
                }
                text.push_str(&if has("COUNT") {
                    format!(" COUNT {}", numbers.len())
                } else {
                    String::new()
                });
                text
            }
        };
        self.say(&text);
        Ok(Done::Ok("Search completed".to_owned()))
    }

    /// SORT, and THREAD, which finds no conversation of more than one mail.
    fn sorted(&mut self, verb: &str, arguments: &[Token], uid: bool, thread: bool) -> Outcome {
        let selected = self.selected()?;
        let criteria = match arguments.first() {
            None if thread => return Err(bad(verb, "Invalid arguments")),
            Some(token) if thread => {
                if !["REFERENCES", "REFS", "ORDEREDSUBJECT"].contains(&token.word().as_str()) {
                    return Err(bad(verb, "Unknown thread algorithm"));
                }
                &[][..]
            }
            other => other.and_then(Token::list).ok_or_else(|| bad(verb, "Invalid sort argument"))?,
        };
        if let Some(word) = criteria.iter().find(|t| !CRITERIA.contains(&t.word().as_str())) {
            let word = String::from_utf8_lossy(word.string().unwrap_or_default()).into_owned();
            let word: String = word.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(bad(verb, &format!("Unknown sort argument: {word}")));
        }
        if arguments.len() < 3 {
            return Err(bad(verb, "Missing search parameters"));
        }
        charset(arguments.get(1))?;
        let folder = self.folder(selected)?;
        let rest = arguments.get(2..).unwrap_or_default();
        let search = Search::parse(rest, folder).map_err(|why| bad(verb, &why))?;
        let mut found = search.run(folder, jiff::Timestamp::now().as_second());
        sort(&mut found, folder, criteria);
        let numbers = numbers(folder, &found, uid);
        let (name, done) = if thread { ("THREAD", "Thread") } else { ("SORT", "Sort") };
        let list: String = if thread {
            std::iter::once(" ".to_owned()).chain(numbers.iter().map(|n| format!("({n})"))).collect()
        } else {
            numbers.iter().map(|n| format!(" {n}")).collect()
        };
        let text = format!("* {name}{}", list.trim_end());
        self.say(&text);
        Ok(Done::Ok(format!("{done} completed")))
    }

    async fn idle(&mut self) -> io::Result<Done> {
        self.reader.send(b"+ idling\r\n").await?;
        for _ in 0..STILL_MAX {
            match tokio::time::timeout(STILL, self.reader.line()).await {
                Ok(Ok(Input::Command(line))) if line.eq_ignore_ascii_case(b"DONE") => {
                    return Ok(Done::OkStored("Idle completed".to_owned()));
                }
                Ok(Ok(Input::Command(_))) => return Ok(Done::Bad("Expected DONE".to_owned())),
                Ok(Ok(_)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Err(error)) => return Err(error),
                Err(_) => self.reader.send(b"* OK Still here\r\n").await?,
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// Bytes of answers to one FETCH.
const FETCH_MAX: usize = 8 << 20;

/// Numbers, or UIDs, of messages.
fn numbers(folder: &Folder, found: &[usize], uid: bool) -> Vec<u32> {
    let number = |n: &usize| {
        if uid { folder.messages.get(*n).map(|m| m.uid) } else { u32::try_from(*n).ok()?.checked_add(1) }
    };
    found.iter().filter_map(number).collect()
}

fn charset(token: Option<&Token>) -> Result<(), Done> {
    let name = token.and_then(Token::string).unwrap_or_default().to_ascii_uppercase();
    if [&b"UTF-8"[..], b"US-ASCII", b"ISO-8859-1"].contains(&name.as_slice()) {
        return Ok(());
    }
    Err(Done::No("[BADCHARSET] Unknown charset".to_owned()))
}

/// The command's name, `UID` with the word after it, and the arguments.
fn verb(rest: &[u8]) -> (String, &[u8]) {
    let word = |bytes: &[u8]| bytes.iter().position(|b| matches!(b, b' ' | b'\r')).unwrap_or(bytes.len());
    let (first, rest) = rest.split_at(word(rest));
    let mut verb = String::from_utf8_lossy(first).to_ascii_uppercase();
    let mut rest = rest;
    if verb == "UID" {
        let after = rest.trim_ascii_start();
        let (second, arguments) = after.split_at(word(after));
        verb = if second.is_empty() {
            String::new()
        } else {
            format!("UID {}", String::from_utf8_lossy(second).to_ascii_uppercase())
        };
        rest = arguments;
    }
    (verb, rest)
}
