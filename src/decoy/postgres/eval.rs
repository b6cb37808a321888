//! Expressions worked out.

use super::ast::Expr;
use super::engine::Engine;
use super::value::{Type, Value};
use super::wire::Error;
use super::{call, func, select};

/// A column of any name.
pub(super) const ANY: &str = "\u{1}";

/// A column that expressions can name.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// What its table is called here.
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) kind: Type,
    /// The table's number and the column's in it; zeros for an expression.
    pub(super) origin: (u32, i16),
}

/// Where an expression is worked out.
#[derive(Clone, Copy)]
pub(super) struct Env<'e> {
    pub(super) columns: &'e [Column],
    pub(super) row: &'e [Value],
    /// The rows of the group, where there is one.
    pub(super) group: Option<&'e [Vec<Value>]>,
    pub(super) outer: Option<&'e Env<'e>>,
}

impl Env<'_> {
    /// Where nothing can be named.
    pub(super) const NOWHERE: Env<'static> = Env { columns: &[], row: &[], group: None, outer: None };

    /// The place of a column, here or around.
    fn find(&self, table: Option<&str>, name: &str) -> Option<(&Column, Value)> {
        let fits = |c: &&Column| c.name == name && table.is_none_or(|t| t == c.alias);
        if let Some(at) = self.columns.iter().position(|c| fits(&c)) {
            let column = self.columns.get(at)?;
            return Some((column, self.row.get(at).cloned().unwrap_or(Value::Null)));
        }
        // System tables that are empty here have whatever column is asked for.
        let any = |c: &&Column| c.name == ANY && table.is_none_or(|t| t == c.alias);
        if let Some(column) = self.columns.iter().find(any) {
            return Some((column, Value::Null));
        }
        self.outer?.find(table, name)
    }

    fn has_table(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.alias == name) || self.outer.is_some_and(|o| o.has_table(name))
    }
}

/// Functions that work on all rows of a group.
pub(super) const AGGREGATES: &[&str] =
    &["count", "min", "max", "sum", "avg", "string_agg", "array_agg", "bool_and", "bool_or", "json_agg"];

/// Whether an expression needs a group.
pub(super) fn aggregates(expr: &Expr) -> bool {
    match expr {
        Expr::Call(name, args, _) => AGGREGATES.contains(&name.as_str()) || args.iter().any(aggregates),
        Expr::Binary(_, a, b, _) => aggregates(a) || aggregates(b),
        Expr::Not(a) | Expr::Negative(a) | Expr::Is(a, ..) | Expr::Cast(a, ..) => aggregates(a),
        Expr::Case(_, arms, other) => {
            arms.iter().any(|(a, b)| aggregates(a) || aggregates(b))
                || other.as_deref().is_some_and(aggregates)
        }
        _ => false,
    }
}

/// The error for a column that does not exist.
fn no_column(env: &Env<'_>, table: Option<&str>, name: &str, at: usize) -> Error {
    match table {
        Some(table) if !env.has_table(table) => {
            let text = format!("missing FROM-clause entry for table \"{table}\"");
            Error::new("42P01", text, ("parse_relation.c", 3629, "errorMissingRTE")).at(at)
        }
        _ => {
            let text = match table {
                Some(table) => format!("column {table}.{name} does not exist"),
                None => format!("column \"{name}\" does not exist"),
            };
            Error::new("42703", text, ("parse_relation.c", 3665, "errorMissingColumn")).at(at)
        }
    }
}

/// The type of an expression; what does not exist is an error, as it is before anything runs.
pub(super) fn kind(engine: &mut Engine<'_>, expr: &Expr, env: &Env<'_>) -> Result<Type, Error> {
    Ok(match expr {
        Expr::Value(_, kind) => *kind,
        Expr::Column(table, name, at) => match env.find(table.as_deref(), name) {
            Some((column, _)) => column.kind,
            None if table.is_none() && env.has_table(name) => Type::Record,
            None => return Err(no_column(env, table.as_deref(), name, *at)),
        },
        Expr::Star(_) => Type::Text,
        Expr::Call(name, args, at) => {
            let mut kinds = Vec::new();
            for arg in args {
                if !matches!(arg, Expr::Star(_)) {
                    kinds.push((kind(engine, arg, env)?, matches!(arg, Expr::Value(_, Type::Text))));
                }
            }
            return func::kind(name, &kinds).ok_or_else(|| func::unknown(name, &kinds, *at));
        }
        Expr::Binary(op, a, b, _) => {
            let (a, b) = (kind(engine, a, env)?, kind(engine, b, env)?);
            match op.as_str() {
                "+" | "-" | "*" | "/" | "%" => match (a, b) {
                    (Type::Numeric, _) | (_, Type::Numeric) => Type::Numeric,
                    (Type::Float8, _) | (_, Type::Float8) => Type::Float8,
                    (Type::Int8, _) | (_, Type::Int8) => Type::Int8,
                    (Type::Timestamp, _) => Type::Timestamp,
                    _ => Type::Int4,
                },
                "^" => Type::Float8,
                "||" | "->>" | "->" => Type::Text,
                "&" | "|" | "#" | "<<" | ">>" => Type::Int4,
                _ => Type::Bool,
            }
        }
        Expr::Not(inner) | Expr::Is(inner, ..) => {
            kind(engine, inner, env)?;
            Type::Bool
        }
        Expr::In(inner, list, _) => {
            kind(engine, inner, env)?;
            for item in list {
                kind(engine, item, env)?;
            }
            Type::Bool
        }
        Expr::InSelect(inner, ..) => {
            kind(engine, inner, env)?;
            Type::Bool
        }
        Expr::Exists(_) => Type::Bool,
        Expr::Negative(inner) => kind(engine, inner, env)?,
        Expr::Case(_, arms, other) => {
            let mut found = Type::Text;
            for (at, (when, then)) in arms.iter().enumerate() {
                kind(engine, when, env)?;
                let then = kind(engine, then, env)?;
                found = if at == 0 { then } else { found };
            }
            if let Some(other) = other {
                kind(engine, other, env)?;
            }
            found
        }
        Expr::Cast(inner, name, _) => {
            kind(engine, inner, env)?;
            Type::named(name)
        }
        Expr::Array(_) => Type::Texts,
        Expr::ArraySelect(_) => Type::Names,
        Expr::Scalar(inner) => {
            select::kinds(engine, inner, Some(env))?.first().map_or(Type::Text, |c| c.kind)
        }
        Expr::Param(_) => Type::Text,
    })
}

/// Works an expression out.
pub(super) fn eval(engine: &mut Engine<'_>, expr: &Expr, env: &Env<'_>) -> Result<Value, Error> {
    engine.step()?;
    match expr {
        Expr::Value(value, _) => Ok(value.clone()),
        Expr::Column(table, name, at) => match env.find(table.as_deref(), name) {
            Some((_, value)) => Ok(value),
            None if table.is_none() && env.has_table(name) => Ok(whole_row(env, name)),
            None => Err(no_column(env, table.as_deref(), name, *at)),
        },
        Expr::Star(_) => Ok(Value::Int(1)),
        Expr::Call(name, args, at) => {
            if let (Some(group), true) = (env.group, AGGREGATES.contains(&name.as_str())) {
                return aggregate(engine, name, args, group, env);
            }
            let mut values = Vec::with_capacity(args.len());
            for arg in args {
                values.push(eval(engine, arg, env)?);
                // What decides without the rest.
                if name == "coalesce" && values.last() != Some(&Value::Null) {
                    break;
                }
            }
            call::call(engine, name, &values, *at)
        }
        Expr::Binary(op, a, b, at) => binary(engine, op, a, b, *at, env),
        Expr::Not(inner) => Ok(match eval(engine, inner, env)? {
            Value::Null => Value::Null,
            value => Value::Bool(!value.truth()),
        }),
        Expr::Negative(inner) => Ok(match eval(engine, inner, env)? {
            Value::Int(number) => Value::Int(number.saturating_neg()),
            Value::Text(text) => Value::Text(format!("-{text}")),
            value => value.number().map_or(Value::Null, |n| Value::Float(-n)),
        }),
        Expr::Is(inner, what, not) => {
            let value = eval(engine, inner, env)?;
            let holds = match *what {
                "true" => value.truth(),
                "false" => value != Value::Null && !value.truth(),
                _ => value == Value::Null,
            };
            Ok(Value::Bool(holds != *not))
        }
        Expr::Case(operand, arms, other) => {
            let operand = operand.as_deref().map(|o| eval(engine, o, env)).transpose()?;
            for (when, then) in arms {
                let when = eval(engine, when, env)?;
                let holds = match &operand {
                    Some(operand) => operand.compare(&when) == Some(std::cmp::Ordering::Equal),
                    None => when.truth(),
                };
                if holds {
                    return eval(engine, then, env);
                }
            }
            other.as_deref().map_or(Ok(Value::Null), |other| eval(engine, other, env))
        }
        Expr::Cast(inner, name, at) => {
            let value = eval(engine, inner, env)?;
            func::cast(engine, &value, name, *at)
        }
        Expr::In(inner, list, not) => {
            let value = eval(engine, inner, env)?;
            let mut found = false;
            for item in list {
                found |= value.compare(&eval(engine, item, env)?) == Some(std::cmp::Ordering::Equal);
            }
            Ok(Value::Bool(found != *not))
        }
        Expr::InSelect(inner, query, not) => {
            let value = eval(engine, inner, env)?;
            let rows = select::run(engine, query, Some(env))?.rows;
            let equal = |row: &Vec<Value>| {
                row.first().and_then(|v| v.compare(&value)) == Some(std::cmp::Ordering::Equal)
            };
            Ok(Value::Bool(rows.iter().any(equal) != *not))
        }
        Expr::Array(list) => {
            let mut items = Vec::new();
            for item in list {
                items.push(eval(engine, item, env)?);
            }
            Ok(func::array(&items))
        }
        Expr::ArraySelect(query) => {
            let rows = select::run(engine, query, Some(env))?.rows;
            let items: Vec<Value> = rows.into_iter().filter_map(|row| row.into_iter().next()).collect();
            Ok(func::array(&items))
        }
        Expr::Scalar(query) => {
            let rows = select::run(engine, query, Some(env))?.rows;
            if rows.len() > 1 {
                let text = "more than one row returned by a subquery used as an expression";
                return Err(Error::new("21000", text, ("nodeSubplan.c", 1172, "ExecSetParamPlan")));
            }
            Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or(Value::Null))
        }
        Expr::Exists(query) => Ok(Value::Bool(!select::run(engine, query, Some(env))?.rows.is_empty())),
        Expr::Param(number) => {
            let at = number.checked_sub(1);
            let value = at.and_then(|at| engine.params.get(at)).cloned();
            value.ok_or_else(|| {
                let text = format!("there is no parameter ${number}");
                Error::new("42P02", text, ("parse_param.c", 118, "fixed_paramref_hook"))
            })
        }
    }
}

fn whole_row(env: &Env<'_>, table: &str) -> Value {
    let fields = env.columns.iter().zip(env.row).filter(|(c, _)| c.alias == table);
    let shown: Vec<String> = fields.map(|(_, v)| v.shown().unwrap_or_default()).collect();
    Value::Text(format!("({})", shown.join(",")))
}

fn aggregate(
    engine: &mut Engine<'_>,
    name: &str,
    args: &[Expr],
    group: &[Vec<Value>],
    env: &Env<'_>,
) -> Result<Value, Error> {
    let mut values = Vec::new();
    for row in group {
        let inner = Env { row, group: None, ..*env };
        let value = args.first().map_or(Ok(Value::Int(1)), |arg| eval(engine, arg, &inner))?;
        if value != Value::Null {
            values.push(value);
        }
    }
    let least = |wanted| {
        let mut best: Option<&Value> = None;
        for value in &values {
            if best.is_none_or(|b| value.compare(b) == Some(wanted)) {
                best = Some(value);
            }
        }
        best.cloned().unwrap_or(Value::Null)
    };
    Ok(match name {
        "count" => Value::Int(i64::try_from(values.len()).unwrap_or(i64::MAX)),
        "min" => least(std::cmp::Ordering::Less),
        "max" => least(std::cmp::Ordering::Greater),
        "bool_and" => Value::Bool(values.iter().all(Value::truth)),
        "bool_or" => Value::Bool(values.iter().any(Value::truth)),
        "string_agg" => {
            let between = match args.get(1) {
                Some(arg) => eval(engine, arg, env)?.shown().unwrap_or_default(),
                None => String::new(),
            };
            let shown: Vec<String> = values.iter().filter_map(Value::shown).collect();
            if shown.is_empty() { Value::Null } else { Value::Text(shown.join(&between)) }
        }
        "array_agg" | "json_agg" => func::array(&values),
        _ if values.is_empty() => Value::Null,
        _ => {
            let sum: f64 = values.iter().filter_map(Value::number).sum();
            let whole = values.iter().all(|v| matches!(v, Value::Int(_)));
            #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
            let count = values.len() as f64;
            match (name, whole) {
                ("sum", true) => {
                    Value::Int(values.iter().filter_map(Value::whole).fold(0, i64::saturating_add))
                }
                ("sum", false) => Value::Text(format!("{sum:.2}")),
                _ => Value::Text(format!("{:.16}", sum / count)),
            }
        }
    })
}

fn binary(
    engine: &mut Engine<'_>,
    op: &str,
    a: &Expr,
    b: &Expr,
    at: usize,
    env: &Env<'_>,
) -> Result<Value, Error> {
    let left = eval(engine, a, env)?;
    match op {
        "and" if left != Value::Null && !left.truth() => return Ok(Value::Bool(false)),
        "or" if left.truth() => return Ok(Value::Bool(true)),
        _ => {}
    }
    let right = eval(engine, b, env)?;
    match op {
        "and" => return Ok(Value::Bool(left.truth() && right.truth())),
        "or" => return Ok(Value::Bool(right.truth())),
        _ => {}
    }
    if left == Value::Null || right == Value::Null {
        return Ok(Value::Null);
    }
    let compared = |fits: fn(std::cmp::Ordering) -> bool| {
        left.compare(&right).map_or(Value::Null, |order| Value::Bool(fits(order)))
    };
    let text = |value: &Value| value.shown().unwrap_or_default();
    Ok(match op {
        "=" => compared(std::cmp::Ordering::is_eq),
        "<>" | "!=" => compared(std::cmp::Ordering::is_ne),
        "<" => compared(std::cmp::Ordering::is_lt),
        ">" => compared(std::cmp::Ordering::is_gt),
        "<=" => compared(std::cmp::Ordering::is_le),
        ">=" => compared(std::cmp::Ordering::is_ge),
        "||" => Value::Text(engine.bounded(format!("{}{}", text(&left), text(&right)))?),
        "~~" => Value::Bool(func::like(&text(&right), &text(&left))),
        "~~*" => Value::Bool(func::like(&text(&right).to_lowercase(), &text(&left).to_lowercase())),
        "~" => Value::Bool(func::matches(&text(&right), &text(&left))),
        "~*" => Value::Bool(func::matches(&text(&right).to_lowercase(), &text(&left).to_lowercase())),
        "!~" => Value::Bool(!func::matches(&text(&right), &text(&left))),
        "!~*" => Value::Bool(!func::matches(&text(&right).to_lowercase(), &text(&left).to_lowercase())),
        "+" | "-" | "*" | "/" | "%" | "^" => arithmetic(op, &left, &right)?,
        "&" | "|" | "#" => match (left.whole(), right.whole()) {
            (Some(a), Some(b)) => Value::Int(match op {
                "&" => a & b,
                "|" => a | b,
                _ => a ^ b,
            }),
            _ => Value::Null,
        },
        _ => {
            let text = format!("operator does not exist: unknown {op} unknown");
            return Err(Error::new("42883", text, ("parse_oper.c", 656, "op_error")).at(at));
        }
    })
}

fn arithmetic(op: &str, left: &Value, right: &Value) -> Result<Value, Error> {
    let range = || Error::new("22003", "integer out of range", ("int.c", 788, "int4mul"));
    if let (Value::Int(a), Value::Int(b)) = (left, right)
        && op != "^"
    {
        if *b == 0 && matches!(op, "/" | "%") {
            return Err(Error::new("22012", "division by zero", ("int.c", 869, "int4div")));
        }
        let result = match op {
            "+" => a.checked_add(*b),
            "-" => a.checked_sub(*b),
            "*" => a.checked_mul(*b),
            "/" => a.checked_div(*b),
            _ => a.checked_rem(*b),
        };
        return result.map(Value::Int).ok_or_else(range);
    }
    let (Some(a), Some(b)) = (left.number(), right.number()) else { return Ok(left.clone()) };
    if b == 0.0 && matches!(op, "/" | "%") {
        return Err(Error::new("22012", "division by zero", ("numeric.c", 8520, "div_var")));
    }
    Ok(match op {
        "+" => Value::Text(trimmed(a + b)),
        "-" => Value::Text(trimmed(a - b)),
        "*" => Value::Text(trimmed(a * b)),
        "/" => Value::Text(format!("{:.16}", a / b)),
        "%" => Value::Text(trimmed(a % b)),
        _ => Value::Float(a.powf(b)),
    })
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
