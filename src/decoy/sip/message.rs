//! Requests (RFC 3261 §7), as far as an answer needs them.

/// Longest message over TCP: pjsip takes no more either.
pub(super) const MESSAGE_MAX: usize = 64_000;
/// Most header lines.
const HEADERS_MAX: usize = 128;
/// Most `Via` headers that an answer repeats.
const VIAS_MAX: usize = 16;

/// One request.
#[derive(Debug, Default)]
pub(super) struct Request<'m> {
    pub(super) method: &'m str,
    pub(super) uri: &'m str,
    /// The outermost first.
    pub(super) vias: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) cseq: String,
    pub(super) contact: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) authorization: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) body: &'m [u8],
}

/// How much of `bytes` one message takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// This much.
    Whole(usize),
    /// Its head is not all there.
    More,
    /// It will take this much.
    Until(usize),
    /// It never will be one.
    TooLong,
}

/// Finds the end of the message that a stream begins with (RFC 3261 §18.3). The first `seen` bytes were looked
/// at before, in vain.
pub(super) fn frame(bytes: &[u8], seen: usize) -> Framed {
    // A blank line between two messages keeps the connection alive and says nothing.
    if bytes.starts_with(b"\r\n") || bytes.starts_with(b"\n") {
        let end = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        return Framed::Whole(end);
    }
    // An end may have begun in what was seen.
    let from = seen.saturating_sub(3).min(bytes.len());
    let Some(head) = bytes.get(from..).and_then(head_end).map(|end| end.saturating_add(from)) else {
        return if bytes.len() >= MESSAGE_MAX { Framed::TooLong } else { Framed::More };
    };
    let text = bytes.get(..head).map(String::from_utf8_lossy).unwrap_or_default();
    let length = text.lines().take(HEADERS_MAX).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        let ours = name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l");
        ours.then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let Some(whole) = head.checked_add(length.unwrap_or(0)).filter(|n| *n <= MESSAGE_MAX) else {
        return Framed::TooLong;
    };
    if bytes.len() >= whole { Framed::Whole(whole) } else { Framed::Until(whole) }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let crlf = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at.saturating_add(4));
    let lf = bytes.windows(2).position(|w| w == b"\n\n").map(|at| at.saturating_add(2));
    match (crlf, lf) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl<'m> Request<'m> {
    /// Reads a message; none when it is no request that pjsip would look at.
    pub(super) fn parse(bytes: &'m [u8]) -> Option<Self> {
        let end = head_end(bytes).unwrap_or(bytes.len());
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let mut words = lines.next()?.split(' ').filter(|word| !word.is_empty());
        let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
        let scheme = uri.get(..uri.find(':')?)?;
        let known = ["sip", "sips", "tel"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
        if !known || version != "SIP/2.0" || words.next().is_some() || !method.bytes().all(token) {
            return None;
        }
        let mut request = Self { method, uri, body: bytes.get(end..)?, ..Self::default() };
        let mut last: Option<(&str, String)> = None;
        for line in lines.take(HEADERS_MAX) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = &mut last {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                continue;
            }
            if let Some((name, value)) = last.take() {
                request.header(name, value);
            }
            last = line.split_once(':').map(|(name, value)| (name.trim(), value.trim().to_owned()));
        }
        if let Some((name, value)) = last {
            request.header(name, value);
        }
        let mandatory = [&request.from, &request.to, &request.call_id, &request.cseq];
        let (number, sequenced) = request.cseq.split_once(' ')?;
        let fits = number.parse::<u32>().is_ok() && sequenced.trim() == method;
        (!request.vias.is_empty() && mandatory.iter().all(|h| !h.is_empty()) && fits).then_some(request)
    }

    fn header(&mut self, name: &str, value: String) {
        let lower = name.to_ascii_lowercase();
        let slot = match lower.as_str() {
            "v" | "via" => {
                let left = VIAS_MAX.saturating_sub(self.vias.len());
                let each = value.split(',').map(str::trim).filter(|via| !via.is_empty());
                self.vias.extend(each.take(left).map(str::to_owned));
                return;
            }
            "f" | "from" => &mut self.from,
            "t" | "to" => &mut self.to,
            "i" | "call-id" => &mut self.call_id,
            "cseq" => {
                // One blank, however many there were.
                self.cseq = value.split_whitespace().collect::<Vec<_>>().join(" ");
                return;
            }
            "m" | "contact" => self.contact.get_or_insert_default(),
            "user-agent" => self.user_agent.get_or_insert_default(),
            "authorization" | "proxy-authorization" => self.authorization.get_or_insert_default(),
            "expires" => self.expires.get_or_insert_default(),
            _ => return,
        };
        if slot.is_empty() {
            *slot = value;
        }
    }

    /// The branch of the outermost `Via`.
    pub(super) fn branch(&self) -> &str {
        self.vias.first().and_then(|via| param(via, "branch")).unwrap_or("z9hG4bK")
    }
}

/// A parameter of a header's value.
pub(super) fn param<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let params = value.rsplit_once('>').map_or(value, |(_, params)| params);
    params.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The user of a `sip:user@host` in a header's value, or in a URI.
pub(super) fn user_of(value: &str) -> &str {
    let uri = value.split_once('<').map_or(value, |(_, rest)| rest);
    let uri = uri.split_once('>').map_or(uri, |(uri, _)| uri);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    match rest.split_once('@') {
        Some((user, _)) => user.split([':', ';']).next().unwrap_or(user),
        None if uri.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("tel:")) => rest,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:100@x SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bKx;rport, SIP/2.0/TCP b\r\nf: \"A\" \
        <sip:bob@x>;tag=1\r\nt:<sip:100@x>\r\ni: 9\r\nCSeq:  7   OPTIONS\r\nContact: <sip:bob@a>\r\nl: 2\r\n\r\nhi";

    #[test]
    fn compact_and_long_forms_are_one() {
        let request = Request::parse(OPTIONS).unwrap();
        assert_eq!((request.method, request.uri, request.body), ("OPTIONS", "sip:100@x", &b"hi"[..]));
        assert_eq!((request.vias.len(), request.branch()), (2, "z9hG4bKx"));
        assert_eq!((request.cseq.as_str(), request.call_id.as_str()), ("7 OPTIONS", "9"));
        assert_eq!((user_of(&request.from), user_of(request.uri), user_of("sip:nm")), ("bob", "100", ""));
        assert_eq!(frame(OPTIONS, 0), Framed::Whole(OPTIONS.len()));
        assert_eq!(frame(&OPTIONS[..OPTIONS.len() - 1], 0), Framed::Until(OPTIONS.len()));
        assert_eq!(frame(b"OPTIONS sip:x SIP/2.0\r\n", 9), Framed::More);
        assert_eq!(frame(b"A x\r\n\r\n", 5), Framed::Whole(7));
        assert_eq!(frame(b"\r\n\r\nOPTIONS", 0), Framed::Whole(4));
        assert_eq!(frame(b"A\r\nContent-Length: 18446744073709551615\r\n\r\n", 0), Framed::TooLong);
    }

    #[test]
    fn what_lacks_a_header_is_no_request() {
        let text = String::from_utf8(OPTIONS.to_vec()).unwrap();
        for (old, new) in [
            ("v: ", "x: "),
            ("f: ", "x: "),
            ("t:", "x:"),
            ("i: ", "x: "),
            ("7   OPTIONS", "7 INVITE"),
            ("7   OPTIONS", "99999999999 OPTIONS"),
            (" SIP/2.0\r\nv", " SIP/3.0\r\nv"),
            ("sip:100@x SIP", "http://x SIP"),
        ] {
            assert!(Request::parse(text.replace(old, new).as_bytes()).is_none(), "{new}");
        }
        assert!(Request::parse(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_none());
    }
}
