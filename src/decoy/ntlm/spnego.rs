//! SPNEGO (RFC 4178, MS-SPNG), as far as it wraps NTLM.

use crate::decoy::ber::{self, Reader, tag};

/// The mechanism itself, 1.3.6.1.5.5.2.
const SPNEGO: [u32; 7] = [1, 3, 6, 1, 5, 5, 2];
/// NTLM, 1.3.6.1.4.1.311.2.2.10.
const NTLM: [u32; 10] = [1, 3, 6, 1, 4, 1, 311, 2, 2, 10];
/// Kerberos, with the number that Windows 2000 got wrong and the right one.
const KERBEROS: [[u32; 7]; 2] = [[1, 2, 840, 48018, 1, 2, 2], [1, 2, 840, 113_554, 1, 2, 2]];
/// Kerberos from user to user.
const USER_TO_USER: [u32; 8] = [1, 2, 840, 113_554, 1, 2, 2, 3];
/// Negotiate Extended, 1.3.6.1.4.1.311.2.2.30.
const NEGOEX: [u32; 10] = [1, 3, 6, 1, 4, 1, 311, 2, 2, 30];

/// What Samba and Windows send as the name of a server that gives none.
const HINT: &[u8] = b"not_defined_in_RFC4178@please_ignore";

/// What a client's token holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Token<'a> {
    /// The NTLM message, when that is what the client chose.
    pub(crate) ntlm: Option<&'a [u8]>,
    /// The list of mechanisms as it was encoded: what the check codes are over.
    pub(crate) mechanisms: Option<&'a [u8]>,
    /// Whether NTLM is among them.
    pub(crate) offers_ntlm: bool,
    /// The client's check code over the list.
    pub(crate) mic: bool,
    /// Whether there was no SPNEGO around it.
    pub(crate) bare: bool,
}

/// Reads a token: an NTLM message as it is, or inside a NegTokenInit or NegTokenResp.
pub(crate) fn parse(bytes: &[u8]) -> Option<Token<'_>> {
    if bytes.starts_with(b"NTLMSSP\0") {
        return Some(Token { ntlm: Some(bytes), offers_ntlm: true, bare: true, ..Token::default() });
    }
    let mut reader = Reader::new(bytes);
    let (mut kind, mut contents) = reader.next()?;
    if kind == 0x60 {
        let mut inner = Reader::new(contents);
        if ber::oid(inner.expect(tag::OID)?)? != SPNEGO {
            return None;
        }
        (kind, contents) = inner.next()?;
    }
    let mut fields = Reader::new(contents).enter(tag::SEQUENCE)?;
    let mut token = Token::default();
    while let Some((field, contents)) = fields.next() {
        match (kind, field) {
            (0xa0, 0xa0) => {
                token.mechanisms = Some(contents);
                let mut list = Reader::new(contents).enter(tag::SEQUENCE)?;
                while let Some((_, mechanism)) = list.next() {
                    token.offers_ntlm |= ber::oid(mechanism).is_some_and(|oid| oid == NTLM);
                }
            }
            (0xa0 | 0xa1, 0xa2) => {
                let message = Reader::new(contents).expect(tag::OCTETS)?;
                token.ntlm = message.starts_with(b"NTLMSSP\0").then_some(message);
            }
            (_, 0xa3) => token.mic = true,
            _ => {}
        }
    }
    matches!(kind, 0xa0 | 0xa1).then_some(token)
}

/// What a server says of itself first: the mechanisms it has. Windows names Kerberos in a workgroup too.
pub(crate) fn hello(windows: bool) -> Vec<u8> {
    let mut mechanisms = Vec::new();
    if windows {
        mechanisms.push(ber::identifier(&NEGOEX));
        mechanisms.extend(KERBEROS.iter().map(|oid| ber::identifier(oid)));
        mechanisms.push(ber::identifier(&USER_TO_USER));
    }
    mechanisms.push(ber::identifier(&NTLM));
    let list = ber::group(0xa0, &[ber::group(tag::SEQUENCE, &mechanisms)]);
    let hint = ber::group(tag::SEQUENCE, &[ber::group(0xa0, &[ber::element(0x1b, HINT)])]);
    let init = ber::group(tag::SEQUENCE, &[list, ber::group(0xa3, &[hint])]);
    ber::group(0x60, &[ber::identifier(&SPNEGO), ber::group(0xa0, &[init])])
}

/// Asks the client to use NTLM, without a message of it yet.
pub(crate) fn request() -> Vec<u8> {
    respond(&[state(3), ber::group(0xa1, &[ber::identifier(&NTLM)])])
}

/// Carries the challenge.
pub(crate) fn challenge(message: &[u8]) -> Vec<u8> {
    let mechanism = ber::group(0xa1, &[ber::identifier(&NTLM)]);
    respond(&[state(1), mechanism, ber::group(0xa2, &[ber::element(tag::OCTETS, message)])])
}

/// Says that the client is in, with our check code over its list of mechanisms.
pub(crate) fn accepted(mic: Option<&[u8]>) -> Vec<u8> {
    let mut parts = vec![state(0)];
    parts.extend(mic.map(|mic| ber::group(0xa3, &[ber::element(tag::OCTETS, mic)])));
    respond(&parts)
}

fn state(value: i64) -> Vec<u8> {
    ber::group(0xa0, &[ber::number(tag::ENUMERATED, value)])
}

fn respond(parts: &[Vec<u8>]) -> Vec<u8> {
    ber::group(0xa1, &[ber::group(tag::SEQUENCE, parts)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samba_s_bytes() {
        // Captured from smbd 4.17.12 and smbclient.
        assert_eq!(
            hex::encode(hello(false)),
            "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
        );
        assert_eq!(hello(true).len(), 120);
        assert_eq!(hex::encode(accepted(None)), "a1073005a0030a0100");
        let client = hex::decode("604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d53535000010000001582086200000000280000000000000028000000060100000000000f").unwrap();
        let token = parse(&client).unwrap();
        assert_eq!(token.ntlm.unwrap().len(), 40);
        assert!(token.offers_ntlm && !token.mic && !token.bare);
        assert_eq!(token.mechanisms.unwrap().len(), 14);
        assert!(challenge(b"x").starts_with(b"\xa1\x1a\x30\x18\xa0\x03\x0a\x01\x01\xa1\x0c\x06\x0a"));
    }

    #[test]
    fn other_tokens() {
        assert!(parse(b"NTLMSSP\0x").unwrap().bare);
        assert!(parse(b"abcd").is_none() && parse(b"").is_none() && parse(b"\x60\x03\x06\x01\x2a").is_none());
    }
}
