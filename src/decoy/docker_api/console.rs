//! What runs in a container: nothing. A shell is played, on a machine of the image's kind.

use serde_json::Value;

use super::state::Container;
use crate::decoy::http::response::Dialogue;
use crate::decoy::session::Recorder;
use crate::decoy::shell::{Shell, Tty, TtyEvent};
use crate::event::{FIELD_MAX, Kind};
use crate::model::Persona;

/// Commands of one dialogue that become events of their own.
const COMMANDS_MAX: u32 = 500;
/// Bytes of input without a line end that are kept.
const LINE_MAX: usize = 4096;

/// A shell inside this container.
fn shell(persona: &Persona, container: &str, image: &str, address: u8) -> Shell {
    let distro = ["alpine", "ubuntu", "rocky", "centos", "fedora", "kali", "arch"]
        .into_iter()
        .find(|word| image.contains(word))
        .unwrap_or(if image.contains("busybox") { "alpine" } else { "debian" });
    let distro = match distro {
        "ubuntu" => "ubuntu22",
        "rocky" => "rocky9",
        "centos" => "centos7",
        other => other,
    };
    let inside = Persona {
        hostname: container.get(..12).unwrap_or(container).to_owned(),
        ip: [172, 17, 0, address].into(),
        gateway: Some([172, 17, 0, 1].into()),
        distro: distro.to_owned(),
        nmap_os: "linux".into(),
        archetype: None,
        seed: persona.seed.child(&format!("docker/{container}")),
        services: Default::default(),
        ..persona.clone()
    };
    Shell::new(&inside, "root")
}

/// A command line as a shell reads it: what `sh -c` is given, or the words with quotes.
pub(super) fn line(command: &[String]) -> String {
    let shells = ["sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash"];
    match command {
        [shell, flag, script, ..] if shells.contains(&shell.as_str()) && flag.ends_with('c') => {
            script.clone()
        }
        [shell] if shells.contains(&shell.as_str()) => String::new(),
        words => words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a command leaves the container for the root of the host that is mounted in it, and what it runs
/// then: the way out that is tried first.
fn way_out<'a>(container: &Container, command: &'a [String]) -> (bool, &'a [String]) {
    let binds = container.host.get("Binds").and_then(Value::as_array);
    let mounts_at = |place: &str| {
        let fits = |bind: &Value| {
            let mut parts = bind.as_str().unwrap_or_default().split(':');
            parts.next() == Some("/")
                && parts.next().map(|p| p.trim_end_matches('/')) == Some(place.trim_end_matches('/'))
        };
        binds.is_some_and(|binds| binds.iter().take(16).any(fits))
    };
    match command {
        [chroot, place, rest @ ..] if chroot.ends_with("chroot") && mounts_at(place) => (true, rest),
        _ => (false, command),
    }
}

/// The shell that plays a command of this container, and the command.
fn player<'a>(persona: &Persona, container: &Container, command: &'a [String]) -> (Shell, &'a [String]) {
    let (out, command) = way_out(container, command);
    if out {
        return (Shell::new(persona, "root"), command);
    }
    (shell(persona, &container.id, &container.image, container.address), command)
}

/// What a command prints, and its status.
pub(super) fn run(persona: &Persona, container: &Container, command: &[String]) -> (Vec<u8>, i32) {
    if is_dialogue(container, command) {
        return (Vec::new(), 0);
    }
    let (mut shell, command) = player(persona, container, command);
    let exec = shell.exec_command(line(command).as_bytes());
    (exec.output, exec.status.into())
}

/// Whether somebody would talk to this command rather than wait for it.
pub(super) fn is_dialogue(container: &Container, command: &[String]) -> bool {
    line(way_out(container, command).1).trim().is_empty()
}

/// A shell that a visitor talks to.
pub(super) struct Console {
    shell: Shell,
    /// With a terminal; without one lines come and go as they are.
    tty: Option<Tty>,
    /// Output is framed as one of several streams.
    framed: bool,
    pending: Vec<u8>,
    started: bool,
    commands: u32,
    container: String,
}

impl Console {
    pub(super) fn new(persona: &Persona, container: &Container, command: &[String], tty: bool) -> Self {
        Self {
            shell: player(persona, container, command).0,
            tty: tty.then(Tty::new),
            framed: !tty,
            pending: Vec::new(),
            started: false,
            commands: 0,
            container: container.id.clone(),
        }
    }

    fn typed(&mut self, typed: &[u8], record: &Recorder, out: &mut Vec<u8>) -> bool {
        if typed.iter().any(|b| !b.is_ascii_whitespace()) {
            self.commands = self.commands.saturating_add(1);
            if self.commands <= COMMANDS_MAX {
                record
                    .event(Kind::Command, "input")
                    .user(b"root")
                    .bytes("process.command_line", typed)
                    .text("container.id", &self.container)
                    .emit();
            }
        }
        let exec = self.shell.exec(typed);
        out.extend_from_slice(&exec.output);
        exec.exit
    }
}

/// What is printed on a terminal has returns before its line ends.
pub(super) fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

impl Dialogue for Console {
    fn hear(&mut self, input: &[u8], record: &Recorder) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut done = false;
        let Some(mut tty) = self.tty.take() else {
            self.pending.extend_from_slice(input);
            while let Some(at) = self.pending.iter().position(|b| *b == b'\n') {
                let typed: Vec<u8> = self.pending.drain(..=at).collect();
                done = self.typed(typed.trim_ascii_end(), record, &mut out);
                if done {
                    break;
                }
            }
            self.pending.truncate(LINE_MAX);
            return (stream(&out, self.framed), done);
        };
        if !self.started {
            self.started = true;
            let prompt = self.shell.prompt();
            tty.set_prompt(&prompt);
            out.extend_from_slice(&prompt);
        }
        let mut shown = Vec::new();
        for event in tty.feed(input, &mut shown) {
            out.append(&mut shown);
            match event {
                TtyEvent::Line(typed) => {
                    let mut said = Vec::new();
                    done = self.typed(&typed, record, &mut said);
                    out.extend(crlf(&said));
                }
                TtyEvent::Interrupt => self.shell.interrupt(),
                TtyEvent::Eof => done = true,
            }
            if done {
                break;
            }
            let prompt = self.shell.prompt();
            tty.set_prompt(&prompt);
            out.extend_from_slice(&prompt);
        }
        out.append(&mut shown);
        self.tty = Some(tty);
        (out, done)
    }
}

/// Output as it goes over an attached connection.
pub(super) fn stream(text: &[u8], framed: bool) -> Vec<u8> {
    if !framed {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len().saturating_add(16));
    for part in text.chunks(16 * 1024) {
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Says what it has to say; what it hears is noted.
pub(super) struct Printed {
    pub(super) output: Vec<u8>,
    /// It waits for the client to end its input.
    pub(super) listens: bool,
    pub(super) heard: usize,
}

impl Dialogue for Printed {
    fn hear(&mut self, input: &[u8], record: &Recorder) -> (Vec<u8>, bool) {
        self.heard = self.heard.saturating_add(input.len());
        if !input.is_empty() && self.heard <= FIELD_MAX {
            record.event(Kind::Command, "stdin").bytes("input", input).emit();
        }
        (std::mem::take(&mut self.output), !self.listens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(line(&words(&["sh", "-c", "id; ls"])), "id; ls");
        assert_eq!(line(&words(&["chroot", "/mnt", "a b'c"])), "chroot /mnt 'a b'\\''c'");
    }

    #[test]
    fn streams_are_framed() {
        assert_eq!(stream(b"hi", true), b"\x01\0\0\0\0\0\0\x02hi");
        assert_eq!(stream(b"hi", false), b"hi");
        assert!(stream(b"", true).is_empty());
        assert_eq!(crlf(b"a\nb\r\n"), b"a\r\nb\r\n");
    }
}
