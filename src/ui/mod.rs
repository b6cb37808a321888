//! The one owner of the terminal: nothing else in the program prints.
//!
//! Standard output carries data, standard error everything else. Text that came from a file or an
//! attacker is escaped by whoever composes it, through [`escape`].

pub mod plan_text;
pub mod progress;
pub mod table;
pub mod wire;

use std::io::{self, BufRead, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Errors only.
    Quiet,
    /// Results, warnings, hints.
    Normal,
    /// Details as well.
    Verbose,
}

/// The terminal, or the pipes in its place.
pub struct Ui {
    loudness: Loudness,
    color_out: bool,
    color_err: bool,
    may_ask: bool,
    progress_bars: bool,
    on_terminal: bool,
    width: Option<u16>,
    stdout_closed: bool,
    stdout_error: Option<io::Error>,
}

/// What decides on colour; the environment is read by the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colors {
    /// `--color always` or `never`; none means auto.
    pub forced: Option<bool>,
    /// `NO_COLOR` is set and not empty, or TERM is `dumb`.
    pub suppressed: bool,
}

impl Colors {
    fn on(self, terminal: bool) -> bool {
        self.forced.unwrap_or(terminal && !self.suppressed)
    }
}

/// Style of a warning's first word.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Style of an error's first word.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Style of a hint's first word.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Style of what is added or well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Style of what changes or limps.
pub const MIDDLING: Style = AnsiColor::Yellow.on_default();
/// Style of what goes or is down.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Style of what matters less.
pub const DIM: Style = Style::new().dimmed();

impl Ui {
    /// Looks at the three streams.
    pub fn new(loudness: Loudness, colors: Colors, no_input: bool) -> Self {
        let out = io::stdout().is_terminal();
        let err = io::stderr().is_terminal();
        let width = out.then(rustix_width).flatten();
        Self {
            loudness,
            color_out: colors.on(out),
            color_err: colors.on(err),
            may_ask: !no_input && io::stdin().is_terminal() && err,
            progress_bars: err && !colors.suppressed && loudness == Loudness::Normal,
            on_terminal: out,
            width,
            stdout_closed: false,
            stdout_error: None,
        }
    }

    /// Whether data is coloured.
    pub fn color_out(&self) -> bool {
        self.color_out
    }

    /// Whether messages are coloured.
    pub fn color_err(&self) -> bool {
        self.color_err
    }

    /// Whether a person can be asked.
    pub fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// Whether to draw bars rather than lines.
    pub fn progress_bars(&self) -> bool {
        self.progress_bars
    }

    /// How much is said.
    pub fn loudness(&self) -> Loudness {
        self.loudness
    }

    /// Whether data goes to a terminal.
    pub fn on_terminal(&self) -> bool {
        self.on_terminal
    }

    /// Columns of the terminal that data goes to; none into a pipe.
    pub fn width(&self) -> Option<u16> {
        self.width
    }

    /// Writes data. A reader that went away is no error: the rest is dropped. Any other failure is
    /// kept for [`Ui::finish`], so that an apply in progress is never cut short by its own output.
    pub fn data(&mut self, text: &str) {
        if self.stdout_closed {
            return;
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.stdout_closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.stdout_error = Some(error);
            }
        }
    }

    /// Whether nobody reads the data any more: a command that only reads may stop.
    pub fn closed(&self) -> bool {
        self.stdout_closed
    }

    /// The write error that was kept, if any.
    pub fn finish(&mut self) -> Option<io::Error> {
        self.stdout_error.take()
    }

    /// A line for people: what was done.
    pub fn note(&mut self, text: &str) {
        if self.loudness >= Loudness::Normal {
            self.say(None, text);
        }
    }

    /// A line for people who want details.
    pub fn detail(&mut self, text: &str) {
        if self.loudness >= Loudness::Verbose {
            self.say(None, text);
        }
    }

    /// A warning.
    pub fn warn(&mut self, text: &str) {
        if self.loudness >= Loudness::Normal {
            self.say(Some(("warning", WARNING)), text);
        }
    }

    /// What to do next.
    pub fn hint(&mut self, text: &str) {
        if self.loudness >= Loudness::Normal {
            self.say(Some(("hint", HINT)), text);
        }
    }

    /// An error; said even when quiet.
    pub fn error(&mut self, text: &str) {
        self.say(Some(("error", ERROR)), text);
    }

    /// Text that is already laid out (diagnostics); said even when quiet.
    pub fn raw_error(&mut self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn say(&self, head: Option<(&str, Style)>, text: &str) {
        let line = match head {
            Some((word, style)) => format!("{}: {text}\n", paint(self.color_err, style, word)),
            None => format!("{text}\n"),
        };
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    /// Asks once; `y` or `yes` is yes, everything else, the end of input included, is no.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

fn rustix_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col >= 20).then_some(size.ws_col)
}

/// `text` in `style`, or as it is.
pub fn paint(on: bool, style: Style, text: &str) -> String {
    if on { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// `1 decky`, `2 deckies`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_beat_the_environment_and_the_environment_beats_the_terminal() {
        let auto = Colors::default();
        assert!(auto.on(true) && !auto.on(false));
        let suppressed = Colors { suppressed: true, ..auto };
        assert!(!suppressed.on(true));
        assert!(Colors { forced: Some(true), ..suppressed }.on(false));
        assert!(!Colors { forced: Some(false), ..auto }.on(true));
    }

    #[test]
    fn paints_only_when_asked() {
        assert_eq!(paint(false, GOOD, "x"), "x");
        assert!(paint(true, GOOD, "x").contains('\u{1b}'));
        assert_eq!(count(1, "decky", "deckies"), "1 decky");
        assert_eq!(count(0, "decky", "deckies"), "0 deckies");
    }
}
