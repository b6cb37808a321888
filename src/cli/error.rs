//! The one border type: what went wrong, which exit code that is, what to do next.

use std::fmt;

/// Kinds of failure; each is one exit code (contract §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything else.
    Failure,
    /// The command line.
    Usage,
    /// The fleet file or a setting.
    Invalid,
    /// Applied in part.
    Partial,
    /// The guard, or a plan that is no longer valid.
    Conflict,
    /// Somebody else holds the lock.
    Busy,
    /// A bound, an empty file, missing consent.
    Refused,
    /// The answer at the prompt was no.
    Declined,
    /// No such decky.
    NotFound,
    /// Changes are pending (asked for by `--exit-code`).
    Pending,
    /// Something is down (asked for by `status --exit-code`).
    Down,
    /// This host cannot do it.
    Environment,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Kind {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Partial => 4,
            Self::Conflict => 5,
            Self::Busy => 6,
            Self::Refused => 7,
            Self::Declined => 8,
            Self::NotFound => 9,
            Self::Pending => 10,
            Self::Down => 11,
            Self::Environment => 12,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// An error on its way to the person.
#[derive(Debug)]
pub struct CliError {
    /// Which exit code.
    pub kind: Kind,
    /// What is wrong and where; empty when everything was said already.
    pub message: String,
    /// What to do next, a line each.
    pub hints: Vec<String>,
}

/// What commands return.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// An error with a message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// An exit code alone: everything was said already.
    pub fn silent(kind: Kind) -> Self {
        Self::new(kind, "")
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

/// A usage error.
pub fn usage(message: impl Into<String>) -> CliError {
    CliError::new(Kind::Usage, message)
}
