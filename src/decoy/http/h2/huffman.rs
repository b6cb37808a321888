//! The Huffman code of HPACK (RFC 7541 appendix B). It is a canonical one: the lengths say it all.

use std::sync::OnceLock;

/// Code length of each byte, and of the end of a string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// Longest code.
const LONGEST: usize = 30;

/// Codes in order of length.
struct Code {
    /// Code of each byte.
    codes: [u32; 257],
    /// Of each length: its first code, how many there are, and where they begin in `symbols`.
    lengths: [(u32, u32, usize); LONGEST + 1],
    symbols: Vec<u16>,
}

fn code() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| {
        let mut made =
            Code { codes: [0; 257], lengths: [(0, 0, 0); LONGEST + 1], symbols: Vec::with_capacity(257) };
        let mut next = 0u32;
        for length in 1..=LONGEST {
            next = next.wrapping_shl(1);
            let at = made.symbols.len();
            let first = next;
            for (symbol, _) in LENGTHS.iter().enumerate().filter(|(_, l)| usize::from(**l) == length) {
                made.codes[symbol] = next;
                made.symbols.push(u16::try_from(symbol).unwrap_or(0));
                next = next.wrapping_add(1);
            }
            made.lengths[length] = (first, next.wrapping_sub(first), at);
        }
        made
    })
}

/// Decodes a string into at most `max` bytes; none when it is no code or has wrong padding.
pub(super) fn decode(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let code = code();
    let mut out = Vec::new();
    let (mut value, mut length, mut ones) = (0u32, 0usize, true);
    for byte in bytes {
        for bit in (0..8).rev() {
            let bit = u32::from(byte >> bit & 1);
            value = value << 1 | bit;
            length += 1;
            ones &= bit == 1;
            let (first, count, at) = *code.lengths.get(length)?;
            let offset = value.wrapping_sub(first);
            if value >= first && offset < count {
                let symbol = code.symbols.get(at.checked_add(usize::try_from(offset).ok()?)?)?;
                // The end of the string must not be in it.
                out.push(u8::try_from(*symbol).ok()?);
                if out.len() > max {
                    return None;
                }
                (value, length, ones) = (0, 0, true);
            }
        }
    }
    (length < 8 && ones).then_some(out)
}

/// Encodes a string.
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let code = code();
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u64, 0u32);
    for byte in text {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        bits = bits << length | u64::from(code.codes[usize::from(*byte)]);
        held += length;
        while held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or(0));
        }
        bits &= (1u64 << held) - 1;
    }
    if held > 0 {
        let padded = bits << (8 - held) | ((1u64 << (8 - held)) - 1);
        out.push(u8::try_from(padded & 0xff).unwrap_or(0));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_strings() {
        // RFC 7541 appendix C.4 and C.6.
        for (text, coded) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        ] {
            assert_eq!(hex::encode(encode(text.as_bytes())), coded);
            assert_eq!(decode(&hex::decode(coded).unwrap(), 100).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn padding_is_short_and_of_ones() {
        assert_eq!(decode(&[0xff], 9), None, "eight bits");
        assert_eq!(decode(&[0b0001_1000], 9), None, "zeroes");
        assert_eq!(decode(&[0b0001_1111], 9).unwrap(), b"a");
        assert_eq!(decode(&[0xff; 4], 9), None, "end of string");
        assert_eq!(decode(&encode(b"aaaa"), 3), None, "too long");
    }

    proptest! {
        #[test]
        fn round_trips(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&text), 200), Some(text));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 100);
        }
    }
}
