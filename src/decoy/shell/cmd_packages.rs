//! Package managers: without a network they fail the way they do.

use super::Shell;
use super::commands::Command;
use crate::decoy::vfs::process::daemons;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "apt" | "apt-get" | "apt-cache" | "apt-key" => apt,
        "dpkg" | "dpkg-query" | "rpm" => list,
        "dnf" | "dnf-3" | "yum" => dnf,
        "apk" => apk,
        "pacman" => pacman,
        "lsb_release" => lsb,
        _ => return None,
    })
}

fn apt(sh: &mut Shell, args: &[String]) -> u8 {
    let verb = args.iter().skip(1).find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let names: Vec<&String> = args.iter().skip(1).filter(|a| !a.starts_with('-') && **a != verb).collect();
    let changes = matches!(
        verb.as_str(),
        "update"
            | "install"
            | "upgrade"
            | "dist-upgrade"
            | "full-upgrade"
            | "remove"
            | "purge"
            | "autoremove"
    );
    if changes && sh.vfs.uid() != 0 {
        let file = if verb == "update" { "/var/lib/apt/lists/lock" } else { "/var/lib/dpkg/lock-frontend" };
        let text = if verb == "update" {
            format!(
                "Reading package lists... Done\nE: Could not open lock file {file} - open (13: Permission denied)\nE: Unable to lock directory /var/lib/apt/lists/"
            )
        } else {
            format!(
                "E: Could not open lock file {file} - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock ({file}), are you root?"
            )
        };
        return sh.fail(&text) + 99;
    }
    match verb.as_str() {
        "update" => {
            let sources = sh
                .vfs
                .read("/etc/apt/sources.list")
                .map(|b| String::from_utf8_lossy(&b).into_owned())
                .unwrap_or_default();
            let mut warned = Vec::new();
            for (number, line) in sources.lines().enumerate() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [_, url, suite, ..] = words.as_slice() else { continue };
                let host = url.split('/').nth(2).unwrap_or_default();
                sh.say(&format!(
                    "Err:{} {url} {suite} InRelease\n  Temporary failure resolving '{host}'",
                    number + 1
                ));
                warned.push(format!(
                    "W: Failed to fetch {url}/dists/{suite}/InRelease  Temporary failure resolving '{host}'"
                ));
            }
            sh.say("Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done\nAll packages are up to date.");
            warned.push(
                "W: Some index files failed to download. They have been ignored, or old ones used instead."
                    .to_owned(),
            );
            sh.fail(&warned.join("\n"));
            0
        }
        "install" => {
            sh.say("Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done");
            match names.first() {
                Some(name) => sh.fail(&format!("E: Unable to locate package {name}")) + 99,
                None => 0,
            }
        }
        "upgrade" | "dist-upgrade" | "full-upgrade" | "remove" | "purge" | "autoremove" => {
            sh.say("Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.");
            0
        }
        "" => {
            sh.say("apt 2.6.1 (amd64)\nUsage: apt [options] command\n\napt is a commandline package manager and provides commands for\nsearching and managing as well as querying information about packages.");
            0
        }
        _ => 0,
    }
}

/// The packages of what serves: name, version where it is known.
fn served(sh: &Shell) -> Vec<(&'static str, String)> {
    let machine = sh.machine();
    let mut all: Vec<(&str, String)> = Vec::new();
    for daemon in daemons(machine) {
        let told = daemon.slugs.iter().find_map(|slug| machine.software(slug));
        let version = told.filter(|_| daemon.part.is_empty()).map(|s| s.number().to_owned());
        if let Some(version) = version.filter(|v| !v.is_empty())
            && !all.iter().any(|(name, _)| *name == daemon.package)
        {
            all.push((daemon.package, version));
        }
    }
    all
}

fn list(sh: &mut Shell, args: &[String]) -> u8 {
    let rpm = args.first().is_some_and(|a| a.ends_with("rpm"));
    let distro = sh.machine().distro;
    let (shell, tools) = (distro.shell_version.split('(').next().unwrap_or_default(), distro.coreutils);
    let served = served(sh);
    // `-l` of one name, or `-q`, is about that one.
    let asked = args.iter().skip(1).find(|a| !a.starts_with('-')).cloned();
    let wanted = |name: &str| asked.as_deref().is_none_or(|asked| asked.trim_matches('*') == name);
    if rpm {
        let tag = match distro.slug {
            "centos7" => "el7",
            "fedora" => "fc39",
            _ => "el9",
        };
        let mut lines = vec![
            ("bash", format!("{shell}-9.{tag}.x86_64")),
            ("coreutils", format!("{tools}-36.{tag}.x86_64")),
            ("kernel", distro.kernel.to_owned()),
            ("systemd", format!("252-51.{tag}.x86_64")),
        ];
        lines.extend(served.into_iter().map(|(name, version)| (name, format!("{version}-1.{tag}.x86_64"))));
        lines.retain(|(name, _)| wanted(name));
        if let (true, Some(asked)) = (lines.is_empty(), asked) {
            return sh.fail(&format!("package {asked} is not installed"));
        }
        for (name, version) in lines {
            sh.say(&format!("{name}-{version}"));
        }
        return 0;
    }
    let mut lines = vec![
        ("bash", format!("{shell}-2"), "GNU Bourne Again SHell"),
        ("coreutils", format!("{tools}-1"), "GNU core utilities"),
    ];
    lines.extend(served.into_iter().map(|(name, version)| (name, format!("{version}-1"), "server")));
    lines.retain(|(name, ..)| wanted(name));
    if let (true, Some(asked)) = (lines.is_empty(), asked) {
        return sh.fail(&format!("dpkg-query: no packages found matching {asked}"));
    }
    lines.sort_unstable();
    sh.say("Desired=Unknown/Install/Remove/Purge/Hold\n| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n||/ Name           Version      Architecture Description\n+++-==============-============-============-=================================");
    for (name, version, about) in lines {
        sh.say(&format!("ii  {name:<14} {version:<12} amd64        {about}"));
    }
    0
}

fn dnf(sh: &mut Shell, args: &[String]) -> u8 {
    let verb = args.iter().skip(1).find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    if verb.is_empty() {
        sh.say("usage: dnf [options] COMMAND");
        return 1;
    }
    if sh.vfs.uid() != 0 && matches!(verb.as_str(), "install" | "update" | "upgrade" | "remove") {
        return sh.fail("Error: This command has to be run with superuser privileges (under the root user on most systems).");
    }
    let slug = sh.machine().distro.slug;
    if slug == "centos7" {
        return sh.fail("Loaded plugins: fastestmirror\nDetermining fastest mirrors\nCould not retrieve mirrorlist http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=os&infra=stock error was\n14: curl#6 - \"Could not resolve host: mirrorlist.centos.org; Unknown error\"");
    }
    let (title, id, host) = if slug == "fedora" {
        ("Fedora 39 - x86_64", "fedora", "mirrors.fedoraproject.org")
    } else {
        ("Rocky Linux 9 - BaseOS", "baseos", "mirrors.rockylinux.org")
    };
    sh.say(&format!("{title:<56}0.0  B/s |   0  B     00:00    "));
    sh.fail(&format!("Errors during downloading metadata for repository '{id}':\n  - Curl error (6): Couldn't resolve host name for https://{host}/ [Could not resolve host: {host}]\nError: Failed to download metadata for repo '{id}': Cannot prepare internal mirrorlist: Curl error (6): Couldn't resolve host name for https://{host}/ [Could not resolve host: {host}]"))
}

fn apk(sh: &mut Shell, args: &[String]) -> u8 {
    let verb = args.iter().skip(1).find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    if sh.vfs.uid() != 0 && matches!(verb.as_str(), "add" | "update" | "upgrade" | "del") {
        return sh.fail("ERROR: Unable to lock database: Permission denied\nERROR: Failed to open apk database: Permission denied") + 98;
    }
    match verb.as_str() {
        "update" | "upgrade" | "add" => {
            for part in ["main", "community"] {
                let url = format!("http://dl-cdn.alpinelinux.org/alpine/v3.19/{part}");
                sh.say(&format!("fetch {url}/x86_64/APKINDEX.tar.gz"));
                sh.fail(&format!("WARNING: fetching {url}: temporary error (try again later)"));
            }
            if verb == "add" {
                let name =
                    args.iter().skip(1).filter(|a| !a.starts_with('-')).nth(1).cloned().unwrap_or_default();
                return sh.fail(&format!("ERROR: unable to select packages:\n  {name} (no such package):\n    required by: world[{name}]"));
            }
            sh.fail("2 errors; 48 distinct packages available") + 1
        }
        "info" | "list" => {
            sh.say("alpine-baselayout\nalpine-keys\napk-tools\nbusybox\nbusybox-binsh\nlibc-utils\nmusl\nopenrc\nssl_client\nzlib");
            0
        }
        _ => 0,
    }
}

fn pacman(sh: &mut Shell, args: &[String]) -> u8 {
    let syncs = args.iter().any(|a| a.starts_with("-S"));
    if syncs && sh.vfs.uid() != 0 {
        return sh.fail("error: you cannot perform this operation unless you are root.");
    }
    if syncs {
        sh.say(":: Synchronizing package databases...\n core downloading...\n extra downloading...");
        return sh.fail("error: failed retrieving file 'core.db' from geo.mirror.pkgbuild.com : Could not resolve host: geo.mirror.pkgbuild.com\nerror: failed retrieving file 'extra.db' from geo.mirror.pkgbuild.com : Could not resolve host: geo.mirror.pkgbuild.com\nerror: failed to synchronize all databases (failed to retrieve some files)");
    }
    0
}

fn lsb(sh: &mut Shell, _: &[String]) -> u8 {
    let distro = sh.machine().distro;
    sh.say(&format!("No LSB modules are available.\nDescription:\t{}", distro.pretty));
    0
}
