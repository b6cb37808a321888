//! The machine itself: `uname`, `uptime`, `free`, `df`, `lscpu`, `systemctl`, …

use super::Shell;
use super::cmd_ls::human;
use super::commands::{Command, Options, invalid_option};
use super::login::time;
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{CPU_FLAGS, disk_used, load, memory, now, root_type, vendor};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "uname" => uname,
        "arch" => |sh, _| {
            sh.say("x86_64");
            0
        },
        "hostname" | "hostnamectl" => hostname,
        "uptime" => |sh, args| {
            let text = if args.iter().any(|a| a == "-p") { pretty(sh) } else { uptime_text(sh) };
            sh.say(&text);
            0
        },
        "date" => date,
        "free" => free,
        "df" => df,
        "mount" => mount,
        "umount" | "modprobe" | "insmod" | "rmmod" | "swapoff" | "swapon" | "losetup" | "ldconfig" => {
            root_only
        }
        "lscpu" => lscpu,
        "nproc" => |sh, _| {
            let cpus = sh.machine().cpus.to_string();
            sh.say(&cpus);
            0
        },
        "lsblk" => lsblk,
        "dmesg" => dmesg,
        "env" | "printenv" => env,
        "tty" => |sh, _| {
            if sh.has_terminal() {
                sh.say("/dev/pts/0");
                return 0;
            }
            sh.say("not a tty");
            1
        },
        "sleep" => {
            |sh, args| match args.iter().skip(1).find(|a| {
                a.trim_end_matches(['s', 'm', 'h', 'd']).parse::<f64>().is_err() && *a != "infinity"
            }) {
                _ if args.len() < 2 => {
                    sh.fail("sleep: missing operand\nTry 'sleep --help' for more information.")
                }
                Some(word) => sh.fail(&format!(
                    "sleep: invalid time interval ‘{word}’\nTry 'sleep --help' for more information."
                )),
                None => 0,
            }
        }
        "usleep" | "stty" | "setterm" | "mesg" | "tput" | "logger" | "renice" | "ionice" | "chrt"
        | "taskset" => |_, _| 0,
        "clear" | "reset" => |sh, _| {
            sh.out(b"\x1b[H\x1b[2J\x1b[3J");
            0
        },
        "locale" => |sh, _| {
            let lang = sh.env_get("LANG").unwrap_or("C").to_owned();
            sh.say(&format!("LANG={lang}\nLC_CTYPE=\"{lang}\"\nLC_ALL="));
            0
        },
        "lsmod" => |sh, _| {
            sh.say("Module                  Size  Used by\nnf_tables             290816  0\nvirtio_net             86016  0\next4                  983040  1");
            0
        },
        "getconf" => |sh, args| {
            let cpus = sh.machine().cpus;
            let text = if args.get(1).is_some_and(|a| a.contains("NPROC")) {
                cpus.to_string()
            } else {
                "64".to_owned()
            };
            sh.say(&text);
            0
        },
        _ => return None,
    })
}

fn uname(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    if let Some(letter) = options.unknown("asnrvmpio") {
        return invalid_option(sh, "uname", letter);
    }
    if let Some(extra) = options.rest.first() {
        return sh.fail(&format!("uname: extra operand ‘{extra}’\nTry 'uname --help' for more information."));
    }
    let machine = sh.machine().clone();
    let distro = machine.distro;
    let all = options.has('a') || options.has_long("all");
    // The processor and platform fields: Debian and Arch leave them out of -a.
    let known = matches!(distro.family, Family::RedHat) || distro.id_is("ubuntu");
    let platform = if known { "x86_64" } else { "unknown" };
    let parts = [
        ('s', "Linux"),
        ('n', machine.hostname.as_str()),
        ('r', distro.kernel),
        ('v', distro.kernel_build),
        ('m', "x86_64"),
        ('p', platform),
        ('i', platform),
        ('o', if sh.is_busybox() { "Linux" } else { "GNU/Linux" }),
    ];
    let wanted = |letter: char| options.has(letter) || (letter == 's' && options.letters.is_empty() && !all);
    let shown: Vec<&str> = parts
        .iter()
        .filter(|(letter, text)| wanted(*letter) || (all && *text != "unknown"))
        .map(|(_, text)| *text)
        .collect();
    sh.say(&shown.join(" "));
    0
}

fn hostname(sh: &mut Shell, args: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let short = machine.hostname.split('.').next().unwrap_or_default().to_owned();
    if args.first().is_some_and(|a| a.ends_with("hostnamectl")) {
        let (maker, model) = vendor(&machine);
        let virt = if maker == "QEMU" { "kvm" } else { "vmware" };
        sh.say(&format!(
            " Static hostname: {}\n       Icon name: computer-vm\n         Chassis: vm\n      Machine ID: {}\n  Virtualization: {virt}\nOperating System: {}\n          Kernel: Linux {}\n    Architecture: x86-64\n Hardware Vendor: {maker}\n  Hardware Model: {model}",
            machine.hostname,
            hex::encode(&machine.derive("machine-id")[..16]),
            machine.distro.pretty,
            machine.distro.kernel
        ));
        return 0;
    }
    match args.get(1).map(String::as_str) {
        None => sh.say(&machine.hostname),
        Some("-I") => sh.say(&format!("{} ", machine.ip)),
        Some("-i") => sh.say(&machine.ip.to_string()),
        Some("-s") => sh.say(&short),
        Some("-f" | "--fqdn" | "-A") => sh.say(&machine.hostname),
        Some("-d") => sh.say(""),
        Some(option) if option.starts_with('-') => {
            return sh.fail(&format!("hostname: unrecognized option '{option}'"));
        }
        Some(_) if sh.vfs.uid() == 0 => {}
        Some(_) => return sh.fail("hostname: you must be root to change the host name"),
    }
    0
}

/// The line of `uptime` and `w`.
pub(super) fn uptime_text(sh: &Shell) -> String {
    let machine = sh.machine();
    let up = (now() - machine.boot(now())).max(0) / 60;
    let (days, hours, minutes) = (up / 1440, up / 60 % 24, up % 60);
    let day = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        n => format!("{n} days, "),
    };
    let hour = if hours > 0 { format!("{hours:>2}:{minutes:02}") } else { format!("{minutes} min") };
    let [a, b, c] = load(machine);
    let users = if sh.is_busybox() { "0 users" } else { "1 user" };
    format!(
        " {} up {day}{hour},  {users},  load average: 0.{a:02}, 0.{b:02}, 0.{c:02}",
        time(now(), "%H:%M:%S")
    )
}

fn pretty(sh: &Shell) -> String {
    let up = (now() - sh.machine().boot(now())).max(0) / 60;
    let parts = [(up / 10_080, "week"), (up / 1440 % 7, "day"), (up / 60 % 24, "hour"), (up % 60, "minute")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}{}", if *n == 1 { "" } else { "s" }))
        .collect();
    format!("up {}", shown.join(", "))
}

fn date(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "dsfr");
    if options.has('s') {
        return sh.fail("date: cannot set date: Operation not permitted");
    }
    if let Some(word) = options.value('d').filter(|word| {
        // What it understands begins with a digit, a sign or a word of time.
        const WORDS: [&str; 12] =
            ["@", "now", "today", "yesterday", "tomorrow", "last", "next", "mon", "tue", "wed", "thu", "fri"];
        !word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
            && !WORDS.iter().any(|known| word.to_lowercase().starts_with(known))
    }) {
        return sh.fail(&format!("date: invalid date ‘{word}’"));
    }
    let at = match options.value('d').map(|d| d.trim_start_matches('@').parse::<i64>()) {
        Some(Ok(seconds)) => seconds,
        _ => now(),
    };
    let text = match options.rest.iter().find_map(|a| a.strip_prefix('+')) {
        Some(format) => {
            let format: String = format.chars().take(256).collect();
            let format = format
                .replace("%s", &at.to_string())
                .replace("%N", "000000000")
                .replace("%Z", "UTC")
                .replace("%z", "+0000");
            time(at, &format)
        }
        None if options.has('R') => time(at, "%a, %d %b %Y %H:%M:%S +0000"),
        None if options.has('I') => time(at, "%Y-%m-%d"),
        None if sh.is_busybox() || sh.machine().distro.slug == "centos7" || options.has('u') => {
            time(at, "%a %b %e %H:%M:%S UTC %Y")
        }
        None => time(at, "%a %b %e %I:%M:%S %p UTC %Y"),
    };
    sh.say(&text);
    0
}

fn free(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "sc");
    let [total, free, buffers, cached, shared] = memory(sh.machine());
    let available = free + cached * 8 / 10;
    let used = total.saturating_sub(available);
    let row = [total, used, free, shared, buffers + cached, available];
    let suffix = if sh.is_busybox() { "" } else { "i" };
    let show = |kib: u64| match () {
        () if options.has('h') => rounded(kib, suffix),
        () if options.has('m') => (kib / 1024).to_string(),
        () if options.has('g') => (kib / 1024 / 1024).to_string(),
        () if options.has('b') => (kib * 1024).to_string(),
        () => kib.to_string(),
    };
    let cells: Vec<String> = row.iter().map(|kib| format!("{:>12}", show(*kib))).collect();
    sh.say("               total        used        free      shared  buff/cache   available");
    sh.say(&format!("Mem:    {}", cells.concat()));
    let zero = show(0);
    sh.say(&format!("Swap:   {zero:>12}{zero:>12}{zero:>12}"));
    0
}

/// Sizes as `free -h` shows them: one decimal below ten, never rounded up.
fn rounded(kib: u64, suffix: &str) -> String {
    let (tenths, unit) = match kib {
        0 => return "0B".to_owned(),
        1..1024 => (kib * 10, 'K'),
        1024..1_048_576 => (kib * 10 / 1024, 'M'),
        _ => (kib * 10 / 1_048_576, 'G'),
    };
    if tenths < 100 {
        format!("{}.{}{unit}{suffix}", tenths / 10, tenths % 10)
    } else {
        format!("{}{unit}{suffix}", tenths / 10)
    }
}

fn df(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "tB");
    if let Some(name) = options.rest.iter().find(|name| sh.vfs.stat(&sh.path(name)).is_err()) {
        return sh.fail(&format!("df: {name}: No such file or directory"));
    }
    let machine = sh.machine().clone();
    let (disk, used) = (machine.disk_kib * 98 / 100, disk_used(&machine));
    let half = machine.memory_kib / 2;
    let human_sizes = options.has('h');
    let typed = options.has('T');
    let rows = [
        ("udev", "devtmpfs", half, 0, "/dev"),
        ("tmpfs", "tmpfs", machine.memory_kib / 10, 620 + machine.number("run", 900), "/run"),
        ("/dev/sda1", root_type(&machine), disk, used, "/"),
        ("tmpfs", "tmpfs", half, 0, "/dev/shm"),
        ("tmpfs", "tmpfs", 5120, 0, "/run/lock"),
    ];
    let kind = if typed { " Type    " } else { "" };
    sh.say(&if human_sizes {
        format!("Filesystem     {kind} Size  Used Avail Use% Mounted on")
    } else {
        format!("Filesystem     {kind} 1K-blocks    Used Available Use% Mounted on")
    });
    for (name, fs, size, used, at) in rows {
        let free = size - used - if at == "/" { size / 20 } else { 0 };
        let percent = (used * 100).div_ceil((used + free).max(1));
        let kind = if typed { format!(" {fs:<8}") } else { String::new() };
        let line = if human_sizes {
            format!(
                "{name:<15}{kind} {:>4}  {:>4} {:>5} {percent:>3}% {at}",
                human(size * 1024),
                human(used * 1024),
                human(free * 1024)
            )
        } else {
            format!("{name:<15}{kind} {size:>9} {used:>7} {free:>9} {percent:>3}% {at}")
        };
        sh.say(&line);
    }
    0
}

fn mount(sh: &mut Shell, args: &[String]) -> u8 {
    if args.get(1).is_some_and(|a| a != "-l") {
        return root_only(sh, args);
    }
    let text = sh
        .vfs
        .read("/proc/self/mounts")
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [device, at, kind, options, ..] = words.as_slice() {
            sh.say(&format!("{device} on {at} type {kind} ({options})"));
        }
    }
    0
}

/// Changes nothing for root; others may not.
fn root_only(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("mount", |a| a.rsplit('/').next().unwrap_or("mount")).to_owned();
    if sh.vfs.uid() == 0 {
        const MODULES: [&str; 6] = ["msr", "virtio_net", "nf_tables", "ext4", "overlay", "tun"];
        let name = args.iter().skip(1).find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
        let kernel = sh.machine().distro.kernel;
        return match tool.as_str() {
            "modprobe" if !name.is_empty() && !MODULES.contains(&name.as_str()) => sh.fail(&format!(
                "modprobe: FATAL: Module {name} not found in directory /lib/modules/{kernel}"
            )),
            "insmod" if sh.vfs.stat(&sh.path(&name)).is_err() => {
                sh.fail(&format!("insmod: ERROR: could not load module {name}: No such file or directory"))
            }
            _ => 0,
        };
    }
    let text = match tool.as_str() {
        "mount" | "umount" => format!("{tool}: only root can do that"),
        "modprobe" | "insmod" | "rmmod" => {
            format!("{tool}: ERROR: could not insert module: Operation not permitted")
        }
        _ => format!("{tool}: Permission denied"),
    };
    sh.fail(&text)
}

fn lscpu(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let (model, mhz) = machine.cpu;
    let amd = model.starts_with("AMD");
    let maker = if amd { "AuthenticAMD" } else { "GenuineIntel" };
    let (family, number, stepping) = if amd { (23, 49, 0) } else { (6, 85, 7) };
    let list = if machine.cpus == 1 { "0".to_owned() } else { format!("0-{}", machine.cpus - 1) };
    sh.say(&format!(
        "Architecture:            x86_64\n  CPU op-mode(s):        32-bit, 64-bit\n  Address sizes:         40 bits physical, 48 bits virtual\n  Byte Order:            Little Endian\nCPU(s):                  {0}\n  On-line CPU(s) list:   {list}\nVendor ID:               {maker}\n  Model name:            {model}\n    CPU family:          {family}\n    Model:               {number}\n    Thread(s) per core:  1\n    Core(s) per socket:  {0}\n    Socket(s):           1\n    Stepping:            {stepping}\n    BogoMIPS:            {1}.00\n    Flags:               {CPU_FLAGS}\nVirtualization features: \n  Hypervisor vendor:     {2}\n  Virtualization type:   full",
        machine.cpus,
        mhz * 2,
        if vendor(&machine).0 == "QEMU" { "KVM" } else { "VMware" }
    ));
    0
}

fn lsblk(sh: &mut Shell, _: &[String]) -> u8 {
    let size = human(sh.machine().disk_kib.div_ceil(1024 * 1024) * 1024 * 1024 * 1024);
    sh.say(&format!("NAME   MAJ:MIN RM  SIZE RO TYPE MOUNTPOINTS\nsda      8:0    0 {size:>5}  0 disk \n└─sda1   8:1    0 {size:>5}  0 part /"));
    0
}

fn dmesg(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    if sh.vfs.uid() != 0 && matches!(machine.distro.family, Family::Debian | Family::Arch) {
        return sh.fail("dmesg: read kernel buffer failed: Operation not permitted");
    }
    let distro = machine.distro;
    let kib = machine.memory_kib;
    let (maker, model) = vendor(&machine);
    let hypervisor = if maker == "QEMU" { "KVM" } else { "VMware" };
    for line in [
        format!("[    0.000000] Linux version {} {} {}", distro.kernel, distro.compiler, distro.kernel_build),
        format!("[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-{} ro quiet", distro.kernel),
        "[    0.000000] BIOS-provided physical RAM map:".to_owned(),
        format!("[    0.000000] DMI: {maker} {model}, BIOS 1.16.3 04/01/2014"),
        format!("[    0.000000] Hypervisor detected: {hypervisor}"),
        format!("[    0.036215] Memory: {}K/{}K available", kib - 90_000, kib + 50_000),
        format!("[    0.094120] smpboot: CPU0: {}", machine.cpu.0),
        format!("[    0.171034] smp: Brought up 1 node, {} CPUs", machine.cpus),
        "[    1.204112] sd 2:0:0:0: [sda] Attached SCSI disk".to_owned(),
        format!(
            "[    1.912207] {}: mounted filesystem with ordered data mode.",
            if root_type(&machine) == "xfs" { "XFS (sda1)" } else { "EXT4-fs (sda1)" }
        ),
        format!("[    4.870331] IPv6: ADDRCONF(NETDEV_CHANGE): {}: link becomes ready", distro.interface),
    ] {
        sh.say(&line);
    }
    0
}

/// What it sets holds for the program it runs alone.
fn env(sh: &mut Shell, args: &[String]) -> u8 {
    let (saved, levels) = (sh.save(), sh.levels.len());
    let status = env_within(sh, args);
    // Unless a shell was started that now waits for its next line.
    if sh.levels.len() == levels {
        sh.restore(saved);
    }
    status
}

fn env_within(sh: &mut Shell, args: &[String]) -> u8 {
    let mut at = 1;
    while let Some(word) = args.get(at) {
        match word.split_once('=') {
            Some((name, value)) if !name.starts_with('-') => {
                sh.set_variable(name, value);
                sh.export(name);
            }
            _ if word == "-i" || word == "-" || word == "--ignore-environment" => {
                sh.env.vars.values_mut().for_each(|(_, exported)| *exported = false);
            }
            _ if word.starts_with('-') => {}
            _ if args.first().is_some_and(|a| a.ends_with("printenv")) => {
                let Some(value) = sh.env_get(word).map(str::to_owned) else { return 1 };
                sh.say(&value);
                return 0;
            }
            _ => {
                let rest = args.get(at..).unwrap_or_default().to_vec();
                if sh.find_program(word).is_none_or(|path| sh.vfs.stat(&path).is_err()) {
                    let text = if sh.is_busybox() {
                        format!("env: can't execute '{word}': No such file or directory")
                    } else {
                        format!("env: ‘{word}’: No such file or directory")
                    };
                    return sh.fail(&text) + 126;
                }
                return sh.program(&rest);
            }
        }
        at += 1;
    }
    let lines: Vec<String> = sh
        .env
        .vars
        .iter()
        .filter(|(_, (_, exported))| *exported)
        .map(|(name, (value, _))| format!("{name}={value}"))
        .collect();
    for line in lines {
        sh.say(&line);
    }
    sh.say("_=/usr/bin/env");
    0
}
