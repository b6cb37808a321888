//! Certificates and keys that derive from a seed: the same after every restart.

use std::time::Duration;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Subject;
use crate::model::Seed;

/// A chain and its key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A certificate that signs itself.
pub(super) fn self_signed(seed: &Seed, label: &str, born: i64, subject: &Subject) -> Option<Pair> {
    let key = key(seed, label)?;
    let certificate = params(seed, label, born, subject)?.self_signed(&Signer::new(&key)).ok()?;
    Some((vec![certificate.der().clone()], private(&key)?))
}

/// A server's certificate that the authority called `issuer` signed. The authority's own is not part of
/// the chain: whoever trusts it has it.
pub(super) fn issued(
    seed: &Seed,
    label: &str,
    born: i64,
    subject: &Subject,
    issuer: &Subject,
) -> Option<Pair> {
    let authority_label = format!("{label}/authority");
    let authority_key = key(seed, &authority_label)?;
    let mut authority = params(seed, &authority_label, born, issuer)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    let authority = Issuer::new(authority, Signer::new(&authority_key));
    let key = key(seed, label)?;
    let (round, made) = renewed(born, subject.days, jiff::Timestamp::now().as_second());
    let mut params = params(seed, &format!("{label}/{round}"), made, subject)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&Signer::new(&key), &authority).ok()?;
    Some((vec![certificate.der().clone()], private(&key)?))
}

/// Which renewal of a certificate is in use, and when it was made: somebody sees to it before it ends.
fn renewed(born: i64, days: u64, now: i64) -> (i64, i64) {
    let day = i64::try_from(DAY).unwrap_or(1);
    let period = i64::try_from(days.clamp(30, 36_500)).unwrap_or(365) * day / 6 * 5;
    let round = now.saturating_sub(born).max(0) / period;
    (round, born.saturating_add(round.saturating_mul(period)))
}

/// The DER of a subject's distinguished name, as a request for client certificates names it.
pub(super) fn distinguished_name(subject: &Subject) -> Option<Vec<u8>> {
    let key = key(&Seed::new([1; 32]), "name")?;
    let mut params = CertificateParams::new(Vec::new()).ok()?;
    params.distinguished_name = name(subject);
    let certificate = params.self_signed(&Signer::new(&key)).ok()?;
    let mut store = rustls::RootCertStore::empty();
    store.add(certificate.der().clone()).ok()?;
    store.subjects().first().map(|name| name.as_ref().to_vec())
}

fn key(seed: &Seed, label: &str) -> Option<SecretKey> {
    // Bytes that are no scalar of the curve come up once in 2^32.
    (0..8u8).find_map(|n| SecretKey::from_slice(&seed.derive(&format!("tls/{label}/key/{n}"))).ok())
}

/// The public key of [`self_signed`] and [`issued`], as a certificate has it.
pub(super) fn public_key(seed: &Seed, label: &str) -> Option<Vec<u8>> {
    Some(Signer::new(&key(seed, label)?).public)
}

fn private(key: &SecretKey) -> Option<PrivateKeyDer<'static>> {
    let der = key.to_pkcs8_der().ok()?;
    Some(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()).into())
}

fn name(subject: &Subject) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organisation) = &subject.organisation {
        name.push(DnType::OrganizationName, organisation.as_str());
    }
    name.push(DnType::CommonName, subject.common_name.as_str());
    name
}

fn params(seed: &Seed, label: &str, born: i64, subject: &Subject) -> Option<CertificateParams> {
    let mut params = CertificateParams::new(subject.names.clone()).ok()?;
    params.distinguished_name = name(subject);
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
    params.is_ca = if subject.ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    Some(params)
}

/// Signs certificates so that the same one comes out each time.
struct Signer {
    key: p256::ecdsa::SigningKey,
    public: Vec<u8>,
}

impl Signer {
    fn new(key: &SecretKey) -> Self {
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
        self_signed(&persona.seed, label, persona.born, &subject).unwrap().0[0].to_vec()
    }

    #[test]
    fn certificates_are_stable_and_apart() {
        assert_eq!(certificate(1, "a"), certificate(1, "a"));
        assert_ne!(certificate(1, "a"), certificate(1, "b"));
        assert_ne!(certificate(1, "a"), certificate(2, "a"));
    }

    #[test]
    fn certificates_of_a_year_are_renewed() {
        let (year, born) = (365 * 86_400, 1_750_000_000);
        for age in [0, 1, year - 1, year, 3 * year, 9 * year] {
            let (_, made) = renewed(born, 365, born + age);
            assert!(made <= born + age && born + age < made + year, "{age}");
        }
        assert_eq!(renewed(born, 365, 0), (0, born));
    }

    #[test]
    fn an_authority_signs_and_is_named() {
        let persona = testing::persona(&[]);
        let issuer = Subject { common_name: "root of it".into(), ca: true, ..Subject::host(&persona) };
        let subject = Subject::host(&persona);
        let make = || issued(&persona.seed, "x", persona.born, &subject, &issuer).unwrap().0[0].to_vec();
        let made = make();
        assert_eq!(made, make());
        let holds = |text: &str| made.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("root of it") && holds(&persona.hostname));
        let name = distinguished_name(&issuer).unwrap();
        assert!(name.ends_with(b"root of it") && name.first() == Some(&0x30));
    }
}
