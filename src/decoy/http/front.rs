//! Who gets a connection: TLS or clear text, HTTP/1 or HTTP/2.

use super::engine::{self, Web};
use super::h2;
use crate::decoy::Session;
use crate::decoy::tls::Tls;

/// A port that speaks TLS; clear text gets what the server says to that.
pub(in crate::decoy) async fn secure<W: Web + ?Sized>(web: &W, tls: &Tls, http2: bool, mut session: Session) {
    let Ok(start) = Tls::begins(&mut session).await else { return };
    match start.first() {
        None => {}
        // A handshake record, or the greeting of SSL 2.
        Some(first) if *first == 0x16 || first & 0x80 != 0 => {
            let Ok((session, agreed)) = tls.accept_after(session, start).await else { return };
            if http2 && agreed.as_deref() == Some(b"h2") {
                h2::talk(web, session, Vec::new(), true).await;
            } else {
                engine::talk(web, session, Vec::new(), true).await;
            }
        }
        Some(_) => engine::misdirected(web, session, start).await,
    }
}

/// A port that speaks clear text, and HTTP/2 to those who know that it does.
pub(in crate::decoy) async fn clear<W: Web + ?Sized>(web: &W, http2: bool, mut session: Session) {
    let mut start = Vec::new();
    while http2 && start.len() < h2::PREFACE.len() && h2::PREFACE.starts_with(&start) {
        let mut chunk = [0u8; 64];
        match session.read(&mut chunk).await {
            Ok(got) if got > 0 => start.extend_from_slice(&chunk[..got]),
            _ => break,
        }
    }
    if start.starts_with(h2::PREFACE) {
        h2::talk(web, session, start, false).await;
    } else {
        engine::talk(web, session, start, false).await;
    }
}
