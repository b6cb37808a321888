//! Field by field, what differs between two deckies.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::catalog;
use crate::model::{CustomService, Decky, Mac, Network, ServiceConfig, Settings};

use super::services::same_set;

/// What a secret is shown as.
const MASK: &str = "********";

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// Where it is: `ip`, `service_config.ssh.password`, `network.subnet`.
    pub path: String,
    /// What it was; none when it was absent.
    pub old: Option<Value>,
    /// What it becomes; none when it goes.
    pub new: Option<Value>,
    /// Whether it must be masked when shown. The values here are the real ones.
    pub secret: bool,
}

/// The fields that differ, in a fixed order. What follows from another field (images from the
/// distro) and bookkeeping (times) is not listed.
pub(super) fn decky(before: &Decky, after: &Decky) -> Vec<FieldDiff> {
    let mut fields = Vec::new();
    // Values are only made for what differs: most deckies of a plan differ in nothing.
    macro_rules! compare {
        ($($name:ident),*) => { $(
            if before.$name != after.$name {
                push(&mut fields, stringify!($name), json!(before.$name), json!(after.$name));
            }
        )* };
    }
    compare!(name, ip);
    if !same_set(&before.services, &after.services) {
        push(&mut fields, "services", json!(before.services), json!(after.services));
    }
    compare!(distro, hostname, archetype, nmap_os, mutate_interval);
    settings(&before.service_config, &after.service_config, &mut fields);
    fields
}

/// Null is the absence of a value.
fn push(fields: &mut Vec<FieldDiff>, path: &str, old: Value, new: Value) {
    let present = |value: Value| Some(value).filter(|v| !v.is_null());
    fields.push(FieldDiff { path: path.to_owned(), old: present(old), new: present(new), secret: false });
}

/// A MAC address that changes.
pub(super) fn mac(before: Option<Mac>, after: Mac, fields: &mut Vec<FieldDiff>) {
    if before != Some(after) {
        push(fields, "mac", json!(before), json!(after));
    }
}

/// What differs between two networks and matters to every decky.
pub(super) fn network(before: &Network, after: &Network) -> Vec<FieldDiff> {
    let mut fields = Vec::new();
    macro_rules! compare {
        ($($name:ident),*) => { $(
            if before.$name != after.$name {
                push(&mut fields, concat!("network.", stringify!($name)), json!(before.$name), json!(after.$name));
            }
        )* };
    }
    compare!(driver, interface, subnet, gateway, port_offset);
    fields
}

/// What differs between two definitions of a custom service.
pub(super) fn custom(before: &CustomService, after: &CustomService, fields: &mut Vec<FieldDiff>) {
    let slug = &before.slug;
    let definition = |custom: &CustomService| match json!(custom) {
        Value::Object(mut keys) => {
            keys.remove("slug");
            if let Some(Value::Object(talk)) = keys.remove("talk") {
                keys.extend(talk);
            }
            keys
        }
        _ => Map::new(),
    };
    let (old, new) = (definition(before), definition(after));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys.into_iter().filter(|key| present(&old, key) != present(&new, key)) {
        fields.push(FieldDiff {
            path: format!("custom-{slug}.{key}"),
            old: present(&old, key).cloned(),
            new: present(&new, key).cloned(),
            // Patterns name the passwords that get in.
            secret: matches!(key.as_str(), "answers" | "exec"),
        });
    }
}

fn settings(before: &ServiceConfig, after: &ServiceConfig, fields: &mut Vec<FieldDiff>) {
    if before == after {
        return;
    }
    let none = Settings::new();
    let slugs: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for slug in slugs {
        let (old, new) = (before.get(slug).unwrap_or(&none), after.get(slug).unwrap_or(&none));
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (old, new) = (present(old, key), present(new, key));
            if same_setting(slug, key, old, new) {
                continue;
            }
            fields.push(FieldDiff {
                path: format!("service_config.{slug}.{key}"),
                old: old.cloned(),
                new: new.cloned(),
                secret: catalog::is_secret(slug, key),
            });
        }
    }
}

/// A null is as good as nothing.
fn present<'a>(settings: &'a Settings, key: &str) -> Option<&'a Value> {
    settings.get(key).filter(|v| !v.is_null())
}

/// Whether both mean the same to the service: rows of other tools hold numbers and switches as text.
fn same_setting(slug: &str, key: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return old.is_none() && new.is_none() };
    if old == new {
        return true;
    }
    let schema = catalog::service(slug).and_then(|s| s.settings.iter().find(|s| s.key == key));
    let meaning = |value: &Value| schema?.parse(&text(value)).ok();
    meaning(old).is_some_and(|m| meaning(new) == Some(m))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The same decky with every secret setting masked, for people and for JSON that people read.
pub fn masked(decky: &Decky) -> Decky {
    let mut shown = decky.clone();
    for (slug, settings) in &mut shown.service_config {
        let masked: Map<String, Value> = std::mem::take(settings)
            .into_iter()
            .map(|(key, value)| {
                let secret = catalog::is_secret(slug, &key) && !value.is_null();
                let value = if secret { json!(MASK) } else { value };
                (key, value)
            })
            .collect();
        *settings = masked;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures;

    fn sample() -> Decky {
        fixtures::deployed(vec![fixtures::spec("web-01")]).members[0].decky.clone().unwrap()
    }

    fn with(slug: &str, key: &str, value: Value) -> Decky {
        let mut decky = sample();
        decky.service_config.entry(slug.to_owned()).or_default().insert(key.to_owned(), value);
        decky
    }

    fn paths(fields: &[FieldDiff]) -> Vec<&str> {
        fields.iter().map(|f| f.path.as_str()).collect()
    }

    #[test]
    fn each_field_is_found() {
        let before = sample();
        let mut after = before.clone();
        assert!(decky(&before, &after).is_empty());
        after.ip = "192.168.1.77".parse().unwrap();
        after.services.push("http".to_owned());
        after.distro = "kali".to_owned();
        after.hostname = "h".to_owned();
        after.archetype = Some("deaddeck".to_owned());
        after.nmap_os = "bsd".to_owned();
        after.mutate_interval = Some(5);
        after.base_image = "other".to_owned();
        after.last_mutated = 1.0;
        let fields = decky(&before, &after);
        assert_eq!(
            paths(&fields),
            ["ip", "services", "distro", "hostname", "archetype", "nmap_os", "mutate_interval"]
        );
        assert_eq!((fields[4].old.clone(), fields[4].new.clone()), (None, Some(json!("deaddeck"))));
        assert_eq!(fields[6].new, Some(json!(5)));
    }

    #[test]
    fn order_of_services_does_not_matter() {
        let (mut before, mut after) = (sample(), sample());
        before.services = vec!["ssh".to_owned(), "http".to_owned()];
        after.services = vec!["http".to_owned(), "ssh".to_owned()];
        assert!(decky(&before, &after).is_empty());
    }

    #[test]
    fn settings_are_compared_by_meaning() {
        let same = [(json!("404"), json!(404)), (json!(404), json!("404")), (Value::Null, Value::Null)];
        for (old, new) in same {
            let fields =
                decky(&with("http", "response_code", old.clone()), &with("http", "response_code", new));
            assert!(fields.is_empty(), "{old}: {fields:?}");
        }
        assert!(decky(&sample(), &with("http", "response_code", Value::Null)).is_empty());
        let fields =
            decky(&with("http", "response_code", json!(404)), &with("http", "response_code", json!(200)));
        assert_eq!(paths(&fields), ["service_config.http.response_code"]);
        assert!(!fields[0].secret);
        let gone = decky(&with("http", "response_code", json!(404)), &sample());
        assert_eq!((gone[0].old.clone(), gone[0].new.clone()), (Some(json!(404)), None));
    }

    #[test]
    fn secrets_are_marked_and_masked() {
        let (before, after) = (with("ssh", "password", json!("old")), with("ssh", "password", json!("new")));
        let fields = decky(&before, &after);
        assert!(fields[0].secret);
        assert_eq!(fields[0].new, Some(json!("new")));
        let mut shown = with("ssh", "user", json!("root"));
        shown
            .service_config
            .entry("ssh".to_owned())
            .or_default()
            .insert("password".to_owned(), json!("hush"));
        shown
            .service_config
            .entry("odd".to_owned())
            .or_default()
            .insert("api_token".to_owned(), json!("hush"));
        let shown = masked(&shown);
        assert_eq!(shown.service_config["ssh"]["user"], "root");
        assert!(!serde_json::to_string(&shown).unwrap().contains("hush"));
    }

    #[test]
    fn networks_and_macs() {
        let (before, mut after) = (fixtures::lan(), fixtures::lan());
        assert!(network(&before, &after).is_empty());
        after.gateway = None;
        after.port_offset = 7;
        after.log_target = Some("10.0.0.1".parse().unwrap());
        assert_eq!(paths(&network(&before, &after)), ["network.gateway", "network.port_offset"]);
        let (a, b) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let mut fields = Vec::new();
        mac(Some(a), a, &mut fields);
        assert!(fields.is_empty());
        mac(Some(a), b, &mut fields);
        mac(None, b, &mut fields);
        assert_eq!(paths(&fields), ["mac", "mac"]);
        assert_eq!(fields[0].new, Some(json!("02:00:00:00:00:02")));
        assert_eq!(fields[1].old, None);
    }
}
