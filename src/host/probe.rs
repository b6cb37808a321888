//! What this kernel and this user can do, found out without changing anything.

/// The lowest port that a process without privileges may listen on
/// (`net.ipv4.ip_unprivileged_port_start`, 1024 where it cannot be read).
pub fn lowest_free_port() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024)
}

/// The version of Landlock that the kernel speaks; none where it is absent or switched off.
pub fn landlock_abi() -> Option<i32> {
    super::sys::landlock_abi()
}

/// Whether the kernel takes seccomp filters.
pub fn seccomp() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|text| text.lines().any(|l| l.starts_with("Seccomp:")))
}
