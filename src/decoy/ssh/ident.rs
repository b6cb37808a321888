//! Identification strings and clear-text packets, as OpenSSH judges them.

/// Longest line read while waiting for the client's identification (`SSH_MAX_BANNER_LEN`).
pub(super) const LINE_MAX: usize = 8192;

const INVALID: &str = "Invalid SSH identification string.";

/// Judges the client's first line, without its line end, as `kex_exchange_identification` of OpenSSH
/// does on the server's side; an error is the line written before the connection closes.
pub(super) fn judge(line: &[u8]) -> Result<(), &'static str> {
    let line = String::from_utf8_lossy(line);
    let rest = line.strip_prefix("SSH-").ok_or(INVALID)?;
    let (version, software) = rest.split_once('-').ok_or(INVALID)?;
    if software.is_empty() || software.contains('\0') {
        return Err(INVALID);
    }
    let (major, minor) = version.split_once('.').ok_or(INVALID)?;
    match (major.parse::<u32>(), minor.parse::<u32>()) {
        (Ok(2), Ok(_)) | (Ok(1), Ok(99)) => Ok(()),
        (Ok(_), Ok(_)) => Err("Protocol major versions differ."),
        _ => Err(INVALID),
    }
}

/// A clear-text packet (RFC 4253 §6), block size 8, zero padding.
pub(super) fn packet(payload: &[u8]) -> Vec<u8> {
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let length = u32::try_from(payload.len() + padding + 1).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap_or(u8::MAX));
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// A clear-text DISCONNECT with reason 2 (protocol error), no language tag.
pub(super) fn disconnect(text: &str) -> Vec<u8> {
    let mut payload = vec![1, 0, 0, 0, 2];
    payload.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    payload.extend_from_slice(text.as_bytes());
    payload.extend([0; 4]);
    packet(&payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifications_are_judged_as_openssh_does() {
        for good in ["SSH-2.0-Go", "SSH-2.0-OpenSSH_9.2p1 x", "SSH-1.99-x", "SSH-2.1-x"] {
            assert_eq!(judge(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in ["GET / HTTP/1.0", "", "SSH-2.0", "SSH-2.0-", "SSH-x.0-y", "SSH-2-y", "SSH-2.0-a\0b"] {
            assert_eq!(judge(bad.as_bytes()), Err(INVALID), "{bad}");
        }
        assert_eq!(judge(b"SSH-2.0-\xff"), Ok(()));
        for old in ["SSH-1.5-x", "SSH-3.0-x", "SSH-1.0-x"] {
            assert_eq!(judge(old.as_bytes()), Err("Protocol major versions differ."), "{old}");
        }
    }

    #[test]
    fn packets_are_padded_to_eight() {
        for length in 0..40 {
            let packet = packet(&vec![7; length]);
            assert_eq!(packet.len() % 8, 0);
            assert!((4..12).contains(&packet[4]));
            assert_eq!(u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize, packet.len() - 4);
        }
    }
}
