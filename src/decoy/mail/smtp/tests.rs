//! The service as a client sees it; dialogues are those of the genuine servers.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::decoy::testing::{Client, persona, serve_on};
use crate::event::{Kind, SecretKind};

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
}

async fn client(pairs: &[(&str, &str)], relay: bool, number: u16) -> Client {
    let smtp = Smtp::new(&persona(&["smtp"]), &settings(pairs), relay);
    let mut client = serve_on(Arc::new(smtp), number);
    client.until(b"\r\n").await;
    client
}

/// Plays a dialogue: each command and the whole answer it must get.
async fn plays(client: &mut Client, dialogue: &[(&str, &str)]) {
    for (command, reply) in dialogue {
        client.send(format!("{command}\r\n").as_bytes()).await;
        let got = client.until(format!("{reply}\r\n").as_bytes()).await;
        assert_eq!(String::from_utf8_lossy(&got), format!("{reply}\r\n"), "{command}");
    }
}

const EHLO: &str = "250-files02\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n\
    250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING";
const UNKNOWN: &str = "500 5.5.2 Error: command not recognized";

#[tokio::test]
async fn postfix_dialogue_as_measured() {
    let mut c = serve_on(build(&persona(&["smtp"]), &settings(&[])), 25);
    assert_eq!(c.until(b"\r\n").await, b"220 files02 ESMTP Postfix (Debian/GNU)\r\n");
    let first = [
        ("FOO", UNKNOWN),
        ("EHLO", "501 Syntax: EHLO hostname"),
        ("NOOP a b", "250 2.0.0 Ok"),
        ("", "500 5.5.2 Error: bad syntax"),
        ("EHLO x.y", EHLO),
        ("VRFY root", "252 2.0.0 root"),
        (
            "VRFY nouser",
            "550 5.1.1 <nouser>: Recipient address rejected: User unknown in local recipient table",
        ),
        ("VRFY", "501 5.5.4 Syntax: VRFY address [SMTPUTF8]"),
        ("ETRN x", "459 <x>: service unavailable"),
        ("ETRN", "500 Syntax: ETRN domain"),
        ("RSET a", "501 5.5.4 Syntax: RSET"),
        ("DATA", "503 5.5.1 Error: need RCPT command"),
        ("RCPT TO:<a>", "503 5.5.1 Error: need MAIL command"),
        ("QUIT x", "221 2.0.0 Bye"),
    ];
    plays(&mut c, &first).await;
    let mut c = client(&[], false, 25).await;
    let second = [
        ("EHLO x.y", EHLO),
        ("MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:<a@b> SIZE=99999999", "552 5.3.4 Message size exceeds fixed limit"),
        ("MAIL FROM:<a@b> FOO=1", "555 5.5.4 Unsupported option: FOO=1"),
        ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4 Bad message size syntax"),
        ("MAIL FROM:<a@b> RET=X", "501 5.5.4 Bad RET parameter syntax"),
        ("MAIL FROM:<a b>", "501 5.1.7 Bad sender address syntax"),
        ("mail  from: a@b.invalid BODY=8BITMIME SIZE=10", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@b>", "503 5.5.1 Error: nested MAIL command"),
        ("DATA", "554 5.5.1 Error: no valid recipients"),
        ("RCPT TO:<x@example.com>", "554 5.7.1 <x@example.com>: Relay access denied"),
        (
            "RCPT TO:<\"a b\"@files02>",
            "550 5.1.1 <a b@files02>: Recipient address rejected: User unknown in local recipient table",
        ),
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:<root@[127.77.0.10]> NOTIFY=NEVER", "250 2.1.5 Ok"),
        ("RCPT TO:<@a:Root+x@Files02>", "250 2.1.5 Ok"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
    ];
    plays(&mut c, &second).await;
    c.send(b"Subject: x\r\n\r\n..dot\r\n.\r\n").await;
    let queued = String::from_utf8(c.until(b"\r\n").await).unwrap();
    assert!(queued.starts_with("250 2.0.0 Ok: queued as "), "{queued}");
    let stored = c.kept.events().into_iter().find(|e| e.action == "message_stored").unwrap();
    assert_eq!(stored.fields["file.size"], b"Subject: x\r\n\r\n.dot\r\n".len());
    assert_eq!(stored.fields["smtp.rcpt_to"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn chunks_are_a_message_too() {
    let mut c = client(&[], false, 25).await;
    plays(
        &mut c,
        &[("HELO x", "250 files02"), ("MAIL FROM:<>", "250 2.1.0 Ok"), ("RCPT TO:<root>", "250 2.1.5 Ok")],
    )
    .await;
    c.send(b"BDAT 3\r\nabc").await;
    assert_eq!(c.until(b"\n").await, b"250 2.0.0 Ok: 3 bytes\r\n");
    plays(
        &mut c,
        &[
            ("MAIL FROM:<a@b>", "503 5.5.1 Error: MAIL after BDAT"),
            ("DATA", "503 5.5.1 Error: DATA after BDAT"),
        ],
    )
    .await;
    c.send(b"BDAT 5 LAST\r\n\r\nx\r\nBDAT 5 FOO\r\n").await;
    assert!(c.until(b"\n").await.starts_with(b"250 2.0.0 Ok: 8 bytes queued as "));
    assert_eq!(c.until(b"!").await, b"521 5.5.4 Syntax: BDAT count [LAST]\r\n");
    let mut c = client(&[], false, 25).await;
    c.send(b"HELO x\r\nBDAT 3\r\nabcBDAT 3\r\nabc").await;
    c.until(b"250 files02\r\n").await;
    assert_eq!(c.until(b"\n").await, b"503 5.5.1 Error: need RCPT command\r\n");
    assert_eq!(c.until(b"\n").await, b"551 5.0.0 Discarded 3 bytes after earlier error\r\n");
}

#[tokio::test]
async fn every_login_is_recorded() {
    let mut c = client(&[("user", "carol"), ("password", "pw")], false, 25).await;
    let failed = "535 5.7.8 Error: authentication failed: (reason unavailable)";
    let dialogue = [
        ("EHLO x.y", EHLO),
        ("AUTH PLAIN a b", "501 5.5.4 Syntax: AUTH mechanism"),
        ("AUTH", "501 5.5.4 Syntax: AUTH mechanism"),
        ("AUTH PLAIN", "334 "),
        ("AGEAYg==", failed),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("YQ==", "334 UGFzc3dvcmQ6"),
        ("Yg==", failed),
        ("AUTH CRAM-MD5", "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
        ("AUTH LOGIN YQ==", "334 UGFzc3dvcmQ6"),
        ("*", "501 5.7.0 Authentication aborted"),
        ("AUTH PLAIN !!!", "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response"),
        ("AUTH PLAIN AGNhcm9sAHB3", "235 2.7.0 Authentication successful"),
        ("AUTH LOGIN", "503 5.5.1 Error: already authenticated"),
        ("MAIL FROM:<a@b>", "250 2.1.0 Ok"),
        ("RCPT TO:<x@example.com>", "250 2.1.5 Ok"),
    ];
    plays(&mut c, &dialogue).await;
    let logins: Vec<_> = c
        .kept
        .events()
        .into_iter()
        .filter(|e| e.kind == Kind::Login && e.secret_kind == Some(SecretKind::Plaintext))
        .map(|e| (e.user.unwrap().0, e.secret.unwrap().0, e.outcome.unwrap()))
        .collect();
    let of = |user: &str, secret: &str, outcome: &str| {
        (user.as_bytes().to_vec(), secret.as_bytes().to_vec(), outcome.to_owned())
    };
    let bad = of("a", "b", "failure");
    assert_eq!(logins, [bad.clone(), bad, of("carol", "pw", "success")]);
}

#[tokio::test]
async fn submission_wants_tls_first() {
    let mut c = client(&[], false, 587).await;
    let dialogue = [
        ("EHLO x.y", EHLO.replace("250-AUTH PLAIN LOGIN\r\n", "")),
        ("AUTH LOGIN", "530 5.7.0 Must issue a STARTTLS command first".to_owned()),
        ("MAIL FROM:<a@b>", "530 5.7.0 Must issue a STARTTLS command first".to_owned()),
        ("NOOP", "250 2.0.0 Ok".to_owned()),
        ("STARTTLS x", "501 5.5.4 Syntax: STARTTLS".to_owned()),
        ("STARTTLS", "220 2.0.0 Ready to start TLS".to_owned()),
    ];
    let dialogue: Vec<(&str, &str)> = dialogue.iter().map(|(c, r)| (*c, r.as_str())).collect();
    plays(&mut c, &dialogue).await;
}

#[tokio::test]
async fn a_relay_takes_all_and_delivers_nothing() {
    let pairs = [("upstream_host", "192.0.2.1"), ("upstream_user", "x"), ("probe_limit", "9")];
    let mut c = client(&pairs, true, 25).await;
    let dialogue = [
        ("EHLO x.y", EHLO),
        ("AUTH PLAIN AGEAYg==", "235 2.7.0 Authentication successful"),
        ("MAIL FROM:<a@b>", "250 2.1.0 Ok"),
        ("RCPT TO:<x@example.com>", "250 2.1.5 Ok"),
        ("RCPT TO:<x@y.test>", "450 4.1.2 <x@y.test>: Recipient address rejected: Domain not found"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
    ];
    plays(&mut c, &dialogue).await;
    c.send(b"hi\n.\n").await;
    assert!(c.until(b"\n").await.starts_with(b"250 2.0.0 Ok: queued as "));
}

#[tokio::test]
async fn twenty_errors_are_enough() {
    let mut c = client(&[], false, 25).await;
    c.send(&b"X\r\n".repeat(30)).await;
    let got = String::from_utf8(c.until(b"many errors\r\n").await).unwrap();
    assert_eq!(got.matches(UNKNOWN).count(), 20);
    assert!(got.ends_with("421 4.7.0 files02 Error: too many errors\r\n"));
    let mut c = client(&[], false, 25).await;
    plays(&mut c, &[("GET / HTTP/1.0", "221 2.7.0 Error: I can break rules, too. Goodbye.")]).await;
}

#[tokio::test]
async fn other_servers_speak_their_own_way() {
    let mut c = serve_on(build(&persona(&["smtp"]), &settings(&[("mta", "exim")])), 25);
    let greeting = String::from_utf8(c.until(b"\r\n").await).unwrap();
    assert!(
        greeting.starts_with("220 files02 ESMTP Exim 4.96 ") && greeting.ends_with(" +0000\r\n"),
        "{greeting}"
    );
    let exim = [
        ("FOO", "500 unrecognized command"),
        ("MAIL FROM:<a@b>", "503 HELO or EHLO required"),
        ("HELO x.yy", "250 files02 Hello x.yy [127.0.0.1]"),
        ("MAIL FROM:<a@b>", "250 OK"),
        ("RCPT TO:<root@files02>", "250 Accepted"),
        ("RCPT TO:<x@example.com>", "550 relay not permitted"),
        ("RCPT TO:<root>", "501 <root>: recipient address must contain a domain"),
        ("BDAT", "501-missing size for BDAT command\r\n501 Too many syntax or protocol errors"),
    ];
    plays(&mut c, &exim).await;
    let mut c = serve_on(build(&persona(&["smtp"]), &settings(&[("mta", "sendmail")])), 25);
    assert!(
        c.until(b"\r\n")
            .await
            .starts_with(b"220 files02 ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; ")
    );
    let sendmail = [
        ("FOO bar", "500 5.5.1 Command unrecognized: \"FOO bar\""),
        ("MAIL FROM:<a@b>", "503 5.0.0 Polite people say HELO first"),
        ("VRFY root", "503 5.0.0 I demand that you introduce yourself first"),
        ("HELO x", "250 files02 Hello [127.0.0.1], pleased to meet you"),
        ("VRFY root", "250 2.1.5 root <root@files02>"),
        ("ETRN x", "250 2.0.0 Queuing for node x started"),
        ("DATA", "503 5.0.0 Need MAIL command"),
        ("MAIL FROM:<a@b> BODY=X", "501 5.5.4 Unknown BODY type X"),
        ("GET /", "500 5.5.1 Command unrecognized: \"GET /\""),
        ("MAIL FROM:<a@b>", "250 2.1.0 <a@b>... Sender ok"),
        ("RCPT TO:<x@example.com>", "550 5.7.1 <x@example.com>... Relaying denied"),
    ];
    plays(&mut c, &sendmail).await;
    let own = [("banner", "220 mx ESMTP Exim 4.92 ready")];
    let mut c = serve_on(build(&persona(&["smtp"]), &settings(&own)), 25);
    assert_eq!(c.until(b"\r\n").await, b"220 mx ESMTP Exim 4.92 ready\r\n");
    plays(&mut c, &[("FOO", "500 unrecognized command")]).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever a client sends, in whatever pieces, nothing panics.
    #[test]
    fn any_bytes_are_survived(
        lines in prop::collection::vec(("(EHLO|MAIL FROM:|RCPT TO:|DATA|BDAT|AUTH PLAIN|AUTH LOGIN|AUTH CRAM-MD5|VRFY|RSET|)", ".{0,40}"), 0..14),
        junk in prop::collection::vec(any::<u8>(), 0..200),
        mta in prop::sample::select(vec!["postfix", "exim", "sendmail"]),
        relay: bool,
        cut in 1usize..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut c = client(&[("mta", mta)], relay, 25).await;
            let mut text = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<root@files02>\r\n".to_vec();
            for (verb, arg) in &lines {
                text.extend_from_slice(format!("{verb} {arg}\r\n").as_bytes());
            }
            text.extend_from_slice(&junk);
            text.extend_from_slice(b"\r\n.\r\nQUIT\r\n");
            for piece in text.chunks(cut) {
                if c.stream.write_all(piece).await.is_err() {
                    return;
                }
            }
            let _ = c.stream.shutdown().await;
            c.until(b"\0never\0").await;
        });
    }
}
