//! VNC: the RFB protocol 3.3, 3.7 and 3.8 with VNC authentication (RFC 6143), and a picture of a login screen
//! behind an optional password.
//!
//! Keys and clicks are recorded; nothing on the screen ever moves, and no encoding that would have to be
//! decompressed is taken from a client.

mod desktop;
mod font;
mod product;
mod screen;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use des::Des;
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};

use self::product::Server;
use self::screen::Screen;
use super::buffered::Buffered;
use super::setting::text;
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Connections without a login after which an address waits, and how long at first.
const BLACKLIST: (u32, Duration) = (5, Duration::from_secs(10));
/// Most addresses whose attempts are counted.
const ADDRESSES_MAX: usize = 256;
/// Most of a greeting that is no version which is kept.
const WIDE: usize = 64;

/// Makes the VNC decoy. Settings: `server`, `password` (with it somebody gets in; without it every password
/// is wrong).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let server = Server::new(persona, settings);
    let windows = matches!(persona.nmap_os.as_str(), "windows" | "windows_server");
    Arc::new(Vnc {
        server,
        name: server.desktop(persona),
        screen: Screen::new(persona, windows),
        password: text(settings, "password").map(|p| p.as_bytes().to_vec()),
        marks: Mutex::default(),
    })
}

struct Vnc {
    server: Server,
    name: String,
    screen: Screen,
    password: Option<Vec<u8>>,
    marks: Mutex<BTreeMap<IpAddr, Mark>>,
}

/// Attempts of one address.
struct Mark {
    count: u32,
    until: Option<Instant>,
    wait: Duration,
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let program = match Server::new(persona, settings) {
        Server::X11vnc => "x11vnc",
        Server::Real => "realvnc",
        _ => "tigervnc",
    };
    Software::new(program, "")
}

impl Decoy for Vnc {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let source = session.source.ip();
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(Buffered::new(session), source).await;
        })
    }
}

/// A version of the protocol, as the client's answer sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V3,
    V7,
    V8,
}

/// The numbers of `RFB xxx.yyy\n`.
fn version(line: &[u8]) -> Option<(u16, u16)> {
    let line = line.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let (major, minor) = (line.get(..3)?, line.get(4..7)?);
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    (line.len() == 7 && line.get(3) == Some(&b'.')).then_some((number(major)?, number(minor)?))
}

/// A text with its length before it.
fn counted(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// What a client that knows `password` answers to `challenge`: DES, with the bits of each byte of the key
/// the wrong way round.
fn response(password: &[u8], challenge: &[u8; 16]) -> [u8; 16] {
    let mut key = [0u8; 8];
    for (place, byte) in key.iter_mut().zip(password) {
        *place = byte.reverse_bits();
    }
    let cipher = Des::new(&key.into());
    let mut out = [0u8; 16];
    for (from, to) in challenge.chunks_exact(8).zip(out.chunks_exact_mut(8)) {
        let mut block = [0u8; 8];
        block.copy_from_slice(from);
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        to.copy_from_slice(&block);
    }
    out
}

impl Vnc {
    /// Counts a connection; whether its address is shut out for now.
    fn shut_out(&self, source: IpAddr, now: Instant) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if !marks.contains_key(&source) && marks.len() >= ADDRESSES_MAX {
            marks.clear();
        }
        let mark = marks.entry(source).or_insert(Mark { count: 1, until: None, wait: BLACKLIST.1 });
        if mark.count < BLACKLIST.0 {
            mark.count += 1;
            return false;
        }
        if mark.until.is_some_and(|until| now < until) {
            return true;
        }
        mark.until = now.checked_add(mark.wait);
        mark.wait = mark.wait.saturating_mul(2);
        false
    }

    fn forgive(&self, source: IpAddr) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).remove(&source);
    }

    async fn talk(&self, mut wire: Buffered, source: IpAddr) -> io::Result<()> {
        if self.server.blacklists() && self.shut_out(source, Instant::now()) {
            wire.session.record.event(Kind::Connection, "shut_out").outcome(false).emit();
            let mut out = b"RFB 003.003\n\0\0\0\0".to_vec();
            out.extend_from_slice(&counted("Too many security failures"));
            return wire.write(&out).await;
        }
        wire.write(self.server.greeting()).await?;
        let Some(line) = wire.exact(12).await? else { return Ok(()) };
        let Some((major, minor)) = version(&line) else {
            let shown = line.get(..line.len().min(WIDE)).unwrap_or_default();
            wire.session.record.event(Kind::Error, "protocol").bytes("vnc.client_version", shown).emit();
            return Ok(());
        };
        let said = String::from_utf8_lossy(&line);
        wire.session.record.event(Kind::Connection, "version").text("vnc.client_version", said.trim()).emit();
        let version = match (major, minor) {
            (3, 7) => Version::V7,
            (3, 8..) => Version::V8,
            (3, _) => Version::V3,
            (4 | 5, _) if self.server == Server::Real => Version::V8,
            _ => {
                let Some(text) = self.server.misfit(major, minor) else { return Ok(()) };
                return wire.write(&[&[0; 4][..], &counted(&text)].concat()).await;
            }
        };
        if !self.choose(&mut wire, version).await? {
            return Ok(());
        }
        self.authenticate(&mut wire, version, source).await
    }

    /// The security type; false when the client took none of ours.
    async fn choose(&self, wire: &mut Buffered, version: Version) -> io::Result<bool> {
        if version == Version::V3 {
            wire.write(&2u32.to_be_bytes()).await?;
            return Ok(true);
        }
        let types = self.server.types();
        let count = u8::try_from(types.len()).unwrap_or(0);
        wire.write(&[&[count][..], types].concat()).await?;
        let Some(chosen) = wire.byte().await? else { return Ok(false) };
        wire.session.record.event(Kind::Request, "security_type").field("vnc.security_type", chosen).emit();
        if chosen == 2 {
            return Ok(true);
        }
        if chosen != 16 || !types.contains(&16) {
            return Ok(false);
        }
        // Tight: no tunnels; one way to authenticate, the same one.
        let mut out = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        out.extend_from_slice(b"STDVVNCAUTH_");
        wire.write(&out).await?;
        Ok(wire.exact(4).await?.is_some_and(|code| code == [0, 0, 0, 2]))
    }

    async fn authenticate(&self, wire: &mut Buffered, version: Version, source: IpAddr) -> io::Result<()> {
        let mut challenge = [0u8; 16];
        if getrandom::fill(&mut challenge).is_err() {
            return Ok(());
        }
        wire.write(&challenge).await?;
        let Some(answer) = wire.exact(16).await? else { return Ok(()) };
        let ok = self.password.as_ref().is_some_and(|p| response(p, &challenge)[..] == answer[..]);
        wire.session
            .record
            .event(Kind::Login, "vnc")
            .outcome(ok)
            .secret(hex::encode(&answer).as_bytes(), SecretKind::VncDes)
            .field("vnc.challenge", hex::encode(challenge))
            .field("vnc.response", hex::encode(&answer))
            .emit();
        if !ok {
            let mut out = vec![0, 0, 0, 1];
            if version == Version::V8 {
                out.extend_from_slice(&counted(self.server.failure()));
            }
            return wire.write(&out).await;
        }
        self.forgive(source);
        wire.write(&[0; 4]).await?;
        desktop::show(wire, &self.screen, &self.name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use proptest::prelude::*;

    fn settings(list: &[(&str, &str)]) -> Settings {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
    }

    #[test]
    fn responses_are_those_of_real_clients() {
        let challenge = *b"0123456789abcdef";
        assert_ne!(response(b"secret1", &challenge), response(b"secret2", &challenge));
        assert_eq!(response(b"12345678", &challenge), response(b"12345678tail", &challenge));
        // DES of a block of zeros under a key of zeros.
        assert_eq!(hex::encode(&response(b"", &[0; 16])[..8]), "8ca64de9c1b123a7");
    }

    #[tokio::test]
    async fn wrong_passwords_are_refused_as_tigervnc_does() {
        let mut client =
            testing::connect(build, &testing::persona(&["vnc"]), &settings(&[("server", "tigervnc")]));
        assert_eq!(client.until(b"\n").await, b"RFB 003.008\n");
        client.send(b"RFB 003.008\n").await;
        assert_eq!(client.until(b"\x01\x02").await, b"\x01\x02");
        client.send(b"\x02").await;
        let mut challenge = Vec::new();
        while challenge.len() < 16 {
            let mut byte = [0u8; 1];
            tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut byte).await.unwrap();
            challenge.push(byte[0]);
        }
        client.send(&[7; 16]).await;
        assert_eq!(client.until(b"failure").await, b"\0\0\0\x01\0\0\0\x16Authentication failure");
        let login = client.kept.events().into_iter().find(|e| e.kind == Kind::Login).unwrap();
        assert_eq!(login.secret.unwrap().0, "07".repeat(16).into_bytes());
        assert_eq!(login.fields["vnc.challenge"], hex::encode(challenge));
    }

    #[tokio::test]
    async fn the_sixth_connection_in_a_row_waits() {
        let decoy = build(&testing::persona(&["vnc"]), &settings(&[("server", "tigervnc")]));
        for _ in 0..5 {
            assert_eq!(testing::serve(decoy.clone()).until(b"\n").await, b"RFB 003.008\n");
        }
        let mut client = testing::serve(decoy);
        assert_eq!(client.until(b"zz").await, b"RFB 003.003\n\0\0\0\0\0\0\0\x1aToo many security failures");
    }

    #[tokio::test]
    async fn the_password_shows_a_screen() {
        let settings = settings(&[("password", "secret1"), ("server", "x11vnc")]);
        let mut client = testing::connect(build, &testing::persona(&["vnc"]), &settings);
        client.until(b"\n").await;
        client.send(b"RFB 003.003\n").await;
        assert_eq!(client.until(b"\0\0\0\x02").await, b"\0\0\0\x02");
        let mut challenge = [0u8; 16];
        tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut challenge).await.unwrap();
        client.send(&response(b"secret1", &challenge)).await;
        assert_eq!(client.until(b"\0\0\0\0").await, b"\0\0\0\0");
        client.send(b"\x01").await;
        let init = client.until(b"files02:0").await;
        assert_eq!(&init[..4], &[4, 0, 3, 0]);
        // Hextile is asked for, and then the screen; Return is pressed.
        client.send(&[2, 0, 0, 1, 0, 0, 0, 5, 3, 0, 0, 0, 0, 0, 0, 16, 0, 16]).await;
        let update = client.until(&[2]).await;
        assert_eq!(&update[..17], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 5, 2]);
        client.send(b"\x04\x01\0\0\0\0\0a\x04\x01\0\0\0\0\xff\x0d").await;
        drop(client.stream);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let events = client.kept.events();
        let typed = events.iter().find(|e| e.action == "keys").unwrap();
        assert_eq!(typed.fields["vnc.keys"], "a<Return>");
    }

    #[test]
    fn versions_are_read_strictly() {
        assert_eq!(version(b"RFB 003.889\n"), Some((3, 889)));
        for bad in [&b"RFB 003.00x\n"[..], b"GET / HTTP/1", b"RFB 003-008\n", b"RFB +03.008\n "] {
            assert_eq!(version(bad), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_bytes_are_survived(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8), inside: bool) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let settings = settings(&[("password", "p"), ("server", "tightvnc")]);
                let mut client = testing::connect(build, &testing::persona(&["vnc"]), &settings);
                if inside {
                    client.send(b"RFB 003.003\n").await;
                    client.until(b"\0\0\0\x02").await;
                    let mut challenge = [0u8; 16];
                    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut challenge).await.unwrap();
                    client.send(&response(b"p", &challenge)).await;
                    client.send(b"\x01").await;
                }
                for chunk in &chunks {
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, chunk).await;
                    tokio::task::yield_now().await;
                }
                assert!(client.kept.events().iter().all(|e| e.action != "panic"));
            });
        }
    }
}
