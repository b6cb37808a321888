//! Expressions without a table: literals, variables, the functions that probes call.

use sha1::{Digest, Sha1};

use super::result::{Error, Outcome, Type};
use super::sql::Sql;
use super::text::Token;
use super::variables;

/// A value, its type, and how long the server takes over it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) text: Option<String>,
    pub(super) kind: Type,
    /// Seconds SLEEP() asks for.
    pub(super) sleep: f64,
}

/// Deepest nesting of calls.
const DEPTH_MAX: u32 = 16;
/// Longest text an expression makes.
const TEXT_MAX: usize = 64 * 1024;

fn text(value: impl Into<String>) -> Value {
    Value { text: Some(value.into()), kind: Type::Text, sleep: 0.0 }
}

fn int(value: impl std::fmt::Display) -> Value {
    Value { text: Some(format!("{value}")), kind: Type::Int, sleep: 0.0 }
}

const NULL: Value = Value { text: None, kind: Type::Null, sleep: 0.0 };

fn failed(code: u16, state: &'static str, text: String) -> Error {
    Error { code, state, text }
}

/// Reads one expression off `tokens`; leaves what follows it.
pub(super) fn parse(sql: &Sql<'_>, tokens: &mut &[Token], depth: u32) -> Result<Value, Error> {
    let mut left = primary(sql, tokens, depth)?;
    while let Some((Token::Mark(mark @ ('+' | '-' | '*' | '/' | '=' | '%')), rest)) = tokens.split_first() {
        let mark = *mark;
        *tokens = rest;
        let right = primary(sql, tokens, depth)?;
        let sleep = left.sleep + right.sleep;
        left = operate(mark, &left, &right);
        left.sleep = sleep;
    }
    Ok(left)
}

fn operate(mark: char, left: &Value, right: &Value) -> Value {
    let (Some(a), Some(b)) = (&left.text, &right.text) else { return NULL };
    if mark == '=' {
        return int(u8::from(a.eq_ignore_ascii_case(b)));
    }
    match (a.parse::<i64>(), b.parse::<i64>(), mark) {
        (Ok(a), Ok(b), '+') => int(a.saturating_add(b)),
        (Ok(a), Ok(b), '-') => int(a.saturating_sub(b)),
        (Ok(a), Ok(b), '*') => int(a.saturating_mul(b)),
        (Ok(a), Ok(b), '%') => a.checked_rem(b).map_or(NULL, int),
        _ => {
            let (a, b) = (a.parse().unwrap_or(0.0), b.parse().unwrap_or(0.0));
            let number: f64 = match mark {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                _ if b == 0.0 => return NULL,
                '%' => a % b,
                _ => a / b,
            };
            Value { text: Some(format!("{number:.4}")), kind: Type::Decimal, sleep: 0.0 }
        }
    }
}

fn primary(sql: &Sql<'_>, tokens: &mut &[Token], depth: u32) -> Result<Value, Error> {
    let Some((first, rest)) = tokens.split_first() else { return Err(sql.syntax("")) };
    *tokens = rest;
    if depth > DEPTH_MAX {
        return Err(failed(1436, "HY000", "Thread stack overrun".into()));
    }
    match first {
        Token::Text(value) => {
            // Strings side by side are one.
            let mut whole = value.clone();
            while let Some((Token::Text(more), rest)) = tokens.split_first() {
                whole.push_str(more);
                *tokens = rest;
            }
            Ok(text(whole))
        }
        Token::Number(number) => Ok(match number.strip_prefix("0x") {
            Some(digits) => text(String::from_utf8_lossy(&hex::decode(digits).unwrap_or_default())),
            None if number.contains('.') => {
                Value { text: Some(number.clone()), kind: Type::Decimal, sleep: 0.0 }
            }
            None => int(number),
        }),
        Token::Mark('-') => {
            let value = primary(sql, tokens, depth + 1)?;
            Ok(Value { text: value.text.map(|t| format!("-{t}")), ..value })
        }
        Token::Mark('(') => {
            let value = parse(sql, tokens, depth + 1)?;
            close(sql, tokens)?;
            Ok(value)
        }
        Token::System(name) if sql.changed.contains_key(name) => {
            let value = sql.changed.get(name).map_or("", String::as_str);
            Ok(match value {
                "ON" => int(1),
                "OFF" => int(0),
                other => text(other),
            })
        }
        Token::System(name) => match variables::get(&sql.host(), name) {
            Some(value) if value.parse::<i64>().is_ok() => Ok(int(value)),
            Some(value) => Ok(text(value)),
            None => Err(failed(1193, "HY000", format!("Unknown system variable '{name}'"))),
        },
        Token::User(name) => Ok(sql.variables.get(&name.to_lowercase()).cloned().unwrap_or(NULL)),
        Token::Word(word) => {
            let lower = word.to_lowercase();
            match lower.as_str() {
                "null" => return Ok(NULL),
                "true" => return Ok(int(1)),
                "false" => return Ok(int(0)),
                _ => {}
            }
            if tokens.first() == Some(&Token::Mark('(')) {
                *tokens = tokens.get(1..).unwrap_or_default();
                let args = arguments(sql, tokens, depth)?;
                return call(sql, word, &lower, &args);
            }
            match lower.as_str() {
                "current_user" | "current_timestamp" | "current_date" | "localtime" => {
                    call(sql, word, &lower, &[])
                }
                "from" | "where" | "union" | "limit" => Err(sql.syntax(word)),
                _ => Err(sql.unknown_column(word)),
            }
        }
        Token::Name(name) => Err(sql.unknown_column(name)),
        Token::Mark(mark) => Err(sql.syntax(&mark.to_string())),
    }
}

fn close(sql: &Sql<'_>, tokens: &mut &[Token]) -> Result<(), Error> {
    match tokens.split_first() {
        Some((Token::Mark(')'), rest)) => {
            *tokens = rest;
            Ok(())
        }
        _ => Err(sql.syntax("")),
    }
}

fn arguments(sql: &Sql<'_>, tokens: &mut &[Token], depth: u32) -> Result<Vec<Value>, Error> {
    let mut args = Vec::new();
    match tokens.first() {
        Some(Token::Mark(')')) => {}
        Some(Token::Mark('*')) => {
            args.push(int(1));
            *tokens = tokens.get(1..).unwrap_or_default();
        }
        _ => loop {
            args.push(parse(sql, tokens, depth + 1)?);
            match tokens.split_first() {
                Some((Token::Mark(','), rest)) if args.len() < 256 => *tokens = rest,
                _ => break,
            }
        },
    }
    close(sql, tokens)?;
    Ok(args)
}

fn call(sql: &Sql<'_>, word: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let first = args.first().and_then(|a| a.text.clone());
    let on_text = |f: &dyn Fn(&str) -> Value| first.as_deref().map_or(NULL, f);
    let mut value = match name {
        "version" => text(&sql.product().version),
        "user" | "session_user" | "system_user" => text(sql.account()),
        "current_user" => text(sql.granted()),
        "database" | "schema" => sql.current().map_or(Value { kind: Type::Text, ..NULL }, text),
        "connection_id" => int(sql.connection()),
        "now" | "sysdate" | "current_timestamp" | "localtime" => {
            Value { kind: Type::Datetime, ..text(sql.now()) }
        }
        "curdate" | "current_date" => text(sql.now().get(..10).unwrap_or_default()),
        "unix_timestamp" => int(jiff::Timestamp::now().as_second()),
        "sleep" => {
            let seconds = first.and_then(|t| t.parse::<f64>().ok()).filter(|s| s.is_finite() && *s > 0.0);
            Value { sleep: seconds.unwrap_or(0.0), ..int(0) }
        }
        "benchmark" => int(0),
        "row_count" | "found_rows" | "last_insert_id" => int(0),
        "count" => int(1),
        "load_file" => NULL,
        "concat" => {
            let parts: Option<String> = args.iter().map(|a| a.text.as_deref()).collect();
            parts.map_or(NULL, |t| text(t.chars().take(TEXT_MAX).collect::<String>()))
        }
        "concat_ws" => {
            let parts: Vec<&str> = args.iter().skip(1).filter_map(|a| a.text.as_deref()).collect();
            text(parts.join(&first.unwrap_or_default()).chars().take(TEXT_MAX).collect::<String>())
        }
        "char" => text(
            args.iter()
                .filter_map(|a| a.text.as_ref()?.parse::<u8>().ok())
                .map(char::from)
                .collect::<String>(),
        ),
        "hex" => on_text(&|t| text(hex::encode_upper(t.get(..t.len().min(1024)).unwrap_or_default()))),
        "unhex" => on_text(&|t| hex::decode(t).map_or(NULL, |b| text(String::from_utf8_lossy(&b)))),
        "length" | "char_length" => on_text(&|t| int(t.len())),
        "upper" | "ucase" => on_text(&|t| text(t.to_uppercase())),
        "lower" | "lcase" => on_text(&|t| text(t.to_lowercase())),
        "md5" => on_text(&|t| text(hex::encode(crate::decoy::shell::md5(t.as_bytes())))),
        "ascii" | "ord" => on_text(&|t| int(t.bytes().next().unwrap_or(0))),
        "reverse" => on_text(&|t| text(t.chars().rev().collect::<String>())),
        "trim" | "ltrim" | "rtrim" => on_text(&|t| text(t.trim())),
        "left" => on_text(&|t| text(t.chars().take(whole(args.get(1), 0)).collect::<String>())),
        "right" => on_text(&|t| {
            let skip = t.chars().count().saturating_sub(whole(args.get(1), 0));
            text(t.chars().skip(skip).collect::<String>())
        }),
        "substring" | "substr" | "mid" => on_text(&|t| {
            let from = whole(args.get(1), 1).saturating_sub(1);
            text(t.chars().skip(from).take(whole(args.get(2), usize::MAX)).collect::<String>())
        }),
        // The error quotes what was asked: how a blind injection is made to see.
        "extractvalue" | "updatexml" => {
            let path = args.get(1).and_then(|a| a.text.clone()).unwrap_or_default();
            if path.starts_with(['~', ':', '|', '!', '#', '$', '^']) {
                let shown: String = path.chars().take(32).collect();
                return Err(failed(1105, "HY000", format!("XPATH syntax error: '{shown}'")));
            }
            text("")
        }
        "sha1" | "sha" => on_text(&|t| text(hex::encode(Sha1::digest(t)))),
        "password" if sql.product().maria() => on_text(&|t| {
            let hash = Sha1::digest(Sha1::digest(t));
            text(if t.is_empty() { String::new() } else { format!("*{}", hex::encode_upper(hash)) })
        }),
        "ifnull" | "coalesce" => args.iter().find(|a| a.text.is_some()).cloned().unwrap_or(NULL),
        "if" => {
            let truth = first.is_some_and(|t| t != "0" && !t.is_empty());
            args.get(if truth { 1 } else { 2 }).cloned().unwrap_or(NULL)
        }
        _ => {
            let shown = sql.current().map_or_else(|| word.to_owned(), |db| format!("{db}.{word}"));
            return Err(failed(1305, "42000", format!("FUNCTION {shown} does not exist")));
        }
    };
    value.sleep += args.iter().map(|a| a.sleep).sum::<f64>();
    Ok(value)
}

fn whole(value: Option<&Value>, default: usize) -> usize {
    value.and_then(|v| v.text.as_ref()?.parse().ok()).unwrap_or(default)
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
