//! What a decky is called and known by on the wire: hostname and MAC address, drawn from its seed.

use std::collections::HashSet;

use rand_chacha::rand_core::Rng;

use crate::catalog::{self, HostnameStyle};
use crate::model::{Decky, Fleet, Identity, Mac, Seed, SeedRng};

use super::vendors::{Kind, WORDS, printer_hostname};

/// Draws before the range is made wider.
const TRIES: u32 = 64;

/// A MAC address of a plausible vendor that `taken` does not have.
pub(super) fn mac(seed: &Seed, kind: Kind, taken: &HashSet<Mac>) -> Mac {
    let prefix = seed.pick("mac/vendor", kind.prefixes()).copied().unwrap_or([0x52, 0x54, 0x00]);
    let mut rng = seed.rng("mac/device");
    loop {
        let [a, b, c] = prefix;
        let [d, e, f, _] = rng.next_u32().to_le_bytes();
        // VMware gives machines of one vCenter 00:50:56:80..bf.
        let d = if prefix == [0x00, 0x50, 0x56] { 0x80 | (d & 0x3f) } else { d };
        let mac = Mac([a, b, c, d, e, f]);
        if !taken.contains(&mac) {
            return mac;
        }
    }
}

/// A hostname for a machine of this kind and distro whose lower-case form `taken` does not say is in use.
pub(super) fn hostname(
    seed: &Seed,
    kind: Kind,
    distro: &str,
    mac: Mac,
    taken: &dyn Fn(&str) -> bool,
) -> String {
    let mut rng = seed.rng("hostname");
    let style = catalog::distro(distro).map_or(HostnameStyle::Generic, |d| d.hostname_style);
    (0u32..)
        .map(|attempt| candidate(&mut rng, kind, style, mac, attempt))
        .find(|name| !taken(&name.to_ascii_lowercase()))
        .unwrap_or_else(|| format!("host-{}", hex::encode(mac.0)))
}

fn candidate(rng: &mut SeedRng, kind: Kind, style: HostnameStyle, mac: Mac, attempt: u32) -> String {
    let Mac([_, _, _, d, e, f]) = mac;
    let again = if attempt == 0 { String::new() } else { format!("-{}", attempt + 1) };
    match kind {
        // What Windows set-up itself proposes.
        Kind::Workstation => format!("DESKTOP-{}", letters(rng, 7)),
        Kind::WindowsServer => format!("WIN-{}", letters(rng, 11)),
        Kind::Printer => printer_hostname(mac.0) + &again,
        Kind::Iot => format!("ESP-{}{again}", hex::encode_upper([d, e, f])),
        Kind::Industrial => format!("plc{}", number(rng, attempt)),
        Kind::Router => format!("rtr-{}{}", word(rng), number(rng, attempt)),
        Kind::Server => match style {
            HostnameStyle::Generic => {
                format!("SRV-{}-{}", word(rng).to_ascii_uppercase(), number(rng, attempt))
            }
            HostnameStyle::Rhel => format!("{}{}.localdomain", word(rng), number(rng, attempt)),
            HostnameStyle::Minimal => format!("{}-{}", word(rng), number(rng, attempt)),
            HostnameStyle::Rolling => {
                let (first, second) = (word(rng), word(rng));
                if attempt < TRIES && first != second {
                    format!("{first}-{second}")
                } else {
                    format!("{first}-{second}{}", number(rng, attempt))
                }
            }
        },
    }
}

/// Two digits; more once many names were in use.
fn number(rng: &mut SeedRng, attempt: u32) -> u32 {
    match attempt / TRIES {
        0 => 10 + below(rng, 90),
        1 => 100 + below(rng, 900),
        _ => 1000 + below(rng, 99_000),
    }
}

fn word(rng: &mut SeedRng) -> &'static str {
    let index = below(rng, u32::try_from(WORDS.len()).unwrap_or(1));
    WORDS.get(usize::try_from(index).unwrap_or(0)).copied().unwrap_or("host")
}

fn letters(rng: &mut SeedRng, count: usize) -> String {
    const SET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..count).map(|_| char::from(SET[(rng.next_u32() % 36) as usize])).collect()
}

fn below(rng: &mut SeedRng, bound: u32) -> u32 {
    rng.next_u32().checked_rem(bound).unwrap_or(0)
}

/// An identity for each row that has none: rows that another tool inserted. The seed is the
/// caller's fresh randomness; MAC addresses are unique in the fleet.
pub fn adopt(fleet: &Fleet, seed: &Seed) -> Vec<(String, Identity)> {
    let mut taken: HashSet<Mac> =
        fleet.members.iter().filter_map(|m| m.identity.as_ref()).map(|i| i.mac).collect();
    let orphans = fleet.members.iter().filter(|m| m.identity.is_none());
    orphans
        .map(|member| {
            let kind = member.decky.as_ref().map_or(Kind::Server, kind_of);
            let identity = fresh(seed, &member.name, kind, &taken);
            taken.insert(identity.mac);
            (member.name.clone(), identity)
        })
        .collect()
}

/// The seed that a decky recorded by this call gets.
pub(super) fn seed_for(seed: &Seed, name: &str) -> Seed {
    seed.child(&format!("decky/{name}"))
}

/// A new identity from the call's randomness.
pub(super) fn fresh(seed: &Seed, name: &str, kind: Kind, taken: &HashSet<Mac>) -> Identity {
    let seed = seed_for(seed, name);
    Identity { mac: mac(&seed, kind, taken), seed }
}

pub(super) fn kind_of(decky: &Decky) -> Kind {
    Kind::of(decky.archetype.as_deref(), &decky.nmap_os)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(byte: u8) -> Seed {
        Seed::new([byte; 32])
    }

    #[test]
    fn macs_have_a_vendor_and_differ() {
        let mut taken = HashSet::new();
        for byte in 0..50 {
            for kind in [Kind::Server, Kind::Workstation, Kind::Printer, Kind::Iot, Kind::Industrial] {
                let drawn = mac(&seed(byte), kind, &taken);
                assert!(kind.prefixes().iter().any(|p| drawn.0.starts_with(p)), "{drawn}");
                assert_eq!(drawn.0[0] & 1, 0, "multicast: {drawn}");
                assert!(taken.insert(drawn));
            }
        }
        let none = HashSet::new();
        assert_eq!(mac(&seed(1), Kind::Server, &none), mac(&seed(1), Kind::Server, &none));
        let first = mac(&seed(1), Kind::Server, &none);
        assert_ne!(mac(&seed(1), Kind::Server, &HashSet::from([first])), first);
    }

    #[test]
    fn hostnames_fit_the_machine() {
        let mac = Mac([0x30, 0x05, 0x5c, 0xaa, 0xbb, 0x01]);
        let name = |kind, distro| hostname(&seed(3), kind, distro, mac, &|_| false);
        assert_eq!(name(Kind::Printer, "alpine"), "BRN30055CAABB01");
        assert_eq!(name(Kind::Iot, "alpine"), "ESP-AABB01");
        let desktop = name(Kind::Workstation, "debian");
        assert!(desktop.starts_with("DESKTOP-") && desktop.len() == 15, "{desktop}");
        let server = name(Kind::WindowsServer, "debian");
        assert!(server.starts_with("WIN-") && server.len() == 15, "{server}");
        assert!(name(Kind::Server, "debian").starts_with("SRV-"));
        assert!(name(Kind::Server, "rocky9").ends_with(".localdomain"));
    }

    #[test]
    fn hostnames_stay_unique_when_the_space_is_small() {
        for (kind, distro) in [
            (Kind::Server, "kali"),
            (Kind::Server, "debian"),
            (Kind::Industrial, "debian"),
            (Kind::Printer, "debian"),
        ] {
            let mut seen = HashSet::new();
            for n in 0..3000u32 {
                let seed = seed(9).child(&n.to_string());
                let mac = Mac([0x94, 0x57, 0xa5, 0, 0, 1]);
                let drawn = hostname(&seed, kind, distro, mac, &|name| seen.contains(name));
                assert!(seen.insert(drawn.to_ascii_lowercase()), "{drawn}");
                if kind == Kind::Printer && n > 50 {
                    break;
                }
            }
        }
    }
}
