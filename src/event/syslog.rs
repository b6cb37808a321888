//! Events as RFC 5424 messages, with the names that DECNET's collector reads.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Bytes, Event, Kind, SecretKind, escape};

/// The structured data element and its private enterprise number.
const ELEMENT: &str = "relay@55555";
/// Longest value of one parameter and longest message, in bytes: receivers need not take more than
/// 2048, most take 8192 (RFC 5424 §6.1).
const VALUE_MAX: usize = 1024;
const MESSAGE_MAX: usize = 8192;
/// Facility local0.
const FACILITY: u8 = 16;

/// The event as one RFC 5424 message, without framing. Bytes are `0x20..=0x7e`.
pub fn format(event: &Event) -> Vec<u8> {
    let priority = FACILITY * 8 + severity(event);
    let mut out = format!(
        "<{priority}>1 {} {} {} - {} [{ELEMENT}",
        // The zone as DECNET writes it.
        format!("{:.6}", event.time).replace('Z', "+00:00"),
        header(&event.decky, 255),
        header(&event.service, 48),
        header(message_id(event), 32),
    );
    let mut put = |name: &str, value: &str| parameter(&mut out, name, value);
    put("src_ip", &event.source.ip().to_canonical().to_string());
    put("src_port", &event.source.port().to_string());
    put("dst_ip", &event.destination.ip().to_canonical().to_string());
    put("dst_port", &event.destination.port().to_string());
    put("session", &escape::text(&event.session));
    put("action", &escape::text(&event.action));
    if let Some(outcome) = &event.outcome {
        put("outcome", &escape::text(outcome));
    }
    if let Some(Bytes(user)) = &event.user {
        put("username", &escape::bytes(user));
        put("principal", &escape::bytes(user));
    }
    if let Some(bytes @ Bytes(secret)) = &event.secret {
        let printable: String =
            secret.iter().map(|b| if matches!(b, 0x20..=0x7e) { char::from(*b) } else { '?' }).collect();
        put("secret_printable", &printable);
        put("secret_b64", &String::from(bytes.clone()));
        put("secret_kind", &event.secret_kind.unwrap_or(SecretKind::Plaintext).to_string());
    }
    for (name, value) in &event.fields {
        if let Some(text) = value_text(value) {
            put(decnet_name(name), &text);
        }
    }
    out.push(']');
    out.into_bytes()
}

/// The message with its length before it, as it goes over TCP (RFC 6587 §3.4.1).
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = format!("{} ", message.len()).into_bytes();
    out.extend_from_slice(message);
    out
}

/// info, notice for a login that succeeded, warning for errors.
fn severity(event: &Event) -> u8 {
    match event.kind {
        Kind::Error => 4,
        Kind::Login if event.outcome.as_deref() == Some("success") => 5,
        _ => 6,
    }
}

/// DECNET's event name where it has an obvious one.
fn message_id(event: &Event) -> &'static str {
    match event.kind {
        Kind::Connection if matches!(event.service.as_str(), "ftp" | "smb" | "rdp") => "connection",
        Kind::Connection => "connect",
        Kind::Login if matches!(event.service.as_str(), "mysql" | "redis" | "postgres") => "auth",
        Kind::Login => "auth_attempt",
        Kind::Command => "command",
        Kind::Request => "request",
        Kind::Query => "query",
        Kind::File => "file",
        Kind::Probe => "probe",
        Kind::Session => "disconnect",
        Kind::Error => "error",
    }
}

/// DECNET's parameter name for one of our fields.
fn decnet_name(name: &str) -> &str {
    match name {
        "process.command_line" => "command",
        "http.request.method" => "method",
        "http.request.body" | "http.request.body.content" => "body",
        "url.path" | "url.original" => "path",
        "user_agent.original" => "user_agent",
        "file.path" | "file.name" => "filename",
        "db.query.text" | "db.statement" => "query",
        "error.message" => "message",
        "source.bytes" => "bytes_in",
        "destination.bytes" => "bytes_out",
        other => other,
    }
}

fn value_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(escape::text(text).into_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let all: Vec<_> = items.iter().filter(|v| !v.is_array()).filter_map(value_text).collect();
            Some(all.join(","))
        }
        Value::Object(map) => {
            let bytes = Bytes::try_from(map.get("b64")?.as_str()?.to_owned()).ok()?;
            Some(escape::bytes(&bytes.0).into_owned())
        }
        Value::Null => None,
    }
}

/// Letters, digits, `.`, `-` and `_`; `-` for nothing. RFC 5424 §6.2 allows more, receivers do not.
fn header(text: &str, longest: usize) -> String {
    let clean: String = text.chars().take(longest).map(safe).collect();
    if clean.is_empty() { "-".to_owned() } else { clean }
}

fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }
}

/// Appends ` name="value"`; leaves it out when the message would get too long. `value` is printable
/// ASCII.
fn parameter(out: &mut String, name: &str, value: &str) {
    const NAME_MAX: usize = 32;
    let name: String = name.chars().take(NAME_MAX).map(safe).collect();
    let value = &value[..value.len().min(VALUE_MAX)];
    if name.is_empty() || out.len() + name.len() + 2 * value.len() + 8 > MESSAGE_MAX {
        return;
    }
    // Writing to a String cannot fail.
    let _ = write!(out, " {name}=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use syslog_loose::{Variant, parse_message};

    use super::super::line::tests::sample;
    use super::*;

    /// The parameters as a receiver reads them.
    fn parameters(message: &str) -> Vec<(String, String)> {
        let parsed = parse_message(message, Variant::RFC5424);
        assert_eq!(parsed.structured_data.len(), 1, "{message}");
        let element = &parsed.structured_data[0];
        assert_eq!(element.id, ELEMENT);
        element.params().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn value(message: &str, name: &str) -> Option<String> {
        parameters(message).into_iter().find(|(k, _)| k == name).map(|(_, v)| v)
    }

    #[test]
    fn a_login_reads_as_decnet_writes_it() {
        let message = String::from_utf8(format(&sample())).unwrap();
        assert!(message.starts_with("<134>1 2026-11-23T16:00:00.123456+00:00 web-01 ssh - auth_attempt [relay@55555 src_ip=\"192.0.2.1\" src_port=\"4711\""), "{message}");
        let parsed = parse_message(&message, Variant::RFC5424);
        assert_eq!(parsed.hostname, Some("web-01"));
        assert_eq!(parsed.appname, Some("ssh"));
        assert_eq!(parsed.msgid, Some("auth_attempt"));
        assert_eq!(parsed.timestamp.unwrap().timestamp_micros(), sample().time.as_microsecond());
        for (name, expected) in [
            ("username", "root"),
            ("principal", "root"),
            ("secret_printable", "s3cret"),
            ("secret_b64", "czNjcmV0"),
            ("secret_kind", "plaintext"),
            ("outcome", "failure"),
        ] {
            assert_eq!(value(&message, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn fields_take_decnet_names() {
        let mut event = sample();
        event.kind = Kind::Command;
        event.fields.insert("process.command_line".into(), Bytes::new(b"echo \"hi]\"\n").to_value());
        event.fields.insert("a b=\"]".into(), json!([1, true, "x"]));
        let message = String::from_utf8(format(&event)).unwrap();
        assert_eq!(value(&message, "command").as_deref(), Some("echo \"hi]\"\\x0a"));
        assert_eq!(value(&message, "a_b___").as_deref(), Some("1,true,x"));
    }

    #[test]
    fn a_frame_counts_octets() {
        assert_eq!(frame(b"<134>1 -"), b"8 <134>1 -");
    }

    #[test]
    fn a_message_is_bounded() {
        let mut event = sample();
        for n in 0..200 {
            event.fields.insert(format!("f{n}"), "\"".repeat(5000).into());
        }
        let message = format(&event);
        assert!(message.len() <= MESSAGE_MAX);
        assert!(message.ends_with(b"\"]"));
    }

    proptest! {
        #[test]
        fn any_text_stays_inside_its_quotes(user: Vec<u8>, decky: String, name: String, text: String) {
            let mut event = sample();
            event.user = Some(Bytes::new(&user));
            event.decky = decky;
            event.fields.insert(name, text.into());
            let message = String::from_utf8(format(&event)).unwrap();
            prop_assert!(message.bytes().all(|b| matches!(b, 0x20..=0x7e)));
            let short = &escape::bytes(&user)[..escape::bytes(&user).len().min(VALUE_MAX)];
            let read = value(&message, "username");
            prop_assert_eq!(read.as_deref(), Some(short));
        }
    }
}
