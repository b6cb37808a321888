//! The API as a client sees it.

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{persona, serve_on};
use crate::event::Event;

async fn send(port: u16, bytes: &[u8]) -> (String, Vec<Event>) {
    let mut client = serve_on(build(&persona(&["k8s"]), &Settings::new()), port);
    client.send(bytes).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let got = client.until(b"\0never\0").await;
    (String::from_utf8_lossy(&got).into_owned(), client.kept.events())
}

/// The answer of the closed port to this request, TLS left out.
fn closed(request: &str) -> Response {
    let decoy = Api {
        server: Server::inside(&persona(&["k8s"]), Family::Go),
        profile: Profile::new(&persona(&["k8s"]), &Settings::new()),
        persona: persona(&["k8s"]),
        seed: Seed::new([1; 32]),
        tls: tls(&persona(&["k8s"])),
        cluster: OnceLock::new(),
    };
    let mut lines = request.lines();
    let line =
        super::super::http::head::request_line(lines.next().unwrap().as_bytes(), true, Family::Go).unwrap();
    let mut headers = Vec::new();
    for line in lines {
        super::super::http::head::header_line(line.as_bytes(), true, Family::Go, &mut headers).unwrap();
    }
    decoy.closed(&Request::judge(line, headers, Family::Go).unwrap())
}

fn text(response: &Response) -> String {
    match &response.body {
        super::super::http::response::Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        super::super::http::response::Body::Page => String::new(),
    }
}

#[test]
fn nobody_is_turned_away_in_the_words_of_the_product() {
    for (request, code, body) in [
        (
            "GET / HTTP/1.1\nHost: a",
            403,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \"system:anonymous\" cannot get path \"/\"","reason":"Forbidden","details":{},"code":403}"#,
        ),
        (
            "GET /api/v1/namespaces/default/pods HTTP/1.1\nHost: a",
            403,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"","reason":"Forbidden","details":{"kind":"pods"},"code":403}"#,
        ),
        (
            "GET /api/v1/namespaces/kube-system/secrets/x HTTP/1.1\nHost: a",
            403,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets \"x\" is forbidden: User \"system:anonymous\" cannot get resource \"secrets\" in API group \"\" in the namespace \"kube-system\"","reason":"Forbidden","details":{"name":"x","kind":"secrets"},"code":403}"#,
        ),
        (
            "GET /apis/apps/v1/deployments HTTP/1.1\nHost: a",
            403,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps is forbidden: User \"system:anonymous\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope","reason":"Forbidden","details":{"group":"apps","kind":"deployments"},"code":403}"#,
        ),
        (
            "GET /api/v1/nodes HTTP/1.1\nHost: a\nAuthorization: Bearer x",
            401,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
        ),
    ] {
        let response = closed(request);
        assert_eq!((response.status, text(&response).trim_end()), (code, body), "{request}");
    }
    let version = closed("GET /version HTTP/1.1\nHost: a\nUser-Agent: curl/8");
    assert!(text(&version).starts_with("{\n  \"major\": \"1\",\n  \"minor\": \"3"));
    assert_eq!(text(&closed("GET /livez HTTP/1.1\nHost: a")), "ok");
}

#[test]
fn places() {
    let of = |path: &'static str| place(&path.split('/').filter(|p| !p.is_empty()).collect::<Vec<_>>());
    assert_eq!(of("/api/v1"), None);
    assert_eq!(of("/healthz"), None);
    let pods = of("/api/v1/namespaces/a/pods/b/log").unwrap();
    assert_eq!((pods.namespace, pods.resource, pods.name, pods.sub), ("a", "pods", "b", "log"));
    let namespace = of("/api/v1/namespaces/a").unwrap();
    assert_eq!((namespace.namespace, namespace.resource, namespace.name), ("a", "namespaces", "a"));
}

#[tokio::test]
async fn the_open_port_shows_a_cluster_and_takes_a_miner() {
    let (got, _) = send(8080, b"GET /api/v1/pods HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(got.contains("\"kind\":\"PodList\"") && got.contains("kube-apiserver-files02"), "{got}");
    let (got, _) = send(8080, b"GET /api/v1/namespaces/production/secrets HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(got.contains("db-credentials"), "{got}");
    let (got, _) = send(8080, b"GET /api/v1/namespaces/default/pods/nope HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        got.starts_with("HTTP/1.1 404 Not Found\r\n") && got.contains("pods \\\"nope\\\" not found"),
        "{got}"
    );
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"m"},"spec":{"containers":[{"name":"m","image":"miner/xmrig","command":["xmrig"]}]}}"#;
    let request = format!(
        "POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{pod}",
        pod.len()
    );
    let (got, events) = send(8080, request.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 201 Created\r\n") && got.contains("creationTimestamp"), "{got}");
    let made = events.iter().find(|e| e.action == "create").unwrap();
    assert_eq!(made.fields["container.image.name"], serde_json::json!(["miner/xmrig"]));
}

#[tokio::test]
async fn clear_text_on_the_closed_port_is_answered_as_go_does() {
    let (got, _) = send(6443, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    let (got, events) = send(6443, b"\x16\x03\x01\x00\x05hello").await;
    assert!(!got.contains("HTTP") && events.iter().any(|e| e.action == "tls"), "{got}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_path_and_body_is_survived(path in "/(api/v1|apis/apps/v1)?[a-z/%?=]{0,30}", body in "\\PC{0,80}", which in 0usize..4) {
        let method = ["GET", "POST", "PATCH", "DELETE"][which];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (got, _) = runtime.block_on(send(8080, request.as_bytes()));
        prop_assert!(got.starts_with("HTTP/1.1 "), "{}", got);
    }
}
