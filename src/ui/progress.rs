//! How an apply is watched: a bar on a terminal, one line per finished decky elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{BAD, GOOD, MIDDLING, Ui, paint};
use crate::event::escape;

/// Shows how far an apply is.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    color: bool,
    total: usize,
    done: usize,
}

/// How one decky ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As wanted.
    Good,
    /// In part.
    Partly,
    /// Not.
    Bad,
}

impl Progress {
    /// Starts watching `total` deckies.
    pub fn new(ui: &Ui, total: usize) -> Self {
        let bar = (ui.progress_bars() && total > 1).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let quiet = ui.loudness() == super::Loudness::Quiet;
        Self { bar, quiet, color: ui.color_err(), total, done: 0 }
    }

    /// One decky ended: `what` is a word like `running`.
    pub fn ended(&mut self, ui: &mut Ui, name: &str, what: &str, mark: Mark, reason: Option<&str>) {
        self.done += 1;
        let style = match mark {
            Mark::Good => GOOD,
            Mark::Partly => MIDDLING,
            Mark::Bad => BAD,
        };
        let mut line = format!(
            "[{:>width$}/{}] {} {}",
            self.done,
            self.total,
            escape::text(name),
            paint(self.color, style, what),
            width = self.total.to_string().len()
        );
        if let Some(reason) = reason {
            line.push_str(": ");
            line.push_str(&escape::text(reason));
        }
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                if mark == Mark::Good {
                    bar.set_message(escape::text(name).into_owned());
                } else {
                    bar.println(line);
                }
            }
            None if !self.quiet => ui.note(&line),
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
