//! Messages changed, copied, moved, appended and expunged.

use super::fetch::{FLAGS, flags};
use super::parse::Token;
use super::set::compact;
use super::user::{Done, Outcome, Selected, User, bad};
use crate::decoy::mail::mailbox::{Message, flag};
use crate::decoy::render::crlf;
use crate::decoy::upload::Upload;
use crate::event::Kind;

/// Further flags of one message, and bytes of one.
const KEYWORDS: usize = 16;
const KEYWORD: usize = 64;
/// Further flags of one folder.
const KEYWORDS_OF_FOLDER: usize = 64;
/// Messages of one session, in all folders.
const MESSAGES: usize = 4000;

/// Flags of a list, or of words.
fn parse(verb: &str, arguments: &[Token]) -> Result<(u8, Vec<String>), Done> {
    let words = match arguments {
        [one] => one.list().unwrap_or(std::slice::from_ref(one)),
        more => more,
    };
    let (mut bits, mut keywords) = (0u8, Vec::new());
    for word in words {
        let text = word.atom().map(|a| String::from_utf8_lossy(a).into_owned());
        let text = text.ok_or_else(|| bad(verb, "Flags list contains non-atoms."))?;
        if let Some((_, bit)) = FLAGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text)) {
            bits |= bit;
        } else if text.eq_ignore_ascii_case("\\recent") {
        } else if text.starts_with('\\') {
            let shown: String =
                text.to_ascii_uppercase().chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(bad(verb, &format!("Invalid system flag {shown}")));
        } else if keywords.len() < KEYWORDS
            && text.len() <= KEYWORD
            && text.bytes().all(|b| b.is_ascii_graphic())
        {
            keywords.push(text);
        }
    }
    Ok((bits, keywords))
}

impl User<'_> {
    pub(super) fn store(&mut self, verb: &str, arguments: &[Token], uid: bool) -> Outcome {
        let selected = self.selected()?;
        let found = self.messages(verb, arguments.first(), uid)?;
        let mut rest = arguments.get(1..).unwrap_or_default();
        // UNCHANGEDSINCE never stands in the way of anything here.
        if rest.first().is_some_and(|t| t.list().is_some()) {
            rest = rest.get(1..).unwrap_or_default();
        }
        let how = rest.first().map(Token::word).unwrap_or_default();
        let (how, silent) = how.strip_suffix(".SILENT").map_or((how.as_str(), false), |how| (how, true));
        if !matches!(how, "FLAGS" | "+FLAGS" | "-FLAGS") || rest.len() < 2 {
            return Err(bad(verb, "Invalid arguments"));
        }
        let (bits, keywords) = parse(verb, rest.get(1..).unwrap_or_default())?;
        self.learn(selected, &keywords);
        if !selected.writable {
            return Ok(Done::Ok("Store ignored with read-only mailbox".to_owned()));
        }
        let mut lines = Vec::new();
        for n in found {
            let message = self.folders.get_mut(selected.folder).and_then(|f| f.messages.get_mut(n));
            let Some(message) = message else { continue };
            change(message, how, bits, &keywords);
            if !silent {
                let prefix = if uid { format!("UID {} ", message.uid) } else { String::new() };
                lines.push(format!("* {} FETCH ({prefix}FLAGS ({}))", n + 1, flags(message)));
            }
        }
        for line in lines {
            self.say(&line);
        }
        Ok(Done::Ok("Store completed".to_owned()))
    }

    /// Says which flags there are when some of them are new to the folder.
    fn learn(&mut self, selected: Selected, keywords: &[String]) {
        let Some(folder) = self.folders.get_mut(selected.folder) else { return };
        let before = folder.keywords.len();
        for keyword in keywords {
            let known = folder.keywords.iter().any(|k| k.eq_ignore_ascii_case(keyword));
            if !known && folder.keywords.len() < KEYWORDS_OF_FOLDER {
                folder.keywords.push(keyword.clone());
            }
        }
        if folder.keywords.len() == before {
            return;
        }
        let all = format!("\\Answered \\Flagged \\Deleted \\Seen \\Draft {}", folder.keywords.join(" "));
        self.say(&format!("* FLAGS ({all})"));
        self.say(&if selected.writable {
            format!("* OK [PERMANENTFLAGS ({all} \\*)] Flags permitted.")
        } else {
            "* OK [PERMANENTFLAGS ()] Read-only mailbox.".to_owned()
        });
    }

    pub(super) fn copy(&mut self, verb: &str, arguments: &[Token], uid: bool, moved: bool) -> Outcome {
        let selected = self.selected()?;
        if arguments.len() < 2 {
            return Err(bad(verb, "Missing arguments"));
        }
        let found = self.messages(verb, arguments.first(), uid)?;
        let name = arguments.get(1).and_then(Token::string).ok_or_else(|| bad(verb, "Missing arguments"))?;
        let shown: String =
            String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(200).collect();
        let Some(target) = self.find(name) else {
            return Err(Done::No(format!("[TRYCREATE] Mailbox doesn't exist: {shown}")));
        };
        let total: usize = self.folders.iter().map(|f| f.messages.len()).sum();
        if total.saturating_add(found.len()) > MESSAGES {
            return Err(Done::No("[OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned()));
        }
        let source = self.folder(selected)?;
        let copies: Vec<Message> = found.iter().filter_map(|n| source.messages.get(*n).cloned()).collect();
        let old: Vec<u32> = copies.iter().map(|m| m.uid).collect();
        let here = selected.folder == target;
        let Some(folder) = self.folders.get_mut(target) else { return Err(bad(verb, "Invalid arguments")) };
        let new: Vec<u32> = copies
            .into_iter()
            .map(|m| folder.add(m.bytes, m.time, new_flags(m.flags, here), m.keywords))
            .collect();
        let code = format!("[COPYUID {} {} {}]", folder.validity, compact(&old), compact(&new));
        let done = if moved { "Move completed" } else { "Copy completed" };
        if old.is_empty() {
            return Ok(Done::Ok(format!("{done}{}", if moved { "" } else { " (no messages found)" })));
        }
        if moved && selected.writable {
            self.say(&format!("* OK {code} Moved UIDs."));
            self.remove(selected.folder, &old);
            return Ok(Done::OkStored(done.to_owned()));
        }
        if selected.folder == target {
            self.exists(target);
        }
        Ok(Done::OkStored(format!("{code} {done}")))
    }

    /// Says how many messages there are now.
    fn exists(&mut self, folder: usize) {
        let messages = self.folders.get(folder).map(|f| f.messages.as_slice()).unwrap_or_default();
        let recent = messages.iter().filter(|m| m.flags & flag::RECENT != 0).count();
        let count = messages.len();
        self.say(&format!("* {count} EXISTS"));
        self.say(&format!("* {recent} RECENT"));
    }

    /// Takes messages out of the open folder, and says so.
    fn remove(&mut self, folder: usize, uids: &[u32]) {
        let Some(messages) = self.folders.get_mut(folder).map(|f| &mut f.messages) else { return };
        let mut gone = Vec::new();
        let mut left = 0usize;
        messages.retain(|message| {
            let stays = uids.binary_search(&message.uid).is_err();
            left = left.saturating_add(usize::from(stays));
            if !stays {
                gone.push(left.saturating_add(1));
            }
            stays
        });
        for number in gone {
            self.say(&format!("* {number} EXPUNGE"));
        }
    }

    /// UIDs of what is marked as deleted and `wanted`, lowest first.
    fn deleted(&self, folder: usize, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        let messages = self.folders.get(folder).map(|f| f.messages.as_slice()).unwrap_or_default();
        let gone = |m: &&Message| m.flags & flag::DELETED != 0 && wanted(m.uid);
        messages.iter().filter(gone).map(|m| m.uid).collect()
    }

    /// Takes out what is marked as deleted, silently.
    pub(super) fn drop_deleted(&mut self, folder: usize, wanted: impl Fn(u32) -> bool) {
        let uids = self.deleted(folder, wanted);
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.messages.retain(|m| uids.binary_search(&m.uid).is_err());
        }
    }

    pub(super) fn expunge(&mut self, arguments: &[Token], uid: bool) -> Outcome {
        let selected = self.selected()?;
        if uid && arguments.is_empty() {
            return Err(bad("UID EXPUNGE", "Missing arguments"));
        }
        let uids = if uid {
            let found = self.messages("UID EXPUNGE", arguments.first(), true)?;
            let folder = self.folder(selected)?;
            let wanted: Vec<u32> =
                found.iter().filter_map(|n| folder.messages.get(*n)).map(|m| m.uid).collect();
            self.deleted(selected.folder, |uid| wanted.binary_search(&uid).is_ok())
        } else {
            self.deleted(selected.folder, |_| true)
        };
        if !selected.writable {
            return Ok(Done::Ok("Expunge completed".to_owned()));
        }
        self.remove(selected.folder, &uids);
        Ok(Done::Ok("Expunge completed".to_owned()))
    }

    pub(super) fn append(&mut self, arguments: &[Token]) -> Outcome {
        let Some((name, rest)) = arguments.split_first() else {
            return Err(bad("APPEND", "Missing arguments"));
        };
        let name = name.string().ok_or_else(|| bad("APPEND", "Invalid arguments"))?;
        let (mut bits, mut keywords, mut time) = (0, Vec::new(), None);
        let mut added = Vec::new();
        let mut rest = rest;
        while let Some((token, more)) = rest.split_first() {
            rest = more;
            match token {
                Token::List(_) => (bits, keywords) = parse("APPEND", std::slice::from_ref(token))?,
                Token::Text(text) if !more.is_empty() && text.len() < 40 => time = internal(text),
                Token::Text(text) => {
                    let time = time.take().unwrap_or_else(|| jiff::Timestamp::now().as_second());
                    added.push((text.clone(), time, bits, std::mem::take(&mut keywords)));
                    bits = 0;
                }
                Token::Atom(_) => return Err(bad("APPEND", "Invalid arguments")),
            }
        }
        if added.is_empty() {
            let why = if arguments.len() > 1 { "Invalid arguments" } else { "Missing message size" };
            return Err(bad("APPEND", why));
        }
        let shown: String =
            String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(200).collect();
        for (bytes, ..) in &added {
            let event = self.reader.session.record.event(Kind::File, "append");
            Upload::of(bytes).emit(event.bytes("file.path", name));
        }
        let Some(at) = self.find(name) else {
            return Err(Done::No(format!("[TRYCREATE] Mailbox doesn't exist: {shown}")));
        };
        let total: usize = self.folders.iter().map(|f| f.messages.len()).sum();
        if total.saturating_add(added.len()) > MESSAGES {
            return Err(Done::No("[OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned()));
        }
        let Some(folder) = self.folders.get_mut(at) else { return Err(bad("APPEND", "Invalid arguments")) };
        let open = self.selected.is_some_and(|s| s.folder == at);
        let mut uids = Vec::new();
        for (bytes, time, bits, keywords) in added {
            self.appended = self.appended.saturating_add(bytes.len());
            uids.push(folder.add(crlf(&bytes).into(), time, new_flags(bits, open), keywords));
        }
        let code = format!("[APPENDUID {} {}]", folder.validity, compact(&uids));
        if open {
            self.exists(at);
        }
        Ok(Done::OkStored(format!("{code} Append completed")))
    }
}

/// Flags of a message that comes into a folder, which is `open` or not.
fn new_flags(flags: u8, open: bool) -> u8 {
    (flags & !(flag::RECENT | flag::ARRIVED)) | if open { flag::RECENT } else { flag::ARRIVED }
}

fn change(message: &mut Message, how: &str, bits: u8, keywords: &[String]) {
    match how {
        "+FLAGS" => message.flags |= bits,
        "-FLAGS" => message.flags &= !bits,
        _ => {
            message.flags = bits | (message.flags & flag::RECENT);
            message.keywords.clear();
        }
    }
    for keyword in keywords {
        message.keywords.retain(|k| !k.eq_ignore_ascii_case(keyword));
        if how != "-FLAGS" && message.keywords.len() < KEYWORDS {
            message.keywords.push(keyword.clone());
        }
    }
}

/// Seconds since 1970 of `03-Nov-2025 10:00:00 +0000`.
fn internal(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let zoned = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text).ok()?;
    zoned.to_timestamp().ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_are_read() {
        assert_eq!(internal(b"03-Nov-2025 10:00:00 +0000"), Some(1_762_164_000));
        assert_eq!(internal(b" 3-Nov-2025 11:00:00 +0100"), Some(1_762_164_000));
        assert_eq!(internal(b"x"), None);
    }
}
