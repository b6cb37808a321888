//! What runs on a channel without SSH around it, for the unit tests and the fuzz targets: a fuzzer does not
//! come through a key exchange.

use std::sync::Arc;

use super::channel::{Program, Shared, Step};
use super::scp::Sink;
use super::sftp::Server;
use super::terminal::{Lines, Terminal};
use super::{FAIL_DELAY, Site};
use crate::decoy::session::Recorder;
use crate::decoy::testing::Kept;
use crate::event::Event;
use crate::model::{Persona, Settings};

/// Most bytes that one step answers, the status of an SFTP packet included.
const STEP_MAX: usize = 300_000;

/// What runs on the channel.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// The SFTP subsystem.
    Sftp,
    /// `scp -t` into a directory.
    Scp,
    /// A shell on a terminal.
    Terminal,
    /// A shell that reads lines.
    Lines,
}

/// Gives root's channel what a client sends, in pieces, and then its end. What was recorded comes back.
pub fn run(persona: &Persona, what: Runs, pieces: &[&[u8]]) -> Vec<Event> {
    let kept = Arc::new(Kept::default());
    let address = ([127, 0, 0, 1], 22).into();
    let record = Recorder::new(kept.clone(), "ssh", address, address, "00000000000000aa");
    let site = Site::new(persona, &Settings::new(), FAIL_DELAY);
    let mut shared = Shared::new(Arc::new(site), record, "root");
    let mut out = Vec::new();
    let program: Option<Box<dyn Program>> = match what {
        Runs::Sftp => Some(Box::new(Server::new(&shared))),
        Runs::Scp => Sink::of(b"scp -r -t /tmp", &shared).map(|sink| Box::new(sink) as _),
        Runs::Terminal => Some(Box::new(Terminal::login(&shared, None, &mut out))),
        Runs::Lines => Some(Box::new(Lines::new(&shared, None))),
    };
    let Some(mut program) = program else { return Vec::new() };
    let mut input = Vec::new();
    let mut ended = false;
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            out.clear();
            let step = program.step(&mut input, &mut shared, &mut out);
            assert!(out.len() <= STEP_MAX, "{} bytes in one step", out.len());
            match step {
                Step::More => {}
                Step::Idle => break,
                Step::End(_) => {
                    ended = true;
                    break;
                }
            }
        }
        if ended {
            break;
        }
    }
    if !ended {
        program.eof(&mut shared, &mut out);
    }
    program.finish(&mut shared);
    drop(program);
    kept.events()
}
