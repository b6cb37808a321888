//! Bytes as text and back: words are `String`s, but a visitor may send any byte.

/// Where bytes that are no UTF-8 go: the last 256 code points, which mean nothing to anybody.
const BASE: u32 = 0x10_ff00;

/// Text that keeps every byte: what is not UTF-8 becomes a code point of its own.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|b| byte(*b)));
    }
    text
}

/// One raw byte as a character.
pub(super) fn byte(byte: u8) -> char {
    if byte < 0x80 { char::from(byte) } else { char::from_u32(BASE + u32::from(byte)).unwrap_or('?') }
}

/// The bytes again.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(BASE).and_then(|b| u8::try_from(b).ok()) {
            Some(b) => bytes.push(b),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).chain([0xc3, 0xa4, 0xf4, 0x8f]).collect();
        assert_eq!(encode(&decode(&all)), all);
    }
}
