//! Running what was parsed.

use super::ast::{Command, Direction, Item, Join, List, Node, Pipeline, Redirect, SyntaxError, Word};
use super::text::{decode, encode};
use super::{Flavor, Input, SEPARATOR, Shell, Stop, commands, glob, parse};
use crate::decoy::vfs::{Kind, VfsError};

/// Deepest nesting of shells, substitutions, functions and scripts.
const MAX_DEPTH: usize = 8;
/// Most turns of all loops of a line.
const MAX_TURNS: usize = 256;

impl Shell {
    /// Parses and runs a text in this shell; true unless it wants more lines.
    pub(super) fn source(&mut self, text: &str) -> Result<(), SyntaxError> {
        self.burn(text.len() * 4);
        let script = parse::parse(text)?;
        let here = std::mem::replace(&mut self.here, script.here);
        self.list(&script.list);
        self.here = here;
        Ok(())
    }

    /// Runs a text in a copy of this shell: its changes of directory and variables are lost.
    pub(super) fn nested(&mut self, text: &str) {
        if self.depth >= MAX_DEPTH {
            self.shell_error("fork: retry: Resource temporarily unavailable");
            self.status = 254;
            return;
        }
        self.depth += 1;
        let saved = self.save();
        if let Err(error) = self.source(text) {
            self.syntax_error(&error, text);
        }
        self.restore(saved);
        self.depth -= 1;
    }

    /// Says what is wrong with a line.
    pub(super) fn syntax_error(&mut self, error: &SyntaxError, source: &str) {
        let name = self.env.name.clone();
        if !self.interactive && !self.piped && !self.is_ash() && !self.is_dash() && !name.contains(['/', '.'])
        {
            self.env.name.push_str(": -c");
        }
        let line = source.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
        match error {
            SyntaxError::Incomplete(c @ ('\'' | '"' | '`' | ')' | '}')) => {
                self.shell_error(&format!("unexpected EOF while looking for matching `{c}'"));
            }
            SyntaxError::Incomplete(_) => {
                // The line after the last one.
                let before = self.line;
                self.line = self.line.max(1).saturating_add(source.lines().count().max(1));
                self.shell_error("syntax error: unexpected end of file");
                self.line = before;
            }
            SyntaxError::Unexpected(token) if self.is_ash() || self.is_dash() => {
                let how = if self.is_dash() { "Syntax error: " } else { "syntax error: unexpected " };
                let tail = if self.is_dash() { " unexpected" } else { "" };
                self.shell_error(&format!("{how}\"{token}\"{tail}"));
            }
            SyntaxError::Unexpected(token) => {
                self.shell_error(&format!("syntax error near unexpected token `{token}'"));
                if !self.interactive {
                    let line: String = line.chars().take(200).collect();
                    self.shell_error(&format!("`{line}'"));
                }
            }
            SyntaxError::TooMuch => self.shell_error("fork: Cannot allocate memory"),
        }
        self.env.name = name;
        self.status = 2;
    }

    fn list(&mut self, list: &List) {
        for item in list {
            if self.is_stopped() {
                return;
            }
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        if item.background {
            let job = self.new_pid();
            self.last_job = job;
            if self.is_interactive() && self.depth == 0 {
                self.err(format!("[1] {job}\n").as_bytes());
            }
        }
        for (join, pipeline) in &item.pipelines {
            if self.is_stopped() {
                return;
            }
            match join {
                Join::And if self.status != 0 => continue,
                Join::Or if self.status == 0 => continue,
                _ => self.pipeline(pipeline),
            }
        }
        if item.background {
            self.status = 0;
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if let [node] = pipeline.nodes.as_slice() {
            self.node(node);
        } else {
            let fds = self.fds;
            let count = pipeline.nodes.len();
            let inputs = self.inputs.len();
            for (index, node) in pipeline.nodes.iter().enumerate() {
                if self.is_stopped() {
                    break;
                }
                let saved = self.save();
                if index + 1 < count {
                    let bytes = self.captured(|sh| sh.node(node));
                    self.restore(saved);
                    self.inputs.truncate(inputs);
                    self.inputs.push(Input { bytes, at: 0 });
                    self.fds.input = Some(inputs);
                } else {
                    self.node(node);
                    self.restore(saved);
                }
            }
            self.inputs.truncate(inputs);
            self.fds = fds;
        }
        if pipeline.negate {
            self.status = u8::from(self.status == 0);
        }
    }

    fn node(&mut self, node: &Node) {
        self.burn(200);
        if self.depth >= MAX_DEPTH * 2 {
            self.exhaust();
            return;
        }
        let fds = self.fds;
        let inputs = self.inputs.len();
        let sinks = self.sinks.len();
        let mut files = Vec::new();
        self.depth += 1;
        let ready = node.redirects.iter().all(|redirect| self.redirect(redirect, &mut files));
        if ready {
            self.command(&node.command);
        } else {
            self.status = 1;
        }
        self.depth -= 1;
        for (path, sink) in files {
            if let Some(bytes) = self.sinks.get_mut(sink).map(std::mem::take)
                && !bytes.is_empty()
                && let Err(error) = self.vfs.append(&path, &bytes)
            {
                self.fds = fds;
                self.fail(&format!("write error: {error}"));
                self.status = 1;
            }
        }
        self.sinks.truncate(sinks.max(1));
        self.inputs.truncate(inputs);
        self.fds = fds;
    }

    fn redirect(&mut self, redirect: &Redirect, files: &mut Vec<(String, usize)>) -> bool {
        match redirect.direction {
            Direction::In => {
                let name = self.expand_one(&redirect.word);
                let path = self.path(&name);
                match self.vfs.read(&path).map(std::borrow::Cow::into_owned) {
                    Ok(bytes) => self.feed(bytes),
                    Err(error) => return self.cannot_open(&name, error),
                }
            }
            Direction::Here(index) => {
                let word = self.here.get(index).cloned().unwrap_or_default();
                let text = self.expand_one(&word);
                self.feed(encode(&text));
            }
            Direction::HereString => {
                let text = self.expand_one(&redirect.word) + "\n";
                self.feed(encode(&text));
            }
            Direction::Duplicate => {
                let target = self.expand_one(&redirect.word);
                let from = redirect.fd.unwrap_or(1);
                let sink = match target.as_str() {
                    "1" => self.fds.out,
                    "2" => self.fds.err,
                    "-" => None,
                    "0" => return true,
                    other => {
                        self.shell_error(&format!("{other}: Bad file descriptor"));
                        return false;
                    }
                };
                match from {
                    1 => self.fds.out = sink,
                    2 => self.fds.err = sink,
                    _ => {}
                }
            }
            Direction::Out | Direction::Append | Direction::Both => {
                let name = self.expand_one(&redirect.word);
                let path = self.path(&name);
                let sink = match self.open(&path, redirect.direction == Direction::Append, files) {
                    Ok(sink) => sink,
                    Err(error) => return self.cannot_open(&name, error),
                };
                match (redirect.direction, redirect.fd) {
                    (Direction::Both, _) => (self.fds.out, self.fds.err) = (sink, sink),
                    (_, Some(2)) => self.fds.err = sink,
                    (_, Some(0 | 1) | None) => self.fds.out = sink,
                    _ => {}
                }
            }
        }
        true
    }

    fn cannot_open(&mut self, name: &str, error: VfsError) -> bool {
        let text = if self.is_dash() || self.is_ash() {
            let how = if error == VfsError::NotFound { "no such file" } else { "error" };
            if how == "error" {
                format!("can't create {name}: {error}")
            } else {
                format!("can't open {name}: {how}")
            }
        } else {
            format!("{name}: {error}")
        };
        self.shell_error(&text);
        false
    }

    fn open(
        &mut self,
        path: &str,
        append: bool,
        files: &mut Vec<(String, usize)>,
    ) -> Result<Option<usize>, VfsError> {
        if let Ok(stat) = self.vfs.stat(path)
            && stat.kind == Kind::Device
        {
            let terminal =
                ["/dev/tty", "/dev/pts/0", "/dev/stdout", "/dev/stderr", "/dev/console"].contains(&path);
            return Ok(terminal.then_some(0));
        }
        if let Some((_, sink)) = files.iter().find(|(known, _)| known == path) {
            return Ok(Some(*sink));
        }
        if append {
            self.vfs.append(path, b"")?;
        } else {
            self.vfs.write(path, b"")?;
        }
        let sink = self.sinks.len();
        self.sinks.push(Vec::new());
        files.push((path.to_owned(), sink));
        Ok(Some(sink))
    }

    fn feed(&mut self, bytes: Vec<u8>) {
        self.burn(bytes.len());
        self.fds.input = Some(self.inputs.len());
        self.inputs.push(Input { bytes, at: 0 });
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple { assigns, words } => self.simple(assigns, words),
            Command::Array { name, words } if self.flavor == Flavor::Bash => {
                let items = self.expand(words);
                self.set_variable(name, &items.join(SEPARATOR));
                self.status = 0;
            }
            Command::Array { .. } => {
                let text = if self.is_dash() {
                    "Syntax error: \"(\" unexpected"
                } else {
                    "syntax error: unexpected \"(\""
                };
                self.shell_error(text);
                self.status = 2;
            }
            Command::Group(list) => self.list(list),
            Command::Subshell(list) => {
                let saved = self.save();
                self.list(list);
                self.restore(saved);
            }
            Command::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.list(condition);
                    if self.is_stopped() {
                        return;
                    }
                    if self.status == 0 {
                        self.list(body);
                        return;
                    }
                }
                self.status = 0;
                if let Some(body) = otherwise {
                    self.list(body);
                }
            }
            Command::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.expand(words),
                    None => self.params().to_vec(),
                };
                self.status = 0;
                for value in values {
                    self.set_variable(name, &value);
                    if !self.turn(body) {
                        return;
                    }
                }
            }
            Command::Loop { until, condition, body } => loop {
                self.list(condition);
                if self.is_stopped() || (self.status == 0) == *until {
                    if self.stop.is_none() {
                        self.status = 0;
                    }
                    return;
                }
                if !self.turn(body) {
                    return;
                }
            },
            Command::Case { word, arms } => {
                let text = self.expand_one(word);
                self.status = 0;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        let pattern = self.expand_pattern(pattern);
                        if glob::matches(&pattern, &text) {
                            self.list(body);
                            return;
                        }
                    }
                }
            }
            Command::Function { name, body } => {
                self.define(name, body);
                self.status = 0;
            }
        }
    }

    /// One turn of a loop; false when the loop is over.
    fn turn(&mut self, body: &List) -> bool {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            self.exhaust();
            return false;
        }
        self.list(body);
        match self.stop {
            Some(Stop::Continue) => {
                self.stop = None;
                true
            }
            Some(Stop::Break) => {
                self.stop = None;
                false
            }
            Some(_) => false,
            None => true,
        }
    }

    fn simple(&mut self, assigns: &[(String, Word)], words: &[Word]) {
        self.status_of_substitution = None;
        let mut args = self.expand(words);
        if self.is_stopped() {
            return;
        }
        if let Some(name) = args.first()
            && let Some(alias) = self.aliases.get(name).cloned()
            && matches!(words.first().map(Vec::as_slice), Some([super::ast::Part::Plain(_)]))
        {
            let tail = args.split_off(1);
            args = alias.split_whitespace().map(str::to_owned).collect();
            args.extend(tail);
        }
        let mut restored = Vec::new();
        for (name, word) in assigns {
            let value = self.expand_one(word);
            if !args.is_empty() {
                restored.push((name.clone(), self.env_get(name).map(str::to_owned)));
            }
            self.set_variable(name, &value);
        }
        if args.is_empty() {
            self.status = self.status_of_substitution.take().unwrap_or(0);
            return;
        }
        self.status = self.call(&args);
        for (name, value) in restored {
            match value {
                Some(value) => self.set_variable(&name, &value),
                None => self.unset(&name),
            }
        }
    }

    /// Runs a command that is already words.
    pub(super) fn call(&mut self, args: &[String]) -> u8 {
        self.burn(400 + args.iter().map(String::len).sum::<usize>());
        if self.is_stopped() {
            return self.status;
        }
        let Some(name) = args.first() else { return 0 };
        super::fetch::note(self, args);
        if let Some(body) = self.functions.get(name).cloned() {
            let params = self.swap_params(args.get(1..).unwrap_or_default().to_vec());
            self.node(&body);
            if self.stop == Some(Stop::Return) {
                self.stop = None;
            }
            self.swap_params(params);
            return self.status;
        }
        if let Some(builtin) = commands::builtin(self, name) {
            return builtin(self, args);
        }
        self.program(args)
    }

    /// Runs a program: finds its file, then plays it.
    pub(super) fn program(&mut self, args: &[String]) -> u8 {
        let Some(name) = args.first() else { return 0 };
        let Some(path) = self.find_program(name) else { return self.missing(name) };
        let stat = match self.vfs.stat(&path) {
            Ok(stat) => stat,
            Err(error) => {
                self.shell_error(&format!("{name}: {error}"));
                return 127;
            }
        };
        if stat.kind == Kind::Dir {
            self.shell_error(&format!("{name}: Is a directory"));
            return 126;
        }
        if !self.vfs.access(&path, 1) {
            self.shell_error(&format!("{name}: Permission denied"));
            return 126;
        }
        let real = self.vfs.real(&path).unwrap_or_else(|_| path.clone());
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let called = if base(&real) == "busybox" || commands::find(&base(&path)).is_some() {
            base(&path)
        } else {
            base(&real)
        };
        if self.vfs.is_own(&real) {
            return self.own_file(&real, args);
        }
        match commands::find(&called) {
            Some(command) => command(self, args),
            None => 0,
        }
    }

    /// Runs a file the visitor brought: a script is read, a program starts and goes to the background.
    fn own_file(&mut self, path: &str, args: &[String]) -> u8 {
        let bytes = self.vfs.read(path).map(std::borrow::Cow::into_owned).unwrap_or_default();
        if bytes.starts_with(b"\x7fELF") {
            let fits = bytes.get(4) == Some(&2) && bytes.get(18) == Some(&0x3e) && bytes.len() > 512;
            if !fits {
                let name = args.first().map_or("", String::as_str);
                self.shell_error(&format!("{name}: cannot execute binary file: Exec format error"));
                return 126;
            }
            return 0;
        }
        let params = self.swap_params(args.get(1..).unwrap_or_default().to_vec());
        let interactive = std::mem::replace(&mut self.interactive, false);
        self.nested(&decode(&bytes));
        self.interactive = interactive;
        self.swap_params(params);
        self.status
    }

    /// Where a command's file is; a name with a slash is its own path.
    pub(super) fn find_program(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return Some(self.vfs.resolve(self.cwd(), name));
        }
        let path = self.env_get("PATH").unwrap_or_default().to_owned();
        let candidates =
            path.split(':').take(32).map(|dir| self.vfs.resolve(self.cwd(), &format!("{dir}/{name}")));
        candidates.into_iter().find(|path| self.vfs.stat(path).is_ok_and(|s| s.kind == Kind::File))
    }
}
