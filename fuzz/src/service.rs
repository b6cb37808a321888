//! A service is spoken to as over the network: the input is what a client sends, in pieces, and its last two
//! bytes say how (see [`Manner`]). The clock is paused, so that waiting costs nothing. A panic anywhere ends
//! the run, and so does an event that is no valid line, an answer that is longer than its question to a peer
//! that proved nothing, or a conversation that does not end after its client left.

use std::sync::Arc;
use std::time::Duration;

use decnet::catalog::{self, SettingKind};
use decnet::decoy::datagram::{PACKET_MAX, Port};
use decnet::decoy::{Decoy, custom, registry, testing};
use decnet::model::{CustomService, Persona, Settings, Talk, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{tls, written};

/// Most pieces that an input is sent in.
const PIECES: usize = 256;
/// Most connections of an input.
const CONNECTIONS: usize = 8;
/// Between two datagrams of an input, or two connections.
const BETWEEN: &[u8] = b"\n--\n";
/// Most bytes that a conversation may answer, and that many more for each byte of it: short commands have long
/// answers, and may be asked for again and again.
const ANSWER_MAX: (usize, usize) = (64 << 20, 32 << 10);

/// How an input is sent.
#[derive(Clone, Copy)]
pub struct Manner(pub u8, pub u8);

impl Manner {
    fn persona(self, service: &str) -> Persona {
        let mut persona = testing::persona(&[service]);
        let distros = catalog::distros();
        persona.distro = distros[usize::from(self.0 >> 4) % distros.len()].slug.to_owned();
        persona.nmap_os = ["linux", "windows", "windows_server", "bsd"][usize::from(self.0 & 3)].to_owned();
        persona
    }

    /// Whether the client makes a TLS handshake first.
    fn over_tls(self) -> bool {
        self.0 & 4 != 0
    }

    /// What the service's settings are: nothing, or an account that gets in, and all that is chosen from words.
    fn settings(self, service: &catalog::Service) -> Settings {
        let mut settings = Settings::new();
        if self.0 & 8 == 0 {
            return settings;
        }
        for setting in service.settings {
            let value = match (setting.kind, setting.key) {
                (SettingKind::Enum(words), _) => words[usize::from(self.0 >> 4) % words.len()].into(),
                (SettingKind::MultiEnum(words), _) => words.into(),
                (_, "user") => "root".into(),
                (_, "password") => "toor".into(),
                _ => continue,
            };
            settings.insert(setting.key.to_owned(), value);
        }
        settings
    }

    /// One of the service's ports.
    fn port(self, service: &catalog::Service) -> Option<catalog::Port> {
        let ports = service.ports;
        ports.get(usize::from(self.1 & 3) % ports.len().max(1)).copied()
    }

    fn proved(self) -> bool {
        self.1 & 4 != 0
    }

    fn pieces(self, data: &[u8]) -> Vec<&[u8]> {
        pieces(self.1 >> 3, data)
    }
}

/// All at once, line by line, or in pieces of some length.
pub fn pieces(how: u8, data: &[u8]) -> Vec<&[u8]> {
    match how {
        0 => vec![data],
        1 => data.split_inclusive(|b| *b == b'\n').take(PIECES).collect(),
        n => data.chunks(usize::from(n) * usize::from(n)).take(PIECES).collect(),
    }
}

/// The datagrams of an input.
pub fn datagrams(data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN) {
        found.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    found.push(rest);
    found.truncate(PIECES);
    found
}

/// The decoy of a service as an input of that manner meets it, and the port.
fn of(slug: &str, manner: Manner) -> (Arc<dyn Decoy>, Option<catalog::Port>) {
    let service = catalog::service(slug).expect("DECNET_FUZZ names no service");
    let build = registry(slug).expect("the service has no decoy");
    (build(&manner.persona(slug), &manner.settings(service)), manner.port(service))
}

/// As [`of`], with the number of the port.
pub fn made(slug: &str, manner: Manner) -> (Arc<dyn Decoy>, u16) {
    let (decoy, port) = of(slug, manner);
    (decoy, port.expect("the service has no ports").number)
}

/// A service of the catalogue.
pub fn talk(slug: &str, data: &[u8]) {
    let Some((data, [first, second])) = data.split_last_chunk::<2>() else { return };
    let manner = Manner(*first, *second);
    let (decoy, port) = of(slug, manner);
    let Some(port) = port else { return };
    match port.transport {
        Transport::Udp => ask(decoy.as_ref(), port.number, manner, data),
        Transport::Tcp => connect(decoy, port.number, manner, data),
    }
}

/// A service of an operator's own, with everything that its conversation may have.
pub fn custom(data: &[u8]) {
    let Some((data, [first, second])) = data.split_last_chunk::<2>() else { return };
    let manner = Manner(*first, *second);
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let talk = Talk {
        banner: "{hostname} ready\\r\\n".to_owned(),
        answers: texts(&[
            "@pass {secret=Winter} => {user}@{hostname}$ {go in}",
            "@pass {secret} => no, {user}\\r\\n{go}",
            "@in exit => bye {close}",
            "@in get *a*b*c* => \\x00\\xff{user}",
            "@in * from {user} to * => {user} {user} {user}",
            "hex:16 03 01 => \\x15\\x03\\x01\\x00\\x02\\x02\\x28",
            "hex:00 => {go binary}",
            "@binary hex:ff ee => \\xee{go}",
            "@binary hex:ff => \\xff",
            "user {user} => password: {go pass}",
            "{user}:{secret} => \\r\\n",
        ]),
        default: "what?\\r\\n".to_owned(),
        close: manner.0 & 0x20 != 0,
        timeout: None,
        tls: manner.over_tls(),
    };
    let service = CustomService { slug: "x".to_owned(), ports: vec![1], talk, ..CustomService::default() };
    assert!(decnet::model::Conversation::of(&service).is_ok());
    let decoy = custom::build(&testing::persona(&["x"]), &service);
    if manner.0 & 0x10 == 0 {
        connect(decoy, 1, manner, data);
    } else {
        ask(decoy.as_ref(), 1, manner, data);
    }
}

fn ask(decoy: &dyn Decoy, number: u16, manner: Manner, data: &[u8]) {
    let kept = Arc::new(testing::Kept::default());
    let mut port = Port::Main;
    for question in datagrams(data) {
        let question = &question[..question.len().min(PACKET_MAX)];
        // What begins like TFTP's RRQ and WRQ goes to the port that clients know, as a new transfer does.
        let at = if matches!(question, [0, 1 | 2, ..]) { Port::Main } else { port };
        let answers = testing::ask_at(decoy, &kept, (number, at), question, manner.proved());
        let sent: usize = answers.iter().map(|(_, bytes)| bytes.len()).sum();
        // To write to the right spare port is proof.
        let proved = manner.proved() || at != Port::Main;
        assert!(proved || sent <= question.len(), "{sent} bytes to {} bytes", question.len());
        port = answers.last().map_or(port, |(from, _)| *from);
    }
    kept.events().iter().for_each(written);
}

/// One connection after the other, so that what one left behind meets the next.
fn connect(decoy: Arc<dyn Decoy>, number: u16, manner: Manner, data: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for said in datagrams(data).into_iter().take(CONNECTIONS) {
        let kept = runtime.block_on(async {
            let client = testing::serve_on(decoy.clone(), number);
            let kept = client.kept.clone();
            let both = async {
                if manner.over_tls() {
                    if let Some(stream) = tls::connect(client.stream).await {
                        converse(stream, manner, said).await;
                    }
                } else {
                    converse(client.stream, manner, said).await;
                }
            };
            assert!(tokio::time::timeout(Duration::from_secs(3600), both).await.is_ok(), "it never ends");
            kept
        });
        kept.events().iter().for_each(written);
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite, manner: Manner, data: &[u8]) {
    let (mut from, mut to) = tokio::io::split(stream);
    let talk = async {
        for piece in manner.pieces(data) {
            // The decoy hung up: that is its right.
            if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _ = to.shutdown().await;
    };
    let listen = async {
        let mut sink = [0u8; 4096];
        let most = ANSWER_MAX.0 + ANSWER_MAX.1 * data.len();
        let mut read = 0usize;
        while let Ok(got @ 1..) = from.read(&mut sink).await {
            read += got;
            assert!(read < most, "the decoy does not stop talking");
        }
    };
    tokio::join!(talk, listen);
}
