//! PostgreSQL, MongoDB, MQTT and VNC spoken to by real clients, and what `nmap` calls them.

use std::process::{Command, Stdio};

use crate::common::{Ran, World, event, run, tool};

/// Two deckies: an open one, and one with accounts.
fn fleet() -> World {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        &format!(
            "[one]\nip = {}\ndistro = debian\nservices = postgres,mongodb,mqtt,vnc\n[one.mongodb]\nversion = 4.4.29\n\
             [one.vnc]\nserver = tigervnc\n[one.mqtt]\npersona = water_plant\n\
             [two]\nip = {}\ndistro = debian\nservices = postgres,mongodb,mqtt,vnc\n[two.postgres]\nuser = app\npassword = s3cret\n\
             auth = md5\n[two.mongodb]\nuser = root\npassword = s3cret\n[two.mqtt]\nuser = plc\npassword = s3cret\n\
             [two.vnc]\nserver = x11vnc\npassword = s3cret\n",
            world.ip(10),
            world.ip(20)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn psql(world: &World, last: u8, user: &str, password: &str, database: &str, sql: &[&str]) -> Ran {
    let mut command = tool("psql");
    let host = world.ip(last).to_string();
    let port = (world.offset + 5432).to_string();
    command.args(["-X", "-w", "-h", &host, "-p", &port, "-U", user, "-d", database]);
    for statement in sql {
        command.args(["-c", statement]);
    }
    run(command.env("PGPASSWORD", password).env("HOME", world.path("")))
}

#[test]
fn psql_logs_in_looks_around_and_runs_programs() {
    let world = fleet();
    let ran = psql(&world, 10, "postgres", "guess", "postgres", &["select 1"]);
    assert!(ran.err.contains("password authentication failed for user \"postgres\""), "{}", ran.err);
    let failed = event(&world, &["--kind", "login", "--service", "postgres"], |e| e["outcome"] == "failure");
    assert_eq!((&failed["user"], &failed["secret_kind"]), (&"postgres".into(), &"scram_sha256".into()));
    assert!(failed["scram"]["auth_message"].as_str().is_some_and(|m| m.contains("i=4096")), "{failed}");
    let steps = [
        "\\conninfo",
        "\\l",
        "\\du",
        "\\dt",
        "select version()",
        "create table c(o text)",
        "copy c from program 'id; uname -s'",
        "select * from c",
    ];
    let out = psql(&world, 10, "postgres", "postgres", "postgres", &steps).ok();
    for part in [
        "SSL connection",
        "List of databases",
        "Superuser",
        "PostgreSQL 15.20 (Debian",
        "(postgres)",
        "Linux",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let ran = psql(&world, 10, "postgres", "postgres", "postgres", &["selec 1"]);
    assert!(ran.err.contains("syntax error at or near \"selec\"\nLINE 1: selec 1\n        ^"), "{}", ran.err);
    event(&world, &["--kind", "command"], |e| {
        e["action"] == "copy_program" && e.to_string().contains("uname -s")
    });
    event(&world, &["--kind", "query"], |e| e["db"]["statement"] == "selec 1");
    // The other one asks for MD5.
    let out = psql(&world, 20, "app", "s3cret", "postgres", &["select current_user"]).ok();
    assert!(out.contains("app"), "{out}");
    let login = event(&world, &["--kind", "login"], |e| e["secret_kind"] == "postgres_md5");
    assert!(login["postgres"]["salt"].as_str().is_some_and(|s| s.len() == 8), "{login}");
    let ran = psql(&world, 20, "app", "s3cret", "nothing", &["select 1"]);
    assert!(ran.err.contains("database \"nothing\" does not exist"), "{}", ran.err);
}

#[test]
fn pymongo_is_robbed_and_refused() {
    let world = fleet();
    let script = world.write(
        "m.py",
        "import sys, pymongo\n\
         def client(host, **more):\n    return pymongo.MongoClient(host, int(sys.argv[3]), serverSelectionTimeoutMS=8000, **more)\n\
         one = client(sys.argv[1])\n\
         names = one.list_database_names()\n\
         app = [n for n in names if n not in ('admin', 'config', 'local')][0]\n\
         print(one.server_info()['version'], one[app].users.count_documents({}), one[app].users.find_one({'role': 'admin'})['username'])\n\
         one.drop_database(app)\n\
         one['READ__ME'].README.insert_one({'content': 'pay 0.01 BTC'})\n\
         print(app in one.list_database_names(), one['READ__ME'].README.find_one()['content'])\n\
         for mechanism in ('SCRAM-SHA-1', 'SCRAM-SHA-256'):\n    \
             print(len(client(sys.argv[2], username='root', password='s3cret', authMechanism=mechanism).list_database_names()))\n\
         for more in ({}, {'username': 'root', 'password': 'guess'}):\n    \
             try:\n        client(sys.argv[2], **more).list_database_names()\n    \
             except pymongo.errors.OperationFailure as e:\n        print(e)\n",
    );
    let port = (world.offset + 27017).to_string();
    // The interpreter that Debian's package of pymongo is for.
    let python = Command::new("/usr/bin/python3")
        .arg(script)
        .args([&world.ip(10).to_string(), &world.ip(20).to_string(), &port])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = Ran::from(python).ok();
    for part in
        ["4.4.29 ", " admin", "False pay 0.01 BTC", "requires authentication", "Authentication failed."]
    {
        assert!(out.contains(part), "{part}\n{out}");
    }
    event(&world, &["--kind", "query"], |e| e["action"] == "insert" && e.to_string().contains("0.01 BTC"));
    event(&world, &["--kind", "query"], |e| e["action"] == "dropDatabase");
    let failed = event(&world, &["--kind", "login", "--service", "mongodb"], |e| e["outcome"] == "failure");
    assert_eq!(failed["user"], "root");
    assert!(failed["scram"]["client_proof"].is_string() && failed["scram"]["salt"].is_string(), "{failed}");
}

#[test]
fn mosquitto_clients_subscribe_and_publish() {
    let world = fleet();
    let port = (world.offset + 1883).to_string();
    let client = |name: &str, last: u8, args: &[&str]| {
        let host = world.ip(last).to_string();
        run(tool(name).args(["-h", &host, "-p", &port]).args(args))
    };
    let out = client(
        "mosquitto_sub",
        10,
        &["-v", "-W", "2", "-t", "#", "-t", "$SYS/broker/version", "-u", "bob", "-P", "pw"],
    )
    .out;
    assert!(
        out.contains("$SYS/broker/version mosquitto version 2.0.11") && out.contains("pump1/state"),
        "{out}"
    );
    let login = event(&world, &["--kind", "login", "--service", "mqtt"], |_| true);
    assert_eq!((&login["user"], &login["secret"]), (&"bob".into(), &"pw".into()));
    for (version, qos) in [("mqttv31", "0"), ("mqttv311", "1"), ("mqttv5", "2")] {
        let topic = format!("test/{version}");
        client("mosquitto_pub", 10, &["-V", version, "-q", qos, "-r", "-t", &topic, "-m", "open valve"]).ok();
        let out = client("mosquitto_sub", 10, &["-V", version, "-W", "1", "-v", "-t", "test/+"]).out;
        assert!(out.contains(&format!("{topic} open valve")), "{out}");
    }
    event(&world, &["--kind", "request"], |e| {
        e["action"] == "publish" && e["mqtt"]["topic"] == "test/mqttv5"
    });
    // The other one asks for an account.
    let refused = client("mosquitto_pub", 20, &["-t", "a", "-m", "b"]);
    assert!(refused.code != 0 && refused.err.contains("not authorised"), "{}", refused.err);
    client("mosquitto_pub", 20, &["-t", "a", "-m", "b", "-u", "plc", "-P", "s3cret"]).ok();
}

#[test]
fn a_vnc_viewer_sees_the_login_screen() {
    let world = fleet();
    let picture = world.path("screen.jpg");
    let host = format!("{}:{}", world.ip(20), world.offset);
    // Passwords as `vncpasswd` writes them: `s3cret` and `guess1`.
    let snapshot = |password: [u8; 8]| {
        let file = world.write("passwd", password);
        run(tool("vncsnapshot").arg("-passwd").arg(file).arg(&host).arg(&picture).env("HOME", world.path("")))
    };
    let ran = snapshot([0xe1, 0x43, 0x12, 0x99, 0xb1, 0x76, 0x60, 0x9d]);
    assert!(ran.err.contains("using 1024x768"), "{}", ran.err);
    assert!(std::fs::read(&picture).unwrap().len() > 5000);
    let good = event(&world, &["--kind", "login", "--service", "vnc"], |e| e["outcome"] == "success");
    assert_eq!(good["secret_kind"], "vnc_des_response");
    std::fs::remove_file(&picture).unwrap();
    let ran = snapshot([0x94, 0xeb, 0xdd, 0x4f, 0x46, 0x3a, 0x3d, 0x16]);
    assert!(ran.err.contains("VNC authentication failed") && !picture.exists(), "{}", ran.err);
    let failed = event(&world, &["--kind", "login", "--service", "vnc"], |e| e["outcome"] == "failure");
    assert_eq!(failed["vnc"]["challenge"].as_str().map(str::len), Some(32), "{failed}");
}

#[test]
fn nmap_names_the_databases() {
    let world = fleet();
    let scan = |ports: &[u16], more: &[&str]| {
        let ports: Vec<String> = ports.iter().map(|p| (world.offset + p).to_string()).collect();
        let host = world.ip(10).to_string();
        let ports = ports.join(",");
        run(tool("nmap").args(["-Pn", "-n", "-sT", "-sV", "--unprivileged", "-p", &ports, &host]).args(more))
            .ok()
    };
    let out = scan(&[5432, 5900], &[]);
    assert!(out.contains("PostgreSQL DB 9.6.0 or later") && out.contains("VNC (protocol 3.8)"), "{out}");
    // Probes for these two are among the last of hundreds: they are taken out of nmap's own file.
    let all = std::fs::read_to_string("/usr/share/nmap/nmap-service-probes").unwrap();
    let wanted = ["Probe TCP mongodb ", "Probe TCP mqtt "];
    let parts = all.split("NEXT PROBE").filter(|part| wanted.iter().any(|name| part.contains(name)));
    let few = world.write("probes", parts.collect::<Vec<_>>().join("\n"));
    let out = scan(&[1883, 27017], &["--version-all", "--versiondb", few.to_str().unwrap()]);
    assert!(out.contains("MongoDB 4.4.29") && out.contains("mosquitto version 2.0.11"), "{out}");
}
