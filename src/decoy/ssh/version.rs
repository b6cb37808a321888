//! Which OpenSSH a distro runs.

/// What `sshd` of one distro looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Software {
    /// Identification string without line end (RFC 4253 §4.2).
    pub(super) id: &'static str,
    /// Speaks strict key exchange (the fix of CVE-2023-48795, in every patched package but CentOS 7's).
    pub(super) strict: bool,
    /// Advertises `ext-info-s` (9.6 and later).
    pub(super) ext_info: bool,
    /// Advertises `mlkem768x25519-sha256` (9.9 and later).
    pub(super) mlkem: bool,
    /// Its `server-sig-algs` (RFC 8308): without RSA in it clients keep their RSA keys to themselves.
    pub(super) signatures: &'static str,
    /// Takes keys bound to the host key (8.9 and later).
    pub(super) hostbound: bool,
    /// How many of the extensions that OpenSSH's SFTP server gained over time it has.
    pub(super) sftp_extensions: usize,
    /// Where the package puts its SFTP server.
    pub(super) sftp_server: &'static str,
}

/// Every algorithm of OpenSSH 8, whatever the configuration.
const SIGNATURES_8: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512,ssh-dss,\
    ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,\
    webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
/// The same of 9.2 (compared with Debian's).
const SIGNATURES: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,\
    ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,\
    ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512";
/// `PubkeyAcceptedAlgorithms`, as later versions tell it.
const SIGNATURES_LATER: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
    sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

const DEBIAN_SFTP: &str = "/usr/lib/openssh/sftp-server";
const REDHAT_SFTP: &str = "/usr/libexec/openssh/sftp-server";

/// A row of the table below that is right for most.
const BASE: Software = Software {
    id: "",
    strict: true,
    ext_info: false,
    mlkem: false,
    signatures: SIGNATURES,
    hostbound: true,
    sftp_extensions: 11,
    sftp_server: DEBIAN_SFTP,
};

/// The package a patched host of this distro runs; Debian 12's for a slug that is not known.
pub(super) fn software(distro: &str) -> Software {
    match distro {
        "ubuntu22" => Software {
            id: "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.13",
            sftp_extensions: 8,
            signatures: SIGNATURES_8,
            ..BASE
        },
        "ubuntu20" => Software {
            id: "SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.13",
            sftp_extensions: 6,
            signatures: SIGNATURES_8,
            hostbound: false,
            ..BASE
        },
        "rocky9" => Software {
            id: "SSH-2.0-OpenSSH_8.7",
            sftp_extensions: 8,
            signatures: SIGNATURES_8,
            hostbound: false,
            sftp_server: REDHAT_SFTP,
            ..BASE
        },
        "centos7" => Software {
            id: "SSH-2.0-OpenSSH_7.4",
            sftp_extensions: 5,
            strict: false,
            signatures: "rsa-sha2-256,rsa-sha2-512",
            hostbound: false,
            sftp_server: REDHAT_SFTP,
            ..BASE
        },
        "alpine" => Software {
            id: "SSH-2.0-OpenSSH_9.6",
            ext_info: true,
            signatures: SIGNATURES_LATER,
            sftp_server: "/usr/lib/ssh/sftp-server",
            ..BASE
        },
        "fedora" => Software { id: "SSH-2.0-OpenSSH_9.3", sftp_server: REDHAT_SFTP, ..BASE },
        "kali" => Software {
            id: "SSH-2.0-OpenSSH_10.0p2 Debian-8",
            ext_info: true,
            signatures: SIGNATURES_LATER,
            mlkem: true,
            ..BASE
        },
        "arch" => Software {
            id: "SSH-2.0-OpenSSH_10.2",
            ext_info: true,
            signatures: SIGNATURES_LATER,
            mlkem: true,
            sftp_server: "/usr/lib/ssh/sftp-server",
            ..BASE
        },
        _ => Software { id: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10", ..BASE },
    }
}

/// Its version as the programs of the package say it themselves.
pub(in crate::decoy) fn version(distro: &str) -> &'static str {
    let id = software(distro).id;
    id.strip_prefix("SSH-2.0-").unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distro_has_a_plausible_identification() {
        for distro in
            ["debian", "ubuntu22", "ubuntu20", "rocky9", "centos7", "alpine", "fedora", "kali", "arch", "?"]
        {
            let id = software(distro).id;
            assert!(id.starts_with("SSH-2.0-OpenSSH_") && id.len() < 255 && id.is_ascii(), "{distro}");
        }
    }
}
