//! What goes over the control socket: one JSON object a line, a request up, answers down.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EngineError;
use crate::model::{Observed, State};

/// Longest request in bytes.
pub const MAX_REQUEST: usize = 1 << 20;

/// Longest answer in bytes: a status of tens of thousands of deckies fits.
pub const MAX_REPLY: usize = 64 << 20;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Are you there?
    Ping,
    /// How are you, and what runs?
    Status,
    /// Read the store again and make it so; tell how each of these ends (none: the whole fleet).
    Sync {
        /// Which deckies to report on.
        names: Option<Vec<String>>,
    },
    /// Give your place to this program, with every decky.
    Replace {
        /// The file to execute.
        program: PathBuf,
    },
    /// End every decky, then yourself.
    Stop,
}

/// What the engine answers. `Sync` is answered by any number of `Progress`, then `Done`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Here I am.
    Pong {
        /// Process id.
        pid: u32,
        /// Program version.
        version: String,
    },
    /// Answer to `Status`.
    Status(Box<EngineStatus>),
    /// How one decky ended.
    Progress(Progress),
    /// All of it is done.
    Done,
    /// It cannot be done.
    Error(EngineError),
}

/// How one decky of a `Sync` ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which decky.
    pub name: String,
    /// `running`, `degraded`, `failed`, `gone` or `teardown_failed`.
    pub state: Ending,
    /// Why it is not what was wanted.
    #[serde(default)]
    pub error: Option<String>,
}

/// The ends a decky comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Seen serving everything.
    Running,
    /// Seen serving a part, or restarting.
    Degraded,
    /// Not serving.
    Failed,
    /// No longer in the fleet, and nothing of it runs.
    Gone,
    /// Could not be removed.
    TeardownFailed,
}

impl Ending {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::TeardownFailed => "teardown_failed",
        }
    }

    /// The end that a row's state stands for; none for one that is still on its way.
    pub fn of(state: State) -> Option<Self> {
        match state {
            State::Running => Some(Self::Running),
            State::Degraded => Some(Self::Degraded),
            State::Failed => Some(Self::Failed),
            State::TeardownFailed => Some(Self::TeardownFailed),
            State::TornDown => Some(Self::Gone),
            State::Pending | State::TearingDown => None,
        }
    }
}

/// The health of an engine and everything it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Version of this form.
    pub format_version: u32,
    /// Process id.
    pub pid: u32,
    /// Program version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Seconds since then, by a clock that does not jump.
    pub uptime_secs: u64,
    /// Serial of the store it last read.
    pub serial: u64,
    /// Why the store cannot be read or written, while it cannot.
    #[serde(default)]
    pub store_error: Option<String>,
    /// The event writer.
    pub event_writer: WriterStatus,
    /// Every decky it holds.
    pub deckies: Observed,
}

/// The health of the process that writes events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterStatus {
    /// Process id while it runs.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
    /// Events written since the engine started.
    #[serde(default)]
    pub written: u64,
    /// Events lost since the engine started: the disk did not take them.
    #[serde(default)]
    pub lost: u64,
    /// Events forwarded since the engine started.
    #[serde(default)]
    pub forwarded: u64,
    /// Events that the log target did not take.
    #[serde(default)]
    pub forward_lost: u64,
    /// What it cannot do right now.
    #[serde(default)]
    pub error: Option<String>,
}

/// One line, as it goes over the wire.
///
/// # Errors
/// Only when a value cannot be JSON, which none of ours is.
pub fn line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip() {
        let requests = [
            Request::Ping,
            Request::Sync { names: None },
            Request::Sync { names: Some(vec!["a\nb".into()]) },
            Request::Replace { program: "/usr/local/bin/decnet".into() },
            Request::Stop,
        ];
        for request in requests {
            let bytes = line(&request).unwrap();
            assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1);
            assert_eq!(serde_json::from_slice::<Request>(&bytes).unwrap(), request);
        }
        let progress =
            Reply::Progress(Progress { name: "a".into(), state: Ending::TeardownFailed, error: None });
        let text = String::from_utf8(line(&progress).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"reply\":\"progress\",\"name\":\"a\",\"state\":\"teardown_failed\",\"error\":null}\n"
        );
    }

    #[test]
    fn unknown_requests_are_refused() {
        for bad in
            ["{}", r#"{"op":"exec"}"#, r#"{"op":"sync","names":[1]}"#, "[]", "{\"op\":\"sync\",\"x\":1}"]
        {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }
}
