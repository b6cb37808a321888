//! `show`: everything about one decky.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Output, ShowArgs};
use super::context::Context;
use super::error::CliResult;
use super::list;
use crate::event::escape;
use crate::model::Recorded;
use crate::ui::wire;

pub(super) fn run(cx: &mut Context, args: &ShowArgs) -> CliResult {
    cx.fits("show", &[Output::Table, Output::Wide, Output::Json])?;
    let fleet = cx.fleet()?;
    let row = match fleet.get(&args.name) {
        Some(row) => row,
        None => return Err(list::unknown(&fleet, &[&args.name])),
    };
    let observed = crate::engine::observe(&cx.state_dir()?).ok().flatten();
    if cx.output == Output::Json {
        let mut value = wire::status_decky(row, observed.as_ref(), None);
        let full = wire::decky(row, args.show_secrets);
        value["decky_config"] = full["decky_config"].clone();
        value["format_version"] = json!(wire::FORMAT_VERSION);
        cx.json(&value);
        return Ok(());
    }
    let mut text = String::new();
    for (key, value) in lines(row, args.show_secrets) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key:<16} {}", escape::text(&value));
    }
    if let Some(seen) = observed.as_ref().and_then(|o| o.deckies.get(row.name.as_str())) {
        let _ = writeln!(text, "{:<16} {}", "observed", seen.state);
        if let Some(reason) = &seen.reason {
            let _ = writeln!(text, "{:<16} {}", "reason", escape::text(reason));
        }
        for port in &seen.services {
            let up = if port.up { "up" } else { "down" };
            let _ = writeln!(text, "{:<16} {} {}/{} {up}", "port", port.service, port.port, port.transport);
        }
    }
    cx.ui.data(&text);
    Ok(())
}

fn lines(row: &Recorded, show_secrets: bool) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| out.push((key.to_owned(), value));
    add("name", row.name.clone());
    add("ip", row.ip.map_or_else(|| "-".into(), |ip| ip.to_string()));
    add("state", row.state.to_string());
    if let Some(error) = &row.last_error {
        add("last error", error.clone());
    }
    add("updated", row.updated_at.clone());
    if let Some(identity) = &row.identity {
        add("mac", identity.mac.to_string());
    }
    match &row.decky {
        Err(why) => add("decky_config", format!("unusable: {why}")),
        Ok(decky) => {
            add("hostname", decky.hostname.clone());
            add("distro", decky.distro.clone());
            add("os family", decky.nmap_os.clone());
            add("archetype", decky.archetype.clone().unwrap_or_else(|| "-".into()));
            let every = |m: u32| format!("every {m} minutes");
            add("mutates", decky.mutate_interval.map_or_else(|| "never".into(), every));
            let masked = if show_secrets { decky.clone() } else { crate::fleet::masked(decky) };
            for service in &decky.services {
                let settings = masked.service_config.get(service);
                let shown: Vec<String> = settings
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| format!("{k}={}", v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                    .collect();
                add("service", format!("{service} {}", shown.join(" ")).trim_end().to_owned());
            }
        }
    }
    out
}
