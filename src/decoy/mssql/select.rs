//! What SELECT gives: values without a table, and rows of the catalogue views.

use super::lex::{self, Word};
use super::sql::{Failed, Sql};
use super::token::{Rows, Value};

/// Wrappers around a value that are looked through.
const WRAPPERS_MAX: usize = 16;
/// Most columns.
const COLUMNS_MAX: usize = 256;

/// Runs a SELECT without its first word.
pub(super) fn run(sql: &Sql<'_>, mut words: &[Word]) -> Result<Rows, Failed> {
    let mut limit = usize::MAX;
    loop {
        match words {
            [word, rest @ ..] if word.is("distinct") || word.is("all") => words = rest,
            [word, Word::Number(n), rest @ ..] if word.is("top") => {
                limit = n.parse().unwrap_or(usize::MAX);
                words = rest;
            }
            [word, Word::Sign('('), Word::Number(n), Word::Sign(')'), rest @ ..] if word.is("top") => {
                limit = n.parse().unwrap_or(usize::MAX);
                words = rest;
            }
            _ => break,
        }
    }
    let from = lex::find(words, "from");
    let (list, rest) = words.split_at(from.unwrap_or(words.len()));
    let list = list.split(|word| word.is("into") || word.is("where")).next().unwrap_or_default();
    let items: Vec<_> = lex::split(list, ',').into_iter().take(COLUMNS_MAX).map(item).collect();
    if items.iter().any(|(_, words)| words.is_empty()) {
        let near = rest.first().map_or("select".to_owned(), Word::text);
        return Err((102, (15, 1), format!("Incorrect syntax near '{near}'.")));
    }
    if from.is_none() {
        let columns = items.iter().map(|(name, _)| name.clone()).collect();
        let row = items.iter().map(|(_, words)| value(sql, words, None)).collect();
        return Ok(Rows { columns, rows: vec![row] });
    }
    let (table, database) = table(rest.get(1..).unwrap_or_default());
    let database = database.unwrap_or_else(|| sql.database.clone());
    let Some(view) = sql.data.view(&table.to_lowercase(), &database, sql.options()) else {
        return Err((208, (16, 1), format!("Invalid object name '{table}'.")));
    };
    let wanted = filter(rest);
    let keeps = |row: &&Vec<Value>| match &wanted {
        Some((column, texts)) => {
            view.columns.iter().position(|c| c.eq_ignore_ascii_case(column)).is_none_or(|n| {
                row.get(n).is_some_and(
                    |v| matches!(v, Value::Text(t) if texts.iter().any(|w| w.eq_ignore_ascii_case(t))),
                )
            })
        }
        None => true,
    };
    let rows: Vec<&Vec<Value>> = view.rows.iter().filter(keeps).take(limit).collect();
    if let [(name, [word, Word::Sign('('), ..])] = &items[..]
        && word.is("count")
    {
        let count = Value::Int(i64::try_from(rows.len()).unwrap_or(0));
        return Ok(Rows { columns: vec![name.clone()], rows: vec![vec![count]] });
    }
    let mut out = Rows::default();
    for (name, words) in &items {
        if words.last().is_some_and(|word| word.sign('*')) {
            out.columns.extend(view.columns.iter().cloned());
        } else {
            let own = words.last().filter(|_| name.is_empty()).map(Word::text).unwrap_or_default();
            out.columns.push(if name.is_empty() { own } else { name.clone() });
        }
    }
    for row in rows {
        let mut cells = Vec::new();
        for (_, words) in &items {
            if words.last().is_some_and(|word| word.sign('*')) {
                cells.extend(row.iter().cloned());
            } else {
                cells.push(value(sql, words, Some((&view.columns, row))));
            }
        }
        out.rows.push(cells);
    }
    Ok(out)
}

/// Takes a name off an expression: `x as name`, `name = x`, `x name`.
fn item(words: &[Word]) -> (String, &[Word]) {
    match words {
        [Word::Name(name), Word::Sign('='), rest @ ..] if !rest.is_empty() => (name.clone(), rest),
        [rest @ .., keyword, name] if keyword.is("as") => (name.text(), rest),
        [rest @ .., Word::Sign(')') | Word::Name(_) | Word::Number(_) | Word::Text(_), Word::Name(name)] => {
            (name.clone(), &words[..rest.len() + 1])
        }
        _ => (String::new(), words),
    }
}

/// The table after FROM, and its database where it says one.
fn table(words: &[Word]) -> (String, Option<String>) {
    let mut parts: Vec<String> = Vec::new();
    let mut named = true;
    for word in words.iter().take(8) {
        match word {
            Word::Sign('.') => named = true,
            Word::Name(name) if named => {
                parts.push(name.clone());
                named = false;
            }
            _ => break,
        }
    }
    let table = parts.last().cloned().unwrap_or_default();
    let database = parts.first().filter(|first| parts.len() == 3 || (parts.len() == 2 && !is_schema(first)));
    (table, database.cloned())
}

fn is_schema(name: &str) -> bool {
    ["sys", "dbo", "information_schema"].iter().any(|schema| name.eq_ignore_ascii_case(schema))
}

/// `where column = 'x'` or `where column in ('x', 'y')`.
fn filter(words: &[Word]) -> Option<(String, Vec<String>)> {
    let at = lex::find(words, "where")?;
    match words.get(at + 1..)? {
        [Word::Name(column), Word::Sign('='), Word::Text(text), ..] => {
            Some((column.clone(), vec![text.clone()]))
        }
        [Word::Name(column), keyword, Word::Sign('('), rest @ ..] if keyword.is("in") => {
            let texts = rest.iter().take_while(|word| !word.sign(')')).filter_map(|word| match word {
                Word::Text(text) => Some(text.clone()),
                _ => None,
            });
            Some((column.clone(), texts.collect()))
        }
        _ => None,
    }
}

/// The value of an expression; what is not understood is NULL.
fn value(sql: &Sql<'_>, words: &[Word], row: Option<(&[String], &[Value])>) -> Value {
    let parts = lex::split(words, '+');
    if let [one] = parts[..] {
        return atom(sql, one, row);
    }
    let values: Vec<Value> = parts.iter().map(|part| atom(sql, part, row)).collect();
    if values.iter().all(|v| matches!(v, Value::Int(_))) {
        let sum = values.iter().fold(0i64, |sum, v| match v {
            Value::Int(n) => sum.saturating_add(*n),
            _ => sum,
        });
        return Value::Int(sum);
    }
    let mut text = String::new();
    for value in values {
        match value {
            Value::Null => return Value::Null,
            Value::Int(n) => text.push_str(&n.to_string()),
            Value::Text(part) => text.push_str(&part),
        }
    }
    Value::Text(text)
}

fn atom(sql: &Sql<'_>, mut words: &[Word], row: Option<(&[String], &[Value])>) -> Value {
    for _ in 0..WRAPPERS_MAX {
        words = match words {
            [Word::Sign('('), inner @ .., Word::Sign(')')] => inner,
            [Word::Name(name), Word::Sign('('), inner @ .., Word::Sign(')')] => {
                let arguments = lex::split(inner, ',');
                match name.to_lowercase().as_str() {
                    "cast" | "try_cast" => inner.split(|w| w.is("as")).next().unwrap_or_default(),
                    "convert" | "try_convert" => arguments.get(1).copied().unwrap_or_default(),
                    "isnull" | "coalesce" | "ltrim" | "rtrim" | "upper" | "lower" | "quotename" => {
                        arguments.first().copied().unwrap_or_default()
                    }
                    other => {
                        let text =
                            arguments.first().and_then(|a| a.last()).map(Word::text).unwrap_or_default();
                        return function(sql, other, &text);
                    }
                }
            }
            _ => break,
        };
    }
    match words {
        [Word::Text(text)] => Value::Text(text.clone()),
        [Word::Number(n)] => n.parse().map_or_else(|_| Value::Text(n.clone()), Value::Int),
        [Word::Sign('-'), Word::Number(n)] => {
            n.parse::<i64>().map_or(Value::Null, |n| Value::Int(n.saturating_neg()))
        }
        [.., Word::Name(name)] => match row {
            Some((columns, row)) if !name.starts_with("@@") => {
                let at = columns.iter().position(|column| column.eq_ignore_ascii_case(name));
                at.and_then(|at| row.get(at)).cloned().unwrap_or(Value::Null)
            }
            _ => variable(sql, name),
        },
        _ => Value::Null,
    }
}

fn variable(sql: &Sql<'_>, name: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    match name.to_lowercase().as_str() {
        "@@version" => text(&sql.product.text),
        "@@servername" => text(&sql.product.server),
        "@@servicename" => text("MSSQLSERVER"),
        "@@spid" => Value::Int(sql.process.into()),
        "@@language" => text("us_english"),
        "@@microsoftversion" => {
            let [major, minor, build, _] = sql.product.version.map(i64::from);
            Value::Int(major << 24 | minor << 16 | build)
        }
        "@@max_connections" => Value::Int(32_767),
        "@@trancount" | "@@error" | "@@rowcount" | "@@nestlevel" | "@@procid" => Value::Int(0),
        "@@textsize" => Value::Int(2_147_483_647),
        "@@lock_timeout" => Value::Int(-1),
        "system_user" | "session_user" => text(&sql.user),
        "current_user" | "user" => text("dbo"),
        "current_timestamp" => now(),
        _ => Value::Null,
    }
}

fn now() -> Value {
    Value::Text(jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%3f").to_string())
}

fn function(sql: &Sql<'_>, name: &str, argument: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    match name {
        "serverproperty" => property(sql, argument),
        "db_name" if argument.is_empty() => text(&sql.database),
        "db_name" => {
            let at = argument.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            at.and_then(|n| sql.data.databases.get(n)).map_or(Value::Null, |name| text(name))
        }
        "db_id" => {
            let name = if argument.is_empty() { &sql.database } else { argument };
            let at = sql.data.databases.iter().position(|d| d.eq_ignore_ascii_case(name));
            at.and_then(|n| i64::try_from(n + 1).ok()).map_or(Value::Null, Value::Int)
        }
        "suser_name" | "suser_sname" | "original_login" => text(&sql.user),
        "user_name" | "user" => text("dbo"),
        "host_name" => text(&sql.client),
        "app_name" => text(""),
        "is_srvrolemember" | "is_member" | "is_rolemember" | "has_dbaccess" => Value::Int(1),
        "has_perms_by_name" => Value::Int(1),
        "getdate" | "sysdatetime" | "getutcdate" => now(),
        "len" => Value::Int(i64::try_from(argument.chars().count()).unwrap_or(0)),
        _ => Value::Null,
    }
}

fn property(sql: &Sql<'_>, name: &str) -> Value {
    let product = sql.product;
    let text = |text: &str| Value::Text(text.to_owned());
    match name.to_lowercase().as_str() {
        "productversion" | "resourceversion" => Value::Text(product.dotted()),
        "productlevel" => text(product.level.0),
        "productupdatelevel" if product.level.1.is_empty() => Value::Null,
        "productupdatelevel" => text(product.level.1),
        "productmajorversion" => Value::Text(product.version[0].to_string()),
        "productminorversion" => Value::Text(product.version[1].to_string()),
        "productbuild" => Value::Text(product.version[2].to_string()),
        "edition" => Value::Text(format!("{} (64-bit)", product.edition)),
        "editionid" => {
            Value::Int(if product.edition.starts_with("Standard") { -1_534_726_760 } else { -1_592_396_055 })
        }
        "engineedition" => Value::Int(match product.edition {
            e if e.starts_with("Express") => 4,
            e if e.starts_with("Standard") => 2,
            _ => 3,
        }),
        "machinename" | "servername" | "computernamephysicalnetbios" => text(&product.server),
        "instancename" => Value::Null,
        "collation" => text("SQL_Latin1_General_CP1_CI_AS"),
        "isintegratedsecurityonly" | "isclustered" | "issingleuser" | "ishadrenabled" => Value::Int(0),
        "processid" => {
            Value::Int(i64::try_from(1000 + sql.persona.seed.number("mssql/pid", 7000)).unwrap_or(0))
        }
        _ => Value::Null,
    }
}
