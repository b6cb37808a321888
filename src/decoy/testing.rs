//! A session without a socket, for the unit tests and the fuzz targets of the decoys.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::datagram::{Answers, Packet, Port};
use super::session::{Counted, Counters, Recorder, Session, Sink, SparePool};
use super::{Build, Decoy};
use crate::event::Event;
use crate::event::cast::Chunk;
use crate::model::{Persona, Seed, Settings};

/// Keeps what was recorded.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Event>>, Mutex<Vec<Chunk>>);

impl Sink for Kept {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn cast(&self, chunk: &Chunk) -> bool {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.clone());
        true
    }
}

impl Kept {
    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every part of a recording so far.
    pub fn casts(&self) -> Vec<Chunk> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A Debian 12 host with a fixed seed and these services.
pub fn persona(services: &[&str]) -> Persona {
    Persona {
        hostname: "files02".into(),
        ip: [127, 77, 0, 10].into(),
        mac: crate::model::Mac([0x52, 0x54, 0, 1, 2, 3]),
        gateway: None,
        distro: "debian".into(),
        nmap_os: "linux".into(),
        archetype: None,
        seed: Seed::new([3; 32]),
        services: services.iter().map(|s| ((*s).to_owned(), Settings::new())).collect(),
        born: 1_750_000_000,
    }
}

/// The client's end of a served in-memory connection, and what was recorded on it.
pub struct Client {
    /// Write requests here, read answers.
    pub stream: DuplexStream,
    /// What the decoy recorded.
    pub kept: Arc<Kept>,
}

/// Serves one in-memory connection of the decoy that `build` makes. Needs a running tokio runtime.
pub fn connect(build: Build, persona: &Persona, settings: &Settings) -> Client {
    serve(build(persona, settings))
}

/// What `decoy` answers to one datagram that came to `number`, and what it records.
pub fn ask(decoy: &dyn Decoy, number: u16, bytes: &[u8], proved: bool) -> (Vec<(Port, Vec<u8>)>, Vec<Event>) {
    let kept = Arc::new(Kept::default());
    let answers = ask_at(decoy, &kept, (number, Port::Main), bytes, proved);
    (answers, kept.events())
}

/// What `decoy` answers to one datagram that came to this port and socket of the service; `kept` has what it
/// records, later too: a transfer goes on.
pub fn ask_at(
    decoy: &dyn Decoy,
    kept: &Arc<Kept>,
    (number, port): (u16, Port),
    bytes: &[u8],
    proved: bool,
) -> Vec<(Port, Vec<u8>)> {
    let source = ([127, 0, 0, 1], 40_000).into();
    let destination = ([127, 77, 0, 10], number).into();
    let record = Recorder::new(kept.clone(), "test", source, destination, "00000000000000aa");
    let packet =
        Packet { bytes, source, destination, number, port, multicast: false, spares: 4, record: &record };
    let mut answers = Answers::new(bytes.len(), proved);
    decoy.datagram(&packet, &mut answers);
    answers.take()
}

/// Serves one in-memory connection of `decoy`.
pub fn serve(decoy: Arc<dyn Decoy>) -> Client {
    serve_on(decoy, 1)
}

/// Serves one in-memory connection of `decoy` that came to its port `number`.
pub fn serve_on(decoy: Arc<dyn Decoy>, number: u16) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let kept = Arc::new(Kept::default());
    let source = ([127, 0, 0, 1], 40_000).into();
    let destination = ([127, 77, 0, 10], number).into();
    let record = Recorder::new(kept.clone(), "test", source, destination, "00000000000000aa");
    let session = Session {
        stream: Counted::new(Box::new(theirs), Arc::new(Counters::default()), 1 << 20),
        record,
        source,
        destination,
        number,
        idle: Duration::from_secs(2),
        spare: Arc::new(SparePool::default()),
    };
    tokio::spawn(decoy.serve(session));
    Client { stream: ours, kept }
}

impl Client {
    /// Sends all of it.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the decoy reads");
    }

    /// Reads until `end` appears or the stream ends; panics after two seconds.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        let work = async {
            let mut byte = [0u8; 1];
            while !got.ends_with(end) && self.stream.read(&mut byte).await.expect("the decoy writes") == 1 {
                got.push(byte[0]);
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(2), work).await.is_ok();
        assert!(done, "no {:?} in {:?}", String::from_utf8_lossy(end), String::from_utf8_lossy(&got));
        got
    }
}
