use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{self, Client};
use crate::event::Kind;

fn client(number: u16) -> Client {
    testing::serve_on(build(&testing::persona(&["conpot"]), &Settings::new()), number)
}

/// What is answered to `request`, without its first `skip` bytes.
async fn ask(client: &mut Client, request: &str, skip: usize) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    client.send(&hex::decode(request.replace(' ', "")).unwrap()).await;
    let mut got = vec![0u8; 1024];
    let read = client.stream.read(&mut got);
    let length = tokio::time::timeout(std::time::Duration::from_secs(2), read).await.unwrap().unwrap();
    got.truncate(length);
    got.drain(..skip.min(length));
    got
}

#[tokio::test]
async fn modbus_reads_writes_and_refuses() {
    let mut c = client(502);
    let words = ask(&mut c, "0001 0000 0006 01 03 0000 0003", 0).await;
    assert_eq!(&words[..9], [0, 1, 0, 0, 0, 9, 1, 3, 6]);
    for (request, answer) in [
        ("0002 0000 0006 01 06 0005 1234", "000200000006010600051234"),
        ("0003 0000 0006 01 03 0005 0001", "000300000005010302 1234"),
        ("0004 0000 000b 07 10 0005 0002 04 aaaabbbb", "00040000000607 10 0005 0002"),
        ("0005 0000 0006 07 03 0006 0001", "000500000005070302 bbbb"),
        ("0006 0000 0006 01 05 0001 ff00", "000600000006010500 01ff00"),
        ("0007 0000 0006 01 01 0001 0001", "000700000004010101 01"),
        ("0008 0000 0009 01 0f 0008 000a 02 5501", "000800000006010f0008000a"),
        ("0009 0000 0006 01 03 0000 007e", "000900000003018303"),
        ("000a 0000 0006 01 03 01ff 0002", "000a00000003018302"),
        ("000b 0000 0002 01 07", "000b00000003018701"),
        ("000c 0000 0006 01 05 0001 0100", "000c00000003018503"),
        ("000d 0000 0005 01 2b 0e 01 07", "000d"),
        ("000e 0000 0005 01 2b 0e 04 09", "000e0000000301ab02"),
        ("000f 0000 0003 01 2b 0d", "000f0000000301ab01"),
    ] {
        let got = hex::encode(ask(&mut c, request, 0).await);
        assert!(got.starts_with(&answer.replace(' ', "")), "{request}: {got}");
    }
    let told = ask(&mut c, "0010 0000 0005 01 2b 0e 01 00", 7).await;
    let text = String::from_utf8_lossy(&told).into_owned();
    assert!(
        text.contains("Siemens") && text.contains("6ES7 3") && told[..6] == [0x2b, 14, 1, 0x82, 0, 0],
        "{text}"
    );
    assert!(String::from_utf8_lossy(&ask(&mut c, "0011 0000 0002 01 11", 0).await).contains("CPU 31"));
    // As nmap's probe for HTTP is taken.
    assert_eq!(ask(&mut c, &hex::encode("GET / HTTP/1.0\r\n\r\n"), 0).await, b"GE\0\0\0\x03H\xd4\x01");
    let writes = c.kept.events().into_iter().filter(|e| e.action == "write").count();
    assert_eq!(writes, 5);
}

const CONNECT: &str = "0300001611e00000001400c1020100c2020102c0010a";
const SETUP: &str = "0300001902f08032010000000000080000f0000001000101e0";

#[tokio::test]
async fn s7_tells_what_it_is() {
    let mut c = client(102);
    assert_eq!(ask(&mut c, CONNECT, 4).await[1..4], [0xd0, 0, 0x14]);
    let setup = ask(&mut c, SETUP, 7).await;
    assert_eq!(hex::encode(setup), "320300000000000800000000f000000100010 0f0".replace(' ', ""));
    let module = ask(&mut c, "0300002102f080320700000000000800080001120411440100ff09000400110001", 0).await;
    assert!(module.len() >= 125 && module[43..].starts_with(b"6ES7 3") && module[121] == b'V');
    let names = ask(&mut c, "0300002102f080320700000000000800080001120411440100ff090004001c0001", 0).await;
    // What fits a PDU; the rest is asked for.
    assert_eq!((names.len(), &names[25..27]), (247, &[1u8, 1][..]));
    assert!(names[43..].starts_with(b"SIMATIC 300(") && names[77..].starts_with(b"CPU 31"));
    assert!(names[145..].starts_with(b"Original Siemens Equipment\0") && names[179..].starts_with(b"S C-"));
    let rest = ask(&mut c, "0300002102f0803207000000000 00c000400011208124401 01000000000a000000", 0).await;
    assert!(rest.windows(4).any(|w| w == b"MMC ") && rest[25..27] == [0, 0], "{}", hex::encode(&rest));
}

#[tokio::test]
async fn s7_reads_writes_stops_and_starts() {
    let mut c = client(102);
    ask(&mut c, CONNECT, 0).await;
    ask(&mut c, SETUP, 0).await;
    let read = "0300001f02f08032010000000100 0e0000 0401 120a1002 0004 0001 84 000100";
    let before = ask(&mut c, read, 19).await;
    assert_eq!(before[..6], [4, 1, 0xff, 4, 0, 32]);
    let write = "0300002702f08032010000000200 0e0008 0501 120a1002 0004 0001 84 000100 0004 0020 01020304";
    assert_eq!(ask(&mut c, write, 19).await, [5, 1, 0xff]);
    assert_eq!(ask(&mut c, read, 19).await[6..], [1, 2, 3, 4]);
    let missing = "0300001f02f08032010000000100 0e0000 0401 120a1002 0004 0009 84 000100";
    assert_eq!(ask(&mut c, missing, 19).await[2], 0x0a);
    let stop = "0300002102f0803201000000030 0100000 29 0000000000 09 505f50524f4752414d";
    let state = "0300002102f080320700000000000800080001120411440100ff090004 04240000";
    assert_eq!(ask(&mut c, state, 0).await[44], 8);
    assert_eq!(ask(&mut c, stop, 17).await, [0, 0, 0x29]);
    assert_eq!(ask(&mut c, state, 0).await[44], 4);
    let start = "0300002502f0803201000000040 0140000 28 000000000000fd 0000 09 505f50524f4752414d";
    assert_eq!(ask(&mut c, start, 17).await, [0, 0, 0x28]);
    assert_eq!(ask(&mut c, state, 0).await[44], 8);
    let actions: Vec<_> = c.kept.events().into_iter().map(|e| e.action).collect();
    assert!(actions.iter().any(|a| a == "plc_stop") && actions.iter().any(|a| a == "write"), "{actions:?}");
}

#[tokio::test]
async fn other_slots_and_other_protocols_are_left() {
    for bad in
        ["0300001611e00000001400c1020100c2020100c0010a", "160301020001", "0300000b06f08032010000000000"]
    {
        let mut c = client(102);
        c.send(&hex::decode(bad).unwrap()).await;
        assert_eq!(c.until(b"never").await, b"", "{bad}");
    }
}

#[tokio::test]
async fn the_page_shows_the_station() {
    let mut c = client(80);
    c.send(b"GET / HTTP/1.0\r\n\r\n").await;
    let moved = c.until(b"</HTML>").await;
    assert!(moved.starts_with(b"HTTP/1.0 302\r\nLocation: /Portal0000.htm\r\n"));
    let mut c = client(80);
    c.send(b"GET /Portal0000.htm HTTP/1.1\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nUser-Agent: x\r\n\r\n")
        .await;
    let page = String::from_utf8(c.until(b"</HTML>").await).unwrap();
    assert!(page.contains("SIMATIC S7-300") && page.contains("S C-") && page.contains(">RUN<"), "{page}");
    assert!(!page.contains("files02"));
    let login = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(login.secret.unwrap().0, b"admin");
}

#[test]
fn its_agent_and_the_snmp_service_tell_of_the_same_module() {
    // `snmpget -v2c -c public … sysDescr.0`
    let bytes =
        hex::decode("302602010104067075626c6963a019020107020100020100300e300c06082b060102010101000500")
            .unwrap();
    for services in [&["conpot"][..], &["conpot", "snmp"]] {
        let persona = testing::persona(services);
        let plc = Plc::new(&persona);
        let builds = services.iter().map(|slug| crate::decoy::registry(slug).unwrap());
        for decoy in builds.map(|build| build(&persona, &Settings::new())) {
            let (answers, _) = testing::ask(decoy.as_ref(), 161, &bytes, true);
            let said = String::from_utf8_lossy(&answers[0].1).into_owned();
            for part in [plc.module, plc.order, &plc.serial, &plc.version()] {
                assert!(said.contains(part), "{part} {said}");
            }
            // Whoever may be somebody else is told that it is too much.
            let (answers, _) = testing::ask(decoy.as_ref(), 161, &bytes, false);
            assert!(answers[0].1.len() <= bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_bytes_are_taken(
        number in prop_oneof![Just(502u16), Just(102), Just(80)],
        start in 0usize..4,
        tail in proptest::collection::vec(any::<u8>(), 0..120),
        cut in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut c = client(number);
            let mut bytes = match (number, start) {
                (102, 1..) => hex::decode(CONNECT.to_owned() + SETUP).unwrap(),
                (502, 1..) => vec![0, 1, 0, 0, 0, 6, 1, tail.first().map_or(3, |b| b % 44)],
                _ => Vec::new(),
            };
            if number == 102 && start > 1 {
                // A well-formed frame around what is none.
                let length = u16::try_from(tail.len() + 17).unwrap().to_be_bytes();
                bytes.extend([3, 0, length[0], length[1], 2, 0xf0, 0x80, 0x32, if start == 2 { 1 } else { 7 }]);
                bytes.extend([0, 0, 0, 0, 0, u8::try_from(tail.len()).unwrap(), 0, 0]);
            }
            bytes.extend(&tail);
            for piece in bytes.chunks(cut) {
                use tokio::io::AsyncWriteExt;
                if c.stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
        });
    }
}
