use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{self, Client};

fn settings() -> Settings {
    [("user", "100"), ("password", "s3cret")].map(|(k, v)| (k.to_owned(), v.into())).into_iter().collect()
}

fn decoy() -> Arc<dyn Decoy> {
    build(&testing::persona(&["sip"]), &settings())
}

fn request(method: &str, uri: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKabc;rport\r\nFrom: <sip:100@x>;tag=1\r\n\
         To: <sip:100@x>\r\nCall-ID: 77@x\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

async fn ask(client: &mut Client, message: &str) -> String {
    client.send(message.as_bytes()).await;
    String::from_utf8(client.until(b"\r\n\r\n").await).unwrap()
}

/// The `Authorization` that answers a challenge, with `password`.
fn authorize(challenge: &str, method: &str, uri: &str, password: &str) -> String {
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let hash = |text: String| format!("{:x}", md5::compute(text));
    let one = hash(format!("100:asterisk:{password}"));
    let two = hash(format!("{method}:{uri}"));
    let response = hash(format!("{one}:{nonce}:00000001:ab:auth:{two}"));
    format!(
        "Authorization: Digest username=\"100\", realm=\"asterisk\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"ab\"\r\n"
    )
}

#[tokio::test]
async fn a_register_is_challenged_and_its_response_recorded() {
    let mut client = testing::serve(decoy());
    let challenge = ask(&mut client, &request("REGISTER", "sip:x", "")).await;
    let head = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport=40000;received=127.0.0.1;branch=z9hG4bKabc\r\n\
                Call-ID: 77@x\r\nFrom: <sip:100@x>;tag=1\r\nTo: <sip:100@x>;tag=z9hG4bKabc\r\nCSeq: 1 REGISTER\r\n\
                WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"";
    assert!(challenge.starts_with(head), "{challenge}");
    assert!(challenge.ends_with(
        ",algorithm=MD5,qop=\"auth\"\r\nServer: Asterisk PBX 20.15.2\r\nContent-Length:  0\r\n\r\n"
    ));
    let wrong = authorize(&challenge, "REGISTER", "sip:x", "100");
    assert!(ask(&mut client, &request("REGISTER", "sip:x", &wrong)).await.starts_with("SIP/2.0 401 "));
    let right = authorize(&challenge, "REGISTER", "sip:x", "s3cret")
        + "Contact: <sip:100@10.0.0.9>\r\nExpires: 60\r\n";
    let answer = ask(&mut client, &request("REGISTER", "sip:x", &right)).await;
    assert!(
        answer.starts_with("SIP/2.0 200 OK") && answer.contains("Contact: <sip:100@10.0.0.9>;expires=60\r\n")
    );
    let logins: Vec<_> = client.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
    let told: Vec<_> = logins.iter().map(|e| e.outcome.as_deref().unwrap()).collect();
    assert_eq!(told, ["failure", "success"]);
    assert_eq!(logins[0].secret_kind, Some(SecretKind::SipDigest));
    assert_eq!(
        (&logins[0].fields["sip.realm"], &logins[0].fields["sip.nc"]),
        (&"asterisk".into(), &"00000001".into())
    );
}

#[tokio::test]
async fn a_call_rings_until_it_is_cancelled() {
    let mut client = testing::serve(decoy());
    let uri = "sip:00441234567@x";
    let challenge = ask(&mut client, &request("INVITE", uri, "")).await;
    let invite = request("INVITE", uri, &authorize(&challenge, "INVITE", uri, "s3cret"));
    let trying = ask(&mut client, &invite).await;
    assert!(trying.starts_with("SIP/2.0 100 Trying") && trying.contains("To: <sip:100@x>\r\n"), "{trying}");
    let ringing = String::from_utf8(client.until(b"\r\n\r\n").await).unwrap();
    assert!(ringing.starts_with("SIP/2.0 180 Ringing"), "{ringing}");
    let cancelled = ask(&mut client, &request("CANCEL", uri, "")).await;
    assert!(cancelled.starts_with("SIP/2.0 200 OK"), "{cancelled}");
    let ended = String::from_utf8(client.until(b"\r\n\r\n").await).unwrap();
    assert!(ended.starts_with("SIP/2.0 487 ") && ended.contains("CSeq: 1 INVITE\r\n"), "{ended}");
    let tag = |text: &str| text.split("To: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    assert_eq!(tag(&ringing), tag(&ended));
    assert!(ask(&mut client, &request("CANCEL", uri, "")).await.starts_with("SIP/2.0 481 "));
    assert!(client.kept.events().iter().any(|e| e.fields.get("sip.dialled").is_some()));
}

#[test]
fn datagrams_get_what_there_is_room_for() {
    let decoy = decoy();
    let say = |text: &str, proved| {
        let (answers, _) = testing::ask(&*decoy, 5060, text.as_bytes(), proved);
        answers.into_iter().map(|(_, b)| String::from_utf8(b).unwrap()).collect::<Vec<_>>()
    };
    // What nmap sends.
    let nmap = "OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/UDP nm;branch=foo;rport\r\nFrom: <sip:nm@nm>;tag=root\r\nTo: <sip:nm2@nm2>\r\n\
                Call-ID: 50000\r\nCSeq: 42 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\nContact: <sip:nm@nm>\r\nAccept: application/sdp\r\n\r\n";
    let short = &say(nmap, false)[0];
    assert!(short.len() <= nmap.len() && short.contains("\r\nServer: Asterisk PBX 20.15.2\r\n"), "{short}");
    assert!(say(nmap, true)[0].contains("\r\nAllow: OPTIONS, REGISTER,"));
    let padded = request("REGISTER", "sip:x", &format!("User-Agent: {}\r\n", "x".repeat(200)));
    let answers = say(&padded, false);
    let nonce = answers[0].contains("Digest realm");
    assert!(nonce && answers[0].len() <= padded.len());
    assert!(say(&request("REGISTER", "sip:x", ""), false).is_empty());
    for silent in
        ["\r\n\r\n", "\0", "GET / HTTP/1.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", &request("ACK", "sip:x", "")]
    {
        assert!(say(silent, true).is_empty(), "{silent}");
    }
}

#[test]
fn a_nonce_that_comes_back_is_proof() {
    let decoy = decoy();
    let padded = request("REGISTER", "sip:x", &format!("User-Agent: {}\r\n", "x".repeat(200)));
    let (answers, _) = testing::ask(&*decoy, 5060, padded.as_bytes(), false);
    let challenge = String::from_utf8(answers[0].1.clone()).unwrap();
    let reply = request("REGISTER", "sip:x", &authorize(&challenge, "REGISTER", "sip:x", "nope"));
    let (answers, events) = testing::ask(&*decoy, 5060, reply.as_bytes(), false);
    assert!(answers[0].1.starts_with(b"SIP/2.0 401 Unauthorized\r\nVia: "));
    assert_eq!(events.iter().filter(|e| e.kind == Kind::Login).count(), 1);
}

#[tokio::test]
async fn streams_are_cut_into_messages() {
    let mut client = testing::serve(decoy());
    let two = request("OPTIONS", "sip:1@x", "") + "\r\n\r\n" + &request("BYE", "sip:1@x", "To: x;tag=2\r\n");
    for piece in two.as_bytes().chunks(7) {
        client.send(piece).await;
    }
    assert!(client.until(b"\r\n\r\n").await.starts_with(b"SIP/2.0 200 OK"));
    assert!(client.until(b"\r\n\r\n").await.starts_with(b"SIP/2.0 4"));
    client.send(b"REGISTER sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n").await;
    assert_eq!(client.until(b"never").await, b"");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_message_is_taken(
        method in "[A-Z]{1,6}|INVITE|REGISTER|CANCEL|BYE|OPTIONS",
        uri in "sip:[0-9a-z@;:<>]{0,12}|tel:[+0-9]{0,9}",
        headers in proptest::collection::vec("(v|Via|f|From|t|To|i|CSeq|m|Contact|Expires|Authorization|l)[: ]{1,2}[ -~]{0,40}", 0..12),
        raw in proptest::collection::vec(any::<u8>(), 0..40),
        proved: bool,
    ) {
        let decoy = decoy();
        let text = request(&method, &uri, &(headers.join("\r\n") + "\r\n"));
        for bytes in [text.as_bytes(), &raw] {
            let (answers, _) = testing::ask(&*decoy, 5060, bytes, proved);
            let sent: usize = answers.iter().map(|(_, b)| b.len()).sum();
            prop_assert!(proved || sent <= bytes.len() || bytes.windows(5).any(|w| w == b"nonce"));
        }
    }
}
