//! The network as it looks from inside. Nothing here dials: names do not resolve, hosts do not answer.

use super::Shell;
use super::commands::{Command, Options};
use crate::decoy::vfs::distro::Family;
use crate::decoy::vfs::process::{listeners, processes};
use crate::decoy::vfs::{mac, now, traffic};
use crate::model::Transport;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "ip" => ip,
        "ifconfig" => ifconfig,
        "route" => route,
        "netstat" => netstat,
        "ss" => ss,
        "arp" => arp,
        "wget" => wget,
        "curl" => curl,
        "tftp" | "ftpget" | "ftpput" | "ftp" => transfer,
        "nc" | "netcat" | "nc.openbsd" | "ncat" | "telnet" => nc,
        "ssh" | "scp" | "sftp" | "ssh-copy-id" => ssh,
        "ping" | "ping6" => ping,
        "nslookup" | "host" | "dig" => lookup,
        "traceroute" | "arping" => |sh, args| {
            let host = args.last().cloned().unwrap_or_default();
            sh.fail(&format!("{host}: Temporary failure in name resolution"))
        },
        _ => return None,
    })
}

/// The host part of something like a URL, and whether it is a name.
fn host(url: &str) -> (String, bool) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or(host);
    let host: String = host.split(':').next().unwrap_or_default().chars().take(255).collect();
    let named = host.parse::<std::net::Ipv4Addr>().is_err();
    (host, named)
}

fn port(url: &str) -> u16 {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let default = if url.starts_with("https") { 443 } else { 80 };
    rest.split('/')
        .next()
        .and_then(|h| h.rsplit_once(':'))
        .and_then(|(_, p)| p.parse().ok())
        .unwrap_or(default)
}

fn wget(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "OoPTtUe");
    if (options.has('V') || options.has_long("version")) && !sh.is_busybox() {
        let version = super::versions::of(sh.machine().distro.slug).wget;
        sh.say(&format!("GNU Wget {version} built on linux-gnu."));
        return 0;
    }
    let Some(url) = options.rest.first().cloned() else {
        if sh.is_busybox() {
            let version = super::cmd_busybox::version(sh);
            return sh.fail(&format!("BusyBox v{version} multi-call binary.\n\nUsage: wget [-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR]\n\t[--post-data STR | --post-file FILE] [-Y on/off]\n\t[--no-check-certificate] [-P DIR] [-U AGENT] [-T SEC] URL..."));
        }
        return sh.fail(
            "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.",
        );
    };
    let (name, named) = host(&url);
    if sh.is_busybox() {
        let text = if named {
            format!("wget: bad address '{name}'")
        } else {
            format!(
                "Connecting to {name} ({name}:{})\nwget: can't connect to remote host ({name}): Network unreachable",
                port(&url)
            )
        };
        return sh.fail(&text);
    }
    let full = if url.contains("://") { url.clone() } else { format!("http://{url}") };
    let full = if full.matches('/').count() < 3 { full + "/" } else { full };
    let stamp = super::login::time(now(), "%Y-%m-%d %H:%M:%S");
    let text = if named {
        format!(
            "--{stamp}--  {full}\nResolving {name} ({name})... failed: Temporary failure in name resolution.\nwget: unable to resolve host address ‘{name}’"
        )
    } else {
        format!("--{stamp}--  {full}\nConnecting to {name}:{}... failed: Network is unreachable.", port(&url))
    };
    if options.has('q') {
        return 4;
    }
    sh.fail(&text) + 3
}

fn curl(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "oHdXAeumTFxbcrwY");
    if options.has('V') || options.has_long("version") {
        let version = super::versions::of(sh.machine().distro.slug).curl;
        sh.say(&format!("curl {version} (x86_64-pc-linux-gnu) libcurl/{version}\nProtocols: dict file ftp ftps gopher gophers http https imap imaps ldap ldaps mqtt pop3 pop3s rtmp rtsp scp sftp smb smbs smtp smtps telnet tftp"));
        return 0;
    }
    let Some(url) = options.rest.first().cloned() else {
        return sh.fail("curl: try 'curl --help' or 'curl --manual' for more information") + 1;
    };
    let (name, named) = host(&url);
    let silent = options.has('s') && !options.has('S');
    let (text, status) = if named {
        (format!("curl: (6) Could not resolve host: {name}"), 6)
    } else {
        (
            format!(
                "curl: (7) Failed to connect to {name} port {} after 0 ms: Couldn't connect to server",
                port(&url)
            ),
            7,
        )
    };
    if !silent {
        sh.fail(&text);
    }
    status
}

fn transfer(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("", |a| a.rsplit('/').next().unwrap_or_default()).to_owned();
    let options = Options::new(args, "lrPpub");
    let target = options.rest.first().cloned().unwrap_or_default();
    let (name, named) = host(&target);
    let text = match (tool.as_str(), named) {
        (_, true) => format!("{tool}: bad address '{name}'"),
        ("tftp", _) => "tftp: timeout".to_owned(),
        _ => format!("{tool}: can't connect to remote host ({name}): Network unreachable"),
    };
    sh.fail(&text)
}

fn nc(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("nc", |a| a.rsplit('/').next().unwrap_or("nc")).to_owned();
    let options = Options::new(args, "wpseiqXx");
    if options.has('l') {
        return sh.fail(&format!("{tool}: Permission denied"));
    }
    let (Some(target), port) =
        (options.rest.first().cloned(), options.rest.get(1).cloned().unwrap_or_default())
    else {
        return sh.fail("usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]\n\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]\n\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]\n\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]\n\t  [destination] [port]");
    };
    let _ = sh.input();
    let (name, named) = host(&target);
    match (tool.as_str(), named) {
        ("telnet", true) => sh.fail(&format!(
            "telnet: could not resolve {name}/{}: Temporary failure in name resolution",
            if port.is_empty() { "telnet" } else { &port }
        )),
        ("telnet", _) => sh.fail(&format!(
            "Trying {name}...\ntelnet: Unable to connect to remote host: Network is unreachable"
        )),
        (_, true) if sh.is_busybox() => sh.fail(&format!("nc: bad address '{name}'")),
        (_, true) => sh.fail(&format!(
            "nc: getaddrinfo for host \"{name}\" port {port}: Temporary failure in name resolution"
        )),
        _ if options.has('v') => {
            sh.fail(&format!("nc: connect to {name} port {port} (tcp) failed: Network is unreachable"))
        }
        _ => 1,
    }
}

fn ssh(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "pPiolLRDFJbcEeIkmOQSWw");
    let tool = args.first().map_or("ssh", |a| a.rsplit('/').next().unwrap_or("ssh")).to_owned();
    if options.has('V') {
        let slug = sh.machine().distro.slug;
        // `-V` says the version on standard error, and the library without its repetition.
        let library = super::cmd_pack::openssl_version(slug).split(" (").next().unwrap_or_default();
        let text = format!("{}, {library}", crate::decoy::ssh::version::version(slug));
        sh.fail(&text);
        return 0;
    }
    if tool != "ssh" && options.rest.is_empty() {
        return sh.fail(if tool == "sftp" {
            "usage: sftp [-46AaCfNpqrv] [-B buffer_size] [-b batchfile] [-c cipher]\n          [-D sftp_server_command] [-F ssh_config] [-i identity_file]\n          [-J destination] [-l limit] [-o ssh_option] [-P port]\n          [-R num_requests] [-S program] [-s subsystem | sftp_server]\n          [-X sftp_option] destination"
        } else {
            "usage: scp [-346ABCOpqRrsTv] [-c cipher] [-D sftp_server_path] [-F ssh_config]\n           [-i identity_file] [-J destination] [-l limit] [-o ssh_option]\n           [-P port] [-S program] [-X sftp_option] source ... target"
        });
    }
    let remote = options.rest.iter().find(|a| a.contains(['@', ':'])).or(options.rest.first()).cloned();
    let Some(target) = remote else {
        return sh.fail("usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface]\n           [-b bind_address] [-c cipher_spec] [-D [bind_address:]port]\n           [-E log_file] [-e escape_char] [-F configfile] [-I pkcs11]\n           [-i identity_file] destination [command [argument ...]]") + 254;
    };
    let (name, named) = host(&target);
    let port = options.value('p').or(options.value('P')).unwrap_or("22").to_owned();
    let text = if named {
        format!("ssh: Could not resolve hostname {name}: Temporary failure in name resolution")
    } else {
        format!("ssh: connect to host {name} port {port}: Network is unreachable")
    };
    sh.fail(&text) + 254
}

fn ping(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "cWiwsIt");
    let Some(target) = options.rest.first().cloned() else {
        return sh.fail("ping: usage error: Destination address required") + 1;
    };
    let (name, named) = host(&target);
    let own = sh.machine().ip.to_string();
    if name == own || name.starts_with("127.") || name == "localhost" {
        let address = if named { "127.0.0.1" } else { &name };
        let count: usize = options.value('c').and_then(|c| c.parse().ok()).unwrap_or(4).clamp(1, 10);
        sh.say(&format!("PING {name} ({address}) 56(84) bytes of data."));
        for number in 1..=count {
            sh.say(&format!(
                "64 bytes from {address}: icmp_seq={number} ttl=64 time=0.0{} ms",
                31 + number * 7 % 20
            ));
        }
        sh.say(&format!("\n--- {name} ping statistics ---\n{count} packets transmitted, {count} received, 0% packet loss, time {}ms\nrtt min/avg/max/mdev = 0.031/0.040/0.051/0.006 ms", (count - 1) * 1021));
        return 0;
    }
    let text = match (named, sh.is_busybox()) {
        (true, true) => format!("ping: bad address '{name}'"),
        (true, false) => format!("ping: {name}: Temporary failure in name resolution"),
        (false, true) => format!("PING {name} ({name}): 56 data bytes\nping: sendto: Network unreachable"),
        (false, false) => "ping: connect: Network is unreachable".to_owned(),
    };
    sh.fail(&text) + 1
}

fn lookup(sh: &mut Shell, args: &[String]) -> u8 {
    let name = args.iter().skip(1).find(|a| !a.starts_with(['-', '@', '+'])).cloned().unwrap_or_default();
    let gateway = sh.machine().gateway();
    let tail = if name.is_empty() {
        ""
    } else {
        "
"
    };
    sh.say(&format!(
        ";; communications error to {gateway}#53: timed out
;; no servers could be reached{tail}"
    ));
    1
}

fn ip(sh: &mut Shell, args: &[String]) -> u8 {
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    let machine = sh.machine().clone();
    let nic = machine.distro.interface;
    let mac = mac(&machine);
    let [a, b, c, _] = machine.ip.octets();
    let is = |word: Option<&&str>, full: &str| word.is_some_and(|w| !w.is_empty() && full.starts_with(*w));
    let first = words.first();
    if is(first, "address") || is(first, "link") {
        if matches!(words.get(1), Some(&("add" | "del" | "set" | "flush"))) {
            return if sh.vfs.uid() == 0 {
                0
            } else {
                sh.fail("RTNETLINK answers: Operation not permitted") + 1
            };
        }
        let link = is(first, "link");
        let brief = args.iter().any(|w| w == "-br" || w == "-brief");
        if brief {
            sh.say("lo               UNKNOWN        127.0.0.1/8 ");
            sh.say(&format!("{nic:<16} UP             {}/24 ", machine.ip));
            return 0;
        }
        sh.say("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00");
        if !link {
            sh.say("    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever");
        }
        sh.say(&format!("2: {nic}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n    link/ether {mac} brd ff:ff:ff:ff:ff:ff"));
        if !link {
            sh.say(&format!("    inet {}/24 brd {a}.{b}.{c}.255 scope global {nic}\n       valid_lft forever preferred_lft forever", machine.ip));
        }
        return 0;
    }
    if is(first, "route") {
        sh.say(&format!(
            "default via {} dev {nic} \n{a}.{b}.{c}.0/24 dev {nic} proto kernel scope link src {} ",
            machine.gateway(),
            machine.ip
        ));
        return 0;
    }
    if is(first, "neighbor") || is(first, "neighbour") {
        let tail = machine.derive("gateway-mac");
        sh.say(&format!(
            "{} dev {nic} lladdr 00:1c:73:{:02x}:{:02x}:{:02x} REACHABLE",
            machine.gateway(),
            tail[0],
            tail[1],
            tail[2]
        ));
        return 0;
    }
    match first {
        None => sh.fail("Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n       ip [ -force ] -batch filename\nwhere  OBJECT := { address | addrlabel | fou | help | ila | ioam | l2tp | link |\n                   macsec | maddress | monitor | mptcp | mroute | mrule |\n                   neighbor | neighbour | netconf | netns | nexthop | ntable |\n                   ntbl | route | rule | sr | tap | tcpmetrics |\n                   token | tunnel | tuntap | vrf | xfrm }") + 254,
        Some(&("rule" | "netns" | "maddress" | "tunnel")) => 0,
        Some(other) => sh.fail(&format!("Object \"{other}\" is unknown, try \"ip help\".")),
    }
}

fn ifconfig(sh: &mut Shell, args: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let nic = machine.distro.interface;
    if let Some(other) = args.get(1).filter(|a| !a.starts_with('-') && *a != nic && *a != "lo") {
        return sh.fail(&format!("{other}: error fetching interface information: Device not found"));
    }
    let [a, b, c, _] = machine.ip.octets();
    let (rx, tx) = traffic(&machine);
    let mac = mac(&machine);
    if sh.is_busybox() {
        sh.say(&format!("{nic:<9} Link encap:Ethernet  HWaddr {}  \n          inet addr:{}  Bcast:{a}.{b}.{c}.255  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n          RX packets:{} errors:0 dropped:0 overruns:0 frame:0\n          TX packets:{} errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1000 \n          RX bytes:{rx} TX bytes:{tx}\n", mac.to_uppercase(), machine.ip, rx / 310, tx / 290));
        sh.say("lo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n");
        return 0;
    }
    sh.say(&format!("{nic}: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n        inet {}  netmask 255.255.255.0  broadcast {a}.{b}.{c}.255\n        ether {mac}  txqueuelen 1000  (Ethernet)\n        RX packets {}  bytes {rx} ({}.{} MiB)\n        RX errors 0  dropped 0  overruns 0  frame 0\n        TX packets {}  bytes {tx} ({}.{} MiB)\n        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n", machine.ip, rx / 310, rx >> 20, (rx >> 10) % 10, tx / 290, tx >> 20, (tx >> 10) % 10));
    sh.say("lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n        inet 127.0.0.1  netmask 255.0.0.0\n        loop  txqueuelen 1000  (Local Loopback)\n");
    0
}

fn route(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let [a, b, c, _] = machine.ip.octets();
    let nic = machine.distro.interface;
    let net = format!("{a}.{b}.{c}.0");
    sh.say("Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface");
    sh.say(&format!("0.0.0.0         {:<15} 0.0.0.0         UG    0      0        0 {nic}\n{net:<15} 0.0.0.0         255.255.255.0   U     0      0        0 {nic}", machine.gateway().to_string()));
    0
}

fn arp(sh: &mut Shell, _: &[String]) -> u8 {
    let machine = sh.machine().clone();
    let tail = machine.derive("gateway-mac");
    sh.say(&format!(
        "? ({}) at 00:1c:73:{:02x}:{:02x}:{:02x} [ether] on {}",
        machine.gateway(),
        tail[0],
        tail[1],
        tail[2],
        machine.distro.interface
    ));
    0
}

/// Port, process number and name of what listens, over TCP or UDP.
fn open_ports(sh: &Shell, transport: Transport) -> Vec<(u16, u32, &'static str)> {
    let machine = sh.machine();
    let all = processes(machine);
    let pid = |name: &str| all.iter().find(|p| p.name() == name).map_or(1, |p| p.pid);
    let found = listeners(machine).into_iter().filter(|l| l.transport == transport);
    found.map(|l| (l.port, pid(l.program), l.program)).collect()
}

fn netstat(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    if options.has('r') {
        return route(sh, args);
    }
    let programs = options.has('p');
    let root = sh.vfs.uid() == 0;
    let listening = options.has('l') || options.has('a');
    let state = if listening {
        "Active Internet connections (only servers)"
    } else {
        "Active Internet connections (w/o servers)"
    };
    if programs && !root {
        sh.fail("(Not all processes could be identified, non-owned process info\n will not be shown, you would have to be root to see it all.)");
    }
    sh.say(state);
    let programs_title = if programs { " PID/Program name" } else { "" };
    sh.say(&format!(
        "Proto Recv-Q Send-Q Local Address           Foreign Address         State      {programs_title}"
    ));
    let wanted = [(Transport::Tcp, 't', 'u', "LISTEN"), (Transport::Udp, 'u', 't', "")];
    for (transport, letter, other, state) in wanted {
        if !listening || !options.has(letter) && options.has(other) {
            continue;
        }
        let kind = if transport == Transport::Tcp { "tcp" } else { "udp" };
        for (port, pid, name) in open_ports(sh, transport) {
            let who = match (programs, root) {
                (false, _) => String::new(),
                (true, true) => format!(" {:<20}", format!("{pid}/{name}")),
                (true, false) => " -                   ".to_owned(),
            };
            sh.say(
                format!(
                    "{kind}        0      0 {:<23} 0.0.0.0:*               {state:<11}{who}",
                    format!("0.0.0.0:{port}")
                )
                .trim_end(),
            );
        }
    }
    0
}

fn ss(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.family() == Family::Alpine {
        return 127;
    }
    let options = Options::new(args, "fA");
    let root = sh.vfs.uid() == 0;
    let netid = if options.has('t') != options.has('u') { "" } else { "Netid " };
    sh.say(&format!(
        "{netid}State  Recv-Q Send-Q Local Address:Port Peer Address:Port{}",
        if options.has('p') { "Process" } else { "" }
    ));
    let listening = options.has('l') || options.has('a');
    let wanted = [(Transport::Udp, 'u', 't'), (Transport::Tcp, 't', 'u')];
    for (transport, letter, other) in wanted {
        if !listening || !options.has(letter) && options.has(other) {
            continue;
        }
        let tcp = transport == Transport::Tcp;
        for (port, pid, name) in open_ports(sh, transport) {
            let kind = match (netid.is_empty(), tcp) {
                (true, _) => "",
                (false, true) => "tcp   ",
                (false, false) => "udp   ",
            };
            let who = if options.has('p') && root {
                format!("users:((\"{name}\",pid={pid},fd=3))")
            } else {
                String::new()
            };
            let (state, queue) = match name {
                _ if !tcp => ("UNCONN", 0),
                "nginx" | "apache2" | "httpd" | "redis-server" => ("LISTEN", 511),
                _ => ("LISTEN", 128),
            };
            let line = format!(
                "{kind}{state} 0      {queue:<6} {:>13}:{port:<4} {:>12}:{:<4}{who}",
                "0.0.0.0", "0.0.0.0", "*"
            );
            sh.say(line.trim_end());
        }
    }
    0
}
