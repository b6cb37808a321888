//! The process that workers are forked from.
//!
//! An exec'd worker pays for its own image: a third of a megabyte of relocated pages that are the same
//! in every worker, and milliseconds. So one process is exec'd, and each worker is a fork of it that
//! shares those pages. The nursery reads no byte of an attacker, opens no specification, keeps no
//! descriptor but its control socket, and draws no random number: what it drew, every worker would draw.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{OwnedFd, RawFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg};
use rustix::process::getppid;

use super::WorkerError;
use crate::host::name_process;
use crate::host::sandbox;
use crate::host::sys::{self, FIRST_FD, Forked};

/// Most descriptors of one worker: what the kernel passes in one message (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Forks a worker for every message on the socket `control_fd`, until that ends. A message is one byte
/// with the worker's descriptors along, the specification first; the answer is the worker's process
/// id or, negative, an error number, as four bytes. A worker is the *supervisor's* child.
///
/// Must be called first thing in a process of its own, from its only thread: it closes every
/// descriptor but 0, 1, 2 and `control_fd`.
///
/// # Errors
/// See [`WorkerError`]: in the nursery when its control socket fails, in a worker when it cannot serve.
pub fn run(control_fd: RawFd) -> Result<(), WorkerError> {
    sys::ignore_signals(sys::Terminate::Ends);
    sandbox::die_with_parent()?;
    // Were it gone already, the line above would have been too late, and a worker's control socket
    // would be at its end.
    let supervisor = getppid();
    sys::close_others(&[control_fd]);
    let control = super::inherit(control_fd, "the control socket")?;
    name_process("decnet-nursery");
    sandbox::prepare()?;
    while let Some(fds) = receive(&control)? {
        let answer = match sys::fork_sibling() {
            Ok(Forked::Child) => {
                drop(control);
                sandbox::die_with_parent()?;
                if getppid() != supervisor {
                    return Ok(());
                }
                name_process("decnet-worker");
                sys::renumber(fds)?;
                return super::run(FIRST_FD);
            }
            Ok(Forked::Parent(pid)) => pid.as_raw_pid(),
            Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
        };
        drop(fds);
        rustix::net::send(&control, &answer.to_ne_bytes(), SendFlags::NOSIGNAL).map_err(io::Error::from)?;
    }
    Ok(())
}

/// The descriptors of the next worker; none at the end.
fn receive(control: &OwnedFd) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if got.bytes == 0 {
        return Ok(None);
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("descriptors were lost on the way"));
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    Ok(Some(fds))
}
