//! Links, addresses and routes: what is read of the kernel's messages, and what is asked for.

use std::net::Ipv4Addr;

use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVeth, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, MacVlanMode,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use crate::model::Mac;

/// The number of `lo` in every namespace.
pub(super) const LOOPBACK_INDEX: u32 = 1;

/// An interface, as far as anybody here wants to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What made it: `veth`, `macvlan`, `bridge`, …; empty for hardware.
    pub kind: String,
    /// Switched on.
    pub up: bool,
    /// Something answers at the other end of the cable.
    pub carrier: bool,
    /// The host's own loopback.
    pub loopback: bool,
    /// The link it belongs to: the bridge of a bridge port.
    pub controller: Option<u32>,
}

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Number of the interface.
    pub index: u32,
    /// The address.
    pub ip: Ipv4Addr,
    /// Bits of its network.
    pub prefix: u8,
}

/// A default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Number of the interface it leads through.
    pub index: u32,
    /// The next hop; none on a point-to-point link.
    pub gateway: Option<Ipv4Addr>,
    /// The lower, the better.
    pub metric: u32,
}

/// How a child shares its parent's wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildMode {
    /// A MAC of its own; children do not hear each other (`macvlan`, mode private).
    Private(Mac),
    /// A MAC of its own; children of this mode hear each other (`macvlan`, mode bridge).
    Bridge(Mac),
    /// The parent's MAC, told apart by address (`ipvlan`, mode l2).
    Shared,
}

/// A link to be made on a parent, straight inside another namespace.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// Its name there.
    pub name: &'a str,
    /// Its number there.
    pub index: u32,
    /// Number of its parent here.
    pub parent: u32,
    /// How it shares the wire.
    pub mode: ChildMode,
    /// Switched on at once.
    pub up: bool,
}

pub(super) fn child(child: &Child<'_>, namespace: i32) -> LinkMessage {
    let macvlan = |mode| InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]);
    let (kind, data, mac) = match child.mode {
        ChildMode::Private(mac) => (InfoKind::MacVlan, macvlan(MacVlanMode::Private), Some(mac)),
        ChildMode::Bridge(mac) => (InfoKind::MacVlan, macvlan(MacVlanMode::Bridge), Some(mac)),
        ChildMode::Shared => {
            (InfoKind::IpVlan, InfoData::IpVlan(vec![InfoIpVlan::Mode(IpVlanMode::L2)]), None)
        }
    };
    let mut message = LinkMessage::default();
    message.header.index = child.index;
    if child.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    message.attributes = vec![
        LinkAttribute::IfName(child.name.to_owned()),
        LinkAttribute::Link(child.parent),
        LinkAttribute::NetNsFd(namespace),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ];
    message.attributes.extend(mac.map(|Mac(bytes)| LinkAttribute::Address(bytes.to_vec())));
    message
}

/// A pair of links: one here, with this name and hardware address, the other straight inside a namespace, with its
/// name and number. Neither is switched on: there is no other end yet when the first is made.
pub(super) fn pair(name: &str, mac: Mac, other: (&str, u32), namespace: i32) -> LinkMessage {
    let mut peer = numbered(other.1);
    peer.attributes = vec![LinkAttribute::IfName(other.0.to_owned()), LinkAttribute::NetNsFd(namespace)];
    let mut message = numbered(0);
    let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))];
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.0.to_vec()),
        LinkAttribute::LinkInfo(info),
    ];
    message
}

pub(super) fn numbered(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

pub(super) fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

pub(super) fn up(index: u32) -> LinkMessage {
    let mut message = numbered(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

pub(super) fn address(index: u32, ip: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(ip.into()), AddressAttribute::Address(ip.into())];
    if prefix < 31 {
        let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let broadcast = Ipv4Addr::from(u32::from(ip) | host_bits);
        message.attributes.push(AddressAttribute::Broadcast(broadcast));
    }
    message
}

pub(super) fn default_route(index: u32, gateway: Ipv4Addr) -> RouteMessage {
    const MAIN: u8 = 254;
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes =
        vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway)), RouteAttribute::Oif(index)];
    message
}

/// To one host, straight through a link.
pub(super) fn host_route(index: u32, ip: Ipv4Addr, source: Option<Ipv4Addr>) -> RouteMessage {
    let mut message = default_route(index, ip);
    message.header.destination_prefix_length = 32;
    message.header.scope = RouteScope::Link;
    message.attributes =
        vec![RouteAttribute::Destination(RouteAddress::Inet(ip)), RouteAttribute::Oif(index)];
    message.attributes.extend(source.map(|ip| RouteAttribute::PrefSource(RouteAddress::Inet(ip))));
    message
}

/// The attributes behind a header of `skip` bytes. Those nobody wants are not even looked at, so that a
/// newer kernel's cannot spoil the rest.
fn attributes(payload: &[u8], skip: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(skip..).unwrap_or_default()).map_while(Result::ok)
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn ip(value: &[u8]) -> Option<Ipv4Addr> {
    value.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

impl Link {
    /// Reads the payload of RTM_NEWLINK (`struct ifinfomsg`, then attributes; rtnetlink(7)).
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        const IFF_UP: u32 = 1;
        const IFF_LOOPBACK: u32 = 8;
        const IFF_LOWER_UP: u32 = 1 << 16;
        let flags = number(payload.get(8..)?)?;
        let mut link = Self {
            index: number(payload.get(4..)?)?,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            ..Self::default()
        };
        for attribute in attributes(payload, 16) {
            match attribute.kind() {
                libc::IFLA_IFNAME => link.name = text(attribute.value()),
                libc::IFLA_MASTER => link.controller = number(attribute.value()),
                libc::IFLA_LINKINFO => {
                    let kind = attributes(attribute.value(), 0).find(|a| a.kind() == libc::IFLA_INFO_KIND);
                    link.kind = kind.map(|a| text(a.value())).unwrap_or_default();
                }
                _ => {}
            }
        }
        Some(link)
    }
}

impl Address {
    /// Reads the payload of RTM_NEWADDR (`struct ifaddrmsg`); none for what is not IPv4.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        if i32::from(*payload.first()?) != libc::AF_INET {
            return None;
        }
        let value = |kind| attributes(payload, 8).find(|a| a.kind() == kind).and_then(|a| ip(a.value()));
        // On a point-to-point link IFA_ADDRESS is the other end.
        let ip = value(libc::IFA_LOCAL).or_else(|| value(libc::IFA_ADDRESS))?;
        Some(Self { index: number(payload.get(4..)?)?, ip, prefix: *payload.get(1)? })
    }
}

impl Route {
    /// Reads the payload of RTM_NEWROUTE (`struct rtmsg`); none for what is no IPv4 default route of
    /// the main table through one interface.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let &[family, to_bits, _, _, table, _, _, kind, ..] = payload else { return None };
        let wanted = i32::from(family) == libc::AF_INET
            && to_bits == 0
            && table == libc::RT_TABLE_MAIN
            && kind == libc::RTN_UNICAST;
        if !wanted {
            return None;
        }
        let value = |kind| attributes(payload, 12).find(|a| a.kind() == kind);
        Some(Self {
            index: value(libc::RTA_OIF).and_then(|a| number(a.value()))?,
            gateway: value(libc::RTA_GATEWAY).and_then(|a| ip(a.value())),
            metric: value(libc::RTA_PRIORITY).and_then(|a| number(a.value())).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    fn bytes(message: &impl Emitable) -> Vec<u8> {
        let mut buffer = vec![0; message.buffer_len()];
        message.emit(&mut buffer);
        buffer
    }

    #[test]
    fn reads_what_the_kernel_writes() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let made = Child { name: "eth0", index: 7, parent: 3, mode: ChildMode::Private(mac), up: true };
        let link = Link::parse(&bytes(&child(&made, 9))).unwrap();
        assert_eq!((link.index, link.name.as_str(), link.kind.as_str()), (7, "eth0", "macvlan"));
        assert!(link.up && !link.loopback && !link.carrier);

        let ip = Ipv4Addr::new(10, 77, 0, 9);
        let read = Address::parse(&bytes(&address(2, ip, 16))).unwrap();
        assert_eq!(read, Address { index: 2, ip, prefix: 16 });
        let route = Route::parse(&bytes(&default_route(2, ip))).unwrap();
        assert_eq!(route, Route { index: 2, gateway: Some(ip), metric: 0 });
    }

    #[test]
    fn reads_nothing_from_fragments() {
        let whole = bytes(&child(
            &Child { name: "eth0", index: 7, parent: 3, mode: ChildMode::Shared, up: false },
            9,
        ));
        for end in 0..whole.len() {
            let link = Link::parse(&whole[..end]);
            assert_eq!(link.is_some(), end >= 12, "{end}");
        }
        for end in 0..8 {
            assert!(Address::parse(&vec![2; end]).is_none() && Route::parse(&vec![2; end]).is_none());
        }
    }
}
