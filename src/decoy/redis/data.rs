//! Commands on keys: strings, hashes, lists, sets, sorted sets.

use super::keyspace::{Entry, Keyspace, Value, glob};
use super::proto::{Reply, integer};

/// Most bytes of values in one reply.
const REPLY_MAX: usize = 2 << 20;

type Outcome = Result<Reply, Reply>;
/// Fields of a hash.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

fn number(text: &[u8]) -> Result<i64, Reply> {
    integer(text).ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

fn float(text: &[u8]) -> Result<f64, Reply> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse::<f64>().ok())
        .filter(|f| !f.is_nan())
        .ok_or_else(|| Reply::error("ERR value is not a valid float"))
}

fn flag(yes: bool) -> Reply {
    Reply::Int(i64::from(yes))
}

fn count(n: usize) -> Reply {
    Reply::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// One command on the keys of one database.
pub(super) struct Keys<'a> {
    /// All keys.
    pub(super) space: &'a mut Keyspace,
    /// The database the connection selected.
    pub(super) db: usize,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

impl Keys<'_> {
    /// Runs `name` (lower case) with all arguments (the name first), whose number was checked. None:
    /// not a command of this file.
    pub(super) fn run(&mut self, name: &str, args: &[Vec<u8>]) -> Option<Reply> {
        let rest = args.get(1..).unwrap_or_default();
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        let second = rest.get(1).map(Vec::as_slice).unwrap_or_default();
        let third = rest.get(2).map(Vec::as_slice).unwrap_or_default();
        let more = rest.get(1..).unwrap_or_default();
        let outcome = match name {
            "get" => self.text(key).map(|t| t.map_or(Reply::Nil, Reply::Bulk)),
            "set" => self.set(key, second, rest.get(2..).unwrap_or_default()),
            "setnx" => self.set_if_absent(key, second),
            "setex" => number(second).and_then(|s| self.set_for(key, third, s.saturating_mul(1000), name)),
            "psetex" => number(second).and_then(|ms| self.set_for(key, third, ms, name)),
            "getset" => self.text(key).and_then(|old| {
                self.store(key, second.to_vec(), None)?;
                Ok(old.map_or(Reply::Nil, Reply::Bulk))
            }),
            "getdel" => self.text(key).map(|old| {
                self.space.take(self.db, key);
                old.map_or(Reply::Nil, Reply::Bulk)
            }),
            "append" => self.append(key, second),
            "strlen" => self.text(key).map(|t| count(t.map_or(0, |t| t.len()))),
            "setrange" => self.overwrite(key, second, third),
            "getrange" | "substr" => self.range_of_text(key, second, third),
            "incr" => self.add(key, 1),
            "decr" => self.add(key, -1),
            "incrby" => number(second).and_then(|by| self.add(key, by)),
            "decrby" => number(second).and_then(|by| self.add(key, by.saturating_neg())),
            "mset" => self.mset(rest),
            "mget" => {
                let mut room = REPLY_MAX;
                let mut get = |k: &Vec<u8>| bounded(self.text(k).ok().flatten(), &mut room);
                Ok(Reply::Array(rest.iter().map(&mut get).collect()))
            }
            "del" | "unlink" => {
                Ok(count(rest.iter().filter(|k| self.space.take(self.db, k).is_some()).count()))
            }
            "exists" | "touch" => {
                Ok(count(rest.iter().filter(|k| self.space.get(self.db, k).is_some()).count()))
            }
            "type" => Ok(match self.space.get(self.db, key) {
                Some(entry) => Reply::Simple(entry.value.kind()),
                None => Reply::Simple("none"),
            }),
            "ttl" => Ok(self.ttl(key, 1000)),
            "pttl" => Ok(self.ttl(key, 1)),
            "expire" => {
                number(second).map(|s| self.expire(key, self.now.saturating_add(s.saturating_mul(1000))))
            }
            "pexpire" => number(second).map(|ms| self.expire(key, self.now.saturating_add(ms))),
            "expireat" => number(second).map(|s| self.expire(key, s.saturating_mul(1000))),
            "pexpireat" => number(second).map(|ms| self.expire(key, ms)),
            "persist" => Ok(self.persist(key)),
            "rename" => self.rename(key, second).map(|()| Reply::OK),
            "renamenx" => {
                if self.space.get(self.db, second).is_some() {
                    Ok(Reply::Int(0))
                } else {
                    self.rename(key, second).map(|()| Reply::Int(1))
                }
            }
            "keys" => Ok(Reply::bulks(self.space.keys(self.db).map(|(k, _)| k).filter(|k| glob(key, k)))),
            "randomkey" => Ok(self.space.keys(self.db).next().map_or(Reply::Nil, |(k, _)| Reply::bulk(k))),
            "scan" => self.scan(rest),
            "dbsize" => Ok(count(self.space.len(self.db))),
            "hset" | "hmset" => self.hset(name, key, more),
            "hget" => self.hash(key).map(|h| find(&h, second).map_or(Reply::Nil, Reply::bulk)),
            "hmget" => self.hash(key).map(|h| {
                let mut room = REPLY_MAX;
                Reply::Array(more.iter().map(|f| bounded(find(&h, f).cloned(), &mut room)).collect())
            }),
            "hgetall" => self
                .hash(key)
                .map(|h| Reply::Map(h.into_iter().map(|(k, v)| (Reply::Bulk(k), Reply::Bulk(v))).collect())),
            "hkeys" => self.hash(key).map(|h| Reply::bulks(h.into_iter().map(|(k, _)| k))),
            "hvals" => self.hash(key).map(|h| Reply::bulks(h.into_iter().map(|(_, v)| v))),
            "hlen" => self.hash(key).map(|h| count(h.len())),
            "hexists" => self.hash(key).map(|h| flag(find(&h, second).is_some())),
            "hdel" => self.hash(key).and_then(|mut h| {
                let before = h.len();
                h.retain(|(k, _)| !more.contains(k));
                let gone = before - h.len();
                self.update(key, Value::Hash(h))?;
                Ok(count(gone))
            }),
            "lpush" | "rpush" => self.push(name, key, more),
            "lpop" | "rpop" => self.pop(name, key, rest.get(1)),
            "llen" => self.list(key).map(|l| count(l.len())),
            "lrange" => number(second).and_then(|from| {
                let to = number(third)?;
                let list = self.list(key)?;
                let (from, to) = bounds(from, to, list.len());
                Ok(Reply::bulks(list.get(from..to).unwrap_or_default()))
            }),
            "lindex" => number(second).and_then(|at| {
                let list = self.list(key)?;
                let (from, _) = bounds(at, -1, list.len());
                let out = at.unsigned_abs() > list.len() as u64;
                Ok(list.get(from).filter(|_| !out).map_or(Reply::Nil, Reply::bulk))
            }),
            "sadd" => self.set_of(key).and_then(|mut set| {
                let before = set.len();
                for member in more {
                    if !set.contains(member) {
                        set.push(member.clone());
                    }
                }
                let added = set.len() - before;
                self.update(key, Value::Set(set))?;
                Ok(count(added))
            }),
            "srem" => self.set_of(key).and_then(|mut set| {
                let before = set.len();
                set.retain(|m| !more.contains(m));
                let gone = before - set.len();
                self.update(key, Value::Set(set))?;
                Ok(count(gone))
            }),
            "smembers" => self.set_of(key).map(|s| Reply::Set(s.into_iter().map(Reply::Bulk).collect())),
            "scard" => self.set_of(key).map(|s| count(s.len())),
            "sismember" => self.set_of(key).map(|s| flag(s.iter().any(|m| m == second))),
            "zadd" => self.zadd(key, more),
            "zcard" => self.sorted(key).map(|z| count(z.len())),
            "zscore" => self.sorted(key).map(|z| {
                z.iter().find(|(m, _)| m == second).map_or(Reply::Nil, |(_, score)| Reply::Double(*score))
            }),
            "zrange" => self.zrange(key, second, third, rest.get(3..).unwrap_or_default()),
            _ => return None,
        };
        Some(outcome.unwrap_or_else(|error| error))
    }

    fn text(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Reply> {
        match self.space.get(self.db, key).map(|e| &e.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong_type()),
        }
    }

    fn hash(&mut self, key: &[u8]) -> Result<Fields, Reply> {
        match self.space.get(self.db, key).map(|e| &e.value) {
            None => Ok(Vec::new()),
            Some(Value::Hash(pairs)) => Ok(pairs.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn list(&mut self, key: &[u8]) -> Result<Vec<Vec<u8>>, Reply> {
        match self.space.get(self.db, key).map(|e| &e.value) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => Ok(items.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn set_of(&mut self, key: &[u8]) -> Result<Vec<Vec<u8>>, Reply> {
        match self.space.get(self.db, key).map(|e| &e.value) {
            None => Ok(Vec::new()),
            Some(Value::Set(items)) => Ok(items.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn sorted(&mut self, key: &[u8]) -> Result<Vec<(Vec<u8>, f64)>, Reply> {
        match self.space.get(self.db, key).map(|e| &e.value) {
            None => Ok(Vec::new()),
            Some(Value::Sorted(pairs)) => Ok(pairs.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    /// Replaces the value and keeps the time it goes.
    fn update(&mut self, key: &[u8], value: Value) -> Result<(), Reply> {
        let expires = self.space.get(self.db, key).and_then(|e| e.expires);
        self.space.put(self.db, key, Entry { value, expires })
    }

    fn store(&mut self, key: &[u8], text: Vec<u8>, expires: Option<i64>) -> Result<(), Reply> {
        self.space.put(self.db, key, Entry { value: Value::Text(text), expires })
    }

    fn set(&mut self, key: &[u8], value: &[u8], options: &[Vec<u8>]) -> Outcome {
        let (mut expires, mut absent, mut present, mut keep, mut get) = (None, false, false, false, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let word = option.to_ascii_lowercase();
            match word.as_slice() {
                b"nx" if !present => absent = true,
                b"xx" if !absent => present = true,
                b"keepttl" if expires.is_none() => keep = true,
                b"get" => get = true,
                b"ex" | b"px" | b"exat" | b"pxat" if expires.is_none() && !keep => {
                    let amount = number(options.next().ok_or_else(syntax)?)?;
                    let invalid = || Reply::error("ERR invalid expire time in 'set' command");
                    let scale = if word.starts_with(b"e") { 1000 } else { 1 };
                    let ms = amount.checked_mul(scale).filter(|ms| *ms > 0).ok_or_else(invalid)?;
                    let base = if word.ends_with(b"at") { 0 } else { self.now };
                    expires = Some(ms.checked_add(base).ok_or_else(invalid)?);
                }
                _ => return Err(syntax()),
            }
        }
        let old = self.space.get(self.db, key).cloned();
        let before = match (&old, get) {
            (Some(Entry { value: Value::Text(text), .. }), true) => Reply::bulk(text),
            (Some(_), true) => return Err(wrong_type()),
            _ => Reply::Nil,
        };
        if (absent && old.is_some()) || (present && old.is_none()) {
            return Ok(before);
        }
        if keep {
            expires = old.and_then(|e| e.expires);
        }
        self.store(key, value.to_vec(), expires)?;
        Ok(if get { before } else { Reply::OK })
    }

    fn set_if_absent(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        if self.space.get(self.db, key).is_some() {
            return Ok(Reply::Int(0));
        }
        self.store(key, value.to_vec(), None)?;
        Ok(Reply::Int(1))
    }

    fn set_for(&mut self, key: &[u8], value: &[u8], ms: i64, name: &str) -> Outcome {
        if ms <= 0 {
            return Err(Reply::error(format!("ERR invalid expire time in '{name}' command")));
        }
        self.store(key, value.to_vec(), Some(self.now.saturating_add(ms)))?;
        Ok(Reply::OK)
    }

    fn append(&mut self, key: &[u8], tail: &[u8]) -> Outcome {
        let mut text = self.text(key)?.unwrap_or_default();
        text.extend_from_slice(tail);
        let length = text.len();
        self.update(key, Value::Text(text))?;
        Ok(count(length))
    }

    fn overwrite(&mut self, key: &[u8], at: &[u8], with: &[u8]) -> Outcome {
        /// What a value may be at most; the server's own bound is higher than memory here.
        const MOST: usize = 512 * 1024;
        let at = usize::try_from(number(at)?).map_err(|_| Reply::error("ERR offset is out of range"))?;
        let mut text = self.text(key)?.unwrap_or_default();
        let end = at.saturating_add(with.len());
        if end > MOST {
            return Err(Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
        }
        if !with.is_empty() {
            text.resize(text.len().max(end), 0);
            text.splice(at..end, with.iter().copied());
            self.update(key, Value::Text(text.clone()))?;
        }
        Ok(count(text.len()))
    }

    fn range_of_text(&mut self, key: &[u8], from: &[u8], to: &[u8]) -> Outcome {
        let (from, to) = (number(from)?, number(to)?);
        let text = self.text(key)?.unwrap_or_default();
        let (from, to) = bounds(from, to, text.len());
        Ok(Reply::bulk(text.get(from..to).unwrap_or_default()))
    }

    fn add(&mut self, key: &[u8], by: i64) -> Outcome {
        let old = self.text(key)?.map_or(Ok(0), |text| number(&text))?;
        let new =
            old.checked_add(by).ok_or_else(|| Reply::error("ERR increment or decrement would overflow"))?;
        self.update(key, Value::Text(new.to_string().into_bytes()))?;
        Ok(Reply::Int(new))
    }

    fn mset(&mut self, pairs: &[Vec<u8>]) -> Outcome {
        if !pairs.len().is_multiple_of(2) {
            return Err(Reply::error("ERR wrong number of arguments for 'mset' command"));
        }
        for pair in pairs.chunks_exact(2) {
            if let [key, value] = pair {
                self.store(key, value.clone(), None)?;
            }
        }
        Ok(Reply::OK)
    }

    fn ttl(&mut self, key: &[u8], unit: i64) -> Reply {
        Reply::Int(match self.space.get(self.db, key) {
            None => -2,
            Some(Entry { expires: None, .. }) => -1,
            Some(Entry { expires: Some(at), .. }) => {
                at.saturating_sub(self.now).saturating_add(unit / 2) / unit
            }
        })
    }

    fn expire(&mut self, key: &[u8], at: i64) -> Reply {
        let Some(mut entry) = self.space.take(self.db, key) else { return Reply::Int(0) };
        if at > self.now {
            entry.expires = Some(at);
            return self.space.put(self.db, key, entry).map_or_else(|e| e, |()| Reply::Int(1));
        }
        Reply::Int(1)
    }

    fn persist(&mut self, key: &[u8]) -> Reply {
        match self.space.get(self.db, key).cloned() {
            Some(Entry { value, expires: Some(_) }) => {
                let entry = Entry { value, expires: None };
                self.space.put(self.db, key, entry).map_or_else(|e| e, |()| Reply::Int(1))
            }
            _ => Reply::Int(0),
        }
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Reply> {
        let entry = self.space.take(self.db, from).ok_or_else(|| Reply::error("ERR no such key"))?;
        self.space.put(self.db, to, entry)
    }

    /// All of it at once: a keyspace this small fits one answer of the genuine server, too, with COUNT.
    fn scan(&mut self, args: &[Vec<u8>]) -> Outcome {
        let cursor = args.first().map(Vec::as_slice).unwrap_or_default();
        if !std::str::from_utf8(cursor).is_ok_and(|c| c.parse::<u64>().is_ok()) {
            return Err(Reply::error("ERR invalid cursor"));
        }
        let (mut pattern, mut kind) = (b"*".to_vec(), None);
        let mut options = args.get(1..).unwrap_or_default().iter();
        while let Some(option) = options.next() {
            let value = options.next().ok_or_else(syntax)?;
            match option.to_ascii_lowercase().as_slice() {
                b"match" => pattern.clone_from(value),
                b"count" if number(value)? < 1 => return Err(syntax()),
                b"count" => {}
                b"type" => kind = Some(value.to_ascii_lowercase()),
                _ => return Err(syntax()),
            }
        }
        let keys = self.space.keys(self.db).filter(|(key, entry)| {
            glob(&pattern, key) && kind.as_ref().is_none_or(|k| k.as_slice() == entry.value.kind().as_bytes())
        });
        Ok(Reply::Array(vec![Reply::bulk("0"), Reply::bulks(keys.map(|(key, _)| key))]))
    }

    fn hset(&mut self, name: &str, key: &[u8], pairs: &[Vec<u8>]) -> Outcome {
        if !pairs.len().is_multiple_of(2) {
            return Err(Reply::error(format!("ERR wrong number of arguments for '{name}' command")));
        }
        let mut hash = self.hash(key)?;
        let before = hash.len();
        for pair in pairs.chunks_exact(2) {
            if let [field, value] = pair {
                match hash.iter_mut().find(|(k, _)| k == field) {
                    Some((_, old)) => old.clone_from(value),
                    None => hash.push((field.clone(), value.clone())),
                }
            }
        }
        let added = hash.len() - before;
        self.update(key, Value::Hash(hash))?;
        Ok(if name == "hmset" { Reply::OK } else { count(added) })
    }

    fn push(&mut self, name: &str, key: &[u8], items: &[Vec<u8>]) -> Outcome {
        let mut list = self.list(key)?;
        if name == "lpush" {
            list.splice(0..0, items.iter().rev().cloned());
        } else {
            list.extend(items.iter().cloned());
        }
        let length = list.len();
        self.update(key, Value::List(list))?;
        Ok(count(length))
    }

    fn pop(&mut self, name: &str, key: &[u8], amount: Option<&Vec<u8>>) -> Outcome {
        let wanted = amount.map(|a| number(a)).transpose()?;
        if wanted.is_some_and(|w| w < 0) {
            return Err(Reply::error("ERR value is out of range, must be positive"));
        }
        let mut list = self.list(key)?;
        if list.is_empty() {
            return Ok(if wanted.is_some() { Reply::NilArray } else { Reply::Nil });
        }
        let many = usize::try_from(wanted.unwrap_or(1)).unwrap_or(usize::MAX).min(list.len());
        let popped: Vec<Vec<u8>> = if name == "lpop" {
            list.drain(..many).collect()
        } else {
            list.drain(list.len() - many..).rev().collect()
        };
        self.update(key, Value::List(list))?;
        Ok(match wanted {
            Some(_) => Reply::bulks(popped),
            None => popped.into_iter().next().map_or(Reply::Nil, Reply::Bulk),
        })
    }

    fn zadd(&mut self, key: &[u8], pairs: &[Vec<u8>]) -> Outcome {
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(syntax());
        }
        let mut sorted = self.sorted(key)?;
        let before = sorted.len();
        for pair in pairs.chunks_exact(2) {
            if let [score, member] = pair {
                let score = float(score)?;
                match sorted.iter_mut().find(|(m, _)| m == member) {
                    Some((_, old)) => *old = score,
                    None => sorted.push((member.clone(), score)),
                }
            }
        }
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        let added = sorted.len() - before;
        self.update(key, Value::Sorted(sorted))?;
        Ok(count(added))
    }

    fn zrange(&mut self, key: &[u8], from: &[u8], to: &[u8], options: &[Vec<u8>]) -> Outcome {
        let scores = match options {
            [] => false,
            [word] if word.eq_ignore_ascii_case(b"withscores") => true,
            _ => return Err(syntax()),
        };
        let (from, to) = (number(from)?, number(to)?);
        let sorted = self.sorted(key)?;
        let (from, to) = bounds(from, to, sorted.len());
        let mut out = Vec::new();
        for (member, score) in sorted.get(from..to).unwrap_or_default() {
            out.push(Reply::bulk(member));
            if scores {
                out.push(Reply::Double(*score));
            }
        }
        Ok(Reply::Array(out))
    }
}

/// A value as long as there is room: one key asked for a thousand times must not make a thousand copies.
fn bounded(value: Option<Vec<u8>>, room: &mut usize) -> Reply {
    match value.filter(|v| v.len() <= *room) {
        Some(value) => {
            *room -= value.len();
            Reply::Bulk(value)
        }
        None => Reply::Nil,
    }
}

fn find<'a>(pairs: &'a [(Vec<u8>, Vec<u8>)], field: &[u8]) -> Option<&'a Vec<u8>> {
    pairs.iter().find(|(k, _)| k == field).map(|(_, v)| v)
}

/// First and past-the-end index of a Redis range (both ends included, negative from the end).
fn bounds(from: i64, to: i64, length: usize) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { length.saturating_add(at) } else { at };
    let from = place(from).clamp(0, length);
    let to = place(to).saturating_add(1).clamp(from, length.max(from));
    (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(space: &mut Keyspace, line: &str) -> Reply {
        let args: Vec<Vec<u8>> = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        Keys { space, db: 0, now: 1_000_000 }
            .run(&line.split(' ').next().unwrap().to_lowercase(), &args)
            .unwrap()
    }

    /// Replies of a genuine Redis 7.0.15 to the same lines.
    #[test]
    fn answers_as_measured() {
        let mut space = Keyspace::default();
        for (line, want) in [
            ("set k v", "+OK\r\n"),
            ("set k v EX 0", "-ERR invalid expire time in 'set' command\r\n"),
            ("set k v EX x", "-ERR value is not an integer or out of range\r\n"),
            ("set k v EX 10 NX XX", "-ERR syntax error\r\n"),
            ("type k", "+string\r\n"),
            ("ttl k", ":-1\r\n"),
            ("expire k 100", ":1\r\n"),
            ("ttl k", ":100\r\n"),
            ("pttl k", ":100000\r\n"),
            ("persist k", ":1\r\n"),
            ("append k x", ":2\r\n"),
            ("incr k", "-ERR value is not an integer or out of range\r\n"),
            ("lpush k a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            ("rename k k2", "+OK\r\n"),
            ("rename nokey k2", "-ERR no such key\r\n"),
            ("getset k2 z", "$2\r\nvx\r\n"),
            ("del k2 k3", ":1\r\n"),
            ("dbsize", ":0\r\n"),
            ("lpush l a b c", ":3\r\n"),
            ("lrange l 0 -1", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
            ("lpop l", "$1\r\nc\r\n"),
            ("rpop l", "$1\r\na\r\n"),
            ("lindex l 0", "$1\r\nb\r\n"),
            ("lindex l 1", "$-1\r\n"),
            ("hset h a 1 b 2", ":2\r\n"),
            ("hset h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"),
            ("hgetall h", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
            ("hmget h b c", "*2\r\n$1\r\n2\r\n$-1\r\n"),
            ("sadd s a b a", ":2\r\n"),
            ("srem s a", ":1\r\n"),
            ("zadd z 2 b 1 a", ":2\r\n"),
            ("zrange z 0 -1 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
            ("scan x", "-ERR invalid cursor\r\n"),
            ("scan 0 foo", "-ERR syntax error\r\n"),
            ("scan 0 MATCH h* COUNT 10", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nh\r\n"),
        ] {
            let mut out = Vec::new();
            run(&mut space, line).encode(2, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "{line}");
        }
    }

    #[test]
    fn one_key_asked_for_a_thousand_times_makes_no_thousand_copies() {
        let mut space = Keyspace::default();
        run(&mut space, &format!("set k {}", "x".repeat(500_000)));
        run(&mut space, &format!("hset h f {}", "x".repeat(400_000)));
        for line in [format!("mget{}", " k".repeat(1000)), format!("hmget h{}", " f".repeat(1000))] {
            let mut out = Vec::new();
            run(&mut space, &line).encode(2, &mut out);
            assert!((400_000..REPLY_MAX + 20_000).contains(&out.len()), "{}", out.len());
        }
    }

    proptest! {
        #[test]
        fn ranges_stay_inside(from: i64, to: i64, length in 0usize..100) {
            let (a, b) = bounds(from, to, length);
            prop_assert!(a <= b && b <= length);
        }
    }
}
