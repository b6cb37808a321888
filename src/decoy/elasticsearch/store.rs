//! Indices: bait that is made up as it is read, and what visitors put in, within limits.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{Persona, Seed};

/// Most indices.
const INDICES_MAX: usize = 64;
/// Most documents of one index that visitors put in, and most bytes of one and of all.
const DOCS_MAX: usize = 256;
const DOC_MAX: usize = 16 * 1024;
const TOTAL_MAX: usize = 1024 * 1024;

/// One index.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// 22 letters.
    pub(super) uuid: String,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) shards: u32,
    pub(super) replicas: u32,
    pub(super) mappings: Value,
    /// Documents that are made up, and of which kind.
    bait: Option<(Kind, u64)>,
    /// Documents that were put in.
    own: BTreeMap<String, Value>,
    /// Bytes of them.
    bytes: usize,
}

/// Kinds of bait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Customers,
    Orders,
    Logs,
    Users,
}

/// A document with its name.
pub(super) type Doc = (String, Value);

/// All indices of a node.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) indices: BTreeMap<String, Index>,
    seed: Seed,
    born: i64,
    made: u64,
}

const FIRST: &[&str] = &[
    "Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Hugo", "Irene", "Jonas", "Katja", "Liam",
    "Maria", "Nils", "Olga", "Paul", "Rosa", "Simon", "Tina", "Victor",
];
const LAST: &[&str] = &[
    "Adler", "Baker", "Costa", "Dahl", "Evans", "Fischer", "Garcia", "Hansen", "Ivanov", "Jensen", "Keller",
    "Lopez", "Meyer", "Novak", "Olsen", "Peters", "Rossi", "Schmidt", "Turner", "Weber",
];
const CITIES: &[&str] =
    &["Hamburg", "Lyon", "Leeds", "Graz", "Porto", "Malmo", "Gdansk", "Ghent", "Bilbao", "Turin"];
const GOODS: &[&str] =
    &["SKU-10442", "SKU-10991", "SKU-11873", "SKU-20418", "SKU-20977", "SKU-31005", "SKU-31446"];
const LINES: &[&str] = &[
    "GET /api/v1/orders 200",
    "POST /api/v1/login 401",
    "GET /health 200",
    "connection pool exhausted, retrying",
    "payment provider timed out",
    "cache miss for session",
    "user password reset requested",
];

/// What an identifier of Elasticsearch looks like.
pub(super) fn uuid(seed: &Seed, label: &str) -> String {
    use base64::Engine as _;
    let bytes = seed.derive(label);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes[..16])
}

impl Kind {
    /// Document number `n`.
    fn doc(self, seed: &Seed, born: i64, n: u64) -> Doc {
        let bytes = seed.derive(&format!("doc/{n}"));
        let pick = |at: usize, list: &'static [&'static str]| {
            let byte = usize::from(*bytes.get(at).unwrap_or(&0));
            *list.get(byte % list.len()).unwrap_or(&"")
        };
        let number = |at: usize| {
            u32::from(*bytes.get(at).unwrap_or(&0)) << 8 | u32::from(*bytes.get(at + 1).unwrap_or(&0))
        };
        let (first, last) = (pick(0, FIRST), pick(1, LAST));
        let mail = format!("{}.{}{}@example.com", first.to_lowercase(), last.to_lowercase(), number(2) % 97);
        let at = born.saturating_add(i64::from(number(4)) * 400).saturating_mul(1000);
        let time = jiff::Timestamp::from_millisecond(at)
            .unwrap_or_default()
            .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
            .to_string();
        let source = match self {
            Self::Customers => {
                json!({"customer_id": 10_000 + n, "first_name": first, "last_name": last, "email": mail,
                "phone": format!("+49 40 555{:05}", number(6) % 100_000), "city": pick(8, CITIES), "created_at": time,
                "iban": format!("DE{:02}50010517{:010}", 10 + number(9) % 89, u64::from(number(11)) * 131_071)})
            }
            Self::Orders => {
                json!({"order_id": format!("A{:07}", 400_000 + n), "customer_id": 10_000 + u64::from(number(2)) % 5000,
                "sku": pick(3, GOODS), "quantity": 1 + number(6) % 5, "total": f64::from(number(8)) / 100.0, "currency": "EUR",
                "status": if bytes[7] < 200 { "shipped" } else { "open" }, "ordered_at": time})
            }
            Self::Logs => json!({"@timestamp": time, "level": if bytes[6] < 30 { "ERROR" } else { "INFO" },
                "host": {"name": format!("app-{:02}", 1 + number(8) % 4)}, "message": pick(9, LINES)}),
            Self::Users => {
                json!({"username": format!("{}{}", first.chars().next().unwrap_or('a').to_ascii_lowercase(), last.to_lowercase()),
                "email": mail, "role": if bytes[6] < 20 { "admin" } else { "user" },
                "password_hash": format!("$2b$12${}", hex::encode(&bytes[8..32]).chars().chain("abcde".chars()).take(53).collect::<String>()),
                "last_login": time})
            }
        };
        (uuid(seed, &format!("id/{n}")).chars().take(20).collect(), source)
    }

    fn bytes_each(self) -> u64 {
        match self {
            Self::Customers => 310,
            Self::Orders => 190,
            Self::Logs => 96,
            Self::Users => 280,
        }
    }
}

/// The mapping that dynamic mapping makes of a document.
fn mapping_of(source: &Value) -> Value {
    let kind = |value: &Value| match value {
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(n) if n.is_f64() => json!({"type": "float"}),
        Value::Number(_) => json!({"type": "long"}),
        Value::String(s) if s.len() > 18 && s.get(4..5) == Some("-") && s.contains('T') => {
            json!({"type": "date"})
        }
        Value::Object(_) => json!({"properties": {}}),
        _ => json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}),
    };
    let Value::Object(map) = source else { return json!({}) };
    let mut fields: Vec<(String, Value)> = map.iter().take(64).map(|(k, v)| (k.clone(), kind(v))).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    json!({"properties": fields.into_iter().collect::<Map<String, Value>>()})
}

impl Index {
    /// How many documents.
    pub(super) fn count(&self) -> u64 {
        self.bait.map_or(0, |(_, count)| count).saturating_add(self.own.len() as u64)
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        let bait = self.bait.map_or(0, |(kind, count)| count.saturating_mul(kind.bytes_each()));
        let own = if self.own.is_empty() { 0 } else { 3_500u64.saturating_add(self.bytes as u64) };
        230u64.saturating_add(bait).saturating_add(own)
    }
}

impl Store {
    /// What the node holds before anybody comes.
    pub(super) fn new(persona: &Persona) -> Self {
        let seed = persona.seed.child("elasticsearch");
        let mut store = Self { indices: BTreeMap::new(), born: persona.born, made: 0, seed };
        let month =
            jiff::Timestamp::from_second(persona.born).unwrap_or_default().strftime("%Y.%m").to_string();
        let all = [
            ("customers".to_owned(), Kind::Customers, 4_000, 60_000),
            ("orders".to_owned(), Kind::Orders, 20_000, 300_000),
            (format!("app-logs-{month}"), Kind::Logs, 200_000, 2_000_000),
            ("users".to_owned(), Kind::Users, 150, 2_500),
        ];
        for (at, (name, kind, least, span)) in all.into_iter().enumerate() {
            if at > 0 && store.seed.number(&format!("has/{name}"), 3) == 0 {
                continue;
            }
            let count = least + store.seed.number(&format!("count/{name}"), span);
            let mut index = store.empty(&name, persona.born.saturating_mul(1000).saturating_add(86_400_000));
            index.bait = Some((kind, count));
            index.mappings = mapping_of(&kind.doc(&store.seed.child(&name), persona.born, 0).1);
            store.indices.insert(name, index);
        }
        store
    }

    fn empty(&mut self, name: &str, created: i64) -> Index {
        self.made = self.made.wrapping_add(1);
        Index {
            uuid: uuid(&self.seed, &format!("index/{name}/{}/{created}", self.made)),
            created,
            shards: 1,
            replicas: 1,
            mappings: json!({}),
            bait: None,
            own: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Makes an index; false when there is no room for it.
    pub(super) fn create(&mut self, name: &str, now: i64) -> bool {
        if self.indices.len() >= INDICES_MAX || self.indices.contains_key(name) {
            return false;
        }
        let index = self.empty(name, now);
        self.indices.insert(name.to_owned(), index);
        true
    }

    /// Names that a comma list of names and patterns stands for.
    pub(super) fn resolve(&self, list: &str) -> Vec<String> {
        let all = matches!(list, "" | "_all" | "*");
        let fits =
            |name: &str| all && !name.starts_with('.') || list.split(',').take(32).any(|p| matches(p, name));
        self.indices.keys().filter(|name| fits(name)).cloned().collect()
    }

    /// A fresh document id.
    pub(super) fn fresh_id(&mut self) -> String {
        self.made = self.made.wrapping_add(1);
        uuid(&self.seed, &format!("auto/{}/{}", self.made, jiff::Timestamp::now())).chars().take(20).collect()
    }

    /// Puts a document in; whether it is new, or none when there is no room.
    pub(super) fn put(&mut self, index: &str, id: &str, source: Value, now: i64) -> Option<bool> {
        let size = source.to_string().len().saturating_add(id.len());
        let total: usize = self.indices.values().map(|i| i.bytes).sum();
        if size > DOC_MAX || total.saturating_add(size) > TOTAL_MAX || id.len() > 512 {
            return None;
        }
        if !self.indices.contains_key(index) && !self.create(index, now) {
            return None;
        }
        let index = self.indices.get_mut(index)?;
        if index.own.len() >= DOCS_MAX && !index.own.contains_key(id) {
            return None;
        }
        if index.mappings.as_object().is_none_or(Map::is_empty) {
            index.mappings = mapping_of(&source);
        }
        let old = index.own.insert(id.to_owned(), source);
        index.bytes = index.bytes.saturating_add(size);
        Some(old.is_none())
    }

    /// A document by its id: put in, or among the first of the bait.
    pub(super) fn get(&self, name: &str, id: &str) -> Option<Value> {
        let index = self.indices.get(name)?;
        index
            .own
            .get(id)
            .cloned()
            .or_else(|| self.page(name, 0, 200).into_iter().find(|d| d.0 == id).map(|d| d.1))
    }

    /// Takes a document away.
    pub(super) fn delete(&mut self, name: &str, id: &str) -> bool {
        let Some(index) = self.indices.get_mut(name) else { return false };
        index.own.remove(id).is_some()
    }

    /// Takes all documents of an index away; how many there were.
    pub(super) fn clear(&mut self, name: &str) -> u64 {
        let Some(index) = self.indices.get_mut(name) else { return 0 };
        let count = index.count();
        index.bait = None;
        index.own.clear();
        index.bytes = 0;
        count
    }

    /// Documents `from` to `from + size` of an index: those put in, then bait.
    pub(super) fn page(&self, name: &str, from: u64, size: u64) -> Vec<Doc> {
        let Some(index) = self.indices.get(name) else { return Vec::new() };
        let own = index.own.len() as u64;
        let seed = self.seed.child(name);
        let upto = from.saturating_add(size).min(index.count());
        (from..upto)
            .filter_map(|n| match (n.checked_sub(own), index.bait) {
                (None, _) => {
                    let at = usize::try_from(n).ok()?;
                    index.own.iter().nth(at).map(|(id, source)| (id.clone(), source.clone()))
                }
                (Some(n), Some((kind, _))) => Some(kind.doc(&seed, self.born, n)),
                _ => None,
            })
            .collect()
    }
}

/// Whether a pattern with `*` stands for a name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts.by_ref().take(16) {
        if let Some(middle) = last.replace(part)
            && let Some(at) = rest.find(middle)
        {
            rest = rest.get(at + str::len(middle)..).unwrap_or_default();
        } else if last.is_none() {
            return false;
        }
    }
    match last {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abbc", true),
            ("b*", "abc", false),
            ("*", "x", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn bait_is_stable_and_limits_hold() {
        let mut store = Store::new(&persona(&["elasticsearch"]));
        let count = store.indices["customers"].count();
        assert!(count >= 4000 && store.indices["customers"].size() > 1_000_000);
        assert_eq!(store.page("customers", 5, 3), store.page("customers", 5, 3));
        assert_eq!(store.page("customers", count - 1, 10).len(), 1);
        for n in 0..1000 {
            store.create(&format!("x{n}"), 0);
            store.put("x1", &n.to_string(), json!({"a": n}), 0);
        }
        assert_eq!(store.indices.len(), INDICES_MAX);
        assert_eq!(store.indices["x1"].count(), DOCS_MAX as u64);
        assert_eq!(store.put("x1", "0", json!({"big": "x".repeat(20_000)}), 0), None);
        assert_eq!(store.get("x1", "7"), Some(json!({"a": 7})));
        assert!(store.delete("x1", "7") && !store.delete("x1", "7"));
        assert_eq!(store.clear("customers"), count);
        assert!(store.page("customers", 0, 10).is_empty());
        assert!(store.resolve("_all").contains(&"x1".to_owned()) && store.resolve("nope").is_empty());
    }
}
