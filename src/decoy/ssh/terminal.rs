//! The shell on a channel, with and without a terminal.

use super::channel::{Program, Shared, Step};
use crate::decoy::cast::Cast;
use crate::decoy::shell::{Exec, Shell, Tty, TtyEvent};
use crate::event::Kind;

/// Bytes of input handled in one step.
const SLICE: usize = 512;
/// Longest line of a shell without a terminal.
const LINE_MAX: usize = 16 * 1024;
/// Status of a shell whose last command was interrupted.
const INTERRUPTED: u8 = 130;

/// What a login shell says at its end.
const GOODBYE: &[u8] = b"logout\n";

/// Output as a terminal in its usual mode shows it: `\n` becomes `\r\n`.
pub(super) fn cooked(output: &[u8]) -> Vec<u8> {
    let mut cooked = Vec::with_capacity(output.len() + output.len() / 16);
    let mut last = 0;
    for &byte in output {
        if byte == b'\n' && last != b'\r' {
            cooked.push(b'\r');
        }
        cooked.push(byte);
        last = byte;
    }
    cooked
}

/// A shell over the files of its connection.
struct Seat(Shell);

impl Seat {
    fn new(shared: &Shared) -> Self {
        Self(Shell::on(shared.vfs.clone(), &shared.user))
    }

    /// Runs something in the shell; all channels of a connection see what it does to files.
    fn with(&mut self, shared: &mut Shared, run: impl FnOnce(&mut Shell) -> Exec) -> Exec {
        std::mem::swap(self.0.vfs_mut(), &mut shared.vfs);
        // `su` changes who this shell is, and nobody else.
        let (uid, gid) = (self.0.user().uid, self.0.user().gid);
        self.0.vfs_mut().become_user(uid, gid);
        let done = run(&mut self.0);
        std::mem::swap(self.0.vfs_mut(), &mut shared.vfs);
        shared.become_login();
        done
    }

    fn line(&mut self, line: &[u8], shared: &mut Shared) -> Exec {
        if self.0.is_secret() {
            shared.command("answer", line);
        } else if !line.is_empty() {
            shared.command("shell", line);
        }
        let done = self.with(shared, |shell| shell.exec(line));
        fetched(&done, shared);
        done
    }
}

/// Records what a line would have fetched.
fn fetched(done: &Exec, shared: &Shared) {
    for fetch in &done.fetched {
        shared
            .event(Kind::File, "fetch")
            .outcome(false)
            .bytes("url.original", fetch.url.as_bytes())
            .bytes("process.name", fetch.tool.as_bytes())
            .emit();
    }
}

/// Runs one command of an `exec` request.
pub(super) fn run(command: &[u8], shared: &mut Shared) -> Exec {
    let done = Seat::new(shared).with(shared, |shell| shell.exec_command(command));
    fetched(&done, shared);
    done
}

/// Whether a command is a shell that takes its commands from the client.
pub(super) fn is_shell(command: &[u8]) -> bool {
    let mut words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = words.next().and_then(|word| word.rsplit(|b| *b == b'/').next());
    let shell = name.is_some_and(|name| matches!(name, b"sh" | b"bash" | b"ash" | b"dash"));
    shell && words.all(|word| word.starts_with(b"-") && !word.contains(&b'c'))
}

/// A login shell on a terminal.
pub(super) struct Terminal {
    seat: Seat,
    tty: Tty,
    status: u8,
    cast: Option<Cast>,
}

impl Terminal {
    /// Starts it; greeting and prompt go to `out`.
    pub(super) fn login(shared: &Shared, cast: Option<Cast>, out: &mut Vec<u8>) -> Self {
        let mut terminal = Self { seat: Seat::new(shared), tty: Tty::new(), status: 0, cast };
        let from = out.len();
        out.extend(cooked(&terminal.seat.0.banner()));
        terminal.prompt(out);
        terminal.shown(out.get(from..));
        terminal
    }

    fn shown(&mut self, bytes: Option<&[u8]>) {
        if let (Some(cast), Some(bytes)) = (&mut self.cast, bytes) {
            cast.output(bytes);
        }
    }

    fn prompt(&mut self, out: &mut Vec<u8>) {
        let prompt = cooked(&self.seat.0.prompt());
        self.tty.set_prompt(&prompt);
        self.tty.set_echo(!self.seat.0.is_secret());
        out.extend(prompt);
    }
}

impl Program for Terminal {
    /// Handles keys up to the next finished line: the echo of what was typed ahead comes after the
    /// prompt, as with a real line editor.
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        if input.is_empty() {
            return Step::Idle;
        }
        let from = out.len();
        let step = self.keys(input, shared, out);
        self.shown(out.get(from..));
        step
    }

    fn eof(&mut self, _: &mut Shared, _: &mut Vec<u8>) -> u8 {
        self.status
    }

    fn resize(&mut self, size: (u32, u32)) {
        if let Some(cast) = &mut self.cast {
            cast.resize(size);
        }
    }
}

impl Terminal {
    fn keys(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        let mut used = 0;
        let mut event = None;
        for byte in input.iter().take(SLICE) {
            used += 1;
            event = self.tty.feed(&[*byte], out).pop();
            if event.is_some() {
                break;
            }
        }
        input.drain(..used);
        match event {
            None => return Step::More,
            Some(TtyEvent::Line(line)) => {
                let done = self.seat.line(&line, shared);
                out.extend(cooked(&done.output));
                self.status = done.status;
                if done.exit {
                    return Step::End(done.status);
                }
            }
            Some(TtyEvent::Interrupt) => {
                self.seat.0.interrupt();
                self.status = INTERRUPTED;
            }
            Some(TtyEvent::Eof) => {
                let done = self.seat.with(shared, Shell::eof);
                out.extend(cooked(&done.output));
                if done.exit {
                    return Step::End(self.status);
                }
            }
        }
        self.prompt(out);
        Step::More
    }
}

/// A shell that reads lines from a pipe.
pub(super) struct Lines {
    seat: Seat,
    status: u8,
}

impl Lines {
    /// A login shell, or one that `command` started.
    pub(super) fn new(shared: &Shared, command: Option<&[u8]>) -> Self {
        let mut seat = Seat::new(shared);
        let name = command.and_then(|c| c.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()));
        seat.0.pipe(name.map(String::from_utf8_lossy).as_deref());
        Self { seat, status: 0 }
    }
}

impl Program for Lines {
    fn step(&mut self, input: &mut Vec<u8>, shared: &mut Shared, out: &mut Vec<u8>) -> Step {
        let end = input.iter().take(LINE_MAX).position(|b| *b == b'\n');
        let line: Vec<u8> = match end {
            Some(end) => {
                let mut line: Vec<u8> = input.drain(..=end).collect();
                line.pop();
                line
            }
            None if input.len() >= LINE_MAX => input.drain(..LINE_MAX).collect(),
            None => return Step::Idle,
        };
        let mut done = self.seat.line(&line, shared);
        if done.exit && done.output.ends_with(GOODBYE) {
            // Only a shell on a terminal says it.
            done.output.truncate(done.output.len() - GOODBYE.len());
        }
        out.extend(done.output);
        self.status = done.status;
        if done.exit { Step::End(done.status) } else { Step::More }
    }

    /// The last line may lack its end.
    fn eof(&mut self, _: &mut Shared, _: &mut Vec<u8>) -> u8 {
        self.status
    }
}
