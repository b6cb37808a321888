//! Which Asterisk a machine runs.

use crate::decoy::setting::text;
use crate::model::{Persona, Settings};

/// Versions as the distros ship them in 2026, or as they are built where they ship none; end-of-life
/// releases at their last update.
const VERSIONS: &[(&str, &str)] = &[
    ("debian", "20.15.2"),
    ("ubuntu22", "18.10.0~dfsg+~cs6.10.40431411-2"),
    ("ubuntu20", "16.2.1~dfsg-2ubuntu1"),
    ("rocky9", "18.26.4"),
    ("centos7", "13.38.3"),
    ("alpine", "20.5.2"),
    ("fedora", "18.12.1"),
    ("kali", "22.6.0~dfsg+~cs6.15.60671435-1"),
    ("arch", "22.6.0"),
];

/// One build.
pub(super) struct Product {
    /// `Server` header.
    pub(super) server: String,
    /// How it writes the name of the algorithm.
    pub(super) algorithm: &'static str,
}

impl Product {
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let own = VERSIONS.iter().find(|(distro, _)| *distro == persona.distro).or(VERSIONS.first());
        let version = text(settings, "version").filter(|v| v.bytes().all(|b| b.is_ascii_graphic()));
        let version = version.or(own.map(|(_, version)| *version)).unwrap_or("20.15.2");
        let mut numbers = version.split(['.', '~', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
        let series = (numbers.next().unwrap_or(20), numbers.next().unwrap_or(0));
        // In capitals since SHA-256 came along.
        let new = series.0 >= 22 || (series.0 == 20 && series.1 >= 11);
        Self { server: format!("Asterisk PBX {version}"), algorithm: if new { "MD5" } else { "md5" } }
    }
}
