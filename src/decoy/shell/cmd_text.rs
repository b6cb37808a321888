//! Reading text: `cat`, `head`, `grep` and their like.

use super::Shell;
use super::commands::{Command, Options};
use super::pattern::Pattern;
use super::text::decode;
use crate::decoy::vfs::Kind;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "cat" | "tac" | "rev" | "more" | "less" | "zcat" => cat,
        "head" => |sh, args| ends(sh, args, true),
        "tail" => |sh, args| ends(sh, args, false),
        "wc" => wc,
        "grep" | "egrep" | "fgrep" | "zgrep" => grep,
        _ => return None,
    })
}

/// Texts of the operands, or standard input; errors are said.
pub(super) fn inputs(
    sh: &mut Shell,
    tool: &str,
    names: &[String],
    status: &mut u8,
) -> Vec<(String, Vec<u8>)> {
    if names.is_empty() {
        let bytes = sh.input();
        return vec![(String::new(), bytes)];
    }
    let mut all = Vec::new();
    for name in names.iter().take(256) {
        if name == "-" {
            let bytes = sh.input();
            all.push((name.clone(), bytes));
            continue;
        }
        match open(sh, name) {
            Ok(bytes) => all.push((name.clone(), bytes)),
            Err(error) => {
                let text = match (tool, sh.is_busybox()) {
                    ("head" | "tail", false) if error != "Is a directory" => {
                        format!("{tool}: cannot open '{name}' for reading: {error}")
                    }
                    ("cat" | "head" | "tail", true) if error != "Is a directory" => {
                        format!("{tool}: can't open '{name}': {error}")
                    }
                    ("cat", true) => format!("cat: read error: {error}"),
                    ("sort", false) => format!("sort: cannot read: {name}: {error}"),
                    ("sed", false) if error != "Is a directory" => format!("sed: can't read {name}: {error}"),
                    ("rev", false) => format!("rev: cannot open {name}: {error}"),
                    ("tac", false) => format!("tac: failed to open '{name}' for reading: {error}"),
                    ("strings", false) if error != "Is a directory" => {
                        format!("strings: '{name}': No such file")
                    }
                    ("hexdump" | "hd", false) => {
                        format!("{tool}: {name}: {error}\n{tool}: all input file arguments failed")
                    }
                    _ => format!("{tool}: {name}: {error}"),
                };
                *status = sh.fail(&text);
                if matches!(tool, "sort" | "sed") && !sh.is_busybox() {
                    *status = 2;
                }
            }
        }
        if sh.is_stopped() {
            break;
        }
    }
    all
}

/// What a file holds; a device gives as much as a pipe takes.
pub(super) fn open(sh: &mut Shell, name: &str) -> Result<Vec<u8>, String> {
    let path = sh.path(name);
    let stat = sh.vfs.stat(&path).map_err(|e| e.to_string())?;
    if stat.kind == Kind::Device && sh.vfs.access(&path, 4) {
        return Ok(super::cmd_copy::device_bytes(&path, 64 * 1024));
    }
    let bytes = sh.vfs.read(&path).map(std::borrow::Cow::into_owned).map_err(|e| e.to_string())?;
    sh.burn(bytes.len());
    Ok(bytes)
}

pub(super) fn tool(args: &[String]) -> String {
    args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned()
}

fn cat(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = tool(args);
    let options = Options::new(args, "");
    let mut status = 0;
    let mut number = 0;
    let texts = inputs(sh, &tool, &options.rest, &mut status);
    for (_, bytes) in texts {
        match tool.as_str() {
            "tac" => {
                let lines: Vec<&[u8]> = lines(&bytes).collect();
                for line in lines.into_iter().rev() {
                    sh.out(line);
                    sh.out(b"\n");
                }
            }
            "rev" => {
                for line in lines(&bytes) {
                    let text: String = decode(line).chars().rev().collect();
                    sh.say(&text);
                }
            }
            _ if options.has('n')
                || options.has('b')
                || options.has('A')
                || options.has('E')
                || options.has('e') =>
            {
                for line in lines(&bytes) {
                    number += 1;
                    let end = if options.letters.contains(['A', 'E', 'e']) { "$" } else { "" };
                    let head = if options.letters.contains(['n', 'b']) {
                        format!("{number:>6}\t")
                    } else {
                        String::new()
                    };
                    sh.out(head.as_bytes());
                    sh.out(line);
                    sh.out(format!("{end}\n").as_bytes());
                }
            }
            _ => sh.out(&bytes),
        }
    }
    status
}

/// The lines of a text, without their newlines.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    whole.split(|b| *b == b'\n').filter(move |_| !bytes.is_empty())
}

fn ends(sh: &mut Shell, args: &[String], first: bool) -> u8 {
    let tool = tool(args);
    // `-5` is an old form of `-n 5`.
    let old = |word: &String| {
        let digits =
            word.strip_prefix('-').filter(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_digit()));
        digits.map_or_else(|| word.clone(), |digits| format!("-n{digits}"))
    };
    let args: Vec<String> = args.iter().map(old).collect();
    let options = Options::new(&args, "nc");
    let bytes_mode = options.value('c').is_some();
    let text = options.value('n').or(options.value('c')).unwrap_or("10").to_owned();
    let Ok(count) = text.trim_start_matches(['-', '+']).trim_end_matches(['k', 'b']).parse::<usize>() else {
        return sh.fail(&format!("{tool}: invalid number of lines: ‘{text}’"));
    };
    let mut status = 0;
    let texts = inputs(sh, &tool, &options.rest, &mut status);
    let headed = texts.len() > 1 && !options.has('q');
    for (index, (name, bytes)) in texts.iter().enumerate() {
        if headed {
            sh.say(&format!("{}==> {name} <==", if index > 0 { "\n" } else { "" }));
        }
        if bytes_mode {
            let count = count.min(bytes.len());
            let part = if first { bytes.get(..count) } else { bytes.get(bytes.len() - count..) };
            sh.out(part.unwrap_or_default());
            continue;
        }
        let all: Vec<&[u8]> = lines(bytes).collect();
        let part = match (first, text.chars().next()) {
            (true, Some('-')) => all.get(..all.len().saturating_sub(count)),
            (true, _) => all.get(..count.min(all.len())),
            (false, Some('+')) => all.get(count.saturating_sub(1).min(all.len())..),
            (false, _) => all.get(all.len().saturating_sub(count)..),
        };
        for line in part.unwrap_or_default() {
            sh.out(line);
            sh.out(b"\n");
        }
    }
    status
}

fn wc(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let mut status = 0;
    let texts = inputs(sh, "wc", &options.rest, &mut status);
    let all = !options.letters.contains(['l', 'w', 'c', 'm']);
    let mut totals = [0usize; 3];
    let mut rows = Vec::new();
    for (name, bytes) in &texts {
        let counts = [
            bytes.iter().filter(|b| **b == b'\n').count(),
            bytes.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).count(),
            bytes.len(),
        ];
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
        rows.push((counts, name.as_str()));
    }
    if texts.len() > 1 {
        rows.push((totals, "total"));
    }
    for (counts, name) in rows {
        let shown =
            [all || options.has('l'), all || options.has('w'), all || options.has('c') || options.has('m')];
        let picked: Vec<String> =
            counts.iter().zip(shown).filter(|(_, on)| *on).map(|(c, _)| c.to_string()).collect();
        let width =
            if picked.len() > 1 { if name.is_empty() { 7 } else { totals[2].to_string().len() } } else { 1 };
        let line: Vec<String> = picked.iter().map(|c| format!("{c:>width$}")).collect();
        sh.say(format!("{} {name}", line.join(" ")).trim_end());
    }
    status
}

fn grep(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "emABC");
    let mut rest = options.rest.clone();
    let pattern = match options.value('e') {
        Some(pattern) => pattern.to_owned(),
        None if rest.is_empty() => {
            return {
                sh.fail(
                    "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.",
                );
                2
            };
        }
        None => rest.remove(0),
    };
    let fold = options.has('i');
    let extended = options.has('E') || options.has('P') || tool(args) == "egrep";
    let pattern = Pattern::new(&pattern, fold, extended, options.has('F') || tool(args) == "fgrep");
    if options.has('r') || options.has('R') {
        rest = recursive(sh, &rest);
    }
    let mut status = 0;
    let texts = inputs(sh, "grep", &rest, &mut status);
    let named = (texts.len() > 1 || options.letters.contains(['H', 'r', 'R'])) && !options.has('h');
    let mut found = false;
    let only = options.has('o');
    for (name, bytes) in &texts {
        sh.burn(bytes.len() * 8);
        if sh.is_stopped() {
            break;
        }
        let mut count = 0;
        for (number, line) in lines(bytes).enumerate() {
            let text = decode(line);
            let hit = pattern.find(&text);
            let fits =
                hit.is_some() && (!options.has('x') || hit.as_ref().is_some_and(|r| r.len() == text.len()));
            if fits == options.has('v') {
                continue;
            }
            count += 1;
            found = true;
            if options.letters.contains(['q', 'c', 'l', 's']) && !options.has('s') {
                continue;
            }
            let head = if named { format!("{name}:") } else { String::new() };
            let line_number = if options.has('n') { format!("{}:", number + 1) } else { String::new() };
            let shown = if only { hit.and_then(|r| text.get(r)).unwrap_or_default() } else { text.as_str() };
            sh.say(&format!("{head}{line_number}{shown}"));
            if options.value('m').and_then(|m| m.parse::<usize>().ok()).is_some_and(|max| count >= max) {
                break;
            }
        }
        if options.has('c') && !options.has('q') {
            let head = if named { format!("{name}:") } else { String::new() };
            sh.say(&format!("{head}{count}"));
        } else if options.has('l') && count > 0 {
            sh.say(name);
        }
    }
    if found {
        0
    } else if status > 0 {
        2
    } else {
        1
    }
}

fn recursive(sh: &mut Shell, names: &[String]) -> Vec<String> {
    let mut queue: Vec<String> = if names.is_empty() { vec![".".to_owned()] } else { names.to_vec() };
    let mut files = Vec::new();
    while let Some(name) = queue.pop() {
        sh.burn(1_000);
        if files.len() > 200 || sh.is_stopped() {
            break;
        }
        let path = sh.path(&name);
        match sh.vfs.lstat(&path).map(|s| s.kind) {
            Ok(Kind::Dir) if queue.len() < 400 => {
                let list = sh.vfs.list(&path).unwrap_or_default();
                queue.extend(list.into_iter().map(|(n, _)| format!("{}/{n}", name.trim_end_matches('/'))));
            }
            Ok(Kind::File) => files.push(name),
            _ => {}
        }
    }
    files
}
