//! The domain a machine belongs to: one answer for its directory, its shares, its logins and its name server.

use super::setting::text;
use crate::model::Persona;

/// Where a machine is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    /// DNS name of the domain, lower case: `contoso.local`.
    pub(crate) dns: String,
    /// NetBIOS name of the domain: `CONTOSO`.
    pub(crate) netbios: String,
    /// NetBIOS name of the machine, at most fifteen characters: `WIN-3T1QKJ6G0P2`.
    pub(crate) computer: String,
    /// The first label of its hostname, in the case it was given.
    pub(crate) host: String,
    /// Whether the machine itself says that it belongs there; else the domain is only what those of its
    /// services tell of that cannot be without one.
    pub(crate) joined: bool,
}

/// Services whose settings say what all of them show.
const NAMED_BY: [&str; 5] = ["ldap", "smb", "rdp", "dns", "mssql"];

const COMPANIES: &[&str] = &[
    "acorn",
    "alder",
    "baltic",
    "beacon",
    "birch",
    "cascade",
    "castel",
    "cobalt",
    "corvus",
    "delphi",
    "elara",
    "ember",
    "fairway",
    "fjord",
    "garnet",
    "halden",
    "harbor",
    "helios",
    "irongate",
    "juno",
    "kestrel",
    "larkin",
    "lumen",
    "meridian",
    "monarch",
    "nordic",
    "norwood",
    "oakline",
    "orchid",
    "osprey",
    "pallas",
    "pinecrest",
    "quarry",
    "redwood",
    "rivet",
    "sable",
    "sentry",
    "solace",
    "sterling",
    "summit",
    "tarn",
    "tilden",
    "umbra",
    "vantage",
    "verity",
    "westbrook",
    "wexford",
    "yarrow",
    "zenith",
];
const SUFFIXES: &[&str] = &["", "", "group", "corp", "tech", "labs", "net"];
const TOPS: &[&str] = &["local", "local", "lan", "internal", "corp"];

impl Domain {
    /// The domain of `persona`: what a `domain` setting of one of its services says, else that of its
    /// hostname, else a made-up one that belongs to its seed.
    pub(crate) fn new(persona: &Persona) -> Self {
        let (host, rest) = persona.hostname.split_once('.').unwrap_or((&persona.hostname, ""));
        let said = settings(persona, "domain").find_map(|name| {
            let name = name.trim_matches('.');
            valid(name).then(|| name.to_ascii_lowercase())
        });
        let own = Some(rest.to_ascii_lowercase())
            .filter(|own| valid(own) && own != "localdomain" && own != "localhost");
        // Windows is what its primary suffix says, and whoever serves a directory, or its zone, is in it.
        let serves = is_controller(persona) || persona.services.contains_key("dns");
        let windows = persona.nmap_os.starts_with("windows");
        let joined = said.is_some() || windows && (own.is_some() || serves);
        let dns = said.or(own).unwrap_or_else(|| invented(persona));
        let first = dns.split('.').next().unwrap_or_default();
        Self {
            netbios: Self::workgroup(persona).unwrap_or_else(|| netbios(first)),
            computer: netbios(host),
            host: host.to_owned(),
            dns,
            joined,
        }
    }

    /// The NetBIOS name that a `workgroup` setting gives the domain or workgroup.
    pub(crate) fn workgroup(persona: &Persona) -> Option<String> {
        settings(persona, "workgroup").map(netbios).find(|name| !name.is_empty())
    }

    /// `dc01.contoso.local`; the machine in the case of its hostname, as all who tell of it give it.
    pub(crate) fn fqdn(&self) -> String {
        format!("{}.{}", self.host, self.dns)
    }

    /// `DC=contoso,DC=local`.
    pub(crate) fn dn(&self) -> String {
        let parts: Vec<String> = self.dns.split('.').map(|label| format!("DC={label}")).collect();
        parts.join(",")
    }

    /// The domain's part of security identifiers: `S-1-5-21-…`, as three numbers.
    pub(crate) fn sid(persona: &Persona) -> [u32; 3] {
        let bytes = persona.seed.derive("domain/sid");
        let word = |at: usize| {
            let part = bytes.get(at..at + 4).unwrap_or_default();
            part.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) | 0x1000_0000
        };
        [word(0), word(4), word(8)]
    }
}

fn invented(persona: &Persona) -> String {
    let company = persona.seed.pick("domain/company", COMPANIES).copied().unwrap_or("corp");
    let suffix = persona.seed.pick("domain/suffix", SUFFIXES).copied().unwrap_or_default();
    let top = persona.seed.pick("domain/top", TOPS).copied().unwrap_or("local");
    format!("{company}{suffix}.{top}")
}

/// What the services say of `key`, each in turn.
fn settings<'a>(persona: &'a Persona, key: &'a str) -> impl Iterator<Item = &'a str> {
    NAMED_BY.iter().filter_map(move |slug| text(persona.services.get(*slug)?, key))
}

/// A NetBIOS name: fifteen bytes, upper case.
fn netbios(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(15).collect::<String>().to_ascii_uppercase()
}

/// Whether it is a domain controller of Active Directory.
pub(crate) fn is_controller(persona: &Persona) -> bool {
    persona.nmap_os.starts_with("windows") && persona.services.contains_key("ldap")
}

/// Somebody who works there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    /// Login name: `jmiller`.
    pub(crate) account: String,
    pub(crate) department: &'static str,
}

const GIVEN: &[&str] = &[
    "Alice", "Andrew", "Anna", "Brian", "Carla", "Daniel", "David", "Elena", "Emma", "Frank", "Grace",
    "Hannah", "Ian", "Isabel", "James", "Julia", "Kevin", "Laura", "Linda", "Mark", "Martin", "Monica",
    "Nina", "Oliver", "Paul", "Peter", "Rachel", "Robert", "Sarah", "Simon", "Sophie", "Thomas", "Victor",
    "Walter",
];
const FAMILY: &[&str] = &[
    "Adams", "Baker", "Bennett", "Carter", "Clarke", "Collins", "Cooper", "Davies", "Dixon", "Edwards",
    "Foster", "Graham", "Harris", "Hughes", "Jansen", "Kelly", "Lambert", "Lewis", "Mason", "Miller",
    "Morgan", "Murphy", "Novak", "Parker", "Phillips", "Reid", "Roberts", "Schmidt", "Shaw", "Stewart",
    "Turner", "Walker", "Weber", "Wright",
];
const DEPARTMENTS: &[&str] = &["Finance", "Sales", "IT", "Human Resources", "Operations", "Marketing"];

/// The people of the domain, each with another account.
pub(crate) fn people(persona: &Persona) -> Vec<Person> {
    let seed = persona.seed.child("domain/people");
    let mut all: Vec<Person> = Vec::new();
    for n in 0..12 + seed.number("count", 14) {
        let pick = |what: &str, from: &'static [&'static str]| {
            seed.pick(&format!("{what}/{n}"), from).copied().unwrap_or("Smith")
        };
        let (given, family) = (pick("given", GIVEN), pick("family", FAMILY));
        let account = format!("{}{family}", given.get(..1).unwrap_or_default()).to_ascii_lowercase();
        if !all.iter().any(|p| p.account == account) {
            all.push(Person { given, family, account, department: pick("department", DEPARTMENTS) });
        }
    }
    all
}

/// Whether it can be a domain: labels of letters, digits and hyphens.
pub(crate) fn valid(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    !name.is_empty() && name.len() <= 200 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Seed;

    #[test]
    fn said_beats_hostname_beats_invented() {
        let mut persona = testing::persona(&["ldap"]);
        persona.hostname = "WIN-3T1QKJ6G0P2XYZ".into();
        let made = Domain::new(&persona);
        assert!(made.dns.split('.').count() == 2 && valid(&made.dns), "{made:?}");
        assert_eq!(made.computer, "WIN-3T1QKJ6G0P2");
        persona.seed = Seed::new([4; 32]);
        assert_ne!(Domain::new(&persona).dns, made.dns);
        persona.hostname = "web01.localdomain".into();
        assert_ne!(Domain::new(&persona).dns, "localdomain");
        persona.hostname = "web01.Example.org".into();
        assert_eq!(Domain::new(&persona).fqdn(), "web01.example.org");
        persona.services.get_mut("ldap").unwrap().insert("domain".into(), "HQ.contoso.com".into());
        let said = Domain::new(&persona);
        assert_eq!((said.dns.as_str(), said.netbios.as_str()), ("hq.contoso.com", "HQ"));
        assert_eq!(said.dn(), "DC=hq,DC=contoso,DC=com");
        assert_eq!(Domain::sid(&persona), Domain::sid(&persona));
    }

    /// What ldap and dns of `persona` say on the wire: of the root, in the challenge of NTLM, where the
    /// directory is.
    async fn told(persona: &Persona) -> [Vec<u8>; 3] {
        use tokio::io::AsyncReadExt as _;

        use crate::decoy::{ber, dns, ldap, ntlm};

        let named =
            |kind: u8, parts: &[Vec<u8>]| ber::group(0x30, &[ber::number(2, 1), ber::group(kind, parts)]);
        let directory = ldap::build(persona, &persona.services["ldap"]);
        let mut said = Vec::new();
        let mut root =
            vec![ber::element(4, b""), vec![10, 1, 0], vec![10, 1, 0], vec![2, 1, 0, 2, 1, 0, 1, 1, 0]];
        root.extend([ber::element(0x87, b"objectClass"), ber::group(0x30, &[])]);
        let login =
            [ber::number(2, 3), ber::element(4, b"NTLM"), ber::element(0x8a, &ntlm::tests::negotiate())];
        for question in [named(0x63, &root), named(0x60, &login)] {
            let mut client = testing::serve_on(directory.clone(), 389);
            client.send(&question).await;
            let mut got = vec![0; 64 * 1024];
            let length = client.stream.read(&mut got).await.unwrap();
            got.truncate(length);
            said.push(got);
        }
        let domain = Domain::new(persona).dns;
        let mut question = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in format!("_ldap._tcp.dc._msdcs.{domain}").split('.') {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, 33, 0, 1]);
        let server = dns::build(persona, &persona.services["dns"]);
        let answer = testing::ask(server.as_ref(), 53, &question, true).0.remove(0).1;
        [said.remove(0), said.remove(0), answer]
    }

    #[tokio::test]
    async fn all_services_of_a_controller_name_it_alike() {
        use crate::decoy::le::wide;
        use crate::decoy::ntlm::Host;

        let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
        // Whichever service says it, and when none does.
        let cases = [
            ("ldap", "domain", "hq.contoso.com", "HQ"),
            ("smb", "domain", "corp.example.org", "CORP"),
            ("smb", "workgroup", "", "HEADOFFICE"),
            ("ldap", "other", "", ""),
        ];
        for (slug, key, dns, netbios) in cases {
            let mut persona = testing::persona(&["ldap", "smb", "rdp", "dns", "mssql"]);
            persona.nmap_os = "windows".into();
            persona.hostname = "WIN-3T1QKJ6G0P2".into();
            let value = if dns.is_empty() { netbios } else { dns };
            persona.services.get_mut(slug).unwrap().insert(key.into(), value.into());
            let domain = Domain::new(&persona);
            assert!(dns.is_empty() || domain.dns == dns, "{domain:?}");
            assert!(netbios.is_empty() || domain.netbios == netbios, "{domain:?}");
            // What smb, rdp (challenge and certificate) and mssql show.
            let host = Host::new(&persona);
            assert_eq!((&host.domain, &host.workgroup), (&Some(domain.dns.clone()), &domain.netbios));
            assert_eq!((host.fqdn(), host.authority()), (domain.fqdn(), &*domain.netbios));
            assert_eq!(host.system.build, 14393, "a directory is on a server");
            let [root, challenge, srv] = told(&persona).await;
            assert!(has(&root, domain.dn().as_bytes()) && has(&root, domain.fqdn().as_bytes()));
            for name in [&domain.netbios, &domain.computer, &domain.dns, &domain.fqdn()] {
                assert!(has(&challenge, &wide(name)), "{name}");
            }
            let lower = host.hostname.to_ascii_lowercase();
            assert!(has(&srv.to_ascii_lowercase(), lower.as_bytes()), "the directory is on {lower}");
        }
    }

    #[test]
    fn without_a_directory_windows_is_in_a_workgroup() {
        use crate::decoy::ntlm::Host;

        let mut persona = testing::persona(&["smb", "rdp", "mssql"]);
        persona.nmap_os = "windows".into();
        persona.hostname = "DESKTOP-1".into();
        let host = Host::new(&persona);
        assert_eq!((&host.domain, &*host.workgroup, host.authority()), (&None, "WORKGROUP", "DESKTOP-1"));
        persona.services.get_mut("smb").unwrap().insert("workgroup".into(), "office".into());
        assert_eq!(
            (&*Host::new(&persona).workgroup, Host::new(&persona).authority()),
            ("OFFICE", "DESKTOP-1")
        );
    }

    #[test]
    fn odd_names_are_no_domains() {
        for name in ["", ".", "a..b", "-a.b", "a b.c", &"a".repeat(64)] {
            assert!(!valid(name), "{name}");
        }
    }
}
