//! The zones that a server has: its domain, full of names that lead nowhere, and who it is in reverse.

use std::net::Ipv4Addr;

use super::wire::{Data, Name, Record, class, kind, kind_called};
use crate::decoy::domain::{Domain, is_controller};
use crate::decoy::setting;
use crate::model::{Persona, Settings};

/// Further records of the settings that are taken.
const EXTRA_MAX: usize = 200;

/// One zone, its records in the order of a transfer, the SOA first.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) apex: Name,
    pub(super) records: Vec<Record>,
}

impl Zone {
    /// Records of this name.
    pub(super) fn at(&self, name: &Name) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |r| r.name.same(name))
    }

    /// Whether the name, or one below it, has records.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.records.iter().any(|r| r.name.within(name))
    }

    /// The SOA.
    pub(super) fn soa(&self) -> Option<&Record> {
        self.records.first()
    }

    fn new(apex: Name, soa: Record, mut records: Vec<Record>) -> Self {
        records.retain(|r| r.name.within(&apex));
        records.sort_by_cached_key(|r| r.name.order());
        records.insert(0, soa);
        Self { apex, records }
    }
}

/// What the hosts of a company are called.
const HOSTS: &[&str] = &[
    "mail",
    "vpn",
    "intranet",
    "git",
    "db01",
    "db02",
    "backup",
    "monitor",
    "files",
    "wiki",
    "jenkins",
    "app01",
    "app02",
    "proxy",
    "print",
    "nas01",
    "erp",
    "crm",
    "dev",
    "stage",
    "gw",
    "sip",
    "printer01",
    "fw01",
];

struct Making<'a> {
    persona: &'a Persona,
    domain: &'a str,
    ttl: u32,
    records: Vec<Record>,
}

impl Making<'_> {
    fn name(&self, label: &str) -> Option<Name> {
        if label.is_empty() { Name::new(self.domain) } else { Name::new(&format!("{label}.{}", self.domain)) }
    }

    fn add(&mut self, label: &str, kind: u16, ttl: u32, data: Option<Data>) {
        if let (Some(name), Some(data)) = (self.name(label), data) {
            self.records.push(Record { name, kind, class: class::IN, ttl, data });
        }
    }

    fn address(&mut self, label: &str, ip: Ipv4Addr) {
        self.add(label, kind::A, self.ttl, Some(Data::A(ip)));
    }

    /// A host of the company: an address in a private network that is not the decky's own, so that it is
    /// nobody's here.
    fn elsewhere(&self, label: &str) -> Ipv4Addr {
        let seed = &self.persona.seed;
        let part = |what: &str, bound| u8::try_from(seed.number(what, bound)).unwrap_or(0);
        let [a, b, ..] = self.persona.ip.octets();
        let mut second = 16 + part("dns/net", 200);
        if (a, b) == (10, second) {
            second = second.wrapping_add(1);
        }
        let third = 1 + part("dns/subnet", 60) + part(&format!("dns/host-net/{label}"), 2);
        let mut last = 10 + part(&format!("dns/host/{label}"), 230);
        let free = |ip: &Ipv4Addr| !self.records.iter().any(|r| r.data == Data::A(*ip));
        for _ in 0..64 {
            if free(&Ipv4Addr::new(10, second, third, last)) {
                break;
            }
            last = 10 + last.wrapping_add(7) % 230;
        }
        Ipv4Addr::new(10, second, third, last)
    }
}

/// Makes the zones.
pub(super) fn zones(persona: &Persona, settings: &Settings, windows: bool) -> Vec<Zone> {
    let domain = Domain::new(persona);
    let Some(apex) = Name::new(&domain.dns) else { return Vec::new() };
    let host = domain.host.to_ascii_lowercase();
    let mut making = Making {
        persona,
        domain: &domain.dns,
        ttl: if windows {
            3600
        } else {
            *persona.seed.pick("dns/ttl", &[3600, 86_400, 7200]).unwrap_or(&3600)
        },
        records: Vec::new(),
    };
    let soa = if windows { directory(&mut making, &host) } else { company(&mut making, &host) };
    for line in setting::area(settings, "extra_records").unwrap_or_default().lines().take(EXTRA_MAX) {
        extra(&mut making, line);
    }
    let Some(soa) = soa else { return Vec::new() };
    let mut hosts: Vec<(Ipv4Addr, Name)> = Vec::new();
    for record in &making.records {
        if let Data::A(ip) = record.data
            && record.name != apex
            && !hosts.iter().any(|(i, _)| *i == ip)
        {
            hosts.push((ip, record.name.clone()));
        }
    }
    let own = making.name(&host);
    let mut all = vec![Zone::new(apex, soa.clone(), making.records)];
    // Who has its own address is the host, whatever else it is called.
    if let Some(own) = own {
        for (ip, name) in &mut hosts {
            if *ip == persona.ip {
                name.clone_from(&own);
            }
        }
    }
    for (ip, _) in hosts.clone() {
        if let Some(zone) = reverse(ip, &soa, &hosts)
            && !all.iter().any(|z| z.apex == zone.apex)
        {
            all.push(zone);
        }
    }
    all
}

/// The reverse zone of the /24 around `ip`.
fn reverse(ip: Ipv4Addr, soa: &Record, hosts: &[(Ipv4Addr, Name)]) -> Option<Zone> {
    let [a, b, c, _] = ip.octets();
    let apex = Name::new(&format!("{c}.{b}.{a}.in-addr.arpa"))?;
    let Data::Soa(server, ..) = &soa.data else { return None };
    let record = |name, kind, data| Record { name, kind, class: class::IN, ttl: soa.ttl, data };
    let mut records = vec![record(apex.clone(), kind::NS, Data::Name(server.clone()))];
    for (at, name) in hosts.iter().filter(|(at, _)| at.octets()[..3] == [a, b, c]) {
        let place = Name::new(&format!("{}.{c}.{b}.{a}.in-addr.arpa", at.octets()[3]))?;
        records.push(record(place, kind::PTR, Data::Name(name.clone())));
    }
    Some(Zone::new(apex.clone(), Record { name: apex, ..soa.clone() }, records))
}

/// A domain as somebody keeps it in a zone file.
fn company(m: &mut Making<'_>, host: &str) -> Option<Record> {
    let seed = m.persona.seed.clone();
    let own = m.persona.ip;
    let runs = |slugs: &[&str]| slugs.iter().any(|s| m.persona.services.contains_key(*s));
    let (web, post) = (runs(&["http", "https"]), runs(&["smtp", "imap", "pop3", "smtp_relay"]));
    let at = jiff::Timestamp::from_second(m.persona.born).unwrap_or_default();
    let day: String = at.to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    let serial = day.parse::<u32>().unwrap_or(20_260_101).saturating_mul(100);
    let serial =
        serial.saturating_add(1).saturating_add(u32::try_from(seed.number("dns/serial", 9)).unwrap_or(0));
    for ns in ["ns1", "ns2"] {
        let data = m.name(ns).map(Data::Name);
        m.add("", kind::NS, m.ttl, data);
    }
    let mail = m.name("mail").map(|n| Data::Mx(10, n));
    m.add("", kind::MX, m.ttl, mail);
    let site = if web { own } else { m.elsewhere("www") };
    m.address("", site);
    m.add("", kind::TXT, m.ttl, Some(Data::Text(vec![b"v=spf1 mx -all".to_vec()])));
    let dmarc = format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{}", m.domain);
    m.add("_dmarc", kind::TXT, m.ttl, Some(Data::Text(vec![dmarc.into_bytes()])));
    m.address("ns1", own);
    m.address("ns2", m.elsewhere("ns2"));
    if !host.is_empty() && host != "ns1" {
        m.address(host, own);
    }
    for label in HOSTS {
        let keep = *label == "mail" || seed.number(&format!("dns/keep/{label}"), 100) < 55;
        if keep && host != *label {
            let ip = if *label == "mail" && post { own } else { m.elsewhere(label) };
            m.address(label, ip);
        }
    }
    let www = if web { m.name(host) } else { None };
    match www.filter(|_| !host.is_empty() && host != "www") {
        Some(target) => m.add("www", kind::CNAME, m.ttl, Some(Data::Name(target))),
        None if host != "www" => m.address("www", site),
        None => {}
    }
    let submission = m.name("mail").map(|n| Data::Srv(0, 1, 587, n));
    m.add("_submission._tcp", kind::SRV, m.ttl, submission);
    let numbers = [serial, 10_800, 3600, 604_800, 86_400];
    let data = Data::Soa(m.name("ns1")?, m.name("hostmaster")?, numbers);
    Some(Record { name: m.name("")?, kind: kind::SOA, class: class::IN, ttl: m.ttl, data })
}

/// A domain as Active Directory fills it.
fn directory(m: &mut Making<'_>, host: &str) -> Option<Record> {
    let seed = m.persona.seed.clone();
    let server = m.name(host)?;
    m.add("", kind::NS, 3600, Some(Data::Name(server.clone())));
    m.address(host, m.persona.ip);
    // Where the directory is another machine's, this one only serves the zone.
    let other = format!("dc{:02}", 1 + seed.number("dns/dc", 2));
    let (dc, own) = if is_controller(m.persona) || other == host {
        (server.clone(), m.persona.ip)
    } else {
        let ip = m.elsewhere(&other);
        m.address(&other, ip);
        (m.name(&other)?, ip)
    };
    m.add("", kind::A, 600, Some(Data::A(own)));
    for zone in ["domaindnszones", "forestdnszones"] {
        m.add(zone, kind::A, 600, Some(Data::A(own)));
    }
    let site = "default-first-site-name._sites";
    let services: [(&str, u16, &[&str]); 4] = [
        (
            "_ldap._tcp",
            389,
            &["", "dc._msdcs", "pdc._msdcs", "domaindnszones", "forestdnszones", "SITE", "SITE.dc._msdcs"],
        ),
        ("_kerberos._tcp", 88, &["", "dc._msdcs", "SITE", "SITE.dc._msdcs"]),
        ("_gc._tcp", 3268, &["", "SITE"]),
        ("_ldap._tcp", 3268, &["gc._msdcs", "SITE.gc._msdcs"]),
    ];
    for (service, port, places) in services {
        for place in places {
            let label = format!("{service}.{}", place.replace("SITE", site));
            let data = Data::Srv(0, 100, port, dc.clone());
            m.add(label.trim_end_matches('.'), kind::SRV, 600, Some(data));
        }
    }
    for (service, port) in [("_kerberos._udp", 88), ("_kpasswd._tcp", 464), ("_kpasswd._udp", 464)] {
        m.add(service, kind::SRV, 600, Some(Data::Srv(0, 100, port, dc.clone())));
    }
    m.add("gc._msdcs", kind::A, 600, Some(Data::A(own)));
    let id = guid(&seed.derive("domain/ntds"));
    m.add(&format!("{id}._msdcs"), kind::CNAME, 600, Some(Data::Name(dc.clone())));
    m.ttl = 1200;
    for label in ["srv-file01", "srv-app01", "srv-sql01", "exch01", "wsus", "print01"] {
        if seed.number(&format!("dns/keep/{label}"), 100) < 70 && label != host {
            m.address(label, m.elsewhere(label));
        }
    }
    for n in 0..4 + seed.number("dns/desktops", 12) {
        let tag = hex::encode(seed.derive(&format!("dns/desktop/{n}")));
        let label = format!("desktop-{}", tag.get(..7).unwrap_or("0000000"));
        m.address(&label, m.elsewhere(&label));
    }
    m.ttl = 3600;
    let serial = 40 + u32::try_from(seed.number("dns/serial", 900)).unwrap_or(0);
    let data = Data::Soa(server, m.name("hostmaster")?, [serial, 900, 600, 86_400, 3600]);
    Some(Record { name: m.name("")?, kind: kind::SOA, class: class::IN, ttl: 3600, data })
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, of version 4.
pub(crate) fn guid(bytes: &[u8; 32]) -> String {
    let mut text = hex::encode(bytes.get(..16).unwrap_or_default());
    text.replace_range(12..13, "4");
    text.replace_range(16..17, "a");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// A line of `extra_records`: name, type, value. One that says nothing usable is left out.
fn extra(m: &mut Making<'_>, line: &str) {
    let line = line.trim();
    let Some((name, rest)) = line.split_once(char::is_whitespace) else { return };
    let Some((kind, value)) = rest.trim().split_once(char::is_whitespace) else { return };
    if line.starts_with(['#', ';']) {
        return;
    }
    let full = |text: &str| match text.strip_suffix('.') {
        Some(absolute) => Name::new(absolute),
        None if text == "@" => m.name(""),
        None if text.to_ascii_lowercase().ends_with(m.domain) => Name::new(text),
        None => m.name(text),
    };
    let words: Vec<&str> = value.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let number = |at: usize| word(at).parse::<u16>().ok();
    let Some(kind) = kind_called(kind) else { return };
    let data = match kind {
        kind::A => word(0).parse().ok().map(Data::A),
        kind::AAAA => word(0).parse().ok().map(Data::Aaaa),
        kind::NS | kind::CNAME | kind::PTR => full(word(0)).map(Data::Name),
        kind::MX => number(0).zip(full(word(1))).map(|(n, name)| Data::Mx(n, name)),
        kind::SRV => match (number(0), number(1), number(2), full(word(3))) {
            (Some(a), Some(b), Some(c), Some(name)) => Some(Data::Srv(a, b, c, name)),
            _ => None,
        },
        kind::TXT => {
            let text = value.trim().trim_matches('"').as_bytes();
            Some(Data::Text(text.chunks(255).take(8).map(<[u8]>::to_vec).collect()))
        }
        _ => None,
    };
    if let (Some(name), Some(data)) = (full(name), data) {
        m.records.push(Record { name, kind, class: class::IN, ttl: m.ttl, data });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn zones_hold_together() {
        let mut persona = testing::persona(&["dns", "http"]);
        for windows in [false, true] {
            persona.nmap_os = if windows { "windows_server".into() } else { "linux".into() };
            let zones = zones(&persona, &Settings::new(), windows);
            let main = &zones[0];
            let soa = main.soa().unwrap();
            assert_eq!(soa.kind, kind::SOA);
            assert!(main.records.len() > 12, "{}", main.records.len());
            // Every name that a record leads to has an address or an alias.
            for record in &main.records {
                if let Data::Name(to) | Data::Mx(_, to) | Data::Srv(_, _, _, to) = &record.data {
                    assert!(main.at(to).any(|r| matches!(r.data, Data::A(_))), "{}", to.text());
                }
                if record.kind == kind::CNAME {
                    assert_eq!(main.at(&record.name).count(), 1, "{}", record.name.text());
                }
            }
            let own = zones.iter().find(|z| z.apex == Name::new("0.77.127.in-addr.arpa").unwrap()).unwrap();
            assert!(own.records.iter().any(|r| r.kind == kind::PTR));
        }
    }

    #[test]
    fn lines_of_the_settings_become_records() {
        let mut settings = Settings::new();
        let text = "shop A 10.9.9.9\n@ MX 20 mx2\n# no\nbad\nx A nonsense\nold.example.org. A 1.2.3.4\n_x._tcp SRV 1 2 3 shop\nt TXT \"hello world\"";
        settings.insert("extra_records".into(), text.into());
        let persona = testing::persona(&["dns"]);
        let zones = zones(&persona, &settings, false);
        let (all, main) = (&zones[0].records, &zones[0]);
        let shop = Name::new(&format!("shop.{}", main.apex.text())).unwrap();
        assert!(main.at(&shop).any(|r| r.data == Data::A([10, 9, 9, 9].into())));
        assert!(all.iter().any(|r| matches!(&r.data, Data::Mx(20, _))));
        assert!(all.iter().any(|r| r.data == Data::Text(vec![b"hello world".to_vec()])));
        assert!(!all.iter().any(|r| r.data == Data::A([1, 2, 3, 4].into())), "out of the zone");
    }
}
