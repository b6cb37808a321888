//! An event as one line of JSON, the form that is stored.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::{Bytes, Event, escape};

/// `format_version` of the lines.
pub const FORMAT_VERSION: u64 = 1;
/// Most fields of one event that are kept, deepest nesting of a value, longest name.
const FIELDS_MAX: usize = 128;
const DEPTH_MAX: usize = 4;
const NAME_MAX: usize = 128;
const PARTS_MAX: usize = 8;

/// The event as one line, with its line feed. Bytes are `0x20..=0x7e` but for that.
///
/// Text is escaped ([`escape::bytes`]); where that changes it, `<name>_b64` beside it has the raw
/// bytes. Dotted names become nested objects. The envelope's own keys always win.
pub fn format(event: &Event) -> Vec<u8> {
    let mut line = Map::new();
    line.insert("format_version".into(), FORMAT_VERSION.into());
    line.insert("@timestamp".into(), format!("{:.6}", event.time).into());
    line.insert("sequence".into(), event.sequence.into());
    line.insert("decky".into(), escaped(event.decky.as_bytes()));
    line.insert("service".into(), escaped(event.service.as_bytes()));
    line.insert("kind".into(), event.kind.to_string().into());
    line.insert("action".into(), escaped(event.action.as_bytes()));
    if let Some(outcome) = &event.outcome {
        line.insert("outcome".into(), escaped(outcome.as_bytes()));
    }
    line.insert("source".into(), end(event.source));
    line.insert("destination".into(), end(event.destination));
    line.insert("session".into(), escaped(event.session.as_bytes()));
    for (name, value) in [("user", &event.user), ("secret", &event.secret)] {
        if let Some(Bytes(raw)) = value {
            put(&mut line, name, escaped(raw));
            put_raw(&mut line, name, raw);
        }
    }
    if let Some(kind) = event.secret_kind {
        line.insert("secret_kind".into(), kind.to_string().into());
    }
    for (name, value) in event.fields.iter().take(FIELDS_MAX) {
        field(&mut line, name, value);
    }
    // A map with text keys always serialises.
    let mut out = serde_json::to_vec(&line).unwrap_or_else(|_| b"{}".to_vec());
    out.push(b'\n');
    out
}

fn end(address: SocketAddr) -> Value {
    json!({ "ip": address.ip().to_canonical().to_string(), "port": address.port() })
}

fn escaped(raw: &[u8]) -> Value {
    escape::bytes(raw).into_owned().into()
}

fn field(line: &mut Map<String, Value>, name: &str, value: &Value) {
    let mut name = escape::text(name).into_owned();
    name.truncate(NAME_MAX);
    match value {
        Value::String(text) => {
            put(line, &name, escaped(text.as_bytes()));
            put_raw(line, &name, text.as_bytes());
        }
        Value::Object(_) => match raw_bytes(value) {
            Some(Bytes(raw)) => {
                put(line, &name, escaped(&raw));
                put_raw(line, &name, &raw);
            }
            None => put(line, &name, clean(value, DEPTH_MAX)),
        },
        Value::Array(items) => {
            put(line, &name, clean(value, DEPTH_MAX));
            let raw: Vec<_> = items.iter().map(text_of).collect();
            if raw.iter().flatten().any(|raw| escape::bytes(raw) != String::from_utf8_lossy(raw)) {
                let all =
                    raw.into_iter().map(|raw| raw.map_or(Value::Null, |raw| String::from(Bytes(raw)).into()));
                put(line, &format!("{name}_b64"), all.collect());
            }
        }
        other => put(line, &name, other.clone()),
    }
}

fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => raw_bytes(other).map(|b| b.0),
    }
}

/// What [`Bytes::to_value`] made, back.
fn raw_bytes(value: &Value) -> Option<Bytes> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    Bytes::try_from(map.get("b64")?.as_str()?.to_owned()).ok()
}

fn put_raw(line: &mut Map<String, Value>, name: &str, raw: &[u8]) {
    if escape::bytes(raw).as_bytes() != raw {
        put(line, &format!("{name}_b64"), String::from(Bytes(raw.to_vec())).into());
    }
}

/// Puts a value at its dotted place. A place that is taken, or leads through something that is no
/// object, keeps what it has: the value goes under its whole dotted name then, or nowhere.
fn put(line: &mut Map<String, Value>, name: &str, value: Value) {
    let parts: Vec<_> = name.splitn(PARTS_MAX, '.').collect();
    if let Some(value) = nest(line, &parts, value) {
        line.entry(name).or_insert(value);
    }
}

/// Gives the value back when there is no room for it.
fn nest(map: &mut Map<String, Value>, parts: &[&str], value: Value) -> Option<Value> {
    match parts {
        [] => Some(value),
        [last] if map.contains_key(*last) => Some(value),
        [last] => {
            map.insert((*last).to_owned(), value);
            None
        }
        [first, rest @ ..] => match map.entry(*first).or_insert_with(|| Map::new().into()) {
            Value::Object(inner) => nest(inner, rest, value),
            _ => Some(value),
        },
    }
}

/// A value inside a list or an object: escaped throughout, and no deeper than `depth`.
fn clean(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => escaped(text.as_bytes()),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::Null,
        Value::Array(items) => items.iter().map(|v| clean(v, depth - 1)).collect(),
        Value::Object(map) => match raw_bytes(value) {
            Some(Bytes(raw)) => escaped(&raw),
            None => map.iter().map(|(k, v)| (escape::text(k).into_owned(), clean(v, depth - 1))).collect(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Kind, SecretKind};

    /// An event with everything in it.
    pub(crate) fn sample() -> Event {
        Event {
            time: "2026-11-23T16:00:00.123456Z".parse().unwrap(),
            sequence: 7,
            decky: "web-01".into(),
            service: "ssh".into(),
            kind: Kind::Login,
            action: "password".into(),
            outcome: Some("failure".into()),
            source: "192.0.2.1:4711".parse().unwrap(),
            destination: "192.0.2.20:22".parse().unwrap(),
            session: "00112233445566aa".into(),
            user: Some(Bytes::new(b"root")),
            secret: Some(Bytes::new(b"s3cret")),
            secret_kind: Some(SecretKind::Plaintext),
            fields: Map::new(),
        }
    }

    fn parsed(event: &Event) -> Value {
        let line = format(event);
        let (last, rest) = line.split_last().unwrap();
        assert_eq!(*last, b'\n');
        assert!(rest.iter().all(|b| matches!(b, 0x20..=0x7e)), "{}", String::from_utf8_lossy(rest));
        serde_json::from_slice(rest).unwrap()
    }

    #[test]
    fn the_envelope() {
        let line = String::from_utf8(format(&sample())).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"format_version":1,"@timestamp":"2026-11-23T16:00:00.123456Z","sequence":7,"decky":"web-01","#,
                r#""service":"ssh","kind":"login","action":"password","outcome":"failure","#,
                r#""source":{"ip":"192.0.2.1","port":4711},"destination":{"ip":"192.0.2.20","port":22},"#,
                r#""session":"00112233445566aa","user":"root","secret":"s3cret","secret_kind":"plaintext"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn dotted_names_nest_and_never_shadow() {
        let mut event = sample();
        for (name, value) in [
            ("http.request.method", json!("GET")),
            ("http.request.headers", json!(["a\tb", "c"])),
            ("source.bytes", json!(12)),
            ("source.ip", json!("203.0.113.9")),
            ("decky", json!("other")),
            ("user.name", json!("x")),
            ("", json!(1)),
            ("..", json!(2)),
            ("a\nb", json!(true)),
        ] {
            event.fields.insert(name.into(), value);
        }
        let line = parsed(&event);
        assert_eq!(line["http"]["request"]["method"], "GET");
        assert_eq!(line["http"]["request"]["headers"], json!(["a\\x09b", "c"]));
        assert_eq!(line["http"]["request"]["headers_b64"], json!(["YQli", "Yw=="]));
        assert_eq!(line["source"], json!({"ip": "192.0.2.1", "port": 4711, "bytes": 12}));
        assert_eq!(line["source.ip"], "203.0.113.9");
        assert_eq!((&line["decky"], &line["user.name"]), (&json!("web-01"), &json!("x")));
        assert_eq!(line["a\\x0ab"], true);
    }

    #[test]
    fn raw_bytes_are_beside_what_was_escaped() {
        let mut event = sample();
        event.user = Some(Bytes::new("r\u{e4}t".as_bytes()));
        event.fields.insert("process.command_line".into(), Bytes::new(b"ls\x1b").to_value());
        event.fields.insert("url.path".into(), Bytes::new(b"/x").to_value());
        let line = parsed(&event);
        assert_eq!((&line["user"], &line["user_b64"]), (&json!("r\\xc3\\xa4t"), &json!("csOkdA==")));
        assert_eq!(line["process"], json!({"command_line": "ls\\x1b", "command_line_b64": "bHMb"}));
        assert_eq!(line["url"], json!({"path": "/x"}));
    }

    #[test]
    fn depth_is_bounded() {
        let mut event = sample();
        let mut deep = json!("core");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        event.fields.insert("deep".into(), deep);
        event.fields.insert("a.".repeat(500), json!(1));
        assert_eq!(parsed(&event)["deep"], json!([[[[null]]]]));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(user: Vec<u8>, text: String, name: String) {
            let mut event = sample();
            event.user = Some(Bytes::new(&user));
            event.fields.insert("f.text".into(), text.clone().into());
            event.fields.insert(name, text.clone().into());
            let line = parsed(&event);
            prop_assert_eq!(escape::undo(line["user"].as_str().unwrap()), Some(user.clone()));
            prop_assert_eq!(escape::undo(line["f"]["text"].as_str().unwrap()), Some(text.into_bytes()));
            if let Some(raw) = line.get("user_b64") {
                prop_assert_eq!(Bytes::try_from(raw.as_str().unwrap().to_owned()).unwrap().0, user);
            }
        }
    }
}
