//! Rules between several settings of one service.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

use crate::model::Settings;

/// What is to be said about the settings of a service as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The setting it is said of.
    pub key: &'static str,
    /// Whether the service could not run like that.
    pub fatal: bool,
    /// A sentence that begins with the key.
    pub message: &'static str,
    /// What to do.
    pub help: &'static str,
}

/// Everything that is to be said of the settings of `service`, each of which fits by itself.
pub fn remarks(service: &str, settings: &Settings) -> Vec<Remark> {
    let mut found = Vec::new();
    if service != "https" {
        return found;
    }
    let text = |key: &str| settings.get(key).and_then(Value::as_str).filter(|t| !t.trim().is_empty());
    let fatal = |key, message, help| Remark { key, fatal: true, message, help };
    match (text("tls_cert"), text("tls_key")) {
        (None, None) => {}
        (Some(_), None) => {
            found.push(fatal(
                "tls_cert",
                "`tls_cert` has no `tls_key` beside it",
                "give the key that belongs to it",
            ));
        }
        (None, Some(_)) => {
            found.push(fatal(
                "tls_key",
                "`tls_key` has no `tls_cert` beside it",
                "give the certificate it belongs to",
            ));
        }
        (Some(chain), Some(key)) => found.extend(pair(chain, key)),
    }
    let third = settings
        .get("http_versions")
        .and_then(Value::as_array)
        .is_some_and(|v| v.iter().any(|v| v == "http/3"));
    if third {
        found.push(Remark {
            key: "http_versions",
            fatal: false,
            message: "`http_versions` names http/3, which is not spoken",
            help: "http/1.1 and http/2 are; as with most servers nothing listens on 443/udp",
        });
    }
    found
}

/// What keeps a certificate chain and a key, PEM, from being used together.
fn pair(chain: &str, key: &str) -> Option<Remark> {
    const HELP: &str =
        "PEM blocks as openssl writes them; `b64:` and the Base64 form of the whole text works too";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let Some(certificates) = certificates.ok().filter(|c| !c.is_empty()) else {
        let message = "`tls_cert` is no PEM certificate chain";
        return Some(Remark { key: "tls_cert", fatal: true, message, help: HELP });
    };
    let Ok(key) = PrivateKeyDer::from_pem_slice(key.as_bytes()) else {
        return Some(Remark {
            key: "tls_key",
            fatal: true,
            message: "`tls_key` is no PEM private key",
            help: HELP,
        });
    };
    match CertifiedKey::from_der(certificates, key, &ring::default_provider()) {
        Ok(_) => None,
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = "`tls_key` does not belong to `tls_cert`";
            Some(Remark {
                key: "tls_key",
                fatal: true,
                message,
                help: "the first certificate of the chain must be the key's",
            })
        }
        Err(_) => {
            let message = "`tls_key` and `tls_cert` cannot be used";
            Some(Remark {
                key: "tls_key",
                fatal: true,
                message,
                help: "X.509 version 3 with an RSA, ECDSA or Ed25519 key",
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(pairs: &[(&str, Value)]) -> Vec<(&'static str, bool)> {
        let settings: Settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        remarks("https", &settings).into_iter().map(|r| (r.key, r.fatal)).collect()
    }

    fn made(name: &str) -> (String, String) {
        use base64::Engine as _;
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let pem = |kind: &str, der: &[u8]| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
        };
        (pem("CERTIFICATE", made.cert.der()), pem("PRIVATE KEY", &made.signing_key.serialize_der()))
    }

    #[test]
    fn pairs_must_be_whole_and_fit() {
        let ((chain, key), (_, other)) = (made("a.test"), made("b.test"));
        assert_eq!(said(&[]), []);
        assert_eq!(said(&[("tls_cert", json!(chain)), ("tls_key", json!(key))]), []);
        assert_eq!(said(&[("tls_cert", json!(chain)), ("tls_key", json!(other))]), [("tls_key", true)]);
        assert_eq!(said(&[("tls_cert", json!(chain))]), [("tls_cert", true)]);
        assert_eq!(said(&[("tls_key", json!(key))]), [("tls_key", true)]);
        assert_eq!(said(&[("tls_cert", json!("x")), ("tls_key", json!(key))]), [("tls_cert", true)]);
        assert_eq!(said(&[("tls_cert", json!(chain)), ("tls_key", json!("x"))]), [("tls_key", true)]);
    }

    #[test]
    fn the_third_version_is_not_promised() {
        assert_eq!(said(&[("http_versions", json!(["http/1.1", "http/3"]))]), [("http_versions", false)]);
        assert_eq!(said(&[("http_versions", json!(["http/2"]))]), []);
        assert!(remarks("http", &Settings::new()).is_empty());
    }
}
