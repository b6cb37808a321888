//! Packet rules by nf_tables: what deckies may send, and how their packets look.
//!
//! Written straight to the kernel over netlink; only the expressions that the rules here need.

mod batch;
mod disguise;
mod expr;
mod fence;
mod message;
mod parent;
mod phrases;
mod relay;
mod socket;

pub use disguise::Os;
pub use fence::{Fence, MARK, Numbering, read_drops};
pub use parent::{Entry, ParentTable};
pub use relay::relay;
pub use socket::NftError;
