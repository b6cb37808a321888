//! Objects of the API: stamps, lists, tables, and how they are printed.

use serde_json::{Value, json};

use crate::decoy::render::{self, Style};
use crate::decoy::vfs::now;
use crate::model::Seed;

/// An identifier that stays.
pub(super) fn uid(seed: &Seed, label: &str) -> String {
    let hex = hex::encode(seed.derive(&format!("uid/{label}")));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Letters as generated names end with: no vowels, no digits that look like letters.
pub(super) fn suffix(seed: &Seed, label: &str, length: usize) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes = seed.derive(&format!("suffix/{label}"));
    bytes.iter().take(length).map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
}

/// A time as objects carry it.
pub(super) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// JSON with line ends as Go's `MarshalIndent` makes it.
pub(super) fn pretty(value: &Value) -> String {
    render::json(value, &Style(": ", "{}", "[]"))
}

/// What the server adds to an object that somebody made.
pub(super) fn stamp(object: &mut Value, namespace: &str, seed: &Seed) {
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    let made = now();
    let metadata = &mut object["metadata"];
    if let (None, Some(prefix)) = (metadata.get("name"), metadata.get("generateName").and_then(Value::as_str))
    {
        let tail = suffix(seed, &format!("{prefix}/{}", jiff::Timestamp::now()), 5);
        metadata["name"] = format!("{prefix}{tail}").into();
    }
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata["uid"] = uid(seed, &format!("made/{name}/{made}")).into();
    metadata["resourceVersion"] = (400_000 + made.rem_euclid(1_000_000)).to_string().into();
    metadata["creationTimestamp"] = time(made).into();
}

/// Images named anywhere in an object.
pub(super) fn images(object: &Value) -> Vec<String> {
    fn look(value: &Value, depth: usize, found: &mut Vec<String>) {
        if depth > 16 || found.len() >= 16 {
            return;
        }
        match value {
            Value::Object(map) => {
                if let Some(image) = map.get("image").and_then(Value::as_str) {
                    found.push(image.chars().take(255).collect());
                }
                map.values().for_each(|v| look(v, depth + 1, found));
            }
            Value::Array(list) => list.iter().take(64).for_each(|v| look(v, depth + 1, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    look(object, 0, &mut found);
    found
}

fn age(created: &str) -> String {
    let then = created.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let seconds = now().saturating_sub(then).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A list or an object as the table that `kubectl get` asks for.
pub(super) fn table(value: &Value) -> Value {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let items = match value.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None if kind == "Status" => return value.clone(),
        None => vec![value.clone()],
    };
    let kind = kind.trim_end_matches("List");
    let column = |name: &str| json!({"name": name, "type": "string", "format": if name == "Name" { "name" } else { "" }, "description": "", "priority": 0});
    let text =
        |item: &Value, at: &str| item.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let titles: &[&str] = match kind {
        "Pod" => &["Name", "Ready", "Status", "Restarts", "Age"],
        "Node" => &["Name", "Status", "Roles", "Age", "Version"],
        "Namespace" => &["Name", "Status", "Age"],
        "Secret" => &["Name", "Type", "Data", "Age"],
        "ConfigMap" => &["Name", "Data", "Age"],
        "Service" => &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"],
        "Deployment" => &["Name", "Ready", "Up-to-date", "Available", "Age"],
        _ => &["Name", "Age"],
    };
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let data = item.get("data").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            let cells: Vec<Value> = titles
                .iter()
                .map(|title| match *title {
                    "Name" => text(item, "/metadata/name").into(),
                    "Age" => age(&text(item, "/metadata/creationTimestamp")).into(),
                    "Ready" => "1/1".into(),
                    "Restarts" => item.pointer("/status/containerStatuses/0/restartCount").cloned().unwrap_or(json!(0)),
                    "Status" if kind == "Node" => "Ready".into(),
                    "Status" => text(item, "/status/phase").into(),
                    "Roles" => "control-plane".into(),
                    "Version" => text(item, "/status/nodeInfo/kubeletVersion").into(),
                    "Data" => json!(data),
                    "Type" => item.pointer("/type").or(item.pointer("/spec/type")).cloned().unwrap_or(Value::Null),
                    "Cluster-IP" => text(item, "/spec/clusterIP").into(),
                    "External-IP" => "<none>".into(),
                    "Port(s)" => {
                        let port = item.pointer("/spec/ports/0/port").and_then(Value::as_u64).unwrap_or(0);
                        format!("{port}/TCP").into()
                    }
                    _ => json!(1),
                })
                .collect();
            json!({"cells": cells, "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item.get("metadata")}})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "412233"},
        "columnDefinitions": titles.iter().map(|t| column(t)).collect::<Vec<_>>(), "rows": rows})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_anywhere_within_bounds() {
        let pod = json!({"spec": {"containers": [{"image": "a"}, {"image": "b"}], "x": {"image": 7}}});
        assert_eq!(images(&pod), ["a", "b"]);
        let mut deep = json!({"image": "x"});
        for _ in 0..100 {
            deep = json!({ "a": deep });
        }
        assert!(images(&deep).is_empty());
    }

    #[test]
    fn prints_as_go_does() {
        assert_eq!(
            pretty(&json!({"a": [], "b": {"c": [1]}})),
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n      1\n    ]\n  }\n}"
        );
    }

    #[test]
    fn anything_can_be_stamped() {
        let seed = Seed::new([1; 32]);
        for mut object in [json!({}), json!({"metadata": 7}), json!({"metadata": {"generateName": "x-"}})] {
            stamp(&mut object, "default", &seed);
            assert_eq!(object["metadata"]["namespace"], "default");
        }
    }
}
