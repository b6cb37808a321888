//! What the catalogue views show.

use super::token::{Rows, Value};
use crate::decoy::ntlm::Host;
use crate::model::Seed;

/// Databases and logins of a server.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) databases: Vec<String>,
    logins: Vec<String>,
    tables: Vec<String>,
    server: String,
}

const APPLICATIONS: &[(&str, &[&str])] = &[
    ("Inventory", &["Articles", "Stock", "StockMoves", "Suppliers", "Users"]),
    ("CRM", &["Accounts", "Contacts", "Activities", "Offers", "Users"]),
    ("WebShop", &["Customers", "Orders", "OrderLines", "Products", "Payments"]),
    ("Payroll", &["Employees", "Salaries", "BankAccounts", "Departments", "Absences"]),
    ("Ticketing", &["Tickets", "Comments", "Agents", "Queues", "Attachments"]),
    ("TimeTrack", &["Projects", "Bookings", "Employees", "Holidays", "Users"]),
];

impl Data {
    /// Those of a machine; `user` is the account that gets in.
    pub(super) fn new(seed: &Seed, host: &Host, user: &str) -> Self {
        let (name, tables) = seed.pick("mssql/application", APPLICATIONS).copied().unwrap_or(APPLICATIONS[0]);
        let mut databases: Vec<String> =
            ["master", "tempdb", "model", "msdb", name].map(str::to_owned).into();
        if seed.number("mssql/second", 2) == 1 {
            databases.push(format!("{name}_Test"));
        }
        let mut logins = vec!["sa".to_owned()];
        logins.extend(
            [
                "##MS_PolicyTsqlExecutionLogin##",
                "##MS_PolicyEventProcessingLogin##",
                "BUILTIN\\Administrators",
            ]
            .map(str::to_owned),
        );
        if host.system.windows {
            logins.extend(["NT SERVICE\\MSSQLSERVER", "NT SERVICE\\SQLSERVERAGENT"].map(str::to_owned));
        }
        logins.push(format!("{}_app", name.to_lowercase()));
        if !logins.iter().any(|login| login.eq_ignore_ascii_case(user)) {
            logins.push(user.to_owned());
        }
        Self {
            databases,
            logins,
            tables: tables.iter().map(|t| (*t).to_owned()).collect(),
            server: host.computer.clone(),
        }
    }

    /// A view or table with all its columns; none where there is no such object.
    pub(super) fn view(&self, name: &str, database: &str, options: &[(&str, i64, i64)]) -> Option<Rows> {
        let text = |text: &str| Value::Text(text.to_owned());
        let numbered = |names: &[String], first: i64| -> Vec<(i64, String)> {
            (first..).zip(names.iter().cloned()).collect()
        };
        let user = !self.databases.iter().take(4).any(|d| d.eq_ignore_ascii_case(database));
        let tables: &[String] = if user { &self.tables } else { &[] };
        let (columns, rows): (&[&str], Vec<Vec<Value>>) = match name {
            "databases" | "sysdatabases" => (
                if name == "databases" {
                    &["name", "database_id", "state_desc", "recovery_model_desc", "is_trustworthy_on"]
                } else {
                    &["name", "dbid", "status", "filename", "is_trustworthy_on"]
                },
                numbered(&self.databases, 1)
                    .into_iter()
                    .map(|(id, name)| {
                        let model = if id == 2 { "SIMPLE" } else { "FULL" };
                        let trusted = Value::Int(i64::from(id == 4));
                        vec![text(&name), Value::Int(id), text("ONLINE"), text(model), trusted]
                    })
                    .collect(),
            ),
            "server_principals" | "sql_logins" | "syslogins" | "sysxlogins" => (
                &["name", "principal_id", "type", "type_desc", "is_disabled", "sysadmin", "password_hash"],
                numbered(&self.logins, 1)
                    .into_iter()
                    .filter(|(_, login)| name != "sql_logins" || !login.contains('\\'))
                    .map(|(id, login)| {
                        let (kind, description) =
                            if login.contains('\\') { ("U", "WINDOWS_LOGIN") } else { ("S", "SQL_LOGIN") };
                        let id = if id == 1 { 1 } else { 255 + id };
                        let administrator = i64::from(id == 1 || login.contains('\\'));
                        vec![
                            text(&login),
                            Value::Int(id),
                            text(kind),
                            text(description),
                            Value::Int(0),
                            Value::Int(administrator),
                            Value::Null,
                        ]
                    })
                    .collect(),
            ),
            "configurations" | "sysconfigures" => (
                &["name", "value", "value_in_use"],
                options
                    .iter()
                    .map(|(name, value, running)| vec![text(name), Value::Int(*value), Value::Int(*running)])
                    .collect(),
            ),
            "tables" | "sysobjects" | "objects" => (
                &["name", "object_id", "type", "table_catalog", "table_schema", "table_name", "table_type"],
                numbered(tables, 245_575_913)
                    .into_iter()
                    .map(|(id, name)| {
                        vec![
                            text(&name),
                            Value::Int(id),
                            text("U"),
                            text(database),
                            text("dbo"),
                            text(&name),
                            text("BASE TABLE"),
                        ]
                    })
                    .collect(),
            ),
            "servers" | "sysservers" => (
                &["name", "server_id", "srvname", "is_linked"],
                vec![vec![text(&self.server), Value::Int(0), text(&self.server), Value::Int(0)]],
            ),
            "database_principals" | "sysusers" => (
                &["name", "principal_id", "type", "type_desc"],
                ["public", "dbo", "guest", "INFORMATION_SCHEMA", "sys"]
                    .iter()
                    .zip(0..)
                    .map(|(name, id)| vec![text(name), Value::Int(id), text("S"), text("SQL_USER")])
                    .collect(),
            ),
            "dm_exec_sessions" | "sysprocesses" | "dm_exec_connections" | "columns" | "procedures" => {
                (&["name", "session_id"], Vec::new())
            }
            _ if tables.iter().any(|table| table.eq_ignore_ascii_case(name)) => {
                (&["Id", "Name", "CreatedAt"], Vec::new())
            }
            _ => return None,
        };
        Some(Rows { columns: columns.iter().map(|c| (*c).to_owned()).collect(), rows })
    }
}
