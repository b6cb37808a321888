//! Queries run.

use super::ast::{Expr, From, Select, Source};
use super::engine::Engine;
use super::eval::{ANY, Column, Env, aggregates, eval, kind};
use super::func;
use super::value::{Type, Value};
use super::wire::Error;

/// Most rows of anything in between.
const ROWS_MAX: usize = 20_000;

/// Rows with their columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// The error for a table that does not exist.
pub(super) fn no_relation(schema: Option<&str>, name: &str, at: usize) -> Error {
    let shown = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
    let text = format!("relation \"{shown}\" does not exist");
    Error::new("42P01", text, ("parse_relation.c", 1392, "parserOpenTable")).at(at)
}

/// The columns a query has.
pub(super) fn kinds(
    engine: &mut Engine<'_>,
    select: &Select,
    outer: Option<&Env<'_>>,
) -> Result<Vec<Column>, Error> {
    let before = engine.with.len();
    let result = bind(engine, select, outer).and_then(|()| columns(engine, select, outer));
    engine.with.truncate(before);
    result
}

/// Runs a query.
pub(super) fn run(engine: &mut Engine<'_>, select: &Select, outer: Option<&Env<'_>>) -> Result<Rows, Error> {
    let before = engine.with.len();
    let result = bind(engine, select, outer).and_then(|()| bound(engine, select, outer));
    engine.with.truncate(before);
    result
}

/// Works out what `WITH` names.
fn bind(engine: &mut Engine<'_>, select: &Select, outer: Option<&Env<'_>>) -> Result<(), Error> {
    for (name, query) in &select.with {
        let rows = run(engine, query, outer)?;
        engine.with.push((name.clone(), rows));
    }
    Ok(())
}

fn columns(engine: &mut Engine<'_>, select: &Select, outer: Option<&Env<'_>>) -> Result<Vec<Column>, Error> {
    let expression = |name: String, kind: Type| Column { alias: String::new(), name, kind, origin: (0, 0) };
    if let Some(first) = select.values.first() {
        let mut out = Vec::new();
        for (at, expr) in first.iter().enumerate() {
            let kind = kind(engine, expr, &Env { outer, ..Env::NOWHERE })?;
            out.push(expression(format!("column{}", at + 1), kind));
        }
        return Ok(out);
    }
    let scope = joined(engine, &select.from, outer, false)?.columns;
    let env = Env { columns: &scope, row: &[], group: None, outer };
    let mut out = Vec::new();
    for item in &select.items {
        match &item.expr {
            Expr::Star(table) => {
                let fits = |c: &&Column| c.name != ANY && table.as_ref().is_none_or(|t| *t == c.alias);
                let before = out.len();
                out.extend(scope.iter().filter(fits).cloned());
                if select.from.is_empty() || (out.len() == before && table.is_some()) {
                    let text = "SELECT * with no tables specified is not valid";
                    return Err(Error::new("42601", text, ("parse_target.c", 1391, "ExpandAllTables")));
                }
            }
            expr => {
                let kind = kind(engine, expr, &env)?;
                let origin = match expr {
                    Expr::Column(table, name, _) => scope
                        .iter()
                        .find(|c| c.name == *name && table.as_ref().is_none_or(|t| *t == c.alias))
                        .map_or((0, 0), |c| c.origin),
                    _ => (0, 0),
                };
                let name = item.alias.clone().unwrap_or_else(|| label(expr));
                out.push(Column { origin, ..expression(name, kind) });
            }
        }
    }
    if let Some(filter) = &select.filter {
        kind(engine, filter, &env)?;
    }
    Ok(out)
}

/// What a column is called that nobody named.
fn label(expr: &Expr) -> String {
    match expr {
        Expr::Column(_, name, _) => name.clone(),
        Expr::Call(name, ..) => name.clone(),
        Expr::Cast(inner, name, _) => match label(inner).as_str() {
            "?column?" => match name.as_str() {
                "int" | "integer" => "int4".into(),
                "bigint" => "int8".into(),
                "boolean" => "bool".into(),
                _ => name.clone(),
            },
            inner => inner.to_owned(),
        },
        Expr::Case(..) => "case".into(),
        Expr::Array(_) | Expr::ArraySelect(_) => "array".into(),
        Expr::Exists(_) => "exists".into(),
        Expr::Scalar(inner) => inner
            .items
            .first()
            .map_or_else(|| "?column?".into(), |i| i.alias.clone().unwrap_or_else(|| label(&i.expr))),
        _ => "?column?".into(),
    }
}

fn too_much() -> Error {
    Error::new(
        "57014",
        "canceling statement due to statement timeout",
        ("postgres.c", 3406, "ProcessInterrupts"),
    )
}

/// The rows of one source.
fn source(
    engine: &mut Engine<'_>,
    source: &Source,
    outer: Option<&Env<'_>>,
    filled: bool,
) -> Result<Rows, Error> {
    let (mut rows, name) = match &source.from {
        From::Table(schema, name, at) => {
            let bound =
                engine.with.iter().rev().find(|(n, _)| schema.is_none() && n == name).map(|(_, r)| r.clone());
            let found = match bound {
                Some(rows) => Some(rows),
                None => engine.relation(schema.as_deref(), name),
            };
            (found.ok_or_else(|| no_relation(schema.as_deref(), name, *at))?, name.clone())
        }
        From::Select(inner) => (
            if filled {
                run(engine, inner, outer)?
            } else {
                Rows { columns: kinds(engine, inner, outer)?, rows: Vec::new() }
            },
            String::new(),
        ),
        From::Call(expr) => {
            let env = Env { outer, ..Env::NOWHERE };
            let name = label(expr);
            let kind = kind(engine, expr, &env)?;
            let values = if filled { called(engine, expr, &env)? } else { Vec::new() };
            let column = Column {
                alias: name.clone(),
                name: source.alias.clone().unwrap_or_else(|| name.clone()),
                kind,
                origin: (0, 0),
            };
            (Rows { columns: vec![column], rows: values.into_iter().map(|v| vec![v]).collect() }, name)
        }
    };
    let alias = source.alias.clone().unwrap_or(name);
    for (at, column) in rows.columns.iter_mut().enumerate() {
        column.alias.clone_from(&alias);
        if let Some(name) = source.names.get(at) {
            column.name.clone_from(name);
        }
    }
    Ok(rows)
}

/// The values of a call that may give many.
fn called(engine: &mut Engine<'_>, expr: &Expr, env: &Env<'_>) -> Result<Vec<Value>, Error> {
    if let Expr::Call(name, args, _) = expr
        && func::gives_rows(name)
    {
        let mut values = Vec::new();
        for arg in args {
            values.push(eval(engine, arg, env)?);
        }
        return func::rows(engine, name, &values);
    }
    Ok(vec![eval(engine, expr, env)?])
}

/// All sources joined; without rows unless they are asked for.
fn joined(
    engine: &mut Engine<'_>,
    list: &[Source],
    outer: Option<&Env<'_>>,
    filled: bool,
) -> Result<Rows, Error> {
    let mut all = Rows { columns: Vec::new(), rows: vec![Vec::new()] };
    for one in list {
        let next = source(engine, one, outer, filled)?;
        let width = next.columns.len();
        all.columns.extend(next.columns);
        if let Some(on) = &one.on {
            kind(engine, on, &Env { columns: &all.columns, row: &[], group: None, outer })?;
        }
        if !filled {
            continue;
        }
        let mut rows = Vec::new();
        for left in &all.rows {
            let before = rows.len();
            for right in &next.rows {
                engine.touch(left)?;
                engine.touch(right)?;
                let mut row = left.clone();
                row.extend(right.iter().cloned());
                let fits = match &one.on {
                    Some(on) => {
                        eval(engine, on, &Env { columns: &all.columns, row: &row, group: None, outer })?
                            .truth()
                    }
                    None => true,
                };
                if fits {
                    rows.push(row);
                }
                if rows.len() > ROWS_MAX {
                    return Err(too_much());
                }
                engine.step()?;
            }
            if one.left && rows.len() == before {
                let mut row = left.clone();
                row.resize(row.len() + width, Value::Null);
                rows.push(row);
            }
        }
        all.rows = rows;
    }
    Ok(all)
}

fn bound(engine: &mut Engine<'_>, select: &Select, outer: Option<&Env<'_>>) -> Result<Rows, Error> {
    let columns = columns(engine, select, outer)?;
    let mut out = Rows { columns, rows: Vec::new() };
    // What each row is ordered by, beside it.
    let mut keys: Vec<Vec<Value>> = Vec::new();
    let nowhere = Env { outer, ..Env::NOWHERE };
    for values in &select.values {
        let mut row = Vec::new();
        for value in values {
            row.push(eval(engine, value, &nowhere)?);
        }
        if row.len() != out.columns.len() {
            let text = "VALUES lists must all be the same length";
            return Err(Error::new("42601", text, ("analyze.c", 1530, "transformValuesClause")));
        }
        keys.push(row.clone());
        out.rows.push(row);
    }
    if select.values.is_empty() {
        let mut input = joined(engine, &select.from, outer, true)?;
        if let Some(filter) = &select.filter {
            let mut kept = Vec::new();
            for row in input.rows {
                let env = Env { columns: &input.columns, row: &row, group: None, outer };
                if eval(engine, filter, &env)?.truth() {
                    kept.push(row);
                }
            }
            input.rows = kept;
        }
        let grouped = !select.group.is_empty() || select.items.iter().any(|i| aggregates(&i.expr));
        let groups = if grouped { groups(engine, select, &input, outer)? } else { Vec::new() };
        if grouped {
            let empty = vec![Value::Null; input.columns.len()];
            for group in &groups {
                let row = group.first().unwrap_or(&empty);
                let env = Env { columns: &input.columns, row, group: Some(group), outer };
                emit(engine, select, &env, &mut out, &mut keys)?;
            }
        } else {
            for row in &input.rows {
                let env = Env { columns: &input.columns, row, group: None, outer };
                emit(engine, select, &env, &mut out, &mut keys)?;
            }
        }
    }
    if select.distinct {
        let mut seen: Vec<Vec<Value>> = Vec::new();
        let mut kept = Vec::new();
        for (row, key) in out.rows.into_iter().zip(keys) {
            engine.step()?;
            if !seen.contains(&row) {
                seen.push(row.clone());
                kept.push((row, key));
            }
        }
        (out.rows, keys) = kept.into_iter().unzip();
    }
    if let Some((next, whole)) = &select.union {
        let more = run(engine, next, outer)?;
        if more.columns.len() != out.columns.len() {
            let text = "each UNION query must have the same number of columns";
            return Err(Error::new("42601", text, ("analyze.c", 2119, "transformSetOperationTree")));
        }
        for row in more.rows {
            if *whole || !out.rows.contains(&row) {
                let mut key = Vec::new();
                for (expr, _) in &select.order {
                    key.push(position(expr).and_then(|at| row.get(at)).cloned().unwrap_or(Value::Null));
                }
                keys.push(key);
                out.rows.push(row);
            }
        }
    }
    if !select.order.is_empty() {
        let mut pairs: Vec<(Vec<Value>, Vec<Value>)> = keys.into_iter().zip(out.rows).collect();
        pairs.sort_by(|(a, _), (b, _)| {
            for ((a, b), (_, down)) in a.iter().zip(b).zip(&select.order) {
                // NULL sorts as the largest.
                let order = a.compare(b).unwrap_or_else(|| (*a == Value::Null).cmp(&(*b == Value::Null)));
                let order = if *down { order.reverse() } else { order };
                if order.is_ne() {
                    return order;
                }
            }
            std::cmp::Ordering::Equal
        });
        out.rows = pairs.into_iter().map(|(_, row)| row).collect();
    }
    let mut number = |expr: &Option<Expr>| -> Result<Option<usize>, Error> {
        let Some(expr) = expr else { return Ok(None) };
        let value = eval(engine, expr, &nowhere)?;
        Ok(value.whole().map(|n| usize::try_from(n).unwrap_or(0)))
    };
    let skip = number(&select.offset)?.unwrap_or(0);
    let limit = number(&select.limit)?.unwrap_or(usize::MAX);
    out.rows = out.rows.into_iter().skip(skip).take(limit).collect();
    Ok(out)
}

/// The item that `ORDER BY 2` means.
fn position(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(Value::Int(number), _) => usize::try_from(*number).ok()?.checked_sub(1),
        _ => None,
    }
}

/// Makes the rows that one row, or group, comes to.
fn emit(
    engine: &mut Engine<'_>,
    select: &Select,
    env: &Env<'_>,
    out: &mut Rows,
    keys: &mut Vec<Vec<Value>>,
) -> Result<(), Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for item in &select.items {
        let values = match &item.expr {
            Expr::Star(table) => {
                let fits = |c: &Column| c.name != ANY && table.as_ref().is_none_or(|t| *t == c.alias);
                for row in &mut rows {
                    row.extend(
                        env.columns.iter().zip(env.row).filter(|(c, _)| fits(c)).map(|(_, v)| v.clone()),
                    );
                }
                continue;
            }
            expr => called(engine, expr, env)?,
        };
        rows = match values.as_slice() {
            [value] => {
                for row in &mut rows {
                    row.push(value.clone());
                }
                rows
            }
            many => many
                .iter()
                .take(ROWS_MAX)
                .flat_map(|value| rows.first().map(|row| [&row[..], std::slice::from_ref(value)].concat()))
                .collect(),
        };
    }
    for row in rows {
        let mut key = Vec::new();
        for (expr, _) in &select.order {
            let named = match expr {
                Expr::Column(None, name, _) => out.columns.iter().position(|c| c.name == *name),
                expr => position(expr),
            };
            key.push(match named {
                Some(at) => row.get(at).cloned().unwrap_or(Value::Null),
                None => eval(engine, expr, env)?,
            });
        }
        if out.rows.len() >= ROWS_MAX {
            return Err(too_much());
        }
        engine.touch(&row)?;
        keys.push(key);
        out.rows.push(row);
    }
    Ok(())
}

/// The rows in groups: one of all when nothing says by what.
fn groups(
    engine: &mut Engine<'_>,
    select: &Select,
    input: &Rows,
    outer: Option<&Env<'_>>,
) -> Result<Vec<Vec<Vec<Value>>>, Error> {
    if select.group.is_empty() {
        return Ok(vec![input.rows.clone()]);
    }
    let mut groups: Vec<(Vec<Value>, Vec<Vec<Value>>)> = Vec::new();
    for row in &input.rows {
        let env = Env { columns: &input.columns, row, group: None, outer };
        let mut key = Vec::new();
        for expr in &select.group {
            let expr = position(expr).and_then(|at| select.items.get(at)).map_or(expr, |i| &i.expr);
            key.push(eval(engine, expr, &env)?);
        }
        engine.step()?;
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, rows)) => rows.push(row.clone()),
            None => groups.push((key, vec![row.clone()])),
        }
    }
    Ok(groups.into_iter().map(|(_, rows)| rows).collect())
}
