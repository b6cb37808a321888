//! Which Kubernetes a machine runs.

use serde_json::{Value, json};

use crate::decoy::setting::text;
use crate::model::{Persona, Settings};

/// Version, commit, when the API server was built, Go.
struct Build(&'static str, &'static str, &'static str, &'static str);

static BUILDS: [Build; 3] = [
    Build("v1.28.15", "841856557ef0f6a399096c42635d114d6f2cf7f4", "2024-10-22T20:26:27Z", "go1.22.8"),
    Build("v1.31.13", "c601ba40fa8f2254acd93bb31a02a6eb24948ec5", "2025-09-09T22:52:16Z", "go1.23.12"),
    Build("v1.34.9", "ad7c7374b74c04d07ea041d367ecb1a526bdf758", "2026-06-11T17:32:30Z", "go1.25.11"),
];

/// One release.
pub(super) struct Profile {
    build: &'static Build,
    /// Version it gives.
    pub(super) version: String,
}

impl Profile {
    /// Chooses by distro; the setting `version` renames it.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let at = match persona.distro.as_str() {
            // Kernels that newer releases no longer start on.
            "centos7" | "ubuntu20" => 0,
            "kali" | "arch" => 2,
            _ => 1 + usize::try_from(persona.seed.number("k8s/build", 2)).unwrap_or(0),
        };
        let build = BUILDS.get(at).unwrap_or(&BUILDS[1]);
        let given = text(settings, "version").map(|v| format!("v{}", v.trim_start_matches('v')));
        let build = given.as_deref().and_then(|v| BUILDS.iter().find(|b| b.0 == v)).unwrap_or(build);
        Self { version: given.unwrap_or_else(|| build.0.to_owned()), build }
    }

    /// The minor version.
    pub(super) fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(31)
    }

    /// `GET /version`.
    pub(super) fn version(&self) -> Value {
        let Build(_, commit, built, go) = self.build;
        let minor = self.minor();
        let mut version = json!({"major": "1", "minor": minor.to_string()});
        if minor >= 33 {
            version["emulationMajor"] = "1".into();
            version["emulationMinor"] = minor.to_string().into();
            version["minCompatibilityMajor"] = "1".into();
            version["minCompatibilityMinor"] = (minor - 1).to_string().into();
        }
        for (key, value) in [
            ("gitVersion", self.version.as_str()),
            ("gitCommit", commit),
            ("gitTreeState", "clean"),
            ("buildDate", built),
            ("goVersion", go),
            ("compiler", "gc"),
            ("platform", "linux/amd64"),
        ] {
            version[key] = value.into();
        }
        version
    }
}
