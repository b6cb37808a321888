//! Which server a machine runs: MariaDB or MySQL as its distro ships it, unless the settings say otherwise.

use crate::model::{Persona, Settings};

/// How a server differs on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// Version as SQL shows it.
    pub(super) version: String,
    /// Version as the greeting shows it: MariaDB 10 hides behind 5.5.5 from old replicas.
    pub(super) greeting: String,
    /// `MariaDB` or `MySQL`, as error texts say it.
    pub(super) brand: &'static str,
    /// `@@version_comment`.
    pub(super) comment: &'static str,
    /// `@@version_compile_os`.
    pub(super) compile_os: &'static str,
    /// Default collation.
    pub(super) charset: u8,
    /// Capabilities, without TLS.
    pub(super) capabilities: u32,
    /// MariaDB's own capabilities, in what MySQL leaves zero.
    pub(super) extended: u32,
    /// Whether the default plugin is `caching_sha2_password`.
    pub(super) sha2: bool,
}

/// Distro, version, version comment, compiled for. As shipped in 2026; end-of-life releases at their
/// last update.
const PACKAGES: &[(&str, &str, &str, &str)] = &[
    ("debian", "10.11.19-MariaDB-0+deb12u1", "Debian 12", "debian-linux-gnu"),
    ("ubuntu22", "8.0.45-0ubuntu0.22.04.1", "(Ubuntu)", "Linux"),
    ("ubuntu20", "8.0.42-0ubuntu0.20.04.1", "(Ubuntu)", "Linux"),
    ("rocky9", "8.0.44", "Source distribution", "Linux"),
    ("centos7", "5.5.68-MariaDB", "MariaDB Server", "Linux"),
    ("alpine", "10.11.11-MariaDB", "Alpine Linux", "Linux"),
    ("fedora", "10.5.26-MariaDB", "MariaDB Server", "Linux"),
    ("kali", "11.8.5-MariaDB-4 from Debian", "Debian n/a", "debian-linux-gnu"),
    ("arch", "12.1.2-MariaDB", "Arch Linux", "Linux"),
];

impl Product {
    /// Chooses by distro, then lets the setting `version` override.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let package = PACKAGES.iter().find(|p| p.0 == persona.distro).unwrap_or(&PACKAGES[0]);
        let chosen = settings
            .get("version")
            .and_then(|v| v.as_str())
            .filter(|v| !v.is_empty() && v.len() <= 60 && v.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let shown = chosen.unwrap_or(package.1);
        let version = shown.strip_prefix("5.5.5-").unwrap_or(shown).to_owned();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0u32));
        let series = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let maria = version.contains("MariaDB");
        let (charset, capabilities, extended) = match (maria, series) {
            (true, (0..=9, _)) => (8, 0x800f_f7ff, 0),
            (true, (10, 0..=5)) => (45, 0x81ff_f7fe, 0x0d),
            (true, (10, _)) => (45, 0x81ff_f7fe, 0x1d),
            (true, _) => (45, 0x81ff_f7fe, 0x3d),
            (false, (0..=7, _)) => (8, 0x81ff_f7ff, 0),
            (false, _) => (255, 0xdfff_f7ff, 0),
        };
        let hidden = maria && series.0 == 10;
        Self {
            greeting: if hidden { format!("5.5.5-{version}") } else { version.clone() },
            brand: if maria { "MariaDB" } else { "MySQL" },
            comment: match (chosen, maria) {
                (None, _) => package.2,
                (Some(_), true) => "MariaDB Server",
                (Some(_), false) => "MySQL Community Server - GPL",
            },
            compile_os: package.3,
            charset,
            capabilities,
            extended,
            sha2: !maria && series.0 >= 8,
            version,
        }
    }

    /// The default authentication plugin.
    pub(super) fn plugin(&self) -> &'static str {
        if self.sha2 { "caching_sha2_password" } else { "mysql_native_password" }
    }

    /// Whether this is MariaDB.
    pub(super) fn maria(&self) -> bool {
        self.brand == "MariaDB"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn distro_decides_and_the_setting_overrides() {
        let mut persona = testing::persona(&["mysql"]);
        let product = Product::new(&persona, &Settings::new());
        assert_eq!(product.greeting, "5.5.5-10.11.19-MariaDB-0+deb12u1");
        assert_eq!(product.plugin(), "mysql_native_password");
        persona.distro = "ubuntu22".into();
        let product = Product::new(&persona, &Settings::new());
        assert_eq!(
            (product.brand, product.plugin(), product.charset),
            ("MySQL", "caching_sha2_password", 255)
        );
        let settings = [("version".to_owned(), "5.7.44-log".into())].into_iter().collect();
        let product = Product::new(&persona, &settings);
        assert_eq!((product.greeting.as_str(), product.sha2), ("5.7.44-log", false));
        assert!(PACKAGES.iter().all(|p| p.1.len() <= 60));
    }
}
