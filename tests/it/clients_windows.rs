//! SMB, Remote Desktop and SQL Server spoken to by real clients, and what `nmap` calls them.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::common::{Ran, World, event, run, tool};

/// A Windows server, a Windows workstation and a Debian host.
fn fleet() -> World {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        &format!(
            "[server]\nip = {}\nnmap_os = windows_server\nservices = smb,rdp,mssql\n\
             [server.smb]\nuser = svc\npassword = Secret1\ndomain = corp.example.com\n\
             [server.rdp]\nuser = svc\npassword = Secret1\n\
             [server.mssql]\npassword = Pa55\nversion = 15.0.4430.1\n\
             [dc]\nip = {}\nnmap_os = windows_server\nhostname = WIN-DC07\nservices = ldap,dns,smb,rdp,mssql\n\
             [dc.ldap]\ndomain = hq.contoso.com\nuser = helpdesk\npassword = Secret7\n\
             [pc]\nip = {}\nnmap_os = windows\nservices = smb,rdp\n[pc.rdp]\nnla = false\n\
             [files]\nip = {}\ndistro = debian\nservices = smb,rdp,mssql\n\
             [files.smb]\nuser = scan\npassword = Scan123\nworkgroup = OFFICE\nshare = exchange\n\
             [files.mssql]\nversion = 15.0.4430.1\n",
            world.ip(10),
            world.ip(40),
            world.ip(20),
            world.ip(30)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn smbclient(world: &World, last: u8, share: &str, rest: &[&str]) -> Command {
    let mut command = tool("smbclient");
    let port = (world.offset + 445).to_string();
    command.env("HOME", world.path("")).args(["-s", "/dev/null", "-p", &port]);
    command.args(["-t", "10", "--option=client min protocol=NT1"]);
    command.arg(format!("//{}/{share}", world.ip(last))).args(rest);
    command
}

#[test]
fn smbclient_lists_shares_without_a_password() {
    let world = fleet();
    let list = |last: u8| {
        let mut command = tool("smbclient");
        let port = (world.offset + 445).to_string();
        command.env("HOME", world.path("")).args(["-s", "/dev/null", "-N", "-p", &port]);
        run(command.args(["-L", &format!("//{}", world.ip(last))])).ok()
    };
    let windows = list(10);
    for share in ["ADMIN$", "C$", "Data", "IPC$", "Remote IPC"] {
        assert!(windows.contains(share), "{share}\n{windows}");
    }
    let samba = list(30);
    for share in ["print$", "exchange", "IPC Service (Samba 4.17.12-Debian)"] {
        assert!(samba.contains(share), "{share}\n{samba}");
    }
    event(&world, &["--service", "smb", "--kind", "login"], |e| e["action"] == "anonymous");
    event(&world, &["--service", "smb"], |e| e["action"] == "rpc_call" && e["rpc"]["interface"] == "srvsvc");
}

#[test]
fn smbclient_reads_and_leaves_files_in_every_dialect() {
    let world = fleet();
    let upload = world.write("dropper.exe", b"MZ\x90\x00dropper");
    let script = format!(
        "cd IT; ls; get todo.txt {}; put {} dropper.exe; get dropper.exe {}; del dropper.exe",
        world.path("todo.txt").display(),
        upload.display(),
        world.path("back.exe").display()
    );
    for dialect in ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"] {
        for (last, share, account) in [(10, "Data", "svc%Secret1"), (30, "exchange", "scan%Scan123")] {
            let signed = "--option=client signing=required";
            let out = run(&mut smbclient(
                &world,
                last,
                share,
                &["-U", account, "-m", dialect, signed, "-c", &script],
            ));
            let out = out.ok();
            assert!(out.contains("inventory.csv"), "{dialect} {share}\n{out}");
            assert_eq!(std::fs::read(world.path("back.exe")).unwrap(), b"MZ\x90\x00dropper");
            assert!(std::fs::read_to_string(world.path("todo.txt")).unwrap().contains("- "));
        }
    }
    let encrypted = ["-U", "svc%Secret1", "--client-protection=encrypt", "-c", &script];
    for dialect in ["SMB3_02", "SMB3_11"] {
        let out = run(smbclient(&world, 10, "Data", &encrypted).args(["-m", dialect])).ok();
        assert!(out.contains("inventory.csv"), "{dialect}\n{out}");
    }
    let seen = event(&world, &["--service", "smb", "--kind", "file"], |e| e["action"] == "upload");
    assert_eq!(seen["file"]["size"], 11, "{seen}");
    assert_eq!(seen["file"]["hash"]["sha256"].as_str().unwrap().len(), 64, "{seen}");
    event(&world, &["--service", "smb", "--kind", "file"], |e| {
        e["action"] == "download" && e.to_string().contains("todo.txt")
    });
    let login = event(&world, &["--service", "smb", "--kind", "login"], |e| e["user"] == "svc");
    assert_eq!((&login["outcome"], &login["secret_kind"]), (&"success".into(), &"ntlmssp_v2".into()));
}

/// What each service of a domain controller says of it, as nmap's scripts read that.
#[test]
fn a_controller_is_named_alike_by_all_its_services() {
    let world = fleet();
    let ports: Vec<String> = [389, 445, 1433, 3389].iter().map(|p| (world.offset + p).to_string()).collect();
    let mut command = tool("nmap");
    command.args(["-Pn", "-n", "-sT", "-sV", "--unprivileged", "-p", &ports.join(",")]);
    command.args(["--script", "rdp-ntlm-info,ldap-rootdse,ssl-cert"]);
    let out = run(command.arg(world.ip(40).to_string())).ok();
    for (name, times) in [
        ("DNS_Domain_Name: hq.contoso.com", 1),
        ("DNS_Computer_Name: WIN-DC07.hq.contoso.com", 1),
        ("NetBIOS_Domain_Name: HQ", 1),
        ("Product_Version: 10.0.14393", 1),
        ("microsoft-ds (workgroup: HQ)", 1),
        ("dnsHostName: WIN-DC07.hq.contoso.com", 1),
        // The directory's certificate and that of Remote Desktop.
        ("ssl-cert: Subject: commonName=WIN-DC07.hq.contoso.com", 2),
    ] {
        assert!(out.matches(name).count() >= times, "{name}\n{out}");
    }
    // An account of the directory is one of the domain.
    let list = run(&mut smbclient(&world, 40, "C$", &["-U", "HQ/helpdesk%Secret7", "-c", "ls"])).ok();
    assert!(!list.contains("NT_STATUS"), "{list}");
    let srv = ["+short", "_ldap._tcp.dc._msdcs.hq.contoso.com", "SRV", "+tcp", "-p"];
    let port = (world.offset + 53).to_string();
    let srv = run(tool("dig").args(srv).args([&port, &format!("@{}", world.ip(40))])).ok();
    assert_eq!(srv.trim().to_ascii_lowercase(), "0 100 389 win-dc07.hq.contoso.com.");
}

#[test]
fn smbclient_is_refused_with_a_wrong_password() {
    let world = fleet();
    let ran = run(&mut smbclient(&world, 10, "C$", &["-U", "CORP/Administrator%Winter2026", "-c", "ls"]));
    assert!(ran.out.contains("NT_STATUS_LOGON_FAILURE"), "{}{}", ran.out, ran.err);
    let login = event(&world, &["--service", "smb", "--kind", "login"], |e| e["outcome"] == "failure");
    assert_eq!((&login["user"], &login["ntlm"]["domain"]), (&"Administrator".into(), &"CORP".into()));
    let challenge = login["ntlm"]["server_challenge"].as_str().unwrap();
    let proof = login["ntlm"]["nt_proof"].as_str().unwrap();
    let blob = login["ntlm"]["blob"].as_str().unwrap();
    assert_eq!((challenge.len(), proof.len()), (16, 32));
    assert_eq!(login["secret"].as_str().unwrap(), format!("{proof}{blob}"));
}

fn rdp(world: &World, last: u8, rest: &[&str]) -> Ran {
    let mut command = tool("timeout");
    command.args(["30", "xvfb-run", "-a", "xfreerdp"]).env("HOME", world.path(""));
    command.env("XDG_CONFIG_HOME", world.path("config"));
    command
        .arg(format!("/v:{}:{}", world.ip(last), world.offset + 3389))
        .args(["/cert:ignore", "/log-level:WARN"]);
    run(command.args(rest))
}

#[test]
fn freerdp_gives_its_password_away() {
    let world = fleet();
    tool("xfreerdp");
    tool("xvfb-run");
    // Network level authentication, with a wrong password and the right one.
    let _ = rdp(&world, 10, &["/u:bob", "/p:hunter2", "/d:CORP"]);
    let login = event(&world, &["--service", "rdp", "--kind", "login"], |e| e["user"] == "bob");
    assert_eq!((&login["outcome"], &login["secret_kind"]), (&"failure".into(), &"ntlmssp_v2".into()));
    let _ = rdp(&world, 10, &["/u:svc", "/p:Secret1"]);
    let login = event(&world, &["--service", "rdp", "--kind", "login"], |e| e["action"] == "credssp");
    assert_eq!((&login["user"], &login["secret"]), (&"svc".into(), &"Secret1".into()));
    // None, over TLS and without it; Windows and xrdp.
    for (last, user, password, security) in
        [(20, "joe", "pw1", "/sec:tls"), (20, "jim", "pw2", "/sec:rdp"), (30, "root", "toor", "/sec:tls")]
    {
        let _ = rdp(&world, last, &[&format!("/u:{user}"), &format!("/p:{password}"), security]);
        let login = event(&world, &["--service", "rdp", "--kind", "login"], |e| e["user"] == user);
        assert_eq!(
            (&login["secret"], &login["secret_kind"]),
            (&password.into(), &"plaintext".into()),
            "{login}"
        );
    }
    event(&world, &["--service", "rdp"], |e| {
        e["action"] == "connect" && e["rdp"]["client"]["keyboard"] == "00000409"
    });
    event(&world, &["--service", "rdp"], |e| e["rdp"]["cookie"] == "mstshash=bob");
}

fn tsql(world: &World, last: u8, password: &str, sql: &str) -> Ran {
    let script = world.write("script.sql", sql);
    let port = (world.offset + 1433).to_string();
    let mut command = tool("tsql");
    command.env("HOME", world.path("")).args(["-H", &world.ip(last).to_string(), "-p", &port]);
    command.args(["-U", "sa", "-P", password]);
    Ran::from(command.stdin(std::fs::File::open(script).unwrap()).output().unwrap())
}

#[test]
fn tsql_is_refused_and_let_in() {
    let world = fleet();
    let ran = tsql(&world, 30, "letmein", "select 1\ngo\n");
    assert!(ran.err.contains("Login failed for user 'sa'."), "{}{}", ran.out, ran.err);
    let login = event(&world, &["--service", "mssql", "--kind", "login"], |e| e["outcome"] == "failure");
    assert_eq!((&login["user"], &login["secret"]), (&"sa".into(), &"letmein".into()));
    let out = tsql(
        &world,
        10,
        "Pa55",
        "select @@version\ngo\nselect name from sys.databases\ngo\n\
         exec sp_configure 'show advanced options', 1; reconfigure; exec sp_configure 'xp_cmdshell', 1; reconfigure\ngo\n\
         exec xp_cmdshell 'whoami'\ngo\n",
    );
    for text in
        ["Microsoft SQL Server 2019 (RTM-CU32)", "Windows Server 2016", "tempdb", "nt service\\mssqlserver"]
    {
        assert!(out.out.contains(text), "{text}\n{}{}", out.out, out.err);
    }
    event(&world, &["--kind", "command"], |e| e["process"]["command_line"] == "whoami");
    event(&world, &["--kind", "query"], |e| e.to_string().contains("sys.databases"));
}

#[test]
fn nmap_names_the_product_of_each_system() {
    let world = fleet();
    let ports: Vec<String> = [139, 445, 1433, 3389].iter().map(|p| (world.offset + p).to_string()).collect();
    let mut command = tool("nmap");
    command.args(["-Pn", "-n", "-sT", "-sV", "--unprivileged", "-p", &ports.join(",")]);
    // All at once: most of the time goes by waiting for answers that never come.
    let out = run(command.args([10, 20, 30].map(|last| world.ip(last).to_string()))).ok();
    let of = |ip: Ipv4Addr| {
        let head = format!("scan report for {ip}\n");
        out.split("Nmap ").find(|part| part.starts_with(&head)).unwrap_or_default().to_owned()
    };
    let windows = of(world.ip(10));
    for product in [
        "Microsoft Windows Server 2008 R2 - 2012 microsoft-ds (workgroup: CORP)",
        "Microsoft SQL Server 2019 15.00.4430",
        "Microsoft Terminal Services",
    ] {
        assert!(windows.contains(product), "{product}\n{windows}");
    }
    let pc = of(world.ip(20));
    for product in
        ["Microsoft Windows 7 - 10 microsoft-ds (workgroup: WORKGROUP)", "Microsoft Terminal Service"]
    {
        assert!(pc.contains(product), "{product}\n{pc}");
    }
    let debian = of(world.ip(30));
    for product in ["Samba smbd 4", "Microsoft SQL Server 2019 15.00.4430", "xrdp"] {
        assert!(debian.contains(product), "{product}\n{debian}");
    }
}
