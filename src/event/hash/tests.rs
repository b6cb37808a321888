//! Vectors: the examples that hashcat and John ship, and ones made with other programs' hashes. The
//! password is `hashcat` in most.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::line::{format, tests::sample};
use crate::event::{Bytes, Event};

fn event(kind: SecretKind, user: &str, secret: &str, fields: &[(&str, Value)]) -> Event {
    let mut event = sample();
    event.user = Some(Bytes::new(user.as_bytes()));
    event.secret = Some(Bytes::new(secret.as_bytes()));
    event.secret_kind = Some(kind);
    event.fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    event
}

fn stored(event: &Event) -> View {
    serde_json::from_slice(&format(event)).unwrap()
}

fn hashcat(event: &Event) -> Result<(u32, String), Left> {
    line(&stored(event), Form::Hashcat).map(|line| (line.mode, line.text))
}

const SIP: &[(&str, &str)] = &[
    ("sip.realm", "asterisk"),
    ("sip.method", "REGISTER"),
    ("sip.uri", "sip:10.0.0.1:5060"),
    ("sip.nonce", "abcdef0123"),
    ("sip.algorithm", "MD5"),
];

fn sip(change: &[(&str, &str)]) -> Event {
    let fields: Vec<_> = SIP.iter().chain(change).map(|(name, value)| (*name, json!(value))).collect();
    event(SecretKind::SipDigest, "100", "826980e14bbb85a9770ecd20613a9e3c", &fields)
}

#[test]
fn each_kind_in_the_form_of_its_mode() {
    let header = concat!(
        r#"username="bob", realm="cam era, 1", nonce="n0nce", uri="/a?b=1,2", qop=auth, nc=00000001,"#,
        r#" cnonce="c0", response="91dca865aec1ec59951c765a5b3f7978", opaque="x""#
    );
    let salt = "000102030405060708090a0b0c0d0e0f10111213";
    let mysql = "90ae0cca43e5f2686afcfde48579c1cac7a35930";
    let challenge = "<1896.697170952@dbc.mtview.ca.us>";
    let blob = "010100000000000031c8aa092510945398b9f7b7dde1a9fb00000000f7876f2b04b700";
    let checksum = "31323632303636373330383333353630";
    let time = "5cbb0c882a2b26956e81644edbdb746326f4f5f0e947144fb3095dffe4b4b03e854fc1d6";
    let cases = [
        (
            event(SecretKind::NtlmV1, "", "0556d5297b5daa70eaffde82ef99293a3f3bb59b7c9704ea", &[
                ("ntlm.domain", json!("5V4T")),
                ("ntlm.lm_response", json!("ada06359242920a500000000000000000000000000000000")),
                ("ntlm.nt_response", json!("0556D5297b5daa70eaffde82ef99293a3f3bb59b7c9704ea")),
                ("ntlm.server_challenge", json!("9c23f6c094853920")),
            ]),
            5500,
            "::5V4T:ada06359242920a500000000000000000000000000000000:0556d5297b5daa70eaffde82ef99293a3f3bb59b7c9704ea:9c23f6c094853920".to_owned(),
        ),
        (
            event(SecretKind::NtlmV2, "0UL5G37JOI0SX", "aab8bf8675658dd2a939458a1077ba08", &[
                ("ntlm.domain", json!("6VB1IS0KA74")),
                ("ntlm.server_challenge", json!("ebe1afa18b7fbfa6")),
                ("ntlm.nt_proof", json!("aab8bf8675658dd2a939458a1077ba08")),
                ("ntlm.blob", json!(blob)),
            ]),
            5600,
            format!("0UL5G37JOI0SX::6VB1IS0KA74:ebe1afa18b7fbfa6:aab8bf8675658dd2a939458a1077ba08:{blob}"),
        ),
        (
            event(SecretKind::MysqlNative, "root", mysql, &[("mysql.salt", json!(salt))]),
            11200,
            format!("$mysqlna${salt}*{mysql}"),
        ),
        (
            event(SecretKind::PostgresMd5, "postgres", "md5fe9d9f1662d9d2ed53c621031bbe3c0c", &[(
                "postgres.salt",
                json!("01020304"),
            )]),
            11100,
            "$postgres$postgres*01020304*fe9d9f1662d9d2ed53c621031bbe3c0c".to_owned(),
        ),
        (
            sip(&[]),
            11400,
            "$sip$***100*asterisk*REGISTER*sip*10.0.0.1:5060**abcdef0123****MD5*826980e14bbb85a9770ecd20613a9e3c"
                .to_owned(),
        ),
        (
            event(SecretKind::HttpDigest, "bob", header, &[("http.request.method", json!("GET"))]),
            11400,
            "$sip$***bob*cam era, 1*GET**/a?b=1,2**n0nce*c0*00000001*auth*MD5*91dca865aec1ec59951c765a5b3f7978"
                .to_owned(),
        ),
        (
            event(SecretKind::CramMd5, "user", "efbc59dd42760ffccd802646ed8e0bd7", &[(
                "cram.challenge",
                json!(challenge),
            )]),
            10200,
            concat!(
                "$cram_md5$PDE4OTYuNjk3MTcwOTUyQGRiYy5tdHZpZXcuY2EudXM+",
                "$dXNlciBlZmJjNTlkZDQyNzYwZmZjY2Q4MDI2NDZlZDhlMGJkNw=="
            )
            .to_owned(),
        ),
        (
            event(SecretKind::Apop, "mrose", "2c55e295203d0565563702e082f2d04a", &[(
                "apop.challenge",
                json!(challenge),
            )]),
            20,
            format!("2c55e295203d0565563702e082f2d04a:{challenge}"),
        ),
        (
            event(SecretKind::Krb5, "user", &format!("{checksum}{time}"), &[
                ("krb5.etype", json!(23)),
                ("krb5.realm", json!("realm")),
                ("krb5.salt", json!("salt")),
            ]),
            7500,
            format!("$krb5pa$23$user$realm$salt${time}{checksum}"),
        ),
        (
            event(SecretKind::Krb5, "hashcat", &"96".repeat(56), &[
                ("krb5.etype", json!("18")),
                ("krb5.realm", json!("HASHCATDOMAIN.COM")),
            ]),
            19900,
            format!("$krb5pa$18$hashcat$HASHCATDOMAIN.COM${}", "96".repeat(56)),
        ),
        (
            event(SecretKind::Snmpv3, "admin", "0123456789ab0123456789ab", &[
                ("snmp.message", json!("3081")),
                ("snmp.engine_id", json!("8000")),
            ]),
            25000,
            "$SNMPv3$0$0$3081$8000$0123456789ab0123456789ab".to_owned(),
        ),
    ];
    for (event, mode, text) in cases {
        assert_eq!(hashcat(&event), Ok((mode, text)), "{:?}", event.secret_kind);
    }
}

#[test]
fn what_only_john_reads() {
    let vnc = event(
        SecretKind::VncDes,
        "",
        "dd96d21781a70da49443279975404dd0",
        &[("vnc.challenge", json!("84076f040550eea9341967633b5f3855"))],
    );
    assert_eq!(hashcat(&vnc), Err(Left::NoForm(SecretKind::VncDes)));
    let text = line(&stored(&vnc), Form::John).unwrap().text;
    assert_eq!(text, "$vnc$*84076F040550EEA9341967633B5F3855*DD96D21781A70DA49443279975404DD0");
    let apop = event(SecretKind::Apop, "a", &"0".repeat(32), &[("apop.challenge", json!("<1@x>"))]);
    assert_eq!(
        line(&stored(&apop), Form::John).unwrap().text,
        format!("$dynamic_4${}$<1@x>", "0".repeat(32))
    );
}

#[test]
fn what_is_no_hash_is_left_out() {
    for (kind, left) in [
        (SecretKind::Plaintext, Left::Clear),
        (SecretKind::PublicKey, Left::Clear),
        (SecretKind::ScramSha256, Left::NoForm(SecretKind::ScramSha256)),
        (SecretKind::MysqlCachingSha2, Left::NoForm(SecretKind::MysqlCachingSha2)),
        (SecretKind::MysqlNative, Left::Incomplete(SecretKind::MysqlNative)),
    ] {
        assert_eq!(hashcat(&event(kind, "u", "00", &[])), Err(left));
    }
    let mut bare = sample();
    bare.secret = None;
    assert_eq!(hashcat(&bare), Err(Left::NoSecret));
}

#[test]
fn a_part_that_the_form_cannot_hold_leaves_the_event_out() {
    let left = Err(Left::Incomplete(SecretKind::SipDigest));
    for change in [
        ("sip.realm", "a*b"),
        ("sip.realm", "a\nb"),
        ("sip.realm", "\u{e4}"),
        ("sip.nonce", ""),
        ("sip.qop", "auth-int"),
        ("sip.algorithm", "SHA-256"),
    ] {
        assert_eq!(hashcat(&sip(&[change])), left, "{change:?}");
    }
    // A backslash is escaped in the stored line and is itself in a cracker's.
    let (_, text) = hashcat(&sip(&[("sip.realm", "a\\b")])).unwrap();
    assert!(text.contains("*a\\b*"), "{text}");
}

proptest! {
    #[test]
    fn any_stored_event_makes_one_printable_line_or_none(
        at in 0usize..SecretKind::ALL.len(), user: String, secret: Vec<u8>, value: String
    ) {
        let names = ["ntlm.domain", "mysql.salt", "postgres.salt", "sip.realm", "sip.uri", "sip.method", "sip.nonce",
            "cram.challenge", "apop.challenge", "krb5.realm", "krb5.etype", "http.request.method", "vnc.challenge"];
        let fields: Vec<_> = names.iter().map(|name| (*name, json!(value))).collect();
        let mut event = event(SecretKind::ALL[at], &user, "", &fields);
        event.secret = Some(Bytes::new(&secret));
        for form in [Form::Hashcat, Form::John] {
            if let Ok(line) = line(&stored(&event), form) {
                prop_assert!(line.text.bytes().all(|b| matches!(b, 0x20..=0x7e)));
            }
        }
    }
}
