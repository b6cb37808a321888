//! What runs: one list for `ps`, `/proc`, `ss`, `netstat` and `systemctl`.

use super::daemons::{DAEMONS, Daemon};
use super::distro::Family;
use super::machine::Machine;
use crate::catalog::{ports_of, service};
use crate::model::Transport;

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub ppid: u32,
    /// Whose it is.
    pub user: &'static str,
    /// Command line; a kernel thread's is its name in brackets.
    pub command: String,
    /// Virtual size in KiB.
    pub vsz: u32,
    /// Resident size in KiB.
    pub rss: u32,
    /// Processor seconds used in a day of uptime.
    pub per_day: u32,
}

impl Process {
    /// The name of `/proc/PID/comm`.
    pub fn name(&self) -> &str {
        name(&self.command)
    }
}

/// A socket of a service.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Service slug.
    pub slug: &'static str,
    /// How it is reached.
    pub transport: Transport,
    /// Its port.
    pub port: u16,
    /// Name of the process.
    pub program: &'static str,
}

/// What serves the services of a machine.
pub fn daemons(m: &Machine) -> Vec<&'static Daemon> {
    let mut all: Vec<&'static Daemon> = Vec::new();
    for daemon in DAEMONS {
        let mut served = daemon.slugs.iter().filter(|slug| m.runs(slug));
        let Some(slug) = served.next() else { continue };
        let known = all.iter().any(|d| (d.slugs, d.part) == (daemon.slugs, daemon.part));
        let other = !daemon.program.is_empty()
            && m.software(slug).is_none_or(|software| software.program != daemon.program);
        if !known && !other && daemon.fits(m.distro.family) {
            all.push(daemon);
        }
    }
    all
}

/// What listens: the ports that the services have, by number.
pub fn listeners(m: &Machine) -> Vec<Listener> {
    let slugs: Vec<&str> = m.services.iter().map(String::as_str).collect();
    let daemons = daemons(m);
    let found = ports_of(&slugs).filter_map(|(slug, port)| {
        let slug = service(slug)?.slug;
        let has =
            |d: &&&Daemon| d.slugs.contains(&slug) && (d.ports.is_empty() || d.ports.contains(&port.number));
        let program = daemons.iter().find(has)?.runs.first().map_or("systemd", |run| name(run.1));
        Some(Listener { slug, transport: port.transport, port: port.number, program })
    });
    let mut all: Vec<Listener> = found.collect();
    all.sort_by_key(|listener| listener.port);
    all
}

/// What `/proc/PID/comm` says of a command line.
fn name(command: &str) -> &str {
    let text = command.trim_start_matches(['*', '[']).trim_end_matches(']');
    let first = text.split_whitespace().next().unwrap_or_default().trim_end_matches(':');
    let base = first.rsplit('/').next().unwrap_or(first).trim_start_matches('-');
    if command.starts_with('[') { text } else { base }
}

/// Everything that runs but the visitor's own processes, by number.
pub fn processes(m: &Machine) -> Vec<Process> {
    let alpine = m.distro.family == Family::Alpine;
    let mut all = Vec::with_capacity(48);
    let init = match m.distro.family {
        Family::RedHat => "/usr/lib/systemd/systemd --switched-root --system --deserialize 31",
        _ => "/sbin/init",
    };
    let systemd = if alpine { (1_624, 640) } else { (168_172, 12_864) };
    all.push(process(1, 0, "root", init, systemd.0, systemd.1, 9));
    kernel(m, &mut all);
    let mut pid = 300 + number(m, "pids", 90);
    let mut next = |step: u32| {
        pid += 1 + step % 23;
        pid
    };
    for (user, command, vsz, rss) in base(m.distro.family) {
        let step = number(m, command, 23);
        all.push(process(next(step), 1, user, command, *vsz, *rss, 4));
    }
    for daemon in daemons(m) {
        let step = number(m, daemon.slugs.first().copied().unwrap_or_default(), 23);
        let mut parent = 1;
        for (user, command, vsz, rss, busy) in daemon.runs {
            let (command, count) = match command.strip_prefix('*') {
                Some(command) => (command, m.cpus.max(2)),
                None => (*command, 1),
            };
            for _ in 0..count {
                let pid = next(if parent == 1 { step } else { 0 });
                all.push(process(pid, parent, user, &filled(m, command), *vsz, *rss, *busy));
                if parent == 1 {
                    parent = pid;
                }
            }
        }
    }
    if alpine {
        all.push(process(next(3), 1, "root", "/sbin/getty 38400 tty1", 1_624, 8, 0));
    } else {
        all.push(process(next(3), 1, "root", "/sbin/agetty -o -p -- \\u --noclear - linux", 5_872, 1_036, 0));
    }
    all
}

fn process(
    pid: u32,
    ppid: u32,
    user: &'static str,
    command: &str,
    vsz: u32,
    rss: u32,
    per_day: u32,
) -> Process {
    Process { pid, ppid, user, command: command.to_owned(), vsz, rss, per_day }
}

fn number(m: &Machine, label: &str, bound: u64) -> u32 {
    u32::try_from(m.number(label, bound)).unwrap_or(0)
}

fn kernel(m: &Machine, all: &mut Vec<Process>) {
    all.push(process(2, 0, "root", "[kthreadd]", 0, 0, 0));
    let mut pid = 3;
    let mut thread = |name: String, busy: u32| {
        all.push(Process {
            pid,
            ppid: 2,
            user: "root",
            command: format!("[{name}]"),
            vsz: 0,
            rss: 0,
            per_day: busy,
        });
        pid += 1;
    };
    for name in
        ["rcu_gp", "rcu_par_gp", "slub_flushwq", "netns", "kworker/0:0H-events_highpri", "mm_percpu_wq"]
    {
        thread(name.to_owned(), 0);
    }
    for cpu in 0..m.cpus {
        thread(format!("ksoftirqd/{cpu}"), 1);
        thread(format!("migration/{cpu}"), 0);
        thread(format!("cpuhp/{cpu}"), 0);
    }
    for name in [
        "rcu_preempt",
        "kdevtmpfs",
        "inet_frag_wq",
        "kauditd",
        "khungtaskd",
        "oom_reaper",
        "writeback",
        "kcompactd0",
        "ksmd",
        "khugepaged",
        "kintegrityd",
        "kblockd",
        "ata_sff",
        "kswapd0",
        "scsi_eh_0",
        "scsi_tmf_0",
        "jbd2/sda1-8",
        "ext4-rsv-conver",
    ] {
        thread(name.to_owned(), u32::from(name.starts_with("jbd2")) * 3);
    }
}

fn base(family: Family) -> &'static [(&'static str, &'static str, u32, u32)] {
    match family {
        Family::Debian => &[
            ("root", "/lib/systemd/systemd-journald", 49_176, 15_732),
            ("root", "/lib/systemd/systemd-udevd", 26_092, 6_360),
            ("root", "/usr/sbin/cron -f", 6_608, 2_684),
            (
                "messagebus",
                "/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only",
                9_128,
                4_872,
            ),
            ("root", "/usr/sbin/rsyslogd -n -iNONE", 222_404, 5_984),
            ("root", "/lib/systemd/systemd-logind", 25_248, 8_140),
        ],
        Family::RedHat => &[
            ("root", "/usr/lib/systemd/systemd-journald", 40_432, 14_264),
            ("root", "/usr/lib/systemd/systemd-udevd", 35_932, 11_448),
            ("root", "/sbin/auditd", 18_168, 2_764),
            ("dbus", "/usr/bin/dbus-broker-launch --scope system --audit", 10_444, 3_592),
            ("chrony", "/usr/sbin/chronyd -F 2", 84_684, 3_580),
            ("polkitd", "/usr/lib/polkit-1/polkitd --no-debug", 2_508_448, 23_412),
            ("root", "/usr/sbin/NetworkManager --no-daemon", 257_892, 20_088),
            ("root", "/usr/sbin/rsyslogd -n", 161_848, 6_744),
            ("root", "/usr/sbin/crond -n", 7_676, 3_436),
            ("root", "/usr/lib/systemd/systemd-logind", 20_704, 11_048),
        ],
        Family::Alpine => &[
            ("root", "/sbin/syslogd -t -n", 1_636, 920),
            ("root", "/sbin/acpid -f", 1_624, 760),
            ("root", "/usr/sbin/crond -c /etc/crontabs -f", 1_632, 840),
            ("ntp", "/usr/sbin/ntpd -N -p pool.ntp.org -n -S /etc/ntpd.script", 1_636, 880),
        ],
        Family::Arch => &[
            ("root", "/usr/lib/systemd/systemd-journald", 50_668, 16_940),
            ("root", "/usr/lib/systemd/systemd-udevd", 36_212, 11_904),
            ("systemd-network", "/usr/lib/systemd/systemd-networkd", 19_396, 9_984),
            ("dbus", "/usr/bin/dbus-broker-launch --scope system --audit", 9_128, 4_224),
            ("root", "/usr/lib/systemd/systemd-logind", 18_608, 9_068),
        ],
    }
}

/// A command line with what belongs to the machine in it.
fn filled(m: &Machine, command: &str) -> String {
    if !command.contains('{') {
        return command.to_owned();
    }
    let version = m.software("postgres").map_or("15", |software| software.number());
    let major = version.split('.').next().unwrap_or(version);
    let data = match m.distro.family {
        Family::Debian => "/var/lib/postgresql/{pg}/main",
        Family::RedHat => "/var/lib/pgsql/data",
        Family::Alpine => "/var/lib/postgresql/{pg}/data",
        Family::Arch => "/var/lib/postgres/data",
    };
    let host = m.hostname.split('.').next().unwrap_or_default();
    command.replace("{data}", data).replace("{pg}", major).replace("{host}", host)
}

/// The file of a process's program, where its command line names one.
pub(super) fn binary(m: &Machine, command: &str) -> Option<String> {
    let path = filled(m, command.trim_start_matches('*'));
    let path = path.split_whitespace().find(|word| word.starts_with('/'))?.to_owned();
    // Where it really is: the short names are links.
    let merged = m.distro.family != Family::Alpine;
    let path = if merged && path.starts_with("/lib/") { format!("/usr{path}") } else { path };
    let moved = path.strip_prefix("/usr/sbin/").filter(|_| m.distro.family == Family::Arch);
    Some(moved.map_or(path.clone(), |name| format!("/usr/bin/{name}")))
}
