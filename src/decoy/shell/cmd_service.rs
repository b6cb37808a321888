//! Services and jobs: `systemctl`, `service`, `crontab`, `reboot`.

use super::Shell;
use super::commands::{Command, Options};
use super::login::time;
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::now;
use crate::decoy::vfs::process::daemons;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "systemctl" => systemctl,
        "service" | "rc-service" => service,
        "crontab" => crontab,
        "reboot" | "poweroff" | "halt" | "shutdown" | "init" | "telinit" => halt,
        _ => return None,
    })
}

fn units(sh: &Shell) -> Vec<&'static str> {
    let machine = sh.machine();
    let base: &[&str] = match machine.distro.family {
        Family::Debian => &["cron", "dbus", "rsyslog", "systemd-journald", "systemd-logind", "systemd-udevd"],
        Family::RedHat => &[
            "auditd",
            "chronyd",
            "crond",
            "dbus-broker",
            "NetworkManager",
            "rsyslog",
            "systemd-journald",
            "systemd-logind",
            "systemd-udevd",
        ],
        Family::Alpine => &["acpid", "crond", "networking", "ntpd", "syslog"],
        Family::Arch => {
            &["dbus-broker", "systemd-journald", "systemd-logind", "systemd-networkd", "systemd-udevd"]
        }
    };
    let mut all: Vec<&str> = base.iter().copied().chain(daemons(machine).iter().map(|d| d.unit)).collect();
    all.retain(|unit| !unit.is_empty());
    all.sort_unstable();
    all.dedup();
    all
}

fn systemctl(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "tn");
    let verb = options.rest.first().map_or("list-units", String::as_str).to_owned();
    let name = options.rest.get(1).map(|n| n.trim_end_matches(".service").to_owned()).unwrap_or_default();
    let known = units(sh);
    let running = known.iter().any(|u| *u == name);
    match verb.as_str() {
        "list-units" | "list-unit-files" => {
            sh.say("  UNIT                       LOAD   ACTIVE SUB     DESCRIPTION");
            for unit in &known {
                sh.say(&format!("  {:<26} loaded active running {unit}", format!("{unit}.service")));
            }
            sh.say(&format!("\n{} loaded units listed.", known.len()));
            0
        }
        "is-active" | "is-enabled" => {
            let text = match (running, verb.as_str()) {
                (true, "is-active") => "active",
                (true, _) => "enabled",
                (false, "is-active") => "inactive",
                _ => "disabled",
            };
            sh.say(text);
            if running { 0 } else { 3 }
        }
        "status" if running => {
            let machine = sh.machine().clone();
            let since = machine.boot(now());
            sh.say(&format!("● {name}.service - {name}\n     Loaded: loaded (/lib/systemd/system/{name}.service; enabled; preset: enabled)\n     Active: active (running) since {} UTC", time(since, "%a %Y-%m-%d %H:%M:%S")));
            0
        }
        "status" if name.is_empty() => {
            let host = sh.machine().hostname.clone();
            sh.say(&format!("● {host}\n    State: running\n     Jobs: 0 queued\n   Failed: 0 units"));
            0
        }
        "status" => sh.fail(&format!("Unit {name}.service could not be found.")) + 3,
        "daemon-reload" | "start" | "stop" | "restart" | "reload" | "enable" | "disable" | "mask"
        | "kill" => {
            if sh.vfs.uid() != 0 {
                return sh.fail(&format!("Failed to {verb} {name}.service: Access denied\nSee system logs and 'systemctl status {name}.service' for details.")) + 3;
            }
            if verb == "daemon-reload" || running {
                return 0;
            }
            sh.fail(&format!("Failed to {verb} {name}.service: Unit {name}.service not found.")) + 4
        }
        other => sh.fail(&format!("Unknown command verb {other}.")),
    }
}

fn service(sh: &mut Shell, args: &[String]) -> u8 {
    let openrc = sh.is_busybox();
    let known = units(sh);
    let Some(name) = args.get(1).cloned() else {
        return sh.fail(
            "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]",
        );
    };
    if name == "--status-all" {
        for unit in known {
            sh.say(&format!(" [ + ]  {unit}"));
        }
        return 0;
    }
    if !known.iter().any(|u| *u == name) {
        let text = if openrc {
            format!(" * rc-service: service `{name}' does not exist")
        } else {
            format!("{name}: unrecognized service")
        };
        return sh.fail(&text);
    }
    if args.get(2).is_some_and(|a| a == "status") {
        sh.say(&if openrc { " * status: started".to_owned() } else { format!(" * {name} is running") });
        return 0;
    }
    if sh.vfs.uid() == 0 { 0 } else { sh.fail(&format!("{name}: Permission denied")) }
}

fn crontab(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "u");
    let user = sh.user().name.clone();
    let path =
        if sh.is_busybox() { format!("/etc/crontabs/{user}") } else { format!("/var/spool/cron/{user}") };
    let real = sh.vfs.uid();
    // The spool belongs to the tool, not to the user.
    sh.vfs.become_user(0, 0);
    let status = if options.has('l') {
        match sh.vfs.read(&path).map(std::borrow::Cow::into_owned) {
            Ok(bytes) => {
                sh.out(&bytes);
                0
            }
            Err(_) => sh.fail(&format!("no crontab for {user}")),
        }
    } else if options.has('r') {
        match sh.vfs.remove(&path) {
            Ok(()) => 0,
            Err(_) => sh.fail(&format!("no crontab for {user}")),
        }
    } else {
        let bytes = match options.rest.first().map(String::as_str) {
            None | Some("-") => Ok(sh.input()),
            Some(name) => super::cmd_text::open(sh, name).map_err(|e| format!("{name}: {e}")),
        };
        match bytes {
            Ok(bytes) => u8::from(sh.vfs.write(&path, &bytes).is_err()),
            Err(text) => sh.fail(&text),
        }
    };
    let gid = sh.user().gid;
    sh.vfs.become_user(real, gid);
    status
}

fn halt(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.vfs.uid() != 0 {
        let tool = args.first().map_or("reboot", |a| a.rsplit('/').next().unwrap_or("reboot")).to_owned();
        return sh.fail(&format!("Failed to set wall message, ignoring: Interactive authentication required.\nFailed to {tool} system via logind: Interactive authentication required."));
    }
    sh.stop = Some(super::Stop::Exit);
    sh.levels.clear();
    0
}
