//! Distros: what a decky says it runs, and the images DECNET would start (facts: upstream §3.1).

/// How the hostnames of a distro's machines are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostnameStyle {
    /// `SRV-<WORD>-<nn>`.
    Generic,
    /// `<word><nn>.localdomain`.
    Rhel,
    /// `<word>-<nn>`.
    Minimal,
    /// `<word>-<word>`.
    Rolling,
}

/// A distro.
#[derive(Debug)]
pub struct Distro {
    /// What files and flags call it.
    pub slug: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Image of the decky's base container, `tag@sha256:digest`.
    pub base_image: &'static str,
    /// Image its services are built from, `tag@sha256:digest`.
    pub build_base: &'static str,
    /// How its hostnames look.
    pub hostname_style: HostnameStyle,
}

macro_rules! debian {
    () => {
        "debian:bookworm-slim@sha256:f9c6a2fd2ddbc23e336b6257a5245e31f996953ef06cd13a59fa0a1df2d5c252"
    };
}

const UBUNTU22: &str = "ubuntu:22.04@sha256:962f6cadeae0ea6284001009daa4cc9a8c37e75d1f5191cf0eb83fe565b63dd7";
const UBUNTU20: &str = "ubuntu:20.04@sha256:8feb4d8ca5354def3d8fce243717141ce31e2c428701f6682bd2fafe15388214";
const KALI: &str =
    "kalilinux/kali-rolling@sha256:1fd0364490011f245688c6ed9fee498a11cd779badfbb0b1d3a721d0f49f2d15";

static DISTROS: [Distro; 9] = [
    Distro {
        slug: "debian",
        title: "Debian 12 (Bookworm)",
        base_image: debian!(),
        build_base: debian!(),
        hostname_style: HostnameStyle::Generic,
    },
    Distro {
        slug: "ubuntu22",
        title: "Ubuntu 22.04 LTS (Jammy)",
        base_image: UBUNTU22,
        build_base: UBUNTU22,
        hostname_style: HostnameStyle::Generic,
    },
    Distro {
        slug: "ubuntu20",
        title: "Ubuntu 20.04 LTS (Focal)",
        base_image: UBUNTU20,
        build_base: UBUNTU20,
        hostname_style: HostnameStyle::Generic,
    },
    Distro {
        slug: "rocky9",
        title: "Rocky Linux 9",
        base_image: "rockylinux:9-minimal@sha256:305de618a5681ff75b1d608fd22b10f362867dff2f550a4f1d427d21cd7f42b4",
        build_base: debian!(),
        hostname_style: HostnameStyle::Rhel,
    },
    Distro {
        slug: "centos7",
        title: "CentOS 7",
        base_image: "centos:7@sha256:be65f488b7764ad3638f236b7b515b3678369a5124c47b8d32916d6487418ea4",
        build_base: debian!(),
        hostname_style: HostnameStyle::Rhel,
    },
    Distro {
        slug: "alpine",
        title: "Alpine Linux 3.19",
        base_image: "alpine:3.19@sha256:6baf43584bcb78f2e5847d1de515f23499913ac9f12bdf834811a3145eb11ca1",
        build_base: debian!(),
        hostname_style: HostnameStyle::Minimal,
    },
    Distro {
        slug: "fedora",
        title: "Fedora 39",
        base_image: "fedora:39@sha256:d63d63fe593749a5e8dbc8152427d40bbe0ece53d884e00e5f3b44859efa5077",
        build_base: debian!(),
        hostname_style: HostnameStyle::Rhel,
    },
    Distro {
        slug: "kali",
        title: "Kali Linux (Rolling)",
        base_image: KALI,
        build_base: KALI,
        hostname_style: HostnameStyle::Rolling,
    },
    Distro {
        slug: "arch",
        title: "Arch Linux",
        base_image: "archlinux:latest@sha256:5ba8bb318666baef4d33afefc0e65db80f38b23503cb8e7b150d315cc2d4d5da",
        build_base: debian!(),
        hostname_style: HostnameStyle::Rolling,
    },
];

/// Every distro, in table order.
pub fn distros() -> &'static [Distro] {
    &DISTROS
}

/// The distro called `slug`, exactly.
pub fn distro(slug: &str) -> Option<&'static Distro> {
    DISTROS.iter().find(|d| d.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_pinned_by_digest() {
        for d in distros() {
            for image in [d.base_image, d.build_base] {
                let (tag, digest) = image.split_once("@sha256:").unwrap();
                assert!(!tag.is_empty(), "{}", d.slug);
                assert_eq!(digest.len(), 64, "{}", d.slug);
                assert!(digest.bytes().all(|b| b.is_ascii_hexdigit()), "{}", d.slug);
            }
        }
        assert_eq!(distro("rocky9").unwrap().hostname_style, HostnameStyle::Rhel);
        assert!(distro("Debian").is_none());
    }
}
