//! The web server of the controller: a portal page, and as little else as the genuine one has.

use std::io;

use super::Ics;
use super::plant::now;
use crate::decoy::Session;
use crate::event::{Kind, SecretKind};

/// Longest head of a request.
const HEAD_MAX: usize = 4096;
/// Most header lines that are looked at.
const LINES_MAX: usize = 64;

pub(super) async fn serve(ics: &Ics, session: &mut Session) -> io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0u8; 1024];
    while !ended(&head) {
        if head.len() >= HEAD_MAX {
            session.record.error("limit", "head of the request longer than the controller takes");
            return session.write(&page("400 Bad Request", "")).await;
        }
        let got = session.read(&mut chunk).await?;
        if got == 0 {
            return Ok(());
        }
        head.extend_from_slice(chunk.get(..got).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.lines().take(LINES_MAX);
    let mut words = lines.next().unwrap_or_default().split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let plain = !method.is_empty() && method.len() <= 16 && method.bytes().all(|b| b.is_ascii_uppercase());
    let answer = match (method, target.split('?').next().unwrap_or_default()) {
        ("GET" | "HEAD", "/") => moved(),
        ("GET" | "HEAD", "/Portal0000.htm") => page("200 OK", &portal(ics)),
        ("GET" | "HEAD", _) if target.starts_with('/') => page("404 Not Found", ""),
        _ => page("501 Not Implemented", ""),
    };
    let mut draft = session
        .record
        .event(Kind::Request, if plain { method } else { "malformed" })
        .text("http.request.method", method)
        .text("url.original", target);
    let header = |name: &str| {
        lines.clone().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if let Some(agent) = header("user-agent") {
        draft = draft.text("user_agent.original", &agent);
    }
    draft.emit();
    if let Some((user, password)) = header("authorization").as_deref().and_then(basic) {
        session.record.login("basic", &user, Some((&password, SecretKind::Plaintext)), false);
    }
    let body = if method == "HEAD" { answer.windows(4).position(|w| w == b"\r\n\r\n") } else { None };
    let answer = match body.and_then(|at| answer.get(..at.saturating_add(4))) {
        Some(head) => head,
        None => &answer,
    };
    session.write(answer).await
}

fn ended(head: &[u8]) -> bool {
    head.windows(4).any(|w| w == b"\r\n\r\n") || head.windows(2).any(|w| w == b"\n\n")
}

fn basic(header: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    use base64::Engine as _;
    let (scheme, text) = header.split_once(' ')?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    let at = bytes.iter().position(|b| *b == b':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = bytes.split_at(at);
    Some((user.to_vec(), password.get(1..).unwrap_or_default().to_vec()))
}

fn moved() -> Vec<u8> {
    let body = "<HTML><HEAD><TITLE>Error</TITLE></HEAD>\r\n<BODY><CENTER><H2>/<BR><BR>302 : MOVED \
                TEMPORARILY</H2></CENTER></BODY></HTML>";
    format!("HTTP/1.0 302\r\nLocation: /Portal0000.htm\r\nContent-Type: text/html\r\n\r\n{body}").into_bytes()
}

fn page(status: &str, body: &str) -> Vec<u8> {
    let (code, words) = status.split_once(' ').unwrap_or((status, ""));
    let error = format!(
        "<HTML><HEAD><TITLE>Error</TITLE></HEAD>\r\n<BODY><CENTER><H2>{code} : {}</H2></CENTER></BODY></HTML>",
        words.to_uppercase()
    );
    let body = if body.is_empty() { &error } else { body };
    let length = body.len();
    format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n\r\n{body}"
    )
    .into_bytes()
}

fn portal(ics: &Ics) -> String {
    let plc = &ics.plc;
    let time = jiff::Timestamp::from_millisecond((now() * 1000.0) as i64).unwrap_or_default();
    let mode = if ics.runs() { "RUN" } else { "STOP" };
    let rows = [
        ("Station name", plc.station.as_str()),
        ("Module name", plc.module),
        ("Plant designation", &plc.plant),
        ("Order number", plc.order),
        ("Serial number", &plc.serial),
        ("Firmware", &plc.version()),
        ("IP address", &ics.address),
        ("Operating state", mode),
        ("Time", &time.strftime("%d.%m.%Y %H:%M:%S").to_string()),
    ];
    let rows: String =
        rows.iter().map(|(name, value)| format!("<TR><TD>{name}:</TD><TD>{value}</TD></TR>\r\n")).collect();
    format!(
        "<HTML><HEAD><TITLE>{} / {}</TITLE></HEAD>\r\n<BODY><H1>SIMATIC S7-300</H1>\r\n<H2>Start page</H2>\r\n<TABLE \
         BORDER=0>\r\n{rows}</TABLE>\r\n</BODY></HTML>\r\n",
        plc.station, plc.module
    )
}
