//! Servers that are part of another product: net/http of Go, measured on Docker 20.10, and Netty inside
//! Elasticsearch.

use super::{Length, Lines, Shaped};
use crate::decoy::http::pages;
use crate::decoy::http::response::Body;
use crate::decoy::http::server::Family;

impl Shaped<'_> {
    /// What Go says to a head that it cannot read: no header of its own making, and the reason in the
    /// status line.
    pub(super) fn without_head(&self) -> Option<Vec<u8>> {
        let refused = self.response.body == Body::Page && self.response.close;
        if self.server.family != Family::Go || !refused {
            return None;
        }
        let status = self.response.status;
        let name = pages::reason(Family::Go, status);
        let head = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n";
        let text = match self.response.detail.as_deref() {
            _ if status == 501 => format!("HTTP/1.1 501 {name}\r\n{head}Unsupported transfer encoding"),
            Some(why) => format!("HTTP/1.1 {status} {name}: {why}\r\n{head}{status} {name}: {why}"),
            None => format!("HTTP/1.1 {status} {name}\r\n{head}{status} {name}"),
        };
        Some(text.into_bytes())
    }

    /// What a handler set, by name; then what the server adds.
    pub(super) fn go(&self, lines: &mut Lines) {
        let r = self.response;
        self.extras(lines);
        if r.hijack.is_some() {
            return;
        }
        lines.maybe("Location", r.location.as_deref());
        lines.maybe("Content-Type", self.kind.as_deref());
        lines.0.sort_by(|a, b| a.0.cmp(&b.0));
        let counted = lines.0.iter().any(|(name, _)| name == "Content-Length");
        let late = self.request.is_some_and(|request| request.target.star);
        if !late {
            lines.put("Date", &self.date);
        }
        if !counted && r.status != 204 && r.status != 304 {
            self.size(lines);
        }
        if late {
            lines.put("Date", &self.date);
        }
        if self.kind.is_none() && !self.body.is_empty() {
            lines.put("Content-Type", "text/plain; charset=utf-8");
        }
        let said = lines.0.iter().any(|(name, _)| name == "Connection");
        if said {
            return;
        }
        if self.close && self.modern() {
            lines.put("Connection", "close");
        } else if !self.close && !self.modern() {
            lines.put("Connection", "keep-alive");
        }
    }

    /// Elasticsearch's own headers, then two in lower case.
    pub(super) fn netty(&self, lines: &mut Lines) {
        // A client of HTTP/1.0 gets the answer as it was before 7.14: scanners know the product by that, and
        // nobody but scanners speaks that version.
        let scanner = !self.modern();
        if !scanner {
            self.extras(lines);
        }
        match self.kind.as_deref() {
            Some("application/json") if scanner => {
                lines.put("content-type", "application/json; charset=UTF-8");
            }
            kind => lines.maybe("content-type", kind),
        }
        if self.length == Length::Known {
            lines.put("content-length", &self.body.len().to_string());
        }
    }
}
