//! The web decoys spoken to by curl, docker and kubectl, and what `nmap` calls them.

use crate::common::{Ran, World, event, run, tool};

/// Three deckies: web servers, what people leave open, and an engine whose version nmap can read.
fn fleet() -> World {
    let world = World::new();
    let file = world.fleet(
        "f.ini",
        &format!(
            "[one]\nip = {}\ndistro = debian\nservices = http,https\n[one.http]\nserver_header = nginx/1.22.1\n\
             http_versions = http/1.1,http/2\n[one.https]\nserver_header = Apache/2.4.71 (Debian)\n\
             http_versions = http/1.1,http/2\ntls_cn = portal.example.org\n\
             [two]\nip = {}\ndistro = debian\nservices = http,elasticsearch,k8s,docker_api\n\
             [three]\nip = {}\ndistro = ubuntu22\nservices = docker_api\n",
            world.ip(10),
            world.ip(20),
            world.ip(30)
        ),
    );
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    world
}

fn curl(args: &[&str]) -> Ran {
    run(tool("curl").args(["-sSk", "--max-time", "20"]).args(args))
}

#[test]
fn curl_speaks_tls_and_both_versions() {
    let world = fleet();
    let url = format!("https://{}:{}/", world.ip(10), world.offset + 443);
    let format = "%{http_version} %{http_code} %{size_download}\n";
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let out = curl(&[flag, "-o", "/dev/null", "-w", format, &url, &format!("{url}nope")]).ok();
        // The second answer has no output file and comes as it is.
        assert!(out.starts_with(&format!("{version} 200 10701\n")), "{out}");
        assert!(out.contains("<address>Apache/2.4.71 (Debian) Server at "), "{out}");
    }
    let out = curl(&["-v", "-o", "/dev/null", &url]);
    assert!(out.err.contains("CN=portal.example.org"), "{}", out.err);
    let hello = event(&world, &["--service", "https", "--kind", "connection"], |e| {
        e["action"] == "tls" && e["tls"]["next_protocol"].as_str() == Some("h2")
    });
    let tls = &hello["tls"]["client"];
    assert_eq!(tls["ja3"].as_str().unwrap().len(), 32, "{hello}");
    assert!(tls["ja4"].as_str().unwrap().starts_with("t13i"), "{hello}");
    event(&world, &["--service", "https"], |e| e["action"] == "http2");
    // Forms over HTTP/2 are logins too.
    curl(&["--http2", "-o", "/dev/null", "-d", "username=root&password=toor", &url]).ok();
    let login = event(&world, &["--service", "https", "--kind", "login"], |_| true);
    assert_eq!((&login["user"], &login["secret"]), (&"root".into(), &"toor".into()));
}

#[test]
fn clear_text_knows_its_place() {
    let world = fleet();
    let plain = format!("http://{}:{}/", world.ip(10), world.offset + 443);
    let out = curl(&["-i", &plain]).ok();
    assert!(
        out.starts_with("HTTP/1.1 400 Bad Request") && out.contains("speaking plain HTTP to an SSL-enabled"),
        "{out}"
    );
    let h2c = format!("http://{}:{}/", world.ip(10), world.offset + 80);
    let out =
        curl(&["--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", &h2c])
            .ok();
    assert_eq!(out, "2 200");
    // The twin of a service that has no https beside it.
    let twin = format!("https://{}:{}/", world.ip(20), world.offset + 443);
    let out = curl(&["-o", "/dev/null", "-w", "%{http_version} %{http_code}", &twin]).ok();
    assert_eq!(out, "1.1 200");
}

#[test]
fn a_given_certificate_is_shown_and_a_wrong_pair_refused() {
    let world = World::new();
    let make = |name: &str| {
        let (key, chain) = (world.path(&format!("{name}.key")), world.path(&format!("{name}.pem")));
        run(tool("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "9",
            ])
            .args(["-subj", &format!("/CN={name}.test")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&chain))
        .ok();
        let text = |path| std::fs::read_to_string(path).unwrap().trim_end().replace('\n', "\n  ");
        (text(key), text(chain))
    };
    let ((key, chain), (other, _)) = (make("mine"), make("other"));
    let file = |key: &str| {
        format!(
            "[one]\nip = {}\nservices = https\n[one.https]\ntls_cert = {chain}\ntls_key = {key}\n",
            world.ip(10)
        )
    };
    let wrong = world.fleet("wrong.ini", &file(&other));
    let ran = world.run(&["check", wrong.to_str().unwrap()]);
    assert_ne!(ran.code, 0);
    assert!(
        format!("{}{}", ran.out, ran.err).contains("does not belong to `tls_cert`"),
        "{}{}",
        ran.out,
        ran.err
    );
    let right = world.fleet("right.ini", &file(&key));
    world.run(&["deploy", right.to_str().unwrap()]).ok();
    let url = format!("https://{}:{}/", world.ip(10), world.offset + 443);
    let out = curl(&["-v", "-o", "/dev/null", &url]);
    assert!(out.err.contains("CN=mine.test"), "{}", out.err);
}

#[test]
fn elasticsearch_is_searched_and_robbed() {
    let world = fleet();
    let at = |path: &str| format!("http://{}:{}{path}", world.ip(20), world.offset + 9200);
    let out = curl(&["-i", &at("/")]).ok();
    assert!(
        out.contains("X-elastic-product: Elasticsearch") && out.contains("You Know, for Search"),
        "{out}"
    );
    assert!(curl(&[&at("/_cat/indices?v")]).ok().contains("customers"));
    assert!(curl(&[&at("/customers/_search?size=3&pretty")]).ok().contains("\"email\" : "));
    assert!(curl(&["-X", "DELETE", &at("/customers")]).ok().contains("\"acknowledged\":true"));
    let note = r#"{"note":"pay"}"#;
    curl(&["-H", "Content-Type: application/json", "-d", note, &at("/read_me/_doc")]).ok();
    event(&world, &["--service", "elasticsearch"], |e| {
        e["action"] == "index_delete" && e.to_string().contains("customers")
    });
    event(&world, &["--service", "elasticsearch"], |e| {
        e["action"] == "index_document" && e.to_string().contains("pay")
    });
}

#[test]
fn kubectl_is_turned_away_and_let_in() {
    let world = fleet();
    let kubectl = |port: u16, scheme: &str, args: &[&str]| {
        let server = format!("{scheme}://{}:{}", world.ip(20), world.offset + port);
        run(tool("kubectl")
            .args(["--server", &server, "--insecure-skip-tls-verify", "--request-timeout=20s"])
            .args(args)
            .env("HOME", world.path("home"))
            .env("KUBECONFIG", world.path("none")))
    };
    let ran = kubectl(6443, "https", &["--token=stolen-token", "get", "pods"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("You must be logged in to the server"), "{}", ran.err);
    let login = event(&world, &["--service", "k8s", "--kind", "login"], |_| true);
    assert_eq!(login["secret"], "stolen-token");
    let out = kubectl(8080, "http", &["get", "pods", "-A"]).ok();
    assert!(
        out.contains("kube-system") && out.contains("kube-apiserver-") && out.contains("Running"),
        "{out}"
    );
    let out = kubectl(8080, "http", &["get", "secrets", "-n", "production"]).ok();
    assert!(out.contains("db-credentials"), "{out}");
    let out = kubectl(8080, "http", &["version"]).ok();
    assert!(out.contains("Server Version: ") && out.contains("v1."), "{out}");
    let base = format!("https://{}:{}", world.ip(20), world.offset + 6443);
    let out = curl(&["-i", &format!("{base}/api/v1/namespaces/default/pods")]).ok();
    assert!(out.starts_with("HTTP/2 403") && out.contains("system:anonymous"), "{out}");
}

#[test]
fn docker_pulls_runs_and_looks_around() {
    let world = fleet();
    let docker = |args: &[&str]| {
        let host = format!("tcp://{}:{}", world.ip(20), world.offset + 2375);
        run(tool("docker").args(["-H", &host]).args(args).env("HOME", world.path("home")))
    };
    assert!(docker(&["version"]).ok().contains("20.10.24+dfsg1"));
    assert!(docker(&["info"]).ok().contains("Server Version: 20.10.24+dfsg1"));
    assert!(docker(&["ps"]).ok().contains("Up "));
    assert!(docker(&["images"]).ok().contains("REPOSITORY"));
    let ran =
        docker(&["run", "--rm", "-v", "/:/mnt", "--privileged", "evil/miner:7", "sh", "-c", "id; exit 3"]);
    assert!(ran.out.contains("uid=0(root)"), "{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    let made = event(&world, &["--service", "docker_api"], |e| e["action"] == "container_create");
    assert!(made.to_string().contains("evil/miner:7") && made.to_string().contains("/:/mnt"), "{made}");
    event(&world, &["--service", "docker_api"], |e| e["action"] == "image_pull");
    let name = docker(&["ps", "-q"]).ok();
    let name = name.lines().next().unwrap();
    assert!(docker(&["exec", name, "uname", "-s"]).ok().contains("Linux"));
    docker(&["run", "-d", "--name", "sleeper", "alpine", "sleep", "1000"]).ok();
    assert!(docker(&["ps"]).ok().contains("sleeper"));
    docker(&["rm", "-f", "sleeper"]).ok();
    let tls = format!("https://{}:{}/version", world.ip(20), world.offset + 2376);
    assert!(curl(&[&tls]).ok().contains("\"Version\":\"20.10.24+dfsg1\""));
}

#[test]
fn nmap_names_what_each_port_claims() {
    let world = fleet();
    let scan = |ip: std::net::Ipv4Addr, ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(|p| (world.offset + p).to_string()).collect();
        let ports = ports.join(",");
        run(tool("nmap").args([
            "-Pn",
            "-n",
            "-sT",
            "-sV",
            "--version-all",
            "--unprivileged",
            "-p",
            &ports,
            &ip.to_string(),
        ]))
        .ok()
    };
    let one = scan(world.ip(10), &[80, 443]);
    assert!(one.contains("nginx 1.22.1") && one.contains("Apache httpd 2.4.71"), "{one}");
    let two = scan(world.ip(20), &[9200, 6443]);
    let three = scan(world.ip(30), &[2375, 2376]);
    for (port, product) in [
        (9200, "Elasticsearch REST API"),
        (6443, "Kubernetes"),
        (2375, "Docker 28.2.2"),
        (2376, "Docker 28.2.2"),
    ] {
        let start = format!("{}/tcp", world.offset + port);
        let line = two.lines().chain(three.lines()).find(|l| l.starts_with(&start)).unwrap_or_default();
        assert!(line.contains(product), "{port} {product}\n{two}{three}");
    }
}
