//! The connection phase: greeting, login packet, scrambles (protocol documentation, "Connection Phase").

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::packet::Cursor;
#[cfg(test)]
use super::packet::put_text;
use super::product::Product;

/// Capability bits that matter here.
pub(super) mod cap {
    pub(crate) const MYSQL: u32 = 1;
    pub(crate) const WITH_DB: u32 = 1 << 3;
    pub(crate) const PROTOCOL_41: u32 = 1 << 9;
    pub(crate) const SSL: u32 = 1 << 11;
    pub(crate) const SECURE: u32 = 1 << 15;
    pub(crate) const MULTI: u32 = 1 << 16;
    pub(crate) const PLUGIN: u32 = 1 << 19;
    pub(crate) const ATTRIBUTES: u32 = 1 << 20;
    pub(crate) const LENENC_AUTH: u32 = 1 << 21;
    pub(crate) const NO_EOF: u32 = 1 << 24;
    pub(crate) const OPTIONAL_METADATA: u32 = 1 << 25;
    pub(crate) const QUERY_ATTRIBUTES: u32 = 1 << 27;
    /// MariaDB: column types carry more.
    pub(crate) const EXT_TYPES: u32 = 1 << 3;
    /// MariaDB: the client may keep column definitions.
    pub(crate) const EXT_CACHE: u32 = 1 << 4;
}

/// Most connection attributes kept, and most bytes of each name and value.
const ATTRIBUTES_MAX: (usize, usize) = (32, 256);

/// What a client says at login.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Login {
    pub(super) capabilities: u32,
    /// MariaDB's own capabilities.
    pub(super) extended: u32,
    pub(super) charset: u8,
    pub(super) user: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) database: Option<Vec<u8>>,
    pub(super) plugin: Option<Vec<u8>>,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How a login packet cannot be taken.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    /// Error 1043.
    BadHandshake,
    /// A client from before 4.1: its user, and whether it sent a password.
    Ancient(Vec<u8>, bool),
}

/// The greeting of protocol 10.
pub(super) fn greeting(product: &Product, id: u32, challenge: &[u8; 20]) -> Vec<u8> {
    let capabilities = product.capabilities.to_le_bytes();
    let mut out = vec![10];
    out.extend_from_slice(product.greeting.as_bytes());
    out.push(0);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&challenge[..8]);
    out.push(0);
    out.extend_from_slice(&capabilities[..2]);
    out.push(product.charset);
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&capabilities[2..]);
    out.push(21);
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&product.extended.to_le_bytes());
    out.extend_from_slice(&challenge[8..]);
    out.push(0);
    // Before 5.5.7 there were no plugins; everything here is newer.
    out.extend_from_slice(product.plugin().as_bytes());
    out.push(0);
    out
}

/// Reads a login packet (`HandshakeResponse41`).
pub(super) fn parse(product: &Product, packet: &[u8]) -> Result<Login, Refused> {
    let bad = || Refused::BadHandshake;
    let mut cursor = Cursor(packet);
    let capabilities = cursor.u32().ok_or_else(bad)?;
    if capabilities & cap::PROTOCOL_41 == 0 {
        // Capabilities are two bytes then, followed by three of the packet size.
        let rest = packet.get(5..).ok_or_else(bad)?;
        let mut cursor = Cursor(rest);
        let user = cursor.until_nul().to_vec();
        let password = cursor.0.iter().any(|b| *b != 0);
        return Err(if product.maria() { Refused::Ancient(user, password) } else { bad() });
    }
    if capabilities & cap::SSL != 0 {
        return Err(bad());
    }
    cursor.u32().ok_or_else(bad)?;
    let charset = cursor.byte().ok_or_else(bad)?;
    cursor.take(19).ok_or_else(bad)?;
    let extended = cursor.u32().ok_or_else(bad)?;
    let user = cursor.nul().ok_or_else(bad)?.to_vec();
    let response = if capabilities & cap::LENENC_AUTH != 0 {
        cursor.text().ok_or_else(bad)?
    } else if capabilities & cap::SECURE != 0 {
        let length = cursor.byte().ok_or_else(bad)?;
        cursor.take(usize::from(length)).ok_or_else(bad)?
    } else {
        cursor.until_nul()
    };
    let database = (capabilities & cap::WITH_DB != 0).then(|| cursor.until_nul().to_vec());
    let plugin = (capabilities & cap::PLUGIN != 0).then(|| cursor.until_nul().to_vec());
    let mut attributes = Vec::new();
    if capabilities & cap::ATTRIBUTES != 0 && product.capabilities & cap::ATTRIBUTES != 0 {
        let mut pairs = Cursor(cursor.text().unwrap_or_default());
        while let (Some(name), Some(value)) = (pairs.text(), pairs.text()) {
            if attributes.len() >= ATTRIBUTES_MAX.0 {
                break;
            }
            let cut = |b: &[u8]| b.get(..b.len().min(ATTRIBUTES_MAX.1)).unwrap_or_default().to_vec();
            attributes.push((cut(name), cut(value)));
        }
    }
    Ok(Login {
        capabilities: capabilities & product.capabilities,
        extended: if capabilities & cap::MYSQL == 0 { extended & product.extended } else { 0 },
        charset,
        user,
        response: response.to_vec(),
        database: database.filter(|d| !d.is_empty()),
        plugin,
        attributes,
    })
}

/// The packet that asks the client to use our plugin.
pub(super) fn switch(product: &Product, challenge: &[u8; 20]) -> Vec<u8> {
    let mut out = vec![0xfe];
    out.extend_from_slice(product.plugin().as_bytes());
    out.push(0);
    out.extend_from_slice(challenge);
    out.push(0);
    out
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(a, b)| a ^ b).collect()
}

/// What `mysql_native_password` answers to a challenge.
pub(super) fn native(challenge: &[u8], password: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let mut hash = Sha1::new();
    hash.update(challenge);
    hash.update(Sha1::digest(once));
    xor(&once, &hash.finalize())
}

/// What `caching_sha2_password` answers to a challenge.
pub(super) fn sha2(challenge: &[u8], password: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(once));
    hash.update(challenge);
    xor(&once, &hash.finalize())
}

/// What the server keeps of a password, as its tables show it; the salted form of newer servers is not shown.
pub(super) fn stored(product: &Product, password: &str) -> String {
    if password.is_empty() || product.sha2 {
        return String::new();
    }
    format!("*{}", hex::encode_upper(Sha1::digest(Sha1::digest(password))))
}

/// Whether `response` proves the password.
pub(super) fn proves(product: &Product, challenge: &[u8], response: &[u8], password: &[u8]) -> bool {
    if password.is_empty() || response.is_empty() {
        return password.is_empty() && response.is_empty();
    }
    response == if product.sha2 { sha2(challenge, password) } else { native(challenge, password) }
}

/// The attributes as one text, for an event.
pub(super) fn attributes_bytes(attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in attributes {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    out
}

/// A login packet as a client makes it, for tests.
#[cfg(test)]
pub(super) fn client_login(user: &str, response: &[u8], plugin: &str, database: Option<&str>) -> Vec<u8> {
    let mut caps = cap::PROTOCOL_41 | cap::SECURE | cap::PLUGIN | cap::ATTRIBUTES | cap::MYSQL;
    if database.is_some() {
        caps |= cap::WITH_DB;
    }
    let mut out = caps.to_le_bytes().to_vec();
    out.extend_from_slice(&(1u32 << 24).to_le_bytes());
    out.push(45);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(user.as_bytes());
    out.push(0);
    out.push(u8::try_from(response.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(response);
    if let Some(database) = database {
        out.extend_from_slice(database.as_bytes());
        out.push(0);
    }
    out.extend_from_slice(plugin.as_bytes());
    out.push(0);
    let mut attributes = Vec::new();
    put_text(&mut attributes, b"_client_name");
    put_text(&mut attributes, b"libmariadb");
    put_text(&mut out, &attributes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Settings;
    use proptest::prelude::*;

    fn product(distro: &str) -> Product {
        let mut persona = testing::persona(&[]);
        persona.distro = distro.into();
        Product::new(&persona, &Settings::new())
    }

    /// Bytes a genuine MariaDB 10.11.19 of Debian 12 sent, but for the collation of its configuration file.
    #[test]
    fn the_greeting_is_byte_true() {
        let challenge = b"AA^:D'6y$@Uk<&J#lz@p";
        let want = b"\n5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x05\x00\x00\x00AA^:D'6y\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15\
            \x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00$@Uk<&J#lz@p\x00mysql_native_password\x00";
        assert_eq!(greeting(&product("debian"), 5, challenge), want);
    }

    #[test]
    fn scrambles_prove_the_password() {
        let challenge = [0x20u8; 20];
        assert!(proves(&product("debian"), &challenge, &native(&challenge, b"secret"), b"secret"));
        assert!(proves(&product("ubuntu22"), &challenge, &sha2(&challenge, b"secret"), b"secret"));
        assert!(!proves(&product("debian"), &challenge, &native(&challenge, b"other"), b"secret"));
        assert!(!proves(&product("debian"), &challenge, b"", b"secret"));
    }

    #[test]
    fn logins_parse_as_the_genuine_server_parses_them() {
        let product = product("debian");
        let packet = client_login("root", b"01234567890123456789", "mysql_native_password", Some("shop"));
        let login = parse(&product, &packet).unwrap();
        assert_eq!((login.user.as_slice(), login.database.as_deref()), (&b"root"[..], Some(&b"shop"[..])));
        assert_eq!(attributes_bytes(&login.attributes), b"_client_name=libmariadb");
        assert_eq!(parse(&product, b"abc"), Err(Refused::BadHandshake));
        assert_eq!(parse(&product, &[0; 32]), Err(Refused::Ancient(vec![], false)));
        assert_eq!(
            parse(&product, b"\x05\x00\xff\xff\xffapp\0abcdefgh\0"),
            Err(Refused::Ancient(b"app".to_vec(), true))
        );
        let mut ssl = packet;
        ssl[1] |= 8;
        assert_eq!(parse(&product, &ssl), Err(Refused::BadHandshake));
    }

    proptest! {
        #[test]
        fn any_login_is_taken_or_refused(bytes: Vec<u8>, base in 0usize..80) {
            let mut packet = client_login("root", b"0123", "x", Some("y"));
            packet.truncate(base);
            packet.extend_from_slice(&bytes);
            let _ = parse(&product("debian"), &packet);
            let _ = parse(&product("ubuntu22"), &bytes);
        }
    }
}
