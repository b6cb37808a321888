//! `_cat`: tables for people.

use super::json::{Column, size, table, table_json};
use super::{Ask, Node, Reply, no_index};
use crate::decoy::vfs::now;

const ALL: &[&str] = &[
    "allocation",
    "shards",
    "shards/{index}",
    "master",
    "nodes",
    "tasks",
    "indices",
    "indices/{index}",
    "segments",
    "segments/{index}",
    "count",
    "count/{index}",
    "recovery",
    "recovery/{index}",
    "health",
    "pending_tasks",
    "aliases",
    "aliases/{alias}",
    "thread_pool",
    "thread_pool/{thread_pools}",
    "plugins",
    "fielddata",
    "fielddata/{fields}",
    "nodeattrs",
    "repositories",
    "snapshots/{repository}",
    "templates",
];

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| (*c).to_owned()).collect()
}

impl Node {
    pub(super) fn cat(&self, ask: &Ask<'_>, parts: &[&str]) -> Option<Reply> {
        let which = parts.get(2).copied().unwrap_or("_all");
        let Some(kind) = parts.get(1) else {
            return Some(Reply::Text(
                std::iter::once("=^.^=".to_owned())
                    .chain(ALL.iter().map(|p| format!("/_cat/{p}")))
                    .map(|l| l + "\n")
                    .collect(),
            ));
        };
        let names = self.store().resolve(which);
        if names.is_empty()
            && parts.len() > 2
            && !which.contains('*')
            && matches!(*kind, "indices" | "count" | "shards")
        {
            return Some(no_index(which));
        }
        let (columns, rows): (&[Column], Vec<Vec<String>>) = match *kind {
            "indices" => (
                &[
                    ("health", false),
                    ("status", false),
                    ("index", false),
                    ("uuid", false),
                    ("pri", true),
                    ("rep", true),
                    ("docs.count", true),
                    ("docs.deleted", true),
                    ("store.size", true),
                    ("pri.store.size", true),
                ],
                self.index_rows(&names),
            ),
            "health" => {
                let time = jiff::Timestamp::now();
                let shards = self.store().indices.len();
                let missing = self.store().indices.values().filter(|i| i.replicas > 0).count();
                let percent =
                    shards.saturating_mul(1000).checked_div(shards.saturating_add(missing)).unwrap_or(1000);
                let state = if missing > 0 { "yellow" } else { "green" };
                let shards = shards.to_string();
                let cells = [
                    &time.as_second().to_string(),
                    &time.strftime("%H:%M:%S").to_string(),
                    &self.cluster,
                    state,
                    "1",
                    "1",
                    &shards,
                    &shards,
                    "0",
                    "0",
                    &missing.to_string(),
                    "0",
                    "-",
                    &format!("{}.{}%", percent / 10, percent % 10),
                ];
                (
                    &[
                        ("epoch", false),
                        ("timestamp", false),
                        ("cluster", false),
                        ("status", false),
                        ("node.total", true),
                        ("node.data", true),
                        ("shards", true),
                        ("pri", true),
                        ("relo", true),
                        ("init", true),
                        ("unassign", true),
                        ("pending_tasks", true),
                        ("max_task_wait_time", true),
                        ("active_shards_percent", true),
                    ],
                    vec![row(&cells)],
                )
            }
            "nodes" => (
                &[
                    ("ip", false),
                    ("heap.percent", true),
                    ("ram.percent", true),
                    ("cpu", true),
                    ("load_1m", true),
                    ("load_5m", true),
                    ("load_15m", true),
                    ("node.role", false),
                    ("master", false),
                    ("name", false),
                ],
                vec![row(&[
                    &self.persona.ip.to_string(),
                    &self.wave("heap", 35, 30),
                    &self.wave("ram", 80, 15),
                    &self.wave("cpu", 1, 9),
                    "0.08",
                    "0.11",
                    "0.09",
                    "cdfhilmrstw",
                    "*",
                    &self.persona.hostname,
                ])],
            ),
            "master" => (
                &[("id", false), ("host", false), ("ip", false), ("node", false)],
                vec![row(&[
                    &self.node_id(),
                    &self.persona.ip.to_string(),
                    &self.persona.ip.to_string(),
                    &self.persona.hostname,
                ])],
            ),
            "shards" => {
                let store = self.store();
                let ip = self.persona.ip.to_string();
                let mut rows = Vec::new();
                for (name, index) in names.iter().filter_map(|n| Some((n, store.indices.get(n)?))) {
                    rows.push(row(&[
                        name,
                        "0",
                        "p",
                        "STARTED",
                        &index.count().to_string(),
                        &size(index.size()),
                        &ip,
                        &self.persona.hostname,
                    ]));
                    if index.replicas > 0 {
                        rows.push(row(&[name, "0", "r", "UNASSIGNED", "", "", "", ""]));
                    }
                }
                (
                    &[
                        ("index", false),
                        ("shard", false),
                        ("prirep", false),
                        ("state", false),
                        ("docs", true),
                        ("store", true),
                        ("ip", false),
                        ("node", false),
                    ],
                    rows,
                )
            }
            "count" => {
                let store = self.store();
                let count: u64 =
                    names.iter().filter_map(|n| store.indices.get(n)).map(super::store::Index::count).sum();
                let time = jiff::Timestamp::now();
                (
                    &[("epoch", false), ("timestamp", false), ("count", true)],
                    vec![row(&[
                        &time.as_second().to_string(),
                        &time.strftime("%H:%M:%S").to_string(),
                        &count.to_string(),
                    ])],
                )
            }
            "allocation" => {
                let disk = self.machine().disk_kib.saturating_mul(1024);
                let used = disk / 100 * 41;
                let store = self.store();
                let held: u64 = store.indices.values().map(super::store::Index::size).sum();
                let ip = self.persona.ip.to_string();
                (
                    &[
                        ("shards", true),
                        ("disk.indices", true),
                        ("disk.used", true),
                        ("disk.avail", true),
                        ("disk.total", true),
                        ("disk.percent", true),
                        ("host", false),
                        ("ip", false),
                        ("node", false),
                    ],
                    vec![row(&[
                        &store.indices.len().to_string(),
                        &size(held),
                        &size(used),
                        &size(disk - used),
                        &size(disk),
                        "41",
                        &ip,
                        &ip,
                        &self.persona.hostname,
                    ])],
                )
            }
            "aliases" => (
                &[
                    ("alias", false),
                    ("index", false),
                    ("filter", false),
                    ("routing.index", false),
                    ("routing.search", false),
                    ("is_write_index", false),
                ],
                Vec::new(),
            ),
            "plugins" => (&[("name", false), ("component", false), ("version", false)], Vec::new()),
            "templates" => (
                &[
                    ("name", false),
                    ("index_patterns", false),
                    ("order", true),
                    ("version", true),
                    ("composed_of", false),
                ],
                vec![
                    row(&[
                        "logs",
                        "[logs-*-*]",
                        "100",
                        "1",
                        "[logs-mappings, data-streams-mappings, logs-settings]",
                    ]),
                    row(&[
                        "metrics",
                        "[metrics-*-*]",
                        "100",
                        "1",
                        "[metrics-mappings, data-streams-mappings, metrics-settings]",
                    ]),
                ],
            ),
            "pending_tasks" | "tasks" | "segments" | "recovery" | "thread_pool" | "fielddata"
            | "nodeattrs" | "repositories" | "snapshots" => (&[], Vec::new()),
            _ => return None,
        };
        Some(self.shown(ask, columns, &rows))
    }

    fn shown(&self, ask: &Ask<'_>, columns: &[Column], rows: &[Vec<String>]) -> Reply {
        let wanted: Vec<usize> = match ask.request.query("h") {
            Some(list) => list
                .split(',')
                .filter_map(|h| columns.iter().position(|c| c.0 == h.trim() || alias(c.0) == h.trim()))
                .collect(),
            None => (0..columns.len()).collect(),
        };
        let columns: Vec<Column> = wanted.iter().filter_map(|at| columns.get(*at).copied()).collect();
        let pick =
            |row: &Vec<String>| wanted.iter().filter_map(|at| row.get(*at).cloned()).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = rows.iter().map(pick).collect();
        let json = ask.request.query("format").is_some_and(|f| f == "json")
            || ask.request.text("accept").is_some_and(|a| a.starts_with("application/json"));
        if json {
            return Reply::Json(200, table_json(&columns, &rows));
        }
        Reply::Text(table(&columns, &rows, ask.request.query("v").is_some_and(|v| v != "false")))
    }

    fn index_rows(&self, names: &[String]) -> Vec<Vec<String>> {
        let store = self.store();
        let each = |name: &String| {
            let index = store.indices.get(name)?;
            let health = if index.replicas > 0 { "yellow" } else { "green" };
            let size = size(index.size());
            Some(row(&[
                health,
                "open",
                name,
                &index.uuid,
                &index.shards.to_string(),
                &index.replicas.to_string(),
                &index.count().to_string(),
                "0",
                &size,
                &size,
            ]))
        };
        names.iter().filter_map(each).collect()
    }

    /// A figure that moves a little with the minutes.
    pub(super) fn wave(&self, label: &str, least: u64, span: u64) -> String {
        let minute = now().div_euclid(60);
        (least + self.seed.number(&format!("{label}/{minute}"), span)).to_string()
    }
}

/// The short name of a column.
fn alias(name: &str) -> &str {
    match name {
        "index" => "i",
        "docs.count" => "dc",
        "store.size" => "ss",
        "health" => "h",
        "status" => "s",
        other => other,
    }
}
