//! The NetBIOS session service (RFC 1002 §4.3) that goes before SMB on port 139.

use crate::decoy::ntlm::Host;
use crate::decoy::session::Recorder;
use crate::event::Kind;

/// Answers a session request.
pub(super) fn answer(host: &Host, message: &[u8], record: &Recorder) -> Vec<u8> {
    let called = message.get(1..33).and_then(decode).unwrap_or_default();
    let calling = message.get(35..67).and_then(decode).unwrap_or_default();
    let ours = called == "*SMBSERVER" || called == host.computer || !host.system.windows;
    record
        .event(Kind::Connection, "netbios_session")
        .outcome(ours)
        .text("netbios.called_name", &called)
        .text("netbios.calling_name", &calling)
        .emit();
    // "Called name not present".
    if ours { vec![0x82, 0, 0, 0] } else { vec![0x83, 0, 0, 1, 0x82] }
}

/// A name from its first-level encoding, without its type.
fn decode(encoded: &[u8]) -> Option<String> {
    let nibble = |byte: u8| byte.checked_sub(b'A').filter(|n| *n < 16);
    let bytes: Option<Vec<u8>> =
        encoded.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect();
    let bytes = bytes?;
    let name = bytes.get(..15)?;
    Some(String::from_utf8_lossy(name).trim_end_matches([' ', '\0']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        assert_eq!(decode(b"CKFDENECFDEFFCFGEFFCCACACACACACA").unwrap(), "*SMBSERVER");
        assert_eq!(decode(b"zz"), None);
        assert_eq!(decode(b""), None);
    }
}
