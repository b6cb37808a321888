//! A packet socket that sends and receives ARP on one interface.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with, sockopt,
};

use super::error::ArpError;
use super::frame::{ETHERTYPE, Frame};
use crate::host::sys;
use crate::model::Mac;

/// Hardware types (`linux/if_arp.h`).
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
/// Room for the answers of a few hundred machines at once; the kernel gives what it allows.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long a full transmit queue is waited for, once a millisecond.
const PATIENCE: u32 = 100;

/// ARP on one interface. Sees what comes from the wire, not what leaves.
#[derive(Debug)]
pub(super) struct ArpSocket {
    fd: OwnedFd,
    interface: u32,
    /// The interface's own hardware address.
    pub(super) mac: Mac,
}

impl ArpSocket {
    /// Opens it in the network namespace of the calling thread.
    pub(super) fn open(interface: u32) -> Result<Self, ArpError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol before it is bound: nothing of other interfaces gets in.
        let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
            .map_err(|error| ArpError::from_io("cannot open a packet socket", error.into()))?;
        // A small buffer is no reason to fail: probes are repeated.
        let _ = sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER);
        let link = sys::bind_packet(fd.as_fd(), interface, ETHERTYPE)
            .map_err(|error| ArpError::from_io("cannot bind the packet socket", error))?;
        match link.hardware {
            ARPHRD_ETHER => Ok(Self { fd, interface, mac: Mac(link.address) }),
            ARPHRD_LOOPBACK => Err(ArpError::Loopback),
            other => Err(ArpError::NotEthernet(other)),
        }
    }

    /// Has the network card pass what is addressed to `mac`, as answers to that machine's questions are.
    pub(super) fn listen_for(&self, mac: Mac) -> Result<(), ArpError> {
        if mac == self.mac {
            return Ok(());
        }
        sys::accept_unicast(self.fd.as_fd(), self.interface, mac.0)
            .map_err(|error| ArpError::from_io("the interface takes no further hardware address", error))
    }

    /// Sends a frame; waits for a full queue.
    pub(super) fn send(&self, frame: &Frame) -> Result<(), ArpError> {
        let bytes = frame.encode();
        let mut patience = PATIENCE;
        loop {
            match send(&self.fd, &bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) if patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(ArpError::from_io("cannot send ARP", error.into())),
            }
        }
    }

    /// The next frame that is ARP for IPv4, if one is there. Looks at no more than `budget` frames, and
    /// counts them down.
    pub(super) fn receive(&self, budget: &mut u32) -> Result<Option<Frame>, ArpError> {
        // Longer frames are cut; ARP for IPv4 fits.
        let mut buffer = [0u8; 64];
        while *budget > 0 {
            match recv(&self.fd, &mut buffer, RecvFlags::empty()) {
                Ok((length, _)) => {
                    *budget -= 1;
                    if let Some(Ok(frame)) = buffer.get(..length).map(Frame::parse) {
                        return Ok(Some(frame));
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(ArpError::from_io("cannot receive ARP", error.into())),
            }
        }
        Ok(None)
    }

    /// Waits for a frame, at most `limit`.
    pub(super) fn wait(&self, limit: Duration) -> Result<(), ArpError> {
        let limit = Timespec::try_from(limit).ok();
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(ArpError::from_io("cannot wait for ARP", error.into())),
        }
    }
}

impl AsFd for ArpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The hardware address of an Ethernet interface: on ipvlan that of every decky.
///
/// # Errors
/// As [`probe`](super::probe).
pub fn hardware_address(interface: u32) -> Result<Mac, ArpError> {
    ArpSocket::open(interface).map(|socket| socket.mac)
}

/// The number of the interface called `name`, in the network namespace of the calling thread.
///
/// # Errors
/// [`ArpError::Gone`] when there is none.
pub fn interface_index(name: &str) -> Result<u32, ArpError> {
    let failed = |error: Errno| ArpError::from_io("cannot look up the interface", io::Error::from(error));
    let any = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).map_err(failed)?;
    rustix::net::netdevice::name_to_index(&any, name).map_err(failed)
}

/// Random times, for the waits that are to differ from machine to machine.
pub(super) fn dice(limit: Duration) -> Duration {
    let mut bytes = [0u8; 4];
    // Without randomness everything waits its longest: slower, and nothing else.
    if getrandom::fill(&mut bytes).is_err() {
        return limit;
    }
    let share = f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX);
    limit.mul_f64(share)
}
