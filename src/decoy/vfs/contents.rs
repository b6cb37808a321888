//! Directories, devices, homes, logs and what services leave behind.

use super::daemons::Daemon;
use super::distro::Family;
use super::machine::Machine;
use super::process::{binary, daemons};
use super::tree::{Body, Builder, When};

/// Adds them.
pub(super) fn add(tree: &mut Builder, machine: &Machine) {
    skeleton(tree, machine.distro.family);
    boot(tree, machine);
    devices(tree);
    homes(tree, machine);
    logs(tree, machine);
    services(tree, machine);
}

fn skeleton(tree: &mut Builder, family: Family) {
    for path in ["/usr", "/usr/bin", "/usr/lib", "/usr/share", "/usr/local", "/usr/src", "/usr/include"] {
        tree.dir(path, 0o755, 0, 0, When::Built);
    }
    match family {
        Family::Alpine => {
            for path in ["/bin", "/sbin", "/lib", "/usr/sbin", "/media", "/media/cdrom", "/media/usb"] {
                tree.dir(path, 0o755, 0, 0, When::Built);
            }
        }
        Family::Arch => {
            for (path, target) in [
                ("/bin", "usr/bin"),
                ("/sbin", "usr/bin"),
                ("/lib", "usr/lib"),
                ("/lib64", "usr/lib"),
                ("/usr/sbin", "bin"),
                ("/usr/lib64", "lib"),
            ] {
                tree.link(path, target);
            }
        }
        Family::Debian | Family::RedHat => {
            tree.dir("/usr/sbin", 0o755, 0, 0, When::Built);
            for (path, target) in
                [("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")]
            {
                tree.link(path, target);
            }
            tree.dir("/usr/lib64", 0o755, 0, 0, When::Built);
            tree.dir("/media", 0o755, 0, 0, When::Built);
        }
    }
    for path in ["/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/share", "/usr/share/doc"]
    {
        tree.dir(path, 0o755, 0, 0, When::Built);
    }
    for path in ["/mnt", "/opt", "/srv", "/home"] {
        tree.dir(path, 0o755, 0, 0, When::Born);
    }
    tree.dir("/boot", if family == Family::RedHat { 0o555 } else { 0o755 }, 0, 0, When::Born);
    tree.dir("/root", 0o700, 0, 0, When::Ago(86_400 * 9));
    for path in ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"] {
        tree.dir(path, 0o1777, 0, 0, When::Boot);
    }
    for path in ["/var", "/var/lib", "/var/cache", "/var/spool", "/var/spool/cron", "/var/opt", "/var/local"]
    {
        tree.dir(path, 0o755, 0, 0, When::Born);
    }
    tree.dir("/var/mail", 0o2775, 0, 8, When::Born);
    for (path, target) in [("/var/run", "/run"), ("/var/lock", "/run/lock")] {
        tree.link(path, target);
    }
    for path in
        ["/run", "/sys", "/sys/class", "/sys/class/net", "/sys/block", "/sys/kernel", "/sys/fs/cgroup"]
    {
        tree.dir(path, if path.starts_with("/sys") { 0o555 } else { 0o755 }, 0, 0, When::Boot);
    }
    if family == Family::Debian {
        tree.dir("/usr/games", 0o755, 0, 0, When::Built);
        tree.file("/usr/lib/os-release", 0o644, When::Built, Body::Made(|m| m.distro.os_release.to_owned()));
        for (name, target) in [
            ("awk", "/usr/bin/mawk"),
            ("pager", "/usr/bin/less"),
            ("vi", "/usr/bin/nano"),
            ("nc", "/bin/nc.openbsd"),
            ("which", "/usr/bin/which.debianutils"),
        ] {
            tree.link(format!("/etc/alternatives/{name}"), target);
        }
    }
}

/// The kernel and what boots it.
fn boot(tree: &mut Builder, machine: &Machine) {
    let kernel = machine.distro.kernel;
    let (image, initrd) = match machine.distro.family {
        Family::Alpine => ("vmlinuz-lts".to_owned(), "initramfs-lts".to_owned()),
        Family::Arch => ("vmlinuz-linux".to_owned(), "initramfs-linux.img".to_owned()),
        Family::RedHat => (format!("vmlinuz-{kernel}"), format!("initramfs-{kernel}.img")),
        Family::Debian => (format!("vmlinuz-{kernel}"), format!("initrd.img-{kernel}")),
    };
    tree.dir("/boot/grub", 0o755, 0, 0, When::Born);
    tree.file(format!("/boot/{image}"), 0o644, When::Built, Body::Opaque(8_218_816));
    tree.file(format!("/boot/{initrd}"), 0o644, When::Born, Body::Opaque(36_218_112));
    if machine.distro.family == Family::Debian {
        tree.link("/vmlinuz", format!("boot/{image}"));
        tree.link("/initrd.img", format!("boot/{initrd}"));
    }
    if machine.distro.family != Family::RedHat {
        tree.dir("/lost+found", 0o700, 0, 0, When::Born);
    }
}

fn devices(tree: &mut Builder) {
    tree.dir("/dev", 0o755, 0, 0, When::Boot);
    for (path, mode, gid) in [
        ("/dev/null", 0o666, 0),
        ("/dev/zero", 0o666, 0),
        ("/dev/full", 0o666, 0),
        ("/dev/random", 0o666, 0),
        ("/dev/urandom", 0o666, 0),
        ("/dev/tty", 0o666, 5),
        ("/dev/ptmx", 0o666, 5),
        ("/dev/pts/0", 0o620, 5),
        ("/dev/console", 0o600, 5),
        ("/dev/kmsg", 0o644, 0),
        ("/dev/mem", 0o640, 15),
        ("/dev/sda", 0o660, 6),
        ("/dev/sda1", 0o660, 6),
        ("/dev/sda2", 0o660, 6),
        ("/dev/watchdog", 0o600, 0),
    ] {
        tree.device(path, mode, gid);
    }
    for (path, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/core", "/proc/kcore"),
    ] {
        tree.link(path, target);
    }
}

fn homes(tree: &mut Builder, machine: &Machine) {
    let bash = machine.distro.family != Family::Alpine;
    let red_hat = machine.distro.family == Family::RedHat;
    for user in machine.users.iter().filter(|u| u.uid == 0 || u.uid == 1000) {
        let home = &user.home;
        let (uid, gid) = (user.uid, user.gid);
        let mode = if uid == 0 || red_hat { 0o700 } else { 0o750 };
        tree.dir(home.clone(), mode, uid, gid, When::Ago(86_400 * 3 + 4_000));
        tree.dir(format!("{home}/.ssh"), 0o700, uid, gid, When::Born);
        tree.owned(format!("{home}/.ssh/authorized_keys"), 0o600, uid, gid, When::Born, Body::Nothing);
        if bash {
            tree.owned(format!("{home}/.bashrc"), 0o644, uid, gid, When::Built, Body::Text(BASHRC));
            let profile = if red_hat { ".bash_profile" } else { ".profile" };
            tree.owned(format!("{home}/{profile}"), 0o644, uid, gid, When::Built, Body::Text(PROFILE));
            tree.owned(
                format!("{home}/.bash_logout"),
                0o644,
                uid,
                gid,
                When::Built,
                Body::Text("# ~/.bash_logout\n"),
            );
        }
        let name = if bash { ".bash_history" } else { ".ash_history" };
        let history: super::tree::Make = if uid == 0 { root_history } else { user_history };
        tree.owned(format!("{home}/{name}"), 0o600, uid, gid, When::Ago(86_400 * 3), Body::Made(history));
        if uid != 0 && machine.distro.id_is("ubuntu") {
            tree.owned(
                format!("{home}/.sudo_as_admin_successful"),
                0o644,
                uid,
                gid,
                When::Born,
                Body::Nothing,
            );
        }
    }
}

fn logs(tree: &mut Builder, machine: &Machine) {
    tree.dir("/var/log", 0o755, 0, 0, When::Ago(3_600));
    let (adm, files): (u32, &[&str]) = match machine.distro.family {
        Family::Debian => {
            (4, &["syslog", "auth.log", "kern.log", "dpkg.log", "alternatives.log", "cron.log"])
        }
        Family::RedHat => (0, &["messages", "secure", "cron", "maillog", "dnf.log", "boot.log", "spooler"]),
        Family::Alpine => (0, &["messages", "dmesg"]),
        Family::Arch => (0, &["pacman.log"]),
    };
    for (index, name) in files.iter().enumerate() {
        let mode = if adm == 4 { 0o640 } else { 0o600 };
        let age = u32::try_from(index).unwrap_or(0) * 7_000 + 240;
        let body = match *name {
            "auth.log" | "secure" => Body::Made(auth_log),
            "syslog" | "messages" => Body::Made(syslog),
            _ => Body::Nothing,
        };
        tree.owned(format!("/var/log/{name}"), mode, 0, adm, When::Ago(age), body);
    }
    for (name, mode, gid, size) in
        [("wtmp", 0o664, 43, 23_808), ("btmp", 0o660, 43, 1_152), ("lastlog", 0o664, 43, 292_292)]
    {
        tree.owned(format!("/var/log/{name}"), mode, 0, gid, When::Ago(5_000), Body::Opaque(size));
    }
    if machine.distro.family != Family::Alpine {
        tree.dir("/var/log/journal", 0o2755, 0, 101, When::Born);
    }
    if machine.distro.family == Family::Debian {
        tree.dir("/var/log/apt", 0o755, 0, 0, When::Ago(90_000));
        tree.file("/var/log/apt/history.log", 0o644, When::Ago(90_000), Body::Nothing);
        tree.file("/var/log/apt/term.log", 0o640, When::Ago(90_000), Body::Nothing);
    }
}

fn services(tree: &mut Builder, machine: &Machine) {
    let family = machine.distro.family;
    for daemon in daemons(machine) {
        for (_, command, ..) in daemon.runs {
            if let Some(path) = binary(machine, command) {
                tree.file(path, 0o755, When::Built, Body::Binary);
            }
        }
        if daemon.unit.is_empty() {
            continue;
        }
        let (path, mode) = match family {
            Family::Alpine => (format!("/etc/init.d/{}", daemon.unit), 0o755),
            _ => (format!("/usr/lib/systemd/system/{}", unit_file(daemon)), 0o644),
        };
        tree.file(path, mode, When::Built, Body::Kept(unit(machine, daemon)));
    }
    let web = ["http", "https"].iter().find_map(|slug| machine.software(slug)).map(|s| s.program);
    if let Some(web @ ("apache" | "nginx")) = web {
        let root = match family {
            Family::Alpine => "/var/www/localhost/htdocs",
            Family::Arch => "/srv/http",
            _ => "/var/www/html",
        };
        tree.dir(root, 0o755, 0, 0, When::Born);
        let (config, text, log) = match (web == "apache", family) {
            (true, Family::Debian) => ("/etc/apache2/apache2.conf", APACHE_CONF, "apache2"),
            (true, Family::Alpine) => ("/etc/apache2/httpd.conf", APACHE_CONF, "apache2"),
            (true, _) => ("/etc/httpd/conf/httpd.conf", APACHE_CONF, "httpd"),
            (false, _) => ("/etc/nginx/nginx.conf", NGINX_CONF, "nginx"),
        };
        tree.file(config, 0o644, When::Born, Body::Text(text));
        let (uid, gid) = if family == Family::Debian { (33, 4) } else { (0, 0) };
        tree.dir(format!("/var/log/{log}"), 0o755, 0, gid, When::Ago(4_000));
        for name in ["access.log", "error.log"] {
            tree.owned(format!("/var/log/{log}/{name}"), 0o640, uid, gid, When::Ago(600), Body::Nothing);
        }
    }
    if machine.runs("mysql") {
        tree.file("/etc/mysql/my.cnf", 0o644, When::Born, Body::Text(MY_CNF));
        tree.dir("/etc/mysql/conf.d", 0o755, 0, 0, When::Born);
        let owner = machine.user("mysql").map_or((104, 110), |u| (u.uid, u.gid));
        tree.dir("/var/lib/mysql", 0o750, owner.0, owner.1, When::Ago(7_000));
        for (name, size) in [("ibdata1", 12_582_912), ("ib_buffer_pool", 3_420), ("binlog.index", 64)] {
            tree.owned(
                format!("/var/lib/mysql/{name}"),
                0o640,
                owner.0,
                owner.1,
                When::Ago(900),
                Body::Opaque(size),
            );
        }
        tree.dir("/run/mysqld", 0o755, owner.0, owner.1, When::Boot);
    }
    if machine.runs("redis") {
        let owner = machine.user("redis").map_or((105, 111), |u| (u.uid, u.gid));
        tree.owned("/etc/redis/redis.conf", 0o640, owner.0, owner.1, When::Born, Body::Text(REDIS_CONF));
        tree.owned("/var/lib/redis/dump.rdb", 0o660, owner.0, owner.1, When::Ago(2_000), Body::Opaque(4_711));
    }
    if machine.runs("ftp") {
        tree.file("/etc/vsftpd.conf", 0o644, When::Born, Body::Text(VSFTPD_CONF));
        tree.dir("/srv/ftp", 0o755, 0, 0, When::Born);
    }
}

/// The name of a daemon's unit: what systemd listens for itself is a socket.
fn unit_file(daemon: &Daemon) -> String {
    format!("{}.{}", daemon.unit, if daemon.runs.is_empty() { "socket" } else { "service" })
}

/// The file that starts a daemon.
fn unit(machine: &Machine, daemon: &Daemon) -> String {
    let command = daemon.runs.first().map_or("", |run| run.1);
    let start = binary(machine, command).unwrap_or_else(|| format!("/usr/sbin/{}", daemon.unit));
    let rest = command.split_once(start.as_str()).map_or("", |(_, rest)| rest);
    let about = daemon.about;
    if machine.distro.family == Family::Alpine {
        return format!(
            "#!/sbin/openrc-run\n\ndescription=\"{about}\"\ncommand=\"{start}\"\ncommand_args=\"{}\"\n\ndepend() {{\n\tneed net\n\tafter firewall\n}}\n",
            rest.trim()
        );
    }
    if daemon.runs.is_empty() {
        return format!(
            "[Unit]\nDescription={about}\n\n[Socket]\nListenStream={}\nAccept=yes\n\n[Install]\nWantedBy=sockets.target\n",
            if daemon.slugs.contains(&"tftp") { 69 } else { 23 }
        );
    }
    format!(
        "[Unit]\nDescription={about}\nAfter=network.target\n\n[Service]\nExecStart={start}{rest}\nRestart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// What root typed while setting the machine up, by what runs on it.
fn root_history(machine: &Machine) -> String {
    let mut lines: Vec<&str> = match machine.distro.family {
        Family::Debian => vec!["apt update", "apt upgrade -y", "timedatectl set-timezone UTC", "ip a"],
        Family::RedHat => {
            vec!["yum update -y", "getenforce", "timedatectl", "ip a", "firewall-cmd --list-all"]
        }
        Family::Alpine => vec!["apk update", "apk upgrade", "setup-ntp", "ip a", "rc-status"],
        Family::Arch => vec!["pacman -Syu", "ip a", "timedatectl"],
    };
    for (slug, typed) in [
        (
            "http",
            &["vi /etc/nginx/nginx.conf", "nginx -t", "ls -la /var/www", "tail -f /var/log/nginx/access.log"]
                [..],
        ),
        ("mysql", &["mysql -u root -p", "du -sh /var/lib/mysql", "ls /etc/mysql"][..]),
        ("redis", &["redis-cli info | head", "vi /etc/redis/redis.conf"][..]),
        ("ftp", &["vi /etc/vsftpd.conf", "ls -la /srv/ftp"][..]),
        ("ssh", &["vi /etc/ssh/sshd_config", "ss -tlnp"][..]),
    ] {
        if machine.runs(slug) {
            lines.extend(typed);
        }
    }
    lines.extend(["df -h", "free -m", "crontab -l", "last | head", "exit"]);
    lines.join("\n") + "\n"
}

fn user_history(machine: &Machine) -> String {
    let update = match machine.distro.family {
        Family::Debian => "sudo apt update && sudo apt list --upgradable",
        Family::RedHat => "sudo yum check-update",
        Family::Alpine => "apk version -l '<'",
        Family::Arch => "checkupdates",
    };
    format!("ls -la\ndf -h\nuptime\n{update}\nfree -m\nhistory\ntop\nsudo su -\nexit\n")
}

fn stamp(ago: i64) -> String {
    let time = jiff::Timestamp::from_second(super::now() - ago).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(time).strftime("%b %e %H:%M:%S").to_string()
}

/// A quiet host: its hourly jobs only. Nobody's logins are made up.
fn auth_log(machine: &Machine) -> String {
    let mut text = String::new();
    let since = super::now() % 3_600;
    for hour in (0..12).rev() {
        let ago = hour * 3_600 + since - 1_020 + 3_600;
        let pid = 4_000 + (super::now() - ago) / 61 % 25_000;
        let (at, host) = (stamp(ago), &machine.hostname);
        text += &format!(
            "{at} {host} CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n"
        );
        text += &format!("{at} {host} CRON[{pid}]: pam_unix(cron:session): session closed for user root\n");
    }
    text
}

fn syslog(machine: &Machine) -> String {
    let mut text = String::new();
    let since = super::now() % 3_600;
    for hour in (0..12).rev() {
        let ago = hour * 3_600 + since - 1_020 + 3_600;
        let pid = 4_000 + (super::now() - ago) / 61 % 25_000;
        let (at, host) = (stamp(ago), &machine.hostname);
        text += &match machine.distro.family {
            Family::Alpine => format!(
                "{at} {host} cron.info crond[2204]: USER root pid {pid} cmd run-parts /etc/periodic/hourly\n"
            ),
            Family::RedHat => format!("{at} {host} CROND[{pid}]: (root) CMD (run-parts /etc/cron.hourly)\n"),
            _ => format!(
                "{at} {host} CRON[{pid}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)\n"
            ),
        };
    }
    text
}

const BASHRC: &str = "# ~/.bashrc: executed by bash(1) for non-login shells.\n\n# If not running interactively, don't do anything\ncase $- in\n    *i*) ;;\n      *) return;;\nesac\n\nHISTCONTROL=ignoreboth\nshopt -s histappend\nHISTSIZE=1000\nHISTFILESIZE=2000\nshopt -s checkwinsize\n\nalias ll='ls -alF'\nalias la='ls -A'\nalias l='ls -CF'\n";
const PROFILE: &str = "# ~/.profile: executed by Bourne-compatible login shells.\n\nif [ \"$BASH\" ]; then\n  if [ -f ~/.bashrc ]; then\n    . ~/.bashrc\n  fi\nfi\n\nmesg n 2> /dev/null || true\n";
const NGINX_CONF: &str = "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\n\nevents {\n\tworker_connections 768;\n}\n\nhttp {\n\tsendfile on;\n\ttcp_nopush on;\n\ttypes_hash_max_size 2048;\n\tinclude /etc/nginx/mime.types;\n\tdefault_type application/octet-stream;\n\taccess_log /var/log/nginx/access.log;\n\terror_log /var/log/nginx/error.log;\n\tgzip on;\n\tinclude /etc/nginx/conf.d/*.conf;\n}\n";
const APACHE_CONF: &str = "ServerRoot \"/etc/apache2\"\nTimeout 300\nKeepAlive On\nMaxKeepAliveRequests 100\nKeepAliveTimeout 5\nHostnameLookups Off\nLogLevel warn\n\n<Directory />\n\tOptions FollowSymLinks\n\tAllowOverride None\n\tRequire all denied\n</Directory>\n\n<Directory /var/www/>\n\tOptions Indexes FollowSymLinks\n\tAllowOverride None\n\tRequire all granted\n</Directory>\n";
const MY_CNF: &str = "[client-server]\n\n[mysqld]\nuser = mysql\npid-file = /run/mysqld/mysqld.pid\nsocket = /run/mysqld/mysqld.sock\nport = 3306\ndatadir = /var/lib/mysql\nbind-address = 0.0.0.0\n\n!includedir /etc/mysql/conf.d/\n";
const REDIS_CONF: &str = "bind 0.0.0.0\nport 6379\nprotected-mode no\ntcp-backlog 511\ntimeout 0\ntcp-keepalive 300\ndaemonize yes\nsupervised auto\npidfile /run/redis/redis-server.pid\nloglevel notice\ndatabases 16\nsave 900 1\nsave 300 10\nsave 60 10000\ndbfilename dump.rdb\ndir /var/lib/redis\n";
const VSFTPD_CONF: &str = "listen=YES\nlisten_ipv6=NO\nlocal_enable=YES\nwrite_enable=YES\ndirmessage_enable=YES\nuse_localtime=YES\nxferlog_enable=YES\nconnect_from_port_20=YES\nsecure_chroot_dir=/var/run/vsftpd/empty\npam_service_name=vsftpd\nssl_enable=NO\n";
