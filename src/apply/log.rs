//! The engine's own log: lines on standard error, which a background engine has in `engine.log`.

use std::fs::{self, OpenOptions};

use crate::host::StateDir;

/// A log that grew beyond this is put aside, in bytes.
const MAX_LOG: u64 = 4 << 20;

/// Writes one line.
pub(super) fn line(text: &str) {
    crate::host::stdio::log("engine", text);
}

/// Puts a log that grew too long aside. Every writer appends, so emptying it in place is safe.
pub(super) fn trim(dir: &StateDir) {
    let path = dir.engine_log();
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > MAX_LOG) {
        let kept = fs::copy(&path, path.with_extension("log.1")).map(drop);
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(0));
        if let Err(error) = kept.and(cut) {
            line(&format!("cannot put the log aside: {error}"));
        }
    }
}
