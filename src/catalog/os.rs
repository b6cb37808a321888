//! OS families: the kernel settings that make a namespace answer like one (facts: upstream §3.5).

/// An OS family, the `nmap_os` of a decky.
#[derive(Debug)]
pub struct OsFamily {
    /// What files and flags call it.
    pub slug: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Kernel settings, full names.
    pub sysctls: &'static [(&'static str, &'static str)],
}

macro_rules! sysctls {
    ($($value:literal),*) => { &sysctls!(@zip [$($value),*]) };
    (@zip [$ttl:literal, $syn:literal, $ts:literal, $ws:literal, $sack:literal, $ecn:literal, $pmtu:literal,
           $fin:literal, $rate:literal, $mask:literal]) => {
        [
            ("net.ipv4.ip_default_ttl", $ttl),
            ("net.ipv4.tcp_syn_retries", $syn),
            ("net.ipv4.tcp_timestamps", $ts),
            ("net.ipv4.tcp_window_scaling", $ws),
            ("net.ipv4.tcp_sack", $sack),
            ("net.ipv4.tcp_ecn", $ecn),
            ("net.ipv4.ip_no_pmtu_disc", $pmtu),
            ("net.ipv4.tcp_fin_timeout", $fin),
            ("net.ipv4.icmp_ratelimit", $rate),
            ("net.ipv4.icmp_ratemask", $mask),
        ]
    };
}

static OS_FAMILIES: [OsFamily; 6] = [
    OsFamily {
        slug: "linux",
        title: "Linux",
        sysctls: sysctls!["64", "6", "1", "1", "1", "2", "0", "60", "1000", "6168"],
    },
    OsFamily {
        slug: "windows",
        title: "Windows 10",
        sysctls: sysctls!["128", "2", "1", "1", "1", "0", "0", "30", "0", "0"],
    },
    OsFamily {
        slug: "windows_server",
        title: "Windows Server",
        sysctls: sysctls!["128", "2", "1", "1", "1", "1", "0", "30", "0", "0"],
    },
    OsFamily {
        slug: "bsd",
        title: "BSD",
        // Answers to ECN, as FreeBSD does (net.inet.tcp.ecn.enable = 2); DECNET's table has 0.
        sysctls: sysctls!["64", "6", "1", "1", "1", "2", "0", "60", "250", "6168"],
    },
    OsFamily {
        slug: "embedded",
        title: "Embedded device",
        sysctls: sysctls!["255", "3", "0", "0", "0", "0", "1", "15", "0", "0"],
    },
    OsFamily {
        slug: "cisco",
        title: "Cisco IOS",
        sysctls: sysctls!["255", "2", "0", "0", "0", "0", "1", "15", "0", "0"],
    },
];

/// Every OS family, in table order.
pub fn os_families() -> &'static [OsFamily] {
    &OS_FAMILIES
}

/// The OS family called `slug`, exactly.
pub fn os_family(slug: &str) -> Option<&'static OsFamily> {
    OS_FAMILIES.iter().find(|o| o.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_their_places() {
        let value = |slug: &str, key: &str| {
            let family = os_family(slug).unwrap();
            family.sysctls.iter().find(|(k, _)| *k == format!("net.ipv4.{key}")).unwrap().1
        };
        assert_eq!(value("windows", "ip_default_ttl"), "128");
        assert_eq!(value("windows_server", "tcp_ecn"), "1");
        assert_eq!(value("linux", "icmp_ratemask"), "6168");
        assert_eq!(value("bsd", "icmp_ratelimit"), "250");
        assert_eq!(value("cisco", "ip_no_pmtu_disc"), "1");
        assert_eq!(value("embedded", "tcp_syn_retries"), "3");
        assert!(os_family("Windows").is_none());
    }
}
