//! The settings of the http service.

use serde_json::Value;

use super::head::token;
use super::site::kind_of;
use crate::model::Settings;

/// Most headers an operator may add.
const EXTRA_MAX: usize = 32;

/// What an operator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Value of the `Server` header.
    pub(super) server_header: Option<String>,
    /// Status of `/`; 200 unless set.
    pub(super) response_code: u16,
    /// The application on the server: one of [`APPS`].
    pub(super) app: String,
    /// Headers of every answer.
    pub(super) extra: Vec<(String, String)>,
    /// Body of `/` and its type.
    pub(super) custom: Option<(String, String)>,
    /// Name in the certificate.
    pub(super) common_name: Option<String>,
    /// Certificate chain and key, PEM.
    pub(super) pair: Option<(String, String)>,
    /// Whether HTTP/2 is spoken.
    pub(super) http2: bool,
    /// Directory with files to serve.
    pub(super) files: Option<String>,
}

/// Applications there are.
const APPS: &[&str] = &["none", "wordpress", "phpmyadmin", "tomcat", "jenkins"];

impl Config {
    /// Reads settings; what does not fit falls back to its default.
    pub(super) fn new(settings: &Settings) -> Self {
        let text = |key: &str| {
            settings
                .get(key)
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let code = settings.get("response_code").and_then(|v| match v {
            Value::String(s) => s.trim().parse::<u64>().ok(),
            other => other.as_u64(),
        });
        let app = text("fake_app").map(|t| t.to_ascii_lowercase()).filter(|t| APPS.contains(&t.as_str()));
        let printable = |t: &String| t.len() <= 256 && t.bytes().all(|c| (0x20..0x7f).contains(&c));
        Self {
            server_header: text("server_header").filter(printable),
            response_code: code
                .and_then(|c| u16::try_from(c).ok())
                .filter(|c| (200..=599).contains(c))
                .unwrap_or(200),
            app: app.unwrap_or_else(|| "none".to_owned()),
            extra: extra(settings.get("extra_headers")),
            custom: settings.get("custom_body").and_then(Value::as_str).filter(|t| !t.is_empty()).map(custom),
            common_name: text("tls_cn").filter(printable),
            pair: text("tls_cert").zip(text("tls_key")),
            http2: speaks(settings.get("http_versions"), "http/2"),
            files: text("files"),
        }
    }
}

/// Whether a list of words, or the text of one, has this word.
fn speaks(value: Option<&Value>, word: &str) -> bool {
    match value {
        Some(Value::Array(words)) => words.iter().any(|w| w == word),
        Some(Value::String(text)) => text.split(',').any(|w| w.trim() == word),
        _ => false,
    }
}

fn custom(body: &str) -> (String, String) {
    let start = body.trim_start();
    let name = match start.chars().next() {
        Some('{' | '[') if serde_json::from_str::<Value>(body).is_ok() => "x.json",
        Some('<') if start.starts_with("<?xml") => "x.xml",
        Some('<') => "x.html",
        _ if body.contains("</") => "x.html",
        _ => "x.txt",
    };
    (kind_of(name).to_owned(), body.to_owned())
}

/// A JSON object, or the text of one; names that are no tokens and values that would break a line are
/// left out.
fn extra(value: Option<&Value>) -> Vec<(String, String)> {
    let object = match value {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => return Vec::new(),
    };
    let text = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Number(_) | Value::Bool(_) => Some(v.to_string()),
        _ => None,
    };
    let fits = |name: &str, value: &str| {
        !name.is_empty()
            && name.len() <= 64
            && value.len() <= 1024
            && name.bytes().all(token)
            && !value.bytes().any(|c| c < 0x20 || c == 0x7f)
    };
    let pairs = object.iter().filter_map(|(n, v)| Some((n.clone(), text(v)?)));
    pairs.filter(|(n, v)| fits(n, v)).take(EXTRA_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_nonsense() {
        let default = Config { response_code: 200, app: "none".into(), ..Config::default() };
        assert_eq!(Config::new(&Settings::new()), default);
        let mut s = Settings::new();
        s.insert("response_code".into(), 7.into());
        s.insert("fake_app".into(), "sharepoint".into());
        s.insert("extra_headers".into(), "not json".into());
        s.insert("server_header".into(), "a\r\nb".into());
        assert_eq!(Config::new(&s), default);
    }

    #[test]
    fn extra_headers_cannot_split_an_answer() {
        let mut s = Settings::new();
        let text = r#"{"X-A": "1", "X-N": 2, "X B": "x", "X-C": "a\r\nSet-Cookie: b"}"#;
        s.insert("extra_headers".into(), text.into());
        let want = vec![("X-A".to_owned(), "1".to_owned()), ("X-N".to_owned(), "2".to_owned())];
        assert_eq!(Config::new(&s).extra, want);
    }

    #[test]
    fn custom_bodies_have_fitting_types() {
        for (body, kind) in [
            ("<h1>x</h1>", "text/html"),
            ("{\"a\":1}", "application/json"),
            ("plain", "text/plain"),
            ("{not json", "text/plain"),
        ] {
            assert_eq!(custom(body).0, kind, "{body}");
        }
    }
}
