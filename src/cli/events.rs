//! `events`: what attackers did.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::args::{EventsArgs, Output};
use super::context::Context;
use super::error::{CliError, CliResult, Kind, usage};
use super::hashes::Hashes;
use super::replay;
use crate::event::Kind as EventKind;
use crate::event::read::{Entry, Filter, Reader, View};
use crate::ui::table::Grid;
use crate::ui::{BAD, DIM, GOOD, paint};

const FORMS: &[Output] =
    &[Output::Table, Output::Wide, Output::Json, Output::Jsonl, Output::Csv, Output::Hashcat, Output::John];

pub(super) fn run(cx: &mut Context, args: &EventsArgs) -> CliResult {
    cx.fits("events", FORMS)?;
    if let Some(id) = &args.replay {
        return replay::run(cx, id, args.speed.unwrap_or(1.0));
    }
    if args.hash_mode.is_some() && cx.output != Output::Hashcat {
        return Err(usage("`--hash-mode` goes with `-o hashcat`"));
    }
    let now = cx.now();
    let mut filter = Filter {
        deckies: args.decky.clone(),
        services: args.service.clone(),
        kinds: args.kind.clone(),
        sources: args.src.clone(),
        since: args.since.map(|s| s.moment(now)),
    };
    let dir = cx.state_dir()?.events_dir();
    let failed = |e: std::io::Error| {
        CliError::new(Kind::Failure, format!("cannot read the events in {}: {e}", dir.display()))
    };
    let mut hashes = Hashes::new(cx.output, args.hash_mode);
    if hashes.is_some() {
        filter.kinds = vec![EventKind::Login];
    }
    let mut reader = Reader::new(&dir, filter);
    let mut show = |cx: &mut Context, entry: &Entry| match &mut hashes {
        Some(hashes) => hashes.take(cx, &entry.view, args.follow),
        None => show(cx, entry, &dir),
    };
    if cx.output == Output::Csv {
        cx.ui.data(&grid(&[]).csv());
    }
    let mut last: VecDeque<Entry> = VecDeque::new();
    while let Some(entry) = reader.next_entry().map_err(failed)? {
        match args.tail {
            Some(keep) => {
                last.push_back(entry);
                if last.len() > keep {
                    last.pop_front();
                }
            }
            None => {
                show(cx, &entry);
                if cx.ui.closed() {
                    return Ok(());
                }
            }
        }
    }
    for entry in last {
        show(cx, &entry);
    }
    if args.follow {
        reader
            .follow(|entry| {
                show(cx, &entry);
                if cx.ui.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .map_err(failed)?;
    }
    if let Some(hashes) = hashes {
        hashes.finish(cx);
    }
    Ok(())
}

fn show(cx: &mut Context, entry: &Entry, dir: &Path) {
    let text = match cx.output {
        Output::Json | Output::Jsonl => format!("{}\n", entry.line),
        Output::Csv => {
            grid(&[row(&entry.view)]).csv().split_once("\r\n").map_or_else(String::new, |(_, r)| r.to_owned())
        }
        form => {
            let mut text = line(&entry.view, cx.ui.color_out(), form == Output::Wide);
            if let Some(id) = recording(&entry.view) {
                let gone = crate::event::replay::find(dir, id).is_err();
                text.push_str(&format!("  recording {id}{}", if gone { " (not kept)" } else { "" }));
            }
            format!("{text}\n")
        }
    };
    cx.ui.data(&text);
}

/// The recording that an event says was made. The file is written by us alone; the name is checked where
/// it is used.
fn recording(view: &View) -> Option<&str> {
    view.rest.get("recording")?.get("id")?.as_str()
}

fn grid(rows: &[Vec<String>]) -> Grid {
    let mut grid = Grid::new(&[
        "TIME", "DECKY", "SERVICE", "KIND", "ACTION", "OUTCOME", "SOURCE", "USER", "SECRET", "DETAIL",
    ]);
    rows.iter().for_each(|r| grid.row(r));
    grid
}

fn row(view: &View) -> Vec<String> {
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        view.time.to_string(),
        view.decky.clone(),
        view.service.clone(),
        view.kind.to_string(),
        view.action.clone(),
        or_empty(&view.outcome),
        view.source.ip.to_string(),
        or_empty(&view.user),
        or_empty(&view.secret),
        detail(view),
    ]
}

/// One line for people. Texts come escaped from the file; nothing raw is left to escape here.
fn line(view: &View, color: bool, wide: bool) -> String {
    let time = view.time.strftime(if wide { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%m-%d %H:%M:%S" }).to_string();
    let mut text = format!(
        "{}  {:<12} {:<7} {:<15} {:<10} {}",
        paint(color, DIM, &time),
        view.decky,
        view.service,
        view.source.ip.to_string(),
        view.kind.as_str(),
        view.action
    );
    if let Some(user) = &view.user {
        text.push_str(&format!(" {user}"));
        if let Some(secret) = &view.secret {
            text.push_str(&format!(" / {secret}"));
        }
    }
    if let Some(outcome) = &view.outcome {
        let style = if outcome == "success" { BAD } else { GOOD };
        text.push_str(&format!(" [{}]", paint(color, style, outcome)));
    }
    let detail = detail(view);
    if !detail.is_empty() {
        text.push_str("  ");
        let short: String = if wide { detail } else { detail.chars().take(100).collect() };
        text.push_str(&short);
    }
    text
}

/// Fields worth a look, the first that are there; the rest is in the stored line.
const TELLING: &[&str] = &[
    "/process/command_line",
    "/http/request/method",
    "/url/original",
    "/user_agent/original",
    "/mysql/query",
    "/db/statement",
    "/file/path",
    "/file/hash/sha256",
    "/error/message",
];

fn detail(view: &View) -> String {
    let rest = Value::Object(view.rest.clone());
    let mut words: Vec<String> = TELLING.iter().filter_map(|at| rest.pointer(at)).filter_map(plain).collect();
    if words.is_empty() && view.kind != EventKind::Login {
        collect(&rest, &mut words);
    }
    words.join(" ")
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(items) => Some(items.iter().filter_map(plain).collect::<Vec<_>>().join(" ")),
        Value::Null | Value::Object(_) => None,
    }
}

/// Every short leaf, for kinds of events without a telling field of their own.
fn collect(value: &Value, words: &mut Vec<String>) {
    const SKIPPED: &[&str] = &["format_version", "secret_kind", "recording"];
    if let Value::Object(map) = value {
        for (key, inner) in map.iter().filter(|(k, _)| !SKIPPED.contains(&k.as_str()) && !k.ends_with("_b64"))
        {
            match plain(inner) {
                Some(text) if words.len() < 6 => words.push(format!("{key}={text}")),
                _ => collect(inner, words),
            }
        }
    }
}
