//! States: what the store says of a decky and what the engine sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DeckyName;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $err:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }

        impl std::str::FromStr for $name {
            type Err = $err;
            fn from_str(text: &str) -> Result<Self, $err> {
                match text { $($word => Ok(Self::$variant),)* other => Err($err(format!("`{other}` is no {}", $what))) }
            }
        }
    };
}
pub(crate) use words;

/// A text that is none of the known words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseStateError(pub String);

words! {
    /// The state of a decky's row (facts: upstream §6.2).
    State, ParseStateError, "decky state" {
        /// Recorded, not yet tried.
        Pending = "pending",
        /// Seen serving everything it should.
        Running = "running",
        /// Seen serving a part, or restarting.
        Degraded = "degraded",
        /// Not serving; `last_error` says why.
        Failed = "failed",
        /// On its way out.
        TearingDown = "tearing_down",
        /// Could not be removed; `last_error` says why.
        TeardownFailed = "teardown_failed",
        /// Gone. DECNET writes it; we delete the row instead.
        TornDown = "torn_down",
    }
}

words! {
    /// Where a lifecycle operation stands.
    LifecycleStatus, ParseStateError, "lifecycle status" {
        /// Recorded, not begun.
        Pending = "pending",
        /// Begun.
        Running = "running",
        /// Ended well.
        Succeeded = "succeeded",
        /// Ended badly; `error` says why.
        Failed = "failed",
    }
}

/// What the engine sees right now. "Cannot observe" is an error of the observer, never an empty map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Every decky the engine holds, by name.
    pub deckies: BTreeMap<DeckyName, ObservedDecky>,
}

/// One decky as the engine sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedDecky {
    /// `running`, `degraded` or `failed`; `pending` while it starts.
    pub state: State,
    /// Why it is not `running`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Fingerprint of the specification it runs; differs from the row's when a change is not yet applied.
    pub spec_hash: String,
    /// Process id of its worker.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How often its worker was started again after a crash.
    #[serde(default)]
    pub restarts: u32,
    /// Packets that it tried to send on its own account and was not allowed to; none off the LAN.
    #[serde(default)]
    pub drops: Option<u64>,
    /// Each service with the port it really listens on.
    #[serde(default)]
    pub services: Vec<ServiceHealth>,
}

/// One listening port of one decky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Service slug.
    pub service: String,
    /// `tcp` or `udp`.
    pub transport: super::Transport,
    /// The port on the wire, `port_offset` included.
    pub port: u16,
    /// Whether it was seen accepting.
    pub up: bool,
    /// Why not.
    #[serde(default)]
    pub reason: Option<String>,
}
