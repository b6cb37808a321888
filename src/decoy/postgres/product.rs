//! Which PostgreSQL a machine runs, and where in its source each error is raised: scanners tell versions by that.

use crate::decoy::setting::text;
use crate::model::{Persona, Settings};

/// Line numbers of one major version, of the patch release that is played.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) protocol: u32,
    pub(super) layout: u32,
    pub(super) user: u32,
    pub(super) replication: u32,
    pub(super) failed: u32,
    pub(super) expected: u32,
    pub(super) mechanism: u32,
    pub(super) attribute: u32,
    pub(super) any_attribute: u32,
    pub(super) proof: u32,
    pub(super) flag: u32,
    pub(super) binding: u32,
    pub(super) extension: u32,
    pub(super) identity: u32,
    pub(super) nonce: u32,
    pub(super) string: u32,
}

const fn lines(startup: [u32; 4], auth: [u32; 2], scram: [u32; 9], string: u32) -> Lines {
    let [protocol, layout, user, replication] = startup;
    let [failed, expected] = auth;
    let [mechanism, attribute, any_attribute, proof, flag, binding, extension, identity, nonce] = scram;
    Lines {
        protocol,
        layout,
        user,
        replication,
        failed,
        expected,
        mechanism,
        attribute,
        any_attribute,
        proof,
        flag,
        binding,
        extension,
        identity,
        nonce,
        string,
    }
}

/// As genuine servers of these versions said: 12.22, 13.23, 14.23, 15.20, 16.9, 18.1. Those of 9.2.24 are as far as
/// scanners know them.
const LINES: &[(u32, Lines)] = &[
    (9, lines([1755, 1830, 1850, 1800], [284, 700], [0; 9], 600)),
    (12, lines([2126, 2234, 2272, 2189], [333, 929], [248, 678, 797, 1284, 984, 965, 1014, 993, 1028], 626)),
    (
        13,
        lines([2147, 2255, 2293, 2210], [342, 934], [248, 695, 807, 1322, 1008, 989, 1038, 1017, 1052], 626),
    ),
    (
        14,
        lines([2171, 2279, 2296, 2234], [346, 966], [249, 703, 815, 1341, 1016, 997, 1046, 1025, 1060], 626),
    ),
    (
        15,
        lines([2220, 2332, 2349, 2284], [334, 95], [256, 712, 825, 1353, 1025, 1007, 1057, 1036, 1071], 624),
    ),
    (
        16,
        lines([2153, 2257, 2274, 2216], [326, 98], [270, 746, 858, 1387, 1059, 1040, 1089, 1068, 1103], 627),
    ),
    (18, lines([713, 813, 830, 772], [320, 90], [267, 753, 865, 1393, 1066, 1047, 1096, 1075, 1110], 624)),
];
/// Version 15.1, as the installer for Windows brought it.
const WINDOWS_LINES: Lines =
    lines([2194, 2306, 2323, 2258], [334, 95], [256, 712, 825, 1353, 1025, 1007, 1057, 1036, 1071], 624);

/// A PostgreSQL build.
pub(super) struct Product {
    /// Major version.
    pub(super) major: u32,
    /// `server_version`.
    pub(super) shown: String,
    /// `version()`.
    pub(super) full: String,
    pub(super) lines: &'static Lines,
    pub(super) windows: bool,
    /// Whether TLS is offered: what Debian's package sets up.
    pub(super) tls: bool,
    /// Whether the build knows GSSAPI.
    pub(super) gss: bool,
    /// Where its data are.
    pub(super) data: String,
}

struct Package {
    distro: &'static str,
    version: &'static str,
    note: &'static str,
    compiler: &'static str,
    tls: bool,
    gss: bool,
    data: &'static str,
}

const fn package(
    distro: &'static str,
    version: &'static str,
    note: &'static str,
    compiler: &'static str,
    tls: bool,
    data: &'static str,
) -> Package {
    Package { distro, version, note, compiler, tls, gss: true, data }
}

/// As the distros ship them; end-of-life releases at their last update.
const PACKAGES: &[Package] = &[
    package(
        "debian",
        "15.20",
        " (Debian 15.20-0+deb12u1)",
        "x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
        true,
        "/var/lib/postgresql/15/main",
    ),
    package(
        "ubuntu22",
        "14.23",
        " (Ubuntu 14.23-0ubuntu0.22.04.1)",
        "x86_64-pc-linux-gnu, compiled by gcc (Ubuntu 11.4.0-1ubuntu1~22.04.2) 11.4.0, 64-bit",
        true,
        "/var/lib/postgresql/14/main",
    ),
    package(
        "ubuntu20",
        "12.22",
        " (Ubuntu 12.22-0ubuntu0.20.04.4)",
        "x86_64-pc-linux-gnu, compiled by gcc (Ubuntu 9.4.0-1ubuntu1~20.04.2) 9.4.0, 64-bit",
        true,
        "/var/lib/postgresql/12/main",
    ),
    package(
        "rocky9",
        "13.23",
        "",
        "x86_64-redhat-linux-gnu, compiled by gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5), 64-bit",
        false,
        "/var/lib/pgsql/data",
    ),
    Package {
        gss: false,
        ..package(
            "centos7",
            "9.2.24",
            "",
            "x86_64-redhat-linux-gnu, compiled by gcc (GCC) 4.8.5 20150623 (Red Hat 4.8.5-44), 64-bit",
            false,
            "/var/lib/pgsql/data",
        )
    },
    Package {
        gss: false,
        ..package(
            "alpine",
            "16.9",
            "",
            "x86_64-alpine-linux-musl, compiled by gcc (Alpine 13.2.1_git20231014) 13.2.1 20231014, 64-bit",
            false,
            "/var/lib/postgresql/16/data",
        )
    },
    package(
        "fedora",
        "15.8",
        "",
        "x86_64-redhat-linux-gnu, compiled by gcc (GCC) 13.3.1 20240611 (Red Hat 13.3.1-2), 64-bit",
        false,
        "/var/lib/pgsql/data",
    ),
    package(
        "kali",
        "18.1",
        " (Debian 18.1-1)",
        "x86_64-pc-linux-gnu, compiled by gcc (Debian 15.2.0-9) 15.2.0, 64-bit",
        true,
        "/var/lib/postgresql/18/main",
    ),
    package(
        "arch",
        "18.1",
        "",
        "x86_64-pc-linux-gnu, compiled by gcc (GCC) 15.2.1 20251112, 64-bit",
        false,
        "/var/lib/postgres/data",
    ),
];
const WINDOWS: Package = Package {
    gss: false,
    ..package(
        "windows",
        "15.1",
        "",
        "compiled by Visual C++ build 1914, 64-bit",
        false,
        "C:/Program Files/PostgreSQL/15/data",
    )
};

impl Product {
    /// Chooses by operating system and distro, then lets the setting `version` override.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let windows = matches!(persona.nmap_os.as_str(), "windows" | "windows_server");
        let package = match PACKAGES.iter().find(|p| p.distro == persona.distro) {
            _ if windows => &WINDOWS,
            found => found.unwrap_or(&PACKAGES[0]),
        };
        let fits = |v: &&str| v.len() <= 60 && v.bytes().all(|b| (b' '..=b'~').contains(&b));
        let chosen = text(settings, "version").filter(fits);
        let shown = match chosen {
            Some(version) => version.to_owned(),
            None => format!("{}{}", package.version, package.note),
        };
        let digits: String = shown.chars().take_while(char::is_ascii_digit).collect();
        let major = digits.parse().unwrap_or(15);
        // Those of the next newer version that is known, or the newest.
        let known = LINES.iter().find(|(m, _)| *m >= major).or(LINES.last()).unwrap_or(&LINES[0]);
        let glue = if windows { ", " } else { " on " };
        Self {
            major,
            full: format!("PostgreSQL {shown}{glue}{}", package.compiler),
            shown,
            lines: if windows && chosen.is_none() { &WINDOWS_LINES } else { &known.1 },
            windows,
            tls: package.tls,
            gss: package.gss && major >= 12,
            data: package.data.to_owned(),
        }
    }

    /// Protocol versions it speaks, as its refusal says.
    pub(super) fn range(&self) -> &'static str {
        match self.major {
            ..=9 => "1.0 to 3.0",
            10..=13 => "2.0 to 3.0",
            14..=17 => "3.0 to 3.0",
            _ => "3.0 to 3.2",
        }
    }

    /// The source file that reads the first packet.
    pub(super) fn startup_file(&self) -> &'static str {
        if self.major >= 18 { "backend_startup.c" } else { "postmaster.c" }
    }

    /// How a source file is named in errors: the compiler of the Windows build keeps the path.
    pub(super) fn file(&self, file: &str) -> String {
        if !self.windows {
            return file.to_owned();
        }
        let folder = match file {
            "postmaster.c" => "postmaster",
            "auth.c" | "auth-scram.c" | "auth-sasl.c" | "pqformat.c" => "libpq",
            "postgres.c" => "tcop",
            "postinit.c" => "utils\\init",
            "guc.c" | "xact.c" | "dfmgr.c" => "utils",
            f if f.starts_with("parse") || f.starts_with("scan") || f.starts_with("analyze") => "parser",
            _ => "commands",
        };
        format!(".\\src\\backend\\{folder}\\{file}")
    }

    /// Whether passwords are kept as SCRAM verifiers unless an administrator says otherwise.
    pub(super) fn scram(&self) -> bool {
        self.major >= 14
    }

    /// Parameters that a client is told, in the order of this version.
    pub(super) fn parameters(&self) -> &'static [&'static str] {
        const OLD: &[&str] = &[
            "application_name",
            "client_encoding",
            "DateStyle",
            "integer_datetimes",
            "IntervalStyle",
            "is_superuser",
            "server_encoding",
            "server_version",
            "session_authorization",
            "standard_conforming_strings",
            "TimeZone",
        ];
        const SORTED: &[&str] = &[
            "application_name",
            "client_encoding",
            "DateStyle",
            "default_transaction_read_only",
            "in_hot_standby",
            "integer_datetimes",
            "IntervalStyle",
            "is_superuser",
            "server_encoding",
            "server_version",
            "session_authorization",
            "standard_conforming_strings",
            "TimeZone",
        ];
        const HASHED: &[&str] = &[
            "in_hot_standby",
            "integer_datetimes",
            "TimeZone",
            "IntervalStyle",
            "is_superuser",
            "application_name",
            "default_transaction_read_only",
            "scram_iterations",
            "DateStyle",
            "standard_conforming_strings",
            "session_authorization",
            "client_encoding",
            "server_version",
            "server_encoding",
        ];
        const NEWEST: &[&str] = &[
            "in_hot_standby",
            "integer_datetimes",
            "TimeZone",
            "IntervalStyle",
            "search_path",
            "is_superuser",
            "application_name",
            "default_transaction_read_only",
            "scram_iterations",
            "DateStyle",
            "standard_conforming_strings",
            "session_authorization",
            "client_encoding",
            "server_version",
            "server_encoding",
        ];
        match self.major {
            ..=13 => OLD,
            14 | 15 => SORTED,
            16 | 17 => HASHED,
            _ => NEWEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn distro_decides_and_the_setting_overrides() {
        let mut persona = testing::persona(&["postgres"]);
        let product = Product::new(&persona, &Settings::new());
        assert_eq!(
            product.full,
            "PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit"
        );
        assert!(product.tls && product.gss && product.lines.protocol == 2220);
        let settings = [("version".to_owned(), "17.2".into())].into_iter().collect();
        assert_eq!(Product::new(&persona, &settings).lines.protocol, 713);
        persona.nmap_os = "windows".into();
        let product = Product::new(&persona, &Settings::new());
        assert_eq!(product.full, "PostgreSQL 15.1, compiled by Visual C++ build 1914, 64-bit");
        assert_eq!(product.file("postmaster.c"), ".\\src\\backend\\postmaster\\postmaster.c");
    }
}
