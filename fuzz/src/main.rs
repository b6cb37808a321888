//! One fuzz target for every parser that an attacker or a file reaches, chosen by `DECNET_FUZZ`: a service
//! (`smtp`), or one of [`parsers::TARGETS`]. See `fuzz/run`.

#![no_main]
#![allow(clippy::unwrap_used, reason = "what fails here is a finding")]

mod parsers;
mod random;
mod record;
mod service;
mod tls;

use std::sync::OnceLock;

use decnet::event::{Event, line, syslog};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<(String, Option<parsers::Parser>)> = OnceLock::new();
    let (name, parser) = TARGET.get_or_init(|| {
        let name = std::env::var("DECNET_FUZZ").expect("DECNET_FUZZ names no target");
        let parser = parsers::TARGETS.iter().find(|(target, _)| *target == name).map(|(_, parser)| *parser);
        if let Ok(address) = std::env::var("DECNET_FUZZ_RECORD") {
            record::run(&name, &address);
        }
        (name, parser)
    });
    random::begin();
    match parser {
        Some(parser) => parser(data),
        None => service::talk(name, data),
    }
});

/// A stored line is one line of JSON that `events` reads again, and a forwarded one is plain text, whatever
/// they are about.
fn written(event: &Event) {
    static SHOWN: OnceLock<bool> = OnceLock::new();
    let bytes = line::format(event);
    let text = std::str::from_utf8(&bytes).unwrap();
    let body = text.strip_suffix('\n').unwrap();
    assert!(!body.chars().any(char::is_control), "{body:?}");
    // What one input does: DECNET_FUZZ=NAME DECNET_FUZZ_SHOW=1 decnet-fuzz FILE
    if *SHOWN.get_or_init(|| std::env::var_os("DECNET_FUZZ_SHOW").is_some()) {
        eprintln!("{body}");
    }
    serde_json::from_str::<serde_json::Value>(body).unwrap();
    assert!(decnet::event::read::Filter::default().pick(body).is_some(), "{body:?}");
    let message = syslog::format(event);
    assert!(!message.iter().any(u8::is_ascii_control), "{:?}", String::from_utf8_lossy(&message));
}
