//! The shell's own commands.

use super::commands::{self, BUILTINS};
use super::text::decode;
use super::{Flavor, Shell, Stop, arith};
use crate::decoy::vfs::Kind;

/// `cd`.
pub(super) fn cd(sh: &mut Shell, args: &[String]) -> u8 {
    if args.len() > 2 && !sh.is_dash() && !sh.is_ash() {
        sh.shell_error("cd: too many arguments");
        return 1;
    }
    let target = match args.get(1).map(String::as_str) {
        None | Some("~") => sh.env_get("HOME").unwrap_or("/").to_owned(),
        Some("-") => match sh.env_get("OLDPWD") {
            Some(old) => {
                let old = old.to_owned();
                sh.say(&old);
                old
            }
            None => {
                sh.shell_error("cd: OLDPWD not set");
                return 1;
            }
        },
        Some(path) => path.to_owned(),
    };
    let path = sh.path(&target);
    let problem = match sh.vfs.stat(&path) {
        Ok(stat) if stat.kind != Kind::Dir => Some("Not a directory".to_owned()),
        Ok(_) if !sh.vfs.access(&path, 1) => Some("Permission denied".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    if let Some(problem) = problem {
        let text = match sh.flavor {
            Flavor::Bash => format!("cd: {target}: {problem}"),
            _ => format!("cd: can't cd to {target}: {problem}"),
        };
        let text = if sh.is_dash() { format!("cd: can't cd to {target}") } else { text };
        sh.shell_error(&text);
        return if sh.is_dash() { 2 } else { 1 };
    }
    let old = std::mem::replace(&mut sh.env.cwd, path.clone());
    sh.set_variable("OLDPWD", &old);
    sh.set_variable("PWD", &path);
    0
}

/// `exit`, `logout`.
pub(super) fn exit(sh: &mut Shell, args: &[String]) -> u8 {
    if args.first().is_some_and(|name| name == "logout") && !sh.levels.is_empty() {
        sh.shell_error("logout: not login shell: use `exit'");
        return 1;
    }
    if let Some(word) = args.get(1).filter(|word| word.parse::<i64>().is_err()) {
        sh.shell_error(&format!("exit: {word}: numeric argument required"));
    }
    let status = match args.get(1).map(|text| text.parse::<i64>()) {
        Some(Ok(number)) => u8::try_from(number & 0xff).unwrap_or(0),
        Some(Err(_)) => 2,
        None => sh.status,
    };
    if sh.interactive && sh.nesting == 0 {
        if sh.levels.is_empty() && !sh.is_ash() {
            sh.err(b"logout\n");
        } else if !sh.levels.is_empty() && sh.flavor == Flavor::Bash {
            sh.err(b"exit\n");
        }
    }
    sh.status = status;
    sh.stop = Some(Stop::Exit);
    status
}

/// `return`.
pub(super) fn leave(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.depth <= 1 && sh.nesting <= 1 && sh.functions.is_empty() && sh.flavor == Flavor::Bash {
        sh.shell_error("return: can only `return' from a function or sourced script");
        return 2;
    }
    sh.stop = Some(Stop::Return);
    args.get(1).and_then(|text| text.parse().ok()).unwrap_or(sh.status)
}

/// `break`, `continue`.
pub(super) fn jump(sh: &mut Shell, args: &[String]) -> u8 {
    sh.stop =
        Some(if args.first().is_some_and(|name| name == "break") { Stop::Break } else { Stop::Continue });
    0
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `export` and its like.
pub(super) fn export(sh: &mut Shell, args: &[String]) -> u8 {
    let how = args.first().map_or("export", String::as_str).to_owned();
    let mut status = 0;
    let words: Vec<&String> = args.iter().skip(1).filter(|a| !a.starts_with('-')).collect();
    if words.is_empty() {
        let quote = if sh.flavor == Flavor::Bash { "declare -x " } else { "export " };
        let lines: Vec<String> = sh
            .env
            .vars
            .iter()
            .filter(|(_, (_, exported))| *exported)
            .map(|(name, (value, _))| format!("{quote}{name}=\"{value}\""))
            .collect();
        for line in lines {
            sh.say(&line);
        }
        return 0;
    }
    for word in words {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            sh.shell_error(&format!("{how}: `{word}': not a valid identifier"));
            status = 1;
            continue;
        }
        if let Some(value) = value {
            sh.set_variable(name, value);
        }
        if how == "export" {
            sh.export(name);
        }
    }
    status
}

/// `set`: lists variables, or sets the parameters.
pub(super) fn set(sh: &mut Shell, args: &[String]) -> u8 {
    match args.get(1).map(String::as_str) {
        None => {
            let lines: Vec<String> =
                sh.env.vars.iter().map(|(name, (value, _))| format!("{name}={value}")).collect();
            for line in lines {
                sh.say(&line);
            }
        }
        Some("--") => {
            sh.swap_params(args.iter().skip(2).take(256).cloned().collect());
        }
        Some(option) if option.starts_with(['-', '+']) => {}
        Some(_) => {
            sh.swap_params(args.iter().skip(1).take(256).cloned().collect());
        }
    }
    0
}

/// `unset`.
pub(super) fn unset(sh: &mut Shell, args: &[String]) -> u8 {
    for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
        if name == "HISTFILE" || is_name(name) {
            sh.unset(name);
        } else {
            sh.shell_error(&format!("unset: `{name}': not a valid identifier"));
            return 1;
        }
    }
    0
}

/// `shift`.
pub(super) fn shift(sh: &mut Shell, args: &[String]) -> u8 {
    let count: usize = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    if count > sh.params().len() {
        return 1;
    }
    sh.env.params.drain(..count);
    0
}

/// `read`: from a pipe or file; the terminal has nothing to give.
pub(super) fn read(sh: &mut Shell, args: &[String]) -> u8 {
    let names: Vec<&String> = args.iter().skip(1).filter(|a| !a.starts_with('-')).take(64).collect();
    let line = sh.input_line();
    let text = line.as_deref().map(|l| decode(l.strip_suffix(b"\n").unwrap_or(l))).unwrap_or_default();
    let mut rest = text.trim_matches([' ', '\t']);
    let last = names.len().saturating_sub(1);
    if names.is_empty() {
        sh.set_variable("REPLY", rest);
    }
    for (index, name) in names.iter().enumerate() {
        let (word, tail) =
            if index == last { (rest, "") } else { rest.split_once([' ', '\t']).unwrap_or((rest, "")) };
        sh.set_variable(name, word);
        rest = tail.trim_start_matches([' ', '\t']);
    }
    u8::from(line.is_none())
}

/// `history`.
pub(super) fn history(sh: &mut Shell, args: &[String]) -> u8 {
    match args.get(1).map(String::as_str) {
        Some("-c") => sh.history.clear(),
        Some(option) if option.starts_with('-') => {}
        count => {
            let count = count.and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
            let skip = sh.history.len().saturating_sub(count);
            let lines: Vec<String> = sh
                .history
                .iter()
                .enumerate()
                .skip(skip)
                .map(|(at, line)| format!("{:>5}  {line}", at + 1))
                .collect();
            for line in lines {
                sh.say(&line);
            }
        }
    }
    0
}

/// `type`.
pub(super) fn kind(sh: &mut Shell, args: &[String]) -> u8 {
    let mut status = 0;
    for name in args.iter().skip(1).filter(|a| !a.starts_with('-')) {
        let found = find_program(sh, name);
        let text = if let Some(alias) = sh.aliases.get(name) {
            format!("{name} is aliased to `{alias}'")
        } else if sh.functions.contains_key(name) {
            format!("{name} is a function")
        } else if BUILTINS.split_ascii_whitespace().any(|b| b == name) {
            format!("{name} is a shell builtin")
        } else if let Some(path) = found {
            format!("{name} is {path}")
        } else {
            let text = format!("{name}: not found");
            if sh.flavor == Flavor::Bash {
                sh.shell_error(&format!("type: {text}"));
            } else {
                sh.say(&text);
            }
            status = if sh.flavor == Flavor::Bash { 1 } else { 127 };
            continue;
        };
        sh.say(&text);
    }
    status
}

fn find_program(sh: &Shell, name: &str) -> Option<String> {
    sh.find_program(name).filter(|path| sh.vfs.access(path, 1))
}

/// `command`.
pub(super) fn command(sh: &mut Shell, args: &[String]) -> u8 {
    if args.get(1).is_some_and(|o| o == "-v" || o == "-V") {
        let Some(name) = args.get(2) else { return 0 };
        let text = if BUILTINS.split_ascii_whitespace().any(|b| b == name) {
            Some(name.clone())
        } else {
            find_program(sh, name)
        };
        return match text {
            Some(text) => {
                sh.say(&text);
                0
            }
            None => 1,
        };
    }
    let rest = args.get(1..).unwrap_or_default();
    let rest = rest.strip_prefix(&["-p".to_owned()]).unwrap_or(rest);
    sh.call(rest)
}

/// `alias`.
pub(super) fn alias(sh: &mut Shell, args: &[String]) -> u8 {
    if args.len() < 2 {
        let lines: Vec<String> =
            sh.aliases.iter().map(|(name, value)| format!("alias {name}='{value}'")).collect();
        for line in lines {
            sh.say(&line);
        }
    }
    for word in args.iter().skip(1) {
        match word.split_once('=') {
            Some((name, value)) if sh.aliases.len() < 64 => {
                sh.aliases.insert(name.to_owned(), value.to_owned());
            }
            Some(_) => {}
            None => match sh.aliases.get(word) {
                Some(value) => {
                    let line = format!("alias {word}='{value}'");
                    sh.say(&line);
                }
                None => {
                    sh.shell_error(&format!("alias: {word}: not found"));
                    return 1;
                }
            },
        }
    }
    0
}

/// `unalias`.
pub(super) fn unalias(sh: &mut Shell, args: &[String]) -> u8 {
    for word in args.iter().skip(1) {
        if word == "-a" {
            sh.aliases.clear();
        }
        sh.aliases.remove(word);
    }
    0
}

/// `eval`.
pub(super) fn eval(sh: &mut Shell, args: &[String]) -> u8 {
    let text = args.get(1..).unwrap_or_default().join(" ");
    run_here(sh, &text)
}

/// Runs a text in this very shell, one level deeper.
pub(super) fn run_here(sh: &mut Shell, text: &str) -> u8 {
    if sh.nesting >= 8 {
        sh.exhaust();
        return 1;
    }
    sh.nesting += 1;
    if let Err(error) = sh.source(text) {
        sh.syntax_error(&error, text);
    }
    sh.nesting -= 1;
    sh.status
}

/// `exec`: the command, then the shell is over.
pub(super) fn exec(sh: &mut Shell, args: &[String]) -> u8 {
    let rest = args.get(1..).unwrap_or_default();
    if rest.is_empty() {
        return 0;
    }
    let first = rest.first().map_or("", String::as_str);
    let there = sh.find_program(first).is_some_and(|path| sh.vfs.stat(&path).is_ok());
    if !there && sh.flavor == Flavor::Bash {
        let why = if first.contains('/') { "cannot execute: No such file or directory" } else { "not found" };
        sh.shell_error(&format!("exec: {first}: {why}"));
        sh.status = 127;
        if !sh.interactive {
            sh.stop = sh.stop.or(Some(Stop::Exit));
        }
        return 127;
    }
    let levels = sh.levels.len();
    let status = sh.call(rest);
    if sh.levels.len() == levels && status != 127 {
        sh.status = status;
        sh.stop = sh.stop.or(Some(Stop::Exit));
    }
    status
}

/// `.` and `source`.
pub(super) fn dot(sh: &mut Shell, args: &[String]) -> u8 {
    let Some(name) = args.get(1) else {
        let me = args.first().cloned().unwrap_or_default();
        sh.shell_error(&format!("{me}: filename argument required"));
        sh.fail(&format!("{me}: usage: {me} filename [arguments]"));
        return 2;
    };
    let path = sh.path(name);
    let text = match sh.vfs.read(&path) {
        Ok(bytes) => decode(&bytes),
        Err(error) => {
            sh.shell_error(&format!("{name}: {error}"));
            return 1;
        }
    };
    if sh.vfs.is_own(&path) { run_here(sh, &text) } else { 0 }
}

/// `let`.
pub(super) fn let_(sh: &mut Shell, args: &[String]) -> u8 {
    let mut value = 0;
    for word in args.iter().skip(1) {
        let (name, source) = word.split_once('=').map_or((None, word.as_str()), |(n, s)| (Some(n), s));
        let lookup = |name: &str| sh.variable(name).and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        value = arith::evaluate(source, &lookup).unwrap_or(0);
        if let Some(name) = name.filter(|n| is_name(n)) {
            sh.set_variable(name, &value.to_string());
        }
    }
    u8::from(value == 0)
}

/// `ulimit`.
pub(super) fn ulimit(sh: &mut Shell, args: &[String]) -> u8 {
    match args.get(1).map(String::as_str) {
        Some("-n") if args.len() == 2 => sh.say("1024"),
        Some("-u") if args.len() == 2 => sh.say("15449"),
        Some("-a") => sh.say("core file size          (blocks, -c) 0\ndata seg size           (kbytes, -d) unlimited\nscheduling priority             (-e) 0\nfile size               (blocks, -f) unlimited\npending signals                 (-i) 15449\nmax locked memory       (kbytes, -l) 65536\nmax memory size         (kbytes, -m) unlimited\nopen files                      (-n) 1024\npipe size            (512 bytes, -p) 8\nPOSIX message queues     (bytes, -q) 819200\nreal-time priority              (-r) 0\nstack size              (kbytes, -s) 8192\ncpu time               (seconds, -t) unlimited\nmax user processes              (-u) 15449\nvirtual memory          (kbytes, -v) unlimited\nfile locks                      (-x) unlimited"),
        Some(_) if args.len() > 2 => {}
        _ => sh.say("unlimited"),
    }
    0
}

/// `enable`: bots of network gear type it first; bash lists its commands.
pub(super) fn enable(sh: &mut Shell, args: &[String]) -> u8 {
    if let Some(name) = args.iter().skip(1).find(|a| !a.starts_with('-')) {
        if commands::builtin(sh, name).is_none() {
            sh.shell_error(&format!("enable: {name}: not a shell builtin"));
            return 1;
        }
        return 0;
    }
    for name in BUILTINS.split_ascii_whitespace() {
        sh.say(&format!("enable {name}"));
    }
    0
}

/// `help`.
pub(super) fn help(sh: &mut Shell, _: &[String]) -> u8 {
    if sh.is_ash() {
        sh.say("Built-in commands:\n------------------\n\t. : [ [[ alias bg break cd chdir command continue echo eval exec\n\texit export false fg getopts hash help history jobs kill let\n\tlocal printf pwd read readonly return set shift source test times\n\ttrap true type ulimit umask unalias unset wait");
    } else {
        let version = sh.machine().distro.shell_version;
        sh.say(&format!("GNU bash, version {version} (x86_64-pc-linux-gnu)\nThese shell commands are defined internally.  Type `help' to see this list.\nType `help name' to find out more about the function `name'.\nUse `info bash' to find out more about the shell in general.\nUse `man -k' or `info' to find out more about commands not in this list."));
    }
    0
}
