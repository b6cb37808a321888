//! Functions called.

use super::engine::Engine;
use super::files;
use super::func::{array, kind};
use super::value::{Type, Value};
use super::wire::Error;

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
