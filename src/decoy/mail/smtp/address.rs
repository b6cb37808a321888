//! Paths and parameters of MAIL and RCPT.

/// A path: what stood in the brackets, and the parameters after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// Without brackets and source route.
    pub(super) address: &'a [u8],
    /// Whether it can be an address at all.
    pub(super) well_formed: bool,
    /// Words after it.
    pub(super) parameters: Vec<&'a [u8]>,
}

/// Parameters looked at.
const PARAMETERS: usize = 16;

/// Takes the argument of MAIL or RCPT apart; none when it does not begin with `keyword:` or has no path.
pub(super) fn parse<'a>(argument: &'a [u8], keyword: &str) -> Option<Path<'a>> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    if !word.eq_ignore_ascii_case(keyword.as_bytes()) {
        return None;
    }
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if rest.is_empty() {
        return None;
    }
    let bracketed = rest.first() == Some(&b'<');
    let mut quoted = false;
    let end = rest.iter().position(|b| {
        quoted ^= *b == b'"';
        !quoted && if bracketed { *b == b'>' } else { *b == b' ' }
    });
    let (path, after) = rest.split_at(end.unwrap_or(rest.len()));
    let inner = if bracketed { path.get(1..).unwrap_or_default() } else { path };
    let after = if bracketed { after.get(1..).unwrap_or_default() } else { after };
    // A source route is ignored (RFC 5321 §4.1.1.3).
    let routed = inner.first() == Some(&b'@');
    let colon = inner.iter().position(|b| *b == b':').filter(|_| routed);
    let address = colon.and_then(|at| inner.get(at + 1..)).unwrap_or(inner);
    let well_formed = (!bracketed || end.is_some()) && valid(address);
    let parameters = after.split(|b| *b == b' ').filter(|p| !p.is_empty()).take(PARAMETERS).collect();
    Some(Path { address, well_formed, parameters })
}

fn valid(address: &[u8]) -> bool {
    let mut quoted = false;
    let plain = address.iter().all(|b| {
        quoted ^= *b == b'"';
        quoted || (*b > b' ' && *b != 0x7f && !b"<>()".contains(b))
    });
    plain && !quoted && !address.ends_with(b"@") && !address.starts_with(b"@") && address.len() <= 512
}

/// Local part and domain; no domain when there is none.
pub(super) fn split(address: &[u8]) -> (&[u8], Option<&[u8]>) {
    match address.iter().rposition(|b| *b == b'@') {
        Some(at) => (address.get(..at).unwrap_or_default(), Some(address.get(at + 1..).unwrap_or_default())),
        None => (address, None),
    }
}

/// Whether no mail server can be found for a domain (RFC 2606).
pub(super) fn reserved(domain: &[u8]) -> bool {
    let last = domain.rsplit(|b| *b == b'.').next().unwrap_or_default().to_ascii_lowercase();
    [&b"invalid"[..], b"test", b"localhost", b"local", b"example"].contains(&last.as_slice())
}

/// For an answer: quotes around the local part go, what cannot be printed is a question mark.
pub(super) fn shown(address: &[u8]) -> String {
    let text = String::from_utf8_lossy(address).replace('"', "");
    text.chars().map(|c| if c.is_control() || c == '\u{fffd}' { '?' } else { c }).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_taken_apart() {
        let get = |text: &'static str| {
            parse(text.as_bytes(), "FROM")
                .map(|p| (std::str::from_utf8(p.address).unwrap(), p.well_formed, p.parameters.len()))
        };
        assert_eq!(get("FROM:<a@b> SIZE=1 BODY=8BITMIME"), Some(("a@b", true, 2)));
        assert_eq!(get("from : a@b x"), Some(("a@b", true, 1)));
        assert_eq!(get("FROM:<@x,@y:a@b>"), Some(("a@b", true, 0)));
        assert_eq!(get("FROM:<\"a >b\"@c>"), Some(("\"a >b\"@c", true, 0)));
        assert_eq!(get("FROM:<>"), Some(("", true, 0)));
        assert_eq!(get("FROM:<a b>"), Some(("a b", false, 0)));
        assert_eq!(get("FROM:<a@b"), Some(("a@b", false, 0)));
        assert_eq!((get("FROM:"), get("FROM"), get("TO:<a>")), (None, None, None));
        assert_eq!(split(b"a@b@c"), (&b"a@b"[..], Some(&b"c"[..])));
        assert!(reserved(b"x.Invalid") && !reserved(b"example.com"));
        assert_eq!(shown(b"\"a b\"@c\x01"), "a b@c?");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let text = [b"TO:".as_slice(), &bytes].concat();
            if let Some(path) = parse(&text, "TO") {
                let _ = (split(path.address), shown(path.address), reserved(path.address));
            }
        }
    }
}
