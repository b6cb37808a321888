//! `python3` and `perl`: the one-liners that people try, as far as they only print or run commands.

use super::Shell;
use super::arith::evaluate;
use super::cmd_process::run_text;
use super::commands::Command;

/// Most statements of one text.
const STATEMENTS_MAX: usize = 64;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "python3" | "perl" => interpreter,
        _ => return None,
    })
}

fn interpreter(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let perl = tool == "perl";
    if args.get(1).is_some_and(|a| a == "--version" || a == "-V" || a == "-v") {
        let text = version(sh, perl);
        sh.say(&text);
        return 0;
    }
    let code = args.iter().position(|a| {
        a.starts_with('-')
            && !a.starts_with("--")
            && if perl { a.contains(['e', 'E']) } else { a.ends_with('c') }
    });
    if let Some(at) = code {
        let Some(text) = args.get(at + 1).cloned() else {
            return if perl {
                sh.fail("No code specified for -e.") + 28
            } else {
                sh.fail("Argument expected for the -c option\nusage: python3 [option] ... [-c cmd | -m mod | file | -] [arg] ...\nTry `python -h' for more information.") + 1
            };
        };
        return run(sh, &text, perl, "<string>");
    }
    match args.iter().skip(1).find(|a| !a.starts_with('-')) {
        Some(name) => {
            let path = sh.path(name);
            match sh.vfs.read(&path).map(|bytes| super::text::decode(&bytes)) {
                Ok(text) => run(sh, &text, perl, name),
                Err(_) if perl => {
                    sh.fail(&format!("Can't open perl script \"{name}\": No such file or directory")) + 1
                }
                Err(_) => {
                    sh.fail(&format!("{tool}: can't open file '{path}': [Errno 2] No such file or directory"))
                        + 1
                }
            }
        }
        None if !perl && sh.has_terminal() && sh.nesting <= 1 => {
            let text = format!(
                "{} {} on linux\nType \"help\", \"copyright\", \"credits\" or \"license\" for more information.",
                version(sh, false),
                build(sh.machine().distro.slug)
            );
            sh.say(&text);
            sh.python = true;
            0
        }
        None => {
            let text = super::text::decode(&sh.input());
            run(sh, &text, perl, "<stdin>")
        }
    }
}

fn version(sh: &Shell, perl: bool) -> String {
    let slug = sh.machine().distro.slug;
    if perl {
        let (minor, sub, build) = match slug {
            "ubuntu20" => (30, 0, "x86_64-linux-gnu-thread-multi"),
            "ubuntu22" => (34, 0, "x86_64-linux-gnu-thread-multi"),
            "rocky9" => (32, 1, "x86_64-linux-thread-multi"),
            "centos7" => (16, 3, "x86_64-linux-thread-multi"),
            "fedora" => (38, 2, "x86_64-linux-thread-multi"),
            "kali" => (40, 1, "x86_64-linux-gnu-thread-multi"),
            "arch" => (42, 0, "x86_64-linux-thread-multi"),
            _ => (36, 0, "x86_64-linux-gnu-thread-multi"),
        };
        return format!(
            "\nThis is perl 5, version {minor}, subversion {sub} (v5.{minor}.{sub}) built for {build}"
        );
    }
    match slug {
        "ubuntu20" => "Python 3.8.10",
        "ubuntu22" => "Python 3.10.12",
        "rocky9" => "Python 3.9.21",
        "centos7" => "Python 3.6.8",
        "debian" => "Python 3.11.2",
        "fedora" => "Python 3.12.7",
        _ => "Python 3.13.7",
    }
    .to_owned()
}

/// How the interpreter was built.
fn build(distro: &str) -> &'static str {
    match distro {
        "ubuntu20" => "(default, Mar 18 2025, 20:04:55) \n[GCC 9.4.0]",
        "ubuntu22" => "(main, Aug 15 2025, 14:32:43) [GCC 11.4.0]",
        "rocky9" => "(main, Jun 27 2025, 00:00:00) \n[GCC 11.5.0 20240719 (Red Hat 11.5.0-5)]",
        "centos7" => "(default, Nov 14 2023, 16:29:52) \n[GCC 4.8.5 20150623 (Red Hat 4.8.5-44)]",
        "fedora" => "(main, Oct  1 2024, 00:00:00) [GCC 13.3.1 20240913 (Red Hat 13.3.1-3)]",
        "debian" => "(main, Apr 28 2025, 14:11:48) [GCC 12.2.0]",
        _ => "(main, Aug 15 2025, 12:34:02) [GCC 15.2.0]",
    }
}

impl Shell {
    /// A line at the prompt of the Python interpreter.
    pub(super) fn python(&mut self, line: &str) {
        let statement = line.trim();
        let levels = self.levels.len();
        match statement {
            "exit" | "quit" => self.say(&format!("Use {statement}() or Ctrl-D (i.e. EOF) to exit")),
            "exit()" | "quit()" => self.python = false,
            _ => {
                let name = statement.strip_suffix("()").unwrap_or(statement);
                let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                let number = name.starts_with(|c: char| c.is_ascii_digit());
                if bare && !number && !matches!(name, "None" | "True" | "False" | "print" | "pass" | "help") {
                    self.fail(&format!(
                        "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\nNameError: name '{name}' is not defined"
                    ));
                } else if let Some(shown) = value(statement, false) {
                    let text = statement.starts_with(['"', '\'']);
                    self.say(&if text { format!("'{shown}'") } else { shown });
                } else if run(self, statement, false, "<stdin>") != 0 || self.levels.len() > levels {
                    // It ended, or a shell was started: that is what goes on.
                    self.python = false;
                }
            }
        }
    }
}

/// Plays a text, statement by statement.
fn run(sh: &mut Shell, text: &str, perl: bool, file: &str) -> u8 {
    sh.burn(text.len() * 4);
    for statement in statements(text).into_iter().take(STATEMENTS_MAX) {
        if sh.is_stopped() {
            return sh.status;
        }
        if let Some(status) = one(sh, statement.trim(), perl, file) {
            return status;
        }
    }
    0
}

/// Plays one statement; a status when it is the last.
fn one(sh: &mut Shell, statement: &str, perl: bool, file: &str) -> Option<u8> {
    let (head, rest) = statement.split_at(statement.find(|c: char| !is_word(c)).unwrap_or(statement.len()));
    let inside =
        || rest.trim().strip_prefix('(').and_then(|r| r.trim_end().strip_suffix(')')).unwrap_or(rest.trim());
    match head {
        "exit" | "sys.exit" | "quit" => return Some(inside().parse().unwrap_or(0)),
        "print" | "say" => {
            let parts: Vec<String> =
                arguments(inside()).iter().filter_map(|part| value(part, perl)).collect();
            let mut text = parts.join(if perl { "" } else { " " });
            if !perl || head == "say" {
                text.push('\n');
            }
            sh.out(&super::text::encode(&text));
        }
        "os.system"
        | "system"
        | "exec"
        | "os.popen"
        | "subprocess.call"
        | "subprocess.run"
        | "pty.spawn"
        | "os.execl"
        | "os.execv"
        | "subprocess.Popen"
        | "subprocess.check_call" => {
            let words: Vec<String> = strings(rest, perl);
            // The first word of `execl` is the file, the second its name.
            let command = match (head, words.as_slice()) {
                ("os.execl" | "os.execv", [first, ..]) => first.clone(),
                (_, words) => words.join(" "),
            };
            if command.is_empty() {
                return None;
            }
            let shell = matches!(command.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"));
            if shell {
                return Some(sh.call(&[command]));
            }
            let status = run_text(sh, &command);
            if head == "exec" && perl {
                return Some(status);
            }
        }
        _ if statement.contains(".connect(") && !perl => {
            return Some(sh.fail(&format!(
                "Traceback (most recent call last):\n  File \"{file}\", line 1, in <module>\nOSError: [Errno 101] Network is unreachable"
            )));
        }
        _ => {}
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Cuts at semicolons and line ends outside quotes.
fn statements(text: &str) -> Vec<&str> {
    cut(text, &[';', '\n'], 0)
}

/// Cuts at commas outside quotes and brackets.
fn arguments(text: &str) -> Vec<&str> {
    cut(text, &[','], 1)
}

fn cut<'a>(text: &'a str, marks: &[char], nested: usize) -> Vec<&'a str> {
    let (mut parts, mut from, mut quote, mut depth, mut escaped) = (Vec::new(), 0, None, 0usize, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {}
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += nested,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(nested),
            (None, c) if depth == 0 && marks.contains(&c) => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// What an expression of texts and numbers comes to; none when it is anything else.
fn value(expression: &str, perl: bool) -> Option<String> {
    let expression = expression.trim();
    if expression.is_empty() {
        return None;
    }
    let joint = if perl { '.' } else { '+' };
    if expression.starts_with(['"', '\'']) {
        let parts = cut(expression, &[joint], 1);
        let texts: Option<Vec<String>> = parts.iter().map(|part| literal(part.trim(), perl)).collect();
        return texts.map(|texts| texts.concat());
    }
    let plain = expression.chars().all(|c| c.is_ascii_digit() || " +-*/%()".contains(c));
    let number = if plain { evaluate(&expression.replace("//", "/"), &|_| 0) } else { None };
    number.map(|number| number.to_string())
}

fn literal(text: &str, perl: bool) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inner, times) = match text.rsplit_once(quote)? {
        (inner, "") => (inner.get(1..)?, 1),
        // `"A"*100` and `"A"x100`.
        (inner, rest) => {
            (inner.get(1..)?, rest.trim().strip_prefix(['*', 'x'])?.trim().parse::<usize>().ok()?.min(4096))
        }
    };
    let text = if perl && quote == '\'' {
        inner.to_owned()
    } else {
        super::echo::bytes_as_chars(&super::echo::unescape(inner).0)
    };
    Some(text.repeat(times))
}

/// Every text in a list of arguments.
fn strings(text: &str, perl: bool) -> Vec<String> {
    let flat = text.replace(['(', ')', '[', ']'], ",");
    let parts: Vec<String> =
        cut(&flat, &[','], 0).iter().filter_map(|part| literal(part.trim(), perl)).collect();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn one_liners() {
        let mut sh = Shell::new(&persona(&["ssh"]), "root");
        for (line, shown) in [
            ("python3 -c 'print(1+2*3)'", "7\n"),
            ("python3 -c \"import os; os.system('id -u')\"", "0\n"),
            ("python3 -c 'print(\"a\"+\"b\", 5)'", "ab 5\n"),
            ("python3 -c 'import subprocess;subprocess.call([\"echo\",\"hi\"])'", "hi\n"),
            ("perl -e 'print \"x\\n\"'", "x\n"),
            ("perl -e 'print \"A\"x4 . \"\\n\"'", "AAAA\n"),
            ("perl -e 'system(\"echo in\");'", "in\n"),
            ("echo 'print(2)' | python3", "2\n"),
            ("python3 -c 'x=[i for i in range(3)]'", ""),
            (
                "python3 -c 'import socket;s=socket.socket();s.connect((\"192.0.2.1\",4444))'",
                "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\nOSError: [Errno 101] Network is unreachable\n",
            ),
            ("python3 -c 'import pty; pty.spawn(\"/bin/bash\")'", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&sh.exec(line.as_bytes()).output), shown, "{line}");
        }
        // It is in the inner shell now.
        let ends = |sh: &mut Shell| String::from_utf8_lossy(&sh.eof().output).into_owned();
        assert!(!sh.exec(b"exit").exit);
        let shown = |sh: &mut Shell, line: &str| {
            String::from_utf8_lossy(&sh.exec(line.as_bytes()).output).into_owned()
        };
        assert!(
            shown(&mut sh, "python3")
                .starts_with("Python 3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0] on linux\nType ")
        );
        assert_eq!(sh.prompt(), b">>> ");
        for (line, answer) in [
            ("1+1", "2\n"),
            ("'a'", "'a'\n"),
            ("import os; os.system('id -u')", "0\n"),
            ("exit", "Use exit() or Ctrl-D (i.e. EOF) to exit\n"),
            (
                "whoami",
                "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\nNameError: name 'whoami' is not defined\n",
            ),
        ] {
            assert_eq!(shown(&mut sh, line), answer, "{line}");
        }
        assert_eq!(ends(&mut sh), "\n");
        assert!(sh.prompt().ends_with(b"# "));
        sh.exec(b"python3");
        assert_eq!(shown(&mut sh, "exit()"), "");
        assert!(sh.eof().exit);
    }
}
