//! The pieces of an awk program.

use crate::decoy::shell::echo::{bytes_as_chars, unescape};

/// Most pieces of a program.
const TOKENS_MAX: usize = 2048;

/// A piece of a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(f64),
    Text(String),
    Regex(String),
    Mark(&'static str),
    Line,
}

const MARKS: [&str; 33] = [
    "&&", "||", "==", "!=", "<=", ">=", "++", "--", "+=", "-=", "*=", "/=", "!~", "{", "}", "(", ")", ",",
    ";", "+", "-", "*", "/", "%", "<", ">", "=", "!", "~", "$", "?", ":", "|",
];

/// A program in pieces; none when it has one that is none.
pub(super) fn tokens(source: &str) -> Option<Vec<Token>> {
    let mut out: Vec<Token> = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if out.len() >= TOKENS_MAX {
            return None;
        }
        let word = |rest: &str, fit: fn(char) -> bool| rest.find(|c| !fit(c)).unwrap_or(rest.len());
        if c == '\n' {
            out.push(Token::Line);
            rest = rest.get(1..)?;
        } else if c.is_whitespace() {
            rest = rest.get(c.len_utf8()..)?;
        } else if c == '#' {
            rest = rest.get(rest.find('\n').unwrap_or(rest.len())..)?;
        } else if c.is_ascii_digit() || c == '.' {
            let end = word(rest, |c| c.is_ascii_digit() || c == '.');
            out.push(Token::Number(rest.get(..end)?.parse().ok()?));
            rest = rest.get(end..)?;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = word(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            out.push(Token::Word(rest.get(..end)?.to_owned()));
            rest = rest.get(end..)?;
        } else if c == '"' {
            let (text, after) = quoted(rest.get(1..)?, '"')?;
            out.push(Token::Text(bytes_as_chars(&unescape(text).0)));
            rest = after;
        } else if c == '/' && !ends_value(out.last()) {
            let (text, after) = quoted(rest.get(1..)?, '/')?;
            out.push(Token::Regex(text.replace("\\/", "/")));
            rest = after;
        } else {
            let mark = MARKS.iter().find(|m| rest.starts_with(**m))?;
            out.push(Token::Mark(mark));
            rest = rest.get(mark.len()..)?;
        }
    }
    Some(out)
}

fn ends_value(last: Option<&Token>) -> bool {
    matches!(last, Some(Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Mark(")")))
}

/// Up to the end quote, and what follows it.
fn quoted(text: &str, end: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = true,
            c if c == end => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

/// Where the brace that was opened before is closed.
pub(super) fn closing(tokens: &[Token]) -> Option<usize> {
    matching(tokens, "{", "}")
}

/// The same for a bracket.
pub(super) fn bracket(tokens: &[Token]) -> Option<usize> {
    matching(tokens, "(", ")")
}

fn matching(tokens: &[Token], open: &'static str, close: &'static str) -> Option<usize> {
    let mut level = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark(mark) if *mark == open => level += 1,
            Token::Mark(mark) if *mark == close => match level.checked_sub(1) {
                Some(outer) => level = outer,
                None => return Some(at),
            },
            _ => {}
        }
    }
    None
}
