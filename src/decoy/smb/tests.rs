use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::decoy::le::{self, Put as _};
use crate::decoy::ntlm::tests::{answer, negotiate};
use crate::decoy::testing::{self, Client};

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
}

fn start(os: &str, pairs: &[(&str, &str)]) -> Client {
    let mut persona = testing::persona(&["smb"]);
    persona.nmap_os = os.into();
    testing::connect(build, &persona, &settings(pairs))
}

/// Sends a message; the answer without its length.
async fn ask(client: &mut Client, message: &[u8]) -> Vec<u8> {
    client.send(&framed(message)).await;
    receive(client).await
}

async fn receive(client: &mut Client) -> Vec<u8> {
    let mut length = [0; 4];
    if client.stream.read_exact(&mut length).await.is_err() {
        return Vec::new();
    }
    let mut out = vec![0; u32::from_be_bytes(length) as usize];
    client.stream.read_exact(&mut out).await.unwrap();
    out
}

fn message(command: u16, number: u64, session: u64, tree: u32, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB".to_vec();
    out.u16(64).u16(1).u32(0).u16(command).u16(100).u32(0).u32(0).u64(number).u32(0xfeff).u32(tree);
    out.u64(session).put(&[0; 16]).put(body);
    out
}

fn status(reply: &[u8]) -> u32 {
    u32::from_le_bytes(reply[8..12].try_into().unwrap())
}

fn old_status(reply: &[u8]) -> u32 {
    u32::from_le_bytes(reply[5..9].try_into().unwrap())
}

fn number(reply: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(reply[at..at + 8].try_into().unwrap())
}

fn dialects(list: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(36).u16(le::short(list.len())).u16(1).u16(0).u32(0x7f).put(&[9; 16]).u64(0);
    for dialect in list {
        out.u16(*dialect);
    }
    out
}

fn setup(token: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(25).u8(0).u8(1).u32(0).u32(0).u16(88).u16(le::short(token.len())).u64(0).put(token);
    out
}

fn connect(path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(9).u16(0).u16(72).u16(le::short(path.len() * 2)).wide(path);
    out
}

fn create(name: &str, disposition: u32, options: u32) -> Vec<u8> {
    let mut out = vec![57, 0, 0, 0];
    out.put(&[0; 20]).u32(0x0012_019f).u32(0).u32(7).u32(disposition).u32(options);
    out.u16(120).u16(le::short(name.len() * 2)).u64(0).wide(name);
    out
}

fn with_file(head: &[u8], id: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, id, tail].concat()
}

/// Logs in; the session and the answer.
async fn login(client: &mut Client, user: &str, password: &str) -> (u64, Vec<u8>) {
    let reply = ask(client, &message(0, 0, 0, 0, &dialects(&[0x0202, 0x0210]))).await;
    assert_eq!((status(&reply), &reply[68..70]), (0, &[0x10, 2][..]));
    let reply = ask(client, &message(1, 1, 0, 0, &setup(&negotiate()))).await;
    assert_eq!(status(&reply), status::MORE_PROCESSING);
    let session = number(&reply, 40);
    let token = answer(&reply[72..], user, "WORKGROUP", password);
    (session, ask(client, &message(1, 2, session, 0, &setup(&token))).await)
}

#[tokio::test]
async fn an_account_lists_reads_and_leaves_files() {
    let mut c = start("windows_server", &[("user", "svc"), ("password", "s3cret")]);
    let (session, reply) = login(&mut c, "svc", "s3cret").await;
    // In, and signed.
    assert_eq!((status(&reply), reply[16] & 8), (0, 8));
    let reply = ask(&mut c, &message(3, 3, session, 0, &connect("\\\\x\\nope"))).await;
    assert_eq!(status(&reply), status::BAD_NETWORK_NAME);
    let reply = ask(&mut c, &message(3, 4, session, 0, &connect("\\\\x\\data"))).await;
    assert_eq!((status(&reply), reply[66]), (0, 1));
    let tree = u32::from_le_bytes(reply[36..40].try_into().unwrap());

    let reply = ask(&mut c, &message(5, 5, session, tree, &create("IT", 1, 1))).await;
    let id = reply[128..144].to_vec();
    let list = with_file(&[33, 0, 37, 0, 0, 0, 0, 0], &id, &[96, 0, 2, 0, 0, 0, 1, 0, b'*', 0]);
    let reply = ask(&mut c, &message(14, 6, session, tree, &list)).await;
    assert_eq!(status(&reply), 0);
    assert!(reply.windows(16).any(|w| w == le::wide("todo.txt")));
    assert_eq!(status(&ask(&mut c, &message(14, 7, session, tree, &list)).await), status::NO_MORE_FILES);

    let reply = ask(&mut c, &message(5, 8, session, tree, &create("IT\\TODO.txt", 1, 0))).await;
    let id = reply[128..144].to_vec();
    let mut read = vec![49, 0, 0, 0];
    read.u32(4096).u64(0);
    let reply = ask(&mut c, &message(8, 9, session, tree, &with_file(&read, &id, &[0; 17]))).await;
    assert!(reply[80..].starts_with(b"files02\r\n"), "{:?}", String::from_utf8_lossy(&reply[80..]));

    let reply = ask(&mut c, &message(5, 10, session, tree, &create("evil.exe", 2, 0))).await;
    let id = reply[128..144].to_vec();
    let mut write = vec![49, 0, 112, 0];
    write.u32(5).u64(0);
    let tail = [&[0; 16][..], b"MZabc"].concat();
    let reply = ask(&mut c, &message(9, 11, session, tree, &with_file(&write, &id, &tail))).await;
    assert_eq!(status(&reply), 0);
    let close = with_file(&[24, 0, 1, 0, 0, 0, 0, 0], &id, &[]);
    assert_eq!(status(&ask(&mut c, &message(6, 12, session, tree, &close)).await), 0);
    assert_eq!(status(&ask(&mut c, &message(6, 13, session, tree, &close)).await), status::FILE_CLOSED);

    let events = c.kept.events();
    let upload = events.iter().find(|e| e.action == "upload").unwrap();
    assert_eq!(upload.fields["file.size"], 5);
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"MZabc"));
    assert_eq!(upload.fields["file.hash.sha256"], hash);
    let login = events.iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(login.user.as_ref().unwrap().0, b"svc");
    assert_eq!(login.secret_kind, Some(crate::event::SecretKind::NtlmV2));
    assert!(login.fields.contains_key("ntlm.blob") && login.fields.contains_key("ntlm.server_challenge"));
}

#[tokio::test]
async fn who_gets_in() {
    for (os, guest, user, password, want) in [
        ("windows", true, "svc", "wrong", status::LOGON_FAILURE),
        ("windows", true, "joe", "x", status::LOGON_FAILURE),
        ("linux", true, "svc", "wrong", status::LOGON_FAILURE),
        ("linux", true, "root", "x", status::LOGON_FAILURE),
        ("linux", true, "joe", "x", status::OK),
        ("linux", false, "joe", "x", status::LOGON_FAILURE),
        ("linux", false, "SVC", "s3cret", status::OK),
    ] {
        let mut persona = testing::persona(&["smb"]);
        persona.nmap_os = os.into();
        let mut settings = settings(&[("user", "svc"), ("password", "s3cret")]);
        settings.insert("guest".into(), guest.into());
        let mut c = testing::connect(build, &persona, &settings);
        let (_, reply) = login(&mut c, user, password).await;
        assert_eq!(status(&reply), want, "{os} {guest} {user} {password}");
        let event = c.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
        assert_eq!(event.outcome.as_deref() == Some("success"), want == status::OK);
    }
}

fn old(command: u8, user: u16, words: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\xffSMB".to_vec();
    out.u8(command).u32(0).u8(0x18).u16(0x4801).put(&[0; 12]).u16(1).u16(7).u16(user).u16(1);
    out.u8(u8::try_from(words.len() / 2).unwrap()).put(words).u16(le::short(data.len())).put(data);
    out
}

#[tokio::test]
async fn version_1_of_windows_names_itself_and_worms_are_named() {
    let mut c = start("windows_server", &[]);
    let reply = ask(&mut c, &old(0x72, 0, &[], b"\x02LANMAN1.0\0\x02NT LM 0.12\0")).await;
    assert_eq!((old_status(&reply), &reply[33..35]), (0, &[1, 0][..]));
    let mut words = vec![0xff, 0, 0, 0];
    words.u16(0xffff).u16(1).u16(1).u32(0).u16(40).u32(0).u32(0x8000_0000);
    let reply = ask(&mut c, &old(0x73, 0, &words, &negotiate())).await;
    assert_eq!(old_status(&reply), status::MORE_PROCESSING);
    let text = String::from_utf8_lossy(&reply).into_owned();
    assert!(text.contains("Windows Server 2016 Standard 14393\0Windows Server 2016 Standard 6.3"), "{text}");
    let user = u16::from_le_bytes([reply[28], reply[29]]);
    let mut empty = b"NTLMSSP\0\x03\0\0\0".to_vec();
    empty.put(&[0; 48]).u32(0xa208_8a01).u64(0);
    let length = empty.len();
    words[14..16].copy_from_slice(&le::short(length).to_le_bytes());
    assert_eq!(old_status(&ask(&mut c, &old(0x73, user, &words, &empty)).await), 0);
    let mut words = vec![0xff, 0, 0, 0];
    words.u16(0).u16(1);
    let reply = ask(&mut c, &old(0x75, user, &words, b"\0\\\\x\\IPC$\0?????\0")).await;
    assert_eq!(old_status(&reply), 0);
    let mut words = vec![0; 28];
    words.u16(0x23).u16(0);
    assert_eq!(
        old_status(&ask(&mut c, &old(0x25, user, &words, b"\\PIPE\\\0")).await),
        status::INVALID_HANDLE
    );
    let mut words = vec![0; 28];
    words.u16(0x0e);
    assert_eq!(old_status(&ask(&mut c, &old(0x32, user, &words, b"")).await), status::NOT_IMPLEMENTED);
    let actions: Vec<_> = c.kept.events().into_iter().map(|e| e.action).collect();
    for action in ["anonymous", "ms17_010_probe", "doublepulsar_ping"] {
        assert!(actions.iter().any(|a| a == action), "{action} {actions:?}");
    }
}

#[tokio::test]
async fn what_is_no_smb_is_left() {
    for bytes in [&b"\0\0\0\x08abcdefgh"[..], b"\0\xff\xff\xff\xfeSMB", b"\0\0\0\x04\xfeSMB", b"\x17\0\0\0"] {
        let mut c = start("linux", &[]);
        c.send(bytes).await;
        assert!(receive(&mut c).await.is_empty());
    }
    let mut c = start("windows", &[]);
    c.send(b"\x81\0\0\x44 CKFDENECFDEFFCFGEFFCCACACACACACA\0 EIEPFDFECACACACACACACACACACACAAA\0").await;
    let mut reply = [0; 4];
    c.stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, [0x82, 0, 0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_message_is_taken(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        commands in proptest::collection::vec(0u16..21, 1..8),
        pipe: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut c = start("linux", &[("user", "svc"), ("password", "s3cret")]);
            let (session, _) = login(&mut c, "svc", "s3cret").await;
            let share = if pipe { "\\\\x\\IPC$" } else { "\\\\x\\public" };
            ask(&mut c, &message(3, 3, session, 0, &connect(share))).await;
            let name = if pipe { "srvsvc" } else { "IT\\todo.txt" };
            let reply = ask(&mut c, &message(5, 4, session, 1, &create(name, 1, 0))).await;
            let id = reply[128..144].to_vec();
            for (number, command) in (5..).zip(&commands) {
                // Half of them name the open file where their command has it.
                let mut body = body.clone();
                let at = match command { 8 | 9 | 17 => 16, 16 => 24, _ => 8 };
                if number % 2 == 0 && body.len() >= at + 16 {
                    body[at..at + 16].copy_from_slice(&id);
                }
                c.send(&framed(&message(*command, number, session, 1, &body))).await;
            }
            c.send(&framed(&[b"\xffSMB", &body[..]].concat())).await;
            c.send(&body).await;
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), c.stream.read_to_end(&mut Vec::new())).await;
        });
    }

    #[test]
    fn any_bytes_on_a_pipe(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..17, operation in 0u16..60) {
        let persona = testing::persona(&["smb"]);
        let host = Host::new(&persona);
        let shares = Shares::new(&persona, &Settings::new(), &host);
        let kept = Arc::new(testing::Kept::default());
        let end = ([127, 0, 0, 1], 1).into();
        let record = Recorder::new(kept, "smb", end, end, "0");
        let server = rpc::Server { host: &host, shares: &shares, record: &record };
        let mut pipe = rpc::Pipe::new("srvsvc");
        let mut bind = hex::decode("05000b03100000004800000001000000b810b810000000000100000000000100c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000").unwrap();
        pipe.write(&server, &bind);
        prop_assert!(pipe.read(1000).0.starts_with(&[5, 0, 12, 3]));
        bind.truncate(16);
        bind[2] = kind;
        bind[8] = 24 + u8::try_from(bytes.len().min(200)).unwrap();
        bind.u32(0).u16(0).u16(operation).put(&bytes);
        pipe.write(&server, &bind);
        pipe.write(&server, &bytes);
        let _ = pipe.read(usize::MAX);
    }
}
