//! `/proc` and the few names of `/sys` that visitors look at.

use std::fmt::Write as _;

use super::machine::Machine;
use super::now;
use super::process::{listeners, processes};
use super::tree::{Body, Builder, Make, When};
use crate::model::Transport;

/// Adds them.
pub(super) fn add(tree: &mut Builder, machine: &Machine) {
    tree.dir("/proc", 0o555, 0, 0, When::Boot);
    let made: &[(&str, Make)] = &[
        ("/proc/cpuinfo", cpuinfo),
        ("/proc/meminfo", meminfo),
        ("/proc/version", version),
        ("/proc/uptime", uptime),
        ("/proc/loadavg", loadavg),
        ("/proc/stat", stat),
        ("/proc/self/mounts", mounts),
        ("/proc/partitions", partitions),
        ("/proc/cmdline", cmdline),
        ("/proc/net/dev", net_dev),
        ("/proc/net/route", net_route),
        ("/proc/net/arp", net_arp),
        ("/proc/net/tcp", net_tcp),
        ("/proc/net/udp", net_udp),
        ("/proc/sys/kernel/hostname", |m| format!("{}\n", m.hostname)),
        ("/proc/sys/kernel/osrelease", |m| format!("{}\n", m.distro.kernel)),
        ("/proc/sys/kernel/version", |m| format!("{}\n", m.distro.kernel_build)),
        ("/proc/sys/kernel/random/boot_id", |m| {
            format!("{}\n", super::etc::uuid(m, &format!("boot/{}", m.boot(now()))))
        }),
        ("/sys/class/dmi/id/sys_vendor", |m| format!("{}\n", vendor(m).0)),
        ("/sys/class/dmi/id/product_name", |m| format!("{}\n", vendor(m).1)),
    ];
    for (path, make) in made {
        tree.file(*path, 0o444, When::Ago(0), Body::Made(*make));
    }
    for (path, text) in [
        (
            "/proc/filesystems",
            "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\nnodev\tdevpts\n\text3\n\text2\n\text4\n\tvfat\n",
        ),
        (
            "/proc/modules",
            "nf_tables 290816 0 - Live 0x0000000000000000\nvirtio_net 86016 0 - Live 0x0000000000000000\next4 983040 1 - Live 0x0000000000000000\n",
        ),
        ("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        (
            "/proc/net/tcp6",
            "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
        ),
        ("/proc/net/unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
        ("/proc/sys/net/ipv4/ip_forward", "0\n"),
        ("/proc/sys/kernel/ostype", "Linux\n"),
        ("/proc/sys/vm/nr_hugepages", "0\n"),
        ("/proc/sys/fs/file-max", "9223372036854775807\n"),
        ("/proc/self/cmdline", "cat\0/proc/self/cmdline\0"),
        ("/proc/self/comm", "cat\n"),
        ("/proc/self/cgroup", "0::/user.slice/user-0.slice/session-1.scope\n"),
        ("/proc/1/cgroup", "0::/init.scope\n"),
    ] {
        tree.file(path, 0o444, When::Ago(0), Body::Text(text));
    }
    tree.link("/proc/mounts", "self/mounts");
    tree.link("/proc/self/exe", "/usr/bin/cat");
    for process in processes(machine) {
        let dir = format!("/proc/{}", process.pid);
        tree.dir(dir.clone(), 0o555, 0, 0, When::Boot);
        let kernel = process.command.starts_with('[');
        let line = if kernel { String::new() } else { process.command.replace(' ', "\0") + "\0" };
        tree.file(format!("{dir}/cmdline"), 0o444, When::Ago(0), Body::Kept(line));
        tree.file(format!("{dir}/comm"), 0o444, When::Ago(0), Body::Kept(format!("{}\n", process.name())));
    }
    let nic = machine.distro.interface;
    for name in ["lo", nic] {
        let mac = if name == "lo" { "00:00:00:00:00:00".to_owned() } else { mac(machine) };
        tree.file(
            format!("/sys/class/net/{name}/address"),
            0o444,
            When::Boot,
            Body::Kept(format!("{mac}\n")),
        );
        tree.file(format!("/sys/class/net/{name}/operstate"), 0o444, When::Boot, Body::Text("up\n"));
    }
}

/// The hardware address as text.
pub(crate) fn mac(m: &Machine) -> String {
    m.mac.map(|b| format!("{b:02x}")).join(":")
}

/// Who made the (virtual) machine: fits its network card.
pub(crate) fn vendor(m: &Machine) -> (&'static str, &'static str) {
    match m.mac[0] {
        0x00 => ("VMware, Inc.", "VMware Virtual Platform"),
        _ => ("QEMU", "Standard PC (i440FX + PIIX, 1996)"),
    }
}

fn cpuinfo(m: &Machine) -> String {
    let (model, mhz) = m.cpu;
    let amd = model.starts_with("AMD");
    let (vendor, family, number, stepping) =
        if amd { ("AuthenticAMD", 23, 49, 0) } else { ("GenuineIntel", 6, 85, 7) };
    let mut text = String::new();
    for cpu in 0..m.cpus {
        let _ = write!(
            text,
            "processor\t: {cpu}\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {number}\nmodel name\t: {model}\nstepping\t: {stepping}\nmicrocode\t: 0x1\ncpu MHz\t\t: {mhz}.{:03}\ncache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: {n}\ncore id\t\t: {cpu}\ncpu cores\t: {n}\napicid\t\t: {cpu}\ninitial apicid\t: {cpu}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: {CPU_FLAGS}\nbugs\t\t: spectre_v1 spectre_v2 spec_store_bypass\nbogomips\t: {}.{:02}\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n",
            m.number("mhz", 1000),
            mhz * 2,
            m.number("bogo", 100),
            n = m.cpus,
        );
    }
    text
}

/// What a virtual processor of the last ten years has.
pub(crate) const CPU_FLAGS: &str = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx pdpe1gb rdtscp lm constant_tsc rep_good nopl xtopology cpuid tsc_known_freq pni pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand hypervisor lahf_lm abm cpuid_fault invpcid_single pti ssbd ibrs ibpb fsgsbase bmi1 avx2 smep bmi2 erms invpcid xsaveopt arat";

/// Memory in KiB as of now: total, free, buffers, cached, shared.
pub(crate) fn memory(m: &Machine) -> [u64; 5] {
    let total = m.memory_kib;
    // It moves a little from minute to minute, as on a host that idles.
    let minute = u64::try_from(now() / 60).unwrap_or(0);
    let wobble = m.number(&format!("wobble/{minute}"), 9_000);
    let free = total / 100 * (18 + m.number("free", 20)) + wobble;
    let buffers = 30_000 + m.number("buffers", 90_000);
    let cached = total / 100 * (30 + m.number("cached", 12)) - wobble / 2;
    [total, free, buffers, cached, 1_000 + m.number("shared", 9_000)]
}

fn meminfo(m: &Machine) -> String {
    let [total, free, buffers, cached, shared] = memory(m);
    let rows: [(&str, u64); 22] = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free + cached * 8 / 10),
        ("Buffers", buffers),
        ("Cached", cached),
        ("SwapCached", 0),
        ("Active", cached / 3),
        ("Inactive", cached / 2),
        ("Active(anon)", shared),
        ("Inactive(anon)", total / 14),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 44),
        ("Writeback", 0),
        ("AnonPages", total / 14),
        ("Mapped", total / 22),
        ("Shmem", shared),
        ("Slab", total / 40),
        ("CommitLimit", total / 2),
        ("Hugepagesize", 2048),
    ];
    rows.iter().fold(String::new(), |mut text, (name, kib)| {
        let label = format!("{name}:");
        let _ = writeln!(text, "{label:<15} {kib:>8} kB");
        text
    })
}

fn version(m: &Machine) -> String {
    format!("Linux version {} {} {}\n", m.distro.kernel, m.distro.compiler, m.distro.kernel_build)
}

fn uptime(m: &Machine) -> String {
    let up = (now() - m.boot(now())).max(1);
    let idle = up * i64::from(m.cpus) * 99 / 100;
    format!("{up}.{:02} {idle}.{:02}\n", up % 97, up % 89)
}

/// The three load averages, in hundredths: an idle host's.
pub(crate) fn load(m: &Machine) -> [u64; 3] {
    let minute = now() / 60;
    [1, 5, 15]
        .map(|span| m.number(&format!("load/{span}/{}", minute / span), 12 / span.unsigned_abs().min(4) + 4))
}

fn loadavg(m: &Machine) -> String {
    let [a, b, c] = load(m);
    let count = processes(m).len() + 12;
    format!("0.{a:02} 0.{b:02} 0.{c:02} 1/{count} {}\n", visitor_pid(m) + 7)
}

/// Where the numbers of the visitor's own processes begin: they grow with the uptime.
pub(super) fn visitor_pid(m: &Machine) -> u32 {
    let up = (now() - m.boot(now())).max(0) / 40;
    2_000 + u32::try_from(up % 3_900_000).unwrap_or(0)
}

fn stat(m: &Machine) -> String {
    let up = (now() - m.boot(now())).max(1) * 100;
    let cpus = i64::from(m.cpus);
    let mut text =
        format!("cpu  {} 0 {} {} 0 0 0 0 0 0\n", up * cpus / 240, up * cpus / 310, up * cpus * 98 / 100);
    for cpu in 0..cpus {
        let _ = writeln!(text, "cpu{cpu} {} 0 {} {} 0 0 0 0 0 0", up / 240, up / 310, up * 98 / 100);
    }
    let _ = write!(
        text,
        "ctxt {}\nbtime {}\nprocesses {}\nprocs_running 1\nprocs_blocked 0\n",
        up * 3,
        m.boot(now()),
        visitor_pid(m)
    );
    text
}

/// Root file system's type.
pub(crate) fn root_type(m: &Machine) -> &'static str {
    if m.distro.family == super::distro::Family::RedHat { "xfs" } else { "ext4" }
}

fn mounts(m: &Machine) -> String {
    let half = m.memory_kib / 2;
    format!(
        "sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\nudev /dev devtmpfs rw,nosuid,relatime,size={half}k,nr_inodes={},mode=755 0 0\ndevpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000 0 0\ntmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,size={}k,mode=755 0 0\n/dev/sda1 / {} rw,relatime 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\ntmpfs /run/lock tmpfs rw,nosuid,nodev,noexec,relatime,size=5120k 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n",
        half / 4,
        m.memory_kib / 10,
        root_type(m)
    )
}

fn partitions(m: &Machine) -> String {
    let disk = m.disk_kib;
    format!(
        "major minor  #blocks  name\n\n   8        0 {:>10} sda\n   8        1 {disk:>10} sda1\n",
        disk + 1024
    )
}

fn cmdline(m: &Machine) -> String {
    format!(
        "BOOT_IMAGE=/boot/vmlinuz-{} root=UUID={} ro quiet\n",
        m.distro.kernel,
        super::etc::uuid(m, "root")
    )
}

/// Bytes received and sent since boot.
pub(crate) fn traffic(m: &Machine) -> (u64, u64) {
    let up = u64::try_from((now() - m.boot(now())).max(1)).unwrap_or(1);
    (up * (900 + m.number("rx", 4_000)), up * (300 + m.number("tx", 2_000)))
}

fn net_dev(m: &Machine) -> String {
    let (rx, tx) = traffic(m);
    let row = |name: &str, rx: u64, tx: u64| {
        format!("{name:>6}: {rx} {} 0 0 0 0 0 0 {tx} {} 0 0 0 0 0 0\n", rx / 310, tx / 290)
    };
    format!(
        "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n{}{}",
        row("lo", tx / 90, tx / 90),
        row(m.distro.interface, rx, tx)
    )
}

fn word(ip: std::net::Ipv4Addr) -> String {
    format!("{:08X}", u32::from_le_bytes(ip.octets()))
}

fn net_route(m: &Machine) -> String {
    let [a, b, c, _] = m.ip.octets();
    let nic = m.distro.interface;
    format!(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n{nic}\t00000000\t{}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n{nic}\t{}\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
        word(m.gateway()),
        word([a, b, c, 0].into())
    )
}

fn net_arp(m: &Machine) -> String {
    let tail = m.derive("gateway-mac");
    format!(
        "IP address       HW type     Flags       HW address            Mask     Device\n{:<16} 0x1         0x2         {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}     *        {}\n",
        m.gateway().to_string(),
        0x00,
        0x1c,
        0x73,
        tail[0],
        tail[1],
        tail[2],
        m.distro.interface
    )
}

fn net_tcp(m: &Machine) -> String {
    let mut text = String::from(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    );
    for (row, (port, inode)) in sockets(m, Transport::Tcp).into_iter().enumerate() {
        let _ = writeln!(
            text,
            "{row:>4}: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0"
        );
    }
    text
}

fn net_udp(m: &Machine) -> String {
    let mut text = String::from(
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    );
    for (port, inode) in sockets(m, Transport::Udp) {
        let row = inode % 4_096;
        let _ = writeln!(
            text,
            "{row:>5}: 00000000:{port:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 {inode} 2 0000000000000000 0"
        );
    }
    text
}

/// Port and number of each socket of a kind.
fn sockets(m: &Machine, transport: Transport) -> Vec<(u16, u64)> {
    let of_kind = listeners(m).into_iter().filter(|l| l.transport == transport);
    of_kind
        .map(|l| (l.port, 14_000 + m.number(&format!("{}/{}/{transport:?}", l.slug, l.port), 9_000)))
        .collect()
}
