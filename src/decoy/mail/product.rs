//! Which mail servers a distro ships, and what they call themselves.

use crate::decoy::tls::{Subject, Tls};
use crate::model::Persona;

/// The mail packages of one distro, patched to this year or to the end of its support.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packages {
    distro: &'static str,
    /// Postfix' word for the distro, in brackets in its banner.
    pub(super) postfix_tag: Option<&'static str>,
    /// Major and minor of Postfix.
    pub(super) postfix: (u8, u8),
    /// Version of Exim.
    pub(super) exim: &'static str,
    /// Version of Sendmail and of its configuration, as in its banner.
    pub(super) sendmail: &'static str,
    /// Dovecot's word for the distro.
    pub(super) dovecot_tag: Option<&'static str>,
    /// Major, minor and patch level of Dovecot.
    pub(super) dovecot: (u8, u8, u8),
}

#[rustfmt::skip]
static PACKAGES: [Packages; 9] = [
    Packages { distro: "debian", postfix_tag: Some("Debian/GNU"), postfix: (3, 7), exim: "4.96",
        sendmail: "8.17.1.9/8.17.1.9/Debian-2+deb12u2", dovecot_tag: Some("Debian"), dovecot: (2, 3, 19) },
    Packages { distro: "ubuntu22", postfix_tag: Some("Ubuntu"), postfix: (3, 6), exim: "4.95",
        sendmail: "8.15.2/8.15.2/Debian-22ubuntu3", dovecot_tag: Some("Ubuntu"), dovecot: (2, 3, 16) },
    Packages { distro: "ubuntu20", postfix_tag: Some("Ubuntu"), postfix: (3, 4), exim: "4.93",
        sendmail: "8.15.2/8.15.2/Debian-18", dovecot_tag: Some("Ubuntu"), dovecot: (2, 3, 7) },
    Packages { distro: "rocky9", postfix_tag: None, postfix: (3, 5), exim: "4.98.2",
        sendmail: "8.16.1/8.16.1", dovecot_tag: None, dovecot: (2, 3, 16) },
    Packages { distro: "centos7", postfix_tag: None, postfix: (2, 10), exim: "4.97.1",
        sendmail: "8.14.7/8.14.7", dovecot_tag: None, dovecot: (2, 2, 36) },
    Packages { distro: "alpine", postfix_tag: None, postfix: (3, 8), exim: "4.97.1",
        sendmail: "8.17.2/8.17.2", dovecot_tag: None, dovecot: (2, 3, 21) },
    Packages { distro: "fedora", postfix_tag: None, postfix: (3, 8), exim: "4.97.1",
        sendmail: "8.17.2/8.17.2", dovecot_tag: None, dovecot: (2, 3, 21) },
    Packages { distro: "kali", postfix_tag: Some("Debian/GNU"), postfix: (3, 10), exim: "4.98.2",
        sendmail: "8.18.1/8.18.1/Debian-9", dovecot_tag: Some("Debian"), dovecot: (2, 4, 1) },
    Packages { distro: "arch", postfix_tag: None, postfix: (3, 10), exim: "4.98.2",
        sendmail: "8.18.1/8.18.1", dovecot_tag: None, dovecot: (2, 4, 1) },
];

impl Packages {
    /// Those of a distro; an unknown one plays Debian.
    pub(super) fn of(distro: &str) -> &'static Self {
        PACKAGES.iter().find(|p| p.distro == distro).unwrap_or(&PACKAGES[0])
    }

    /// `Dovecot (Debian) ready.`
    pub(super) fn dovecot_ready(&self) -> String {
        self.dovecot_tag.map_or_else(|| "Dovecot ready.".to_owned(), |tag| format!("Dovecot ({tag}) ready."))
    }
}

/// The certificate that mail servers of the machine show: where the distro makes one for the whole host,
/// that one, else the one that Dovecot's own script makes.
pub(super) fn certificate(persona: &Persona, dovecot: bool) -> Tls {
    if dovecot && matches!(persona.distro.as_str(), "rocky9" | "centos7" | "fedora" | "alpine" | "arch") {
        let name = "imap.example.com".to_owned();
        let subject =
            Subject { common_name: name, organisation: None, names: Vec::new(), days: 365, ca: false };
        return Tls::derived(persona, "dovecot", subject);
    }
    Tls::derived(persona, "snakeoil", Subject::host(persona))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distro_has_its_packages() {
        for distro in crate::catalog::distros() {
            assert_eq!(Packages::of(distro.slug).distro, distro.slug);
        }
        assert_eq!(Packages::of("beos").dovecot_ready(), "Dovecot (Debian) ready.");
        assert_eq!(Packages::of("rocky9").dovecot_ready(), "Dovecot ready.");
    }
}
