//! What a session says of itself and of the server: functions without a table, and parameters.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::value::Value;
use super::wire::Error;
use crate::decoy::uptime;

impl Engine<'_> {
    /// Now, as the server writes it.
    pub(super) fn now(&self) -> String {
        let now = jiff::Timestamp::now();
        let whole = now.to_string();
        let date = whole.get(..19).unwrap_or_default().replace('T', " ");
        format!("{date}.{:06}+00", now.subsec_microsecond() + i32::from(now.subsec_microsecond() == 0))
    }

    /// What functions without arguments say of the session and the server.
    pub(super) fn about(&self, name: &str, first: &str) -> Option<Value> {
        let context = &self.context;
        let shown = |second: i64, fraction: &str| {
            let at = jiff::Timestamp::from_second(second).map(|t| t.to_string()).unwrap_or_default();
            Value::Text(format!("{}.{fraction}+00", at.replace('T', " ").trim_end_matches('Z')))
        };
        Some(match name {
            "version" => Value::text(context.product.full.clone()),
            "current_user" | "session_user" | "user" | "current_role" => Value::text(context.user.clone()),
            "current_database" | "current_catalog" => Value::text(context.database.clone()),
            "current_schema" => Value::text("public"),
            "current_schemas" => Value::text(if first == "t" { "{pg_catalog,public}" } else { "{public}" }),
            "current_query" => Value::text(self.statement.clone()),
            "pg_backend_pid" => Value::Int(i64::from(context.pid)),
            "inet_server_addr" => Value::Text(context.persona.ip.to_string()),
            "inet_server_port" => Value::Int(5432),
            "inet_client_addr" => Value::Text(context.peer.ip().to_string()),
            "inet_client_port" => Value::Int(i64::from(context.peer.port())),
            "getdatabaseencoding" | "pg_client_encoding" => Value::text("UTF8"),
            "now"
            | "current_timestamp"
            | "clock_timestamp"
            | "statement_timestamp"
            | "transaction_timestamp"
            | "localtimestamp" => Value::Text(self.now()),
            "current_date" => Value::text(self.now().get(..10).unwrap_or_default()),
            "current_time" => Value::text(self.now().get(11..).unwrap_or_default()),
            "pg_postmaster_start_time" | "pg_conf_load_time" => {
                let now = jiff::Timestamp::now().as_second();
                let fraction = self.context.persona.seed.number("postgres/started", 899_999) + 100_000;
                shown(uptime::booted(self.context.persona, now).saturating_add(9), &fraction.to_string())
            }
            _ => return None,
        })
    }

    /// The name of a role.
    pub(super) fn role_name(&self, oid: i64) -> String {
        if oid == 6171 {
            return "pg_database_owner".into();
        }
        let found = self.roles.iter().find(|r| r.oid == oid);
        found.map_or_else(|| format!("unknown (OID={oid})"), |r| r.name.clone())
    }

    /// The error for a parameter that does not exist.
    pub(super) fn no_parameter(name: &str) -> Error {
        let text = format!("unrecognized configuration parameter \"{name}\"");
        Error::new("42704", text, ("guc.c", 5766, "find_option"))
    }

    /// All parameters that are shown.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let product = self.context.product;
        let config = match (product.windows, product.data.starts_with("/var/lib/postgresql/") && product.tls)
        {
            (false, true) => format!("/etc/postgresql/{}/main", product.major),
            _ => product.data.clone(),
        };
        let version = product.shown.split(' ').next().unwrap_or_default();
        let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0u32));
        let number = parts.next().unwrap_or(0) * 10_000 + parts.next().unwrap_or(0);
        let moving = [
            ("application_name", self.context.application.clone()),
            ("cluster_name", if product.tls { format!("{}/main", product.major) } else { String::new() }),
            ("config_file", format!("{config}/postgresql.conf")),
            ("data_directory", product.data.clone()),
            ("hba_file", format!("{config}/pg_hba.conf")),
            ("ident_file", format!("{config}/pg_ident.conf")),
            ("is_superuser", if self.superuser() { "on" } else { "off" }.to_owned()),
            ("password_encryption", if product.scram() { "scram-sha-256" } else { "md5" }.to_owned()),
            ("server_version", product.shown.clone()),
            ("server_version_num", number.to_string()),
            ("session_authorization", self.context.user.clone()),
            ("ssl", if product.tls { "on" } else { "off" }.to_owned()),
        ];
        let mut all: BTreeMap<String, String> = PARAMETERS
            .lines()
            .filter_map(|l| l.split_once(" ="))
            .map(|(n, v)| (n.to_owned(), v.trim_start().to_owned()))
            .collect();
        all.extend(moving.into_iter().map(|(n, v)| (n.to_owned(), v)));
        all.extend(self.settings.clone());
        let mut all: Vec<(String, String)> = all.into_iter().collect();
        all.sort_by_key(|(name, _)| name.to_lowercase());
        all
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sets a parameter.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let known = self.parameters().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        // Names with a dot are anybody's.
        let name = match known {
            Some((name, _)) => name,
            None if name.contains('.') && self.settings.len() < 64 => name.to_owned(),
            None => return Err(Self::no_parameter(name)),
        };
        if [
            "server_version",
            "data_directory",
            "config_file",
            "server_encoding",
            "is_superuser",
            "integer_datetimes",
        ]
        .contains(&name.as_str())
        {
            let text = format!("parameter \"{name}\" cannot be changed");
            return Err(Error::new("55P02", text, ("guc.c", 7405, "set_config_option_ext")));
        }
        self.settings.insert(name, value.chars().take(1024).collect());
        Ok(())
    }

    fn superuser(&self) -> bool {
        self.roles.iter().any(|r| r.name == self.context.user && r.superuser)
    }
}

/// Parameters with fixed values.
const PARAMETERS: &str = r#"
DateStyle = ISO, MDY
IntervalStyle = postgres
TimeZone = Etc/UTC
archive_mode = off
autovacuum = on
block_size = 8192
bytea_output = hex
client_encoding = UTF8
client_min_messages = notice
default_tablespace = 
default_transaction_isolation = read committed
default_transaction_read_only = off
dynamic_library_path = $libdir
extra_float_digits = 1
fsync = on
in_hot_standby = off
idle_in_transaction_session_timeout = 0
integer_datetimes = on
jit = on
lc_collate = C.UTF-8
lc_ctype = C.UTF-8
lc_messages = C.UTF-8
lc_monetary = C.UTF-8
lc_numeric = C.UTF-8
lc_time = C.UTF-8
listen_addresses = *
lock_timeout = 0
log_directory = log
log_min_messages = warning
log_statement = none
logging_collector = off
maintenance_work_mem = 64MB
max_connections = 100
max_wal_size = 1GB
port = 5432
row_security = on
scram_iterations = 4096
search_path = "$user", public
server_encoding = UTF8
session_preload_libraries = 
shared_buffers = 128MB
shared_preload_libraries = 
standard_conforming_strings = on
statement_timeout = 0
synchronous_commit = on
temp_buffers = 8MB
transaction_isolation = read committed
transaction_read_only = off
unix_socket_directories = /var/run/postgresql
wal_level = replica
work_mem = 4MB
zero_damaged_pages = off
default_text_search_config = pg_catalog.english
ssl_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
ssl_key_file = /etc/ssl/private/ssl-cert-snakeoil.key
ssl_passphrase_command = 
archive_command = 
local_preload_libraries = 
event_source = PostgreSQL
jit_provider = llvmjit
allow_system_table_mods = off
check_function_bodies = on
default_table_access_method = heap
enable_seqscan = on
escape_string_warning = on
lo_compat_privileges = off
xmloption = content
vacuum_cost_delay = 0
commit_delay = 0
geqo = on
"#;
