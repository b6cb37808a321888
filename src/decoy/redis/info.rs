//! INFO: every section a release shows, in its order.

use super::keyspace::Keyspace;
use super::profile::Profile;
use crate::model::Seed;

/// Sections and fields with the release that brought each; `{name}` is filled in.
const TEMPLATE: &str = include_str!("info.txt");

/// Memory an idle server of release 7.0 takes, in bytes.
const STARTUP: u64 = 876_256;

/// Everything that moves.
pub(super) struct Facts<'a> {
    pub(super) profile: &'a Profile,
    pub(super) seed: &'a Seed,
    pub(super) keys: &'a Keyspace,
    /// Microseconds since 1970.
    pub(super) now_usec: i64,
    /// Seconds since 1970.
    pub(super) started: i64,
    pub(super) last_save: i64,
    /// Open connections, with this one.
    pub(super) clients: u64,
    /// Connections, commands and errors since the worker started.
    pub(super) seen: [u64; 3],
    /// Host and port of the master it was told to follow.
    pub(super) master: Option<&'a (String, u16)>,
    pub(super) maxmemory: u64,
    pub(super) maxmemory_policy: &'a str,
    pub(super) errorstats: String,
}

/// The text for the asked sections; none means the default ones.
pub(super) fn render(facts: &Facts<'_>, sections: &[Vec<u8>]) -> String {
    let values = values(facts);
    let wanted = |name: &str| {
        let usual = |w: &[u8]| matches!(w, b"default" | b"all" | b"everything");
        sections.is_empty()
            || sections.iter().map(|s| s.to_ascii_lowercase()).any(|s| usual(&s) || s == name.as_bytes())
    };
    let mut out = String::new();
    for block in TEMPLATE.trim_end().split("\n\n") {
        let mut lines = block.lines();
        let title = lines.next().unwrap_or_default();
        let name = title.trim_start_matches("# ").to_ascii_lowercase();
        let shown = match name.as_str() {
            "modules" => facts.profile.since(6, 0),
            "errorstats" => facts.profile.since(6, 2),
            _ => true,
        };
        if !shown || !wanted(&name) {
            continue;
        }
        if !out.is_empty() {
            out.push_str("\r\n");
        }
        out.push_str(title);
        out.push_str("\r\n");
        for line in lines {
            let (gate, text) =
                if line.starts_with('{') { ("-", line) } else { line.split_once(' ').unwrap_or(("-", line)) };
            let open = match gate {
                "-" => true,
                "valkey" => facts.profile.valkey.is_some(),
                "redis" => facts.profile.valkey.is_none(),
                release => facts.profile.series >= super::profile::series(release),
            };
            if open {
                fill(text, &values, &mut out);
            }
        }
    }
    out
}

/// Appends a line with its `{name}` filled in; a value that is whole lines brings its own breaks.
fn fill(text: &str, values: &[(&str, String)], out: &mut String) {
    let Some((before, rest)) = text.split_once('{') else {
        out.push_str(text);
        out.push_str("\r\n");
        return;
    };
    let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
    let value = values.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str());
    if before.is_empty() {
        out.push_str(value);
        return;
    }
    out.push_str(before);
    out.push_str(value);
    out.push_str(after);
    out.push_str("\r\n");
}

/// Bytes as Redis shows them (`895.53K`).
fn human(bytes: u64) -> String {
    let units = [(30u32, "G"), (20, "M"), (10, "K")];
    for (shift, unit) in units {
        if bytes >= 1 << shift {
            return format!("{:.2}{unit}", bytes as f64 / f64::from(1u32 << shift));
        }
    }
    format!("{bytes}B")
}

fn values(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let (profile, seed) = (facts.profile, facts.seed);
    let secs = facts.now_usec / 1_000_000;
    let uptime = u64::try_from(secs.saturating_sub(facts.started)).unwrap_or(0);
    let draw = |label: &str, low: u64, high: u64| low + seed.number(label, high - low);
    let hex = |label: &str, digits: usize| {
        let text = hex::encode(seed.derive(label));
        text.get(..digits).unwrap_or_default().to_owned()
    };
    let mib = [1987, 3921, 7941, 15_988];
    let system = seed.pick("redis/ram", &mib).copied().unwrap_or(3921) * 1_048_576
        + draw("redis/ram/odd", 0, 200) * 4096;
    let data = facts.keys.bytes() as u64;
    let used = STARTUP + draw("redis/used", 150_000, 420_000) + data + facts.clients * 21_000;
    let peak = used + draw("redis/peak", 40_000, 900_000);
    let overhead = STARTUP + facts.clients * 20_544 + facts.keys.len_all() as u64 * 88;
    let dataset = used.saturating_sub(overhead);
    let (allocated, rss) = (used + 410_000, used * 3 + 9_900_000);
    let (active, resident) = (allocated * 117 / 100, allocated * 258 / 100);
    let rate = draw("redis/rate", 2, 30);
    let [connections, commands, errors] = facts.seen;
    let base = uptime.saturating_mul(rate);
    let bytes_in = base.saturating_mul(61).saturating_add(commands.saturating_mul(48));
    let saves = draw("redis/saves", 3, 40) + uptime / 86_400;
    let cpu = uptime as f64 * draw("redis/cpu", 60, 180) as f64 / 100_000.0;
    let percent = |part: u64, whole: u64| format!("{:.2}", part as f64 * 100.0 / whole.max(1) as f64);
    let jitter = (facts.now_usec / 100_000) as u64 % 4;
    let number = |n: u64| n.to_string();
    let seven = profile.since(7, 0);
    let replication = match facts.master {
        None => "role:master\r\n".to_owned(),
        Some((host, port)) => format!(
            "role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:down\r\n\
             master_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:0\r\n{}slave_repl_offset:0\r\n\
             master_link_down_since_seconds:-1\r\nslave_priority:100\r\nslave_read_only:1\r\n{}",
            if seven { "slave_read_repl_offset:0\r\n" } else { "" },
            if seven { "replica_announced:1\r\n" } else { "" },
        ),
    };
    vec![
        ("redis_version", profile.version.clone()),
        ("valkey_version", profile.valkey.unwrap_or_default().to_owned()),
        ("git_dirty", if profile.since(7, 4) { "1" } else { "0" }.to_owned()),
        ("build_id", hex(&format!("redis/build/{}", profile.version), 15)),
        ("os", profile.os.clone()),
        ("atomicvar", if profile.since(6, 2) { "c11-builtin" } else { "atomic-builtin" }.to_owned()),
        ("gcc", profile.gcc.to_owned()),
        ("pid", number(draw("redis/pid", 480, 1400))),
        ("supervised", "systemd".to_owned()),
        ("run_id", hex(&format!("redis/run/{}", facts.started), 40)),
        ("now_usec", facts.now_usec.to_string()),
        ("uptime", number(uptime)),
        ("uptime_days", number(uptime / 86_400)),
        ("lru", (secs & 0xff_ffff).to_string()),
        ("executable", profile.executable.to_owned()),
        ("config_file", profile.config_file.to_owned()),
        ("clients", number(facts.clients)),
        ("input_buffer", number(if seven { 20_480 } else { 2 })),
        ("used", number(used)),
        ("used_human", human(used)),
        ("rss", number(rss)),
        ("rss_human", human(rss)),
        ("peak", number(peak)),
        ("peak_human", human(peak)),
        ("peak_perc", percent(used, peak)),
        ("overhead", number(overhead)),
        ("startup", number(STARTUP)),
        ("dataset", number(dataset)),
        ("dataset_perc", percent(dataset, used - STARTUP)),
        ("allocated", number(allocated)),
        ("active", number(active)),
        ("resident", number(resident)),
        ("system_memory", number(system)),
        ("system_memory_human", human(system)),
        ("lua", number(if seven { 31_744 } else { 37_888 })),
        ("lua_human", if seven { "31.00K" } else { "37.00K" }.to_owned()),
        ("maxmemory", number(facts.maxmemory)),
        ("maxmemory_human", human(facts.maxmemory)),
        ("maxmemory_policy", facts.maxmemory_policy.to_owned()),
        ("frag_bytes", number(active.saturating_sub(allocated))),
        ("rss_bytes", number(resident.saturating_sub(active))),
        ("overhead_bytes", number(rss.saturating_sub(resident))),
        ("fragmentation", format!("{:.2}", rss as f64 / used as f64)),
        ("fragmentation_bytes", number(rss.saturating_sub(used))),
        ("clients_memory", number(facts.clients * 20_496)),
        ("malloc", profile.malloc.to_owned()),
        ("dirty", number(facts.keys.dirty)),
        ("last_save", facts.last_save.to_string()),
        ("saves", number(saves)),
        ("cow", number(draw("redis/cow", 80, 400) * 4096)),
        ("loaded", number(draw("redis/loaded", 8, 40))),
        ("connections", number(uptime / 37 + connections)),
        ("commands", number(base.saturating_add(commands))),
        ("ops", number(rate.saturating_add(jitter))),
        ("net_in", number(bytes_in)),
        ("net_out", number(bytes_in.saturating_mul(3))),
        ("kbps_in", format!("{:.2}", (rate + jitter) as f64 * 0.06)),
        ("kbps_out", format!("{:.2}", (rate + jitter) as f64 * 0.18)),
        ("expired", number(uptime / 61 + facts.keys.expired)),
        ("expire_cpu", number(uptime / 19)),
        ("evicted", number(facts.keys.evicted)),
        ("hits", number(base / 3 + facts.keys.hits)),
        ("misses", number(base / 11 + facts.keys.misses)),
        ("fork_usec", number(draw("redis/fork", 190, 900))),
        ("errors", number(errors)),
        ("shrinks", number(uptime / 41)),
        ("replid", hex(&format!("redis/replid/{}", facts.started), 40)),
        ("cpu_sys", format!("{cpu:.6}")),
        ("cpu_user", format!("{:.6}", cpu * 0.91)),
        ("cpu_children", format!("{:.6}", saves as f64 * 0.0041)),
        ("replication", replication),
        ("errorstats", facts.errorstats.clone()),
        ("keyspace", facts.keys.info(facts.now_usec / 1000)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Settings;

    fn info(distro: &str, sections: &[&str]) -> String {
        let mut persona = testing::persona(&[]);
        persona.distro = distro.into();
        let profile = Profile::new(&persona, &Settings::new());
        let facts = Facts {
            profile: &profile,
            seed: &persona.seed,
            keys: &Keyspace::default(),
            now_usec: 1_760_000_000_000_000,
            started: 1_759_000_000,
            last_save: 1_759_990_000,
            clients: 1,
            seen: [1, 2, 0],
            master: None,
            maxmemory: 0,
            maxmemory_policy: "noeviction",
            errorstats: String::new(),
        };
        let sections: Vec<Vec<u8>> = sections.iter().map(|s| s.as_bytes().to_vec()).collect();
        render(&facts, &sections)
    }

    #[test]
    fn every_placeholder_is_filled_and_every_line_ends() {
        for distro in ["debian", "ubuntu20", "centos7", "arch"] {
            let text = info(distro, &[]);
            assert!(!text.contains(['{', '}']), "{text}");
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            for line in text.split("\r\n").filter(|l| !l.is_empty() && !l.starts_with('#')) {
                assert!(line.split_once(':').is_some(), "{line}");
            }
        }
    }

    #[test]
    fn releases_show_their_own_fields() {
        let new = info("debian", &["server"]);
        assert!(new.starts_with("# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:00000000\r\n"));
        assert!(
            new.contains("\r\nredis_mode:standalone\r\n") && new.contains("uptime_in_seconds:1000000\r\n")
        );
        assert!(new.ends_with("io_threads_active:0\r\n"));
        assert!(!info("ubuntu20", &[]).contains("server_time_usec"));
        assert!(info("arch", &["server"]).contains("server_name:valkey\r\nvalkey_version:8.1.4\r\n"));
        assert_eq!(info("debian", &["nothing"]), "");
    }
}
