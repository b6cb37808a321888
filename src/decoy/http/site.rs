//! Static files: what a path names, conditions, ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::request::Request;
use super::response::{Body, Response, Stamp, parse_date};
use super::server::Family;

/// Most ranges answered in one response; more of them get the whole file.
const RANGES_MAX: usize = 8;

/// One file of the site.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// `Content-Type`.
    pub(super) kind: String,
    /// Content.
    pub(super) bytes: Arc<[u8]>,
    /// Modified, microseconds since 1970.
    pub(super) micros: i64,
    /// Status it is served with; 200 but for distributions' test pages.
    pub(super) status: u16,
}

/// What a path names.
pub(super) enum Found<'a> {
    /// A file.
    File(&'a Resource),
    /// A directory without an index page.
    Directory,
    /// A directory named without its final slash.
    Slashless,
    /// Nothing.
    Nothing,
}

/// All files by absolute path.
#[derive(Clone, Debug, Default)]
pub(super) struct Site(BTreeMap<Vec<u8>, Resource>);

impl Site {
    /// Adds a file.
    pub(super) fn add(&mut self, path: impl Into<Vec<u8>>, resource: Resource) {
        self.0.insert(path.into(), resource);
    }

    /// Puts these files over those of `under`; an index page hides the one below.
    pub(super) fn cover(self, under: &mut Self) {
        if self.0.contains_key(b"/index.html".as_slice()) || self.0.contains_key(b"/index.htm".as_slice()) {
            under.0.clear();
        }
        under.0.extend(self.0);
    }

    /// Looks a decoded path up.
    pub(super) fn find(&self, path: &[u8]) -> Found<'_> {
        if let Some(file) = self.0.get(path) {
            return Found::File(file);
        }
        if path.ends_with(b"/") {
            for index in ["index.html", "index.htm"] {
                if let Some(file) = self.0.get([path, index.as_bytes()].concat().as_slice()) {
                    return Found::File(file);
                }
            }
            return if path == b"/" || self.has_under(path) { Found::Directory } else { Found::Nothing };
        }
        if self.has_under(&[path, b"/"].concat()) { Found::Slashless } else { Found::Nothing }
    }

    /// Names directly inside a directory, directories with their slash.
    pub(super) fn names(&self, dir: &[u8]) -> Vec<(String, Option<&Resource>)> {
        let mut names: BTreeMap<String, Option<&Resource>> = BTreeMap::new();
        for (path, file) in self.0.range(dir.to_vec()..).take_while(|(p, _)| p.starts_with(dir)) {
            let rest = path.get(dir.len()..).unwrap_or_default();
            let slash = rest.iter().position(|c| *c == b'/');
            let name = String::from_utf8_lossy(&rest[..slash.map_or(rest.len(), |at| at + 1)]).into_owned();
            names.insert(name, slash.is_none().then_some(file));
        }
        names.into_iter().collect()
    }

    fn has_under(&self, dir: &[u8]) -> bool {
        self.0.range(dir.to_vec()..).next().is_some_and(|(p, _)| p.starts_with(dir))
    }
}

impl Resource {
    fn stamp(&self, family: Family) -> Stamp {
        let (size, modified) = (self.bytes.len(), self.micros.div_euclid(1_000_000));
        let etag = match family {
            Family::Apache => format!("\"{size:x}-{:x}\"", self.micros),
            Family::Tomcat => format!("W/\"{size}-{}\"", modified.saturating_mul(1000)),
            // IIS: file time in 100 ns since 1601, and a change number.
            Family::Iis => {
                let ticks = self.micros.saturating_add(11_644_473_600_000_000).saturating_mul(10);
                format!("\"{ticks:x}:0\"")
            }
            _ => format!("\"{modified:x}-{size:x}\""),
        };
        Stamp { modified, etag }
    }

    /// Answers a request for this file: whole, in part, not modified, or not under these conditions.
    pub(super) fn serve(&self, request: &Request, family: Family, now: i64) -> Response {
        let stamp = self.stamp(family);
        let whole = Response {
            kind: Some(self.kind.clone()),
            body: Body::Bytes(self.bytes.clone()),
            stamp: Some(stamp.clone()),
            ..Response::page(self.status)
        };
        if self.status != 200 {
            return whole;
        }
        if !self.holds(request, &stamp) {
            return match family {
                Family::Apache => Response { status: 412, body: Body::Bytes(Arc::from([])), ..whole },
                Family::Nginx => Response { hang_up: true, ..Response::page(412) },
                _ => Response::page(412),
            };
        }
        if fresh(request, &stamp, family, now) {
            return Response { status: 304, kind: None, body: Body::Bytes(Arc::from([])), ..whole };
        }
        let wanted = request.text("range").filter(|_| if_range(request, &stamp));
        match wanted.map_or(Ranges::Whole, |text| ranges(text, self.bytes.len(), family)) {
            Ranges::Whole => whole,
            Ranges::None => {
                let range = (family != Family::Apache).then(|| format!("bytes */{}", self.bytes.len()));
                Response { range, ..Response::page(416) }
            }
            Ranges::Some(parts) => self.part(&parts, whole, family),
        }
    }

    /// Whether `If-Match` and `If-Unmodified-Since` hold.
    fn holds(&self, request: &Request, stamp: &Stamp) -> bool {
        if let Some(tags) = request.text("if-match") {
            return tags.split(',').any(|t| t.trim() == "*" || t.trim() == stamp.etag);
        }
        let date = request.text("if-unmodified-since").and_then(parse_date);
        date.is_none_or(|limit| stamp.modified <= limit)
    }

    fn part(&self, parts: &[(usize, usize)], whole: Response, family: Family) -> Response {
        let size = self.bytes.len();
        let slice = |a: usize, b: usize| self.bytes.get(a..=b).unwrap_or_default();
        if let [(a, b)] = parts {
            let body = Body::Bytes(Arc::from(slice(*a, *b)));
            return Response { status: 206, body, range: Some(format!("bytes {a}-{b}/{size}")), ..whole };
        }
        let (mark, kind, range) = match family {
            Family::Apache => {
                let mixed = self.micros.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (format!("{mixed:016x}"), "Content-type", "Content-range")
            }
            _ => (format!("{:020}", self.micros % 1000), "Content-Type", "Content-Range"),
        };
        let mut body = Vec::new();
        for (a, b) in parts {
            let head =
                format!("\r\n--{mark}\r\n{kind}: {}\r\n{range}: bytes {a}-{b}/{size}\r\n\r\n", self.kind);
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(slice(*a, *b));
        }
        body.extend_from_slice(format!("\r\n--{mark}--\r\n").as_bytes());
        let kind = Some(format!("multipart/byteranges; boundary={mark}"));
        Response { status: 206, kind, body: Body::Bytes(body.into()), ..whole }
    }
}

/// Whether the client's copy is current.
fn fresh(request: &Request, stamp: &Stamp, family: Family, now: i64) -> bool {
    if !matches!(request.line.method.as_slice(), b"GET" | b"HEAD") {
        return false;
    }
    if let Some(tags) = request.text("if-none-match") {
        let plain = |t: &str| t.trim().trim_start_matches("W/").to_owned();
        return tags.split(',').any(|t| t.trim() == "*" || plain(t) == plain(&stamp.etag));
    }
    let since = request.text("if-modified-since").and_then(parse_date);
    since.is_some_and(|since| match family {
        // nginx compares exactly unless told otherwise.
        Family::Nginx => since == stamp.modified,
        _ => since >= stamp.modified && since <= now,
    })
}

fn if_range(request: &Request, stamp: &Stamp) -> bool {
    request.text("if-range").is_none_or(|v| v == stamp.etag || parse_date(v) == Some(stamp.modified))
}

enum Ranges {
    Whole,
    None,
    Some(Vec<(usize, usize)>),
}

fn ranges(text: &str, size: usize, family: Family) -> Ranges {
    let Some(list) = text.strip_prefix("bytes=") else { return Ranges::Whole };
    let malformed = if family == Family::Nginx { Ranges::None } else { Ranges::Whole };
    let mut parts = Vec::new();
    for item in list.split(',') {
        let Some((from, to)) = item.trim().split_once('-') else { return malformed };
        let number = |s: &str| if s.is_empty() { Some(None) } else { s.parse::<usize>().ok().map(Some) };
        let (Some(from), Some(to)) = (number(from), number(to)) else { return malformed };
        let (from, to) = match (from, to) {
            (None, None) => return malformed,
            (None, Some(last)) => (size.saturating_sub(last), size.saturating_sub(1)),
            (Some(from), to) => (from, to.map_or(usize::MAX, |t| t).min(size.saturating_sub(1))),
        };
        if from < size && from <= to {
            parts.push((from, to));
        }
        if parts.len() > RANGES_MAX {
            return Ranges::Whole;
        }
    }
    let total = parts.iter().fold(0usize, |sum, (a, b)| sum.saturating_add(b - a + 1));
    match parts.len() {
        0 => Ranges::None,
        n if n > 1 && total > size => Ranges::Whole,
        _ => Ranges::Some(parts),
    }
}

/// `Content-Type` by file name, as `mime.types` has it.
pub(super) fn kind_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" => "application/javascript",
        "json" => "application/json",
        "txt" | "log" | "conf" | "md" => "text/plain",
        "xml" => "text/xml",
        "csv" => "text/csv",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::http::head::Header;

    fn ask(headers: &[(&str, &str)], family: Family) -> Response {
        let file = Resource {
            kind: "text/plain".into(),
            bytes: Arc::from(*b"hello\n"),
            micros: 1_795_450_467_000_000,
            status: 200,
        };
        let mut request = Request::default();
        request.line.method = b"GET".to_vec();
        let header =
            |(n, v): &(&str, &str)| Header { name: n.as_bytes().to_vec(), value: v.as_bytes().to_vec() };
        request.headers = headers.iter().map(header).collect();
        file.serve(&request, family, 1_800_000_000)
    }

    #[test]
    fn ranges_as_measured() {
        for (range, status, content_range) in [
            ("bytes=1-3", 206, Some("bytes 1-3/6")),
            ("bytes=-2", 206, Some("bytes 4-5/6")),
            ("bytes=2-", 206, Some("bytes 2-5/6")),
            ("bytes=0-99", 206, Some("bytes 0-5/6")),
            ("bytes=90-99", 416, Some("bytes */6")),
            ("foo", 200, None),
            ("bytes=0-0,2-3", 206, None),
            ("bytes=0-18446744073709551616", 416, Some("bytes */6")),
        ] {
            let got = ask(&[("Range", range)], Family::Nginx);
            assert_eq!((got.status, got.range.as_deref()), (status, content_range), "{range}");
        }
    }

    #[test]
    fn conditions_as_measured() {
        let current = "Mon, 23 Nov 2026 16:14:27 GMT";
        for (name, value, nginx, apache) in [
            ("If-None-Match", "*", 304, 304),
            ("If-Match", "\"x\"", 412, 412),
            ("If-Unmodified-Since", "Mon, 23 Nov 2009 16:15:27 GMT", 412, 412),
            ("If-Modified-Since", "Mon, 23 Nov 2009 16:15:27 GMT", 200, 200),
            ("If-Modified-Since", "Mon, 23 Nov 2099 16:15:27 GMT", 200, 200),
            ("If-Modified-Since", current, 304, 304),
        ] {
            let status = |family| ask(&[(name, value)], family).status;
            assert_eq!((status(Family::Nginx), status(Family::Apache)), (nginx, apache), "{name}: {value}");
        }
    }

    #[test]
    fn finds_directories() {
        let mut site = Site::default();
        let file = Resource { kind: String::new(), bytes: Arc::from([]), micros: 0, status: 200 };
        site.add("/index.html", file.clone());
        site.add("/a/b.txt", file);
        assert!(matches!(site.find(b"/"), Found::File(_)));
        assert!(matches!(site.find(b"/a"), Found::Slashless));
        assert!(matches!(site.find(b"/a/"), Found::Directory));
        assert!(matches!(site.find(b"/a/c"), Found::Nothing));
        let names: Vec<String> = site.names(b"/").into_iter().map(|n| n.0).collect();
        assert_eq!(names, ["a/", "index.html"]);
    }
}
