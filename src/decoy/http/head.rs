//! Request line and header fields, read as each family of servers reads them.
//!
//! Pure: lines in, values or a [`Reject`] out. Where servers differ on bad input is exactly where a
//! library gives a decoy away, so nothing is cleaned up here.

use super::server::Family;

/// Longest request line and header line of all families.
pub(in crate::decoy) const LINE_MAX: usize = 8190;

/// A request that is answered with an error before anyone looks at what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoy) struct Reject {
    /// Status to answer.
    pub(in crate::decoy) status: u16,
    /// What exactly, for servers that say so.
    pub(in crate::decoy) why: Why,
    /// Whether the server already knows which host was meant (Apache signs its page with it).
    pub(in crate::decoy) host_known: bool,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoy) enum Why {
    /// The request line.
    Line,
    /// The method.
    Verb,
    /// The version.
    Version,
    /// The request target.
    Url,
    /// A header line.
    Header,
    /// `Host` is missing, double or broken.
    Host,
    /// `Host` is no host name, for servers that tell that from a missing one.
    HostName,
    /// A header line is too long, or all of them are.
    HeaderSize,
    /// There are too many header lines.
    HeaderCount,
    /// Framing of the body.
    Length,
    /// A transfer coding the server does not know.
    Coding,
}

/// Shorthand: a [`Reject`] whose host is not known.
pub(in crate::decoy) fn reject(status: u16, why: Why) -> Reject {
    Reject { status, why, host_known: false }
}

/// The first line of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decoy) struct RequestLine {
    /// Method as sent.
    pub(in crate::decoy) method: Vec<u8>,
    /// Target as sent.
    pub(in crate::decoy) target: Vec<u8>,
    /// Major and minor version; (0, 9) when there is none.
    pub(in crate::decoy) version: (u16, u16),
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decoy) struct Header {
    /// Name as sent.
    pub(in crate::decoy) name: Vec<u8>,
    /// Value without blanks around it.
    pub(in crate::decoy) value: Vec<u8>,
}

/// Looks at an unfinished request line: what a server refuses before it saw the end of it.
pub(in crate::decoy) fn early(partial: &[u8], family: Family) -> Option<Reject> {
    if partial.len() > LINE_MAX && !partial[..LINE_MAX].contains(&b'\n') {
        return Some(too_long(family));
    }
    let letter = |c: &u8| c.is_ascii_uppercase() || matches!(c, b'_' | b'-');
    match family {
        // nginx reads byte by byte and stops at the first one that cannot be a method.
        Family::Nginx => {
            let method = partial.iter().take(64).take_while(|c| **c != b' ');
            method.into_iter().find(|c| !letter(c)).map(|_| reject(400, Why::Verb))
        }
        Family::Iis => partial.first().filter(|c| !c.is_ascii_alphabetic()).map(|_| reject(400, Why::Verb)),
        Family::Tomcat => partial.first().filter(|c| !c.is_ascii_graphic()).map(|_| reject(400, Why::Verb)),
        _ => None,
    }
}

/// What a server says to a request line without an end.
pub(in crate::decoy) fn too_long(family: Family) -> Reject {
    match family {
        Family::Go => reject(431, Why::HeaderSize),
        Family::Netty => reject(400, Why::HeaderSize),
        _ => reject(414, Why::Line),
    }
}

/// Reads a request line without its line end. `strict_end` says whether it ended in CR LF.
pub(in crate::decoy) fn request_line(
    line: &[u8],
    strict_end: bool,
    family: Family,
) -> Result<RequestLine, Reject> {
    match family {
        Family::Nginx => nginx_line(line),
        Family::Apache => strict_line(line, strict_end),
        Family::Go => go_line(line),
        Family::Netty => netty_line(line),
        _ => {
            let parsed = strict_line(line, true)?;
            if parsed.version == (0, 9) {
                return Err(reject(400, Why::Version));
            }
            let unknown = parsed.version.0 != 1;
            if unknown { Err(reject(505, Why::Version)) } else { Ok(parsed) }
        }
    }
}

fn nginx_line(line: &[u8]) -> Result<RequestLine, Reject> {
    let bad = |why| Err(reject(400, why));
    let mut words = line.split(|c| *c == b' ').filter(|w| !w.is_empty());
    let method = words.next().unwrap_or_default();
    if method.is_empty() || !method.iter().all(|c| c.is_ascii_uppercase() || matches!(c, b'_' | b'-')) {
        return bad(Why::Verb);
    }
    let Some(target) = words.next() else { return bad(Why::Line) };
    if target.iter().any(|c| *c < 0x20 || *c == 0x7f)
        || !(target.starts_with(b"/") || scheme(target).is_some())
    {
        return bad(Why::Url);
    }
    let version = match words.next() {
        None => (0, 9),
        Some(word) => nginx_version(word).ok_or(reject(400, Why::Version))?,
    };
    if words.next().is_some() {
        return bad(Why::Line);
    }
    if version == (0, 9) && method != b"GET" {
        return bad(Why::Line);
    }
    if version.0 > 1 {
        return Err(reject(505, Why::Version));
    }
    Ok(RequestLine { method: method.to_vec(), target: target.to_vec(), version })
}

fn nginx_version(word: &[u8]) -> Option<(u16, u16)> {
    let text = std::str::from_utf8(word.strip_prefix(b"HTTP/")?).ok()?;
    let (major, minor) = text.split_once('.')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
    if !digits(major) || !digits(minor) || major.starts_with('0') {
        return None;
    }
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    (major <= 99 && minor <= 999).then_some((major, minor))
}

/// Apache's strict mode: one blank between words, `HTTP/` digit `.` digit, CR LF at the end.
fn strict_line(line: &[u8], strict_end: bool) -> Result<RequestLine, Reject> {
    let bad = |why| Err(reject(400, why));
    let words: Vec<&[u8]> = line.split(|c| *c == b' ').take(4).collect();
    let (method, target, version) = match words.as_slice() {
        [m, t] => (*m, *t, (0, 9)),
        [m, t, v] => match v {
            [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if (b'1'..=b'9').contains(a) && b.is_ascii_digit() => {
                (*m, *t, (u16::from(a - b'0'), u16::from(b - b'0')))
            }
            _ => return bad(Why::Version),
        },
        _ => return bad(Why::Line),
    };
    if method.is_empty() || !method.iter().all(|c| token(*c)) {
        return bad(Why::Verb);
    }
    if target.is_empty() || target.iter().any(|c| *c <= 0x20 || *c == 0x7f) {
        return bad(Why::Url);
    }
    if !strict_end || (version == (0, 9) && method != b"GET") {
        return bad(Why::Line);
    }
    Ok(RequestLine { method: method.to_vec(), target: target.to_vec(), version })
}

/// Two blanks make three parts, and the last one must be a version.
fn go_line(line: &[u8]) -> Result<RequestLine, Reject> {
    let mut words = line.splitn(3, |c| *c == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(reject(400, Why::Line));
    };
    if method.is_empty() || !method.iter().all(|c| token(*c)) {
        return Err(reject(400, Why::Verb));
    }
    let version = match version {
        [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit() => {
            (u16::from(a - b'0'), u16::from(b - b'0'))
        }
        _ => return Err(reject(400, Why::Line)),
    };
    // The preface of HTTP/2 is let through to whoever answers requests.
    let preface = version == (2, 0) && method == b"PRI" && target == b"*";
    if version.0 != 1 && !preface {
        return Err(reject(505, Why::Version));
    }
    if target.is_empty() || target.iter().any(|c| *c < 0x20 || *c == 0x7f) {
        return Err(reject(400, Why::Line));
    }
    Ok(RequestLine { method: method.to_vec(), target: target.to_vec(), version })
}

/// Any blanks between words; what is not there is empty.
fn netty_line(line: &[u8]) -> Result<RequestLine, Reject> {
    let mut words = line.split(|c| matches!(c, b' ' | b'\t' | 0x0b | 0x0c)).filter(|w| !w.is_empty());
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = match words.next().unwrap_or_default().to_ascii_uppercase().as_slice() {
        b"" => return Err(reject(400, Why::Line)),
        b"HTTP/1.0" => (1, 0),
        b"HTTP/1.1" => (1, 1),
        _ => return Err(reject(505, Why::Version)),
    };
    Ok(RequestLine { method: method.to_vec(), target: target.to_vec(), version })
}

/// The scheme of an absolute target.
pub(in crate::decoy) fn scheme(target: &[u8]) -> Option<&[u8]> {
    let at = target.windows(3).position(|w| w == b"://")?;
    let name = &target[..at];
    let ok = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    ok.then_some(name)
}

/// A character of a token (RFC 9110 §5.6.2).
pub(in crate::decoy) fn token(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}

/// Reads one header line without its line end into `headers`.
pub(in crate::decoy) fn header_line(
    line: &[u8],
    strict_end: bool,
    family: Family,
    headers: &mut Vec<Header>,
) -> Result<(), Reject> {
    let bad = Err(reject(400, Why::Header));
    let blank = |c: &u8| matches!(c, b' ' | b'\t');
    if line.contains(&0) || (family == Family::Apache && !strict_end) {
        return bad;
    }
    if line.first().is_some_and(blank) {
        // Few still unfold (RFC 9112 §5.2).
        return match (family, headers.last_mut()) {
            (Family::Apache | Family::Go | Family::Netty, Some(last)) => {
                last.value.push(b' ');
                last.value.extend_from_slice(line.trim_ascii());
                Ok(())
            }
            _ => bad,
        };
    }
    let Some(colon) = line.iter().position(|c| *c == b':') else {
        if family == Family::Go {
            return Err(reject(400, Why::Line));
        }
        let ignored = family == Family::Nginx && line.iter().all(|c| *c > 0x20 && *c != 0x7f);
        return if ignored { Ok(()) } else { bad };
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let fits = match family {
        Family::Nginx => !name.is_empty() && name.iter().all(|c| *c > 0x20 && *c != 0x7f),
        _ => !name.is_empty() && name.iter().all(|c| token(*c)),
    };
    if !fits {
        return bad;
    }
    headers.push(Header { name: name.to_vec(), value: value.to_vec() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, family: Family) -> Result<(String, String, (u16, u16)), u16> {
        let text = text.as_bytes();
        request_line(text, true, family)
            .map(|l| {
                let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
                (text(l.method), text(l.target), l.version)
            })
            .map_err(|r| r.status)
    }

    #[test]
    fn request_lines_as_measured() {
        let ok = |m: &str, t: &str, v| Ok((m.to_owned(), t.to_owned(), v));
        let cases = [
            ("GET / HTTP/1.1", ok("GET", "/", (1, 1)), ok("GET", "/", (1, 1))),
            ("GET /", ok("GET", "/", (0, 9)), ok("GET", "/", (0, 9))),
            ("HEAD /", Err(400), Err(400)),
            ("GET / HTTP/2.0", Err(505), ok("GET", "/", (2, 0))),
            ("GET / HTTP/1.2", ok("GET", "/", (1, 2)), ok("GET", "/", (1, 2))),
            ("GET / HTTP/0.9", Err(400), Err(400)),
            ("GET / HTTP/01.1", Err(400), Err(400)),
            ("GET / HTTP/1", Err(400), Err(400)),
            ("get / HTTP/1.1", Err(400), ok("get", "/", (1, 1))),
            ("GET  /nope  HTTP/1.1", ok("GET", "/nope", (1, 1)), Err(400)),
            ("GET\t/nope\tHTTP/1.1", Err(400), Err(400)),
            ("GET /a b HTTP/1.1", Err(400), Err(400)),
            ("GET nope HTTP/1.1", Err(400), ok("GET", "nope", (1, 1))),
            ("GET", Err(400), Err(400)),
            ("", Err(400), Err(400)),
        ];
        for (text, nginx, apache) in cases {
            assert_eq!(line(text, Family::Nginx), nginx, "nginx: {text}");
            assert_eq!(line(text, Family::Apache), apache, "apache: {text}");
        }
    }

    #[test]
    fn header_lines_as_measured() {
        for (text, nginx, apache) in [
            ("X: foo", true, true),
            ("foo", true, false),
            (": foo", false, false),
            ("X : foo", false, false),
            ("X\u{1}: foo", false, false),
            ("X: \0", false, false),
            ("a/b: c", true, false),
        ] {
            let read = |family| header_line(text.as_bytes(), true, family, &mut Vec::new()).is_ok();
            assert_eq!((read(Family::Nginx), read(Family::Apache)), (nginx, apache), "{text:?}");
        }
        let mut headers = vec![Header { name: b"X".to_vec(), value: b"foo".to_vec() }];
        assert!(header_line(b" bar", true, Family::Nginx, &mut headers).is_err());
        header_line(b" bar", true, Family::Apache, &mut headers).unwrap();
        assert_eq!(headers[0].value, b"foo bar");
    }

    #[test]
    fn nginx_refuses_the_first_wrong_byte() {
        assert!(early(b"\x16\x03", Family::Nginx).is_some());
        assert!(early(b"GE", Family::Nginx).is_none());
        assert!(early(b"\x16\x03", Family::Apache).is_none());
        assert_eq!(early(&[b'A'; 9000], Family::Apache).map(|r| r.status), Some(414));
    }
}
