//! Challenge responses in the forms that password crackers read.
//!
//! Everything comes from one stored event: the response is its `secret`, what it answered is in fields.
//! What cannot be written in a cracker's form without changing its meaning is left out and said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SecretKind;
use super::read::View;

/// Whose form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One mode of hashcat.
    Hashcat,
    /// John the Ripper (jumbo).
    John,
}

/// One line for a cracker, without its line feed: printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Hashcat's mode; 0 where only John knows it.
    pub mode: u32,
    /// What the cracker calls it.
    pub name: &'static str,
    /// The line.
    pub text: String,
}

/// Why an event gives no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// It carries no secret.
    NoSecret,
    /// There is nothing to crack: the secret is in clear, or a public key.
    Clear,
    /// The cracker has no form for this.
    NoForm(SecretKind),
    /// A part is missing, or is such that the form cannot hold it.
    Incomplete(SecretKind),
}

/// Longest text that is put into a line.
const PART_MAX: usize = 1024;

/// The line of a stored event.
///
/// # Errors
/// Why there is none.
pub fn line(view: &View, form: Form) -> Result<Line, Left> {
    let event = Stored(view);
    if view.secret.is_none() {
        return Err(Left::NoSecret);
    }
    let kind = event.kind().ok_or(Left::Clear)?;
    let made = match (kind, form) {
        (SecretKind::Plaintext | SecretKind::PublicKey | SecretKind::HttpBearer | SecretKind::Other, _) => {
            return Err(Left::Clear);
        }
        (SecretKind::NtlmV1, _) => event.ntlm_v1(),
        (SecretKind::NtlmV2, _) => event.ntlm_v2(),
        (SecretKind::MysqlNative, _) => event.mysql(),
        (SecretKind::PostgresMd5, _) => event.postgres(),
        (SecretKind::SipDigest, _) => event.sip(),
        (SecretKind::HttpDigest, _) => event.http(),
        (SecretKind::CramMd5, _) => event.cram(),
        (SecretKind::Apop, form) => event.apop(form),
        (SecretKind::Snmpv3, Form::Hashcat) => event.snmp(),
        (SecretKind::Krb5, _) => event.kerberos(),
        (SecretKind::VncDes, Form::John) => event.vnc(),
        // These prove knowledge of a stored key that the wire does not show; no cracker reads the proof.
        (SecretKind::ScramSha1 | SecretKind::ScramSha256 | SecretKind::MysqlCachingSha2, _)
        | (SecretKind::VncDes, Form::Hashcat)
        | (SecretKind::Snmpv3, Form::John) => return Err(Left::NoForm(kind)),
    };
    let made = made.filter(|line| line.text.bytes().all(|b| matches!(b, 0x20..=0x7e)));
    made.ok_or(Left::Incomplete(kind))
}

/// A stored event, to take parts from.
struct Stored<'a>(&'a View);

impl Stored<'_> {
    fn kind(&self) -> Option<SecretKind> {
        self.0.rest.get("secret_kind")?.as_str()?.parse().ok()
    }

    /// A field as it was on the wire: printable, and none of `not` in it.
    fn text(&self, name: &str, not: &str) -> Option<String> {
        let mut parts = name.split('.').peekable();
        let mut map = &self.0.rest;
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                map = map.get(part)?.as_object()?;
                continue;
            }
            let raw = map.get(&format!("{part}_b64")).and_then(|raw| raw.as_str());
            return plain(map.get(part)?.as_str()?, raw, not);
        }
        None
    }

    /// The same of a field that may be absent.
    fn optional(&self, name: &str, not: &str) -> Option<String> {
        let (first, last) = name.split_once('.')?;
        match self.0.rest.get(first).and_then(|map| map.get(last)) {
            None => Some(String::new()),
            Some(_) => self.text(name, not),
        }
    }

    /// Hex digits of so many bytes (0: any number), in lower case.
    fn hex(&self, name: &str, bytes: usize) -> Option<String> {
        hex_text(&self.text(name, "")?, bytes)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let (first, last) = name.split_once('.')?;
        let value = self.0.rest.get(first)?.get(last)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    fn user(&self, not: &str) -> Option<String> {
        let raw = self.0.rest.get("user_b64").and_then(|raw| raw.as_str());
        plain(self.0.user.as_deref().unwrap_or_default(), raw, not)
    }

    /// The secret as text, as it was sent.
    fn secret(&self) -> Option<String> {
        let raw = self.0.rest.get("secret_b64").and_then(|raw| raw.as_str());
        plain(self.0.secret.as_deref()?, raw, "")
    }

    fn secret_hex(&self, bytes: usize) -> Option<String> {
        hex_text(&self.secret()?, bytes)
    }

    /// `USER::DOMAIN:LM:NT:CHALLENGE`, mode 5500.
    fn ntlm_v1(&self) -> Option<Line> {
        let (user, domain) = (self.user(":")?, self.optional("ntlm.domain", ":")?);
        let nt = self.hex("ntlm.nt_response", 24)?;
        let lm = match self.optional("ntlm.lm_response", "")? {
            lm if lm.is_empty() => String::new(),
            lm => hex_text(&lm, 24)?,
        };
        let challenge = self.hex("ntlm.server_challenge", 8)?;
        made(5500, "NetNTLMv1", format!("{user}::{domain}:{lm}:{nt}:{challenge}"))
    }

    /// `USER::DOMAIN:CHALLENGE:PROOF:BLOB`, mode 5600.
    fn ntlm_v2(&self) -> Option<Line> {
        let (user, domain) = (self.user(":")?, self.optional("ntlm.domain", ":")?);
        let challenge = self.hex("ntlm.server_challenge", 8)?;
        let (proof, blob) = (self.hex("ntlm.nt_proof", 16)?, self.hex("ntlm.blob", 0)?);
        made(5600, "NetNTLMv2", format!("{user}::{domain}:{challenge}:{proof}:{blob}"))
    }

    fn mysql(&self) -> Option<Line> {
        let (salt, response) = (self.hex("mysql.salt", 20)?, self.secret_hex(20)?);
        made(11200, "MySQL CRAM (SHA1)", format!("$mysqlna${salt}*{response}"))
    }

    fn postgres(&self) -> Option<Line> {
        let secret = self.secret()?;
        let response = hex_text(secret.strip_prefix("md5").unwrap_or(&secret), 16)?;
        let (user, salt) = (self.user("*")?, self.hex("postgres.salt", 4)?);
        made(11100, "PostgreSQL CRAM (MD5)", format!("$postgres${user}*{salt}*{response}"))
    }

    fn sip(&self) -> Option<Line> {
        let get = |name: &str| self.text(&format!("sip.{name}"), "*");
        let optional = |name: &str| self.optional(&format!("sip.{name}"), "*");
        let digest = Digest {
            user: self.user("*")?,
            realm: get("realm")?,
            method: get("method")?,
            uri: get("uri")?,
            nonce: get("nonce")?,
            cnonce: optional("cnonce")?,
            nc: optional("nc")?,
            qop: optional("qop")?,
            algorithm: optional("algorithm")?,
            response: self.secret_hex(16)?,
        };
        digest.line()
    }

    /// HTTP's digest is that of SIP; the whole header is what was kept.
    fn http(&self) -> Option<Line> {
        let header = self.secret()?;
        let get = |name: &str| parameter(&header, name).filter(|value| !value.contains('*'));
        let optional = |name: &str| match parameter(&header, name) {
            Some(value) if value.contains('*') => None,
            value => Some(value.unwrap_or_default()),
        };
        let digest = Digest {
            user: get("username")?,
            realm: get("realm")?,
            method: self.text("http.request.method", "*")?,
            uri: get("uri")?,
            nonce: get("nonce")?,
            cnonce: optional("cnonce")?,
            nc: optional("nc")?,
            qop: optional("qop")?,
            algorithm: optional("algorithm")?,
            response: hex_text(&get("response")?, 16)?,
        };
        digest.line()
    }

    fn cram(&self) -> Option<Line> {
        let (challenge, user) = (self.text("cram.challenge", "")?, self.user("")?);
        let answer = STANDARD.encode(format!("{user} {}", self.secret_hex(16)?));
        made(10200, "CRAM-MD5", format!("$cram_md5${}${answer}", STANDARD.encode(challenge)))
    }

    fn apop(&self, form: Form) -> Option<Line> {
        let response = self.secret_hex(16)?;
        let challenge = self.text("apop.challenge", "").or_else(|| self.text("cram.challenge", ""))?;
        let text = match form {
            Form::Hashcat => format!("{response}:{challenge}"),
            Form::John => format!("$dynamic_4${response}${challenge}"),
        };
        made(20, "md5($salt.$pass), APOP", text)
    }

    fn snmp(&self) -> Option<Line> {
        let (message, engine) = (self.hex("snmp.message", 0)?, self.hex("snmp.engine_id", 0)?);
        let digest = self.secret_hex(12)?;
        made(25000, "SNMPv3 HMAC-MD5-96/HMAC-SHA1-96", format!("$SNMPv3$0$0${message}${engine}${digest}"))
    }

    fn kerberos(&self) -> Option<Line> {
        let (user, realm) = (self.user("$")?, self.text("krb5.realm", "$")?);
        let cipher = self.secret_hex(0)?;
        match self.number("krb5.etype")? {
            23 => {
                let salt = self.optional("krb5.salt", "$")?;
                // The wire has the checksum first, the form has it last.
                let (checksum, time) = cipher.split_at_checked(32)?;
                let text = format!("$krb5pa$23${user}${realm}${salt}${time}{checksum}");
                made(7500, "Kerberos 5, etype 23, AS-REQ Pre-Auth", text).filter(|_| time.len() == 72)
            }
            17 => {
                made(19800, "Kerberos 5, etype 17, Pre-Auth", format!("$krb5pa$17${user}${realm}${cipher}"))
            }
            18 => {
                made(19900, "Kerberos 5, etype 18, Pre-Auth", format!("$krb5pa$18${user}${realm}${cipher}"))
            }
            _ => None,
        }
    }

    fn vnc(&self) -> Option<Line> {
        let (challenge, response) = (self.hex("vnc.challenge", 16)?, self.secret_hex(16)?);
        let text = format!("$vnc$*{challenge}*{response}").to_ascii_uppercase();
        made(0, "VNC", text.replacen("$VNC$", "$vnc$", 1))
    }
}

/// What a digest response was made of.
struct Digest {
    user: String,
    realm: String,
    method: String,
    uri: String,
    nonce: String,
    cnonce: String,
    nc: String,
    qop: String,
    algorithm: String,
    response: String,
}

impl Digest {
    /// Mode 11400. The parts of the URI are joined by colons when it is hashed, so that where it is cut
    /// does not matter; addresses are for people and stay empty.
    fn line(&self) -> Option<Line> {
        /// The cracker's own bounds: user and realm; method and URI.
        const NAMED_MAX: usize = 117;
        const ASKED_MAX: usize = 254;
        let plain = self.algorithm.is_empty() || self.algorithm.eq_ignore_ascii_case("md5");
        let fits = self.user.len() + self.realm.len() <= NAMED_MAX
            && self.method.len() + self.uri.len() <= ASKED_MAX
            && !self.uri.is_empty()
            && !self.nonce.is_empty();
        // `auth-int` also hashes the body, which is not kept.
        if !plain || !fits || !matches!(self.qop.as_str(), "" | "auth") {
            return None;
        }
        let (scheme, resource) = match self.uri.split_once(':') {
            Some((scheme, rest)) if !scheme.contains('/') && !rest.is_empty() => (scheme, rest),
            _ => ("", self.uri.as_str()),
        };
        let Self { user, realm, method, nonce, cnonce, nc, qop, response, .. } = self;
        let text = format!(
            "$sip$***{user}*{realm}*{method}*{scheme}*{resource}**{nonce}*{cnonce}*{nc}*{qop}*MD5*{response}"
        );
        made(11400, "SIP digest authentication (MD5)", text)
    }
}

fn made(mode: u32, name: &'static str, text: String) -> Option<Line> {
    Some(Line { mode, name, text })
}

/// What was on the wire, where it is printable ASCII without any of `not`. `raw` is base64 of it when
/// `shown` is escaped.
fn plain(shown: &str, raw: Option<&str>, not: &str) -> Option<String> {
    let text = match raw {
        Some(raw) => String::from_utf8(STANDARD.decode(raw).ok()?).ok()?,
        None => shown.to_owned(),
    };
    let fit = text.len() <= PART_MAX || text.bytes().all(|b| b.is_ascii_hexdigit());
    let printable = text.bytes().all(|b| matches!(b, 0x20..=0x7e));
    (fit && printable && !text.chars().any(|c| not.contains(c))).then_some(text)
}

fn hex_text(text: &str, bytes: usize) -> Option<String> {
    let fits = !text.is_empty() && text.len().is_multiple_of(2) && (bytes == 0 || text.len() == bytes * 2);
    (fits && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// A parameter of a `Digest` header; a comma inside quotes is part of a value.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = next.trim_start().trim_start_matches(',');
    }
}

#[cfg(test)]
mod tests;
