//! Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH's server reads and writes them.

use crate::decoy::vfs::{Kind, Stat};

/// Longest packet, as OpenSSH's `SFTP_MAX_MSG_LENGTH`.
pub(super) const PACKET_MAX: usize = 256 * 1024;

/// A cursor over one packet; every read is checked.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*word))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    /// A path; what is no UTF-8 in it is replaced.
    pub(super) fn path(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.string()?).into_owned())
    }

    pub(super) fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let mut attributes = Attributes::default();
        if flags & SIZE != 0 {
            attributes.size = Some(self.u64()?);
        }
        if flags & OWNER != 0 {
            attributes.owner = Some((self.u32()?, self.u32()?));
        }
        if flags & MODE != 0 {
            attributes.mode = Some(self.u32()?);
        }
        if flags & TIMES != 0 {
            let _accessed = self.u32()?;
            attributes.mtime = Some(self.u32()?);
        }
        Some(attributes)
    }
}

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;

/// Attributes a client sets; extended ones are not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    pub(super) mtime: Option<u32>,
}

/// A packet being written.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Starts an answer of type `kind` to request `id`.
    pub(super) fn answer(kind: u8, id: u32) -> Self {
        Self(vec![kind]).u32(id)
    }

    /// Starts a packet of type `kind`.
    pub(super) fn packet(kind: u8) -> Self {
        Self(vec![kind])
    }

    pub(super) fn u32(mut self, word: u32) -> Self {
        self.0.extend(word.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, word: u64) -> Self {
        self.0.extend(word.to_be_bytes());
        self
    }

    pub(super) fn string(mut self, text: &[u8]) -> Self {
        self = self.u32(u32::try_from(text.len()).unwrap_or(0));
        self.0.extend_from_slice(text);
        self
    }

    pub(super) fn stat(self, stat: &Stat) -> Self {
        let time = u32::try_from(stat.mtime).unwrap_or(0);
        self.u32(SIZE | OWNER | MODE | TIMES)
            .u64(stat.size)
            .u32(stat.uid)
            .u32(stat.gid)
            .u32(type_bits(stat.kind) | stat.mode & 0o7777)
            .u32(time)
            .u32(time)
    }

    /// Appends the packet with its length to `out`.
    pub(super) fn send(self, out: &mut Vec<u8>) {
        out.extend(u32::try_from(self.0.len()).unwrap_or(0).to_be_bytes());
        out.extend(self.0);
    }
}

fn type_bits(kind: Kind) -> u32 {
    match kind {
        Kind::File => 0o100_000,
        Kind::Dir => 0o040_000,
        Kind::Link => 0o120_000,
        Kind::Device => 0o020_000,
    }
}

/// The line that `ls -l` of a client shows, in the form of OpenSSH's `ls_file`.
pub(super) fn long_name(name: &str, stat: &Stat, user: &str, group: &str, now: i64) -> String {
    let kind = match stat.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Device => 'c',
    };
    let links = if stat.kind == Kind::Dir { 2 } else { 1 };
    let mode = mode_text(stat.mode);
    let time = time_text(stat.mtime, now);
    format!("{kind}{mode} {links:>4} {user:<8} {group:<8} {:>8} {time} {name}", stat.size)
}

fn mode_text(mode: u32) -> String {
    let mut text: Vec<char> =
        (0..9).map(|bit| if mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] }).collect();
    for (bit, at, set, bare) in [(0o4000, 2, 's', 'S'), (0o2000, 5, 's', 'S'), (0o1000, 8, 't', 'T')] {
        if mode & bit != 0
            && let Some(place) = text.get_mut(at)
        {
            *place = if *place == 'x' { set } else { bare };
        }
    }
    text.into_iter().collect()
}

/// `Nov 23 16:30` within the last half year, `Nov 23  2025` before.
fn time_text(mtime: i64, now: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_second(mtime) else { return "Jan  1  1970".to_owned() };
    let recent = mtime <= now && now.saturating_sub(mtime) < 182 * 86_400;
    let form = if recent { "%b %e %H:%M" } else { "%b %e  %Y" };
    jiff::tz::Offset::UTC.to_datetime(time).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_look_like_openssh() {
        let stat = Stat { kind: Kind::File, size: 1234, mode: 0o644, uid: 0, gid: 0, mtime: 1_750_000_000 };
        let now = 1_750_086_400;
        assert_eq!(
            long_name("a b", &stat, "root", "root", now),
            "-rw-r--r--    1 root     root         1234 Jun 15 15:06 a b"
        );
        let dir = Stat { kind: Kind::Dir, mode: 0o1777, mtime: 1_700_000_000, ..stat };
        assert!(long_name("tmp", &dir, "root", "root", now).starts_with("drwxrwxrwt    2 root"));
        assert!(long_name("tmp", &dir, "root", "root", now).ends_with("Nov 14  2023 tmp"));
        assert_eq!(mode_text(0o4644), "rwSr--r--");
    }

    #[test]
    fn a_cut_packet_reads_as_none() {
        assert_eq!(Reader(&[0, 0, 0, 9, 1]).string(), None);
        assert_eq!(Reader(&[0xff; 4]).string(), None);
        assert_eq!(Reader(&[0, 0, 0, 4, 0, 0]).attributes(), None);
        assert_eq!(Reader(&[]).u8(), None);
        let mode = Reader(&[0, 0, 0, 4, 0, 0, 1, 0xed]).attributes().unwrap();
        assert_eq!(mode.mode, Some(0o755));
    }
}
