//! The challenge of res_pjsip_authenticator_digest, and what comes back.

use std::net::IpAddr;
use std::sync::OnceLock;

/// Seconds a nonce is good for.
const NONCE_SECS: u64 = 32;
/// Longest value of a parameter that is looked at.
const VALUE_MAX: usize = 512;

/// Makes nonces and knows its own: they hold the time and a hash, so nothing is kept of them.
#[derive(Default)]
pub(super) struct Challenger {
    secret: OnceLock<[u8; 16]>,
}

/// What an `Authorization` header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) response: String,
    pub(super) algorithm: String,
    pub(super) qop: String,
    pub(super) nc: String,
    pub(super) cnonce: String,
}

/// What a nonce that came back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nonce {
    /// One of ours, to this address.
    Ours,
    /// The same, too old.
    Stale,
    /// Somebody's else.
    Foreign,
}

impl Challenger {
    /// A nonce for `peer` at `now`, seconds since 1970: `time/hash`.
    pub(super) fn nonce(&self, peer: IpAddr, now: u64) -> String {
        let secret = self.secret.get_or_init(|| {
            let mut bytes = [0u8; 16];
            // Without randomness nonces could be guessed, and prove less; better than no service.
            let _ = getrandom::fill(&mut bytes);
            bytes
        });
        let hash = md5::compute(format!("{now}:{peer}:{}:asterisk", hex::encode(secret)));
        format!("{now}/{hash:x}")
    }

    pub(super) fn check(&self, nonce: &str, peer: IpAddr, now: u64) -> Nonce {
        let time = nonce.split_once('/').and_then(|(time, _)| time.parse::<u64>().ok());
        match time {
            Some(time) if self.nonce(peer, time) == nonce => {
                if now.saturating_sub(time) <= NONCE_SECS {
                    Nonce::Ours
                } else {
                    Nonce::Stale
                }
            }
            _ => Nonce::Foreign,
        }
    }
}

impl Credentials {
    /// Reads `Digest username="…", …`; none when it is something else.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut found = Self::default();
        for _ in 0..24 {
            rest = rest.trim_start_matches([' ', ',', '\t']);
            let Some((key, after)) = rest.split_once('=') else { break };
            let after = after.trim_start();
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            rest = after;
            let value = value.trim();
            let value = value.get(..value.floor_char_boundary(VALUE_MAX)).unwrap_or_default();
            let slot = match key.trim().to_ascii_lowercase().as_str() {
                "username" => &mut found.username,
                "realm" => &mut found.realm,
                "nonce" => &mut found.nonce,
                "uri" => &mut found.uri,
                "response" => &mut found.response,
                "algorithm" => &mut found.algorithm,
                "qop" => &mut found.qop,
                "nc" => &mut found.nc,
                "cnonce" => &mut found.cnonce,
                _ => continue,
            };
            value.clone_into(slot);
        }
        Some(found)
    }

    /// Whether it is the response of `user` with `password` (RFC 2617 §3.2.2).
    pub(super) fn is_of(&self, method: &str, user: &str, password: &str) -> bool {
        let hash = |text: String| format!("{:x}", md5::compute(text));
        let one = hash(format!("{user}:{}:{password}", self.realm));
        let two = hash(format!("{method}:{}", self.uri));
        let Self { nonce, nc, cnonce, qop, .. } = self;
        let middle = if qop.is_empty() { nonce.clone() } else { format!("{nonce}:{nc}:{cnonce}:{qop}") };
        self.username == user && self.response.eq_ignore_ascii_case(&hash(format!("{one}:{middle}:{two}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_checked() {
        // The example of RFC 2617 §3.5.
        let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
            cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let credentials = Credentials::parse(header).unwrap();
        assert_eq!((credentials.qop.as_str(), credentials.nc.as_str()), ("auth", "00000001"));
        assert!(credentials.is_of("GET", "Mufasa", "Circle Of Life"));
        assert!(!credentials.is_of("GET", "Mufasa", "circle of life"));
        assert!(!credentials.is_of("GET", "mufasa", "Circle Of Life"));
        assert!(Credentials::parse("Basic eDp5").is_none() && Credentials::parse("Digest").is_none());
        assert_eq!(Credentials::parse("Digest a"), Some(Credentials::default()));
    }

    #[test]
    fn nonces_are_of_one_address_and_time() {
        let challenger = Challenger::default();
        let (here, there) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let nonce = challenger.nonce(here, 1000);
        assert_eq!(challenger.check(&nonce, here, 1010), Nonce::Ours);
        assert_eq!(challenger.check(&nonce, here, 1100), Nonce::Stale);
        assert_eq!(challenger.check(&nonce, there, 1010), Nonce::Foreign);
        assert_eq!(challenger.check("1000/0", here, 1010), Nonce::Foreign);
        assert_ne!(Challenger::default().nonce(here, 1000), nonce);
    }
}
