//! What a login shows: messages and prompts.

use super::{Flavor, Shell};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{Machine, User, now};

/// The user everybody has.
pub(super) fn root() -> User {
    User {
        name: "root".into(),
        uid: 0,
        gid: 0,
        comment: "root".into(),
        home: "/root".into(),
        shell: "/bin/bash".into(),
    }
}

/// Formats a time (UTC).
pub(super) fn time(seconds: i64, format: &str) -> String {
    let stamp = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    jiff::fmt::strtime::format(format, jiff::tz::Offset::UTC.to_datetime(stamp)).unwrap_or_default()
}

/// When the person logged in before this visitor, and from where.
pub(super) fn last_login(machine: &Machine, user: &User) -> (i64, String) {
    let boot = machine.boot(now());
    let label = format!("last/{}/{}", user.name, boot);
    let age = (now() - boot).max(1);
    // Two to five hours after boot: an operator's look after a reboot.
    let at = boot + 7_000 + i64::try_from(machine.number(&label, 9_000)).unwrap_or(0);
    let at = if at < now() { at } else { boot + age / 2 };
    let [a, b, c, own] = machine.ip.octets();
    let mut host = u8::try_from(20 + machine.number("admin", 200)).unwrap_or(20);
    if host == own {
        host = host.wrapping_sub(1);
    }
    (at, format!("{a}.{b}.{c}.{host}"))
}

/// Message of the day and last login, as the distribution prints them; `login` at a terminal says when
/// first, and where the terminal was.
pub(super) fn banner(machine: &Machine, user: &User, console: bool) -> Vec<u8> {
    let distro = machine.distro;
    let (at, from) = last_login(machine, user);
    let last = if console {
        format!("Last login: {} UTC {} from {from} on pts/0\n", time(at, "%a %b %e %H:%M:%S"), time(at, "%Y"))
    } else {
        format!("Last login: {} from {from}\n", time(at, "%a %b %e %H:%M:%S %Y"))
    };
    let motd = crate::decoy::vfs::motd(machine);
    let motd = match distro.slug {
        "debian" | "kali" => {
            format!("Linux {} {} {} x86_64\n{motd}", machine.hostname, distro.kernel, distro.kernel_build)
        }
        "ubuntu20" | "ubuntu22" => ubuntu(machine),
        _ => motd.to_owned(),
    };
    match (distro.family, console) {
        (Family::Alpine, _) => motd,
        (Family::Debian, true) => last + &motd,
        _ => motd + &last,
    }
    .into_bytes()
}

fn ubuntu(machine: &Machine) -> String {
    let distro = machine.distro;
    let [total, free, buffers, cached, _] = crate::decoy::vfs::memory(machine);
    let used = total.saturating_sub(free + buffers + cached) * 100 / total.max(1);
    let disk = crate::decoy::vfs::disk_used(machine) * 1000 / machine.disk_kib.max(1);
    let gib = machine.disk_kib * 100 / (1024 * 1024);
    let load = crate::decoy::vfs::load(machine)[0];
    format!(
        "Welcome to {} (GNU/Linux {} x86_64)\n\n * Documentation:  https://help.ubuntu.com\n * Management:     https://landscape.canonical.com\n * Support:        https://ubuntu.com/pro\n\n System information as of {}\n\n  System load:  0.{load:02}               Processes:             {}\n  Usage of /:   {}.{}% of {}.{:02}GB   Users logged in:       0\n  Memory usage: {used}%                IPv4 address for {}: {}\n  Swap usage:   0%\n\n\n0 updates can be applied immediately.\n\n\n",
        distro.pretty,
        distro.kernel,
        time(now(), "%a %b %e %H:%M:%S UTC %Y"),
        100 + machine.number("processes", 40),
        disk / 10,
        disk % 10,
        gib / 100,
        gib % 100,
        distro.interface,
        machine.ip
    )
}

/// The prompt of a complete line.
pub(super) fn prompt(shell: &Shell) -> Vec<u8> {
    let machine = shell.machine();
    let user = shell.user();
    let host = machine.hostname.split('.').next().unwrap_or_default();
    let sign = if user.uid == 0 { '#' } else { '$' };
    let home = shell.env_get("HOME").unwrap_or("/");
    let cwd = shell.cwd();
    let short = match cwd.strip_prefix(home) {
        Some("") => "~".to_owned(),
        Some(rest) if rest.starts_with('/') && home != "/" => format!("~{rest}"),
        _ => cwd.to_owned(),
    };
    let base =
        if short == "~" || short == "/" { short.as_str() } else { short.rsplit('/').next().unwrap_or("/") };
    let text = match (shell.flavor, machine.distro.slug, machine.distro.family) {
        (Flavor::Dash, ..) => format!("{sign} "),
        (Flavor::Ash, ..) => format!("{host}:{short}{sign} "),
        (_, "kali", _) => format!("┌──({}㉿{host})-[{short}]\n└─{sign} ", user.name),
        (_, _, Family::RedHat | Family::Arch) => format!("[{}@{host} {base}]{sign} ", user.name),
        _ => format!("{}@{host}:{short}{sign} ", user.name),
    };
    text.into_bytes()
}

/// Where the numbers of a session's processes begin.
pub(super) fn first_pid(machine: &Machine, at: i64) -> u32 {
    let up = (at - machine.boot(now())).max(0) / 40;
    2_000 + u32::try_from(up % 3_900_000).unwrap_or(0)
}
