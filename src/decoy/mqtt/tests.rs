//! Conversations; what a genuine Mosquitto 2.0.11 sends was captured.

use super::*;
use crate::decoy::testing::{self, Client};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

fn client(settings: &[(&str, &str)]) -> Client {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    testing::connect(build, &testing::persona(&["mqtt"]), &settings)
}

const V31: &[u8] = b"\x10\x11\0\x06MQIsdp\x03\x02\0\x3c\0\x03abc";
const V311: &[u8] = b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc";
const V5: &[u8] = b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\0\0\x03abc";
const ACK: &[u8] = b"\x20\x02\0\0";

/// Whatever comes within a moment or until the end.
async fn all(client: &mut Client) -> Vec<u8> {
    let mut got = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut chunk);
        match tokio::time::timeout(std::time::Duration::from_millis(150), read).await {
            Err(_) => return got,
            Ok(read) => match read.unwrap() {
                0 => {
                    got.extend_from_slice(b"<end>");
                    return got;
                }
                length => got.extend_from_slice(&chunk[..length]),
            },
        }
    }
}

#[tokio::test]
async fn answers_are_byte_true() {
    let cases: &[(&[u8], &[u8], &[u8])] = &[
        (V31, b"", b"\x20\x02\0\0"),
        (V311, b"\xc0\0", b"\x20\x02\0\0\xd0\0"),
        (V5, b"\xe0\0", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14<end>"),
        (b"\x10\x0f\0\x04MQTT\x06\x02\0\x3c\0\x03abc", b"", b"\x20\x02\0\x01<end>"),
        (b"\x10\x0f\0\x04XXXX\x04\x02\0\x3c\0\x03abc", b"", b"<end>"),
        (b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0", b"", b"\x20\x02\0\x02<end>"),
        (b"GET / HTTP/1.0\r\n\r\n", b"", b"<end>"),
        (V311, V311, b"\x20\x02\0\0<end>"),
        (V311, b"\x82\x18\0\x01\0\x13$SYS/broker/version\x01", b"\x20\x02\0\0\x90\x03\0\x01\x01\x33\x2f\0\x13$SYS/broker/version\0\x01mosquitto version 2.0.11"),
        (V5, b"\x82\x19\0\x01\0\0\x13$SYS/broker/version\x01", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14\x90\x04\0\x01\0\x01\x33\x30\0\x13$SYS/broker/version\0\x01\0mosquitto version 2.0.11"),
        (V5, b"\x82\x0b\0\x01\0\0\x05a/#/b\x01", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14\xe0\x01\x81<end>"),
        (V311, b"\x82\x0a\0\x01\0\x05a/#/b\x01", b"\x20\x02\0\0<end>"),
        (V311, b"\x32\x06\0\x01a\0\x07x", b"\x20\x02\0\0\x40\x02\0\x07"),
        (V5, b"\x32\x07\0\x01a\0\x07\0x", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14\x40\x03\0\x07\x10"),
        (V311, b"\x34\x06\0\x01a\0\x07x\x62\x02\0\x07", b"\x20\x02\0\0\x50\x02\0\x07\x70\x02\0\x07"),
        (V5, b"\x30\x07\0\x03a/#\0x", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14\xe0\x01\x82<end>"),
        (V5, b"\xa2\x08\0\x01\0\0\x03q/+", b"\x20\x09\0\0\x06\x22\0\x0a\x21\0\x14\xb0\x04\0\x01\0\x11"),
        (V311, b"\x82\x08\0\x01\0\x03q/+\x02\x33\x0c\0\x03q/a\0\x07hello", b"\x20\x02\0\0\x90\x03\0\x01\x02\x32\x0c\0\x03q/a\0\x01hello\x40\x02\0\x07"),
    ];
    for (connect, then, want) in cases {
        let mut client = client(&[]);
        client.send(connect).await;
        client.send(then).await;
        let got = all(&mut client).await;
        assert_eq!(
            got.escape_ascii().to_string(),
            want.escape_ascii().to_string(),
            "{}",
            then.escape_ascii()
        );
    }
}

#[tokio::test]
async fn an_account_is_asked_for_and_recorded() {
    let account = [("user", "u"), ("password", "p")];
    let mut c = client(&account);
    c.send(b"\x10\x15\0\x04MQTT\x04\xc2\0\x3c\0\x03abc\0\x01u\0\x01x").await;
    assert_eq!(all(&mut c).await, b"\x20\x02\0\x05<end>");
    let login = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!((login.user.unwrap().0, login.secret.unwrap().0), (b"u".to_vec(), b"x".to_vec()));
    assert_eq!(login.outcome.as_deref(), Some("failure"));
    let mut c = client(&account);
    c.send(b"\x10\x15\0\x04MQTT\x04\xc2\0\x3c\0\x03abc\0\x01u\0\x01p").await;
    assert_eq!(all(&mut c).await, ACK);
    let mut c = client(&account);
    c.send(V5).await;
    assert_eq!(all(&mut c).await, b"\x20\x03\0\x87\0<end>");
}

#[tokio::test]
async fn visitors_find_readings_and_what_they_left() {
    let decoy = build(&testing::persona(&["mqtt"]), &Settings::new());
    let mut one = testing::serve(decoy.clone());
    one.send(V311).await;
    one.send(b"\x82\x06\0\x01\0\x01#\0").await;
    let seen = all(&mut one).await;
    assert!(
        seen.windows(5).filter(|w| w[0] == 0x31 && w[2] == 0).count() >= 5,
        "{:?}",
        seen.escape_ascii().to_string()
    );
    assert!(!seen.windows(4).any(|w| w == b"$SYS"));
    let mut two = testing::serve(decoy.clone());
    two.send(&[&b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03xyz"[..], b"\x31\x08\0\x03a/bhey"].concat()).await;
    assert_eq!(all(&mut two).await, ACK);
    assert_eq!(all(&mut one).await, b"\x30\x08\0\x03a/bhey");
    let events = two.kept.events();
    let publish = events.iter().find(|e| e.action == "publish").unwrap();
    assert_eq!(publish.fields["mqtt.topic"], "a/b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_survived(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 0..8),
        version in 0usize..4,
        kinds in proptest::collection::vec(0u8..16, 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = client(&[]);
            let _ = client.stream.write_all([&b""[..], V31, V311, V5][version]).await;
            for (chunk, kind) in chunks.iter().zip(kinds.iter().chain(std::iter::repeat(&3))) {
                let _ = client.stream.write_all(&packet::packet(kind << 4 | 2, chunk)).await;
                tokio::task::yield_now().await;
                let _ = client.stream.write_all(chunk).await;
                tokio::task::yield_now().await;
            }
            drop(client.stream);
            tokio::task::yield_now().await;
        });
    }
}
