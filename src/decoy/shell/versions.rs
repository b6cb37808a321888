//! Versions of programs that say theirs, by distribution.

/// What one distribution ships.
pub(super) struct Versions {
    pub(super) curl: &'static str,
    pub(super) wget: &'static str,
    pub(super) sudo: &'static str,
    pub(super) iptables: &'static str,
    pub(super) dmidecode: &'static str,
}

/// The packages of a distribution; Debian 12's where it is not known.
pub(super) fn of(distro: &str) -> Versions {
    let row = |curl, wget, sudo, iptables, dmidecode| Versions { curl, wget, sudo, iptables, dmidecode };
    match distro {
        "ubuntu22" => row("7.81.0", "1.21.2", "1.9.9", "1.8.7 (nf_tables)", "3.3"),
        "ubuntu20" => row("7.68.0", "1.20.3", "1.8.31", "1.8.4 (legacy)", "3.2"),
        "rocky9" => row("7.76.1", "1.21.1", "1.9.5p2", "1.8.10 (nf_tables)", "3.6"),
        "centos7" => row("7.29.0", "1.14", "1.8.23", "1.4.21", "3.2"),
        "fedora" => row("8.2.1", "1.21.4", "1.9.14p3", "1.8.9 (nf_tables)", "3.5"),
        "kali" => row("8.15.0", "1.25.0", "1.9.16p2", "1.8.11 (nf_tables)", "3.6"),
        "arch" => row("8.17.0", "1.25.0", "1.9.17p2", "1.8.11 (nf_tables)", "3.6"),
        "alpine" => row("8.5.0", "1.21.4", "1.9.15p5", "1.8.10 (nf_tables)", "3.5"),
        _ => row("7.88.1", "1.21.3", "1.9.13p3", "1.8.9 (nf_tables)", "3.4"),
    }
}
