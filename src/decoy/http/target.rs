//! Request targets: where the host ends and the path begins, percent-decoding, dot segments.

use super::head::{Reject, Why, reject, scheme};
use super::server::Family;

/// A request target taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decoy) struct Target {
    /// Path as sent, without the query.
    pub(in crate::decoy) raw_path: Vec<u8>,
    /// Path after decoding, merging of slashes and removal of dot segments; starts with `/`.
    pub(in crate::decoy) path: Vec<u8>,
    /// Query as sent.
    pub(in crate::decoy) query: Option<Vec<u8>>,
    /// Host of an absolute target.
    pub(in crate::decoy) host: Option<Vec<u8>>,
    /// Apache says that there is no such path, whatever lies there: it has an encoded slash or a NUL.
    pub(in crate::decoy) hidden: bool,
    /// `OPTIONS *`.
    pub(in crate::decoy) star: bool,
}

/// Takes a target apart as `family` does.
pub(in crate::decoy) fn parse(method: &[u8], target: &[u8], family: Family) -> Result<Target, Reject> {
    let bad = Err(reject(400, Why::Url));
    if target == b"*" {
        let star = (method == b"OPTIONS" && !matches!(family, Family::Nginx | Family::Netty))
            || family == Family::Go;
        return if star { Ok(Target { star, path: b"*".to_vec(), ..Target::default() }) } else { bad };
    }
    if method == b"CONNECT" && family == Family::Apache {
        let authority = !target.starts_with(b"/");
        return if authority {
            Ok(Target { host: Some(target.to_vec()), path: b"/".to_vec(), ..Target::default() })
        } else {
            bad
        };
    }
    let mut host = None;
    let mut rest = target;
    if let Some(name) = scheme(target) {
        let after = target.get(name.len().saturating_add(3)..).unwrap_or_default();
        let end = after.iter().position(|c| matches!(c, b'/' | b'?' | b'#')).unwrap_or(after.len());
        let authority = &after[..end];
        if authority.is_empty() || !host_is_valid(authority, family) {
            return bad;
        }
        host = Some(authority.to_vec());
        rest = &after[end..];
        if family == Family::Apache && !matches!(name, b"http" | b"https") {
            return Err(Reject { host_known: true, ..reject(400, Why::Url) });
        }
    } else if !target.starts_with(b"/") {
        return bad;
    }
    let rest = rest.split(|c| *c == b'#').next().unwrap_or_default();
    let mut halves = rest.splitn(2, |c| *c == b'?');
    let raw_path = halves.next().unwrap_or_default().to_vec();
    let query = halves.next().map(<[u8]>::to_vec);
    let shown = if raw_path.is_empty() { b"/".as_slice() } else { &raw_path };
    let (path, hidden) =
        normalise(shown, family).map_err(|status| Reject { host_known: true, ..reject(status, Why::Url) })?;
    Ok(Target { path, raw_path, query, host, hidden, star: false })
}

/// Decodes and resolves a path; the status to answer when it cannot be.
fn normalise(raw: &[u8], family: Family) -> Result<(Vec<u8>, bool), u16> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut hidden = false;
    let mut bytes = raw.iter();
    while let Some(c) = bytes.next() {
        let mut c = *c;
        if c == b'%' {
            let mut nibble = || bytes.next().and_then(|d| char::from(*d).to_digit(16));
            let (Some(high), Some(low)) = (nibble(), nibble()) else { return Err(400) };
            c = u8::try_from(high * 16 + low).unwrap_or(0);
            if c == 0 && !matches!(family, Family::Apache | Family::Go | Family::Netty) {
                return Err(400);
            }
            hidden |= family == Family::Apache && matches!(c, 0 | b'/');
        }
        decoded.push(c);
    }
    // These leave it to whoever answers requests what dots and slashes mean.
    if matches!(family, Family::Go | Family::Netty) {
        return Ok((decoded, false));
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut dir = true;
    for part in decoded.split(|c| *c == b'/').skip(1) {
        dir = matches!(part, b"" | b"." | b"..");
        match part {
            b"" | b"." => {}
            b".." => {
                if segments.pop().is_none() {
                    return Err(400);
                }
            }
            name => segments.push(name),
        }
    }
    let mut path = vec![b'/'];
    path.extend_from_slice(&segments.join(&b'/'));
    if dir && path.len() > 1 {
        path.push(b'/');
    }
    Ok((path, hidden))
}

/// Whether a `Host` value is one that `family` accepts.
pub(in crate::decoy) fn host_is_valid(host: &[u8], family: Family) -> bool {
    if host.is_empty() || host.len() > 255 {
        return false;
    }
    if family == Family::Nginx {
        let ok = |c: &u8| *c > 0x20 && *c != 0x7f && !matches!(c, b'/' | b'\\');
        return host.iter().all(ok) && !host.windows(2).any(|w| w == b"..") && host[0] != b':';
    }
    let (name, port) = split_port(host);
    let port_ok = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|n| n > 0));
    let literal = name.starts_with(b"[") && name.ends_with(b"]");
    let inner = |c: &u8| c.is_ascii_hexdigit() || matches!(c, b':' | b'.' | b'[' | b']');
    let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~');
    port_ok && !name.is_empty() && if literal { name.iter().all(inner) } else { name.iter().all(plain) }
}

/// Splits `host:port`; a port that is not a number stays a text.
pub(in crate::decoy) fn split_port(host: &[u8]) -> (&[u8], Option<&str>) {
    let after_literal = host.iter().rposition(|c| *c == b']').unwrap_or(0);
    match host.iter().rposition(|c| *c == b':') {
        Some(at) if at >= after_literal => {
            (&host[..at], Some(std::str::from_utf8(&host[at + 1..]).unwrap_or("?")))
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str, family: Family) -> Result<String, u16> {
        parse(b"GET", text.as_bytes(), family)
            .map(|t| String::from_utf8_lossy(&t.path).into_owned())
            .map_err(|r| r.status)
    }

    #[test]
    fn paths_as_measured() {
        for (text, nginx, apache) in [
            ("/", Ok("/"), Ok("/")),
            ("/sub/../", Ok("/"), Ok("/")),
            ("/sub/..", Ok("/"), Ok("/")),
            ("/sub/./a", Ok("/sub/a"), Ok("/sub/a")),
            ("//sub//a.txt", Ok("/sub/a.txt"), Ok("/sub/a.txt")),
            ("/../../etc/passwd", Err(400), Err(400)),
            ("/%2e%2e/etc", Err(400), Err(400)),
            ("/cgi-bin/.%2e/.%2e/bin/sh", Err(400), Err(400)),
            ("/icons/.%%32%65/x", Err(400), Err(400)),
            ("/sub/%61.txt", Ok("/sub/a.txt"), Ok("/sub/a.txt")),
            ("/%zz", Err(400), Err(400)),
            ("/%", Err(400), Err(400)),
            ("/%00", Err(400), Ok("/\0")),
            ("/sub%2fa.txt", Ok("/sub/a.txt"), Ok("/sub/a.txt")),
            ("/a?b#c", Ok("/a"), Ok("/a")),
            ("http://a", Ok("/"), Ok("/")),
            ("http://a/nope?x", Ok("/nope"), Ok("/nope")),
            ("ftp://a/", Ok("/"), Err(400)),
            ("*", Err(400), Err(400)),
            ("nope", Err(400), Err(400)),
        ] {
            assert_eq!(path(text, Family::Nginx), nginx.map(str::to_owned), "nginx {text}");
            assert_eq!(path(text, Family::Apache), apache.map(str::to_owned), "apache {text}");
        }
    }

    #[test]
    fn hosts_as_measured() {
        for (text, nginx, apache) in [
            ("a", true, true),
            ("a:80", true, true),
            ("[::1]:80", true, true),
            ("", false, false),
            ("a b", false, false),
            ("a/b", false, false),
            ("a_b:8x", true, false),
        ] {
            let ok = |family| host_is_valid(text.as_bytes(), family);
            assert_eq!((ok(Family::Nginx), ok(Family::Apache)), (nginx, apache), "{text}");
        }
    }
}
