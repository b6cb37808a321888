//! The decoys spoken to by real clients, and what `nmap` calls them.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::{Ran, World, event, run, tool};

/// Two deckies that run everything.
fn fleet() -> World {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        &format!(
            "[one]\nip = {}\ndistro = debian\nservices = ssh,http,telnet\n[one.http]\nserver_header = nginx/1.22.1\n\
             [one.ssh]\nuser = deploy\nuser_password = Tr0ub4dor\npassword = toor\n\
             [two]\nip = {}\ndistro = debian\nservices = ftp,mysql,redis\n[two.mysql]\nuser = app\npassword = s3cret\n",
            world.ip(10),
            world.ip(20)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn ssh(world: &World, password: &str, user: &str, rest: &[&str]) -> Command {
    let mut command = tool("sshpass");
    let port = (world.offset + 22).to_string();
    command.args(["-p", password, "ssh", "-F", "/dev/null", "-p", &port]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "PubkeyAuthentication=no",
        "NumberOfPasswordPrompts=1",
        "ConnectTimeout=10",
    ] {
        command.args(["-o", option]);
    }
    command.arg(format!("{user}@{}", world.ip(10))).args(rest);
    command
}

#[test]
fn openssh_logs_in_and_runs_a_command() {
    let world = fleet();
    let ran = run(&mut ssh(
        &world,
        "Tr0ub4dor",
        "deploy",
        &["id; uname -s; echo $((6*7)) >/dev/null; cat /etc/os-release"],
    ));
    let out = ran.ok();
    assert!(out.contains("(deploy)") && out.contains("Linux") && out.contains("Debian"), "{out}");
    let ran = run(&mut ssh(&world, "wrong", "root", &["id"]));
    assert!(ran.err.contains("Permission denied"), "{}", ran.err);
    let failed = event(&world, &["--kind", "login", "--service", "ssh"], |e| {
        e["outcome"] == "failure" && e["action"] == "password"
    });
    assert_eq!((&failed["user"], &failed["secret"]), (&"root".into(), &"wrong".into()));
    let good = event(&world, &["--kind", "login"], |e| e["outcome"] == "success");
    assert_eq!((&good["user"], &good["secret"]), (&"deploy".into(), &"Tr0ub4dor".into()));
    event(&world, &["--kind", "command"], |e| e.to_string().contains("uname -s"));
    // Exit codes of commands go back to the client.
    assert_eq!(run(&mut ssh(&world, "toor", "root", &["false"])).code, 1);
}

#[test]
fn openssh_gets_a_terminal() {
    let world = fleet();
    let mut command = ssh(&world, "toor", "root", &["-tt"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"whoami\ncat /etc/shadow\nexit\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap()).code(0);
    drop(stdin);
    assert!(ran.out.contains("root") && ran.out.contains("# "), "{}", ran.out);
    event(&world, &["--kind", "command"], |e| e.to_string().contains("/etc/shadow"));
}

#[test]
fn sftp_puts_gets_and_lists() {
    let world = fleet();
    let payload = world.write("payload.bin", [7u8; 3000]);
    let batch = world.write(
        "batch",
        format!(
            "put {} /tmp/payload.bin\nls /tmp\nget /tmp/payload.bin {}\nget /etc/passwd {}\n",
            payload.display(),
            world.path("back.bin").display(),
            world.path("passwd").display()
        ),
    );
    let mut command = tool("sshpass");
    let port = (world.offset + 22).to_string();
    command.args([
        "-p",
        "toor",
        "sftp",
        "-F",
        "/dev/null",
        "-P",
        &port,
        "-oBatchMode=no",
        "-oStrictHostKeyChecking=no",
        "-oUserKnownHostsFile=/dev/null",
        "-oLogLevel=ERROR",
        "-oPubkeyAuthentication=no",
        "-b",
    ]);
    command.arg(&batch).arg(format!("root@{}", world.ip(10)));
    let out = run(&mut command).ok();
    assert!(out.contains("payload.bin"), "{out}");
    assert_eq!(std::fs::read(world.path("back.bin")).unwrap(), [7u8; 3000]);
    assert!(std::fs::read_to_string(world.path("passwd")).unwrap().contains("root:x:0:0"));
    let stored = event(&world, &["--kind", "file"], |e| e.to_string().contains("sha256"));
    assert!(stored.to_string().contains("payload.bin"), "{stored}");
}

#[test]
fn forwarding_is_accepted_and_never_dialled() {
    let world = fleet();
    let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let port = target.local_addr().unwrap().port();
    let forward = format!("127.0.0.1:{port}");
    let mut command = ssh(&world, "toor", "root", &["-W", &forward]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    event(&world, &["--service", "ssh"], |e| e.to_string().contains(&port.to_string()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(target.accept().is_err(), "somebody dialled");
}

#[test]
fn curl_sees_a_web_server() {
    let world = fleet();
    let url = format!("http://{}:{}/", world.ip(10), world.offset + 80);
    let out = run(tool("curl").args(["-sSi", &url])).ok();
    assert!(out.starts_with("HTTP/1.1 200") && out.contains("Server: nginx/1.22.1"), "{out}");
    let out = run(tool("curl").args([
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-u",
        "admin:hunter2",
        &format!("{url}secret"),
    ]))
    .ok();
    assert_eq!(out, "404");
    let login = event(&world, &["--kind", "login", "--service", "http"], |_| true);
    assert_eq!((&login["user"], &login["secret"]), (&"admin".into(), &"hunter2".into()));
    let seen = event(&world, &["--kind", "request"], |e| e.to_string().contains("/secret"));
    assert_eq!(seen["http"]["request"]["method"], "GET", "{seen}");
}

#[test]
fn an_ftp_client_lists_and_downloads() {
    let world = fleet();
    let script = "cd /; ls -a; nlist; quit";
    let mut command = tool("lftp");
    command.args(["-c", &format!("set net:timeout 5; set net:max-retries 1; set ftp:ssl-allow no; open -u anonymous,me@example.org -p {} {}; {script}",
        world.offset + 21, world.ip(20))]);
    command.env("HOME", world.path(""));
    let out = run(&mut command).ok();
    assert!(!out.trim().is_empty(), "{out}");
    let mut bad = tool("lftp");
    bad.args(["-c", &format!("set net:timeout 5; set net:max-retries 1; set ftp:ssl-allow no; open -u root,letmein -p {} {}; ls",
        world.offset + 21, world.ip(20))]).env("HOME", world.path(""));
    let ran = run(&mut bad);
    assert_ne!(ran.code, 0, "{}", ran.out);
    let failed = event(&world, &["--kind", "login", "--service", "ftp"], |e| e["outcome"] == "failure");
    assert_eq!((&failed["user"], &failed["secret"]), (&"root".into(), &"letmein".into()));
}

#[test]
fn the_mysql_client_is_refused_and_let_in() {
    let world = fleet();
    let ip = world.ip(20).to_string();
    let port = (world.offset + 3306).to_string();
    let mysql = |user: &str, password: &str, sql: &str| {
        run(tool("mysql")
            .args([
                "--no-defaults",
                "-h",
                &ip,
                "-P",
                &port,
                "-u",
                user,
                &format!("-p{password}"),
                "--protocol=tcp",
                "-Be",
                sql,
            ])
            .env("HOME", world.path("")))
    };
    let ran = mysql("root", "guess", "select 1");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("ERROR 1045 (28000)") && ran.err.contains("using password: YES"), "{}", ran.err);
    event(&world, &["--kind", "login", "--service", "mysql"], |e| {
        e["user"] == "root" && e["secret_kind"].as_str().is_some()
    });
    let out = mysql("app", "s3cret", "select version(); show databases;").ok();
    assert!(out.contains("information_schema"), "{out}");
    event(&world, &["--kind", "query"], |e| e.to_string().contains("show databases"));
}

#[test]
fn redis_cli_works() {
    let world = fleet();
    let ip = world.ip(20).to_string();
    let port = (world.offset + 6379).to_string();
    let redis = |args: &[&str]| run(tool("redis-cli").args(["-h", &ip, "-p", &port]).args(args)).ok();
    assert_eq!(redis(&["ping"]).trim(), "PONG");
    assert_eq!(redis(&["set", "k", "v"]).trim(), "OK");
    assert_eq!(redis(&["get", "k"]).trim(), "v");
    assert!(redis(&["info", "server"]).contains("redis_version:"));
    assert!(redis(&["nonsense"]).contains("unknown command"));
    event(&world, &["--kind", "command", "--service", "redis"], |e| e["action"] == "set");
}

#[test]
fn telnet_asks_for_a_login() {
    let world = fleet();
    let script = world.write(
        "telnet.exp",
        format!(
            "set timeout 20\nspawn telnet {} {}\nexpect \"login: \"\nsend \"root\\r\"\nexpect \"assword: \"\nsend \"admin\\r\"\n\
             expect \"# \"\nsend \"uname -a\\r\"\nexpect \"Linux\"\nsend \"exit\\r\"\nexpect eof\nputs DONE\n",
            world.ip(10),
            world.offset + 23
        ),
    );
    let out = run(tool("expect").arg(script).env("TERM", "xterm")).ok();
    assert!(out.contains("Linux") && out.contains("DONE"), "{out}");
    let login = event(&world, &["--kind", "login", "--service", "telnet"], |_| true);
    assert_eq!((&login["user"], &login["secret"]), (&"root".into(), &"admin".into()));
}

#[test]
fn nmap_names_the_product_that_each_decoy_claims() {
    let world = fleet();
    let scan = |ip: std::net::Ipv4Addr, ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(|p| (world.offset + p).to_string()).collect();
        run(tool("nmap").args([
            "-Pn",
            "-n",
            "-sT",
            "-sV",
            "--unprivileged",
            "-p",
            &ports.join(","),
            &ip.to_string(),
        ]))
        .ok()
    };
    let one = scan(world.ip(10), &[22, 23, 80]);
    for product in ["OpenSSH 9.2p1 Debian", "nginx 1.22.1", "telnet"] {
        assert!(one.contains(product), "{product}\n{one}");
    }
    let two = scan(world.ip(20), &[21, 3306, 6379]);
    assert!(two.contains("vsftpd 3.0.") || two.contains("ProFTPD") || two.contains("Pure-FTPd"), "{two}");
    for product in ["MySQL", "Redis key-value store"] {
        assert!(two.contains(product), "{product}\n{two}");
    }
    assert!(!one.contains("unrecognized") && !two.contains("unrecognized"), "{one}{two}");
    // A scan is seen.
    event(&world, &["--kind", "connection", "--service", "redis"], |_| true);
}
