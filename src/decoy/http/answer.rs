//! What a request gets.

use std::sync::Arc;

use super::Http;
use super::request::Request;
use super::response::{Body, Response, escape};
use super::server::Family;
use super::site::Found;

/// Methods Apache knows; others are "not implemented" rather than "not allowed".
const KNOWN: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "VERSION-CONTROL",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "BASELINE-CONTROL",
    "MERGE",
];

/// Methods Apache's handler for files allows, in its order.
const FILE_METHODS: &str = "GET,POST,OPTIONS,HEAD";

impl Http {
    /// Decides on an answer; `body` is the beginning of the request's body.
    pub(super) fn decide(&self, request: &Request, body: &[u8]) -> Response {
        let mut response = self.choose(request, body);
        for (name, value) in &self.config.extra {
            response.headers.push((name.clone(), value.clone()));
        }
        response
    }

    fn choose(&self, request: &Request, body: &[u8]) -> Response {
        if let Some(response) = self.protocol(request) {
            return response;
        }
        let path = request.target.path.as_slice();
        if matches!(path, b"/" | b"/index.html")
            && let Some(response) = self.front()
        {
            return response;
        }
        let owned = matches!(self.site.find(path), Found::File(_));
        if !owned
            && !request.target.hidden
            && let Some(app) = &self.app
        {
            return app.respond(request, body).unwrap_or_else(|| self.static_file(request));
        }
        self.static_file(request)
    }

    /// What the server itself answers, whatever lies on it.
    fn protocol(&self, request: &Request) -> Option<Response> {
        match self.server.family {
            Family::Nginx if request.is("TRACE") || request.is("CONNECT") => {
                Some(Response::page(405).closing())
            }
            Family::Apache => {
                if let Some(wish) = request.text("expect")
                    && !request.expects_continue
                    && request.line.version >= (1, 1)
                {
                    return Some(Response { hang_up: true, ..Response::page(417).detail(wish) });
                }
                if request.target.star {
                    let nothing = Body::Bytes(Arc::from([]));
                    return Some(Response { body: nothing, ..Response::page(200) });
                }
                if request.is("CONNECT") {
                    return Some(Response::page(405).allowing(FILE_METHODS));
                }
                request.is("TRACE").then(|| self.trace(request))
            }
            Family::Tomcat if request.is("TRACE") => Some(Response::page(405)),
            Family::Iis if request.is("TRACE") => Some(Response::page(501)),
            _ => None,
        }
    }

    fn trace(&self, request: &Request) -> Response {
        if !self.server.trace {
            return Response::page(405).allowing("");
        }
        let mut echo = Vec::new();
        let (major, minor) = request.line.version;
        echo.extend_from_slice(b"TRACE ");
        echo.extend_from_slice(&request.line.target);
        echo.extend_from_slice(format!(" HTTP/{major}.{minor}\r\n").as_bytes());
        for header in &request.headers {
            echo.extend_from_slice(&header.name);
            echo.extend_from_slice(b": ");
            echo.extend_from_slice(&header.value);
            echo.extend_from_slice(b"\r\n");
        }
        echo.extend_from_slice(b"\r\n");
        Response::app(200, "message/http", echo)
    }

    /// The front page the operator asked for, when they did.
    fn front(&self) -> Option<Response> {
        let status = self.config.response_code;
        match &self.config.custom {
            Some((kind, body)) => {
                let body = Body::Bytes(Arc::from(body.as_bytes()));
                Some(Response { kind: Some(kind.clone()), body, ..Response::page(status) })
            }
            None if status != 200 => Some(Response::page(status)),
            None => None,
        }
    }

    fn static_file(&self, request: &Request) -> Response {
        let family = self.server.family;
        let path = request.target.path.as_slice();
        let apache = family == Family::Apache;
        if apache {
            let method = request.method();
            if request.target.hidden {
                return Response::page(404);
            }
            if self.hides(path) {
                return Response::page(403);
            }
            if !KNOWN.contains(&method.as_str()) {
                return Response::page(501).allowing(FILE_METHODS);
            }
            if request.is("OPTIONS") {
                let kind = match self.site.find(path) {
                    Found::File(file) => Some(file.kind.clone()),
                    _ => None,
                };
                let body = Body::Bytes(Arc::from([]));
                return Response { kind, body, ..Response::page(200).allowing(FILE_METHODS) };
            }
            if !matches!(method.as_str(), "GET" | "HEAD" | "POST") {
                return Response::page(405).allowing(FILE_METHODS);
            }
        }
        match self.site.find(path) {
            Found::File(_) if !apache && !matches!(request.line.method.as_slice(), b"GET" | b"HEAD") => {
                self.not_for_files(request)
            }
            Found::File(file) => file.serve(request, family, jiff::Timestamp::now().as_second()),
            Found::Slashless => {
                let location = Some(self.absolute(request, &[path, b"/"].concat()));
                Response { location, ..Response::page(301) }
            }
            Found::Directory if apache => self.listing(request),
            Found::Directory => Response::page(403),
            Found::Nothing => Response::page(404),
        }
    }

    fn not_for_files(&self, request: &Request) -> Response {
        let nothing = Body::Bytes(Arc::from([]));
        match self.server.family {
            Family::Iis if request.is("OPTIONS") => Response { body: nothing, ..Response::page(200) }
                .allowing("OPTIONS, TRACE, GET, HEAD, POST")
                .with("Public", "OPTIONS, TRACE, GET, HEAD, POST"),
            Family::Tomcat if request.is("OPTIONS") => {
                Response { body: nothing, ..Response::page(200) }.allowing("GET, HEAD, POST, OPTIONS")
            }
            Family::Iis => Response::page(405).allowing("GET, HEAD, OPTIONS, TRACE"),
            _ => Response::page(405),
        }
    }

    /// Paths Debian's Apache configuration denies to strangers, and names a file system cannot hold.
    fn hides(&self, path: &[u8]) -> bool {
        let last = path.rsplit(|c| *c == b'/').next().unwrap_or_default();
        let long = path.split(|c| *c == b'/').any(|part| part.len() > 255);
        long || last.starts_with(b".ht") || matches!(path, b"/server-status" | b"/icons/")
    }

    /// An absolute address on this server, as it builds them for redirects.
    pub(super) fn absolute(&self, request: &Request, path: &[u8]) -> String {
        let host = request.host.as_deref().unwrap_or(&self.server.name);
        // nginx leaves out what the client said of the port.
        let named = request.port.filter(|_| self.server.family != Family::Nginx);
        let (scheme, usual) = request.scheme();
        let port = match named.unwrap_or(request.local_port) {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        format!("{scheme}://{host}{port}{}", encode(path))
    }

    /// Apache's index of a directory.
    fn listing(&self, request: &Request) -> Response {
        let path = request.target.path.as_slice();
        let dir = escape(String::from_utf8_lossy(path.strip_suffix(b"/").unwrap_or(path)).as_ref());
        let title = format!("Index of {}", if dir.is_empty() { "/" } else { &dir });
        let doctype = if self.server.strict_doctype() {
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">"
        } else {
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">"
        };
        let column = |key: &str, order: &str, name: &str| {
            format!("<th><a href=\"?C={key};O={order}\">{name}</a></th>")
        };
        let mut html = format!(
            "{doctype}\n<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n<h1>{title}</h1>\n  <table>\n   \
             <tr><th valign=\"top\"><img src=\"/icons/blank.gif\" alt=\"[ICO]\"></th>{}{}{}{}</tr>\n   <tr><th \
             colspan=\"5\"><hr></th></tr>\n",
            column("N", "D", "Name"),
            column("M", "A", "Last modified"),
            column("S", "A", "Size"),
            column("D", "A", "Description"),
        );
        let row = |icon: &str, alt: &str, href: &str, name: &str, date: &str, size: &str| {
            format!(
                "<tr><td valign=\"top\"><img src=\"/icons/{icon}.gif\" alt=\"[{alt}]\"></td><td><a \
                 href=\"{href}\">{name}</a></td><td{date}</td><td align=\"right\">{size} </td><td>&nbsp;</td></tr>\n"
            )
        };
        if path != b"/" {
            let trimmed = path.strip_suffix(b"/").unwrap_or(path);
            let end = trimmed.iter().rposition(|c| *c == b'/').map_or(0, |at| at + 1);
            let parent = encode(trimmed.get(..end).unwrap_or(b"/"));
            html.push_str(&row("back", "PARENTDIR", &parent, "Parent Directory", ">&nbsp;", "  -"));
        }
        for (name, file) in self.site.names(path) {
            if name.is_empty() || name.starts_with('.') {
                continue;
            }
            let href = encode(name.as_bytes());
            let shown = escape(&name);
            html.push_str(&match file {
                None => row("folder", "DIR", &href, &shown, ">&nbsp;", "  -"),
                Some(file) => {
                    let text = file.kind.starts_with("text/");
                    let (icon, alt) = if text { ("text", "TXT") } else { ("unknown", "   ") };
                    let time = jiff::Timestamp::from_microsecond(file.micros).unwrap_or_default();
                    let date = format!(" align=\"right\">{}  ", time.strftime("%Y-%m-%d %H:%M"));
                    row(icon, alt, &href, &shown, &date, &size(file.bytes.len()))
                }
            });
        }
        let port = request.port.unwrap_or(request.local_port);
        let host = request.host.as_deref().unwrap_or(&self.server.name);
        html.push_str(&format!(
            "   <tr><th colspan=\"5\"><hr></th></tr>\n</table>\n<address>{} Server at {} Port \
             {port}</address>\n</body></html>\n",
            escape(self.server.label()),
            escape(host)
        ));
        Response::app(200, "text/html;charset=UTF-8", html)
    }
}

/// A size as Apache's index writes it: four columns.
fn size(bytes: usize) -> String {
    match bytes {
        0..=972 => format!("{bytes:3}"),
        n if n < 10 * 1024 => format!("{:.1}K", n as f64 / 1024.0),
        n if n < 973 * 1024 => format!("{:3}K", (n + 512) / 1024),
        n => format!("{:.1}M", n as f64 / 1_048_576.0),
    }
}

/// Percent-encodes what must not stand in a path.
pub(in crate::decoy) fn encode(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path {
        if c.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(c) {
            out.push(char::from(*c));
        } else {
            out.push_str(&format!("%{c:02x}"));
        }
    }
    out
}
