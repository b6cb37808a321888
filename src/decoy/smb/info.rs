//! What files, folders and volumes say of themselves (MS-FSCC §2.4, §2.5).

use super::share::Node;
use crate::decoy::le::{self, Put as _};
use crate::decoy::ntlm::Host;
use crate::model::Seed;

/// Four equal times and what follows them in most answers.
pub(super) fn times(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    out.u64(node.time).u64(node.time).u64(node.time).u64(node.time);
    out
}

/// An information class of a file; none where there is no such class.
pub(super) fn file(class: u8, node: &Node, windows: bool, access: u32, name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut basic = times(node);
    basic.u32(node.attributes(windows)).u32(0);
    let mut standard = Vec::new();
    standard.u64(node.allocated()).u64(node.size).u32(1).u8(0).u8(u8::from(node.folder)).u16(0);
    let named = |text: &str| {
        let units = le::wide(text);
        let mut out = Vec::new();
        out.u32(le::long(units.len())).put(&units);
        out
    };
    let path = format!("\\{}", node.path);
    match class {
        4 => out = basic,
        5 => {
            out = standard;
        }
        6 => {
            out.u64(node.id());
        }
        7 | 16 | 17 | 41 => {
            out.u32(0);
        }
        8 => {
            out.u32(access);
        }
        9 | 48 => out = named(&path),
        14 => {
            out.u64(0);
        }
        18 => {
            out = basic;
            out.put(&standard).u64(node.id()).u32(0).u32(access).u64(0).u32(0).u32(0).put(&named(&path));
        }
        21 => out = named(name),
        22 if node.folder => {}
        22 => {
            let units = le::wide("::$DATA");
            out.u32(0).u32(le::long(units.len())).u64(node.size).u64(node.allocated()).put(&units);
        }
        28 => {
            out.u64(node.size).u16(0).put(&[0; 6]);
        }
        34 => {
            out = times(node);
            out.u64(node.allocated()).u64(node.size).u32(node.attributes(windows)).u32(0);
        }
        35 => {
            out.u32(node.attributes(windows)).u32(0);
        }
        59 => {
            out.u64(0x5eed).u64(node.id()).u64(0);
        }
        _ => return None,
    }
    Some(out)
}

/// An information class of the volume.
pub(super) fn volume(class: u8, host: &Host, seed: &Seed, share: &str, born: i64) -> Option<Vec<u8>> {
    let total = 10_000_000 + seed.number("smb/volume", 60_000_000);
    let free = total / 100 * (20 + seed.number("smb/free", 60));
    let serial = u32::try_from(seed.number("smb/serial", 1 << 32)).unwrap_or(1);
    let windows = host.system.windows;
    let label = le::wide(if windows { "" } else { share });
    let mut out = Vec::new();
    match class {
        1 => {
            out.u64(le::filetime(born, 0)).u32(serial).u32(le::long(label.len())).u16(0).put(&label);
        }
        // Samba counts in kibibytes, Windows in clusters of 4 KiB.
        3 if windows => {
            out.u64(total).u64(free).u32(8).u32(512);
        }
        3 => {
            out.u64(total * 4).u64(free * 4).u32(2).u32(512);
        }
        4 => {
            out.u32(7).u32(0x20);
        }
        5 => {
            let name = le::wide("NTFS");
            let flags = if windows { 0x03e7_2eff } else { 0x0001_006f };
            out.u32(flags).u32(255).u32(le::long(name.len())).put(&name);
        }
        7 if windows => {
            out.u64(total).u64(free).u64(free).u32(8).u32(512);
        }
        7 => {
            out.u64(total * 4).u64(free * 4).u64(free * 4).u32(2).u32(512);
        }
        8 => {
            out.put(&seed.derive("smb/object")[..16]).put(&[0; 48]);
        }
        11 => {
            out.u32(512).u32(4096).u32(4096).u32(4096).u32(3).u32(0).u32(0);
        }
        _ => return None,
    }
    Some(out)
}

/// A self-relative security descriptor: administrators own it, everybody may all.
pub(super) fn security() -> Vec<u8> {
    let administrators = [1, 2, 0, 0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x20, 2, 0, 0];
    let everyone = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let mut out = Vec::new();
    out.u8(1).u8(0).u16(0x8004).u32(20).u32(36).u32(0).u32(52);
    out.put(&administrators).put(&administrators);
    out.u8(2).u8(0).u16(28).u16(1).u16(0);
    out.u8(0).u8(3).u16(20).u32(0x001f_01ff).put(&everyone);
    out
}

/// One entry of a listing; none where there is no such class.
pub(super) fn entry(class: u8, node: &Node, name: &str, windows: bool) -> Option<Vec<u8>> {
    let units = le::wide(name);
    let length = le::long(units.len());
    let mut out = Vec::new();
    out.u32(0).u32(0);
    if class == 12 {
        out.u32(length).put(&units);
        return Some(out);
    }
    out.put(&times(node)).u64(node.size).u64(if node.folder { 0 } else { node.allocated() });
    out.u32(node.attributes(windows)).u32(length);
    match class {
        1 => {}
        2 => {
            out.u32(0);
        }
        3 => {
            out.u32(0).u16(0).put(&[0; 24]);
        }
        37 => {
            out.u32(0).u16(0).put(&[0; 24]).u16(0).u64(node.id());
        }
        38 => {
            out.u32(0).u32(0).u64(node.id());
        }
        _ => return None,
    }
    out.put(&units);
    Some(out)
}

/// Whether a name fits a pattern with `*` and `?`, and the forms that old programs make of them.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let pattern: Vec<char> = lower(pattern)
        .into_iter()
        .map(|c| match c {
            '<' => '*',
            '>' => '?',
            '"' => '.',
            other => other,
        })
        .collect();
    if pattern == ['*', '.', '*'] {
        return true;
    }
    let name = lower(name);
    let (mut p, mut n, mut back) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (p, n) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("*", "a.txt", true),
            ("*.*", "noext", true),
            ("*.TXT", "a.txt", true),
            ("<\"txt", "a.b.txt", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "aXXbYYbc", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(fits(pattern, name), want, "{pattern} {name}");
        }
        assert_eq!(security().len(), 80);
    }
}
