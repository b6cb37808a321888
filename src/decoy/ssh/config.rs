//! Algorithms and host keys.
//!
//! The lists are those of a hardened `sshd_config`: ciphers and MACs of the dev-sec baseline, key
//! exchange without finite-field Diffie-Hellman (the usual answer to CVE-2002-20001: one request
//! costs the server a long exponentiation), `Compression no`. A genuine sshd with these lines sends
//! the same lists; the distros' default lists need algorithms that the library lacks.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use super::version::Software;
use crate::model::Seed;

/// What `sshd` offers after a failed try, in its own order. The packaged `sshd_config` of every distro
/// we play says `KbdInteractiveAuthentication no` (CentOS 7: `ChallengeResponseAuthentication no`).
pub(super) const METHODS: &[MethodKind] = &[MethodKind::PublicKey, MethodKind::Password];

/// Failed tries of one connection, as `MaxAuthTries` of a stock `sshd_config`.
pub(super) const MAX_TRIES: usize = 6;

/// Most bytes in flight to us on one channel.
const WINDOW: u32 = 256 * 1024;

const ECDSA: Algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };

/// The host keys that belong to a seed, in the order of sshd's `HostKey` lines.
pub(super) fn host_keys(seed: &Seed) -> Vec<PrivateKey> {
    let ecdsa = PrivateKey::random(&mut seed.rng("ssh/ecdsa"), ECDSA);
    let ed25519 = KeypairData::from(Ed25519Keypair::from_seed(&seed.derive("ssh/ed25519")));
    ecdsa.into_iter().chain(PrivateKey::new(ed25519, "")).collect()
}

/// The server's configuration; `idle` is the longest silence of a client.
pub(super) fn config(software: Software, seed: &Seed, idle: Duration) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(software.id)),
        methods: MethodSet::from(METHODS),
        // Delays are the handler's: they depend on method and outcome.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: None,
        keys: host_keys(seed),
        limits: Limits::new(1 << 30, 1 << 30, Duration::from_secs(86_400)),
        window_size: WINDOW,
        maximum_packet_size: 32_768,
        channel_buffer_size: 1,
        event_buffer_size: 4,
        preferred: preferred(software),
        max_auth_attempts: MAX_TRIES,
        inactivity_timeout: Some(idle),
        extensions: extensions(software),
        ..Config::default()
    }
}

/// What EXT_INFO tells.
fn extensions(software: Software) -> Vec<(&'static str, &'static str)> {
    let mut extensions = vec![("server-sig-algs", software.signatures)];
    if software.hostbound {
        extensions.push(("publickey-hostbound@openssh.com", "0"));
    }
    extensions
}

fn preferred(software: Software) -> Preferred {
    let mut exchanges = Vec::with_capacity(8);
    if software.mlkem {
        exchanges.push(kex::MLKEM768X25519_SHA256);
    }
    exchanges.extend([
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::ECDH_SHA2_NISTP256,
        kex::ECDH_SHA2_NISTP384,
        kex::ECDH_SHA2_NISTP521,
    ]);
    if software.ext_info {
        exchanges.push(kex::EXTENSION_SUPPORT_AS_SERVER);
    }
    if software.strict {
        exchanges.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
    }
    Preferred {
        kex: Cow::Owned(exchanges),
        host_key_certificates: Cow::Borrowed(&[]),
        key: Cow::Owned(vec![ECDSA, Algorithm::Ed25519]),
        cipher: Cow::Borrowed(&[
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::HashAlg;

    use super::*;

    /// A host key that changes with an update of a library would alarm every client that knows it.
    #[test]
    fn host_keys_never_change() {
        let prints: Vec<String> = host_keys(&Seed::new([3; 32]))
            .iter()
            .map(|k| format!("{} {}", k.algorithm(), k.fingerprint(HashAlg::Sha256)))
            .collect();
        insta::assert_snapshot!(prints.join("\n"), @r"
        ecdsa-sha2-nistp256 SHA256:pFsB5BOT6BIvTbxV0FOt5kSoNvyeBHcaDABT7OS1EKA
        ssh-ed25519 SHA256:QTR/OnhoGSn1bwKs2+oIIwFrkytP1r/1dWXM29k+5yE
        ");
        assert_eq!(host_keys(&Seed::new([4; 32])).len(), 2);
    }
}
