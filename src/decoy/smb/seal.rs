//! Enciphered messages of version 3 (MS-SMB2 §3.1.4.3): AES-128 in CCM and GCM.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::sign::derive;
use crate::decoy::le::{self, Put as _, Reader};

/// Numbers of the ciphers.
pub(super) const CCM: u16 = 1;
pub(super) const GCM: u16 = 2;

/// Length of the header before an enciphered message.
const HEADER: usize = 52;
/// Where the part of it begins that is protected.
const PROTECTED: usize = 20;

/// The keys of a session in both directions.
#[derive(Clone)]
pub(super) struct Crypt {
    cipher: u16,
    theirs: [u8; 16],
    ours: [u8; 16],
    sent: u64,
}

/// The session that an enciphered message is of.
pub(super) fn session(message: &[u8]) -> Option<u64> {
    Reader::new(message.get(44..HEADER)?).u64()
}

impl Crypt {
    /// The keys of a session; none where no cipher was agreed on.
    pub(super) fn new(dialect: u16, cipher: u16, key: &[u8; 16], preauth: &[u8; 64]) -> Option<Self> {
        let (theirs, ours) = match (dialect, cipher) {
            (_, 0) => return None,
            (0x0311, _) => {
                (derive(key, b"SMBC2SCipherKey\0", preauth), derive(key, b"SMBS2CCipherKey\0", preauth))
            }
            _ => (derive(key, b"SMB2AESCCM\0", b"ServerIn \0"), derive(key, b"SMB2AESCCM\0", b"ServerOut\0")),
        };
        Some(Self { cipher, theirs, ours, sent: 0 })
    }

    /// Deciphers a message; none when it is not what the client sent.
    pub(super) fn open(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (header, text) = message.split_at_checked(HEADER)?;
        let tag: [u8; 16] = header[4..PROTECTED].try_into().ok()?;
        let (nonce, protected) = (&header[PROTECTED..36], &header[PROTECTED..]);
        if self.cipher == GCM {
            let mut out = [text, &tag].concat();
            let length =
                gcm(&self.theirs)?.open_in_place(once(nonce)?, Aad::from(protected), &mut out).ok()?.len();
            out.truncate(length);
            return Some(out);
        }
        let out = ccm_stream(&self.theirs, &nonce[..11], text);
        (ccm_tag(&self.theirs, &nonce[..11], protected, &out) == tag).then_some(out)
    }

    /// Enciphers a message of a session.
    pub(super) fn seal(&mut self, session: u64, message: &[u8]) -> Option<Vec<u8>> {
        self.sent = self.sent.checked_add(1)?;
        let mut protected = Vec::new();
        protected.u64(self.sent).u64(0).u32(le::long(message.len())).u16(0).u16(1).u64(session);
        let nonce = protected.get(..16)?.to_vec();
        let (tag, text) = if self.cipher == GCM {
            let mut text = message.to_vec();
            let tag = gcm(&self.ours)?
                .seal_in_place_separate_tag(once(&nonce)?, Aad::from(&protected), &mut text)
                .ok()?;
            (tag.as_ref().to_vec(), text)
        } else {
            let tag = ccm_tag(&self.ours, &nonce[..11], &protected, message);
            (tag.to_vec(), ccm_stream(&self.ours, &nonce[..11], message))
        };
        let mut out = b"\xfdSMB".to_vec();
        out.put(&tag).put(&protected).put(&text);
        Some(out)
    }
}

fn gcm(key: &[u8; 16]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_128_GCM, key).ok().map(LessSafeKey::new)
}

fn once(nonce: &[u8]) -> Option<Nonce> {
    Nonce::try_assume_unique_for_key(nonce.get(..12)?).ok()
}

fn encrypt(cipher: &Aes128, block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}

/// Block number `count` of CCM with a nonce of eleven bytes, which leaves four for the count.
fn block(flags: u8, nonce: &[u8], count: u32) -> [u8; 16] {
    let mut out = [0; 16];
    out[0] = flags;
    out[1..12].copy_from_slice(nonce);
    out[12..].copy_from_slice(&count.to_be_bytes());
    out
}

/// Counter mode, both ways.
fn ccm_stream(key: &[u8; 16], nonce: &[u8], text: &[u8]) -> Vec<u8> {
    let cipher = Aes128::new(&(*key).into());
    let mut out = Vec::with_capacity(text.len());
    for (chunk, count) in text.chunks(16).zip(1u32..) {
        let stream = encrypt(&cipher, block(3, nonce, count));
        out.extend(chunk.iter().zip(stream).map(|(a, b)| a ^ b));
    }
    out
}

/// The check over clear text and the protected part of the header (RFC 3610).
fn ccm_tag(key: &[u8; 16], nonce: &[u8], protected: &[u8], text: &[u8]) -> [u8; 16] {
    let cipher = Aes128::new(&(*key).into());
    let mut state = encrypt(&cipher, block(0x7b, nonce, le::long(text.len())));
    let head = [&le::short(protected.len()).to_be_bytes(), protected].concat();
    for chunk in head.chunks(16).chain(text.chunks(16)) {
        for (byte, other) in state.iter_mut().zip(chunk) {
            *byte ^= other;
        }
        state = encrypt(&cipher, state);
    }
    let first = encrypt(&cipher, block(3, nonce, 0));
    (u128::from_be_bytes(state) ^ u128::from_be_bytes(first)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened() {
        for (dialect, cipher) in [(0x0311, GCM), (0x0311, CCM), (0x0302, CCM)] {
            let mut server = Crypt::new(dialect, cipher, &[7; 16], &[1; 64]).unwrap();
            let sealed = server.seal(0x1234, b"a message of several blocks, the last one cut").unwrap();
            assert_eq!(session(&sealed), Some(0x1234));
            // The client's end has the keys the other way round.
            let client = Crypt { theirs: server.ours, ours: server.theirs, ..server.clone() };
            assert_eq!(
                client.open(&sealed).as_deref(),
                Some(&b"a message of several blocks, the last one cut"[..])
            );
            let mut broken = sealed.clone();
            broken[60] ^= 1;
            assert!(client.open(&broken).is_none() && client.open(&sealed[..40]).is_none());
        }
        assert!(Crypt::new(0x0311, 0, &[7; 16], &[1; 64]).is_none());
    }
}
