//! The conversation of a custom service: patterns and replies, and which fits what was heard.
//!
//! A rule is `[@state] pattern => reply`. A pattern is a line with `*` for anything and `{name}` for what is to
//! be kept (`{name=text}`: kept when it is just that), or `hex:` and the first bytes of a message. A reply is
//! text with escapes, in which `{name}` is what was kept, `{go state}` moves on, `{close}` ends.

use std::collections::BTreeMap;

use super::{CustomService, Talk};

/// Most rules.
const RULES_MAX: usize = 200;
/// Most bytes of all texts together.
const TEXT_MAX: usize = 64 * 1024;
/// Most pieces of one pattern or reply.
const PIECES_MAX: usize = 32;
/// Longest name of a state or a capture.
const NAME_MAX: usize = 32;

/// A text that is no rule or reply: which, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadRule {
    /// Number of the answer from 0; none for the banner and the default.
    pub answer: Option<usize>,
    /// `banner`, `answers` or `default`.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// What a custom service says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Said first.
    pub banner: Reply,
    /// Said to what nothing fits.
    pub default: Reply,
    rules: Vec<Rule>,
}

/// What is said, and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// In order.
    pub parts: Vec<Part>,
    /// The state that follows, where it changes; an empty one is that of the beginning.
    pub go: Option<String>,
    /// Whether the connection ends.
    pub close: bool,
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Text(Vec<u8>),
    /// What was kept under this name, or `hostname` and `address` of the machine.
    Kept(String),
}

/// What a rule made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard<'c> {
    /// Number of the rule from 0.
    pub rule: usize,
    /// What is said to it.
    pub reply: &'c Reply,
    /// What it keeps, by name.
    pub kept: BTreeMap<&'c str, Vec<u8>>,
    /// Whether `secret` had to be a certain text, and was.
    pub accepted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    state: Option<String>,
    pattern: Pattern,
    reply: Reply,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// A whole line.
    Line(Vec<Token>),
    /// The first bytes of a message; none: any byte.
    Bytes(Vec<Option<u8>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// These bytes, letters in either case.
    Text(Vec<u8>),
    /// Any bytes, none too.
    Any,
    /// At least one byte, or exactly these.
    Keep(String, Option<Vec<u8>>),
}

impl Conversation {
    /// What the texts of `service` mean.
    ///
    /// # Errors
    /// The first text that means nothing.
    pub fn of(service: &CustomService) -> Result<Self, BadRule> {
        let Talk { banner, answers, default, .. } = &service.talk;
        let bad = |key, answer| move |why: String| BadRule { answer, key, why };
        let length =
            answers.iter().map(String::len).sum::<usize>().saturating_add(banner.len() + default.len());
        if length > TEXT_MAX || answers.len() > RULES_MAX {
            let why = format!("a conversation has at most {RULES_MAX} answers and {TEXT_MAX} bytes");
            return Err(bad("answers", None)(why));
        }
        let rule = |(at, text): (usize, &String)| rule(text).map_err(bad("answers", Some(at)));
        Ok(Self {
            banner: reply(banner).map_err(bad("banner", None))?,
            default: reply(default).map_err(bad("default", None))?,
            rules: answers.iter().enumerate().map(rule).collect::<Result<_, _>>()?,
        })
    }

    /// What fits a line, its end taken away, in `state`.
    pub fn line(&self, state: &str, line: &[u8]) -> Option<Heard<'_>> {
        self.find(state, |pattern| match pattern {
            Pattern::Line(tokens) => fit(tokens, line),
            Pattern::Bytes(_) => None,
        })
    }

    /// What fits a message by its first bytes, in `state`.
    pub fn bytes(&self, state: &str, message: &[u8]) -> Option<Heard<'_>> {
        self.find(state, |pattern| match pattern {
            Pattern::Bytes(prefix) => {
                (begins(prefix, message) && message.len() >= prefix.len()).then(BTreeMap::new)
            }
            Pattern::Line(_) => None,
        })
    }

    /// Whether `message` may still become one that fits by its first bytes.
    pub fn awaits(&self, state: &str, message: &[u8]) -> bool {
        self.in_state(state).any(|(_, rule)| match &rule.pattern {
            Pattern::Bytes(prefix) => message.len() < prefix.len() && begins(prefix, message),
            Pattern::Line(_) => false,
        })
    }

    /// Whether messages end with their line in `state`; else each is what came at once.
    pub fn by_lines(&self, state: &str) -> bool {
        let mut rules = self.in_state(state).peekable();
        rules.peek().is_none() || rules.any(|(_, rule)| matches!(rule.pattern, Pattern::Line(_)))
    }

    fn in_state<'c>(&'c self, state: &str) -> impl Iterator<Item = (usize, &'c Rule)> {
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, rule)| rule.state.as_deref().is_none_or(|wanted| wanted == state))
    }

    fn find<'c>(
        &'c self,
        state: &str,
        fits: impl Fn(&'c Pattern) -> Option<BTreeMap<&'c str, Vec<u8>>>,
    ) -> Option<Heard<'c>> {
        self.in_state(state).find_map(|(number, rule)| {
            let kept = fits(&rule.pattern)?;
            let accepted = matches!(&rule.pattern, Pattern::Line(tokens)
                if tokens.iter().any(|t| matches!(t, Token::Keep(name, Some(_)) if name == "secret")));
            Some(Heard { rule: number, reply: &rule.reply, kept, accepted })
        })
    }
}

fn begins(prefix: &[Option<u8>], message: &[u8]) -> bool {
    prefix.iter().zip(message).all(|(want, byte)| want.is_none_or(|want| want == *byte))
}

/// What `tokens` keep of a line that fits them. Every text between two open ends is taken where it first
/// stands, so that no line takes longer than its length times that of the pattern.
fn fit<'c>(tokens: &'c [Token], line: &[u8]) -> Option<BTreeMap<&'c str, Vec<u8>>> {
    let mut kept = BTreeMap::new();
    let mut rest = line;
    // An open end before `rest`: what keeps it, and how much of it there must be.
    let mut open: Option<Option<&'c str>> = None;
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        let text = match token {
            Token::Any => {
                open = Some(None);
                continue;
            }
            Token::Keep(name, None) => {
                open = Some(Some(name));
                continue;
            }
            Token::Text(text) => text,
            Token::Keep(name, Some(text)) => {
                kept.insert(name.as_str(), text.clone());
                text
            }
        };
        let exact = matches!(token, Token::Keep(..));
        let least = usize::from(matches!(open, Some(Some(_))));
        let at = match open {
            None => 0,
            // The last one stands at the very end.
            Some(_) if tokens.peek().is_none() => rest.len().checked_sub(text.len())?,
            Some(_) => least.checked_add(
                rest.get(least..)?.windows(text.len().max(1)).position(|w| same(w, text, exact))?,
            )?,
        };
        let found = rest.get(at..at.checked_add(text.len())?)?;
        if at < least || !same(found, text, exact) {
            return None;
        }
        if let Some(Some(name)) = open {
            kept.insert(name, rest.get(..at)?.to_vec());
        }
        open = None;
        rest = rest.get(at.checked_add(text.len())?..)?;
    }
    match open {
        None => rest.is_empty().then_some(kept),
        Some(None) => Some(kept),
        Some(Some(name)) => {
            kept.insert(name, rest.to_vec());
            (!rest.is_empty()).then_some(kept)
        }
    }
}

fn same(a: &[u8], b: &[u8], exact: bool) -> bool {
    if exact { a == b } else { a.eq_ignore_ascii_case(b) }
}

fn rule(text: &str) -> Result<Rule, String> {
    let (pattern, said) = text
        .split_once("=>")
        .ok_or_else(|| "an answer is written `pattern => reply`; this has no `=>`".to_owned())?;
    let mut pattern = pattern.trim();
    let mut state = None;
    if let Some(rest) = pattern.strip_prefix('@') {
        let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        state = Some(named(name)?);
        pattern = rest.trim();
    }
    let pattern = match pattern.strip_prefix("hex:") {
        Some(digits) => Pattern::Bytes(prefix(digits)?),
        None => Pattern::Line(tokens(pattern)?),
    };
    Ok(Rule { state, pattern, reply: reply(said.trim())? })
}

fn prefix(digits: &str) -> Result<Vec<Option<u8>>, String> {
    let digits: String = digits.split_whitespace().collect();
    let pair = |pair: &[u8]| match pair {
        b"??" => Ok(None),
        pair => {
            let text = std::str::from_utf8(pair).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
            text.filter(|t| t.len() == 2)
                .and_then(|t| u8::from_str_radix(t, 16).ok())
                .map(Some)
                .ok_or_else(|| "after `hex:` come pairs of hex digits, or `??` for any byte".to_owned())
        }
    };
    let bytes = digits.as_bytes().chunks(2).map(pair).collect::<Result<Vec<_>, _>>()?;
    if bytes.is_empty() || bytes.len() > 1024 {
        return Err("`hex:` wants 1 to 1024 bytes".to_owned());
    }
    Ok(bytes)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    for piece in pieces(text, true)? {
        let token = match piece {
            Piece::Text(text) => Token::Text(text),
            Piece::Star => Token::Any,
            Piece::Brace(inside) => match inside.split_once('=') {
                Some((name, exact)) => {
                    let exact = unescape(exact)?;
                    if exact.is_empty() {
                        return Err(format!("`{{{inside}}}` is nothing that could be said"));
                    }
                    Token::Keep(named(name)?, Some(exact))
                }
                None => Token::Keep(named(&inside)?, None),
            },
        };
        let open = |t: &Token| matches!(t, Token::Any | Token::Keep(_, None));
        if open(&token) && tokens.last().is_some_and(open) {
            return Err("two of `*` and `{…}` in a row: nobody could say where one ends".to_owned());
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn reply(text: &str) -> Result<Reply, String> {
    let mut reply = Reply::default();
    for piece in pieces(text, false)? {
        match piece {
            Piece::Text(text) => reply.parts.push(Part::Text(text)),
            Piece::Star => {}
            Piece::Brace(inside) => match inside.split_once(' ').unwrap_or((&inside, "")) {
                ("close", "") => reply.close = true,
                ("go", "") => reply.go = Some(String::new()),
                ("go", state) => reply.go = Some(named(state.trim())?),
                (name, "") => reply.parts.push(Part::Kept(named(name)?)),
                _ => return Err(format!("`{{{inside}}}` is none of {{name}}, {{go state}} and {{close}}")),
            },
        }
    }
    Ok(reply)
}

enum Piece {
    Text(Vec<u8>),
    Star,
    /// What stands between braces, as it is written.
    Brace(String),
}

/// A text in pieces. `stars`: whether a `*` is one of its own.
fn pieces(text: &str, stars: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let (inside, after) = inner
                .split_once('}')
                .ok_or_else(|| "a `{` is not closed; a brace that is meant is written \\x7b".to_owned())?;
            pieces.push(Piece::Brace(inside.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*').filter(|_| stars) {
            pieces.push(Piece::Star);
            rest = after;
        } else {
            let end = rest.find(|c| c == '{' || (stars && c == '*')).unwrap_or(rest.len());
            let (plain, after) = rest.split_at(end);
            pieces.push(Piece::Text(unescape(plain)?));
            rest = after;
        }
        if pieces.len() > PIECES_MAX {
            return Err(format!("it has more than {PIECES_MAX} pieces"));
        }
    }
    Ok(pieces)
}

fn named(name: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) {
        return Err(format!(
            "`{}` is no name: 1 to {NAME_MAX} letters, digits, `_` or `-`",
            name.escape_debug()
        ));
    }
    Ok(name.to_owned())
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('0') => out.push(0),
            Some('\\') => out.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let value = (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
                    .then(|| u8::from_str_radix(&digits, 16).ok())
                    .flatten();
                out.push(value.ok_or_else(|| "after `\\x` come two hex digits".to_owned())?);
            }
            Some(c) => return Err(format!("`\\{c}` is none of \\r \\n \\t \\0 \\\\ \\xNN")),
            None => return Err("a `\\` at the end escapes nothing".to_owned()),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(answers: &[&str]) -> Conversation {
        let talk = Talk { answers: answers.iter().map(|a| (*a).to_owned()).collect(), ..Talk::default() };
        Conversation::of(&CustomService { talk, ..CustomService::default() }).unwrap()
    }

    fn kept(pattern: &str, line: &str) -> Option<Vec<(String, String)>> {
        let talk = talk(&[&format!("{pattern} => x")]);
        let heard = talk.line("", line.as_bytes())?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Some(heard.kept.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect())
    }

    #[test]
    fn lines_fit_patterns() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        for (pattern, line, want) in [
            ("STATUS", "status", Some(vec![])),
            ("STATUS", "status ", None),
            ("GET *", "get /x", Some(vec![])),
            ("*", "", Some(vec![])),
            ("a*b*c", "aXbYbZc", Some(vec![])),
            ("a*b*c", "aXcYb", None),
            ("*ab", "ab", Some(vec![])),
            ("*ab", "aab", Some(vec![])),
            ("USER {user}", "user bob marley", Some(vec![pair("user", "bob marley")])),
            ("USER {user}", "USER ", None),
            (
                "LOGIN {user} {secret}",
                "LOGIN bob pass word",
                Some(vec![pair("secret", "pass word"), pair("user", "bob")]),
            ),
            ("PASS {secret=Winter}", "pass Winter", Some(vec![pair("secret", "Winter")])),
            ("PASS {secret=Winter}", "pass winter", None),
            ("x\\x2a\\x7b", "x*{", Some(vec![])),
            ("{a}!", "!!", Some(vec![pair("a", "!")])),
            ("{a}!", "!", None),
        ] {
            assert_eq!(kept(pattern, line), want, "{pattern} / {line}");
        }
    }

    #[test]
    fn states_and_bytes_choose_rules() {
        let talk = talk(&[
            "hex:16 03 ?? => {close}",
            "@pass {secret} => No.\\r\\n{go}",
            "{user} => Password: {go pass}",
        ]);
        assert!(talk.awaits("", b"\x16") && talk.awaits("", b"\x16\x03") && !talk.awaits("", b"\x17"));
        let hello = talk.bytes("", b"\x16\x03\x01\x00").unwrap();
        assert!(hello.reply.close && hello.rule == 0);
        assert!(talk.bytes("", b"\x16\x03").is_none());
        let user = talk.line("", b"root").unwrap();
        assert_eq!((user.rule, user.reply.go.as_deref()), (2, Some("pass")));
        let secret = talk.line("pass", b"toor").unwrap();
        assert_eq!((secret.rule, secret.reply.go.as_deref(), secret.accepted), (1, Some(""), false));
        assert!(talk.by_lines("") && Conversation::default().by_lines(""));
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (answer, why) in [
            ("no arrow", "`=>`"),
            ("a => \\q", "`\\q`"),
            ("a => \\x1", "two hex"),
            ("a => {open", "not closed"),
            ("a => {go some where}", "no name"),
            ("a => {shout loud}", "none of"),
            ("{a}{b} => x", "in a row"),
            ("*{b} => x", "in a row"),
            ("{secret=} => x", "nothing"),
            ("hex:1 => x", "pairs"),
            ("hex: => x", "1 to 1024"),
            ("@ x => y", "no name"),
        ] {
            let talk = Talk { answers: vec![answer.to_owned()], ..Talk::default() };
            let error = Conversation::of(&CustomService { talk, ..CustomService::default() }).unwrap_err();
            assert!(error.why.contains(why), "{answer}: {error}");
            assert_eq!((error.key, error.answer), ("answers", Some(0)));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_and_any_line_is_heard(text in "[@a{}=>*\\\\x0 hex:]{0,24}", line: Vec<u8>) {
            let talk = Talk { answers: vec![text], ..Talk::default() };
            if let Ok(talk) = Conversation::of(&CustomService { talk, ..CustomService::default() }) {
                let _ = (talk.line("a", &line), talk.bytes("a", &line), talk.awaits("a", &line));
            }
        }
    }
}
