//! The event type.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::words;

/// A text that is no event kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseKindError(pub String);

words! {
    /// The one vocabulary of all protocols.
    Kind, ParseKindError, "event kind" {
        /// Somebody connected.
        Connection = "connection",
        /// Somebody tried to log in.
        Login = "login",
        /// A command of an interactive protocol.
        Command = "command",
        /// A request of a request protocol (HTTP and the like).
        Request = "request",
        /// A query to a database or a directory.
        Query = "query",
        /// A file was listed, read, written or named.
        File = "file",
        /// Somebody touched an address without talking to a service: a scan, a ping, a sweep.
        Probe = "probe",
        /// A connection or a login session ended; says how long it was and how much went through.
        Session = "session",
        /// The peer broke the protocol or a limit, or the decoy itself failed.
        Error = "error",
    }
}

words! {
    /// What a captured secret is (DECNET's words where it has one).
    SecretKind, ParseKindError, "secret kind" {
        /// A password in clear.
        Plaintext = "plaintext",
        /// A public key that was offered (OpenSSH one-line form).
        PublicKey = "publickey",
        /// HTTP bearer token.
        HttpBearer = "http_bearer",
        /// HTTP digest response.
        HttpDigest = "http_digest_md5",
        /// Scramble of mysql_native_password.
        MysqlNative = "mysql_native_password",
        /// Scramble of caching_sha2_password.
        MysqlCachingSha2 = "mysql_caching_sha2_password",
        /// NTLM response of version 1; `ntlm.*` fields have what goes with it.
        NtlmV1 = "ntlmssp_v1",
        /// NTLM response of version 2; `ntlm.*` fields have what goes with it.
        NtlmV2 = "ntlmssp_v2",
        /// PostgreSQL's salted MD5.
        PostgresMd5 = "postgres_md5",
        /// Client proof of SCRAM-SHA-1 (RFC 5802).
        ScramSha1 = "scram_sha1",
        /// Client proof of SCRAM-SHA-256 (RFC 7677).
        ScramSha256 = "scram_sha256",
        /// Response of VNC authentication: the challenge under DES (RFC 6143 §7.2.2).
        VncDes = "vnc_des_response",
        /// Response of SIP digest (RFC 3261 §22).
        SipDigest = "sip_digest_md5",
        /// CRAM-MD5 digest (RFC 2195).
        CramMd5 = "cram_md5",
        /// APOP digest (RFC 1939 §7).
        Apop = "apop_md5",
        /// Authenticated SNMPv3 message (RFC 3414).
        Snmpv3 = "snmpv3_usm",
        /// Encrypted timestamp of a Kerberos request (RFC 4120 §5.2.7.2).
        Krb5 = "krb5_as_req",
        /// Anything else.
        Other = "other",
    }
}

/// One thing an attacker did.
///
/// Names follow ECS where it has one. Credentials are `user`, `secret`, `secret_kind`. Everything a
/// protocol adds is in `fields`, under dotted ECS names (`http.request.method`), nested when written.
/// Text fields hold the *raw* characters here; escaping happens at the writer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC, microseconds.
    #[serde(rename = "@timestamp")]
    pub time: Timestamp,
    /// Position in this store's event stream, given by the writer; 0 before.
    pub sequence: u64,
    /// The operator's name of the decky, given by the writer.
    pub decky: String,
    /// Service slug.
    pub service: String,
    /// What kind of thing.
    pub kind: Kind,
    /// What exactly, one or two words in snake case: `password`, `exec`, `GET`, `retr`.
    pub action: String,
    /// `success`, `failure`, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Who.
    pub source: SocketAddr,
    /// Where.
    pub destination: SocketAddr,
    /// One connection, all its events: 16 hex digits.
    pub session: String,
    /// User name of a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Bytes>,
    /// Password, key or response of a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Bytes>,
    /// What `secret` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_kind: Option<SecretKind>,
    /// What the protocol adds. Values: text, numbers, booleans, arrays of them. Raw bytes go in as
    /// [`Bytes::to_value`].
    #[serde(default)]
    pub fields: Map<String, Value>,
}

/// Bytes from the wire, travelling as base64 between worker and writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

/// Most bytes kept of one field.
pub const FIELD_MAX: usize = 8 * 1024;

impl Bytes {
    /// Keeps at most [`FIELD_MAX`] bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes[..bytes.len().min(FIELD_MAX)].to_vec())
    }

    /// The form that raw bytes take inside [`Event::fields`]: `{"b64": "…"}`. The writer turns it into
    /// escaped text beside the base64 where the two differ.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("b64".into(), Value::String(self.clone().into()));
        Value::Object(map)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes.0)
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).map(Self).map_err(|e| e.to_string())
    }
}
