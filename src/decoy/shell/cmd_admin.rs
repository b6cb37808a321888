//! What somebody who looks a machine over asks it: hardware, disks, clock, packet filter, kernel settings.

use super::Shell;
use super::commands::{Command, Options};
use super::login::time;
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::{memory, now, root_type, uuid, vendor};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "dmidecode" => dmidecode,
        "timedatectl" => timedatectl,
        "iptables" | "ip6tables" => iptables,
        "iptables-save" | "ip6tables-save" | "nft" => |sh, args| if denied(sh, args) { 1 } else { 0 },
        "sysctl" => sysctl,
        "vmstat" => vmstat,
        "fdisk" => fdisk,
        "blkid" => blkid,
        "hwclock" => |sh, args| {
            if denied(sh, args) {
                return 1;
            }
            let text = time(now(), "%Y-%m-%d %H:%M:%S.482519+00:00");
            sh.say(&text);
            0
        },
        "systemd-detect-virt" => |sh, _| {
            let kvm = vendor(sh.machine()).0 == "QEMU";
            sh.say(if kvm { "kvm" } else { "vmware" });
            0
        },
        "lspci" => lspci,
        "getenforce" => |sh, _| {
            sh.say("Enforcing");
            0
        },
        "setenforce" => |sh, args| if denied(sh, args) { 1 } else { 0 },
        "firewall-cmd" => |sh, args| {
            sh.say(if args.iter().any(|a| a == "--state") { "running" } else { "success" });
            0
        },
        "loginctl" => |sh, _| {
            let (uid, name) = (sh.user().uid, sh.user().name.clone());
            sh.say(&format!(
                "SESSION  UID USER SEAT TTY\n     41 {uid:>4} {name}      pts/0\n\n1 sessions listed."
            ));
            0
        },
        // There is no editor to show: it finds no description of the terminal and ends.
        "nano" | "vim" | "view" | "vi" => |sh, _| {
            if sh.is_busybox() {
                return 0;
            }
            let terminal = sh.env_get("TERM").unwrap_or("unknown").to_owned();
            sh.fail(&format!("Error opening terminal: {terminal}."))
        },
        "journalctl" => |sh, _| {
            sh.say("-- No entries --");
            0
        },
        _ => return None,
    })
}

/// Says no to everybody but root.
fn denied(sh: &mut Shell, args: &[String]) -> bool {
    if sh.vfs.uid() == 0 {
        return false;
    }
    let tool = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let versions = super::versions::of(sh.machine().distro.slug);
    let version = versions.iptables;
    let text = match tool.as_str() {
        "iptables" | "ip6tables" => format!(
            "{tool} v{version}: Could not fetch rule set generation id: Permission denied (you must be root)"
        ),
        "iptables-save" | "ip6tables-save" => {
            format!("{tool} v{version}: Could not fetch rule set generation id: Permission denied (you must be root)")
        }
        "nft" => "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed: Operation not permitted".to_owned(),
        "dmidecode" => format!("# dmidecode {}\n/sys/firmware/dmi/tables/smbios_entry_point: Permission denied\nScanning /dev/mem for entry point.\n/dev/mem: Permission denied", versions.dmidecode),
        "fdisk" => "fdisk: cannot open /dev/sda: Permission denied".to_owned(),
        "hwclock" => "hwclock: Cannot access the Hardware Clock via any known method.\nhwclock: Use the --verbose option to see the details of our search for an access method.".to_owned(),
        _ => format!("{tool}: Permission denied"),
    };
    sh.fail(&text);
    true
}

fn dmidecode(sh: &mut Shell, args: &[String]) -> u8 {
    if denied(sh, args) {
        return 1;
    }
    let machine = sh.machine().clone();
    let (maker, model) = vendor(&machine);
    let kvm = maker == "QEMU";
    let bios = if kvm {
        ("SeaBIOS", "1.16.2-debian-1.16.2-1", "04/01/2014")
    } else {
        ("Phoenix Technologies LTD", "6.00", "11/12/2020")
    };
    let uuid = uuid(&machine, "machine-uuid");
    let options = Options::new(args, "st");
    if let Some(word) = options.value('s') {
        let text = match word {
            "system-manufacturer" => maker,
            "system-product-name" => model,
            "bios-vendor" => bios.0,
            "bios-version" => bios.1,
            "bios-release-date" => bios.2,
            "system-uuid" => uuid.as_str(),
            "system-serial-number" | "baseboard-serial-number" => "Not Specified",
            "chassis-type" => "Other",
            "processor-version" => machine.cpu.0,
            other => {
                return sh.fail(&format!("Invalid argument for -s: {other}")) + 1;
            }
        };
        sh.say(text);
        return 0;
    }
    sh.say(&format!(
        "# dmidecode {}\nGetting SMBIOS data from sysfs.\nSMBIOS 2.8 present.\n10 structures occupying 512 bytes.\nTable at 0x000F5A80.\n\nHandle 0x0000, DMI type 0, 24 bytes\nBIOS Information\n\tVendor: {}\n\tVersion: {}\n\tRelease Date: {}\n\tAddress: 0xE8000\n\tRuntime Size: 96 kB\n\tROM Size: 64 kB\n\tCharacteristics:\n\t\tBIOS characteristics not supported\n\t\tTargeted content distribution is supported\n\tBIOS Revision: 0.0\n\nHandle 0x0100, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: {maker}\n\tProduct Name: {model}\n\tVersion: {}\n\tSerial Number: Not Specified\n\tUUID: {uuid}\n\tWake-up Type: Power Switch\n\tSKU Number: Not Specified\n\tFamily: Not Specified\n",
        super::versions::of(machine.distro.slug).dmidecode,
        bios.0,
        bios.1,
        bios.2,
        if kvm { "pc-i440fx-7.2" } else { "None" },
    ));
    0
}

fn timedatectl(sh: &mut Shell, _: &[String]) -> u8 {
    let at = now();
    let clock = time(at, "%a %Y-%m-%d %H:%M:%S");
    sh.say(&format!(
        "               Local time: {clock} UTC\n           Universal time: {clock} UTC\n                 RTC time: {clock}\n                Time zone: Etc/UTC (UTC, +0000)\nSystem clock synchronized: yes\n              NTP service: active\n          RTC in local TZ: no"
    ));
    0
}

fn iptables(sh: &mut Shell, args: &[String]) -> u8 {
    if denied(sh, args) {
        return 4;
    }
    let tool = args.first().map_or("iptables", |a| a.rsplit('/').next().unwrap_or("iptables")).to_owned();
    let version = super::versions::of(sh.machine().distro.slug).iptables;
    if args.iter().any(|a| a == "-V" || a == "--version") {
        sh.say(&format!("{tool} v{version}"));
        return 0;
    }
    if args.len() < 2 {
        return sh.fail(&format!("{tool} v{version}: no command specified\nTry `{tool} -h' or '{tool} --help' for more information.")) + 1;
    }
    let has = |letter: char, long: &str| {
        args.iter().any(|a| a == long || a.starts_with('-') && !a.starts_with("--") && a.contains(letter))
    };
    let nat = args.iter().any(|a| a == "nat");
    let chains: &[&str] =
        if nat { &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] } else { &["INPUT", "FORWARD", "OUTPUT"] };
    if has('S', "--list-rules") {
        for chain in chains {
            sh.say(&format!("-P {chain} ACCEPT"));
        }
    } else if has('L', "--list") {
        let verbose = has('v', "--verbose");
        let text: Vec<String> = chains
            .iter()
            .map(|chain| {
                if verbose {
                    format!("Chain {chain} (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target     prot opt in     out     source               destination         \n")
                } else {
                    format!("Chain {chain} (policy ACCEPT)\ntarget     prot opt source               destination         \n")
                }
            })
            .collect();
        sh.out(text.join("\n").as_bytes());
    }
    0
}

fn sysctl(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "p");
    let mut status = 0;
    for word in &options.rest {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n.trim(), Some(v.trim())));
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let known = match name {
            "kernel.hostname" => Some(sh.machine().hostname.clone()),
            "kernel.osrelease" => Some(sh.machine().distro.kernel.to_owned()),
            "vm.swappiness" => Some("60".to_owned()),
            "vm.nr_hugepages" | "net.ipv4.ip_forward" | "kernel.nmi_watchdog" => Some("0".to_owned()),
            "fs.file-max" => Some("9223372036854775807".to_owned()),
            _ => sh.vfs.read(&path).ok().map(|b| String::from_utf8_lossy(&b).trim_end().to_owned()),
        };
        match (known, value) {
            (None, _) => {
                status = sh.fail(&format!("sysctl: cannot stat {path}: No such file or directory"));
            }
            (Some(_), Some(_)) if sh.vfs.uid() != 0 => {
                status = sh.fail(&format!("sysctl: permission denied on key \"{name}\""));
            }
            (Some(_), Some(value)) => sh.say(&format!("{name} = {value}")),
            (Some(old), None) if options.has('n') => sh.say(&old),
            (Some(old), None) => sh.say(&format!("{name} = {old}")),
        }
    }
    status
}

fn vmstat(sh: &mut Shell, _: &[String]) -> u8 {
    let [_, free, buffers, cached, _] = memory(sh.machine());
    sh.say("procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st");
    sh.say(&format!(
        " 1  0      0 {free:>6} {buffers:>6} {cached:>6}    0    0     3    11   42   61  0  0 99  0  0"
    ));
    0
}

fn fdisk(sh: &mut Shell, args: &[String]) -> u8 {
    if denied(sh, args) {
        return 1;
    }
    if !Options::new(args, "").has('l') {
        return sh.fail("fdisk: bad usage\nTry 'fdisk --help' for more information.");
    }
    let machine = sh.machine().clone();
    let bytes = (machine.disk_kib + 1024) * 1024;
    let sectors = bytes / 512;
    // Two places, without zeroes at the end.
    let hundredths = bytes / ((1 << 30) / 100);
    let gib = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let gib = gib.trim_end_matches('0').trim_end_matches('.');
    let id = hex::encode(machine.derive("disk-id").get(..4).unwrap_or_default());
    sh.say(&format!(
        "Disk /dev/sda: {gib} GiB, {bytes} bytes, {sectors} sectors\nDisk model: {}\nUnits: sectors of 1 * 512 = 512 bytes\nSector size (logical/physical): 512 bytes / 512 bytes\nI/O size (minimum/optimal): 512 bytes / 512 bytes\nDisklabel type: dos\nDisk identifier: 0x{id}\n\nDevice     Boot Start       End   Sectors  Size Id Type\n/dev/sda1  *     2048 {:>9} {:>9} {:>5}G 83 Linux",
        if vendor(&machine).0 == "QEMU" { "QEMU HARDDISK   " } else { "Virtual disk    " },
        sectors - 1,
        sectors - 2048,
        hundredths.div_ceil(100),
    ));
    0
}

fn blkid(sh: &mut Shell, _: &[String]) -> u8 {
    if sh.vfs.uid() != 0 {
        return 2;
    }
    let machine = sh.machine().clone();
    let disk = hex::encode(machine.derive("disk-id").get(..4).unwrap_or_default());
    sh.say(&format!(
        "/dev/sda1: UUID=\"{}\" BLOCK_SIZE=\"4096\" TYPE=\"{}\" PARTUUID=\"{disk}-01\"",
        uuid(&machine, "root"),
        root_type(&machine),
    ));
    0
}

fn lspci(sh: &mut Shell, _: &[String]) -> u8 {
    let kvm = vendor(sh.machine()).0 == "QEMU";
    if sh.family() == Family::Alpine {
        sh.say(if kvm {
            "00:00.0 Class 0600: 8086:1237\n00:01.0 Class 0601: 8086:7000\n00:12.0 Class 0200: 1af4:1000"
        } else {
            "00:00.0 Class 0600: 8086:7190\n00:0f.0 Class 0300: 15ad:0405\n03:00.0 Class 0200: 15ad:07b0"
        });
        return 0;
    }
    sh.say(if kvm {
        "00:00.0 Host bridge: Intel Corporation 440FX - 82441FX PMC [Natoma] (rev 02)\n00:01.0 ISA bridge: Intel Corporation 82371SB PIIX3 ISA [Natoma/Triton II]\n00:01.1 IDE interface: Intel Corporation 82371SB PIIX3 IDE [Natoma/Triton II]\n00:01.3 Bridge: Intel Corporation 82371AB/EB/MB PIIX4 ACPI (rev 03)\n00:02.0 VGA compatible controller: Device 1234:1111 (rev 02)\n00:03.0 Unclassified device [00ff]: Red Hat, Inc. Virtio memory balloon\n00:05.0 SCSI storage controller: Red Hat, Inc. Virtio SCSI\n00:12.0 Ethernet controller: Red Hat, Inc. Virtio network device"
    } else {
        "00:00.0 Host bridge: Intel Corporation 440BX/ZX/DX - 82443BX/ZX/DX Host bridge (rev 01)\n00:07.0 ISA bridge: Intel Corporation 82371AB/EB/MB PIIX4 ISA (rev 08)\n00:0f.0 VGA compatible controller: VMware SVGA II Adapter\n03:00.0 Ethernet controller: VMware VMXNET3 Ethernet Controller (rev 01)"
    });
    0
}
