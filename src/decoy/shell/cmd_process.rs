//! Processes: `ps`, `kill`, shells within shells, BusyBox.

use super::commands::{Command, Options};
use super::login::time;
use super::text::decode;
use super::{Flavor, Shell, Stop};
use crate::decoy::vfs::process::{Process, processes};
use crate::decoy::vfs::{memory, now};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "ps" => ps,
        "top" => top,
        "pgrep" | "pidof" | "pkill" | "killall" => by_name,
        "nohup" | "setsid" | "nice" | "stdbuf" | "time" | "timeout" | "chroot" | "unshare" | "strace"
        | "watch" => wrapper,
        "sh" | "bash" | "dash" | "ash" | "rbash" => shell,
        "pstree" => |sh, _| {
            sh.say(if sh.is_busybox() {
                "init-+-crond\n     |-getty\n     `-syslogd"
            } else {
                "systemd─┬─agetty\n        ├─cron\n        ├─rsyslogd\n        └─systemd-journal"
            });
            0
        },
        _ => return None,
    })
}

/// The list with the visitor's own shell and command at its end.
fn all(sh: &mut Shell, command: &str) -> Vec<(Process, String)> {
    let machine = sh.machine().clone();
    let me = sh.user().name.clone();
    let mut rows: Vec<(Process, String)> =
        processes(&machine).into_iter().map(|p| (p.clone(), p.user.to_owned())).collect();
    let shell = sh.pid();
    let name = sh.name();
    let own = |pid, ppid, command: String, rss| Process {
        pid,
        ppid,
        user: "",
        command,
        vsz: 7_964,
        rss,
        per_day: 0,
    };
    let parent = shell.saturating_sub(9);
    let through = sh.origin.as_ref().map_or("", |(service, _)| service.as_str());
    let (server, login) = match (through, sh.is_busybox()) {
        ("telnet", true) => (None, None),
        ("telnet", false) => (
            Some("in.telnetd: ".to_owned() + &sh.origin.as_ref().map_or(String::new(), |o| o.1.clone())),
            Some("login -- ".to_owned() + &me),
        ),
        _ => (Some(format!("sshd: {me}@pts/0")), None),
    };
    for (offset, (command, rss)) in [(server, 9_832), (login, 3_720)].into_iter().enumerate() {
        if let Some(command) = command {
            let pid = parent + u32::try_from(offset).unwrap_or(0);
            rows.push((own(pid, 1, command, rss), "root".to_owned()));
        }
    }
    rows.push((own(shell, parent, name, 4_844), me.clone()));
    let pid = sh.new_pid();
    rows.push((own(pid, shell, command.to_owned(), 4_120), me));
    rows
}

fn cpu_time(sh: &Shell, process: &Process) -> i64 {
    let up = (now() - sh.machine().boot(now())).max(0);
    up.saturating_mul(i64::from(process.per_day)) / 86_400
}

fn ps(sh: &mut Shell, args: &[String]) -> u8 {
    let flags: String = args.iter().skip(1).map(|a| a.trim_start_matches('-')).collect();
    let line = args.join(" ");
    let rows = all(sh, &line);
    let boot = sh.machine().boot(now());
    if sh.is_busybox() {
        sh.say("PID   USER     TIME  COMMAND");
        for (p, user) in rows {
            let seconds = cpu_time(sh, &p);
            let text =
                format!("{:>5} {user:<8} {:>2}:{:02} {}", p.pid, seconds / 60, seconds % 60, p.command);
            sh.say(text.get(..79.min(text.len())).unwrap_or(&text));
        }
        return 0;
    }
    let own = sh.pid();
    let tty = |p: &Process| {
        if p.pid >= own {
            "pts/0"
        } else if p.command.contains("getty") {
            "tty1"
        } else {
            "?"
        }
    };
    let start = |p: &Process, sh: &Shell| if p.pid + 9 >= own { sh.started() } else { boot };
    let stamp = |at: i64| time(at, if now() - at < 86_400 { "%H:%M" } else { "%b%d" });
    let state = |p: &Process| match p.command.as_str() {
        c if c.starts_with("[kworker") || c.starts_with("[rcu") => "I<",
        c if c.starts_with('[') => "S",
        c if p.pid == own && !c.is_empty() => "Ss",
        _ if p.pid > own => "R+",
        _ => "Ss",
    };
    if flags.contains('u') && !args.get(1).is_some_and(|a| a.starts_with("-u")) {
        let total = memory(sh.machine())[0].max(1);
        sh.say("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND");
        for (p, user) in rows {
            let seconds = cpu_time(sh, &p);
            let mem = u64::from(p.rss) * 1000 / total;
            let user = if user.len() > 8 { format!("{}+", user.get(..7).unwrap_or_default()) } else { user };
            sh.say(&format!(
                "{user:<8} {:>7}  0.{} {:>2}.{} {:>6} {:>5} {:<8} {:<4} {:>5} {:>3}:{:02} {}",
                p.pid,
                u64::from(p.per_day) * 10 / 864,
                mem / 10,
                mem % 10,
                p.vsz,
                p.rss,
                tty(&p),
                state(&p),
                stamp(start(&p, sh)),
                seconds / 60,
                seconds % 60,
                p.command
            ));
        }
        return 0;
    }
    let every = flags.contains(['e', 'A', 'a', 'x']);
    let full = flags.contains('f');
    sh.say(if full {
        "UID          PID    PPID  C STIME TTY          TIME CMD"
    } else {
        "    PID TTY          TIME CMD"
    });
    for (p, user) in rows {
        if !every && p.pid < own {
            continue;
        }
        let seconds = cpu_time(sh, &p);
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text = if full {
            format!(
                "{user:<8} {:>7} {:>7}  0 {:>5} {:<8} {clock} {}",
                p.pid,
                p.ppid,
                stamp(start(&p, sh)),
                tty(&p),
                p.command
            )
        } else {
            format!("{:>7} {:<8} {clock} {}", p.pid, tty(&p), p.name())
        };
        sh.say(&text);
    }
    0
}

fn top(sh: &mut Shell, args: &[String]) -> u8 {
    let rows = all(sh, "top");
    let [total, free, buffers, cached, _] = memory(sh.machine());
    let up = super::cmd_system::uptime_text(sh);
    if !args.iter().any(|a| a.contains('b')) && !sh.interactive {
        sh.fail("top: failed tty get");
        return 1;
    }
    sh.say(&format!("top -{up}"));
    sh.say(&format!(
        "Tasks: {:>3} total,   1 running, {:>3} sleeping,   0 stopped,   0 zombie",
        rows.len(),
        rows.len() - 1
    ));
    sh.say("%Cpu(s):  0.3 us,  0.3 sy,  0.0 ni, 99.3 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st");
    sh.say(&format!(
        "MiB Mem : {:>8}.0 total, {:>8}.0 free, {:>8}.0 used, {:>8}.0 buff/cache",
        total / 1024,
        free / 1024,
        (total - free - buffers - cached) / 1024,
        (buffers + cached) / 1024
    ));
    sh.say("MiB Swap:      0.0 total,      0.0 free,      0.0 used.\n\n    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND");
    for (p, user) in rows.iter().take(17) {
        let seconds = cpu_time(sh, p);
        sh.say(&format!(
            "{:>7} {user:<8}  20   0 {:>7} {:>6} {:>6} S   0.0   0.{} {:>3}:{:02}.00 {}",
            p.pid,
            p.vsz,
            p.rss,
            p.rss / 2,
            u64::from(p.rss) * 10 / (total / 100).max(1),
            seconds / 60,
            seconds % 60,
            p.name()
        ));
    }
    0
}

/// `kill`: others' processes stay, the visitor's own are gone already.
pub(super) fn kill(sh: &mut Shell, args: &[String]) -> u8 {
    if args.iter().any(|a| a == "-l") {
        sh.say(" 1) SIGHUP\t 2) SIGINT\t 3) SIGQUIT\t 4) SIGILL\t 5) SIGTRAP\n 6) SIGABRT\t 7) SIGBUS\t 8) SIGFPE\t 9) SIGKILL\t10) SIGUSR1\n11) SIGSEGV\t12) SIGUSR2\t13) SIGPIPE\t14) SIGALRM\t15) SIGTERM");
        return 0;
    }
    let words: Vec<&String> = args.iter().skip(1).filter(|a| !a.starts_with('-')).collect();
    if words.is_empty() {
        sh.shell_error(
            "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]",
        );
        return 2;
    }
    let known = processes(sh.machine());
    let mut status = 0;
    for word in words {
        let Ok(pid) = word.parse::<u32>() else {
            sh.shell_error(&format!("kill: {word}: arguments must be process or job IDs"));
            status = 1;
            continue;
        };
        if pid == sh.pid() && sh.nesting == 0 {
            sh.stop = Some(Stop::Exit);
            return 0;
        }
        match known.iter().find(|p| p.pid == pid) {
            Some(_) if sh.vfs.uid() == 0 => {}
            Some(_) => {
                sh.shell_error(&format!("kill: ({pid}) - Operation not permitted"));
                status = 1;
            }
            None if pid == sh.last_job && pid > 0 => {}
            None => {
                sh.shell_error(&format!("kill: ({pid}) - No such process"));
                status = 1;
            }
        }
    }
    status
}

fn by_name(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let options = Options::new(args, "us");
    let Some(name) = options.rest.first() else {
        if matches!(tool.as_str(), "killall" | "pidof") {
            let text = "Usage: killall [OPTION]... [--] NAME...\n       killall -l, --list\n       killall -V, --version";
            return if tool == "pidof" { 1 } else { sh.fail(text) };
        }
        return sh.fail(&format!(
            "{tool}: no matching criteria specified\nTry `{tool} --help' for more information."
        )) + 1;
    };
    let exact = matches!(tool.as_str(), "killall" | "pidof");
    let found: Vec<Process> = processes(sh.machine())
        .into_iter()
        .filter(|p| {
            if exact {
                p.name() == name
            } else if options.has('f') {
                p.command.contains(name.as_str())
            } else {
                p.name().contains(name.as_str())
            }
        })
        .collect();
    if found.is_empty() {
        return if tool == "killall" && !options.has('q') {
            sh.fail(&format!("{name}: no process found"))
        } else {
            1
        };
    }
    let pids: Vec<String> = found.iter().map(|p| p.pid.to_string()).collect();
    match tool.as_str() {
        "pgrep" if options.has('l') || options.has('a') => {
            for p in &found {
                let line = if options.has('a') { p.command.clone() } else { p.name().to_owned() };
                sh.say(&format!("{} {line}", p.pid));
            }
        }
        "pgrep" => sh.say(&pids.join("\n")),
        "pidof" => sh.say(&pids.iter().rev().cloned().collect::<Vec<_>>().join(" ")),
        _ if sh.vfs.uid() != 0 => {
            for pid in &pids {
                let text = if tool == "killall" {
                    format!("{name}({pid}): Operation not permitted")
                } else {
                    format!("pkill: killing pid {pid} failed: Operation not permitted")
                };
                sh.fail(&text);
            }
            return 1;
        }
        _ => {}
    }
    0
}

/// Commands that run another one.
fn wrapper(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let skip = usize::from(matches!(tool.as_str(), "timeout" | "chroot"));
    let mut rest =
        args.iter().skip(1).skip_while(|a| a.starts_with('-')).skip(skip).cloned().collect::<Vec<_>>();
    if tool == "nice" && rest.first().is_some_and(|a| a.parse::<i32>().is_ok()) {
        rest.remove(0);
    }
    if let Some(name) =
        rest.first().filter(|_| !matches!(tool.as_str(), "time" | "watch") && !sh.is_busybox())
        && sh.find_program(name).is_none_or(|path| sh.vfs.stat(&path).is_err())
    {
        let text = if tool == "strace" {
            format!("strace: Can't stat '{name}': No such file or directory")
        } else {
            format!("{tool}: failed to run command ‘{name}’: No such file or directory")
        };
        return sh.fail(&text) + 126;
    }
    if rest.is_empty() {
        return if tool == "time" {
            0
        } else if tool == "nice" {
            sh.say("0");
            0
        } else if tool == "timeout" {
            sh.fail("Try 'timeout --help' for more information.") + 124
        } else {
            sh.fail(&format!("{tool}: missing operand\nTry '{tool} --help' for more information.")) + 124
        };
    }
    if tool == "nohup" && sh.is_terminal_out() {
        sh.fail("nohup: ignoring input and appending output to 'nohup.out'");
    }
    let status = sh.call(&rest);
    if tool == "time" {
        sh.fail("\nreal\t0m0.004s\nuser\t0m0.001s\nsys\t0m0.003s");
    }
    status
}

/// Runs a text as `sh -c` does.
pub(super) fn run_text(sh: &mut Shell, text: &str) -> u8 {
    let interactive = std::mem::replace(&mut sh.interactive, false);
    sh.nested(text);
    sh.interactive = interactive;
    sh.status
}

fn shell(sh: &mut Shell, args: &[String]) -> u8 {
    let called = args.first().map_or("sh", |a| a.rsplit('/').next().unwrap_or("sh")).to_owned();
    let flavor = match (called.as_str(), sh.family()) {
        (_, crate::decoy::vfs::distro::Family::Alpine) => Flavor::Ash,
        ("sh" | "dash", crate::decoy::vfs::distro::Family::Debian) => Flavor::Dash,
        _ => Flavor::Bash,
    };
    let mut words = args.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--version" if flavor == Flavor::Bash => {
                let version = sh.machine().distro.shell_version;
                sh.say(&format!("GNU bash, version {version} (x86_64-pc-linux-gnu)\nCopyright (C) 2022 Free Software Foundation, Inc.\nLicense GPLv3+: GNU GPL version 3 or later <http://gnu.org/licenses/gpl.html>\n\nThis is free software; you are free to change and redistribute it.\nThere is NO WARRANTY, to the extent permitted by law."));
                return 0;
            }
            option if option.starts_with('-') && !option.starts_with("--") && option.contains('c') => {
                let text = words.next().cloned().unwrap_or_default();
                let name = words.next().cloned().unwrap_or(called);
                return as_other(sh, flavor, &name, &text, words.cloned().collect());
            }
            option if option.starts_with('-') => {}
            name => {
                let path = sh.path(name);
                let bytes = match sh.vfs.read(&path) {
                    Ok(bytes) => bytes.into_owned(),
                    Err(error) => {
                        let text = match flavor {
                            Flavor::Bash => format!("{called}: {name}: {error}"),
                            Flavor::Dash => format!("{called}: 0: cannot open {name}: No such file"),
                            Flavor::Ash => format!("{called}: can't open '{name}': {error}"),
                        };
                        return sh.fail(&text) + 126;
                    }
                };
                if bytes.starts_with(b"\x7fELF") {
                    return sh.fail(&format!("{name}: {name}: cannot execute binary file")) + 125;
                }
                return as_other(sh, flavor, name, &decode(&bytes), words.cloned().collect());
            }
        }
    }
    if sh.fds.input.is_some() {
        let text = decode(&sh.input());
        return as_other(sh, flavor, &called, &text, Vec::new());
    }
    if !sh.interactive || sh.nesting > 0 {
        return 0;
    }
    let user = sh.user().clone();
    sh.enter(&user, flavor, &called, false)
}

fn as_other(sh: &mut Shell, flavor: Flavor, name: &str, text: &str, params: Vec<String>) -> u8 {
    let saved = sh.save();
    sh.flavor = flavor;
    name.clone_into(&mut sh.env.name);
    sh.swap_params(params.into_iter().take(256).collect());
    sh.status = 0;
    run_text(sh, text);
    sh.restore(saved);
    sh.status
}
