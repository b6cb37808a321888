//! A TLS ClientHello that came to a port that speaks clear text: which name it asked for.

/// Whether bytes begin like a TLS handshake record.
pub(super) fn is_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, 0..=4, ..])
}

/// The server name in a ClientHello (RFC 6066 §3), when it lies within what was read.
pub(super) fn server_name(bytes: &[u8]) -> Option<String> {
    if !is_hello(bytes) || bytes.get(5) != Some(&1) {
        return None;
    }
    // Record header 5, handshake header 4, version 2, random 32.
    let rest = bytes.get(43..)?;
    let rest = skip(rest, 1)?;
    let rest = skip(rest, 2)?;
    let rest = skip(rest, 1)?;
    let mut extensions = rest.get(2..)?;
    for _ in 0..64 {
        let kind = number(extensions.get(..2)?);
        let length = number(extensions.get(2..4)?);
        let end = length.checked_add(4)?;
        let body = extensions.get(4..end)?;
        if kind == 0 {
            let name = body.get(5..)?;
            let name = name.get(..number(body.get(3..5)?))?;
            let plain = name.iter().all(u8::is_ascii_graphic) && name.len() <= 255;
            return plain.then(|| String::from_utf8_lossy(name).into_owned());
        }
        extensions = extensions.get(end..)?;
    }
    None
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// Skips a vector with a length of `width` bytes before it.
fn skip(bytes: &[u8], width: usize) -> Option<&[u8]> {
    let end = number(bytes.get(..width)?).checked_add(width)?;
    bytes.get(end..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &[u8]) -> Vec<u8> {
        let mut sni = vec![0, 0];
        let list = name.len() + 3;
        sni.extend_from_slice(&((list + 2) as u16).to_be_bytes());
        sni.extend_from_slice(&(list as u16).to_be_bytes());
        sni.push(0);
        sni.extend_from_slice(&(name.len() as u16).to_be_bytes());
        sni.extend_from_slice(name);
        let mut hello = vec![0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
        hello.extend_from_slice(&(sni.len() as u16).to_be_bytes());
        hello.extend_from_slice(&sni);
        hello
    }

    #[test]
    fn finds_the_name_and_survives_any_cut() {
        let bytes = hello(b"www.example.org");
        assert_eq!(server_name(&bytes).as_deref(), Some("www.example.org"));
        for end in 0..bytes.len() {
            assert_eq!(server_name(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(server_name(&hello(b"a\nb")), None);
    }
}
