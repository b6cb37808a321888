//! Commands on databases and collections.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::bson::{Doc, Value, get, object};
use super::store::{Collection, compare, fits, uuid};
use super::{Mongo, error};

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "aggregate",
    "collStats",
    "collstats",
    "count",
    "create",
    "createIndexes",
    "dataSize",
    "dbStats",
    "dbstats",
    "delete",
    "distinct",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "explain",
    "find",
    "findAndModify",
    "findandmodify",
    "getMore",
    "insert",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "mapReduce",
    "renameCollection",
    "update",
    "validate",
];

/// Most bytes, about, of one batch.
const BATCH_MAX: usize = 4 << 20;

fn cursor(namespace: &str, batch: Vec<Value>) -> Doc {
    object! { "cursor" => object! { "firstBatch" => batch, "id" => 0i64, "ns" => namespace } }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The documents a command may look at, in the order and the number it asks for.
fn chosen(
    collection: Option<&Collection>,
    filter: &Doc,
    sort: Option<&Doc>,
    skip: i64,
    limit: i64,
) -> Vec<Doc> {
    let all = collection.map(|c| c.documents.as_slice()).unwrap_or_default();
    let mut found: Vec<&Doc> = all.iter().filter(|d| fits(d, filter, 0)).collect();
    if let Some((name, direction)) = sort.and_then(|s| s.first()) {
        let back = direction.whole().is_some_and(|d| d < 0);
        found.sort_by(|a, b| {
            let order = match (get(a, name), get(b, name)) {
                (Some(a), Some(b)) => compare(a, b).unwrap_or(Ordering::Equal),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            if back { order.reverse() } else { order }
        });
    }
    let skip = usize::try_from(skip).unwrap_or(0);
    let limit = match usize::try_from(limit.unsigned_abs()).unwrap_or(0) {
        0 => usize::MAX,
        limit => limit,
    };
    let mut room = BATCH_MAX;
    let fit = |doc: &&Doc| {
        room = room.saturating_sub(super::bson::bytes(doc).len());
        room > 0
    };
    found.into_iter().skip(skip).take(limit).take_while(fit).cloned().collect()
}

/// A document with only some of its fields.
fn projected(document: Doc, projection: &Doc) -> Doc {
    let wanted = |name: &str| get(projection, name).map(Value::truth);
    let picks = projection.iter().any(|(name, value)| name != "_id" && value.truth());
    document
        .into_iter()
        .filter(|(name, _)| match wanted(name) {
            Some(wanted) => wanted,
            None => !picks || name == "_id",
        })
        .collect()
}

impl Mongo {
    /// Answers one of [`NAMES`].
    pub(super) fn query(&self, source: IpAddr, database: &str, name: &str, command: &Doc) -> Doc {
        let target = command.first().and_then(|(_, v)| v.text()).unwrap_or_default().to_owned();
        let namespace = format!("{database}.{target}");
        let whole = |key: &str| get(command, key).and_then(Value::whole).unwrap_or(0);
        let empty = Doc::new();
        let part = |key: &str| get(command, key).and_then(Value::doc);
        let needs_target = !matches!(
            name,
            "dbStats"
                | "dbstats"
                | "dropDatabase"
                | "getMore"
                | "listCollections"
                | "listDatabases"
                | "aggregate"
                | "explain"
        );
        if needs_target && (target.is_empty() || target.len() > 200 || target.contains(['$', '\0'])) {
            return error(73, "InvalidNamespace", format!("Invalid namespace specified '{namespace}'"));
        }
        match name {
            "listDatabases" => self.list_databases(source, whole("nameOnly") != 0),
            "listCollections" => self.list_collections(source, database),
            "find" => {
                let filter = part("filter").unwrap_or(&empty);
                let limit = match whole("limit") {
                    0 if whole("singleBatch") != 0 => whole("batchSize"),
                    limit => limit,
                };
                let found = self.look(source, |s| {
                    chosen(s.collection(database, &target), filter, part("sort"), whole("skip"), limit)
                });
                let projection = part("projection").unwrap_or(&empty);
                let batch = found.into_iter().map(|d| Value::Doc(projected(d, projection))).collect();
                cursor(&namespace, batch)
            }
            "count" => {
                let filter = part("query").unwrap_or(&empty);
                let found = self.look(source, |s| {
                    chosen(s.collection(database, &target), filter, None, whole("skip"), whole("limit")).len()
                });
                object! { "n" => count(found) }
            }
            "distinct" => {
                let key = get(command, "key").and_then(Value::text).unwrap_or_default();
                let filter = part("query").unwrap_or(&empty);
                let found =
                    self.look(source, |s| chosen(s.collection(database, &target), filter, None, 0, 0));
                let mut values: Vec<Value> = Vec::new();
                for value in found.iter().filter_map(|d| get(d, key)) {
                    if !values.contains(value) && values.len() < 500 {
                        values.push(value.clone());
                    }
                }
                object! { "values" => values }
            }
            "aggregate" => self.aggregate(source, database, command),
            "insert" => {
                let documents = get(command, "documents").and_then(Value::array).unwrap_or_default();
                let id = self.uuid(&namespace);
                self.change(source, |s| {
                    s.create(database, &target, id);
                    for document in documents.iter().filter_map(Value::doc) {
                        s.insert(database, &target, document.clone());
                    }
                });
                object! { "n" => count(documents.len()) }
            }
            "delete" => self.delete(source, database, &target, command),
            "update" => self.update(source, database, &target, command),
            "findAndModify" | "findandmodify" => {
                let filter = part("query").unwrap_or(&empty);
                let found = self.look(source, |s| {
                    chosen(s.collection(database, &target), filter, part("sort"), 0, 1).into_iter().next()
                });
                let known = i32::from(found.is_some());
                let value = found.map_or(Value::Null, Value::Doc);
                object! { "lastErrorObject" => object! { "n" => known, "updatedExisting" => known == 1 }, "value" => value }
            }
            "drop" => {
                let indexes = self.change(source, |s| s.drop_collection(database, &target));
                if indexes {
                    object! { "nIndexesWas" => 1, "ns" => namespace }
                } else {
                    error(26, "NamespaceNotFound", "ns not found")
                }
            }
            "dropDatabase" => {
                if self.change(source, |s| s.drop_database(database)) {
                    object! { "dropped" => database }
                } else {
                    Doc::new()
                }
            }
            "create" => {
                let id = self.uuid(&namespace);
                let exists = self.look(source, |s| s.collection(database, &target).is_some());
                if exists {
                    let text = format!("Collection already exists. NS: {namespace}");
                    return error(48, "NamespaceExists", text);
                }
                self.change(source, |s| s.create(database, &target, id));
                Doc::new()
            }
            "createIndexes" => {
                object! { "createdCollectionAutomatically" => false, "numIndexesBefore" => 1, "numIndexesAfter" => 2 }
            }
            "dropIndexes" => object! { "nIndexesWas" => 1 },
            "listIndexes" => {
                if self.look(source, |s| s.collection(database, &target).is_none()) {
                    return error(26, "NamespaceNotFound", format!("ns does not exist: {namespace}"));
                }
                cursor(&namespace, vec![Value::Doc(index())])
            }
            "collStats" | "collstats" | "validate" | "dataSize" => {
                let documents =
                    self.look(source, |s| s.collection(database, &target).map_or(0, |c| c.documents.len()));
                object! {
                    "ns" => namespace, "size" => count(documents).saturating_mul(180), "count" => count(documents),
                    "avgObjSize" => if documents == 0 { 0 } else { 180 }, "storageSize" => 20_480,
                    "freeStorageSize" => 0, "capped" => false, "nindexes" => 1, "totalIndexSize" => 20_480,
                    "totalSize" => 40_960, "scaleFactor" => 1,
                }
            }
            "dbStats" | "dbstats" => self.database_stats(source, database),
            "getMore" => {
                let id = command.first().and_then(|(_, v)| v.whole()).unwrap_or(0);
                error(43, "CursorNotFound", format!("cursor id {id} not found"))
            }
            "renameCollection" => Doc::new(),
            "mapReduce" => {
                object! { "results" => Vec::<Value>::new(), "timeMillis" => 3, "counts" => object! { "input" => 0, "emit" => 0, "reduce" => 0, "output" => 0 } }
            }
            _ => {
                object! { "queryPlanner" => object! { "plannerVersion" => 1, "namespace" => namespace, "indexFilterSet" => false, "winningPlan" => object! { "stage" => "COLLSCAN", "direction" => "forward" }, "rejectedPlans" => Vec::<Value>::new() } }
            }
        }
    }

    fn uuid(&self, namespace: &str) -> [u8; 16] {
        uuid(&self.server.persona.seed, &format!("mongodb/uuid/{namespace}"))
    }

    fn list_databases(&self, source: IpAddr, names: bool) -> Doc {
        let (list, total) = self.look(source, |s| {
            let entry = |d: &super::store::Database| {
                if names {
                    Value::Doc(object! { "name" => d.name.clone() })
                } else {
                    Value::Doc(
                        object! { "name" => d.name.clone(), "sizeOnDisk" => d.size(), "empty" => false },
                    )
                }
            };
            let total: i64 = s.databases.iter().map(super::store::Database::size).sum();
            (s.databases.iter().map(entry).collect::<Vec<Value>>(), total)
        });
        let mut out = object! { "databases" => list };
        if !names {
            out.extend(object! { "totalSize" => total });
            if self.server.series >= (4, 4) {
                out.extend(object! { "totalSizeMb" => total >> 20 });
            }
        }
        out
    }

    fn list_collections(&self, source: IpAddr, database: &str) -> Doc {
        let batch = self.look(source, |s| {
            let entry = |c: &Collection| {
                Value::Doc(object! {
                    "name" => c.name.clone(), "type" => "collection", "options" => Doc::new(),
                    "info" => object! { "readOnly" => false, "uuid" => Value::Binary(4, c.id.to_vec()) },
                    "idIndex" => index(),
                })
            };
            s.database(database).map(|d| d.collections.iter().map(entry).collect()).unwrap_or_default()
        });
        cursor(&format!("{database}.$cmd.listCollections"), batch)
    }

    fn database_stats(&self, source: IpAddr, database: &str) -> Doc {
        let (collections, objects, size) = self.look(source, |s| {
            s.database(database).map_or((0, 0, 0), |d| {
                (
                    d.collections.len(),
                    d.collections.iter().map(|c| c.documents.len()).sum::<usize>(),
                    d.size(),
                )
            })
        });
        #[expect(clippy::cast_precision_loss, reason = "sizes of small collections")]
        let size = size as f64;
        object! {
            "db" => database, "collections" => count(collections), "views" => 0, "objects" => count(objects),
            "avgObjSize" => if objects == 0 { 0.0 } else { 180.0 }, "dataSize" => f64::from(count(objects)) * 180.0,
            "storageSize" => size / 2.0, "indexes" => count(collections), "indexSize" => size / 2.0,
            "totalSize" => size, "scaleFactor" => 1.0,
        }
    }

    fn delete(&self, source: IpAddr, database: &str, target: &str, command: &Doc) -> Doc {
        let mut deleted = 0;
        for one in get(command, "deletes").and_then(Value::array).unwrap_or_default().iter().take(100) {
            let Some(one) = one.doc() else { continue };
            let empty = Doc::new();
            let filter = get(one, "q").and_then(Value::doc).unwrap_or(&empty);
            let mut left = match get(one, "limit").and_then(Value::whole).unwrap_or(0) {
                1 => 1,
                _ => usize::MAX,
            };
            deleted += self.change(source, |s| {
                let Some(collection) = s.collection_mut(database, target) else { return 0 };
                let before = collection.documents.len();
                collection.documents.retain(|d| {
                    let gone = left > 0 && fits(d, filter, 0);
                    left -= usize::from(gone);
                    !gone
                });
                before - collection.documents.len()
            });
        }
        object! { "n" => count(deleted) }
    }

    fn update(&self, source: IpAddr, database: &str, target: &str, command: &Doc) -> Doc {
        let (mut matched, mut upserted) = (0, Vec::new());
        let id = self.uuid(&format!("{database}.{target}"));
        for one in get(command, "updates").and_then(Value::array).unwrap_or_default().iter().take(100) {
            let Some(one) = one.doc() else { continue };
            let empty = Doc::new();
            let filter = get(one, "q").and_then(Value::doc).unwrap_or(&empty);
            let change = get(one, "u").and_then(Value::doc).unwrap_or(&empty);
            let most = if get(one, "multi").is_some_and(Value::truth) { usize::MAX } else { 1 };
            let upsert = get(one, "upsert").is_some_and(Value::truth);
            let found = self.change(source, |s| {
                let documents = s.collection_mut(database, target).map(|c| c.documents.iter_mut());
                let mut found = 0;
                for document in documents.into_iter().flatten().filter(|d| fits(d, filter, 0)).take(most) {
                    apply(document, change);
                    found += 1;
                }
                if found == 0 && upsert && s.create(database, target, id) {
                    let mut document: Doc = filter
                        .iter()
                        .filter(|(n, v)| !n.starts_with('$') && v.doc().is_none())
                        .cloned()
                        .collect();
                    apply(&mut document, change);
                    s.insert(database, target, document);
                }
                found
            });
            if found == 0 && upsert {
                upserted.push(Value::Doc(object! { "index" => 0, "_id" => Value::Null }));
            }
            matched += found;
        }
        let mut out = object! { "n" => count(matched + upserted.len()), "nModified" => count(matched) };
        if !upserted.is_empty() {
            out.push(("upserted".into(), Value::Array(upserted)));
        }
        out
    }

    fn aggregate(&self, source: IpAddr, database: &str, command: &Doc) -> Doc {
        let target = command.first().and_then(|(_, v)| v.text()).unwrap_or("$cmd.aggregate").to_owned();
        let namespace = format!("{database}.{target}");
        if get(command, "cursor").is_none() && get(command, "explain").is_none() {
            let text = "The 'cursor' option is required, except for aggregate with the explain argument";
            return error(9, "FailedToParse", text);
        }
        let mut found =
            self.look(source, |s| chosen(s.collection(database, &target), &Doc::new(), None, 0, 0));
        for stage in get(command, "pipeline").and_then(Value::array).unwrap_or_default().iter().take(20) {
            let Some((name, value)) = stage.doc().and_then(|d| d.first()) else { continue };
            let number = usize::try_from(value.whole().unwrap_or(0)).unwrap_or(0);
            match (name.as_str(), value) {
                ("$match", Value::Doc(filter)) => found.retain(|d| fits(d, filter, 0)),
                ("$limit", _) => found.truncate(number),
                ("$sample", Value::Doc(size)) => {
                    let size = get(size, "size").and_then(Value::whole).unwrap_or(0);
                    found.truncate(usize::try_from(size).unwrap_or(0));
                }
                ("$skip", _) => found = found.split_off(number.min(found.len())),
                ("$project", Value::Doc(projection)) => {
                    found = found.into_iter().map(|d| projected(d, projection)).collect();
                }
                ("$count", Value::Text(name)) => {
                    found =
                        if found.is_empty() { vec![] } else { vec![object! { name => count(found.len()) }] };
                }
                // What drivers ask to count documents.
                ("$group", Value::Doc(group)) if !found.is_empty() => {
                    let id = get(group, "_id").cloned().unwrap_or(Value::Null);
                    let sums = group.iter().filter(|(name, _)| name != "_id");
                    let mut out = object! { "_id" => id };
                    out.extend(sums.map(|(name, _)| (name.clone(), Value::Int(count(found.len())))));
                    found = vec![out];
                }
                (
                    "$group" | "$sort" | "$unwind" | "$lookup" | "$addFields" | "$set" | "$unset" | "$merge"
                    | "$out",
                    _,
                ) => {}
                _ if name.starts_with('$')
                    && ["$collStats", "$indexStats", "$currentOp"].contains(&name.as_str()) =>
                {
                    found.clear();
                }
                _ => {
                    let text = format!("Unrecognized pipeline stage name: '{name}'");
                    return error(40_324, "Location40324", text);
                }
            }
        }
        cursor(&namespace, found.into_iter().map(Value::Doc).collect())
    }
}

fn index() -> Doc {
    object! { "v" => 2, "key" => object! { "_id" => 1 }, "name" => "_id_" }
}

/// Changes a document: `$set` and `$unset`, or a new one in its place.
fn apply(document: &mut Doc, change: &Doc) {
    let operators = change.first().is_some_and(|(name, _)| name.starts_with('$'));
    if !operators {
        let id = get(document, "_id").cloned();
        *document = change.clone();
        if let (Some(id), None) = (id, get(document, "_id")) {
            document.insert(0, ("_id".into(), id));
        }
        return;
    }
    for (operator, fields) in change.iter().take(8) {
        for (name, value) in fields.doc().into_iter().flatten().take(64) {
            document.retain(|(n, _)| n != name || operator == "$setOnInsert");
            if operator == "$set" && document.len() < 256 {
                document.push((name.clone(), value.clone()));
            }
        }
    }
}
