//! Making, removing and changing files.

use super::Shell;
use super::commands::{Command, Options, invalid_option};
use super::expand::shown;
use super::text::encode;
use crate::decoy::vfs::{Kind, VfsError, now};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "touch" => touch,
        "mkdir" => mkdir,
        "rmdir" => rmdir,
        "rm" | "unlink" => rm,
        "ln" => ln,
        "chmod" => chmod,
        "chown" | "chgrp" => chown,
        "chattr" => |_, _| 0,
        "mktemp" => mktemp,
        "readlink" | "realpath" => readlink,
        "basename" | "dirname" => base,
        "truncate" | "shred" | "sync" => |_, _| 0,
        _ => return None,
    })
}

fn quoted(sh: &Shell, name: &str) -> String {
    if sh.is_busybox() { name.to_owned() } else { format!("'{}'", shown(name).trim_matches('\'')) }
}

fn missing_operand(sh: &mut Shell, name: &str) -> u8 {
    if sh.is_busybox() {
        let version = super::cmd_busybox::version(sh);
        return sh.fail(&format!("BusyBox v{version} multi-call binary.\n\nUsage: {name} [OPTIONS] FILE..."));
    }
    sh.fail(&format!("{name}: missing operand\nTry '{name} --help' for more information."))
}

fn missing_file(sh: &mut Shell, name: &str) -> u8 {
    if sh.is_busybox() {
        return missing_operand(sh, name);
    }
    sh.fail(&format!("{name}: missing file operand\nTry '{name} --help' for more information."))
}

fn touch(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "drt");
    if options.rest.is_empty() {
        let operand = if sh.is_busybox() {
            "touch"
        } else {
            "touch: missing file operand\nTry 'touch --help' for more information."
        };
        return sh.fail(operand);
    }
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let done = if sh.vfs.stat(&path).is_ok() {
            sh.vfs.set_mtime(&path, now())
        } else if options.has('c') {
            Ok(())
        } else {
            sh.vfs.write(&path, b"")
        };
        if let Err(error) = done {
            let shown = quoted(sh, name);
            let verb = if sh.is_busybox() { "" } else { "cannot touch " };
            status = sh.fail(&format!("touch: {verb}{shown}: {error}"));
        }
    }
    status
}

fn mkdir(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "m");
    if let Some(letter) = options.unknown("pmvZ") {
        return invalid_option(sh, "mkdir", letter);
    }
    if options.rest.is_empty() {
        return missing_operand(sh, "mkdir");
    }
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let mut done = Ok(());
        if options.has('p') {
            let mut above = String::new();
            for part in path.split('/').filter(|p| !p.is_empty()) {
                above = format!("{above}/{part}");
                if sh.vfs.stat(&above).is_err() {
                    done = done.and(sh.vfs.mkdir(&above, 0o755));
                }
            }
        } else {
            done = sh.vfs.mkdir(&path, 0o755);
        }
        match done {
            Err(error) => {
                let shown = quoted(sh, name);
                let verb = if sh.is_busybox() { "can't" } else { "cannot" };
                let shown = if sh.is_busybox() { shown } else { format!("‘{name}’") };
                status = sh.fail(&format!("mkdir: {verb} create directory {shown}: {error}"));
            }
            Ok(()) if options.has('v') => sh.say(&format!("mkdir: created directory '{name}'")),
            Ok(()) => {}
        }
    }
    status
}

fn rmdir(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    if options.rest.is_empty() {
        return missing_operand(sh, "rmdir");
    }
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let done = match sh.vfs.lstat(&path) {
            Ok(stat) if stat.kind != Kind::Dir => Err(VfsError::NotADirectory),
            Ok(_) => sh.vfs.remove(&path),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let shown = quoted(sh, name);
            let verb = if sh.is_busybox() { "" } else { "failed to remove " };
            status = sh.fail(&format!("rmdir: {verb}{shown}: {error}"));
        }
    }
    status
}

fn rm(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    if let Some(letter) = options.unknown("rRfivdI") {
        return invalid_option(sh, "rm", letter);
    }
    let recursive = options.has('r') || options.has('R') || options.has_long("recursive");
    let force = options.has('f') || options.has_long("force");
    if options.rest.is_empty() && !force {
        return missing_operand(sh, "rm");
    }
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        if path == "/" && recursive && !options.has_long("no-preserve-root") && !sh.is_busybox() {
            status = sh.fail("rm: it is dangerous to operate recursively on '/'\nrm: use --no-preserve-root to override this failsafe");
            continue;
        }
        let shown = quoted(sh, name);
        let verb = if sh.is_busybox() { "can't" } else { "cannot" };
        match sh.vfs.lstat(&path) {
            Err(VfsError::NotFound | VfsError::NotADirectory) if force => {}
            Err(error) => status = sh.fail(&format!("rm: {verb} remove {shown}: {error}")),
            Ok(stat) if stat.kind == Kind::Dir && !recursive => {
                let text = if sh.is_busybox() {
                    format!("rm: {name} is a directory")
                } else {
                    format!("rm: cannot remove {shown}: Is a directory")
                };
                status = sh.fail(&text);
            }
            Ok(_) => {
                if let Err(error) = remove_tree(sh, &path, 0) {
                    status = sh.fail(&format!("rm: {verb} remove {shown}: {error}"));
                }
            }
        }
        if sh.is_stopped() {
            break;
        }
    }
    status
}

/// Removes a name and what is below it.
pub(super) fn remove_tree(sh: &mut Shell, path: &str, depth: usize) -> Result<(), VfsError> {
    sh.burn(4_000);
    if depth > 16 || sh.is_stopped() {
        return Err(VfsError::NotEmpty);
    }
    if sh.vfs.lstat(path)?.kind == Kind::Dir {
        for (name, _) in sh.vfs.list(path)? {
            remove_tree(sh, &format!("{}/{name}", path.trim_end_matches('/')), depth + 1)?;
        }
    }
    sh.vfs.remove(path)
}

fn ln(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let [target, rest @ ..] = options.rest.as_slice() else { return missing_file(sh, "ln") };
    let name =
        rest.first().cloned().unwrap_or_else(|| target.rsplit('/').next().unwrap_or_default().to_owned());
    let mut path = sh.path(&name);
    if sh.vfs.stat(&path).is_ok_and(|s| s.kind == Kind::Dir) {
        path = format!("{path}/{}", target.rsplit('/').next().unwrap_or_default());
    }
    if options.has('f') {
        let _ = sh.vfs.remove(&path);
    }
    let done = if options.has('s') {
        sh.vfs.symlink(target, &path)
    } else {
        let from = sh.path(target);
        match sh.vfs.read(&from).map(std::borrow::Cow::into_owned) {
            Ok(bytes) if sh.vfs.lstat(&path).is_err() => sh.vfs.write(&path, &bytes),
            Ok(_) => Err(VfsError::Exists),
            Err(error) => Err(error),
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            let kind = if options.has('s') { "symbolic" } else { "hard" };
            sh.fail(&format!("ln: failed to create {kind} link '{name}': {error}"))
        }
    }
}

fn chmod(sh: &mut Shell, args: &[String]) -> u8 {
    // A mode may begin with a dash: `chmod -x file`.
    let words: Vec<&String> =
        args.iter().skip(1).filter(|a| !matches!(a.as_str(), "-R" | "-v" | "-f" | "-c" | "--")).collect();
    let [mode, files @ ..] = words.as_slice() else { return missing_operand(sh, "chmod") };
    if files.is_empty() {
        return sh.fail(&format!(
            "chmod: missing operand after ‘{mode}’\nTry 'chmod --help' for more information."
        ));
    }
    let mut status = 0;
    for name in files {
        let path = sh.path(name);
        let done = sh.vfs.stat(&path).map(|s| s.mode).and_then(|old| match new_mode(mode, old) {
            Some(new) => sh.vfs.chmod(&path, new).map(|()| true),
            None => Ok(false),
        });
        match done {
            Ok(true) => {}
            Ok(false) => {
                return sh.fail(&format!(
                    "chmod: invalid mode: ‘{mode}’\nTry 'chmod --help' for more information."
                ));
            }
            Err(error) => {
                let shown = quoted(sh, name);
                let text = match error {
                    _ if sh.is_busybox() => format!("chmod: {name}: {error}"),
                    VfsError::NotFound => format!("chmod: cannot access {shown}: {error}"),
                    _ => format!("chmod: changing permissions of {shown}: {error}"),
                };
                status = sh.fail(&text);
            }
        }
    }
    status
}

/// A mode as `chmod` takes it, octal or symbolic.
fn new_mode(text: &str, old: u32) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return (mode <= 0o7777).then_some(mode);
    }
    let mut mode = old;
    for clause in text.split(',').take(16) {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut mask = 0;
        for c in who.chars() {
            mask |= match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            mask = 0o7777;
        }
        let mut bits = 0;
        for c in rest.chars().skip(1) {
            bits |= match c {
                'r' => 0o444,
                'w' => {
                    if who.is_empty() {
                        0o200
                    } else {
                        0o222
                    }
                }
                'x' => 0o111,
                'X' if old & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        let bits = bits & mask;
        mode = match rest.chars().next()? {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => (mode & !(mask & 0o777)) | bits,
        };
    }
    Some(mode)
}

fn chown(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("chown", String::as_str).rsplit('/').next().unwrap_or("chown").to_owned();
    let options = Options::new(args, "");
    let [owner, files @ ..] = options.rest.as_slice() else { return missing_operand(sh, &tool) };
    let machine = sh.machine().clone();
    let (name, group) = owner.split_once([':', '.']).map_or((owner.as_str(), None), |(u, g)| (u, Some(g)));
    let number = |name: &str| name.parse().ok().or_else(|| machine.user(name).map(|u| u.uid));
    let Some(uid) = number(name) else {
        let kind = if tool == "chgrp" { "group" } else { "user" };
        return sh.fail(&format!("{tool}: invalid {kind}: ‘{owner}’"));
    };
    let gid = group.and_then(number);
    let mut status = 0;
    for name in files {
        let path = sh.path(name);
        let done = sh.vfs.stat(&path).and_then(|stat| {
            let (uid, gid) = if tool == "chgrp" { (stat.uid, uid) } else { (uid, gid.unwrap_or(stat.gid)) };
            sh.vfs.chown(&path, uid, gid)
        });
        if let Err(error) = done {
            let how = if error == VfsError::NotFound { "cannot access" } else { "changing ownership of" };
            let shown = quoted(sh, name);
            status = sh.fail(&format!("{tool}: {how} {shown}: {error}"));
        }
    }
    status
}

fn mktemp(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "p");
    let number = sh.new_pid();
    let random = format!("{:x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let tail: String = random.chars().take(10).collect();
    let path = match options.rest.first() {
        Some(template) => {
            let count = template.chars().rev().take_while(|c| *c == 'X').count();
            let keep = template.len() - count;
            let name = format!(
                "{}{}",
                template.get(..keep).unwrap_or_default(),
                tail.get(..count.min(10)).unwrap_or_default()
            );
            sh.path(&name)
        }
        None => format!("/tmp/tmp.{tail}"),
    };
    let done = if options.has('d') { sh.vfs.mkdir(&path, 0o700) } else { sh.vfs.write(&path, b"") };
    match done {
        Ok(()) => {
            sh.say(&path);
            0
        }
        Err(error) => sh.fail(&format!("mktemp: failed to create file via template '{path}': {error}")),
    }
}

fn readlink(sh: &mut Shell, args: &[String]) -> u8 {
    let real = args.first().is_some_and(|a| a.ends_with("realpath"));
    let options = Options::new(args, "");
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let found = if real || options.has('f') || options.has('e') {
            sh.vfs.real(&path)
        } else {
            sh.vfs.readlink(&path)
        };
        match found {
            Ok(text) => sh.say(&text),
            Err(error) if real => status = sh.fail(&format!("realpath: {name}: {error}")),
            Err(_) => status = 1,
        }
    }
    status
}

fn base(sh: &mut Shell, args: &[String]) -> u8 {
    let dir = args.first().is_some_and(|a| a.ends_with("dirname"));
    let Some(path) = args.get(1) else {
        return missing_operand(sh, if dir { "dirname" } else { "basename" });
    };
    let trimmed = path.trim_end_matches('/');
    let (above, name) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
    if dir {
        let above = if above.is_empty() { "/" } else { above };
        sh.out(&encode(above));
    } else {
        let name = args.get(2).and_then(|tail| name.strip_suffix(tail.as_str())).unwrap_or(name);
        sh.out(&encode(name));
    }
    sh.out(b"\n");
    0
}
