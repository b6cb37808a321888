//! Man pages, one a command, from the clap definition.

use std::path::Path;

use super::context::Context;
use super::error::{CliError, CliResult, Kind, usage};

/// Every page: file name and roff text, in a fixed order.
///
/// # Errors
/// None in practice: pages are rendered into memory.
pub fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut root = super::command().disable_help_flag(false);
    root.build();
    let mut pages = vec![render(&root, "decnet")?];
    for sub in root.get_subcommands().filter(|s| !s.is_hide_set()) {
        let name = format!("decnet-{}", sub.get_name());
        pages.push(render(sub, &name)?);
        for subsub in sub.get_subcommands().filter(|s| !s.is_hide_set()) {
            pages.push(render(subsub, &format!("{name}-{}", subsub.get_name()))?);
        }
    }
    Ok(pages)
}

fn render(command: &clap::Command, name: &str) -> std::io::Result<(String, String)> {
    let spaced = name.replace('-', " ");
    let command = command.clone().name(name.to_owned()).bin_name(spaced).display_name(name.to_owned());
    let mut roff = Vec::new();
    // No date: a page changes when its text does, not with the day it was made.
    clap_mangen::Man::new(command).title(name.to_uppercase()).date("").render(&mut roff)?;
    Ok((format!("{name}.1"), String::from_utf8_lossy(&roff).into_owned()))
}

pub(super) fn run(cx: &mut Context, page: &str, dir: Option<&Path>) -> CliResult {
    let failed = |e: std::io::Error| CliError::new(Kind::Failure, format!("cannot make the man pages: {e}"));
    let pages = pages().map_err(failed)?;
    if page == "all" {
        let dir = dir.ok_or_else(|| usage("`all` needs a folder"))?;
        for (name, text) in pages {
            let path = dir.join(name);
            std::fs::write(&path, text)
                .map_err(|e| CliError::new(Kind::Failure, format!("cannot write {}: {e}", path.display())))?;
        }
        return Ok(());
    }
    match pages.into_iter().find(|(name, _)| name.strip_suffix(".1") == Some(page)) {
        Some((_, text)) => {
            cx.ui.data(&text);
            Ok(())
        }
        None => Err(usage(format!("there is no page `{page}`"))),
    }
}
