//! OpenLDAP's slapd as Debian sets it up: its root, and the directory of a small company.

use super::directory::Entry;
use crate::decoy::dns::zone::guid;
use crate::decoy::domain::{Domain, people};
use crate::model::Persona;

/// What it supports, in the order that it lists them.
const CONTROLS: &[&str] = &[
    "2.16.840.1.113730.3.4.18",
    "2.16.840.1.113730.3.4.2",
    "1.3.6.1.4.1.4203.1.10.1",
    "1.3.6.1.1.22",
    "1.2.840.113556.1.4.319",
    "1.2.826.0.1.3344810.2.3",
    "1.3.6.1.1.13.2",
    "1.3.6.1.1.13.1",
    "1.3.6.1.1.12",
];
const EXTENSIONS: &[&str] = &[
    "1.3.6.1.4.1.1466.20037",
    "1.3.6.1.4.1.4203.1.11.1",
    "1.3.6.1.4.1.4203.1.11.3",
    "1.3.6.1.1.8",
    "1.3.6.1.1.21.3",
    "1.3.6.1.1.21.1",
];
const FEATURES: &[&str] = &[
    "1.3.6.1.1.14",
    "1.3.6.1.4.1.4203.1.5.1",
    "1.3.6.1.4.1.4203.1.5.2",
    "1.3.6.1.4.1.4203.1.5.3",
    "1.3.6.1.4.1.4203.1.5.4",
    "1.3.6.1.4.1.4203.1.5.5",
];
/// SASL mechanisms, those that show a password last: they are offered over TLS only.
const MECHANISMS: &[&str] = &["DIGEST-MD5", "CRAM-MD5", "NTLM", "LOGIN", "PLAIN"];

/// Whether it takes this control.
pub(super) fn supports(oid: &[u8]) -> bool {
    CONTROLS.iter().any(|c| c.as_bytes() == oid)
}

/// The mechanisms that it offers.
pub(super) fn mechanisms(tls: bool) -> &'static [&'static str] {
    if tls { MECHANISMS } else { MECHANISMS.get(..3).unwrap_or_default() }
}

/// The suffix: Debian's takes lower case.
pub(super) fn suffix(domain: &Domain) -> String {
    domain.dn().replace("DC=", "dc=")
}

/// The root.
pub(super) fn root(domain: &Domain, tls: bool) -> Entry {
    let mut root = Entry::new("");
    root.add("objectClass", &["top", "OpenLDAProotDSE"]);
    root.add_hidden("structuralObjectClass", &["OpenLDAProotDSE"]);
    root.add_hidden("configContext", &["cn=config"]);
    root.add_hidden("namingContexts", &[suffix(domain)]);
    root.add_hidden("supportedControl", CONTROLS);
    root.add_hidden("supportedExtension", EXTENSIONS);
    root.add_hidden("supportedFeatures", FEATURES);
    root.add_hidden("supportedLDAPVersion", &["3"]);
    root.add_hidden("supportedSASLMechanisms", mechanisms(tls));
    root.add_hidden("entryDN", &[""]);
    root.add_hidden("subschemaSubentry", &["cn=Subschema"]);
    root
}

struct Making<'a> {
    persona: &'a Persona,
    suffix: String,
    all: Vec<Entry>,
}

impl Making<'_> {
    fn entry(&mut self, dn: &str, structural: &str, classes: &[&str]) -> &mut Entry {
        let mut entry = Entry::new(dn);
        entry.add("objectClass", classes);
        let seed = &self.persona.seed;
        let after = i64::try_from(seed.number(&format!("ldap/made/{dn}"), 900_000)).unwrap_or(0);
        let at = super::ad::stamp(self.persona.born.saturating_add(after)).replace(".0Z", "Z");
        let admin = format!("cn=admin,{}", self.suffix);
        entry.add_hidden("structuralObjectClass", &[structural]);
        entry.add_hidden("entryUUID", &[guid(&seed.derive(&format!("ldap/uuid/{dn}")))]);
        for name in ["creatorsName", "modifiersName"] {
            entry.add_hidden(name, &[&admin]);
        }
        for name in ["createTimestamp", "modifyTimestamp"] {
            entry.add_hidden(name, &[&at]);
        }
        entry.add_hidden("entryDN", &[dn]);
        entry.add_hidden("subschemaSubentry", &["cn=Subschema"]);
        self.all.push(entry);
        let last = self.all.len() - 1;
        &mut self.all[last]
    }
}

/// Everything below the suffix, with one more account when somebody may log in.
pub(super) fn entries(persona: &Persona, domain: &Domain, account: Option<&str>) -> Vec<Entry> {
    let suffix = suffix(domain);
    let mut m = Making { persona, suffix: suffix.clone(), all: Vec::new() };
    let name = domain.dns.split('.').next().unwrap_or_default().to_owned();
    let top = m.entry(&suffix, "organization", &["top", "dcObject", "organization"]);
    top.add("o", &[&domain.dns]);
    top.add("dc", &[&name]);
    let admin = m.entry(
        &format!("cn=admin,{suffix}"),
        "organizationalRole",
        &["simpleSecurityObject", "organizationalRole"],
    );
    admin.add("cn", &["admin"]);
    admin.add("description", &["LDAP administrator"]);
    for unit in ["people", "groups"] {
        m.entry(&format!("ou={unit},{suffix}"), "organizationalUnit", &["top", "organizationalUnit"])
            .add("ou", &[unit]);
    }
    let all = people(persona);
    for (number, person) in (10_001u32..).zip(&all) {
        let dn = format!("uid={},ou=people,{suffix}", person.account);
        let entry = m.entry(&dn, "inetOrgPerson", &["inetOrgPerson", "posixAccount", "shadowAccount"]);
        entry.add("uid", &[&person.account]);
        entry.add("sn", &[person.family]);
        entry.add("givenName", &[person.given]);
        entry.add("cn", &[format!("{} {}", person.given, person.family)]);
        entry.add("departmentNumber", &[person.department]);
        entry.add("mail", &[format!("{}@{}", person.account, domain.dns)]);
        posix(entry, &person.account, number);
    }
    let known =
        |n: &str| all.iter().any(|p| p.account == n) || n == "admin" || n.contains(['=', ',', '@', '\\']);
    if let Some(name) = account.filter(|n| !known(n)) {
        let dn = format!("uid={name},ou=people,{suffix}");
        let entry = m.entry(&dn, "account", &["account", "posixAccount"]);
        entry.add("uid", &[name]);
        entry.add("cn", &[name]);
        posix(entry, name, 10_900);
    }
    for (number, name) in [(10_000u32, "users"), (10_500, "admins"), (10_501, "developers"), (10_502, "vpn")]
    {
        let members: Vec<&str> = all
            .iter()
            .filter(|p| name == "users" || persona.seed.number(&format!("ldap/{name}/{}", p.account), 4) == 0)
            .map(|p| p.account.as_str())
            .collect();
        let entry = m.entry(&format!("cn={name},ou=groups,{suffix}"), "posixGroup", &["posixGroup"]);
        entry.add("cn", &[name]);
        entry.add("gidNumber", &[number.to_string()]);
        if !members.is_empty() {
            entry.add("memberUid", &members);
        }
    }
    m.all
}

fn posix(entry: &mut Entry, name: &str, number: u32) {
    entry.add("uidNumber", &[number.to_string()]);
    entry.add("gidNumber", &["10000"]);
    entry.add("homeDirectory", &[format!("/home/{name}")]);
    entry.add("loginShell", &["/bin/bash"]);
}
