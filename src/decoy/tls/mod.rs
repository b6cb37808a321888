//! TLS of a decky's services: its certificate, and sessions over it.
//!
//! The key is ECDSA P-256 and, like all of a decky's appearance, derives from its seed; the certificate is
//! signed the deterministic way (RFC 6979), so its fingerprint is the same after every restart. TLS 1.2
//! and 1.3 are spoken, by rustls: what a scanner finds out about the stack itself (JARM) is that library.

mod certificate;
mod clients;
pub mod hello;
mod stream;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS12;
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::clients::AnyClient;
use self::hello::{HELLO_MAX, Hello};
pub use self::stream::Noted;
use self::stream::Seen;
use super::Session;
use super::session::{Duplex, Recorder, timeout};
use crate::event::Kind;
use crate::model::{Persona, Seed};

/// Longest a client may take over its handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Longest a client may take to begin it, where we wait to see whether it does.
const FIRST: Duration = Duration::from_secs(60);
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
    /// Whose certificates clients are asked for, when they are.
    asks: Option<Vec<Subject>>,
    config: OnceLock<Option<Arc<ServerConfig>>>,
}

enum Source {
    Derived { seed: Seed, label: String, born: i64, subject: Subject, issuer: Option<Subject> },
    Given { chain: String, key: String },
}

impl Tls {
    /// A self-signed certificate for `subject`, made when the first client comes. Services of one decky
    /// that give the same `label` have the same key and, for the same subject, certificate.
    pub fn derived(persona: &Persona, label: &str, subject: Subject) -> Self {
        Self::made(persona, label, subject, None)
    }

    /// As [`Tls::derived`], but signed by an authority of the decky's own, whose certificate stays hidden.
    pub fn issued(persona: &Persona, label: &str, subject: Subject, issuer: Subject) -> Self {
        Self::made(persona, label, subject, Some(issuer))
    }

    fn made(persona: &Persona, label: &str, subject: Subject, issuer: Option<Subject>) -> Self {
        let (seed, label) = (persona.seed.clone(), label.to_owned());
        Self::of(Source::Derived { seed, label, born: persona.born, subject, issuer })
    }

    /// A certificate chain and its key, PEM. Without a usable pair no handshake succeeds: see [`Tls::check`].
    pub fn given(chain: &str, key: &str) -> Self {
        let cut = |text: &str| text.get(..PEM_MAX).unwrap_or(text).to_owned();
        Self::of(Source::Given { chain: cut(chain), key: cut(key) })
    }

    fn of(source: Source) -> Self {
        Self { source, protocols: Vec::new(), old: false, asks: None, config: OnceLock::new() }
    }

    /// Asks clients for a certificate of these authorities, takes any and does without.
    #[must_use]
    pub fn asking(self, authorities: Vec<Subject>) -> Self {
        Self { asks: Some(authorities), ..self }
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

    /// Reads how a client begins, without a word of our own: at least one byte unless it leaves first.
    ///
    /// # Errors
    /// The stream broke, or stayed silent too long.
    pub async fn begins(session: &mut Session) -> io::Result<Vec<u8>> {
        let mut start = vec![0u8; 512];
        let got = timeout(FIRST.min(session.idle), session.stream.read(&mut start)).await?;
        start.truncate(got);
        Ok(start)
    }

    /// Takes the handshake and gives the session over it, and the application protocol that was agreed on.
    /// What the client said of itself is recorded; so is a handshake that fails.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub async fn accept(&self, session: Session) -> io::Result<(Session, Option<Vec<u8>>)> {
        self.accept_after(session, Vec::new()).await
    }

    /// As [`Tls::accept`], when the first bytes were read already.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub async fn accept_after(
        &self,
        session: Session,
        start: Vec<u8>,
    ) -> io::Result<(Session, Option<Vec<u8>>)> {
        let record = session.record.clone();
        let mut agreed = None;
        let session = session
            .over(async |stream| {
                let stream = self.handshake(&record, stream, start).await?;
                agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                Ok(stream)
            })
            .await?;
        Ok((session, agreed))
    }

    /// Takes the handshake on a stream that is wanted back: `into_inner` of what this gives, and then
    /// [`Noted::into_inner`], give it. Recorded as [`Tls::accept`] does.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub async fn wrap<D: Duplex>(&self, record: &Recorder, stream: D) -> io::Result<TlsStream<Noted<D>>> {
        self.handshake(record, stream, Vec::new()).await
    }

    async fn handshake<D: Duplex>(
        &self,
        record: &Recorder,
        stream: D,
        start: Vec<u8>,
    ) -> io::Result<TlsStream<Noted<D>>> {
        let Some(config) = self.config() else { return Err(io::ErrorKind::Unsupported.into()) };
        let seen = Seen::new(HELLO_MAX);
        let stream = Noted::new(stream, start, seen.clone());
        let accepted = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await;
        let mut draft = record.event(Kind::Connection, "tls").outcome(accepted.is_ok());
        if let Some(hello) = Hello::parse(&seen.take()) {
            draft = hello.tell(draft);
        }
        match &accepted {
            Ok(stream) => {
                let (_, tls) = stream.get_ref();
                if let Some(version) = tls.protocol_version().and_then(|v| v.as_str()) {
                    draft = draft.text("tls.version", &version.trim_start_matches("TLSv").replace('_', "."));
                }
                if let Some(suite) = tls.negotiated_cipher_suite() {
                    draft = draft.text("tls.cipher", suite.suite().as_str().unwrap_or("unknown"));
                }
                if let Some(shown) = tls.peer_certificates().and_then(<[_]>::first) {
                    draft = draft.text("tls.client.hash.sha256", &hex::encode_upper(Sha256::digest(shown)));
                }
                if let Some(protocol) = tls.alpn_protocol() {
                    draft = draft.bytes("tls.next_protocol", protocol);
                }
            }
            Err(error) => draft = draft.text("error.message", &error.to_string()),
        }
        draft.emit();
        accepted
    }

    /// The public key of a derived certificate as its SubjectPublicKey has it: what CredSSP binds to.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        match &self.source {
            Source::Derived { seed, label, .. } => certificate::public_key(seed, label),
            Source::Given { .. } => None,
        }
    }

    fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.get_or_init(|| self.make()).clone()
    }

    fn make(&self) -> Option<Arc<ServerConfig>> {
        let (chain, key) = match &self.source {
            Source::Derived { seed, label, born, subject, issuer } => match issuer {
                None => certificate::self_signed(seed, label, *born, subject)?,
                Some(issuer) => certificate::issued(seed, label, *born, subject, issuer)?,
            },
            Source::Given { chain, key } => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
                (chain.ok()?, PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?)
            }
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(if self.old { &OLD } else { ALL_VERSIONS })
            .ok()?;
        let builder = match &self.asks {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let names = authorities.iter().filter_map(certificate::distinguished_name).collect();
                builder.with_client_cert_verifier(Arc::new(AnyClient::new(names, &provider)))
            }
        };
        let mut config = builder.with_single_cert(chain, key).ok()?;
        config.alpn_protocols.clone_from(&self.protocols);
        Some(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_pair_must_fit() {
        assert!(!Tls::check("", ""));
        assert!(!Tls::check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x"));
    }
}
