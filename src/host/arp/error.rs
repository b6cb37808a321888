//! Why ARP cannot be spoken here.

use std::io;

use rustix::io::Errno;

/// Why ARP cannot be spoken on an interface. All of it is the host's matter, none the LAN's.
#[derive(Debug, thiserror::Error)]
pub enum ArpError {
    /// The capability is missing.
    #[error("sending ARP needs CAP_NET_RAW, which this process does not have")]
    Privilege,
    /// There is no such interface, or not any more.
    #[error("the interface is not there")]
    Gone,
    /// It is switched off.
    #[error("the interface is down")]
    Down,
    /// Addresses of the host itself are nobody else's.
    #[error("there is no ARP on the loopback interface")]
    Loopback,
    /// It has no Ethernet addresses: a tunnel, or a modem line.
    #[error("the interface is not Ethernet (hardware type {0}), so it has no ARP")]
    NotEthernet(u16),
    /// Anything else.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ArpError {
    /// What to do about it on this interface.
    pub fn remedy(&self, interface: &str) -> String {
        let what = match self {
            Self::Privilege => "run decnet as root, or leave the check out with --no-probe",
            Self::Gone => "name the interface of your LAN: `interface` in [general]",
            Self::Down => return format!("switch it on: ip link set {interface} up"),
            Self::Loopback => "name the interface of your LAN, or say `driver = loopback`",
            Self::NotEthernet(_) => "name an Ethernet interface, or leave the check out with --no-probe",
            Self::Io { .. } => "try again, or leave the check out with --no-probe",
        };
        what.to_owned()
    }

    /// From an error number.
    pub(super) fn from_io(doing: &'static str, source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::PERM | Errno::ACCESS) => Self::Privilege,
            Some(Errno::NODEV | Errno::NXIO) => Self::Gone,
            Some(Errno::NETDOWN) => Self::Down,
            _ => Self::Io { doing, source },
        }
    }
}
