//! The server's side of SCRAM (RFC 5802, RFC 7677), for the services that speak it.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::session::Draft;
use crate::event::SecretKind;

/// Longest message that is taken.
pub(crate) const MESSAGE_MAX: usize = 8 * 1024;

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    /// Bytes that it makes.
    pub(crate) fn length(self) -> usize {
        self.digest().output_len()
    }

    /// What its proofs are called in events.
    pub(crate) fn secret_kind(self) -> SecretKind {
        match self {
            Self::Sha1 => SecretKind::ScramSha1,
            Self::Sha256 => SecretKind::ScramSha256,
        }
    }

    fn mac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), text).as_ref().to_vec()
    }

    /// StoredKey and ServerKey of a password.
    pub(crate) fn keys(self, password: &[u8], salt: &[u8], iterations: u32) -> (Vec<u8>, Vec<u8>) {
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut salted = vec![0; self.length()];
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        let client = self.mac(&salted, b"Client Key");
        (digest::digest(self.digest(), &client).as_ref().to_vec(), self.mac(&salted, b"Server Key"))
    }
}

/// A client's first message: the header of channel binding, and the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// `n,,` or the like.
    pub(crate) header: Vec<u8>,
    /// What follows it.
    pub(crate) bare: Vec<u8>,
    /// The user, its escapes undone.
    pub(crate) user: Vec<u8>,
    /// The client's nonce.
    pub(crate) nonce: Vec<u8>,
}

/// Reads a client's first message; none when it is malformed.
pub(crate) fn first(message: &[u8]) -> Option<First> {
    let mut commas = message.iter().enumerate().filter(|(_, b)| **b == b',').map(|(at, _)| at);
    let at = commas.nth(1)?.checked_add(1)?;
    let (header, bare) = message.split_at_checked(at)?;
    let mut parts = bare.split(|b| *b == b',');
    let user = unescape(parts.next()?.strip_prefix(b"n=")?);
    let nonce = parts.next()?.strip_prefix(b"r=")?.to_vec();
    let fits = !nonce.is_empty() && nonce.iter().all(u8::is_ascii_graphic) && message.len() <= MESSAGE_MAX;
    fits.then(|| First { header: header.to_vec(), bare: bare.to_vec(), user, nonce })
}

fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, tail)) = rest.split_first() {
        let (byte, tail) = match (tail.strip_prefix(b"2C"), tail.strip_prefix(b"3D")) {
            (Some(tail), _) if *byte == b'=' => (b',', tail),
            (_, Some(tail)) if *byte == b'=' => (b'=', tail),
            _ => (*byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    out
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    first: First,
    server_nonce: String,
    server_first: String,
}

/// A client's last message, with all that proves something.
pub(crate) struct Final {
    proof: Vec<u8>,
    auth_message: Vec<u8>,
}

impl Exchange {
    /// Answers a first message; `nonce` is the server's part of the nonce.
    pub(crate) fn new(hash: Hash, first: First, salt: &[u8], iterations: u32, nonce: &str) -> Self {
        let shown = String::from_utf8_lossy(&first.nonce).into_owned();
        let server_first = format!("r={shown}{nonce},s={},i={iterations}", STANDARD.encode(salt));
        Self { hash, salt: salt.to_vec(), iterations, first, server_nonce: nonce.to_owned(), server_first }
    }

    /// The server's first message.
    pub(crate) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Which hash.
    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }

    /// The user of the first message.
    pub(crate) fn user(&self) -> &[u8] {
        &self.first.user
    }

    /// Reads the last message; none when it is malformed or of another exchange.
    pub(crate) fn last(&self, message: &[u8]) -> Option<Final> {
        let at = message.windows(3).rposition(|w| w == b",p=")?;
        let (bare, proof) = (message.get(..at)?, message.get(at + 3..)?);
        let mut parts = bare.split(|b| *b == b',');
        let binding = STANDARD.decode(parts.next()?.strip_prefix(b"c=")?).ok()?;
        let nonce = parts.next()?.strip_prefix(b"r=")?;
        let ours = [&self.first.nonce[..], self.server_nonce.as_bytes()].concat();
        if binding != self.first.header || nonce != ours {
            return None;
        }
        let proof = STANDARD.decode(proof).ok().filter(|p| p.len() == self.hash.length())?;
        let auth_message = [&self.first.bare[..], b",", self.server_first.as_bytes(), b",", bare].concat();
        Some(Final { proof, auth_message })
    }

    /// The server's signature, base64, when the proof is that of the password.
    pub(crate) fn verify(&self, last: &Final, password: &[u8]) -> Option<String> {
        let (stored, server) = self.hash.keys(password, &self.salt, self.iterations);
        let signature = self.hash.mac(&stored, &last.auth_message);
        let client: Vec<u8> = signature.iter().zip(&last.proof).map(|(a, b)| a ^ b).collect();
        let matches = digest::digest(self.hash.digest(), &client).as_ref() == stored;
        matches.then(|| STANDARD.encode(self.hash.mac(&server, &last.auth_message)))
    }

    /// Adds the proof and all that is needed to try passwords on it.
    pub(crate) fn record<'a>(&self, last: &Final, draft: Draft<'a>) -> Draft<'a> {
        let proof = STANDARD.encode(&last.proof);
        draft
            .secret(proof.as_bytes(), self.hash.secret_kind())
            .text("scram.salt", &STANDARD.encode(&self.salt))
            .field("scram.iterations", self.iterations)
            .text("scram.client_nonce", &String::from_utf8_lossy(&self.first.nonce))
            .text("scram.server_nonce", &self.server_nonce)
            .text("scram.auth_message", &String::from_utf8_lossy(&last.auth_message))
            .text("scram.client_proof", &proof)
    }
}

/// A random nonce of `length` bytes, base64; none when the system has no randomness.
pub(crate) fn nonce(length: usize) -> Option<String> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exchange(hash: Hash, bare: &str, salt: &str, nonce: &str) -> Exchange {
        let first = first(format!("n,,{bare}").as_bytes()).unwrap();
        Exchange::new(hash, first, &STANDARD.decode(salt).unwrap(), 4096, nonce)
    }

    /// The examples of RFC 5802 §5 and RFC 7677 §3.
    #[test]
    fn the_examples_of_the_standards_verify() {
        let one = exchange(
            Hash::Sha1,
            "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "QSXCR+Q6sek8bf92",
            "3rfcNHYJY1ZVvWVs7j",
        );
        assert_eq!(
            one.server_first(),
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
        );
        let last = one
            .last(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
            .unwrap();
        assert_eq!(one.verify(&last, b"pencil").as_deref(), Some("rmF9pqV8S7suAoZWja4dJRkFsKQ="));
        assert_eq!(one.verify(&last, b"pen"), None);
        let two = exchange(
            Hash::Sha256,
            "n=user,r=rOprNGfwEbeRWgbNEkqO",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        );
        let last = two
            .last(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        assert_eq!(
            two.verify(&last, b"pencil").as_deref(),
            Some("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn names_are_unescaped() {
        assert_eq!(first(b"y,,n=a=2Cb=3Dc=,r=x").unwrap().user, b"a,b=c=");
        assert_eq!((first(b"n,,r=x"), first(b"n,"), first(b"n,,n=a,r=")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_message_is_read_or_refused(bytes: Vec<u8>, tail: Vec<u8>) {
            if let Some(first) = first(&bytes) {
                let _ = Exchange::new(Hash::Sha1, first, b"s", 1, "n").last(&tail);
            }
            let known = first(b"n,,n=a,r=b").unwrap();
            let exchange = Exchange::new(Hash::Sha256, known, b"s", 1, "n");
            let _ = exchange.last(&[b"c=biws,r=bn,p=", &tail[..]].concat());
            let _ = exchange.last(&tail);
        }
    }
}
