//! The fleet file: text in, specification and diagnostics out, and back (contract §7).
//!
//! Pure: bytes and strings only. The order is scan (lines, with places) → resolve (sections, schema, expansion)
//! → agree (a second parser must see the same). Problems are collected, never thrown: the caller gets all of them
//! at once and may use the specification only if none is an error.

mod agree;
mod custom;
mod decky;
mod diagnostic;
mod entry;
mod escape;
mod general;
mod hidden;
mod removal;
mod render;
mod resolve;
mod scan;
mod section;
mod services;
mod subsection;
mod text;
mod unique;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use diagnostic::{CODES, Diagnostic, Related, Severity};
pub use hidden::Hidden;
pub use removal::{commented_out, near_renames, removal_warnings, shrunk_groups};
pub use render::render;
pub use write::{WriteError, write};

use crate::model::{CustomService, FleetSpec};
use diagnostic::{Problem, Sink};
use text::Text;

/// Largest file in bytes.
pub const MAX_BYTES: usize = 512 * 1024;

/// Most deckies one section expands to.
pub const MAX_AMOUNT: i64 = 100;

/// Most deckies one file expands to. Far above any subnet in use: it only bounds memory, as 512 KiB of
/// `amount=100` would make millions.
pub const MAX_DECKIES: usize = 262_144;

/// How a file is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// What diagnostics call the file: its path, or `-`.
    pub name: &'a str,
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Custom services of the recorded fleet, which the file's deckies may run too.
    pub known_customs: &'a [CustomService],
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it asks for; usable only if no diagnostic is an error.
    pub spec: FleetSpec,
    /// Every problem, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Section headers inside comments and values, for [`commented_out`].
    pub hidden: Vec<Hidden>,
}

impl Loaded {
    /// Whether the specification must not be used.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Reads a file. Takes any bytes, never panics, and reports every problem it can find in one go.
pub fn load(bytes: &[u8], options: &Options) -> Loaded {
    let mut loaded = match readable(bytes) {
        Ok(source) => {
            let text = Text::new(source);
            let mut sink = Sink::new(&text, options.name);
            let scan = scan::scan(&text, &mut sink);
            let spec = resolve::resolve(&text, &scan, options, &mut sink);
            if !sink.has_errors() {
                agree::check(&text, &scan, &mut sink);
            }
            Loaded { spec, diagnostics: sink.finish(), hidden: scan.hidden }
        }
        Err(refused) => {
            let (valid, problem) = *refused;
            let text = Text::new(valid);
            let mut sink = Sink::new(&text, options.name);
            sink.add(problem);
            Loaded { spec: FleetSpec::default(), diagnostics: sink.finish(), hidden: Vec::new() }
        }
    };
    if options.strict {
        for diagnostic in &mut loaded.diagnostics {
            diagnostic.severity = Severity::Error;
        }
    }
    loaded
}

/// The bytes as text for [`render`]: the same offsets as the spans of the diagnostics of [`load`].
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The text of a file, or as much of it as can be read and why not more.
fn readable(bytes: &[u8]) -> Result<&str, Box<(&str, Problem)>> {
    if bytes.len() > MAX_BYTES {
        let message =
            format!("the file is too large: {} bytes, and {MAX_BYTES} (512 KiB) are the limit", bytes.len());
        let problem = Problem::of_file("too-large", message)
            .help("split the fleet into several files and deploy them one after the other");
        return Err(Box::new(("", problem)));
    }
    let source = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let valid = bytes.get(..at).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let help = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            "this is UTF-16; save the file as UTF-8"
        } else {
            "save the file as UTF-8"
        };
        let end = at + error.error_len().unwrap_or(1);
        let message = format!("the file is not UTF-8: byte 0x{byte:02x} at offset {at} begins no character");
        Box::new((valid, Problem::error("not-utf8", at..end, message).help(help)))
    })?;
    if source.trim_start_matches('\u{feff}').trim().is_empty() {
        let problem = Problem::of_file("no-decky", "the file is empty".to_owned())
            .help("a decky is a section with its name: [web-01]");
        return Err(Box::new((source, problem)));
    }
    Ok(source)
}
