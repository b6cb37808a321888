//! Server variables and status.

use super::product::Product;

/// Everything a variable may depend on.
pub(super) struct Host<'a> {
    pub(super) product: &'a Product,
    pub(super) hostname: &'a str,
}

/// Variables with fixed values; `read_only` and its like as a fresh server has them.
const FIXED: &[(&str, &str)] = &[
    ("auto_increment_increment", "1"),
    ("autocommit", "ON"),
    ("basedir", "/usr/"),
    ("bind_address", "0.0.0.0"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_filesystem", "binary"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8mb3"),
    ("character_sets_dir", "/usr/share/mysql/charsets/"),
    ("connect_timeout", "10"),
    ("datadir", "/var/lib/mysql/"),
    ("default_storage_engine", "InnoDB"),
    ("foreign_key_checks", "ON"),
    ("general_log", "OFF"),
    ("have_ssl", "DISABLED"),
    ("init_connect", ""),
    ("innodb_buffer_pool_size", "134217728"),
    ("innodb_file_per_table", "ON"),
    ("interactive_timeout", "28800"),
    ("license", "GPL"),
    ("local_infile", "OFF"),
    ("log_bin", "OFF"),
    ("log_error", "/var/log/mysql/error.log"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "16777216"),
    ("max_connections", "151"),
    ("net_buffer_length", "16384"),
    ("net_write_timeout", "60"),
    ("performance_schema", "OFF"),
    ("pid_file", "/run/mysqld/mysqld.pid"),
    ("plugin_dir", "/usr/lib/mysql/plugin/"),
    ("port", "3306"),
    ("protocol_version", "10"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("read_only", "OFF"),
    ("secure_file_priv", "/var/lib/mysql-files/"),
    ("server_id", "1"),
    ("skip_networking", "OFF"),
    ("slow_query_log", "OFF"),
    ("slow_query_log_file", "/var/log/mysql/mysql-slow.log"),
    ("socket", "/run/mysqld/mysqld.sock"),
    ("sql_mode", "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"),
    ("sql_safe_updates", "OFF"),
    ("sql_select_limit", "18446744073709551615"),
    ("system_time_zone", "UTC"),
    ("time_zone", "SYSTEM"),
    ("tmpdir", "/tmp"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("tx_isolation", "REPEATABLE-READ"),
    ("version_compile_machine", "x86_64"),
    ("wait_timeout", "28800"),
    ("warning_count", "0"),
];

/// All variables by name.
pub(super) fn all(host: &Host<'_>) -> Vec<(String, String)> {
    let product = host.product;
    let collation = if product.sha2 { "utf8mb4_0900_ai_ci" } else { "utf8mb4_general_ci" };
    let hostname = host.hostname;
    let moving = [
        ("collation_connection", collation.to_owned()),
        ("collation_database", collation.to_owned()),
        ("collation_server", collation.to_owned()),
        ("general_log_file", format!("/var/lib/mysql/{hostname}.log")),
        ("hostname", hostname.to_owned()),
        ("version", product.version.clone()),
        ("version_comment", product.comment.to_owned()),
        ("version_compile_os", product.compile_os.to_owned()),
    ];
    let gone: &[&str] =
        if product.sha2 { &["query_cache_size", "query_cache_type", "tx_isolation"] } else { &[] };
    let fixed = FIXED.iter().map(|(n, v)| (*n, (*v).to_owned()));
    let mut list: Vec<(String, String)> = fixed
        .chain(moving)
        .filter(|(name, _)| !gone.contains(name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    list.sort();
    list
}

/// One variable as `@@name` shows it.
pub(super) fn get(host: &Host<'_>, name: &str) -> Option<String> {
    let (_, value) = all(host).into_iter().find(|(n, _)| n == name)?;
    Some(match value.as_str() {
        "ON" => "1".into(),
        "OFF" => "0".into(),
        _ => value,
    })
}

/// What SHOW STATUS and COM_STATISTICS tell.
pub(super) struct Status {
    pub(super) uptime: u64,
    pub(super) questions: u64,
    pub(super) threads: u64,
}

impl Status {
    /// The text of COM_STATISTICS.
    pub(super) fn line(&self) -> String {
        let rate = self.questions.saturating_mul(1000).checked_div(self.uptime.max(1)).unwrap_or(0);
        format!(
            "Uptime: {}  Threads: {}  Questions: {}  Slow queries: 0  Opens: 43  Open tables: 36  Queries per second avg: {}.{:03}",
            self.uptime,
            self.threads,
            self.questions,
            rate / 1000,
            rate % 1000
        )
    }

    /// The rows of SHOW STATUS.
    pub(super) fn rows(&self) -> Vec<(String, String)> {
        [
            ("Aborted_clients", 0),
            ("Connections", self.questions / 9 + 5),
            ("Open_tables", 36),
            ("Queries", self.questions),
            ("Questions", self.questions),
            ("Slow_queries", 0),
            ("Threads_cached", 1),
            ("Threads_connected", self.threads),
            ("Threads_running", 1),
            ("Uptime", self.uptime),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_string()))
        .to_vec()
    }
}
