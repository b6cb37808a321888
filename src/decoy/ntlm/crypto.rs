//! The old ciphers that NTLM is made of. They keep no secret of ours: they check what clients answer.

/// MD4 (RFC 1320).
pub(crate) fn md4(message: &[u8]) -> [u8; 16] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b));
        }
        round(&mut state, &words);
    }
    let mut out = [0; 16];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn round(state: &mut [u32; 4], words: &[u32; 16]) {
    const ORDER: [[usize; 16]; 3] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
        [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    ];
    const SHIFT: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const ADD: [u32; 3] = [0, 0x5a82_7999, 0x6ed9_eba1];
    let [mut a, mut b, mut c, mut d] = *state;
    for (pass, order) in ORDER.iter().enumerate() {
        for (step, word) in order.iter().enumerate() {
            let mixed = match pass {
                0 => (b & c) | (!b & d),
                1 => (b & c) | (b & d) | (c & d),
                _ => b ^ c ^ d,
            };
            let sum = a.wrapping_add(mixed).wrapping_add(words[*word]).wrapping_add(ADD[pass]);
            (a, d, c, b) = (d, c, b, sum.rotate_left(SHIFT[pass][step % 4]));
        }
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

/// HMAC-MD5 (RFC 2104) over the parts.
pub(crate) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut block = [0u8; 64];
    let hashed = md5::compute(key).0;
    let key = if key.len() > 64 { &hashed[..] } else { key };
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|b| b ^ byte).to_vec();
    let mut inner = pad(0x36);
    for part in parts {
        inner.extend_from_slice(part);
    }
    let mut outer = pad(0x5c);
    outer.extend_from_slice(&md5::compute(inner).0);
    md5::compute(outer).0
}

/// RC4.
#[derive(Clone)]
pub(crate) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// With a key of at least one byte.
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut state = [0u8; 256];
        for (n, cell) in state.iter_mut().enumerate() {
            *cell = u8::try_from(n).unwrap_or(0);
        }
        let mut j = 0u8;
        for (n, byte) in (0..256).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[n]).wrapping_add(*byte);
            state.swap(n, usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    /// Enciphers or deciphers.
    pub(crate) fn apply(&mut self, bytes: &[u8]) -> Vec<u8> {
        let one = |byte: &u8| {
            self.i = self.i.wrapping_add(1);
            let (i, old) = (usize::from(self.i), self.state[usize::from(self.i)]);
            self.j = self.j.wrapping_add(old);
            self.state.swap(i, usize::from(self.j));
            let at = old.wrapping_add(self.state[i]);
            byte ^ self.state[usize::from(at)]
        };
        bytes.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(hex::encode(md4(b"")), "31d6cfe0d16ae931b73c59d7e0c089c0");
        let long = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(hex::encode(md4(long)), "e33b4ddc9c38f2199c3e7b164fcc0536");
        assert_eq!(
            hex::encode(hmac_md5(b"Jefe", &[b"what do ya ", b"want for nothing?"])),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        assert_eq!(
            hex::encode(hmac_md5(&[0xaa; 80], &[b"Test Using Larger Than Block-Size Key - Hash Key First"])),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
        assert_eq!(hex::encode(Rc4::new(b"Key").apply(b"Plaintext")), "bbf316e8d940af0ad3");
        assert_eq!(Rc4::new(b"").apply(b"x").len(), 1);
    }
}
