//! The link's name services asked in bytes.

use proptest::prelude::*;

use super::super::dns::wire::{Name, Question, Writer, kind};
use super::*;
use crate::decoy::testing::{self, ask};
use crate::model::Settings;

fn decoy() -> Arc<dyn Decoy> {
    build(&testing::persona(&["llmnr", "ssh"]), &Settings::new())
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut writer = Writer::new(0xbeef, 0);
    writer.question(&Question { name: Name::new(name).unwrap(), kind, class: 1 });
    writer.finish()
}

#[test]
fn only_the_own_name_is_answered_to() {
    let decoy = decoy();
    for name in ["wpad", "fileserver", "files02.corp", "isatap"] {
        let (answers, events) = ask(decoy.as_ref(), 5355, &question(name, kind::A), true);
        assert!(answers.is_empty(), "{name}");
        assert_eq!(events[0].fields["dns.question.name"], format!("{name}."));
        assert_eq!(events[0].fields["network.protocol"], "llmnr");
    }
    let (answers, _) = ask(decoy.as_ref(), 5355, &question("FILES02", kind::A), true);
    let read = Message::read(&answers[0].1).unwrap();
    assert_eq!(
        (read.id, read.flags, read.records[0].data.as_slice()),
        (0xbeef, 0x8000, &[127, 77, 0, 10][..])
    );
    let (answers, _) = ask(decoy.as_ref(), 5355, &question("files02", kind::AAAA), true);
    assert!(Message::read(&answers[0].1).unwrap().records.is_empty());
}

#[tokio::test]
async fn who_is_not_proved_is_sent_to_tcp() {
    let query = question("files02", kind::A);
    let (answers, _) = ask(decoy().as_ref(), 5355, &query, false);
    assert_eq!((answers[0].1.len(), answers[0].1[2]), (query.len(), 0x82));
    let mut client = testing::serve_on(decoy(), 5355);
    client.send(&[&[0, u8::try_from(query.len()).unwrap()][..], &query].concat()).await;
    client.until(&[127, 77, 0, 10]).await;
}

#[test]
fn multicast_dns_tells_name_and_services() {
    let decoy = decoy();
    let get = |name: &str, kind: u16| {
        let (answers, _) = ask(decoy.as_ref(), 5353, &question(name, kind), true);
        answers.first().map(|(_, bytes)| Message::read(bytes).unwrap())
    };
    let host = get("files02.local", kind::A).unwrap();
    assert_eq!(
        (host.flags, host.questions.len(), host.records[0].class),
        (0x8400, 1, 1),
        "to a plain resolver"
    );
    assert_eq!(get("_services._dns-sd._udp.local", kind::PTR).unwrap().records.len(), 2);
    assert!(get("files02._ssh._tcp.local", kind::SRV).is_some());
    assert!(get("other.local", kind::A).is_none());
    let (answers, _) = ask(decoy.as_ref(), 5353, &question("files02.local", kind::A), false);
    assert!(answers.is_empty(), "no room, and no other way");
}

#[test]
fn answers_of_others_are_only_noted() {
    let mut bytes = question("files02", kind::A);
    bytes[2] = 0x84;
    let (answers, events) = ask(decoy().as_ref(), 5353, &bytes, true);
    assert!(answers.is_empty());
    assert_eq!(events[0].action, "announcement");
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..100), mdns in any::<bool>()) {
        let (answers, _) = ask(decoy().as_ref(), if mdns { 5353 } else { 5355 }, &bytes, false);
        prop_assert!(answers.iter().all(|(_, a)| a.len() <= bytes.len()));
    }
}
