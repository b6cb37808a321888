//! Completion: live decky names and the catalogue. Reads only, says nothing when it cannot.

use clap_complete::CompletionCandidate;

use super::args::Shell;
use super::context::Context;
use super::error::CliResult;
use crate::host::StateDir;
use crate::store::Store;

/// Names of the recorded fleet.
pub(super) fn deckies() -> Vec<CompletionCandidate> {
    let fleet = state_dir()
        .and_then(|dir| Store::open_read(&dir.db()).ok().flatten())
        .and_then(|mut store| store.fleet().ok());
    fleet.map_or_else(Vec::new, |fleet| fleet.names().map(|n| CompletionCandidate::new(n.as_str())).collect())
}

fn state_dir() -> Option<StateDir> {
    let dir = std::env::var_os("DECNET_STATE_DIR").map(std::path::PathBuf::from);
    StateDir::resolve(dir.as_deref()).ok()
}

/// Service slugs.
pub(super) fn services() -> Vec<CompletionCandidate> {
    let with_help = |s: &crate::catalog::Service| CompletionCandidate::new(s.slug).help(Some(s.title.into()));
    crate::catalog::services().iter().map(with_help).collect()
}

/// Archetype slugs.
pub(super) fn archetypes() -> Vec<CompletionCandidate> {
    let with_help =
        |a: &crate::catalog::Archetype| CompletionCandidate::new(a.slug).help(Some(a.title.into()));
    crate::catalog::archetypes().iter().map(with_help).collect()
}

/// Distro slugs.
pub(super) fn distros() -> Vec<CompletionCandidate> {
    let with_help = |d: &crate::catalog::Distro| CompletionCandidate::new(d.slug).help(Some(d.title.into()));
    crate::catalog::distros().iter().map(with_help).collect()
}

/// Event kinds.
pub(super) fn kinds() -> Vec<CompletionCandidate> {
    crate::event::Kind::ALL.iter().map(|k| CompletionCandidate::new(k.as_str())).collect()
}

/// Recorded sessions.
pub(super) fn recordings() -> Vec<CompletionCandidate> {
    let list = |dir: StateDir| crate::event::replay::list(&dir.events_dir());
    state_dir().map_or_else(Vec::new, list).into_iter().map(CompletionCandidate::new).collect()
}

/// Prints a shell's set-up: a script that asks the program itself, so that it never goes stale.
pub(super) fn script(cx: &mut Context, shell: Shell) -> CliResult {
    cx.ui.data(bootstrap(shell));
    Ok(())
}

/// The set-up of one shell, as `completions/` ships it.
fn bootstrap(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/decnet.bash"),
        Shell::Zsh => include_str!("../../completions/_decnet"),
        Shell::Fish => include_str!("../../completions/decnet.fish"),
        Shell::Elvish => include_str!("../../completions/decnet.elv"),
        Shell::Powershell => include_str!("../../completions/_decnet.ps1"),
    }
}
