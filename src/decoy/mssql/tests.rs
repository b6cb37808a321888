use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::decoy::le::Put as _;
use crate::decoy::ntlm::tests::{answer, negotiate};
use crate::decoy::testing::{self, Client};

fn start(os: &str, pairs: &[(&str, &str)]) -> Client {
    let mut persona = testing::persona(&["mssql"]);
    persona.nmap_os = os.into();
    let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    testing::connect(build, &persona, &settings)
}

/// A client that wants no encryption.
const PRELOGIN: &[u8] = &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 2];

fn login(user: &str, password: &str, token: &[u8]) -> Vec<u8> {
    let secret: Vec<u8> = le::wide(password).iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
    let parts = [le::wide("PC"), le::wide(user), secret, le::wide("app"), vec![], vec![], le::wide("lib")];
    let mut head = Vec::new();
    head.u32(0).u32(0x7400_0004).put(&[0; 16]).put(&[0xe0, if token.is_empty() { 3 } else { 0x83 }, 0, 0]);
    head.put(&[0; 8]);
    let mut offset = 94u16;
    for part in &parts {
        head.u16(offset).u16(le::short(part.len() / 2));
        offset += le::short(part.len());
    }
    head.u16(offset).u16(0).u16(offset).u16(0).put(&[1, 2, 3, 4, 5, 6]);
    head.u16(offset).u16(le::short(token.len())).u16(offset).u16(0).u16(offset).u16(0).u32(0);
    assert_eq!(head.len(), 94);
    [head, parts.concat(), token.to_vec()].concat()
}

/// Sends a message; what the packets of the answer carry.
async fn send(client: &mut Client, kind: u8, bytes: &[u8]) -> Vec<u8> {
    client.send(&tds::packets(kind, 0, bytes)).await;
    let mut out = Vec::new();
    loop {
        let mut head = [0; 8];
        if client.stream.read_exact(&mut head).await.is_err() {
            return out;
        }
        assert_eq!(head[0], 4);
        let mut part = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 8];
        client.stream.read_exact(&mut part).await.unwrap();
        out.extend(part);
        if head[1] & 1 != 0 {
            return out;
        }
    }
}

async fn batch(client: &mut Client, text: &str) -> String {
    let mut bytes = Vec::new();
    bytes.u32(22).u32(18).u16(2).u64(0).u32(1).wide(text);
    String::from_utf8_lossy(&send(client, kind::BATCH, &bytes).await).replace('\0', "")
}

async fn entered(os: &str) -> Client {
    let mut c = start(os, &[("password", "s3cret"), ("version", "15.0.4430.1")]);
    send(&mut c, kind::PRELOGIN, PRELOGIN).await;
    let answer = send(&mut c, kind::LOGIN, &login("SA", "s3cret", &[])).await;
    assert_eq!(answer[0], 0xe3);
    // "Microsoft SQL Server", 15.0.4430.
    assert!(answer.windows(6).any(|w| w == [0, 0, 15, 0, 0x11, 0x4e]));
    c
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_the_server_s_words() {
    let mut c = start("windows", &[("password", "s3cret")]);
    let answer = send(&mut c, kind::PRELOGIN, PRELOGIN).await;
    assert_eq!(answer[27], 2);
    let answer = send(&mut c, kind::LOGIN, &login("sa", "guess", &[])).await;
    assert_eq!((answer[0], &answer[3..9]), (0xaa, &[0x18, 0x48, 0, 0, 1, 14][..]));
    let length = usize::from(u16::from_le_bytes([answer[1], answer[2]]));
    assert_eq!(answer[3 + length..], [0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(String::from_utf8_lossy(&answer).replace('\0', "").contains("Login failed for user 'sa'."));
    let event = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!((event.user.unwrap().0, event.secret.unwrap().0), (b"sa".to_vec(), b"guess".to_vec()));
    assert_eq!(
        (&event.fields["mssql.client_host"], &event.fields["mssql.library"]),
        (&"PC".into(), &"lib".into())
    );
}

#[tokio::test]
async fn integrated_security_gives_its_answer_away() {
    let mut c = start("windows", &[]);
    send(&mut c, kind::PRELOGIN, PRELOGIN).await;
    let reply = send(&mut c, kind::LOGIN, &login("", "", &negotiate())).await;
    assert_eq!(reply[0], 0xed);
    let reply = send(&mut c, kind::SSPI, &answer(&reply[3..], "bob", "CORP", "pw")).await;
    assert_eq!(&reply[3..7], &[0x14, 0x48, 0, 0]);
    let event = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!((event.user.unwrap().0, event.secret_kind), (b"bob".to_vec(), Some(SecretKind::NtlmV2)));
    assert_eq!(event.fields["ntlm.domain"], "CORP");
}

#[tokio::test]
async fn an_intruder_s_session() {
    let mut c = entered("windows_server").await;
    let answer = batch(&mut c, "SELECT @@version as v").await;
    assert!(answer.contains("Microsoft SQL Server 2019 (RTM-CU32)"), "{answer}");
    let answer = batch(&mut c, "select name from master..sysdatabases where dbid > 4").await;
    assert!(answer.contains("msdb"), "{answer}");
    let answer = batch(&mut c, "exec xp_cmdshell 'whoami'").await;
    assert!(answer.contains("SQL Server blocked access to procedure 'sys.xp_cmdshell'"), "{answer}");
    let answer = batch(&mut c, "exec sp_configure 'xp_cmdshell', 1").await;
    assert!(answer.contains("does not exist, or it may be an advanced option"), "{answer}");
    let enable = "exec master.dbo.sp_configure 'show advanced options',1;RECONFIGURE;                  exec master.dbo.sp_configure 'xp_cmdshell', 1;RECONFIGURE;";
    assert!(batch(&mut c, enable).await.contains("'xp_cmdshell' changed from 0 to 1."));
    let answer = batch(&mut c, "EXEC xp_cmdshell N'whoami'").await;
    assert!(answer.contains("output") && answer.contains("nt service\\mssqlserver"), "{answer}");
    for (text, want) in [
        ("select * from nope", "Invalid object name 'nope'."),
        ("nonsense", "Could not find stored procedure 'nonsense'."),
        ("select 'x", "Unclosed quotation mark after the character string 'x'."),
        ("use nope", "Database 'nope' does not exist."),
        ("use msdb; select db_name()", "Changed database context to 'msdb'."),
        ("select SERVERPROPERTY('ProductVersion')", "15.0.4430.1"),
        ("select is_srvrolemember('sysadmin'), system_user", "SA"),
        ("select count(*) from sys.databases", "\u{4}"),
        ("select ,", "Incorrect syntax near"),
    ] {
        let answer = batch(&mut c, text).await;
        assert!(answer.contains(want), "{text}: {answer:?}");
    }
    let events = c.kept.events();
    let shell: Vec<_> =
        events.iter().filter(|e| e.action == "xp_cmdshell").map(|e| e.outcome.clone().unwrap()).collect();
    assert_eq!(shell, ["failure", "success"]);
    assert!(events.iter().any(|e| e.kind == Kind::Query));
}

#[tokio::test]
async fn what_came_before_version_7_is_recorded() {
    let mut c = start("linux", &[]);
    let mut bytes = vec![0; 93];
    for (at, text) in [(0, "host"), (31, "sa"), (62, "old")] {
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        bytes[at + 30] = u8::try_from(text.len()).unwrap();
    }
    c.send(&tds::packets(kind::OLD_LOGIN, 0, &bytes)).await;
    assert_eq!(c.until(b"never").await, b"");
    let event = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!((event.user.unwrap().0, event.secret.unwrap().0), (b"sa".to_vec(), b"old".to_vec()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_end_or_wait(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        text in "[a-z'();,.=@*+ 0-9\\[\\]-]{0,60}",
        state in 0u8..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            if state < 2 {
                let mut c = start("windows", &[]);
                if state == 1 {
                    send(&mut c, kind::PRELOGIN, PRELOGIN).await;
                    c.send(&tds::packets(kind::LOGIN, 0, &bytes)).await;
                }
                c.send(&bytes).await;
                return;
            }
            let mut c = entered("windows").await;
            match state {
                2 => drop(send(&mut c, kind::RPC, &bytes).await),
                3 => drop(send(&mut c, kind::BATCH, &bytes).await),
                _ => {
                    for start in ["select ", "exec ", "select top 1 x from sys.databases where ", ""] {
                        batch(&mut c, &format!("{start}{text}")).await;
                    }
                }
            }
        });
        let _ = Prelogin::parse(&bytes);
        let _ = Login::parse(&bytes);
        let _ = Login::parse_old(&bytes);
    }
}
