//! JSON as Elasticsearch prints it, and tables as `_cat` prints them.

use serde_json::Value;

use crate::decoy::render::{self, Style};

/// With line ends and blanks, as `?pretty` asks for.
pub(super) fn pretty(value: &Value) -> String {
    render::json(value, &Style(" : ", "{ }", "[ ]")) + "\n"
}

/// A column: its name, and whether it is a number.
pub(super) type Column = (&'static str, bool);

/// Rows under columns of equal width.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>], titles: bool) -> String {
    let mut all: Vec<Vec<String>> = Vec::new();
    if titles {
        all.push(columns.iter().map(|c| c.0.to_owned()).collect());
    }
    all.extend(rows.iter().cloned());
    let width =
        |at: usize| all.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in &all {
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            let last = at + 1 == row.len();
            match columns.get(at) {
                Some((_, true)) => out.push_str(&format!("{cell:>width$}")),
                _ if last => out.push_str(cell),
                _ => out.push_str(&format!("{cell:<width$}")),
            }
            out.push(if last { '\n' } else { ' ' });
        }
    }
    out
}

/// The same rows for `?format=json`.
pub(super) fn table_json(columns: &[Column], rows: &[Vec<String>]) -> Value {
    let row = |row: &Vec<String>| {
        let pairs = columns
            .iter()
            .zip(row)
            .map(|((name, _), cell)| ((*name).to_owned(), Value::String(cell.clone())));
        Value::Object(pairs.collect())
    };
    Value::Array(rows.iter().map(row).collect())
}

/// A size as `_cat` prints it.
pub(super) fn size(bytes: u64) -> String {
    let units = [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];
    for (unit, one) in units {
        if bytes >= one {
            let tenths = bytes.saturating_mul(10) / one;
            return if tenths.is_multiple_of(10) {
                format!("{}{unit}", tenths / 10)
            } else {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes}b")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prints_as_the_product_does() {
        let value = json!({"a": 1, "b": [], "c": {}, "d": ["x", {"e": null}]});
        let want = "{\n  \"a\" : 1,\n  \"b\" : [ ],\n  \"c\" : { },\n  \"d\" : [\n    \"x\",\n    {\n      \"e\" : null\n    }\n  ]\n}\n";
        assert_eq!(pretty(&value), want);
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert!(pretty(&deep).len() < 10_000);
    }

    #[test]
    fn tables_line_up() {
        let columns = [("index", false), ("docs.count", true)];
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "12".to_owned()]];
        assert_eq!(table(&columns, &rows, false), "a     1\nlong 12\n");
        assert_eq!(table(&columns, &rows, true), "index docs.count\na              1\nlong          12\n");
        assert_eq!(table_json(&columns, &rows[..1]).to_string(), r#"[{"index":"a","docs.count":"1"}]"#);
        assert_eq!([size(230), size(2048), size(5_872_025)], ["230b", "2kb", "5.5mb"]);
    }
}
