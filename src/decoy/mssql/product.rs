//! Which SQL Server a machine runs.

use crate::decoy::ntlm::Host;
use crate::decoy::setting;
use crate::model::{Persona, Settings};

/// A server as it shows itself.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// Major, minor, build, and revision of the file.
    pub(super) version: [u16; 4],
    /// `@@VERSION`.
    pub(super) text: String,
    /// `ProductLevel` and `ProductUpdateLevel`.
    pub(super) level: (&'static str, &'static str),
    pub(super) edition: &'static str,
    /// Name of the machine, which is the name of the instance too.
    pub(super) server: String,
    pub(super) windows: bool,
}

/// Version, level, article, when it was built. Those of the last cumulative update that is current.
const RELEASES: &[(&str, &str, &str, &str)] = &[
    ("15.0.4430.1", "RTM-CU32", "KB5054833", "Feb 21 2025 17:28:38"),
    ("16.0.4195.2", "RTM-CU19", "KB5054531", "May 14 2025 13:38:46"),
];

/// Year by major version.
const YEARS: &[(u16, u16)] =
    &[(17, 2025), (16, 2022), (15, 2019), (14, 2017), (13, 2016), (12, 2014), (11, 2012)];

impl Product {
    /// Draws one, or takes that of the setting `version`.
    pub(super) fn new(persona: &Persona, settings: &Settings, host: &Host) -> Self {
        let windows = host.system.windows;
        let drawn = match persona.distro.as_str() {
            _ if windows => persona.seed.pick("mssql/release", RELEASES),
            // Each release is made for the Ubuntu of its time.
            "ubuntu20" => RELEASES.first(),
            "ubuntu22" => RELEASES.last(),
            _ => persona.seed.pick("mssql/release", RELEASES),
        };
        let drawn = drawn.copied().unwrap_or(RELEASES[0]);
        let given = setting::text(settings, "version").and_then(parse);
        let version = given.or(parse(drawn.0)).unwrap_or([15, 0, 4430, 1]);
        let release = RELEASES.iter().find(|r| parse(r.0) == Some(version));
        let year = YEARS.iter().find(|(major, _)| *major == version[0]).map_or(2019, |(_, year)| *year);
        let [major, minor, build, revision] = version;
        let (level, article, built) = match release {
            Some((_, level, article, built)) => (*level, format!(" ({article})"), *built),
            None => ("RTM", String::new(), "Sep 24 2019 13:48:23"),
        };
        let editions =
            if windows { &["Standard Edition", "Express Edition"][..] } else { &["Developer Edition"] };
        let edition = persona.seed.pick("mssql/edition", editions).copied().unwrap_or("Standard Edition");
        let edition =
            if host.system.name.contains("Server") || !windows { edition } else { "Express Edition" };
        let system = if windows {
            let system = host.system;
            format!("{} 10.0 <X64> (Build {}: ) (Hypervisor)", system.name, system.build)
        } else {
            // Elsewhere it runs in a container, which is an Ubuntu.
            let ubuntu = if version[0] >= 16 { "Ubuntu 22.04.5 LTS" } else { "Ubuntu 20.04.6 LTS" };
            format!("Linux ({ubuntu}) <X64>")
        };
        let text = format!(
            "Microsoft SQL Server {year} ({level}){article} - {major}.{minor}.{build}.{revision} (X64) \n\t{built} \n\tCopyright (C) {} Microsoft Corporation\n\t{edition} (64-bit) on {system}{}",
            if year == 2022 { 2022 } else { year },
            if windows { "\n" } else { "" },
        );
        let mut parts = level.splitn(2, '-');
        let level = (parts.next().unwrap_or("RTM"), parts.next().unwrap_or(""));
        Self { version, text, level, edition, server: host.computer.clone(), windows }
    }

    /// The version as numbers with points.
    pub(super) fn dotted(&self) -> String {
        self.version.map(|n| n.to_string()).join(".")
    }
}

fn parse(text: &str) -> Option<[u16; 4]> {
    let mut parts = text.split('.');
    let mut number = || parts.next().map_or(Some(0), |part| part.parse().ok());
    let version = [number()?, number()?, number()?, number()?];
    (8..=99).contains(&version[0]).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn the_system_shows_in_the_version() {
        let mut persona = testing::persona(&["mssql"]);
        persona.distro = "ubuntu20".into();
        let product = Product::new(&persona, &Settings::new(), &Host::new(&persona));
        assert_eq!(product.version, [15, 0, 4430, 1]);
        assert!(product.text.ends_with("Developer Edition (64-bit) on Linux (Ubuntu 20.04.6 LTS) <X64>"));
        persona.nmap_os = "windows_server".into();
        let settings = [("version".to_owned(), "16.0.4195.2".into())].into_iter().collect();
        let product = Product::new(&persona, &settings, &Host::new(&persona));
        assert!(
            product.text.starts_with("Microsoft SQL Server 2022 (RTM-CU19) (KB5054531) - 16.0.4195.2 (X64)")
        );
        assert!(product.text.contains("Windows Server 2016 Standard 10.0 <X64> (Build 14393: )"));
        assert_eq!((parse("x"), parse("1.2"), parse("15.0.70000")), (None, None, None));
    }
}
