//! Keys and signatures of a session (MS-SMB2 §3.1.4).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

/// Where the signature is in a header.
const AT: std::ops::Range<usize> = 48..64;

/// What signs a session.
#[derive(Clone)]
pub(super) enum Key {
    /// Dialects 2.
    Hash([u8; 16]),
    /// Dialects 3.
    Cipher([u8; 16]),
}

impl Key {
    /// The key of a session under `dialect`; `preauth` is the hash over its messages so far.
    pub(super) fn new(dialect: u16, session: &[u8; 16], preauth: &[u8; 64]) -> Self {
        match dialect {
            0x0311 => Self::Cipher(derive(session, b"SMBSigningKey\0", preauth)),
            0x0300.. => Self::Cipher(derive(session, b"SMB2AESCMAC\0", b"SmbSign\0")),
            _ => Self::Hash(*session),
        }
    }

    /// Puts its signature into a message.
    pub(super) fn sign(&self, message: &mut [u8]) {
        if let Some(field) = message.get_mut(AT) {
            field.fill(0);
        }
        let signature = match self {
            Self::Hash(key) => hmac_sha256(key, &[message]),
            Self::Cipher(key) => cmac(key, message),
        };
        if let Some(field) = message.get_mut(AT) {
            field.copy_from_slice(&signature);
        }
    }
}

/// The hash over a dialogue after one more message.
pub(super) fn chain(hash: &[u8; 64], message: &[u8]) -> [u8; 64] {
    let mut sum = Sha512::new();
    sum.update(hash);
    sum.update(message);
    sum.finalize().into()
}

/// The first half of an HMAC-SHA256.
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut out = [0; 16];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        for part in parts {
            mac.update(part);
        }
        out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    }
    out
}

/// SP 800-108 in counter mode, one round.
pub(super) fn derive(key: &[u8; 16], label: &[u8], context: &[u8]) -> [u8; 16] {
    hmac_sha256(key, &[&[0, 0, 0, 1], label, &[0], context, &[0, 0, 0, 128]])
}

/// AES-CMAC (RFC 4493).
fn cmac(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let cipher = Aes128::new(&(*key).into());
    let encrypt = |block: [u8; 16]| -> [u8; 16] {
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        block.into()
    };
    let double = |block: [u8; 16]| {
        let value = u128::from_be_bytes(block);
        let reduced = if value >> 127 == 1 { 0x87 } else { 0 };
        ((value << 1) ^ reduced).to_be_bytes()
    };
    let mix = |a: [u8; 16], b: [u8; 16]| (u128::from_be_bytes(a) ^ u128::from_be_bytes(b)).to_be_bytes();
    let whole = double(encrypt([0; 16]));
    let (body, last) = message.split_at(message.len().saturating_sub(1) / 16 * 16);
    let mut state = [0u8; 16];
    for chunk in body.chunks_exact(16) {
        state = encrypt(mix(state, chunk.try_into().unwrap_or_default()));
    }
    let mut block = [0u8; 16];
    block[..last.len()].copy_from_slice(last);
    let subkey = if last.len() == 16 {
        whole
    } else {
        block[last.len()] = 0x80;
        double(whole)
    };
    encrypt(mix(state, mix(block, subkey)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes() {
        // RFC 4493 §4.
        let key: [u8; 16] = hex::decode("2b7e151628aed2a6abf7158809cf4f3c").unwrap().try_into().unwrap();
        let text = hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710").unwrap();
        for (length, want) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            assert_eq!(hex::encode(cmac(&key, &text[..length])), want);
        }
        Key::Hash([1; 16]).sign(&mut [0; 10]);
    }
}
