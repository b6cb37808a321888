//! Programs: which there are, and what reading one gives.

use std::borrow::Cow;

use super::distro::Family;
use super::tree::Body;

/// Programs every GNU distribution has in `/usr/bin`.
const COMMON: &str = "[ apropos arch awk b2sum base32 base64 basename bash bunzip2 bzcat bzip2 cat chage chattr chcon chfn \
    chgrp chmod chown chrt chsh cksum clear cmp comm cp crontab csplit curl cut date dbus-send dd df \
    diff dir dircolors dirname dmesg du echo egrep env expand expr factor fallocate false fgrep file \
    find findmnt flock fmt fold free getconf getent getfacl getopt gpasswd gpg grep groups gunzip gzip \
    head hexdump hostid hostname hostnamectl iconv id infocmp install ionice ipcrm ipcs join journalctl \
    kill killall last lastb ldd lastlog less link ln locale localectl logger login loginctl logname look ls lsattr \
    lsblk lscpu lsipc lslocks lslogins lsmem lsns man mcookie md5sum mesg mkdir mkfifo mknod mktemp more \
    mount mountpoint mv namei newgrp nice nl nohup nproc nsenter numfmt od openssl passwd paste pathchk \
    perl pgrep ping pinky pkill pmap pr printenv printf prlimit ps pstree ptx pwd pwdx readlink realpath \
    rename.ul renice reset rev rm rmdir runcon scp script sdiff sed seq setfacl setpriv setsid sftp \
    sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf skill slabtop sleep sort split ssh \
    ssh-add ssh-agent ssh-copy-id ssh-keygen ssh-keyscan stat stdbuf strings stty su sudo sum sync \
    systemctl systemd-analyze systemd-detect-virt tabs tac tail tar taskset tee test tic timedatectl timeout tload top touch \
    tput tr true truncate tset tsort tty umount uname unexpand uniq unlink unshare uptime users utmpdump \
    vdir vmstat w watch wc wget whereis who whoami xargs xz xzcat yes zcat zgrep";

/// What Debian and its children add.
const DEBIAN: &str = "addpart busybox dig host lsb_release lspci nslookup telnet traceroute apt apt-cache apt-cdrom apt-config apt-get apt-key apt-mark deb-systemd-helper debconf \
    delpart dash dpkg dpkg-deb dpkg-query dpkg-split ischroot mawk nano nc nc.openbsd netstat netcat pager pidof \
    python3 rbash rgrep run-parts savelog sensible-editor sh ss ip ucf update-alternatives vi which \
    which.debianutils whiptail";
/// What Red Hat's adds.
const RED_HAT: &str = "dnf dnf-3 firewall-cmd gawk getenforce setenforce ip netstat pidof python3 rpm rpm2cpio rpmkeys sh ss vi view which yum";
/// What Arch adds: it has one directory for all.
const ARCH: &str = "agetty arping blkid chroot depmod fdisk fsck gawk groupadd halt hwclock insmod ip iptables \
    iptables-save ldconfig lsmod makepkg mkfs.ext4 modinfo modprobe nano nft nologin pacman pacman-key \
    pidof poweroff python3 reboot rmmod sh shutdown ss sshd swapoff swapon sysctl useradd userdel \
    usermod visudo which";
/// What Debian adds to `/usr/sbin`, and Red Hat.
const DEBIAN_SBIN: &str = "addgroup adduser delgroup deluser invoke-rc.d update-rc.d";
const RED_HAT_SBIN: &str = "adduser alternatives chkconfig";
/// `/usr/sbin` of the GNU distributions but Arch.
const SBIN: &str = "dmidecode agetty arp arping blkid blockdev chgpasswd chpasswd chroot cron ctrlaltdel depmod e2fsck fdisk fsck \
    fsck.ext4 fstrim getcap groupadd groupdel groupmod halt hwclock ifconfig init insmod ip ip6tables \
    iptables iptables-restore iptables-save ldconfig logrotate losetup lsmod mkfs mkfs.ext4 mkswap \
    modinfo modprobe nft nologin pivot_root poweroff pwck reboot resize2fs rmmod route runlevel service \
    setcap shutdown sshd start-stop-daemon swapoff swapon switch_root sysctl telinit tune2fs useradd \
    userdel usermod vipw visudo zic";
const ALPINE_BIN: &str = "arch ash base64 bbconfig busybox cat chattr chgrp chmod chown cp date dd df dmesg dnsdomainname \
    dumpkmap echo egrep false fatattr fdflush fgrep fsync getopt grep gunzip gzip hostname ionice iostat \
    ipcalc kbd_mode kill link linux32 linux64 ln login ls lsattr lzop makemime mkdir mknod mktemp more \
    mount mountpoint mpstat mv netstat nice pidof ping ping6 pipe_progress printenv ps pwd reformime rev \
    rm rmdir run-parts sed setpriv setserial sh sleep stat stty su sync tar touch true umount uname \
    usleep watch zcat";
const ALPINE_SBIN: &str = "acpid adjtimex apk arp blkid blockdev depmod fbsplash fdisk findfs freeramdisk fsck fstrim getty \
    halt hwclock ifconfig ifdown ifenslave ifup init inotifyd insmod ip ipaddr iplink ipneigh iproute \
    iprule iptunnel klogd ldconfig loadkmap logread losetup lsmod mdev mkdosfs mkfs.vfat mkmntdirs \
    mkswap modinfo modprobe nameif nologin openrc openrc-run pivot_root poweroff raidautorun rc-service \
    rc-status rc-update reboot rmmod route setconsole slattach swapoff swapon switch_root sysctl syslogd \
    tunctl udhcpc vconfig watchdog zcip";
const ALPINE_USR_BIN: &str = "[ [[ awk basename bc beep blkdiscard bunzip2 bzcat bzip2 cal chvt cksum clear cmp comm cpio crontab \
    cryptpw cut dc deallocvt diff dirname dos2unix du eject env expand expr factor fallocate find flock \
    fold free fuser getent groups hd head hexdump hostid iconv id install ipcrm ipcs killall ldd less \
    logger lsof lsusb lzcat lzma lzopcat md5sum mesg microcom mkfifo mkpasswd nc nl nmeter nohup nproc \
    nsenter nslookup od openvt passwd paste pgrep pkill pmap printf pscan pstree pwdx readlink realpath \
    renice reset resize scp seq setkeycodes setsid sftp sha1sum sha256sum sha3sum sha512sum showkey \
    shred shuf sort split ssh ssh-keygen ssl_client strings sum tac tail tee test time timeout top tr \
    traceroute traceroute6 tree truncate tty ttysize udhcpc6 unexpand uniq unix2dos unlink unlzma unlzop \
    unshare unxz unzip uptime uudecode uuencode vi vlock volname wc wget which who whoami whois xargs \
    xxd xzcat yes";
const ALPINE_USR_SBIN: &str = "add-shell addgroup adduser arping brctl chpasswd chroot crond delgroup deluser ether-wake fbset \
    killall5 loadfont nanddump nandwrite nbd-client ntpd partprobe rdate rdev readahead remove-shell \
    rfkill sendmail setfont setlogcons sshd";

/// Name lists of one directory.
fn lists(family: Family, dir: &str) -> [&'static str; 2] {
    match (family, dir) {
        (Family::Debian, "/usr/bin") => [COMMON, DEBIAN],
        (Family::RedHat, "/usr/bin") => [COMMON, RED_HAT],
        (Family::Arch, "/usr/bin") => [COMMON, ARCH],
        (Family::Debian, "/usr/sbin") => [SBIN, DEBIAN_SBIN],
        (Family::RedHat, "/usr/sbin") => [SBIN, RED_HAT_SBIN],
        (Family::Alpine, "/bin") => [ALPINE_BIN, ""],
        (Family::Alpine, "/sbin") => [ALPINE_SBIN, ""],
        (Family::Alpine, "/usr/bin") => [ALPINE_USR_BIN, ""],
        (Family::Alpine, "/usr/sbin") => [ALPINE_USR_SBIN, ""],
        _ => ["", ""],
    }
}

/// Programs of Alpine that are no BusyBox applets.
const ALPINE_OWN: &str =
    "busybox bbconfig apk ldconfig getent iconv ldd scp sftp ssh ssh-keygen sshd ssl_client openrc";

/// The programs in a directory.
pub(super) fn names(family: Family, dir: &str) -> impl Iterator<Item = &'static str> + use<> {
    let [one, two] = lists(family, dir);
    one.split_ascii_whitespace().chain(two.split_ascii_whitespace())
}

/// What a program's file is; none when there is no such program.
pub(super) fn find(family: Family, dir: &str, name: &str) -> Option<Body> {
    let name = names(family, dir).find(|known| *known == name)?;
    let link = |target: &'static str| Some(Body::Link(Cow::Borrowed(target)));
    match (family, name) {
        (Family::Alpine, name) if ALPINE_OWN.split_ascii_whitespace().any(|own| own == name) => {
            Some(Body::Binary)
        }
        (Family::Alpine, _) => link("/bin/busybox"),
        (Family::Debian, "sh") => link("dash"),
        (_, "sh") => link("bash"),
        (Family::Debian, "awk" | "pager" | "vi" | "nc" | "netcat" | "which") => match name {
            "awk" => link("/etc/alternatives/awk"),
            "pager" => link("/etc/alternatives/pager"),
            "vi" => link("/etc/alternatives/vi"),
            "which" => link("/etc/alternatives/which"),
            _ => link("/etc/alternatives/nc"),
        },
        (_, "awk") => link("gawk"),
        (Family::RedHat, "yum" | "dnf") => link("dnf-3"),
        _ => Some(Body::Binary),
    }
}

/// A number that belongs to a text (FNV-1a).
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// Size of a program: the same on every machine of a distribution.
pub(super) fn size(distro: &str, path: &str) -> u64 {
    let hash = hash(distro) ^ hash(path);
    match path.rsplit('/').next().unwrap_or_default() {
        "bash" => 1_265_648 + hash % 40_000 / 8 * 8,
        "busybox" => 808_712,
        "python3" | "perl" | "gpg" | "systemctl" | "openssl" | "sshd" | "ssh" => {
            780_000 + hash % 300_000 / 8 * 8
        }
        _ => 30_000 + hash % 120_000 / 8 * 8,
    }
}

/// What reading a program gives: a true header of a 64-bit x86 position-independent executable, its
/// interpreter's name where it belongs, and noise.
pub(super) fn read(distro: &str, path: &str) -> Vec<u8> {
    let size = size(distro, path);
    let mut bytes = noise(path, size);
    let interpreter: &[u8] =
        if distro == "alpine" { b"/lib/ld-musl-x86_64.so.1\0" } else { b"/lib64/ld-linux-x86-64.so.2\0" };
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head.extend([3, 0, 0x3e, 0, 1, 0, 0, 0]);
    head.extend((0x2000 + hash(path) % 0x4000 / 16 * 16).to_le_bytes());
    head.extend(64u64.to_le_bytes());
    head.extend((size - 29 * 64).to_le_bytes());
    head.extend([0, 0, 0, 0, 64, 0, 56, 0, 13, 0, 64, 0, 29, 0, 28, 0]);
    let program = |kind: u32, flags: u32, offset: u64, length: u64, align: u64| {
        let mut header = Vec::with_capacity(56);
        header.extend(kind.to_le_bytes());
        header.extend(flags.to_le_bytes());
        for word in [offset, offset, offset, length, length, align] {
            header.extend(word.to_le_bytes());
        }
        header
    };
    head.extend(program(6, 4, 64, 13 * 56, 8));
    head.extend(program(3, 4, 0x318, interpreter.len() as u64, 1));
    head.extend(program(1, 4, 0, 0x1900, 0x1000));
    head.resize(0x318, 0);
    head.extend(interpreter);
    for (to, from) in bytes.iter_mut().zip(head) {
        *to = from;
    }
    bytes
}

/// Bytes that look like compiled code to nobody but are always the same for a name.
pub(super) fn noise(name: &str, size: u64) -> Vec<u8> {
    let size = usize::try_from(size.min(2 << 20)).unwrap_or(0);
    let mut state = hash(name) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
