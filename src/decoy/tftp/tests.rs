use proptest::prelude::*;

use super::*;
use crate::decoy::datagram::ANSWER_MAX;
use crate::decoy::session::Recorder;
use crate::decoy::testing::{self, Kept};
use crate::event::Event;

struct Peer {
    decoy: Arc<dyn Decoy>,
    kept: Arc<Kept>,
    proved: bool,
    port: u16,
}

impl Peer {
    fn new() -> Self {
        let decoy = build(&testing::persona(&["tftp"]), &Settings::new());
        Self { decoy, kept: Arc::default(), proved: false, port: 40_000 }
    }

    fn say(&mut self, port: Port, bytes: &[u8]) -> Option<(Port, Vec<u8>)> {
        let (source, destination) = (([10, 0, 0, 7], self.port).into(), ([127, 77, 0, 10], 69).into());
        let record = Recorder::new(self.kept.clone(), "tftp", source, destination, "00000000000000aa");
        let packet = Packet {
            bytes,
            source,
            destination,
            number: 69,
            port,
            multicast: false,
            spares: 8,
            record: &record,
        };
        let mut answers = Answers::new(bytes.len(), self.proved);
        self.decoy.datagram(&packet, &mut answers);
        self.proved |= answers.newly_proved();
        answers.take().pop()
    }

    fn uploads(&self) -> Vec<Event> {
        self.kept.events().into_iter().filter(|e| e.action == "upload").collect()
    }
}

fn data(number: u16, bytes: &[u8]) -> Vec<u8> {
    build_packet(DATA, number, bytes)
}

fn other(port: Port) -> Port {
    let Port::Spare(at) = port else { panic!() };
    Port::Spare((at + 1) % 8)
}

#[test]
fn an_upload_is_hashed_and_proves_the_peer() {
    let mut peer = Peer::new();
    let (spare, ack) = peer.say(Port::Main, b"\0\x02bot.sh\0octet\0").unwrap();
    assert!(ack == [0, 4, 0, 0] && spare != Port::Main && !peer.proved);
    assert_eq!(peer.say(spare, &data(1, &[b'a'; 512])).unwrap().1, [0, 4, 0, 1]);
    assert!(peer.proved);
    assert_eq!(peer.say(spare, &data(1, &[b'b'; 512])).unwrap().1, [0, 4, 0, 1]);
    assert_eq!(peer.say(spare, &data(3, b"x")).unwrap().1, [0, 4, 0, 1]);
    assert_eq!(peer.say(spare, &data(2, b"end")).unwrap().1, [0, 4, 0, 2]);
    assert_eq!(peer.say(spare, &data(3, b"x")), None);
    let upload = &peer.uploads()[0];
    assert_eq!((upload.outcome.as_deref(), &upload.fields["file.size"]), (Some("success"), &515.into()));
    let mut whole = vec![b'a'; 512];
    whole.extend(b"end");
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&whole));
    assert_eq!(upload.fields["file.hash.sha256"], hash.as_str());
    // It is there now, and comes in blocks.
    let (spare, first) = peer.say(Port::Main, b"\0\x01bot.sh\0octet\0").unwrap();
    assert_eq!(first, data(1, &whole[..512]));
    assert_eq!(peer.say(spare, &[0, 4, 0, 0]).unwrap().1, first);
    assert_eq!(peer.say(spare, &[0, 4, 0, 1]).unwrap().1, data(2, b"end"));
    assert_eq!(peer.say(spare, &[0, 4, 0, 2]), None);
    assert_eq!(peer.say(spare, &[0, 4, 0, 2]), None);
}

#[test]
fn options_make_an_unproved_peer_answer_first() {
    let mut peer = Peer::new();
    let ask = b"\0\x01running-config\0octet\0tsize\x000\0blksize\x001024\0";
    let (spare, told) = peer.say(Port::Main, ask).unwrap();
    assert!(told.starts_with(b"\0\x06tsize\0") && told.len() <= ask.len());
    let mut got = Vec::new();
    let mut block = 0u16;
    while let Some((_, next)) = peer.say(spare, &build_packet(ACK, block, b"")) {
        block += 1;
        assert_eq!(word(&next, 2), Some(block));
        got.extend_from_slice(&next[4..]);
    }
    assert!(got.starts_with(b"!\n! Last configuration") && got.ends_with(b"end\n"));
}

#[test]
fn without_options_the_room_is_all_there_is() {
    let mut peer = Peer::new();
    let ask = b"\0\x01/running-config\0octet\0";
    let (spare, first) = peer.say(Port::Main, ask).unwrap();
    assert_eq!(first.len(), ask.len());
    assert_eq!(peer.say(spare, &[0, 4, 0, 1]), None);
    assert!(peer.proved);
    assert_eq!(peer.say(Port::Main, ask).unwrap().1.len(), 516);
}

#[test]
fn whoever_tries_all_sockets_proves_nothing() {
    let mut peer = Peer::new();
    let (spare, _) = peer.say(Port::Main, b"\0\x02x\0octet\0").unwrap();
    assert_eq!(peer.say(other(spare), &data(1, b"x")), None);
    assert_eq!(peer.say(spare, &data(1, b"x")).unwrap().1, [0, 4, 0, 1]);
    assert!(!peer.proved);
    assert_eq!(peer.uploads().len(), 1);
}

#[test]
fn errors_are_those_of_tftp_hpa() {
    let mut peer = Peer::new();
    peer.proved = true;
    for (ask, answer) in [
        (&b"\0\x01r7tftp.txt\0octet\0"[..], &b"\0\x05\0\x01File not found\0"[..]),
        (b"\0\x01a\0mail\0", b"\0\x05\0\x04Unknown mode\0"),
        (b"\0\x02a", b"\0\x05\0\x04Missing mode\0"),
        (b"\0\x01running-config\0octet\0blksize\x004\0", b"\0\x05\0\x08Unsupported option(s) requested\0"),
    ] {
        assert_eq!(peer.say(Port::Main, ask).unwrap().1, answer);
    }
    for silent in
        [&b"\0\x03\0\x01abc"[..], b"\0\x04\0\x01", b"\0\x05\0\x01x\0", b"\0\0", b"", b"\x01", b"GET / HTTP"]
    {
        assert_eq!(peer.say(Port::Main, silent), None);
    }
}

#[test]
fn an_unfinished_upload_is_recorded_when_another_takes_its_place() {
    let mut peer = Peer::new();
    let (spare, _) = peer.say(Port::Main, b"\0\x02a\0octet\0").unwrap();
    peer.say(spare, &data(1, &[1; 512]));
    peer.say(Port::Main, b"\0\x02b\0octet\0").unwrap();
    assert_eq!(peer.uploads()[0].outcome.as_deref(), Some("failure"));
    for n in 0..100 {
        peer.port = 41_000 + n;
        peer.say(Port::Main, b"\0\x02c\0octet\0").unwrap();
    }
    assert_eq!(peer.uploads().len(), 70);
}

proptest! {
    #[test]
    fn any_datagrams_are_taken(
        packets in proptest::collection::vec(
            (0usize..10, prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "\0[\x01\x02][a-z]{0,9}\0(octet|netascii|mail)\0(tsize\0[0-9]{0,22}\0|blksize\0[0-9]{0,6}\0|timeout\0x\0){0,3}"
                    .prop_map(String::into_bytes),
                (3u16..5, 0u16..3, 0usize..600).prop_map(|(op, n, len)| build_packet(op, n, &vec![7; len])),
            ]), 0..12),
        proved: bool,
    ) {
        let mut peer = Peer::new();
        peer.proved = proved;
        for (port, bytes) in packets {
            let port = if port < 2 { Port::Main } else { Port::Spare(port - 2) };
            let before = peer.proved;
            if let Some((_, answer)) = peer.say(port, &bytes) {
                let most = if before || peer.proved { ANSWER_MAX } else { bytes.len() };
                prop_assert!(answer.len() <= most);
            }
        }
    }
}
