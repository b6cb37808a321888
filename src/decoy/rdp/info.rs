//! The Client Info packet (MS-RDPBCGR §2.2.1.11): who wants to log in, in clear text.

use crate::decoy::le::{self, Reader};

/// "This is an information packet".
const INFO: u16 = 0x40;
/// Texts are in UTF-16.
const UNICODE: u32 = 0x10;

/// "Your licence is fine": what a server sends that needs none.
pub(super) const LICENSED: [u8; 20] = [0x80, 0, 0, 0, 0xff, 3, 0x10, 0, 7, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0];

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) flags: u32,
    pub(super) domain: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) shell: String,
    pub(super) address: String,
    pub(super) directory: String,
}

impl Info {
    /// Reads it with its security header.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u16()? & INFO == 0 {
            return None;
        }
        reader.u16()?;
        reader.u32()?;
        let flags = reader.u32()?;
        let lengths: [u16; 5] = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let wide = flags & UNICODE != 0;
        let text = |bytes: &[u8]| {
            let text = if wide { le::text(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
            text.trim_end_matches('\0').to_owned()
        };
        // The end of each text is not counted.
        let end = if wide { 2 } else { 1 };
        let mut next = |length: u16| reader.take(usize::from(length) + end).map(text);
        let [domain, user, password, shell] =
            [next(lengths[0])?, next(lengths[1])?, next(lengths[2])?, next(lengths[3])?];
        let mut out = Self { flags, domain, user, password, shell, ..Self::default() };
        let _folder = next(lengths[4]);
        // What follows is from version 5 on.
        let mut extended = || {
            reader.u16()?;
            let length = reader.u16()?;
            let address = le::text(reader.take(length.into())?);
            let length = reader.u16()?;
            Some((address, le::text(reader.take(length.into())?)))
        };
        if let Some((address, directory)) = extended() {
            out.address = address.trim_end_matches('\0').to_owned();
            out.directory = directory.trim_end_matches('\0').to_owned();
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::le::Put as _;

    #[test]
    fn passwords_come_out() {
        let mut bytes = Vec::new();
        bytes.u16(0x40).u16(0).u32(0).u32(0x1b).u16(8).u16(6).u16(4).u16(0).u16(0);
        bytes.wide("CORP\0bob\0pw\0\0\0").u16(2).u16(10).wide("10.1\0").u16(6).wide("C:\0");
        let info = Info::parse(&bytes).unwrap();
        assert_eq!((&*info.domain, &*info.user, &*info.password), ("CORP", "bob", "pw"));
        assert_eq!((&*info.address, &*info.directory), ("10.1", "C:"));
        assert!((0..30).all(|n| Info::parse(&bytes[..n]).is_none()));
    }
}
