//! The service as a client sees it; answers are those of Dovecot 2.3.19 of Debian 12.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::decoy::testing::{Client, persona, serve_on};
use crate::event::{Event, Kind};

const INSIDE: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS \
    THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 \
    CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY \
    PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE";

async fn client(settings: &Settings) -> Client {
    let mut client = serve_on(build(&persona(&["imap"]), settings), 143);
    let greeting = String::from_utf8(client.until(b"\r\n").await).unwrap();
    assert!(
        greeting.starts_with(
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
        )
    );
    assert!(greeting.ends_with("] Dovecot (Debian) ready.\r\n"));
    client
}

async fn ask(client: &mut Client, command: &str, end: &str) -> String {
    client.send(format!("{command}\r\n").as_bytes()).await;
    let mut got = String::new();
    while !got.lines().last().is_some_and(|l| l.starts_with(end)) {
        let line = client.until(b"\r\n").await;
        assert!(!line.is_empty(), "{command}: {got}");
        got.push_str(&String::from_utf8(line).unwrap());
    }
    // The times are not compared.
    got.split(" (0.0").next().unwrap().trim_end().to_owned()
}

async fn plays(client: &mut Client, dialogue: &[(&str, &str)]) {
    for (command, reply) in dialogue {
        let end = reply.lines().last().unwrap();
        let end = end.get(..end.find(' ').unwrap_or(end.len())).unwrap();
        assert_eq!(ask(client, command, end).await, *reply, "{command}");
    }
}

fn logins(client: &Client) -> Vec<Event> {
    client.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect()
}

#[tokio::test]
async fn before_the_login() {
    let mut c = client(&Settings::new()).await;
    let dialogue = [
        ("a NOOP", "a OK NOOP completed."),
        ("a ID NIL", "* ID (\"name\" \"Dovecot\")\r\na OK ID completed."),
        ("a AUTHENTICATE FOO", "a NO [ALERT] Unsupported authentication mechanism."),
        ("a AUTHENTICATE PLAIN AGEAYg==", "a NO [AUTHENTICATIONFAILED] Authentication failed."),
        ("a AUTHENTICATE LOGIN", "+ VXNlcm5hbWU6"),
        ("YQ==", "+ UGFzc3dvcmQ6"),
        ("Yg==", "a NO [AUTHENTICATIONFAILED] Authentication failed."),
        ("a AUTHENTICATE PLAIN", "+"),
        ("*", "a BAD Authentication aborted by client."),
        ("a AUTHENTICATE PLAIN !!!", "a BAD Invalid base64 data in initial response"),
        ("a LOGIN x {1+}\r\nb", "a NO [AUTHENTICATIONFAILED] Authentication failed."),
        ("a SELECT INBOX", "a BAD Error in IMAP command received by server."),
        ("GET / HTTP/1.0", "GET BAD Error in IMAP command received by server."),
        ("", "* BYE Too many invalid IMAP commands."),
    ];
    plays(&mut c, &dialogue).await;
    assert_eq!(logins(&c).len(), 4);
    assert_eq!(logins(&c)[3].secret.as_ref().unwrap().0, b"b");
    let mut c = client(&Settings::new()).await;
    plays(&mut c, &[("a LOGIN {4}", "+ OK"), ("root {4}", "+ OK")]).await;
    assert_eq!(ask(&mut c, "toor", "a OK").await, format!("a OK [CAPABILITY {INSIDE}] Logged in"));
    let off = [("plaintext_auth".to_owned(), false.into())].into_iter().collect();
    let mut c = client(&off).await;
    let refused = "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If \
        anyone was listening, the password was exposed.\r\na NO [PRIVACYREQUIRED] Plaintext authentication disallowed on \
        non-secure (SSL/TLS) connections.";
    plays(&mut c, &[("a login root toor", refused), ("a starttls", "a OK Begin TLS negotiation now.")]).await;
    assert_eq!(logins(&c)[0].outcome.as_deref(), Some("failure"));
}

async fn inside() -> Client {
    let mut c = client(&Settings::new()).await;
    ask(&mut c, "a login admin admin123", "a OK").await;
    c
}

#[tokio::test]
async fn commands_as_measured() {
    let mut c = inside().await;
    let dialogue = [
        ("a fetch 1 flags", "a BAD No mailbox selected"),
        ("a namespace", "* NAMESPACE ((\"\" \".\")) NIL NIL\r\na OK Namespace completed"),
        ("a status INBOX (foo)", "a BAD Error in IMAP command STATUS: Invalid status item FOO"),
        ("a status INBOX", "a BAD Error in IMAP command STATUS: Missing arguments"),
        ("a status nope (messages)", "a NO Mailbox doesn't exist: nope"),
        ("a create Sent", "a NO [ALREADYEXISTS] Mailbox already exists"),
        ("a create a/b", "a NO [CANNOT] Invalid mailbox name: Name must not have '/' characters"),
        ("a create \"\"", "a NO [CANNOT] Invalid mailbox name: Name is empty"),
        ("a create x.y", "a OK Create completed"),
        ("a list \"\" \"\"", "* LIST (\\Noselect) \".\" \"\"\r\na OK List completed"),
        ("a list \"\" INBOX", "* LIST (\\HasNoChildren) \".\" INBOX\r\na OK List completed"),
        ("a list \"\" sent", "a OK List completed"),
        ("a list \"\" Sent", "* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\na OK List completed"),
        ("a list", "a BAD Error in IMAP command LIST: Invalid reference"),
        ("a delete INBOX", "a NO INBOX can't be deleted"),
        ("a rename p q", "a NO [NONEXISTENT] Mailbox doesn't exist: p"),
        ("a subscribe p", "a NO Mailbox doesn't exist: p"),
        ("a select nope", "a NO Mailbox doesn't exist: nope"),
        ("a enable condstore", "* ENABLED CONDSTORE\r\na OK Enabled"),
        ("a foo", "a BAD Error in IMAP command FOO: Unknown command"),
        ("a", "a BAD Error in IMAP command: Invalid command name"),
        ("a uid", "a BAD Error in IMAP command: Invalid command name"),
        ("a uid foo", "a BAD Error in IMAP command UID FOO: Unknown command"),
        ("", "* BAD Error in IMAP tag: Invalid tag"),
        ("a login x y", "a BAD Error in IMAP command LOGIN: Unknown command"),
        ("a append", "a BAD Error in IMAP command APPEND: Missing arguments"),
        ("a append nope {1+}\r\na", "a NO [TRYCREATE] Mailbox doesn't exist: nope"),
        ("a idle", "+ idling"),
        ("foo", "a BAD Expected DONE"),
        ("a logout x", "* BYE Logging out\r\na OK Logout completed"),
    ];
    plays(&mut c, &dialogue).await;
}

#[tokio::test]
async fn messages_are_read_changed_and_moved() {
    let mut c = inside().await;
    let selected = ask(&mut c, "a select INBOX", "a OK").await;
    assert!(
        selected.contains("\r\n* OK [UIDVALIDITY ")
            && selected.ends_with("a OK [READ-WRITE] Select completed")
    );
    let count: usize = selected.split("* ").nth(3).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(count > 10, "{selected}");
    let dialogue = [
        ("a fetch 99 flags", "a BAD Error in IMAP command FETCH: Invalid messageset"),
        ("a fetch 1:4000000000 uid", "a BAD Error in IMAP command FETCH: Invalid messageset"),
        ("a fetch 1", "a BAD Error in IMAP command FETCH: Invalid arguments"),
        ("a fetch (1 flags", "a BAD Error in IMAP command FETCH: Missing ')'"),
        ("a select \"INBOX", "a BAD Error in IMAP command SELECT: Missing '\"'"),
        ("a uid fetch 2 flags", "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\r\na OK Fetch completed"),
        ("a search subject maintenance", "* SEARCH 8\r\na OK Search completed"),
        ("a search charset x all", "a NO [BADCHARSET] Unknown charset"),
        ("a search return (min count) 1:3", "* ESEARCH (TAG \"a\") MIN 1 COUNT 3\r\na OK Search completed"),
        (
            "a store 1 +flags (\\Deleted junk)",
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft junk)\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft junk \\*)] Flags permitted.\r\n* 1 FETCH (FLAGS (\\Deleted \\Seen junk))\r\na OK Store completed",
        ),
        ("a store 1 foo x", "a BAD Error in IMAP command STORE: Invalid arguments"),
        ("a copy 1 nope", "a NO [TRYCREATE] Mailbox doesn't exist: nope"),
        ("a expunge", "* 1 EXPUNGE\r\na OK Expunge completed"),
        ("a uid fetch 1 flags", "a OK Fetch completed"),
        ("a thread references utf-8 1:2", "* THREAD (1)(2)\r\na OK Thread completed"),
        ("a close", "a OK Close completed"),
    ];
    // An unterminated string leaves the folder open.
    plays(&mut c, &dialogue).await;
    ask(&mut c, "a examine Drafts", "a OK").await;
    let draft = ask(&mut c, "a fetch 1 (body[header.fields (subject)])", "a OK").await;
    assert_eq!(
        draft,
        "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {30}\r\nSubject: list for the safe\r\n\r\n)\r\na OK Fetch completed"
    );
    assert_eq!(
        ask(&mut c, "a store 1 +flags \\Seen", "a ").await,
        "a OK Store ignored with read-only mailbox"
    );
    let appended = ask(&mut c, "a append Sent (\\Seen) {9+}\r\nX: y\r\n\r\nz", "a OK").await;
    assert!(
        appended.starts_with("a OK [APPENDUID ") && appended.ends_with(" 2] Append completed"),
        "{appended}"
    );
    let event = c.kept.events().into_iter().find(|e| e.action == "append" && e.kind == Kind::File).unwrap();
    assert_eq!(event.fields["file.size"], 9);
    ask(&mut c, "a select Sent", "a OK").await;
    let moved = ask(&mut c, "a move 2 Trash", "a OK").await;
    assert!(moved.contains(" 2 1] Moved UIDs.\r\n* 2 EXPUNGE\r\na OK Move completed"), "{moved}");
    // Another visitor finds everything as it was.
    let mut c = inside().await;
    assert!(ask(&mut c, "a status INBOX (messages)", "a OK").await.contains(&format!("(MESSAGES {count})")));
}

#[tokio::test]
async fn too_much_is_refused() {
    let mut c = inside().await;
    assert_eq!(
        ask(&mut c, "a append INBOX {9000000}", "a ").await,
        "a NO [OVERQUOTA] Quota exceeded (mailbox for user is full)"
    );
    let mut c = client(&Settings::new()).await;
    c.send(&[b'a'; 9000]).await;
    assert_eq!(c.until(b"\r\n").await, b"* BYE Input buffer full, aborting\r\n");
    let mut c = client(&Settings::new()).await;
    c.send(b"a login {99999}\r\n").await;
    assert_eq!(c.until(b"\r\n").await, b"* BYE Input buffer full, aborting\r\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever a client sends, in whatever pieces, nothing panics.
    #[test]
    fn any_bytes_are_survived(
        lines in prop::collection::vec(
            ("(select|fetch|uid fetch|store|search|sort|thread|append|list|status|copy|move|create|rename|idle|expunge|)", "[ -~]{0,40}"),
            0..16,
        ),
        junk in prop::collection::vec(any::<u8>(), 0..200),
        logged: bool,
        cut in 1usize..80,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut c = client(&Settings::new()).await;
            let mut text = if logged { b"a login root toor\r\na select INBOX\r\n".to_vec() } else { Vec::new() };
            for (verb, argument) in &lines {
                text.extend_from_slice(format!("a {verb} {argument}\r\n").as_bytes());
            }
            text.extend_from_slice(&junk);
            text.extend_from_slice(b"\r\na logout\r\n");
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
