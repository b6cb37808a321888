//! The domain a machine belongs to: one answer for its directory, its shares and its name server.

use super::setting::text;
use crate::model::Persona;

/// Where a machine is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    /// DNS name of the domain, lower case: `contoso.local`.
    pub(crate) dns: String,
    /// NetBIOS name of the domain, or the workgroup: `CONTOSO`.
    pub(crate) netbios: String,
    /// NetBIOS name of the machine, at most fifteen characters: `WIN-3T1QKJ6G0P2`.
    pub(crate) computer: String,
    /// The first label of its hostname, in the case it was given.
    pub(crate) host: String,
}

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
        let said = ["ldap", "smb", "rdp", "dns", "mssql"].iter().find_map(|slug| {
            let name = text(persona.services.get(*slug)?, "domain")?.trim_matches('.');
            valid(name).then(|| name.to_ascii_lowercase())
        });
        let own = rest.to_ascii_lowercase();
        let dns = said
            .or_else(|| (valid(&own) && own != "localdomain" && own != "localhost").then_some(own))
            .unwrap_or_else(|| invented(persona));
        let netbios = first(&dns, 15).to_ascii_uppercase();
        Self { netbios, computer: first(host, 15).to_ascii_uppercase(), host: host.to_owned(), dns }
    }

    /// `dc01.contoso.local`.
    pub(crate) fn fqdn(&self) -> String {
        format!("{}.{}", self.host.to_ascii_lowercase(), self.dns)
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

fn first(name: &str, most: usize) -> String {
    name.split('.').next().unwrap_or_default().chars().take(most).collect()
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

    #[test]
    fn odd_names_are_no_domains() {
        for name in ["", ".", "a..b", "-a.b", "a b.c", &"a".repeat(64)] {
            assert!(!valid(name), "{name}");
        }
    }
}
