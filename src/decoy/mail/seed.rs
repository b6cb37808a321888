//! The `email_seed` setting: a directory of the operator's own mails, read once while the decoy is built.
//!
//! `.eml` is a message as it is; `.json` is an object, or a list of them, with `from`, `to`, `subject`, `date`
//! and `body`. Limits: 64 messages, 256 KiB each, 2 MiB together; what does not fit is left out.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::mime;
use crate::decoy::render::crlf;
use crate::decoy::setting::text;
use crate::model::Settings;

const MAILS: usize = 64;
const EACH: u64 = 256 * 1024;
const TOGETHER: usize = 2 << 20;
const ENTRIES: usize = 1024;

/// A mail of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeded {
    pub(super) bytes: Vec<u8>,
    /// From its `Date`.
    pub(super) time: Option<i64>,
}

pub(super) fn load(settings: &Settings) -> Vec<Seeded> {
    let Some(dir) = text(settings, "email_seed") else { return Vec::new() };
    let Ok(read) = fs::read_dir(Path::new(dir)) else { return Vec::new() };
    let mut paths: Vec<_> = read.take(ENTRIES).filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    let mut out = Vec::new();
    let mut room = TOGETHER;
    for path in paths {
        let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let Some(bytes) = matches!(kind.as_str(), "eml" | "json").then(|| read_file(&path)).flatten() else {
            continue;
        };
        let mails = if kind == "eml" { vec![crlf(&bytes)] } else { from_json(&bytes) };
        for bytes in mails {
            if bytes.is_empty() || bytes.len() > room || out.len() >= MAILS {
                continue;
            }
            room -= bytes.len();
            let time = mime::field(&bytes, "date").and_then(|d| mime::date(&d));
            out.push(Seeded { bytes, time });
        }
    }
    out
}

fn read_file(path: &Path) -> Option<Vec<u8>> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.len() > EACH {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(EACH).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn from_json(bytes: &[u8]) -> Vec<Vec<u8>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Array(list)) => list.iter().take(MAILS).filter_map(one).collect(),
        Ok(value) => one(&value).into_iter().collect(),
        Err(_) => Vec::new(),
    }
}

fn one(value: &Value) -> Option<Vec<u8>> {
    let object = value.as_object()?;
    let mut mail = String::new();
    for (keys, header) in [
        (&["date"][..], "Date"),
        (&["from", "sender"], "From"),
        (&["to", "recipient"], "To"),
        (&["cc"], "Cc"),
        (&["subject"], "Subject"),
        (&["message_id", "message-id"], "Message-ID"),
    ] {
        let found = keys.iter().find_map(|key| object.get(*key)?.as_str());
        if let Some(text) = found {
            mail.push_str(&format!("{header}: {}\n", text.replace(['\r', '\n'], " ")));
        }
    }
    mail.push_str("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n");
    mail.push_str(["body", "text", "content"].iter().find_map(|key| object.get(*key)?.as_str())?);
    Some(crlf(mail.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_within_limits() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.eml"), "From: x@y\nDate: Mon, 3 Nov 2025 09:12:00 +0000\n\nhi\n")
            .unwrap();
        fs::write(dir.path().join("b.json"), r#"[{"from":"b\n@c","subject":"s","body":"t"},{"x":1}]"#)
            .unwrap();
        fs::write(dir.path().join("c.txt"), "no").unwrap();
        fs::write(dir.path().join("d.eml"), vec![b'x'; EACH as usize + 1]).unwrap();
        fs::write(dir.path().join("e.json"), "{").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("f.eml")).unwrap();
        let settings: Settings =
            [("email_seed".to_owned(), dir.path().to_str().unwrap().into())].into_iter().collect();
        let mails = load(&settings);
        assert_eq!(mails.len(), 2, "{mails:?}");
        assert_eq!(mails[0].time, Some(1_762_161_120));
        assert!(mails[0].bytes.ends_with(b"\r\n\r\nhi\r\n"));
        assert!(mails[1].bytes.starts_with(b"From: b @c\r\nSubject: s\r\n"));
        assert!(load(&Settings::new()).is_empty());
    }
}
