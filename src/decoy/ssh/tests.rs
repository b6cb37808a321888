//! The decoy spoken to by a client of the same library, and by hand where that client is too polite.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, MethodKind, MethodSet};
use serde_json::Value;

use super::super::testing::{Client, Kept, persona, serve};
use super::*;
use crate::event::{Event, SecretKind};

const QUICK: (Duration, Duration) = (Duration::ZERO, Duration::ZERO);

/// Takes the host key that belongs to the persona's seed and no other.
struct Known;

impl client::Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let known = config::host_keys(&Seed::new([3; 32]));
        Ok(known.iter().any(|own| own.public_key().key_data() == key.public_key().key_data()))
    }
}

fn decoy(settings: &[(&str, &str)]) -> Arc<dyn Decoy> {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
    with_delay(&persona(&["ssh"]), &settings, QUICK)
}

/// A client past the key exchange, and what is recorded.
async fn connect(settings: &[(&str, &str)]) -> (Handle<Known>, Arc<Kept>) {
    let Client { stream, kept } = serve(decoy(settings));
    let session = client::connect_stream(Arc::default(), stream, Known).await.unwrap();
    (session, kept)
}

/// The same, logged in as root.
async fn root() -> (Handle<Known>, Arc<Kept>) {
    let (mut session, kept) = connect(&[]).await;
    assert!(session.authenticate_password("root", "admin").await.unwrap().success());
    (session, kept)
}

fn find(kept: &Kept, action: &str) -> Event {
    let events = kept.events();
    let seen: Vec<_> = events.iter().map(|e| e.action.clone()).collect();
    events.into_iter().find(|e| e.action == action).unwrap_or_else(|| panic!("no {action} in {seen:?}"))
}

fn field(event: &Event, name: &str) -> Vec<u8> {
    let bytes = crate::event::Bytes::try_from(event.fields[name]["b64"].as_str().unwrap().to_owned());
    bytes.unwrap().0
}

/// Everything a command says, and its exit status.
async fn exec(session: &Handle<Known>, command: &str, input: &[u8]) -> (String, u32) {
    let mut channel = session.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    if !input.is_empty() {
        channel.data_bytes(input.to_vec()).await.unwrap();
        channel.eof().await.unwrap();
    }
    let (mut output, mut status) = (Vec::new(), 999);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = exit_status,
            _ => {}
        }
    }
    (String::from_utf8_lossy(&output).into_owned(), status)
}

#[tokio::test]
async fn a_password_gets_in_and_every_try_is_recorded() {
    let (mut session, kept) = connect(&[]).await;
    let refused = session.authenticate_password("root", "toor").await.unwrap();
    let client::AuthResult::Failure { remaining_methods, .. } = refused else { panic!("it got in") };
    assert_eq!(remaining_methods, MethodSet::from(config::METHODS), "a method vanished");
    assert!(remaining_methods.contains(&MethodKind::Password));
    assert!(session.authenticate_password("ubuntu", "admin").await.unwrap().success());
    let logins: Vec<_> = kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
    let told: Vec<_> = logins
        .iter()
        .map(|e| (e.user.clone().unwrap().0, e.secret.clone().unwrap().0, e.outcome.clone().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (b"root".to_vec(), b"toor".to_vec(), "failure".to_owned()),
            (b"ubuntu".to_vec(), b"admin".to_vec(), "success".to_owned()),
        ]
    );
    assert!(logins.iter().all(|e| e.secret_kind == Some(SecretKind::Plaintext)));
    let hello = find(&kept, "hello");
    assert_eq!(hello.fields["ssh.hassh"].as_str().unwrap().len(), 32);
    assert!(field(&hello, "ssh.client_version").starts_with(b"SSH-2.0-russh"));
    assert_eq!(logins[0].fields["ssh.hassh"], hello.fields["ssh.hassh"]);
}

#[tokio::test]
async fn keys_are_recorded_and_never_get_in() {
    let (mut session, kept) = connect(&[("accept", "all")]).await;
    assert!(!session.authenticate_none("eve").await.unwrap().success());
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&[9; 32]));
    let key = PrivateKey::new(pair, "").unwrap();
    let public = key.public_key().clone();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(!session.authenticate_publickey("eve", key).await.unwrap().success());
    let offered = find(&kept, "publickey");
    assert_eq!(offered.secret.unwrap().0, public.to_openssh().unwrap().trim_end().as_bytes());
    assert_eq!(offered.fields["ssh.key_fingerprint"], public.fingerprint(HashAlg::Sha256).to_string());
    let asked = session.authenticate_keyboard_interactive_start("eve", None).await.unwrap();
    assert!(matches!(asked, client::KeyboardInteractiveAuthResponse::Failure { .. }));
    assert_eq!(find(&kept, "none").outcome.as_deref(), Some("failure"));
}

#[tokio::test]
async fn six_failures_end_it() {
    let (mut session, kept) = connect(&[("accept", "none")]).await;
    assert!(!session.authenticate_none("root").await.unwrap().success());
    for _ in 0..5 {
        assert!(!session.authenticate_password("root", "admin").await.unwrap().success());
    }
    let last = session.authenticate_password("root", "admin").await;
    assert!(last.is_err() || session.is_closed(), "{last:?}");
    assert_eq!(kept.events().iter().filter(|e| e.action == "password").count(), 6);
}

#[tokio::test]
async fn commands_run_in_the_made_up_machine() {
    let (session, kept) = root().await;
    let (_, status) = exec(&session, "exit 0", b"").await;
    assert_eq!(status, 0);
    let (output, status) = exec(&session, "no-such-command", b"").await;
    assert!(output.contains("no-such-command") && status == 127, "{output} {status}");
    let line = field(&find(&kept, "exec"), "process.command_line");
    assert_eq!(line, b"exit 0");
    let (output, _) = exec(&session, "cat > /tmp/x; cat /tmp/x", b"#!/bin/sh\n").await;
    assert_eq!(output, "#!/bin/sh\n");
    let upload = find(&kept, "upload");
    assert_eq!(field(&upload, "file.path"), b"/tmp/x");
    assert_eq!(field(&upload, "file.content"), b"#!/bin/sh\n");
    assert_eq!(upload.fields["file.size"], 10);
}

#[tokio::test]
async fn a_shell_on_a_terminal_echoes_and_ends() {
    let (session, kept) = root().await;
    let mut channel = session.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.set_env(true, "LANG", "C").await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.data_bytes(&b"whoami\rexit\r"[..]).await.unwrap();
    let mut output = Vec::new();
    let mut status = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains("files02") && output.contains("whoami\r\n"), "{output:?}");
    assert!(!output.replace("\r\n", "").contains('\n'), "a bare line end in {output:?}");
    assert!(status.is_some());
    let typed: Vec<_> = kept.events().into_iter().filter(|e| e.action == "shell").collect();
    assert!(typed.iter().any(|e| e.kind == Kind::Command && field(e, "process.command_line") == b"whoami"));
    assert_eq!(find(&kept, "pty").fields["ssh.columns"], 80);
}

#[tokio::test]
async fn forwarding_leads_nowhere() {
    let (session, kept) = root().await;
    let mut channel = session.channel_open_direct_tcpip("10.9.9.9", 25, "1.2.3.4", 5).await.unwrap();
    channel.data_bytes(vec![b'a'; 9000]).await.unwrap();
    while let Some(message) = channel.wait().await {
        assert!(!matches!(message, ChannelMsg::Data { .. }), "an answer from nowhere");
    }
    let open = find(&kept, "direct_tcpip");
    assert_eq!(
        (&open.fields["ssh.forward.host"], &open.fields["ssh.forward.port"]),
        (&"10.9.9.9".into(), &25.into())
    );
    let sent = find(&kept, "direct_tcpip_data");
    assert_eq!(field(&sent, "ssh.forward.data"), vec![b'a'; 4096]);
    let port = session.tcpip_forward("", 0).await.unwrap();
    assert!((32_768..61_000).contains(&port));
}

#[tokio::test]
async fn sessions_are_counted() {
    let (session, _) = root().await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(session.channel_open_session().await.unwrap());
    }
    assert!(session.channel_open_session().await.is_err());
    assert!(open.pop().unwrap().request_subsystem(true, "nope").await.is_ok());
}

/// Sends SFTP packets on a fresh channel and collects what comes back.
async fn sftp(session: &Handle<Known>, packets: &[&[u8]]) -> (Vec<u8>, Option<u32>) {
    let mut channel = session.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    for packet in packets {
        let mut whole = u32::try_from(packet.len()).unwrap().to_be_bytes().to_vec();
        whole.extend_from_slice(packet);
        channel.data_bytes(whole).await.unwrap();
    }
    channel.eof().await.unwrap();
    let (mut output, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (output, status)
}

const INIT: &[u8] = &[1, 0, 0, 0, 3];

#[tokio::test]
async fn sftp_takes_files_and_refuses_what_is_not_there() {
    let (session, kept) = root().await;
    let open = b"\x03\0\0\0\x07\0\0\0\x06/tmp/a\0\0\0\x1a\0\0\0\0";
    let write = b"\x06\0\0\0\x08\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03abc";
    let missing = b"\x03\0\0\0\x09\0\0\0\x05/nope\0\0\0\x01\0\0\0\0";
    let (answers, status) = sftp(&session, &[INIT, open, write, missing, b"\x63\0\0\0\x0a"]).await;
    assert_eq!(&answers[4..9], &[2, 0, 0, 0, 3]);
    let rest = answers.windows(9).position(|w| w == b"\x66\0\0\0\x07\0\0\0\x04").expect("no handle");
    let rest = &answers[rest..];
    let has = |wanted: &[u8]| rest.windows(wanted.len()).any(|w| w == wanted);
    assert!(has(b"\x65\0\0\0\x08\0\0\0\0\0\0\0\x07Success"));
    assert!(has(b"\x65\0\0\0\x09\0\0\0\x02\0\0\0\x0cNo such file"));
    assert!(has(b"\x65\0\0\0\x0a\0\0\0\x08\0\0\0\x15Operation unsupported"));
    assert_eq!(status, Some(0));
    // Left open: what came is recorded when the channel ends.
    let upload = find(&kept, "upload");
    assert_eq!(field(&upload, "file.content"), b"abc");
    assert_eq!(
        upload.fields["file.hash.sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[tokio::test]
async fn bad_sftp_packets_end_the_server_and_nothing_else() {
    let (session, _) = root().await;
    for packets in [
        &[b"" as &[u8]][..],
        &[b"\x03\0\0\0\x07"],
        &[INIT, INIT],
        &[INIT, b"\x03\0\0\0\x07\xff\xff\xff\xff"],
        &[INIT, b"\xc8\0\0\0\x07\0\0\0\x12limits@openssh.co"],
    ] {
        let (_, status) = sftp(&session, packets).await;
        assert_eq!(status, Some(11), "{packets:?}");
    }
    assert_eq!(exec(&session, "exit 0", b"").await.1, 0);
}

#[tokio::test]
async fn scp_of_old_brings_a_file() {
    let (session, kept) = root().await;
    let (answers, status) = exec(&session, "scp -t /tmp/", b"C0755 5 evil\nhello\0").await;
    assert_eq!((answers.as_bytes(), status), (&b"\0\0\0"[..], 0));
    assert_eq!(field(&find(&kept, "upload"), "file.path"), b"/tmp/evil");
    let (answers, status) = exec(&session, "scp -t /tmp", b"C0755 5 ../../x\n").await;
    assert!(answers.contains("unexpected filename") && status == 1, "{answers:?}");
}

#[tokio::test]
async fn a_shared_connection_sees_its_own_files() {
    let (session, kept) = root().await;
    exec(&session, "scp -t /tmp/", b"C0644 2 note\nhi\0").await;
    let read = b"\x05\0\0\0\x09\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff";
    let open = b"\x03\0\0\0\x07\0\0\0\x09/tmp/note\0\0\0\x01\0\0\0\0";
    let (answers, _) = sftp(&session, &[INIT, open, read]).await;
    assert!(answers.ends_with(b"\x67\0\0\0\x09\0\0\0\x02hi"), "{answers:?}");
    assert_eq!(find(&kept, "download").fields["file.bytes_read"], 2);
}

/// Reads all until the server ends it.
async fn rest(client: &mut Client) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(3), client.stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "still open");
    all
}

#[tokio::test]
async fn identification_comes_first_and_nonsense_is_answered() {
    let mut client = serve(decoy(&[]));
    assert_eq!(client.until(b"\n").await, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n");
    client.send(b"GET / HTTP/1.1\r\n").await;
    assert_eq!(rest(&mut client).await, b"Invalid SSH identification string.\r\n");
    assert_eq!(find(&client.kept, "identification").kind, Kind::Error);
}

#[tokio::test]
async fn clear_packets_are_answered_as_sshd_does() {
    for (packet, wanted) in [
        (ident::packet(&[0]), &b"Invalid ssh2 packet type: 0"[..]),
        (ident::packet(&[200, 1]), b"Invalid ssh2 packet type: 200"),
        (vec![0xff; 64], b""),
        (vec![0, 0, 0, 12, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], b""),
        (ident::packet(&[50]), b""),
    ] {
        let mut client = serve(decoy(&[]));
        client.until(b"\n").await;
        client.send(b"SSH-2.0-x\r\n").await;
        client.send(&packet).await;
        let answer = rest(&mut client).await;
        assert!(answer.windows(wanted.len().max(1)).any(|w| w.starts_with(wanted)), "{packet:?}");
    }
}

/// A worker that ends a session drops its future; nothing of it may live on.
#[tokio::test]
async fn a_dropped_future_ends_the_connection() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let kept = Arc::new(Kept::default());
    let address = ([127, 0, 0, 1], 22).into();
    let session = Session {
        stream: super::super::session::Counted::new(Box::new(theirs), Arc::default(), 1 << 20),
        record: Recorder::new(kept, "ssh", address, address, "00000000000000aa"),
        source: address,
        destination: address,
        number: 22,
        idle: Duration::from_secs(60),
        spare: Arc::default(),
    };
    let serving = tokio::spawn(decoy(&[]).serve(session));
    let session = client::connect_stream(Arc::default(), ours, Known).await.unwrap();
    serving.abort();
    for _ in 0..100 {
        if session.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the connection outlived its owner");
}

#[tokio::test]
async fn a_client_that_only_says_its_name_is_recorded() {
    let mut client = serve(decoy(&[]));
    client.send(b"SSH-2.0-Scanner\r\n").await;
    client.until(b"\n").await;
    client.stream.shutdown().await.unwrap();
    rest(&mut client).await;
    assert_eq!(field(&find(&client.kept, "hello"), "ssh.client_version"), b"SSH-2.0-Scanner");
}

proptest::proptest! {
    #[test]
    fn sftp_survives_anything(packets in proptest::collection::vec(
        (0u8..=255, proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)), 1..24,
    )) {
        let mut input = vec![0, 0, 0, 5, 1, 0, 0, 0, 3];
        for (kind, body) in packets {
            // Mostly requests that exist, on handles that may.
            let kind = if kind < 200 { 3 + kind % 18 } else { kind };
            input.extend(u32::try_from(body.len() + 5).unwrap().to_be_bytes());
            input.extend([kind, 0, 0, 0, 9]);
            input.extend(body);
        }
        door::run(&persona(&["ssh"]), door::Runs::Sftp, &[&input]);
    }

    #[test]
    fn identification_and_kexinit_survive_anything(bytes in proptest::collection::vec(
        proptest::prelude::any::<u8>(), 0..300,
    )) {
        let _ = ident::judge(&bytes);
        let _ = kexinit::fingerprint(&bytes);
    }
}

#[tokio::test]
async fn a_dropped_connection_frees_its_task() {
    let decoy = decoy(&[]);
    let weak = Arc::downgrade(&decoy);
    let client = serve(decoy);
    let session = client::connect_stream(Arc::default(), client.stream, Known).await.unwrap();
    drop(session);
    for _ in 0..100 {
        if weak.upgrade().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the decoy is still held");
}
