//! `events --replay`: a recorded terminal session.

use std::io::Read;
use std::time::{Duration, Instant};

use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use super::interrupt::Watch;
use crate::event::escape;
use crate::event::replay::{Filter, Recording, find};

/// Longest pause between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(cx: &mut Context, id: &str, speed: f64) -> CliResult {
    let events = cx.state_dir()?.events_dir();
    let shown = escape::text(id).into_owned();
    let failed = |e: std::io::Error| CliError::new(Kind::Failure, format!("cannot replay `{shown}`: {e}"));
    let path = find(&events, id).map_err(|e| {
        failed(e)
            .hint("`decnet events --service ssh,telnet --kind request` shows which sessions have a recording")
    })?;
    if !cx.ui.on_terminal() {
        return copy(cx, &path).map_err(failed);
    }
    let mut recording = Recording::open(&path).map_err(failed)?;
    let watch = Watch::start();
    let mut filter = Filter::default();
    let began = Instant::now();
    'frames: while let Some((at, text)) = recording.next_output().map_err(failed)? {
        loop {
            let due = Duration::try_from_secs_f64(at.as_secs_f64() / speed).unwrap_or(Duration::MAX);
            let left = due.saturating_sub(began.elapsed());
            if watch.came() {
                break 'frames;
            }
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LOOK));
        }
        cx.ui.data(&filter.pass(&text));
        if cx.ui.closed() {
            break;
        }
    }
    // Whatever colours it left on end with it.
    cx.ui.data("\u{1b}[0m\r\n");
    watch.kind().map_or(Ok(()), |kind| Err(CliError::silent(kind)))
}

/// The file as it is: it is ASCII, every line of it JSON.
fn copy(cx: &mut Context, path: &std::path::Path) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 || cx.ui.closed() {
            return Ok(());
        }
        cx.ui.data(&String::from_utf8_lossy(buffer.get(..got).unwrap_or_default()));
    }
}
