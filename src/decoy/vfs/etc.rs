//! `/etc`.

use super::distro::Family;
use super::machine::{Machine, SYSTEM_GROUPS};
use super::tree::{Body, Builder, When};

/// Adds it.
pub(super) fn add(tree: &mut Builder, machine: &Machine) {
    let family = machine.distro.family;
    let made: &[(&str, super::tree::Make)] = &[
        ("/etc/hostname", |m| format!("{}\n", m.hostname)),
        ("/etc/hosts", hosts),
        ("/etc/passwd", passwd),
        ("/etc/passwd-", passwd),
        ("/etc/group", group),
        ("/etc/resolv.conf", |m| format!("nameserver {}\n", m.gateway())),
        ("/etc/fstab", fstab),
        ("/etc/machine-id", |m| format!("{}\n", hex::encode(&m.derive("machine-id")[..16]))),
        ("/etc/issue", |m| m.distro.issue.to_owned()),
        ("/etc/motd", |m| motd(m).to_owned()),
    ];
    for (path, make) in made {
        tree.file(*path, 0o644, When::Born, Body::Made(*make));
    }
    if family == Family::Debian {
        tree.link("/etc/os-release", "../usr/lib/os-release");
    } else {
        tree.file("/etc/os-release", 0o644, When::Built, Body::Made(|m| m.distro.os_release.to_owned()));
    }
    let shadow_group = if family == Family::Debian || family == Family::Alpine { 42 } else { 0 };
    let shadow_mode = if family == Family::RedHat { 0 } else { 0o640 };
    for path in ["/etc/shadow", "/etc/shadow-"] {
        tree.owned(path, shadow_mode, 0, shadow_group, When::Born, Body::Made(shadow));
    }
    tree.owned("/etc/gshadow", shadow_mode, 0, shadow_group, When::Born, Body::Made(gshadow));
    for (path, text) in STATIC {
        tree.file(*path, 0o644, When::Built, Body::Text(text));
    }
    tree.file("/etc/sudoers", 0o440, When::Born, Body::Made(sudoers));
    tree.dir("/etc/sudoers.d", 0o750, 0, 0, When::Built);
    for path in
        ["/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.weekly", "/etc/init.d", "/etc/opt"]
    {
        tree.dir(path, 0o755, 0, 0, When::Built);
    }
    tree.file("/etc/crontab", 0o644, When::Built, Body::Text(CRONTAB));
    ssh(tree, machine);
    match family {
        Family::Debian => debian(tree, machine),
        Family::RedHat => {
            tree.file(
                "/etc/redhat-release",
                0o644,
                When::Built,
                Body::Made(|m| redhat_release(m).to_owned()),
            );
            tree.link("/etc/system-release", "redhat-release");
            tree.dir("/etc/yum.repos.d", 0o755, 0, 0, When::Built);
            tree.file(
                "/etc/selinux/config",
                0o644,
                When::Built,
                Body::Text("SELINUX=permissive\nSELINUXTYPE=targeted\n"),
            );
        }
        Family::Alpine => {
            tree.file("/etc/alpine-release", 0o644, When::Built, Body::Text("3.19.9\n"));
            tree.file("/etc/apk/repositories", 0o644, When::Born, Body::Text(APK));
            tree.file("/etc/inittab", 0o644, When::Built, Body::Text(INITTAB));
            tree.file("/etc/network/interfaces", 0o644, When::Born, Body::Made(interfaces));
        }
        Family::Arch => {
            tree.file("/etc/arch-release", 0o644, When::Built, Body::Nothing);
            tree.file("/etc/pacman.conf", 0o644, When::Built, Body::Text("[options]\nHoldPkg     = pacman glibc\nArchitecture = auto\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n"));
        }
    }
}

fn debian(tree: &mut Builder, machine: &Machine) {
    tree.link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
    tree.file(
        "/etc/issue.net",
        0o644,
        When::Built,
        Body::Made(|m| format!("{}\n", m.distro.issue.trim_end_matches(" \\n \\l\n\n"))),
    );
    let version = match machine.distro.slug {
        "ubuntu22" => "bookworm/sid\n",
        "ubuntu20" => "bullseye/sid\n",
        "kali" => "kali-rolling\n",
        _ => "12.15\n",
    };
    tree.file("/etc/debian_version", 0o644, When::Built, Body::Text(version));
    tree.file("/etc/apt/sources.list", 0o644, When::Born, Body::Made(sources));
    tree.dir("/etc/apt/sources.list.d", 0o755, 0, 0, When::Built);
    tree.file("/etc/timezone", 0o644, When::Born, Body::Text("Etc/UTC\n"));
    if machine.distro.id_is("ubuntu") {
        tree.file("/etc/lsb-release", 0o644, When::Built, Body::Made(lsb_release));
        tree.file("/etc/netplan/00-installer-config.yaml", 0o600, When::Born, Body::Made(netplan));
        tree.dir("/etc/update-motd.d", 0o755, 0, 0, When::Built);
    } else {
        tree.file("/etc/network/interfaces", 0o644, When::Born, Body::Made(interfaces));
    }
}

fn ssh(tree: &mut Builder, machine: &Machine) {
    if !machine.runs("ssh") {
        return;
    }
    let mode = if machine.distro.family == Family::RedHat { 0o600 } else { 0o644 };
    tree.file("/etc/ssh/sshd_config", mode, When::Born, Body::Text(SSHD_CONFIG));
    tree.file(
        "/etc/ssh/ssh_config",
        0o644,
        When::Built,
        Body::Text("Host *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n"),
    );
    for kind in ["rsa", "ecdsa", "ed25519"] {
        // Nobody may read the key itself: its text would have to be the one the service signs with.
        tree.file(format!("/etc/ssh/ssh_host_{kind}_key"), 0o600, When::Born, Body::Nothing);
    }
}

fn hosts(m: &Machine) -> String {
    match m.distro.family {
        Family::Debian => format!(
            "127.0.0.1\tlocalhost\n127.0.1.1\t{}\n\n# The following lines are desirable for IPv6 capable hosts\n::1     localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
            m.hostname
        ),
        Family::Alpine => {
            format!("127.0.0.1\t{0} localhost.localdomain localhost\n::1\t\tlocalhost localhost.localdomain\n", m.hostname)
        }
        _ => "127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4\n::1         localhost localhost.localdomain localhost6 localhost6.localdomain6\n".to_owned(),
    }
}

fn passwd(m: &Machine) -> String {
    let line =
        |u: &super::User| format!("{}:x:{}:{}:{}:{}:{}\n", u.name, u.uid, u.gid, u.comment, u.home, u.shell);
    m.users.iter().map(line).collect()
}

fn groups(m: &Machine) -> Vec<(String, u32)> {
    let mut all: Vec<(String, u32)> = Vec::new();
    let system = SYSTEM_GROUPS.iter().map(|(name, gid)| ((*name).to_owned(), *gid));
    for (name, gid) in m.users.iter().map(|u| (u.name.clone(), u.gid)).chain(system) {
        if !all.iter().any(|(n, g)| *n == name || *g == gid) {
            all.push((name, gid));
        }
    }
    let (admin, number) = if m.distro.family == Family::Debian { ("sudo", 27) } else { ("wheel", 10) };
    all.retain(|(_, gid)| *gid != number);
    all.push((admin.to_owned(), number));
    all.sort_by_key(|(_, gid)| *gid);
    all
}

fn group(m: &Machine) -> String {
    let member = m.person().map_or("", |u| u.name.as_str());
    let line = |(name, gid): (String, u32)| {
        let who = if name == "sudo" || name == "wheel" { member } else { "" };
        format!("{name}:x:{gid}:{who}\n")
    };
    groups(m).into_iter().map(line).collect()
}

fn gshadow(m: &Machine) -> String {
    groups(m).into_iter().map(|(name, _)| format!("{name}:*::\n")).collect()
}

/// Hashes of the right form that are the hash of nothing.
fn shadow(m: &Machine) -> String {
    let day = m.born / 86_400;
    let line = |u: &super::User| {
        if u.uid == 0 || u.uid == 1000 {
            format!("{}:{}:{day}:0:99999:7:::\n", u.name, crypt(m, &u.name))
        } else {
            let none = if m.distro.family == Family::Alpine { "!" } else { "*" };
            format!("{}:{none}:{day}:0:99999:7:::\n", u.name)
        }
    };
    m.users.iter().map(line).collect()
}

fn crypt(m: &Machine, user: &str) -> String {
    const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let draw = |label: &str, count: usize| -> String {
        let bytes = (0..=count / 32).flat_map(|part| m.derive(&format!("crypt/{user}/{label}/{part}")));
        bytes.take(count).map(|b| char::from(DIGITS[usize::from(b % 64)])).collect()
    };
    match m.distro.slug {
        "debian" | "ubuntu22" | "kali" | "arch" | "fedora" => {
            format!("$y$j9T${}${}", draw("salt", 22), draw("hash", 43))
        }
        _ => format!("$6${}${}", draw("salt", 16), draw("hash", 86)),
    }
}

fn fstab(m: &Machine) -> String {
    let kind = if m.distro.family == Family::RedHat { "xfs" } else { "ext4" };
    format!(
        "# /etc/fstab: static file system information.\nUUID={} /               {kind}    errors=remount-ro 0       1\n",
        uuid(m, "root")
    )
}

/// A UUID that belongs to a label.
pub(crate) fn uuid(m: &Machine, label: &str) -> String {
    let b = hex::encode(&m.derive(label)[..16]);
    format!("{}-{}-4{}-a{}-{}", &b[..8], &b[8..12], &b[13..16], &b[17..20], &b[20..32])
}

/// The message of the day as a file: Debian's kind prints it at login.
pub(crate) fn motd(m: &Machine) -> &'static str {
    match m.distro.slug {
        "debian" => {
            "\nThe programs included with the Debian GNU/Linux system are free software;\nthe exact distribution terms for each program are described in the\nindividual files in /usr/share/doc/*/copyright.\n\nDebian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\npermitted by applicable law.\n"
        }
        "kali" => {
            "\nThe programs included with the Kali GNU/Linux system are free software;\nthe exact distribution terms for each program are described in the\nindividual files in /usr/share/doc/*/copyright.\n\nKali GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\npermitted by applicable law.\n"
        }
        "alpine" => {
            "Welcome to Alpine!\n\nThe Alpine Wiki contains a large amount of how-to guides and general\ninformation about administrating Alpine systems.\nSee <https://wiki.alpinelinux.org/>.\n\nYou can setup the system with the command: setup-alpine\n\nYou may change this message by editing /etc/motd.\n\n"
        }
        _ => "",
    }
}

fn redhat_release(m: &Machine) -> &'static str {
    match m.distro.slug {
        "centos7" => "CentOS Linux release 7.9.2009 (Core)\n",
        "fedora" => "Fedora release 39 (Thirty Nine)\n",
        _ => "Rocky Linux release 9.6 (Blue Onyx)\n",
    }
}

fn lsb_release(m: &Machine) -> String {
    let (number, name) = if m.distro.slug == "ubuntu20" { ("20.04", "focal") } else { ("22.04", "jammy") };
    format!(
        "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={number}\nDISTRIB_CODENAME={name}\nDISTRIB_DESCRIPTION=\"{}\"\n",
        m.distro.pretty
    )
}

fn netplan(m: &Machine) -> String {
    format!(
        "network:\n  ethernets:\n    {}:\n      addresses:\n      - {}/24\n      nameservers:\n        addresses:\n        - {gw}\n      routes:\n      - to: default\n        via: {gw}\n  version: 2\n",
        m.distro.interface,
        m.ip,
        gw = m.gateway()
    )
}

fn interfaces(m: &Machine) -> String {
    let nic = m.distro.interface;
    format!(
        "auto lo\niface lo inet loopback\n\nauto {nic}\niface {nic} inet static\n\taddress {}/24\n\tgateway {}\n",
        m.ip,
        m.gateway()
    )
}

fn sources(m: &Machine) -> String {
    match m.distro.slug {
        "kali" => "deb http://http.kali.org/kali kali-rolling main contrib non-free non-free-firmware\n".to_owned(),
        "debian" => "deb http://ftp.debian.org/debian bookworm main non-free-firmware\ndeb http://security.debian.org/debian-security bookworm-security main non-free-firmware\ndeb http://ftp.debian.org/debian bookworm-updates main non-free-firmware\n".to_owned(),
        slug => {
            let name = if slug == "ubuntu20" { "focal" } else { "jammy" };
            let line = |part: &str| format!("deb http://archive.ubuntu.com/ubuntu {name}{part} main restricted universe multiverse\n");
            [line(""), line("-updates"), line("-security")].concat()
        }
    }
}

fn sudoers(m: &Machine) -> String {
    let group = if m.distro.family == Family::Debian { "%sudo" } else { "%wheel" };
    format!(
        "Defaults\tenv_reset\nDefaults\tmail_badpass\nDefaults\tsecure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\nroot\tALL=(ALL:ALL) ALL\n{group}\tALL=(ALL:ALL) NOPASSWD: ALL\n\n@includedir /etc/sudoers.d\n"
    )
}

const STATIC: &[(&str, &str)] = &[
    ("/etc/host.conf", "multi on\n"),
    (
        "/etc/nsswitch.conf",
        "passwd:         files systemd\ngroup:          files systemd\nshadow:         files\n\nhosts:          files dns\nnetworks:       files\n\nprotocols:      db files\nservices:       db files\n",
    ),
    ("/etc/shells", "# /etc/shells: valid login shells\n/bin/sh\n/bin/bash\n/usr/bin/bash\n"),
    (
        "/etc/profile",
        "# /etc/profile: system-wide .profile file for the Bourne shell (sh(1))\n\nif [ \"$(id -u)\" -eq 0 ]; then\n  PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\nelse\n  PATH=\"/usr/local/bin:/usr/bin:/bin\"\nfi\nexport PATH\n",
    ),
    (
        "/etc/bash.bashrc",
        "# System-wide .bashrc file for interactive bash(1) shells.\n[ -z \"$PS1\" ] && return\nshopt -s checkwinsize\n",
    ),
    ("/etc/environment", ""),
    (
        "/etc/login.defs",
        "MAIL_DIR        /var/mail\nUMASK\t\t022\nPASS_MAX_DAYS\t99999\nPASS_MIN_DAYS\t0\nPASS_WARN_AGE\t7\nUID_MIN\t\t\t 1000\nUID_MAX\t\t\t60000\n",
    ),
    (
        "/etc/services",
        "ftp\t\t21/tcp\nssh\t\t22/tcp\ntelnet\t\t23/tcp\nsmtp\t\t25/tcp\t\tmail\ndomain\t\t53/tcp\ndomain\t\t53/udp\ntftp\t\t69/udp\nhttp\t\t80/tcp\t\twww\niso-tsap\t102/tcp\t\ttsap\npop3\t\t110/tcp\t\tpop-3\nntp\t\t123/udp\nnetbios-ssn\t139/tcp\nimap2\t\t143/tcp\t\timap\nsnmp\t\t161/tcp\nsnmp\t\t161/udp\nldap\t\t389/tcp\nldap\t\t389/udp\nhttps\t\t443/tcp\nmicrosoft-ds\t445/tcp\nmbap\t\t502/tcp\nsubmission\t587/tcp\nldaps\t\t636/tcp\nimaps\t\t993/tcp\npop3s\t\t995/tcp\nms-sql-s\t1433/tcp\nmqtt\t\t1883/tcp\ndocker\t\t2375/tcp\ndocker-s\t2376/tcp\nmysql\t\t3306/tcp\nms-wbt-server\t3389/tcp\nsip\t\t5060/tcp\nsip\t\t5060/udp\nmdns\t\t5353/udp\nhostmon\t\t5355/tcp\nhostmon\t\t5355/udp\npostgresql\t5432/tcp\nrfb\t\t5900/tcp\nredis\t\t6379/tcp\nsun-sr-https\t6443/tcp\nhttp-alt\t8080/tcp\twebcache\nwap-wsp\t\t9200/tcp\nmongodb\t\t27017/tcp\n",
    ),
    ("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
    ("/etc/sysctl.conf", "#net.ipv4.ip_forward=1\n"),
];
const CRONTAB: &str = "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }\n";
const APK: &str = "#/media/cdrom/apks\nhttp://dl-cdn.alpinelinux.org/alpine/v3.19/main\nhttp://dl-cdn.alpinelinux.org/alpine/v3.19/community\n";
const INITTAB: &str = "::sysinit:/sbin/openrc sysinit\n::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\ntty1::respawn:/sbin/getty 38400 tty1\n::ctrlaltdel:/sbin/reboot\n::shutdown:/sbin/openrc shutdown\n";
const SSHD_CONFIG: &str = "Include /etc/ssh/sshd_config.d/*.conf\n\nPort 22\nPermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\n";
