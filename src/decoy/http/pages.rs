//! Error pages: short texts that are part of how each server speaks.

use super::head::Why;
use super::response::escape;
use super::server::{Family, Server};

/// What an error page may mention.
#[derive(Clone, Debug, Default)]
pub(in crate::decoy) struct About<'a> {
    /// Method of the request.
    pub(in crate::decoy) method: &'a str,
    /// Decoded path.
    pub(in crate::decoy) path: &'a str,
    /// Host and port the page is signed with.
    pub(in crate::decoy) host: &'a str,
    /// Port the page is signed with.
    pub(in crate::decoy) port: u16,
    /// `Location` of a redirect.
    pub(in crate::decoy) location: &'a str,
    /// The line for this case.
    pub(in crate::decoy) detail: &'a str,
    /// A browser that would replace short pages.
    pub(in crate::decoy) padded: bool,
}

/// A server's page for a status, and its content type.
pub(in crate::decoy) fn error(server: &Server, status: u16, about: &About<'_>) -> (String, &'static str) {
    match server.family {
        Family::Nginx => (nginx(server, status, about), "text/html"),
        Family::Apache => (apache(server, status, about), "text/html; charset=iso-8859-1"),
        Family::Iis if !about.detail.is_empty() => (http_sys(status, about), "text/html; charset=us-ascii"),
        Family::Iis => (iis(status), "text/html"),
        Family::Tomcat => (tomcat(status, about), "text/html;charset=utf-8"),
        Family::Jetty => (jetty(server, status, about), "text/html;charset=iso-8859-1"),
        Family::Go => (format!("{status} page not found\n"), "text/plain; charset=utf-8"),
        Family::Netty => (netty(status, about), "application/json; charset=UTF-8"),
        Family::Other => (plain(status), "text/html"),
    }
}

/// The reason phrase of a status line.
pub(in crate::decoy) fn reason(family: Family, status: u16) -> &'static str {
    match (family, status) {
        (Family::Tomcat, _) => "",
        (Family::Nginx, 302) => "Moved Temporarily",
        (Family::Nginx, 405) => "Not Allowed",
        (Family::Nginx, 408) => "Request Time-out",
        (Family::Nginx, 414) => "Request-URI Too Large",
        (Family::Nginx, 503) => "Service Temporarily Unavailable",
        (Family::Iis, 302) => "Redirect",
        _ => common(status),
    }
}

fn common(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

fn nginx(server: &Server, status: u16, about: &About<'_>) -> String {
    let title = match status {
        401 => "401 Authorization Required".to_owned(),
        302 => "302 Found".to_owned(),
        504 => "504 Gateway Time-out".to_owned(),
        _ => format!("{status} {}", reason(Family::Nginx, status)),
    };
    let (head, line) = if about.detail.is_empty() {
        (title.as_str(), String::new())
    } else {
        (about.detail, format!("<center>{}</center>\r\n", about.detail.trim_start_matches("400 ")))
    };
    let mut page = format!(
        "<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         {line}<hr><center>{}</center>\r\n</body>\r\n</html>\r\n",
        escape(server.label())
    );
    if about.padded && status >= 400 {
        for _ in 0..6 {
            page.push_str("<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n");
        }
    }
    page
}

fn apache(server: &Server, status: u16, about: &About<'_>) -> String {
    let doctype = if server.strict_doctype() {
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">"
    } else {
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">"
    };
    let name = common(status);
    format!(
        "{doctype}\n<html><head>\n<title>{status} {name}</title>\n</head><body>\n<h1>{name}</h1>\n<p>{}</p>\n\
         <hr>\n<address>{} Server at {} Port {}</address>\n</body></html>\n",
        apache_text(status, about),
        escape(server.label()),
        escape(about.host),
        about.port
    )
}

fn apache_text(status: u16, about: &About<'_>) -> String {
    let method = escape(about.method);
    match status {
        301 | 302 | 303 | 307 => {
            format!("The document has moved <a href=\"{}\">here</a>.", escape(about.location))
        }
        400 => format!(
            "Your browser sent a request that this server could not understand.<br />\n{}",
            about.detail
        ),
        401 => "This server could not verify that you\nare authorized to access the document\nrequested.  Either \
                you supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand how \
                to supply\nthe credentials required."
            .to_owned(),
        403 => "You don't have permission to access this resource.".to_owned(),
        404 => "The requested URL was not found on this server.".to_owned(),
        405 => format!("The requested method {method} is not allowed for this URL."),
        408 => "Server timeout waiting for the HTTP request from the client.".to_owned(),
        411 => format!("A request of the requested method {method} requires a valid Content-length.<br />\n"),
        412 => "The precondition on the request\nfor this URL evaluated to false.".to_owned(),
        413 => format!(
            "The requested resource does not allow request data with {method} requests, or the amount of data \
             provided in\nthe request exceeds the capacity limit."
        ),
        414 => "The requested URL's length exceeds the capacity\nlimit for this server.<br />\n".to_owned(),
        416 => "None of the range-specifier values in the Range\nrequest-header field overlap the current \
                extent\nof the selected resource."
            .to_owned(),
        417 => format!(
            "The expectation given in the Expect request-header\nfield could not be met by this server.\nThe \
             client sent<pre>\n    Expect: {}\n</pre>\n</p><p>Only the 100-continue expectation is supported.",
            escape(about.detail)
        ),
        500 => "The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour \
                request.</p>\n<p>Please contact the server administrator at \n webmaster@localhost to inform them \
                of the time this error occurred,\n and the actions you performed just before this \
                error.</p>\n<p>More information about this error may be available\nin the server error log."
            .to_owned(),
        501 => format!("{method} not supported for current URL.<br />\n"),
        503 => "The server is temporarily unable to service your\nrequest due to maintenance downtime or \
                capacity\nproblems. Please try again later."
            .to_owned(),
        _ => String::new(),
    }
}

/// http.sys answers broken requests itself; `detail` is `title|text`.
fn http_sys(status: u16, about: &About<'_>) -> String {
    let (title, text) = about.detail.split_once('|').unwrap_or((about.detail, ""));
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
         <HTML><HEAD><TITLE>{0}</TITLE>\r\n<META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; \
         charset=us-ascii\"></HEAD>\r\n<BODY><h2>{title}</h2>\r\n<hr><p>HTTP Error {status}. {text}</p>\r\n\
         </BODY></HTML>\r\n",
        common(status)
    )
}

fn iis(status: u16) -> String {
    let (title, text) = match status {
        403 => (
            "403 - Forbidden: Access is denied.",
            "You do not have permission to view this directory or page using the credentials that you supplied.",
        ),
        404 => (
            "404 - File or directory not found.",
            "The resource you are looking for might have been removed, had its name changed, or is temporarily \
             unavailable.",
        ),
        405 => (
            "405 - HTTP verb used to access this page is not allowed.",
            "The page you are looking for cannot be displayed because an invalid method (HTTP verb) was used to \
             attempt access.",
        ),
        _ => return plain(status),
    };
    format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html \
         xmlns=\"http://www.w3.org/1999/xhtml\">\r\n<head>\r\n<meta http-equiv=\"Content-Type\" \
         content=\"text/html; charset=iso-8859-1\"/>\r\n<title>{title}</title>\r\n<style \
         type=\"text/css\">\r\n<!--\r\nbody{{margin:0;font-size:.7em;font-family:Verdana, Arial, Helvetica, \
         sans-serif;background:#EEEEEE;}}\r\n-->\r\n</style>\r\n</head>\r\n<body>\r\n<div \
         id=\"header\"><h1>Server Error</h1></div>\r\n<div id=\"content\">\r\n \
         <h2>{title}</h2>\r\n <h3>{text}</h3>\r\n</div>\r\n</body>\r\n</html>\r\n"
    )
}

fn tomcat(status: u16, about: &About<'_>) -> String {
    let name = match status {
        405 => "Method Not Allowed",
        414 => "URI Too Long",
        other => common(other),
    };
    let text = match status {
        400 => {
            "The server cannot or will not process the request due to something that is perceived to be a \
                client error (e.g., malformed request syntax, invalid request message framing, or deceptive \
                request routing)."
        }
        401 => {
            "The request has not been applied to the target resource because it lacks valid authentication \
                credentials for that resource."
        }
        403 => "The server understood the request but refuses to authorize it.",
        404 => {
            "The origin server did not find a current representation for the target resource or is not \
                willing to disclose that one exists."
        }
        405 => {
            "The method received in the request-line is known by the origin server but not supported by the \
                target resource."
        }
        501 => "The server does not support the functionality required to fulfill the request.",
        505 => {
            "The server does not support, or refuses to support, the major version of HTTP that was used in \
                the request message."
        }
        _ => "The server was not able to fulfil the request.",
    };
    let message = match status {
        404 => {
            format!("<p><b>Message</b> The requested resource [{}] is not available</p>", escape(about.path))
        }
        _ => String::new(),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><title>HTTP Status {status} – {name}</title><style \
         type=\"text/css\">body {{font-family:Tahoma,Arial,sans-serif;}} h1, h2, h3, b \
         {{color:white;background-color:#525D76;}} h1 {{font-size:22px;}} h2 {{font-size:16px;}} h3 \
         {{font-size:14px;}} p {{font-size:12px;}} a {{color:black;}} .line \
         {{height:1px;background-color:#525D76;border:none;}}</style></head><body><h1>HTTP Status {status} – \
         {name}</h1><hr class=\"line\" /><p><b>Type</b> Status Report</p>{message}<p><b>Description</b> \
         {text}</p><hr class=\"line\" /><h3>Apache Tomcat/{}</h3></body></html>",
        super::apps::tomcat::VERSION
    )
}

fn jetty(server: &Server, status: u16, about: &About<'_>) -> String {
    let name = common(status);
    if !about.detail.is_empty() {
        return format!("<h1>Bad Message {status}</h1><pre>reason: {}</pre>", escape(about.detail));
    }
    let version = server.label().trim_start_matches("Jetty(").trim_end_matches(')');
    format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error {status} {name}</title>\n</head>\n<body><h2>HTTP ERROR {status} {name}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{name}</td></tr>\n<tr><th>SERVLET:</th><td>Stapler</td></tr>\n</table>\n<hr/>\
         <a href=\"https://eclipse.org/jetty\">Powered by Jetty:// {}</a><hr/>\n\n</body>\n</html>\n",
        escape(about.path),
        escape(version)
    )
}

/// Elasticsearch's word for what it could not read.
fn netty(status: u16, about: &About<'_>) -> String {
    let (kind, reason) =
        about.detail.split_once('|').unwrap_or(("illegal_argument_exception", "invalid request"));
    let cause = serde_json::json!({ "type": kind, "reason": reason });
    let mut error = serde_json::json!({ "root_cause": [cause] });
    error["type"] = kind.into();
    error["reason"] = reason.into();
    serde_json::json!({ "error": error, "status": status }).to_string()
}

fn plain(status: u16) -> String {
    let name = common(status);
    format!(
        "<!DOCTYPE html>\n<html>\n<head><title>{status} {name}</title></head>\n<body>\n<h1>{status} \
         {name}</h1>\n</body>\n</html>\n"
    )
}

/// The line a family's page adds when it rejects a request for this reason; empty for most.
pub(in crate::decoy) fn reject_detail(family: Family, status: u16, why: Why) -> &'static str {
    match (family, why) {
        (Family::Nginx, Why::HeaderSize | Why::HeaderCount) => "400 Request Header Or Cookie Too Large",
        (Family::Apache, Why::HeaderSize) => "Size of a request header field exceeds server limit.",
        (Family::Apache, Why::HeaderCount) => {
            "The number of request header fields exceeds this server's limit."
        }
        (Family::Iis, why) => match (why, status) {
            (Why::Verb, _) => "Bad Request - Invalid Verb|The request verb is invalid.",
            (Why::Host | Why::HostName, _) => {
                "Bad Request - Invalid Hostname|The request hostname is invalid."
            }
            (Why::Header, _) => "Bad Request - Invalid Header|The request has an invalid header name.",
            (Why::HeaderSize | Why::HeaderCount, _) => {
                "Bad Request - Request Too Long|The size of the request headers is too long."
            }
            (Why::Length, _) => {
                "Bad Request - Invalid Content Length|There is an invalid content length or chunk \
                                 length in the request."
            }
            (_, 505) => "HTTP Version Not Supported|The requested version is not supported.",
            (_, 414) => "URI Too Long|The request URL is too long.",
            (_, 501) => "Not Implemented|The request transfer-encoding type is not supported.",
            _ => "Bad Request - Invalid URL|The request URL is invalid.",
        },
        (Family::Go, Why::Host) => "missing required Host header",
        (Family::Go, Why::HostName) => "malformed Host header",
        (Family::Go, Why::Header) => "invalid header name",
        (Family::Go, Why::Version) => "unsupported protocol version",
        (Family::Netty, Why::HeaderSize | Why::HeaderCount) => {
            "too_long_frame_exception|An HTTP line is larger than 4096 bytes."
        }
        (Family::Netty, Why::Url) => {
            "illegal_argument_exception|unterminated escape sequence at end of string"
        }
        (Family::Netty, _) => "illegal_argument_exception|text is empty (possibly HTTP/0.9)",
        (Family::Jetty, why) => match why {
            Why::Verb | Why::Header => "Illegal character",
            Why::Version => "Unknown Version",
            Why::Url => "Bad URI",
            Why::Host | Why::HostName => "No Host",
            Why::HeaderSize | Why::HeaderCount => "Request Header Fields Too Large",
            Why::Line => "No URI",
            Why::Length => "Invalid Content-Length Value",
            Why::Coding => "Bad Transfer-Encoding",
        },
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    fn about() -> About<'static> {
        About { method: "GET", path: "/x", host: "a", port: 18081, ..About::default() }
    }

    #[test]
    fn lengths_as_measured() {
        let p = persona(&["http"]);
        let nginx = Server::new(&p, Some("nginx/1.22.1"), "none");
        for (status, length) in
            [(404, 153), (400, 157), (405, 157), (505, 187), (413, 183), (414, 177), (416, 197)]
        {
            assert_eq!(error(&nginx, status, &about()).0.len(), length, "nginx {status}");
        }
        let padded = About { padded: true, ..about() };
        assert_eq!(error(&nginx, 404, &padded).0.len(), 555);
        let detail = reject_detail(Family::Nginx, 400, Why::HeaderSize);
        assert_eq!(error(&nginx, 400, &About { detail, ..about() }).0.len(), 233);
        let apache = Server::new(&p, Some("Apache/2.4.71 (Debian)"), "none");
        for (status, length) in [(404, 306), (403, 309), (400, 336), (416, 0x1a8)] {
            assert_eq!(error(&apache, status, &about()).0.len(), length, "apache {status}");
        }
        let foo = About { method: "FOO", detail: "foo", ..about() };
        assert_eq!(error(&apache, 501, &foo).0.len(), 312);
        assert_eq!(error(&apache, 417, &foo).0.len(), 465);
    }

    #[test]
    fn http_sys_page_has_the_known_length() {
        let detail = reject_detail(Family::Iis, 400, Why::Host);
        assert_eq!(http_sys(400, &About { detail, ..about() }).len(), 334);
    }

    #[test]
    fn pages_escape_what_the_client_sent() {
        let server = Server::new(&persona(&["http"]), None, "tomcat");
        let page = error(&server, 404, &About { path: "/<script>", ..about() }).0;
        assert!(page.contains("/&lt;script&gt;") && !page.contains("<script>"));
    }
}
