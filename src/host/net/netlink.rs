//! Links, addresses and routes by rtnetlink(7), synchronously, over one socket.
//!
//! A socket works on the namespace it was opened in, wherever its thread goes afterwards.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};

use super::link::{self, Address, Child, LOOPBACK_INDEX, Link, Route};
use crate::model::Mac;

/// Answers come at once; this only keeps a lost one from hanging the caller.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel's longest answer is 32 KiB.
const ANSWER: usize = 64 * 1024;

/// The kernel refused, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}{}", reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
pub struct NetlinkError {
    /// What was being done.
    pub doing: String,
    /// What the kernel said.
    pub source: io::Error,
    /// The same in its own words, where it has some.
    pub reason: Option<String>,
}

impl NetlinkError {
    fn new(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { doing: doing.into(), source: source.into(), reason: None }
    }

    /// The error number.
    pub fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }
}

/// One request of a batch.
struct Request {
    doing: String,
    flags: u16,
    message: RouteNetlinkMessage,
}

impl Request {
    fn new(doing: impl Into<String>, flags: u16, message: RouteNetlinkMessage) -> Self {
        Self { doing: doing.into(), flags, message }
    }
}

/// A socket to the kernel's routing and link tables of one namespace.
pub struct Rtnetlink {
    socket: Socket,
    sequence: u32,
    answer: Vec<u8>,
}

impl std::fmt::Debug for Rtnetlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rtnetlink").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}

impl Rtnetlink {
    /// A socket for the namespace of the calling thread.
    ///
    /// # Errors
    /// No netlink, or no descriptors.
    pub fn open() -> Result<Self, NetlinkError> {
        let opened = (|| -> io::Result<Socket> {
            let socket = Socket::new(NETLINK_ROUTE)?;
            // Both since Linux 4.12; without them there is only less to say.
            let _ = socket.set_ext_ack(true).and_then(|()| socket.set_cap_ack(true));
            sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        })();
        match opened {
            Ok(socket) => Ok(Self { socket, sequence: 0, answer: Vec::with_capacity(ANSWER) }),
            Err(error) => Err(NetlinkError::new("open a netlink socket", error)),
        }
    }

    /// All links.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        self.dump("list the links", RouteNetlinkMessage::GetLink(link::numbered(0)), Link::parse)
    }

    /// The link called `name`; none when there is none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        // IFNAMSIZ holds the closing zero too.
        if name.is_empty() || name.len() >= libc::IFNAMSIZ {
            return Ok(None);
        }
        self.one(format!("look at the link `{name}`"), link::named(name))
    }

    /// The link with this number; none when there is none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn link_at(&mut self, index: u32) -> Result<Option<Link>, NetlinkError> {
        self.one(format!("look at link {index}"), link::numbered(index))
    }

    fn one(
        &mut self,
        doing: String,
        which: netlink_packet_route::link::LinkMessage,
    ) -> Result<Option<Link>, NetlinkError> {
        let request = Request::new(doing, 0, RouteNetlinkMessage::GetLink(which));
        let mut found = None;
        match self.ask(&[request], |payload| found = found.take().or_else(|| Link::parse(payload))) {
            Ok(()) => Ok(found),
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All IPv4 addresses.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let mut which = netlink_packet_route::address::AddressMessage::default();
        which.header.family = AddressFamily::Inet;
        self.dump("list the addresses", RouteNetlinkMessage::GetAddress(which), Address::parse)
    }

    /// The best IPv4 default route of the main table.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn default_route(&mut self) -> Result<Option<Route>, NetlinkError> {
        let mut which = netlink_packet_route::route::RouteMessage::default();
        which.header.address_family = AddressFamily::Inet;
        let routes = self.dump("list the routes", RouteNetlinkMessage::GetRoute(which), Route::parse)?;
        Ok(routes.into_iter().min_by_key(|route| route.metric))
    }

    /// Makes a link straight inside another namespace, in one message. Making it here and moving it costs
    /// twenty times as much, and shows it here for a moment.
    ///
    /// # Errors
    /// What the kernel says; [`Errno::ADDRINUSE`]: another child of the parent has this MAC.
    pub fn create_child(&mut self, child: &Child<'_>, namespace: BorrowedFd<'_>) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewLink(link::child(child, namespace.as_raw_fd()));
        self.ask(&[Request::new("make its link", NLM_F_CREATE | NLM_F_EXCL, message)], |_| {})
    }

    /// Makes a pair of links, one here and one inside another namespace; both are to be switched on.
    ///
    /// # Errors
    /// What the kernel says; [`Errno::EXIST`]: the name is taken.
    pub fn create_pair(
        &mut self,
        name: &str,
        mac: Mac,
        other: (&str, u32),
        namespace: BorrowedFd<'_>,
    ) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewLink(link::pair(name, mac, other, namespace.as_raw_fd()));
        self.ask(&[Request::new("make the host's own link", NLM_F_CREATE | NLM_F_EXCL, message)], |_| {})
    }

    /// Switches a link on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn switch_on(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewLink(link::up(index));
        self.ask(&[Request::new(format!("switch link {index} on"), 0, message)], |_| {})
    }

    /// Sends what is for `ip` out by link `index`, from the address `source`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add_host_route(
        &mut self,
        index: u32,
        ip: Ipv4Addr,
        source: Option<Ipv4Addr>,
    ) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewRoute(link::host_route(index, ip, source));
        let doing = format!("lead the host to {ip}");
        self.ask(&[Request::new(doing, NLM_F_CREATE | NLM_F_REPLACE, message)], |_| {})
    }

    /// The opposite.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_host_route(&mut self, index: u32, ip: Ipv4Addr) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::DelRoute(link::host_route(index, ip, None));
        self.ask(&[Request::new(format!("lead the host to {ip} no more"), 0, message)], |_| {})
    }

    /// Deletes a link; one that is not there is fine.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_link(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::DelLink(link::numbered(index));
        match self.ask(&[Request::new(format!("delete link {index}"), 0, message)], |_| {}) {
            Err(error) if error.errno() != Some(Errno::NODEV) => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives link `index` an address and a way out, and switches loopback on: all in one batch.
    ///
    /// # Errors
    /// What the kernel says, of the first that failed.
    pub fn configure(
        &mut self,
        index: u32,
        ip: Ipv4Addr,
        prefix: u8,
        gateway: Option<Ipv4Addr>,
    ) -> Result<(), NetlinkError> {
        let new = NLM_F_CREATE | NLM_F_REPLACE;
        let mut batch = vec![
            Request::new("switch loopback on", 0, RouteNetlinkMessage::NewLink(link::up(LOOPBACK_INDEX))),
            Request::new(
                format!("give it the address {ip}/{prefix}"),
                new,
                RouteNetlinkMessage::NewAddress(link::address(index, ip, prefix)),
            ),
        ];
        batch.extend(gateway.map(|gateway| {
            Request::new(
                format!("set its gateway {gateway}"),
                new,
                RouteNetlinkMessage::NewRoute(link::default_route(index, gateway)),
            )
        }));
        self.ask(&batch, |_| {})
    }

    fn dump<T>(
        &mut self,
        doing: &str,
        which: RouteNetlinkMessage,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let mut found = Vec::new();
        self.ask(&[Request::new(doing, NLM_F_DUMP, which)], |payload| found.extend(parse(payload)))?;
        Ok(found)
    }

    /// Sends a batch in one go and collects what comes back. The kernel answers each request; the first
    /// that failed is the one that counts.
    fn ask(&mut self, batch: &[Request], mut each: impl FnMut(&[u8])) -> Result<(), NetlinkError> {
        let Some(first) = batch.first() else { return Ok(()) };
        let mut bytes = Vec::new();
        let start = self.sequence.wrapping_add(1);
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | request.flags;
            // A dump ends with a message of its own.
            if request.flags & NLM_F_DUMP != NLM_F_DUMP {
                header.flags |= NLM_F_ACK;
            }
            header.sequence_number = self.sequence;
            let mut message =
                NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.message.clone()));
            message.finalize();
            let at = bytes.len();
            bytes.resize(at.saturating_add(message.buffer_len()).next_multiple_of(4), 0);
            message.serialize(bytes.get_mut(at..).unwrap_or_default());
        }
        let lost = |error: io::Error| NetlinkError::new(first.doing.clone(), error);
        self.socket.send(&bytes, 0).map_err(lost)?;
        let mut open = batch.len();
        let mut failed: Option<NetlinkError> = None;
        while open > 0 {
            self.answer.clear();
            self.socket.recv(&mut self.answer, 0).map_err(lost)?;
            let mut rest = self.answer.as_slice();
            while let Ok(message) = NetlinkBuffer::new_checked(rest) {
                let length = (message.length() as usize).next_multiple_of(4);
                let number = message.sequence_number().wrapping_sub(start) as usize;
                // Anything else is the late answer to a request somebody gave up on.
                if let Some(request) = batch.get(number) {
                    match message.message_type() {
                        NLMSG_ERROR | NLMSG_DONE => {
                            open = open.saturating_sub(1);
                            let error = refusal(message.payload());
                            failed = failed.or(error.map(|(errno, reason)| NetlinkError {
                                doing: request.doing.clone(),
                                source: errno.into(),
                                reason,
                            }));
                        }
                        _ => each(message.payload()),
                    }
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The error number and words in `struct nlmsgerr`, or in the end of a dump; none: it is an
/// acknowledgement.
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

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_loopback() {
        let mut netlink = Rtnetlink::open().unwrap();
        let links = netlink.links().unwrap();
        let lo = links.iter().find(|l| l.loopback).unwrap();
        assert_eq!(netlink.link(&lo.name).unwrap().as_ref(), Some(lo));
        assert_eq!(netlink.link_at(lo.index).unwrap().as_ref(), Some(lo));
        assert_eq!(netlink.link("nosuchlink").unwrap(), None);
        assert_eq!(netlink.link(&"x".repeat(40)).unwrap(), None);
        netlink.delete_link(u32::MAX >> 1).unwrap_or_else(|e| {
            assert!(matches!(e.errno(), Some(Errno::PERM)), "{e}");
        });
        netlink.addresses().unwrap();
        netlink.default_route().unwrap();
    }

    #[test]
    fn a_refusal_says_the_kernels_reason() {
        let mut payload = (-libc::EBUSY).to_ne_bytes().to_vec();
        payload.extend([0; 16]);
        payload.extend(7u16.to_ne_bytes());
        payload.extend(1u16.to_ne_bytes());
        payload.extend(b"no\0\0");
        assert_eq!(refusal(&payload), Some((Errno::BUSY, Some("no".to_owned()))));
        assert_eq!(refusal(&payload[..5]), Some((Errno::BUSY, None)));
        assert_eq!(refusal(&0i32.to_ne_bytes()), None);
        assert_eq!(refusal(&[]), None);
    }
}
