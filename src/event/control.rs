//! What the supervisor and the event writer say to each other.
//!
//! One JSON object a message over a `SOCK_SEQPACKET` socket; a descriptor may come along. The first
//! message is `config`. The writer answers `stats` and nothing else.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::model::{DeckyName, LogTarget};

/// Longest message in bytes.
const MESSAGE_MAX: usize = 64 * 1024;
/// Size of one event file, in bytes, before the next is begun.
pub const SEGMENT: u64 = 16 << 20;
/// Size of all event files together, in bytes.
pub const QUOTA: u64 = 256 << 20;

/// A message to the writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Message {
    /// Where and how much to write. Comes first, once.
    Config {
        /// The events directory; made with mode 0700 when it is not there.
        dir: PathBuf,
        /// Most bytes of all event files.
        #[serde(default = "default_quota")]
        quota: u64,
        /// Most bytes of one.
        #[serde(default = "default_segment")]
        segment: u64,
        /// Where to forward to.
        #[serde(default)]
        log_target: Option<LogTarget>,
        /// Addresses of that; see [`resolve`].
        #[serde(default)]
        addresses: Vec<SocketAddr>,
    },
    /// The receiving end of a worker's event socket comes along.
    Add {
        /// Whose worker; none: the observer's, whose events say themselves which decky they are about.
        decky: Option<DeckyName>,
    },
    /// A new place to forward to, or none.
    LogTarget {
        /// Where.
        #[serde(default)]
        log_target: Option<LogTarget>,
        /// Addresses of that; see [`resolve`].
        #[serde(default)]
        addresses: Vec<SocketAddr>,
    },
    /// Asks for [`Stats`].
    Stats,
}

fn default_quota() -> u64 {
    QUOTA
}

fn default_segment() -> u64 {
    SEGMENT
}

/// What the writer counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Workers it listens to.
    pub workers: u64,
    /// Events written.
    pub written: u64,
    /// Events that the disk did not take; their sequence numbers are missing in the files.
    pub lost: u64,
    /// Datagrams of workers that were no events.
    pub invalid: u64,
    /// Sequence number of the newest event.
    pub sequence: u64,
    /// Bytes of all event files.
    pub bytes: u64,
    /// What the disk said last, when it did not take something.
    pub disk_error: Option<String>,
    /// Log messages sent.
    pub forwarded: u64,
    /// Log messages that found no receiver or no room.
    pub forward_lost: u64,
    /// What the receiver's side said last, when it did not take something.
    pub forward_error: Option<String>,
    /// What shuts the writer in.
    pub sandbox: Option<String>,
}

/// Addresses of a log target. Blocks while a name is looked up: not for the writer, which cannot
/// look up anything, but for the supervisor, which sends the answer along.
///
/// # Errors
/// The name is unknown or the name service does not answer.
pub fn resolve(target: &LogTarget) -> io::Result<Vec<SocketAddr>> {
    match target.host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, target.port)]),
        Err(_) => Ok((target.host.as_str(), target.port).to_socket_addrs()?.collect()),
    }
}

/// Sends a message, and a descriptor with it.
///
/// # Errors
/// The other side is gone, or (on a non-blocking socket) has no room.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, along: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    // Plain where it can be: the writer's sandbox has no `sendmsg`.
    let Some(fd) = along else {
        rustix::net::send(socket, &json, SendFlags::NOSIGNAL)?;
        return Ok(());
    };
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(&json)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// What [`receive`] got.
#[derive(Debug)]
pub enum Received<T> {
    /// A message, and the descriptor that came along.
    Message(T, Option<OwnedFd>),
    /// Something that is no message, and why.
    Invalid(String),
    /// The other side closed the socket.
    End,
}

/// Receives one message; waits for it unless the socket is non-blocking.
///
/// # Errors
/// Those of `recvmsg(2)`.
pub fn receive<T: for<'de> Deserialize<'de>>(socket: impl AsFd) -> io::Result<Received<T>> {
    let mut buffer = vec![0u8; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut along = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            along = fds.last().or(along);
        }
    }
    if got.bytes == 0 {
        return Ok(Received::End);
    }
    let json = buffer.get(..got.bytes).unwrap_or_default();
    Ok(match serde_json::from_slice(json) {
        Ok(message) => Received::Message(message, along),
        Err(error) => Received::Invalid(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn messages_and_descriptors_arrive() {
        let (a, b) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let add = Message::Add { decky: Some("web-01".parse().unwrap()) };
        send(&a, &add, Some(b.as_fd())).unwrap();
        send(&a, &Message::Stats, None).unwrap();
        rustix::net::send(&a, b"{\"op\":\"dance\"}", SendFlags::empty()).unwrap();
        assert!(matches!(receive::<Message>(&b).unwrap(), Received::Message(m, Some(_)) if m == add));
        assert!(matches!(receive::<Message>(&b).unwrap(), Received::Message(Message::Stats, None)));
        assert!(matches!(receive::<Message>(&b).unwrap(), Received::Invalid(_)));
        drop(a);
        assert!(matches!(receive::<Message>(&b).unwrap(), Received::End));
    }

    #[test]
    fn config_has_defaults() {
        let config: Message =
            serde_json::from_str(r#"{"op":"config","dir":"/x/events","log_target":null}"#).unwrap();
        let Message::Config { quota, segment, log_target, .. } = config else { panic!("no config") };
        assert_eq!((quota, segment, log_target), (QUOTA, SEGMENT, None));
    }

    #[test]
    fn addresses_need_no_lookup() {
        let target = "tcp://192.0.2.1:601".parse().unwrap();
        assert_eq!(resolve(&target).unwrap(), ["192.0.2.1:601".parse().unwrap()]);
    }
}
