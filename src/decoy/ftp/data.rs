//! Data connections. They only ever come in, to a spare socket reserved for this session.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::control::{Control, Next};
use super::product::Product;
use super::replies::Say;
use crate::decoy::upload::Upload;

/// How long a client may take to come.
const ACCEPT: Duration = Duration::from_secs(20);
/// Longest silence of a transfer.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest transfer.
const TRANSFER: Duration = Duration::from_secs(300);
/// Most bytes of one upload that are hashed.
const HASHED_MAX: u64 = 32 << 20;
/// Most bytes of one upload that are kept while its session lasts.
pub(super) const UPLOAD_MAX: usize = 1 << 20;
/// Connections of others looked at while waiting for the client's.
const STRANGERS_MAX: usize = 32;

/// What came up.
pub(super) struct Received {
    /// What it was.
    pub(super) came: Upload,
    /// The first [`UPLOAD_MAX`] bytes of it.
    pub(super) bytes: Vec<u8>,
    /// The client had more than [`UPLOAD_MAX`], or broke off.
    pub(super) cut: bool,
}

impl Control<'_> {
    /// Reserves a spare socket and says where it is.
    pub(super) async fn passive(&mut self, verb: &str, arg: &str) -> Next {
        if verb == "PASV" && self.extended_only {
            return self.say(Say::PassiveAfterAll).await;
        }
        if verb == "EPSV" {
            match arg.trim().to_ascii_uppercase().as_str() {
                "" | "1" => {}
                "ALL" => {
                    self.extended_only = true;
                    return self.say(Say::ExtendedAll).await;
                }
                _ => return self.say(Say::BadProtocol).await,
            }
        }
        (self.active, self.passive) = (None, None);
        let pool = self.pool;
        for spare in &pool.listeners {
            if let Ok(listener) = spare.try_lock() {
                // Whoever knocked while it was free is not this client.
                for _ in 0..STRANGERS_MAX {
                    if tokio::time::timeout(Duration::ZERO, listener.accept()).await.is_err() {
                        break;
                    }
                }
                self.passive = Some(listener);
                break;
            }
        }
        let port = self.passive.as_ref().and_then(|l| l.local_addr().ok()).map(|a| a.port());
        match (port, self.ours(), verb) {
            (None, ..) => {
                self.passive = None;
                self.say(Say::NoPassive).await
            }
            (Some(port), _, "EPSV") => self.say(Say::Extended(port)).await,
            (Some(port), IpAddr::V4(ip), _) => {
                let [a, b, c, d] = ip.octets();
                let end = if self.product == Product::Pureftpd { "" } else { "." };
                self.raw(&format!(
                    "227 Entering Passive Mode ({a},{b},{c},{d},{},{}){end}\r\n",
                    port >> 8,
                    port & 255
                ))
                .await
            }
            (Some(_), IpAddr::V6(_), _) => {
                self.passive = None;
                self.say(Say::NoPassive).await
            }
        }
    }

    /// Takes an address to connect to, which will never happen.
    pub(super) async fn active(&mut self, verb: &str, arg: &str) -> Next {
        (self.active, self.passive) = (None, None);
        let parsed = if verb == "EPRT" { extended(arg) } else { plain(arg) };
        let only = self.session.source.ip().to_canonical();
        let Some((to, port)) = parsed else { return self.say(Say::BadActive(verb)).await };
        let (shown, own) = (to.to_string(), only.to_string());
        if to != only {
            return self.say(Say::NoActive(verb, &shown, &own)).await;
        }
        if port < 1024 {
            return self.say(Say::NoActive(verb, "", &own)).await;
        }
        self.active = Some(port);
        self.say(Say::Active(verb)).await
    }

    /// Says that a transfer begins and waits for the client's connection; says why there is none.
    pub(super) async fn open(&mut self, start: Say<'_>) -> Option<TcpStream> {
        if let Some(port) = self.active.take() {
            self.say(Say::NoConnection(port)).await;
            return None;
        }
        let Some(listener) = self.passive.take() else {
            self.say(Say::NoData).await;
            return None;
        };
        let source = self.session.source.ip().to_canonical();
        let wait = async {
            for _ in 0..STRANGERS_MAX {
                if let Ok((stream, peer)) = listener.accept().await
                    && peer.ip().to_canonical() == source
                {
                    return Some(stream);
                }
            }
            None
        };
        let stream = tokio::time::timeout(ACCEPT, wait).await.ok().flatten();
        drop(listener);
        if stream.is_none() {
            self.say(Say::NoConnection(0)).await;
            return None;
        }
        self.say(start).await;
        stream
    }
}

/// Sends all of it; false when the client would not take it.
pub(super) async fn send(mut stream: TcpStream, bytes: &[u8]) -> bool {
    let work = async {
        for part in bytes.chunks(16 * 1024) {
            let sent = tokio::time::timeout(SILENCE, stream.write_all(part)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
        stream.shutdown().await.is_ok()
    };
    tokio::time::timeout(TRANSFER, work).await.unwrap_or(false)
}

/// Reads until the client ends it or a limit is reached.
pub(super) async fn receive(mut stream: TcpStream) -> Received {
    let (mut came, mut bytes) = (Upload::new(), Vec::new());
    let mut ended = false;
    let work = async {
        let mut chunk = [0u8; 8192];
        while came.size() < HASHED_MAX {
            match tokio::time::timeout(SILENCE, stream.read(&mut chunk)).await {
                Ok(Ok(0)) => {
                    ended = true;
                    return;
                }
                Ok(Ok(got)) => {
                    let chunk = chunk.get(..got).unwrap_or_default();
                    came.take(chunk);
                    let room = UPLOAD_MAX.saturating_sub(bytes.len()).min(got);
                    bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
                }
                _ => return,
            }
        }
    };
    let in_time = tokio::time::timeout(TRANSFER, work).await.is_ok();
    let cut = !in_time || !ended || came.size() > bytes.len() as u64;
    Received { came, bytes, cut }
}

/// `h1,h2,h3,h4,p1,p2`
fn plain(arg: &str) -> Option<(IpAddr, u16)> {
    let mut numbers = [0u8; 6];
    let mut parts = arg.trim().split(',');
    for number in &mut numbers {
        *number = parts.next()?.trim().parse().ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    parts.next().is_none().then(|| (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low])))
}

/// `|1|address|port|` (RFC 2428 §2)
fn extended(arg: &str) -> Option<(IpAddr, u16)> {
    let arg = arg.trim();
    let mark = arg.chars().next()?;
    let mut parts = arg.split(mark).skip(2);
    let address = parts.next()?.parse().ok()?;
    Some((address, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(plain("127,0,0,1,200,1"), Some((local, 51_201)));
        assert_eq!(extended("|1|127.0.0.1|51201|"), Some((local, 51_201)));
        for bad in ["", "x", "1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,1,1", "1,2,3,4,5,-6"] {
            assert_eq!(plain(bad), None, "{bad}");
        }
        for bad in ["", "|", "|1|", "|1|x|1|", "|1|127.0.0.1|99999|"] {
            assert_eq!(extended(bad), None, "{bad}");
        }
    }
}
