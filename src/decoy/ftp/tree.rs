//! What anonymous visitors find, and a home for the operator's account.

use sha2::{Digest, Sha256};

use crate::decoy::vfs::Vfs;
use crate::model::Persona;

/// Where anonymous visitors are locked in.
pub(super) const ROOT: &str = "/srv/ftp";

/// Names of what lies in `pub`; each machine has some of them.
const OFFERS: &[&str] = &[
    "drivers-hp4250.zip",
    "install-notes.txt",
    "phonebook-2024.csv",
    "vpn-client.cfg",
    "floorplan.txt",
    "printer-setup.txt",
    "backup-schedule.txt",
    "scanner-inbox.txt",
];

/// Plants the tree. `account` gets a home when the machine has no such user.
pub(super) fn plant(vfs: &mut Vfs, persona: &Persona, account: Option<&str>) {
    for dir in ["/home", "/srv", ROOT, "/srv/ftp/pub", "/srv/ftp/incoming"] {
        if vfs.stat(dir).is_err() {
            let _ = vfs.mkdir(dir, 0o755);
        }
    }
    let readme = format!(
        "{} file service\n\npub/       files for everybody\nincoming/  closed; ask the administrator for an account\n",
        persona.hostname
    );
    put(vfs, persona, "/srv/ftp/README", readme.as_bytes());
    let first = persona.seed.number("ftp/offers", OFFERS.len() as u64);
    let first = usize::try_from(first).unwrap_or(0);
    for name in OFFERS.iter().cycle().skip(first).take(3) {
        put(vfs, persona, &format!("/srv/ftp/pub/{name}"), &content(persona, name));
    }
    for dir in ["/srv/ftp/pub", "/srv/ftp/incoming", ROOT] {
        age(vfs, persona, dir);
    }
    if let Some(name) = account
        && vfs.machine().user(name).is_none()
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    {
        let _ = vfs.mkdir(&format!("/home/{name}"), 0o755);
        let _ = vfs.chown(&format!("/home/{name}"), ACCOUNT, ACCOUNT);
        age(vfs, persona, &format!("/home/{name}"));
    }
}

/// Number of an account the machine does not know otherwise.
pub(super) const ACCOUNT: u32 = 1001;

fn put(vfs: &mut Vfs, persona: &Persona, path: &str, bytes: &[u8]) {
    if vfs.write(path, bytes).is_ok() {
        age(vfs, persona, path);
    }
}

fn age(vfs: &mut Vfs, persona: &Persona, path: &str) {
    let after = i64::try_from(persona.seed.number(&format!("ftp/age{path}"), 20 * 86_400)).unwrap_or(0);
    let _ = vfs.set_mtime(path, persona.born.saturating_add(after));
}

fn content(persona: &Persona, name: &str) -> Vec<u8> {
    let seed = persona.seed.derive(&format!("ftp/{name}"));
    match name.rsplit('.').next().unwrap_or_default() {
        "zip" => {
            // A local file header and bytes that do not compress.
            let mut bytes = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
            let size = 40_000 + usize::from(seed[0]) * 97;
            let mut block = seed;
            while bytes.len() < size {
                block = Sha256::digest(block).into();
                bytes.extend_from_slice(&block);
            }
            bytes.truncate(size);
            bytes
        }
        "csv" => {
            let mut text = String::from("name,room,extension\n");
            let names = ["reception", "accounting", "warehouse", "it", "management", "workshop"];
            for (name, n) in names.iter().zip(&seed) {
                text.push_str(&format!("{name},{},{}\n", 100 + u32::from(n % 40), 2000 + u32::from(*n)));
            }
            text.into_bytes()
        }
        "cfg" => format!(
            "client\ndev tun\nproto udp\nremote vpn.{}.lan 1194\nresolv-retry infinite\nnobind\npersist-key\npersist-tun\nauth-user-pass\n",
            persona.hostname
        )
        .into_bytes(),
        _ => format!(
            "{name}\n\nLast changed by the office. Questions: extension {}.\n",
            2000 + u32::from(seed[1])
        )
        .into_bytes(),
    }
}
