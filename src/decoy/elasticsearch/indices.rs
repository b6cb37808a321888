//! Indices: made, described, taken away.

use serde_json::{Map, Value, json};

use super::store::Index;
use super::{Ask, Node, Reply, error, no_index};
use crate::decoy::vfs::now;
use crate::event::Kind;

/// Whether an index may have this name.
pub(super) fn name_fits(name: &str) -> Result<(), Reply> {
    let why = if name.chars().any(char::is_uppercase) {
        "must be lowercase"
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'"
    } else if name.chars().any(|c| "\\/*?\"<>| ,#:".contains(c)) {
        "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"
    } else if name.len() > 255 {
        "index name is too long, (exceeds 255)"
    } else {
        return Ok(());
    };
    let reason = format!("Invalid index name [{name}], {why}");
    Err(error(400, "invalid_index_name_exception", &reason, &[("index_uuid", "_na_"), ("index", name)]))
}

impl Index {
    fn settings(&self, name: &str, number: &str) -> Value {
        let mut parts = number.split('.').map(|p| p.parse::<u64>().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        // Since 8.11 these are counted on their own.
        let version = match (next(), next(), next()) {
            (8, 11.., _) => 8_536_000,
            (a, b, c) => a * 1_000_000 + b * 10_000 + c * 100 + 99,
        };
        json!({"index": {"routing": {"allocation": {"include": {"_tier_preference": "data_content"}}},
            "number_of_shards": self.shards.to_string(), "provided_name": name, "creation_date": self.created.to_string(),
            "number_of_replicas": self.replicas.to_string(), "uuid": self.uuid, "version": {"created": version.to_string()}}})
    }
}

impl Node {
    pub(super) fn indices(&self, ask: &Ask<'_>, method: &str, parts: &[&str]) -> Option<Reply> {
        Some(match (method, parts) {
            ("GET", ["_mapping" | "_mappings"]) => self.each("_all", |_, i| json!({"mappings": i.mappings})),
            ("GET", [name, "_mapping" | "_mappings", ..]) => self.each(name, |_, i| json!({"mappings": i.mappings})),
            ("GET", ["_settings"]) => self.each("_all", |n, i| json!({"settings": i.settings(n, &self.number)})),
            ("GET", [name, "_settings", ..]) => self.each(name, |n, i| json!({"settings": i.settings(n, &self.number)})),
            ("GET", ["_alias" | "_aliases"]) => self.each("_all", |_, _| json!({"aliases": {}})),
            ("GET", [name, "_alias" | "_aliases", ..]) => self.each(name, |_, _| json!({"aliases": {}})),
            ("GET", ["_stats", ..]) => self.stats_of("_all"),
            ("GET", [name, "_stats", ..]) => self.stats_of(name),
            ("GET", ["_template" | "_index_template" | "_component_template" | "_data_stream" | "_scripts", ..]) => Reply::Json(200, json!({})),
            ("GET", ["_resolve", "index", _]) => {
                let store = self.store();
                let list: Vec<Value> = store.indices.keys().map(|n| json!({"name": n, "attributes": ["open"]})).collect();
                Reply::Json(200, json!({"indices": list, "aliases": [], "data_streams": []}))
            }
            ("PUT" | "POST", [name, "_mapping" | "_mappings"]) => self.map(ask, name),
            ("PUT", [_, "_settings"] | ["_settings"]) => {
                ask.record.event(Kind::Command, "index_settings").bytes("elasticsearch.body", ask.body).emit();
                Reply::Json(200, json!({"acknowledged": true}))
            }
            ("POST" | "PUT", ["_scripts", ..] | ["_aliases"] | ["_template" | "_index_template", _]) => {
                ask.record.event(Kind::Command, "configure").bytes("elasticsearch.body", ask.body).emit();
                Reply::Json(200, json!({"acknowledged": true}))
            }
            ("GET" | "POST", ["_refresh" | "_flush" | "_forcemerge"] | [_, "_refresh" | "_flush" | "_forcemerge"]) => {
                let count = self.store().indices.len();
                Reply::Json(200, json!({"_shards": {"total": count * 2, "successful": count, "failed": 0}}))
            }
            ("POST", [name, "_close" | "_open"]) if self.store().resolve(name).is_empty() => no_index(name),
            ("POST", [_, "_close" | "_open"]) => Reply::Json(200, json!({"acknowledged": true, "shards_acknowledged": true})),
            ("PUT", [name]) => self.create(ask, name),
            ("DELETE", [list]) if !list.starts_with('_') || *list == "_all" => self.remove(ask, list),
            ("GET", [name]) if !name.starts_with('_') || *name == "_all" => {
                self.each(name, |n, i| json!({"aliases": {}, "mappings": i.mappings, "settings": i.settings(n, &self.number)}))
            }
            _ => return None,
        })
    }

    /// Something of every index that a list stands for.
    fn each(&self, list: &str, of: impl Fn(&str, &Index) -> Value) -> Reply {
        let store = self.store();
        let names = store.resolve(list);
        if names.is_empty() && !list.contains('*') && list != "_all" {
            return no_index(list);
        }
        let map: Map<String, Value> =
            names.iter().filter_map(|n| Some((n.clone(), of(n, store.indices.get(n)?)))).collect();
        Reply::Json(200, Value::Object(map))
    }

    fn stats_of(&self, list: &str) -> Reply {
        let store = self.store();
        let names = store.resolve(list);
        if names.is_empty() && !list.contains('*') && list != "_all" {
            return no_index(list);
        }
        let part = |count: u64, bytes: u64| json!({"docs": {"count": count, "deleted": 0}, "store": {"size_in_bytes": bytes, "total_data_set_size_in_bytes": bytes}});
        let of = |index: &Index| {
            let part = part(index.count(), index.size());
            json!({"uuid": index.uuid, "primaries": part, "total": part})
        };
        let map: Map<String, Value> =
            names.iter().filter_map(|n| Some((n.clone(), of(store.indices.get(n)?)))).collect();
        let sum =
            |f: fn(&Index) -> u64| names.iter().filter_map(|n| store.indices.get(n)).map(f).sum::<u64>();
        let all = part(sum(Index::count), sum(Index::size));
        Reply::Json(
            200,
            json!({"_shards": {"total": names.len() * 2, "successful": names.len(), "failed": 0},
            "_all": {"primaries": all, "total": all}, "indices": map}),
        )
    }

    fn create(&self, ask: &Ask<'_>, name: &str) -> Reply {
        if let Err(reply) = name_fits(name) {
            return reply;
        }
        let given = match ask.json() {
            Ok(given) => given,
            Err(reply) => return reply,
        };
        ask.record
            .event(Kind::Command, "index_create")
            .text("elasticsearch.index", name)
            .bytes("elasticsearch.body", ask.body)
            .emit();
        let mut store = self.store();
        if let Some(old) = store.indices.get(name) {
            let reason = format!("index [{name}/{}] already exists", old.uuid);
            let uuid = old.uuid.clone();
            return error(
                400,
                "resource_already_exists_exception",
                &reason,
                &[("index_uuid", &uuid), ("index", name)],
            );
        }
        if !store.create(name, now().saturating_mul(1000)) {
            let reason = "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;";
            return error(400, "validation_exception", reason, &[]);
        }
        if let (Some(index), Some(mappings)) = (store.indices.get_mut(name), given.get("mappings"))
            && mappings.to_string().len() <= 16 * 1024
        {
            index.mappings = mappings.clone();
        }
        Reply::Json(200, json!({"acknowledged": true, "shards_acknowledged": true, "index": name}))
    }

    fn map(&self, ask: &Ask<'_>, name: &str) -> Reply {
        let given = match ask.json() {
            Ok(given) => given,
            Err(reply) => return reply,
        };
        let mut store = self.store();
        let Some(index) = store.indices.get_mut(name) else { return no_index(name) };
        if ask.body.len() <= 16 * 1024 && given.is_object() {
            index.mappings = given;
        }
        Reply::Json(200, json!({"acknowledged": true}))
    }

    /// Takes indices away: what extortionists do first.
    fn remove(&self, ask: &Ask<'_>, list: &str) -> Reply {
        let mut store = self.store();
        let names = store.resolve(list);
        let draft = ask.record.event(Kind::Command, "index_delete").text("elasticsearch.index", list);
        draft.field("elasticsearch.deleted", names.clone()).emit();
        if self.modern() && (list.contains('*') || list == "_all") {
            return error(
                400,
                "illegal_argument_exception",
                "Wildcard expressions or all indices are not allowed",
                &[],
            );
        }
        if names.is_empty() && !list.contains('*') && list != "_all" {
            return no_index(list);
        }
        for name in &names {
            store.indices.remove(name);
        }
        Reply::Json(200, json!({"acknowledged": true}))
    }
}
