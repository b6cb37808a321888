use super::*;
use crate::decoy::testing::{Client as Peer, persona, serve};
use proptest::prelude::*;

fn connect(distro: &str, settings: &[(&str, &str)]) -> Peer {
    let mut persona = persona(&["telnet"]);
    distro.clone_into(&mut persona.distro);
    let settings: Settings = settings.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
    serve(Arc::new(Telnet::new(&persona, &settings, Duration::ZERO, Duration::from_millis(50))))
}

fn logins(peer: &Peer) -> Vec<(Vec<u8>, Vec<u8>, String)> {
    let events = peer.kept.events().into_iter().filter(|e| e.kind == Kind::Login);
    let bytes = |b: Option<Bytes>| b.map(|b| b.0).unwrap_or_default();
    events.map(|e| (bytes(e.user), bytes(e.secret), e.outcome.unwrap_or_default())).collect()
}

#[tokio::test]
async fn options_are_asked_as_by_the_packaged_server() {
    let mut peer = connect("ubuntu22", &[]);
    assert_eq!(peer.until(b"\xff\xfd\x27").await, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27");
    peer.send(b"\xff\xfb\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27").await;
    assert_eq!(peer.until(b"\xff\xf0").await, b"\xff\xfa\x18\x01\xff\xf0");
    peer.send(b"\xff\xfa\x18\x00XTERM\xff\xf0").await;
    assert_eq!(
        peer.until(b"\xff\xfd\x21").await,
        b"\xff\xfb\x03\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x05\xff\xfd\x21"
    );
    peer.send(b"\xff\xfc\x01\xff\xfd\x03").await;
    assert_eq!(peer.until(b"login: ").await, b"\xff\xfb\x01Ubuntu 22.04.5 LTS\r\nfiles02 login: ");
    peer.send(b"root\r\0").await;
    assert_eq!(peer.until(b"Password: ").await, b"root\r\nPassword: ");
    peer.send(b"admin\r\0").await;
    let banner = String::from_utf8(peer.until(b"# ").await).unwrap();
    assert!(banner.contains("Welcome to Ubuntu 22.04.5 LTS"), "{banner}");
    let events = peer.kept.events();
    assert!(events.iter().any(|e| e.fields.contains_key("telnet.terminal")));
}

#[tokio::test]
async fn a_bot_that_never_waits_gets_through() {
    let mut peer = connect("alpine", &[]);
    peer.send(b"root\r\nwrong\r\nroot\r\nadmin\r\nenable\r\nsh\r\n/bin/busybox ECCHI\r\nexit\r\nexit\r\n")
        .await;
    let all = peer.until(b"never").await;
    let text = String::from_utf8_lossy(&all).into_owned();
    assert!(
        all.starts_with(b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03\r\r\nfiles02 login: "),
        "{text}"
    );
    assert!(text.contains("Login incorrect") && text.contains("ECCHI: applet not found\r\n"), "{text}");
    assert!(!text.contains("admin\r\n") && !text.contains("wrong"), "{text}");
    let expected = [(&b"root"[..], &b"wrong"[..], "failure"), (b"root", b"admin", "success")];
    let expected: Vec<_> = expected.map(|(u, p, o)| (u.to_vec(), p.to_vec(), o.to_owned())).into();
    assert_eq!(logins(&peer), expected);
    let commands = peer.kept.events().iter().filter(|e| e.kind == Kind::Command).count();
    assert_eq!(commands, 5);
}

#[tokio::test]
async fn the_last_wrong_password_ends_it() {
    for (distro, tries) in [("rocky9", 3), ("debian", 5)] {
        let mut peer = connect(distro, &[("accept", "none")]);
        peer.send(&b"root\radmin\r".repeat(9)).await;
        let text = String::from_utf8_lossy(&peer.until(b"never").await).into_owned();
        assert!(text.ends_with(&format!("Maximum number of tries exceeded ({tries})\r\n")), "{text}");
        assert_eq!(logins(&peer).len(), tries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_bytes_end_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut peer = connect("alpine", &[("accept", "all")]);
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            peer.stream.write_all(&[b"a\rb\r", bytes.as_slice()].concat()).await.unwrap();
            peer.stream.shutdown().await.unwrap();
            let mut all = Vec::new();
            let read = peer.stream.read_to_end(&mut all);
            tokio::time::timeout(Duration::from_secs(10), read).await.expect("it ends").unwrap();
        });
    }
}
