//! The service as a client sees it.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::*;
use crate::decoy::session::{Counted, Counters, Recorder, SparePool};
use crate::decoy::testing::{Client, Kept, connect, persona};
use crate::event::Kind;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
}

const VSFTPD: (&str, &str) = ("banner", "(vsFTPd 3.0.3)");
const ACCOUNT: [(&str, &str); 2] = [("user", "carol"), ("password", "s3cret")];

/// Plays a dialogue: each command and the whole reply it must get.
async fn plays(client: &mut Client, dialogue: &[(&str, &str)]) {
    for (command, reply) in dialogue {
        client.send(format!("{command}\r\n").as_bytes()).await;
        let got = client.until(format!("{reply}\r\n").as_bytes()).await;
        assert_eq!(String::from_utf8_lossy(&got), format!("{reply}\r\n"), "{command}");
    }
}

async fn client(pairs: &[(&str, &str)]) -> Client {
    let mut client = connect(build, &persona(&["ftp"]), &settings(pairs));
    client.until(b"220 ").await;
    client.until(b"\r\n").await;
    client
}

#[tokio::test]
async fn vsftpd_dialogue_as_measured() {
    let mut c = client(&[VSFTPD]).await;
    let before = [
        ("SYST", "530 Please login with USER and PASS."),
        ("FOO", "530 Please login with USER and PASS."),
        ("AUTH TLS", "530 Please login with USER and PASS."),
        ("PASS x", "503 Login with USER first."),
        ("USER anonymous", "331 Please specify the password."),
        ("PASS a@b", "230 Login successful."),
        ("PWD", "257 \"/\" is the current directory"),
        ("CWD pub", "250 Directory successfully changed."),
        ("PWD", "257 \"/pub\" is the current directory"),
        ("CWD ../../..", "250 Directory successfully changed."),
        ("PWD", "257 \"/\" is the current directory"),
        ("CWD nope", "550 Failed to change directory."),
        ("TYPE X", "500 Unrecognised TYPE command."),
        ("LIST", "425 Use PORT or PASV first."),
        ("PASV", "550 Permission denied."),
        ("STOR x", "550 Permission denied."),
        ("DELE README", "550 Permission denied."),
        ("PORT 10,0,0,1,200,1", "500 Illegal PORT command."),
        ("PORT 127,0,0,1,200,1", "200 PORT command successful. Consider using PASV."),
        ("LIST", "425 Failed to establish connection."),
        ("USER root", "530 Can't change from guest user."),
        ("QUIT", "221 Goodbye."),
    ];
    plays(&mut c, &before).await;
    let logins: Vec<_> = c.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].secret.as_ref().unwrap().0, b"a@b");
    assert_eq!(logins[0].outcome.as_deref(), Some("success"));
}

#[tokio::test]
async fn other_products_speak_their_own_way() {
    let mut c = client(&[("banner", "ProFTPD Server (Debian) [127.0.0.1]")]).await;
    let pro = [
        ("FOO", "500 FOO not understood"),
        ("PWD", "530 Please login with USER and PASS"),
        ("USER anonymous", "331 Anonymous login ok, send your complete email address as your password"),
        ("PASS x", "230 Anonymous access granted, restrictions apply"),
        ("CWD nope", "550 nope: No such file or directory"),
        ("MODE B", "504 'MODE B' unsupported transfer mode"),
    ];
    plays(&mut c, &pro).await;
    let mut c = client(&[("banner", "Pure-FTPd")]).await;
    let pure = [
        ("FOO", "530 You aren't logged in"),
        ("NOOP", "200 Zzz..."),
        ("USER ftp", "331 Any password will work"),
        ("PASS x", "230 Any password will work"),
        ("CWD pub", "250 OK. Current directory is /pub"),
    ];
    plays(&mut c, &pure).await;
}

#[tokio::test]
async fn wrong_passwords_are_recorded_and_end_it() {
    let mut c = client(&[VSFTPD, ("anonymous", "false")]).await;
    for secret in ["a", "b", "c"] {
        let pass = format!("PASS {secret}");
        plays(&mut c, &[("USER root", "331 Please specify the password."), (&pass, "530 Login incorrect.")])
            .await;
    }
    assert_eq!(c.until(b"never").await, b"", "closed after three");
    let events = c.kept.events();
    let secrets: Vec<_> = events.iter().filter_map(|e| e.secret.as_ref()).map(|s| s.0.clone()).collect();
    assert_eq!(secrets, [b"a", b"b", b"c"]);
    assert!(events.iter().filter(|e| e.kind == Kind::Login).all(|e| e.outcome.as_deref() == Some("failure")));
}

/// A session over real sockets, for data connections.
async fn over_tcp(pairs: &[(&str, &str)], spares: usize) -> (TcpStream, Arc<Kept>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut pool = SparePool::default();
    for _ in 0..spares {
        pool.listeners.push(Mutex::new(TcpListener::bind("127.0.0.1:0").await.unwrap()));
    }
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, source) = listener.accept().await.unwrap();
    let destination = theirs.local_addr().unwrap();
    let kept = Arc::new(Kept::default());
    let session = Session {
        stream: Counted::new(Box::new(theirs), Arc::new(Counters::default()), 1 << 20),
        record: Recorder::new(kept.clone(), "ftp", source, destination, "00000000000000aa"),
        source,
        destination,
        number: 1,
        idle: std::time::Duration::from_secs(2),
        spare: Arc::new(pool),
    };
    tokio::spawn(build(&persona(&["ftp"]), &settings(pairs)).serve(session));
    (ours, kept)
}

async fn reply(stream: &mut TcpStream, command: &str) -> String {
    if !command.is_empty() {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    }
    let mut got = Vec::new();
    let mut byte = [0u8; 1];
    while !got.ends_with(b"\r\n") && stream.read(&mut byte).await.unwrap() == 1 {
        got.push(byte[0]);
    }
    String::from_utf8(got).unwrap()
}

async fn data(stream: &mut TcpStream) -> TcpStream {
    let text = reply(stream, "EPSV").await;
    let port = text.split('|').nth(3).unwrap().parse::<u16>().unwrap();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

#[tokio::test]
async fn files_go_both_ways() {
    let (mut c, kept) = over_tcp(&[VSFTPD, ACCOUNT[0], ACCOUNT[1]], 1).await;
    reply(&mut c, "").await;
    reply(&mut c, "USER carol").await;
    assert_eq!(reply(&mut c, "PASS s3cret").await, "230 Login successful.\r\n");
    assert_eq!(reply(&mut c, "PWD").await, "257 \"/home/carol\" is the current directory\r\n");
    let mut up = data(&mut c).await;
    assert_eq!(reply(&mut c, "STOR x.bin").await, "150 Ok to send data.\r\n");
    up.write_all(b"payload").await.unwrap();
    drop(up);
    assert_eq!(reply(&mut c, "").await, "226 Transfer complete.\r\n");
    assert_eq!(reply(&mut c, "SIZE x.bin").await, "213 7\r\n");
    let mut down = data(&mut c).await;
    assert!(
        reply(&mut c, "RETR x.bin").await.starts_with("150 Opening BINARY mode data connection for x.bin")
    );
    let mut got = Vec::new();
    down.read_to_end(&mut got).await.unwrap();
    assert_eq!(
        (got.as_slice(), reply(&mut c, "").await.as_str()),
        (b"payload".as_slice(), "226 Transfer complete.\r\n")
    );
    let event = kept.events().into_iter().find(|e| e.action == "stor" && e.kind == Kind::File).unwrap();
    let digest = "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5";
    assert_eq!(event.fields["file.hash.sha256"], digest);
}

#[tokio::test]
async fn one_data_socket_serves_one_session_at_a_time() {
    let (mut c, _) = over_tcp(&[VSFTPD], 1).await;
    for command in ["", "USER ftp", "PASS x"] {
        reply(&mut c, command).await;
    }
    let mut list = data(&mut c).await;
    assert_eq!(reply(&mut c, "LIST").await, "150 Here comes the directory listing.\r\n");
    let mut got = String::new();
    list.read_to_string(&mut got).await.unwrap();
    assert!(got.contains(" README\r\n") && got.contains(" pub\r\n"), "{got}");
    assert_eq!(reply(&mut c, "").await, "226 Directory send OK.\r\n");
    assert!(reply(&mut c, "EPSV").await.starts_with("229 "), "free again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever a client sends, logged in or not, no product panics.
    #[test]
    fn any_bytes_are_survived(
        lines in prop::collection::vec(("(USER|PASS|CWD|LIST|SITE CHMOD|RETR|STOR|PORT|EPRT|REST|MLST|STAT|OPTS|RNFR|RNTO)", ".{0,40}"), 0..12),
        junk in prop::collection::vec(any::<u8>(), 0..200),
        product in prop::sample::select(vec!["vsFTPd", "ProFTPD", "Pure-FTPd"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut c = client(&[("banner", product)]).await;
            let mut text = b"USER anonymous\r\nPASS x\r\n".to_vec();
            for (verb, arg) in &lines {
                text.extend_from_slice(format!("{verb} {arg}\r\n").as_bytes());
            }
            text.extend_from_slice(&junk);
            text.extend_from_slice(b"\r\nQUIT\r\n");
            c.send(&text).await;
            c.stream.shutdown().await.unwrap();
            c.until(b"\0never\0").await;
        });
    }
}
