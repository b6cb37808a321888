//! The REST API as a client sees it.

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{persona, serve};
use crate::event::{Event, Kind};

async fn send(decoy: Arc<dyn Decoy>, bytes: &[u8]) -> (String, Vec<Event>) {
    let mut client = serve(decoy);
    client.send(bytes).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let got = client.until(b"\0never\0").await;
    (String::from_utf8_lossy(&got).into_owned(), client.kept.events())
}

fn node(version: &str) -> Arc<dyn Decoy> {
    let settings = [("version".to_owned(), version.into())].into_iter().collect();
    build(&persona(&["elasticsearch"]), &settings)
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn the_root_is_the_product() {
    let (got, _) = send(node("7.17.29"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\nWarning: 299 Elasticsearch-7.17.29-580aff1a0064ce4c93293aaab6fcc55e22c10d1c \"Elasticsearch built-in"), "{got}");
    assert!(got.contains("\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: "), "{got}");
    assert!(
        got.contains("{\n  \"name\" : \"files02\",\n  \"cluster_name\" : \"")
            && got.ends_with("\"tagline\" : \"You Know, for Search\"\n}\n"),
        "{got}"
    );
    let (got, _) = send(node("8.19.14"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        got.contains("X-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n")
            && got.contains("9.12.2"),
        "{got}"
    );
    let (old, _) = send(node("7.17.29"), b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        old.starts_with(
            "HTTP/1.0 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: "
        ),
        "{old}"
    );
}

#[tokio::test]
async fn errors_are_the_products() {
    for (method, path, status, body) in [
        (
            "GET",
            "/nope",
            404,
            r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [nope]","resource.type":"index_or_alias","resource.id":"nope","index_uuid":"_na_","index":"nope"}],"type":"index_not_found_exception","reason":"no such index [nope]","resource.type":"index_or_alias","resource.id":"nope","index_uuid":"_na_","index":"nope"},"status":404}"#,
        ),
        ("GET", "/_nope/x/y", 400, r#"{"error":"no handler found for uri [/_nope/x/y] and method [GET]"}"#),
        (
            "POST",
            "/",
            405,
            r#"{"error":"Incorrect HTTP method for uri [/] and method [POST], allowed: [GET, HEAD]","status":405}"#,
        ),
        (
            "PUT",
            "/UPPER",
            400,
            r#"{"error":{"root_cause":[{"type":"invalid_index_name_exception","reason":"Invalid index name [UPPER], must be lowercase","index_uuid":"_na_","index":"UPPER"}],"type":"invalid_index_name_exception","reason":"Invalid index name [UPPER], must be lowercase","index_uuid":"_na_","index":"UPPER"},"status":400}"#,
        ),
    ] {
        let (got, _) = send(node("7.17.29"), &request(method, path, "")).await;
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status} ")) && got.ends_with(body),
            "{method} {path}: {got}"
        );
    }
    for junk in [&b"foo\r\n\r\n"[..], b"GET /\r\n\r\n"] {
        let (got, _) = send(node("7.17.29"), junk).await;
        assert!(
            got.starts_with("HTTP/1.0 400 Bad Request\r\n")
                && got.contains("text is empty (possibly HTTP/0.9)"),
            "{got}"
        );
    }
}

#[tokio::test]
async fn an_extortionist_is_believed_and_recorded() {
    let node = node("7.17.29");
    let (got, _) = send(node.clone(), &request("GET", "/_cat/indices?v", "")).await;
    assert!(got.contains("health status index") && got.contains("customers"), "{got}");
    let (got, _) = send(node.clone(), &request("GET", "/customers/_search?size=2", "")).await;
    assert!(got.contains("\"relation\":\"") && got.contains("\"email\":\""), "{got}");
    let (got, events) = send(node.clone(), &request("DELETE", "/_all", "")).await;
    assert!(got.ends_with("{\"acknowledged\":true}"), "{got}");
    let gone = events.iter().find(|e| e.action == "index_delete").unwrap();
    assert!(gone.fields["elasticsearch.deleted"].as_array().unwrap().contains(&"customers".into()));
    let note = r#"{"message":"send 0.01 BTC"}"#;
    let (got, events) = send(node.clone(), &request("POST", "/read_me/_doc/1?pretty", note)).await;
    assert!(got.starts_with("HTTP/1.1 201 Created") && got.contains("\"result\" : \"created\""), "{got}");
    let told = events.iter().find(|e| e.action == "index_document").unwrap();
    assert_eq!((told.kind, &told.fields["elasticsearch.index"]), (Kind::Command, &"read_me".into()));
    let (got, _) = send(node, &request("GET", "/_search", "")).await;
    assert!(got.contains("\"value\":1,") && got.contains("send 0.01 BTC"), "{got}");
}

#[tokio::test]
async fn bulks_scrolls_and_counts() {
    let node = node("8.19.14");
    let bulk = "{\"index\":{\"_index\":\"b\"}}\n{\"a\":1}\n{\"create\":{\"_index\":\"b\",\"_id\":\"2\"}}\n{\"a\":2}\n{\"delete\":{\"_index\":\"b\",\"_id\":\"9\"}}\n";
    let (got, _) = send(node.clone(), &request("POST", "/_bulk", bulk)).await;
    assert!(got.contains("\"errors\":false") && got.contains("\"status\":404"), "{got}");
    let (got, _) = send(node.clone(), &request("GET", "/b/_count", "")).await;
    assert!(got.contains("{\"count\":2,"), "{got}");
    let (got, _) = send(node.clone(), &request("POST", "/customers/_search?scroll=1m&size=3", "")).await;
    let id = got.split("\"_scroll_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (next, _) =
        send(node.clone(), &request("POST", "/_search/scroll", &format!("{{\"scroll_id\":\"{id}\"}}"))).await;
    assert_eq!(next.matches("\"_source\"").count(), 3, "{next}");
    let (got, _) = send(node, &request("DELETE", "/*", "")).await;
    assert!(got.contains("Wildcard expressions or all indices are not allowed"), "{got}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_path_and_body_is_survived(path in "/[a-z_*,/%?=0-9.]{0,30}", body in "\\PC{0,80}", which in 0usize..5) {
        let method = ["GET", "POST", "PUT", "DELETE", "HEAD"][which];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (got, _) = runtime.block_on(send(node("7.17.29"), &request(method, &path, &body)));
        prop_assert!(got.starts_with("HTTP/1.1 "), "{}", got);
    }
}
