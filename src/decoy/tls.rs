//! TLS of a decky's services: its certificate, and sessions over it.
//!
//! The key is ECDSA P-256 and, like all of a decky's appearance, derives from its seed; the certificate is
//! signed the deterministic way (RFC 6979), so its fingerprint is the same after every restart. TLS 1.2
//! and 1.3 are spoken, by rustls: what a scanner finds out about the stack itself (JARM) is that library.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::TLS12;
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Session;
use super::session::{Duplex, Recorder, timeout};
use crate::event::Kind;
use crate::model::{Persona, Seed};

/// Longest a client may take over its handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Bytes of a given certificate or key that are looked at.
const PEM_MAX: usize = 256 * 1024;
/// What is spoken where 1.3 is left out.
static OLD: [&SupportedProtocolVersion; 1] = [&TLS12];

/// What a self-signed certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Common name.
    pub common_name: String,
    /// Organisation, for those that name one.
    pub organisation: Option<String>,
    /// Further names: DNS names and addresses.
    pub names: Vec<String>,
    /// Days that it is good for.
    pub days: u64,
    /// Whether it may sign others: what some tools make by default.
    pub ca: bool,
}

impl Subject {
    /// What `make-ssl-cert` of Debian's ssl-cert makes when it is installed: the host's name, ten years.
    pub fn host(persona: &Persona) -> Self {
        Self {
            common_name: persona.hostname.clone(),
            organisation: None,
            names: vec![persona.hostname.clone()],
            days: 3650,
            ca: false,
        }
    }
}

/// The TLS side of one service.
pub struct Tls {
    source: Source,
    protocols: Vec<Vec<u8>>,
    /// Whether TLS 1.3 is left out.
    old: bool,
    config: OnceLock<Option<Arc<ServerConfig>>>,
}

enum Source {
    Derived { seed: Seed, label: String, born: i64, subject: Subject },
    Given { chain: String, key: String },
}

impl Tls {
    /// A self-signed certificate for `subject`, made when the first client comes. Services of one decky
    /// that give the same `label` have the same key and, for the same subject, certificate.
    pub fn derived(persona: &Persona, label: &str, subject: Subject) -> Self {
        let source = Source::Derived {
            seed: persona.seed.clone(),
            label: label.to_owned(),
            born: persona.born,
            subject,
        };
        Self { source, protocols: Vec::new(), old: false, config: OnceLock::new() }
    }

    /// A certificate chain and its key, PEM. Without a usable pair no handshake succeeds: see [`Tls::check`].
    pub fn given(chain: &str, key: &str) -> Self {
        let cut = |text: &str| text.get(..PEM_MAX).unwrap_or(text).to_owned();
        let source = Source::Given { chain: cut(chain), key: cut(key) };
        Self { source, protocols: Vec::new(), old: false, config: OnceLock::new() }
    }

    /// Offers these application protocols (RFC 7301), the best first.
    #[must_use]
    pub fn protocols(self, protocols: &[&str]) -> Self {
        Self { protocols: protocols.iter().map(|p| p.as_bytes().to_vec()).collect(), ..self }
    }

    /// Speaks TLS 1.2 and nothing later.
    #[must_use]
    pub fn only_1_2(self) -> Self {
        Self { old: true, ..self }
    }

    /// Whether a certificate chain and a key can be used, and fit.
    pub fn check(chain: &str, key: &str) -> bool {
        Self::given(chain, key).config().is_some()
    }

    /// Takes the handshake and gives the session over it, and the application protocol that was agreed on.
    /// What the client said of itself is recorded; so is a handshake that fails.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub async fn accept(&self, session: Session) -> io::Result<(Session, Option<Vec<u8>>)> {
        let record = session.record.clone();
        let mut agreed = None;
        let session = session
            .over(async |stream| {
                let stream = self.wrap(&record, stream).await?;
                agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                Ok(stream)
            })
            .await?;
        Ok((session, agreed))
    }

    /// Takes the handshake on a stream that is wanted back: [`TlsStream::into_inner`] gives it. Recorded as
    /// [`Tls::accept`] does. What the stream's certificate is to be bound to is [`Tls::public_key`].
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub async fn wrap<D: Duplex>(&self, record: &Recorder, stream: D) -> io::Result<TlsStream<D>> {
        let Some(config) = self.config() else { return Err(io::ErrorKind::Unsupported.into()) };
        match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
            Ok(stream) => {
                let (_, tls) = stream.get_ref();
                let mut draft = record.event(Kind::Connection, "tls").outcome(true);
                if let Some(name) = tls.server_name() {
                    draft = draft.text("tls.client.server_name", name);
                }
                if let Some(version) = tls.protocol_version().and_then(|v| v.as_str()) {
                    draft = draft.text("tls.version", &version.trim_start_matches("TLSv").replace('_', "."));
                }
                if let Some(suite) = tls.negotiated_cipher_suite() {
                    draft = draft.text("tls.cipher", suite.suite().as_str().unwrap_or("unknown"));
                }
                if let Some(protocol) = tls.alpn_protocol() {
                    draft = draft.bytes("tls.next_protocol", protocol);
                }
                draft.emit();
                Ok(stream)
            }
            Err(error) => {
                record
                    .event(Kind::Connection, "tls")
                    .outcome(false)
                    .text("error.message", &error.to_string())
                    .emit();
                Err(error)
            }
        }
    }

    /// The public key of a derived certificate as its SubjectPublicKey has it: what CredSSP binds to.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        match &self.source {
            Source::Derived { seed, label, .. } => Some(Signer::new(&secret(seed, label)?).public),
            Source::Given { .. } => None,
        }
    }

    fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.get_or_init(|| self.make()).clone()
    }

    fn make(&self) -> Option<Arc<ServerConfig>> {
        let (chain, key) = match &self.source {
            Source::Derived { seed, label, born, subject } => derive(seed, label, *born, subject)?,
            Source::Given { chain, key } => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
                (chain.ok()?, PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?)
            }
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(if self.old { &OLD } else { ALL_VERSIONS })
            .ok()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .ok()?;
        config.alpn_protocols.clone_from(&self.protocols);
        Some(Arc::new(config))
    }
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Seconds of a day.
const DAY: u64 = 86_400;

fn secret(seed: &Seed, label: &str) -> Option<p256::SecretKey> {
    // Bytes that are no scalar of the curve come up once in 2^32.
    (0..8u8).find_map(|n| p256::SecretKey::from_slice(&seed.derive(&format!("tls/{label}/key/{n}"))).ok())
}

fn derive(seed: &Seed, label: &str, born: i64, subject: &Subject) -> Option<Pair> {
    let key = secret(seed, label)?;
    let mut params = CertificateParams::new(subject.names.clone()).ok()?;
    let mut name = DistinguishedName::new();
    if let Some(organisation) = &subject.organisation {
        name.push(DnType::OrganizationName, organisation.as_str());
    }
    name.push(DnType::CommonName, subject.common_name.as_str());
    params.distinguished_name = name;
    // Made within two hours of the machine's set-up.
    let made =
        u64::try_from(born).unwrap_or(0).saturating_add(seed.number(&format!("tls/{label}/made"), 7200));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(made);
    let life = subject.days.min(36_500).saturating_mul(DAY);
    params.not_after = epoch + Duration::from_secs(made.saturating_add(life));
    let mut serial = seed.derive(&format!("tls/{label}/serial"))[..20].to_vec();
    // Positive, and not shorter than the others (RFC 5280 §4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(serial.into());
    params.is_ca =
        if subject.ca { IsCa::Ca(rcgen::BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    let der = key.to_pkcs8_der().ok()?;
    let signer = Signer::new(&key);
    let certificate = params.self_signed(&signer).ok()?;
    let key = PrivatePkcs8KeyDer::from(der.as_bytes().to_vec());
    Some((vec![certificate.der().clone()], key.into()))
}

/// Signs certificates so that the same one comes out each time.
struct Signer {
    key: p256::ecdsa::SigningKey,
    public: Vec<u8>,
}

impl Signer {
    fn new(key: &p256::SecretKey) -> Self {
        let public = key.public_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key: key.into(), public }
    }
}

impl rcgen::PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: p256::ecdsa::DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    fn certificate(seed: u8, label: &str) -> Vec<u8> {
        let mut persona = testing::persona(&[]);
        persona.seed = Seed::new([seed; 32]);
        let subject = Subject::host(&persona);
        derive(&persona.seed, label, persona.born, &subject).unwrap().0[0].to_vec()
    }

    #[test]
    fn certificates_are_stable_and_apart() {
        assert_eq!(certificate(1, "a"), certificate(1, "a"));
        assert_ne!(certificate(1, "a"), certificate(1, "b"));
        assert_ne!(certificate(1, "a"), certificate(2, "a"));
    }

    #[test]
    fn a_given_pair_must_fit() {
        assert!(!Tls::check("", ""));
        assert!(!Tls::check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x"));
    }
}
