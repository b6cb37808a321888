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

/// Gives this process the name that `ps` and `top` show; at most 15 bytes of it. One without works as well.
pub fn name_process(name: &str) {
    let _ = std::ffi::CString::new(name).map(|name| rustix::thread::set_name(&name));
}

pub use state_dir::{StateDir, StateDirError};
