//! The catalogue: services, archetypes, distros and OS families, as data (facts: upstream §3).
//!
//! Pure tables and look-ups. What a service *does* lives in `decoy`; what a file may *say* about it is decided
//! here, by the schema of its settings.

mod archetypes;
mod distros;
mod nearest;
mod os;
mod remarks;
mod services;
mod setting;
mod settings;

use serde_json::Value;

pub use archetypes::{Archetype, archetype, archetypes};
pub use distros::{Distro, HostnameStyle, distro, distros};
pub use nearest::nearest;
pub use os::{OsFamily, os_families, os_family};
pub use remarks::{Remark, remarks};
pub use services::{Port, Service, ports_of, service, services};
pub use setting::{Setting, SettingKind};
pub(crate) use setting::{parse_bool, parse_int};

/// Whether the setting `key` of `service` must be masked when it is shown.
///
/// A service or key that the catalogue does not know counts as secret when its key sounds like one.
pub fn is_secret(service_slug: &str, key: &str) -> bool {
    if let Some(setting) = service(service_slug).and_then(|s| s.setting(key)) {
        return setting.secret;
    }
    let key = key.to_ascii_lowercase();
    ["pass", "secret", "key", "token"].iter().any(|word| key.contains(word))
}

/// The settings of `service` that must be masked when they are shown.
pub fn secret_settings(service_slug: &str) -> impl Iterator<Item = &'static Setting> {
    service(service_slug).into_iter().flat_map(|s| s.settings.iter()).filter(|s| s.secret)
}

/// The value in its schema's type: DECNET stores what a file said as text (`"200"`, `"false"`).
///
/// A text that does not fit, and the value of an unknown service or key, comes back as it is.
pub fn canonical(service_slug: &str, key: &str, value: &Value) -> Value {
    let typed = match (value, service(service_slug).and_then(|s| s.setting(key))) {
        (Value::String(text), Some(setting)) => setting.parse(text).ok(),
        _ => None,
    };
    typed.unwrap_or_else(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_known_or_guessed() {
        assert!(is_secret("ssh", "password"));
        assert!(is_secret("https", "tls_key"));
        assert!(!is_secret("ssh", "user"));
        assert!(!is_secret("dns", "nsid"));
        assert!(is_secret("mine", "API_Token"));
        assert!(is_secret("ssh", "old_passwd"));
        assert!(!is_secret("mine", "port"));
        let keys: Vec<_> = secret_settings("ssh").map(|s| s.key).collect();
        assert_eq!(keys, ["password", "user_password"]);
        assert_eq!(secret_settings("nope").count(), 0);
    }

    #[test]
    fn texts_of_decnet_become_typed() {
        assert_eq!(canonical("http", "response_code", &json!("404")), json!(404));
        assert_eq!(canonical("rdp", "nla", &json!("false")), json!(false));
        assert_eq!(canonical("http", "response_code", &json!("many")), json!("many"));
        assert_eq!(canonical("http", "custom_body", &json!("b64:aGk=")), json!("hi"));
        assert_eq!(canonical("http", "odd", &json!([1])), json!([1]));
    }
}
