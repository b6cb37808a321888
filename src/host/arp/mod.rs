//! Whether an address of the LAN is free, saying that it is taken, and noticing when another machine takes
//! it as well (RFC 5227).
//!
//! ```text
//! probe ──▶ free ──▶ (the address is claimed) ──▶ announce ──▶ Sentry: defend, or give up
//!       └─▶ conflict: nothing else is ever sent about it
//! ```
//!
//! Every frame of this folder leaves by the parent interface, from the hardware address of the decky it is
//! about: to the LAN it is that machine that asks. Probes have no sender address, so they change nobody's
//! table; announcements are made by [`announce`] and [`Sentry`] alone.

mod announce;
mod defend;
mod error;
pub mod frame;
mod probe;
mod schedule;
mod socket;

pub use announce::{Lost, Sentry, announce};
pub use defend::{DEFEND_INTERVAL, Defender, Verdict};
pub use error::ArpError;
pub use probe::{Conflict, probe};
pub use schedule::MOST_PER_SECOND;
pub use socket::{hardware_address, interface_index};

/// How much time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Three probes 150 ms apart, answers awaited for 150 ms: wired links answer within a few milliseconds.
    Fast,
    /// The times of RFC 5227: five to seven seconds.
    Full,
}
