//! A whole request head, judged: host, framing of the body, keep-alive.

use super::head::{Header, Reject, RequestLine, Why, reject};
use super::server::Family;
use super::target::{self, Target, host_is_valid, split_port};

/// How the body is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::decoy) enum Framing {
    /// There is none.
    #[default]
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What the client said about the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::decoy) struct Connection {
    /// It stays open after the answer.
    pub(in crate::decoy) keep: bool,
    /// The client asked for that by name.
    pub(in crate::decoy) asked: bool,
}

/// A request whose head was accepted.
#[derive(Clone, Debug, Default)]
pub(in crate::decoy) struct Request {
    /// First line.
    pub(in crate::decoy) line: RequestLine,
    /// Header fields in order.
    pub(in crate::decoy) headers: Vec<Header>,
    /// The target, taken apart.
    pub(in crate::decoy) target: Target,
    /// Host the client named, without port.
    pub(in crate::decoy) host: Option<String>,
    /// Port the client named.
    pub(in crate::decoy) port: Option<u16>,
    /// The port the connection came to.
    pub(in crate::decoy) local_port: u16,
    /// Whether it came over TLS.
    pub(in crate::decoy) secure: bool,
    /// How the body is delimited.
    pub(in crate::decoy) framing: Framing,
    /// What happens to the connection.
    pub(in crate::decoy) connection: Connection,
    /// `Expect: 100-continue`.
    pub(in crate::decoy) expects_continue: bool,
}

/// Header lines that nginx takes only once.
const ONCE: &[&str] = &[
    "host",
    "content-length",
    "if-modified-since",
    "if-unmodified-since",
    "if-match",
    "if-none-match",
    "if-range",
    "content-range",
    "expect",
    "authorization",
];

impl Request {
    /// Judges a head. On error the line and headers are given back by the caller's copies.
    pub(in crate::decoy) fn judge(
        line: RequestLine,
        headers: Vec<Header>,
        family: Family,
    ) -> Result<Self, Reject> {
        let mut request = Self { line, headers, ..Self::default() };
        let modern = request.line.version >= (1, 1);
        if family == Family::Nginx && ONCE.iter().any(|name| request.count(name) > 1) {
            return Err(reject(400, Why::Header));
        }
        request.find_host(family, modern)?;
        request.find_framing(family, modern)?;
        request.find_connection(family, modern);
        request.expects_continue =
            modern && request.header("expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
        request.target = target::parse(&request.line.method, &request.line.target, family)?;
        if let Some(host) = request.target.host.clone() {
            request.set_host(&host);
        }
        Ok(request)
    }

    /// First value of a header; the name in lower case.
    pub(in crate::decoy) fn header(&self, name: &str) -> Option<&[u8]> {
        let same = |h: &&Header| h.name.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().find(same).map(|h| h.value.as_slice())
    }

    /// First value of a header as text, when it is text.
    pub(in crate::decoy) fn text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |h: &&Header| h.name.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(same).map(|h| h.value.as_slice())
    }

    fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// Whether the method is this one.
    pub(in crate::decoy) fn is(&self, method: &str) -> bool {
        self.line.method == method.as_bytes()
    }

    /// `HEAD`, whose answer has no body.
    pub(in crate::decoy) fn is_head(&self) -> bool {
        self.is("HEAD")
    }

    /// The method as text.
    pub(in crate::decoy) fn method(&self) -> String {
        String::from_utf8_lossy(&self.line.method).into_owned()
    }

    /// Path without a query, as text.
    pub(in crate::decoy) fn path(&self) -> String {
        String::from_utf8_lossy(&self.target.path).into_owned()
    }

    /// The scheme it came by, and the port that goes without saying there.
    pub(in crate::decoy) fn scheme(&self) -> (&'static str, u16) {
        if self.secure { ("https", 443) } else { ("http", 80) }
    }

    /// The first value of a parameter of the query, decoded.
    pub(in crate::decoy) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.query.as_deref()?;
        super::credentials::field(query, name).map(|v| String::from_utf8_lossy(&v).into_owned())
    }

    /// Whether a parameter is there and not `false` or `0`.
    pub(in crate::decoy) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|v| !matches!(v.as_str(), "false" | "0"))
    }

    fn set_host(&mut self, value: &[u8]) {
        let (name, port) = split_port(value);
        self.host = Some(String::from_utf8_lossy(name).to_ascii_lowercase());
        self.port = port.and_then(|p| p.parse().ok());
    }

    fn find_host(&mut self, family: Family, modern: bool) -> Result<(), Reject> {
        let hosts: Vec<Vec<u8>> = self.values("host").take(2).map(<[u8]>::to_vec).collect();
        if family == Family::Go {
            return self.find_host_as_go(&hosts, modern);
        }
        if family == Family::Netty {
            if let [host, ..] = hosts.as_slice() {
                self.set_host(host);
            }
            return Ok(());
        }
        let absolute = super::head::scheme(&self.line.target).is_some();
        let bad = Err(Reject { host_known: absolute, ..reject(400, Why::Host) });
        match hosts.as_slice() {
            [] if modern => bad,
            [] => Ok(()),
            [host] if host_is_valid(host, family) => {
                self.set_host(host);
                Ok(())
            }
            _ => bad,
        }
    }

    fn find_host_as_go(&mut self, hosts: &[Vec<u8>], modern: bool) -> Result<(), Reject> {
        match hosts {
            [] if modern && !self.is("PRI") => Err(reject(400, Why::Host)),
            [] => Ok(()),
            [host] => {
                let wrong = |c: &u8| *c <= 0x20 || *c >= 0x7f || b"\"/<>?@\\^`{|}#".contains(c);
                if host.iter().any(wrong) {
                    return Err(reject(400, Why::HostName));
                }
                self.set_host(host);
                Ok(())
            }
            _ => Err(reject(400, Why::Line)),
        }
    }

    fn find_framing(&mut self, family: Family, modern: bool) -> Result<(), Reject> {
        let bad = Err(reject(400, Why::Length));
        let length = match self.values("content-length").collect::<Vec<_>>().as_slice() {
            [] => None,
            [one] => Some(content_length(one).ok_or(reject(400, Why::Length))?),
            _ => return bad,
        };
        let coding = self.values("transfer-encoding").last().map(<[u8]>::to_ascii_lowercase);
        self.framing = match (coding, length) {
            (None, None) => Framing::Empty,
            (None, Some(0)) => Framing::Empty,
            (None, Some(length)) => Framing::Length(length),
            (Some(coding), length) => {
                let strict = family == Family::Nginx;
                if strict && (length.is_some() || !modern) {
                    return bad;
                }
                if !coding.ends_with(b"chunked") {
                    return if family == Family::Apache { bad } else { Err(reject(501, Why::Coding)) };
                }
                if coding != b"chunked" && family != Family::Apache {
                    return Err(reject(501, Why::Coding));
                }
                Framing::Chunked
            }
        };
        Ok(())
    }

    fn find_connection(&mut self, family: Family, modern: bool) {
        let value = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        let says = |word: &[u8]| match family {
            Family::Nginx => value.windows(word.len()).any(|w| w == word),
            _ => value.split(|c| *c == b',').any(|t| t.trim_ascii() == word),
        };
        let asked = says(b"keep-alive");
        // Apache drops the connection where two framings, or one too new for the version, meet.
        let doubtful = self.framing == Framing::Chunked && (!modern || self.count("content-length") > 0);
        let keep = !says(b"close") && (modern || asked) && self.line.version != (0, 9) && !doubtful;
        self.connection = Connection { keep, asked };
    }
}

fn content_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::http::head::{header_line, request_line};

    fn judge(text: &str, family: Family) -> Result<Request, u16> {
        let mut lines = text.lines();
        let line = request_line(lines.next().unwrap().as_bytes(), true, family).map_err(|r| r.status)?;
        let mut headers = Vec::new();
        for l in lines {
            header_line(l.as_bytes(), true, family, &mut headers).map_err(|r| r.status)?;
        }
        Request::judge(line, headers, family).map_err(|r| r.status)
    }

    #[test]
    fn framing_as_measured() {
        for (headers, nginx, apache) in [
            ("Content-Length: x", Err(400), Err(400)),
            ("Content-Length: -1", Err(400), Err(400)),
            ("Content-Length: 99999999999999999999999", Err(400), Err(400)),
            ("Content-Length: 2\nContent-Length: 2", Err(400), Err(400)),
            ("Content-Length: 2", Ok(Framing::Length(2)), Ok(Framing::Length(2))),
            ("Transfer-Encoding: chunked", Ok(Framing::Chunked), Ok(Framing::Chunked)),
            ("Content-Length: 2\nTransfer-Encoding: chunked", Err(400), Ok(Framing::Chunked)),
            ("Transfer-Encoding: identity", Err(501), Err(400)),
            ("Transfer-Encoding: gzip, chunked", Err(501), Ok(Framing::Chunked)),
        ] {
            let text = format!("POST / HTTP/1.1\nHost: a\n{headers}");
            let got = |f| judge(&text, f).map(|r| r.framing);
            assert_eq!((got(Family::Nginx), got(Family::Apache)), (nginx, apache), "{headers}");
        }
    }

    #[test]
    fn connection_as_measured() {
        for (text, keep, asked) in [
            ("GET / HTTP/1.1\nHost: a", true, false),
            ("GET / HTTP/1.1\nHost: a\nConnection: close", false, false),
            ("GET / HTTP/1.1\nHost: a\nConnection: foo, Keep-Alive", true, true),
            ("GET / HTTP/1.0", false, false),
            ("GET / HTTP/1.0\nConnection: keep-alive", true, true),
        ] {
            for family in [Family::Nginx, Family::Apache] {
                assert_eq!(judge(text, family).unwrap().connection, Connection { keep, asked }, "{text}");
            }
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(judge("GET / HTTP/1.1", Family::Nginx).unwrap_err(), 400);
        assert_eq!(judge("GET http://a/ HTTP/1.1", Family::Apache).unwrap_err(), 400);
        assert_eq!(judge("GET / HTTP/1.1\nHost: a\nHost: b", Family::Apache).unwrap_err(), 400);
        let request = judge("GET http://B:81/ HTTP/1.1\nHost: a", Family::Nginx).unwrap();
        assert_eq!((request.host.as_deref(), request.port), (Some("b"), Some(81)));
    }
}
