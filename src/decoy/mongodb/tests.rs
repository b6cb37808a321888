//! Conversations as drivers and scanners have them.

use super::*;
use crate::decoy::testing::{self, Client};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn client(settings: &[(&str, &str)]) -> Client {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    testing::connect(build, &testing::persona(&["mongodb"]), &settings)
}

async fn reply(client: &mut Client) -> (u32, Vec<u8>) {
    let mut head = [0u8; 16];
    client.stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
    let mut body = vec![0; length - 16];
    client.stream.read_exact(&mut body).await.unwrap();
    (u32::from_le_bytes(head[12..].try_into().unwrap()), body)
}

async fn run(client: &mut Client, mut command: Doc, database: &str) -> Doc {
    command.extend(object! { "$db" => database });
    client.send(&frame(7, 2013, &[&[0; 5][..], &bson::bytes(&command)].concat())).await;
    let (opcode, body) = reply(client).await;
    assert_eq!((opcode, &body[..5]), (2013, &[0; 5][..]));
    bson::take(&mut Cursor(&body[5..])).unwrap()
}

fn text<'a>(doc: &'a Doc, name: &str) -> &'a str {
    get(doc, name).and_then(Value::text).unwrap_or_default()
}

/// The probe of nmap, which wants `version` in the answer.
const PROBE: &[u8] = b"\x41\0\0\0\x3a\x30\0\0\xff\xff\xff\xff\xd4\x07\0\0\0\0\0\0test.$cmd\0\0\0\0\0\xff\xff\xff\xff\x1b\0\0\0\x01serverStatus\0\0\0\0\0\0\0\xf0\x3f\0";

#[tokio::test]
async fn scanners_find_the_version() {
    let mut c = client(&[("version", "4.4.29")]);
    c.send(PROBE).await;
    let (opcode, body) = reply(&mut c).await;
    assert_eq!(opcode, 1);
    assert!(body.windows(19).any(|w| w == b"version\0\x07\0\0\x004.4.29\0"));
    let mut c = client(&[("version", "7.0.14")]);
    c.send(PROBE).await;
    assert!(
        String::from_utf8_lossy(&reply(&mut c).await.1)
            .contains("Unsupported OP_QUERY command: serverStatus")
    );
}

#[tokio::test]
async fn extortion_is_taken_and_recorded() {
    let decoy = build(&testing::persona(&["mongodb"]), &Settings::new());
    let mut c = testing::serve(decoy.clone());
    let list = run(&mut c, object! { "listDatabases" => 1 }, "admin").await;
    let names: Vec<_> = get(&list, "databases")
        .unwrap()
        .array()
        .unwrap()
        .iter()
        .map(|d| text(d.doc().unwrap(), "name").to_owned())
        .collect();
    let app = names.iter().find(|n| !["admin", "config", "local"].contains(&n.as_str())).unwrap();
    let found =
        run(&mut c, object! { "find" => "users", "filter" => object! { "role" => "admin" } }, app).await;
    assert!(bson::show(&found, 4000).contains("$2b$10$"));
    assert_eq!(text(&run(&mut c, object! { "dropDatabase" => 1 }, app).await, "dropped"), app);
    let note = object! { "content" => "All your data is backed up. Pay 0.01 BTC" };
    run(&mut c, object! { "insert" => "README", "documents" => vec![Value::Doc(note)] }, "READ__ME").await;
    // Another connection of the same visitor sees it.
    let mut again = testing::serve(decoy);
    let found = run(&mut again, object! { "find" => "README" }, "READ__ME").await;
    assert!(bson::show(&found, 4000).contains("0.01 BTC"));
    let gone = run(&mut again, object! { "listCollections" => 1 }, app).await;
    assert!(bson::show(&gone, 4000).contains("firstBatch: []"));
    let events = c.kept.events();
    let insert = events.iter().find(|e| e.action == "insert").unwrap();
    assert!(insert.fields["db.statement"].as_str().unwrap().contains("0.01 BTC"));
}

#[tokio::test]
async fn refusals_are_those_of_a_genuine_server() {
    let mut c = client(&[]);
    let answer = run(&mut c, object! { "foo" => 1 }, "test").await;
    assert_eq!(answer, error(59, "CommandNotFound", "no such command: 'foo'"));
    assert_eq!(text(&run(&mut c, object! { "drop" => "x" }, "test").await, "errmsg"), "ns not found");
    assert_eq!(
        get(&run(&mut c, object! { "listDatabases" => 1 }, "test").await, "code"),
        Some(&Value::Int(13))
    );
    let mut c = client(&[("user", "root"), ("password", "s3cret")]);
    let answer = run(&mut c, object! { "listDatabases" => 1 }, "admin").await;
    assert_eq!(answer, error(13, "Unauthorized", "command listDatabases requires authentication"));
}

#[tokio::test]
async fn logins_are_recorded_with_all_that_cracks_them() {
    let mut c = client(&[("user", "root"), ("password", "s3cret")]);
    let start = object! { "saslStart" => 1, "mechanism" => "SCRAM-SHA-256", "payload" => Value::Binary(0, b"n,,n=root,r=abc".to_vec()) };
    let answer = run(&mut c, start, "admin").await;
    let Some(Value::Binary(_, first)) = get(&answer, "payload") else { panic!("{answer:?}") };
    let first = String::from_utf8(first.clone()).unwrap();
    assert!(first.starts_with("r=abc") && first.ends_with(",i=15000"), "{first}");
    let nonce = first.split(',').next().unwrap();
    let proof = format!("c=biws,{nonce},p={}", "A".repeat(43) + "=");
    let next = object! { "saslContinue" => 1, "conversationId" => 1, "payload" => Value::Binary(0, proof.into_bytes()) };
    assert_eq!(text(&run(&mut c, next, "admin").await, "errmsg"), "Authentication failed.");
    let login = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(login.user.unwrap().0, b"root");
    assert_eq!(login.fields["scram.iterations"], 15_000);
    assert!(login.fields["scram.auth_message"].as_str().unwrap().starts_with("n=root,r=abc,r=abc"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_survived(
        body in proptest::collection::vec(any::<u8>(), 0..80),
        opcode in prop_oneof![Just(2013u32), Just(2004), Just(2012), 0u32..3000],
        name in "[a-zA-Z]{1,10}|find|insert|update|delete|aggregate|saslStart|saslContinue|hello|getLog|distinct|drop|count",
        split in 0usize..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = client(&[]);
            let value = bson::take(&mut Cursor(&body)).unwrap_or_default();
            let list = |v: &Doc| Value::Array(vec![v.clone().into(), Value::Null]);
            let command = object! { name.as_str() => "x", "filter" => value.clone(), "updates" => list(&value), "deletes" => list(&value), "pipeline" => list(&value), "cursor" => value, "payload" => Value::Binary(0, body.clone()), "$db" => "admin" };
            let good = frame(1, 2013, &[&[0; 5][..], &bson::bytes(&command)].concat());
            let (head, tail) = good.split_at(split.min(good.len()));
            for part in [head, tail, &frame(1, opcode, &body), &body] {
                let _ = client.stream.write_all(part).await;
                tokio::task::yield_now().await;
            }
            drop(client.stream);
            tokio::task::yield_now().await;
        });
    }
}
