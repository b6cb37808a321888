//! Which network this host is on.

use std::net::Ipv4Addr;

use super::netlink::{NetlinkError, Rtnetlink};
use crate::model::Subnet;

/// The network that the default route leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Name of the interface.
    pub interface: String,
    /// Network of its first address.
    pub subnet: Subnet,
    /// Next hop of the default route; none on a point-to-point link.
    pub gateway: Option<Ipv4Addr>,
}

/// The addresses of this host, and the network behind its default route, where it has one.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn detect() -> Result<(Vec<Ipv4Addr>, Option<Surroundings>), NetlinkError> {
    let mut netlink = Rtnetlink::open()?;
    let addresses = netlink.addresses()?;
    let mut found = None;
    if let Some(route) = netlink.default_route()? {
        let link = netlink.link_at(route.index)?.filter(|link| !link.loopback);
        let first = addresses.iter().find(|a| a.index == route.index);
        if let (Some(link), Some(first)) = (link, first)
            && let Ok(subnet) = format!("{}/{}", first.ip, first.prefix).parse()
        {
            found = Some(Surroundings { interface: link.name, subnet, gateway: route.gateway });
        }
    }
    Ok((addresses.into_iter().map(|a| a.ip).collect(), found))
}
