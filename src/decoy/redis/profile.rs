//! Which Redis a machine runs: the package its distro ships, unless the settings say otherwise.

use crate::decoy::setting::text;
use crate::decoy::vfs::distro::distro;
use crate::model::{Persona, Settings};

/// A Redis build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// What `redis_version` says.
    pub(super) version: String,
    /// Major and minor of `version`; answers differ by them.
    pub(super) series: (u32, u32),
    /// Version of Valkey, where the distro ships that instead.
    pub(super) valkey: Option<&'static str>,
    /// Kernel, as `uname` puts it together.
    pub(super) os: String,
    /// Compiler.
    pub(super) gcc: &'static str,
    /// Memory allocator.
    pub(super) malloc: &'static str,
    /// Server binary.
    pub(super) executable: &'static str,
    /// Configuration file.
    pub(super) config_file: &'static str,
}

struct Package {
    distro: &'static str,
    version: &'static str,
    valkey: Option<&'static str>,
    gcc: &'static str,
    malloc: &'static str,
    executable: &'static str,
    config_file: &'static str,
}

const DEBIAN_PATHS: (&str, &str) = ("/usr/bin/redis-server", "/etc/redis/redis.conf");

/// Packages as the distros ship them in 2026, end-of-life releases at their last update.
const PACKAGES: &[Package] = &[
    Package {
        distro: "debian",
        version: "7.0.15",
        valkey: None,
        gcc: "12.2.0",
        malloc: "jemalloc-5.3.0",
        executable: DEBIAN_PATHS.0,
        config_file: DEBIAN_PATHS.1,
    },
    Package {
        distro: "ubuntu22",
        version: "6.0.16",
        valkey: None,
        gcc: "11.4.0",
        malloc: "jemalloc-5.2.1",
        executable: DEBIAN_PATHS.0,
        config_file: DEBIAN_PATHS.1,
    },
    Package {
        distro: "ubuntu20",
        version: "5.0.7",
        valkey: None,
        gcc: "9.4.0",
        malloc: "jemalloc-5.2.1",
        executable: DEBIAN_PATHS.0,
        config_file: DEBIAN_PATHS.1,
    },
    Package {
        distro: "rocky9",
        version: "6.2.20",
        valkey: None,
        gcc: "11.5.0",
        malloc: "jemalloc-5.1.0",
        executable: "/usr/bin/redis-server",
        config_file: "/etc/redis/redis.conf",
    },
    Package {
        distro: "centos7",
        version: "3.2.12",
        valkey: None,
        gcc: "4.8.5",
        malloc: "jemalloc-3.6.0",
        executable: "/usr/bin/redis-server",
        config_file: "/etc/redis.conf",
    },
    Package {
        distro: "alpine",
        version: "7.2.9",
        valkey: None,
        gcc: "13.2.1",
        malloc: "libc",
        executable: "/usr/bin/redis-server",
        config_file: "/etc/redis.conf",
    },
    Package {
        distro: "fedora",
        version: "7.2.6",
        valkey: None,
        gcc: "13.3.1",
        malloc: "jemalloc-5.3.0",
        executable: "/usr/bin/redis-server",
        config_file: "/etc/redis/redis.conf",
    },
    Package {
        distro: "kali",
        version: "8.0.5",
        valkey: None,
        gcc: "15.2.0",
        malloc: "jemalloc-5.3.0",
        executable: DEBIAN_PATHS.0,
        config_file: DEBIAN_PATHS.1,
    },
    Package {
        distro: "arch",
        version: "7.2.4",
        valkey: Some("8.1.4"),
        gcc: "15.2.1",
        malloc: "jemalloc-5.3.0",
        executable: "/usr/bin/valkey-server",
        config_file: "/etc/valkey/valkey.conf",
    },
];

impl Profile {
    /// Chooses by distro, then lets the settings `version` and `os_string` override.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let package = PACKAGES.iter().find(|p| p.distro == persona.distro).unwrap_or(&PACKAGES[0]);
        let chosen = text(settings, "version").filter(|v| v.bytes().all(|b| b.is_ascii_graphic()));
        let version = chosen.unwrap_or(package.version).to_owned();
        Self {
            series: series(&version),
            valkey: package.valkey.filter(|_| chosen.is_none()),
            // The kernel that a shell on this machine names.
            os: text(settings, "os_string").map_or_else(
                || format!("Linux {} x86_64", distro(&persona.distro).kernel),
                ToOwned::to_owned,
            ),
            gcc: package.gcc,
            malloc: package.malloc,
            executable: package.executable,
            config_file: package.config_file,
            version,
        }
    }

    /// Whether this is at least that release.
    pub(super) fn since(&self, major: u32, minor: u32) -> bool {
        self.series >= (major, minor)
    }
}

/// Major and minor of a version text; what is missing is 0.
pub(super) fn series(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn distro_decides_and_settings_override() {
        let mut persona = testing::persona(&["redis"]);
        assert_eq!(Profile::new(&persona, &Settings::new()).version, "7.0.15");
        persona.distro = "arch".into();
        assert_eq!(Profile::new(&persona, &Settings::new()).valkey, Some("8.1.4"));
        let settings: Settings = [("version".to_owned(), "6.2.14".into())].into_iter().collect();
        let profile = Profile::new(&persona, &settings);
        assert_eq!((profile.series, profile.valkey), ((6, 2), None));
        assert_eq!(series("x"), (0, 0));
    }
}
