//! Redis: RESP2, RESP3 and inline commands over a small shared keyspace.
//!
//! Texts and orders were taken from a genuine Redis 7.0.15; older and newer releases differ where
//! their sources do. Nothing is written, loaded, dialled or run: SLAVEOF, MODULE LOAD, CONFIG SET and
//! SAVE are recorded and answered so that what an attacker came for can be seen to its end.

mod admin;
mod bait;
mod config;
mod data;
mod info;
mod keyspace;
mod profile;
mod proto;
mod script;
mod server;
mod table;
mod users;

use std::io;
use std::sync::Arc;

use serde_json::Value;

use self::proto::{Parsed, Parser};
use self::server::{Answer, Conn, Server};
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::{FIELD_MAX, Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Replies of a pipeline are sent together up to this many bytes.
const BATCH: usize = 64 * 1024;
/// Arguments an event lists, and most bytes of each.
const SHOWN: (usize, usize) = (16, 256);

/// Makes the Redis decoy. Settings: `version`, `os_string`, `password` (as `requirepass`).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Redis(Server::new(persona, settings)))
}

struct Redis(Server);

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let profile = profile::Profile::new(persona, settings);
    match profile.valkey {
        Some(version) => Software::new("valkey", version),
        None => Software::new("redis", &profile.version),
    }
}

impl Decoy for Redis {
    fn serve(self: Arc<Self>, mut session: Session) -> Served {
        Box::pin(async move {
            let mut conn = self.0.open(session.source, session.destination);
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(&mut session, &mut conn).await;
            self.0.closed(&conn);
        })
    }
}

impl Redis {
    async fn talk(&self, session: &mut Session, conn: &mut Conn) -> io::Result<()> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        let mut chunk = [0u8; 4096];
        loop {
            match parser.next(conn.authed) {
                Parsed::More => {
                    if !out.is_empty() {
                        session.write(&std::mem::take(&mut out)).await?;
                    }
                    let got = session.read(&mut chunk).await?;
                    if got == 0 {
                        return Ok(());
                    }
                    parser.feed(chunk.get(..got).unwrap_or_default());
                }
                Parsed::Request(args, inline) => {
                    let answer = self.0.answer(conn, &args);
                    record(session, &args, inline, &answer);
                    if answer.drop {
                        return Ok(());
                    }
                    out.extend_from_slice(&answer.bytes);
                    if answer.close || out.len() >= BATCH {
                        session.write(&std::mem::take(&mut out)).await?;
                    }
                    if answer.close {
                        return Ok(());
                    }
                }
                Parsed::Broken(text) => {
                    session.record.error("protocol", &text);
                    out.extend_from_slice(format!("-ERR Protocol error: {text}\r\n").as_bytes());
                    return session.write(&out).await;
                }
                Parsed::TooMuch => {
                    session.record.error("limit", "request larger than this decoy takes in");
                    return Ok(());
                }
            }
        }
    }
}

fn record(session: &Session, args: &[Vec<u8>], inline: bool, answer: &Answer) {
    if let Some((user, password, ok)) = &answer.login {
        session.record.login("auth", user, Some((password, SecretKind::Plaintext)), *ok);
    }
    let name = server::lower(args.first());
    if name == "auth" && answer.login.is_some() {
        return;
    }
    // A name that is no word stays out of the action; the whole of it is in the command line.
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':'));
    let action = if plain && !name.is_empty() && name.len() <= 32 { name.as_str() } else { "unknown" };
    let mut line = Vec::new();
    for arg in args {
        if line.len() >= FIELD_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(arg.get(..arg.len().min(FIELD_MAX)).unwrap_or_default());
    }
    let shown = args.iter().skip(1).take(SHOWN.0).map(|arg| {
        let cut = arg.get(..arg.len().min(SHOWN.1)).unwrap_or_default();
        Value::String(String::from_utf8_lossy(cut).into_owned())
    });
    let mut draft = session
        .record
        .event(Kind::Command, action)
        .outcome(!answer.failed && !answer.drop)
        .bytes("process.command_line", &line)
        .field("redis.args", shown.collect::<Vec<_>>());
    if args.len() > SHOWN.0 {
        draft = draft.field("redis.args_count", args.len() - 1);
    }
    if inline {
        draft = draft.field("redis.inline", true);
    }
    draft.emit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::{self, Client};
    use proptest::prelude::*;

    fn client(settings: &[(&str, &str)]) -> Client {
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        testing::connect(build, &testing::persona(&["redis"]), &settings)
    }

    async fn ask(client: &mut Client, request: &str, end: &str) -> String {
        client.send(request.as_bytes()).await;
        String::from_utf8_lossy(&client.until(end.as_bytes()).await).into_owned()
    }

    #[tokio::test]
    async fn errors_are_byte_true() {
        let mut c = client(&[]);
        for (request, want) in [
            ("PING\r\n", "+PONG\r\n"),
            ("foo bar baz\r\n", "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' \r\n"),
            ("*1\r\n$3\r\nfoo\r\n", "-ERR unknown command 'foo', with args beginning with: \r\n"),
            ("get\r\n", "-ERR wrong number of arguments for 'get' command\r\n"),
            ("CONFIG GET\r\n", "-ERR wrong number of arguments for 'config|get' command\r\n"),
            ("CLIENT foo\r\n", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"),
            ("AUTH a b\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
            ("HELLO 4\r\n", "-NOPROTO unsupported protocol version\r\n"),
            ("SELECT 99\r\n", "-ERR DB index is out of range\r\n"),
            (
                "MODULE LOAD /tmp/e.so\r\n",
                "-ERR Error loading the extension. Please check the server logs.\r\n",
            ),
            (
                "OPTIONS / HTTP/1.0\r\n",
                "-ERR unknown command 'OPTIONS', with args beginning with: '/' 'HTTP/1.0' \r\n",
            ),
            ("MULTI\r\n", "+OK\r\n"),
            ("bar\r\n", "-ERR unknown command 'bar', with args beginning with: \r\n"),
            ("EXEC\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n"),
            ("*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ] {
            assert_eq!(ask(&mut c, request, "\r\n").await, want, "{request}");
        }
        assert_eq!(c.until(b"x").await, b"");
    }

    #[tokio::test]
    async fn http_is_dropped_without_a_word() {
        let mut c = client(&[]);
        assert_eq!(ask(&mut c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\n").await, "");
        let events = c.kept.events();
        let actions: Vec<_> = events.iter().map(|e| e.action.as_str()).collect();
        assert_eq!(actions, ["get", "host:"]);
    }

    #[tokio::test]
    async fn a_password_is_asked_for_and_recorded() {
        let mut c = client(&[("password", "hunter2")]);
        assert_eq!(ask(&mut c, "INFO\r\n", "\r\n").await, "-NOAUTH Authentication required.\r\n");
        assert!(ask(&mut c, "AUTH root\r\n", "\r\n").await.starts_with("-WRONGPASS"));
        assert_eq!(
            ask(&mut c, "*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$7\r\nhunter2\r\n", "\r\n").await,
            "+OK\r\n"
        );
        assert_eq!(ask(&mut c, "PING\r\n", "\r\n").await, "+PONG\r\n");
        let logins: Vec<_> = c.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
        assert_eq!(logins.len(), 2);
        assert_eq!(logins[0].secret.as_ref().unwrap().0, b"root");
        assert_eq!(logins[1].outcome.as_deref(), Some("success"));
        assert_eq!(logins[1].user.as_ref().unwrap().0, b"default");
    }

    #[tokio::test]
    async fn connections_share_one_keyspace() {
        let decoy = build(&testing::persona(&["redis"]), &Settings::new());
        let mut one = testing::serve(decoy.clone());
        let mut two = testing::serve(decoy);
        assert_eq!(ask(&mut one, "SET x \"\\n* * * * * id\\n\"\r\n", "\r\n").await, "+OK\r\n");
        assert_eq!(ask(&mut two, "GET x\r\n", "\n\r\n").await, "$14\r\n\n* * * * * id\n\r\n");
        assert_eq!(ask(&mut two, "SLAVEOF 203.0.113.9 6379\r\n", "\r\n").await, "+OK\r\n");
        assert!(ask(&mut one, "SET x 1\r\n", "\r\n").await.starts_with("-READONLY You can't write"));
        assert!(
            ask(&mut one, "INFO replication\r\n", "histlen:0\r\n\r\n")
                .await
                .contains("master_host:203.0.113.9\r\n")
        );
        let event = one.kept.events().remove(0);
        assert_eq!((event.kind, event.action.as_str()), (Kind::Command, "set"));
        assert_eq!(event.fields["redis.args"][0], "x");
    }

    #[tokio::test]
    async fn subscribers_and_resp3() {
        let mut c = client(&[]);
        let got = ask(&mut c, "SUBSCRIBE a\r\nGET x\r\nPING\r\nUNSUBSCRIBE\r\n", ":0\r\n").await;
        assert_eq!(
            got,
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n-ERR Can't execute 'get': only (P|S)SUBSCRIBE / \
             (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n*3\r\n\
             $11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"
        );
        let hello = ask(&mut c, "HELLO 3\r\n", "modules\r\n*0\r\n").await;
        assert!(hello.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"));
        assert_eq!(ask(&mut c, "GET nokey\r\n", "\r\n").await, "_\r\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_arguments_are_answered(
            name in "[a-z]{1,9}|config|client|acl|command|eval|set|zadd|lrange|scan|expire|hello|info|object|script|subscribe|exec|multi|memory|slaveof|getrange|lpop",
            args in proptest::collection::vec("[a-z0-9*-]{0,6}|get|set|list|info|setuser|usage|load|ex|[0-9]{18,20}|-1|0", 0..6),
        ) {
            let server = Server::new(&testing::persona(&["redis"]), &Settings::new());
            let address = ([127, 0, 0, 1], 1).into();
            let mut conn = server.open(address, address);
            let mut request = vec![name.into_bytes()];
            request.extend(args.into_iter().map(String::into_bytes));
            for _ in 0..2 {
                let answer = server.answer(&mut conn, &request);
                prop_assert!(answer.drop || answer.bytes.ends_with(b"\r\n") || answer.bytes.ends_with(&[0; 8]));
            }
        }
    }
}
