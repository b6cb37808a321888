//! Folders: listed, opened, made, renamed, deleted.

use super::parse::Token;
use super::user::{Done, Outcome, Selected, User, bad, missing};
use crate::decoy::mail::mailbox::{Folder, flag};

/// Folders of one session, and bytes of a name.
const FOLDERS: usize = 64;
const NAME: usize = 128;

/// A name for an answer.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A name as an astring.
fn astring(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\".contains(&b));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Whether a name fits a pattern: `*` is anything, `%` anything within a level.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len().saturating_add(1)];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for sign in pattern {
        let mut next = vec![false; reached.len()];
        let mut open = false;
        for (at, here) in reached.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|n| name.get(n));
            let set = match sign {
                b'*' => {
                    open |= here;
                    open
                }
                b'%' => {
                    open &= before != Some(&b'.');
                    open |= here;
                    open
                }
                _ => {
                    let came = at.checked_sub(1).and_then(|n| reached.get(n)).copied().unwrap_or(false);
                    came && before.is_some_and(|b| b == sign)
                }
            };
            if let Some(place) = next.get_mut(at) {
                *place = set;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

impl User<'_> {
    /// The folder of that name; INBOX is one in any case.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let inbox = name.eq_ignore_ascii_case(b"INBOX");
        self.folders.iter().position(|f| f.name.as_bytes() == name || (inbox && f.name == "INBOX"))
    }

    fn named<'t>(&self, verb: &str, arguments: &'t [Token]) -> Result<&'t [u8], Done> {
        arguments.first().and_then(Token::string).ok_or_else(|| bad(verb, "Invalid arguments"))
    }

    pub(super) fn select(&mut self, verb: &str, arguments: &[Token]) -> Outcome {
        if self.selected.take().is_some() {
            self.say("* OK [CLOSED] Previous mailbox closed.");
        }
        let name = self.named(verb, arguments)?;
        let at = self.find(name).ok_or_else(|| missing(&shown(name)))?;
        let writable = verb == "SELECT";
        let Some(folder) = self.folders.get_mut(at) else { return Err(missing(&shown(name))) };
        for message in &mut folder.messages {
            let arrived = message.flags & flag::ARRIVED != 0;
            message.flags &= !(flag::ARRIVED | flag::RECENT);
            message.flags |= if arrived { flag::RECENT } else { 0 };
        }
        let recent = folder.messages.iter().filter(|m| m.flags & flag::RECENT != 0).count();
        let keywords: String = folder.keywords.iter().map(|k| format!(" {k}")).collect();
        let all = format!("\\Answered \\Flagged \\Deleted \\Seen \\Draft{keywords}");
        let permanent = if writable {
            format!("* OK [PERMANENTFLAGS ({all} \\*)] Flags permitted.")
        } else {
            "* OK [PERMANENTFLAGS ()] Read-only mailbox.".to_owned()
        };
        let unseen = folder.messages.iter().position(|m| m.flags & flag::SEEN == 0);
        let mut lines = vec![
            format!("* FLAGS ({all})"),
            permanent,
            format!("* {} EXISTS", folder.messages.len()),
            format!("* {recent} RECENT"),
        ];
        lines.extend(unseen.map(|n| format!("* OK [UNSEEN {}] First unseen.", n + 1)));
        lines.push(format!("* OK [UIDVALIDITY {}] UIDs valid", folder.validity));
        lines.push(format!("* OK [UIDNEXT {}] Predicted next UID", folder.next));
        lines.extend(self.condstore.then(|| "* OK [HIGHESTMODSEQ 1] Highest".to_owned()));
        for line in lines {
            self.say(&line);
        }
        self.selected = Some(Selected { folder: at, writable });
        let text = if writable { "[READ-WRITE] Select completed" } else { "[READ-ONLY] Examine completed" };
        Ok(Done::OkStored(text.to_owned()))
    }

    fn figures(folder: &Folder, items: &[Token]) -> Result<String, Done> {
        let words: Vec<String> = items.iter().take(16).map(Token::word).collect();
        if words.is_empty() {
            return Err(bad("STATUS", "Empty status list"));
        }
        let recent = folder.messages.iter().filter(|m| m.flags & (flag::RECENT | flag::ARRIVED) != 0).count();
        let unseen = folder.messages.iter().filter(|m| m.flags & flag::SEEN == 0).count();
        let size: usize = folder.messages.iter().map(|m| m.bytes.len()).sum();
        let known = [
            ("MESSAGES", folder.messages.len().to_string()),
            ("RECENT", recent.to_string()),
            ("UIDNEXT", folder.next.to_string()),
            ("UIDVALIDITY", folder.validity.to_string()),
            ("UNSEEN", unseen.to_string()),
            ("HIGHESTMODSEQ", "1".to_owned()),
            ("SIZE", size.to_string()),
        ];
        if let Some(word) = words.iter().find(|w| !known.iter().any(|(k, _)| k == w)) {
            return Err(bad("STATUS", &format!("Invalid status item {}", shown(word.as_bytes()))));
        }
        let asked = known.iter().filter(|(k, _)| words.iter().any(|w| w == k));
        Ok(asked.map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(" "))
    }

    pub(super) fn status(&mut self, arguments: &[Token]) -> Outcome {
        if arguments.len() < 2 {
            return Err(bad("STATUS", "Missing arguments"));
        }
        let name = self.named("STATUS", arguments)?;
        let items =
            arguments.get(1).and_then(Token::list).ok_or_else(|| bad("STATUS", "Invalid arguments"))?;
        let at = self.find(name).ok_or_else(|| missing(&shown(name)))?;
        let Some(folder) = self.folders.get(at) else { return Err(missing(&shown(name))) };
        let figures = Self::figures(folder, items)?;
        let line = format!("* STATUS {} ({figures})", astring(&folder.name));
        self.say(&line);
        if self.selected.is_some_and(|s| s.folder == at) {
            return Ok(Done::Ok("[CLIENTBUG] Status on selected mailbox completed".to_owned()));
        }
        Ok(Done::OkStored("Status completed".to_owned()))
    }

    pub(super) fn list(&mut self, verb: &str, arguments: &[Token]) -> Outcome {
        let mut rest = arguments;
        let mut only = Vec::new();
        if let Some(options) = rest.first().and_then(Token::list).filter(|_| verb == "LIST") {
            only = options.iter().map(Token::word).collect();
            rest = rest.get(1..).unwrap_or_default();
        }
        let reference = rest.first().and_then(Token::string).ok_or_else(|| bad(verb, "Invalid reference"))?;
        let patterns: Vec<&[u8]> = match rest.get(1) {
            Some(Token::List(list)) => list.iter().take(8).filter_map(Token::string).collect(),
            Some(token) => token.string().into_iter().collect(),
            None => return Err(bad(verb, "Invalid pattern list")),
        };
        let options =
            rest.get(2).filter(|t| t.word() == "RETURN").and_then(|_| rest.get(3)?.list()).unwrap_or(&[]);
        let wants = |name: &str| options.iter().any(|t| t.word() == name);
        let figures =
            options.iter().position(|t| t.word() == "STATUS").and_then(|n| options.get(n + 1)?.list());
        let done = match verb {
            "LSUB" => "Lsub",
            "XLIST" => "Xlist",
            _ => "List",
        };
        if patterns == [&b""[..]] {
            self.say(&format!("* {verb} (\\Noselect) \".\" \"\""));
            return Ok(Done::Ok(format!("{done} completed")));
        }
        let plain = only.is_empty() && options.is_empty();
        let special_only = only.iter().any(|o| o == "SPECIAL-USE");
        let mut lines = Vec::new();
        // Dovecot reads the directory first and adds INBOX last.
        let order = self.folders.iter().filter(|f| f.name != "INBOX").chain(self.folders.first());
        for folder in order.take(FOLDERS) {
            let matched = patterns.iter().any(|pattern| {
                let whole = [reference, pattern].concat();
                let whole = whole.get(..whole.len().min(256)).unwrap_or_default();
                fits(whole, folder.name.as_bytes())
                    || (folder.name == "INBOX" && fits(&whole.to_ascii_uppercase(), b"INBOX"))
            });
            let subscribed = verb != "LSUB" && !only.iter().any(|o| o == "SUBSCRIBED");
            if !matched || (special_only && folder.special.is_none()) || (!subscribed && !folder.subscribed) {
                continue;
            }
            let mut attributes = Vec::new();
            let parent = format!("{}.", folder.name);
            let children = self.folders.iter().any(|f| f.name.starts_with(&parent));
            if verb != "LSUB" && (plain || wants("CHILDREN")) {
                attributes.push(if children { "\\HasChildren" } else { "\\HasNoChildren" });
            }
            if folder.subscribed && (wants("SUBSCRIBED") || only.iter().any(|o| o == "SUBSCRIBED")) {
                attributes.push("\\Subscribed");
            }
            if verb != "LSUB" && (plain || special_only || wants("SPECIAL-USE")) {
                attributes.extend(folder.special);
            }
            lines.push(format!("* {verb} ({}) \".\" {}", attributes.join(" "), astring(&folder.name)));
            if let Some(items) = figures {
                lines.push(format!("* STATUS {} ({})", astring(&folder.name), Self::figures(folder, items)?));
            }
        }
        for line in lines {
            self.say(&line);
        }
        Ok(Done::Ok(format!("{done} completed")))
    }

    /// A name that a folder may have.
    fn check(name: &[u8]) -> Result<String, Done> {
        let cannot = |why: &str| Done::No(format!("[CANNOT] Invalid mailbox name: {why}"));
        let text = std::str::from_utf8(name).map_err(|_| cannot("Not valid mUTF-7"))?;
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(cannot("Name is empty"));
        }
        if text.starts_with('.') {
            return Err(cannot("Begins with hierarchy separator"));
        }
        if text.contains('/') {
            return Err(cannot("Name must not have '/' characters"));
        }
        if text.len() > NAME {
            return Err(cannot("Name is too long"));
        }
        if !text.is_ascii() || text.chars().any(char::is_control) || text.split('.').any(str::is_empty) {
            return Err(cannot("Not valid mUTF-7"));
        }
        Ok(text.to_owned())
    }

    pub(super) fn create(&mut self, arguments: &[Token]) -> Outcome {
        let name = Self::check(self.named("CREATE", arguments)?)?;
        if self.find(name.as_bytes()).is_some() {
            return Err(Done::No("[ALREADYEXISTS] Mailbox already exists".to_owned()));
        }
        if self.folders.len() >= FOLDERS {
            return Err(Done::No("[OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned()));
        }
        let validity = self.folders.iter().map(|f| f.validity).max().unwrap_or(1).saturating_add(1);
        let messages = Vec::new();
        self.folders.push(Folder {
            name,
            special: None,
            validity,
            next: 1,
            messages,
            subscribed: false,
            keywords: Vec::new(),
        });
        Ok(Done::OkStored("Create completed".to_owned()))
    }

    pub(super) fn delete(&mut self, arguments: &[Token]) -> Outcome {
        let name = self.named("DELETE", arguments)?;
        if name.eq_ignore_ascii_case(b"INBOX") {
            return Err(Done::No("INBOX can't be deleted".to_owned()));
        }
        let gone = || Done::No(format!("[NONEXISTENT] Mailbox doesn't exist: {}", shown(name)));
        let at = self.find(name).ok_or_else(gone)?;
        self.folders.remove(at);
        self.selected = self
            .selected
            .filter(|s| s.folder != at)
            .map(|s| Selected { folder: if s.folder > at { s.folder - 1 } else { s.folder }, ..s });
        Ok(Done::OkStored("Delete completed".to_owned()))
    }

    pub(super) fn rename(&mut self, arguments: &[Token]) -> Outcome {
        let [from, to] = arguments else { return Err(bad("RENAME", "Invalid arguments")) };
        let (from, to) = from.string().zip(to.string()).ok_or_else(|| bad("RENAME", "Invalid arguments"))?;
        let gone = || Done::No(format!("[NONEXISTENT] Mailbox doesn't exist: {}", shown(from)));
        let at = self.find(from).ok_or_else(gone)?;
        let name = Self::check(to)?;
        if self.find(name.as_bytes()).is_some() {
            return Err(Done::No("[ALREADYEXISTS] Target mailbox already exists".to_owned()));
        }
        if at == 0 {
            return Err(Done::No("[CANNOT] Renaming INBOX isn't supported".to_owned()));
        }
        if let Some(folder) = self.folders.get_mut(at) {
            folder.name = name;
        }
        Ok(Done::OkStored("Rename completed".to_owned()))
    }

    pub(super) fn subscribe(&mut self, verb: &str, arguments: &[Token]) -> Outcome {
        let name = self.named(verb, arguments)?;
        let on = verb == "SUBSCRIBE";
        let found = self.find(name).and_then(|at| self.folders.get_mut(at));
        match found {
            Some(folder) => folder.subscribed = on,
            None if on => return Err(missing(&shown(name))),
            None => {}
        }
        Ok(Done::Ok(format!("{} completed", if on { "Subscribe" } else { "Unsubscribe" })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_levels() {
        for (pattern, name, wanted) in [
            ("*", "a.b", true),
            ("%", "a.b", false),
            ("%", "ab", true),
            ("a.%", "a.b", true),
            ("a*c", "abc", true),
            ("", "", true),
            ("%%%%%%*", "x.y.z", true),
            ("b", "a", false),
            ("a%.%", "ab.c", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), wanted, "{pattern} {name}");
        }
        assert_eq!((astring("INBOX"), astring("a b")), ("INBOX".to_owned(), "\"a b\"".to_owned()));
    }
}
