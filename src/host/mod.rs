//! The host under the program: processes, descriptors, the sandbox, the state directory.
//!
//! The only `unsafe` of the program is in [`sys`].

pub mod arp;
pub mod capture;
pub mod net;
pub mod nft;
pub mod notify;
pub mod probe;
pub mod sandbox;
pub mod state_dir;
pub(crate) mod stdio;
pub(crate) mod sys;

pub use state_dir::{StateDir, StateDirError};
