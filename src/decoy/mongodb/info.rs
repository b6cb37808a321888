//! What the server tells of itself.

use sha1::{Digest, Sha1};

use super::bson::{Doc, Value, object};
use crate::decoy::setting::text;
use crate::decoy::uptime;
use crate::decoy::vfs::distro::distro;
use crate::model::{Persona, Settings};

/// Builds: version, and the commit that it says it is.
const BUILDS: &[(&str, &str)] = &[
    ("3.6.8", "8e540c0b6db93ce994cc548f000900bdc740f80a"),
    ("4.4.29", "f4dda329a99811c707eb06d05ad023599f9be263"),
    ("5.0.26", "0b4f1ea980b5380a66425a90b414106a191365f4"),
    ("7.0.14", "ce59cfc6a3c5e5c067dca0d30697edd68d4f5188"),
];

/// A MongoDB build on a machine.
pub(super) struct Server {
    pub(super) version: String,
    /// Major and minor.
    pub(super) series: (i32, i32),
    patch: i32,
    git: String,
    pub(super) persona: Persona,
    windows: bool,
    process: [u8; 12],
}

impl Server {
    /// Chooses by distro, then lets the setting `version` override. Servers that scanners find are old: those
    /// which answer the old protocol in full are drawn.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        let choices: &[&str] = match persona.distro.as_str() {
            "ubuntu20" => &["3.6.8", "4.4.29"],
            "centos7" => &["4.4.29"],
            _ => &["4.4.29", "5.0.26"],
        };
        let drawn = persona.seed.pick("mongodb/version", choices).copied().unwrap_or("4.4.29");
        let fits = |v: &&str| v.len() <= 32 && v.bytes().all(|b| b.is_ascii_graphic());
        let version = text(settings, "version").filter(fits).unwrap_or(drawn).to_owned();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        let series = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let known = BUILDS.iter().find(|b| b.0 == version).map(|b| b.1.to_owned());
        let mut process = [0u8; 12];
        let started = u32::try_from(persona.born).unwrap_or(0).to_be_bytes();
        let drawn = persona.seed.derive("mongodb/process");
        for (place, byte) in process.iter_mut().zip(started.iter().chain(&drawn)) {
            *place = *byte;
        }
        Self {
            series,
            patch: numbers.next().unwrap_or(0),
            git: known.unwrap_or_else(|| hex::encode(Sha1::digest(format!("mongodb {version}")))),
            version,
            persona: persona.clone(),
            windows: matches!(persona.nmap_os.as_str(), "windows" | "windows_server"),
            process,
        }
    }

    /// `maxWireVersion`.
    fn wire(&self) -> i32 {
        match self.series {
            (..=3, _) => 6,
            (4, 0) => 7,
            (4, 1..=2) => 8,
            (4, _) => 9,
            (5, 0) => 13,
            (5, minor) => 13 + minor,
            (6, minor) => 17 + minor,
            (7, minor) => 21 + minor,
            (major, _) => 25 + (major - 8).clamp(0, 9) * 2,
        }
    }

    /// Whether commands by OP_QUERY other than the first greeting are refused.
    pub(super) fn modern(&self) -> bool {
        self.wire() > 13
    }

    /// Seconds since it started.
    fn up(&self, now: i64) -> i64 {
        now.saturating_sub(uptime::booted(&self.persona, now)).saturating_sub(14).max(1)
    }

    /// The answer to `hello` and `isMaster`.
    pub(super) fn hello(&self, command: &str, connection: i32, now: jiff::Timestamp) -> Doc {
        let mut out = Doc::new();
        if self.series >= (4, 4) {
            out.extend(object! { "helloOk" => true });
        }
        out.extend(object! { if command == "hello" { "isWritablePrimary" } else { "ismaster" } => true });
        if self.series >= (4, 4) {
            let topology = object! { "processId" => Value::Id(self.process), "counter" => 0i64 };
            out.extend(object! { "topologyVersion" => topology });
        }
        out.extend(object! {
            "maxBsonObjectSize" => 16_777_216,
            "maxMessageSizeBytes" => 48_000_000,
            "maxWriteBatchSize" => 100_000,
            "localTime" => Value::Date(now.as_millisecond()),
            "logicalSessionTimeoutMinutes" => 30,
        });
        if self.series >= (4, 2) {
            out.extend(object! { "connectionId" => connection });
        }
        out.extend(object! { "minWireVersion" => 0, "maxWireVersion" => self.wire(), "readOnly" => false });
        out
    }

    /// The answer to `buildInfo`.
    pub(super) fn build(&self) -> Doc {
        let distmod = match self.persona.distro.as_str() {
            "ubuntu20" => "ubuntu2004",
            "ubuntu22" => "ubuntu2204",
            "centos7" => "rhel70",
            "rocky9" | "fedora" => "rhel80",
            _ => "debian11",
        };
        let ssl = if self.windows { "Windows SChannel" } else { "OpenSSL 1.1.1w  11 Sep 2023" };
        let openssl = if self.windows {
            object! { "running" => ssl }
        } else {
            object! { "running" => ssl, "compiled" => "OpenSSL 1.1.1n  15 Mar 2022" }
        };
        let cc = if self.windows {
            "cl: Microsoft (R) C/C++ Optimizing Compiler Version 19.16.27045 for x64"
        } else {
            "/opt/mongodbtoolchain/v3/bin/gcc: gcc (GCC) 8.5.0"
        };
        let environment = object! {
            "distmod" => if self.windows { "windows" } else { distmod },
            "distarch" => "x86_64",
            "cc" => cc,
            "target_arch" => "x86_64",
            "target_os" => if self.windows { "windows" } else { "linux" },
        };
        let numbers = [self.series.0, self.series.1, self.patch, 0];
        object! {
            "version" => self.version.clone(),
            "gitVersion" => self.git.clone(),
            "modules" => Vec::<Value>::new(),
            "allocator" => "tcmalloc",
            "javascriptEngine" => "mozjs",
            "sysInfo" => "deprecated",
            "versionArray" => numbers.map(Value::Int).to_vec(),
            "openssl" => openssl,
            "buildEnvironment" => environment,
            "bits" => 64,
            "debug" => false,
            "maxBsonObjectSize" => 16_777_216,
            "storageEngines" => ["biggie", "devnull", "ephemeralForTest", "wiredTiger"].map(Value::from).to_vec(),
        }
    }

    /// The answer to `serverStatus`.
    pub(super) fn status(&self, open: i32, created: i64, asked: i64, now: jiff::Timestamp) -> Doc {
        let up = self.up(now.as_second());
        let busy = asked.saturating_add(up.saturating_mul(2));
        let part = |share: i64| busy.saturating_mul(share) / 100;
        let pid = 500 + i64::try_from(self.persona.seed.number("mongodb/pid", 900)).unwrap_or(0);
        let resident = 90 + i32::try_from(self.persona.seed.number("mongodb/memory", 300)).unwrap_or(0);
        let made = busy / 60 + created;
        #[expect(clippy::cast_precision_loss, reason = "an uptime")]
        let seconds = up as f64;
        let queue = || object! { "total" => 0, "readers" => 0, "writers" => 0 };
        object! {
            "host" => self.persona.hostname.clone(),
            "version" => self.version.clone(),
            "process" => if self.windows { "mongod.exe" } else { "mongod" },
            "pid" => pid,
            "uptime" => seconds,
            "uptimeMillis" => up.saturating_mul(1000),
            "uptimeEstimate" => up,
            "localTime" => Value::Date(now.as_millisecond()),
            "asserts" => object! { "regular" => 0, "warning" => 0, "msg" => 0, "user" => 12, "rollovers" => 0 },
            "connections" => object! { "current" => open, "available" => 51_200 - open, "totalCreated" => made, "active" => 1 },
            "extra_info" => object! { "note" => "fields vary by platform" },
            "globalLock" => object! {
                "totalTime" => up.saturating_mul(1_000_000),
                "currentQueue" => queue(),
                "activeClients" => queue(),
            },
            "network" => object! { "bytesIn" => busy.saturating_mul(211), "bytesOut" => busy.saturating_mul(1804), "numRequests" => busy },
            "opcounters" => object! {
                "insert" => part(4), "query" => part(31), "update" => part(6), "delete" => part(1),
                "getmore" => part(2), "command" => part(56),
            },
            "storageEngine" => object! {
                "name" => "wiredTiger", "supportsCommittedReads" => true, "oldestRequiredTimestampForCrashRecovery" => Value::Other(0x11, vec![0; 8]),
                "supportsPendingDrops" => true, "dropPendingIdents" => 0i64, "supportsSnapshotReadConcern" => true,
                "readOnly" => false, "persistent" => true, "backupCursorOpen" => false,
            },
            "mem" => object! { "bits" => 64, "resident" => resident, "virtual" => resident + 1_400, "supported" => true },
        }
    }

    /// The answer to `hostInfo`.
    pub(super) fn host(&self, now: jiff::Timestamp) -> Doc {
        let distro = distro(&self.persona.distro);
        let cpus = *self.persona.seed.child("machine").pick("cpus", &[1i32, 2, 2, 4, 4, 8]).unwrap_or(&2);
        let memory =
            *self.persona.seed.child("machine").pick("memory", &[2i64, 4, 4, 8, 8, 16]).unwrap_or(&4);
        let (kind, name, version) = if self.windows {
            ("Windows", "Microsoft Windows Server 2019", "10.0 (build 17763)")
        } else {
            ("Linux", distro.pretty, distro.kernel)
        };
        object! {
            "system" => object! {
                "currentTime" => Value::Date(now.as_millisecond()),
                "hostname" => self.persona.hostname.clone(),
                "cpuAddrSize" => 64,
                "memSizeMB" => memory * 986,
                "memLimitMB" => memory * 986,
                "numCores" => cpus,
                "cpuArch" => "x86_64",
                "numaEnabled" => false,
            },
            "os" => object! { "type" => kind, "name" => name, "version" => if self.windows { version.to_owned() } else { format!("Kernel {version}") } },
            "extra" => object! { "kernelVersion" => version, "cpuFeatures" => "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss syscall nx pdpe1gb rdtscp lm", "pageSize" => 4096i64, "maxOpenFiles" => 64_000 },
        }
    }

    /// The answer to `getCmdLineOpts`.
    pub(super) fn options(&self, authorised: bool) -> Doc {
        let config = if self.windows {
            "C:\\Program Files\\MongoDB\\Server\\bin\\mongod.cfg"
        } else {
            "/etc/mongod.conf"
        };
        let argv = ["mongod", "--config", config].map(Value::from).to_vec();
        let mut parsed = object! {
            "config" => config,
            "net" => object! { "bindIp" => "0.0.0.0", "port" => 27_017 },
            "processManagement" => object! { "timeZoneInfo" => "/usr/share/zoneinfo" },
        };
        if authorised {
            parsed.extend(object! { "security" => object! { "authorization" => "enabled" } });
        }
        parsed.extend(object! {
            "storage" => object! { "dbPath" => "/var/lib/mongodb", "journal" => object! { "enabled" => true } },
            "systemLog" => object! { "destination" => "file", "logAppend" => true, "path" => "/var/log/mongodb/mongod.log" },
        });
        object! { "argv" => argv, "parsed" => parsed }
    }

    /// Lines of `getLog: "startupWarnings"`.
    pub(super) fn warnings(&self, authorised: bool, now: i64) -> Vec<Value> {
        let started = now.saturating_sub(self.up(now));
        let at = jiff::Timestamp::from_second(started).map(|t| t.to_string()).unwrap_or_default();
        let at = at.trim_end_matches('Z').to_owned();
        let mut lines = vec![(
            22_297,
            "Using the XFS filesystem is strongly recommended with the WiredTiger storage engine. See http://dochub.mongodb.org/core/prodnotes-filesystem",
        )];
        if !authorised {
            lines.push((
                22_120,
                "Access control is not enabled for the database. Read and write access to data and configuration is unrestricted",
            ));
        }
        let line = |(number, text): (i32, &str)| {
            Value::from(format!(
                "{{\"t\":{{\"$date\":\"{at}.214+00:00\"}},\"s\":\"W\",  \"c\":\"CONTROL\",  \"id\":{number},   \"ctx\":\"initandlisten\",\"msg\":\"{text}\",\"tags\":[\"startupWarnings\"]}}\n"
            ))
        };
        lines.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::mongodb::bson::get;
    use crate::decoy::testing;

    #[test]
    fn versions_and_wire_versions_agree() {
        let mut persona = testing::persona(&["mongodb"]);
        for (version, wire, modern) in [
            ("3.6.8", 6, false),
            ("4.4.29", 9, false),
            ("5.0.26", 13, false),
            ("6.0.14", 17, true),
            ("7.0.14", 21, true),
            ("8.0.4", 25, true),
            ("x", 6, false),
        ] {
            let settings = [("version".to_owned(), version.into())].into_iter().collect();
            let server = Server::new(&persona, &settings);
            let hello = server.hello("isMaster", 1, jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(get(&hello, "maxWireVersion"), Some(&Value::Int(wire)), "{version}");
            assert_eq!(server.modern(), modern);
            assert_eq!(server.git.len(), 40);
        }
        persona.distro = "centos7".into();
        assert_eq!(Server::new(&persona, &Settings::new()).version, "4.4.29");
    }
}
