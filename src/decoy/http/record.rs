//! Events of the http service.

use serde_json::Value;

use super::conn::Content;
use super::credentials::Login;
use super::head::{Header, RequestLine};
use super::request::Request;
use super::tls;
use crate::decoy::session::{Draft, Recorder};
use crate::event::{Kind, SecretKind};

/// Header lines and bytes of them that are kept.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// Records a request that was answered, and the logins in it. Logins always fail but where a decoy lets
/// somebody in, and this one never does.
pub(super) fn request(
    record: &Recorder,
    request: &Request,
    content: &Content,
    status: u16,
    logins: &[Login],
) {
    let (major, minor) = request.line.version;
    let mut draft = head(record, &request.line, &request.headers)
        .field("http.version", format!("{major}.{minor}"))
        .bytes("url.path", &request.target.path)
        .field("http.response.status_code", status);
    if let Some(query) = &request.target.query {
        draft = draft.bytes("url.query", query);
    }
    if let Some(host) = &request.host {
        draft = draft.text("url.domain", host);
    }
    if content.size > 0 {
        draft = draft
            .bytes("http.request.body.content", &content.start)
            .field("http.request.body.bytes", content.size);
    }
    draft.emit();
    for login in logins {
        let mut draft = record.event(Kind::Login, login.how).outcome(false).user(&login.user);
        if let Some(secret) = &login.secret {
            draft = draft.secret(secret, login.kind);
        }
        if login.kind == SecretKind::HttpDigest {
            // Part of what was hashed.
            draft = draft.bytes("http.request.method", &request.line.method);
        }
        draft.emit();
    }
}

/// Records a request that was refused, with the bytes it began with.
pub(super) fn refused(record: &Recorder, raw: &[u8], line: &RequestLine, headers: &[Header], status: u16) {
    let mut draft =
        head(record, line, headers).bytes("event.original", raw).field("http.response.status_code", status);
    if tls::is_hello(raw) {
        draft = draft.field("network.protocol", "tls");
        if let Some(name) = tls::server_name(raw) {
            draft = draft.text("tls.client.server_name", &name);
        }
    }
    draft.emit();
}

fn head<'a>(record: &'a Recorder, line: &RequestLine, headers: &[Header]) -> Draft<'a> {
    let method = String::from_utf8_lossy(&line.method).into_owned();
    let action = if method.is_empty() || method.len() > 32 { "invalid" } else { method.as_str() };
    let mut draft = record.event(Kind::Request, action);
    if !method.is_empty() {
        draft = draft.text("http.request.method", &method).bytes("url.original", &line.target);
    }
    if !headers.is_empty() {
        draft = draft.field("http.request.headers", list(headers));
    }
    if let Some(agent) = headers.iter().find(|h| h.name.eq_ignore_ascii_case(b"user-agent")) {
        draft = draft.bytes("user_agent.original", &agent.value);
    }
    draft
}

fn list(headers: &[Header]) -> Value {
    let mut room = HEADER_BYTES_MAX;
    let mut lines = Vec::new();
    for header in headers.iter().take(HEADERS_MAX) {
        let mut line = String::from_utf8_lossy(&header.name).into_owned();
        line.push_str(": ");
        line.push_str(&String::from_utf8_lossy(&header.value));
        if line.len() > room {
            break;
        }
        room = room.saturating_sub(line.len());
        lines.push(Value::String(line));
    }
    Value::Array(lines)
}
