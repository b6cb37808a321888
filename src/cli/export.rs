//! `export`: the fleet as a fleet file.

use super::args::Output;
use super::context::Context;
use super::error::{CliError, CliResult, Kind};

pub(super) fn run(cx: &mut Context) -> CliResult {
    cx.fits("export", &[Output::Table])?;
    let fleet = cx.fleet()?;
    let text = crate::fleetfile::write(&fleet)
        .map_err(|e| CliError::new(Kind::Failure, format!("the fleet does not fit into a file: {e}")))?;
    cx.ui.data(&text);
    Ok(())
}
