//! Active Directory Domain Services of Windows Server 2016: its root, a domain, and its words.

use super::directory::Entry;
use crate::decoy::dns::zone::guid;
use crate::decoy::domain::{Domain, people};
use crate::model::Persona;

/// Build of Windows Server 2016, in hexadecimal, as directory errors end with it.
const VERSION: &str = "v3839";

/// Controls that it says it supports.
const CONTROLS: &[&str] = &[
    "1.2.840.113556.1.4.319",
    "1.2.840.113556.1.4.801",
    "1.2.840.113556.1.4.473",
    "1.2.840.113556.1.4.528",
    "1.2.840.113556.1.4.417",
    "1.2.840.113556.1.4.619",
    "1.2.840.113556.1.4.841",
    "1.2.840.113556.1.4.529",
    "1.2.840.113556.1.4.805",
    "1.2.840.113556.1.4.521",
    "1.2.840.113556.1.4.970",
    "1.2.840.113556.1.4.1338",
    "1.2.840.113556.1.4.474",
    "1.2.840.113556.1.4.1339",
    "1.2.840.113556.1.4.1340",
    "1.2.840.113556.1.4.1413",
    "2.16.840.1.113730.3.4.9",
    "2.16.840.1.113730.3.4.10",
    "1.2.840.113556.1.4.1504",
    "1.2.840.113556.1.4.1852",
    "1.2.840.113556.1.4.802",
    "1.2.840.113556.1.4.1907",
    "1.2.840.113556.1.4.1948",
    "1.2.840.113556.1.4.1974",
    "1.2.840.113556.1.4.1341",
    "1.2.840.113556.1.4.2026",
    "1.2.840.113556.1.4.2064",
    "1.2.840.113556.1.4.2065",
    "1.2.840.113556.1.4.2066",
    "1.2.840.113556.1.4.2090",
    "1.2.840.113556.1.4.2205",
    "1.2.840.113556.1.4.2204",
    "1.2.840.113556.1.4.2206",
    "1.2.840.113556.1.4.2211",
    "1.2.840.113556.1.4.2239",
    "1.2.840.113556.1.4.2255",
    "1.2.840.113556.1.4.2256",
    "1.2.840.113556.1.4.2309",
];
const POLICIES: &[&str] = &[
    "MaxPoolThreads",
    "MaxPercentDirSyncRequests",
    "MaxDatagramRecv",
    "MaxReceiveBuffer",
    "InitRecvTimeout",
    "MaxConnections",
    "MaxConnIdleTime",
    "MaxPageSize",
    "MaxBatchReturnMessages",
    "MaxQueryDuration",
    "MaxDirSyncDuration",
    "MaxTempTableSize",
    "MaxResultSetSize",
    "MinResultSets",
    "MaxResultSetsPerConn",
    "MaxNotificationPerConn",
    "MaxValRange",
    "MaxValRangeTransitive",
    "ThreadMemoryLimit",
    "SystemMemoryLimitPercent",
];
const CAPABILITIES: &[&str] = &[
    "1.2.840.113556.1.4.800",
    "1.2.840.113556.1.4.1670",
    "1.2.840.113556.1.4.1791",
    "1.2.840.113556.1.4.1935",
    "1.2.840.113556.1.4.2080",
    "1.2.840.113556.1.4.2237",
];

/// Whether it takes this control.
pub(super) fn supports(oid: &[u8]) -> bool {
    CONTROLS.iter().any(|c| c.as_bytes() == oid)
}

/// An error's text: code, place, comment, as the server puts it; it ends with a zero byte.
pub(super) fn error(code: &str, place: &str, comment: &str, data: &str) -> String {
    format!("{code}: LdapErr: DSID-{place}, comment: {comment}, data {data}, {VERSION}\0")
}

/// A moment as the directory writes it.
pub(super) fn stamp(seconds: i64) -> String {
    let text = jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{digits}.0Z")
}

/// The root, as of `now`.
pub(super) fn root(persona: &Persona, domain: &Domain, now: i64) -> Entry {
    let dn = domain.dn();
    let config = format!("CN=Configuration,{dn}");
    let schema = format!("CN=Schema,{config}");
    let server = format!("CN={},CN=Servers,CN=Default-First-Site-Name,CN=Sites,{config}", domain.computer);
    let mut root = Entry::new("");
    let mut one = |name, value: &str| root.add(name, &[value]);
    one("domainFunctionality", "7");
    one("forestFunctionality", "7");
    one("domainControllerFunctionality", "7");
    one("rootDomainNamingContext", &dn);
    let service = format!(
        "{}:{}$@{}",
        domain.dns,
        domain.computer.to_ascii_lowercase(),
        domain.dns.to_ascii_uppercase()
    );
    one("ldapServiceName", &service);
    one("isGlobalCatalogReady", "TRUE");
    root.add("supportedSASLMechanisms", &["GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"]);
    root.add("supportedLDAPVersion", &["3", "2"]);
    root.add("supportedLDAPPolicies", POLICIES);
    root.add("supportedControl", CONTROLS);
    root.add("supportedCapabilities", CAPABILITIES);
    root.add("subschemaSubentry", &[format!("CN=Aggregate,{schema}")]);
    root.add("serverName", &[&server]);
    root.add("schemaNamingContext", &[&schema]);
    let zones = ["DomainDnsZones", "ForestDnsZones"].map(|z| format!("DC={z},{dn}"));
    let [domain_zones, forest_zones] = zones;
    root.add("namingContexts", &[&dn, &config, &schema, &domain_zones, &forest_zones]);
    root.add("isSynchronized", &["TRUE"]);
    let age = u64::try_from(now.saturating_sub(persona.born).max(0)).unwrap_or(0);
    let usn = 28_000 + persona.seed.number("ldap/usn", 60_000) + age / 97;
    root.add("highestCommittedUSN", &[usn.to_string()]);
    root.add("dsServiceName", &[format!("CN=NTDS Settings,{server}")]);
    root.add("dnsHostName", &[fqdn(domain)]);
    root.add("defaultNamingContext", &[&dn]);
    root.add("currentTime", &[stamp(now)]);
    root.add("configurationNamingContext", &[&config]);
    root
}

/// The server's name as Windows registers it: the host in its own case.
fn fqdn(domain: &Domain) -> String {
    format!("{}.{}", domain.host, domain.dns)
}

struct Making<'a> {
    persona: &'a Persona,
    domain: &'a Domain,
    dn: String,
    all: Vec<Entry>,
}

impl Making<'_> {
    fn sid(&self, rid: u32) -> Vec<u8> {
        let mut out = vec![1, 5, 0, 0, 0, 0, 0, 5];
        let [a, b, c] = Domain::sid(self.persona);
        for part in [21, a, b, c, rid] {
            out.extend(part.to_le_bytes());
        }
        out
    }

    /// An entry with what all have.
    fn entry(&mut self, dn: &str, classes: &[&str], category: &str) -> &mut Entry {
        let mut entry = Entry::new(dn);
        let name = dn.split([',', '=']).nth(1).unwrap_or_default().to_owned();
        entry.add("objectClass", classes);
        entry.add(if dn.starts_with("OU=") { "ou" } else { "cn" }, &[&name]);
        entry.add("distinguishedName", &[dn]);
        entry.add("instanceType", &["4"]);
        let made = stamp(self.persona.born);
        entry.add("whenCreated", &[&made]);
        entry.add("whenChanged", &[&made]);
        let usn = 8_000 + self.persona.seed.number(&format!("ldap/usn/{dn}"), 20_000);
        entry.add("uSNCreated", &[usn.to_string()]);
        entry.add("uSNChanged", &[(usn + 40).to_string()]);
        entry.add("name", &[&name]);
        let id = guid(&self.persona.seed.derive(&format!("ldap/guid/{dn}")));
        entry.add_bytes("objectGUID", hex::decode(id.replace('-', "")).unwrap_or_default());
        entry.add("objectCategory", &[format!("CN={category},CN=Schema,CN=Configuration,{}", self.dn)]);
        self.all.push(entry);
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    fn container(&mut self, name: &str, kind: &str, about: &str) {
        let (dn, category) = (
            format!("{name},{}", self.dn),
            if kind == "container" { "Container" } else { "Organizational-Unit" },
        );
        let entry = self.entry(&dn, &["top", kind], category);
        entry.add("description", &[about]);
    }

    fn group(&mut self, name: &str, rid: u32, about: &str, members: &[String]) {
        let (dn, sid) = (format!("CN={name},CN=Users,{}", self.dn), self.sid(rid));
        let entry = self.entry(&dn, &["top", "group"], "Group");
        entry.add("description", &[about]);
        if !members.is_empty() {
            entry.add("member", members);
        }
        entry.add_bytes("objectSid", sid);
        entry.add("sAMAccountName", &[name]);
        entry.add("sAMAccountType", &["268435456"]);
        entry.add("groupType", &["-2147483646"]);
    }

    fn user(&mut self, who: &Who<'_>) {
        let dn = format!("CN={},CN=Users,{}", who.name, self.dn);
        let (sid, dns) = (self.sid(who.rid), self.domain.dns.clone());
        let groups: Vec<String> = who.groups.iter().map(|g| format!("CN={g},CN=Users,{}", self.dn)).collect();
        let set = self.persona.born.saturating_add(
            i64::try_from(self.persona.seed.number(&format!("ldap/pwd/{}", who.account), 8_000_000))
                .unwrap_or(0),
        );
        let ticks = set.saturating_add(11_644_473_600).saturating_mul(10_000_000).to_string();
        let entry = self.entry(&dn, &["top", "person", "organizationalPerson", "user"], "Person");
        if let Some((given, family, department)) = who.person {
            entry.add("sn", &[family]);
            entry.add("givenName", &[given]);
            entry.add("displayName", &[who.name]);
            entry.add("department", &[department]);
            entry.add("mail", &[format!("{}@{dns}", who.account)]);
        }
        if !who.about.is_empty() {
            entry.add("description", &[who.about]);
        }
        if !groups.is_empty() {
            entry.add("memberOf", &groups);
        }
        entry.add("userAccountControl", &[who.control]);
        entry.add("badPwdCount", &["0"]);
        entry.add("pwdLastSet", &[ticks]);
        entry.add("primaryGroupID", &["513"]);
        entry.add_bytes("objectSid", sid);
        entry.add("accountExpires", &["9223372036854775807"]);
        entry.add("sAMAccountName", &[who.account]);
        entry.add("sAMAccountType", &["805306368"]);
        if who.rid > 1000 {
            entry.add("userPrincipalName", &[format!("{}@{dns}", who.account)]);
        }
        if !who.service.is_empty() {
            entry.add("servicePrincipalName", &[format!("{}.{dns}", who.service)]);
        }
    }
}

struct Who<'a> {
    name: &'a str,
    account: &'a str,
    rid: u32,
    control: &'a str,
    about: &'a str,
    groups: &'a [&'a str],
    person: Option<(&'a str, &'a str, &'a str)>,
    service: &'a str,
}

const NORMAL: &str = "512";
const NEVER_EXPIRES: &str = "66048";

/// The domain, with one more account when somebody may log in.
pub(super) fn entries(persona: &Persona, domain: &Domain, account: Option<&str>) -> Vec<Entry> {
    let dn = domain.dn();
    let mut m = Making { persona, domain, dn: dn.clone(), all: Vec::new() };
    let [a, b, c] = Domain::sid(persona);
    let mut sid = vec![1, 4, 0, 0, 0, 0, 0, 5];
    for part in [21, a, b, c] {
        sid.extend(part.to_le_bytes());
    }
    let mut top = Entry::new(&dn);
    top.add("objectClass", &["top", "domain", "domainDNS"]);
    top.add("distinguishedName", &[&dn]);
    top.add("instanceType", &["5"]);
    top.add("whenCreated", &[stamp(persona.born)]);
    let name = domain.dns.split('.').next().unwrap_or_default();
    top.add("name", &[name]);
    let id = guid(&persona.seed.derive("domain/guid"));
    top.add_bytes("objectGUID", hex::decode(id.replace('-', "")).unwrap_or_default());
    let fixed = [
        ("forceLogoff", "-9223372036854775808"),
        ("lockoutDuration", "-18000000000"),
        ("lockOutObservationWindow", "-18000000000"),
        ("lockoutThreshold", "0"),
        ("maxPwdAge", "-36288000000000"),
        ("minPwdAge", "-864000000000"),
        ("minPwdLength", "7"),
        ("nextRid", "1000"),
        ("pwdProperties", "1"),
        ("pwdHistoryLength", "24"),
        ("msDS-Behavior-Version", "7"),
        ("ms-DS-MachineAccountQuota", "10"),
        ("dc", name),
    ];
    for (name, value) in fixed {
        top.add(name, &[value]);
    }
    top.add_bytes("objectSid", sid);
    top.add("objectCategory", &[format!("CN=Domain-DNS,CN=Schema,CN=Configuration,{dn}")]);
    m.all.push(top);
    m.container("CN=Users", "container", "Default container for upgraded user accounts");
    m.container("CN=Computers", "container", "Default container for upgraded computer accounts");
    m.container("CN=System", "container", "Builtin system settings");
    m.container("OU=Domain Controllers", "organizationalUnit", "Default container for domain controllers");
    accounts(&mut m, account);
    computers(&mut m);
    for (name, class) in [("Configuration", "configuration"), ("Schema,CN=Configuration", "dMD")] {
        let mut entry = Entry::new(&format!("CN={name},{dn}"));
        entry.add("objectClass", &["top", class]);
        m.all.push(entry);
    }
    m.all
}

fn accounts(m: &mut Making<'_>, account: Option<&str>) {
    let all = people(m.persona);
    let admin = all.iter().find(|p| p.department == "IT").or(all.first()).map(|p| p.account.clone());
    let user = |name, account, rid, control, about, groups| Who {
        name,
        account,
        rid,
        control,
        about,
        groups,
        person: None,
        service: "",
    };
    let admins: &[&str] = &["Domain Admins", "Enterprise Admins", "Schema Admins"];
    let about = "Built-in account for administering the computer/domain";
    m.user(&user("Administrator", "Administrator", 500, NEVER_EXPIRES, about, admins));
    let about = "Built-in account for guest access to the computer/domain";
    m.user(&user("Guest", "Guest", 501, "66082", about, &[]));
    m.user(&user("krbtgt", "krbtgt", 502, "514", "Key Distribution Center Service Account", &[]));
    let services = [("svc_sql", "MSSQLSvc/srv-sql01"), ("svc_backup", "backup/srv-file01")];
    for (rid, (name, service)) in (1103u32..).zip(services) {
        m.user(&Who { service, ..user(name, name, rid, NEVER_EXPIRES, "Service account", &[]) });
    }
    let mut members = vec![format!("CN=Administrator,CN=Users,{}", m.dn)];
    for (rid, person) in (1110u32..).zip(&all) {
        let name = format!("{} {}", person.given, person.family);
        let is_admin = admin.as_deref() == Some(person.account.as_str());
        if is_admin {
            members.push(format!("CN={name},CN=Users,{}", m.dn));
        }
        m.user(&Who {
            name: &name,
            account: &person.account,
            rid,
            control: NORMAL,
            about: "",
            groups: if is_admin { &["Domain Admins"] } else { &[] },
            person: Some((person.given, person.family, person.department)),
            service: "",
        });
    }
    let known = |name: &str| {
        all.iter().any(|p| p.account.eq_ignore_ascii_case(name)) || name.contains(['=', '@', '\\'])
    };
    if let Some(name) = account.filter(|n| !known(n) && !n.eq_ignore_ascii_case("administrator")) {
        m.user(&user(name, name, 1190, NORMAL, "", &[]));
    }
    m.group("Domain Admins", 512, "Designated administrators of the domain", &members);
    m.group("Domain Users", 513, "All domain users", &[]);
    m.group("Domain Guests", 514, "All domain guests", &[]);
    m.group("Domain Computers", 515, "All workstations and servers joined to the domain", &[]);
    m.group("Domain Controllers", 516, "All domain controllers in the domain", &[]);
    let first = members.first().cloned().unwrap_or_default();
    m.group("Schema Admins", 518, "Designated administrators of the schema", std::slice::from_ref(&first));
    m.group("Enterprise Admins", 519, "Designated administrators of the enterprise", &[first]);
}

fn computers(m: &mut Making<'_>) {
    let mut all = vec![(
        m.domain.computer.clone(),
        "OU=Domain Controllers",
        1000u32,
        "532480",
        "Windows Server 2016 Standard",
        "10.0 (14393)",
    )];
    for n in 0..3 + m.persona.seed.number("ldap/computers", 6) {
        let tag = hex::encode_upper(m.persona.seed.derive(&format!("dns/desktop/{n}")));
        let name = format!("DESKTOP-{}", tag.get(..7).unwrap_or("0000000"));
        let rid = 1140 + u32::try_from(n).unwrap_or(0);
        all.push((name, "CN=Computers", rid, "4096", "Windows 10 Pro", "10.0 (19045)"));
    }
    for (name, place, rid, control, system, version) in all {
        let (dn, sid) = (format!("CN={name},{place},{}", m.dn), m.sid(rid));
        let host = format!("{name}.{}", m.domain.dns);
        let classes = ["top", "person", "organizationalPerson", "user", "computer"];
        let entry = m.entry(&dn, &classes, "Computer");
        entry.add("userAccountControl", &[control]);
        entry.add("primaryGroupID", &[if control == "4096" { "515" } else { "516" }]);
        entry.add_bytes("objectSid", sid);
        entry.add("sAMAccountName", &[format!("{name}$")]);
        entry.add("sAMAccountType", &["805306369"]);
        entry.add("operatingSystem", &[system]);
        entry.add("operatingSystemVersion", &[version]);
        entry.add("servicePrincipalName", &[format!("HOST/{name}"), format!("HOST/{host}")]);
        entry.add("dNSHostName", &[host]);
    }
}
