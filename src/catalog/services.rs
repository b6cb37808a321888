//! The 29 services, their ports and settings (facts: upstream §3.3).

use std::net::Ipv4Addr;

use super::setting::Setting;
use super::settings::{
    DNS, ELASTICSEARCH, FTP, HTTP, HTTPS, LDAP, MAILBOX, MONGODB, MQTT, MSSQL, MYSQL, POSTGRES, RDP, REDIS,
    SHELL, SIP, SMB, SMTP, SMTP_RELAY, SNMP, VERSIONED, VNC,
};
use crate::model::Transport;

/// A port that belongs to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// tcp or udp.
    pub transport: Transport,
    /// Whether it is left to another service of the decky that has the same port as its own.
    pub yields: bool,
    /// Multicast group that is joined on it.
    pub group: Option<Ipv4Addr>,
}

/// A service: one decoy protocol.
#[derive(Debug)]
pub struct Service {
    /// What files and flags call it.
    pub slug: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where it listens.
    pub ports: &'static [Port],
    /// What its subsection may say.
    pub settings: &'static [Setting],
    /// Whether the embedded engine can run it.
    pub emulated: bool,
    /// Whether it runs once per fleet instead of once per decky.
    pub singleton: bool,
    /// Further sockets its worker gets for second connections (TCP) or transfers (UDP), as it can open
    /// none itself.
    pub spare: Option<(Transport, usize)>,
}

impl Service {
    /// The setting called `key`, exactly.
    pub fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|s| s.key == key)
    }

    const fn new(
        slug: &'static str,
        title: &'static str,
        ports: &'static [Port],
        settings: &'static [Setting],
    ) -> Self {
        Self { slug, title, ports, settings, emulated: false, singleton: false, spare: None }
    }

    const fn emulated(self) -> Self {
        Self { emulated: true, ..self }
    }
}

const fn port(number: u16, transport: Transport) -> Port {
    Port { number, transport, yields: false, group: None }
}

const fn tcp(number: u16) -> Port {
    port(number, Transport::Tcp)
}

const fn udp(number: u16) -> Port {
    port(number, Transport::Udp)
}

/// Left to another service of the decky that has it as its own.
const fn twin(port: Port) -> Port {
    Port { yields: true, ..port }
}

const fn group(number: u16, address: [u8; 4]) -> Port {
    let [a, b, c, d] = address;
    Port { group: Some(Ipv4Addr::new(a, b, c, d)), ..udp(number) }
}

static SERVICES: [Service; 29] = [
    Service::new("conpot", "ICS/SCADA (Conpot)", &[tcp(502), tcp(102), twin(udp(161)), twin(tcp(80))], &[])
        .emulated(),
    Service::new("dns", "DNS", &[tcp(53), udp(53)], DNS).emulated(),
    Service::new("docker_api", "Docker Engine API", &[tcp(2375), tcp(2376)], VERSIONED).emulated(),
    Service::new("elasticsearch", "Elasticsearch", &[tcp(9200)], ELASTICSEARCH).emulated(),
    Service { spare: Some((Transport::Tcp, 4)), ..Service::new("ftp", "FTP", &[tcp(21)], FTP).emulated() },
    Service::new("http", "HTTP", &[tcp(80), twin(tcp(443))], HTTP).emulated(),
    Service::new("https", "HTTPS", &[tcp(443)], HTTPS).emulated(),
    Service::new("imap", "IMAP", &[tcp(143), tcp(993)], MAILBOX).emulated(),
    Service::new("k8s", "Kubernetes API", &[tcp(6443), twin(tcp(8080))], VERSIONED).emulated(),
    Service::new("ldap", "LDAP", &[tcp(389), tcp(636)], LDAP).emulated(),
    Service::new(
        "llmnr",
        "LLMNR and mDNS",
        &[group(5355, [224, 0, 0, 252]), group(5353, [224, 0, 0, 251]), tcp(5355)],
        &[],
    )
    .emulated(),
    Service::new("mongodb", "MongoDB", &[tcp(27017)], MONGODB).emulated(),
    Service::new("mqtt", "MQTT", &[tcp(1883)], MQTT).emulated(),
    Service::new("mssql", "Microsoft SQL Server", &[tcp(1433)], MSSQL).emulated(),
    Service::new("mysql", "MySQL", &[tcp(3306)], MYSQL).emulated(),
    Service::new("pop3", "POP3", &[tcp(110), tcp(995)], MAILBOX).emulated(),
    Service::new("postgres", "PostgreSQL", &[tcp(5432)], POSTGRES).emulated(),
    Service::new("rdp", "Remote Desktop", &[tcp(3389)], RDP).emulated(),
    Service::new("redis", "Redis", &[tcp(6379)], REDIS).emulated(),
    Service::new("sip", "SIP", &[tcp(5060), udp(5060)], SIP).emulated(),
    Service::new("smb", "SMB", &[tcp(445), tcp(139)], SMB).emulated(),
    Service::new("smtp", "SMTP", &[tcp(25), tcp(587)], SMTP).emulated(),
    Service::new("smtp_relay", "SMTP open relay", &[tcp(25), tcp(587)], SMTP_RELAY).emulated(),
    Service { singleton: true, ..Service::new("sniffer", "Passive sniffer", &[], &[]).emulated() },
    Service::new("snmp", "SNMP", &[udp(161)], SNMP).emulated(),
    Service::new("ssh", "SSH", &[tcp(22)], SHELL).emulated(),
    Service::new("telnet", "Telnet", &[tcp(23)], SHELL).emulated(),
    Service { spare: Some((Transport::Udp, 8)), ..Service::new("tftp", "TFTP", &[udp(69)], &[]).emulated() },
    Service::new("vnc", "VNC", &[tcp(5900)], VNC).emulated(),
];

/// Every service, by slug.
pub fn services() -> &'static [Service] {
    &SERVICES
}

/// The service called `slug`, exactly.
pub fn service(slug: &str) -> Option<&'static Service> {
    SERVICES.binary_search_by(|s| s.slug.cmp(slug)).ok().and_then(|at| SERVICES.get(at))
}

/// The ports that a decky with these services listens on, each with the service that has it: a port that
/// yields goes to the service whose own it is. Services that are not of the catalogue have none.
pub fn ports_of<'a>(services: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'static Port)> + 'a {
    let all = |slugs: &'a [&'a str]| {
        slugs.iter().flat_map(|&slug| service(slug).into_iter().flat_map(|s| s.ports).map(move |p| (slug, p)))
    };
    let same = |a: &Port, b: &Port| (a.number, a.transport) == (b.number, b.transport);
    all(services).enumerate().filter_map(move |(at, (slug, port))| {
        // Of two that would yield to each other the first has it.
        let others =
            |(n, (_, other)): &(usize, (&str, &Port))| same(port, other) && (!other.yields || *n < at);
        let taken = port.yields && all(services).enumerate().any(|other| others(&other));
        (!taken).then_some((slug, port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_its_defaults_fit() {
        assert!(SERVICES.windows(2).all(|w| w[0].slug < w[1].slug));
        assert_eq!(SERVICES.iter().filter(|s| !s.singleton).count(), 28);
        for service in services() {
            for setting in service.settings {
                assert_eq!(setting.key, setting.key.to_lowercase());
                assert!(!setting.help.is_empty());
                if let Some(default) = setting.default {
                    assert!(setting.parse(default).is_ok(), "{}.{}", service.slug, setting.key);
                }
            }
        }
    }

    #[test]
    fn twins_give_way() {
        let of = |slugs: &[&str]| {
            ports_of(slugs)
                .map(|(slug, p)| format!("{slug}:{}/{}", p.number, p.transport))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&["ssh"]), ["ssh:22/tcp"]);
        assert_eq!(of(&["http"]), ["http:80/tcp", "http:443/tcp"]);
        assert_eq!(of(&["http", "https"]), ["http:80/tcp", "https:443/tcp"]);
        assert_eq!(
            of(&["conpot", "snmp"]),
            ["conpot:502/tcp", "conpot:102/tcp", "conpot:80/tcp", "snmp:161/udp"]
        );
        assert!(of(&["nope"]).is_empty());
        assert_eq!(service("ftp").unwrap().spare, Some((Transport::Tcp, 4)));
    }
}
