//! The keys of one decky: 16 small databases in memory, bounded, shared by its connections.
//!
//! Over its bound the keyspace evicts like `maxmemory-policy allkeys-lru`, which the configuration
//! claims, so that a flood neither fills the worker nor meets an error a genuine server would not give.

use std::collections::HashMap;

use super::proto::Reply;

/// Databases, as Redis has by default.
pub(super) const DATABASES: usize = 16;
/// Most keys of all databases.
const KEYS_MAX: usize = 1000;
/// Most bytes of all keys and values.
const BYTES_MAX: usize = 1 << 20;
/// Most members of one collection.
const MEMBERS_MAX: usize = 1024;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A string.
    Text(Vec<u8>),
    /// A list.
    List(Vec<Vec<u8>>),
    /// A set.
    Set(Vec<Vec<u8>>),
    /// A hash, in order of insertion as a small one is.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// A sorted set, in order.
    Sorted(Vec<(Vec<u8>, f64)>),
}

impl Value {
    /// What TYPE says.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::Sorted(_) => "zset",
        }
    }

    fn members(&self) -> usize {
        match self {
            Self::Text(_) => 1,
            Self::List(items) | Self::Set(items) => items.len(),
            Self::Hash(pairs) => pairs.len(),
            Self::Sorted(pairs) => pairs.len(),
        }
    }

    /// Bytes of the payload.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(items) | Self::Set(items) => items.iter().map(|i| i.len() + 16).sum(),
            Self::Hash(pairs) => pairs.iter().map(|(k, v)| k.len() + v.len() + 32).sum(),
            Self::Sorted(pairs) => pairs.iter().map(|(k, _)| k.len() + 24).sum(),
        }
    }

    /// What OBJECT ENCODING says, by version 7.0.
    pub(super) fn encoding(&self) -> &'static str {
        let small = self.members() <= 128 && self.bytes() <= 8192;
        match self {
            Self::Text(text) if super::proto::integer(text).is_some() => "int",
            Self::Text(text) if text.len() <= 44 => "embstr",
            Self::Text(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Set(items) if items.iter().all(|i| super::proto::integer(i).is_some()) => "intset",
            Self::Set(_) => "hashtable",
            Self::Hash(_) if small => "listpack",
            Self::Hash(_) => "hashtable",
            Self::Sorted(_) if small => "listpack",
            Self::Sorted(_) => "skiplist",
        }
    }
}

/// A key's value and when it goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// Milliseconds since 1970.
    pub(super) expires: Option<i64>,
}

/// The databases.
pub(super) struct Keyspace {
    databases: Vec<HashMap<Vec<u8>, Entry>>,
    bytes: usize,
    /// Lookups that found their key, and those that did not.
    pub(super) hits: u64,
    /// See `hits`.
    pub(super) misses: u64,
    /// Keys gone by their time.
    pub(super) expired: u64,
    /// Keys gone for room.
    pub(super) evicted: u64,
    /// Writes since the last SAVE.
    pub(super) dirty: u64,
}

impl Default for Keyspace {
    fn default() -> Self {
        Self {
            databases: vec![HashMap::new(); DATABASES],
            bytes: 0,
            hits: 0,
            misses: 0,
            expired: 0,
            evicted: 0,
            dirty: 0,
        }
    }
}

fn cost(key: &[u8], entry: &Entry) -> usize {
    key.len() + entry.value.bytes() + 64
}

impl Keyspace {
    /// Drops what has expired by `now`, in milliseconds since 1970.
    pub(super) fn expire(&mut self, now: i64) {
        let mut freed = 0;
        for database in &mut self.databases {
            let before = database.len();
            database.retain(|key, entry| {
                let keep = entry.expires.is_none_or(|at| at > now);
                if !keep {
                    freed += cost(key, entry);
                }
                keep
            });
            self.expired = self.expired.saturating_add((before - database.len()) as u64);
        }
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// Looks a key up, for reading.
    pub(super) fn get(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        let found = self.databases.get(db)?.get(key);
        match found {
            Some(_) => self.hits = self.hits.saturating_add(1),
            None => self.misses = self.misses.saturating_add(1),
        }
        found
    }

    /// Takes a key out.
    pub(super) fn take(&mut self, db: usize, key: &[u8]) -> Option<Entry> {
        let entry = self.databases.get_mut(db)?.remove(key)?;
        self.bytes = self.bytes.saturating_sub(cost(key, &entry));
        self.dirty = self.dirty.saturating_add(1);
        Some(entry)
    }

    /// Puts a key in; an empty collection means it is gone. Evicts others when it gets too full.
    pub(super) fn put(&mut self, db: usize, key: &[u8], entry: Entry) -> Result<(), Reply> {
        self.take(db, key);
        if entry.value.members() == 0 {
            return Ok(());
        }
        let cost = cost(key, &entry);
        if cost > BYTES_MAX || entry.value.members() > MEMBERS_MAX {
            return Err(Reply::error("OOM command not allowed when used memory > 'maxmemory'."));
        }
        while self.bytes.saturating_add(cost) > BYTES_MAX || self.len_all() >= KEYS_MAX {
            let victim = self
                .databases
                .iter()
                .enumerate()
                .find_map(|(at, database)| database.keys().next().map(|key| (at, key.clone())));
            let Some((at, key)) = victim else { break };
            self.take(at, &key);
            self.evicted = self.evicted.saturating_add(1);
        }
        if let Some(database) = self.databases.get_mut(db) {
            database.insert(key.to_vec(), entry);
            self.bytes = self.bytes.saturating_add(cost);
            self.dirty = self.dirty.saturating_add(1);
        }
        Ok(())
    }

    /// Empties one database, or all.
    pub(super) fn flush(&mut self, db: Option<usize>) {
        for (at, database) in self.databases.iter_mut().enumerate() {
            if db.is_none_or(|db| db == at) {
                let freed: usize = database.iter().map(|(key, entry)| cost(key, entry)).sum();
                self.bytes = self.bytes.saturating_sub(freed);
                self.dirty = self.dirty.saturating_add(database.len() as u64);
                database.clear();
            }
        }
    }

    /// Swaps two databases.
    pub(super) fn swap(&mut self, one: usize, other: usize) {
        if one < DATABASES && other < DATABASES {
            self.databases.swap(one, other);
        }
    }

    /// Keys of one database.
    pub(super) fn keys(&self, db: usize) -> impl Iterator<Item = (&Vec<u8>, &Entry)> {
        self.databases.get(db).into_iter().flatten()
    }

    /// How many keys one database has.
    pub(super) fn len(&self, db: usize) -> usize {
        self.databases.get(db).map_or(0, HashMap::len)
    }

    /// How many keys there are.
    pub(super) fn len_all(&self) -> usize {
        self.databases.iter().map(HashMap::len).sum()
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The `# Keyspace` section of INFO.
    pub(super) fn info(&self, now: i64) -> String {
        let mut text = String::new();
        for (at, database) in self.databases.iter().enumerate().filter(|(_, d)| !d.is_empty()) {
            let timed: Vec<i64> =
                database.values().filter_map(|e| e.expires).map(|e| e.saturating_sub(now)).collect();
            let sum = timed.iter().fold(0i64, |sum, left| sum.saturating_add(*left));
            let mean = sum.checked_div(timed.len() as i64).unwrap_or(0);
            let line = format!("db{at}:keys={},expires={},avg_ttl={mean}\r\n", database.len(), timed.len());
            text.push_str(&line);
        }
        text
    }
}

/// Whether `text` matches a Redis glob (`*`, `?`, `[a-c]`, `[^a]`, `\x`), in linear space and
/// quadratic time at worst. A pattern above a kilobyte matches nothing.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    if pattern.len() > 1024 {
        return false;
    }
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(next) = text.get(t).and_then(|byte| one(pattern, p, *byte)) {
            p = next;
            t += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            p = after;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|b| *b == b'*')
}

/// Matches one byte at `p`; where the pattern goes on when it does.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match pattern.get(p)? {
        b'?' => Some(p + 1),
        b'\\' => match pattern.get(p + 1) {
            Some(next) => (*next == byte).then_some(p + 2),
            None => (byte == b'\\').then_some(p + 1),
        },
        b'[' => {
            let not = pattern.get(p + 1) == Some(&b'^');
            let mut at = p + 1 + usize::from(not);
            let mut hit = false;
            while let Some(low) = pattern.get(at).copied().filter(|b| *b != b']') {
                match (pattern.get(at + 1), pattern.get(at + 2)) {
                    (Some(b'-'), Some(high)) if *high != b']' => {
                        hit |= (low.min(*high)..=low.max(*high)).contains(&byte);
                        at += 3;
                    }
                    _ => {
                        hit |= low == byte;
                        at += 1;
                    }
                }
            }
            (hit != not).then_some((at + 1).min(pattern.len()))
        }
        literal => (*literal == byte).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: usize) -> Entry {
        Entry { value: Value::Text(vec![b'x'; bytes]), expires: None }
    }

    #[test]
    fn a_flood_evicts_instead_of_growing() {
        let mut keys = Keyspace::default();
        for n in 0..3000u32 {
            keys.put(0, &n.to_le_bytes(), text(4000)).unwrap();
        }
        assert!(keys.len(0) <= KEYS_MAX && keys.bytes() <= BYTES_MAX);
        assert!(keys.evicted > 2000);
        assert!(keys.put(0, b"big", text(BYTES_MAX)).is_err());
        keys.flush(None);
        assert_eq!((keys.len_all(), keys.bytes()), (0, 0));
    }

    #[test]
    fn expired_keys_are_gone() {
        let mut keys = Keyspace::default();
        keys.put(1, b"a", Entry { expires: Some(50), ..text(1) }).unwrap();
        assert!(keys.info(40).contains("db1:keys=1,expires=1,avg_ttl=10"));
        keys.expire(50);
        assert!(keys.get(1, b"a").is_none());
        assert_eq!((keys.bytes(), keys.expired), (0, 1));
    }

    #[test]
    fn globs() {
        for (pattern, word, want) in [
            ("*", "", true),
            ("user:*", "user:1", true),
            ("h?llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("h[a-e]llo", "hello", true),
            ("h\\*", "h*", true),
            ("h\\*", "hx", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxc", false),
            ("[", "[", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), word.as_bytes()), want, "{pattern} {word}");
        }
    }

    proptest! {
        #[test]
        fn glob_never_panics(pattern: Vec<u8>, word: Vec<u8>) {
            glob(&pattern, &word);
            prop_assert!(glob(b"*", &word));
        }
    }
}
