//! HTTP/2 as a client sees it.

use proptest::prelude::*;

use super::frame::{END_HEADERS, END_STREAM};
use super::hpack::Decoder;
use super::*;
use crate::decoy::testing::{Client, connect, persona};
use crate::event::{Event, Kind};
use crate::model::Settings;

const GET: &[u8] = b"\x82\x84\x87\x41\x01a";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, kind, flags, stream, payload);
    out
}

fn opening() -> Vec<u8> {
    [PREFACE, &frame(frame::SETTINGS, 0, 0, &[])].concat()
}

/// Sends it all to a clear-text server of this name, and gives back its frames and the events.
async fn ask(server: &str, bytes: &[u8]) -> (Vec<(Head, Vec<u8>)>, Vec<Event>) {
    let settings: Settings =
        [("server_header", server.into()), ("http_versions", serde_json::json!(["http/1.1", "http/2"]))]
            .map(|(k, v): (&str, serde_json::Value)| (k.to_owned(), v))
            .into_iter()
            .collect();
    let mut client: Client = connect(crate::decoy::http::build, &persona(&["http"]), &settings);
    client.send(bytes).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let got = client.until(b"\0never\0").await;
    let (mut frames, mut rest) = (Vec::new(), got.as_slice());
    while let Some(head) = Head::parse(rest) {
        let end = HEAD + head.length;
        frames.push((head, rest[HEAD..end].to_vec()));
        rest = &rest[end..];
    }
    (frames, client.kept.events())
}

const NGINX: &str = "nginx/1.22.1";
const APACHE: &str = "Apache/2.4.71 (Debian)";

#[tokio::test]
async fn pages_come_as_nginx_sends_them() {
    let all = END_HEADERS | END_STREAM;
    let asks = [opening(), frame(frame::HEADERS, all, 1, GET), frame(frame::HEADERS, all, 3, GET)].concat();
    let (frames, events) = ask(NGINX, &asks).await;
    let kinds: Vec<(u8, u32)> = frames.iter().map(|(h, _)| (h.kind, h.stream)).collect();
    assert_eq!(kinds, [(4, 0), (8, 0), (4, 0), (1, 1), (0, 1), (1, 3), (0, 3)]);
    assert_eq!(hex::encode(&frames[0].1), "000300000080000400010000000500ffffff");
    let fields = Decoder::default().decode(&frames[3].1).unwrap();
    let names: Vec<String> = fields.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned()).collect();
    let want = [
        ":status",
        "server",
        "date",
        "content-type",
        "content-length",
        "last-modified",
        "etag",
        "accept-ranges",
    ];
    assert_eq!(names, want);
    assert_eq!(frames[4].1.len(), 615);
    let seen = events.iter().find(|e| e.action == "http2").unwrap();
    assert_eq!(seen.fields["http2.fingerprint"], "|0|0|m,p,s,a");
    let request = events.iter().find(|e| e.kind == Kind::Request).unwrap();
    assert_eq!(
        (&request.fields["http.version"], &request.fields["url.domain"]),
        (&"2.0".into(), &"a".into())
    );
}

#[tokio::test]
async fn bodies_are_recorded_and_windows_kept() {
    let narrow = frame(frame::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 10]);
    let post = b"\x83\x04\x02/x\x87\x41\x01a";
    let asks = [
        PREFACE,
        &narrow,
        &frame(frame::HEADERS, END_HEADERS, 1, post),
        &frame(frame::DATA, 0, 1, b"user=a&"),
        &frame(frame::DATA, END_STREAM, 1, b"password=b"),
        &frame(frame::WINDOW, 0, 1, &[0, 0, 0, 5]),
    ]
    .concat();
    let (frames, events) = ask(NGINX, &asks).await;
    let sent: Vec<usize> = frames.iter().filter(|(h, _)| h.kind == 0).map(|(_, p)| p.len()).collect();
    assert_eq!(sent, [10, 5]);
    let request = events.iter().find(|e| e.kind == Kind::Request).unwrap();
    assert_eq!(request.fields["http.request.body.bytes"], 17);
    let login = events.iter().find(|e| e.kind == Kind::Login).unwrap();
    assert_eq!(login.secret.as_ref().unwrap().0, b"b");
}

/// The code and text of the farewell, if there was one.
fn farewell(frames: &[(Head, Vec<u8>)]) -> Option<(u8, String)> {
    let (_, payload) = frames.iter().find(|(h, _)| h.kind == frame::GOAWAY)?;
    Some((payload[7], String::from_utf8_lossy(&payload[8..]).into_owned()))
}

#[tokio::test]
async fn wrong_frames_end_as_measured() {
    let all = END_HEADERS | END_STREAM;
    for (bytes, nginx, apache) in [
        (frame(frame::HEADERS, all, 2, GET), 1, "request HEADERS: invalid stream_id"),
        (frame(frame::DATA, 1, 0, b"x"), 1, "DATA: stream_id == 0"),
        (frame(frame::HEADERS, all, 1, &[0xff; 6]), 9, ""),
    ] {
        let asks = [opening(), bytes].concat();
        assert_eq!(farewell(&ask(NGINX, &asks).await.0), Some((nginx, String::new())));
        assert_eq!(farewell(&ask(APACHE, &asks).await.0), Some((nginx, apache.to_owned())));
    }
    let unsettled = [PREFACE, &frame(frame::HEADERS, all, 1, GET)].concat();
    assert_eq!(farewell(&ask(NGINX, &unsettled).await.0), None);
    assert_eq!(farewell(&ask(APACHE, &unsettled).await.0), Some((1, "SETTINGS expected".to_owned())));
    let idle = [opening(), frame(frame::RESET, 0, 5, &[0; 4])].concat();
    assert_eq!(farewell(&ask(NGINX, &idle).await.0), None);
    assert_eq!(farewell(&ask(APACHE, &idle).await.0), Some((1, "RST_STREAM: stream in idle".to_owned())));
    let upper = [opening(), frame(frame::HEADERS, all, 1, &[GET, b"\x00\x01A\x01b"].concat())].concat();
    let (frames, _) = ask(NGINX, &upper).await;
    assert!(frames.iter().any(|(h, p)| h.kind == frame::RESET && p == &[0, 0, 0, 1]));
}

#[tokio::test]
async fn floods_are_told_to_calm_down() {
    let all = END_HEADERS | END_STREAM;
    let mut resets = opening();
    for n in 0..1000u32 {
        resets.extend(frame(frame::HEADERS, END_HEADERS, n * 2 + 1, GET));
        resets.extend((0..20).flat_map(|_| frame(frame::RESET, 0, n * 2 + 1, &[0, 0, 0, 8])));
    }
    let mut continued = [opening(), frame(frame::HEADERS, END_STREAM, 1, GET)].concat();
    continued.extend((0..1000).flat_map(|_| frame(frame::CONTINUATION, 0, 1, b"")));
    let mut pings = opening();
    pings.extend((0..1000).flat_map(|_| frame(frame::PING, 0, 0, &[0; 8])));
    let mut settings = opening();
    settings.extend((0..1000).flat_map(|_| frame(frame::SETTINGS, 0, 0, &[])));
    let mut empty = [opening(), frame(frame::HEADERS, END_HEADERS, 1, b"\x83\x84\x87\x41\x01a")].concat();
    empty.extend((0..1000).flat_map(|_| frame(frame::DATA, 0, 1, b"")));
    for flood in [resets, continued, pings, settings, empty] {
        let mut bytes = flood;
        bytes.truncate(60_000);
        let (frames, _) = ask(NGINX, &bytes).await;
        assert_eq!(farewell(&frames).map(|f| f.0), Some(Code::Calm as u8));
    }
    // A busy but honest client is not disturbed.
    let mut honest = opening();
    honest.extend((0..200u32).flat_map(|n| frame(frame::HEADERS, all, n * 2 + 1, GET)));
    assert_eq!(farewell(&ask(NGINX, &honest).await.0), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever comes, in frames or not, is survived.
    #[test]
    fn any_bytes_are_survived(
        raw in prop::collection::vec(any::<u8>(), 0..300),
        frames in prop::collection::vec((0u8..11, any::<u8>(), 0u32..6, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
        which in 0usize..4,
    ) {
        let server = [NGINX, APACHE, "Jetty(10)", "Microsoft-IIS/10.0"][which];
        let mut bytes = opening();
        for (kind, flags, stream, payload) in frames {
            bytes.extend(frame(kind, flags, stream, &payload));
        }
        bytes.extend(raw);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(server, &bytes));
    }
}
