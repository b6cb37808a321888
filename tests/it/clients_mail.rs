//! The mail services spoken to by real clients, and what `nmap` calls them.

use crate::common::{Ran, World, event, run, tool};

const MAIL: &str = "Subject: invoice\r\nFrom: Bob <bob@partner.net>\r\nX-Mailer: Swish 2\r\n\r\nsee http://evil.example/pay?x=1\r\n";

/// A Postfix with its mailbox, an open relay, an Exim and a Sendmail.
fn fleet() -> World {
    let world = World::new();
    std::fs::create_dir(world.path("seed")).unwrap();
    world.write("seed/a.eml", "From: ext@partner.net\nSubject: seeded bait\n\nhi\n");
    let seed = world.path("seed");
    let file = world.fleet(
        "f.ini",
        &format!(
            "[one]\nip = {}\ndistro = debian\nservices = smtp,imap,pop3\n[one.smtp]\nuser = carol\npassword = s3cret\n\
             [one.imap]\nemail_seed = {}\nuser = dave\npassword = pa55\n\
             [two]\nip = {}\ndistro = ubuntu22\nservices = smtp_relay,imap,pop3\n[two.smtp_relay]\nupstream_host = 127.0.0.1\n\
             upstream_port = {}\nprobe_limit = 5\n\
             [three]\nip = {}\ndistro = debian\nservices = smtp\n[three.smtp]\nmta = exim\n\
             [four]\nip = {}\ndistro = ubuntu20\nservices = smtp\n[four.smtp]\nmta = sendmail\n",
            world.ip(10),
            seed.display(),
            world.ip(20),
            upstream(&world),
            world.ip(30),
            world.ip(40)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

/// A port where a relay would be, were one dialled.
fn upstream(world: &World) -> u16 {
    world.offset + 2525
}

fn curl(args: &[&str]) -> Ran {
    run(tool("curl").args(["-sSk", "--max-time", "30"]).args(args))
}

fn url(world: &World, scheme: &str, host: u8, port: u16, path: &str) -> String {
    format!("{scheme}://{}:{}/{path}", world.ip(host), world.offset + port)
}

#[test]
fn curl_sends_mail_through_starttls() {
    let world = fleet();
    let mail = world.write("m.eml", MAIL);
    let mail = mail.to_str().unwrap();
    let at = url(&world, "smtp", 10, 25, "");
    let send = |at: &str, to: &str, more: &[&str]| {
        let mut args = vec!["--mail-from", "bob@partner.net", "--mail-rcpt", to, "-T", mail];
        args.extend(more);
        args.push(at);
        curl(&args)
    };
    send(&at, "root@localhost", &["--ssl-reqd"]).ok();
    let stored = event(&world, &["--kind", "file", "--service", "smtp"], |e| e["action"] == "message_stored");
    assert_eq!(stored["email"]["subject"], "invoice");
    assert_eq!(stored["email"]["x_mailer"], "Swish 2");
    assert_eq!(stored["url"]["full"][0], "http://evil.example/pay?x=1");
    assert_eq!(stored["smtp"]["rcpt_to"][0], "root@localhost");
    assert!(stored["file"]["hash"]["sha256"].as_str().is_some_and(|h| h.len() == 64), "{stored}");
    // It relays for nobody but its own account.
    let refused = send(&at, "x@example.com", &[]);
    assert!(refused.code != 0 && refused.err.contains("554"), "{}", refused.err);
    let submission = url(&world, "smtp", 10, 587, "");
    send(&submission, "x@example.com", &["--ssl-reqd", "-u", "carol:s3cret"]).ok();
    let login = event(&world, &["--kind", "login", "--service", "smtp"], |e| e["outcome"] == "success");
    assert_eq!((&login["user"], &login["secret"]), (&"carol".into(), &"s3cret".into()));
}

#[test]
fn a_relay_stores_and_never_dials() {
    let world = fleet();
    let target = std::net::TcpListener::bind(("127.0.0.1", upstream(&world))).unwrap();
    target.set_nonblocking(true).unwrap();
    let server = format!("{}:{}", world.ip(20), world.offset + 25);
    let attachment = world.write("inv.zip", "PK");
    let mut swaks = tool("swaks");
    swaks.args([
        "--server",
        &server,
        "--auth",
        "LOGIN",
        "-au",
        "joe",
        "-ap",
        "guess",
        "--to",
        "x@example.com",
    ]);
    swaks.args(["--from", "a@b.net", "--attach-name", "inv.zip", "--attach"]);
    swaks.arg(format!("@{}", attachment.display()));
    let out = run(&mut swaks).ok();
    assert!(out.contains("queued as") && out.contains("235 2.7.0"), "{out}");
    let stored = event(&world, &["--service", "smtp_relay"], |e| e["action"] == "message_stored");
    assert_eq!(stored["email"]["attachments"]["file"]["name"][0], "inv.zip", "{stored}");
    event(&world, &["--kind", "login", "--service", "smtp_relay"], |e| {
        e["user"] == "joe" && e["secret"] == "guess" && e["secret_kind"] == "plaintext"
    });
    assert!(target.accept().is_err(), "somebody dialled");
}

#[test]
fn curl_reads_the_mailbox_over_imap() {
    let world = fleet();
    let out = curl(&["-u", "admin:admin123", &url(&world, "imap", 10, 143, "")]).ok();
    assert!(out.contains("\".\" INBOX") && out.contains("\\Sent"), "{out}");
    let out = curl(&[
        "--ssl-reqd",
        "-u",
        "dave:pa55",
        &url(&world, "imap", 10, 143, "INBOX"),
        "-X",
        "SEARCH SUBJECT \"seeded bait\"",
    ]);
    assert!(out.ok().trim_start_matches("* SEARCH").trim().parse::<u32>().is_ok());
    let mail = curl(&["-u", "root:toor", &url(&world, "imaps", 10, 993, "INBOX;MAILINDEX=1")]).ok();
    assert!(mail.contains("Received: ") && mail.contains("Subject: "), "{mail}");
    let refused = curl(&["-u", "root:hunter2", &url(&world, "imap", 10, 143, "")]);
    assert_eq!(refused.code, 67, "{}", refused.err);
    let login = event(&world, &["--kind", "login", "--service", "imap"], |e| e["outcome"] == "failure");
    assert_eq!((&login["user"], &login["secret"]), (&"root".into(), &"hunter2".into()));
    event(&world, &["--kind", "command", "--service", "imap"], |e| e.to_string().contains("seeded bait"));
}

#[test]
fn pop3_clients_fetch_the_same_mailbox() {
    let world = fleet();
    let list = curl(&["-u", "user:user", "--ssl-reqd", &url(&world, "pop3", 10, 110, "")]).ok();
    assert!(list.lines().count() > 10, "{list}");
    let over_pop = curl(&["-u", "mail:mail", &url(&world, "pop3s", 10, 995, "1")]).ok();
    let over_imap = curl(&["-u", "mail:mail", &url(&world, "imap", 10, 143, "INBOX;MAILINDEX=1")]).ok();
    assert_eq!(over_pop.trim_end(), over_imap.trim_end());
    let rc = world.write(
        "mpoprc",
        format!(
            "account x\nhost {}\nport {}\ntls off\nuser root\npassword toor\nauth user\nkeep on\ndelivery mbox {}\nuidls_file {}\n",
            world.ip(20),
            world.offset + 110,
            world.path("mbox").display(),
            world.path("uidls").display()
        ),
    );
    std::fs::set_permissions(&rc, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    run(tool("mpop").args(["-C", rc.to_str().unwrap(), "x"])).ok();
    let mbox = std::fs::read_to_string(world.path("mbox")).unwrap();
    assert!(mbox.matches("\nSubject: ").count() > 10, "{mbox}");
    event(&world, &["--kind", "command", "--service", "pop3"], |e| e["action"] == "retr");
}

#[test]
fn openssl_is_shown_the_hosts_certificate() {
    let world = fleet();
    for (protocol, port) in [("smtp", 25), ("imap", 143), ("pop3", 110)] {
        let at = format!("{}:{}", world.ip(10), world.offset + port);
        let ran = run(tool("openssl").args(["s_client", "-connect", &at, "-starttls", protocol]));
        assert!(ran.out.contains("BEGIN CERTIFICATE"), "{protocol}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn nmap_names_the_mail_servers() {
    let world = fleet();
    let scan = |host: u8, ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(|p| (world.offset + p).to_string()).collect();
        let host = world.ip(host).to_string();
        run(tool("nmap").args(["-Pn", "-n", "-sT", "-sV", "--unprivileged", "-p", &ports.join(","), &host]))
            .ok()
    };
    let one = scan(10, &[25, 110, 143, 587, 993, 995]);
    for (product, times) in [("Postfix smtpd", 2), ("Dovecot imapd", 2), ("Dovecot pop3d", 2)] {
        assert_eq!(one.matches(product).count(), times, "{product}\n{one}");
    }
    let two = scan(20, &[25, 143]);
    assert!(two.contains("Postfix smtpd") && two.contains("Dovecot imapd (Ubuntu)"), "{two}");
    let (three, four) = (scan(30, &[25]), scan(40, &[25]));
    assert!(three.contains("Exim smtpd 4.96") && four.contains("Sendmail 8.15.2"), "{three}{four}");
    assert!(
        ![&one, &two, &three, &four].iter().any(|s| s.contains("unrecognized")),
        "{one}{two}{three}{four}"
    );
}
