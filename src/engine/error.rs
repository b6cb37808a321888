//! What goes wrong with an engine.

use std::io;

use serde::{Deserialize, Serialize};

use crate::host::StateDirError;

/// The ways a caller tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// No engine runs.
    Missing,
    /// Another engine runs, or somebody holds what is needed.
    Busy,
    /// Something that is just ending still holds what is needed: try again in a moment.
    Again,
    /// This user may not.
    Denied,
    /// This host cannot, or not yet.
    Environment,
    /// No answer in time.
    Timeout,
    /// The caller gave up.
    Interrupted,
    /// The answer made no sense: another version, or not an engine.
    Protocol,
    /// Anything else.
    Other,
}

/// An engine could not do what it was asked: what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}{}", remedy.as_ref().map(|r| format!("; {r}")).unwrap_or_default())]
pub struct EngineError {
    /// Which kind.
    pub kind: ErrorKind,
    /// What is wrong and where.
    pub message: String,
    /// What to do next.
    #[serde(default)]
    pub remedy: Option<String>,
}

impl EngineError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = Some(text.into());
        self
    }

    /// A refused or failed system call, with what was being done.
    pub fn io(doing: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::Timeout,
            _ => ErrorKind::Other,
        };
        Self::new(kind, format!("{doing}: {error}"))
    }
}

impl From<StateDirError> for EngineError {
    fn from(error: StateDirError) -> Self {
        Self::new(ErrorKind::Environment, error.to_string())
    }
}
