//! Networks: drivers, subnets, MAC addresses, log targets.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnetwork::Ipv4Network;
use serde::{Deserialize, Serialize};

/// How deckies get their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Addresses inside 127.0.0.0/8, no privilege needed but for ports below 1024.
    Loopback,
    /// One network namespace and one macvlan child per decky.
    Macvlan,
    /// Like macvlan, sharing the parent's MAC (Wi-Fi).
    Ipvlan,
}

impl Driver {
    /// The word used in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

/// How addresses of a LAN are probed before they are claimed (RFC 5227).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probing {
    /// Three probes 150 ms apart.
    #[default]
    Fast,
    /// With the times of the RFC: up to seven seconds.
    Full,
    /// Not at all.
    Off,
}

impl Probing {
    /// Every word that a file may have.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Full, Self::Off];

    /// The word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Full => "full",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no driver, subnet, MAC address or log target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetError(pub String);

impl FromStr for Driver {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "macvlan" => Ok(Self::Macvlan),
            "ipvlan" => Ok(Self::Ipvlan),
            other => Err(NetError(format!("`{other}` is no driver; there are loopback, macvlan and ipvlan"))),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An IPv4 network, host bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet(Ipv4Network);

impl Subnet {
    /// Whether `ip` lies inside, network and broadcast address included.
    pub fn contains(self, ip: Ipv4Addr) -> bool {
        self.0.contains(ip)
    }

    /// The network address.
    pub fn network(self) -> Ipv4Addr {
        self.0.network()
    }

    /// The broadcast address.
    pub fn broadcast(self) -> Ipv4Addr {
        self.0.broadcast()
    }

    /// The prefix length in bits.
    pub fn prefix(self) -> u8 {
        self.0.prefix()
    }

    /// Host addresses ascending, without network and broadcast; none for /31 and /32.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let first = u32::from(self.network()).saturating_add(1);
        let end = if self.prefix() >= 31 { first } else { u32::from(self.broadcast()) };
        (first..end).map(Ipv4Addr::from)
    }

    /// Whether the whole network lies inside 127.0.0.0/8.
    pub fn is_loopback(self) -> bool {
        self.network().is_loopback() && self.broadcast().is_loopback()
    }
}

impl FromStr for Subnet {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let parsed: Ipv4Network = text
            .trim()
            .parse()
            .map_err(|_| NetError(format!("`{text}` is no IPv4 network; write it like 192.168.1.0/24")))?;
        let cleared =
            Ipv4Network::new(parsed.network(), parsed.prefix()).map_err(|e| NetError(e.to_string()))?;
        Ok(Self(cleared))
    }
}

impl TryFrom<String> for Subnet {
    type Error = NetError;

    fn try_from(text: String) -> Result<Self, NetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 48-bit hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let bad = || NetError(format!("`{text}` is no MAC address; write it like 52:54:00:12:34:56"));
        let mut bytes = [0u8; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(bad)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(bad());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for Mac {
    type Error = NetError;

    fn try_from(text: String) -> Result<Self, NetError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The transport of a syslog target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTransport {
    /// One datagram a message (RFC 5426).
    Udp,
    /// Octet-counted stream (RFC 6587 §3.4.1).
    Tcp,
}

/// Where events are forwarded to: `udp://host:port` or `tcp://host:port`; without a scheme udp,
/// without a port 514. The host is an address or a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogTarget {
    /// udp or tcp.
    pub transport: LogTransport,
    /// Address or name of the receiver.
    pub host: String,
    /// Port of the receiver.
    pub port: u16,
}

impl FromStr for LogTarget {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let bad = |why: &str| {
            NetError(format!("`{text}` is no log target: {why}; write it like udp://192.0.2.10:514"))
        };
        let (transport, rest) = match text.split_once("://") {
            None => (LogTransport::Udp, text),
            Some(("udp", rest)) => (LogTransport::Udp, rest),
            Some(("tcp", rest)) => (LogTransport::Tcp, rest),
            Some(("tls", _)) => return Err(bad("tls is not supported, use udp or tcp")),
            Some((scheme, _)) => return Err(bad(&format!("`{scheme}` is no transport"))),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => {
                (host, port.parse().map_err(|_| bad("the port is no number from 1 to 65535"))?)
            }
            None => (rest, 514),
        };
        if port == 0 {
            return Err(bad("the port is no number from 1 to 65535"));
        }
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        {
            return Err(bad("the host is missing or has odd characters"));
        }
        Ok(Self { transport, host: host.to_owned(), port })
    }
}

impl TryFrom<String> for LogTarget {
    type Error = NetError;

    fn try_from(text: String) -> Result<Self, NetError> {
        text.parse()
    }
}

impl From<LogTarget> for String {
    fn from(target: LogTarget) -> Self {
        target.to_string()
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            LogTransport::Udp => "udp",
            LogTransport::Tcp => "tcp",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_clears_host_bits_and_lists_hosts() {
        let net: Subnet = "192.168.1.77/30".parse().unwrap();
        assert_eq!(net.to_string(), "192.168.1.76/30");
        let hosts: Vec<_> = net.hosts().map(|h| h.to_string()).collect();
        assert_eq!(hosts, ["192.168.1.77", "192.168.1.78"]);
        for tiny in ["10.0.0.0/31", "10.0.0.1/32"] {
            assert_eq!(tiny.parse::<Subnet>().unwrap().hosts().count(), 0);
        }
        assert!("127.77.0.0/16".parse::<Subnet>().unwrap().is_loopback());
        assert!(!"126.0.0.0/7".parse::<Subnet>().unwrap().is_loopback());
    }

    #[test]
    fn mac_round_trips() {
        let mac: Mac = "52-54-00-AB-cd-01".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
        assert!("52:54:00:ab:cd".parse::<Mac>().is_err());
        assert!("52:54:00:ab:cd:+1".parse::<Mac>().is_err());
    }

    #[test]
    fn log_targets() {
        assert_eq!("10.0.0.1".parse::<LogTarget>().unwrap().to_string(), "udp://10.0.0.1:514");
        assert_eq!("tcp://log.lan:6514".parse::<LogTarget>().unwrap().to_string(), "tcp://log.lan:6514");
        for bad in ["tls://x:1", "udp://:1", "udp://a:0", "udp://a b:1", "http://x"] {
            assert!(bad.parse::<LogTarget>().is_err(), "{bad}");
        }
    }
}
