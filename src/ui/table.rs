//! Tables: aligned for people, one line a record; CSV for machines.

use comfy_table::{Cell, ContentArrangement, Table};

use super::{BAD, GOOD, MIDDLING, paint};
use crate::event::escape;

/// Rows under single-word headers.
#[derive(Debug, Default)]
pub struct Grid {
    headers: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    state_column: Option<usize>,
    /// The column that may be wrapped on a terminal.
    loose_column: Option<usize>,
}

impl Grid {
    /// A table with these headers.
    pub fn new(headers: &[&'static str]) -> Self {
        let at = |name: &str| headers.iter().position(|h| *h == name);
        Self {
            headers: headers.to_vec(),
            rows: Vec::new(),
            state_column: at("STATE"),
            loose_column: at("REASON").or(at("SERVICES")).or(at("HELP")),
        }
    }

    /// Adds a record; control characters are escaped here.
    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|c| escape::text(c).into_owned()).collect());
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, a line a record, blank columns kept.
    ///
    /// Widths are measured on plain text and colour is added after, since the table library styles
    /// only whole tables (facts: cli-ux §3.3).
    pub fn text(&self, color: bool, width: Option<u16>) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(self.headers.iter().map(Cell::new));
        for row in &self.rows {
            table.add_row(row.iter().map(Cell::new));
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if width.is_some() && self.loose_column != Some(at) {
                column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
            }
        }
        let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if color { self.tint(&text) } else { text }
    }

    fn tint(&self, text: &str) -> String {
        if self.state_column.is_none() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            let mut done = false;
            for (word, style) in STATE_STYLES {
                let needle = format!("  {word}");
                if let Some(at) = line
                    .find(&needle)
                    .filter(|at| line[at + needle.len()..].chars().next().is_none_or(|c| c == ' '))
                {
                    let (head, tail) = line.split_at(at + 2);
                    out.push_str(head);
                    out.push_str(&paint(true, *style, word));
                    out.push_str(&tail[word.len()..]);
                    done = true;
                    break;
                }
            }
            if !done {
                out.push_str(line);
            }
            out.push('\n');
        }
        out
    }

    /// RFC 4180 text with a header. A cell that a spreadsheet would run as a formula gets a leading
    /// apostrophe.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let headers: Vec<String> = self.headers.iter().map(|h| h.to_ascii_lowercase()).collect();
        out.push_str(&headers.join(","));
        out.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|c| csv_cell(c)).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
        out
    }
}

const STATE_STYLES: &[(&str, anstyle::Style)] = &[
    ("running", GOOD),
    ("succeeded", GOOD),
    ("pending", MIDDLING),
    ("degraded", MIDDLING),
    ("tearing_down", MIDDLING),
    ("failed", BAD),
    ("down", BAD),
    ("teardown_failed", BAD),
];

fn csv_cell(cell: &str) -> String {
    let guarded = if cell.starts_with(['=', '+', '-', '@']) && cell.len() > 1 {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(&["NAME", "STATE", "SERVICES"]);
        grid.row(&["web-01".into(), "running".into(), "ssh,http".into()]);
        grid.row(&["x".into(), "failed".into(), "a\u{1b}[31mb".into()]);
        grid
    }

    #[test]
    fn text_is_aligned_and_escaped() {
        let text = grid().text(false, None);
        assert_eq!(
            text,
            "NAME    STATE    SERVICES\nweb-01  running  ssh,http\nx       failed   a\\x1b[31mb\n"
        );
    }

    #[test]
    fn colour_touches_states_only() {
        let text = grid().text(true, None);
        assert!(text.contains("\u{1b}[32mrunning"), "{text:?}");
        assert!(text.starts_with("NAME"));
    }

    #[test]
    fn csv_quotes_and_defuses() {
        let mut grid = Grid::new(&["NAME", "HELP"]);
        grid.row(&["a,b".into(), "=cmd()".into()]);
        assert_eq!(grid.csv(), "name,help\r\n\"a,b\",'=cmd()\r\n");
    }
}
