//! Which Docker Engine a machine runs: its distro's package, or the vendor's where the distro has none.

use serde_json::{Value, json};

use crate::decoy::setting::text;
use crate::decoy::vfs::Machine;
use crate::model::{Persona, Settings};

/// One build of the engine.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// Its version.
    pub(super) version: String,
    /// API it speaks, and the oldest.
    pub(super) api: (u32, u32),
    package: &'static Package,
}

#[derive(Debug)]
struct Package {
    distro: &'static str,
    version: &'static str,
    /// Minor versions of the API: newest, oldest.
    api: (u32, u32),
    go: &'static str,
    commit: &'static str,
    built: &'static str,
    /// Sold by the vendor.
    community: bool,
    containerd: (&'static str, &'static str),
    runc: (&'static str, &'static str),
    init: Option<(&'static str, &'static str)>,
}

/// The vendor's own pick of the small process that reaps others.
const TINI: Option<(&str, &str)> = Some(("0.19.0", "de40ad0"));

/// As a patched host has them in 2026, end-of-life releases at their last update.
const PACKAGES: &[Package] = &[
    Package {
        distro: "debian",
        version: "20.10.24+dfsg1",
        api: (41, 12),
        go: "go1.19.8",
        commit: "5d6db84",
        built: "2026-05-07T21:09:36.000000000+00:00",
        community: false,
        containerd: ("1.6.20~ds1", "1.6.20~ds1-1+deb12u3"),
        runc: ("1.1.5+ds1", "1.1.5+ds1-1+deb12u1"),
        init: Some(("0.19.0", "")),
    },
    Package {
        distro: "ubuntu22",
        version: "28.2.2",
        api: (50, 24),
        go: "go1.23.1",
        commit: "28.2.2-0ubuntu1~22.04.1",
        built: "2025-09-10T14:16:39.000000000+00:00",
        community: false,
        containerd: ("1.7.28", ""),
        runc: ("1.3.3-0ubuntu1~22.04.3", ""),
        init: Some(("0.19.0", "")),
    },
    Package {
        distro: "ubuntu20",
        version: "26.1.3",
        api: (45, 24),
        go: "go1.22.2",
        commit: "26.1.3-0ubuntu1~20.04.1",
        built: "2024-10-14T14:29:26.000000000+00:00",
        community: false,
        containerd: ("1.7.24", ""),
        runc: ("1.1.12-0ubuntu2~20.04.1", ""),
        init: Some(("0.19.0", "")),
    },
    Package {
        distro: "rocky9",
        version: "29.4.1",
        api: (54, 40),
        go: "go1.26.2",
        commit: "6c91b92",
        built: "2026-04-20T16:32:37.000000000+00:00",
        community: true,
        containerd: ("v2.2.3", "77c84241c7cbdd9b4eca2591793e3d4f4317c590"),
        runc: ("1.3.5", "v1.3.5-0-g488fc13e"),
        init: TINI,
    },
    Package {
        distro: "centos7",
        version: "26.1.4",
        api: (45, 24),
        go: "go1.21.11",
        commit: "de5c9cf",
        built: "2024-06-05T11:29:15.000000000+00:00",
        community: true,
        containerd: ("1.6.33", "d2d58213f83a351ca8f528a95fbd145f5654e957"),
        runc: ("1.1.12", "v1.1.12-0-g51d5e94"),
        init: TINI,
    },
    Package {
        distro: "fedora",
        version: "27.3.1",
        api: (47, 24),
        go: "go1.22.7",
        commit: "41ca978",
        built: "2024-09-20T11:41:11.000000000+00:00",
        community: true,
        containerd: ("1.7.22", "7f7fdf5fed64eb6a7caf99b3e12efcf9d60e311c"),
        runc: ("1.1.14", "v1.1.14-0-g2c9f560"),
        init: TINI,
    },
    Package {
        distro: "alpine",
        version: "25.0.5",
        api: (44, 24),
        go: "go1.21.10",
        commit: "e63daec867",
        built: "2024-05-14T12:31:22.000000000+00:00",
        community: false,
        containerd: ("v1.7.10", "4e1fe7492b9df85914c389d1f15a3ceedbb280ac"),
        runc: ("1.1.12", "51d5e94601ceffbbd85688df1c928ecccbfa4685"),
        init: TINI,
    },
    Package {
        distro: "arch",
        version: "29.1.2",
        api: (52, 44),
        go: "go1.25.5",
        commit: "de45c2a",
        built: "2025-12-02T21:55:19.000000000+00:00",
        community: false,
        containerd: ("v2.2.0", "1c4457e00facac03ce1d75f7b6777a7a851e5c41"),
        runc: ("1.3.4", "v1.3.4-0-gd6d73eb8"),
        init: TINI,
    },
];

impl Profile {
    /// Chooses by distro; the setting `version` renames it.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let package = PACKAGES.iter().find(|p| p.distro == persona.distro).unwrap_or(&PACKAGES[0]);
        let version = text(settings, "version").unwrap_or(package.version).to_owned();
        Self { version, api: package.api, package }
    }

    /// Whether answers have the shape that came with 28: errors of old clients as JSON, and more.
    pub(super) fn modern(&self) -> bool {
        self.api.1 > 12
    }

    /// Whether streams without a terminal say that they are multiplexed.
    pub(super) fn names_streams(&self) -> bool {
        self.api.0 >= 42
    }

    /// `Server` header.
    pub(super) fn server(&self) -> String {
        format!("Docker/{} (linux)", self.version)
    }

    /// `GET /version`.
    pub(super) fn version_json(&self, machine: &Machine) -> Value {
        let p = self.package;
        let (api, least) = (format!("1.{}", p.api.0), format!("1.{}", p.api.1));
        let kernel = machine.distro.kernel;
        let part = |name: &str, (version, commit): (&str, &str)| json!({"Name": name, "Version": version, "Details": {"GitCommit": commit}});
        let mut parts = vec![
            json!({"Name": "Engine", "Version": self.version, "Details": {
                "ApiVersion": api, "Arch": "amd64", "BuildTime": p.built, "Experimental": "false",
                "GitCommit": p.commit, "GoVersion": p.go, "KernelVersion": kernel,
                "MinAPIVersion": least, "Os": "linux"}}),
            part("containerd", p.containerd),
            part("runc", p.runc),
        ];
        parts.extend(p.init.map(|init| part("docker-init", init)));
        let name = if p.community { "Docker Engine - Community" } else { "" };
        json!({"Platform": {"Name": name}, "Components": parts, "Version": self.version, "ApiVersion": api,
            "MinAPIVersion": least, "GitCommit": p.commit, "GoVersion": p.go, "Os": "linux", "Arch": "amd64",
            "KernelVersion": kernel, "BuildTime": p.built})
    }

    /// `GET /info`. `counts` are containers running, stopped, and images.
    pub(super) fn info_json(&self, machine: &Machine, id: &str, counts: [usize; 3], secure: bool) -> Value {
        let p = self.package;
        let [running, stopped, images] = counts;
        let old = machine.distro.kernel.starts_with("3.") || machine.distro.kernel.starts_with("5.4");
        let cgroup = if old { ("cgroupfs", "1") } else { ("systemd", "2") };
        let now = jiff::Timestamp::now();
        let backing = if machine.distro.interface == "ens192" { "xfs" } else { "extfs" };
        let init = p.init.map_or("", |i| i.1);
        let plain = "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n         Access to the remote \
                     API is equivalent to root access on the host. Refer\n         to the 'Docker daemon attack surface' \
                     section in the documentation for\n         more information: \
                     https://docs.docker.com/go/attack-surface/";
        let mut info = json!({"ID": id, "Containers": running + stopped, "ContainersRunning": running, "ContainersPaused": 0,
            "ContainersStopped": stopped, "Images": images, "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", backing], ["Supports d_type", "true"], ["Native Overlay Diff", "true"], ["userxattr", "false"]],
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"], "Authorization": null,
                "Log": ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "logentries", "splunk", "syslog"]},
            "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true,
            "PidsLimit": true, "IPv4Forwarding": true, "BridgeNfIptables": true, "BridgeNfIp6tables": true, "Debug": false});
        let more = json!({"NFd": 30 + running * 9, "OomKillDisable": old, "NGoroutines": 41 + running * 8,
            "SystemTime": now.to_string(), "LoggingDriver": "json-file", "CgroupDriver": cgroup.0, "CgroupVersion": cgroup.1,
            "NEventsListener": 0, "KernelVersion": machine.distro.kernel, "OperatingSystem": machine.distro.pretty,
            "OSVersion": os_version(machine.distro.os_release), "OSType": "linux", "Architecture": "x86_64",
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {"AllowNondistributableArtifactsCIDRs": [], "AllowNondistributableArtifactsHostnames": [],
                "InsecureRegistryCIDRs": ["127.0.0.0/8"], "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true}},
                "Mirrors": []},
            "NCPU": machine.cpus, "MemTotal": machine.memory_kib.saturating_mul(1024), "GenericResources": null,
            "DockerRootDir": "/var/lib/docker", "HttpProxy": "", "HttpsProxy": "", "NoProxy": "", "Name": machine.hostname,
            "Labels": [], "ExperimentalBuild": false, "ServerVersion": self.version,
            "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}}, "DefaultRuntime": "runc",
            "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "", "RemoteManagers": null},
            "LiveRestoreEnabled": false, "Isolation": "", "InitBinary": "docker-init",
            "ContainerdCommit": {"ID": p.containerd.1, "Expected": p.containerd.1},
            "RuncCommit": {"ID": p.runc.1, "Expected": p.runc.1}, "InitCommit": {"ID": init, "Expected": init},
            "SecurityOptions": security(machine.distro.interface, cgroup.1),
            "Warnings": if secure { Value::Null } else { json!([plain]) }});
        if let (Value::Object(info), Value::Object(more)) = (&mut info, more) {
            info.extend(more);
        }
        info
    }
}

/// `VERSION_ID` of the distro.
fn os_version(release: &str) -> String {
    let line = release.lines().find_map(|l| l.strip_prefix("VERSION_ID=")).unwrap_or_default();
    line.trim_matches('"').to_owned()
}

fn security(interface: &str, cgroup: &str) -> Vec<&'static str> {
    let mut options = Vec::new();
    if interface == "ens18" {
        options.push("name=apparmor");
    }
    options.push(if cgroup == "2" { "name=seccomp,profile=builtin" } else { "name=seccomp,profile=default" });
    if cgroup == "2" {
        options.push("name=cgroupns");
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn debian_is_as_measured() {
        let persona = persona(&["docker_api"]);
        let profile = Profile::new(&persona, &Settings::new());
        let json = profile.version_json(&Machine::new(&persona)).to_string();
        assert!(json.starts_with("{\"Platform\":{\"Name\":\"\"},\"Components\":[{\"Name\":\"Engine\",\"Version\":\"20.10.24+dfsg1\",\"Details\":{\"ApiVersion\":\"1.41\",\"Arch\":\"amd64\","), "{json}");
        assert!(json.ends_with("\"Os\":\"linux\",\"Arch\":\"amd64\",\"KernelVersion\":\"6.1.0-50-amd64\",\"BuildTime\":\"2026-05-07T21:09:36.000000000+00:00\"}"), "{json}");
        assert_eq!(profile.server(), "Docker/20.10.24+dfsg1 (linux)");
        assert_eq!(os_version("NAME=x\nVERSION_ID=\"12\"\n"), "12");
    }
}
