//! The fleet file as a whole: bytes in, specification and diagnostics out.

mod deletion;
mod export;
mod grammar;
mod meaning;
mod problems;
mod rendering;

use super::{Loaded, Options, load};

pub(super) fn read(text: &str) -> Loaded {
    load(text.as_bytes(), &Options { name: "fleet.ini", ..Options::default() })
}

pub(super) fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|d| d.code).collect()
}

/// Reads a text that has nothing wrong.
#[track_caller]
pub(super) fn clean(text: &str) -> Loaded {
    let loaded = read(text);
    assert_eq!(codes(&loaded), [""; 0], "{:#?}", loaded.diagnostics);
    loaded
}

pub(super) fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.spec.deckies.iter().map(|d| d.name.as_str()).collect()
}
