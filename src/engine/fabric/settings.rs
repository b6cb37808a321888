//! The kernel settings of a decky's namespace.

use std::io;

use crate::catalog;
use crate::host::net::Sysctls;

/// Settings that a namespace inherits from the host. Forwarding comes first, for it resets others.
const HARDENED: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_source_route", "0"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
];
/// Covers links made later too; a kernel without IPv6 does not have it.
const IPV6: (&str, &str) = ("net.ipv6.conf.all.disable_ipv6", "1");
/// A connection that was ending when its process went keeps the namespace, and with it the address, until the peer
/// acknowledged its end: one retry (1.5 s) instead of eight (100 s).
const ORPHANS: (&str, &str) = ("net.ipv4.tcp_orphan_retries", "1");
/// Receive buffers: the host's would show in the window scale.
const BUFFERS: &str = "net.ipv4.tcp_rmem";

/// The largest one decides on the window scale, and that must be the one the packets will say
/// (`host::nft::Os`): 7, 8 on Windows, 6 on BSD.
fn buffers(family: &str) -> &'static str {
    match family {
        "windows" | "windows_server" => "4096 131072 8388608",
        "bsd" => "4096 131072 2097152",
        "cisco" | "embedded" => "4096 8192 65536",
        _ => "4096 131072 6291456",
    }
}

/// Makes the namespace of the calling thread answer like `family`, before its first link is there.
pub(super) fn apply(sysctls: &mut Sysctls, family: &str) -> io::Result<()> {
    for (name, value) in HARDENED {
        sysctls.write_inherited(name, value)?;
    }
    match sysctls.write_inherited(IPV6.0, IPV6.1) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    sysctls.write_fresh(ORPHANS.0, ORPHANS.1)?;
    // What DECNET does with a family it does not know (facts: upstream §3.5).
    let family = catalog::os_family(family).or_else(|| catalog::os_family("linux"));
    for (name, value) in family.into_iter().flat_map(|family| family.sysctls) {
        sysctls.write_fresh(name, value)?;
    }
    sysctls.write(BUFFERS, buffers(family.map_or("linux", |family| family.slug)))
}
