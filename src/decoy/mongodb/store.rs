//! The databases: a small application drawn from the seed, and for each visitor a copy once it writes.

use std::cmp::Ordering;

use base64::Engine as _;

use super::bson::{Doc, Value, bytes, get, object};
use crate::model::Seed;

/// Most databases, collections of one, documents of one, and bytes of a visitor's copy.
const LIMITS: (usize, usize, usize, usize) = (32, 64, 1000, 1 << 20);
/// Deepest nesting of a filter.
const DEPTH_MAX: u32 = 8;

/// A collection.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    pub(super) name: String,
    pub(super) id: [u8; 16],
    pub(super) documents: Vec<Doc>,
}

/// A database.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) collections: Vec<Collection>,
}

/// All databases, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) databases: Vec<Database>,
    written: usize,
}

const FIRST: &[&str] =
    &["anna", "martin", "julia", "peter", "sofia", "david", "laura", "thomas", "nina", "paul", "eva", "karl"];
const LAST: &[&str] =
    &["koch", "meyer", "novak", "silva", "berg", "weber", "rossi", "dubois", "larsen", "moreau"];
const CITIES: &[&str] = &["Hamburg", "Lyon", "Leeds", "Porto", "Gdansk", "Utrecht", "Graz", "Aarhus"];

impl Store {
    /// What a machine's server holds.
    pub(super) fn bait(seed: &Seed, born: i64) -> Self {
        let number = |label: &str, bound: u64| seed.number(label, bound);
        let word = |label: &str, words: &'static [&'static str]| {
            seed.pick(label, words).copied().unwrap_or_default()
        };
        let id = |label: &str, at: i64| {
            let mut id = [0u8; 12];
            let second = u32::try_from(at).unwrap_or(0).to_be_bytes();
            let drawn = seed.derive(label);
            for (place, byte) in id.iter_mut().zip(second.iter().chain(&drawn)) {
                *place = *byte;
            }
            Value::Id(id)
        };
        let app = word("mongodb/app", &["shop", "crm", "portal", "tickets", "booking", "members"]);
        let at = |label: &str| born.saturating_add(i64::try_from(number(label, 40 * 86_400)).unwrap_or(0));
        let users = (0..12 + number("mongodb/users", 30))
            .map(|n| {
                let label = format!("mongodb/user/{n}");
                let (first, last) =
                    (word(&format!("{label}/first"), FIRST), word(&format!("{label}/last"), LAST));
                let drawn = [seed.derive(&label), seed.derive(&format!("{label}/salt"))].concat();
                let hash = base64::engine::general_purpose::STANDARD.encode(drawn).replace('+', ".");
                let name = if n == 0 { "admin".to_owned() } else { format!("{first}.{last}") };
                object! {
                    "_id" => id(&label, at(&label)),
                    "username" => name.clone(),
                    "email" => format!("{name}@{app}.local"),
                    "password" => format!("$2b$10${}", hash.get(..53).unwrap_or_default()),
                    "city" => word(&format!("{label}/city"), CITIES),
                    "phone" => format!("+49 40 {:07}", number(&format!("{label}/phone"), 10_000_000)),
                    "role" => if n == 0 { "admin" } else { "user" },
                    "active" => true,
                    "createdAt" => Value::Date(at(&label).saturating_mul(1000)),
                }
            })
            .collect();
        let orders = (0..20 + number("mongodb/orders", 60))
            .map(|n| {
                let label = format!("mongodb/order/{n}");
                object! {
                    "_id" => id(&label, at(&label)),
                    "number" => i32::try_from(10_000 + number("mongodb/base", 40_000) + n).unwrap_or(0),
                    "customer" => i32::try_from(number(&format!("{label}/customer"), 12)).unwrap_or(0),
                    "total" => f64::from(u32::try_from(number(&label, 90_000)).unwrap_or(0)) / 100.0,
                    "status" => word(&format!("{label}/status"), &["paid", "shipped", "open", "refunded"]),
                    "createdAt" => Value::Date(at(&label).saturating_mul(1000)),
                }
            })
            .collect();
        let key = hex::encode(seed.derive("mongodb/secret"));
        let settings = vec![
            object! { "_id" => "smtp", "host" => "mail.internal", "user" => format!("{app}-mailer"),
            "password" => key.get(..14).unwrap_or_default() },
            object! { "_id" => "payments", "provider" => "stripe", "mode" => "live",
            "secretKey" => format!("sk_live_{}", key.get(16..40).unwrap_or_default()) },
        ];
        let make = |name: &str, documents: Vec<Doc>| Collection {
            name: name.to_owned(),
            id: uuid(seed, &format!("mongodb/collection/{name}")),
            documents,
        };
        let version = vec![object! { "_id" => "featureCompatibilityVersion", "version" => "4.4" }];
        let mut databases = vec![
            Database { name: "admin".into(), collections: vec![make("system.version", version)] },
            Database { name: "config".into(), collections: vec![make("system.sessions", Vec::new())] },
            Database { name: "local".into(), collections: vec![make("startup_log", Vec::new())] },
            Database {
                name: app.to_owned(),
                collections: vec![make("orders", orders), make("settings", settings), make("users", users)],
            },
        ];
        databases.sort_by(|a, b| a.name.cmp(&b.name));
        Self { databases, written: 0 }
    }

    /// A database.
    pub(super) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|d| d.name == name)
    }

    /// A collection.
    pub(super) fn collection(&self, database: &str, name: &str) -> Option<&Collection> {
        self.database(database)?.collections.iter().find(|c| c.name == name)
    }

    /// A collection to change.
    pub(super) fn collection_mut(&mut self, database: &str, name: &str) -> Option<&mut Collection> {
        let database = self.databases.iter_mut().find(|d| d.name == database)?;
        database.collections.iter_mut().find(|c| c.name == name)
    }

    /// Makes a collection unless there is one; false when there are too many.
    pub(super) fn create(&mut self, database: &str, name: &str, id: [u8; 16]) -> bool {
        if self.database(database).is_none() {
            if self.databases.len() >= LIMITS.0 {
                return false;
            }
            self.databases.push(Database { name: database.to_owned(), collections: Vec::new() });
            self.databases.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let Some(found) = self.databases.iter_mut().find(|d| d.name == database) else { return false };
        if found.collections.iter().any(|c| c.name == name) {
            return true;
        }
        if found.collections.len() >= LIMITS.1 {
            return false;
        }
        found.collections.push(Collection { name: name.to_owned(), id, documents: Vec::new() });
        found.collections.sort_by(|a, b| a.name.cmp(&b.name));
        true
    }

    /// Adds a document, as long as there is room for it.
    pub(super) fn insert(&mut self, database: &str, name: &str, document: Doc) {
        let size = bytes(&document).len();
        let room = self.written.saturating_add(size) <= LIMITS.3;
        let Some(collection) = self.collection_mut(database, name) else { return };
        if room && collection.documents.len() < LIMITS.2 {
            collection.documents.push(document);
            self.written = self.written.saturating_add(size);
        }
    }

    /// Drops a database; whether there was one.
    pub(super) fn drop_database(&mut self, name: &str) -> bool {
        let before = self.databases.len();
        self.databases.retain(|d| d.name != name);
        self.databases.len() < before
    }

    /// Drops a collection; whether there was one. A database without any is gone.
    pub(super) fn drop_collection(&mut self, database: &str, name: &str) -> bool {
        let Some(found) = self.databases.iter_mut().find(|d| d.name == database) else { return false };
        let before = found.collections.len();
        found.collections.retain(|c| c.name != name);
        let dropped = found.collections.len() < before;
        if found.collections.is_empty() {
            self.drop_database(database);
        }
        dropped
    }
}

impl Database {
    /// Bytes on the disk: whole pages of what it holds.
    pub(super) fn size(&self) -> i64 {
        let pages = |c: &Collection| (c.documents.len() as u64 * 180).div_ceil(4096).max(1) * 4096 * 2 + 8192;
        i64::try_from(self.collections.iter().map(pages).sum::<u64>()).unwrap_or(0)
    }
}

/// A UUID that belongs to `label` alone.
pub(super) fn uuid(seed: &Seed, label: &str) -> [u8; 16] {
    let mut id = [0u8; 16];
    id.copy_from_slice(&seed.derive(label)[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// The value at a dotted path.
fn at<'a>(document: &'a Doc, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.').take(16);
    let mut value = get(document, parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Doc(doc) => get(doc, part)?,
            Value::Array(list) => list.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// How two values compare, when they can.
pub(super) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (one.number(), other.number()) {
        return a.partial_cmp(&b);
    }
    match (one, other) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Id(a), Value::Id(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one == other
        || compare(one, other) == Some(Ordering::Equal)
        || one.array().is_some_and(|list| list.contains(other))
}

/// Whether a document fits a filter. Code in it is never run: such a condition fits everything.
pub(super) fn fits(document: &Doc, filter: &Doc, depth: u32) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    filter.iter().take(64).all(|(name, want)| match (name.as_str(), want) {
        ("$and", Value::Array(list)) => {
            list.iter().filter_map(Value::doc).all(|f| fits(document, f, depth + 1))
        }
        ("$or", Value::Array(list)) => {
            list.iter().filter_map(Value::doc).any(|f| fits(document, f, depth + 1))
        }
        ("$nor", Value::Array(list)) => {
            !list.iter().filter_map(Value::doc).any(|f| fits(document, f, depth + 1))
        }
        (name, _) if name.starts_with('$') => true,
        (name, Value::Doc(conditions)) if conditions.first().is_some_and(|(n, _)| n.starts_with('$')) => {
            let value = at(document, name);
            conditions.iter().take(16).all(|(operator, want)| condition(value, operator, want))
        }
        (name, Value::Regex(pattern, _)) => {
            at(document, name).and_then(Value::text).is_some_and(|text| looks_like(text, pattern))
        }
        (name, Value::Null) => at(document, name).is_none_or(|v| *v == Value::Null),
        (name, want) => at(document, name).is_some_and(|value| same(value, want)),
    })
}

fn condition(value: Option<&Value>, operator: &str, want: &Value) -> bool {
    let ordered = |accept: fn(Ordering) -> bool| value.and_then(|v| compare(v, want)).is_some_and(accept);
    match operator {
        "$eq" => value.is_some_and(|v| same(v, want)),
        "$ne" => !value.is_some_and(|v| same(v, want)),
        "$gt" => ordered(Ordering::is_gt),
        "$gte" => ordered(Ordering::is_ge),
        "$lt" => ordered(Ordering::is_lt),
        "$lte" => ordered(Ordering::is_le),
        "$exists" => value.is_some() == want.truth(),
        "$in" => want.array().unwrap_or_default().iter().any(|w| value.is_some_and(|v| same(v, w))),
        "$nin" => !want.array().unwrap_or_default().iter().any(|w| value.is_some_and(|v| same(v, w))),
        "$regex" => {
            let pattern = match want {
                Value::Text(pattern) | Value::Regex(pattern, _) => pattern.as_str(),
                _ => "",
            };
            value.and_then(Value::text).is_some_and(|text| looks_like(text, pattern))
        }
        _ => true,
    }
}

/// A pattern as far as `^`, `$` and plain letters go; `.*` fits everything.
fn looks_like(text: &str, pattern: &str) -> bool {
    let bare = pattern.trim_start_matches('^').trim_end_matches('$').replace(".*", "").to_lowercase();
    let text = text.to_lowercase();
    match (pattern.starts_with('^'), pattern.ends_with('$') && !pattern.ends_with(".*$")) {
        (true, true) => text == bare,
        (true, false) => text.starts_with(&bare),
        (false, true) => text.ends_with(&bare),
        (false, false) => text.contains(&bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose() {
        let one =
            object! { "a" => 5, "b" => object! { "c" => "Text" }, "d" => vec![Value::Int(1), Value::Int(2)] };
        for (filter, want) in [
            (object! {}, true),
            (object! { "a" => 5.0 }, true),
            (object! { "a" => object! { "$gt" => 4, "$lte" => 5i64 } }, true),
            (object! { "b.c" => Value::Regex("^te".into(), "i".into()) }, true),
            (object! { "d" => 2 }, true),
            (object! { "x" => Value::Null }, true),
            (object! { "a" => object! { "$in" => vec![Value::Int(1)] } }, false),
            (
                object! { "$or" => vec![Value::Doc(object! { "a" => 1 }), Value::Doc(object! { "a" => 5 })] },
                true,
            ),
            (object! { "$where" => "sleep(1)" }, true),
        ] {
            assert_eq!(fits(&one, &filter, 0), want, "{filter:?}");
        }
    }

    #[test]
    fn copies_are_bounded() {
        let mut store = Store::bait(&Seed::new([1; 32]), 1_700_000_000);
        assert!(store.databases.iter().any(|d| d.collections.iter().any(|c| c.name == "users")));
        for n in 0..100 {
            store.create(&format!("d{n}"), "c", [0; 16]);
            store.insert("d1", "c", object! { "x" => "y".repeat(40_000) });
        }
        assert_eq!(store.databases.len(), LIMITS.0);
        assert!(store.written <= LIMITS.3 && store.collection("d1", "c").unwrap().documents.len() > 5);
        assert!(store.drop_collection("d1", "c") && store.database("d1").is_none());
    }
}
