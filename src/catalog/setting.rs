//! One setting of a service: its type, and how a text becomes a value of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::nearest;

/// A setting of a service: a key of its `[decky.service]` subsection.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, lower case.
    pub key: &'static str,
    /// What its value may be.
    pub kind: SettingKind,
    /// What it is when nothing is said, as text; none when the service makes up its own.
    pub default: Option<&'static str>,
    /// Whether its value is masked when shown.
    pub secret: bool,
    /// What it does, in a line.
    pub help: &'static str,
    /// A further rule on the decoded text.
    check: Option<Check>,
}

/// A rule on a text; the error ends a sentence that begins with the key.
type Check = fn(&str) -> Result<(), String>;

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// One line of text.
    Text,
    /// One line of text that is a secret.
    Password,
    /// A whole number.
    Int {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// true, yes, on, 1 or false, no, off, 0.
    Bool,
    /// Text of several lines, or `b64:` and its Base64 form.
    TextArea,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// One or more of these words: a JSON list, or a list with commas.
    MultiEnum(&'static [&'static str]),
    /// A path on the host.
    Path,
}

impl SettingKind {
    /// The type in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Password => "password",
            Self::Int { .. } => "int",
            Self::Bool => "bool",
            Self::TextArea => "textarea",
            Self::Enum(_) => "enum",
            Self::MultiEnum(_) => "multi_enum",
            Self::Path => "path",
        }
    }

    /// The words to choose from; none for other types.
    pub fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Enum(words) | Self::MultiEnum(words) => words,
            _ => &[],
        }
    }
}

impl Setting {
    pub(super) const fn new(
        key: &'static str,
        kind: SettingKind,
        default: Option<&'static str>,
        help: &'static str,
    ) -> Self {
        let secret = matches!(kind, SettingKind::Password);
        Self { key, kind, default, secret, help, check: None }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn check(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The typed value of `text`: a number, a boolean, a list of words, or a string with `b64:` decoded.
    ///
    /// # Errors
    ///
    /// Why the text does not fit, as the end of a sentence that begins with the key.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            SettingKind::Text | SettingKind::Password | SettingKind::Path => {
                let text = text.trim();
                if text.contains(|c: char| c.is_control() && c != '\t') {
                    return Err("must be one line without control characters".to_owned());
                }
                self.checked(text)
            }
            SettingKind::TextArea => self.checked(&decode_area(text)?),
            SettingKind::Int { min, max } => match parse_int(text) {
                Some(number) if (min..=max).contains(&number) => Ok(number.into()),
                _ => Err(format!("must be a whole number from {min} to {max}")),
            },
            SettingKind::Bool => match parse_bool(text) {
                Some(value) => Ok(value.into()),
                None => Err("must be true, yes, on or 1, or else false, no, off or 0".to_owned()),
            },
            SettingKind::Enum(words) => one_of(text.trim(), words).map(Into::into),
            SettingKind::MultiEnum(words) => parse_multi(text, words),
        }
    }

    fn checked(&self, text: &str) -> Result<Value, String> {
        if let Some(check) = self.check {
            check(text)?;
        }
        Ok(text.into())
    }
}

fn decode_area(text: &str) -> Result<String, String> {
    // A value that begins on the line after its key has the newline in between as its first character.
    let text = text.strip_prefix('\n').unwrap_or(text);
    let Some(encoded) = text.trim().strip_prefix("b64:") else {
        return Ok(text.to_owned());
    };
    let encoded: String = encoded.split_whitespace().collect();
    let bytes = STANDARD.decode(encoded).map_err(|e| format!("begins with b64: but is no Base64: {e}"))?;
    String::from_utf8(bytes).map_err(|_| "must be UTF-8 text once its Base64 is decoded".to_owned())
}

fn one_of(word: &str, words: &[&str]) -> Result<String, String> {
    if words.contains(&word) {
        return Ok(word.to_owned());
    }
    let meant = match nearest(word, words.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    Err(format!("must be one of {}{meant}", words.join(", ")))
}

fn parse_multi(text: &str, words: &[&str]) -> Result<Value, String> {
    let text = text.trim();
    let listed: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text)
            .map_err(|_| "must be a JSON list of texts, or a list with commas".to_owned())?
    } else {
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let mut chosen: Vec<Value> = Vec::new();
    for word in &listed {
        let word = Value::from(one_of(word, words)?);
        if !chosen.contains(&word) {
            chosen.push(word);
        }
    }
    if chosen.is_empty() {
        Err(format!("must name at least one of {}", words.join(", ")))
    } else {
        Ok(chosen.into())
    }
}

/// The words DECNET takes for a boolean.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number as Python's `int` reads it: blanks around, a sign, single `_` between digits.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let well_formed =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if !well_formed {
        return None;
    }
    format!("{sign}{}", digits.replace('_', "")).parse().ok()
}

/// A JSON object whose values are texts, numbers or booleans: HTTP headers.
pub(super) fn headers(text: &str) -> Result<(), String> {
    const SHAPE: &str = r#"must be a JSON object of texts, like {"X-Powered-By": "PHP/8.1"}"#;
    if text.trim().is_empty() {
        return Ok(());
    }
    let parsed: Value = serde_json::from_str(text).map_err(|e| format!("{SHAPE}; {e}"))?;
    let Value::Object(headers) = parsed else { return Err(SHAPE.to_owned()) };
    for (name, value) in &headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("has {name:?}, which is no HTTP header name"));
        }
        let plain = match value {
            Value::String(text) => !text.contains(|c: char| c.is_control() && c != '\t'),
            Value::Number(_) | Value::Bool(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !plain {
            return Err(format!("has a value for {name:?} that is no single line of text"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WORDS: &[&str] = &["http/1.1", "http/2"];

    fn parse(kind: SettingKind, text: &str) -> Result<Value, String> {
        Setting::new("k", kind, None, "").parse(text)
    }

    #[test]
    fn values_get_their_types() {
        let int = SettingKind::Int { min: 100, max: 599 };
        assert_eq!(parse(int, " +4_0_4 "), Ok(json!(404)));
        for bad in ["", "99", "600", "4__0", "_404", "404 # no", "1e2", "99999999999999999999"] {
            assert!(parse(int, bad).is_err(), "{bad}");
        }
        assert_eq!(parse(SettingKind::Bool, "Yes"), Ok(json!(true)));
        assert_eq!(parse(SettingKind::Bool, "off"), Ok(json!(false)));
        assert!(parse(SettingKind::Bool, "maybe").is_err());
        assert_eq!(parse(SettingKind::Text, "50% # plain"), Ok(json!("50% # plain")));
        assert!(parse(SettingKind::Text, "a\nb").is_err());
        assert!(parse(SettingKind::Password, "a\x1b").is_err());
    }

    #[test]
    fn words_are_checked_and_suggested() {
        assert_eq!(parse(SettingKind::Enum(WORDS), "http/2"), Ok(json!("http/2")));
        let message = parse(SettingKind::Enum(WORDS), "htp/2").unwrap_err();
        assert!(message.ends_with("did you mean http/2?"), "{message}");
        let multi = SettingKind::MultiEnum(WORDS);
        assert_eq!(parse(multi, "http/2, http/1.1,http/2"), Ok(json!(["http/2", "http/1.1"])));
        assert_eq!(parse(multi, r#"["http/1.1"]"#), Ok(json!(["http/1.1"])));
        for bad in ["", "[]", "[1]", "[", "http/9"] {
            assert!(parse(multi, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn areas_decode_base64() {
        let area = SettingKind::TextArea;
        assert_eq!(parse(area, "\n<html>\n</html>"), Ok(json!("<html>\n</html>")));
        assert_eq!(parse(area, "b64:aGVs\nbG8="), Ok(json!("hello")));
        assert!(parse(area, "b64:!!").unwrap_err().contains("Base64"));
        assert!(parse(area, "b64:/w==").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn headers_are_a_flat_object() {
        assert_eq!(headers(r#"{"X-A": "b", "X-N": 1}"#), Ok(()));
        assert_eq!(headers(""), Ok(()));
        for bad in ["X-A: b", "[]", r#"{"": "x"}"#, r#"{"a b": "x"}"#, r#"{"a": "x\r\ny"}"#, r#"{"a": {}}"#] {
            assert!(headers(bad).is_err(), "{bad}");
        }
    }
}
