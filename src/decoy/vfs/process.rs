//! What runs: one list for `ps`, `/proc`, `ss`, `netstat` and `systemctl`.

use super::distro::Family;
use super::machine::Machine;

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
        let text = self.command.trim_start_matches('[').trim_end_matches(']');
        let first = text.split_whitespace().next().unwrap_or_default().trim_end_matches(':');
        let base = first.rsplit('/').next().unwrap_or(first).trim_start_matches('-');
        if self.command.starts_with('[') { text } else { base }
    }
}

/// A listening socket.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Service slug.
    pub slug: &'static str,
    /// TCP port.
    pub port: u16,
    /// Name of the process.
    pub program: &'static str,
}

/// The TCP port a service listens on.
const PORTS: [(&str, u16); 6] =
    [("ftp", 21), ("ssh", 22), ("telnet", 23), ("http", 80), ("mysql", 3306), ("redis", 6379)];

/// What listens, by port.
pub fn listeners(m: &Machine) -> Vec<Listener> {
    let known = PORTS.iter().filter(|(slug, _)| m.runs(slug));
    known.map(|(slug, port)| Listener { slug, port: *port, program: program(m, slug) }).collect()
}

/// Name of a service's process.
fn program(m: &Machine, slug: &str) -> &'static str {
    let family = m.distro.family;
    match slug {
        "ssh" => "sshd",
        "ftp" => "vsftpd",
        "http" => web(m).0,
        "telnet" if family == Family::Alpine => "telnetd",
        "telnet" if family == Family::Debian => "inetd",
        "telnet" => "systemd",
        "mysql" if family == Family::Debian && m.distro.id_is("ubuntu") => "mysqld",
        "mysql" => "mariadbd",
        _ => "redis-server",
    }
}

/// Name of the web server's process, its command line and its workers'.
fn web(m: &Machine) -> (&'static str, &'static str, &'static str) {
    match (m.apache, m.distro.family) {
        (true, Family::Debian) => ("apache2", "/usr/sbin/apache2 -k start", "/usr/sbin/apache2 -k start"),
        (true, Family::Alpine) => ("httpd", "/usr/sbin/httpd -k start", "/usr/sbin/httpd -k start"),
        (true, _) => ("httpd", "/usr/sbin/httpd -DFOREGROUND", "/usr/sbin/httpd -DFOREGROUND"),
        (false, _) => {
            let master = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;";
            ("nginx", master, "nginx: worker process")
        }
    }
}

/// Name of a service's unit.
pub fn unit(m: &Machine, slug: &str) -> &'static str {
    let debian = m.distro.family == Family::Debian;
    match slug {
        "ssh" if debian => "ssh",
        "ssh" => "sshd",
        "ftp" => "vsftpd",
        "http" => web(m).0,
        "telnet" if debian => "inetd",
        "telnet" => "telnet",
        "mysql" if debian && m.distro.id_is("ubuntu") => "mysql",
        "mysql" => "mariadb",
        "redis" if debian => "redis-server",
        _ => "redis",
    }
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
    for listener in listeners(m) {
        let step = number(m, listener.slug, 23);
        service(m, listener.slug, next(step), &mut all);
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

fn service(m: &Machine, slug: &'static str, pid: u32, all: &mut Vec<Process>) {
    let one = |user, command: &str, vsz, rss, busy| process(pid, 1, user, command, vsz, rss, busy);
    match (slug, m.distro.family) {
        ("ssh", Family::Alpine) => {
            all.push(one("root", "sshd: /usr/sbin/sshd [listener] 0 of 10-100 startups", 6_640, 3_968, 2));
        }
        ("ssh", _) => {
            all.push(one(
                "root",
                "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
                15_436,
                9_376,
                3,
            ));
        }
        ("telnet", Family::Alpine) => all.push(one("root", "/usr/sbin/telnetd -F", 1_628, 764, 0)),
        ("telnet", Family::Debian) => all.push(one("root", "/usr/sbin/inetd", 2_960, 1_840, 0)),
        ("telnet", _) => {}
        ("ftp", _) => all.push(one("root", "/usr/sbin/vsftpd /etc/vsftpd.conf", 9_236, 3_184, 0)),
        ("http", family) => {
            let (_, master, worker) = web(m);
            let user = match family {
                Family::Debian => "www-data",
                Family::Arch => "http",
                _ if m.apache => "apache",
                _ => "nginx",
            };
            all.push(one("root", master, 10_384, 1_752, 0));
            for number in 1..=m.cpus.max(2) {
                all.push(process(pid + number, pid, user, worker, 11_100, 3_640, 6));
            }
        }
        ("mysql", _) => {
            let command =
                if program(m, "mysql") == "mysqld" { "/usr/sbin/mysqld" } else { "/usr/sbin/mariadbd" };
            all.push(one("mysql", command, 1_348_552, 212_944, 260));
        }
        _ => all.push(one("redis", "/usr/bin/redis-server 0.0.0.0:6379", 66_512, 14_820, 130)),
    }
}
