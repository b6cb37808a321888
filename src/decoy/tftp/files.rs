//! What lies on the server: texts that somebody looking for them would expect, made when they are asked for.

use std::fmt::Write as _;

use rand_chacha::rand_core::Rng as _;

use crate::model::Persona;

/// Names that scanners and devices ask a server for when they know no better.
const DEVICE_NAMES: [&str; 6] =
    ["running-config", "startup-config", "router-confg", "network-confg", "cisconet.cfg", "switch.cfg"];

/// The files of one machine.
pub(super) struct Files {
    persona: Persona,
    /// The device whose configuration is kept here.
    device: String,
}

impl Files {
    pub(super) fn new(persona: &Persona) -> Self {
        let site = persona.seed.pick("tftp/site", &["hq", "dc1", "br2", "core", "edge", "acc"]);
        let number = persona.seed.number("tftp/device", 9).saturating_add(1);
        let device = format!("{}-sw{number:02}", site.unwrap_or(&"sw"));
        Self { persona: persona.clone(), device }
    }

    /// The file called `name`, below the root or above.
    pub(super) fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(name).ok()?.trim_start_matches(['/', '.', '\\']);
        let own = [format!("{}-confg", self.device), format!("{}.cfg", self.device)];
        if own.iter().any(|known| known == name) || DEVICE_NAMES.contains(&name) {
            return Some(self.device_configuration().into_bytes());
        }
        let boots = !matches!(self.persona.nmap_os.as_str(), "cisco" | "embedded");
        (boots && name == "pxelinux.cfg/default").then(|| self.boot_menu().into_bytes())
    }

    fn boot_menu(&self) -> String {
        let ip = self.persona.ip;
        format!(
            "DEFAULT menu.c32\nPROMPT 0\nTIMEOUT 150\nONTIMEOUT local\n\nLABEL local\n  MENU LABEL Boot from local disk\n  \
             LOCALBOOT 0\n\nLABEL install\n  MENU LABEL Install server (unattended)\n  \
             KERNEL installer/amd64/linux\n  APPEND initrd=installer/amd64/initrd.gz auto=true priority=critical \
             url=http://{ip}/preseed.cfg hostname=unassigned domain=\n\nLABEL rescue\n  KERNEL installer/amd64/linux\n  \
             APPEND initrd=installer/amd64/initrd.gz rescue/enable=true\n"
        )
    }

    fn device_configuration(&self) -> String {
        let seed = &self.persona.seed;
        let secret = |label: &str, length: usize| self.letters(label, length);
        let [a, b, c, _] = self.persona.ip.octets();
        let mut text = format!(
            "!\n! Last configuration change at {:02}:{:02}:{:02} UTC by netadmin\n!\nversion 15.2\nno service pad\nservice \
             timestamps debug datetime msec\nservice timestamps log datetime msec\nservice password-encryption\n!\n\
             hostname {}\n!\nboot-start-marker\nboot-end-marker\n!\nenable secret 5 $1${}${}\n!\nusername netadmin privilege \
             15 secret 5 $1${}${}\nno aaa new-model\nip domain-name corp.local\n!\n",
            seed.number("tftp/h", 24),
            seed.number("tftp/m", 60),
            seed.number("tftp/s", 60),
            self.device,
            secret("enable/salt", 4),
            secret("enable", 22),
            secret("admin/salt", 4),
            secret("admin", 22),
        );
        for port in 1..=seed.number("tftp/ports", 3).saturating_add(2).saturating_mul(4) {
            let vlan = seed.number(&format!("tftp/vlan/{port}"), 4).saturating_add(1).saturating_mul(10);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "interface GigabitEthernet1/0/{port}\n switchport access vlan {vlan}\n switchport mode access\n spanning-tree portfast\n!\n"
            );
        }
        let _ = write!(
            text,
            "interface Vlan10\n ip address {a}.{b}.{c}.{} 255.255.255.0\n!\nip default-gateway {a}.{b}.{c}.1\nno ip http \
             server\nip ssh version 2\n!\nsnmp-server community {} RO\nsnmp-server community {} RW\nsnmp-server location \
             {}\n!\nline con 0\nline vty 0 4\n login local\n transport input ssh telnet\n!\nend\n",
            seed.number("tftp/address", 40).saturating_add(2),
            secret("ro", 8),
            secret("rw", 10),
            seed.pick("tftp/room", &["Rack B2", "Server room 1", "MDF ground floor", "IDF 3rd floor"])
                .unwrap_or(&"Rack 1"),
        );
        text
    }

    fn letters(&self, label: &str, length: usize) -> String {
        const LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        // Communities have no punctuation, hashes may.
        let alphabet = if length > 12 { LETTERS } else { LETTERS.get(2..).unwrap_or(LETTERS) };
        let mut rng = self.persona.seed.rng(&format!("tftp/secret/{label}"));
        let one = |_| {
            let at = usize::try_from(rng.next_u32()).unwrap_or(0).checked_rem(alphabet.len()).unwrap_or(0);
            char::from(alphabet.get(at).copied().unwrap_or(b'x'))
        };
        (0..length).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn files_are_of_one_machine_and_stable() {
        let mut persona = testing::persona(&["tftp"]);
        let files = Files::new(&persona);
        let config = files.get(b"/running-config").unwrap();
        assert_eq!(files.get(b"startup-config").unwrap(), config);
        let text = String::from_utf8(config.clone()).unwrap();
        assert!(
            text.contains("enable secret 5 $1$") && text.ends_with("end\n") && text.len() > 1024,
            "{text}"
        );
        assert!(!text.contains(&persona.hostname));
        assert!(files.get(b"pxelinux.cfg/default").is_some());
        for none in [&b"r7tftp.txt"[..], b"/etc/passwd", b"", b"\xff"] {
            assert_eq!(files.get(none), None);
        }
        persona.seed = crate::model::Seed::new([4; 32]);
        assert_ne!(Files::new(&persona).get(b"running-config"), Some(config));
    }
}
