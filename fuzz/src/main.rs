//! One fuzz target for every parser that an attacker or a file reaches, chosen by `DECNET_FUZZ`: a service
//! (`smtp`), `ini`, `event`, `control`, `frame`. See `fuzz/run`.
//!
//! A service is spoken to as over the network: the input is what a client sends, in pieces, and its last two
//! bytes say how (see [`Manner`]). The clock is paused, so that waiting costs nothing. A panic anywhere ends
//! the run, and so does an event that is no valid line, an answer that is longer than its question to a peer
//! that proved nothing, or a conversation that does not end after its client left.

#![no_main]
#![allow(clippy::unwrap_used, reason = "what fails here is a finding")]

use std::sync::OnceLock;
use std::time::Duration;

use decnet::catalog;
use decnet::decoy::{registry, testing};
use decnet::event::{Event, line, syslog};
use decnet::model::{Persona, Settings, Transport};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Most pieces that an input is sent in.
const PIECES: usize = 256;
/// Between two datagrams of an input.
const BETWEEN: &[u8] = b"\n--\n";

fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<String> = OnceLock::new();
    let target = TARGET.get_or_init(|| std::env::var("DECNET_FUZZ").expect("DECNET_FUZZ names no target"));
    match target.as_str() {
        "ini" => ini(data),
        "event" => event(data),
        "control" => drop(serde_json::from_slice::<decnet::engine::protocol::Request>(data)),
        service => decoy(service, data),
    }
});

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

/// A stored line is one line of JSON and a forwarded one is plain text, whatever they are about.
fn written(event: &Event) {
    let bytes = line::format(event);
    let text = std::str::from_utf8(&bytes).unwrap();
    let body = text.strip_suffix('\n').unwrap();
    assert!(!body.chars().any(char::is_control), "{body:?}");
    serde_json::from_str::<serde_json::Value>(body).unwrap();
    let message = syslog::format(event);
    assert!(!message.iter().any(u8::is_ascii_control), "{:?}", String::from_utf8_lossy(&message));
}

/// How an input is sent.
#[derive(Clone, Copy)]
struct Manner(u8, u8);

impl Manner {
    fn persona(self, service: &str) -> Persona {
        let mut persona = testing::persona(&[service]);
        let distros = catalog::distros();
        persona.distro = distros[usize::from(self.0 >> 4) % distros.len()].slug.to_owned();
        persona.nmap_os = ["linux", "windows", "windows_server", "bsd"][usize::from(self.0 & 3)].to_owned();
        persona
    }

    /// One of the service's ports.
    fn port(self, service: &catalog::Service) -> Option<catalog::Port> {
        let ports = service.ports;
        ports.get(usize::from(self.1 & 3) % ports.len().max(1)).copied()
    }

    /// All at once, line by line, or in pieces of some length.
    fn pieces(self, data: &[u8]) -> Vec<&[u8]> {
        match self.1 >> 3 {
            0 => vec![data],
            1 => data.split_inclusive(|b| *b == b'\n').take(PIECES).collect(),
            n => data.chunks(usize::from(n) * usize::from(n)).take(PIECES).collect(),
        }
    }

    fn proved(self) -> bool {
        self.1 & 4 != 0
    }
}

fn decoy(slug: &str, data: &[u8]) {
    let Some((data, [first, second])) = data.split_last_chunk::<2>() else { return };
    let manner = Manner(*first, *second);
    let service = catalog::service(slug).expect("DECNET_FUZZ names no service");
    let build = registry(slug).expect("the service has no decoy");
    let decoy = build(&manner.persona(slug), &Settings::new());
    let Some(port) = manner.port(service) else { return };
    if port.transport == Transport::Udp {
        let mut questions: Vec<&[u8]> = Vec::new();
        let mut rest = data;
        while let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN) {
            questions.push(&rest[..at]);
            rest = &rest[at + BETWEEN.len()..];
        }
        questions.push(rest);
        for question in questions.into_iter().take(PIECES) {
            let (answers, events) = testing::ask(decoy.as_ref(), port.number, question, manner.proved());
            let sent: usize = answers.iter().map(|(_, bytes)| bytes.len()).sum();
            assert!(manner.proved() || sent <= question.len(), "{sent} bytes to {} bytes", question.len());
            events.iter().for_each(written);
        }
        return;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let kept = runtime.block_on(async {
        let client = testing::serve_on(decoy, port.number);
        let kept = client.kept.clone();
        let (mut from, mut to) = tokio::io::split(client.stream);
        let talk = async {
            for piece in manner.pieces(data) {
                // The decoy hung up: that is its right.
                if to.write_all(piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = to.shutdown().await;
        };
        let listen = async {
            let mut sink = [0u8; 4096];
            let mut read = 0usize;
            while let Ok(got @ 1..) = from.read(&mut sink).await {
                read += got;
                assert!(read < 64 << 20, "the decoy does not stop talking");
            }
        };
        let both = async { tokio::join!(talk, listen) };
        assert!(tokio::time::timeout(Duration::from_secs(3600), both).await.is_ok(), "it never ends");
        kept
    });
    kept.events().iter().for_each(written);
}
