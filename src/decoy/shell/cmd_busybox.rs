//! BusyBox as a program of its own: an applet, or the answer that bots wait for.

use super::Shell;
use super::commands::{self, Command};
use crate::decoy::vfs::Kind;
use crate::decoy::vfs::distro::Family;

/// Applets of Debian's package; Ubuntu's has nearly the same.
const DEBIAN: &str = "[ [[ acpid adjtimex ar arch arp arping ascii ash awk base64 basename bc blkdiscard blkid blockdev brctl \
    bunzip2 bzcat bzip2 cal cat chgrp chmod chown chroot chvt clear cmp cp cpio crc32 cttyhack cut date dc dd \
    deallocvt depmod devmem df diff dirname dmesg dnsdomainname dos2unix du dumpkmap dumpleases echo egrep env \
    expand expr factor fallocate false fatattr fdisk fgrep find findfs fold free freeramdisk fsfreeze fstrim \
    ftpget ftpput getopt getty grep groups gunzip gzip halt head hexdump hostid hostname httpd hwclock \
    i2cdetect i2cdump i2cget i2cset i2ctransfer id ifconfig ifdown ifup init insmod ionice ip ipcalc ipneigh \
    kill killall klogd last less link linux32 linux64 linuxrc ln loadfont loadkmap logger login logname logread \
    losetup ls lsmod lsscsi lzcat lzma lzop md5sum mdev microcom mim mkdir mkdosfs mke2fs mkfifo mknod mkpasswd \
    mkswap mktemp modinfo modprobe more mount mt mv nameif nc netstat nl nologin nproc nsenter nslookup nuke od \
    openvt partprobe paste patch pidof ping ping6 pivot_root poweroff printf ps pwd rdate readlink realpath \
    reboot renice reset resume rev rm rmdir rmmod route rpm rpm2cpio run-init run-parts sed seq setkeycodes \
    setpriv setsid sh sha1sum sha256sum sha3sum sha512sum shred shuf sleep sort ssl_client start-stop-daemon \
    stat strings stty svc svok swapoff swapon switch_root sync sysctl syslogd tac tail tar taskset tee telnet \
    test tftp time timeout top touch tr traceroute traceroute6 true truncate ts tty ubirename udhcpc udhcpd \
    uevent umount uname uncompress unexpand uniq unix2dos unlink unlzma unshare unxz unzip uptime usleep \
    uudecode uuencode vconfig vi w watch watchdog wc wget which who whoami xargs xxd xz xzcat yes zcat";

/// The command of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    (name == "busybox").then_some(busybox as Command)
}

/// What follows `BusyBox v`.
pub(super) fn version(sh: &Shell) -> String {
    let machine = sh.machine();
    match machine.distro.slug {
        _ if sh.family() == Family::Alpine => {
            format!("{} (2023-11-07 18:53:09 UTC)", machine.distro.shell_version)
        }
        "ubuntu20" => "1.30.1 (Ubuntu 1:1.30.1-4ubuntu6.5)".to_owned(),
        "ubuntu22" => "1.30.1 (Ubuntu 1:1.30.1-7ubuntu3.1)".to_owned(),
        "kali" => "1.37.0 (Debian 1:1.37.0-6)".to_owned(),
        _ => "1.35.0 (Debian 1:1.35.0-4+b4)".to_owned(),
    }
}

fn known(sh: &Shell, applet: &str) -> bool {
    if sh.family() != Family::Alpine {
        return DEBIAN.split_ascii_whitespace().any(|known| known == applet);
    }
    ["/bin", "/sbin", "/usr/bin", "/usr/sbin"]
        .iter()
        .any(|dir| sh.vfs.stat(&format!("{dir}/{applet}")).is_ok_and(|s| s.kind == Kind::File))
}

fn busybox(sh: &mut Shell, args: &[String]) -> u8 {
    let Some(applet) = args.get(1) else {
        let mut text = format!(
            "BusyBox v{} multi-call binary.\nBusyBox is copyrighted by many authors between 1998-2015.\nLicensed under GPLv2. See source distribution for detailed\ncopyright notices.\n\nUsage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n   or: busybox --show SCRIPT\n   or: busybox --install [-s] [DIR]\n   or: function [arguments]...\n\n\tBusyBox is a multi-call binary that combines many common Unix\n\tutilities into a single executable.  Most people will create a\n\tlink to busybox for each function they wish to use and BusyBox\n\twill act like whatever it was invoked as.\n\nCurrently defined functions:\n",
            version(sh)
        );
        text.push_str(&columns(sh));
        sh.say(&text);
        return 0;
    };
    if applet == "--list" {
        for name in applets(sh) {
            sh.say(&name);
        }
        return 0;
    }
    let rest = args.get(1..).unwrap_or_default().to_vec();
    if applet.contains('/') || !known(sh, applet) {
        return sh.fail(&format!("{applet}: applet not found")) + 126;
    }
    let command = commands::find(applet);
    let before = std::mem::replace(&mut sh.applet, true);
    let status = command.map_or(0, |command| command(sh, &rest));
    sh.applet = before;
    status
}

fn applets(sh: &Shell) -> Vec<String> {
    if sh.family() != Family::Alpine {
        return DEBIAN.split_ascii_whitespace().map(str::to_owned).collect();
    }
    let mut all: Vec<String> = Vec::new();
    for dir in ["/bin", "/sbin", "/usr/bin", "/usr/sbin"] {
        let links = sh.vfs.list(dir).unwrap_or_default();
        let is_applet = |name: &String| {
            sh.vfs.readlink(&format!("{dir}/{name}")).is_ok_and(|target| target.ends_with("busybox"))
        };
        all.extend(links.into_iter().map(|(name, _)| name).filter(is_applet));
    }
    all.push("busybox".to_owned());
    all.sort();
    all.dedup();
    all
}

/// The list as the program prints it: a tab, and no line beyond 80 columns.
fn columns(sh: &Shell) -> String {
    const WIDTH: usize = 80 - 8 - 1;
    let (mut out, mut line) = (String::new(), String::new());
    for name in applets(sh) {
        if !line.is_empty() && line.len() + name.len() + 2 > WIDTH {
            out.push_str(&format!("\t{},\n", line.trim_end_matches(", ")));
            line.clear();
        }
        line.push_str(&format!("{name}, "));
    }
    out.push_str(&format!("\t{}", line.trim_end_matches(", ")));
    out
}
