//! ENVELOPE, BODY and BODYSTRUCTURE of a message.

use crate::decoy::mail::mime::{Address, Part, addresses, field};

/// A string, quoted where it can be; nothing is NIL.
pub(super) fn string(out: &mut Vec<u8>, text: Option<&[u8]>) {
    let Some(text) = text else {
        out.extend_from_slice(b"NIL");
        return;
    };
    if text.len() > 1024 || text.iter().any(|b| *b < b' ' || *b >= 0x7f) {
        out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn people(out: &mut Vec<u8>, list: &[Address]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in list {
        out.push(b'(');
        string(out, address.name.as_deref());
        out.extend_from_slice(b" NIL ");
        string(out, Some(&address.mailbox));
        out.push(b' ');
        string(out, Some(if address.host.is_empty() { b"MISSING_DOMAIN" } else { &address.host }));
        out.push(b')');
    }
    out.push(b')');
}

/// The envelope of `message`.
pub(super) fn envelope(out: &mut Vec<u8>, message: &[u8]) {
    let get = |name: &str| field(message, name);
    let list = |name: &str| get(name).map(|v| addresses(&v)).unwrap_or_default();
    out.push(b'(');
    string(out, get("date").as_deref());
    out.push(b' ');
    string(out, get("subject").as_deref());
    let from = list("from");
    for name in ["from", "sender", "reply-to", "to", "cc", "bcc"] {
        out.push(b' ');
        let own = list(name);
        // Without a sender, or somewhere else to reply to, it is who it is from.
        let fallback = own.is_empty() && matches!(name, "sender" | "reply-to");
        people(out, if fallback { &from } else { &own });
    }
    for name in ["in-reply-to", "message-id"] {
        out.push(b' ');
        string(out, get(name).as_deref());
    }
    out.push(b')');
}

fn parameters(out: &mut Vec<u8>, list: &[(Vec<u8>, Vec<u8>)]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (n, (name, value)) in list.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        string(out, Some(name));
        out.push(b' ');
        string(out, Some(value));
    }
    out.push(b')');
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// The structure of `part`, with what only BODYSTRUCTURE has when `extended`.
pub(super) fn structure(out: &mut Vec<u8>, message: &[u8], part: &Part, extended: bool) {
    out.push(b'(');
    if part.kind == b"multipart" {
        if part.children.is_empty() {
            // A multipart without parts shows an empty text.
            out.extend_from_slice(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
        }
        for child in &part.children {
            structure(out, message, child, extended);
        }
        out.push(b' ');
        string(out, Some(&part.subtype));
        if extended {
            out.push(b' ');
            parameters(out, &part.parameters);
            disposition(out, part);
            out.extend_from_slice(b" NIL NIL");
        }
        out.push(b')');
        return;
    }
    let body = message.get(part.body.clone()).unwrap_or_default();
    string(out, Some(&part.kind));
    out.push(b' ');
    string(out, Some(&part.subtype));
    out.push(b' ');
    parameters(out, &part.parameters);
    for text in [part.id.as_deref(), part.description.as_deref(), Some(part.encoding.as_slice())] {
        out.push(b' ');
        string(out, text);
    }
    out.extend_from_slice(format!(" {}", body.len()).as_bytes());
    if part.kind == b"text" {
        out.extend_from_slice(format!(" {}", lines(body)).as_bytes());
    } else if let Some(child) = part.children.first() {
        out.push(b' ');
        envelope(out, body);
        out.push(b' ');
        structure(out, message, child, extended);
        out.extend_from_slice(format!(" {}", lines(body)).as_bytes());
    }
    if extended {
        out.extend_from_slice(b" NIL");
        disposition(out, part);
        out.extend_from_slice(b" NIL NIL");
    }
    out.push(b')');
}

fn disposition(out: &mut Vec<u8>, part: &Part) {
    out.push(b' ');
    let Some(disposition) = &part.disposition else {
        out.extend_from_slice(b"NIL");
        return;
    };
    out.push(b'(');
    string(out, Some(&disposition.word));
    out.push(b' ');
    parameters(out, &disposition.parameters);
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Dovecot 2.3.19 said of the same messages.
    #[test]
    fn as_dovecot_has_it() {
        let one = b"Date: Mon, 3 Nov 2025 09:12:00 +0000\r\nFrom: \"Doe, J\" <jd@x.org>\r\nTo: root@files02, b@c.d\r\n\
            Cc: Al <al@x>\r\nSubject: =?utf-8?q?h=C3=A9?=\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n";
        let mut out = Vec::new();
        envelope(&mut out, one);
        let want = "(\"Mon, 3 Nov 2025 09:12:00 +0000\" \"=?utf-8?q?h=C3=A9?=\" ((\"Doe, J\" NIL \"jd\" \"x.org\")) \
            ((\"Doe, J\" NIL \"jd\" \"x.org\")) ((\"Doe, J\" NIL \"jd\" \"x.org\")) ((NIL NIL \"root\" \"files02\")(NIL NIL \"b\" \
            \"c.d\")) ((\"Al\" NIL \"al\" \"x\")) NIL NIL \"<1@x>\")";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        let two = b"From: a@b\r\nSubject: multi\r\nContent-Type: multipart/mixed; boundary=\"BB\"\r\n\r\npre\r\n--BB\r\n\
            Content-Type: text/plain\r\n\r\npart one\r\n--BB\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\
            Content-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--BB--\r\n";
        let mut out = Vec::new();
        structure(&mut out, two, &Part::of(two), true);
        let want = "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 0 NIL NIL NIL NIL)(\"application\" \"pdf\" \
            (\"name\" \"a.pdf\") NIL NIL \"base64\" 4 NIL (\"attachment\" (\"filename\" \"a.pdf\")) NIL NIL) \"mixed\" \
            (\"boundary\" \"BB\") NIL NIL NIL)";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        let mut out = Vec::new();
        structure(&mut out, two, &Part::of(two), false);
        let want = "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 0)(\"application\" \"pdf\" (\"name\" \
            \"a.pdf\") NIL NIL \"base64\" 4) \"mixed\")";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
