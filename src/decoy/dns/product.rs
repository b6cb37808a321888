//! Which name server a machine runs: the BIND that its distro ships, or Microsoft's.

use crate::decoy::setting::text;
use crate::model::{Persona, Settings};

/// A name server as its answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// Whether it is Microsoft's.
    pub(super) windows: bool,
    /// Answer to `version.bind`; none: it keeps it to itself.
    pub(super) version: Option<String>,
    /// Longest datagram that it takes and sends.
    pub(super) payload: u16,
    /// Whether it explains errors (RFC 8914).
    pub(super) explains: bool,
}

/// Distro and version, as shipped in 2026; end-of-life releases at their last update.
const PACKAGES: &[(&str, &str)] = &[
    ("debian", "9.18.49-1~deb12u3-Debian"),
    ("ubuntu22", "9.18.39-0ubuntu0.22.04.2-Ubuntu"),
    ("ubuntu20", "9.18.30-0ubuntu0.20.04.2-Ubuntu"),
    ("rocky9", "9.16.23-RH"),
    ("centos7", "9.11.4-P2-RedHat-9.11.4-26.P2.el7_9.16"),
    ("alpine", "9.18.41"),
    ("fedora", "9.18.28"),
    ("kali", "9.20.15-2-Debian"),
    ("arch", "9.20.16"),
];

impl Product {
    /// Chooses by OS family and distro, then lets the setting `bind_version` override.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let said = text(settings, "bind_version").filter(|v| v.len() <= 255).map(str::to_owned);
        if persona.nmap_os.starts_with("windows") {
            // Since Windows Server 2008 R2 it does not tell its version unless it is told to.
            return Self { windows: true, version: said, payload: 4000, explains: false };
        }
        let package = PACKAGES.iter().find(|p| p.0 == persona.distro).unwrap_or(&PACKAGES[0]);
        let version = said.unwrap_or_else(|| package.1.to_owned());
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0u32));
        let series = (numbers.next().unwrap_or(9), numbers.next().unwrap_or(18));
        let known = series.0 == 9;
        Self {
            windows: false,
            version: Some(version),
            payload: if known && series.1 < 16 { 4096 } else { 1232 },
            explains: !known || series.1 >= 18,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn by_distro_then_by_setting() {
        let mut persona = testing::persona(&["dns"]);
        let none = Settings::new();
        let debian = Product::new(&persona, &none);
        assert_eq!((debian.version.as_deref(), debian.payload), (Some("9.18.49-1~deb12u3-Debian"), 1232));
        persona.distro = "centos7".into();
        assert_eq!(Product::new(&persona, &none).payload, 4096);
        persona.nmap_os = "windows_server".into();
        assert_eq!(Product::new(&persona, &none).version, None);
        let said: Settings = [("bind_version".to_owned(), "none of yours".into())].into_iter().collect();
        persona.nmap_os = "linux".into();
        assert_eq!(Product::new(&persona, &said).version.as_deref(), Some("none of yours"));
    }
}
