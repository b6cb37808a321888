//! Text as several protocols put it: lines that end with CRLF, JSON with line ends.

use serde_json::Value;

/// Deepest value that is printed with line ends.
const DEPTH_MAX: usize = 24;

/// The same text with CRLF at the end of every line.
pub(super) fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(64));
    let mut last = 0u8;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    out
}

/// How a product prints JSON: what follows a name, an empty object, an empty list.
pub(super) struct Style(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

/// JSON with line ends and two blanks a level.
pub(super) fn json(value: &Value, style: &Style) -> String {
    let mut out = String::new();
    write(value, style, 0, &mut out);
    out
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    };
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(style.1),
        Value::Array(list) if list.is_empty() => out.push_str(style.2),
        Value::Object(map) if depth < DEPTH_MAX => {
            out.push('{');
            for (at, (name, value)) in map.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(depth + 1, out);
                out.push_str(&Value::String(name.clone()).to_string());
                out.push_str(style.0);
                write(value, style, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Value::Array(list) if depth < DEPTH_MAX => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(depth + 1, out);
                write(value, style, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles() {
        let value = serde_json::json!({"a": [1, {}], "b": []});
        assert_eq!(
            json(&value, &Style(": ", "{}", "[]")),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"
        );
        assert_eq!(
            json(&value, &Style(" : ", "{ }", "[ ]")),
            "{\n  \"a\" : [\n    1,\n    { }\n  ],\n  \"b\" : [ ]\n}"
        );
        assert_eq!(crlf(b"a\nb\r\n"), b"a\r\nb\r\n");
    }
}
