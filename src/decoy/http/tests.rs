//! The service as a client sees it.

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::{Client, connect, persona};
use crate::event::{Event, Kind};

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
}

/// Sends one text, closes, and gives back the whole answer and the events.
async fn ask(pairs: &[(&str, &str)], request: &[u8]) -> (String, Vec<Event>) {
    let mut client: Client = connect(build, &persona(&["http"]), &settings(pairs));
    client.send(request).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let got = client.until(b"\0never\0").await;
    (String::from_utf8_lossy(&got).into_owned(), client.kept.events())
}

/// The head of an answer without its date.
fn head(answer: &str) -> String {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().filter(|l| !l.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
}

const NGINX: &[(&str, &str)] = &[("server_header", "nginx/1.22.1")];
const APACHE: &[(&str, &str)] = &[("server_header", "Apache/2.4.71 (Debian)")];

#[tokio::test]
async fn nginx_heads() {
    let (got, _) = ask(NGINX, b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        head(&got),
        "HTTP/1.1 404 Not Found\nServer: nginx/1.22.1\nContent-Type: text/html\nContent-Length: 153\nConnection: \
         keep-alive"
    );
    let (got, _) = ask(NGINX, b"HEAD / HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        head(&got),
        "HTTP/1.1 200 OK\nServer: nginx/1.22.1\nContent-Type: text/html\nContent-Length: 615\nLast-Modified: Sun, 15 \
         Jun 2025 17:01:45 GMT\nConnection: close\nETag: \"684efc79-267\"\nAccept-Ranges: bytes"
    );
    assert!(got.ends_with("\r\n\r\n"));
    let (got, _) = ask(NGINX, b"GET /\r\n").await;
    assert!(got.starts_with("<!DOCTYPE html>"), "HTTP/0.9 has no head: {got}");
}

#[tokio::test]
async fn apache_heads() {
    let (got, _) = ask(APACHE, b"GET /nope HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
    assert_eq!(
        head(&got),
        "HTTP/1.1 404 Not Found\nServer: Apache/2.4.71 (Debian)\nContent-Length: 302\nKeep-Alive: timeout=5, \
         max=100\nConnection: Keep-Alive\nContent-Type: text/html; charset=iso-8859-1"
    );
    let (got, _) = ask(APACHE, b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head(&got).contains("Allow: GET,POST,OPTIONS,HEAD\nContent-Length: 0\nContent-Type: text/html"));
    let (got, _) = ask(APACHE, b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 501 Not Implemented\r\n") && got.contains("FOO not supported"));
}

#[tokio::test]
async fn pipelined_requests_are_all_answered() {
    let one = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
    let post =
        b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".as_slice();
    for pairs in [NGINX, APACHE] {
        let (got, events) = ask(pairs, &[one, post, one].concat()).await;
        assert_eq!(got.matches("HTTP/1.1 404").count(), 3, "{got}");
        assert_eq!(events.len(), 3);
        assert_eq!(events[1].fields["http.request.body.bytes"], 2);
    }
}

#[tokio::test]
async fn requests_are_recorded() {
    let request = b"GET /x?y=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nAuthorization: Basic YTpi\r\n\r\n";
    let (_, events) = ask(NGINX, request).await;
    let event = &events[0];
    assert_eq!((event.kind, event.action.as_str()), (Kind::Request, "GET"));
    assert_eq!(event.fields["http.response.status_code"], 404);
    assert_eq!(event.fields["http.version"], "1.1");
    assert_eq!(event.fields["http.request.headers"][0], "Host: h");
    let login = &events[1];
    assert_eq!((login.kind, login.action.as_str()), (Kind::Login, "basic"));
    assert_eq!(login.user.as_ref().unwrap().0, b"a");
    assert_eq!(login.secret.as_ref().unwrap().0, b"b");
    assert_eq!(login.outcome.as_deref(), Some("failure"));
}

#[tokio::test]
async fn junk_is_refused_and_recorded() {
    for (request, status) in [
        (b"\x16\x03\x01\x00\x05hello".as_slice(), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/9.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (&[b'A'; 9000], 414),
        (b"GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ] {
        let (got, events) = ask(NGINX, request).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{got}");
        assert_eq!(events[0].fields["http.response.status_code"], status);
    }
}

#[tokio::test]
async fn what_scanners_try_is_answered_as_by_the_server_and_recorded() {
    for path in [
        "/.env",
        "/.git/config",
        "/wp-login.php",
        "/actuator/env",
        "/cgi-bin/luci",
        "/boaform/admin/formLogin",
        "/solr/admin/info/system",
        "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
        "/../../etc/passwd",
        "/cgi-bin/.%2e/.%2e/.%2e/bin/sh",
    ] {
        let climbs = path.contains("..") || path.contains("%2e");
        let status = if climbs { 400 } else { 404 };
        for pairs in [NGINX, APACHE] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (got, events) = ask(pairs, request.as_bytes()).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {got}");
            assert_eq!(events[0].fields["http.response.status_code"], status, "{path}");
        }
    }
}

#[tokio::test]
async fn operator_decides_the_front_page() {
    let pairs = [("custom_body", "<b>hi</b>"), ("response_code", "418"), ("extra_headers", r#"{"X-A":"b"}"#)];
    let (got, _) = ask(&pairs, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 418 I'm a teapot\r\n"), "{got}");
    assert!(got.contains("\r\nX-A: b\r\n") && got.ends_with("<b>hi</b>"));
    let (got, _) = ask(&[("response_code", "403")], b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 403 Forbidden\r\n"));
}

#[tokio::test]
async fn apps_show_their_login_and_refuse() {
    for (app, path, mark) in [
        ("wordpress", "/wp-login.php", "name=\"log\""),
        ("phpmyadmin", "/phpmyadmin/", "name=\"pma_username\""),
        ("tomcat", "/", "<title>Apache Tomcat/9.0."),
        ("jenkins", "/login", "Sign in [Jenkins]"),
    ] {
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        let (got, _) = ask(&[("fake_app", app)], request.as_bytes()).await;
        assert!(got.starts_with("HTTP/1.1 200") && got.contains(mark), "{app}: {got}");
    }
    for (app, path, form, mark) in [
        ("wordpress", "/wp-login.php", "log=nobody&pwd=x", "is not registered"),
        (
            "phpmyadmin",
            "/index.php",
            "pma_username=root&pma_password=x",
            "Access denied for user 'root'@'localhost'",
        ),
        (
            "jenkins",
            "/j_spring_security_check",
            "j_username=a&j_password=x",
            "Location: http://localhost/loginError",
        ),
    ] {
        let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{form}", form.len());
        let (got, events) = ask(&[("fake_app", app)], request.as_bytes()).await;
        assert!(got.contains(mark), "{app}: {got}");
        assert_eq!(events[1].secret.as_ref().unwrap().0, b"x", "{app}");
    }
    let (got, _) = ask(&[("fake_app", "tomcat")], b"GET /manager/html HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        got.starts_with("HTTP/1.1 401 \r\n") && got.contains("Basic realm=\"Tomcat Manager Application\"")
    );
    assert!(!got.contains("\r\nServer:"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever comes, every family answers or closes; none panics or waits forever.
    #[test]
    fn any_bytes_are_survived(
        start in prop::sample::select(vec!["", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: a\r\n", "GET /"]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
        which in 0usize..6,
    ) {
        let headers = ["nginx/1.22.1", "Apache/2.4.52 (Ubuntu)", "Microsoft-IIS/10.0", "Jetty(9)", "other", "Apache-Coyote/1.1"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(&[("server_header", headers[which])], &[start.as_bytes(), &rest].concat()));
    }

    /// Header names and values of any text parse or are refused.
    #[test]
    fn any_header_is_survived(name in ".{0,20}", value in ".{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        runtime.block_on(ask(APACHE, request.as_bytes()));
    }
}
