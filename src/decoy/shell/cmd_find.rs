//! Searching: `find`, `which`, `whereis`, `locate`.

use super::commands::Command;
use super::{Shell, glob};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{Kind, Stat};

/// Most names `find` looks at.
const MAX_NAMES: usize = 4_000;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "find" => search,
        "which" | "which.debianutils" => which,
        "whereis" => whereis,
        _ => return None,
    })
}

fn which(sh: &mut Shell, args: &[String]) -> u8 {
    let mut status = 0;
    for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
        match sh.find_program(name).filter(|path| sh.vfs.access(path, 1)) {
            Some(path) => sh.say(&path),
            None => {
                status = 1;
                let tool = match sh.family() {
                    Family::RedHat => "/usr/bin/which",
                    Family::Arch => "which",
                    _ => continue,
                };
                let path = sh.env_get("PATH").unwrap_or_default().to_owned();
                sh.fail(&format!("{tool}: no {name} in ({path})"));
            }
        }
    }
    status
}

fn whereis(sh: &mut Shell, args: &[String]) -> u8 {
    for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
        let path = sh
            .find_program(name)
            .filter(|path| sh.vfs.access(path, 1))
            .map(|p| format!(" {p}"))
            .unwrap_or_default();
        sh.say(&format!("{name}:{path}"));
    }
    0
}

enum Test {
    Name(String, bool),
    Path(String),
    Kind(char),
    Perm(u32, char),
    User(u32),
    Newer,
    Empty,
}

struct Search {
    tests: Vec<(bool, Test)>,
    max: usize,
    min: usize,
    delete: bool,
    long: bool,
    exec: Vec<String>,
    seen: usize,
    status: u8,
}

fn search(sh: &mut Shell, args: &[String]) -> u8 {
    let mut words = args.iter().skip(1).peekable();
    let mut starts = Vec::new();
    while let Some(word) = words.next_if(|w| !w.starts_with(['-', '!', '('])) {
        starts.push(word.clone());
    }
    if starts.is_empty() {
        starts.push(".".to_owned());
    }
    let mut job = Search {
        tests: Vec::new(),
        max: 32,
        min: 0,
        delete: false,
        long: false,
        exec: Vec::new(),
        seen: 0,
        status: 0,
    };
    let mut negate = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().unwrap_or_default();
        let test = match word.as_str() {
            "-name" => Test::Name(value(), false),
            "-iname" => Test::Name(value().to_lowercase(), true),
            "-path" | "-wholename" => Test::Path(value()),
            "-type" => Test::Kind(value().chars().next().unwrap_or('f')),
            "-perm" => {
                let text = value();
                let how = text.chars().next().filter(|c| "-/+".contains(*c)).unwrap_or('=');
                let digits = text.trim_start_matches(['-', '/', '+']);
                let symbolic = match digits {
                    "u=s" | "u+s" => 0o4000,
                    "g=s" | "g+s" => 0o2000,
                    _ => 0o0001,
                };
                Test::Perm(u32::from_str_radix(digits, 8).unwrap_or(symbolic), how)
            }
            "-user" | "-uid" => {
                let name = value();
                Test::User(
                    sh.machine().user(&name).map(|u| u.uid).or_else(|| name.parse().ok()).unwrap_or(u32::MAX),
                )
            }
            "-newer" | "-mtime" | "-mmin" | "-atime" | "-ctime" | "-size" | "-group" => {
                value();
                Test::Newer
            }
            "-empty" => Test::Empty,
            "-maxdepth" => {
                job.max = value().parse().unwrap_or(32);
                continue;
            }
            "-mindepth" => {
                job.min = value().parse().unwrap_or(0);
                continue;
            }
            "-delete" => {
                job.delete = true;
                continue;
            }
            "-ls" => {
                job.long = true;
                continue;
            }
            "-exec" | "-ok" | "-execdir" => {
                while let Some(part) = words.next_if(|w| !matches!(w.as_str(), ";" | "+")) {
                    job.exec.push(part.clone());
                }
                words.next();
                continue;
            }
            "!" | "-not" => {
                negate = true;
                continue;
            }
            "-print" | "-print0" | "-xdev" | "-mount" | "-a" | "-and" | "(" | ")" | "-o" | "-or"
            | "-prune" | "-depth" | "-noleaf" | "-L" | "-P" => continue,
            other => {
                let text = if sh.is_busybox() {
                    format!("find: unrecognized: {other}")
                } else {
                    format!("find: unknown predicate `{other}'")
                };
                return sh.fail(&text);
            }
        };
        job.tests.push((std::mem::take(&mut negate), test));
    }
    for start in starts {
        let path = sh.path(&start);
        match sh.vfs.lstat(&path) {
            Ok(stat) => visit(sh, &mut job, &start, &stat, 0),
            Err(error) => {
                let shown = if sh.is_busybox() { start } else { format!("‘{start}’") };
                job.status = sh.fail(&format!("find: {shown}: {error}"));
            }
        }
    }
    job.status
}

fn visit(sh: &mut Shell, job: &mut Search, shown: &str, stat: &Stat, depth: usize) {
    job.seen += 1;
    sh.burn(200);
    if job.seen > MAX_NAMES || sh.is_stopped() || depth > 32 {
        return;
    }
    let base = shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let base = if base.is_empty() { "/" } else { base };
    let fits = job.tests.iter().all(|(negate, test)| *negate != fits(test, shown, base, stat));
    if stat.kind == Kind::Dir && depth < job.max {
        let path = sh.path(shown);
        match sh.vfs.list(&path) {
            Ok(list) => {
                for (name, below) in list {
                    let next = format!("{}/{name}", shown.trim_end_matches('/'));
                    visit(sh, job, &next, &below, depth + 1);
                }
            }
            Err(error) => {
                let quoted = if sh.is_busybox() { shown.to_owned() } else { format!("‘{shown}’") };
                job.status = sh.fail(&format!("find: {quoted}: {error}"));
            }
        }
    }
    if !fits || depth < job.min {
        return;
    }
    if job.delete {
        let path = sh.path(shown);
        let _ = sh.vfs.remove(&path);
    } else if !job.exec.is_empty() {
        let args: Vec<String> = job.exec.iter().map(|word| word.replace("{}", shown)).collect();
        sh.call(&args);
    } else if job.long {
        let machine = sh.machine().clone();
        sh.say(&format!(
            "{:>9} {:>6} {} 1 {:<8} {:<8} {:>8} {} {shown}",
            131_072 + machine.number(shown, 900_000),
            stat.size.div_ceil(4096) * 4,
            super::cmd_ls::mode_text(stat),
            sh.owner(stat.uid),
            super::cmd_accounts::group(sh, stat.gid),
            stat.size,
            super::login::time(stat.mtime, "%b %e  %Y")
        ));
    } else {
        sh.say(shown);
    }
}

fn fits(test: &Test, shown: &str, base: &str, stat: &Stat) -> bool {
    match test {
        Test::Name(pattern, false) => glob::matches(pattern, base),
        Test::Name(pattern, true) => glob::matches(pattern, &base.to_lowercase()),
        Test::Path(pattern) => glob::matches(pattern, shown),
        Test::Kind(kind) => match kind {
            'd' => stat.kind == Kind::Dir,
            'l' => stat.kind == Kind::Link,
            'c' | 'b' => stat.kind == Kind::Device,
            _ => stat.kind == Kind::File,
        },
        Test::Perm(mode, '-') => stat.mode & mode == *mode && stat.kind != Kind::Link,
        Test::Perm(mode, '=') => stat.mode == *mode,
        Test::Perm(mode, _) => stat.mode & mode != 0 && stat.kind != Kind::Link,
        Test::User(uid) => stat.uid == *uid,
        Test::Newer => false,
        Test::Empty => stat.size == 0,
    }
}
