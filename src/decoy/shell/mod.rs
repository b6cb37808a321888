//! An imitation of a login shell and the commands around it, over a [`Vfs`]. It answers; it runs nothing,
//! dials nowhere, waits for nothing. A line is at most 16 KiB and 64 commands, prints at most 256 KiB,
//! and all its work draws on one budget: what would be slow ends with `Killed`, as on a small host.

mod arith;
mod ast;
mod awk;
mod builtins;
mod cmd_accounts;
mod cmd_admin;
mod cmd_busybox;
mod cmd_copy;
mod cmd_daemon;
mod cmd_digest;
mod cmd_files;
mod cmd_find;
mod cmd_lists;
mod cmd_ls;
mod cmd_net;
mod cmd_pack;
mod cmd_packages;
mod cmd_process;
mod cmd_script;
mod cmd_service;
mod cmd_system;
mod cmd_text;
mod cmd_tools;
mod cmd_transform;
mod cmd_users;
mod commands;
mod condition;
mod echo;
mod env;
mod expand;
mod fetch;
mod glob;
mod login;
mod parse;
mod pattern;
mod run;
mod text;
mod tty;
mod versions;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

pub(in crate::decoy) use cmd_digest::md5;
pub use fetch::Fetch;
pub use tty::{MAX_LINE, Tty, TtyEvent};

use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{Machine, User, Vfs, now};
use crate::model::Persona;
use env::Env;

/// Most bytes one line prints, and most that go through one pipe.
pub const MAX_OUTPUT: usize = 256 * 1024;
/// What a line may cost, about one unit per byte touched.
const BUDGET: usize = 4 << 20;
/// Most lines of history.
const MAX_HISTORY: usize = 500;
/// Between the elements of an array, which is a variable like others.
const SEPARATOR: &str = "\u{1f}";
/// Most shells within shells.
const MAX_LEVELS: usize = 8;

/// What a line led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// What it printed, lines ended by `\n` (a terminal shows them as `\r\n`).
    pub output: Vec<u8>,
    /// Exit status.
    pub status: u8,
    /// Whether the shell is over.
    pub exit: bool,
    /// What it would have fetched, or talked to.
    pub fetched: Vec<Fetch>,
}

/// Why the rest of a line does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Exit,
    Break,
    Continue,
    Return,
    Killed,
}

/// Where a command reads and writes: numbers of inputs and sinks; none is `/dev/null`, or no input.
#[derive(Clone, Copy, Debug)]
struct Fds {
    input: Option<usize>,
    out: Option<usize>,
    err: Option<usize>,
}

/// Something to read.
struct Input {
    bytes: Vec<u8>,
    at: usize,
}

/// Which shell it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavor {
    Bash,
    Dash,
    Ash,
}

/// A shell that waits for another one to end.
struct Level {
    env: Env,
    user: User,
    flavor: Flavor,
}

/// What a copy of the shell must not change.
struct Saved {
    env: Env,
    user: User,
    fds: Fds,
    interactive: bool,
    flavor: Flavor,
}

/// One login session's shell.
pub struct Shell {
    vfs: Vfs,
    user: User,
    env: Env,
    flavor: Flavor,
    interactive: bool,
    levels: Vec<Level>,
    functions: BTreeMap<String, ast::Node>,
    aliases: BTreeMap<String, String>,
    history: VecDeque<String>,
    /// Lines of a command that is not complete yet.
    pending: String,
    status: u8,
    status_of_substitution: Option<u8>,
    last_job: u32,
    started: i64,
    /// Where the visitor comes from, and the service it came through.
    origin: Option<(String, String)>,
    pids: u32,
    /// Outputs; the first is the terminal.
    sinks: Vec<Vec<u8>>,
    inputs: Vec<Input>,
    here: Vec<ast::Word>,
    fds: Fds,
    stop: Option<Stop>,
    depth: usize,
    nesting: usize,
    turns: usize,
    expanded: usize,
    budget: usize,
    fetched: Vec<Fetch>,
    /// What the terminal waits for.
    ask: Option<cmd_accounts::Ask>,
    /// Lines so far, of a shell that reads them from a pipe.
    line: usize,
    /// Whether it is such a shell.
    piped: bool,
    /// Whether the Python interpreter has the terminal.
    python: bool,
    /// Whether an applet of BusyBox runs.
    applet: bool,
}

const TERMINAL: Fds = Fds { input: None, out: Some(0), err: Some(0) };

impl Shell {
    /// A shell for `user` on the persona's machine; a name the machine does not know plays root.
    pub fn new(persona: &Persona, user: &str) -> Self {
        Self::on(Vfs::new(persona), user)
    }

    /// The same over a file system made before; clone one [`Vfs`] per session instead of making it anew.
    pub fn on(mut vfs: Vfs, user: &str) -> Self {
        let machine = vfs.machine().clone();
        let user = machine.user(user).or_else(|| machine.users.first()).cloned().unwrap_or_else(login::root);
        vfs.become_user(user.uid, user.gid);
        let flavor = if machine.distro.family == Family::Alpine { Flavor::Ash } else { Flavor::Bash };
        let mut shell = Self {
            env: Env::login(&machine, &user),
            vfs,
            user,
            flavor,
            interactive: true,
            levels: Vec::new(),
            functions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            history: VecDeque::new(),
            pending: String::new(),
            status: 0,
            status_of_substitution: None,
            last_job: 0,
            started: now(),
            origin: None,
            pids: 0,
            sinks: vec![Vec::new()],
            inputs: Vec::new(),
            here: Vec::new(),
            fds: TERMINAL,
            stop: None,
            depth: 0,
            nesting: 0,
            turns: 0,
            expanded: 0,
            budget: 0,
            fetched: Vec::new(),
            ask: None,
            line: 0,
            piped: false,
            python: false,
            applet: false,
        };
        shell.load_history();
        if flavor == Flavor::Bash {
            for (name, value) in [("ll", "ls -alF"), ("la", "ls -A"), ("l", "ls -CF")] {
                shell.aliases.insert(name.to_owned(), value.to_owned());
            }
        }
        shell
    }

    /// Tells where the visitor comes from: `who` and `w` show it, and `ps` what let it in.
    pub fn set_origin(&mut self, service: &str, source: SocketAddr, destination: SocketAddr) {
        self.origin = Some((service.to_owned(), source.ip().to_string()));
        if service == "ssh" {
            let (from, to) = (source.ip(), destination.ip());
            let client = format!("{from} {} {}", source.port(), destination.port());
            let connection = format!("{from} {} {to} {}", source.port(), destination.port());
            for (name, value) in [("SSH_CLIENT", client), ("SSH_CONNECTION", connection)] {
                self.set_variable(name, &value);
                self.export(name);
            }
            if self.interactive {
                self.set_variable("SSH_TTY", "/dev/pts/0");
                self.export("SSH_TTY");
            }
            self.stop = None;
        }
    }

    /// What a login prints before the first prompt: message of the day and last login.
    pub fn banner(&self) -> Vec<u8> {
        login::banner(self.machine(), &self.user, false)
    }

    /// The same of a login at a terminal (`login`), which puts the last login first.
    pub fn console_banner(&self) -> Vec<u8> {
        login::banner(self.machine(), &self.user, true)
    }

    /// The prompt; that of a continued line while a command is not complete.
    pub fn prompt(&self) -> Vec<u8> {
        if let Some(question) = self.question() {
            return question.to_vec();
        }
        if self.python {
            return b">>> ".to_vec();
        }
        if !self.pending.is_empty() {
            return b"> ".to_vec();
        }
        login::prompt(self)
    }

    /// Drops a command that is not complete yet (Control-C).
    pub fn interrupt(&mut self) {
        self.pending.clear();
        self.ask = None;
        self.status = 130;
    }

    /// Runs what was typed at the prompt. A line that is not complete prints nothing and changes the
    /// prompt; the next one goes on with it.
    pub fn exec(&mut self, line: &[u8]) -> Exec {
        self.begin();
        self.line = self.line.saturating_add(1);
        if let Some(ask) = self.ask.take() {
            self.answer(ask, line.get(..line.len().min(MAX_LINE)).unwrap_or_default());
            return self.end();
        }
        if self.python {
            self.python(&text::decode(line.get(..line.len().min(MAX_LINE)).unwrap_or_default()));
            return self.end();
        }
        let line = text::decode(line.get(..line.len().min(parse::MAX_SOURCE)).unwrap_or_default());
        if self.pending.is_empty() && self.interactive {
            self.remember(&line);
        }
        let mut whole = std::mem::take(&mut self.pending);
        whole.push_str(&line);
        match self.source(&whole) {
            Ok(()) => {}
            Err(ast::SyntaxError::Incomplete(_)) if whole.len() < parse::MAX_SOURCE => {
                whole.push('\n');
                self.pending = whole;
            }
            Err(error) => self.syntax_error(&error, &whole),
        }
        let left = self.stop == Some(Stop::Exit);
        let mut exec = self.end();
        if left && let Some(level) = self.levels.pop() {
            (self.env, self.user, self.flavor) = (level.env, level.user, level.flavor);
            self.vfs.become_user(self.user.uid, self.user.gid);
            exec.exit = false;
        }
        exec
    }

    /// The end of input at the terminal (Control-D): ends what has it.
    pub fn eof(&mut self) -> Exec {
        if self.ask.take().is_some() || std::mem::take(&mut self.python) {
            self.begin();
            self.say("");
            return self.end();
        }
        self.exec(b"exit")
    }

    /// Runs a command as `bash -c` would (`ssh host command`): messages carry no login shell's name, and
    /// an incomplete command is an error.
    pub fn exec_command(&mut self, line: &[u8]) -> Exec {
        self.begin();
        self.line = 1;
        self.interactive = false;
        self.env.name = if self.flavor == Flavor::Bash { "bash" } else { "ash" }.to_owned();
        let line = text::decode(line.get(..line.len().min(parse::MAX_SOURCE)).unwrap_or_default());
        if let Err(error) = self.source(&line) {
            self.syntax_error(&error, &line);
        }
        Exec { exit: true, ..self.end() }
    }

    /// Goes on as a shell that reads its commands from a pipe (`ssh -T host`): no job numbers, no history,
    /// and the numbers of lines in its messages. `name` is what it was called by; none for a login shell.
    pub fn pipe(&mut self, name: Option<&str>) {
        (self.interactive, self.piped) = (false, true);
        if let Some(name) = name {
            name.clone_into(&mut self.env.name);
        }
    }

    /// The files as this session sees them.
    pub fn vfs(&self) -> &Vfs {
        &self.vfs
    }

    /// The same, to change them.
    pub fn vfs_mut(&mut self) -> &mut Vfs {
        &mut self.vfs
    }

    /// The directory it is in.
    pub fn cwd(&self) -> &str {
        &self.env.cwd
    }

    /// The user it runs as now.
    pub fn user(&self) -> &User {
        &self.user
    }

    fn begin(&mut self) {
        self.sinks = vec![Vec::new()];
        self.inputs.clear();
        self.fds = TERMINAL;
        self.stop = None;
        (self.depth, self.nesting, self.turns, self.expanded) = (0, 0, 0, 0);
        self.budget = BUDGET;
    }

    fn end(&mut self) -> Exec {
        let mut output = self.sinks.first_mut().map(std::mem::take).unwrap_or_default();
        if self.stop == Some(Stop::Killed) {
            output.truncate(MAX_OUTPUT - 16);
            output.extend(b"Killed\n");
            self.status = 137;
        }
        let exit = self.stop == Some(Stop::Exit);
        self.begin();
        Exec { output, status: self.status, exit, fetched: std::mem::take(&mut self.fetched) }
    }

    fn machine(&self) -> &Arc<Machine> {
        self.vfs.machine()
    }

    fn family(&self) -> Family {
        self.machine().distro.family
    }

    fn is_dash(&self) -> bool {
        self.flavor == Flavor::Dash
    }

    fn is_ash(&self) -> bool {
        self.flavor == Flavor::Ash
    }

    fn is_busybox(&self) -> bool {
        self.applet || self.family() == Family::Alpine
    }

    fn is_interactive(&self) -> bool {
        self.interactive
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    fn started(&self) -> i64 {
        self.started
    }

    /// Spends some of the line's budget; spending all of it ends the line.
    fn burn(&mut self, cost: usize) {
        self.budget = self.budget.saturating_sub(cost);
        if self.budget == 0 {
            self.exhaust();
        }
    }

    fn exhaust(&mut self) {
        self.stop = Some(Stop::Killed);
    }

    /// Ends the line without `Killed`: an error was printed already.
    fn exhaust_quietly(&mut self) {
        self.status = 1;
        self.stop = Some(Stop::Return);
    }

    /// Prints on standard output.
    fn out(&mut self, bytes: &[u8]) {
        self.print(self.fds.out, bytes);
    }

    /// Prints a line of text on standard output.
    fn say(&mut self, line: &str) {
        let mut bytes = text::encode(line);
        bytes.push(b'\n');
        self.out(&bytes);
    }

    /// Prints on standard error.
    fn err(&mut self, bytes: &[u8]) {
        self.print(self.fds.err, bytes);
    }

    /// Prints a line of text on standard error; the status of a failed command.
    fn fail(&mut self, line: &str) -> u8 {
        let mut bytes = text::encode(line);
        bytes.push(b'\n');
        self.err(&bytes);
        1
    }

    fn print(&mut self, sink: Option<usize>, bytes: &[u8]) {
        self.burn(bytes.len());
        let Some(sink) = sink.and_then(|sink| self.sinks.get_mut(sink)) else { return };
        let room = MAX_OUTPUT.saturating_sub(sink.len());
        sink.extend(bytes.iter().take(room));
        if bytes.len() > room {
            // Whoever prints this much would go on: the pipe is broken for it.
            self.exhaust();
        }
    }

    /// What standard input still holds; nothing when it is the terminal.
    fn input(&mut self) -> Vec<u8> {
        let Some(input) = self.fds.input.and_then(|at| self.inputs.get_mut(at)) else { return Vec::new() };
        let rest = input.bytes.get(input.at..).unwrap_or_default().to_vec();
        input.at = input.bytes.len();
        self.burn(rest.len());
        rest
    }

    /// The next line of standard input with its newline, if any.
    fn input_line(&mut self) -> Option<Vec<u8>> {
        let input = self.fds.input.and_then(|at| self.inputs.get_mut(at))?;
        let rest = input.bytes.get(input.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        let line = rest.get(..length)?.to_vec();
        input.at += length;
        self.burn(length);
        Some(line)
    }

    /// Whether standard input is the terminal.
    fn has_terminal(&self) -> bool {
        self.fds.input.is_none() && self.interactive
    }

    /// Runs something and keeps what it prints on standard output.
    fn captured(&mut self, work: impl FnOnce(&mut Self)) -> Vec<u8> {
        let fds = self.fds;
        let sink = self.sinks.len();
        self.sinks.push(Vec::new());
        self.fds.out = Some(sink);
        work(self);
        self.status_of_substitution = Some(self.status);
        self.fds = fds;
        let bytes = self.sinks.get_mut(sink).map(std::mem::take).unwrap_or_default();
        self.sinks.truncate(sink.max(1));
        bytes
    }

    fn save(&self) -> Saved {
        Saved {
            env: self.env.clone(),
            user: self.user.clone(),
            fds: self.fds,
            interactive: self.interactive,
            flavor: self.flavor,
        }
    }

    fn restore(&mut self, saved: Saved) {
        self.burn(saved.env.size() / 4);
        Saved {
            env: self.env,
            user: self.user,
            fds: self.fds,
            interactive: self.interactive,
            flavor: self.flavor,
        } = saved;
        self.vfs.become_user(self.user.uid, self.user.gid);
        if self.stop != Some(Stop::Killed) {
            self.stop = None;
        }
    }

    /// Starts a shell inside this one, at the prompt.
    fn enter(&mut self, user: &User, flavor: Flavor, name: &str, login: bool) -> u8 {
        if self.levels.len() >= MAX_LEVELS {
            self.shell_error("fork: retry: Resource temporarily unavailable");
            return 254;
        }
        let mut env = if login { Env::login(self.machine(), user) } else { self.env.clone() };
        name.clone_into(&mut env.name);
        let old = std::mem::replace(&mut self.env, env);
        let old_user = std::mem::replace(&mut self.user, user.clone());
        self.levels.push(Level { env: old, user: old_user, flavor: self.flavor });
        self.flavor = flavor;
        self.vfs.become_user(user.uid, user.gid);
        0
    }

    /// Absolute form of a path as typed.
    fn path(&self, typed: &str) -> String {
        self.vfs.resolve(&self.env.cwd, typed)
    }
}

#[cfg(test)]
mod tests;
