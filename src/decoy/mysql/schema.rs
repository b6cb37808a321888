//! The databases a machine's server holds: a small application of its own, drawn from the seed.

use base64::Engine as _;

use super::result::{Column, Type};
use crate::model::Seed;

/// Most databases, tables of one, and rows of one that a session can make.
pub(super) const LIMITS: (usize, usize, usize) = (32, 64, 200);

/// A database.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, &'static str)>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    fn new(name: &str, columns: &[(&str, &'static str)]) -> Self {
        let columns = columns.iter().map(|(n, t)| ((*n).to_owned(), *t)).collect();
        Self { name: name.to_owned(), columns, rows: Vec::new() }
    }

    /// The columns as a result set shows them.
    pub(super) fn shown(&self, database: &str) -> Vec<Column> {
        let from = (database.to_owned(), self.name.clone());
        let column = |(at, (name, sql)): (usize, &(String, &'static str))| Column {
            name: name.clone(),
            from: from.clone(),
            kind: match *sql {
                t if t.starts_with("int") || t.starts_with("tinyint") => Type::Int,
                t if t.starts_with("decimal") => Type::Decimal,
                "datetime" => Type::Datetime,
                _ => Type::Text,
            },
            primary: at == 0 && sql.starts_with("int"),
        };
        self.columns.iter().enumerate().map(column).collect()
    }
}

const FIRST: &[&str] =
    &["anna", "martin", "julia", "peter", "sofia", "david", "laura", "thomas", "nina", "paul", "eva", "karl"];
const LAST: &[&str] =
    &["koch", "meyer", "novak", "silva", "berg", "weber", "rossi", "dubois", "larsen", "moreau"];

/// All databases, those of the system included, in the order SHOW DATABASES has.
pub(super) fn build(seed: &Seed, born: i64) -> Vec<Database> {
    let apps = ["shop", "crm", "intranet", "billing", "webapp", "portal"];
    let app = seed.pick("mysql/app", &apps).copied().unwrap_or("shop");
    let mut databases = vec![
        Database { name: app.to_owned(), tables: application(seed, app, born) },
        Database { name: "information_schema".into(), tables: Vec::new() },
        Database { name: "mysql".into(), tables: vec![Table::new("db", &[]), Table::new("user", &[])] },
        Database { name: "performance_schema".into(), tables: Vec::new() },
        Database { name: "sys".into(), tables: Vec::new() },
    ];
    databases.sort_by(|a, b| a.name.cmp(&b.name));
    databases
}

fn application(seed: &Seed, app: &str, born: i64) -> Vec<Table> {
    let number = |label: &str, bound: u64| seed.number(label, bound);
    let word =
        |label: &str, words: &'static [&'static str]| seed.pick(label, words).copied().unwrap_or_default();
    let date = |label: &str| {
        let second = born.saturating_add(i64::try_from(number(label, 20 * 86_400)).unwrap_or(0));
        let shown = jiff::Timestamp::from_second(second).map(|t| t.to_string()).unwrap_or_default();
        Some(shown.replace('T', " ").trim_end_matches('Z').to_owned())
    };
    let mut users = Table::new(
        "users",
        &[
            ("id", "int(11)"),
            ("username", "varchar(64)"),
            ("email", "varchar(255)"),
            ("password", "varchar(255)"),
            ("role", "varchar(16)"),
            ("created_at", "datetime"),
        ],
    );
    for n in 1..=5 + number("mysql/users", 12) {
        let label = format!("mysql/user/{n}");
        let (first, last) = (word(&format!("{label}/first"), FIRST), word(&format!("{label}/last"), LAST));
        let login = if n == 1 { "admin".to_owned() } else { format!("{first}.{last}") };
        let drawn = [seed.derive(&label), seed.derive(&format!("{label}/salt"))].concat();
        // The shape of a bcrypt hash, whose alphabet has a dot for the plus.
        let hash = base64::engine::general_purpose::STANDARD.encode(drawn).replace('+', ".");
        let hash = format!("$2y$10${}", hash.get(..53).unwrap_or_default());
        users.rows.push(vec![
            Some(n.to_string()),
            Some(login.clone()),
            Some(format!("{login}@{app}.local")),
            Some(hash),
            Some(if n == 1 { "admin" } else { "user" }.to_owned()),
            date(&label),
        ]);
    }
    let mut orders = Table::new(
        "orders",
        &[
            ("id", "int(11)"),
            ("user_id", "int(11)"),
            ("total", "decimal(10,2)"),
            ("status", "varchar(16)"),
            ("created_at", "datetime"),
        ],
    );
    let base = 1000 + number("mysql/order", 40_000);
    for n in 0..6 + number("mysql/orders", 14) {
        let label = format!("mysql/order/{n}");
        orders.rows.push(vec![
            Some((base + n).to_string()),
            Some((1 + number(&format!("{label}/user"), users.rows.len() as u64)).to_string()),
            Some(format!("{}.{:02}", 9 + number(&label, 700), number(&format!("{label}/cent"), 100))),
            Some(word(&format!("{label}/status"), &["paid", "shipped", "open", "cancelled"]).to_owned()),
            date(&label),
        ]);
    }
    let mut settings = Table::new("settings", &[("name", "varchar(64)"), ("value", "varchar(255)")]);
    for (name, value) in [
        ("site_name", app.to_owned()),
        ("maintenance", "0".to_owned()),
        ("smtp_host", "mail.internal".to_owned()),
        ("schema_version", (20 + number("mysql/schema", 90)).to_string()),
        ("backup_dir", format!("/var/backups/{app}")),
    ] {
        settings.rows.push(vec![Some(name.to_owned()), Some(value)]);
    }
    vec![orders, settings, users]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_its_own_application() {
        let databases = build(&Seed::new([3; 32]), 1_750_000_000);
        assert_eq!(databases.len(), 5);
        let app = databases.iter().find(|d| d.tables.len() == 3).unwrap();
        for table in &app.tables {
            assert!((5..=20).contains(&table.rows.len()), "{}", table.name);
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
        }
        let other = build(&Seed::new([4; 32]), 1_750_000_000);
        assert_ne!(format!("{other:?}"), format!("{databases:?}"));
    }
}
