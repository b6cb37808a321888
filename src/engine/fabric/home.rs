//! Where a decky lives on the LAN: its namespace, and what was claimed in it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, mpsc};

use serde::{Deserialize, Serialize};

use super::Claim;
use super::annex::Annex;
use super::workshop::Job;
use crate::catalog;
use crate::engine::{EngineError, ErrorKind};
use crate::host::net::Namespace;
use crate::model::{CustomService, Decky, Driver, Mac, Transport};

/// Everything that a namespace and its link are made from. Another site means another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// macvlan or ipvlan.
    pub driver: Driver,
    /// Name of the parent when it was looked up.
    pub interface: String,
    /// Number of the parent in the engine's namespace.
    pub parent: u32,
    /// Hardware address; with ipvlan the parent's is used instead.
    pub mac: Mac,
    /// Address.
    pub ip: Ipv4Addr,
    /// Bits of its network.
    pub prefix: u8,
    /// Next hop to everywhere else.
    pub gateway: Option<Ipv4Addr>,
    /// The host itself is to reach it.
    pub reachable: bool,
    /// OS family slug.
    pub family: String,
    /// UDP ports of its services.
    pub udp: Vec<u16>,
}

impl Site {
    /// What `claim` comes to on the link with the number `parent`.
    pub(super) fn new(claim: &Claim<'_>, parent: u32) -> Result<Self, EngineError> {
        let Claim { decky, mac, network, customs } = *claim;
        let subnet = network.subnet;
        let edge = subnet.prefix() < 31 && (decky.ip == subnet.network() || decky.ip == subnet.broadcast());
        if !subnet.contains(decky.ip) || edge {
            return Err(EngineError::new(
                ErrorKind::Environment,
                format!("{} is no host address of the fleet's network {subnet}", decky.ip),
            )
            .remedy("give it another `ip`, or the fleet another `net` in [general]"));
        }
        Ok(Self {
            driver: network.driver,
            interface: network.interface.clone(),
            parent,
            mac,
            ip: decky.ip,
            prefix: subnet.prefix(),
            gateway: network.gateway,
            reachable: network.host_access && network.driver == Driver::Macvlan,
            family: decky.nmap_os.clone(),
            udp: served(decky, customs, network.port_offset),
        })
    }
}

/// The UDP ports of its services, ascending.
fn served(decky: &Decky, customs: &[CustomService], offset: u16) -> Vec<u16> {
    let slugs: Vec<&str> = decky.services.iter().map(String::as_str).collect();
    let main = catalog::ports_of(&slugs)
        .filter(|(_, port)| port.transport == Transport::Udp)
        .map(|(_, port)| port.number)
        .chain(customs.iter().filter(|c| c.unplayable().is_none()).flat_map(|c| &c.udp_ports).copied())
        .filter_map(|port| port.checked_add(offset))
        .collect::<BTreeSet<u16>>();
    main.into_iter().collect()
}

/// A place on the LAN. Dropping it takes link and namespace away as soon as the last socket in it is closed.
#[derive(Debug)]
pub struct Home {
    pub(super) namespace: Namespace,
    pub(super) site: Site,
    /// The host's way to it.
    pub(super) annex: Option<Arc<Annex>>,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Counted: how many homes there are.
    pub(super) _one: Arc<()>,
}

impl Home {
    /// What was claimed.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let (site, annex) = (self.site.clone(), self.annex.take());
        // Without the set-up thread there are no rules left to take back.
        let _ = self.jobs.send(Box::new(move |shop| shop.dismiss(&site, annex.as_deref())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Decky, Network};

    #[test]
    fn a_site_lies_inside_the_network() {
        let mut decky: Decky = serde_json::from_value(serde_json::json!({
            "name": "a", "ip": "10.0.0.9", "services": ["ssh"], "distro": "debian", "base_image": "x",
            "hostname": "h", "nmap_os": "bsd",
        }))
        .unwrap();
        let network: Network = serde_json::from_value(serde_json::json!({
            "driver": "macvlan", "interface": "eth0", "subnet": "10.0.0.0/24", "gateway": "10.0.0.1",
        }))
        .unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let site = |decky: &Decky| Site::new(&Claim { decky, mac, network: &network, customs: &[] }, 4);
        let good = site(&decky).unwrap();
        assert_eq!((good.parent, good.prefix, good.family.as_str()), (4, 24, "bsd"));
        for ip in ["10.0.1.9", "10.0.0.0", "10.0.0.255"] {
            decky.ip = ip.parse().unwrap();
            let error = site(&decky).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Environment);
            assert!(error.to_string().contains("10.0.0.0/24"), "{error}");
        }
    }
}
