//! Variables, names and numbers of the shell itself.

use std::collections::BTreeMap;

use super::ast::Node;
use super::login;
use super::{Flavor, MAX_HISTORY, Shell};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{Machine, User};

/// Most variables, functions or aliases.
const MAX_NAMES: usize = 256;
/// Most bytes of all variables.
const MAX_VALUES: usize = 64 * 1024;

/// What a copy of the shell has for itself.
#[derive(Clone)]
pub(super) struct Env {
    /// Values, and whether they are exported.
    pub(super) vars: BTreeMap<String, (String, bool)>,
    /// Working directory.
    pub(super) cwd: String,
    /// Positional parameters.
    pub(super) params: Vec<String>,
    /// `$0`.
    pub(super) name: String,
}

impl Env {
    /// As after a login.
    pub(super) fn login(machine: &Machine, user: &User) -> Self {
        let alpine = machine.distro.family == Family::Alpine;
        let path = match (user.uid, machine.distro.family) {
            (0, Family::RedHat) => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/root/bin",
            (_, Family::RedHat) => "/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin",
            (_, Family::Arch) => "/usr/local/sbin:/usr/local/bin:/usr/bin",
            (_, Family::Alpine) | (0, _) => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            _ => "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
        };
        let mail = if machine.distro.family == Family::RedHat { "/var/spool/mail" } else { "/var/mail" };
        let mut vars = BTreeMap::new();
        for (name, value) in [
            ("HOME", user.home.clone()),
            ("LOGNAME", user.name.clone()),
            ("USER", user.name.clone()),
            ("SHELL", user.shell.clone()),
            ("PATH", path.to_owned()),
            ("TERM", "xterm".to_owned()),
            ("MAIL", format!("{mail}/{}", user.name)),
            ("LANG", if alpine { "C.UTF-8" } else { "en_US.UTF-8" }.to_owned()),
            ("SHLVL", "1".to_owned()),
            ("PWD", user.home.clone()),
        ] {
            vars.insert(name.to_owned(), (value, true));
        }
        if !alpine {
            vars.insert("BASH_VERSION".to_owned(), (machine.distro.shell_version.to_owned(), false));
        }
        let name = if alpine { "-ash" } else { "-bash" };
        Self { vars, cwd: user.home.clone(), params: Vec::new(), name: name.to_owned() }
    }

    /// Bytes of all values.
    pub(super) fn size(&self) -> usize {
        self.vars.iter().map(|(name, (value, _))| name.len() + value.len() + 32).sum()
    }
}

impl Shell {
    pub(super) fn params(&self) -> &[String] {
        &self.env.params
    }

    pub(super) fn swap_params(&mut self, params: Vec<String>) -> Vec<String> {
        std::mem::replace(&mut self.env.params, params)
    }

    pub(super) fn name(&self) -> String {
        self.env.name.clone()
    }

    pub(super) fn env_get(&self, name: &str) -> Option<&str> {
        self.env.vars.get(name).map(|(value, _)| value.as_str())
    }

    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        let new = !self.env.vars.contains_key(name);
        self.burn(self.env.vars.len() + value.len());
        if (new && self.env.vars.len() >= MAX_NAMES) || self.env.size() + value.len() > MAX_VALUES {
            self.exhaust();
            return;
        }
        let exported = self.env.vars.get(name).is_some_and(|(_, exported)| *exported);
        self.env.vars.insert(name.to_owned(), (value.to_owned(), exported));
    }

    pub(super) fn export(&mut self, name: &str) {
        if let Some((_, exported)) = self.env.vars.get_mut(name) {
            *exported = true;
        }
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.env.vars.remove(name);
        self.functions.remove(name);
    }

    pub(super) fn define(&mut self, name: &str, body: &Node) {
        if self.functions.len() < MAX_NAMES / 8 || self.functions.contains_key(name) {
            self.functions.insert(name.to_owned(), body.clone());
        }
    }

    /// The shell's own process number: stable in a session.
    pub(super) fn pid(&self) -> u32 {
        let session = u32::try_from(self.started % 1_009).unwrap_or(0);
        login::first_pid(self.machine(), self.started)
            + session % 7
            + u32::try_from(self.levels.len()).unwrap_or(0) * 11
    }

    /// The number of the next process.
    pub(super) fn new_pid(&mut self) -> u32 {
        self.pids = self.pids.saturating_add(1);
        self.pid().saturating_add(90).saturating_add(self.pids)
    }

    /// Prints an error of the shell itself, with its name as it puts it.
    pub(super) fn shell_error(&mut self, message: &str) {
        let version = self.machine().distro.shell_version;
        let numbered = !matches!(version.get(..3), Some("4.2" | "5.0"));
        let name = self.env.name.clone();
        let line = self.line.max(1);
        let prefix = match self.flavor {
            Flavor::Dash => {
                format!("{}: {}: ", name.trim_start_matches('-'), if self.interactive { 1 } else { line })
            }
            Flavor::Ash if self.interactive => name,
            Flavor::Ash => name.trim_start_matches('-').to_owned(),
            Flavor::Bash if self.interactive => name,
            Flavor::Bash if numbered || self.line > 1 => format!("{name}: line {line}"),
            Flavor::Bash => name,
        };
        let prefix = prefix.trim_end_matches(": ").to_owned();
        self.fail(&format!("{prefix}: {message}"));
    }

    /// Says that there is no such command.
    pub(super) fn missing(&mut self, name: &str) -> u8 {
        let ubuntu = self.machine().distro.id_is("ubuntu");
        match self.flavor {
            _ if name.contains('/') => self.shell_error(&format!("{name}: No such file or directory")),
            Flavor::Dash | Flavor::Ash => self.shell_error(&format!("{name}: not found")),
            Flavor::Bash if ubuntu && self.interactive => {
                self.fail(&format!("{name}: command not found"));
            }
            Flavor::Bash => self.shell_error(&format!("{name}: command not found")),
        }
        127
    }

    pub(super) fn load_history(&mut self) {
        let file = if self.flavor == Flavor::Ash { ".ash_history" } else { ".bash_history" };
        let path = format!("{}/{file}", self.user.home);
        let text = self.vfs.read(&path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        self.history = text.lines().take(MAX_HISTORY).map(str::to_owned).collect();
    }

    pub(super) fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || line.starts_with(' ') {
            return;
        }
        while self.history.len() >= MAX_HISTORY
            || self.history.iter().map(String::len).sum::<usize>() > MAX_VALUES * 4
        {
            self.history.pop_front();
        }
        self.history.push_back(line.to_owned());
    }
}

impl Shell {
    /// Whether standard output is the terminal.
    pub(super) fn is_terminal_out(&self) -> bool {
        self.fds.out == Some(0) && self.interactive
    }
}
