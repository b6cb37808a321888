//! The name server asked in bytes; answers were compared with a genuine BIND 9.18.

use proptest::prelude::*;

use super::*;
use crate::decoy::domain::Domain;
use crate::decoy::testing::{self, ask};

fn decoy(settings: &[(&str, &str)]) -> Arc<dyn Decoy> {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    build(&testing::persona(&["dns"]), &settings)
}

fn question(flags: u16, name: &str, kind: u16, class: u16) -> Vec<u8> {
    let mut writer = wire::Writer::new(1, flags);
    writer.question(&wire::Question { name: Name::new(name).unwrap(), kind, class });
    writer.finish()
}

fn one(decoy: &dyn Decoy, bytes: &[u8], proved: bool) -> Vec<u8> {
    let (mut answers, _) = ask(decoy, 53, bytes, proved);
    assert_eq!(answers.len(), 1);
    answers.remove(0).1
}

fn domain() -> String {
    Domain::new(&testing::persona(&["dns"])).dns
}

#[test]
fn bad_messages_are_answered_as_bind_does() {
    let decoy = decoy(&[]);
    let d = decoy.as_ref();
    let hex = |bytes: &[u8]| hex::encode(one(d, bytes, true));
    assert_eq!(hex(b"\0\0\x10\0\0\0\0\0\0\0\0\0"), "000090040000000000000000");
    assert_eq!(hex(b"\0\x01\x01\0\0\0\0\0\0\0\0\0"), "000181010000000000000000");
    assert_eq!(hex(b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x04corp\x03"), "000181010000000000000000");
    assert_eq!(hex(b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"), "000181010000000000000000");
    let two = [&question(0x100, "a", 1, 1)[..], b"\x01b\0\0\x01\0\x01"].concat();
    let two = [&two[..4], &[0, 2], &two[6..]].concat();
    assert_eq!(hex(&two), "000181010000000000000000");
    let plain = hex::encode(&question(0x100, "a", 1, 1)[12..]);
    for (kind, class, flags) in [
        (1, 0, "8101"),
        (1, 255, "8101"),
        (252, 1, "8101"),
        (249, 1, "8101"),
        (254, 1, "8104"),
        (1, 1, "8105"),
        (1, 3, "8105"),
    ] {
        let got = hex(&question(0x100, "a", kind, class));
        let asked = format!("{}{kind:04x}{class:04x}", &plain[..plain.len() - 8]);
        assert_eq!(got, format!("0001{flags}0001000000000000{asked}"));
    }
    // EDNS of a version that nobody has.
    let odd = [&question(0x100, "a", 1, 1)[..], b"\0\0\x29\x10\0\0\x01\0\0\0\0"].concat();
    let odd = [&odd[..11], &[1], &odd[12..]].concat();
    assert!(hex(&odd).ends_with("00002904d0010000000000"));
    // Answers are not answered.
    assert!(ask(d, 53, &question(0x8100, "a", 1, 1), true).0.is_empty());
    let notify = one(d, &question(0x2000, &domain(), kind::SOA, 1), true);
    assert_eq!(notify[2..4], [0xa4, 0]);
    let update = one(d, &question(0x2800, &domain(), kind::SOA, 1), true);
    assert_eq!(update[2..4], [0xa8, 5]);
}

#[test]
fn the_version_is_told_in_full_only_where_it_fits_or_is_proved() {
    let decoy = decoy(&[("bind_version", "9.11.4-P2-RedHat-9.11.4-26.P2.el7_9.10")]);
    let probe = b"\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03";
    let short = one(decoy.as_ref(), probe, false);
    assert_eq!((short.len(), &short[2..4]), (30, &[0x87, 0][..]));
    let long = one(decoy.as_ref(), probe, true);
    assert!(long.ends_with(b"9.11.4-P2-RedHat-9.11.4-26.P2.el7_9.10"));
    let (_, events) = ask(decoy.as_ref(), 53, probe, false);
    assert_eq!(events[0].action, "fingerprint_probe");
    assert_eq!(events[0].fields["dns.question.name"], "version.bind.");
}

#[test]
fn a_cookie_proves_a_peer() {
    let decoy = decoy(&[]);
    let with = |cookie: &[u8]| {
        let mut writer = wire::Writer::new(1, 0);
        writer.question(&wire::Question { name: Name::new(&domain()).unwrap(), kind: kind::NS, class: 1 });
        writer.opt(1232, 0, false, &[(10, cookie.to_vec())]);
        writer.finish()
    };
    let first = one(decoy.as_ref(), &with(b"abcdefgh"), false);
    assert_eq!(first[2] & 2, 2, "truncated");
    let full = one(decoy.as_ref(), &with(b"abcdefgh"), true);
    let cookie = Message::read(&full).unwrap().edns.unwrap().option(10).unwrap().to_vec();
    assert_eq!(cookie.len(), 24);
    let again = one(decoy.as_ref(), &with(&cookie), false);
    let read = Message::read(&again).unwrap();
    assert!(
        again.len() > with(&cookie).len() && read.records.iter().filter(|r| r.kind == kind::NS).count() == 2
    );
}

#[test]
fn zones_are_served() {
    let decoy = decoy(&[]);
    let get = |name: &str, kind: u16| {
        let bytes = one(decoy.as_ref(), &question(0, name, kind, 1), true);
        (bytes[3] & 0xf, Message::read(&bytes).unwrap())
    };
    let (code, message) = get(&format!("ns1.{}", domain()), kind::A);
    assert_eq!((code, message.records[0].data.as_slice()), (0, &[127, 77, 0, 10][..]));
    let (code, message) = get(&format!("nope.{}", domain()), kind::A);
    assert_eq!((code, message.records[0].kind, message.records[0].section), (3, kind::SOA, 2));
    let (code, message) = get(&format!("_tcp.{}", domain()), kind::A);
    assert_eq!((code, message.records[0].kind), (0, kind::SOA), "an empty name between others");
    let (code, message) = get("10.0.77.127.in-addr.arpa", kind::PTR);
    assert_eq!((code, message.records[0].kind), (0, kind::PTR));
    assert_eq!(get("example.com", kind::A).0, 5);
}

#[test]
fn other_modes_resolve_a_little() {
    let open = decoy(&[("zone_mode", "open")]);
    let get = |name: &str| {
        let bytes = one(open.as_ref(), &question(0x100, name, kind::A, 1), true);
        (bytes[3], Message::read(&bytes).unwrap().records.len())
    };
    assert_eq!(get("dns.google"), (0x80, 2));
    assert_eq!(get("something.example.com"), (0x82, 0));
    assert_eq!(get("printer.invalid"), (0x83, 0));
}

#[tokio::test]
async fn zones_are_transferred_over_tcp() {
    let mut client = testing::serve_on(decoy(&[]), 53);
    let query = question(0, &domain(), kind::AXFR, 1);
    client.send(&[&u16::try_from(query.len()).unwrap().to_be_bytes()[..], &query].concat()).await;
    let end = b"\0\x09\x3a\x80\0\x01\x51\x80";
    let mut bytes = client.until(end).await;
    bytes.extend(client.until(end).await);
    let read = Message::read(&bytes[2..]).unwrap();
    assert!(read.records.len() > 15, "{}", read.records.len());
    assert_eq!(read.records.iter().filter(|r| r.kind == kind::SOA).count(), 2);
    assert_eq!((read.records[0].kind, read.records.last().unwrap().kind), (kind::SOA, kind::SOA));
    let events = client.kept.events();
    assert_eq!((events[0].action.as_str(), events[0].outcome.as_deref()), ("zone_transfer", Some("success")));
}

#[test]
fn microsoft_keeps_its_version() {
    let mut persona = testing::persona(&["dns"]);
    persona.nmap_os = "windows_server".into();
    persona.hostname = "WIN-AAAA".into();
    let decoy = build(&persona, &Settings::new());
    let probe = b"\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03";
    let said = one(decoy.as_ref(), probe, false);
    assert!(said.starts_with(b"\0\x06\x81\x04\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03"));
    let name = format!("_ldap._tcp.dc._msdcs.{}", Domain::new(&persona).dns);
    let srv = Message::read(&one(decoy.as_ref(), &question(0x100, &name, kind::SRV, 1), true)).unwrap();
    assert_eq!(srv.records.len(), 2, "the server and its address");
}

#[test]
fn data_in_names_is_told() {
    let hex = "4f2a9c81e7d3b06a5f1c8e2d7b94a3f0c6d1";
    assert!(tunnelling(&Name::new(&format!("{hex}.{hex}.t.example.com")).unwrap()));
    assert!(!tunnelling(&Name::new("_ldap._tcp.dc._msdcs.contoso.local").unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..120), good in any::<bool>(), proved in any::<bool>()) {
        let decoy = decoy(&[("zone_mode", "open")]);
        let mut bytes = bytes;
        if good && bytes.len() > 12 {
            bytes[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 1]);
        }
        let (answers, _) = ask(decoy.as_ref(), 53, &bytes, proved);
        for (_, answer) in answers {
            prop_assert!(proved || answer.len() <= bytes.len());
        }
    }

    #[test]
    fn streams_may_split_anywhere(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = testing::serve_on(decoy(&[]), 53);
            let at = at.min(bytes.len());
            let query = question(0, "version.bind", kind::TXT, class::CHAOS);
            client.send(&[&[0, u8::try_from(query.len()).unwrap()][..], &query].concat()).await;
            client.send(&bytes[..at]).await;
            client.send(&bytes[at..]).await;
            client.until(b"Debian").await;
        });
    }
}
