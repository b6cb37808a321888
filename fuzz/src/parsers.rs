//! What is no conversation: files, control sockets, frames, and what runs inside an SSH channel.

use std::sync::Arc;

use decnet::decoy::session::Recorder;
use decnet::decoy::ssh::door::{self, Runs};
use decnet::decoy::tls::hello::Hello;
use decnet::decoy::{sniffer, testing};
use decnet::event::cast::{self, Chunk, Lines};
use decnet::event::read::Filter;
use decnet::event::replay;
use decnet::event::{Event, Kind, control};
use decnet::host::arp::frame;
use serde_json::Value;

use crate::service;
use crate::written;

/// Takes one input.
pub type Parser = fn(&[u8]);

/// Every target that is no service of the catalogue.
pub const TARGETS: [(&str, Parser); 14] = [
    ("arp", arp),
    ("cast", cast),
    ("control", control),
    ("custom", service::custom),
    ("event", event),
    ("ini", ini),
    ("read", read),
    ("replay", replay),
    ("scp", |data| channel(Runs::Scp, data)),
    ("sftp", |data| channel(Runs::Sftp, data)),
    ("lines", |data| channel(Runs::Lines, data)),
    ("sniffer", sniffer),
    ("terminal", |data| channel(Runs::Terminal, data)),
    ("tls", tls),
];

fn ini(data: &[u8]) {
    let options = decnet::fleetfile::Options { name: "fuzz.ini", ..Default::default() };
    let loaded = decnet::fleetfile::load(data, &options);
    assert!(loaded.has_errors() || !loaded.spec.deckies.is_empty());
}

fn event(data: &[u8]) {
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        written(&event);
    }
}

/// What the supervisor hears from the command line, and the writer from the supervisor.
fn control(data: &[u8]) {
    drop(serde_json::from_slice::<decnet::engine::protocol::Request>(data));
    drop(serde_json::from_slice::<control::Message>(data));
    drop(serde_json::from_slice::<control::Stats>(data));
}

/// What is written of a recording is JSON, line by line, in ASCII.
fn cast(data: &[u8]) {
    let mut lines = Lines::default();
    for datagram in service::datagrams(data) {
        let Some(chunk) = Chunk::parse(datagram) else { continue };
        assert!(cast::file_name(&chunk.id()).is_some());
        if let Some(again) = chunk.encode() {
            assert_eq!(Chunk::parse(&again).as_ref(), Some(&chunk));
        }
        let header = chunk.start.as_ref().map(|start| cast::header(start, "d1", &chunk.id()));
        if let Some(header) = &header {
            assert_eq!(cast::decky_of(header).as_deref(), Some("d1"));
        }
        for line in header.into_iter().chain(chunk.frames.iter().filter_map(|frame| lines.frame(frame))) {
            let (end, body) = line.split_last().unwrap();
            assert!(*end == b'\n' && body.iter().all(|b| matches!(b, b' '..=b'~')));
            serde_json::from_slice::<Value>(body).unwrap();
        }
    }
}

/// Lines of event files, which somebody may have written into.
fn read(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let host = Filter { sources: vec!["192.0.2.1/32".parse().unwrap()], ..Filter::default() };
    let much = Filter {
        deckies: vec!["web-01".into()],
        services: vec!["ssh".into()],
        kinds: vec![Kind::Login],
        since: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        ..Filter::default()
    };
    for line in text.lines() {
        let all = Filter::default().pick(line);
        if let Some(entry) = &all {
            assert_eq!(entry.line, line);
        }
        for filter in [&host, &much] {
            assert!(filter.pick(line).is_none_or(|entry| all.as_ref() == Some(&entry)));
        }
    }
}

/// What a recording shows on the operator's terminal is on the list, however it is cut.
fn replay(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut filter = replay::Filter::default();
    let whole = filter.pass(&text);
    let mut filter = replay::Filter::default();
    let mut parts = String::new();
    for c in text.chars() {
        parts.push_str(&filter.pass(c.encode_utf8(&mut [0; 4])));
    }
    assert_eq!(whole, parts);
    assert!(!whole.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x08' | '\x1b')));
    for strings in ["\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bc"] {
        assert!(!whole.contains(strings), "{whole:?}");
    }
}

fn arp(data: &[u8]) {
    if let Ok(frame) = frame::Frame::parse(data) {
        assert_eq!(Some(&frame.encode()[..]), data.get(..frame::LENGTH));
    }
}

fn sniffer(data: &[u8]) {
    for event in sniffer::told(&service::datagrams(data)) {
        written(&event);
    }
}

fn tls(data: &[u8]) {
    let Some(greeting) = Hello::parse(data) else { return };
    let kept = Arc::new(testing::Kept::default());
    let address = ([127, 0, 0, 1], 443).into();
    let record = Recorder::new(kept.clone(), "https", address, address, "00000000000000aa");
    greeting.tell(record.event(Kind::Connection, "tls")).emit();
    kept.events().iter().for_each(written);
}

/// The last byte says how the rest is cut.
fn channel(what: Runs, data: &[u8]) {
    let Some((how, data)) = data.split_last() else { return };
    let pieces = service::pieces(*how & 7, data);
    let persona = testing::persona(&["ssh"]);
    door::run(&persona, what, &pieces).iter().for_each(written);
}
