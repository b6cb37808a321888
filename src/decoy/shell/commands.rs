//! Which commands there are.

use super::{
    Shell, builtins, cmd_accounts, cmd_admin, cmd_busybox, cmd_copy, cmd_daemon, cmd_digest, cmd_files,
    cmd_find, cmd_lists, cmd_ls, cmd_net, cmd_pack, cmd_packages, cmd_process, cmd_script, cmd_service,
    cmd_system, cmd_text, cmd_tools, cmd_transform, cmd_users, condition, echo,
};

/// Plays a command: arguments with its name first; returns its status.
pub(super) type Command = fn(&mut Shell, &[String]) -> u8;

/// Names of the shell's own commands, as `enable` and `type` know them.
pub(super) const BUILTINS: &str = ". : [ alias bg bind break builtin caller cd command compgen complete \
    continue declare dirs disown echo enable eval exec exit export false fc fg getopts hash help history jobs \
    kill let local logout mapfile popd printf pushd pwd read readonly return set shift shopt source suspend \
    test times trap true type typeset ulimit umask unalias unset wait";

/// A command of the shell itself.
pub(super) fn builtin(sh: &Shell, name: &str) -> Option<Command> {
    Some(match name {
        ":" | "true" => |_, _| 0,
        "false" => |_, _| 1,
        "cd" | "chdir" => builtins::cd,
        "pwd" => |sh, _| {
            let cwd = sh.cwd().to_owned();
            sh.say(&cwd);
            0
        },
        "echo" => echo::echo,
        "printf" => echo::printf,
        "exit" | "logout" => builtins::exit,
        "return" => builtins::leave,
        "break" | "continue" => builtins::jump,
        "export" | "readonly" | "declare" | "typeset" | "local" => builtins::export,
        "set" => builtins::set,
        "unset" => builtins::unset,
        "shift" => builtins::shift,
        "read" => builtins::read,
        "history" => builtins::history,
        "type" => builtins::kind,
        "command" => builtins::command,
        "builtin" => |sh, args| sh.call(args.get(1..).unwrap_or_default()),
        "alias" => builtins::alias,
        "unalias" => builtins::unalias,
        "test" | "[" | "[[" => condition::test,
        "eval" => builtins::eval,
        "exec" => builtins::exec,
        "." | "source" => builtins::dot,
        "let" => builtins::let_,
        "umask" => |sh, args| {
            if args.len() < 2 {
                sh.say("0022");
            }
            0
        },
        "ulimit" => builtins::ulimit,
        "enable" if !sh.is_dash() && !sh.is_ash() => builtins::enable,
        "help" => builtins::help,
        "kill" => cmd_process::kill,
        "times" => |sh, _| {
            sh.say("0m0.004s 0m0.002s\n0m0.000s 0m0.000s");
            0
        },
        "fg" | "bg" if !sh.is_ash() && !sh.is_dash() => |sh, args| {
            let name = args.first().cloned().unwrap_or_default();
            let why = if sh.interactive { "current: no such job" } else { "no job control" };
            sh.shell_error(&format!("{name}: {why}"));
            1
        },
        "pushd" | "popd" | "dirs" if !sh.is_ash() && !sh.is_dash() => |sh, args| match args {
            [name, to] if name == "pushd" => {
                let status = builtins::cd(sh, &["cd".to_owned(), to.clone()]);
                if status == 0 {
                    let cwd = sh.cwd().to_owned();
                    sh.say(&format!("{cwd} ~"));
                }
                status
            }
            [name, ..] if name == "popd" => {
                sh.shell_error("popd: directory stack empty");
                1
            }
            _ => {
                let (cwd, home) = (sh.cwd().to_owned(), sh.user().home.clone());
                sh.say(&if cwd == home { "~".to_owned() } else { cwd });
                0
            }
        },
        "jobs" | "fg" | "bg" | "wait" | "trap" | "hash" | "disown" | "suspend" | "bind" | "complete" => {
            |_, _| 0
        }
        "shopt" if !sh.is_dash() && !sh.is_ash() => |_, _| 0,
        _ => return None,
    })
}

/// What plays a program of that name.
pub(super) fn find(name: &str) -> Option<Command> {
    cmd_files::find(name)
        .or_else(|| cmd_ls::find(name))
        .or_else(|| cmd_copy::find(name))
        .or_else(|| cmd_find::find(name))
        .or_else(|| cmd_text::find(name))
        .or_else(|| cmd_lists::find(name))
        .or_else(|| cmd_service::find(name))
        .or_else(|| cmd_transform::find(name))
        .or_else(|| cmd_digest::find(name))
        .or_else(|| cmd_system::find(name))
        .or_else(|| cmd_users::find(name))
        .or_else(|| cmd_accounts::find(name))
        .or_else(|| cmd_busybox::find(name))
        .or_else(|| cmd_admin::find(name))
        .or_else(|| cmd_tools::find(name))
        .or_else(|| cmd_pack::find(name))
        .or_else(|| cmd_script::find(name))
        .or_else(|| cmd_process::find(name))
        .or_else(|| cmd_net::find(name))
        .or_else(|| cmd_packages::find(name))
        .or_else(|| cmd_daemon::find(name))
        .or(match name {
            "echo" => Some(echo::echo as Command),
            "printf" => Some(echo::printf),
            "true" => Some(|_, _| 0),
            "false" => Some(|_, _| 1),
            "test" | "[" | "[[" => Some(condition::test),
            "pwd" => Some(|sh, _| {
                let cwd = sh.cwd().to_owned();
                sh.say(&cwd);
                0
            }),
            "kill" => Some(cmd_process::kill),
            _ => None,
        })
}

/// Options and operands of a command line: letters of all `-abc` before `--`, then the rest. An option
/// in `with_value` takes the rest of its word or the next one.
pub(super) struct Options {
    /// Letters given, in order.
    pub(super) letters: String,
    /// Values by letter.
    pub(super) values: Vec<(char, String)>,
    /// Long options, without dashes.
    pub(super) long: Vec<String>,
    /// Everything else.
    pub(super) rest: Vec<String>,
}

impl Options {
    /// Takes a command line apart.
    pub(super) fn new(args: &[String], with_value: &str) -> Self {
        let mut options =
            Self { letters: String::new(), values: Vec::new(), long: Vec::new(), rest: Vec::new() };
        let mut words = args.iter().skip(1);
        let mut ended = false;
        while let Some(word) = words.next() {
            if ended || !word.starts_with('-') || word == "-" {
                options.rest.push(word.clone());
            } else if word == "--" {
                ended = true;
            } else if let Some(long) = word.strip_prefix("--") {
                options.long.push(long.to_owned());
            } else {
                let mut letters = word.chars().skip(1);
                while let Some(letter) = letters.next() {
                    options.letters.push(letter);
                    if with_value.contains(letter) {
                        let tail: String = letters.by_ref().collect();
                        let value =
                            if tail.is_empty() { words.next().cloned().unwrap_or_default() } else { tail };
                        options.values.push((letter, value));
                    }
                }
            }
        }
        options
    }

    /// Whether a letter was given.
    pub(super) fn has(&self, letter: char) -> bool {
        self.letters.contains(letter)
    }

    /// Whether a long option was given.
    pub(super) fn has_long(&self, name: &str) -> bool {
        self.long.iter().any(|l| l == name)
    }

    /// The last value of a letter.
    pub(super) fn value(&self, letter: char) -> Option<&str> {
        self.values.iter().rev().find(|(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }

    /// The first letter that is not among the known ones.
    pub(super) fn unknown(&self, known: &str) -> Option<char> {
        self.letters.chars().find(|l| !known.contains(*l))
    }
}

/// Says that an option is unknown, as GNU tools do or BusyBox does.
pub(super) fn invalid_option(sh: &mut Shell, name: &str, letter: char) -> u8 {
    if sh.is_busybox() {
        let version = cmd_busybox::version(sh);
        sh.fail(&format!("{name}: unrecognized option: {letter}\nBusyBox v{version} multi-call binary.\n\nUsage: {name} [OPTIONS]"));
    } else {
        sh.fail(&format!("{name}: invalid option -- '{letter}'\nTry '{name} --help' for more information."));
    }
    if name == "ls" { 2 } else { 1 }
}
