//! The command table: names, arity, flags, and the release that brought each (read off `COMMAND` of a
//! genuine 7.0.15).

use std::sync::LazyLock;

use super::profile::{Profile, series};
use super::proto::Reply;

/// One command.
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Arguments with the name; negative: at least that many.
    arity: i64,
    since: (u32, u32),
    keys: [i64; 3],
    flags: &'static str,
    categories: &'static str,
}

static TABLE: LazyLock<Vec<Command>> =
    LazyLock::new(|| include_str!("commands.txt").lines().filter_map(parse).collect());

fn parse(line: &'static str) -> Option<Command> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let (name, arity, since) = (next()?, next()?.parse().ok()?, series(next()?));
    let mut key = || next()?.parse().ok();
    let keys = [key()?, key()?, key()?];
    let flags = next()?;
    Some(Command {
        name,
        arity,
        since,
        keys,
        flags: if flags == "-" { "" } else { flags },
        categories: next()?,
    })
}

/// The command of that lower-case name, when this release has it.
pub(super) fn find(profile: &Profile, name: &str) -> Option<&'static Command> {
    TABLE.iter().find(|c| c.name == name && profile.series >= c.since)
}

/// How many commands this release has.
pub(super) fn count(profile: &Profile) -> usize {
    TABLE.iter().filter(|c| profile.series >= c.since).count()
}

/// All commands of this release.
pub(super) fn all(profile: &Profile) -> impl Iterator<Item = &'static Command> {
    let series = profile.series;
    TABLE.iter().filter(move |c| series >= c.since)
}

impl Command {
    /// Whether that many arguments (with the name) are right.
    pub(super) fn takes(&self, count: usize) -> bool {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if self.arity < 0 { count >= -self.arity } else { count == self.arity }
    }

    /// Whether it has that flag.
    pub(super) fn is(&self, flag: &str) -> bool {
        self.flags.split(',').any(|f| f == flag)
    }

    /// Whether it is a group of subcommands (`CONFIG GET`).
    pub(super) fn is_group(&self) -> bool {
        const GROUPS: &[&str] = &[
            "acl", "client", "cluster", "config", "function", "latency", "memory", "module", "object",
            "pubsub", "script", "slowlog", "xgroup", "xinfo", "command",
        ];
        GROUPS.contains(&self.name)
    }

    /// What COMMAND INFO says of it.
    pub(super) fn info(&self, profile: &Profile) -> Reply {
        let words = |text: &'static str, mark: &str| {
            let items = text.split(',').filter(|w| !w.is_empty());
            Reply::Set(items.map(|w| status(mark, w)).collect())
        };
        let mut parts = vec![Reply::bulk(self.name), Reply::Int(self.arity), words(self.flags, "")];
        parts.extend(self.keys.map(Reply::Int));
        if profile.since(6, 0) {
            parts.push(words(self.categories, "@"));
        }
        if profile.since(7, 0) {
            parts.extend([Reply::Array(vec![]), Reply::Array(vec![]), Reply::Array(vec![])]);
        }
        Reply::Array(parts)
    }
}

/// A status word of the table with a mark before it.
fn status(mark: &str, word: &'static str) -> Reply {
    if mark.is_empty() { Reply::Simple(word) } else { Reply::Status(format!("{mark}{word}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Settings;

    #[test]
    fn the_table_is_whole_and_gated_by_release() {
        let mut persona = testing::persona(&[]);
        let profile = Profile::new(&persona, &Settings::new());
        assert_eq!(count(&profile), 240);
        assert!(find(&profile, "acl").unwrap().is_group());
        persona.distro = "ubuntu20".into();
        let old = Profile::new(&persona, &Settings::new());
        assert!(find(&old, "acl").is_none() && find(&old, "get").is_some());
        let get = find(&old, "get").unwrap();
        assert!(get.takes(2) && !get.takes(3) && get.is("readonly"));
        assert!(find(&old, "del").unwrap().takes(9));
    }
}
