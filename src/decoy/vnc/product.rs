//! Which VNC server a machine runs, and how it differs on the wire.

use crate::decoy::setting::text;
use crate::decoy::vfs::distro::{Family, distro};
use crate::model::{Persona, Settings};

/// A VNC server. Texts of TigerVNC 1.12 and x11vnc 0.9.16 were taken from genuine ones; those of the others
/// from their documentation and scans of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Tiger,
    X11vnc,
    Tight,
    Ultra,
    Real,
}

/// Words of the setting `server`.
const WORDS: [(&str, Server); 5] = [
    ("tigervnc", Server::Tiger),
    ("x11vnc", Server::X11vnc),
    ("tightvnc", Server::Tight),
    ("ultravnc", Server::Ultra),
    ("realvnc", Server::Real),
];

impl Server {
    /// Chooses by operating system and distro, then lets the setting `server` override.
    pub(super) fn new(persona: &Persona, settings: &Settings) -> Self {
        if let Some(word) = text(settings, "server")
            && let Some((_, server)) = WORDS.iter().find(|(w, _)| *w == word)
        {
            return *server;
        }
        let choices: &[Self] = match (persona.nmap_os.as_str(), distro(&persona.distro).family) {
            ("windows" | "windows_server", _) => &[Self::Tight, Self::Ultra, Self::Tight],
            (_, Family::Debian) => &[Self::Tiger, Self::Tiger, Self::X11vnc],
            (_, Family::Alpine) => &[Self::X11vnc],
            (_, Family::RedHat | Family::Arch) => &[Self::Tiger],
        };
        persona.seed.pick("vnc/server", choices).copied().unwrap_or(Self::Tiger)
    }

    /// The first line.
    pub(super) fn greeting(self) -> &'static [u8; 12] {
        match self {
            Self::Real => b"RFB 005.000\n",
            _ => b"RFB 003.008\n",
        }
    }

    /// Security types for 3.7 and newer: VNC authentication, and Tight's own for those that have it.
    pub(super) fn types(self) -> &'static [u8] {
        match self {
            Self::Tight => &[2, 16],
            _ => &[2],
        }
    }

    /// Why a login failed.
    pub(super) fn failure(self) -> &'static str {
        match self {
            Self::Tiger | Self::Real => "Authentication failure",
            Self::X11vnc => "password check failed!",
            Self::Tight => "Authentication failed",
            Self::Ultra => "authentication rejected",
        }
    }

    /// Whether addresses that come too often without a password are shut out.
    pub(super) fn blacklists(self) -> bool {
        matches!(self, Self::Tiger | Self::Real)
    }

    /// What a client is told whose major version is not ours; nothing: it is just hung up.
    pub(super) fn misfit(self, major: u16, minor: u16) -> Option<String> {
        match self {
            Self::Tiger => Some(format!("Client needs protocol version {major}.{minor}, server has 3.8")),
            _ => None,
        }
    }

    /// The desktop's name.
    pub(super) fn desktop(self, persona: &Persona) -> String {
        let host = &persona.hostname;
        match self {
            Self::Tiger => format!("{host}:0 (root)"),
            Self::X11vnc => format!("{host}:0"),
            Self::Tight | Self::Real => host.to_lowercase(),
            Self::Ultra => format!("{} ( {} ) - service mode", host.to_lowercase(), persona.ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn the_operating_system_decides_and_the_setting_overrides() {
        let mut persona = testing::persona(&["vnc"]);
        persona.distro = "rocky9".into();
        assert_eq!(Server::new(&persona, &Settings::new()), Server::Tiger);
        persona.nmap_os = "windows".into();
        assert!(matches!(Server::new(&persona, &Settings::new()), Server::Tight | Server::Ultra));
        let settings = [("server".to_owned(), "realvnc".into())].into_iter().collect();
        assert_eq!(Server::new(&persona, &settings).greeting(), b"RFB 005.000\n");
    }
}
