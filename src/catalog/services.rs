//! The 29 services, their ports and settings (facts: upstream §3.3).

use super::setting::Setting;
use super::settings::{DNS, FTP, HTTP, HTTPS, MAILBOX, MYSQL, RDP, REDIS, SHELL, SMTP, SMTP_RELAY};
use crate::model::Transport;

/// A port that belongs to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// tcp or udp.
    pub transport: Transport,
    /// Whether the emulation listens there; otherwise DECNET only declares it.
    pub bound: bool,
}

/// A service: one decoy protocol.
#[derive(Debug)]
pub struct Service {
    /// What files and flags call it.
    pub slug: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where it listens, and what DECNET declares beside that.
    pub ports: &'static [Port],
    /// What its subsection may say.
    pub settings: &'static [Setting],
    /// Whether the embedded engine can run it.
    pub emulated: bool,
    /// Whether it runs once per fleet instead of once per decky.
    pub singleton: bool,
    /// Further listeners its worker gets for second connections, as it can open none itself.
    pub spare: usize,
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
        Self { slug, title, ports, settings, emulated: false, singleton: false, spare: 0 }
    }

    const fn emulated(self) -> Self {
        Self { emulated: true, ..self }
    }
}

const fn tcp(number: u16) -> Port {
    Port { number, transport: Transport::Tcp, bound: true }
}

const fn udp(number: u16) -> Port {
    Port { number, transport: Transport::Udp, bound: true }
}

/// Declared by DECNET, bound by nothing.
const fn declared(port: Port) -> Port {
    Port { bound: false, ..port }
}

static SERVICES: [Service; 29] = [
    Service::new("conpot", "ICS/SCADA (Conpot)", &[tcp(502), udp(161), tcp(80)], &[]),
    Service::new("dns", "DNS", &[tcp(53), udp(53)], DNS),
    Service::new("docker_api", "Docker Engine API", &[tcp(2375), declared(tcp(2376))], &[]),
    Service::new("elasticsearch", "Elasticsearch", &[tcp(9200)], &[]),
    Service { spare: 4, ..Service::new("ftp", "FTP", &[tcp(21)], FTP).emulated() },
    Service::new("http", "HTTP", &[tcp(80), declared(tcp(443))], HTTP).emulated(),
    Service::new("https", "HTTPS", &[tcp(443), declared(udp(443))], HTTPS),
    Service::new("imap", "IMAP", &[tcp(143), declared(tcp(993))], MAILBOX),
    Service::new("k8s", "Kubernetes API", &[tcp(6443), declared(tcp(8080))], &[]),
    Service::new("ldap", "LDAP", &[tcp(389), declared(tcp(636))], &[]),
    Service::new("llmnr", "LLMNR and mDNS", &[udp(5355), udp(5353)], &[]),
    Service::new("mongodb", "MongoDB", &[tcp(27017)], &[]),
    Service::new("mqtt", "MQTT", &[tcp(1883)], &[]),
    Service::new("mssql", "Microsoft SQL Server", &[tcp(1433)], &[]),
    Service::new("mysql", "MySQL", &[tcp(3306)], MYSQL).emulated(),
    Service::new("pop3", "POP3", &[tcp(110), declared(tcp(995))], MAILBOX),
    Service::new("postgres", "PostgreSQL", &[tcp(5432)], &[]),
    Service::new("rdp", "Remote Desktop", &[tcp(3389)], RDP),
    Service::new("redis", "Redis", &[tcp(6379)], REDIS).emulated(),
    Service::new("sip", "SIP", &[tcp(5060), udp(5060)], &[]),
    Service::new("smb", "SMB", &[tcp(445), declared(tcp(139))], &[]),
    Service::new("smtp", "SMTP", &[tcp(25), declared(tcp(587))], SMTP),
    Service::new("smtp_relay", "SMTP open relay", &[tcp(25), declared(tcp(587))], SMTP_RELAY),
    Service { singleton: true, ..Service::new("sniffer", "Passive sniffer", &[], &[]) },
    Service::new("snmp", "SNMP", &[udp(161)], &[]),
    Service::new("ssh", "SSH", &[tcp(22)], SHELL).emulated(),
    Service::new("telnet", "Telnet", &[tcp(23)], SHELL).emulated(),
    Service::new("tftp", "TFTP", &[udp(69)], &[]),
    Service::new("vnc", "VNC", &[tcp(5900)], &[]),
];

/// Every service, by slug.
pub fn services() -> &'static [Service] {
    &SERVICES
}

/// The service called `slug`, exactly.
pub fn service(slug: &str) -> Option<&'static Service> {
    SERVICES.binary_search_by(|s| s.slug.cmp(slug)).ok().and_then(|at| SERVICES.get(at))
}

/// The ports that the emulation of `slug` listens on; none for an unknown service.
pub fn bound_ports(slug: &str) -> impl Iterator<Item = &'static Port> {
    service(slug).into_iter().flat_map(|s| s.ports.iter()).filter(|p| p.bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_its_defaults_fit() {
        assert!(SERVICES.windows(2).all(|w| w[0].slug < w[1].slug));
        assert_eq!(SERVICES.iter().filter(|s| !s.singleton).count(), 28);
        let emulated: Vec<_> = SERVICES.iter().filter(|s| s.emulated).map(|s| s.slug).collect();
        assert_eq!(emulated, ["ftp", "http", "mysql", "redis", "ssh", "telnet"]);
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
    fn bound_ports_of_the_emulated_six() {
        let bound = |slug| bound_ports(slug).map(|p| p.number).collect::<Vec<_>>();
        for (slug, port) in
            [("ssh", 22), ("telnet", 23), ("http", 80), ("ftp", 21), ("mysql", 3306), ("redis", 6379)]
        {
            assert_eq!(bound(slug), [port], "{slug}");
        }
        assert!(bound("nope").is_empty());
        assert_eq!(service("http").unwrap().ports.len(), 2);
        assert_eq!(service("ftp").unwrap().spare, 4);
    }
}
