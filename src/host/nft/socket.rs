//! The netlink socket that rules go through.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use netlink_packet_core::{NLMSG_ERROR, NetlinkBuffer, NlasIterator};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};

use super::batch::{Batch, get_counter};
use super::message::Family;

/// Answers come at once; this only keeps a lost one from hanging the caller.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: usize = 32 * 1024;
/// Room for a transaction with thousands of elements: the kernel takes it in one piece.
const ROOM: usize = 4 << 20;

/// The kernel refused packet rules, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}{}", reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
pub struct NftError {
    /// What was being done.
    pub doing: String,
    /// What the kernel said.
    pub source: io::Error,
    /// The same in its own words, where it has some.
    pub reason: Option<String>,
}

impl NftError {
    pub(super) fn new(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { doing: doing.into(), source: source.into(), reason: None }
    }

    /// The error number.
    pub fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }
}

/// A socket to the packet rules of one namespace.
pub(super) struct Nfnetlink {
    socket: Socket,
    sequence: u32,
    answer: Vec<u8>,
}

impl std::fmt::Debug for Nfnetlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nfnetlink").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}

impl Nfnetlink {
    /// A socket for the namespace of the calling thread.
    pub(super) fn open() -> Result<Self, NftError> {
        let opened = (|| -> io::Result<Socket> {
            let socket = Socket::new(NETLINK_NETFILTER)?;
            // Both since Linux 4.12; without them there is only less to say.
            let _ = socket.set_ext_ack(true).and_then(|()| socket.set_cap_ack(true));
            sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        })();
        match opened {
            Ok(socket) => Ok(Self { socket, sequence: 0, answer: Vec::with_capacity(ANSWER) }),
            Err(error) => Err(NftError::new("open a socket to the packet rules", error)),
        }
    }

    /// Makes a transaction.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), NftError> {
        let requests = batch.requests();
        let Some(opening) = requests.first() else { return Ok(()) };
        let begin = self.sequence.wrapping_add(1);
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        let last = begin.wrapping_add(count);
        self.sequence = last.wrapping_add(1);
        let bytes = batch.bytes(begin);
        let lost = |error: io::Error| NftError::new(opening.doing.clone(), error);
        self.make_room(bytes.len());
        self.socket.send(&bytes, 0).map_err(lost)?;
        let mut failed: Option<NftError> = None;
        loop {
            let mut done = false;
            self.receive(|number, payload| {
                let at = number.wrapping_sub(begin);
                // Anything else is the late answer to a request somebody gave up on.
                if at > count {
                    return;
                }
                let refused = refusal(payload);
                // The first number speaks of the transaction as a whole.
                done |= number == last || (number == begin && refused.is_some());
                if let (None, Some((errno, reason))) = (&failed, refused) {
                    let place = (at as usize).checked_sub(1).and_then(|at| requests.get(at));
                    let doing = place.map_or("change the packet rules", |request| request.doing.as_str());
                    failed = Some(NftError { doing: doing.to_owned(), source: errno.into(), reason });
                }
            })
            .map_err(lost)?;
            if done {
                return failed.map_or(Ok(()), Err);
            }
        }
    }

    /// Packets that a named counter has counted; none when there is no such counter.
    pub(super) fn packets(
        &mut self,
        family: Family,
        table: &str,
        name: &str,
    ) -> Result<Option<u64>, NftError> {
        let doing = "read a counter of the packet rules";
        self.sequence = self.sequence.wrapping_add(1);
        let asked = self.sequence;
        let lost = |error: io::Error| NftError::new(doing, error);
        self.socket.send(&get_counter(family, table, name, asked), 0).map_err(lost)?;
        let mut packets = None;
        loop {
            let mut ended = None;
            self.receive_all(|kind, number, payload| {
                if number != asked {
                    return;
                }
                if kind == NLMSG_ERROR {
                    ended = Some(refusal(payload));
                } else {
                    packets = packets.or_else(|| counted(payload));
                }
            })
            .map_err(lost)?;
            match ended {
                None => {}
                Some(None) => return Ok(packets),
                Some(Some((Errno::NOENT, _))) => return Ok(None),
                Some(Some((errno, reason))) => {
                    return Err(NftError { doing: doing.to_owned(), source: errno.into(), reason });
                }
            }
        }
    }

    fn make_room(&self, bytes: usize) {
        let enough =
            sockopt::socket_send_buffer_size(&self.socket).is_ok_and(|room| room > bytes.saturating_mul(2));
        if !enough {
            // Beyond the usual limit with CAP_NET_ADMIN only; what is still too long fails in `send`.
            let _ = sockopt::set_socket_send_buffer_size_force(&self.socket, ROOM)
                .or_else(|_| sockopt::set_socket_send_buffer_size(&self.socket, ROOM));
        }
    }

    fn receive(&mut self, mut each: impl FnMut(u32, &[u8])) -> io::Result<()> {
        self.receive_all(|kind, number, payload| {
            if kind == NLMSG_ERROR {
                each(number, payload);
            }
        })
    }

    fn receive_all(&mut self, mut each: impl FnMut(u16, u32, &[u8])) -> io::Result<()> {
        self.answer.clear();
        self.socket.recv(&mut self.answer, 0)?;
        let mut rest = self.answer.as_slice();
        while let Ok(message) = NetlinkBuffer::new_checked(rest) {
            let length = (message.length() as usize).next_multiple_of(4);
            each(message.message_type(), message.sequence_number(), message.payload());
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The error number and words in `struct nlmsgerr`; none: it is an acknowledgement.
fn refusal(payload: &[u8]) -> Option<(Errno, Option<String>)> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    const HEADERS: usize = 4 + 16;
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    if code >= 0 {
        return None;
    }
    let words = NlasIterator::new(payload.get(HEADERS..).unwrap_or_default())
        .map_while(Result::ok)
        .find(|a| a.kind() == NLMSGERR_ATTR_MSG)
        .map(|a| String::from_utf8_lossy(a.value()).trim_end_matches('\0').to_owned());
    Some((Errno::from_raw_os_error(code.saturating_neg()), words))
}

/// NFTA_COUNTER_PACKETS in NFTA_OBJ_DATA of NFT_MSG_NEWOBJ.
fn counted(payload: &[u8]) -> Option<u64> {
    const NFGENMSG: usize = 4;
    const NFTA_OBJ_DATA: u16 = 4;
    const NFTA_COUNTER_PACKETS: u16 = 2;
    let find = |bytes: &[u8], kind| -> Option<Vec<u8>> {
        let found = NlasIterator::new(bytes).map_while(Result::ok).find(|a| a.kind() == kind)?;
        Some(found.value().to_vec())
    };
    let data = find(payload.get(NFGENMSG..)?, NFTA_OBJ_DATA)?;
    find(&data, NFTA_COUNTER_PACKETS)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::nft::message::Attributes;

    #[test]
    fn reads_errors_and_counters() {
        let mut payload = (-libc::EBUSY).to_ne_bytes().to_vec();
        payload.extend([0; 16]);
        assert_eq!(refusal(&payload), Some((Errno::BUSY, None)));
        assert_eq!(refusal(&0i32.to_ne_bytes()), None);
        assert_eq!(refusal(&[]), None);

        let data = Attributes::default().long(1, 900).long(2, 17);
        let object = Attributes::default().text(1, "t").text(2, "drops").nest(4, &data);
        let bytes = super::super::message::message(
            super::super::message::Kind::NewObject,
            Family::Netdev,
            0,
            1,
            &object,
        );
        assert_eq!(counted(&bytes[16..]), Some(17));
        assert_eq!(counted(&bytes[16..40]), None);
    }
}
