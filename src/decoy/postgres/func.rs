//! Functions that queries call.

use super::engine::Engine;
use super::files;
use super::value::{Type, Value};
use super::wire::Error;

/// Functions and what they give.
const FUNCTIONS: &[(&[&str], Type)] = &[
    (
        &[
            "version",
            "current_setting",
            "set_config",
            "pg_encoding_to_char",
            "array_to_string",
            "pg_read_file",
            "pg_ls_dir",
            "upper",
            "lower",
            "concat",
            "substring",
            "substr",
            "replace",
            "md5",
            "chr",
            "repeat",
            "quote_ident",
            "quote_literal",
            "format_type",
            "obj_description",
            "shobj_description",
            "col_description",
            "pg_size_pretty",
            "pg_tablespace_location",
            "encode",
            "convert_from",
            "trim",
            "btrim",
            "ltrim",
            "rtrim",
            "split_part",
            "to_char",
            "string_agg",
            "left",
            "right",
            "reverse",
            "initcap",
            "lpad",
            "rpad",
            "concat_ws",
            "pg_get_expr",
            "pg_get_viewdef",
            "pg_get_function_result",
            "pg_get_function_arguments",
            "translate",
            "pg_get_indexdef",
            "pg_get_constraintdef",
            "regexp_replace",
            "format",
            "pg_current_logfile",
            "pg_typeof",
            "pg_walfile_name",
            "pg_current_wal_lsn",
            "json_agg",
            "current_query",
            "pg_read_binary_file_text",
        ],
        Type::Text,
    ),
    (
        &[
            "current_user",
            "session_user",
            "user",
            "current_role",
            "current_database",
            "current_catalog",
            "current_schema",
            "pg_get_userbyid",
            "getdatabaseencoding",
            "pg_client_encoding",
        ],
        Type::Name,
    ),
    (
        &[
            "pg_backend_pid",
            "inet_server_port",
            "inet_client_port",
            "length",
            "char_length",
            "character_length",
            "octet_length",
            "position",
            "strpos",
            "ascii",
            "lo_unlink",
            "lo_export",
            "lo_open",
            "lo_close",
            "lowrite",
            "lo_put_result",
            "generate_series",
            "array_length",
            "array_lower",
            "array_upper",
            "mod",
            "sign",
        ],
        Type::Int4,
    ),
    (&["lo_import", "lo_create", "lo_creat", "lo_from_bytea"], Type::Oid),
    (
        &[
            "count",
            "pg_database_size",
            "pg_total_relation_size",
            "pg_relation_size",
            "pg_table_size",
            "txid_current",
        ],
        Type::Int8,
    ),
    (
        &[
            "pg_is_in_recovery",
            "pg_reload_conf",
            "pg_rotate_logfile",
            "pg_terminate_backend",
            "pg_cancel_backend",
            "pg_try_advisory_lock",
            "pg_advisory_unlock",
            "bool_and",
            "bool_or",
            "pg_has_role",
            "exists",
            "starts_with",
        ],
        Type::Bool,
    ),
    (
        &[
            "now",
            "current_timestamp",
            "clock_timestamp",
            "statement_timestamp",
            "transaction_timestamp",
            "pg_postmaster_start_time",
            "pg_conf_load_time",
            "localtimestamp",
            "current_date",
            "current_time",
            "to_timestamp",
        ],
        Type::Timestamp,
    ),
    (
        &["pg_sleep", "pg_sleep_for", "lo_put", "pg_notify", "pg_stat_reset", "setseed", "pg_advisory_lock"],
        Type::Void,
    ),
    (&["random", "pi", "sqrt", "power", "extract", "date_part", "exp", "ln"], Type::Float8),
    (&["lo_get", "loread", "decode", "pg_read_binary_file", "convert_to", "sha256"], Type::Bytea),
    (&["inet_server_addr", "inet_client_addr"], Type::Inet),
    (&["pg_stat_file", "row"], Type::Record),
    (&["current_schemas", "array_agg", "string_to_array", "pg_ls_logdir", "pg_ls_waldir"], Type::Names),
    (&["round", "ceil", "floor", "avg", "trunc"], Type::Numeric),
];

/// The type a function gives; none when there is no such function.
pub(super) fn kind(name: &str, args: &[(Type, bool)]) -> Option<Type> {
    let first = args.first().map_or(Type::Text, |a| a.0);
    if name.starts_with("has_") || name.ends_with("_is_visible") {
        return Some(Type::Bool);
    }
    match name {
        "coalesce" | "nullif" | "greatest" | "least" | "min" | "max" | "abs" | "unnest" => {
            return Some(first);
        }
        "sum" => return Some(if first == Type::Int4 { Type::Int8 } else { Type::Numeric }),
        _ => {}
    }
    FUNCTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, kind)| *kind)
}

/// The error for a function that does not exist.
pub(super) fn unknown(name: &str, args: &[(Type, bool)], at: usize) -> Error {
    let word = |(kind, literal): &(Type, bool)| match kind {
        _ if *literal => "unknown",
        Type::Int4 => "integer",
        Type::Int8 => "bigint",
        Type::Bool => "boolean",
        Type::Numeric => "numeric",
        Type::Float8 => "double precision",
        Type::Name => "name",
        Type::Oid => "oid",
        Type::Bytea => "bytea",
        Type::Timestamp => "timestamp with time zone",
        _ => "text",
    };
    let words: Vec<&str> = args.iter().map(word).collect();
    let text = format!("function {name}({}) does not exist", words.join(", "));
    let hint =
        "No function matches the given name and argument types. You might need to add explicit type casts.";
    Error::new("42883", text, ("parse_func.c", 629, "ParseFuncOrColumn")).hint(hint).at(at)
}

/// Whether a function gives rows.
pub(super) fn gives_rows(name: &str) -> bool {
    matches!(name, "generate_series" | "pg_ls_dir" | "unnest")
}

/// Most rows of one call.
const ROWS_MAX: i64 = 10_000;

/// The rows of a function that gives them.
pub(super) fn rows(engine: &mut Engine<'_>, name: &str, args: &[Value]) -> Result<Vec<Value>, Error> {
    let text = |at: usize| args.get(at).and_then(Value::shown).unwrap_or_default();
    match name {
        "generate_series" => {
            let whole = |at: usize| args.get(at).and_then(Value::whole);
            let (from, to, step) = (whole(0).unwrap_or(1), whole(1).unwrap_or(0), whole(2).unwrap_or(1));
            let step = if step == 0 { 1 } else { step };
            let mut out = Vec::new();
            let mut next = from;
            while (step > 0 && next <= to) || (step < 0 && next >= to) {
                if i64::try_from(out.len()).unwrap_or(i64::MAX) >= ROWS_MAX {
                    break;
                }
                engine.step()?;
                out.push(Value::Int(next));
                next = next.saturating_add(step);
            }
            Ok(out)
        }
        "unnest" => {
            let list = text(0);
            let inner = list.trim_start_matches('{').trim_end_matches('}');
            Ok(inner.split(',').filter(|s| !s.is_empty()).map(Value::text).collect())
        }
        _ => files::list(engine, &text(0)),
    }
}

/// An array as text.
pub(super) fn array(items: &[Value]) -> Value {
    let shown: Vec<String> = items
        .iter()
        .map(|item| match item.shown() {
            None => "NULL".to_owned(),
            Some(text) if text.is_empty() || text.contains([',', '{', '}', '"', '\\', ' ']) => {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Some(text) => text,
        })
        .collect();
    Value::Text(format!("{{{}}}", shown.join(",")))
}

/// Whether text fits a LIKE pattern.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().take(256).collect();
    let text: Vec<char> = text.chars().take(4096).collect();
    let (mut p, mut t) = (0, 0);
    let mut percent: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                percent = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '_' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = percent else { return false };
                percent = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '%')
}

/// Whether text fits a regular expression, as far as anchors, alternatives and `.*` go.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let whole = pattern.strip_prefix("^(").and_then(|p| p.strip_suffix(")$"));
    if let Some(inner) = whole {
        return inner.split('|').any(|p| like(&p.replace(".*", "%").replace(['(', ')'], ""), text));
    }
    pattern.split('|').any(|p| {
        let inner = p.trim_start_matches('^').trim_end_matches('$').replace(".*", "%").replace("\\", "");
        let before = if p.starts_with('^') { "" } else { "%" };
        let after = if p.ends_with('$') { "" } else { "%" };
        like(&format!("{before}{inner}{after}"), text)
    })
}

/// A value as another type.
pub(super) fn cast(engine: &mut Engine<'_>, value: Value, name: &str, at: usize) -> Result<Value, Error> {
    if value == Value::Null {
        return Ok(Value::Null);
    }
    let shown = value.shown().unwrap_or_default();
    if name == "regclass" {
        if let Some(number) = value.whole() {
            return Ok(Value::Int(number));
        }
        let bare = shown.rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned();
        let found = engine.relation(None, &bare).and_then(|r| r.columns.first().map(|c| c.origin.0));
        return found.map(|oid| Value::Int(i64::from(oid))).ok_or_else(|| {
            let text = format!("relation \"{shown}\" does not exist");
            Error::new("42P01", text, ("namespace.c", 433, "RangeVarGetRelidExtended")).at(at)
        });
    }
    let wrong = |kind: &str, place| {
        let text = format!("invalid input syntax for type {kind}: \"{shown}\"");
        Err(Error::new("22P02", text, place).at(at))
    };
    Ok(match Type::named(name) {
        Type::Int4 | Type::Int8 => match value.whole() {
            Some(number) => Value::Int(number),
            None if Type::named(name) == Type::Int8 => {
                return wrong("bigint", ("numutils.c", 500, "pg_strtoint64"));
            }
            None => return wrong("integer", ("numutils.c", 232, "pg_strtoint32")),
        },
        Type::Bool => match shown.to_lowercase().as_str() {
            "t" | "true" | "on" | "yes" | "1" | "y" => Value::Bool(true),
            "f" | "false" | "off" | "no" | "0" | "n" => Value::Bool(false),
            _ => return wrong("boolean", ("bool.c", 151, "boolin")),
        },
        Type::Numeric if value.number().is_none() => {
            return wrong("numeric", ("numeric.c", 698, "numeric_in"));
        }
        Type::Numeric => Value::Text(shown),
        Type::Float8 => match value.number() {
            Some(number) => Value::Float(number),
            None => return wrong("double precision", ("float.c", 240, "float8in_internal")),
        },
        Type::Oid => value.whole().map_or(Value::Text(shown), Value::Int),
        Type::Bytea if !shown.starts_with("\\x") => {
            Value::Text(engine.bounded(format!("\\x{}", hex::encode(&shown)))?)
        }
        _ => Value::Text(shown),
    })
}

fn bytes(value: &str) -> Vec<u8> {
    match value.strip_prefix("\\x") {
        Some(digits) => hex::decode(digits).unwrap_or_default(),
        None => value.as_bytes().to_vec(),
    }
}

/// Calls a function.
pub(super) fn call(engine: &mut Engine<'_>, name: &str, args: &[Value], at: usize) -> Result<Value, Error> {
    let text = |at: usize| args.get(at).and_then(Value::shown).unwrap_or_default();
    let whole = |at: usize| args.get(at).and_then(Value::whole);
    let size = |at: usize| usize::try_from(whole(at).unwrap_or(0)).unwrap_or(0);
    let int = |length: usize| Value::Int(i64::try_from(length).unwrap_or(i64::MAX));
    if name.starts_with("has_") || name.ends_with("_is_visible") {
        return Ok(Value::Bool(true));
    }
    let strict = !matches!(
        name,
        "coalesce"
            | "concat"
            | "concat_ws"
            | "nullif"
            | "set_config"
            | "greatest"
            | "least"
            | "array_to_string"
    );
    if strict && args.contains(&Value::Null) {
        return Ok(Value::Null);
    }
    if let Some(value) = files::call(engine, name, args)? {
        return Ok(value);
    }
    if let Some(value) = engine.about(name, &text(0)) {
        return Ok(value);
    }
    let made = match name {
        "coalesce" => return Ok(args.last().cloned().unwrap_or(Value::Null)),
        "nullif" => {
            let same = args
                .first()
                .zip(args.get(1))
                .is_some_and(|(a, b)| a.compare(b).is_some_and(std::cmp::Ordering::is_eq));
            return Ok(if same { Value::Null } else { args.first().cloned().unwrap_or(Value::Null) });
        }
        "greatest" | "least" => {
            let want = if name == "least" { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
            let mut best = Value::Null;
            for arg in args {
                if best == Value::Null || arg.compare(&best) == Some(want) {
                    best = arg.clone();
                }
            }
            return Ok(best);
        }
        "current_setting" => {
            let known = engine.parameter(&text(0));
            let lenient = args.get(1).is_some_and(Value::truth);
            return match known {
                Some(value) => Ok(Value::Text(value)),
                None if lenient => Ok(Value::Null),
                None => Err(Engine::no_parameter(&text(0))),
            };
        }
        "set_config" => {
            engine.set(&text(0), &text(1))?;
            text(1)
        }
        "pg_sleep" | "pg_sleep_for" => {
            engine.sleep += args.first().and_then(Value::number).unwrap_or(0.0).clamp(0.0, 60.0);
            String::new()
        }
        "upper" => text(0).to_uppercase(),
        "lower" => text(0).to_lowercase(),
        "reverse" => text(0).chars().rev().collect(),
        "length" | "char_length" | "character_length" => return Ok(int(text(0).chars().count())),
        "octet_length" => return Ok(int(text(0).len())),
        "concat" => args.iter().filter_map(Value::shown).collect(),
        "concat_ws" => args.iter().skip(1).filter_map(Value::shown).collect::<Vec<_>>().join(&text(0)),
        "substring" | "substr" => {
            let skip = size(1).saturating_sub(1);
            let take = if args.len() > 2 { size(2) } else { usize::MAX };
            text(0).chars().skip(skip).take(take).collect()
        }
        "left" => text(0).chars().take(size(1)).collect(),
        "right" => {
            let all: Vec<char> = text(0).chars().collect();
            all.iter().skip(all.len().saturating_sub(size(1))).collect()
        }
        "replace" => {
            let (from, to) = (text(1), text(2));
            let grown = text(0).len().saturating_mul(to.len().max(1));
            engine.burn(grown)?;
            if from.is_empty() { text(0) } else { text(0).replace(&from, &to) }
        }
        "trim" | "btrim" => text(0).trim().to_owned(),
        "ltrim" => text(0).trim_start().to_owned(),
        "rtrim" => text(0).trim_end().to_owned(),
        "md5" => hex::encode(md5::compute(text(0)).0),
        "chr" => {
            u32::try_from(whole(0).unwrap_or(0)).ok().and_then(char::from_u32).unwrap_or('?').to_string()
        }
        "ascii" => return Ok(Value::Int(text(0).chars().next().map_or(0, |c| i64::from(u32::from(c))))),
        "repeat" => {
            let grown = text(0).len().saturating_mul(size(1));
            engine.burn(grown)?;
            text(0).repeat(size(1))
        }
        "lpad" | "rpad" => {
            let width = size(1).min(4096);
            let fill = if args.len() > 2 { text(2) } else { " ".to_owned() };
            let body: String = text(0).chars().take(width).collect();
            let missing = width.saturating_sub(body.chars().count());
            let fill: String = fill.chars().cycle().take(if fill.is_empty() { 0 } else { missing }).collect();
            if name == "lpad" { fill + &body } else { body + &fill }
        }
        "position" | "strpos" => {
            // `position(a in b)` was read as a membership; the plain form has the text first.
            let found = text(0).find(&text(1));
            return Ok(int(found.map_or(0, |at| at + 1)));
        }
        "split_part" => text(0).split(&text(1)).nth(size(2).saturating_sub(1)).unwrap_or_default().to_owned(),
        "quote_ident" => format!("\"{}\"", text(0)),
        "quote_literal" => format!("'{}'", text(0).replace('\'', "''")),
        "array_to_string" => {
            if args.first() == Some(&Value::Null) {
                return Ok(Value::Null);
            }
            let list = text(0);
            let inner = list.trim_start_matches('{').trim_end_matches('}');
            inner.split(',').collect::<Vec<_>>().join(&text(1))
        }
        "string_to_array" => {
            let items: Vec<Value> = text(0).split(&text(1)).take(1000).map(Value::text).collect();
            return Ok(array(&items));
        }
        "encode" => match text(1).as_str() {
            "base64" => {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(bytes(&text(0)))
            }
            "escape" => String::from_utf8_lossy(&bytes(&text(0))).into_owned(),
            _ => hex::encode(bytes(&text(0))),
        },
        "decode" => {
            use base64::Engine as _;
            let raw = match text(1).as_str() {
                "base64" => base64::engine::general_purpose::STANDARD
                    .decode(text(0).replace('\n', ""))
                    .unwrap_or_default(),
                "hex" => hex::decode(text(0)).unwrap_or_default(),
                _ => text(0).into_bytes(),
            };
            format!("\\x{}", hex::encode(raw))
        }
        "convert_from" => String::from_utf8_lossy(&bytes(&text(0))).into_owned(),
        "convert_to" => format!("\\x{}", hex::encode(text(0))),
        "pg_size_pretty" => match whole(0).unwrap_or(0) {
            n @ ..10_240 => format!("{n} bytes"),
            n @ ..10_485_760 => format!("{} kB", n / 1024),
            n => format!("{} MB", n / 1_048_576),
        },
        "pg_encoding_to_char" => if whole(0) == Some(0) { "SQL_ASCII" } else { "UTF8" }.to_owned(),
        "pg_get_userbyid" => engine.role_name(whole(0).unwrap_or(0)),
        "format_type" => match whole(0).unwrap_or(0) {
            16 => "boolean",
            19 => "name",
            20 => "bigint",
            23 => "integer",
            26 => "oid",
            701 => "double precision",
            1184 => "timestamp with time zone",
            1700 => "numeric",
            _ => "text",
        }
        .to_owned(),
        "random" => {
            let mut drawn = [0u8; 4];
            let _ = getrandom::fill(&mut drawn);
            return Ok(Value::Float(f64::from(u32::from_le_bytes(drawn)) / f64::from(u32::MAX)));
        }
        "pi" => return Ok(Value::Float(std::f64::consts::PI)),
        "abs" => {
            return Ok(match args.first() {
                Some(Value::Int(number)) => Value::Int(number.saturating_abs()),
                other => other.and_then(Value::number).map_or(Value::Null, |n| Value::Float(n.abs())),
            });
        }
        "round" | "ceil" | "floor" | "trunc" => {
            let number = args.first().and_then(Value::number).unwrap_or(0.0);
            return Ok(Value::Float(match name {
                "round" => number.round(),
                "ceil" => number.ceil(),
                "floor" => number.floor(),
                _ => number.trunc(),
            }));
        }
        "pg_tablespace_location" | "pg_notify" | "pg_stat_reset" | "setseed" | "pg_advisory_lock" => {
            String::new()
        }
        "obj_description"
        | "shobj_description"
        | "col_description"
        | "pg_get_expr"
        | "pg_get_viewdef"
        | "pg_get_function_result"
        | "pg_get_function_arguments"
        | "pg_get_indexdef"
        | "pg_get_constraintdef"
        | "pg_current_logfile"
        | "array_length"
        | "array_lower"
        | "array_upper" => return Ok(Value::Null),
        "count" | "min" | "max" | "sum" | "avg" | "string_agg" | "array_agg" | "bool_and" | "bool_or"
        | "json_agg" => {
            let text = "aggregate functions are not allowed in WHERE";
            return Err(
                Error::new("42803", text, ("parse_agg.c", 581, "check_agglevels_and_constraints")).at(at)
            );
        }
        "pg_database_size" => return Ok(Value::Int(7_929_191)),
        "pg_total_relation_size" | "pg_relation_size" | "pg_table_size" => return Ok(Value::Int(16_384)),
        "txid_current" => return Ok(Value::Int(engine.transaction_id())),
        _ if kind(name, &[]) == Some(Type::Bool) => return Ok(Value::Bool(name != "pg_is_in_recovery")),
        _ => text(0),
    };
    engine.bounded(made).map(Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        assert!(matches("^pg_", "pg_toast") && !matches("^pg_toast", "public"));
        assert!(matches("^(users)$", "users") && !matches("^(users)$", "users2"));
        assert!(matches("^(us.*)$", "users") && matches("a|b$", "xb") && like("a_c%", "abcd"));
    }

    proptest! {
        #[test]
        fn any_pattern_is_tried(pattern: String, text: String) {
            like(&pattern, &text);
            matches(&pattern, &text);
        }
    }
}
