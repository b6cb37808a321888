//! Values of a service's settings, as decoys read them. They were checked when the fleet was planned; one
//! that still does not fit (a row of another tool) is as if it were absent.

use serde_json::Value;

use crate::model::Settings;

/// Longest text in bytes.
const TEXT_MAX: usize = 512;

/// A text that is not empty, on one line.
pub(crate) fn text<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    let text = settings.get(key)?.as_str()?;
    (!text.is_empty() && text.len() <= TEXT_MAX && !text.contains(['\r', '\n', '\0'])).then_some(text)
}

/// A text of any number of lines that is not empty.
pub(crate) fn area<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    settings.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A switch.
pub(crate) fn flag(settings: &Settings, key: &str) -> Option<bool> {
    settings.get(key).and_then(Value::as_bool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_absent() {
        let settings: Settings =
            [("a", Value::from("x")), ("b", "x\ny".into()), ("c", "".into()), ("d", 7.into())]
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect();
        assert_eq!(text(&settings, "a"), Some("x"));
        assert_eq!([text(&settings, "b"), text(&settings, "c"), text(&settings, "d")], [None; 3]);
        assert_eq!((area(&settings, "b"), area(&settings, "c")), (Some("x\ny"), None));
        assert_eq!(flag(&settings, "d"), None);
    }
}
