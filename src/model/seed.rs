//! The seed of a decky's appearance.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The generator that [`Seed::rng`] hands out.
pub type SeedRng = ChaCha20Rng;

/// 32 random bytes made when a decky is first recorded. Everything it looks like derives from them:
/// stable across restarts and redeploys, different on every installation, never from its name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes 32 bytes that a caller at the edge drew from the system.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes, for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 32 bytes that belong to `label` alone, e.g. `ssh/ed25519`.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"decnet/1\0");
        hash.update(self.0);
        hash.update(label.as_bytes());
        hash.finalize().into()
    }

    /// A deterministic generator that belongs to `label` alone.
    pub fn rng(&self, label: &str) -> SeedRng {
        ChaCha20Rng::from_seed(self.derive(label))
    }

    /// A child seed that belongs to `label` alone, e.g. one decky of a deploy.
    pub fn child(&self, label: &str) -> Self {
        Self(self.derive(label))
    }

    /// A number in `0..bound` that belongs to `label` alone; 0 when `bound` is 0.
    pub fn number(&self, label: &str, bound: u64) -> u64 {
        let bytes = self.derive(label);
        let mut word = [0u8; 8];
        word.copy_from_slice(&bytes[..8]);
        u64::from_le_bytes(word).checked_rem(bound).unwrap_or(0)
    }

    /// One of `items` that belongs to `label` alone; none when there are none.
    pub fn pick<'a, T>(&self, label: &str, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.number(label, items.len() as u64)).unwrap_or(0))
    }
}

/// Never shows the bytes: keys and passwords derive from them.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl TryFrom<String> for Seed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = hex::decode(&text).map_err(|_| "a seed is 64 hex digits".to_owned())?;
        Ok(Self(bytes.try_into().map_err(|_| "a seed is 64 hex digits".to_owned())?))
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        hex::encode(seed.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_apart_and_stable() {
        let seed = Seed::new([7; 32]);
        assert_ne!(seed.derive("a"), seed.derive("b"));
        assert_eq!(seed.number("x", 10), seed.number("x", 10));
        assert_eq!(seed.number("x", 0), 0);
        assert_eq!(seed.pick::<u8>("x", &[]), None);
        assert_eq!(format!("{seed:?}"), "Seed(..)");
        assert_eq!(Seed::try_from(String::from(seed.clone())).unwrap(), seed);
    }
}
