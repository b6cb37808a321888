use super::*;
use crate::decoy::testing::{self, Client};
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

fn connect(distro: &str, settings: &[(&str, &str)]) -> Client {
    let mut persona = testing::persona(&["mysql"]);
    persona.distro = distro.into();
    testing::connect(build, &persona, &settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect())
}

async fn packet(client: &mut Client) -> (u8, Vec<u8>) {
    let mut header = [0u8; 4];
    client.stream.read_exact(&mut header).await.unwrap();
    let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
    client.stream.read_exact(&mut payload).await.unwrap();
    (header[3], payload)
}

async fn send(client: &mut Client, sequence: u8, payload: &[u8]) {
    let mut out = Vec::new();
    frame(sequence, payload, &mut out);
    client.send(&out).await;
}

/// Reads the greeting; gives its challenge.
async fn greeted(client: &mut Client) -> Vec<u8> {
    let (_, greeting) = packet(client).await;
    let end = greeting.iter().position(|b| *b == 0).unwrap();
    let mut challenge = greeting[end + 5..end + 13].to_vec();
    challenge.extend_from_slice(&greeting[end + 32..end + 44]);
    assert!(challenge.iter().all(|b| (1..=127).contains(b)));
    challenge
}

#[tokio::test]
async fn a_wrong_password_is_denied_byte_true_and_recorded() {
    let mut c = connect("debian", &[]);
    let challenge = greeted(&mut c).await;
    let response = auth::native(&challenge, b"toor");
    let login = auth::client_login("root", &response, "mysql_native_password", Some("shop"));
    send(&mut c, 1, &login).await;
    let denied = b"\xff\x15\x04#28000Access denied for user 'root'@'127.0.0.1' (using password: YES)";
    assert_eq!(packet(&mut c).await, (2, denied.to_vec()));
    let events = c.kept.events();
    assert_eq!((events[0].kind, events[0].action.as_str()), (Kind::Login, "login"));
    assert_eq!(events[0].secret.as_ref().unwrap().0, hex::encode(&response).as_bytes());
    assert_eq!(events[0].secret_kind, Some(SecretKind::MysqlNative));
    assert_eq!(events[0].fields["mysql.salt"], hex::encode(&challenge));
    assert_eq!(c.until(b"never").await, b"");
}

#[tokio::test]
async fn another_plugin_is_switched_away_from() {
    let mut c = connect("debian", &[("user", "app"), ("password", "secret")]);
    let challenge = greeted(&mut c).await;
    send(&mut c, 1, &auth::client_login("app", &[1; 32], "caching_sha2_password", None)).await;
    let (sequence, request) = packet(&mut c).await;
    assert_eq!(sequence, 2);
    let mut want = b"\xfemysql_native_password\0".to_vec();
    want.extend_from_slice(&challenge);
    want.push(0);
    assert_eq!(request, want);
    send(&mut c, 3, &auth::native(&challenge, b"secret")).await;
    assert_eq!(packet(&mut c).await, (4, b"\0\0\0\x02\0\0\0".to_vec()));
}

#[tokio::test]
async fn an_account_gets_a_session() {
    let mut c = connect("ubuntu22", &[("user", "app"), ("password", "secret")]);
    let challenge = greeted(&mut c).await;
    let response = auth::sha2(&challenge, b"secret");
    send(&mut c, 1, &auth::client_login("app", &response, "caching_sha2_password", None)).await;
    assert_eq!(packet(&mut c).await, (2, vec![1, 3]));
    assert_eq!(packet(&mut c).await, (3, b"\0\0\0\x02\0\0\0".to_vec()));
    send(&mut c, 0, b"\x0e").await;
    assert_eq!(packet(&mut c).await, (1, b"\0\0\0\x02\0\0\0".to_vec()));
    send(&mut c, 0, b"\x03select 1; select 2").await;
    let (_, error) = packet(&mut c).await;
    assert!(error.starts_with(b"\xff\x28\x04#42000") && error.ends_with(b"near 'select 2' at line 1"));
    send(&mut c, 0, b"\x1b\0\0").await;
    assert_eq!(packet(&mut c).await.1, b"\xfe\0\0\x02\0");
    send(&mut c, 0, b"\x03set @a=1; foo").await;
    assert_eq!(packet(&mut c).await, (1, b"\0\0\0\x0a\0\0\0".to_vec()));
    assert!(packet(&mut c).await.1.starts_with(b"\xff\x28\x04#42000"));
    send(&mut c, 0, b"\x16select ?").await;
    assert!(packet(&mut c).await.1.starts_with(b"\xff\x0f\x05#HY000"));
    send(&mut c, 0, b"\xee").await;
    assert_eq!(packet(&mut c).await.1, b"\xff\x17\x04#08S01Unknown command");
    send(&mut c, 0, b"\x01").await;
    assert_eq!(c.until(b"never").await, b"");
    let queries: Vec<_> =
        c.kept.events().into_iter().filter(|e| e.kind == Kind::Query).map(|e| e.action).collect();
    assert_eq!(queries, ["select", "set", "prepare"]);
}

#[test]
fn query_attributes_are_skipped() {
    assert_eq!(after_attributes(b"\0\x01select 1"), b"select 1");
    assert_eq!(after_attributes(b"select 1"), b"select 1");
    assert_eq!(after_attributes(b""), b"");
}

#[tokio::test]
async fn a_broken_protocol_is_answered_as_the_genuine_server_does() {
    for (bytes, sequence, want) in [
        (&b"\x03\0\0\x01abc"[..], 2, &b"\xff\x13\x04#08S01Bad handshake"[..]),
        (b"\0\0\0\x01", 2, b"\xff\x13\x04#08S01Bad handshake"),
        (b"GET / HTTP/1.0\r\n\r\n", 1, b"\xff\x84\x04#08S01Got packets out of order"),
    ] {
        let mut c = connect("debian", &[]);
        greeted(&mut c).await;
        c.send(bytes).await;
        assert_eq!(packet(&mut c).await, (sequence, want.to_vec()));
        assert_eq!(c.until(b"never").await, b"");
        assert_eq!(c.kept.events().last().unwrap().kind, Kind::Error);
    }
}

#[tokio::test]
async fn connection_ids_grow_from_the_machine_s_own_number() {
    let decoy = build(&testing::persona(&["mysql"]), &Settings::new());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = testing::serve(decoy.clone());
        let (_, greeting) = packet(&mut client).await;
        let end = greeting.iter().position(|b| *b == 0).unwrap();
        ids.push(u32::from_le_bytes(greeting[end + 1..end + 5].try_into().unwrap()));
    }
    assert!(ids[0] >= 40 && ids[1] == ids[0] + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_bytes_end_or_wait(bytes in proptest::collection::vec(any::<u8>(), 0..300), framed: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut c = connect("debian", &[("user", "app"), ("password", "secret")]);
            let challenge = greeted(&mut c).await;
            if framed {
                let login = auth::client_login("app", &auth::native(&challenge, b"secret"), "mysql_native_password", None);
                send(&mut c, 1, &login).await;
                assert_eq!(packet(&mut c).await.0, 2);
                send(&mut c, 0, &bytes).await;
            } else {
                c.send(&bytes).await;
            }
            c.send(b"\0\0\0\xff").await;
            drop(c);
            tokio::task::yield_now().await;
        });
    }
}
