//! The supervisor's side of the nursery, the process that workers are forked from.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, sendmsg, socketpair,
};
use rustix::process::Pid;

use super::process::Process;

/// Most descriptors of one worker: what the kernel passes in one message (`SCM_MAX_FD`).
const MOST: usize = 253;
/// How long a fork may take; it takes a fraction of a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the nursery may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Starts workers. The process behind it is started when it is needed, and again when it died.
#[derive(Default)]
pub(super) struct Nursery {
    live: Option<Live>,
}

struct Live {
    process: Process,
    control: OwnedFd,
}

impl Nursery {
    /// Starts a worker with `fds` as its descriptors 3, 4, 5, …, as a child of this process. Waits for
    /// it: a fork is quicker than a turn of the runtime.
    pub(super) fn fork(&mut self, fds: &[BorrowedFd<'_>]) -> io::Result<Process> {
        if fds.len() > MOST {
            return Err(io::Error::other(format!("it needs {} descriptors, {MOST} is the most", fds.len())));
        }
        let live = match self.live.take() {
            Some(live) => match send(&live.control, fds) {
                Ok(()) => live,
                // It died since.
                Err(_) => Live::start_with(live, fds)?,
            },
            None => Live::start(fds)?,
        };
        let answer = hear(&live.control);
        if answer.is_ok() {
            self.live = Some(live);
        } else {
            live.end(Duration::ZERO);
        }
        match answer? {
            pid if pid > 0 => Process::adopt(Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?),
            errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        }
    }

    /// The process, while there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.live.as_ref().map(|live| live.process.pid())
    }

    /// Workers that start from now on share no addresses with those before.
    pub(super) fn renew(&mut self) {
        if let Some(live) = self.live.take() {
            live.end(GRACE);
        }
    }

    /// Ends the process; its workers stay.
    pub(super) async fn close(mut self) {
        if let Some(Live { process, control }) = self.live.take() {
            drop(control);
            // It was killed then; there is nobody left to tell.
            let _ = process.end(GRACE).await;
        }
    }
}

impl Live {
    /// Starts the process, and sends it the first order.
    fn start(fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&control, Timeout::Send, Some(PATIENCE))?;
        set_socket_timeout(&control, Timeout::Recv, Some(PATIENCE))?;
        let process = Process::spawn("__workers", &[theirs.as_fd()])?;
        send(&control, fds)?;
        Ok(Self { process, control })
    }

    fn start_with(dead: Self, fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        dead.end(Duration::ZERO);
        Self::start(fds)
    }

    /// Sees to its end in the background.
    fn end(self, grace: Duration) {
        drop(self.control);
        // Killed if need be; there is nobody to tell.
        tokio::spawn(self.process.end(grace));
    }
}

fn send(control: &OwnedFd, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(fds));
    rustix::io::retry_on_intr(|| {
        sendmsg(control, &[IoSlice::new(b"w")], &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

fn hear(control: &OwnedFd) -> io::Result<i32> {
    let mut answer = [0u8; 4];
    let (bytes, _) = rustix::io::retry_on_intr(|| recv(control, &mut answer, RecvFlags::empty()))?;
    if bytes == answer.len() {
        Ok(i32::from_ne_bytes(answer))
    } else {
        Err(io::Error::other("the process that forks workers ended"))
    }
}
