//! The shares of a machine, and the files that lie in the one that can be browsed.

use std::sync::Arc;

use crate::decoy::le;
use crate::decoy::ntlm::Host;
use crate::decoy::setting;
use crate::model::{Persona, Seed, Settings};

/// Most files that one client may leave.
const OWN_MAX: usize = 64;
/// Most bytes of them that are kept for it to read again.
const OWN_BYTES: usize = 512 * 1024;

/// Kinds of shares, as srvsvc has them.
const DISK: u32 = 0;
const PIPES: u32 = 3;
const SPECIAL: u32 = 0x8000_0000;

/// One share.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) comment: String,
    /// Who gets in.
    pub(super) access: Access,
}

/// Who gets into a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever has a session.
    All,
    /// Whoever gave a password.
    Accounts,
}

/// The shares of a machine.
#[derive(Debug)]
pub(super) struct Shares {
    all: Vec<Share>,
    /// What the server says of itself.
    pub(super) server: String,
}

impl Shares {
    /// Those of a persona: what its system makes itself, and the one of the settings.
    pub(super) fn new(persona: &Persona, settings: &Settings, host: &Host) -> Self {
        let share = |name: &str, kind, comment: &str, access| Share {
            name: name.to_owned(),
            kind,
            comment: comment.to_owned(),
            access,
        };
        let own = match settings.get("share").and_then(serde_json::Value::as_str) {
            Some("") => None,
            _ => Some(setting::text(settings, "share").unwrap_or(if host.system.windows {
                "Data"
            } else {
                "public"
            })),
        };
        let own = own.map(|name| share(name, DISK, "", Access::All));
        if host.system.windows {
            let mut all = vec![
                share("ADMIN$", DISK | SPECIAL, "Remote Admin", Access::Accounts),
                share("C$", DISK | SPECIAL, "Default share", Access::Accounts),
            ];
            all.extend(own);
            all.push(share("IPC$", PIPES | SPECIAL, "Remote IPC", Access::All));
            return Self { all, server: String::new() };
        }
        // The stock configuration names the distribution; others leave Samba's own text.
        let server = match persona.distro.as_str() {
            "ubuntu20" | "ubuntu22" => format!("{} server (Samba, Ubuntu)", host.hostname),
            _ => format!("Samba {}", super::product::samba(&persona.distro)),
        };
        let mut all = Vec::new();
        if matches!(persona.distro.as_str(), "debian" | "kali" | "ubuntu20" | "ubuntu22") {
            all.push(share("print$", DISK, "Printer Drivers", Access::Accounts));
        }
        all.extend(own);
        all.push(share("IPC$", PIPES | SPECIAL, &format!("IPC Service ({server})"), Access::All));
        Self { all, server }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Share] {
        &self.all
    }

    /// The one of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Share> {
        self.all.iter().find(|share| share.name.eq_ignore_ascii_case(name))
    }
}

impl Share {
    /// Whether it is where the pipes are.
    pub(super) fn is_pipes(&self) -> bool {
        self.kind & 3 == PIPES
    }

    /// Whether the files of the machine lie in it: the other shares look empty.
    pub(super) fn is_own(&self) -> bool {
        self.kind == DISK && self.access == Access::All
    }
}

/// One file or folder.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it is in its share: names joined by `\`; empty for the share itself.
    pub(super) path: String,
    pub(super) folder: bool,
    /// When it was last changed, Windows' count.
    pub(super) time: u64,
    pub(super) size: u64,
    pub(super) bytes: Vec<u8>,
}

impl Node {
    /// A number for it that stays the same.
    pub(super) fn id(&self) -> u64 {
        let sum = md5::compute(self.path.to_lowercase()).0;
        u64::from(u32::from_le_bytes([sum[0], sum[1], sum[2], 0])) + 0x0010_0000
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('\\').next().unwrap_or_default()
    }

    /// File attributes.
    pub(super) fn attributes(&self, windows: bool) -> u32 {
        match (self.folder, windows) {
            (true, _) => 0x10,
            (false, true) => 0x20,
            (false, false) => 0x80,
        }
    }

    /// Space it takes.
    pub(super) fn allocated(&self) -> u64 {
        self.size.checked_next_multiple_of(4096).unwrap_or(self.size)
    }
}

/// What a client sees in a share: the machine's files, and its own over them.
#[derive(Clone)]
pub(super) struct Files {
    base: Arc<Vec<Node>>,
    own: Vec<Node>,
}

impl Files {
    /// The files of a share.
    pub(super) fn new(base: Arc<Vec<Node>>) -> Self {
        Self { base, own: Vec::new() }
    }

    /// The node at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        let same = |node: &&Node| node.path.to_lowercase() == path.to_lowercase();
        self.own.iter().find(same).or_else(|| self.base.iter().find(same))
    }

    /// Whether the client made it.
    pub(super) fn is_own(&self, path: &str) -> bool {
        self.own.iter().any(|node| node.path.eq_ignore_ascii_case(path))
    }

    /// What lies in a folder, by name.
    pub(super) fn list(&self, folder: &str) -> Vec<Node> {
        let inside = |node: &&Node| {
            let parent = node.path.rsplit_once('\\').map_or("", |(parent, _)| parent);
            !node.path.is_empty() && parent.to_lowercase() == folder.to_lowercase()
        };
        let hidden = |node: &&Node| !self.is_own(&node.path);
        let mut all: Vec<Node> = self.base.iter().filter(inside).filter(hidden).cloned().collect();
        all.extend(self.own.iter().filter(inside).cloned());
        all.sort_by_key(|node| node.path.to_lowercase());
        all
    }

    /// Makes a file or folder, or empties a file; none when the client has left too many.
    pub(super) fn make(&mut self, path: &str, folder: bool) -> Option<()> {
        let node = Node { path: path.to_owned(), folder, time: le::now(), size: 0, bytes: Vec::new() };
        let count = self.own.len();
        match self.own.iter_mut().find(|node| node.path.eq_ignore_ascii_case(path)) {
            Some(old) => *old = node,
            None if count < OWN_MAX => self.own.push(node),
            None => return None,
        }
        Some(())
    }

    /// Writes into a file of the client; what is over the limit counts but is not kept.
    pub(super) fn write(&mut self, path: &str, offset: u64, bytes: &[u8]) {
        let used: usize = self.own.iter().map(|node| node.bytes.len()).sum();
        let Some(node) = self.own.iter_mut().find(|node| node.path.eq_ignore_ascii_case(path)) else {
            return;
        };
        let end = offset.saturating_add(bytes.len() as u64);
        node.size = node.size.max(end);
        node.time = le::now();
        let (Ok(start), Ok(end)) = (usize::try_from(offset), usize::try_from(end)) else { return };
        // Nor is what comes after a gap: then nothing is held that the client did not send.
        let grows = end.saturating_sub(node.bytes.len());
        if start > node.bytes.len() || grows > OWN_BYTES.saturating_sub(used) {
            return;
        }
        if node.bytes.len() < end {
            node.bytes.resize(end, 0);
        }
        if let Some(place) = node.bytes.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
    }

    /// Sets the size of a file of the client.
    pub(super) fn resize(&mut self, path: &str, size: u64) {
        if let Some(node) = self.own.iter_mut().find(|node| node.path.eq_ignore_ascii_case(path)) {
            node.size = size;
            node.bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        }
    }

    /// Moves a file of the client.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(node) = self.own.iter_mut().find(|node| node.path.eq_ignore_ascii_case(from)) {
            to.clone_into(&mut node.path);
        }
    }

    /// Removes a file of the client.
    pub(super) fn remove(&mut self, path: &str) {
        self.own.retain(|node| !node.path.eq_ignore_ascii_case(path));
    }
}

const STAFF: &[(&str, &str)] = &[
    ("Anna Berger", "a.berger"),
    ("Mark Koch", "m.koch"),
    ("Sofia Lindgren", "s.lindgren"),
    ("David Levine", "d.levine"),
    ("Pavel Novak", "p.novak"),
    ("Laura Conti", "l.conti"),
    ("Thi Nguyen", "t.nguyen"),
    ("Jens Meyer", "j.meyer"),
];

/// A folder with nothing in it.
pub(super) fn empty(born: i64) -> Vec<Node> {
    vec![Node { path: String::new(), folder: true, time: le::filetime(born, 0), size: 0, bytes: Vec::new() }]
}

/// What lies in the share of a machine.
pub(super) fn files(persona: &Persona, host: &Host) -> Vec<Node> {
    let seed = persona.seed.child("smb/files");
    let mut all = empty(persona.born);
    let mut put = |path: &str, text: Option<String>| {
        let text = text.map(|text| if host.system.windows { text.replace('\n', "\r\n") } else { text });
        let age = seed.number(&format!("age/{path}"), 300 * 86_400);
        let time = persona.born.saturating_sub(i64::try_from(age).unwrap_or(0)).saturating_add(40 * 86_400);
        // Nothing is from the future of a machine that was set up just now.
        let time = time.min(persona.born.saturating_sub(600));
        let nanoseconds = u32::try_from(seed.number(&format!("part/{path}"), 1_000_000_000)).unwrap_or(0);
        all.push(Node {
            path: path.to_owned(),
            folder: text.is_none(),
            time: le::filetime(time, nanoseconds),
            size: text.as_ref().map_or(0, String::len) as u64,
            bytes: text.unwrap_or_default().into_bytes(),
        });
    };
    let folders: &[&str] = &["Accounting", "Backup", "HR", "IT", "Projects", "Scans", "Templates"];
    let skip = usize::try_from(seed.number("folders", 3)).unwrap_or(0);
    for folder in folders.iter().filter(|f| **f != folders[4 + skip]) {
        put(folder, None);
    }
    put("IT\\inventory.csv", Some(inventory(&seed, persona)));
    put("IT\\todo.txt", Some(todo(&seed, host)));
    let (script, text) = backup(&seed, host);
    put(&format!("IT\\{script}"), Some(text));
    put("HR\\phone-list.csv", Some(phones(&seed)));
    put("Accounting\\open-invoices.csv", Some(invoices(&seed)));
    put("Backup\\backup.log", Some(log(&seed, persona.born)));
    all
}

fn inventory(seed: &Seed, persona: &Persona) -> String {
    let mut text = "name;ip;owner;remarks\n".to_owned();
    let [a, b, c, _] = persona.ip.octets();
    for n in 0..4 + seed.number("inventory", 6) {
        let (name, _) = seed.pick(&format!("inventory/{n}"), STAFF).copied().unwrap_or(STAFF[0]);
        let last = 20 + seed.number(&format!("inventory/ip/{n}"), 200);
        text.push_str(&format!("PC-{:03};{a}.{b}.{c}.{last};{name};\n", 10 + n * 3));
    }
    text
}

fn todo(seed: &Seed, host: &Host) -> String {
    let all = [
        "replace disk 2, spare is in the cabinet",
        "renew certificate of the intranet",
        "ask for a quote: 24 port switch",
        "remove accounts of the interns",
        "printer 2nd floor: toner",
        "change the password of the scan account",
        "check why the backup takes so long",
    ];
    let first = usize::try_from(seed.number("todo", 7)).unwrap_or(0);
    let lines: Vec<_> = all.iter().cycle().skip(first).take(4).map(|line| format!("- {line}\n")).collect();
    format!("{}\n\n{}", host.hostname, lines.concat())
}

fn backup(seed: &Seed, host: &Host) -> (&'static str, String) {
    let password = hex::encode(&seed.derive("backup/password")[..5]);
    if host.system.windows {
        let text = format!(
            "@echo off\nnet use Z: \\\\nas01\\backup /user:svc_backup Bk!{password}\nrobocopy D:\\Data Z:\\{} /MIR /R:1 /W:1 /LOG+:backup.log\nnet use Z: /delete\n",
            host.computer
        );
        return ("backup.bat", text);
    }
    let text = format!(
        "#!/bin/sh\nset -e\nexport RSYNC_PASSWORD='Bk!{password}'\nrsync -a --delete /srv/samba/ svc_backup@nas01::backup/{}/ >> /var/log/backup.log\n",
        host.hostname
    );
    ("backup.sh", text)
}

fn phones(seed: &Seed) -> String {
    let first = usize::try_from(seed.number("phones", STAFF.len() as u64)).unwrap_or(0);
    let mut text = "name,login,extension\n".to_owned();
    for (name, login) in STAFF.iter().cycle().skip(first).take(6) {
        text.push_str(&format!("{name},{login},{}\n", 100 + seed.number(&format!("phone/{login}"), 80)));
    }
    text
}

fn invoices(seed: &Seed) -> String {
    let mut text = "number;customer;amount;due\n".to_owned();
    for n in 0..5 + seed.number("invoices", 8) {
        let of = |what: &str, bound| seed.number(&format!("invoice/{n}/{what}"), bound);
        text.push_str(&format!(
            "R{};{};{}.{:02};{:02}.{:02}.\n",
            20_410 + n * 7 + of("number", 6),
            10_000 + of("customer", 900),
            120 + of("amount", 9000),
            of("cents", 100),
            1 + of("day", 28),
            1 + of("month", 12)
        ));
    }
    text
}

fn log(seed: &Seed, born: i64) -> String {
    let mut text = String::new();
    for night in (1..=6i64).rev() {
        let at = born.saturating_sub(night * 86_400);
        let stamp = jiff::Timestamp::from_second(at).map(|t| t.to_string()).unwrap_or_default();
        let day = stamp.get(..10).unwrap_or_default();
        let count = 200 + seed.number(&format!("log/{night}"), 900);
        text.push_str(&format!("{day} 02:00:03 start\n{day} 02:1{}:41 done, {count} files\n", night % 10));
    }
    text
}
