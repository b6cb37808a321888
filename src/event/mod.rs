//! What attackers did: the one event type, how it is written, forwarded and read back.
//!
//! Nothing here trusts a byte: text that came over the wire is escaped where it is written, and the
//! raw bytes are kept as base64.

pub mod cast;
pub mod control;
pub mod escape;
pub mod hash;
pub mod line;
pub mod read;
mod record;
pub mod replay;
mod segment;
pub mod syslog;
pub mod writer;

pub use record::{Bytes, Event, FIELD_MAX, Kind, ParseKindError, SecretKind};

/// Longest event on its way from a worker to the writer, in bytes of JSON.
pub const DATAGRAM_MAX: usize = 64 * 1024;
