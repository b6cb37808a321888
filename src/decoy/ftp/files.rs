//! Commands on files.

use super::control::{Control, Next};
use super::data::{UPLOAD_MAX, receive, send};
use super::listing;
use super::product::Product;
use super::replies::Say;
use crate::decoy::vfs::{Kind as FileKind, Stat};
use crate::event::Kind;

/// Most bytes of all uploads of one session.
const SESSION_UPLOAD_MAX: u64 = 16 << 20;

/// Most lines of one listing.
const LINES_MAX: usize = 2000;

/// What is said of something that is no file.
const NO_FILE: &str = "No such file or directory";

impl Control<'_> {
    /// The path as the client sees it.
    fn seen(&self, arg: &str) -> String {
        self.vfs.resolve(&self.cwd, arg)
    }

    /// The path in the machine's file system.
    fn real(&self, arg: &str) -> String {
        let root = self.login.as_ref().map_or("", |l| l.root);
        let seen = self.seen(arg);
        if root.is_empty() { seen } else { format!("{root}{}", seen.trim_end_matches('/')) }
    }

    fn is_guest(&self) -> bool {
        self.login.as_ref().is_none_or(|l| l.anonymous)
    }

    fn find(&self, arg: &str) -> Result<Stat, String> {
        self.vfs.stat(&self.real(arg)).map_err(|e| e.to_string())
    }

    fn note(&self, action: &str, arg: &str, ok: bool) {
        let path = self.seen(arg);
        self.session.record.event(Kind::File, action).outcome(ok).bytes("file.path", path.as_bytes()).emit();
    }

    pub(super) async fn change(&mut self, verb: &str, arg: &str) -> Next {
        if arg.is_empty() && self.product != Product::Pureftpd {
            return self.say(Say::NoDirectory("", NO_FILE)).await;
        }
        let to = self.seen(arg);
        let why = match self.find(arg) {
            Ok(stat) if stat.kind == FileKind::Dir && self.vfs.access(&self.real(arg), 1) => {
                self.cwd.clone_from(&to);
                return self.say(Say::Moved(verb, &to)).await;
            }
            Ok(stat) if stat.kind == FileKind::Dir => "Permission denied".to_owned(),
            Ok(_) => "Not a directory".to_owned(),
            Err(why) => why,
        };
        self.say(Say::NoDirectory(arg, &why)).await
    }

    pub(super) async fn size(&mut self, arg: &str) -> Next {
        if !self.binary && self.product == Product::Proftpd {
            return self.say(Say::NoSizeInText).await;
        }
        match self.find(arg) {
            Ok(stat) if stat.kind == FileKind::File => self.raw(&format!("213 {}\r\n", stat.size)).await,
            Ok(_) => self.say(Say::NoSize(arg, "not a regular file")).await,
            Err(why) => self.say(Say::NoSize(arg, &why)).await,
        }
    }

    pub(super) async fn time(&mut self, arg: &str) -> Next {
        match self.find(arg) {
            Ok(stat) if stat.kind == FileKind::File => {
                self.raw(&format!("213 {}\r\n", listing::stamp(stat.mtime))).await
            }
            Ok(_) => self.say(Say::NoTime(arg, "not a plain file")).await,
            Err(why) => self.say(Say::NoTime(arg, &why)).await,
        }
    }

    pub(super) async fn restart_at(&mut self, arg: &str) -> Next {
        match arg.trim().parse::<u64>() {
            Ok(at) => {
                self.restart = at;
                self.say(Say::Restart(at)).await
            }
            Err(_) => {
                self.restart = 0;
                self.say(Say::NoRestart).await
            }
        }
    }

    /// The names an argument of `LIST` stands for, with their stats.
    fn entries(&self, arg: &str, hidden: bool) -> Result<Vec<(String, Stat)>, String> {
        let last = arg.rsplit('/').next().unwrap_or_default();
        let pattern = last.contains(['*', '?']).then_some(last);
        let place = match pattern {
            Some(last) => arg.get(..arg.len().saturating_sub(last.len())).unwrap_or_default(),
            None => arg,
        };
        let place = if place.is_empty() { "." } else { place };
        let stat = self.find(place)?;
        if stat.kind != FileKind::Dir {
            return Ok(vec![(place.to_owned(), stat)]);
        }
        let mut names = self.vfs.list(&self.real(place)).map_err(|e| e.to_string())?;
        if hidden && pattern.is_none() {
            let up = self.find(&format!("{place}/..")).unwrap_or(stat);
            names.splice(0..0, [(".".to_owned(), stat), ("..".to_owned(), up)]);
        }
        names.retain(|(name, _)| {
            (hidden || !name.starts_with('.')) && pattern.is_none_or(|p| listing::fits(p, name))
        });
        names.truncate(LINES_MAX);
        Ok(names)
    }

    fn lines(&self, verb: &str, entries: &[(String, Stat)]) -> String {
        let guest = self.is_guest();
        let now = jiff::Timestamp::now().as_second();
        let mut text = String::new();
        for (name, stat) in entries {
            match verb {
                "NLST" => {
                    text.push_str(name);
                    text.push_str("\r\n");
                }
                "MLSD" => {
                    let kind = match (name.as_str(), stat.kind) {
                        (".", _) => "cdir",
                        ("..", _) => "pdir",
                        (_, FileKind::Dir) => "dir",
                        _ => "file",
                    };
                    text.push_str(&listing::facts(self.product, &self.vfs, !guest, name, kind, stat));
                    text.push_str("\r\n");
                }
                _ => text.push_str(&listing::long(self.product, &self.vfs, guest, name, stat, now)),
            }
        }
        text
    }

    pub(super) async fn list(&mut self, verb: &str, arg: &str) -> Next {
        let mut words = arg.split_whitespace();
        let options: String = words.clone().take_while(|w| w.starts_with('-')).collect();
        let path = words.find(|w| !w.starts_with('-')).unwrap_or_default();
        let hidden =
            verb == "MLSD" || options.contains('a') || (verb == "NLST" && self.product == Product::Pureftpd);
        let found = self.entries(path, hidden);
        self.note("list", path, found.is_ok());
        if let (Err(why), "NLST", false) = (&found, verb, self.product == Product::Vsftpd) {
            return self.say(Say::NotListed(path, why)).await;
        }
        let Some(stream) = self.open(Say::Listing(verb)).await else { return Next::Go };
        let entries = found.as_deref().unwrap_or_default();
        let text = self.lines(verb, entries);
        if !send(stream, text.as_bytes()).await {
            return self.say(Say::BrokenOff).await;
        }
        match &found {
            Err(why) if self.product == Product::Proftpd => self.say(Say::NotListed(path, why)).await,
            _ => {
                let shown = match (verb, hidden) {
                    ("LIST", true) => "-a -l",
                    ("LIST", false) => "-l",
                    _ => "",
                };
                self.say(Say::Listed(entries.len(), shown)).await
            }
        }
    }

    pub(super) async fn stat_path(&mut self, arg: &str) -> Next {
        let path = arg.split_whitespace().find(|w| !w.starts_with('-')).unwrap_or_default();
        let entries = self.entries(path, self.product != Product::Pureftpd).unwrap_or_default();
        self.note("list", path, !entries.is_empty());
        let lines = self.lines("LIST", &entries);
        let text = match self.product {
            Product::Vsftpd => format!("213-Status follows:\r\n{lines}213 End of status\r\n"),
            Product::Pureftpd => format!("213-STAT\r\n{lines}213 End.\r\n"),
            Product::Proftpd => {
                let shifted: String = lines.lines().map(|l| format!(" {l}\r\n")).collect();
                let name: String = arg.chars().filter(|c| !c.is_control()).collect();
                format!("212-Status of {name}:\r\n{shifted}212 End of status\r\n")
            }
        };
        self.raw(&text).await
    }

    pub(super) async fn facts(&mut self, arg: &str) -> Next {
        let stat = match self.find(if arg.is_empty() { "." } else { arg }) {
            Ok(stat) => stat,
            Err(why) => return self.say(Say::NoSize(arg, &why)).await,
        };
        let kind = match (arg.is_empty(), stat.kind) {
            (true, FileKind::Dir) => "cdir",
            (false, FileKind::Dir) => "dir",
            _ => "file",
        };
        let path = match (arg.is_empty(), self.product) {
            (true, Product::Pureftpd) => ".".to_owned(),
            (true, _) => self.cwd.clone(),
            (false, _) => arg.to_owned(),
        };
        let name = if self.product == Product::Proftpd { self.seen(arg) } else { path.clone() };
        let line = listing::facts(self.product, &self.vfs, !self.is_guest(), &name, kind, &stat);
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let text = match self.product {
            Product::Pureftpd => format!("250-Begin\r\n {}\r\n250 End.\r\n", clean(&line)),
            _ => {
                format!("250-Start of list for {}\r\n {}\r\n250 End of list\r\n", clean(&path), clean(&line))
            }
        };
        self.raw(&text).await
    }

    pub(super) async fn retrieve(&mut self, arg: &str) -> Next {
        let offset = std::mem::take(&mut self.restart);
        if self.passive.is_none() && self.active.is_none() && self.product == Product::Vsftpd {
            return self.say(Say::NoData).await;
        }
        let content = match self.find(arg) {
            Ok(stat) if stat.kind != FileKind::File => Err("Not a regular file".to_owned()),
            Ok(_) => {
                self.vfs.read(&self.real(arg)).map(std::borrow::Cow::into_owned).map_err(|e| e.to_string())
            }
            Err(why) => Err(why),
        };
        let whole = match content {
            Ok(bytes) => bytes,
            Err(why) => {
                self.note("retr", arg, false);
                return self.say(Say::NoOpen(arg, &why)).await;
            }
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if from > whole.len() && self.product != Product::Vsftpd {
            let text = match self.product {
                Product::Proftpd => format!("554 REST: invalid {arg} argument\r\n"),
                _ => format!(
                    "554-Restart offset {offset} is too large for file size {}.\r\n554 Restart offset reset to 0\r\n",
                    whole.len()
                ),
            };
            return self.raw(&text).await;
        }
        let rest = whole.get(from..).unwrap_or_default();
        let text_mode = !self.binary && self.product != Product::Vsftpd;
        let bytes = if text_mode { crlf(rest) } else { rest.to_vec() };
        let size = if self.product == Product::Vsftpd { whole.len() } else { rest.len() };
        // vsftpd never converts, and says so.
        let binary = self.binary || self.product == Product::Vsftpd;
        let Some(stream) = self.open(Say::Sending(arg, size, binary)).await else { return Next::Go };
        let sent = send(stream, &bytes).await;
        let path = self.seen(arg);
        self.session
            .record
            .event(Kind::File, "retr")
            .outcome(sent)
            .bytes("file.path", path.as_bytes())
            .field("file.size", bytes.len() as u64)
            .emit();
        self.say(if sent { Say::Done(self.binary) } else { Say::BrokenOff }).await
    }

    pub(super) async fn store(&mut self, verb: &str, arg: &str) -> Next {
        self.restart = 0;
        let free = |n: &u32| self.find(&format!("STOU.{n}")).is_err();
        let made_up = format!("STOU.{}", (1..=100).find(free).unwrap_or(100));
        let arg = if verb == "STOU" { made_up.as_str() } else { arg };
        if self.is_guest() || arg.is_empty() {
            self.note("stor", arg, false);
            return self.say(Say::NotAllowed(verb, arg)).await;
        }
        if self.passive.is_none() && self.active.is_none() && self.product == Product::Vsftpd {
            return self.say(Say::NoData).await;
        }
        let real = self.real(arg);
        let before =
            if verb == "APPE" { None } else { self.vfs.read(&real).ok().map(std::borrow::Cow::into_owned) };
        // Tries the name before anything is sent, as opening the file would.
        let tried = if verb == "APPE" { self.vfs.append(&real, b"") } else { self.vfs.write(&real, b"") };
        if let Err(why) = tried {
            self.note("stor", arg, false);
            return self.say(Say::NoStore(arg, &why.to_string())).await;
        }
        let start = if verb == "STOU" { Say::TakingUnique(arg) } else { Say::Taking(arg, self.binary) };
        let Some(stream) = self.open(start).await else {
            if let Some(old) = before {
                let _ = self.vfs.write(&real, &old);
            }
            return Next::Go;
        };
        if self.uploaded >= SESSION_UPLOAD_MAX {
            drop(stream);
            return self.say(Say::BrokenOff).await;
        }
        let upload = receive(stream).await;
        self.uploaded = self.uploaded.saturating_add(upload.bytes.len().max(1) as u64);
        let path = self.seen(arg);
        let draft = self.session.record.event(Kind::File, "stor").outcome(!upload.cut);
        upload.came.emit(draft.bytes("file.path", path.as_bytes()));
        let kept = match verb {
            "APPE" => self.vfs.append(&real, &upload.bytes),
            _ => self.vfs.write(&real, &upload.bytes),
        };
        if upload.cut && upload.bytes.len() < UPLOAD_MAX {
            return self.say(Say::BrokenOff).await;
        }
        match kept {
            Ok(()) if !upload.cut => self.say(Say::Done(true)).await,
            _ => self.raw("451 Failure writing to local file.\r\n").await,
        }
    }

    pub(super) async fn delete(&mut self, arg: &str) -> Next {
        if self.is_guest() {
            self.note("delete", arg, false);
            return self.say(Say::NotAllowed("DELE", arg)).await;
        }
        let done = match self.find(arg) {
            Ok(stat) if stat.kind == FileKind::Dir => Err("Is a directory".to_owned()),
            Ok(_) => self.vfs.remove(&self.real(arg)).map_err(|e| e.to_string()),
            Err(why) => Err(why),
        };
        self.note("delete", arg, done.is_ok());
        match done {
            Ok(()) => {
                self.say(Say::Deleted(if self.product == Product::Proftpd { "DELE" } else { arg })).await
            }
            Err(why) => self.say(Say::NotDeleted(arg, &why)).await,
        }
    }

    pub(super) async fn make(&mut self, verb: &str, arg: &str) -> Next {
        if self.is_guest() || arg.is_empty() {
            self.note("mkdir", arg, false);
            return self.say(Say::NotAllowed(verb, arg)).await;
        }
        let path = self.seen(arg);
        let done = self.vfs.mkdir(&self.real(arg), 0o755);
        self.note("mkdir", arg, done.is_ok());
        match done {
            Ok(()) => self.say(Say::Made(arg, &path)).await,
            Err(why) => self.say(Say::NotMade(arg, &why.to_string())).await,
        }
    }

    pub(super) async fn unmake(&mut self, verb: &str, arg: &str) -> Next {
        if self.is_guest() {
            self.note("rmdir", arg, false);
            return self.say(Say::NotAllowed(verb, arg)).await;
        }
        let done = match self.find(arg) {
            Ok(stat) if stat.kind != FileKind::Dir => Err("Not a directory".to_owned()),
            Ok(_) => self.vfs.remove(&self.real(arg)).map_err(|e| e.to_string()),
            Err(why) => Err(why),
        };
        self.note("rmdir", arg, done.is_ok());
        match done {
            Ok(()) => self.say(Say::Unmade(verb)).await,
            Err(why) => self.say(Say::NotUnmade(arg, &why)).await,
        }
    }

    pub(super) async fn rename_from(&mut self, arg: &str) -> Next {
        if self.is_guest() {
            return self.say(Say::NotAllowed("RNFR", arg)).await;
        }
        match self.find(arg) {
            Ok(_) => {
                self.rename = Some(self.real(arg));
                self.say(Say::RenameFrom).await
            }
            Err(why) => self.say(Say::NoRenameFrom(arg, &why)).await,
        }
    }

    pub(super) async fn rename_to(&mut self, arg: &str) -> Next {
        if self.is_guest() && self.product != Product::Proftpd {
            return self.say(Say::NotAllowed("RNTO", arg)).await;
        }
        let Some(from) = self.rename.take() else { return self.say(Say::RenameFirst).await };
        let done = self.vfs.rename(&from, &self.real(arg));
        self.note("rename", arg, done.is_ok());
        match done {
            Ok(()) => self.say(Say::Renamed).await,
            Err(why) => self.say(Say::NotRenamed(arg, &why.to_string())).await,
        }
    }

    pub(super) async fn site(&mut self, arg: &str) -> Next {
        let (word, rest) = arg.split_once(' ').unwrap_or((arg, ""));
        let word = word.to_ascii_uppercase();
        if self.is_guest() && self.product == Product::Vsftpd {
            return self.say(Say::NotAllowed("SITE", arg)).await;
        }
        match word.as_str() {
            "HELP" => self.say(Say::SiteHelp).await,
            "UMASK" => self.say(Say::Umask).await,
            "CHMOD" => {
                let (mode, path) = rest.split_once(' ').unwrap_or((rest, ""));
                if self.is_guest() {
                    return self.say(Say::NotAllowed("SITE", arg)).await;
                }
                let bits = u32::from_str_radix(mode, 8).ok().filter(|m| *m <= 0o7777);
                let done = match bits {
                    Some(bits) => self.vfs.chmod(&self.real(path), bits).map_err(|e| e.to_string()),
                    None => Err("Invalid argument".to_owned()),
                };
                self.note("chmod", path, done.is_ok());
                match done {
                    Ok(()) => self.say(Say::Chmod(path)).await,
                    Err(why) => self.say(Say::NoChmod(path, &why)).await,
                }
            }
            _ => self.say(Say::NoSite(&word)).await,
        }
    }
}

/// Line ends of the network (RFC 959 §3.1.1.1).
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
