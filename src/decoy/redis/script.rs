//! EVAL without an interpreter: the scripts that probes send are answered as the genuine server does,
//! everything else is answered with nil.

use sha1::{Digest, Sha1};

use super::profile::Profile;
use super::proto::{Reply, integer};

/// What a script comes to.
pub(super) enum Script {
    /// An answer.
    Done(Reply),
    /// `return redis.call(...)`: run this command.
    Call(Vec<Vec<u8>>),
}

/// The name a script is cached under.
pub(super) fn sha1_hex(script: &[u8]) -> String {
    hex::encode(Sha1::digest(script))
}

/// KEYS and ARGV of a script.
type Split<'a> = (&'a [Vec<u8>], &'a [Vec<u8>]);

/// Checks the number of keys and splits the rest into KEYS and ARGV.
pub(super) fn keys_and_args(args: &[Vec<u8>]) -> Result<Split<'_>, Reply> {
    let count = args
        .first()
        .and_then(|n| integer(n))
        .ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))?;
    let rest = args.get(1..).unwrap_or_default();
    let count = usize::try_from(count).map_err(|_| Reply::error("ERR Number of keys can't be negative"))?;
    rest.split_at_checked(count)
        .ok_or_else(|| Reply::error("ERR Number of keys can't be greater than number of args"))
}

/// Globals that scripts of attackers ask for and Redis does not give.
const MISSING: &[&str] = &["package", "require", "dofile", "loadfile", "io", "os", "debug", "module"];

/// Answers `script`.
pub(super) fn eval(profile: &Profile, script: &[u8], keys: &[Vec<u8>], argv: &[Vec<u8>]) -> Script {
    let text = String::from_utf8_lossy(script.get(..script.len().min(16_384)).unwrap_or_default());
    let trimmed = text.trim().trim_end_matches(';').trim_end();
    if let Some(error) = missing(profile, script, &text) {
        return Script::Done(error);
    }
    let opened = |c: char| text.matches(c).count();
    if opened('(') > opened(')') {
        let line = text.matches('\n').count() + 1;
        let shown = "Error compiling script (new function): user_script";
        return Script::Done(Reply::Error(format!("ERR {shown}:{line}: unexpected symbol near '<eof>'")));
    }
    let Some(value) =
        trimmed.strip_prefix("return").filter(|v| v.starts_with([' ', '\t', '{', '(', '\'', '"']))
    else {
        return Script::Done(Reply::Nil);
    };
    let value = value.trim();
    for call in ["redis.call(", "redis.pcall("] {
        if let Some(inner) = value.strip_prefix(call).and_then(|v| v.strip_suffix(')')) {
            let words: Option<Vec<Vec<u8>>> = pieces(inner).map(|p| word(p, keys, argv)).collect();
            if let Some(words) = words.filter(|w| !w.is_empty()) {
                return Script::Call(words);
            }
            return Script::Done(Reply::Nil);
        }
    }
    if let Some(inner) = value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) {
        return Script::Done(table(inner, keys, argv, 0));
    }
    const GLOBALS: &[&str] = &[
        "true",
        "false",
        "nil",
        "not",
        "redis",
        "KEYS",
        "ARGV",
        "string",
        "table",
        "math",
        "cjson",
        "cmsgpack",
        "bit",
        "struct",
        "tonumber",
        "tostring",
        "pcall",
        "loadstring",
        "type",
        "function",
        "_G",
        "_VERSION",
        "select",
        "unpack",
        "next",
        "pairs",
        "ipairs",
        "error",
        "assert",
    ];
    let word = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    if trimmed.len() == text.trim().len()
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !GLOBALS.contains(&word)
    {
        return Script::Done(nonexistent(profile, script, word, 1));
    }
    Script::Done(literal(value, keys, argv))
}

/// The error for the first global that does not exist.
fn missing(profile: &Profile, script: &[u8], text: &str) -> Option<Reply> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let (at, name) = MISSING
        .iter()
        // Before 7.0 `os` is there, with `clock` alone.
        .filter(|name| profile.since(7, 0) || **name != "os")
        .filter_map(|name| {
            let mut found = text.match_indices(name);
            let (at, _) = found.find(|(at, _)| {
                let before = text.get(..*at).and_then(|t| t.chars().next_back());
                let after = text.get(at + name.len()..).and_then(|t| t.chars().next());
                !before.is_some_and(|c| is_name(c) || matches!(c, '\'' | '"'))
                    && after.is_some_and(|c| matches!(c, '.' | '(' | '[' | ' '))
            })?;
            let local = text.contains(&format!("local {name}=")) || text.contains(&format!("local {name} ="));
            // `local os = require('os')` fails on `require`.
            (!local || text.get(at..)?.starts_with("require")).then_some((at, *name))
        })
        .min()?;
    Some(nonexistent(profile, script, name, text.get(..at)?.matches('\n').count() + 1))
}

fn nonexistent(profile: &Profile, script: &[u8], name: &str, line: usize) -> Reply {
    let what = format!("Script attempted to access nonexistent global variable '{name}'");
    let sha = sha1_hex(script);
    Reply::Error(if profile.since(7, 0) {
        format!("ERR user_script:{line}: {what} script: {sha}, on @user_script:{line}.")
    } else {
        format!(
            "ERR Error running script (call to f_{sha}): @enable_strict_lua:15: user_script:{line}: {what}"
        )
    })
}

/// Splits at commas outside quotes and braces.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut depth = 0u32;
    text.split(move |c| {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, '{' | '(') => depth = depth.saturating_add(1),
            (None, '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => return true,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .filter(|piece| !piece.is_empty())
    .take(256)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q))
}

fn indexed<'a>(text: &str, name: &str, from: &'a [Vec<u8>]) -> Option<Option<&'a Vec<u8>>> {
    let at: usize = text.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.trim().parse().ok()?;
    Some(at.checked_sub(1).and_then(|at| from.get(at)))
}

/// An argument of `redis.call`.
fn word(text: &str, keys: &[Vec<u8>], argv: &[Vec<u8>]) -> Option<Vec<u8>> {
    if let Some(inner) = quoted(text) {
        return Some(inner.as_bytes().to_vec());
    }
    if let Some(found) = indexed(text, "KEYS", keys).or_else(|| indexed(text, "ARGV", argv)) {
        return found.cloned();
    }
    text.parse::<i64>().ok().map(|n| n.to_string().into_bytes())
}

/// A table; inner ones down to a depth that nobody writes by hand.
fn table(inner: &str, keys: &[Vec<u8>], argv: &[Vec<u8>], depth: usize) -> Reply {
    const DEPTH_MAX: usize = 8;
    let item = |piece: &str| match piece.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        Some(inner) if depth < DEPTH_MAX => table(inner, keys, argv, depth + 1),
        _ => literal(piece, keys, argv),
    };
    Reply::Array(pieces(inner).map(item).collect())
}

/// A value after `return`.
fn literal(text: &str, keys: &[Vec<u8>], argv: &[Vec<u8>]) -> Reply {
    if let Some(inner) = text.strip_prefix("redis.sha1hex(").and_then(|t| t.strip_suffix(')')) {
        return word(inner.trim(), keys, argv).map_or(Reply::Nil, |w| Reply::bulk(sha1_hex(&w)));
    }
    match text {
        "true" => return Reply::Int(1),
        "_VERSION" => return Reply::bulk("Lua 5.1"),
        "KEYS" => return Reply::bulks(keys),
        "ARGV" => return Reply::bulks(argv),
        _ => {}
    }
    if let Ok(number) = text.parse::<f64>() {
        // Lua numbers lose their fraction on the way out.
        return if number.is_finite() { Reply::Int(number as i64) } else { Reply::Nil };
    }
    word(text, keys, argv).map_or(Reply::Nil, Reply::Bulk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Settings;
    use proptest::prelude::*;

    fn answer(distro: &str, script: &str) -> String {
        let mut persona = testing::persona(&[]);
        persona.distro = distro.into();
        let profile = Profile::new(&persona, &Settings::new());
        match eval(&profile, script.as_bytes(), &[b"abc".to_vec()], &[]) {
            Script::Call(words) => format!("{words:?}"),
            Script::Done(reply) => {
                let mut out = Vec::new();
                reply.encode(2, &mut out);
                String::from_utf8(out).unwrap()
            }
        }
    }

    /// Replies of a genuine Redis 7.0.15.
    #[test]
    fn probes_are_answered_as_measured() {
        for (script, want) in [
            ("return 1", ":1\r\n"),
            ("return {1,2,'a'}", "*3\r\n:1\r\n:2\r\n$1\r\na\r\n"),
            ("return {1,{2,'a'}}", "*2\r\n:1\r\n*2\r\n:2\r\n$1\r\na\r\n"),
            ("return KEYS[1]", "$3\r\nabc\r\n"),
            (
                "return foo.bar",
                "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: \
                 be8e79a153b67c7996be1e272cc18cdc0e67b346, on @user_script:1.\r\n",
            ),
            ("return _VERSION", "$7\r\nLua 5.1\r\n"),
            ("return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"),
            (
                "foo(",
                "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'\r\n",
            ),
            (
                "local io_l = package.loadlib('/usr/lib/x86_64-linux-gnu/liblua5.1.so.0', 'luaopen_io'); return io_l",
                "-ERR user_script:1: Script attempted to access nonexistent global variable 'package' script: \
                 f783beddf72480b9b1dc45c8577da331c169a4de, on @user_script:1.\r\n",
            ),
            (
                "os.execute('id')",
                "-ERR user_script:1: Script attempted to access nonexistent global variable 'os' script: \
                 d943855a2b4c759b5d209cc99c41fb3fdba79649, on @user_script:1.\r\n",
            ),
            (
                "local os = require('os'); os.execute('id')",
                "-ERR user_script:1: Script attempted to access nonexistent global variable 'require' script: \
                 3946b11700d7391ee73b0bc164eed0970d5b2fca, on @user_script:1.\r\n",
            ),
        ] {
            assert_eq!(answer("debian", script), want, "{script}");
        }
        assert!(
            answer("ubuntu22", "return dofile('x')").contains("@enable_strict_lua:15: user_script:1: Script")
        );
        assert_eq!(answer("debian", "return redis.call('get', KEYS[1])"), format!("{:?}", [b"get", b"abc"]));
    }

    proptest! {
        #[test]
        fn any_script_is_answered(script in ".{0,200}") {
            answer("debian", &script);
            answer("debian", &format!("return {script}"));
        }
    }
}
