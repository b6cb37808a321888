//! Archetypes: named bundles of services, distros and an OS family (facts: upstream §3.2).

/// An archetype.
#[derive(Debug)]
pub struct Archetype {
    /// What files and flags call it.
    pub slug: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it runs unless the decky says otherwise.
    pub services: &'static [&'static str],
    /// The distros it is drawn from.
    pub distros: &'static [&'static str],
    /// Its OS family unless the decky says otherwise.
    pub nmap_os: &'static str,
    /// What it is for, in a few words.
    pub help: &'static str,
}

const UBUNTU_LIKE: &[&str] = &["debian", "ubuntu22"];

static ARCHETYPES: [Archetype; 15] = [
    Archetype {
        slug: "windows-workstation",
        title: "Windows Workstation",
        services: &["smb", "rdp"],
        distros: UBUNTU_LIKE,
        nmap_os: "windows",
        help: "office PC with shares and remote desktop",
    },
    Archetype {
        slug: "windows-server",
        title: "Windows Server",
        services: &["smb", "rdp", "ldap"],
        distros: UBUNTU_LIKE,
        nmap_os: "windows_server",
        help: "domain member server",
    },
    Archetype {
        slug: "domain-controller",
        title: "Domain Controller",
        services: &["ldap", "smb", "rdp", "llmnr"],
        distros: UBUNTU_LIKE,
        nmap_os: "windows_server",
        help: "Active Directory controller",
    },
    Archetype {
        slug: "linux-server",
        title: "Linux Server",
        services: &["ssh", "http"],
        distros: &["debian", "ubuntu22", "rocky9", "fedora"],
        nmap_os: "linux",
        help: "general Linux host",
    },
    Archetype {
        slug: "web-server",
        title: "Web Server",
        services: &["http", "ftp"],
        distros: &["debian", "ubuntu22", "ubuntu20"],
        nmap_os: "linux",
        help: "public web host",
    },
    Archetype {
        slug: "database-server",
        title: "Database Server",
        services: &["mysql", "postgres", "redis"],
        distros: UBUNTU_LIKE,
        nmap_os: "linux",
        help: "data tier",
    },
    Archetype {
        slug: "mail-server",
        title: "Mail Server",
        services: &["smtp", "pop3", "imap"],
        distros: UBUNTU_LIKE,
        nmap_os: "linux",
        help: "mail host",
    },
    Archetype {
        slug: "file-server",
        title: "File Server",
        services: &["smb", "ftp", "ssh"],
        distros: &["debian", "ubuntu22", "rocky9"],
        nmap_os: "linux",
        help: "storage node",
    },
    Archetype {
        slug: "printer",
        title: "Network Printer",
        services: &["snmp", "ftp"],
        distros: &["alpine", "debian"],
        nmap_os: "embedded",
        help: "network printer",
    },
    Archetype {
        slug: "iot-device",
        title: "IoT Device",
        services: &["mqtt", "snmp", "telnet"],
        distros: &["alpine"],
        nmap_os: "embedded",
        help: "embedded gadget",
    },
    Archetype {
        slug: "industrial-control",
        title: "Industrial Control System",
        services: &["conpot", "snmp"],
        distros: &["debian"],
        nmap_os: "embedded",
        help: "ICS or SCADA node",
    },
    Archetype {
        slug: "voip-server",
        title: "VoIP Server",
        services: &["sip"],
        distros: UBUNTU_LIKE,
        nmap_os: "linux",
        help: "telephone exchange",
    },
    Archetype {
        slug: "monitoring-node",
        title: "Monitoring Node",
        services: &["snmp", "ssh"],
        distros: &["debian", "rocky9"],
        nmap_os: "linux",
        help: "monitoring host",
    },
    Archetype {
        slug: "devops-host",
        title: "DevOps Host",
        services: &["docker_api", "ssh", "k8s"],
        distros: &["ubuntu22", "debian"],
        nmap_os: "linux",
        help: "CI or container host",
    },
    Archetype {
        slug: "deaddeck",
        title: "Deaddeck (Entry Point)",
        services: &["ssh"],
        distros: UBUNTU_LIKE,
        nmap_os: "linux",
        help: "internet-facing entry box",
    },
];

/// Every archetype, in table order.
pub fn archetypes() -> &'static [Archetype] {
    &ARCHETYPES
}

/// The archetype called `slug`, exactly.
pub fn archetype(slug: &str) -> Option<&'static Archetype> {
    ARCHETYPES.iter().find(|a| a.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{distro, os_family, service};

    #[test]
    fn refer_to_known_things_only() {
        for a in archetypes() {
            assert!(!a.services.is_empty() && !a.distros.is_empty(), "{}", a.slug);
            assert!(a.services.iter().all(|s| service(s).is_some_and(|s| !s.singleton)), "{}", a.slug);
            assert!(a.distros.iter().all(|d| distro(d).is_some()), "{}", a.slug);
            assert!(os_family(a.nmap_os).is_some(), "{}", a.slug);
        }
        assert_eq!(archetype("file-server").unwrap().services, ["smb", "ftp", "ssh"]);
        assert!(archetype("Printer").is_none());
    }
}
