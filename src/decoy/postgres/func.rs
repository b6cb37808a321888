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
pub(super) fn cast(engine: &mut Engine<'_>, value: &Value, name: &str, at: usize) -> Result<Value, Error> {
    if *value == Value::Null {
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
