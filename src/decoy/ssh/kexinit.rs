//! The client's KEXINIT: its HASSH.

use std::fmt::Write as _;

/// The ten name lists of a KEXINIT payload (RFC 4253 §7.1), the message number included; none when
/// it is cut short or a list is no ASCII.
fn lists(payload: &[u8]) -> Option<[&str; 10]> {
    // Message number and cookie.
    let mut rest = payload.get(17..)?;
    let mut lists = [""; 10];
    for list in &mut lists {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (text, tail) = tail.split_at_checked(length)?;
        *list = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        rest = tail;
    }
    Some(lists)
}

/// What a client's KEXINIT says about its maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// MD5 of `algorithms` in hex.
    pub(super) hassh: String,
    /// Key exchange, encryption, MAC and compression lists, client to server, joined by `;`.
    pub(super) algorithms: String,
    /// The client speaks strict key exchange.
    pub(super) strict: bool,
}

/// HASSH as published by its authors (2018): MD5 over `kex;encryption;mac;compression`, client to server.
pub(super) fn fingerprint(payload: &[u8]) -> Option<Fingerprint> {
    let [kex, _, cipher, _, mac, _, compression, _, _, _] = lists(payload)?;
    let algorithms = [kex, cipher, mac, compression].join(";");
    let mut hassh = String::with_capacity(32);
    for byte in md5::compute(&algorithms).0 {
        write!(hassh, "{byte:02x}").ok()?;
    }
    let strict = kex.split(',').any(|name| name == "kex-strict-c-v00@openssh.com");
    Some(Fingerprint { hassh, algorithms, strict })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kexinit(lists: [&str; 10]) -> Vec<u8> {
        let mut payload = vec![20; 17];
        for list in lists {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload
    }

    #[test]
    fn hassh_is_over_the_client_to_server_lists() {
        let payload =
            kexinit(["a,kex-strict-c-v00@openssh.com", "k", "c1", "c2", "m1", "m2", "z1", "z2", "", ""]);
        let found = fingerprint(&payload).unwrap();
        assert_eq!(found.algorithms, "a,kex-strict-c-v00@openssh.com;c1;m1;z1");
        assert_eq!(found.hassh, hex::encode(md5::compute("a,kex-strict-c-v00@openssh.com;c1;m1;z1").0));
        assert!(found.strict);
        assert!(!fingerprint(&kexinit(["a", "", "", "", "", "", "", "", "", ""])).unwrap().strict);
    }

    #[test]
    fn a_cut_or_lying_packet_has_none() {
        let payload = kexinit(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        for end in 0..payload.len() {
            assert_eq!(fingerprint(&payload[..end]), None);
        }
        let mut lying = payload;
        lying[17] = 0xff;
        assert_eq!(fingerprint(&lying), None);
        assert_eq!(fingerprint(&kexinit(["\u{e9}", "", "", "", "", "", "", "", "", ""])), None);
    }
}
