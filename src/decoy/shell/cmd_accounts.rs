//! Accounts that a visitor makes and passwords it sets, and the questions that go with them.

use super::Shell;
use super::commands::{Command, Options};
use super::text::{decode, encode};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{User, VfsError, now};

/// A question that the terminal waits for an answer to.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// A new password.
    New,
    /// The same again.
    Again(Vec<u8>),
    /// The password that holds now.
    Current,
    /// That of another user.
    Su,
}

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "passwd" => passwd,
        "chpasswd" => chpasswd,
        "useradd" | "adduser" => add,
        "userdel" | "deluser" => delete,
        "groupadd" | "addgroup" | "groupdel" | "groupmod" | "usermod" => |sh, args| {
            if sh.vfs.uid() == 0 { 0 } else { denied(sh, args) }
        },
        _ => return None,
    })
}

/// The account of that name as `/etc/passwd` has it now.
pub(super) fn account(sh: &Shell, name: &str) -> Option<User> {
    let text = sh.vfs.read("/etc/passwd").ok()?;
    let text = decode(&text);
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut parts = line.split(':').map(str::to_owned);
    let (name, _) = (parts.next()?, parts.next()?);
    let (uid, gid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(User { name, uid, gid, comment: parts.next()?, home: parts.next()?, shell: parts.next()? })
}

/// The name of a group as `/etc/group` has it now.
pub(super) fn group(sh: &Shell, gid: u32) -> String {
    let known = sh.machine().group_name(gid);
    if known.parse::<u32>().is_err() {
        return known;
    }
    let text = sh.vfs.read("/etc/group").map(|text| decode(&text)).unwrap_or_default();
    let gid_text = gid.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&gid_text));
    let name = line.and_then(|line| line.split(':').next()).map(str::to_owned);
    name.unwrap_or(known)
}

impl Shell {
    /// The name of a user as `/etc/passwd` has it now, or its number.
    pub(super) fn owner(&self, uid: u32) -> String {
        let known = self.machine().user_name(uid);
        if known.parse::<u32>().is_err() {
            return known;
        }
        let text = self.vfs.read("/etc/passwd").map(|text| decode(&text)).unwrap_or_default();
        let line = text.lines().find(|line| line.split(':').nth(2) == Some(&known));
        line.and_then(|line| line.split(':').next()).map_or(known.clone(), str::to_owned)
    }

    /// Whether what is typed next is a secret: a terminal does not show it.
    pub fn is_secret(&self) -> bool {
        self.ask.is_some()
    }

    /// The question.
    pub(super) fn question(&self) -> Option<&'static [u8]> {
        Some(match self.ask.as_ref()? {
            Ask::New => b"New password: ",
            Ask::Again(_) => b"Retype new password: ",
            Ask::Current => b"Current password: ",
            Ask::Su => b"Password: ",
        })
    }

    /// Takes an answer.
    pub(super) fn answer(&mut self, ask: Ask, line: &[u8]) {
        match ask {
            Ask::New if line.is_empty() => self.unchanged("No password has been supplied.\n"),
            Ask::New => self.ask = Some(Ask::Again(line.to_vec())),
            Ask::Again(first) if first == line => {
                self.fail("passwd: password updated successfully");
                self.status = 0;
            }
            Ask::Again(_) => self.unchanged("Sorry, passwords do not match.\n"),
            Ask::Current => self.unchanged(""),
            Ask::Su => {
                let text =
                    if self.is_busybox() { "su: incorrect password" } else { "su: Authentication failure" };
                self.status = self.fail(text);
            }
        }
    }

    fn unchanged(&mut self, why: &str) {
        self.fail(&format!(
            "{why}passwd: Authentication token manipulation error\npasswd: password unchanged"
        ));
        self.status = 10;
    }

    /// Asks at the terminal, where there is one; false where there is none.
    pub(super) fn asks(&mut self, ask: Ask) -> bool {
        let there = self.has_terminal() && self.nesting <= 1;
        if there {
            self.ask = Some(ask);
        }
        there
    }
}

fn denied(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("useradd", |a| a.rsplit('/').next().unwrap_or("useradd")).to_owned();
    let text = match tool.as_str() {
        "adduser" | "addgroup" | "deluser" if !sh.is_busybox() => {
            format!("{tool}: Only root may add a user or group to the system.")
        }
        _ if sh.is_busybox() => format!("{tool}: permission denied (are you root?)"),
        _ => format!("{tool}: Permission denied.\n{tool}: cannot lock /etc/passwd; try again later."),
    };
    sh.fail(&text)
}

fn passwd(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "nxwir");
    let me = sh.user().clone();
    let name = options.rest.first().cloned().unwrap_or_else(|| me.name.clone());
    let Some(user) = account(sh, &name) else {
        return sh.fail(&format!("passwd: user '{name}' does not exist"));
    };
    if me.uid != 0 && name != me.name {
        return sh.fail(&format!("passwd: You may not view or modify password information for {name}."));
    }
    if options.has('S') {
        let kind = if user.uid == 0 || user.uid >= 1000 && user.uid < 60_000 { "P" } else { "L" };
        let day = super::login::time(sh.machine().born, "%Y-%m-%d");
        sh.say(&format!("{name} {kind} {day} 0 99999 7 -1"));
        return 0;
    }
    if options.has('l') || options.has('u') || options.has('d') || options.has('e') {
        if me.uid != 0 {
            return sh.fail("passwd: Permission denied.");
        }
        sh.say("passwd: password changed.");
        return 0;
    }
    if options.has_long("stdin") && sh.family() == Family::RedHat {
        let _ = sh.input();
        sh.say(&format!(
            "Changing password for user {name}.\npasswd: all authentication tokens updated successfully."
        ));
        return 0;
    }
    if me.uid != 0 {
        sh.err(&encode(&format!("Changing password for {name}.\n")));
        if sh.asks(Ask::Current) {
            return 0;
        }
        sh.err(b"Current password: ");
        sh.unchanged("");
        return sh.status;
    }
    if sh.asks(Ask::New) {
        return 0;
    }
    sh.err(b"New password: ");
    let (first, second) = (sh.input_line().unwrap_or_default(), sh.input_line().unwrap_or_default());
    let _ = sh.input();
    let first = first.strip_suffix(b"\n").unwrap_or(&first);
    if first.is_empty() {
        sh.unchanged("Password change has been aborted.\n");
        return sh.status;
    }
    sh.err(b"Retype new password: ");
    sh.answer(Ask::Again(first.to_vec()), second.strip_suffix(b"\n").unwrap_or(&second));
    sh.status
}

fn chpasswd(sh: &mut Shell, _: &[String]) -> u8 {
    let text = decode(&sh.input());
    if sh.vfs.uid() != 0 {
        return sh.fail("chpasswd: Permission denied");
    }
    for (number, line) in text.lines().take(256).enumerate() {
        let Some((name, _)) = line.split_once(':') else {
            return sh.fail(&format!(
                "chpasswd: line {}: missing new password\nchpasswd: error detected, changes ignored",
                number + 1
            ));
        };
        if account(sh, name).is_none() {
            let text = if sh.is_busybox() {
                format!("chpasswd: unknown user {name}")
            } else {
                format!(
                    "chpasswd: (user {name}) pam_chauthtok() failed, error:\nAuthentication token manipulation error\nchpasswd: (line {}, user {name}) password not changed",
                    number + 1
                )
            };
            return sh.fail(&text);
        }
    }
    0
}

fn add(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.vfs.uid() != 0 {
        return denied(sh, args);
    }
    let adduser = args.first().is_some_and(|a| a.ends_with("adduser")) && sh.family() != Family::RedHat;
    let options = Options::new(args, if sh.is_busybox() { "hgsGukc" } else { "bcdefgGkKpRPsuZ" });
    let Some(name) = options.rest.first().cloned() else {
        return sh.fail("Usage: useradd [options] LOGIN\n       useradd -D\n       useradd -D [options]\n")
            + 1;
    };
    let valid = name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
    if !valid {
        return sh.fail(&format!("useradd: invalid user name '{name}': use --badname to ignore")) + 2;
    }
    if account(sh, &name).is_some() {
        let text = match (adduser, sh.is_busybox()) {
            (_, true) => format!("adduser: user '{name}' in use"),
            (true, _) => format!("adduser: The user `{name}' already exists."),
            _ => format!("useradd: user '{name}' already exists"),
        };
        return sh.fail(&text) + if adduser { 0 } else { 8 };
    }
    let used = |sh: &Shell| {
        let text = sh.vfs.read("/etc/passwd").map(|t| decode(&t)).unwrap_or_default();
        let ids: Vec<u32> = text.lines().filter_map(|l| l.split(':').nth(2)?.parse().ok()).collect();
        ids
    };
    let next = used(sh)
        .into_iter()
        .filter(|id| (1000..60_000).contains(id))
        .max()
        .map_or(1000, |id| id.saturating_add(1));
    let number = |letter: char| options.value(letter).and_then(|n| n.parse::<u32>().ok());
    let uid = number('u').unwrap_or(next);
    if uid != next && !options.has('o') && used(sh).contains(&uid) {
        return sh.fail(&format!("useradd: UID {uid} is not unique")) + 3;
    }
    let gid = number('g').unwrap_or(uid);
    let home = options.value('d').map_or_else(|| format!("/home/{name}"), str::to_owned);
    let login = match (options.value('s'), sh.family()) {
        (Some(shell), _) => shell.to_owned(),
        (None, Family::Alpine) => "/bin/ash".to_owned(),
        (None, Family::Debian) if !adduser => "/bin/sh".to_owned(),
        (None, _) => "/bin/bash".to_owned(),
    };
    let comment = options.value('c').unwrap_or_default();
    let days = now() / 86_400;
    let lines = [
        ("/etc/passwd", format!("{name}:x:{uid}:{gid}:{comment}:{home}:{login}\n")),
        ("/etc/shadow", format!("{name}:!:{days}:0:99999:7:::\n")),
        ("/etc/group", format!("{name}:x:{gid}:\n")),
    ];
    for (file, line) in lines {
        if let Err(error) = sh.vfs.append(file, &encode(&line)) {
            return sh.fail(&format!("useradd: cannot open {file}: {error}")) + 9;
        }
    }
    if adduser || options.has('m') || options.has_long("create-home") || sh.family() == Family::RedHat {
        let made = sh.vfs.mkdir(&home, 0o755);
        if made.is_ok() {
            // It is the new user's; a place that is full keeps root's.
            let _: Result<(), VfsError> = sh.vfs.chown(&home, uid, gid);
        }
    }
    if adduser && sh.is_busybox() {
        if !options.has('D') {
            sh.say(&format!("Changing password for {name}"));
            sh.asks(Ask::New);
        }
    } else if adduser {
        sh.say(&format!("Adding user `{name}' ...\nAdding new group `{name}' ({gid}) ...\nAdding new user `{name}' ({uid}) with group `{name} ({gid})' ...\nCreating home directory `{home}' ...\nCopying files from `/etc/skel' ..."));
        if !args.iter().any(|a| a == "--disabled-password") {
            sh.asks(Ask::New);
        }
    }
    0
}

fn delete(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.vfs.uid() != 0 {
        return denied(sh, args);
    }
    let options = Options::new(args, "RP");
    let tool = super::cmd_text::tool(args);
    let Some(name) = options.rest.first().cloned() else {
        return sh.fail(&format!("Usage: {tool} [options] LOGIN")) + 1;
    };
    let Some(user) = account(sh, &name) else {
        return sh.fail(&format!("{tool}: user '{name}' does not exist")) + 5;
    };
    for file in ["/etc/passwd", "/etc/shadow", "/etc/group"] {
        let Ok(text) = sh.vfs.read(file).map(|bytes| decode(&bytes)) else { continue };
        let left: String =
            text.lines().filter(|l| l.split(':').next() != Some(&name)).map(|l| format!("{l}\n")).collect();
        if let Err(error) = sh.vfs.write(file, &encode(&left)) {
            return sh.fail(&format!("{tool}: cannot open {file}: {error}")) + 9;
        }
    }
    if options.has('r') {
        sh.fail(&format!("{tool}: {name} mail spool (/var/mail/{name}) not found"));
        let _ = sh.vfs.remove(&user.home);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    fn run(sh: &mut Shell, line: &str) -> String {
        String::from_utf8_lossy(&sh.exec(line.as_bytes()).output).into_owned()
    }

    #[test]
    fn accounts_come_and_go() {
        let mut sh = Shell::new(&persona(&["ssh"]), "root");
        for (line, shown) in [
            ("useradd -m -s /bin/bash evil", ""),
            ("id evil", "uid=1001(evil) gid=1001(evil) groups=1001(evil)\n"),
            ("useradd evil", "useradd: user 'evil' already exists\n"),
            ("echo evil:x | chpasswd; echo $?", "0\n"),
            ("tail -n 1 /etc/passwd", "evil:x:1001:1001::/home/evil:/bin/bash\n"),
            ("ls -d /home/evil", "/home/evil\n"),
            ("su evil -c whoami", "evil\n"),
            ("userdel evil; grep -c evil /etc/passwd", "0\n"),
            ("userdel evil", "userdel: user 'evil' does not exist\n"),
            ("useradd -o -u 0 -g 0 toor; id -u toor", "0\n"),
            (
                "echo nosuch:x | chpasswd",
                "chpasswd: (user nosuch) pam_chauthtok() failed, error:\nAuthentication token manipulation error\nchpasswd: (line 1, user nosuch) password not changed\n",
            ),
        ] {
            assert_eq!(run(&mut sh, line), shown, "{line}");
        }
    }

    #[test]
    fn a_password_is_set_by_pipe_and_at_the_terminal() {
        let mut sh = Shell::new(&persona(&["ssh"]), "root");
        assert_eq!(
            run(&mut sh, "echo -e 'a\\na' | passwd"),
            "New password: Retype new password: passwd: password updated successfully\n"
        );
        assert_eq!(
            run(&mut sh, "echo -e 'a\\nb' | passwd"),
            "New password: Retype new password: Sorry, passwords do not match.\npasswd: Authentication token manipulation error\npasswd: password unchanged\n"
        );
        assert_eq!(run(&mut sh, "passwd"), "");
        assert_eq!((sh.is_secret(), sh.prompt()), (true, b"New password: ".to_vec()));
        assert_eq!(run(&mut sh, "owned"), "");
        assert_eq!(sh.prompt(), b"Retype new password: ");
        assert_eq!(run(&mut sh, "owned"), "passwd: password updated successfully\n");
        assert!(!sh.is_secret() && sh.prompt().ends_with(b"# "));
        assert!(!run(&mut sh, "history").contains("owned"));
        run(&mut sh, "passwd");
        sh.interrupt();
        assert!(!sh.is_secret());
    }
}
