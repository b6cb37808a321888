//! `test` and `[`.

use super::Shell;
use crate::decoy::vfs::Kind;

/// `test`, `[`, `[[`.
pub(super) fn test(sh: &mut Shell, args: &[String]) -> u8 {
    let name = args.first().map_or("test", String::as_str).to_owned();
    let mut words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    if name != "test" {
        let end = if name == "[" { "]" } else { "]]" };
        if words.pop() != Some(end) {
            sh.shell_error(&format!("{name}: missing `{end}'"));
            return 2;
        }
    }
    match condition(sh, &words, 0) {
        Some(truth) => u8::from(!truth),
        None => {
            let bad = words.get(1).or(words.first()).copied().unwrap_or_default().to_owned();
            sh.shell_error(&format!("{name}: {bad}: binary operator expected"));
            2
        }
    }
}

fn condition(sh: &Shell, words: &[&str], depth: usize) -> Option<bool> {
    if depth > 32 {
        return None;
    }
    for (operator, short) in [("-o", "||"), ("-a", "&&")] {
        let at = words.iter().skip(1).position(|w| *w == operator || *w == short).map(|at| at + 1);
        if let Some(at) = at.filter(|at| *at + 1 < words.len() && words.len() > 3) {
            let left = condition(sh, words.get(..at)?, depth + 1)?;
            let right = condition(sh, words.get(at + 1..)?, depth + 1)?;
            return Some(if operator == "-o" { left || right } else { left && right });
        }
    }
    match words {
        [] => Some(false),
        ["!", rest @ ..] => condition(sh, rest, depth + 1).map(|truth| !truth),
        [one] => Some(!one.is_empty()),
        ["-z", text] => Some(text.is_empty()),
        ["-n", text] => Some(!text.is_empty()),
        ["-t", _] => Some(sh.interactive),
        [flag, path] if flag.len() == 2 && flag.starts_with('-') => {
            let path = sh.path(path);
            let stat = sh.vfs.stat(&path).ok();
            let link = || sh.vfs.lstat(&path).is_ok_and(|s| s.kind == Kind::Link);
            match *flag {
                "-e" | "-a" => Some(stat.is_some()),
                "-f" => Some(stat.is_some_and(|s| s.kind == Kind::File)),
                "-d" => Some(stat.is_some_and(|s| s.kind == Kind::Dir)),
                "-c" | "-b" => Some(stat.is_some_and(|s| s.kind == Kind::Device)),
                "-s" => Some(stat.is_some_and(|s| s.size > 0 || path.starts_with("/proc/"))),
                "-L" | "-h" => Some(link()),
                "-r" => Some(sh.vfs.access(&path, 4)),
                "-w" => Some(sh.vfs.access(&path, 2)),
                "-x" => Some(sh.vfs.access(&path, 1)),
                "-O" => Some(stat.is_some_and(|s| s.uid == sh.vfs.uid())),
                "-p" | "-S" | "-g" | "-u" | "-k" => Some(false),
                _ => None,
            }
        }
        [left, operator, right] => {
            let number = |text: &str| text.trim().parse::<i64>().ok();
            let compare = |with: fn(&i64, &i64) -> bool| Some(with(&number(left)?, &number(right)?));
            match *operator {
                "=" | "==" => Some(left == right || super::glob::matches(right, left)),
                "!=" => Some(left != right),
                "=~" => Some(left.contains(right.trim_matches(['^', '$']))),
                "<" => Some(left < right),
                ">" => Some(left > right),
                "-eq" => compare(i64::eq),
                "-ne" => compare(i64::ne),
                "-lt" => compare(i64::lt),
                "-le" => compare(i64::le),
                "-gt" => compare(i64::gt),
                "-ge" => compare(i64::ge),
                "-nt" | "-ot" | "-ef" => Some(false),
                _ => None,
            }
        }
        ["(", inside @ .., ")"] => condition(sh, inside, depth + 1),
        _ => None,
    }
}
