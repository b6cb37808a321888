//! `ls`, `stat`, `file`, `du`.

use super::Shell;
use super::commands::{Command, Options, invalid_option};
use super::expand::shown;
use super::login::time;
use super::text::encode;
use crate::decoy::vfs::{Kind, Stat, now};

/// Half a year: older times show the year.
const OLD: i64 = 15_778_476;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "ls" | "dir" | "vdir" => ls,
        "stat" => stat,
        "file" => file,
        "du" => du,
        "lsattr" => |sh, args| {
            for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
                sh.say(&format!("--------------e------- {name}"));
            }
            0
        },
        _ => return None,
    })
}

/// `drwxr-xr-x`.
pub(super) fn mode_text(stat: &Stat) -> String {
    let kind = match stat.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Device => 'c',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = stat.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (stat.mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Sizes as `-h` shows them.
pub(super) fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut tenths = bytes.saturating_mul(10);
    for unit in ["K", "M", "G", "T"] {
        tenths = tenths.div_ceil(1024);
        if tenths < 100 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        if tenths < 10_240 {
            return format!("{}{unit}", tenths.div_ceil(10));
        }
    }
    format!("{}P", tenths / 10_240)
}

fn ls(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "IwT");
    if let Some(letter) = options.unknown("aAlhd1CFRtrSnGgosipLckuvxXZIwTqQNbmfUBHD") {
        return invalid_option(sh, "ls", letter);
    }
    let names = if options.rest.is_empty() { vec![".".to_owned()] } else { options.rest.clone() };
    let mut status = 0;
    let (mut files, mut dirs) = (Vec::new(), Vec::new());
    for name in &names {
        let path = sh.path(name);
        let long = options.has('l');
        let found = if long || options.has('d') {
            sh.vfs.lstat(&path)
        } else {
            sh.vfs.stat(&path).or_else(|_| sh.vfs.lstat(&path))
        };
        let target = sh.vfs.stat(&path).ok();
        match found {
            Ok(stat) if options.has('d') => files.push((name.clone(), stat)),
            Ok(stat) if stat.kind == Kind::Dir => dirs.push(name.clone()),
            Ok(stat)
                if stat.kind == Kind::Link
                    && name.ends_with('/')
                    && target.is_some_and(|t| t.kind == Kind::Dir) =>
            {
                dirs.push(name.clone());
            }
            Ok(stat) => files.push((name.clone(), stat)),
            Err(error) => {
                let text = if sh.is_busybox() {
                    format!("ls: {name}: {error}")
                } else {
                    format!("ls: cannot access '{}': {error}", shown(name).trim_matches('\''))
                };
                sh.fail(&text);
                status = if sh.is_busybox() { 1 } else { 2 };
            }
        }
    }
    let headed = names.len() > 1 || options.has('R');
    let mut first = files.is_empty();
    if !files.is_empty() {
        show(sh, &options, ".", files, false);
    }
    let mut queue: std::collections::VecDeque<String> = dirs.into();
    while let Some(name) = queue.pop_front() {
        if sh.is_stopped() {
            break;
        }
        let path = sh.path(&name);
        let list = match sh.vfs.list(&path) {
            Ok(list) => list,
            Err(error) => {
                let text = if sh.is_busybox() {
                    format!("ls: can't open '{name}': {error}")
                } else {
                    format!("ls: cannot open directory '{name}': {error}")
                };
                sh.fail(&text);
                status = 2;
                continue;
            }
        };
        sh.burn(list.len() * 64 + 1_000);
        if headed {
            sh.say(&format!("{}{name}:", if first { "" } else { "\n" }));
        }
        first = false;
        let all = options.has('a') || options.has('f');
        let mut entries: Vec<(String, Stat)> = Vec::new();
        if all {
            for (dot, at) in [(".", path.clone()), ("..", sh.path(&format!("{name}/..")))] {
                entries.extend(sh.vfs.stat(&at).ok().map(|stat| (dot.to_owned(), stat)));
            }
        }
        entries.extend(list.into_iter().filter(|(n, _)| all || options.has('A') || !n.starts_with('.')));
        if options.has('R') && queue.len() < 256 {
            let below = entries.iter().filter(|(n, s)| s.kind == Kind::Dir && n != "." && n != "..");
            let below: Vec<String> =
                below.map(|(n, _)| format!("{}/{n}", name.trim_end_matches('/'))).collect();
            for dir in below.into_iter().rev() {
                queue.push_front(dir);
            }
        }
        show(sh, &options, &name, entries, true);
    }
    status
}

fn show(sh: &mut Shell, options: &Options, dir: &str, mut entries: Vec<(String, Stat)>, total: bool) {
    // The C locale of small systems sorts by byte, others ignore dots and case.
    if sh.is_busybox() {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    } else {
        entries.sort_by_cached_key(|(name, _)| (name.trim_start_matches('.').to_lowercase(), name.clone()));
    }
    if options.has('t') {
        entries.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.mtime));
    }
    if options.has('S') {
        entries.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.size));
    }
    if options.has('r') {
        entries.reverse();
    }
    if !options.has('l') && !options.has('n') && !options.has('g') && !options.has('o') {
        let names: Vec<String> =
            entries.iter().map(|(name, stat)| name.clone() + mark(options, stat)).collect();
        plain(sh, &names, options.has('1') || !sh.is_terminal_out());
        return;
    }
    if total {
        let blocks: u64 = entries
            .iter()
            .map(|(_, s)| {
                if s.kind == Kind::File {
                    s.size.div_ceil(4096) * 4
                } else if s.kind == Kind::Dir {
                    s.size / 1024
                } else {
                    0
                }
            })
            .sum();
        let blocks = if options.has('h') { human(blocks * 1024) } else { blocks.to_string() };
        sh.say(&format!("total {blocks}"));
    }
    let number = options.has('n');
    let rows: Vec<[String; 6]> = entries
        .iter()
        .map(|(name, stat)| {
            let user = if number { stat.uid.to_string() } else { sh.owner(stat.uid) };
            let group = if number { stat.gid.to_string() } else { super::cmd_accounts::group(sh, stat.gid) };
            let size = match stat.kind {
                Kind::Device => "1,   3".to_owned(),
                _ if options.has('h') => human(stat.size),
                _ => stat.size.to_string(),
            };
            let age = now() - stat.mtime;
            let when = time(stat.mtime, if (0..OLD).contains(&age) { "%b %e %H:%M" } else { "%b %e  %Y" });
            let path = sh.path(&if name.starts_with('/') { name.clone() } else { format!("{dir}/{name}") });
            let arrow = if stat.kind == Kind::Link {
                sh.vfs.readlink(&path).map(|t| format!(" -> {t}")).unwrap_or_default()
            } else {
                mark(options, stat).to_owned()
            };
            let links = if stat.kind == Kind::Dir { 2 + name.len() % 3 } else { 1 };
            [format!("{} {links}", mode_text(stat)), user, group, size, when, format!("{name}{arrow}")]
        })
        .collect();
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(String::len).max().unwrap_or(0);
    let (user, group, size) = (width(1), width(2), width(3));
    let (user, group, size) =
        if sh.is_busybox() { (user.max(8), group.max(8), size.max(9)) } else { (user, group, size) };
    for [mode, who, whose, bytes, when, name] in &rows {
        if sh.is_busybox() {
            sh.say(&format!("{mode:<14} {who:<user$} {whose:<group$} {bytes:>size$} {when} {name}"));
        } else {
            sh.say(&format!("{mode} {who:<user$} {whose:<group$} {bytes:>size$} {when} {name}"));
        }
        if sh.is_stopped() {
            return;
        }
    }
}

fn mark(options: &Options, stat: &Stat) -> &'static str {
    match stat.kind {
        Kind::Dir if options.has('F') || options.has('p') => "/",
        Kind::Link if options.has('F') => "@",
        Kind::File if options.has('F') && stat.mode & 0o111 != 0 => "*",
        _ => "",
    }
}

/// Names in columns of an 80-column terminal, or one a line.
fn plain(sh: &mut Shell, names: &[String], single: bool) {
    let widths: Vec<usize> = names.iter().map(|n| n.chars().count()).collect();
    let total: usize = widths.iter().map(|w| w + 2).sum();
    if single {
        for name in names {
            sh.say(name);
        }
        return;
    }
    if total <= 82 {
        if !names.is_empty() {
            sh.say(&names.join("  "));
        }
        return;
    }
    let mut rows = 1;
    let mut columns: Vec<usize> = Vec::new();
    while rows < names.len() {
        rows += (names.len() / 64).max(1);
        columns = widths.chunks(rows).map(|c| c.iter().max().copied().unwrap_or(0) + 2).collect();
        if columns.iter().sum::<usize>() <= 82 {
            break;
        }
    }
    for row in 0..rows {
        let mut line = String::new();
        for (column, width) in columns.iter().enumerate() {
            if let Some(name) = names.get(column * rows + row) {
                let pad = width.saturating_sub(name.chars().count());
                line.push_str(name);
                line.push_str(&" ".repeat(pad));
            }
        }
        let line = line.trim_end();
        if !line.is_empty() {
            sh.say(line);
        }
    }
}

fn stat(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "cf");
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let Ok(stat) = sh.vfs.lstat(&path) else {
            let text = if sh.is_busybox() {
                format!("stat: can't stat '{name}': No such file or directory")
            } else {
                format!("stat: cannot statx '{name}': No such file or directory")
            };
            status = sh.fail(&text);
            continue;
        };
        let machine = sh.machine().clone();
        if let Some(format) = options.value('c') {
            let text = format
                .replace("%s", &stat.size.to_string())
                .replace("%a", &format!("{:o}", stat.mode))
                .replace("%U", &sh.owner(stat.uid))
                .replace("%G", &super::cmd_accounts::group(sh, stat.gid))
                .replace("%Y", &stat.mtime.to_string())
                .replace("%n", name);
            sh.say(&text);
            continue;
        }
        let kind = match stat.kind {
            Kind::File if stat.size == 0 => "regular empty file",
            Kind::File => "regular file",
            Kind::Dir => "directory",
            Kind::Link => "symbolic link",
            Kind::Device => "character special file",
        };
        let when = time(stat.mtime, "%Y-%m-%d %H:%M:%S.000000000 +0000");
        let inode = 131_072 + machine.number(&path, 900_000);
        sh.say(&format!(
            "  File: {name}\n  Size: {:<10}\tBlocks: {:<10} IO Block: 4096   {kind}\nDevice: 8,1\tInode: {inode:<11} Links: 1\nAccess: ({:04o}/{})  Uid: ({:>5}/{:>8})   Gid: ({:>5}/{:>8})\nAccess: {when}\nModify: {when}\nChange: {when}\n Birth: -",
            stat.size,
            stat.size.div_ceil(4096) * 8,
            stat.mode,
            mode_text(&stat),
            stat.uid,
            sh.owner(stat.uid),
            stat.gid,
            super::cmd_accounts::group(sh, stat.gid),
        ));
    }
    status
}

fn file(sh: &mut Shell, args: &[String]) -> u8 {
    for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
        let path = sh.path(name);
        let text = match sh.vfs.lstat(&path).map(|s| s.kind) {
            Err(_) => format!("cannot open `{name}' (No such file or directory)"),
            Ok(Kind::Dir) => "directory".to_owned(),
            Ok(Kind::Device) => "character special (1/3)".to_owned(),
            Ok(Kind::Link) => format!("symbolic link to {}", sh.vfs.readlink(&path).unwrap_or_default()),
            Ok(Kind::File) => match sh.vfs.read(&path) {
                Err(_) => "regular file, no read permission".to_owned(),
                Ok(bytes) if bytes.is_empty() => "empty".to_owned(),
                Ok(bytes) if bytes.starts_with(b"\x7fELF") => "ELF 64-bit LSB pie executable, x86-64, version 1 (SYSV), dynamically linked, interpreter /lib64/ld-linux-x86-64.so.2, for GNU/Linux 3.2.0, stripped".to_owned(),
                Ok(bytes) if bytes.starts_with(b"#!") => "POSIX shell script, ASCII text executable".to_owned(),
                Ok(bytes) if bytes.iter().take(4096).all(|b| *b < 0x80 && *b != 0) => "ASCII text".to_owned(),
                Ok(_) => "data".to_owned(),
            },
        };
        let line = format!("{name}: {text}");
        sh.out(&encode(&line));
        sh.out(b"\n");
    }
    0
}

fn du(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "d");
    let names = if options.rest.is_empty() { vec![".".to_owned()] } else { options.rest.clone() };
    let mut status = 0;
    for name in names {
        let path = sh.path(&name);
        let Ok(stat) = sh.vfs.stat(&path) else {
            status = sh.fail(&format!("du: cannot access '{name}': No such file or directory"));
            continue;
        };
        let kib = match stat.kind {
            Kind::Dir => {
                let list = sh.vfs.list(&path).unwrap_or_default();
                4 + list.iter().map(|(_, s)| s.size.div_ceil(4096) * 4).sum::<u64>()
                    + sh.machine().number(&format!("du{path}"), 5_000)
            }
            _ => stat.size.div_ceil(4096) * 4,
        };
        let size = if options.has('h') { human(kib * 1024) } else { kib.to_string() };
        sh.say(&format!("{size}\t{name}"));
    }
    status
}
