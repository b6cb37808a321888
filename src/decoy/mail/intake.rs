//! What becomes of a message that was sent here: a digest, its first bytes, and what stands out in it.
//!
//! It is looked at line by line as it comes and never kept whole. Everything that is kept is bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

use crate::decoy::session::Recorder;
use crate::decoy::upload::Upload;
use crate::event::Kind;

/// Bytes looked at of one line, and of one unfolded header.
const LINE: usize = 2048;
/// Links and attachment names kept.
const LINKS: usize = 32;
const NAMES: usize = 16;
/// Bytes of one of them.
const ITEM: usize = 512;
/// Header fields kept, and the names of their events.
const HEADERS: [(&str, &str); 10] = [
    ("subject", "email.subject"),
    ("from", "email.from.address"),
    ("to", "email.to.address"),
    ("cc", "email.cc.address"),
    ("reply-to", "email.reply_to.address"),
    ("date", "email.date"),
    ("message-id", "email.message_id"),
    ("x-mailer", "email.x_mailer"),
    ("content-type", "email.content_type"),
    ("return-path", "email.return_path"),
];

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Plain,
    Base64,
    Quoted,
}

/// A message on its way in.
pub(super) struct Intake {
    came: Upload,
    line: Vec<u8>,
    /// Whether the lines are header fields: of the message, or of a part of it.
    in_head: bool,
    /// Whether the head of the message itself is over.
    in_body: bool,
    field: Vec<u8>,
    encoding: Encoding,
    textual: bool,
    /// Decoded text whose line goes on.
    carry: Vec<u8>,
    headers: Vec<(&'static str, Vec<u8>)>,
    links: Vec<Vec<u8>>,
    names: Vec<Vec<u8>>,
    base64_bytes: u64,
    signed: bool,
    script: bool,
    blob: bool,
    /// Lines that end without a carriage return.
    bare: u64,
    last: u8,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            came: Upload::new(),
            line: Vec::new(),
            in_head: true,
            in_body: false,
            field: Vec::new(),
            encoding: Encoding::Plain,
            textual: true,
            carry: Vec::new(),
            headers: Vec::new(),
            links: Vec::new(),
            names: Vec::new(),
            base64_bytes: 0,
            signed: false,
            script: false,
            blob: false,
            bare: 0,
            last: b'\n',
        }
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.came.size()
    }

    /// Bytes as a server counts them that ends every line with CRLF.
    pub(super) fn normal_size(&self) -> u64 {
        let end = if self.last == b'\n' { 0 } else { 2 };
        self.size().saturating_add(self.bare).saturating_add(end)
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.came.take(bytes);
        for byte in bytes {
            self.bare = self.bare.saturating_add(u64::from(*byte == b'\n' && self.last != b'\r'));
            self.last = *byte;
        }
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LINE.saturating_sub(self.line.len()).min(piece.len());
            self.line.extend_from_slice(piece.get(..room).unwrap_or_default());
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        if self.in_head {
            self.head_line(text);
        } else if text.starts_with(b"--") && text.len() > 2 {
            self.end_text();
            self.in_head = true;
            (self.encoding, self.textual) = (Encoding::Plain, true);
        } else {
            self.body_line(text);
        }
        self.line = line;
        self.line.clear();
    }

    fn head_line(&mut self, text: &[u8]) {
        if text.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            let room = LINE.saturating_sub(self.field.len()).min(text.len());
            self.field.extend_from_slice(text.get(..room).unwrap_or_default());
            return;
        }
        self.end_field();
        if text.is_empty() {
            (self.in_head, self.in_body) = (false, true);
        } else {
            self.field.extend_from_slice(text);
        }
    }

    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        let Some(colon) = field.iter().position(|b| *b == b':') else { return };
        let (name, value) = field.split_at(colon);
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if !self.in_body
            && let Some((_, key)) = HEADERS.iter().find(|(header, _)| *header == name)
            && !self.headers.iter().any(|(known, _)| known == key)
        {
            self.headers.push((key, value.get(..ITEM.min(value.len())).unwrap_or_default().to_vec()));
        }
        let lower = value.to_ascii_lowercase();
        match name.as_str() {
            "dkim-signature" => self.signed = true,
            "content-transfer-encoding" => {
                self.encoding = match lower.as_slice() {
                    b"base64" => Encoding::Base64,
                    b"quoted-printable" => Encoding::Quoted,
                    _ => Encoding::Plain,
                };
            }
            "content-type" => self.textual = lower.starts_with(b"text/") || lower.starts_with(b"multipart/"),
            _ => {}
        }
        if matches!(name.as_str(), "content-type" | "content-disposition") {
            self.attachment(value, &lower);
        }
    }

    /// A `name=` or `filename=` parameter, encoded or not.
    fn attachment(&mut self, value: &[u8], lower: &[u8]) {
        let Some(at) = find(lower, b"name") else { return };
        let rest = value.get(at + 4..).unwrap_or_default();
        let Some(equals) = rest.iter().take(4).position(|b| *b == b'=') else { return };
        let rest = rest.get(equals + 1..).unwrap_or_default().trim_ascii_start();
        let name = match rest.split_first() {
            Some((b'"', inner)) => inner.split(|b| *b == b'"').next(),
            _ => rest.split(|b| matches!(b, b';' | b' ')).next(),
        };
        let name = name.unwrap_or_default();
        let name = name.get(..ITEM.min(name.len())).unwrap_or_default();
        if !name.is_empty() && self.names.len() < NAMES && !self.names.iter().any(|n| n == name) {
            self.names.push(name.to_vec());
        }
    }

    fn body_line(&mut self, text: &[u8]) {
        match self.encoding {
            Encoding::Plain => self.text(text),
            Encoding::Base64 => {
                self.base64_bytes = self.base64_bytes.saturating_add(text.len() as u64);
                let bare: Vec<u8> = text.iter().copied().filter(|b| *b != b'=').collect();
                if self.textual
                    && let Ok(decoded) = STANDARD_NO_PAD.decode(bare)
                {
                    self.carried(&decoded);
                }
            }
            Encoding::Quoted => {
                let (soft, text) = text.strip_suffix(b"=").map_or((false, text), |rest| (true, rest));
                let mut decoded = unquote(text);
                if !soft {
                    decoded.push(b'\n');
                }
                self.carried(&decoded);
            }
        }
    }

    /// Decoded text: whole lines are looked at, the last waits for its end.
    fn carried(&mut self, decoded: &[u8]) {
        for piece in decoded.split_inclusive(|b| *b == b'\n') {
            let room = LINE.saturating_sub(self.carry.len()).min(piece.len());
            self.carry.extend_from_slice(piece.get(..room).unwrap_or_default());
            if piece.ends_with(b"\n") {
                self.end_text();
            }
        }
    }

    fn end_text(&mut self) {
        let line = std::mem::take(&mut self.carry);
        self.text(&line);
    }

    fn text(&mut self, line: &[u8]) {
        let lower = line.to_ascii_lowercase();
        self.script |= find(&lower, b"<script").is_some();
        self.blob |= [&b"createobjecturl"[..], b"mssaveoropenblob", b"mssaveblob", b"atob("]
            .iter()
            .any(|word| find(&lower, word).is_some());
        let mut from = 0;
        while self.links.len() < LINKS {
            let Some(at) = lower.get(from..).and_then(|rest| find(rest, b"http")) else { return };
            let start = from.saturating_add(at);
            from = start.saturating_add(4);
            let rest = lower.get(from..).unwrap_or_default();
            if !rest.starts_with(b"://") && !rest.starts_with(b"s://") {
                continue;
            }
            let link = line.get(start..).unwrap_or_default();
            let stop = |b: &u8| b.is_ascii_whitespace() || b.is_ascii_control() || b"<>\"'`)]}".contains(b);
            let end = link.iter().take(ITEM).position(stop).unwrap_or(ITEM.min(link.len()));
            from = start.saturating_add(end).max(from);
            let link = link.get(..end).unwrap_or_default();
            if !self.links.iter().any(|l| l == link) {
                self.links.push(link.to_vec());
            }
        }
    }

    /// Records the message as stored under `id`; nothing else becomes of it.
    pub(super) fn store(mut self, record: &Recorder, id: &str, sender: &[u8], recipients: &[Vec<u8>]) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.end_field();
        self.end_text();
        let list = |items: &[Vec<u8>]| {
            Value::from(items.iter().map(|i| String::from_utf8_lossy(i).into_owned()).collect::<Vec<_>>())
        };
        let mut draft = record
            .event(Kind::File, "message_stored")
            .outcome(true)
            .text("email.local_id", id)
            .bytes("smtp.mail_from", sender)
            .field("smtp.rcpt_to", list(recipients));
        for (key, value) in &self.headers {
            draft = draft.bytes(key, value);
        }
        if !self.links.is_empty() {
            draft = draft.field("url.full", list(&self.links));
        }
        if !self.names.is_empty() {
            draft = draft.field("email.attachments.file.name", list(&self.names));
        }
        self.came.emit(
            draft
                .field("email.attachments.count", self.names.len() as u64)
                .field("email.base64_bytes", self.base64_bytes)
                .field("email.dkim_signed", self.signed)
                .field("email.html_smuggling", self.script && self.blob),
        );
    }
}

fn unquote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = text.get(at.saturating_add(1)..at.saturating_add(3)).unwrap_or_default();
        let mut decoded = [0u8];
        if *byte == b'=' && hex::decode_to_slice(pair, &mut decoded).is_ok() {
            out.push(decoded[0]);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

/// Where `needle` first is.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::Kept;
    use crate::event::Event;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn stored(pieces: &[&[u8]]) -> Event {
        let kept = Arc::new(Kept::default());
        let address = ([127, 0, 0, 1], 1).into();
        let record = Recorder::new(kept.clone(), "smtp", address, address, "s");
        let mut intake = Intake::new();
        for piece in pieces {
            intake.push(piece);
        }
        intake.store(&record, "ABC", b"a@b", &[b"c@d".to_vec()]);
        kept.events().remove(0)
    }

    const MAIL: &[u8] = b"From: \"Bob\" <bob@x>\r\nTo: al@y\r\nSubject: hello\r\n  world\r\nX-Mailer: Swish\r\n\
        DKIM-Signature: v=1\r\nContent-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\nContent-Type: text/html\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nPGEgaHJlZj0iaHR0cDovL2V2aWwudGVzdC9wP2E9\r\nMSI+eDwvYT4K\r\n--B\r\n\
        Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsee https://q.test/a=\r\n=3Db now\r\n\
        --B\r\nContent-Type: application/zip; name=inv.zip\r\nContent-Disposition: attachment;\r\n filename=\"in voice.zip\"\r\n\r\nUEsDB\r\n--B--\r\n";

    #[test]
    fn what_stands_out_is_kept() {
        let event = stored(&[MAIL]);
        let text = |key: &str| {
            let raw = event.fields[key]["b64"].as_str().unwrap();
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(raw).unwrap()).unwrap()
        };
        assert_eq!(text("email.subject"), "hello  world");
        assert_eq!((text("email.x_mailer").as_str(), text("smtp.mail_from").as_str()), ("Swish", "a@b"));
        assert_eq!(
            event.fields["url.full"],
            serde_json::json!(["http://evil.test/p?a=1", "https://q.test/a=b"])
        );
        let names = serde_json::json!(["inv.zip", "in voice.zip"]);
        assert_eq!(event.fields["email.attachments.file.name"], names);
        assert_eq!(event.fields["file.size"], MAIL.len());
        assert_eq!(event.fields["file.hash.sha256"], Upload::of(MAIL).sha256());
        assert_eq!(event.fields["email.dkim_signed"], true);
        assert_eq!(event.fields["email.html_smuggling"], false);
    }

    #[test]
    fn scripts_that_make_files_are_told() {
        let event = stored(&[b"\r\n<script>x=URL.createObjectURL(new Blob([atob(d)]))</script>"]);
        assert_eq!(event.fields["email.html_smuggling"], true);
    }

    proptest! {
        #[test]
        fn any_split_is_the_same(at in 0..MAIL.len()) {
            let (one, two) = MAIL.split_at(at);
            prop_assert_eq!(stored(&[one, two]).fields, stored(&[MAIL]).fields);
        }

        #[test]
        fn any_bytes_are_survived(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            stored(&pieces);
        }
    }
}
