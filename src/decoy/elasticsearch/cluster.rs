//! The cluster and its one node.

use serde_json::{Value, json};

use super::{Ask, Node, Reply, no_index};
use crate::decoy::vfs::now;
use crate::event::Kind;

impl Node {
    pub(super) fn cluster(&self, ask: &Ask<'_>, method: &str, parts: &[&str]) -> Option<Reply> {
        Some(match (method, parts) {
            ("GET", ["_cluster", "health"]) => Reply::Json(200, self.health()),
            ("GET", ["_cluster", "health", name]) if self.store().resolve(name).is_empty() => no_index(name),
            ("GET", ["_cluster", "health", _]) => Reply::Json(200, self.health()),
            ("GET", ["_cluster", "stats", ..]) => Reply::Json(200, self.stats()),
            ("GET", ["_cluster", "state", ..]) => Reply::Json(200, self.state()),
            ("GET", ["_cluster", "settings"]) => Reply::Json(200, json!({"persistent": {}, "transient": {}})),
            ("PUT", ["_cluster", "settings"]) => {
                let given = match ask.json() {
                    Ok(given) => given,
                    Err(reply) => return Some(reply),
                };
                ask.record
                    .event(Kind::Command, "cluster_settings")
                    .bytes("elasticsearch.body", ask.body)
                    .emit();
                let part = |key: &str| given.get(key).cloned().unwrap_or_else(|| json!({}));
                Reply::Json(
                    200,
                    json!({"acknowledged": true, "persistent": part("persistent"), "transient": part("transient")}),
                )
            }
            ("GET", ["_cluster", "pending_tasks"]) => Reply::Json(200, json!({"tasks": []})),
            ("GET", ["_nodes", rest @ ..]) if rest.contains(&"stats") => Reply::Json(200, self.nodes(true)),
            ("GET", ["_nodes", ..]) => Reply::Json(200, self.nodes(false)),
            ("GET", ["_license"]) => Reply::Json(
                200,
                json!({"license": {"status": "active", "uid": crate::decoy::elasticsearch::store::uuid(&self.seed, "license"),
                "type": "basic", "issue_date_in_millis": self.persona.born.saturating_mul(1000), "max_nodes": 1000, "max_resource_units": null,
                "issued_to": self.cluster, "issuer": "elasticsearch", "start_date_in_millis": -1}}),
            ),
            ("GET", ["_xpack", ..]) => Reply::Json(
                200,
                json!({"build": {"hash": self.build.1, "date": self.build.2},
                "license": {"uid": "", "type": "basic", "mode": "basic", "status": "active"},
                "features": {"security": {"available": true, "enabled": false}, "ml": {"available": false, "enabled": true}, "sql": {"available": true, "enabled": true}}}),
            ),
            ("GET" | "POST" | "PUT" | "DELETE", ["_security", ..]) => {
                let uri = String::from_utf8_lossy(&ask.request.line.target).into_owned();
                Reply::Json(
                    400,
                    json!({"error": format!("no handler found for uri [{uri}] and method [{}]", ask.request.method())}),
                )
            }
            ("GET", ["_snapshot" | "_ilm" | "_ingest" | "_remote", ..]) => Reply::Json(200, json!({})),
            ("PUT" | "POST", ["_snapshot", ..]) => {
                ask.record.event(Kind::Command, "snapshot").bytes("elasticsearch.body", ask.body).emit();
                let name = parts.get(1).copied().unwrap_or_default();
                let reason = format!(
                    "[{name}] location is not allowed: it doesn't match any of the locations specified by path.repo because this setting is empty"
                );
                super::error(500, "repository_exception", &reason, &[])
            }
            ("GET", ["_tasks", ..]) => Reply::Json(200, json!({"nodes": {}})),
            _ => return None,
        })
    }

    fn health(&self) -> Value {
        let store = self.store();
        let shards = store.indices.len();
        let missing = store.indices.values().filter(|i| i.replicas > 0).count();
        let all = shards.saturating_add(missing);
        let percent = if all == 0 { 100.0 } else { shards as f64 * 100.0 / all as f64 };
        json!({"cluster_name": self.cluster, "status": if missing > 0 { "yellow" } else { "green" }, "timed_out": false, "number_of_nodes": 1,
            "number_of_data_nodes": 1, "active_primary_shards": shards, "active_shards": shards, "relocating_shards": 0, "initializing_shards": 0,
            "unassigned_shards": missing, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": percent})
    }

    fn stats(&self) -> Value {
        let store = self.store();
        let count: u64 = store.indices.values().map(super::store::Index::count).sum();
        let bytes: u64 = store.indices.values().map(super::store::Index::size).sum();
        json!({"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": self.cluster,
            "cluster_uuid": super::store::uuid(&self.seed, "cluster"), "timestamp": now().saturating_mul(1000), "status": "yellow",
            "indices": {"count": store.indices.len(), "shards": {"total": store.indices.len(), "primaries": store.indices.len(), "replication": 0.0},
                "docs": {"count": count, "deleted": 0}, "store": {"size_in_bytes": bytes}},
            "nodes": {"count": {"total": 1, "data": 1, "master": 1, "ingest": 1}, "versions": [self.number],
                "os": {"available_processors": self.machine().cpus, "allocated_processors": self.machine().cpus,
                    "names": [{"name": "Linux", "count": 1}], "pretty_names": [{"pretty_name": self.machine().distro.pretty, "count": 1}]}}})
    }

    fn state(&self) -> Value {
        let id = self.node_id();
        let store = self.store();
        let indices: serde_json::Map<String, Value> = store
            .indices
            .iter()
            .map(|(name, index)| {
                (name.clone(), json!({"state": "open", "mappings": {"_doc": index.mappings}, "aliases": []}))
            })
            .collect();
        json!({"cluster_name": self.cluster, "cluster_uuid": super::store::uuid(&self.seed, "cluster"), "version": 120 + store.indices.len(),
            "state_uuid": super::store::uuid(&self.seed, "state"), "master_node": id, "blocks": {}, "nodes": {&id: self.short_node()},
            "metadata": {"cluster_uuid": super::store::uuid(&self.seed, "cluster"), "templates": {}, "indices": indices}})
    }

    fn short_node(&self) -> Value {
        json!({"name": self.persona.hostname, "ephemeral_id": super::store::uuid(&self.seed, "ephemeral"),
            "transport_address": format!("{}:9300", self.persona.ip), "attributes": {"xpack.installed": "true", "transform.node": "true"}})
    }

    fn nodes(&self, stats: bool) -> Value {
        let machine = self.machine();
        let ip = self.persona.ip.to_string();
        let roles = [
            "data",
            "data_cold",
            "data_content",
            "data_frozen",
            "data_hot",
            "data_warm",
            "ingest",
            "master",
            "ml",
            "remote_cluster_client",
            "transform",
        ];
        let heap = (machine.memory_kib / 2).saturating_mul(1024);
        let started = self.started();
        let node = if stats {
            let disk = machine.disk_kib.saturating_mul(1024);
            json!({"timestamp": now().saturating_mul(1000), "name": self.persona.hostname, "transport_address": format!("{ip}:9300"), "host": ip,
                "ip": format!("{ip}:9300"), "roles": roles,
                "os": {"timestamp": now().saturating_mul(1000), "cpu": {"percent": self.wave("cpu", 1, 9).parse::<u64>().unwrap_or(2)},
                    "mem": {"total_in_bytes": machine.memory_kib.saturating_mul(1024)}},
                "jvm": {"uptime_in_millis": now().saturating_sub(started).saturating_mul(1000),
                    "mem": {"heap_used_percent": self.wave("heap", 35, 30).parse::<u64>().unwrap_or(40), "heap_max_in_bytes": heap}},
                "fs": {"total": {"total_in_bytes": disk, "free_in_bytes": disk / 100 * 59, "available_in_bytes": disk / 100 * 59}}})
        } else {
            let java = if self.modern() { "25.0.2" } else { "22.0.2" };
            json!({"name": self.persona.hostname, "transport_address": format!("{ip}:9300"), "host": ip, "ip": ip, "version": self.number,
                "build_flavor": "default", "build_type": self.package(), "build_hash": self.build.1, "roles": roles,
                "attributes": {"xpack.installed": "true", "transform.node": "true"},
                "settings": {"cluster": {"name": self.cluster}, "node": {"name": self.persona.hostname}, "path": {"data": "/var/lib/elasticsearch", "logs": "/var/log/elasticsearch", "home": "/usr/share/elasticsearch"},
                    "network": {"host": "0.0.0.0"}, "discovery": {"type": "single-node"}, "xpack": {"security": {"enabled": "false"}}},
                "os": {"refresh_interval_in_millis": 1000, "name": "Linux", "pretty_name": machine.distro.pretty, "arch": "amd64",
                    "version": machine.distro.kernel, "available_processors": machine.cpus, "allocated_processors": machine.cpus},
                "process": {"refresh_interval_in_millis": 1000, "id": 700 + self.seed.number("pid", 900), "mlockall": false},
                "jvm": {"pid": 700 + self.seed.number("pid", 900), "version": java, "vm_name": "OpenJDK 64-Bit Server VM", "vm_vendor": "Oracle Corporation",
                    "bundled_jdk": true, "using_bundled_jdk": true, "start_time_in_millis": started.saturating_mul(1000), "mem": {"heap_init_in_bytes": heap, "heap_max_in_bytes": heap}},
                "http": {"bound_address": ["[::]:9200"], "publish_address": format!("{ip}:9200"), "max_content_length_in_bytes": 104_857_600},
                "plugins": []})
        };
        json!({"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": self.cluster, "nodes": {self.node_id(): node}})
    }
}
