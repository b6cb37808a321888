//! Versions of Samba by distribution.

/// The version that a patched release ships in 2026; end-of-life releases at their last update.
const SAMBA: &[(&str, &str)] = &[
    ("debian", "4.17.12-Debian"),
    ("ubuntu22", "4.15.13-Ubuntu"),
    ("ubuntu20", "4.15.13-Ubuntu"),
    ("rocky9", "4.21.3"),
    ("centos7", "4.10.16"),
    ("alpine", "4.18.11"),
    ("fedora", "4.19.9"),
    ("kali", "4.23.3-Debian-4.23.3+dfsg-1"),
    ("arch", "4.23.3"),
];

/// The version of a distribution.
pub(super) fn samba(distro: &str) -> &'static str {
    SAMBA.iter().find(|(slug, _)| *slug == distro).map_or(SAMBA[0].1, |(_, version)| version)
}

/// Whether that version still speaks SMB 1 by default: it does not since 4.11.
pub(super) fn speaks_old(distro: &str) -> bool {
    let mut numbers = samba(distro).split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(4), numbers.next().unwrap_or(17)) < (4, 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_speaks_smb_1() {
        let old: Vec<_> = SAMBA.iter().map(|(slug, _)| *slug).filter(|slug| speaks_old(slug)).collect();
        assert_eq!(old, ["centos7"]);
        assert_eq!(samba("beos"), "4.17.12-Debian");
    }
}
