//! What tells one distribution from another: versions, names, texts. Values are those of a host that
//! was patched to the end of its support, or to this year where it is still supported.

/// Which tools and paths a distribution brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// apt, bash, GNU tools.
    Debian,
    /// dnf or yum, bash, GNU tools.
    RedHat,
    /// apk, ash, BusyBox.
    Alpine,
    /// pacman, bash, GNU tools.
    Arch,
}

/// One distribution as its files and commands show it.
#[derive(Debug)]
pub struct Distro {
    /// Our word for it.
    pub slug: &'static str,
    /// Which tools.
    pub family: Family,
    /// `PRETTY_NAME`.
    pub pretty: &'static str,
    /// `/etc/os-release`.
    pub os_release: &'static str,
    /// `/etc/issue`, with getty's escapes.
    pub issue: &'static str,
    /// `uname -r`.
    pub kernel: &'static str,
    /// `uname -v`.
    pub kernel_build: &'static str,
    /// The compiler part of `/proc/version`.
    pub compiler: &'static str,
    /// Version of the login shell, bash or BusyBox.
    pub shell_version: &'static str,
    /// Version of coreutils, or BusyBox again.
    pub coreutils: &'static str,
    /// When the distribution's own files were built, seconds since 1970.
    pub built: i64,
    /// Network interface a virtual machine gets.
    pub interface: &'static str,
}

/// Finds a distribution; an unknown one plays Debian.
pub fn distro(slug: &str) -> &'static Distro {
    DISTROS.iter().find(|d| d.slug == slug).unwrap_or(&DISTROS[0])
}

/// All of them, Debian first.
pub static DISTROS: [Distro; 9] = [
    Distro {
        slug: "debian",
        family: Family::Debian,
        pretty: "Debian GNU/Linux 12 (bookworm)",
        os_release: "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\nSUPPORT_URL=\"https://www.debian.org/support\"\nBUG_REPORT_URL=\"https://bugs.debian.org/\"\n",
        issue: "Debian GNU/Linux 12 \\n \\l\n\n",
        kernel: "6.1.0-50-amd64",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)",
        compiler: "(debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40)",
        shell_version: "5.2.15(1)-release",
        coreutils: "9.1",
        built: 1_663_663_920,
        interface: "ens18",
    },
    Distro {
        slug: "ubuntu22",
        family: Family::Debian,
        pretty: "Ubuntu 22.04.5 LTS",
        os_release: "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.5 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\nHOME_URL=\"https://www.ubuntu.com/\"\nSUPPORT_URL=\"https://help.ubuntu.com/\"\nBUG_REPORT_URL=\"https://bugs.launchpad.net/ubuntu/\"\nPRIVACY_POLICY_URL=\"https://www.ubuntu.com/legal/terms-and-policies/privacy-policy\"\nUBUNTU_CODENAME=jammy\n",
        issue: "Ubuntu 22.04.5 LTS \\n \\l\n\n",
        kernel: "5.15.0-164-generic",
        kernel_build: "#174-Ubuntu SMP Fri Nov 14 20:25:16 UTC 2025",
        compiler: "(buildd@lcy02-amd64-026) (gcc (Ubuntu 11.4.0-1ubuntu1~22.04.2) 11.4.0, GNU ld (GNU Binutils for Ubuntu) 2.38)",
        shell_version: "5.1.16(1)-release",
        coreutils: "8.32",
        built: 1_644_236_340,
        interface: "ens18",
    },
    Distro {
        slug: "ubuntu20",
        family: Family::Debian,
        pretty: "Ubuntu 20.04.6 LTS",
        os_release: "NAME=\"Ubuntu\"\nVERSION=\"20.04.6 LTS (Focal Fossa)\"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 20.04.6 LTS\"\nVERSION_ID=\"20.04\"\nHOME_URL=\"https://www.ubuntu.com/\"\nSUPPORT_URL=\"https://help.ubuntu.com/\"\nBUG_REPORT_URL=\"https://bugs.launchpad.net/ubuntu/\"\nPRIVACY_POLICY_URL=\"https://www.ubuntu.com/legal/terms-and-policies/privacy-policy\"\nVERSION_CODENAME=focal\nUBUNTU_CODENAME=focal\n",
        issue: "Ubuntu 20.04.6 LTS \\n \\l\n\n",
        kernel: "5.4.0-216-generic",
        kernel_build: "#236-Ubuntu SMP Fri Apr 11 19:53:21 UTC 2025",
        compiler: "(buildd@lcy02-amd64-099) (gcc version 9.4.0 (Ubuntu 9.4.0-1ubuntu1~20.04.2))",
        shell_version: "5.0.17(1)-release",
        coreutils: "8.30",
        built: 1_567_679_920,
        interface: "ens18",
    },
    Distro {
        slug: "rocky9",
        family: Family::RedHat,
        pretty: "Rocky Linux 9.6 (Blue Onyx)",
        os_release: "NAME=\"Rocky Linux\"\nVERSION=\"9.6 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.6\"\nPLATFORM_ID=\"platform:el9\"\nPRETTY_NAME=\"Rocky Linux 9.6 (Blue Onyx)\"\nANSI_COLOR=\"0;32\"\nLOGO=\"fedora-logo-icon\"\nCPE_NAME=\"cpe:/o:rocky:rocky:9::baseos\"\nHOME_URL=\"https://rockylinux.org/\"\nVENDOR_NAME=\"RESF\"\nVENDOR_URL=\"https://resf.org/\"\nBUG_REPORT_URL=\"https://bugs.rockylinux.org/\"\nSUPPORT_END=\"2032-05-31\"\nROCKY_SUPPORT_PRODUCT=\"Rocky-Linux-9\"\nROCKY_SUPPORT_PRODUCT_VERSION=\"9.6\"\nREDHAT_SUPPORT_PRODUCT=\"Rocky Linux\"\nREDHAT_SUPPORT_PRODUCT_VERSION=\"9.6\"\n",
        issue: "\\S\nKernel \\r on an \\m\n\n",
        kernel: "5.14.0-570.58.1.el9_6.x86_64",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC Wed Oct 29 06:24:11 UTC 2025",
        compiler: "(mockbuild@iad1-prod-build001.bld.equ.rockylinux.org) (gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5), GNU ld version 2.35.2-63.el9)",
        shell_version: "5.1.8(1)-release",
        coreutils: "8.32",
        built: 1_667_311_200,
        interface: "ens192",
    },
    Distro {
        slug: "centos7",
        family: Family::RedHat,
        pretty: "CentOS Linux 7 (Core)",
        os_release: "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\nANSI_COLOR=\"0;31\"\nCPE_NAME=\"cpe:/o:centos:centos:7\"\nHOME_URL=\"https://www.centos.org/\"\nBUG_REPORT_URL=\"https://bugs.centos.org/\"\n\nCENTOS_MANTISBT_PROJECT=\"CentOS-7\"\nCENTOS_MANTISBT_PROJECT_VERSION=\"7\"\nREDHAT_SUPPORT_PRODUCT=\"centos\"\nREDHAT_SUPPORT_PRODUCT_VERSION=\"7\"\n\n",
        issue: "\\S\nKernel \\r on an \\m\n\n",
        kernel: "3.10.0-1160.119.1.el7.x86_64",
        kernel_build: "#1 SMP Tue Jun 4 14:43:51 UTC 2024",
        compiler: "(mockbuild@kbuilder.bsys.centos.org) (gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC) )",
        shell_version: "4.2.46(2)-release",
        coreutils: "8.22",
        built: 1_605_602_400,
        interface: "ens192",
    },
    Distro {
        slug: "alpine",
        family: Family::Alpine,
        pretty: "Alpine Linux v3.19",
        os_release: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.9\nPRETTY_NAME=\"Alpine Linux v3.19\"\nHOME_URL=\"https://alpinelinux.org/\"\nBUG_REPORT_URL=\"https://gitlab.alpinelinux.org/alpine/aports/-/issues\"\n",
        issue: "Welcome to Alpine Linux 3.19\nKernel \\r on an \\m (\\l)\n\n",
        kernel: "6.6.117-0-lts",
        kernel_build: "#1-Alpine SMP PREEMPT_DYNAMIC 2025-11-24 19:46:54",
        compiler: "(buildozer@build-3-19-x86_64) (gcc (Alpine 13.2.1_git20231014) 13.2.1 20231014, GNU ld (GNU Binutils) 2.41)",
        shell_version: "1.36.1",
        coreutils: "1.36.1",
        built: 1_698_861_600,
        interface: "eth0",
    },
    Distro {
        slug: "fedora",
        family: Family::RedHat,
        pretty: "Fedora Linux 39 (Server Edition)",
        os_release: "NAME=\"Fedora Linux\"\nVERSION=\"39 (Server Edition)\"\nID=fedora\nVERSION_ID=39\nVERSION_CODENAME=\"\"\nPLATFORM_ID=\"platform:f39\"\nPRETTY_NAME=\"Fedora Linux 39 (Server Edition)\"\nANSI_COLOR=\"0;38;2;60;110;180\"\nLOGO=fedora-logo-icon\nCPE_NAME=\"cpe:/o:fedoraproject:fedora:39\"\nHOME_URL=\"https://fedoraproject.org/\"\nDOCUMENTATION_URL=\"https://docs.fedoraproject.org/en-US/fedora/f39/system-administrators-guide/\"\nSUPPORT_URL=\"https://ask.fedoraproject.org/\"\nBUG_REPORT_URL=\"https://bugzilla.redhat.com/\"\nREDHAT_BUGZILLA_PRODUCT=\"Fedora\"\nREDHAT_BUGZILLA_PRODUCT_VERSION=39\nREDHAT_SUPPORT_PRODUCT=\"Fedora\"\nREDHAT_SUPPORT_PRODUCT_VERSION=39\nSUPPORT_END=2024-11-12\nVARIANT=\"Server Edition\"\nVARIANT_ID=server\n",
        issue: "\\S\nKernel \\r on \\m (\\l)\n\n",
        kernel: "6.11.9-100.fc39.x86_64",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC Sun Nov 17 18:52:19 UTC 2024",
        compiler: "(mockbuild@a79c8b0fa1f44c8a8f0e5b8ac6b3b2a1) (gcc (GCC) 13.3.1 20240913 (Red Hat 13.3.1-3), GNU ld version 2.40-14.fc39)",
        shell_version: "5.2.26(1)-release",
        coreutils: "9.3",
        built: 1_690_156_800,
        interface: "ens18",
    },
    Distro {
        slug: "kali",
        family: Family::Debian,
        pretty: "Kali GNU/Linux Rolling",
        os_release: "PRETTY_NAME=\"Kali GNU/Linux Rolling\"\nNAME=\"Kali GNU/Linux\"\nVERSION_ID=\"2025.4\"\nVERSION=\"2025.4\"\nVERSION_CODENAME=kali-rolling\nID=kali\nID_LIKE=debian\nHOME_URL=\"https://www.kali.org/\"\nSUPPORT_URL=\"https://forums.kali.org/\"\nBUG_REPORT_URL=\"https://bugs.kali.org/\"\nANSI_COLOR=\"1;31\"\n",
        issue: "Kali GNU/Linux Rolling \\n \\l\n\n",
        kernel: "6.16.8+kali-amd64",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC Kali 6.16.8-1kali1 (2025-09-24)",
        compiler: "(devel@kali.org) (x86_64-linux-gnu-gcc-14 (Debian 14.3.0-8) 14.3.0, GNU ld (GNU Binutils for Debian) 2.45)",
        shell_version: "5.3.3(1)-release",
        coreutils: "9.7",
        built: 1_748_736_000,
        interface: "eth0",
    },
    Distro {
        slug: "arch",
        family: Family::Arch,
        pretty: "Arch Linux",
        os_release: "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\nANSI_COLOR=\"38;2;23;147;209\"\nHOME_URL=\"https://archlinux.org/\"\nDOCUMENTATION_URL=\"https://wiki.archlinux.org/\"\nSUPPORT_URL=\"https://bbs.archlinux.org/\"\nBUG_REPORT_URL=\"https://gitlab.archlinux.org/groups/archlinux/-/issues\"\nPRIVACY_POLICY_URL=\"https://terms.archlinux.org/docs/privacy-policy/\"\nLOGO=archlinux-logo\n",
        issue: "Arch Linux \\r (\\l)\n\n",
        kernel: "6.17.9-arch1-1",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC Mon, 24 Nov 2025 15:21:09 +0000",
        compiler: "(linux@archlinux) (gcc (GCC) 15.2.1 20251112, GNU ld (GNU Binutils) 2.45.1)",
        shell_version: "5.3.8(1)-release",
        coreutils: "9.9",
        built: 1_758_585_600,
        interface: "ens18",
    },
];

impl Distro {
    /// Whether it is some version of what `/etc/os-release` calls `id`.
    pub fn id_is(&self, id: &str) -> bool {
        self.os_release
            .lines()
            .any(|line| line.strip_prefix("ID=").is_some_and(|v| v.trim_matches('"') == id))
    }
}
