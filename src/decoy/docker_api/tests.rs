//! The API as a client sees it.

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{persona, serve_on};
use crate::event::{Event, Kind};

async fn send(decoy: Arc<dyn Decoy>, bytes: &[u8]) -> (String, Vec<Event>) {
    let mut client = serve_on(decoy, 2375);
    client.send(bytes).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let got = client.until(b"\0never\0").await;
    (String::from_utf8_lossy(&got).into_owned(), client.kept.events())
}

fn engine() -> Arc<dyn Decoy> {
    build(&persona(&["docker_api"]), &Settings::new())
}

/// The answer without its date.
fn dateless(answer: &str) -> String {
    answer.lines().filter(|l| !l.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

const OWN: &str = "Docker-Experimental: false\nOstype: linux\nServer: Docker/20.10.24+dfsg1 (linux)";

#[tokio::test]
async fn answers_are_those_of_the_genuine_engine() {
    for (request, want) in [
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 404 Not Found\nContent-Type: application/json\nContent-Length: 29\n\n{\"message\":\"page not found\"}".to_owned()),
        ("OPTIONS / HTTP/1.0\r\n\r\n".to_owned(), format!("HTTP/1.0 200 OK\nApi-Version: 1.41\n{OWN}\nContent-Length: 0\n")),
        ("GET /version HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request: missing required Host header\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n400 Bad Request: missing required Host header".to_owned()),
        ("HEAD /_ping HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 200 OK\nApi-Version: 1.41\nCache-Control: no-cache, no-store, must-revalidate\nContent-Length: 0\nContent-Type: text/plain; charset=utf-8\nDocker-Experimental: false\nOstype: linux\nPragma: no-cache\nServer: Docker/20.10.24+dfsg1 (linux)\n".to_owned()),
        ("GET /_ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200 OK\nApi-Version: 1.41\nCache-Control: no-cache, no-store, must-revalidate\nDocker-Experimental: false\nOstype: linux\nPragma: no-cache\nServer: Docker/20.10.24+dfsg1 (linux)\nContent-Length: 2\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\nOK".to_owned()),
        ("GET /v1.99/info HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request\nApi-Version: 1.41\nContent-Type: application/json\nOstype: linux\nServer: Docker/20.10.24+dfsg1 (linux)\nContent-Length: 84\n\n{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.41\"}".to_owned()),
        ("GET /v1.11/info HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request\nApi-Version: 1.41\nContent-Type: text/plain; charset=utf-8\nOstype: linux\nServer: Docker/20.10.24+dfsg1 (linux)\nX-Content-Type-Options: nosniff\nContent-Length: 117\n\nclient version 1.11 is too old. Minimum supported API version is 1.12, please upgrade your client to a newer version".to_owned()),
        ("GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 301 Moved Permanently\nLocation: /etc/passwd\nContent-Length: 0\n".to_owned()),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), "HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n505 HTTP Version Not Supported: unsupported protocol version".to_owned()),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n".to_owned(), "HTTP/1.1 501 Not Implemented\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\nUnsupported transfer encoding".to_owned()),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request: invalid header name\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n400 Bad Request: invalid header name".to_owned()),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request: malformed Host header\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n400 Bad Request: malformed Host header".to_owned()),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n400 Bad Request".to_owned()),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 200 OK\nContent-Length: 0\n".to_owned()),
        ("PRI * HTTP/2.0\r\n\r\n".to_owned(), "HTTP/1.1 301 Moved Permanently\nLocation: /%2A\nContent-Length: 0\nConnection: close\n".to_owned()),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n".to_owned(), "HTTP/1.1 417 Expectation Failed\nConnection: close\nContent-Length: 0\n".to_owned()),
        (post("/containers/create", "xx"), format!("HTTP/1.1 500 Internal Server Error\nApi-Version: 1.41\nContent-Type: application/json\n{OWN}\nContent-Length: 67\n\n{{\"message\":\"invalid character 'x' looking for beginning of value\"}}")),
        (post("/containers/create", "{}"), format!("HTTP/1.1 400 Bad Request\nApi-Version: 1.41\nContent-Type: application/json\n{OWN}\nContent-Length: 68\n\n{{\"message\":\"Config cannot be empty in order to create a container\"}}")),
    ] {
        let (got, _) = send(engine(), request.as_bytes()).await;
        assert_eq!(dateless(&got), want, "{request}");
    }
}

#[tokio::test]
async fn a_miner_is_pulled_made_and_recorded_in_full() {
    let engine = engine();
    let config = r#"{"Image":"miner/xmrig:latest","Cmd":["sh","-c","xmrig -o pool:3333"],"HostConfig":{"Binds":["/:/mnt"],"Privileged":true}}"#;
    let (got, _) = send(engine.clone(), post("/v1.41/containers/create?name=mm", config).as_bytes()).await;
    assert!(got.contains("{\"message\":\"No such image: miner/xmrig:latest\"}"), "{got}");
    let pull = "POST /v1.41/images/create?fromImage=miner%2Fxmrig&tag=latest HTTP/1.1\r\nHost: a\r\nX-Registry-Auth: eyJ1c2VybmFtZSI6ImEiLCJwYXNzd29yZCI6ImIifQ==\r\nContent-Length: 0\r\n\r\n";
    let (got, events) = send(engine.clone(), pull.as_bytes()).await;
    assert!(
        got.contains("Pulling from miner/xmrig")
            && got.contains("Status: Downloaded newer image for miner/xmrig:latest"),
        "{got}"
    );
    let pulled = events.iter().find(|e| e.action == "image_pull").unwrap();
    assert_eq!(pulled.fields["container.image.name"], "miner/xmrig:latest");
    let login = events.iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(
        (login.user.as_ref().unwrap().0.as_slice(), login.secret.as_ref().unwrap().0.as_slice()),
        (&b"a"[..], &b"b"[..])
    );
    let (got, events) =
        send(engine.clone(), post("/v1.41/containers/create?name=mm", config).as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 201 Created"), "{got}");
    let made = events.iter().find(|e| e.action == "container_create").unwrap();
    assert_eq!(made.fields["docker.binds"], "[\"/:/mnt\"]");
    assert_eq!(made.fields["docker.cmd"], "[\"sh\",\"-c\",\"xmrig -o pool:3333\"]");
    assert_eq!(made.fields["docker.privileged"], true);
    let (got, _) = send(engine.clone(), post("/containers/mm/start", "").as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 204 No Content"), "{got}");
    let (got, _) = send(engine, b"GET /containers/json HTTP/1.0\r\n\r\n").await;
    assert!(got.contains("\"Names\":[\"/mm\"]") && got.contains("Up Less than a second"), "{got}");
}

#[tokio::test]
async fn commands_in_containers_are_played() {
    let engine = engine();
    let (list, _) = send(engine.clone(), b"GET /containers/json HTTP/1.0\r\n\r\n").await;
    let id = list.split("\"Id\":\"").nth(1).unwrap()[..64].to_owned();
    let (got, events) = send(
        engine.clone(),
        post(&format!("/containers/{id}/exec"), r#"{"Cmd":["id"],"AttachStdout":true}"#).as_bytes(),
    )
    .await;
    assert_eq!(events[0].fields["process.command_line"], "id");
    let exec = got.split("\"Id\":\"").nth(1).unwrap()[..64].to_owned();
    let (got, _) = send(
        engine.clone(),
        post(&format!("/exec/{exec}/start"), r#"{"Detach":false,"Tty":false}"#).as_bytes(),
    )
    .await;
    assert!(got.contains("uid=0(root)"), "{got}");
    let (got, _) = send(
        engine.clone(),
        post(&format!("/containers/{id}/exec"), r#"{"Cmd":["sh"],"AttachStdin":true,"Tty":true}"#).as_bytes(),
    )
    .await;
    let exec = got.split("\"Id\":\"").nth(1).unwrap()[..64].to_owned();
    let typed = format!(
        "POST /exec/{exec}/start HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}echo $((6*7))\rexit\r"
    );
    let (got, events) = send(engine, typed.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"), "{got}");
    assert!(got.contains("\r\n42\r\n"), "{got}");
    let commands: Vec<String> =
        events.iter().filter_map(|e| Some(e.fields.get("process.command_line")?.to_string())).collect();
    assert!(commands.iter().any(|c| c.contains("ZWNobyAkKCg2KjcpKQ")), "{commands:?}");
}

#[tokio::test]
async fn the_way_out_leads_to_the_host() {
    let engine = engine();
    send(engine.clone(), post("/images/create?fromImage=alpine&tag=3", "").as_bytes()).await;
    let config =
        r#"{"Image":"alpine:3","Cmd":["chroot","/mnt","hostname"],"HostConfig":{"Binds":["/:/mnt"]}}"#;
    send(engine.clone(), post("/containers/create?name=out", config).as_bytes()).await;
    send(engine.clone(), post("/containers/out/start", "").as_bytes()).await;
    let (got, _) = send(engine, b"GET /containers/out/logs HTTP/1.0\r\n\r\n").await;
    assert!(got.ends_with("files02\n"), "{got}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_body_and_path_is_survived(path in "/(v1.41/)?(containers|images|exec|networks)/[a-z%/?=]{0,20}", body in "\\PC{0,80}", which in 0usize..3) {
        let method = ["GET", "POST", "DELETE"][which];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let (got, _) = runtime.block_on(send(engine(), request.as_bytes()));
        prop_assert!(got.starts_with("HTTP/1.1 "));
    }
}
