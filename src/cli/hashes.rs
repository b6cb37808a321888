//! `events -o hashcat` and `-o john`: logins for a password cracker.
//!
//! Standard output has nothing but lines that the cracker reads: each once, sorted by mode, so that a file
//! of one mode is one flag away. What there was and what was left out goes to standard error.

use std::collections::{BTreeMap, BTreeSet};

use super::args::Output;
use super::context::Context;
use crate::event::SecretKind;
use crate::event::hash::{self, Form, Left, Line};
use crate::event::read::View;
use crate::ui::count;

/// What was found.
pub(super) struct Hashes {
    form: Form,
    mode: Option<u32>,
    lines: BTreeSet<Line>,
    found: BTreeMap<(u32, &'static str), usize>,
    left: BTreeMap<Left, usize>,
}

impl Hashes {
    /// For an output that is a cracker's.
    pub(super) fn new(output: Output, mode: Option<u32>) -> Option<Self> {
        let form = match output {
            Output::Hashcat => Form::Hashcat,
            Output::John => Form::John,
            _ => return None,
        };
        Some(Self { form, mode, lines: BTreeSet::new(), found: BTreeMap::new(), left: BTreeMap::new() })
    }

    /// Takes a login; prints its line at once when there is no end to wait for.
    pub(super) fn take(&mut self, cx: &mut Context, view: &View, now: bool) {
        match hash::line(view, self.form) {
            Ok(line) => {
                let text = line.text.clone();
                let group = (line.mode, line.name);
                if !self.lines.insert(line) {
                    return;
                }
                *self.found.entry(group).or_default() += 1;
                if now && self.wanted(group.0) {
                    cx.ui.data(&format!("{text}\n"));
                }
            }
            Err(left) => *self.left.entry(left).or_default() += 1,
        }
    }

    fn wanted(&self, mode: u32) -> bool {
        self.mode.is_none_or(|only| only == mode)
    }

    /// Prints what was gathered, and says what it is.
    pub(super) fn finish(self, cx: &mut Context) {
        for line in self.lines.iter().filter(|line| self.wanted(line.mode)) {
            cx.ui.data(&format!("{}\n", line.text));
        }
        for ((mode, name), number) in &self.found {
            let what = count(*number, "line", "lines");
            let other = if self.wanted(*mode) { "" } else { ", not asked for" };
            match self.form {
                Form::Hashcat => cx.ui.note(&format!("mode {mode}: {what} ({name}){other}")),
                Form::John => cx.ui.note(&format!("{name}: {what}")),
            }
        }
        let cracker = if self.form == Form::Hashcat { "hashcat" } else { "John" };
        let mut john = false;
        for (left, number) in &self.left {
            let what = count(*number, "login", "logins");
            match left {
                // Nothing was tried, so nothing is missing.
                Left::NoSecret => {}
                Left::Clear => {
                    cx.ui.note(&format!("left out: {what} with nothing to crack: clear text, tokens, public keys (`-o json` has them)"));
                }
                Left::NoForm(kind) => {
                    john |= *kind == SecretKind::VncDes;
                    cx.ui.note(&format!("left out: {what} of {kind}: {cracker} has no form for it"));
                }
                Left::Incomplete(kind) => {
                    cx.ui.note(&format!("left out: {what} of {kind} that {cracker}'s form cannot hold"));
                }
            }
        }
        if john {
            cx.ui.hint("John reads VNC: `-o john`");
        }
        if self.form == Form::Hashcat && self.mode.is_none() && self.found.len() > 1 {
            cx.ui.hint("hashcat takes one mode a run: `--hash-mode MODE` prints the lines of one");
        }
    }
}
