//! Waiting for a link to change: a cable pulled, an interface renamed, gone or back.

use std::io;
use std::os::fd::AsFd;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host::sys;

/// Tells when links of this namespace changed. What they are now is to be looked up: a message may have
/// been lost, and several changes may come as one.
#[derive(Debug)]
pub struct LinkWatch {
    socket: AsyncFd<std::os::fd::OwnedFd>,
}

impl LinkWatch {
    /// Listens in the namespace of the calling thread, on the runtime of this thread.
    ///
    /// # Errors
    /// No netlink, or no descriptors.
    pub fn new() -> io::Result<Self> {
        let groups = u32::try_from(libc::RTMGRP_LINK).unwrap_or(1);
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket: sys::watch(socket.as_fd().try_clone_to_owned()?, Interest::READABLE)? })
    }

    /// Waits for a change. Safe to cancel.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub async fn changed(&self) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let mut buffer = [0u8; 8192];
        loop {
            match rustix::io::read(ready.get_inner(), &mut buffer) {
                // Lost messages are changes too.
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => break ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
