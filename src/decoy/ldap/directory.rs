//! Entries, and what a search finds among them.

/// One entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) dn: String,
    /// Its name without case and blanks, for comparing.
    key: String,
    /// Name, values, and whether it is shown only when asked for.
    attributes: Vec<(&'static str, Vec<Vec<u8>>, bool)>,
}

impl Entry {
    pub(super) fn new(dn: &str) -> Self {
        Self { dn: dn.to_owned(), key: normal(dn).unwrap_or_default(), attributes: Vec::new() }
    }

    /// Adds texts of an attribute.
    pub(super) fn add<T: AsRef<str>>(&mut self, name: &'static str, values: &[T]) {
        let values = values.iter().map(|v| v.as_ref().as_bytes().to_vec()).collect();
        self.attributes.push((name, values, false));
    }

    /// Adds bytes of an attribute.
    pub(super) fn add_bytes(&mut self, name: &'static str, value: Vec<u8>) {
        self.attributes.push((name, vec![value], false));
    }

    /// Adds texts of an attribute that is not shown unless asked for.
    pub(super) fn add_hidden<T: AsRef<str>>(&mut self, name: &'static str, values: &[T]) {
        self.add(name, values);
        if let Some(last) = self.attributes.last_mut() {
            last.2 = true;
        }
    }

    /// The values of an attribute, whatever its case and options.
    pub(super) fn values(&self, name: &[u8]) -> Option<&[Vec<u8>]> {
        let name = name.split(|b| *b == b';').next().unwrap_or_default();
        let found = self.attributes.iter().find(|(n, ..)| n.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(_, values, _)| values.as_slice())
    }

    /// Whether an attribute has this value.
    pub(super) fn holds(&self, name: &[u8], value: &[u8]) -> bool {
        self.values(name).is_some_and(|all| all.iter().any(|v| v.eq_ignore_ascii_case(value)))
    }

    /// Attributes as they were asked for: none named is all that are shown, `*` too, `+` the others, `1.1` none.
    pub(super) fn select(&self, wanted: &[Vec<u8>]) -> Vec<(&str, &[Vec<u8>])> {
        let named = |word: &[u8]| wanted.iter().any(|w| w.eq_ignore_ascii_case(word));
        let (all, hidden) = (wanted.is_empty() || named(b"*"), named(b"+"));
        let asked = |name: &str| {
            wanted.iter().any(|w| {
                w.split(|b| *b == b';').next().unwrap_or_default().eq_ignore_ascii_case(name.as_bytes())
            })
        };
        let fits = |(name, _, only): &&(&'static str, Vec<Vec<u8>>, bool)| {
            if *only { hidden || asked(name) } else { all || asked(name) }
        };
        self.attributes.iter().filter(fits).map(|(name, values, _)| (*name, values.as_slice())).collect()
    }
}

/// All entries, parents before children.
#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: Vec<Entry>,
}

impl Directory {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// The entry of this name.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// The nearest entry above a name that is none's.
    pub(super) fn above(&self, key: &str) -> Option<&Entry> {
        let mut rest = key;
        while let Some((_, parent)) = rest.split_once(',') {
            if let Some(entry) = self.get(parent) {
                return Some(entry);
            }
            rest = parent;
        }
        None
    }

    /// Entries at, right below, or anywhere below a name.
    pub(super) fn within(&self, key: &str, scope: i64) -> impl Iterator<Item = &Entry> {
        let suffix = format!(",{key}");
        let key = key.to_owned();
        self.entries.iter().filter(move |e| {
            let above = e.key.strip_suffix(&suffix);
            match scope {
                0 => e.key == key,
                1 => above.is_some_and(|rdn| !rdn.contains(',')),
                _ => e.key == key || above.is_some(),
            }
        })
    }
}

/// Longest name that is looked at.
const DN_MAX: usize = 2048;

/// A distinguished name for comparing: lower case, no blanks around its signs. None when it is no name.
pub(super) fn normal(dn: &str) -> Option<String> {
    if dn.len() > DN_MAX {
        return None;
    }
    if dn.trim().is_empty() {
        return Some(String::new());
    }
    let mut parts = Vec::new();
    let (mut part, mut escaped) = (String::new(), false);
    for c in dn.chars() {
        match c {
            ',' | ';' if !escaped => parts.push(std::mem::take(&mut part)),
            // A comma of a value must not look like one between parts.
            ',' => part.push_str("2c"),
            _ => part.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        out.push(format!("{name}={}", value.trim().to_lowercase()));
    }
    Some(out.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_compared_without_case_and_blanks() {
        assert_eq!(normal("CN=A B , DC = Corp").as_deref(), Some("cn=a b,dc=corp"));
        assert_eq!(normal("cn=a\\,b,dc=c").as_deref(), Some("cn=a\\2cb,dc=c"));
        assert_eq!(normal("").as_deref(), Some(""));
        assert_eq!((normal("baddn"), normal("=x"), normal("a b=c")), (None, None, None));
    }

    #[test]
    fn scopes_are_apart() {
        let directory = Directory::new(["dc=a", "ou=p,dc=a", "uid=x,ou=p,dc=a"].map(Entry::new).to_vec());
        let count = |base: &str, scope| directory.within(base, scope).count();
        assert_eq!((count("dc=a", 0), count("dc=a", 1), count("dc=a", 2)), (1, 1, 3));
        assert_eq!(directory.above("uid=y,ou=q,dc=a").unwrap().dn, "dc=a");
        assert!(directory.above("dc=b").is_none());
    }

    #[test]
    fn attributes_are_selected() {
        let mut entry = Entry::new("cn=a");
        entry.add("cn", &["a"]);
        entry.add_hidden("entryUUID", &["u"]);
        let names = |wanted: &[&str]| {
            let wanted: Vec<Vec<u8>> = wanted.iter().map(|w| w.as_bytes().to_vec()).collect();
            entry.select(&wanted).into_iter().map(|(n, _)| n).collect::<Vec<_>>()
        };
        assert_eq!((names(&[]), names(&["*", "+"]).len()), (vec!["cn"], 2));
        assert_eq!((names(&["ENTRYuuid"]), names(&["1.1"])), (vec!["entryUUID"], vec![]));
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "\\PC{0,80}") {
            let _ = normal(&text);
        }
    }
}
