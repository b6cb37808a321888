//! Documents: searched, read, written, taken away.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::{Ask, Node, Reply, error, no_index};
use crate::decoy::vfs::now;
use crate::event::Kind;

/// Most documents of one answer.
const PAGE_MAX: u64 = 1000;
/// Most lines of a bulk request that are looked at.
const BULK_MAX: usize = 400;

fn millis() -> i64 {
    now().saturating_mul(1000)
}

fn shards(total: usize) -> Value {
    json!({"total": total, "successful": total, "skipped": 0, "failed": 0})
}

impl Node {
    pub(super) fn documents(&self, ask: &Ask<'_>, method: &str, parts: &[&str]) -> Option<Reply> {
        let read = matches!(method, "GET" | "POST");
        let written = matches!(method, "PUT" | "POST");
        Some(match parts {
            ["_search"] if read => self.search(ask, "_all"),
            ["_search", "scroll"] if method == "DELETE" => {
                Reply::Json(200, json!({"succeeded": true, "num_freed": 1}))
            }
            ["_search", "scroll"] | ["_search", "scroll", _] if read => {
                self.scroll(ask, parts.get(2).copied())
            }
            [index, "_search"] if read => self.search(ask, index),
            // The seventh series still takes a type in the path.
            [index, kind, "_search"] if read && !kind.starts_with('_') => self.search(ask, index),
            ["_count"] if read => self.count(ask, "_all"),
            [index, "_count"] if read => self.count(ask, index),
            ["_msearch"] if read => Reply::Json(200, json!({"took": 1, "responses": []})),
            ["_bulk"] if written => self.bulk(ask, None),
            [index, "_bulk"] if written => self.bulk(ask, Some(index)),
            [index, "_doc" | "_source", id] if method == "GET" => {
                self.get(index, id, parts.get(1) == Some(&"_source"))
            }
            [index, "_doc", id] if method == "DELETE" => self.delete(ask, index, id),
            [index, "_doc" | "_create", id] if written => {
                self.write(ask, index, Some(id), parts.get(1) == Some(&"_create"))
            }
            [index, "_doc"] if method == "POST" => self.write(ask, index, None, false),
            [index, "_update", id] if method == "POST" => self.update(ask, index, id),
            [index, "_delete_by_query" | "_update_by_query"] if method == "POST" => {
                self.by_query(ask, index, parts.get(1) == Some(&"_delete_by_query"))
            }
            _ => return None,
        })
    }

    fn search(&self, ask: &Ask<'_>, which: &str) -> Reply {
        let given = match ask.json() {
            Ok(given) => given,
            Err(reply) => return reply,
        };
        ask.record
            .event(Kind::Query, "search")
            .text("elasticsearch.index", which)
            .bytes("elasticsearch.body", ask.body)
            .emit();
        if let Some(script) = given.get("script_fields") {
            // What older versions ran.
            ask.record.event(Kind::Query, "script").text("elasticsearch.script", &script.to_string()).emit();
        }
        let number = |key: &str, default: u64| {
            let asked = ask.request.query(key).and_then(|n| n.parse().ok());
            asked.or_else(|| given.get(key).and_then(Value::as_u64)).unwrap_or(default)
        };
        let (from, size) = (number("from", 0), number("size", 10));
        if from.saturating_add(size) > 10_000 {
            let reason = format!(
                "Result window is too large, from + size must be less than or equal to: [10000] but was [{}]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.",
                from.saturating_add(size)
            );
            return error(400, "illegal_argument_exception", &reason, &[]);
        }
        let names = self.store().resolve(which);
        if names.is_empty() && !which.contains('*') && !matches!(which, "_all" | "") {
            return no_index(which);
        }
        let mut reply = self.hits(&names, from, size);
        if ask.request.query("scroll").is_some() {
            let next = format!("{}|{}|{size}", names.join(","), from.saturating_add(size));
            let mut with = Map::new();
            with.insert("_scroll_id".to_owned(), scroll_id(&next).into());
            if let Value::Object(map) = reply {
                with.extend(map);
            }
            reply = Value::Object(with);
        }
        Reply::Json(200, reply)
    }

    fn hits(&self, names: &[String], from: u64, size: u64) -> Value {
        let store = self.store();
        let mut left = size.min(PAGE_MAX);
        let (mut skip, mut total, mut hits) = (from, 0u64, Vec::new());
        for name in names {
            let count = store.indices.get(name).map_or(0, super::store::Index::count);
            total = total.saturating_add(count);
            if skip >= count {
                skip -= count;
                continue;
            }
            for (id, source) in store.page(name, skip, left) {
                let mut hit = json!({"_index": name, "_id": id, "_score": 1.0, "_source": source});
                if !self.modern() {
                    hit = json!({"_index": name, "_type": "_doc", "_id": id, "_score": 1.0, "_source": hit["_source"]});
                }
                hits.push(hit);
                left = left.saturating_sub(1);
            }
            skip = 0;
        }
        let (value, relation) = if total > 10_000 { (10_000, "gte") } else { (total, "eq") };
        let best = if hits.is_empty() { Value::Null } else { json!(1.0) };
        json!({"took": 1 + total % 7, "timed_out": false, "_shards": shards(names.len()),
            "hits": {"total": {"value": value, "relation": relation}, "max_score": best, "hits": hits}})
    }

    /// The next page of a scroll; its identifier says where it is.
    fn scroll(&self, ask: &Ask<'_>, named: Option<&str>) -> Reply {
        let given = ask.json().unwrap_or(Value::Null);
        let id = ask
            .request
            .query("scroll_id")
            .or_else(|| given.get("scroll_id").and_then(Value::as_str).map(str::to_owned))
            .or_else(|| named.map(str::to_owned))
            .unwrap_or_default();
        let place = read_scroll(&id);
        let Some((names, from, size)) = place else {
            return error(400, "illegal_argument_exception", "Cannot parse scroll id", &[]);
        };
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let next = format!("{}|{}|{size}", names.join(","), from.saturating_add(size));
        let mut with = Map::new();
        with.insert("_scroll_id".to_owned(), scroll_id(&next).into());
        if let Value::Object(map) = self.hits(&names, from, size) {
            with.extend(map);
        }
        Reply::Json(200, Value::Object(with))
    }

    fn count(&self, ask: &Ask<'_>, which: &str) -> Reply {
        let names = self.store().resolve(which);
        if names.is_empty() && !which.contains('*') && which != "_all" {
            return no_index(which);
        }
        ask.record.event(Kind::Query, "count").text("elasticsearch.index", which).emit();
        let store = self.store();
        let count: u64 =
            names.iter().filter_map(|n| store.indices.get(n)).map(super::store::Index::count).sum();
        Reply::Json(200, json!({"count": count, "_shards": shards(names.len())}))
    }

    fn get(&self, index: &str, id: &str, bare: bool) -> Reply {
        let store = self.store();
        if !store.indices.contains_key(index) {
            return no_index(index);
        }
        match (store.get(index, id), bare) {
            (Some(source), true) => Reply::Json(200, source),
            (Some(source), false) => {
                let mut found = self.named(index, id);
                found.extend([
                    ("_version".to_owned(), json!(1)),
                    ("_seq_no".to_owned(), json!(0)),
                    ("_primary_term".to_owned(), json!(1)),
                    ("found".to_owned(), json!(true)),
                    ("_source".to_owned(), source),
                ]);
                Reply::Json(200, Value::Object(found))
            }
            (None, true) => error(
                404,
                "resource_not_found_exception",
                &format!("Document not found [{index}]/[_doc]/[{id}]"),
                &[],
            ),
            (None, false) => {
                let mut missing = self.named(index, id);
                missing.insert("found".to_owned(), json!(false));
                Reply::Json(404, Value::Object(missing))
            }
        }
    }

    fn named(&self, index: &str, id: &str) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("_index".to_owned(), index.into());
        if !self.modern() {
            map.insert("_type".to_owned(), "_doc".into());
        }
        map.insert("_id".to_owned(), id.into());
        map
    }

    /// What became of a document.
    fn result(&self, index: &str, id: &str, result: &str) -> Map<String, Value> {
        let mut map = self.named(index, id);
        let version = if result == "created" { 1 } else { 2 };
        map.extend([
            ("_version".to_owned(), json!(version)),
            ("result".to_owned(), result.into()),
            ("_shards".to_owned(), json!({"total": 2, "successful": 1, "failed": 0})),
            ("_seq_no".to_owned(), json!(version - 1)),
            ("_primary_term".to_owned(), json!(1)),
        ]);
        map
    }

    /// Tells of a document that was written: it may be a note that demands money.
    fn tell(ask: &Ask<'_>, action: &str, index: &str, id: &str, source: &[u8]) {
        ask.record
            .event(Kind::Command, action)
            .text("elasticsearch.index", index)
            .text("elasticsearch.id", id)
            .bytes("elasticsearch.document", source)
            .emit();
    }

    fn write(&self, ask: &Ask<'_>, index: &str, id: Option<&str>, create: bool) -> Reply {
        let given = match ask.json() {
            Ok(Value::Null) => return error(400, "parse_exception", "request body is required", &[]),
            Ok(given) => given,
            Err(reply) => return reply,
        };
        if !given.is_object() {
            return error(400, "mapper_parsing_exception", "failed to parse", &[]);
        }
        if let Err(reply) = super::indices::name_fits(index) {
            return reply;
        }
        let mut store = self.store();
        let id = id.map_or_else(|| store.fresh_id(), str::to_owned);
        Self::tell(ask, "index_document", index, &id, ask.body);
        if create && store.get(index, &id).is_some() {
            let reason = format!("[{id}]: version conflict, document already exists (current version [1])");
            return error(409, "version_conflict_engine_exception", &reason, &[("index", index)]);
        }
        match store.put(index, &id, given, millis()) {
            Some(true) => Reply::Json(201, Value::Object(self.result(index, &id, "created"))),
            Some(false) => Reply::Json(200, Value::Object(self.result(index, &id, "updated"))),
            None => full(),
        }
    }

    fn update(&self, ask: &Ask<'_>, index: &str, id: &str) -> Reply {
        let given = match ask.json() {
            Ok(given) => given,
            Err(reply) => return reply,
        };
        Self::tell(ask, "update_document", index, id, ask.body);
        let mut store = self.store();
        let Some(Value::Object(mut old)) = store.get(index, id) else {
            let reason = format!("[_doc][{id}]: document missing");
            return error(404, "document_missing_exception", &reason, &[("index", index)]);
        };
        if let Some(Value::Object(new)) = given.get("doc") {
            old.extend(new.clone());
        }
        match store.put(index, id, Value::Object(old), millis()) {
            Some(_) => Reply::Json(200, Value::Object(self.result(index, id, "updated"))),
            None => full(),
        }
    }

    fn delete(&self, ask: &Ask<'_>, index: &str, id: &str) -> Reply {
        Self::tell(ask, "delete_document", index, id, b"");
        let mut store = self.store();
        if !store.indices.contains_key(index) {
            return no_index(index);
        }
        let gone = store.delete(index, id);
        let (status, result) = if gone { (200, "deleted") } else { (404, "not_found") };
        Reply::Json(status, Value::Object(self.result(index, id, result)))
    }

    fn by_query(&self, ask: &Ask<'_>, which: &str, delete: bool) -> Reply {
        let action = if delete { "delete_by_query" } else { "update_by_query" };
        ask.record
            .event(Kind::Command, action)
            .text("elasticsearch.index", which)
            .bytes("elasticsearch.body", ask.body)
            .emit();
        let mut store = self.store();
        let names = store.resolve(which);
        if names.is_empty() && !which.contains('*') {
            return no_index(which);
        }
        let mut total = 0u64;
        for name in &names {
            let count = store.indices.get(name).map_or(0, super::store::Index::count);
            total = total.saturating_add(if delete { store.clear(name) } else { count });
        }
        let what = if delete { "deleted" } else { "updated" };
        Reply::Json(
            200,
            json!({"took": 40 + total / 900, "timed_out": false, "total": total, what: total, "batches": total / 1000 + 1,
            "version_conflicts": 0, "noops": 0, "retries": {"bulk": 0, "search": 0}, "throttled_millis": 0, "requests_per_second": -1.0,
            "throttled_until_millis": 0, "failures": []}),
        )
    }

    fn bulk(&self, ask: &Ask<'_>, default: Option<&str>) -> Reply {
        if !ask.body.ends_with(b"\n") {
            let reason = "The bulk request must be terminated by a newline [\\n]";
            return error(400, "illegal_argument_exception", reason, &[]);
        }
        ask.record.event(Kind::Command, "bulk").bytes("elasticsearch.body", ask.body).emit();
        let mut lines: VecDeque<&[u8]> =
            ask.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).take(BULK_MAX).collect();
        let mut items = Vec::new();
        let mut store = self.store();
        while let Some(line) = lines.pop_front() {
            let action = serde_json::from_slice::<Value>(line).ok();
            let Some((verb, about)) =
                action.as_ref().and_then(Value::as_object).and_then(|m| m.iter().next())
            else {
                let reason = "Malformed action/metadata line, expected START_OBJECT";
                return error(400, "illegal_argument_exception", reason, &[]);
            };
            let of = |key: &str| about.get(key).and_then(Value::as_str);
            let Some(index) = of("_index").or(default).map(str::to_owned) else {
                return error(
                    400,
                    "action_request_validation_exception",
                    "Validation Failed: 1: index is missing;",
                    &[],
                );
            };
            let id = of("_id").map_or_else(|| store.fresh_id(), str::to_owned);
            if verb == "delete" {
                let gone = store.delete(&index, &id);
                let mut item = self.result(&index, &id, if gone { "deleted" } else { "not_found" });
                item.insert("status".to_owned(), json!(if gone { 200 } else { 404 }));
                items.push(json!({"delete": item}));
                continue;
            }
            let source = lines
                .pop_front()
                .and_then(|l| serde_json::from_slice::<Value>(l).ok())
                .unwrap_or_else(|| json!({}));
            let new = store.put(&index, &id, source, millis()).unwrap_or(true);
            let mut item = self.result(&index, &id, if new { "created" } else { "updated" });
            item.insert("status".to_owned(), json!(if new { 201 } else { 200 }));
            items.push(json!({verb.as_str(): item}));
        }
        Reply::Json(200, json!({"took": 8 + items.len(), "errors": false, "items": items}))
    }
}

/// The node protects itself.
fn full() -> Reply {
    let reason = "index [*] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];";
    error(429, "cluster_block_exception", reason, &[])
}

fn scroll_id(place: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(format!("\u{1}queryThenFetch{place}"))
}

fn read_scroll(id: &str) -> Option<(String, u64, u64)> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE.decode(id.get(..id.len().min(4096))?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.strip_prefix("\u{1}queryThenFetch")?.split('|');
    Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolls_say_where_they_are() {
        assert_eq!(read_scroll(&scroll_id("a,b|10|5")), Some(("a,b".to_owned(), 10, 5)));
        assert_eq!((read_scroll("x"), read_scroll(&"A".repeat(9000))), (None, None));
    }
}
