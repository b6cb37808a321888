//! Deckies on addresses of the host's own loopback network.

use std::net::Ipv4Addr;

use super::{Claim, Fabric, Kept, Prepared, listeners, wanted};
use crate::engine::{EngineError, ErrorKind};

/// Addresses inside 127.0.0.0/8: every one of them is already there.
#[derive(Debug, Default)]
pub struct Loopback;

impl Fabric for Loopback {
    fn prepare(&mut self, claim: &Claim<'_>, kept: Kept) -> Result<Prepared, EngineError> {
        let ip = claim.decky.ip;
        if !ip.is_loopback() || ip == Ipv4Addr::LOCALHOST {
            return Err(EngineError::new(
                ErrorKind::Environment,
                format!("{ip} is no address the loopback driver may use"),
            )
            .remedy("use a network inside 127.0.0.0/8, such as 127.77.0.0/16"));
        }
        let (wanted, missing) = wanted(claim)?;
        Ok(Prepared { listeners: listeners(wanted, ip, kept.listeners)?, missing, home: None })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::catalog;
    use crate::engine::fabric::Listener;
    use crate::model::{Decky, ListenerRole, Mac, Network, Transport};

    fn decky(services: &[&str]) -> Decky {
        serde_json::from_value(serde_json::json!({
            "name": "web-01", "ip": "127.77.13.9", "services": services, "distro": "debian",
            "base_image": "x", "hostname": "web01",
        }))
        .unwrap()
    }

    fn network(port_offset: u16) -> Network {
        serde_json::from_value(serde_json::json!({
            "driver": "loopback", "interface": "lo", "subnet": "127.77.0.0/16", "gateway": null,
            "port_offset": port_offset,
        }))
        .unwrap()
    }

    fn prepare(decky: &Decky, network: &Network, listeners: Vec<Listener>) -> Result<Prepared, EngineError> {
        let claim = Claim { decky, mac: Mac([2, 0, 0, 0, 0, 1]), network, customs: &[] };
        Loopback.prepare(&claim, Kept { listeners, home: None })
    }

    #[test]
    fn listens_and_keeps_what_fits() {
        let net = network(31_000);
        let first = prepare(&decky(&["ssh", "ftp"]), &net, Vec::new()).unwrap();
        let main: Vec<u16> = first
            .listeners
            .iter()
            .filter(|l| l.role == ListenerRole::Main)
            .map(|l| l.address.port())
            .collect();
        assert_eq!(main, [31_022, 31_021]);
        assert!(first.listeners.iter().all(|l| l.listens().unwrap()));
        let spares = first.listeners.iter().filter(|l| l.role == ListenerRole::Spare).count();
        assert_eq!(Some((Transport::Tcp, spares)), catalog::service("ftp").unwrap().spare);

        let ssh = first.listeners[0].fd.as_raw_fd();
        let second = prepare(&decky(&["http", "ssh", "nope"]), &net, first.listeners).unwrap();
        assert_eq!(second.listeners.iter().map(|l| l.number).collect::<Vec<_>>(), [80, 443, 22]);
        assert_eq!(second.listeners[2].fd.as_raw_fd(), ssh);
        assert_eq!(second.missing.len(), 1);
        // The port of the service that left is free again.
        std::net::TcpListener::bind("127.77.13.9:31021").unwrap();
    }

    #[test]
    fn a_taken_port_says_port_address_and_remedy() {
        let net = network(32_000);
        let _holder = prepare(&decky(&["http"]), &net, Vec::new()).unwrap();
        let error = prepare(&decky(&["http"]), &net, Vec::new()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Busy);
        let text = error.to_string();
        for word in ["32080", "127.77.13.9", "port_offset"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_serve() {
        let mut odd = decky(&["ssh"]);
        for ip in ["127.0.0.1", "192.0.2.1"] {
            odd.ip = ip.parse().unwrap();
            assert_eq!(prepare(&odd, &network(0), Vec::new()).unwrap_err().kind, ErrorKind::Environment);
        }
        assert!(prepare(&decky(&["nope"]), &network(0), Vec::new()).is_err());
        assert!(prepare(&decky(&["http"]), &network(65_500), Vec::new()).is_err());
    }
}
