//! The standard streams of the processes that are not the command line: the engine and its children.
//! Their standard error is a log; the engine's standard output is one answer to whoever started it.

use std::io::{self, Write};

/// Writes one log line, with the time and who says it. Control characters are escaped: names and
/// reasons come from rows of other tools.
pub(crate) fn log(who: &str, text: &str) {
    let mut safe = String::with_capacity(text.len() + 40);
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    let now = jiff::Timestamp::now();
    // Nowhere is left to complain about a log that cannot be written.
    let _ = writeln!(io::stderr(), "{now:.3} decnet {who}: {safe}");
}

/// Writes the answer. Whoever waited for it may be gone; that is no reason to fail.
pub(crate) fn answer(line: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(line).and_then(|()| out.flush());
}
