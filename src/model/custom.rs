//! Services of the operator's own.

use serde::{Deserialize, Serialize};

/// A `[custom-*]` service: an operator's own, known to the fleet once deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomService {
    /// The slug after `custom-`.
    pub slug: String,
    /// Container image, DECNET's `binary`; may be empty.
    #[serde(default)]
    pub binary: String,
    /// Command, DECNET's `exec`.
    #[serde(default)]
    pub exec: Vec<String>,
    /// TCP ports.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// UDP ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub udp_ports: Vec<u16>,
    /// What the embedded engine says for it.
    #[serde(default, skip_serializing_if = "Talk::is_default")]
    pub talk: Talk,
}

/// A conversation as its file has it; [`Conversation`](super::Conversation) is what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Talk {
    /// Said to whoever connects.
    pub banner: String,
    /// `pattern => reply`, the first that fits wins.
    pub answers: Vec<String>,
    /// Said to what no pattern fits.
    pub default: String,
    /// Whether the connection ends after the first reply, or the banner where there is none.
    pub close: bool,
    /// Seconds of silence after which the connection ends.
    pub timeout: Option<u16>,
    /// Whether TCP connections are TLS from their first byte.
    pub tls: bool,
}

impl Talk {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anything is said at all.
    fn speaks(&self) -> bool {
        !(self.banner.is_empty() && self.answers.is_empty() && self.default.is_empty()) || self.close
    }
}

impl CustomService {
    /// Why the embedded engine cannot play it, as the end of a sentence that begins with its name.
    pub fn unplayable(&self) -> Option<&'static str> {
        let program = !self.binary.is_empty() || !self.exec.is_empty();
        if program && !self.talk.speaks() {
            Some("has a `binary` or `exec` and no conversation, which needs the docker engine")
        } else if self.ports.is_empty() && self.udp_ports.is_empty() {
            Some("has no ports")
        } else {
            None
        }
    }
}
