//! Who is who: `id`, `who`, `last`, `su`, `sudo`, `passwd`.

use super::cmd_accounts::{Ask, group};
use super::commands::{Command, Options};
use super::login::{last_login, time};
use super::{Flavor, Shell};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{User, now};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "id" => id,
        "whoami" => |sh, _| {
            let name = sh.user().name.clone();
            sh.say(&name);
            0
        },
        "logname" | "users" => |sh, _| {
            let name = sh.user().name.clone();
            sh.say(&name);
            0
        },
        "groups" => groups,
        "who" => who,
        "w" => w,
        "last" => last,
        "lastb" => |sh, _| {
            if sh.vfs.uid() != 0 {
                return sh.fail("lastb: cannot open /var/log/btmp: Permission denied");
            }
            let begin = time(sh.machine().born, "%a %b %e %H:%M:%S %Y");
            sh.say(&format!("\nbtmp begins {begin}"));
            0
        },
        "lastlog" => lastlog,
        "su" => su,
        "sudo" | "doas" => sudo,
        "chsh" | "chfn" | "newgrp" => |_, _| 0,
        "getent" => getent,
        _ => return None,
    })
}

fn group_list(sh: &Shell, user: &User) -> Vec<(u32, String)> {
    let mut all = vec![(user.gid, group(sh, user.gid))];
    if user.uid == 1000 {
        all.push(if sh.family() == Family::Debian {
            (27, "sudo".to_owned())
        } else {
            (10, "wheel".to_owned())
        });
    }
    all
}

fn id(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let user = match options.rest.first() {
        None => sh.user().clone(),
        Some(name) => match super::cmd_accounts::account(sh, name) {
            Some(user) => user.clone(),
            None => {
                let text = if sh.is_busybox() {
                    format!("id: unknown user {name}")
                } else {
                    format!("id: ‘{name}’: no such user")
                };
                return sh.fail(&text);
            }
        },
    };
    let groups = group_list(sh, &user);
    let names = options.has('n');
    let text = if options.has('u') {
        if names { user.name.clone() } else { user.uid.to_string() }
    } else if options.has('g') {
        if names { group(sh, user.gid) } else { user.gid.to_string() }
    } else if options.has('G') {
        groups
            .iter()
            .map(|(gid, name)| if names { name.clone() } else { gid.to_string() })
            .collect::<Vec<_>>()
            .join(" ")
    } else {
        let list: Vec<String> = groups.iter().map(|(gid, name)| format!("{gid}({name})")).collect();
        let context = if sh.family() == Family::RedHat && options.rest.is_empty() {
            " context=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"
        } else {
            ""
        };
        format!(
            "uid={}({}) gid={}({}) groups={}{context}",
            user.uid,
            user.name,
            user.gid,
            group(sh, user.gid),
            list.join(",")
        )
    };
    sh.say(&text);
    0
}

fn groups(sh: &mut Shell, _: &[String]) -> u8 {
    let user = sh.user().clone();
    let names: Vec<String> = group_list(sh, &user).into_iter().map(|(_, name)| name).collect();
    sh.say(&names.join(" "));
    0
}

/// Where this visitor comes from; when nobody told, the host people use.
fn origin(sh: &Shell) -> String {
    sh.origin.as_ref().map_or_else(|| last_login(sh.machine(), sh.user()).1, |(_, from)| from.clone())
}

fn who(sh: &mut Shell, _: &[String]) -> u8 {
    let at = time(sh.started(), "%Y-%m-%d %H:%M");
    let line = format!("{:<8} pts/0        {at} ({})", sh.user().name, origin(sh));
    sh.say(&line);
    0
}

fn w(sh: &mut Shell, _: &[String]) -> u8 {
    let up = super::cmd_system::uptime_text(sh);
    let at = time(sh.started(), "%H:%M");
    let line = format!("{:<8} pts/0    {:<16} {at}    0.00s  0.02s  0.00s w", sh.user().name, origin(sh));
    sh.say(&up);
    sh.say("USER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT");
    sh.say(&line);
    0
}

fn last(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let me = sh.user().clone();
    let boot = machine.boot(now());
    let (at, from) = last_login(&machine, &me);
    let day = |seconds| time(seconds, "%a %b %e %H:%M");
    let own = if sh.is_busybox() { "pts/0" } else { "pts/0       " };
    let here = origin(sh);
    sh.say(&format!("{:<8} {own} {here:<16} {}   still logged in", me.name, day(sh.started())));
    sh.say(&format!(
        "{:<8} pts/0        {from:<16} {} - {}  (00:2{})",
        me.name,
        day(at),
        time(at + 1_500, "%H:%M"),
        machine.number("stay", 10)
    ));
    let kernel: String = machine.distro.kernel.chars().take(16).collect();
    sh.say(&format!("reboot   system boot  {kernel:<16} {}   still running", day(boot)));
    sh.say(&format!("\nwtmp begins {}", time(boot, "%a %b %e %H:%M:%S %Y")));
    0
}

fn lastlog(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    sh.say("Username         Port     From             Latest");
    for user in &machine.users {
        if user.uid == 0 || user.uid == 1000 {
            let (at, from) = last_login(&machine, user);
            sh.say(&format!(
                "{:<16} pts/0    {from:<16} {}",
                user.name,
                time(at, "%a %b %e %H:%M:%S +0000 %Y")
            ));
        } else {
            sh.say(&format!("{:<16}                           **Never logged in**", user.name));
        }
    }
    0
}

/// Runs something as another user, then comes back.
fn run_as(sh: &mut Shell, user: &User, work: impl FnOnce(&mut Shell) -> u8) -> u8 {
    let old = std::mem::replace(&mut sh.user, user.clone());
    sh.vfs.become_user(user.uid, user.gid);
    let levels = sh.levels.len();
    let status = work(sh);
    // Unless a shell was started that now waits for its next line.
    if sh.levels.len() == levels {
        sh.user = old;
        sh.vfs.become_user(sh.user.uid, sh.user.gid);
    } else if let Some(level) = sh.levels.last_mut() {
        level.user = old;
    }
    status
}

fn login_shell(sh: &mut Shell, user: &User, login: bool) -> u8 {
    if !sh.interactive {
        return 0;
    }
    let ash = sh.family() == Family::Alpine;
    let (flavor, name) =
        if ash { (Flavor::Ash, "-ash") } else { (Flavor::Bash, if login { "-bash" } else { "bash" }) };
    let status = sh.enter(user, flavor, name, login);
    for (variable, value) in
        [("USER", user.name.clone()), ("LOGNAME", user.name.clone()), ("HOME", user.home.clone())]
    {
        sh.set_variable(variable, &value);
    }
    status
}

fn su(sh: &mut Shell, args: &[String]) -> u8 {
    let login = args.iter().skip(1).any(|a| matches!(a.as_str(), "-" | "-l" | "--login"));
    let options = Options::new(args, "cs");
    let name = options.rest.iter().find(|a| *a != "-").map_or("root", String::as_str).to_owned();
    let Some(user) = super::cmd_accounts::account(sh, &name) else {
        let text = if sh.is_busybox() {
            format!("su: unknown user {name}")
        } else {
            format!(
                "su: user {name} does not exist or the user entry does not contain all the required fields"
            )
        };
        return sh.fail(&text);
    };
    if sh.vfs.uid() != 0 {
        if sh.asks(Ask::Su) {
            return 0;
        }
        sh.err(b"Password: \n");
        return sh.fail(if sh.is_busybox() {
            "su: incorrect password"
        } else {
            "su: Authentication failure"
        });
    }
    if user.shell.ends_with("nologin") || user.shell.ends_with("false") {
        return sh.fail("This account is currently not available.");
    }
    match options.value('c').map(str::to_owned) {
        Some(text) => run_as(sh, &user, |sh| super::cmd_process::run_text(sh, &text)),
        None => login_shell(sh, &user, login),
    }
}

fn sudo(sh: &mut Shell, args: &[String]) -> u8 {
    let options_end = args
        .iter()
        .skip(1)
        .position(|a| !a.starts_with('-') && !a.contains('='))
        .map_or(args.len(), |at| at + 1);
    let flags = args.get(1..options_end).unwrap_or_default();
    let mut rest = args.get(options_end..).unwrap_or_default();
    let me = sh.user().clone();
    if me.uid != 0 && me.uid != 1000 {
        return sh.fail(&format!("{} is not in the sudoers file.", me.name));
    }
    let mut target = sh.machine().users.first().cloned().unwrap_or_else(super::login::root);
    if flags.iter().any(|f| f == "-u") {
        let Some((name, tail)) = rest.split_first() else { return usage(sh) };
        match super::cmd_accounts::account(sh, name) {
            Some(user) => target = user,
            None => {
                return sh.fail(&format!(
                    "sudo: unknown user {name}\nsudo: error initializing audit plugin sudoers_audit"
                ));
            }
        }
        rest = tail;
    }
    let has = |letter: char| flags.iter().any(|f| !f.starts_with("--") && f.contains(letter));
    if has('l') {
        let host = sh.machine().hostname.clone();
        sh.say(&format!("Matching Defaults entries for {0} on {host}:\n    env_reset, mail_badpass,\n    secure_path=/usr/local/sbin\\:/usr/local/bin\\:/usr/sbin\\:/usr/bin\\:/sbin\\:/bin\n\nUser {0} may run the following commands on {host}:\n    (ALL : ALL) NOPASSWD: ALL", me.name));
        return 0;
    }
    if has('V') {
        let version = super::versions::of(sh.machine().distro.slug).sudo;
        sh.say(&format!("Sudo version {version}"));
        return 0;
    }
    if has('i') || has('s') {
        if rest.is_empty() {
            return login_shell(sh, &target, has('i'));
        }
        let text = rest.join(" ");
        return run_as(sh, &target, |sh| super::cmd_process::run_text(sh, &text));
    }
    if has('v') || has('k') || has('K') {
        return 0;
    }
    if rest.is_empty() {
        return usage(sh);
    }
    let rest = rest.to_vec();
    run_as(sh, &target, |sh| {
        let name = rest.first().map_or("", String::as_str);
        if sh.find_program(name).is_none_or(|path| sh.vfs.stat(&path).is_err()) {
            return sh.fail(&format!("sudo: {name}: command not found"));
        }
        sh.program(&rest)
    })
}

fn usage(sh: &mut Shell) -> u8 {
    sh.fail("usage: sudo -h | -K | -k | -V\nusage: sudo -v [-ABknS] [-g group] [-h host] [-p prompt] [-u user]\nusage: sudo -l [-ABknS] [-g group] [-h host] [-p prompt] [-U user] [-u user] [command]\nusage: sudo [-ABbEHknPS] [-C num] [-D directory] [-g group] [-h host] [-p prompt] [-R directory] [-T timeout] [-u user] [VAR=value] [-i|-s] [<command>]")
}

/// A password is never taken: the new one is read, then the change fails.
fn getent(sh: &mut Shell, args: &[String]) -> u8 {
    let (Some(base), key) = (args.get(1), args.get(2)) else { return 1 };
    let file = match base.as_str() {
        "passwd" | "group" | "shadow" | "hosts" | "services" => format!("/etc/{base}"),
        other => return sh.fail(&format!("Unknown database: {other}")),
    };
    let text = sh.vfs.read(&file).map(std::borrow::Cow::into_owned).unwrap_or_default();
    let mut status = if key.is_some() { 2 } else { 0 };
    for line in super::cmd_text::lines(&text).map(super::text::decode) {
        let name = line.split([':', '\t', ' ']).next().unwrap_or_default();
        if key.is_none_or(|k| k == name || line.split(':').nth(2) == Some(k.as_str())) {
            sh.say(&line);
            status = 0;
        }
    }
    status
}
