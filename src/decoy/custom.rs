//! A service of the operator's own: the conversation that the fleet file gives it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::datagram::{Answers, Packet};
use super::session::Recorder;
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session};
use crate::event::{Kind, SecretKind};
use crate::model::{Conversation, CustomService, Heard, Part, Persona, Reply};

/// Longest message; what is longer counts as several.
const MESSAGE_MAX: usize = 4096;
/// Most bytes of one reply.
const REPLY_MAX: usize = 128 * 1024;

/// Makes the decoy of a custom service.
pub fn build(persona: &Persona, service: &CustomService) -> Arc<dyn Decoy> {
    let label = format!("custom/{}", service.slug);
    let address = persona.ip.to_string().into_bytes();
    Arc::new(Custom {
        // The text was checked when the file was read.
        conversation: Conversation::of(service).unwrap_or_default(),
        close: service.talk.close,
        silent: service.talk.answers.is_empty() && service.talk.default.is_empty(),
        timeout: service.talk.timeout.map(|secs| Duration::from_secs(secs.into())),
        tls: service.talk.tls.then(|| Tls::derived(persona, &label, Subject::host(persona))),
        machine: [("hostname", persona.hostname.clone().into_bytes()), ("address", address)],
    })
}

struct Custom {
    conversation: Conversation,
    close: bool,
    /// Whether there is nothing to say but the banner.
    silent: bool,
    timeout: Option<Duration>,
    tls: Option<Tls>,
    machine: [(&'static str, Vec<u8>); 2],
}

/// How far one client is.
#[derive(Default)]
struct Client {
    state: String,
    kept: BTreeMap<String, Vec<u8>>,
}

/// One message of a client.
#[derive(Clone, Copy)]
enum Message<'m> {
    Line(&'m [u8]),
    Bytes(&'m [u8]),
}

impl Decoy for Custom {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let session = match &self.tls {
                Some(tls) => match tls.accept(session).await {
                    Ok((session, _)) => session,
                    Err(_) => return,
                },
                None => session,
            };
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(session).await;
        })
    }

    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let mut client = Client::default();
        let line = packet.bytes.strip_suffix(b"\n").unwrap_or(packet.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let bytes = self.conversation.bytes("", packet.bytes).is_some();
        let message = if bytes { Message::Bytes(packet.bytes) } else { Message::Line(line) };
        let (out, _) = self.hear(&mut client, message, packet.record);
        if !out.is_empty() {
            // Without room there is no shorter form of what the operator wrote.
            answers.send(out);
        }
    }
}

impl Custom {
    async fn talk(&self, mut session: Session) -> io::Result<()> {
        session.idle = session.idle.min(self.timeout.unwrap_or(session.idle));
        let mut client = Client::default();
        let banner = &self.conversation.banner;
        let said = self.say(&mut client, banner);
        if !said.is_empty() {
            session.write(&said).await?;
            if banner.close || (self.close && self.silent) {
                return Ok(());
            }
        }
        let mut pending = Vec::new();
        loop {
            let (taken, bytes) = match self.whole(&client, &pending) {
                Some(found) => found,
                None => {
                    let mut chunk = [0u8; 2048];
                    let got = session.read(&mut chunk).await?;
                    if got == 0 {
                        // What has no end yet is heard as well, though nobody is there for the answer.
                        if !pending.is_empty() {
                            self.hear(&mut client, Message::Line(&pending), &session.record);
                        }
                        return Ok(());
                    }
                    pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
                    continue;
                }
            };
            let message: Vec<u8> = pending.drain(..taken).collect();
            let line = message.strip_suffix(b"\n").unwrap_or(&message);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let message = if bytes { Message::Bytes(&message) } else { Message::Line(line) };
            let (out, close) = self.hear(&mut client, message, &session.record);
            if !out.is_empty() {
                session.write(&out).await?;
            }
            if close || (self.close && !out.is_empty()) {
                return Ok(());
            }
        }
    }

    /// The length of the message that `pending` begins with, and whether it is one of bytes; none while more
    /// has to come.
    fn whole(&self, client: &Client, pending: &[u8]) -> Option<(usize, bool)> {
        if pending.is_empty() {
            return None;
        }
        let most = pending.len().min(MESSAGE_MAX);
        if self.conversation.bytes(&client.state, pending).is_some() {
            return Some((most, true));
        }
        if self.conversation.awaits(&client.state, pending) {
            return None;
        }
        if !self.conversation.by_lines(&client.state) {
            return Some((most, true));
        }
        let end = pending.get(..most)?.iter().position(|b| *b == b'\n');
        match end {
            Some(at) => Some((at.saturating_add(1), false)),
            None => (pending.len() >= MESSAGE_MAX).then_some((most, false)),
        }
    }

    /// Records a message, and says what is said to it and whether that is the end.
    fn hear(&self, client: &mut Client, message: Message<'_>, record: &Recorder) -> (Vec<u8>, bool) {
        let (heard, bytes, action) = match message {
            Message::Line(line) => (self.conversation.line(&client.state, line), line, "line"),
            Message::Bytes(bytes) => (self.conversation.bytes(&client.state, bytes), bytes, "bytes"),
        };
        let draft = record.event(Kind::Request, action).bytes("event.original", bytes);
        let draft = match &heard {
            Some(heard) => draft.field("custom.answer", heard.rule),
            None => draft,
        };
        draft.emit();
        let reply = match heard {
            Some(heard) => {
                keep(client, &heard, record);
                heard.reply
            }
            None => &self.conversation.default,
        };
        let out = self.say(client, reply);
        (out, reply.close)
    }

    fn say(&self, client: &mut Client, reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &reply.parts {
            let piece = match part {
                Part::Text(text) => Some(text),
                Part::Kept(name) => client
                    .kept
                    .get(name)
                    .or_else(|| self.machine.iter().find(|(known, _)| known == name).map(|(_, value)| value)),
            };
            let piece = piece.map(Vec::as_slice).unwrap_or_default();
            if out.len().saturating_add(piece.len()) > REPLY_MAX {
                break;
            }
            out.extend_from_slice(piece);
        }
        if let Some(state) = &reply.go {
            client.state.clone_from(state);
        }
        out
    }
}

/// Keeps what a message told; a secret makes it a login.
fn keep(client: &mut Client, heard: &Heard<'_>, record: &Recorder) {
    for (name, value) in &heard.kept {
        client.kept.insert((*name).to_owned(), value.clone());
    }
    if let Some(secret) = heard.kept.get("secret") {
        let user = client.kept.get("user").map(Vec::as_slice).unwrap_or_default();
        record.login("custom", user, Some((secret, SecretKind::Plaintext)), heard.accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Talk;

    fn service(talk: Talk) -> Arc<dyn Decoy> {
        let service = CustomService { slug: "x".into(), ports: vec![1], talk, ..CustomService::default() };
        build(&testing::persona(&["x"]), &service)
    }

    fn talk(banner: &str, answers: &[&str]) -> Talk {
        Talk {
            banner: banner.into(),
            answers: answers.iter().map(|a| (*a).to_owned()).collect(),
            ..Talk::default()
        }
    }

    #[tokio::test]
    async fn a_login_dialogue_is_recorded() {
        let talk = talk(
            "{hostname} login: ",
            &[
                "@pass {secret=Winter} => \\r\\n{user}@{hostname}$ {go in}",
                "@pass {secret} => \\r\\nLogin incorrect\\r\\nlogin: {go}",
                "@in exit => bye\\r\\n{close}",
                "{user} => Password: {go pass}",
            ],
        );
        let mut client = testing::serve(service(talk));
        assert_eq!(client.until(b": ").await, b"files02 login: ");
        client.send(b"root\r\nletmein\n").await;
        assert_eq!(client.until(b"login: ").await, b"Password: \r\nLogin incorrect\r\nlogin: ");
        client.send(b"bob\nWinter\nexit\n").await;
        assert_eq!(client.until(b"never").await, b"Password: \r\nbob@files02$ bye\r\n");
        let logins: Vec<_> = client.kept.events().into_iter().filter(|e| e.kind == Kind::Login).collect();
        let told = |n: usize| {
            let login: &crate::event::Event = &logins[n];
            (login.user.clone().unwrap().0, login.secret.clone().unwrap().0, login.outcome.clone().unwrap())
        };
        assert_eq!(told(0), (b"root".to_vec(), b"letmein".to_vec(), "failure".to_owned()));
        assert_eq!(told(1), (b"bob".to_vec(), b"Winter".to_vec(), "success".to_owned()));
    }

    #[tokio::test]
    async fn bytes_are_waited_for_and_lines_cut() {
        let mut client = testing::serve(service(talk("", &["hex:00 01 ff => \\x00\\x02", "a* => ok"])));
        client.send(&[0, 1]).await;
        tokio::task::yield_now().await;
        client.send(&[0xff, 9]).await;
        assert_eq!(client.until(&[2]).await, [0, 2]);
        client.send(&[b'a'; MESSAGE_MAX + 1]).await;
        assert_eq!(client.until(b"ok").await, b"ok");
        let long = &client.kept.events()[1];
        assert_eq!(long.action, "line");
    }

    #[tokio::test]
    async fn one_answer_may_be_all() {
        let once = Talk { close: true, default: "no\\n".into(), ..talk("hi\\n", &[]) };
        let mut client = testing::serve(service(once));
        client.send(b"x\ny\n").await;
        assert_eq!(client.until(b"never").await, b"hi\nno\n");
        let mut client = testing::serve(service(Talk { close: true, ..talk("hi\\n", &[]) }));
        assert_eq!(client.until(b"never").await, b"hi\n");
    }

    #[test]
    fn datagrams_are_answered_where_there_is_room() {
        let decoy = service(talk("", &["ping => pong", "p => pong"]));
        assert_eq!(testing::ask(&*decoy, 9, b"ping\r\n", false).0[0].1, b"pong");
        assert!(testing::ask(&*decoy, 9, b"p", false).0.is_empty());
        assert_eq!(testing::ask(&*decoy, 9, b"p", true).0.len(), 1);
    }
}
