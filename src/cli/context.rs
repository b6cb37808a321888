//! What every command has at hand: the terminal, the state directory, the clock, fresh randomness.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::args::{ColorChoice, Global, Output};
use super::error::{CliError, CliResult, Kind, usage};
use crate::engine::{Client, EngineError, ErrorKind};
use crate::host::{StateDir, StateDirError};
use crate::model::{Fleet, Seed};
use crate::store::{Store, StoreError};
use crate::ui::{Colors, Loudness, Ui};

/// Environment variables that are read, all of them here. (`DECNET_STATE_DIR` is read by clap.)
mod env {
    /// Turns colour off when set and not empty.
    pub(super) const NO_COLOR: &str = "NO_COLOR";
    /// `dumb` turns colour off.
    pub(super) const TERM: &str = "TERM";
    /// 64 hex digits in place of fresh randomness: for tests only.
    pub(super) const SEED: &str = "DECNET_SEED";
    /// A moment in place of the clock: for tests only.
    pub(super) const NOW: &str = "DECNET_NOW";
}

/// What every command has at hand.
pub(super) struct Context {
    pub(super) ui: Ui,
    pub(super) output: Output,
    pub(super) json_written: bool,
    state_dir: Option<std::path::PathBuf>,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let colors = Colors {
            forced: match global.color {
                ColorChoice::Auto => None,
                ColorChoice::Always => Some(true),
                ColorChoice::Never => Some(false),
            },
            suppressed: set(env::NO_COLOR).is_some() || set(env::TERM).is_some_and(|t| t == "dumb"),
        };
        let loudness = match (global.quiet, global.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Normal,
        };
        Self {
            ui: Ui::new(loudness, colors, global.no_input),
            output: global.output,
            json_written: false,
            state_dir: global.state_dir.clone(),
        }
    }

    /// Where state lives. Touches nothing: a plan on a fresh machine makes no directory.
    pub(super) fn state_dir(&self) -> CliResult<StateDir> {
        let dir = StateDir::resolve(self.state_dir.as_deref())?;
        dir.check()?;
        Ok(dir)
    }

    /// Where state lives, made when it is missing: for commands that are about to write.
    pub(super) fn make_state_dir(&self) -> CliResult<StateDir> {
        let dir = StateDir::resolve(self.state_dir.as_deref())?;
        dir.create()?;
        Ok(dir)
    }

    /// The engine of this state directory, started when none runs.
    pub(super) fn engine(&self) -> CliResult<Client> {
        let dir = self.make_state_dir()?;
        Ok(Client::connect_or_start(&dir, &Self::program()?)?)
    }

    /// The file of this program.
    pub(super) fn program() -> CliResult<std::path::PathBuf> {
        std::env::current_exe()
            .map_err(|e| CliError::new(Kind::Failure, format!("cannot find the program itself: {e}")))
    }

    /// The moment, or the one a test fixed.
    pub(super) fn now(&self) -> Timestamp {
        std::env::var(env::NOW).ok().and_then(|t| t.parse().ok()).unwrap_or_else(Timestamp::now)
    }

    /// Fresh randomness, or what a test fixed.
    pub(super) fn seed(&self) -> CliResult<Seed> {
        if let Some(seed) = std::env::var(env::SEED).ok().and_then(|t| Seed::try_from(t).ok()) {
            return Ok(seed);
        }
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes)
            .map_err(|e| CliError::new(Kind::Environment, format!("the system gives no randomness: {e}")))?;
        Ok(Seed::new(bytes))
    }

    /// The recorded fleet, read-only; empty when there is no store yet.
    pub(super) fn fleet(&self) -> CliResult<Fleet> {
        match Store::open_read(&self.state_dir()?.db())? {
            Some(mut store) => Ok(store.fleet()?),
            None => Ok(Fleet::default()),
        }
    }

    /// Refuses a form of output that the command does not have.
    pub(super) fn fits(&self, command: &str, forms: &[Output]) -> CliResult {
        if forms.contains(&self.output) {
            return Ok(());
        }
        let names: Vec<_> = forms.iter().map(|f| f.as_str()).collect();
        Err(usage(format!(
            "`{command}` has no output `{}`; it has {}",
            self.output.as_str(),
            names.join(", ")
        )))
    }

    /// Writes one JSON document, a line.
    pub(super) fn json(&mut self, value: &impl Serialize) {
        self.json_written = true;
        match serde_json::to_string(value) {
            Ok(text) => self.ui.data(&format!("{text}\n")),
            Err(error) => self.ui.error(&format!("cannot write JSON: {error}")),
        }
    }
}

/// Reads a file, with the path in the error.
pub(super) fn read(path: &Path) -> CliResult<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        let error = CliError::new(Kind::Invalid, format!("cannot read {}: {e}", path.display()));
        if e.kind() == std::io::ErrorKind::NotFound {
            error.hint("name a fleet file, or make one: `examples/` has some")
        } else {
            error
        }
    })
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        use StoreError as E;
        let kind = match &error {
            E::Newer { .. } | E::NetworkFs { .. } | E::ReadOnly { .. } | E::Denied { .. } => {
                Kind::Environment
            }
            E::Foreign { .. } | E::NotOurs { .. } => Kind::Refused,
            E::Missing { .. } | E::NotDecnet { .. } | E::Revision { .. } => Kind::Invalid,
            E::AddressTaken { .. } | E::MacTaken { .. } => Kind::Conflict,
            E::Busy { .. } => Kind::Busy,
            _ => Kind::Failure,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let kind = match error.kind {
            ErrorKind::Environment => Kind::Environment,
            ErrorKind::Busy => Kind::Busy,
            _ => Kind::Failure,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StateDirError> for CliError {
    fn from(error: StateDirError) -> Self {
        Self::new(Kind::Environment, error.to_string())
    }
}
