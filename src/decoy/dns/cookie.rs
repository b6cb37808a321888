//! DNS cookies (RFC 7873, 9018): who repeats one that was made for its address receives what is sent there.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::wire::Message;

/// Option code.
const COOKIE: u16 = 10;
/// How long one is good for, and how far ahead clocks may be, in seconds.
const AGE: (i64, i64) = (3600, 300);

/// Makes and checks cookies.
pub(super) struct Cookies([u8; 32]);

impl Cookies {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The client's part of the cookie of a message.
    pub(super) fn of(&self, message: &Message) -> Option<[u8; 8]> {
        message.edns.as_ref()?.option(COOKIE)?.get(..8)?.try_into().ok()
    }

    /// Whether there is one of a length that none has.
    pub(super) fn malformed(&self, message: &Message) -> bool {
        let data = message.edns.as_ref().and_then(|e| e.option(COOKIE));
        data.is_some_and(|d| d.len() != 8 && !(16..=40).contains(&d.len()))
    }

    /// The server's part for this client.
    pub(super) fn make(&self, client: &[u8; 8], source: IpAddr, now: i64) -> [u8; 16] {
        let time = u32::try_from(now).unwrap_or(0);
        self.seal(client, source, time)
    }

    /// Whether the message repeats a cookie that was made for its source.
    pub(super) fn proves(&self, message: &Message, source: IpAddr, now: i64) -> bool {
        let Some(data) = message.edns.as_ref().and_then(|e| e.option(COOKIE)) else { return false };
        let (Some(client), Some(server)) = (data.first_chunk::<8>(), data.get(8..)) else { return false };
        let Some([1, 0, 0, 0, time @ ..]) = server.first_chunk::<8>() else { return false };
        let time = u32::from_be_bytes(*time);
        let age = now.saturating_sub(i64::from(time));
        (-AGE.1..=AGE.0).contains(&age) && server == self.seal(client, source, time)
    }

    fn seal(&self, client: &[u8; 8], source: IpAddr, time: u32) -> [u8; 16] {
        let mut out = [0u8; 16];
        out[0] = 1;
        out[4..8].copy_from_slice(&time.to_be_bytes());
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(client);
        hash.update(&out[..8]);
        match source {
            IpAddr::V4(ip) => hash.update(ip.octets()),
            IpAddr::V6(ip) => hash.update(ip.octets()),
        }
        out[8..].copy_from_slice(&hash.finalize()[..8]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::dns::wire::Edns;

    fn message(cookie: &[u8]) -> Message {
        let edns = Edns { options: vec![(COOKIE, cookie.to_vec())], ..Edns::default() };
        Message { edns: Some(edns), ..Message::default() }
    }

    #[test]
    fn only_the_address_it_was_made_for_can_use_it_and_not_for_ever() {
        let cookies = Cookies::new([7; 32]);
        let (one, two) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let client = *b"12345678";
        let server = cookies.make(&client, one, 1_000_000);
        let whole = message(&[&client[..], &server].concat());
        assert!(cookies.proves(&whole, one, 1_000_100));
        assert!(!cookies.proves(&whole, two, 1_000_100), "another address");
        assert!(!cookies.proves(&whole, one, 1_010_000), "too old");
        assert!(!cookies.proves(&message(&client), one, 1_000_100));
        let mut bent = [&client[..], &server].concat();
        bent[20] ^= 1;
        assert!(!cookies.proves(&message(&bent), one, 1_000_100));
        assert!(cookies.malformed(&message(b"123")) && !cookies.malformed(&message(&client)));
    }
}
