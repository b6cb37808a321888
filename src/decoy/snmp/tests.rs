//! The agent asked in bytes; answers were compared with a genuine Net-SNMP 5.9.

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{self, ask};

fn decoy(change: impl FnOnce(&mut Persona)) -> Arc<dyn Decoy> {
    let mut persona = testing::persona(&["snmp", "ssh"]);
    change(&mut persona);
    build(&persona, &Settings::new())
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn one(decoy: &dyn Decoy, bytes: &[u8], proved: bool) -> Option<Vec<u8>> {
    let (mut answers, _) = ask(decoy, 161, bytes, proved);
    assert!(answers.len() <= 1);
    answers.pop().map(|(_, bytes)| bytes)
}

/// Request and answer of a genuine agent.
const GENUINE: &[(&str, &str)] = &[
    (
        "302602010004067075626c6963a019020107020100020100300e300c06082b060102010163000500",
        "302602010004067075626c6963a219020107020102020101300e300c06082b060102010163000500",
    ),
    (
        "302602010104067075626c6963a019020107020100020100300e300c06082b060102010163000500",
        "302602010104067075626c6963a219020107020100020100300e300c06082b060102010163008000",
    ),
    (
        "302602010104067075626c6963a019020107020100020100300e300c06082b060102010101050500",
        "302602010104067075626c6963a219020107020100020100300e300c06082b060102010101058100",
    ),
    (
        "302202010004067075626c6963a115020107020100020100300a300806042b0601070500",
        "302202010004067075626c6963a215020107020102020101300a300806042b0601070500",
    ),
    (
        "302202010104067075626c6963a115020107020100020100300a300806042b0601070500",
        "302202010104067075626c6963a215020107020100020100300a300806042b0601078200",
    ),
    (
        "302702010104067075626c6963a31a020107020100020100300f300d06082b06010201010500040178",
        "302702010104067075626c6963a21a020107020106020101300f300d06082b06010201010500040178",
    ),
    (
        "302702010004067075626c6963a31a020107020100020100300f300d06082b06010201010500040178",
        "302702010004067075626c6963a21a020107020102020101300f300d06082b06010201010500040178",
    ),
    (
        "3028020101040770726976617465a31a020107020100020100300f300d06082b06010201010500020103",
        "3028020101040770726976617465a21a020107020107020101300f300d06082b06010201010500020103",
    ),
    (
        "3028020101040770726976617465a31a020107020100020100300f300d06082b06010201010100040171",
        "3028020101040770726976617465a21a020107020111020101300f300d06082b06010201010100040171",
    ),
    (
        "302602010104067075626c6963a519020107020100020100300e300c06082b060102010101000500",
        "301802010104067075626c6963a20b0201070201000201003000",
    ),
    (
        "301802010104067075626c6963a00b0201070201000201003000",
        "301802010104067075626c6963a20b0201070201000201003000",
    ),
    ("302602010104067075626c6963a719020107020100020100300e300c06082b060102010101000500", ""),
    ("302602010204067075626c6963a019020107020100020100300e300c06082b060102010101000500", ""),
    ("302302010104037a7a7aa019020107020100020100300e300c06082b060102010101000500", ""),
    ("3003616263", ""),
];

#[test]
fn errors_are_those_of_a_genuine_agent() {
    let decoy = decoy(|_| ());
    for (request, answer) in GENUINE {
        let got = one(decoy.as_ref(), &hex(request), true).map(hex::encode).unwrap_or_default();
        assert_eq!(&got, answer, "{request}");
    }
}

/// sysDescr.0 by version 2c.
const DESCRIBE: &str = "302602010104067075626c6963a019020107020100020100300e300c06082b060102010101000500";

#[test]
fn descriptions_fit_the_machine() {
    let text = |decoy: Arc<dyn Decoy>| {
        String::from_utf8_lossy(&one(decoy.as_ref(), &hex(DESCRIBE), true).unwrap()).into_owned()
    };
    assert!(text(decoy(|_| ())).contains("Linux files02 6.1.0-"));
    assert!(text(decoy(|p| p.nmap_os = "windows_server".into())).contains("Windows Version 6.3"));
    assert!(text(decoy(|p| p.nmap_os = "cisco".into())).contains("Cisco IOS Software"));
    let printer = decoy(|p| {
        p.archetype = Some("printer".into());
        p.mac = crate::model::Mac([0x00, 0x21, 0xb7, 1, 2, 3]);
    });
    assert!(text(printer).contains("Lexmark"));
    assert!(text(decoy(|p| p.archetype = Some("industrial-control".into()))).contains("Siemens"));
    let settings = [("sys_descr".to_owned(), "own".into())].into_iter().collect();
    let said = build(&testing::persona(&["snmp"]), &settings);
    assert!(text(said).ends_with("own"));
}

#[test]
fn who_is_not_proved_gets_what_fits() {
    let decoy = decoy(|p| p.hostname = "web1".into());
    // nmap's probe, with lengths of three bytes: the name fits where they are short.
    let probe = hex("3082002f020100040670 75626c6963a082002002044c33a75602010002010030820010 3082000c06082b060102010105000500".replace(' ', "").as_str());
    let answer = one(decoy.as_ref(), &probe, false).unwrap();
    assert!(answer.ends_with(b"\x04\x04web1") && answer.len() <= probe.len());
    let big = one(decoy.as_ref(), &hex(DESCRIBE), false).unwrap();
    assert_eq!(hex::encode(big), "301802010104067075626c6963a20b0201070201010201003000", "tooBig");
    let bulk = hex("302602010104067075626c6963a519020107020100020114300e300c06082b060102010101000500");
    assert!(one(decoy.as_ref(), &bulk, false).unwrap().len() <= bulk.len());
    let long = one(decoy.as_ref(), &bulk, true).unwrap();
    assert!(long.len() > 400 && long.len() <= 1472, "{}", long.len());
}

#[test]
fn walks_come_to_an_end_in_order() {
    for os in ["linux", "windows_server", "cisco", "embedded", "bsd"] {
        let decoy = decoy(|p| p.nmap_os = os.into());
        let mut at: Oid = vec![1, 3];
        let mut steps = 0;
        loop {
            let list = [message::variable(&at, &[5, 0])];
            let request =
                message::classic(1, b"public", message::response(message::pdu::NEXT, 1, 0, 0, &list));
            let answer = one(decoy.as_ref(), &request, true).unwrap();
            let Some(message::Message::Classic(read)) = message::Message::read(&answer) else {
                panic!("{answer:?}")
            };
            let next = &read.pdu.variables[0];
            if next.tag == 0x82 {
                break;
            }
            assert!(next.oid > at, "{:?} after {at:?}", next.oid);
            at.clone_from(&next.oid);
            steps += 1;
        }
        assert!(steps > 60, "{os}: {steps}");
    }
}

#[test]
fn names_can_be_set_by_who_may() {
    let decoy = decoy(|_| ());
    let set = hex(
        "302e020101040770726976617465a3200201070201000201003015301306082b0601020101050004076e65776e616d65",
    );
    let done = hex::encode(one(decoy.as_ref(), &set, true).unwrap());
    assert_eq!(done, hex::encode(&set).replacen("a320", "a220", 1));
    let get = hex("302602010104067075626c6963a019020107020100020100300e300c06082b060102010105000500");
    assert!(one(decoy.as_ref(), &get, true).unwrap().ends_with(b"newname"));
}

#[test]
fn communities_are_recorded() {
    let decoy = decoy(|_| ());
    let (answers, events) = ask(
        decoy.as_ref(),
        161,
        &hex("302302010104037a7a7aa019020107020100020100300e300c06082b060102010101000500"),
        true,
    );
    assert!(answers.is_empty());
    assert_eq!(events[0].action, "community");
    assert_eq!(
        (events[0].secret.as_ref().unwrap().0.as_slice(), events[0].outcome.as_deref()),
        (&b"zzz"[..], Some("failure"))
    );
    assert_eq!(events[1].fields["snmp.oids"][0], "1.3.6.1.2.1.1.1.0");
    let actions =
        || ask(decoy.as_ref(), 161, &hex(DESCRIBE), true).1.into_iter().map(|e| e.action).collect::<Vec<_>>();
    assert_eq!(actions(), ["community", "get"]);
    assert_eq!(actions(), ["get"], "once");
}

#[test]
fn version_3_tells_the_engine_and_knows_nobody() {
    let decoy = decoy(|_| ());
    let probe = hex(
        "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400301204000400a00c020237f00201000201003000",
    );
    assert_eq!(one(decoy.as_ref(), &probe, false), None, "no report is as short as its request");
    let report = one(decoy.as_ref(), &probe, true).unwrap();
    let head = "020103300f02024a69020300ffe304010002010304";
    assert!(hex::encode(&report).contains(head), "{}", hex::encode(&report));
    let Some(message::Message::Secured(read)) = message::Message::read(&report) else { panic!() };
    assert_eq!((read.engine.len(), &read.engine[..5]), (17, &[0x80, 0, 0x1f, 0x88, 0x80][..]));
    assert_eq!(read.pdu.unwrap().variables[0].oid, oid("1.3.6.1.6.3.15.1.1.4.0"));
    // With the engine known, a user and a digest come along.
    let text = |bytes: &[u8]| crate::decoy::ber::element(4, bytes);
    let number = |n| crate::decoy::ber::number(2, n);
    let user = crate::decoy::ber::group(
        0x30,
        &[text(&read.engine), number(1), number(2), text(b"netadmin"), text(&[9; 12]), text(&[])],
    );
    let head = crate::decoy::ber::group(0x30, &[number(1), number(65_507), text(&[5]), number(3)]);
    let pdu = message::response(message::pdu::GET, 1, 0, 0, &[]);
    let scoped = crate::decoy::ber::group(0x30, &[text(&read.engine), text(&[]), pdu]);
    let whole = crate::decoy::ber::group(0x30, &[number(3), head, text(&user), scoped]);
    let (answers, events) = ask(decoy.as_ref(), 161, &whole, true);
    let Some(message::Message::Secured(read)) = message::Message::read(&answers[0].1) else { panic!() };
    assert_eq!(read.pdu.unwrap().variables[0].oid, oid("1.3.6.1.6.3.15.1.1.3.0"));
    assert_eq!(events[0].user.as_ref().unwrap().0, b"netadmin");
    assert_eq!(events[0].fields["snmp.auth_params"], "09".repeat(12));
    let unsigned = hex::encode(&whole).replace(&"09".repeat(12), &"00".repeat(12));
    assert_eq!(events[0].fields["snmp.message"], unsigned);
}

#[test]
fn another_decoy_can_have_an_agent_of_its_own() {
    let table = || vec![(oid("1.3.6.1.2.1.1.1.0"), Value::text("Siemens, SIMATIC, S7-200"))];
    let decoy = Snmp(agent(&Settings::new(), None, table));
    assert!(one(&decoy, &hex(DESCRIBE), true).unwrap().ends_with(b"S7-200"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let decoy = decoy(|_| ());
        let (answers, _) = ask(decoy.as_ref(), 161, &bytes, false);
        prop_assert!(answers.iter().all(|(_, a)| a.len() <= bytes.len()));
    }

    #[test]
    fn no_change_of_a_request_is_too_odd(which in 0..GENUINE.len(), at in 0usize..60, byte: u8, cut in 0usize..60) {
        let decoy = decoy(|_| ());
        let mut bytes = hex(GENUINE[which].0);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut / 10));
        let (answers, _) = ask(decoy.as_ref(), 161, &bytes, false);
        prop_assert!(answers.iter().all(|(_, a)| a.len() <= bytes.len()));
    }
}
