//! A list of fields as a request.

use super::super::head::{Header, Reject, RequestLine, token};
use super::super::request::{Connection, Request};
use super::super::server::Family;
use super::super::target;
use super::hpack::Field;

/// Fields that are not allowed (RFC 9113 §8.2.2).
const FORBIDDEN: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// What became of a list.
pub(super) enum Message {
    /// A request.
    Request(Box<Request>),
    /// One that the server answers with a page of its own.
    Refused(Reject, Box<Request>),
    /// None at all.
    Malformed,
}

/// First letters of the pseudo-fields in the order they came in: what clients differ in.
pub(super) fn order(fields: &[Field]) -> String {
    let letters: Vec<String> = fields
        .iter()
        .take(8)
        .filter_map(|(name, _)| name.strip_prefix(b":")?.first().map(|c| char::from(*c).to_string()))
        .collect();
    letters.join(",")
}

/// Judges a list of fields as a server of this family does.
pub(super) fn judge(fields: Vec<Field>, family: Family, secure: bool, port: u16) -> Message {
    let mut request = Request { secure, local_port: port, ..Request::default() };
    request.line.version = (2, 0);
    request.connection = Connection { keep: true, asked: false };
    let (mut method, mut path, mut authority, mut scheme) = (None, None, None, None);
    for (name, value) in fields {
        let slot = match name.as_slice() {
            b":method" => &mut method,
            b":path" => &mut path,
            b":authority" => &mut authority,
            b":scheme" => &mut scheme,
            plain => {
                let lower = plain.iter().all(|c| token(*c) && !c.is_ascii_uppercase());
                let clean = value.iter().all(|c| !matches!(c, 0 | b'\r' | b'\n'));
                if plain.is_empty() || !lower || !clean || FORBIDDEN.contains(&plain) {
                    return Message::Malformed;
                }
                request.headers.push(Header { name, value: value.trim_ascii().to_vec() });
                continue;
            }
        };
        // After the others, or twice.
        if !request.headers.is_empty() || slot.replace(value).is_some() {
            return Message::Malformed;
        }
    }
    let whole = method.is_some() && path.is_some() && scheme.is_some();
    request.line =
        RequestLine { method: method.unwrap_or_default(), target: path.unwrap_or_default(), version: (2, 0) };
    if !whole {
        // nginx shows its page where the others reset the stream.
        return match family {
            Family::Nginx => Message::Refused(bad(), Box::new(request)),
            _ => Message::Malformed,
        };
    }
    if request.line.method.is_empty() || !request.line.method.iter().all(|c| token(*c)) {
        return Message::Malformed;
    }
    let host = authority.or_else(|| request.header("host").map(<[u8]>::to_vec));
    match host {
        Some(host) if family == Family::Go || target::host_is_valid(&host, family) => {
            let (name, port) = target::split_port(&host);
            request.host = Some(String::from_utf8_lossy(name).to_ascii_lowercase());
            request.port = port.and_then(|p| p.parse().ok());
        }
        None if family == Family::Go => {}
        _ => return Message::Refused(bad(), Box::new(request)),
    }
    let parsed = target::parse(&request.line.method, &request.line.target, family);
    match parsed {
        Ok(parsed) => {
            request.target = parsed;
            Message::Request(Box::new(request))
        }
        Err(reject) => Message::Refused(reject, Box::new(request)),
    }
}

fn bad() -> Reject {
    super::super::head::reject(400, super::super::head::Why::Host)
}
