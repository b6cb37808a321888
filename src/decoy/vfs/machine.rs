//! The machine behind a persona: everything its files and commands must agree on.

use std::net::Ipv4Addr;

use super::daemons::Daemon;
use super::distro::{Distro, Family, distro};
use super::process::daemons;
use crate::decoy::software::Software;
use crate::model::{Persona, Seed};

/// One account of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Comment field.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A persona worked out: who it is, what runs on it, since when.
#[derive(Debug)]
pub struct Machine {
    /// What it calls itself.
    pub hostname: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its distribution.
    pub distro: &'static Distro,
    /// Hardware address as commands show it.
    pub mac: [u8; 6],
    real_gateway: Option<Ipv4Addr>,
    /// When it was set up, seconds since 1970.
    pub born: i64,
    /// Accounts, root first.
    pub users: Vec<User>,
    /// Slugs of the services it runs.
    pub services: Vec<String>,
    software: Vec<(String, Software)>,
    /// Processors.
    pub cpus: u32,
    /// Model name and megahertz of a processor.
    pub cpu: (&'static str, u32),
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Size of the root disk in KiB.
    pub disk_kib: u64,
    seed: Seed,
}

const CPUS: [(&str, u32); 6] = [
    ("Intel(R) Xeon(R) Silver 4210R CPU @ 2.40GHz", 2400),
    ("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", 3000),
    ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", 2400),
    ("AMD EPYC 7302P 16-Core Processor", 3000),
    ("AMD EPYC 7543 32-Core Processor", 2800),
    ("Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", 3700),
];

const DAY: i64 = 86_400;

/// Name of the second account when no service names one.
const DEFAULT_USER: &str = "ubuntu";

impl Machine {
    /// Works a persona out.
    pub fn new(persona: &Persona) -> Self {
        let seed = persona.seed.child("machine");
        let distro = distro(&persona.distro);
        let memory = *seed.pick("memory", &[2u64, 4, 4, 8, 8, 16]).unwrap_or(&4);
        let disk = *seed.pick("disk", &[20u64, 32, 40, 50, 80, 100]).unwrap_or(&40);
        let software = persona
            .services
            .iter()
            .filter_map(|(slug, settings)| Some((slug.clone(), Software::of(persona, slug, settings)?)));
        let mut machine = Self {
            hostname: hostname(persona),
            ip: persona.ip,
            distro,
            mac: persona.mac.0,
            real_gateway: persona.gateway,
            born: persona.born,
            users: Vec::new(),
            services: persona.services.keys().cloned().collect(),
            software: software.collect(),
            cpus: *seed.pick("cpus", &[1u32, 2, 2, 4, 4, 8]).unwrap_or(&2),
            cpu: *seed.pick("cpu", &CPUS).unwrap_or(&CPUS[0]),
            // What the firmware and the kernel keep is not counted.
            memory_kib: memory * 1_010_000 - seed.number("reserved", 9_000),
            disk_kib: disk * 1024 * 1024 - 600_000,
            seed,
        };
        machine.users = users(persona, distro.family, &daemons(&machine));
        machine
    }

    /// Which program a service is, where its decoy says.
    pub fn software(&self, slug: &str) -> Option<&Software> {
        self.software.iter().find(|(of, _)| of == slug).map(|(_, software)| software)
    }

    /// Whether it runs this service.
    pub fn runs(&self, slug: &str) -> bool {
        self.services.iter().any(|s| s == slug)
    }

    /// A number in `0..bound` that belongs to `label` alone.
    pub fn number(&self, label: &str, bound: u64) -> u64 {
        self.seed.number(label, bound)
    }

    /// Bytes that belong to `label` alone.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        self.seed.derive(label)
    }

    /// When it last booted, as seen at `now`: it is rebooted every few weeks, so that the uptime grows,
    /// survives restarts of the program, and never becomes years.
    pub fn boot(&self, now: i64) -> i64 {
        let period = (25 + i64::try_from(self.number("reboot/days", 60)).unwrap_or(0)) * DAY;
        let first = self.born + i64::try_from(self.number("reboot/phase", 86_400)).unwrap_or(0);
        let age = now.saturating_sub(first).max(0);
        let boot = first.saturating_add(age / period * period);
        boot.min(now.saturating_sub(7_200))
    }

    /// The account of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|u| u.name == name)
    }

    /// The second account, the one people work with; none when it is disabled.
    pub fn person(&self) -> Option<&User> {
        self.users.iter().find(|u| u.uid == 1000)
    }

    /// Name of a user number, as `ls` shows it.
    pub fn user_name(&self, uid: u32) -> String {
        self.users.iter().find(|u| u.uid == uid).map_or_else(|| uid.to_string(), |u| u.name.clone())
    }

    /// Name of a group number, as `ls` shows it.
    pub fn group_name(&self, gid: u32) -> String {
        let known = SYSTEM_GROUPS.iter().find(|(_, id)| *id == gid).map(|(name, _)| (*name).to_owned());
        known
            .or_else(|| self.users.iter().find(|u| u.gid == gid).map(|u| u.name.clone()))
            .unwrap_or_else(|| gid.to_string())
    }

    /// The gateway: that of its network, else the first address of the /24 around it (the last one when
    /// it is the first itself).
    pub fn gateway(&self) -> Ipv4Addr {
        if let Some(gateway) = self.real_gateway {
            return gateway;
        }
        let [a, b, c, d] = self.ip.octets();
        Ipv4Addr::new(a, b, c, if d == 1 { 254 } else { 1 })
    }

    /// Path of the root user's or any login shell.
    pub fn shell_path(&self) -> &'static str {
        if self.distro.family == Family::Alpine { "/bin/ash" } else { "/bin/bash" }
    }
}

/// Groups that files of the base system belong to.
pub(super) const SYSTEM_GROUPS: [(&str, u32); 8] = [
    ("root", 0),
    ("tty", 5),
    ("disk", 6),
    ("adm", 4),
    ("shadow", 42),
    ("utmp", 43),
    ("mail", 8),
    ("nogroup", 65_534),
];

fn system_users(
    family: Family,
) -> &'static [(&'static str, u32, u32, &'static str, &'static str, &'static str)] {
    const NO: &str = "/usr/sbin/nologin";
    const SNO: &str = "/sbin/nologin";
    match family {
        Family::Debian => &[
            ("daemon", 1, 1, "daemon", "/usr/sbin", NO),
            ("bin", 2, 2, "bin", "/bin", NO),
            ("sys", 3, 3, "sys", "/dev", NO),
            ("sync", 4, 65_534, "sync", "/bin", "/bin/sync"),
            ("games", 5, 60, "games", "/usr/games", NO),
            ("man", 6, 12, "man", "/var/cache/man", NO),
            ("lp", 7, 7, "lp", "/var/spool/lpd", NO),
            ("mail", 8, 8, "mail", "/var/mail", NO),
            ("news", 9, 9, "news", "/var/spool/news", NO),
            ("uucp", 10, 10, "uucp", "/var/spool/uucp", NO),
            ("proxy", 13, 13, "proxy", "/bin", NO),
            ("www-data", 33, 33, "www-data", "/var/www", NO),
            ("backup", 34, 34, "backup", "/var/backups", NO),
            ("list", 38, 38, "Mailing List Manager", "/var/list", NO),
            ("irc", 39, 39, "ircd", "/run/ircd", NO),
            ("nobody", 65_534, 65_534, "nobody", "/nonexistent", NO),
            ("_apt", 100, 65_534, "", "/nonexistent", NO),
            ("systemd-network", 998, 998, "systemd Network Management", "/", NO),
            ("messagebus", 101, 107, "", "/nonexistent", NO),
            ("sshd", 102, 65_534, "", "/run/sshd", NO),
        ],
        Family::RedHat => &[
            ("bin", 1, 1, "bin", "/bin", SNO),
            ("daemon", 2, 2, "daemon", "/sbin", SNO),
            ("adm", 3, 4, "adm", "/var/adm", SNO),
            ("lp", 4, 7, "lp", "/var/spool/lpd", SNO),
            ("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
            ("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
            ("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
            ("mail", 8, 12, "mail", "/var/spool/mail", SNO),
            ("operator", 11, 0, "operator", "/root", SNO),
            ("games", 12, 100, "games", "/usr/games", SNO),
            ("ftp", 14, 50, "FTP User", "/var/ftp", SNO),
            ("nobody", 65_534, 65_534, "Kernel Overflow User", "/", SNO),
            ("dbus", 81, 81, "System message bus", "/", SNO),
            ("polkitd", 998, 996, "User for polkitd", "/", SNO),
            ("sshd", 74, 74, "Privilege-separated SSH", "/usr/share/empty.sshd", SNO),
            ("chrony", 997, 995, "chrony system user", "/var/lib/chrony", SNO),
        ],
        Family::Alpine => &[
            ("bin", 1, 1, "bin", "/bin", SNO),
            ("daemon", 2, 2, "daemon", "/sbin", SNO),
            ("adm", 3, 4, "adm", "/var/adm", SNO),
            ("lp", 4, 7, "lp", "/var/spool/lpd", SNO),
            ("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
            ("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
            ("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
            ("mail", 8, 12, "mail", "/var/mail", SNO),
            ("news", 9, 13, "news", "/usr/lib/news", SNO),
            ("uucp", 10, 14, "uucp", "/var/spool/uucppublic", SNO),
            ("cron", 16, 16, "cron", "/var/spool/cron", SNO),
            ("ftp", 21, 21, "", "/var/lib/ftp", SNO),
            ("sshd", 22, 22, "sshd", "/dev/null", SNO),
            ("games", 35, 35, "games", "/usr/games", SNO),
            ("ntp", 123, 123, "NTP", "/var/empty", SNO),
            ("guest", 405, 100, "guest", "/dev/null", SNO),
            ("nobody", 65_534, 65_534, "nobody", "/", SNO),
        ],
        Family::Arch => &[
            ("bin", 1, 1, "", "/", "/usr/bin/nologin"),
            ("daemon", 2, 2, "", "/", "/usr/bin/nologin"),
            ("mail", 8, 12, "", "/var/spool/mail", "/usr/bin/nologin"),
            ("ftp", 14, 11, "", "/srv/ftp", "/usr/bin/nologin"),
            ("http", 33, 33, "", "/srv/http", "/usr/bin/nologin"),
            ("nobody", 65_534, 65_534, "Kernel Overflow User", "/", "/usr/bin/nologin"),
            ("dbus", 81, 81, "System Message Bus", "/", "/usr/bin/nologin"),
            ("systemd-network", 981, 981, "systemd Network Management", "/", "/usr/bin/nologin"),
            ("uuidd", 68, 68, "", "/", "/usr/bin/nologin"),
        ],
    }
}

/// The accounts of the system, of the packages and of people.
fn users(persona: &Persona, family: Family, daemons: &[&'static Daemon]) -> Vec<User> {
    let nologin = match family {
        Family::Debian => "/usr/sbin/nologin",
        Family::Arch => "/usr/bin/nologin",
        _ => "/sbin/nologin",
    };
    let login = match family {
        Family::Alpine => "/bin/ash",
        Family::Arch => "/usr/bin/bash",
        _ => "/bin/bash",
    };
    let mut all = vec![account("root", 0, 0, "root", "/root", login)];
    for (name, uid, gid, comment, home, shell) in system_users(family) {
        all.push(account(name, *uid, *gid, comment, home, shell));
    }
    for (name, fixed, home) in daemons.iter().filter_map(|d| d.account) {
        if all.iter().any(|u| u.name == name) {
            continue;
        }
        // Numbers are given in the order of installation, upwards or downwards.
        let free = |n: &u32| !all.iter().any(|u| u.uid == *n || u.gid == *n + gap(family));
        let uid = match (family, fixed) {
            (Family::RedHat, Some(number)) => number,
            (Family::Debian, _) => (103..).find(free).unwrap_or(103),
            (Family::Alpine, _) => (101..).find(free).unwrap_or(101),
            (Family::RedHat | Family::Arch, _) => (200..980).rev().find(free).unwrap_or(980),
        };
        all.push(account(name, uid, uid + gap(family), "", home, nologin));
    }
    if let Some(name) = person(persona)
        && !all.iter().any(|u| u.name == name)
    {
        let comment = if family == Family::Debian { format!("{name},,,") } else { String::new() };
        all.push(account(&name, 1000, 1000, &comment, &format!("/home/{name}"), login));
    }
    all
}

/// How far a package's group is from its account: Debian has more groups.
fn gap(family: Family) -> u32 {
    if family == Family::Debian { 6 } else { 0 }
}

/// The second account: the `user` setting of ssh or telnet; none when that is blank.
fn person(persona: &Persona) -> Option<String> {
    let mut name = DEFAULT_USER.to_owned();
    for slug in ["telnet", "ssh"] {
        if let Some(text) = persona.services.get(slug).and_then(|s| s.get("user")).and_then(|v| v.as_str()) {
            text.clone_into(&mut name);
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.len() <= 32 && name.chars().all(plain)).then_some(name)
}

/// The `hostname` setting of ssh or telnet, else the persona's.
fn hostname(persona: &Persona) -> String {
    let set = |slug: &str| persona.services.get(slug)?.get("hostname")?.as_str();
    let plain = |name: &&str| {
        (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    };
    let name = set("ssh").filter(plain).or_else(|| set("telnet").filter(plain));
    name.unwrap_or(&persona.hostname).to_owned()
}

fn account(name: &str, uid: u32, gid: u32, comment: &str, home: &str, shell: &str) -> User {
    User {
        name: name.to_owned(),
        uid,
        gid,
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
    }
}
