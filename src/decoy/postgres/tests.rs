//! Conversations; what a genuine PostgreSQL 15.20 of Debian 12 says was captured.

use super::*;
use crate::decoy::testing::{self, Client};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn client(settings: &[(&str, &str)]) -> Client {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    testing::connect(build, &testing::persona(&["postgres"]), &settings)
}

fn startup(pairs: &[&str]) -> Vec<u8> {
    let mut body = 0x30000u32.to_be_bytes().to_vec();
    for part in pairs {
        body.extend_from_slice(part.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&length[..], &body].concat()
}

/// Whatever comes until the end, or within a moment.
async fn all(client: &mut Client) -> Vec<u8> {
    let mut got = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let read = client.stream.read(&mut chunk);
        match tokio::time::timeout(std::time::Duration::from_millis(200), read).await {
            Err(_) => return got,
            Ok(read) => match read.unwrap() {
                0 => return [&got[..], b"<end>"].concat(),
                length => got.extend_from_slice(&chunk[..length]),
            },
        }
    }
}

#[tokio::test]
async fn first_packets_are_answered_byte_true() {
    let fatal = |code: &str, text: &str, line: u32| {
        let body =
            format!("SFATAL\0VFATAL\0C{code}\0M{text}\0Fpostmaster.c\0L{line}\0RProcessStartupPacket\0\0");
        [&message(b'E', body.as_bytes())[..], b"<end>"].concat()
    };
    let smb = [b"\0\0\0\xa4\xffSMBr"[..].to_vec(), vec![0; 155]].concat();
    let cases: &[(&[u8], Vec<u8>)] = &[
        (b"\0\0\0\x08\x04\xd2\x16\x2f", b"S".to_vec()),
        (b"\0\0\0\x08\x04\xd2\x16\x30", b"G".to_vec()),
        (b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02", b"<end>".to_vec()),
        (b"GET / HTTP/1.0\r\n\r\n", b"<end>".to_vec()),
        (b"\0\0\0\0", b"<end>".to_vec()),
        (&smb, fatal("0A000", "unsupported frontend protocol 65363.19778: server supports 3.0 to 3.0", 2220)),
        (b"\0\0\0\x08\0\x02\0\0", b"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.0\n\0<end>".to_vec()),
        (&startup(&["database", "x"]), fatal("28000", "no PostgreSQL user name specified in startup packet", 2349)),
        (b"\0\0\0\x0d\0\x03\0\0user\0", fatal("08P01", "invalid startup packet layout: expected terminator as last byte", 2332)),
        (&startup(&["user", "x"]), b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0".to_vec()),
        (
            &[&startup(&["user", "x"])[..], b"p\0\0\0\x08PW!\0"].concat(),
            [
                &b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"[..],
                b"E\0\0\0sSFATAL\0VFATAL\0C08P01\0Mclient selected an invalid SASL authentication mechanism\0Fauth-scram.c\0L256\0Rscram_init\0\0<end>",
            ]
            .concat(),
        ),
    ];
    for (sent, want) in cases {
        let mut client = client(&[]);
        client.send(sent).await;
        let got = all(&mut client).await;
        assert_eq!(
            got.escape_ascii().to_string(),
            want.escape_ascii().to_string(),
            "{}",
            sent.escape_ascii()
        );
    }
}

#[tokio::test]
async fn an_md5_login_is_recorded_with_its_salt() {
    let mut c = client(&[("auth", "md5"), ("user", "app"), ("password", "secret")]);
    c.send(&startup(&["user", "app", "database", "postgres"])).await;
    let asked = all(&mut c).await;
    assert_eq!(asked[..9], *b"R\0\0\0\x0c\0\0\0\x05");
    let salt = &asked[9..13];
    let inner = hex::encode(md5::compute("secretapp").0);
    let answer = format!("md5{}\0", hex::encode(md5::compute([inner.as_bytes(), salt].concat()).0));
    c.send(&message(b'p', answer.as_bytes())).await;
    let got = all(&mut c).await;
    assert!(got.starts_with(b"R\0\0\0\x08\0\0\0\0S\0\0\0") && got.ends_with(b"Z\0\0\0\x05I"));
    let login = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(login.fields["postgres.salt"], hex::encode(salt));
    assert_eq!(login.secret.unwrap().0, answer.trim_end_matches('\0').as_bytes());
    assert_eq!(login.outcome.as_deref(), Some("success"));
}

#[tokio::test]
async fn scram_is_offered_to_everybody_and_recorded() {
    for (user, known) in [("postgres", true), ("nobody", false)] {
        let mut c = client(&[]);
        c.send(&startup(&["user", user])).await;
        all(&mut c).await;
        c.send(&message(b'p', b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abc")).await;
        let first = all(&mut c).await;
        assert_eq!(first[..9], *b"R\0\0\0G\0\0\0\x0b");
        let said = String::from_utf8(first[9..].to_vec()).unwrap();
        assert!(said.starts_with("r=abc") && said.ends_with(",i=4096"), "{said}");
        let nonce = said.split(',').next().unwrap();
        let proof = format!("c=biws,{nonce},p={}=", "A".repeat(43));
        c.send(&message(b'p', proof.as_bytes())).await;
        let end = String::from_utf8_lossy(&all(&mut c).await).into_owned();
        assert!(
            end.contains(&format!("password authentication failed for user \"{user}\"\0Fauth.c\0L334")),
            "{end}"
        );
        let login = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
        assert_eq!(login.user.unwrap().0, user.as_bytes());
        assert_eq!(login.fields["scram.iterations"], 4096);
        assert_eq!(known, user == "postgres");
    }
}

/// A client that is in.
async fn inside() -> Client {
    let mut client = client(&[("auth", "trust")]);
    client.send(&startup(&["user", "postgres", "database", "postgres"])).await;
    client.until(b"Z\0\0\0\x05I").await;
    client
}

async fn query(client: &mut Client, sql: &str) -> Vec<u8> {
    client.send(&message(b'Q', &[sql.as_bytes(), b"\0"].concat())).await;
    let mut got = client.until(b"Z\0\0\0\x05").await;
    let mut status = [0u8; 1];
    client.stream.read_exact(&mut status).await.unwrap();
    got.extend_from_slice(&status);
    got
}

#[tokio::test]
async fn queries_are_answered_byte_true() {
    let mut c = inside().await;
    for (sql, want) in [
        (";", &b"I\0\0\0\x04"[..]),
        ("select 1", b"T\0\0\0!\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0"),
        ("select * from nope", b"E\0\0\0gSERROR\0VERROR\0C42P01\0Mrelation \"nope\" does not exist\0P15\0Fparse_relation.c\0L1392\0RparserOpenTable\0\0"),
        ("selec 1", b"E\0\0\0]SERROR\0VERROR\0C42601\0Msyntax error at or near \"selec\"\0P1\0Fscan.l\0L1188\0Rscanner_yyerror\0\0"),
        ("select foo", b"E\0\0\0fSERROR\0VERROR\0C42703\0Mcolumn \"foo\" does not exist\0P8\0Fparse_relation.c\0L3665\0RerrorMissingColumn\0\0"),
        ("show nope", b"E\0\0\0aSERROR\0VERROR\0C42704\0Munrecognized configuration parameter \"nope\"\0Fguc.c\0L5766\0Rfind_option\0\0"),
        ("select 1/0", b"T\0\0\0!\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"),
        ("copy (select 'x') to stdout", b"H\0\0\0\x09\0\0\x01\0\0d\0\0\0\x06x\nc\0\0\0\x04C\0\0\0\x0bCOPY 1\0"),
        ("drop table t", b"E\0\0\0`SERROR\0VERROR\0C42P01\0Mtable \"t\" does not exist\0Ftablecmds.c\0L1331\0RDropErrorMsgNonExistent\0\0"),
        ("select pg_sleep(0.01)", b"T\0\0\0!\0\x01pg_sleep\0\0\0\0\0\0\0\0\0\x08\xe6\0\x04\xff\xff\xff\xff\0\0D\0\0\0\x0a\0\x01\0\0\0\0C\0\0\0\x0dSELECT 1\0"),
    ] {
        let got = query(&mut c, sql).await;
        let want = [want, b"Z\0\0\0\x05I"].concat();
        if sql == "select 1/0" {
            assert!(String::from_utf8_lossy(&got).contains("C22012\0Mdivision by zero\0Fint.c\0L869\0Rint4div"));
            continue;
        }
        assert_eq!(got.escape_ascii().to_string(), want.escape_ascii().to_string(), "{sql}");
    }
    assert!(query(&mut c, "begin").await.ends_with(b"Z\0\0\0\x05T"));
    assert!(query(&mut c, "nonsense").await.ends_with(b"Z\0\0\0\x05E"));
    assert!(String::from_utf8_lossy(&query(&mut c, "select 1").await).contains("C25P02"));
    assert!(query(&mut c, "rollback").await.ends_with(b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I"));
}

#[tokio::test]
async fn the_usual_steps_to_a_shell_are_taken_and_recorded() {
    let mut c = inside().await;
    for (sql, want) in [
        ("DROP TABLE IF EXISTS cmd_exec; CREATE TABLE cmd_exec(cmd_output text)", "CREATE TABLE"),
        ("COPY cmd_exec FROM PROGRAM 'id'", "COPY 1"),
        ("SELECT * FROM cmd_exec", "(postgres)"),
        ("COPY cmd_exec FROM PROGRAM 'exit 3'", "Dchild process exited with exit code 3"),
        ("COPY cmd_exec FROM PROGRAM 'nosuchprogram'", "Dcommand not found"),
        (
            "COPY cmd_exec FROM '/etc/shadow'",
            "could not open file \"/etc/shadow\" for reading: Permission denied",
        ),
        ("SELECT pg_read_file('/etc/passwd')", "root:x:0:0"),
        ("SELECT lo_import('/etc/passwd', 4711)", "4711"),
        ("SELECT lo_export(4711, '/tmp/x.so')", "SELECT 1"),
        ("SELECT encode(lo_get(4711), 'escape')", "root:x:0:0"),
        ("SELECT lo_from_bytea(99, decode('f0VMRg==', 'base64'))", "99"),
        (
            "CREATE FUNCTION sys(cstring) RETURNS int AS '/lib/x86_64-linux-gnu/libc.so.6', 'system' LANGUAGE c",
            "missing magic block",
        ),
        ("CREATE EXTENSION plpython3u", "extension \"plpython3u\" is not available"),
        ("select usename, passwd from pg_shadow where usename = 'postgres'", "SCRAM-SHA-256$4096:"),
        ("ALTER USER postgres PASSWORD 'pwned'", "ALTER ROLE"),
        ("select datname from pg_database where not datistemplate order by 1 desc", "postgres"),
    ] {
        let got = String::from_utf8_lossy(&query(&mut c, sql).await).into_owned();
        assert!(got.contains(want), "{sql}: {}", got.escape_debug());
    }
    let events = c.kept.events();
    let ran = events.iter().find(|e| e.action == "copy_program").unwrap();
    assert!(ran.fields["process.command_line"].to_string().contains("aWQ="));
    assert!(events.iter().any(|e| e.action == "lo_export" && e.fields["file.path"] == "/tmp/x.so"));
    assert!(events.iter().any(|e| e.action == "role" && e.secret.as_ref().is_some_and(|s| s.0 == b"pwned")));
}

#[tokio::test]
async fn queries_in_steps_work() {
    let mut c = inside().await;
    let parse = message(b'P', b"\0select 1 as a, $1::text as b\0\0\0");
    let bind = message(b'B', b"\0\0\0\0\0\x01\0\0\0\x01x\0\0");
    let steps = [
        parse,
        message(b'D', b"S\0"),
        bind,
        message(b'D', b"P\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ];
    c.send(&steps.concat()).await;
    let columns = b"T\0\0\0.\0\x02a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0b\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
    let want = [
        &b"1\0\0\0\x04t\0\0\0\x0a\0\x01\0\0\0\x19"[..],
        columns,
        b"2\0\0\0\x04",
        columns,
        b"D\0\0\0\x10\0\x02\0\0\0\x011\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I",
    ]
    .concat();
    assert_eq!(all(&mut c).await.escape_ascii().to_string(), want.escape_ascii().to_string());
    // After an error everything is skipped up to the Sync.
    let broken = [message(b'B', b"\0nope\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
    c.send(&broken.concat()).await;
    let got = String::from_utf8_lossy(&all(&mut c).await).into_owned();
    assert!(got.contains("prepared statement \"nope\" does not exist") && got.ends_with("Z\0\0\0\x05I"));
    assert_eq!(got.matches("SERROR").count(), 1);
}

#[test]
fn queries_of_clients_are_understood() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut c = inside().await;
        for (sql, want) in [
            // psql's \l, \du and \dt.
            ("SELECT d.datname as \"Name\", pg_catalog.pg_get_userbyid(d.datdba) as \"Owner\", CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS \"Locale Provider\", pg_catalog.array_to_string(d.datacl, E'\\n') AS \"Access privileges\" FROM pg_catalog.pg_database d ORDER BY 1;", "postgres=CTc/postgres"),
            ("SELECT r.rolname, r.rolsuper, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid) as memberof FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1;", "{}"),
            ("SELECT n.nspname as \"Schema\", c.relname as \"Name\" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2;", "SELECT 0"),
            ("with a as (select generate_series(1, 3) as n) select count(*), sum(n) from a", "6"),
            ("select 'a' || upper('b') || repeat('c', 3), coalesce(null, 'd'), 7 % 4, (select max(oid) from pg_roles) > 5, 3 in (1, 2, 3), '5'::int + 1, length('xyz')", "aBccc"),
            ("select * from (values (1, 'x'), (2, 'y')) as t(a, b) where b like 'y%'", "SELECT 1"),
            ("insert into nothing values (1)", "relation \"nothing\" does not exist"),
            ("select current_user, current_database(), inet_server_port(), pg_is_in_recovery()", "5432"),
            ("select foo(1, 'x')", "function foo(integer, unknown) does not exist"),
        ] {
            let got = String::from_utf8_lossy(&query(&mut c, sql).await).into_owned();
            assert!(got.contains(want), "{sql}: {}", got.escape_debug());
        }
    });
}

#[tokio::test]
async fn statements_are_bounded() {
    let mut c = inside().await;
    for sql in [
        "select repeat(repeat('x', 100000), 100000)",
        "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        "with a as (select repeat('x', 500000) as x) select x || x || x from a, generate_series(1, 10000)",
        "select replace(repeat('x', 400000), 'x', repeat('y', 400000))",
    ] {
        let got = String::from_utf8_lossy(&query(&mut c, sql).await).into_owned();
        assert!(got.contains("C57014"), "{sql}: {}", got.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_bytes_are_survived(
        chunks in proptest::collection::vec((prop_oneof![Just(b'Q'), Just(b'P'), Just(b'B'), Just(b'D'), Just(b'E'), Just(b'S'), any::<u8>()], proptest::collection::vec(any::<u8>(), 0..30)), 0..6),
        words in proptest::collection::vec("select|from|pg_class|where|copy|program|'id'|insert|into|values|\\(|\\)|1|x|create|table|drop|if|exists|update|set|=|,|group|by|order|::int|lo_get|alter|as|\\*|with|union|null|case|returning", 0..14),
        raw: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut c = if raw { client(&[]) } else { inside().await };
            let sql = [words.join(" ").as_bytes(), b"\0"].concat();
            let _ = c.stream.write_all(&message(b'Q', &sql)).await;
            for (kind, chunk) in &chunks {
                let _ = c.stream.write_all(&message(*kind, chunk)).await;
                tokio::task::yield_now().await;
                let _ = c.stream.write_all(chunk).await;
                tokio::task::yield_now().await;
            }
            drop(c.stream);
            tokio::task::yield_now().await;
        });
    }
}
