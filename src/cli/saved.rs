//! Saved plans: what `plan --out` writes and `deploy --plan` applies, or refuses.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::context;
use super::error::{CliError, CliResult, Kind};
use super::source::{self, Source};
use crate::fleet::{Plan, Refusal, RefusalKind};
use crate::model::Fleet;

/// Version of the file's form; another one is refused.
const PLAN_VERSION: u32 = 1;

/// A plan and everything it was computed from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedPlan {
    plan_version: u32,
    /// The fleet file, absolute; none for standard input and quick fleets.
    file: Option<PathBuf>,
    /// SHA-256 of the fleet file.
    file_digest: Option<String>,
    pub(super) plan: Plan,
}

impl SavedPlan {
    pub(super) fn new(plan: &Plan, source: &Source) -> Self {
        let text = source.text();
        let file = text.filter(|t| t.name != "-").and_then(|t| std::path::absolute(&t.name).ok());
        let file_digest = file.as_ref().and(text.map(source::FleetText::digest));
        Self { plan_version: PLAN_VERSION, file, file_digest, plan: plan.clone() }
    }

    /// Writes it, mode 0600 since it holds passwords and seeds; whole or not at all.
    pub(super) fn write(&self, path: &Path) -> CliResult {
        let failed = |e: std::io::Error| {
            CliError::new(Kind::Failure, format!("cannot save the plan to {}: {e}", path.display()))
        };
        let text = serde_json::to_vec(self).map_err(|e| failed(e.into()))?;
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let mut open = std::fs::OpenOptions::new();
        let written = open.write(true).create_new(true).mode(0o600).open(&part).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&part, path)
        });
        written.map_err(|e| {
            let _ = std::fs::remove_file(&part);
            failed(e)
        })
    }

    pub(super) fn read(path: &Path) -> CliResult<Self> {
        let invalid = |why: String| {
            CliError::new(Kind::Invalid, format!("{} is no saved plan: {why}", path.display()))
                .hint("make one with `decnet plan --out FILE`")
        };
        let saved: Self =
            serde_json::from_slice(&context::read(path)?).map_err(|e| invalid(e.to_string()))?;
        if saved.plan_version != PLAN_VERSION {
            return Err(invalid(format!(
                "version {}, this program reads {PLAN_VERSION}",
                saved.plan_version
            )));
        }
        Ok(saved)
    }

    /// Refuses when the fleet file is still there and no longer the same.
    pub(super) fn still_from_same_file(&self) -> CliResult {
        let (Some(file), Some(digest)) = (&self.file, &self.file_digest) else { return Ok(()) };
        let changed = match source::read_file(Some(file)) {
            Ok(text) => text.digest() != *digest,
            // The plan may be applied where the file is not: the plan holds all that matters.
            Err(_) => false,
        };
        if changed {
            return Err(CliError::new(
                Kind::Conflict,
                format!("{} changed since the plan was saved; nothing was changed", file.display()),
            )
            .hint("make the plan again"));
        }
        Ok(())
    }

    /// The plan, when the fleet is still the one it was computed from.
    pub(super) fn valid_for(&self, fleet: &Fleet) -> Result<Plan, Refusal> {
        let stale = |why: &str| {
            Err(Refusal::new(
                RefusalKind::Conflict,
                format!("the saved plan is no longer valid: {why}; make it again with `decnet plan --out`"),
            ))
        };
        match (&self.plan.store.id, &fleet.store.id) {
            (Some(planned), Some(present)) if planned != present => {
                return stale("it was made from another store");
            }
            (Some(_), None) => return stale("its store is gone"),
            _ => {}
        }
        if self.plan.store.serial != fleet.store.serial {
            return stale(&format!(
                "the fleet was changed since (serial {} then, {} now)",
                self.plan.store.serial, fleet.store.serial
            ));
        }
        if self.plan.fleet_digest != crate::fleet::fleet_digest(fleet) {
            return stale("another program changed the fleet's rows since");
        }
        Ok(self.plan.clone())
    }
}
